/* index.c - slices of a tensor along a dimension, taken or added to by index. */
#include <string.h>

#include "core/cpu/cpu.h"

typedef struct {
    gr_tensor slice, slices; /* without the dimension: of the indexed tensor, of the tensor of as many slices as indices */
    char *data, *slices_data;
    int64_t step, slices_step; /* bytes from slice to slice */
    const gr_tensor *index;
    bool flat; /* the elements of each slice lie side by side */
    /* Each slice has `outer` rows of `inner` elements side by side, the dimensions before and those after; 0: not so. */
    int64_t outer, inner;
    const gr_tensor *x, *y; /* the indexed tensor, and that of as many slices as indices */
    int dim;
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

/* How many elements the dimensions from `first` on have; 0 where they do not lie row-major. */
static int64_t side_by_side(const gr_tensor *x, int first)
{
    int64_t count = 1;
    for (int d = x->dim; d-- > first; count *= x->axis[d].size)
        if (x->axis[d].size != 1 && x->axis[d].stride != count) return 0;
    return count;
}

enum { FEWEST_ROWS = 64, LONG_ROW = 16 };

static void make_job(job *j, const gr_tensor *x, const gr_tensor *slices, int dim, const gr_tensor *index)
{
    j->x = x;
    j->y = slices;
    j->dim = dim;
    j->inner = side_by_side(x, dim + 1);
    if (side_by_side(slices, dim + 1) != j->inner) j->inner = 0;
    const int64_t bytes = gr_dtype_size[x->dtype];
    j->slice = without(x, dim);
    j->slices = without(slices, dim);
    j->data = x->data;
    j->slices_data = slices->data;
    j->step = x->axis[dim].stride * bytes;
    j->slices_step = slices->axis[dim].stride * bytes;
    j->index = index;
    j->flat = j->slice.contiguous && j->slices.contiguous;
    j->outer = j->inner ? j->slice.numel / j->inner : 0;
    if (j->outer < FEWEST_ROWS && j->inner >= LONG_ROW) j->outer = 0; /* few threads would share them */
}

/* Where row o of x's first slice begins, in bytes. */
static int64_t row_offset(const gr_tensor *x, int dim, int64_t o)
{
    int64_t offset = 0;
    for (int d = dim; d-- > 0; o /= x->axis[d].size) offset += o % x->axis[d].size * x->axis[d].stride;
    return offset * gr_dtype_size[x->dtype];
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

/* Elements of any dtype. */
typedef uint8_t byte __attribute__((may_alias));
typedef uint16_t half_word __attribute__((may_alias));
typedef uint32_t word __attribute__((may_alias));
typedef uint64_t double_word __attribute__((may_alias));

/* Rows of one element each. */
#define TAKE(type) \
    for (int64_t i = 0; i < n; i++) ((type *)(void *)to)[i * to_step] = ((const type *)(const void *)from)[index[i * every] * step]

/* Rows [begin, end) of all slices. */
static void select_rows(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    const int64_t *index = (const int64_t *)(const void *)j->index->data, every = j->index->axis[0].stride, n = j->index->numel;
    const int64_t bytes = gr_dtype_size[j->x->dtype], step = j->step / bytes, to_step = j->slices_step / bytes;
    for (int64_t o = begin; o < end; o++) {
        const char *from = j->data + row_offset(j->x, j->dim, o);
        char *to = j->slices_data + row_offset(j->y, j->dim, o);
        if (j->inner == 1 && bytes == 1)
            TAKE(byte);
        else if (j->inner == 1 && bytes == 2)
            TAKE(half_word);
        else if (j->inner == 1 && bytes == 4)
            TAKE(word);
        else if (j->inner == 1)
            TAKE(double_word);
        else
            for (int64_t i = 0; i < n; i++)
                memcpy(to + i * j->slices_step, from + index[i * every] * j->step, (size_t)(j->inner * bytes));
    }
}

void gr_cpu_index_select(gr_tensor *y, const gr_tensor *x, int dim, const gr_tensor *index)
{
    job j;
    if (y->numel == 0) return;
    make_job(&j, x, y, dim, index);
    if (j.outer > 1) {
        gr_parallel(j.outer, gr_grain_of(index->numel * j.inner), select_rows, &j);
        return;
    }
    gr_walk_between(&j.walk, &j.slices, &j.slice);
    gr_parallel(index->numel, gr_grain_of(j.slice.numel), select_slices, &j);
}

/* ---- index_add: pieces are places within the slice, or its rows, so that each place adds in the order of the index ---- */

#define ADD(type) \
    for (int64_t i = 0; i < n; i++) ((type *)(void *)to)[index[i * every] * step] += ((const type *)(const void *)from)[i * from_step]

static void add_rows(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    gr_forward_loop *add = gr_elementwise_loops_now[j->x->dtype]->forward[GR_E_add];
    const int64_t *index = (const int64_t *)(const void *)j->index->data, every = j->index->axis[0].stride, n = j->index->numel;
    const int64_t bytes = gr_dtype_size[j->x->dtype], step = j->step / bytes, from_step = j->slices_step / bytes;
    for (int64_t o = begin; o < end; o++) {
        char *to = j->data + row_offset(j->x, j->dim, o);
        const char *from = j->slices_data + row_offset(j->y, j->dim, o);
        if (j->inner == 1 && j->x->dtype == GR_FLOAT32)
            ADD(float);
        else if (j->inner == 1 && j->x->dtype == GR_FLOAT64)
            ADD(double);
        else
            for (int64_t i = 0; i < n; i++) {
                char *place = to + index[i * every] * j->step;
                const void *in[2] = {place, from + i * j->slices_step};
                add(place, in, 3, j->inner, NULL);
            }
    }
}

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
    if (j.outer > 1 && dtype == (gr_dtype)x->dtype) {
        gr_parallel(j.outer, gr_grain_of(index->numel * j.inner), add_rows, &j);
        return;
    }
    gr_walk_gather(&j.gather, &j.slice, &j.slice, dtype);
    gr_walk_scatter(&j.scatter, &j.slice, dtype);
    gr_walk_gather(&j.walk, &j.slices, &j.slices, dtype);
    const int64_t grain = gr_grain_of(index->numel), least = gr_parallel_from(FEWEST_PLACES);
    gr_parallel(j.slice.numel, grain > least ? grain : least, add_piece, &j);
}
