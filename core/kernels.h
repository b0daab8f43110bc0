/* kernels.h - all that a device computes: one typed table per device and dtype.
 *
 * Operands are tensors with any strides; results are allocated, of the right shape, and on the same device. Shapes,
 * dtypes and ranges were checked by the caller. A kernel returns false only when it has no memory for a temporary (or a
 * device failed), after reporting it. "add" means: add into the result instead of writing it; such a result is row-major.
 * The tests hold that no member is missing. */
#ifndef GR_KERNELS_H
#define GR_KERNELS_H
#include "core/base.h"

/* One code per row of elementwise.def. */
enum gr_elementwise {
#define UNARY(name, params, types, value, back, lo, hi, edges) GR_E_##name,
#define PREDICATE(name, params, types, value, lo, hi, edges) GR_E_##name,
#define BINARY(name, params, types, value, back_a, back_b, lo, hi, edges) GR_E_##name,
#define COMPARE(name, params, types, value, lo, hi, edges) GR_E_##name,
#define TERNARY(name, params, types, value, back_a, back_b, back_c, lo, hi, edges) GR_E_##name,
#include "core/elementwise.def"
#undef UNARY
#undef PREDICATE
#undef BINARY
#undef COMPARE
#undef TERNARY
    GR_ELEMENTWISE_COUNT
};

/* One code per row of update.def. */
enum gr_update {
#define UPDATE(name, numbers, states, rule) GR_U_##name,
#include "core/update.def"
#undef UPDATE
    GR_UPDATE_COUNT
};
enum { GR_UPDATE_STATES = 4 };

typedef enum { GR_REDUCE_SUM, GR_REDUCE_MEAN, GR_REDUCE_PROD, GR_REDUCE_MAX, GR_REDUCE_MIN, GR_REDUCES } gr_reduce;

/* Operands of an elementwise call: up to three tensors or numbers, and the row's own parameters. */
typedef struct {
    gr_value in[3];
    const double *param;
    gr_dtype dtype; /* that is computed in; operands of another dtype are converted */
} gr_operands;

/* A row on n elements that lie side by side. Bit i of steps: operand i advances, else it is one value; GR_BY_NUMBER:
 * operand 1 is not even a tensor, which pow asks for. */
enum { GR_BY_NUMBER = 16 };
typedef void gr_flat_forward(void *y, const void *const *in, unsigned steps, int64_t n, const double *param);
typedef void gr_flat_back(void *dx, bool add, const void *dy, const void *const *in, unsigned steps, const void *y, int64_t n,
                          const double *param);

/* A parameter that an optimizer changes: p and the states in place, all of n elements side by side. A state that the rule
 * does without for its numbers is NULL. first: the states were made for this step. */
typedef struct {
    void *p;
    const void *g;
    void *state[GR_UPDATE_STATES];
    int64_t n;
    bool first;
} gr_update_item;

typedef struct gr_kernels {
    /* The shortest way for small calls, by row, and by row and operand; NULL where the device has none. */
    gr_flat_forward *const *flat_forward;
    gr_flat_back *const (*flat_back)[3];

    /* y = value everywhere */
    void (*fill)(gr_tensor *y, gr_value value);
    /* y = x, broadcast to y's shape and converted to y's dtype; either may have any strides */
    void (*copy)(gr_tensor *y, const gr_tensor *x);
    /* y += x, the shapes and dtypes equal */
    void (*accumulate)(gr_tensor *y, const gr_tensor *x);

    /* y = row(operands), broadcast to y's shape; y may be one of the operands; a power to a number is gr_pow_number's,
     * and so are the slopes */
    void (*elementwise)(int code, gr_tensor *y, const gr_operands *o);
    /* dx = what row `code` hands back to operand i; every operand broadcasts to dy's shape, which is dx's too.
     * y: the row's result, or NULL when the row does not read it */
    void (*elementwise_back)(int code, int i, gr_tensor *dx, bool add, const gr_tensor *dy, const gr_operands *o,
                             const gr_tensor *y);
    /* y = condition ? a : b, all broadcast to y's shape; condition is a bool tensor */
    void (*where)(gr_tensor *y, const gr_tensor *condition, gr_value a, gr_value b);

    /* y = the reduction of x over the dims in `dims` (bit d: dimension d); y is row-major, with or without those dims.
     * Sums: in the order that docs/design.md fixes. For bool and integers sums and products are int64. */
    bool (*reduce)(gr_reduce kind, gr_tensor *y, const gr_tensor *x, unsigned dims, bool add);
    /* values and first index of the largest (or smallest) element along dim, NaN wins; either result may be NULL.
     * dim < 0: over all elements, the index is the flat one. */
    bool (*arg_reduce)(bool largest, gr_tensor *values, gr_tensor *indices, const gr_tensor *x, int dim);
    /* dx[i] = the share of dy in x[i] where x equals y (y, dy broadcast over the reduced dims): dy / number of equals */
    bool (*extremum_back)(gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *y,
                          unsigned dims);

    /* y[..., m, n] = a[..., m, k] b[..., k, n], batch dims of a and b broadcast to y's; y row-major */
    bool (*matmul)(gr_tensor *y, const gr_tensor *a, const gr_tensor *b, bool add);
    /* y[rows, out] = x[rows, in] w[out, in]' + bias[out]; bias may be NULL */
    bool (*linear)(gr_tensor *y, const gr_tensor *x, const gr_tensor *w, const gr_tensor *bias);

    /* y[] = sum or mean of (x - t)^2, in the order of a sum over x's elements */
    bool (*mse)(gr_tensor *y, const gr_tensor *x, const gr_tensor *t, bool mean);
    /* dx = sign * scale * (x - t) * dy, scale = 2 or 2/n, PyTorch's rounding: (scale * dy) first */
    void (*mse_back)(gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *t, bool mean,
                     bool negative);

    /* y = x's slices along dim at index[]; index is int64, checked, 1-d */
    void (*index_select)(gr_tensor *y, const gr_tensor *x, int dim, const gr_tensor *index);
    /* x's slices along dim at index[] += y's, in the order of index */
    void (*index_add)(gr_tensor *x, int dim, const gr_tensor *index, const gr_tensor *y);

    /* one step of a rule on every item of the list, all of them on `device`; number: the rule's numbers, there too */
    void (*update)(int code, int device, const gr_update_item *item, int64_t count, const double *number);
} gr_kernels;

/* A device: memory, and a table of kernels for each dtype (NULL where there is none). What is called with a tensor finds
 * the device in it, else it is told: its place in gr_devices. */
typedef struct gr_device_table {
    const char *name;
    void *(*allocate)(int device, size_t bytes); /* NULL, unreported, without memory */
    void (*release)(int device, void *memory);
    /* From host memory, which may change afterwards; to host memory, where the bytes have arrived on return. False after
     * reporting a failure of the device. */
    bool (*upload)(int device, void *to, const void *from, size_t bytes);
    bool (*download)(int device, void *to, const void *from, size_t bytes);
    /* Waits until all that this thread asked for is done. */
    bool (*synchronise)(int device);
    const gr_kernels *kernels[GR_DTYPES];
} gr_device_table;

#endif
