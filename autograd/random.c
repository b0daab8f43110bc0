/* random.c - random numbers in place: what was there before gets a gradient of zeros. */
#include <float.h>

#include "autograd/autograd.h"
#include "autograd/tape.h"

typedef struct {
    double first, second;
} bounds;

static bool float_shape(gr_call *c)
{
    const gr_tensor *t = c->slot[0].tensor;
    return gr_is_float(t->dtype) || gr_call_fail(c, "t is %s; must be a float", gr_dtype_name[t->dtype]);
}

/* The dtype holds both bounds and what lies between them, as PyTorch asks. */
static bool uniform_shape(gr_call *c)
{
    static const double most[] = {[GR_FLOAT32] = (double)FLT_MAX, [GR_FLOAT64] = DBL_MAX, [GR_BFLOAT16] = 0x1.fep127};
    const gr_tensor *t = c->slot[0].tensor;
    const bounds *b = gr_attributes(c);
    if (!float_shape(c)) return false;
    const double from = b->first, to = b->second, limit = most[t->dtype];
    return (from >= -limit && to <= limit && from <= to && to - from <= limit) ||
           gr_call_fail(c, "from is %g, to is %g, t is %s; must be from at most to, both and to - from within %g", from, to,
                        gr_dtype_name[t->dtype], limit);
}

static bool filled(gr_call *c, bool ok)
{
    if (!ok) gr_fail_memory(gr_site_of(c), c->op->name, "the numbers",
                            (size_t)c->slot[0].tensor->numel * gr_dtype_size[c->slot[0].tensor->dtype]);
    return ok;
}

static bool uniform_forward(gr_call *c)
{
    const bounds *b = gr_attributes(c);
    return filled(c, gr_fill_uniform(gr_out(c, 0)->tensor, b->first, b->second));
}

static bool normal_forward(gr_call *c)
{
    const bounds *b = gr_attributes(c);
    return filled(c, gr_fill_normal(gr_out(c, 0)->tensor, b->first, b->second));
}

static bool exponential_forward(gr_call *c)
{
    const bounds *b = gr_attributes(c);
    return filled(c, gr_fill_exponential(gr_out(c, 0)->tensor, b->first));
}

static bool bernoulli_forward(gr_call *c)
{
    const bounds *b = gr_attributes(c);
    return filled(c, gr_fill_bernoulli_of(gr_out(c, 0)->tensor, b->first));
}

static const char *const names[] = {"t"};
#define RANDOM(text, checks, draws) \
    {.name = text, .shape = checks, .forward = draws, .backward = gr_hand_zeros, .attribute_bytes = sizeof(bounds), \
     .in_place = true, .overwrites = true, .input_names = names, .rule = "dt = 0"}
static const gr_op uniform_op = RANDOM("uniform_", uniform_shape, uniform_forward),
                   normal_op = RANDOM("normal_", float_shape, normal_forward),
                   exponential_op = RANDOM("exponential_", float_shape, exponential_forward),
                   bernoulli_op = RANDOM("bernoulli_", gr_no_work, bernoulli_forward);

gr_tensor *gr_uniform__at(gr_tensor *t, double from, double to, gr_site site)
{
    return gr_run1_with(&uniform_op, t, &(bounds){from, to}, site);
}

gr_tensor *gr_normal__at(gr_tensor *t, double mean, double std, gr_site site)
{
    if (!(std >= 0)) return gr_fail(GR_ERROR_ARGUMENT, site, "normal_", "std is %g; must be 0 or more", std);
    return gr_run1_with(&normal_op, t, &(bounds){mean, std}, site);
}

gr_tensor *gr_exponential__at(gr_tensor *t, double lambda, gr_site site)
{
    if (!(lambda > 0)) return gr_fail(GR_ERROR_ARGUMENT, site, "exponential_", "lambda is %g; must be above 0", lambda);
    return gr_run1_with(&exponential_op, t, &(bounds){lambda, 0}, site);
}

gr_tensor *gr_bernoulli__at(gr_tensor *t, double p, gr_site site)
{
    char text[32];
    if (!(p >= 0 && p <= 1)) return gr_fail(GR_ERROR_ARGUMENT, site, "bernoulli_", "p is %s; must be 0 to 1", gr_repr(p, text));
    return gr_run1_with(&bernoulli_op, t, &(bounds){p, 0}, site);
}
