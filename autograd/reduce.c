/* reduce.c - sums, means, products and extrema over any dimensions. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/tape.h"

typedef struct {
    unsigned dims; /* bit d: dimension d is reduced */
    bool keepdim;
} reduction;

/* ---- shapes ---- */

/* The bits of .dim or .dims; false after reporting. */
static bool dims_of(const gr_reduce_args *args, const char *op, unsigned *bits)
{
    const gr_tensor *x = args->x;
    const int all = x->dim;
    *bits = 0;
    if (args->dim != GR_ALL && args->dims.count)
        return gr_fail(GR_ERROR_ARGUMENT, args->site, op, ".dim and .dims are both given; must be one of them") != NULL;
    gr_shape dims = args->dims;
    if (dims.count < 0 || dims.count > GR_MAX_DIMS)
        return gr_fail(GR_ERROR_ARGUMENT, args->site, op, ".dims has more than 8 entries; must have 1 to 8") != NULL;
    if (args->dim != GR_ALL) dims = (gr_shape){1, {args->dim}};
    for (int i = 0; i < dims.count; i++) {
        char name[24] = "dim";
        if (args->dim == GR_ALL) snprintf(name, sizeof name, "dims[%d]", i);
        const int d = gr_check_dim(dims.size[i], name, x, "x", args->site, op);
        if (d < 0) return false;
        if (*bits >> d & 1)
            return gr_fail(GR_ERROR_ARGUMENT, args->site, op, "dim %d stands twice in .dims; must be once", d) != NULL;
        *bits |= 1u << d;
    }
    if (dims.count == 0) *bits = (1u << all) - 1;
    *bits &= (1u << all) - 1;
    return true;
}

/* Output i is x without these dims, or with size 1 there; reports sizes that are too large, as those of an empty x may be. */
static bool describe(gr_call *c, int i, gr_dtype dtype, unsigned dims, bool keepdim)
{
    const gr_tensor *x = c->slot[0].tensor;
    char text[GR_SHAPE_TEXT];
    int64_t size[GR_MAX_DIMS];
    int dim = 0;
    for (int d = 0; d < x->dim; d++) {
        if (!(dims >> d & 1))
            size[dim++] = x->axis[d].size;
        else if (keepdim)
            size[dim++] = 1;
    }
    return gr_set_sizes(gr_call_new(c, i, dtype), dim, size) ||
           gr_call_fail(c, "x is %s; the result must have fewer than 2^63 bytes", gr_shape_text(x, text));
}

static int64_t reduced_count(const gr_tensor *x, unsigned dims)
{
    int64_t count = 1;
    for (int d = 0; d < x->dim; d++)
        if (dims >> d & 1) count = gr_times(count, x->axis[d].size);
    return count;
}

static bool same_dtype_shape(gr_call *c)
{
    const reduction *r = gr_attributes(c);
    const gr_tensor *x = c->slot[0].tensor;
    return describe(c, 0, (gr_dtype)x->dtype, r->dims, r->keepdim);
}

static bool sum_shape(gr_call *c)
{
    const reduction *r = gr_attributes(c);
    const gr_tensor *x = c->slot[0].tensor;
    return describe(c, 0, gr_is_float(x->dtype) ? (gr_dtype)x->dtype : GR_INT64, r->dims, r->keepdim);
}

static bool mean_shape(gr_call *c)
{
    const gr_tensor *x = c->slot[0].tensor;
    if (!gr_is_float(x->dtype))
        return gr_call_fail(c, "x is %s; must be a float: gr_to(x, .dtype = GR_FLOAT32)", gr_dtype_name[x->dtype]);
    return same_dtype_shape(c);
}

static bool extremum_shape(gr_call *c)
{
    const reduction *r = gr_attributes(c);
    const gr_tensor *x = c->slot[0].tensor;
    char text[GR_SHAPE_TEXT];
    if (reduced_count(x, r->dims) == 0)
        return gr_call_fail(c, "x is %s; must have an element in the reduced dimensions", gr_shape_text(x, text));
    return same_dtype_shape(c);
}

