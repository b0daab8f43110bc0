/* linalg.cu - matrix products over batches, and the affine layer: y = a b,  y = x w' + bias. Floats are multiplied by gemm.cu,
 * integers by a kernel here. */
#include "cuda/gemm.h"
#include "cuda/strides.h"

/* ---- integers: a tile of results per block, operands through shared memory; they wrap around ---- */

enum { SIDE = 16 };

/* Thread (x, y) of block (tile, matrix) computes one element of the tile. */
template <class T>
__global__ void multiply_kernel(T *y, const T *a, const T *b, gr_product x, unsigned tiles_across)
{
    __shared__ T as[SIDE][SIDE], bs[SIDE][SIDE];
    const int64_t row = (int64_t)(blockIdx.x / tiles_across) * SIDE + threadIdx.y;
    const int64_t column = (int64_t)(blockIdx.x % tiles_across) * SIDE + threadIdx.x;
    a += blockIdx.y * x.a.batch + row * x.a.row;
    b += blockIdx.y * x.b.batch + column * x.b.column;
    uint64_t sum = 0;
    for (int64_t l = 0; l < x.k; l += SIDE) {
        const int64_t a_l = l + threadIdx.x, b_l = l + threadIdx.y;
        as[threadIdx.y][threadIdx.x] = row < x.m && a_l < x.k ? a[a_l * x.a.column] : (T)0;
        bs[threadIdx.y][threadIdx.x] = column < x.n && b_l < x.k ? b[b_l * x.b.row] : (T)0;
        __syncthreads();
        GR_UNROLL
        for (int j = 0; j < SIDE; j++) sum += (uint64_t)as[threadIdx.y][j] * (uint64_t)bs[j][threadIdx.x];
        __syncthreads();
    }
    if (row >= x.m || column >= x.n) return;
    T *to = y + blockIdx.y * x.y.batch + row * x.y.row + column;
    *to = (T)(x.add ? (uint64_t)*to + sum : sum);
}

template <class T> static bool multiply_whole(gr_stream *at, const gr_product &x)
{
    const unsigned across = (unsigned)((x.n + SIDE - 1) / SIDE), down = (unsigned)((x.m + SIDE - 1) / SIDE);
    GR_LAUNCH((multiply_kernel<T>), dim3(across * down, (unsigned)x.batch), dim3(SIDE, SIDE), 0, at->stream, (T *)x.y.data,
              (const T *)x.a.data, (const T *)x.b.data, x, across);
    return gr_launched("matmul");
}

/* ---- any product ---- */

/* Beyond these a product is done in two halves; bfloat16 is then rounded in between, where k is cut. device-cut makes them small. */
#ifndef GR_PRODUCT_SIDE
#define GR_PRODUCT_SIDE ((int64_t)1 << 30)
#define GR_PRODUCT_BATCH GR_BLOCKS_ALONG_Y
#endif

static bool multiply(gr_stream *at, const gr_product &x);

/* Two halves of `extent`: the second begins after so many steps in a, b, y. */
static bool halves(gr_stream *at, const gr_product &x, int64_t gr_product::*extent, int64_t a, int64_t b, int64_t y)
{
    const int64_t bytes = (int64_t)gr_bytes_of(x.dtype), half = x.*extent / 2;
    gr_product low = x, high = x;
    low.*extent = half;
    high.*extent -= half;
    high.a.data += half * a * bytes;
    high.b.data += half * b * bytes;
    high.y.data += half * y * bytes;
    if (extent == &gr_product::n && x.bias) high.bias += half * bytes;
    if (extent == &gr_product::k) high.add = true, high.bias = nullptr;
    return multiply(at, low) && multiply(at, high);
}

static bool multiply(gr_stream *at, const gr_product &x)
{
    if (x.batch > GR_PRODUCT_BATCH) return halves(at, x, &gr_product::batch, x.a.batch, x.b.batch, x.y.batch);
    if (x.m > GR_PRODUCT_SIDE) return halves(at, x, &gr_product::m, x.a.row, 0, x.y.row);
    if (x.n > GR_PRODUCT_SIDE) return halves(at, x, &gr_product::n, 0, x.b.column, 1);
    if (x.k > GR_PRODUCT_SIDE) return halves(at, x, &gr_product::k, x.a.column, x.b.row, 0);
    switch (x.dtype) {
    case GR_INT64: return multiply_whole<int64_t>(at, x);
    case GR_INT32: return multiply_whole<int32_t>(at, x);
    case GR_UINT8: return multiply_whole<uint8_t>(at, x);
    default: return gr_multiply_real(at, x);
    }
}

/* A batch whose a goes on from matrix to matrix, with one b: a single product with more rows. */
static gr_product joined(const gr_product &x)
{
    gr_product one = x;
    gr_aspect as;
    if (x.batch == 1 || x.b.batch != 0 || (x.m > 1 && x.a.batch != x.m * x.a.row)) return x;
    one.a.row = x.m > 1 ? x.a.row : x.a.batch;
    one.m = x.m * x.batch;
    one.batch = 1;
    return gr_looks(&as, one.a, one.m, one.k) ? one : x;
}

