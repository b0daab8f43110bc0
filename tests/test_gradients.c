/* test_gradients.c - every op against finite differences, first and second order; float32 against float64; views against
 * contiguous copies. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/elementwise.h"
#include "tests/cases.h"
#include "tests/suites.h"

#define S(...) {GR_COUNT_INT64(__VA_ARGS__), {__VA_ARGS__}}

/* ---- a call under test: an op case, or a row of the elementwise table, on inputs of given layouts ---- */

typedef struct {
    const char *name;
    const op_case *ops; /* or, if NULL, */
    int row;            /* a row of the table */
    int inputs;
    gr_shape shape[CASE_INPUTS]; /* as the op sees them */
    double lo, hi, edge;
    layout layout;
    bool alias; /* every input is the first one */
} trial;

static gr_tensor *run_row(const gr_op *op, gr_tensor *const *in, int n)
{
    static const double softplus[2] = {1, 20}, leaky[2] = {0.01, 0}; /* PyTorch's defaults, in the order of PARAMS */
    const void *parameters = op->attribute_bytes == 16 ? softplus : leaky;
    return gr_apply(op, in, n, parameters, NULL);
}

static gr_tensor *call(const gr_tensors *leaves, void *data)
{
    const trial *t = data;
    gr_tensor *in[CASE_INPUTS] = {NULL};
    for (int i = 0; i < t->inputs; i++)
        in[i] = apply_layout(leaves->item[t->alias ? 0 : i], t->shape[i], t->layout);
    return t->ops ? t->ops->f(in) : run_row(&gr_row_op[t->row], in, t->inputs);
}

static gr_tensors leaves_of(const trial *t, gr_dtype dtype)
{
    gr_tensor *leaf[CASE_INPUTS];
    const int count = t->alias ? 1 : t->inputs;
    for (int i = 0; i < count; i++)
        leaf[i] = gr_requires_grad_(case_values(layout_shape(t->shape[i], t->layout), dtype, t->lo, t->hi, t->edge, i), true);
    return gr_tensors_from(leaf, count);
}

static const char *describe(const trial *t)
{
    static char text[160];
    snprintf(text, sizeof text, "%s, layout %d%s, first input %d-d: %s", t->name, t->layout, t->alias ? ", aliased" : "",
             t->shape[0].count, gr_error() ? gr_error() : "");
    return text;
}

/* ---- the properties ---- */

static int checked;

static void first_order(trial *t)
{
    const gr_scope scope = gr_scope_begin();
    gr_tensors leaves = leaves_of(t, GR_FLOAT64);
    ck_assert_msg(gr_gradcheck(call, leaves, .data = t), "%s", describe(t));
    gr_scope_end(scope);
    checked++;
}

static void second_order(trial *t)
{
    const gr_scope scope = gr_scope_begin();
    gr_tensors leaves = leaves_of(t, GR_FLOAT64);
    ck_assert_msg(gr_gradgradcheck(call, leaves, .data = t), "%s", describe(t));
    gr_scope_end(scope);
    checked++;
}

/* The result and the gradients, as float64 arrays. */
typedef struct {
    int64_t count[CASE_INPUTS + 1];
    double *value[CASE_INPUTS + 1];
} outcome;

static double *copied(gr_tensor *x, int64_t *count)
{
    *count = gr_numel(x);
    double *values = malloc(sizeof(double) * (size_t)(*count + 1));
    ck_assert(gr_to_array(x, values, *count));
    return values;
}

static outcome evaluate(trial *t, gr_dtype dtype, bool contiguous)
{
    outcome o;
    const gr_scope scope = gr_scope_begin();
    gr_tensors leaves = leaves_of(t, dtype);
    gr_tensor *in[CASE_INPUTS] = {NULL}, *y;
    for (int i = 0; i < t->inputs; i++) {
        in[i] = apply_layout(leaves.item[t->alias ? 0 : i], t->shape[i], t->layout);
        if (contiguous) in[i] = gr_clone(in[i]);
    }
    y = t->ops ? t->ops->f(in) : run_row(&gr_row_op[t->row], in, t->inputs);
    ck_assert_msg(y != NULL, "%s", describe(t));
    gr_tensor *upstream = case_values(gr_shape_of(y), dtype, .5, 2, (double)NAN, 3);
    ck_assert_msg(gr_backward(y, .gradient = upstream), "%s", describe(t));
    memset(&o, 0, sizeof o);
    o.value[0] = copied(y, &o.count[0]);
    for (int64_t i = 0; i < leaves.count; i++)
        if (gr_has_grad(leaves.item[i])) o.value[i + 1] = copied(gr_grad(leaves.item[i]), &o.count[i + 1]);
    gr_scope_end(scope);
    return o;
}