/* t, which has lost the reduced dims, with size 1 in their place and expanded to x: a header for kernels. */
static gr_tensor kept(const gr_tensor *t, const gr_tensor *x, unsigned dims)
{
    gr_tensor view = gr_alias(t);
    view.dim = x->dim;
    int from = 0;
    const bool keepdim = t->dim == x->dim;
    for (int d = 0; d < x->dim; d++) {
        const bool reduced = dims >> d & 1;
        view.axis[d] = reduced ? (gr_axis){x->axis[d].size, 0} : t->axis[from];
        from += !reduced || keepdim;
    }
    view.numel = x->numel;
    view.contiguous = gr_is_row_major(&view);
    return view;
}

/* dy (recorded) with the reduced dims back in place as size 1 */
static gr_tensor *with_dims(gr_call *c, gr_tensor *dy)
{
    const reduction *r = gr_attributes(c);
    gr_shape shape = gr_sizes_of(c->slot[0].tensor);
    for (int d = 0; d < shape.count; d++)
        if (r->dims >> d & 1) shape.size[d] = 1;
    return dy ? gr_reshape_at(dy, shape, gr_site_of(c)) : NULL;
}

/* ---- sum: dx = dy; mean: dx = dy / n ---- */

static bool sum_forward(gr_call *c)
{
    const reduction *r = gr_attributes(c);
    gr_tensor *x = c->slot[0].tensor;
    return gr_kernels_of(x)->reduce((gr_reduce)c->op->code, gr_out(c, 0)->tensor, x, r->dims, false);
}

/* dx = dy (or dy / n), expanded */
static bool spread(gr_call *c, gr_tensor *dy)
{
    const reduction *r = gr_attributes(c);
    const gr_tensor *x = c->slot[0].tensor;
    if (!dy) return false;
    if (gr_is_recording_backward()) {
        gr_tensor *dx = with_dims(c, dy);
        dx = dx ? gr_expand_at(dx, gr_sizes_of(x), gr_site_of(c)) : NULL;
        return dx && gr_grad_add(c, 0, dx);
    }
    bool add;
    gr_tensor *dx = gr_grad_into(c, 0, &add);
    if (!dx) return false;
    const gr_tensor whole = kept(dy, x, r->dims);
    if (add)
        gr_kernels_of(dx)->accumulate(dx, &whole);
    else
        gr_kernels_of(dx)->copy(dx, &whole);
    return true;
}

static bool sum_backward(gr_call *c)
{
    return spread(c, gr_upstream(c));
}

static bool mean_backward(gr_call *c)
{
    const reduction *r = gr_attributes(c);
    const int64_t n = reduced_count(c->slot[0].tensor, r->dims);
    gr_tensor *dy = gr_upstream(c);
    return dy && spread(c, gr_div_at(gr_value_tensor(dy), gr_value_real((double)n), gr_site_of(c)));
}

static const gr_op sum_op = {.name = "sum", .shape = sum_shape, .forward = sum_forward, .backward = sum_backward,
                             .attribute_bytes = sizeof(reduction), .code = GR_REDUCE_SUM, .rule = "dx = dy"};
static const gr_op mean_op = {.name = "mean", .shape = mean_shape, .forward = sum_forward, .backward = mean_backward,
                              .attribute_bytes = sizeof(reduction), .code = GR_REDUCE_MEAN, .rule = "dx = dy / n"};

static gr_tensor *reduce_run(const gr_op *op, gr_tensor *x, unsigned dims, bool keepdim, gr_site site)
{
    gr_call *c = gr_call_begin(op, 1, site);
    if (!c) return NULL;
    c->slot[0].tensor = x;
    *(reduction *)gr_attributes(c) = (reduction){dims, keepdim};
    return gr_call_run(c);
}

static gr_tensor *reduce(const gr_op *op, const gr_reduce_args *args)
{
    unsigned dims;
    gr_reduce_args a = *args;
    if (!gr_usable(a.x, a.site, op->name, "x") || !dims_of(&a, op->name, &dims)) return NULL;
    if (gr_likely(a.dtype == GR_DTYPE_DEFAULT || a.dtype == (gr_dtype)a.x->dtype))
        return reduce_run(op, a.x, dims, a.keepdim, a.site);
    if (!gr_dtype_fits(a.dtype, a.site, op->name)) return NULL;
    const gr_compound whole = gr_compound_begin(op->name);
    a.x = gr_to_at(&(gr_to_args){.x = a.x, .site = a.site, .dtype = a.dtype, .device = {-1, 0}});
    return gr_compound_end(&whole, a.x ? reduce_run(op, a.x, dims, a.keepdim, a.site) : NULL);
}

