/* misuse_rows.h - the words in which rows of calls are written: ROW(symbol, op, lasting, condition, arguments...), and PLAIN
 * for functions that take no place of the call.
 *
 * condition is the call with its arguments taken from a[], and true when the call was refused. */
#ifndef MISUSE_ROWS_H
#define MISUSE_ROWS_H
#include "tests/misuse.h"

#define MOST ((INT64_C(1) << 60) - 1) /* elements of 8 bytes, whose bytes are an int64 */

#define T(i) a[i].tensor
#define L(i) a[i].list
#define M(i) a[i].module
#define O(i) a[i].optim
#define S(i) a[i].shape
#define N(i) a[i].integer
#define I(i) ((int)a[i].integer)
#define R(i) a[i].real
#define V(i) a[i].number
#define D(i) a[i].dtype
#define DEV(i) a[i].device
#define TXT(i) a[i].text
#define P(i) a[i].pointer

#define IN_TENSOR(argument, good, bad) {.kind = TENSOR, .name = #argument, .letter = good, .refused = bad}
#define IN_OPTIONAL(argument, good, bad) {.kind = TENSOR, .name = #argument, .letter = good, .refused = bad, .optional = true}
#define IN_LIST(argument, good, bad) {.kind = LIST, .name = #argument, .letter = good, .refused = bad}
#define IN_OPTIONAL_LIST(argument, good, bad) \
    {.kind = LIST, .name = #argument, .letter = good, .refused = bad, .optional = true}
#define IN_MODULE(argument, good) {.kind = MODULE, .name = #argument, .object = &g.good}
#define IN_OPTIM(good) {.kind = OPTIM, .name = "optimizer", .object = &g.good}
#define IN_SHAPE(argument, bad, ...) {.kind = SHAPE, .name = #argument, .refused = bad, .shape = __VA_ARGS__}
/* An int whose values below `low` and above `high` are refused; or an int64_t. */
#define IN_INT(argument, good, low, high) \
    {.kind = INTEGER, .name = #argument, .integer = good, .least = low, .most = high, .narrow = true}
#define IN_INT64(argument, good, low, high) {.kind = INTEGER, .name = #argument, .integer = good, .least = low, .most = high}
#define IN_REAL(argument, good, bad) {.kind = REAL, .name = #argument, .real = good, .refused = bad}
#define IN_NUMBER(argument, good, bad) {.kind = NUMBER, .name = #argument, .real = good, .refused = bad}
#define IN_DTYPE(good, bad) {.kind = DTYPE, .name = "dtype", .refused = bad, .dtype = good}
#define IN_DEVICE {.kind = DEVICE, .name = "device"}
#define IN_TEXT(argument, good) {.kind = TEXT, .name = #argument, .object = good}
#define IN_POINTER(argument, good) {.kind = POINTER, .name = #argument, .object = good}

enum { READS = false, MAKES = false, LASTS = true };
#define SYMBOL_FUNCTION(stem, symbol, condition) \
    static bool call_##stem(const misuse_value *a) \
    { \
        (void)a, (void)symbol; \
        MISUSE_HERE; \
        return condition; \
    }
#define ROW_FUNCTION(stem, op, lasting, condition, ...) SYMBOL_FUNCTION(stem, gr_##stem##_at, condition)
#define ROW_ENTRY(stem, op, lasting, condition, ...) {"gr_" #stem "_at", op, lasting, call_##stem, {__VA_ARGS__}},
#define PLAIN_FUNCTION(stem, lasting, condition) SYMBOL_FUNCTION(stem, gr_##stem, condition)
#define PLAIN_ENTRY(stem, lasting, condition) {"gr_" #stem, #stem, lasting, call_##stem, {{0}}},

#endif
