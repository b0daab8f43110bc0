/* test_histories.c - what becomes of histories when views, leaves and gradients change roles: views that their base has left
 * behind, tensors that were freed or kept, leaves that are none any more, and gradients that others use. Most of these were
 * found by tests/fuzz. */
#include "tests/leaves.h"

/* ---- views that their base has left behind ---- */

START_TEST(backward_from_an_outdated_view_takes_it_again)
{
    gr_tensor *x = LEAF(1, 2, 3), *y = gr_mul(x, 1), *view = gr_narrow(y, 0, 0, 2);
    gr_mul_(y, 5);
    ck_assert(gr_backward(view, .gradient = PLAIN(1, 1)));
    EXPECT(gr_grad(x), 5, 5, 0);
    gr_scope off = gr_no_grad_begin();
    gr_scope inner = gr_enable_grad_begin();
    gr_tensor *z = gr_mul(x, 1), *part = gr_narrow(z, 0, 0, 1);
    gr_mul_(z, 7);
    gr_scope quiet_again = gr_no_grad_begin();
    EXPECT(gr_autograd_grad(part, x), 7, 0, 0);
    gr_scope_end(quiet_again);
    gr_scope_end(inner);
    gr_scope_end(off);
}
END_TEST

START_TEST(an_outdated_view_of_an_outer_scope_is_taken_again_by_a_pass)
{
    gr_tensor *x = LEAF(1, 2, 3), *y = gr_mul(x, 1), *view = gr_narrow(y, 0, 0, 2), *other = gr_narrow(y, 0, 2, 1);
    gr_mul_(y, 5);
    gr_scope inner = gr_scope_begin();
    const gr_tensors both = gr_autograd_grads(GR_TENSORS(view, other), GR_TENSORS(x), .gradients = GR_TENSORS(PLAIN(1, 1), PLAIN(1)));
    EXPECT(both.item[0], 5, 5, 5);
    gr_scope_end(inner);
}
END_TEST

START_TEST(an_outdated_view_requires_grad_as_its_base_does)
{
    catch_errors();
    gr_tensor *w = LEAF(3, 4), *y = PLAIN(1, 2), *view = gr_narrow(y, 0, 0, 1), *kept = gr_narrow(y, 0, 0, 1);
    ck_assert(!gr_requires_grad(view));
    gr_mul_(y, w);
    ck_assert(gr_requires_grad(view));
    ck_assert_ptr_null(gr_requires_grad_(view, false));
    expect_one_error("t has history");
    ck_assert_ptr_null(gr_keep(kept));
    expect_one_error("t has history");
    int calls = 0;
    gr_register_hook(view, doubled, &calls);
    gr_retain_grad(view);
    ck_assert(gr_backward(gr_sum(view)));
    EXPECT(gr_grad(w), 2, 0);
    EXPECT(gr_grad(view), 2);
    ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(a_hook_on_an_outdated_view_of_an_outer_scope_is_refused)
{
    catch_errors();
    int calls = 0;
    gr_tensor *x = LEAF(1, 2), *y = gr_mul(x, 1), *view = gr_narrow(y, 0, 0, 1);
    gr_mul_(y, 5);
    gr_scope inner = gr_scope_begin();
    ck_assert_uint_eq(gr_register_hook(view, doubled, &calls).id, 0);
    expect_one_error("must be of this scope");
    gr_scope_end(inner);
}
END_TEST

START_TEST(an_outdated_view_is_no_input_of_what_used_its_old_value)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2), *y = gr_mul(x, 1), *view = gr_narrow(y, 0, 0, 1), *z = gr_mul(view, 2);
    gr_mul_(y, 5);
    ck_assert_ptr_null(gr_autograd_grad(z, view));
    expect_one_error("was not used");
}
END_TEST

START_TEST(a_gradient_given_by_an_outdated_view_has_its_history)
{
    gr_tensor *x = LEAF(1), *w = LEAF(3), *buffer = PLAIN(1), *given = gr_narrow(buffer, 0, 0, 1);
    gr_mul_(buffer, w);
    gr_tensor *dx = gr_autograd_grad(gr_mul(x, 2), x, .gradient = given, .create_graph = true);
    EXPECT(gr_autograd_grad(dx, w), 2);
}
END_TEST

static bool sum_shape(gr_call *c)
{
    return gr_call_output_shape(c, 0, gr_shape_of(gr_call_input(c, 0)), GR_FLOAT64);
}
static bool sum_forward(gr_call *c)
{
    gr_tensor *x = gr_call_input(c, 0), *bias = gr_call_input(c, 1);
    return gr_copy_(gr_call_output(c, 0), bias ? gr_add(x, bias) : x) != NULL;
}
static bool sum_backward(gr_call *c)
{
    return gr_grad_add(c, 0, gr_call_gradient(c, 0));
}
static const gr_op optional_sum = {.name = "optional_sum", .shape = sum_shape, .forward = sum_forward, .backward = sum_backward,
                                   .optional_inputs = 2};

