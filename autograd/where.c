/* where.c - selection by a condition, and clamping. */
#include <math.h>
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/elementwise.h"

/* where: da = condition ? dy : 0,  db = condition ? 0 : dy */

static bool where_dtype(gr_call *c, const gr_tensor *a, const gr_tensor *b, gr_dtype *dtype)
{
    if (a && b) {
        *dtype = (gr_dtype)a->dtype;
        return gr_call_same_key(c, 1, 2);
    }
    const gr_tensor *given = a ? a : b;
    gr_value_kind kind = GR_VALUE_BOOL;
    for (int i = 1; i < 3; i++)
        if (gr_is_number(c, i) && (gr_value_kind)c->slot[i].version > kind) kind = (gr_value_kind)c->slot[i].version;
    int result = given ? given->dtype : kind == GR_VALUE_REAL ? gr_default_dtype() : kind == GR_VALUE_INTEGER ? GR_INT64 : GR_BOOL;
    if (given && kind == GR_VALUE_REAL && !gr_is_float(result)) result = gr_default_dtype();
    if (given && kind == GR_VALUE_INTEGER && result == GR_BOOL) result = GR_INT64;
    *dtype = (gr_dtype)result;
    for (int i = 1; i < 3; i++)
        if (gr_is_number(c, i) && !gr_is_float(result) &&
            !gr_check_number(gr_slot_value(c, i), *dtype, gr_site_of(c), c->op->name))
            return false;
    return true;
}

static bool where_shape(gr_call *c)
{
    const gr_tensor *in[3] = {c->slot[0].tensor, gr_is_number(c, 1) ? NULL : c->slot[1].tensor,
                              gr_is_number(c, 2) ? NULL : c->slot[2].tensor};
    gr_tensor *y = gr_out(c, 0)->tensor;
    gr_dtype dtype;
    if (in[0]->dtype != GR_BOOL)
        return gr_call_fail(c, "condition is %s; must be bool, as comparisons give", gr_dtype_name[in[0]->dtype]);
    for (int i = 1; i < 3; i++)
        if (in[i] && in[i]->device != in[0]->device) return gr_call_same_key(c, 0, i);
    if (!where_dtype(c, in[1], in[2], &dtype)) return false;
    int dim = 0;
    int64_t size[GR_MAX_DIMS];
    for (int i = 0; i < 3; i++)
        if (in[i] && in[i]->dim > dim) dim = in[i]->dim;
    for (int d = 0; d < dim; d++) {
        size[d] = 1;
        for (int i = 0; i < 3; i++) {
            const int at = in[i] ? d - (dim - in[i]->dim) : -1;
            const int64_t own = at < 0 ? 1 : in[i]->axis[at].size;
            if (own != 1 && size[d] != 1 && own != size[d])
                return gr_call_fail(c, "dimension %d of condition, a and b is %lld and %lld; must be equal or 1", d,
                                    (long long)size[d], (long long)own);
            if (own != 1) size[d] = own;
        }
    }
    y->dtype = (uint8_t)dtype;
    if (gr_set_sizes(y, dim, size)) return true;
    const gr_shape wanted = gr_shape_from(size, dim);
    char text[GR_SHAPE_TEXT];
    return gr_call_fail(c, "condition, a and b make %s; must have fewer than 2^63 bytes", gr_sizes_text(&wanted, text));
}

static bool where_forward(gr_call *c)
{
    gr_tensor *y = gr_out(c, 0)->tensor;
    gr_kernels_of(y)->where(y, c->slot[0].tensor, gr_slot_value(c, 1), gr_slot_value(c, 2));
    return true;
}

static bool where_backward(gr_call *c)
{
    gr_tensor *dy = gr_call_gradient(c, 0), *condition = c->slot[0].tensor;
    const gr_site site = gr_site_of(c);
    const gr_value zero = gr_value_integer(0), whole = gr_value_tensor(dy);
    if (gr_call_needs(c, 1) && !gr_grad_add(c, 1, gr_where_at(condition, whole, zero, site))) return false;
    return !gr_call_needs(c, 2) || gr_grad_add(c, 2, gr_where_at(condition, zero, whole, site));
}

