/* misuse_arguments.c - arguments that are wrong together: shapes, dimensions, indices, dtypes, numbers, sizes. */
#include <limits.h>
#include <math.h>

#include "tests/look.h"
#include "tests/misuse.h"

void refuse_shapes(void)
{
    REFUSED("reshape", "shape", !gr_reshape(g.n, 5, 3));
    REFUSED("reshape", "shape", !gr_reshape(g.n, -1, -1));
    REFUSED("reshape", "shape", !gr_reshape(g.n, -2, 6));
    REFUSED("reshape", "shape", !gr_reshape(g.n, 5, -1));
    REFUSED("reshape", "shape", !gr_reshape_at(g.n, GR_SHAPE(), GR_HERE));
    REFUSED("reshape", "shape", !gr_reshape(g.empty, 0, -1));
    REFUSED("reshape", "shape", !gr_reshape(g.n, INT64_MAX, 2));
    REFUSED("view", "shape", !gr_view(g.n, 13));
    REFUSED("permute", "order", !gr_permute(g.n, 0));
    REFUSED("permute", "order", !gr_permute(g.n, 0, 0));
    REFUSED("permute", "order", !gr_permute(g.n, 0, 2));
    REFUSED("permute", "order", !gr_permute(g.n, 0, INT64_MIN));
    REFUSED("expand", "shape", !gr_expand(g.n, 4));
    REFUSED("expand", "shape", !gr_expand(g.n, 3, 5));
    REFUSED("expand", "shape", !gr_expand(g.n, -1, 3, 4));
    REFUSED("expand", "shape", !gr_expand(g.n, INT64_MIN, 4));
    REFUSED("expand", "shape", !gr_expand(g.s, 1, 1, 1, 1, 1, 1, 1, 1, 1));
    REFUSED("expand", "shape", !gr_expand(g.s, INT64_C(1) << 60));
    REFUSED("at", "place", isnan(gr_at(g.n, 0)));
    REFUSED("at", "place", isnan(gr_at_at(g.n, GR_SHAPE(), GR_HERE)));
    REFUSED("at", "place", isnan(gr_at(g.n, 0, 4)));
    REFUSED("at", "place", isnan(gr_at(g.n, -4, 0)));
    REFUSED("matmul", "a", !gr_matmul(g.n, g.bias));
    REFUSED("matmul", "a", !gr_matmul(g.bias, g.n));
    REFUSED("matmul", "a", !gr_matmul(g.v, g.bias));
    gr_tensor *two = gr_expand(g.s, 2, 3, 4), *three = gr_expand(g.s, 3, 4, 5);
    REFUSED("matmul", "b", !gr_matmul(two, three));
    REFUSED("mse_loss", "target", !gr_mse_loss(g.n, g.v));
    REFUSED("mse_loss", "target", !gr_mse_loss(g.n, g.t, .reduction = GR_SUM));
    REFUSED("where", "condition", !gr_where(g.k, g.n, g.t));
    REFUSED("where", "condition", !gr_where(g.k, g.bias, 1));
    gr_tensor *line = gr_ones(3), *column = gr_ones(2, 1);
    REFUSED("lerp", "b", !gr_lerp(g.s, line, g.v)); /* a would meet c, what it made with b does not */
    REFUSED("lerp", "b", !gr_lerp(column, line, g.v));
    REFUSED("clamp", "lo", !gr_clamp(g.n, GR_ABSENT, GR_ABSENT));
    REFUSED("amax", "x", !gr_amax(g.empty, .dim = 0));
    REFUSED("amin", "x", !gr_amin(g.empty, .dim = -2));
    REFUSED("argmin", "x", !gr_argmin(g.empty, .dim = 0));
    REFUSED("backward", "gradient", !gr_backward(g.y));
    REFUSED("autograd_grad", "gradient", !gr_autograd_grad(g.y, g.leaf));
}

