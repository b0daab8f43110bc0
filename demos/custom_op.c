/* custom_op.c - an operation of your own: forward on raw memory, backward by gr_ functions; checked, then trained.
 * y = x / sqrt(1 + alpha x^2),  dx = dy / sqrt(1 + alpha x^2)^3.  Carlile et al. 2017 (ISRU) */
#include <gradus.h>
#include <math.h>
#include <stdio.h>

typedef struct {
    double alpha;
} isru_attributes;

static bool isru_shape(gr_call *call)
{
    gr_tensor *x = gr_call_input(call, 0);
    const gr_dtype dtype = gr_dtype_of(x);
    if (dtype != GR_FLOAT32 && dtype != GR_FLOAT64) return gr_call_fail(call, "x is no float; must be float32 or float64");
    return gr_call_output_shape(call, 0, gr_shape_of(x), dtype);
}

/* Outputs are row-major; inputs may have any strides. */
static bool isru_forward(gr_call *call)
{
    const isru_attributes *a = gr_call_attributes(call);
    gr_tensor *x = gr_contiguous(gr_call_input(call, 0)), *y = gr_call_output(call, 0);
    if (!x) return false;
    const int64_t n = gr_numel(x);
    const void *from = gr_data(x);
    void *to = gr_data(y);
    for (int64_t i = 0; i < n; i++) {
        const double v = gr_dtype_of(x) == GR_FLOAT32 ? (double)((const float *)from)[i] : ((const double *)from)[i];
        const double value = v / sqrt(1 + a->alpha * v * v);
        if (gr_dtype_of(x) == GR_FLOAT32) ((float *)to)[i] = (float)value;
        else ((double *)to)[i] = value;
    }
    return true;
}

/* Written with gr_ functions, so it can be recorded: gradients of gradients come for free. */
static bool isru_backward(gr_call *call)
{
    const isru_attributes *a = gr_call_attributes(call);
    gr_tensor *x = gr_call_input(call, 0);
    gr_tensor *root = gr_rsqrt(gr_add(gr_mul(gr_square(x), a->alpha), 1));
    return gr_grad_add(call, 0, gr_mul(gr_call_gradient(call, 0), gr_pow(root, 3)));
}

static const gr_op isru_op = {.name = "isru", .shape = isru_shape, .forward = isru_forward, .backward = isru_backward,
                              .attribute_bytes = sizeof(isru_attributes), .reads_inputs = 1,
                              .rule = "dx = dy / sqrt(1 + alpha x^2)^3"};

/* The macro keeps the caller's line for error texts. */
#define isru(x, alpha) gr_apply(&isru_op, &(gr_tensor *){x}, 1, &(isru_attributes){alpha}, NULL)

static gr_tensor *checked(const gr_tensors *in, void *data)
{
    (void)data;
    return isru(in->item[0], 0.5);
}

int main(void)
{
    gr_manual_seed(1);
    gr_tensor *at = gr_randn_with(GR_SHAPE(2, 3), .dtype = GR_FLOAT64, .requires_grad = true);
    printf("gradcheck %s\n", gr_gradcheck(checked, GR_TENSORS(at)) ? "passed" : "failed");
    printf("gradgradcheck %s\n", gr_gradgradcheck(checked, GR_TENSORS(at)) ? "passed" : "failed");

    gr_tensor *x = gr_reshape(gr_arange(-2.0, 2.0, 0.125), -1, 1), *y = gr_sin(gr_mul(x, 2));
    gr_module *first = gr_nn_linear(1, 16), *second = gr_nn_linear(16, 1), *both = gr_nn_sequential(first, second);
    gr_optim *optimizer = gr_optim_sgd(gr_parameters(both), .lr = 0.1, .momentum = 0.9);
    for (int step = 0; step <= 1000; step++) {
        GR_SCOPED gr_scope scope = gr_scope_begin();
        gr_tensor *loss = gr_mse_loss(gr_forward(second, isru(gr_forward(first, x), 1)), y);
        gr_zero_grad(optimizer);
        gr_backward(loss);
        gr_step(optimizer);
        if (step % 250 == 0) printf("step %4d, loss %.6f\n", step, gr_item(loss));
    }
    return gr_error() ? 1 : 0;
}
