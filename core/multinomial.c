/* multinomial.c - places drawn by their weights, as PyTorch draws them.
 *
 * With replacement: u uniform, the first place whose share of the running sum reaches u. Without, or for a single draw:
 * q exponential for every weight, the largest w / q; w / q is above its rivals with probability w / sum w. All in double,
 * rounded to the weights' dtype after each operation, which for + and / gives that dtype's own results. */
#include <math.h>
#include <stdlib.h>

#include "core/bfloat16.h"
#include "core/generator.h"
#include "core/internal.h"
#include "core/random.h"

typedef struct {
    gr_dtype dtype;    /* of the weights */
    int64_t rows, n, count;
    double *weight;    /* [rows, n], on the host */
    int64_t *drawn;    /* [rows, count], likewise */
} drawing;

static double narrow(gr_dtype dtype, double x)
{
    if (dtype == GR_FLOAT64) return x;
    return (double)(dtype == GR_FLOAT32 ? (float)x : gr_bfloat16_widen(gr_bfloat16_round((float)x)));
}

/* ---- with replacement ---- */

static int64_t first_reaching(const double *share, int64_t n, double u)
{
    int64_t low = 0, high = n;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (share[middle] < u) low = middle + 1;
        else high = middle;
    }
    return low;
}

static void draw_again_and_again(const drawing *d, gr_generator *g)
{
    const gr_dtype dtype = d->dtype == GR_FLOAT64 ? GR_FLOAT64 : GR_FLOAT32; /* of the sums */
    for (int64_t r = 0; r < d->rows; r++) {
        double *share = d->weight + r * d->n, sum = 0, u;
        for (int64_t i = 0; i < d->n; i++) share[i] = sum = narrow(dtype, sum + share[i]);
        for (int64_t i = 0; i < d->n; i++) share[i] = narrow(dtype, share[i] / sum);
        for (int64_t k = 0; k < d->count; k++) {
            gr_fill_uniform_f64(g, &u, 1, 0, 1);
            d->drawn[r * d->count + k] = first_reaching(share, d->n, u);
        }
    }
}

/* ---- without ---- */

typedef struct {
    double ratio;
    int64_t place;
} candidate;

