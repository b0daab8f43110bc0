/* linear.c - y = x w' + b,  dx = dy w,  dw = dy' x,  db = sum of dy over the rows; and its module. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "autograd/tape.h"
#include "core/random.h"
#include "nn/module_tree.h"
#include "nn/nn.h"

/* ---- the function ---- */

/* How far apart rows lie: the stride of the last dimension before the row's own that has one. Of size 1 it may be anything. */
static int64_t row_stride(const gr_tensor *x)
{
    for (int d = x->dim - 1; d-- > 0;)
        if (x->axis[d].size != 1) return x->axis[d].stride;
    return x->axis[x->dim - 1].size;
}

/* Rows are taken as they lie; what does not lie in even rows is copied first. */
static bool lies_in_rows(const gr_tensor *x)
{
    int64_t stride = row_stride(x);
    for (int d = x->dim - 1; d-- > 0;) {
        if (x->axis[d].size == 1) continue;
        if (x->axis[d].stride != stride) return false;
        stride = gr_times(stride, x->axis[d].size);
    }
    return true;
}

/* x seen as [rows, in]: itself, or described in `view` */
static const gr_tensor *rows_of(const gr_tensor *x, gr_tensor *view)
{
    if (gr_likely(x->dim == 2)) return x;
    *view = gr_alias(x);
    view->dim = 2;
    view->axis[1] = x->axis[x->dim - 1];
    view->axis[0] = (gr_axis){1, row_stride(x)};
    for (int d = 0; d < x->dim - 1; d++) view->axis[0].size = gr_times(view->axis[0].size, x->axis[d].size);
    return view;
}

/* The same of a row-major result, which is written through it. */
static gr_tensor *result_rows(gr_tensor *y, gr_tensor *view)
{
    return y->dim == 2 ? y : (rows_of(y, view), view);
}

static bool linear_shape(gr_call *c)
{
    const gr_tensor *x = c->slot[0].tensor, *w = c->slot[1].tensor, *b = c->slot[2].tensor;
    gr_tensor *y = gr_call_new(c, 0, (gr_dtype)x->dtype);
    char have[GR_SHAPE_TEXT], want[GR_SHAPE_TEXT];
    if (gr_unlikely(x->key != w->key) && !gr_call_same_key(c, 0, 1)) return false;
    if (b && gr_unlikely(x->key != b->key) && !gr_call_same_key(c, 0, 2)) return false;
    if (gr_unlikely(x->dtype == GR_BOOL)) return gr_call_fail(c, "x and weight are bool; must be numbers: gr_to(x, .dtype = GR_INT64)");
    if (gr_unlikely(w->dim != 2))
        return gr_call_fail(c, "weight is %s; must have 2 dimensions, out and in", gr_shape_text(w, want));
    if (gr_unlikely(x->dim == 0 || x->axis[x->dim - 1].size != w->axis[1].size))
        return gr_call_fail(c, "x is %s, weight is %s; x's last dimension must be weight's second (%lld)",
                            gr_shape_text(x, have), gr_shape_text(w, want), (long long)w->axis[1].size);
    const int64_t out = w->axis[0].size;
    if (b && gr_unlikely(b->dim != 1 || b->axis[0].size != out))
        return gr_call_fail(c, "bias is %s, weight is %s; bias must be [%lld]", gr_shape_text(b, have),
                            gr_shape_text(w, want), (long long)out);
    if (gr_likely(x->dim == 2) && gr_set_matrix(y, x->axis[0].size, out)) return true;
    int64_t size[GR_MAX_DIMS];
    for (int d = 0; d < x->dim - 1; d++) size[d] = x->axis[d].size;
    size[x->dim - 1] = out;
    return gr_set_sizes(y, x->dim, size) ||
           gr_call_fail(c, "x is %s, weight is %s; the result must have fewer than 2^63 bytes", gr_shape_text(x, have),
                        gr_shape_text(w, want));
}

