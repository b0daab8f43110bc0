/* test_hooks.c - hooks: what they see, what they may return and do, and what a pass makes of it. */
#include "tests/leaves.h"

/* ---- what they see, and what they may do ---- */

static gr_tensor *nested(gr_tensor *gradient, void *data)
{
    gr_tensor *x = data; /* a whole pass of its own, over the same leaf; recording is off in a hook, as in PyTorch */
    gr_scope on = gr_enable_grad_begin();
    ck_assert(gr_backward(gr_sum(gr_mul(gr_mul(x, x), 100))));
    gr_scope_end(on);
    return gradient;
}
static gr_tensor *ends_scope(gr_tensor *gradient, void *data)
{
    ck_assert(!gr_scope_end(*(gr_scope *)data));
    return gradient;
}

START_TEST(hooks_see_the_summed_gradient_in_order)
{
    int calls = 0;
    gr_tensor *x = LEAF(1, 2), *h = gr_mul(x, 3);
    gr_retain_grad(h);
    gr_hook first = gr_register_hook(h, doubled, &calls);
    gr_register_hook(x, doubled, &calls);
    ck_assert(gr_backward(gr_sum(gr_add(h, h)), .retain_graph = true));
    ck_assert_int_eq(calls, 2);
    EXPECT(gr_grad(h), 4, 4);
    EXPECT(gr_grad(x), 24, 24);
    ck_assert(gr_hook_remove(first));
    gr_zero_grad(x);
    ck_assert(gr_backward(gr_sum(h)));
    EXPECT(gr_grad(x), 6, 6);
    EXPECT(gr_grad(h), 5, 5); /* it adds up, as a leaf's does */
}
END_TEST

START_TEST(a_hook_belongs_to_the_value_not_to_the_header)
{
    int calls = 0;
    gr_tensor *x = LEAF(1), *y = gr_mul(x, 1);
    gr_register_hook(y, doubled, &calls);
    gr_mul_(y, 3);
    ck_assert(gr_backward(gr_sum(y)));
    EXPECT(gr_grad(x), 6); /* the old value's gradient, 3, doubled */
}
END_TEST

START_TEST(a_hook_may_run_a_pass_of_its_own)
{
    gr_tensor *x = LEAF(1, 2), *h = gr_mul(x, 3);
    gr_register_hook(h, nested, x);
    ck_assert(gr_backward(gr_sum(gr_mul(h, 1))));
    EXPECT(gr_grad(x), 203, 403);
}
END_TEST

START_TEST(a_hook_cannot_end_the_running_scope)
{
    catch_errors();
    gr_tensor *x = LEAF(1);
    gr_scope step = gr_scope_begin();
    gr_tensor *h = gr_mul(x, 3);
    gr_register_hook(h, ends_scope, &step);
    ck_assert(!gr_backward(gr_sum(h)));
    expect_one_error("must stay open");
    ck_assert(gr_scope_end(step));
}
END_TEST

START_TEST(a_recorded_pass_runs_hooks_and_adds_to_gradients)
{
    int calls = 0;
    gr_tensor *x = LEAF(3);
    gr_register_hook(x, doubled, &calls);
    for (int pass = 1; pass <= 2; pass++) {
        gr_tensor *y = gr_sum(gr_mul(x, x));
        ck_assert(gr_backward(y, .create_graph = true));
        ck_assert_int_eq(calls, pass);
        EXPECT(gr_grad(x), 12 * pass);
    }
}
END_TEST

START_TEST(hooks_see_gradients_that_are_asked_for)
{
    catch_errors();
    int calls = 0;
    gr_tensor *x = LEAF(1, 2), *h = gr_mul(x, 3), *y = gr_sum(gr_mul(h, 1));
    const gr_hook of_leaf = gr_register_hook(x, doubled, &calls);
    EXPECT(gr_autograd_grad(y, x, .retain_graph = true), 6, 6);
    gr_register_hook(h, doubled, &calls);
    EXPECT(gr_autograd_grad(y, h, .retain_graph = true), 2, 2);
    EXPECT(gr_autograd_grad(y, x, .retain_graph = true), 12, 12);
    ck_assert_int_eq(calls, 4);
    ck_assert(!gr_has_grad(x));
    gr_hook_remove(of_leaf);
    gr_register_hook(x, no_gradient, NULL);
    ck_assert_ptr_null(gr_autograd_grad(y, x, .retain_graph = true));
    expect_one_error("a hook returned NULL");
    EXPECT(gr_autograd_grad(y, h), 2, 2);
}
END_TEST

static gr_tensor *of_another_shape(gr_tensor *gradient, void *data)
{
    return data ? data : gr_sum(gradient, .dim = 0, .keepdim = true);
}