/* The larger ratio first; of equals the lower place. */
static int by_ratio(const void *one, const void *other)
{
    const candidate *a = one, *b = other;
    if (a->ratio != b->ratio) return a->ratio > b->ratio ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

/* The weights become w / q. Every one draws, in the order of memory: `turned` where that is column by column. */
static void race(const drawing *d, gr_generator *g, bool turned)
{
    const int64_t total = d->rows * d->n;
    for (int64_t i = 0; i < total; i++) {
        double q, *w = d->weight + (turned ? i % d->rows * d->n + i / d->rows : i);
        gr_fill_exponential_f64(g, &q, 1, 1);
        *w = *w > 0 ? narrow(d->dtype, *w / narrow(d->dtype, q)) : 0;
    }
}

static void take_first(const drawing *d, candidate *runner)
{
    for (int64_t r = 0; r < d->rows; r++) {
        for (int64_t i = 0; i < d->n; i++) runner[i] = (candidate){d->weight[r * d->n + i], i};
        qsort(runner, (size_t)d->n, sizeof *runner, by_ratio);
        for (int64_t k = 0; k < d->count; k++) d->drawn[r * d->count + k] = runner[k].place;
    }
}

/* ---- the function ---- */

static bool weights_fit(const drawing *d, gr_site site)
{
    for (int64_t r = 0; r < d->rows; r++) {
        double sum = 0;
        for (int64_t i = 0; i < d->n; i++) {
            const double w = d->weight[r * d->n + i];
            if (!(w >= 0) || isinf(w)) {
                gr_fail(GR_ERROR_ARGUMENT, site, "multinomial", "weights has %g at place %lld of row %lld; must be finite, 0 or more",
                        w, (long long)i, (long long)r);
                return false;
            }
            sum += w;
        }
        if (sum > 0) continue;
        gr_fail(GR_ERROR_ARGUMENT, site, "multinomial", "weights has only zeros in row %lld; must have one above 0", (long long)r);
        return false;
    }
    return true;
}

static bool arguments_fit(const gr_multinomial_args *a)
{
    const gr_tensor *w = a->weights;
    char text[GR_SHAPE_TEXT];
    if (!gr_usable(w, a->site, "multinomial", "weights")) return false;
    if (!gr_is_float(w->dtype) || w->dim < 1 || w->dim > 2)
        return gr_fail(GR_ERROR_ARGUMENT, a->site, "multinomial", "weights is %s %s; must be a float, [n] or [rows, n]",
                       gr_dtype_name[w->dtype], gr_shape_text(w, text)) != NULL;
    const int64_t n = w->axis[w->dim - 1].size;
    if (n < 1)
        return gr_fail(GR_ERROR_ARGUMENT, a->site, "multinomial", "weights is %s; must have a place to draw",
                       gr_shape_text(w, text)) != NULL;
    const int64_t rows = w->numel / n, most = GR_MOST_ELEMENTS / (rows > 0 ? rows : 1);
    if (a->count >= 1 && (a->replacement || a->count <= n)) return gr_count_fits(a->count, "count", most, a->site, "multinomial");
    return gr_fail(GR_ERROR_ARGUMENT, a->site, "multinomial", "count is %lld, weights is %s; must be at least 1%s",
                   (long long)a->count, gr_shape_text(w, text),
                   a->count < 1 ? "" : ", and at most the places: .replacement = true draws them again") != NULL;
}

/* Column by column in memory: so an exponential tensor like these weights would be filled. */
static bool is_turned(const gr_tensor *w)
{
    return w->dim == 2 && w->axis[0].stride > 0 && w->axis[0].stride < w->axis[1].stride;
}

static bool draw(const gr_multinomial_args *a, const drawing *d)
{
    if (a->replacement && d->count > 1) {
        draw_again_and_again(d, gr_generator_lock());
        gr_generator_unlock();
        return true;
    }
    const size_t bytes = (size_t)d->n * sizeof(candidate);
    candidate *runner = gr_allocate(bytes);
    if (!runner) return gr_fail_memory(a->site, "multinomial", "the order of the places", bytes) != NULL;
    race(d, gr_generator_lock(), is_turned(a->weights));
    gr_generator_unlock();
    take_first(d, runner);
    gr_deallocate(runner);
    return true;
}

/* The places, on the host. */
static gr_tensor *drawn_places(gr_thread *t, const gr_multinomial_args *a, gr_shape shape)
{
    const gr_tensor *w = a->weights;
    gr_tensor *weight = gr_host_like(t, w, GR_FLOAT64);
    gr_tensor *drawn = weight ? gr_tensor_sized(t, GR_INT64, 0, shape.count, shape.size) : NULL;
    bool ok = drawn != NULL;
    if (ok) {
        drawing d = {.dtype = (gr_dtype)w->dtype, .n = w->axis[w->dim - 1].size, .count = a->count};
        d.rows = w->numel / d.n;
        d.weight = (double *)(void *)weight->data;
        d.drawn = (int64_t *)(void *)drawn->data;
        ok = gr_transfer(weight, w) && weights_fit(&d, a->site) && draw(a, &d);
    } else
        gr_fail_memory(a->site, "multinomial", "weights and places", (size_t)w->numel * sizeof(double));
    if (weight) gr_tensor_discard(t, weight);
    if (drawn && !ok) gr_tensor_discard(t, drawn);
    return ok ? drawn : NULL;
}

gr_tensor *gr_multinomial_at(const gr_multinomial_args *a)
{
    if (!arguments_fit(a)) return NULL;
    gr_thread *t = gr_self();
    gr_make_args made = {.shape = gr_sizes_of(a->weights), .site = a->site, .device = gr_place_device(a->weights->device)};
    made.shape.size[made.shape.count - 1] = a->count;
    gr_tensor *y = gr_make("multinomial", &made, GR_INT64); /* before anything is drawn */
    gr_tensor *drawn = y ? drawn_places(t, a, made.shape) : NULL;
    const bool ok = drawn && gr_transfer(y, drawn);
    if (drawn) gr_tensor_discard(t, drawn);
    if (y && !ok) gr_take_back(t, y);
    return ok ? y : NULL;
}
