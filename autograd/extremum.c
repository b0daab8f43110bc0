/* extremum.c - largest and smallest elements: their values, and where they stand. */
#include "autograd/reduce.h"

#include <math.h>

#include "autograd/autograd.h"

/* ---- amax, amin, max, min: dx = dy shared among equals ---- */

static bool extremum_shape(gr_call *c)
{
    const gr_reduced *r = gr_attributes(c);
    const gr_tensor *x = c->slot[0].tensor;
    char text[GR_SHAPE_TEXT];
    if (gr_reduced_count(x, r->dims) == 0)
        return gr_call_fail(c, "x is %s; must have an element in the reduced dimensions", gr_shape_text(x, text));
    return gr_reduced_shape(c);
}

/* dx = equal * (dy / number of equals), of a bool mask. Only dy has history here: the mask's slope is 0. */
static bool share_among(gr_call *c, gr_tensor *dy, gr_tensor *equal)
{
    const gr_reduced *r = gr_attributes(c);
    const gr_site site = gr_site_of(c);
    const gr_dtype dtype = (gr_dtype)c->slot[0].tensor->dtype;
    dy = gr_with_dims(c, dy);
    if (!dy || !equal) return false;
    equal = gr_to_at(&(gr_to_args){.x = equal, .site = site, .dtype = dtype, .device = {-1, 0}});
    gr_tensor *count = equal ? gr_sum_over(equal, r->dims, site) : NULL;
    gr_tensor *share = count ? gr_div_at(gr_value_tensor(dy), gr_value_tensor(count), site) : NULL;
    return share && gr_grad_add(c, 0, gr_mul_at(gr_value_tensor(share), gr_value_tensor(equal), site));
}

static bool extremum_backward(gr_call *c)
{
    const gr_reduced *r = gr_attributes(c);
    gr_tensor *dy = gr_upstream(c), *x = c->slot[0].tensor, *y = gr_out(c, 0)->tensor;
    if (!dy) return false;
    if (!gr_is_recording_backward()) {
        bool add;
        gr_tensor *dx = gr_grad_into(c, 0, &add);
        return dx && gr_kernels_of(dx)->extremum_back(dx, add, dy, x, y, r->dims);
    }
    y = gr_with_dims(c, y);
    return y && share_among(c, dy, gr_eq_at(gr_value_tensor(x), gr_value_tensor(y), gr_site_of(c)));
}

#define EXTREMUM(text, kind) \
    {.name = text, .shape = extremum_shape, .forward = gr_reduce_forward, .backward = extremum_backward, \
     .attribute_bytes = sizeof(gr_reduced), .reads_inputs = 1, .reads_outputs = 1, .code = kind, \
     .rule = "dx = dy shared where x = y"}
static const gr_op amax_op = EXTREMUM("amax", GR_REDUCE_MAX), amin_op = EXTREMUM("amin", GR_REDUCE_MIN);

gr_tensor *gr_amax_at(const gr_reduce_args *args)
{
    return gr_reduce_public(&amax_op, args);
}

gr_tensor *gr_amin_at(const gr_reduce_args *args)
{
    return gr_reduce_public(&amin_op, args);
}

/* Over everything, a NaN result has the NaNs as its ties: they share, the others get 0. The CPU's result is looked at;
 * another device's would have to be waited for, so there the mask is of both kinds: x has NaNs only if y is one. */
static bool whole_backward(gr_call *c)
{
    gr_tensor *x = c->slot[0].tensor, *y = gr_out(c, 0)->tensor;
    const gr_site site = gr_site_of(c);
    gr_value whole;
    if (y->device == 0 && gr_read_element(y, 0, &whole) && !isnan(whole.real)) return extremum_backward(c);
    gr_tensor *nan = gr_isnan_at(x, site), *equal = gr_eq_at(gr_value_tensor(x), gr_value_tensor(y), site);
    if (!nan || !equal) return false;
    return share_among(c, gr_upstream(c), gr_add_at(gr_value_tensor(nan), gr_value_tensor(equal), site));
}

#define WHOLE(text, kind) \
    {.name = text, .shape = extremum_shape, .forward = gr_reduce_forward, .backward = whole_backward, \
     .attribute_bytes = sizeof(gr_reduced), .reads_inputs = 1, .reads_outputs = 1, .code = kind, \
     .rule = "dx = dy shared where x = y"}
static const gr_op max_op = WHOLE("max", GR_REDUCE_MAX), min_op = WHOLE("min", GR_REDUCE_MIN);

gr_tensor *gr_max_at(gr_tensor *x, gr_site site)
{
    return gr_usable(x, site, "max", "x") ? gr_reduce_run(&max_op, x, gr_all_dims(x), false, site) : NULL;
}

gr_tensor *gr_min_at(gr_tensor *x, gr_site site)
{
    return gr_usable(x, site, "min", "x") ? gr_reduce_run(&min_op, x, gr_all_dims(x), false, site) : NULL;
}

/* ---- argmax, argmin; max and min along a dimension: dx = dy at the index ---- */

typedef struct {
    int dim; /* -1: all */
    bool keepdim;
} along;

static bool arg_check(gr_call *c, const along *a)
{
    const gr_tensor *x = c->slot[0].tensor;
    char text[GR_SHAPE_TEXT];
    const int64_t count = a->dim < 0 ? x->numel : x->dim ? x->axis[a->dim].size : 1;
    return count != 0 || gr_call_fail(c, "x is %s; must have an element in the reduced dimensions", gr_shape_text(x, text));
}

