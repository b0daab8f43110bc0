/* elementwise_table.c - the elementwise table as an array of ops. Which operands a gradient reads follows from the row's own
 * text: here every function is a sum and every operand a power of two, so the digits of the sum tell who took part.
 * Nothing that declares functions by these names may be included below the definitions. */
#define GR_ROW_PARAMETERS /* the rows' parameters count as nothing: as enumerators they are zero */
#include "elementwise_api.h"

#include "autograd/elementwise.h"

#define C(number) 0
#define ZERO 0
#define add(p, q) ((p) + (q))
#define sub(p, q) ((p) + (q))
#define mul(p, q) ((p) + (q))
#define div(p, q) ((p) + (q))
#define lt(p, q) ((p) + (q))
#define le(p, q) ((p) + (q))
#define gt(p, q) ((p) + (q))
#define ge(p, q) ((p) + (q))
#define eq(p, q) ((p) + (q))
#define either(p, q) ((p) + (q))
#define both(p, q) ((p) + (q))
#define pow(p, q) ((p) + (q))
#define pick(c, p, q) ((c) + (p) + (q))
#define neg(p) (p)
#define reciprocal(p) (p)
#define square(p) (p)
#define exp(p) (p)
#define log(p) (p)
#define sqrt(p) (p)
#define sin(p) (p)
#define cos(p) (p)
#define tanh(p) (p)
#define sigmoid(p) (p)
#define abs(p) (p)
#define sign(p) (p)
#define gelu_erf_slope(p) (p)
#define gelu_tanh_slope(p) (p)
#define USES(s, unit) ((long long)((s) / (unit)) % 1024 != 0)
#define READS(s) \
    ((uint32_t)USES(s, 0x1p20) | (uint32_t)USES(s, 0x1p30) << 1 | (uint32_t)USES(s, 0x1p40) << 2 | \
     (uint32_t)USES(s, 0x1p50) << 31)
#define IS_DY(text) (sizeof(text) == 3 && (text)[0] == 'd' && (text)[1] == 'y')

#define x 0x1p20
#define a 0x1p20
#define b 0x1p30
#define c 0x1p40
#define y 0x1p50
#define dy 0

#define NO_EDGE 0, {0}
#define EDGE(k) 1, {k}
#define UNARY(name, params, row_types, value, back, low, high, edges) \
    [GR_E_##name] = {1, GR_TYPES_##row_types, false, IS_DY(#back), {READS(back)}, low, high, edges},
#define PREDICATE(name, params, row_types, value, low, high, edges) \
    [GR_E_##name] = {1, GR_TYPES_##row_types, true, 0, {0}, low, high, edges},
#define BINARY(name, params, row_types, value, back_a, back_b, low, high, edges) \
    [GR_E_##name] = {2, GR_TYPES_##row_types, false, IS_DY(#back_a) | IS_DY(#back_b) << 1, \
                     {READS(back_a), READS(back_b)}, low, high, edges},
#define COMPARE(name, params, row_types, value, low, high, edges) \
    [GR_E_##name] = {2, GR_TYPES_##row_types, true, 0, {0}, low, high, edges},
#define TERNARY(name, params, row_types, value, back_a, back_b, back_c, low, high, edges) \
    [GR_E_##name] = {3, GR_TYPES_##row_types, false, IS_DY(#back_a) | IS_DY(#back_b) << 1 | IS_DY(#back_c) << 2, \
                     {READS(back_a), READS(back_b), READS(back_c)}, low, high, edges},
const gr_row gr_rows[GR_ELEMENTWISE_COUNT] = {
#include "core/elementwise.def"
};
#undef UNARY
#undef PREDICATE
#undef BINARY
#undef COMPARE
#undef TERNARY

/* Parameters take sizeof(double) each on the tape. */
#define NONE 0
#define P1(n, d) 8
#define P2(n, d, m, e) 16
#define OP(row, bytes, back, text) \
    [GR_E_##row] = {.name = #row SUFFIX, .shape = gr_row_shape, .forward = gr_row_forward, .backward = back, \
                    .attribute_bytes = bytes, .reads_each = gr_rows[GR_E_##row].reads, .in_place = CHANGES, \
                    .code = GR_E_##row, .rule = text},
#define UNARY(name, params, types, value, back, ...) OP(name, params, gr_row_backward, "dx = " #back)
#define PREDICATE(name, params, ...) OP(name, params, NULL, NULL)
#define BINARY(name, params, types, value, back_a, back_b, ...) \
    OP(name, params, gr_row_backward, "da = " #back_a ", db = " #back_b)
#define COMPARE(name, params, ...) OP(name, params, NULL, NULL)
#define TERNARY(name, params, types, value, back_a, back_b, back_c, ...) \
    OP(name, params, gr_row_backward, "da = " #back_a ", db = " #back_b ", dc = " #back_c)
#define SUFFIX ""
#define CHANGES false
const gr_op gr_row_op[GR_ELEMENTWISE_COUNT] = {
#include "core/elementwise.def"
};
#undef SUFFIX
#undef CHANGES
#define SUFFIX "_"
#define CHANGES true
const gr_op gr_row_op_in_place[GR_ELEMENTWISE_COUNT] = {
#include "core/elementwise.def"
};

const char *gr_rule_text(const gr_op *op)
{
    return op->rule || op->forward != gr_row_forward ? op->rule : gr_row_op[op->code].rule;
}
