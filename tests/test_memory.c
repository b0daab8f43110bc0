/* test_memory.c - a training loop allocates nothing once it is warm; a failed allocation is an error that changes nothing. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/internal.h"
#include "gradus.h"
#include "tests/allocation.h"
#include "tests/look.h"
#include "tests/suites.h"

/* ---- steady state ---- */

#ifndef GR_DEBUG
typedef struct {
    gr_tensor *x, *y;
    gr_module *model;
    gr_optim *optimizer;
} training;

static training begin(gr_dtype dtype)
{
    gr_manual_seed(1);
    gr_set_default_dtype(dtype);
    training t = {gr_randn(20, 3), gr_randn(20, 1),
                  gr_nn_sequential(gr_nn_linear(3, 8), gr_nn_relu(), gr_nn_linear(8, 1)), NULL};
    t.optimizer = gr_optim_sgd(gr_parameters(t.model), .lr = 0.01, .momentum = 0.9);
    return t;
}

typedef struct {
    const void *loss, *prediction, *gradient;
} addresses;

static addresses step(training *t)
{
    gr_scope scope = gr_scope_begin();
    gr_zero_grad(t->optimizer);
    gr_tensor *prediction = gr_forward(t->model, t->x), *loss = gr_mse_loss(prediction, t->y);
    const bool ok = gr_backward(loss) && gr_step(t->optimizer); /* ck_assert itself allocates */
    addresses a = {gr_data(loss), gr_data(prediction), gr_data(gr_grad(gr_module_tensor(t->model, "0.weight")))};
    gr_scope_end(scope);
    if (!ok) ck_abort_msg("%s", gr_error());
    return a;
}

START_TEST(a_warm_training_loop_allocates_nothing)
{
    for (int d = 0; d < 2; d++) {
        training t = begin(d ? GR_BFLOAT16 : GR_FLOAT32);
        step(&t);
        const int64_t before = allocation_count(), freed = allocation_frees();
        for (int i = 0; i < times(d ? 10000 : 100000); i++) step(&t);
        const int64_t after = allocation_count(), freed_after = allocation_frees();
        ck_assert(after == before && freed_after == freed);
    }
}
END_TEST

START_TEST(steps_use_the_same_addresses)
{
    for (int d = 0; d < 2; d++) {
        training t = begin(d ? GR_BFLOAT16 : GR_FLOAT32);
        step(&t);
        step(&t);
        const addresses third = step(&t), fourth = step(&t);
        ck_assert_ptr_eq(third.loss, fourth.loss);
        ck_assert_ptr_eq(third.prediction, fourth.prediction);
        ck_assert_ptr_eq(third.gradient, fourth.gradient);
    }
}
END_TEST

/* More than a thread may keep: so many blocks, of which nothing is touched. */
enum { LARGE = 64 << 20, BLOCKS = 12, KEPT = GR_CACHE_BYTES / LARGE + 1 };
static const void *block[BLOCKS];

static bool is_block(const void *data)
{
    bool found = false;
    for (int i = 0; i < BLOCKS; i++) found |= block[i] == data;
    return found;
}

static void *takes_blocks(void *unused)
{
    (void)unused;
    for (int i = KEPT; i < BLOCKS; i++)
        if (!is_block(gr_data(gr_empty_with(GR_SHAPE(LARGE), .dtype = GR_UINT8)))) return "a new block, though one waits";
    return is_block(gr_data(gr_empty_with(GR_SHAPE(LARGE), .dtype = GR_UINT8))) ? "a block that another thread keeps" : NULL;
}

START_TEST(what_a_thread_may_not_keep_others_get)
{
    if (!on_cpu("what_a_thread_may_not_keep_others_get: the host's memory")) return;
    const gr_scope scope = gr_scope_begin();
    for (int i = 0; i < BLOCKS; i++) block[i] = gr_data(gr_empty_with(GR_SHAPE(LARGE), .dtype = GR_UINT8));
    ck_assert_msg(!gr_error(), "%s", gr_error());
    gr_scope_end(scope);
    pthread_t thread;
    void *complaint;
    ck_assert_int_eq(pthread_create(&thread, NULL, takes_blocks, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, &complaint), 0);
    ck_assert_msg(!complaint, "%s", (const char *)complaint);
    for (int i = 0; i < KEPT; i++) ck_assert(is_block(gr_data(gr_empty_with(GR_SHAPE(LARGE), .dtype = GR_UINT8))));
    gr_shutdown();
    gr_memory_end();
}
END_TEST
#endif

START_TEST(a_loop_without_scopes_is_correct_and_freed_at_the_end)
{
    gr_shutdown();
    gr_memory_end();
    const int64_t before = allocation_live();
    gr_tensor *w = gr_requires_grad_(gr_ones(1), true);
    for (int i = 0; i < times(20000); i++) {
        gr_zero_grad(w);
        ck_assert(gr_backward(gr_sum(gr_mul(w, i))));
        ck_assert(gr_at(gr_grad(w), 0) == i);
    }
    gr_shutdown();
    gr_memory_end();
    ck_assert_int_eq(allocation_live(), before);
}
END_TEST

