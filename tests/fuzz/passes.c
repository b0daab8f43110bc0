/* passes.c - instructions that walk back, and hooks that watch. */
#include <string.h>

#include "tests/fuzz/program.h"

/* The reference's word stands before the call; where it is in doubt, the library's does. */
static bool outcome(pass *p, bool must, bool real)
{
    if (must && p->in_doubt && !real) return false;
    if (must) pass_commit(p);
    return must;
}

static void set_options(pass *p, const uint8_t *a)
{
    p->retain = is(a[FLAGS], RETAIN);
    p->create = is(a[FLAGS], CREATE);
    if (a[ARGUMENT] % 4 == 0) p->given[0] = pick(a[ARGUMENT_2], FLOAT, a);
}

static gr_tensor *real_of(const twin *x)
{
    return x ? x->real : GR_ABSENT;
}

/* Hooks that were to run but did not because the pass failed before, or the other way round, are not compared. */
static void forgive_hooks(void)
{
    for (int i = 0; i < model.hooks; i++) model.hook[i].must_run = model.hook[i].has_run;
}

void run_backward(const uint8_t *a)
{
    pass p = {.loss = {pick(a[FIRST], FLOAT, a)}, .losses = 1};
    if (!p.loss[0]) return;
    set_options(&p, a);
    bool must = pass_run(&p);
    const gr_backward_args args = {.loss = p.loss[0]->real, .site = here(), .gradient = real_of(p.given[0]),
                                   .retain_graph = p.retain, .create_graph = p.create};
    tell_why(must ? NULL : p.why);
    const bool real = gr_backward_at(&args);
    must = outcome(&p, must, real);
    if (!must) forgive_hooks();
    settle_answer(a, real, must);
    check_all();
}

/* One or two outputs, one or two inputs. */
void run_grads(const uint8_t *a)
{
    const bool two = a[ARGUMENT_3] & 1;
    pass p = {.loss = {pick(a[FIRST], FLOAT, a), pick(a[ARGUMENT_2] / 16, FLOAT, a)},
              .target = {pick(a[SECOND], FLOAT, a), pick(a[ARGUMENT_3] / 16, FLOAT, a)},
              .allow_unused = a[ARGUMENT_3] >> 1 & 1};
    p.losses = a[ARGUMENT_3] >> 2 & 1 ? 2 : 1;
    p.targets = two ? 2 : 1;
    set_options(&p, a);
    if (p.losses == 2) p.given[0] = NULL;
    for (int i = 0; i < 2; i++)
        if (!p.loss[i] || !p.target[i] || p.target[i]->handed_out) return;
    bool must = pass_run(&p);
    gr_tensor *outputs[2] = {p.loss[0]->real, p.loss[1]->real}, *inputs[2] = {p.target[0]->real, p.target[1]->real};
    gr_tensor *given = real_of(p.given[0]);
    const gr_autograd_grads_args args = {.outputs = {p.losses, outputs}, .inputs = {p.targets, inputs}, .site = here(),
                                         .gradients = {p.given[0] != NULL, &given}, .retain_graph = p.retain,
                                         .create_graph = p.create, .allow_unused = p.allow_unused};
    tell_why(must ? NULL : p.why);
    const gr_tensors real = gr_autograd_grads_at(&args);
    must = outcome(&p, must, real.count != 0);
    if (!must) forgive_hooks();
    settle_answer(a, real.count != 0, must);
    for (int i = 0; must && i < p.targets; i++) {
        demand((real.item[i] == GR_ABSENT) == !p.result[i], "gradient %d is %s", i, p.result[i] ? "absent" : "there");
        if (!p.result[i]) continue;
        demand(gr_is_contiguous(real.item[i]), "gradient %d is not row-major", i);
        settle_more((uint8_t)(a[RESULT] + i), real.item[i], p.result[i]);
    }
    check_all();
}

/* ---- hooks ---- */

/* A pass of its own, on what it makes itself. */
static void nested_pass(void)
{
    const gr_site site = {"h", 1};
    const double three = 3;
    const gr_scope own = gr_enable_grad_begin_at(site);
    gr_tensor *x = gr_requires_grad__at(gr_from_at(&three, GR_FLOAT64, (gr_shape){0, {0}}, site), true, site);
    gr_tensor *y = gr_square_at(x, site);
    demand(gr_backward_at(&(gr_backward_args){.loss = y, .site = site, .gradient = GR_ABSENT}), "nested: %s", gr_error());
    demand(gr_item_at(gr_grad_at(x, site), site) == 6, "nested: a wrong gradient");
    gr_scope_end_at(own, site);
}

static gr_tensor *real_hook(gr_tensor *gradient, void *data)
{
    hook *h = data;
    h->has_run++;
    if (h->kind == HOOK_NULL) return NULL;
    if (h->kind == HOOK_SHAPE) return gr_zeros_with(GR_SHAPE(7, 7), .dtype = GR_FLOAT64);
    if (h->kind == HOOK_DOUBLE) return gr_mul(gradient, 2);
    if (h->kind == HOOK_NESTED) nested_pass();
    if (h->kind == HOOK_ENDS_SCOPE) demand(!gr_scope_end_at(h->scope, here()), "a hook has ended the scope");
    return gradient;
}

static bool may_hook(twin *x)
{
    if (model.standing || !x->alive) return false;
    const term e = use_history(x);
    return is_linked(&e) && e.header; /* not a view that is taken again at each use, in a scope within its own */
}

static bool is_retained(const twin *x)
{
    for (int i = 0; i < model.hooks; i++) {
        const hook *h = &model.hook[i];
        if (h->there && h->kind == HOOK_RETAIN && h->tensor == x && h->node == x->node) return true;
    }
    return false;
}

void run_hook(const uint8_t *a)
{
    twin *x = pick(a[FIRST], FLOAT, a);
    if (!x || x->handed_out || model.hooks == MOST_HOOKS) return;
    const hook_kind what = (hook_kind)(a[ARGUMENT] % HOOKS);
    const bool may = may_hook(x);
    if (what == HOOK_ENDS_SCOPE && model.depth == 0) return;
    hook *h = &model.hook[model.hooks];
    *h = (hook){.kind = what, .tensor = x, .node = x->node, .out = x->out, .there = true, .scope = model.scope[model.open[model.depth]].real};
    if (what == HOOK_RETAIN) {
        if (may && x->node && !is_retained(x)) model.hooks++; /* once is enough */
        settle_answer(a, gr_retain_grad_at(x->real, here()), may);
        return;
    }
    h->real = gr_register_hook_at(x->real, real_hook, h, here());
    if (may) model.hooks++;
    settle_answer(a, h->real.id != 0, may);
}

void run_unhook(const uint8_t *a)
{
    if (!model.hooks) return;
    hook *h = &model.hook[a[FIRST] % model.hooks];
    if (h->kind == HOOK_RETAIN) return;
    const bool may = h->there && !model.standing;
    if (may) h->there = false;
    settle_answer(a, gr_hook_remove_at(h->real, here()), may);
}
