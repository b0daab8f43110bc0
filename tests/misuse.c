/* misuse.c - what refused calls are made with, and what they must not change. */
#include "tests/misuse.h"

#include <check.h>
#include <stdlib.h>

#include "core/internal.h"

/* ---- the world ---- */

misuse_world g;

gr_tensor *misuse_hook(gr_tensor *gradient, void *data)
{
    (void)data;
    return gradient;
}

gr_tensor *misuse_square(const gr_tensors *in, void *data)
{
    (void)data;
    return gr_sum(gr_mul(in->item[0], in->item[0]));
}

static gr_tensor *ramp(gr_dtype dtype)
{
    return gr_to(gr_reshape(gr_arange(1, 13, 1), 3, 4), .dtype = dtype);
}

static void make_tensors(void)
{
    const int64_t positions[] = {0, 1, 2};
    g.n = ramp(GR_FLOAT32);
    g.t = gr_to(gr_reshape(gr_arange(1, 13, 1), 4, 3), .dtype = GR_FLOAT32);
    g.v = gr_ones(4);
    g.s = gr_full(0.5);
    g.d = ramp(GR_FLOAT64);
    g.h = ramp(GR_BFLOAT16);
    g.i = gr_clone(ramp(GR_INT64));
    g.j = ramp(GR_INT32);
    g.u = ramp(GR_UINT8);
    g.k = gr_gt(g.n, 5);
    g.index = gr_from(positions, 3);
    g.empty = gr_zeros(0, 4);
    g.eight = gr_zeros(1, 1, 1, 1, 1, 1, 1, 2);
    g.wide = gr_expand(g.v, 3, 4);
    g.turned = gr_t(g.n);
    g.free = gr_release(gr_ones(2));
}

static void make_history(void)
{
    g.leaf = gr_requires_grad_(ramp(GR_FLOAT32), true);
    g.check = gr_requires_grad_(gr_ones_with(GR_SHAPE(2), .dtype = GR_FLOAT64), true);
    g.weight = gr_requires_grad_(gr_ones(2, 4), true);
    g.bias = gr_ones(2);
    g.used = gr_sum(gr_mul(gr_add(gr_sum(g.leaf), gr_sum(g.weight)), gr_sum(g.leaf)));
    gr_backward(g.used);
    g.y = gr_mul(g.leaf, 2);
    g.loss = gr_sum(gr_mul(g.y, g.y));
    g.hook = gr_register_hook(g.leaf, misuse_hook, NULL);
}

static void make_objects(void)
{
    g.module = gr_nn_linear(4, 2);
    g.owned = gr_nn_relu();
    g.stack = gr_nn_sequential(g.owned);
    g.mse = gr_nn_mse_loss();
    g.spare = gr_nn_tanh();
    g.optim = gr_optim_sgd((gr_tensors){1, &g.weight}, .lr = 0.1, .momentum = 0.9);
    g.gd = gr_optim_gd((gr_tensors){1, &g.leaf}, .lr = 0.1);
}

/* A stale pointer is told from a live one until 1024 others have died: this one has died just now. */
gr_tensor *misuse_dead(void)
{
    const gr_scope scope = gr_scope_begin();
    gr_tensor *x = gr_ones(3, 4);
    gr_scope_end(scope);
    return x;
}

static void make_dead(void)
{
    const gr_scope scope = gr_scope_begin();
    g.gone_module = gr_nn_relu();
    g.gone_optim = gr_optim_gd((gr_tensors){1, &g.weight});
    gr_scope_end(scope);
    g.dead_free = gr_ones(3, 4);
    gr_free(g.dead_free);
    g.dead_module = gr_nn_relu();
    gr_free(g.dead_module);
    g.dead_optim = gr_optim_gd((gr_tensors){1, &g.weight});
    gr_free(g.dead_optim);
}

gr_tensor *misuse_tensor(char letter)
{
    switch (letter) {
    case 'n': return g.n;
    case 't': return g.t;
    case 'v': return g.v;
    case 's': return g.s;
    case 'd': return g.d;
    case 'h': return g.h;
    case 'i': return g.i;
    case 'j': return g.j;
    case 'u': return g.u;
    case 'k': return g.k;
    case 'x': return g.index;
    case 'e': return g.empty;
    case '8': return g.eight;
    case 'l': return g.leaf;
    case 'c': return g.check;
    case 'w': return g.weight;
    case 'b': return g.bias;
    case 'y': return g.y;
    case 'U': return g.used;
    case 'o': return g.loss;
    case 'E': return g.wide;
    case 'T': return g.turned;
    case 'f': return g.free;
    default: ck_abort_msg("no tensor has the letter %c", letter);
    }
}

/* ---- what must not change ---- */

