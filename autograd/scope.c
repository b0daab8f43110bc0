/* scope.c - who owns results, and whether calls are recorded. */
#include <stdio.h>

#include "autograd/tape.h"
#include "autograd/watch.h"
#include "core/parallel.h"

/* ---- histories of leaves' gradients ---- */

bool gr_note_history(gr_thread *t, gr_tensor *gradient)
{
    if (!gr_grow(&t->history, &t->history_capacity, t->histories, sizeof *t->history)) return false;
    t->history[t->histories++] = gradient;
    return true;
}

/* What a gradient was computed from is forgotten from value `from` on. */
static void cut_histories(gr_thread *t, uint32_t from)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->histories; i++) {
        gr_tensor *g = t->history[i];
        if (g->state == GR_LIVE && g->value && g->value < from)
            t->history[kept++] = g;
        else if (g->state == GR_LIVE) {
            g->value = 0;
            g->grad = NULL;
            g->requires_grad = false;
        }
    }
    t->histories = kept;
}

static void forget_gradient(gr_thread *t, gr_tensor *g)
{
    for (uint32_t i = t->histories; i-- > 0;)
        if (t->history[i] == g) t->history[i] = t->history[--t->histories];
}

/* ---- the end of tensors ---- */

static void end_gradient(gr_thread *t, gr_tensor **place, bool with_scope);

/* Data and gradient end; the header waits for its scope. */
static inline void kill(gr_thread *t, gr_tensor *x, bool with_scope, gr_site site)
{
    if (gr_unlikely(x->flags & GR_HOOKED)) gr_hooks_forget_tensor(t, x);
    if (x->value == 0 && x->grad) end_gradient(t, &x->grad, with_scope);
    gr_storage_drop(t, x->storage);
    x->state = GR_DEAD;
    x->died_file = site.file;
    x->died_line = site.line;
}

/* Calls and views may point to the header of a gradient, as they may to any dead tensor's, but no scope owns it. Where it
 * does not end with the scope of its leaf, it waits in limbo until nothing points to it. */
static void end_gradient(gr_thread *t, gr_tensor **place, bool with_scope)
{
    gr_tensor *g = *place;
    *place = NULL;
    if (g->value) forget_gradient(t, g);
    kill(t, g, with_scope, (gr_site){NULL, 0});
    if (with_scope) {
        gr_header_drop(t, g);
        return;
    }
    g->flags |= GR_IN_LIMBO;
    g->next_in_limbo = t->limbo;
    t->limbo = g;
    t->limbos++;
}

void gr_gradient_give_up(gr_thread *t, gr_tensor **place)
{
    end_gradient(t, place, false);
}

void gr_tensor_kill(gr_thread *t, gr_tensor *x, gr_site site)
{
    kill(t, x, false, site);
}

static inline void mark(gr_tensor *x)
{
    if (x && x->flags & GR_IN_LIMBO) x->is_pointed_to = true;
}

/* What calls and views point to. Returns how many there are of these. */
static uint32_t mark_limbo(gr_thread *t)
{
    uint32_t calls = 0;
    for (gr_tensor *g = t->limbo; g; g = g->next_in_limbo) g->is_pointed_to = false;
    for (gr_call *c = t->tape.last; c; c = c->previous, calls++)
        for (int i = 0; i < c->inputs + c->outputs; i++)
            if (i >= c->inputs || !gr_is_number(c, i)) mark(c->slot[i].tensor);
    for (uint32_t i = 0; i < t->owned_count; i++) {
        const gr_tensor *x = (t->owned[i] & 3) == GR_OWNS_TENSOR ? (const gr_tensor *)t->owned[i] : NULL;
        if (x && x->state == GR_LIVE) mark(x->base);
    }
    return calls + t->owned_count;
}

