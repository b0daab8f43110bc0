/* scalar.h - the math of one element, the same on every CPU and GPU.
 *
 * float32: own formulas of + - * / sqrt and bit moves, so the bits agree wherever these five are
 * correctly rounded. No branches, no tables: a plain loop over any of them vectorises. Nearly all
 * work in double inside and round once (0.51 ULP); exp, log and sigmoid stay in float for speed
 * (1.1, 0.9 and 2.41 ULP).
 * float64: the C library's.
 *
 * Compile with -ffp-contract=off (nvcc: -fmad=false) and without flushing denormals;
 * -fno-math-errno and -fno-trapping-math let the loops vectorise.
 *
 * Polynomials: weighted minimax fits by Remez exchange in 200 bit arithmetic, made for this file.
 * The error beside each is relative to the function's value. */
#ifndef GR_SCALAR_H
#define GR_SCALAR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* What stands before each function; a CUDA file defines it as `static __device__ inline`. */
#ifndef GR_SCALAR
#define GR_SCALAR static inline __attribute__((always_inline, unused))
#endif

/* ---- Bits ---- */

GR_SCALAR uint32_t gr_bits_of_f32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

GR_SCALAR float gr_f32_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

GR_SCALAR uint64_t gr_bits_of_f64(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

GR_SCALAR double gr_f64_of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* x + GR_ROUND has no bits left below 1: subtracting it again rounds x to an integer (half to
 * even), and the sum's low bits hold that integer. Good for |x| <= 2^51, and 2^22 in float. */
#define GR_ROUND_F64 6755399441055744.0 /* 1.5 * 2^52 */
#define GR_ROUND_F32 12582912.0f        /* 1.5 * 2^23 */

#define GR_LN2 0.69314718055994530942
#define GR_LN2_HIGH_F32 0.693145751953125f /* 15 bits: exact times a float's exponent */
#define GR_LN2_LOW_F32 1.42860677e-6f
#define GR_1_LN2 1.4426950408889634074
#define GR_SQRT1_2 0.70710678118654752440        /* 1 / sqrt(2) */
#define GR_SQRT1_2_REST -4.83364665672645652e-17 /* what the double before leaves */
#define GR_2SQRT2_PI 1.5957691216057307118       /* 2 sqrt(2 / pi) */
#define GR_2SQRT2_PI_REST -9.96930880911092031e-17
#define GR_1_SQRT2PI 0.39894228040143267794 /* 1 / sqrt(2 pi) */
#define GR_2_SQRTPI 1.12837916709551257390  /* 2 / sqrt(pi) */

/* ---- Cores in double, for arguments that were floats. Relative error below 2^-31. ---- */

/* Splits e^x = scale * (1 + rest), scale a power of two, rest in [-0.3, 0.42]. For |x| <= 700. */
GR_SCALAR double gr_exp_split(double x, double *rest)
{
    double rounded = x * GR_1_LN2 + GR_ROUND_F64;
    double r = x - (rounded - GR_ROUND_F64) * GR_LN2; /* |r| <= ln2 / 2 */
    double p = 1.98412635447368658e-4;                /* (e^r - 1) / r: 2^-32 */
    p = p * r + 1.39410573424163964e-3;
    p = p * r + 8.33340301074703412e-3;
    p = p * r + 4.16663538224638785e-2;
    p = p * r + 1.66666662485378407e-1;
    p = p * r + 5.00000004679182062e-1;
    p = p * r + 1.00000000003129962;
    *rest = p * r;
    return gr_f64_of_bits((gr_bits_of_f64(rounded) + 1023) << 52);
}

/* e^x; exactly 0 below -700; stays e^700 above 700 (infinite as a float). */
GR_SCALAR double gr_exp_core(double x)
{
    double rest, scale = gr_exp_split(x > 700 ? 700 : x, &rest);
    return x < -700 ? 0 : scale + scale * rest;
}

/* e^x - 1 for |x| <= 700; loses the sign of -0. */
GR_SCALAR double gr_expm1_core(double x)
{
    double rest, scale = gr_exp_split(x, &rest);
    return scale * rest + (scale - 1);
}

/* log(x) for a normal, finite x > 0, given x - 1, which the caller may know better than x tells.
 * x = 2^k m, m in [sqrt(1/2), sqrt(2)); 2^52 + its exponent field is k as a double. */
GR_SCALAR double gr_log_core(double x, double x_minus_1)
{
    const uint64_t low = UINT64_C(0x3fe6a09e667f3bcd); /* sqrt(1/2) */
    uint64_t bits = gr_bits_of_f64(x) + (UINT64_C(0x3ff0000000000000) - low);
    double field = gr_f64_of_bits(bits >> 52 | UINT64_C(0x4330000000000000));
    double k = field - (4503599627370496.0 + 1023);
    double m = gr_f64_of_bits((bits & UINT64_C(0xfffffffffffff)) + low);
    double f = m == x ? x_minus_1 : m - 1;
    double s = f / (2 + f); /* log(1 + f) = 2 atanh(s) */
    double z = s * s;
    double p = 2.35835744586196780e-1; /* (2 atanh(s) / s - 2) / z: 2^-36.6 */
    p = p * z + 2.85372380095013852e-1;
    p = p * z + 4.00003362244557580e-1;
    p = p * z + 6.66666656412725079e-1;
    return k * GR_LN2 + s * (2 + z * p);
}

/* sin(x + shift pi) for |x| <= 2^20 and shift 0 or 1/2. x = (n - shift) pi + r, |r| <= pi / 2.
 * pi in two parts, the first of 33 bits so that its product with n - shift is exact: r is good to
 * 2^-65, far below the distance of any such float from a multiple of pi / 2. */
GR_SCALAR double gr_sin_core(double x, double shift)
{
    const double pi_high = 3.14159265346825122833, pi_low = 1.21542010130123852e-10;
    double rounded = x * 0.31830988618379067154 + shift + GR_ROUND_F64;
    double turns = rounded - GR_ROUND_F64 - shift;
    double r = x - turns * pi_high - turns * pi_low;
    double z = r * r;
    double p = -2.38887933120790847e-8; /* (sin(r) / r - 1) / z: 2^-35.3 */
    p = p * z + 2.75253779773937447e-6;
    p = p * z - 1.98408680871142773e-4;
    p = p * z + 8.33333110769284056e-3;
    p = p * z - 1.66666666261294981e-1;
    return gr_f64_of_bits(gr_bits_of_f64(r * (1 + z * p)) ^ gr_bits_of_f64(rounded) << 63);
}

/* erfc(x), given x^2, which the caller may know better than x tells; 0 where x^2 > 700.
 * e^(x^2) erfc(x) = q P(q), q = 1 / (x + 3), t = q mapped to [-1, 1] for 0 <= x <= 10.5. */
GR_SCALAR double gr_erfc_core(double x, double square)
{
    double a = fabs(x);
    double q = 1 / ((a > 10.5 ? 10.5 : a) + 3);
    double t = q * (54.0 / 7) - 11.0 / 7;
    double p = -2.49258320900377725e-6; /* 2^-34.5 */
    p = p * t - 6.68455858261395615e-8;
    p = p * t + 4.09366283727503321e-5;
    p = p * t + 2.28263630619083637e-5;
    p = p * t - 5.85914522789220344e-4;
    p = p * t - 1.41432723704835018e-3;
    p = p * t + 6.21185904796308969e-3;
    p = p * t + 5.38678850446154025e-2;
    p = p * t + 2.02047053547298040e-1;
    p = p * t + 5.05417298081396279e-1;
    p = p * t + 9.31218234634728168e-1;
    p = p * t + 1.30317670795465059;
    double tail = q * p * gr_exp_core(-square);
    return x < 0 ? 2 - tail : tail;
}

/* ---- float32 ---- */

/* clang-format off */
GR_SCALAR float gr_abs_f32(float x) { return fabsf(x); }
GR_SCALAR float gr_sign_f32(float x) { return (float)((x > 0) - (x < 0)); }
GR_SCALAR float gr_sqrt_f32(float x) { return sqrtf(x); }
/* clang-format on */

/* In float throughout: x = n ln2 + r, |r| <= ln2 / 2, e^r = 1 + r + r^2 p(r), then times 2^n in two
 * steps, so that denormal results are rounded once. */
GR_SCALAR float gr_exp_f32(float x)
{
    float bounded = x < -105 ? -105 : x > 89 ? 89 : x; /* 0 below, infinite above; NaN passes */
    float rounded = bounded * (float)GR_1_LN2 + GR_ROUND_F32;
    float n = rounded - GR_ROUND_F32;
    float r = bounded - n * GR_LN2_HIGH_F32 - n * GR_LN2_LOW_F32;
    float p = 1.395054045e-3f; /* (e^r - 1 - r) / r^2: 2^-28 */
    p = p * r + 8.368917741e-3f;
    p = p * r + 4.166620597e-2f;
    p = p * r + 1.666651815e-1f;
    p = p * r + 0.5f;
    p = 1 + (r + r * r * p);
    uint32_t biased = gr_bits_of_f32(rounded) - gr_bits_of_f32(GR_ROUND_F32) + 2 * 127;
    uint32_t half = biased >> 1;
    return p * gr_f32_of_bits(half << 23) * gr_f32_of_bits((biased - half) << 23);
}

/* In float throughout: x = 2^k (1 + f), 1 + f in [2/3, 4/3),
 * log(1 + f) = f - f^2 / 2 + f^3 p(f). */
GR_SCALAR float gr_log_f32(float x)
{
    const uint32_t low = 0x3f2aaaab; /* 2/3 */
    int denormal = x < 1.17549435e-38f;
    uint32_t bits = gr_bits_of_f32(denormal ? x * 8388608.0f : x) + (0x3f800000 - low);
    float k = (float)(int32_t)(bits >> 23) - (denormal ? 127 + 23 : 127);
    float f = gr_f32_of_bits((bits & 0x7fffff) + low) - 1;
    float z = f * f;
    float p = -1.319171488e-1f; /* 2^-27.6 */
    p = p * f + 1.396242082e-1f;
    p = p * f - 1.211511344e-1f;
    p = p * f + 1.401092559e-1f;
    p = p * f - 1.668546647e-1f;
    p = p * f + 2.001004368e-1f;
    p = p * f - 2.499968857e-1f;
    p = p * f + 3.333322406e-1f;
    float y = k * GR_LN2_HIGH_F32 + (f + (k * GR_LN2_LOW_F32 + (f * z * p - 0.5f * z)));
    y = x > 0 ? y : x == 0 ? -INFINITY : NAN;
    return x < INFINITY ? y : x;
}

/* e / (1 + e) below 0, so that tiny results keep their digits; 1 / (1 + e) above. */
GR_SCALAR float gr_sigmoid_f32(float x)
{
    float e = gr_exp_f32(-fabsf(x));
    return (x < 0 ? e : 1) / (1 + e);
}

GR_SCALAR float gr_expm1_f32(float x)
{
    double a = (double)x, bounded = a < -50 ? -50 : a > 90 ? 90 : a;
    float y = (float)gr_expm1_core(bounded);
    return x == 0 ? x : y;
}

GR_SCALAR float gr_log1p_f32(float x)
{
    float y = (float)gr_log_core(1 + (double)x, (double)x);
    y = x > -1 ? y : x == -1 ? -INFINITY : NAN;
    y = x == 0 ? x : y;
    return x < INFINITY ? y : x;
}

/* With e = e^(2|x|) - 1: tanh |x| = e / (e + 2). */
GR_SCALAR float gr_tanh_f32(float x)
{
    double a = fabs((double)x);
    double e = gr_expm1_core(2 * (a > 20 ? 20 : a));
    return copysignf((float)(e / (e + 2)), x);
}

/* sin and cos are right for |x| <= 2^20. Where a tile holds a rare element (larger, infinite, NaN),
 * use the exact forms for all of it: they give the same bits where x is not rare. */
/* clang-format off */
GR_SCALAR float gr_sin_f32(float x) { return (float)gr_sin_core((double)x, 0); }
GR_SCALAR float gr_cos_f32(float x) { return (float)gr_sin_core((double)x, 0.5); }
GR_SCALAR int gr_is_rare_f32(float x) { return !(fabsf(x) <= 1048576.0f); }
/* clang-format on */

GR_SCALAR float gr_sin_exact_f32(float x)
{
    return gr_is_rare_f32(x) ? (float)sin((double)x) : gr_sin_f32(x);
}

GR_SCALAR float gr_cos_exact_f32(float x)
{
    return gr_is_rare_f32(x) ? (float)cos((double)x) : gr_cos_f32(x);
}

/* x P(x^2), with t = x^2 mapped to [-1, 1]; 1 as a float from |x| = 4 on. */
GR_SCALAR float gr_erf_f32(float x)
{
    double a = (double)x, bounded = a < -4 ? -4 : a > 4 ? 4 : a;
    double t = bounded * bounded * 0.125 - 1;
    double p = 8.80401859016913734e-5; /* erf(x) / x: 2^-31.6 */
    p = p * t - 2.43824185663039218e-4;
    p = p * t + 1.99405353446709976e-4;
    p = p * t - 3.36333974480917624e-4;
    p = p * t + 1.36274613758666581e-3;
    p = p * t - 2.89122628337007753e-3;
    p = p * t + 4.82102207378975803e-3;
    p = p * t - 8.40075802933998908e-3;
    p = p * t + 1.43550928414955570e-2;
    p = p * t - 2.25539864053274015e-2;
    p = p * t + 3.30618117661090327e-2;
    p = p * t - 4.57467943757934245e-2;
    p = p * t + 5.98862722150707722e-2;
    p = p * t - 7.47301080802772101e-2;
    p = p * t + 9.02090823103144282e-2;
    p = p * t - 1.07710318639690374e-1;
    p = p * t + 1.31675112934845880e-1;
    p = p * t - 1.76576235294119657e-1;
    p = p * t + 3.53530995670221428e-1;
    return (float)(bounded * p);
}

/* y, but x itself where x is NaN. For functions whose parts are NaN with either sign: which one an
 * operation on two NaNs returns is the compiler's choice. */
GR_SCALAR float gr_pass_nan_f32(float x, double y)
{
    return x == x ? (float)y : x;
}

GR_SCALAR float gr_erfc_f32(float x)
{
    return gr_pass_nan_f32(x, gr_erfc_core((double)x, (double)x * (double)x));
}

/* e^(y log |x|), and C's corner cases: x^0 = 1^y = (-1)^(+-inf) = 1, NaN or not the other one. */
GR_SCALAR float gr_pow_f32(float x, float y)
{
    double base = (double)x, exponent = (double)y, a = fabs(base), b = fabs(exponent);
    double logarithm = gr_log_core(a, a - 1);
    logarithm = a > 0 ? logarithm : -HUGE_VAL;
    logarithm = a < HUGE_VAL ? logarithm : a;
    double product = exponent == 0 ? 0 : a == 1 ? 0 : exponent * logarithm;
    double value = gr_exp_core(product);

    b = b > 33554432 ? 33554432 : b; /* every float from 2^25 on is an even integer */
    double fraction = b + GR_ROUND_F64 - GR_ROUND_F64 - b; /* 0 where y is an integer */
    double odd = 0.5 * b + GR_ROUND_F64 - GR_ROUND_F64 - 0.5 * b;
    double with_sign = odd != 0 ? copysign(value, base) : value;
    double no_integer = base < 0 && a < HUGE_VAL ? (double)NAN : value;
    value = fraction == 0 ? with_sign : no_integer;
    return value == value ? (float)value : NAN;
}

/* ---- gelu: x P(x), P(x) = erfc(-x / sqrt(2)) / 2, without cancellation ---- */

/* -40 gives -0, -inf NaN. */
GR_SCALAR float gr_gelu_f32(float x)
{
    double a = (double)x;
    return gr_pass_nan_f32(x, a * (0.5 * gr_erfc_core(-a * GR_SQRT1_2, 0.5 * a * a)));
}

/* P(x) + x e^(-x^2 / 2) / sqrt(2 pi); near its zero at -0.7518 right to 2^-33, not to an ULP. */
GR_SCALAR float gr_gelu_slope_f32(float x)
{
    double a = (double)x, square = 0.5 * a * a;
    double share = 0.5 * gr_erfc_core(-a * GR_SQRT1_2, square);
    return gr_pass_nan_f32(x, share + a * gr_exp_core(-square) * GR_1_SQRT2PI);
}

/* gelu's tanh form: (1 + tanh(v / 2)) / 2 = 1 / (1 + e^-v), v = 2 sqrt(2 / pi) (x + 0.044715 x^3).
 * With e = e^-|v| that is e / (1 + e) below 0, and its slope in v is e / (1 + e)^2. */
GR_SCALAR float gr_gelu_tanh_f32(float x)
{
    double a = (double)x;
    double e = gr_exp_core(-GR_2SQRT2_PI * fabs(a) * (1 + 0.044715 * a * a));
    return gr_pass_nan_f32(x, a * ((a < 0 ? e : 1) / (1 + e)));
}

GR_SCALAR float gr_gelu_tanh_slope_f32(float x)
{
    double a = (double)x;
    double e = gr_exp_core(-GR_2SQRT2_PI * fabs(a) * (1 + 0.044715 * a * a));
    double s = 1 / (1 + e), dv = GR_2SQRT2_PI * (1 + 3 * 0.044715 * a * a);
    return gr_pass_nan_f32(x, (a < 0 ? e : 1) * s + a * (e * s * s) * dv);
}

/* ---- float64 ---- */

/* clang-format off */
GR_SCALAR double gr_abs_f64(double x) { return fabs(x); }
GR_SCALAR double gr_sign_f64(double x) { return (x > 0) - (x < 0); }
GR_SCALAR double gr_sqrt_f64(double x) { return sqrt(x); }
GR_SCALAR double gr_exp_f64(double x) { return exp(x); }
GR_SCALAR double gr_expm1_f64(double x) { return expm1(x); }
GR_SCALAR double gr_log_f64(double x) { return log(x); }
GR_SCALAR double gr_log1p_f64(double x) { return log1p(x); }
GR_SCALAR double gr_sin_f64(double x) { return sin(x); }
GR_SCALAR double gr_cos_f64(double x) { return cos(x); }
GR_SCALAR double gr_tanh_f64(double x) { return tanh(x); }
GR_SCALAR double gr_sigmoid_f64(double x) { return x < -700 ? exp(x) : 1 / (1 + exp(-x)); } /* e^709.8 overflows */
GR_SCALAR double gr_erf_f64(double x) { return erf(x); }
GR_SCALAR double gr_erfc_f64(double x) { return erfc(x); }
GR_SCALAR double gr_pow_f64(double x, double y) { return pow(x, y); }
/* clang-format on */

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

/* P(x): erfc(z + error) = erfc(z) - error 2 e^(-z^2) / sqrt(pi) */
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
    return exp(-GR_2SQRT2_PI * product) * (1 - error);
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
