/* copies.cpp - copies and fills. An asynchronous copy from pageable host memory takes its bytes at the call, as CUDA
 * stages them; from pinned memory they are read when the copy runs. */
#include "machine.h"

using namespace emulator;

namespace emulator {

enum class side { host, device };

struct copy_plan {
    const char *name;
    void *to;
    const void *from;
    size_t bytes;
    side to_side = side::host, from_side = side::host; /* check_plan finds them out */
};

static bool is_on_device(const void *p)
{
    place at = find_place(p);
    return at.kind == place::device_memory || at.kind == place::freed_memory;
}
static bool is_pinned(const void *p)
{
    return find_place(p).kind == place::pinned_memory;
}

/* Whether the bytes at p can be touched: all inside one live block. Of pageable host memory nothing is known. */
static bool is_whole(const void *p, size_t bytes)
{
    place at = find_place(p);
    return at.kind == place::unknown ||
           (at.kind != place::freed_memory && bytes <= at.bytes_from(p));
}

static cudaError_t check_side(const char *name, const char *which, const void *p, size_t bytes, side wanted)
{
    if (!p || (wanted == side::device) != is_on_device(p)) {
        return refuse(cudaErrorInvalidValue, "%s: the %s must be %s memory; %p: %s", name, which,
                      wanted == side::device ? "device" : "host", p, describe(p).c_str());
    }
    if (!is_whole(p, bytes)) {
        return refuse(cudaErrorInvalidValue, "%s: the %s, %zu bytes at %p, is not all inside a live block: %s", name, which,
                      bytes, p, describe(p).c_str());
    }
    return cudaSuccess;
}

static cudaError_t check_plan(copy_plan *plan, cudaMemcpyKind kind)
{
    if ((unsigned)kind > cudaMemcpyDefault) {
        return refuse(cudaErrorInvalidMemcpyDirection, "%s: kind %d", plan->name, (int)kind);
    }
    bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    if (kind == cudaMemcpyDefault) {
        from_device = is_on_device(plan->from);
        to_device = is_on_device(plan->to);
    }
    plan->to_side = to_device ? side::device : side::host;
    plan->from_side = from_device ? side::device : side::host;
    cudaError_t error = check_side(plan->name, "destination", plan->to, plan->bytes, plan->to_side);
    return error ? error : check_side(plan->name, "source", plan->from, plan->bytes, plan->from_side);
}

static void count_bytes(const copy_plan &plan)
{
    auto bytes = (int64_t)plan.bytes;
    if (plan.to_side == side::device) {
        (plan.from_side == side::device ? counts.on_device : counts.to_device) += bytes;
    } else if (plan.from_side == side::device) {
        counts.to_host += bytes;
    }
}

struct copy_work : work {
    copy_plan plan;
    std::vector<char> staged; /* the bytes of a pageable source */
    explicit copy_work(const copy_plan &p) : plan(p) {}
    void run(int device) override
    {
        if (!is_whole(plan.to, plan.bytes) || (staged.empty() && !is_whole(plan.from, plan.bytes))) {
            fault(device, cudaErrorIllegalAddress, "%s: memory was freed before the copy ran", plan.name);
            return;
        }
        memmove(plan.to, staged.empty() ? plan.from : staged.data(), plan.bytes);
    }
};

static cudaError_t copy(copy_plan plan, cudaMemcpyKind kind, cudaStream_t stream, bool synchronous)
{
    CUstream_st *s = stream_of(stream);
    if (!s) {
        return refuse(cudaErrorInvalidResourceHandle, "%s: no such stream", plan.name);
    }
    if (plan.bytes == 0) {
        return cudaSuccess;
    }
    if (cudaError_t error = check_plan(&plan, kind)) {
        return error;
    }
    count_bytes(plan);
    bool both = plan.to_side == side::device && plan.from_side == side::device;
    bool to_pageable = plan.to_side == side::host && !is_pinned(plan.to);
    bool waits = synchronous ? !both : to_pageable; /* the host goes on only when the bytes are there */
    auto item = std::make_unique<copy_work>(plan);
    if (!waits && plan.from_side == side::host && !is_pinned(plan.from)) {
        auto *from = (const char *)plan.from;
        item->staged.assign(from, from + plan.bytes);
    }
    enqueue_work(stream, std::move(item));
    if (waits) {
        count_synchronisation(synchronous ? plan.name : "cudaMemcpyAsync to pageable memory");
        finish_stream(s);
    }
    return lost(device_of(s));
}

struct fill_work : work {
    void *memory;
    int value;
    size_t bytes;
    fill_work(void *m, int v, size_t n) : memory(m), value(v), bytes(n) {}
    void run(int device) override
    {
        if (!is_whole(memory, bytes)) {
            fault(device, cudaErrorIllegalAddress, "cudaMemset: memory was freed before the fill ran");
            return;
        }
        memset(memory, value, bytes);
    }
};

static cudaError_t fill(const char *name, void *memory, int value, size_t bytes, cudaStream_t stream)
{
    if (!stream_of(stream)) {
        return refuse(cudaErrorInvalidResourceHandle, "%s: no such stream", name);
    }
    if (bytes == 0) {
        return cudaSuccess;
    }
    if (cudaError_t error = check_side(name, "memory", memory, bytes, side::device)) {
        return error;
    }
    enqueue_work(stream, std::make_unique<fill_work>(memory, value, bytes));
    return cudaSuccess;
}

} // namespace emulator

extern "C" {

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    return runtime_call("cudaMemcpy", [&] {
        return copy({"cudaMemcpy", to, from, bytes}, kind, nullptr, true);
    });
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream)
{
    return runtime_call("cudaMemcpyAsync", [&] {
        return copy({"cudaMemcpyAsync", to, from, bytes}, kind, stream, false);
    });
}
cudaError_t cudaMemcpyPeerAsync(void *to, int to_device, const void *from, int from_device, size_t bytes,
                                cudaStream_t stream)
{
    return runtime_call("cudaMemcpyPeerAsync", [&] {
        if (bytes && (!inside_device_memory(to_device, to, bytes) || !inside_device_memory(from_device, from, bytes))) {
            return refuse(cudaErrorInvalidValue, "cudaMemcpyPeerAsync: to device %d: %s; from device %d: %s", to_device,
                          describe(to).c_str(), from_device, describe(from).c_str());
        }
        return copy({"cudaMemcpyPeerAsync", to, from, bytes}, cudaMemcpyDeviceToDevice, stream, false);
    });
}

/* On device memory, asynchronous like the other. */
cudaError_t cudaMemset(void *memory, int value, size_t bytes)
{
    return runtime_call("cudaMemset", [&] { return fill("cudaMemset", memory, value, bytes, nullptr); });
}
cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream)
{
    return runtime_call("cudaMemsetAsync", [&] { return fill("cudaMemsetAsync", memory, value, bytes, stream); });
}
}
