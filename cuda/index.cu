/* index.cu - slices of a tensor along a dimension, taken or added to by index. An index out of range is skipped and noted. */
#include "cuda/offence.h"
#include "cuda/strides.h"

/* The dimensions of a slice, in the indexed tensor and in the one of as many slices as there are indices. */
static gr_layout<2> slice_of(const gr_tensor *x, const gr_tensor *slices, int dim)
{
    gr_layout<2> l;
    for (int d = 0; d < x->dim; d++) {
        const int64_t by[2] = {x->axis[d].stride, slices->axis[d].stride};
        if (d != dim) l.add(x->axis[d].size, by);
    }
    return l;
}

struct indexing {
    const int64_t *index;
    int64_t index_step, count;
    int64_t size, step, slices_step; /* of the dimension: its size, and from slice to slice in both tensors */
    int64_t call;
    gr_offence *error;
};

static indexing indexing_of(gr_stream *at, const gr_tensor *x, const gr_tensor *slices, int dim, const gr_tensor *index)
{
    return {(const int64_t *)(const void *)index->data, index->axis[0].stride, index->axis[0].size, x->axis[dim].size,
            x->axis[dim].stride, slices->axis[dim].stride, gr_offence_call("index", x->axis[dim].size), at->error};
}

/* One thread per element of the slice, in blocks side by side along the index. */
template <class T>
__global__ void select_kernel(T *y, const T *x, indexing in, gr_strides<2> slice, uint32_t elements)
{
    const uint32_t e = blockIdx.x * blockDim.x + threadIdx.x;
    int64_t offset[2];
    if (e >= elements) return;
    slice.at(e, offset);
    for (int64_t i = blockIdx.y; i < in.count; i += gridDim.y) {
        const int64_t k = in.index[i * in.index_step];
        const bool ok = gr_index_ok(in.error, in.call, i, k, in.size);
        y[offset[1] + i * in.slices_step] = ok ? x[offset[0] + k * in.step] : T();
    }
}

/* One thread per element of the slice: it adds in the order of the index, so that the sum has the CPU's bits. */
template <class T, class real>
__global__ void add_kernel(T *x, const T *y, indexing in, gr_strides<2> slice, uint32_t elements)
{
    const uint32_t e = blockIdx.x * blockDim.x + threadIdx.x;
    int64_t offset[2];
    if (e >= elements) return;
    slice.at(e, offset);
    for (int64_t i = 0; i < in.count; i++) {
        const int64_t k = in.index[i * in.index_step];
        if (!gr_index_ok(in.error, in.call, i, k, in.size)) continue;
        T *to = x + offset[0] + k * in.step;
        *to = (T)((real)*to + (real)y[offset[1] + i * in.slices_step]);
    }
}

static const int64_t ACROSS = 65535; /* the most blocks along y */

template <class T> static void select(gr_stream *at, gr_tensor *y, const gr_tensor *x, int dim, const gr_tensor *index)
{
    const indexing in = indexing_of(at, x, y, dim, index);
    slice_of(x, y, dim).parts([&](const gr_strides<2> &slice, const int64_t *first, int64_t n) {
        const dim3 grid((unsigned)((n + GR_THREADS - 1) / GR_THREADS), (unsigned)(in.count < ACROSS ? in.count : ACROSS));
        GR_LAUNCH((select_kernel<T>), grid, GR_THREADS, 0, at->stream, (T *)(void *)y->data + first[1],
                  (const T *)(const void *)x->data + first[0], in, slice, (uint32_t)n);
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
    gr_launched("index_select");
}

template <class T, class real> static void add(gr_stream *at, gr_tensor *x, int dim, const gr_tensor *index, const gr_tensor *y)
{
    const indexing in = indexing_of(at, x, y, dim, index);
    slice_of(x, y, dim).parts([&](const gr_strides<2> &slice, const int64_t *first, int64_t n) {
        GR_LAUNCH((add_kernel<T, real>), (unsigned)((n + GR_THREADS - 1) / GR_THREADS), GR_THREADS, 0, at->stream,
                  (T *)(void *)x->data + first[0], (const T *)(const void *)y->data + first[1], in, slice, (uint32_t)n);
    });
}

void gr_cuda_index_add(gr_tensor *x, int dim, const gr_tensor *index, const gr_tensor *y)
{
    gr_stream *at = gr_stream_of(x);
    if (!at || y->numel == 0) return;
    switch (x->dtype) {
    case GR_FLOAT32: add<float, float>(at, x, dim, index, y); break;
    case GR_FLOAT64: add<double, double>(at, x, dim, index, y); break;
    case GR_BFLOAT16: add<__nv_bfloat16, float>(at, x, dim, index, y); break;
    case GR_INT64: add<int64_t, int64_t>(at, x, dim, index, y); break;
    case GR_INT32: add<int32_t, int32_t>(at, x, dim, index, y); break;
    case GR_UINT8: add<uint8_t, uint8_t>(at, x, dim, index, y); break;
    default: add<bool, bool>(at, x, dim, index, y); break;
    }
    gr_launched("index_add");
}
