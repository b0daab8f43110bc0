/* lives.c - instructions about how long things live: scopes, keep, free, leaves and their gradients. */
#include "tests/fuzz/program.h"

/* ---- scopes ---- */

static void open_scope(int which)
{
    if (model.depth >= 6) return;
    const gr_scope real = which == 0   ? gr_scope_begin_at(here())
                          : which == 1 ? gr_no_grad_begin_at(here())
                                       : gr_enable_grad_begin_at(here());
    scope_open(real, which == 0 ? graph.recording : which == 2);
}

/* Any that was ever opened: one that has ended cannot end again. */
static void close_scope(const uint8_t *a)
{
    if (model.scopes < 2) return;
    const int which = is(a[FLAGS], OTHER) ? 1 + a[ARGUMENT_2] % (model.scopes - 1) : model.open[model.depth];
    if (which == 0) return;
    const scope *s = &model.scope[which];
    int depth = 0;
    for (int d = 1; d <= model.depth; d++)
        if (model.open[d] == which) depth = d;
    const bool open = s->open;
    if (open) scope_close(depth);
    settle_answer(a, gr_scope_end_at(s->real, here()), open);
    demand(gr_grad_enabled() == graph.recording, "recording is %d", gr_grad_enabled());
}

void run_scope(const uint8_t *a)
{
    if (a[ARGUMENT] % 2) open_scope(a[SECOND] % 3);
    else close_scope(a);
}

void run_keep(const uint8_t *a)
{
    twin *x = pick(a[FIRST], ANY, a);
    if (!x) return;
    settle(a, gr_keep_tensor_at(x->real, here()), x->alive && keep(x) ? x : REFUSED);
}

void run_free(const uint8_t *a)
{
    twin *x = pick(a[FIRST], ANY, a);
    if (!x) return;
    const bool may = x->alive && x->depth != OF_A_LEAF;
    if (may) model.handed_out_changed |= x->memory->handed_out;
    if (may) die(x);
    settle_answer(a, gr_free_tensor_at(x->real, here()), may);
}

#ifdef GR_DEBUG
enum { CHURN = 0 }; /* a debug build never does */
#else
enum { CHURN = 1100 };
#endif

/* So many tensors die that the library uses the headers of the dead again: of those it tells no more. */
void run_churn(const uint8_t *a)
{
    if (a[FIRST] % 4) return;
    const gr_scope all = gr_scope_begin_at(here());
    for (int i = 0; i < CHURN; i++) demand(gr_empty_at(&(gr_make_args){.site = here(), .dtype = GR_FLOAT64, .device = {-1, 0}}), "no memory");
    gr_scope_end_at(all, here());
    for (int i = 0; i < model.twins; i++) model.twin[i]->lost |= !model.twin[i]->alive;
}

/* ---- leaves ---- */

static bool set_requires_grad(twin *x, bool on)
{
    if (model.standing || !x->alive || (on && x->dtype != GR_FLOAT64)) return false;
    if (has_history(x)) return on;
    x->wants = on;
    if (on) x->base = NULL; /* its history begins here, whatever becomes of the memory it shows */
    return true;
}

void run_requires_grad(const uint8_t *a)
{
    twin *x = pick(a[FIRST], ANY, a);
    if (!x) return;
    const bool on = a[ARGUMENT] % 4 != 0, may = set_requires_grad(x, on);
    settle(a, gr_requires_grad__at(x->real, on, here()), may ? x : REFUSED);
}

/* A leaf's gradient becomes a variable. */
void run_gradient(const uint8_t *a)
{
    twin *x = pick(a[FIRST], FLOAT, a);
    if (!x || !x->alive || x->node || !x->has_gradient) return;
    settle(a, gr_grad_at(x->real, here()), x->gradient);
}

void run_zero_grad(const uint8_t *a)
{
    twin *x = pick(a[FIRST], FLOAT, a);
    if (!x) return;
    const bool may = x->alive && !model.standing, has = may && !x->node && x->has_gradient;
    if (has) x->has_gradient = false;
    if (has && !x->gradient->node) { /* what reads it may read anything from now on */
        x->gradient->memory->undefined = true;
        x->gradient->memory->version++;
    }
    for (int i = 0; i < model.hooks && may && x->node; i++)
        if (model.hook[i].tensor == x) model.hook[i].has_value = false;
    settle_answer(a, gr_zero_grad_tensor_at(x->real, here()), may);
}
