/* elementwise.c - rows of elementwise.def on tensors of any strides.
 *
 * Three ways, the first that fits: everything lies flat, one loop; rows lie flat, one loop for each; else tiles, see
 * tiles.c. Which of them changes no bit. */
#include <string.h>

#include "core/cpu/elementwise.h"

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

static inline unsigned by_number(int operands, const gr_value *in)
{
    return operands == 2 && in[1].kind != GR_VALUE_TENSOR ? GR_BY_NUMBER : 0;
}

/* Whether the loops take operands that advance like this. */
static inline bool steps_fit(int operands, unsigned steps)
{
    const unsigned all = (1u << operands) - 1;
    return operands == 2 ? steps != 0 : (steps | (operands == 3 ? 4 : 0)) == all;
}

/* ---- everything lies flat ---- */

static void flat_part(const gr_job *j, int64_t begin, int64_t end, unsigned past)
{
    const void *in[GR_SOURCES];
    for (int k = 0; k < GR_SOURCES; k++) in[k] = j->in[k] + (j->steps >> k & 1 ? begin * j->bytes[k] : 0);
    gr_call_loop(j, j->result->data + begin * j->to_bytes, in, (j->steps & 7) | past, end - begin);
}

static void flat_piece(void *context, int64_t begin, int64_t end)
{
    const gr_job *j = context;
    flat_part(j, begin, end, 0);
}

enum { STREAM_FROM = 16 << 20 }; /* bytes of a result that the caches would not keep */

static void stream_piece(void *context, int64_t begin, int64_t end)
{
    const gr_job *j = context;
    const int64_t rest = begin + (end - begin) / GR_PAST * GR_PAST;
    if (rest > begin) flat_part(j, begin, rest, GR_PAST_CACHES);
    gr_elementwise_loops_now[j->dtype[0]]->streamed();
    if (end > rest) flat_part(j, rest, end, 0);
}

