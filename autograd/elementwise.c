/* elementwise.c - the rows of elementwise.def as public functions: dtypes, broadcasting, forward and fused backward. */
#include "autograd/elementwise.h"

#include <string.h>

#include "autograd/autograd.h"

/* ---- dtype and shape of the result ---- */

static bool refuse_bool(const gr_call *c)
{
    const char *name = gr_input_name(c->op, c->inputs, 0);
    return gr_call_fail(c, "%s is bool; must be a number: gr_to(%s, .dtype = GR_INT64)", name, name);
}

static bool number_dtype(gr_call *c, int i, int *dtype)
{
    const gr_value_kind kind = (gr_value_kind)c->slot[i].version;
    if (c->op->code == GR_E_sub && *dtype == GR_BOOL) return refuse_bool(c);
    if (kind == GR_VALUE_REAL && !gr_is_float(*dtype)) *dtype = gr_default_dtype();
    if (kind == GR_VALUE_INTEGER && *dtype == GR_BOOL) *dtype = GR_INT64;
    if (c->op->code != GR_E_pow || i == 0 || gr_is_float(*dtype)) return true;
    const int64_t b = c->slot[i].integer, most = *dtype == GR_UINT8 ? UINT8_MAX : *dtype == GR_INT32 ? INT32_MAX : INT64_MAX;
    return (b >= 0 && b <= most) || gr_call_fail(c, "b is %lld, a is %s; must be 0 to %lld", (long long)b,
                                                 gr_dtype_name[*dtype], (long long)most);
}

/* The dtype to compute in, by the row's TYPES: PyTorch's promotion between a tensor and a number. */
static bool compute_dtype(gr_call *c, const gr_tensor *first)
{
    const gr_row *row = &gr_rows[c->op->code];
    int dtype = first->dtype;
    if (gr_unlikely(c->numbers))
        for (int i = 0; i < c->inputs; i++)
            if (gr_is_number(c, i) && !number_dtype(c, i, &dtype)) return false;
    if (!gr_is_float(dtype)) {
        if (row->types == GR_TYPES_FLOAT) dtype = gr_default_dtype();
        if (row->types == GR_TYPES_SAME_NOBOOL && dtype == GR_BOOL) return refuse_bool(c);
    }
    c->dtype = (uint8_t)dtype;
    return true;
}

/* The size of input i in dimension d of `dim`; numbers and dimensions that it lacks count as 1. */
static int64_t size_in(const gr_call *c, int i, int d, int dim)
{
    const gr_tensor *x = gr_is_number(c, i) ? NULL : c->slot[i].tensor;
    const int at = x ? d - (dim - x->dim) : -1;
    return at < 0 ? 1 : x->axis[at].size;
}

/* Input i does not meet what the inputs before it make in dimension d of `dim`: names the one of them that is not 1 there. */
static bool broadcast_refused(gr_call *c, int i, int d, int dim)
{
    char have[GR_SHAPE_TEXT], other[GR_SHAPE_TEXT];
    int k = 0;
    while (size_in(c, k, d, dim) == 1) k++;
    return gr_call_fail(c, "%s is %s, %s is %s; dimension %d is %lld and %lld, must be equal or one of them 1",
                        gr_input_name(c->op, c->inputs, k), gr_shape_text(c->slot[k].tensor, have),
                        gr_input_name(c->op, c->inputs, i), gr_shape_text(c->slot[i].tensor, other), d,
                        (long long)size_in(c, k, d, dim), (long long)size_in(c, i, d, dim));
}

/* y's sizes, those of the inputs before i from `first` on, broadcast with those of input i. */
static bool broadcast(gr_call *c, gr_tensor *y, int i, int first)
{
    const gr_tensor *x = c->slot[i].tensor;
    const int dim = x->dim > y->dim ? x->dim : y->dim;
    int64_t size[GR_MAX_DIMS];
    for (int d = 0; d < dim; d++) {
        const int dx = d - (dim - x->dim), dy = d - (dim - y->dim);
        const int64_t sx = dx < 0 ? 1 : x->axis[dx].size, sy = dy < 0 ? 1 : y->axis[dy].size;
        if (sx != sy && sx != 1 && sy != 1) return broadcast_refused(c, i, d, dim);
        size[d] = sx == 1 ? sy : sx;
    }
    if (gr_set_sizes(y, dim, size)) return true;
    char have[GR_SHAPE_TEXT], other[GR_SHAPE_TEXT];
    return gr_call_fail(c, "%s is %s, %s is %s; the result must have fewer than 2^63 bytes", gr_input_name(c->op, c->inputs, first),
                        gr_shape_text(c->slot[first].tensor, have), gr_input_name(c->op, c->inputs, i), gr_shape_text(x, other));
}

/* One or two operands of one float dtype and one shape, row-major, or numbers: most calls. Describes y, or leaves it to
 * the general way. */
