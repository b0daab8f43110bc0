/* runtime.cpp - what all calls share: the lock, refusals, errors, faults; and devices. */
#include "machine.h"
#include <new>
#include <pthread.h>
#include <stdarg.h>

namespace emulator {

static std::recursive_mutex mutex;
static thread_local int device_now;
static thread_local cudaError_t last_error;
static thread_local const char *unasked; /* a kernel whose launch failed, until someone asks for the error */
static cudaError_t lost_because[MAX_DEVICES];
static bool used, is_child; /* of a process that had used the runtime: CUDA does not survive fork */

/* ---- the lock ---- */

/* TSan sees neither the lock, which as the real library's would hide races of its callers, nor what is done under it. Kernels
 * run on other threads, watched; a launch hands its arguments over to them (hand_over). */
#ifdef GR_EMULATOR_TSAN
extern "C" {
void AnnotateIgnoreSyncBegin(const char *file, int line);
void AnnotateIgnoreSyncEnd(const char *file, int line);
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
}
machine_lock::machine_lock()
{
    AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
    mutex.lock();
    AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}
machine_lock::~machine_lock()
{
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
    mutex.unlock();
    AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
}
#else
machine_lock::machine_lock()
{
    mutex.lock();
}
machine_lock::~machine_lock()
{
    mutex.unlock();
}
#endif

static void before_fork()
{
    mutex.lock();
}
static void after_fork_in_parent()
{
    mutex.unlock();
}
static void after_fork_in_child()
{
    is_child = used;
    new (&mutex) std::recursive_mutex(); /* its owner was another thread */
}
__attribute__((constructor)) static void watch_forks()
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* ---- errors ---- */

static void print(const char *format, va_list list)
{
    fputs("cuda emulator: ", stderr);
    fputs(where().c_str(), stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
}

cudaError_t refuse(cudaError_t error, const char *format, ...)
{
    if (!setting.quiet) {
        va_list list;
        va_start(list, format);
        print(format, list);
        va_end(list);
    }
    return error;
}

void fault(int device, cudaError_t error, const char *format, ...)
{
    if (setting.abort_on_fault || !setting.quiet) {
        va_list list;
        va_start(list, format);
        print(format, list);
        va_end(list);
    }
    if (setting.abort_on_fault) {
        fflush(nullptr);
        abort();
    }
    if (!lost_because[device]) {
        lost_because[device] = error;
    }
}
cudaError_t lost(int device)
{
    return lost_because[device];
}
void recover_devices()
{
    for (int d = 0; d < MAX_DEVICES; d++) {
        lost_because[d] = cudaSuccess;
        drop_work(d);
    }
    last_error = cudaSuccess;
    unasked = nullptr;
}

void expect_question(const char *kernel)
{
    unasked = kernel;
}

static cudaError_t driver_error()
{
    return setting.driver == driver_state::ok     ? cudaSuccess
           : setting.driver == driver_state::none ? cudaErrorNoDevice
                                                  : cudaErrorInsufficientDriver;
}

cudaError_t begin_call(const char *name)
{
    counts.calls++;
    used = true;
    if (is_child) {
        return refuse(cudaErrorInitializationError, "%s: this process was forked from one that had used CUDA", name);
    }
    if (cudaError_t error = driver_error()) {
        return error;
    }
    if (inside_host_function()) {
        return refuse(cudaErrorNotPermitted, "%s: called by a host function of a stream", name);
    }
    if (unasked) {
        const char *kernel = unasked;
        unasked = nullptr;
        fault(device_now, cudaErrorLaunchFailure, "%s: the launch of %s had failed, and nobody asked cudaGetLastError", name,
              kernel);
    }
    if (cudaError_t error = lost(device_now)) {
        return error;
    }
    return (cudaError_t)requested_failure(name);
}

cudaError_t end_call(cudaError_t error)
{
    if (error) {
        last_error = error;
    }
    return error;
}

int current_device()
{
    return device_now;
}
size_t max_shared()
{
    return (size_t)(setting.arch >= 90 ? 227 : setting.arch == 80 ? 163 : 99) << 10;
}

static cudaError_t describe_device(cudaDeviceProp *p, int device)
{
    if (!p || device < 0 || device >= setting.devices) {
        return cudaErrorInvalidDevice;
    }
    *p = {};
    snprintf(p->name, sizeof p->name, "CUDA emulator");
    p->totalGlobalMem = setting.memory;
    p->sharedMemPerBlock = STATIC_SHARED;
    p->sharedMemPerBlockOptin = max_shared();
    p->sharedMemPerMultiprocessor = max_shared() + 1024;
    p->major = setting.arch / 10;
    p->minor = setting.arch % 10;
    p->multiProcessorCount = setting.multiprocessors;
    p->warpSize = WARP;
    p->maxThreadsPerBlock = MAX_THREADS;
    p->maxThreadsPerMultiProcessor = 2048;
    const int threads[3] = {MAX_THREADS, MAX_THREADS, 64}, grid[3] = {0x7fffffff, 65535, 65535};
    memcpy(p->maxThreadsDim, threads, sizeof threads);
    memcpy(p->maxGridSize, grid, sizeof grid);
    p->l2CacheSize = 1 << 20;
    p->memoryBusWidth = 64;
    p->unifiedAddressing = p->concurrentKernels = p->asyncEngineCount = 1;
    return cudaSuccess;
}

static cudaError_t attribute_of(int *value, cudaDeviceAttr attribute, int device)
{
    cudaDeviceProp p;
    if (cudaError_t error = describe_device(&p, device)) {
        return error;
    }
    switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = p.maxThreadsPerBlock; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = (int)p.sharedMemPerBlock; break;
    case cudaDevAttrWarpSize: *value = p.warpSize; break;
    case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
    case cudaDevAttrL2CacheSize: *value = p.l2CacheSize; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = p.maxThreadsPerMultiProcessor; break;
    case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = (int)p.sharedMemPerBlockOptin; break;
    case cudaDevAttrMemoryPoolsSupported: *value = 1; break;
    default: return cudaErrorInvalidValue;
    }
    return cudaSuccess;
}

} // namespace emulator

