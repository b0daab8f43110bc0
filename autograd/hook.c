/* hook.c - functions that see a gradient when it is finished, and gradients kept for results. */
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/tape.h"
#include "autograd/watch.h"

/* A hook is bound to a value, or to a leaf. f NULL: retain_grad of `tensor`. */
typedef struct gr_hook_entry {
    uint64_t id;
    gr_tensor *tensor;
    uint32_t value; /* 0: the leaf itself */
    gr_tensor *(*f)(gr_tensor *, void *);
    void *data;
    gr_tensor *gradient, *arrived; /* retained; and by the pass that runs, which may fail */
    uint32_t pass;
} hook;

static hook *append(gr_thread *t, gr_tensor *x, gr_site site, const char *op)
{
    if (!t->scope || !gr_grow(&t->hook, &t->hook_capacity, t->hooks, sizeof *t->hook))
        return gr_fail_memory(site, op, "the hooks", (t->hooks + 1) * sizeof *t->hook);
    hook *h = &t->hook[t->hooks++];
    *h = (hook){.id = ++t->serial, .tensor = x, .value = x->value};
    x->flags |= GR_HOOKED;
    gr_watch_changed(t);
    return h;
}

static void erase(gr_thread *t, uint32_t i)
{
    hook *h = &t->hook[i];
    if (h->gradient) gr_gradient_give_up(t, &h->gradient);
    if (h->arrived) gr_tensor_discard(t, h->arrived);
    t->hooks--;
    memmove(h, h + 1, (t->hooks - i) * sizeof *h);
    gr_watch_changed(t);
}

static bool may_hook(gr_thread *t, gr_tensor *x, gr_site site, const char *op)
{
    if (!gr_usable(x, site, op, "t")) return false;
    const gr_tensor *current = gr_view_current(t, x, site);
    if (!current) return false;
    if (current != x)
        gr_fail(GR_ERROR_STATE, site, op, "t is a view of an outer scope whose base was changed in place; must be of this scope");
    else if (!x->requires_grad || (x->value && x->thread != t->id))
        gr_fail(GR_ERROR_STATE, site, op, "t does not require grad on this thread; must");
    else
        return true;
    return false;
}

gr_hook gr_register_hook_at(gr_tensor *x, gr_tensor *(*f)(gr_tensor *, void *), void *data, gr_site site)
{
    gr_thread *t = gr_self();
    const gr_hook none = {t->id, 0};
    if (t->failed) return none;
    if (!f) {
        gr_fail(GR_ERROR_ARGUMENT, site, "register_hook", "f is NULL; must be a function");
        return none;
    }
    const gr_compound whole = gr_compound_begin(NULL);
    hook *h = may_hook(t, x, site, "register_hook") ? append(t, x, site, "register_hook") : NULL;
    if (!gr_compound_end(&whole, h)) return none;
    h->f = f;
    h->data = data;
    return (gr_hook){t->id, h->id};
}

bool gr_hook_remove_at(gr_hook handle, gr_site site)
{
    gr_thread *t = gr_self();
    if (t->failed) return false;
    for (uint32_t i = 0; handle.thread == t->id && i < t->hooks; i++)
        if (t->hook[i].id == handle.id) {
            erase(t, i);
            return true;
        }
    gr_fail(GR_ERROR_STATE, site, "hook_remove", "hook is gone: removed, or its tensor's scope has ended; must be registered");
    return false;
}

static hook *retained(const gr_tensor *x)
{
    const gr_thread *t = gr_self();
    for (uint32_t i = 0; x->flags & GR_HOOKED && i < t->hooks; i++) {
        hook *h = &t->hook[i];
        if (!h->f && h->tensor == x && h->value == x->value) return h;
    }
    return NULL;
}

bool gr_retain_grad_at(gr_tensor *x, gr_site site)
{
    gr_thread *t = gr_self();
    if (t->failed) return false;
    const gr_compound whole = gr_compound_begin(NULL);
    const bool ok = may_hook(t, x, site, "retain_grad") &&
                    (x->value == 0 || retained(x) || append(t, x, site, "retain_grad"));
    return gr_compound_end(&whole, ok ? x : NULL) != NULL;
}

gr_tensor *gr_retained_gradient(const gr_tensor *x)
{
    const hook *h = retained(x);
    return h ? h->gradient : NULL;
}

