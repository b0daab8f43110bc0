/* test_errors.c - errors as a whole: the first is kept, who hears of it, threads; and what a failed call takes back. That
 * every call refuses what it must is told in test_misuse.c. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/internal.h"
#include "tests/misuse.h"
#include "tests/suites.h"

static const char *reason(void)
{
    return gr_error() ? gr_error() : "no error";
}

/* ---- the first error ---- */

START_TEST(the_first_error_is_kept)
{
    misuse_fail_first();
    ck_assert_int_eq(gr_error_kind(), GR_ERROR_ARGUMENT);
    ck_assert_ptr_null(gr_reshape(g.n, 5));
    ck_assert(!gr_free(g.dead_free));
    ck_assert(isnan(gr_item(g.n)));
    ck_assert_msg(!misuse_first_is_gone(), "%s", misuse_first_is_gone());
    gr_error_clear();
    ck_assert_ptr_null(gr_error());
    ck_assert_int_eq(gr_error_kind(), GR_OK);
    ck_assert_ptr_null(gr_reshape(g.n, 5));
    ck_assert_int_eq(misuse_handler_calls(), 1);
    ck_assert_ptr_nonnull(strstr(reason(), "reshape"));
}
END_TEST

START_TEST(making_and_reading_go_on_while_an_error_stands)
{
    float floats[12];
    misuse_fail_first();
    const gr_scope scope = gr_scope_begin();
    gr_tensor *sum = gr_sum(gr_add(g.n, g.n));
    ck_assert_double_eq(gr_item(sum), 156);
    ck_assert_ptr_nonnull(gr_forward(g.module, g.n));
    ck_assert(gr_to_array(g.n, floats, 12) && floats[11] == 12);
    ck_assert(gr_free(gr_ones(2)));
    ck_assert_ptr_eq(gr_keep(sum), sum);
    ck_assert(gr_scope_end(scope));
    ck_assert_msg(!misuse_first_is_gone(), "%s", misuse_first_is_gone());
}
END_TEST

START_TEST(the_same_call_works_once_the_error_is_cleared)
{
    misuse_fail_first();
    ck_assert(!gr_step(g.optim));
    const double was = gr_at(g.weight, 0, 0);
    gr_error_clear();
    ck_assert(gr_step(g.optim));
    ck_assert(gr_at(g.weight, 0, 0) != was);
    ck_assert(gr_backward(g.loss));
    ck_assert_ptr_null(gr_error());
}
END_TEST

static bool child_is_killed(const char *value)
{
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        setenv("GRADUS_ABORT", value, 1);
        gr_matmul(g.n, g.n);
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
}

START_TEST(an_error_aborts_where_the_environment_asks_for_it)
{
    ck_assert(child_is_killed("1"));
    ck_assert(!child_is_killed("0"));
    ck_assert(!child_is_killed(""));
}
END_TEST

static void *other_thread(void *data)
{
    char *text = data;
    const bool clean = gr_error() == NULL;
    gr_reshape(gr_ones(2), 3);
    snprintf(text, 512, "%d %s", clean, reason());
    return NULL;
}

START_TEST(errors_of_threads_are_separate)
{
    char text[512] = "";
    pthread_t thread;
    misuse_fail_first();
    ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, text), 0);
    pthread_join(thread, NULL);
    ck_assert_msg(!strncmp(text, "1 test_errors.c:", 16) && strstr(text, ": reshape: "), "the other's is %s", text);
    ck_assert_int_eq(misuse_handler_calls(), 1);
    ck_assert_ptr_nonnull(strstr(reason(), "matmul"));
}
END_TEST

/* ---- what a failed call takes back ---- */

/* A tensor that is owned twice would be handed out twice. */
static void expect_no_header_twice(void)
{
    enum { MANY = 3000 };
    static gr_tensor *x[MANY];
    const gr_scope scope = gr_scope_begin();
    for (int i = 0; i < MANY; i++) {
        x[i] = gr_full(i);
        ck_assert_ptr_nonnull(x[i]);
    }
    for (int i = 0; i < MANY; i++) ck_assert_msg(gr_item(x[i]) == i, "tensor %d was handed out again", i);
    gr_scope_end(scope);
}

START_TEST(gradients_of_a_pass_that_fails_late_are_freed_once)
{
    gr_tensor *later[] = {g.leaf, g.weight};
    const gr_scope scope = gr_scope_begin();
    gr_tensor *loss = gr_sum(gr_square(g.leaf));
    const gr_tensors outputs = {1, &loss}, inputs = {2, later};
    ck_assert_int_eq(gr_autograd_grads(outputs, inputs).count, 0);
    gr_error_clear();
    gr_scope_end(scope);
    expect_no_header_twice();
}
END_TEST

