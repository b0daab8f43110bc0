/* backward.c - walks the tape from the end and hands gradients over; a pass begins and ends in pass.c. */
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/tape.h"
#include "autograd/watch.h"

/* ---- gradients of leaves, pending until the walk has succeeded ---- */

/* Up to GR_FEW_LEAVES are searched one by one. More have an index in the same block: open addressing, entries count from 1.
 * The factor is 2^32 / golden ratio, which spreads neighbours (Knuth 6.4). */
static inline uint32_t *index_place(const gr_task *task, const gr_tensor *leaf)
{
    const uint32_t mask = 2 * task->pending_capacity - 1;
    uint32_t i = (uint32_t)((uintptr_t)leaf >> 8) * 2654435761u >> 7 & mask;
    while (task->pending_index[i] && task->pending[task->pending_index[i] - 1].leaf != leaf) i = (i + 1) & mask;
    return &task->pending_index[i];
}

static inline gr_pending *find(const gr_task *task, const gr_tensor *leaf)
{
    if (gr_unlikely(task->pending_index != NULL)) {
        const uint32_t entry = *index_place(task, leaf);
        return entry ? &task->pending[entry - 1] : NULL;
    }
    for (uint32_t i = 0; i < task->pending_count; i++)
        if (task->pending[i].leaf == leaf) return &task->pending[i];
    return NULL;
}

static GR_COLD bool pending_grow(gr_thread *t, gr_task *task)
{
    const uint32_t capacity = 4 * task->pending_capacity;
    const size_t bytes = capacity * sizeof(gr_pending), index_bytes = 2 * capacity * sizeof(uint32_t);
    gr_storage *block = gr_storage_take(t, bytes + index_bytes), *old = task->pending_block;
    if (!block) return gr_fail_memory(task->site, task->op, "the list of leaves", bytes + index_bytes) != NULL;
    memcpy(block->data, task->pending, task->pending_count * sizeof(gr_pending));
    memset(block->data + bytes, 0, index_bytes);
    task->pending = (gr_pending *)(void *)block->data;
    task->pending_index = (uint32_t *)(void *)(block->data + bytes);
    task->pending_capacity = capacity;
    task->pending_block = block;
    for (uint32_t i = 0; i < task->pending_count; i++) *index_place(task, task->pending[i].leaf) = i + 1;
    if (old) gr_storage_drop(t, old);
    return true;
}

static inline gr_pending *append(gr_thread *t, gr_task *task, gr_tensor *leaf)
{
    if (gr_unlikely(task->pending_count == task->pending_capacity) && !pending_grow(t, task)) return NULL;
    gr_pending *p = &task->pending[task->pending_count++];
    *p = (gr_pending){leaf, NULL, false};
    if (gr_unlikely(task->pending_index != NULL)) *index_place(task, leaf) = task->pending_count;
    return p;
}

bool gr_task_wants(const gr_task *task, const gr_tensor *leaf)
{
    return find(task, leaf) != NULL;
}

bool gr_task_want(gr_thread *t, gr_task *task, gr_tensor *leaf)
{
    return find(task, leaf) || append(t, task, leaf);
}

gr_tensor **gr_task_place(gr_task *task, const gr_tensor *x)
{
    if (!x->value) {
        gr_pending *p = find(task, x);
        return p ? &p->gradient : NULL;
    }
    return x->value >= task->low && x->value <= task->high ? &task->gradient[x->value - task->low] : NULL;
}

/* The pending gradient of a leaf; NULL after an error, or (without one) where nobody asked for it. */
static gr_tensor **leaf_gradient(gr_thread *t, gr_task *task, gr_tensor *leaf)
{
    gr_pending *p = find(task, leaf);
    if (p) return &p->gradient;
    if (!task->accumulates) return NULL;
    if (gr_unlikely(leaf->thread != t->id))
        return gr_fail(GR_ERROR_STATE, task->site, task->op,
                       "a leaf is of another thread; must be this thread's, or its gradient asked for by gr_autograd_grad");
    return (p = append(t, task, leaf)) ? &p->gradient : NULL;
}

/* Where the gradient of a slot's value collects. NULL: not wanted, or an error. */
static inline gr_tensor **place_of(gr_thread *t, gr_task *task, const gr_slot *slot)
{
    if (slot->value == GR_LEAF) return leaf_gradient(t, task, slot->tensor);
    if (task->needed && !task->needed[slot->value - task->low]) return NULL;
    return &task->gradient[slot->value - task->low];
}

/* The gradient that a leaf has, or that waits with it. */
static inline gr_tensor *gradient_of(const gr_slot *slot)
{
    return slot->value == GR_LEAF && gr_takes_gradient(slot->tensor) ? slot->tensor->grad : NULL;
}

