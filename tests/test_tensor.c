/* test_tensor.c - tensors themselves: making, converting, filling, comparing, looking; sizes that cannot be. Expected
 * conversions are those of PyTorch 2.15 on x86. */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus.h"
#include "tests/suites.h"

static const gr_dtype dtypes[] = {GR_FLOAT32, GR_FLOAT64, GR_BFLOAT16, GR_INT64, GR_INT32, GR_UINT8, GR_BOOL};
enum { DTYPES = sizeof dtypes / sizeof dtypes[0] };
#define S(...) {GR_COUNT_INT64(__VA_ARGS__), {__VA_ARGS__}}
static const gr_shape shapes[] = {{0, {0}}, S(1), S(0), S(5), S(2, 3), S(3, 0, 2), S(1, 2, 1, 3, 1, 2, 1, 2), S(67)};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static int errors_seen;
static void count_error(const char *text, void *data)
{
    (void)text, (void)data;
    errors_seen++;
}

static void setup(void)
{
    gr_set_error_handler(count_error, NULL);
    errors_seen = 0;
}

static void teardown(void)
{
    gr_error_clear();
    gr_set_error_handler(NULL, NULL);
    gr_set_default_dtype(GR_FLOAT32);
}

/* One error has been reported since the last one; it holds `part`. */
static void expect_error(const char *part)
{
    ck_assert_msg(gr_error() && strstr(gr_error(), part), "error is %s, must hold %s", gr_error() ? gr_error() : "none", part);
    ck_assert_int_eq(errors_seen, 1);
    errors_seen = 0;
    gr_error_clear();
}

/* A sign, 8 bits of exponent, 7 of fraction: as IEEE 754 reads such numbers. */
static double bfloat16_of(uint16_t bits)
{
    const int exponent = bits >> 7 & 255, fraction = bits & 127;
    const double size = exponent == 255 ? fraction ? (double)NAN : (double)INFINITY
                        : exponent == 0 ? ldexp(fraction, -133) : ldexp(fraction + 128, exponent - 134);
    return bits >> 15 ? -size : size;
}

/* Element i of memory. */
static double stored(const void *data, gr_dtype dtype, int64_t i)
{
    switch (dtype) {
    case GR_FLOAT32: return (double)((const float *)data)[i];
    case GR_FLOAT64: return ((const double *)data)[i];
    case GR_BFLOAT16: return bfloat16_of(((const uint16_t *)data)[i]);
    case GR_INT64: return (double)((const int64_t *)data)[i];
    case GR_INT32: return ((const int32_t *)data)[i];
    case GR_UINT8: return ((const uint8_t *)data)[i];
    default: return ((const unsigned char *)data)[i]; /* a bool that is neither 0 nor 1 shows */
    }
}

static bool same_number(double a, double b)
{
    return isnan(a) || isnan(b) ? isnan(a) && isnan(b) : a == b && !signbit(a) == !signbit(b);
}

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
    ck_assert(gr_is_contiguous(t) && gr_device_of(t).kind == 0 && !gr_requires_grad(t));
    for (int64_t i = 0; i < numel; i++) ck_assert(same_number(stored(gr_data(t), dtype, i), value));
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
        expect_new(gr_full((bool)true, 2, 3), GR_BOOL, shape, 1);
        ck_assert_int_eq(gr_dtype_of(gr_empty(1)), dtypes[d]);
        ck_assert_int_eq(gr_dtype_of(gr_eye(2)), dtypes[d]);
        ck_assert_int_eq(gr_dtype_of(gr_arange(0, 3, 1.0)), dtypes[d]);
        ck_assert_int_eq(gr_dtype_of(gr_arange(0, 3, 1)), GR_INT64);
    }
    ck_assert(!gr_set_default_dtype(GR_INT64));
    expect_error("must be float32, float64 or bfloat16");
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
    expect_error("zeros: dtype is int32 with .requires_grad; must be a float");
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
    {GR_UINT8, I(255), true, 255},      {GR_UINT8, I(256), false, 0},           {GR_UINT8, I(-1), true, 255},
    {GR_UINT8, I(-255), true, 1},       {GR_UINT8, I(-256), false, 0},          {GR_UINT8, R(254.5), true, 254},
    {GR_UINT8, R(255.5), false, 0},     {GR_UINT8, R(-.5), false, 0},           {GR_UINT8, I(INT64_MIN), false, 0},
    {GR_INT32, I(INT32_MAX), true, INT32_MAX}, {GR_INT32, I(INT32_MAX + INT64_C(1)), false, 0},
    {GR_INT32, I(INT32_MIN), true, INT32_MIN}, {GR_INT32, I(INT32_MIN - INT64_C(1)), false, 0},
    {GR_INT32, R(-2.5), true, -2},      {GR_INT32, R(2147483647.0), true, INT32_MAX}, {GR_INT32, R(2147483648.0), false, 0},
    {GR_INT32, R(-2147483648.0), true, INT32_MIN}, {GR_INT32, R((double)NAN), false, 0},
    {GR_INT64, R(0x1p62), true, 0x1p62}, {GR_INT64, R(0x1p63), false, 0},       {GR_INT64, R(-0x1p63), true, -0x1p63},
    {GR_INT64, R(-0x1.1p63), false, 0}, {GR_INT64, R((double)INFINITY), false, 0}, {GR_INT64, I(BIG), true, 0x1p40},
    {GR_BOOL, I(BIG), true, 1},         {GR_BOOL, R((double)NAN), true, 1},     {GR_BOOL, R(-.5), true, 1},
    {GR_FLOAT32, R(1e39), false, 0},    {GR_FLOAT32, R(-1e39), false, 0},       {GR_FLOAT32, R((double)NAN), true, (double)NAN},
    {GR_FLOAT32, R((double)INFINITY), true, (double)INFINITY},                  {GR_FLOAT32, R((double)FLT_MAX), true, (double)FLT_MAX},
    {GR_FLOAT32, I(16777217), true, 16777216}, {GR_FLOAT64, R(1e300), true, 1e300},
};

