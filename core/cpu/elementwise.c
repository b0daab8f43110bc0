/* elementwise.c - rows of elementwise.def on tensors of any strides.
 *
 * Three ways, the first that fits: everything lies flat, one loop; rows lie flat, one loop for each; else tiles of
 * operands are gathered, the same loop runs on them, and its result is scattered. Which of them changes no bit. */
#include <string.h>

#include "core/cpu/cpu.h"

static const uint8_t operands_of[GR_ELEMENTWISE_COUNT] = {
#define UNARY(name, ...) [GR_E_##name] = 1,
#define PREDICATE(name, ...) [GR_E_##name] = 1,
#define BINARY(name, ...) [GR_E_##name] = 2,
#define COMPARE(name, ...) [GR_E_##name] = 2,
#define TERNARY(name, ...) [GR_E_##name] = 3,
#include "core/elementwise.def"
#undef UNARY
#undef PREDICATE
#undef BINARY
#undef COMPARE
#undef TERNARY
};
static const bool gives_bool[GR_ELEMENTWISE_COUNT] = {
#define UNARY(name, ...)
#define BINARY(name, ...)
#define TERNARY(name, ...)
#define PREDICATE(name, ...) [GR_E_##name] = true,
#define COMPARE(name, ...) [GR_E_##name] = true,
#include "core/elementwise.def"
#undef UNARY
#undef BINARY
#undef TERNARY
#undef PREDICATE
#undef COMPARE
};

/* What a loop reads: operands, the upstream gradient, the row's result. */
enum { DY = 3, Y = 4, SOURCES = 5 };

typedef struct {
    gr_forward_loop *forward; /* one of these three, the others are NULL */
    gr_back_loop *back;
    void (*select)(void *, const bool *, const void *, const void *, unsigned, int64_t);
    const double *param;
    bool add;
    bool rounds; /* bfloat16: operands of another dtype are rounded to it first */
    unsigned steps, by_number; /* GR_BY_NUMBER or 0 */
    uint8_t operands;
    uint8_t bytes[SOURCES], to_bytes;
    gr_dtype dtype[SOURCES], to_dtype;
    const gr_tensor *tensor[SOURCES]; /* NULL: a number, or not read */
    const char *in[SOURCES];
    int64_t number[SOURCES];
    gr_tensor *result;
    int64_t inner, parts; /* of rows: their length, and the pieces each is cut into */
    int dim;
    int64_t size[GR_MAX_DIMS], to[GR_MAX_DIMS], stride[SOURCES][GR_MAX_DIMS];
} job;

static inline void call_loop(const job *j, void *to, const void *const *in, unsigned steps, int64_t n)
{
    if (j->forward)
        j->forward(to, in, steps | j->by_number, n, j->param);
    else if (j->back)
        j->back(to, j->add, in[DY], in, steps | j->by_number, in[Y], n, j->param);
    else
        j->select(to, in[0], in[1], in[2], (steps >> 1 & 3) | (steps & GR_PAST_CACHES), n);
}

static inline unsigned by_number(int operands, const gr_value *in)
{
    return operands == 2 && in[1].kind != GR_VALUE_TENSOR ? GR_BY_NUMBER : 0;
}

/* Whether the loops take operands that advance like this. */
static inline bool steps_fit(int operands, unsigned steps)
{
    return operands == 2 ? steps != 0 : steps == (1u << operands) - 1;
}

/* ---- everything lies flat ---- */

static void flat_part(const job *j, int64_t begin, int64_t end, unsigned past)
{
    const void *in[SOURCES];
    for (int k = 0; k < SOURCES; k++) in[k] = j->in[k] + (j->steps >> k & 1 ? begin * j->bytes[k] : 0);
    call_loop(j, j->result->data + begin * j->to_bytes, in, (j->steps & 7) | past, end - begin);
}

static void flat_piece(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    flat_part(j, begin, end, 0);
}

enum { STREAM_FROM = 16 << 20 }; /* bytes of a result that the caches would not keep */

