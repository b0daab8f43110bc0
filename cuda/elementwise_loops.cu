/* elementwise_loops.cu - one kernel per row of elementwise.def and direction, for the dtype that GR_TAG names:
 * compiled with -DGR_TAG=f32 and so on. Each thread computes some elements; nothing is shared. */
#include <math.h>

#include "cuda/elementwise_loops.h"

/* The texts are written for numbers: x < 0 says nothing of a uint8, a * b is "and" for bools. */
#ifdef __CUDACC__
#pragma nv_diag_suppress 186
#endif
#pragma GCC diagnostic ignored "-Wtype-limits"
#pragma GCC diagnostic ignored "-Wbool-compare"
#pragma GCC diagnostic ignored "-Wint-in-bool-context"

#define GR_SCALAR static __device__ __forceinline__
#include "core/scalar.h"

/* ---- the dtype ---- */

#define GR_TAG_f32 1
#define GR_TAG_f64 2
#define GR_TAG_bf16 3
#define GR_TAG_i64 4
#define GR_TAG_i32 5
#define GR_TAG_u8 6
#define GR_TAG_b8 7
#define TAG_OF(tag) TAG_OF_(tag)
#define TAG_OF_(tag) GR_TAG_##tag
#define IS(tag) (TAG_OF(GR_TAG) == GR_TAG_##tag)

