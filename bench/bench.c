/* bench.c - what a call costs: the tutorial's epoch, small ops, chains, a loop without scopes.
 * Usage: bench [part of a case's name]; BENCH_QUICK=1 measures shorter blocks. */
#include "bench.h"
#include "models.h"

/* ---- the linear-regression tutorial ---- */

enum { LANES = 8 };
static const float RATE = (float)LEARNING_RATE;

/* The same without a framework; sums in the library's order: lanes for the loss and db, one chain
 * for dw. */
typedef struct {
    float x[SAMPLES], y[SAMPLES];
    float dy[SAMPLES]; /* d(loss)/d(prediction) */
    float w, b, dw, db, loss;
} plain_tutorial;

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

/* The sum of x, or of its squares: four chains of lanes, then the tail in order, then the lanes. */
static inline float sum_of(const float *x, bool squares)
{
    enum { VECTORS = SAMPLES / LANES };
    lanes chain[4] = {{0}};
    for (int i = 0; i < VECTORS; i++) {
        lanes v = *(const lanes *)(x + i * LANES);
        if (squares) v *= v;
        chain[i % 4] += v;
    }
    const lanes all = chain[0] + chain[1] + chain[2] + chain[3];
    float sum = 0;
    for (int i = VECTORS * LANES; i < SAMPLES; i++) sum += squares ? x[i] * x[i] : x[i];
    for (int i = 0; i < LANES; i++) sum += all[i];
    return sum;
}

__attribute__((noinline)) static void plain_epoch(plain_tutorial *t)
{
    float error[SAMPLES], product[SAMPLES];
    const float w = t->w, b = t->b;
    for (int i = 0; i < SAMPLES; i++) error[i] = t->x[i] * w + b - t->y[i];
    for (int i = 0; i < SAMPLES; i++) t->dy[i] = 2.0f / SAMPLES * error[i];
    for (int i = 0; i < SAMPLES; i++) product[i] = t->dy[i] * t->x[i];
    float dw = 0;
    for (int i = 0; i < SAMPLES; i++) dw += product[i];
    t->loss = sum_of(error, true) / SAMPLES;
    t->db = sum_of(t->dy, false);
    t->dw = dw;
    t->w = w - RATE * dw;
    t->b = b - RATE * t->db;
}

static void plain_epochs(void *state, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        plain_epoch(state);
        bench_consume(state);
    }
}

static void check_tutorial(const training *t, plain_tutorial *p)
{
    const gr_tensor *w = gr_module_tensor(t->model, "weight"),
                    *b = gr_module_tensor(t->model, "bias");
    p->w = (float)gr_item(w);
    p->b = (float)gr_item(b);
    for (int i = 0; i < 20; i++) {
        const double loss = train(t, true);
        plain_epoch(p);
        bench_same(loss, (double)p->loss, 1e-6, "the tutorial's loss");
    }
    bench_same(gr_item(w), (double)p->w, 1e-6, "the tutorial's weight");
    bench_same(gr_item(b), (double)p->b, 1e-6, "the tutorial's bias");
}

static void bench_tutorial(void)
{
    const char *name = "W1: tutorial epoch";
    if (!bench_wanted(name)) return;
    gr_scope all = gr_scope_begin();
    gr_manual_seed(0);
    training t = make_tutorial();
    static plain_tutorial p;
    gr_to_array(t.x, p.x, SAMPLES);
    gr_to_array(t.target, p.y, SAMPLES);
    check_tutorial(&t, &p);
    const bench_side side[] = {{.run = train_steps, .state = &t},
                               {.run = plain_epochs, .state = &p}};
    double ns[2];
    bench_take_turns(side, 2, ns);
    bench_report(name, "ns", ns[0], ns[1]);
    gr_scope_end(all);
    bench_require(true, name);
}

/* ---- an op on one element ---- */

enum { PER_SCOPE = 1000, SPIKE = 100000 };

typedef struct {
    gr_tensor *a, *b;
    bool no_grad;
} operands;

/* One repetition is a scope of PER_SCOPE ops. */
static void add_in_scopes(void *state, int64_t count)
{
    const operands *o = state;
    for (int64_t i = 0; i < count; i++) {
        gr_scope scope = o->no_grad ? gr_no_grad_begin() : gr_scope_begin();
        for (int j = 0; j < PER_SCOPE; j++) bench_consume(gr_add(o->a, o->b));
        gr_scope_end(scope);
    }
}