using namespace emulator;

extern "C" {

const char *cudaGetErrorName(cudaError_t error)
{
    switch (error) {
#define GR_EMULATOR_ERROR(name, code, text)                                                        \
    case name: return #name;
        GR_EMULATOR_ERRORS(GR_EMULATOR_ERROR)
#undef GR_EMULATOR_ERROR
    }
    return "unrecognized error code";
}
const char *cudaGetErrorString(cudaError_t error)
{
    switch (error) {
#define GR_EMULATOR_ERROR(name, code, text)                                                        \
    case name: return text;
        GR_EMULATOR_ERRORS(GR_EMULATOR_ERROR)
#undef GR_EMULATOR_ERROR
    }
    return "unrecognized error code";
}

cudaError_t cudaPeekAtLastError(void)
{
    machine_lock lock;
    unasked = nullptr;
    return lost(device_now) ? lost(device_now) : last_error;
}
cudaError_t cudaGetLastError(void)
{
    cudaError_t error = cudaPeekAtLastError();
    last_error = cudaSuccess;
    return error;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = setting.driver == driver_state::absent ? 0 : setting.driver == driver_state::old ? 11020 : 13000;
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = 0;
    return runtime_call("cudaGetDeviceCount", [&] {
        *count = setting.devices;
        return cudaSuccess;
    });
}
cudaError_t cudaGetDevice(int *device)
{
    return runtime_call("cudaGetDevice", [&] {
        *device = device_now;
        return cudaSuccess;
    });
}
/* Also away from a lost device. */
cudaError_t cudaSetDevice(int device)
{
    machine_lock lock;
    cudaError_t error = begin_call("cudaSetDevice");
    if (error && error == lost(device_now)) {
        error = cudaSuccess;
    }
    if (!error && (device < 0 || device >= setting.devices)) {
        error = cudaErrorInvalidDevice;
    }
    if (!error) {
        device_now = device;
    }
    return end_call(error);
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device)
{
    return runtime_call("cudaGetDeviceProperties", [&] { return describe_device(properties, device); });
}
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device)
{
    return runtime_call("cudaDeviceGetAttribute", [&] { return attribute_of(value, attribute, device); });
}

cudaError_t cudaDeviceSynchronize(void)
{
    return runtime_call("cudaDeviceSynchronize", [&] {
        count_synchronisation("cudaDeviceSynchronize");
        finish_device(device_now);
        return lost(device_now);
    });
}
}