/* ---- tensors ---- */

/* x's matrices as an operand, in a row-major copy where cuBLASLt cannot take them as they lie. */
static bool take(gr_operand *to, gr_converted *kept, const gr_tensor *x, bool transposed, int device, bool whole)
{
    gr_aspect as;
    const gr_axis *axis = &x->axis[x->dim - 2];
    kept->tensor = x;
    *to = {x->data, axis[0].stride, axis[1].stride, 0};
    if (!whole && !gr_looks(&as, *to, axis[0].size, axis[1].size)) {
        if (!kept->make_copy(x, x->dtype, device)) return false;
        axis = &kept->tensor->axis[x->dim - 2];
        *to = {kept->tensor->data, axis[0].stride, axis[1].stride, 0};
    }
    if (transposed) *to = {to->data, to->column, to->row, 0};
    return true;
}

/* Where y's matrices find theirs in a and b: the batch's dimensions, in elements. */
static gr_layout<2> batch_of(const gr_tensor *y, const gr_tensor *a, const gr_tensor *b)
{
    gr_tensor outer = *y, of_a = *a, of_b = *b;
    const gr_tensor *const both[] = {&of_a, &of_b};
    outer.dim = (uint8_t)(outer.dim - 2);
    of_a.dim = (uint8_t)(of_a.dim - 2);
    of_b.dim = (uint8_t)(of_b.dim - 2);
    return gr_layout_of<2>(&outer, both);
}

/* The innermost dimension of the batch in one call, the others one by one. */
static bool each_run(gr_stream *at, const gr_product &first, const gr_layout<2> &batch)
{
    const int last = batch.dim - 1;
    const int64_t count = batch.count(), run = batch.dim ? batch.size[last] : 1, bytes = (int64_t)gr_bytes_of(first.dtype);
    gr_product x = first;
    x.batch = run;
    x.a.batch = batch.dim ? batch.stride[last][0] : 0;
    x.b.batch = batch.dim ? batch.stride[last][1] : 0;
    bool done = true;
    for (int64_t i = 0; i < count && done; i += run) {
        int64_t offset[2] = {0, 0}, rest = i / run;
        for (int d = last - 1; d >= 0; rest /= batch.size[d--])
            for (int k = 0; k < 2; k++) offset[k] += rest % batch.size[d] * batch.stride[d][k];
        x.a.data = first.a.data + offset[0] * bytes;
        x.b.data = first.b.data + offset[1] * bytes;
        x.y.data = first.y.data + i * x.y.batch * bytes;
        done = multiply(at, joined(x));
    }
    return done;
}

/* What remains without a product: bias, or zeros. */
static bool no_terms(gr_tensor *y, const gr_tensor *bias, bool add)
{
    if (bias) gr_cuda_copy(y, bias);
    else if (!add) gr_cuda_fill(y, gr_value_integer(0));
    return true;
}

/* y = a b + bias, or y += a b; b is taken transposed for a layer's weight. bias is side by side. */
static bool run(gr_tensor *y, const gr_tensor *a, const gr_tensor *b, bool b_transposed, const gr_tensor *bias, bool add)
{
    gr_stream *at = gr_stream_of(y);
    gr_converted a_kept, b_kept;
    gr_product x = {};
    if (!at) return false;
    if (y->numel == 0) return true;
    x.device = at->device;
    x.dtype = y->dtype;
    x.m = y->axis[y->dim - 2].size;
    x.n = y->axis[y->dim - 1].size;
    x.k = a->axis[a->dim - 1].size;
    x.add = add;
    x.y = {y->data, x.n, 1, x.m * x.n};
    if (x.k == 0) return no_terms(y, bias, add);
    const bool whole = y->dtype > GR_BFLOAT16;
    if (bias && whole) gr_cuda_copy(y, bias);
    if (bias && whole) x.add = true;
    else x.bias = bias ? bias->data : nullptr;
    return take(&x.a, &a_kept, a, false, y->device, whole) && take(&x.b, &b_kept, b, b_transposed, y->device, whole) &&
           each_run(at, x, batch_of(y, a_kept.tensor, b_kept.tensor));
}

bool gr_cuda_matmul(gr_tensor *y, const gr_tensor *a, const gr_tensor *b, bool add)
{
    return run(y, a, b, false, nullptr, add);
}

bool gr_cuda_linear(gr_tensor *y, const gr_tensor *x, const gr_tensor *w, const gr_tensor *bias)
{
    gr_converted kept;
    if (bias && bias->axis[0].stride != 1 && !kept.make_copy(bias, bias->dtype, y->device)) return false;
    return run(y, x, w, true, kept.tensor ? kept.tensor : bias, false);
}
