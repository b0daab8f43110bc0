/* nn.h - modules and the functions they are made of. */
#ifndef GR_NN_H
#define GR_NN_H
#include "autograd/autograd.h"
#include "nn/module.h"

GR_BEGIN_C

/* ---- functions ---- */

/* y = x w' + bias
 *   x       [..., in]   weight [out, in]   bias [out] or GR_ABSENT; of one dtype, any but bool
 *   returns [..., out]
 * dx = dy w,  dw = dy' x,  dbias = sum of dy over the rows. */
typedef struct gr_linear_args {
    gr_tensor *x, *weight;
    gr_site site;
    gr_tensor *bias GR_DEFAULT(GR_ABSENT);
} gr_linear_args;
GR_API gr_tensor *gr_linear_at(const gr_linear_args *args);

/* (x - target)^2: its mean over all n elements, its sum, or as it is.
 *   x, target  of one shape and float dtype
 *   returns    [], or x's shape with GR_NONE
 * dx = 2 (x - target) dy / n (GR_SUM, GR_NONE: without n),  dtarget = -dx. */
typedef struct gr_loss_args {
    gr_tensor *x, *target;
    gr_site site;
    gr_reduction reduction GR_DEFAULT(GR_MEAN);
} gr_loss_args;
GR_API gr_tensor *gr_mse_loss_at(const gr_loss_args *args);

/* ---- modules ---- */

/* gr_linear with a weight [out, in] and a bias [out] of a float dtype, both drawn from U(-1/sqrt(in), 1/sqrt(in)) as PyTorch
 * draws them, weight first.  He et al. 2015 */
typedef struct gr_nn_linear_args {
    int64_t in_features, out_features;
    gr_site site;
    bool bias GR_DEFAULT(true);
    gr_dtype dtype GR_DEFAULT(GR_DTYPE_DEFAULT);
} gr_nn_linear_args;
GR_API gr_module *gr_nn_linear_at(const gr_nn_linear_args *args);

/* Each module's output is the next one's input. Takes ownership of the modules, which a scope must own until then. */
GR_API gr_module *gr_nn_sequential_at(gr_module *const *module, int count, gr_site site);

/* gr_relu, gr_tanh, gr_sigmoid of the input. */
GR_API gr_module *gr_nn_relu_at(gr_site site);
GR_API gr_module *gr_nn_tanh_at(gr_site site);
GR_API gr_module *gr_nn_sigmoid_at(gr_site site);

/* gr_flatten of the input: dimensions start_dim to end_dim become one; the batch dimension stays by default. */
typedef struct gr_nn_flatten_args {
    gr_site site;
    int start_dim GR_DEFAULT(1), end_dim GR_DEFAULT(-1);
} gr_nn_flatten_args;
GR_API gr_module *gr_nn_flatten_at(const gr_nn_flatten_args *args);

/* gr_mse_loss of two inputs: gr_forward(loss, x, target). */
typedef struct gr_nn_loss_args {
    gr_site site;
    gr_reduction reduction GR_DEFAULT(GR_MEAN);
} gr_nn_loss_args;
GR_API gr_module *gr_nn_mse_loss_at(const gr_nn_loss_args *args);

GR_END_C

#ifndef __cplusplus
#define gr_linear(input, ...) \
    GR_CALL(gr_linear_at, gr_linear_args, .bias = GR_ABSENT, .site = GR_HERE, .x = input, .weight = __VA_ARGS__)
#define gr_mse_loss(input, ...) \
    GR_CALL(gr_mse_loss_at, gr_loss_args, .reduction = GR_MEAN, .site = GR_HERE, .x = input, .target = __VA_ARGS__)
#define gr_nn_linear(in, ...) \
    GR_CALL(gr_nn_linear_at, gr_nn_linear_args, .bias = true, .dtype = GR_DTYPE_DEFAULT, .site = GR_HERE, \
            .in_features = in, .out_features = __VA_ARGS__)
#define gr_nn_sequential(...) \
    gr_nn_sequential_at((gr_module *[]){__VA_ARGS__}, (int)(sizeof((gr_module *[]){__VA_ARGS__}) / sizeof(gr_module *)), \
                        GR_HERE)
#define gr_nn_relu() gr_nn_relu_at(GR_HERE)
#define gr_nn_tanh() gr_nn_tanh_at(GR_HERE)
#define gr_nn_sigmoid() gr_nn_sigmoid_at(GR_HERE)
#define gr_nn_flatten(...) \
    GR_CALL(gr_nn_flatten_at, gr_nn_flatten_args, .start_dim = 1, .end_dim = -1, .site = GR_HERE, __VA_ARGS__)
#define gr_nn_mse_loss(...) \
    GR_CALL(gr_nn_mse_loss_at, gr_nn_loss_args, .reduction = GR_MEAN, .site = GR_HERE, __VA_ARGS__)
#endif
#endif
