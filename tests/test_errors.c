/* test_errors.c - misuse: each call refuses what it cannot take, says so in one line, and changes nothing.
 *
 * The texts stand in tests/messages.txt, so that a change of one is seen. MESSAGES_OUT=path writes those of this
 * build there. */
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/internal.h"
#include "gradus.h"
#include "tests/suites.h"

/* ---- what the calls are made with: all is good, but for what begins with dead ---- */

static struct {
    gr_tensor *n;      /* float32 [3, 4] */
    gr_tensor *t;      /* float32 [4, 3] */
    gr_tensor *v;      /* float32 [4] */
    gr_tensor *s;      /* float32 [], between 0 and 1 */
    gr_tensor *d;      /* float64 [3, 4] */
    gr_tensor *i;      /* int64 [3, 4] */
    gr_tensor *u;      /* uint8 [3, 4] */
    gr_tensor *k;      /* bool [3, 4] */
    gr_tensor *index;  /* int64 [3]: 0, 1, 2 */
    gr_tensor *empty;  /* float32 [0, 4] */
    gr_tensor *eight;  /* float32, 8 dimensions */
    gr_tensor *leaf;   /* float32 [3, 4], requires grad and has one */
    gr_tensor *check;  /* float64 [2], requires grad */
    gr_tensor *weight; /* float32 [2, 4], of the optimizer, has a gradient */
    gr_tensor *bias;   /* float32 [2] */
    gr_tensor *y;      /* leaf * 2 */
    gr_tensor *used;   /* a loss whose history is used up */
    gr_tensor *loss;   /* float32 [], sum of y */
    gr_tensor *wide;   /* float32 [3, 4], expanded */
    gr_tensor *dead_scope, *dead_free;
    gr_module *module, *owned, *spare, *dead_module, *mse;
    gr_optim *optim, *gd, *dead_optim;
} g;

static gr_tensor *ramp(gr_dtype dtype)
{
    return gr_to(gr_reshape(gr_arange(1, 13, 1), 3, 4), .dtype = dtype);
}

static void make_dead(void)
{
    const gr_scope scope = gr_scope_begin();
    g.dead_scope = gr_ones(3, 4);
    gr_scope_end(scope);
    g.dead_free = gr_ones(3, 4);
    gr_free(g.dead_free);
    g.dead_module = gr_nn_relu();
    gr_free(g.dead_module);
    g.dead_optim = gr_optim_gd((gr_tensors){1, &g.weight});
    gr_free(g.dead_optim);
}

static void make_world(void)
{
    const int64_t positions[] = {0, 1, 2};
    g.n = ramp(GR_FLOAT32);
    g.t = gr_to(gr_reshape(gr_arange(1, 13, 1), 4, 3), .dtype = GR_FLOAT32);
    g.v = gr_ones(4);
    g.s = gr_full(0.5);
    g.d = ramp(GR_FLOAT64);
    g.i = ramp(GR_INT64);
    g.u = ramp(GR_UINT8);
    g.k = gr_gt(g.n, 5);
    g.index = gr_from(positions, 3);
    g.empty = gr_zeros(0, 4);
    g.eight = gr_zeros(1, 1, 1, 1, 1, 1, 1, 2);
    g.leaf = gr_requires_grad_(ramp(GR_FLOAT32), true);
    g.check = gr_requires_grad_(gr_ones_with(GR_SHAPE(2), .dtype = GR_FLOAT64), true);
    g.weight = gr_requires_grad_(gr_ones(2, 4), true);
    g.bias = gr_ones(2);
    g.used = gr_sum(gr_mul(gr_add(gr_sum(g.leaf), gr_sum(g.weight)), gr_sum(g.leaf)));
    gr_backward(g.used);
    g.y = gr_mul(g.leaf, 2);
    g.loss = gr_sum(gr_mul(g.y, g.y));
    g.wide = gr_expand(g.v, 3, 4);
    g.module = gr_nn_linear(4, 2);
    g.owned = gr_nn_relu();
    gr_nn_sequential(g.owned);
    g.mse = gr_nn_mse_loss();
    g.spare = gr_nn_tanh();
    g.optim = gr_optim_sgd((gr_tensors){1, &g.weight}, .lr = 0.1, .momentum = 0.9);
    g.gd = gr_optim_gd((gr_tensors){1, &g.leaf}, .lr = 0.1);
    make_dead();
    ck_assert_msg(!gr_error(), "%s", gr_error());
}

/* ---- what must not change ---- */

static uint64_t mix(uint64_t h, const void *bytes, size_t count)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < count; i++) h = (h ^ p[i]) * UINT64_C(1099511628211);
    return h;
}

static uint64_t mix_tensor(uint64_t h, const gr_tensor *x)
{
    if (x->numel == 0) return h;
    int64_t last = 0;
    for (int a = 0; a < x->dim; a++) last += (x->axis[a].size - 1) * x->axis[a].stride;
    h = mix(h, x->data, (size_t)(last + 1) * gr_dtype_size[x->dtype]);
    h = mix(h, x->axis, (size_t)x->dim * sizeof x->axis[0]);
    const uint32_t other[] = {x->dtype, x->dim, x->state, x->requires_grad, x->has_grad, x->value, x->flags,
                              x->storage->version};
    h = mix(h, other, sizeof other);
    return !x->value && x->has_grad ? mix_tensor(h, x->grad) : h;
}

static uint64_t hash_world(void)
{
    gr_tensor *const tensors[] = {g.n,     g.t,    g.v,     g.s,      g.d,    g.i, g.u,    g.k,    g.index, g.empty,
                                  g.eight, g.leaf, g.check, g.weight, g.bias, g.y, g.used, g.loss, g.wide};
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) h = mix_tensor(h, tensors[i]);
    h = mix_tensor(h, gr_module_tensor(g.module, "weight"));
    h = mix_tensor(h, gr_module_tensor(g.module, "bias"));
    for (int o = 0; o < GR_OPTIONS; o++) {
        const double value = gr_optim_get(g.optim, 0, (gr_option)o);
        h = mix(h, &value, sizeof value);
    }
    return h;
}

typedef struct {
    uint64_t hash;
    const void *tape;
    uint32_t owned, values, depth;
    gr_dtype dtype;
    int threads;
    bool recording;
} picture;

static picture take_picture(void)
{
    const gr_thread *t = gr_self();
    return (picture){hash_world(), t->tape.last,       t->owned_count,  t->tape.values,
                     t->depth,     gr_default_dtype(), gr_num_threads(), t->recording};
}

static const char *difference(const picture *a, const picture *b)
{
    if (a->hash != b->hash) return "an operand has changed";
    if (a->owned != b->owned) return "the scope owns another number of objects";
    if (a->tape != b->tape || a->values != b->values) return "the tape has moved";
    if (a->depth != b->depth) return "another number of scopes is open";
    if (a->recording != b->recording) return "recording has changed";
    if (a->dtype != b->dtype || a->threads != b->threads) return "a setting has changed";
    return NULL;
}

/* ---- one case ---- */

static int handler_calls, cases, complaints;
static char handler_text[1024], complaint_text[2 << 10]; /* the rest goes to stderr */
enum { MOST_TEXTS = 4000 };
static char *texts[MOST_TEXTS];
static int text_count;

static void count_call(const char *text, void *data)
{
    (void)data;
    handler_calls++;
    snprintf(handler_text, sizeof handler_text, "%s", text);
}

static void complain(int line, const char *case_text, const char *reason)
{
    const size_t used = strlen(complaint_text);
    const char *text = gr_error() ? gr_error() : "";
    snprintf(complaint_text + used, sizeof complaint_text - used, "\n  line %d, %s: %s. %s", line, case_text, reason, text);
    if (used + 1 == sizeof complaint_text) fprintf(stderr, "  line %d, %s: %s. %s\n", line, case_text, reason, text);
    complaints++;
}

/* The calls of elementwise.def's rows are written there. */
static const char own_file[] = "test_errors.c:", row_file[] = "elementwise.def:";

/* "file:line: op: what is; what must be": the reason why it is not. */
static const char *wrong_form(const char *text, const char *op, const char *argument)
{
    if (strncmp(text, own_file, strlen(own_file)) != 0 && strncmp(text, row_file, strlen(row_file)) != 0)
        return "does not begin with the file";
    const char *p = strchr(text, ':') + 1;
    const size_t digits = strspn(p, "0123456789"), length = strlen(op);
    p += digits;
    if (!digits || strncmp(p, ": ", 2) != 0) return "has no line after the file";
    p += 2;
    if (strncmp(p, op, length) != 0 || strncmp(p + length, ": ", 2) != 0) return "has not the call's name";
    p += length + 2;
    const char *must = strstr(p, "; ");
    if (!must || must == p || !strstr(must, "must")) return "does not say what is and what must be";
    if (argument && !strstr(p, argument)) return "does not name the argument";
    if (strpbrk(text, "\n!") || strlen(text) > 500) return "is no short line";
    return NULL;
}

/* Keeps the text without file and line; those inside become "file:line". */
static void keep_text(const char *text)
{
    char line[1024];
    size_t used = 0;
    const char *p = strchr(text, ' ') + 1;
    while (*p && used + 16 < sizeof line) {
        if (!strncmp(p, own_file, sizeof own_file - 1)) {
            p += sizeof own_file - 1;
            p += strspn(p, "0123456789");
            while (used && line[used - 1] != '(' && line[used - 1] != ' ') used--; /* the folder */
            memcpy(line + used, "file:line", 9);
            used += 9;
        } else
            line[used++] = *p++;
    }
    line[used] = '\0';
    for (int i = 0; i < text_count; i++)
        if (!strcmp(texts[i], line)) return;
    ck_assert_int_lt(text_count, MOST_TEXTS);
    ck_assert_ptr_nonnull(texts[text_count++] = strdup(line));
}

static picture before;
static void begin_case(void)
{
    handler_calls = 0;
    before = take_picture();
}

