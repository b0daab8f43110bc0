/* test_kernels.cu - what a kernel can do: indices, barriers, warps, atomics, shared memory, numbers. The expected values are
 * CUDA's definitions, computed on the host in another way. Compiles with nvcc too. */
#include "cuda/compat.h"
#include "tests/cuda/check.h"
#include <math.h>
#include <stdint.h>

/* ---- indices ---- */

__global__ void write_indices(int *y)
{
    int block = (int)(blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z));
    int thread = (int)(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
    int threads = (int)(blockDim.x * blockDim.y * blockDim.z);
    atomicAdd(&y[block * threads + thread], 1 + (int)threadIdx.z * 100 + (int)blockIdx.y * 10000);
}

static void indices_name_each_thread_once()
{
    buffer<int> y(3 * 2 * 4 * 5 * 3 * 2);
    y.up();
    GR_LAUNCH(write_indices, dim3(3, 2, 4), dim3(5, 3, 2), 0, 0, y.device);
    y.down();
    for (int i = 0; i < (int)y.host.size(); i++) {
        int thread = i % 30, block = i / 30;
        CHECK(y.host[(size_t)i] == 1 + thread / 15 * 100 + block / 3 % 2 * 10000);
    }
}

/* ---- barriers ---- */

/* One block: reversed through static shared memory, thrice, so that each barrier counts. */
__global__ void reverse(const float *x, float *y, int n)
{
    __shared__ float s[96];
    for (int round = 0; round < 3; round++) {
        s[threadIdx.x] = x[threadIdx.x] + (float)round;
        __syncthreads();
        y[round * n + (int)threadIdx.x] = s[n - 1 - (int)threadIdx.x];
        __syncthreads();
    }
}
__global__ void vote(int *y)
{
    int t = (int)threadIdx.x;
    int odd = __syncthreads_count(t % 2), some = __syncthreads_or(t == 70), none = __syncthreads_or(t == 999);
    int all = __syncthreads_and(t < 96), most = __syncthreads_and(t != 3);
    y[t] = odd + 1000 * some + 10000 * none + 100000 * all + 1000000 * most;
}
/* Threads that have ended are not waited for. */
__global__ void leave_early(int *y)
{
    __shared__ int s[64];
    if (threadIdx.x >= 40) {
        return;
    }
    s[threadIdx.x] = (int)threadIdx.x;
    __syncthreads();
    y[threadIdx.x] = s[39 - threadIdx.x];
}

static void barriers_wait_for_all()
{
    buffer<float> x(96), y(288);
    for (int i = 0; i < 96; i++) {
        x.host[(size_t)i] = (float)(i * i);
    }
    x.up();
    GR_LAUNCH(reverse, 1, 96, 0, 0, x.device, y.device, 96);
    y.down();
    for (int i = 0; i < 288; i++) {
        float from = (float)(95 - i % 96);
        CHECK(y.host[(size_t)i] == from * from + (float)(i / 96));
    }
    buffer<int> v(96), e(40);
    GR_LAUNCH(vote, 1, 96, 0, 0, v.device);
    GR_LAUNCH(leave_early, 1, 64, 0, 0, e.device);
    v.down();
    e.down();
    for (int i = 0; i < 96; i++) {
        CHECK(v.host[(size_t)i] == 48 + 1000 + 100000);
    }
    for (int i = 0; i < 40; i++) {
        CHECK(e.host[(size_t)i] == 39 - i);
    }
}

/* ---- warps ---- */

