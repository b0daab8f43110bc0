/* mse_loss.c - (x - t)^2, mean, sum or unreduced:  dx = 2 (x - t) dy / n,  dt = -dx. */
#include "autograd/elementwise.h"
#include "nn/module_tree.h"
#include "nn/nn.h"

static bool mse_shape(gr_call *c)
{
    const gr_tensor *x = c->slot[0].tensor, *t = c->slot[1].tensor;
    char have[GR_SHAPE_TEXT], want[GR_SHAPE_TEXT];
    if (gr_unlikely(x->key != t->key) && !gr_call_same_key(c, 0, 1)) return false;
    if (!gr_is_float(x->dtype)) return gr_call_fail(c, "x is %s; must be a float", gr_dtype_name[x->dtype]);
    if (gr_unlikely(!gr_same_sizes(x, t)))
        return gr_call_fail(c, "x is %s, target is %s; shapes must be equal: gr_reshape", gr_shape_text(x, have),
                            gr_shape_text(t, want));
    gr_set_scalar(gr_call_new(c, 0, (gr_dtype)x->dtype));
    return true;
}

static bool mse_forward(gr_call *c)
{
    gr_tensor *y = gr_out(c, 0)->tensor;
    return gr_kernels_of(y)->mse(y, c->slot[0].tensor, c->slot[1].tensor, c->op->code);
}

/* ((2 / n) dy) (x - t), by ops */
static gr_tensor *mse_recorded(gr_call *c, gr_tensor *dy)
{
    const gr_site site = gr_site_of(c);
    gr_tensor *x = c->slot[0].tensor, *t = c->slot[1].tensor;
    const double scale = c->op->code ? 2 / (double)x->numel : 2;
    gr_tensor *difference = gr_sub_at(gr_value_tensor(x), gr_value_tensor(t), site);
    gr_tensor *factor = gr_mul_at(gr_value_tensor(dy), gr_value_real(scale), site);
    return difference && factor ? gr_mul_at(gr_value_tensor(factor), gr_value_tensor(difference), site) : NULL;
}

static bool mse_backward(gr_call *c)
{
    gr_tensor *dy = gr_upstream(c);
    if (!dy) return false;
    for (int i = 0; i < 2; i++) {
        bool add;
        if (gr_is_recording_backward()) {
            if (!gr_call_needs(c, i)) continue;
            gr_tensor *dx = mse_recorded(c, dy);
            if (!dx || !gr_grad_add(c, i, i ? gr_neg_at(dx, gr_site_of(c)) : dx)) return false;
            continue;
        }
        gr_tensor *dx = gr_grad_into(c, i, &add);
        if (dx) gr_kernels_of(dx)->mse_back(dx, add, dy, c->slot[0].tensor, c->slot[1].tensor, c->op->code, i == 1);
    }
    return gr_grads_given();
}

static const char *const names[] = {"x", "target"};
#define MSE(mean, text) \
    {.name = "mse_loss", .shape = mse_shape, .forward = mse_forward, .backward = mse_backward, .reads_inputs = 3, \
     .code = mean, .input_names = names, .rule = text}
static const gr_op mean_op = MSE(true, "dx = 2 (x - target) dy / n, dtarget = -dx"),
                   sum_op = MSE(false, "dx = 2 (x - target) dy, dtarget = -dx");

/* The difference, for the form that is not reduced: the row sub, but of equal shapes. */
static bool difference_shape(gr_call *c)
{
    return mse_shape(c) && gr_row_shape(c);
}

static const gr_op difference_op = {.name = "mse_loss", .shape = difference_shape, .forward = gr_row_forward,
                                    .backward = gr_row_backward, .code = GR_E_sub, .input_names = names};

static bool reduction_fits(gr_reduction reduction, gr_site site, const char *op)
{
    if (reduction == GR_MEAN || reduction == GR_SUM || reduction == GR_NONE) return true;
    gr_fail(GR_ERROR_ARGUMENT, site, op, "reduction is %d; must be GR_MEAN, GR_SUM or GR_NONE", (int)reduction);
    return false;
}

gr_tensor *gr_mse_loss_at(const gr_loss_args *a)
{
    if (gr_likely(a->reduction == GR_MEAN)) return gr_run2(&mean_op, a->x, a->target, a->site);
    if (!reduction_fits(a->reduction, a->site, "mse_loss")) return NULL;
    if (a->reduction == GR_SUM) return gr_run2(&sum_op, a->x, a->target, a->site);
    const gr_compound whole = gr_compound_begin("mse_loss");
    gr_tensor *u = gr_run2(&difference_op, a->x, a->target, a->site);
    return gr_compound_end(&whole, u ? gr_square_at(u, a->site) : NULL);
}

/* ---- the module ---- */

static bool module_forward(gr_module *m, const gr_tensors *in, gr_tensors *out)
{
    const gr_reduction *reduction = gr_module_data(m);
    if (!gr_module_takes(m, in, 2)) return false;
    out->count = 1;
    out->item[0] = gr_mse_loss_at(&(gr_loss_args){.x = in->item[0], .target = in->item[1], .site = gr_self()->forward_site,
                                                  .reduction = *reduction});
    return out->item[0] != NULL;
}

static const gr_module_type mse_type = {"MSELoss", module_forward, NULL, NULL, sizeof(gr_reduction)};

gr_module *gr_nn_mse_loss_at(const gr_nn_loss_args *a)
{
    if (!reduction_fits(a->reduction, a->site, "nn_mse_loss")) return NULL;
    gr_module *m = gr_module_new(&mse_type, a->site, "nn_mse_loss");
    if (m) *(gr_reduction *)gr_module_data(m) = a->reduction;
    return m;
}
