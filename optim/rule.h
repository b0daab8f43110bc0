/* rule.h - an optimizer, from inside. */
#ifndef GR_RULE_H
#define GR_RULE_H
#include "core/internal.h"
#include "optim/optim.h"

enum { GR_NUMBERS = 8 };

/* What an optimizer is beside its row of update.def. */
typedef struct gr_rule {
    const char *name;           /* "optim_sgd" */
    int code;                   /* enum gr_update */
    int numbers;
    int option[GR_NUMBERS];     /* which option each number is; -1: made by the step */
    int (*states)(const double *number);
    /* what is wrong with these numbers, or NULL */
    const char *(*refuse)(const double *number);
} gr_rule;

gr_optim *gr_optim_make(const gr_rule *rule, gr_tensors params, const double *number, gr_site site);

#endif