/* A view whose base has been changed is taken from it again by the call that uses it, not by one that is refused. */
START_TEST(a_refused_call_on_a_view_that_was_overtaken_leaves_the_tape)
{
    gr_tensor *base = gr_mul(g.leaf, 1), *row = gr_select(base, 0, 0);
    gr_mul_(base, 3);
    const misuse_picture before = misuse_look();
    ck_assert_ptr_null(gr_add(row, g.bias));
    gr_error_clear();
    ck_assert_ptr_null(gr_add_(row, g.bias));
    gr_error_clear();
    ck_assert_ptr_null(gr_matmul(row, g.n));
    gr_error_clear();
    const misuse_picture after = misuse_look();
    ck_assert_msg(!misuse_difference(&before, &after), "%s", misuse_difference(&before, &after));
    gr_zero_grad(g.leaf);
    ck_assert(gr_backward(gr_sum(gr_add(row, 1))));
    ck_assert(gr_at(gr_grad(g.leaf), 0, 0) == 3 && gr_at(gr_grad(g.leaf), 1, 0) == 0);
}
END_TEST

START_TEST(a_view_that_was_overtaken_may_stand_beside_an_absent_input)
{
    gr_tensor *base = gr_mul(g.leaf, 1), *rows = gr_narrow(base, 0, 0, 2);
    gr_mul_(base, 3);
    gr_tensor *y = gr_linear(rows, g.weight);
    ck_assert_msg(y != NULL, "%s", reason());
    gr_zero_grad(g.leaf);
    ck_assert(gr_backward(gr_sum(y)));
    ck_assert(gr_at(gr_grad(g.leaf), 0, 0) == 6 && gr_at(gr_grad(g.leaf), 2, 0) == 0);
}
END_TEST

/* A module that changes a tensor in place, keeps another, and fails. */
static gr_tensor *changed, *kept;
static bool meddle(gr_module *m, const gr_tensors *in, gr_tensors *out)
{
    (void)m;
    out->count = 1;
    changed = gr_mul_(gr_mul(in->item[0], 1), 2);
    kept = gr_keep(gr_ones(1));
    return false;
}
static const gr_module_type meddler = {.name = "Meddler", .forward = meddle};

START_TEST(what_a_failing_forward_changed_in_place_or_kept_is_not_taken_back)
{
    const gr_scope scope = gr_scope_begin();
    gr_module *m = gr_nn_sequential(gr_nn_tanh(), gr_module_make(&meddler));
    ck_assert_ptr_null(gr_forward(m, g.leaf));
    gr_error_clear();
    ck_assert(gr_numel(changed) == 12 && gr_requires_grad(changed));
    gr_zero_grad(g.leaf);
    ck_assert(gr_backward(gr_sum(changed)));
    gr_scope_end(scope);
    ck_assert_msg(gr_item(kept) == 1, "%s", reason());
}
END_TEST

/* A parameter after a step and a second one, which is refused or not. */
static double after_two_steps(bool second_is_refused)
{
    const gr_scope scope = gr_scope_begin();
    gr_tensor *p = gr_requires_grad_(gr_ones(3), true), *q = gr_requires_grad_(gr_ones(3), true);
    gr_tensor *both[] = {p, q};
    gr_optim *o = gr_optim_sgd((gr_tensors){2, both}, .lr = 0.1, .momentum = 0.9);
    gr_backward(gr_sum(gr_square(p)));
    gr_step(o);
    if (second_is_refused) {
        gr_free(q);
        ck_assert(!gr_step(o) && !gr_zero_grad(o));
        gr_error_clear();
        ck_assert(gr_has_grad(p));
    } else
        gr_step(o);
    const double result = gr_at(p, 0);
    gr_scope_end(scope);
    return result;
}

START_TEST(a_refused_step_moves_nothing)
{
    /* 1 - 0.1 * 2; then another 0.1 (0.9 * 2 + 2) */
    ck_assert(after_two_steps(true) == (double)(float)0.8 && after_two_steps(false) < 0.7);
}
END_TEST

/* ---- objects that died ---- */

START_TEST(a_module_or_optimizer_whose_scope_has_ended_is_told_from_a_new_one)
{
    gr_module *stale[200];
    gr_optim *stale_optim[50];
    const gr_scope scope = gr_scope_begin();
    for (int i = 0; i < 200; i++) stale[i] = gr_nn_relu();
    for (int i = 0; i < 50; i++) stale_optim[i] = gr_optim_gd((gr_tensors){1, &g.weight});
    gr_scope_end(scope);
    gr_module *fresh = gr_nn_tanh();
    for (int i = 0; i < 200; i++) {
        ck_assert(stale[i] != fresh && !gr_forward(stale[i], g.n) && strstr(reason(), "forward: m is dead: the scope that owned it"));
        gr_error_clear();
    }
    for (int i = 0; i < 50; i++) {
        ck_assert(!gr_step(stale_optim[i]) && strstr(reason(), "step: optimizer is dead"));
        gr_error_clear();
    }
}
END_TEST

