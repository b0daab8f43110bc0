/* index.c - slices of a tensor along a dimension, taken or added to by index. */
#include <string.h>

#include "core/cpu/cpu.h"

typedef struct {
    gr_tensor slice, slices; /* without the dimension: of the indexed tensor, of the tensor of as many slices as indices */
    char *data, *slices_data;
    int64_t step, slices_step; /* bytes from slice to slice */
    const gr_tensor *index;
    bool flat; /* the elements of each slice lie side by side */
    gr_walk walk, gather, scatter; /* walk: from a slice of the one to a slice, or a buffer, of the other */
} job;

static gr_tensor without(const gr_tensor *x, int dim)
{
    gr_tensor slice = *x;
    slice.dim--;
    slice.numel = 1;
    for (int d = 0; d < slice.dim; d++) {
        slice.axis[d] = x->axis[d < dim ? d : d + 1];
        slice.numel = gr_times(slice.numel, slice.axis[d].size);
    }
    slice.contiguous = gr_is_row_major(&slice);
    return slice;
}

static void make_job(job *j, const gr_tensor *x, const gr_tensor *slices, int dim, const gr_tensor *index)
{
    const int64_t bytes = gr_dtype_size[x->dtype];
    j->slice = without(x, dim);
    j->slices = without(slices, dim);
    j->data = x->data;
    j->slices_data = slices->data;
    j->step = x->axis[dim].stride * bytes;
    j->slices_step = slices->axis[dim].stride * bytes;
    j->index = index;
    j->flat = j->slice.contiguous && j->slices.contiguous;
}

static inline int64_t index_at(const job *j, int64_t i)
{
    return ((const int64_t *)(const void *)j->index->data)[i * j->index->axis[0].stride];
}

/* ---- index_select ---- */

static void select_slices(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    const int64_t n = j->slice.numel;
    const size_t bytes = (size_t)n * gr_dtype_size[j->slice.dtype];
    for (int64_t i = begin; i < end; i++) {
        char *to = j->slices_data + i * j->slices_step;
        const char *from = j->data + index_at(j, i) * j->step;
        if (j->flat)
            memcpy(to, from, bytes);
        else
            gr_walk_run(&j->walk, to, from, 0, n);
    }
}

void gr_cpu_index_select(gr_tensor *y, const gr_tensor *x, int dim, const gr_tensor *index)
{
    job j;
    if (y->numel == 0) return;
    make_job(&j, x, y, dim, index);
    gr_walk_between(&j.walk, &j.slices, &j.slice);
    gr_parallel(index->numel, gr_grain_of(j.slice.numel), select_slices, &j);
}

/* ---- index_add: pieces are places within the slice, so that each place adds in the order of the index ---- */

enum { FEWEST_PLACES = 64 }; /* of a piece, which goes through the whole index */

static void add_piece(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    const gr_dtype dtype = gr_loop_dtype(j->slice.dtype);
    const bool flat = j->flat && dtype == (gr_dtype)j->slice.dtype;
    const int64_t bytes = gr_dtype_size[dtype];
    gr_forward_loop *add = gr_elementwise_loops_now[dtype]->forward[GR_E_add];
    _Alignas(64) char tile[2][GR_TILE * GR_MAX_BYTES];
    for (int64_t i = 0; i < j->index->numel; i++) {
        char *to = j->data + index_at(j, i) * j->step;
        const char *from = j->slices_data + i * j->slices_step;
        if (flat) {
            const void *in[2] = {to + begin * bytes, from + begin * bytes};
            add(to + begin * bytes, in, 3, end - begin, NULL);
            continue;
        }
        for (int64_t at = begin; at < end; at += GR_TILE) {
            const int64_t stop = end - at < GR_TILE ? end : at + GR_TILE;
            const void *in[2] = {tile[0], tile[1]};
            gr_walk_run(&j->gather, tile[0], to, at, stop);
            gr_walk_run(&j->walk, tile[1], from, at, stop);
            add(tile[0], in, 3, stop - at, NULL);
            gr_walk_run(&j->scatter, to, tile[0], at, stop);
        }
    }
}

void gr_cpu_index_add(gr_tensor *x, int dim, const gr_tensor *index, const gr_tensor *y)
{
    job j;
    if (y->numel == 0) return;
    make_job(&j, x, y, dim, index);
    const gr_dtype dtype = gr_loop_dtype(x->dtype);
    gr_walk_gather(&j.gather, &j.slice, &j.slice, dtype);
    gr_walk_scatter(&j.scatter, &j.slice, dtype);
    gr_walk_gather(&j.walk, &j.slices, &j.slices, dtype);
    const int64_t grain = gr_grain_of(index->numel), least = gr_parallel_from(FEWEST_PLACES);
    gr_parallel(j.slice.numel, grain > least ? grain : least, add_piece, &j);
}
