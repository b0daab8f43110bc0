/* view.c - what all views share; and those that show a whole tensor: permute, reshape and the like, expand. */
#include "autograd/view.h"

#include "autograd/function.h"
#include "autograd/geometry.h"

/* ---- geometry that all views share ---- */

bool gr_make_view(gr_call *c, const gr_geometry *g)
{
    gr_tensor *x = c->slot[0].tensor, *y = gr_call_view(c);
    y->dim = (uint8_t)g->dim;
    y->numel = 1;
    for (int d = 0; d < g->dim; d++) {
        y->axis[d] = g->axis[d];
        y->numel = gr_times(y->numel, g->axis[d].size);
    }
    y->data = x->data + g->offset * gr_dtype_size[x->dtype];
    y->contiguous = gr_is_row_major(y);
    y->base = x->base && x->base->state == GR_LIVE ? x->base : x;
    y->base_value = y->base->value;
    if (!gr_self()->recording) y->flags |= GR_UNTRACKED_VIEW;
    else if (x->flags & GR_UNTRACKED_VIEW) y->flags |= GR_UNTRACKED_VIEW;
    return true;
}

/* ---- permute: dx = dy with the dimensions put back ---- */

typedef struct {
    int8_t order[GR_MAX_DIMS];
} permutation;

static bool permute_shape(gr_call *c)
{
    const permutation *p = gr_attributes(c);
    const gr_tensor *x = c->slot[0].tensor;
    gr_geometry g = {.dim = x->dim};
    for (int d = 0; d < x->dim; d++) g.axis[d] = x->axis[p->order[d]];
    return gr_make_view(c, &g);
}

static bool permute_backward(gr_call *c)
{
    const permutation *p = gr_attributes(c);
    permutation back = {{0}};
    for (int d = 0; d < c->slot[0].tensor->dim; d++) back.order[p->order[d]] = (int8_t)d;
    gr_tensor *dx = gr_run1_with(c->op, gr_call_gradient(c, 0), &back, gr_site_of(c));
    return dx && gr_grad_add(c, 0, dx);
}

#define PERMUTE_OP(text) \
    {.name = text, .shape = permute_shape, .forward = gr_no_work, .backward = permute_backward, \
     .attribute_bytes = sizeof(permutation), .rule = "dx = dy turned back"}
static const gr_op permute_op = PERMUTE_OP("permute"), transpose_op = PERMUTE_OP("transpose"), t_op = PERMUTE_OP("t");

gr_tensor *gr_transpose_at(gr_tensor *x, int first, int second, gr_site site)
{
    if (!gr_usable(x, site, "transpose", "x")) return NULL;
    if ((first = gr_check_dim(first, "first", x, "x", site, "transpose")) < 0) return NULL;
    if ((second = gr_check_dim(second, "second", x, "x", site, "transpose")) < 0) return NULL;
    permutation p;
    for (int d = 0; d < GR_MAX_DIMS; d++) p.order[d] = (int8_t)d;
    p.order[first] = (int8_t)second;
    p.order[second] = (int8_t)first;
    return gr_run1_with(&transpose_op, x, &p, site);
}

gr_tensor *gr_t_at(gr_tensor *x, gr_site site)
{
    char text[GR_SHAPE_TEXT];
    if (!gr_usable(x, site, "t", "x")) return NULL;
    if (x->dim > 2)
        return gr_fail(GR_ERROR_ARGUMENT, site, "t", "x is %s; must have at most 2 dimensions: gr_transpose",
                       gr_shape_text(x, text));
    permutation p = {{0, 1}};
    if (x->dim == 2) p.order[0] = 1, p.order[1] = 0;
    return gr_run1_with(&t_op, x, &p, site);
}

gr_tensor *gr_permute_at(gr_tensor *x, gr_shape order, gr_site site)
{
    if (!gr_usable(x, site, "permute", "x")) return NULL;
    permutation p = {{0}};
    unsigned seen = 0;
    for (int d = 0; d < order.count && order.count == x->dim; d++) {
        const int64_t from = order.size[d] < 0 ? order.size[d] + x->dim : order.size[d];
        if (from < 0 || from >= x->dim) break;
        seen |= 1u << from;
        p.order[d] = (int8_t)from;
    }
    char given[GR_SHAPE_TEXT], text[GR_SHAPE_TEXT];
    if (order.count != x->dim || seen != (1u << x->dim) - 1)
        return gr_fail(GR_ERROR_ARGUMENT, site, "permute", "order is %s, x is %s; must name each dimension of x once",
                       gr_sizes_text(&order, given), gr_shape_text(x, text));
    return gr_run1_with(&permute_op, x, &p, site);
}

/* ---- reshape: dx = dy in x's shape ---- */

bool gr_geometry_shape(gr_call *c)
{
    return gr_make_view(c, gr_attributes(c));
}

static bool reshape_backward(gr_call *c)
{
    gr_tensor *dx = gr_reshape_at(gr_call_gradient(c, 0), gr_sizes_of(c->slot[0].tensor), gr_site_of(c));
    return dx && gr_grad_add(c, 0, dx);
}