START_TEST(an_absent_input_stays_absent_beside_an_outdated_view)
{
    gr_tensor *x = LEAF(1, 2), *y = gr_mul(x, 1), *view = gr_narrow(y, 0, 0, 1);
    gr_mul_(y, 5);
    gr_tensor *in[2] = {view, GR_ABSENT};
    ck_assert(gr_backward(gr_apply(&optional_sum, in, 2, NULL, NULL)));
    EXPECT(gr_grad(x), 5, 0);
}
END_TEST

START_TEST(a_view_made_without_recording_shows_memory_and_nothing_else)
{
    gr_tensor *w = LEAF(3, 4), *v = LEAF(5), *y = PLAIN(1, 2);
    gr_scope off = gr_no_grad_begin();
    gr_tensor *view = gr_keep(gr_narrow(y, 0, 0, 1));
    gr_scope_end(off);
    gr_mul_(y, w); /* y has a history now, view still has none */
    gr_tensor *z = gr_mul(view, v);
    EXPECT(z, 15);
    ck_assert(gr_backward(z));
    EXPECT(gr_grad(v), 3);
    ck_assert(!gr_has_grad(w));
}
END_TEST

/* ---- freed and kept ---- */

START_TEST(a_view_outlives_its_base_with_its_history)
{
    gr_tensor *x = LEAF(1, 2), *y = gr_mul(x, 1), *view = gr_narrow(y, 0, 0, 1);
    gr_mul_(y, 5);
    gr_free(y);
    ck_assert(gr_backward(gr_mul(view, 3)));
    EXPECT(gr_grad(x), 15, 0);
}
END_TEST

START_TEST(a_recorded_change_of_a_view_whose_base_was_freed_is_refused)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2), *y = gr_mul(x, 1), *view = gr_narrow(y, 0, 0, 1), *sibling = gr_narrow(y, 0, 0, 2);
    gr_free(y);
    ck_assert_ptr_null(gr_mul_(view, 3)); /* sibling would show it, and not know */
    expect_one_error("view of a tensor that was freed");
    ck_assert_ptr_null(gr_mul_(gr_narrow(view, 0, 0, 1), 3));
    expect_one_error("view of a tensor that was freed");
    ck_assert(gr_backward(gr_sum(sibling)));
    EXPECT(gr_grad(x), 1, 1);
    gr_scope off = gr_no_grad_begin();
    ck_assert_ptr_nonnull(gr_mul_(view, 3));
    gr_scope_end(off);
    EXPECT(sibling, 3, 2);
}
END_TEST

START_TEST(a_change_that_needs_no_gradient_is_not_recorded_whatever_the_freed_base_was)
{
    gr_tensor *x = PLAIN(1, 2), *view = gr_narrow(x, 0, 0, 1);
    gr_requires_grad_(x, true);
    gr_free(x);
    ck_assert_ptr_nonnull(gr_mul_(view, 3));
    ck_assert(!gr_requires_grad(view));
}
END_TEST

START_TEST(a_kept_view_follows_its_base_while_that_lives)
{
    gr_tensor *w = LEAF(3, 4), *y = PLAIN(1, 2);
    gr_scope inner = gr_scope_begin();
    gr_tensor *view = gr_keep(gr_keep(gr_narrow(y, 0, 0, 1))); /* the second is of the root: nothing is further out */
    gr_scope_end(inner);
    gr_mul_(y, w);
    ck_assert(gr_backward(gr_mul(view, 2)));
    EXPECT(gr_grad(w), 2, 0);
}
END_TEST

START_TEST(a_kept_view_outlives_a_base_of_the_scope_that_has_ended)
{
    gr_tensor *w = LEAF(3, 4), *views[3];
    gr_scope inner = gr_scope_begin();
    for (int i = 0; i < 3; i++) views[i] = gr_keep(gr_narrow(PLAIN(1, 2), 0, 0, 2));
    gr_scope_end(inner);
    for (int i = 0; i < 3; i++) ck_assert_ptr_nonnull(gr_mul_(views[i], w));
    ck_assert(gr_backward(gr_sum(views[1])));
    EXPECT(gr_grad(w), 1, 2);
}
END_TEST

START_TEST(a_freed_leaf_gets_no_gradient)
{
    gr_tensor *x = LEAF(1, 2), *w = LEAF(3, 4), *both = gr_mul(gr_narrow(x, 0, 0, 1), gr_sum(w));
    gr_free(x);
    ck_assert(gr_backward(both));
    EXPECT(gr_grad(w), 1, 1);
}
END_TEST

/* ---- leaves that are none any more, and that become some ---- */

START_TEST(a_leaf_that_no_longer_requires_grad_gets_none)
{
    gr_tensor *x = LEAF(1, 2), *w = LEAF(3, 4), *y = gr_sum(gr_add(gr_mul(x, 2), w));
    gr_requires_grad_(x, false);
    ck_assert(gr_backward(y, .retain_graph = true));
    ck_assert(!gr_has_grad(x));
    EXPECT(gr_grad(w), 1, 1);
    gr_mul_(x, w); /* and now it is none */
    ck_assert(gr_backward(y));
    EXPECT(gr_grad(w), 2, 2);
    ck_assert(gr_backward(gr_sum(x)));
    EXPECT(gr_grad(w), 3, 4);
}
END_TEST

