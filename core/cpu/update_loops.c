/* update_loops.c - the rules of update.def as loops. */
#include <math.h>

#include "core/cpu/loops.h"

#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed" /* without FMA, fma is a call */
#endif

/* Text that stands only where `name` is not empty: COMMA () is a comma, COMMA name () is not. */
#define WHERE_NAMED(name, ...) PASTE(WHERE_, NAMED(COMMA name() NO, YES, , ))(__VA_ARGS__)
#define NAMED(...) SECOND(__VA_ARGS__)
#define SECOND(a, b, ...) b
#define COMMA(...) ,
#define PASTE(a, b) PASTE_(a, b)
#define PASTE_(a, b) a##b
#define WHERE_YES(...) __VA_ARGS__
#define WHERE_NO(...)

/* NUMBERS(a, b) names number[0] and number[1]; up to eight. */
#define NUMBERS(...) NUMBERS_(__VA_ARGS__, , , , , , , , , )
#define NUMBERS_(a, b, c, d, e, f, g, h, ...) \
    NUMBER(a, 0) NUMBER(b, 1) NUMBER(c, 2) NUMBER(d, 3) NUMBER(e, 4) NUMBER(f, 5) NUMBER(g, 6) NUMBER(h, 7)
#define NUMBER(name, i) WHERE_NAMED(name, const double name = number[i]; (void)name;)

/* What is done for each state of STATES(a, b); up to GR_UPDATE_STATES. */
#define FIND_STATES(...) FIND_STATES_(__VA_ARGS__, , , , , )
#define FIND_STATES_(a, b, c, d, ...) FIND(a, 0) FIND(b, 1) FIND(c, 2) FIND(d, 3)
#define FIND(name, i) WHERE_NAMED(name, real *name##_at = state[i]; states++; missing += !name##_at;)
#define READ_STATES(...) READ_STATES_(__VA_ARGS__, , , , , )
#define READ_STATES_(a, b, c, d, ...) READ(a) READ(b) READ(c) READ(d)
#define READ(name) WHERE_NAMED(name, real name = name##_at[i];)
#define WRITE_STATES(...) WRITE_STATES_(__VA_ARGS__, , , , , )
#define WRITE_STATES_(a, b, c, d, ...) WRITE(a) WRITE(b) WRITE(c) WRITE(d)
#define WRITE(name) WHERE_NAMED(name, name##_at[i] = name;)
#define FORGET_STATES(...) FORGET_STATES_(__VA_ARGS__, , , , , )
#define FORGET_STATES_(a, b, c, d, ...) FORGET(a) FORGET(b) FORGET(c) FORGET(d)
#define FORGET(name) WHERE_NAMED(name, real name = 0; (void)name;)

#define R(number) ((real)(number))

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
