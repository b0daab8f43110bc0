/* device.h - what the plug-in's files share: the device and stream that a call works on, its errors, and temporaries. */
#ifndef GR_CUDA_DEVICE_H
#define GR_CUDA_DEVICE_H
#include "core/plugin.h"
#include "cuda/compat.h"

extern const gr_host_api *gr_host;

/* What a call works on: a thread's stream on a device. */
struct gr_stream {
    cudaStream_t stream;
    int device;               /* its place in gr_devices */
    struct gr_offence *error; /* in the device's memory: the first index out of range, see offence.h */
    void *workspace;          /* of matrix products; NULL before the first, or without memory */
};
/* This thread's on the device, which becomes the current one; NULL after reporting a failure. */
gr_stream *gr_stream_of(int device);
static inline gr_stream *gr_stream_of(const gr_tensor *x)
{
    return gr_stream_of(x->device);
}

/* Reports a CUDA call that failed, once per error: "cudaMalloc failed: out of memory". True when it did not. */
bool gr_cuda_ok(cudaError_t error, const char *what);
#define GR_CUDA(call) gr_cuda_ok(call, #call)
/* After a launch: the launch's own error. */
bool gr_launched(const char *kernel);

/* A temporary in the device's memory, given back at the end of the block: work is ordered by the stream. */
struct gr_temporary {
    gr_storage *block;
    gr_temporary(int device, size_t bytes) : block(bytes ? gr_host->borrow(device, bytes) : nullptr) {}
    gr_temporary(const gr_temporary &) = delete;
    gr_temporary &operator=(const gr_temporary &) = delete;
    ~gr_temporary()
    {
        if (block) gr_host->give_back(block);
    }
    explicit operator bool() const { return block != nullptr; }
    template <class T> T *as() const { return reinterpret_cast<T *>(block->data); }
};

enum {
    GR_THREADS = 256,         /* of a block, where nothing else asks for another number */
    GR_BLOCKS_ALONG_Y = 65535 /* the most that CUDA launches along y */
};
/* Blocks for `work` elements, `each` in a block; beyond the most, threads go round again. */
static inline unsigned gr_blocks(int64_t work, int64_t each)
{
    const int64_t most = (int64_t)1 << 20, blocks = (work + each - 1) / each;
    return (unsigned)(blocks < 1 ? 1 : blocks < most ? blocks : most);
}

/* A row-major tensor in `memory`, of dtype, shape's sizes, on its device. */
gr_tensor gr_describe(const gr_tensor *shape, int dtype, void *memory);

/* x, or a row-major copy of it, which lasts as long as this. Of x only data, dtype, dim and axes are read. False without
 * memory, after reporting. */
struct gr_converted {
    const gr_tensor *tensor = nullptr;
    gr_converted() = default;
    gr_converted(const gr_converted &) = delete;
    gr_converted &operator=(const gr_converted &) = delete;
    ~gr_converted()
    {
        if (block) gr_host->give_back(block);
    }
    bool make(const gr_tensor *x, int dtype); /* a copy if its dtype is another one; x is a whole tensor */
    bool make_copy(const gr_tensor *x, int dtype, int device);

private:
    gr_tensor copy;
    gr_storage *block = nullptr;
};

/* What a dtype is computed in. */
template <class T> struct gr_computed {
    typedef T type;
};
template <> struct gr_computed<__nv_bfloat16> {
    typedef float type;
};

static inline size_t gr_bytes_of(int dtype)
{
    const size_t bytes[GR_DTYPES] = {4, 8, 2, 8, 4, 1, 1};
    return bytes[dtype];
}

/* ---- the kernels, one file per family ---- */
void gr_matmul_precision(bool tf32); /* linalg.cu: of float32 products */
void gr_cuda_fill(gr_tensor *y, gr_value value);
void gr_cuda_copy(gr_tensor *y, const gr_tensor *x);
void gr_cuda_accumulate(gr_tensor *y, const gr_tensor *x);
void gr_cuda_elementwise(int code, gr_tensor *y, const gr_operands *o);
void gr_cuda_elementwise_back(int code, int i, gr_tensor *dx, bool add, const gr_tensor *dy, const gr_operands *o,
                              const gr_tensor *y);
void gr_cuda_where(gr_tensor *y, const gr_tensor *condition, gr_value a, gr_value b);
bool gr_cuda_reduce(gr_reduce kind, gr_tensor *y, const gr_tensor *x, unsigned dims, bool add);
bool gr_cuda_arg_reduce(bool largest, gr_tensor *values, gr_tensor *indices, const gr_tensor *x, int dim);
bool gr_cuda_extremum_back(gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *y,
                           unsigned dims);
bool gr_cuda_matmul(gr_tensor *y, const gr_tensor *a, const gr_tensor *b, bool add);
bool gr_cuda_linear(gr_tensor *y, const gr_tensor *x, const gr_tensor *w, const gr_tensor *bias);
bool gr_cuda_mse(gr_tensor *y, const gr_tensor *x, const gr_tensor *t, bool mean);
void gr_cuda_mse_back(gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *t, bool mean,
                      bool negative);
void gr_cuda_index_select(gr_tensor *y, const gr_tensor *x, int dim, const gr_tensor *index);
void gr_cuda_index_add(gr_tensor *x, int dim, const gr_tensor *index, const gr_tensor *y);
void gr_cuda_update_f32(int code, int device, const gr_update_item *item, int64_t count, const double *number);
void gr_cuda_update_f64(int code, int device, const gr_update_item *item, int64_t count, const double *number);
void gr_cuda_update_bf16(int code, int device, const gr_update_item *item, int64_t count, const double *number);

#endif
