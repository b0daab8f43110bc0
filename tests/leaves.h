/* leaves.h - small float64 leaves, and the values that are expected, for the suites about histories. */
#ifndef LEAVES_H
#define LEAVES_H
#include "gradus.h"
#include "tests/look.h"
#include "tests/suites.h"

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

/* Hooks; data of the first: how often it has run. */
static inline gr_tensor *doubled(gr_tensor *gradient, void *data)
{
    ++*(int *)data;
    return gr_mul(gradient, 2);
}
static inline gr_tensor *no_gradient(gr_tensor *gradient, void *data)
{
    (void)gradient, (void)data;
    return NULL;
}

#endif
