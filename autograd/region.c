/* region.c - a region of a tensor as an op; and how views and their base see each other's changes in place. */
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/geometry.h"

/* ---- a region of a row-major tensor: dx = 0 but for dy in that region ---- */

static const gr_op region_op, region_back_op;

static gr_tensor *region_run(gr_tensor *x, const gr_geometry *g, gr_site site)
{
    return gr_run1_with(&region_op, x, g, site);
}

/* region of dx += dy, for c, on the device. Where the region repeats elements (stride 0), dy is summed first. */
static bool region_add(const gr_call *c, gr_tensor *dx, const gr_geometry *g, const gr_tensor *dy)
{
    gr_thread *t = gr_self();
    gr_tensor region = gr_alias(dx), part = gr_alias(dy);
    gr_tensor *summed = NULL;
    bool ok = true;
    unsigned repeated = 0;
    region.dim = (uint8_t)g->dim;
    region.numel = 1;
    for (int d = 0; d < g->dim; d++) {
        region.axis[d] = g->axis[d];
        if (g->axis[d].stride == 0 && g->axis[d].size != 1) {
            repeated |= 1u << d;
            region.axis[d].size = part.axis[d].size = 1;
        }
        region.numel = gr_times(region.numel, region.axis[d].size);
    }
    region.data += g->offset * gr_dtype_size[dx->dtype];
    region.contiguous = gr_is_row_major(&region);
    if (repeated) {
        part.numel = region.numel;
        part.contiguous = false; /* its strides are those of dy */
        if (!(summed = gr_tensor_like(t, &part, (gr_dtype)dy->dtype)))
            return gr_fail_memory(gr_site_of(c), c->op->name, "a sum", (size_t)part.numel * gr_dtype_size[dy->dtype]) != NULL;
        ok = gr_kernels_of(dy)->reduce(GR_REDUCE_SUM, summed, dy, repeated, false);
    }
    if (ok) gr_kernels_of(dx)->accumulate(&region, summed ? summed : dy);
    if (summed) gr_tensor_discard(t, summed);
    return ok;
}

typedef struct {
    gr_shape whole;
    gr_geometry region;
} region_attributes;

static gr_tensor *region_back_run(gr_tensor *dy, gr_shape whole, const gr_geometry *g, gr_site site)
{
    return gr_run1_with(&region_back_op, dy, &(region_attributes){.whole = whole, .region = *g}, site);
}

bool gr_region_gradient(gr_call *c, const gr_geometry *g)
{
    gr_tensor *dy = gr_call_gradient(c, 0);
    if (!dy) return false;
    if (gr_is_recording_backward()) {
        gr_tensor *dx = region_back_run(dy, gr_sizes_of(c->slot[0].tensor), g, gr_site_of(c));
        return dx && gr_grad_add(c, 0, dx);
    }
    bool add;
    gr_tensor *dx = gr_grad_into(c, 0, &add);
    if (!dx) return false;
    if (!add) gr_kernels_of(dx)->fill(dx, gr_value_integer(0));
    return region_add(c, dx, g, dy);
}

/* A base whose elements do not lie row-major (a detached view): its memory as a line, in which regions have the strides
 * they have there. */
static gr_geometry layout_of(const gr_tensor *base)
{
    gr_geometry g = {.dim = base->dim};
    memcpy(g.axis, base->axis, sizeof g.axis);
    return g;
}

static gr_shape line_of(const gr_tensor *base)
{
    int64_t length = base->numel > 0;
    for (int d = 0; d < base->dim && base->numel; d++) length += (base->axis[d].size - 1) * base->axis[d].stride;
    return (gr_shape){1, {length}};
}

/* dy, of base's shape, as base lies in memory; and back. A row-major base lies as its gradient does. */
static gr_tensor *as_memory(gr_tensor *dy, const gr_tensor *base, gr_site site)
{
    const gr_geometry g = layout_of(base);
    if (!dy || base->contiguous) return dy ? gr_contiguous_at(dy, site) : NULL;
    return region_back_run(dy, line_of(base), &g, site);
}

static gr_tensor *from_memory(gr_tensor *memory, const gr_tensor *base, gr_site site)
{
    const gr_geometry g = layout_of(base);
    return !memory || base->contiguous ? memory : region_run(memory, &g, site);
}

static bool region_backward(gr_call *c)
{
    const gr_geometry *g = gr_attributes(c);
    const gr_tensor *base = c->slot[0].tensor;
    if (base->contiguous) return gr_region_gradient(c, g);
    gr_tensor *dy = gr_call_gradient(c, 0);
    gr_tensor *line = dy ? region_back_run(dy, line_of(base), g, gr_site_of(c)) : NULL;
    gr_tensor *dx = from_memory(line, base, gr_site_of(c));
    return dx && gr_grad_add(c, 0, dx);
}

