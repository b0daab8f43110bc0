/* test_bfloat16.c - bfloat16 is float32 rounded once: each row on all numbers there are, each call and its gradients on all
 * shapes and layouts, an optimizer's step, at any number of threads. Rounding as tests/half.h describes it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/elementwise.h"
#include "core/parallel.h"
#include "tests/half.h"
#include "tests/look.h"
#include "tests/suites.h"
#include "tests/trials.h"

enum { ALL = 65536 };
static const gr_shape all = {1, {ALL}};

/* Every bfloat16, in an order that `salt` chooses. */
static gr_tensor *every_number(uint32_t salt)
{
    uint16_t bits[ALL];
    for (uint32_t i = 0; i < ALL; i++) bits[i] = (uint16_t)(salt ? i * (2 * salt + 1) + 977 * salt : i); /* odd: each once */
    return gr_from_at(bits, GR_BFLOAT16, all, GR_HERE);
}

/* What a float32 tensor's elements are, rounded. */
static void expect_rounded(const char *what, gr_tensor *half, gr_tensor *wide)
{
    int64_t n, m;
    ck_assert_msg(half && wide, "%s: %s", what, gr_error() ? gr_error() : "NULL");
    double *got = copied(half, &n), *want = copied(wide, &m);
    ck_assert_msg(n == m && gr_dtype_of(half) == GR_BFLOAT16 && gr_dtype_of(wide) == GR_FLOAT32, "%s: another shape or dtype", what);
    for (int64_t i = 0; i < n; i++) {
        const double y = half_rounded(want[i]);
        if (!same_number(got[i], y)) ck_abort_msg("%s: element %d is %.9g, must be %.9g rounded: %.9g", what, (int)i, got[i], want[i], y);
    }
    free(got);
    free(want);
}

/* The gradient of operand i by float32's kernel, which is given the result as bfloat16 has it. */
static gr_tensor *expected_gradient(int row, int i, gr_tensor *const *in, gr_tensor *y, gr_tensor *dy)
{
    static const double two[2] = {1, 20}, one[2] = {0.01, 0}; /* as run_row's */
    gr_operands o = {.param = gr_row_op[row].attribute_bytes == sizeof two ? two : one, .dtype = GR_FLOAT32};
    for (int k = 0; k < gr_rows[row].operands; k++) o.in[k] = gr_value_tensor(in[k]);
    gr_tensor *dx = gr_empty_with(gr_shape_of(y), .dtype = GR_FLOAT32);
    gr_devices[dx->device]->kernels[GR_FLOAT32]->elementwise_back(row, i, dx, false, gr_to(dy, .dtype = GR_FLOAT32), &o,
                                                         gr_to(y, .dtype = GR_FLOAT32));
    return dx;
}

/* The same call in bfloat16 and in float32; then both backward passes. */
static void compare_row(int row)
{
    const gr_op *op = &gr_row_op[row];
    const int operands = gr_rows[row].operands;
    const gr_scope scope = gr_scope_begin();
    gr_tensor *half[3], *wide[3];
    for (int k = 0; k < operands; k++) {
        half[k] = gr_requires_grad_(every_number((uint32_t)(5 * k)), true);
        wide[k] = gr_detach(gr_to(half[k], .dtype = GR_FLOAT32));
    }
    gr_tensor *y = run_row(op, half, operands), *z = run_row(op, wide, operands);
    if (gr_rows[row].gives_bool)
        ck_assert_msg(gr_equal(y, z), "%s", op->name);
    else {
        expect_rounded(op->name, y, z);
        gr_tensor *dy = gr_uniform_(gr_empty_with(all, .dtype = GR_BFLOAT16), -2, 2);
        ck_assert(gr_backward(y, .gradient = dy));
        for (int k = 0; k < operands; k++) expect_rounded(op->name, gr_grad(half[k]), expected_gradient(row, k, wide, y, dy));
    }
    gr_scope_end(scope);
}

START_TEST(rows_of_all_numbers_are_those_of_float32_rounded)
{
    for (int row = 0; row < GR_ELEMENTWISE_COUNT; row++) compare_row(row);
}
END_TEST

