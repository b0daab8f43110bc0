/* test_accuracy.c - every row of elementwise.def, as a program calls it, on 2^20 inputs: its float32 results against the same
 * formula in long double, and its float64 results on fewer. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/elementwise.h"
#include "gradus.h"
#include "tests/draw.h"
#include "tests/exact.h"
#include "tests/suites.h"

enum { INPUTS = 1 << 20, FEWER = 1 << 18 };

/* ---- references ---- */

typedef long double reference(long double a, long double b, long double c);
#define REFERENCE(name, formula) \
    static long double reference_##name(long double a, long double b, long double c) \
    { \
        (void)b, (void)c; \
        return formula; \
    }
REFERENCE(neg, -a)
REFERENCE(abs, fabsl(a))
REFERENCE(sign, (a > 0) - (a < 0))
REFERENCE(exp, expl(a))
REFERENCE(log, logl(a))
REFERENCE(log1p, log1pl(a))
REFERENCE(expm1, expm1l(a))
REFERENCE(sqrt, sqrtl(a))
REFERENCE(rsqrt, 1 / sqrtl(a))
REFERENCE(reciprocal, 1 / a)
REFERENCE(square, a * a)
REFERENCE(sin, sinl(a))
REFERENCE(cos, cosl(a))
REFERENCE(tanh, tanhl(a))
REFERENCE(sigmoid, exact_sigmoid(a))
REFERENCE(relu, a < 0 ? 0 : a)
REFERENCE(leaky_relu, a > 0 ? a : a * 0.25L)
REFERENCE(hardtanh, isnan(a) ? a : a < 2 ? 2 : a > 20 ? 20 : a)
REFERENCE(softplus, a * 2 > 20 ? a : log1pl(expl(a * 2)) / 2)
REFERENCE(gelu_erf, exact_gelu(a))
REFERENCE(gelu_erf_slope, exact_gelu_slope(a))
REFERENCE(gelu_tanh, exact_gelu_tanh(a))
REFERENCE(gelu_tanh_slope, exact_gelu_tanh_slope(a))
REFERENCE(erf, erfl(a))
REFERENCE(add, a + b)
REFERENCE(sub, a - b)
REFERENCE(mul, a * b)
REFERENCE(div, a / b)
REFERENCE(pow, powl(a, b))
REFERENCE(maximum, isnan(a) || isnan(b) ? (long double)NAN : a > b ? a : b)
REFERENCE(minimum, isnan(a) || isnan(b) ? (long double)NAN : a < b ? a : b)
REFERENCE(lerp, a + c * (b - a))

/* ---- what is promised ---- */

/* Most that a result may be off, in ULP of float32 (float64: twice that, but for rounded operations), or less than
 * `slack` roundings of the largest operand, for what crosses 0. Half of the inputs lie in low..high, half anywhere up to
 * limit. */
typedef struct {
    const char *name;
    reference *exact;
    double ulp, low, high, limit, slack;
} promise;
#define ROW(name, ...) {#name, reference_##name, __VA_ARGS__}
static const promise promises[] = {
    ROW(neg, 0, -4, 4, HUGE_VAL, 0),
    ROW(abs, 0, -4, 4, HUGE_VAL, 0),
    ROW(sign, 0, -4, 4, HUGE_VAL, 0),
    ROW(relu, 0, -4, 4, HUGE_VAL, 0),
    ROW(maximum, 0, -4, 4, HUGE_VAL, 0),
    ROW(minimum, 0, -4, 4, HUGE_VAL, 0),
    ROW(square, .5, -4, 4, HUGE_VAL, 0),
    ROW(sqrt, .5, 0, 4, HUGE_VAL, 0),
    ROW(reciprocal, .5, -4, 4, HUGE_VAL, 0),
    ROW(leaky_relu, .5, -4, 4, HUGE_VAL, 0),
    ROW(add, .5, -4, 4, HUGE_VAL, 0),
    ROW(sub, .5, -4, 4, HUGE_VAL, 0),
    ROW(mul, .5, -4, 4, HUGE_VAL, 0),
    ROW(div, .5, -4, 4, HUGE_VAL, 0),
    ROW(exp, 1.5, -104, 89, HUGE_VAL, 0),
    ROW(log, 1.5, 0, 4, HUGE_VAL, 0),
    ROW(expm1, 1.5, -3, 3, HUGE_VAL, 0),
    ROW(log1p, 1.5, -1, 4, HUGE_VAL, 0),
    ROW(sin, 1.5, -10, 10, HUGE_VAL, 0),
    ROW(cos, 1.5, -10, 10, HUGE_VAL, 0),
    ROW(tanh, 1.5, -10, 10, HUGE_VAL, 0),
    ROW(erf, 1.5, -4, 4, HUGE_VAL, 0),
    ROW(pow, 1.5, .5, 3, HUGE_VAL, 0),
    ROW(sigmoid, 2.5, -100, 20, HUGE_VAL, 0),
    ROW(softplus, 2.5, -40, 12, HUGE_VAL, 0),
    ROW(rsqrt, 2.5, 0, 4, HUGE_VAL, 0),
    ROW(gelu_erf, 4, -6, 6, 1e30, 0),
    ROW(gelu_tanh, 4, -6, 6, 1e30, 0),
    ROW(gelu_erf_slope, 4, -6, 6, 1e30, 2),
    ROW(gelu_tanh_slope, 4, -6, 6, 1e30, 2),
    ROW(lerp, 4, -2, 2, 2, 4),
    ROW(hardtanh, 0, -4, 24, HUGE_VAL, 0),
};
enum { PROMISES = sizeof promises / sizeof promises[0] };