static void forget(outcome *o)
{
    for (int i = 0; i <= CASE_INPUTS; i++) free(o->value[i]);
}

/* Errors in float32 stay within 8 roundings of the largest value; gelu's second derivatives, whose terms cancel, within 16. */
static void narrow_agrees_with_wide(trial *t)
{
    outcome narrow = evaluate(t, GR_FLOAT32, false), wide = evaluate(t, GR_FLOAT64, false);
    for (int i = 0; i <= CASE_INPUTS; i++) {
        double largest = 1, worst = 0;
        for (int64_t k = 0; k < wide.count[i]; k++) {
            largest = fmax(largest, fabs(wide.value[i][k]));
            worst = fmax(worst, fabs(wide.value[i][k] - narrow.value[i][k]));
        }
        ck_assert_msg(worst <= (strstr(t->name, "slope") ? 16 : 8) * 0x1p-24 * largest, "%s: output %d is off by %g", describe(t), i, worst / largest);
    }
    forget(&narrow);
    forget(&wide);
    checked++;
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
    checked++;
}

static void view_equals_copy(trial *t, gr_dtype dtype)
{
    outcome view = evaluate(t, dtype, false), copy = evaluate(t, dtype, true);
    expect_same_bits(t, &view, &copy);
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

static void tells_its_rule(trial *t)
{
    const gr_scope scope = gr_scope_begin();
    gr_tensors leaves = leaves_of(t, GR_FLOAT64);
    ck_assert_msg(call(&leaves, t) != NULL, "%s", describe(t));
    for (const gr_call *c = gr_self()->tape.last; c; c = c->previous) {
        const char *rule = gr_rule_text(c->op);
        ck_assert_msg(rule && rule[0] == 'd', "%s tells no rule", c->op->name);
        if (c->op->shape == gr_row_shape) ck_assert_str_eq(rule, row_rules[c->op->code]);
        checked++;
    }
    gr_scope_end(scope);
}

/* ---- the trials ---- */

static const gr_shape unary_shapes[] = {{0, {0}}, S(1), S(0), S(3, 0, 2), S(7), S(17), S(33), S(3, 4), S(2, 3, 2, 2), S(2, 1, 3, 1, 2)};
static const gr_shape binary_shapes[][2] = {
    {S(7), S(7)},       {S(4, 1, 3), S(1, 2, 1)}, {{0, {0}}, S(2, 3)}, {S(2, 3), {0, {0}}}, {S(2, 3), S(3)},
    {S(3), S(2, 3)},    {S(0), S(1)},             {S(3, 0, 2), S(2)},  {S(33), S(1)},        {S(2, 3, 2), S(3, 1)},
};

typedef void each(trial *t);

static void rows_with(each *property, bool every_layout)
{
    for (int row = 0; row < GR_ELEMENTWISE_COUNT; row++) {
        const gr_row *r = &gr_rows[row];
        if (r->gives_bool) continue;
        trial t = {.name = gr_row_op[row].name, .row = row, .inputs = r->operands, .lo = r->lo, .hi = r->hi,
                   .edge = r->edges ? r->edge[0] : (double)NAN};
        const int shapes = r->operands == 1 ? sizeof unary_shapes / sizeof unary_shapes[0]
                                            : sizeof binary_shapes / sizeof binary_shapes[0];
        for (int s = 0; s < shapes; s++) {
            for (int i = 0; i < r->operands; i++) t.shape[i] = r->operands == 1 ? unary_shapes[s] : binary_shapes[s][i % 2];
            for (int l = 0; l < (every_layout ? LAYOUTS : 1); l++) {
                t.layout = (layout)l;
                property(&t);
            }
        }
        t.layout = PLAIN;
        t.alias = r->operands > 1;
        for (int i = 0; i < r->operands; i++) t.shape[i] = unary_shapes[7];
        const bool ties = !strcmp(t.name, "maximum") || !strcmp(t.name, "minimum"); /* x against x has no slope */
        if (t.alias && !ties) property(&t);
    }
}

static void ops_with(each *property, bool every_layout)
{
    for (int k = 0; k < op_case_count; k++) {
        const op_case *c = &op_cases[k];
        trial t = {.name = c->name, .ops = c, .inputs = c->inputs, .lo = c->lo, .hi = c->hi, .edge = c->edge};
        for (int i = 0; i < c->inputs; i++) t.shape[i] = c->shape[i];
        for (int l = 0; l < (every_layout ? LAYOUTS : 1); l++) {
            t.layout = (layout)l;
            if (l != EXPANDED || (strncmp(c->name, "amax", 4) && strncmp(c->name, "amin", 4) && strncmp(c->name, "m", 1)))
                property(&t); /* an expanded input of an extremum has ties: no slope */
        }
    }
}

static void view32(trial *t)
{
    view_equals_copy(t, GR_FLOAT32);
}
static void view64(trial *t)
{
    view_equals_copy(t, GR_FLOAT64);
}

START_TEST(rows_have_right_gradients)
{
    checked = 0;
    rows_with(first_order, true);
    ck_assert_int_gt(checked, 1000);
}
END_TEST
START_TEST(rows_have_right_second_gradients)
{
    checked = 0;
    rows_with(second_order, false);
    ck_assert_int_gt(checked, 200);
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
}
END_TEST
START_TEST(ops_have_right_gradients)
{
    checked = 0;
    ops_with(first_order, true);
    ck_assert_int_gt(checked, 300);
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
    checked = 0;
    rows_with(tells_its_rule, true);
    ops_with(tells_its_rule, true);
    ck_assert_int_gt(checked, 1000);
}
END_TEST

/* ---- gradcheck itself ---- */

static gr_tensor *wrong_square(const gr_tensors *in, void *data)
{
    (void)data; /* half of the slope is hidden */
    return gr_mul(in->item[0], gr_detach(in->item[0]));
}
static void silent(const char *text, void *data)
{
    (void)text, (void)data;
}

START_TEST(gradcheck_refuses_a_wrong_gradient)
{
    gr_set_error_handler(silent, NULL);
    gr_tensor *x = gr_requires_grad_(case_values((gr_shape)S(3), GR_FLOAT64, .5, 2, (double)NAN, 0), true);
    double error = 0;
    ck_assert(!gr_gradcheck(wrong_square, GR_TENSORS(x), .error = &error));
    ck_assert(error > 0.1);
    gr_error_clear();
    gr_tensor *narrow = gr_requires_grad_(gr_ones(3), true);
    ck_assert(!gr_gradcheck(wrong_square, GR_TENSORS(narrow)));
    ck_assert(strstr(gr_error(), "must be float64") != NULL);
    gr_error_clear();
    gr_set_error_handler(NULL, NULL);
}
END_TEST

Suite *gradients_suite(void)
{
    Suite *s = suite_create("gradients");
    TCase *c = tcase_create("gradients");
    tcase_set_timeout(c, 600);
    tcase_add_test(c, rows_have_right_gradients);
    tcase_add_test(c, rows_have_right_second_gradients);
    tcase_add_test(c, rows_agree_in_both_precisions);
    tcase_add_test(c, rows_on_views_equal_rows_on_copies);
    tcase_add_test(c, ops_have_right_gradients);
    tcase_add_test(c, ops_have_right_second_gradients);
    tcase_add_test(c, ops_agree_in_both_precisions);
    tcase_add_test(c, ops_on_views_equal_ops_on_copies);
    tcase_add_test(c, all_give_the_same_bits_while_they_are_watched);
    tcase_add_test(c, every_recorded_call_tells_its_rule);
    tcase_add_test(c, gradcheck_refuses_a_wrong_gradient);
    suite_add_tcase(s, c);
    return s;
}
