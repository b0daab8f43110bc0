/* fill.h - two small kernels and their launches, for the tests of streams, memory and errors. */
#ifndef GR_EMULATOR_FILL_H
#define GR_EMULATOR_FILL_H
#include "cuda/compat.h"
#include "tests/cuda/check.h"
#ifndef __CUDACC__
#include "tests/cuda/emulator.h"
#endif

enum { N = 1000 };
enum { BLOCK = 128, BLOCKS = (N + BLOCK - 1) / BLOCK };

static __global__ void set_all(float *y, float value, int n)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n) {
        y[i] = value;
    }
}
static __global__ void add_all(float *y, const float *x, float value, int n)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n) {
        y[i] = x[i] + value;
    }
}
static inline bool all_are(const std::vector<float> &x, float value)
{
    for (float v : x) {
        if (!(v == value)) {
            return false;
        }
    }
    return true;
}
static inline void set_on(cudaStream_t stream, const buffer<float> &y, float value)
{
    GR_LAUNCH(set_all, BLOCKS, BLOCK, 0, stream, y.device, value, N);
    OK(cudaGetLastError());
}
static inline void add_on(cudaStream_t stream, const buffer<float> &y, const buffer<float> &x, float value)
{
    GR_LAUNCH(add_all, BLOCKS, BLOCK, 0, stream, y.device, x.device, value, N);
    OK(cudaGetLastError());
}
static inline cudaStream_t free_stream()
{
    cudaStream_t s;
    OK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    return s;
}

/* Without the emulator's explanations of what is refused: refusals are meant. */
static inline void quietly()
{
#ifndef __CUDACC__
    gr_emulator_set("QUIET", "1");
#endif
}

#endif
