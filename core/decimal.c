/* decimal.c - decimal text taken apart. */
#include "core/decimal.h"

#include <string.h>
#include <strings.h>

static const char *skip_digits(const char *s)
{
    while (*s >= '0' && *s <= '9') s++;
    return s;
}

gr_number_kind gr_scan_number(const char *s, gr_decimal *d)
{
    d->negative = *s == '-';
    d->exponent = 0;
    if (*s == '+' || *s == '-') s++;
    if (!strcasecmp(s, "nan") || !strcasecmp(s, "inf") || !strcasecmp(s, "infinity"))
        return GR_NUMBER_NONFINITE;
    d->mantissa = s;
    s = skip_digits(s);
    if (*s == '.') s = skip_digits(s + 1);
    d->length = s - d->mantissa;
    const int64_t point_alone = *d->mantissa == '.';
    if (d->length == point_alone) return GR_NO_NUMBER;
    if (*s == 'e' || *s == 'E') {
        const bool down = s[1] == '-';
        s += s[1] == '-' || s[1] == '+' ? 2 : 1;
        if (*s < '0' || *s > '9') return GR_NO_NUMBER;
        for (; *s >= '0' && *s <= '9'; s++)
            if (d->exponent < 1000000) d->exponent = d->exponent * 10 + (*s - '0');
        if (down) d->exponent = -d->exponent;
    }
    return *s ? GR_NO_NUMBER : GR_NUMBER_FINITE;
}

bool gr_decimal_magnitude(const gr_decimal *d, uint64_t *magnitude)
{
    const char *point = memchr(d->mantissa, '.', (size_t)d->length);
    int64_t left =
        (point ? point - d->mantissa : d->length) + d->exponent; /* digits before the point */
    uint64_t m = 0;
    for (int64_t i = 0; i < d->length; i++) {
        if (d->mantissa[i] == '.') continue;
        const uint64_t digit = (uint64_t)(d->mantissa[i] - '0');
        if (left-- <= 0) {
            if (digit) return false;
        } else if (__builtin_mul_overflow(m, (uint64_t)10, &m) ||
                   __builtin_add_overflow(m, digit, &m))
            return false;
    }
    while (left-- > 0 && m > 0)
        if (__builtin_mul_overflow(m, (uint64_t)10, &m)) return false;
    *magnitude = m;
    return true;
}
