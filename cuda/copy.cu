/* copy.cu - copying between any strides and dtypes, filling, selection by a condition. Each thread writes some elements. */
#include "cuda/strides.h"

/* A number that has no place becomes the lowest integer, as on the CPU. */
template <class To> struct convert {
    template <class From> static __device__ To from(From x) { return (To)x; }
};
template <> struct convert<int64_t> {
    template <class From> static __device__ int64_t from(From x) { return (int64_t)x; }
    static __device__ int64_t from(double x) { return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN; }
    static __device__ int64_t from(float x) { return from((double)x); }
    static __device__ int64_t from(__nv_bfloat16 x) { return from((double)(float)x); }
};
template <> struct convert<int32_t> {
    template <class From> static __device__ int32_t from(From x) { return (int32_t)x; }
    static __device__ int32_t from(double x) { return x >= -0x1p31 && x < 0x1p31 ? (int32_t)x : INT32_MIN; }
    static __device__ int32_t from(float x) { return from((double)x); }
    static __device__ int32_t from(__nv_bfloat16 x) { return from((double)(float)x); }
};
template <> struct convert<uint8_t> {
    template <class From> static __device__ uint8_t from(From x) { return (uint8_t)convert<int64_t>::from(x); }
};
template <> struct convert<bool> {
    template <class From> static __device__ bool from(From x) { return x != (From)0; }
    static __device__ bool from(__nv_bfloat16 x) { return (float)x != 0; }
};
template <> struct convert<__nv_bfloat16> {
    template <class From> static __device__ __nv_bfloat16 from(From x) { return __nv_bfloat16((float)x); }
    static __device__ __nv_bfloat16 from(__nv_bfloat16 x) { return x; }
};
template <> struct convert<float> {
    template <class From> static __device__ float from(From x) { return (float)x; }
};
template <> struct convert<double> {
    template <class From> static __device__ double from(From x) { return (double)x; }
    static __device__ double from(__nv_bfloat16 x) { return (double)(float)x; }
};

template <class To, class From>
__global__ void copy_kernel(To *to, const From *from, gr_strides<2> at, uint32_t count)
{
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
        int64_t offset[2];
        at.at(i, offset);
        to[offset[0]] = convert<To>::from(from[offset[1]]);
    }
}

template <class To, class From> static void copy(gr_stream *at, gr_tensor *y, const gr_tensor *x)
{
    const gr_tensor *const both[] = {y, x};
    gr_layout_of<2>(y, both).parts([&](const gr_strides<2> &strides, const int64_t *first, int64_t n) {
        GR_LAUNCH((copy_kernel<To, From>), gr_blocks(n, GR_THREADS), GR_THREADS, 0, at->stream, (To *)(void *)y->data + first[0],
                  (const From *)(const void *)x->data + first[1], strides, (uint32_t)n);
    });
}

template <class To> static void copy_to(gr_stream *at, gr_tensor *y, const gr_tensor *x)
{
    switch (x->dtype) {
    case GR_FLOAT32: copy<To, float>(at, y, x); break;
    case GR_FLOAT64: copy<To, double>(at, y, x); break;
    case GR_BFLOAT16: copy<To, __nv_bfloat16>(at, y, x); break;
    case GR_INT64: copy<To, int64_t>(at, y, x); break;
    case GR_INT32: copy<To, int32_t>(at, y, x); break;
    case GR_UINT8: copy<To, uint8_t>(at, y, x); break;
    default: copy<To, bool>(at, y, x); break;
    }
}

static bool lies_like(const gr_tensor *x, const gr_tensor *y)
{
    return x->contiguous && y->contiguous && x->dtype == y->dtype && x->numel == y->numel;
}

void gr_cuda_copy(gr_tensor *y, const gr_tensor *x)
{
    gr_stream *at = gr_stream_of(y);
    if (!at || y->numel == 0 || (lies_like(x, y) && x->data == y->data)) return;
    if (lies_like(x, y)) {
        GR_CUDA(cudaMemcpyAsync(y->data, x->data, (size_t)y->numel * gr_bytes_of(y->dtype), cudaMemcpyDeviceToDevice, at->stream));
        return;
    }
    switch (y->dtype) {
    case GR_FLOAT32: copy_to<float>(at, y, x); break;
    case GR_FLOAT64: copy_to<double>(at, y, x); break;
    case GR_BFLOAT16: copy_to<__nv_bfloat16>(at, y, x); break;
    case GR_INT64: copy_to<int64_t>(at, y, x); break;
    case GR_INT32: copy_to<int32_t>(at, y, x); break;
    case GR_UINT8: copy_to<uint8_t>(at, y, x); break;
    default: copy_to<bool>(at, y, x); break;
    }
    gr_launched("copy");
}

