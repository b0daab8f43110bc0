/* reduce.c - reductions over any dimensions.
 *
 * A reduction is one of columns, where others follow the reduced dimensions and none stands between them, for each place of
 * those before; or of rows, gathered as if the reduced dimensions had been moved to the end. The order of a sum follows from
 * that alone: strided input is gathered, long rows are cut into blocks of GR_BLOCK, at any number of threads. */
#include <stdatomic.h>
#include <string.h>

#include "core/cpu/cpu.h"

enum { STACK_BYTES = 65536 };

typedef struct {
    gr_tensor view;      /* x with the reduced dimensions last; in columns: first, of one batch */
    bool columns;        /* [batches, n, rows] */
    int64_t rows, n;     /* results, of a batch; elements of each */
    int64_t row_stride;  /* in columns: from row to row, where the columns lie side by side, else 0 */
    int64_t batches;     /* places of the dimensions before */
    int outer;           /* these */
    gr_axis axis[GR_MAX_DIMS];
} layout;

typedef struct {
    const gr_reduce_loops *loops;
    gr_reduce kind;
    bool add;
    bool direct;
    layout at;
    gr_walk gather;
    int64_t blocks;  /* of each row or column */
    int64_t granule; /* columns of a piece */
    size_t bytes, result_bytes;
    char *to; /* results, or parts: [rows, blocks] or [blocks, columns] */
    char *indices;
    _Atomic bool failed;
} job;

/* ---- layouts ---- */

static void put_dims(layout *l, const gr_tensor *x, unsigned dims, int64_t *count)
{
    for (int d = 0; d < x->dim; d++) {
        if (!(dims >> d & 1)) continue;
        l->view.axis[l->view.dim++] = x->axis[d];
        *count *= x->axis[d].size;
    }
}

/* The stride of dimensions [begin, end) as one, or -1. */
static int64_t joint_stride(const gr_tensor *x, int begin, int end)
{
    for (int d = begin; d + 1 < end; d++)
        if (x->axis[d].stride != x->axis[d + 1].stride * x->axis[d + 1].size) return -1;
    return begin < end ? x->axis[end - 1].stride : 1;
}

static layout arrange(const gr_tensor *x, unsigned dims, bool only_rows)
{
    layout l;
    unsigned kept = 0, reduced = 0;
    for (int d = 0; d < x->dim; d++)
        if (x->axis[d].size != 1) *(dims >> d & 1 ? &reduced : &kept) |= 1u << d;
    const unsigned before = reduced ? kept & ((reduced & -reduced) - 1) : 0, after = kept & ~before;
    l.columns = !only_rows && after && reduced < (after & -after);
    l.view = *x;
    l.view.dim = 0;
    l.outer = 0;
    l.rows = l.n = l.batches = 1;
    for (int d = 0; d < x->dim && l.columns; d++) {
        if (!(before >> d & 1)) continue;
        l.axis[l.outer++] = x->axis[d];
        l.batches *= x->axis[d].size;
    }
    put_dims(&l, x, l.columns ? reduced : kept, l.columns ? &l.n : &l.rows);
    const int middle = l.view.dim;
    put_dims(&l, x, l.columns ? after : reduced, l.columns ? &l.rows : &l.n);
    l.view.contiguous = gr_is_row_major(&l.view);
    const int64_t stride = joint_stride(&l.view, 0, middle);
    l.row_stride = l.columns && stride >= 0 && joint_stride(&l.view, middle, l.view.dim) == 1 ? stride : 0;
    if (l.columns && !reduced && l.view.contiguous) l.row_stride = l.rows;
    return l;
}

/* Where batch b begins. */
static const char *batch_of(const layout *l, int64_t b, size_t bytes)
{
    int64_t offset = 0;
    for (int d = l->outer; d-- > 0; b /= l->axis[d].size) offset += b % l->axis[d].size * l->axis[d].stride;
    return l->view.data + offset * (int64_t)bytes;
}

/* ---- pieces ---- */

