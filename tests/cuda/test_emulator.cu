/* test_emulator.cu - what the emulator adds to CUDA: laziness, poison, lost devices, failures on request, counts.
 * For nvcc it is an empty program. */
#include "tests/cuda/fill.h"
#include <math.h>
#include <string.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#ifndef __CUDACC__

static gr_emulator_counts counted()
{
    gr_emulator_counts c;
    gr_emulator_count(&c);
    return c;
}

static void work_waits_until_someone_waits_for_it()
{
    cudaStream_t a = free_stream(), b = free_stream();
    buffer<float> x(N);
    float *pinned;
    OK(cudaHostAlloc(&pinned, N * sizeof(float), cudaHostAllocDefault));
    pinned[7] = 0;
    set_on(a, x, 6);
    OK(cudaMemcpyAsync(pinned, x.device, N * sizeof(float), cudaMemcpyDeviceToHost, a));
    CHECK(pinned[7] == 0 && cudaStreamQuery(a) == cudaErrorNotReady);
    cudaGetLastError();
    OK(cudaStreamSynchronize(b));
    CHECK(pinned[7] == 0);
    OK(cudaStreamSynchronize(a));
    CHECK(pinned[7] == 6);

    OK(cudaMemcpyAsync(x.device, pinned, N * sizeof(float), cudaMemcpyHostToDevice, a));
    pinned[7] = 8; /* too early: pinned memory is read when the copy runs */
    OK(cudaStreamSynchronize(a));
    x.down();
    CHECK(x.host[7] == 8);

    add_on(a, x, x, 1);
    OK(cudaMemcpy(x.host.data(), x.device, N * sizeof(float), cudaMemcpyDeviceToHost));
    CHECK(x.host[7] == 8); /* cudaMemcpy does not wait for a non-blocking stream */
    int asked = 1;
    while (cudaStreamQuery(a) == cudaErrorNotReady && asked < 1000) {
        asked++;
    }
    CHECK(asked > 10 && asked < 1000); /* who polls gets on in the end */
    cudaGetLastError();
    OK(cudaFreeHost(pinned));
    OK(cudaStreamDestroy(a));
    OK(cudaStreamDestroy(b));
}

static void missing_wait_reads_unset_memory()
{
    cudaStream_t a = free_stream(), b = free_stream();
    buffer<float> x(N), y(N);
    set_on(a, x, 1);
    add_on(b, y, x, 1);
    OK(cudaStreamSynchronize(b));
    OK(cudaStreamSynchronize(a));
    y.down();
    CHECK(isnan(y.host[0]) && isnan(y.host[N - 1]));
    OK(cudaStreamDestroy(a));
    OK(cudaStreamDestroy(b));
}

