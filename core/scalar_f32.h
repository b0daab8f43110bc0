/* scalar_f32.h - the math of one float, included by scalar.h alone.
 *
 * Own formulas of + - * / sqrt, fused multiply-add and bit moves, so the bits agree wherever these are correctly rounded. No
 * branches, but in pow_number, and no tables: a plain loop over any of them vectorises. log and log1p are right to 1.02 ULP,
 * exp to 0.92, sin and cos to 1.22, erf to 1.11, expm1 and tanh to 1.4, sigmoid to 2.41, log1p_exp to 1.9, the gelus to 3.6,
 * pow to 0.9. */
#ifndef GR_SCALAR_F32_H
#define GR_SCALAR_F32_H

/* a b + c, rounded once. Without an instruction for it: the product of two floats is exact in double; a sum whose last
 * bit is set to 1 where it is inexact rounds to float as the exact sum would. Boldo, Melquiond 2008. */
#if defined(__FMA__) || defined(FP_FAST_FMAF) || defined(__CUDACC__)
GR_SCALAR float gr_fma_f32(float a, float b, float c)
{
    return fmaf(a, b, c);
}
#else
static __attribute__((noinline, unused)) float gr_fma_f32(float a, float b, float c)
{
    double product = (double)a * (double)b, sum = product + (double)c, part = sum - product;
    double error = (product - (sum - part)) + ((double)c - part);
    uint64_t bits = gr_bits_of_f64(sum), up = ~bits & 1, down = 0 - up;
    return (float)gr_f64_of_bits(bits + (error > 0 ? (sum > 0 ? up : down) : error < 0 ? (sum > 0 ? down : up) : 0));
}
#endif

/* x + GR_ROUND_F32 has no bits left below 1: subtracting it again rounds x to an integer (half to
 * even), and the sum's low bits hold that integer. Good for |x| <= 2^22. */
#define GR_ROUND_F32 12582912.0f /* 1.5 * 2^23 */
#define GR_LN2_F32 0.693147182f
#define GR_LN2_REST_F32 -1.904654212e-9f /* what the float before leaves */

/* clang-format off */
GR_SCALAR float gr_abs_f32(float x) { return fabsf(x); }
GR_SCALAR float gr_sign_f32(float x) { return (float)((x > 0) - (x < 0)); }
GR_SCALAR float gr_sqrt_f32(float x) { return sqrtf(x); }
/* clang-format on */

/* x = n ln2 + r, |r| <= ln2 / 2. *rounded is n + GR_ROUND_F32. */
GR_SCALAR float gr_exp_split_f32(float x, float *rounded)
{
    *rounded = gr_fma_f32(x, (float)GR_1_LN2, GR_ROUND_F32);
    float n = *rounded - GR_ROUND_F32;
    return gr_fma_f32(n, -GR_LN2_REST_F32, gr_fma_f32(n, -GR_LN2_F32, x));
}

/* (e^r - 1 - r) / r^2 for |r| <= ln2 / 2 */
GR_SCALAR float gr_exp_bend_f32(float r)
{
    float p = 1.395054045e-3f; /* 2^-28 of e^r */
    p = gr_fma_f32(p, r, 8.368917741e-3f);
    p = gr_fma_f32(p, r, 4.166620597e-2f);
    p = gr_fma_f32(p, r, 1.666651815e-1f);
    return gr_fma_f32(p, r, 0.5f);
}

/* e^r for |r| <= ln2 / 2 */
GR_SCALAR float gr_exp_small_f32(float r)
{
    return gr_fma_f32(gr_fma_f32(gr_exp_bend_f32(r), r, 1), r, 1);
}

/* 2^n, given n + GR_ROUND_F32, for -126 <= n <= 127 */
GR_SCALAR float gr_power_f32(float rounded)
{
    return gr_f32_of_bits((gr_bits_of_f32(rounded) + 127) << 23);
}

/* y 2^n for any n of exp's, in two steps, so that denormal results are rounded once. */
GR_SCALAR float gr_scale_f32(float y, float rounded)
{
    uint32_t biased = gr_bits_of_f32(rounded) - gr_bits_of_f32(GR_ROUND_F32) + 2 * 127;
    uint32_t half = biased >> 1;
    return y * gr_f32_of_bits(half << 23) * gr_f32_of_bits((biased - half) << 23);
}

