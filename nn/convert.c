/* convert.c - a module of another dtype, or on another device: all of it or nothing. */
#include <string.h>

#include "autograd/tape.h"
#include "nn/module_tree.h"

/* Whether backward of c reads input i, or hands it a gradient, which is of its dtype. */
static bool is_bound_to(const gr_call *c, int i)
{
    return c->slot[i].value != 0 || (c->reads >> (i < 31 ? i : 31) & 1);
}

static bool is_needed_by_tape(const gr_tensor *x)
{
    for (const gr_call *c = gr_self()->tape.last; c; c = c->previous)
        for (int i = 0; !c->used_file && i < c->inputs; i++)
            if (!gr_is_number(c, i) && c->slot[i].tensor == x && is_bound_to(c, i)) return true;
    return false;
}

static bool may_convert(const gr_module *m, const gr_module_to_args *a)
{
    for (uint32_t i = 0; i < m->members; i++)
        if (is_needed_by_tape(m->member[i].tensor)) {
            gr_fail(GR_ERROR_STATE, a->site, "module_to", "\"%s\" is needed by a backward that has not run; must not change before",
                    m->member[i].name);
            return false;
        }
    for (uint32_t i = 0; i < m->children; i++)
        if (!may_convert(m->child[i].module, a)) return false;
    return true;
}

typedef struct {
    gr_dtype dtype; /* of the floats; the default leaves them as they are */
    int place;      /* of the device; < 0: where they are */
} conversion;

static gr_dtype dtype_for(const gr_tensor *x, const conversion *to)
{
    return to->dtype != GR_DTYPE_DEFAULT && gr_is_float(x->dtype) ? to->dtype : (gr_dtype)x->dtype;
}

static int place_for(const gr_tensor *x, const conversion *to)
{
    return to->place < 0 ? x->device : to->place;
}

/* What is to be converted, each tensor once, with the gradients; into list, unless that is NULL. Returns how many, at most. */
static int64_t list_members(const gr_module *m, const conversion *to, gr_tensor **list, int64_t count)
{
    for (uint32_t i = 0; i < m->members; i++) {
        gr_tensor *x = m->member[i].tensor;
        bool listed = dtype_for(x, to) == (gr_dtype)x->dtype && place_for(x, to) == x->device;
        for (int64_t k = 0; list && !m->member[i].owns && k < count; k++) listed |= list[k] == x;
        if (listed) continue;
        if (list) list[count] = x;
        count++;
        if (!x->grad) continue;
        if (list) list[count] = x->grad;
        count++;
    }
    for (uint32_t i = 0; i < m->children; i++) count = list_members(m->child[i].module, to, list, count);
    return count;
}

static gr_tensor *converted(gr_thread *t, const gr_tensor *x, const conversion *to)
{
    const gr_shape sizes = gr_sizes_of(x);
    gr_tensor *y = gr_tensor_sized(t, dtype_for(x, to), (uint8_t)place_for(x, to), sizes.count, sizes.size);
    if (!y || gr_transfer(y, x)) return y;
    gr_tensor_discard(t, y);
    return NULL;
}

/* x gets the storage of y, which ends with x's; x's header stays. */
static void exchange(gr_thread *t, gr_tensor *x, gr_tensor *y)
{
    gr_storage *old = x->storage;
    y->storage->version = old->version + 1;
    x->storage = y->storage;
    x->data = y->data;
    x->dtype = y->dtype;
    x->device = y->device;
    x->contiguous = true;
    memcpy(x->axis, y->axis, sizeof x->axis);
    y->storage = old;
    gr_tensor_discard(t, y);
}

/* All memory before anything changes. */
static bool convert_all(gr_thread *t, const gr_module *m, const conversion *to, gr_site site)
{
    int64_t count = list_members(m, to, NULL, 0), made = 0;
    const size_t bytes = 2 * (size_t)count * sizeof(gr_tensor *);
    gr_storage *block = gr_storage_take(t, bytes);
    if (!block) return gr_fail_memory(site, "module_to", "the list of tensors", bytes) != NULL;
    gr_tensor **list = (gr_tensor **)(void *)block->data, **ready = list + count;
    count = list_members(m, to, list, 0);
    while (made < count && (ready[made] = converted(t, list[made], to))) made++;
    const bool ok = made == count;
    if (!ok)
        gr_fail_memory(site, "module_to", "a converted tensor",
                       (size_t)list[made]->numel * gr_dtype_size[dtype_for(list[made], to)]);
    for (int64_t i = 0; i < made; i++) {
        if (ok) exchange(t, list[i], ready[i]);
        else gr_tensor_discard(t, ready[i]);
    }
    gr_storage_drop(t, block);
    return ok;
}

gr_module *gr_module_to_at(const gr_module_to_args *a)
{
    gr_module *m = a->m;
    if (!gr_module_usable(m, a->site, "module_to", "m")) return NULL;
    if (gr_error_stands()) return NULL;
    if (a->dtype != GR_DTYPE_DEFAULT && !gr_float_fits(a->dtype, a->site, "module_to")) return NULL;
    const int stay = GR_DEVICES, place = gr_device_place(a->device, stay, a->site, "module_to");
    if (place < 0) return NULL;
    if (a->dtype == GR_DTYPE_DEFAULT && place == stay) return m;
    if (!may_convert(m, a)) return NULL;
    gr_self()->outside = (gr_outside){"module_to", a->site};
    const conversion to = {a->dtype, place == stay ? -1 : place};
    return convert_all(gr_self(), m, &to, a->site) ? m : NULL;
}
