/* reduce.c - sums, means and products over any dimensions; what extrema share with them stands in reduce.h. */
#include "autograd/reduce.h"

#include <stdio.h>

#include "autograd/autograd.h"

/* ---- shapes ---- */

/* The bits of .dim or .dims; false after reporting. */
static bool dims_of(const gr_reduce_args *args, const char *op, unsigned *bits)
{
    const gr_tensor *x = args->x;
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
    *bits = dims.count ? *bits & gr_all_dims(x) : gr_all_dims(x); /* 0-d has none */
    return true;
}

bool gr_reduced_output(gr_call *c, int i, gr_dtype dtype, unsigned dims, bool keepdim)
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

int64_t gr_reduced_count(const gr_tensor *x, unsigned dims)
{
    int64_t count = 1;
    for (int d = 0; d < x->dim; d++)
        if (dims >> d & 1) count = gr_times(count, x->axis[d].size);
    return count;
}

bool gr_reduced_shape(gr_call *c)
{
    const gr_reduced *r = gr_attributes(c);
    const gr_tensor *x = c->slot[0].tensor;
    return gr_reduced_output(c, 0, (gr_dtype)x->dtype, r->dims, r->keepdim);
}

static bool sum_shape(gr_call *c)
{
    const gr_reduced *r = gr_attributes(c);
    const gr_tensor *x = c->slot[0].tensor;
    return gr_reduced_output(c, 0, gr_is_float(x->dtype) ? (gr_dtype)x->dtype : GR_INT64, r->dims, r->keepdim);
}