/* Each dtype has its own names: kernels and rows are called alike in all of them. */
#define NAMES_OF(tag) NAMES_OF_(tag)
#define NAMES_OF_(tag) rows_of_##tag
namespace NAMES_OF(GR_TAG) {

/* `stored` is what memory holds, `real` what is computed in. */
#if IS(f32)
typedef float stored;
typedef float real;
#elif IS(f64)
typedef double stored;
typedef double real;
#elif IS(bf16)
typedef __nv_bfloat16 stored;
typedef float real;
#elif IS(i64)
typedef int64_t stored;
typedef int64_t real;
#elif IS(i32)
typedef int32_t stored;
typedef int32_t real;
#elif IS(u8)
typedef uint8_t stored;
typedef uint8_t real;
#else
typedef bool stored;
typedef bool real;
#endif
#define FLOATING (IS(f32) || IS(f64) || IS(bf16))

/* ---- a row's text: C over scalars of `real` ---- */

#if FLOATING
#if IS(f64)
#define OF(name) gr_##name##_f64
#else
#define OF(name) gr_##name##_f32
#endif
#define sin(x) OF(sin_exact)(x)
#define cos(x) OF(cos_exact)(x)
#define exp(x) OF(exp)(x)
#define log(x) OF(log)(x)
#define log1p(x) OF(log1p)(x)
#define log1p_exp(x) OF(log1p_exp)(x)
#define expm1(x) OF(expm1)(x)
#define sqrt(x) OF(sqrt)(x)
#define tanh(x) OF(tanh)(x)
#define sigmoid(x) OF(sigmoid)(x)
#define erf(x) OF(erf)(x)
#define pow(a, b) (by_number ? OF(pow_number)(a, b) : OF(pow)(a, b))
#define abs(x) OF(abs)(x)
#define sign(x) OF(sign)(x)
#define gelu_erf(x) OF(gelu)(x)
#define gelu_erf_slope(x) OF(gelu_slope)(x)
#define gelu_tanh(x) OF(gelu_tanh)(x)
#define gelu_tanh_slope(x) OF(gelu_tanh_slope)(x)
#define is_nan(x) ((real)(x) != (real)(x))
#define square(a) square_of((real)(a))
static __device__ __forceinline__ real square_of(real x) { return x * x; }
#else
#define pow(a, b) whole_pow(a, b)
#define abs(x) whole_abs(x)
#define sign(x) ((real)(((x) > 0) - ((x) < 0)))
#define is_nan(x) ((void)(x), false)
/* Integers wrap around, as on the CPU; nvcc promises that of unsigned ones only. */
[[maybe_unused]] static __device__ __forceinline__ real whole_abs(real x)
{
    return (real)(x < 0 ? 0 - (uint64_t)x : (uint64_t)x);
}
/* By squaring; a negative exponent leaves 1 and -1 what they are and makes 0 of the rest, as 1 / a^-b does. */
[[maybe_unused]] static __device__ __forceinline__ real whole_pow(real a, real b)
{
    uint64_t factor = (uint64_t)a, y = 1;
    if (b < 0) return (real)(a == 1 || (b % 2 == 0 && a == (real)-1) ? 1 : a == (real)-1 ? a : 0);
    for (; b; b = (real)(b / 2), factor *= factor)
        if (b % 2) y *= factor;
    return (real)y;
}
#endif

#include "core/row_text.h"

#if FLOATING
#define FOR_FLOAT(...) __VA_ARGS__
#define BACK(...) __VA_ARGS__
#else
#define FOR_FLOAT(...)
#define BACK(...)
#endif
#if IS(b8)
#define FOR_SAME_NOBOOL(...)
#else
#define FOR_SAME_NOBOOL(...) __VA_ARGS__
#endif
#define FOR_SAME(...) __VA_ARGS__
#define FOR_ANY(...) __VA_ARGS__

#define ROW(function, gives, params, text) \
    struct function { \
        typedef gives result; \
        static __device__ __forceinline__ gives value(real a, real b, real c, real dy, real y, const real *p, bool by_number) \
        { \
            const real x = a; \
            (void)x, (void)b, (void)c, (void)dy, (void)y, (void)p, (void)by_number; \
            NAMED_##params return (gives)(text); \
        } \
    };
#define UNARY(name, params, types, value, back, lo, hi, edges) \
    FOR_##types(ROW(name##_row, real, params, value) BACK(ROW(name##_a_row, real, params, back)))
#define BINARY(name, params, types, value, back_a, back_b, lo, hi, edges) \
    FOR_##types(ROW(name##_row, real, params, value) \
                BACK(ROW(name##_a_row, real, params, back_a) ROW(name##_b_row, real, params, back_b)))
#define TERNARY(name, params, types, value, back_a, back_b, back_c, lo, hi, edges) \
    FOR_##types(ROW(name##_row, real, params, value) \
                BACK(ROW(name##_a_row, real, params, back_a) ROW(name##_b_row, real, params, back_b) \
                     ROW(name##_c_row, real, params, back_c)))
#define PREDICATE(name, params, types, value, lo, hi, edges) FOR_##types(ROW(name##_row, bool, params, value))
#define COMPARE(name, params, types, value, lo, hi, edges) FOR_##types(ROW(name##_row, bool, params, value))
#include "core/elementwise.def"
#undef UNARY
#undef BINARY
#undef TERNARY
#undef PREDICATE
#undef COMPARE
#undef exp
#undef log
#undef sqrt
#undef sin
#undef cos
#undef pow
#undef abs
#undef add
#undef sub
#undef div

/* ---- kernels ---- */

template <class T, int N> struct __align__(N * sizeof(T) < 16 ? N * sizeof(T) : 16) pack {
    T v[N];
};
enum { WIDE = 16 / sizeof(stored) };

template <class T> struct same_as_bool {
    static const bool yes = false;
};
template <> struct same_as_bool<bool> {
    static const bool yes = true;
};

struct numbers {
    real number[3], param[2];
};

static numbers numbers_of(const gr_sources &s)
{
    numbers n;
    for (int k = 0; k < 3; k++)
        n.number[k] = s.number[k].kind == GR_VALUE_REAL ? (real)s.number[k].real : (real)s.number[k].integer;
    for (int k = 0; k < 2; k++) n.param[k] = FLOATING ? (real)s.param[k] : real();
    return n;
}

struct addresses {
    const stored *in[GR_SOURCES];
    uint64_t single; /* a whole word: no byte of the arguments is undefined */
};

static addresses addresses_of(const gr_sources &s)
{
    addresses a;
    for (int k = 0; k < GR_SOURCES; k++) a.in[k] = (const stored *)s.in[k];
    a.single = s.single;
    return a;
}

static __device__ __forceinline__ real number_at(const addresses &a, const numbers &n, int k, int64_t i)
{
    if (a.in[k]) return (real)a.in[k][i];
    return k < 3 ? n.number[k] : real();
}

/* Source k's elements i to i + N - 1, one vector load where they lie side by side. */
template <int N> static __device__ __forceinline__ void load(real (&v)[N], const addresses &a, const numbers &n, int k, int64_t i)
{
    if (a.in[k] && !(a.single >> k & 1)) {
        const pack<stored, N> p = *(const pack<stored, N> *)(a.in[k] + i);
        GR_UNROLL
        for (int j = 0; j < N; j++) v[j] = (real)p.v[j];
        return;
    }
    const real one = number_at(a, n, k, 0);
    GR_UNROLL
    for (int j = 0; j < N; j++) v[j] = one;
}

template <class Row, class Result, int N>
static __device__ __forceinline__ void run_pack(Result *to, bool sums, const addresses &a, const numbers &n, int64_t i)
{
    real v[GR_SOURCES][N];
    GR_UNROLL
    for (int k = 0; k < GR_SOURCES; k++) load(v[k], a, n, k, i);
    pack<Result, N> *at = (pack<Result, N> *)(to + i), y = sums ? *at : pack<Result, N>();
    GR_UNROLL
    for (int j = 0; j < N; j++) {
        const typename Row::result r = Row::value(v[0][j], v[1][j], v[2][j], v[GR_DY][j], v[GR_Y][j], n.param, !a.in[1]);
        y.v[j] = sums ? (Result)((real)y.v[j] + (real)(Result)r) : (Result)r;
    }
    *at = y;
}

/* N elements per thread and turn; what fills no vector is done one by one. */
template <class Row, class Result, int N>
__global__ void flat_kernel(Result *to, bool sums, const int *stop, addresses a, numbers n, int64_t count)
{
    const int64_t step = (int64_t)gridDim.x * blockDim.x * N;
    if (stop && *stop) return;
    for (int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * N; i < count; i += step) {
        if (i + N <= count) {
            run_pack<Row, Result, N>(to, sums, a, n, i);
            continue;
        }
        for (int64_t j = i; j < count; j++) run_pack<Row, Result, 1>(to, sums, a, n, j);
    }
}

template <class Row, class Result>
__global__ void strided_kernel(Result *to, bool sums, const int *stop, addresses a, numbers n, gr_strides<GR_SOURCES + 1> at,
                               uint32_t count)
{
    if (stop && *stop) return;
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
        int64_t offset[GR_SOURCES + 1];
        real v[GR_SOURCES];
        at.at(i, offset);
        GR_UNROLL
        for (int k = 0; k < GR_SOURCES; k++) v[k] = number_at(a, n, k, offset[k]);
        const typename Row::result r = Row::value(v[0], v[1], v[2], v[GR_DY], v[GR_Y], n.param, !a.in[1]);
        Result *y = to + offset[GR_SOURCES];
        *y = sums ? (Result)((real)*y + (real)(Result)r) : (Result)r;
    }
}

/* ---- launches ---- */

template <class Row> struct launches {
    typedef typename Row::result gives;
    /* a row that gives `real` is stored as its operands are; with bool operands that is the same */
    template <class Given, bool is_test> struct stored_as {
        typedef stored type;
    };
    template <class Given> struct stored_as<Given, true> {
        typedef bool type;
    };
    typedef typename stored_as<gives, same_as_bool<gives>::yes && !same_as_bool<stored>::yes>::type result;

    static void flat(cudaStream_t stream, const gr_target &t, const gr_sources &s, int64_t n)
    {
        GR_LAUNCH((flat_kernel<Row, result, WIDE>), gr_blocks(n, GR_THREADS * WIDE), GR_THREADS, 0, stream, (result *)t.to, t.add,
                  t.stop, addresses_of(s), numbers_of(s), n);
    }

    static void strided(cudaStream_t stream, const gr_target &t, const gr_sources &s, const gr_strides<GR_SOURCES + 1> &at,
                        int64_t n)
    {
        GR_LAUNCH((strided_kernel<Row, result>), gr_blocks(n, GR_THREADS), GR_THREADS, 0, stream, (result *)t.to, t.add, t.stop,
                  addresses_of(s), numbers_of(s), at, (uint32_t)n);
    }
};

} // namespace
using namespace NAMES_OF(GR_TAG);

#define LAUNCHES(function) {launches<function>::flat, launches<function>::strided}
#define NO_LAUNCH {nullptr, nullptr}
#define GR_ROWS_(tag) gr_rows_##tag
#define GR_ROWS(tag) GR_ROWS_(tag)
#if FLOATING
#define IF_FLOAT(a, b) a
#else
#define IF_FLOAT(a, b) b
#endif
#if IS(b8)
#define IF_NOBOOL(a, b) b
#else
#define IF_NOBOOL(a, b) a
#endif
#define CHOOSE_FLOAT(name) IF_FLOAT(LAUNCHES(name##_row), NO_LAUNCH)
#define CHOOSE_SAME_NOBOOL(name) IF_NOBOOL(LAUNCHES(name##_row), NO_LAUNCH)
#define CHOOSE_SAME(name) LAUNCHES(name##_row)
#define CHOOSE_ANY(name) LAUNCHES(name##_row)

const gr_rows GR_ROWS(GR_TAG) = {
    {
#define UNARY(name, params, types, ...) CHOOSE_##types(name),
#define BINARY(name, params, types, ...) CHOOSE_##types(name),
#define TERNARY(name, params, types, ...) CHOOSE_##types(name),
#define PREDICATE(name, params, types, ...) CHOOSE_##types(name),
#define COMPARE(name, params, types, ...) CHOOSE_##types(name),
#include "core/elementwise.def"
#undef UNARY
#undef BINARY
#undef TERNARY
#undef PREDICATE
#undef COMPARE
    },
    {
#define UNARY(name, ...) IF_FLOAT({LAUNCHES(name##_a_row)}, {}),
#define BINARY(name, ...) IF_FLOAT(BOTH_OF(name), {}),
#define BOTH_OF(name) {LAUNCHES(name##_a_row), LAUNCHES(name##_b_row)}
#define TERNARY(name, ...) IF_FLOAT(ALL_OF(name), {}),
#define ALL_OF(name) {LAUNCHES(name##_a_row), LAUNCHES(name##_b_row), LAUNCHES(name##_c_row)}
#define PREDICATE(name, ...) {},
#define COMPARE(name, ...) {},
#include "core/elementwise.def"
    }};
