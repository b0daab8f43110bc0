/* device.cu - the plug-in's door: devices, streams, copies to and from the host, errors. */
#include "cuda/device.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <atomic>
#include <mutex>

#include "cuda/offence.h"

const gr_host_api *gr_host;
static int first_place; /* of device 0 in gr_devices */

/* ---- errors ---- */

static std::atomic<cudaError_t> lost(cudaSuccess); /* an error that CUDA answers every call with from then on */

bool gr_cuda_ok(cudaError_t error, const char *what)
{
    char text[320];
    if (error == cudaSuccess) return true;
    cudaGetLastError(); /* forgets it, unless it stays for ever */
    const bool is_lost = lost != cudaSuccess;
    if (cudaPeekAtLastError() != cudaSuccess) lost = error;
    if (is_lost)
        snprintf(text, sizeof text, "the device is lost since an earlier %s; must end the program", cudaGetErrorName(lost));
    else
        snprintf(text, sizeof text, "%.*s failed: %s (%s); must succeed", (int)strcspn(what, "("), what, cudaGetErrorName(error),
                 cudaGetErrorString(error));
    gr_host->fail(error == cudaErrorMemoryAllocation ? GR_ERROR_MEMORY : GR_ERROR_DEVICE, text);
    return false;
}

bool gr_launched(const char *kernel)
{
    char what[64];
    const cudaError_t error = cudaGetLastError();
    if (error == cudaSuccess) return true;
    snprintf(what, sizeof what, "the launch of %s", kernel);
    return gr_cuda_ok(error, what);
}

/* ---- streams: one per thread and device, made at first use ---- */

static const size_t staging_bytes = 1 << 20; /* of a pinned buffer; two take turns */

struct thread_stream : gr_stream {
    bool ready;
    char *staging[2];
    cudaEvent_t copied[2]; /* the buffer has been read */
    int turn;
    gr_offence *seen; /* pinned: the error word as it was copied back */
};

static thread_local struct {
    thread_stream at[GR_PLUGIN_DEVICES];
    int current; /* counts from 1; 0: not known */
} streams;

static bool make_current(int index)
{
    if (streams.current == index + 1) return true;
    if (!GR_CUDA(cudaSetDevice(index))) return false;
    streams.current = index + 1;
    return true;
}

/* What cannot be freed here ends with the program; parts that were never made are NULL. */
static void end(thread_stream *s)
{
    if (s->stream) cudaStreamSynchronize(s->stream);
    for (int i = 0; i < 2; i++) {
        if (s->copied[i]) cudaEventDestroy(s->copied[i]);
        cudaFreeHost(s->staging[i]);
    }
    cudaFreeHost(s->seen);
    cudaFree(s->error);
    cudaFree(s->workspace);
    if (s->stream) cudaStreamDestroy(s->stream);
    cudaGetLastError();
    *s = thread_stream();
}

static void thread_end()
{
    for (thread_stream &s : streams.at)
        if (s.ready && make_current((int)(&s - streams.at))) end(&s);
}

static bool make(thread_stream *s)
{
    s->ready = GR_CUDA(cudaStreamCreateWithFlags(&s->stream, cudaStreamNonBlocking));
    for (int i = 0; i < 2; i++)
        s->ready = s->ready && GR_CUDA(cudaMallocHost((void **)&s->staging[i], staging_bytes)) &&
                   GR_CUDA(cudaEventCreateWithFlags(&s->copied[i], cudaEventDisableTiming));
    s->ready = s->ready && GR_CUDA(cudaMallocHost((void **)&s->seen, sizeof *s->seen)) &&
               GR_CUDA(cudaMalloc((void **)&s->error, sizeof *s->error)) &&
               GR_CUDA(cudaMemsetAsync(s->error, 0, sizeof *s->error, s->stream));
    if (!s->ready) end(s);
    return s->ready;
}

static thread_stream *stream_of(int device)
{
    const int index = device - first_place;
    thread_stream *s = &streams.at[index];
    if (!make_current(index)) return nullptr;
    if (s->ready) return s;
    s->device = device;
    return make(s) ? s : nullptr;
}

gr_stream *gr_stream_of(int device)
{
    return stream_of(device);
}

/* ---- memory ---- */

static void *allocate(int device, size_t bytes)
{
    void *memory = nullptr;
    if (!stream_of(device)) return nullptr;
    if (cudaMalloc(&memory, bytes) == cudaSuccess) return memory;
    cudaGetLastError();
    return nullptr;
}

