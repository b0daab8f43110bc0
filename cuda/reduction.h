/* reduction.h - reductions of any dimensions: what reduce.cu, extremum.cu and mse.cu share.
 *
 * A tensor is seen as [rows, n]: the dimensions that stay, and those that are reduced. The order of a sum depends on n alone,
 * not on strides, nor on the kernel, nor on the device. A row is cut into segments of GR_SEGMENT elements. Element j of a
 * segment belongs to chain (w, l, v) with w = j / 512 mod 8, l = j / 4 mod 32, v = j mod 4; a chain adds its elements in
 * order. Then the four chains of a lane (w, l) are joined, (0 + 1) + (2 + 3), the 32 lanes of w as a tree, neighbours
 * farthest apart first, and the eight w in order. The segments' results are reduced as a row again, until one is left. */
#ifndef GR_CUDA_REDUCTION_H
#define GR_CUDA_REDUCTION_H
#include "cuda/strides.h"

enum {
    GR_LANES = 32,                     /* of a warp */
    GR_VECTOR = 4,                     /* neighbours that a lane takes at once */
    GR_STRIPE = GR_LANES * GR_VECTOR,  /* what a warp takes at once */
    GR_TURN = 4 * GR_STRIPE,           /* and with all its loads under way */
    GR_WARPS = GR_THREADS / GR_LANES,  /* that share a segment */
    GR_WARP_ROW = 2048,                /* rows up to here have a warp each, longer ones a block */
    GR_SHORT_ROW = 32,                 /* rows up to here are reduced side by side, as columns are */
    GR_SIDE_BY_SIDE = 32,              /* rows of a block then; GR_THREADS / GR_SIDE_BY_SIDE threads share one */
    GR_LEAST_COLUMNS = 4               /* rows that lie side by side in memory, for them to be columns */
};
/* Elements that a block reduces, a multiple of GR_WARPS * GR_TURN. device-cut makes it small. */
#ifndef GR_SEGMENT
#define GR_SEGMENT ((int64_t)16384)
#endif

/* ---- tensors as rows ---- */

template <class T> struct __align__(GR_VECTOR * sizeof(T) < 16 ? GR_VECTOR * sizeof(T) : 16) gr_pack {
    T v[GR_VECTOR];
};

/* N tensors of one shape as [rows, n]. */
template <int N> struct gr_rows_view {
    gr_layout<N> kept, reduced;
    int64_t rows, n;

    gr_rows_view(const gr_tensor *const *x, unsigned dims)
    {
        for (int d = 0; d < x[0]->dim; d++) {
            int64_t by[N];
            for (int k = 0; k < N; k++) by[k] = x[k]->axis[d].stride;
            (dims >> d & 1 ? reduced : kept).add(x[0]->axis[d].size, by);
        }
        rows = kept.count();
        n = reduced.count();
    }
    /* Side by side. */
    gr_rows_view(int64_t count, int64_t each) : rows(count), n(each)
    {
        int64_t row[N], one[N];
        for (int k = 0; k < N; k++) row[k] = each, one[k] = 1;
        kept.add(count, row);
        reduced.add(each, one);
    }
    /* Neighbours among the rows are neighbours in memory, those within a row are not; or there are only a few within a row. */
    bool lies_in_columns() const
    {
        if (n <= GR_SHORT_ROW) return true;
        return kept.dim > 0 && kept.stride[kept.dim - 1][0] == 1 && kept.size[kept.dim - 1] >= GR_LEAST_COLUMNS &&
               reduced.stride[reduced.dim - 1][0] != 1;
    }
    /* Each row can be read in vectors. */
    template <class T> bool has_vectors(const T *const *in) const
    {
        bool yes = reduced.dim == 1;
        for (int k = 0; k < N && yes; k++) {
            yes = reduced.stride[0][k] == 1 && (uintptr_t)in[k] % alignof(gr_pack<T>) == 0;
            for (int d = 0; d < kept.dim; d++) yes = yes && kept.stride[d][k] % GR_VECTOR == 0;
        }
        return yes;
    }
};