static inline bool flat_shape(gr_call *c, gr_tensor *y)
{
    const unsigned steps = ((1u << c->inputs) - 1) & ~(unsigned)c->numbers;
    if (gr_unlikely(steps == 0 || c->inputs > 2)) return false;
    const gr_tensor *x = c->slot[!(steps & 1)].tensor;
    if (gr_unlikely(!x->contiguous || !gr_is_float(x->dtype))) return false;
    if (steps == 3) {
        const gr_tensor *other = c->slot[1].tensor;
        if (gr_unlikely(other->key != x->key || !other->contiguous || other->dim != x->dim)) return false;
        for (int d = x->dim; d-- > 0;)
            if (other->axis[d].size != x->axis[d].size) return false;
    }
    c->dtype = x->dtype;
    c->flat = (uint8_t)(steps | (c->numbers & 2u) * (GR_BY_NUMBER / 2));
    y->dtype = gr_rows[c->op->code].gives_bool ? GR_BOOL : x->dtype;
    y->dim = x->dim;
    y->numel = x->numel;
    gr_copy_axes(y, x);
    return true;
}

GR_HOT bool gr_row_shape(gr_call *c)
{
    gr_tensor *y = gr_out(c, 0)->tensor;
    c->flat = 0;
    if (gr_likely(flat_shape(c, y))) return true;
    int first = 0;
    while (first < c->inputs && gr_is_number(c, first)) first++;
    if (gr_unlikely(first == c->inputs)) return gr_call_fail(c, "all operands are numbers; one must be a tensor");
    const gr_tensor *x = c->slot[first].tensor;
    if (!compute_dtype(c, x)) return false;
    y->dtype = gr_rows[c->op->code].gives_bool ? GR_BOOL : c->dtype;
    y->device = x->device;
    gr_copy_sizes(y, x);
    for (int i = first + 1; i < c->inputs; i++) {
        if (gr_is_number(c, i)) continue;
        const gr_tensor *other = c->slot[i].tensor;
        if (gr_unlikely(other->key != x->key) && !gr_call_same_key(c, first, i)) return false;
        if (!gr_same_sizes(y, other) && !broadcast(c, y, i, first)) return false;
    }
    return true;
}

/* ---- forward, fused backward ---- */

static inline void operands_of(gr_call *c, gr_operands *o)
{
    for (int i = 0; i < c->inputs; i++) o->in[i] = gr_slot_value(c, i);
    o->param = gr_attributes(c);
    o->dtype = (gr_dtype)c->dtype;
}

enum { SMALL = 16384 }; /* elements that one thread computes without being asked to share */

/* The operands' addresses; a number stands in `number`, converted. */
static inline void flat_operands(const gr_call *c, const void **in, double *number)
{
    if (gr_likely(!c->numbers)) {
        in[0] = c->slot[0].tensor->data;
        in[1] = c->slot[1].tensor->data; /* beside a single operand stands the result */
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (c->flat >> i & 1) {
            in[i] = c->slot[i].tensor->data;
            continue;
        }
        const double v = c->slot[i].version == GR_VALUE_REAL ? c->slot[i].real : (double)c->slot[i].integer;
        const float narrow = (float)v;
        if (c->dtype == GR_FLOAT32) memcpy(&number[i], &narrow, sizeof narrow);
        else number[i] = v;
        in[i] = &number[i];
    }
}

static inline bool is_flat(const gr_call *c, const gr_tensor *y, const void *loops)
{
    return c->flat && (uint64_t)y->numel - 1 < SMALL && loops;
}

GR_HOT bool gr_row_forward(gr_call *c)
{
    gr_tensor *y = gr_out(c, 0)->tensor;
    const gr_kernels *k = gr_devices[y->device]->kernels[c->dtype];
    if (gr_likely(is_flat(c, y, k->flat_forward)) && gr_likely(y->contiguous)) {
        const void *in[2];
        double number[2];
        flat_operands(c, in, number);
        k->flat_forward[c->op->code](y->data, in, c->flat, y->numel, gr_attributes(c));
        return true;
    }
    gr_operands o;
    operands_of(c, &o);
    k->elementwise(c->op->code, y, &o);
    return true;
}

/* What the row hands back to a broadcast operand: made in dy's shape, summed by gr_grad_add. */
static bool backward_broadcast(gr_call *c, int i, const gr_tensor *dy, const gr_operands *o, const gr_tensor *y)
{
    gr_thread *t = gr_self();
    gr_tensor *whole = gr_can_own(t) ? gr_tensor_like(t, dy, (gr_dtype)dy->dtype) : NULL;
    if (!whole) {
        gr_fail_memory(gr_site_of(c), c->op->name, "a gradient before it is summed",
                       (size_t)dy->numel * gr_dtype_size[dy->dtype]);
        return false;
    }
    gr_own(t, whole);
    gr_kernels_of(dy)->elementwise_back(c->op->code, i, whole, false, dy, o, y);
    return gr_grad_add(c, i, whole);
}