/* A number takes bfloat16's precision first, but in products keeps that of float32. */
START_TEST(numbers_are_rounded_as_pytorch_rounds_them)
{
    typedef gr_tensor *binary(gr_value a, gr_value b, gr_site site);
    static binary *const calls[] = {gr_add_at, gr_sub_at, gr_pow_at, gr_maximum_at, gr_minimum_at, gr_mul_at, gr_div_at};
    static binary *const comparisons[] = {gr_eq_at, gr_ne_at, gr_lt_at, gr_le_at, gr_gt_at, gr_ge_at};
    static const double numbers[] = {.1, 3.14159, 1e-3, -1.7, 257};
    gr_tensor *x = every_number(0), *wide = gr_to(x, .dtype = GR_FLOAT32);
    for (int n = 0; n < 5; n++) {
        const double rounded = half_rounded((double)(float)numbers[n]);
        const gr_value exact = gr_value_real(numbers[n]), near = gr_value_real(rounded);
        for (int k = 0; k < 7; k++) {
            const gr_value number = k < 5 ? near : exact;
            expect_rounded("x, number", calls[k](gr_value_tensor(x), exact, GR_HERE), calls[k](gr_value_tensor(wide), number, GR_HERE));
            expect_rounded("number, x", calls[k](exact, gr_value_tensor(x), GR_HERE), calls[k](number, gr_value_tensor(wide), GR_HERE));
        }
        for (int k = 0; k < 6; k++)
            ck_assert(gr_equal(comparisons[k](gr_value_tensor(x), exact, GR_HERE), comparisons[k](gr_value_tensor(wide), near, GR_HERE)));
    }
    gr_tensor *z = every_number(3), *wide_z = gr_to(z, .dtype = GR_FLOAT32);
    expect_rounded("lerp", gr_lerp(x, z, .1), gr_lerp(wide, wide_z, .1));
    expect_rounded("where", gr_where(gr_gt(x, 1), x, .1), gr_where(gr_gt(wide, 1), wide, .1));
}
END_TEST

/* ---- all calls ---- */

/* The result and the gradients of a trial in float32, of the numbers that bfloat16 has. */
static void outcomes(trial *t, gr_tensor *y[2], gr_tensors leaves[2])
{
    gr_tensor *in[CASE_INPUTS], *wide[CASE_INPUTS];
    leaves[0] = leaves_of(t, GR_BFLOAT16);
    for (int64_t i = 0; i < leaves[0].count; i++)
        wide[i] = gr_requires_grad_(gr_detach(gr_to(leaves[0].item[i], .dtype = GR_FLOAT32)), true);
    leaves[1] = gr_tensors_from(wide, leaves[0].count);
    for (int k = 0; k < 2; k++) {
        inputs_of(t, &leaves[k], false, in);
        ck_assert_msg((y[k] = run_trial(t, in)) != NULL, "%s", describe(t));
        ck_assert_msg(gr_backward(y[k], .gradient = gr_to(upstream_of(y[0]), .dtype = gr_dtype_of(y[k]))), "%s", describe(t));
    }
}

/* Rows: exactly. A gradient that is summed, of a broadcast or repeated operand, has terms that are rounded. */
static void row_is_rounded(trial *t)
{
    const gr_scope scope = gr_scope_begin();
    gr_tensor *y[2];
    gr_tensors leaves[2];
    outcomes(t, y, leaves);
    expect_rounded(describe(t), y[0], y[1]);
    gr_tensor *in[CASE_INPUTS];
    inputs_of(t, &leaves[1], false, in);
    for (int64_t i = 0; i < leaves[0].count && !t->alias && t->layout == PLAIN; i++)
        if (gr_numel(leaves[0].item[i]) == gr_numel(y[0]))
            expect_rounded(describe(t), gr_reshape_at(gr_grad(leaves[0].item[i]), gr_shape_of(y[0]), GR_HERE),
                           expected_gradient(t->row, (int)i, in, y[0], upstream_of(y[0])));
    gr_scope_end(scope);
}

/* Within eight roundings of the largest. */
static void expect_near(trial *t, gr_tensor *half, gr_tensor *wide)
{
    int64_t n, m;
    double *got = copied(half, &n), *want = copied(wide, &m), largest = 1, worst = 0;
    ck_assert_msg(n == m && gr_dtype_of(half) == GR_BFLOAT16, "%s: another shape or dtype", describe(t));
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs(want[i]));
    for (int64_t i = 0; i < n; i++) worst = fmax(worst, fabs(got[i] - want[i]) / largest);
    ck_assert_msg(worst <= 8 * 0x1p-9, "%s: off by %g of the largest", describe(t), worst);
    free(got);
    free(want);
}

/* Calls of several steps, and sums of rounded terms. */
static void call_is_near(trial *t)
{
    const gr_scope scope = gr_scope_begin();
    gr_tensor *y[2];
    gr_tensors leaves[2];
    outcomes(t, y, leaves);
    expect_near(t, y[0], y[1]);
    for (int64_t i = 0; i < leaves[0].count; i++)
        if (gr_has_grad(leaves[1].item[i])) expect_near(t, gr_grad(leaves[0].item[i]), gr_grad(leaves[1].item[i]));
    gr_scope_end(scope);
}

START_TEST(rows_are_rounded_once_in_every_layout)
{
    rows_with(row_is_rounded, true);
}
END_TEST

