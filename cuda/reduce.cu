/* reduce.cu - sums, means, products, extrema and their places over any dimensions.
 *
 * Sums and products of floats are accumulated in double and rounded once: nearer to the true sum than the CPU's float
 * chains, and independent of the order but for the last bits. Integers and bool are summed in int64. */
#include <math.h>

#include "cuda/reduction.h"

template <class T> static __device__ __forceinline__ bool is_nan(T x) { return x != x; }

/* What sums of a dtype are accumulated in, what extrema are compared in. */
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

/* ---- how two results join ---- */

template <class A> struct adds {
    static __device__ A none() { return 0; }
    static __device__ A join(A a, A b) { return (A)(a + b); }
};
template <class A> struct multiplies {
    static __device__ A none() { return 1; }
    static __device__ A join(A a, A b) { return (A)(a * b); }
};
/* Nothing is what the other one beats: the place tells. NaN beats all, the first of equals stays. */
template <class V, bool LARGEST> struct selects {
    typedef gr_place<V> A;
    static __device__ A none() { return {V(), -1}; }
    static __device__ A join(A a, A b)
    {
        if (a.at < 0 || b.at < 0) return a.at < 0 ? b : a;
        const bool equal = a.value == b.value || (is_nan(a.value) && is_nan(b.value));
        if (equal) return a.at <= b.at ? a : b;
        if (is_nan(a.value) || is_nan(b.value)) return is_nan(a.value) ? a : b;
        return (LARGEST ? a.value > b.value : a.value < b.value) ? a : b;
    }
};

/* ---- results ---- */

/* The accumulated number, divided by n for a mean, in the result's dtype. */
template <class R, class A> static __device__ R rounded(A a, double divisor)
{
    return (R)(divisor != 0 ? (double)a / divisor : (double)a);
}
template <> __device__ int64_t rounded<int64_t, int64_t>(int64_t a, double) { return a; }
template <> __device__ __nv_bfloat16 rounded<__nv_bfloat16, double>(double a, double divisor)
{
    return __nv_bfloat16((float)(divisor != 0 ? a / divisor : a));
}

/* Sums and products: of x, or of the segments' results. */
template <class T, class R, class Join> struct totals : Join {
    typedef typename widened<T>::sum acc;
    enum { N = 1 };
    const T *x;
    acc *parts; /* where the segments' results go; NULL: there is one segment, and the row's result goes to y */
    R *y;
    double divisor;
    int64_t add; /* a whole word: no byte of the arguments is undefined */

    void move(const int64_t *first) { x += first[0]; }
    __device__ acc load(const int64_t *offset, int64_t, int64_t) const { return (acc)x[offset[0]]; }
    __device__ void store(int64_t at, acc a) const
    {
        if (parts) {
            parts[at] = a;
            return;
        }
        const R value = rounded<R>(a, divisor);
        y[at] = add ? (R)(y[at] + value) : value;
    }
};

/* Extrema and their places. */
template <class T, class Join> struct places : Join {
    typedef gr_place<typename widened<T>::value> acc;
    enum { N = 1 };
    const T *x;
    const acc *earlier; /* not NULL: the segments' results, instead of x */
    acc *parts;
    T *values;
    int64_t *indices;
    int64_t add;

    void move(const int64_t *first)
    {
        if (earlier) earlier += first[0];
        else x += first[0];
    }
    __device__ acc load(const int64_t *offset, int64_t, int64_t j) const
    {
        if (earlier) return earlier[offset[0]];
        return {(typename widened<T>::value)x[offset[0]], j};
    }
    __device__ void store(int64_t at, acc a) const
    {
        if (parts) {
            parts[at] = a;
            return;
        }
        if (values) values[at] = add ? (T)(values[at] + (T)a.value) : (T)a.value;
        if (indices) indices[at] = a.at;
    }
};

/* ---- stages ---- */

/* [rows, n] side by side, as a tensor to be reduced along its second dimension. */
static gr_tensor matrix(const gr_tensor *like, int64_t rows, int64_t n)
{
    gr_tensor m = *like;
    m.dim = 2;
    m.axis[0] = {rows, n};
    m.axis[1] = {n, 1};
    return m;
}

