/* in_place.c - what may be changed in place. */
#include "autograd/tape.h"

/* Whether a and b share memory otherwise than element by element. No stride is negative, so each lies between its first and
 * last element; two that only interleave count as sharing. */
static bool overlaps(const gr_tensor *a, const gr_tensor *b)
{
    if (a->storage != b->storage || !a->numel || !b->numel) return false;
    bool same = a->data == b->data && a->dim == b->dim;
    int64_t last_a = 0, last_b = 0;
    for (int d = 0; d < a->dim; d++) {
        last_a += (a->axis[d].size - 1) * a->axis[d].stride;
        const int64_t size = a->axis[d].size; /* of size 1 the stride is of no account */
        same = same && size == b->axis[d].size && (size == 1 || a->axis[d].stride == b->axis[d].stride);
    }
    for (int d = 0; d < b->dim; d++) last_b += (b->axis[d].size - 1) * b->axis[d].stride;
    const int64_t size = gr_dtype_size[a->dtype];
    return !same && a->data <= b->data + last_b * size && b->data <= a->data + last_a * size;
}

bool gr_may_change(gr_call *c, gr_thread *t, gr_tensor *x, bool needs)
{
    const char *name = gr_input_name(c->op, c->inputs, 0);
    char text[GR_SHAPE_TEXT];
    if (gr_repeats_elements(x))
        return gr_call_fail(c, "%s is %s with stride 0 (expanded); must own each element: gr_clone", name,
                            gr_shape_text(x, text));
    for (int i = 1; i < c->inputs; i++)
        if (!gr_is_number(c, i) && c->slot[i].tensor && overlaps(x, c->slot[i].tensor))
            return gr_call_fail(c, "%s and %s overlap in memory; must be the same or apart: gr_clone", name,
                                gr_input_name(c->op, c->inputs, i));
    const gr_tensor *root = x->base && x->base->state == GR_LIVE ? x->base : x;
    if (!t->recording || !(needs || root->requires_grad)) return true;
    if (root->requires_grad && root->value == 0)
        return gr_call_fail(c, "%s is %s leaf that requires grad; must be changed with recording off: gr_no_grad_begin",
                            name, root == x ? "a" : "a view of a");
    if (root->base) /* what else it showed would not learn of the change */
        return gr_call_fail(c, "%s is a view of a tensor that was freed; must be on its own: gr_clone", name);
    if (x->flags & GR_UNTRACKED_VIEW)
        return gr_call_fail(c, "%s is a view made with recording off; must be made with recording on", name);
    const uint32_t inner = t->scope[t->depth].owned;
    if (x->owned_at < inner || root->owned_at < inner || root->owned_at == GR_NOT_OWNED)
        return gr_call_fail(c, "%s is of an outer scope, so its history would be cut; must be of this scope: gr_clone",
                            name);
    return true;
}
