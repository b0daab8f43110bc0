/* test_properties.c - what every call keeps: its dtype rules, the same bits in place, alone, twice and again, and its
 * inputs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/elementwise.h"
#include "tests/look.h"
#include "tests/suites.h"
#include "tests/trials.h"

static void expect_same(const char *what, gr_tensor *a, gr_tensor *b)
{
    int64_t n, m;
    ck_assert_msg(a && b, "%s: %s", what, gr_error() ? gr_error() : "NULL");
    double *x = copied(a, &n), *y = copied(b, &m);
    ck_assert_msg(n == m && gr_dtype_of(a) == gr_dtype_of(b), "%s: another shape or dtype", what);
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&x[i], &y[i], sizeof *x)) ck_abort_msg("%s: element %d is %.17g and %.17g", what, (int)i, x[i], y[i]);
    free(x);
    free(y);
}

/* ---- dtypes: integers stay, or become the default float, as the row says ---- */

/* Numbers that all dtypes have; for bool they are its two. */
static gr_tensor *small_numbers(gr_dtype dtype, int salt)
{
    double value[40];
    for (int i = 0; i < 40; i++) value[i] = (i * 7 + salt * 3 + i / 8) % 5;
    return gr_to(gr_from(value, 8, 5), .dtype = dtype);
}

static gr_tensor *run_on(int row, gr_tensor *const *in, bool in_place)
{
    static const double two[2] = {1, 2}, one[2] = {3, 0}; /* parameters that are integers */
    const gr_op *op = in_place ? &gr_row_op_in_place[row] : &gr_row_op[row];
    return gr_apply(op, in, gr_rows[row].operands, op->attribute_bytes == sizeof two ? two : one, NULL);
}

static void check_dtype(int row, gr_dtype dtype)
{
    const gr_row *r = &gr_rows[row];
    const char *name = gr_row_op[row].name;
    const bool real = dtype <= GR_BFLOAT16;
    gr_tensor *in[3], *floats[3];
    const gr_scope scope = gr_scope_begin();
    for (int k = 0; k < r->operands; k++) {
        in[k] = small_numbers(dtype, k);
        floats[k] = gr_to(in[k], .dtype = r->types == GR_TYPES_FLOAT && !real ? gr_default_dtype() : dtype <= GR_FLOAT64 ? dtype : GR_FLOAT64);
    }
    gr_tensor *y = run_on(row, in, false);
    if (r->types == GR_TYPES_SAME_NOBOOL && dtype == GR_BOOL) {
        ck_assert_msg(!y && strstr(gr_error(), "is bool; must be a number"), "%s of bool: %s", name,
                      gr_error() ? gr_error() : "made");
        gr_error_clear();
    } else {
        const gr_dtype stays = r->gives_bool ? GR_BOOL : r->types == GR_TYPES_FLOAT && !real ? gr_default_dtype() : dtype;
        ck_assert_msg(y && gr_dtype_of(y) == stays, "%s of dtype %d: %s", name, (int)dtype,
                      gr_error() ? gr_error() : "another dtype");
        expect_same(name, y,
                    gr_to(run_on(row, floats, false), .dtype = stays)); /* 1 - 2 in uint8 is 255, or of bools is true */
        gr_tensor *changed = r->gives_bool ? NULL : run_on(row, in, true);
        ck_assert_msg(r->gives_bool || !changed == (stays != dtype), "%s_ of dtype %d", name, (int)dtype);
        if (changed) expect_same(name, in[0], y);
        gr_error_clear();
    }
    gr_scope_end(scope);
}

START_TEST(rows_take_the_dtypes_they_say)
{
    catch_errors();
    for (int k = 0; k < 3; k++) {
        gr_set_default_dtype(dtypes[k]);
        for (int row = 0; row < GR_ELEMENTWISE_COUNT; row++)
            for (int d = 0; d < DTYPES; d++) check_dtype(row, dtypes[d]);
    }
    gr_set_default_dtype(GR_FLOAT32);
}
END_TEST

/* ---- in place: the same numbers and gradients as out of place ---- */