START_TEST(numbers_that_do_not_fit_are_refused)
{
    for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++) {
        const gr_dtype dtype = numbers[k].dtype;
        const gr_make_args made = {.shape = S(3), .site = GR_HERE, .dtype = dtype, .device = {-1, 0}};
        gr_tensor *x = gr_ones_at(&made), *full = gr_full_at(numbers[k].number, &made);
        if (!full) expect_error("does not fit");
        gr_tensor *like = gr_full_like_at(numbers[k].number, &(gr_like_args){x, GR_HERE, GR_DTYPE_DEFAULT, {-1, 0}, false});
        if (!like) expect_error("does not fit");
        gr_tensor *filled = gr_fill__at(x, numbers[k].number, GR_HERE);
        if (!filled) expect_error("does not fit");
        ck_assert_msg(!full == !numbers[k].fits && !like == !full && filled == (full ? x : NULL), "number %d", (int)k);
        expect_new(x, dtype, made.shape, full ? numbers[k].kept : 1);
        if (full) expect_new(full, dtype, made.shape, numbers[k].kept);
    }
}
END_TEST

START_TEST(ranges_hold_what_a_loop_would_visit)
{
    static const int64_t integers[][3] = {{0, 5, 1}, {0, 0, 1}, {5, 0, -2}, {5, 0, -5}, {-3, 4, 3}, {2, 3, 100}, {3, 2, -100},
                                          {INT64_MAX - 2, INT64_MAX, 1}, {INT64_MIN + 3, INT64_MIN, -2}, {0, 300, 1}};
    for (size_t k = 0; k < sizeof integers / sizeof integers[0]; k++) {
        const int64_t start = integers[k][0], end = integers[k][1], step = integers[k][2];
        gr_tensor *x = gr_arange(start, end, step);
        ck_assert_int_eq(gr_dtype_of(x), GR_INT64);
        int64_t n = 0;
        for (int64_t v = start; step > 0 ? v < end : v > end; n++) {
            ck_assert_int_eq(((int64_t *)gr_data(x))[n], v);
            if (__builtin_add_overflow(v, step, &v)) v = end;
        }
        ck_assert_int_eq(gr_numel(x), n);
    }
    static const double reals[][4] = {{0, 1, .25, 4}, {0, 1, .1, 10}, {1, 2, .3, 4}, {5, 0, -2, 3}, {.5, .5, 1, 0}, {0, 1e-9, 1, 1}};
    for (size_t k = 0; k < sizeof reals / sizeof reals[0]; k++) {
        gr_tensor *x = gr_arange_with(reals[k][0], reals[k][1], reals[k][2], .dtype = GR_FLOAT64);
        ck_assert_int_eq(gr_numel(x), (int64_t)reals[k][3]);
        for (int64_t i = 0; i < gr_numel(x); i++) ck_assert(gr_at(x, i) == reals[k][0] + (double)i * reals[k][2]);
    }
    expect_new(gr_arange_with(7, 8, 1, .dtype = GR_UINT8), GR_UINT8, (gr_shape)S(1), 7);
    static const double wrong[][3] = {{0, 1, 0}, {0, 1, -1}, {1, 0, 1}, {0, (double)NAN, 1}, {0, (double)INFINITY, 1},
                                      {0, 1, (double)INFINITY}, {-1e300, 1e300, 1}};
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        ck_assert_ptr_null(gr_arange(wrong[k][0], wrong[k][1], wrong[k][2]));
        expect_error("arange: ");
    }
    ck_assert_ptr_null(gr_arange(INT64_MIN, INT64_MAX, 1));
    expect_error("arange: ");
}
END_TEST

