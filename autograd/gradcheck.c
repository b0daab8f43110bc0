/* gradcheck.c - gradients against four-point finite differences in float64. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/tape.h"

/* What the random numbers of a check begin with: any numbers, but not the same for two tensors of one check. */
#define UPSTREAM_SEED UINT64_C(0x9e3779b97f4a7c15)
#define FIRST_SEED UINT64_C(77)    /* and the next ones */
#define SECOND_SEED UINT64_C(4711)

typedef struct {
    const gr_gradcheck_args *args;
    const char *op;
    gr_tensor *upstream; /* random, so that transpositions show */
} check;

/* A deterministic number in [0.5, 2] with a random sign. */
static double random_weight(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    const double u = (double)(*state >> 33) / 0x1p31;
    return (*state >> 32 & 1 ? 1 : -1) * (0.5 + 1.5 * u);
}

/* Where element i, counted row-major, lies. */
static char *place_of(const gr_tensor *x, int64_t i)
{
    int64_t offset = 0;
    for (int d = x->dim; d-- > 0; i /= x->axis[d].size) offset += i % x->axis[d].size * x->axis[d].stride;
    return x->data + offset * (int64_t)sizeof(double);
}

static double read_element(const gr_tensor *x, int64_t i)
{
    double value;
    return gr_devices[x->device]->download(x->device, &value, place_of(x, i), sizeof value) ? value : (double)NAN;
}

static void write_element(const gr_tensor *x, int64_t i, double value)
{
    gr_devices[x->device]->upload(x->device, place_of(x, i), &value, sizeof value);
}

static gr_tensor *weights_like(const gr_tensor *y, uint64_t seed, gr_site site)
{
    const gr_make_args made = {.shape = gr_sizes_of(y), .site = site, .dtype = GR_FLOAT64, .device = gr_place_device(y->device)};
    gr_tensor *w = gr_empty_at(&made);
    for (int64_t i = 0; w && i < w->numel; i++) write_element(w, i, random_weight(&seed));
    return w;
}

/* sum(f(inputs) * upstream), as a number */
static double value_of(const check *k)
{
    const gr_gradcheck_args *a = k->args;
    const gr_scope scope = gr_no_grad_begin_at(a->site);
    double sum = (double)NAN;
    if (!scope.serial) return sum;
    gr_tensor *y = a->f(&a->inputs, a->data);
    if (y) {
        gr_tensor *product = gr_mul_at(gr_value_tensor(y), gr_value_tensor(k->upstream), a->site);
        gr_reduce_args all = {.x = product, .site = a->site, .dim = GR_ALL, .dtype = GR_DTYPE_DEFAULT};
        sum = product ? gr_item_at(gr_sum_at(&all), a->site) : (double)NAN;
    }
    gr_scope_end_at(scope, a->site);
    return sum;
}

/* (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h, the element changed through its storage */
static double difference(const check *k, const gr_tensor *input, int64_t i)
{
    const double h = k->args->h, x = read_element(input, i);
    double f[4];
    const double at[4] = {x + h, x - h, x + 2 * h, x - 2 * h};
    for (int j = 0; j < 4; j++) {
        write_element(input, i, at[j]);
        f[j] = value_of(k);
    }
    write_element(input, i, x);
    return (8 * (f[0] - f[1]) - (f[2] - f[3])) / (12 * h);
}

/* The largest difference over one input; NAN after an error. Elements that share memory are perturbed together, so an
 * expanded input is compared with the sum of its gradients: such inputs are refused before. */
static double compare(const check *k, const gr_tensor *x, const gr_tensor *gradient)
{
    double worst = 0, largest = 0;
    for (int64_t i = 0; i < x->numel; i++) {
        const double numeric = difference(k, x, i);
        const double analytic = gradient == gr_absent ? 0 : read_element(gradient, i);
        const double error = fabs(numeric - analytic);
        worst = error > worst || isnan(error) ? error : worst;
        largest = fabs(analytic) > largest ? fabs(analytic) : largest;
        if (isnan(worst)) return worst;
    }
    return worst / (1 + largest);
}

