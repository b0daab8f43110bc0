/* reduce_loops.c - reductions of rows and columns, for each dtype. */
#include <math.h>
#include <string.h>

#include "core/cpu/loops.h"

#define FLOATING
#define real float
#define total float
#define NAME(name) name##_f32
#define R(name) name##_f32
#include "core/cpu/sum_loops.h"

#include "core/cpu/reduce_body.h"
#undef real
#undef total
#undef NAME
#undef R

#define real double
#define total double
#define NAME(name) name##_f64
#define R(name) name##_f64
#include "core/cpu/sum_loops.h"

#include "core/cpu/reduce_body.h"
#undef real
#undef total
#undef NAME
#undef R
#undef FLOATING
_Static_assert(GR_BLOCK == GR_SUM_BLOCK, "sums above a block are trees");

#define total int64_t
#define real int64_t
#define NAME(name) name##_i64
#include "core/cpu/reduce_body.h"
#undef real
#undef NAME

#define real int32_t
#define NAME(name) name##_i32
#include "core/cpu/reduce_body.h"
#undef real
#undef NAME

#define real uint8_t
#define NAME(name) name##_u8
#include "core/cpu/reduce_body.h"
#undef real
#undef NAME

#define real bool
#define NAME(name) name##_b8
#include "core/cpu/reduce_body.h"

const gr_reduce_loops *const GR_OF_ISA(gr_reduce_loops)[GR_DTYPES] = {
    [GR_FLOAT32] = &loops_f32, [GR_FLOAT64] = &loops_f64, [GR_INT64] = &loops_i64,
    [GR_INT32] = &loops_i32,   [GR_UINT8] = &loops_u8,    [GR_BOOL] = &loops_b8};
