/* elementwise.c - every row of elementwise.def beside a copy of as many bytes: 4 KB in the cache,
 * 64 MB in memory. Results go to a block that the pool hands out again.
 * Usage: elementwise [part of a case's name]; BENCH_QUICK=1 measures shorter blocks. */
#include <pthread.h>

#include "bench.h"
#include "rows.h"

/* ---- Gradus ---- */

typedef struct {
    const row *row;
    gr_tensor *in[3];
} op;

static void run_op(void *state, int64_t count)
{
    const op *o = state;
    gr_scope scope = gr_no_grad_begin();
    for (int64_t i = 0; i < count; i++) gr_free(o->row->run(o->in));
    gr_scope_end(scope);
}

/* ---- the floor: memcpy, or a plain loop of loads and stores, which is often faster ---- */

typedef struct {
    char *to;
    const char *from;
    size_t bytes;
    bool plain;
} copy;

typedef int64_t vector __attribute__((vector_size(64), may_alias));

/* Whole vectors; the empty assembly keeps the compiler from making a call of memcpy of it. */
static void plain_copy(char *to, const char *from, size_t bytes)
{
    size_t i = 0;
    for (; i + 256 <= bytes; i += 256) {
        const vector *x = (const void *)(from + i);
        vector *y = (void *)(to + i);
        const vector a = x[0], b = x[1], c = x[2], d = x[3];
        y[0] = a, y[1] = b, y[2] = c, y[3] = d;
        __asm__ volatile("" : : : "memory");
    }
    memcpy(to + i, from + i, bytes - i);
}

static void run_copy(void *state, int64_t count)
{
    const copy *c = state;
    for (int64_t i = 0; i < count; i++) {
        if (c->plain)
            plain_copy(c->to, c->from, c->bytes);
        else
            memcpy(c->to, c->from, c->bytes);
        bench_consume(c->to);
    }
}

static void *copy_part(void *state)
{
    run_copy(state, 1);
    return NULL;
}

/* A thread for the second half, anew each time: starting it costs little beside 64 MB. */
static void run_copy_by_two(void *state, int64_t count)
{
    const copy *c = state;
    const size_t half = c->bytes / 2 / 64 * 64;
    copy first = *c, second = *c;
    first.bytes = half;
    second.to += half, second.from += half, second.bytes -= half;
    for (int64_t i = 0; i < count; i++) {
        pthread_t helper;
        bench_require(pthread_create(&helper, NULL, copy_part, &second) == 0,
                      "a second thread to copy");
        run_copy(&first, 1);
        pthread_join(helper, NULL);
    }
}

/* ---- cases ---- */

typedef struct {
    const char *name;
    int64_t elements;
    int threads;
} place;

static const place places[] = {
    {"4 KB", 1 << 10, 1}, {"64 MB, 1 thread", 1 << 24, 1}, {"64 MB, 2 threads", 1 << 24, 2}};

/* An odd part of a page between source and target, so that no load looks like the store before it.
 */
enum { APART = 1088 };

static void measure(const row *r, const place *p)
{
    char name[64];
    snprintf(name, sizeof name, "%s, %s", r->name, p->name);
    if (!bench_wanted(name)) return;
    gr_scope all = gr_scope_begin();
    gr_manual_seed(0);
    gr_set_num_threads(p->threads);
    op o = {.row = r};
    for (int i = 0; i < r->inputs; i++) o.in[i] = gr_uniform_(gr_empty(p->elements), r->lo, r->hi);
    /* What the row reads and writes; a copy does both with each byte. */
    const size_t each = sizeof(float) * (size_t)r->inputs + (r->gives_bool ? sizeof(bool) : sizeof(float));
    const double moved = (double)p->elements * (double)each;
    const int64_t bytes = (int64_t)(moved / 2);
    char *from = gr_data(gr_zeros_with(GR_SHAPE(bytes), .dtype = GR_UINT8));
    char *to = gr_data(gr_zeros_with(GR_SHAPE(bytes + APART), .dtype = GR_UINT8));
    bench_require(from && to, "memory to copy");
    copy c = {to + APART, from, (size_t)bytes, false},
         plain = {to + APART, from, (size_t)bytes, true};
    void (*run)(void *, int64_t) = p->threads == 1 ? run_copy : run_copy_by_two;
    const bench_side side[] = {
        {.run = run_op, .state = &o, .warm_ns = p->threads == 1 ? 0 : WARM_NS},
        {.run = run, .state = &c},
        {.run = run, .state = &plain}};
    double ns[3];
    bench_take_turns(side, 3, ns);
    bench_report(name, "GB/s", moved / ns[0], moved / fmin(ns[1], ns[2]));
    gr_scope_end(all);
    bench_require(true, name);
}

int main(int argc, char **argv)
{
    bench_filter = argc > 1 ? argv[1] : NULL;
    for (size_t p = 0; p < sizeof places / sizeof *places; p++)
        for (int r = 0; r < ROWS; r++) measure(&rows[r], &places[p]);
    gr_shutdown();
    return 0;
}
