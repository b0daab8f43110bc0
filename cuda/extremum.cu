/* extremum.cu - the gradient of the largest or smallest elements: shared evenly among equals.
 * First each row's equals are counted, then each thread writes some elements of dx. */
#include "cuda/reduction.h"

/* How many of a row equal its extremum. */
template <class T> struct counts {
    typedef int64_t acc;
    enum { N = 1 };
    const T *x, *extremum;
    int64_t *parts;

    void move(const int64_t *first) { x += first[0]; }
    static __device__ int64_t none() { return 0; }
    static __device__ int64_t join(int64_t a, int64_t b) { return a + b; }
    __device__ int64_t load(const int64_t *offset, int64_t row, int64_t) const { return x[offset[0]] == extremum[row]; }
    __device__ void store(int64_t at, int64_t a) const { parts[at] = a; }
};

/* share = dy / count; where the extremum is NaN nothing is equal, and every dx becomes NaN. */
template <class T>
__global__ void spread_kernel(T *dx, bool sums, const T *x, const T *extremum, const T *dy, const int64_t *count,
                              gr_strides<2> kept, gr_strides<2> reduced, int64_t first_row, gr_divisor n, uint32_t elements)
{
    typedef typename gr_computed<T>::type real;
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < elements; i += gridDim.x * blockDim.x) {
        const uint32_t row = n.divide(i);
        int64_t base[2], offset[2];
        kept.at(row, base);
        reduced.at(i - row * n.size, offset);
        const int64_t r = first_row + row;
        const T share = (T)((real)dy[r] / (real)count[r]);
        const real d = x[base[1] + offset[1]] == extremum[r] ? (real)share : (real)share * 0;
        T *to = dx + base[0] + offset[0];
        *to = sums ? (T)((real)*to + d) : (T)d;
    }
}

/* t, one element per row, side by side. */
struct rows_of {
    const gr_tensor *tensor = nullptr;
    bool make(const gr_tensor *t)
    {
        tensor = t;
        if (t->contiguous || t->numel == 0) return true;
        block = gr_host->borrow(t->device, (size_t)t->numel * gr_bytes_of(t->dtype));
        if (!block) return false;
        copy = gr_describe(t, t->dtype, block->data);
        gr_cuda_copy(&copy, t);
        tensor = &copy;
        return true;
    }
    rows_of() = default;
    rows_of(const rows_of &) = delete;
    rows_of &operator=(const rows_of &) = delete;
    ~rows_of()
    {
        if (block) gr_host->give_back(block);
    }

private:
    gr_tensor copy;
    gr_storage *block = nullptr;
};

template <class T> static bool count_equals(gr_stream *at, int64_t *count, int64_t *parts, const gr_tensor *x, const T *extremum, unsigned dims)
{
    const gr_tensor *const one[] = {x};
    const gr_matrix_view<1> view(one, dims);
    counts<T> op = {};
    op.x = (const T *)(const void *)x->data;
    op.extremum = extremum;
    op.parts = parts ? parts : count;
    gr_reduce_segments(at, op, view);
    if (!parts) return gr_launched("extremum_back");
    gr_tensor results = *x, sums = *x;
    results.dtype = sums.dtype = GR_INT64;
    results.data = (char *)parts;
    results.dim = 2;
    results.axis[0] = {view.rows, gr_segments(view.n)};
    results.axis[1] = {gr_segments(view.n), 1};
    results.numel = view.rows * gr_segments(view.n);
    sums.data = (char *)count;
    sums.dim = 1;
    sums.axis[0] = {view.rows, 1};
    sums.numel = view.rows;
    return gr_launched("extremum_back") && gr_cuda_reduce(GR_REDUCE_SUM, &sums, &results, 2, false);
}

template <class T>
static bool back(gr_stream *at, gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *y, unsigned dims)
{
    const gr_tensor *const both[] = {dx, x};
    const gr_matrix_view<2> view(both, dims);
    const int64_t segments = gr_segments(view.n);
    gr_temporary count(dx->device, (size_t)view.rows * sizeof(int64_t));
    gr_temporary parts(dx->device, segments > 1 ? (size_t)(view.rows * segments) * sizeof(int64_t) : 0);
    const T *extremum = (const T *)(const void *)y->data, *upstream = (const T *)(const void *)dy->data;
    if (!count || (segments > 1 && !parts)) return false;
    if (!count_equals<T>(at, count.as<int64_t>(), segments > 1 ? parts.as<int64_t>() : nullptr, x, extremum, dims)) return false;
    if (view.n >= GR_AT_ONCE) {
        gr_host->fail(GR_ERROR_ARGUMENT, "a row of the extremum's gradient has 2^30 elements or more; must have fewer");
        return false;
    }
    gr_strides<2> kept = {}, reduced = {};
    kept.set(view.kept);
    reduced.set(view.reduced);
    const int64_t at_once = GR_AT_ONCE / view.n; /* rows of a launch */
    for (int64_t row = 0; row < view.rows; row += at_once) {
        const int64_t rows = view.rows - row < at_once ? view.rows - row : at_once;
        GR_LAUNCH((spread_kernel<T>), gr_blocks(rows * view.n, GR_THREADS), GR_THREADS, 0, at->stream, (T *)(void *)dx->data, add,
                  (const T *)(const void *)x->data, extremum, upstream, count.as<int64_t>(), kept, reduced, row,
                  gr_divisor((uint32_t)view.n), (uint32_t)(rows * view.n));
    }
    return gr_launched("extremum_back");
}

bool gr_cuda_extremum_back(gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *y, unsigned dims)
{
    gr_stream *at = gr_stream_of(dx);
    rows_of extrema, upstream;
    if (!at) return false;
    if (x->numel == 0) return true;
    if (!extrema.make(y) || !upstream.make(dy)) return false;
    switch (x->dtype) {
    case GR_FLOAT32: return back<float>(at, dx, add, upstream.tensor, x, extrema.tensor, dims);
    case GR_FLOAT64: return back<double>(at, dx, add, upstream.tensor, x, extrema.tensor, dims);
    default: return back<__nv_bfloat16>(at, dx, add, upstream.tensor, x, extrema.tensor, dims);
    }
}
