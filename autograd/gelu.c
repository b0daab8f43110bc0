/* gelu.c - the Gaussian error linear unit, in its two forms. */
#include "autograd/autograd.h"
#include "core/internal.h"

gr_tensor *gr_gelu_at(const gr_gelu_args *args)
{
    if (args->approximate == GR_GELU_ERF) return gr_gelu_erf_at(args->x, args->site);
    if (args->approximate == GR_GELU_TANH) return gr_gelu_tanh_at(args->x, args->site);
    return gr_fail(GR_ERROR_ARGUMENT, args->site, "gelu", "approximate is %d; must be GR_GELU_ERF or GR_GELU_TANH",
                   (int)args->approximate);
}
