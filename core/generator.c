/* generator.c - the mt19937 generator equal to PyTorch's CPU generator.
 *
 * fma stands exactly where PyTorch's kernels fuse; the file must be compiled with -ffp-contract=off
 * so that no other product is. */
#include "core/generator.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/cpu/isa.h"

/* ---- the engine: Matsumoto and Nishimura 1998, mt19937 ---- */

enum { WORDS = GR_GENERATOR_WORDS, SHIFT = 397 };

void gr_generator_seed(gr_generator *g, uint64_t seed)
{
    uint32_t word = (uint32_t)seed;
    g->state[0] = word;
    for (uint32_t i = 1; i < WORDS; i++) {
        word = 1812433253u * (word ^ word >> 30) + i;
        g->state[i] = word;
    }
    g->next = WORDS;
    g->has_normal = false;
    g->normal = 0;
}

/* The top bit of a word and the low 31 of the one after it, halved and folded. */
static uint32_t twist(uint32_t word, uint32_t after)
{
    const uint32_t joined = (word & 0x80000000u) | (after & 0x7fffffffu);
    return joined >> 1 ^ ((after & 1) ? 0x9908b0dfu : 0);
}

static void regenerate(gr_generator *g)
{
    uint32_t *s = g->state;
    for (int i = 0; i < WORDS - SHIFT; i++) s[i] = s[i + SHIFT] ^ twist(s[i], s[i + 1]);
    for (int i = WORDS - SHIFT; i < WORDS - 1; i++)
        s[i] = s[i + SHIFT - WORDS] ^ twist(s[i], s[i + 1]);
    s[WORDS - 1] = s[SHIFT - 1] ^ twist(s[WORDS - 1], s[0]);
    g->next = 0;
}

uint32_t gr_generator_u32(gr_generator *g)
{
    if (g->next == WORDS) regenerate(g);
    uint32_t word = g->state[g->next++];
    word ^= word >> 11;
    word ^= word << 7 & 0x9d2c5680u;
    word ^= word << 15 & 0xefc60000u;
    return word ^ word >> 18;
}

uint64_t gr_generator_u64(gr_generator *g)
{
    const uint64_t high = gr_generator_u32(g);
    return high << 32 | gr_generator_u32(g);
}

/* ---- uniform ---- */

/* [0, 1) in steps of 2^-24 */
static float unit_f32(gr_generator *g)
{
    return (float)(gr_generator_u32(g) & 0xffffffu) * 0x1p-24f;
}

/* [0, 1) in steps of 2^-53 */
static double unit_f64(gr_generator *g)
{
    return (double)(gr_generator_u64(g) & 0x1fffffffffffffu) * 0x1p-53;
}

/* Rounding may reach the upper end, which is not in the interval. */
void gr_fill_uniform_f32(gr_generator *g, float *out, int64_t n, double from, double to)
{
    const float low = (float)from, high = (float)to;
    for (int64_t i = 0; i < n; i++) {
        const float v = fmaf(unit_f32(g), high - low, low);
        out[i] = v == high ? low : v;
    }
}

void gr_fill_uniform_f64(gr_generator *g, double *out, int64_t n, double from, double to)
{
    for (int64_t i = 0; i < n; i++) {
        const double v = fma(unit_f64(g), to - from, from);
        out[i] = v == to ? from : v;
    }
}

/* ---- normal in blocks: Box and Muller 1958; the first 8 of 16 uniforms give the radii, the others
 * the angles, r = sqrt(-2 log(1 - u)), t = 2 pi u', values r cos t and r sin t ---- */

#if defined(__GNUC__)
#define ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define ALWAYS_INLINE inline
#endif

/* log u for normal u > 0. u = m 2^e, m brought into [sqrt(1/2), sqrt(2)), x = m - 1, and the
 * polynomial of Cephes' logf; log 2 in two parts. */
