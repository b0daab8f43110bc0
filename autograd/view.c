/* view.c - views: geometry forward, and backward. */
#include "autograd/view.h"

#include <string.h>

#include "autograd/function.h"
#include "autograd/tape.h"

/* ---- geometry that all views share ---- */

/* Makes output 0 a view of input 0; the caller has set nothing yet but the sizes and strides it passes. */
static bool make_view(gr_call *c, int dim, const gr_axis *axis, int64_t offset)
{
    gr_tensor *x = c->slot[0].tensor, *y = gr_call_view(c);
    y->dim = (uint8_t)dim;
    y->numel = 1;
    for (int d = 0; d < dim; d++) {
        y->axis[d] = axis[d];
        y->numel *= axis[d].size;
    }
    y->data = x->data + offset * gr_dtype_size[x->dtype];
    y->contiguous = gr_is_row_major(y);
    y->base = x->base && x->base->state == GR_LIVE ? x->base : x;
    y->base_value = y->base->value;
    if (!gr_self()->recording) y->flags |= GR_UNTRACKED_VIEW;
    else if (x->flags & GR_UNTRACKED_VIEW) y->flags |= GR_UNTRACKED_VIEW;
    return true;
}

static bool no_kernel(gr_call *c)
{
    (void)c;
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
    gr_axis axis[GR_MAX_DIMS];
    for (int d = 0; d < x->dim; d++) axis[d] = x->axis[p->order[d]];
    return make_view(c, x->dim, axis, 0);
}

static gr_tensor *permute_run(const gr_op *op, gr_tensor *x, const permutation *p, gr_site site);
static bool permute_backward(gr_call *c)
{
    const permutation *p = gr_attributes(c);
    permutation back = {{0}};
    for (int d = 0; d < c->slot[0].tensor->dim; d++) back.order[p->order[d]] = (int8_t)d;
    gr_tensor *dx = permute_run(c->op, gr_call_gradient(c, 0), &back, gr_site_of(c));
    return dx && gr_grad_add(c, 0, dx);
}

static const gr_op permute_op = {.name = "permute", .shape = permute_shape, .forward = no_kernel,
                                 .backward = permute_backward, .attribute_bytes = sizeof(permutation)};
static const gr_op transpose_op = {.name = "transpose", .shape = permute_shape, .forward = no_kernel,
                                   .backward = permute_backward, .attribute_bytes = sizeof(permutation)};
static const gr_op t_op = {.name = "t", .shape = permute_shape, .forward = no_kernel,
                           .backward = permute_backward, .attribute_bytes = sizeof(permutation)};

static gr_tensor *permute_run(const gr_op *op, gr_tensor *x, const permutation *p, gr_site site)
{
    gr_call *c = gr_call_begin(op, 1, site);
    if (!c) return NULL;
    c->slot[0].tensor = x;
    memcpy(gr_attributes(c), p, sizeof *p);
    return gr_call_run(c);
}

gr_tensor *gr_transpose_at(gr_tensor *x, int first, int second, gr_site site)
{
    if (!gr_usable(x, site, "transpose", "x")) return NULL;
    if ((first = gr_check_dim(first, x, site, "transpose")) < 0) return NULL;
    if ((second = gr_check_dim(second, x, site, "transpose")) < 0) return NULL;
    permutation p;
    for (int d = 0; d < GR_MAX_DIMS; d++) p.order[d] = (int8_t)d;
    p.order[first] = (int8_t)second;
    p.order[second] = (int8_t)first;
    return permute_run(&transpose_op, x, &p, site);
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
    return permute_run(&t_op, x, &p, site);
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
    return permute_run(&permute_op, x, &p, site);
}

/* ---- reshape: dx = dy in x's shape ---- */

typedef struct {
    int dim;
    gr_axis axis[GR_MAX_DIMS];
    int64_t offset;
} geometry;

static bool geometry_shape(gr_call *c)
{
    const geometry *g = gr_attributes(c);
    return make_view(c, g->dim, g->axis, g->offset);
}

static bool reshape_backward(gr_call *c)
{
    gr_tensor *dx = gr_reshape_at(gr_call_gradient(c, 0), gr_sizes_of(c->slot[0].tensor), gr_site_of(c));
    return dx && gr_grad_add(c, 0, dx);
}

