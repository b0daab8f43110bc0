/* pass.c - a backward pass from its beginning to its end. All or nothing: leaves change only when the walk has succeeded. */
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/tape.h"
#include "autograd/watch.h"

bool gr_task_begin(gr_thread *t, gr_task *task)
{
    if (!t->task) gr_limbo_look(t);
    const uint32_t count = task->high >= task->low ? task->high - task->low + 1 : 0;
    task->gradient = NULL;
    task->gradient_block = NULL;
    if (count) {
        task->gradient_block = gr_storage_take(t, count * sizeof(gr_tensor *));
        if (!task->gradient_block) {
            gr_fail_memory(task->site, task->op, "the list of gradients", count * sizeof(gr_tensor *));
            return false;
        }
        task->gradient = (gr_tensor **)(void *)task->gradient_block->data;
        memset(task->gradient, 0, count * sizeof(gr_tensor *));
    }
    task->pending = task->first;
    task->pending_index = NULL;
    task->pending_capacity = GR_FEW_LEAVES;
    task->pending_count = 0;
    task->pending_block = NULL;
    task->needed = NULL;
    task->serial = (uint32_t)++t->serial;
    task->depth = t->depth;
    task->rule_owned = t->owned_count;
    if (!task->site.file) task->site.file = "?"; /* it marks calls as used */
    task->outer = t->task;
    t->task = task;
    return true;
}

/* A pass that failed, wherever that was, leaves no marks and no gradients of values. */
static GR_COLD void undo_walk(gr_thread *t, gr_task *task)
{
    for (gr_call *c = t->tape.last; c && c->first_value >= task->low; c = c->previous)
        if (c->used_by == task->serial) c->used_file = NULL, c->used_by = 0;
    for (uint32_t i = 0; task->gradient_block && i <= task->high - task->low; i++)
        gr_drop_gradient(t, task, &task->gradient[i]);
}

void gr_task_end(gr_thread *t, gr_task *task, bool ok)
{
    if (gr_unlikely(!ok)) undo_walk(t, task);
    for (uint32_t i = 0; i < task->pending_count; i++) {
        gr_pending *p = &task->pending[i];
        if (!p->gradient || task->create_graph) continue;
        if (p->waited && gr_takes_gradient(p->leaf) && !p->leaf->grad)
            p->leaf->grad = p->gradient;
        else if (p->waited)
            gr_gradient_give_up(t, &p->gradient);
        else
            gr_end_gradient(t, p->gradient);
    }
    if (gr_unlikely(t->hooks)) gr_hooks_settle(t, task->serial, ok);
    if (task->gradient_block) gr_storage_drop(t, task->gradient_block);
    if (task->pending_block) gr_storage_drop(t, task->pending_block);
    t->task = task->outer;
}

bool gr_seed_fits(const gr_tensor *y, const gr_tensor *given, gr_site site, const char *op, const char *y_name,
                  const char *name)
{
    char have[GR_SHAPE_TEXT], want[GR_SHAPE_TEXT];
    if (given == gr_absent) {
        if (gr_likely(y->numel == 1)) return true;
        gr_fail(GR_ERROR_ARGUMENT, site, op, "%s is %s; must have one element, or give .%s of shape %s", y_name,
                gr_shape_text(y, have), name, gr_shape_text(y, want));
        return false;
    }
    if (!gr_usable(given, site, op, name)) return false;
    if (given->key == y->key && gr_same_sizes(given, y))
        return !gr_self()->anomaly || gr_anomaly_given(given, site, op, "there is", name);
    gr_fail(GR_ERROR_ARGUMENT, site, op, "%s is %s %s, %s is %s %s; must be the same", name, gr_shape_text(given, have),
            gr_dtype_name[given->dtype], y_name, gr_shape_text(y, want), gr_dtype_name[y->dtype]);
    return false;
}

/* The gradient that the pass starts from: the given one, or 1. */
bool gr_task_seed(gr_thread *t, gr_task *task, gr_tensor *y, gr_tensor *given)
{
    gr_slot slot = {.tensor = y, .value = y->value ? y->value : GR_LEAF};
    gr_tensor **place = gr_task_collects(t, task, &slot);
    if (!place) return !t->failed;
    if (task->create_graph) {
        if (given != gr_absent)
            given = gr_view_current(t, given, task->site);
        else
            given = gr_ones_like_at(&(gr_like_args){.x = y, .site = task->site, .dtype = GR_DTYPE_DEFAULT, .device = {-1, 0}});
        if (!given) return false;
        *place = *place ? gr_add_at(gr_value_tensor(*place), gr_value_tensor(given), task->site) : given;
        return *place != NULL;
    }
    const bool add = *place != NULL;
    if (!add && !gr_task_fresh(t, task, &slot, place)) return false;
    const gr_kernels *k = gr_kernels_of(y);
    if (add) {
        gr_tensor one = gr_alias(*place);
        if (given != gr_absent) k->accumulate(*place, given);
        else k->elementwise(GR_E_add, &one, &(gr_operands){{gr_value_tensor(&one), gr_value_integer(1)}, NULL, (gr_dtype)y->dtype});
    } else if (given != gr_absent)
        k->copy(*place, given);
    else
        k->fill(*place, gr_value_integer(1));
    return true;
}