static bool check_arguments(const gr_gradcheck_args *a, const char *op)
{
    int wanted = 0;
    char name[32];
    if (!a->f) return gr_fail(GR_ERROR_ARGUMENT, a->site, op, "f is NULL; must be a function") != NULL;
    if (!(a->h > 0 && isfinite(a->h)))
        return gr_fail(GR_ERROR_ARGUMENT, a->site, op, "h is %g; must be finite and above 0", a->h) != NULL;
    if (!(a->tolerance >= 0 && isfinite(a->tolerance)))
        return gr_fail(GR_ERROR_ARGUMENT, a->site, op, "tolerance is %g; must be finite and at least 0", a->tolerance) != NULL;
    if (a->inputs.count <= 0 || !a->inputs.item)
        return gr_fail(GR_ERROR_ARGUMENT, a->site, op, "inputs is empty; must hold a tensor that requires grad") != NULL;
    for (int64_t i = 0; i < a->inputs.count; i++) {
        const gr_tensor *x = a->inputs.item[i];
        snprintf(name, sizeof name, "inputs[%lld]", (long long)i);
        if (!gr_usable(x, a->site, op, name)) return false;
        if (!x->requires_grad) continue;
        wanted++;
        const bool repeats = gr_repeats_elements(x);
        if (x->dtype != GR_FLOAT64 || repeats)
            return gr_fail(GR_ERROR_ARGUMENT, a->site, op, "%s is %s%s; must be float64 and own each element", name,
                           gr_dtype_name[x->dtype], repeats ? " with stride 0" : "") != NULL;
    }
    if (!wanted) return gr_fail(GR_ERROR_ARGUMENT, a->site, op, "inputs holds none that requires grad; one must") != NULL;
    return true;
}

/* Room for so many tensors, in the open scope. */
static gr_tensors room_for(int64_t count, gr_site site, const char *op)
{
    const size_t bytes = (size_t)count * sizeof(gr_tensor *);
    gr_tensors list = {0, gr_scope_memory(gr_self(), bytes)};
    if (!list.item) gr_fail_memory(site, op, "the list of tensors", bytes);
    return list;
}

/* Those of the inputs that require grad; .item NULL without memory. */
static gr_tensors wanted_of(const gr_tensors *inputs, gr_site site, const char *op)
{
    gr_tensors wanted = room_for(inputs->count, site, op);
    for (int64_t i = 0; wanted.item && i < inputs->count; i++)
        if (inputs->item[i]->requires_grad) wanted.item[wanted.count++] = inputs->item[i];
    return wanted;
}

/* Whether y, which f made, can be checked. Where f may be constant (the gradient of a piecewise constant op), y need not
 * require grad. */
static bool result_fits(const gr_tensor *y, const gr_gradcheck_args *a, const char *op, bool may_be_constant)
{
    if (!gr_usable(y, a->site, op, "the result of f")) return false;
    if (y->dtype == GR_FLOAT64 && (y->requires_grad || may_be_constant)) return true;
    gr_fail(GR_ERROR_STATE, a->site, op, "the result of f is %s and %s grad; must be float64 and require it",
            gr_dtype_name[y->dtype], y->requires_grad ? "requires" : "does not require");
    return false;
}

/* The largest difference over all inputs; NAN after an error. The gradients of a constant y are 0. */
static double worst_difference(check *k, gr_tensor *y)
{
    const gr_gradcheck_args *a = k->args;
    const gr_tensors wanted = wanted_of(&a->inputs, a->site, k->op);
    if (!wanted.item || !(k->upstream = weights_like(y, UPSTREAM_SEED, a->site))) return (double)NAN;
    gr_tensors analytic = {0, NULL};
    if (y->requires_grad) {
        const gr_autograd_grads_args grads = {.outputs = {1, &y}, .inputs = wanted, .site = a->site,
                                              .gradients = {1, &k->upstream}, .allow_unused = true};
        analytic = gr_autograd_grads_at(&grads);
        if (!analytic.count) return (double)NAN;
    }
    double worst = 0;
    for (int64_t i = 0; i < wanted.count && !isnan(worst); i++) {
        const double error = compare(k, wanted.item[i], analytic.count ? analytic.item[i] : gr_absent);
        if (!(error <= worst)) worst = error;
    }
    return gr_self()->failed ? (double)NAN : worst;
}

