/* extremum.c - the gradient of the largest or smallest elements: shared evenly among equals. */
#include <string.h>

#include "core/cpu/cpu.h"

/* x seen as [rows, n]: the kept dimensions first; y and dy as [rows]. */
typedef struct {
    gr_tensor view, into; /* x, dx */
    gr_walk x_walk, y_walk, dy_walk, dx_gather, dx_walk;
    const gr_tensor *y, *dy;
    int64_t n;
    bool add, direct; /* x's and dx's rows lie side by side */
} job;

static int keep_dims(gr_tensor *view, const gr_tensor *x, unsigned dims, bool reduced)
{
    for (int d = 0; d < x->dim; d++)
        if ((dims >> d & 1) == reduced) view->axis[view->dim++] = x->axis[d];
    return view->dim;
}

static gr_tensor permuted(const gr_tensor *x, unsigned dims)
{
    gr_tensor view = *x;
    view.dim = 0;
    keep_dims(&view, x, dims, false);
    keep_dims(&view, x, dims, true);
    view.contiguous = gr_is_row_major(&view);
    return view;
}

/* t, with or without the reduced dimensions, as one value per row */
static void walk_rows(gr_walk *w, const gr_tensor *t, const gr_tensor *x, unsigned dims)
{
    gr_tensor rows = *t;
    if (t->dim == x->dim) {
        rows.dim = 0;
        keep_dims(&rows, t, dims, false);
    }
    gr_walk_gather(w, &rows, &rows, (gr_dtype)t->dtype);
}

/* share = dy / count, in dx's dtype */
static void divide(int dtype, void *share, const void *dy, int64_t count)
{
    int64_t number;
    const void *in[2] = {dy, &number};
    gr_converts[dtype][GR_INT64](&number, 1, &count, 1, 1);
    gr_elementwise_loops_now[dtype]->forward[GR_E_div](share, in, 3, 1, NULL);
}

static void spread_row(const job *j, int64_t r, const void *y, const void *dy)
{
    const gr_reduce_loops *loops = gr_reduce_loops_now[j->view.dtype];
    const int64_t bytes = gr_dtype_size[j->view.dtype], begin = r * j->n, end = begin + j->n;
    _Alignas(64) char tile[2][GR_TILE * GR_MAX_BYTES];
    int64_t share, equal = 0;
    if (j->direct)
        equal = loops->count_equal(j->view.data + begin * bytes, y, j->n);
    else
        for (int64_t at = begin; at < end; at += GR_TILE) {
            const int64_t count = end - at < GR_TILE ? end - at : GR_TILE;
            gr_walk_run(&j->x_walk, tile[0], j->view.data, at, at + count);
            equal += loops->count_equal(tile[0], y, count);
        }
    divide(j->view.dtype, &share, dy, equal);
    if (j->direct) {
        loops->spread_equal(j->into.data + begin * bytes, j->add, j->view.data + begin * bytes, y, &share, j->n);
        return;
    }
    for (int64_t at = begin; at < end; at += GR_TILE) {
        const int64_t count = end - at < GR_TILE ? end - at : GR_TILE;
        gr_walk_run(&j->x_walk, tile[0], j->view.data, at, at + count);
        if (j->add) gr_walk_run(&j->dx_gather, tile[1], j->into.data, at, at + count);
        loops->spread_equal(tile[1], j->add, tile[0], y, &share, count);
        gr_walk_run(&j->dx_walk, j->into.data, tile[1], at, at + count);
    }
}

static void row_piece(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    for (int64_t r = begin; r < end; r++) {
        int64_t y, dy;
        gr_walk_run(&j->y_walk, &y, j->y->data, r, r + 1);
        gr_walk_run(&j->dy_walk, &dy, j->dy->data, r, r + 1);
        spread_row(j, r, &y, &dy);
    }
}

/* share = dy / number of equals, dx = share * (x == y). Where y is NaN nothing is equal: every dx becomes NaN. */
bool gr_cpu_extremum_back(gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *y,
                          unsigned dims)
{
    job j;
    if (x->numel == 0) return true;
    j.view = permuted(x, dims);
    j.into = permuted(dx, dims);
    j.direct = j.view.contiguous && j.into.contiguous;
    j.n = 1;
    for (int d = 0; d < x->dim; d++)
        if (dims >> d & 1) j.n *= x->axis[d].size;
    j.y = y;
    j.dy = dy;
    j.add = add;
    walk_rows(&j.y_walk, y, x, dims);
    walk_rows(&j.dy_walk, dy, x, dims);
    gr_walk_gather(&j.x_walk, &j.view, &j.view, (gr_dtype)x->dtype);
    gr_walk_gather(&j.dx_gather, &j.into, &j.into, (gr_dtype)x->dtype);
    gr_walk_scatter(&j.dx_walk, &j.into, (gr_dtype)x->dtype);
    gr_parallel(x->numel / j.n, gr_grain_of(j.n), row_piece, &j);
    return true;
}
