/* linear_regression.c - PyTorch's linear-regression tutorial: nn.Linear, MSELoss, SGD; then with mini-batches.
 * Prints what PyTorch prints for the same seed.  Usage: linear_regression [seed [cuda]] */
#include <gradus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void train_full_batch(gr_tensor *x, gr_tensor *y, gr_module *model, gr_optim *optimizer)
{
    char loss_text[32];
    for (int epoch = 1; epoch <= 1000; epoch++) {
        gr_scope step = gr_scope_begin();
        gr_tensor *loss = gr_mse_loss(gr_forward(model, x), y);
        gr_zero_grad(optimizer);
        gr_backward(loss);
        gr_step(optimizer);
        if (epoch % 100 == 0)
            printf("Epoch [%d/1000], Loss: %s\n", epoch, gr_repr(gr_item(loss), loss_text));
        gr_scope_end(step);
    }
}

/* Batches of ten in the order PyTorch's DataLoader(shuffle=True) draws them. */
static double train_epoch(gr_tensor *x, gr_tensor *y, gr_module *model, gr_optim *optimizer)
{
    double last = 0;
    gr_scope epoch = gr_scope_begin();
    gr_tensor *order = gr_sample_order(gr_size(x, 0), true);
    for (int64_t at = 0; at < gr_size(x, 0); at += 10) {
        gr_scope step = gr_scope_begin();
        gr_tensor *batch = gr_narrow(order, 0, at, 10);
        gr_tensor *prediction = gr_forward(model, gr_index_select(x, 0, batch));
        gr_tensor *loss = gr_mse_loss(prediction, gr_index_select(y, 0, batch));
        gr_zero_grad(optimizer);
        gr_backward(loss);
        gr_step(optimizer);
        last = gr_item(loss);
        gr_scope_end(step);
    }
    gr_scope_end(epoch);
    return last;
}

static void print_parameters(gr_module *model)
{
    printf("weight: ");
    gr_print(gr_module_tensor(model, "weight"));
    printf("bias: ");
    gr_print(gr_module_tensor(model, "bias"));
}

int main(int argc, char **argv)
{
    const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    char loss_text[32];
    if (argc > 2 && !strcmp(argv[2], "cuda")) gr_set_default_device(gr_cuda(0)); /* the one line that moves it all */
    for (int mini_batches = 0; mini_batches < 2; mini_batches++) {
        gr_manual_seed(seed);
        gr_tensor *x = gr_randn(100, 1);
        gr_tensor *noise = gr_randn(100, 1);
        gr_tensor *y = gr_add(gr_add(gr_mul(x, 3), 1), gr_mul(noise, 0.2));
        gr_module *model = gr_nn_linear(1, 1);
        gr_optim *optimizer = gr_optim_sgd(gr_parameters(model), .lr = 0.01);
        if (mini_batches)
            for (int epoch = 1; epoch <= 20; epoch++)
                printf("Epoch [%d/20], last batch's loss: %s\n", epoch,
                       gr_repr(train_epoch(x, y, model, optimizer), loss_text));
        else
            train_full_batch(x, y, model, optimizer);
        print_parameters(model);
    }
    return gr_error() ? 1 : 0;
}
