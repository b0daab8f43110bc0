/* reductions.c - instructions that join elements, or pick them by an index; and the program's own op. */
#include <math.h>
#include <string.h>

#include "tests/fuzz/program.h"

/* ---- sums, means, products, extrema ---- */

/* The form without dimension dim, or without any (dim < 0), and to which of its elements each of x goes. */
static const int *groups(const form *x, int dim, bool keepdim, form *result)
{
    form kept = *x;
    for (int d = 0; d < x->dim; d++)
        if (dim < 0 || d == dim) kept.size[d] = 1;
    kept = form_of(kept.dim, kept.size);
    int *index = graph_memory(x->count * (int)sizeof *index);
    for (int i = 0; i < x->count; i++) index[i] = broadcast_element(&kept, x, i);
    form dropped = {.dim = 0};
    for (int d = 0; d < x->dim; d++)
        if (dim >= 0 && d != dim) dropped.size[dropped.dim++] = x->size[d];
    *result = keepdim ? kept : form_of(dropped.dim, dropped.size);
    return index;
}

/* The dimension that a byte asks for, which may be out of range; all: GR_ALL. */
static int dim_of(uint8_t byte, const twin *x, bool *fits, int *dim)
{
    const int dims = x->f.dim ? x->f.dim : 1, asked = byte % (2 * dims + 3) - dims - 1;
    *fits = asked >= -dims && asked < dims;
    *dim = asked < 0 ? asked + dims : asked;
    if (byte < 64) *fits = true, *dim = -1;
    return byte < 64 ? GR_ALL : asked;
}

typedef gr_tensor *reduce_call(const gr_reduce_args *);
static const struct {
    reduce_call *call;
    formula kind;
} reductions[] = {{gr_sum_at, SCATTER}, {gr_sum_at, SCATTER}, {gr_mean_at, SCATTER}, {gr_prod_at, PRODUCT},
                  {gr_amax_at, LARGEST}, {gr_amin_at, SMALLEST}};
enum { REDUCTIONS = sizeof reductions / sizeof *reductions, MEAN = 2 };

static twin *reduced(twin *x, int which, int dim, bool keepdim)
{
    rule r = {.kind = reductions[which].kind, .p = 1};
    if (x->f.dim == 0) dim = -1;
    r.index = groups(&x->f, dim, keepdim, &r.f);
    const int each = dim < 0 ? x->f.count : x->f.size[dim];
    if (each == 0 && (which == MEAN || r.kind == LARGEST || r.kind == SMALLEST)) return which == MEAN ? &skipped : REFUSED;
    if (which == MEAN) r.p = 1.0 / each;
    const term in = use(x), e = apply(&r, &in, 1);
    return is_tame(&e) ? twin_of(e, GR_FLOAT64) : &skipped;
}

void run_reduce(const uint8_t *a)
{
    twin *x = pick(a[FIRST], FLOAT, a);
    if (!x || (x->alive && x->dtype != GR_FLOAT64)) return;
    const int which = a[ARGUMENT] % REDUCTIONS;
    const bool keepdim = is(a[FLAGS], IN_PLACE);
    bool fits;
    int dim;
    gr_reduce_args args = {.x = x->real, .site = here(), .dim = dim_of(a[ARGUMENT_2], x, &fits, &dim), .keepdim = keepdim,
                           .dtype = GR_DTYPE_DEFAULT};
    twin *must = x->alive && fits ? reduced(x, which, dim, keepdim) : REFUSED;
    if (must == &skipped) return;
    settle(a, reductions[which].call(&args), must);
}

