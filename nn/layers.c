/* layers.c - modules without parameters of their own: activations, Flatten, Sequential. */
#include <stdio.h>

#include "autograd/tape.h"
#include "nn/module_tree.h"
#include "nn/nn.h"

/* What a forward function returns whose only output is y. */
static bool only(gr_tensors *out, gr_tensor *y)
{
    out->count = 1;
    out->item[0] = y;
    return y != NULL;
}

/* ---- activations ---- */

static bool relu_forward(gr_module *m, const gr_tensors *in, gr_tensors *out)
{
    return gr_module_takes(m, in, 1) && only(out, gr_relu_at(in->item[0], gr_self()->forward_site));
}

static bool tanh_forward(gr_module *m, const gr_tensors *in, gr_tensors *out)
{
    return gr_module_takes(m, in, 1) && only(out, gr_tanh_at(in->item[0], gr_self()->forward_site));
}

static bool sigmoid_forward(gr_module *m, const gr_tensors *in, gr_tensors *out)
{
    return gr_module_takes(m, in, 1) && only(out, gr_sigmoid_at(in->item[0], gr_self()->forward_site));
}

static const gr_module_type relu_type = {.name = "ReLU", .forward = relu_forward},
                            tanh_type = {.name = "Tanh", .forward = tanh_forward},
                            sigmoid_type = {.name = "Sigmoid", .forward = sigmoid_forward};

gr_module *gr_nn_relu_at(gr_site site)
{
    return gr_module_new(&relu_type, site, "nn_relu");
}

gr_module *gr_nn_tanh_at(gr_site site)
{
    return gr_module_new(&tanh_type, site, "nn_tanh");
}

gr_module *gr_nn_sigmoid_at(gr_site site)
{
    return gr_module_new(&sigmoid_type, site, "nn_sigmoid");
}

/* ---- Flatten ---- */

static bool flatten_forward(gr_module *m, const gr_tensors *in, gr_tensors *out)
{
    const gr_nn_flatten_args *a = gr_module_data(m);
    if (!gr_module_takes(m, in, 1)) return false;
    return only(out, gr_flatten_at(&(gr_flatten_args){.x = in->item[0], .site = gr_self()->forward_site,
                                                      .start_dim = a->start_dim, .end_dim = a->end_dim}));
}

static void flatten_describe(const gr_module *m, char *text, size_t bytes)
{
    const gr_nn_flatten_args *a = gr_module_data_const(m);
    snprintf(text, bytes, "start_dim=%d, end_dim=%d", a->start_dim, a->end_dim);
}

static const gr_module_type flatten_type = {"Flatten", flatten_forward, flatten_describe, NULL, sizeof(gr_nn_flatten_args)};

static bool dim_fits(int dim, const char *name, gr_site site)
{
    if (dim >= -GR_MAX_DIMS && dim < GR_MAX_DIMS) return true;
    gr_fail(GR_ERROR_ARGUMENT, site, "nn_flatten", "%s is %d; must be %d to %d", name, dim, -GR_MAX_DIMS, GR_MAX_DIMS - 1);
    return false;
}

gr_module *gr_nn_flatten_at(const gr_nn_flatten_args *a)
{
    if (!dim_fits(a->start_dim, "start_dim", a->site) || !dim_fits(a->end_dim, "end_dim", a->site)) return NULL;
    if (a->start_dim > a->end_dim && (a->start_dim < 0) == (a->end_dim < 0))
        return gr_fail(GR_ERROR_ARGUMENT, a->site, "nn_flatten", "start_dim is %d, end_dim is %d; must not start after the end",
                       a->start_dim, a->end_dim);
    gr_module *m = gr_module_new(&flatten_type, a->site, "nn_flatten");
    if (m) *(gr_nn_flatten_args *)gr_module_data(m) = *a;
    return m;
}

/* ---- Sequential ---- */

static bool sequential_forward(gr_module *m, const gr_tensors *in, gr_tensors *out)
{
    gr_tensor *x = in->item[0];
    if (!gr_module_takes(m, in, 1)) return false;
    if (m->children == 0) return only(out, x);
    for (uint32_t i = 0; i < m->children; i++) {
        const gr_tensors between = {1, &x};
        if (!gr_module_run(m->child[i].module, &between, out)) return false;
        x = out->item[0];
    }
    return true;
}

static const gr_module_type sequential_type = {.name = "Sequential", .forward = sequential_forward};

/* All checks before anything is adopted. */
static bool modules_fit(gr_module *const *module, int count, gr_site site)
{
    char name[24];
    if (!gr_count_fits(count, "count", INT32_MAX, site, "nn_sequential")) return false;
    if (count && !module)
        return gr_fail(GR_ERROR_ARGUMENT, site, "nn_sequential", "module is NULL, count is %d; must hold so many", count) != NULL;
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "module[%d]", i);
        if (!gr_module_may_adopt(NULL, module[i], site, "nn_sequential", name)) return false;
        for (int k = 0; k < i; k++)
            if (module[k] == module[i])
                return gr_fail(GR_ERROR_ARGUMENT, site, "nn_sequential", "%s is module[%d] again; must be given once", name, k) != NULL;
    }
    return true;
}

gr_module *gr_nn_sequential_at(gr_module *const *module, int count, gr_site site)
{
    if (!modules_fit(module, count, site)) return NULL;
    const gr_compound whole = gr_compound_begin("nn_sequential");
    gr_module *m = gr_module_new(&sequential_type, site, "nn_sequential");
    if (!m || !gr_module_reserve(m, (uint32_t)count, site, "nn_sequential")) return gr_compound_end(&whole, NULL);
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        gr_module_adopt(m, name, module[i]);
    }
    return gr_compound_end(&whole, m);
}
