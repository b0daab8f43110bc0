/* index.cu - slices of a tensor along a dimension, taken or added to by index. An index out of range is skipped and noted. */
#include "cuda/offence.h"
#include "cuda/strides.h"

struct indexing {
    const int64_t *index;
    int64_t index_step, count, first; /* first: the number of index[0] */
    int64_t size, step, slices_step;  /* of the dimension: its size, and from slice to slice in both tensors */
    gr_offence *error;
    int64_t call; /* an int, see gr_offence_call; arguments of kernels have no padding */
};

static indexing indexing_of(gr_stream *at, const gr_tensor *x, const gr_tensor *slices, int dim, const gr_tensor *index)
{
    indexing in = {};
    in.index = (const int64_t *)(const void *)index->data;
    in.index_step = index->axis[0].stride;
    in.count = index->axis[0].size;
    in.size = x->axis[dim].size;
    in.step = x->axis[dim].stride;
    in.slices_step = slices->axis[dim].stride;
    in.error = at->error;
    in.call = gr_offence_call("index", in.size);
    return in;
}

/* ---- index_select: each thread writes some elements of y ---- */

/* at: of y, of x without the indexed dimension, and the number of the index. */
template <class T> __global__ void select_kernel(T *y, const T *x, indexing in, gr_strides<3> at, uint32_t count)
{
    for (uint32_t e = blockIdx.x * blockDim.x + threadIdx.x; e < count; e += gridDim.x * blockDim.x) {
        int64_t offset[3];
        at.at(e, offset);
        const int64_t i = offset[2], k = in.index[i * in.index_step];
        const bool ok = gr_index_ok(in.error, in.call, in.first + i, k, in.size);
        y[offset[0]] = ok ? x[offset[1] + k * in.step] : T();
    }
}

template <class T> static void select(gr_stream *at, gr_tensor *y, const gr_tensor *x, int dim, const gr_tensor *index)
{
    const indexing whole = indexing_of(at, x, y, dim, index);
    gr_layout<3> layout;
    for (int d = 0; d < y->dim; d++) {
        const int64_t by[3] = {y->axis[d].stride, d == dim ? 0 : x->axis[d].stride, d == dim};
        layout.add(y->axis[d].size, by);
    }
    layout.parts([&](const gr_strides<3> &strides, const int64_t *first, int64_t n) {
        indexing in = whole;
        in.first = first[2];
        in.index += first[2] * in.index_step;
        GR_LAUNCH((select_kernel<T>), gr_blocks(n, GR_THREADS), GR_THREADS, 0, at->stream, (T *)(void *)y->data + first[0],
                  (const T *)(const void *)x->data + first[1], in, strides, (uint32_t)n);
        gr_launched("index_select");
    });
}

void gr_cuda_index_select(gr_tensor *y, const gr_tensor *x, int dim, const gr_tensor *index)
{
    gr_stream *at = gr_stream_of(y);
    if (!at || y->numel == 0) return;
    switch (gr_bytes_of(x->dtype)) { /* elements are only moved */
    case 1: select<uint8_t>(at, y, x, dim, index); break;
    case 2: select<uint16_t>(at, y, x, dim, index); break;
    case 4: select<uint32_t>(at, y, x, dim, index); break;
    default: select<uint64_t>(at, y, x, dim, index); break;
    }
}

/* ---- index_add ---- */

/* One thread per element of a slice and group of places along the dimension. It goes through the whole index and adds what
 * falls into its group: in the order of the index, so that each sum has the CPU's bits. Groups are a power of two. */
template <class T> __global__ void add_kernel(T *x, const T *y, indexing in, gr_strides<2> slice, uint32_t elements)
{
    typedef typename gr_computed<T>::type real;
    __shared__ int64_t place[GR_THREADS]; /* -1: out of range */
    const uint32_t e = blockIdx.x * blockDim.x + threadIdx.x;
    const int64_t group = blockIdx.y, others = gridDim.y - 1;
    int64_t offset[2] = {0, 0};
    if (e < elements) slice.at(e, offset);
    for (int64_t begin = 0; begin < in.count; begin += blockDim.x) {
        const int64_t mine = begin + threadIdx.x, left = in.count - begin;
        if (mine < in.count) {
            const int64_t k = in.index[mine * in.index_step];
            place[threadIdx.x] = gr_index_ok(in.error, in.call, mine, k, in.size) ? k : -1;
        }
        __syncthreads();
        for (int j = 0; j < (int)blockDim.x && j < left && e < elements; j++) {
            const int64_t k = place[j];
            if (k < 0 || (k & others) != group) continue;
            T *to = x + offset[0] + k * in.step;
            *to = (T)((real)*to + (real)y[offset[1] + (begin + j) * in.slices_step]);
        }
        __syncthreads();
    }
}

/* As many as give each multiprocessor something to do, if there are places for them. */
static unsigned groups_of(int64_t size, int64_t blocks)
{
    const unsigned most = 64;
    const int64_t enough = 1024;
    unsigned groups = 1;
    while (groups < most && groups < size && groups * blocks < enough) groups *= 2;
    return groups;
}

template <class T> static void add(gr_stream *at, gr_tensor *x, int dim, const gr_tensor *index, const gr_tensor *y)
{
    const indexing in = indexing_of(at, x, y, dim, index);
    gr_layout<2> slice;
    for (int d = 0; d < x->dim; d++) {
        const int64_t by[2] = {x->axis[d].stride, y->axis[d].stride};
        if (d != dim) slice.add(x->axis[d].size, by);
    }
    slice.parts([&](const gr_strides<2> &strides, const int64_t *first, int64_t n) {
        const unsigned threads = n < GR_THREADS ? (unsigned)(n + 31) / 32 * 32 : (unsigned)GR_THREADS;
        const unsigned blocks = (unsigned)((n + threads - 1) / threads);
        GR_LAUNCH((add_kernel<T>), dim3(blocks, groups_of(in.size, blocks)), threads, 0, at->stream, (T *)(void *)x->data + first[0],
                  (const T *)(const void *)y->data + first[1], in, strides, (uint32_t)n);
        gr_launched("index_add");
    });
}

void gr_cuda_index_add(gr_tensor *x, int dim, const gr_tensor *index, const gr_tensor *y)
{
    gr_stream *at = gr_stream_of(x);
    if (!at || y->numel == 0) return;
    switch (x->dtype) {
    case GR_FLOAT32: add<float>(at, x, dim, index, y); break;
    case GR_FLOAT64: add<double>(at, x, dim, index, y); break;
    case GR_BFLOAT16: add<__nv_bfloat16>(at, x, dim, index, y); break;
    case GR_INT64: add<uint64_t>(at, x, dim, index, y); break; /* integers wrap around */
    case GR_INT32: add<uint32_t>(at, x, dim, index, y); break;
    case GR_UINT8: add<uint8_t>(at, x, dim, index, y); break;
    default: add<bool>(at, x, dim, index, y); break;
    }
}