/* max_dim and min_dim: a gather of the first extremum of each group, whose backward reads the indices. */
static twin *extrema(twin *x, bool largest, int dim, bool keepdim, twin **places)
{
    form f;
    if (x->f.dim == 0) dim = -1;
    const int *index = groups(&x->f, dim, keepdim, &f), each = dim < 0 ? x->f.count : x->f.size[dim];
    if (each == 0) return REFUSED;
    int *chosen = graph_memory(f.count * (int)sizeof *chosen), *seen = graph_memory(f.count * (int)sizeof *seen);
    double *place = graph_memory(f.count * (int)sizeof *place);
    const term in = use(x);
    for (int i = 0; i < x->f.count; i++) {
        const int k = index[i];
        if (seen[k] == 0 || (largest ? in.a.v[i] > in.a.v[chosen[k]] : in.a.v[i] < in.a.v[chosen[k]]))
            chosen[k] = i, place[k] = seen[k];
        seen[k]++;
    }
    const term e = gather(in, f, chosen, 1);
    *places = twin_new(&f, GR_INT64, place);
    if (e.node) {
        e.node->out[1] = constant(&f, 0);
        e.node->out[1].memory = (*places)->memory;
        e.node->out[1].header = *places;
        e.node->reads = 1 << 5;
    }
    return twin_of(e, GR_FLOAT64);
}

void run_extremum(const uint8_t *a)
{
    twin *x = pick(a[FIRST], FLOAT, a), *places = NULL;
    if (!x || (x->alive && x->dtype != GR_FLOAT64)) return;
    bool fits;
    int dim;
    const bool largest = a[ARGUMENT] & 1, keepdim = is(a[FLAGS], IN_PLACE);
    gr_arg_args args = {.x = x->real, .site = here(), .keepdim = keepdim};
    args.dim = dim_of(a[ARGUMENT_2] | 64, x, &fits, &dim);
    twin *must = x->alive && fits ? extrema(x, largest, dim, keepdim, &places) : REFUSED;
    const gr_values_indices real = largest ? gr_max_dim_at(&args) : gr_min_dim_at(&args);
    settle(a, real.values, must);
    if (must) settle_more((uint8_t)(a[RESULT] + 1), real.indices, places);
}

/* ---- products, indices ---- */

void run_matmul(const uint8_t *a)
{
    twin *x = pick(a[FIRST], FLOAT, a), *y = pick(a[SECOND], FLOAT, a), *must = REFUSED;
    form f;
    if (!x || !y || x->f.dim > 2 || y->f.dim > 2) return;
    if (x->alive && y->alive && x->dtype == y->dtype && x->dtype != GR_FLOAT64) return;
    if (x->alive && y->alive && x->dtype == y->dtype && matmul_form(&x->f, &y->f, &f)) {
        const term e = matmul(use(x), use(y));
        if (!is_tame(&e)) return;
        must = twin_of(e, GR_FLOAT64);
        if (x->f.dim == 1 || y->f.dim == 1) must = view_of(must, f, identity_index(f.count)); /* of a matrix that nobody else sees */
    }
    settle(a, gr_matmul_at(x->real, y->real, here()), must);
}

static twin *selected(twin *x, int dim, twin *index)
{
    if (!x->alive || !index->alive || x->f.dim == 0 || index->dtype != GR_INT64 || index->f.dim != 1) return REFUSED;
    if (dim < -x->f.dim || dim >= x->f.dim) return REFUSED;
    if (dim < 0) dim += x->f.dim;
    form f = x->f;
    f.size[dim] = index->f.count;
    f = form_of(f.dim, f.size);
    if (f.count > MOST_ELEMENTS) return &skipped;
    term in[2] = {use(x), use(index)};
    for (int i = 0; i < index->f.count; i++)
        if (in[1].a.v[i] < 0 || in[1].a.v[i] >= x->f.size[dim]) return REFUSED;
    int inner = 1, *element = graph_memory(f.count * (int)sizeof *element);
    for (int d = dim + 1; d < f.dim; d++) inner *= f.size[d];
    for (int i = 0; i < f.count; i++) {
        const int outer = i / inner / f.size[dim], at = (int)in[1].a.v[i / inner % f.size[dim]];
        element[i] = (outer * x->f.size[dim] + at) * inner + i % inner;
    }
    return twin_of(apply(&(rule){.kind = GATHER, .f = f, .index = element, .p = 1}, in, 2), x->dtype);
}