/* Memory for `bytes`: the stack's, or allocated; NULL after noting the failure. */
static char *buffer(job *j, char *stack, int64_t bytes)
{
    if (bytes <= STACK_BYTES) return stack;
    char *memory = gr_allocate((size_t)bytes);
    if (!memory) atomic_store_explicit(&j->failed, true, memory_order_relaxed);
    return memory;
}

/* Rows [begin, end), each in one block. */
static void row_piece(void *context, int64_t begin, int64_t end)
{
    job *j = context;
    const int64_t n = j->at.n, row_bytes = n * (int64_t)j->bytes;
    if (j->direct) {
        j->loops->rows(j->kind, j->to + begin * (int64_t)j->result_bytes, j->at.view.data + begin * row_bytes, end - begin, n,
                       j->add);
        return;
    }
    _Alignas(64) char stack[STACK_BYTES];
    char *rows = buffer(j, stack, row_bytes);
    const int64_t most = row_bytes && row_bytes <= STACK_BYTES ? STACK_BYTES / row_bytes : 1;
    for (int64_t r = begin; rows && r < end; r += most) {
        const int64_t count = end - r < most ? end - r : most;
        gr_walk_run(&j->gather, rows, j->at.view.data, r * n, (r + count) * n);
        j->loops->rows(j->kind, j->to + r * (int64_t)j->result_bytes, rows, count, n, j->add);
    }
    if (rows != stack) gr_deallocate(rows);
}

/* The address of elements [begin, end) of the view side by side. */
static const char *elements(const job *j, char *memory, int64_t begin, int64_t end)
{
    if (j->direct) return j->at.view.data + begin * (int64_t)j->bytes;
    gr_walk_run(&j->gather, memory, j->at.view.data, begin, end);
    return memory;
}

/* Block u % blocks of row u / blocks. */
static void row_blocks(void *context, int64_t begin, int64_t end)
{
    job *j = context;
    _Alignas(64) char stack[STACK_BYTES];
    char *block = j->direct ? stack : buffer(j, stack, GR_BLOCK * (int64_t)j->bytes);
    for (int64_t u = begin; block && u < end; u++) {
        const int64_t first = u % j->blocks * GR_BLOCK, left = j->at.n - first, at = u / j->blocks * j->at.n + first;
        const int64_t count = left < GR_BLOCK ? left : GR_BLOCK;
        j->loops->rows(j->kind, j->to + u * (int64_t)j->result_bytes, elements(j, block, at, at + count), 1, count, false);
    }
    if (block != stack) gr_deallocate(block);
}

/* Columns [c, c + width) of rows [r, r + count) of a batch. */
static void some_columns(job *j, char *to, char *memory, const char *batch, int64_t r, int64_t count, int64_t c, int64_t width)
{
    const int64_t stride = j->direct ? j->at.row_stride : width;
    const char *from = j->direct ? batch + (r * stride + c) * (int64_t)j->bytes : memory;
    if (!j->direct) gr_walk_columns(&j->gather, j->at.rows, memory, batch, r, count, c, width);
    j->loops->columns(j->kind, to, from, count, width, stride, j->add);
}

static int64_t granules_of(const job *j)
{
    return j->at.rows / j->granule > 0 ? j->at.rows / j->granule : 1;
}

/* Granules of columns; the last one has the columns that are left over, too. All blocks of granule 0 come first, all of
 * batch 0 before. */
static void column_piece(void *context, int64_t begin, int64_t end)
{
    job *j = context;
    const int64_t columns = j->at.rows, granules = granules_of(j), units = granules * j->blocks;
    const int64_t widest = columns < 2 * j->granule ? columns : 2 * j->granule;
    const int64_t most = j->at.n < GR_BLOCK ? j->at.n : GR_BLOCK;
    _Alignas(64) char stack[STACK_BYTES];
    char *memory = j->direct ? stack : buffer(j, stack, most * widest * (int64_t)j->bytes);
    for (int64_t u = begin, next; memory && u < end; u = next) {
        const int64_t batch = u / units, stop = (batch + 1) * units < end ? (batch + 1) * units : end;
        const int64_t block = u % units % j->blocks, granule = u % units / j->blocks, r = block * GR_BLOCK, c = granule * j->granule;
        next = j->direct && j->blocks == 1 ? stop : u + 1; /* neighbours at once */
        const int64_t last = (next - 1) % units / j->blocks, edge = last + 1 == granules ? columns : (last + 1) * j->granule;
        some_columns(j, j->to + ((batch * j->blocks + block) * columns + c) * (int64_t)j->result_bytes, memory,
                     batch_of(&j->at, batch, gr_dtype_size[j->at.view.dtype]), r, j->at.n - r < GR_BLOCK ? j->at.n - r : GR_BLOCK,
                     c, edge - c);
    }
    if (memory != stack) gr_deallocate(memory);
}

