/* misuse_elementwise.c - the rows of elementwise.def as rows of misuse: what a call must refuse follows from its TYPES. */
#include "tests/misuse_rows.h"

/* What an operand cannot be beside a float32 [3, 4]: another dtype, a shape that does not broadcast. In place it also
 * must keep its shape, its dtype, own each element, and be no leaf. */
#define OTHER "dhijuktb8"
#define FLOAT_IN_PLACE "ijuklE"
#define SAME_IN_PLACE "lE"
#define SAME_NOBOOL_IN_PLACE "klE"
#define ANY_IN_PLACE "lE"
#define FLOAT_ALONE ""
#define SAME_ALONE ""
#define SAME_NOBOOL_ALONE "k"
#define ANY_ALONE ""

#define UNARY(name, params, types, ...) \
    ROW(name, #name, MAKES, !gr_##name(T(0)), IN_TENSOR(x, 'n', types##_ALONE)) \
    ROW(name##_, #name "_", LASTS, !gr_##name##_(T(0)), IN_TENSOR(x, 'n', types##_IN_PLACE))
#define PREDICATE(name, ...) ROW(name, #name, MAKES, !gr_##name(T(0)), IN_TENSOR(x, 'n', ""))
#define COMPARE(name, ...) \
    ROW(name, #name, MAKES, !gr_##name(T(0), T(1)), IN_TENSOR(a, 'n', OTHER), IN_TENSOR(b, 'n', OTHER))
#define BINARY(name, ...) \
    COMPARE(name, ) \
    ROW(name##_, #name "_", LASTS, !gr_##name##_(T(0), T(1)), IN_TENSOR(a, 'n', OTHER "svlE"), IN_TENSOR(b, 'n', OTHER))
#define TERNARY(name, ...) \
    ROW(name, #name, MAKES, !gr_##name(T(0), T(1), T(2)), IN_TENSOR(a, 'n', OTHER), IN_TENSOR(b, 'n', OTHER), \
        IN_TENSOR(c, 'n', OTHER))

#define ROW ROW_FUNCTION
#include "core/elementwise.def"
#undef ROW
#define ROW ROW_ENTRY
static const misuse_row rows[] = {
#include "core/elementwise.def"
};
const misuse_table misuse_elementwise_rows = {rows, sizeof rows / sizeof rows[0]};
