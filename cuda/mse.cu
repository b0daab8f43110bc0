/* mse.cu - mean squared error: y = sum (x - t)^2, or / n;  dx = sign scale (x - t) dy, scale = 2 or 2 / n. */
#include "cuda/reduction.h"

/* ---- forward: differences in the dtype itself, as the CPU takes them; their squares are added in double ---- */

template <class Element> struct squares {
    typedef Element T;
    typedef double acc;
    enum { N = 2 };
    const T *in[N];
    acc *parts;
    gr_result result;

    static __device__ acc none() { return 0; }
    static __device__ acc join(acc a, acc b) { return a + b; }
    static __device__ acc term(const T *v, int64_t, int64_t)
    {
        typedef typename gr_computed<T>::type real;
        const double difference = (double)((real)v[0] - (real)v[1]);
        return difference * difference;
    }
    __device__ void store(int64_t at, acc a) const { result.put(at, a); }
};

template <class T> static bool forward(gr_stream *at, const gr_result &result, const gr_tensor *const *both)
{
    const gr_rows_view<2> view(both, (1u << both[0]->dim) - 1);
    squares<T> op = {};
    for (int k = 0; k < 2; k++) op.in[k] = (const T *)(const void *)both[k]->data;
    op.result = result;
    return gr_reduce_in_stages(at, op, view, "mse", [&](const double *parts, int64_t segments) {
        return gr_add_parts(at, result, parts, 1, segments);
    });
}

bool gr_cuda_mse(gr_tensor *y, const gr_tensor *x, const gr_tensor *t, bool mean)
{
    gr_stream *at = gr_stream_of(y);
    const gr_result result = {y->data, y->dtype, false, mean ? (double)x->numel : 0};
    const gr_tensor *const both[] = {x, t};
    if (!at) return false;
    if (x->numel == 0) return gr_cuda_reduce(mean ? GR_REDUCE_MEAN : GR_REDUCE_SUM, y, x, (1u << x->dim) - 1, false);
    switch (x->dtype) {
    case GR_FLOAT32: return forward<float>(at, result, both);
    case GR_FLOAT64: return forward<double>(at, result, both);
    default: return forward<__nv_bfloat16>(at, result, both);
    }
}

/* ---- backward: (scale dy) first, as PyTorch rounds. Each thread writes some elements. ---- */

template <class T>
__global__ void mse_back_kernel(T *dx, bool sums, const T *dy, const T *x, const T *t, typename gr_computed<T>::type scale, bool negative,
                                gr_strides<3> at, uint32_t count)
{
    typedef typename gr_computed<T>::type real;
    const real upstream = scale * (real)*dy, s = negative ? -upstream : upstream;
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
        int64_t offset[3];
        at.at(i, offset);
        const T d = (T)(s * ((real)x[offset[1]] - (real)t[offset[2]]));
        dx[offset[0]] = sums ? (T)((real)dx[offset[0]] + (real)d) : d;
    }
}

template <class T>
static void back(gr_stream *at, gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *t, bool mean,
                 bool negative)
{
    typedef typename gr_computed<T>::type real;
    const real scale = mean ? 2 / (real)dx->numel : 2;
    const gr_tensor *const all[] = {dx, x, t};
    gr_layout_of<3>(dx, all).parts([&](const gr_strides<3> &strides, const int64_t *first, int64_t n) {
        GR_LAUNCH((mse_back_kernel<T>), gr_blocks(n, GR_THREADS), GR_THREADS, 0, at->stream, (T *)(void *)dx->data + first[0], add,
                  (const T *)(const void *)dy->data, (const T *)(const void *)x->data + first[1],
                  (const T *)(const void *)t->data + first[2], scale, negative, strides, (uint32_t)n);
        gr_launched("mse_back");
    });
}

void gr_cuda_mse_back(gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *t, bool mean, bool negative)
{
    gr_stream *at = gr_stream_of(dx);
    if (!at || dx->numel == 0) return;
    switch (dx->dtype) {
    case GR_FLOAT32: back<float>(at, dx, add, dy, x, t, mean, negative); break;
    case GR_FLOAT64: back<double>(at, dx, add, dy, x, t, mean, negative); break;
    default: back<__nv_bfloat16>(at, dx, add, dy, x, t, mean, negative); break;
    }
}