enum { SHUFFLES = 9 };
__global__ void shuffle_all(int *y, double *d)
{
    int t = (int)threadIdx.x, lane = t % 32;
    int *row = y + t * SHUFFLES;
    row[0] = (int)__ballot_sync(~0u, lane % 3 == 0);
    row[1] = __any_sync(~0u, t == 40);
    row[2] = __all_sync(~0u, t < 32);
    row[3] = __shfl_up_sync(~0u, t, 2);
    row[4] = __shfl_down_sync(~0u, t, 3, 8);
    row[5] = __shfl_sync(~0u, t, 9, 8);
    row[6] = __shfl_xor_sync(~0u, t, 5);
    if (lane < 16) {
        row[7] = __shfl_xor_sync(0xffffu, t, 1);
    } else {
        row[7] = __shfl_xor_sync(0xffff0000u, t, 2);
    }
    row[8] = __popc(__activemask());
    d[t] = __shfl_sync(~0u, 1.0 / (1 + t), 31);
}
__device__ float warp_sum(float v)
{
    for (int distance = 16; distance > 0; distance /= 2) {
        v += __shfl_down_sync(0xffffffff, v, distance);
    }
    return v;
}
/* The usual sum of a block: shuffles, then one warp over shared memory. */
template <class T>
__global__ void __launch_bounds__(256) block_sums(const T *x, T *y, int n)
{
    __shared__ T partial[32];
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, warps = (int)(blockDim.x + 31) / 32;
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    float v = warp_sum(i < n ? (float)x[i] : 0.0f);
    if (lane == 0) {
        partial[warp] = (T)v;
    }
    __syncthreads();
    if (warp == 0) {
        v = warp_sum(lane < warps ? (float)partial[lane] : 0.0f);
        if (lane == 0) {
            y[blockIdx.x] = (T)v;
        }
    }
}
/* Neighbours exchange by shared memory within a warp. */
__global__ void swap_in_warp(int *y)
{
    __shared__ int s[64];
    s[threadIdx.x] = (int)threadIdx.x;
    __syncwarp();
    int got = s[threadIdx.x ^ 31];
    __syncwarp();
    s[threadIdx.x] = got * 2;
    __syncwarp(0xffffffff);
    y[threadIdx.x] = s[threadIdx.x ^ 1];
}

static void warps_exchange()
{
    buffer<int> y(64 * SHUFFLES), w(64);
    buffer<double> d(64);
    GR_LAUNCH(shuffle_all, 1, 64, 0, 0, y.device, d.device);
    GR_LAUNCH(swap_in_warp, 1, 64, 0, 0, w.device);
    y.down();
    d.down();
    w.down();
    unsigned thirds = 0;
    for (int i = 0; i < 32; i += 3) {
        thirds |= 1u << i;
    }
    for (int t = 0; t < 64; t++) {
        int lane = t % 32, part = lane % 8, first = t - lane;
        int want[SHUFFLES] = {(int)thirds, t >= 32, t < 32, lane < 2 ? t : t - 2, part + 3 > 7 ? t : t + 3,
                              t - part + 1, first + (lane ^ 5), lane < 16 ? t ^ 1 : t ^ 2, 32};
        for (int i = 0; i < SHUFFLES; i++) {
            CHECK(y.host[(size_t)(t * SHUFFLES + i)] == want[i]);
        }
        CHECK(d.host[(size_t)t] == 1.0 / (1 + first + 31));
        CHECK(w.host[(size_t)t] == 2 * ((t ^ 1) ^ 31));
    }
}

static void sums_of_blocks()
{
    for (int n : {1, 100, 256, 1000}) {
        int blocks = (n + 255) / 256;
        buffer<float> x((size_t)n), y((size_t)blocks);
        std::vector<float> want((size_t)blocks);
        for (int i = 0; i < n; i++) {
            x.host[(size_t)i] = (float)(i % 17);
            want[(size_t)i / 256] += (float)(i % 17);
        }
        x.up();
        GR_LAUNCH(block_sums<float>, blocks, 256, 0, 0, x.device, y.device, n);
        y.down();
        for (int i = 0; i < blocks; i++) {
            CHECK(y.host[(size_t)i] == want[(size_t)i]);
        }
    }
}

/* ---- atomics and fences ---- */