/* Headers that nothing points to go back. The next time is when as many have come as pay for looking. */
void gr_limbo_sweep(gr_thread *t)
{
    const uint32_t looked_at = mark_limbo(t);
    for (gr_tensor **place = &t->limbo, *g; (g = *place);)
        if (g->is_pointed_to) {
            place = &g->next_in_limbo;
        } else {
            *place = g->next_in_limbo;
            gr_header_drop(t, g);
            t->limbos--;
        }
    t->limbo_room = GR_LIMBO_ROOM + 2 * t->limbos + looked_at / GR_LIMBO_ROOM;
}

/* ---- ownership ---- */

GR_HOT void gr_owned_release(gr_thread *t, uint32_t keep, gr_site site)
{
    while (t->owned_count > keep) {
        const uintptr_t entry = t->owned[--t->owned_count];
        if (gr_likely((entry & 3) == GR_OWNS_TENSOR)) {
            gr_tensor *x = (gr_tensor *)entry;
            if (gr_likely(x->state == GR_LIVE)) kill(t, x, true, site);
            gr_header_drop(t, x);
        } else if ((entry & 3) == GR_OWNS_OBJECT) {
            gr_object *object = (gr_object *)(entry & ~(uintptr_t)3);
            if (object->alive == GR_LIVE) object->died = site;
            object->destroy(object);
        } else if ((entry & 3) == GR_OWNS_STORAGE)
            gr_storage_drop(t, (gr_storage *)(entry & ~(uintptr_t)3));
    }
}

/* What was recorded after the mark is forgotten. */
static inline void tape_back(gr_thread *t, const struct gr_tape_mark *mark)
{
    if (t->tape.values != mark->values) {
        if (gr_unlikely(t->hooks)) gr_hooks_forget_values(t, mark->values + 1);
        if (gr_unlikely(t->histories)) cut_histories(t, mark->values + 1);
    }
    t->tape = *mark;
}

/* ---- calls made of others ---- */

void gr_compound_undo(gr_thread *t, const gr_compound *whole)
{
    gr_scope_state *s = &t->scope[t->depth];
    if (t->changed_from < whole->owned || t->depth != whole->depth) return;
    gr_views_restore(t, whole->refreshes);
    gr_owned_release(t, whole->owned, (gr_site){NULL, 0});
    tape_back(t, &whole->tape);
    if (s->owned > t->owned_count) s->owned = t->owned_count; /* of what was kept, nothing is left */
}

/* ---- scopes ---- */

enum { MANY_SCOPES = 1000 }; /* so many open ones are told of, once: some loop does not end its own */

static gr_scope scope_open(bool recording, gr_site site, const char *op)
{
    gr_thread *t = gr_self();
    if (gr_unlikely(t->depth + 1 >= t->scope_capacity) &&
        !(t->scope && gr_grow(&t->scope, &t->scope_capacity, t->depth + 1, sizeof *t->scope))) {
        gr_fail_memory(site, op, "the scope", sizeof *t->scope);
        return (gr_scope){0, 0, 0};
    }
    if (gr_unlikely(t->depth == MANY_SCOPES) && !t->warned_depth) {
        t->warned_depth = true;
        fprintf(stderr, "%s:%d: %s: warning: %d scopes are open; each must be ended\n", site.file, site.line, op,
                MANY_SCOPES);
    }
    gr_scope_state *s = &t->scope[++t->depth];
    s->serial = ++t->serial;
    s->owned = t->owned_count;
    s->was_recording = t->recording;
    s->tape = t->tape;
    t->recording = recording;
    return (gr_scope){t->id, t->depth, s->serial};
}

gr_scope gr_scope_begin_at(gr_site site)
{
    return scope_open(gr_self()->recording, site, "scope_begin");
}

gr_scope gr_no_grad_begin_at(gr_site site)
{
    return scope_open(false, site, "no_grad_begin");
}

gr_scope gr_enable_grad_begin_at(gr_site site)
{
    return scope_open(true, site, "enable_grad_begin");
}

bool gr_grad_enabled(void)
{
    return gr_self()->recording;
}

