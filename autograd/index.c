/* index.c - slices by index: y = x at index along dim; dx = dy added back there. */
#include "autograd/autograd.h"
#include "autograd/tape.h"

static const char *const names[] = {"x", "index"};

/* The CPU's index is checked here: an index out of range is reported before anything is made. */
static bool check_index(gr_call *c, const gr_tensor *index, int64_t size)
{
    const int64_t *at = (const int64_t *)(const void *)index->data;
    char text[GR_SHAPE_TEXT];
    for (int64_t i = 0; i < index->numel; i++) {
        const int64_t k = at[i * index->axis[0].stride];
        if (k < 0 || k >= size)
            return gr_call_fail(c, "index[%lld] is %lld, x is %s; must be 0 to %lld", (long long)i, (long long)k,
                                gr_shape_text(c->slot[0].tensor, text), (long long)size - 1);
    }
    return true;
}

static bool select_shape(gr_call *c)
{
    const int *dim = gr_attributes(c);
    const gr_tensor *x = c->slot[0].tensor, *index = c->slot[1].tensor;
    char text[GR_SHAPE_TEXT];
    if (x->device != index->device) return gr_call_same_key(c, 0, 1);
    if (index->dtype != GR_INT64 || index->dim != 1)
        return gr_call_fail(c, "index is %s %s; must be int64, 1-d", gr_dtype_name[index->dtype], gr_shape_text(index, text));
    if (x->axis[*dim].size == 0 && index->numel > 0)
        return gr_call_fail(c, "x is %s; must have an element in the dimension to select from", gr_shape_text(x, text));
    if (index->device == 0 && !check_index(c, index, x->axis[*dim].size)) return false;
    int64_t size[GR_MAX_DIMS];
    for (int d = 0; d < x->dim; d++) size[d] = d == *dim ? index->numel : x->axis[d].size;
    return gr_set_sizes(gr_call_new(c, 0, (gr_dtype)x->dtype), x->dim, size) ||
           gr_call_fail(c, "x is %s, index has %lld entries; the result must have fewer than 2^63 bytes", gr_shape_text(x, text),
                        (long long)index->numel);
}

static bool select_forward(gr_call *c)
{
    const int *dim = gr_attributes(c);
    gr_tensor *y = gr_out(c, 0)->tensor;
    gr_kernels_of(y)->index_select(y, c->slot[0].tensor, *dim, c->slot[1].tensor);
    return true;
}

typedef struct {
    int dim;
    gr_shape shape;
} scatter;
static const gr_op scatter_op;

static bool select_backward(gr_call *c)
{
    const int dim = *(const int *)gr_attributes(c);
    gr_tensor *dy = gr_call_gradient(c, 0), *index = c->slot[1].tensor;
    const gr_tensor *x = c->slot[0].tensor;
    if (!dy || !gr_call_needs(c, 0)) return dy != NULL;
    if (gr_is_recording_backward()) {
        gr_call *back = gr_call_begin(&scatter_op, 2, gr_site_of(c));
        if (!back) return false;
        back->slot[0].tensor = dy;
        back->slot[1].tensor = index;
        *(scatter *)gr_attributes(back) = (scatter){dim, gr_sizes_of(x)};
        gr_tensor *dx = gr_call_run(back);
        return dx && gr_grad_add(c, 0, dx);
    }
    bool add;
    gr_tensor *dx = gr_grad_into(c, 0, &add);
    if (!dx) return false;
    if (!add) gr_kernels_of(dx)->fill(dx, gr_value_integer(0));
    gr_kernels_of(dx)->index_add(dx, dim, index, dy);
    return true;
}

static const gr_op select_op = {.name = "index_select", .shape = select_shape, .forward = select_forward,
                                .backward = select_backward, .attribute_bytes = sizeof(int), .reads_inputs = 2,
                                .input_names = names, .rule = "dx = dy added up at index"};

static gr_tensor *select_run(gr_tensor *x, int dim, gr_tensor *index, gr_site site)
{
    gr_call *c = gr_call_begin(&select_op, 2, site);
    if (!c) return NULL;
    c->slot[0].tensor = x;
    c->slot[1].tensor = index;
    *(int *)gr_attributes(c) = dim;
    return gr_call_run(c);
}

gr_tensor *gr_index_select_at(gr_tensor *x, int dim, gr_tensor *index, gr_site site)
{
    if (!gr_usable(x, site, "index_select", "x") || !gr_usable(index, site, "index_select", "index")) return NULL;
    if (x->dim == 0) return gr_fail(GR_ERROR_ARGUMENT, site, "index_select", "x is 0-d; must have a dimension to select from");
    if ((dim = gr_check_dim(dim, "dim", x, "x", site, "index_select")) < 0) return NULL;
    return select_run(x, dim, index, site);
}

/* The gradient of index_select as an op: zeros but for dy added at index; its own gradient is the selection. */

static bool scatter_shape(gr_call *c)
{
    const scatter *s = gr_attributes(c);
    return gr_set_sizes(gr_call_new(c, 0, (gr_dtype)c->slot[0].tensor->dtype), s->shape.count, s->shape.size);
}

static bool scatter_forward(gr_call *c)
{
    const scatter *s = gr_attributes(c);
    gr_tensor *dx = gr_out(c, 0)->tensor;
    gr_kernels_of(dx)->fill(dx, gr_value_integer(0));
    gr_kernels_of(dx)->index_add(dx, s->dim, c->slot[1].tensor, c->slot[0].tensor);
    return true;
}

static bool scatter_backward(gr_call *c)
{
    const scatter *s = gr_attributes(c);
    gr_tensor *dy = gr_call_gradient(c, 0);
    gr_tensor *dx = dy ? select_run(dy, s->dim, c->slot[1].tensor, gr_site_of(c)) : NULL;
    return dx && gr_grad_add(c, 0, dx);
}

static const gr_op scatter_op = {.name = "index_select_backward", .shape = scatter_shape, .forward = scatter_forward,
                                 .backward = scatter_backward, .attribute_bytes = sizeof(scatter), .reads_inputs = 2,
                                 .input_names = names, .rule = "dx = dy at index"};
