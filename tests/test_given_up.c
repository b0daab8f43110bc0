/* test_given_up.c - gradients that their leaves give up, for another one, with gr_free or with zero_grad, while calls and
 * views still point to them. */
#include "autograd/tape.h"
#include "nn/nn.h"
#include "optim/optim.h"
#include "tests/leaves.h"

/* Of the outer scope: headers that died go through the ring and become live tensors again, with history. */
static void use_headers_again(void)
{
    for (int round = 0; round < 2; round++) {
        gr_scope scope = gr_scope_begin();
        gr_tensor *w = LEAF(1);
        for (int i = 0; i < 2 * GR_RING; i++) gr_mul(w, 2);
        if (round == 0) gr_scope_end(scope);
    }
}

/* So many that the headers in limbo are looked through. */
static void give_up_many(void)
{
    for (int i = 0; i < 40 * GR_LIMBO_ROOM; i++) {
        gr_scope scope = gr_scope_begin();
        gr_tensor *x = LEAF(1);
        ck_assert(gr_backward(gr_square(x)) && gr_free(x));
        gr_scope_end(scope);
    }
}

/* x is given another gradient, with history. */
static void accumulate_recorded(gr_tensor *x)
{
    ck_assert(gr_backward(gr_sum(gr_square(x)), .create_graph = true));
}

START_TEST(a_view_of_a_gradient_keeps_its_history)
{
    gr_tensor *x = LEAF(-1.5, -.25);
    ck_assert(gr_backward(x, .gradient = x, .create_graph = true));
    gr_tensor *view = gr_select(gr_grad(x), 0, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert(gr_backward(view, .create_graph = true));
        EXPECT(gr_grad(x), -.5 + i, -.25);
    }
    EXPECT(view, -1.5);
}
END_TEST

START_TEST(a_view_of_a_gradient_that_was_freed_has_no_other_history)
{
    gr_tensor *x = LEAF(3, 4);
    ck_assert(gr_backward(gr_sum(x)));
    gr_tensor *view = gr_select(gr_grad(x), 0, 0);
    ck_assert(gr_free(x));
    give_up_many();
    use_headers_again();
    ck_assert(!gr_requires_grad(view));
    EXPECT(gr_mul(view, 2), 2);
}
END_TEST

START_TEST(a_call_that_reads_a_freed_gradient_finds_no_other_tensor_there)
{
    catch_errors();
    gr_tensor *x = LEAF(3, 4), *w = LEAF(5, 6), *h = gr_mul(x, 2);
    gr_retain_grad(h);
    ck_assert(gr_backward(gr_sum(h)));
    gr_tensor *y[2] = {gr_sum(gr_mul(w, gr_grad(x))), gr_sum(gr_mul(w, gr_grad(h)))};
    ck_assert(gr_free(x) && gr_free(h));
    give_up_many();
    use_headers_again();
    for (int i = 0; i < 2; i++) {
        ck_assert(!gr_backward(y[i]));
        expect_one_error("needs its b, which was freed");
    }
}
END_TEST

START_TEST(headers_of_gradients_come_back)
{
    gr_tensor *x = LEAF(3, 4), *h = gr_mul(x, 2), *loss = gr_sum(gr_square(h));
    gr_retain_grad(h);
    const int64_t headers = gr_pool_look(gr_self()).headers;
    for (int i = 0; i < 1000; i++) {
        gr_scope step = gr_scope_begin();
        gr_zero_grad(x);
        accumulate_recorded(x);
        ck_assert(gr_backward(gr_sum(gr_mul(gr_grad(x), x))));
        accumulate_recorded(x);
        gr_scope_end(step);
        ck_assert_int_le(gr_pool_look(gr_self()).headers, headers + 4 * GR_LIMBO_ROOM);
    }
    for (int i = 0; i < 1000; i++) { /* without a scope */
        ck_assert(gr_backward(loss, .retain_graph = true) && gr_zero_grad(h));
        ck_assert_int_le(gr_pool_look(gr_self()).headers, headers + 4 * GR_LIMBO_ROOM);
    }
}
END_TEST

static gr_tensor *kept_view;
static gr_tensor *keeps_a_view(gr_tensor *gradient, void *data)
{
    kept_view = gr_select(gradient, 0, 0);
    if (data) gr_free((gr_tensor *)data);
    return gradient;
}