struct tally {
    int sum, most, least, bits;
    unsigned turn;
    float real;
    double wide;
    unsigned long long cas;
};
__global__ void count_up(tally *t, int n)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= n) {
        return;
    }
    atomicAdd(&t->sum, i);
    atomicMax(&t->most, i * 7 % 64);
    atomicMin(&t->least, -(i * 5 % 32));
    atomicOr(&t->bits, 1 << i % 20);
    atomicInc(&t->turn, 6u);
    atomicAdd(&t->real, 0.5f);
    atomicAdd(&t->wide, 0.25);
    unsigned long long was = atomicAdd(&t->cas, 0ull), seen;
    do {
        seen = was;
        was = atomicCAS(&t->cas, seen, seen * 3 + 1 - seen * 2);
    } while (was != seen);
}
/* The last block to finish adds what all have left: the two-stage sum without a second launch. */
__global__ void last_block_adds(float *partial, unsigned *finished, float *y)
{
    __shared__ bool is_last;
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = (float)(blockIdx.x + 1);
        __threadfence();
        is_last = atomicAdd(finished, 1u) == gridDim.x - 1;
    }
    __syncthreads();
    if (is_last && threadIdx.x == 0) {
        __threadfence();
        float sum = 0;
        for (unsigned i = 0; i < gridDim.x; i++) {
            sum += partial[i];
        }
        *y = sum;
    }
}

static void atomics_lose_nothing()
{
    buffer<tally> t(1);
    t.host[0] = {};
    t.up();
    GR_LAUNCH(count_up, 5, 128, 0, 0, t.device, 600);
    t.down();
    const tally &r = t.host[0];
    CHECK(r.sum == 600 * 599 / 2 && r.most == 63 && r.least == -31 && r.bits == (1 << 20) - 1);
    CHECK(r.turn == 600 % 7 && r.real == 300 && r.wide == 150 && r.cas == 600);

    buffer<float> partial(37), y(1);
    buffer<unsigned> finished(1);
    finished.host[0] = 0;
    finished.up();
    GR_LAUNCH(last_block_adds, 37, 32, 0, 0, partial.device, finished.device, y.device);
    y.down();
    CHECK(y.host[0] == 37 * 38 / 2);
}

/* ---- shared memory, arguments ---- */

struct operands {
    const float *in[3];
    int64_t count[3];
    float scale;
};
__global__ void weighted(operands o, float *y, int64_t n)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (int64_t)gridDim.x * blockDim.x) {
        float sum = 0;
        GR_UNROLL
        for (int k = 0; k < 3; k++) {
            sum += i < o.count[k] ? o.in[k][i] : 0;
        }
        y[i] = sum * o.scale;
    }
}
template <class T, int ROUNDS>
__global__ void scan(const T *x, T *y)
{
    GR_SHARED(T, row);
    row[threadIdx.x] = x[threadIdx.x];
    for (int k = 0, step = 1; k < ROUNDS; k++, step *= 2) {
        __syncthreads();
        T left = (int)threadIdx.x >= step ? row[threadIdx.x - step] : (T)0;
        __syncthreads();
        row[threadIdx.x] += left;
    }
    y[threadIdx.x] = row[threadIdx.x];
}

static void arguments_and_dynamic_shared_memory()
{
    buffer<float> a(100), b(100), y(100);
    for (int i = 0; i < 100; i++) {
        a.host[(size_t)i] = (float)i;
        b.host[(size_t)i] = 1;
    }
    a.up();
    b.up();
    operands o = {{a.device, b.device, a.device}, {100, 50, 0}, 2};
    GR_LAUNCH(weighted, 2, 32, 0, 0, o, y.device, 100);
    y.down();
    for (int i = 0; i < 100; i++) {
        CHECK(y.host[(size_t)i] == 2 * ((float)i + (i < 50)));
    }
    buffer<double> x(50), s(50);
    for (int i = 0; i < 50; i++) {
        x.host[(size_t)i] = i + 1;
    }
    x.up();
    GR_LAUNCH((scan<double, 6>), 1, 50, 50 * sizeof(double), 0, x.device, s.device);
    s.down();
    for (int i = 0; i < 50; i++) {
        CHECK(s.host[(size_t)i] == (i + 1) * (i + 2) / 2);
    }
}

/* ---- numbers ---- */

