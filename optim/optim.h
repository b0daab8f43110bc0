/* optim.h - optimizers: what moves parameters along their gradients. */
#ifndef GR_OPTIM_H
#define GR_OPTIM_H
#include "core/base.h"
#include "core/tensor.h"
#include "nn/module.h"

GR_BEGIN_C

/* p -= lr * gradient, and nothing else. */
typedef struct gr_optim_gd_args {
    gr_tensors params;
    gr_site site;
    double lr GR_DEFAULT(1e-3);
} gr_optim_gd_args;
GR_API gr_optim *gr_optim_gd_at(const gr_optim_gd_args *args);

/* Stochastic gradient descent, with momentum as PyTorch has it.  Sutskever et al. 2013
 *   g += weight_decay * p;  buffer = momentum * buffer + (1 - dampening) * g (the first time: g)
 *   g = nesterov ? g + momentum * buffer : buffer;  p -= lr * g;  maximize: g = -gradient */
typedef struct gr_optim_sgd_args {
    gr_tensors params;
    gr_site site;
    double lr GR_DEFAULT(1e-3), momentum GR_DEFAULT(0), dampening GR_DEFAULT(0), weight_decay GR_DEFAULT(0);
    bool nesterov GR_DEFAULT(false), maximize GR_DEFAULT(false);
} gr_optim_sgd_args;
GR_API gr_optim *gr_optim_sgd_at(const gr_optim_sgd_args *args);

/* One more group of parameters, with options of its own: NAN takes the first group's. Returns its number, -1 on failure. */
#define GR_INHERIT __builtin_nan("")
typedef struct gr_optim_group_args {
    gr_optim *optimizer;
    gr_tensors params;
    gr_site site;
    double lr GR_DEFAULT(GR_INHERIT), momentum GR_DEFAULT(GR_INHERIT), dampening GR_DEFAULT(GR_INHERIT);
    double weight_decay GR_DEFAULT(GR_INHERIT), nesterov GR_DEFAULT(GR_INHERIT), maximize GR_DEFAULT(GR_INHERIT);
} gr_optim_group_args;
GR_API int gr_optim_group_at(const gr_optim_group_args *args);

/* Options by name; groups count from 0. */
typedef enum { GR_LR, GR_MOMENTUM, GR_DAMPENING, GR_WEIGHT_DECAY, GR_NESTEROV, GR_MAXIMIZE, GR_OPTIONS } gr_option;
GR_API bool gr_optim_set_at(gr_optim *optimizer, int group, gr_option option, double value, gr_site site);
GR_API double gr_optim_get_at(const gr_optim *optimizer, int group, gr_option option, gr_site site); /* NAN on failure */

/* One step for each parameter that has a gradient. All or nothing. */
GR_API bool gr_step_at(gr_optim *optimizer, gr_site site);
/* Forgets the gradients of all parameters. */
GR_API bool gr_zero_grad_optim_at(gr_optim *optimizer, gr_site site);
GR_API bool gr_zero_grad_tensor_at(gr_tensor *t, gr_site site);

GR_END_C

#ifndef __cplusplus
#define gr_optim_gd(...) GR_CALL(gr_optim_gd_at, gr_optim_gd_args, .lr = 1e-3, .site = GR_HERE, .params = __VA_ARGS__)
#define gr_optim_sgd(...) GR_CALL(gr_optim_sgd_at, gr_optim_sgd_args, .lr = 1e-3, .site = GR_HERE, .params = __VA_ARGS__)
#define gr_optim_group(opt, ...) \
    GR_CALL(gr_optim_group_at, gr_optim_group_args, .lr = GR_INHERIT, .momentum = GR_INHERIT, .dampening = GR_INHERIT, \
            .weight_decay = GR_INHERIT, .nesterov = GR_INHERIT, .maximize = GR_INHERIT, .site = GR_HERE, \
            .optimizer = opt, .params = __VA_ARGS__)
#define gr_optim_set(optimizer, group, option, value) gr_optim_set_at(optimizer, group, option, value, GR_HERE)
#define gr_optim_get(optimizer, group, option) gr_optim_get_at(optimizer, group, option, GR_HERE)
#define gr_step(optimizer) gr_step_at(optimizer, GR_HERE)
#define gr_zero_grad(object) \
    _Generic((object), \
        gr_optim *: gr_zero_grad_optim_at, \
        gr_module *: gr_zero_grad_module_at, \
        gr_tensor *: gr_zero_grad_tensor_at)(object, GR_HERE)
#endif
#endif