/* ---- reduce ---- */

static void run(job *j)
{
    const int64_t rows = j->at.rows, n = j->at.n;
    if (j->at.columns) {
        const int64_t block = n < GR_BLOCK ? n : GR_BLOCK, granule = rows < j->granule ? rows : j->granule;
        gr_parallel(j->at.batches * granules_of(j) * j->blocks, gr_grain_of(block * granule), column_piece, j);
    } else if (j->blocks == 1)
        gr_parallel(rows, gr_grain_of(n), row_piece, j);
    else
        gr_parallel(rows * j->blocks, 1, row_blocks, j);
}

/* Through parts, which a tree joins. */
static bool reduce_parts(job *j)
{
    const bool at_once = j->blocks == 1; /* a mean of columns: only to be divided */
    const int64_t results = j->at.batches * j->at.rows, width = at_once ? results : j->at.columns ? j->at.rows : 1;
    const int64_t groups = results / width;
    const gr_reduce kind = j->kind;
    const bool add = j->add;
    char *y = j->to, *parts = gr_cpu_temporary("reduce", "block results", results * j->blocks, j->result_bytes);
    if (!parts) return false;
    j->to = parts;
    j->add = false;
    j->kind = kind == GR_REDUCE_MEAN ? GR_REDUCE_SUM : kind;
    run(j);
    const int64_t bytes = width * (int64_t)j->result_bytes;
    for (int64_t g = 0; g < groups; g++)
        j->loops->combine(kind, y + g * bytes, parts + g * j->blocks * bytes, j->blocks, width, j->at.n, add);
    gr_deallocate(parts);
    return true;
}

static void make_job(job *j, gr_reduce kind, char *to, int result_dtype, const gr_tensor *x, unsigned dims, bool only_rows)
{
    const gr_dtype dtype = gr_loop_dtype(x->dtype);
    j->loops = gr_reduce_loops_now[dtype];
    j->kind = kind;
    j->add = false;
    j->to = to;
    j->at = arrange(x, dims, only_rows);
    j->direct = dtype == (gr_dtype)x->dtype && (j->at.columns ? j->at.row_stride != 0 : j->at.view.contiguous);
    j->blocks = j->at.n > GR_BLOCK ? (j->at.n + GR_BLOCK - 1) / GR_BLOCK : 1;
    j->granule = j->direct ? 4 * GR_COLUMNS : GR_COLUMNS;
    j->bytes = gr_dtype_size[dtype];
    j->result_bytes = gr_dtype_size[result_dtype];
    atomic_init(&j->failed, false);
    if (!j->direct) gr_walk_gather(&j->gather, &j->at.view, &j->at.view, dtype);
}

static bool finished(job *j)
{
    if (!atomic_load_explicit(&j->failed, memory_order_relaxed)) return true;
    gr_fail_memory((gr_site){NULL, 0}, "reduce", "a block of elements", GR_BLOCK * j->bytes);
    return false;
}

bool gr_cpu_reduce_any(gr_reduce kind, gr_tensor *y, const gr_tensor *x, unsigned dims, bool add)
{
    job j;
    if (y->numel == 0) return true;
    if (x->numel == 0) { /* sums, means and products of nothing; its sizes may be too large to be multiplied */
        gr_reduce_loops_now[gr_loop_dtype(x->dtype)]->rows(kind, y->data, x->data, y->numel, 0, add);
        return true;
    }
    make_job(&j, kind, y->data, y->dtype, x, dims, false);
    j.add = add;
    if (j.blocks > 1 || (kind == GR_REDUCE_MEAN && j.at.columns)) {
        if (!reduce_parts(&j)) return false;
    } else
        run(&j);
    return finished(&j);
}

