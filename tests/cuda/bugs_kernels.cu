/* bugs_kernels.cu - one bug in a kernel each: bounds, order, threads that do not come together, unset memory. */
#include "tests/cuda/bugs.h"

/* ---- out of bounds, by one ---- */

__global__ void write_one_too_many(float *y, int n)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i <= n) {
        y[i] = 1;
    }
}
static void oob_global()
{
    buffer<float> y(N);
    GR_LAUNCH(write_one_too_many, 2, N, 0, nullptr, y.device, N);
    show(&y, [](int) { return 1.0f; });
}
__global__ void read_one_too_many(const float *x, float *y, int n)
{
    int i = (int)threadIdx.x;
    y[i] = x[i] + (i == n - 1 ? 0 * x[i + 1] : 0);
}
static void oob_read()
{
    buffer<float> y(N);
    GR_LAUNCH(read_one_too_many, 1, N, 0, nullptr, counting().device, y.device, N);
    show(&y, square);
}
__global__ void write_before(float *y)
{
    y[(int)threadIdx.x - 1] = 1;
}
static void oob_before()
{
    buffer<float> y(N);
    GR_LAUNCH(write_before, 1, N, 0, nullptr, y.device);
    OK(cudaDeviceSynchronize());
    report(true);
}
__global__ void read_behind_static(float *y)
{
    __shared__ float s[N];
    s[threadIdx.x] = 1;
    __syncthreads();
    y[threadIdx.x] = s[threadIdx.x + 1];
}
static void oob_static_shared()
{
    buffer<float> y(N);
    GR_LAUNCH(read_behind_static, 1, N, 0, nullptr, y.device);
    OK(cudaDeviceSynchronize());
    report(true);
}
__global__ void write_behind_dynamic(float *y)
{
    GR_SHARED(float, s);
    s[threadIdx.x + 1] = 1;
    __syncthreads();
    y[threadIdx.x] = s[threadIdx.x + 1];
}
static void oob_dynamic_shared()
{
    buffer<float> y(N);
    GR_LAUNCH(write_behind_dynamic, 1, N, N * sizeof(float), nullptr, y.device);
    show(&y, [](int) { return 1.0f; });
}

/* ---- order ---- */