static void stream_piece(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    const int64_t rest = begin + (end - begin) / GR_PAST * GR_PAST;
    if (rest > begin) flat_part(j, begin, rest, GR_PAST_CACHES);
    gr_elementwise_loops_now[j->dtype[0]]->streamed();
    if (end > rest) flat_part(j, rest, end, 0);
}

/* A large result is written past the caches, so that its memory is not read first. Not in place: there it has been. */
static bool streams(const job *j)
{
    bool apart = !j->add && j->result->numel >= STREAM_FROM / j->to_bytes;
    for (int k = 0; k < SOURCES; k++) apart = apart && j->in[k] != j->result->data;
    return apart && (uintptr_t)j->result->data % 64 == 0;
}

static inline void number_as(int64_t *to, gr_dtype dtype, gr_value v)
{
    if (gr_likely(dtype == GR_FLOAT32)) {
        const float number = v.kind == GR_VALUE_REAL ? (float)v.real : (float)v.integer;
        memcpy(to, &number, sizeof number);
    } else
        gr_number_as(to, dtype, v);
}

/* The address of v in the loop's dtype; false when v is not flat against n elements. Dead tensors are not read. */
static inline bool flat(gr_value v, gr_dtype dtype, int64_t n, int64_t *number, const char *unread, const void **in,
                        unsigned *steps)
{
    if (v.kind != GR_VALUE_TENSOR) {
        number_as(number, dtype, v);
        *in = number;
        *steps <<= 1;
        return true;
    }
    const gr_tensor *x = v.tensor;
    *in = x->data;
    *steps = *steps << 1 | (x->numel == n);
    if (gr_likely(x->dtype == (uint8_t)dtype && x->contiguous && x->state == GR_LIVE)) return x->numel == n || x->numel == 1;
    *in = unread;
    *steps |= 1;
    return x->state != GR_LIVE;
}

/* ---- rows lie flat ---- */

/* Strides of source k, broadcast to the result; numbers and what is not read have 0 everywhere. */
static int64_t stride_of(const job *j, int k, int d)
{
    const gr_tensor *x = j->tensor[k];
    if (!x) return 0;
    const int own = d - (j->result->dim - x->dim);
    return own < 0 || x->axis[own].size == 1 ? 0 : x->axis[own].stride;
}

static bool follows(const job *j, int last, int64_t size, int64_t to, const int64_t *stride)
{
    bool yes = j->to[last] == to * size;
    for (int k = 0; k < SOURCES; k++) yes = yes && j->stride[k][last] == stride[k] * size;
    return yes;
}

/* The result's dimensions, merged where all sources allow it. */
static void make_axes(job *j)
{
    j->dim = 0;
    for (int d = 0; d < j->result->dim; d++) {
        const gr_axis axis = j->result->axis[d];
        int64_t stride[SOURCES];
        if (axis.size == 1) continue;
        for (int k = 0; k < SOURCES; k++) stride[k] = stride_of(j, k, d);
        const bool merges = j->dim > 0 && follows(j, j->dim - 1, axis.size, axis.stride, stride);
        const int at = merges ? j->dim - 1 : j->dim++;
        j->size[at] = merges ? j->size[at] * axis.size : axis.size;
        j->to[at] = axis.stride;
        for (int k = 0; k < SOURCES; k++) j->stride[k][at] = stride[k];
    }
}

enum { SHORTEST_ROW = 16 }; /* below, a tile of many rows is faster */

static bool rows_lie_flat(job *j)
{
    if (j->result->dtype != j->to_dtype) return false;
    make_axes(j);
    const int last = j->dim - 1;
    if (last < 0 || j->size[last] < SHORTEST_ROW || j->to[last] != 1) return false;
    j->steps = 0;
    for (int k = 0; k < SOURCES; k++) {
        const bool steps = j->stride[k][last] == 1;
        if (j->tensor[k] && (j->tensor[k]->dtype != j->dtype[k] || (!steps && j->stride[k][last] != 0))) return false;
        if (k >= DY && j->tensor[k] && !steps) return false;
        j->steps |= (unsigned)steps << k;
    }
    if (j->back) /* operands that are not read follow dy, so that the others decide */
        for (int k = 0; k < j->operands; k++)
            if (!j->in[k]) j->steps |= 1u << k;
    return steps_fit(j->operands, j->steps & 7) || (j->select && j->steps & 1);
}