/* By an event from a to b, by the default stream from b to a blocking one. */
static void waits_are_kept()
{
    cudaStream_t a = free_stream(), b;
    cudaEvent_t done;
    OK(cudaStreamCreate(&b));
    OK(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
    buffer<float> x(N), y(N);
    set_on(a, x, 1);
    OK(cudaEventRecord(done, a));
    set_on(a, y, 9);
    OK(cudaStreamWaitEvent(b, done, 0));
    add_on(b, x, x, 2);
    add_on(nullptr, x, x, 3);
    add_on(b, x, x, 4);
    x.down();
    CHECK(all_are(x.host, 10));
    OK(cudaStreamSynchronize(a));
    y.down();
    CHECK(all_are(y.host, 9));
    OK(cudaEventDestroy(done));
    OK(cudaStreamDestroy(a));
    OK(cudaStreamDestroy(b));
}
static void streams_may_run_early_or_by_chance()
{
    for (const char *mode : {"early", "1", "2", "3", "4"}) {
        CHECK(gr_emulator_set("STREAMS", mode));
        waits_are_kept();
    }
    CHECK(gr_emulator_set("STREAMS", "late"));
    CHECK(!gr_emulator_set("STREAMS", "sometimes") && !gr_emulator_set("NOTHING", "1"));
}

static cudaError_t called_inside;
static void call_runtime(void *)
{
    called_inside = cudaDeviceSynchronize();
}
static void host_functions_may_not_call_cuda()
{
    OK(cudaLaunchHostFunc(nullptr, call_runtime, nullptr));
    OK(cudaDeviceSynchronize());
    CHECK(called_inside == cudaErrorNotPermitted);
    cudaGetLastError();
}

static void freed_memory_comes_again_late()
{
    float *first, *next;
    OK(cudaMalloc(&first, 1000));
    OK(cudaFree(first));
    for (int i = 0; i < 50; i++) {
        OK(cudaMalloc(&next, 1000));
        CHECK(next != first);
        OK(cudaFree(next));
    }
    CHECK(cudaFree(first) == cudaErrorInvalidValue && cudaFree(&first) == cudaErrorInvalidValue);
    cudaGetLastError();
    buffer<float> x(3);
    x.down();
    CHECK(isnan(x.host[0]) && isnan(x.host[2]));
}

static void memory_ends()
{
    size_t available, total;
    void *big, *more;
    CHECK(gr_emulator_set("MEMORY", "1000000"));
    OK(cudaMemGetInfo(&available, &total));
    CHECK(total == 1000000 && available <= total);
    CHECK(cudaMalloc(&big, 1000001) == cudaErrorMemoryAllocation && big == nullptr);
    OK(cudaMalloc(&big, 600000));
    CHECK(cudaMalloc(&more, 600000) == cudaErrorMemoryAllocation);
    OK(cudaFree(big));
    OK(cudaMalloc(&more, 600000));
    OK(cudaFree(more));
    CHECK(gr_emulator_set("MEMORY", "8589934592"));
    cudaGetLastError();
}

static void copies_out_of_bounds_are_refused()
{
    buffer<float> x(10);
    float host[20] = {};
    cudaMemcpyKind in = cudaMemcpyHostToDevice, out = cudaMemcpyDeviceToHost, on = cudaMemcpyDeviceToDevice;
    CHECK(cudaMemcpy(x.device, host, 44, in) == cudaErrorInvalidValue);
    CHECK(cudaMemcpy(x.device + 1, host, 40, in) == cudaErrorInvalidValue);
    CHECK(cudaMemcpy(host, x.device + 5, 24, out) == cudaErrorInvalidValue);
    CHECK(cudaMemcpyAsync(host, x.device - 1, 4, out) == cudaErrorInvalidValue);
    CHECK(cudaMemcpy(x.device, host, 8, on) == cudaErrorInvalidValue);
    CHECK(cudaMemcpy(x.device, host, 8, out) == cudaErrorInvalidValue);
    CHECK(cudaMemcpy(nullptr, host, 8, in) == cudaErrorInvalidValue);
    CHECK(cudaMemset(x.device, 0, 41) == cudaErrorInvalidValue);
    CHECK(cudaMemset(host, 0, 4) == cudaErrorInvalidValue);
    const size_t wraps = (size_t)0 - 4; /* behind x + 1 this many bytes end, in 64 bits, inside x again */
    CHECK(cudaMemset(x.device + 1, 0, wraps) == cudaErrorInvalidValue);
    CHECK(cudaMemcpy(x.device + 1, host, wraps, in) == cudaErrorInvalidValue);
    CHECK(cudaMemcpyPeerAsync(x.device + 1, 0, x.device, 0, wraps, nullptr) == cudaErrorInvalidValue);
    OK(cudaMemcpy(nullptr, host, 0, in));
    OK(cudaMemcpy(x.device, host, 40, cudaMemcpyDefault));
    cudaGetLastError();
}

static void launch_some(buffer<float> *x)
{
    GR_LAUNCH(set_all, 1, 32, 0, nullptr, x->device, 1.0f, 32);
    cudaGetLastError();
}
__global__ void touch_null(float *y)
{
    if (threadIdx.x == 3) {
        *y = 1;
    }
    __syncthreads();
}
__global__ void give_up()
{
    if (threadIdx.x == 1) {
        __trap();
    }
    __syncthreads();
}
/* A kernel that goes wrong: the error comes at the next wait, stays, and all later work is dropped. */
static void faults_lose_the_device()
{
    CHECK(gr_emulator_set("FAULT", "error"));
    buffer<float> x(N);
    for (int kind = 0; kind < 3; kind++) {
        cudaError_t want = kind == 1 ? cudaErrorLaunchFailure : cudaErrorIllegalAddress;
        if (kind == 0) {
#if defined(GR_EMULATOR_ASAN) || defined(GR_EMULATOR_TSAN)
            continue; /* the sanitizer ends the process */
#endif
            GR_LAUNCH(touch_null, 1, 64, 0, nullptr, nullptr);
        } else if (kind == 1) {
            GR_LAUNCH(give_up, 2, 64, 0, nullptr);
        } else {
            gr_emulator_fail("kernel", 2, 0, false);
            launch_some(&x);
            launch_some(&x);
        }
        OK(cudaGetLastError());
        set_on(nullptr, x, 1);
        CHECK(cudaDeviceSynchronize() == want);
        CHECK(cudaGetLastError() == want && cudaGetLastError() == want);
        void *p;
        CHECK(cudaMalloc(&p, 4) == want && cudaMemcpy(&p, x.device, 4, cudaMemcpyDefault) == want);
        gr_emulator_recover();
        OK(cudaGetLastError());
        OK(cudaMemcpy(x.host.data(), x.device, 4, cudaMemcpyDeviceToHost));
    }
    set_on(nullptr, x, 2);
    x.down();
    CHECK(all_are(x.host, 2));
    CHECK(gr_emulator_set("FAULT", "abort"));
}

static void failures_come_on_request()
{
    void *p;
    gr_emulator_fail("cudaMalloc", 2, 0, false);
    OK(cudaMalloc(&p, 4));
    OK(cudaFree(p));
    CHECK(cudaMalloc(&p, 4) == cudaErrorMemoryAllocation && gr_emulator_failures() == 1);
    OK(cudaMalloc(&p, 4));
    OK(cudaFree(p));
    gr_emulator_fail("call", 1, cudaErrorNotSupported, true);
    CHECK(cudaMalloc(&p, 4) == cudaErrorNotSupported && cudaDeviceSynchronize() == cudaErrorNotSupported);
    CHECK(gr_emulator_failures() == 2);
    CHECK(!gr_emulator_set("FAIL", "cudaMalloc") && !gr_emulator_set("FAIL", "cudaMalloc:twice"));
    CHECK(!gr_emulator_set("FAIL", "cudaMalloc:1:forever") && !gr_emulator_set("FAIL", "cudaMalloc:0"));
    CHECK(gr_emulator_set("FAIL", "cudaMalloc:1:again") && cudaMalloc(&p, 4) == cudaErrorMemoryAllocation);
    CHECK(cudaMalloc(&p, 4) == cudaErrorMemoryAllocation);
    gr_emulator_fail("launch", 1, 0, false);
    buffer<float> x(N);
    GR_LAUNCH(set_all, BLOCKS, BLOCK, 0, nullptr, x.device, 1.0f, N);
    CHECK(cudaGetLastError() == cudaErrorLaunchOutOfResources);
    gr_emulator_fail(nullptr, 0, 0, false);
    set_on(nullptr, x, 1);
    x.down();
}

static void drivers_may_be_missing()
{
    int count = 5;
    CHECK(gr_emulator_set("DRIVER", "absent"));
    CHECK(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver && count == 0);
    CHECK(gr_emulator_set("DRIVER", "none"));
    CHECK(cudaGetDeviceCount(&count) == cudaErrorNoDevice);
    CHECK(gr_emulator_set("DRIVER", "ok"));
    cudaGetLastError();
    OK(cudaGetDeviceCount(&count));
}

static void note_kernel(void *data, const char *name, int64_t)
{
    *(int *)data += strcmp(name, "set_all") == 0 || strcmp(name, "touch_null") == 0;
}
static void counts_tell_what_was_done()
{
    gr_emulator_count_again();
    gr_emulator_counts before = counted();
    {
        buffer<float> x(N), y(N);
        set_on(nullptr, x, 1);
        add_on(nullptr, y, x, 1);
        add_on(nullptr, y, x, 2);
        gr_emulator_counts c = counted();
        CHECK(c.launches == 3 && c.kernels_run == 0 && c.synchronisations == 0);
        CHECK(c.live_allocations == before.live_allocations + 2);
        CHECK(c.live_bytes == before.live_bytes + 2 * (int64_t)sizeof(float) * N);
        y.down();
        x.up();
        c = counted();
        CHECK(c.kernels_run == 3 && c.synchronisations == 2 && c.to_host == 4 * N && c.to_device == 4 * N);
        CHECK(strcmp(gr_emulator_last_synchronisation(), "cudaMemcpy") == 0);
    }
    CHECK(gr_emulator_launches("set_all") == 1 && gr_emulator_launches("add_all") == 2);
    CHECK(gr_emulator_launches("nothing") == 0 && gr_emulator_launches("touch_null") == 0);
    CHECK(counted().live_allocations == before.live_allocations);
    int known = 0;
    CHECK(gr_emulator_kernels(note_kernel, &known) >= 4 && known == 2);
}

/* Shared memory holds NaN before each block, also where a template or a function the kernel calls owns it. */
template <class T>
__device__ T shared_left_over(T value)
{
    __shared__ T s[40];
    T found = s[7];
    __syncthreads();
    s[7] = value;
    return found;
}
template <class T>
__global__ void look_at_unset(T *y)
{
    GR_SHARED(T, dynamic);
    T found = shared_left_over((T)1) + dynamic[3];
    if (threadIdx.x == 0) {
        dynamic[3] = 1;
        y[blockIdx.x] = found;
    }
}
static void shared_memory_is_unset()
{
#ifndef GR_EMULATOR_TSAN /* static shared memory is not filled there */
    buffer<double> y(70);
    GR_LAUNCH(look_at_unset<double>, 70, 2, 4 * sizeof(double), nullptr, y.device);
    y.down();
    for (double v : y.host) {
        CHECK(isnan(v));
    }
#endif
}

static void cuda_does_not_survive_fork()
{
    pid_t child = fork();
    if (child == 0) {
        void *p;
        _exit(cudaMalloc(&p, 4) == cudaErrorInitializationError ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
}

/* Needs GRADUS_EMULATOR_DEVICES=2 or more. */
static void devices_are_apart()
{
    int count;
    OK(cudaGetDeviceCount(&count));
    if (count < 2) {
        return;
    }
    buffer<float> x(N);
    set_on(nullptr, x, 3);
    OK(cudaDeviceSynchronize());
    OK(cudaSetDevice(1));
    cudaStream_t other = free_stream();
    {
        buffer<float> y(N);
        cudaPointerAttributes at;
        OK(cudaPointerGetAttributes(&at, y.device));
        CHECK(at.device == 1);
        OK(cudaMemcpyPeerAsync(y.device, 1, x.device, 0, N * sizeof(float), other));
        add_on(other, y, y, 1);
        OK(cudaStreamSynchronize(other));
        y.down();
        CHECK(all_are(y.host, 4));
        int elsewhere = -1;
        std::thread thread([&] { OK(cudaGetDevice(&elsewhere)); });
        thread.join();
        CHECK(elsewhere == 0);
    }
    CHECK(gr_emulator_set("FAULT", "error"));
    add_on(other, x, x, 1); /* memory of device 0 */
    CHECK(cudaStreamSynchronize(other) == cudaErrorIllegalAddress);
    OK(cudaSetDevice(0));
    OK(cudaDeviceSynchronize()); /* the other device is not lost */
    gr_emulator_recover();
    GR_LAUNCH(set_all, 1, 32, 0, other, x.device, 1.0f, 32);
    CHECK(cudaGetLastError() == cudaErrorInvalidResourceHandle);
    OK(cudaStreamDestroy(other));
    CHECK(gr_emulator_set("FAULT", "abort"));
}

int main()
{
    quietly();
    gr_emulator_set("FAULT", "abort"); /* in case the environment says otherwise */
    gr_emulator_counts before = counted();
    work_waits_until_someone_waits_for_it();
    missing_wait_reads_unset_memory();
    streams_may_run_early_or_by_chance();
    host_functions_may_not_call_cuda();
    freed_memory_comes_again_late();
    memory_ends();
    copies_out_of_bounds_are_refused();
    faults_lose_the_device();
    failures_come_on_request();
    drivers_may_be_missing();
    counts_tell_what_was_done();
    shared_memory_is_unset();
    cuda_does_not_survive_fork();
    devices_are_apart();
    gr_emulator_counts after = counted();
    CHECK(after.live_allocations == before.live_allocations && after.live_streams == before.live_streams);
    CHECK(after.live_events == before.live_events && after.live_pinned == before.live_pinned);
    return check_result("emulator");
}

#else
int main()
{
    return 0;
}
#endif