#define RESHAPE_OP(text) \
    {.name = text, .shape = geometry_shape, .forward = no_kernel, .backward = reshape_backward, \
     .attribute_bytes = sizeof(geometry)}
static const gr_op reshape_op = RESHAPE_OP("reshape"), view_op = RESHAPE_OP("view"), squeeze_op = RESHAPE_OP("squeeze"),
                   unsqueeze_op = RESHAPE_OP("unsqueeze"), flatten_op = RESHAPE_OP("flatten");

static gr_tensor *geometry_run(const gr_op *op, gr_tensor *x, const geometry *g, gr_site site)
{
    gr_call *c = gr_call_begin(op, 1, site);
    if (!c) return NULL;
    c->slot[0].tensor = x;
    memcpy(gr_attributes(c), g, sizeof *g);
    return gr_call_run(c);
}

/* Strides for x's elements in another shape, or false where only a copy can have it: each new dimension must split or
 * merge dimensions that lie evenly in memory. */
static bool strides_for(const gr_tensor *x, geometry *g)
{
    int old = x->dim - 1;
    int64_t stride = 1;
    for (int d = g->dim; d-- > 0;) { /* row-major where there is nothing to follow */
        g->axis[d].stride = stride;
        stride *= g->axis[d].size ? g->axis[d].size : 1;
    }
    if (x->numel == 0 || x->contiguous) return true;
    for (int d = g->dim - 1; d >= 0 && old >= 0;) {
        int64_t chunk = x->axis[old].size;
        const int64_t base = x->axis[old].stride; /* of the innermost old dimension in this chunk */
        while (old > 0 && (x->axis[old - 1].size == 1 || chunk == 1 ||
                           x->axis[old - 1].stride == x->axis[old].stride * x->axis[old].size)) {
            if (chunk == 1 && x->axis[old - 1].size != 1) break;
            chunk *= x->axis[--old].size;
        }
        old--;
        int64_t part = 1;
        for (stride = base; d >= 0 && (part < chunk || g->axis[d].size == 1); d--) {
            g->axis[d].stride = stride;
            stride *= g->axis[d].size;
            part *= g->axis[d].size;
        }
        if (part != chunk) return false;
    }
    return true;
}