static void row_piece(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    const int last = j->dim - 1;
    for (int64_t piece = begin; piece < end; piece++) {
        const int64_t first = piece % j->parts * GR_GRAIN, left = j->inner - first;
        int64_t rest = piece / j->parts, put = first, take[SOURCES];
        for (int k = 0; k < SOURCES; k++) take[k] = first * j->stride[k][last];
        for (int d = last - 1; d >= 0; d--) {
            const int64_t at = d ? rest % j->size[d] : rest;
            rest = d ? rest / j->size[d] : 0;
            put += at * j->to[d];
            for (int k = 0; k < SOURCES; k++) take[k] += at * j->stride[k][d];
        }
        const void *in[SOURCES];
        for (int k = 0; k < SOURCES; k++) in[k] = j->in[k] ? j->in[k] + take[k] * j->bytes[k] : NULL;
        for (int k = 0; k < SOURCES; k++)
            if (!in[k]) in[k] = in[DY];
        call_loop(j, j->result->data + put * j->to_bytes, in, j->steps & 7, left < GR_GRAIN ? left : GR_GRAIN);
    }
}

/* ---- tiles ---- */

typedef struct {
    const job *job;
    gr_walk gather[SOURCES], scatter, before;
    bool direct; /* the result is written where it belongs */
    bool add;    /* else, to each tile what the result held before is added, which `before` gathers */
} tiles;

/* x in bfloat16's precision: a number that another op would have rounded. */
static void round_tile(char *x, int64_t count)
{
    uint16_t rounded[GR_TILE];
    gr_converts[GR_BFLOAT16][GR_FLOAT32](rounded, 1, x, 1, count);
    gr_converts[GR_FLOAT32][GR_BFLOAT16](x, 1, rounded, 1, count);
}

/* bfloat16: numbers are of its precision, but in products float32's, as PyTorch has it. */
static void round_numbers(job *j, int code)
{
    const bool product = code == GR_E_mul || code == GR_E_div || code == GR_E_lerp;
    for (int k = 0; k < j->operands && !product; k++)
        if (!j->tensor[k] && j->in[k]) round_tile((char *)&j->number[k], 1);
}

/* bfloat16: a tile's result added to elements [at, at + count), which is another op. */
static void add_tile(const tiles *t, char *tile, int64_t at, int64_t count)
{
    _Alignas(64) char before[GR_TILE * GR_MAX_BYTES];
    const void *in[2] = {before, tile};
    round_tile(tile, count);
    gr_walk_run(&t->before, before, t->job->result->data, at, at + count);
    gr_elementwise_loops_now[t->job->to_dtype]->forward[GR_E_add](tile, in, 3, count, NULL);
}

static void tile_piece(void *context, int64_t begin, int64_t end)
{
    const tiles *t = context;
    const job *j = t->job;
    _Alignas(64) char tile[SOURCES + 1][GR_TILE * GR_MAX_BYTES];
    const void *in[SOURCES];
    for (int k = 0; k < SOURCES; k++) {
        if (!j->tensor[k] && j->in[k]) gr_converts[j->dtype[k]][j->dtype[k]](tile[k], 1, j->in[k], 0, GR_TILE);
        in[k] = tile[j->in[k] ? k : DY];
    }
    for (int64_t at = begin; at < end; at += GR_TILE) {
        const int64_t count = end - at < GR_TILE ? end - at : GR_TILE;
        for (int k = 0; k < SOURCES; k++) {
            if (!j->tensor[k]) continue;
            if (gr_walk_is_direct(&t->gather[k]) && j->tensor[k]->dtype == j->dtype[k] && !j->rounds)
                in[k] = j->in[k] + at * j->bytes[k];
            else
                gr_walk_run(&t->gather[k], tile[k], j->in[k], at, at + count);
            if (j->rounds && j->tensor[k]->dtype != GR_BFLOAT16) round_tile(tile[k], count);
        }
        if (j->back && !j->in[Y]) in[Y] = in[DY];
        void *to = t->direct ? j->result->data + at * j->to_bytes : tile[SOURCES];
        call_loop(j, to, in, j->by_number ? 1 : 7, count);
        if (t->add) add_tile(t, to, at, count);
        if (!t->direct) gr_walk_run(&t->scatter, j->result->data, to, at, at + count);
    }
}

