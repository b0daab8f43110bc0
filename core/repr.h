/* repr.h - a number as Python prints it. */
#ifndef GR_REPR_H
#define GR_REPR_H
#include "core/base.h"

GR_BEGIN_C

/* The shortest decimal that reads back as the same double, and the nearest of those, written as
 * Python's repr: 0.1, 100000.0, 1e-05, 1e+16, -0.0, inf, nan. Returns text. The point is a point
 * in every locale. */
GR_API char *gr_repr(double value, char text[32]);

GR_END_C

#endif