static bool linear_forward(gr_call *c)
{
    gr_tensor x, rows, *y = gr_out(c, 0)->tensor;
    return gr_kernels_of(y)->linear(result_rows(y, &rows), rows_of(c->slot[0].tensor, &x), c->slot[1].tensor,
                                    c->slot[2].tensor);
}

/* dy' as a header for the product, which reads no more of it */
static const gr_tensor *transposed(const gr_tensor *dy, gr_tensor *view)
{
    view->dtype = dy->dtype;
    view->data = dy->data;
    view->dim = 2;
    view->axis[0] = dy->axis[1];
    view->axis[1] = dy->axis[0];
    return view;
}

static bool linear_direct(gr_call *c, const gr_tensor *gradient)
{
    gr_tensor dy_view, x_view, dx_view, turned;
    const gr_tensor *dy = rows_of(gradient, &dy_view), *x = rows_of(c->slot[0].tensor, &x_view);
    const gr_kernels *k = gr_kernels_of(dy);
    bool add;
    gr_tensor *dx = gr_grad_into(c, 0, &add);
    if (dx && !k->matmul(result_rows(dx, &dx_view), dy, c->slot[1].tensor, add)) return false;
    gr_tensor *dw = gr_grad_into(c, 1, &add);
    if (dw && !k->matmul(dw, transposed(dy, &turned), x, add)) return false;
    gr_tensor *db = gr_grad_into(c, 2, &add);
    return (!db || k->reduce(GR_REDUCE_SUM, db, dy, 1, add)) && gr_grads_given();
}

static bool linear_recorded(gr_call *c, gr_tensor *dy)
{
    const gr_site site = gr_site_of(c);
    gr_tensor *x = c->slot[0].tensor, *w = c->slot[1].tensor;
    if (gr_call_needs(c, 0) && !gr_grad_add(c, 0, gr_matmul_at(dy, w, site))) return false;
    const gr_shape flat_x = {2, {-1, w->axis[1].size}}, flat_y = {2, {-1, w->axis[0].size}};
    if (gr_call_needs(c, 1)) {
        gr_tensor *rows_x = gr_reshape_at(x, flat_x, site), *rows_dy = rows_x ? gr_reshape_at(dy, flat_y, site) : NULL;
        gr_tensor *transposed = rows_dy ? gr_t_at(rows_dy, site) : NULL;
        if (!transposed || !gr_grad_add(c, 1, gr_matmul_at(transposed, rows_x, site))) return false;
    }
    return !c->slot[2].value || !gr_call_needs(c, 2) || gr_grad_add(c, 2, dy);
}

static bool linear_backward(gr_call *c)
{
    gr_tensor *dy = gr_upstream(c);
    if (!dy) return false;
    return gr_is_recording_backward() || dy->numel == 0 ? linear_recorded(c, dy) : linear_direct(c, dy);
}

static const char *const linear_names[] = {"x", "weight", "bias"};
static const uint32_t linear_reads[] = {2, 1, 0};
static const gr_op linear_op = {.name = "linear", .shape = linear_shape, .forward = linear_forward,
                                .backward = linear_backward, .reads_each = linear_reads, .optional_inputs = 4,
                                .input_names = linear_names,
                                .rule = "dx = dy weight, dweight = dy' x, dbias = dy summed over rows"};

static gr_tensor *linear(gr_tensor *x, gr_tensor *weight, gr_tensor *bias, gr_site site)
{
    if (gr_likely(x && x->state == GR_LIVE) && gr_unlikely(x->dim != 2 && !x->contiguous && !lies_in_rows(x))) {
        const gr_compound whole = gr_compound_begin("linear");
        x = gr_contiguous_at(x, site);
        return gr_compound_end(&whole, x ? linear(x, weight, bias, site) : NULL);
    }
    gr_call *c = gr_call_begin(&linear_op, 3, site);
    if (!c) return NULL;
    c->slot[0].tensor = x;
    c->slot[1].tensor = weight;
    c->slot[2].tensor = bias;
    return gr_call_run(c);
}

gr_tensor *gr_linear_at(const gr_linear_args *args)
{
    return linear(args->x, args->weight, args->bias, args->site);
}

/* ---- the module ---- */

