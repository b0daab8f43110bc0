/* types.h - CUDA's vector types and bfloat16, for kernels that g++ compiles. */
#ifndef GR_EMULATOR_TYPES_H
#define GR_EMULATOR_TYPES_H
#include <stdint.h>
#include <string.h>

#define __align__(n) __attribute__((aligned(n)))

/* Alignments are CUDA's: a misaligned vector load is one that -fsanitize=alignment reports. */
#define GR_EMULATOR_VECTORS_TO_3(T, name)                                                          \
    struct __align__(sizeof(T)) name##1 {                                                          \
        T x;                                                                                       \
    };                                                                                             \
    struct __align__(2 * sizeof(T)) name##2 {                                                      \
        T x, y;                                                                                    \
    };                                                                                             \
    struct name##3 {                                                                               \
        T x, y, z;                                                                                 \
    };                                                                                             \
    static inline name##1 make_##name##1(T x) { return {x}; }                                      \
    static inline name##2 make_##name##2(T x, T y) { return {x, y}; }                              \
    static inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }
#define GR_EMULATOR_VECTORS_TO_4(T, name)                                                          \
    GR_EMULATOR_VECTORS_TO_3(T, name)                                                              \
    struct __align__(4 * sizeof(T)) name##4 {                                                      \
        T x, y, z, w;                                                                              \
    };                                                                                             \
    static inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }

GR_EMULATOR_VECTORS_TO_4(signed char, char)
GR_EMULATOR_VECTORS_TO_4(unsigned char, uchar)
GR_EMULATOR_VECTORS_TO_4(short, short)
GR_EMULATOR_VECTORS_TO_4(unsigned short, ushort)
GR_EMULATOR_VECTORS_TO_4(int, int)
GR_EMULATOR_VECTORS_TO_4(unsigned, uint)
GR_EMULATOR_VECTORS_TO_4(float, float)
/* Four of 8 bytes: CUDA 12 and 13 differ in alignment and names; kernels use two pairs. */
GR_EMULATOR_VECTORS_TO_3(long long, longlong)
GR_EMULATOR_VECTORS_TO_3(unsigned long long, ulonglong)
GR_EMULATOR_VECTORS_TO_3(double, double)
#undef GR_EMULATOR_VECTORS_TO_3
#undef GR_EMULATOR_VECTORS_TO_4

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
    constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};

/* ---- bfloat16: the upper half of a float; rounds to nearest even, NaN becomes 0x7fff ---- */

struct __nv_bfloat16_raw {
    unsigned short x;
};

struct __nv_bfloat16 {
    unsigned short bits;
    __nv_bfloat16() = default;
    __nv_bfloat16(__nv_bfloat16_raw raw) : bits(raw.x) {}
    __nv_bfloat16(float value)
    {
        uint32_t word;
        memcpy(&word, &value, sizeof word);
        bits = value != value ? 0x7fff : (unsigned short)((word + 0x7fff + (word >> 16 & 1)) >> 16);
    }
    __nv_bfloat16(double value);
    __nv_bfloat16(int value) : __nv_bfloat16((double)value) {}
    __nv_bfloat16(unsigned value) : __nv_bfloat16((double)value) {} /* of longer ones a caller says which way */
    operator float() const
    {
        uint32_t word = (uint32_t)bits << 16;
        float value;
        memcpy(&value, &word, sizeof value);
        return value;
    }
    __nv_bfloat16 &operator+=(__nv_bfloat16 other) { return *this = *this + other; }
    __nv_bfloat16 &operator-=(__nv_bfloat16 other) { return *this = *this - other; }
    __nv_bfloat16 &operator*=(__nv_bfloat16 other) { return *this = *this * other; }
    __nv_bfloat16 &operator/=(__nv_bfloat16 other) { return *this = *this / other; }
    /* Two operands of this type give this type, as CUDA's operators do; hence not the built-in ones on float. */
    friend __nv_bfloat16 operator+(__nv_bfloat16 a, __nv_bfloat16 b) { return (float)a + (float)b; }
    friend __nv_bfloat16 operator-(__nv_bfloat16 a, __nv_bfloat16 b) { return (float)a - (float)b; }
    friend __nv_bfloat16 operator*(__nv_bfloat16 a, __nv_bfloat16 b) { return (float)a * (float)b; }
    friend __nv_bfloat16 operator/(__nv_bfloat16 a, __nv_bfloat16 b) { return (float)a / (float)b; }
    friend __nv_bfloat16 operator-(__nv_bfloat16 a) { return -(float)a; }
    friend bool operator==(__nv_bfloat16 a, __nv_bfloat16 b) { return (float)a == (float)b; }
    friend bool operator!=(__nv_bfloat16 a, __nv_bfloat16 b) { return (float)a != (float)b; }
    friend bool operator<(__nv_bfloat16 a, __nv_bfloat16 b) { return (float)a < (float)b; }
    friend bool operator>(__nv_bfloat16 a, __nv_bfloat16 b) { return (float)a > (float)b; }
    friend bool operator<=(__nv_bfloat16 a, __nv_bfloat16 b) { return (float)a <= (float)b; }
    friend bool operator>=(__nv_bfloat16 a, __nv_bfloat16 b) { return (float)a >= (float)b; }
};

/* One rounding, not two: the float between keeps a sticky last bit where it is not exact (round to odd). */
inline __nv_bfloat16::__nv_bfloat16(double value)
{
    float near = (float)value;
    if ((double)near != value && value == value) {
        uint32_t word;
        memcpy(&word, &near, sizeof word);
        bool too_far = (double)near > value ? value > 0 : value < 0;
        word = (too_far ? word - 1 : word) | 1;
        memcpy(&near, &word, sizeof near);
    }
    *this = __nv_bfloat16(near);
}

struct __align__(4) __nv_bfloat162 {
    __nv_bfloat16 x, y;
};

static inline __nv_bfloat16 __float2bfloat16(float x) { return __nv_bfloat16(x); }
static inline __nv_bfloat16 __float2bfloat16_rn(float x) { return __nv_bfloat16(x); }
static inline __nv_bfloat16 __double2bfloat16(double x) { return __nv_bfloat16(x); }
static inline float __bfloat162float(__nv_bfloat16 x) { return (float)x; }
static inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 x) { return x.bits; }
static inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) { return __nv_bfloat16_raw{bits}; }
static inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) { return {x, y}; }
static inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) { return {x, y}; }
static inline __nv_bfloat162 make_bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) { return {x, y}; }
static inline float2 __bfloat1622float2(__nv_bfloat162 v) { return {(float)v.x, (float)v.y}; }
static inline float __low2float(__nv_bfloat162 v) { return (float)v.x; }
static inline float __high2float(__nv_bfloat162 v) { return (float)v.y; }

#endif
