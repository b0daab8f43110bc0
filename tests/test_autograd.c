/* test_autograd.c - what the tape promises: leaves, versions, failed passes, gradients as results and of any order. */
#include <math.h>

#include "core/internal.h"
#include "tests/leaves.h"

/* ---- accumulation ---- */

START_TEST(gradients_accumulate_in_leaves)
{
    gr_tensor *x = LEAF(1, 2, 3);
    ck_assert(!gr_has_grad(x));
    ck_assert(gr_backward(gr_sum(gr_mul(x, x))));
    EXPECT(gr_grad(x), 2, 4, 6);
    gr_tensor *first = gr_grad(x);
    ck_assert(gr_backward(gr_sum(gr_mul(x, 2))));
    EXPECT(gr_grad(x), 4, 6, 8);
    ck_assert_ptr_eq(gr_grad(x), first);
    gr_zero_grad(x);
    ck_assert_ptr_null(gr_grad(x));
    ck_assert_ptr_null(gr_error());
    ck_assert(gr_backward(gr_sum(x)));
    EXPECT(gr_grad(x), 1, 1, 1);
}
END_TEST

START_TEST(uses_are_summed_before_they_meet_the_gradient)
{
    gr_tensor *x = LEAF(1);
    ck_assert(gr_backward(gr_sum(gr_mul(x, 1e16))));
    gr_tensor *y = gr_add(gr_mul(x, 1), gr_mul(x, 1)); /* 1e16 + (1 + 1), not (1e16 + 1) + 1 */
    ck_assert(gr_backward(gr_sum(y)));
    EXPECT(gr_grad(x), 1e16 + 2);
}
END_TEST

START_TEST(contributions_add_from_the_last_use_to_the_first)
{
    const double factor[3] = {1e16, 1, -1e16};
    const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int k = 0; k < 6; k++) {
        gr_tensor *x = LEAF(1), *h = gr_mul(x, 1);
        gr_tensor *a = gr_mul(h, factor[orders[k][0]]), *b = gr_mul(h, factor[orders[k][1]]);
        gr_tensor *c = gr_mul(h, factor[orders[k][2]]);
        ck_assert(gr_backward(gr_sum(gr_add(gr_add(a, b), c))));
        const double expected = (factor[orders[k][2]] + factor[orders[k][1]]) + factor[orders[k][0]];
        EXPECT(gr_grad(x), expected);
    }
}
END_TEST

START_TEST(gradients_are_never_aliases)
{
    gr_tensor *x = LEAF(1, 2), *w = LEAF(3, 4);
    gr_tensor *g = gr_from(((const double[]){1, 1}), 2);
    ck_assert(gr_backward(gr_add(x, w), .gradient = g));
    gr_fill_(g, 9);
    EXPECT(gr_grad(x), 1, 1);
    gr_fill_(gr_grad(x), 7);
    EXPECT(gr_grad(w), 1, 1);
    ck_assert(gr_backward(gr_add(x, x), .gradient = gr_from(((const double[]){1, 2}), 2)));
    EXPECT(gr_grad(x), 9, 11);
}
END_TEST

START_TEST(broadcast_operands_get_summed_gradients)
{
    gr_tensor *x = gr_requires_grad_(gr_ones_with(GR_SHAPE(2, 3), .dtype = GR_FLOAT64), true);
    gr_tensor *row = LEAF(1, 2, 3), *one = gr_requires_grad_(gr_full_with(2.0, GR_SHAPE(), .dtype = GR_FLOAT64), true);
    ck_assert(gr_backward(gr_sum(gr_mul(gr_mul(x, row), one))));
    EXPECT(gr_grad(row), 4, 4, 4);
    EXPECT(gr_grad(one), 12);
    EXPECT(gr_grad(x), 2, 4, 6, 2, 4, 6);
}
END_TEST

START_TEST(a_leaf_may_be_its_own_loss)
{
    gr_tensor *x = LEAF(5);
    ck_assert(gr_backward(x));
    EXPECT(gr_grad(x), 1);
    ck_assert(gr_backward(x, .gradient = gr_from(((const double[]){2.5}), 1)));
    EXPECT(gr_grad(x), 3.5);
}
END_TEST

START_TEST(what_needs_no_gradient_gets_none)
{
    gr_tensor *x = LEAF(1, 2), *plain = gr_from(((const double[]){3, 4}), 2);
    ck_assert(gr_backward(gr_sum(gr_mul(x, plain))));
    ck_assert(!gr_has_grad(plain));
    gr_scope off = gr_no_grad_begin();
    gr_tensor *y = gr_mul(x, 2);
    ck_assert(!gr_requires_grad(y));
    gr_scope on = gr_enable_grad_begin();
    ck_assert(gr_requires_grad(gr_mul(x, 2)));
    gr_scope_end(on);
    gr_scope_end(off);
    ck_assert(gr_grad_enabled());
    ck_assert(!gr_requires_grad(gr_detach(gr_mul(x, 2))));
}
END_TEST