/* Segments, then the segments' results, until one is left: again(results, how they lie) reduces these. */
template <class Op, class Again>
static bool in_stages(gr_stream *at, Op op, const gr_matrix_view<1> &x, const gr_tensor *like, Again again)
{
    const int64_t segments = gr_segments(x.n);
    if (segments == 1) {
        gr_reduce_segments(at, op, x);
        return gr_launched("reduce");
    }
    gr_temporary parts(like->device, (size_t)(x.rows * segments) * sizeof(typename Op::acc));
    if (!parts) return false;
    op.parts = parts.as<typename Op::acc>();
    gr_reduce_segments(at, op, x);
    const gr_tensor joined = matrix(like, x.rows, segments), *const one[] = {&joined};
    return gr_launched("reduce") && again(op.parts, gr_matrix_view<1>(one, 2));
}

template <class T, class R, class Join>
static bool total(gr_stream *at, const gr_tensor *y, const gr_tensor *x, const gr_matrix_view<1> &view, double divisor, bool add);

/* The stages after the first read what is accumulated in. */
template <class A, class R, class Join>
static bool total_again(gr_stream *at, const gr_tensor *y, const A *parts, const gr_matrix_view<1> &view, double divisor, bool add)
{
    gr_tensor source = *y;
    source.data = (char *)parts;
    return total<A, R, Join>(at, y, &source, view, divisor, add);
}

template <class T, class R, class Join>
static bool total(gr_stream *at, const gr_tensor *y, const gr_tensor *x, const gr_matrix_view<1> &view, double divisor, bool add)
{
    typedef totals<T, R, Join> op_type;
    op_type op = {};
    op.x = (const T *)(const void *)x->data;
    op.parts = nullptr;
    op.y = (R *)(void *)y->data;
    op.divisor = divisor;
    op.add = add;
    return in_stages(at, op, view, y,
                     [&](const typename op_type::acc *parts, const gr_matrix_view<1> &next) {
                         return total_again<typename op_type::acc, R, Join>(at, y, parts, next, divisor, add);
                     });
}

template <class T, class Join>
static bool select(gr_stream *at, gr_tensor *values, gr_tensor *indices, const gr_tensor *x, const gr_matrix_view<1> &view, bool add,
                   const typename places<T, Join>::acc *earlier)
{
    typedef places<T, Join> op_type;
    op_type op = {};
    op.x = (const T *)(const void *)x->data;
    op.earlier = earlier;
    op.parts = nullptr;
    op.values = values ? (T *)(void *)values->data : nullptr;
    op.indices = indices ? (int64_t *)(void *)indices->data : nullptr;
    op.add = add;
    return in_stages(at, op, view, values ? values : indices,
                     [&](const typename op_type::acc *parts, const gr_matrix_view<1> &next) {
                         return select<T, Join>(at, values, indices, x, next, add, parts);
                     });
}

/* Rows of 2^31 elements or more that are not one dimension in memory are copied first. */
static bool needs_copy(const gr_matrix_view<1> &view)
{
    return view.n >= (int64_t)1 << 31 && view.reduced.dim > 1;
}

static const gr_tensor *row_by_row(const gr_tensor *x, unsigned dims, gr_tensor *permuted, gr_tensor *copied, gr_storage **block)
{
    *permuted = *x;
    permuted->dim = 0;
    for (int reduced = 0; reduced < 2; reduced++)
        for (int d = 0; d < x->dim; d++)
            if ((int)(dims >> d & 1) == reduced) permuted->axis[permuted->dim++] = x->axis[d];
    permuted->contiguous = false;
    *block = gr_host->borrow(x->device, (size_t)x->numel * gr_bytes_of(x->dtype));
    if (!*block) return nullptr;
    *copied = gr_describe(permuted, x->dtype, (*block)->data);
    gr_cuda_copy(copied, permuted);
    return copied;
}

template <class F> static bool with_rows(const gr_tensor *x, unsigned dims, F f)
{
    const gr_tensor *one[] = {x};
    const gr_matrix_view<1> view(one, dims);
    if (!needs_copy(view)) return f(x, view);
    gr_tensor permuted, copied;
    gr_storage *block;
    one[0] = row_by_row(x, dims, &permuted, &copied, &block);
    if (!one[0]) return false;
    unsigned last = 0;
    for (int d = 0, kept = 0; d < x->dim; d++) kept += !(dims >> d & 1), last = (~0u << kept) & ((1u << x->dim) - 1);
    const bool ok = f(one[0], gr_matrix_view<1>(one, last));
    gr_host->give_back(block);
    return ok;
}

