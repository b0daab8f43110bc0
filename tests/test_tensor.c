/* test_tensor.c - tensors themselves: making, filling, looking; sizes that cannot be. */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/look.h"
#include "tests/suites.h"

#define S(...) {GR_COUNT_INT64(__VA_ARGS__), {__VA_ARGS__}}
static const gr_shape shapes[] = {{0, {0}}, S(1), S(0), S(5), S(2, 3), S(3, 0, 2), S(1, 2, 1, 3, 1, 2, 1, 2), S(67)};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* A new row-major tensor; each element is value. */
static void expect_new(gr_tensor *t, gr_dtype dtype, gr_shape shape, double value)
{
    ck_assert_msg(t != NULL, "%s", gr_error() ? gr_error() : "NULL");
    ck_assert_int_eq(gr_dtype_of(t), dtype);
    ck_assert_int_eq(gr_dim(t), shape.count);
    int64_t stride = 1, numel = 1;
    for (int d = shape.count - 1; d >= 0; d--) {
        ck_assert_int_eq(gr_size(t, d), shape.size[d]);
        ck_assert_int_eq(gr_stride(t, d), stride);
        stride *= shape.size[d] > 1 ? shape.size[d] : 1;
        numel *= shape.size[d];
    }
    ck_assert_int_eq(gr_numel(t), numel);
    ck_assert(gr_is_contiguous(t) && gr_device_of(t).kind == gr_default_device().kind && !gr_requires_grad(t));
    for (int64_t i = 0; i < numel; i++) ck_assert(same_number(stored(elements(t), dtype, i), value));
}

/* ---- making ---- */

START_TEST(makers_fill_every_dtype_and_shape)
{
    for (int d = 0; d < DTYPES; d++)
        for (int s = 0; s < SHAPES; s++) {
            const gr_dtype t = dtypes[d];
            const gr_shape shape = shapes[s];
            gr_tensor *two = gr_full_with(2, shape, .dtype = t);
            const double two_in = t == GR_BOOL ? 1 : 2;
            expect_new(gr_zeros_with(shape, .dtype = t), t, shape, 0);
            expect_new(gr_ones_with(shape, .dtype = t), t, shape, 1);
            expect_new(two, t, shape, two_in);
            expect_new(gr_zeros_like(two), t, shape, 0);
            expect_new(gr_ones_like(two), t, shape, 1);
            expect_new(gr_full_like(two, 2.75), t, shape, gr_dtype_of(two) <= GR_BFLOAT16 ? 2.75 : two_in);
            expect_new(gr_fill_(gr_empty_with(shape, .dtype = t), 2), t, shape, two_in);
            expect_new(gr_fill_(gr_empty_like(two), 2), t, shape, two_in);
            expect_new(gr_zero_(two), t, shape, 0);
            for (int o = 0; o < DTYPES; o++) {
                expect_new(gr_ones_like(two, .dtype = dtypes[o]), dtypes[o], shape, 1);
                expect_new(gr_to(gr_ones_like(two), .dtype = dtypes[o]), dtypes[o], shape, 1);
            }
        }
    ck_assert_ptr_null(gr_error());
}
END_TEST

START_TEST(makers_without_a_dtype_take_the_default_or_that_of_the_number)
{
    for (int d = 0; d < 3; d++) {
        const gr_shape shape = S(2, 3);
        ck_assert(gr_set_default_dtype(dtypes[d]));
        expect_new(gr_zeros(2, 3), dtypes[d], shape, 0);
        expect_new(gr_ones(2, 3), dtypes[d], shape, 1);
        expect_new(gr_full(1.5, 2, 3), dtypes[d], shape, 1.5);
        expect_new(gr_full(3, 2, 3), GR_INT64, shape, 3);
        expect_new(gr_full((unsigned char)3, 2, 3), GR_INT64, shape, 3);
        expect_new(gr_full((uint64_t)INT64_MAX, 2, 3), GR_INT64, shape, 0x1p63);
        expect_new(gr_full((uint64_t)1 << 63, 2, 3), dtypes[d], shape, 0x1p63); /* no integer dtype holds it */
        expect_new(gr_full((bool)true, 2, 3), GR_BOOL, shape, 1);
        ck_assert_int_eq(gr_dtype_of(gr_empty(1)), dtypes[d]);
        ck_assert_int_eq(gr_dtype_of(gr_eye(2)), dtypes[d]);
        ck_assert_int_eq(gr_dtype_of(gr_arange(0, 3, 1.0)), dtypes[d]);
        ck_assert_int_eq(gr_dtype_of(gr_arange(0, 3, 1)), GR_INT64);
    }
    ck_assert(!gr_set_default_dtype(GR_INT64));
    expect_one_error("must be float32, float64 or bfloat16");
    ck_assert_int_eq(gr_default_dtype(), GR_BFLOAT16);
}
END_TEST

