/* fault_autograd.c - programs that record: passes of any order, changes in place, hooks, checks, scopes. */
#include "tests/faults.h"

static bool forward_and_backward(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn_with(GR_SHAPE(40, 3), .requires_grad = true))
    MAKE(t[1], gr_randn_with(GR_SHAPE(3, 20), .requires_grad = true))
    MAKE(t[2], gr_randn_with(GR_SHAPE(20), .requires_grad = true))
    MAKE(t[3], gr_matmul(t[0], t[1]))
    MAKE(t[4], gr_mul(t[3], t[2])) /* a broadcast is undone */
    MAKE(t[5], gr_exp(t[4]))
    MAKE(t[6], gr_add(t[5], t[3]))
    MAKE(t[7], gr_mean(t[6]))
    DO(gr_backward(t[7], .retain_graph = true))
    DO(gr_backward(t[7], .retain_graph = true)) /* into gradients that are there */
    DO(gr_zero_grad(t[0]))
    DO(gr_backward(t[7])) /* one waits, marked absent */
    MAKE(t[8], gr_sum(t[0], .dim = 1))
    MAKE(t[9], gr_ones(40))
    DO(gr_backward(t[8], .gradient = t[9]))
    DO(gr_backward(t[2], .gradient = t[2]))
    END
}

static bool reductions(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn_with(GR_SHAPE(30, 40), .requires_grad = true))
    MAKE(t[1], gr_amax(t[0], .dim = 1))
    MAKE(t[2], gr_prod(t[0], .dim = 1))
    DO((w->pair = gr_min_dim(t[0], 0)).values != NULL)
    MAKE(t[5], gr_max(t[0]))
    MAKE(t[6], gr_sum(t[1]))
    MAKE(t[7], gr_sum(t[2]))
    MAKE(t[8], gr_sum(w->pair.values))
    DO(gr_backward(t[5]))
    DO(gr_backward(t[6]))
    DO(gr_backward(t[7]))
    DO(gr_backward(t[8]))
    MAKE(t[9], gr_t(t[0]))
    MAKE(t[10], gr_zeros(40, 30))
    MAKE(t[11], gr_mse_loss(t[9], t[10]))
    DO(gr_backward(t[11]))
    MAKE(t[12], gr_to(t[0], .dtype = GR_FLOAT64))
    MAKE(t[13], gr_sum(t[12]))
    DO(gr_backward(t[13]))
    END
}

static bool second_order(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn_with(GR_SHAPE(5, 7), .requires_grad = true))
    MAKE(t[1], gr_mul(t[0], t[0]))
    MAKE(t[2], gr_tanh(t[1]))
    MAKE(t[3], gr_sum(t[2]))
    DO(gr_backward(t[3], .create_graph = true))
    DO(gr_backward(t[3], .create_graph = true)) /* into a gradient that has a history */
    MAKE(t[4], gr_square(gr_grad(t[0])))
    MAKE(t[5], gr_sum(t[4]))
    DO(gr_backward(t[5], .create_graph = true))
    MAKE(t[6], gr_autograd_grad(t[3], t[0], .create_graph = true))
    MAKE(t[7], gr_sum(t[6]))
    DO(gr_zero_grad(t[0]))
    DO(gr_backward(t[7]))
    END
}

static bool gradients_as_results(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn_with(GR_SHAPE(4, 40), .requires_grad = true))
    MAKE(t[1], gr_randn_with(GR_SHAPE(40), .requires_grad = true))
    MAKE(t[2], gr_randn_with(GR_SHAPE(3), .requires_grad = true))
    MAKE(t[3], gr_mul(t[0], t[1]))
    MAKE(t[4], gr_sum(t[3]))
    MAKE(t[5], gr_mean(t[0]))
    LIST(gr_autograd_grads(((gr_tensors){2, (gr_tensor *[]){t[4], t[5]}}),
                                    ((gr_tensors){4, (gr_tensor *[]){t[0], t[1], t[3], t[0]}}), .retain_graph = true))
    LIST(gr_autograd_grads(((gr_tensors){1, (gr_tensor *[]){t[4]}}), ((gr_tensors){2, (gr_tensor *[]){t[2], t[1]}}),
                                    .allow_unused = true, .create_graph = true))
    MAKE(t[6], gr_autograd_grad(t[4], t[1]))
    MAKE(t[7], gr_square(t[0]))
    for (int i = 8; i < 14; i++) /* so many values that the lists of the pass have other sizes than the others here */
        MAKE(t[i], gr_add(t[i - 1], 1))
    MAKE(t[14], gr_sum(t[13]))
    MAKE(t[15], gr_autograd_grad(t[14], t[0]))
    END
}