/* Memory for the first contribution to *place: what waits with the leaf, whose place is in its gr_pending; else new. */
static inline gr_tensor *fresh_gradient(gr_thread *t, gr_task *task, const gr_slot *slot, gr_tensor **place)
{
    gr_tensor *x = slot->tensor, *waits = task->accumulates ? gradient_of(slot) : NULL;
    if (waits && !x->has_grad && waits->key == x->key && !waits->value && !waits->requires_grad && !(waits->flags & GR_HOOKED)) {
        x->grad = NULL;
        gr_storage_changed(waits->storage, task->op, task->site.file, task->site.line);
        ((gr_pending *)(void *)((char *)place - offsetof(gr_pending, gradient)))->waited = true;
        return *place = waits;
    }
    *place = gr_tensor_like(t, x, (gr_dtype)x->dtype);
    if (gr_unlikely(!*place)) gr_fail_memory(task->site, task->op, "a gradient", (size_t)x->numel * gr_dtype_size[x->dtype]);
    return *place;
}

gr_tensor **gr_task_collects(gr_thread *t, gr_task *task, const gr_slot *slot)
{
    return place_of(t, task, slot);
}

gr_tensor *gr_task_fresh(gr_thread *t, gr_task *task, const gr_slot *slot, gr_tensor **place)
{
    return fresh_gradient(t, task, slot, place);
}

GR_HOT gr_tensor *gr_grad_into(gr_call *c, int i, bool *add)
{
    gr_thread *t = gr_self();
    const gr_slot *slot = &c->slot[i];
    if (!slot->value) return NULL;
    gr_tensor **place = place_of(t, t->task, slot);
    if (!place) return NULL;
    *add = *place != NULL;
    return *add ? *place : fresh_gradient(t, t->task, slot, place);
}

gr_tensor *gr_grad_so_far(const gr_task *task, const gr_call *c, int i)
{
    const gr_slot *slot = &c->slot[i];
    if (!slot->value || gr_is_number(c, i)) return NULL;
    if (slot->value != GR_LEAF) return task->gradient[slot->value - task->low];
    const gr_pending *p = find(task, slot->tensor);
    return p ? p->gradient : NULL;
}

/* Whether a user's rule asks for a place of its call, while a pass runs. */
static bool may_ask(const gr_call *c, int i, int count, const char *op)
{
    if (!gr_call_place_fits(c, i, count, op)) return false;
    if (gr_likely(gr_self()->task != NULL)) return true;
    gr_fail(GR_ERROR_STATE, gr_site_of(c), op, "no pass runs; must be called by the backward of %s", c->op->name);
    return false;
}

static inline bool needs(const gr_task *task, const gr_call *c, int i)
{
    const gr_slot *slot = &c->slot[i];
    if (!slot->value || gr_is_number(c, i)) return false;
    if (slot->value == GR_LEAF) return task->accumulates || find(task, slot->tensor);
    return !task->needed || task->needed[slot->value - task->low];
}

bool gr_call_needs(const gr_call *c, int i)
{
    return may_ask(c, i, c ? c->inputs : 0, "call_needs") && needs(gr_self()->task, c, i);
}

/* ---- handing over ---- */

/* g summed to the shape of x: what broadcasting repeated is added up. */
static gr_tensor *unbroadcast(gr_tensor *g, const gr_tensor *x, gr_site site)
{
    const int added = g->dim - x->dim;
    gr_shape dims = {0, {0}};
    for (int d = 0; d < g->dim; d++)
        if (d < added || (x->axis[d - added].size == 1 && g->axis[d].size != 1)) dims.size[dims.count++] = d;
    if (dims.count)
        g = gr_sum_at(&(gr_reduce_args){.x = g, .site = site, .dim = GR_ALL, .dims = dims, .keepdim = true, .dtype = GR_DTYPE_DEFAULT});
    return g && added ? gr_reshape_at(g, gr_sizes_of(x), site) : g;
}

static bool broadcasts_to(const gr_tensor *x, const gr_tensor *g)
{
    const int added = g->dim - x->dim;
    for (int d = 0; added >= 0 && d < x->dim; d++)
        if (x->axis[d].size != g->axis[d + added].size && x->axis[d].size != 1) return false;
    return added >= 0;
}

/* g was made by this rule and nobody else shows its memory: it may become the gradient itself. */
static bool may_take(const gr_thread *t, const gr_tensor *g)
{
    const struct gr_task *task = t->task;
    return g->owned_at >= task->rule_owned && gr_is_owned(t, g->owned_at, g, GR_OWNS_TENSOR) &&
           g->contiguous && !g->base && g->value == 0 && atomic_load_explicit(&g->storage->refs, memory_order_relaxed) == 1;
}

