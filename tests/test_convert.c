/* test_convert.c - converting between all dtypes, comparing, clamping. Expected conversions are those of PyTorch 2.15 on
 * x86. */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/half.h"
#include "tests/look.h"
#include "tests/suites.h"

/* ---- converting ---- */

enum { LONGEST = 67 }; /* whole vectors and a tail */

/* What x becomes. */
typedef struct {
    double x;
    int64_t i64;
    int32_t i32;
    uint8_t u8;
} conversion;
#define OUT INT64_MIN, INT32_MIN, 0
static const conversion reals[] = {
    {0, 0, 0, 0}, {-0.0, 0, 0, 0}, {.5, 0, 0, 0}, {-.5, 0, 0, 0}, {-1, -1, -1, 255}, {1.5, 1, 1, 1}, {2.5, 2, 2, 2},
    {-1.5, -1, -1, 255}, {127.5, 127, 127, 127}, {255.875, 255, 255, 255}, {256, 256, 256, 0}, {300, 300, 300, 44},
    {-300.75, -300, -300, 212}, {2147483648.0, 2147483648, INT32_MIN, 0}, {-2147483648.0, -2147483648, INT32_MIN, 0},
    {2147483520.0, 2147483520, 2147483520, 128}, {3e9, 3000000000, INT32_MIN, 0}, {-3e9, -3000000000, INT32_MIN, 0},
    {1e10, 10000000000, INT32_MIN, 0}, {-0x1p63, OUT}, {0x1p63, OUT}, {0x1p100, OUT}, {-0x1p100, OUT},
    {(double)NAN, OUT}, {(double)INFINITY, OUT}, {-(double)INFINITY, OUT}, {0x1p-149, 0, 0, 0},
};
/* no float32 */
static const conversion wide_reals[] = {
    {2147483647, 2147483647, 2147483647, 255},
    {-2147483649.0, -2147483649, INT32_MIN, 255},
    {4294967301.0, 4294967301, INT32_MIN, 5},
    {9.2e18, 9200000000000000000, INT32_MIN, 0},
    {1e-300, 0, 0, 0},
    {1e300, OUT},
};
static const conversion integers[] = {
    {0, 0, 0, 0}, {1, 1, 1, 1}, {-1, -1, -1, 255}, {255, 255, 255, 255}, {256, 256, 256, 0}, {300, 300, 300, 44},
    {-129, -129, -129, 127}, {2147483647, 2147483647, 2147483647, 255}, {-2147483648.0, -2147483648, INT32_MIN, 0},
    {2147483648.0, 2147483648, INT32_MIN, 0}, {-2147483649.0, -2147483649, 2147483647, 255}, {4294967303.0, 4294967303, 7, 7},
    {-0x1p63, INT64_MIN, 0, 0},
};
#undef OUT

static double expected_as(const conversion *c, gr_dtype to)
{
    switch (to) {
    case GR_FLOAT32: return (double)(float)c->x;
    case GR_FLOAT64: return c->x;
    case GR_BFLOAT16: return half_rounded((double)(float)c->x);
    case GR_INT64: return (double)c->i64;
    case GR_INT32: return c->i32;
    case GR_UINT8: return c->u8;
    default: return c->x != 0; /* NaN counts as true */
    }
}

/* All ways to convert give the same: to, copy_ into any strides, to_array. */
static void check_conversion(gr_tensor *x, gr_dtype to, const conversion *table, size_t count)
{
    const int64_t n = gr_numel(x);
    char array[LONGEST * sizeof(double)];
    gr_tensor *spread = gr_zeros_with(GR_SHAPE(n, 3), .dtype = to);
    gr_tensor *made[] = {gr_contiguous(gr_to(x, .dtype = to)), gr_copy_(gr_empty_with(GR_SHAPE(n), .dtype = to), x),
                         gr_contiguous(gr_copy_(gr_select(spread, 1, 1), x)),
                         NULL};
    ck_assert(gr_to_array_at(x, array, to, n, GR_HERE));
    made[3] = gr_from_at(array, to, (gr_shape){1, {n}}, GR_HERE);
    for (int way = 0; way < 4; way++)
        for (int64_t i = 0; i < n; i++) {
            const double want = expected_as(&table[(size_t)i % count], to), got = stored(elements(made[way]), to, i);
            const bool same = isnan(want) ? isnan(got) : got == want;
            if (!same) ck_abort_msg("%.17g (dtype %d) to dtype %d, way %d: %.17g, not %.17g", table[(size_t)i % count].x,
                          (int)gr_dtype_of(x), (int)to, way, got, want);
        }
    for (int64_t i = 0; i < n; i++)
        if (gr_at(spread, i, 0) != 0 || gr_at(spread, i, 2) != 0) ck_abort_msg("copy_ wrote beside element %d", (int)i);
}