__global__ void numbers(double *y, const float *x)
{
    int i = 0;
    y[i++] = __umulhi(0xfffffffe, 0x80000001);
    y[i++] = __clz(1) + 100 * __clz(0) + 10000 * __clz(-1) + 100000 * __ffs(8) + 1000000 * __popc(0xf0f0);
    y[i++] = fma(x[0], x[1], x[2]) + fmaf(x[0], x[1], x[2]);
    y[i++] = rsqrtf(4) + rsqrt(16.0);
    y[i++] = min(3, 2) + max(3u, 7u) + min(2.0f, nanf("")) + max(-1.0, 5.0);
    y[i++] = __ldg(x + 1);
    y[i++] = isnan(nanf("")) && isinf(x[0] / (x[0] - x[0])) && signbit(-0.0f) && !isnan(x[0]);
}
__global__ void vectors(const float4 *x, float *y, int2 *pairs)
{
    float4 v = x[threadIdx.x];
    float2 half = make_float2(v.x + v.y, v.z + v.w);
    y[threadIdx.x] = half.x * half.y;
    pairs[threadIdx.x] = make_int2((int)v.x, (int)threadIdx.x);
}
__global__ void brain(const float *x, __nv_bfloat16 *y, float *back, double *single)
{
    __nv_bfloat16 v = __float2bfloat16(x[threadIdx.x]);
    y[threadIdx.x] = v;
    back[threadIdx.x] = __bfloat162float(v) + (float)(v * v - v);
    single[threadIdx.x] = (float)__double2bfloat16(1.00390625 + 1e-12); /* just above the middle: up */
}

static void numbers_are_as_defined()
{
    buffer<float> x(3);
    buffer<double> y(7);
    x.host = {1 + 0x1p-20f, 1 - 0x1p-20f, -1};
    x.up();
    GR_LAUNCH(numbers, 1, 1, 0, 0, y.device, x.device);
    y.down();
    const double want[] = {0x7fffffff, 31 + 3200 + 400000 + 8000000, -0x1p-40 * 2, 0.75, 2 + 7 + 2 + 5, 1 - 0x1p-20f, 1};
    for (size_t i = 0; i < 7; i++) {
        CHECK(fabs(y.host[i] - want[i]) <= 1e-6 * fabs(want[i]));
    }
}
static void vectors_and_bfloat16()
{
    buffer<float4> x(8);
    buffer<float> y(8), f(8), back(8);
    buffer<int2> pairs(8);
    buffer<double> single(8);
    buffer<__nv_bfloat16> b(8);
    for (int i = 0; i < 8; i++) {
        x.host[(size_t)i] = make_float4((float)i, 1, 2, 3);
    }
    f.host = {1, -1.5f, 1.00390625f, 1.01171875f, INFINITY, 3.4e38f, 1e-40f, NAN};
    x.up();
    f.up();
    GR_LAUNCH(vectors, 1, 8, 0, 0, x.device, y.device, pairs.device);
    GR_LAUNCH(brain, 1, 8, 0, 0, f.device, b.device, back.device, single.device);
    y.down();
    pairs.down();
    back.down();
    b.down();
    single.down();
    /* Ties go to the even neighbour; 3.4e38 lies above the largest finite number by more than half a step. */
    const float want[] = {1, -1.5f, 1, 1.015625f, INFINITY, INFINITY, 1e-40f, NAN};
    for (size_t i = 0; i < 8; i++) {
        CHECK(y.host[i] == ((float)i + 1) * 5 && pairs.host[i].x == (int)i && pairs.host[i].y == (int)i);
        float v = (float)b.host[i];
        CHECK(i == 7 ? v != v : i == 6 ? fabsf(v - want[i]) < 1e-41f : v == want[i]);
        CHECK(single.host[i] == 1.0078125);
    }
    CHECK(back.host[0] == 1 && back.host[1] == -1.5f + 3.75f);
}

int main()
{
    indices_name_each_thread_once();
    barriers_wait_for_all();
    warps_exchange();
    sums_of_blocks();
    atomics_lose_nothing();
    arguments_and_dynamic_shared_memory();
    numbers_are_as_defined();
    vectors_and_bfloat16();
    return check_result("kernels");
}