/* ---- the members of the table ---- */

template <class T, class R> static bool reduce(gr_stream *at, gr_reduce kind, gr_tensor *y, const gr_tensor *x, unsigned dims, bool add)
{
    typedef typename widened<T>::sum acc;
    typedef typename widened<T>::value value;
    return with_rows(x, dims, [&](const gr_tensor *from, const gr_matrix_view<1> &view) {
        switch (kind) {
        case GR_REDUCE_SUM: return total<T, R, adds<acc>>(at, y, from, view, 0, add);
        case GR_REDUCE_MEAN: return total<T, R, adds<acc>>(at, y, from, view, (double)view.n, add);
        case GR_REDUCE_PROD: return total<T, R, multiplies<acc>>(at, y, from, view, 0, add);
        case GR_REDUCE_MAX: return select<T, selects<value, true>>(at, y, nullptr, from, view, add, nullptr);
        default: return select<T, selects<value, false>>(at, y, nullptr, from, view, add, nullptr);
        }
    });
}

/* Sums, means and products of nothing. */
static bool reduce_nothing(gr_reduce kind, gr_tensor *y, bool add)
{
    const gr_value value = kind == GR_REDUCE_MEAN ? gr_value_real(NAN) : gr_value_integer(kind == GR_REDUCE_PROD);
    const gr_operands o = {{gr_value_tensor(y), value, gr_value_tensor(nullptr)}, nullptr, (gr_dtype)y->dtype};
    if (add) gr_cuda_elementwise(GR_E_add, y, &o);
    else gr_cuda_fill(y, value);
    return true;
}

bool gr_cuda_reduce(gr_reduce kind, gr_tensor *y, const gr_tensor *x, unsigned dims, bool add)
{
    gr_stream *at = gr_stream_of(y);
    if (!at) return false;
    if (y->numel == 0) return true;
    if (x->numel == 0) return reduce_nothing(kind, y, add);
    switch (x->dtype) {
    case GR_FLOAT32: return reduce<float, float>(at, kind, y, x, dims, add);
    case GR_FLOAT64: return reduce<double, double>(at, kind, y, x, dims, add);
    case GR_BFLOAT16: return reduce<__nv_bfloat16, __nv_bfloat16>(at, kind, y, x, dims, add);
    case GR_INT64: return reduce<int64_t, int64_t>(at, kind, y, x, dims, add);
    case GR_INT32: return reduce<int32_t, int64_t>(at, kind, y, x, dims, add);
    case GR_UINT8: return reduce<uint8_t, int64_t>(at, kind, y, x, dims, add);
    default: return reduce<bool, int64_t>(at, kind, y, x, dims, add);
    }
}

template <class T> static bool arg_reduce(gr_stream *at, bool largest, gr_tensor *values, gr_tensor *indices, const gr_tensor *x, unsigned dims)
{
    typedef typename widened<T>::value value;
    return with_rows(x, dims, [&](const gr_tensor *from, const gr_matrix_view<1> &view) {
        return largest ? select<T, selects<value, true>>(at, values, indices, from, view, false, nullptr)
                       : select<T, selects<value, false>>(at, values, indices, from, view, false, nullptr);
    });
}

bool gr_cuda_arg_reduce(bool largest, gr_tensor *values, gr_tensor *indices, const gr_tensor *x, int dim)
{
    gr_stream *at = gr_stream_of(x);
    const unsigned dims = dim < 0 ? (1u << x->dim) - 1 : 1u << dim;
    if (!at) return false;
    if (x->numel == 0) return true;
    switch (x->dtype) {
    case GR_FLOAT32: return arg_reduce<float>(at, largest, values, indices, x, dims);
    case GR_FLOAT64: return arg_reduce<double>(at, largest, values, indices, x, dims);
    case GR_BFLOAT16: return arg_reduce<__nv_bfloat16>(at, largest, values, indices, x, dims);
    case GR_INT64: return arg_reduce<int64_t>(at, largest, values, indices, x, dims);
    case GR_INT32: return arg_reduce<int32_t>(at, largest, values, indices, x, dims);
    case GR_UINT8: return arg_reduce<uint8_t>(at, largest, values, indices, x, dims);
    default: return arg_reduce<bool>(at, largest, values, indices, x, dims);
    }
}