/* All lies flat: the loops run straight into the gradients' places. */
static inline bool backward_flat(gr_call *c, const gr_kernels *k, const gr_tensor *dy)
{
    const void *in[2];
    double number[2];
    flat_operands(c, in, number);
    for (int i = 0; i < c->inputs; i++) {
        bool add;
        gr_tensor *dx = gr_grad_into(c, i, &add);
        if (dx)
            k->flat_back[c->op->code][i](dx->data, add, dy->data, in, c->flat, gr_out(c, 0)->tensor->data, dy->numel,
                                         gr_attributes(c));
    }
    return gr_grads_given();
}

GR_HOT bool gr_row_backward(gr_call *c)
{
    const gr_row *row = &gr_rows[c->op->code];
    gr_tensor *dy = gr_upstream(c);
    const gr_kernels *k = gr_kernels_of(dy);
    if (gr_likely(is_flat(c, dy, k->flat_back)) && gr_likely(!gr_is_recording_backward())) return backward_flat(c, k, dy);
    const gr_tensor *y = c->reads_outputs ? gr_out(c, 0)->tensor : NULL;
    gr_operands o;
    operands_of(c, &o);
    for (int i = 0; i < c->inputs; i++) {
        if (!c->slot[i].value || !gr_call_needs(c, i)) continue;
        bool ok, add;
        if (gr_is_recording_backward())
            ok = gr_grad_add(c, i, gr_row_rule(c, i, dy));
        else if (gr_same_sizes(c->slot[i].tensor, dy)) {
            gr_tensor *dx = gr_grad_into(c, i, &add);
            if ((ok = dx != NULL)) gr_kernels_of(dy)->elementwise_back(c->op->code, i, dx, add, dy, &o, y);
        } else
            ok = row->passes >> i & 1 ? gr_grad_add(c, i, dy) : backward_broadcast(c, i, dy, &o, y);
        if (!ok) return false;
    }
    return true;
}

/* ---- the public functions ---- */

static inline void put(gr_call *c, int i, gr_value v)
{
    c->slot[i].integer = v.integer;
    if (gr_likely(v.kind == GR_VALUE_TENSOR)) return;
    c->slot[i].version = v.kind;
    c->numbers |= (uint8_t)(1 << i);
}

gr_tensor *gr_row_run2(const gr_op *op, gr_value a, gr_value b, gr_site site)
{
    gr_call *c = gr_call_begin(op, 2, site);
    if (!c) return NULL;
    put(c, 0, a);
    put(c, 1, b);
    return gr_call_run(c);
}

static gr_tensor *run3(const gr_op *op, gr_value a, gr_value b, gr_value third, gr_site site)
{
    gr_call *c = gr_call_begin(op, 3, site);
    if (!c) return NULL;
    put(c, 0, a);
    put(c, 1, b);
    put(c, 2, third);
    return gr_call_run(c);
}

/* A row without parameters takes (x, site), one with parameters its options: chosen by the first word of PARAMS. */
#define TAKES_NONE TAKES_PLAIN
#define TAKES_P1(n, d) TAKES_OPTIONS
#define TAKES_P2(n, d, m, e) TAKES_OPTIONS
#define TAKES_PLAIN(name) gr_tensor *x, gr_site site
#define TAKES_OPTIONS(name) const gr_##name##_args *args
#define RUNS_NONE(op) return gr_run1(op, x, site);
#define RUNS_P1(n, d) RUNS_ONE(n) RUNS_IT
#define RUNS_P2(n, d, m, e) RUNS_TWO(n, m) RUNS_IT
#define RUNS_ONE(n) const double param[] = {args->n};
#define RUNS_TWO(n, m) const double param[] = {args->n, args->m};
#define RUNS_IT(op) return gr_run1_with(op, args->x, param, args->site);

#define UNARY(name, params, ...) \
    gr_tensor *gr_##name##_at(TAKES_##params(name)) { RUNS_##params(&gr_row_op[GR_E_##name]) } \
    gr_tensor *gr_##name##__at(TAKES_##params(name)) { RUNS_##params(&gr_row_op_in_place[GR_E_##name]) }
#define PREDICATE(name, params, ...) \
    gr_tensor *gr_##name##_at(TAKES_##params(name)) { RUNS_##params(&gr_row_op[GR_E_##name]) }
#define BINARY(name, ...) \
    COMPARE(name, ) \
    gr_tensor *gr_##name##__at(gr_tensor *a, gr_value b, gr_site site) \
    { \
        return gr_row_run2(&gr_row_op_in_place[GR_E_##name], gr_value_tensor(a), b, site); \
    }
#define COMPARE(name, ...) \
    gr_tensor *gr_##name##_at(gr_value a, gr_value b, gr_site site) \
    { \
        return gr_row_run2(&gr_row_op[GR_E_##name], a, b, site); \
    }
#define TERNARY(name, ...) \
    gr_tensor *gr_##name##_at(gr_value a, gr_value b, gr_value c, gr_site site) \
    { \
        return run3(&gr_row_op[GR_E_##name], a, b, c, site); \
    }
#include "core/elementwise.def"
