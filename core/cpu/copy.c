/* copy.c - copying between any strides and dtypes. */
#include <string.h>

#include "core/bfloat16.h"
#include "core/cpu/cpu.h"

/* ---- conversion of one run ---- */

/* A number that has no place becomes the lowest integer, as the processor's own conversion has it, and PyTorch. */
static inline int64_t i64_of_real(double x)
{
    return x >= (double)INT64_MIN && x < -(double)INT64_MIN ? (int64_t)x : INT64_MIN;
}
static inline int32_t i32_of_real(double x)
{
    return x >= (double)INT32_MIN && x < -(double)INT32_MIN ? (int32_t)x : INT32_MIN;
}
static inline int64_t i64_of_single(float x)
{
    return i64_of_real((double)x);
}
static inline int32_t i32_of_single(float x)
{
    return i32_of_real((double)x);
}
static inline int64_t i64_of_integer(int64_t x)
{
    return x;
}
static inline int32_t i32_of_integer(int64_t x)
{
    return (int32_t)x;
}
#define WHOLE(as, x) _Generic((x), float: as##_of_single, double: as##_of_real, default: as##_of_integer)(x)

#define AS_f32(x) ((float)(x))
#define AS_f64(x) ((double)(x))
#define AS_i64(x) WHOLE(i64, x)
#define AS_i32(x) WHOLE(i32, x)
#define AS_u8(x) ((uint8_t)WHOLE(i64, x))
#define AS_b8(x) ((x) != 0)
#define AS_b16(x) gr_bfloat16_round((float)(x)) /* a double is rounded twice, as PyTorch does */
#define AS_bits(x) (x)

/* What an element reads as; of bfloat16 by itself only bits are moved. */
#define OF_f32(x) (x)
#define OF_f64(x) (x)
#define OF_i64(x) (x)
#define OF_i32(x) (x)
#define OF_u8(x) (x)
#define OF_b8(x) (x)
#define OF_b16(x) gr_bfloat16_widen(x)
#define OF_bits(x) (x)

#define CONVERT(to_tag, to_type, from_tag, from_type) \
    static void from_tag##_to_##to_tag(void *to, int64_t to_step, const void *from, int64_t from_step, int64_t n) \
    { \
        to_type *y = to; \
        const from_type *x = from; \
        if (to_step == 1 && from_step == 1) { \
            GR_EACH \
            for (int64_t i = 0; i < n; i++) y[i] = AS_##to_tag(OF_##from_tag(x[i])); \
        } else if (from_step == 0) { \
            const to_type value = AS_##to_tag(OF_##from_tag(*x)); \
            for (int64_t i = 0; i < n; i++) y[i * to_step] = value; \
        } else \
            for (int64_t i = 0; i < n; i++) y[i * to_step] = AS_##to_tag(OF_##from_tag(x[i * from_step])); \
    }
#define CONVERT_FROM(from_tag, from_type) \
    CONVERT(f32, float, from_tag, from_type) \
    CONVERT(f64, double, from_tag, from_type) \
    CONVERT(i64, int64_t, from_tag, from_type) \
    CONVERT(i32, int32_t, from_tag, from_type) \
    CONVERT(u8, uint8_t, from_tag, from_type) \
    CONVERT(b8, bool, from_tag, from_type) \
    CONVERT(b16, uint16_t, from_tag, from_type)
CONVERT_FROM(f32, float)
CONVERT_FROM(f64, double)
CONVERT_FROM(i64, int64_t)
CONVERT_FROM(i32, int32_t)
CONVERT_FROM(u8, uint8_t)
CONVERT_FROM(b8, bool)
CONVERT(f32, float, b16, uint16_t)
CONVERT(f64, double, b16, uint16_t)
CONVERT(i64, int64_t, b16, uint16_t)
CONVERT(i32, int32_t, b16, uint16_t)
CONVERT(u8, uint8_t, b16, uint16_t)
CONVERT(b8, bool, b16, uint16_t)
CONVERT(bits, uint16_t, bits, uint16_t)

#define CONVERTS_TO(tag, of_bfloat16) \
    { \
        [GR_FLOAT32] = f32_to_##tag, [GR_FLOAT64] = f64_to_##tag, [GR_INT64] = i64_to_##tag, \
        [GR_INT32] = i32_to_##tag, [GR_UINT8] = u8_to_##tag, [GR_BOOL] = b8_to_##tag, [GR_BFLOAT16] = of_bfloat16 \
    }
gr_convert *const gr_converts[GR_DTYPES][GR_DTYPES] = {
    [GR_FLOAT32] = CONVERTS_TO(f32, b16_to_f32), [GR_FLOAT64] = CONVERTS_TO(f64, b16_to_f64),
    [GR_INT64] = CONVERTS_TO(i64, b16_to_i64),   [GR_INT32] = CONVERTS_TO(i32, b16_to_i32),
    [GR_UINT8] = CONVERTS_TO(u8, b16_to_u8),     [GR_BOOL] = CONVERTS_TO(b8, b16_to_b8),
    [GR_BFLOAT16] = CONVERTS_TO(b16, bits_to_bits)};