static ALWAYS_INLINE float log_f32(float u)
{
    uint32_t bits;
    memcpy(&bits, &u, sizeof bits);
    const uint32_t half = (bits & 0x007fffffu) | 0x3f000000u;
    float m;
    memcpy(&m, &half, sizeof m);
    const float scale = (float)((int32_t)(bits >> 23) - 126);
    const float e = m < 0.70710678f ? scale - 1.0f : scale;
    float x = m < 0.70710678f ? (m - 1.0f) + m : m - 1.0f;

    const float z = x * x;
    float y = 7.0376836292E-2f;
    y = fmaf(y, x, -1.1514610310E-1f);
    y = fmaf(y, x, 1.1676998740E-1f);
    y = fmaf(y, x, -1.2420140846E-1f);
    y = fmaf(y, x, 1.4249322787E-1f);
    y = fmaf(y, x, -1.6668057665E-1f);
    y = fmaf(y, x, 2.0000714765E-1f);
    y = fmaf(y, x, -2.4999993993E-1f);
    y = fmaf(y, x, 3.3333331174E-1f);
    y *= x;
    y = fmaf(y, z, e * -2.12194440e-4f);
    y = fmaf(-z, 0.5f, y);
    x += y;
    return fmaf(e, 0.693359375f, x);
}

/* sin t and cos t for 0 <= t < 8192. t less the nearest even multiple j of pi/4, in three parts,
 * and the polynomials of Cephes' sinf and cosf, exchanged and signed by j. */
static ALWAYS_INLINE void sincos_f32(float t, float *sine, float *cosine)
{
    const int32_t j = ((int32_t)(t * 1.27323954473516f) + 1) & ~1;
    const float y = (float)j;
    float x = fmaf(y, -0.78515625f, t);
    x = fmaf(y, -2.4187564849853515625e-4f, x);
    x = fmaf(y, -3.77489497744594108e-8f, x);
    const float z = x * x;

    float p = 2.443315711809948E-5f;
    p = fmaf(p, z, -1.388731625493765E-3f);
    p = fmaf(p, z, 4.166664568298827E-2f);
    p *= z;
    p = fmaf(p, z, -(z * 0.5f));
    p += 1.0f;

    float q = -1.9515295891E-4f;
    q = fmaf(q, z, 8.3321608736E-3f);
    q = fmaf(q, z, -1.6666654611E-1f);
    q *= z;
    q = fmaf(q, x, x);

    const float s = (j & 2) ? p : q, c = (j & 2) ? q : p;
    *sine = (j & 4) ? -s : s;
    *cosine = ((j - 2) & 4) ? c : -c;
}

static ALWAYS_INLINE void block_f32(float *block, float mean, float std)
{
    for (int i = 0; i < GR_NORMAL_BLOCK / 2; i++) {
        const float radius = sqrtf(-2.0f * log_f32(1.0f - block[i]));
        float sine, cosine;
        sincos_f32(6.2831855f * block[i + 8], &sine, &cosine);
        block[i] = fmaf(radius * cosine, std, mean);
        block[i + 8] = fmaf(radius * sine, std, mean);
    }
}

static void blocks_f32(float *out, int64_t blocks, float mean, float std)
{
    for (int64_t i = 0; i < blocks; i++) block_f32(out + i * GR_NORMAL_BLOCK, mean, std);
}

/* The same source with eight values to a register; the same bits, because fma rounds alike in the
 * instruction and in libm. */
#if defined(__GNUC__) && defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void blocks_f32_avx2(float *out, int64_t blocks,
                                                                float mean, float std)
{
    for (int64_t i = 0; i < blocks; i++) block_f32(out + i * GR_NORMAL_BLOCK, mean, std);
}

static void choose_blocks_f32(float *out, int64_t blocks, float mean, float std)
{
    (gr_cpu_isa() >= GR_ISA_AVX2 ? blocks_f32_avx2 : blocks_f32)(out, blocks, mean, std);
}
#else
#define choose_blocks_f32 blocks_f32
#endif

static const double TWO_PI = 2.0 * 3.14159265358979323846;

static void blocks_f64(double *out, int64_t blocks, double mean, double std)
{
    for (; blocks > 0; blocks--, out += GR_NORMAL_BLOCK)
        for (int i = 0; i < GR_NORMAL_BLOCK / 2; i++) {
            const double radius = sqrt(-2.0 * log(1.0 - out[i])), angle = TWO_PI * out[i + 8];
            out[i] = fma(radius * cos(angle), std, mean);
            out[i + 8] = fma(radius * sin(angle), std, mean);
        }
}

/* What is left over after the last whole block is made by a fresh block that ends with the array,
 * over values already made. */
void gr_fill_normal_f32(gr_generator *g, float *out, int64_t n, double mean, double std)
{
    assert(n >= GR_NORMAL_BLOCK);
    gr_fill_uniform_f32(g, out, n, 0, 1);
    choose_blocks_f32(out, n / GR_NORMAL_BLOCK, (float)mean, (float)std);
    if (n % GR_NORMAL_BLOCK == 0) return;
    out += n - GR_NORMAL_BLOCK;
    gr_fill_uniform_f32(g, out, GR_NORMAL_BLOCK, 0, 1);
    choose_blocks_f32(out, 1, (float)mean, (float)std);
}

