/* test_parallel.c - the thread pool: every index once, whatever the threads do meanwhile. */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/parallel.h"
#include "tests/look.h"
#include "tests/suites.h"

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif

enum { LONGEST = 5000 };

typedef struct {
    int64_t count, grain;
    unsigned char visits[LONGEST];
    atomic_bool wrong_piece;
} visit_log;

static void visit(void *context, int64_t begin, int64_t end)
{
    visit_log *log = context;
    const bool last = end == log->count;
    if (begin % log->grain || (end - begin != log->grain && !last))
        atomic_store(&log->wrong_piece, true);
    for (int64_t i = begin; i < end; i++) log->visits[i]++;
}

static bool visits_each_once(int64_t count, int64_t grain)
{
    visit_log log = {.count = count, .grain = grain};
    gr_parallel(count, grain, visit, &log);
    for (int64_t i = 0; i < LONGEST; i++)
        if (log.visits[i] != (i < count)) return false;
    return !atomic_load(&log.wrong_piece);
}

START_TEST(each_index_is_visited_once_in_pieces_of_the_grain)
{
    static const int64_t counts[] = {0, 1, 2, 3, 7, 64, 65, 1000, LONGEST},
                         grains[] = {1, 2, 3, 64, 999, 1000, LONGEST};
    for (int threads = 1; threads <= 9; threads += 2) {
        gr_parallel_threads(threads);
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
            for (size_t g = 0; g < sizeof grains / sizeof *grains; g++)
                ck_assert_msg(visits_each_once(counts[c], grains[g]), "%d threads, %d / %d",
                              threads, (int)counts[c], (int)grains[g]);
    }
}
END_TEST

START_TEST(thousands_of_loops_run_one_after_the_other)
{
    gr_parallel_threads(4);
    for (int i = 0; i < 3000; i++) ck_assert(visits_each_once(40 + i % 7, 1 + i % 5));
}
END_TEST

static void nap(int64_t microseconds)
{
    nanosleep(&(struct timespec){0, microseconds * 1000}, NULL);
}

static void nap_in_each(void *context, int64_t begin, int64_t end)
{
    (void)context;
    for (int64_t i = begin; i < end; i++) nap(2000);
}

/* A busy machine may wake the worker after the loop: then another one is tried. */
static bool runs_on_two_threads(void)
{
    for (int tries = 0; tries < 300; tries++) {
        gr_parallel(8, 1, nap_in_each, NULL);
        if (gr_parallel_ran_on() == 2) return true;
    }
    return false;
}

START_TEST(loops_run_on_two_threads_also_after_an_idle_time)
{
    gr_parallel_threads(2);
    for (int i = 0; i < 5; i++) {
        ck_assert(runs_on_two_threads());
        nap(10000); /* workers fall asleep */
    }
}
END_TEST

typedef struct {
    atomic_bool begun, done;
} slow_piece;

/* The first piece, the caller's, lasts until the other has begun, on the worker; that one goes on for a while. */
static void second_is_slow(void *context, int64_t begin, int64_t end)
{
    slow_piece *second = context;
    (void)end;
    if (begin == 0) {
        for (int i = 0; i < 2000 && !atomic_load(&second->begun); i++) nap(1000);
        return;
    }
    atomic_store(&second->begun, true);
    nap(20000);
    atomic_store(&second->done, true);
}

START_TEST(a_loop_ends_after_its_slowest_piece)
{
    static slow_piece second[5]; /* static: a worker that is not waited for writes later */
    gr_parallel_threads(2);
    for (int i = 0; i < 5; i++) {
        gr_parallel(2, 1, second_is_slow, &second[i]);
        ck_assert(atomic_load(&second[i].done));
    }
}
END_TEST

static void note_thread(void *context, int64_t begin, int64_t end)
{
    (void)begin, (void)end;
    *(pthread_t *)context = pthread_self();
}