/* Of a value's gradient, which ends with the pass; and of one that has waited with its leaf, which the hook frees. */
START_TEST(a_view_that_a_hook_keeps_shows_no_other_tensor)
{
    for (int k = 0; k < 2; k++) {
        gr_tensor *x = LEAF(3, 4), *y = gr_mul(x, 2);
        ck_assert(gr_backward(gr_sum(x)) && gr_zero_grad(x));
        gr_register_hook(k ? x : y, keeps_a_view, k ? x : NULL);
        ck_assert(gr_backward(gr_sum(y)));
        use_headers_again();
        ck_assert(!gr_requires_grad(kept_view));
        ck_assert_msg(gr_mul_(kept_view, 3) != NULL, "%s", gr_error());
    }
}
END_TEST

/* With a gradient and a hook of its own. */
START_TEST(a_gradient_that_was_made_a_leaf_ends_whole)
{
    int calls = 0;
    for (int freed = 0; freed < 2; freed++) {
        const gr_pool_use before = gr_pool_look(gr_self());
        gr_scope scope = gr_scope_begin();
        gr_tensor *x = LEAF(3, 4);
        ck_assert(gr_backward(gr_sum(gr_square(x))));
        gr_tensor *g = gr_requires_grad_(gr_grad(x), true);
        gr_register_hook(g, doubled, &calls);
        ck_assert(gr_backward(gr_sum(gr_square(g))));
        EXPECT(gr_grad(g), 24, 32);
        if (freed) {
            accumulate_recorded(x);
            ck_assert(gr_free(x));
        }
        gr_scope_end(scope);
        const gr_pool_use after = gr_pool_look(gr_self());
        ck_assert_int_eq(after.blocks, before.blocks);
        ck_assert_int_eq(gr_self()->hooks, 0);
    }
    ck_assert_int_eq(calls, 2);
}
END_TEST

/* x and its gradient are leaves of one pass: the gradient's new gradient has no leaf when x has a new one. */
START_TEST(a_leaf_that_ends_in_the_pass_that_it_was_part_of_gets_nothing)
{
    gr_tensor *other = LEAF(1, 2);
    ck_assert(gr_backward(gr_sum(gr_square(other))));
    for (int create = 0; create < 2; create++) {
        gr_tensor *x = LEAF(3, 4);
        ck_assert(gr_backward(gr_sum(gr_square(x))));
        gr_tensor *g = gr_requires_grad_(gr_grad(x), true);
        gr_scope scope = gr_scope_begin();
        if (create) ck_assert(gr_free(other));
        else gr_zero_grad(x);
        ck_assert(gr_backward(gr_sum(gr_mul(x, g)), .create_graph = create));
        if (create) EXPECT(gr_grad(x), 12, 16);
        else EXPECT(gr_grad(x), 6, 8);
        ck_assert(!gr_has_grad(gr_grad(x)));
        give_up_many();
        gr_scope_end(scope);
    }
}
END_TEST

/* A user's op that changes in place what then has no gradient. */
static bool doubles_shape(gr_call *c)
{
    return (void)c, true;
}
static bool doubles_forward(gr_call *c)
{
    gr_tensor *x = gr_call_input(c, 0);
    return gr_mul_(x, 2) != NULL;
}
static bool doubles_backward(gr_call *c)
{
    return (void)c, true;
}
static const gr_op doubles = {.name = "doubles", .shape = doubles_shape, .forward = doubles_forward, .backward = doubles_backward,
                              .in_place = true, .no_gradient = 1};

START_TEST(a_tensor_that_gave_up_its_gradient_has_none)
{
    gr_tensor *x = LEAF(3, 4), *inputs[] = {x, LEAF(5, 6)};
    ck_assert(gr_backward(gr_sum(x)));
    gr_requires_grad_(x, false);
    ck_assert_msg(gr_apply(&doubles, inputs, 2, NULL, NULL) != NULL, "%s", gr_error());
    EXPECT(x, 6, 8);
    ck_assert(!gr_has_grad(x) && !gr_grad(x));
    gr_requires_grad_(x, true);
    ck_assert(gr_backward(gr_sum(x)));
    EXPECT(gr_grad(x), 1, 1);
}
END_TEST

START_TEST(a_kept_view_forgets_a_base_that_was_freed)
{
    gr_scope scope = gr_scope_begin();
    gr_tensor *base = PLAIN(3, 4), *view = gr_select(base, 0, 0);
    ck_assert(gr_free(base) && gr_keep(view));
    gr_scope_end(scope);
    use_headers_again();
    ck_assert(!gr_requires_grad(view));
    EXPECT(view, 3);
}
END_TEST

