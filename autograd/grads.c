/* grads.c - gradients as results: gr_autograd_grad and gr_autograd_grads. Only what leads to the inputs is walked. */
#include <stdio.h>
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/tape.h"

typedef struct {
    const char *op;
    const char *outputs, *inputs, *gradients; /* the names of its arguments: lists, or single tensors */
    bool lists;
} grads_call;

/* "outputs[1]", or the name alone */
static const char *entry_name(const grads_call *call, const char *list, int64_t i, char text[40])
{
    snprintf(text, 40, call->lists ? "%s[%lld]" : "%s", list, (long long)i);
    return text;
}

/* Entry i with the history that it has now; a list whose entries change is copied first. */
static gr_tensor *current_entry(gr_thread *t, gr_tensors *list, bool *copied, int64_t i, gr_site site, const char *op)
{
    gr_tensor *x = gr_view_current(t, list->item[i], site);
    if (!x || x == list->item[i]) return x;
    const size_t bytes = (size_t)list->count * sizeof x;
    gr_tensor **item = *copied ? list->item : gr_scope_memory(t, bytes);
    if (!item) return gr_fail_memory(site, op, "the list", bytes);
    if (!*copied) memcpy(item, list->item, bytes);
    *copied = true;
    list->item = item;
    return item[i] = x;
}

static bool list_usable(const grads_call *call, gr_tensors *list, const char *name, gr_site site)
{
    gr_thread *t = gr_self();
    char text[40];
    bool copied = false;
    if (list->count <= 0 || !list->item) {
        gr_fail(GR_ERROR_ARGUMENT, site, call->op, "%s is empty; must name a tensor", name);
        return false;
    }
    for (int64_t i = 0; i < list->count; i++) {
        const char *wrong = NULL;
        if (!gr_usable(list->item[i], site, call->op, entry_name(call, name, i, text))) return false;
        const gr_tensor *x = current_entry(t, list, &copied, i, site, call->op);
        if (!x) return false;
        if (!x->requires_grad) wrong = "does not require grad; must: gr_requires_grad_";
        if (x->value && x->thread != t->id) wrong = "has history of another thread; must be used there";
        if (wrong) return gr_fail(GR_ERROR_STATE, site, call->op, "%s %s", text, wrong) != NULL;
    }
    return true;
}

static bool arguments_fit(const grads_call *call, gr_autograd_grads_args *a)
{
    char y[40], g[40];
    if (!list_usable(call, &a->outputs, call->outputs, a->site) || !list_usable(call, &a->inputs, call->inputs, a->site))
        return false;
    if (a->gradients.count && (a->gradients.count != a->outputs.count || !a->gradients.item)) {
        gr_fail(GR_ERROR_ARGUMENT, a->site, call->op, "gradients has %lld entries, outputs %lld; must be as many",
                a->gradients.item ? (long long)a->gradients.count : 0, (long long)a->outputs.count);
        return false;
    }
    for (int64_t i = 0; i < a->outputs.count; i++)
        if (!gr_seed_fits(a->outputs.item[i], a->gradients.count ? a->gradients.item[i] : gr_absent, a->site, call->op,
                          entry_name(call, call->outputs, i, y), entry_name(call, call->gradients, i, g)))
            return false;
    return true;
}

/* The call of the highest value among the outputs, and the range of values that they reach. */
static gr_call *range(const gr_autograd_grads_args *a, gr_task *task)
{
    gr_call *last = NULL;
    task->low = UINT32_MAX;
    task->high = 0;
    for (int64_t i = 0; i < a->outputs.count; i++) {
        const gr_tensor *y = a->outputs.item[i];
        if (!y->value) continue;
        if (y->oldest < task->low) task->low = y->oldest;
        if (!last || y->call->first_value > last->first_value) last = y->call;
    }
    if (last) task->high = last->first_value + last->outputs - 1;
    if (!last) task->low = 1;
    return last;
}

/* Marks each value that an input's gradient passes through: 2 for the inputs themselves, 1 for what leads to them. */
static bool mark_needed(gr_thread *t, gr_task *task, gr_call *last, const gr_tensors *inputs, gr_storage **memory)
{
    if (!last) return true;
    const size_t values = task->high - task->low + 1;
    const size_t bytes = values * (1 + sizeof(gr_call *));
    *memory = gr_storage_take(t, bytes);
    if (!*memory) return gr_fail_memory(task->site, task->op, "the walk", bytes) != NULL;
    gr_call **call = (gr_call **)(void *)(*memory)->data;
    uint8_t *needed = (uint8_t *)(call + values);
    size_t calls = 0;
    memset(needed, 0, values);
    for (gr_call *c = last; c && c->first_value >= task->low; c = c->previous) call[calls++] = c;
    for (int64_t i = 0; i < inputs->count; i++) {
        const uint32_t value = inputs->item[i]->value;
        if (value >= task->low && value <= task->high) needed[value - task->low] = 2;
    }
    while (calls-- > 0) { /* from the oldest on */
        const gr_call *c = call[calls];
        bool leads = false;
        for (int i = 0; i < c->inputs && !leads; i++) {
            const gr_slot *slot = &c->slot[i];
            if (gr_is_number(c, i) || !slot->value) continue;
            if (slot->value == GR_LEAF)
                leads = gr_task_wants(task, slot->tensor);
            else
                leads = slot->value >= task->low && needed[slot->value - task->low];
        }
        for (uint32_t k = 0; leads && k < c->outputs; k++)
            if (!needed[c->first_value + k - task->low]) needed[c->first_value + k - task->low] = 1;
    }
    task->needed = needed;
    return true;
}