static bool views_in_place(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn_with(GR_SHAPE(6, 40), .requires_grad = true))
    MAKE(t[1], gr_mul(t[0], 1))
    MAKE(t[2], gr_select(t[1], 0, 1))
    MAKE(t[3], gr_t(t[1]))
    DO(gr_mul_(t[2], 3) != NULL)      /* the base has another history now, */
    MAKE(t[4], gr_exp(t[3]))          /* and its other view is taken again */
    DO(gr_square_(t[1]) != NULL)      /* reads what it changes */
    DO(gr_mul_(t[1], 2) != NULL)
    MAKE(t[5], gr_narrow(t[1], 1, 2, 5))
    DO(gr_zero_(t[5]) != NULL)
    DO(gr_normal_(t[5], 0, 1) != NULL) /* strided: drawn aside */
    MAKE(t[6], gr_sum(t[4]))
    MAKE(t[7], gr_sum(t[1]))
    MAKE(t[8], gr_add(t[6], t[7]))
    MAKE(t[16], gr_expand(t[2], 5, 40))
    DO(gr_add_(t[1], 1) != NULL)
    MAKE(t[17], gr_exp(t[16])) /* repeats elements of its base */
    MAKE(t[18], gr_sum(t[17]))
    DO(gr_backward(t[18], .retain_graph = true))
    DO(gr_backward(t[8], .retain_graph = true))
    DO(gr_backward(t[8], .create_graph = true))
    MAKE(t[9], gr_detach(t[3]))
    MAKE(t[10], gr_mul(t[9], 1))
    MAKE(t[11], gr_add(t[10], t[3]))
    DO(gr_add_(t[11], t[3]) != NULL)
    MAKE(t[12], gr_permute(t[11], 1, 0))
    MAKE(t[13], gr_reshape(t[12], 240))
    MAKE(t[14], gr_expand(t[2], 5, 40))
    MAKE(t[15], gr_sum(t[14]))
    DO(gr_backward(t[15]))
    END
}

/* Views of an outer scope that their base has left behind: others stand for them in a pass. */
static bool outdated_views(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn_with(GR_SHAPE(6, 40), .requires_grad = true))
    MAKE(t[1], gr_mul(t[0], 1))
    MAKE(t[2], gr_select(t[1], 0, 1))
    MAKE(t[3], gr_narrow(t[1], 0, 2, 2))
    DO(gr_mul_(t[1], 3) != NULL)
    DO((w->scope[0] = gr_scope_begin()).serial != 0)
    MAKE(t[4], gr_ones(40))
    MAKE(t[5], gr_ones(2, 40))
    LIST(gr_autograd_grads(((gr_tensors){2, (gr_tensor *[]){t[2], t[3]}}), ((gr_tensors){1, (gr_tensor *[]){t[0]}}),
                           .gradients = ((gr_tensors){2, (gr_tensor *[]){t[4], t[5]}}), .retain_graph = true))
    DO(gr_backward(t[2], .gradient = t[4], .retain_graph = true))
    DO((w->list.count = 0, gr_scope_end(w->scope[0]))) /* the list was the scope's */
    DO(gr_retain_grad(t[3]))
    DO(gr_backward(t[3], .gradient = t[3], .create_graph = true))
    END
}

static bool indexing(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn_with(GR_SHAPE(9, 30), .requires_grad = true))
    MAKE(t[1], gr_randint(0, 9, 20))
    MAKE(t[2], gr_index_select(t[0], 0, t[1]))
    MAKE(t[3], gr_square(t[2]))
    MAKE(t[4], gr_sum(t[3]))
    DO(gr_backward(t[4], .create_graph = true))
    MAKE(t[5], gr_autograd_grad(t[4], t[0], .create_graph = true))
    MAKE(t[6], gr_sum(t[5]))
    DO(gr_backward(t[6]))
    END
}

static gr_tensor *allocates(gr_tensor *gradient, void *data)
{
    (void)data;
    return gr_mul(gradient, 2);
}

