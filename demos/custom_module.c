/* custom_module.c - a module of your own: two Linear layers with a skip connection, y = x + second(tanh(first(x))). */
#include <gradus.h>
#include <stdio.h>

typedef struct {
    gr_module *first, *second;
} residual;

static bool residual_forward(gr_module *m, const gr_tensors *in, gr_tensors *out)
{
    const residual *r = gr_module_data(m);
    gr_tensor *x = in->item[0];
    out->item[0] = gr_add(x, gr_forward(r->second, gr_tanh(gr_forward(r->first, x))));
    out->count = 1;
    return out->item[0] != NULL;
}

static const gr_module_type residual_type = {
    .name = "Residual", .forward = residual_forward, .data_bytes = sizeof(residual)};

/* Children belong to the module that registers them. NULL after an error. */
static gr_module *residual_make(int64_t features, int64_t hidden)
{
    gr_module *m = gr_module_make(&residual_type);
    if (!m) return NULL;
    residual *r = gr_module_data(m);
    r->first = gr_module_child(m, "first", gr_nn_linear(features, hidden));
    r->second = gr_module_child(m, "second", gr_nn_linear(hidden, features));
    return r->first && r->second ? m : NULL;
}

int main(void)
{
    gr_manual_seed(2);
    gr_module *model = gr_nn_sequential(residual_make(2, 16), residual_make(2, 16), gr_nn_linear(2, 1));
    gr_print(model);

    gr_tensor *x = gr_randn(64, 2);
    gr_tensor *y = gr_mul(gr_narrow(x, 1, 0, 1), gr_narrow(x, 1, 1, 1)); /* y = x0 x1 */
    gr_optim *optimizer = gr_optim_sgd(gr_parameters(model), .lr = 0.02, .momentum = 0.9);
    double before = 0, after = 0;
    for (int step = 0; step <= 500; step++) {
        GR_SCOPED gr_scope scope = gr_scope_begin();
        gr_tensor *loss = gr_mse_loss(gr_forward(model, x), y);
        gr_zero_grad(optimizer);
        gr_backward(loss);
        gr_step(optimizer);
        after = gr_item(loss);
        if (step == 0) before = after;
        if (step % 100 == 0) printf("step %3d, loss %.6f\n", step, after);
    }
    printf("parameters %lld, the loss is %s\n", (long long)gr_parameters(model).count,
           after < before / 20 ? "less than a twentieth" : "too large");
    return gr_error() ? 1 : 0;
}