START_TEST(eye_is_one_on_its_diagonal)
{
    for (int d = 0; d < DTYPES; d++)
        for (int64_t n = 0; n < 40; n += 1 + n / 3) {
            gr_tensor *x = gr_eye_with(n, .dtype = dtypes[d]);
            ck_assert(gr_dim(x) == 2 && gr_size(x, 0) == n && gr_size(x, 1) == n && gr_dtype_of(x) == dtypes[d]);
            for (int64_t i = 0; i < n * n; i++) ck_assert(stored(gr_data(x), dtypes[d], i) == (i / n == i % n));
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
    ck_assert(gr_dtype_of(x) == GR_FLOAT32 && gr_dim(x) == 2 && gr_data(x) != f && !memcmp(gr_data(x), f, sizeof f));
    f[0] = 9;
    ck_assert(gr_at(x, 0, 0) == 1);
    ck_assert(gr_dim(gr_from(d)) == 0 && gr_item(gr_from(d)) == 2.5);
    ck_assert(!memcmp(gr_data(gr_from(wide, 2)), wide, sizeof wide) && !memcmp(gr_data(gr_from(narrow, 2)), narrow, sizeof narrow));
    ck_assert(!memcmp(gr_data(gr_from(byte, 2)), byte, sizeof byte) && !memcmp(gr_data(gr_from(truth, 2)), truth, sizeof truth));
    ck_assert_int_eq(gr_numel(gr_from(f, 0, 3)), 0);
    ck_assert_ptr_null(gr_error());
}
END_TEST

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
    {2147483647, 2147483647, 2147483647, 255}, {-2147483649.0, -2147483649, INT32_MIN, 255}, {4294967301.0, 4294967301, INT32_MIN, 5},
    {9.2e18, 9200000000000000000, INT32_MIN, 0}, {1e-300, 0, 0, 0}, {1e300, OUT},
};
static const conversion integers[] = {
    {0, 0, 0, 0}, {1, 1, 1, 1}, {-1, -1, -1, 255}, {255, 255, 255, 255}, {256, 256, 256, 0}, {300, 300, 300, 44},
    {-129, -129, -129, 127}, {2147483647, 2147483647, 2147483647, 255}, {-2147483648.0, -2147483648, INT32_MIN, 0},
    {2147483648.0, 2147483648, INT32_MIN, 0}, {-2147483649.0, -2147483649, 2147483647, 255}, {4294967303.0, 4294967303, 7, 7},
    {-0x1p63, INT64_MIN, 0, 0},
};
#undef OUT

/* To 8 bits, ties to even. */
static double rounded_to_bfloat16(double x)
{
    int exponent;
    if (x == 0 || !isfinite(x)) return x;
    frexp(x, &exponent);
    const double unit = ldexp(1, (exponent < -125 ? -125 : exponent) - 8), y = nearbyint(x / unit) * unit;
    return fabs(y) < 0x1p128 ? y : copysign((double)INFINITY, x);
}

static double expected_as(const conversion *c, gr_dtype to)
{
    switch (to) {
    case GR_FLOAT32: return (double)(float)c->x;
    case GR_FLOAT64: return c->x;
    case GR_BFLOAT16: return rounded_to_bfloat16((double)(float)c->x);
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
                         gr_contiguous(gr_copy_(gr_select(spread, 1, 1), x)), gr_from_at(array, to, (gr_shape){1, {n}}, GR_HERE)};
    ck_assert(gr_to_array_at(x, array, to, n, GR_HERE));
    memcpy(gr_data(made[3]), array, (size_t)n * (to == GR_FLOAT64 || to == GR_INT64 ? 8 : to == GR_BFLOAT16 ? 2 : to <= GR_INT32 ? 4 : 1));
    for (int way = 0; way < 4; way++)
        for (int64_t i = 0; i < n; i++) {
            const double want = expected_as(&table[(size_t)i % count], to), got = stored(gr_data(made[way]), to, i);
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
        gr_tensor *x = gr_empty_with(GR_SHAPE(n), .dtype = from), *sparse = gr_zeros_with(GR_SHAPE(n, 2), .dtype = from);
        for (int64_t i = 0; i < n; i++) { /* written by C */
            const conversion *c = &table[(size_t)i % count];
            if (from == GR_FLOAT32) ((float *)gr_data(x))[i] = (float)c->x;
            if (from == GR_FLOAT64) ((double *)gr_data(x))[i] = c->x;
            if (from == GR_INT64) ((int64_t *)gr_data(x))[i] = c->i64;
            if (from == GR_INT32) ((int32_t *)gr_data(x))[i] = c->i32;
            if (from == GR_UINT8) ((uint8_t *)gr_data(x))[i] = c->u8;
            if (from == GR_BOOL) ((bool *)gr_data(x))[i] = c->x != 0;
        }
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
        expect_error("to: dtype is ");
        ck_assert_ptr_null(gr_zeros_with(GR_SHAPE(2), .dtype = none[k]));
        expect_error("zeros: dtype is ");
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
                ck_assert(stored(gr_data(y), GR_BOOL, i) == COMPARE_IN(double, a, b, kind));
            }
        }
    }
}
END_TEST

