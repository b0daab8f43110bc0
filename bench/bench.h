/* bench.h - timing shared by the programs here: medians of blocks that take turns, and the table's
 * lines. */
#ifndef GR_BENCH_H
#define GR_BENCH_H
#include <gradus.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCKS = 21, QUICK_BLOCKS = 15, MAX_SIDES = 4 };
static const double WARM_NS = 8e7;

/* What is timed: run(state, count) does the work count times. before and after, which may be NULL,
 * surround the clock. Sides with several threads warm up: for some 30 ms the system may leave a
 * thread that has just woken up on the CPU of the one that woke it. */
typedef struct {
    void (*run)(void *state, int64_t count);
    void *state;
    void (*before)(void *state), (*after)(void *state);
    double warm_ns;
} bench_side;

static const char *bench_filter;

static inline bool bench_quick(void)
{
    const char *quick = getenv("BENCH_QUICK");
    return quick && strcmp(quick, "0") != 0;
}

static inline bool bench_wanted(const char *name)
{
    return !bench_filter || strstr(name, bench_filter);
}

static inline double bench_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline void bench_consume(const void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

/* Ends the program with the library's error, or with this one. */
static inline void bench_require(bool ok, const char *what)
{
    if (ok && !gr_error()) return;
    fprintf(stderr, "bench: %s: %s\n", what, gr_error() ? gr_error() : "failed");
    exit(1);
}

static inline void bench_same(double got, double want, double tolerance, const char *what)
{
    if (fabs(got - want) <= tolerance * (1 + fabs(want))) return;
    fprintf(stderr, "bench: %s: Gradus has %.9g, the floor %.9g\n", what, got, want);
    exit(1);
}

static inline int bench_order(const void *p, const void *q)
{
    const double a = *(const double *)p, b = *(const double *)q;
    return (a > b) - (a < b);
}

static inline double bench_median(double *value, int count)
{
    qsort(value, (size_t)count, sizeof *value, bench_order);
    return count % 2 ? value[count / 2] : (value[count / 2 - 1] + value[count / 2]) / 2;
}

/* One block, in ns. */
static inline double bench_block(const bench_side *side, int64_t count)
{
    if (side->before) side->before(side->state);
    const double warm = bench_ns();
    do side->run(side->state, 1); /* at least once: brings its data back into the cache */
    while (bench_ns() - warm < side->warm_ns);
    const double start = bench_ns();
    side->run(side->state, count);
    const double ns = bench_ns() - start;
    if (side->after) side->after(side->state);
    return ns;
}

/* How often a block repeats its work to last about as long as it should. */
static inline int64_t bench_count(const bench_side *side)
{
    const double enough = bench_quick() ? 1e6 : 5e6;
    for (int64_t count = 1;; count *= 2) {
        const double ns = bench_block(side, count);
        if (ns >= enough / 2) return (int64_t)fmax(1, (double)count * enough / ns);
    }
}

/* Nanoseconds per repetition of each side: the medians of blocks that take turns. */
static inline void bench_take_turns(const bench_side *side, int sides, double *ns)
{
    double all[MAX_SIDES][BLOCKS];
    int64_t count[MAX_SIDES];
    const int blocks = bench_quick() ? QUICK_BLOCKS : BLOCKS;
    for (int i = 0; i < sides; i++) count[i] = bench_count(&side[i]);
    for (int b = 0; b < blocks; b++)
        for (int i = 0; i < sides; i++)
            all[i][b] = bench_block(&side[i], count[i]) / (double)count[i];
    for (int i = 0; i < sides; i++) ns[i] = bench_median(all[i], blocks);
}

/* case, unit, Gradus, floor, Gradus's time over the floor's; a floor of 0 is none. */
static inline void bench_report(const char *name, const char *unit, double gradus, double floor)
{
    const bool rate = !strcmp(unit, "GB/s");
    printf("%s\t%s\t%.4g\t", name, unit, gradus);
    if (floor > 0)
        printf("%.4g\t%.2f\n", floor, rate ? floor / gradus : gradus / floor);
    else
        printf("-\t-\n");
    fflush(stdout);
}
#endif
