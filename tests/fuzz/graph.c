/* graph.c - the reference's arithmetic. */
#include "tests/fuzz/graph.h"

#include <math.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

struct graph graph;

/* ---- memory ---- */

enum { ALIGNED = 16 }; /* as malloc aligns */
static _Alignas(ALIGNED) char pool[24 << 20];
static size_t used;

void graph_begin(void)
{
    used = 0;
    graph.count = 0;
    graph.recording = true;
    graph.derived = false;
}

void *graph_memory(int bytes)
{
    char *taken = pool + used;
    used += ((size_t)bytes + ALIGNED - 1) / ALIGNED * ALIGNED;
    if (used > sizeof pool) graph_full();
    memset(taken, 0, (size_t)bytes);
    return taken;
}

static array make(const form *f)
{
    array a = {.f = *f};
    a.v = graph_memory(2 * f->count * (int)sizeof *a.v);
    a.m = a.v + f->count;
    return a;
}

/* ---- forms ---- */

form form_of(int dim, const int *size)
{
    form f = {.dim = dim, .count = 1};
    for (int d = 0; d < dim; d++) {
        f.size[d] = size[d];
        f.count *= size[d];
    }
    return f;
}

bool same_form(const form *a, const form *b)
{
    return a->dim == b->dim && !memcmp(a->size, b->size, sizeof(int) * (size_t)a->dim);
}

bool broadcast(const form *a, const form *b, form *result)
{
    const int dim = a->dim > b->dim ? a->dim : b->dim;
    int size[FORM_DIMS];
    for (int d = 0; d < dim; d++) {
        const int da = d - (dim - a->dim), db = d - (dim - b->dim);
        const int sa = da < 0 ? 1 : a->size[da], sb = db < 0 ? 1 : b->size[db];
        if (sa != sb && sa != 1 && sb != 1) return false;
        size[d] = sa == 1 ? sb : sa;
    }
    *result = form_of(dim, size);
    return true;
}

int broadcast_element(const form *from, const form *to, int i)
{
    int element = 0, step = 1;
    for (int d = to->dim - 1; d >= 0; d--) {
        const int place = i % to->size[d], own = d - (to->dim - from->dim);
        i /= to->size[d];
        if (own < 0) continue;
        if (from->size[own] != 1) element += place * step;
        step *= from->size[own];
    }
    return element;
}

const int *identity_index(int count)
{
    int *index = graph_memory(count * (int)sizeof *index);
    for (int i = 0; i < count; i++) index[i] = i;
    return index;
}

/* ---- values ---- */

static double one_operand(const rule *r, double x)
{
    switch (r->kind) {
    case NEG: return -x;
    case ABS: return fabs(x);
    case SIGN: return (x > 0) - (x < 0);
    case EXP: return exp(x);
    case LOG: return log(x);
    case SQRT: return sqrt(x);
    case RECIPROCAL: return 1 / x;
    case SQUARE: return x * x;
    case SIN: return sin(x);
    case COS: return cos(x);
    case TANH: return tanh(x);
    case SIGMOID: return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
    case RELU: return x > 0 ? x : 0;
    case LEAKY: return x > 0 ? x : x * r->p;
    case CLAMP: return x < r->p ? r->p : x > r->q ? r->q : x;
    default: demand(false, "kind %d has no value", r->kind);
    }
    return 0;
}

/* |dy/dx|, for the magnitude alone. */
static double slope_of(const rule *r, double x, double y)
{
    switch (r->kind) {
    case EXP: return y;
    case LOG: return 1 / x;
    case SQRT: return 0.5 / y;
    case RECIPROCAL: return y * y;
    case SQUARE: return 2 * fabs(x);
    default: return 1; /* or less */
    }
}

static void two_operands(const rule *r, const array *a, int i, const array *b, int j, double *v, double *m)
{
    const double p = a->v[i], q = b->v[j], mp = a->m[i], mq = b->m[j];
    switch (r->kind) {
    case ADD: *v = p + q, *m = mp + mq; break;
    case SUB: *v = p - q, *m = mp + mq; break;
    case MUL: *v = p * q, *m = mp * mq; break;
    case DIV: *v = p / q, *m = mp / fabs(q) * (1 + mq / fabs(q)); break;
    case MAXIMUM: *v = p < q ? q : p, *m = mp > mq ? mp : mq; break;
    case MINIMUM: *v = p < q ? p : q, *m = mp > mq ? mp : mq; break;
    default: *v = q, *m = mq; break; /* COPY */
    }
}