START_TEST(one_piece_is_run_by_the_caller)
{
    pthread_t ran_in;
    gr_parallel_threads(2);
    ck_assert(runs_on_two_threads());
    gr_parallel(100, 100, note_thread, &ran_in);
    ck_assert(pthread_equal(ran_in, pthread_self()));
    ck_assert_int_eq(gr_parallel_ran_on(),
                     2); /* still the loop before: this one did not use the pool */
}
END_TEST

static void visit_inside(void *context, int64_t begin, int64_t end)
{
    atomic_int *failures = context;
    for (int64_t i = begin; i < end; i++)
        if (!visits_each_once(100 + i, 7)) atomic_fetch_add(failures, 1);
}

START_TEST(tasks_may_use_the_pool)
{
    atomic_int failures = 0;
    gr_parallel_threads(3);
    for (int i = 0; i < 50; i++) gr_parallel(20, 1, visit_inside, &failures);
    ck_assert_int_eq(atomic_load(&failures), 0);
}
END_TEST

static void *use_the_pool(void *failures)
{
    for (int i = 0; i < 300; i++) {
        if (i % 100 == 0) gr_parallel_threads(2 + i / 100);
        visit_inside(failures, 0, 2);
    }
    return NULL;
}

START_TEST(threads_may_use_the_pool_at_once_and_resize_it)
{
    pthread_t thread[6];
    atomic_int failures = 0;
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, use_the_pool, &failures), 0);
    for (int i = 0; i < 6; i++) ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    ck_assert_int_eq(atomic_load(&failures), 0);
}
END_TEST

START_TEST(number_of_threads_is_clipped)
{
    gr_parallel_threads(3);
    ck_assert_int_eq(gr_parallel_threads_now(), 3);
    gr_parallel_threads(-5);
    ck_assert_int_eq(gr_parallel_threads_now(), 1);
    gr_parallel_threads(100000);
    ck_assert_int_eq(gr_parallel_threads_now(), GR_PARALLEL_MAX);
    gr_parallel_threads(0);
    ck_assert_int_ge(gr_parallel_threads_now(), 1);
}
END_TEST

/* The environment is asked once, by the first loop of a process. */
START_TEST(number_of_threads_comes_from_the_environment)
{
    if (!in_own_process("number_of_threads_comes_from_the_environment: other tests have set the number")) return;
    setenv("GRADUS_NUM_THREADS", "5", 1);
    ck_assert_int_eq(gr_parallel_threads_now(), 5);
    setenv("GRADUS_NUM_THREADS", "6", 1);
    ck_assert_int_eq(gr_parallel_threads_now(), 5);
}
END_TEST

START_TEST(pool_restarts_after_shutdown)
{
    gr_parallel_threads(2);
    for (int i = 0; i < 5; i++) {
        ck_assert(runs_on_two_threads());
        gr_parallel_shutdown();
        gr_parallel_shutdown();
    }
}
END_TEST

static void shut_down_inside(void *context, int64_t begin, int64_t end)
{
    (void)context, (void)begin, (void)end;
    gr_parallel_shutdown();
    gr_parallel_threads(2 + (int)(begin % 2));
}

START_TEST(shutdown_inside_a_task_does_nothing)
{
    gr_parallel_threads(2);
    for (int i = 0; i < 20; i++) gr_parallel(8, 1, shut_down_inside, NULL);
    ck_assert(visits_each_once(1000, 10));
}
END_TEST

static atomic_int signals;
static pthread_t main_thread;
static atomic_bool elsewhere;

static void count_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals, 1);
    if (!pthread_equal(pthread_self(), main_thread)) atomic_store(&elsewhere, true);
}

START_TEST(signals_are_left_to_the_programs_threads)
{
    struct sigaction action = {.sa_handler = count_signal}, before;
    main_thread = pthread_self();
    gr_parallel_threads(4);
    gr_parallel(16, 1, nap_in_each, NULL);
    ck_assert_int_eq(sigaction(SIGUSR1, &action, &before), 0);
    for (int i = 0; i < 50; i++) kill(getpid(), SIGUSR1);
    gr_parallel(16, 1, nap_in_each, NULL);
    ck_assert_int_gt(atomic_load(&signals), 0);
    ck_assert(!atomic_load(&elsewhere));
    sigaction(SIGUSR1, &before, NULL);
}
END_TEST

