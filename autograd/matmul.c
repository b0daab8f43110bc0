/* matmul.c - matrix products: y = a b,  da = dy b',  db = a' dy; batch dimensions broadcast. */
#include "autograd/autograd.h"
#include "autograd/tape.h"

/* Whether a's columns meet b's rows; reports it if not. A vector is a row on the left, a column on the right. */
static bool inner_fits(const gr_tensor *a, const gr_tensor *b, gr_site site)
{
    const int64_t columns = a->axis[a->dim - 1].size, rows = b->axis[b->dim == 1 ? 0 : b->dim - 2].size;
    char left[GR_SHAPE_TEXT], right[GR_SHAPE_TEXT];
    if (gr_likely(columns == rows)) return true;
    gr_fail(GR_ERROR_ARGUMENT, site, "matmul", "a is %s, b is %s; a's last dimension (%lld) must equal b's %s (%lld)",
            gr_shape_text(a, left), gr_shape_text(b, right), (long long)columns, b->dim <= 2 ? "first" : "last but one",
            (long long)rows);
    return false;
}

static bool matmul_shape(gr_call *c)
{
    const gr_tensor *a = c->slot[0].tensor, *b = c->slot[1].tensor;
    char left[GR_SHAPE_TEXT], right[GR_SHAPE_TEXT];
    if (!gr_call_same_key(c, 0, 1)) return false;
    if (a->dtype == GR_BOOL) return gr_call_fail(c, "a and b are bool; must be numbers: gr_to(a, .dtype = GR_INT64)");
    if (!inner_fits(a, b, gr_site_of(c))) return false;
    const int dim = a->dim > b->dim ? a->dim : b->dim;
    int64_t size[GR_MAX_DIMS];
    for (int d = 0; d < dim - 2; d++) {
        const int da = d - (dim - a->dim), db = d - (dim - b->dim);
        const int64_t sa = da < 0 ? 1 : a->axis[da].size, sb = db < 0 ? 1 : b->axis[db].size;
        if (sa != sb && sa != 1 && sb != 1)
            return gr_call_fail(c, "a is %s, b is %s; batch dimension %d is %lld and %lld, must be equal or one of them 1",
                                gr_shape_text(a, left), gr_shape_text(b, right), d, (long long)sa, (long long)sb);
        size[d] = sa == 1 ? sb : sa;
    }
    size[dim - 2] = a->axis[a->dim - 2].size;
    size[dim - 1] = b->axis[b->dim - 1].size;
    if (gr_set_sizes(gr_call_new(c, 0, (gr_dtype)a->dtype), dim, size)) return true;
    return gr_call_fail(c, "a is %s, b is %s; the result must have fewer than 2^63 bytes", gr_shape_text(a, left),
                        gr_shape_text(b, right));
}

static bool matmul_forward(gr_call *c)
{
    gr_tensor *y = gr_out(c, 0)->tensor;
    return gr_kernels_of(y)->matmul(y, c->slot[0].tensor, c->slot[1].tensor, false);
}

static gr_tensor transposed(const gr_tensor *x)
{
    gr_tensor view = gr_alias(x);
    view.axis[x->dim - 1] = x->axis[x->dim - 2];
    view.axis[x->dim - 2] = x->axis[x->dim - 1];
    view.contiguous = gr_is_row_major(&view);
    return view;
}

/* The gradient of operand i straight into its place, where no batch dimension was broadcast. */
static bool matmul_direct(gr_call *c, int i, const gr_tensor *dy)
{
    bool add;
    gr_tensor *dx = gr_grad_into(c, i, &add);
    if (!dx) return false;
    const gr_tensor other = transposed(c->slot[1 - i].tensor);
    return i == 0 ? gr_kernels_of(dy)->matmul(dx, dy, &other, add) : gr_kernels_of(dy)->matmul(dx, &other, dy, add);
}

static bool batch_is(const gr_tensor *x, const gr_tensor *dy)
{
    bool same = x->dim == dy->dim;
    for (int d = 0; same && d < x->dim - 2; d++) same = x->axis[d].size == dy->axis[d].size;
    return same;
}

static bool matmul_backward(gr_call *c)
{
    gr_tensor *dy = gr_call_gradient(c, 0);
    const gr_site site = gr_site_of(c);
    if (!dy) return false;
    for (int i = 0; i < 2; i++) {
        if (!gr_call_needs(c, i)) continue;
        bool ok;
        if (!gr_is_recording_backward() && batch_is(c->slot[i].tensor, dy))
            ok = matmul_direct(c, i, dy);
        else {
            gr_tensor *other = gr_transpose_at(c->slot[1 - i].tensor, -1, -2, site);
            gr_tensor *dx = !other ? NULL : i == 0 ? gr_matmul_at(dy, other, site) : gr_matmul_at(other, dy, site);
            ok = dx && gr_grad_add(c, i, dx);
        }
        if (!ok) return false;
    }
    return true;
}

static const uint32_t reads[] = {2, 1};
static const gr_op matmul_op = {.name = "matmul", .shape = matmul_shape, .forward = matmul_forward,
                                .backward = matmul_backward, .reads_each = reads,
                                .rule = "da = dy b', db = a' dy"};

/* The dimension that a vector lacks is added, and dropped again. */
gr_tensor *gr_matmul_at(gr_tensor *a, gr_tensor *b, gr_site site)
{
    if (!gr_usable(a, site, "matmul", "a") || !gr_usable(b, site, "matmul", "b")) return NULL;
    char left[GR_SHAPE_TEXT], right[GR_SHAPE_TEXT];
    if (a->dim == 0 || b->dim == 0)
        return gr_fail(GR_ERROR_ARGUMENT, site, "matmul", "a is %s, b is %s; must have at least 1 dimension each: gr_mul",
                       gr_shape_text(a, left), gr_shape_text(b, right));
    const bool row = a->dim == 1, column = b->dim == 1;
    if (gr_likely(!row && !column)) return gr_run2(&matmul_op, a, b, site);
    if (!inner_fits(a, b, site)) return NULL; /* in the shapes that the caller gave */
    const gr_compound whole = gr_compound_begin("matmul");
    if (row) a = gr_unsqueeze_at(a, 0, site);
    if (column) b = gr_unsqueeze_at(b, 1, site);
    gr_tensor *y = a && b ? gr_run2(&matmul_op, a, b, site) : NULL;
    if (y && column) y = gr_squeeze_at(&(gr_squeeze_args){.x = y, .site = site, .dim = -1});
    if (y && row) y = gr_squeeze_at(&(gr_squeeze_args){.x = y, .site = site, .dim = column ? -1 : -2});
    return gr_compound_end(&whole, y);
}
