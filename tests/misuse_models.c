/* misuse_models.c - the calls of nn/ and optim/ as rows. */
#include <math.h>

#include "tests/misuse_rows.h"

static char text[64];

static bool forward(gr_module *m, const gr_tensors *in, gr_tensors *out)
{
    (void)m, (void)in, (void)out;
    return false;
}
static const gr_module_type type = {.name = "Thing", .forward = forward};

#define SGD .lr = R(1), .momentum = R(2), .dampening = R(3), .weight_decay = R(4)
/* An option of a group that is NAN is the first group's. */
#define SGD_ARGUMENTS(nan) \
    IN_REAL(lr, 0.1, nan "IJM"), IN_REAL(momentum, 0.9, nan "IJM"), IN_REAL(dampening, 0, nan "IJ"), \
        IN_REAL(weight_decay, 0, nan "IJM")
#define PARAMS(good) IN_LIST(params, good, "nyijukUo")

#define ROWS(ROW) \
    ROW(linear, "linear", MAKES, !gr_linear(T(0), T(1), .bias = T(2)), IN_TENSOR(x, 'n', "dhijukstb8"), \
        IN_TENSOR(weight, 'w', "dhijuksvtb8"), IN_OPTIONAL(bias, 'b', "dhijuksvwn8")) \
    ROW(mse_loss, "mse_loss", MAKES, !gr_mse_loss(T(0), T(1), .reduction = (gr_reduction)I(2)), \
        IN_TENSOR(x, 'n', "dhijukstvb8"), IN_TENSOR(target, 'n', "dhijukstvb8"), IN_INT(reduction, GR_NONE, GR_MEAN, GR_NONE)) \
    ROW(module_make, "module_make", MAKES, !gr_module_make(P(0)), IN_POINTER(type, (void *)&type)) \
    ROW(module_data, "module_data", READS, !gr_module_data(M(0)), IN_MODULE(m, module)) \
    ROW(module_data_const, "module_data_const", READS, !gr_module_data_const(M(0)), IN_MODULE(m, module)) \
    ROW(module_parameter, "module_parameter", LASTS, !gr_module_parameter(M(0), TXT(1), T(2)), IN_MODULE(m, module), \
        IN_TEXT(name, "extra"), IN_TENSOR(t, 'n', "ijukyf")) \
    ROW(module_buffer, "module_buffer", LASTS, !gr_module_buffer(M(0), TXT(1), T(2)), IN_MODULE(m, module), \
        IN_TEXT(name, "extra"), IN_TENSOR(t, 'n', "yf")) \
    ROW(module_child, "module_child", LASTS, !gr_module_child(M(0), TXT(1), M(2)), IN_MODULE(m, module), \
        IN_TEXT(name, "extra"), IN_MODULE(child, spare)) \
    ROW(module_tensor, "module_tensor", READS, !gr_module_tensor(M(0), TXT(1)), IN_MODULE(m, module), IN_TEXT(name, "weight")) \
    ROW(module_module, "module_module", READS, !gr_module_module(M(0), TXT(1)), IN_MODULE(m, stack), IN_TEXT(name, "0")) \
    ROW(module_text, "module_text", READS, gr_module_text(M(0), P(1), 5) == -1, IN_MODULE(m, module), IN_POINTER(text, text)) \
    ROW(print_module, "print", READS, !gr_print(M(0)), IN_MODULE(m, module)) \
    ROW(keep_module, "keep", READS, !gr_keep(M(0)), IN_MODULE(m, module)) \
    ROW(free_module, "free", READS, !gr_free(M(0)), IN_MODULE(m, module)) \
    ROW(forward, "forward", MAKES, !gr_forward(M(0), g.n), IN_MODULE(m, module)) \
    ROW(forward_all, "forward", MAKES, gr_forward_all(M(0), g.n).count == 0, IN_MODULE(m, module)) \
    ROW(parameters, "parameters", MAKES, gr_parameters(M(0)).count == 0, IN_MODULE(m, module)) \
    ROW(train, "train", LASTS, !gr_train(M(0)), IN_MODULE(m, module)) \
    ROW(eval, "eval", LASTS, !gr_eval(M(0)), IN_MODULE(m, module)) \
    ROW(is_training, "is_training", READS, !gr_is_training(M(0)), IN_MODULE(m, module)) \
    ROW(zero_grad_module, "zero_grad", LASTS, !gr_zero_grad(M(0)), IN_MODULE(m, module)) \
    ROW(module_to, "module_to", LASTS, !gr_module_to(M(0), .dtype = D(1), .device = DEV(2)), IN_MODULE(m, spare), \
        IN_DTYPE(GR_FLOAT64, "I"), IN_DEVICE) \
    ROW(nn_linear, "nn_linear", MAKES, !gr_nn_linear(N(0), N(1), .dtype = D(2)), IN_INT64(in_features, 4, 0, MOST), \
        IN_INT64(out_features, 2, 0, MOST), IN_DTYPE(GR_FLOAT64, "I")) \
    ROW(nn_sequential, "nn_sequential", MAKES, !gr_nn_sequential_at(P(0), I(1), GR_HERE), IN_POINTER(module, &g.spare), \
        IN_INT(count, 1, 0, INT64_MAX)) \
    ROW(nn_relu, "nn_relu", MAKES, !gr_nn_relu(), {0}) \
    ROW(nn_tanh, "nn_tanh", MAKES, !gr_nn_tanh(), {0}) \
    ROW(nn_sigmoid, "nn_sigmoid", MAKES, !gr_nn_sigmoid(), {0}) \
    ROW(nn_flatten, "nn_flatten", MAKES, !gr_nn_flatten(.start_dim = I(0), .end_dim = I(1)), IN_INT(start_dim, 1, -8, 7), \
        IN_INT(end_dim, -1, -8, 7)) \
    ROW(nn_mse_loss, "nn_mse_loss", MAKES, !gr_nn_mse_loss(.reduction = (gr_reduction)I(0)), \
        IN_INT(reduction, GR_SUM, GR_MEAN, GR_NONE)) \
    ROW(optim_gd, "optim_gd", MAKES, !gr_optim_gd(L(0), .lr = R(1)), PARAMS('l'), IN_REAL(lr, 0.1, "NIJM")) \
    ROW(optim_sgd, "optim_sgd", MAKES, !gr_optim_sgd(L(0), SGD), PARAMS('l'), SGD_ARGUMENTS("N")) \
    ROW(optim_group, "optim_group", LASTS, gr_optim_group(O(5), L(0), SGD) == -1, PARAMS('l'), SGD_ARGUMENTS(""), \
        IN_OPTIM(optim)) \
    ROW(optim_set, "optim_set", LASTS, !gr_optim_set(O(0), I(1), (gr_option)I(2), R(3)), IN_OPTIM(optim), \
        IN_INT(group, 0, 0, 0), IN_INT(option, GR_LR, 0, GR_MAXIMIZE), IN_REAL(value, 1, "NIJM")) \
    ROW(optim_get, "optim_get", READS, isnan(gr_optim_get(O(0), I(1), (gr_option)I(2))), IN_OPTIM(optim), \
        IN_INT(group, 0, 0, 0), IN_INT(option, GR_LR, 0, GR_MAXIMIZE)) \
    ROW(step, "step", LASTS, !gr_step(O(0)), IN_OPTIM(optim)) \
    ROW(zero_grad_optim, "zero_grad", LASTS, !gr_zero_grad(O(0)), IN_OPTIM(optim)) \
    ROW(keep_optim, "keep", READS, !gr_keep(O(0)), IN_OPTIM(optim)) \
    ROW(free_optim, "free", READS, !gr_free(O(0)), IN_OPTIM(optim))

ROWS(ROW_FUNCTION)
static const misuse_row rows[] = {ROWS(ROW_ENTRY)};
const misuse_table misuse_model_rows = {rows, sizeof rows / sizeof rows[0]};