static unsigned along_bits(const gr_tensor *x, int dim)
{
    return dim < 0 || x->dim == 0 ? gr_all_dims(x) : 1u << dim;
}

static bool arg_shape(gr_call *c)
{
    const along *a = gr_attributes(c);
    const gr_tensor *x = c->slot[0].tensor;
    if (x->dtype == GR_BOOL) return gr_call_fail(c, "x is bool; must be a number: gr_to(x, .dtype = GR_INT64)");
    return arg_check(c, a) && gr_reduced_output(c, 0, GR_INT64, along_bits(x, a->dim), a->keepdim);
}

static bool arg_forward(gr_call *c)
{
    const along *a = gr_attributes(c);
    const gr_tensor *x = c->slot[0].tensor;
    return gr_kernels_of(x)->arg_reduce(c->op->code, NULL, gr_out(c, 0)->tensor, x, x->dim ? a->dim : -1);
}

static bool pair_shape(gr_call *c)
{
    const along *a = gr_attributes(c);
    const gr_tensor *x = c->slot[0].tensor;
    const unsigned dims = along_bits(x, a->dim);
    return arg_check(c, a) && gr_reduced_output(c, 0, (gr_dtype)x->dtype, dims, a->keepdim) &&
           gr_reduced_output(c, 1, GR_INT64, dims, a->keepdim);
}

static bool pair_forward(gr_call *c)
{
    const along *a = gr_attributes(c);
    const gr_tensor *x = c->slot[0].tensor;
    return gr_kernels_of(x)->arg_reduce(c->op->code, gr_out(c, 0)->tensor, gr_out(c, 1)->tensor, x, x->dim ? a->dim : -1);
}

/* dx = dy where the running index along dim is the chosen one */
static bool pair_backward(gr_call *c)
{
    const along *a = gr_attributes(c);
    gr_tensor *x = c->slot[0].tensor, *dy = gr_upstream(c), *index = gr_out(c, 1)->tensor;
    const gr_site site = gr_site_of(c);
    if (x->dim == 0) return dy && gr_grad_add(c, 0, dy);
    gr_shape kept_shape = gr_sizes_of(x), count = {x->dim, {1, 1, 1, 1, 1, 1, 1, 1}};
    kept_shape.size[a->dim] = 1;
    count.size[a->dim] = x->axis[a->dim].size;
    gr_tensor *whole = dy ? gr_reshape_at(dy, kept_shape, site) : NULL;
    index = whole ? gr_reshape_at(index, kept_shape, site) : NULL;
    gr_tensor *place = gr_arange_at(&(gr_arange_args){.start = gr_value_integer(0), .end = gr_value_integer(x->axis[a->dim].size),
                                                      .step = gr_value_integer(1), .site = site,
                                                      .dtype = GR_INT64, .device = gr_place_device(x->device)});
    place = place ? gr_reshape_at(place, count, site) : NULL;
    gr_tensor *here = place && index ? gr_eq_at(gr_value_tensor(place), gr_value_tensor(index), site) : NULL;
    return here && gr_grad_add(c, 0, gr_where_at(here, gr_value_tensor(whole), gr_value_integer(0), site));
}

#define ARG(text, largest) \
    {.name = text, .shape = arg_shape, .forward = arg_forward, .attribute_bytes = sizeof(along), .code = largest}
#define PAIR(text, largest) \
    {.name = text, .shape = pair_shape, .forward = pair_forward, .backward = pair_backward, .outputs = 2, \
     .reads_outputs = 2, .no_gradient = 2, .attribute_bytes = sizeof(along), .code = largest, \
     .rule = "dx = dy at the index"}
static const gr_op argmax_op = ARG("argmax", true), argmin_op = ARG("argmin", false),
                   max_dim_op = PAIR("max_dim", true), min_dim_op = PAIR("min_dim", false);

static gr_tensor *arg_run(const gr_op *op, const gr_arg_args *args)
{
    if (!gr_usable(args->x, args->site, op->name, "x")) return NULL;
    along a = {-1, args->keepdim};
    if (args->dim != GR_ALL && (a.dim = gr_check_dim(args->dim, "dim", args->x, "x", args->site, op->name)) < 0) return NULL;
    return gr_run1_with(op, args->x, &a, args->site);
}

gr_tensor *gr_argmax_at(const gr_arg_args *args)
{
    return arg_run(&argmax_op, args);
}

gr_tensor *gr_argmin_at(const gr_arg_args *args)
{
    return arg_run(&argmin_op, args);
}

static gr_values_indices pair_run(const gr_op *op, const gr_arg_args *args)
{
    gr_values_indices pair = {NULL, NULL};
    if (args->dim == GR_ALL)
        gr_fail(GR_ERROR_ARGUMENT, args->site, op->name, "dim is GR_ALL; must be one dimension: %s",
                op == &max_dim_op ? "gr_max" : "gr_min");
    else
        pair.values = arg_run(op, args);
    if (pair.values) pair.indices = gr_out(gr_self()->ran, 1)->tensor;
    return pair;
}

gr_values_indices gr_max_dim_at(const gr_arg_args *args)
{
    return pair_run(&max_dim_op, args);
}

gr_values_indices gr_min_dim_at(const gr_arg_args *args)
{
    return pair_run(&min_dim_op, args);
}
