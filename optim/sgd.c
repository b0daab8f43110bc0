/* sgd.c - stochastic gradient descent with momentum. */
#include "optim/rule.h"

enum { LR, MOMENTUM, DAMPENING, WEIGHT_DECAY, NESTEROV, MAXIMIZE, NUMBERS }; /* as update.def names them */

static int states(const double *number)
{
    return number[MOMENTUM] != 0;
}

static const char *refuse(const double *number)
{
    if (number[NESTEROV] != 0 && (number[MOMENTUM] <= 0 || number[DAMPENING] != 0))
        return "nesterov is given without momentum or with dampening; must have momentum above 0, dampening 0";
    return NULL;
}

static const gr_rule sgd = {.name = "optim_sgd", .code = GR_U_sgd, .numbers = NUMBERS,
                            .option = {GR_LR, GR_MOMENTUM, GR_DAMPENING, GR_WEIGHT_DECAY, GR_NESTEROV, GR_MAXIMIZE},
                            .states = states, .refuse = refuse};

gr_optim *gr_optim_sgd_at(const gr_optim_sgd_args *a)
{
    const double number[NUMBERS] = {a->lr, a->momentum, a->dampening, a->weight_decay, a->nesterov, a->maximize};
    return gr_optim_make(&sgd, a->params, number, a->site);
}