void refuse_weights(void)
{
    gr_tensor *cube = gr_ones(2, 2, 2), *none = gr_ones(3, 0), *zeros = gr_zeros(2, 3), *three = gr_ones(3);
    REFUSED("multinomial", "weights", !gr_multinomial(cube, 1));
    REFUSED("multinomial", "weights", !gr_multinomial(none, 1));
    REFUSED("multinomial", "weights", !gr_multinomial(zeros, 1));
    REFUSED("multinomial", "count", !gr_multinomial(three, 4));
    REFUSED("multinomial", "count", !gr_multinomial(three, INT64_MAX, .replacement = true));
    const double bad[] = {(double)NAN, (double)INFINITY, -1};
    for (int k = 0; k < 3; k++) {
        gr_tensor *weights = gr_expand(gr_full(bad[k]), 2, 3);
        REFUSED("multinomial", "weights", !gr_multinomial(weights, 1));
        REFUSED("multinomial", "weights", !gr_multinomial(weights, 5, .replacement = true));
    }
}

void refuse_dims(void)
{
    REFUSED("flatten", "start_dim", !gr_flatten(g.n, .start_dim = 1, .end_dim = 0));
    REFUSED("nn_flatten", "start_dim", !gr_nn_flatten(.start_dim = 2, .end_dim = 1));
    REFUSED("select", "dim", !gr_select(g.n, INT_MAX, 0));
    REFUSED("unsqueeze", "dim", !gr_unsqueeze(g.n, INT_MAX));
    REFUSED("sum", "dims", !gr_sum(g.n, .dims = GR_DIMS(0, 2)));
    REFUSED("sum", "dims", !gr_sum(g.n, .dims = GR_DIMS(0, 0)));
    REFUSED("sum", "dims", !gr_sum(g.n, .dims = GR_DIMS(1, -1)));
    REFUSED("sum", "dims", !gr_sum(g.n, .dim = 0, .dims = GR_DIMS(1)));
    REFUSED("mean", "dims", !gr_mean(g.n, .dims = GR_DIMS(0, -2)));
    REFUSED("amax", "dims", !gr_amax(g.n, .dim = 1, .dims = GR_DIMS(1)));
    gr_tensor *three = gr_view(g.n, 1, 3, 4);
    REFUSED("prod", "dims", !gr_prod(three, .dims = GR_DIMS(0, 1)));
    REFUSED("max_dim", "dim", !gr_max_dim(g.leaf, GR_ALL).values);
    REFUSED("min_dim", "dim", !gr_min_dim(g.n, GR_ALL).values);
}

static gr_tensor *index_of(int64_t value, int64_t other)
{
    const int64_t values[] = {0, value, other};
    return gr_from(values, 3);
}

void refuse_indices(void)
{
    if (!on_cpu("refuse_indices: a device tells later, see test_reduce.c")) return;
    const int64_t bad[] = {-1, 3, INT64_MAX, INT64_MIN};
    for (int k = 0; k < 4; k++) {
        gr_tensor *first = index_of(bad[k], 0), *last = index_of(0, bad[k]);
        REFUSED("index_select", "index", !gr_index_select(g.n, 0, first));
        REFUSED("index_select", "index", !gr_index_select(g.n, -2, last));
        REFUSED("narrow", "length", !gr_narrow(g.n, 0, 2, bad[k]));
    }
    REFUSED("narrow", "start", !gr_narrow(g.n, 0, -1, 2));
    REFUSED("select", "index", !gr_select(g.n, -1, 4));
}