__global__ void mirror_unguarded(const float *x, float *y)
{
    __shared__ float s[N];
    s[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = s[N - 1 - threadIdx.x]; /* no __syncthreads before */
}
static void missing_barrier()
{
    buffer<float> y(N);
    GR_LAUNCH(mirror_unguarded, 1, N, 0, nullptr, counting().device, y.device);
    show(&y, mirrored);
}
__global__ void shift_twice(const float *x, float *y)
{
    __shared__ float s[N];
    for (int round = 0; round < 2; round++) {
        s[threadIdx.x] = x[threadIdx.x] + (float)round;
        __syncthreads();
        y[round * N + (int)threadIdx.x] = s[(threadIdx.x + 1) % N]; /* no barrier behind: the next round may overwrite it first */
    }
}
static void missing_second_barrier()
{
    buffer<float> y(2 * N);
    GR_LAUNCH(shift_twice, 1, N, 0, nullptr, counting().device, y.device);
    show(&y, [](int i) { return square((i + 1) % N) + (i < N ? 0.0f : 1.0f); });
}
__global__ void sum_tree_unguarded(const float *x, float *y)
{
    __shared__ float s[N];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    for (unsigned half = N / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            s[threadIdx.x] += s[threadIdx.x + half];
        }
        /* no __syncthreads */
    }
    y[threadIdx.x] = s[0];
}
static void missing_barrier_in_sum()
{
    buffer<float> y(N);
    GR_LAUNCH(sum_tree_unguarded, 1, N, 0, nullptr, counting().device, y.device);
    show(&y, [](int) {
        float sum = 0;
        for (int i = 0; i < N; i++) {
            sum += square(i);
        }
        return sum;
    });
}
__global__ void swap_unguarded(const float *x, float *y)
{
    __shared__ float s[N];
    s[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = s[threadIdx.x ^ 31]; /* no __syncwarp */
}
static void missing_syncwarp()
{
    buffer<float> y(N);
    GR_LAUNCH(swap_unguarded, 1, N, 0, nullptr, counting().device, y.device);
    show(&y, [](int i) { return square(i ^ 31); });
}
__global__ void add_without_atomic(float *y)
{
    y[threadIdx.x] += 1;
}
static void race_between_blocks()
{
    buffer<float> y(N);
    OK(cudaMemset(y.device, 0, N * sizeof(float)));
    GR_LAUNCH(add_without_atomic, 8, N, 0, nullptr, y.device);
    show(&y, [](int) { return 8.0f; });
}
/* The sum by the last block to finish, without the fences that make the others' parts visible. */
__global__ void last_adds_unfenced(float *parts, unsigned *finished, float *y)
{
    __shared__ bool is_last;
    if (threadIdx.x == 0) {
        parts[blockIdx.x] = 1;
        is_last = atomicAdd(finished, 1u) == gridDim.x - 1;
    }
    __syncthreads();
    if (is_last && threadIdx.x == 0) {
        float sum = 0;
        for (unsigned i = 0; i < gridDim.x; i++) {
            sum += parts[i];
        }
        *y = sum;
    }
}
static void missing_fence()
{
    buffer<float> parts(8), y(1);
    buffer<unsigned> finished(1);
    finished.up();
    GR_LAUNCH(last_adds_unfenced, 8, 32, 0, nullptr, parts.device, finished.device, y.device);
    show(&y, [](int) { return 8.0f; });
}
__global__ void order_matters(float *y)
{
    atomicExch(y, (float)blockIdx.x);
}
static void depends_on_block_order()
{
    buffer<float> y(1);
    GR_LAUNCH(order_matters, 8, 1, 0, nullptr, y.device);
    show(&y, [](int) { return 7.0f; });
}

/* ---- threads that do not come together ---- */

__global__ void diverge(float *y)
{
    if (threadIdx.x < 16) {
        __syncthreads();
        y[0] = 1;
    } else {
        __syncthreads();
        y[1] = 1;
    }
}
static void divergent_barrier()
{
    buffer<float> y(2);
    GR_LAUNCH(diverge, 1, 64, 0, nullptr, y.device);
    show(&y, [](int) { return 1.0f; });
}
__global__ void some_do_not_shuffle(float *y)
{
    float v = (float)threadIdx.x;
    if (threadIdx.x < 8) {
        v = __shfl_sync(0xffffffff, v, 0);
    }
    y[threadIdx.x] = v;
    __syncthreads();
}
static void shuffle_by_few()
{
    buffer<float> y(32);
    GR_LAUNCH(some_do_not_shuffle, 1, 32, 0, nullptr, y.device);
    show(&y, [](int i) { return i < 8 ? 0.0f : (float)i; });
}
__global__ void mask_lacks_lanes(float *y)
{
    float v = (float)threadIdx.x;
    if (threadIdx.x < 20) {
        v = __shfl_down_sync(0xffffu, v, 1);
    }
    y[threadIdx.x] = v;
}
static void wrong_mask()
{
    buffer<float> y(32);
    GR_LAUNCH(mask_lacks_lanes, 1, 32, 0, nullptr, y.device);
    show(&y, [](int i) { return i < 20 ? (float)i + 1 : (float)i; });
}
__global__ void sum_of_part_of_a_warp(float *y)
{
    float v = 1;
    for (int d = 16; d > 0; d /= 2) {
        v += __shfl_down_sync(0xffffffff, v, d); /* half of the second warp is not there */
    }
    if (threadIdx.x % 32 == 0) {
        y[threadIdx.x / 32] = v;
    }
}
static void partial_warp()
{
    buffer<float> y(2);
    GR_LAUNCH(sum_of_part_of_a_warp, 1, 48, 0, nullptr, y.device);
    show(&y, [](int i) { return i == 0 ? 32.0f : 16.0f; });
}

/* ---- unset memory ---- */

__global__ void read_unset_static(float *y)
{
    __shared__ float s[N];
    if (threadIdx.x < N / 2) {
        s[threadIdx.x] = 0;
    }
    __syncthreads();
    y[threadIdx.x] = s[threadIdx.x];
}
static void unset_static_shared()
{
    buffer<float> y(N);
    GR_LAUNCH(read_unset_static, 1, N, 0, nullptr, y.device);
    show(&y, [](int) { return 0.0f; });
}
__global__ void read_unset_dynamic(float *y)
{
    GR_SHARED(float, s);
    y[threadIdx.x] = s[threadIdx.x];
    s[threadIdx.x] = 0;
}
static void unset_dynamic_shared()
{
    buffer<float> y(N);
    GR_LAUNCH(read_unset_dynamic, 1, N, N * sizeof(float), nullptr, y.device);
    show(&y, [](int) { return 0.0f; });
}
static void unset_device_memory()
{
    buffer<float> x(N), y(N);
    GR_LAUNCH(copy_one, 1, N, 0, nullptr, x.device, y.device);
    show(&y, [](int) { return 0.0f; });
}

const std::vector<bug> bugs_in_kernels = {
    BUG(oob_global),           BUG(oob_read),            BUG(oob_before),
    BUG(oob_static_shared),    BUG(oob_dynamic_shared),  BUG(missing_barrier),
    BUG(missing_second_barrier), BUG(missing_barrier_in_sum), BUG(missing_syncwarp),
    BUG(race_between_blocks),  BUG(missing_fence),       BUG(depends_on_block_order),
    BUG(divergent_barrier),    BUG(shuffle_by_few),      BUG(wrong_mask),
    BUG(partial_warp),         BUG(unset_static_shared), BUG(unset_dynamic_shared),
    BUG(unset_device_memory)};
