/* op.h - operations: what gr_apply runs, records and walks back. The library's own ops and users' are the same. */
#ifndef GR_OP_H
#define GR_OP_H
#include "core/base.h"

GR_BEGIN_C

typedef struct gr_call gr_call;

enum { GR_MAX_OUTPUTS = 8 };

/* A device-neutral description of an operation. All members may be zero but name, shape and forward. The tape points to it:
 * it must live as long as the calls of it that are recorded, best as a static const.
 *
 *   shape     checks the inputs and describes each output by gr_call_output_shape; nothing is allocated yet. It may look at
 *             tensors, but call nothing that makes or changes one: its own call is still being written at the tape's end.
 *   forward   fills the outputs. It may call gr_ functions: they are not recorded.
 *   backward  hands each input its gradient by gr_grad_add, given gr_call_gradient of the outputs. Written with gr_
 *             functions it can be recorded, so that gradients have gradients. Without it the op has no gradient.
 *
 * Each returns false after reporting an error by gr_call_fail. Only the inputs and outputs named in `reads_*` (bit i) may
 * have their elements read by backward: these are checked to be unchanged. Shapes may always be read. */
typedef struct gr_op {
    const char *name; /* of the public call, without gr_ */
    bool (*shape)(gr_call *call);
    bool (*forward)(gr_call *call);
    bool (*backward)(gr_call *call);
    size_t attribute_bytes;     /* plain bytes copied onto the tape: numbers, nothing that can die */
    uint8_t outputs;            /* 1 to GR_MAX_OUTPUTS; 0 means 1 */
    uint8_t reads_outputs;
    uint8_t no_gradient;        /* outputs that carry none (indices, masks) */
    uint32_t reads_inputs;
    const uint32_t *reads_each; /* instead of the two: what it reads for input i's gradient; bit 31: output 0 */
    uint32_t optional_inputs;   /* inputs that may be GR_ABSENT, of the first 32 */
    bool in_place;              /* its only output is input 0 changed, */
    bool overwrites;            /* whatever was in it */
    int code;                   /* the op's own number */
    const char *const *input_names; /* for error texts; NULL: x, or a, b, c, d */
    const char *rule;           /* what backward hands back, for readers of the tape: "da = dy b', db = a' dy"; may be NULL */
} gr_op;

/* Runs op on n inputs: the only door.
 *   attributes  op->attribute_bytes bytes, copied; NULL when there are none
 *   outputs     room for op->outputs tensors, or NULL
 *   returns     output 0; NULL after an error, and so are all outputs, and nothing else has changed
 * Fails when op lacks name, shape or forward or has more than 8 outputs (outputs are not written then), when an input
 * that is not optional is NULL, dead or GR_ABSENT, and where shape or forward fails. */
GR_API gr_tensor *gr_apply_at(const gr_op *op, gr_tensor *const *inputs, int n, const void *attributes,
                              gr_tensor **outputs, gr_site site);

/* ---- for the functions of an op ---- */

/* A call that is NULL, and an i that it does not have, are errors. */
GR_API int gr_call_inputs(const gr_call *call);               /* how many; -1 on failure */
GR_API gr_tensor *gr_call_input(const gr_call *call, int i);  /* NULL: absent */
GR_API gr_tensor *gr_call_output(const gr_call *call, int i);
GR_API const void *gr_call_attributes(const gr_call *call);
GR_API gr_site gr_call_site(const gr_call *call);
/* In shape, and only there: output i is new, of this shape and dtype, on the inputs' device. Fails when a size is negative,
 * or together they are 2^63 bytes or more. */
GR_API bool gr_call_output_shape(gr_call *call, int i, gr_shape shape, gr_dtype dtype);
/* Reports "file:line: op: text" with the site of the call; returns false. */
GR_API bool gr_call_fail(const gr_call *call, const char *text, ...) __attribute__((format(printf, 2, 3)));

/* In backward: whether input i wants a gradient. */
GR_API bool gr_call_needs(const gr_call *call, int i);
/* In backward: the gradient of output i; zeros when the output was not used. NULL without memory. */
GR_API gr_tensor *gr_call_gradient(gr_call *call, int i);
/* In backward: whether output i was not used, so that its gradient is zero and need not be computed with. */
GR_API bool gr_call_gradient_is_zero(const gr_call *call, int i);
/* In backward: adds g to input i's gradient. g may have any shape that the input broadcasts to: it is summed; of another
 * dtype it is converted; it must be on the input's device. The input's gradient never shares g's memory, unless g was made
 * by this backward and is not used again. True, and nothing is done, where input i wants no gradient. */
GR_API bool gr_grad_add(gr_call *call, int i, gr_tensor *g);

GR_END_C

#ifndef __cplusplus
#define gr_apply(op, inputs, n, attributes, outputs) gr_apply_at(op, inputs, n, attributes, outputs, GR_HERE)
#endif
#endif