static bool take_or_copy(gr_thread *t, gr_task *task, const gr_slot *slot, gr_tensor **place, gr_tensor *g)
{
    const bool waits = gradient_of(slot) && !slot->tensor->has_grad;
    if (may_take(t, g) && !waits) {
        gr_disown(t, g);
        *place = g;
        return true;
    }
    if (!fresh_gradient(t, task, slot, place)) return false;
    gr_kernels_of(*place)->copy(*place, g);
    return true;
}

/* Whether g, of a user's rule, can be a gradient of input i. */
static inline bool gradient_fits(const gr_call *c, int i, const gr_tensor *g)
{
    const gr_tensor *x = c->slot[i].tensor;
    char have[GR_SHAPE_TEXT], want[GR_SHAPE_TEXT];
    if (gr_unlikely(g->device != x->device))
        gr_fail(GR_ERROR_ARGUMENT, gr_site_of(c), "grad_add", "g is on %s, input %d of %s is on %s; both must be on one device",
                gr_devices[g->device]->name, i, c->op->name, gr_devices[x->device]->name);
    else if (gr_unlikely(!broadcasts_to(x, g)))
        gr_fail(GR_ERROR_ARGUMENT, gr_site_of(c), "grad_add", "g is %s, input %d of %s is %s; must be what that broadcasts to",
                gr_shape_text(g, have), i, c->op->name, gr_shape_text(x, want));
    else
        return true;
    return false;
}

bool gr_grad_add(gr_call *c, int i, gr_tensor *g)
{
    gr_thread *t = gr_self();
    if (!may_ask(c, i, c ? c->inputs : 0, "grad_add")) return false;
    gr_task *task = t->task;
    const gr_site site = gr_site_of(c);
    if (!gr_usable(g, site, "grad_add", "g")) return false;
    const gr_slot *slot = &c->slot[i];
    if (!slot->value || gr_is_number(c, i)) return true;
    gr_tensor **place = place_of(t, task, slot), *x = slot->tensor;
    if (!place) return !t->failed;
    if (!gradient_fits(c, i, g)) return false;
    if (!gr_same_sizes(g, x) && !(g = unbroadcast(g, x, site))) return false;
    if (g->dtype != x->dtype && !(g = gr_to_at(&(gr_to_args){.x = g, .site = site, .dtype = (gr_dtype)x->dtype, .device = {-1, 0}})))
        return false;
    if (task->create_graph) {
        *place = *place ? gr_add_at(gr_value_tensor(*place), gr_value_tensor(g), site) : g;
        return *place != NULL;
    }
    if (!*place) return take_or_copy(t, task, slot, place, g);
    gr_kernels_of(x)->accumulate(*place, g);
    return true;
}

bool gr_call_gradient_is_zero(const gr_call *c, int i)
{
    if (!may_ask(c, i, c ? c->outputs : 0, "call_gradient_is_zero")) return true;
    const gr_task *task = gr_self()->task;
    return !task->gradient[c->first_value + (uint32_t)i - task->low];
}

gr_tensor *gr_call_gradient(gr_call *c, int i)
{
    if (!may_ask(c, i, c ? c->outputs : 0, "call_gradient")) return NULL;
    const gr_task *task = gr_self()->task;
    gr_tensor *g = task->gradient[c->first_value + (uint32_t)i - task->low];
    if (gr_likely(g != NULL)) return g;
    const gr_tensor *y = gr_out(c, i)->tensor;
    gr_make_args zeros = {.shape = gr_sizes_of(y), .site = gr_site_of(c), .dtype = (gr_dtype)y->dtype,
                          .device = gr_place_device(y->device)};
    return gr_zeros_at(&zeros);
}

/* ---- the walk ---- */

static GR_COLD bool changed(const gr_task *task, const gr_call *c, const gr_tensor *x, const char *name)
{
    if (x->state != GR_LIVE)
        gr_fail(GR_ERROR_STATE, task->site, task->op, "%s (%s:%d) needs its %s, which was freed; must be alive", c->op->name,
                gr_file_name(c->file), c->line, name);
    else {
        const gr_storage *s = x->storage;
        const char *by = s->changed_by ? s->changed_by : "a call";
        gr_fail(GR_ERROR_STATE, task->site, task->op, "%s (%s:%d) needs its %s, %s (%s:%d) changed it; must be unchanged",
                c->op->name, gr_file_name(c->file), c->line, name, by, gr_file_name(s->changed_file), s->changed_line);
    }
    return false;
}

/* What backward reads is as it was when the call was made. */
static inline bool slot_unchanged(const gr_slot *slot)
{
    return slot->tensor->state == GR_LIVE && slot->tensor->storage->version == slot->version;
}