/* The user's function may register or remove hooks, so each round looks for the next id. */
static hook *next_hook(gr_thread *t, const gr_tensor *leaf, uint32_t value, uint64_t after, bool retains)
{
    for (uint32_t i = 0; i < t->hooks; i++) {
        hook *h = &t->hook[i];
        if (h->id > after && !h->f == retains && (leaf ? h->tensor == leaf && !h->value : h->value == value)) return h;
    }
    return NULL;
}

/* g = by, which may be a view of g: then it is read before it is overwritten. */
static bool overwrite(gr_thread *t, gr_tensor *g, const gr_tensor *by)
{
    const struct gr_task *task = t->task;
    if (by->storage != g->storage) {
        gr_kernels_of(g)->copy(g, by);
        return true;
    }
    gr_tensor *aside = gr_tensor_like(t, g, (gr_dtype)g->dtype);
    if (!aside)
        return gr_fail_memory(task->site, task->op, "what a hook returned", (size_t)g->numel * gr_dtype_size[g->dtype]) != NULL;
    gr_kernels_of(g)->copy(aside, by);
    gr_kernels_of(g)->copy(g, aside);
    gr_tensor_discard(t, aside);
    return true;
}

static bool replace(gr_thread *t, gr_tensor **gradient, gr_tensor *by)
{
    const struct gr_task *task = t->task;
    gr_tensor *g = *gradient;
    char have[GR_SHAPE_TEXT], want[GR_SHAPE_TEXT];
    if (!by) return gr_fail(GR_ERROR_ARGUMENT, task->site, task->op, "a hook returned NULL; must return a gradient") != NULL;
    if (!gr_usable(by, task->site, task->op, "what a hook returned")) return false;
    if (by->key != g->key || !gr_same_sizes(by, g)) {
        gr_fail(GR_ERROR_ARGUMENT, task->site, task->op, "a hook returned %s %s on %s, the gradient is %s %s on %s; must be alike",
                gr_shape_text(by, have), gr_dtype_name[by->dtype], gr_devices[by->device]->name, gr_shape_text(g, want),
                gr_dtype_name[g->dtype], gr_devices[g->device]->name);
        return false;
    }
    if (t->anomaly && !gr_anomaly_given(by, task->site, task->op, "a hook returned", "the gradient")) return false;
    if (task->create_graph) *gradient = by;
    return task->create_graph || by == g || overwrite(t, g, by);
}

bool gr_run_hooks(gr_thread *t, gr_tensor *leaf, uint32_t value, gr_tensor **gradient)
{
    uint64_t done = 0;
    for (hook *h; (h = next_hook(t, leaf, value, done, false));) {
        done = h->id;
        if (!replace(t, gradient, h->f(*gradient, h->data)) || t->failed) return false;
    }
    const gr_tensor *g = *gradient;
    for (hook *h = next_hook(t, leaf, value, 0, true); h; h = next_hook(t, leaf, value, h->id, true)) {
        if (h->arrived) { /* for a pass around this one */
            gr_kernels_of(g)->accumulate(h->arrived, g);
            continue;
        }
        if (!(h->arrived = gr_tensor_like(t, g, (gr_dtype)g->dtype))) {
            gr_fail_memory(t->task->site, t->task->op, "the retained gradient", (size_t)g->numel * gr_dtype_size[g->dtype]);
            return false;
        }
        gr_kernels_of(g)->copy(h->arrived, g);
        h->pass = t->task->serial;
    }
    return true;
}

void gr_retained_forget(gr_thread *t, const gr_tensor *x)
{
    hook *h = retained(x);
    if (!h || !h->gradient) return;
    gr_gradient_give_up(t, &h->gradient);
}

void gr_hooks_settle(gr_thread *t, uint32_t pass, bool ok)
{
    for (hook *h = t->hook, *last = h + t->hooks; h < last; h++) {
        gr_tensor *g = h->arrived;
        if (!g || h->pass != pass) continue;
        h->arrived = NULL;
        if (ok && !h->gradient) {
            h->gradient = g;
            continue;
        }
        if (ok) gr_kernels_of(g)->accumulate(h->gradient, g);
        gr_tensor_discard(t, g);
    }
}

void gr_hooks_forget_values(gr_thread *t, uint32_t from)
{
    for (uint32_t i = t->hooks; i-- > 0;)
        if (from == 0 || t->hook[i].value >= from) erase(t, i);
}

void gr_hooks_forget_tensor(gr_thread *t, const gr_tensor *x)
{
    for (uint32_t i = t->hooks; i-- > 0;)
        if (t->hook[i].tensor == x && (t->hook[i].value == 0 || !t->hook[i].f)) erase(t, i);
}