START_TEST(comparisons_of_integers_are_exact)
{
    const int64_t values[] = {INT64_C(1) << 53, (INT64_C(1) << 53) + 1, INT64_MAX, INT64_MAX - 1, INT64_MIN, INT64_MIN + 1, 0};
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
    gr_tensor *byte = gr_full_with(44, GR_SHAPE(), .dtype = GR_UINT8), *narrow = gr_full_with(1, GR_SHAPE(), .dtype = GR_INT32);
    gr_tensor *truth = gr_full((bool)true), *wide = gr_full((INT64_C(1) << 53) + 1);
    const struct {
        gr_tensor *y;
        double expected;
    } cases[] = {{gr_eq(byte, 300), 1}, {gr_lt(byte, 300), 0}, {gr_lt(byte, 44.5), 1}, {gr_eq(narrow, (INT64_C(1) << 32) + 1), 1},
                 {gr_lt(narrow, INT64_C(1) << 40), 0}, {gr_eq(wide, 0x1p53), 1}, {gr_gt(truth, .5), 1}, {gr_eq(truth, (bool)true), 1},
                 {gr_eq(truth, 2), 0}, {gr_lt(gr_ones(), INT64_C(1) << 60), 1}, {gr_eq(gr_full(3.0), (bool)true), 0}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) ck_assert_msg(gr_item(cases[k].y) == cases[k].expected, "case %d", (int)k);
}
END_TEST

START_TEST(equal_asks_for_dtype_shape_and_elements)
{
    gr_tensor *x = gr_arange(0, 6, 1), *m = gr_reshape(x, 2, 3);
    ck_assert(gr_equal(x, x) && gr_equal(m, gr_contiguous(m)) && gr_equal(gr_t(m), gr_clone(gr_t(m))));
    ck_assert(!gr_equal(x, m) && !gr_equal(x, gr_to(x, .dtype = GR_INT32)) && !gr_equal(x, gr_add(x, 1)));
    ck_assert(!gr_equal(x, gr_narrow(x, 0, 0, 5)) && gr_equal(gr_zeros(0, 3), gr_ones(0, 3)) && !gr_equal(gr_zeros(0, 3), gr_zeros(0)));
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
    } cases[] = {{gr_clamp(byte, -1, 3), 2, 3},      {gr_clamp(byte, -1, GR_ABSENT), 2, 255},           {gr_clamp(byte, 3, 300), 3, 255},
                 {gr_clamp(byte, GR_ABSENT, 6), 2, 6}, {gr_clamp(narrow, GR_ABSENT, INT64_C(1) << 40), -5, INT32_MAX},
                 {gr_clamp(narrow, -(INT64_C(1) << 40), 0), -5, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        ck_assert_msg(cases[k].y != NULL, "case %d: %s", (int)k, gr_error());
        ck_assert(gr_dtype_of(cases[k].y) == (k < 4 ? GR_UINT8 : GR_INT32));
        ck_assert(gr_at(cases[k].y, 0) == cases[k].first && gr_at(cases[k].y, -1) == cases[k].last);
    }
    ck_assert_ptr_null(gr_clamp(byte, 300, GR_ABSENT));
    expect_error("clamp: lo is 300, x is uint8; must be at most 255");
    ck_assert_ptr_null(gr_clamp(byte, 0, -1));
    expect_error("clamp: hi is -1, x is uint8; must be at least 0");
    ck_assert_ptr_null(gr_clamp(narrow, INT64_C(1) << 40, GR_ABSENT));
    expect_error("clamp: lo is 1099511627776, x is int32; must be at most 2147483647");
}
END_TEST

/* ---- looking ---- */