START_TEST(likes_of_views_are_row_major_and_their_own)
{
    gr_tensor *x = gr_requires_grad_(gr_ones(4, 6), true), *view = gr_t(gr_slice(x, .dim = 1, .start = 1, .step = 2));
    const gr_shape shape = S(3, 4);
    expect_new(gr_zeros_like(view), GR_FLOAT32, shape, 0);
    expect_new(gr_full_like(gr_expand(gr_ones(1), 3, 4), 7), GR_FLOAT32, shape, 7);
    ck_assert(gr_requires_grad(gr_zeros_like(view, .requires_grad = true)));
    ck_assert_ptr_null(gr_zeros_with(shape, .dtype = GR_INT32, .requires_grad = true));
    expect_one_error("zeros: dtype is int32 with .requires_grad; must be a float");
}
END_TEST

#define I(n) {.integer = (n), .kind = GR_VALUE_INTEGER}
#define R(x) {.real = (x), .kind = GR_VALUE_REAL}
#define BIG INT64_C(1) << 40

/* A negative integer may wrap into uint8; nothing else is cut (c10::overflows). */
static const struct {
    gr_dtype dtype;
    gr_value number;
    bool fits;
    double kept;
} numbers[] = {
    {GR_UINT8, I(255), true, 255},
    {GR_UINT8, I(256), false, 0},
    {GR_UINT8, I(-1), true, 255},
    {GR_UINT8, I(-255), true, 1},
    {GR_UINT8, I(-256), false, 0},
    {GR_UINT8, R(254.5), true, 254},
    {GR_UINT8, R(255.5), false, 0},
    {GR_UINT8, R(-.5), false, 0},
    {GR_UINT8, I(INT64_MIN), false, 0},
    {GR_INT32, I(INT32_MAX), true, INT32_MAX},
    {GR_INT32, I(INT32_MAX + INT64_C(1)), false, 0},
    {GR_INT32, I(INT32_MIN), true, INT32_MIN},
    {GR_INT32, I(INT32_MIN - INT64_C(1)), false, 0},
    {GR_INT32, R(-2.5), true, -2},
    {GR_INT32, R(2147483647.0), true, INT32_MAX},
    {GR_INT32, R(2147483648.0), false, 0},
    {GR_INT32, R(-2147483648.0), true, INT32_MIN},
    {GR_INT32, R((double)NAN), false, 0},
    {GR_INT64, R(0x1p62), true, 0x1p62},
    {GR_INT64, R(0x1p63), false, 0},
    {GR_INT64, R(-0x1p63), true, -0x1p63},
    {GR_INT64, R(-0x1.1p63), false, 0},
    {GR_INT64, R((double)INFINITY), false, 0},
    {GR_INT64, I(BIG), true, 0x1p40},
    {GR_BOOL, I(BIG), true, 1},
    {GR_BOOL, R((double)NAN), true, 1},
    {GR_BOOL, R(-.5), true, 1},
    {GR_FLOAT32, R(1e39), false, 0},
    {GR_FLOAT32, R(-1e39), false, 0},
    {GR_FLOAT32, R((double)NAN), true, (double)NAN},
    {GR_FLOAT32, R((double)INFINITY), true, (double)INFINITY},
    {GR_FLOAT32, R((double)FLT_MAX), true, (double)FLT_MAX},
    {GR_FLOAT32, I(16777217), true, 16777216},
    {GR_FLOAT64, R(1e300), true, 1e300},
};