/* ---- refusals ---- */

START_TEST(a_history_is_used_once)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2), *y = gr_sum(gr_add(x, 1));
    ck_assert(gr_backward(y, .retain_graph = true));
    ck_assert(gr_backward(y));
    EXPECT(gr_grad(x), 2, 2);
    ck_assert(!gr_backward(y));
    expect_one_error("already used");
    EXPECT(gr_grad(x), 2, 2);
    gr_scope inner = gr_scope_begin();
    ck_assert(!gr_backward(gr_mul(y, 2)));
    expect_one_error("already used");
    gr_scope_end(inner);
}
END_TEST

START_TEST(losses_without_one_element_or_history_are_refused)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2);
    ck_assert(!gr_backward(gr_mul(x, 2)));
    expect_one_error("must have one element");
    ck_assert(!gr_backward(gr_sum(gr_detach(x))));
    expect_one_error("nothing under loss requires grad");
    ck_assert(!gr_backward(gr_mul(x, 2), .gradient = gr_ones_with(GR_SHAPE(1), .dtype = GR_FLOAT64)));
    expect_one_error("must be the same");
    ck_assert(!gr_has_grad(x));
}
END_TEST

START_TEST(a_changed_saved_tensor_fails_the_pass_and_names_both_calls)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2), *y = gr_exp(x), *loss = gr_sum(y);
    gr_mul_(y, 2);
    ck_assert(!gr_backward(loss));
    ck_assert(strstr(gr_error(), "exp (") && strstr(gr_error(), "mul_ ("));
    expect_one_error("needs its result");
    ck_assert(!gr_has_grad(x));
    /* what is not saved may change */
    gr_tensor *h = gr_mul(x, 2), *z = gr_sum(gr_add(h, 1));
    gr_relu_(h);
    ck_assert(gr_backward(z));
    /* a constant operand is all that mul's other gradient reads */
    gr_tensor *k = gr_mul(x, 2), *constant = gr_from(((const double[]){3, 4}), 2), *p = gr_sum(gr_mul(k, constant));
    gr_add_(k, 1);
    ck_assert(gr_backward(p));
    gr_tensor *q = gr_mul(x, 1);
    gr_tensor *r = gr_mul_(q, q);
    ck_assert(!gr_backward(gr_sum(r)));
    expect_one_error("needs its");
}
END_TEST

START_TEST(a_detached_view_shares_the_version)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2), *y = gr_exp(x), *loss = gr_sum(y);
    gr_add_(gr_detach(y), 1);
    ck_assert(!gr_backward(loss));
    expect_one_error("needs its result");
}
END_TEST

START_TEST(a_freed_saved_tensor_fails_the_pass)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2), *y = gr_exp(x), *loss = gr_sum(y);
    gr_free(y);
    ck_assert(!gr_backward(loss));
    expect_one_error("was freed");
}
END_TEST

static bool same_shape(gr_call *c)
{
    return gr_call_output_shape(c, 0, gr_shape_of(gr_call_input(c, 0)), GR_FLOAT64);
}
static bool copies(gr_call *c)
{
    return gr_copy_(gr_call_output(c, 0), gr_call_input(c, 0)) != NULL;
}
static bool is_out_of_order;
static bool failing_backward(gr_call *c)
{
    if (is_out_of_order) return gr_call_fail(c, "backward is out of order; must be repaired");
    return gr_grad_add(c, 0, gr_call_gradient(c, 0));
}
static const gr_op failing = {.name = "failing", .shape = same_shape, .forward = copies, .backward = failing_backward};

START_TEST(a_failed_pass_changes_nothing_and_may_be_repeated)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2), *w = LEAF(3, 4);
    ck_assert(gr_backward(gr_sum(gr_mul(x, 10))));
    gr_tensor *f = gr_apply(&failing, &x, 1, NULL, NULL);
    gr_tensor *loss = gr_sum(gr_add(gr_mul(w, 2), f));
    is_out_of_order = true;
    ck_assert(!gr_backward(loss));
    expect_one_error("failing: backward is out of order");
    EXPECT(gr_grad(x), 10, 10);
    ck_assert(!gr_has_grad(w));
    is_out_of_order = false;
    ck_assert(gr_backward(loss));
    EXPECT(gr_grad(x), 11, 11);
    EXPECT(gr_grad(w), 2, 2);
}
END_TEST