static void release(int device, void *memory)
{
    if (make_current(device - first_place)) GR_CUDA(cudaFree(memory));
}

/* Through pinned buffers, so that the copy runs while the program goes on. */
static bool upload(int device, void *to, const void *from, size_t bytes)
{
    thread_stream *s = stream_of(device);
    if (!s) return false;
    for (size_t done = 0; done < bytes;) {
        const size_t part = bytes - done < staging_bytes ? bytes - done : staging_bytes;
        char *buffer = s->staging[s->turn];
        if (!GR_CUDA(cudaEventSynchronize(s->copied[s->turn]))) return false;
        memcpy(buffer, (const char *)from + done, part);
        if (!GR_CUDA(cudaMemcpyAsync((char *)to + done, buffer, part, cudaMemcpyHostToDevice, s->stream)) ||
            !GR_CUDA(cudaEventRecord(s->copied[s->turn], s->stream)))
            return false;
        s->turn ^= 1;
        done += part;
    }
    return true;
}

/* ---- indices out of range ---- */

enum { OFFENCES = 1024 }; /* calls that are remembered; of those before, the line is not known */
static struct {
    std::mutex lock;
    int count; /* the number of the latest; after INT_MAX comes 1 again */
    struct {
        int number;
        gr_site site;
        const char *op, *argument;
        int64_t size;
    } call[OFFENCES];
} offences;

int gr_offence_call(const char *argument, int64_t size)
{
    const std::lock_guard<std::mutex> hold(offences.lock);
    const int number = offences.count = offences.count % INT_MAX + 1; /* 0 means none */
    auto &c = offences.call[number % OFFENCES];
    c.number = number;
    c.site = gr_host->running(&c.op);
    c.argument = argument;
    c.size = size;
    return number;
}

static bool report(thread_stream *s)
{
    char text[200];
    const gr_offence seen = *s->seen;
    if (seen.call == 0) return true;
    GR_CUDA(cudaMemsetAsync(s->error, 0, sizeof *s->error, s->stream));
    const std::lock_guard<std::mutex> hold(offences.lock);
    const auto &c = offences.call[seen.call % OFFENCES];
    if (c.number != seen.call) {
        snprintf(text, sizeof text, "index[%lld] of an earlier call is %lld; must be in range", (long long)seen.place, (long long)seen.index);
        gr_host->fail(GR_ERROR_ARGUMENT, text);
        return false;
    }
    snprintf(text, sizeof text, "%s[%lld] is %lld; must be 0 to %lld", c.argument, (long long)seen.place, (long long)seen.index,
             (long long)c.size - 1);
    gr_host->fail_at(c.site, c.op, text);
    return false;
}

/* Waits for the stream; reports what went wrong in it. */
static bool wait(thread_stream *s)
{
    return GR_CUDA(cudaMemcpyAsync(s->seen, s->error, sizeof *s->seen, cudaMemcpyDeviceToHost, s->stream)) &&
           GR_CUDA(cudaStreamSynchronize(s->stream)) && report(s);
}

/* Small results come through the pinned buffer, large ones straight. */
static bool download(int device, void *to, const void *from, size_t bytes)
{
    thread_stream *s = stream_of(device);
    if (!s) return false;
    const bool small = bytes <= staging_bytes; /* what the buffer was filled for is earlier in the stream */
    if (!GR_CUDA(cudaMemcpyAsync(small ? s->staging[s->turn] : to, from, bytes, cudaMemcpyDeviceToHost, s->stream))) return false;
    if (!wait(s)) {
        cudaStreamSynchronize(s->stream); /* nothing is on its way into the buffer, or into memory of the caller */
        cudaGetLastError();
        return false;
    }
    if (small) memcpy(to, s->staging[s->turn], bytes);
    return true;
}

static bool synchronise(int device)
{
    thread_stream *s = stream_of(device);
    return s && wait(s);
}

static bool memory_info(int device, int64_t *unused, int64_t *total)
{
    size_t free_bytes, all;
    if (!stream_of(device) || !GR_CUDA(cudaMemGetInfo(&free_bytes, &all))) return false;
    *unused = (int64_t)free_bytes;
    *total = (int64_t)all;
    return true;
}

/* ---- tensors described for the kernels ---- */