void refuse_dtypes(void)
{
    gr_tensor *const others[] = {g.d, g.i, g.j, g.u, g.k};
    for (int k = 0; k < 5; k++) {
        REFUSED("linear", "dtype", !gr_linear(others[k], g.weight));
        REFUSED("mse_loss", "dtype", !gr_mse_loss(g.n, others[k], .reduction = GR_SUM));
        REFUSED("backward", "gradient", !gr_backward(g.y, .gradient = others[k]));
        if (k == 0) continue;
        REFUSED("add_", "a", !gr_add_(others[k], 1.5));
        REFUSED("div_", "a", !gr_div_(others[k], 2));
        REFUSED("bernoulli", "p", !gr_bernoulli(others[k]));
        REFUSED("mse_loss", "x", !gr_mse_loss(others[k], others[k]));
    }
    REFUSED("mul_", "a", !gr_mul_(g.k, 2));
    REFUSED("sub", "a", !gr_sub(g.k, g.k));
    REFUSED("pow", "a", !gr_pow(g.k, g.k));
    REFUSED("matmul", "a", !gr_matmul(g.k, g.k));
    REFUSED("pow", "b", !gr_pow(g.i, -1));
    REFUSED("pow", "b", !gr_pow(g.u, INT64_MIN));
    REFUSED("pow_", "b", !gr_pow_(g.i, -2));
    REFUSED("add", "operands", !gr_add(1, 2));
    REFUSED("lerp", "operands", !gr_lerp(1., 2., 3.));
    REFUSED("lt", "operands", !gr_lt(1, true));
    const gr_dtype integers[] = {GR_INT64, GR_INT32, GR_UINT8, GR_BOOL};
    for (int k = 0; k < 4; k++) {
        const gr_dtype dtype = integers[k];
        REFUSED("zeros", "requires_grad", !gr_zeros_with(GR_SHAPE(2), .dtype = dtype, .requires_grad = true));
        REFUSED("full_like", "requires_grad", !gr_full_like(g.n, 3, .dtype = dtype, .requires_grad = true));
    }
    REFUSED("full", "requires_grad", !gr_full_with(3, GR_SHAPE(2), .requires_grad = true));
    REFUSED("randint", "requires_grad", !gr_randint_with(0, 3, GR_SHAPE(2), .requires_grad = true));
}

static void refuse_numbers_that_do_not_fit(void)
{
    REFUSED("full", "value", !gr_full_with(256, GR_SHAPE(2), .dtype = GR_UINT8));
    REFUSED("full", "value", !gr_full_with((double)NAN, GR_SHAPE(2), .dtype = GR_INT64));
    REFUSED("full_like", "value", !gr_full_like(g.j, INT64_C(1) << 31));
    REFUSED("fill_", "value", !gr_fill_(g.u, -256));
    REFUSED("fill_", "value", !gr_fill_(g.n, 1e39));
    REFUSED("randint", "low", !gr_randint_with(-1, 3, GR_SHAPE(2), .dtype = GR_UINT8));
    REFUSED("randint", "high", !gr_randint_with(0, 257, GR_SHAPE(2), .dtype = GR_UINT8));
    REFUSED("randint", "high", !gr_randint_with(0, INT64_MAX, GR_SHAPE(2), .dtype = GR_INT32));
    REFUSED("randint", "high", !gr_randint_with(0, 3, GR_SHAPE(2), .dtype = GR_BOOL));
}

