/* test_gradients.c - every op against finite differences, first and second order; float32 against float64; views against
 * contiguous copies. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/elementwise.h"
#include "tests/look.h"
#include "tests/suites.h"
#include "tests/trials.h"

static gr_tensor *call(const gr_tensors *leaves, void *data)
{
    gr_tensor *in[CASE_INPUTS] = {NULL};
    inputs_of(data, leaves, false, in);
    return run_trial(data, in);
}

/* ---- the properties ---- */

static void first_order(trial *t)
{
    const gr_scope scope = gr_scope_begin();
    gr_tensors leaves = leaves_of(t, GR_FLOAT64);
    ck_assert_msg(gr_gradcheck(call, leaves, .data = t), "%s", describe(t));
    gr_scope_end(scope);
}

static void second_order(trial *t)
{
    const gr_scope scope = gr_scope_begin();
    gr_tensors leaves = leaves_of(t, GR_FLOAT64);
    ck_assert_msg(gr_gradgradcheck(call, leaves, .data = t), "%s", describe(t));
    gr_scope_end(scope);
}

/* Errors in float32 stay within 8 roundings of the largest value; gelu's second derivatives, whose terms cancel, within 16.
 */
static void narrow_agrees_with_wide(trial *t)
{
    outcome narrow = evaluate(t, GR_FLOAT32, false), wide = evaluate(t, GR_FLOAT64, false);
    for (int i = 0; i <= CASE_INPUTS; i++) {
        double largest = 1, worst = 0;
        for (int64_t k = 0; k < wide.count[i]; k++) {
            largest = fmax(largest, fabs(wide.value[i][k]));
            worst = fmax(worst, fabs(wide.value[i][k] - narrow.value[i][k]));
        }
        ck_assert_msg(worst <= (strstr(t->name, "slope") ? 16 : 8) * 0x1p-24 * largest, "%s: output %d is off by %g",
                      describe(t), i, worst / largest);
    }
    forget(&narrow);
    forget(&wide);
}

static void expect_same_bits(trial *t, outcome *a, outcome *b)
{
    for (int i = 0; i <= CASE_INPUTS; i++) {
        ck_assert_int_eq(a->count[i], b->count[i]);
        const size_t bytes = sizeof(double) * (size_t)a->count[i];
        ck_assert_msg(!bytes || !memcmp(a->value[i], b->value[i], bytes), "%s: output %d differs", describe(t), i);
    }
    forget(a);
    forget(b);
}

static void view_equals_copy(trial *t, gr_dtype dtype)
{
    outcome view = evaluate(t, dtype, false), copy = evaluate(t, dtype, true);
    expect_same_bits(t, &view, &copy);
}

/* The same rules once more, by ops: a gradient that can be differentiated again is the gradient. The CPU gives the same bits; a
 * device's products may add in another order. */
static void recorded_equals_unrecorded(trial *t)
{
    outcome unrecorded = evaluate(t, GR_FLOAT64, false);
    const gr_scope scope = gr_scope_begin();
    gr_tensors leaves = leaves_of(t, GR_FLOAT64);
    gr_tensor *y = call(&leaves, t);
    ck_assert_msg(gr_backward(y, .gradient = upstream_of(y), .create_graph = true), "%s", describe(t));
    for (int64_t i = 0; i < leaves.count; i++) {
        int64_t count;
        double *recorded = copied(gr_grad(leaves.item[i]), &count), largest = 1;
        ck_assert_int_eq(count, unrecorded.count[i + 1]);
        for (int64_t k = 0; k < count; k++) largest = fmax(largest, fabs(recorded[k]));
        for (int64_t k = 0; k < count; k++)
            ck_assert_msg(fabs(recorded[k] - unrecorded.value[i + 1][k]) <= 1e-14 * largest, "%s: gradient %d", describe(t), (int)i);
        free(recorded);
    }
    gr_scope_end(scope);
    forget(&unrecorded);
}

static void watched_equals_unwatched(trial *t)
{
    outcome unwatched = evaluate(t, GR_FLOAT32, false);
    gr_set_detect_anomaly(true);
    ck_assert(gr_set_tape_norms(true));
    outcome watched = evaluate(t, GR_FLOAT32, false);
    gr_set_detect_anomaly(false);
    ck_assert(gr_set_tape_norms(false));
    expect_same_bits(t, &unwatched, &watched);
}

