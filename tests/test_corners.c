/* test_corners.c - elementwise rows where arithmetic has corners: zeros of both signs, the smallest and largest numbers,
 * infinities, NaN. Values and gradients are of PyTorch's kind (golden/corners.txt), or the difference is listed here. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "autograd/elementwise.h"
#include "gradus.h"
#include "tests/golden.h"
#include "tests/look.h"
#include "tests/suites.h"

enum { MOST = 400 };

/* Where ours differ, by array and first input; NAN stands for itself. */
static const struct {
    const char *array;
    double input;
    const char *reason;
} differences[] = {
    {"hardtanh.f32.da", (double)NAN, "PyTorch has 1 or 0 there, by the element's place"},
    {"hardtanh.f64.da", (double)NAN, "the same"},
    {"gelu_erf.f64.y", -20, "PyTorch's 1 + erf has cancelled; x erfc(-x / sqrt 2) / 2 is exact"},
    {"gelu_erf.f64.da", -20, "the same"},
    {"gelu_erf.f32.da", -20, "the slope is -1e-86"},
    {"gelu_tanh.f32.da", -20, "the same"},
    {"gelu_tanh.f64.y", -20, "PyTorch's 1 + tanh has cancelled"},
    {"gelu_tanh.f64.da", -20, "the same"},
    {"gelu_tanh.f32.da", 1e30, "x^3 overflows in PyTorch: NaN; the slope is 1"},
    {"gelu_tanh.f32.da", -1e30, "or 0"},
    {"gelu_tanh.f32.da", 3.4028234663852886e38, "the same"},
    {"gelu_tanh.f32.da", -3.4028234663852886e38, "the same"},
    {"gelu_tanh.f64.da", 1.7976931348623157e308, "the same"},
    {"gelu_tanh.f64.da", -1.7976931348623157e308, "the same"},
};
enum { DIFFERENCES = sizeof differences / sizeof differences[0] };
static bool met[DIFFERENCES];

static bool is_listed(const char *array, double x)
{
    for (int k = 0; k < DIFFERENCES; k++)
        if (!strcmp(differences[k].array, array) &&
            (same_number(differences[k].input, x) || (float)differences[k].input == (float)x))
            return met[k] = true;
    return false;
}

/* Of one kind and, if numbers, near: within 64 roundings, since 1 - y y cancels to a hundredth in tanh's slope at 3; the others
 * are within 10. A device has float64 functions of its own. What rounds to nothing in one may be the smallest number in the
 * other. */
static bool agree(double got, double want, bool wide)
{
    const double own = gr_default_device().kind == gr_cpu().kind ? 64 * 0x1p-53 : 1e-13;
    const double least = wide ? 0x1p-1074 : 0x1p-149, near = wide ? own : 64 * 0x1p-24;
    if (isnan(got) || isnan(want)) return isnan(got) && isnan(want);
    if (fabs(got) <= least && fabs(want) <= least) return (got == 0) != (want == 0) || !signbit(got) == !signbit(want);
    return got == want || (!isinf(got) && !isinf(want) && fabs(got - want) <= near * fmax(fabs(got), fabs(want)));
}

static void compare(golden_file *f, const char *row, bool wide, const char *what, const gr_tensor *t, const double *x)
{
    char name[64];
    double value[MOST];
    snprintf(name, sizeof name, "%s.f%d.%s", row, wide ? 64 : 32, what);
    const golden_array *a = golden_take(f, name);
    ck_assert(a->count == gr_numel(t) && gr_to_array(t, value, a->count));
    for (int64_t i = 0; i < a->count; i++)
        if (!is_listed(name, x[i]) && !agree(value[i], a->real[i], wide))
            ck_abort_msg("%s[%d], input %.9g: %.17g, in PyTorch %.17g", name, (int)i, x[i], value[i], a->real[i]);
}

static const golden_array *numbers(golden_file *f, const char *which, bool wide)
{
    char name[16];
    snprintf(name, sizeof name, "%s.f%d", which, wide ? 64 : 32);
    return golden_take(f, name);
}

/* operand[k][i]: all combinations, as the file's head has them; returns how many */
static int64_t combine(golden_file *f, int operands, bool wide, double operand[3][MOST])
{
    const golden_array *few = numbers(f, operands == 1 ? "unary" : "few", wide), *weights = numbers(f, "weights", wide);
    const int step = operands == 3 ? 2 : 1;
    const int64_t n = (few->count + step - 1) / step, last = operands == 3 ? weights->count : 1;
    const int64_t all = last * (operands == 1 ? n : n * n);
    ck_assert_int_le(all, MOST);
    for (int64_t i = 0; i < all; i++) {
        int64_t rest = i / last;
        if (operands == 3) operand[2][i] = weights->real[i % last];
        for (int k = operands == 1 ? 0 : 1; k >= 0; k--, rest /= n) operand[k][i] = few->real[rest % n * step];
    }
    return all;
}

static void check_row(golden_file *f, int row, bool wide)
{
    static double operand[3][MOST];
    static const double two[2][2] = {{1, 20}, {-1, 1}}, one[2] = {0.01, 0}; /* PyTorch's defaults */
    static const char *const gradients[] = {"da", "db", "dc"};
    const int operands = gr_rows[row].operands;
    const char *name = gr_row_op[row].name;
    const gr_scope scope = gr_scope_begin();
    const int64_t n = combine(f, operands, wide, operand);
    gr_tensor *in[3];
    for (int k = 0; k < operands; k++) {
        gr_tensor *x = gr_from_at(operand[k], GR_FLOAT64, (gr_shape){1, {n}}, GR_HERE);
        in[k] = gr_requires_grad_(wide ? x : gr_to(x, .dtype = GR_FLOAT32), true);
    }
    const void *parameters = gr_row_op[row].attribute_bytes == sizeof two[0] ? two[!strcmp(name, "hardtanh")] : one;
    gr_tensor *y = gr_apply(&gr_row_op[row], in, operands, parameters, NULL);
    ck_assert_msg(y && gr_backward(y, .gradient = gr_ones_like(y)), "%s", gr_error());
    compare(f, name, wide, "y", y, operand[0]);
    for (int k = 0; k < operands; k++) compare(f, name, wide, gradients[k], gr_grad(in[k]), operand[0]);
    gr_scope_end(scope);
}

START_TEST(values_and_gradients_are_of_pytorchs_kind)
{
    golden_file *f = golden_open("corners.txt");
    int rows = 0;
    for (int row = 0; row < GR_ELEMENTWISE_COUNT; row++) {
        char name[64];
        snprintf(name, sizeof name, "%s.f32.y", gr_row_op[row].name);
        if (gr_rows[row].gives_bool || !golden_has(f, name)) continue; /* a row that PyTorch does not have */
        check_row(f, row, false);
        check_row(f, row, true);
        rows++;
    }
    ck_assert_int_ge(rows, 30);
    for (int k = 0; k < DIFFERENCES; k++)
        ck_assert_msg(met[k], "%s at %g is no difference any more", differences[k].array, differences[k].input);
    golden_end(f);
}
END_TEST

Suite *corners_suite(void)
{
    Suite *s = suite_create("corners");
    TCase *c = tcase_create("corners");
    tcase_add_test(c, values_and_gradients_are_of_pytorchs_kind);
    suite_add_tcase(s, c);
    return s;
}