GR_SCALAR float gr_exp_f32(float x)
{
    float bounded = x < -105 ? -105 : x > 89 ? 89 : x; /* 0 below, infinite above; NaN passes */
    float rounded, r = gr_exp_split_f32(bounded, &rounded);
    return gr_scale_f32(gr_exp_small_f32(r), rounded);
}

/* e^x for |x| <= 87 */
GR_SCALAR float gr_exp_core_f32(float x)
{
    float rounded, r = gr_exp_split_f32(x, &rounded);
    return gr_exp_small_f32(r) * gr_power_f32(rounded);
}

/* 2^n (e^r - 1) + (2^n - 1), with what r is off by. Half of it is computed, as 2^128 is no float. */
GR_SCALAR float gr_expm1_f32(float x)
{
    float bounded = x < -20 ? -20 : x > 89 ? 89 : x;
    float rounded, r = gr_exp_split_f32(bounded, &rounded), n = rounded - GR_ROUND_F32;
    float off = gr_fma_f32(n, -GR_LN2_REST_F32, gr_fma_f32(n, -GR_LN2_F32, bounded) - r);
    float half = gr_power_f32(rounded - 1), curve = gr_fma_f32(r * r, gr_exp_bend_f32(r), off);
    float y = 2 * gr_fma_f32(half, curve, gr_fma_f32(half, r, half - 0.5f));
    return fabsf(x) < 2.98023224e-8f ? x : y; /* 2^-25 */
}

/* k ln2 + log(1 + f) + rest, for 1 + f in [2/3, 4/3): f - f^2 / 2 + f^3 p(f). */
GR_SCALAR float gr_log_sum_f32(float k, float f, float rest)
{
    float p = -1.319171488e-1f; /* 2^-27.6 */
    p = gr_fma_f32(p, f, 1.396242082e-1f);
    p = gr_fma_f32(p, f, -1.211511344e-1f);
    p = gr_fma_f32(p, f, 1.401092559e-1f);
    p = gr_fma_f32(p, f, -1.668546647e-1f);
    p = gr_fma_f32(p, f, 2.001004368e-1f);
    p = gr_fma_f32(p, f, -2.499968857e-1f);
    p = gr_fma_f32(p, f, 3.333322406e-1f);
    p = gr_fma_f32(p, f, -0.5f);
    return gr_fma_f32(k, GR_LN2_F32, f + gr_fma_f32(f * f, p, gr_fma_f32(k, GR_LN2_REST_F32, rest)));
}

/* y, the logarithm of x > 0, and what belongs to any other x. */
GR_SCALAR float gr_log_of_any_f32(float x, float y)
{
    y = x > 0 ? y : x == 0 ? -INFINITY : NAN;
    return x < INFINITY ? y : x;
}

#define GR_2_3_F32 0x3f2aaaabu /* the bits of 2/3 */

/* x = 2^k (1 + f) */
GR_SCALAR float gr_log_f32(float x)
{
    int denormal = x < 1.17549435e-38f;
    uint32_t bits = gr_bits_of_f32(denormal ? x * 8388608.0f : x) + (0x3f800000u - GR_2_3_F32);
    float k = (float)(int32_t)(bits >> 23) - (denormal ? 127 + 23 : 127);
    float f = gr_f32_of_bits((bits & 0x7fffff) + GR_2_3_F32) - 1;
    return gr_log_of_any_f32(x, gr_log_sum_f32(k, f, 0));
}

/* u = 1 + x = 2^k (1 + f), and what u has lost of x, times the slope of log(1 + f), about 1 - f; it is nothing to the
 * sum from k = 60 on. Where k = 0, f is x itself. */