static gr_tensor *shows_itself(gr_tensor *gradient, void *data)
{
    (void)data;
    return gr_expand(gr_narrow(gradient, 0, 0, 1), 40, 40);
}

static bool hooks(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn_with(GR_SHAPE(40, 40), .requires_grad = true)) /* too large for a part of a slab: each asks */
    MAKE(t[1], gr_exp(t[0]))
    DO(gr_retain_grad(t[1]))
    DO((w->hook = gr_register_hook(t[1], allocates, NULL)).id != 0)
    DO(gr_register_hook(t[0], allocates, NULL).id != 0)
    MAKE(t[2], gr_mul(t[1], t[0]))
    DO(gr_retain_grad(t[2]))
    DO(gr_register_hook(t[2], shows_itself, NULL).id != 0)
    MAKE(t[3], gr_sum(t[2]))
    DO(gr_backward(t[3], .retain_graph = true))
    DO(gr_backward(t[3], .retain_graph = true))
    DO(gr_backward(t[3], .create_graph = true))
    DO(gr_hook_remove(w->hook))
    DO(gr_backward(t[3]))
    END
}

/* More leaves than a pass has room for at first, and more hooks than the first list. */
static bool many_leaves(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    if (step < 40) return (t[step] = gr_full_with((double)step, GR_SHAPE(2), .requires_grad = true)) != NULL;
    if (step == 40) return (t[40] = gr_add(t[0], t[0])) != NULL;
    if (step < 80) {
        gr_tensor *next = gr_add(t[40], t[step - 40]);
        if (next) t[40] = next;
        return next != NULL;
    }
    if (step == 80) return (t[41] = gr_sum(t[40])) != NULL;
    if (step == 81) return gr_backward(t[41]);
    *ended = true;
    return true;
}

/* ---- an op of the program's own, with two results and a temporary ---- */

static bool pair_shape(gr_call *c)
{
    const gr_shape s = gr_shape_of(gr_call_input(c, 0));
    return gr_call_output_shape(c, 0, s, GR_FLOAT64) && gr_call_output_shape(c, 1, s, GR_FLOAT64);
}
static bool pair_forward(gr_call *c)
{
    gr_tensor *square = gr_square(gr_call_input(c, 0));
    return square && gr_copy_(gr_call_output(c, 0), square) && gr_copy_(gr_call_output(c, 1), gr_exp(square));
}
static bool pair_backward(gr_call *c)
{
    gr_tensor *x = gr_call_input(c, 0), *y = gr_call_output(c, 1);
    gr_tensor *direct = gr_mul(gr_call_gradient(c, 0), gr_mul(x, 2));
    gr_tensor *through = gr_mul(gr_mul(gr_call_gradient(c, 1), y), gr_mul(x, 2));
    return gr_grad_add(c, 0, gr_add(direct, through));
}
static const gr_op pair_op = {.name = "pair", .shape = pair_shape, .forward = pair_forward, .backward = pair_backward,
                              .outputs = 2, .reads_inputs = 1, .reads_outputs = 2, .attribute_bytes = sizeof(double)};

/* y = 2 x, whose rule hands over another dtype. */
static bool twice_shape(gr_call *c)
{
    return gr_call_output_shape(c, 0, gr_shape_of(gr_call_input(c, 0)), GR_FLOAT64);
}
static bool twice_forward(gr_call *c)
{
    return gr_copy_(gr_call_output(c, 0), gr_mul(gr_call_input(c, 0), 2)) != NULL;
}
static bool twice_backward(gr_call *c)
{
    return gr_grad_add(c, 0, gr_mul(gr_to(gr_call_gradient(c, 0), .dtype = GR_FLOAT32), 2));
}
static const gr_op twice_op = {.name = "twice", .shape = twice_shape, .forward = twice_forward, .backward = twice_backward};

static gr_tensor *pair_sum(const gr_tensors *in, void *data)
{
    (void)data;
    gr_tensor *y[2] = {NULL};
    return gr_apply(&pair_op, &in->item[0], 1, &(double){1}, y) ? gr_add(y[0], y[1]) : NULL;
}