static void elementwise(const rule *r, const term *in, int inputs, array *y)
{
    for (int i = 0; i < y->f.count; i++) {
        int at[3] = {0};
        for (int k = 0; k < inputs; k++) at[k] = broadcast_element(&in[k].a.f, &y->f, i);
        if (r->kind == FILL) {
            y->v[i] = r->p, y->m[i] = fabs(r->p);
        } else if (r->kind == WHERE) {
            const int k = in[0].a.v[at[0]] != 0 ? 1 : 2;
            y->v[i] = in[k].a.v[at[k]], y->m[i] = in[k].a.m[at[k]];
        } else if (inputs == 2) {
            two_operands(r, &in[0].a, at[0], &in[1].a, at[1], &y->v[i], &y->m[i]);
        } else {
            y->v[i] = one_operand(r, in[0].a.v[i]);
            y->m[i] = fabs(y->v[i]) + fabs(slope_of(r, in[0].a.v[i], y->v[i])) * in[0].a.m[i];
        }
    }
}

static void move(const rule *r, const term *in, array *y)
{
    const array *x = &in[0].a;
    const int *index = r->index;
    if (r->kind == GATHER)
        for (int i = 0; i < y->f.count; i++) y->v[i] = r->p * x->v[index[i]], y->m[i] = fabs(r->p) * x->m[index[i]];
    else if (r->kind == SCATTER)
        for (int i = 0; i < x->f.count; i++) y->v[index[i]] += r->p * x->v[i], y->m[index[i]] += fabs(r->p) * x->m[i];
    else {
        memcpy(y->v, x->v, sizeof(double) * (size_t)y->f.count);
        memcpy(y->m, x->m, sizeof(double) * (size_t)y->f.count);
        for (int i = 0; i < in[1].a.f.count; i++) y->v[index[i]] = in[1].a.v[i], y->m[index[i]] = in[1].a.m[i];
    }
}

static void reduce(const rule *r, const array *x, array *y)
{
    for (int i = 0; i < y->f.count; i++) y->v[i] = y->m[i] = r->kind == PRODUCT ? 1 : (double)NAN;
    for (int i = 0; i < x->f.count; i++) {
        const int k = r->index[i];
        const double v = x->v[i];
        if (r->kind == PRODUCT) {
            y->v[k] *= v, y->m[k] *= x->m[i];
        } else if (isnan(y->v[k]) || (r->kind == LARGEST ? v > y->v[k] : v < y->v[k]))
            y->v[k] = v, y->m[k] = x->m[i];
    }
}

/* ---- calls ---- */

bool is_linked(const term *x)
{
    return x->node || x->leaf;
}

term constant(const form *f, double number)
{
    term c = {.a = make(f)};
    for (int i = 0; i < f->count; i++) c.a.v[i] = number, c.a.m[i] = fabs(number);
    return c;
}

/* What the gradients that are wanted read. */
static unsigned reads_of(const node *n)
{
    const bool first = is_linked(&n->in[0]), second = n->inputs > 1 && is_linked(&n->in[1]);
    switch (n->rule.kind) {
    case MUL: return (first ? 2u : 0) | (second ? 1u : 0);
    case DIV: return (first ? 2u : 0) | (second ? 3u : 0);
    case MAXIMUM:
    case MINIMUM: return 3;
    case ABS:
    case LOG:
    case SQUARE:
    case SIN:
    case COS:
    case LEAKY:
    case CLAMP:
    case WHERE:
    case PRODUCT: return 1;
    case EXP:
    case SQRT:
    case RECIPROCAL:
    case TANH:
    case SIGMOID:
    case RELU: return 1 << 4;
    case LARGEST:
    case SMALLEST: return 1 | 1 << 4;
    case GATHER:
    case SCATTER: return n->inputs == 2 ? 2 : 0; /* an index that is a tensor */
    default: return 0;
    }
}