GR_SCALAR float gr_log1p_f32(float x)
{
    float u = 1 + x;
    uint32_t bits = gr_bits_of_f32(u) + (0x3f800000u - GR_2_3_F32);
    int32_t k = (int32_t)(bits >> 23) - 127;
    float f = gr_f32_of_bits((bits & 0x7fffff) + GR_2_3_F32) - 1;
    float lost = (x - (u - 1)) * gr_f32_of_bits((uint32_t)(127 - (k > 60 ? 60 : k)) << 23);
    float y = gr_log_sum_f32((float)k, k == 0 ? x : f, k == 0 ? 0 : gr_fma_f32(-lost, f, lost));
    return x == 0 ? x : gr_log_of_any_f32(u, y);
}

/* log(1 + e^x) = max(x, 0) + log(1 + e^-|x|) */
GR_SCALAR float gr_log1p_exp_f32(float x)
{
    float e = gr_exp_f32(-fabsf(x));
    float p = -3.290468594e-3f; /* (log(1 + e) - e) / e^2: 2^-27.5 */
    p = gr_fma_f32(p, e, 2.008624189e-2f);
    p = gr_fma_f32(p, e, -5.745723099e-2f);
    p = gr_fma_f32(p, e, 1.066112816e-1f);
    p = gr_fma_f32(p, e, -1.534488052e-1f);
    p = gr_fma_f32(p, e, 1.969210207e-1f);
    p = gr_fma_f32(p, e, -2.495801896e-1f);
    p = gr_fma_f32(p, e, 3.333046436e-1f);
    p = gr_fma_f32(p, e, -4.999993145e-1f);
    return (x > 0 ? x : 0) + gr_fma_f32(e * e, p, e);
}

/* e / (1 + e) below 0, so that tiny results keep their digits; 1 / (1 + e) above. */
GR_SCALAR float gr_sigmoid_f32(float x)
{
    float e = gr_exp_f32(-fabsf(x));
    return (x < 0 ? e : 1) / (1 + e);
}

/* 1 - 2 / (e^(2|x|) + 1), or an odd polynomial where that would cancel. */
GR_SCALAR float gr_tanh_f32(float x)
{
    float a = fabsf(x), z = a * a;
    float p = -5.692296661e-3f; /* (tanh(a) / a - 1) / z: 2^-27.7 */
    p = gr_fma_f32(p, z, 2.062816732e-2f);
    p = gr_fma_f32(p, z, -5.373651534e-2f);
    p = gr_fma_f32(p, z, 1.333140582e-1f);
    p = gr_fma_f32(p, z, -3.333328068e-1f);
    float near = gr_fma_f32(a * z, p, a);
    float far = 1 - 2 / (gr_exp_core_f32(2 * (a > 10 ? 10 : a)) + 1);
    return copysignf(a < 0.625f ? near : far, x);
}

/* sin(a + quarters pi / 2) for 0 <= a <= 2^20. a = n pi / 2 + r + low, |r| <= 0.83. pi / 2 in three parts: a less n times
 * the first is exact; r is what two parts leave, rounded, and low what that rounding and the third part leave. */
GR_SCALAR float gr_sin_core_f32(float a, uint32_t quarters)
{
    const float first = 1.570796251f, second = 7.549790126e-8f, third = -1.715124510e-15f;
    float rounded = gr_fma_f32(a, 0.636619772f, GR_ROUND_F32), n = rounded - GR_ROUND_F32;
    float rest = gr_fma_f32(n, -first, a), product = n * second;
    float r = rest - product, part = r - rest;
    float error = (rest - (r - part)) - (product + part); /* Knuth's sum of two */
    float low = gr_fma_f32(n, -third, error - gr_fma_f32(n, second, -product)), z = r * r;
    float s = -1.947333949e-4f; /* (sin(r) / r - 1) / z: 2^-27.3 */
    s = gr_fma_f32(s, z, 8.331838064e-3f);
    s = gr_fma_f32(s, z, -1.666664928e-1f);
    s = r + gr_fma_f32(r * z, s, low);
    float c = 2.439222408e-5f; /* cos(r): 2^-32 */
    c = gr_fma_f32(c, z, -1.388695091e-3f);
    c = gr_fma_f32(c, z, 4.166663811e-2f);
    c = gr_fma_f32(c, z, -0.5f);
    c = gr_fma_f32(c, z, 1);
    uint32_t turn = gr_bits_of_f32(rounded) + quarters;
    return gr_f32_of_bits(gr_bits_of_f32(turn & 1 ? c : s) ^ (turn & 2) << 30);
}