static void check_conversions(gr_dtype from, const conversion *table, size_t count)
{
    for (int64_t n = 1; n <= LONGEST; n += 33) {
        const gr_scope scope = gr_scope_begin();
        gr_tensor *host = gr_empty_with(GR_SHAPE(n), .dtype = from, .device = gr_cpu()), *sparse = gr_zeros_with(GR_SHAPE(n, 2), .dtype = from);
        for (int64_t i = 0; i < n; i++) { /* written by C */
            const conversion *c = &table[(size_t)i % count];
            if (from == GR_FLOAT32) ((float *)gr_data(host))[i] = (float)c->x;
            if (from == GR_FLOAT64) ((double *)gr_data(host))[i] = c->x;
            if (from == GR_INT64) ((int64_t *)gr_data(host))[i] = c->i64;
            if (from == GR_INT32) ((int32_t *)gr_data(host))[i] = c->i32;
            if (from == GR_UINT8) ((uint8_t *)gr_data(host))[i] = c->u8;
            if (from == GR_BOOL) ((bool *)gr_data(host))[i] = c->x != 0;
        }
        gr_tensor *x = gr_to(host, .device = gr_default_device());
        gr_copy_(gr_select(sparse, 1, 1), x);
        for (int to = 0; to < DTYPES; to++) {
            check_conversion(x, dtypes[to], table, count);
            check_conversion(gr_select(sparse, 1, 1), dtypes[to], table, count);
        }
        gr_scope_end(scope);
    }
}

START_TEST(every_dtype_converts_to_every_other_as_in_pytorch)
{
    enum { REALS = sizeof reals / sizeof reals[0], WIDE = sizeof wide_reals / sizeof wide_reals[0] };
    check_conversions(GR_FLOAT32, reals, REALS);
    check_conversions(GR_FLOAT64, reals, REALS);
    check_conversions(GR_FLOAT64, wide_reals, WIDE);
    check_conversions(GR_INT64, integers, sizeof integers / sizeof integers[0]);
    conversion narrow[256]; /* every uint8, then bool, and what of the integers is int32 */
    for (int i = 0; i < 256; i++) narrow[i] = (conversion){i, i, i, (uint8_t)i};
    for (int at = 0; at < 256; at += 64) check_conversions(GR_UINT8, narrow + at, 64);
    check_conversions(GR_BOOL, narrow, 2);
    check_conversions(GR_INT32, integers, 9);
    ck_assert_ptr_null(gr_error());
}
END_TEST

START_TEST(conversion_keeps_gradients_between_floats_alone)
{
    gr_tensor *x = gr_requires_grad_(gr_full(1.5, 3), true);
    ck_assert_ptr_eq(gr_to(x), x);
    ck_assert_ptr_eq(gr_to(x, .dtype = GR_FLOAT32), x);
    ck_assert(!gr_requires_grad(gr_to(x, .dtype = GR_INT64)) && !gr_requires_grad(gr_to(x, .dtype = GR_BOOL)));
    gr_tensor *wide = gr_to(x, .dtype = GR_FLOAT64), *into = gr_copy_(gr_zeros_with(GR_SHAPE(2, 3), .dtype = GR_FLOAT64), x);
    ck_assert(gr_backward(gr_sum(gr_add(gr_mul(wide, 2), into))));
    ck_assert(gr_dtype_of(gr_grad(x)) == GR_FLOAT32 && gr_at(gr_grad(x), 1) == 6); /* 2 * 2 rows, and 2 rows */
    const gr_dtype none[] = {(gr_dtype)99, GR_DTYPES};
    for (int k = 0; k < 2; k++) {
        ck_assert_ptr_null(gr_to(x, .dtype = none[k]));
        expect_one_error("to: dtype is ");
        ck_assert_ptr_null(gr_zeros_with(GR_SHAPE(2), .dtype = none[k]));
        expect_one_error("zeros: dtype is ");
    }
}
END_TEST

