/* gemm_loops.c - the loops of the matrix product, compiled once per instruction set with
 * -DGR_ISA=base|avx2|avx512. */
#include "core/cpu/gemm_loops.h"

#include <string.h>

/* Rows of a tile of results that stays in registers; its columns are two vectors. */
#if defined(__AVX512F__)
enum { VECTOR_BYTES = 64, TILE_M = 12 };
#elif defined(__AVX2__)
enum { VECTOR_BYTES = 32, TILE_M = 6 };
#else
enum { VECTOR_BYTES = 16, TILE_M = 4 };
#endif

/* A function in which a * b + c may become an fma. Used where no order of a sum is promised. */
#if defined(__clang__)
#define FUSED
#define FUSE _Pragma("clang fp contract(fast)")
#else
#define FUSED __attribute__((optimize("fp-contract=fast")))
#define FUSE
#endif

#define PASTE3(a, b, c) a##b##_##c
#define PASTED(a, b, c) PASTE3(a, b, c)
#define TABLE(type) PASTED(gr_gemm_loops_, type, GR_ISA)

#define real float
#define R(name) name##_f32
#include "core/cpu/gemm_body.h"
const gr_gemm_loops TABLE(f32) = {small_f32, 2 * LANES_f32, pack_f32, block_f32};
#undef real
#undef R

#define real double
#define R(name) name##_f64
#include "core/cpu/gemm_body.h"
const gr_gemm_loops TABLE(f64) = {small_f64, 2 * LANES_f64, pack_f64, block_f64};
