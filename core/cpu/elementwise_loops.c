/* elementwise_loops.c - the rows of elementwise.def as loops, forward and back, for each dtype. */
#include <math.h>
#include <string.h>
#ifdef __SSE2__
#include <immintrin.h> /* stores past the caches, which no compiler makes of C */
#endif

#include "core/cpu/loops.h"
#include "core/scalar.h"

/* The texts are written for numbers: x < 0 says nothing of a uint8, a * b is "and" for bools. */
#pragma GCC diagnostic ignored "-Wtype-limits"
#pragma GCC diagnostic ignored "-Wint-in-bool-context"
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wtautological-constant-compare"
#pragma clang diagnostic ignored "-Wpass-failed" /* float64 loops that call libm stay scalar */
#else
#pragma GCC diagnostic ignored "-Wbool-compare"
#endif

/* A block of a loop with sin or cos is read first for arguments that the fast formula is not made for. A power to a number
 * is gr_pow_number's. */
enum mode { SCAN, FAST, EXACT, NUMBER };
enum { BLOCK = 1024 };

/* ---- a row's text: C over scalars of `real` ---- */

#define exp(x) NAME(gr_exp)(x)
#define log(x) NAME(gr_log)(x)
#define log1p(x) NAME(gr_log1p)(x)
#define log1p_exp(x) NAME(gr_log1p_exp)(x)
#define expm1(x) NAME(gr_expm1)(x)
#define sqrt(x) NAME(gr_sqrt)(x)
#define sin(x) NAME(sin_in)(mode, rare, x)
#define cos(x) NAME(cos_in)(mode, rare, x)
#define tanh(x) NAME(gr_tanh)(x)
#define sigmoid(x) NAME(gr_sigmoid)(x)
#define erf(x) NAME(gr_erf)(x)
#define pow(a, b) NAME(pow_in)(mode, a, b)
#define abs(x) NAME(gr_abs)(x)
#define sign(x) NAME(gr_sign)(x)
#define gelu_erf(x) NAME(gr_gelu)(x)
#define gelu_erf_slope(x) NAME(gr_gelu_slope)(x)
#define gelu_tanh(x) NAME(gr_gelu_tanh)(x)
#define gelu_tanh_slope(x) NAME(gr_gelu_tanh_slope)(x)
#define is_nan(x) NAME(is_nan)((real)(x))

#define square(a) NAME(square_of)(a)
#include "core/row_text.h"
#define COUNT_NONE 0
#define COUNT_P1(n, d) 1
#define COUNT_P2(n, d, m, e) 2

/* What a text asks for: arguments that are scanned, powers to numbers; folded by the compiler. */
enum need { NOTHING, SCANNED, POWERS };
#define NEED(text) (strstr(text, "sin(") || strstr(text, "cos(") ? SCANNED : strstr(text, "pow(") ? POWERS : NOTHING)

/* ---- loops for all dtypes ---- */

#if defined(__AVX512F__)
typedef __m512i line_part;
#define STORE_PAST_CACHES _mm512_stream_si512
#elif defined(__AVX__)
typedef __m256i line_part;
#define STORE_PAST_CACHES _mm256_stream_si256
#elif defined(__SSE2__)
typedef __m128i line_part;
#define STORE_PAST_CACHES _mm_stream_si128
#endif

GR_INLINE void stream(void *to, const void *from, int64_t bytes)
{
    int64_t i = 0;
#ifdef STORE_PAST_CACHES
    enum { PART = sizeof(line_part) };
    for (; i + PART <= bytes; i += PART)
        STORE_PAST_CACHES((line_part *)(void *)((char *)to + i), *(const line_part *)(const void *)((const char *)from + i));
#endif
    memcpy((char *)to + i, (const char *)from + i, (size_t)(bytes - i));
}

/* Asks for memory that is read soon; it may lie beyond the end. */
GR_INLINE void fetch(const void *from, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch((const void *)((uintptr_t)from + (uintptr_t)i));
}

static void streamed(void)
{
#ifdef STORE_PAST_CACHES
    _mm_sfence();
#endif
}

/* Each line of a result that is written past the caches, whose length is a multiple of GR_PAST. Pages take turns, so that
 * what processors fetch ahead, which ends with a page, is under way for all of them. */
enum { LINE = 64, PAGE = 1024 };
#define FOR_LINES(at, n) \
    for (int64_t block = 0; block < (n); block += GR_PAST) \
        for (int64_t first = block; first < block + PAGE; first += LINE) \
            for (int64_t at = first; at < block + GR_PAST; at += PAGE)
/* The part of x that is read GR_PAST elements later. */
#define FETCH(x, at) fetch((const void *)((uintptr_t)(x) + (uintptr_t)((at) + GR_PAST) * sizeof *(x)), LINE * (int64_t)sizeof *(x))
/* to[i] = value past the caches; it reads p of a, q of b and r of c. One that does not advance is read from a line of
 * copies. `more` fetches what else is read. */
#define WRITE_PAST(type, to, a, b, c, steps, n, more, value) \
    real still_a[LINE], still_b[LINE], still_c[LINE]; \
    for (int k = 0; k < LINE; k++) still_a[k] = *(a), still_b[k] = *(b), still_c[k] = *(c); \
    FOR_LINES(at, n) { \
        const real *as = (steps) & 1 ? (a) + at : still_a, *bs = (steps) & 2 ? (b) + at : still_b, \
                   *cs = (steps) & 4 ? (c) + at : still_c; \
        _Alignas(64) type line[LINE]; \
        if ((steps) & 1) FETCH(a, at); \
        if ((steps) & 2) FETCH(b, at); \
        if ((steps) & 4) FETCH(c, at); \
        more \
        GR_EACH \
        for (int k = 0; k < LINE; k++) { \
            const int64_t i = at + k; \
            const real p = as[k], q = bs[k], r = cs[k]; \
            (void)i, (void)r; \
            line[k] = (value); \
        } \
        stream((to) + at, line, sizeof line); \
    }

#define FLOATING
#define real float
#define NAME(name) name##_f32
#include "core/cpu/elementwise_body.h"
#undef real
#undef NAME

#define real double
#define NAME(name) name##_f64
#include "core/cpu/elementwise_body.h"
#undef real
#undef NAME
#undef FLOATING

#define real int64_t
#define NAME(name) name##_i64
#include "core/cpu/elementwise_body.h"
#undef real
#undef NAME

#define real int32_t
#define NAME(name) name##_i32
#include "core/cpu/elementwise_body.h"
#undef real
#undef NAME

#define real uint8_t
#define NAME(name) name##_u8
#include "core/cpu/elementwise_body.h"
#undef real
#undef NAME

#define IS_BOOL
#define real bool
#define NAME(name) name##_b8
#include "core/cpu/elementwise_body.h"

/* bfloat16 is computed in float32; here stands what only moves bits. */
static void fill_b16(void *to, const void *value, int64_t n)
{
    const uint16_t v = *(const uint16_t *)value;
    uint16_t *y = to;
    for (int64_t i = 0; i < n; i++) y[i] = v;
}
static const gr_elementwise_loops loops_b16 = {.fill = fill_b16};

const gr_elementwise_loops *const GR_OF_ISA(gr_elementwise_loops)[GR_DTYPES] = {
    [GR_FLOAT32] = &loops_f32, [GR_FLOAT64] = &loops_f64, [GR_BFLOAT16] = &loops_b16, [GR_INT64] = &loops_i64,
    [GR_INT32] = &loops_i32,   [GR_UINT8] = &loops_u8,    [GR_BOOL] = &loops_b8};