START_TEST(numbers_that_do_not_fit_are_refused)
{
    for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++) {
        const gr_dtype dtype = numbers[k].dtype;
        const gr_make_args made = {.shape = S(3), .site = GR_HERE, .dtype = dtype, .device = {-1, 0}};
        gr_tensor *x = gr_ones_at(&made), *full = gr_full_at(numbers[k].number, &made);
        if (!full) expect_one_error("does not fit");
        gr_tensor *like = gr_full_like_at(numbers[k].number, &(gr_like_args){x, GR_HERE, GR_DTYPE_DEFAULT, {-1, 0}, false});
        if (!like) expect_one_error("does not fit");
        gr_tensor *filled = gr_fill__at(x, numbers[k].number, GR_HERE);
        if (!filled) expect_one_error("does not fit");
        ck_assert_msg(!full == !numbers[k].fits && !like == !full && filled == (full ? x : NULL), "number %d", (int)k);
        expect_new(x, dtype, made.shape, full ? numbers[k].kept : 1);
        if (full) expect_new(full, dtype, made.shape, numbers[k].kept);
    }
}
END_TEST

START_TEST(ranges_hold_what_a_loop_would_visit)
{
    static const int64_t integers[][3] = {{0, 5, 1}, {0, 0, 1}, {5, 0, -2}, {5, 0, -5}, {-3, 4, 3}, {2, 3, 100}, {3, 2, -100},
                                          {INT64_MAX - 2, INT64_MAX, 1}, {INT64_MIN + 3, INT64_MIN, -2}, {0, 300, 1},
                                          {INT64_MIN, INT64_MAX, INT64_C(1) << 62}, {INT64_MAX, INT64_MIN, INT64_MIN}};
    for (size_t k = 0; k < sizeof integers / sizeof integers[0]; k++) {
        const int64_t start = integers[k][0], end = integers[k][1], step = integers[k][2];
        gr_tensor *x = gr_arange(start, end, step);
        ck_assert_int_eq(gr_dtype_of(x), GR_INT64);
        int64_t n = 0;
        for (int64_t v = start; step > 0 ? v < end : v > end; n++) {
            ck_assert_int_eq(((const int64_t *)elements(x))[n], v);
            if (__builtin_add_overflow(v, step, &v)) v = end;
        }
        ck_assert_int_eq(gr_numel(x), n);
    }
    static const double reals[][4] = {{0, 1, .25, 4}, {0, 1, .1, 10}, {1, 2, .3, 4},
                                      {5, 0, -2, 3},  {.5, .5, 1, 0}, {0, 1e-9, 1, 1}};
    for (size_t k = 0; k < sizeof reals / sizeof reals[0]; k++) {
        gr_tensor *x = gr_arange_with(reals[k][0], reals[k][1], reals[k][2], .dtype = GR_FLOAT64);
        ck_assert_int_eq(gr_numel(x), (int64_t)reals[k][3]);
        for (int64_t i = 0; i < gr_numel(x); i++) ck_assert(gr_at(x, i) == reals[k][0] + (double)i * reals[k][2]);
    }
    expect_new(gr_arange_with(7, 8, 1, .dtype = GR_UINT8), GR_UINT8, (gr_shape)S(1), 7);
    static const double wrong[][3] = {{0, 1, 0}, {0, 1, -1}, {1, 0, 1}, {0, (double)NAN, 1}, {0, (double)INFINITY, 1},
                                      {0, 1, (double)INFINITY}};
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        ck_assert_ptr_null(gr_arange(wrong[k][0], wrong[k][1], wrong[k][2]));
        expect_one_error("must be finite, step not 0 and leading from start to end");
    }
    ck_assert_ptr_null(gr_arange(INT64_MIN, INT64_MAX, 1));
    expect_one_error("arange: shape is [9223372036854775807]; must have fewer than 2^63 bytes");
    ck_assert_ptr_null(gr_arange(-1e300, 1e300, 1));
    expect_one_error("arange: shape is [9223372036854775807]; must have fewer than 2^63 bytes");
}
END_TEST

START_TEST(eye_is_one_on_its_diagonal)
{
    for (int d = 0; d < DTYPES; d++)
        for (int64_t n = 0; n < 40; n += 1 + n / 3) {
            gr_tensor *x = gr_eye_with(n, .dtype = dtypes[d]);
            ck_assert(gr_dim(x) == 2 && gr_size(x, 0) == n && gr_size(x, 1) == n && gr_dtype_of(x) == dtypes[d]);
            for (int64_t i = 0; i < n * n; i++) ck_assert(stored(elements(x), dtypes[d], i) == (i / n == i % n));
        }
}
END_TEST

