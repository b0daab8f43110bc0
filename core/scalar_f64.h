/* scalar_f64.h - the math of one double, included by scalar.h alone.
 *
 * exp, expm1, log, log1p, sin, cos, tanh, sigmoid are own formulas of + - * / and bit moves, without branches or tables and
 * without fused multiply-adds, which a base processor has not: plain loops over them vectorise, and the bits agree wherever
 * these operations are correctly rounded. log and log1p are right to 0.9 ULP, exp to 1, expm1, sin and cos to 1.4,
 * log1p_exp to 1.7, tanh and sigmoid to 2.6; erf, pow and sin and cos of |x| > 2^20 are the C library's. */
#ifndef GR_SCALAR_F64_H
#define GR_SCALAR_F64_H

#define GR_ROUND_F64 6755399441055744.0 /* 1.5 * 2^52 */
/* ln 2 in two parts; n times the first is exact for |n| < 2^20. */
#define GR_LN2_HIGH_F64 0x1.62e42feep-1
#define GR_LN2_LOW_F64 0x1.a39ef35793c76p-33

/* clang-format off */
GR_SCALAR double gr_abs_f64(double x) { return fabs(x); }
GR_SCALAR double gr_sign_f64(double x) { return (x > 0) - (x < 0); }
GR_SCALAR double gr_sqrt_f64(double x) { return sqrt(x); }
GR_SCALAR double gr_erf_f64(double x) { return erf(x); }
GR_SCALAR double gr_erfc_f64(double x) { return erfc(x); }
GR_SCALAR double gr_pow_f64(double x, double y) { return pow(x, y); }
/* clang-format on */

GR_SCALAR double gr_pow_number_f64(double x, double y)
{
#define POWER(exponent, value) \
    if (y == (exponent)) return value;
    GR_POWERS(POWER, sqrt)
#undef POWER
    return gr_pow_f64(x, y);
}

/* ---- exp ---- */

/* x = n ln2 + r, |r| <= ln2 / 2. *rounded is n + GR_ROUND_F64, *rest what n ln2's first part leaves of x. */
GR_SCALAR double gr_exp_split_f64(double x, double *rounded, double *rest)
{
    *rounded = x * GR_1_LN2 + GR_ROUND_F64;
    double n = *rounded - GR_ROUND_F64;
    *rest = x - n * GR_LN2_HIGH_F64;
    return *rest - n * GR_LN2_LOW_F64;
}

/* (e^r - 1 - r) / r^2 for |r| <= ln2 / 2 */
GR_SCALAR double gr_exp_bend_f64(double r)
{
    double p = 0x1.ad20275be5b31p-26; /* 2^-57.3 of e^r */
    p = p * r + 0x1.289f8b63410fcp-22;
    p = p * r + 0x1.71df553686d24p-19;
    p = p * r + 0x1.a019ab2cae0e3p-16;
    p = p * r + 0x1.a01a011c2889cp-13;
    p = p * r + 0x1.6c16c17cc35b1p-10;
    p = p * r + 0x1.1111111128866p-7;
    p = p * r + 0x1.5555555553206p-5;
    p = p * r + 0x1.5555555555501p-3;
    return p * r + 0.5;
}

/* y 2^n for any n of exp's, in two steps, so that denormal results are rounded once. */
GR_SCALAR double gr_scale_f64(double y, double rounded)
{
    uint64_t biased = gr_bits_of_f64(rounded) - gr_bits_of_f64(GR_ROUND_F64) + 2 * 1023;
    uint64_t half = biased >> 1;
    return y * gr_f64_of_bits(half << 52) * gr_f64_of_bits((biased - half) << 52);
}

GR_SCALAR double gr_exp_f64(double x)
{
    double bounded = x < -746 ? -746 : x > 710 ? 710 : x; /* 0 below, infinite above; NaN passes */
    double rounded, rest, r = gr_exp_split_f64(bounded, &rounded, &rest);
    return gr_scale_f64(1 + (r + r * r * gr_exp_bend_f64(r)), rounded);
}

/* 2^n (e^r - 1) + (2^n - 1), with what r is off by. Half of it is computed, as 2^1024 is no double. */
GR_SCALAR double gr_expm1_f64(double x)
{
    double bounded = x < -40 ? -40 : x > 710 ? 710 : x;
    double rounded, rest, r = gr_exp_split_f64(bounded, &rounded, &rest), n = rounded - GR_ROUND_F64;
    double off = (rest - r) - n * GR_LN2_LOW_F64, curve = r * r * gr_exp_bend_f64(r) + off;
    double half = gr_f64_of_bits((gr_bits_of_f64(rounded) + 1022) << 52);
    double y = 2 * (half * curve + (half * r + (half - 0.5)));
    return fabs(x) < 0x1p-54 ? x : y;
}

/* ---- log ---- */

/* k ln2 + log(1 + f) + rest, for 1 + f in [sqrt(1/2), sqrt(2)): with s = f / (2 + f) log(1 + f) = f - f^2 / 2 + s (f^2 / 2 +
 * s^2 p(s^2)), as log((1 + s) / (1 - s)) = 2 s + s^3 p. */
