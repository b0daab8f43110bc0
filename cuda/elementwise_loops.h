/* elementwise_loops.h - the rows of elementwise.def as kernels; elementwise_loops.cu is compiled once per dtype. */
#ifndef GR_CUDA_ELEMENTWISE_LOOPS_H
#define GR_CUDA_ELEMENTWISE_LOOPS_H
#include "cuda/strides.h"

enum { GR_DY = 3, GR_Y = 4, GR_SOURCES = 5 }; /* sources 0 to 2 are the operands */

/* What a kernel of a row reads. A source without an address is a number, or is not read. */
struct gr_sources {
    const void *in[GR_SOURCES];
    gr_value number[3]; /* of the operands without an address */
    double param[2];
    unsigned single;    /* bit k: source k is one element */
};

/* Where the result goes. */
struct gr_target {
    void *to;
    bool add;        /* to what is there */
    const int *stop; /* not NULL: nothing is done when *stop is not 0 */
};

/* All lie side by side and begin at multiples of 16 bytes, or are one element. */
typedef void gr_flat_launch(cudaStream_t stream, const gr_target &target, const gr_sources &s, int64_t n);
/* Any strides: those of the result come last. */
typedef void gr_strided_launch(cudaStream_t stream, const gr_target &target, const gr_sources &s,
                               const gr_strides<GR_SOURCES + 1> &at, int64_t n);

struct gr_row_launch {
    gr_flat_launch *flat;
    gr_strided_launch *strided; /* NULL: the row does not take this dtype */
};

struct gr_rows {
    gr_row_launch forward[GR_ELEMENTWISE_COUNT];
    gr_row_launch back[GR_ELEMENTWISE_COUNT][3];
};
extern const gr_rows gr_rows_f32, gr_rows_f64, gr_rows_bf16, gr_rows_i64, gr_rows_i32, gr_rows_u8, gr_rows_b8;

#endif