void refuse_numbers(void)
{
    REFUSED("uniform_", "from", !gr_uniform_(g.n, 1, 0));
    REFUSED("uniform_", "from", !gr_uniform_(g.n, -1.7e308, 1.7e308));
    REFUSED("uniform_", "to", !gr_uniform_(g.n, 0, 1e39));
    REFUSED("bernoulli_", "p", !gr_bernoulli_(g.n, 1.0000001));
    REFUSED("randint", "low", !gr_randint(3, 3, 2));
    REFUSED("randint", "low", !gr_randint(INT64_MAX, INT64_MIN, 2));
    REFUSED("arange", "step", !gr_arange(0., 3., 0.));
    REFUSED("arange", "end", !gr_arange(3, 0, 1));
    REFUSED("arange", "end", !gr_arange(0., 3., -1.));
    REFUSED("arange", "shape", !gr_arange(INT64_MIN, INT64_MAX, 1));
    REFUSED("arange", "shape", !gr_arange(0., 1e300, 1e-300));
    REFUSED("arange", "end", !gr_arange((INT64_C(1) << 53) + 1, INT64_C(1) << 53, 2));
    gr_tensors params = {1, &g.leaf};
    REFUSED("optim_sgd", "nesterov", !gr_optim_sgd(params, .nesterov = true));
    REFUSED("optim_sgd", "nesterov", !gr_optim_sgd(params, .nesterov = true, .momentum = 0.9, .dampening = 0.1));
    REFUSED("optim_group", "nesterov", gr_optim_group(g.optim, {1, &g.leaf}, .nesterov = 1, .dampening = 0.5) == -1);
    REFUSED_AS(NULL, "optim_group", "nesterov", "negative", gr_optim_group(g.optim, {1, &g.leaf}, .nesterov = -1) == -1);
    REFUSED_AS(NULL, "optim_group", "maximize", "negative", gr_optim_group(g.optim, {1, &g.leaf}, .maximize = -1) == -1);
    REFUSED("optim_set", "option", !gr_optim_set(g.gd, 0, GR_NESTEROV, 1));
    REFUSED("optim_set", "option", !gr_optim_set(g.gd, 0, GR_MOMENTUM, 0.5));
    REFUSED("optim_get", "option", isnan(gr_optim_get(g.gd, 0, GR_MOMENTUM)));
    REFUSED("optim_group", "momentum", gr_optim_group(g.gd, {1, &g.weight}, .momentum = 0.5) == -1);
    for (int option = GR_LR; option < GR_OPTIONS; option++)
        REFUSED("optim_set", NULL, !gr_optim_set(g.optim, 0, (gr_option)option, (double)NAN));
    refuse_numbers_that_do_not_fit();
}

/* Sizes that overflow on the way, and results that no memory could hold. */
void refuse_sizes(void)
{
    const int64_t big = INT64_C(1) << 32;
    REFUSED("zeros", "shape", !gr_zeros(INT64_C(1) << 61));
    REFUSED("eye", "n", !gr_eye(big));
    REFUSED("nn_linear", "in_features", !gr_nn_linear(big, big));
    REFUSED("arange", "shape", !gr_arange(0, INT64_C(1) << 62, 1));
    gr_tensor *tall = gr_expand(g.s, INT64_C(1) << 31, 1), *wide = gr_expand(g.s, 1, INT64_C(1) << 31);
    gr_tensor *long_index = gr_expand(gr_zeros_with(GR_SHAPE(1), .dtype = GR_INT64), big);
    REFUSED("add", "result", !gr_add(tall, wide));
    gr_tensor *rows = gr_view(tall, INT64_C(1) << 31, 1, 1), *more = gr_expand(g.s, big, 1, 1, 1);
    gr_tensor *weight = gr_view(wide, INT64_C(1) << 31, 1), *row = gr_expand(g.s, 1, big);
    REFUSED("where", "condition", !gr_where(g.k, rows, more));
    REFUSED("matmul", "result", !gr_matmul(tall, wide));
    REFUSED("linear", "result", !gr_linear(tall, weight));
    REFUSED("index_select", "result", !gr_index_select(row, 0, long_index));
    REFUSED("clamp", "result", !gr_clamp(tall, wide, GR_ABSENT));
    REFUSED("mse_loss", "target", !gr_mse_loss(tall, wide));
    gr_tensor *nothing = gr_zeros(INT64_C(1) << 62, 0), *flat = gr_zeros(big, big, 0);
    REFUSED("sum", "result", !gr_sum(nothing, .dim = 1));
    REFUSED("mean", "result", !gr_mean(nothing, .dim = -1));
    REFUSED("prod", "result", !gr_prod(nothing, .dim = 1));
    REFUSED("flatten", "size", !gr_flatten(flat, .end_dim = 1));
}
