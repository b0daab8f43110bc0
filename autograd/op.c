/* op.c - users' ops: running one, and what its functions may ask of the call; and what the library's own ops share. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/tape.h"

static int outputs_of(const gr_op *op)
{
    return op->outputs ? op->outputs : 1;
}

static bool op_is_sound(const gr_op *op, gr_site site)
{
    if (!op || !op->name || !op->shape || !op->forward || op->outputs > GR_MAX_OUTPUTS ||
        op->attribute_bytes > INT32_MAX)
        gr_fail(GR_ERROR_ARGUMENT, site, "apply", "op is %s; must have name, shape, forward, 1 to 8 outputs",
                op ? "incomplete" : "NULL");
    else if (op->in_place && (op->outputs > 1 || op->optional_inputs & 1))
        gr_fail(GR_ERROR_ARGUMENT, site, "apply", "op changes its first input in place; must have 1 output, and always that input");
    else
        return true;
    return false;
}

static gr_tensor *run(const gr_op *op, gr_tensor *const *inputs, int n, const void *attributes, gr_site site)
{
    if (n < op->in_place || n > UINT16_MAX)
        return gr_fail(GR_ERROR_ARGUMENT, site, "apply", "n is %d; must be %d to %d", n, op->in_place, UINT16_MAX);
    if (n && !inputs)
        return gr_fail(GR_ERROR_ARGUMENT, site, "apply", "inputs is NULL; must hold n tensors (%d)", n);
    if (op->attribute_bytes && !attributes)
        return gr_fail(GR_ERROR_ARGUMENT, site, "apply", "attributes is NULL; must be %zu bytes", op->attribute_bytes);
    gr_call *c = gr_call_begin(op, n, site);
    if (!c) return NULL;
    c->reserve = true;
    for (int i = 0; i < n; i++) c->slot[i].tensor = inputs[i];
    if (op->attribute_bytes) memcpy(gr_attributes(c), attributes, op->attribute_bytes);
    return gr_call_run(c);
}

gr_tensor *gr_apply_at(const gr_op *op, gr_tensor *const *inputs, int n, const void *attributes, gr_tensor **outputs,
                       gr_site site)
{
    if (!op_is_sound(op, site)) return NULL;
    gr_tensor *y = run(op, inputs, n, attributes, site);
    for (int k = 0; outputs && k < outputs_of(op); k++) outputs[k] = y ? gr_out(gr_self()->ran, k)->tensor : NULL;
    return y;
}

bool gr_call_place_fits(const gr_call *c, int i, int count, const char *op)
{
    if (gr_likely(c && i >= 0 && i < count)) return true;
    if (!c)
        gr_fail(GR_ERROR_ARGUMENT, (gr_site){"?", 0}, op, "call is NULL; must be the one that runs");
    else
        gr_fail(GR_ERROR_ARGUMENT, gr_site_of(c), op, "i is %d, of %s; must be 0 to %d", i, c->op->name, count - 1);
    return false;
}

bool gr_call_unexplained(const gr_call *c, const char *function)
{
    gr_fail(GR_ERROR_STATE, gr_site_of(c), c->op->name, "%s of the op gives no reason; must report it: gr_call_fail",
            function);
    return false;
}

bool gr_call_fail(const gr_call *c, const char *text, ...)
{
    char line[384];
    if (!gr_call_place_fits(c, 0, 1, "call_fail")) return false;
    if (!text) return gr_call_unexplained(c, "call_fail");
    va_list args;
    va_start(args, text);
    vsnprintf(line, sizeof line, text, args);
    va_end(args);
    gr_fail(GR_ERROR_ARGUMENT, gr_site_of(c), c->op->name, "%s", line);
    return false;
}

int gr_call_inputs(const gr_call *c)
{
    return gr_call_place_fits(c, 0, 1, "call_inputs") ? c->inputs : -1;
}

gr_tensor *gr_call_input(const gr_call *c, int i)
{
    if (!gr_call_place_fits(c, i, c ? c->inputs : 0, "call_input") || gr_is_number(c, i)) return NULL;
    return c->slot[i].tensor;
}

gr_tensor *gr_call_output(const gr_call *c, int i)
{
    return gr_call_place_fits(c, i, c ? c->outputs : 0, "call_output") ? c->slot[c->inputs + i].tensor : NULL;
}

const void *gr_call_attributes(const gr_call *c)
{
    return gr_call_place_fits(c, 0, 1, "call_attributes") ? &c->slot[c->inputs + c->outputs] : NULL;
}

gr_site gr_call_site(const gr_call *c)
{
    return gr_call_place_fits(c, 0, 1, "call_site") ? gr_site_of(c) : (gr_site){NULL, 0};
}

/* Whether shape runs: the outputs have no memory yet, and a change in place is described in a header of its own. */
static bool is_in_shape(const gr_call *c, int i)
{
    const gr_tensor *y = c->slot[c->inputs + i].tensor;
    if (c->op->in_place ? y != c->slot[0].tensor : !y->storage) return true;
    gr_fail(GR_ERROR_STATE, gr_site_of(c), "call_output_shape", "%s has its outputs already; must be called by its shape",
            c->op->name);
    return false;
}

