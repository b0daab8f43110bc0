/* autograd.h - gradients: what requires one, the backward pass, hooks, and the check against finite differences. */
#ifndef GR_AUTOGRAD_H
#define GR_AUTOGRAD_H
#include "autograd/anomaly.h"
#include "autograd/function.h"
#include "autograd/op.h"
#include "autograd/show.h"
#include "autograd/view.h"
#include "core/core.h"

GR_BEGIN_C

/* Whether t, a float leaf, collects a gradient. Returns t. A view that is made a leaf no longer follows its base. Fails when
 * on is asked of integers or bools, or off of a result with history (gr_detach it). */
GR_API gr_tensor *gr_requires_grad__at(gr_tensor *t, bool on, gr_site site);
/* The gradient that has accumulated in a leaf (or, after gr_retain_grad, in any tensor); NULL, without an error, when
 * there is none. It belongs to t. */
GR_API gr_tensor *gr_grad_at(const gr_tensor *t, gr_site site);
GR_API bool gr_has_grad_at(const gr_tensor *t, gr_site site);
/* Forgets the gradient. If that has no history, its memory waits for the next one: what has read it can no longer be walked
 * back through. */
GR_API bool gr_zero_grad_tensor_at(gr_tensor *t, gr_site site);
/* Makes the gradient of a result available by gr_grad after backward; those of further passes are added. Fails when t does
 * not require grad. */
GR_API bool gr_retain_grad_at(gr_tensor *t, gr_site site);

/* Adds d(loss)/d(leaf) to the gradient of each leaf under loss.
 *   gradient      of loss's shape, dtype and device; the default, for one element, is 1
 *   retain_graph  the history may be used once more
 *   create_graph  the pass is itself recorded, so that gradients have gradients; keeps the history too
 * Fails when nothing under loss requires grad, its history was used before, or a tensor that a rule reads has changed.
 * All or nothing: after a failure no gradient has changed. */
typedef struct gr_backward_args {
    gr_tensor *loss;
    gr_site site;
    gr_tensor *gradient GR_DEFAULT(GR_ABSENT);
    bool retain_graph GR_DEFAULT(false), create_graph GR_DEFAULT(false);
} gr_backward_args;
GR_API bool gr_backward_at(const gr_backward_args *args);

/* The gradient of y with respect to x, as a tensor of the open scope; no leaf's gradient changes.
 * Fails as gr_backward does; when x does not require grad; and when y does not depend on x, but with .allow_unused the
 * result is GR_ABSENT then. */
typedef struct gr_autograd_grad_args {
    gr_tensor *y, *x;
    gr_site site;
    gr_tensor *gradient GR_DEFAULT(GR_ABSENT);
    bool retain_graph GR_DEFAULT(false), create_graph GR_DEFAULT(false), allow_unused GR_DEFAULT(false);
} gr_autograd_grad_args;
GR_API gr_tensor *gr_autograd_grad_at(const gr_autograd_grad_args *args);
/* The same for several outputs, whose gradients add, and several inputs. gradients: one for each output, or none. */
typedef struct gr_autograd_grads_args {
    gr_tensors outputs, inputs;
    gr_site site;
    gr_tensors gradients;
    bool retain_graph GR_DEFAULT(false), create_graph GR_DEFAULT(false), allow_unused GR_DEFAULT(false);
} gr_autograd_grads_args;
GR_API gr_tensors gr_autograd_grads_at(const gr_autograd_grads_args *args); /* count 0 on failure */

/* f(gradient, data) sees the finished gradient of this value once per backward and returns what stands for it: the
 * argument, or another tensor of its shape, dtype and device. NULL fails the pass. Hooks run in order of registration.
 * A hook goes with its tensor's scope, or by gr_hook_remove, which fails when it is gone already. */
typedef struct {
    uint32_t thread;
    uint64_t id; /* 0: none */
} gr_hook;
GR_API gr_hook gr_register_hook_at(gr_tensor *t, gr_tensor *(*f)(gr_tensor *gradient, void *data), void *data,
                                   gr_site site);
GR_API bool gr_hook_remove_at(gr_hook hook, gr_site site);

/* Compares the gradients of f with four-point finite differences, in float64.
 *   f        makes a float64 tensor from the inputs; called many times, it must always compute the same
 *   inputs   float64; those that require grad are checked in each element
 *   h        the step; tolerance bounds max|numeric - analytic| / (1 + max|analytic|)
 * Reports the largest difference on failure. The upstream gradient is random. */
typedef gr_tensor *gr_check_function(const gr_tensors *inputs, void *data);
typedef struct gr_gradcheck_args {
    gr_check_function *f;
    gr_tensors inputs;
    gr_site site;
    void *data GR_DEFAULT(nullptr);
    double h GR_DEFAULT(1e-3), tolerance GR_DEFAULT(1e-9);
    double *error GR_DEFAULT(nullptr); /* receives the largest difference */
} gr_gradcheck_args;
GR_API bool gr_gradcheck_at(const gr_gradcheck_args *args);
/* The same for the gradients of gradients: checks J(x)' v as a function of x and v. Tolerance 1e-8. */
GR_API bool gr_gradgradcheck_at(const gr_gradcheck_args *args);

GR_END_C

#ifndef __cplusplus
#define gr_requires_grad_(t, on) gr_requires_grad__at(t, on, GR_HERE)
#define gr_grad(t) gr_grad_at(t, GR_HERE)
#define gr_has_grad(t) gr_has_grad_at(t, GR_HERE)
#define gr_retain_grad(t) gr_retain_grad_at(t, GR_HERE)
#define gr_backward(...) \
    GR_CALL(gr_backward_at, gr_backward_args, .gradient = GR_ABSENT, .site = GR_HERE, .loss = __VA_ARGS__)
#define gr_autograd_grad(of, ...) \
    GR_CALL(gr_autograd_grad_at, gr_autograd_grad_args, .gradient = GR_ABSENT, .site = GR_HERE, .y = of, \
            .x = __VA_ARGS__)
#define gr_autograd_grads(of, ...) \
    GR_CALL(gr_autograd_grads_at, gr_autograd_grads_args, .site = GR_HERE, .outputs = of, .inputs = __VA_ARGS__)
#define gr_register_hook(t, f, data) gr_register_hook_at(t, f, data, GR_HERE)
#define gr_hook_remove(hook) gr_hook_remove_at(hook, GR_HERE)
#define gr_gradcheck(function, ...) \
    GR_CALL(gr_gradcheck_at, gr_gradcheck_args, .h = 1e-3, .tolerance = 1e-9, .site = GR_HERE, .f = function, \
            .inputs = __VA_ARGS__)
#define gr_gradgradcheck(function, ...) \
    GR_CALL(gr_gradgradcheck_at, gr_gradcheck_args, .h = 1e-3, .tolerance = 1e-8, .site = GR_HERE, .f = function, \
            .inputs = __VA_ARGS__)
#endif
#endif