/* ---- zero_grad ---- */

static bool zero_tensor(gr_tensor *x, gr_module *m, gr_optim *o)
{
    (void)m, (void)o;
    return gr_zero_grad(x);
}
static bool zero_module(gr_tensor *x, gr_module *m, gr_optim *o)
{
    (void)x, (void)o;
    return gr_zero_grad(m);
}
static bool zero_optim(gr_tensor *x, gr_module *m, gr_optim *o)
{
    (void)x, (void)m;
    return gr_zero_grad(o);
}

/* The product's gradient would be written where it reads. */
START_TEST(what_has_read_a_gradient_is_not_walked_after_zero_grad)
{
    catch_errors();
    bool (*const zero[])(gr_tensor *, gr_module *, gr_optim *) = {zero_tensor, zero_module, zero_optim};
    gr_module *m = gr_nn_linear(2, 2, .bias = false);
    gr_tensor *w = gr_module_tensor(m, "weight");
    gr_optim *o = gr_optim_sgd(gr_parameters(m), .lr = .1);
    for (int i = 0; i < 3; i++) {
        ck_assert(gr_backward(gr_sum(gr_square(w))));
        gr_tensor *y = gr_sum(gr_matmul(w, gr_grad(w)));
        ck_assert(zero[i](w, m, o));
        ck_assert(!gr_backward(y));
        expect_one_error("needs its b, zero_grad (test_given_up.c:");
        ck_assert(!gr_has_grad(w));
    }
}
END_TEST

/* A gradient penalty: one with history is not written over. */
START_TEST(what_has_read_a_recorded_gradient_is_walked_after_zero_grad)
{
    gr_tensor *x = LEAF(3, 4);
    ck_assert(gr_backward(gr_sum(gr_pow(x, 3)), .create_graph = true));
    gr_tensor *penalty = gr_sum(gr_square(gr_grad(x)));
    ck_assert(gr_zero_grad(x));
    ck_assert(gr_backward(penalty));
    EXPECT(gr_grad(x), 972, 2304);
}
END_TEST

/* Here the gradient is absent when it is read: its elements are those of before until another one is written there. */
START_TEST(what_has_read_an_absent_gradient_is_not_walked_after_the_next)
{
    catch_errors();
    gr_tensor *x = LEAF(3, 4), *w = LEAF(5, 6);
    ck_assert(gr_backward(gr_sum(x)));
    gr_tensor *g = gr_grad(x);
    ck_assert(gr_zero_grad(x));
    gr_tensor *y = gr_sum(gr_mul(w, g));
    ck_assert(gr_backward(gr_sum(gr_square(x))));
    ck_assert(!gr_backward(y));
    expect_one_error("needs its b, backward (test_given_up.c:");
}
END_TEST

START_TEST(what_has_read_a_gradient_is_not_walked_after_another_backward)
{
    catch_errors();
    gr_tensor *x = LEAF(3, 4);
    ck_assert(gr_backward(gr_sum(gr_square(x))));
    gr_tensor *y = gr_sum(gr_mul(x, gr_grad(x)));
    ck_assert(gr_backward(gr_sum(x)));
    ck_assert(!gr_backward(y));
    expect_one_error("needs its b, backward (test_given_up.c:");
}
END_TEST

Suite *given_up_suite(void)
{
    const TTest *const tests[] = {a_view_of_a_gradient_keeps_its_history,
                                  a_view_of_a_gradient_that_was_freed_has_no_other_history,
                                  a_call_that_reads_a_freed_gradient_finds_no_other_tensor_there,
                                  headers_of_gradients_come_back,
                                  a_view_that_a_hook_keeps_shows_no_other_tensor,
                                  a_gradient_that_was_made_a_leaf_ends_whole,
                                  a_leaf_that_ends_in_the_pass_that_it_was_part_of_gets_nothing,
                                  a_tensor_that_gave_up_its_gradient_has_none,
                                  a_kept_view_forgets_a_base_that_was_freed,
                                  what_has_read_a_gradient_is_not_walked_after_zero_grad,
                                  what_has_read_a_recorded_gradient_is_walked_after_zero_grad,
                                  what_has_read_an_absent_gradient_is_not_walked_after_the_next,
                                  what_has_read_a_gradient_is_not_walked_after_another_backward};
    return suite_of("given_up", tests, sizeof tests / sizeof *tests);
}
