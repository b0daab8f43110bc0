/* fault_modules.c - programs of modules, optimizers and threads. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/faults.h"

static bool descent(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn_with(GR_SHAPE(30, 20), .requires_grad = true))
    MAKE(t[1], gr_randn_with(GR_SHAPE(20), .requires_grad = true))
    LIST(GR_TENSORS(t[0], t[1]))
    MAKE(w->o[0], gr_optim_gd(w->list, .lr = .1))
    MAKE(t[2], gr_mul(t[0], t[1]))
    MAKE(t[3], gr_sum(t[2]))
    DO(gr_backward(t[3]))
    DO(gr_step(w->o[0]))
    DO(gr_zero_grad(w->o[0]))
    DO(gr_free(w->o[0]))
    END
}

/* Groups, momentum, a parameter that does not lie row-major. */
static bool momentum(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn(30, 20))
    MAKE(t[1], gr_t(t[0]))
    MAKE(t[2], gr_detach(t[1]))
    DO(gr_requires_grad_(t[2], true) != NULL)
    MAKE(t[3], gr_randn_with(GR_SHAPE(30), .requires_grad = true))
    MAKE(t[4], gr_randn_with(GR_SHAPE(300), .requires_grad = true))
    LIST(GR_TENSORS(t[2]))
    MAKE(w->o[0], gr_optim_sgd(w->list, .lr = .1, .momentum = .9, .weight_decay = .01))
    DO(gr_optim_group(w->o[0], ((gr_tensors){2, &t[3]}), .lr = .2, .nesterov = true) == 1)
    MAKE(t[5], gr_mul(t[2], t[3]))
    MAKE(t[6], gr_sum(t[5]))
    MAKE(t[7], gr_sum(t[4]))
    DO(gr_backward(t[6], .retain_graph = true))
    DO(gr_step(w->o[0]))
    DO(gr_backward(t[7])) /* a gradient that comes later: its state does too */
    DO(gr_step(w->o[0]))
    DO(gr_optim_set(w->o[0], 0, GR_MOMENTUM, 0.5))
    DO(gr_step(w->o[0]))
    END
}

static bool module_tree(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    gr_module **m = w->m;
    int n = 0;
    MAKE(m[0], gr_nn_linear(20, 30))
    MAKE(m[1], gr_nn_relu())
    MAKE(m[2], gr_nn_linear(30, 5, .bias = false))
    MAKE(m[3], gr_nn_flatten())
    MAKE(m[4], gr_nn_sequential(m[3], m[0], m[1], m[2]))
    MAKE(m[5], gr_nn_mse_loss())
    LIST(gr_parameters(m[4]))
    MAKE(w->o[0], gr_optim_sgd(w->list, .lr = .1, .momentum = .9))
    MAKE(t[0], gr_randn(8, 4, 5))
    MAKE(t[1], gr_zeros(8, 5))
    MAKE(t[2], gr_forward(m[4], t[0]))
    MAKE(t[3], gr_forward(m[5], t[2], t[1]))
    DO(gr_backward(t[3]))
    DO(gr_step(w->o[0]))
    DO((w->scope[0] = gr_no_grad_begin()).serial != 0)
    MAKE(t[4], gr_forward(m[4], t[0]))
    LIST(gr_forward_all(m[4], t[0]))
    DO((w->list.count = 0, gr_scope_end(w->scope[0])))
    MAKE(t[5], gr_forward(m[4], t[0]))
    DO(gr_module_text(m[4], w->text, sizeof w->text) > 0)
    END
}

/* Parameters, gradients and states become float64. */
static bool conversion(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    gr_module **m = w->m;
    int n = 0;
    MAKE(m[0], gr_nn_linear(20, 30))
    MAKE(m[1], gr_nn_linear(30, 5))
    MAKE(m[2], gr_nn_sequential(m[0], m[1]))
    LIST(gr_parameters(m[2]))
    MAKE(w->o[0], gr_optim_sgd(w->list, .lr = .1, .momentum = .9))
    MAKE(t[0], gr_randn(8, 20))
    MAKE(t[1], gr_forward(m[2], t[0]))
    MAKE(t[2], gr_mean(t[1]))
    DO(gr_backward(t[2]))
    DO(gr_step(w->o[0]))
    DO(gr_module_to(m[2], .dtype = GR_FLOAT64) != NULL)
    DO(gr_step(w->o[0]))
    MAKE(t[3], gr_to(t[0], .dtype = GR_FLOAT64))
    DO((w->scope[0] = gr_no_grad_begin()).serial != 0)
    MAKE(t[4], gr_forward(m[2], t[3]))
    DO(gr_module_to(m[2], .dtype = GR_FLOAT32) != NULL)
    END
}

static bool no_forward(gr_module *m, const gr_tensors *in, gr_tensors *out)
{
    (void)m;
    out->count = 1;
    out->item[0] = in->item[0];
    return true;
}
static const gr_module_type plain_type = {.name = "Plain", .forward = no_forward, .data_bytes = 100};

/* More members than the first list has room for; text that needs memory to be printed. */
static bool many_members(world *w, int step, bool *ended)
{
    gr_module **m = w->m;
    char name[48];
    if (step == 0) return (m[0] = gr_module_make(&plain_type)) != NULL;
    snprintf(name, sizeof name, "a_member_with_a_name_that_is_long_%d", step);
    if (step == 1) return (w->t[0] = gr_randn(3)) != NULL;
    if (step < 69) return gr_module_parameter(m[0], name, w->t[0]) != NULL; /* the first owns it, the others share */
    if (step == 69) return (w->t[1] = gr_randn(3)) != NULL;
    if (step == 70) return gr_module_buffer(m[0], name, w->t[1]) != NULL;
    if (step == 71) return (m[1] = gr_nn_tanh()) != NULL;
    if (step == 72) return gr_module_child(m[0], name, m[1]) != NULL;
    if (step == 73) return (w->list = gr_parameters(m[0])).count == 1 || (w->list.count = 0);
    if (step == 74) return gr_module_to(m[0], .dtype = GR_FLOAT64) != NULL;
    *ended = true;
    return true;
}

static bool print_to_nowhere(gr_module *m)
{
    fflush(stdout);
    const int screen = dup(1), nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, 1);
    const bool ok = gr_print(m);
    fflush(stdout);
    dup2(screen, 1);
    close(screen);
    close(nowhere);
    return ok;
}

static bool long_print(world *w, int step, bool *ended)
{
    gr_module **m = w->m;
    char name[48];
    if (step == 0) return (m[0] = gr_module_make(&plain_type)) != NULL;
    snprintf(name, sizeof name, "a_module_with_a_name_that_is_long_%d", step);
    if (step < 60 && step % 2) {
        gr_module *child = gr_nn_tanh();
        if (child) m[1] = child;
        return child != NULL;
    }
    if (step < 60) return gr_module_child(m[0], name, m[1]) != NULL;
    if (step == 60) return print_to_nowhere(m[0]);
    *ended = true;
    return true;
}

static bool handing_over(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn(300))
    MAKE(t[1], gr_release(t[0]))
    MAKE(t[2], gr_adopt(t[1]))
    MAKE(t[3], gr_mul(t[2], 2))
    MAKE(t[4], gr_release(t[3]))
    MAKE(t[5], gr_adopt(t[4]))
    END
}

const named_program module_programs[] = {{"gradient descent", descent},   {"momentum and groups", momentum},
                                         {"module tree", module_tree},    {"conversion", conversion},
                                         {"many members", many_members},  {"long print", long_print},
                                         {"handing over", handing_over},
                                         {NULL, NULL}};
