/* random.c - the default generator, and tensors filled from it. */
#define _GNU_SOURCE
#include "core/random.h"

#include <pthread.h>
#include <sys/random.h>
#include <time.h>

#include "core/generator.h"
#include "core/internal.h"
#include "core/sampler.h"

/* One generator for the process; a fill holds the lock, so its draws are one sequence. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static gr_generator generator;
static bool seeded;

static gr_generator *generator_lock(void)
{
    pthread_mutex_lock(&lock);
    if (!seeded) {
        uint64_t seed = (uint64_t)time(NULL);
        if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0) seed = (uint64_t)time(NULL);
        gr_generator_seed(&generator, seed);
        seeded = true;
    }
    return &generator;
}

static void generator_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void gr_manual_seed(uint64_t seed)
{
    pthread_mutex_lock(&lock);
    gr_generator_seed(&generator, seed);
    seeded = true;
    pthread_mutex_unlock(&lock);
}

/* ---- fills ---- */

/* t with its dimensions by falling stride: PyTorch draws in the order of memory, whatever that of the dimensions. */
static gr_tensor in_memory_order(const gr_tensor *t)
{
    gr_tensor ordered = gr_alias(t);
    for (int d = 0; d < t->dim; d++) {
        int at = d;
        for (; at > 0 && ordered.axis[at - 1].stride < t->axis[d].stride; at--) ordered.axis[at] = ordered.axis[at - 1];
        ordered.axis[at] = t->axis[d];
    }
    ordered.contiguous = gr_is_row_major(&ordered);
    return ordered;
}

enum fill { UNIFORM, NORMAL };
typedef struct {
    enum fill kind;
    double first, second;
    bool scalar_form; /* of the normal distribution */
} drawing;

static void draw(const drawing *d, gr_dtype dtype, void *out, int64_t n)
{
    gr_generator *g = generator_lock();
    const bool narrow = dtype == GR_FLOAT32;
    if (d->kind == UNIFORM && narrow) gr_fill_uniform_f32(g, out, n, d->first, d->second);
    else if (d->kind == UNIFORM) gr_fill_uniform_f64(g, out, n, d->first, d->second);
    else if (d->kind == NORMAL && d->scalar_form && narrow) gr_fill_normal_scalar_f32(g, out, n, d->first, d->second);
    else if (d->kind == NORMAL && d->scalar_form) gr_fill_normal_scalar_f64(g, out, n, d->first, d->second);
    else if (d->kind == NORMAL && narrow) gr_fill_normal_f32(g, out, n, d->first, d->second);
    else if (d->kind == NORMAL) gr_fill_normal_f64(g, out, n, d->first, d->second);
    generator_unlock();
}

/* Memory without gaps is filled as it lies, another tensor on the host, then copied. */
static bool fill(gr_tensor *t, drawing d)
{
    gr_tensor ordered = in_memory_order(t);
    d.scalar_form = t->numel < 16 || !t->contiguous;
    if (t->device == 0 && ordered.contiguous) {
        draw(&d, (gr_dtype)t->dtype, t->data, t->numel);
        return true;
    }
    gr_thread *thread = gr_self();
    gr_tensor *host = gr_host_like(thread, &ordered, (gr_dtype)t->dtype);
    if (!host) return false;
    draw(&d, (gr_dtype)t->dtype, host->data, t->numel);
    const bool ok = gr_transfer(&ordered, host);
    gr_tensor_discard(thread, host);
    return ok;
}

bool gr_fill_uniform(gr_tensor *t, double from, double to)
{
    return fill(t, (drawing){.kind = UNIFORM, .first = from, .second = to});
}

bool gr_fill_normal(gr_tensor *t, double mean, double std)
{
    return fill(t, (drawing){.kind = NORMAL, .first = mean, .second = std});
}

/* Draws n bools by f, which t takes as its elements. */
typedef void draw_bools(gr_generator *g, bool *out, int64_t n, const void *p);
static bool fill_bools(gr_tensor *t, draw_bools *f, const void *p)
{
    gr_thread *thread = gr_self();
    gr_tensor ordered = in_memory_order(t), *drawn = gr_host_like(thread, &ordered, GR_BOOL);
    if (!drawn) return false;
    f(generator_lock(), (bool *)drawn->data, t->numel, p);
    generator_unlock();
    const bool ok = gr_transfer(&ordered, drawn);
    gr_tensor_discard(thread, drawn);
    return ok;
}

static void one_probability(gr_generator *g, bool *out, int64_t n, const void *p)
{
    gr_fill_bernoulli(g, out, n, *(const double *)p);
}

bool gr_fill_bernoulli_of(gr_tensor *t, double p)
{
    return fill_bools(t, one_probability, &p);
}

static void float_probabilities(gr_generator *g, bool *out, int64_t n, const void *p)
{
    gr_fill_bernoulli_f32(g, out, n, p);
}

static void double_probabilities(gr_generator *g, bool *out, int64_t n, const void *p)
{
    gr_fill_bernoulli_f64(g, out, n, p);
}

