/* update_loops.c - the rules of update.def as loops. */
#include <math.h>

#include "core/cpu/loops.h"

#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed" /* without FMA, fma is a call */
#endif

#include "core/update_text.h"

/* What is done for each state of STATES(a, b). */
#define FIND_STATES(...) EACH_STATE(FIND, __VA_ARGS__)
#define FIND(name, i) WHERE_NAMED(name, real *name##_at = state[i]; states++; missing += !name##_at;)
#define READ_STATES(...) EACH_STATE(READ, __VA_ARGS__)
#define READ(name, i) WHERE_NAMED(name, real name = name##_at[at];)
#define WRITE_STATES(...) EACH_STATE(WRITE, __VA_ARGS__)
#define WRITE(name, i) WHERE_NAMED(name, name##_at[at] = name;)
#define FORGET_STATES(...) EACH_STATE(FORGET, __VA_ARGS__)
#define FORGET(name, i) WHERE_NAMED(name, real name = 0; (void)name;)

#define real float
#define NAME(name) name##_f32
#define fma fmaf
#include "core/cpu/update_body.h"
#undef real
#undef NAME
#undef fma

#define real double
#define NAME(name) name##_f64
#include "core/cpu/update_body.h"

const gr_update_loops *const GR_OF_ISA(gr_update_loops)[GR_DTYPES] = {[GR_FLOAT32] = &loops_f32,
                                                                      [GR_FLOAT64] = &loops_f64};