START_TEST(elements_are_read_as_doubles_from_any_place)
{
    for (int d = 0; d < DTYPES; d++) {
        gr_tensor *x = gr_to(gr_reshape(gr_arange(0, 24, 1), 2, 3, 4), .dtype = dtypes[d]), *v = gr_slice(gr_transpose(x, 0, 2), .start = 1, .step = 2);
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
    ck_assert(gr_item(one) == 7.5 && gr_at(one, 0, -1, 0, -1, 0, 0, 0, 0) == 7.5 && gr_at(scalar) == 2.5 && gr_item(scalar) == 2.5);
    ck_assert(gr_dim(scalar) == 0 && gr_size(scalar, 0) == 1 && gr_size(scalar, -1) == 1 && gr_numel(scalar) == 1);
    ck_assert(gr_size(one, -8) == 1 && gr_dim(one) == 8);
}
END_TEST

START_TEST(places_that_are_not_there_are_refused)
{
    gr_tensor *x = gr_ones(2, 3);
    double array[7] = {-7, -7, -7, -7, -7, -7, -7};
    ck_assert(isnan(gr_item(x)));
    expect_error("item: t is [2, 3]; must have one element");
    ck_assert(isnan(gr_item(gr_zeros(0))));
    expect_error("item: t is [0]");
    const gr_shape places[] = {S(2, 0), S(0, 3), S(-3, 0), S(0, -4), S(0), S(0, 0, 0), {0, {0}}, S(INT64_MIN, 0), S(0, INT64_MAX)};
    for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
        ck_assert(isnan(gr_at_at(x, places[k], GR_HERE)));
        expect_error("at: place is ");
    }
    ck_assert(gr_size(x, 2) == -1);
    expect_error("size: axis is 2, t is [2, 3]; must be -2 to 1");
    ck_assert(gr_stride(x, -3) == -1);
    expect_error("stride: axis is -3, t is");
    ck_assert(!gr_to_array(x, array, 7));
    expect_error("to_array: buffer has 7 elements, t is [2, 3]; must have 6");
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
        expect_error(wrong[k].text);
    }
    ck_assert_ptr_null(gr_zeros(1, 1, 1, 1, 1, 1, 1, 1, 1));
    expect_error("zeros: shape has more than 8 dimensions");
    ck_assert_ptr_null(gr_eye(-1));
    expect_error("eye: n is -1; must be 0 to");
    ck_assert_ptr_null(gr_eye(INT64_C(1) << 32));
    expect_error("eye: n is 4294967296; must be 0 to");
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
    expect_error("matmul: ");
    ck_assert_ptr_null(gr_add(tall, wide));
    expect_error("add: ");
    ck_assert_ptr_null(gr_expand(gr_ones(1), INT64_C(1) << 32, INT64_C(1) << 32));
    expect_error("expand: shape is [4294967296, 4294967296]; must have fewer than 2^60 elements");
    gr_tensor *deep = gr_expand(gr_ones(1, 1), 1, INT64_C(1) << 59);
    ck_assert_ptr_null(gr_index_select(deep, 0, gr_zeros_with(GR_SHAPE(1 << 10), .dtype = GR_INT64)));
    expect_error("index_select: ");
    ck_assert_ptr_null(gr_reshape(gr_ones(4), INT64_C(1) << 62, 4, 4));
    expect_error("reshape: ");
    ck_assert_ptr_null(gr_reshape(gr_zeros(0), INT64_MAX, INT64_MAX, -1, 0));
    expect_error("reshape: ");
}
END_TEST

Suite *tensor_suite(void)
{
    Suite *s = suite_create("tensor");
    TCase *c = tcase_create("tensor");
    const TTest *const tests[] = {makers_fill_every_dtype_and_shape, makers_without_a_dtype_take_the_default_or_that_of_the_number,
                                  likes_of_views_are_row_major_and_their_own, numbers_that_do_not_fit_are_refused,
                                  ranges_hold_what_a_loop_would_visit, eye_is_one_on_its_diagonal, from_copies_a_c_array,
                                  every_dtype_converts_to_every_other_as_in_pytorch, conversion_keeps_gradients_between_floats_alone,
                                  comparisons_are_those_of_c, comparisons_of_integers_are_exact,
                                  numbers_compare_in_the_dtype_of_the_tensor, equal_asks_for_dtype_shape_and_elements, integers_are_clamped_between_any_numbers,
                                  elements_are_read_as_doubles_from_any_place, places_that_are_not_there_are_refused,
                                  sizes_that_overflow_are_refused, results_that_overflow_are_refused};
    tcase_add_checked_fixture(c, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(c, tests[i]);
    suite_add_tcase(s, c);
    return s;
}