static void run_tiles(job *j)
{
    tiles t;
    t.job = j;
    for (int k = 0; k < SOURCES; k++)
        if (j->tensor[k]) gr_walk_gather(&t.gather[k], j->tensor[k], j->result, j->dtype[k]);
    t.direct = j->result->contiguous && j->result->dtype == j->to_dtype;
    t.add = j->add && !t.direct;
    if (t.add) gr_walk_gather(&t.before, j->result, j->result, j->to_dtype);
    if (!t.direct) gr_walk_scatter(&t.scatter, j->result, j->to_dtype);
    j->add = j->add && t.direct;
    gr_parallel(j->result->numel, gr_grain(), tile_piece, &t);
}

/* ---- the kernels ---- */

static void put_source(job *j, int k, gr_value v, gr_dtype dtype)
{
    j->dtype[k] = dtype;
    j->bytes[k] = gr_dtype_size[dtype];
    j->tensor[k] = NULL;
    if (v.kind != GR_VALUE_TENSOR) {
        gr_number_as(&j->number[k], dtype, v);
        j->in[k] = (const char *)&j->number[k];
    } else if (v.tensor && v.tensor->state == GR_LIVE) {
        j->tensor[k] = v.tensor;
        j->in[k] = v.tensor->data;
    } else
        j->in[k] = NULL;
}

static void make_job(job *j, gr_tensor *result, gr_dtype to_dtype, int operands, const gr_value *in, gr_dtype dtype)
{
    j->forward = NULL;
    j->back = NULL;
    j->select = NULL;
    j->param = NULL;
    j->add = false;
    j->rounds = false;
    j->result = result;
    j->to_dtype = to_dtype;
    j->to_bytes = gr_dtype_size[to_dtype];
    j->operands = (uint8_t)operands;
    j->by_number = by_number(operands, in);
    for (int k = 0; k < SOURCES; k++) put_source(j, k, k < operands ? in[k] : gr_value_tensor(NULL), dtype);
}

static void run_job(job *j)
{
    if (!rows_lie_flat(j)) {
        run_tiles(j);
        return;
    }
    j->inner = j->size[j->dim - 1];
    j->parts = (j->inner + GR_GRAIN - 1) / GR_GRAIN;
    gr_parallel(j->result->numel / j->inner * j->parts, gr_grain_of(j->inner < GR_GRAIN ? j->inner : GR_GRAIN), row_piece, j);
}

static void run_flat(job *j, unsigned steps)
{
    for (int k = 0; k < SOURCES; k++)
        if (!j->in[k]) j->in[k] = j->in[j->back ? DY : 0];
    j->steps = steps | 1u << DY | 1u << Y;
    if (streams(j))
        gr_parallel(j->result->numel, GR_GRAIN, stream_piece, j); /* pieces begin at whole lines */
    else
        gr_parallel(j->result->numel, gr_grain(), flat_piece, j);
}

void gr_cpu_elementwise_any(int code, gr_tensor *y, const gr_operands *o, unsigned steps)
{
    job j;
    const gr_dtype dtype = gr_loop_dtype(o->dtype);
    make_job(&j, y, gives_bool[code] ? GR_BOOL : dtype, operands_of[code], o->in, dtype);
    j.forward = gr_elementwise_loops_now[dtype]->forward[code];
    j.rounds = o->dtype == GR_BFLOAT16;
    if (j.rounds) round_numbers(&j, code);
    j.param = o->param;
    if (steps)
        run_flat(&j, steps);
    else
        run_job(&j);
}

