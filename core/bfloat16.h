/* bfloat16.h - the upper half of a float32, whose range it has: 8 bits of precision, in place of 24. */
#ifndef GR_BFLOAT16_H
#define GR_BFLOAT16_H
#include <stdint.h>
#include <string.h>

static inline float gr_bfloat16_widen(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* To the nearest, ties to even; what is beyond the largest becomes infinite, NaN stays NaN. */
static inline uint16_t gr_bfloat16_round(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (uint16_t)(x == x ? rounded : 0x7fc0);
}

#endif