/* What a launch is told of them. */
template <int N> struct gr_rows_part {
    gr_strides<N> kept;
    gr_wide_strides<N> reduced;
    int64_t first, n; /* the number of its first row; elements of each */
    uint32_t rows, segments;
    int64_t vectors; /* a bool; arguments of kernels have no padding */
};

/* ---- between the lanes of a warp ---- */

static __device__ __forceinline__ double gr_from_lane(double v, int by) { return __shfl_down_sync(~0u, v, by); }
static __device__ __forceinline__ float gr_from_lane(float v, int by) { return __shfl_down_sync(~0u, v, by); }
static __device__ __forceinline__ int64_t gr_from_lane(int64_t v, int by)
{
    return (int64_t)__shfl_down_sync(~0u, (long long)v, by);
}
/* An extremum and where it stands. */
template <class V> struct gr_place {
    V value;
    int64_t at;
};
template <class V> static __device__ __forceinline__ gr_place<V> gr_from_lane(gr_place<V> v, int by)
{
    return {gr_from_lane(v.value, by), gr_from_lane(v.at, by)};
}

/* ---- where results go ---- */

struct gr_result {
    void *to;
    int dtype, add;
    double divisor; /* of a mean; else 0 */

    template <class T> __device__ void put_as(int64_t at, T value) const
    {
        typedef typename gr_computed<T>::type real;
        T *y = (T *)to + at;
        *y = add ? (T)((real)*y + (real)value) : value;
    }
    __device__ void put(int64_t at, double value) const
    {
        if (divisor != 0) value /= divisor;
        if (dtype == GR_FLOAT64) put_as<double>(at, value);
        else if (dtype == GR_FLOAT32) put_as<float>(at, (float)value);
        else put_as<__nv_bfloat16>(at, __nv_bfloat16((float)value));
    }
    /* Integers wrap around. */
    __device__ void put(int64_t at, int64_t value) const
    {
        if (dtype == GR_INT64) put_as<uint64_t>(at, (uint64_t)value);
        else if (dtype == GR_INT32) put_as<uint32_t>(at, (uint32_t)value);
        else if (dtype == GR_UINT8) put_as<uint8_t>(at, (uint8_t)value);
        else put_as<bool>(at, value != 0);
    }
};

/* ---- the kernels ----
 * Op has: N, the number of tensors; T, what they hold, and in[N], where; acc, what is accumulated; none(), which joins
 * without effect; term(v, row, j), what elements v[N] with number j of a row give; join(a, b); parts, where the segments'
 * results go; store(at, acc), the result of a row whose only segment it is. */

template <class Op>
static __device__ __forceinline__ void gr_give(const Op &op, int64_t row, uint32_t segment, uint32_t segments, typename Op::acc a)
{
    if (op.parts) op.parts[row * segments + segment] = a;
    else op.store(row, a);
}

/* The chains of (w, lane): elements w * GR_TURN + 4 lane + 0 to 3, 128 later, and so on, then 8 GR_TURN later. */
template <bool VECTORS, class Op>
static __device__ typename Op::acc gr_add_chains(const Op &op, const gr_rows_part<Op::N> &x, const int64_t *base, int64_t row,
                                                 int64_t begin, int64_t end, int w, int lane)
{
    typedef typename Op::acc acc;
    acc chain[GR_VECTOR];
    typename Op::T v[Op::N];
    GR_UNROLL
    for (int i = 0; i < GR_VECTOR; i++) chain[i] = op.none();
    for (int64_t turn = begin + w * GR_TURN; turn < end; turn += GR_WARPS * GR_TURN) {
        if (VECTORS && x.vectors && turn + GR_TURN <= end) {
            gr_pack<typename Op::T> pack[GR_TURN / GR_STRIPE][Op::N];
            GR_UNROLL
            for (int s = 0; s < GR_TURN / GR_STRIPE; s++)
                GR_UNROLL
                for (int k = 0; k < Op::N; k++)
                    pack[s][k] = *(const gr_pack<typename Op::T> *)(op.in[k] + base[k] + turn + s * GR_STRIPE + lane * GR_VECTOR);
            GR_UNROLL
            for (int s = 0; s < GR_TURN / GR_STRIPE; s++)
                GR_UNROLL
                for (int i = 0; i < GR_VECTOR; i++) {
                    GR_UNROLL
                    for (int k = 0; k < Op::N; k++) v[k] = pack[s][k].v[i];
                    chain[i] = op.join(chain[i], op.term(v, row, turn + s * GR_STRIPE + lane * GR_VECTOR + i));
                }
            continue;
        }
        for (int64_t j = turn + lane * GR_VECTOR; j < turn + GR_TURN && j < end; j += GR_STRIPE)
            GR_UNROLL
            for (int i = 0; i < GR_VECTOR; i++) {
                int64_t offset[Op::N];
                if (j + i >= end) break;
                x.reduced.at(j + i, offset);
                GR_UNROLL
                for (int k = 0; k < Op::N; k++) v[k] = op.in[k][base[k] + offset[k]];
                chain[i] = op.join(chain[i], op.term(v, row, j + i));
            }
    }
    return op.join(op.join(chain[0], chain[1]), op.join(chain[2], chain[3]));
}

