/* floor.cu - see floor.h. Products as a user of cuBLASLt would ask for them: column by column, the first algorithm of the
 * heuristic, a workspace of 32 MB. */
#include "bench/gpu/floor.h"

#include <stdio.h>
#include <stdlib.h>

#include <vector>

#include "cuda/compat.h"

static void need(bool ok, const char *what, const char *text)
{
    if (ok) return;
    fprintf(stderr, "bench: floor: %s failed: %s\n", what, text);
    exit(1);
}

static void need_cuda(cudaError_t error, const char *what)
{
    need(error == cudaSuccess, what, cudaGetErrorString(error));
}
#define CUDA(call) need_cuda(call, #call)
#define BLAS(call) need_blas(call, #call)
static void need_blas(cublasStatus_t status, const char *what)
{
    need(status == CUBLAS_STATUS_SUCCESS, what, cublasLtGetStatusName(status));
}

static cudaStream_t stream()
{
    static cudaStream_t own;
    if (!own) CUDA(cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking));
    return own;
}

const char *floor_device(void)
{
    static char text[400];
    cudaDeviceProp device;
    int driver, runtime;
    CUDA(cudaGetDeviceProperties(&device, 0));
    CUDA(cudaDriverGetVersion(&driver));
    CUDA(cudaRuntimeGetVersion(&runtime));
    snprintf(text, sizeof text, "%s, compute capability %d.%d, driver for CUDA %d.%d, CUDA runtime %d.%d", device.name, device.major,
             device.minor, driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    return text;
}

/* ---- a copy ---- */

static struct {
    void *from, *to;
    size_t bytes;
} copied;

void floor_copy_begin(size_t bytes)
{
    copied.bytes = bytes;
    CUDA(cudaMalloc(&copied.from, bytes));
    CUDA(cudaMalloc(&copied.to, bytes));
    CUDA(cudaMemsetAsync(copied.from, 1, bytes, stream()));
}

void floor_copy(void *, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        CUDA(cudaMemcpyAsync(copied.to, copied.from, copied.bytes, cudaMemcpyDeviceToDevice, stream()));
    CUDA(cudaStreamSynchronize(stream()));
}

void floor_copy_end(void)
{
    CUDA(cudaFree(copied.from));
    CUDA(cudaFree(copied.to));
}

/* ---- a product ---- */

static struct {
    cublasLtHandle_t handle;
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t layout;
    cublasLtMatmulHeuristicResult_t chosen;
    void *a, *b, *y, *workspace;
} product;
static const size_t workspace_bytes = 32 << 20;

/* [n, n] of numbers in [-1, 1): power and so speed depend on what is multiplied. */
static void *matrix(floor_product kind, int n)
{
    const size_t count = (size_t)n * (size_t)n, each = kind == FLOOR_BFLOAT16 ? 2 : 4;
    std::vector<float> wide(count);
    std::vector<__nv_bfloat16> narrow(kind == FLOOR_BFLOAT16 ? count : 0);
    void *memory;
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u; /* Numerical Recipes' generator */
        wide[i] = (float)(int32_t)state / 2147483648.0f;
        if (!narrow.empty()) narrow[i] = __nv_bfloat16(wide[i]);
    }
    CUDA(cudaMalloc(&memory, count * each));
    CUDA(cudaMemcpy(memory, narrow.empty() ? (const void *)wide.data() : narrow.data(), count * each, cudaMemcpyHostToDevice));
    return memory;
}

void floor_product_begin(floor_product kind, int n)
{
    const cudaDataType_t type = kind == FLOOR_BFLOAT16 ? CUDA_R_16BF : CUDA_R_32F;
    cublasLtMatmulPreference_t preference;
    int found = 0;
    if (!product.handle) BLAS(cublasLtCreate(&product.handle));
    product.a = matrix(kind, n);
    product.b = matrix(kind, n);
    product.y = matrix(kind, n);
    CUDA(cudaMalloc(&product.workspace, workspace_bytes));
    BLAS(cublasLtMatmulDescCreate(&product.operation, kind == FLOOR_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F));
    BLAS(cublasLtMatrixLayoutCreate(&product.layout, type, (uint64_t)n, (uint64_t)n, n));
    BLAS(cublasLtMatmulPreferenceCreate(&preference));
    BLAS(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes,
                                              sizeof workspace_bytes));
    BLAS(cublasLtMatmulAlgoGetHeuristic(product.handle, product.operation, product.layout, product.layout, product.layout,
                                        product.layout, preference, 1, &product.chosen, &found));
    need(found == 1, "cublasLtMatmulAlgoGetHeuristic", "no algorithm");
    BLAS(cublasLtMatmulPreferenceDestroy(preference));
}

void floor_product_run(void *, int64_t count)
{
    const float one = 1, zero = 0;
    for (int64_t i = 0; i < count; i++)
        BLAS(cublasLtMatmul(product.handle, product.operation, &one, product.a, product.layout, product.b, product.layout, &zero,
                            product.y, product.layout, product.y, product.layout, &product.chosen.algo, product.workspace,
                            product.chosen.workspaceSize, stream()));
    CUDA(cudaStreamSynchronize(stream()));
}

void floor_product_end(void)
{
    BLAS(cublasLtMatmulDescDestroy(product.operation));
    BLAS(cublasLtMatrixLayoutDestroy(product.layout));
    CUDA(cudaFree(product.a));
    CUDA(cudaFree(product.b));
    CUDA(cudaFree(product.y));
    CUDA(cudaFree(product.workspace));
}
