/* gelu.c - the Gaussian error linear unit, in its two forms. */
#include "autograd/autograd.h"
#include "autograd/elementwise.h"

static const gr_op erf_op = GR_ROW_AS("gelu", gelu_erf, 0, NULL), tanh_op = GR_ROW_AS("gelu", gelu_tanh, 0, NULL);

gr_tensor *gr_gelu_at(const gr_gelu_args *args)
{
    if (args->approximate == GR_GELU_ERF) return gr_run1(&erf_op, args->x, args->site);
    if (args->approximate == GR_GELU_TANH) return gr_run1(&tanh_op, args->x, args->site);
    return gr_fail(GR_ERROR_ARGUMENT, args->site, "gelu", "approximate is %d; must be GR_GELU_ERF or GR_GELU_TANH",
                   (int)args->approximate);
}
