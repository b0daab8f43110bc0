/* matmul.cpp - what the stand-in for cuBLASLt computes: plain loops, each result summed over k in order, in the compute
 * type. TF32 rounds the operands to 10 bits of mantissa. GELU is the tanh form, as cuBLASLt's is. */
#include "matmul.h"
#include <math.h>
#include <vector>

namespace emulator {

double load_number(const void *p, int type)
{
    if (type == CUDA_R_64F) {
        return *(const double *)p;
    }
    return type == CUDA_R_16BF ? (float)*(const __nv_bfloat16 *)p : *(const float *)p;
}
static void store_number(void *p, int type, double value)
{
    if (type == CUDA_R_64F) {
        *(double *)p = value;
    } else if (type == CUDA_R_16BF) {
        *(__nv_bfloat16 *)p = __nv_bfloat16((float)value);
    } else {
        *(float *)p = (float)value;
    }
}

static char *element(const matrix &m, int64_t batch, uint64_t row, uint64_t col)
{
    uint64_t along = m.order == CUBLASLT_ORDER_COL ? row : col, across = m.order == CUBLASLT_ORDER_COL ? col : row;
    int64_t index = batch * m.batch_stride + (int64_t)across * m.ld + (int64_t)along;
    return (char *)m.data + index * (int64_t)type_bytes(m.type);
}

__extension__ typedef unsigned __int128 uint128;
size_t matrix_extent(const matrix &m)
{
    uint64_t along = m.order == CUBLASLT_ORDER_COL ? m.rows : m.cols, across = m.order == CUBLASLT_ORDER_COL ? m.cols : m.rows;
    uint128 last = (uint128)(m.batch - 1) * (uint64_t)m.batch_stride + (uint128)(across - 1) * (uint64_t)m.ld + along - 1;
    uint128 bytes = (last + 1) * type_bytes(m.type);
    return bytes > PTRDIFF_MAX ? SIZE_MAX : (size_t)bytes;
}

static float tf32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7f800000) != 0x7f800000) {
        bits = (bits + 0x1000) & ~(uint32_t)0x1fff; /* to nearest, ties away from 0 */
    }
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* op(x) of one batch as rows of T. */
template <class T>
static std::vector<T> gathered(const matrix &x, bool transposed, int64_t batch, bool round)
{
    uint64_t rows = transposed ? x.cols : x.rows, cols = transposed ? x.rows : x.cols;
    std::vector<T> y(rows * cols);
    for (uint64_t i = 0; i < rows; i++) {
        for (uint64_t j = 0; j < cols; j++) {
            auto value = (T)load_number(transposed ? element(x, batch, j, i) : element(x, batch, i, j), x.type);
            y[i * cols + j] = round ? (T)tf32((float)value) : value;
        }
    }
    return y;
}

template <class T>
static T activated(uint32_t epilogue, T x)
{
    if (epilogue & CUBLASLT_EPILOGUE_RELU) {
        return x < 0 ? 0 : x;
    }
    if (epilogue & CUBLASLT_EPILOGUE_GELU) {
        return (T)0.5 * x * (1 + (T)tanh((T)0.7978845608028654 * (x + (T)0.044715 * x * x * x)));
    }
    return x;
}

template <class T>
static void finish_row(const matmul_problem &p, int64_t batch, uint64_t i, const T *sums, T alpha, T beta)
{
    T bias = 0;
    if (p.epilogue & CUBLASLT_EPILOGUE_BIAS) {
        int type = p.bias_type < 0 ? p.d.type : p.bias_type;
        auto at = batch * p.bias_stride + (int64_t)i;
        bias = (T)load_number((const char *)p.bias + at * (int64_t)type_bytes(type), type);
    }
    for (uint64_t j = 0; j < p.n; j++) {
        T y = alpha * sums[j];
        if (beta != 0) { /* else c is not read: it may hold NaN */
            y += beta * (T)load_number(element(p.c, batch, i, j), p.c.type);
        }
        if (p.epilogue & CUBLASLT_EPILOGUE_BIAS) {
            y += bias;
        }
        store_number(element(p.d, batch, i, j), p.d.type, activated(p.epilogue, y));
    }
}

template <class T>
static void compute(const matmul_problem &p)
{
    auto alpha = (T)(p.alpha ? load_number(p.alpha, p.scale_type) : p.alpha_number);
    auto beta = (T)(p.beta ? load_number(p.beta, p.scale_type) : p.beta_number);
    bool round = p.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    std::vector<T> sums(p.n);
    for (int64_t batch = 0; batch < p.d.batch; batch++) {
        std::vector<T> a = gathered<T>(p.a, p.transposed[0] != CUBLAS_OP_N, batch, round);
        std::vector<T> b = gathered<T>(p.b, p.transposed[1] != CUBLAS_OP_N, batch, round);
        for (uint64_t i = 0; i < p.m; i++) {
            std::fill(sums.begin(), sums.end(), (T)0);
            for (uint64_t l = 0; l < p.k; l++) {
                for (uint64_t j = 0; j < p.n; j++) {
                    sums[j] += a[i * p.k + l] * b[l * p.n + j];
                }
            }
            finish_row(p, batch, i, sums.data(), alpha, beta);
        }
    }
}

void compute_matmul(const matmul_problem &p)
{
    if (p.d.type == CUDA_R_64F) {
        compute<double>(p);
    } else {
        compute<float>(p);
    }
}

} // namespace emulator
