/* matmul_checks.cpp - whether cuBLASLt would take a matmul: sizes, types, layouts, then addresses. What the real library
 * leaves undefined (operands that overlap, freed memory) is refused too. */
#include "machine.h"
#include "matmul.h"
#include <limits.h>

namespace emulator {

template <class... A>
static cublasStatus_t refused(cublasStatus_t status, const char *format, A... arguments)
{
    refuse(cudaErrorInvalidValue, format, arguments...);
    return status;
}
#define GR_EMULATOR_INVALID(...) refused(CUBLAS_STATUS_INVALID_VALUE, "cublasLtMatmul: " __VA_ARGS__)

/* ---- what is asked for ---- */

static bool is_double(const matmul_problem &p)
{
    return p.compute == CUBLAS_COMPUTE_64F || p.compute == CUBLAS_COMPUTE_64F_PEDANTIC;
}

static cublasStatus_t check_types(const matmul_problem &p)
{
    int a = p.a.type, b = p.b.type, c = p.c.type, d = p.d.type;
    int scale = is_double(p) ? CUDA_R_64F : CUDA_R_32F;
    bool same = a == scale && b == scale && c == scale && d == scale;
    bool bf16 = p.compute == CUBLAS_COMPUTE_32F && a == CUDA_R_16BF && b == CUDA_R_16BF && c == d &&
                (d == CUDA_R_16BF || d == CUDA_R_32F);
    if (p.scale_type != scale || !(same || bf16)) {
        return refused(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmul: types a %d, b %d, c %d, d %d with compute %d, scale %d",
                       a, b, c, d, p.compute, p.scale_type);
    }
    int bias = p.bias_type < 0 ? d : p.bias_type;
    bool bias_fits = bias == d || (bf16 && bias == CUDA_R_16BF);
    if ((p.epilogue & CUBLASLT_EPILOGUE_BIAS) && !bias_fits) {
        return refused(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmul: bias of type %d with d of type %d", bias, d);
    }
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t check_layout(const char *name, const matrix &m, uint64_t rows, uint64_t cols)
{
    if (m.rows != rows || m.cols != cols || !rows || !cols || rows > INT_MAX || cols > INT_MAX) {
        return GR_EMULATOR_INVALID("%s is %llu x %llu, must be %llu x %llu", name, (unsigned long long)m.rows,
                                   (unsigned long long)m.cols, (unsigned long long)rows, (unsigned long long)cols);
    }
    if (m.order != CUBLASLT_ORDER_COL && m.order != CUBLASLT_ORDER_ROW) {
        return refused(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmul: order %d of %s", m.order, name);
    }
    auto least = (int64_t)(m.order == CUBLASLT_ORDER_COL ? m.rows : m.cols);
    if (m.ld < least) {
        return GR_EMULATOR_INVALID("the leading dimension of %s is %lld, must be at least %lld", name, (long long)m.ld,
                                   (long long)least);
    }
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t check_batches(const matmul_problem &p)
{
    int32_t batch = p.d.batch;
    if (batch < 1 || p.a.batch != batch || p.b.batch != batch || p.c.batch != batch) {
        return GR_EMULATOR_INVALID("batch counts %d, %d, %d, %d of a, b, c, d must be equal", p.a.batch, p.b.batch,
                                   p.c.batch, batch);
    }
    matrix one = p.d;
    one.batch = 1;
    bool negative = p.a.batch_stride < 0 || p.b.batch_stride < 0 || p.c.batch_stride < 0 || p.d.batch_stride < 0 || p.bias_stride < 0;
    if (batch > 1 && (negative || (uint64_t)p.d.batch_stride < matrix_extent(one) / type_bytes(one.type))) {
        return GR_EMULATOR_INVALID("batches of d overlap, or a stride is negative");
    }
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t check_epilogue(const matmul_problem &p)
{
    static const uint32_t known[] = {CUBLASLT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_RELU, CUBLASLT_EPILOGUE_BIAS,
                                     CUBLASLT_EPILOGUE_RELU_BIAS, CUBLASLT_EPILOGUE_GELU, CUBLASLT_EPILOGUE_GELU_BIAS};
    bool is_known = false;
    for (uint32_t e : known) {
        is_known |= e == p.epilogue;
    }
    if (!is_known || p.transposed[2] != CUBLAS_OP_N) {
        return refused(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmul: epilogue %u, operation %d on c", p.epilogue,
                       p.transposed[2]);
    }
    /* The bias goes along d's rows; the real library offers it for column order only. */
    if ((p.epilogue & CUBLASLT_EPILOGUE_BIAS) && p.d.order != CUBLASLT_ORDER_COL) {
        return refused(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmul: a bias needs d in column order");
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t check_problem(const matmul_problem &p)
{
    bool at = p.transposed[0] != CUBLAS_OP_N, bt = p.transposed[1] != CUBLAS_OP_N;
    cublasStatus_t status = check_types(p);
    status = status ? status : check_layout("a", p.a, at ? p.k : p.m, at ? p.m : p.k);
    status = status ? status : check_layout("b", p.b, bt ? p.n : p.k, bt ? p.k : p.n);
    status = status ? status : check_layout("c", p.c, p.m, p.n);
    status = status ? status : check_layout("d", p.d, p.m, p.n);
    status = status ? status : check_batches(p);
    return status ? status : check_epilogue(p);
}

/* ---- addresses ---- */

cublasStatus_t check_operand(const char *name, int device, const void *p, size_t bytes, size_t alignment)
{
    if (!p || (uintptr_t)p % alignment != 0) {
        return GR_EMULATOR_INVALID("%s is %p, must be aligned to %zu bytes", name, p, alignment);
    }
    if (!inside_device_memory(device, p, bytes)) {
        return GR_EMULATOR_INVALID("%s takes %zu bytes at %p, not all inside a live block of device %d: %s", name, bytes, p,
                                   device, describe(p).c_str());
    }
    return CUBLAS_STATUS_SUCCESS;
}
static bool overlap(const matrix &x, const matrix &y)
{
    auto *a = (const char *)x.data, *b = (const char *)y.data;
    return a < b + matrix_extent(y) && b < a + matrix_extent(x);
}

cublasStatus_t check_addresses(const matmul_problem &p, int device, const uint64_t *alignment)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    const matrix *operand[] = {&p.a, &p.b, &p.c, &p.d};
    for (int i = 0; i < 4; i++) {
        size_t promised = alignment ? alignment[i] : 1, own = type_bytes(operand[i]->type);
        cublasStatus_t status = check_operand(names[i], device, operand[i]->data, matrix_extent(*operand[i]),
                                              promised > own ? promised : own);
        if (status) {
            return status;
        }
    }
    bool in_place = p.c.data == p.d.data && p.c.ld == p.d.ld && p.c.order == p.d.order && p.c.batch_stride == p.d.batch_stride;
    if (overlap(p.a, p.d) || overlap(p.b, p.d) || (!in_place && overlap(p.c, p.d))) {
        return GR_EMULATOR_INVALID("d overlaps an operand");
    }
    if (p.epilogue & CUBLASLT_EPILOGUE_BIAS) {
        auto type = (cudaDataType)(p.bias_type < 0 ? p.d.type : p.bias_type);
        matrix bias = {type, CUBLASLT_ORDER_COL, p.m, 1, (int64_t)p.m, p.d.batch, p.bias_stride, nullptr};
        return check_operand("bias", device, p.bias, matrix_extent(bias), type_bytes(type));
    }
    return CUBLAS_STATUS_SUCCESS;
}

} // namespace emulator