GR_HOT bool gr_scope_end_at(gr_scope scope, gr_site site)
{
    gr_thread *t = gr_self();
    if (gr_unlikely(scope.thread != t->id || scope.depth == 0 || scope.depth > t->depth ||
                    t->scope[scope.depth].serial != scope.serial)) {
        gr_fail(GR_ERROR_STATE, site, "scope_end", "scope %s; must be open, on the thread that opened it",
                scope.serial == 0 ? "was not begun" : scope.thread != t->id ? "is of another thread" : "has ended already");
        return false;
    }
    if (gr_unlikely(t->task && scope.depth <= t->task->depth)) {
        gr_fail(GR_ERROR_STATE, site, "scope_end", "scope is the one that backward runs in; must stay open in a hook");
        return false;
    }
    const gr_scope_state *s = &t->scope[scope.depth];
    gr_owned_release(t, s->owned, site);
    tape_back(t, &s->tape);
    t->recording = s->was_recording;
    t->depth = scope.depth - 1;
    gr_limbo_look(t);
    return true;
}

void gr_scope_end_quietly(const gr_scope *scope)
{
    if (scope) gr_scope_end_at(*scope, (gr_site){"GR_SCOPED", 0});
}

/* ---- keep, free ---- */

static uint32_t depth_of(const gr_thread *t, uint32_t place)
{
    uint32_t depth = t->depth;
    while (depth > 0 && t->scope[depth].owned > place) depth--;
    return depth;
}

/* The entry moves to the enclosing scope: it changes places with the first one of its own scope, which then begins
 * one later. */
static uint32_t keep_entry(gr_thread *t, uint32_t owned_at)
{
    const uint32_t depth = depth_of(t, owned_at);
    if (depth == 0) return owned_at; /* the root's: there is nothing further out */
    const uint32_t first = t->scope[depth].owned;
    const uintptr_t other = t->owned[first], own = t->owned[owned_at];
    t->owned[first] = own;
    t->owned[owned_at] = other;
    if ((other & 3) == GR_OWNS_TENSOR) {
        if (((gr_tensor *)other)->state == GR_LIVE) ((gr_tensor *)other)->owned_at = owned_at; /* the dead need no place */
    } else if ((other & 3) == GR_OWNS_OBJECT)
        ((gr_object *)(other & ~(uintptr_t)3))->owned_at = owned_at;
    t->scope[depth].owned++;
    if (first < t->changed_from) t->changed_from = first;
    return first;
}

/* Whether base lives, and belongs to the scope that owns what is at `place`, or to one around it. */
static bool outlives(const gr_thread *t, const gr_tensor *base, uint32_t place)
{
    const uint32_t depth = depth_of(t, place);
    return base->state == GR_LIVE && base->owned_at < (depth < t->depth ? t->scope[depth + 1].owned : t->owned_count);
}

gr_tensor *gr_keep_tensor_at(gr_tensor *x, gr_site site)
{
    if (!gr_usable(x, site, "keep", "t")) return NULL;
    gr_thread *t = gr_self();
    const gr_tensor *current = gr_view_is_stale(x) ? x->base : x;
    if (current->value)
        return gr_fail(GR_ERROR_STATE, site, "keep",
                       "t has history made in this scope (%s, %s:%d); must be detached: gr_detach",
                       current->call->op->name, gr_file_name(current->call->file), current->call->line);
    if (!gr_is_owned(t, x->owned_at, x, GR_OWNS_TENSOR))
        return gr_fail(GR_ERROR_STATE, site, "keep", "t is not owned by a scope of this thread; must be");
    const bool moves = depth_of(t, x->owned_at) > 0;
    x->owned_at = keep_entry(t, x->owned_at);
    if (moves && x->base && !outlives(t, x->base, x->owned_at)) x->base = NULL;
    return x;
}

