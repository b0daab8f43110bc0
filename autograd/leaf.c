/* leaf.c - which tensors collect a gradient, and looking at it. */
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/tape.h"
#include "core/print.h"

gr_tensor *gr_requires_grad__at(gr_tensor *x, bool on, gr_site site)
{
    if (gr_error_stands() || !gr_usable(x, site, "requires_grad_", "t")) return NULL;
    if (on && !gr_is_float(x->dtype))
        return gr_fail(GR_ERROR_ARGUMENT, site, "requires_grad_", "t is %s; must be a float to require grad",
                       gr_dtype_name[x->dtype]);
    const gr_tensor *current = gr_view_is_stale(x) ? x->base : x;
    if (current->value) {
        if (on) return x;
        return gr_fail(GR_ERROR_STATE, site, "requires_grad_", "t has history (%s, %s:%d); must be a leaf: gr_detach",
                       current->call->op->name, gr_file_name(current->call->file), current->call->line);
    }
    x->requires_grad = on;
    if (on) x->base = NULL; /* a leaf's history begins with it, whatever its memory shows */
    return x;
}

static gr_tensor *gradient_of(const gr_tensor *x)
{
    if (x->value) return gr_retained_gradient(x);
    return x->has_grad ? x->grad : NULL;
}

gr_tensor *gr_grad_at(const gr_tensor *x, gr_site site)
{
    return gr_usable(x, site, "grad", "t") ? gradient_of(x) : NULL;
}

bool gr_has_grad_at(const gr_tensor *x, gr_site site)
{
    return gr_usable(x, site, "has_grad", "t") && gradient_of(x) != NULL;
}

bool gr_zero_grad_tensor_at(gr_tensor *x, gr_site site)
{
    if (gr_error_stands() || !gr_usable(x, site, "zero_grad", "t")) return false;
    if (x->value) gr_retained_forget(gr_self(), x);
    else gr_gradient_absent(x, site);
    return true;
}

/* PyTorch's style: mse_loss is MseLossBackward0. */
const char *gr_history_name(const gr_tensor *x, char text[64])
{
    if (!x->value) return NULL;
    size_t used = 0;
    bool capital = true;
    for (const char *p = x->call->op->name; *p && used < 50; p++) {
        if (*p != '_') text[used++] = capital && *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
        capital = *p == '_';
    }
    memcpy(text + used, "Backward0", 10);
    return text;
}
