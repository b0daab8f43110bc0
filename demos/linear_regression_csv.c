/* linear_regression_csv.c - fits a table (names in line 1, target in the last column) by least
 * squares, gradient descent and mini-batches. Runs in the root of the tree, or with a path. */
#include <stdio.h>
#include "gradus.h"

enum { TRAIN, TEST, MAX_FEATURES = 64 };
static gr_tensor *x[2], *y[2]; /* [rows, features] standardised, [rows, 1] */

static void report(const char *name, gr_tensor *weight, gr_tensor *bias)
{
    GR_SCOPED gr_scope scope = gr_no_grad_begin();
    printf("%-20s", name);
    for (int i = TRAIN; i <= TEST; i++) {
        gr_tensor *prediction = gr_add(gr_matmul(x[i], weight), bias);
        const double error = gr_item(gr_mse_loss(prediction, y[i]));
        const double variance = gr_item(gr_mean(gr_square(gr_sub(y[i], gr_mean(y[i])))));
        printf("  %9.2f  %6.4f%s", error, 1 - error / variance, i == TEST ? "\n" : "");
    }
}

/* x'x w = x'(y - mean y) by elimination; x's columns have mean 0, so that y's mean is the bias. */
static void least_squares(int n)
{
    gr_tensor *bias = gr_mean(y[TRAIN]), *left = gr_matmul(gr_t(x[TRAIN]), x[TRAIN]);
    gr_tensor *right = gr_matmul(gr_t(x[TRAIN]), gr_sub(y[TRAIN], bias));
    double a[MAX_FEATURES][MAX_FEATURES + 1];
    float w[MAX_FEATURES];
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= n; j++) a[i][j] = j < n ? gr_at(left, i, j) : gr_at(right, i, 0);
    for (int k = 0; k < n; k++)
        for (int i = 0; i < n; i++)
            for (int j = n; i != k && j >= k; j--) a[i][j] -= a[i][k] / a[k][k] * a[k][j];
    for (int i = 0; i < n; i++) w[i] = (float)(a[i][n] / a[i][i]);
    report("least squares", gr_from(w, n, 1), bias);
}

static void train(const char *name, gr_module *model, gr_optim *optimizer, int epochs, int batch)
{
    const int rows = (int)gr_size(x[TRAIN], 0);
    for (int epoch = 0; epoch < epochs && !gr_error(); epoch++) {
        GR_SCOPED gr_scope scope = gr_scope_begin();
        gr_tensor *order = gr_randperm(rows);
        for (int start = 0; start < rows; start += batch) {
            gr_tensor *now = gr_slice(order, .start = start, .end = start + batch);
            gr_tensor *prediction = gr_forward(model, gr_index_select(x[TRAIN], 0, now));
            gr_zero_grad(optimizer);
            gr_backward(gr_mse_loss(prediction, gr_index_select(y[TRAIN], 0, now)));
            gr_step(optimizer);
        }
    }
    const gr_tensors p = gr_parameters(model);
    if (!gr_error()) report(name, gr_t(p.item[0]), p.item[1]);
}

int main(int count, char **args)
{
    gr_tensor *table = gr_read_csv(count > 1 ? args[1] : "demos/diabetes.csv", .skip_header = true);
    if (!table) return 1; /* the library has said why */
    const int64_t rows = gr_size(table, 0), features = gr_size(table, 1) - 1, kept = rows * 4 / 5;
    if (features < 1 || features > MAX_FEATURES || rows < 2 * features)
        return fprintf(stderr, "must have 1 to %d features, twice as many rows\n", MAX_FEATURES), 1;
    gr_manual_seed(0);
    table = gr_index_select(table, 0, gr_randperm(rows));
    for (int i = TRAIN; i <= TEST; i++) {
        gr_tensor *part = gr_slice(table, .start = i * kept, .end = i == TRAIN ? kept : rows);
        x[i] = gr_narrow(part, 1, 0, features);
        y[i] = gr_narrow(part, 1, features, 1);
    }
    gr_tensor *mean = gr_mean(x[TRAIN], .dim = 0); /* the test rows have no say */
    gr_tensor *deviation = gr_sqrt(gr_mean(gr_square(gr_sub(x[TRAIN], mean)), .dim = 0));
    for (int i = TRAIN; i <= TEST; i++) x[i] = gr_div(gr_sub(x[i], mean), deviation);
    printf("%-20s  train MSE      R2   test MSE      R2\n", "");
    least_squares((int)features);
    gr_module *full = gr_nn_linear(features, 1), *mini = gr_nn_linear(features, 1);
    train("gradient descent", full, gr_optim_gd(gr_parameters(full), .lr = 0.1), 2000, (int)rows);
    gr_optim *momentum = gr_optim_sgd(gr_parameters(mini), .lr = 0.0005, .momentum = 0.9);
    train("mini-batch momentum", mini, momentum, 400, 32);
    return gr_error() ? 1 : 0;
}