void gr_fill_normal_f64(gr_generator *g, double *out, int64_t n, double mean, double std)
{
    assert(n >= GR_NORMAL_BLOCK);
    gr_fill_uniform_f64(g, out, n, 0, 1);
    blocks_f64(out, n / GR_NORMAL_BLOCK, mean, std);
    if (n % GR_NORMAL_BLOCK == 0) return;
    out += n - GR_NORMAL_BLOCK;
    gr_fill_uniform_f64(g, out, GR_NORMAL_BLOCK, 0, 1);
    blocks_f64(out, 1, mean, std);
}

/* ---- normal one by one ---- */

static double normal(gr_generator *g)
{
    if (g->has_normal) {
        g->has_normal = false;
        return g->normal;
    }
    const double angle = TWO_PI * unit_f64(g);
    const double radius = sqrt(-2.0 * log1p(-unit_f64(g)));
    g->normal = radius * sin(angle);
    g->has_normal = true;
    return radius * cos(angle);
}

void gr_fill_normal_scalar_f32(gr_generator *g, float *out, int64_t n, double mean, double std)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)fma(normal(g), std, mean);
}

void gr_fill_normal_scalar_f64(gr_generator *g, double *out, int64_t n, double mean, double std)
{
    for (int64_t i = 0; i < n; i++) out[i] = fma(normal(g), std, mean);
}

/* ---- integers, coins, waiting times ---- */

void gr_fill_integers(gr_generator *g, int64_t *out, int64_t n, int64_t low, int64_t high)
{
    assert(low < high);
    const uint64_t range = (uint64_t)high - (uint64_t)low;
    const bool wide = range >= UINT64_C(1) << 28;
    for (int64_t i = 0; i < n; i++) {
        const uint64_t word = wide ? gr_generator_u64(g) : gr_generator_u32(g);
        out[i] = (int64_t)((uint64_t)low + word % range);
    }
}

void gr_fill_random_int64(gr_generator *g, int64_t *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = (int64_t)(gr_generator_u64(g) & INT64_MAX);
}

void gr_fill_bernoulli(gr_generator *g, bool *out, int64_t n, double p)
{
    for (int64_t i = 0; i < n; i++) out[i] = unit_f64(g) < p;
}

void gr_fill_bernoulli_f32(gr_generator *g, bool *out, int64_t n, const float *p)
{
    for (int64_t i = 0; i < n; i++) out[i] = unit_f32(g) < p[i];
}

void gr_fill_bernoulli_f64(gr_generator *g, bool *out, int64_t n, const double *p)
{
    for (int64_t i = 0; i < n; i++) out[i] = unit_f64(g) < p[i];
}

static double exponential(gr_generator *g, double lambda)
{
    return -1.0 / lambda * log1p(-unit_f64(g));
}

void gr_fill_exponential_f32(gr_generator *g, float *out, int64_t n, double lambda)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)exponential(g, lambda);
}

void gr_fill_exponential_f64(gr_generator *g, double *out, int64_t n, double lambda)
{
    for (int64_t i = 0; i < n; i++) out[i] = exponential(g, lambda);
}

/* ---- permutations ---- */

/* From here on a word of 32 bits would favour some positions visibly: (2^32 - 1) / 20. */
enum { LONG_PERMUTATION = 214748364 };

void gr_fill_permutation(gr_generator *g, int64_t *out, int64_t n)
{
    if (n >= LONG_PERMUTATION) {
        for (int64_t i = 0; i < n; i++) {
            const int64_t j = (int64_t)(gr_generator_u64(g) % (uint64_t)(i + 1));
            if (j != i) out[i] = out[j];
            out[j] = i;
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) out[i] = i;
    for (int64_t i = 0; i < n - 1; i++) {
        const int64_t j = i + (int64_t)(gr_generator_u32(g) % (uint32_t)(n - i));
        const int64_t kept = out[i];
        out[i] = out[j];
        out[j] = kept;
    }
}

void gr_skip_permutation(gr_generator *g, int64_t n)
{
    const int64_t words = n >= LONG_PERMUTATION ? 2 * n : n - 1;
    for (int64_t i = 0; i < words; i++) gr_generator_u32(g);
}
