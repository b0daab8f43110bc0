/* leaves.h - small float64 leaves, and what is expected of tensors and errors, for the suites about histories. */
#ifndef LEAVES_H
#define LEAVES_H
#include <string.h>

#include "gradus.h"
#include "tests/suites.h"

static inline void count_error(const char *text, void *data)
{
    (void)text;
    ++*(int *)data;
}

/* Errors are counted, not printed. */
static inline int *quiet(void)
{
    static int errors;
    errors = 0;
    gr_set_error_handler(count_error, &errors);
    return &errors;
}

/* The error that stands holds `part`; it is cleared. */
static inline void expect_error(const char *part)
{
    ck_assert_msg(gr_error() != NULL, "no error, expected: %s", part);
    ck_assert_msg(strstr(gr_error(), part) != NULL, "error is: %s", gr_error());
    gr_error_clear();
}

static inline gr_tensor *plain(const double *values, int64_t n)
{
    return gr_from_at(values, GR_FLOAT64, (gr_shape){1, {n}}, GR_HERE);
}
#define PLAIN(...) plain((const double[]){__VA_ARGS__}, (int64_t)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)))
#define LEAF(...) gr_requires_grad_(PLAIN(__VA_ARGS__), true)

static inline void expect_values(const gr_tensor *t, const double *expected, int64_t n)
{
    double values[16];
    ck_assert_int_le(n, 16);
    ck_assert_msg(t != NULL, "%s", gr_error() ? gr_error() : "NULL");
    ck_assert_int_eq(gr_numel(t), n);
    ck_assert(gr_to_array(t, values, n));
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(values[i] == expected[i], "element %d is %.17g, expected %.17g", (int)i, values[i], expected[i]);
}
#define EXPECT(t, ...) \
    expect_values(t, (const double[]){__VA_ARGS__}, (int64_t)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)))

#endif