static bool own_ops(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_rand_with(GR_SHAPE(2, 2), .dtype = GR_FLOAT64, .requires_grad = true))
    DO(gr_apply(&pair_op, &t[0], 1, &(double){1}, &t[1]) != NULL)
    MAKE(t[3], gr_sum(t[2])) /* one of the two is not used */
    DO(gr_backward(t[3]))
    DO(gr_gradcheck(pair_sum, ((gr_tensors){1, t}), .tolerance = 1e-6))
    DO(gr_gradgradcheck(pair_sum, ((gr_tensors){1, t}), .tolerance = 1e-5))
    MAKE(t[5], gr_apply(&twice_op, &t[0], 1, NULL, NULL))
    MAKE(t[6], gr_sum(t[5]))
    DO(gr_backward(t[6]))
    MAKE(t[4], gr_zeros(2)) /* no grad */
    DO(gr_gradcheck(pair_sum, ((gr_tensors){9, (gr_tensor *[]){t[0], t[4], t[4], t[4], t[4], t[4], t[4], t[4], t[4]}}),
                    .tolerance = 1e-6))
    DO(gr_gradgradcheck(pair_sum, ((gr_tensors){9, (gr_tensor *[]){t[0], t[4], t[4], t[4], t[4], t[4], t[4], t[4], t[4]}}),
                        .tolerance = 1e-5))
    END
}

static bool scopes(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn_with(GR_SHAPE(40), .requires_grad = true))
    DO((w->scope[0] = gr_scope_begin()).serial != 0)
    MAKE(t[1], gr_mul(t[0], 2))
    DO((w->scope[1] = gr_no_grad_begin()).serial != 0)
    MAKE(t[2], gr_exp(t[1]))
    DO(gr_mul_(t[0], 2) != NULL)
    DO(gr_keep(t[2]) != NULL)
    DO((w->scope[2] = gr_enable_grad_begin()).serial != 0)
    MAKE(t[3], gr_exp(t[1]))
    DO(gr_free(t[3]))
    DO(gr_scope_end(w->scope[2]))
    MAKE(t[4], gr_add(t[2], 1))
    DO(gr_scope_end(w->scope[1]))
    MAKE(t[5], gr_sum(t[1]))
    DO(gr_backward(t[5]))
    DO(gr_scope_end(w->scope[0]))
    END
}

/* Deeper than the first list of scopes. */
static bool deep_scopes(world *w, int step, bool *ended)
{
    if (step < 70) return (w->scope[step] = gr_scope_begin()).serial != 0;
    if (step == 70) return (w->t[0] = gr_zeros(5)) != NULL;
    if (step == 71) return gr_scope_end(w->scope[0]);
    *ended = true;
    return true;
}

static bool watched(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    DO(gr_set_tape_norms(true))
    MAKE(t[0], gr_rand_with(GR_SHAPE(40), .requires_grad = true))
    MAKE(t[1], gr_log(t[0]))
    MAKE(t[2], gr_sum(t[1]))
    DO(gr_backward(t[2], .retain_graph = true))
    DO(gr_tape_text(w->text, sizeof w->text) > 0)
    DO((gr_set_detect_anomaly(true), true))
    MAKE(t[3], gr_exp(t[1]))
    DO(gr_add_(t[1], 2) != NULL)
    MAKE(t[4], gr_sum(t[3]))
    DO(gr_backward(t[4]))
    DO(gr_set_tape_norms(false))
    END
}

/* More values than the first list of norms has room for. */
static bool watched_and_long(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    if (step == 0) return gr_set_tape_norms(true);
    if (step == 1) return (t[0] = gr_full_with(1.0, GR_SHAPE(), .requires_grad = true)) != NULL;
    if (step < 72) {
        gr_tensor *next = gr_add(t[step == 2 ? 0 : 1], 1);
        if (next) t[1] = next;
        return next != NULL;
    }
    if (step == 72) return gr_backward(t[1]);
    *ended = true;
    return step > 73 || gr_set_tape_norms(false);
}

const named_program autograd_programs[] = {{"forward and backward", forward_and_backward},
                                           {"backward of reductions", reductions},
                                           {"second order", second_order},
                                           {"gradients as results", gradients_as_results},
                                           {"views and changes in place", views_in_place},
                                           {"outdated views", outdated_views},
                                           {"indexing", indexing},
                                           {"hooks", hooks},
                                           {"many leaves", many_leaves},
                                           {"own ops and gradcheck", own_ops},
                                           {"scopes", scopes},
                                           {"deep scopes", deep_scopes},
                                           {"norms and anomaly", watched},
                                           {"norms of a long tape", watched_and_long},
                                           {NULL, NULL}};
