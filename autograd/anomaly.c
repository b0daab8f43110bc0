/* anomaly.c - the search for the call that made the first NaN or inf. */
#include "autograd/anomaly.h"

#include <math.h>
#include <stdio.h>

#include "autograd/watch.h"

void gr_set_detect_anomaly(bool on)
{
    gr_thread *t = gr_self();
    if (t->failed) return;
    t->anomaly = on;
    gr_watch_changed(t);
}

bool gr_is_anomaly_enabled(void)
{
    return gr_self()->anomaly;
}

/* ---- looking ---- */

/* Where the first of each kind stands, counted in row-major order; -1: nowhere. */
typedef struct {
    int64_t nan, inf;
    bool negative; /* that inf */
} found;

static void see(found *f, double v, int64_t at)
{
    if (isfinite(v)) return;
    if (isnan(v) && f->nan < 0) f->nan = at;
    if (isinf(v) && f->inf < 0) {
        f->inf = at;
        f->negative = v < 0;
    }
}

static found look(const gr_tensor *x)
{
    found f = {-1, -1, false};
    gr_reader r = {.x = x};
    if (!gr_is_float(x->dtype)) return f;
    for (int64_t n, first = 0; (n = gr_read_next(&r)) > 0; first = r.done)
        for (int64_t i = 0; i < n; i++) see(&f, r.value[i], first + i);
    return f;
}

static found look_at_number(gr_value v)
{
    found f = {-1, -1, false};
    if (v.kind == GR_VALUE_REAL) see(&f, v.real, 0);
    return f;
}

static bool is_clean(const found *f)
{
    return f->nan < 0 && f->inf < 0;
}

/* ---- telling ---- */

/* "<verb> a nan in element 3 of <name> [4]; must be finite", of the one that comes first. */
static bool report(gr_site site, const char *op, const char *verb, const found *f, const char *name, const gr_tensor *x)
{
    const bool nan = f->inf < 0 || (f->nan >= 0 && f->nan < f->inf);
    int64_t at = nan ? f->nan : f->inf;
    char whole[GR_SHAPE_TEXT], text[GR_SHAPE_TEXT], element[GR_SHAPE_TEXT + 16] = "";
    gr_shape place = {x->dim, {0}};
    for (int d = x->dim; d-- > 0; at /= x->axis[d].size) place.size[d] = at % x->axis[d].size;
    if (x->dim == 1) snprintf(element, sizeof element, "element %lld of ", (long long)place.size[0]);
    if (x->dim > 1) snprintf(element, sizeof element, "element %s of ", gr_sizes_text(&place, text));
    gr_fail(GR_ERROR_NONFINITE, site, op, "%s %s in %s%s %s; must be finite", verb,
            nan ? "a nan" : f->negative ? "a -inf" : "an inf", element, name, gr_shape_text(x, whole));
    return false;
}

/* ---- forward ---- */

typedef struct {
    found nan; /* of the first input that has one */
    int nan_input;
    bool inf;
} given;

static given look_at_inputs(const gr_call *c)
{
    given g = {.nan_input = -1};
    for (int i = c->op->overwrites; i < c->inputs; i++) {
        const gr_value v = gr_slot_value(c, i);
        if (v.kind == GR_VALUE_TENSOR && !v.tensor) continue;
        const found f = v.kind == GR_VALUE_TENSOR ? look(v.tensor) : look_at_number(v);
        g.inf |= f.inf >= 0;
        if (f.nan < 0 || g.nan_input >= 0) continue;
        g.nan_input = i;
        g.nan = (found){f.nan, -1, false};
    }
    return g;
}

/* c made a NaN, or it was given one. */
static bool refuse_result(gr_call *c, const found *f, const given *g, int k)
{
    const gr_site site = gr_site_of(c);
    char name[24] = "its result";
    if (k) snprintf(name, sizeof name, "result %d", k);
    if (g->nan_input < 0 || f->nan < 0) return report(site, c->op->name, "made", f, name, gr_out(c, k)->tensor);
    const char *input = gr_input_name(c->op, c->inputs, g->nan_input);
    if (!gr_is_number(c, g->nan_input))
        return report(site, c->op->name, "there is", &g->nan, input, c->slot[g->nan_input].tensor);
    gr_fail(GR_ERROR_NONFINITE, site, c->op->name, "%s is nan; must be finite", input);
    return false;
}

static bool results_are_finite(gr_call *c, const given *g)
{
    for (int k = 0; k < c->outputs; k++) {
        found f = look(gr_out(c, k)->tensor);
        if (g->inf) f.inf = -1; /* passed on */
        if (!is_clean(&f)) return refuse_result(c, &f, g, k);
    }
    return true;
}

bool gr_anomaly_forward(gr_thread *t, gr_call *c)
{
    if (t->task) return c->op->forward(c); /* of a rule: it may compute what it then masks */
    gr_tensor *x = gr_out(c, 0)->tensor, *before = NULL;
    if (c->op->in_place) {
        if (!(before = gr_tensor_like(t, x, (gr_dtype)x->dtype))) {
            gr_fail_memory(gr_site_of(c), c->op->name, "the value before the change", (size_t)x->numel * gr_dtype_size[x->dtype]);
            return false;
        }
        gr_kernels_of(x)->copy(before, x);
    }
    const given g = look_at_inputs(c);
    const bool ok = c->op->forward(c) && results_are_finite(c, &g);
    if (!ok && before) gr_kernels_of(x)->copy(x, before);
    if (before) gr_tensor_discard(t, before);
    return ok;
}

/* ---- backward ---- */

bool gr_anomaly_given(const gr_tensor *gradient, gr_site site, const char *op, const char *verb, const char *name)
{
    const found f = look(gradient);
    return is_clean(&f) || report(site, op, verb, &f, name, gradient);
}

bool gr_anomaly_backward(gr_thread *t, gr_call *c)
{
    const gr_task *task = t->task;
    for (int i = 0; i < c->inputs; i++) {
        const gr_tensor *gradient = gr_grad_so_far(task, c, i);
        if (!gradient) continue;
        const found f = look(gradient);
        if (is_clean(&f)) continue;
        char verb[256], name[96];
        snprintf(verb, sizeof verb, "%s (%s:%d) made", c->op->name, gr_file_name(c->file), c->line);
        snprintf(name, sizeof name, "the gradient of %s", gr_input_name(c->op, c->inputs, i));
        return report(task->site, task->op, verb, &f, name, gradient);
    }
    return true;
}
