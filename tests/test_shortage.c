/* test_shortage.c - threads that find no memory, or may not be started, and errors that are told without any. What a call does
 * that finds none is told in test_faults.c. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_barrier_t */
#endif
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/internal.h"
#include "core/parallel.h"
#include "tests/allocation.h"
#include "tests/look.h"
#include "tests/suites.h"

enum { THREADS = 12 };
typedef struct {
    int number;
    pthread_barrier_t *begun, *looked;
    char text[128];
} errand;

/* No memory for the thread's own state, from its first call on; then there is. */
static void *hungry(void *argument)
{
    errand *e = argument;
    pthread_barrier_wait(e->begun);
    const bool none = !gr_zeros(100 + e->number) && !gr_scope_begin().serial && gr_grad_enabled();
    pthread_barrier_wait(e->looked); /* all have failed, none may start before */
    if (none && gr_error()) snprintf(e->text, sizeof e->text, "%s", gr_error());
    pthread_barrier_wait(e->begun);
    pthread_barrier_wait(e->looked);
    gr_error_clear();
    const gr_scope scope = gr_scope_begin();
    const double sum = gr_item(gr_sum(gr_ones(e->number + 1)));
    if (sum != e->number + 1 || !gr_scope_end(scope)) e->text[0] = '\0';
    return NULL;
}

static void let_threads_hunger(void)
{
    pthread_t thread[THREADS];
    errand e[THREADS];
    pthread_barrier_t begun, looked;
    pthread_barrier_init(&begun, NULL, THREADS + 1);
    pthread_barrier_init(&looked, NULL, THREADS + 1);
    catch_errors();
    gr_shutdown();
    gr_memory_end();
    const int64_t base = allocation_live();
    for (int i = 0; i < THREADS; i++) {
        e[i] = (errand){i, &begun, &looked, ""};
        ck_assert_int_eq(pthread_create(&thread[i], NULL, hungry, &e[i]), 0);
    }
    allocation_fail(1, ALWAYS);
    for (int round = 0; round < 2; round++) {
        pthread_barrier_wait(&begun);
        pthread_barrier_wait(&looked);
        allocation_fail(0, 0);
    }
    for (int i = 0; i < THREADS; i++) {
        char shape[40];
        pthread_join(thread[i], NULL);
        snprintf(shape, sizeof shape, "the result [%d] float32", 100 + i);
        ck_assert_msg(strstr(e[i].text, shape), "thread %d: \"%s\"", i, e[i].text);
    }
    gr_memory_end();
    ck_assert_int_eq(allocation_live(), base);
    pthread_barrier_destroy(&begun);
    pthread_barrier_destroy(&looked);
}

START_TEST(threads_without_memory_have_errors_of_their_own)
{
    let_threads_hunger();
}
END_TEST

/* Its first call fails, whatever it lacks; then it may have all, and ends. */
static void *starts_poor(void *argument)
{
    const bool *recovers = argument;
    const bool failed = !gr_zeros(123) && gr_error_kind() == GR_ERROR_MEMORY && strstr(gr_error(), "the result [123]");
    if (!*recovers) return failed ? NULL : argument;
    allocation_refuse_values(false);
    gr_error_clear();
    return failed && gr_item(gr_sum(gr_ones(3))) == 3 ? NULL : argument;
}

static void run_poor(bool recovers)
{
    pthread_t thread;
    void *result;
    ck_assert_int_eq(pthread_create(&thread, NULL, starts_poor, &recovers), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_null(result);
}

START_TEST(a_thread_may_end_before_it_has_memory)
{
    catch_errors();
    const int64_t base = allocation_live();
    for (int i = 0; i < 40; i++) { /* more than there are stand-ins, of which each is given back */
        allocation_fail(1, ALWAYS);
        run_poor(false);
        allocation_fail(0, 0);
    }
    ck_assert_int_eq(allocation_live(), base);
    let_threads_hunger();
}
END_TEST

START_TEST(a_thread_without_a_value_of_its_own_has_an_error)
{
    catch_errors();
    gr_zeros(1); /* the key is there */
    for (int i = 0; i < 40; i++) {
        allocation_refuse_values(true);
        run_poor(true);
    }
    ck_assert(gr_item(gr_sum(gr_ones(3))) == 3);
}
END_TEST

START_TEST(without_threads_a_loop_runs_alone)
{
    gr_set_num_threads(1);
    gr_tensor *x = gr_randn(1 << 17), *one = gr_exp(x);
    gr_set_num_threads(4);
    allocation_refuse_threads(true);
    gr_parallel_test_grain = 1000;
    gr_tensor *other = gr_exp(x);
    ck_assert_int_eq(gr_parallel_ran_on(), 1);
    ck_assert(gr_equal(one, other));
    allocation_refuse_threads(false);
    gr_parallel_test_grain = 0;
}
END_TEST

/* Where all fails, so do the errors' own texts if they ask for memory: by a handler of the program's, or on stderr. */
START_TEST(reporting_an_error_asks_for_no_memory)
{
    for (int handler = 0; handler < 2; handler++) {
        if (handler) catch_errors();
        else release_errors();
        gr_tensor *a = gr_ones(3, 4), *b = gr_ones(2, 4);
        gr_add(a, 1);
        allocation_fail(1, ALWAYS);
        const int64_t before = allocation_count(); /* ck_assert itself allocates */
        bool failed = !gr_add(a, b) && strstr(gr_error(), "add: a is [3, 4], b is [2, 4]; dimension 0 is 3 and 2");
        gr_error_clear();
        failed = failed && !gr_zeros(-1);
        gr_error_clear();
        failed = failed && !gr_backward(a);
        gr_error_clear();
        const int64_t after = allocation_count();
        const bool asked = allocation_failed();
        allocation_fail(0, 0);
        ck_assert(failed && !asked);
        ck_assert_int_eq(after, before);
    }
}
END_TEST

Suite *shortage_suite(void)
{
    const TTest *const tests[] = {threads_without_memory_have_errors_of_their_own,
                                  a_thread_may_end_before_it_has_memory,
                                  a_thread_without_a_value_of_its_own_has_an_error,
                                  without_threads_a_loop_runs_alone,
                                  reporting_an_error_asks_for_no_memory};
    return suite_of("shortage", tests, sizeof tests / sizeof *tests);
}
