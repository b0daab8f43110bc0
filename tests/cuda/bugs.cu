/* bugs.cu - programs with one bug each; `bugs NAME` runs one. bugs.sh holds what must catch it, in which build.
 * A bug that nothing stops ends with "right" or "WRONG", by its result. Compiles with nvcc too. */
#include "cuda/compat.h"
#include "tests/cuda/check.h"
#include <math.h>
#include <string.h>

enum { N = 256 };

static void report(bool right)
{
    printf("%s\n", right ? "right" : "WRONG");
}
static buffer<float> &counting()
{
    static buffer<float> x(N);
    for (int i = 0; i < N; i++) {
        x.host[(size_t)i] = (float)(i * i % 101);
    }
    x.up();
    return x;
}
static void show(buffer<float> *y, float (*want)(int))
{
    OK(cudaGetLastError());
    OK(cudaMemcpy(y->host.data(), y->device, y->host.size() * sizeof(float), cudaMemcpyDeviceToHost));
    bool right = true;
    for (int i = 0; i < (int)y->host.size(); i++) {
        right &= y->host[(size_t)i] == want(i);
    }
    report(right);
}
static float square(int i)
{
    return (float)(i * i % 101);
}
static float mirrored(int i)
{
    return square(N - 1 - i);
}

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
__global__ void copy_one(const float *x, float *y)
{
    y[threadIdx.x] = x[threadIdx.x];
}
static void unset_device_memory()
{
    buffer<float> x(N), y(N);
    GR_LAUNCH(copy_one, 1, N, 0, nullptr, x.device, y.device);
    show(&y, [](int) { return 0.0f; });
}

/* ---- addresses ---- */

static void host_pointer()
{
    std::vector<float> x(N);
    buffer<float> y(N);
    GR_LAUNCH(copy_one, 1, N, 0, nullptr, x.data(), y.device);
    show(&y, [](int) { return 0.0f; });
}
struct pack {
    const float *in;
    float *out;
    int64_t n;
};
__global__ void copy_pack(pack p)
{
    if ((int64_t)threadIdx.x < p.n) {
        p.out[threadIdx.x] = p.in[threadIdx.x];
    }
}
static void host_pointer_in_struct()
{
    std::vector<float> x(N);
    buffer<float> y(N);
    pack p = {x.data(), y.device, N};
    GR_LAUNCH(copy_pack, 1, N, 0, nullptr, p);
    show(&y, [](int) { return 0.0f; });
}
static void host_dereference()
{
    report(counting().device[3] == 9);
}
static void use_after_free()
{
    buffer<float> y(N);
    float *x;
    OK(cudaMalloc(&x, N * sizeof(float)));
    OK(cudaFree(x));
    GR_LAUNCH(copy_one, 1, N, 0, nullptr, x, y.device);
    show(&y, [](int) { return 0.0f; });
}
static void use_after_free_in_struct()
{
    buffer<float> y(N);
    float *x;
    OK(cudaMalloc(&x, N * sizeof(float)));
    OK(cudaFree(x));
    pack p = {x, y.device, N};
    GR_LAUNCH(copy_pack, 1, N, 0, nullptr, p);
    show(&y, [](int) { return 0.0f; });
}
/* The address is found by arithmetic, so no check of arguments sees it. */
__global__ void read_far_away(const float *x, int64_t distance, float *y)
{
    y[threadIdx.x] = x[distance];
}
static void read_of_freed_block()
{
    buffer<float> y(N), x(N);
    float *other;
    OK(cudaMalloc(&other, N * sizeof(float)));
    OK(cudaMemset(other, 0, N * sizeof(float)));
    OK(cudaFree(other));
    GR_LAUNCH(read_far_away, 1, N, 0, nullptr, x.device, (int64_t)(other - x.device), y.device);
    show(&y, [](int) { return 0.0f; });
}
static void null_dereference()
{
    buffer<float> y(N);
    GR_LAUNCH(copy_one, 1, N, 0, nullptr, nullptr, y.device);
    show(&y, [](int) { return 0.0f; });
}
static void copy_past_end()
{
    float host[N + 1] = {};
    buffer<float> x(N);
    report(cudaMemcpy(x.device, host, sizeof host, cudaMemcpyHostToDevice) == cudaSuccess);
}
__global__ void load_four(const float *x, float *y)
{
    float4 v = *(const float4 *)(x + 1);
    y[threadIdx.x] = v.x;
}
static void misaligned_load()
{
    buffer<float> y(N);
    GR_LAUNCH(load_four, 1, N, 0, nullptr, counting().device, y.device);
    show(&y, [](int) { return 1.0f; });
}

/* ---- calls ---- */

static void bad_launch_unchecked()
{
    buffer<float> &x = counting(), y(N);
    GR_LAUNCH(copy_one, 1, 2048, 0, nullptr, x.device, y.device);
    OK(cudaDeviceSynchronize());
    report(true);
}
static void missing_wait()
{
    cudaStream_t s;
    buffer<float> y(N);
    OK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    GR_LAUNCH(copy_one, 1, N, 0, s, counting().device, y.device);
    show(&y, square); /* cudaMemcpy does not wait for s */
}
static void missing_event()
{
    cudaStream_t a, b;
    buffer<float> x(N), y(N);
    OK(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
    OK(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
    GR_LAUNCH(copy_one, 1, N, 0, a, counting().device, x.device);
    GR_LAUNCH(copy_one, 1, N, 0, b, x.device, y.device);
    OK(cudaStreamSynchronize(b));
    OK(cudaStreamSynchronize(a));
    show(&y, square);
}
static void pinned_reused_too_early()
{
    float *pinned;
    buffer<float> y(N);
    OK(cudaMallocHost(&pinned, N * sizeof(float)));
    for (int i = 0; i < N; i++) {
        pinned[i] = square(i);
    }
    OK(cudaMemcpyAsync(y.device, pinned, N * sizeof(float), cudaMemcpyHostToDevice, nullptr));
    memset(pinned, 0, N * sizeof(float));
    OK(cudaDeviceSynchronize());
    show(&y, square);
}

struct bug {
    const char *name;
    void (*run)();
};
#define BUG(name) {#name, name}
static const bug bugs[] = {
    BUG(oob_global), BUG(oob_read), BUG(oob_before), BUG(oob_static_shared), BUG(oob_dynamic_shared), BUG(missing_barrier),
    BUG(missing_second_barrier), BUG(missing_barrier_in_sum), BUG(missing_syncwarp), BUG(race_between_blocks), BUG(missing_fence),
    BUG(depends_on_block_order), BUG(divergent_barrier), BUG(shuffle_by_few), BUG(wrong_mask), BUG(partial_warp),
    BUG(unset_static_shared), BUG(unset_dynamic_shared), BUG(unset_device_memory), BUG(host_pointer),
    BUG(host_pointer_in_struct), BUG(host_dereference), BUG(use_after_free), BUG(use_after_free_in_struct),
    BUG(read_of_freed_block), BUG(null_dereference), BUG(copy_past_end), BUG(misaligned_load), BUG(bad_launch_unchecked),
    BUG(missing_wait), BUG(missing_event), BUG(pinned_reused_too_early)};

int main(int count, char **word)
{
    for (const bug &b : bugs) {
        if (count < 2) {
            printf("%s\n", b.name);
        } else if (strcmp(b.name, word[1]) == 0) {
            b.run();
            return 0;
        }
    }
    return count < 2 ? 0 : 2;
}
