/* intrinsics.h - CUDA's device functions of numbers. The host's libm stands for the device's: results are right, not equal to
 * the last bit. What CUDA rounds correctly (+ - * / sqrt fma) is equal; compile with -ffp-contract=off. */
#ifndef GR_EMULATOR_INTRINSICS_H
#define GR_EMULATOR_INTRINSICS_H
#include <limits>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <type_traits>

namespace emulator {

template <class To, class From>
inline To bits_as(From from)
{
    static_assert(sizeof(To) == sizeof(From), "bits of another size");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}
/* A real of integral value as an integer, as the device converts: NaN is 0, what is too large the nearest there is. */
template <class To, class From>
inline To saturated(From x)
{
    if (x != x) {
        return 0;
    }
    if (x <= (From)std::numeric_limits<To>::min()) {
        return std::numeric_limits<To>::min();
    }
    if (x >= (From)std::numeric_limits<To>::max()) {
        return std::numeric_limits<To>::max();
    }
    return (To)x;
}

} // namespace emulator

/* ---- bits ---- */

static inline int __float_as_int(float x) { return emulator::bits_as<int>(x); }
static inline unsigned __float_as_uint(float x) { return emulator::bits_as<unsigned>(x); }
static inline float __int_as_float(int x) { return emulator::bits_as<float>(x); }
static inline float __uint_as_float(unsigned x) { return emulator::bits_as<float>(x); }
static inline long long __double_as_longlong(double x) { return emulator::bits_as<long long>(x); }
static inline double __longlong_as_double(long long x) { return emulator::bits_as<double>(x); }
static inline int __double2hiint(double x) { return (int)(__double_as_longlong(x) >> 32); }
static inline int __double2loint(double x) { return (int)__double_as_longlong(x); }
static inline double __hiloint2double(int high, int low)
{
    return __longlong_as_double((long long)((uint64_t)(unsigned)high << 32 | (unsigned)low));
}

/* ---- integers ---- */

static inline int __mulhi(int a, int b) { return (int)((int64_t)a * b >> 32); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
__extension__ typedef __int128 gr_emulator_int128;
__extension__ typedef unsigned __int128 gr_emulator_uint128;
static inline long long __mul64hi(long long a, long long b) { return (long long)((gr_emulator_int128)a * b >> 64); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)((gr_emulator_uint128)a * b >> 64);
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline unsigned __brev(unsigned x)
{
    x = (x >> 1 & 0x55555555) | (x & 0x55555555) << 1;
    x = (x >> 2 & 0x33333333) | (x & 0x33333333) << 2;
    x = (x >> 4 & 0x0f0f0f0f) | (x & 0x0f0f0f0f) << 4;
    return __builtin_bswap32(x);
}
static inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift)
{
    return (unsigned)((((uint64_t)high << 32 | low) << (shift & 31)) >> 32);
}
static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift)
{
    return (unsigned)(((uint64_t)high << 32 | low) >> (shift & 31));
}

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

/* ---- loads and stores with a hint to the caches ---- */

template <class T> static inline T __ldg(const T *p) { return *p; }
template <class T> static inline T __ldcg(const T *p) { return *p; }
template <class T> static inline T __ldca(const T *p) { return *p; }
template <class T> static inline T __ldcs(const T *p) { return *p; }
template <class T> static inline void __stcg(T *p, T value) { *p = value; }
template <class T> static inline void __stcs(T *p, T value) { *p = value; }
template <class T> static inline void __stwt(T *p, T value) { *p = value; }

/* ---- arithmetic with the rounding said ---- */

static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __frcp_rn(float x) { return 1 / x; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dsub_rn(double a, double b) { return a - b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __ddiv_rn(double a, double b) { return a / b; }
static inline double __drcp_rn(double x) { return 1 / x; }
static inline double __dsqrt_rn(double x) { return sqrt(x); }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }

/* ---- conversions: rn to nearest even, rz towards zero, rd down, ru up ---- */

static inline int __float2int_rn(float x) { return emulator::saturated<int>(rintf(x)); }
static inline int __float2int_rz(float x) { return emulator::saturated<int>(truncf(x)); }
static inline int __float2int_rd(float x) { return emulator::saturated<int>(floorf(x)); }
static inline int __float2int_ru(float x) { return emulator::saturated<int>(ceilf(x)); }
static inline unsigned __float2uint_rz(float x) { return emulator::saturated<unsigned>(truncf(x)); }
static inline long long __float2ll_rn(float x) { return emulator::saturated<long long>(rintf(x)); }
static inline long long __float2ll_rz(float x) { return emulator::saturated<long long>(truncf(x)); }
static inline int __double2int_rn(double x) { return emulator::saturated<int>(rint(x)); }
static inline int __double2int_rz(double x) { return emulator::saturated<int>(trunc(x)); }
static inline long long __double2ll_rn(double x) { return emulator::saturated<long long>(rint(x)); }
static inline long long __double2ll_rz(double x) { return emulator::saturated<long long>(trunc(x)); }
static inline float __double2float_rn(double x) { return (float)x; }
static inline float __int2float_rn(int x) { return (float)x; }
static inline float __uint2float_rn(unsigned x) { return (float)x; }
static inline float __ll2float_rn(long long x) { return (float)x; }
static inline double __int2double_rn(int x) { return (double)x; }
static inline double __ll2double_rn(long long x) { return (double)x; }

/* ---- functions C lacks, and CUDA's quick ones ---- */

static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
static inline double rsqrt(double x) { return 1 / sqrt(x); }
static inline float rsqrt(float x) { return rsqrtf(x); }
static inline float __saturatef(float x) { return x > 0 ? fminf(x, 1) : 0; }
/* Macros: the C library declares functions of these names. */
#define __expf expf
#define __exp10f exp10f
#define __logf logf
#define __log2f log2f
#define __log10f log10f
#define __powf powf
#define __sinf sinf
#define __cosf cosf
#define __tanf tanf
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __frsqrt_rn(float x) { return (float)(1 / sqrt((double)x)); }

#endif