/* A large result is written past the caches, so that its memory is not read first. Not in place: there it has been. */
static bool streams(const gr_job *j)
{
    bool apart = !j->add && j->result->numel >= STREAM_FROM / j->to_bytes;
    for (int k = 0; k < GR_SOURCES; k++) apart = apart && j->in[k] != j->result->data;
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
static int64_t stride_of(const gr_job *j, int k, int d)
{
    const gr_tensor *x = j->tensor[k];
    if (!x) return 0;
    const int own = d - (j->result->dim - x->dim);
    return own < 0 || x->axis[own].size == 1 ? 0 : x->axis[own].stride;
}

static bool follows(const gr_job *j, int last, int64_t size, int64_t to, const int64_t *stride)
{
    bool yes = j->to[last] == to * size;
    for (int k = 0; k < GR_SOURCES; k++) yes = yes && j->stride[k][last] == stride[k] * size;
    return yes;
}

/* The result's dimensions, merged where all sources allow it. */
static void make_axes(gr_job *j)
{
    j->dim = 0;
    for (int d = 0; d < j->result->dim; d++) {
        const gr_axis axis = j->result->axis[d];
        int64_t stride[GR_SOURCES];
        if (axis.size == 1) continue;
        for (int k = 0; k < GR_SOURCES; k++) stride[k] = stride_of(j, k, d);
        const bool merges = j->dim > 0 && follows(j, j->dim - 1, axis.size, axis.stride, stride);
        const int at = merges ? j->dim - 1 : j->dim++;
        j->size[at] = merges ? j->size[at] * axis.size : axis.size;
        j->to[at] = axis.stride;
        for (int k = 0; k < GR_SOURCES; k++) j->stride[k][at] = stride[k];
    }
}

enum { SHORTEST_ROW = 16 }; /* below, a tile of many rows is faster */

static bool rows_lie_flat(gr_job *j)
{
    make_axes(j);
    if (j->result->dtype != j->to_dtype) return false;
    const int last = j->dim - 1;
    if (last < 0 || j->size[last] < SHORTEST_ROW || j->to[last] != 1) return false;
    j->steps = 0;
    for (int k = 0; k < GR_SOURCES; k++) {
        const bool steps = j->stride[k][last] == 1;
        if (j->tensor[k] && (j->tensor[k]->dtype != j->dtype[k] || (!steps && j->stride[k][last] != 0))) return false;
        if (k >= GR_DY && j->tensor[k] && !steps) return false;
        j->steps |= (unsigned)steps << k;
    }
    if (j->back) /* operands that are not read follow dy, so that the others decide */
        for (int k = 0; k < j->operands; k++)
            if (!j->in[k]) j->steps |= 1u << k;
    return steps_fit(j->operands, j->steps & 7) || (j->select && j->steps & 1);
}

static void row_piece(void *context, int64_t begin, int64_t end)
{
    const gr_job *j = context;
    const int last = j->dim - 1;
    for (int64_t piece = begin; piece < end; piece++) {
        const int64_t first = piece % j->parts * GR_GRAIN, left = j->inner - first;
        int64_t rest = piece / j->parts, put = first, take[GR_SOURCES];
        for (int k = 0; k < GR_SOURCES; k++) take[k] = first * j->stride[k][last];
        for (int d = last - 1; d >= 0; d--) {
            const int64_t at = d ? rest % j->size[d] : rest;
            rest = d ? rest / j->size[d] : 0;
            put += at * j->to[d];
            for (int k = 0; k < GR_SOURCES; k++) take[k] += at * j->stride[k][d];
        }
        const void *in[GR_SOURCES];
        for (int k = 0; k < GR_SOURCES; k++) in[k] = j->in[k] ? j->in[k] + take[k] * j->bytes[k] : NULL;
        for (int k = 0; k < GR_SOURCES; k++)
            if (!in[k]) in[k] = in[GR_DY];
        gr_call_loop(j, j->result->data + put * j->to_bytes, in, j->steps & 7, left < GR_GRAIN ? left : GR_GRAIN);
    }
}

/* ---- the kernels ---- */

/* bfloat16: numbers are of its precision, but in products float32's, as PyTorch has it. */
static void round_numbers(gr_job *j, int code)
{
    const bool product = code == GR_E_mul || code == GR_E_div || code == GR_E_lerp;
    for (int k = 0; k < j->operands && !product; k++)
        if (!j->tensor[k] && j->in[k]) gr_round_floats((char *)&j->number[k], 1);
}

static void put_source(gr_job *j, int k, gr_value v, gr_dtype dtype)
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

static void make_job(gr_job *j, gr_tensor *result, gr_dtype to_dtype, int operands, const gr_value *in, gr_dtype dtype)
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
    for (int k = 0; k < GR_SOURCES; k++) put_source(j, k, k < operands ? in[k] : gr_value_tensor(NULL), dtype);
}

static void run_flat(gr_job *j, unsigned steps)
{
    for (int k = 0; k < GR_SOURCES; k++)
        if (!j->in[k]) j->in[k] = j->in[j->back ? GR_DY : 0];
    j->steps = steps | 1u << GR_DY | 1u << GR_Y;
    if (streams(j))
        gr_parallel(j->result->numel, GR_GRAIN, stream_piece, j); /* pieces begin at whole lines */
    else
        gr_parallel(j->result->numel, gr_grain(), flat_piece, j);
}

static void run_job(gr_job *j)
{
    if (!rows_lie_flat(j)) {
        gr_run_tiles(j);
        return;
    }
    if (j->dim == 1) {
        run_flat(j, j->steps & 7);
        return;
    }
    j->inner = j->size[j->dim - 1];
    j->parts = (j->inner + GR_GRAIN - 1) / GR_GRAIN;
    gr_parallel(j->result->numel / j->inner * j->parts, gr_grain_of(j->inner < GR_GRAIN ? j->inner : GR_GRAIN), row_piece, j);
}

void gr_cpu_elementwise_any(int code, gr_tensor *y, const gr_operands *o, unsigned steps)
{
    gr_job j;
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
    gr_job j;
    const gr_dtype dtype = gr_loop_dtype(o->dtype);
    make_job(&j, dx, dtype, operands_of[code], o->in, dtype);
    put_source(&j, GR_DY, gr_value_tensor(dy), dtype);
    put_source(&j, GR_Y, gr_value_tensor(y), dtype);
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
    gr_job j;
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
