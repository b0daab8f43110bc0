/* copy.c - copying between any strides and dtypes. */
#include <string.h>

#include "core/cpu/cpu.h"

/* ---- walks ---- */

/* Appends a dimension, or widens the last one by it. */
static void put_axis(gr_walk *w, int64_t size, int64_t to, int64_t from)
{
    const int last = w->dim - 1;
    if (last >= 0 && w->to[last] == gr_times(to, size) && w->from[last] == gr_times(from, size)) {
        w->size[last] *= size;
        w->to[last] = to;
        w->from[last] = from;
        return;
    }
    w->size[w->dim] = size;
    w->to[w->dim] = to;
    w->from[w->dim++] = from;
}

/* Stride of x along dimension d of `shape`, to which x is broadcast. */
static int64_t stride_in(const gr_tensor *x, const gr_tensor *shape, int d)
{
    const int own = d - (shape->dim - x->dim);
    return own < 0 || x->axis[own].size == 1 ? 0 : x->axis[own].stride;
}

/* A walk over `shape`'s elements. NULL stands for a buffer. */
static void make(gr_walk *w, const gr_tensor *to, const gr_tensor *from, const gr_tensor *shape)
{
    int64_t packed[GR_MAX_DIMS], stride = 1;
    for (int d = shape->dim; d-- > 0; stride = gr_times(stride, shape->axis[d].size)) packed[d] = stride;
    w->dim = 0;
    w->to_buffer = !to;
    w->from_buffer = !from;
    for (int d = 0; d < shape->dim; d++)
        if (shape->axis[d].size != 1)
            put_axis(w, shape->axis[d].size, to ? stride_in(to, shape, d) : packed[d],
                     from ? stride_in(from, shape, d) : packed[d]);
    if (w->dim == 0) put_axis(w, 1, 1, 1);
}

static void set_dtypes(gr_walk *w, int to, int from)
{
    w->to_dtype = (gr_dtype)to;
    w->from_dtype = (gr_dtype)from;
    w->to_bytes = gr_dtype_size[to];
    w->from_bytes = gr_dtype_size[from];
    w->convert = gr_converts[to][from];
}

void gr_walk_gather(gr_walk *w, const gr_tensor *x, const gr_tensor *shape, gr_dtype dtype)
{
    set_dtypes(w, dtype, x->dtype);
    make(w, NULL, x, shape);
}

void gr_walk_scatter(gr_walk *w, const gr_tensor *y, gr_dtype dtype)
{
    set_dtypes(w, y->dtype, dtype);
    make(w, y, NULL, y);
}

void gr_walk_between(gr_walk *w, const gr_tensor *y, const gr_tensor *x)
{
    set_dtypes(w, y->dtype, x->dtype);
    make(w, y, x, y);
}

/* Dimension d as the rows, the last one as the columns. */
static gr_block block_of(const gr_walk *w, int d)
{
    gr_block b;
    const int last = w->dim - 1;
    gr_block_dtypes(&b, w->to_dtype, w->from_dtype);
    b.to_row = w->to[d];
    b.to_column = w->to[last];
    b.from_row = w->from[d];
    b.from_column = w->from[last];
    return b;
}

void gr_walk_run(const gr_walk *w, void *to, const void *from, int64_t begin, int64_t end)
{
    int64_t at[GR_MAX_DIMS], rest = begin;
    int64_t put = w->to_buffer ? -begin : 0, take = w->from_buffer ? -begin : 0;
    const int last = w->dim - 1;
    for (int d = last; d >= 0; d--) {
        at[d] = d ? rest % w->size[d] : rest;
        rest = d ? rest / w->size[d] : 0;
        put += at[d] * w->to[d];
        take += at[d] * w->from[d];
    }
    gr_block block;
    if (last > 0) block = block_of(w, last - 1);
    const bool across = last > 0 && gr_block_lies_across(&block);
    while (begin < end) {
        const int64_t row = w->size[last] - at[last], run = row < end - begin ? row : end - begin;
        char *y = (char *)to + put * w->to_bytes;
        const char *x = (const char *)from + take * w->from_bytes;
        int64_t rows = 0;
        if (across && at[last] == 0) { /* whole rows at once */
            const int64_t left = w->size[last - 1] - at[last - 1], whole = (end - begin) / row;
            rows = left < whole ? left : whole;
        }
        int d = rows > 0 ? last - 1 : last;
        const int64_t steps = rows > 0 ? rows : run;
        if (rows > 0)
            gr_block_run(&block, y, x, rows, row);
        else
            w->convert(y, w->to[last], x, w->from[last], run);
        if ((begin += rows > 0 ? rows * row : run) == end) return;
        at[d] += steps;
        put += steps * w->to[d];
        take += steps * w->from[d];
        for (; at[d] == w->size[d]; d--) {
            put += w->to[d - 1] - at[d] * w->to[d];
            take += w->from[d - 1] - at[d] * w->from[d];
            at[d] = 0;
            at[d - 1]++;
        }
    }
}

void gr_walk_columns(const gr_walk *w, int64_t columns, void *to, const void *from, int64_t row, int64_t rows, int64_t column,
                     int64_t width)
{
    if (w->dim == 2 && w->size[1] == columns) {
        gr_block b = block_of(w, 0);
        b.to_row = width;
        gr_block_run(&b, to, (const char *)from + (row * w->from[0] + column * w->from[1]) * w->from_bytes, rows, width);
        return;
    }
    for (int64_t r = 0; r < rows; r++) {
        const int64_t first = (row + r) * columns + column;
        gr_walk_run(w, (char *)to + r * width * w->to_bytes, from, first, first + width);
    }
}