/* ---- what depends on the machine ---- */

#define NO_DEVICE(op, condition) \
    do { \
        ck_assert_msg((condition) && strstr(reason(), ": " op ": device is cuda:99") && strstr(reason(), "; must"), "%s: %s", op, \
                      reason()); \
        gr_error_clear(); \
    } while (0)
START_TEST(a_cuda_device_that_is_not_there_is_refused_by_name)
{
    const gr_device none = gr_cuda(99);
    const misuse_picture before = misuse_look();
    NO_DEVICE("zeros", !gr_zeros_with(GR_SHAPE(2), .device = none));
    NO_DEVICE("ones_like", !gr_ones_like(g.n, .device = none));
    NO_DEVICE("arange", !gr_arange_with(0, 3, 1, .device = none));
    NO_DEVICE("to", !gr_to(g.n, .device = none));
    NO_DEVICE("module_to", !gr_module_to(g.module, .device = none));
    NO_DEVICE("set_default_device", !gr_set_default_device(none));
    NO_DEVICE("synchronize", !gr_synchronize_at(none, GR_HERE));
    NO_DEVICE("cuda_memory_allocated", gr_cuda_memory_allocated(99) == -1);
    NO_DEVICE("cuda_memory_reserved", gr_cuda_memory_reserved(99) == -1);
    const misuse_picture after = misuse_look();
    ck_assert_msg(!misuse_difference(&before, &after), "%s", misuse_difference(&before, &after));
}
END_TEST

/* ---- calls that have no text of their own ---- */

START_TEST(calls_without_a_place_take_null)
{
    const int64_t sizes[] = {2, 3};
    ck_assert_ptr_null(gr_repr(1, NULL));
    gr_scope_end_quietly(NULL);
    ck_assert_int_eq(gr_shape_from(NULL, 0).count, 0);
    ck_assert_int_eq(gr_shape_from(NULL, 2).count, -1);
    ck_assert_int_eq(gr_shape_from(sizes, -1).count, -1);
    ck_assert_int_eq(gr_shape_from(sizes, INT64_MAX).count, -1);
    ck_assert_int_eq(gr_shape_from(sizes, 2).count, 2);
    ck_assert_ptr_null(gr_error());
}
END_TEST

START_TEST(slices_are_clamped_at_the_ends_of_int64)
{
    ck_assert_int_eq(gr_size(gr_slice(g.n, .start = INT64_MIN, .end = INT64_MAX), 0), 3);
    ck_assert_int_eq(gr_size(gr_slice(g.n, .start = INT64_MAX, .end = INT64_MIN), 0), 0);
    ck_assert_int_eq(gr_size(gr_slice(g.n, .start = INT64_MIN, .end = INT64_MIN), 0), 0);
    ck_assert_int_eq(gr_size(gr_slice(g.n, .step = INT64_MAX), 0), 1);
    ck_assert_int_eq(gr_size(gr_slice(g.n, .start = 1, .step = INT64_MAX), 0), 1);
    ck_assert_ptr_null(gr_error());
}
END_TEST

Suite *errors_suite(void)
{
    Suite *suite = suite_create("errors");
    TCase *c = tcase_create("errors");
    tcase_add_checked_fixture(c, misuse_begin, misuse_end);
    tcase_add_test(c, the_first_error_is_kept);
    tcase_add_test(c, making_and_reading_go_on_while_an_error_stands);
    tcase_add_test(c, the_same_call_works_once_the_error_is_cleared);
    tcase_add_test(c, an_error_aborts_where_the_environment_asks_for_it);
    tcase_add_test(c, errors_of_threads_are_separate);
    tcase_add_test(c, gradients_of_a_pass_that_fails_late_are_freed_once);
    tcase_add_test(c, a_refused_call_on_a_view_that_was_overtaken_leaves_the_tape);
    tcase_add_test(c, a_view_that_was_overtaken_may_stand_beside_an_absent_input);
    tcase_add_test(c, what_a_failing_forward_changed_in_place_or_kept_is_not_taken_back);
    tcase_add_test(c, a_refused_step_moves_nothing);
    tcase_add_test(c, a_module_or_optimizer_whose_scope_has_ended_is_told_from_a_new_one);
    tcase_add_test(c, a_cuda_device_that_is_not_there_is_refused_by_name);
    tcase_add_test(c, calls_without_a_place_take_null);
    tcase_add_test(c, slices_are_clamped_at_the_ends_of_int64);
    suite_add_tcase(suite, c);
    return suite;
}