START_TEST(a_view_that_is_made_a_leaf_begins_a_history_of_its_own)
{
    catch_errors();
    gr_tensor *w = LEAF(3, 4), *y = PLAIN(1, 2), *view = gr_requires_grad_(gr_narrow(y, 0, 0, 1), true);
    ck_assert_ptr_null(gr_mul_(view, 2));
    expect_one_error("a leaf that requires grad");
    ck_assert(gr_backward(gr_mul(view, 2)));
    gr_mul_(y, w); /* y has a history now, view has not */
    ck_assert(gr_backward(gr_mul(view, 1)));
    EXPECT(gr_grad(view), 3);
    ck_assert(!gr_has_grad(w));
}
END_TEST

/* ---- gradients that others use ---- */

START_TEST(recorded_gradients_are_tensors_of_their_own)
{
    gr_tensor *x = LEAF(1, 2), *w = LEAF(3, 4), *given = PLAIN(1, 1), *y = gr_add(x, w);
    const gr_tensors g = gr_autograd_grads(GR_TENSORS(y), GR_TENSORS(x, w), .gradients = GR_TENSORS(given), .create_graph = true);
    gr_mul_(g.item[0], 9);
    EXPECT(given, 1, 1);
    EXPECT(g.item[1], 1, 1);
    gr_tensor *spread = gr_autograd_grad(gr_sum(x), x, .create_graph = true);
    ck_assert(gr_is_contiguous(spread));
    EXPECT(gr_add_(spread, 1), 2, 2);
}
END_TEST

START_TEST(a_result_that_is_asked_for_twice_counts_twice)
{
    gr_tensor *x = LEAF(1), *w = LEAF(2, 3), *y = gr_mul(x, 3), *one = PLAIN(7, 9), *two = PLAIN(10, 20);
    EXPECT(gr_autograd_grads(GR_TENSORS(y, y, y), GR_TENSORS(x), .retain_graph = true).item[0], 9);
    EXPECT(gr_autograd_grads(GR_TENSORS(x, y, x), GR_TENSORS(x), .retain_graph = true).item[0], 5);
    EXPECT(gr_autograd_grads(GR_TENSORS(y, y), GR_TENSORS(x), .create_graph = true).item[0], 6);
    EXPECT(gr_autograd_grads(GR_TENSORS(w, w), GR_TENSORS(w), .gradients = GR_TENSORS(one, two)).item[0], 17, 29);
    EXPECT(one, 7, 9);
}
END_TEST

START_TEST(retained_gradients_accumulate_when_the_pass_succeeds)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2), *h = gr_mul(x, 3), *y = gr_sum(gr_mul(h, 5));
    gr_retain_grad(h);
    ck_assert(gr_backward(y, .retain_graph = true));
    ck_assert(gr_backward(y, .retain_graph = true));
    EXPECT(gr_grad(h), 10, 10);
    const gr_hook fails = gr_register_hook(x, no_gradient, NULL);
    ck_assert(!gr_backward(y, .retain_graph = true));
    expect_one_error("a hook returned NULL");
    EXPECT(gr_grad(h), 10, 10);
    gr_hook_remove(fails);
    gr_zero_grad(h);
    ck_assert(!gr_has_grad(h));
    ck_assert(gr_backward(y));
    EXPECT(gr_grad(h), 5, 5);
}
END_TEST

Suite *histories_suite(void)
{
    const TTest *const tests[] = {backward_from_an_outdated_view_takes_it_again,
                                  an_outdated_view_of_an_outer_scope_is_taken_again_by_a_pass,
                                  an_outdated_view_requires_grad_as_its_base_does,
                                  a_hook_on_an_outdated_view_of_an_outer_scope_is_refused,
                                  an_outdated_view_is_no_input_of_what_used_its_old_value,
                                  a_gradient_given_by_an_outdated_view_has_its_history,
                                  an_absent_input_stays_absent_beside_an_outdated_view,
                                  a_view_made_without_recording_shows_memory_and_nothing_else,
                                  a_view_outlives_its_base_with_its_history,
                                  a_recorded_change_of_a_view_whose_base_was_freed_is_refused,
                                  a_change_that_needs_no_gradient_is_not_recorded_whatever_the_freed_base_was,
                                  a_kept_view_follows_its_base_while_that_lives,
                                  a_kept_view_outlives_a_base_of_the_scope_that_has_ended,
                                  a_freed_leaf_gets_no_gradient,
                                  a_leaf_that_no_longer_requires_grad_gets_none,
                                  a_view_that_is_made_a_leaf_begins_a_history_of_its_own,
                                  recorded_gradients_are_tensors_of_their_own,
                                  a_result_that_is_asked_for_twice_counts_twice,
                                  retained_gradients_accumulate_when_the_pass_succeeds};
    return suite_of("histories", tests, sizeof tests / sizeof *tests);
}