/* ---- fill ---- */

/* A number that the caller knows to fit; of a tensor it is not read. */
template <class T> static T number_of(gr_value v)
{
    if (v.kind == GR_VALUE_TENSOR) return T();
    return v.kind == GR_VALUE_REAL ? (T)v.real : (T)v.integer;
}
template <> __nv_bfloat16 number_of<__nv_bfloat16>(gr_value v)
{
    return __nv_bfloat16(number_of<float>(v));
}

template <class T> __global__ void fill_kernel(T *to, T value, gr_strides<1> at, uint32_t count)
{
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
        int64_t offset[1];
        at.at(i, offset);
        to[offset[0]] = value;
    }
}

template <class T> static void fill(gr_stream *at, gr_tensor *y, gr_value value)
{
    const gr_tensor *const one[] = {y};
    gr_layout_of<1>(y, one).parts([&](const gr_strides<1> &strides, const int64_t *first, int64_t n) {
        GR_LAUNCH((fill_kernel<T>), gr_blocks(n, GR_THREADS), GR_THREADS, 0, at->stream, (T *)(void *)y->data + first[0],
                  number_of<T>(value), strides, (uint32_t)n);
    });
}

void gr_cuda_fill(gr_tensor *y, gr_value value)
{
    gr_stream *at = gr_stream_of(y);
    if (!at || y->numel == 0) return;
    switch (y->dtype) {
    case GR_FLOAT32: fill<float>(at, y, value); break;
    case GR_FLOAT64: fill<double>(at, y, value); break;
    case GR_BFLOAT16: fill<__nv_bfloat16>(at, y, value); break;
    case GR_INT64: fill<int64_t>(at, y, value); break;
    case GR_INT32: fill<int32_t>(at, y, value); break;
    case GR_UINT8: fill<uint8_t>(at, y, value); break;
    default: fill<bool>(at, y, value); break;
    }
    gr_launched("fill");
}

/* ---- where ---- */

template <class T>
__global__ void where_kernel(T *to, const bool *condition, const T *a, const T *b, T a_number, T b_number, gr_strides<4> at,
                             uint32_t count)
{
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
        int64_t offset[4];
        at.at(i, offset);
        to[offset[0]] = condition[offset[1]] ? (a ? a[offset[2]] : a_number) : (b ? b[offset[3]] : b_number);
    }
}

template <class T> static void where(gr_stream *at, gr_tensor *y, const gr_tensor *condition, gr_value a, gr_value b)
{
    gr_converted first_as, second_as; /* of y's dtype */
    if (a.kind == GR_VALUE_TENSOR && !first_as.make(a.tensor, y->dtype)) return;
    if (b.kind == GR_VALUE_TENSOR && !second_as.make(b.tensor, y->dtype)) return;
    const gr_tensor *p = first_as.tensor, *q = second_as.tensor;
    const gr_tensor *const all[] = {y, condition, p, q};
    gr_layout_of<4>(y, all).parts([&](const gr_strides<4> &strides, const int64_t *first, int64_t n) {
        GR_LAUNCH((where_kernel<T>), gr_blocks(n, GR_THREADS), GR_THREADS, 0, at->stream, (T *)(void *)y->data + first[0],
                  (const bool *)condition->data + first[1], p ? (const T *)(const void *)p->data + first[2] : nullptr,
                  q ? (const T *)(const void *)q->data + first[3] : nullptr, number_of<T>(a), number_of<T>(b), strides,
                  (uint32_t)n);
    });
}

void gr_cuda_where(gr_tensor *y, const gr_tensor *condition, gr_value a, gr_value b)
{
    gr_stream *at = gr_stream_of(y);
    if (!at || y->numel == 0) return;
    switch (y->dtype) {
    case GR_FLOAT32: where<float>(at, y, condition, a, b); break;
    case GR_FLOAT64: where<double>(at, y, condition, a, b); break;
    case GR_BFLOAT16: where<__nv_bfloat16>(at, y, condition, a, b); break;
    case GR_INT64: where<int64_t>(at, y, condition, a, b); break;
    case GR_INT32: where<int32_t>(at, y, condition, a, b); break;
    case GR_UINT8: where<uint8_t>(at, y, condition, a, b); break;
    default: where<bool>(at, y, condition, a, b); break;
    }
    gr_launched("where");
}