/* ---- measuring ---- */

static uint64_t random_state;

/* Every second one has any bits at all. */
static double input(const promise *p, bool wide, int64_t i)
{
    const double inside = draw_between(&random_state, p->low, p->high);
    const uint64_t bits = draw(&random_state);
    const uint32_t low = (uint32_t)bits;
    float narrow;
    double any;
    memcpy(&narrow, &low, sizeof narrow);
    memcpy(&any, &bits, sizeof any);
    if (!wide) any = (double)narrow;
    return i % 2 && !(fabs(any) > p->limit) ? any : wide ? inside : (double)(float)inside;
}

static void check_row(const promise *p, int row, bool wide)
{
    const int64_t n = wide ? FEWER : INPUTS;
    const int operands = gr_rows[row].operands;
    static const double one[2] = {0.25, 0}, two[2] = {2, 20}; /* as the references have them */
    const gr_scope scope = gr_scope_begin();
    const gr_dtype dtype = wide ? GR_FLOAT64 : GR_FLOAT32;
    gr_tensor *in[3];
    double *value[4];
    for (int k = 0; k < 4; k++) value[k] = malloc((size_t)n * sizeof(double));
    for (int k = 0; k < operands; k++) {
        for (int64_t i = 0; i < n; i++) value[k][i] = input(p, wide, i + k / 2); /* a third any where the others are not */
        in[k] = gr_to(gr_from_at(value[k], GR_FLOAT64, (gr_shape){1, {n}}, GR_HERE), .dtype = dtype);
    }
    gr_tensor *y = gr_apply(&gr_row_op[row], in, operands, gr_row_op[row].attribute_bytes == sizeof two ? two : one, NULL);
    ck_assert_msg(y && gr_to_array(y, value[3], n), "%s", gr_error() ? gr_error() : p->name);
    const double bound = wide && p->ulp > .5 ? 2 * p->ulp : p->ulp, u = wide ? 0x1p-53 : 0x1p-24;
    for (int64_t i = 0; i < n; i++) {
        const double a = value[0][i], b = operands > 1 ? value[1][i] : 0, c = operands > 2 ? value[2][i] : 0;
        const long double exact = p->exact((long double)a, (long double)b, (long double)c);
        const double largest = fmax(1, fmax(fabs(a), fabs(b)) * fmax(1, fabs(c)));
        if (fabsl((long double)value[3][i] - exact) <= (long double)(p->slack * u * largest)) continue;
        const double error = ulps(&formats[wide], value[3][i], exact);
        if (!(error <= bound * (1 + 1e-6))) /* the reference is rounded too, to 64 bits */
            ck_abort_msg("%s(%a, %a, %a): %.4f ULP, promised %g", p->name, a, b, c, error, bound);
    }
    for (int k = 0; k < 4; k++) free(value[k]);
    gr_scope_end(scope);
}

static int row_named(const char *name)
{
    for (int row = 0; row < GR_ELEMENTWISE_COUNT; row++)
        if (!strcmp(gr_row_op[row].name, name)) return row;
    ck_abort_msg("there is no row %s", name);
    return -1;
}

START_TEST(a_row_is_as_exact_as_promised)
{
    const promise *p = &promises[_i];
    random_state = (uint64_t)_i;
    check_row(p, row_named(p->name), false);
    check_row(p, row_named(p->name), true);
}
END_TEST

static bool is_promised(const char *name)
{
    for (int k = 0; k < PROMISES; k++)
        if (!strcmp(promises[k].name, name)) return true;
    return false;
}

/* A row that was added without a promise: its float32 results against its float64 ones, where its gradients are tested. */
static void check_against_itself(int row)
{
    static const double parameter[2] = {1, 2};
    const gr_row *r = &gr_rows[row];
    gr_tensor *wide[3], *narrow[3];
    for (int k = 0; k < r->operands; k++) {
        narrow[k] = gr_uniform_(gr_empty(INPUTS), r->lo, r->hi);
        wide[k] = gr_to(narrow[k], .dtype = GR_FLOAT64);
    }
    gr_tensor *exact = gr_apply(&gr_row_op[row], wide, r->operands, parameter, NULL);
    gr_tensor *y = gr_to(gr_apply(&gr_row_op[row], narrow, r->operands, parameter, NULL), .dtype = GR_FLOAT64);
    const double largest = fmax(1, gr_item(gr_max(gr_abs(exact)))), worst = gr_item(gr_max(gr_abs(gr_sub(y, exact))));
    ck_assert_msg(worst <= 8 * 0x1p-24 * largest, "%s: off by %g of %g", gr_row_op[row].name, worst, largest);
    printf("note: %s has no promise of accuracy of its own\n", gr_row_op[row].name);
}

START_TEST(every_row_with_real_results_is_checked)
{
    for (int row = 0; row < GR_ELEMENTWISE_COUNT; row++)
        if (!gr_rows[row].gives_bool && !is_promised(gr_row_op[row].name)) check_against_itself(row);
    for (int k = 0; k < PROMISES; k++)
        for (int j = 0; j < k; j++) ck_assert_str_ne(promises[k].name, promises[j].name);
}
END_TEST

Suite *accuracy_suite(void)
{
    Suite *s = suite_create("accuracy");
    TCase *c = tcase_create("accuracy");
    tcase_add_loop_test(c, a_row_is_as_exact_as_promised, 0, PROMISES);
    tcase_add_test(c, every_row_with_real_results_is_checked);
    suite_add_tcase(s, c);
    return s;
}