static void end_case(int line, const char *case_text, const char *op, const char *argument, bool refused)
{
    cases++;
    if (!refused)
        complain(line, case_text, "the result is none of a failed call");
    else if (!gr_error())
        complain(line, case_text, "no error");
    else if (handler_calls != 1)
        complain(line, case_text, "the handler was not called once");
    else if (strcmp(handler_text, gr_error()) != 0)
        complain(line, case_text, "the handler was given another text");
    else if (gr_error_kind() != GR_ERROR_ARGUMENT && gr_error_kind() != GR_ERROR_STATE &&
             gr_error_kind() != GR_ERROR_FILE)
        complain(line, case_text, "another kind of error");
    else {
        const char *wrong = wrong_form(gr_error(), op, argument);
        if (wrong) complain(line, case_text, wrong);
        keep_text(gr_error());
    }
    const bool failed = gr_error() != NULL;
    gr_error_clear();
    const picture after = take_picture();
    const char *changed = difference(&before, &after);
    if (changed && (refused || failed)) complain(line, case_text, changed);
    if (gr_error()) complain(line, case_text, "an operand is no longer alive");
    gr_error_clear();
}

/* condition: the result is that of a failed call. */
#define REFUSED(op, argument, condition) \
    do { \
        begin_case(); \
        const bool refused_ = (condition); \
        end_case(__LINE__, #condition, op, argument, refused_); \
    } while (0)

/* ---- a bad tensor in each place of each call ---- */

typedef struct {
    const char *name; /* as the header has it */
    gr_tensor **good;
} slot;
enum { SLOTS = 3 };
typedef bool slot_call(gr_tensor *a, gr_tensor *b, gr_tensor *c);
typedef struct {
    const char *op;
    slot_call *refused;
    unsigned optional; /* bit i: slot i may be GR_ABSENT */
    slot slot[SLOTS];
} slot_row;

static gr_tensor *hook_function(gr_tensor *gradient, void *data)
{
    (void)data;
    return gradient;
}
static gr_tensor *check_function(const gr_tensors *in, void *data)
{
    (void)data;
    return gr_sum(gr_mul(in->item[0], in->item[0]));
}
static char buffer[64];
static float floats[16];

#define SLOT_ROWS(X) \
    X(dim, 0, gr_dim(a) == -1, {"t", &g.n}) \
    X(size, 0, gr_size(a, 0) == -1, {"t", &g.n}) \
    X(stride, 0, gr_stride(a, 0) == -1, {"t", &g.n}) \
    X(numel, 0, gr_numel(a) == -1, {"t", &g.n}) \
    X(dtype_of, 0, gr_dtype_of(a) == GR_DTYPE_DEFAULT, {"t", &g.n}) \
    X(device_of, 0, gr_device_of(a).kind == -1, {"t", &g.n}) \
    X(shape_of, 0, gr_shape_of(a).count == -1, {"t", &g.n}) \
    X(is_contiguous, 0, !gr_is_contiguous(a), {"t", &g.n}) \
    X(requires_grad, 0, !gr_requires_grad(a), {"t", &g.n}) \
    X(data, 0, !gr_data(a), {"t", &g.n}) \
    X(item, 0, isnan(gr_item(a)), {"t", &g.s}) \
    X(at, 0, isnan(gr_at(a, 0, 0)), {"t", &g.n}) \
    X(to_array, 0, !gr_to_array(a, floats, 12), {"t", &g.n}) \
    X(equal, 0, !gr_equal(a, b), {"a", &g.n}, {"b", &g.n}) \
    X(print, 0, !gr_print(a), {"t", &g.n}) \
    X(tensor_text, 0, gr_tensor_text(a, buffer, sizeof buffer) == -1, {"t", &g.n}) \
    X(keep, 0, !gr_keep(a), {"t", &g.n}) \
    X(free, 0, !gr_free(a), {"t", &g.n}) \
    X(release, 0, !gr_release(a), {"t", &g.n}) \
    X(adopt, 0, !gr_adopt(a), {"t", &g.n}) \
    X(empty_like, 0, !gr_empty_like(a), {"x", &g.n}) \
    X(zeros_like, 0, !gr_zeros_like(a), {"x", &g.n}) \
    X(ones_like, 0, !gr_ones_like(a), {"x", &g.n}) \
    X(full_like, 0, !gr_full_like(a, 3), {"x", &g.n}) \
    X(bernoulli, 0, !gr_bernoulli(a), {"p", &g.s}) \
    X(uniform_, 0, !gr_uniform_(a, 0, 1), {"t", &g.n}) \
    X(normal_, 0, !gr_normal_(a, 0, 1), {"t", &g.n}) \
    X(bernoulli_, 0, !gr_bernoulli_(a, 0.5), {"t", &g.n}) \
    X(exponential_, 0, !gr_exponential_(a, 1.5), {"t", &g.n}) \
    X(multinomial, 0, !gr_multinomial(a, 2), {"weights", &g.n}) \
    X(requires_grad_, 0, !gr_requires_grad_(a, true), {"t", &g.n}) \
    X(grad, 0, !gr_grad(a), {"t", &g.leaf}) \
    X(has_grad, 0, !gr_has_grad(a), {"t", &g.leaf}) \
    X(zero_grad, 0, !gr_zero_grad(a), {"t", &g.leaf}) \
    X(retain_grad, 0, !gr_retain_grad(a), {"t", &g.y}) \
    X(register_hook, 0, gr_register_hook(a, hook_function, NULL).id == 0, {"t", &g.leaf}) \
    X(backward, 2, !gr_backward(a, .gradient = b), {"loss", &g.loss}, {"gradient", &g.s}) \
    X(autograd_grad, 4, !gr_autograd_grad(a, b, .gradient = c), {"y", &g.loss}, {"x", &g.leaf}, {"gradient", &g.s}) \
    X(autograd_grads, 4, \
      gr_autograd_grads(((gr_tensors){1, &a}), (gr_tensors){1, &b}, .gradients = {1, &c}).count == 0, \
      {"outputs", &g.loss}, {"inputs", &g.leaf}, {"gradient", &g.s}) \
    X(gradcheck, 0, !gr_gradcheck(check_function, {1, &a}), {"input", &g.check}) \
    X(gradgradcheck, 0, !gr_gradgradcheck(check_function, {1, &a}), {"input", &g.check}) \
    X(reshape, 0, !gr_reshape(a, 12), {"x", &g.n}) \
    X(view, 0, !gr_view(a, 12), {"x", &g.n}) \
    X(transpose, 0, !gr_transpose(a, 0, 1), {"x", &g.n}) \
    X(permute, 0, !gr_permute(a, 1, 0), {"x", &g.n}) \
    X(t, 0, !gr_t(a), {"x", &g.n}) \
    X(expand, 0, !gr_expand(a, 3, 4), {"x", &g.n}) \
    X(narrow, 0, !gr_narrow(a, 0, 0, 1), {"x", &g.n}) \
    X(select, 0, !gr_select(a, 0, 0), {"x", &g.n}) \
    X(slice, 0, !gr_slice(a), {"x", &g.n}) \
    X(squeeze, 0, !gr_squeeze(a), {"x", &g.n}) \
    X(unsqueeze, 0, !gr_unsqueeze(a, 0), {"x", &g.n}) \
    X(flatten, 0, !gr_flatten(a), {"x", &g.n}) \
    X(contiguous, 0, !gr_contiguous(a), {"x", &g.n}) \
    X(clone, 0, !gr_clone(a), {"x", &g.n}) \
    X(detach, 0, !gr_detach(a), {"x", &g.n}) \
    X(to, 0, !gr_to(a, .dtype = GR_FLOAT64), {"x", &g.n}) \
    X(sum, 0, !gr_sum(a), {"x", &g.n}) \
    X(mean, 0, !gr_mean(a), {"x", &g.n}) \
    X(prod, 0, !gr_prod(a), {"x", &g.n}) \
    X(amax, 0, !gr_amax(a), {"x", &g.n}) \
    X(amin, 0, !gr_amin(a), {"x", &g.n}) \
    X(max, 0, !gr_max(a), {"x", &g.n}) \
    X(min, 0, !gr_min(a), {"x", &g.n}) \
    X(argmax, 0, !gr_argmax(a), {"x", &g.n}) \
    X(argmin, 0, !gr_argmin(a), {"x", &g.n}) \
    X(max_dim, 0, !gr_max_dim(a, 0).values, {"x", &g.n}) \
    X(min_dim, 0, !gr_min_dim(a, 0).indices, {"x", &g.n}) \
    X(where, 0, !gr_where(a, b, c), {"condition", &g.k}, {"a", &g.n}, {"b", &g.n}) \
    X(clamp, 6, !gr_clamp(a, b, c), {"x", &g.n}, {"lo", &g.v}, {"hi", &g.v}) \
    X(gelu, 0, !gr_gelu(a), {"x", &g.n}) \
    X(matmul, 0, !gr_matmul(a, b), {"a", &g.n}, {"b", &g.t}) \
    X(index_select, 0, !gr_index_select(a, 0, b), {"x", &g.n}, {"index", &g.index}) \
    X(fill_, 0, !gr_fill_(a, 1), {"x", &g.n}) \
    X(zero_, 0, !gr_zero_(a), {"x", &g.n}) \
    X(copy_, 0, !gr_copy_(a, b), {"x", &g.n}, {"source", &g.v}) \
    X(linear, 4, !gr_linear(a, b, .bias = c), {"x", &g.n}, {"weight", &g.weight}, {"bias", &g.bias}) \
    X(mse_loss, 0, !gr_mse_loss(a, b), {"x", &g.n}, {"target", &g.n}) \
    X(module_parameter, 0, !gr_module_parameter(g.module, "extra", a), {"t", &g.n}) \
    X(module_buffer, 0, !gr_module_buffer(g.module, "extra", a), {"t", &g.n}) \
    X(optim_gd, 0, !gr_optim_gd((gr_tensors){1, &a}), {"param", &g.leaf}) \
    X(optim_sgd, 0, !gr_optim_sgd((gr_tensors){1, &a}), {"param", &g.leaf}) \
    X(optim_group, 0, gr_optim_group(g.optim, {1, &a}) == -1, {"param", &g.leaf}) \
    X(lerp, 0, !gr_lerp(a, b, c), {"a", &g.n}, {"b", &g.n}, {"c", &g.n})

#define DEFINE(op, optional, condition, ...) \
    static bool slot_##op(gr_tensor *a, gr_tensor *b, gr_tensor *c) \
    { \
        (void)a, (void)b, (void)c; \
        return condition; \
    }
SLOT_ROWS(DEFINE)

#define PREDICATE(name, ...) DEFINE(name, 0, !gr_##name(a), )
#define UNARY(name, ...) DEFINE(name, 0, !gr_##name(a), ) DEFINE(name##_, 0, !gr_##name##_(a), )
#define COMPARE(name, ...) DEFINE(name, 0, !gr_##name(a, b), )
#define BINARY(name, ...) DEFINE(name, 0, !gr_##name(a, b), ) DEFINE(name##_, 0, !gr_##name##_(a, b), )
#define TERNARY(name, ...)
#include "core/elementwise.def"
#undef PREDICATE
#undef UNARY
#undef COMPARE
#undef BINARY

static const slot_row slot_rows[] = {
#define ENTRY(op, optional, condition, ...) {#op, slot_##op, optional, {__VA_ARGS__}},
    SLOT_ROWS(ENTRY)
#define PREDICATE(name, ...) {#name, slot_##name, 0, {{"x", &g.n}}},
#define UNARY(name, ...) {#name, slot_##name, 0, {{"x", &g.n}}}, {#name "_", slot_##name##_, 0, {{"x", &g.n}}},
#define COMPARE(name, ...) {#name, slot_##name, 0, {{"a", &g.n}, {"b", &g.n}}},
#define BINARY(name, ...) \
    COMPARE(name, ) {#name "_", slot_##name##_, 0, {{"a", &g.n}, {"b", &g.n}}},
#include "core/elementwise.def"
};
enum { SLOT_ROW_COUNT = sizeof slot_rows / sizeof slot_rows[0] };

static void call_with(const slot_row *row, int bad, gr_tensor *tensor, bool *refused)
{
    gr_tensor *in[SLOTS];
    for (int i = 0; i < SLOTS; i++) in[i] = i == bad ? tensor : row->slot[i].good ? *row->slot[i].good : NULL;
    *refused = row->refused(in[0], in[1], in[2]);
}

static void bad_tensors_from(int first, int end)
{
    static const char *const kinds[] = {"NULL", "of a scope that ended", "freed", "GR_ABSENT"};
    gr_tensor *const bad[] = {NULL, g.dead_scope, g.dead_free, GR_ABSENT};
    for (int r = first; r < end; r++)
        for (int i = 0; i < SLOTS && slot_rows[r].slot[i].name; i++)
            for (int k = 0; k < 4; k++) {
                const slot_row *row = &slot_rows[r];
                if (k == 3 && row->optional >> i & 1) continue;
                char name[96];
                snprintf(name, sizeof name, "%s, %s is %s", row->op, row->slot[i].name, kinds[k]);
                bool refused;
                begin_case();
                call_with(row, i, bad[k], &refused);
                end_case(__LINE__, name, row->op, row->slot[i].name, refused);
            }
}

static void bad_tensors(void)
{
    bad_tensors_from(0, SLOT_ROW_COUNT);
}

/* ---- dimensions out of range ---- */

#define DIM_ROWS(X) \
    X(size, "axis", gr_size(g.n, d) == -1, 0) \
    X(stride, "axis", gr_stride(g.n, d) == -1, 0) \
    X(transpose, "first", !gr_transpose(g.n, d, 0), 0) \
    X(narrow, "dim", !gr_narrow(g.n, d, 0, 1), 0) \
    X(select, "dim", !gr_select(g.n, d, 0), 0) \
    X(slice, "dim", !gr_slice(g.n, .dim = d), 0) \
    X(squeeze, "dim", !gr_squeeze(g.n, .dim = d), 0) \
    X(unsqueeze, "dim", !gr_unsqueeze(g.n, d), 1) \
    X(flatten, "start_dim", !gr_flatten(g.n, .start_dim = d), 0) \
    X(sum, "dim", !gr_sum(g.n, .dim = d), 0) \
    X(mean, "dim", !gr_mean(g.n, .dim = d), 0) \
    X(prod, "dim", !gr_prod(g.n, .dim = d), 0) \
    X(amax, "dim", !gr_amax(g.n, .dim = d), 0) \
    X(amin, "dim", !gr_amin(g.n, .dim = d), 0) \
    X(argmax, "dim", !gr_argmax(g.n, .dim = d), 0) \
    X(argmin, "dim", !gr_argmin(g.n, .dim = d), 0) \
    X(max_dim, "dim", !gr_max_dim(g.n, d).values, 0) \
    X(min_dim, "dim", !gr_min_dim(g.n, d).values, 0) \
    X(index_select, "dim", !gr_index_select(g.n, d, g.index), 0)

#define DEFINE_DIM(op, argument, condition, more) \
    static bool dim_##op(int d) \
    { \
        return condition; \
    }
DIM_ROWS(DEFINE_DIM)

static const struct {
    const char *op, *argument;
    bool (*refused)(int d);
    int more;
} dim_rows[] = {
#define ENTRY_DIM(op, argument, condition, more) {#op, argument, dim_##op, more},
    DIM_ROWS(ENTRY_DIM)
};

static void bad_dims(void)
{
    for (size_t r = 0; r < sizeof dim_rows / sizeof dim_rows[0]; r++) {
        const int more = dim_rows[r].more, dims[] = {2 + more, -3 - more, INT_MAX - 1, INT_MIN};
        for (int k = 0; k < 4; k++) {
            char name[64];
            snprintf(name, sizeof name, "%s, %s is %d", dim_rows[r].op, dim_rows[r].argument, dims[k]);
            begin_case();
            const bool refused = dim_rows[r].refused(dims[k]);
            end_case(__LINE__, name, dim_rows[r].op, dim_rows[r].argument, refused);
        }
    }
    const int dims[] = {2, -3, INT_MAX, INT_MIN};
    for (int k = 0; k < 4; k++) {
        REFUSED("transpose", "second", !gr_transpose(g.n, 0, dims[k]));
        REFUSED("flatten", "end_dim", !gr_flatten(g.n, .end_dim = dims[k]));
        REFUSED("sum", "dim", !gr_sum(g.n, .dims = GR_DIMS(0, dims[k])));
    }
    REFUSED("flatten", "start_dim", !gr_flatten(g.n, .start_dim = 1, .end_dim = 0));
    REFUSED("select", "dim", !gr_select(g.n, INT_MAX, 0));
    REFUSED("unsqueeze", "dim", !gr_unsqueeze(g.n, INT_MAX));
    REFUSED("sum", "dim", !gr_sum(g.n, .dims = GR_DIMS(INT64_C(1) << 32)));
    REFUSED("sum", "dim", !gr_sum(g.n, .dims = GR_DIMS(INT64_MIN)));
    REFUSED("sum", "dims", !gr_sum(g.n, .dims = GR_DIMS(0, 0)));
    REFUSED("sum", "dims", !gr_sum(g.n, .dims = GR_DIMS(1, -1)));
    REFUSED("sum", "dims", !gr_sum(g.n, .dim = 0, .dims = GR_DIMS(1)));
    REFUSED("sum", "dims", !gr_sum(g.n, .dims = GR_DIMS(0, 1, 2, 3, 4, 5, 6, 7, 8)));
    REFUSED("mean", "dims", !gr_mean(g.n, .dims = GR_DIMS(0, -2)));
    REFUSED("amax", "dims", !gr_amax(g.n, .dim = 1, .dims = GR_DIMS(1)));
    gr_tensor *three = gr_view(g.n, 1, 3, 4);
    REFUSED("prod", "dims", !gr_prod(three, .dims = GR_DIMS(0, 1)));
}

/* ---- shapes, sizes, indices ---- */

static void bad_shapes(void)
{
    gr_tensor *weights[] = {gr_ones(2, 2, 2), gr_ones(3, 0), gr_zeros(2, 3), gr_ones(3)};
    for (int k = 0; k < 3; k++) REFUSED("multinomial", "weights", !gr_multinomial(weights[k], 1));
    REFUSED("multinomial", "weights", !gr_multinomial(g.s, 1));
    REFUSED("multinomial", "count", !gr_multinomial(weights[3], 0));
    REFUSED("multinomial", "count", !gr_multinomial(weights[3], INT64_MIN, .replacement = true));
    REFUSED("multinomial", "count", !gr_multinomial(weights[3], 4));
    REFUSED("multinomial", "count", !gr_multinomial(weights[3], INT64_MAX, .replacement = true));
    REFUSED("reshape", "shape", !gr_reshape(g.n, 5, 3));
    REFUSED("reshape", "shape", !gr_reshape(g.n, -1, -1));
    REFUSED("reshape", "shape", !gr_reshape(g.n, -2, 6));
    REFUSED("reshape", "shape", !gr_reshape(g.n, 5, -1));
    REFUSED("reshape", "shape", !gr_reshape_at(g.n, GR_SHAPE(), GR_HERE));
    REFUSED("reshape", "shape", !gr_reshape(g.n, 12, 1, 1, 1, 1, 1, 1, 1, 1));
    REFUSED("reshape", "shape", !gr_reshape(g.empty, 0, -1));
    REFUSED("reshape", "shape", !gr_reshape(g.n, INT64_C(1) << 32, INT64_C(1) << 32));
    REFUSED("reshape", "shape", !gr_reshape(g.n, INT64_MAX, 2));
    REFUSED("reshape", "shape", !gr_reshape(g.n, INT64_MIN));
    REFUSED("view", "shape", !gr_view(g.n, 13));
    gr_tensor *turned = gr_t(g.n);
    REFUSED("view", "x", !gr_view(turned, 12));
    REFUSED("permute", "order", !gr_permute(g.n, 0));
    REFUSED("permute", "order", !gr_permute(g.n, 0, 0));
    REFUSED("permute", "order", !gr_permute(g.n, 0, 2));
    REFUSED("permute", "order", !gr_permute(g.n, 0, -3));
    REFUSED("permute", "order", !gr_permute(g.n, 0, INT64_MIN));
    REFUSED("permute", "order", !gr_permute(g.n, 0, 1, 2, 3, 4, 5, 6, 7, 8));
    REFUSED("t", "x", !gr_t(g.eight));
    REFUSED("expand", "shape", !gr_expand(g.n, 4));
    REFUSED("expand", "shape", !gr_expand(g.n, 3, 5));
    REFUSED("expand", "shape", !gr_expand(g.n, -1, 3, 4));
    REFUSED("expand", "shape", !gr_expand(g.n, 3, -2));
    REFUSED("expand", "shape", !gr_expand(g.n, INT64_MIN, 4));
    REFUSED("expand", "shape", !gr_expand(g.s, 1, 1, 1, 1, 1, 1, 1, 1, 1));
    REFUSED("expand", "shape", !gr_expand(g.s, INT64_C(1) << 32, INT64_C(1) << 32));
    REFUSED("unsqueeze", "x", !gr_unsqueeze(g.eight, 0));
    const int64_t far[] = {4, -4, INT64_MAX, INT64_MIN};
    for (int k = 0; k < 4; k++) {
        REFUSED("narrow", "start", !gr_narrow(g.n, 0, far[k], 1));
        REFUSED("narrow", "length", !gr_narrow(g.n, 0, 0, far[k]));
        REFUSED("narrow", "length", !gr_narrow(g.n, 0, 3, far[k]));
        REFUSED("select", "index", !gr_select(g.n, 0, far[k]));
        REFUSED("at", "place", isnan(gr_at(g.n, far[k], 0)));
    }
    REFUSED("select", "index", !gr_select(g.n, 0, 3));
    REFUSED("select", "x", !gr_select(g.s, 0, 0));
    REFUSED("narrow", "x", !gr_narrow(g.s, 0, 0, 1));
    REFUSED("slice", "x", !gr_slice(g.s));
    REFUSED("slice", "step", !gr_slice(g.n, .step = 0));
    REFUSED("slice", "step", !gr_slice(g.n, .step = -1));
    REFUSED("slice", "step", !gr_slice(g.n, .step = INT64_MIN));
    REFUSED("at", "place", isnan(gr_at(g.n, 0)));
    REFUSED("at", "place", isnan(gr_at_at(g.n, GR_SHAPE(), GR_HERE)));
    REFUSED("at", "place", isnan(gr_at(g.n, 0, 4)));
    REFUSED("at", "place", isnan(gr_at(g.n, 0, 0, 0)));
    REFUSED("at", "place", isnan(gr_at(g.n, 0, 0, 0, 0, 0, 0, 0, 0, 0)));
    REFUSED("item", "t", isnan(gr_item(g.n)));
    REFUSED("item", "t", isnan(gr_item(g.empty)));
    REFUSED("to_array", NULL, !gr_to_array(g.n, floats, 11));
    REFUSED("to_array", NULL, !gr_to_array(g.n, floats, -1));
    REFUSED("to_array", "buffer", !gr_to_array(g.n, (float *)NULL, 12));
    REFUSED("tensor_text", "text", gr_tensor_text(g.n, NULL, 5) == -1);
    REFUSED("matmul", "a", !gr_matmul(g.n, g.n));
    REFUSED("matmul", "b", !gr_matmul(g.s, g.n));
    REFUSED("matmul", "b", !gr_matmul(g.n, g.s));
    REFUSED("matmul", "a", !gr_matmul(g.n, g.bias));
    REFUSED("matmul", "a", !gr_matmul(g.bias, g.n));
    REFUSED("matmul", "a", !gr_matmul(g.v, g.bias));
    REFUSED("matmul", "a", !gr_matmul(g.eight, g.n));
    REFUSED("linear", "weight", !gr_linear(g.n, g.t));
    REFUSED("linear", "weight", !gr_linear(g.n, g.v));
    REFUSED("linear", "weight", !gr_linear(g.n, g.eight));
    REFUSED("linear", "x", !gr_linear(g.s, g.weight));
    REFUSED("linear", "bias", !gr_linear(g.n, g.weight, .bias = g.v));
    REFUSED("linear", "bias", !gr_linear(g.n, g.weight, .bias = g.s));
    REFUSED("linear", "bias", !gr_linear(g.n, g.weight, .bias = g.weight));
    REFUSED("mse_loss", "target", !gr_mse_loss(g.n, g.v));
    REFUSED("mse_loss", "target", !gr_mse_loss(g.n, g.t, .reduction = GR_SUM));
    REFUSED("mse_loss", "target", !gr_mse_loss(g.n, g.s, .reduction = GR_NONE));
    REFUSED("mse_loss", "reduction", !gr_mse_loss(g.n, g.n, .reduction = (gr_reduction)7));
    REFUSED("where", "dimension", !gr_where(g.k, g.n, g.t));
    REFUSED("where", "dimension", !gr_where(g.k, g.bias, 1));
    REFUSED("clamp", "x", !gr_clamp(g.n, g.bias, GR_ABSENT));
    REFUSED("clamp", "x", !gr_clamp(g.n, GR_ABSENT, g.t));
    REFUSED("clamp", "lo", !gr_clamp(g.n, GR_ABSENT, GR_ABSENT));
    REFUSED("copy_", "source", !gr_copy_(g.v, g.n));
    REFUSED("copy_", "source", !gr_copy_(g.n, g.t));
    REFUSED("copy_", "source", !gr_copy_(g.s, g.v));
    REFUSED("add_", "a", !gr_add_(g.v, g.n));
    REFUSED("mul_", "a", !gr_mul_(g.s, g.n));
    REFUSED("add", "b", !gr_add(g.n, g.t));
    REFUSED("sub", "b", !gr_sub(g.t, g.v));
    REFUSED("lerp", "c", !gr_lerp(g.n, g.n, g.t));
    REFUSED("eq", "b", !gr_eq(g.n, g.bias));
    for (int k = 0; k < 4; k++) {
        REFUSED("amax", "x", !gr_amax(g.empty, .dim = k < 2 ? 0 : GR_ALL));
        REFUSED("amin", "x", !gr_amin(g.empty, .dim = k < 2 ? -2 : GR_ALL));
    }
    REFUSED("max", "x", !gr_max(g.empty));
    REFUSED("min", "x", !gr_min(g.empty));
    REFUSED("argmax", "x", !gr_argmax(g.empty));
    REFUSED("argmin", "x", !gr_argmin(g.empty, .dim = 0));
    REFUSED("max_dim", "x", !gr_max_dim(g.empty, 0).values);
    REFUSED("min_dim", "x", !gr_min_dim(g.empty, 0).indices);
    REFUSED("backward", "gradient", !gr_backward(g.y));
    REFUSED("backward", "gradient", !gr_backward(g.y, .gradient = g.v));
    REFUSED("backward", "gradient", !gr_backward(g.loss, .gradient = g.n));
    REFUSED("autograd_grad", "gradient", !gr_autograd_grad(g.y, g.leaf));
    REFUSED("autograd_grad", "gradient", !gr_autograd_grad(g.y, g.leaf, .gradient = g.v));
}

static gr_tensor *index_of(int64_t value, int64_t other)
{
    const int64_t values[] = {0, value, other};
    return gr_from(values, 3);
}

static void bad_indices(void)
{
    const int64_t bad[] = {-1, 3, INT64_MAX, INT64_MIN};
    for (int k = 0; k < 4; k++) {
        gr_tensor *first = index_of(bad[k], 0), *last = index_of(0, bad[k]);
        REFUSED("index_select", "index[1]", !gr_index_select(g.n, 0, first));
        REFUSED("index_select", "index[2]", !gr_index_select(g.n, -2, last));
    }
    gr_tensor *int32 = gr_to(g.index, .dtype = GR_INT32), *real = gr_to(g.index, .dtype = GR_FLOAT32);
    REFUSED("index_select", "index", !gr_index_select(g.n, 0, int32));
    REFUSED("index_select", "index", !gr_index_select(g.n, 0, real));
    REFUSED("index_select", "index", !gr_index_select(g.n, 0, g.i));
    REFUSED("index_select", "x", !gr_index_select(g.s, 0, g.index));
    REFUSED("index_select", "index", !gr_index_select(g.empty, 0, g.index));
}

/* ---- dtypes ---- */

static void bad_dtypes(void)
{
    gr_tensor *const others[] = {g.d, g.i, g.u, g.k};
    for (int k = 0; k < 4; k++) {
        gr_tensor *x = others[k];
#undef PREDICATE
#undef UNARY
#undef COMPARE
#undef BINARY
#undef TERNARY
#define COMPARE(name, ...) REFUSED(#name, "must have one dtype", !gr_##name(g.n, x));
#define BINARY(name, ...) \
    COMPARE(name, ) \
    REFUSED(#name "_", "must have one dtype", !gr_##name##_(g.n, x));
#define PREDICATE(name, ...)
#define UNARY(name, ...)
#define TERNARY(name, ...) REFUSED(#name, "must have one dtype", !gr_##name(g.n, g.n, x));
#include "core/elementwise.def"
        REFUSED("matmul", "dtype", !gr_matmul(g.t, x));
        REFUSED("linear", "dtype", !gr_linear(x, g.weight));
        REFUSED("linear", "dtype", !gr_linear(g.n, x));
        REFUSED("linear", "dtype", !gr_linear(g.n, g.weight, .bias = x));
        REFUSED("mse_loss", "dtype", !gr_mse_loss(g.n, x));
        REFUSED("mse_loss", "dtype", !gr_mse_loss(g.n, x, .reduction = GR_NONE));
        REFUSED("where", "dtype", !gr_where(g.k, g.n, x));
        REFUSED("clamp", "dtype", !gr_clamp(g.n, x, GR_ABSENT));
        REFUSED("clamp", "dtype", !gr_clamp(g.n, GR_ABSENT, x));
        REFUSED("backward", "gradient", !gr_backward(g.y, .gradient = x));
    }
    for (int k = 1; k < 4; k++) {
        gr_tensor *x = others[k];
        REFUSED("mean", "x", !gr_mean(x));
        REFUSED("mse_loss", "x", !gr_mse_loss(x, x));
        REFUSED("requires_grad_", "t", !gr_requires_grad_(x, true));
        REFUSED("uniform_", "t", !gr_uniform_(x, 0, 1));
        REFUSED("normal_", "t", !gr_normal_(x, 0, 1));
        REFUSED("bernoulli", "p", !gr_bernoulli(x));
        REFUSED("exponential_", "t", !gr_exponential_(x, 1));
        REFUSED("multinomial", "weights", !gr_multinomial(x, 1));
        REFUSED("module_parameter", "t", !gr_module_parameter(g.module, "extra", x));
        REFUSED("optim_gd", "params", !gr_optim_gd((gr_tensors){1, &x}));
        REFUSED("optim_sgd", "params", !gr_optim_sgd((gr_tensors){1, &x}));
        REFUSED("add_", "a", !gr_add_(x, 1.5));
        REFUSED("div_", "a", !gr_div_(x, 2));
        REFUSED("exp_", "x", !gr_exp_(x));
    }
    for (int k = 0; k < 3; k++) REFUSED("where", "condition", !gr_where(others[k], g.n, g.n));
    REFUSED("mul_", "a", !gr_mul_(g.k, 2));
    REFUSED("sub", "bool", !gr_sub(g.k, g.k));
    REFUSED("neg", "bool", !gr_neg(g.k));
    REFUSED("abs", "bool", !gr_abs(g.k));
    REFUSED("relu", "bool", !gr_relu(g.k));
    REFUSED("pow", "bool", !gr_pow(g.k, g.k));
    REFUSED("matmul", "bool", !gr_matmul(g.k, g.k));
    REFUSED("argmax", "bool", !gr_argmax(g.k));
    REFUSED("argmin", "bool", !gr_argmin(g.k, .dim = 1));
    REFUSED("pow", "b", !gr_pow(g.i, -1));
    REFUSED("pow", "b", !gr_pow(g.u, INT64_MIN));
    REFUSED("pow_", "b", !gr_pow_(g.i, -2));
    REFUSED("add", "operands", !gr_add(1, 2));
    REFUSED("lerp", "operands", !gr_lerp(1., 2., 3.));
    REFUSED("lt", "operands", !gr_lt(1, true));
    REFUSED("gradcheck", "inputs[0]", !gr_gradcheck(check_function, {1, &g.leaf}));
    REFUSED("gradgradcheck", "inputs[0]", !gr_gradgradcheck(check_function, {1, &g.leaf}));
    REFUSED("gradcheck", "input", !gr_gradcheck(check_function, {1, &g.d}));
    REFUSED("gradcheck", "f", !gr_gradcheck((gr_check_function *)NULL, {1, &g.check}));
    REFUSED("gradgradcheck", "f", !gr_gradgradcheck((gr_check_function *)NULL, {1, &g.check}));
    const gr_dtype bad[] = {GR_DTYPES, (gr_dtype)99, (gr_dtype)-2, (gr_dtype)INT_MIN};
    for (int k = 0; k < 4; k++) {
        const gr_dtype b = bad[k];
        REFUSED("empty", "dtype", !gr_empty_with(GR_SHAPE(2), .dtype = b));
        REFUSED("zeros", "dtype", !gr_zeros_with(GR_SHAPE(2), .dtype = b));
        REFUSED("ones", "dtype", !gr_ones_with(GR_SHAPE(2), .dtype = b));
        REFUSED("full", "dtype", !gr_full_with(3, GR_SHAPE(2), .dtype = b));
        REFUSED("empty_like", "dtype", !gr_empty_like(g.n, .dtype = b));
        REFUSED("zeros_like", "dtype", !gr_zeros_like(g.n, .dtype = b));
        REFUSED("ones_like", "dtype", !gr_ones_like(g.n, .dtype = b));
        REFUSED("full_like", "dtype", !gr_full_like(g.n, 3, .dtype = b));
        REFUSED("arange", "dtype", !gr_arange_with(0, 3, 1, .dtype = b));
        REFUSED("eye", "dtype", !gr_eye_with(2, .dtype = b));
        REFUSED("from", "dtype", !gr_from_at(floats, b, GR_SHAPE(2), GR_HERE));
        REFUSED("to", "dtype", !gr_to(g.n, .dtype = b));
        REFUSED("sum", "dtype", !gr_sum(g.n, .dtype = b));
        REFUSED("mean", "dtype", !gr_mean(g.n, .dtype = b));
        REFUSED("rand", "dtype", !gr_rand_with(GR_SHAPE(2), .dtype = b));
        REFUSED("randn", "dtype", !gr_randn_with(GR_SHAPE(2), .dtype = b));
        REFUSED("randint", "dtype", !gr_randint_with(0, 3, GR_SHAPE(2), .dtype = b));
        REFUSED("nn_linear", "dtype", !gr_nn_linear(4, 2, .dtype = b));
        REFUSED("module_to", "dtype", !gr_module_to(g.module, .dtype = b));
        REFUSED("set_default_dtype", "dtype", !gr_set_default_dtype(b));
        REFUSED("read_csv", "dtype", !gr_read_csv("/dev/null", .dtype = b));
    }
    const gr_dtype integers[] = {GR_INT64, GR_INT32, GR_UINT8, GR_BOOL};
    for (int k = 0; k < 4; k++) {
        const gr_dtype b = integers[k];
        REFUSED("zeros", "requires_grad", !gr_zeros_with(GR_SHAPE(2), .dtype = b, .requires_grad = true));
        REFUSED("full_like", "requires_grad", !gr_full_like(g.n, 3, .dtype = b, .requires_grad = true));
        REFUSED("rand", "dtype", !gr_rand_with(GR_SHAPE(2), .dtype = b));
        REFUSED("randn", "dtype", !gr_randn_with(GR_SHAPE(2), .dtype = b));
        REFUSED("set_default_dtype", "dtype", !gr_set_default_dtype(b));
        REFUSED("module_to", "dtype", !gr_module_to(g.module, .dtype = b));
        REFUSED("nn_linear", "dtype", !gr_nn_linear(4, 2, .dtype = b));
    }
    REFUSED("full", "requires_grad", !gr_full_with(3, GR_SHAPE(2), .requires_grad = true));
    REFUSED("randint", "requires_grad", !gr_randint_with(0, 3, GR_SHAPE(2), .requires_grad = true));
}

/* ---- numbers ---- */

static void bad_numbers(void)
{
    const double not[] = {(double)NAN, (double)INFINITY, -1};
    gr_tensors params = {1, &g.leaf};
    for (int k = 0; k < 3; k++) {
        const double bad = not[k];
        REFUSED("optim_gd", "lr", !gr_optim_gd(params, .lr = bad));
        REFUSED("optim_sgd", "lr", !gr_optim_sgd(params, .lr = bad));
        REFUSED("optim_sgd", "momentum", !gr_optim_sgd(params, .momentum = bad));
        REFUSED("optim_sgd", "weight_decay", !gr_optim_sgd(params, .weight_decay = bad));
        REFUSED("optim_set", "lr", !gr_optim_set(g.optim, 0, GR_LR, bad));
        REFUSED("optim_set", "momentum", !gr_optim_set(g.optim, 0, GR_MOMENTUM, bad));
        REFUSED("optim_set", "weight_decay", !gr_optim_set(g.optim, 0, GR_WEIGHT_DECAY, bad));
        REFUSED("optim_set", "lr", !gr_optim_set(g.gd, 0, GR_LR, bad));
        if (k) REFUSED("optim_group", "lr", gr_optim_group(g.optim, {1, &g.leaf}, .lr = bad) == -1);
        if (k) REFUSED("optim_group", "momentum", gr_optim_group(g.optim, {1, &g.leaf}, .momentum = bad) == -1);
        if (k < 2) REFUSED("optim_sgd", "dampening", !gr_optim_sgd(params, .dampening = bad));
        if (k < 2) REFUSED("optim_set", "dampening", !gr_optim_set(g.optim, 0, GR_DAMPENING, bad));
        REFUSED("bernoulli_", "p", !gr_bernoulli_(g.n, bad));
        if (k != 1) REFUSED("exponential_", "lambda", !gr_exponential_(g.n, bad));
        if (k != 1) REFUSED("normal_", "std", !gr_normal_(g.n, 0, bad));
        REFUSED("uniform_", "from", !gr_uniform_(g.n, bad, k == 2 ? -2 : 1));
        REFUSED("uniform_", "to", !gr_uniform_(g.n, 0, bad));
        if (k < 2) REFUSED("arange", "start", !gr_arange(bad, 3, 1));
        if (k < 2) REFUSED("arange", "end", !gr_arange(0, bad, 1));
        REFUSED("arange", "step", !gr_arange(0, 3, bad));
        gr_tensor *p = gr_full(bad);
        REFUSED("bernoulli", "p", !gr_bernoulli(p));
        gr_tensor *weights = gr_expand(p, 2, 3);
        REFUSED("multinomial", "weights", !gr_multinomial(weights, 1));
        REFUSED("multinomial", "weights", !gr_multinomial(weights, 5, .replacement = true));
        REFUSED("gradcheck", NULL, !gr_gradcheck(check_function, {1, &g.check}, .tolerance = k == 1 ? -1 : bad));
    }
    REFUSED("gradcheck", "h", !gr_gradcheck(check_function, {1, &g.check}, .h = 0));
    REFUSED("gradcheck", "h", !gr_gradcheck(check_function, {1, &g.check}, .h = (double)NAN));
    REFUSED("bernoulli_", "p", !gr_bernoulli_(g.n, 1.0000001));
    REFUSED("exponential_", "lambda", !gr_exponential_(g.n, 0));
    REFUSED("uniform_", "from", !gr_uniform_(g.n, 1, 0));
    REFUSED("uniform_", "from", !gr_uniform_(g.n, -1.7e308, 1.7e308));
    REFUSED("optim_sgd", "nesterov", !gr_optim_sgd(params, .nesterov = true));
    REFUSED("optim_sgd", "nesterov", !gr_optim_sgd(params, .nesterov = true, .momentum = 0.9, .dampening = 0.1));
    REFUSED("optim_set", "nesterov", !gr_optim_set(g.gd, 0, GR_NESTEROV, 1));
    REFUSED("optim_set", "momentum", !gr_optim_set(g.gd, 0, GR_MOMENTUM, 0.5));
    REFUSED("optim_get", "momentum", isnan(gr_optim_get(g.gd, 0, GR_MOMENTUM)));
    REFUSED("optim_set", "option", !gr_optim_set(g.optim, 0, (gr_option)99, 1));
    REFUSED("optim_get", "option", isnan(gr_optim_get(g.optim, 0, GR_OPTIONS)));
    REFUSED("optim_get", "option", isnan(gr_optim_get(g.optim, 0, (gr_option)-1)));
    REFUSED("optim_group", "momentum", gr_optim_group(g.gd, {1, &g.weight}, .momentum = 0.5) == -1);
    const int groups[] = {-1, 1, INT_MAX, INT_MIN};
    for (int k = 0; k < 4; k++) {
        REFUSED("optim_set", "group", !gr_optim_set(g.optim, groups[k], GR_LR, 1));
        REFUSED("optim_get", "group", isnan(gr_optim_get(g.optim, groups[k], GR_LR)));
    }
    REFUSED("randint", "low", !gr_randint(3, 3, 2));
    REFUSED("randint", "low", !gr_randint(4, 3, 2));
    REFUSED("randint", "low", !gr_randint(INT64_MAX, INT64_MIN, 2));
    REFUSED("arange", "step", !gr_arange(0, 3, 0));
    REFUSED("arange", "step", !gr_arange(0., 3., 0.));
    REFUSED("arange", "end", !gr_arange(3, 0, 1));
    REFUSED("arange", "end", !gr_arange(0, 3, -1));
    REFUSED("arange", "end", !gr_arange(0., 3., -1.));
    REFUSED("arange", "end", !gr_arange(INT64_MIN, INT64_MAX, 1));
    REFUSED("arange", NULL, !gr_arange(0., 1e300, 1e-300));
    REFUSED("arange", "end", !gr_arange((INT64_C(1) << 53) + 1, INT64_C(1) << 53, 2));
    REFUSED("arange", NULL, !gr_arange(g.s, 3, 1));
    REFUSED("arange", NULL, !gr_arange(0, g.s, 1));
    REFUSED("arange", NULL, !gr_arange(0, 3, g.s));
    REFUSED("full", "value", !gr_full(g.s, 2));
    REFUSED("full_like", "value", !gr_full_like(g.n, g.s));
    REFUSED("fill_", "value", !gr_fill_(g.n, g.s));
    REFUSED("gelu", "approximate", !gr_gelu(g.n, .approximate = (gr_gelu_form)5));
    const int threads[] = {-1, 257, INT_MAX, INT_MIN};
    for (int k = 0; k < 4; k++) REFUSED("set_num_threads", "count", !gr_set_num_threads(threads[k]));
    const gr_device devices[] = {{2, 0}, {0, 1}, {-3, 0}};
    for (int k = 0; k < 3; k++) {
        const gr_device bad = devices[k];
        REFUSED("set_default_device", "device", !gr_set_default_device(bad));
        REFUSED("zeros", "device", !gr_zeros_with(GR_SHAPE(2), .device = bad));
        REFUSED("ones_like", "device", !gr_ones_like(g.n, .device = bad));
        REFUSED("arange", "device", !gr_arange_with(0, 3, 1, .device = bad));
        REFUSED("to", "device", !gr_to(g.n, .device = bad));
        REFUSED("module_to", "device", !gr_module_to(g.module, .device = bad));
    }
}

/* ---- sizes that overflow ---- */

static void too_large(void)
{
    const int64_t big = INT64_C(1) << 32, huge = INT64_C(1) << 62;
    const gr_shape bad[] = {GR_SHAPE(big, big), GR_SHAPE(huge), GR_SHAPE(INT64_MAX), GR_SHAPE(-1), GR_SHAPE(2, -3),
                            GR_SHAPE(INT64_MIN), GR_SHAPE(INT64_MIN, INT64_MIN), GR_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1),
                            GR_SHAPE(big, big, big, big, big, big, big, big)};
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        const gr_shape s = bad[k];
        REFUSED("empty", "shape", !gr_empty_with(s));
        REFUSED("zeros", "shape", !gr_zeros_with(s));
        REFUSED("ones", "shape", !gr_ones_with(s));
        REFUSED("full", "shape", !gr_full_with(3, s));
        REFUSED("from", "shape", !gr_from_at(floats, GR_FLOAT32, s, GR_HERE));
        REFUSED("rand", "shape", !gr_rand_with(s));
        REFUSED("randn", "shape", !gr_randn_with(s));
        REFUSED("randint", "shape", !gr_randint_with(0, 3, s));
        REFUSED("reshape", "shape", !gr_reshape_at(g.i, s.count == 1 && s.size[0] == -1 ? GR_SHAPE(-2) : s, GR_HERE));
    }
    REFUSED("zeros", "shape", !gr_zeros_with(GR_SHAPE(INT64_C(1) << 61)));
    REFUSED("eye", NULL, !gr_eye(-1));
    REFUSED("eye", NULL, !gr_eye(INT64_MIN));
    REFUSED("eye", NULL, !gr_eye(INT64_MAX));
    REFUSED("eye", NULL, !gr_eye(big));
    const int64_t counts[] = {-1, INT64_MIN, INT64_MAX, huge};
    for (int k = 0; k < 4; k++) {
        REFUSED("randperm", NULL, !gr_randperm(counts[k]));
        REFUSED("sample_order", NULL, !gr_sample_order(counts[k], true));
        REFUSED("sample_order", NULL, !gr_sample_order(counts[k], false));
        REFUSED("nn_linear", NULL, !gr_nn_linear(counts[k], 2));
        REFUSED("nn_linear", NULL, !gr_nn_linear(2, counts[k]));
    }
    REFUSED("nn_linear", NULL, !gr_nn_linear(big, big));
    REFUSED("arange", NULL, !gr_arange(0, huge, 1));
    REFUSED("from", "array", !gr_from((const float *)NULL, 2));
}

/* ---- modules, optimizers, lists, scopes, hooks ---- */

static const gr_module_type no_name = {.forward = NULL}, no_forward = {.name = "Thing"};

static void bad_objects(void)
{
    gr_module *const modules[] = {NULL, g.dead_module};
    gr_optim *const optims[] = {NULL, g.dead_optim};
    for (int k = 0; k < 2; k++) {
        gr_module *m = modules[k];
        gr_optim *o = optims[k];
        REFUSED("keep", "m", !gr_keep(m));
        REFUSED("free", "m", !gr_free(m));
        REFUSED("print", "m", !gr_print(m));
        REFUSED("module_text", "m", gr_module_text(m, buffer, sizeof buffer) == -1);
        REFUSED("module_parameter", "m", !gr_module_parameter(m, "extra", g.n));
        REFUSED("module_buffer", "m", !gr_module_buffer(m, "extra", g.n));
        REFUSED("module_child", "m", !gr_module_child(m, "extra", g.mse));
        REFUSED("module_child", "child", !gr_module_child(g.module, "extra", m));
        REFUSED("nn_sequential", NULL, !gr_nn_sequential(m));
        REFUSED("nn_sequential", NULL, !gr_nn_sequential(g.spare, m));
        REFUSED("forward", "m", !gr_forward(m, g.n));
        REFUSED("forward", "m", gr_forward_all(m, g.n).count == 0);
        REFUSED("parameters", "m", gr_parameters(m).count == 0);
        REFUSED("train", "m", !gr_train(m));
        REFUSED("eval", "m", !gr_eval(m));
        REFUSED("zero_grad", "m", !gr_zero_grad(m));
        REFUSED("module_to", "m", !gr_module_to(m, .dtype = GR_FLOAT64));
        REFUSED("keep", "o", !gr_keep(o));
        REFUSED("free", "o", !gr_free(o));
        REFUSED("step", "optimizer", !gr_step(o));
        REFUSED("zero_grad", "optimizer", !gr_zero_grad(o));
        REFUSED("optim_set", "optimizer", !gr_optim_set(o, 0, GR_LR, 1));
        REFUSED("optim_get", "optimizer", isnan(gr_optim_get(o, 0, GR_LR)));
        REFUSED("optim_group", "optimizer", gr_optim_group(o, {1, &g.leaf}) == -1);
    }
    REFUSED("free", "m", !gr_free(g.owned));
    REFUSED("keep", "m", !gr_keep(g.owned));
    REFUSED("module_make", "type", !gr_module_make((const gr_module_type *)NULL));
    REFUSED("module_make", "type", !gr_module_make(&no_name));
    REFUSED("module_make", "type", !gr_module_make(&no_forward));
    static const char *const names[] = {NULL, "", "a.b", "a name that is much longer than the forty-seven characters allowed"};
    for (int k = 0; k < 4; k++) {
        REFUSED("module_parameter", "name", !gr_module_parameter(g.module, names[k], g.n));
        REFUSED("module_buffer", "name", !gr_module_buffer(g.module, names[k], g.n));
        REFUSED("module_child", "name", !gr_module_child(g.module, names[k], g.mse));
    }
    REFUSED("module_parameter", "name", !gr_module_parameter(g.module, "weight", g.n));
    REFUSED("module_buffer", "name", !gr_module_buffer(g.module, "bias", g.n));
    REFUSED("module_child", "name", !gr_module_child(g.module, "weight", g.mse));
    REFUSED("module_child", "child", !gr_module_child(g.module, "self", g.module));
    REFUSED("module_child", "child", !gr_module_child(g.module, "other", g.owned));
    REFUSED("module_parameter", "t", !gr_module_parameter(g.module, "extra", g.y));
    REFUSED("module_buffer", "t", !gr_module_buffer(g.module, "extra", g.y));
    REFUSED("linear", "x", !gr_forward(g.module, g.t));
    REFUSED("linear", "x", !gr_forward(g.module, NULL));
    REFUSED("linear", "x", !gr_forward(g.module, g.dead_scope));
    REFUSED("linear", "x", gr_forward_all(g.module, GR_ABSENT).count == 0);
    REFUSED("mse_loss", "target", !gr_forward(g.mse, g.n));
    REFUSED("mse_loss", "target", !gr_forward(g.mse, g.n, g.n, g.n));
    REFUSED("forward", NULL, !gr_forward(g.mse, g.n, g.n, g.n, g.n, g.n, g.n, g.n, g.n, g.n));
    REFUSED("forward", NULL, !gr_forward_at(g.mse, &(gr_tensors){0, NULL}, GR_HERE));
    REFUSED("nn_mse_loss", "reduction", !gr_nn_mse_loss(.reduction = (gr_reduction)9));
}

static void bad_lists(void)
{
    gr_tensor *twice[] = {g.leaf, g.leaf}, *grads[] = {g.s, g.s}, *dead[] = {g.leaf, g.dead_free};
    REFUSED("optim_gd", "param", !gr_optim_gd((gr_tensors){0, NULL}));
    REFUSED("optim_sgd", "param", !gr_optim_sgd((gr_tensors){0, NULL}));
    REFUSED("optim_sgd", "param", !gr_optim_sgd((gr_tensors){1, NULL}));
    REFUSED("optim_sgd", "param", !gr_optim_sgd((gr_tensors){-1, &g.leaf}));
    REFUSED("optim_gd", "param", !gr_optim_gd((gr_tensors){1, &g.n}));
    REFUSED("optim_gd", "params[1]", !gr_optim_gd((gr_tensors){2, twice}));
    REFUSED("optim_gd", "param", !gr_optim_gd((gr_tensors){2, dead}));
    REFUSED("optim_gd", "params[0]", !gr_optim_gd((gr_tensors){1, &g.y}));
    REFUSED("optim_group", "params[0]", gr_optim_group(g.optim, {1, &g.weight}) == -1);
    REFUSED("optim_group", "param", gr_optim_group(g.optim, {0, NULL}) == -1);
    REFUSED("gradcheck", "input", !gr_gradcheck(check_function, {0, NULL}));
    REFUSED("autograd_grads", "outputs", gr_autograd_grads(((gr_tensors){0, NULL}), (gr_tensors){1, &g.leaf}).count == 0);
    REFUSED("autograd_grads", "inputs", gr_autograd_grads(((gr_tensors){1, &g.loss}), (gr_tensors){0, NULL}).count == 0);
    REFUSED("autograd_grads", "inputs", gr_autograd_grads(((gr_tensors){1, &g.loss}), (gr_tensors){-1, &g.leaf}).count == 0);
    REFUSED("autograd_grads", "gradients",
            gr_autograd_grads(((gr_tensors){1, &g.loss}), (gr_tensors){1, &g.leaf}, .gradients = {2, grads}).count == 0);
    REFUSED("autograd_grads", "inputs", gr_autograd_grads(((gr_tensors){1, &g.loss}), (gr_tensors){2, dead}).count == 0);
}

static void bad_states(void)
{
    REFUSED("backward", "loss", !gr_backward(g.s));
    REFUSED("backward", "loss", !gr_backward(g.n, .gradient = g.n));
    REFUSED("backward", "used", !gr_backward(g.used));
    REFUSED("autograd_grad", "used", !gr_autograd_grad(g.used, g.leaf));
    REFUSED("autograd_grad", "x", !gr_autograd_grad(g.loss, g.n));
    REFUSED("autograd_grad", "y", !gr_autograd_grad(g.s, g.leaf));
    REFUSED("autograd_grad", "x", !gr_autograd_grad(g.loss, g.weight));
    REFUSED("retain_grad", "t", !gr_retain_grad(g.n));
    REFUSED("register_hook", "t", gr_register_hook(g.n, hook_function, NULL).id == 0);
    REFUSED("register_hook", "f", gr_register_hook(g.leaf, NULL, NULL).id == 0);
    const gr_hook none = {0, 0}, foreign = {UINT32_MAX, UINT64_MAX};
    REFUSED("hook_remove", "hook", !gr_hook_remove(none));
    REFUSED("hook_remove", "hook", !gr_hook_remove(foreign));
    REFUSED("requires_grad_", "t", !gr_requires_grad_(g.y, false));
    REFUSED("keep", "t", !gr_keep(g.y));
    REFUSED("release", "t", !gr_release(g.y));
    REFUSED("release", "t", !gr_release(g.leaf));
    REFUSED("adopt", "t", !gr_adopt(g.n));
    REFUSED("free", "t", !gr_free(gr_module_tensor(g.module, "weight")));
    REFUSED("keep", "t", !gr_keep(gr_module_tensor(g.module, "weight")));
    REFUSED("free", "t", !gr_free(gr_grad(g.leaf)));
    const gr_scope ended = gr_scope_begin();
    gr_scope_end(ended);
    const gr_scope scopes[] = {ended,
                               {0, 0, 0},
                               {ended.thread + 1, ended.depth, ended.serial},
                               {ended.thread, 0, 0},
                               {ended.thread, UINT32_MAX, ended.serial}};
    for (int k = 0; k < 5; k++) REFUSED("scope_end", "scope", !gr_scope_end(scopes[k]));
#define IN_PLACE(op, call) \
    do { \
        REFUSED(op, "leaf", !call(g.leaf)); \
        REFUSED(op, "expanded", !call(g.wide)); \
    } while (0)
#define UNARY_(name) IN_PLACE(#name "_", gr_##name##_)
#undef UNARY
#undef BINARY
#undef TERNARY
#undef COMPARE
#define UNARY(name, ...) UNARY_(name);
#define BINARY(name, ...) \
    REFUSED(#name "_", "leaf", !gr_##name##_(g.leaf, 2)); \
    REFUSED(#name "_", "expanded", !gr_##name##_(g.wide, 2));
#define TERNARY(name, ...)
#define COMPARE(name, ...)
#include "core/elementwise.def"
    IN_PLACE("zero_", gr_zero_);
    REFUSED("fill_", "leaf", !gr_fill_(g.leaf, 1));
    REFUSED("fill_", "expanded", !gr_fill_(g.wide, 1));
    REFUSED("copy_", "leaf", !gr_copy_(g.leaf, g.n));
    REFUSED("copy_", "expanded", !gr_copy_(g.wide, g.n));
    REFUSED("uniform_", "leaf", !gr_uniform_(g.leaf, 0, 1));
    REFUSED("normal_", "expanded", !gr_normal_(g.wide, 0, 1));
    REFUSED("bernoulli_", "leaf", !gr_bernoulli_(g.leaf, 0.5));
    REFUSED("exponential_", "expanded", !gr_exponential_(g.wide, 2));
    gr_tensor *row = gr_select(g.leaf, 0, 0), *shifted = gr_narrow(g.t, 0, 1, 3), *start = gr_narrow(g.t, 0, 0, 3);
    REFUSED("mul_", "a view of a leaf", !gr_mul_(row, 2));
    REFUSED("add_", "overlap", !gr_add_(start, shifted));
    REFUSED("copy_", "overlap", !gr_copy_(start, shifted));
    const gr_scope inner = gr_scope_begin();
    REFUSED("mul_", "outer scope", !gr_mul_(g.y, 2));
    REFUSED("add_", "outer scope", !gr_add_(g.n, g.y));
    gr_scope_end(inner);
    const gr_op incomplete = {.name = "incomplete"};
    REFUSED("apply", "op", !gr_apply((const gr_op *)NULL, &g.n, 1, NULL, NULL));
    REFUSED("apply", "op", !gr_apply(&incomplete, &g.n, 1, NULL, NULL));
}

static void bad_files(void)
{
    REFUSED("read_csv", "path", !gr_read_csv((const char *)NULL));
    REFUSED("read_csv", "path", !gr_read_csv("there/is/no/such.csv"));
    REFUSED("read_csv", "path", !gr_read_csv("tests"));
    REFUSED("read_csv", "path", !gr_read_csv(""));
    REFUSED("tape_dot", "path", !gr_tape_dot(NULL));
    REFUSED("tape_dot", "path", !gr_tape_dot("tests"));
    REFUSED("tape_dot", "path", !gr_tape_dot(""));
    REFUSED("tape_dot", "path", !gr_tape_dot("there/is/no/such.dot"));
    REFUSED("tape_text", "text", gr_tape_text(NULL, 5) == -1);
    static const char delimiters[] = {'a', '3', '.', '+', '-', '"', '\n', '\0', '\x7f'};
    for (size_t k = 0; k < sizeof delimiters; k++)
        REFUSED("read_csv", "delimiter", !gr_read_csv("tests/golden/tricky.tsv", .delimiter = delimiters[k]));
}

/* ---- the tests of all this ---- */

static void (*const groups[])(void) = {bad_tensors, bad_dims,  bad_shapes,  bad_indices, bad_dtypes, bad_numbers,
                                       too_large,   bad_objects, bad_lists, bad_states,  bad_files};
enum { GROUPS = sizeof groups / sizeof groups[0] };
static gr_scope world;

static void setup(void)
{
    unsetenv("GRADUS_ABORT");
    gr_set_error_handler(count_call, NULL);
    world = gr_scope_begin();
    make_world();
}

static void teardown(void)
{
    gr_error_clear();
    gr_scope_end(world);
    gr_set_error_handler(NULL, NULL);
}

START_TEST(misuse_is_refused_and_changes_nothing)
{
    groups[_i]();
    ck_assert_msg(!complaints, "%d of %d cases:%s", complaints, cases, complaint_text);
}
END_TEST

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void compare_lines(FILE *stream)
{
    char line[1024];
    int i = 0, missing = 0;
    while (fgets(line, sizeof line, stream)) {
        line[strcspn(line, "\n")] = '\0';
        for (; i < text_count && strcmp(texts[i], line) < 0; i++) complain(0, "new", texts[i]), missing++;
        if (i < text_count && !strcmp(texts[i], line))
            i++;
        else
            complain(0, "gone", line), missing++;
    }
    for (; i < text_count; i++) complain(0, "new", texts[i]), missing++;
    ck_assert_msg(!missing, "%d lines of tests/messages.txt differ:%s", missing, complaint_text);
}

START_TEST(texts_are_those_of_messages_txt)
{
    for (int i = 0; i < GROUPS; i++) groups[i]();
    ck_assert_int_ge(cases, 600);
    qsort(texts, (size_t)text_count, sizeof texts[0], by_text);
    const char *path = getenv("MESSAGES_OUT");
    FILE *out = path ? fopen(path, "w") : NULL;
    for (int i = 0; out && i < text_count; i++) fprintf(out, "%s\n", texts[i]);
    if (out) fclose(out);
    complaint_text[0] = '\0';
    FILE *stream = fopen("tests/messages.txt", "r");
    ck_assert_msg(stream != NULL, "tests/messages.txt cannot be read (run the tests in the root of the tree)");
    compare_lines(stream);
    fclose(stream);
}
END_TEST

/* ---- while an error stands ---- */

static char first_text[512];
static void fail_first(void)
{
    ck_assert_ptr_null(gr_matmul(g.n, g.n));
    ck_assert_ptr_nonnull(gr_error());
    snprintf(first_text, sizeof first_text, "%s", gr_error());
    handler_calls = 0;
}

static void expect_first_stands(const char *what)
{
    ck_assert_msg(handler_calls == 0, "%s: the handler was called again: %s", what, handler_text);
    ck_assert_msg(gr_error() && !strcmp(gr_error(), first_text), "%s: the first error is gone", what);
}

START_TEST(what_follows_a_failed_call_is_silent)
{
    fail_first();
    gr_tensor *const bad[] = {NULL, g.dead_scope, g.dead_free};
    for (int r = 0; r < SLOT_ROW_COUNT; r++)
        for (int i = 0; i < SLOTS && slot_rows[r].slot[i].name; i++)
            for (int k = 0; k < 3; k++) {
                bool refused;
                const picture a = take_picture();
                call_with(&slot_rows[r], i, bad[k], &refused);
                ck_assert_msg(refused, "%s: must fail", slot_rows[r].op);
                expect_first_stands(slot_rows[r].op);
                const picture b = take_picture();
                const char *changed = difference(&a, &b);
                ck_assert_msg(!changed, "%s: %s", slot_rows[r].op, changed);
            }
}
END_TEST

START_TEST(the_first_error_is_kept)
{
    fail_first();
    ck_assert_int_eq(gr_error_kind(), GR_ERROR_ARGUMENT);
    ck_assert_ptr_null(gr_reshape(g.n, 5));
    ck_assert(!gr_free(g.dead_scope));
    ck_assert(isnan(gr_item(g.n)));
    expect_first_stands("others");
    gr_error_clear();
    ck_assert_ptr_null(gr_error());
    ck_assert_int_eq(gr_error_kind(), GR_OK);
    ck_assert_ptr_null(gr_reshape(g.n, 5));
    ck_assert_int_eq(handler_calls, 1);
    ck_assert_ptr_nonnull(strstr(gr_error(), "reshape"));
}
END_TEST

#define NOTHING_HAPPENS(condition) \
    do { \
        const picture a_ = take_picture(); \
        ck_assert_msg(condition, "%s: must fail while an error stands", #condition); \
        const picture b_ = take_picture(); \
        const char *changed_ = difference(&a_, &b_); \
        ck_assert_msg(!changed_, "%s: %s", #condition, changed_); \
        expect_first_stands(#condition); \
    } while (0)

START_TEST(nothing_lasting_changes_while_an_error_stands)
{
    fail_first();
    NOTHING_HAPPENS(!gr_step(g.optim));
    NOTHING_HAPPENS(!gr_step(g.gd));
    NOTHING_HAPPENS(!gr_backward(g.loss));
    NOTHING_HAPPENS(!gr_backward(g.y, .gradient = g.n, .retain_graph = true));
    NOTHING_HAPPENS(!gr_optim_set(g.optim, 0, GR_LR, 5));
    NOTHING_HAPPENS(gr_optim_group(g.optim, {1, &g.leaf}) == -1);
    NOTHING_HAPPENS(!gr_module_to(g.module, .dtype = GR_FLOAT64));
#undef UNARY
#undef BINARY
#define UNARY(name, ...) NOTHING_HAPPENS(!gr_##name##_(g.n));
#define BINARY(name, ...) NOTHING_HAPPENS(!gr_##name##_(g.n, 2));
#include "core/elementwise.def"
    NOTHING_HAPPENS(!gr_fill_(g.n, 7));
    NOTHING_HAPPENS(!gr_zero_(g.n));
    NOTHING_HAPPENS(!gr_copy_(g.n, g.v));
    NOTHING_HAPPENS(!gr_uniform_(g.n, 0, 1));
    NOTHING_HAPPENS(!gr_normal_(g.n, 0, 1));
    NOTHING_HAPPENS(!gr_bernoulli_(g.n, 0.5));
    NOTHING_HAPPENS(!gr_exponential_(g.n, 0.5));
}
END_TEST

START_TEST(making_and_reading_go_on_while_an_error_stands)
{
    fail_first();
    const gr_scope scope = gr_scope_begin();
    ck_assert_ptr_nonnull(gr_zeros(2, 3));
    gr_tensor *sum = gr_sum(gr_add(g.n, g.n));
    ck_assert_double_eq(gr_item(sum), 156);
    ck_assert_double_eq(gr_at(g.n, 2, 3), 12);
    ck_assert_ptr_nonnull(gr_forward(g.module, g.n));
    ck_assert(gr_to_array(g.n, floats, 12));
    ck_assert_int_gt(gr_tensor_text(g.n, buffer, sizeof buffer), 0);
    gr_tensor *made = gr_ones(2);
    ck_assert(gr_free(made));
    ck_assert_ptr_eq(gr_keep(sum), sum);
    ck_assert(gr_scope_end(scope));
    expect_first_stands("making");
}
END_TEST

START_TEST(the_same_call_works_once_the_error_is_cleared)
{
    fail_first();
    ck_assert(!gr_step(g.optim));
    const double was = gr_at(g.weight, 0, 0);
    gr_error_clear();
    ck_assert(gr_step(g.optim));
    ck_assert(gr_at(g.weight, 0, 0) < was || gr_at(g.weight, 0, 0) > was);
    ck_assert(gr_backward(g.loss));
    ck_assert_ptr_null(gr_error());
}
END_TEST

/* ---- the process, threads ---- */

static bool child_is_killed(const char *value)
{
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        setenv("GRADUS_ABORT", value, 1);
        gr_matmul(g.n, g.n);
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
}

START_TEST(an_error_aborts_where_the_environment_asks_for_it)
{
    ck_assert(child_is_killed("1"));
    ck_assert(!child_is_killed("0"));
    ck_assert(!child_is_killed(""));
}
END_TEST

static void *other_thread(void *data)
{
    char *text = data;
    const bool clean = gr_error() == NULL;
    gr_reshape(gr_ones(2), 3);
    snprintf(text, 512, "%d %s", clean, gr_error() ? gr_error() : "none");
    return NULL;
}

START_TEST(errors_of_threads_are_separate)
{
    char text[512] = "";
    pthread_t thread;
    fail_first();
    ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, text), 0);
    pthread_join(thread, NULL);
    ck_assert_msg(!strncmp(text, "1 test_errors.c:", 16) && strstr(text, ": reshape: "), "the other's is %s", text);
    ck_assert_int_eq(handler_calls, 1);
    ck_assert_str_eq(gr_error(), first_text);
}
END_TEST

/* ---- sizes that a view may have and its copy may not ---- */

START_TEST(a_result_larger_than_memory_can_be_is_refused)
{
    gr_tensor *x = gr_expand(gr_ones(1), INT64_C(1) << 62);
    gr_tensor *const results[] = {
        gr_clone(x),         gr_neg(x), gr_add(x, 1), gr_exp(x), gr_contiguous(x), gr_gt(gr_expand(gr_ones(1), INT64_MAX), 0),
        gr_zeros_like(x),    gr_to(x, .dtype = GR_FLOAT64)};
    for (size_t k = 0; k < sizeof results / sizeof results[0]; k++) ck_assert_ptr_null(results[k]);
    ck_assert_msg(gr_error_kind() == GR_ERROR_ARGUMENT || gr_error_kind() == GR_ERROR_MEMORY, "%s", gr_error());
}
END_TEST

START_TEST(an_array_of_an_unknown_dtype_is_refused)
{
    const gr_dtype bad[] = {GR_DTYPES, GR_DTYPE_DEFAULT, (gr_dtype)99};
    for (int k = 0; k < 3; k++) {
        ck_assert(!gr_to_array_at(g.n, floats, bad[k], 12, GR_HERE));
        ck_assert_ptr_nonnull(strstr(gr_error(), "dtype"));
        gr_error_clear();
    }
}
END_TEST

START_TEST(slices_are_clamped_at_the_ends_of_int64)
{
    ck_assert_int_eq(gr_size(gr_slice(g.n, .start = INT64_MIN, .end = INT64_MAX), 0), 3);
    ck_assert_int_eq(gr_size(gr_slice(g.n, .start = INT64_MAX, .end = INT64_MIN), 0), 0);
    ck_assert_int_eq(gr_size(gr_slice(g.n, .start = INT64_MIN, .end = INT64_MIN), 0), 0);
    ck_assert_int_eq(gr_size(gr_slice(g.n, .start = INT64_MAX), 0), 0);
    ck_assert_int_eq(gr_size(gr_slice(g.n, .step = INT64_MAX), 0), 1);
    ck_assert_int_eq(gr_size(gr_slice(g.n, .start = 1, .step = INT64_MAX), 0), 1);
    ck_assert_ptr_null(gr_error());
}
END_TEST

Suite *errors_suite(void)
{
    Suite *suite = suite_create("errors");
    TCase *misuse = tcase_create("misuse"), *standing = tcase_create("standing"), *limits = tcase_create("limits");
    TCase *const all[] = {misuse, standing, limits};
    for (int i = 0; i < 3; i++) {
        tcase_add_checked_fixture(all[i], setup, teardown);
        tcase_set_timeout(all[i], 60);
        suite_add_tcase(suite, all[i]);
    }
    tcase_add_loop_test(misuse, misuse_is_refused_and_changes_nothing, 0, GROUPS);
    tcase_add_test(misuse, texts_are_those_of_messages_txt);
    tcase_add_test(standing, what_follows_a_failed_call_is_silent);
    tcase_add_test(standing, the_first_error_is_kept);
    tcase_add_test(standing, nothing_lasting_changes_while_an_error_stands);
    tcase_add_test(standing, making_and_reading_go_on_while_an_error_stands);
    tcase_add_test(standing, the_same_call_works_once_the_error_is_cleared);
    tcase_add_test(standing, an_error_aborts_where_the_environment_asks_for_it);
    tcase_add_test(standing, errors_of_threads_are_separate);
    tcase_add_test(limits, a_result_larger_than_memory_can_be_is_refused);
    tcase_add_test(limits, an_array_of_an_unknown_dtype_is_refused);
    tcase_add_test(limits, slices_are_clamped_at_the_ends_of_int64);
    return suite;
}
