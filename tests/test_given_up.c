/* test_given_up.c - gradients that their leaves give up, for another one, with gr_free or with zero_grad, while calls and
 * views still point to them. */
#include "core/internal.h"
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
    gr_scope inner = gr_scope_begin();
    ck_assert(gr_free(x));
    gr_scope_end(inner);
    use_headers_again();
    ck_assert(!gr_requires_grad(view));
    EXPECT(gr_mul(view, 2), 2);
}
END_TEST

/* The call is in a scope around that in which the gradient is given up. */
START_TEST(a_call_that_reads_a_freed_gradient_finds_no_other_tensor_there)
{
    catch_errors();
    gr_tensor *x = LEAF(3, 4), *w = LEAF(5, 6), *h = gr_mul(x, 2);
    gr_retain_grad(h);
    ck_assert(gr_backward(gr_sum(h)));
    gr_tensor *y[2] = {gr_sum(gr_mul(w, gr_grad(x))), gr_sum(gr_mul(w, gr_grad(h)))};
    gr_scope inner = gr_scope_begin();
    ck_assert(gr_free(x) && gr_free(h));
    gr_scope_end(inner);
    use_headers_again();
    for (int i = 0; i < 2; i++) {
        ck_assert(!gr_backward(y[i]));
        expect_one_error("needs its b, which was freed");
    }
}
END_TEST

START_TEST(headers_of_gradients_come_back)
{
    gr_tensor *x = LEAF(3, 4), *h = NULL;
    int64_t headers = 0;
    gr_scope loop = gr_scope_begin();
    for (int i = 0; i < 300; i++) {
        gr_scope step = gr_scope_begin();
        gr_zero_grad(x);
        accumulate_recorded(x);
        h = gr_mul(gr_grad(x), x);
        gr_retain_grad(h);
        ck_assert(gr_backward(gr_sum(gr_square(h)), .retain_graph = true));
        accumulate_recorded(x);
        gr_zero_grad(h);
        gr_scope_end(step);
        const int64_t now = gr_pool_look(gr_self()).headers;
        if (i == 3) headers = now;
        if (i > 3) ck_assert_int_eq(now, headers);
    }
    gr_scope_end(loop);
}
END_TEST

START_TEST(a_header_waits_for_the_outermost_scope_that_points_to_it)
{
    gr_tensor *x = LEAF(3, 4), *w = LEAF(1, 2);
    const int64_t headers = gr_pool_look(gr_self()).headers;
    gr_scope outer = gr_scope_begin();
    ck_assert(gr_backward(gr_sum(x)));
    gr_scope middle = gr_scope_begin();
    gr_mul(w, gr_grad(x));
    gr_scope inner = gr_scope_begin();
    accumulate_recorded(x);
    gr_scope_end(inner);
    const int64_t in_middle = gr_pool_look(gr_self()).headers;
    gr_scope_end(middle);
    const int64_t in_outer = gr_pool_look(gr_self()).headers;
    ck_assert_int_eq(in_middle - in_outer, 2); /* the product's and the first gradient's */
    gr_scope_end(outer);
    ck_assert_int_eq(gr_pool_look(gr_self()).headers, headers + 1); /* the gradient that x has now */
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
        ck_assert_int_eq(after.headers, before.headers);
    }
    gr_tensor *x = LEAF(3, 4);
    for (int i = 0; i < 2 * GR_RING; i++) gr_backward(gr_sum(gr_requires_grad_(gr_zeros(1), true)));
    ck_assert(gr_backward(gr_sum(x)));
    ck_assert_int_eq(calls, 2);
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
                                  a_header_waits_for_the_outermost_scope_that_points_to_it,
                                  a_gradient_that_was_made_a_leaf_ends_whole,
                                  what_has_read_a_gradient_is_not_walked_after_zero_grad,
                                  what_has_read_a_gradient_is_not_walked_after_another_backward};
    Suite *suite = suite_create("given_up");
    TCase *group = tcase_create("given_up");
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tcase_add_test(group, tests[i]);
    suite_add_tcase(suite, group);
    return suite;
}