void gr_number_as(void *to, gr_dtype dtype, gr_value v)
{
    if (v.kind == GR_VALUE_REAL)
        gr_converts[dtype][GR_FLOAT64](to, 1, &v.real, 1, 1);
    else
        gr_converts[dtype][GR_INT64](to, 1, &v.integer, 1, 1);
}

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

enum { STRIP = 128 }; /* rows whose lines stay in the cache */

/* [rows, columns] elements that lie denser across the rows than along them: column by column. */
static void copy_across(const gr_walk *w, char *to, int64_t to_row, int64_t to_column, const char *from, int64_t rows,
                        int64_t columns)
{
    const int64_t from_row = w->from[w->dim - 2], from_column = w->from[w->dim - 1];
    for (int64_t r = 0; r < rows; r += STRIP)
        for (int64_t c = 0; c < columns; c++)
            w->convert(to + (r * to_row + c * to_column) * w->to_bytes, to_row,
                       from + (r * from_row + c * from_column) * w->from_bytes, from_row, rows - r < STRIP ? rows - r : STRIP);
}

enum { ACROSS_FROM = 8 }; /* rows, and times denser across, from which that pays */

static bool lies_across(const gr_walk *w)
{
    const int last = w->dim - 1;
    return last > 0 && w->to_buffer && w->from[last - 1] != 0 && w->from[last] >= ACROSS_FROM * w->from[last - 1];
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
    const bool across = lies_across(w);
    while (begin < end) {
        const int64_t row = w->size[last] - at[last], run = row < end - begin ? row : end - begin;
        char *y = (char *)to + put * w->to_bytes;
        const char *x = (const char *)from + take * w->from_bytes;
        const int64_t left = across && at[last] == 0 ? w->size[last - 1] - at[last - 1] : 0;
        const int64_t whole = (end - begin) / row, rows = left < whole ? left : whole;
        if (rows >= ACROSS_FROM) {
            copy_across(w, y, w->to[last - 1], w->to[last], x, rows, row);
            if ((begin += rows * row) == end) return;
            at[last - 1] += rows - 1;
            put += (rows - 1) * w->to[last - 1];
            take += (rows - 1) * w->from[last - 1];
        } else {
            w->convert(y, w->to[last], x, w->from[last], run);
            if ((begin += run) == end) return;
        }
        const int64_t done = rows >= ACROSS_FROM ? row : run;
        at[last] += done;
        put += done * w->to[last];
        take += done * w->from[last];
        for (int d = last; at[d] == w->size[d]; d--) {
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
    char *y = to;
    if (w->dim == 2 && w->size[1] == columns && lies_across(w)) {
        copy_across(w, y, width, 1, (const char *)from + (row * w->from[0] + column * w->from[1]) * w->from_bytes, rows, width);
        return;
    }
    for (int64_t r = 0; r < rows; r++) {
        const int64_t first = (row + r) * columns + column;
        gr_walk_run(w, y + r * width * w->to_bytes, from, first, first + width);
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
    SQUARE_FROM = 8, /* elements along both dimensions, and times denser along the other one, from which squares pay */
    GRAIN_BYTES = 16 * GR_GRAIN /* of a piece that is copied as it is */
};

static void copy_strip(const gr_walk *w, int fast, int64_t first, char *to, const char *from)
{
    const int last = w->dim - 1;
    const int64_t columns = w->size[last], end = w->size[fast] - first < SQUARE ? w->size[fast] : first + SQUARE;
    for (int64_t c = 0; c < columns; c += SQUARE) {
        const int64_t width = columns - c < SQUARE ? columns - c : SQUARE;
        for (int64_t r = first; r < end; r++)
            w->convert(to + (r * w->to[fast] + c * w->to[last]) * w->to_bytes, w->to[last],
                       from + (r * w->from[fast] + c * w->from[last]) * w->from_bytes, w->from[last], width);
    }
}

/* Strips [begin, end); the dimensions beside the square's two are counted outside the strips. */
static void copy_strips(void *context, int64_t begin, int64_t end)
{
    const copy_job *j = context;
    const gr_walk *w = &j->walk;
    for (int64_t s = begin; s < end; s++) {
        int64_t rest = s / j->strips, put = 0, take = 0;
        for (int d = w->dim - 2; d >= 0; d--) {
            if (d == j->fast) continue;
            put += rest % w->size[d] * w->to[d];
            take += rest % w->size[d] * w->from[d];
            rest /= w->size[d];
        }
        copy_strip(w, j->fast, s % j->strips * SQUARE, j->to + put * w->to_bytes, j->from + take * w->from_bytes);
    }
}

/* The dimension to walk along together with the last one, or -1 where plain rows do. */
static int transposed_dim(const gr_walk *w)
{
    const int last = w->dim - 1;
    int fast = -1;
    if (w->size[last] < SQUARE_FROM || w->from[last] < SQUARE_FROM) return -1;
    for (int d = 0; d < last; d++) {
        const bool pays = w->from[d] != 0 && w->from[d] <= w->from[last] / SQUARE_FROM && w->size[d] >= SQUARE_FROM;
        if (pays && (fast < 0 || w->from[d] < w->from[fast])) fast = d;
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
