/* launch.cpp - launches: their limits and their arguments, checked; attributes of kernels; libraries opened at run time. */
#include "machine.h"
#include "cublaslt.h"
#include <sys/mman.h>
#include <unistd.h>

namespace emulator {

/* ---- arguments ---- */

static bool is_mapped(const void *p)
{
    auto page = (uintptr_t)sysconf(_SC_PAGESIZE);
    unsigned char resident;
    return mincore((void *)((uintptr_t)p & ~(page - 1)), 1, &resident) == 0;
}

#if defined(GR_EMULATOR_ASAN) || defined(GR_EMULATOR_TSAN)
static const uintptr_t FIRST_ADDRESS = (uintptr_t)0x55 << 40; /* below, the sanitizers' shadows make any number an address */
#else
static const uintptr_t FIRST_ADDRESS = 65536;
#endif

/* What is wrong with a word of the arguments of a kernel on this device, or NULL. A word of a struct may be any number: only
 * one that is an address for sure is blamed. */
static const char *complaint(int device, const argument_word &word)
{
    auto number = (uintptr_t)word.value;
    bool could_be_address = number >= FIRST_ADDRESS && number < (uintptr_t)1 << 47;
    if (!number || (!word.is_pointer && (!could_be_address || !setting.check_structs))) {
        return nullptr;
    }
    place at = find_place(word.value);
    if (at.kind == place::device_memory) {
        return at.device == device ? nullptr : "is memory of another device";
    }
    if (at.kind == place::freed_memory) {
        return "is in no live block";
    }
    if (at.kind == place::pinned_memory) {
        return nullptr;
    }
    if (word.is_pointer) {
        return "is no device memory";
    }
    return is_mapped(word.value) ? "holds an address of host memory (what is not used must be zero)" : nullptr;
}

static void check_arguments(int device, const launch &call)
{
    for (const argument_word &word : call.words) {
        if (const char *text = complaint(device, word)) {
            fault(device, cudaErrorIllegalAddress, "kernel %s on device %d: argument %d%s %s; %p: %s",
                  call.kernel->full_name.c_str(), device, word.argument + 1, word.is_pointer ? "" : ", a struct,", text,
                  word.value, describe(word.value).c_str());
        }
    }
}

/* ---- limits ---- */

static cudaError_t check_limits(const launch &call)
{
    const kernel_record &kernel = *call.kernel;
    const dim3 &g = call.grid, &b = call.block;
    bool grid = g.x && g.y && g.z && g.x <= 0x7fffffff && g.y <= 65535 && g.z <= 65535;
    bool block = b.x && b.y && b.z && b.x <= MAX_THREADS && b.y <= MAX_THREADS && b.z <= 64 &&
                 (uint64_t)b.x * b.y * b.z <= MAX_THREADS;
    if (!grid || !block) {
        return refuse(cudaErrorInvalidConfiguration, "kernel %s: grid (%u,%u,%u), block (%u,%u,%u)",
                      kernel.full_name.c_str(), g.x, g.y, g.z, b.x, b.y, b.z);
    }
    if (call.shared > (size_t)kernel.max_dynamic_shared) {
        return refuse(cudaErrorInvalidValue, "kernel %s: %zu bytes of dynamic shared memory; it may have %d",
                      kernel.full_name.c_str(), call.shared, kernel.max_dynamic_shared);
    }
    return cudaSuccess;
}

struct kernel_work : work {
    std::unique_ptr<launch> call;
    explicit kernel_work(std::unique_ptr<launch> c) : call(std::move(c)) {}
    void run(int device) override
    {
        check_arguments(device, *call);
        if (!lost(device)) {
            run_launch(device, call.get());
        }
    }
};

static cudaError_t try_enqueue(std::unique_ptr<launch> call, cudaStream_t stream)
{
    kernel_record &kernel = *call->kernel;
    if (cudaError_t error = check_limits(*call)) {
        return error;
    }
    CUstream_st *s = stream_of(stream);
    if (!s || device_of(s) != current_device()) {
        return refuse(cudaErrorInvalidResourceHandle, "kernel %s: %s", kernel.full_name.c_str(),
                      s ? "the stream is of another device than the current one" : "no such stream");
    }
    if (setting.abort_on_fault) {
        check_arguments(device_of(s), *call); /* here a debugger shows who called */
    }
    counts.launches++;
    kernel.launches++;
    hand_over(call.get());
    enqueue_work(stream, std::make_unique<kernel_work>(std::move(call)));
    return cudaSuccess;
}

void enqueue(launch *call, cudaStream_t stream)
{
    machine_lock lock;
    std::unique_ptr<launch> owned(call);
    const char *name = call->kernel->full_name.c_str();
    cudaError_t error = begin_call("launch");
    if (!error) {
        error = try_enqueue(std::move(owned), stream);
    }
    if (end_call(error)) {
        expect_question(name);
    }
}

cudaError_t set_attribute(const void *kernel, cudaFuncAttribute attribute, int value)
{
    return runtime_call("cudaFuncSetAttribute", [&] {
        kernel_record *record = kernel_at(kernel);
        if (!record || attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 || (size_t)value > max_shared()) {
            return refuse(cudaErrorInvalidValue, "cudaFuncSetAttribute: attribute %d, value %d", (int)attribute, value);
        }
        record->max_dynamic_shared = value;
        return cudaSuccess;
    });
}

cudaError_t blocks_per_multiprocessor(int *blocks, int block_size, size_t shared)
{
    return runtime_call("cudaOccupancyMaxActiveBlocksPerMultiprocessor", [&] {
        if (!blocks || block_size < 1 || block_size > MAX_THREADS) {
            return cudaErrorInvalidValue;
        }
        *blocks = std::min(2048 / block_size, shared ? (int)(max_shared() / shared) : 32);
        return cudaSuccess;
    });
}

/* ---- libraries ---- */

static char cublaslt_library;

void *open_library(const char *name)
{
    return setting.cublaslt && strstr(name, "cublasLt") ? &cublaslt_library : nullptr;
}
void *find_symbol(void *library, const char *name)
{
    return library == &cublaslt_library ? cublaslt_symbol(name) : nullptr;
}

} // namespace emulator
