/* parallel.c - the thread pool: each thread has a share of the loop's pieces and helps the others
 * after its own.
 *
 * A share is a counter of pieces left. Taking a piece is one atomic decrement; who gets a positive
 * number owns a piece of the loop that runs now, because no loop ends before all its pieces are
 * reported done. So a worker that wakes up late finds either a piece of the next loop or nothing,
 * and nobody waits for sleepers. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "core/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    SPIN_NS = 60000,   /* an idle worker spins so long, */
    SPINS = 32,        /* and reads the clock after so many turns */
    WAIT_TURNS = 10000 /* a caller that waits spins so often, then lets other programs run */
};

/* Thread 0 is the caller. A share has cache lines of its own. */
typedef struct {
    _Alignas(128) _Atomic int64_t left;
    atomic_bool asleep; /* its worker waits for `wake` */
    int threads;        /* shares to visit, constant while the worker lives */
    int64_t end;        /* its last piece + 1 */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
} share;

static share shares[GR_PARALLEL_MAX];

static struct {
    atomic_bool busy; /* whoever sets it owns the rest of this */
    atomic_bool crowded; /* more threads than CPUs: who spins keeps another from running */
    int threads;         /* shares in use: the caller's and one per worker; 0: no pool */
    int asked;           /* for how many threads it was started */
    int64_t count, grain;
    gr_parallel_task *task;
    void *context;
    atomic_bool quit;
    _Alignas(128) _Atomic int64_t unfinished; /* pieces */
    atomic_int ran_on;
} pool;

static atomic_int wanted; /* threads; 0: not known yet */
int64_t gr_parallel_test_grain;

static inline void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- pieces ---- */

/* The number of a piece to execute, or -1 when none is left in share s. */
static int64_t take(share *s)
{
    if (atomic_load_explicit(&s->left, memory_order_relaxed) <= 0) return -1;
    const int64_t left = atomic_fetch_sub_explicit(&s->left, 1, memory_order_acquire);
    return left > 0 ? s->end - left : -1;
}

/* Thread `self` executes what is left of its share, then of those behind it. */
static void work(int self, int threads)
{
    int64_t done = 0;
    for (int i = 0; i < threads; i++) {
        share *s = &shares[(self + i) % threads];
        for (int64_t piece; (piece = take(s)) >= 0; done++) {
            const int64_t begin = piece * pool.grain, rest = pool.count - begin;
            pool.task(pool.context, begin, begin + (rest < pool.grain ? rest : pool.grain));
        }
    }
    if (!done) return;
    atomic_fetch_add_explicit(&pool.ran_on, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&pool.unfinished, done, memory_order_release);
}

/* ---- workers ---- */

static bool has_work(share *s)
{
    return atomic_load(&s->left) > 0 || atomic_load(&pool.quit);
}

static void await_work(share *s)
{
    const int64_t start = now_ns();
    do
        for (int i = 0; i < SPINS; i++) {
            if (has_work(s)) return;
            pause_briefly();
        }
    while (!atomic_load_explicit(&pool.crowded, memory_order_relaxed) &&
           now_ns() - start < SPIN_NS);

    pthread_mutex_lock(&s->lock);
    /* First `asleep`, then has_work; wake()'s caller stores `left` first, then reads `asleep`. */
    atomic_store(&s->asleep, true);
    while (!has_work(s)) pthread_cond_wait(&s->wake, &s->lock);
    atomic_store(&s->asleep, false);
    pthread_mutex_unlock(&s->lock);
}

static void wake(share *s)
{
    if (!atomic_load(&s->asleep)) return;
    pthread_mutex_lock(&s->lock);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

static void *worker(void *own)
{
    share *s = own;
    for (;;) {
        await_work(s);
        if (atomic_load(&pool.quit)) return NULL;
        work((int)(s - shares), s->threads);
    }
}

static void stop_workers(void)
{
    atomic_store(&pool.quit, true);
    for (int i = 1; i < pool.threads; i++) wake(&shares[i]);
    for (int i = 1; i < pool.threads; i++) {
        pthread_join(shares[i].thread, NULL);
        pthread_cond_destroy(&shares[i].wake);
        pthread_mutex_destroy(&shares[i].lock);
    }
    atomic_store(&pool.quit, false);
    pool.threads = pool.asked = 0;
}

/* In the child of a fork there are no workers. */
static void forget_workers(void)
{
    pool.threads = pool.asked = 0;
    for (int i = 0; i < GR_PARALLEL_MAX; i++) {
        atomic_store(&shares[i].left, 0);
        atomic_store(&shares[i].asleep, false);
    }
    atomic_store(&pool.quit, false);
    atomic_store(&pool.busy, false);
}

/* Before the first loop: a fork while another thread starts the workers would leave the child a pool that is busy for ever. */
__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget_workers);
}

