/* rows.h - the rows of elementwise.def as functions of an array of operands. */
#ifndef GR_BENCH_ROWS_H
#define GR_BENCH_ROWS_H
#include <gradus.h>

typedef struct {
    const char *name;
    gr_tensor *(*run)(gr_tensor *const *in);
    int inputs;
    bool gives_bool;
    double lo, hi;
} row;

#define RUN(name, ...) \
    static gr_tensor *run_##name(gr_tensor *const *in) \
    { \
        return gr_##name(__VA_ARGS__); \
    }
#define UNARY(name, ...) RUN(name, in[0])
#define PREDICATE(name, ...) RUN(name, in[0])
#define BINARY(name, ...) RUN(name, in[0], in[1])
#define COMPARE(name, ...) RUN(name, in[0], in[1])
#define TERNARY(name, ...) RUN(name, in[0], in[1], in[2])
#include "core/elementwise.def"
#undef UNARY
#undef PREDICATE
#undef BINARY
#undef COMPARE
#undef TERNARY

#define UNARY(name, params, types, value, dx, lo, hi, ...) {#name, run_##name, 1, false, lo, hi},
#define PREDICATE(name, params, types, value, lo, hi, ...) {#name, run_##name, 1, true, lo, hi},
#define BINARY(name, params, types, y, da, db, lo, hi, ...) {#name, run_##name, 2, false, lo, hi},
#define COMPARE(name, params, types, value, lo, hi, ...) {#name, run_##name, 2, true, lo, hi},
#define TERNARY(name, params, types, y, da, db, dc, lo, hi, ...) \
    {#name, run_##name, 3, false, lo, hi},
static const row rows[] = {
#include "core/elementwise.def"
};
enum { ROWS = sizeof rows / sizeof *rows };
#undef UNARY
#undef PREDICATE
#undef BINARY
#undef COMPARE
#undef TERNARY
#endif
