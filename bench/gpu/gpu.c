/* gpu.c - on CUDA device 0: training steps, every row and some reductions beside a copy within the device's memory, products
 * beside cuBLASLt's bare call, and what a call costs the host.
 * Lines: case, unit, Gradus, floor or -, goal: "floor 0.90" is so much of the floor's speed, "peer 3" a third of PyTorch's time.
 * Usage: gpu [part of a case's name]; BENCH_QUICK=1 measures shorter blocks; BENCH_TINY=1 shrinks everything, so that the
 * program can be tried under the emulator: its figures then mean nothing. */
#include "bench/bench.h"
#include "bench/gpu/floor.h"
#include "bench/models.h"
#include "bench/rows.h"

static bool tiny;
static int64_t sized(int64_t size, int64_t small)
{
    return tiny ? small : size;
}

static void report(const char *name, const char *unit, double gradus, double floor, const char *goal)
{
    printf("%s\t%s\t%.4g\t", name, unit, gradus);
    if (floor > 0) printf("%.4g\t%s\n", floor, goal);
    else printf("-\t%s\n", goal);
    fflush(stdout);
}

static void wait_for_all(void)
{
    bench_require(gr_synchronize(gr_default_device()), "waiting for the device");
}

/* ---- training steps ---- */

static void train_and_wait(void *state, int64_t count)
{
    train_steps(state, count);
    wait_for_all();
}

static void bench_training(const char *name, training t)
{
    double ns;
    bench_require(true, name);
    const double before = train(&t, true);
    bench_take_turns(&(bench_side){.run = train_and_wait, .state = &t}, 1, &ns);
    bench_require(train(&t, true) <= before, "the loss falls");
    report(name, "us", ns / 1e3, 0, "-");
}

static void bench_models(void)
{
    if (bench_wanted("W1: tutorial epoch")) {
        gr_manual_seed(0);
        bench_training("W1: tutorial epoch", make_tutorial());
    }
    for (int i = 0; i < NETWORKS; i++) {
        network n = networks[i];
        if (!bench_wanted(n.name)) continue;
        for (int l = 0; tiny && l < n.layers; l++) n.size[l] /= 16;
        gr_manual_seed(0);
        bench_training(n.name, make_mlp(&n));
    }
}

/* ---- memory ---- */

typedef struct {
    gr_tensor *(*run)(gr_tensor *const *in);
    gr_tensor *in[3];
} op;

static void run_op(void *state, int64_t count)
{
    const op *o = state;
    gr_scope scope = gr_no_grad_begin();
    for (int64_t i = 0; i < count; i++) gr_free(o->run(o->in));
    gr_scope_end(scope);
    wait_for_all();
}

/* A copy of `bytes` reads and writes each once. */
static void beside_copy(const char *name, op *o, double moved, double bytes, const char *goal)
{
    const bench_side side[] = {{.run = run_op, .state = o}, {.run = floor_copy}};
    double ns[2];
    bench_take_turns(side, 2, ns);
    bench_require(true, name);
    report(name, "GB/s", moved / ns[0], 2 * bytes / ns[1], goal);
}

static void bench_row(const row *r, int64_t elements)
{
    char name[64];
    snprintf(name, sizeof name, "%s, 256 MB", r->name);
    if (!bench_wanted(name)) return;
    gr_scope all = gr_scope_begin();
    op o = {.run = r->run};
    for (int i = 0; i < r->inputs; i++) o.in[i] = gr_add(gr_mul(gr_rand(elements), r->hi - r->lo), r->lo);
    const double bytes = 4 * (double)elements;
    beside_copy(name, &o, bytes * r->inputs + (r->gives_bool ? bytes / 4 : bytes), bytes, "floor 0.90");
    gr_scope_end(all);
}

static gr_tensor *sum_of_rows(gr_tensor *const *in)
{
    return gr_sum(in[0], .dim = 1);
}
static gr_tensor *mean_of_rows(gr_tensor *const *in)
{
    return gr_mean(in[0], .dim = 1);
}
static gr_tensor *amax_of_rows(gr_tensor *const *in)
{
    return gr_amax(in[0], .dim = 1);
}
static gr_tensor *sum_of_columns(gr_tensor *const *in)
{
    return gr_sum(in[0], .dim = 0);
}
static gr_tensor *sum_of_all(gr_tensor *const *in)
{
    return gr_sum(in[0]);
}

