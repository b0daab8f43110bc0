/* random.c - the default generator, and tensors filled from it. */
#define _GNU_SOURCE
#include "core/random.h"

#include <pthread.h>
#include <sys/random.h>
#include <time.h>

#include "core/bfloat16.h"
#include "core/generator.h"
#include "core/internal.h"
#include "core/sampler.h"

/* One generator for the process; a fill holds the lock, so its draws are one sequence. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static gr_generator generator;
static bool seeded;

gr_generator *gr_generator_lock(void)
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

void gr_generator_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void gr_manual_seed(uint64_t seed)
{
    if (gr_error_stands()) return;
    pthread_mutex_lock(&lock);
    gr_generator_seed(&generator, seed);
    seeded = true;
    pthread_mutex_unlock(&lock);
}

gr_generator gr_generator_now(void)
{
    const gr_generator now = *gr_generator_lock();
    gr_generator_unlock();
    return now;
}

/* ---- fills ---- */

enum { TILE = 512 }; /* numbers that wait to be rounded; a multiple of GR_NORMAL_BLOCK */

gr_tensor gr_in_memory_order(const gr_tensor *t)
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

enum fill { UNIFORM, NORMAL, EXPONENTIAL };
typedef struct {
    enum fill kind;
    double first, second;
    bool scalar_form; /* of the normal distribution */
} drawing;

static void draw_f32(gr_generator *g, const drawing *d, float *out, int64_t n)
{
    if (d->kind == UNIFORM) gr_fill_uniform_f32(g, out, n, d->first, d->second);
    else if (d->kind == EXPONENTIAL) gr_fill_exponential_f32(g, out, n, d->first);
    else if (d->scalar_form) gr_fill_normal_scalar_f32(g, out, n, d->first, d->second);
    else gr_fill_normal_f32(g, out, n, d->first, d->second);
}

static void draw_f64(gr_generator *g, const drawing *d, double *out, int64_t n)
{
    if (d->kind == UNIFORM) gr_fill_uniform_f64(g, out, n, d->first, d->second);
    else if (d->kind == EXPONENTIAL) gr_fill_exponential_f64(g, out, n, d->first);
    else if (d->scalar_form) gr_fill_normal_scalar_f64(g, out, n, d->first, d->second);
    else gr_fill_normal_f64(g, out, n, d->first, d->second);
}

static void draw_some_b16(gr_generator *g, const drawing *d, uint16_t *out, int64_t n)
{
    float wide[TILE];
    const uint16_t low = gr_bfloat16_round((float)d->first), high = gr_bfloat16_round((float)d->second);
    draw_f32(g, d, wide, n);
    for (int64_t i = 0; i < n; i++) {
        out[i] = gr_bfloat16_round(wide[i]);
        if (d->kind == UNIFORM && out[i] == high) out[i] = low; /* the end is not in the interval */
    }
}

/* What float32 would get, rounded; but of blocks of normal numbers only whole ones are drawn, the last one over the end. */
static void draw_b16(gr_generator *g, const drawing *d, uint16_t *out, int64_t n)
{
    const int64_t whole = d->kind == NORMAL && !d->scalar_form ? n - n % GR_NORMAL_BLOCK : n;
    for (int64_t i = 0; i < whole; i += TILE) draw_some_b16(g, d, out + i, whole - i < TILE ? whole - i : TILE);
    if (whole < n) draw_some_b16(g, d, out + n - GR_NORMAL_BLOCK, GR_NORMAL_BLOCK);
}

static void draw(const drawing *d, gr_dtype dtype, void *out, int64_t n)
{
    gr_generator *g = gr_generator_lock();
    if (dtype == GR_FLOAT32) draw_f32(g, d, out, n);
    else if (dtype == GR_FLOAT64) draw_f64(g, d, out, n);
    else draw_b16(g, d, out, n);
    gr_generator_unlock();
}