START_TEST(a_failed_pass_gives_its_memory_back)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2), *w = LEAF(3, 4), *v = LEAF(5, 6), *f = gr_apply(&failing, &x, 1, NULL, NULL),
              *loss = gr_sum(gr_add(gr_add(gr_mul(w, 2), gr_mul(v, 3)), f));
    const gr_pool_use before = gr_pool_look(gr_self());
    is_out_of_order = true;
    ck_assert(!gr_backward(loss));
    is_out_of_order = false;
    expect_one_error("failing: backward is out of order");
    const gr_pool_use after = gr_pool_look(gr_self());
    ck_assert_int_eq(after.blocks, before.blocks);
    ck_assert_int_eq(after.headers, before.headers);
}
END_TEST

START_TEST(a_pass_that_fails_after_its_walk_leaves_the_history_to_be_used)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2), *w = LEAF(3, 4), *loss = gr_sum(gr_mul(x, 10));
    const gr_hook hook = gr_register_hook(x, no_gradient, NULL);
    ck_assert(!gr_backward(loss));
    expect_one_error("a hook returned NULL");
    ck_assert(gr_hook_remove(hook));
    ck_assert_int_eq(gr_autograd_grads(GR_TENSORS(loss), GR_TENSORS(x, w)).count, 0);
    expect_one_error("inputs[1] was not used");
    ck_assert(gr_backward(loss));
    EXPECT(gr_grad(x), 10, 10);
}
END_TEST

START_TEST(while_an_error_stands_nothing_lasting_changes)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2), *loss = gr_sum(x);
    ck_assert_ptr_null(gr_relu((gr_tensor *)NULL));
    ck_assert(!gr_backward(loss));
    ck_assert_ptr_null(gr_add_(gr_mul(x, 1), 1));
    ck_assert_ptr_nonnull(gr_mul(x, 1));
    expect_one_error("relu: ");
    ck_assert(gr_backward(loss));
}
END_TEST

/* ---- several outputs, optional inputs ---- */

static bool pair_shape(gr_call *c)
{
    const gr_shape s = gr_shape_of(gr_call_input(c, 0));
    return gr_call_output_shape(c, 0, s, GR_FLOAT64) && gr_call_output_shape(c, 1, s, GR_FLOAT64);
}
static bool pair_forward(gr_call *c)
{
    gr_tensor *x = gr_call_input(c, 0), *bias = gr_call_input(c, 1);
    gr_copy_(gr_call_output(c, 0), gr_mul(x, 2));
    gr_tensor *five = gr_mul(x, 5);
    return gr_copy_(gr_call_output(c, 1), bias ? gr_add(five, bias) : five) != NULL;
}
static int zero_seen;
static bool pair_backward(gr_call *c)
{
    zero_seen += gr_call_gradient_is_zero(c, 0) + 10 * gr_call_gradient_is_zero(c, 1);
    gr_tensor *dx = gr_add(gr_mul(gr_call_gradient(c, 0), 2), gr_mul(gr_call_gradient(c, 1), 5));
    if (gr_call_needs(c, 1) && !gr_grad_add(c, 1, gr_call_gradient(c, 1))) return false;
    return gr_grad_add(c, 0, dx);
}
static const gr_op pair = {.name = "pair", .shape = pair_shape, .forward = pair_forward, .backward = pair_backward,
                           .outputs = 2, .optional_inputs = 2};

START_TEST(an_unused_output_counts_as_zeros)
{
    gr_tensor *x = LEAF(1, 2), *bias = LEAF(10, 20), *out[2];
    gr_tensor *in[2] = {x, GR_ABSENT};
    ck_assert_ptr_nonnull(gr_apply(&pair, in, 2, NULL, out));
    EXPECT(out[1], 5, 10);
    ck_assert(gr_backward(gr_sum(out[1])));
    EXPECT(gr_grad(x), 5, 5);
    ck_assert_int_eq(zero_seen, 1);
    in[1] = bias;
    ck_assert_ptr_nonnull(gr_apply(&pair, in, 2, NULL, out));
    EXPECT(out[1], 15, 30);
    ck_assert(gr_backward(gr_sum(gr_add(out[0], out[1]))));
    EXPECT(gr_grad(x), 12, 12);
    EXPECT(gr_grad(bias), 1, 1);
}
END_TEST