/* sin and cos are right for |x| <= 2^20. Where a tile holds a rare element (larger, infinite, NaN),
 * use the exact forms for all of it: they give the same bits where x is not rare. */
GR_SCALAR float gr_sin_f32(float x)
{
    uint32_t sign = gr_bits_of_f32(x) & 0x80000000u;
    return gr_f32_of_bits(gr_bits_of_f32(gr_sin_core_f32(fabsf(x), 0)) ^ sign);
}

GR_SCALAR float gr_cos_f32(float x)
{
    return gr_sin_core_f32(fabsf(x), 1);
}

GR_SCALAR int gr_is_rare_f32(float x)
{
    return !(fabsf(x) <= 1048576.0f);
}

GR_SCALAR float gr_sin_exact_f32(float x)
{
    return gr_is_rare_f32(x) ? (float)sin((double)x) : gr_sin_f32(x);
}

GR_SCALAR float gr_cos_exact_f32(float x)
{
    return gr_is_rare_f32(x) ? (float)cos((double)x) : gr_cos_f32(x);
}

/* 1 - e^(log(erfc|x|)), or an odd polynomial where that would cancel; 1 from |x| = 4 on. */
GR_SCALAR float gr_erf_f32(float x)
{
    float a = fabsf(x), z = a * a, b = a > 4 ? 4 : a;
    float p = -6.020799628e-4f; /* erf(a) / a - 1: 2^-26.1 */
    p = gr_fma_f32(p, z, 4.998959135e-3f);
    p = gr_fma_f32(p, z, -2.677049302e-2f);
    p = gr_fma_f32(p, z, 1.128192171e-1f);
    p = gr_fma_f32(p, z, -3.761250377e-1f);
    p = gr_fma_f32(p, z, 1.283791512e-1f);
    float q = 1.982153190e-4f; /* log(erfc(a)), 2^-29.1 of erf(a) */
    q = gr_fma_f32(q, b, -3.065454541e-3f);
    q = gr_fma_f32(q, b, 2.231509052e-2f);
    q = gr_fma_f32(q, b, -1.041134596e-1f);
    q = gr_fma_f32(q, b, -6.369763017e-1f);
    q = gr_fma_f32(q, b, -1.127797127f);
    q = gr_fma_f32(q, b, -1.664730225e-4f);
    float near = gr_fma_f32(a, p, a), far = 1 - gr_exp_core_f32(q);
    return copysignf(a < 0.9f ? near : far, x);
}

/* log(a) for a > 0 in two floats, right to 2^-32 of it: a = 2^k (1 + f), log(1 + f) = 2 atanh(s) with s = f / (2 + f). What
 * rounding took from x stands in x_low. */
GR_SCALAR float gr_log_pair_f32(float a, float *low)
{
    const uint32_t sqrt1_2 = 0x3f3504f3u;
    const float ln2 = 6.931457520e-1f, ln2_low = 1.428606820e-6f; /* the first has 16 bits: k of them are exact */
    const float two_thirds = 6.666666865e-1f, two_thirds_low = -1.986821493e-8f;
    int denormal = a < 1.17549435e-38f;
    uint32_t bits = gr_bits_of_f32(denormal ? a * 8388608.0f : a) + (0x3f800000u - sqrt1_2);
    float k = (float)(int32_t)(bits >> 23) - (denormal ? 127 + 23 : 127);
    float f = gr_f32_of_bits((bits & 0x7fffff) + sqrt1_2) - 1;
    float t = 2 + f, inverse = 1 / t, s = f * inverse;
    float s_low = gr_fma_f32(t - 2 - f, s, gr_fma_f32(-s, t, f)) * inverse;
    float z = s * s, z_low = gr_fma_f32(2 * s, s_low, gr_fma_f32(s, s, -z));
    float w = s * z, w_low = gr_fma_f32(s, z_low, gr_fma_f32(s_low, z, gr_fma_f32(s, z, -w)));
    float v = w * two_thirds, v_low = gr_fma_f32(w, two_thirds_low, gr_fma_f32(w_low, two_thirds, gr_fma_f32(w, two_thirds, -v)));
    float p = 2.341963500e-1f; /* (2 atanh(s) / s - 2 - 2 z / 3) / z^2: 2^-36.7 of the logarithm */
    p = gr_fma_f32(p, z, 2.854709029e-1f);
    p = gr_fma_f32(p, z, 4.000015259e-1f);
    float whole = k * ln2, sum = whole + 2 * s, high = sum + v;
    *low = (2 * s - (sum - whole)) + (v - (high - sum)) +
           gr_fma_f32(k, ln2_low, gr_fma_f32(w * z, p, gr_fma_f32(2, s_low, v_low)));
    return high;
}