/* Memory without gaps is filled as it lies, another tensor on the host, then copied. */
static bool fill(gr_tensor *t, drawing d)
{
    gr_tensor ordered = gr_in_memory_order(t);
    d.scalar_form = t->numel < GR_NORMAL_BLOCK || !t->contiguous;
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

bool gr_fill_exponential(gr_tensor *t, double lambda)
{
    return fill(t, (drawing){.kind = EXPONENTIAL, .first = lambda});
}

/* Draws n bools by f, which t takes as its elements. */
typedef void draw_bools(gr_generator *g, bool *out, int64_t n, const void *p);
static bool fill_bools(gr_tensor *t, draw_bools *f, const void *p)
{
    gr_thread *thread = gr_self();
    gr_tensor ordered = gr_in_memory_order(t), *drawn = gr_host_like(thread, &ordered, GR_BOOL);
    if (!drawn) return false;
    f(gr_generator_lock(), (bool *)drawn->data, t->numel, p);
    gr_generator_unlock();
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

/* p lies in host memory, row-major. */
static bool are_probabilities(const gr_tensor *p)
{
    const float *single = (const float *)(const void *)p->data;
    const double *wide = (const double *)(const void *)p->data;
    bool inside = true;
    for (int64_t i = 0; inside && i < p->numel; i++) {
        const double v = p->dtype == GR_FLOAT64 ? wide[i] : (double)single[i];
        inside = v >= 0 && v <= 1;
    }
    return inside;
}

gr_tensor *gr_bernoulli_at(const gr_tensor *p, gr_site site)
{
    if (!gr_usable(p, site, "bernoulli", "p")) return NULL;
    if (!gr_is_float(p->dtype))
        return gr_fail(GR_ERROR_ARGUMENT, site, "bernoulli", "p is %s; must be a float", gr_dtype_name[p->dtype]);
    gr_thread *t = gr_self();
    t->outside = (gr_outside){"bernoulli", site};
    const bool wide = p->dtype == GR_FLOAT64;
    gr_tensor *host = gr_host_like(t, p, wide ? GR_FLOAT64 : GR_FLOAT32);
    bool ok = host && gr_can_own(t) && gr_transfer(host, p);
    if (ok && !are_probabilities(host)) {
        gr_tensor_discard(t, host);
        return gr_fail(GR_ERROR_ARGUMENT, site, "bernoulli", "p has an element outside 0 to 1; must be a probability");
    }
    gr_tensor *result = ok ? gr_tensor_like(t, p, (gr_dtype)p->dtype) : NULL;
    ok = result && fill_bools(result, wide ? double_probabilities : float_probabilities, host->data);
    if (host) gr_tensor_discard(t, host);
    if (ok) gr_own(t, result);
    else if (result) gr_tensor_discard(t, result);
    return ok ? result : gr_fail_memory(site, "bernoulli", "the numbers", (size_t)p->numel * gr_dtype_size[p->dtype]);
}

/* ---- new tensors ---- */

static gr_tensor *made(const gr_make_args *args, const char *op, double first, double second, enum fill kind)
{
    const gr_dtype dtype = gr_resolve_dtype(args->dtype);
    if (!gr_float_fits(dtype, args->site, op)) return NULL;
    gr_tensor *t = gr_make(op, args, dtype);
    if (!t || fill(t, (drawing){.kind = kind, .first = first, .second = second})) return t;
    const size_t bytes = (size_t)t->numel * gr_dtype_size[dtype];
    gr_take_back(gr_self(), t);
    return gr_fail_memory(args->site, op, "the numbers", bytes);
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
    const bool there = t->device == 0 && t->dtype == GR_INT64; /* t is new, so row-major */
    gr_tensor *wide = there ? t : gr_host_like(thread, t, GR_INT64);
    if (!wide) {
        const size_t bytes = (size_t)t->numel * sizeof(int64_t);
        gr_take_back(thread, t);
        return gr_fail_memory(site, op, "the numbers", bytes);
    }
    f(gr_generator_lock(), (int64_t *)(void *)wide->data, t->numel, bounds);
    gr_generator_unlock();
    if (there) return t;
    const bool ok = gr_transfer(t, wide);
    gr_tensor_discard(thread, wide);
    if (!ok) gr_take_back(thread, t);
    return ok ? t : NULL;
}

static void draw_integers(gr_generator *g, int64_t *out, int64_t n, const int64_t *bounds)
{
    gr_fill_integers(g, out, n, bounds[0], bounds[1]);
}

/* Whether each number low <= n < high has its place in the dtype. */
static bool range_fits(int64_t low, int64_t high, gr_dtype dtype, gr_site site)
{
    const int64_t least = dtype == GR_INT32 ? INT32_MIN : dtype == GR_UINT8 || dtype == GR_BOOL ? 0 : INT64_MIN;
    const int64_t most = dtype == GR_INT32 ? INT32_MAX : dtype == GR_UINT8 ? UINT8_MAX : dtype == GR_BOOL ? 1 : INT64_MAX;
    const char *wrong = low < least ? "low" : high - 1 > most ? "high" : NULL;
    if (wrong)
        gr_fail(GR_ERROR_ARGUMENT, site, "randint", "%s is %lld, dtype is %s; must hold low to high - 1", wrong,
                (long long)(low < least ? low : high), gr_dtype_name[dtype]);
    return !wrong;
}

gr_tensor *gr_randint_at(int64_t low, int64_t high, const gr_make_args *args)
{
    if (low >= high)
        return gr_fail(GR_ERROR_ARGUMENT, args->site, "randint", "low is %lld, high is %lld; low must be less", (long long)low,
                       (long long)high);
    const gr_dtype dtype = args->dtype == GR_DTYPE_DEFAULT ? GR_INT64 : args->dtype;
    if (!range_fits(low, high, dtype, args->site)) return NULL;
    gr_tensor *t = gr_make("randint", args, dtype);
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