void run_index_select(const uint8_t *a)
{
    twin *x = pick(a[FIRST], FLOAT, a), *index = pick(a[SECOND], INDEX, a);
    if (!x || !index) return;
    const int dim = a[ARGUMENT] % 5 - 2;
    twin *must = selected(x, dim, index);
    if (must == &skipped) return;
    settle(a, gr_index_select_at(x->real, dim, index->real, here()), must);
}

/* ---- an op of the program's own: 2 x, and 5 x + bias, which may be absent ---- */

static bool pair_shape(gr_call *c)
{
    const gr_shape s = gr_shape_of(gr_call_input(c, 0));
    return gr_call_output_shape(c, 0, s, GR_FLOAT64) && gr_call_output_shape(c, 1, s, GR_FLOAT64);
}
static bool pair_forward(gr_call *c)
{
    gr_tensor *x = gr_call_input(c, 0), *bias = gr_call_input(c, 1), *five = gr_mul(x, 5);
    return gr_copy_(gr_call_output(c, 0), gr_mul(x, 2)) && gr_copy_(gr_call_output(c, 1), bias ? gr_add(five, bias) : five);
}
static bool pair_backward(gr_call *c)
{
    gr_tensor *dx = gr_add(gr_mul(gr_call_gradient(c, 0), 2), gr_mul(gr_call_gradient(c, 1), 5));
    if (gr_call_needs(c, 1) && !gr_grad_add(c, 1, gr_call_gradient(c, 1))) return false;
    return !gr_call_needs(c, 0) || gr_grad_add(c, 0, dx);
}
static const gr_op pair = {.name = "pair", .shape = pair_shape, .forward = pair_forward, .backward = pair_backward,
                           .outputs = 2, .optional_inputs = 2};

/* Two arrays from one node. */
static term pair_term(term x, const term *bias, term *second)
{
    const term in[2] = {x, bias ? *bias : x};
    term first = apply(&(rule){.kind = PAIR}, in, bias ? 2 : 1);
    *second = constant(&x.a.f, 0);
    for (int i = 0; i < x.a.f.count; i++) {
        const int at = bias ? broadcast_element(&bias->a.f, &x.a.f, i) : 0;
        first.a.v[i] = 2 * x.a.v[i];
        first.a.m[i] = 2 * x.a.m[i];
        second->a.v[i] = 5 * x.a.v[i] + (bias ? bias->a.v[at] : 0);
        second->a.m[i] = 5 * x.a.m[i] + (bias ? bias->a.m[at] : 0);
    }
    second->node = first.node;
    second->out = 1;
    if (first.node) first.node->outputs = 2, first.node->out[0].a = first.a, first.node->out[1] = *second;
    return first;
}

void run_pair(const uint8_t *a)
{
    twin *x = pick(a[FIRST], FLOAT, a), *bias = is(a[FLAGS], IN_PLACE) ? pick(a[SECOND], FLOAT, a) : NULL, *must = REFUSED;
    twin *second = NULL;
    if (!x || (x->alive && x->dtype != GR_FLOAT64)) return;
    if (bias && bias->alive && x->alive) { /* the op does not check; so must the program */
        form f;
        if (bias->dtype != GR_FLOAT64 || !broadcast(&x->f, &bias->f, &f) || !same_form(&f, &x->f)) return;
    }
    if (x->alive && (!bias || bias->alive) && !model.standing) { /* its forward writes, which nothing does then */
        term e[2], b = bias ? use(bias) : (term){0};
        e[0] = pair_term(use(x), bias ? &b : NULL, &e[1]);
        if (!is_tame(&e[0]) || !is_tame(&e[1])) return;
        must = twin_of(e[0], GR_FLOAT64);
        second = twin_of(e[1], GR_FLOAT64);
    }
    gr_tensor *in[2] = {x->real, bias ? bias->real : GR_ABSENT}, *out[2] = {NULL, NULL};
    settle(a, gr_apply_at(&pair, in, 2, NULL, out, here()), must);
    if (must) settle_more((uint8_t)(a[RESULT] + 1), out[1], second);
}