START_TEST(from_copies_a_c_array)
{
    float f[6] = {1, 2, 3, 4, 5, 6};
    double d[1] = {2.5};
    int64_t wide[2] = {INT64_MAX, INT64_MIN};
    int32_t narrow[2] = {INT32_MAX, INT32_MIN};
    uint8_t byte[2] = {255, 0};
    bool truth[2] = {true, false};
    gr_tensor *x = gr_from(f, 2, 3);
    ck_assert(gr_dtype_of(x) == GR_FLOAT32 && gr_dim(x) == 2 && gr_data(x) != f && !memcmp(elements(x), f, sizeof f));
    f[0] = 9;
    ck_assert(gr_at(x, 0, 0) == 1);
    ck_assert(gr_dim(gr_from(d)) == 0 && gr_item(gr_from(d)) == 2.5);
    ck_assert(!memcmp(elements(gr_from(wide, 2)), wide, sizeof wide) &&
              !memcmp(elements(gr_from(narrow, 2)), narrow, sizeof narrow));
    ck_assert(!memcmp(elements(gr_from(byte, 2)), byte, sizeof byte) &&
              !memcmp(elements(gr_from(truth, 2)), truth, sizeof truth));
    ck_assert_int_eq(gr_numel(gr_from(f, 0, 3)), 0);
    ck_assert_ptr_null(gr_error());
}
END_TEST

/* ---- looking ---- */

START_TEST(elements_are_read_as_doubles_from_any_place)
{
    for (int d = 0; d < DTYPES; d++) {
        gr_tensor *x = gr_to(gr_reshape(gr_arange(0, 24, 1), 2, 3, 4), .dtype = dtypes[d]),
                  *v = gr_slice(gr_transpose(x, 0, 2), .start = 1, .step = 2);
        for (int64_t i = -2; i < 2; i++)
            for (int64_t j = -3; j < 3; j++)
                for (int64_t k = -2; k < 2; k++) {
                    const int64_t flat = (k < 0 ? k + 2 : k) * 12 + (j < 0 ? j + 3 : j) * 4 + 1 + 2 * (i < 0 ? i + 2 : i);
                    const double want = dtypes[d] == GR_BOOL ? flat != 0 : (double)flat;
                    ck_assert(gr_at(v, i, j, k) == want);
                    ck_assert(gr_item(gr_select(gr_select(gr_select(v, 0, i), 0, j), 0, k)) == want);
                }
        double all[24];
        ck_assert(gr_to_array(v, all, 12));
        for (int64_t i = 0; i < 12; i++) ck_assert(all[i] == gr_at(v, i / 6, i / 2 % 3, i % 2));
    }
    gr_tensor *one = gr_full(7.5, 1, 1, 1, 1, 1, 1, 1, 1), *scalar = gr_full(2.5);
    ck_assert(gr_item(one) == 7.5 && gr_at(one, 0, -1, 0, -1, 0, 0, 0, 0) == 7.5 && gr_at(scalar) == 2.5 &&
              gr_item(scalar) == 2.5);
    ck_assert(gr_dim(scalar) == 0 && gr_size(scalar, 0) == 1 && gr_size(scalar, -1) == 1 && gr_numel(scalar) == 1);
    ck_assert(gr_size(one, -8) == 1 && gr_dim(one) == 8);
}
END_TEST

START_TEST(places_that_are_not_there_are_refused)
{
    gr_tensor *x = gr_ones(2, 3);
    double array[7] = {-7, -7, -7, -7, -7, -7, -7};
    ck_assert(isnan(gr_item(x)));
    expect_one_error("item: t is [2, 3]; must have one element");
    ck_assert(isnan(gr_item(gr_zeros(0))));
    expect_one_error("item: t is [0]");
    const gr_shape places[] = {S(2, 0),    S(0, 3),  S(-3, 0),        S(0, -4),       S(0),
                               S(0, 0, 0), {0, {0}}, S(INT64_MIN, 0), S(0, INT64_MAX)};
    for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
        ck_assert(isnan(gr_at_at(x, places[k], GR_HERE)));
        expect_one_error("at: place is ");
    }
    ck_assert(gr_size(x, 2) == -1);
    expect_one_error("size: axis is 2, t is [2, 3]; must be -2 to 1");
    ck_assert(gr_stride(x, -3) == -1);
    expect_one_error("stride: axis is -3, t is");
    ck_assert(!gr_to_array(x, array, 7));
    expect_one_error("to_array: count is 7, t is [2, 3]; must be 6");
    for (int i = 0; i < 7; i++) ck_assert(array[i] == -7);
}
END_TEST

