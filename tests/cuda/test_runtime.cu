/* test_runtime.cu - streams, events, copies, memory, launches, errors, as CUDA's manual has them. Compiles with nvcc too. */
#include "tests/cuda/fill.h"
#include <string.h>
#include <thread>

/* ---- order ---- */

static void events_order_streams()
{
    cudaStream_t a = free_stream(), b = free_stream();
    cudaEvent_t done, unused;
    OK(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
    OK(cudaEventCreate(&unused));
    buffer<float> x(N), y(N);
    set_on(a, x, 1);
    OK(cudaEventRecord(done, a));
    set_on(a, y, 9);
    OK(cudaStreamWaitEvent(b, done, 0));
    OK(cudaStreamWaitEvent(b, unused, 0)); /* never recorded: nothing to wait for */
    OK(cudaEventRecord(done, a));          /* a wait holds to the record before it */
    add_on(b, x, x, 2);
    OK(cudaMemcpyAsync(x.host.data(), x.device, N * sizeof(float), cudaMemcpyDeviceToHost, b));
    OK(cudaStreamSynchronize(b));
    CHECK(all_are(x.host, 3));
    OK(cudaEventSynchronize(done));
    OK(cudaEventSynchronize(unused));
    OK(cudaEventQuery(done));
    OK(cudaMemcpy(y.host.data(), y.device, N * sizeof(float), cudaMemcpyDeviceToHost));
    CHECK(all_are(y.host, 9));
    OK(cudaEventDestroy(done));
    OK(cudaEventDestroy(unused));
    OK(cudaStreamDestroy(a));
    OK(cudaStreamDestroy(b));
}

static void default_stream_waits_for_blocking_streams_and_they_for_it()
{
    cudaStream_t s;
    OK(cudaStreamCreate(&s));
    buffer<float> x(N), y(N);
    set_on(s, x, 1);
    add_on(nullptr, x, x, 1);
    add_on(s, y, x, 1);
    add_on(cudaStreamPerThread, y, y, 0);
    y.down();
    CHECK(all_are(y.host, 3));
    OK(cudaStreamDestroy(s));
}

static void work_of_a_destroyed_stream_is_done()
{
    cudaStream_t s = free_stream();
    buffer<float> x(N);
    set_on(s, x, 4);
    OK(cudaStreamDestroy(s));
    OK(cudaDeviceSynchronize());
    x.down();
    CHECK(all_are(x.host, 4));
}

static void pageable_memory_is_taken_at_the_call()
{
    cudaStream_t s = free_stream();
    buffer<float> x(N);
    x.host.assign(N, 1);
    OK(cudaMemcpyAsync(x.device, x.host.data(), N * sizeof(float), cudaMemcpyHostToDevice, s));
    x.host.assign(N, 2);
    OK(cudaStreamSynchronize(s));
    x.down();
    CHECK(all_are(x.host, 1));
    OK(cudaStreamDestroy(s));
}

static void count_call(void *data)
{
    ++*(int *)data;
}
static void host_functions_run_in_order()
{
    int calls = 0;
    cudaStream_t s = free_stream();
    OK(cudaLaunchHostFunc(s, count_call, &calls));
    OK(cudaLaunchHostFunc(s, count_call, &calls));
    OK(cudaStreamSynchronize(s));
    CHECK(calls == 2);
    OK(cudaStreamDestroy(s));
}

static void time_passes_between_events()
{
    cudaEvent_t start, end, plain;
    float milliseconds = -1;
    buffer<float> x(N);
    OK(cudaEventCreate(&start));
    OK(cudaEventCreate(&end));
    OK(cudaEventCreateWithFlags(&plain, cudaEventDisableTiming));
    OK(cudaEventRecord(start, nullptr));
    set_on(nullptr, x, 1);
    OK(cudaEventRecord(end, nullptr));
    OK(cudaEventRecord(plain, nullptr));
    OK(cudaEventSynchronize(plain));
    OK(cudaEventElapsedTime(&milliseconds, start, end));
    CHECK(milliseconds >= 0 && milliseconds < 10000);
    CHECK(cudaEventElapsedTime(&milliseconds, start, plain) == cudaErrorInvalidResourceHandle);
    cudaGetLastError();
    for (cudaEvent_t e : {start, end, plain}) {
        OK(cudaEventDestroy(e));
    }
}

/* ---- memory ---- */

static void memory_is_as_asked_for()
{
    void *none = (void *)1, *pinned;
    size_t available, total;
    OK(cudaMalloc(&none, 0));
    CHECK(none == nullptr);
    OK(cudaFree(nullptr));
    OK(cudaFreeHost(nullptr));
    buffer<float> x(N);
    CHECK((uintptr_t)x.device % 256 == 0);
    OK(cudaMemset(x.device, 0, N * sizeof(float)));
    OK(cudaMemsetAsync(x.device + 1, 0x40, 2 * sizeof(float), nullptr));
    x.down();
    CHECK(x.host[0] == 0 && x.host[1] == 3.0039215087890625f && x.host[2] == x.host[1] && x.host[3] == 0);
    OK(cudaMemGetInfo(&available, &total));
    CHECK(available > 0 && available <= total);
    OK(cudaHostAlloc(&pinned, 100, cudaHostAllocDefault));
    cudaPointerAttributes at;
    OK(cudaPointerGetAttributes(&at, pinned));
    CHECK(at.type == cudaMemoryTypeHost);
    OK(cudaPointerGetAttributes(&at, x.device + 5));
    CHECK(at.type == cudaMemoryTypeDevice && at.device == 0);
    OK(cudaPointerGetAttributes(&at, &at));
    CHECK(at.type == cudaMemoryTypeUnregistered);
    OK(cudaFreeHost(pinned));
    void *stream_ordered;
    OK(cudaMallocAsync(&stream_ordered, 400, nullptr));
    OK(cudaMemsetAsync(stream_ordered, 1, 400, nullptr));
    OK(cudaFreeAsync(stream_ordered, nullptr));
    OK(cudaDeviceSynchronize());
}

/* ---- launches ---- */

__global__ void take_much_shared(float *y, int last)
{
    GR_SHARED(float, s);
    s[last] = 5;
    y[0] = s[last];
}

static cudaError_t try_launch(dim3 grid, dim3 block, size_t shared)
{
    buffer<float> x(1);
    GR_LAUNCH(set_all, grid, block, shared, nullptr, x.device, 1.0f, 0);
    return cudaGetLastError();
}
static void bad_launches_are_refused()
{
    CHECK(try_launch(dim3(0), dim3(1), 0) == cudaErrorInvalidConfiguration);
    CHECK(try_launch(dim3(1), dim3(0), 0) == cudaErrorInvalidConfiguration);
    CHECK(try_launch(dim3(1), dim3(1025), 0) == cudaErrorInvalidConfiguration);
    CHECK(try_launch(dim3(1), dim3(32, 33), 0) == cudaErrorInvalidConfiguration);
    CHECK(try_launch(dim3(1), dim3(1, 1, 65), 0) == cudaErrorInvalidConfiguration);
    CHECK(try_launch(dim3(1, 65536), dim3(1), 0) == cudaErrorInvalidConfiguration);
    CHECK(try_launch(dim3(1), dim3(1), 49 << 10) == cudaErrorInvalidValue);
    CHECK(try_launch(dim3(1), dim3(1), 48 << 10) == cudaSuccess);
    CHECK(try_launch(dim3(1), dim3(1, 1, 64), 0) == cudaSuccess);
    CHECK(cudaGetLastError() == cudaSuccess);
    buffer<float> y(1);
    OK(cudaFuncSetAttribute(take_much_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 << 10));
    GR_LAUNCH(take_much_shared, 1, 1, 64 << 10, nullptr, y.device, (16 << 10) - 1);
    y.down();
    CHECK(y.host[0] == 5);
}

static void errors_are_remembered_until_asked_for()
{
    float x = 0;
    CHECK(cudaMemcpy(&x, &x, 4, (cudaMemcpyKind)77) == cudaErrorInvalidMemcpyDirection);
    CHECK(cudaPeekAtLastError() == cudaErrorInvalidMemcpyDirection);
    CHECK(cudaGetLastError() == cudaErrorInvalidMemcpyDirection);
    CHECK(cudaGetLastError() == cudaSuccess);
    CHECK(cudaSetDevice(100) == cudaErrorInvalidDevice);
    cudaGetLastError();
    CHECK(strcmp(cudaGetErrorName(cudaErrorNotReady), "cudaErrorNotReady") == 0);
    CHECK(strcmp(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory") == 0);
}

static void device_is_described()
{
    int count, device, value;
    cudaDeviceProp p;
    OK(cudaGetDeviceCount(&count));
    OK(cudaGetDevice(&device));
    CHECK(count >= 1 && device == 0);
    OK(cudaGetDeviceProperties(&p, 0));
    CHECK(p.warpSize == 32 && p.maxThreadsPerBlock == 1024 && p.sharedMemPerBlock == 48 << 10);
    OK(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, 0));
    CHECK(value == p.multiProcessorCount && value > 0);
    OK(cudaDriverGetVersion(&value));
    CHECK(value >= 12000);
}

/* Host threads have streams, a current device and a last error of their own. */
static void host_threads_work_side_by_side()
{
    auto job = [](float base) {
        cudaStream_t s = free_stream();
        buffer<float> x(N);
        set_on(s, x, base);
        for (int i = 0; i < 20; i++) {
            add_on(s, x, x, 1);
        }
        OK(cudaMemcpyAsync(x.host.data(), x.device, N * sizeof(float), cudaMemcpyDeviceToHost, s));
        OK(cudaStreamSynchronize(s));
        bool right = all_are(x.host, base + 20);
        OK(cudaStreamDestroy(s));
        return right;
    };
    bool right[2] = {};
    std::thread other([&] { right[1] = job(100); });
    right[0] = job(200);
    other.join();
    CHECK(right[0] && right[1]);

    buffer<float> x(N);
    std::thread launcher([&] { set_on(nullptr, x, 7); });
    launcher.join();
    x.down(); /* what one thread launched another waits for */
    CHECK(all_are(x.host, 7));
}

int main()
{
    quietly();
    events_order_streams();
    default_stream_waits_for_blocking_streams_and_they_for_it();
    work_of_a_destroyed_stream_is_done();
    pageable_memory_is_taken_at_the_call();
    host_functions_run_in_order();
    time_passes_between_events();
    memory_is_as_asked_for();
    bad_launches_are_refused();
    errors_are_remembered_until_asked_for();
    device_is_described();
    host_threads_work_side_by_side();
    return check_result("runtime");
}