static bool run_check(const gr_gradcheck_args *a, const char *op, bool may_be_constant)
{
    check k = {a, op, NULL};
    if (!check_arguments(a, op)) return false;
    const gr_scope recording = gr_enable_grad_begin_at(a->site);
    if (!recording.serial) return false;
    gr_tensor *y = a->f(&a->inputs, a->data);
    const double worst = result_fits(y, a, op, may_be_constant) ? worst_difference(&k, y) : (double)NAN;
    gr_scope_end_at(recording, a->site);
    if (a->error) *a->error = worst;
    if (worst <= a->tolerance) return true;
    gr_fail(GR_ERROR_STATE, a->site, op, "the gradient differs from finite differences by %.3g; must be at most %.3g", worst,
            a->tolerance);
    return false;
}

bool gr_gradcheck_at(const gr_gradcheck_args *args)
{
    return run_check(args, "gradcheck", false);
}

/* (x, v) -> J(x)' v: the gradients of f for the upstream v, joined into one sum with random weights. data: f's own check. */
static gr_tensor *first_gradients(const gr_tensors *in, void *data)
{
    const gr_gradcheck_args *a = data;
    gr_thread *t = gr_self();
    const bool was_recording = t->recording; /* not while numbers are compared, but f's gradients need its history */
    const gr_tensors x = {in->count - 1, in->item};
    t->recording = true;
    gr_tensor *y = a->f(&x, a->data), *v = in->item[in->count - 1], *total = NULL;
    const gr_tensors wanted = wanted_of(&x, a->site, "gradgradcheck");
    if (y && wanted.item) {
        const gr_autograd_grads_args grads = {.outputs = {1, &y}, .inputs = wanted, .site = a->site, .gradients = {1, &v},
                                              .create_graph = true, .allow_unused = true};
        const gr_tensors gradient = gr_autograd_grads_at(&grads);
        for (int64_t i = 0; i < gradient.count; i++) {
            if (gradient.item[i] == gr_absent) continue;
            gr_tensor *w = weights_like(gradient.item[i], FIRST_SEED + (uint64_t)i, a->site);
            gr_tensor *part = w ? gr_mul_at(gr_value_tensor(gradient.item[i]), gr_value_tensor(w), a->site) : NULL;
            part = part ? gr_sum_at(&(gr_reduce_args){.x = part, .site = a->site, .dim = GR_ALL, .dtype = GR_DTYPE_DEFAULT}) : NULL;
            total = total && part ? gr_add_at(gr_value_tensor(total), gr_value_tensor(part), a->site) : part;
        }
    }
    t->recording = was_recording;
    return total;
}

bool gr_gradgradcheck_at(const gr_gradcheck_args *args)
{
    const char *op = "gradgradcheck";
    if (!check_arguments(args, op)) return false;
    const gr_scope scope = gr_scope_begin_at(args->site);
    if (!scope.serial) return false;
    const int64_t count = args->inputs.count;
    gr_tensor *y = args->f(&args->inputs, args->data), *v = NULL;
    gr_tensors in = result_fits(y, args, op, true) ? room_for(count + 1, args->site, op) : (gr_tensors){0, NULL};
    if (in.item) v = weights_like(y, SECOND_SEED, args->site);
    bool ok = v && gr_requires_grad__at(v, true, args->site);
    if (ok) {
        memcpy(in.item, args->inputs.item, (size_t)count * sizeof(gr_tensor *));
        in.item[count] = v;
        in.count = count + 1;
        gr_gradcheck_args first = *args, second = *args;
        second.f = first_gradients;
        second.inputs = in;
        second.data = &first;
        ok = run_check(&second, op, true);
    }
    gr_scope_end_at(scope, args->site);
    return ok;
}
