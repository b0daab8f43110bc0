/* copy.c - clone, contiguous, detach, to; and the changes in place that write without reading: fill_, zero_, copy_. */
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/tape.h"

/* ---- clone, to: y = x, dx = dy ---- */

static bool clone_shape(gr_call *c)
{
    gr_tensor *y = gr_out(c, 0)->tensor;
    const gr_tensor *x = c->slot[0].tensor;
    y->dtype = x->dtype;
    gr_copy_sizes(y, x);
    return true;
}

static bool copy_forward(gr_call *c)
{
    gr_tensor *y = gr_out(c, 0)->tensor;
    gr_kernels_of(y)->copy(y, c->slot[0].tensor);
    return true;
}

static const gr_op clone_op = {.name = "clone", .shape = clone_shape, .forward = copy_forward, .backward = gr_hand_dy,
                              .rule = "dx = dy"};
static const gr_op contiguous_op = {.name = "contiguous", .shape = clone_shape, .forward = copy_forward,
                                    .backward = gr_hand_dy, .rule = "dx = dy"};

gr_tensor *gr_clone_at(gr_tensor *x, gr_site site)
{
    return gr_run1(&clone_op, x, site);
}

gr_tensor *gr_contiguous_at(gr_tensor *x, gr_site site)
{
    if (!gr_usable(x, site, "contiguous", "x")) return NULL;
    return x->contiguous ? x : gr_run1(&contiguous_op, x, site);
}

typedef struct {
    uint8_t dtype, place;
} destination;

static bool to_shape(gr_call *c)
{
    gr_tensor *y = gr_out(c, 0)->tensor;
    const destination *to = gr_attributes(c);
    y->dtype = to->dtype;
    y->device = to->place;
    gr_copy_sizes(y, c->slot[0].tensor);
    return true;
}

static bool to_forward(gr_call *c)
{
    return gr_transfer(gr_out(c, 0)->tensor, c->slot[0].tensor);
}

/* dy to input i, on whose device it must be; gr_grad_add converts its dtype. */
static bool hand_dy_back(gr_call *c, int i)
{
    const gr_to_args back = {.x = gr_call_gradient(c, 0), .site = gr_site_of(c), .dtype = GR_DTYPE_DEFAULT,
                             .device = gr_place_device(c->slot[i].tensor->device)};
    gr_tensor *dx = gr_to_at(&back);
    return dx && gr_grad_add(c, i, dx);
}

static bool to_backward(gr_call *c)
{
    return hand_dy_back(c, 0);
}

static const gr_op to_op = {.name = "to", .shape = to_shape, .forward = to_forward, .backward = to_backward,
                            .attribute_bytes = sizeof(destination), .rule = "dx = dy"};

gr_tensor *gr_to_at(const gr_to_args *args)
{
    gr_tensor *x = args->x;
    if (!gr_usable(x, args->site, "to", "x")) return NULL;
    const gr_dtype dtype = args->dtype == GR_DTYPE_DEFAULT ? (gr_dtype)x->dtype : args->dtype;
    if (!gr_dtype_fits(dtype, args->site, "to")) return NULL;
    const int place = gr_device_place(args->device, x->device, args->site, "to");
    if (place < 0) return NULL;
    if (dtype == (gr_dtype)x->dtype && place == x->device) return x;
    return gr_run1_with(&to_op, x, &(destination){(uint8_t)dtype, (uint8_t)place}, args->site);
}

/* ---- detach: a view without history ---- */

static bool detach_shape(gr_call *c)
{
    const gr_tensor *x = c->slot[0].tensor;
    gr_tensor *y = gr_call_view(c);
    y->dim = x->dim;
    y->numel = x->numel;
    y->contiguous = x->contiguous;
    memcpy(y->axis, x->axis, sizeof y->axis);
    return true;
}

static const gr_op detach_op = {.name = "detach", .shape = detach_shape, .forward = gr_no_work};

gr_tensor *gr_detach_at(gr_tensor *x, gr_site site)
{
    return gr_run1(&detach_op, x, site);
}

/* ---- in place: the old value gets a gradient of zeros, copy_'s source gets dy ---- */

static bool fill_forward(gr_call *c)
{
    gr_tensor *x = gr_out(c, 0)->tensor;
    gr_kernels_of(x)->fill(x, gr_slot_value(c, 1));
    return true;
}

static const char *const fill_names[] = {"x", "value"};
#define FILL(text) \
    {.name = text, .shape = gr_no_work, .forward = fill_forward, .backward = gr_hand_zeros, .in_place = true, .overwrites = true, \
     .input_names = fill_names, .rule = "dx = 0"}
static const gr_op fill_op = FILL("fill_"), zero_op = FILL("zero_");

static gr_tensor *fill_run(const gr_op *op, gr_tensor *x, gr_value value, gr_site site)
{
    gr_call *c = gr_call_begin(op, 2, site);
    if (!c) return NULL;
    c->slot[0].tensor = x;
    c->slot[1] = (gr_slot){.integer = value.integer, .version = value.kind};
    c->numbers = 2;
    return gr_call_run(c);
}

gr_tensor *gr_fill__at(gr_tensor *x, gr_value value, gr_site site)
{
    if (!gr_is_a_number(value, "value", site, "fill_")) return NULL;
    if (x && x->state == GR_LIVE && !gr_check_number(value, (gr_dtype)x->dtype, site, "fill_")) return NULL;
    return fill_run(&fill_op, x, value, site);
}

gr_tensor *gr_zero__at(gr_tensor *x, gr_site site)
{
    return fill_run(&zero_op, x, gr_value_integer(0), site);
}

static bool source_shape(gr_call *c)
{
    const gr_tensor *x = c->slot[0].tensor, *source = c->slot[1].tensor;
    char have[GR_SHAPE_TEXT], want[GR_SHAPE_TEXT];
    const int added = x->dim - source->dim;
    bool fits = added >= 0;
    for (int d = 0; fits && d < source->dim; d++)
        fits = source->axis[d].size == x->axis[d + added].size || source->axis[d].size == 1;
    return fits || gr_call_fail(c, "source is %s, x is %s; must broadcast to x", gr_shape_text(source, have),
                                gr_shape_text(x, want));
}

static bool source_forward(gr_call *c)
{
    return gr_transfer(gr_out(c, 0)->tensor, c->slot[1].tensor);
}

static bool source_backward(gr_call *c)
{
    return gr_hand_zeros(c) && (!gr_call_needs(c, 1) || hand_dy_back(c, 1));
}

static const char *const copy_names[] = {"x", "source"};
static const gr_op copy_op = {.name = "copy_", .shape = source_shape, .forward = source_forward,
                              .backward = source_backward, .in_place = true, .overwrites = true, .input_names = copy_names,
                              .rule = "dx = 0, dsource = dy"};

gr_tensor *gr_copy__at(gr_tensor *x, gr_tensor *source, gr_site site)
{
    return gr_run2(&copy_op, x, source, site);
}
