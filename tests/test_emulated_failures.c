/* test_emulated_failures.c - calls of CUDA that fail one after the other, memory that is used up, a device that is lost. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/internal.h"
#include "gradus.h"
#include "tests/allocation.h"
#include "tests/emulated.h"
#include "tests/look.h"
#include "tests/suites.h"

/* ---- failures ---- */

/* Some of everything; its results in `out`. False after an error; it can be run again. */
enum { RESULTS = 4 };
static bool program(double out[RESULTS])
{
    static const int64_t places[] = {4, 0};
    const gr_scope scope = gr_scope_begin();
    gr_manual_seed(5);
    gr_module *m = gr_nn_linear(4, 3);
    gr_optim *o = gr_optim_sgd(gr_parameters(m), .lr = 0.01, .momentum = 0.5);
    gr_tensor *rows = gr_reshape(gr_arange(0, 20, 1), 5, 4), *some = gr_index_select(rows, 0, gr_from(places, 2));
    gr_tensor *y = gr_softplus(gr_forward(m, gr_mul(some, 0.1))), *loss = gr_mean(y);
    const bool trained = gr_backward(loss) && gr_step(o);
    out[0] = gr_item(loss);
    out[1] = gr_item(gr_max(gr_module_tensor(m, "weight")));
    out[2] = gr_at(gr_sum(rows, .dim = 0), 3);
    out[3] = gr_item(gr_sum(gr_where(gr_gt(rows, 7), rows, -1)));
    const bool ok = trained && !gr_error();
    gr_scope_end(scope);
    return ok;
}

/* Whatever a call's k-th use answers, the program ends with an error that names the call, or as if nothing had been; and the
 * next run has the same bits. In a thread of its own, which makes its stream and takes its first memory. */
typedef struct {
    const char *what, *named;
    int64_t k;
    bool has_failed;
    double want[RESULTS];
    char complaint[400];
} attempt;

static void *run_attempt(void *data)
{
    attempt *a = data;
    double got[RESULTS] = {0};
    emulator.refuse(a->what, a->k, 0, false);
    const bool ok = program(got);
    a->has_failed = emulator.failures() > 0;
    emulator.refuse(NULL, 0, 0, false);
    const gr_error_code kind = gr_error_kind();
    const char *text = gr_error() ? gr_error() : "";
    if (ok ? memcmp(got, a->want, sizeof got) != 0 : (kind != GR_ERROR_DEVICE && kind != GR_ERROR_MEMORY) ||
        !strstr(text, "test_emulated_failures.c:") || !strstr(text, a->named))
        snprintf(a->complaint, sizeof a->complaint, "%s", ok ? "other results" : text);
    gr_error_clear();
    if (!*a->complaint && (!program(got) || memcmp(got, a->want, sizeof got) != 0))
        snprintf(a->complaint, sizeof a->complaint, "afterwards: %s", gr_error() ? gr_error() : "other results");
    return NULL;
}