gr_tensor *gr_bernoulli_at(const gr_tensor *p, gr_site site)
{
    if (!gr_usable(p, site, "bernoulli", "p")) return NULL;
    if (p->dtype != GR_FLOAT32 && p->dtype != GR_FLOAT64)
        return gr_fail(GR_ERROR_ARGUMENT, site, "bernoulli", "p is %s; must be float32 or float64", gr_dtype_name[p->dtype]);
    gr_thread *t = gr_self();
    gr_tensor *row_major = gr_host_like(t, p, (gr_dtype)p->dtype), *result = NULL;
    bool ok = row_major && gr_can_own(t), inside = true;
    if (ok) {
        ok = gr_transfer(row_major, p);
        for (int64_t i = 0; i < p->numel; i++) {
            const double v = p->dtype == GR_FLOAT32 ? (double)((float *)(void *)row_major->data)[i]
                                                    : ((double *)(void *)row_major->data)[i];
            inside = inside && v >= 0 && v <= 1;
        }
        result = ok && inside ? gr_tensor_like(t, p, (gr_dtype)p->dtype) : NULL;
        ok = result && fill_bools(result, p->dtype == GR_FLOAT32 ? float_probabilities : double_probabilities, row_major->data);
    }
    if (row_major) gr_tensor_discard(t, row_major);
    if (!inside) return gr_fail(GR_ERROR_ARGUMENT, site, "bernoulli", "p has an element outside 0 to 1; must be a probability");
    if (ok) gr_own(t, result);
    else if (result) gr_tensor_discard(t, result);
    return ok ? result : gr_fail_memory(site, "bernoulli", "the numbers", (size_t)p->numel);
}

/* ---- new tensors ---- */

static gr_tensor *made(const gr_make_args *args, const char *op, double first, double second, enum fill kind)
{
    const gr_dtype dtype = gr_resolve_dtype(args->dtype);
    if (dtype != GR_FLOAT32 && dtype != GR_FLOAT64)
        return gr_fail(GR_ERROR_ARGUMENT, args->site, op, "dtype is %s; must be float32 or float64",
                       gr_dtype_text(dtype));
    gr_tensor *t = gr_make(op, args, dtype);
    if (!t || fill(t, (drawing){.kind = kind, .first = first, .second = second})) return t;
    return gr_fail_memory(args->site, op, "the numbers", (size_t)t->numel);
}

gr_tensor *gr_rand_at(const gr_make_args *args)
{
    return made(args, "rand", 0, 1, UNIFORM);
}

gr_tensor *gr_randn_at(const gr_make_args *args)
{
    return made(args, "randn", 0, 1, NORMAL);
}

/* int64 numbers made by f, converted to t's dtype */
static gr_tensor *integers(gr_tensor *t, gr_site site, const char *op, void (*f)(gr_generator *, int64_t *, int64_t, const int64_t *),
                           const int64_t *bounds)
{
    if (!t) return NULL;
    gr_thread *thread = gr_self();
    gr_tensor *wide = gr_host_like(thread, t, GR_INT64);
    if (!wide) return gr_fail_memory(site, op, "the numbers", (size_t)t->numel * sizeof(int64_t));
    f(generator_lock(), (int64_t *)(void *)wide->data, t->numel, bounds);
    generator_unlock();
    const bool ok = gr_transfer(t, wide);
    gr_tensor_discard(thread, wide);
    return ok ? t : NULL;
}

static void draw_integers(gr_generator *g, int64_t *out, int64_t n, const int64_t *bounds)
{
    gr_fill_integers(g, out, n, bounds[0], bounds[1]);
}

gr_tensor *gr_randint_at(int64_t low, int64_t high, const gr_make_args *args)
{
    if (low >= high)
        return gr_fail(GR_ERROR_ARGUMENT, args->site, "randint", "low is %lld, high is %lld; low must be less", (long long)low,
                       (long long)high);
    gr_tensor *t = gr_make("randint", args, args->dtype == GR_DTYPE_DEFAULT ? GR_INT64 : args->dtype);
    return integers(t, args->site, "randint", draw_integers, (const int64_t[]){low, high});
}

static void draw_permutation(gr_generator *g, int64_t *out, int64_t n, const int64_t *unused)
{
    (void)unused;
    gr_fill_permutation(g, out, n);
}

static gr_tensor *order_of(int64_t n, gr_site site, const char *op)
{
    if (!gr_count_fits(n, "n", GR_MOST_ELEMENTS, site, op)) return NULL;
    return gr_make(op, &(gr_make_args){.shape = {1, {n}}, .site = site, .device = {-1, 0}}, GR_INT64);
}

gr_tensor *gr_randperm_at(int64_t n, gr_site site)
{
    return integers(order_of(n, site, "randperm"), site, "randperm", draw_permutation, NULL);
}

static void draw_order(gr_generator *g, int64_t *out, int64_t n, const int64_t *shuffle)
{
    gr_loader_order(g, NULL, n, *shuffle != 0, out);
}

gr_tensor *gr_sample_order_at(int64_t n, bool shuffle, gr_site site)
{
    return integers(order_of(n, site, "sample_order"), site, "sample_order", draw_order, (const int64_t[]){shuffle});
}
