/* views.c - instructions that show a tensor's memory in another form. Each is described by the elements it picks. */
#include <string.h>

#include "tests/fuzz/program.h"

/* Elements first + sum of place[d] * step[d], counted in x as if it were row-major. */
typedef struct {
    form f;
    int first, step[FORM_DIMS];
} choice;

static int row_major_step(const form *f, int dim)
{
    int step = 1;
    for (int d = dim + 1; d < f->dim; d++) step *= f->size[d];
    return step;
}

static const int *elements(const choice *c)
{
    const form f = form_of(c->f.dim, c->f.size);
    int *element = graph_memory(f.count * (int)sizeof *element);
    for (int i = 0; i < f.count; i++) {
        element[i] = c->first;
        for (int d = f.dim - 1, rest = i; d >= 0; rest /= f.size[d], d--) element[i] += rest % f.size[d] * c->step[d];
    }
    return element;
}

static twin *chosen(twin *x, const choice *c)
{
    const form f = form_of(c->f.dim, c->f.size);
    if (f.count > MOST_ELEMENTS || f.dim >= FORM_DIMS - 1) return &skipped;
    return view_of(x, f, elements(c));
}

/* All of x. */
static choice whole(const twin *x)
{
    choice c = {.f = x->f};
    for (int d = 0; d < x->f.dim; d++) c.step[d] = row_major_step(&x->f, d);
    return c;
}

static void drop(choice *c, int dim)
{
    for (int d = dim; d + 1 < c->f.dim; d++) c->f.size[d] = c->f.size[d + 1], c->step[d] = c->step[d + 1];
    c->f.dim--;
}

/* A dimension that a byte asks for, mostly one that there is. Counts from the front, or -1. */
static int asked_dim(uint8_t byte, int dims, int *dim)
{
    const int n = dims ? dims : 1, asked = byte % (2 * n + (byte > 200)) - n;
    *dim = asked < -n || asked >= n ? -1 : asked < 0 ? asked + n : asked;
    return asked;
}

/* ---- narrow, select, slice ---- */

static twin *narrowed(twin *x, int dim, int start, int length)
{
    if (start < 0) start += x->f.size[dim];
    if (start < 0 || length < 0 || start + length > x->f.size[dim]) return REFUSED;
    choice c = whole(x);
    c.first = length ? start * c.step[dim] : 0;
    c.f.size[dim] = length;
    return chosen(x, &c);
}

static twin *element_of(twin *x, int dim, int index)
{
    if (index < 0) index += x->f.size[dim];
    if (index < 0 || index >= x->f.size[dim]) return REFUSED;
    choice c = whole(x);
    c.first = index * c.step[dim];
    drop(&c, dim);
    return chosen(x, &c);
}

static twin *sliced(twin *x, int dim, int start, int end, int step)
{
    const int size = x->f.size[dim];
    if (step <= 0) return REFUSED;
    start = start < 0 ? start + size : start;
    end = end < 0 ? end + size : end;
    start = start < 0 ? 0 : start > size ? size : start;
    end = end > size ? size : end;
    choice c = whole(x);
    c.f.size[dim] = 0;
    for (int i = start; i < end; i += step) c.f.size[dim]++;
    c.first = c.f.size[dim] ? start * c.step[dim] : 0;
    c.step[dim] *= step;
    return chosen(x, &c);
}

void run_slice(const uint8_t *a)
{
    twin *x = pick(a[FIRST], is(a[FLAGS], OTHER) ? ANY : FLOAT, a), *must = REFUSED;
    if (!x) return;
    int dim;
    const int asked = asked_dim(a[ARGUMENT], x->f.dim, &dim), which = a[SECOND] % 3;
    const int first = a[ARGUMENT_2] % 9 - 3, second = a[ARGUMENT_3] % 9 - 3, step = a[ARGUMENT_2] / 9 % 4;
    if (x->alive && x->f.dim && dim >= 0)
        must = which == 0   ? narrowed(x, dim, first, second)
               : which == 1 ? element_of(x, dim, first)
                            : sliced(x, dim, first, second, step);
    if (must == &skipped) return;
    const gr_slice_args args = {.x = x->real, .site = here(), .dim = asked, .start = first, .end = second, .step = step};
    settle(a, which == 0   ? gr_narrow_at(x->real, asked, first, second, here())
              : which == 1 ? gr_select_at(x->real, asked, first, here())
                           : gr_slice_at(&args),
           must);
}

/* ---- transpose, t, permute ---- */

static twin *permuted(twin *x, const int *order)
{
    const choice all = whole(x);
    choice c = all;
    for (int d = 0; d < x->f.dim; d++) c.f.size[d] = all.f.size[order[d]], c.step[d] = all.step[order[d]];
    return chosen(x, &c);
}

