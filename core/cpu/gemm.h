/* gemm.h - matrix products of float and double. */
#ifndef GR_GEMM_H
#define GR_GEMM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Strides in elements, any values; a transposed matrix has them exchanged. */
typedef struct {
    const void *data;
    int64_t row, column;
} gr_matrix;

/* c = a b or, with `accumulate`, c += a b. */
typedef struct {
    int64_t m, n, k;
    gr_matrix a, b; /* [m, k], [k, n] */
    void *c;        /* [m, n], rows of ldc >= n elements, apart from a and b in memory */
    int64_t ldc;
    bool accumulate;
} gr_product;

/* The most multiplications of a small product, and the longest sum in one. */
enum { GR_GEMM_SMALL = 8192, GR_GEMM_SMALL_SUM = 4096 };

/* k = 0: c = 0, or c stays. false: no memory for a temporary; c is then undefined. Does not report
 * it.
 *
 * Small products, and all with k = 1, add round(a b) from k = 0 up, without fma: the same bits
 * everywhere, and PyTorch's for linear regression. The others go to the BLAS, or to loops of our
 * own where there is none, in tiles that depend on m, n, k only: the same bits for every number of
 * threads. Small products add the finished sum to c once. */
bool gr_multiply_f32(const gr_product *x);
bool gr_multiply_f64(const gr_product *x);
/* Bytes of the temporary that a product of doubles (`wide`) or of floats may need. */
size_t gr_multiply_bytes(bool wide, const gr_product *x);

/* The same with arguments; inline, so that a call writes its product where it is read. */
static inline bool gr_gemm_f32(int64_t m, int64_t n, int64_t k, gr_matrix a, gr_matrix b, float *c,
                               int64_t ldc, bool accumulate)
{
    const gr_product x = {m, n, k, a, b, c, ldc, accumulate};
    return gr_multiply_f32(&x);
}
static inline bool gr_gemm_f64(int64_t m, int64_t n, int64_t k, gr_matrix a, gr_matrix b, double *c,
                               int64_t ldc, bool accumulate)
{
    const gr_product x = {m, n, k, a, b, c, ldc, accumulate};
    return gr_multiply_f64(&x);
}
#endif