START_TEST(a_hook_must_return_what_looks_like_the_gradient)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2), *h = gr_mul(x, 3), *narrow = gr_from(((float[]){1, 2}), 2);
    gr_tensor *dead = PLAIN(1, 2);
    gr_free(dead);
    gr_tensor *const wrong[] = {NULL, narrow, dead};
    static const char *const text[] = {"a hook returned [1] float64 on ", "a hook returned [2] float32 on ", "what a hook returned is dead: it was freed"};
    for (int i = 0; i < 6; i++) { /* of the leaf, and of the result */
        const gr_hook hook = gr_register_hook(i < 3 ? x : h, of_another_shape, wrong[i % 3]);
        ck_assert(!gr_backward(gr_sum(h), .retain_graph = true));
        expect_one_error(text[i % 3]);
        ck_assert(!gr_has_grad(x));
        gr_hook_remove(hook);
    }
    ck_assert(gr_backward(gr_sum(h)));
    EXPECT(gr_grad(x), 3, 3);
}
END_TEST

static gr_tensor *turned(gr_tensor *gradient, void *data)
{
    (void)data;
    return gr_t(gradient);
}

static gr_tensor *last_row(gr_tensor *gradient, void *data)
{
    (void)data;
    return gr_expand(gr_narrow(gradient, 0, 1, 1), 2, 2);
}

START_TEST(a_hook_may_return_a_view_of_the_gradient)
{
    gr_tensor *x = LEAF(1, 1, 1, 1), *square = gr_reshape(x, 2, 2), *w = gr_reshape(PLAIN(1, 2, 3, 4), 2, 2);
    const gr_hook hook = gr_register_hook(square, turned, NULL);
    gr_retain_grad(square);
    ck_assert(gr_backward(gr_sum(gr_mul(square, w)), .retain_graph = true));
    EXPECT(gr_grad(x), 1, 3, 2, 4);
    EXPECT(gr_reshape(gr_grad(square), 4), 1, 3, 2, 4);
    gr_hook_remove(hook);
    gr_tensor *leaf = gr_requires_grad_(gr_ones_like(w), true);
    gr_register_hook(leaf, last_row, NULL);
    ck_assert(gr_backward(gr_sum(gr_mul(leaf, w))));
    EXPECT(gr_reshape(gr_grad(leaf), 4), 3, 4, 3, 4);
}
END_TEST

typedef struct {
    gr_tensor *loss; /* NULL when it has been walked */
    bool fails;
} inner_pass;

/* Once, a pass within the pass. */
static gr_tensor *runs_a_pass(gr_tensor *gradient, void *data)
{
    inner_pass *inner = data;
    gr_tensor *loss = inner->loss;
    if (!loss) return gradient;
    inner->loss = NULL;
    ck_assert(gr_backward(loss, .retain_graph = true));
    return inner->fails ? NULL : gradient;
}

START_TEST(a_pass_within_a_hook_adds_to_the_same_retained_gradient)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2), *h = gr_mul(x, 3), *outer = gr_sum(gr_mul(h, 5));
    inner_pass inner = {gr_sum(gr_mul(h, 7)), false};
    gr_retain_grad(h);
    gr_register_hook(x, runs_a_pass, &inner); /* h's gradient has been seen then */
    ck_assert(gr_backward(outer, .retain_graph = true));
    EXPECT(gr_grad(h), 12, 12);
    EXPECT(gr_grad(x), 36, 36);
}
END_TEST

START_TEST(an_error_in_a_leafs_hook_fails_the_pass)
{
    catch_errors();
    gr_tensor *x = LEAF(1), *w = LEAF(2);
    gr_scope step = gr_scope_begin();
    gr_register_hook(x, ends_scope, &step);
    ck_assert(!gr_backward(gr_mul(x, w)));
    expect_one_error("must stay open");
    ck_assert(!gr_has_grad(x) && !gr_has_grad(w));
    gr_scope_end(step);
}
END_TEST

START_TEST(a_hook_is_removed_once)
{
    catch_errors();
    int calls = 0;
    gr_tensor *x = LEAF(1);
    gr_register_hook(x, doubled, &calls);
    const gr_hook second = gr_register_hook(x, doubled, &calls);
    ck_assert(gr_hook_remove(second));
    ck_assert(!gr_hook_remove(second));
    expect_one_error("hook is gone");
    ck_assert(gr_backward(gr_sum(x)));
    ck_assert_int_eq(calls, 1);
}
END_TEST

Suite *hooks_suite(void)
{
    const TTest *const tests[] = {hooks_see_the_summed_gradient_in_order,
                                  a_hook_belongs_to_the_value_not_to_the_header,
                                  a_hook_may_run_a_pass_of_its_own,
                                  a_hook_cannot_end_the_running_scope,
                                  a_recorded_pass_runs_hooks_and_adds_to_gradients,
                                  hooks_see_gradients_that_are_asked_for,
                                  a_hook_must_return_what_looks_like_the_gradient,
                                  a_hook_may_return_a_view_of_the_gradient,
                                  a_pass_within_a_hook_adds_to_the_same_retained_gradient,
                                  an_error_in_a_leafs_hook_fails_the_pass,
                                  a_hook_is_removed_once};
    return suite_of("hooks", tests, sizeof tests / sizeof *tests);
}