/* ---- comparing ---- */

typedef gr_tensor *comparison(gr_value a, gr_value b, gr_site site);
static comparison *const comparisons[] = {gr_eq_at, gr_ne_at, gr_lt_at, gr_le_at, gr_gt_at, gr_ge_at};

#define COMPARE_IN(type, a, b, kind) \
    ((const bool[]){(type)(a) == (type)(b), (type)(a) != (type)(b), (type)(a) < (type)(b), (type)(a) <= (type)(b), \
                    (type)(a) > (type)(b), (type)(a) >= (type)(b)}[kind])

START_TEST(comparisons_are_those_of_c)
{
    const double values[] = {0, -0.0, 1, -1, 2, 0.5, 255, (double)NAN, (double)INFINITY, -(double)INFINITY, DBL_MIN, 1e30};
    enum { VALUES = sizeof values / sizeof values[0] };
    for (int d = 0; d < DTYPES; d++) {
        const bool real = dtypes[d] <= GR_BFLOAT16;
        const int64_t n = real ? VALUES : 7;
        gr_tensor *row = gr_to(gr_from_at(values, GR_FLOAT64, (gr_shape){1, {n}}, GR_HERE), .dtype = dtypes[d]);
        gr_tensor *column = gr_unsqueeze(row, 1);
        for (int kind = 0; kind < 6; kind++) {
            gr_tensor *y = comparisons[kind](gr_value_tensor(column), gr_value_tensor(row), GR_HERE);
            ck_assert(gr_dtype_of(y) == GR_BOOL && gr_numel(y) == n * n && !gr_requires_grad(y));
            for (int64_t i = 0; i < n * n; i++) {
                const double a = gr_at(row, i / n), b = gr_at(row, i % n);
                ck_assert(stored(elements(y), GR_BOOL, i) == COMPARE_IN(double, a, b, kind));
            }
        }
    }
}
END_TEST

START_TEST(comparisons_of_integers_are_exact)
{
    const int64_t values[] = {INT64_C(1) << 53, (INT64_C(1) << 53) + 1, INT64_MAX, INT64_MAX - 1,
                              INT64_MIN,        INT64_MIN + 1,          0};
    gr_tensor *row = gr_from(values, 7);
    for (int64_t i = 0; i < 7; i++)
        for (int kind = 0; kind < 6; kind++) {
            gr_tensor *by_number = comparisons[kind](gr_value_integer(values[i]), gr_value_tensor(row), GR_HERE);
            gr_tensor *other_way = comparisons[kind](gr_value_tensor(row), gr_value_integer(values[i]), GR_HERE);
            for (int64_t j = 0; j < 7; j++) {
                ck_assert(gr_at(by_number, j) == COMPARE_IN(int64_t, values[i], values[j], kind));
                ck_assert(gr_at(other_way, j) == COMPARE_IN(int64_t, values[j], values[i], kind));
            }
        }
    ck_assert(!gr_equal(gr_select(row, 0, 0), gr_select(row, 0, 1)));
}
END_TEST

