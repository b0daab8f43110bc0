/* view.h - tensors that show another's memory: no element is copied, and gradients flow through. */
#ifndef GR_VIEW_H
#define GR_VIEW_H
#include "core/base.h"

GR_BEGIN_C

/* All take tensors of any dtype, and give that dtype, but gr_to. A dim may be negative: -1 is the last. A dim out of range
 * fails. dx = dy, put back where it came from. */

/* The same elements, row-major, in another shape; one size may be -1 and follows from the others. A view where the
 * strides allow it, else a copy. Fails when the number of elements differs. */
GR_API gr_tensor *gr_reshape_at(gr_tensor *x, gr_shape shape, gr_site site);
/* As reshape, but fails where a copy would be needed. */
GR_API gr_tensor *gr_view_at(gr_tensor *x, gr_shape shape, gr_site site);
/* Two dimensions exchanged. */
GR_API gr_tensor *gr_transpose_at(gr_tensor *x, int first, int second, gr_site site);
/* Dimensions in the given order, which must name each once. */
GR_API gr_tensor *gr_permute_at(gr_tensor *x, gr_shape order, gr_site site);
/* A matrix transposed; a vector or number as it is. Fails beyond 2-d. */
GR_API gr_tensor *gr_t_at(gr_tensor *x, gr_site site);
/* Size-1 dimensions repeated without copying (stride 0); -1 keeps a size; new dimensions come first. Fails where another
 * size would change, and from 2^60 elements on. dx = dy summed over the repeats. */
GR_API gr_tensor *gr_expand_at(gr_tensor *x, gr_shape shape, gr_site site);
/* length slices along dim from start on; start may be negative. Fails where they do not lie within the dimension, and of
 * 0-d. */
GR_API gr_tensor *gr_narrow_at(gr_tensor *x, int dim, int64_t start, int64_t length, gr_site site);
/* One slice along dim, which disappears; index -n to n - 1. Fails beyond, and of 0-d. */
GR_API gr_tensor *gr_select_at(gr_tensor *x, int dim, int64_t index, gr_site site);

/* Slices start, start + step, ... below end along dim, clamped as Python does. Fails for a step below 1, and of 0-d. */
typedef struct gr_slice_args {
    gr_tensor *x;
    gr_site site;
    int dim GR_DEFAULT(0);
    int64_t start GR_DEFAULT(0), end GR_DEFAULT(INT64_MAX), step GR_DEFAULT(1);
} gr_slice_args;
GR_API gr_tensor *gr_slice_at(const gr_slice_args *args);

/* Without the dimensions of size 1: all of them, or .dim alone, which stays where it has another size. */
typedef struct gr_squeeze_args {
    gr_tensor *x;
    gr_site site;
    int dim GR_DEFAULT(INT32_MAX);
} gr_squeeze_args;
GR_API gr_tensor *gr_squeeze_at(const gr_squeeze_args *args);
/* A new dimension of size 1 at dim, -(n + 1) to n. Fails where x has 8. */
GR_API gr_tensor *gr_unsqueeze_at(gr_tensor *x, int dim, gr_site site);

/* Dimensions start_dim to end_dim become one; of 0-d, [1]. A copy where strides ask for it. Fails when start_dim comes after
 * end_dim. */
typedef struct gr_flatten_args {
    gr_tensor *x;
    gr_site site;
    int start_dim GR_DEFAULT(0), end_dim GR_DEFAULT(-1);
} gr_flatten_args;
GR_API gr_tensor *gr_flatten_at(const gr_flatten_args *args);

/* x itself if it is row-major, else a row-major copy. */
GR_API gr_tensor *gr_contiguous_at(gr_tensor *x, gr_site site);
/* A row-major copy. */
GR_API gr_tensor *gr_clone_at(gr_tensor *x, gr_site site);
/* x's memory without its history, requiring no grad; changes in place are seen by both, and by the version check. */
GR_API gr_tensor *gr_detach_at(gr_tensor *x, gr_site site);

/* x in another dtype or on another device; x itself where nothing changes. Between floats the gradient comes back
 * in x's dtype, on x's device. Fails for a device that is not there. */
typedef struct gr_to_args {
    gr_tensor *x;
    gr_site site;
    gr_dtype dtype GR_DEFAULT(GR_DTYPE_DEFAULT);     /* default: x's */
    gr_device device GR_DEFAULT((gr_device{-1, 0})); /* default: x's */
} gr_to_args;
GR_API gr_tensor *gr_to_at(const gr_to_args *args);

GR_END_C

#ifndef __cplusplus
#define gr_reshape(...) GR_CALL_SHAPE(gr_reshape_at, __VA_ARGS__, )
#define gr_view(...) GR_CALL_SHAPE(gr_view_at, __VA_ARGS__, )
#define gr_transpose(x, first, second) gr_transpose_at(x, first, second, GR_HERE)
#define gr_permute(...) GR_CALL_SHAPE(gr_permute_at, __VA_ARGS__, )
#define gr_t(x) gr_t_at(x, GR_HERE)
#define gr_expand(...) GR_CALL_SHAPE(gr_expand_at, __VA_ARGS__, )
#define gr_narrow(x, dim, start, length) gr_narrow_at(x, dim, start, length, GR_HERE)
#define gr_select(x, dim, index) gr_select_at(x, dim, index, GR_HERE)
#define gr_slice(...) \
    GR_CALL(gr_slice_at, gr_slice_args, .end = INT64_MAX, .step = 1, .site = GR_HERE, .x = __VA_ARGS__)
#define gr_squeeze(...) GR_CALL(gr_squeeze_at, gr_squeeze_args, .dim = INT32_MAX, .site = GR_HERE, .x = __VA_ARGS__)
#define gr_unsqueeze(x, dim) gr_unsqueeze_at(x, dim, GR_HERE)
#define gr_flatten(...) GR_CALL(gr_flatten_at, gr_flatten_args, .end_dim = -1, .site = GR_HERE, .x = __VA_ARGS__)
#define gr_contiguous(x) gr_contiguous_at(x, GR_HERE)
#define gr_clone(x) gr_clone_at(x, GR_HERE)
#define gr_detach(x) gr_detach_at(x, GR_HERE)
#define gr_to(...) \
    GR_CALL(gr_to_at, gr_to_args, .dtype = GR_DTYPE_DEFAULT, .device = {-1, 0}, .site = GR_HERE, .x = __VA_ARGS__)
#endif
#endif
