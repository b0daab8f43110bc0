/* mse.cu - mean squared error: y = sum (x - t)^2, or / n;  dx = sign scale (x - t) dy, scale = 2 or 2 / n. */
#include "cuda/reduction.h"

/* ---- forward: differences in the dtype itself, as the CPU takes them; their squares are added in double ---- */

template <class T> struct squares {
    typedef double acc;
    enum { N = 2 };
    const T *x, *t;
    double *parts;

    void move(const int64_t *first)
    {
        x += first[0];
        t += first[1];
    }
    static __device__ double none() { return 0; }
    static __device__ double join(double a, double b) { return a + b; }
    __device__ double load(const int64_t *offset, int64_t, int64_t) const
    {
        const T difference = (T)((T)x[offset[0]] - (T)t[offset[1]]);
        return (double)difference * (double)difference;
    }
    __device__ void store(int64_t at, double a) const { parts[at] = a; }
};
template <> __device__ double squares<__nv_bfloat16>::load(const int64_t *offset, int64_t, int64_t) const
{
    const float difference = (float)x[offset[0]] - (float)t[offset[1]];
    return (double)difference * (double)difference;
}

/* x and t in one dimension each, where both are row-major; else as they lie. Segments' sums go through the sum of reduce.cu. */
template <class T> static bool forward(gr_stream *at, gr_tensor *y, const gr_tensor *x, const gr_tensor *t, bool mean)
{
    const gr_tensor *const both[] = {x, t};
    const gr_matrix_view<2> view(both, (1u << x->dim) - 1);
    const int64_t segments = gr_segments(view.n);
    gr_temporary parts(y->device, (size_t)(segments + 1) * sizeof(double));
    if (!parts) return false;
    squares<T> op = {};
    op.x = (const T *)(const void *)x->data;
    op.t = (const T *)(const void *)t->data;
    op.parts = parts.as<double>();
    gr_reduce_segments(at, op, view);
    if (!gr_launched("mse")) return false;

    gr_tensor sums = *y, total = *y; /* both of doubles */
    sums.dtype = total.dtype = GR_FLOAT64;
    sums.data = (char *)op.parts;
    sums.dim = 1;
    sums.axis[0] = {segments, 1};
    sums.numel = segments;
    total.data = (char *)(op.parts + segments);
    if (!gr_cuda_reduce(GR_REDUCE_SUM, &total, &sums, 1, false)) return false;
    if (mean) {
        const gr_operands o = {{gr_value_tensor(&total), gr_value_real((double)view.n), gr_value_tensor(nullptr)}, nullptr, GR_FLOAT64};
        gr_cuda_elementwise(GR_E_div, &total, &o);
    }
    gr_cuda_copy(y, &total);
    return true;
}

/* What cannot be counted in 31 bits but in one dimension is copied. */
static bool is_countable(const gr_tensor *x, const gr_tensor *t)
{
    const gr_tensor *const both[] = {x, t};
    const gr_matrix_view<2> view(both, (1u << x->dim) - 1);
    return view.reduced.dim <= 1 || view.n < (int64_t)1 << 31;
}

static const gr_tensor *side_by_side(const gr_tensor *x, gr_tensor *copy, gr_temporary *memory)
{
    *copy = gr_describe(x, x->dtype, memory->as<char>());
    gr_cuda_copy(copy, x);
    return copy;
}

static bool forward_of(gr_stream *at, gr_tensor *y, const gr_tensor *x, const gr_tensor *t, bool mean)
{
    switch (x->dtype) {
    case GR_FLOAT32: return forward<float>(at, y, x, t, mean);
    case GR_FLOAT64: return forward<double>(at, y, x, t, mean);
    default: return forward<__nv_bfloat16>(at, y, x, t, mean);
    }
}

bool gr_cuda_mse(gr_tensor *y, const gr_tensor *x, const gr_tensor *t, bool mean)
{
    gr_stream *at = gr_stream_of(y);
    if (!at) return false;
    if (x->numel == 0) return gr_cuda_reduce(mean ? GR_REDUCE_MEAN : GR_REDUCE_SUM, y, x, (1u << x->dim) - 1, false);
    if (is_countable(x, t)) return forward_of(at, y, x, t, mean);
    const size_t bytes = (size_t)x->numel * gr_bytes_of(x->dtype);
    gr_temporary first(y->device, bytes), second(y->device, bytes);
    gr_tensor x_copy, t_copy;
    if (!first || !second) return false;
    return forward_of(at, y, side_by_side(x, &x_copy, &first), side_by_side(t, &t_copy, &second), mean);
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
        const real d = s * ((real)x[offset[1]] - (real)t[offset[2]]);
        dx[offset[0]] = sums ? (T)((real)dx[offset[0]] + d) : (T)d;
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
    });
    gr_launched("mse_back");
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
