/* models.h - what is trained here, on the default device: the tutorial's line, and multilayer perceptrons. */
#ifndef GR_BENCH_MODELS_H
#define GR_BENCH_MODELS_H
#include <gradus.h>

#define LEARNING_RATE 0.01
enum { SAMPLES = 100 }; /* of the tutorial */

typedef struct {
    gr_tensor *x, *target;
    gr_module *model;
    gr_optim *optimizer;
} training;

static inline double train(const training *t, bool want_loss)
{
    gr_scope step = gr_scope_begin();
    gr_tensor *loss = gr_mse_loss(gr_forward(t->model, t->x), t->target);
    gr_zero_grad(t->optimizer);
    gr_backward(loss);
    gr_step(t->optimizer);
    const double value = want_loss ? gr_item(loss) : 0;
    gr_scope_end(step);
    return value;
}

static inline void train_steps(void *state, int64_t count)
{
    for (int64_t i = 0; i < count; i++) train(state, false);
}

/* y = 3 x + 1 + noise, by Linear(1, 1) */
static inline training make_tutorial(void)
{
    training t = {.x = gr_randn(SAMPLES, 1), .model = gr_nn_linear(1, 1)};
    t.target = gr_add(gr_add(gr_mul(t.x, 3), 1), gr_mul(gr_randn(SAMPLES, 1), 0.2));
    t.optimizer = gr_optim_sgd(gr_parameters(t.model), .lr = LEARNING_RATE);
    return t;
}

enum { MAX_LAYERS = 3, MAX_ROWS = 128 };

typedef struct {
    const char *name;
    int layers, rows, size[MAX_LAYERS + 1];
} network;

enum { NETWORKS = 2 };
static const network networks[NETWORKS] = {
    {"W2: MLP 784-128-10, batch 64", 2, 64, {784, 128, 10}},
    {"W3: MLP 784-1024-1024-10, batch 128", 3, 128, {784, 1024, 1024, 10}},
};

/* Row i is 1 at i mod classes: rows of the identity. */
static inline gr_tensor *one_hot(int rows, int classes)
{
    int64_t label[MAX_ROWS];
    for (int i = 0; i < rows; i++) label[i] = i % classes;
    return gr_index_select(gr_eye(classes), 0, gr_to(gr_from(label, rows), .device = gr_default_device()));
}

/* ReLU between the layers; random input, one-hot targets. */
static inline training make_mlp(const network *n)
{
    gr_module *linear[MAX_LAYERS];
    for (int l = 0; l < n->layers; l++) linear[l] = gr_nn_linear(n->size[l], n->size[l + 1]);
    gr_module *model = n->layers == 2 ? gr_nn_sequential(linear[0], gr_nn_relu(), linear[1])
                                      : gr_nn_sequential(linear[0], gr_nn_relu(), linear[1],
                                                         gr_nn_relu(), linear[2]);
    training t = {.x = gr_randn(n->rows, n->size[0]),
                  .target = one_hot(n->rows, n->size[n->layers]),
                  .model = model};
    t.optimizer = gr_optim_sgd(gr_parameters(model), .lr = LEARNING_RATE);
    return t;
}

#endif
