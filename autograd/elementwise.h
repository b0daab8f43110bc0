/* elementwise.h - the rows of elementwise.def as ops. */
#ifndef GR_ELEMENTWISE_H
#define GR_ELEMENTWISE_H
#include "autograd/tape.h"

enum gr_types { GR_TYPES_FLOAT, GR_TYPES_SAME, GR_TYPES_SAME_NOBOOL, GR_TYPES_ANY };

typedef struct {
    uint8_t operands;
    uint8_t types;
    bool gives_bool;
    uint8_t passes;    /* bit i: dy itself is handed back to operand i */
    uint32_t reads[3]; /* by the gradient of operand i: bit j operand j, bit 31 the result */
    double lo, hi;     /* where the tests draw */
    int edges;
    double edge[4];
} gr_row;
extern const gr_row gr_rows[GR_ELEMENTWISE_COUNT];
extern const gr_op gr_row_op[GR_ELEMENTWISE_COUNT], gr_row_op_in_place[GR_ELEMENTWISE_COUNT];

bool gr_row_shape(gr_call *c);
bool gr_row_forward(gr_call *c);
bool gr_row_backward(gr_call *c);
/* A row under the name of a public call of its own; names of its operands, or NULL. bytes: of its parameters. */
#define GR_ROW_AS(text, row, bytes, names) \
    {.name = text, .shape = gr_row_shape, .forward = gr_row_forward, .backward = gr_row_backward, .attribute_bytes = bytes, \
     .reads_each = gr_rows[GR_E_##row].reads, .code = GR_E_##row, .input_names = names}
gr_tensor *gr_row_run2(const gr_op *op, gr_value a, gr_value b, gr_site site);

/* What an op tells of its rule; a row under another name tells the row's. NULL: nothing. */
const char *gr_rule_text(const gr_op *op);
/* What the row hands back to operand i, as recorded ops; NULL after an error. */
gr_tensor *gr_row_rule(gr_call *c, int i, gr_tensor *dy);

#endif
