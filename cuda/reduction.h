/* reduction.h - reductions of any dimensions: what reduce.cu, extremum.cu and mse.cu share.
 *
 * A tensor is seen as [rows, n]: the dimensions that stay, and those that are reduced. Each row is cut into segments of a
 * fixed length, so that the order of additions depends on the shape alone; a block reduces one segment, or several short
 * ones, and the segments' results are reduced by the same kernel until one is left. No order depends on the device. */
#ifndef GR_CUDA_REDUCTION_H
#define GR_CUDA_REDUCTION_H
#include "cuda/strides.h"

enum {
    GR_SEGMENT = 32768, /* elements of a row that one block reduces */
    GR_SHORT = 1024,    /* rows up to here are reduced by a warp each */
    GR_WARP = 32,
    GR_COLUMNS_DEEP = 8 /* threads that share a column */
};

/* N tensors of one shape as [rows, n]. */
template <int N> struct gr_matrix_view {
    gr_layout<N> kept, reduced;
    const gr_tensor *tensor[N];
    int64_t rows, n;

    gr_matrix_view(const gr_tensor *const *x, unsigned dims)
    {
        for (int k = 0; k < N; k++) tensor[k] = x[k];
        for (int d = 0; d < x[0]->dim; d++) {
            int64_t by[N];
            for (int k = 0; k < N; k++) by[k] = x[k]->axis[d].stride;
            (dims >> d & 1 ? reduced : kept).add(x[0]->axis[d].size, by);
        }
        rows = kept.count();
        n = reduced.count();
    }
    /* Neighbours among the rows are neighbours in memory, those within a row are not. */
    bool lies_in_columns() const
    {
        return kept.dim > 0 && kept.stride[kept.dim - 1][0] == 1 && kept.size[kept.dim - 1] >= GR_WARP &&
               (reduced.dim == 0 || reduced.stride[reduced.dim - 1][0] != 1);
    }
};

/* ---- between the threads of a warp ---- */

static __device__ __forceinline__ double gr_from_lane(double v, int by) { return __shfl_down_sync(~0u, v, by); }
static __device__ __forceinline__ float gr_from_lane(float v, int by) { return __shfl_down_sync(~0u, v, by); }
static __device__ __forceinline__ int64_t gr_from_lane(int64_t v, int by)
{
    return (int64_t)__shfl_down_sync(~0u, (long long)v, by);
}
/* An extremum and where it stands. */
template <class T> struct gr_place {
    T value;
    int64_t at;
};
template <class T> static __device__ __forceinline__ gr_place<T> gr_from_lane(gr_place<T> v, int by)
{
    return {gr_from_lane(v.value, by), gr_from_lane(v.at, by)};
}

/* ---- the kernels ----
 * Op has: N, the number of tensors; acc, what is accumulated; none(), what joins without effect; load(offset, row, j),
 * element j of a row; join(a, b), a before b; store(at, acc), the result number `at`: row * segments + segment. */

/* `width` threads of a block reduce one segment: a warp for short rows, else the block. */
template <class Op, int WIDTH>
__global__ void gr_reduce_rows(Op op, gr_strides<Op::N> kept, gr_strides<Op::N> reduced, int64_t first, uint32_t rows, int64_t n,
                               uint32_t segments)
{
    typedef typename Op::acc acc;
    enum { UNITS = GR_THREADS / WIDTH, WARPS = WIDTH / GR_WARP };
    __shared__ acc partial[WARPS];
    const int thread = (int)threadIdx.x % WIDTH;
    const int64_t unit = (int64_t)blockIdx.x * UNITS + threadIdx.x / WIDTH;
    const uint32_t row = (uint32_t)(unit / segments), segment = (uint32_t)(unit % segments);
    acc sum = op.none();
    if (row < rows) {
        int64_t base[Op::N], offset[Op::N];
        const int64_t begin = (int64_t)segment * GR_SEGMENT, end = n - begin < GR_SEGMENT ? n : begin + GR_SEGMENT;
        kept.at(row, base);
        for (int64_t j = begin + thread; j < end; j += WIDTH) {
            reduced.at(j, offset);
            GR_UNROLL
            for (int k = 0; k < Op::N; k++) offset[k] += base[k];
            sum = op.join(sum, op.load(offset, first + row, j));
        }
    }
    for (int by = GR_WARP / 2; by > 0; by /= 2) sum = op.join(sum, gr_from_lane(sum, by));
    if (WARPS > 1) {
        if (thread % GR_WARP == 0) partial[thread / GR_WARP] = sum;
        __syncthreads();
        for (int w = 1; w < WARPS && thread == 0; w++) sum = op.join(sum, partial[w]);
    }
    if (thread == 0 && row < rows) op.store((first + row) * segments + segment, sum);
}