/* A recorded pass may hand on what it was given, a view, or one tensor to two inputs. A result is row-major and shares its
 * memory with nothing: made after the first `owned` results of the scope, else copied. */
static gr_tensor *own_recorded(gr_tensor *g, uint32_t owned, const gr_tensors *result, int64_t results, gr_site site)
{
    bool is_own = g->owned_at != GR_NOT_OWNED && g->owned_at >= owned && !g->base && g->contiguous &&
                  atomic_load_explicit(&g->storage->refs, memory_order_relaxed) == 1;
    for (int64_t i = 0; i < results; i++) is_own = is_own && result->item[i] != g;
    return is_own ? g : gr_clone_at(g, site);
}

/* The finished gradients, in the inputs' order, go to the open scope. */
static bool collect(gr_thread *t, gr_task *task, const grads_call *call, const gr_autograd_grads_args *a, uint32_t owned,
                    gr_tensors *result)
{
    char name[40];
    for (int64_t i = 0; i < a->inputs.count; i++) {
        gr_tensor *x = a->inputs.item[i], **place = gr_task_place(task, x), *g = place ? *place : NULL;
        for (int64_t j = 0; j < i && !g; j++) /* asked for twice */
            if (a->inputs.item[j] == x && result->item[j] != gr_absent) g = result->item[j];
        if (!g && !a->allow_unused)
            return gr_fail(GR_ERROR_STATE, a->site, call->op, "%s was not used for %s; must be, or give .allow_unused = true",
                           entry_name(call, call->inputs, i, name), call->outputs) != NULL;
        if (g && g->owned_at == GR_NOT_OWNED && !task->create_graph) {
            if (!gr_can_own(t)) return gr_fail_memory(a->site, call->op, "the owner's list", sizeof g) != NULL;
            gr_own(t, g);
        }
        if (g && place && *place && task->create_graph && !(g = own_recorded(g, owned, result, i, a->site))) return false;
        if (place) *place = NULL;
        result->item[i] = g ? g : gr_absent;
    }
    return true;
}

/* The walk; result.item has room for the inputs' gradients. */
static bool run(gr_thread *t, const grads_call *call, const gr_autograd_grads_args *a, gr_tensors *result)
{
    gr_task task = {.create_graph = a->create_graph, .retain_graph = a->retain_graph || a->create_graph,
                    .site = a->site, .op = call->op, .of = call->outputs};
    gr_call *last = range(a, &task);
    gr_storage *memory = NULL;
    const uint32_t owned = t->owned_count;
    if (!gr_task_begin(t, &task)) return false;
    const bool was_recording = t->recording;
    t->recording = a->create_graph;
    bool ok = true;
    for (int64_t i = 0; ok && i < a->inputs.count; i++)
        if (!a->inputs.item[i]->value) ok = gr_task_want(t, &task, a->inputs.item[i]);
    ok = ok && mark_needed(t, &task, last, &a->inputs, &memory);
    for (int64_t i = 0; ok && i < a->outputs.count; i++)
        ok = gr_task_seed(t, &task, a->outputs.item[i], a->gradients.count ? a->gradients.item[i] : gr_absent);
    ok = ok && gr_task_walk(t, &task, last) && gr_task_leaf_hooks(t, &task) && collect(t, &task, call, a, owned, result);
    t->recording = was_recording;
    gr_task_end(t, &task, ok);
    if (memory) gr_storage_drop(t, memory);
    return ok;
}

static gr_tensors grads(const grads_call *call, gr_autograd_grads_args a)
{
    gr_thread *t = gr_self();
    gr_tensors result = {0, NULL};
    if (t->failed) return result;
    const gr_compound whole = gr_compound_begin(NULL);
    const size_t bytes = (size_t)a.inputs.count * sizeof(gr_tensor *);
    if (arguments_fit(call, &a) && !(result.item = gr_scope_memory(t, bytes)))
        gr_fail_memory(a.site, call->op, "the list of results", bytes);
    if (result.item && run(t, call, &a, &result)) result.count = a.inputs.count;
    return gr_compound_end(&whole, result.count ? result.item[0] : NULL) ? result : (gr_tensors){0, NULL};
}

gr_tensors gr_autograd_grads_at(const gr_autograd_grads_args *a)
{
    return grads(&(grads_call){"autograd_grads", "outputs", "inputs", "gradients", true}, *a);
}

gr_tensor *gr_autograd_grad_at(const gr_autograd_grad_args *a)
{
    gr_tensor *y = a->y, *x = a->x, *gradient = a->gradient;
    const gr_autograd_grads_args list = {
        .outputs = {1, &y}, .inputs = {1, &x}, .site = a->site, .gradients = {gradient != gr_absent, &gradient},
        .retain_graph = a->retain_graph, .create_graph = a->create_graph, .allow_unused = a->allow_unused};
    const gr_tensors result = grads(&(grads_call){"autograd_grad", "y", "x", "gradient", false}, list);
    return result.count ? result.item[0] : NULL;
}