gr_tensor *gr_sum_at(const gr_reduce_args *args)
{
    return reduce(&sum_op, args);
}

gr_tensor *gr_mean_at(const gr_reduce_args *args)
{
    return reduce(&mean_op, args);
}

/* ---- amax, amin, max, min: dx = dy shared among equals ---- */

/* dx = equal * (dy / number of equals), of a bool mask. Only dy has history here: the mask's slope is 0. */
static bool share_among(gr_call *c, gr_tensor *dy, gr_tensor *equal)
{
    const reduction *r = gr_attributes(c);
    const gr_site site = gr_site_of(c);
    const gr_dtype dtype = (gr_dtype)c->slot[0].tensor->dtype;
    dy = with_dims(c, dy);
    if (!dy || !equal) return false;
    equal = gr_to_at(&(gr_to_args){.x = equal, .site = site, .dtype = dtype, .device = {-1, 0}});
    gr_tensor *count = equal ? reduce_run(&sum_op, equal, r->dims, true, site) : NULL;
    gr_tensor *share = count ? gr_div_at(gr_value_tensor(dy), gr_value_tensor(count), site) : NULL;
    return share && gr_grad_add(c, 0, gr_mul_at(gr_value_tensor(share), gr_value_tensor(equal), site));
}

static bool extremum_backward(gr_call *c)
{
    const reduction *r = gr_attributes(c);
    gr_tensor *dy = gr_upstream(c), *x = c->slot[0].tensor, *y = gr_out(c, 0)->tensor;
    if (!dy) return false;
    if (!gr_is_recording_backward()) {
        bool add;
        gr_tensor *dx = gr_grad_into(c, 0, &add);
        return dx && gr_kernels_of(dx)->extremum_back(dx, add, dy, x, y, r->dims);
    }
    y = with_dims(c, y);
    return y && share_among(c, dy, gr_eq_at(gr_value_tensor(x), gr_value_tensor(y), gr_site_of(c)));
}

#define EXTREMUM(text, kind) \
    {.name = text, .shape = extremum_shape, .forward = sum_forward, .backward = extremum_backward, \
     .attribute_bytes = sizeof(reduction), .reads_inputs = 1, .reads_outputs = 1, .code = kind, \
     .rule = "dx = dy shared where x = y"}
static const gr_op amax_op = EXTREMUM("amax", GR_REDUCE_MAX), amin_op = EXTREMUM("amin", GR_REDUCE_MIN);

gr_tensor *gr_amax_at(const gr_reduce_args *args)
{
    return reduce(&amax_op, args);
}

