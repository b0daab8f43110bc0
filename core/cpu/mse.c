/* mse.c - mean squared error of x and t, which have one shape: y = sum (x - t)^2, or / n;  dx = 2 (x - t) dy, or / n. */
#include <stdatomic.h>

#include "core/cpu/cpu.h"

typedef struct {
    const gr_tensor *x, *t;
    const gr_reduce_loops *loops;
    gr_walk x_walk, t_walk;
    int64_t bytes;
    char *parts;
    _Atomic bool failed;
} job;

/* Elements [begin, end) side by side: where they lie, or gathered into memory. */
static const char *elements(const gr_walk *w, const gr_tensor *x, char *memory, int64_t begin, int64_t end)
{
    if (gr_walk_is_direct(w)) return x->data + begin * w->from_bytes;
    gr_walk_run(w, memory, x->data, begin, end);
    return memory;
}

static void block_piece(void *context, int64_t begin, int64_t end)
{
    job *j = context;
    const int64_t n = j->x->numel, block = (n < GR_BLOCK ? n : GR_BLOCK) * j->bytes;
    const bool direct = gr_walk_is_direct(&j->x_walk) && gr_walk_is_direct(&j->t_walk);
    char *memory = direct ? NULL : gr_allocate((size_t)(2 * block));
    if (!direct && !memory) {
        atomic_store_explicit(&j->failed, true, memory_order_relaxed);
        return;
    }
    for (int64_t b = begin; b < end; b++) {
        const int64_t at = b * GR_BLOCK, stop = n - at < GR_BLOCK ? n : at + GR_BLOCK;
        const char *x = elements(&j->x_walk, j->x, memory, at, stop);
        const char *t = elements(&j->t_walk, j->t, memory ? memory + block : NULL, at, stop);
        j->loops->squares(j->parts + b * j->bytes, x, t, stop - at, false);
    }
    gr_deallocate(memory);
}

static GR_COLD bool mse_any(gr_tensor *y, const gr_tensor *x, const gr_tensor *t, bool mean)
{
    const int64_t n = x->numel, blocks = n > GR_BLOCK ? (n + GR_BLOCK - 1) / GR_BLOCK : 1;
    job j = {.x = x, .t = t, .loops = gr_reduce_loops_now[x->dtype], .bytes = gr_dtype_size[x->dtype]};
    j.parts = gr_cpu_temporary("mse_loss", "block results", blocks, (size_t)j.bytes);
    if (!j.parts) return false;
    gr_walk_gather(&j.x_walk, x, x, (gr_dtype)x->dtype);
    gr_walk_gather(&j.t_walk, t, x, (gr_dtype)x->dtype);
    gr_parallel(blocks, 1, block_piece, &j);
    const bool ok = !atomic_load_explicit(&j.failed, memory_order_relaxed);
    if (ok)
        j.loops->combine(mean ? GR_REDUCE_MEAN : GR_REDUCE_SUM, y->data, j.parts, blocks, 1, n, false);
    else
        gr_fail_memory((gr_site){NULL, 0}, "mse_loss", "a block of elements", (size_t)(2 * GR_BLOCK * j.bytes));
    gr_deallocate(j.parts);
    return ok;
}

GR_HOT bool gr_cpu_mse(gr_tensor *y, const gr_tensor *x, const gr_tensor *t, bool mean)
{
    if (gr_unlikely(x->numel > GR_BLOCK || x->numel == 0 || !x->contiguous || !t->contiguous)) {
        if (x->numel) return mse_any(y, x, t, mean);
        gr_reduce_loops_now[x->dtype]->rows(mean ? GR_REDUCE_MEAN : GR_REDUCE_SUM, y->data, x->data, 1, 0, false);
        return true;
    }
    gr_reduce_loops_now[x->dtype]->squares(y->data, x->data, t->data, x->numel, mean);
    return true;
}

typedef struct {
    gr_tensor *dx;
    const gr_tensor *x, *t;
    gr_walk x_walk, t_walk;
    const void *scale;
    bool add;
} back_job;

static void back_piece(void *context, int64_t begin, int64_t end)
{
    const back_job *j = context;
    const int64_t bytes = gr_dtype_size[j->dx->dtype];
    _Alignas(64) char tile[2][GR_TILE * GR_MAX_BYTES];
    for (int64_t at = begin; at < end; at += GR_TILE) {
        const int64_t stop = end - at < GR_TILE ? end : at + GR_TILE;
        const char *x = elements(&j->x_walk, j->x, tile[0], at, stop), *t = elements(&j->t_walk, j->t, tile[1], at, stop);
        gr_elementwise_loops_now[j->dx->dtype]->mse_back(j->dx->data + at * bytes, j->add, x, t, j->scale, stop - at);
    }
}

/* sign * (2 or 2/n * dy), rounded as PyTorch does */
static void make_scale(void *scale, int dtype, const void *dy, int64_t n, bool mean, bool negative)
{
    if (dtype == GR_FLOAT32) {
        const float s = (mean ? 2 / (float)n : 2) * *(const float *)dy;
        *(float *)scale = negative ? -s : s;
    } else {
        const double s = (mean ? 2 / (double)n : 2) * *(const double *)dy;
        *(double *)scale = negative ? -s : s;
    }
}

GR_HOT void gr_cpu_mse_back(gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *t, bool mean,
                            bool negative)
{
    double scale;
    const int64_t n = dx->numel;
    if (gr_unlikely(n == 0)) return;
    make_scale(&scale, dx->dtype, dy->data, n, mean, negative);
    if (gr_likely(n <= gr_grain() && x->contiguous && t->contiguous)) {
        gr_elementwise_loops_now[dx->dtype]->mse_back(dx->data, add, x->data, t->data, &scale, n);
        return;
    }
    back_job j = {.dx = dx, .x = x, .t = t, .scale = &scale, .add = add};
    gr_walk_gather(&j.x_walk, x, dx, (gr_dtype)dx->dtype);
    gr_walk_gather(&j.t_walk, t, dx, (gr_dtype)dx->dtype);
    gr_parallel(n, gr_grain(), back_piece, &j);
}