START_TEST(calls_are_near_those_of_float32)
{
    rows_with(call_is_near, false);
    ops_with(call_is_near, true);
}
END_TEST

/* ---- gradients that add up: each is rounded, then their sum ---- */

/* The gradients for one upstream, or for two uses with one each; the second use comes first in the walk. */
static void uses(trial *t, int from, int to, gr_tensor *gradient[CASE_INPUTS])
{
    gr_tensors leaves = leaves_of(t, GR_BFLOAT16);
    gr_tensor *in[CASE_INPUTS], *total = NULL;
    inputs_of(t, &leaves, false, in);
    for (int use = from; use < to; use++) {
        gr_tensor *y = run_trial(t, in);
        y = gr_mul(y, case_values(gr_shape_of(y), GR_BFLOAT16, .3, 3, (double)NAN, 4 + use));
        total = total ? gr_add(total, y) : y;
    }
    ck_assert_msg(gr_backward(total, .gradient = gr_ones_like(total)), "%s", describe(t));
    for (int64_t i = 0; i < leaves.count; i++) gradient[i] = gr_has_grad(leaves.item[i]) ? gr_grad(leaves.item[i]) : NULL;
}

static void second_use_adds(trial *t)
{
    /* These add up otherwise: before they are summed, or several for each use. */
    if (t->layout == EXPANDED || t->alias || !strcmp(t->name, "gram") || !strcmp(t->name, "square_by_mul")) return;
    /* and a device's products add before they round */
    const bool product = strstr(t->name, "matmul") || strstr(t->name, "linear");
    if (product && gr_default_device().kind != gr_cpu().kind) return;
    const gr_scope scope = gr_scope_begin();
    gr_tensor *one[CASE_INPUTS], *other[CASE_INPUTS], *both[CASE_INPUTS];
    uses(t, 0, 1, one);
    uses(t, 1, 2, other);
    uses(t, 0, 2, both);
    for (int i = 0; i < t->inputs; i++)
        if (both[i]) expect_rounded(describe(t), both[i], gr_add(gr_to(one[i], .dtype = GR_FLOAT32), gr_to(other[i], .dtype = GR_FLOAT32)));
    gr_scope_end(scope);
}

START_TEST(a_second_use_adds_rounded_gradients)
{
    rows_with(second_use_adds, true);
    ops_with(second_use_adds, true);
}
END_TEST

/* Two uses by numbers, and what has accumulated. */
START_TEST(gradients_are_rounded_before_they_are_added)
{
    const double third = half_rounded((double)(1 / 3.0f)), x[] = {1, -3, 100, 0.0078125};
    gr_tensor *leaf = gr_requires_grad_(gr_to(gr_from(x, 4), .dtype = GR_BFLOAT16), true);
    gr_tensor *first = gr_mul(leaf, 1 / 3.0), *square = gr_mul(leaf, leaf), *twice = gr_add(first, square);
    ck_assert(gr_backward(twice, .gradient = gr_ones_like(twice)));
    for (int i = 0; i < 4; i++) ck_assert(gr_at(gr_grad(leaf), i) == half_rounded(2 * x[i] + third));
    ck_assert(gr_backward(gr_mul(leaf, 1 / 3.0), .gradient = gr_ones_like(leaf))); /* into what has accumulated */
    for (int i = 0; i < 4; i++) ck_assert(gr_at(gr_grad(leaf), i) == half_rounded(half_rounded(2 * x[i] + third) + third));
}
END_TEST

/* A gradient with two contributions: 1, and 182/256 * 182/128, which rounds to 129/128 before it is added. The sum lies
 * in the middle of 2 and 2 + 1/64, and rounds to the even one; unrounded it would lie above. */
START_TEST(a_product_is_rounded_before_it_is_added)
{
    gr_tensor *x = gr_requires_grad_(gr_ones_with(GR_SHAPE(40), .dtype = GR_BFLOAT16), true);
    gr_tensor *a = gr_full_with(182.0 / 256, GR_SHAPE(40), .dtype = GR_BFLOAT16), *b = gr_mul(a, 2);
    gr_tensor *first = gr_mul(gr_mul(x, a), b), *second = gr_mul(x, gr_ones_like(x));
    gr_tensor *sum = gr_sum(gr_add(first, second));
    ck_assert(gr_backward(sum));
    for (int i = 0; i < 40; i++) ck_assert(gr_at(gr_grad(x), i) == 2);
}
END_TEST

/* ---- an optimizer's step ---- */