static const struct {
    const char *name, *goal;
    gr_tensor *(*run)(gr_tensor *const *in);
} reductions[] = {
    {"sum of rows, 256 MB", "floor 0.90", sum_of_rows},   {"mean of rows, 256 MB", "floor 0.90", mean_of_rows},
    {"amax of rows, 256 MB", "floor 0.90", amax_of_rows}, {"sum of columns, 256 MB", "-", sum_of_columns},
    {"sum of all, 256 MB", "-", sum_of_all},
};

static void bench_memory(void)
{
    const int64_t columns = sized(1024, 64), rows_there = sized(65536, 64), elements = rows_there * columns;
    floor_copy_begin(4 * (size_t)elements);
    for (int r = 0; r < ROWS; r++) bench_row(&rows[r], elements);
    for (size_t i = 0; i < sizeof reductions / sizeof *reductions; i++) {
        if (!bench_wanted(reductions[i].name)) continue;
        gr_scope all = gr_scope_begin();
        op o = {.run = reductions[i].run, .in = {gr_rand(rows_there, columns)}};
        const double bytes = 4 * (double)elements;
        beside_copy(reductions[i].name, &o, bytes, bytes, reductions[i].goal);
        gr_scope_end(all);
    }
    floor_copy_end();
    gr_cuda_empty_cache();
}

/* ---- products ---- */

static gr_tensor *multiply(gr_tensor *const *in)
{
    return gr_matmul(in[0], in[1]);
}

static void bench_product(const char *name, floor_product kind, gr_dtype dtype)
{
    const int n = (int)sized(4096, 32);
    double ns[2];
    if (!bench_wanted(name)) return;
    gr_scope all = gr_scope_begin();
    gr_set_float32_matmul_precision(kind == FLOOR_TF32 ? GR_HIGH : GR_HIGHEST);
    op o = {.run = multiply};
    for (int i = 0; i < 2; i++) o.in[i] = gr_to(gr_sub(gr_mul(gr_rand(n, n), 2), 1), .dtype = dtype);
    floor_product_begin(kind, n);
    const bench_side side[] = {{.run = run_op, .state = &o}, {.run = floor_product_run}};
    bench_take_turns(side, 2, ns);
    floor_product_end();
    bench_require(true, name);
    report(name, "ms", ns[0] / 1e6, ns[1] / 1e6, "floor 0.97");
    gr_scope_end(all);
}

/* ---- what a call costs the host: bursts that the device's queue holds, and only then a wait ---- */

enum { BURST = 200, BURSTS = 101 };

static gr_tensor *add(gr_tensor *const *in)
{
    return gr_add(in[0], in[1]);
}
static gr_tensor *sum_of_one(gr_tensor *const *in)
{
    return gr_sum(in[0]);
}

static void bench_call(const char *name, gr_tensor *(*run)(gr_tensor *const *in), int64_t n, bool recorded)
{
    double ns[BURSTS];
    const int bursts = (int)sized(BURSTS, 3);
    if (!bench_wanted(name)) return;
    gr_scope all = gr_scope_begin();
    gr_tensor *const in[] = {gr_requires_grad_(gr_ones(n, n), true), gr_ones(n, n)};
    for (int b = -1; b < bursts; b++) { /* the first one is not counted */
        gr_scope scope = recorded ? gr_scope_begin() : gr_no_grad_begin();
        const double start = bench_ns();
        for (int i = 0; i < BURST; i++) bench_consume(run(in));
        if (b >= 0) ns[b] = (bench_ns() - start) / BURST;
        wait_for_all();
        gr_scope_end(scope);
    }
    bench_require(true, name);
    report(name, "ns/op", bench_median(ns, bursts), 0, "peer 3");
    gr_scope_end(all);
}

int main(int argc, char **argv)
{
    const char *small = getenv("BENCH_TINY");
    bench_filter = argc > 1 ? argv[1] : NULL;
    tiny = small && strcmp(small, "0") != 0;
    bench_require(gr_set_default_device(gr_cuda(0)), "the device");
    printf("# device %s%s\n", floor_device(), tiny ? ", tiny sizes: no measurement" : "");
    bench_models();
    bench_memory();
    bench_product("matmul 4096x4096x4096, float32", FLOOR_FLOAT32, GR_FLOAT32);
    bench_product("matmul 4096x4096x4096, TF32", FLOOR_TF32, GR_FLOAT32);
    bench_product("matmul 4096x4096x4096, bfloat16", FLOOR_BFLOAT16, GR_BFLOAT16);
    bench_call("host: add 1x1, recorded", add, 1, true);
    bench_call("host: add 1x1, no_grad", add, 1, false);
    bench_call("host: sum of 1x1, no_grad", sum_of_one, 1, false);
    bench_call("host: matmul 64x64, no_grad", multiply, 64, false);
    gr_shutdown();
    return 0;
}
