/* half.h - bfloat16 by IEEE 754's description, apart from the library's way: for expected numbers. */
#ifndef HALF_H
#define HALF_H
#include <math.h>
#include <stdint.h>

/* A sign, 8 bits of exponent, 7 of fraction. */
static inline double half_value(uint16_t bits)
{
    const int exponent = bits >> 7 & 255, fraction = bits & 127;
    const double size = exponent == 255 ? fraction ? (double)NAN : (double)INFINITY
                        : exponent == 0 ? ldexp(fraction, -133)
                                        : ldexp(fraction + 128, exponent - 134);
    return bits >> 15 ? -size : size;
}

/* x to 8 bits, ties to even; less where they would be below the smallest number, infinite from the largest's upper half on. */
static inline double half_rounded(double x)
{
    int exponent;
    if (x == 0 || !isfinite(x)) return x;
    frexp(x, &exponent);
    const double unit = ldexp(1, (exponent < -125 ? -125 : exponent) - 8), y = nearbyint(x / unit) * unit;
    return fabs(y) < 0x1p128 ? copysign(y, x) : copysign((double)INFINITY, x);
}

#endif
