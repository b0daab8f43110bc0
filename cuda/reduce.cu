/* reduce.cu - sums, means, products, extrema and their places over any dimensions.
 *
 * Sums and products of floats are accumulated in double and rounded once: nearer to the true sum than the CPU's float
 * chains, and within the bound of n eps from it. Integers and bool are summed in int64 and wrap around. The kernels, and who
 * computes what, are in reduction.h. */
#include <limits.h>
#include <math.h>

#include "cuda/reduction.h"

/* What sums of a dtype are accumulated in, and what its extrema are compared in. */
template <class T> struct widened {
    typedef int64_t sum, value;
};
template <> struct widened<float> {
    typedef double sum;
    typedef float value;
};
template <> struct widened<double> {
    typedef double sum, value;
};
template <> struct widened<__nv_bfloat16> {
    typedef double sum;
    typedef float value;
};

/* ---- sums and products ---- */

static __device__ __forceinline__ double plus(double a, double b) { return a + b; }
static __device__ __forceinline__ double times(double a, double b) { return a * b; }
static __device__ __forceinline__ int64_t plus(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static __device__ __forceinline__ int64_t times(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

template <class Element, bool PRODUCT> struct totals {
    typedef Element T;
    typedef typename widened<T>::sum acc;
    enum { N = 1 };
    const T *in[N];
    acc *parts;
    gr_result result;

    static __device__ acc none() { return PRODUCT; }
    static __device__ acc join(acc a, acc b) { return PRODUCT ? times(a, b) : plus(a, b); }
    static __device__ acc term(const T *v, int64_t, int64_t) { return (acc)v[0]; }
    __device__ void store(int64_t at, acc a) const { result.put(at, a); }
};

template <class T, bool PRODUCT>
static bool total(gr_stream *at, const gr_result &result, const T *x, const gr_rows_view<1> &view)
{
    typedef totals<T, PRODUCT> op_type;
    typedef typename op_type::acc acc;
    op_type op = {};
    op.in[0] = x;
    op.result = result;
    return gr_reduce_in_stages(at, op, view, "reduce", [&](const acc *parts, int64_t segments) {
        return total<acc, PRODUCT>(at, result, parts, gr_rows_view<1>(view.rows, segments));
    });
}

bool gr_add_parts(gr_stream *at, const gr_result &result, const double *parts, int64_t rows, int64_t n)
{
    return total<double, false>(at, result, parts, gr_rows_view<1>(rows, n));
}

bool gr_add_parts(gr_stream *at, const gr_result &result, const int64_t *parts, int64_t rows, int64_t n)
{
    return total<int64_t, false>(at, result, parts, gr_rows_view<1>(rows, n));
}

/* ---- extrema and their places: NaN beats all, the first of equals stays ---- */

template <class V> static __device__ __forceinline__ bool is_nan(V x) { return x != x; }
static __device__ __forceinline__ bool is_nan(int64_t) { return false; }

template <class V> static __device__ V lowest() { return (V)-INFINITY; }
template <> __device__ int64_t lowest<int64_t>() { return INT64_MIN; }
template <class V> static __device__ V highest() { return (V)INFINITY; }
template <> __device__ int64_t highest<int64_t>() { return INT64_MAX; }

template <class V> struct contest {
    typedef gr_place<V> acc;
    enum { N = 1 };
    acc *parts;
    gr_result values; /* .to NULL: not wanted */
    int64_t *indices;
    int64_t largest; /* a bool; arguments of kernels have no padding */

    __device__ acc none() const { return {largest ? lowest<V>() : highest<V>(), INT64_MAX}; }
    __device__ acc join(acc a, acc b) const
    {
        const bool first = a.at < b.at, a_nan = is_nan(a.value), b_nan = is_nan(b.value);
        if (a_nan || b_nan) return a_nan && (!b_nan || first) ? a : b;
        if (a.value == b.value) return first ? a : b;
        return (a.value > b.value) == (bool)largest ? a : b;
    }
    __device__ void store(int64_t at, acc a) const
    {
        if (values.to) put(at, a.value);
        if (indices) indices[at] = a.at;
    }

private:
    __device__ void put(int64_t at, double value) const { values.put(at, value); }
    __device__ void put(int64_t at, int64_t value) const { values.put(at, value); }
};

template <class Element> struct extrema : contest<typename widened<Element>::value> {
    typedef Element T;
    const T *in[1];
    static __device__ gr_place<typename widened<T>::value> term(const T *v, int64_t, int64_t j)
    {
        return {(typename widened<T>::value)v[0], j};
    }
};

/* Of the segments' results. */
template <class V> struct joined_extrema : contest<V> {
    typedef gr_place<V> T;
    const T *in[1];
    static __device__ T term(const T *v, int64_t, int64_t) { return v[0]; }
};

template <class Op, class V>
static bool select(gr_stream *at, const contest<V> &how, const typename Op::T *x, const gr_rows_view<1> &view)
{
    Op op = {};
    static_cast<contest<V> &>(op) = how;
    op.in[0] = x;
    return gr_reduce_in_stages(at, op, view, "reduce", [&](const gr_place<V> *parts, int64_t segments) {
        return select<joined_extrema<V>>(at, how, parts, gr_rows_view<1>(view.rows, segments));
    });
}

template <class T>
static bool extremum(gr_stream *at, bool largest, const gr_result &values, int64_t *indices, const T *x, const gr_rows_view<1> &view)
{
    contest<typename widened<T>::value> how = {};
    how.values = values;
    how.indices = indices;
    how.largest = largest;
    return select<extrema<T>>(at, how, x, view);
}

/* ---- the members of the table ---- */

template <class T> static bool reduce(gr_stream *at, gr_reduce kind, gr_result result, const void *from, const gr_rows_view<1> &view)
{
    const T *x = view.n ? (const T *)from : nullptr;
    if (kind == GR_REDUCE_MAX || kind == GR_REDUCE_MIN) return extremum(at, kind == GR_REDUCE_MAX, result, nullptr, x, view);
    if (kind == GR_REDUCE_PROD) return total<T, true>(at, result, x, view);
    if (kind == GR_REDUCE_MEAN) result.divisor = view.n ? (double)view.n : NAN; /* of nothing it is NaN */
    return total<T, false>(at, result, x, view);
}

bool gr_cuda_reduce(gr_reduce kind, gr_tensor *y, const gr_tensor *x, unsigned dims, bool add)
{
    gr_stream *at = gr_stream_of(y);
    const gr_result result = {y->data, y->dtype, add, 0};
    if (!at) return false;
    if (y->numel == 0) return true;
    /* of nothing, the sizes may be too large to be multiplied */
    const gr_rows_view<1> view = x->numel ? gr_rows_view<1>(&x, dims) : gr_rows_view<1>(y->numel, 0);
    switch (x->dtype) {
    case GR_FLOAT32: return reduce<float>(at, kind, result, x->data, view);
    case GR_FLOAT64: return reduce<double>(at, kind, result, x->data, view);
    case GR_BFLOAT16: return reduce<__nv_bfloat16>(at, kind, result, x->data, view);
    case GR_INT64: return reduce<int64_t>(at, kind, result, x->data, view);
    case GR_INT32: return reduce<int32_t>(at, kind, result, x->data, view);
    default: return reduce<uint8_t>(at, kind, result, x->data, view); /* a bool is 0 or 1 in a byte */
    }
}

template <class T>
static bool arg_reduce(gr_stream *at, bool largest, const gr_result &values, int64_t *indices, const gr_tensor *x, unsigned dims)
{
    return extremum(at, largest, values, indices, (const T *)(const void *)x->data, gr_rows_view<1>(&x, dims));
}

bool gr_cuda_arg_reduce(bool largest, gr_tensor *values, gr_tensor *indices, const gr_tensor *x, int dim)
{
    gr_stream *at = gr_stream_of(x);
    const unsigned dims = dim < 0 ? (1u << x->dim) - 1 : 1u << dim;
    const gr_result to = {values ? values->data : nullptr, x->dtype, false, 0};
    int64_t *places = indices ? (int64_t *)(void *)indices->data : nullptr;
    if (!at) return false;
    if (x->numel == 0) return true;
    switch (x->dtype) {
    case GR_FLOAT32: return arg_reduce<float>(at, largest, to, places, x, dims);
    case GR_FLOAT64: return arg_reduce<double>(at, largest, to, places, x, dims);
    case GR_BFLOAT16: return arg_reduce<__nv_bfloat16>(at, largest, to, places, x, dims);
    case GR_INT64: return arg_reduce<int64_t>(at, largest, to, places, x, dims);
    case GR_INT32: return arg_reduce<int32_t>(at, largest, to, places, x, dims);
    default: return arg_reduce<uint8_t>(at, largest, to, places, x, dims);
    }
}