GR_SCALAR double gr_log_sum_f64(double k, double f, double rest)
{
    double s = f / (2 + f), z = s * s, bend = 0.5 * f * f;
    double p = 0x1.2f063379f4f7bp-3; /* 2^-58.9 */
    p = p * z + 0x1.39a1a715d925fp-3;
    p = p * z + 0x1.74663fa0cfef4p-3;
    p = p * z + 0x1.c71c52060f6e7p-3;
    p = p * z + 0x1.24924941f4efbp-2;
    p = p * z + 0x1.999999997fd78p-2;
    p = p * z + 0x1.5555555555592p-1;
    return k * GR_LN2_HIGH_F64 - ((bend - (s * (bend + z * p) + (k * GR_LN2_LOW_F64 + rest))) - f);
}

/* y, the logarithm of x > 0, and what belongs to any other x. */
GR_SCALAR double gr_log_of_any_f64(double x, double y)
{
    y = x > 0 ? y : x == 0 ? -HUGE_VAL : (double)NAN;
    return x < HUGE_VAL ? y : x;
}

/* x > 0, normal, is 2^k (1 + f); *biased is k + 1023. Its bits become the low ones of a double, as a conversion of 64 bit
 * integers would not vectorise. */
GR_SCALAR double gr_log_split_f64(double x, double *k, uint64_t *biased)
{
    const uint64_t least = 0x3fe6a09e667f3bcdu; /* the bits of sqrt(1/2) */
    uint64_t bits = gr_bits_of_f64(x) + (0x3ff0000000000000u - least);
    *biased = bits >> 52;
    *k = gr_f64_of_bits(*biased | 0x4330000000000000u) - (0x1p52 + 1023);
    return gr_f64_of_bits((bits & 0xfffffffffffffu) + least) - 1;
}

GR_SCALAR double gr_log_f64(double x)
{
    int denormal = x < 0x1p-1022;
    uint64_t biased;
    double k, f = gr_log_split_f64(denormal ? x * 0x1p54 : x, &k, &biased);
    return gr_log_of_any_f64(x, gr_log_sum_f64(denormal ? k - 54 : k, f, 0));
}

/* u = 1 + x = 2^k (1 + f), and what u has lost of x, which adds lost / u. Where k = 0, f is x itself. */
GR_SCALAR double gr_log1p_f64(double x)
{
    double u = 1 + x;
    uint64_t biased;
    double k, f = gr_log_split_f64(u, &k, &biased);
    double lost = (x >= 1 ? 1 - (u - x) : x - (u - 1)) / u;
    double y = gr_log_sum_f64(k, k == 0 ? x : f, k == 0 ? 0 : lost);
    return x == 0 ? x : gr_log_of_any_f64(u, y);
}

/* log(1 + e^x) = max(x, 0) + log(1 + e^-|x|) */
GR_SCALAR double gr_log1p_exp_f64(double x)
{
    return (x > 0 ? x : 0) + gr_log1p_f64(gr_exp_f64(-fabs(x)));
}

/* ---- sigmoid, tanh ---- */

/* e / (1 + e) below 0, so that tiny results keep their digits; 1 / (1 + e) above. */
GR_SCALAR double gr_sigmoid_f64(double x)
{
    double e = gr_exp_f64(-fabs(x));
    return (x < 0 ? e : 1) / (1 + e);
}

/* With e = e^(2|x|) - 1: e / (e + 2). */
GR_SCALAR double gr_tanh_f64(double x)
{
    double a = fabs(x), e = gr_expm1_f64(2 * (a > 20 ? 20 : a));
    return copysign(e / (e + 2), x);
}

/* ---- sin, cos ---- */

/* sin(a + quarters pi / 2) for 0 <= a <= 2^20. a = n pi / 2 + r + low, |r| <= 0.79. pi / 2 in four parts: n times each of
 * the first three, of 33 bits, is exact, and so is a less the first; what the next two differences lose, and the fourth
 * part, are in low. */
GR_SCALAR double gr_sin_core_f64(double a, uint64_t quarters)
{
    const double first = 0x1.921fb544p+0, second = 0x1.0b4611a6p-34, third = 0x1.3198a2ep-69, fourth = 0x1.b839a252049c1p-104;
    double rounded = a * 0x1.45f306dc9c883p-1 + GR_ROUND_F64, n = rounded - GR_ROUND_F64;
    double rest = a - n * first, less = n * second, next = rest - less, part = next - rest;
    double error = (rest - (next - part)) - (less + part); /* Knuth's sum of two */
    less = n * third;
    double r = next - less;
    part = r - next;
    double low = error + ((next - (r - part)) - (less + part)) - n * fourth, z = r * r;
    double s = 0x1.5d92d2c915622p-33; /* (sin(r) / r - 1) / z: 2^-57.2 */
    s = s * z + -0x1.ae5e65a0c3d4ap-26;
    s = s * z + 0x1.71de3576f9e13p-19;
    s = s * z + -0x1.a01a019c10c99p-13;
    s = s * z + 0x1.111111110f874p-7;
    s = s * z + -0x1.5555555555549p-3;
    s = r + (r * z * s + low);
    double c = -0x1.8fa4312ef6979p-37; /* (cos(r) - 1 + z / 2) / z^2: 2^-59.5 */
    c = c * z + 0x1.1ee9d6eee8ad2p-29;
    c = c * z + -0x1.27e4f7e9a84f7p-22;
    c = c * z + 0x1.a01a019c82cf6p-16;
    c = c * z + -0x1.6c16c16c14f82p-10;
    c = c * z + 0x1.555555555554bp-5;
    c = 1 + (z * (z * c - 0.5) - r * low);
    uint64_t turn = gr_bits_of_f64(rounded) + quarters;
    return gr_f64_of_bits(gr_bits_of_f64(turn & 1 ? c : s) ^ (turn & 2) << 62);
}

