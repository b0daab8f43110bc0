/* draw.h - numbers to try functions on: the same in every run, and none of the library's own. */
#ifndef DRAW_H
#define DRAW_H
#include <stdint.h>

/* splitmix64: Steele, Lea and Flood 2014. Any state will do. */
static inline uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline double draw_between(uint64_t *state, double low, double high)
{
    return low + (high - low) * ((double)(draw(state) >> 11) * 0x1p-53);
}

#endif