/* 32 columns to a block, each shared by GR_COLUMNS_DEEP threads. */
template <class Op>
__global__ void gr_reduce_columns(Op op, gr_strides<Op::N> kept, gr_strides<Op::N> reduced, int64_t first, uint32_t rows,
                                  int64_t n, uint32_t segments)
{
    typedef typename Op::acc acc;
    __shared__ acc partial[GR_COLUMNS_DEEP][GR_WARP];
    const uint32_t row = blockIdx.x * GR_WARP + threadIdx.x, segment = blockIdx.y;
    acc sum = op.none();
    if (row < rows) {
        int64_t base[Op::N], offset[Op::N];
        const int64_t begin = (int64_t)segment * GR_SEGMENT, end = n - begin < GR_SEGMENT ? n : begin + GR_SEGMENT;
        kept.at(row, base);
        for (int64_t j = begin + threadIdx.y; j < end; j += GR_COLUMNS_DEEP) {
            reduced.at(j, offset);
            GR_UNROLL
            for (int k = 0; k < Op::N; k++) offset[k] += base[k];
            sum = op.join(sum, op.load(offset, first + row, j));
        }
    }
    partial[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y || row >= rows) return;
    for (int k = 1; k < GR_COLUMNS_DEEP; k++) sum = op.join(sum, partial[k][threadIdx.x]);
    op.store((first + row) * segments + segment, sum);
}

static inline int64_t gr_segments(int64_t n)
{
    return n > GR_SEGMENT ? (n + GR_SEGMENT - 1) / GR_SEGMENT : 1;
}

/* Every segment of every row. n < 2^31, or one dimension. */
template <class Op> void gr_reduce_segments(gr_stream *at, const Op &op, const gr_matrix_view<Op::N> &x)
{
    enum { SIDE_BY_SIDE = GR_THREADS / GR_WARP };
    const uint32_t segments = (uint32_t)gr_segments(x.n);
    gr_strides<Op::N> reduced = {};
    reduced.set(x.reduced);
    int64_t done = 0; /* the parts come in the order of the rows */
    x.kept.parts([&](const gr_strides<Op::N> &kept, const int64_t *first, int64_t rows) {
        Op part = op;
        part.move(first);
        if (x.lies_in_columns() && segments < 65536)
            GR_LAUNCH((gr_reduce_columns<Op>), dim3((unsigned)((rows + GR_WARP - 1) / GR_WARP), segments),
                      dim3(GR_WARP, GR_COLUMNS_DEEP), 0, at->stream, part, kept, reduced, done, (uint32_t)rows, x.n, segments);
        else if (x.n <= GR_SHORT)
            GR_LAUNCH((gr_reduce_rows<Op, GR_WARP>), (unsigned)((rows + SIDE_BY_SIDE - 1) / SIDE_BY_SIDE), GR_THREADS, 0,
                      at->stream, part, kept, reduced, done, (uint32_t)rows, x.n, segments);
        else
            GR_LAUNCH((gr_reduce_rows<Op, GR_THREADS>), (unsigned)(rows * segments), GR_THREADS, 0, at->stream, part, kept, reduced,
                      done, (uint32_t)rows, x.n, segments);
        done += rows;
    });
}

#endif
