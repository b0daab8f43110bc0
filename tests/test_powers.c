/* test_powers.c - a power to a number: PyTorch computes some of them as products, roots and quotients, and all their slopes
 * from such powers. The same bits in every layout, float dtype and length, in place, on every device. */
#include <math.h>
#include <string.h>

#include "core/scalar.h"
#include "tests/half.h"
#include "tests/look.h"
#include "tests/suites.h"

enum { N = 1000, LARGE = 4 << 20 }; /* results of 16 MB are written past the caches */
static const double exponents[] = {2, 3, 0.5, -0.5, -1, -2, 1, 0, 4, 1.5, -3, 2.5, -1.5};
enum { EXPONENTS = sizeof exponents / sizeof *exponents };

/* PyTorch 2.15's formulas (pow of a tensor and a number); others are pow's own. */
#define FORMULA(real, root, general) \
    e == 2 ? x * x : e == 3 ? x * x * x : e == 0.5 ? root(x) : e == -0.5 ? 1 / root(x) : e == -1 ? 1 / x \
    : e == -2 ? 1 / (x * x) : general(x, (real)e)
static float narrow_power(float x, double e)
{
    return FORMULA(float, sqrtf, gr_pow_f32);
}
static double wide_power(double x, double e)
{
    return FORMULA(double, sqrt, pow);
}
static float narrow_slope(float x, double e)
{
    return e == 0 ? 0 : (float)e * narrow_power(x, e - 1);
}
static double wide_slope(double x, double e)
{
    return e == 0 ? 0 : e * wide_power(x, e - 1);
}

/* The C library's pow of float64 is not the device's, where PyTorch has no formula. */
static bool is_right(double have, double want, gr_dtype dtype, double e)
{
    const bool formula = e == 2 || e == 3 || e == 0.5 || e == -0.5 || e == -1 || e == -2 || e == 1 || e == 0;
    if (same_number(have, want)) return true;
    return dtype == GR_FLOAT64 && !formula && gr_default_device().kind != gr_cpu().kind && fabs(have - want) <= 1e-15 * fabs(want);
}

/* Positive and negative numbers, and the special ones. */
static gr_tensor *arguments(gr_dtype dtype, int64_t n)
{
    static const double special[] = {0, -0.0, 1, -1, HUGE_VAL, -HUGE_VAL, (double)NAN, 1e-30, -1e-30, 1e30, 3, -2};
    gr_tensor *x = gr_empty(n);
    gr_manual_seed(3);
    gr_normal_(x, 0, 3);
    x = gr_to(x, .dtype = dtype);
    if (n > 12) gr_copy_(gr_narrow(x, 0, 5, 12), gr_to(gr_from(special, 12), .dtype = dtype));
    return x;
}

static void expect_powers(gr_tensor *y, gr_tensor *x, double e, bool slopes, const char *what)
{
    ck_assert_msg(y != NULL, "%s: %s", what, gr_error());
    y = gr_contiguous(y), x = gr_contiguous(x);
    const gr_dtype dtype = gr_dtype_of(x);
    const void *from = elements(x), *got = elements(y);
    for (int64_t i = 0; i < gr_numel(x); i++) {
        const double a = stored(from, dtype, i), have = stored(got, dtype, i);
        double want = dtype == GR_FLOAT64 ? (slopes ? wide_slope(a, e) : wide_power(a, e))
                                          : (double)(slopes ? narrow_slope((float)a, e) : narrow_power((float)a, e));
        if (dtype == GR_BFLOAT16) want = half_rounded(want);
        if (!is_right(have, want, dtype, slopes ? e - 1 : e)) ck_abort_msg("%s: %a to %g: %a, must be %a", what, a, e, have, want);
    }
}

static void check_layouts(gr_dtype dtype, double e)
{
    gr_tensor *x = arguments(dtype, N), *wide = gr_reshape(x, 20, 50);
    gr_tensor *spread = gr_slice(gr_reshape(arguments(dtype, 2 * N), N, 2), .dim = 1, .start = 1, .end = 2);
    gr_tensor *const inputs[] = {x, gr_t(wide), spread, gr_narrow(x, 0, 5, 1), gr_expand(gr_narrow(wide, 1, 7, 1), 20, 30)};
    static const char *const names[] = {"flat", "transposed", "spread", "single", "expanded"};
    for (int k = 0; k < 5; k++) {
        expect_powers(gr_pow(inputs[k], e), inputs[k], e, false, names[k]);
        gr_tensor *leaf = gr_requires_grad_(gr_clone(inputs[k]), true), *y = gr_pow(leaf, e);
        ck_assert_msg(gr_backward(y, .gradient = gr_ones_like(y)), "%s: %s", names[k], gr_error());
        expect_powers(gr_grad(leaf), gr_detach(leaf), e, true, names[k]);
        if (k == 4) continue;
        gr_tensor *changed = gr_clone(inputs[k]);
        expect_powers(gr_pow_(changed, e), inputs[k], e, false, "in place");
    }
}