static const char *const where_names[] = {"condition", "a", "b"};
static const gr_op where_op = {.name = "where", .shape = where_shape, .forward = where_forward,
                               .backward = where_backward, .reads_inputs = 1, .input_names = where_names,
                               .rule = "da = dy where condition, db = dy elsewhere"};

gr_tensor *gr_where_at(gr_tensor *condition, gr_value a, gr_value b, gr_site site)
{
    gr_call *c = gr_call_begin(&where_op, 3, site);
    if (!c) return NULL;
    const gr_value in[3] = {gr_value_tensor(condition), a, b};
    for (int i = 0; i < 3; i++) {
        c->slot[i].integer = in[i].integer;
        if (in[i].kind == GR_VALUE_TENSOR) continue;
        c->slot[i].version = in[i].kind;
        c->numbers |= (uint8_t)(1 << i);
    }
    return gr_call_run(c);
}

/* ---- clamp: min(max(x, lo), hi) ---- */

static const char *const lo_names[] = {"x", "lo"}, *const hi_names[] = {"x", "hi"};
static const gr_op lo_op = GR_ROW_AS("clamp", maximum, 0, lo_names), hi_op = GR_ROW_AS("clamp", minimum, 0, hi_names);

static bool is_absent(gr_value v)
{
    return v.kind == GR_VALUE_TENSOR && v.tensor == gr_absent;
}

static bool is_number(gr_value v)
{
    return v.kind != GR_VALUE_TENSOR || is_absent(v);
}

static double number_or(gr_value v, double otherwise)
{
    if (is_absent(v)) return otherwise;
    return v.kind == GR_VALUE_REAL ? v.real : (double)v.integer;
}

/* Between numbers it is the row hardtanh: one pass, and a slope of 0 at the bounds. */
static const gr_op clamp_op = GR_ROW_AS("clamp", hardtanh, 2 * sizeof(double), NULL);

static gr_tensor *between_numbers(gr_tensor *x, gr_value lo, gr_value hi, gr_site site)
{
    const double bound[] = {number_or(lo, -(double)INFINITY), number_or(hi, (double)INFINITY)};
    gr_call *c = gr_call_begin(&clamp_op, 1, site);
    if (!c) return NULL;
    c->slot[0].tensor = x;
    memcpy(gr_attributes(c), bound, sizeof bound);
    return gr_call_run(c);
}

/* An integer bound beyond the dtype of x: its end, where that changes nothing, else refused. */
static bool bound_within(const gr_tensor *x, gr_value *bound, const char *name, bool lower, gr_site site)
{
    const int64_t least = x->dtype == GR_UINT8 ? 0 : INT32_MIN, most = x->dtype == GR_UINT8 ? UINT8_MAX : INT32_MAX;
    if (bound->kind != GR_VALUE_INTEGER || (x->dtype != GR_UINT8 && x->dtype != GR_INT32)) return true;
    if (lower ? bound->integer > most : bound->integer < least)
        return gr_fail(GR_ERROR_ARGUMENT, site, "clamp", "%s is %lld, x is %s; must be %s %lld", name, (long long)bound->integer,
                       gr_dtype_name[x->dtype], lower ? "at most" : "at least", (long long)(lower ? most : least)) != NULL;
    if (bound->integer < least) bound->integer = least;
    if (bound->integer > most) bound->integer = most;
    return true;
}

gr_tensor *gr_clamp_at(gr_tensor *x, gr_value lo, gr_value hi, gr_site site)
{
    if (!gr_usable(x, site, "clamp", "x")) return NULL;
    if (is_absent(lo) && is_absent(hi))
        return gr_fail(GR_ERROR_ARGUMENT, site, "clamp", "lo and hi are both GR_ABSENT; one must be given");
    if (gr_is_float(x->dtype) && is_number(lo) && is_number(hi)) return between_numbers(x, lo, hi, site);
    if (!bound_within(x, &lo, "lo", true, site) || !bound_within(x, &hi, "hi", false, site)) return NULL;
    const gr_compound whole = gr_compound_begin("clamp");
    if (!is_absent(lo)) x = gr_row_run2(&lo_op, gr_value_tensor(x), lo, site);
    if (x && !is_absent(hi)) x = gr_row_run2(&hi_op, gr_value_tensor(x), hi, site);
    return gr_compound_end(&whole, x);
}
