/* matmul.h - a matmul of cuBLASLt with all that it needs to run, and what cublaslt.cpp and matmul.cpp share. */
#ifndef GR_EMULATOR_MATMUL_H
#define GR_EMULATOR_MATMUL_H
#include "cublaslt.h"

namespace emulator {

struct matrix {
    cudaDataType type;
    int32_t order; /* cublasLtOrder_t */
    uint64_t rows, cols;
    int64_t ld;
    int32_t batch;
    int64_t batch_stride; /* elements */
    void *data;
};
struct matmul_problem {
    int32_t compute, scale_type, pointer_mode;
    int32_t transposed[3]; /* cublasOperation_t of a, b, c */
    uint32_t epilogue;
    const void *bias;
    int32_t bias_type; /* -1: d's */
    int64_t bias_stride;
    matrix a, b, c, d;
    uint64_t m, n, k;
    const void *alpha, *beta; /* on the device, or NULL: the numbers below */
    double alpha_number, beta_number;
};

inline size_t type_bytes(int type)
{
    return type == CUDA_R_64F ? 8 : type == CUDA_R_16BF ? 2 : 4;
}
double load_number(const void *p, int type);
/* Bytes from the first element to behind the last, over all batches; SIZE_MAX: more than any memory has. No stride is negative. */
size_t matrix_extent(const matrix &m);
void compute_matmul(const matmul_problem &p);

/* Sizes, types, layouts, epilogue; no address is looked at. */
cublasStatus_t check_problem(const matmul_problem &p);
/* Every operand whole in live memory of the device; alignment: in bytes, of a, b, c, d, or NULL. */
cublasStatus_t check_addresses(const matmul_problem &p, int device, const uint64_t *alignment);
cublasStatus_t check_operand(const char *name, int device, const void *p, size_t bytes, size_t alignment);

} // namespace emulator

#endif