/* The rules as the table's file has them. */
#define UNARY(name, params, types, value, back, ...) [GR_E_##name] = "dx = " #back,
#define BINARY(name, params, types, value, back_a, back_b, ...) [GR_E_##name] = "da = " #back_a ", db = " #back_b,
#define TERNARY(name, params, types, value, back_a, back_b, back_c, ...) \
    [GR_E_##name] = "da = " #back_a ", db = " #back_b ", dc = " #back_c,
#define PREDICATE(...)
#define COMPARE(...)
static const char *const row_rules[GR_ELEMENTWISE_COUNT] = {
#include "core/elementwise.def"
};

static int rules_told;
static void tells_its_rule(trial *t)
{
    const gr_scope scope = gr_scope_begin();
    gr_tensors leaves = leaves_of(t, GR_FLOAT64);
    ck_assert_msg(call(&leaves, t) != NULL, "%s", describe(t));
    for (const gr_call *c = gr_self()->tape.last; c; c = c->previous) {
        const char *rule = gr_rule_text(c->op);
        ck_assert_msg(rule && rule[0] == 'd', "%s tells no rule", c->op->name);
        if (c->op->shape == gr_row_shape) ck_assert_str_eq(rule, row_rules[c->op->code]);
        rules_told++;
    }
    gr_scope_end(scope);
}

/* ---- the tests ---- */

static void view32(trial *t)
{
    view_equals_copy(t, GR_FLOAT32);
}
static void view64(trial *t)
{
    view_equals_copy(t, GR_FLOAT64);
}
static void view16(trial *t)
{
    view_equals_copy(t, GR_BFLOAT16);
}

START_TEST(rows_have_right_gradients)
{
    ck_assert_int_gt(rows_with(first_order, true), 1500);
}
END_TEST
START_TEST(rows_have_right_second_gradients)
{
    ck_assert_int_gt(rows_with(second_order, false), 300);
}
END_TEST
START_TEST(rows_agree_in_both_precisions)
{
    rows_with(narrow_agrees_with_wide, false);
}
END_TEST
START_TEST(rows_on_views_equal_rows_on_copies)
{
    rows_with(view32, true);
    rows_with(view64, true);
    rows_with(view16, true);
}
END_TEST
START_TEST(ops_have_right_gradients)
{
    ck_assert_int_gt(ops_with(first_order, true), 400);
}
END_TEST
START_TEST(ops_have_right_second_gradients)
{
    ops_with(second_order, false);
}
END_TEST
START_TEST(ops_agree_in_both_precisions)
{
    ops_with(narrow_agrees_with_wide, false);
}
END_TEST
START_TEST(ops_on_views_equal_ops_on_copies)
{
    ops_with(view32, true);
    ops_with(view64, true);
    ops_with(view16, true);
}
END_TEST

START_TEST(recorded_gradients_are_the_gradients)
{
    rows_with(recorded_equals_unrecorded, true);
    ops_with(recorded_equals_unrecorded, true);
}
END_TEST
START_TEST(all_give_the_same_bits_while_they_are_watched)
{
    rows_with(watched_equals_unwatched, true);
    ops_with(watched_equals_unwatched, true);
}
END_TEST
START_TEST(every_recorded_call_tells_its_rule)
{
    rows_with(tells_its_rule, true);
    ops_with(tells_its_rule, true);
    ck_assert_int_gt(rules_told, 1000);
}
END_TEST

/* ---- gradcheck itself ---- */

static gr_tensor *wrong_square(const gr_tensors *in, void *data)
{
    (void)data; /* half of the slope is hidden */
    return gr_mul(in->item[0], gr_detach(in->item[0]));
}
static gr_tensor *narrow_square(const gr_tensors *in, void *data)
{
    (void)data;
    return gr_to(gr_square(in->item[0]), .dtype = GR_FLOAT32);
}
static gr_tensor *gives_nothing(const gr_tensors *in, void *data)
{
    (void)in, (void)data;
    return NULL;
}

START_TEST(gradcheck_refuses_a_wrong_gradient)
{
    catch_errors();
    gr_tensor *x = gr_requires_grad_(case_values((gr_shape){1, {3}}, GR_FLOAT64, .5, 2, (double)NAN, 0), true);
    double error = 0;
    ck_assert(!gr_gradcheck(wrong_square, GR_TENSORS(x), .error = &error));
    ck_assert(error > 0.1);
    gr_error_clear();
    gr_tensor *narrow = gr_requires_grad_(gr_ones(3), true);
    ck_assert(!gr_gradcheck(wrong_square, GR_TENSORS(narrow)));
    ck_assert(strstr(gr_error(), "must be float64") != NULL);
    gr_error_clear();
    ck_assert(!gr_gradcheck(narrow_square, GR_TENSORS(x)));
    ck_assert_msg(strstr(gr_error(), "the result of f is float32 and requires grad; must be float64 and require it"), "%s", gr_error());
    gr_error_clear();
    ck_assert(!gr_gradgradcheck(narrow_square, GR_TENSORS(x)));
    ck_assert_msg(strstr(gr_error(), "gradgradcheck: the result of f is float32 and requires grad; must be float64") != NULL, "%s",
                  gr_error());
    gr_error_clear();
    for (int second = 0; second < 2; second++) {
        ck_assert(!(second ? gr_gradgradcheck(gives_nothing, GR_TENSORS(x)) : gr_gradcheck(gives_nothing, GR_TENSORS(x))));
        ck_assert(gr_error() && strstr(gr_error(), "check: the result of f is NULL and no earlier call failed") != NULL);
        gr_error_clear();
    }
    gr_set_error_handler(NULL, NULL);
}
END_TEST

Suite *gradients_suite(void)
{
    Suite *s = suite_create("gradients");
    TCase *c = tcase_create("gradients");
    tcase_add_test(c, rows_have_right_gradients);
    tcase_add_test(c, rows_have_right_second_gradients);
    tcase_add_test(c, rows_agree_in_both_precisions);
    tcase_add_test(c, rows_on_views_equal_rows_on_copies);
    tcase_add_test(c, ops_have_right_gradients);
    tcase_add_test(c, ops_have_right_second_gradients);
    tcase_add_test(c, ops_agree_in_both_precisions);
    tcase_add_test(c, ops_on_views_equal_ops_on_copies);
    tcase_add_test(c, recorded_gradients_are_the_gradients);
    tcase_add_test(c, all_give_the_same_bits_while_they_are_watched);
    tcase_add_test(c, every_recorded_call_tells_its_rule);
    tcase_add_test(c, gradcheck_refuses_a_wrong_gradient);
    suite_add_tcase(s, c);
    return s;
}