START_TEST(outputs_of_a_failed_call_are_null)
{
    gr_tensor *x = LEAF(1, 2), *in[2] = {x, NULL}, *out[2];
    for (int k = 0; k < 3; k++) {
        out[0] = out[1] = x;
        ck_assert_ptr_null(gr_apply(&pair, k == 1 ? NULL : in, k == 2 ? -1 : 2, NULL, out));
        ck_assert(strstr(gr_error(), k ? "apply: " : "pair: b is NULL"));
        gr_error_clear();
        ck_assert(!out[0] && !out[1]);
    }
}
END_TEST

/* ---- grad ---- */

START_TEST(grad_returns_gradients_and_leaves_the_leaves_alone)
{
    gr_tensor *x = LEAF(2, 3), *w = LEAF(5, 7), *h = gr_mul(x, w), *y = gr_sum(gr_mul(h, h));
    gr_tensor *dh = gr_autograd_grad(y, h, .retain_graph = true);
    EXPECT(dh, 20, 42);
    gr_tensors both = gr_autograd_grads(GR_TENSORS(y), GR_TENSORS(w, x));
    ck_assert_int_eq(both.count, 2);
    EXPECT(both.item[0], 40, 126);
    EXPECT(both.item[1], 100, 294);
    ck_assert(!gr_has_grad(x) && !gr_has_grad(w));
    /* the history below h was not walked for dh, so it may still be used */
    gr_tensor *g = gr_mul(x, 3), *z = gr_sum(gr_mul(g, g));
    ck_assert_ptr_nonnull(gr_autograd_grad(z, g));
    ck_assert(gr_backward(gr_sum(g)));
    EXPECT(gr_grad(x), 3, 3);
}
END_TEST

START_TEST(unused_inputs_are_an_error_or_absent)
{
    catch_errors();
    gr_tensor *x = LEAF(2), *w = LEAF(5);
    ck_assert_ptr_null(gr_autograd_grad(gr_sum(x), w));
    expect_one_error("was not used");
    ck_assert_ptr_eq(gr_autograd_grad(gr_sum(x), w, .allow_unused = true), GR_ABSENT);
    ck_assert_ptr_null(gr_autograd_grad(gr_sum(gr_detach(x)), x));
    expect_one_error("does not require grad");
}
END_TEST

START_TEST(gradients_have_gradients_of_any_order)
{
    gr_tensor *x = LEAF(2);
    gr_tensor *y = gr_sum(gr_mul(gr_mul(x, x), gr_mul(x, x))); /* x^4 */
    const double expected[4] = {32, 48, 48, 24};
    for (int order = 0; order < 4; order++) {
        y = gr_autograd_grad(gr_sum(y), x, .create_graph = true);
        EXPECT(y, expected[order]);
    }
}
END_TEST

START_TEST(a_recorded_backward_leaves_gradients_with_history)
{
    gr_tensor *x = LEAF(3);
    gr_scope step = gr_scope_begin();
    gr_tensor *y = gr_sum(gr_mul(gr_mul(x, x), x));
    ck_assert(gr_backward(y, .create_graph = true));
    EXPECT(gr_grad(x), 27);
    ck_assert(gr_requires_grad(gr_grad(x)));
    gr_tensor *second = gr_autograd_grad(gr_sum(gr_grad(x)), x);
    EXPECT(second, 18);
    gr_scope_end(step);
    EXPECT(gr_grad(x), 27); /* it outlives the step, its history does not */
    ck_assert(!gr_requires_grad(gr_grad(x)));
    ck_assert(gr_backward(gr_sum(x)));
    EXPECT(gr_grad(x), 28);
}
END_TEST

START_TEST(gradients_of_intermediate_results_are_returned)
{
    gr_tensor *x = LEAF(3), *y = gr_mul(x, x), *z = gr_mul(y, 5);
    const gr_tensors dz = gr_autograd_grads(GR_TENSORS(gr_sum(z)), GR_TENSORS(x, y, z));
    ck_assert_int_eq(dz.count, 3);
    EXPECT(dz.item[0], 30);
    EXPECT(dz.item[1], 5);
    EXPECT(dz.item[2], 1);
}
END_TEST

/* So many that they are found by an index; in two orders, so that each is found again, and by a hook, so that it is there
 * once. */