#define RESHAPE_OP(text) \
    {.name = text, .shape = gr_geometry_shape, .forward = gr_no_work, .backward = reshape_backward, \
     .attribute_bytes = sizeof(gr_geometry), .rule = "dx = dy"}
static const gr_op reshape_op = RESHAPE_OP("reshape"), view_op = RESHAPE_OP("view"), squeeze_op = RESHAPE_OP("squeeze"),
                   unsqueeze_op = RESHAPE_OP("unsqueeze"), flatten_op = RESHAPE_OP("flatten");

/* Strides for x's elements in another shape, or false where only a copy can have it: each new dimension must split or
 * merge dimensions that lie evenly in memory. */
static bool strides_for(const gr_tensor *x, gr_geometry *g)
{
    gr_axis old[GR_MAX_DIMS];
    int left = 0, d = g->dim;
    int64_t stride = 1;
    for (int k = g->dim; k-- > 0;) { /* row-major where there is nothing to follow */
        g->axis[k].stride = stride;
        stride = gr_times(stride, g->axis[k].size ? g->axis[k].size : 1);
    }
    if (x->numel == 0 || x->contiguous) return true;
    for (int k = 0; k < x->dim; k++) /* the stride of a single element says nothing */
        if (x->axis[k].size != 1) old[left++] = x->axis[k];
    while (left-- > 0) {
        int64_t chunk = old[left].size, part = 1;
        const int64_t base = old[left].stride;
        while (left > 0 && old[left - 1].stride == base * chunk) chunk *= old[--left].size;
        for (; d > 0 && (part < chunk || g->axis[d - 1].size == 1); d--) {
            g->axis[d - 1].stride = base * part;
            part *= g->axis[d - 1].size;
        }
        if (part != chunk) return false;
    }
    return true;
}

/* The product of g's sizes but that of dimension `without`. Where one is 0 so is it, however large the others. False: too
 * large. */
static bool sizes_product(const gr_geometry *g, int without, int64_t *product)
{
    bool fits = true;
    *product = 1;
    for (int d = 0; d < g->dim; d++) {
        if (d == without) continue;
        if (g->axis[d].size == 0) return *product = 0, true;
        fits = fits && !__builtin_mul_overflow(*product, g->axis[d].size, product);
    }
    return fits;
}

/* The sizes asked for, with -1 resolved; reports what does not fit. */
static bool resolve_sizes(const gr_tensor *x, const gr_shape *shape, gr_geometry *g, const char *op, gr_site site)
{
    int64_t known;
    int unknown = -1;
    bool fits = shape->count >= 0 && shape->count <= GR_MAX_DIMS;
    g->dim = shape->count;
    for (int d = 0; fits && d < shape->count; d++) {
        g->axis[d].size = shape->size[d];
        if (shape->size[d] == -1 && unknown < 0)
            unknown = d;
        else
            fits = shape->size[d] >= 0;
    }
    fits = fits && sizes_product(g, unknown, &known);
    if (fits && unknown >= 0) {
        fits = known > 0 && x->numel % known == 0;
        if (fits) g->axis[unknown].size = x->numel / known;
    } else
        fits = fits && known == x->numel;
    if (fits) return true;
    char have[GR_SHAPE_TEXT], want[GR_SHAPE_TEXT];
    gr_fail(GR_ERROR_ARGUMENT, site, op, "x is %s (%lld elements), shape is %s; must have as many elements, one size may be -1",
            gr_shape_text(x, have), (long long)x->numel, gr_sizes_text(shape, want));
    return false;
}

static gr_tensor *view_or_copy(const gr_op *op, gr_tensor *x, gr_geometry *g, gr_site site)
{
    if (gr_likely(strides_for(x, g))) return gr_run1_with(op, x, g, site);
    const gr_compound whole = gr_compound_begin(op->name);
    if ((x = gr_clone_at(x, site))) {
        strides_for(x, g);
        x = gr_run1_with(op, x, g, site);
    }
    return gr_compound_end(&whole, x);
}

gr_tensor *gr_reshape_at(gr_tensor *x, gr_shape shape, gr_site site)
{
    gr_geometry g = {0};
    if (!gr_usable(x, site, "reshape", "x") || !resolve_sizes(x, &shape, &g, "reshape", site)) return NULL;
    return view_or_copy(&reshape_op, x, &g, site);
}

gr_tensor *gr_view_at(gr_tensor *x, gr_shape shape, gr_site site)
{
    gr_geometry g = {0};
    if (!gr_usable(x, site, "view", "x") || !resolve_sizes(x, &shape, &g, "view", site)) return NULL;
    char text[GR_SHAPE_TEXT];
    if (!strides_for(x, &g))
        return gr_fail(GR_ERROR_ARGUMENT, site, "view", "x is %s with strides that do not allow it; must be copied: gr_reshape",
                       gr_shape_text(x, text));
    return gr_run1_with(&view_op, x, &g, site);
}