/* e^(y log |x|), and C's corner cases: x^0 = 1^y = (-1)^(+-inf) = 1, NaN or not the other one. Masks stand where y alone
 * may decide: of conditions compilers would make branches in loops over one y. */
GR_SCALAR float gr_pow_f32(float x, float y)
{
    float a = fabsf(x), b = fabsf(y), low, high = gr_log_pair_f32(a, &low);
    high = a > 0 ? high : -INFINITY;
    high = a < INFINITY ? high : a;
    float product = y * high, rest = gr_fma_f32(y, low, gr_fma_f32(y, high, -product));
    float bounded = product < -105 ? -105 : product > 89 ? 89 : product;
    rest = bounded == product ? rest : 0;
    float rounded = gr_fma_f32(bounded, (float)GR_1_LN2, GR_ROUND_F32), n = rounded - GR_ROUND_F32;
    float part = gr_fma_f32(n, -GR_LN2_F32, bounded);
    rest = gr_fma_f32(n, -GR_LN2_REST_F32, rest);
    float r = part + rest, r_low = rest - (r - part), sum = 1 + r, sum_low = r - (sum - 1);
    float value = gr_scale_f32(sum + (sum_low + gr_fma_f32(r * r, gr_exp_bend_f32(r), r_low)), rounded);

    int32_t i = (int32_t)(b < 16777216 ? b : 16777216); /* every float from 2^24 on is an even integer */
    uint32_t whole = 0 - (uint32_t)(((float)i == b) | (b >= 16777216)), one = 0 - (uint32_t)((a == 1) | (b == 0));
    uint32_t none = (0 - (uint32_t)((x < 0) & (a < INFINITY))) & ~whole;
    uint32_t bits = (gr_bits_of_f32(value) & ~one) | (0x3f800000u & one);
    bits ^= gr_bits_of_f32(x) & whole & (uint32_t)i << 31;
    value = gr_f32_of_bits(bits | (none & 0x7fc00000u));
    return value == value ? value : NAN;
}

GR_SCALAR float gr_pow_number_f32(float x, float y)
{
#define POWER(exponent, value) \
    if (y == (float)(exponent)) return value;
    GR_POWERS(POWER, sqrtf)
#undef POWER
    return gr_pow_f32(x, y);
}

/* ---- gelu: x Phi(x), Phi(x) = P(normal <= x), without cancellation ----
 *
 * With a = |x| and w = a Phi(-a) gelu is -w below 0 and x - w above; its slope likewise, with the slope at -a. Phi(-a)
 * is e^(-a^2 / 2) times a ratio of polynomials. w is 0 as a float from a = 15 on, that of the tanh form from 11. */

/* -a^2 / 2 = n ln2 + r, with e^r - 1 returned. */
GR_SCALAR float gr_gauss_f32(float a, float *rounded)
{
    float square = 0.5f * a * a, rest = gr_fma_f32(0.5f * a, a, -square); /* what rounding took */
    *rounded = gr_fma_f32(-(float)GR_1_LN2, square, GR_ROUND_F32);
    float n = *rounded - GR_ROUND_F32;
    float r = gr_fma_f32(n, -GR_LN2_F32, -square) - gr_fma_f32(n, GR_LN2_REST_F32, rest);
    return gr_fma_f32(r * r, gr_exp_bend_f32(r), r);
}