static void survive(const char *what, const char *named, int least)
{
    attempt a = {.what = what, .named = named, .has_failed = true};
    ck_assert_msg(program(a.want), "%s", gr_error());
    gr_shutdown();
    while (a.has_failed) {
        pthread_t thread;
        a.k++;
        gr_cuda_empty_cache();
        ck_assert_int_eq(pthread_create(&thread, NULL, run_attempt, &a), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_msg(!*a.complaint, "%s %d: %s", what, (int)a.k, a.complaint);
    }
    ck_assert_int_ge(a.k - 1, least); /* so many uses have failed */
}

START_TEST(every_launch_may_fail)
{
    survive("launch", " failed: cudaErrorLaunchOutOfResources", 15);
}
END_TEST

START_TEST(every_call_may_fail)
{
    survive("call", "", 40);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    survive("cudaMalloc", "", 1);
}
END_TEST

START_TEST(every_product_may_fail)
{
    survive("cublasLtMatmul", "cublasLtMatmul failed: CUBLAS_STATUS_EXECUTION_FAILED", 2);
}
END_TEST

/* ---- memory ---- */

enum { MIB = 1 << 20 };

#ifndef GR_DEBUG
START_TEST(kept_blocks_are_given_up_before_memory_is_short)
{
    gr_cuda_empty_cache();
    const gr_scope scope = gr_scope_begin();
    for (int i = 0; i < 4; i++) ck_assert_ptr_nonnull(gr_zeros(4 * MIB)); /* 16 MiB each */
    gr_scope_end(scope);
    const int64_t kept = gr_cuda_memory_reserved(0);
    ck_assert_int_ge(kept, 64 * MIB);
    ck_assert_int_lt(gr_cuda_memory_allocated(0), MIB);
    char limit[32];
    snprintf(limit, sizeof limit, "%lld", (long long)kept + 8 * MIB);
    ck_assert(emulator.set("MEMORY", limit));
    gr_tensor *large = gr_zeros(12 * MIB); /* 48 MiB: only without what is kept */
    ck_assert_msg(large != NULL, "%s", gr_error());
    ck_assert_int_lt(gr_cuda_memory_reserved(0), kept);
    ck_assert_ptr_null(gr_zeros(64 * MIB));
    ck_assert_int_eq(gr_error_kind(), GR_ERROR_MEMORY);
    expect_one_error("zeros: no memory for the result [67108864] float32 (268435456 bytes)");
    ck_assert(gr_at(large, 12 * MIB - 1) == 0);
}
END_TEST
#endif

START_TEST(a_module_moves_whole_or_not_at_all)
{
    for (int k = 1;; k++) {
        gr_set_default_device(gr_cpu());
        gr_shutdown();
        gr_cuda_empty_cache();
        gr_module *m = gr_nn_sequential(gr_nn_linear(300, 400), gr_nn_linear(400, 500));
        const double weight = gr_at(gr_module_tensor(m, "1.weight"), 3, 4);
        emulator.refuse("cudaMalloc", k, 0, true);
        const bool moved = gr_module_to(m, .device = gr_cuda(0)) != NULL;
        emulator.refuse(NULL, 0, 0, false);
        const char *const names[] = {"0.weight", "0.bias", "1.weight", "1.bias"};
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(gr_device_of(gr_module_tensor(m, names[i])).kind, moved ? gr_cuda(0).kind : gr_cpu().kind);
        ck_assert(gr_at(gr_module_tensor(m, "1.weight"), 3, 4) == weight || !moved);
        if (moved) {
            ck_assert_int_gt(k, 1);
            break;
        }
        ck_assert_int_eq(gr_error_kind(), GR_ERROR_MEMORY);
        gr_error_clear();
        ck_assert(gr_at(gr_module_tensor(m, "1.weight"), 3, 4) == weight);
    }
}
END_TEST

/* What needs memory of both the device and the host. */
static gr_module *to_move;
static void *make_large(void)
{
    return gr_empty(MIB); /* its block has a header here */
}
static void *draw(void)
{
    return gr_randn(MIB / 4); /* the numbers are drawn here */
}
static void *make_linear(void)
{
    return gr_nn_linear(300, 200); /* likewise */
}
static void *move_module(void)
{
    return gr_module_to(to_move, .dtype = GR_FLOAT64, .device = gr_cuda(0));
}

static bool numbers_are_drawn(const void *linear)
{
    const double limit = 1 / sqrt(300.0), largest = gr_item(gr_max(gr_abs(gr_module_tensor(linear, "weight"))));
    return largest <= limit && largest > limit * 0.9;
}

static void survive_the_host(void *(*call)(void), const char *name, int least)
{
    int refused = 0;
    for (int64_t at = 1;; at++) {
        gr_shutdown();
        gr_set_default_device(gr_cpu());
        to_move = gr_nn_linear(300, 200);
        gr_set_default_device(gr_cuda(0));
        gr_manual_seed(3);
        gr_cuda_empty_cache();
        gr_pool_release(gr_self());
        const int64_t before = gr_cuda_memory_reserved(0);
        allocation_fail(at, ALWAYS);
        const void *result = call();
        const bool failed = allocation_failed();
        allocation_fail(0, 0);
        if (result && !failed) break;
        if (result) {
            ck_assert_msg(call != make_linear || numbers_are_drawn(result), "allocation %d", (int)at);
            continue;
        }
        refused++;
        ck_assert_int_eq(gr_error_kind(), GR_ERROR_MEMORY);
        expect_one_error(name);
        gr_cuda_empty_cache();
        ck_assert_int_le(gr_cuda_memory_reserved(0) - before, 2 * MIB); /* a slab stays */
        ck_assert_int_eq(gr_dtype_of(gr_module_tensor(to_move, "weight")), GR_FLOAT32);
        ck_assert_msg(call() != NULL, "%s", gr_error()); /* memory is back */
    }
    ck_assert_int_ge(refused, least);
}

START_TEST(the_hosts_memory_may_fail_beside_the_devices)
{
    survive_the_host(make_large, "empty: no memory for the result [1048576] float32", 1);
    survive_the_host(draw, "randn: no memory for the ", 2);
    survive_the_host(make_linear, "nn_linear: no memory for ", 4);
    survive_the_host(move_module, "module_to: no memory for ", 2);
}
END_TEST

/* ---- an optimizer's numbers ---- */

/* Sent when they have changed. What did not arrive is sent again. */
START_TEST(numbers_that_were_not_sent_are_sent_by_the_next_step)
{
    gr_tensor *p = gr_requires_grad_(gr_zeros(2), true);
    gr_optim *o = gr_optim_gd(GR_TENSORS(p), .lr = 1);
    ck_assert(gr_backward(gr_sum(p)) && gr_step(o) && gr_at(p, 0) == -1);
    for (int k = 1;; k++) {
        const double before = gr_at(p, 0);
        ck_assert(gr_optim_set(o, 0, GR_LR, k % 2 ? 2 : 4));
        emulator.refuse("call", k, 0, false);
        const bool stepped = gr_step(o);
        const bool refused = emulator.failures() > 0;
        emulator.refuse(NULL, 0, 0, false);
        gr_error_clear();
        const double rest = before - gr_at(p, 0);
        ck_assert(rest == (stepped ? (k % 2 ? 2 : 4) : 0) || (refused && !stepped));
        if (!refused) break;
        if (stepped) continue;
        const double again = gr_at(p, 0);
        ck_assert(gr_step(o));
        ck_assert_msg(again - gr_at(p, 0) == (k % 2 ? 2 : 4), "call %d: a step of %g", k, again - gr_at(p, 0));
    }
}
END_TEST

START_TEST(a_step_whose_numbers_do_not_arrive_changes_nothing)
{
    gr_tensor *p = gr_requires_grad_(gr_zeros(2), true), *q = gr_requires_grad_(gr_zeros(2), true);
    gr_optim *o = gr_optim_gd(GR_TENSORS(p), .lr = 1);
    ck_assert(o && gr_optim_group(o, GR_TENSORS(q), .lr = 2) == 1 && gr_backward(gr_sum(gr_add(p, q))));
    emulator.refuse("cudaMemcpyAsync", 2, 0, false);
    ck_assert(!gr_step(o));
    ck_assert_int_eq(emulator.failures(), 1);
    emulator.refuse(NULL, 0, 0, false);
    gr_error_clear();
    ck_assert(gr_at(p, 0) == 0 && gr_at(q, 0) == 0);
    ck_assert(gr_step(o) && gr_at(p, 0) == -1 && gr_at(q, 0) == -2);
}
END_TEST

/* ---- a device that is lost ---- */

START_TEST(a_lost_device_is_told_once_and_the_cpu_goes_on)
{
    if (!in_own_process("a_lost_device_is_told_once_and_the_cpu_goes_on: the others would have no device")) return;
    gr_tensor *x = gr_ones(3), *large = gr_ones(8 * MIB), *here = gr_to(x, .device = gr_cpu());
    ck_assert(large && here && emulator.set("FAULT", "error"));
    emulator.refuse("kernel", 1, 0, false);
    gr_tensor *y = gr_exp(x);
    ck_assert(!y || !gr_synchronize(gr_cuda(0)));
    ck_assert_int_eq(gr_error_kind(), GR_ERROR_DEVICE);
    ck_assert_msg(strstr(gr_error(), "cudaErrorIllegalAddress"), "%s", gr_error());
    gr_error_clear();
    gr_tensor *const of[] = {x, large}; /* the pool has one for x */
    for (int i = 0; i < 2; i++) {
        ck_assert_ptr_null(gr_exp(of[i]));
        ck_assert_msg(gr_error() && strstr(gr_error(), "exp: the device is lost since an earlier cudaErrorIllegalAddress"), "%s", gr_error());
        gr_error_clear();
    }
    ck_assert(gr_item(gr_sum(gr_add(here, 1))) == 6);
    _Exit(EXIT_SUCCESS); /* the device's memory can be given back no more */
}
END_TEST

Suite *emulated_failures_suite(void)
{
    Suite *s = suite_create("emulated_failures");
    TCase *c = emulated_case(s, "emulated_failures");
    if (!c) return s;
#ifdef GR_DEBUG
    puts("left out in a debug build, which keeps no block: kept_blocks_are_given_up_before_memory_is_short");
#else
    tcase_add_test(c, kept_blocks_are_given_up_before_memory_is_short);
#endif
    tcase_add_test(c, every_launch_may_fail);
    tcase_add_test(c, every_call_may_fail);
    tcase_add_test(c, every_allocation_may_fail);
    tcase_add_test(c, every_product_may_fail);
    tcase_add_test(c, a_module_moves_whole_or_not_at_all);
    tcase_add_test(c, the_hosts_memory_may_fail_beside_the_devices);
    tcase_add_test(c, numbers_that_were_not_sent_are_sent_by_the_next_step);
    tcase_add_test(c, a_step_whose_numbers_do_not_arrive_changes_nothing);
    tcase_add_test(c, a_lost_device_is_told_once_and_the_cpu_goes_on);
    return s;
}