static void record(const rule *r, const term *in, int inputs, term *y)
{
    if (graph.count == MOST_NODES) graph_full();
    node *n = graph_memory(sizeof *n);
    n->rule = *r;
    n->serial = graph.count;
    n->inputs = inputs;
    memcpy(n->in, in, sizeof *in * (size_t)inputs);
    n->outputs = 1;
    n->derived = graph.derived;
    n->reads = reads_of(n);
    y->node = n;
    y->out = 0;
    n->out[0] = *y;
    graph.node[graph.count++] = n;
}

term apply(const rule *r, const term *in, int inputs)
{
    rule whole = *r;
    term y = {0};
    if (r->kind <= WHERE || r->kind >= FILL) {
        whole.f = in[0].a.f;
        for (int i = 1; i < inputs; i++) demand(broadcast(&whole.f, &in[i].a.f, &whole.f), "the reference's forms");
    }
    y.a = make(&whole.f);
    if (r->kind >= GATHER && r->kind <= PUT) move(&whole, in, &y.a);
    else if (r->kind >= LARGEST && r->kind <= PRODUCT) reduce(&whole, &in[0].a, &y.a);
    else if (r->kind != PAIR) elementwise(&whole, in, inputs, &y.a);
    bool linked = false;
    for (int i = 0; i < inputs; i++) {
        linked |= is_linked(&in[i]);
        y.rounded |= in[i].rounded;
    }
    y.rounded |= r->kind == SCATTER || r->kind == PRODUCT || (r->kind == GATHER && r->p != 1) || r->kind == EXP ||
                 r->kind == LOG || (r->kind >= SIN && r->kind <= SIGMOID);
    if (graph.recording && linked) record(&whole, in, inputs, &y);
    return y;
}

term apply1(formula k, term x)
{
    return apply(&(rule){.kind = k}, &x, 1);
}

term apply2(formula k, term a, term b)
{
    return apply(&(rule){.kind = k}, (term[]){a, b}, 2);
}

term gather(term x, form f, const int *index, double factor)
{
    return apply(&(rule){.kind = GATHER, .f = f, .index = index, .p = factor}, &x, 1);
}

term scatter(term x, form f, const int *index, double factor)
{
    return apply(&(rule){.kind = SCATTER, .f = f, .index = index, .p = factor}, &x, 1);
}

static const int *broadcast_index(const form *from, const form *to)
{
    int *index = graph_memory(to->count * (int)sizeof *index);
    for (int i = 0; i < to->count; i++) index[i] = broadcast_element(from, to, i);
    return index;
}

term summed(term x, const form *f)
{
    return same_form(&x.a.f, f) ? x : scatter(x, *f, broadcast_index(f, &x.a.f), 1);
}

/* ---- matrix products ---- */

bool matmul_form(const form *a, const form *b, form *result)
{
    if (a->dim < 1 || a->dim > 2 || b->dim < 1 || b->dim > 2 || a->size[a->dim - 1] != b->size[0]) return false;
    int size[2], dim = 0;
    if (a->dim == 2) size[dim++] = a->size[0];
    if (b->dim == 2) size[dim++] = b->size[1];
    *result = form_of(dim, size);
    return true;
}

term matmul(term a, term b)
{
    form f;
    demand(matmul_form(&a.a.f, &b.a.f, &f), "the reference's matmul");
    const int k = b.a.f.size[0], columns = b.a.f.dim == 2 ? b.a.f.size[1] : 1, count = f.count * k;
    int *left = graph_memory(count * (int)sizeof *left), *right = graph_memory(count * (int)sizeof *right);
    int *to = graph_memory(count * (int)sizeof *to);
    for (int i = 0; i < count; i++) {
        const int row = i / k / (columns ? columns : 1), column = i / k % (columns ? columns : 1);
        left[i] = row * k + i % k;
        right[i] = i % k * columns + column;
        to[i] = i / k;
    }
    const form flat = form_of(1, &count);
    term p = gather(a, flat, left, 1), q = gather(b, flat, right, 1);
    /* what is read is a and b: a vector by way of a view that the program does not have */
    p.memory = a.memory, p.version = a.version, p.header = a.a.f.dim == 2 ? a.header : NULL;
    q.memory = b.memory, q.version = b.version, q.header = b.a.f.dim == 2 ? b.header : NULL;
    term y = scatter(apply2(MUL, p, q), f, to, 1);
    y.rounded = true;
    return y;
}