static int compared;
static void in_place_is_the_same(trial *t)
{
    if (t->ops) return;
    const gr_scope scope = gr_scope_begin();
    gr_tensor *in[CASE_INPUTS], *y[2], *gradient[2][CASE_INPUTS] = {{NULL}};
    for (int place = 0; place < 2; place++) {
        gr_tensors leaves = leaves_of(t, GR_FLOAT32);
        inputs_of(t, &leaves, false, in);
        gr_tensor *whole = gr_mul(leaves.item[0], 1);
        in[0] = apply_layout(whole, t->shape[0], t->layout); /* a view of what has history, not of a leaf */
        if (t->alias) in[1] = in[0];
        y[place] = run_row(place ? &gr_row_op_in_place[t->row] : &gr_row_op[t->row], in, t->inputs);
        if (place && !y[1]) { /* it would have to grow, or to read what it overwrites, or its elements share memory */
            ck_assert_msg(strstr(gr_error(), "must be the same") || strstr(gr_error(), "stride 0"), "%s", describe(t));
            gr_error_clear();
            gr_scope_end(scope);
            return;
        }
        if (place) ck_assert_ptr_eq(y[1], in[0]);
        const bool ok = gr_backward(y[place], .gradient = upstream_of(y[place]));
        if (!ok && place && t->alias) { /* x * x in place reads the x that is gone */
            ck_assert_msg(strstr(gr_error(), "must be unchanged"), "%s", describe(t));
            gr_error_clear();
            gr_scope_end(scope);
            return;
        }
        ck_assert_msg(ok, "%s", describe(t));
        for (int64_t i = 0; i < leaves.count; i++) gradient[place][i] = gr_grad(leaves.item[i]);
    }
    expect_same(describe(t), y[0], y[1]);
    for (int i = 0; i < (t->alias ? 1 : t->inputs); i++) expect_same(describe(t), gradient[0][i], gradient[1][i]);
    compared++;
    gr_scope_end(scope);
}

START_TEST(rows_in_place_do_the_same)
{
    catch_errors();
    const int trials = rows_with(in_place_is_the_same, true);
    ck_assert_msg(compared > trials * 2 / 3, "%d of %d", compared, trials);
}
END_TEST

/* ---- each operand alone, and every one a second time ---- */

/* Gradients of the inputs in `wanted`, of f(in), or of f(in) + f(in): the same bits, respectively twice as much. */
static void gradients_of(trial *t, unsigned wanted, bool twice, gr_tensor *gradient[CASE_INPUTS])
{
    gr_tensors leaves = leaves_of(t, GR_FLOAT32);
    gr_tensor *in[CASE_INPUTS];
    for (int64_t i = 0; i < leaves.count; i++)
        if (!(wanted >> i & 1)) leaves.item[i] = gr_detach(leaves.item[i]);
    inputs_of(t, &leaves, false, in);
    gr_tensor *y = run_trial(t, in), *upstream = upstream_of(y);
    if (twice) y = gr_add(y, run_trial(t, in));
    if (gr_requires_grad(y)) ck_assert_msg(gr_backward(y, .gradient = upstream), "%s", describe(t));
    for (int64_t i = 0; i < leaves.count; i++) gradient[i] = gr_has_grad(leaves.item[i]) ? gr_grad(leaves.item[i]) : NULL;
}

static void alone_and_twice(trial *t)
{
    const gr_scope scope = gr_scope_begin();
    const int leaves = t->alias ? 1 : t->inputs;
    gr_tensor *all[CASE_INPUTS], *some[CASE_INPUTS];
    gradients_of(t, 7, false, all);
    for (unsigned wanted = 1; wanted < 1u << leaves; wanted++) {
        gradients_of(t, wanted, false, some);
        for (int i = 0; i < leaves; i++) {
            if (wanted >> i & 1 && all[i])
                expect_same(describe(t), some[i], all[i]);
            else
                ck_assert_msg(!some[i], "%s: input %d got a gradient", describe(t), i);
        }
    }
    gradients_of(t, 7, true, some); /* of an alias there are four contributions, and their sum rounds */
    for (int i = 0; i < leaves && !t->alias; i++)
        if (all[i]) expect_same(describe(t), some[i], gr_mul(all[i], 2));
    gr_scope_end(scope);
}

START_TEST(operands_alone_and_used_twice_get_the_same_gradients)
{
    rows_with(alone_and_twice, true);
    ops_with(alone_and_twice, true);
}
END_TEST

/* ---- the gradient that backward is given may lie anyhow in memory ---- */

static gr_tensor *with_gaps(gr_tensor *x)
{
    gr_shape s = gr_shape_of(x);
    if (s.count == 0) return x;
    const int64_t last = s.size[s.count - 1];
    s.size[s.count - 1] = 2 * last + 1;
    gr_tensor *view = gr_slice(gr_zeros_with(s), .dim = -1, .start = 1, .step = 2);
    if (s.count > 1) view = gr_transpose(gr_contiguous(gr_transpose(view, 0, -1)), 0, -1);
    return gr_copy_(view, x);
}

