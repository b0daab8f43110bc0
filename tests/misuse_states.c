/* misuse_states.c - what is not possible now: histories used up, owners, changes in place, modules, lists, files. */
#include <math.h>

#include "core/internal.h"
#include "tests/misuse.h"

void refuse_states(void)
{
    gr_tensor *weight = gr_module_tensor(g.module, "weight");
    REFUSED("backward", "loss", !gr_backward(g.n, .gradient = g.n));
    REFUSED("backward", "loss", !gr_backward(g.used));
    REFUSED("backward", "loss", !gr_backward(g.used, .create_graph = true));
    REFUSED("autograd_grad", "y", !gr_autograd_grad(g.used, g.leaf));
    REFUSED("autograd_grad", "y", !gr_autograd_grad(g.used, g.leaf, .create_graph = true));
    REFUSED("autograd_grad", "x", !gr_autograd_grad(g.loss, g.n));
    REFUSED("autograd_grad", "y", !gr_autograd_grad(g.s, g.leaf));
    REFUSED("autograd_grad", "x", !gr_autograd_grad(g.loss, g.weight));
    const gr_hook none = {0, 0}, foreign = {UINT32_MAX, UINT64_MAX};
    REFUSED("hook_remove", "hook", !gr_hook_remove(none));
    REFUSED("hook_remove", "hook", !gr_hook_remove(foreign));
    REFUSED("requires_grad_", "t", !gr_requires_grad_(g.y, false));
    REFUSED("free", "t", !gr_free(weight));
    REFUSED("keep", "t", !gr_keep(weight));
    REFUSED("release", "t", !gr_release(weight));
    REFUSED("free", "t", !gr_free(gr_grad(g.leaf)));
    REFUSED("module_buffer", "t", !gr_module_buffer(g.module, "extra", gr_grad(g.leaf)));
    const gr_scope ended = gr_scope_begin();
    gr_scope_end(ended);
    const gr_scope scopes[] = {ended,
                               {0, 0, 0},
                               {ended.thread + 1, ended.depth, ended.serial},
                               {ended.thread, 0, 0},
                               {ended.thread, UINT32_MAX, ended.serial}};
    for (int k = 0; k < 5; k++) REFUSED("scope_end", "scope", !gr_scope_end(scopes[k]));
}

/* A parameter that is needed by a backward which has not run keeps its storage. */
static void refuse_conversion(void)
{
    const gr_scope scope = gr_scope_begin();
    gr_forward(g.module, g.leaf);
    REFUSED("module_to", "weight", !gr_module_to(g.module, .dtype = GR_FLOAT64));
    gr_scope_end(scope);
}

void refuse_in_place(void)
{
    gr_tensor *row = gr_select(g.leaf, 0, 0), *shifted = gr_narrow(g.t, 0, 1, 3), *start = gr_narrow(g.t, 0, 0, 3);
    REFUSED("mul_", "a", !gr_mul_(row, 2));
    REFUSED("add_", "overlap", !gr_add_(start, shifted));
    REFUSED("copy_", "overlap", !gr_copy_(start, shifted));
    REFUSED("add_", "a", !gr_add_(g.v, g.n));
    REFUSED("mul_", "a", !gr_mul_(g.s, g.n));
    const gr_scope off = gr_no_grad_begin();
    gr_tensor *untracked = gr_select(g.y, 0, 0);
    const gr_scope on = gr_enable_grad_begin();
    REFUSED("mul_", "a", !gr_mul_(untracked, 2));
    gr_scope_end(on);
    gr_scope_end(off);
    const gr_scope inner = gr_scope_begin();
    REFUSED("mul_", "a", !gr_mul_(g.y, 2));
    REFUSED("add_", "a", !gr_add_(g.n, g.y));
    gr_scope_end(inner);
}

static const gr_module_type no_name = {.forward = NULL}, no_forward = {.name = "Thing"};

void refuse_objects(void)
{
    REFUSED("free", "m", !gr_free(g.owned));
    REFUSED("keep", "m", !gr_keep(g.owned));
    REFUSED("module_make", "type", !gr_module_make(&no_name));
    REFUSED("module_make", "type", !gr_module_make(&no_forward));
    static const char *const names[] = {"", "a.b", "a name that is much longer than the forty-seven characters allowed", "weight"};
    for (int k = 0; k < 4; k++) {
        REFUSED("module_parameter", "name", !gr_module_parameter(g.module, names[k], g.n));
        REFUSED("module_buffer", "name", !gr_module_buffer(g.module, names[k], g.n));
        REFUSED("module_child", "name", !gr_module_child(g.module, names[k], g.spare));
    }
    REFUSED("module_child", "name", !gr_module_child(g.stack, "0", g.spare));
    REFUSED("module_child", "child", !gr_module_child(g.module, "itself", g.module));
    REFUSED("module_child", "child", !gr_module_child(g.module, "other", g.owned));
    REFUSED("module_child", "child", !gr_module_child(g.owned, "above", g.stack));
    gr_module *twice[] = {g.spare, g.spare}, *bad[] = {g.spare, g.owned}, *dead[] = {g.spare, g.dead_module};
    REFUSED("nn_sequential", "module", !gr_nn_sequential_at(twice, 2, GR_HERE));
    REFUSED("nn_sequential", "module", !gr_nn_sequential_at(bad, 2, GR_HERE));
    REFUSED("nn_sequential", "module", !gr_nn_sequential_at(dead, 2, GR_HERE));
    REFUSED("nn_sequential", "module", !gr_nn_sequential((gr_module *)NULL));
    refuse_conversion();
}

