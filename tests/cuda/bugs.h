/* bugs.h - what the planted bugs share. bugs_kernels.cu has those in kernels, bugs.cu those in addresses and calls. */
#ifndef GR_EMULATOR_BUGS_H
#define GR_EMULATOR_BUGS_H
#include "cuda/compat.h"
#include "tests/cuda/check.h"

enum { N = 256 };

static inline void report(bool right)
{
    printf("%s\n", right ? "right" : "WRONG");
}
static inline buffer<float> &counting()
{
    static buffer<float> x(N);
    for (int i = 0; i < N; i++) {
        x.host[(size_t)i] = (float)(i * i % 101);
    }
    x.up();
    return x;
}
static inline void show(buffer<float> *y, float (*want)(int))
{
    OK(cudaGetLastError());
    OK(cudaMemcpy(y->host.data(), y->device, y->host.size() * sizeof(float), cudaMemcpyDeviceToHost));
    bool right = true;
    for (int i = 0; i < (int)y->host.size(); i++) {
        right &= y->host[(size_t)i] == want(i);
    }
    report(right);
}
static inline float square(int i)
{
    return (float)(i * i % 101);
}
static inline float mirrored(int i)
{
    return square(N - 1 - i);
}

static __global__ void copy_one(const float *x, float *y)
{
    y[threadIdx.x] = x[threadIdx.x];
}

struct bug {
    const char *name;
    void (*run)();
};
#define BUG(name) {#name, name}
extern const std::vector<bug> bugs_in_kernels;

#endif