/* ---- sizes ---- */

START_TEST(sizes_that_overflow_are_refused)
{
    static const struct {
        gr_shape shape;
        const char *text;
    } wrong[] = {
        {S(4294967296, 4294967296), "zeros: shape is [4294967296, 4294967296]; must have fewer than 2^63 bytes"},
        {S(INT64_MAX), "must have fewer than 2^63 bytes"},
        {S(1, INT64_C(1) << 61), "must have fewer than 2^63 bytes"},
        {S(3037000500, 3037000500), "must have fewer than 2^63 bytes"},
        {S(2, -1), "zeros: shape is [2, -1]; sizes must be 0 or more"},
        {S(0, -1), "sizes must be 0 or more"},
        {S(INT64_MIN), "sizes must be 0 or more"},
        {S(65536, 65536, 65536, 65536), "must have fewer than 2^63 bytes"},
    };
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        ck_assert_ptr_null(gr_zeros_with(wrong[k].shape));
        expect_one_error(wrong[k].text);
    }
    ck_assert_ptr_null(gr_zeros(1, 1, 1, 1, 1, 1, 1, 1, 1));
    expect_one_error("zeros: shape is of more than 8 dimensions");
    ck_assert_ptr_null(gr_eye(-1));
    expect_one_error("eye: n is -1; must be 0 to");
    ck_assert_ptr_null(gr_eye(INT64_C(1) << 32));
    expect_one_error("eye: n is 4294967296; must be 0 to");
    for (int64_t zero_at = 0; zero_at < 3; zero_at++) { /* nothing is legal, however wide */
        gr_shape shape = S(INT64_MAX, INT64_MAX, INT64_MAX);
        shape.size[zero_at] = 0;
        gr_tensor *x = gr_zeros_with(shape), *y = gr_add(x, 1), *turned = gr_clone(gr_transpose(x, 0, 2));
        ck_assert(gr_numel(x) == 0 && gr_is_contiguous(x));
        ck_assert(gr_numel(y) == 0 && gr_numel(turned) == 0);
    }
    ck_assert_ptr_null(gr_error());
}
END_TEST

START_TEST(results_that_overflow_are_refused)
{
    gr_tensor *tall = gr_expand(gr_ones(1, 1), INT64_C(1) << 32, 1), *wide = gr_expand(gr_ones(1, 1), 1, INT64_C(1) << 32);
    ck_assert_ptr_null(gr_matmul(tall, wide));
    expect_one_error("matmul: ");
    ck_assert_ptr_null(gr_add(tall, wide));
    expect_one_error("add: ");
    ck_assert_ptr_null(gr_expand(gr_ones(1), INT64_C(1) << 32, INT64_C(1) << 32));
    expect_one_error("expand: shape is [4294967296, 4294967296]; must have fewer than 2^60 elements");
    gr_tensor *deep = gr_expand(gr_ones(1, 1), 1, INT64_C(1) << 59);
    ck_assert_ptr_null(gr_index_select(deep, 0, gr_zeros_with(GR_SHAPE(1 << 10), .dtype = GR_INT64)));
    expect_one_error("index_select: ");
    ck_assert_ptr_null(gr_reshape(gr_ones(4), INT64_C(1) << 62, 4, 4));
    expect_one_error("reshape: ");
    ck_assert_ptr_null(gr_reshape(gr_zeros(0), INT64_MAX, INT64_MAX, -1, 0));
    expect_one_error("reshape: ");
}
END_TEST

Suite *tensor_suite(void)
{
    Suite *s = suite_create("tensor");
    TCase *c = tcase_create("tensor");
    const TTest *const tests[] = {makers_fill_every_dtype_and_shape,
                                  makers_without_a_dtype_take_the_default_or_that_of_the_number,
                                  likes_of_views_are_row_major_and_their_own,
                                  numbers_that_do_not_fit_are_refused,
                                  ranges_hold_what_a_loop_would_visit,
                                  eye_is_one_on_its_diagonal,
                                  from_copies_a_c_array,
                                  elements_are_read_as_doubles_from_any_place,
                                  places_that_are_not_there_are_refused,
                                  sizes_that_overflow_are_refused,
                                  results_that_overflow_are_refused};
    tcase_add_checked_fixture(c, catch_errors, release_errors);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(c, tests[i]);
    suite_add_tcase(s, c);
    return s;
}
