/* function.h - the differentiable functions that are no rows of elementwise.def. */
#ifndef GR_FUNCTION_H
#define GR_FUNCTION_H
#include "core/base.h"
#include "elementwise_api.h"

GR_BEGIN_C

/* ---- reductions ---- */

/* .dim = one dimension, .dims = several; neither means all. Negative dimensions count from the end. */
#define GR_ALL INT32_MAX
typedef struct gr_reduce_args {
    gr_tensor *x;
    gr_site site;
    int dim GR_DEFAULT(GR_ALL);
    gr_shape dims;
    bool keepdim GR_DEFAULT(false); /* the reduced dimensions stay, with size 1 */
    gr_dtype dtype GR_DEFAULT(GR_DTYPE_DEFAULT); /* that of the result; x is converted to it first */
} gr_reduce_args;
/* All fail when .dim and .dims are both given, one is out of range or stands twice.
 * Sum; of a float in its dtype, of integers and bools in int64 unless .dtype is given. Of nothing: 0. dx = dy. */
GR_API gr_tensor *gr_sum_at(const gr_reduce_args *args);
/* Sum / n, of floats only, in their dtype. Of nothing: NaN. dx = dy / n. */
GR_API gr_tensor *gr_mean_at(const gr_reduce_args *args);
/* Product; its dtype is that of a sum. Of nothing: 1. dx = dy * product of the others, with zeros too. One dim or all. */
GR_API gr_tensor *gr_prod_at(const gr_reduce_args *args);
/* Largest and smallest, of any dtype, in that dtype; NaN wins. Ties share the gradient evenly. Fails where a result would
 * be made of no element. */
GR_API gr_tensor *gr_amax_at(const gr_reduce_args *args);
GR_API gr_tensor *gr_amin_at(const gr_reduce_args *args);
/* The same over all elements, 0-d; NaNs count as ties. */
GR_API gr_tensor *gr_max_at(gr_tensor *x, gr_site site);
GR_API gr_tensor *gr_min_at(gr_tensor *x, gr_site site);

/* int64 index of the first extremum, NaN wins; without .dim into the flattened tensor. Fails on bools, and where there is no
 * element to point to. No gradient. */
typedef struct gr_arg_args {
    gr_tensor *x;
    gr_site site;
    int dim GR_DEFAULT(GR_ALL);
    bool keepdim GR_DEFAULT(false);
} gr_arg_args;
GR_API gr_tensor *gr_argmax_at(const gr_arg_args *args);
GR_API gr_tensor *gr_argmin_at(const gr_arg_args *args);

/* Along one dimension: the extremum, in x's dtype, and its first index, int64, which gets the whole gradient. Fails without
 * a dim, and where that has no element: both are NULL then. */
typedef struct {
    gr_tensor *values, *indices;
} gr_values_indices;
GR_API gr_values_indices gr_max_dim_at(const gr_arg_args *args);
GR_API gr_values_indices gr_min_dim_at(const gr_arg_args *args);

/* ---- elementwise ---- */

/* condition ? a : b, elementwise; the three broadcast.
 *   condition  bool
 *   a, b       tensors of one dtype, on condition's device, or numbers
 *   returns    their dtype; a real number beside integers makes it the default float, integers alone int64
 * Fails for other dtypes, shapes that do not broadcast, and a number that the integer dtype does not hold.
 * da = dy where condition, db = dy elsewhere. */
GR_API gr_tensor *gr_where_at(gr_tensor *condition, gr_value a, gr_value b, gr_site site);
/* min(max(x, lo), hi). Bounds are numbers, tensors of x's dtype that broadcast with it, or GR_ABSENT, but not both that.
 * Number bounds: the slope is 0 at a bound; tensor bounds: a tie shares the gradient. lo above hi gives hi. A real bound
 * makes integers the default float; an integer one that x's dtype does not hold fails where it would matter. */
GR_API gr_tensor *gr_clamp_at(gr_tensor *x, gr_value lo, gr_value hi, gr_site site);
/* x * P(N(0,1) <= x), by erfc (GR_GELU_ERF) or in its tanh form (GR_GELU_TANH), in x's float dtype; of integers in the
 * default float.  Hendrycks, Gimpel 2016. */