/* WARPS warps of a block reduce a segment, each some of its w, and the first thread joins these. */
template <class Op, int WARPS> __global__ void gr_rows_kernel(Op op, const __grid_constant__ gr_rows_part<Op::N> x)
{
    typedef typename Op::acc acc;
    enum { UNITS = GR_WARPS / WARPS };
    __shared__ acc partial[GR_WARPS];
    const int warp = (int)threadIdx.x / GR_LANES % WARPS, lane = (int)threadIdx.x % GR_LANES;
    const uint32_t unit = blockIdx.x * UNITS + threadIdx.x / (WARPS * GR_LANES);
    const uint32_t row = unit / x.segments, segment = unit - row * x.segments;
    const int64_t begin = segment * GR_SEGMENT;
    const int64_t end = row >= x.rows ? begin : x.n - begin < GR_SEGMENT ? x.n : begin + GR_SEGMENT;
    int64_t base[Op::N] = {};
    if (row < x.rows) x.kept.at(row, base);
    acc all = op.none();
    for (int w = warp; w < GR_WARPS && begin + w * GR_TURN < end; w += WARPS) {
        acc sum = gr_add_chains<true>(op, x, base, x.first + row, begin, end, w, lane);
        GR_UNROLL
        for (int by = GR_LANES / 2; by > 0; by /= 2) sum = op.join(sum, gr_from_lane(sum, by));
        all = w ? op.join(all, sum) : sum;
    }
    if (WARPS > 1) {
        if (lane == 0) partial[warp] = all;
        __syncthreads();
        for (int w = 1; w < WARPS && begin + w * GR_TURN < end && threadIdx.x == 0; w++) all = op.join(all, partial[w]);
    }
    if (warp == 0 && lane == 0 && row < x.rows) gr_give(op, x.first + row, segment, x.segments, all);
}

/* A block reduces a segment of GR_SIDE_BY_SIDE rows, DEEP threads to a row: thread y has lanes y, y + DEEP, .... */
template <class Op> __global__ void gr_columns_kernel(Op op, const __grid_constant__ gr_rows_part<Op::N> x)
{
    typedef typename Op::acc acc;
    enum { DEEP = GR_THREADS / GR_SIDE_BY_SIDE };
    __shared__ acc partial[GR_LANES][GR_SIDE_BY_SIDE];
    const int column = (int)threadIdx.x, y = (int)threadIdx.y;
    const uint32_t row = blockIdx.x * GR_SIDE_BY_SIDE + threadIdx.x;
    const int64_t begin = blockIdx.y * GR_SEGMENT;
    const int64_t end = x.n - begin < GR_SEGMENT ? x.n : begin + GR_SEGMENT;
    int64_t base[Op::N] = {};
    if (row < x.rows) x.kept.at(row, base);
    acc all = op.none();
    for (int w = 0; w < GR_WARPS && begin + w * GR_TURN < end; w++) {
        if (row < x.rows) {
            for (int lane = y; lane < GR_LANES; lane += DEEP)
                partial[lane][column] = gr_add_chains<false>(op, x, base, x.first + row, begin, end, w, lane);
            for (int by = GR_LANES / 2; by >= DEEP; by /= 2)
                for (int lane = y; lane < by; lane += DEEP)
                    partial[lane][column] = op.join(partial[lane][column], partial[lane + by][column]);
        }
        for (int by = DEEP / 2; by > 0; by /= 2) {
            __syncthreads();
            if (row < x.rows && y < by) partial[y][column] = op.join(partial[y][column], partial[y + by][column]);
        }
        if (row < x.rows && y == 0) all = w ? op.join(all, partial[0][column]) : partial[0][column];
        __syncthreads();
    }
    if (row < x.rows && y == 0) gr_give(op, x.first + row, blockIdx.y, x.segments, all);
}