START_TEST(a_step_is_that_of_float32_rounded)
{
    enum { N = 40000, STATES = GR_UPDATE_STATES };
    static const double number[8] = {.1, .9, .3, .01, 0, 1}; /* lr, momentum, dampening, weight_decay, nesterov, maximize */
    for (int code = 0; code < GR_UPDATE_COUNT; code++)
        for (int first = 0; first < 2; first++) {
            const gr_scope scope = gr_scope_begin();
            gr_tensor *half[2 + STATES], *wide[2 + STATES];
            for (int k = 0; k < 2 + STATES; k++) {
                half[k] = gr_randn_with(GR_SHAPE(N), .dtype = GR_BFLOAT16);
                wide[k] = gr_to(half[k], .dtype = GR_FLOAT32);
            }
            gr_tensor *const *of[2] = {half, wide};
            for (int d = 0; d < 2; d++) {
                gr_update_item item = {.p = gr_data(of[d][0]), .g = gr_data(of[d][1]), .n = N, .first = first};
                for (int s = 0; s < STATES; s++) item.state[s] = gr_data(of[d][2 + s]);
                gr_devices[0]->kernels[d ? GR_FLOAT32 : GR_BFLOAT16]->update(code, 0, &item, 1, number);
            }
            for (int k = 0; k < 2 + STATES; k++) expect_rounded("update", half[k], wide[k]);
            gr_scope_end(scope);
        }
}
END_TEST

/* y = x w' of a known w is learnt as far as eight bits can tell. */
START_TEST(a_model_learns)
{
    gr_manual_seed(0);
    gr_tensor *x = gr_randn_with(GR_SHAPE(64, 5), .dtype = GR_BFLOAT16);
    gr_tensor *w = gr_to(gr_from(((const double[]){1, -2, .5, 3, -.25}), 1, 5), .dtype = GR_BFLOAT16), *y = gr_linear(x, w);
    gr_module *model = gr_nn_linear(5, 1, .dtype = GR_BFLOAT16);
    gr_optim *optimizer = gr_optim_sgd(gr_parameters(model), .lr = 0.1, .momentum = 0.5);
    for (int step = 0; step < 100; step++) {
        const gr_scope scope = gr_scope_begin();
        gr_zero_grad(optimizer);
        gr_backward(gr_mse_loss(gr_forward(model, x), y));
        ck_assert(gr_step(optimizer));
        gr_scope_end(scope);
    }
    gr_tensor *learnt = gr_module_tensor(model, "weight");
    for (int i = 0; i < 5; i++) ck_assert(fabs(gr_at(learnt, 0, i) - gr_at(w, 0, i)) <= 0.02);
    ck_assert(gr_module_to(model, .dtype = GR_FLOAT32) && gr_dtype_of(learnt) == GR_FLOAT32);
    ck_assert(gr_module_to(model, .dtype = GR_BFLOAT16) && gr_dtype_of(gr_grad(learnt)) == GR_BFLOAT16);
}
END_TEST

/* ---- threads ---- */

static void large_calls(gr_tensor *y[5])
{
    gr_manual_seed(3);
    gr_tensor *x = gr_requires_grad_(gr_randn_with(GR_SHAPE(300, 1000), .dtype = GR_BFLOAT16), true);
    y[0] = gr_exp(gr_t(x));
    y[1] = gr_sum(x, .dim = 0);
    y[2] = gr_mean(gr_mul(x, x));
    y[3] = gr_matmul(x, gr_t(gr_narrow(x, 0, 0, 50)));
    ck_assert(gr_backward(y[2]));
    y[4] = gr_grad(x);
}

START_TEST(results_do_not_depend_on_the_number_of_threads)
{
    gr_tensor *one[5], *more[5];
    ck_assert(gr_set_num_threads(1));
    large_calls(one);
    gr_parallel_test_grain = 1;
    for (int threads = 2; threads < 4; threads++) {
        ck_assert(gr_set_num_threads(threads));
        large_calls(more);
        for (int k = 0; k < 5; k++) ck_assert_msg(gr_equal(one[k], more[k]), "%d threads, result %d", threads, k);
    }
    gr_parallel_test_grain = 0;
}
END_TEST

Suite *bfloat16_suite(void)
{
    Suite *s = suite_create("bfloat16");
    TCase *c = tcase_create("bfloat16");
    tcase_add_test(c, rows_of_all_numbers_are_those_of_float32_rounded);
    tcase_add_test(c, numbers_are_rounded_as_pytorch_rounds_them);
    tcase_add_test(c, rows_are_rounded_once_in_every_layout);
    tcase_add_test(c, calls_are_near_those_of_float32);
    tcase_add_test(c, a_second_use_adds_rounded_gradients);
    tcase_add_test(c, gradients_are_rounded_before_they_are_added);
    tcase_add_test(c, a_product_is_rounded_before_it_is_added);
    tcase_add_test(c, a_step_is_that_of_float32_rounded);
    tcase_add_test(c, a_model_learns);
    tcase_add_test(c, results_do_not_depend_on_the_number_of_threads);
    suite_add_tcase(s, c);
    return s;
}