/* The sizes asked for, with -1 resolved; reports what does not fit. */
static bool resolve_sizes(const gr_tensor *x, const gr_shape *shape, geometry *g, const char *op, gr_site site)
{
    int64_t known = 1;
    int unknown = -1;
    bool fits = shape->count >= 0;
    g->dim = shape->count;
    for (int d = 0; fits && d < shape->count; d++) {
        g->axis[d].size = shape->size[d];
        if (shape->size[d] == -1 && unknown < 0)
            unknown = d;
        else
            fits = shape->size[d] >= 0 && !__builtin_mul_overflow(known, shape->size[d], &known);
    }
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

gr_tensor *gr_reshape_at(gr_tensor *x, gr_shape shape, gr_site site)
{
    geometry g = {0};
    if (!gr_usable(x, site, "reshape", "x") || !resolve_sizes(x, &shape, &g, "reshape", site)) return NULL;
    if (!strides_for(x, &g)) {
        x = gr_clone_at(x, site);
        if (!x) return NULL;
        strides_for(x, &g);
    }
    return geometry_run(&reshape_op, x, &g, site);
}

gr_tensor *gr_view_at(gr_tensor *x, gr_shape shape, gr_site site)
{
    geometry g = {0};
    if (!gr_usable(x, site, "view", "x") || !resolve_sizes(x, &shape, &g, "view", site)) return NULL;
    char text[GR_SHAPE_TEXT];
    if (!strides_for(x, &g))
        return gr_fail(GR_ERROR_ARGUMENT, site, "view", "x is %s with strides that do not allow it; must be copied: gr_reshape",
                       gr_shape_text(x, text));
    return geometry_run(&view_op, x, &g, site);
}

gr_tensor *gr_squeeze_at(const gr_squeeze_args *args)
{
    const gr_tensor *x = args->x;
    if (!gr_usable(x, args->site, "squeeze", "x")) return NULL;
    int only = -1;
    if (args->dim != INT32_MAX && (only = gr_check_dim(args->dim, x, args->site, "squeeze")) < 0) return NULL;
    geometry g = {0};
    for (int d = 0; d < x->dim; d++)
        if (x->axis[d].size != 1 || (args->dim != INT32_MAX && d != only)) g.axis[g.dim++] = x->axis[d];
    return geometry_run(&squeeze_op, args->x, &g, args->site);
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
    geometry g = {.dim = x->dim + 1};
    for (int d = 0; d < g.dim; d++)
        g.axis[d] = d < dim ? x->axis[d]
                    : d > dim ? x->axis[d - 1]
                              : (gr_axis){1, dim < x->dim ? x->axis[dim].size * x->axis[dim].stride : 1};
    return geometry_run(&unsqueeze_op, x, &g, site);
}

gr_tensor *gr_flatten_at(const gr_flatten_args *args)
{
    gr_tensor *x = args->x;
    const gr_site site = args->site;
    if (!gr_usable(x, site, "flatten", "x")) return NULL;
    const int start = gr_check_dim(args->start_dim, x, site, "flatten");
    if (start < 0) return NULL;
    const int end = gr_check_dim(args->end_dim, x, site, "flatten");
    if (end < 0) return NULL;
    if (start > end)
        return gr_fail(GR_ERROR_ARGUMENT, site, "flatten", "start_dim is %d, end_dim is %d; must not start after the end",
                       args->start_dim, args->end_dim);
    gr_shape shape = {0, {0}};
    int64_t merged = 1;
    for (int d = start; d <= end && d < x->dim; d++) merged *= x->axis[d].size;
    for (int d = 0; d < start; d++) shape.size[shape.count++] = x->axis[d].size;
    shape.size[shape.count++] = merged;
    for (int d = end + 1; d < x->dim; d++) shape.size[shape.count++] = x->axis[d].size;
    geometry g = {0};
    if (!resolve_sizes(x, &shape, &g, "flatten", site)) return NULL;
    if (!strides_for(x, &g)) {
        x = gr_clone_at(x, site);
        if (!x) return NULL;
        strides_for(x, &g);
    }
    return geometry_run(&flatten_op, x, &g, site);
}

/* ---- expand: dx = dy summed over the repeated dimensions, which gr_grad_add does ---- */

static bool expand_backward(gr_call *c)
{
    return gr_grad_add(c, 0, gr_call_gradient(c, 0));
}
static const gr_op expand_op = {.name = "expand", .shape = geometry_shape, .forward = no_kernel,
                                .backward = expand_backward, .attribute_bytes = sizeof(geometry)};

gr_tensor *gr_expand_at(gr_tensor *x, gr_shape shape, gr_site site)
{
    if (!gr_usable(x, site, "expand", "x")) return NULL;
    geometry g = {.dim = shape.count};
    const int added = shape.count - x->dim;
    bool fits = added >= 0;
    int64_t numel = 1;
    for (int d = 0; fits && d < shape.count; d++) {
        const gr_axis old = d < added ? (gr_axis){1, 0} : x->axis[d - added];
        const int64_t size = shape.size[d] == -1 && d >= added ? old.size : shape.size[d];
        fits = size >= 0 && (old.size == size || old.size == 1) && !__builtin_mul_overflow(numel, size, &numel);
        g.axis[d] = (gr_axis){size, size == old.size && d >= added ? old.stride : 0};
    }
    char have[GR_SHAPE_TEXT], want[GR_SHAPE_TEXT];
    if (!fits)
        return gr_fail(GR_ERROR_ARGUMENT, site, "expand",
                       "x is %s, shape is %s; sizes must be x's, only 1 may grow, -1 keeps a size", gr_shape_text(x, have),
                       gr_sizes_text(&shape, want));
    return geometry_run(&expand_op, x, &g, site);
}

/* ---- a region of a row-major tensor; dx = 0 but for dy in that region ---- */

static const gr_op region_op, region_back_op;

static gr_tensor *region_run(gr_tensor *x, const geometry *g, gr_site site)
{
    return geometry_run(&region_op, x, g, site);
}

/* region of dx += dy, on the device. Where the region repeats elements (stride 0), dy is summed first. */
static bool region_add(gr_thread *t, gr_tensor *dx, const geometry *g, const gr_tensor *dy)
{
    gr_tensor region = gr_alias(dx), part = gr_alias(dy);
    gr_tensor *summed = NULL;
    unsigned repeated = 0;
    region.dim = (uint8_t)g->dim;
    region.numel = 1;
    for (int d = 0; d < g->dim; d++) {
        region.axis[d] = g->axis[d];
        if (g->axis[d].stride == 0 && g->axis[d].size != 1) {
            repeated |= 1u << d;
            region.axis[d].size = part.axis[d].size = 1;
        }
        region.numel *= region.axis[d].size;
    }
    region.data += g->offset * gr_dtype_size[dx->dtype];
    region.contiguous = gr_is_row_major(&region);
    if (repeated) {
        part.numel = region.numel;
        if (!(summed = gr_tensor_like(t, &part, (gr_dtype)dy->dtype)) ||
            !gr_kernels_of(dy)->reduce(GR_REDUCE_SUM, summed, dy, repeated, false))
            return false;
    }
    gr_kernels_of(dx)->accumulate(&region, summed ? summed : dy);
    if (summed) gr_tensor_discard(t, summed);
    return true;
}

typedef struct {
    gr_shape whole;
    geometry region;
} region_attributes;

static gr_tensor *region_back_run(gr_tensor *dy, const gr_tensor *x, const geometry *g, gr_site site)
{
    gr_call *c = gr_call_begin(&region_back_op, 1, site);
    if (!c) return NULL;
    c->slot[0].tensor = dy;
    region_attributes *r = gr_attributes(c);
    r->whole = gr_sizes_of(x);
    r->region = *g;
    return gr_call_run(c);
}

static bool region_gradient(gr_call *c, const geometry *g)
{
    gr_tensor *dy = gr_call_gradient(c, 0);
    if (!dy) return false;
    if (gr_is_recording_backward()) {
        gr_tensor *dx = region_back_run(dy, c->slot[0].tensor, g, gr_site_of(c));
        return dx && gr_grad_add(c, 0, dx);
    }
    bool add;
    gr_tensor *dx = gr_grad_into(c, 0, &add);
    if (!dx) return false;
    if (!add) gr_kernels_of(dx)->fill(dx, gr_value_integer(0));
    return region_add(gr_self(), dx, g, dy);
}

static bool region_backward(gr_call *c)
{
    return region_gradient(c, gr_attributes(c));
}

static bool region_back_shape(gr_call *c)
{
    const region_attributes *r = gr_attributes(c);
    return gr_set_sizes(gr_call_new(c, 0, (gr_dtype)c->slot[0].tensor->dtype), r->whole.count, r->whole.size);
}

static bool region_back_forward(gr_call *c)
{
    const region_attributes *r = gr_attributes(c);
    gr_tensor *dx = gr_out(c, 0)->tensor;
    gr_kernels_of(dx)->fill(dx, gr_value_integer(0));
    return region_add(gr_self(), dx, &r->region, c->slot[0].tensor);
}

/* The gradient of "zeros but for dy in the region" is the region. */
static bool region_back_backward(gr_call *c)
{
    const region_attributes *r = gr_attributes(c);
    gr_tensor *whole = gr_contiguous_at(gr_call_gradient(c, 0), gr_site_of(c));
    gr_tensor *dy = whole ? region_run(whole, &r->region, gr_site_of(c)) : NULL;
    return dy && gr_grad_add(c, 0, dy);
}

static const gr_op region_op = {.name = "as_strided", .shape = geometry_shape, .forward = no_kernel,
                                .backward = region_backward, .attribute_bytes = sizeof(geometry)};
static const gr_op region_back_op = {.name = "as_strided_backward", .shape = region_back_shape,
                                     .forward = region_back_forward, .backward = region_back_backward,
                                     .attribute_bytes = sizeof(region_attributes)};

/* ---- slices along one dimension ---- */

typedef struct {
    int dim;
    bool drop; /* the dimension disappears */
    int64_t start, length, step;
} slice;

static geometry slice_geometry(const gr_tensor *x, const slice *s, bool row_major)
{
    geometry g = {0};
    int64_t stride[GR_MAX_DIMS], next = 1;
    for (int d = x->dim; d-- > 0;) {
        stride[d] = row_major ? next : x->axis[d].stride;
        next *= x->axis[d].size;
    }
    for (int d = 0; d < x->dim; d++) {
        if (d != s->dim)
            g.axis[g.dim++] = (gr_axis){x->axis[d].size, stride[d]};
        else if (!s->drop)
            g.axis[g.dim++] = (gr_axis){s->length, stride[d] * s->step};
    }
    g.offset = s->length ? s->start * stride[s->dim] : 0;
    return g;
}

static bool slice_shape(gr_call *c)
{
    const geometry g = slice_geometry(c->slot[0].tensor, gr_attributes(c), false);
    return make_view(c, g.dim, g.axis, g.offset);
}

static bool slice_backward(gr_call *c)
{
    const geometry g = slice_geometry(c->slot[0].tensor, gr_attributes(c), true);
    return region_gradient(c, &g);
}

#define SLICE_OP(text) \
    {.name = text, .shape = slice_shape, .forward = no_kernel, .backward = slice_backward, \
     .attribute_bytes = sizeof(slice)}
static const gr_op narrow_op = SLICE_OP("narrow"), select_op = SLICE_OP("select"), slice_op = SLICE_OP("slice");

static gr_tensor *slice_run(const gr_op *op, gr_tensor *x, const slice *s, gr_site site)
{
    gr_call *c = gr_call_begin(op, 1, site);
    if (!c) return NULL;
    c->slot[0].tensor = x;
    memcpy(gr_attributes(c), s, sizeof *s);
    return gr_call_run(c);
}

/* The dimension to slice, or -1 after reporting; 0-d has none. */
static int slice_dim(const gr_tensor *x, int dim, const char *op, gr_site site)
{
    if (!gr_usable(x, site, op, "x")) return -1;
    if (x->dim) return gr_check_dim(dim, x, site, op);
    gr_fail(GR_ERROR_ARGUMENT, site, op, "x is 0-d; must have a dimension to slice");
    return -1;
}

gr_tensor *gr_narrow_at(gr_tensor *x, int dim, int64_t start, int64_t length, gr_site site)
{
    if ((dim = slice_dim(x, dim, "narrow", site)) < 0) return NULL;
    const int64_t size = x->axis[dim].size, from = start < 0 ? start + size : start;
    char text[GR_SHAPE_TEXT];
    if (from < 0 || length < 0 || from > size || length > size - from)
        return gr_fail(GR_ERROR_ARGUMENT, site, "narrow", "start is %lld, length is %lld, x is %s; must lie within dimension %d",
                       (long long)start, (long long)length, gr_shape_text(x, text), dim);
    return slice_run(&narrow_op, x, &(slice){dim, false, from, length, 1}, site);
}

gr_tensor *gr_select_at(gr_tensor *x, int dim, int64_t index, gr_site site)
{
    if ((dim = slice_dim(x, dim, "select", site)) < 0) return NULL;
    const int64_t size = x->axis[dim].size, at = index < 0 ? index + size : index;
    char text[GR_SHAPE_TEXT];
    if (at < 0 || at >= size)
        return gr_fail(GR_ERROR_ARGUMENT, site, "select", "index is %lld, x is %s; must be %lld to %lld", (long long)index,
                       gr_shape_text(x, text), (long long)-size, (long long)size - 1);
    return slice_run(&select_op, x, &(slice){dim, true, at, 1, 1}, site);
}

gr_tensor *gr_slice_at(const gr_slice_args *a)
{
    gr_tensor *x = a->x;
    const int dim = slice_dim(x, a->dim, "slice", a->site);
    if (dim < 0) return NULL;
    if (a->step <= 0)
        return gr_fail(GR_ERROR_ARGUMENT, a->site, "slice", "step is %lld; must be 1 or more", (long long)a->step);
    const int64_t size = x->axis[dim].size;
    int64_t start = a->start < 0 ? a->start + size : a->start, end = a->end < 0 ? a->end + size : a->end;
    start = start < 0 ? 0 : start > size ? size : start;
    end = end < start ? start : end > size ? size : end;
    const int64_t length = (end - start) / a->step + ((end - start) % a->step != 0);
    return slice_run(&slice_op, x, &(slice){dim, false, start, length, length > 1 ? a->step : 1}, a->site);
}

/* ---- views and changes in place ---- */

/* Where view x lies in its base, which is row-major and owns its memory. */
static geometry place_in_base(const gr_tensor *x, const gr_tensor *base)
{
    geometry g = {.dim = x->dim, .offset = (x->data - base->data) / gr_dtype_size[x->dtype]};
    memcpy(g.axis, x->axis, sizeof g.axis);
    return g;
}

static bool is_stale(const gr_tensor *x)
{
    return x && x->state == GR_LIVE && x->base && x->base->state == GR_LIVE && x->base->value != x->base_value &&
           !(x->flags & GR_UNTRACKED_VIEW);
}

/* Takes x from its base again. A view of an outer scope keeps its header, for the history made here ends here. */
static gr_tensor *refresh(gr_thread *t, gr_tensor *x, gr_site site)
{
    const geometry g = place_in_base(x, x->base);
    gr_tensor *again = region_run(x->base, &g, site);
    if (!again || x->owned_at < t->scope[t->depth].owned || x->owned_at == GR_NOT_OWNED) return again;
    x->value = again->value;
    x->oldest = again->oldest;
    x->call = again->call;
    x->requires_grad = again->requires_grad;
    x->thread = t->id;
    x->base_value = x->base->value;
    return x;
}

gr_call *gr_view_refresh(gr_thread *t, gr_call *c)
{
    const size_t bytes = (size_t)((char *)gr_attributes(c) - (char *)c) + c->op->attribute_bytes;
    gr_storage *aside = gr_storage_take(t, bytes);
    if (!aside) return gr_fail_memory(gr_site_of(c), c->op->name, "the call", bytes);
    memcpy(aside->data, c, bytes);
    gr_call *kept = (gr_call *)(void *)aside->data;
    bool ok = true;
    for (int i = 0; ok && i < kept->inputs; i++)
        if (!gr_is_number(kept, i) && is_stale(kept->slot[i].tensor))
            ok = (kept->slot[i].tensor = refresh(t, kept->slot[i].tensor, gr_site_of(kept))) != NULL;
    c = ok ? gr_call_begin(kept->op, kept->inputs, gr_site_of(kept)) : NULL;
    if (c) memcpy((void *)c, kept, bytes);
    gr_storage_drop(t, aside);
    return c;
}

/* inputs: base as it was, the view as it is; output: base as it is. The memory has changed already.
 * dbase = dy without the region, dview = dy in the region. */
static bool replace_shape(gr_call *c)
{
    (void)c;
    return true;
}

static bool replace_backward(gr_call *c)
{
    const geometry *g = gr_attributes(c);
    const gr_site site = gr_site_of(c);
    gr_tensor *dy = gr_contiguous_at(gr_call_gradient(c, 0), site);
    if (!dy) return false;
    if (gr_call_needs(c, 1)) {
        gr_tensor *dview = region_run(dy, g, site);
        if (!dview || !gr_grad_add(c, 1, dview)) return false;
    }
    if (!gr_call_needs(c, 0)) return true;
    gr_tensor *dbase = gr_clone_at(dy, site), *region = dbase ? region_run(dbase, g, site) : NULL;
    return region && gr_zero__at(region, site) && gr_grad_add(c, 0, dbase);
}

static const gr_op replace_op = {.name = "copy_slices", .shape = replace_shape, .forward = no_kernel,
                                 .backward = replace_backward, .attribute_bytes = sizeof(geometry)};

bool gr_view_replace_base(gr_thread *t, gr_tensor *x, gr_site site)
{
    gr_tensor *base = x->base;
    if (!base || base->state != GR_LIVE) return true;
    gr_call *c = gr_call_begin(&replace_op, 2, site);
    if (!c) return false;
    *(geometry *)gr_attributes(c) = place_in_base(x, base);
    c->slot[0] = (gr_slot){.tensor = base, .value = base->value};
    c->slot[1] = (gr_slot){.tensor = x, .value = x->value};
    gr_out(c, 0)->tensor = base;
    const uint32_t oldest = base->value && base->oldest < x->oldest ? base->oldest : x->oldest;
    gr_call_record(c, t, oldest);
    x->base_value = base->value;
    return true;
}