GR_HOT void gr_cpu_elementwise(int code, gr_tensor *y, const gr_operands *o)
{
    const int operands = operands_of[code];
    const gr_dtype dtype = o->dtype;
    const int64_t n = y->numel;
    const void *in[3];
    int64_t number[3];
    unsigned steps = 0;
    if (gr_unlikely(n == 0)) return;
    bool direct = y->contiguous && y->dtype == (gives_bool[code] ? GR_BOOL : dtype);
    for (int k = operands; direct && k-- > 0;) direct = flat(o->in[k], dtype, n, &number[k], y->data, &in[k], &steps);
    direct = direct && steps_fit(operands, steps);
    if (gr_likely(direct && n <= gr_grain()))
        gr_elementwise_loops_now[dtype]->forward[code](y->data, in, steps | by_number(operands, o->in), n, o->param);
    else
        gr_cpu_elementwise_any(code, y, o, direct ? steps : 0);
}

void gr_cpu_elementwise_back_any(int code, int i, gr_tensor *dx, bool add, const gr_tensor *dy, const gr_operands *o,
                                 const gr_tensor *y, unsigned steps)
{
    job j;
    const gr_dtype dtype = gr_loop_dtype(o->dtype);
    make_job(&j, dx, dtype, operands_of[code], o->in, dtype);
    put_source(&j, DY, gr_value_tensor(dy), dtype);
    put_source(&j, Y, gr_value_tensor(y), dtype);
    if (o->dtype == GR_BFLOAT16) round_numbers(&j, code);
    j.back = gr_elementwise_loops_now[dtype]->back[code][i];
    j.param = o->param;
    j.add = add;
    if (steps)
        run_flat(&j, steps);
    else
        run_job(&j);
}

GR_HOT void gr_cpu_elementwise_back(int code, int i, gr_tensor *dx, bool add, const gr_tensor *dy, const gr_operands *o,
                                    const gr_tensor *y)
{
    const int operands = operands_of[code];
    const gr_dtype dtype = o->dtype;
    const int64_t n = dx->numel;
    const void *in[3];
    int64_t number[3];
    unsigned steps = 0;
    if (gr_unlikely(n == 0)) return;
    bool direct = dx->dtype == dtype && dy->dtype == dtype && dy->contiguous && dy->numel == n &&
                  (!y || (y->contiguous && y->numel == n));
    for (int k = operands; direct && k-- > 0;) direct = flat(o->in[k], dtype, n, &number[k], dy->data, &in[k], &steps);
    direct = direct && steps_fit(operands, steps);
    if (gr_likely(direct && n <= gr_grain()))
        gr_elementwise_loops_now[dtype]->back[code][i](dx->data, add, dy->data, in, steps | by_number(operands, o->in),
                                                       (y ? y : dy)->data, n, o->param);
    else
        gr_cpu_elementwise_back_any(code, i, dx, add, dy, o, y, direct ? steps : 0);
}

void gr_cpu_where(gr_tensor *y, const gr_tensor *condition, gr_value a, gr_value b)
{
    const gr_value in[3] = {gr_value_tensor(condition), a, b};
    job j;
    if (y->numel == 0) return;
    const gr_dtype dtype = gr_loop_dtype(y->dtype);
    make_job(&j, y, dtype, 3, in, dtype);
    put_source(&j, 0, in[0], GR_BOOL);
    j.select = gr_elementwise_loops_now[dtype]->select;
    run_job(&j);
}

void gr_cpu_accumulate(gr_tensor *y, const gr_tensor *x)
{
    const gr_operands o = {{gr_value_tensor(y), gr_value_tensor(x)}, NULL, (gr_dtype)y->dtype};
    gr_cpu_elementwise(GR_E_add, y, &o);
}