bool gr_free_tensor_at(gr_tensor *x, gr_site site)
{
    if (!gr_usable(x, site, "free", "t")) return false;
    gr_thread *t = gr_self();
    if (!gr_is_owned(t, x->owned_at, x, GR_OWNS_TENSOR)) {
        gr_fail(GR_ERROR_STATE, site, "free", "t is not owned by a scope of this thread; must be");
        return false;
    }
    gr_tensor_kill(t, x, site);
    x->flags |= GR_FREED;
    return true;
}

/* ---- objects: modules, optimizers ---- */

static bool object_keep(gr_object *object, gr_site site, const char *name, const char *kind)
{
    gr_thread *t = gr_self();
    if (!gr_object_usable(object, site, "keep", name, kind)) return false;
    if (!gr_is_owned(t, object->owned_at, object, GR_OWNS_OBJECT)) {
        gr_fail(GR_ERROR_STATE, site, "keep", "%s is not owned by a scope of this thread; must be", name);
        return false;
    }
    object->owned_at = keep_entry(t, object->owned_at);
    return true;
}

gr_module *gr_keep_module_at(gr_module *m, gr_site site)
{
    return object_keep((gr_object *)m, site, "m", "a module") ? m : NULL;
}

gr_optim *gr_keep_optim_at(gr_optim *o, gr_site site)
{
    return object_keep((gr_object *)o, site, "optimizer", "an optimizer") ? o : NULL;
}

/* ---- the ends of a thread ---- */

void gr_thread_close(gr_thread *t)
{
    t->task = NULL;
    t->depth = 0;
    gr_owned_release(t, 0, (gr_site){"thread end", 1});
    gr_hooks_forget_values(t, 0);
    for (gr_tensor *g = t->limbo; g; g = g->next_in_limbo) gr_header_drop(t, g);
    gr_deallocate(t->hook);
    gr_norms_forget(t);
    gr_deallocate(t->history);
    gr_deallocate(t->refreshed);
    for (uint32_t i = 0; i < t->chunks; i++) gr_deallocate(t->chunk[i]);
    gr_deallocate(t->chunk);
}

void gr_shutdown(void)
{
    gr_thread_shutdown();
    gr_parallel_shutdown();
}

/* ---- to another thread ---- */

gr_tensor *gr_release_at(gr_tensor *x, gr_site site)
{
    if (gr_error_stands() || !gr_usable(x, site, "release", "t")) return NULL;
    gr_thread *t = gr_self();
    if (x->value || x->base || x->grad || x->flags & GR_HOOKED)
        return gr_fail(GR_ERROR_STATE, site, "release", "t has history, a gradient or hooks; must be plain: gr_detach");
    if (!gr_is_owned(t, x->owned_at, x, GR_OWNS_TENSOR))
        return gr_fail(GR_ERROR_STATE, site, "release", "t is not owned by a scope of this thread; must be");
    t->outside = (gr_outside){"release", site};
    if (x->device && !gr_devices[x->device]->synchronise(x->device)) return NULL; /* another thread has another stream */
    gr_tensor *copy = gr_header_take(t); /* x's header stays with its scope, the data goes */
    if (!copy) return gr_fail_memory(site, "release", "the header", sizeof *copy);
    *copy = *x;
    copy->owned_at = GR_NOT_OWNED;
    copy->thread = 0;
    x->state = GR_DEAD;
    x->flags |= GR_RELEASED;
    x->died_file = site.file;
    x->died_line = site.line;
    return copy;
}

gr_tensor *gr_adopt_at(gr_tensor *x, gr_site site)
{
    if (gr_error_stands() || !gr_usable(x, site, "adopt", "t")) return NULL;
    gr_thread *t = gr_self();
    if (x->thread != 0 || x->owned_at != GR_NOT_OWNED)
        return gr_fail(GR_ERROR_STATE, site, "adopt", "t belongs to a scope or object; must have been released: gr_release");
    if (!gr_can_own(t) || !gr_headers_room(t, 1)) return gr_fail_memory(site, "adopt", "the owner's list", sizeof(void *));
    x->thread = t->id;
    gr_own(t, x);
    return x;
}