static void upstream_lies_anyhow(trial *t)
{
    const gr_scope scope = gr_scope_begin();
    gr_tensor *gradient[2][CASE_INPUTS];
    const int leaves_count = t->alias ? 1 : t->inputs;
    for (int way = 0; way < 2; way++) {
        gr_tensors leaves = leaves_of(t, GR_FLOAT32);
        gr_tensor *in[CASE_INPUTS];
        inputs_of(t, &leaves, false, in);
        gr_tensor *y = run_trial(t, in), *upstream = upstream_of(y);
        if (way) upstream = with_gaps(upstream);
        ck_assert_msg(gr_backward(y, .gradient = upstream), "%s", describe(t));
        for (int i = 0; i < leaves_count; i++)
            gradient[way][i] = gr_has_grad(leaves.item[i]) ? gr_grad(leaves.item[i]) : NULL;
    }
    for (int i = 0; i < leaves_count; i++)
        if (gradient[0][i]) {
            expect_same(describe(t), gradient[1][i], gradient[0][i]);
            ck_assert_msg(gr_is_contiguous(gradient[1][i]), "%s: a gradient is not row-major", describe(t));
        }
    gr_scope_end(scope);
}

START_TEST(a_given_gradient_may_lie_anyhow)
{
    rows_with(upstream_lies_anyhow, true);
    ops_with(upstream_lies_anyhow, true);
}
END_TEST

/* ---- inputs stay, memory is not shared, the same call gives the same bits ---- */

static bool is_view(const trial *t)
{
    static const char *const views[] = {
        "reshape",    "reshape_transposed", "view",    "transpose", "permute", "t",          "expand",     "narrow",
        "select_row", "slice_steps",        "squeeze", "unsqueeze", "flatten", "contiguous", "to_and_back"};
    for (size_t k = 0; t->ops && k < sizeof views / sizeof views[0]; k++)
        if (!strcmp(t->name, views[k])) return true;
    return false;
}

/* The bytes of memory that x's elements reach over. */
static int64_t extent(gr_tensor *x)
{
    int64_t last = 0;
    for (int d = 0; d < gr_dim(x); d++) last += (gr_size(x, d) - 1) * gr_stride(x, d);
    return (last + 1) * 4;
}

static void changes_nothing(trial *t)
{
    const gr_scope scope = gr_scope_begin();
    gr_tensors leaves = leaves_of(t, GR_FLOAT32);
    gr_tensor *in[CASE_INPUTS], *before[CASE_INPUTS];
    inputs_of(t, &leaves, false, in);
    for (int i = 0; i < t->inputs; i++) before[i] = gr_detach(gr_clone(in[i]));
    gr_tensor *y = run_trial(t, in);
    ck_assert_msg(gr_backward(y, .gradient = upstream_of(y)), "%s", describe(t));
    for (int i = 0; i < t->inputs; i++) expect_same(describe(t), in[i], before[i]);
    for (int i = 0; i < t->inputs && !is_view(t) && gr_numel(y); i++) {
        const char *to = gr_data(y), *from = gr_data(in[i]);
        ck_assert_msg(to + extent(y) <= from || from + extent(in[i]) <= to, "%s: the result shares input %d's memory",
                      describe(t), i);
    }
    gr_scope_end(scope);
    outcome first = evaluate(t, GR_FLOAT32, false), again = evaluate(t, GR_FLOAT32, false);
    for (int i = 0; i <= CASE_INPUTS; i++)
        ck_assert_msg(
            first.count[i] == again.count[i] &&
                (!first.count[i] || !memcmp(first.value[i], again.value[i], sizeof(double) * (size_t)first.count[i])),
            "%s: another call, other bits", describe(t));
    forget(&first);
    forget(&again);
}

START_TEST(calls_change_nothing_and_repeat)
{
    rows_with(changes_nothing, true);
    ops_with(changes_nothing, true);
}
END_TEST

Suite *properties_suite(void)
{
    Suite *s = suite_create("properties");
    TCase *c = tcase_create("properties");
    tcase_add_test(c, rows_take_the_dtypes_they_say);
    tcase_add_test(c, rows_in_place_do_the_same);
    tcase_add_test(c, operands_alone_and_used_twice_get_the_same_gradients);
    tcase_add_test(c, a_given_gradient_may_lie_anyhow);
    tcase_add_test(c, calls_change_nothing_and_repeat);
    suite_add_tcase(s, c);
    return s;
}