static uint64_t mix(uint64_t h, const void *bytes, size_t count)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < count; i++) h = (h ^ p[i]) * UINT64_C(1099511628211);
    return h;
}

/* Its elements, as any device gives them; how they lie; and what is said about it. */
static uint64_t mix_tensor(uint64_t h, const gr_tensor *x)
{
    char elements[256];
    const size_t bytes = (size_t)x->numel * gr_dtype_size[x->dtype];
    ck_assert(bytes <= sizeof elements && gr_to_array_at(x, elements, (gr_dtype)x->dtype, x->numel, GR_HERE));
    h = mix(mix(h, elements, bytes), x->axis, (size_t)x->dim * sizeof x->axis[0]);
    const uint32_t other[] = {x->dtype, x->dim, x->device, x->state, x->requires_grad, x->has_grad, x->value, x->flags,
                              x->storage->version};
    h = mix(h, other, sizeof other);
    return !x->value && x->has_grad ? mix_tensor(h, x->grad) : h;
}

/* Its text, and what trains under it. */
static uint64_t mix_module(uint64_t h, const gr_module *m)
{
    char text[512];
    const bool training = gr_is_training(m);
    const int length = gr_module_text(m, text, sizeof text);
    h = mix(mix(h, text, (size_t)length), &training, sizeof training);
    const gr_scope scope = gr_scope_begin();
    const gr_tensors parameters = gr_parameters(m);
    for (int64_t i = 0; i < parameters.count; i++) h = mix_tensor(h, parameters.item[i]);
    gr_scope_end(scope);
    return h;
}

static uint64_t mix_optim(uint64_t h, const gr_optim *o, gr_option options)
{
    for (int i = 0; i < (int)options; i++) {
        const double value = gr_optim_get(o, 0, (gr_option)i);
        h = mix(h, &value, sizeof value);
    }
    return h;
}

static uint64_t hash_world(void)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (const char *letter = "ntvsdhijukxe8lcwbyUoETf"; *letter; letter++) h = mix_tensor(h, misuse_tensor(*letter));
    gr_module *const modules[] = {g.module, g.owned, g.spare, g.mse, g.stack};
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) h = mix_module(h, modules[i]);
    return mix_optim(mix_optim(h, g.optim, GR_OPTIONS), g.gd, GR_LR + 1);
}

misuse_picture misuse_look(void)
{
    const gr_thread *t = gr_self();
    return (misuse_picture){.hash = hash_world(), .tape = t->tape.last, .owned = t->owned_count, .values = t->tape.values,
                            .depth = t->depth, .hooks = t->hooks, .dtype = gr_default_dtype(), .threads = gr_num_threads(),
                            .recording = t->recording, .anomaly = t->anomaly, .norms = t->norms != NULL};
}

/* The generator is looked at by drawing: a case that drew shifts the next number. */
void misuse_seed(void)
{
    gr_manual_seed(7);
}

bool misuse_seed_is_spent(void)
{
    static double first = -1;
    const gr_scope scope = gr_scope_begin();
    const double drawn = gr_item(gr_rand_with(GR_SHAPE(), .dtype = GR_FLOAT64));
    if (first < 0) { /* what a generator seeded so draws first */
        misuse_seed();
        first = gr_item(gr_rand_with(GR_SHAPE(), .dtype = GR_FLOAT64));
    }
    gr_scope_end(scope);
    return drawn != first;
}

const char *misuse_difference(const misuse_picture *a, const misuse_picture *b)
{
    if (a->hash != b->hash) return "an operand has changed";
    if (a->owned != b->owned) return "the scope owns another number of objects";
    if (a->tape != b->tape || a->values != b->values) return "the tape has moved";
    if (a->depth != b->depth) return "another number of scopes is open";
    if (a->recording != b->recording) return "recording has changed";
    if (a->hooks != b->hooks) return "another number of hooks waits";
    const bool same = a->anomaly == b->anomaly && a->norms == b->norms && a->dtype == b->dtype && a->threads == b->threads;
    return same ? NULL : "a setting has changed";
}

/* ---- begin, end ---- */

void misuse_begin(void)
{
    unsetenv("GRADUS_ABORT");
    misuse_listen();
    gr_manual_seed(3);
    g.scope = gr_scope_begin();
    make_tensors();
    make_history();
    make_objects();
    make_dead();
    ck_assert_msg(!gr_error(), "%s", gr_error());
}

void misuse_end(void)
{
    gr_error_clear();
    if (g.free->state == GR_LIVE && g.free->owned_at == GR_NOT_OWNED) gr_adopt(g.free);
    gr_scope_end(g.scope);
    gr_set_default_dtype(GR_FLOAT32);
    gr_set_detect_anomaly(false);
    gr_set_tape_norms(false);
    gr_error_clear();
    gr_set_error_handler(NULL, NULL);
}