/* e^(a^2 / 2) Phi(-a) = p / q with q = sqrt(2 pi) a p + m, as it nears 1 / (sqrt(2 pi) a): so an error of p cancels
 * where a is large. 2^-30.5; the coefficients' last bits are those that leave gelu's error smallest. */
GR_SCALAR float gr_tail_f32(float a, float *q)
{
    float p = 1.875258866e-3f;
    p = gr_fma_f32(p, a, 2.242143825e-2f);
    p = gr_fma_f32(p, a, 1.282572150e-1f);
    p = gr_fma_f32(p, a, 4.248029292e-1f);
    p = gr_fma_f32(p, a, 8.145489693e-1f);
    p = gr_fma_f32(p, a, 0.75f);
    float m = 4.701014142e-3f;
    m = gr_fma_f32(m, a, 5.617933348e-2f);
    m = gr_fma_f32(m, a, 3.125973344e-1f);
    m = gr_fma_f32(m, a, 9.459533691e-1f);
    *q = gr_fma_f32(a, gr_fma_f32(p, 2.506628275f, m), 1.5f);
    return p;
}

/* -40 gives -0, -inf NaN. */
GR_SCALAR float gr_gelu_f32(float x)
{
    float a = fabsf(x) < 15 ? fabsf(x) : 15;
    float rounded, q, e = gr_gauss_f32(a, &rounded), p = a * gr_tail_f32(a, &q);
    float w = gr_scale_f32(gr_fma_f32(p, e, p) / q, rounded);
    return x < 0 ? 0 * x - w : x - w;
}

/* Phi(x) + x e^(-x^2 / 2) / sqrt(2 pi); near its zero at -0.7518 right to 2^-23, not to an ULP. */
GR_SCALAR float gr_gelu_slope_f32(float x)
{
    float a = fabsf(x) < 15 ? fabsf(x) : 15;
    float rounded, q, e = gr_gauss_f32(a, &rounded), p = gr_tail_f32(a, &q);
    float s = gr_fma_f32(a, -(float)GR_1_SQRT2PI, p / q);
    float w = gr_scale_f32(gr_fma_f32(s, e, s), rounded);
    return 0 * fabsf(x) + (x < 0 ? w : 1 - w);
}

/* gelu's tanh form: (1 + tanh(v / 2)) / 2 = 1 / (1 + e^-v), v = 2 sqrt(2 / pi) (a + 0.044715 a^3), which must be exact
 * to 2^-25 where it is 100. -v = n ln2 + r, and e^r is returned. */
GR_SCALAR float gr_decay_f32(float a, float *rounded)
{
    double d = (double)a, v = d * (GR_2SQRT2_PI + GR_2SQRT2_PI * 0.044715 * (d * d));
    *rounded = gr_fma_f32(-(float)GR_1_LN2, (float)v, GR_ROUND_F32);
    float r = (float)(-GR_LN2 * (double)(*rounded - GR_ROUND_F32) - v);
    return gr_exp_small_f32(r);
}

GR_SCALAR float gr_gelu_tanh_f32(float x)
{
    float a = fabsf(x) < 11 ? fabsf(x) : 11;
    float rounded, e = gr_decay_f32(a, &rounded);
    float w = gr_scale_f32(a * e / (1 + gr_scale_f32(e, rounded)), rounded);
    return x < 0 ? 0 * x - w : x - w;
}

/* With s = 1 / (1 + e^-v), v of |x|, the slope at -|x| is e^-v s (1 - |x| s dv). */
GR_SCALAR float gr_gelu_tanh_slope_f32(float x)
{
    float a = fabsf(x) < 11 ? fabsf(x) : 11;
    float rounded, e = gr_decay_f32(a, &rounded), s = 1 / (1 + gr_scale_f32(e, rounded));
    float dv = gr_fma_f32(a * a, (float)(3 * 0.044715 * GR_2SQRT2_PI), (float)GR_2SQRT2_PI);
    float w = gr_scale_f32(e * s * gr_fma_f32(-a * s, dv, 1), rounded);
    return 0 * fabsf(x) + (x < 0 ? w : 1 - w);
}

#endif