gr_tensor gr_describe(const gr_tensor *shape, int dtype, void *memory)
{
    gr_tensor x = *shape;
    int64_t stride = 1;
    x.data = (char *)memory;
    x.dtype = (uint8_t)dtype;
    x.contiguous = true;
    x.numel = 1;
    for (int d = x.dim; d-- > 0; stride *= x.axis[d].size) {
        x.axis[d].stride = stride;
        x.numel *= x.axis[d].size;
    }
    return x;
}

bool gr_converted::make(const gr_tensor *x, int dtype)
{
    tensor = x;
    return x->dtype == dtype || x->numel == 0 || make_copy(x, dtype, x->device);
}

bool gr_converted::make_copy(const gr_tensor *x, int dtype, int device)
{
    gr_tensor from = {};
    from.data = x->data;
    from.state = GR_LIVE;
    from.dtype = x->dtype;
    from.device = (uint8_t)device;
    from.dim = x->dim;
    from.numel = 1;
    for (int d = 0; d < x->dim; d++) from.numel *= (from.axis[d] = x->axis[d]).size;
    block = gr_host->borrow(device, (size_t)from.numel * gr_bytes_of(dtype));
    if (!block) return false;
    copy = gr_describe(&from, dtype, block->data);
    gr_cuda_copy(&copy, &from);
    tensor = &copy;
    return true;
}

/* ---- the door ---- */

#define KERNELS(tag) \
    { \
        nullptr, nullptr, gr_cuda_fill, gr_cuda_copy, gr_cuda_accumulate, gr_cuda_elementwise, gr_cuda_elementwise_back, \
            gr_cuda_where, gr_cuda_reduce, gr_cuda_arg_reduce, gr_cuda_extremum_back, gr_cuda_matmul, gr_cuda_linear, gr_cuda_mse, \
            gr_cuda_mse_back, gr_cuda_index_select, gr_cuda_index_add, gr_cuda_update_##tag \
    }
static const gr_kernels kernels_f32 = KERNELS(f32), kernels_f64 = KERNELS(f64), kernels_bf16 = KERNELS(bf16);
/* Rules are for floats: the others' `update` is never called. */
#define WHOLE &kernels_f64

#define TABLE(name) \
    { \
        name, allocate, release, upload, download, synchronise, \
        { \
            &kernels_f32, &kernels_f64, &kernels_bf16, WHOLE, WHOLE, WHOLE, WHOLE \
        } \
    }
static const gr_device_table tables[GR_PLUGIN_DEVICES] = {TABLE("cuda:0"), TABLE("cuda:1"), TABLE("cuda:2"), TABLE("cuda:3"),
                                                          TABLE("cuda:4"), TABLE("cuda:5"), TABLE("cuda:6"), TABLE("cuda:7")};

static const char *why_none(cudaError_t e)
{
    static char text[256];
    if (e == cudaErrorInsufficientDriver)
        return "the NVIDIA driver is missing or too old; must be one for this CUDA: nvidia-smi shows it";
    if (e == cudaErrorNoDevice) return "no CUDA device is present or visible; must be one: see CUDA_VISIBLE_DEVICES";
    snprintf(text, sizeof text, "cudaGetDeviceCount failed: %s (%s); must succeed", cudaGetErrorName(e), cudaGetErrorString(e));
    return text;
}

extern "C" __attribute__((visibility("default"))) const gr_device_api *gr_cuda_open(const gr_host_api *host, int first)
{
    static gr_device_api api = {GR_PLUGIN_ABI, sizeof api, 0, nullptr, {}, gr_matmul_precision, thread_end, memory_info};
    gr_host = host;
    first_place = first;
    if (host->abi != GR_PLUGIN_ABI || host->size != sizeof *host || host->tensor_bytes != sizeof(gr_tensor) ||
        host->kernels_bytes != sizeof(gr_kernels) || host->rows != GR_ELEMENTWISE_COUNT) {
        api.why = "the plug-in and the library are of different builds; must be built together: make, make cuda";
        return &api;
    }
    int count;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess) {
        cudaGetLastError();
        api.why = why_none(error);
        return &api;
    }
    api.count = count < GR_PLUGIN_DEVICES ? count : (int)GR_PLUGIN_DEVICES;
    for (int i = 0; i < api.count; i++) api.table[i] = &tables[i];
    return &api;
}