static bool region_back_shape(gr_call *c)
{
    const region_attributes *r = gr_attributes(c);
    return gr_set_sizes(gr_call_new(c, 0, (gr_dtype)c->slot[0].tensor->dtype), r->whole.count, r->whole.size);
}

static bool region_back_forward(gr_call *c)
{
    const region_attributes *r = gr_attributes(c);
    gr_tensor *dx = gr_out(c, 0)->tensor;
    gr_kernels_of(dx)->fill(dx, gr_value_integer(0));
    return region_add(c, dx, &r->region, c->slot[0].tensor);
}

/* The gradient of "zeros but for dy in the region" is the region. */
static bool region_back_backward(gr_call *c)
{
    const region_attributes *r = gr_attributes(c);
    gr_tensor *whole = gr_contiguous_at(gr_call_gradient(c, 0), gr_site_of(c));
    gr_tensor *dy = whole ? region_run(whole, &r->region, gr_site_of(c)) : NULL;
    return dy && gr_grad_add(c, 0, dy);
}

static const gr_op region_op = {.name = "as_strided", .shape = gr_geometry_shape, .forward = gr_no_work,
                                .backward = region_backward, .attribute_bytes = sizeof(gr_geometry),
                                .rule = "dx = dy there, 0 elsewhere"};
static const gr_op region_back_op = {.name = "as_strided_backward", .shape = region_back_shape,
                                     .forward = region_back_forward, .backward = region_back_backward,
                                     .attribute_bytes = sizeof(region_attributes), .rule = "dx = dy there"};

/* ---- views and changes in place ---- */

/* Where view x lies in its base's memory. */
static gr_geometry place_in_base(const gr_tensor *x, const gr_tensor *base)
{
    gr_geometry g = {.dim = x->dim, .offset = (x->data - base->data) / gr_dtype_size[x->dtype]};
    memcpy(g.axis, x->axis, sizeof g.axis);
    return g;
}

/* Another header for what x shows. */
static gr_tensor *second_header(gr_thread *t, const gr_tensor *x, gr_site site)
{
    gr_tensor *y = gr_can_own(t) ? gr_header_take(t) : NULL;
    if (!y) return gr_fail_memory(site, "as_strided", "the header of a view", sizeof *y);
    *y = *x;
    y->requires_grad = false;
    y->history = 0;
    y->owned_at = GR_NOT_OWNED;
    y->flags = 0;
    y->grad = NULL;
    atomic_fetch_add_explicit(&y->storage->refs, 1, memory_order_relaxed);
    gr_own(t, y);
    return y;
}

bool gr_call_is_stale(const gr_call *c)
{
    for (int i = 0; i < c->inputs; i++)
        if (!gr_is_number(c, i) && c->slot[i].tensor && gr_view_is_stale(c->slot[i].tensor)) return true;
    return false;
}

/* A view as it was before it was taken again: the call that did it may be taken back. */
typedef struct gr_refreshed {
    gr_tensor *view;
    uint64_t history;
    gr_call *call;
    uint32_t base_value;
    uint16_t thread;
    bool requires_grad;
} gr_refreshed;

static bool remember(gr_thread *t, gr_tensor *x)
{
    if (!t->wholes) return true;
    if (!gr_grow(&t->refreshed, &t->refreshed_capacity, t->refreshes, sizeof *t->refreshed)) return false;
    t->refreshed[t->refreshes++] = (gr_refreshed){x, x->history, x->call, x->base_value, x->thread, x->requires_grad};
    return true;
}

void gr_views_restore(gr_thread *t, uint32_t from)
{
    while (t->refreshes > from) {
        const gr_refreshed *r = &t->refreshed[--t->refreshes];
        gr_tensor *x = r->view;
        x->history = r->history;
        x->call = r->call;
        x->base_value = r->base_value;
        x->thread = r->thread;
        x->requires_grad = r->requires_grad;
    }
}

/* Takes x from its base again, which may have been freed: its value is on the tape. A view of an outer scope keeps its
 * header, for the history made here ends here; another stands for it. */
