/* gemm_loops.h - what gemm.c takes from gemm_loops.c, compiled once per instruction set. */
#ifndef GR_GEMM_LOOPS_H
#define GR_GEMM_LOOPS_H
#include "core/cpu/gemm.h"

/* Blocks of the large product. A slab of b, BLOCK_K rows of at most SLAB columns, is packed into
 * panels; then tiles of BLOCK_M x BLOCK_N results are independent. */
enum {
    GR_GEMM_BLOCK_M = 48,
    GR_GEMM_BLOCK_N = 256,
    GR_GEMM_BLOCK_K_BYTES = 1024,
    GR_GEMM_SLAB = 1024
};

typedef struct {
    /* every element a strictly sequential sum of rounded products */
    void (*small)(const gr_product *);
    /* columns of a panel: BLOCK_N is a multiple */
    int64_t panel;
    /* k <= BLOCK_K rows and n <= SLAB columns into panels of [k, panel], the last one filled up
     * with zeros */
    void (*pack)(int64_t k, int64_t n, gr_matrix b, void *panels);
    /* m <= BLOCK_M, k <= BLOCK_K; b.data is packed, its strides are not read */
    void (*block)(const gr_product *);
} gr_gemm_loops;

extern const gr_gemm_loops gr_gemm_loops_f32_base, gr_gemm_loops_f64_base;
extern const gr_gemm_loops gr_gemm_loops_f32_avx2, gr_gemm_loops_f64_avx2;
extern const gr_gemm_loops gr_gemm_loops_f32_avx512, gr_gemm_loops_f64_avx512;
#endif
