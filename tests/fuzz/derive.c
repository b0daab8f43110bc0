/* derive.c - the reference's gradients: expressions made of further expressions. */
#include <string.h>

#include "tests/fuzz/graph.h"

/* The gradient of output k; zeros when none has arrived. */
static term upstream(node *n, int k)
{
    return n->has_gradient[k] ? n->gradient[k] : constant(&n->out[k].a.f, 0);
}

static term times(term a, double number)
{
    return apply2(MUL, a, constant(&(form){.count = 1}, number));
}

/* dy where the slope is 1, half of it where it is a half, 0 where it is 0: an array without history. */
static term masked(term dy, const array *slope)
{
    term s = constant(&dy.a.f, 0);
    memcpy(s.a.v, slope->v, sizeof(double) * (size_t)slope->f.count);
    memcpy(s.a.m, slope->v, sizeof(double) * (size_t)slope->f.count);
    return apply2(MUL, dy, s);
}

static term masked_by_operand(const node *n, term dy)
{
    array slope = constant(&dy.a.f, 0).a;
    const array *x = &n->in[0].a, *y = &n->out[0].a;
    for (int i = 0; i < slope.f.count; i++) {
        const double v = x->v[i];
        slope.v[i] = n->rule.kind == RELU    ? y->v[i] > 0
                     : n->rule.kind == LEAKY ? (v > 0 ? 1 : n->rule.p)
                                             : v > n->rule.p && v < n->rule.q;
    }
    return masked(dy, &slope);
}

static term derive_unary(const node *n, term dy)
{
    const term x = n->in[0], y = n->out[0];
    switch (n->rule.kind) {
    case NEG: return apply1(NEG, dy);
    case ABS: return apply2(MUL, dy, apply1(SIGN, x));
    case SIGN: return constant(&dy.a.f, 0);
    case EXP: return apply2(MUL, dy, y);
    case LOG: return apply2(DIV, dy, x);
    case SQRT: return apply2(DIV, dy, times(y, 2));
    case RECIPROCAL: return apply1(NEG, apply2(MUL, dy, apply1(SQUARE, y)));
    case SQUARE: return apply2(MUL, dy, times(x, 2));
    case SIN: return apply2(MUL, dy, apply1(COS, x));
    case COS: return apply1(NEG, apply2(MUL, dy, apply1(SIN, x)));
    case TANH: return apply2(MUL, dy, apply2(SUB, constant(&dy.a.f, 1), apply1(SQUARE, y)));
    case SIGMOID: return apply2(MUL, dy, apply2(SUB, y, apply1(SQUARE, y)));
    default: return masked_by_operand(n, dy);
    }
}

/* maximum, minimum: all to the operand chosen, half to each of a tie. */
static term derive_choice(const node *n, int i, term dy)
{
    array slope = constant(&dy.a.f, 0).a;
    for (int e = 0; e < slope.f.count; e++) {
        const double own = n->in[i].a.v[broadcast_element(&n->in[i].a.f, &dy.a.f, e)];
        const double other = n->in[1 - i].a.v[broadcast_element(&n->in[1 - i].a.f, &dy.a.f, e)];
        slope.v[e] = own == other ? 0.5 : (n->rule.kind == MAXIMUM) == (own > other);
    }
    return masked(dy, &slope);
}

static term derive_binary(const node *n, int i, term dy)
{
    const term a = n->in[0], b = n->in[1];
    switch (n->rule.kind) {
    case ADD: return dy;
    case SUB: return i ? apply1(NEG, dy) : dy;
    case MUL: return apply2(MUL, dy, n->in[1 - i]);
    case DIV:
        if (!i) return apply2(DIV, dy, b);
        return apply1(NEG, apply2(MUL, dy, apply2(DIV, apply2(DIV, a, b), b)));
    default: return derive_choice(n, i, dy);
    }
}

