/* gd.c - plain gradient descent. */
#include "optim/rule.h"

static int no_states(const double *number)
{
    (void)number;
    return 0;
}

static const gr_rule gd = {.name = "optim_gd", .code = GR_U_gd, .numbers = 1, .option = {GR_LR},
                           .states = no_states};

gr_optim *gr_optim_gd_at(const gr_optim_gd_args *a)
{
    return gr_optim_make(&gd, a->params, (const double[]){a->lr}, a->site);
}
