/* reduce.h - what sums and extrema share: which dimensions go, and what is left. */
#ifndef GR_REDUCE_H
#define GR_REDUCE_H
#include "autograd/function.h"
#include "autograd/tape.h"

/* The attributes of a reduction. */
typedef struct {
    unsigned dims; /* bit d: dimension d is reduced */
    bool keepdim;
} gr_reduced;

static inline unsigned gr_all_dims(const gr_tensor *x)
{
    return (1u << x->dim) - 1;
}
/* In shape: output i is x without these dims, or with size 1 there; reports sizes that are too large, as those of an empty x
 * may be. */
bool gr_reduced_output(gr_call *c, int i, gr_dtype dtype, unsigned dims, bool keepdim);
/* A shape function: by the attributes, in x's dtype. */
bool gr_reduced_shape(gr_call *c);
/* How many elements each result is made of. */
int64_t gr_reduced_count(const gr_tensor *x, unsigned dims);
/* A forward function: the kernel that the op's code names. */
bool gr_reduce_forward(gr_call *c);
/* t, of the shape of the result, with the reduced dims back in place as size 1; recorded. */
gr_tensor *gr_with_dims(gr_call *c, gr_tensor *t);

gr_tensor *gr_reduce_run(const gr_op *op, gr_tensor *x, unsigned dims, bool keepdim, gr_site site);
/* The public call of an op: its dims checked, x converted first. */
gr_tensor *gr_reduce_public(const gr_op *op, const gr_reduce_args *args);
/* The sum over these dims, which stay with size 1. */
gr_tensor *gr_sum_over(gr_tensor *x, unsigned dims, gr_site site);

#endif