/* Seconds of this thread's work for n steps that no scope ends. */
static double steps_without_scopes(int n)
{
    const gr_scope whole = gr_scope_begin(); /* the root scope would say that it is full */
    gr_tensor *w = gr_requires_grad_(gr_ones(1), true), *h = gr_requires_grad_(gr_ones(1), true);
    const clock_t begin = clock();
    for (int i = 0; i < n; i++) {
        h = gr_add(gr_mul(h, 0.5), 1); /* history that never ends, beside the loss's own */
        gr_zero_grad(w);
        if (!gr_backward(gr_sum(gr_mul(w, gr_detach(h))))) ck_abort_msg("%s", gr_error());
    }
    const double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    gr_scope_end(whole);
    return seconds;
}

/* Sixteen times the steps take sixteen times as long, not 256; the best of three, as the machine may be busy. */
START_TEST(a_loop_without_scopes_stays_linear)
{
    if (!on_cpu("a_loop_without_scopes_stays_linear: the emulator's time is its own")) return;
    double few = 1e9, many = 1e9;
    for (int i = 0; i < 3; i++) few = fmin(few, steps_without_scopes(2000));
    for (int i = 0; i < 3; i++) many = fmin(many, steps_without_scopes(32000));
    ck_assert_msg(many < 64 * few + 0.05, "2000 steps take %g s, 32000 take %g s", few, many);
}
END_TEST

/* ---- failed allocations ---- */

START_TEST(a_failed_backward_leaves_no_gradient_behind)
{
    if (!on_cpu("a_failed_backward_leaves_no_gradient_behind: it is the host's memory that fails")) return;
    catch_errors();
    for (int64_t at = 1;; at++) {
        gr_shutdown();
        gr_tensor *x = gr_requires_grad_(gr_ones(3000), true), *w = gr_requires_grad_(gr_ones(3000), true);
        ck_assert(gr_backward(gr_sum(x)));
        gr_tensor *loss = gr_sum(gr_mul(gr_exp(x), w));
        gr_pool_release(gr_self());
        allocation_fail(at, ALWAYS);
        const bool ok = gr_backward(loss);
        allocation_fail(0, 0);
        if (ok) {
            ck_assert_int_gt(at, 2);
            break;
        }
        ck_assert_int_eq(gr_error_kind(), GR_ERROR_MEMORY);
        gr_error_clear();
        ck_assert(!gr_has_grad(w) && gr_at(gr_grad(x), 7) == 1);
        ck_assert(gr_backward(loss)); /* memory is back */
        ck_assert(gr_at(gr_grad(w), 7) == gr_at(gr_exp(x), 7));
    }
}
END_TEST

/* A call with two results, when the list of what the scope owns is full. */
START_TEST(a_list_that_cannot_grow_tells_its_size)
{
    catch_errors();
    gr_tensor *x = gr_ones(2, 2);
    const char *text = NULL;
    for (int64_t calls = 0, at = 1; calls < 5000 && !text; at++) {
        const uint32_t owned = gr_self()->owned_count;
        allocation_fail(at, 1);
        const gr_values_indices pair = gr_max_dim(x, 0);
        allocation_fail(0, 0);
        text = pair.values ? NULL : strstr(gr_error(), "max_dim: no memory for the owner's list (");
        if (text) ck_assert_uint_eq(strtoull(strchr(text, '(') + 1, NULL, 10), (owned + 2) * sizeof(uintptr_t));
        else gr_error_clear();
        if (pair.values) calls++, at = 0;
        else ck_assert_uint_eq(gr_self()->owned_count, owned);
    }
    ck_assert_ptr_nonnull(text);
}
END_TEST

START_TEST(what_does_not_fit_is_an_error)
{
    catch_errors();
    ck_assert_ptr_null(gr_zeros((int64_t)1 << 50));
    ck_assert_int_eq(gr_error_kind(), GR_ERROR_MEMORY);
    ck_assert(strstr(gr_error(), "zeros: no memory for the result [1125899906842624] float32") != NULL);
    gr_error_clear();
    ck_assert_ptr_nonnull(gr_zeros(3));
}
END_TEST

START_TEST(sizes_beyond_32_bits_are_counted)
{
    gr_tensor x = {.dtype = GR_UINT8};
    ck_assert(gr_set_sizes(&x, 3, (const int64_t[]){2, 65537, 65536}));
    ck_assert_int_eq(x.numel, 2 * 65537LL * 65536);
    ck_assert_int_eq(x.axis[0].stride, 65537LL * 65536);
}
END_TEST

Suite *memory_suite(void)
{
    Suite *s = suite_create("memory");
    TCase *c = tcase_create("memory");
#ifdef GR_DEBUG
    puts("skipped: a_warm_training_loop_allocates_nothing, steps_use_the_same_addresses, what_a_thread_may_not_keep_others_get: "
         "this build gives every block its own malloc");
#else
    tcase_add_test(c, a_warm_training_loop_allocates_nothing);
    tcase_add_test(c, steps_use_the_same_addresses);
    tcase_add_test(c, what_a_thread_may_not_keep_others_get);
#endif
    tcase_add_test(c, a_loop_without_scopes_is_correct_and_freed_at_the_end);
    tcase_add_test(c, a_loop_without_scopes_stays_linear);
    tcase_add_test(c, a_failed_backward_leaves_no_gradient_behind);
    tcase_add_test(c, a_list_that_cannot_grow_tells_its_size);
    tcase_add_test(c, what_does_not_fit_is_an_error);
    tcase_add_test(c, sizes_beyond_32_bits_are_counted);
    suite_add_tcase(s, c);
    return s;
}
