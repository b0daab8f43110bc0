/* mlp.c - training steps of multilayer perceptrons: ReLU, mean squared error against one-hot, SGD.
 * Usage: mlp [part of a case's name]; BENCH_QUICK=1 measures shorter blocks. */
#include "bench.h"
#include "models.h"

#ifdef GR_HAVE_CBLAS
#include "mlp_floor.h"

/* OpenBLAS's, where it is OpenBLAS */
extern void openblas_set_num_threads(int) __attribute__((weak));

static void copy_out(const gr_tensor *t, float *to)
{
    gr_to_array(t, to, gr_numel(t));
}

static void load_floor(mlp_floor *f, const network *n, const training *m)
{
    *f = (mlp_floor){.layers = n->layers, .rows = n->rows, .rate = (float)LEARNING_RATE};
    memcpy(f->size, n->size, sizeof f->size);
    floor_make(f);
    copy_out(m->x, f->y[0]);
    copy_out(m->target, f->target);
    const gr_tensors p = gr_parameters(m->model);
    for (int l = 0; l < n->layers; l++) {
        copy_out(p.item[2 * l], f->w[l]);
        copy_out(p.item[2 * l + 1], f->b[l]);
    }
}

static void check_floor(mlp_floor *f, const training *m, const bench_side *floor, const char *name)
{
    const gr_tensors p = gr_parameters(m->model);
    for (int i = 0; i < 3; i++) {
        const double loss = train(m, true);
        if (floor->before) floor->before(f);
        floor->run(f, 1);
        if (floor->after) floor->after(f);
        const bool one = floor->run == floor_one;
        bench_same(loss, (double)(f->loss[0] + (one ? 0 : f->loss[1])), 1e-5, name);
    }
    for (int i = 0; i < p.count; i++) {
        const float *got = gr_data(p.item[i]), *want = i % 2 ? f->b[i / 2] : f->w[i / 2];
        for (int64_t j = 0; j < gr_numel(p.item[i]); j++)
            bench_same((double)got[j], (double)want[j], 1e-5, name);
    }
}

static void blas_threads(int count)
{
    if (openblas_set_num_threads) openblas_set_num_threads(count);
}

/* OpenBLAS's own threads: they spin for a while after their last product, so the next block waits.
 */
enum { SPIN_NS = 60000000 };

static void own_threads_begin(void *state)
{
    (void)state;
    blas_threads(2);
}

static void own_threads_end(void *state)
{
    (void)state;
    blas_threads(1);
    nanosleep(&(struct timespec){0, SPIN_NS}, NULL);
}

static bench_side split_floor(mlp_floor *f)
{
    return (bench_side){floor_two, f, floor_two_begin, floor_two_end, WARM_NS};
}

/* The faster of the two ways to use two threads. */
static bench_side floor_for(mlp_floor *f, int threads)
{
    const bench_side own = {floor_one, f, own_threads_begin, own_threads_end, WARM_NS};
    const bench_side split = split_floor(f);
    if (threads == 1) return (bench_side){.run = floor_one, .state = f};
    double ns[2];
    bench_take_turns((const bench_side[]){split, own}, 2, ns);
    printf("# %d layers, the floor's two threads: own split %.4g ms, OpenBLAS's %.4g ms\n",
           f->layers, ns[0] / 1e6, ns[1] / 1e6);
    return ns[0] <= ns[1] ? split : own;
}

/* Multiplications and additions of a step, without the first layer's dx. */
static double operations(const network *n)
{
    double sum = 0;
    for (int l = 0; l < n->layers; l++)
        sum += 2.0 * n->rows * n->size[l] * n->size[l + 1] * (l ? 3 : 2);
    return sum;
}

/* What the products alone reach, in the floor's shapes: a floor that is much slower is wrong. */
static void products(void *state, int64_t count)
{
    const mlp_floor *m = state;
    for (int64_t i = 0; i < count; i++)
        for (int l = 0; l < m->layers; l++) {
            const int in = m->size[l], out = m->size[l + 1];
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m->rows, out, in, 1, m->y[l], in,
                        m->w[l], in, 0, m->y[l + 1], out);
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, m->rows, 1, m->dy[l + 1],
                        out, m->y[l], in, 0, m->dw[l], in);
            if (l == 0) continue;
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m->rows, in, out, 1,
                        m->dy[l + 1], out, m->w[l], in, 0, m->dy[l], in);
        }
}

static void measure(const network *n, training *m, int threads, const char *name)
{
    mlp_floor f;
    double ns[3];
    load_floor(&f, n, m);
    blas_threads(1);
    const bench_side split = split_floor(&f), one = {.run = floor_one, .state = &f};
    check_floor(&f, m, threads == 1 ? &one : &split, name);
    const bench_side side[] = {{.run = train_steps, .state = m, .warm_ns = threads == 1 ? 0 : WARM_NS},
                               floor_for(&f, threads),
                               {.run = products, .state = &f}};
    bench_take_turns(side, threads == 1 ? 3 : 2, ns);
    bench_report(name, "ms", ns[0] / 1e6, ns[1] / 1e6);
    if (threads == 1)
        printf("# %s: %.0f GFLOP/s, its floor %.0f, its products alone %.0f\n", name,
               operations(n) / ns[0], operations(n) / ns[1], operations(n) / ns[2]);
    floor_free(&f);
}

#else

static void measure(const network *n, training *m, int threads, const char *name)
{
    double ns;
    (void)n, (void)threads;
    bench_take_turns(&(bench_side){.run = train_steps, .state = m}, 1, &ns);
    bench_report(name, "ms", ns / 1e6, 0);
}

#endif

static void bench_network(const network *n, int threads)
{
    char name[96];
    snprintf(name, sizeof name, "%s, %d thread%s", n->name, threads, threads == 1 ? "" : "s");
    if (!bench_wanted(name)) return;
    gr_scope all = gr_scope_begin();
    gr_manual_seed(0);
    gr_set_num_threads(threads);
    training m = make_mlp(n);
    measure(n, &m, threads, name);
    gr_scope_end(all);
    bench_require(true, name);
}

int main(int argc, char **argv)
{
    bench_filter = argc > 1 ? argv[1] : NULL;
#ifndef GR_HAVE_CBLAS
    printf("# built without a BLAS: Gradus multiplies by itself, and there is no floor\n");
#endif
    for (int i = 0; i < NETWORKS; i++)
        for (int threads = 1; threads <= 2; threads++) bench_network(&networks[i], threads);
    gr_shutdown();
    return 0;
}