static term derive_where(const node *n, int i, term dy)
{
    const term zero = constant(&dy.a.f, 0);
    return apply(&(rule){.kind = WHERE}, (term[]){n->in[0], i == 1 ? dy : zero, i == 1 ? zero : dy}, 3);
}

static term derive_extremum(const node *n, term dy)
{
    const array *x = &n->in[0].a, *y = &n->out[0].a;
    array slope = constant(&x->f, 0).a;
    for (int i = 0; i < x->f.count; i++) {
        int equals = 0;
        for (int j = 0; j < x->f.count; j++) equals += n->rule.index[j] == n->rule.index[i] && x->v[j] == y->v[n->rule.index[i]];
        slope.v[i] = x->v[i] == y->v[n->rule.index[i]] ? 1.0 / equals : 0;
    }
    return masked(gather(dy, x->f, n->rule.index, 1), &slope);
}

/* The product of the others: of the next element of its group, the one after that, and so on, round to its own place. One
 * alone has no others: its gradient is dy and has no history in x. */
static term derive_product(const node *n, term dy)
{
    const term x = n->in[0];
    const form *f = &x.a.f;
    int size = 0;
    if (!f->count) return constant(f, 0);
    for (int i = 0; i < f->count; i++) size += n->rule.index[i] == n->rule.index[0];
    if (size < 2) return gather(dy, *f, n->rule.index, 1);
    term others = constant(f, 1);
    int *to = graph_memory(f->count * (int)sizeof *to);
    memcpy(to, identity_index(f->count), sizeof(int) * (size_t)f->count);
    for (int step = 1; step < size; step++) {
        int *next = graph_memory(f->count * (int)sizeof *next);
        for (int i = 0; i < f->count; i++) {
            next[i] = to[i];
            do next[i] = (next[i] + 1) % f->count;
            while (n->rule.index[next[i]] != n->rule.index[i]);
        }
        others = apply2(MUL, others, gather(x, *f, to = next, 1));
    }
    return apply2(MUL, gather(dy, *f, n->rule.index, 1), others);
}

static term derive_put(const node *n, int i, term dy)
{
    if (i == 1) return gather(dy, n->in[1].a.f, n->rule.index, 1);
    array slope = constant(&dy.a.f, 0).a;
    for (int e = 0; e < slope.f.count; e++) slope.v[e] = 1;
    for (int e = 0; e < n->in[1].a.f.count; e++) slope.v[n->rule.index[e]] = 0;
    return masked(dy, &slope);
}

/* The index of a select is read again; so is it by a gradient that is itself recorded. */
static term derive_move(const node *n, term dy)
{
    const rule back = {.kind = n->rule.kind == GATHER ? SCATTER : GATHER, .f = n->in[0].a.f, .index = n->rule.index, .p = n->rule.p};
    return apply(&back, (term[]){dy, n->in[1]}, n->inputs);
}

static term derive_pair(node *n, int i)
{
    const term second = upstream(n, 1);
    return i ? summed(second, &n->in[1].a.f) : apply2(ADD, times(upstream(n, 0), 2), times(second, 5));
}

term derive(node *n, int i)
{
    const formula k = n->rule.kind;
    if (k == PAIR) return derive_pair(n, i);
    const term dy = n->gradient[0];
    if (k <= MINIMUM) return summed(derive_binary(n, i, dy), &n->in[i].a.f);
    if (k <= CLAMP) return derive_unary(n, dy);
    if (k == WHERE) return summed(derive_where(n, i, dy), &n->in[i].a.f);
    if (k == GATHER || k == SCATTER) return derive_move(n, dy);
    if (k == PUT) return derive_put(n, i, dy);
    if (k == LARGEST || k == SMALLEST) return derive_extremum(n, dy);
    if (k == PRODUCT) return derive_product(n, dy);
    return i ? summed(dy, &n->in[1].a.f) : constant(&n->in[0].a.f, 0); /* FILL, COPY */
}