static bool mean_shape(gr_call *c)
{
    const gr_tensor *x = c->slot[0].tensor;
    if (!gr_is_float(x->dtype))
        return gr_call_fail(c, "x is %s; must be a float: gr_to(x, .dtype = GR_FLOAT32)", gr_dtype_name[x->dtype]);
    return gr_reduced_shape(c);
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

gr_tensor *gr_with_dims(gr_call *c, gr_tensor *t)
{
    const gr_reduced *r = gr_attributes(c);
    gr_shape shape = gr_sizes_of(c->slot[0].tensor);
    for (int d = 0; d < shape.count; d++)
        if (r->dims >> d & 1) shape.size[d] = 1;
    return t ? gr_reshape_at(t, shape, gr_site_of(c)) : NULL;
}

/* ---- sum: dx = dy; mean: dx = dy / n ---- */

bool gr_reduce_forward(gr_call *c)
{
    const gr_reduced *r = gr_attributes(c);
    gr_tensor *x = c->slot[0].tensor;
    return gr_kernels_of(x)->reduce((gr_reduce)c->op->code, gr_out(c, 0)->tensor, x, r->dims, false);
}

/* dx = dy (or dy / n), expanded */
static bool spread(gr_call *c, gr_tensor *dy)
{
    const gr_reduced *r = gr_attributes(c);
    const gr_tensor *x = c->slot[0].tensor;
    if (!dy) return false;
    if (gr_is_recording_backward()) {
        gr_tensor *dx = gr_with_dims(c, dy);
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
    const gr_reduced *r = gr_attributes(c);
    const int64_t n = gr_reduced_count(c->slot[0].tensor, r->dims);
    gr_tensor *dy = gr_upstream(c);
    return dy && spread(c, gr_div_at(gr_value_tensor(dy), gr_value_real((double)n), gr_site_of(c)));
}

static const gr_op sum_op = {.name = "sum", .shape = sum_shape, .forward = gr_reduce_forward, .backward = sum_backward,
                             .attribute_bytes = sizeof(gr_reduced), .code = GR_REDUCE_SUM, .rule = "dx = dy"};
static const gr_op mean_op = {.name = "mean", .shape = mean_shape, .forward = gr_reduce_forward, .backward = mean_backward,
                              .attribute_bytes = sizeof(gr_reduced), .code = GR_REDUCE_MEAN, .rule = "dx = dy / n"};

gr_tensor *gr_reduce_run(const gr_op *op, gr_tensor *x, unsigned dims, bool keepdim, gr_site site)
{
    return gr_run1_with(op, x, &(gr_reduced){dims, keepdim}, site);
}

static gr_tensor *in_dtype(gr_tensor *t, const gr_reduce_args *a)
{
    return gr_to_at(&(gr_to_args){.x = t, .site = a->site, .dtype = a->dtype, .device = {-1, 0}});
}

gr_tensor *gr_reduce_public(const gr_op *op, const gr_reduce_args *args)
{
    unsigned dims;
    gr_reduce_args a = *args;
    if (!gr_usable(a.x, a.site, op->name, "x") || !dims_of(&a, op->name, &dims)) return NULL;
    if (gr_likely(a.dtype == GR_DTYPE_DEFAULT || (a.dtype == (gr_dtype)a.x->dtype && gr_is_float(a.dtype))))
        return gr_reduce_run(op, a.x, dims, a.keepdim, a.site);
    if (!gr_dtype_fits(a.dtype, a.site, op->name)) return NULL;
    const gr_compound whole = gr_compound_begin(op->name);
    a.x = in_dtype(a.x, &a);
    gr_tensor *y = a.x ? gr_reduce_run(op, a.x, dims, a.keepdim, a.site) : NULL;
    return gr_compound_end(&whole, y ? in_dtype(y, &a) : NULL); /* small integers were added or multiplied in int64 */
}

gr_tensor *gr_sum_over(gr_tensor *x, unsigned dims, gr_site site)
{
    return gr_reduce_run(&sum_op, x, dims, true, site);
}

gr_tensor *gr_sum_at(const gr_reduce_args *args)
{
    return gr_reduce_public(&sum_op, args);
}

gr_tensor *gr_mean_at(const gr_reduce_args *args)
{
    return gr_reduce_public(&mean_op, args);
}

/* ---- prod: dx = dy * product of the others ---- */

/* Every second place of x [outer, n, inner]. */
static gr_tensor *every_second(gr_tensor *x, int64_t first, gr_site site)
{
    return gr_slice_at(&(gr_slice_args){.x = x, .site = site, .dim = 1, .start = first, .end = INT64_MAX, .step = 2});
}

static gr_tensor *filled(const gr_tensor *like, double number, int64_t n, gr_site site)
{
    const gr_make_args made = {.shape = {3, {like->axis[0].size, n, like->axis[2].size}}, .site = site,
                               .dtype = (gr_dtype)like->dtype, .device = gr_place_device(like->device)};
    return gr_full_at(gr_value_real(number), &made);
}

/* Of x [outer, n, inner] for each place along n the product of all others. Ops make it, so that it has gradients, too, and
 * without a division, which zeros would spoil: with a and b the neighbours in x, and o the others' products of a * b, those
 * of a are o * b, those of b o * a. An odd x gets a 1 at its end. */
static gr_tensor *others_product(gr_tensor *x, gr_site site)
{
    const int64_t n = x->axis[1].size, whole = n + n % 2;
    if (n == 1) return filled(x, 1, 1, site);
    gr_tensor *even = x;
    if (n % 2) {
        even = filled(x, 1, whole, site);
        gr_tensor *start = even ? gr_narrow_at(even, 1, 0, n, site) : NULL;
        if (!start || !gr_copy__at(start, x, site)) return NULL;
    }
    gr_tensor *a = every_second(even, 0, site), *b = a ? every_second(even, 1, site) : NULL;
    gr_tensor *product = b ? gr_mul_at(gr_value_tensor(a), gr_value_tensor(b), site) : NULL;
    gr_tensor *others = product ? others_product(product, site) : NULL, *y = others ? filled(x, 0, whole, site) : NULL;
    for (int k = 0; k < 2 && y; k++) {
        gr_tensor *of = gr_mul_at(gr_value_tensor(others), gr_value_tensor(k ? a : b), site), *to = of ? every_second(y, k, site) : NULL;
        if (!to || !gr_copy__at(to, of, site)) return NULL;
    }
    return y && n % 2 ? gr_narrow_at(y, 1, 0, n, site) : y;
}

/* The products of bfloat16 are float32's, rounded once. */
static bool prod_backward(gr_call *c)
{
    const gr_reduced *r = gr_attributes(c);
    gr_tensor *x = c->slot[0].tensor, *dy = gr_with_dims(c, gr_upstream(c));
    const gr_dtype dtype = (gr_dtype)x->dtype, wide = dtype == GR_BFLOAT16 ? GR_FLOAT32 : dtype;
    const gr_site site = gr_site_of(c);
    if (!dy) return false;
    if (x->numel == 0) return gr_grad_add(c, 0, gr_zeros_like_at(&(gr_like_args){.x = x, .site = site, .dtype = GR_DTYPE_DEFAULT, .device = {-1, 0}}));
    gr_shape rows = {3, {1, 1, 1}}; /* outer, n, inner */
    for (int d = 0, at = 0; d < x->dim; d++) {
        const bool reduced = r->dims >> d & 1;
        at = reduced ? 1 : at == 1 ? 2 : at;
        rows.size[at] *= x->axis[d].size;
    }
    gr_tensor *flat = gr_reshape_at(x, rows, site);
    if (flat && wide != dtype) flat = gr_to_at(&(gr_to_args){.x = flat, .site = site, .dtype = wide, .device = {-1, 0}});
    gr_tensor *others = flat ? others_product(flat, site) : NULL;
    others = others ? gr_reshape_at(others, gr_sizes_of(x), site) : NULL;
    if (others && wide != dtype) others = gr_to_at(&(gr_to_args){.x = others, .site = site, .dtype = dtype, .device = {-1, 0}});
    return others && gr_grad_add(c, 0, gr_mul_at(gr_value_tensor(dy), gr_value_tensor(others), site));
}

static bool prod_shape(gr_call *c)
{
    const gr_reduced *r = gr_attributes(c);
    if (r->dims != gr_all_dims(c->slot[0].tensor) && r->dims & (r->dims - 1))
        return gr_call_fail(c, ".dims names several dimensions; must be one, or all");
    return sum_shape(c);
}

static const gr_op prod_op = {.name = "prod", .shape = prod_shape, .forward = gr_reduce_forward, .backward = prod_backward,
                              .attribute_bytes = sizeof(gr_reduced), .reads_inputs = 1, .code = GR_REDUCE_PROD,
                              .rule = "dx = dy * product of the others"};

gr_tensor *gr_prod_at(const gr_reduce_args *args)
{
    return gr_reduce_public(&prod_op, args);
}