typedef enum { GR_GELU_ERF, GR_GELU_TANH } gr_gelu_form;
typedef struct gr_gelu_args {
    gr_tensor *x;
    gr_site site;
    gr_gelu_form approximate GR_DEFAULT(GR_GELU_ERF);
} gr_gelu_args;
GR_API gr_tensor *gr_gelu_at(const gr_gelu_args *args);

/* ---- products, indices ---- */

/* Matrix product.
 *   a        [..., rows, inner], or [inner] for a row
 *   b        [..., inner, columns], or [inner] for a column; of a's dtype, not bool
 *   returns  [..., rows, columns], without what a 1-d operand lacks; batch dimensions broadcast
 * Fails for 0-d operands and where the inner or the batch dimensions do not meet.  da = dy b', db = a' dy. */
GR_API gr_tensor *gr_matmul_at(gr_tensor *a, gr_tensor *b, gr_site site);
/* x's slices along dim at index.
 *   x        any dtype, 1-d or more
 *   index    [n] int64, 0 <= index < x's size along dim, on x's device
 *   returns  x's shape, with size n along dim
 * An index out of range fails on the CPU; on another device the next call that waits reports it. dx = dy added up at index. */
GR_API gr_tensor *gr_index_select_at(gr_tensor *x, int dim, gr_tensor *index, gr_site site);

/* ---- in place ---- */

/* x changed, and returned. As all changes in place they fail on an expanded x, on a leaf that requires grad while calls
 * are recorded, and where history would be cut: design.md, "The tape".
 * x = value everywhere. Fails when x's dtype does not hold value, as gr_full. */
GR_API gr_tensor *gr_fill__at(gr_tensor *x, gr_value value, gr_site site);
GR_API gr_tensor *gr_zero__at(gr_tensor *x, gr_site site);
/* x = source, broadcast, converted and brought to x's device. dsource = dy. Fails when source does not broadcast to x. */
GR_API gr_tensor *gr_copy__at(gr_tensor *x, gr_tensor *source, gr_site site);

GR_END_C

#ifndef __cplusplus
#define GR_REDUCE(f, ...) \
    GR_CALL(f, gr_reduce_args, .dim = GR_ALL, .dtype = GR_DTYPE_DEFAULT, .site = GR_HERE, .x = __VA_ARGS__)
#define gr_sum(...) GR_REDUCE(gr_sum_at, __VA_ARGS__)
#define gr_mean(...) GR_REDUCE(gr_mean_at, __VA_ARGS__)
#define gr_prod(...) GR_REDUCE(gr_prod_at, __VA_ARGS__)
#define gr_amax(...) GR_REDUCE(gr_amax_at, __VA_ARGS__)
#define gr_amin(...) GR_REDUCE(gr_amin_at, __VA_ARGS__)
#define gr_max(x) gr_max_at(x, GR_HERE)
#define gr_min(x) gr_min_at(x, GR_HERE)
#define gr_argmax(...) GR_CALL(gr_argmax_at, gr_arg_args, .dim = GR_ALL, .site = GR_HERE, .x = __VA_ARGS__)
#define gr_argmin(...) GR_CALL(gr_argmin_at, gr_arg_args, .dim = GR_ALL, .site = GR_HERE, .x = __VA_ARGS__)
#define gr_max_dim(of, ...) GR_CALL(gr_max_dim_at, gr_arg_args, .site = GR_HERE, .x = of, .dim = __VA_ARGS__)
#define gr_min_dim(of, ...) GR_CALL(gr_min_dim_at, gr_arg_args, .site = GR_HERE, .x = of, .dim = __VA_ARGS__)
#define gr_where(condition, a, b) gr_where_at(condition, GR_VALUE(a), GR_VALUE(b), GR_HERE)
#define gr_clamp(x, lo, hi) gr_clamp_at(x, GR_VALUE(lo), GR_VALUE(hi), GR_HERE)
#define gr_gelu(...) GR_CALL(gr_gelu_at, gr_gelu_args, .approximate = GR_GELU_ERF, .site = GR_HERE, .x = __VA_ARGS__)
#define gr_matmul(a, b) gr_matmul_at(a, b, GR_HERE)
#define gr_index_select(x, dim, index) gr_index_select_at(x, dim, index, GR_HERE)
#define gr_fill_(x, value) gr_fill__at(x, GR_VALUE(value), GR_HERE)
#define gr_zero_(x) gr_zero__at(x, GR_HERE)
#define gr_copy_(x, source) gr_copy__at(x, source, GR_HERE)
#endif
#endif
