/* gemm.h - one matrix product, or a batch of equal ones; what gemm.cu computes for linalg.cu. */
#ifndef GR_CUDA_GEMM_H
#define GR_CUDA_GEMM_H
#include "cuda/device.h"

/* Strides in elements: from row to row, column to column, matrix to matrix. */
struct gr_operand {
    const char *data;
    int64_t row, column, batch;
};

struct gr_product {
    int device, dtype;
    int64_t m, n, k, batch; /* y[m, n] = a[m, k] b[k, n], so many times */
    gr_operand a, b, y;     /* y's columns are side by side */
    const char *bias;       /* [n] or NULL */
    bool add;
};

/* A [rows, columns] matrix to cuBLASLt: `turned` when it lies column by column; `step` from one row, or column, to the next. */
struct gr_aspect {
    int64_t step;
    bool turned;
};

/* False when neither its rows nor its columns are side by side. */
bool gr_looks(gr_aspect *as, const gr_operand &x, int64_t rows, int64_t columns);
/* Of floats; each operand must look like something. */
bool gr_multiply_real(gr_stream *at, const gr_product &x);

#endif