gr_tensor *gr_squeeze_at(const gr_squeeze_args *args)
{
    const gr_tensor *x = args->x;
    if (!gr_usable(x, args->site, "squeeze", "x")) return NULL;
    int only = -1;
    if (args->dim != INT32_MAX && (only = gr_check_dim(args->dim, "dim", x, "x", args->site, "squeeze")) < 0) return NULL;
    gr_geometry g = {0};
    for (int d = 0; d < x->dim; d++)
        if (x->axis[d].size != 1 || (args->dim != INT32_MAX && d != only)) g.axis[g.dim++] = x->axis[d];
    return gr_run1_with(&squeeze_op, args->x, &g, args->site);
}

gr_tensor *gr_unsqueeze_at(gr_tensor *x, int dim, gr_site site)
{
    char text[GR_SHAPE_TEXT];
    if (!gr_usable(x, site, "unsqueeze", "x")) return NULL;
    if (x->dim == GR_MAX_DIMS)
        return gr_fail(GR_ERROR_ARGUMENT, site, "unsqueeze", "x has 8 dimensions; must have at most 7");
    if (dim < -(x->dim + 1) || dim > x->dim)
        return gr_fail(GR_ERROR_ARGUMENT, site, "unsqueeze", "dim is %d, x is %s; must be %d to %d", dim,
                       gr_shape_text(x, text), -(x->dim + 1), x->dim);
    if (dim < 0) dim += x->dim + 1;
    gr_geometry g = {.dim = x->dim + 1};
    for (int d = 0; d < g.dim; d++)
        g.axis[d] = d < dim ? x->axis[d]
                    : d > dim ? x->axis[d - 1]
                              : (gr_axis){1, dim < x->dim ? gr_times(x->axis[dim].size, x->axis[dim].stride) : 1};
    return gr_run1_with(&unsqueeze_op, x, &g, site);
}

gr_tensor *gr_flatten_at(const gr_flatten_args *args)
{
    gr_tensor *x = args->x;
    const gr_site site = args->site;
    if (!gr_usable(x, site, "flatten", "x")) return NULL;
    const int start = gr_check_dim(args->start_dim, "start_dim", x, "x", site, "flatten");
    if (start < 0) return NULL;
    const int end = gr_check_dim(args->end_dim, "end_dim", x, "x", site, "flatten");
    if (end < 0) return NULL;
    if (start > end)
        return gr_fail(GR_ERROR_ARGUMENT, site, "flatten", "start_dim is %d, end_dim is %d; must not start after the end",
                       args->start_dim, args->end_dim);
    gr_geometry merged = {0}, g = {0};
    char text[GR_SHAPE_TEXT];
    for (int d = start; d <= end && d < x->dim; d++) merged.axis[merged.dim++] = x->axis[d];
    for (int d = 0; d < start; d++) g.axis[g.dim++].size = x->axis[d].size;
    if (!sizes_product(&merged, -1, &g.axis[g.dim++].size))
        return gr_fail(GR_ERROR_ARGUMENT, site, "flatten", "x is %s; the new dimension's size must be less than 2^63",
                       gr_shape_text(x, text));
    for (int d = end + 1; d < x->dim; d++) g.axis[g.dim++].size = x->axis[d].size;
    return view_or_copy(&flatten_op, x, &g, site);
}

/* ---- expand: dx = dy summed over the repeated dimensions, which gr_grad_add does ---- */

static const gr_op expand_op = {.name = "expand", .shape = gr_geometry_shape, .forward = gr_no_work,
                                .backward = gr_hand_dy, .attribute_bytes = sizeof(gr_geometry),
                                .rule = "dx = dy summed over the repeats"};

gr_tensor *gr_expand_at(gr_tensor *x, gr_shape shape, gr_site site)
{
    if (!gr_usable(x, site, "expand", "x")) return NULL;
    gr_geometry g = {.dim = shape.count};
    const int added = shape.count - x->dim;
    bool fits = added >= 0 && shape.count <= GR_MAX_DIMS;
    int64_t numel;
    for (int d = 0; fits && d < shape.count; d++) {
        const gr_axis old = d < added ? (gr_axis){1, 0} : x->axis[d - added];
        const int64_t size = shape.size[d] == -1 && d >= added ? old.size : shape.size[d];
        fits = size >= 0 && (old.size == size || old.size == 1);
        g.axis[d] = (gr_axis){size, size == old.size && d >= added ? old.stride : 0};
    }
    char have[GR_SHAPE_TEXT], want[GR_SHAPE_TEXT];
    if (!fits)
        return gr_fail(GR_ERROR_ARGUMENT, site, "expand",
                       "x is %s, shape is %s; sizes must be x's, only 1 may grow, -1 keeps a size", gr_shape_text(x, have),
                       gr_sizes_text(&shape, want));
    if (!sizes_product(&g, -1, &numel) || numel > GR_MOST_ELEMENTS)
        return gr_fail(GR_ERROR_ARGUMENT, site, "expand", "shape is %s; must have fewer than 2^60 elements",
                       gr_sizes_text(&shape, want));
    return gr_run1_with(&expand_op, x, &g, site);
}