/* Modules whose forward breaks its word. */
static int broken_kind;
static bool broken_forward(gr_module *m, const gr_tensors *in, gr_tensors *out)
{
    (void)m;
    out->count = broken_kind == 1 ? 9 : broken_kind == 2 ? 0 : 1;
    out->item[0] = broken_kind == 3 ? NULL : in->item[0];
    return broken_kind != 0;
}
static const gr_module_type broken_type = {.name = "Broken", .forward = broken_forward};

static void refuse_broken_modules(void)
{
    gr_module *broken = gr_module_make(&broken_type);
    for (broken_kind = 0; broken_kind < 4; broken_kind++) {
        REFUSED("forward", "Broken", !gr_forward(broken, g.n));
        REFUSED("forward", "Broken", gr_forward_all(broken, g.n).count == 0);
        const gr_scope off = gr_no_grad_begin();
        REFUSED("forward", "Broken", !gr_forward(broken, g.n));
        gr_scope_end(off);
    }
}

void refuse_modules(void)
{
    gr_module *deep = gr_nn_sequential(gr_nn_tanh(), gr_nn_linear(4, 2), gr_nn_linear(3, 2)), *flat = gr_nn_flatten(.start_dim = 3);
    REFUSED("linear", "x", !gr_forward(g.module, g.t));
    REFUSED("linear", "x", !gr_forward(g.module, NULL));
    gr_tensor *dead = misuse_dead();
    REFUSED("linear", "x", !gr_forward(g.module, dead));
    REFUSED("linear", "x", gr_forward_all(g.module, GR_ABSENT).count == 0);
    REFUSED("linear", "x", !gr_forward(deep, g.leaf)); /* the first two have run */
    REFUSED("flatten", "start_dim", !gr_forward(flat, g.n));
    REFUSED("forward", "in", !gr_forward(g.mse, g.n));
    REFUSED("forward", "in", !gr_forward(g.mse, g.n, g.n, g.n));
    REFUSED("forward", "in", !gr_forward(g.module, g.n, g.n));
    REFUSED("forward", "in", !gr_forward(deep, g.n, g.n));
    REFUSED("forward", "in", !gr_forward(g.mse, g.n, g.n, g.n, g.n, g.n, g.n, g.n, g.n, g.n));
    REFUSED("forward", "in", !gr_forward_at(g.mse, &(gr_tensors){0, NULL}, GR_HERE));
    REFUSED_AS("gr_forward_at", "forward", "in", "NULL", !gr_forward_at(g.mse, NULL, GR_HERE));
    REFUSED_AS("gr_forward_all_at", "forward", "in", "NULL", gr_forward_all_at(g.mse, NULL, GR_HERE).count == 0);
    refuse_broken_modules();
}

void refuse_lists(void)
{
    gr_tensor *twice[] = {g.leaf, g.leaf}, *grads[] = {g.s, g.s}, *later[] = {g.leaf, g.weight};
    const gr_tensors loss = {1, &g.loss}, leaf = {1, &g.leaf}, unused = {2, later};
    REFUSED("optim_gd", "params", !gr_optim_gd((gr_tensors){2, twice}));
    REFUSED("optim_group", "params", gr_optim_group(g.optim, {1, &g.weight}) == -1);
    REFUSED("autograd_grads", "gradients", gr_autograd_grads(loss, leaf, .gradients = {2, grads}).count == 0);
    REFUSED("autograd_grads", "inputs", gr_autograd_grads(loss, unused).count == 0);
    gr_tensor *x = gr_requires_grad_(gr_ones(2), true);
    gr_optim *stale = gr_optim_gd((gr_tensors){1, &x});
    gr_free(x);
    REFUSED("step", "params", !gr_step(stale));
    REFUSED("zero_grad", "params", !gr_zero_grad(stale));
}

void refuse_files(void)
{
    REFUSED("read_csv", "path", !gr_read_csv("there/is/no/such.csv"));
    REFUSED("read_csv", "path", !gr_read_csv("tests"));
    REFUSED("read_csv", "path", !gr_read_csv(""));
    REFUSED("tape_dot", "path", !gr_tape_dot(NULL));
    REFUSED("tape_dot", "path", !gr_tape_dot("tests"));
    REFUSED("tape_dot", "path", !gr_tape_dot(""));
    REFUSED("tape_dot", "path", !gr_tape_dot("there/is/no/such.dot"));
    static const char delimiters[] = {'a', '3', '.', '+', '-', '"', '\n', '\0', '\x7f'};
    for (size_t k = 0; k < sizeof delimiters; k++)
        REFUSED("read_csv", "delimiter", !gr_read_csv("tests/golden/tricky.tsv", .delimiter = delimiters[k]));
}