/* ---- launches ---- */

static inline int64_t gr_segments(int64_t n)
{
    return n > GR_SEGMENT ? (n + GR_SEGMENT - 1) / GR_SEGMENT : 1;
}

template <class Op> static bool gr_launch_rows(gr_stream *at, const Op &op, const gr_rows_part<Op::N> &x, bool columns, const char *name)
{
    const int64_t units = (int64_t)x.rows * x.segments;
    const unsigned across = (x.rows + GR_SIDE_BY_SIDE - 1) / GR_SIDE_BY_SIDE;
    if (columns)
        GR_LAUNCH((gr_columns_kernel<Op>), dim3(across, x.segments), dim3(GR_SIDE_BY_SIDE, GR_THREADS / GR_SIDE_BY_SIDE), 0,
                  at->stream, op, x);
    else if (x.n <= GR_WARP_ROW)
        GR_LAUNCH((gr_rows_kernel<Op, 1>), (unsigned)((units + GR_WARPS - 1) / GR_WARPS), GR_THREADS, 0, at->stream, op, x);
    else
        GR_LAUNCH((gr_rows_kernel<Op, GR_WARPS>), (unsigned)units, GR_THREADS, 0, at->stream, op, x);
    return gr_launched(name);
}

/* Every segment of every row. */
template <class Op> bool gr_reduce_segments(gr_stream *at, const Op &op, const gr_rows_view<Op::N> &x, const char *name)
{
    gr_rows_part<Op::N> part = {};
    part.reduced.set(x.reduced);
    part.n = x.n;
    part.segments = (uint32_t)gr_segments(x.n);
    part.vectors = x.has_vectors(op.in);
    const bool columns = x.lies_in_columns() && part.segments <= GR_BLOCKS_ALONG_Y;
    bool ok = true;
    x.kept.parts(
        [&](const gr_strides<Op::N> &kept, const int64_t *first, int64_t rows) {
            Op moved = op;
            for (int k = 0; k < Op::N; k++) moved.in[k] += first[k];
            part.kept = kept;
            part.rows = (uint32_t)rows;
            ok = ok && gr_launch_rows(at, moved, part, columns, name);
            part.first += rows;
        },
        GR_AT_ONCE / part.segments);
    return ok;
}

/* Segments, then join(parts, segments) when there are several in a row. */
template <class Op, class Join>
bool gr_reduce_in_stages(gr_stream *at, Op op, const gr_rows_view<Op::N> &x, const char *name, Join join)
{
    const int64_t segments = gr_segments(x.n);
    if (segments == 1) return gr_reduce_segments(at, op, x, name);
    gr_temporary parts(at->device, (size_t)(x.rows * segments) * sizeof(typename Op::acc));
    if (!parts) return false;
    op.parts = parts.as<typename Op::acc>();
    return gr_reduce_segments(at, op, x, name) && join((const typename Op::acc *)op.parts, segments);
}

/* reduce.cu: result r = the sum of parts[r][0 to n - 1], all side by side. */
bool gr_add_parts(gr_stream *at, const gr_result &result, const double *parts, int64_t rows, int64_t n);
bool gr_add_parts(gr_stream *at, const gr_result &result, const int64_t *parts, int64_t rows, int64_t n);

#endif