/* A recorded gradient becomes a leaf's: a copy of its own, whose history lasts as long as the scope. */
static gr_tensor *own_recorded(gr_thread *t, const gr_task *task, gr_tensor *leaf, gr_tensor *g)
{
    g = leaf->has_grad ? gr_add_at(gr_value_tensor(leaf->grad), gr_value_tensor(g), task->site) : gr_clone_at(g, task->site);
    if (!g) return NULL;
    if (g->value && !gr_note_history(t, g)) return gr_fail_memory(task->site, task->op, "the gradient's history", (t->histories + 1) * sizeof g);
    return g;
}

static bool commit_recorded(gr_thread *t, gr_task *task)
{
    for (uint32_t i = 0; i < task->pending_count; i++) {
        gr_pending *p = &task->pending[i];
        if (!gr_takes_gradient(p->leaf)) p->gradient = NULL;
        if (p->gradient && !(p->gradient = own_recorded(t, task, p->leaf, p->gradient))) return false;
    }
    for (uint32_t i = 0; i < task->pending_count; i++) {
        gr_tensor *leaf = task->pending[i].leaf, *g = task->pending[i].gradient;
        if (!g || !gr_takes_gradient(leaf)) continue; /* it was the gradient of a leaf before */
        gr_disown(t, g);
        if (leaf->grad) gr_gradient_give_up(t, &leaf->grad);
        leaf->grad = g;
        leaf->has_grad = true;
    }
    return true;
}

/* Pending gradients become the leaves'. Nothing can fail any more. */
static void commit(gr_thread *t, gr_task *task)
{
    for (uint32_t i = 0; i < task->pending_count; i++) {
        gr_tensor *leaf = task->pending[i].leaf, *g = task->pending[i].gradient;
        if (!g || !gr_takes_gradient(leaf)) continue;
        task->pending[i].gradient = NULL;
        if (leaf->has_grad) {
            gr_kernels_of(leaf)->accumulate(leaf->grad, g);
            gr_storage_changed(leaf->grad->storage, task->op, task->site.file, task->site.line);
            gr_end_gradient(t, g);
        } else {
            if (leaf->grad) gr_gradient_give_up(t, &leaf->grad);
            leaf->grad = g;
            leaf->has_grad = true;
        }
    }
}

bool gr_task_leaf_hooks(gr_thread *t, gr_task *task)
{
    for (uint32_t i = 0; t->hooks && i < task->pending_count; i++) {
        gr_tensor *leaf = task->pending[i].leaf, *g = task->pending[i].gradient;
        if (!g || !gr_takes_gradient(leaf) || !(leaf->flags & GR_HOOKED)) continue;
        const bool ok = gr_run_hooks(t, leaf, 0, &g);
        task->pending[i].gradient = g; /* a hook may have made the list grow */
        if (!ok) return false;
    }
    return true;
}

/* From loss to its leaves. */
static inline bool pass(gr_thread *t, gr_task *task, gr_tensor *loss, gr_tensor *gradient)
{
    const bool was_recording = t->recording;
    t->recording = task->create_graph;
    bool ok = gr_task_seed(t, task, loss, gradient) && gr_task_walk(t, task, loss->value ? loss->call : NULL);
    if (gr_unlikely(t->hooks)) ok = ok && gr_task_leaf_hooks(t, task);
    if (ok) ok = task->create_graph ? commit_recorded(t, task) : (commit(t, task), !t->failed);
    t->recording = was_recording;
    gr_task_end(t, task, ok);
    return ok;
}

static inline bool backward_from(gr_thread *t, gr_tensor *loss, const gr_backward_args *args)
{
    if (gr_unlikely(!loss->requires_grad)) {
        gr_fail(GR_ERROR_STATE, args->site, "backward", "nothing under loss requires grad; a leaf must: gr_requires_grad_");
        return false;
    }
    if (gr_unlikely(loss->value && loss->thread != t->id)) {
        gr_fail(GR_ERROR_STATE, args->site, "backward", "loss has history of another thread; must be used there");
        return false;
    }
    if (!gr_seed_fits(loss, args->gradient, args->site, "backward", "loss", "gradient")) return false;
    gr_task task;
    task.create_graph = args->create_graph;
    task.retain_graph = args->retain_graph || args->create_graph;
    task.accumulates = true;
    task.site = args->site;
    task.op = "backward";
    task.of = "loss";
    task.low = loss->value ? loss->oldest : 1;
    task.high = loss->value ? loss->call->first_value + loss->call->outputs - 1 : 0;
    return gr_task_begin(t, &task) && pass(t, &task, loss, args->gradient);
}

GR_HOT bool gr_backward_at(const gr_backward_args *args)
{
    gr_thread *t = gr_self();
    gr_tensor *loss = args->loss;
    if (gr_unlikely(t->failed)) return false;
    if (!gr_usable(loss, args->site, "backward", "loss")) return false;
    if (gr_likely(!args->create_graph && !t->hooks && !gr_view_is_stale(loss))) return backward_from(t, loss, args);
    const gr_compound whole = gr_compound_begin(NULL); /* else each rule's results go by themselves */
    loss = gr_view_current(t, loss, args->site);
    return gr_compound_end(&whole, loss && backward_from(t, loss, args) ? loss : NULL) != NULL;
}
