/* decimal.h - numbers as decimal text, in no locale. */
#ifndef GR_DECIMAL_H
#define GR_DECIMAL_H
#include <locale.h>

#include "core/base.h"

/* Between begin and end, numbers that this thread reads and writes have a decimal point, whatever
 * the process's locale. */
typedef struct {
    locale_t plain, before;
} gr_plain_numbers;

static inline gr_plain_numbers gr_plain_numbers_begin(void)
{
    gr_plain_numbers n;
    n.plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    n.before = uselocale(n.plain);
    return n;
}

static inline void gr_plain_numbers_end(gr_plain_numbers n)
{
    uselocale(n.before);
    if (n.plain) freelocale(n.plain);
}

typedef enum { GR_NO_NUMBER, GR_NUMBER_FINITE, GR_NUMBER_NONFINITE } gr_number_kind;

typedef struct {
    bool negative;
    const char *mantissa; /* digits, and perhaps a point among them */
    int64_t length, exponent;
} gr_decimal;

/* What the whole of s is: [+-] digits [. digits] [e [+-] digits] with a digit before or after the
 * point (taken apart into d), or nan, inf, infinity in any case with a sign. What strtod reads
 * beyond that (blanks, 0x, nan(1)) is no number. */
gr_number_kind gr_scan_number(const char *s, gr_decimal *d);
/* The magnitude of d, exactly; false when it is no integer or above 2^64 - 1. */
bool gr_decimal_magnitude(const gr_decimal *d, uint64_t *magnitude);

#endif
