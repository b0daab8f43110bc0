/* misuse_gradients.c - the calls of autograd/ as rows, but for the views. */
#include "tests/misuse_rows.h"

enum { ALL = GR_ALL };
#define REDUCED .dim = I(1), .dims = S(2), .dtype = D(3)
#define REDUCED_ARGUMENTS(bad) \
    IN_TENSOR(x, 'n', bad), IN_INT(dim, ALL, -2, 1), \
        IN_SHAPE(dims, "-", {0, {0}}), IN_DTYPE(GR_DTYPE_DEFAULT, "")
#define ALONG(bad) IN_TENSOR(x, 'n', bad), IN_INT(dim, 0, -2, 1)
static char text[64];

static bool shape(gr_call *c)
{
    return gr_call_output_shape(c, 0, gr_shape_of(gr_call_input(c, 0)), GR_FLOAT32);
}
static bool forward(gr_call *c)
{
    (void)c;
    return true;
}
static const gr_op nothing = {.name = "nothing", .shape = shape, .forward = forward, .attribute_bytes = 8};
static const int64_t attributes;

#define ROWS(ROW, PLAIN) \
    ROW(requires_grad_, "requires_grad_", LASTS, !gr_requires_grad_(T(0), true), IN_TENSOR(t, 'n', "ijuk")) \
    ROW(grad, "grad", READS, !gr_grad(T(0)), IN_TENSOR(t, 'l', "")) \
    ROW(has_grad, "has_grad", READS, !gr_has_grad(T(0)), IN_TENSOR(t, 'l', "")) \
    ROW(zero_grad_tensor, "zero_grad", LASTS, !gr_zero_grad(T(0)), IN_TENSOR(t, 'l', "")) \
    ROW(retain_grad, "retain_grad", LASTS, !gr_retain_grad(T(0)), IN_TENSOR(t, 'y', "ni")) \
    ROW(register_hook, "register_hook", LASTS, \
        gr_register_hook(T(0), P(1) ? misuse_hook : (gr_tensor * (*)(gr_tensor *, void *)) NULL, NULL).id == 0, \
        IN_TENSOR(t, 'l', "ni"), IN_POINTER(f, &g)) \
    ROW(print_tape, "print_tape", READS, !gr_print_tape(), {0}) \
    ROW(tape_text, "tape_text", READS, gr_tape_text(P(0), 5) == -1, IN_POINTER(text, text)) \
    ROW(tape_dot, "tape_dot", READS, !gr_tape_dot(TXT(0)), IN_TEXT(path, "/dev/null")) \
    ROW(set_tape_norms, "set_tape_norms", LASTS, !gr_set_tape_norms(true), {0}) \
    PLAIN(set_detect_anomaly, LASTS, (gr_set_detect_anomaly(true), gr_error() != NULL)) \
    PLAIN(is_anomaly_enabled, READS, gr_is_anomaly_enabled()) \
    PLAIN(grad_enabled, READS, !gr_grad_enabled()) \
    ROW(scope_begin, "scope_begin", MAKES, gr_scope_begin().serial == 0, {0}) \
    ROW(no_grad_begin, "no_grad_begin", MAKES, gr_no_grad_begin().serial == 0, {0}) \
    ROW(enable_grad_begin, "enable_grad_begin", MAKES, gr_enable_grad_begin().serial == 0, {0}) \
    ROW(hook_remove, "hook_remove", LASTS, !gr_hook_remove(g.hook), {0}) \
    ROW(backward, "backward", LASTS, !gr_backward(T(0), .gradient = T(1)), IN_TENSOR(loss, 'o', "snUy"), \
        IN_OPTIONAL(gradient, 's', "nvdhijuk")) \
    ROW(autograd_grad, "autograd_grad", LASTS, !gr_autograd_grad(T(0), T(1), .gradient = T(2)), \
        IN_TENSOR(y, 'o', "snUy"), IN_TENSOR(x, 'l', "nw"), IN_OPTIONAL(gradient, 's', "nvdhijuk")) \
    ROW(autograd_grads, "autograd_grads", LASTS, gr_autograd_grads(L(0), L(1), .gradients = L(2)).count == 0, \
        IN_LIST(outputs, 'o', "snUy"), IN_LIST(inputs, 'l', "nw"), IN_OPTIONAL_LIST(gradients, 's', "nvdhijuk")) \
    ROW(gradcheck, "gradcheck", LASTS, \
        !gr_gradcheck(P(0) ? misuse_square : (gr_check_function *)NULL, L(1), .h = R(2), .tolerance = R(3)), \
        IN_POINTER(f, &g), IN_LIST(inputs, 'c', "ldniw"), IN_REAL(h, 1e-3, "NIJM0"), IN_REAL(tolerance, 1e-9, "NIJM")) \
    ROW(gradgradcheck, "gradgradcheck", LASTS, \
        !gr_gradgradcheck(P(0) ? misuse_square : (gr_check_function *)NULL, L(1), .h = R(2), .tolerance = R(3)), \
        IN_POINTER(f, &g), IN_LIST(inputs, 'c', "ldniw"), IN_REAL(h, 1e-3, "NIJM0"), IN_REAL(tolerance, 1e-8, "NIJM")) \
    ROW(apply, "apply", MAKES, \
        !gr_apply_at(P(0), P(1), I(2), P(3), NULL, GR_HERE), IN_POINTER(op, (void *)&nothing), IN_POINTER(inputs, &g.n), \
        IN_INT(n, 1, 0, UINT16_MAX), IN_POINTER(attributes, (void *)&attributes)) \
    ROW(sum, "sum", MAKES, !gr_sum(T(0), REDUCED), REDUCED_ARGUMENTS("")) \
    ROW(mean, "mean", MAKES, !gr_mean(T(0), REDUCED), REDUCED_ARGUMENTS("ijuk")) \
    ROW(prod, "prod", MAKES, !gr_prod(T(0), REDUCED), REDUCED_ARGUMENTS("")) \
    ROW(amax, "amax", MAKES, !gr_amax(T(0), REDUCED), REDUCED_ARGUMENTS("e")) \
    ROW(amin, "amin", MAKES, !gr_amin(T(0), REDUCED), REDUCED_ARGUMENTS("e")) \
    ROW(max, "max", MAKES, !gr_max(T(0)), IN_TENSOR(x, 'n', "e")) \
    ROW(min, "min", MAKES, !gr_min(T(0)), IN_TENSOR(x, 'n', "e")) \
    ROW(argmax, "argmax", MAKES, !gr_argmax(T(0), .dim = I(1)), ALONG("ek")) \
    ROW(argmin, "argmin", MAKES, !gr_argmin(T(0), .dim = I(1)), ALONG("ek")) \
    ROW(max_dim, "max_dim", MAKES, !gr_max_dim(T(0), I(1)).values, ALONG("e")) \
    ROW(min_dim, "min_dim", MAKES, !gr_min_dim(T(0), I(1)).indices, ALONG("e")) \
    ROW(where, "where", MAKES, !gr_where(T(0), T(1), T(2)), IN_TENSOR(condition, 'k', "ndhiju"), \
        IN_TENSOR(a, 'n', "dhijuktb8"), IN_TENSOR(b, 'n', "dhijuktb8")) \
    ROW(clamp, "clamp", MAKES, !gr_clamp(T(0), T(1), T(2)), IN_TENSOR(x, 'n', "dhijuktb8"), IN_OPTIONAL(lo, 'v', "dhijuktb8"), \
        IN_OPTIONAL(hi, 'v', "dhijuktb8")) \
    ROW(gelu, "gelu", MAKES, !gr_gelu(T(0), .approximate = (gr_gelu_form)I(1)), IN_TENSOR(x, 'n', ""), \
        IN_INT(approximate, 0, 0, GR_GELU_TANH)) \
    ROW(matmul, "matmul", MAKES, !gr_matmul(T(0), T(1)), IN_TENSOR(a, 'n', "dhijukstb8"), IN_TENSOR(b, 't', "dhijuksnb8")) \
    ROW(index_select, "index_select", MAKES, !gr_index_select(T(0), I(1), T(2)), IN_TENSOR(x, 'n', "se"), \
        IN_INT(dim, 0, -2, 1), IN_TENSOR(index, 'x', "nijuksve")) \
    ROW(fill_, "fill_", LASTS, !gr_fill__at(T(0), V(1), GR_HERE), IN_TENSOR(x, 'n', "lE"), IN_NUMBER(value, 7, "")) \
    ROW(zero_, "zero_", LASTS, !gr_zero_(T(0)), IN_TENSOR(x, 'n', "lE")) \
    ROW(copy_, "copy_", LASTS, !gr_copy_(T(0), T(1)), IN_TENSOR(x, 'n', "stblE"), IN_TENSOR(source, 'v', "tb8"))

ROWS(ROW_FUNCTION, PLAIN_FUNCTION)
static const misuse_row rows[] = {ROWS(ROW_ENTRY, PLAIN_ENTRY)};
const misuse_table misuse_gradient_rows = {rows, sizeof rows / sizeof rows[0]};