START_TEST(each_of_many_leaves_gets_its_gradient_once)
{
    enum { LEAVES = 600 };
    int calls = 0;
    gr_tensor *x[LEAVES], *sum = LEAF(0);
    for (int i = 0; i < LEAVES; i++) {
        x[i] = LEAF(1);
        sum = gr_add(sum, gr_mul(x[i], i));
    }
    for (int i = 0; i < LEAVES; i++) sum = gr_add(sum, gr_mul(x[i * 7 % LEAVES], 1000));
    const gr_tensors gradients = gr_autograd_grads(GR_TENSORS(sum), gr_tensors_from(x, LEAVES), .retain_graph = true);
    ck_assert_int_eq(gradients.count, LEAVES);
    for (int i = 0; i < LEAVES; i++) gr_register_hook(x[i], doubled, &calls);
    ck_assert(gr_backward(sum));
    ck_assert_int_eq(calls, LEAVES);
    for (int i = 0; i < LEAVES; i++) {
        EXPECT(gradients.item[i], 1000 + i);
        EXPECT(gr_grad(x[i]), 2 * (1000 + i));
    }
}
END_TEST

/* On an empty tape the copy that the leaf gets is the first value. */
START_TEST(a_recorded_gradient_is_forgotten_with_its_leaf)
{
    gr_tensor *x = gr_requires_grad_(gr_ones(2), true), *v = gr_requires_grad_(gr_ones(2), true);
    ck_assert(gr_backward(x, .gradient = v, .create_graph = true));
    ck_assert(gr_requires_grad(gr_grad(x)));
    ck_assert_uint_eq(gr_self()->histories, 1);
    ck_assert(gr_free(x));
    ck_assert_uint_eq(gr_self()->histories, 0);
}
END_TEST

START_TEST(a_recorded_pass_adds_to_every_leafs_gradient)
{
    gr_tensor *x = LEAF(1), *w = LEAF(2);
    ck_assert(gr_backward(gr_sum(gr_mul(x, w))));
    ck_assert(gr_backward(gr_sum(gr_mul(x, w)), .create_graph = true));
    EXPECT(gr_grad(x), 4);
    EXPECT(gr_grad(w), 2);
}
END_TEST

START_TEST(a_recorded_pass_that_fails_leaves_nothing_on_the_tape)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2), *y = gr_mul(x, 3), *loss = gr_exp(gr_sum(gr_mul(y, y)));
    gr_scope off = gr_no_grad_begin();
    gr_mul_(y, 2);
    gr_scope_end(off);
    const int before = gr_tape_text(NULL, 0);
    ck_assert(!gr_backward(loss, .create_graph = true));
    expect_one_error("changed");
    ck_assert_int_eq(gr_tape_text(NULL, 0), before);
}
END_TEST

Suite *autograd_suite(void)
{
    Suite *s = suite_create("autograd");
    TCase *c = tcase_create("tape");
    tcase_add_test(c, gradients_accumulate_in_leaves);
    tcase_add_test(c, uses_are_summed_before_they_meet_the_gradient);
    tcase_add_test(c, contributions_add_from_the_last_use_to_the_first);
    tcase_add_test(c, gradients_are_never_aliases);
    tcase_add_test(c, broadcast_operands_get_summed_gradients);
    tcase_add_test(c, a_leaf_may_be_its_own_loss);
    tcase_add_test(c, what_needs_no_gradient_gets_none);
    tcase_add_test(c, a_history_is_used_once);
    tcase_add_test(c, losses_without_one_element_or_history_are_refused);
    tcase_add_test(c, a_changed_saved_tensor_fails_the_pass_and_names_both_calls);
    tcase_add_test(c, a_detached_view_shares_the_version);
    tcase_add_test(c, a_freed_saved_tensor_fails_the_pass);
    tcase_add_test(c, a_failed_pass_changes_nothing_and_may_be_repeated);
    tcase_add_test(c, a_failed_pass_gives_its_memory_back);
    tcase_add_test(c, a_pass_that_fails_after_its_walk_leaves_the_history_to_be_used);
    tcase_add_test(c, while_an_error_stands_nothing_lasting_changes);
    tcase_add_test(c, an_unused_output_counts_as_zeros);
    tcase_add_test(c, outputs_of_a_failed_call_are_null);
    tcase_add_test(c, grad_returns_gradients_and_leaves_the_leaves_alone);
    tcase_add_test(c, unused_inputs_are_an_error_or_absent);
    tcase_add_test(c, gradients_have_gradients_of_any_order);
    tcase_add_test(c, a_recorded_backward_leaves_gradients_with_history);
    tcase_add_test(c, gradients_of_intermediate_results_are_returned);
    tcase_add_test(c, each_of_many_leaves_gets_its_gradient_once);
    tcase_add_test(c, a_recorded_gradient_is_forgotten_with_its_leaf);
    tcase_add_test(c, a_recorded_pass_adds_to_every_leafs_gradient);
    tcase_add_test(c, a_recorded_pass_that_fails_leaves_nothing_on_the_tape);
    suite_add_tcase(s, c);
    return s;
}