static inline bool unchanged(const gr_task *task, gr_call *c)
{
    for (uint32_t reads = c->reads; reads; reads &= reads - 1) {
        const int first = __builtin_ctz(reads), last = first == 31 ? c->inputs - 1 : first;
        for (int i = first; i <= last && i < c->inputs; i++)
            if (!gr_is_number(c, i) && c->slot[i].tensor && gr_unlikely(!slot_unchanged(&c->slot[i])))
                return changed(task, c, c->slot[i].tensor, gr_input_name(c->op, c->inputs, i));
    }
    for (uint32_t reads = c->reads_outputs; reads; reads &= reads - 1) {
        const gr_slot *slot = gr_out(c, __builtin_ctz(reads));
        if (gr_unlikely(!slot_unchanged(slot))) return changed(task, c, slot->tensor, "result");
    }
    return true;
}

static GR_COLD bool used_before(const gr_task *task, const gr_call *c)
{
    gr_fail(GR_ERROR_STATE, task->site, task->op,
            "%s has history that was already used at %s:%d (from %s, %s:%d); must be kept there: .retain_graph = true", task->of,
            gr_file_name(c->used_file), c->used_line, c->op->name, gr_file_name(c->file), c->line);
    return false;
}

/* Whether any gradient arrived at c's outputs. */
static inline bool is_reached(const gr_call *c, gr_tensor *const *gradient)
{
    bool reached = gradient[0] != NULL;
    for (uint32_t k = 1; k < c->outputs; k++) reached |= gradient[k] != NULL;
    return reached;
}

/* Whether any input of c wants one: else its own result was asked for, and the walk goes no further. */
static inline bool leads_on(const gr_task *task, const gr_call *c)
{
    bool wanted = task->needed == NULL;
    for (int i = 0; i < c->inputs && !wanted; i++) wanted = needs(task, c, i);
    return wanted;
}

static GR_COLD bool value_hooks(gr_thread *t, const gr_call *c, gr_tensor **gradient)
{
    for (uint32_t k = 0; k < c->outputs; k++)
        if (gradient[k] && !gr_run_hooks(t, NULL, c->first_value + k, &gradient[k])) return false;
    return true;
}

static inline bool apply_rule(gr_thread *t, gr_task *task, gr_call *c)
{
    const uint32_t owned = task->rule_owned = t->owned_count;
    t->running = c;
    const bool ok = c->op->backward(c) && !t->failed;
    t->running = NULL;
    if (gr_unlikely(!ok)) {
        gr_call_unexplained(c, "backward");
        if (!task->create_graph) gr_owned_release(t, owned, task->site);
        return false;
    }
    if (gr_unlikely(t->owned_count != owned) && !task->create_graph) gr_owned_release(t, owned, task->site);
    if (!task->retain_graph) {
        c->used_file = task->site.file;
        c->used_line = task->site.line;
        c->used_by = task->serial;
    }
    return true;
}

/* With what is done besides: hooks see the gradients that have arrived, norms are noted, and what is handed over is
 * looked at. */
static GR_COLD bool apply_watched_rule(gr_thread *t, gr_task *task, gr_call *c, gr_tensor **gradient)
{
    if (t->hooks && !value_hooks(t, c, gradient)) return false;
    if (!gr_norms_note(t, c) || !apply_rule(t, task, c)) return false;
    c->used_by = task->serial; /* of a history that is kept too: the norms count by it */
    return !t->anomaly || gr_anomaly_backward(t, c);
}

static inline bool run_rule(gr_thread *t, gr_task *task, gr_call *c, gr_tensor **gradient)
{
    if (gr_unlikely(c->used_file != NULL)) return used_before(task, c);
    if (gr_unlikely(!unchanged(task, c))) return false;
    return gr_unlikely(t->watches) ? apply_watched_rule(t, task, c, gradient) : apply_rule(t, task, c);
}

bool gr_task_walk(gr_thread *t, gr_task *task, gr_call *last)
{
    for (gr_call *c = last; c && c->first_value >= task->low; c = c->previous) {
        gr_tensor **gradient = &task->gradient[c->first_value - task->low];
        const uint8_t *needed = task->needed ? task->needed + (c->first_value - task->low) : NULL;
        const uint32_t outputs = c->outputs;
        if (!is_reached(c, gradient)) continue;
        if (gr_unlikely(!leads_on(task, c))) {
            if (t->hooks && !value_hooks(t, c, gradient)) return false;
            continue;
        }
        if (gr_unlikely(!run_rule(t, task, c, gradient))) return false;
        for (uint32_t k = 0; k < outputs; k++)
            if (gr_likely(!needed) || needed[k] != 2) gr_drop_gradient(t, task, &gradient[k]);
    }
    return true;
}