GR_HOT bool gr_cpu_reduce(gr_reduce kind, gr_tensor *y, const gr_tensor *x, unsigned dims, bool add)
{
    const unsigned all = (1u << x->dim) - 1;
    const bool small = x->contiguous && x->numel <= GR_BLOCK;
    if (gr_likely(small && ((dims & all) == all || (y->numel == 1 && x->numel > 0)))) {
        gr_reduce_loops_now[x->dtype]->rows(kind, y->data, x->data, 1, x->numel, add);
        return true;
    }
    if (gr_likely(small && x->dim == 2 && dims == 1 && x->numel > 0 && kind != GR_REDUCE_MEAN)) {
        gr_reduce_loops_now[x->dtype]->columns(kind, y->data, x->data, x->axis[0].size, x->axis[1].size, x->axis[1].size, add);
        return true;
    }
    return gr_cpu_reduce_any(kind, y, x, dims, add);
}

/* ---- arg_reduce: blocks' extrema, then the first extremum among these ---- */

typedef struct {
    job j;
    bool largest;
    char *values;     /* [rows, blocks] */
    int64_t *indices; /* in their rows */
} arg_job;

static void arg_piece(void *context, int64_t begin, int64_t end)
{
    arg_job *a = context;
    job *j = &a->j;
    _Alignas(64) char stack[STACK_BYTES];
    const int64_t longest = j->at.n < GR_BLOCK ? j->at.n : GR_BLOCK;
    char *block = j->direct ? stack : buffer(j, stack, longest * (int64_t)j->bytes);
    for (int64_t u = begin; block && u < end; u++) {
        const int64_t first = u % j->blocks * GR_BLOCK, left = j->at.n - first, at = u / j->blocks * j->at.n + first;
        const int64_t count = left < GR_BLOCK ? left : GR_BLOCK;
        const char *x = elements(j, block, at, at + count);
        const int64_t place = j->loops->place(a->largest, x, count);
        if (a->indices) a->indices[u] = first + place;
        if (a->values) memcpy(a->values + u * (int64_t)j->bytes, x + place * (int64_t)j->bytes, j->bytes);
    }
    if (block != stack) gr_deallocate(block);
}

/* values[r], indices[r] of the first extremum among the row's blocks */
static void join_blocks(const arg_job *a, char *values, int64_t *indices)
{
    const job *j = &a->j;
    for (int64_t r = 0; r < j->at.rows; r++) {
        const char *row = a->values + r * j->blocks * (int64_t)j->bytes;
        const int64_t place = j->loops->place(a->largest, row, j->blocks);
        if (indices) indices[r] = a->indices[r * j->blocks + place];
        if (values) memcpy(values + r * (int64_t)j->bytes, row + place * (int64_t)j->bytes, j->bytes);
    }
}

bool gr_cpu_arg_reduce(bool largest, gr_tensor *values, gr_tensor *indices, const gr_tensor *x, int dim)
{
    arg_job a;
    job *j = &a.j;
    char *y = values ? values->data : NULL;
    int64_t *places = indices ? (int64_t *)(void *)indices->data : NULL;
    if (x->numel == 0) return true;
    make_job(j, GR_REDUCE_MAX, NULL, x->dtype, x, dim < 0 ? (1u << x->dim) - 1 : 1u << dim, true);
    a.largest = largest;
    a.values = y;
    a.indices = places;
    const int64_t units = j->at.rows * j->blocks;
    char *memory = NULL;
    if (j->blocks > 1) {
        if (!(memory = gr_cpu_temporary("reduce", "block results", units, 2 * sizeof(int64_t)))) return false;
        a.indices = (int64_t *)(void *)memory;
        a.values = memory + units * (int64_t)sizeof(int64_t);
    }
    gr_parallel(units, gr_grain_of(j->at.n < GR_BLOCK ? j->at.n : GR_BLOCK), arg_piece, &a);
    const bool ok = finished(j);
    if (memory && ok) join_blocks(&a, y, places);
    gr_deallocate(memory);
    return ok;
}
