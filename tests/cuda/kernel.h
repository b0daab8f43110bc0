/* kernel.h - CUDA C++ for g++: qualifiers, the running thread, barriers, warp collectives, atomics.
 *
 * A kernel is an ordinary function; each CUDA thread calls it on a fiber of its own (fibers.cpp). Build modes, one for
 * all files of a program: none, -DGR_EMULATOR_ASAN, -DGR_EMULATOR_TSAN. */
#ifndef GR_EMULATOR_KERNEL_H
#define GR_EMULATOR_KERNEL_H
#include "types.h"
#include <type_traits>

/* ---- qualifiers ---- */

/* The tag becomes part of the symbols, by which the emulator finds shared memory, to fill it before each block (symbols.cpp). */
#define __global__
#ifdef GR_EMULATOR_TSAN
/* Blocks run on two threads of the system, so that races between blocks are seen; each has its own shared memory. */
#define GR_EMULATOR_PER_WORKER thread_local
#define __shared__ static thread_local
#else
#define GR_EMULATOR_PER_WORKER
#define __shared__ static __attribute__((abi_tag("gr_shared")))
#endif
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__

namespace emulator {

/* ---- the running thread ---- */

struct running_thread {
    uint3 thread, block;
    dim3 block_size, grid_size;
    unsigned char *shared; /* dynamic shared memory */
};
extern GR_EMULATOR_PER_WORKER running_thread running;

/* ---- barriers and warp collectives: fibers.cpp ---- */

/* Waits for all threads of the block; returns how many gave a true predicate. */
int barrier(bool predicate, const char *file, int line);
enum class collective { sync, shuffle, ballot };
/* Waits for the lanes in mask; returns the value of lane `source`, or for a ballot one bit per lane. */
uint64_t meet(collective kind, unsigned mask, uint64_t value, int source, const char *file, int line);
int lane();
unsigned active_lanes();
/* Reports a bug in the running kernel; does not return. */
[[noreturn]] void kernel_bug(const char *text, const char *file, int line);
void fence();

inline unsigned mask_or_all(unsigned mask = ~0u)
{
    return mask;
}

/* The lane that a shuffle reads; its own where that lies outside the segment of `width` lanes. */
inline int shuffle_source(char way, int from, int width)
{
    int self = lane(), first = self & ~(width - 1), source = self;
    if (way == 'i') {
        source = first | (from & (width - 1));
    } else if (way == 'u') {
        source = self - from;
    } else if (way == 'd') {
        source = self + from;
    } else {
        source = self ^ from;
    }
    bool inside = way == 'u' ? source >= first : source < first + width;
    return inside ? source : self;
}

template <class T>
T shuffle(char way, const char *file, int line, unsigned mask, T value, int from, int width = 32)
{
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>, "CUDA shuffles numbers of up to 8 bytes");
    if (width < 1 || width > 32 || (width & (width - 1)) != 0) {
        kernel_bug("the width of a shuffle must be a power of 2, 1 to 32", file, line);
    }
    uint64_t word = 0;
    memcpy(&word, &value, sizeof value);
    word = meet(collective::shuffle, mask, word, shuffle_source(way, from, width), file, line);
    memcpy(&value, &word, sizeof value);
    return value;
}

/* ---- atomics: relaxed, as on the device ---- */

template <class T, class F>
T read_modify_write(T *p, F change)
{
    T was, is;
    __atomic_load(p, &was, __ATOMIC_RELAXED);
    do {
        is = change(was);
    } while (!__atomic_compare_exchange(p, &was, &is, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return was;
}
template <class T>
struct same {
    typedef T type;
};

} // namespace emulator

#define threadIdx (static_cast<const uint3 &>(emulator::running.thread))
#define blockIdx (static_cast<const uint3 &>(emulator::running.block))
#define blockDim (static_cast<const dim3 &>(emulator::running.block_size))
#define gridDim (static_cast<const dim3 &>(emulator::running.grid_size))
static constexpr int warpSize = 32;

#define __syncthreads() ((void)emulator::barrier(false, __FILE__, __LINE__))
#define __syncthreads_count(p) emulator::barrier(!!(p), __FILE__, __LINE__)
#define __syncthreads_or(p) (emulator::barrier(!!(p), __FILE__, __LINE__) != 0)
#define __syncthreads_and(p) (emulator::barrier(!(p), __FILE__, __LINE__) == 0)
#define __threadfence() emulator::fence()
#define __threadfence_block() emulator::fence()
#define __threadfence_system() emulator::fence()

#define __syncwarp(...)                                                                            \
    ((void)emulator::meet(emulator::collective::sync, emulator::mask_or_all(__VA_ARGS__), 0, 0,    \
                          __FILE__, __LINE__))
#define __ballot_sync(mask, p)                                                                     \
    ((unsigned)emulator::meet(emulator::collective::ballot, mask, !!(p), 0, __FILE__, __LINE__))
#define __any_sync(mask, p) (__ballot_sync(mask, p) != 0)
#define __all_sync(mask, p) (__ballot_sync(mask, !(p)) == 0)
#define __activemask() emulator::active_lanes()
#define __shfl_sync(mask, ...) emulator::shuffle('i', __FILE__, __LINE__, mask, __VA_ARGS__)
#define __shfl_up_sync(mask, ...) emulator::shuffle('u', __FILE__, __LINE__, mask, __VA_ARGS__)
#define __shfl_down_sync(mask, ...) emulator::shuffle('d', __FILE__, __LINE__, mask, __VA_ARGS__)
#define __shfl_xor_sync(mask, ...) emulator::shuffle('x', __FILE__, __LINE__, mask, __VA_ARGS__)
#define __trap() emulator::kernel_bug("__trap()", __FILE__, __LINE__)

/* The second operand takes the first's type, as CUDA's overloads do. */
#define GR_EMULATOR_ATOMIC(name, result)                                                           \
    template <class T>                                                                             \
    static inline T name(T *p, typename emulator::same<T>::type v)                                 \
    {                                                                                              \
        return emulator::read_modify_write(p, [=](T old) -> T { return result; });                 \
    }
GR_EMULATOR_ATOMIC(atomicAdd, old + v)
GR_EMULATOR_ATOMIC(atomicSub, old - v)
GR_EMULATOR_ATOMIC(atomicExch, ((void)old, v))
GR_EMULATOR_ATOMIC(atomicMax, old > v ? old : v)
GR_EMULATOR_ATOMIC(atomicMin, old < v ? old : v)
GR_EMULATOR_ATOMIC(atomicOr, old | v)
GR_EMULATOR_ATOMIC(atomicAnd, old & v)
GR_EMULATOR_ATOMIC(atomicXor, old ^ v)
GR_EMULATOR_ATOMIC(atomicInc, old >= v ? 0 : old + 1)
GR_EMULATOR_ATOMIC(atomicDec, old == 0 || old > v ? v : old - 1)
#undef GR_EMULATOR_ATOMIC
template <class T>
static inline T atomicCAS(T *p, typename emulator::same<T>::type expected, typename emulator::same<T>::type v)
{
    return emulator::read_modify_write(p, [=](T old) { return old == expected ? v : old; });
}

#endif
