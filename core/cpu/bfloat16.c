/* bfloat16.c - the kernels of bfloat16. All are computed in float32 and rounded once: rows, sums and indices tile by tile
 * in their own files, products and losses here, on operands that are widened as a whole. */
#include <string.h>

#include "core/cpu/cpu.h"

/* A float32 tensor of x's sizes, elements undefined; NULL after reporting. Of x only its data and axes are read: operands
 * of products have no more. */
static gr_tensor *wide_like(const gr_tensor *x, const char *op)
{
    int64_t size[GR_MAX_DIMS], bytes = sizeof(float);
    for (int d = 0; d < x->dim; d++) bytes = gr_times(bytes, size[d] = x->axis[d].size);
    gr_tensor *wide = gr_tensor_sized(gr_self(), GR_FLOAT32, 0, x->dim, size);
    return wide ? wide : gr_fail_memory((gr_site){NULL, 0}, op, "an operand in float32", (size_t)bytes);
}

static gr_tensor *widened(const gr_tensor *x, const char *op)
{
    gr_tensor *wide = wide_like(x, op);
    if (!wide) return NULL;
    gr_tensor from = {.data = x->data, .dtype = GR_BFLOAT16, .dim = x->dim};
    memcpy(from.axis, x->axis, x->dim * sizeof *x->axis);
    gr_cpu_copy(wide, &from);
    return wide;
}

static void discard(gr_tensor *wide)
{
    if (wide) gr_tensor_discard(gr_self(), wide);
}

static void elementwise(int code, gr_tensor *y, const gr_operands *o)
{
    if (y->numel) gr_cpu_elementwise_any(code, y, o, 0);
}

static void elementwise_back(int code, int i, gr_tensor *dx, bool add, const gr_tensor *dy, const gr_operands *o,
                             const gr_tensor *y)
{
    if (dx->numel) gr_cpu_elementwise_back_any(code, i, dx, add, dy, o, y, 0);
}

static void accumulate(gr_tensor *y, const gr_tensor *x)
{
    elementwise(GR_E_add, y, &(gr_operands){{gr_value_tensor(y), gr_value_tensor(x)}, NULL, GR_BFLOAT16});
}

/* y = wide, or += it, which is rounded first as another op's result would be. The end of wide. */
static bool put(gr_tensor *y, gr_tensor *wide, bool add, bool ok)
{
    if (ok && add) accumulate(y, wide);
    if (ok && !add) gr_cpu_copy(y, wide);
    discard(wide);
    return ok;
}

/* ---- reductions ---- */

static bool reduce(gr_reduce kind, gr_tensor *y, const gr_tensor *x, unsigned dims, bool add)
{
    gr_tensor *wide = wide_like(y, "reduce");
    return wide && put(y, wide, add, gr_cpu_reduce_any(kind, wide, x, dims, false));
}

static bool arg_reduce(bool largest, gr_tensor *values, gr_tensor *indices, const gr_tensor *x, int dim)
{
    gr_tensor *wide = values ? wide_like(values, "reduce") : NULL;
    if (values && !wide) return false;
    const bool ok = gr_cpu_arg_reduce(largest, wide, indices, x, dim);
    return wide ? put(values, wide, false, ok) : ok;
}

static bool extremum_back(gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *y, unsigned dims)
{
    gr_tensor *to = wide_like(dx, "extremum"), *of_dy = widened(dy, "extremum"), *of_x = widened(x, "extremum"), *of_y = widened(y, "extremum");
    bool ok = to && of_dy && of_x && of_y && gr_cpu_extremum_back(to, false, of_dy, of_x, of_y, dims);
    discard(of_y);
    discard(of_x);
    discard(of_dy);
    return put(dx, to, add, ok);
}

/* ---- products ---- */

static bool matmul(gr_tensor *y, const gr_tensor *a, const gr_tensor *b, bool add)
{
    gr_tensor *to = wide_like(y, "matmul"), *of_a = widened(a, "matmul"), *of_b = widened(b, "matmul");
    const bool ok = to && of_a && of_b && gr_cpu_matmul(to, of_a, of_b, false);
    discard(of_b);
    discard(of_a);
    return put(y, to, add, ok);
}

static bool linear(gr_tensor *y, const gr_tensor *x, const gr_tensor *w, const gr_tensor *bias)
{
    gr_tensor *to = wide_like(y, "linear"), *of_x = widened(x, "linear"), *of_w = widened(w, "linear"), *of_bias = bias ? widened(bias, "linear") : NULL;
    const bool ok = to && of_x && of_w && (!bias || of_bias) && gr_cpu_linear(to, of_x, of_w, of_bias);
    discard(of_bias);
    discard(of_w);
    discard(of_x);
    return put(y, to, false, ok);
}

/* ---- losses ---- */

static bool mse(gr_tensor *y, const gr_tensor *x, const gr_tensor *t, bool mean)
{
    gr_tensor *to = wide_like(y, "mse_loss"), *of_x = widened(x, "mse_loss"), *of_t = widened(t, "mse_loss");
    const bool ok = to && of_x && of_t && gr_cpu_mse(to, of_x, of_t, mean);
    discard(of_t);
    discard(of_x);
    return put(y, to, false, ok);
}

static void mse_back(gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *t, bool mean,
                     bool negative)
{
    gr_tensor *to = wide_like(dx, "mse_loss"), *of_dy = widened(dy, "mse_loss"), *of_x = widened(x, "mse_loss"), *of_t = widened(t, "mse_loss");
    const bool ok = to && of_dy && of_x && of_t;
    if (ok) gr_cpu_mse_back(to, false, of_dy, of_x, of_t, mean, negative);
    discard(of_t);
    discard(of_x);
    discard(of_dy);
    put(dx, to, add, ok);
}

const gr_kernels gr_cpu_kernels_b16 = {.fill = gr_cpu_fill,
                                       .copy = gr_cpu_copy,
                                       .accumulate = accumulate,
                                       .elementwise = elementwise,
                                       .elementwise_back = elementwise_back,
                                       .where = gr_cpu_where,
                                       .reduce = reduce,
                                       .arg_reduce = arg_reduce,
                                       .extremum_back = extremum_back,
                                       .matmul = matmul,
                                       .linear = linear,
                                       .mse = mse,
                                       .mse_back = mse_back,
                                       .index_select = gr_cpu_index_select,
                                       .index_add = gr_cpu_index_add,
                                       .update = gr_cpu_update_b16};
