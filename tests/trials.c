/* trials.c - see trials.h. */
#include "tests/trials.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/elementwise.h"

#define S(...) {GR_COUNT_INT64(__VA_ARGS__), {__VA_ARGS__}}

/* ---- one trial ---- */

gr_tensor *run_row(const gr_op *op, gr_tensor *const *in, int n)
{
    static const double two[2] = {1, 20}, one[2] = {0.01, 0}; /* softplus and hardtanh; leaky_relu */
    return gr_apply(op, in, n, op->attribute_bytes == sizeof two ? two : one, NULL);
}

gr_tensor *run_trial(const trial *t, gr_tensor *const *in)
{
    return t->ops ? t->ops->f(in) : run_row(&gr_row_op[t->row], in, t->inputs);
}

gr_tensors leaves_of(const trial *t, gr_dtype dtype)
{
    gr_tensor *leaf[CASE_INPUTS];
    const int count = t->alias ? 1 : t->inputs;
    for (int i = 0; i < count; i++)
        leaf[i] = gr_requires_grad_(case_values(layout_shape(t->shape[i], t->layout), dtype, t->lo, t->hi, t->edge, i), true);
    return gr_tensors_from(leaf, count);
}

void inputs_of(const trial *t, const gr_tensors *leaves, bool contiguous, gr_tensor *in[CASE_INPUTS])
{
    for (int i = 0; i < t->inputs; i++) {
        in[i] = apply_layout(leaves->item[t->alias ? 0 : i], t->shape[i], t->layout);
        if (contiguous) in[i] = gr_clone(in[i]);
    }
}

gr_tensor *upstream_of(const gr_tensor *y)
{
    return case_values(gr_shape_of(y), gr_dtype_of(y), .5, 2, (double)NAN, 3);
}

const char *describe(const trial *t)
{
    static char text[160];
    snprintf(text, sizeof text, "%s, layout %d%s, first input %d-d: %s", t->name, t->layout, t->alias ? ", aliased" : "",
             t->shape[0].count, gr_error() ? gr_error() : "");
    return text;
}

double *copied(gr_tensor *x, int64_t *count)
{
    *count = gr_numel(x);
    double *values = malloc(sizeof(double) * (size_t)(*count + 1));
    ck_assert(gr_to_array(x, values, *count));
    return values;
}

outcome evaluate(trial *t, gr_dtype dtype, bool contiguous)
{
    outcome o = {{0}, {NULL}};
    const gr_scope scope = gr_scope_begin();
    gr_tensors leaves = leaves_of(t, dtype);
    gr_tensor *in[CASE_INPUTS] = {NULL}, *y;
    inputs_of(t, &leaves, contiguous, in);
    ck_assert_msg((y = run_trial(t, in)) != NULL, "%s", describe(t));
    ck_assert_msg(gr_backward(y, .gradient = upstream_of(y)), "%s", describe(t));
    o.value[0] = copied(y, &o.count[0]);
    for (int64_t i = 0; i < leaves.count; i++)
        if (gr_has_grad(leaves.item[i])) o.value[i + 1] = copied(gr_grad(leaves.item[i]), &o.count[i + 1]);
    gr_scope_end(scope);
    return o;
}

void forget(outcome *o)
{
    for (int i = 0; i <= CASE_INPUTS; i++) free(o->value[i]);
}

/* ---- all of them ---- */

static const gr_shape unary_shapes[] = {{0, {0}}, S(1),  S(0),    S(3, 0, 2),    S(7),
                                        S(17),    S(33), S(3, 4), S(2, 3, 2, 2), S(2, 1, 3, 1, 2)};
static const gr_shape binary_shapes[][2] = {
    {S(7), S(7)},       {S(4, 1, 3), S(1, 2, 1)}, {{0, {0}}, S(2, 3)}, {S(2, 3), {0, {0}}}, {S(2, 3), S(3)},
    {S(3), S(2, 3)},    {S(0), S(1)},             {S(3, 0, 2), S(2)},  {S(33), S(1)},        {S(2, 3, 2), S(3, 1)},
};

/* tests/one_row.sh asks how often a row was tried, tests/device.sh for all that was ("*"). */
static int tried(trial *t, property *p)
{
    const char *name = getenv("TRIALS_OF");
    p(t);
    if (name && (!strcmp(name, "*") || !strcmp(name, t->name))) printf("tried %s\n", t->name);
    return 1;
}

int rows_with(property *p, bool every_layout)
{
    int count = 0;
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
                count += tried(&t, p);
            }
        }
        t.layout = PLAIN;
        t.alias = r->operands > 1;
        for (int i = 0; i < r->operands; i++) t.shape[i] = unary_shapes[7];
        const bool ties = !strcmp(t.name, "maximum") || !strcmp(t.name, "minimum"); /* x against x has no slope */
        if (t.alias && !ties) count += tried(&t, p);
    }
    return count;
}

/* An expanded input of an extremum has ties: no slope. */
static bool has_ties(const op_case *c)
{
    static const char *const extrema[] = {"amax", "amin", "max", "min"};
    for (int k = 0; k < 4; k++)
        if (!strncmp(c->name, extrema[k], strlen(extrema[k]))) return true;
    return false;
}

int ops_with(property *p, bool every_layout)
{
    int count = 0;
    for (int k = 0; k < op_case_count; k++) {
        const op_case *c = &op_cases[k];
        trial t = {.name = c->name, .ops = c, .inputs = c->inputs, .lo = c->lo, .hi = c->hi, .edge = c->edge};
        for (int i = 0; i < c->inputs; i++) t.shape[i] = c->shape[i];
        for (int l = 0; l < (every_layout ? LAYOUTS : 1); l++) {
            t.layout = (layout)l;
            if (l != EXPANDED || !has_ties(c)) count += tried(&t, p);
        }
    }
    return count;
}
