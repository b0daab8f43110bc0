/* scalar.h - the math of one element, the same on every CPU and GPU.
 *
 * Here stands what scalar_f32.h and scalar_f64.h share.
 *
 * Compile with -ffp-contract=off (nvcc: -fmad=false) and without flushing denormals;
 * -fno-math-errno and -fno-trapping-math let the loops vectorise.
 *
 * Polynomials: weighted minimax fits by Remez exchange in 200 bit arithmetic, made for these
 * files. The error beside each is relative to the function's value. */
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

/* ---- Numbers of both ---- */

#define GR_LN2 0.69314718055994530942
#define GR_1_LN2 1.4426950408889634074
#define GR_SQRT1_2 0.70710678118654752440        /* 1 / sqrt(2) */
#define GR_SQRT1_2_REST -4.83364665672645652e-17 /* what the double before leaves */
#define GR_2SQRT2_PI 1.5957691216057307118       /* 2 sqrt(2 / pi) */
#define GR_2SQRT2_PI_REST -9.96930880911092031e-17
#define GR_1_SQRT2PI 0.39894228040143267794 /* 1 / sqrt(2 pi) */
#define GR_2_SQRTPI 1.12837916709551257390  /* 2 / sqrt(pi) */

/* The powers to one number for all x that PyTorch has as a product, a root or a quotient: POWER(y, x^y). */
#define GR_POWERS(POWER, root) \
    POWER(1, x) POWER(2, x * x) POWER(3, x * x * x) POWER(0.5, root(x)) POWER(-0.5, 1 / root(x)) POWER(-1, 1 / x) \
    POWER(-2, 1 / (x * x))

#include "core/scalar_f32.h"
#include "core/scalar_f64.h"

#endif