/* ---- copy ---- */

typedef struct {
    gr_walk walk;
    char *to;
    const char *from;
    int fast;       /* the dimension along which x lies densest, where that is not the last */
    int64_t strips; /* of SQUARE rows along it */
} copy_job;

static void copy_elements(void *context, int64_t begin, int64_t end)
{
    const copy_job *j = context;
    gr_walk_run(&j->walk, j->to, j->from, begin, end);
}

static void copy_bytes(void *context, int64_t begin, int64_t end)
{
    const copy_job *j = context;
    memcpy(j->to + begin, j->from + begin, (size_t)(end - begin));
}

/* A transposed copy goes square by square, so that the lines it touches on both sides stay in the cache. */
enum {
    SQUARE = 32,     /* elements of a side */
    SQUARE_FROM = 8, /* along both dimensions, from which squares pay */
    GRAIN_BYTES = 16 * GR_GRAIN /* of a piece that is copied as it is */
};

static void copy_strip(const gr_walk *w, const gr_block *b, int64_t rows, char *to, const char *from)
{
    const int64_t columns = w->size[w->dim - 1];
    for (int64_t c = 0; c < columns; c += SQUARE)
        gr_block_run(b, to + c * b->to_column * b->to_bytes, from + c * b->from_column * b->from_bytes, rows,
                     columns - c < SQUARE ? columns - c : SQUARE);
}

/* Strips [begin, end); the dimensions beside the square's two are counted outside the strips. */
static void copy_strips(void *context, int64_t begin, int64_t end)
{
    const copy_job *j = context;
    const gr_walk *w = &j->walk;
    const gr_block b = block_of(w, j->fast);
    for (int64_t s = begin; s < end; s++) {
        const int64_t first = s % j->strips * SQUARE, left = w->size[j->fast] - first;
        int64_t rest = s / j->strips, put = first * b.to_row, take = first * b.from_row;
        for (int d = w->dim - 2; d >= 0; d--) {
            if (d == j->fast) continue;
            put += rest % w->size[d] * w->to[d];
            take += rest % w->size[d] * w->from[d];
            rest /= w->size[d];
        }
        copy_strip(w, &b, left < SQUARE ? left : SQUARE, j->to + put * w->to_bytes, j->from + take * w->from_bytes);
    }
}

/* The dimension to walk along together with the last one, or -1 where plain rows do. */
static int transposed_dim(const gr_walk *w)
{
    const int last = w->dim - 1;
    int fast = -1;
    for (int d = 0; d < last && w->size[last] >= SQUARE_FROM; d++) {
        const gr_block b = block_of(w, d);
        if (w->size[d] >= SQUARE_FROM && gr_block_lies_across(&b) && (fast < 0 || w->from[d] < w->from[fast])) fast = d;
    }
    return fast;
}

/* Writing in the order of y's memory is best: its dimensions by falling stride. */
static void sort_axes(gr_walk *w)
{
    const gr_walk given = *w;
    int order[GR_MAX_DIMS];
    for (int d = 0; d < given.dim; d++) {
        int at = d;
        for (; at > 0 && given.to[order[at - 1]] < given.to[d]; at--) order[at] = order[at - 1];
        order[at] = d;
    }
    w->dim = 0;
    for (int d = 0; d < given.dim; d++) put_axis(w, given.size[order[d]], given.to[order[d]], given.from[order[d]]);
}

void gr_cpu_copy(gr_tensor *y, const gr_tensor *x)
{
    const int64_t n = y->numel;
    if (n == 0) return;
    copy_job j;
    j.to = y->data;
    j.from = x->data;
    if (y->contiguous && x->contiguous && x->numel == n && x->dtype == y->dtype) {
        const int64_t bytes = n * gr_dtype_size[y->dtype];
        if (gr_likely(j.to != j.from)) gr_parallel(bytes, gr_parallel_from(GRAIN_BYTES), copy_bytes, &j);
        return;
    }
    set_dtypes(&j.walk, y->dtype, x->dtype);
    make(&j.walk, y, x, y);
    if (!y->contiguous) sort_axes(&j.walk);
    j.fast = transposed_dim(&j.walk);
    if (j.fast < 0) {
        gr_parallel(n, gr_grain(), copy_elements, &j);
        return;
    }
    const int64_t rows = j.walk.size[j.fast], columns = j.walk.size[j.walk.dim - 1];
    j.strips = (rows + SQUARE - 1) / SQUARE;
    gr_parallel(n / rows / columns * j.strips, gr_grain_of(SQUARE * columns), copy_strips, &j);
}

/* ---- fill ---- */

typedef struct {
    char *y;
    const void *value;
    int dtype;
} fill_job;

static void fill_piece(void *context, int64_t begin, int64_t end)
{
    const fill_job *j = context;
    gr_elementwise_loops_now[j->dtype]->fill(j->y + begin * gr_dtype_size[j->dtype], j->value, end - begin);
}

void gr_cpu_fill(gr_tensor *y, gr_value value)
{
    int64_t number; /* holds an element of any dtype */
    gr_number_as(&number, (gr_dtype)y->dtype, value);
    if (gr_likely(y->contiguous)) {
        fill_job j = {y->data, &number, y->dtype};
        gr_parallel(y->numel, gr_grain(), fill_piece, &j);
        return;
    }
    gr_tensor one = *y;
    one.dim = 0;
    one.numel = 1;
    one.contiguous = true;
    one.data = (char *)&number;
    gr_cpu_copy(y, &one);
}