static void make_spike(void)
{
    gr_scope scope = gr_scope_begin();
    for (int i = 0; i < SPIKE; i++) bench_consume(gr_ones(1, 1));
    gr_scope_end(scope);
}

static void bench_add(const char *name, bool no_grad, bool spike)
{
    if (!bench_wanted(name)) return;
    gr_scope all = gr_scope_begin();
    if (spike) make_spike();
    operands o = {gr_ones(1, 1), gr_ones(1, 1), no_grad};
    gr_requires_grad_(o.a, true);
    double ns;
    bench_take_turns(&(bench_side){.run = add_in_scopes, .state = &o}, 1, &ns);
    bench_report(name, "ns/op", ns / PER_SCOPE, 0);
    gr_scope_end(all);
    bench_require(true, name);
}

/* ---- a chain, forward and backward ---- */

enum { CHAIN = 1000 };

typedef struct {
    gr_tensor *x, *a, *b, *ones;
} chain;

static void run_chain(void *state, int64_t count)
{
    const chain *c = state;
    for (int64_t i = 0; i < count; i++) {
        gr_scope scope = gr_scope_begin();
        gr_tensor *y = c->x;
        for (int j = 0; j < CHAIN; j += 2) y = gr_mul(gr_add(y, c->a), c->b);
        gr_zero_grad(c->x);
        gr_backward(y, .gradient = c->ones);
        gr_scope_end(scope);
    }
}

static void bench_chain(int64_t elements)
{
    char name[64];
    snprintf(name, sizeof name, "chain of 1000, %lld elements", (long long)elements);
    if (!bench_wanted(name)) return;
    gr_scope all = gr_scope_begin();
    chain c = {gr_ones(elements), gr_full(1e-3, elements), gr_full(0.999, elements),
               gr_ones(elements)};
    gr_requires_grad_(c.x, true);
    run_chain(&c, 1);
    bench_same(gr_at(gr_grad(c.x), 0), pow((double)0.999f, CHAIN / 2), 1e-4, name);
    double ns;
    bench_take_turns(&(bench_side){.run = run_chain, .state = &c}, 1, &ns);
    bench_report(name, "ns/op", ns / CHAIN, 0);
    gr_scope_end(all);
    bench_require(true, name);
}

/* ---- a loop without scopes ---- */

enum { TENTHS = 9, TENTH = 10000 };

/* ns per op for each TENTH results in turn */
static void flat_loop(double *ns)
{
    gr_tensor *a = gr_requires_grad_(gr_ones(1, 1), true), *b = gr_ones(1, 1);
    for (int i = 0; i < TENTHS; i++) {
        const double start = bench_ns();
        for (int j = 0; j < TENTH; j++) bench_consume(gr_add(a, b));
        ns[i] = (bench_ns() - start) / TENTH;
    }
    bench_require(true, "the loop without scopes");
    gr_shutdown();
}

static void bench_flat(void)
{
    const char *name[] = {"no scopes: first 10,000 of 90,000", "no scopes: last 10,000 of 90,000"};
    if (!bench_wanted(name[0]) && !bench_wanted(name[1])) return;
    double first[BLOCKS], last[BLOCKS], ns[TENTHS];
    for (int i = 0; i < BLOCKS; i++) {
        flat_loop(ns);
        first[i] = ns[0];
        last[i] = ns[TENTHS - 1];
    }
    bench_report(name[0], "ns/op", bench_median(first, BLOCKS), 0);
    bench_report(name[1], "ns/op", bench_median(last, BLOCKS), 0);
}

int main(int argc, char **argv)
{
    bench_filter = argc > 1 ? argv[1] : NULL;
    gr_set_num_threads(1);
    bench_tutorial();
    bench_add("add 1x1, recorded", false, false);
    bench_add("add 1x1, no_grad", true, false);
    bench_add("add 1x1, recorded, after a spike", false, true);
    bench_add("add 1x1, no_grad, after a spike", true, true);
    bench_chain(1);
    bench_chain(100);
    bench_chain(1000);
    bench_flat();
    gr_shutdown();
    return 0;
}