START_TEST(powers_to_numbers_have_pytorchs_formulas)
{
    static const gr_dtype floats[] = {GR_FLOAT32, GR_FLOAT64, GR_BFLOAT16};
    for (int d = 0; d < 3; d++)
        for (int k = 0; k < EXPONENTS; k++) {
            const gr_scope scope = gr_scope_begin();
            check_layouts(floats[d], exponents[k]);
            gr_scope_end(scope);
        }
    static const int32_t numbers[] = {1, 2, 3, 100, 4096, -7};
    gr_tensor *x = gr_from(numbers, 6), *y = gr_pow(x, 3.0);
    ck_assert(gr_dtype_of(y) == GR_FLOAT32);
    expect_powers(y, gr_to(x, .dtype = GR_FLOAT32), 3, false, "integers");
}
END_TEST

START_TEST(long_powers_to_numbers_do_too)
{
    if (!on_cpu("long_powers_to_numbers_do_too: results past the caches")) return;
    static const double some[] = {3, -0.5, 4, 2.5};
    gr_tensor *x = arguments(GR_FLOAT32, LARGE);
    for (int k = 0; k < 4; k++) {
        const gr_scope scope = gr_scope_begin();
        gr_tensor *leaf = gr_requires_grad_(gr_detach(x), true), *y = gr_pow(leaf, some[k]);
        expect_powers(gr_detach(y), x, some[k], false, "long");
        ck_assert(gr_backward(y, .gradient = gr_ones_like(y)));
        expect_powers(gr_grad(leaf), x, some[k], true, "long");
        gr_scope_end(scope);
    }
}
END_TEST

/* As in PyTorch, an exponent that is a tensor is no number, even with one element. */
START_TEST(powers_to_tensors_are_powers)
{
    gr_tensor *x = gr_abs(arguments(GR_FLOAT32, N)), *three = gr_full(3.0, 1), *threes = gr_full(3.0, N);
    gr_tensor *y = gr_pow(x, three), *cubes = gr_pow(x, 3);
    ck_assert(gr_equal(gr_isnan(y), gr_isnan(cubes)) && gr_at(gr_sum(gr_ne(y, cubes))) > 1);
    ck_assert(gr_at(gr_sum(gr_ne(y, gr_pow(x, threes)))) == 1); /* NaN */
    const float *a = elements(x), *have = elements(y);
    for (int i = 0; i < N; i++) ck_assert(same_number((double)have[i], (double)gr_pow_f32(a[i], 3)));
}
END_TEST

/* The slope's slope, of recorded ops: 6 x, and its own 6. */
START_TEST(a_cube_has_three_slopes)
{
    static const float numbers[] = {0.1f, -3, 7, 0};
    gr_tensor *x = gr_requires_grad_(gr_from(numbers, 4), true);
    gr_tensor *first = gr_autograd_grad(gr_sum(gr_pow(x, 3)), x, .create_graph = true);
    gr_tensor *second = gr_autograd_grad(gr_sum(first), x, .create_graph = true);
    gr_tensor *third = gr_autograd_grad(gr_sum(second), x);
    ck_assert(first && second && third);
    const float *a = elements(gr_detach(x)), *one = elements(gr_detach(first)), *two = elements(gr_detach(second)),
                *three = elements(third);
    for (int i = 0; i < 4; i++) ck_assert(one[i] == 3 * (a[i] * a[i]) && two[i] == 3 * (2 * a[i]) && three[i] == 6);
}
END_TEST

Suite *powers_suite(void)
{
    Suite *suite = suite_create("powers");
    TCase *tests = tcase_create("powers");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, powers_to_numbers_have_pytorchs_formulas);
    tcase_add_test(tests, long_powers_to_numbers_do_too);
    tcase_add_test(tests, powers_to_tensors_are_powers);
    tcase_add_test(tests, a_cube_has_three_slopes);
    suite_add_tcase(suite, tests);
    return suite;
}
