/* extremum.cu - the gradient of the largest or smallest elements: shared evenly among equals.
 * First each row's equals are counted, then each thread writes some elements of dx. */
#include "cuda/reduction.h"

/* How many of a row equal its extremum. */
template <class Element> struct counts {
    typedef Element T;
    typedef int64_t acc;
    enum { N = 1 };
    const T *in[N];
    acc *parts;
    const T *extremum;
    int64_t *count;

    static __device__ acc none() { return 0; }
    static __device__ acc join(acc a, acc b) { return a + b; }
    __device__ acc term(const T *v, int64_t row, int64_t) const { return v[0] == extremum[row]; }
    __device__ void store(int64_t at, acc a) const { count[at] = a; }
};

template <class T> static bool count_equals(gr_stream *at, int64_t *count, const gr_tensor *x, const T *extremum, unsigned dims)
{
    const gr_rows_view<1> view(&x, dims);
    const gr_result result = {count, GR_INT64, false, 0};
    counts<T> op = {};
    op.in[0] = (const T *)(const void *)x->data;
    op.extremum = extremum;
    op.count = count;
    return gr_reduce_in_stages(at, op, view, "extremum_back", [&](const int64_t *parts, int64_t segments) {
        return gr_add_parts(at, result, parts, view.rows, segments);
    });
}

/* share = dy / count; where the extremum is NaN nothing is equal, and every dx becomes NaN. at: of dx, x, and the row. */
template <class T>
__global__ void spread_kernel(T *dx, bool sums, const T *x, const T *extremum, const T *dy, const int64_t *count, gr_strides<3> at,
                              uint32_t elements)
{
    typedef typename gr_computed<T>::type real;
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < elements; i += gridDim.x * blockDim.x) {
        int64_t offset[3];
        at.at(i, offset);
        const int64_t row = offset[2];
        const real share = (real)dy[row] / (real)count[row];
        const T d = (T)(share * (real)(x[offset[1]] == extremum[row]));
        T *to = dx + offset[0];
        *to = sums ? (T)((real)*to + (real)d) : d;
    }
}

/* dx's elements, in their order, with the number of the row each belongs to. */
static gr_layout<3> with_row_numbers(const gr_tensor *dx, const gr_tensor *x, unsigned dims)
{
    gr_layout<3> l;
    int64_t row[GR_MAX_DIMS], step = 1;
    for (int d = x->dim; d-- > 0;) {
        row[d] = dims >> d & 1 ? 0 : step;
        if (row[d]) step *= x->axis[d].size;
    }
    for (int d = 0; d < x->dim; d++) {
        const int64_t by[3] = {dx->axis[d].stride, x->axis[d].stride, row[d]};
        l.add(x->axis[d].size, by);
    }
    return l;
}

/* dy and extrema: one for each row, side by side. */
template <class T>
static bool back(gr_stream *at, gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *extrema, unsigned dims)
{
    int64_t rows = 1;
    for (int d = 0; d < x->dim; d++) rows *= dims >> d & 1 ? 1 : x->axis[d].size;
    gr_temporary count(dx->device, (size_t)rows * sizeof(int64_t));
    const T *y = (const T *)(const void *)extrema->data;
    if (!count || !count_equals<T>(at, count.as<int64_t>(), x, y, dims)) return false;
    bool ok = true;
    with_row_numbers(dx, x, dims).parts([&](const gr_strides<3> &strides, const int64_t *first, int64_t n) {
        GR_LAUNCH((spread_kernel<T>), gr_blocks(n, GR_THREADS), GR_THREADS, 0, at->stream, (T *)(void *)dx->data + first[0], add,
                  (const T *)(const void *)x->data + first[1], y + first[2], (const T *)(const void *)dy->data + first[2],
                  count.as<int64_t>() + first[2], strides, (uint32_t)n);
        ok = gr_launched("extremum_back") && ok;
    });
    return ok;
}

/* t, which has x's dimensions or has lost the reduced ones, as one element per row side by side. */
static bool one_per_row(gr_converted *rows, const gr_tensor *t, const gr_tensor *x, unsigned dims)
{
    gr_tensor first = *t;
    bool is_that = t->contiguous;
    for (int d = 0; d < x->dim && t->dim == x->dim; d++) {
        if (!(dims >> d & 1)) continue;
        is_that = is_that && t->axis[d].size == 1;
        first.axis[d].size = 1;
    }
    rows->tensor = t;
    return is_that || rows->make_copy(&first, t->dtype, x->device);
}

bool gr_cuda_extremum_back(gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *y, unsigned dims)
{
    gr_stream *at = gr_stream_of(dx);
    gr_converted extrema, upstream;
    if (!at) return false;
    if (x->numel == 0) return true;
    if (!one_per_row(&extrema, y, x, dims) || !one_per_row(&upstream, dy, x, dims)) return false;
    switch (x->dtype) {
    case GR_FLOAT32: return back<float>(at, dx, add, upstream.tensor, x, extrema.tensor, dims);
    case GR_FLOAT64: return back<double>(at, dx, add, upstream.tensor, x, extrema.tensor, dims);
    default: return back<__nv_bfloat16>(at, dx, add, upstream.tensor, x, extrema.tensor, dims);
    }
}