typedef struct {
    gr_tensor *weight, *bias;
} linear_data;

static bool module_forward(gr_module *m, const gr_tensors *in, gr_tensors *out)
{
    const linear_data *l = gr_module_data(m);
    if (!gr_module_takes(m, in, 1)) return false;
    out->count = 1;
    out->item[0] = linear(in->item[0], l->weight, l->bias, gr_self()->forward_site);
    return out->item[0] != NULL;
}

static void module_describe(const gr_module *m, char *text, size_t bytes)
{
    const linear_data *l = gr_module_data_const(m);
    snprintf(text, bytes, "in_features=%lld, out_features=%lld, bias=%s", (long long)l->weight->axis[1].size,
             (long long)l->weight->axis[0].size, l->bias == gr_absent ? "False" : "True");
}

static const gr_module_type linear_type = {"Linear", module_forward, module_describe, NULL, sizeof(linear_data)};

/* kaiming_uniform_(a = sqrt 5): the bound is sqrt(3) * gain / sqrt(fan_in), gain = sqrt(2 / (1 + 5)).  He et al. 2015 */
static double weight_bound(int64_t in)
{
    const double gain = sqrt(2.0 / (1 + 5.0)), std = gain / sqrt((double)in);
    return sqrt(3.0) * std;
}

static bool sizes_fit(const gr_nn_linear_args *a)
{
    int64_t count;
    if (!gr_count_fits(a->in_features, "in_features", GR_MOST_ELEMENTS, a->site, "nn_linear") ||
        !gr_count_fits(a->out_features, "out_features", GR_MOST_ELEMENTS, a->site, "nn_linear"))
        return false;
    if (!__builtin_mul_overflow(a->in_features, a->out_features, &count) && count <= GR_MOST_ELEMENTS) return true;
    return gr_fail(GR_ERROR_ARGUMENT, a->site, "nn_linear",
                   "in_features is %lld, out_features is %lld; weight must have fewer than 2^60 elements",
                   (long long)a->in_features, (long long)a->out_features) != NULL;
}

static gr_tensor *parameter(gr_module *m, const char *name, gr_shape shape, gr_dtype dtype, gr_site site)
{
    gr_tensor *x = gr_make("nn_linear", &(gr_make_args){.shape = shape, .site = site, .device = {-1, 0}}, dtype);
    const gr_member kind = {.parameter = true, .persistent = true};
    return x ? gr_module_adopt_tensor(m, name, x, kind, site, "nn_linear") : NULL;
}

static bool draw(const linear_data *l, const gr_nn_linear_args *a)
{
    const double limit = weight_bound(a->in_features), bias_limit = 1 / sqrt((double)a->in_features);
    if (gr_fill_uniform(l->weight, -limit, limit) && (!a->bias || gr_fill_uniform(l->bias, -bias_limit, bias_limit))) return true;
    return gr_fail_memory(a->site, "nn_linear", "the numbers", (size_t)l->weight->numel * gr_dtype_size[l->weight->dtype]) != NULL;
}

static gr_module *make(const gr_nn_linear_args *a, gr_dtype dtype)
{
    gr_module *m = gr_module_new(&linear_type, a->site, "nn_linear");
    if (!m) return NULL;
    linear_data *l = gr_module_data(m);
    l->bias = gr_absent;
    if (!(l->weight = parameter(m, "weight", (gr_shape){2, {a->out_features, a->in_features}}, dtype, a->site))) return NULL;
    if (a->bias && !(l->bias = parameter(m, "bias", (gr_shape){1, {a->out_features}}, dtype, a->site))) return NULL;
    return a->in_features == 0 || draw(l, a) ? m : NULL;
}

gr_module *gr_nn_linear_at(const gr_nn_linear_args *a)
{
    const gr_dtype dtype = gr_resolve_dtype(a->dtype);
    if (!gr_float_fits(dtype, a->site, "nn_linear") || !sizes_fit(a)) return NULL;
    const gr_compound whole = gr_compound_begin("nn_linear");
    return gr_compound_end(&whole, make(a, dtype));
}