static bool start_worker(share *s, int threads)
{
    s->threads = threads;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    if (!pthread_create(&s->thread, NULL, worker, s)) return true;
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    return false;
}

static int clip(long n)
{
    return n < 1 ? 1 : n > GR_PARALLEL_MAX ? GR_PARALLEL_MAX : (int)n;
}

static int cpus(void)
{
    cpu_set_t set;
    const bool known = !sched_getaffinity(0, sizeof set, &set); /* false beyond 1024 CPUs */
    return clip(known ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN));
}

/* As many as the system gives. Signals are left to the program's own threads. */
static void start_workers(int threads)
{
    sigset_t all, before;
    if (pool.threads) stop_workers();
    atomic_store_explicit(&pool.crowded, threads > cpus(), memory_order_relaxed);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (pool.threads = 1; pool.threads < threads; pool.threads++)
        if (!start_worker(&shares[pool.threads], threads)) break;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pool.asked = threads;
}

/* ---- the loop ---- */

static void run_alone(int64_t count, int64_t grain, gr_parallel_task *task, void *context)
{
    for (int64_t begin = 0; begin < count; begin += grain)
        task(context, begin, count - begin < grain ? count : begin + grain);
}

static void hand_out(int64_t pieces)
{
    const int64_t each = pieces / pool.threads, more = pieces % pool.threads;
    int64_t end = 0;
    atomic_store_explicit(&pool.ran_on, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.unfinished, pieces, memory_order_relaxed);
    for (int i = 0; i < pool.threads && end < pieces; i++) {
        const int64_t own = each + (i < more);
        shares[i].end = end += own;
        atomic_store(&shares[i].left, own);
        if (i) wake(&shares[i]);
    }
}

static void await_others(void)
{
    const bool crowded = atomic_load_explicit(&pool.crowded, memory_order_relaxed);
    for (int turns = 0; atomic_load_explicit(&pool.unfinished, memory_order_acquire);)
        if (crowded || turns == WAIT_TURNS)
            sched_yield();
        else {
            pause_briefly();
            turns++;
        }
}

void gr_parallel_pieces(int64_t count, int64_t grain, gr_parallel_task *task, void *context)
{
    const int threads = gr_parallel_threads_now();
    if (grain < 1) grain = 1;
    if (threads == 1 || atomic_exchange_explicit(&pool.busy, true, memory_order_acquire)) {
        run_alone(count, grain, task, context);
        return;
    }
    if (pool.asked != threads) start_workers(threads);
    pool.count = count;
    pool.grain = grain;
    pool.task = task;
    pool.context = context;
    hand_out(count / grain + (count % grain != 0));
    work(0, pool.threads);
    await_others();
    atomic_store_explicit(&pool.busy, false, memory_order_release);
}

void gr_parallel_threads(int n)
{
    atomic_store_explicit(&wanted, n ? clip(n) : cpus(), memory_order_relaxed);
}

/* A number set meanwhile by another thread stays. */
static int first_wanted(void)
{
    const char *text = getenv("GRADUS_NUM_THREADS");
    const long asked = text ? strtol(text, NULL, 10) : 0;
    int before = 0, n = clip(asked > 0 ? asked : cpus());
    return atomic_compare_exchange_strong(&wanted, &before, n) ? n : before;
}

int gr_parallel_threads_now(void)
{
    const int n = atomic_load_explicit(&wanted, memory_order_relaxed);
    return n ? n : first_wanted();
}

void gr_parallel_shutdown(void)
{
    if (atomic_exchange_explicit(&pool.busy, true, memory_order_acquire)) return;
    if (pool.threads) stop_workers();
    atomic_store_explicit(&pool.busy, false, memory_order_release);
}

int gr_parallel_ran_on(void)
{
    return atomic_load_explicit(&pool.ran_on, memory_order_relaxed);
}
