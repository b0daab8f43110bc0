/* bugs.cu - programs with one bug each; `bugs NAME` runs one. bugs.sh holds what must catch it, in which build. A bug that
 * nothing stops ends with "right" or "WRONG", by its result. Compiles with nvcc too. */
#include "tests/cuda/bugs.h"
#include <string.h>
#include <thread>

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

static int steps; /* of two host threads, unguarded; CUDA's own locks must not hide that */
static void race_of_host_threads()
{
    auto step = [] {
        OK(cudaSetDevice(0));
        steps++;
        OK(cudaDeviceSynchronize());
    };
    std::thread other(step);
    step();
    other.join();
    report(steps == 2);
}

static const std::vector<bug> bugs_in_calls = {
    BUG(host_pointer),             BUG(host_pointer_in_struct), BUG(host_dereference),     BUG(use_after_free),
    BUG(use_after_free_in_struct), BUG(read_of_freed_block),    BUG(null_dereference),     BUG(copy_past_end),
    BUG(misaligned_load),          BUG(bad_launch_unchecked),   BUG(missing_wait),         BUG(missing_event),
    BUG(pinned_reused_too_early),  BUG(race_of_host_threads)};

int main(int count, char **word)
{
    for (const auto *list : {&bugs_in_kernels, &bugs_in_calls}) {
        for (const bug &b : *list) {
            if (count < 2) {
                printf("%s\n", b.name);
            } else if (strcmp(b.name, word[1]) == 0) {
                b.run();
                return 0;
            }
        }
    }
    return count < 2 ? 0 : 2;
}
