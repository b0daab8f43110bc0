/* intrinsics.h - CUDA's device functions of numbers, those that the sources use; another one is a line here. The host's libm
 * stands for the device's: results are right, not equal to the last bit. What CUDA rounds correctly (+ - * / sqrt fma) is equal;
 * compile with -ffp-contract=off. */
#ifndef GR_EMULATOR_INTRINSICS_H
#define GR_EMULATOR_INTRINSICS_H
#include <math.h>
#include <stdint.h>
#include <type_traits>

static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
static inline double rsqrt(double x) { return 1 / sqrt(x); }
template <class T> static inline T __ldg(const T *p) { return *p; }

template <class A, class B>
static inline std::common_type_t<A, B> min(A a, B b)
{
    typedef std::common_type_t<A, B> T;
    if constexpr (std::is_floating_point_v<T>) {
        return fmin((T)a, (T)b); /* a number before NaN */
    } else {
        return (T)b < (T)a ? (T)b : (T)a;
    }
}
template <class A, class B>
static inline std::common_type_t<A, B> max(A a, B b)
{
    typedef std::common_type_t<A, B> T;
    if constexpr (std::is_floating_point_v<T>) {
        return fmax((T)a, (T)b);
    } else {
        return (T)a < (T)b ? (T)b : (T)a;
    }
}

#endif