/* As PyTorch: an integer number takes the tensor's dtype and may wrap; a real number makes integers floats. */
START_TEST(numbers_compare_in_the_dtype_of_the_tensor)
{
    gr_tensor *byte = gr_full_with(44, GR_SHAPE(), .dtype = GR_UINT8),
              *narrow = gr_full_with(1, GR_SHAPE(), .dtype = GR_INT32);
    gr_tensor *truth = gr_full((bool)true), *wide = gr_full((INT64_C(1) << 53) + 1);
    const struct {
        gr_tensor *y;
        double expected;
    } cases[] = {{gr_eq(byte, 300), 1},
                 {gr_lt(byte, 300), 0},
                 {gr_lt(byte, 44.5), 1},
                 {gr_eq(narrow, (INT64_C(1) << 32) + 1), 1},
                 {gr_lt(narrow, INT64_C(1) << 40), 0},
                 {gr_eq(wide, 0x1p53), 1},
                 {gr_gt(truth, .5), 1},
                 {gr_eq(truth, (bool)true), 1},
                 {gr_eq(truth, 2), 0},
                 {gr_lt(gr_ones(), INT64_C(1) << 60), 1},
                 {gr_eq(gr_full(3.0), (bool)true), 0}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
        ck_assert_msg(gr_item(cases[k].y) == cases[k].expected, "case %d", (int)k);
}
END_TEST

START_TEST(equal_asks_for_dtype_shape_and_elements)
{
    gr_tensor *x = gr_arange(0, 6, 1), *m = gr_reshape(x, 2, 3);
    ck_assert(gr_equal(x, x) && gr_equal(m, gr_contiguous(m)) && gr_equal(gr_t(m), gr_clone(gr_t(m))));
    ck_assert(!gr_equal(x, m) && !gr_equal(x, gr_to(x, .dtype = GR_INT32)) && !gr_equal(x, gr_add(x, 1)));
    ck_assert(!gr_equal(x, gr_narrow(x, 0, 0, 5)) && gr_equal(gr_zeros(0, 3), gr_ones(0, 3)) &&
              !gr_equal(gr_zeros(0, 3), gr_zeros(0)));
    gr_tensor *nan = gr_full((double)NAN, 2), *zero = gr_zeros(2);
    ck_assert(!gr_equal(nan, nan) && gr_equal(zero, gr_neg(zero)));
    ck_assert_ptr_null(gr_error());
}
END_TEST

/* As PyTorch: bounds are not cut to the dtype; one that no element could meet is refused. */
START_TEST(integers_are_clamped_between_any_numbers)
{
    gr_tensor *byte = gr_from(((const uint8_t[]){2, 7, 255}), 3), *narrow = gr_from(((const int32_t[]){-5, INT32_MAX}), 2);
    const struct {
        gr_tensor *y;
        double first, last;
    } cases[] = {{gr_clamp(byte, -1, 3), 2, 3},
                 {gr_clamp(byte, -1, GR_ABSENT), 2, 255},
                 {gr_clamp(byte, 3, 300), 3, 255},
                 {gr_clamp(byte, GR_ABSENT, 6), 2, 6},
                 {gr_clamp(narrow, GR_ABSENT, INT64_C(1) << 40), -5, INT32_MAX},
                 {gr_clamp(narrow, -(INT64_C(1) << 40), 0), -5, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        ck_assert_msg(cases[k].y != NULL, "case %d: %s", (int)k, gr_error());
        ck_assert(gr_dtype_of(cases[k].y) == (k < 4 ? GR_UINT8 : GR_INT32));
        ck_assert(gr_at(cases[k].y, 0) == cases[k].first && gr_at(cases[k].y, -1) == cases[k].last);
    }
    ck_assert_ptr_null(gr_clamp(byte, 300, GR_ABSENT));
    expect_one_error("clamp: lo is 300, x is uint8; must be at most 255");
    ck_assert_ptr_null(gr_clamp(byte, 0, -1));
    expect_one_error("clamp: hi is -1, x is uint8; must be at least 0");
    ck_assert_ptr_null(gr_clamp(narrow, INT64_C(1) << 40, GR_ABSENT));
    expect_one_error("clamp: lo is 1099511627776, x is int32; must be at most 2147483647");
}
END_TEST

Suite *convert_suite(void)
{
    Suite *s = suite_create("convert");
    TCase *c = tcase_create("convert");
    const TTest *const tests[] = {every_dtype_converts_to_every_other_as_in_pytorch,
                                  conversion_keeps_gradients_between_floats_alone,
                                  comparisons_are_those_of_c,
                                  comparisons_of_integers_are_exact,
                                  numbers_compare_in_the_dtype_of_the_tensor,
                                  equal_asks_for_dtype_shape_and_elements,
                                  integers_are_clamped_between_any_numbers};
    tcase_add_checked_fixture(c, catch_errors, release_errors);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(c, tests[i]);
    suite_add_tcase(s, c);
    return s;
}