gr_tensor *gr_amin_at(const gr_reduce_args *args)
{
    return reduce(&amin_op, args);
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
    {.name = text, .shape = extremum_shape, .forward = sum_forward, .backward = whole_backward, \
     .attribute_bytes = sizeof(reduction), .reads_inputs = 1, .reads_outputs = 1, .code = kind, \
     .rule = "dx = dy shared where x = y"}
static const gr_op max_op = WHOLE("max", GR_REDUCE_MAX), min_op = WHOLE("min", GR_REDUCE_MIN);

gr_tensor *gr_max_at(gr_tensor *x, gr_site site)
{
    return gr_usable(x, site, "max", "x") ? reduce_run(&max_op, x, (1u << x->dim) - 1, false, site) : NULL;
}

gr_tensor *gr_min_at(gr_tensor *x, gr_site site)
{
    return gr_usable(x, site, "min", "x") ? reduce_run(&min_op, x, (1u << x->dim) - 1, false, site) : NULL;
}

/* ---- prod: dx = dy * product of the others ---- */

/* For each slice along dim the product of all the others, made of ops, so that it has gradients too: without a division,
 * which zeros would spoil, and so in n^2 multiplications. */
static gr_tensor *others_product(gr_tensor *x, int dim, gr_site site)
{
    const int64_t n = x->axis[dim].size;
    gr_tensor *others = NULL;
    for (int64_t i = 0; i < n; i++) {
        gr_tensor *product = NULL;
        const int64_t part[2][2] = {{0, i}, {i + 1, n - i - 1}};
        for (int side = 0; side < 2; side++) {
            gr_tensor *rest = gr_narrow_at(x, dim, part[side][0], part[side][1], site);
            rest = rest ? gr_prod_at(&(gr_reduce_args){.x = rest, .site = site, .dim = dim, .keepdim = true, .dtype = GR_DTYPE_DEFAULT}) : NULL;
            if (!rest) return NULL;
            product = product ? gr_mul_at(gr_value_tensor(product), gr_value_tensor(rest), site) : rest;
        }
        if (!product) return NULL;
        if (!others) {
            gr_make_args made = {.shape = gr_sizes_of(x), .site = site, .dtype = (gr_dtype)x->dtype,
                                 .device = gr_place_device(x->device)};
            others = gr_zeros_at(&made);
        }
        gr_tensor *place = others ? gr_narrow_at(others, dim, i, 1, site) : NULL;
        if (!place || !gr_copy__at(place, product, site)) return NULL;
    }
    return others;
}

static bool prod_backward(gr_call *c)
{
    const reduction *r = gr_attributes(c);
    gr_tensor *x = c->slot[0].tensor, *dy = with_dims(c, gr_upstream(c));
    const gr_site site = gr_site_of(c);
    if (!dy) return false;
    if (x->numel == 0) return gr_grad_add(c, 0, gr_zeros_like_at(&(gr_like_args){.x = x, .site = site, .dtype = GR_DTYPE_DEFAULT, .device = {-1, 0}}));
    gr_tensor *rows = x;
    int dim = 0;
    if (r->dims == (1u << x->dim) - 1)
        rows = gr_reshape_at(x, (gr_shape){1, {x->numel}}, site);
    else
        while (!(r->dims >> dim & 1)) dim++;
    gr_tensor *others = rows ? others_product(rows, dim, site) : NULL;
    others = others ? gr_reshape_at(others, gr_sizes_of(x), site) : NULL;
    return others && gr_grad_add(c, 0, gr_mul_at(gr_value_tensor(dy), gr_value_tensor(others), site));
}

static bool prod_shape(gr_call *c)
{
    const reduction *r = gr_attributes(c);
    const int dim = c->slot[0].tensor->dim;
    if (r->dims != (1u << dim) - 1 && r->dims & (r->dims - 1))
        return gr_call_fail(c, ".dims names several dimensions; must be one, or all");
    return sum_shape(c);
}

static const gr_op prod_op = {.name = "prod", .shape = prod_shape, .forward = sum_forward, .backward = prod_backward,
                              .attribute_bytes = sizeof(reduction), .reads_inputs = 1, .code = GR_REDUCE_PROD,
                              .rule = "dx = dy * product of the others"};

gr_tensor *gr_prod_at(const gr_reduce_args *args)
{
    return reduce(&prod_op, args);
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
    return dim < 0 || x->dim == 0 ? (1u << x->dim) - 1 : 1u << dim;
}

static bool arg_shape(gr_call *c)
{
    const along *a = gr_attributes(c);
    const gr_tensor *x = c->slot[0].tensor;
    if (x->dtype == GR_BOOL) return gr_call_fail(c, "x is bool; must be a number: gr_to(x, .dtype = GR_INT64)");
    return arg_check(c, a) && describe(c, 0, GR_INT64, along_bits(x, a->dim), a->keepdim);
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
    return arg_check(c, a) && describe(c, 0, (gr_dtype)x->dtype, dims, a->keepdim) &&
           describe(c, 1, GR_INT64, dims, a->keepdim);
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
                                                      .dtype = GR_DTYPE_DEFAULT, .device = {-1, 0}});
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
    gr_call *c = gr_call_begin(op, 1, args->site);
    if (!c) return NULL;
    c->slot[0].tensor = args->x;
    memcpy(gr_attributes(c), &a, sizeof a);
    return gr_call_run(c);
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
