/* memory_calls.cpp - the runtime's calls that make, free and describe memory. */
#include "machine.h"

using namespace emulator;

static int device_that_holds(const void *memory)
{
    place at = find_place(memory);
    return at.kind == place::device_memory || at.kind == place::freed_memory ? at.device : current_device();
}

struct free_work : work {
    void *memory;
    explicit free_work(void *m) : memory(m) {}
    void run(int device) override
    {
        release(device, memory);
    }
};

extern "C" {

cudaError_t cudaMalloc(void **memory, size_t bytes)
{
    return runtime_call("cudaMalloc", [&] {
        return memory ? allocate(current_device(), memory, bytes) : cudaErrorInvalidValue;
    });
}

cudaError_t cudaFree(void *memory)
{
    return runtime_call("cudaFree", [&] {
        if (memory) {
            count_synchronisation("cudaFree");
            finish_device(device_that_holds(memory));
        }
        return release(device_that_holds(memory), memory);
    });
}

cudaError_t cudaMallocAsync(void **memory, size_t bytes, cudaStream_t stream)
{
    return runtime_call("cudaMallocAsync", [&] {
        CUstream_st *s = stream_of(stream);
        return !s ? cudaErrorInvalidResourceHandle
               : !memory ? cudaErrorInvalidValue
                         : allocate(device_of(s), memory, bytes);
    });
}

cudaError_t cudaFreeAsync(void *memory, cudaStream_t stream)
{
    return runtime_call("cudaFreeAsync", [&] {
        if (!stream_of(stream)) {
            return cudaErrorInvalidResourceHandle;
        }
        if (memory) {
            enqueue_work(stream, std::make_unique<free_work>(memory));
        }
        return cudaSuccess;
    });
}

cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned)
{
    return runtime_call("cudaHostAlloc", [&] {
        count_synchronisation("cudaHostAlloc"); /* CUDA may wait here */
        if (!memory) {
            return cudaErrorInvalidValue;
        }
        *memory = bytes ? allocate_pinned(bytes) : nullptr;
        counts.live_pinned += *memory != nullptr;
        return bytes && !*memory ? cudaErrorMemoryAllocation : cudaSuccess;
    });
}
cudaError_t cudaMallocHost(void **memory, size_t bytes, unsigned flags)
{
    return cudaHostAlloc(memory, bytes, flags);
}

cudaError_t cudaFreeHost(void *memory)
{
    return runtime_call("cudaFreeHost", [&] {
        if (!memory) {
            return cudaSuccess;
        }
        count_synchronisation("cudaFreeHost");
        for (int d = 0; d < setting.devices; d++) {
            finish_device(d);
        }
        if (!release_pinned(memory)) {
            return refuse(cudaErrorInvalidValue, "cudaFreeHost: %p: %s", memory, describe(memory).c_str());
        }
        counts.live_pinned--;
        return cudaSuccess;
    });
}

cudaError_t cudaHostRegister(void *memory, size_t bytes, unsigned)
{
    return runtime_call("cudaHostRegister", [&] {
        if (!memory || !bytes) {
            return cudaErrorInvalidValue;
        }
        if (find_place(memory).kind != place::unknown) {
            return refuse(cudaErrorHostMemoryAlreadyRegistered, "cudaHostRegister: %p: %s", memory, describe(memory).c_str());
        }
        register_host(memory, bytes);
        return cudaSuccess;
    });
}
cudaError_t cudaHostUnregister(void *memory)
{
    return runtime_call("cudaHostUnregister", [&] {
        for (int d = 0; d < setting.devices; d++) {
            finish_device(d);
        }
        return unregister_host(memory) ? cudaSuccess : cudaErrorHostMemoryNotRegistered;
    });
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total)
{
    return runtime_call("cudaMemGetInfo", [&] {
        size_t used = used_memory(current_device());
        *total = setting.memory;
        *available = setting.memory > used ? setting.memory - used : 0;
        return cudaSuccess;
    });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *attributes, const void *pointer)
{
    return runtime_call("cudaPointerGetAttributes", [&] {
        place at = find_place(pointer);
        bool device = at.kind == place::device_memory, host = at.kind == place::pinned_memory;
        attributes->type = device ? cudaMemoryTypeDevice : host ? cudaMemoryTypeHost : cudaMemoryTypeUnregistered;
        attributes->device = device || host ? at.device : -2; /* cudaInvalidDeviceId */
        attributes->devicePointer = device || host ? (void *)pointer : nullptr;
        attributes->hostPointer = device ? nullptr : (void *)pointer;
        return cudaSuccess;
    });
}
}