/* See sin and cos of floats, in scalar_f32.h. */
GR_SCALAR double gr_sin_f64(double x)
{
    uint64_t sign = gr_bits_of_f64(x) & 0x8000000000000000u;
    return gr_f64_of_bits(gr_bits_of_f64(gr_sin_core_f64(fabs(x), 0)) ^ sign);
}

GR_SCALAR double gr_cos_f64(double x)
{
    return gr_sin_core_f64(fabs(x), 1);
}

GR_SCALAR int gr_is_rare_f64(double x)
{
    return !(fabs(x) <= 0x1p20);
}

GR_SCALAR double gr_sin_exact_f64(double x)
{
    return gr_is_rare_f64(x) ? sin(x) : gr_sin_f64(x);
}

GR_SCALAR double gr_cos_exact_f64(double x)
{
    return gr_is_rare_f64(x) ? cos(x) : gr_cos_f64(x);
}

/* ---- gelu ---- */

/* An error in z = x / sqrt(2) comes out of erfc 2 z^2 times as large, one in v comes out of e^-|v|
 * |v| times. So the two gelus compute how far z and v are off, and correct by it. */

/* The rounding error of a * b, exactly, where nothing over- or underflows. Dekker 1971. */
GR_SCALAR double gr_product_error(double a, double b)
{
    double a_high = 134217729 * a, b_high = 134217729 * b; /* 2^27 + 1 */
    a_high -= a_high - a;
    b_high -= b_high - b;
    double a_low = a - a_high, b_low = b - b_high;
    return a_high * b_high - a * b + a_high * b_low + a_low * b_high + a_low * b_low;
}

/* With the C library's exp, as no loop over its erfc vectorises. P(x): erfc(z + error) = erfc(z) - error 2 e^(-z^2) / sqrt(pi) */
GR_SCALAR double gr_gelu_share_f64(double x)
{
    double a = x < -40 ? 40 : x > 40 ? -40 : -x;
    double z = a * GR_SQRT1_2;
    double error = gr_product_error(a, GR_SQRT1_2) + a * GR_SQRT1_2_REST;
    return 0.5 * (erfc(z) - error * (GR_2_SQRTPI * exp(-z * z)));
}

GR_SCALAR double gr_gelu_f64(double x)
{
    return x * gr_gelu_share_f64(x);
}

GR_SCALAR double gr_gelu_slope_f64(double x)
{
    return gr_gelu_share_f64(x) + x * exp(-0.5 * x * x) * GR_1_SQRT2PI;
}

/* e^-|v|, which is 0 long before |x| = 100; v = 2 sqrt(2 / pi) a (1 + cube). */
GR_SCALAR double gr_gelu_tanh_decay_f64(double x)
{
    double a = fabs(x) > 100 ? 100 : fabs(x);
    double cube = 0.044715 * (a * a), sum = 1 + cube, product = a * sum;
    double cube_error = gr_product_error(0.044715, a * a) + 0.044715 * gr_product_error(a, a);
    cube_error += 2.19602114270855964e-18 * (a * a); /* 0.044715's rest */
    double larger = cube > 1 ? cube : 1, smaller = cube > 1 ? 1 : cube;
    double sum_error = smaller - (sum - larger) + cube_error;
    double error = gr_product_error(a, sum) + a * sum_error;
    error = gr_product_error(GR_2SQRT2_PI, product) + GR_2SQRT2_PI * error;
    error += product * GR_2SQRT2_PI_REST;
    return gr_exp_f64(-GR_2SQRT2_PI * product) * (1 - error);
}

GR_SCALAR double gr_gelu_tanh_f64(double x)
{
    double e = gr_gelu_tanh_decay_f64(x);
    return x * ((x < 0 ? e : 1) / (1 + e));
}

GR_SCALAR double gr_gelu_tanh_slope_f64(double x)
{
    double e = gr_gelu_tanh_decay_f64(x), s = 1 / (1 + e);
    double a = fabs(x) > 100 ? 100 : x; /* its square stays finite */
    double dv = GR_2SQRT2_PI * (1 + 3 * 0.044715 * a * a);
    return (x < 0 ? e : 1) * s + x * (e * s * s) * dv;
}

#endif