static gr_tensor *refresh(gr_thread *t, gr_tensor *x, gr_site site)
{
    gr_tensor *base = x->base;
    const bool is_inner = x->owned_at != GR_NOT_OWNED && x->owned_at >= t->scope[t->depth].owned;
    gr_tensor *y = is_inner ? x : second_header(t, x, site);
    gr_call *c = y ? gr_call_begin(&region_op, 1, site) : NULL;
    if (!c) return NULL;
    gr_assert(y->value || !y->grad); /* what becomes a leaf has no base any more */
    if (is_inner && !remember(t, x))
        return gr_fail_memory(site, "as_strided", "the list of views", (t->refreshes + 1) * sizeof *t->refreshed);
    *(gr_geometry *)gr_attributes(c) = place_in_base(x, base);
    c->slot[0] = (gr_slot){.tensor = base, .value = base->value};
    gr_out(c, 0)->tensor = y;
    gr_call_record(c, t, base->oldest, 0);
    y->base_value = base->value;
    return y;
}

gr_tensor *gr_view_current(gr_thread *t, gr_tensor *x, gr_site site)
{
    return gr_view_is_stale(x) ? refresh(t, x, site) : x;
}

gr_call *gr_view_refresh(gr_thread *t, gr_call *c)
{
    const size_t bytes = (size_t)((char *)gr_attributes(c) - (char *)c) + c->op->attribute_bytes;
    gr_storage *aside = gr_storage_take(t, bytes);
    if (!aside) return gr_fail_memory(gr_site_of(c), c->op->name, "the call", bytes);
    memcpy(aside->data, c, bytes);
    gr_call *kept = (gr_call *)(void *)aside->data;
    bool ok = true;
    for (int i = 0; ok && i < kept->inputs; i++) {
        gr_slot *slot = &kept->slot[i];
        if (gr_is_number(kept, i)) continue;
        if (!slot->tensor) slot->tensor = gr_absent; /* as the caller gave it: inputs are checked again */
        else ok = (slot->tensor = gr_view_current(t, slot->tensor, gr_site_of(kept))) != NULL;
    }
    c = ok ? gr_call_begin(kept->op, kept->inputs, gr_site_of(kept)) : NULL;
    if (c) memcpy((void *)c, kept, bytes);
    gr_storage_drop(t, aside);
    return c;
}

/* inputs: base as it was, the view as it is; output: base as it is. The memory has changed already: such calls are recorded
 * without being run.  dbase = dy without the region, dview = dy in the region. */
static bool replace_backward(gr_call *c)
{
    const gr_geometry *g = gr_attributes(c);
    const gr_site site = gr_site_of(c);
    const gr_tensor *base = c->slot[0].tensor;
    gr_tensor *dy = as_memory(gr_call_gradient(c, 0), base, site);
    if (!dy) return false;
    if (gr_call_needs(c, 1)) {
        gr_tensor *dview = region_run(dy, g, site);
        if (!dview || !gr_grad_add(c, 1, dview)) return false;
    }
    if (!gr_call_needs(c, 0)) return true;
    gr_tensor *rest = gr_clone_at(dy, site), *region = rest ? region_run(rest, g, site) : NULL;
    if (!region || !gr_zero__at(region, site)) return false;
    gr_tensor *dbase = from_memory(rest, base, site);
    return dbase && gr_grad_add(c, 0, dbase);
}

static const gr_op replace_op = {.name = "copy_slices", .in_place = true, .shape = gr_no_work, .forward = gr_no_work,
                                 .backward = replace_backward, .attribute_bytes = sizeof(gr_geometry),
                                 .rule = "da = dy elsewhere, db = dy there"};

bool gr_view_may_replace_base(gr_thread *t, const gr_tensor *x, const gr_call *c)
{
    const size_t bytes = gr_call_bytes(&replace_op, 2);
    return !x->base || x->base->state != GR_LIVE || gr_tape_reserve(t, c, bytes) ||
           gr_fail_memory(gr_site_of(c), c->op->name, "the tape", bytes);
}

void gr_view_replace_base(gr_thread *t, gr_tensor *x, gr_site site)
{
    gr_tensor *base = x->base;
    if (!base || base->state != GR_LIVE) return;
    gr_call *c = gr_call_begin(&replace_op, 2, site);
    gr_assert(c); /* there is room: gr_view_may_replace_base */
    *(gr_geometry *)gr_attributes(c) = place_in_base(x, base);
    c->slot[0] = (gr_slot){.tensor = base, .value = base->value};
    c->slot[1] = (gr_slot){.tensor = x, .value = x->value};
    gr_out(c, 0)->tensor = base;
    const uint32_t oldest = base->value && base->oldest < x->oldest ? base->oldest : x->oldest;
    gr_call_record(c, t, oldest, 0);
    x->base_value = base->value;
}