#ifndef UNDER_TSAN /* it forbids threads in the child of a process with threads */

static bool two_threads_work(void)
{
    return runs_on_two_threads() && visits_each_once(1000, 3);
}

static int exit_status_of_child(void)
{
    const pid_t child = fork();
    if (child == 0) _exit(two_threads_work() ? 0 : 1);
    int status = -1;
    if (child > 0) waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(child_of_a_fork_starts_its_own_workers)
{
    gr_parallel_threads(2);
    for (int i = 0; i < 5; i++) {
        ck_assert(two_threads_work());
        if (i % 2) nap(1000);
        ck_assert_int_eq(exit_status_of_child(), 0);
    }
}
END_TEST

static void *loop_until_told(void *stop)
{
    while (!atomic_load((atomic_bool *)stop)) visits_each_once(200, 3);
    return NULL;
}

START_TEST(a_fork_may_come_while_another_thread_uses_the_pool)
{
    atomic_bool stop = false;
    pthread_t other;
    gr_parallel_threads(2);
    ck_assert_int_eq(pthread_create(&other, NULL, loop_until_told, &stop), 0);
    for (int i = 0; i < 20; i++) ck_assert_int_eq(exit_status_of_child(), 0);
    atomic_store(&stop, true);
    pthread_join(other, NULL);
}
END_TEST

#endif

/* Sums of a fixed split: the same bits however many threads there are. */
typedef struct {
    float x[LONGEST], sum[LONGEST / 100];
} summation;

static void sum_piece(void *context, int64_t begin, int64_t end)
{
    summation *s = context;
    float sum = 0;
    for (int64_t i = begin; i < end; i++) sum += s->x[i] * s->x[i];
    s->sum[begin / 100] = sum;
}

START_TEST(results_do_not_depend_on_the_number_of_threads)
{
    static summation one, many;
    for (int i = 0; i < LONGEST; i++) one.x[i] = many.x[i] = 1 / (float)(i + 1);
    gr_parallel_threads(1);
    gr_parallel(LONGEST, 100, sum_piece, &one);
    for (int threads = 2; threads <= 8; threads++) {
        gr_parallel_threads(threads);
        memset(many.sum, 0, sizeof many.sum);
        gr_parallel(LONGEST, 100, sum_piece, &many);
        ck_assert_int_eq(memcmp(one.sum, many.sum, sizeof one.sum), 0);
    }
}
END_TEST

static void tear_down(void)
{
    gr_parallel_shutdown();
    gr_parallel_threads(0);
}

Suite *parallel_suite(void)
{
    const TTest *const tests[] = {each_index_is_visited_once_in_pieces_of_the_grain,
                                  thousands_of_loops_run_one_after_the_other,
                                  loops_run_on_two_threads_also_after_an_idle_time,
                                  a_loop_ends_after_its_slowest_piece,
                                  one_piece_is_run_by_the_caller,
                                  tasks_may_use_the_pool,
                                  threads_may_use_the_pool_at_once_and_resize_it,
                                  number_of_threads_is_clipped,
                                  number_of_threads_comes_from_the_environment,
                                  pool_restarts_after_shutdown,
                                  shutdown_inside_a_task_does_nothing,
                                  signals_are_left_to_the_programs_threads,
#ifndef UNDER_TSAN
                                  child_of_a_fork_starts_its_own_workers,
                                  a_fork_may_come_while_another_thread_uses_the_pool,
#endif
                                  results_do_not_depend_on_the_number_of_threads};
    Suite *suite = suite_create("parallel");
    TCase *group = tcase_create("parallel");
    tcase_add_checked_fixture(group, NULL, tear_down);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tcase_add_test(group, tests[i]);
    suite_add_tcase(suite, group);
    return suite;
}
