/* slice.c - slices along one dimension: dx = dy there, 0 elsewhere. */
#include "autograd/geometry.h"
#include "autograd/view.h"

typedef struct {
    int dim;
    bool drop; /* the dimension disappears */
    int64_t start, length, step;
} slice;

static gr_geometry slice_geometry(const gr_tensor *x, const slice *s, bool row_major)
{
    gr_geometry g = {0};
    int64_t stride[GR_MAX_DIMS], next = 1;
    for (int d = x->dim; d-- > 0;) {
        stride[d] = row_major ? next : x->axis[d].stride;
        next = gr_times(next, x->axis[d].size);
    }
    for (int d = 0; d < x->dim; d++) {
        if (d != s->dim)
            g.axis[g.dim++] = (gr_axis){x->axis[d].size, stride[d]};
        else if (!s->drop)
            g.axis[g.dim++] = (gr_axis){s->length, gr_times(stride[d], s->step)};
    }
    g.offset = s->length && x->numel ? s->start * stride[s->dim] : 0;
    return g;
}

static bool slice_shape(gr_call *c)
{
    const gr_geometry g = slice_geometry(c->slot[0].tensor, gr_attributes(c), false);
    return gr_make_view(c, &g);
}

static bool slice_backward(gr_call *c)
{
    const gr_geometry g = slice_geometry(c->slot[0].tensor, gr_attributes(c), true);
    return gr_region_gradient(c, &g);
}

#define SLICE_OP(text) \
    {.name = text, .shape = slice_shape, .forward = gr_no_work, .backward = slice_backward, \
     .attribute_bytes = sizeof(slice), .rule = "dx = dy there, 0 elsewhere"}
static const gr_op narrow_op = SLICE_OP("narrow"), select_op = SLICE_OP("select"), slice_op = SLICE_OP("slice");

/* The dimension to slice, or -1 after reporting; 0-d has none. */
static int slice_dim(const gr_tensor *x, int dim, const char *op, gr_site site)
{
    if (!gr_usable(x, site, op, "x")) return -1;
    if (x->dim) return gr_check_dim(dim, "dim", x, "x", site, op);
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
    return gr_run1_with(&narrow_op, x, &(slice){dim, false, from, length, 1}, site);
}

gr_tensor *gr_select_at(gr_tensor *x, int dim, int64_t index, gr_site site)
{
    if ((dim = slice_dim(x, dim, "select", site)) < 0) return NULL;
    const int64_t size = x->axis[dim].size, at = index < 0 ? index + size : index;
    char text[GR_SHAPE_TEXT];
    if (size == 0)
        return gr_fail(GR_ERROR_ARGUMENT, site, "select", "x is %s; must have an element in dimension %d", gr_shape_text(x, text), dim);
    if (at < 0 || at >= size)
        return gr_fail(GR_ERROR_ARGUMENT, site, "select", "index is %lld, x is %s; must be %lld to %lld", (long long)index,
                       gr_shape_text(x, text), (long long)-size, (long long)size - 1);
    return gr_run1_with(&select_op, x, &(slice){dim, true, at, 1, 1}, site);
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
    return gr_run1_with(&slice_op, x, &(slice){dim, false, start, length, length > 1 ? a->step : 1}, a->site);
}
