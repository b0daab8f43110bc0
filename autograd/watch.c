/* watch.c - reading elements on the way, and the norms of gradients. */
#include "autograd/watch.h"

#include <math.h>
#include <string.h>

#include "autograd/show.h"

void gr_watch_changed(gr_thread *t)
{
    t->watches = t->hooks || t->norms || t->anomaly;
}

/* ---- elements ---- */

/* Converts a run of elements at a time: of the last dimension, or of the whole of a row-major tensor. */
int64_t gr_read_next(gr_reader *r)
{
    const gr_tensor *x = r->x;
    if (r->done >= x->numel) return 0;
    const bool whole = x->contiguous || x->dim == 0;
    const gr_axis last = whole ? (gr_axis){x->numel, 1} : x->axis[x->dim - 1];
    const int64_t at = r->done % last.size, left = last.size - at;
    int64_t row = r->done / last.size, offset = at * last.stride;
    for (int d = x->dim - 1; !whole && d-- > 0; row /= x->axis[d].size)
        offset += row % x->axis[d].size * x->axis[d].stride;
    gr_tensor from = *x, to;
    from.dim = 1;
    from.numel = left < GR_READ_AT_ONCE ? left : GR_READ_AT_ONCE;
    from.axis[0] = (gr_axis){from.numel, last.stride};
    from.contiguous = last.stride == 1;
    from.data += offset * gr_dtype_size[x->dtype];
    gr_header_init(&to, 0);
    to.dtype = GR_FLOAT64;
    gr_copy_sizes(&to, &from);
    to.data = (char *)r->value;
    if (!gr_transfer(&to, &from)) return 0;
    r->done += from.numel;
    return from.numel;
}

double gr_norm(const gr_tensor *x)
{
    gr_reader r = {.x = x};
    double norm = 0;
    for (int64_t n; (n = gr_read_next(&r)) > 0;)
        for (int64_t i = 0; i < n; i++) norm = hypot(norm, r.value[i]);
    return fabs(norm); /* a NaN loses its sign */
}

/* ---- norms, by value ---- */

/* Scopes that end know nothing of them: a norm counts as long as the call was last used by the pass that noted it. */
typedef struct gr_norm_list {
    struct {
        double norm;
        uint32_t pass;
    } *of;
    uint32_t capacity;
} gr_norm_list;

static bool has_room(gr_norm_list *list, uint32_t value)
{
    while (value >= list->capacity) {
        const uint32_t before = list->capacity;
        if (!gr_grow(&list->of, &list->capacity, before, sizeof *list->of)) return false;
        memset(list->of + before, 0, (list->capacity - before) * sizeof *list->of);
    }
    return true;
}

bool gr_set_tape_norms_at(bool on, gr_site site)
{
    gr_thread *t = gr_self();
    if (t->failed) return false;
    if (!on) gr_norms_forget(t);
    if (on && !t->norms) {
        gr_norm_list *list = t->scope ? gr_allocate(sizeof *list) : NULL;
        if (list) *list = (gr_norm_list){NULL, 0};
        if (!list || !has_room(list, 0)) {
            gr_deallocate(list);
            return gr_fail_memory(site, "set_tape_norms", "the norms", sizeof *list) != NULL;
        }
        t->norms = list;
    }
    gr_watch_changed(t);
    return true;
}

void gr_norms_forget(gr_thread *t)
{
    if (t->norms) gr_deallocate(t->norms->of);
    gr_deallocate(t->norms);
    t->norms = NULL;
}

bool gr_norms_note(gr_thread *t, const gr_call *c)
{
    const gr_task *task = t->task;
    if (!t->norms) return true;
    if (!has_room(t->norms, c->first_value + c->outputs - 1)) {
        gr_fail_memory(task->site, task->op, "the norms", c->first_value * sizeof *t->norms->of);
        return false;
    }
    for (uint32_t k = 0; k < c->outputs; k++) {
        const gr_tensor *gradient = task->gradient[c->first_value + k - task->low];
        t->norms->of[c->first_value + k].pass = gradient ? task->serial : 0;
        if (gradient) t->norms->of[c->first_value + k].norm = gr_norm(gradient);
    }
    return true;
}

bool gr_norm_noted(const gr_thread *t, const gr_call *c, int k, double *norm)
{
    const uint32_t value = c->first_value + (uint32_t)k;
    if (!t->norms || !c->used_by || value >= t->norms->capacity || t->norms->of[value].pass != c->used_by) return false;
    *norm = t->norms->of[value].norm;
    return true;
}