void run_turn(const uint8_t *a)
{
    twin *x = pick(a[FIRST], FLOAT, a), *must = REFUSED;
    if (!x) return;
    int order[FORM_DIMS], p, q;
    gr_shape asked = {x->f.dim, {0}};
    const int first = asked_dim(a[ARGUMENT], x->f.dim, &p), second = asked_dim(a[ARGUMENT_2], x->f.dim, &q), which = a[SECOND] % 3;
    for (int d = 0; d < x->f.dim; d++) order[d] = d;
    bool fits = x->alive;
    if (which == 0) {
        fits &= p >= 0 && q >= 0;
        if (fits && x->f.dim) order[p] = q, order[q] = p;
    } else if (which == 1) {
        fits &= x->f.dim <= 2;
        if (fits && x->f.dim == 2) order[0] = 1, order[1] = 0;
    } else { /* rotated; or with one dimension named twice */
        for (int d = 0; d < x->f.dim; d++) order[d] = (d + a[ARGUMENT]) % x->f.dim;
        if (a[ARGUMENT_2] > 230 && x->f.dim > 1) order[0] = order[1], fits = false;
        for (int d = 0; d < x->f.dim; d++) asked.size[d] = order[d] - (a[ARGUMENT_3] & 1) * x->f.dim;
    }
    if (fits) must = permuted(x, order);
    if (must == &skipped) return;
    settle(a, which == 0   ? gr_transpose_at(x->real, first, second, here())
              : which == 1 ? gr_t_at(x->real, here())
                           : gr_permute_at(x->real, asked, here()),
           must);
}

/* ---- reshape, view ---- */

/* Whether x's cells, in order, can be walked by one step per dimension of f. */
static bool can_be_viewed(const twin *x, const form *f)
{
    for (int i = 0; i < f->count; i++) {
        int cell = x->cell[0];
        for (int d = f->dim - 1, rest = i; d >= 0; rest /= f->size[d], d--)
            if (f->size[d] > 1) cell += rest % f->size[d] * (x->cell[row_major_step(f, d)] - x->cell[0]);
        if (cell != x->cell[i]) return false;
    }
    return true;
}

static twin *reshaped(twin *x, const form *f, bool may_copy)
{
    if (f->count != x->f.count) return REFUSED;
    if (can_be_viewed(x, f)) return view_of(x, *f, identity_index(f->count));
    if (!may_copy) return REFUSED;
    twin *copy = twin_of(gather(use(x), x->f, identity_index(f->count), 1), x->dtype);
    return view_of(copy, *f, identity_index(f->count));
}

/* Forms with as many elements as x, or not. */
static form asked_form(uint8_t byte, const form *x)
{
    static const int front[] = {1, 2, 3, 4, 6};
    const int n = front[byte % 5], size[3] = {n, x->count / n, 1};
    const int line = byte % 7 ? x->count : x->count + 1;
    if (byte < 64) return form_of(1, &line);
    return form_of(byte < 180 ? 2 : 3, size);
}

void run_reshape(const uint8_t *a)
{
    twin *x = pick(a[FIRST], FLOAT, a), *must = REFUSED;
    if (!x) return;
    form f = asked_form(a[ARGUMENT], &x->f);
    const bool may_copy = a[SECOND] & 1;
    gr_shape shape = {f.dim, {0}};
    for (int d = 0; d < f.dim; d++) shape.size[d] = f.size[d];
    bool fits = x->alive;
    if (a[ARGUMENT_2] & 1 && f.dim) { /* the last size is left to follow from the others */
        const form others = form_of(f.dim - 1, f.size);
        shape.size[f.dim - 1] = -1;
        fits &= others.count > 0 && x->f.count % others.count == 0;
        if (fits) f.size[f.dim - 1] = x->f.count / others.count;
        f = form_of(f.dim, f.size);
    }
    if (fits) must = reshaped(x, &f, may_copy);
    settle(a, may_copy ? gr_reshape_at(x->real, shape, here()) : gr_view_at(x->real, shape, here()), must);
}

/* ---- expand, squeeze, unsqueeze, flatten ---- */

static twin *expanded(twin *x, const gr_shape *shape)
{
    const int added = shape->count - x->f.dim;
    const choice all = whole(x);
    choice c = {.f = {.dim = shape->count}};
    if (added < 0) return REFUSED;
    for (int d = 0; d < shape->count; d++) {
        const int own = d < added ? 1 : x->f.size[d - added];
        const int size = shape->size[d] == -1 && d >= added ? own : (int)shape->size[d];
        if (size < 0 || (own != size && own != 1)) return REFUSED;
        c.f.size[d] = size;
        c.step[d] = size == own && d >= added ? all.step[d - added] : 0;
    }
    return chosen(x, &c);
}