bool gr_call_output_shape(gr_call *c, int i, gr_shape shape, gr_dtype dtype)
{
    char text[GR_SHAPE_TEXT];
    if (!gr_call_place_fits(c, i, c ? c->outputs : 0, "call_output_shape") || !is_in_shape(c, i) ||
        !gr_dtype_fits(dtype, gr_site_of(c), c->op->name))
        return false;
    bool fits = shape.count >= 0 && shape.count <= GR_MAX_DIMS;
    for (int d = 0; fits && d < shape.count; d++) fits = shape.size[d] >= 0;
    if (fits && gr_set_sizes(gr_call_new(c, i, dtype), shape.count, shape.size)) return true;
    return gr_call_fail(c, "shape of output %d is %s; must have sizes of 0 or more, fewer than 2^63 bytes", i,
                        gr_sizes_text(&shape, text));
}

/* ---- for the library's ops: functions and parts of functions that several share ---- */

bool gr_no_work(gr_call *c)
{
    (void)c;
    return true;
}

bool gr_hand_dy(gr_call *c)
{
    return gr_grad_add(c, 0, gr_call_gradient(c, 0));
}

bool gr_hand_zeros(gr_call *c)
{
    const gr_tensor *x = c->slot[0].tensor;
    if (!gr_call_needs(c, 0)) return true;
    const gr_make_args zeros = {.shape = gr_sizes_of(x), .site = gr_site_of(c), .dtype = (gr_dtype)x->dtype,
                                .device = gr_place_device(x->device)};
    return gr_grad_add(c, 0, gr_zeros_at(&zeros));
}

bool gr_call_same_key(gr_call *c, int i, int j)
{
    const gr_tensor *a = c->slot[i].tensor, *b = c->slot[j].tensor;
    if (gr_likely(a->key == b->key)) return true;
    const char *first = gr_input_name(c->op, c->inputs, i), *second = gr_input_name(c->op, c->inputs, j);
    if (a->device != b->device)
        return gr_call_fail(c, "%s is on %s, %s is on %s; both must be on one device", first,
                            gr_devices[a->device]->name, second, gr_devices[b->device]->name);
    static const char *const constant[GR_DTYPES] = {"GR_FLOAT32", "GR_FLOAT64", "GR_BFLOAT16", "GR_INT64",
                                                    "GR_INT32",   "GR_UINT8",   "GR_BOOL"};
    return gr_call_fail(c, "%s is %s, %s is %s; both must have one dtype: gr_to(%s, .dtype = %s)", first,
                        gr_dtype_name[a->dtype], second, gr_dtype_name[b->dtype], second, constant[a->dtype]);
}

gr_tensor *gr_call_view(gr_call *c)
{
    gr_tensor *x = c->slot[0].tensor, *y = gr_out(c, 0)->tensor;
    y->storage = x->storage;
    atomic_fetch_add_explicit(&x->storage->refs, 1, memory_order_relaxed);
    y->data = x->data;
    y->dtype = x->dtype;
    y->thread = gr_self()->id;
    return y;
}