static twin *squeezed(twin *x, bool all, int dim)
{
    choice c = whole(x);
    for (int d = x->f.dim - 1; d >= 0; d--)
        if (x->f.size[d] == 1 && (all || d == dim)) drop(&c, d);
    return chosen(x, &c);
}

static twin *unsqueezed(twin *x, int dim)
{
    if (dim < -(x->f.dim + 1) || dim > x->f.dim) return REFUSED;
    if (dim < 0) dim += x->f.dim + 1;
    choice c = whole(x);
    if (c.f.dim >= FORM_DIMS - 2) return &skipped;
    for (int d = c.f.dim++; d > dim; d--) c.f.size[d] = c.f.size[d - 1], c.step[d] = c.step[d - 1];
    c.f.size[dim] = 1;
    c.step[dim] = 0;
    return chosen(x, &c);
}

static twin *flattened(twin *x, int start, int end)
{
    if (start < 0 || end < 0 || start > end) return REFUSED;
    form f = {.dim = 0};
    int merged = 1;
    for (int d = 0; d < x->f.dim; d++) {
        if (d >= start && d <= end) merged *= x->f.size[d];
        if (d < start || d > end) f.size[f.dim++] = x->f.size[d];
        else if (d == end) f.size[f.dim++] = merged;
    }
    if (x->f.dim == 0) f.size[f.dim++] = 1;
    f = form_of(f.dim, f.size);
    return reshaped(x, &f, true);
}

void run_stretch(const uint8_t *a)
{
    twin *x = pick(a[FIRST], FLOAT, a), *must = REFUSED;
    if (!x) return;
    int p, q;
    const int first = asked_dim(a[ARGUMENT], x->f.dim, &p), second = asked_dim(a[ARGUMENT_2], x->f.dim, &q), which = a[SECOND] % 5;
    const int at = a[ARGUMENT] % (2 * x->f.dim + 3) - x->f.dim - 1;
    gr_shape shape = {x->f.dim + a[ARGUMENT_2] % 2, {0}};
    for (int d = 0; d < shape.count; d++) {
        const int own = d - (shape.count - x->f.dim);
        shape.size[d] = own < 0 ? 2 : x->f.size[own] == 1 && a[ARGUMENT_3] >> d & 1 ? 3 : a[ARGUMENT_3] & 64 ? -1 : x->f.size[own];
    }
    if (shape.count && a[ARGUMENT_3] > 240) shape.size[shape.count - 1] = 5;
    if (x->alive)
        must = which == 0   ? expanded(x, &shape)
               : which == 1 ? squeezed(x, true, 0)
               : which == 2 ? (p < 0 ? REFUSED : squeezed(x, false, p))
               : which == 3 ? unsqueezed(x, at)
                            : flattened(x, p, q);
    if (must == &skipped) return;
    const gr_squeeze_args squeeze = {.x = x->real, .site = here(), .dim = which == 1 ? INT32_MAX : first};
    const gr_flatten_args flatten = {.x = x->real, .site = here(), .start_dim = first, .end_dim = second};
    settle(a, which == 0   ? gr_expand_at(x->real, shape, here())
              : which <= 2 ? gr_squeeze_at(&squeeze)
              : which == 3 ? gr_unsqueeze_at(x->real, at, here())
                           : gr_flatten_at(&flatten),
           must);
}

/* ---- clone, contiguous; detach, which cuts the history and shares the memory ---- */

static twin *detached(twin *x)
{
    const bool was = graph.recording;
    graph.recording = false;
    twin *y = view_of(x, x->f, identity_index(x->f.count));
    graph.recording = was;
    y->base = NULL;
    y->untracked = false;
    return y;
}

void run_copy(const uint8_t *a)
{
    twin *x = pick(a[FIRST], is(a[FLAGS], OTHER) ? ANY : FLOAT, a), *must = REFUSED;
    if (!x) return;
    const bool contiguous = a[SECOND] & 1;
    bool in_order = true;
    for (int i = 0; i < x->f.count && x->alive; i++) in_order &= x->cell[i] == x->cell[0] + i;
    if (x->alive && contiguous && in_order) must = x;
    else if (x->alive) must = twin_of(gather(use(x), x->f, identity_index(x->f.count), 1), x->dtype);
    settle(a, contiguous ? gr_contiguous_at(x->real, here()) : gr_clone_at(x->real, here()), must);
}

void run_plain_view(const uint8_t *a)
{
    twin *x = pick(a[FIRST], is(a[FLAGS], OTHER) ? ANY : FLOAT, a);
    if (x) settle(a, gr_detach_at(x->real, here()), x->alive ? detached(x) : REFUSED);
}
