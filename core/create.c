/* create.c - new tensors: zeros, ones, full, arange, eye, copies of C arrays. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/internal.h"
#include "core/tensor.h"

bool gr_count_fits(int64_t n, const char *name, int64_t most, gr_site site, const char *op)
{
    if (n >= 0 && n <= most) return true;
    gr_fail(GR_ERROR_ARGUMENT, site, op, "%s is %lld; must be 0 to %lld", name, (long long)n, (long long)most);
    return false;
}

/* Checks everything about a new tensor, and makes it; the open scope owns it. */
gr_tensor *gr_make(const char *op, const gr_make_args *args, gr_dtype dtype)
{
    const gr_shape *s = &args->shape;
    char text[GR_SHAPE_TEXT];
    gr_thread *t = gr_self();
    if (s->count < 0 || s->count > GR_MAX_DIMS)
        return gr_fail(GR_ERROR_ARGUMENT, args->site, op, "shape is %s; must have 0 to 8", gr_sizes_text(s, text));
    for (int d = 0; d < s->count; d++)
        if (s->size[d] < 0)
            return gr_fail(GR_ERROR_ARGUMENT, args->site, op, "shape is %s; sizes must be 0 or more",
                           gr_sizes_text(s, text));
    if (!gr_dtype_fits(dtype, args->site, op)) return NULL;
    const int place = gr_device_place(args->device, gr_default_place(), args->site, op);
    if (place < 0) return NULL;
    if (args->requires_grad && !gr_is_float(dtype))
        return gr_fail(GR_ERROR_ARGUMENT, args->site, op, "dtype is %s with .requires_grad; must be a float",
                       gr_dtype_name[dtype]);
    gr_tensor shape;
    shape.dtype = (uint8_t)dtype;
    shape.device = (uint8_t)place;
    t->outside = (gr_outside){op, args->site};
    if (!gr_set_sizes(&shape, s->count, s->size))
        return gr_fail(GR_ERROR_ARGUMENT, args->site, op, "shape is %s; must have fewer than 2^63 bytes",
                       gr_sizes_text(s, text));
    gr_tensor *x = gr_can_own(t) ? gr_tensor_like(t, &shape, dtype) : NULL;
    if (!x)
        return gr_fail_result(args->site, op, &shape);
    x->requires_grad = args->requires_grad;
    gr_own(t, x);
    return x;
}

static gr_tensor *make_full(const char *op, const gr_make_args *args, gr_dtype dtype, gr_value value)
{
    gr_tensor *x = gr_make(op, args, dtype);
    if (x) gr_kernels_of(x)->fill(x, value);
    return x;
}

static bool integer_fits(int64_t number, gr_dtype dtype)
{
    if (dtype == GR_UINT8) return number >= -UINT8_MAX && number <= UINT8_MAX;
    return dtype != GR_INT32 || (number >= INT32_MIN && number <= INT32_MAX);
}

static bool real_fits(double number, gr_dtype dtype)
{
    switch (dtype) {
    case GR_FLOAT32: return !(fabs(number) > (double)FLT_MAX) || isinf(number);
    case GR_INT64: return number >= (double)INT64_MIN && number < -(double)INT64_MIN;
    case GR_INT32: return number >= INT32_MIN && number <= INT32_MAX;
    case GR_UINT8: return number >= 0 && number <= UINT8_MAX;
    default: return true;
    }
}

bool gr_is_a_number(gr_value value, const char *name, gr_site site, const char *op)
{
    if (value.kind != GR_VALUE_TENSOR) return true;
    if (value.tensor)
        gr_fail(GR_ERROR_ARGUMENT, site, op, "%s is a tensor; must be a number: gr_item(t)", name);
    else
        gr_fail(GR_ERROR_ARGUMENT, site, op, "%s is NULL and no earlier call failed; must be a number", name);
    return false;
}

bool gr_check_number(gr_value number, gr_dtype dtype, gr_site site, const char *op)
{
    if (!gr_is_a_number(number, "value", site, op)) return false;
    const bool real = number.kind == GR_VALUE_REAL;
    if (real ? real_fits(number.real, dtype) : integer_fits(number.integer, dtype)) return true;
    gr_fail(GR_ERROR_ARGUMENT, site, op, "value is %.17g, which does not fit; must be a number that %s holds",
            real ? number.real : (double)number.integer, gr_dtype_name[dtype]);
    return false;
}

/* The same, of a number that the user chose. */
static gr_tensor *make_full_of(const char *op, const gr_make_args *args, gr_dtype dtype, gr_value value)
{
    return gr_check_number(value, dtype, args->site, op) ? make_full(op, args, dtype, value) : NULL;
}

gr_tensor *gr_empty_at(const gr_make_args *args)
{
    return gr_make("empty", args, gr_resolve_dtype(args->dtype));
}

gr_tensor *gr_zeros_at(const gr_make_args *args)
{
    return make_full("zeros", args, gr_resolve_dtype(args->dtype), gr_value_integer(0));
}

gr_tensor *gr_ones_at(const gr_make_args *args)
{
    return make_full("ones", args, gr_resolve_dtype(args->dtype), gr_value_integer(1));
}

gr_tensor *gr_full_at(gr_value value, const gr_make_args *args)
{
    gr_dtype dtype = args->dtype;
    if (dtype == GR_DTYPE_DEFAULT)
        dtype = value.kind == GR_VALUE_REAL ? gr_default_dtype() : value.kind == GR_VALUE_BOOL ? GR_BOOL : GR_INT64;
    return make_full_of("full", args, dtype, value);
}

/* ---- like another ---- */

static bool like(const char *op, const gr_like_args *args, gr_make_args *made, gr_dtype *dtype)
{
    const gr_tensor *x = args->x;
    if (!gr_usable(x, args->site, op, "x")) return false;
    *made = (gr_make_args){.site = args->site, .device = args->device, .requires_grad = args->requires_grad};
    if (made->device.kind == -1) made->device = gr_place_device(x->device);
    made->shape = gr_shape_of_at(x, args->site);
    *dtype = args->dtype == GR_DTYPE_DEFAULT ? (gr_dtype)x->dtype : args->dtype;
    return true;
}

gr_tensor *gr_empty_like_at(const gr_like_args *args)
{
    gr_make_args made;
    gr_dtype dtype;
    return like("empty_like", args, &made, &dtype) ? gr_make("empty_like", &made, dtype) : NULL;
}

gr_tensor *gr_zeros_like_at(const gr_like_args *args)
{
    gr_make_args made;
    gr_dtype dtype;
    if (!like("zeros_like", args, &made, &dtype)) return NULL;
    return make_full("zeros_like", &made, dtype, gr_value_integer(0));
}

gr_tensor *gr_ones_like_at(const gr_like_args *args)
{
    gr_make_args made;
    gr_dtype dtype;
    if (!like("ones_like", args, &made, &dtype)) return NULL;
    return make_full("ones_like", &made, dtype, gr_value_integer(1));
}

gr_tensor *gr_full_like_at(gr_value value, const gr_like_args *args)
{
    gr_make_args made;
    gr_dtype dtype;
    if (!like("full_like", args, &made, &dtype)) return NULL;
    return make_full_of("full_like", &made, dtype, value);
}

/* ---- sequences ---- */

static double number_of(gr_value v)
{
    return v.kind == GR_VALUE_REAL ? v.real : (double)v.integer;
}

/* n = ceil((end - start) / step), exactly for integers; INT64_MAX: so many, or more; -1: refused */
GR_WRAPS static int64_t arange_count(const gr_arange_args *a, bool integers)
{
    if (integers) {
        const int64_t start = a->start.integer, end = a->end.integer, step = a->step.integer;
        if (step == 0 || (step > 0 ? start > end : start < end)) return -1;
        const uint64_t span = step > 0 ? (uint64_t)end - (uint64_t)start : (uint64_t)start - (uint64_t)end;
        const uint64_t each = step > 0 ? (uint64_t)step : -(uint64_t)step, count = span / each + (span % each != 0);
        return count < INT64_MAX ? (int64_t)count : INT64_MAX;
    }
    const double start = number_of(a->start), end = number_of(a->end), step = number_of(a->step);
    if (!(step != 0) || !isfinite(start) || !isfinite(end) || !isfinite(step) || (step > 0 ? start > end : start < end))
        return -1;
    const double count = ceil((end - start) / step);
    return count < 0x1p63 ? (int64_t)count : INT64_MAX;
}

/* Into wide, which is int64 or float64. */
GR_WRAPS static void fill_sequence(gr_tensor *wide, const gr_arange_args *a)
{
    int64_t *integer = (int64_t *)(void *)wide->data;
    double *real = (double *)(void *)wide->data;
    const double start = number_of(a->start), step = number_of(a->step);
    for (int64_t i = 0; i < wide->numel; i++) {
        if (wide->dtype == GR_INT64) integer[i] = (int64_t)((uint64_t)a->start.integer + (uint64_t)i * (uint64_t)a->step.integer);
        else real[i] = start + (double)i * step;
    }
}

/* Computed in host memory, as doubles or int64, then converted. */
gr_tensor *gr_arange_at(const gr_arange_args *args)
{
    static const char *const names[] = {"start", "end", "step"};
    const gr_value parts[3] = {args->start, args->end, args->step};
    bool integers = true;
    for (int i = 0; i < 3; i++) {
        if (!gr_is_a_number(parts[i], names[i], args->site, "arange")) return NULL;
        integers &= parts[i].kind != GR_VALUE_REAL;
    }
    const int64_t count = arange_count(args, integers);
    if (count < 0)
        return gr_fail(GR_ERROR_ARGUMENT, args->site, "arange",
                       "start is %g, end is %g, step is %g; must be finite, step not 0 and leading from start to end",
                       number_of(args->start), number_of(args->end), number_of(args->step));
    const gr_dtype dtype = args->dtype != GR_DTYPE_DEFAULT ? args->dtype : integers ? GR_INT64 : gr_default_dtype();
    if (dtype == GR_BOOL) return gr_fail(GR_ERROR_ARGUMENT, args->site, "arange", "dtype is bool; must be a number's");
    gr_tensor *x = gr_make("arange", &(gr_make_args){.shape = {1, {count}}, .site = args->site, .device = args->device}, dtype);
    if (!x) return NULL;
    gr_thread *t = gr_self();
    gr_tensor *wide = gr_host_like(t, x, integers ? GR_INT64 : GR_FLOAT64);
    if (!wide) {
        gr_take_back(t, x);
        return gr_fail_memory(args->site, "arange", "the sequence", (size_t)count * 8);
    }
    fill_sequence(wide, args);
    const bool ok = gr_transfer(x, wide);
    gr_tensor_discard(t, wide);
    if (!ok) gr_take_back(t, x);
    return ok ? x : NULL;
}

gr_tensor *gr_eye_at(int64_t n, const gr_make_args *args)
{
    gr_make_args made = *args;
    const int64_t most = (INT64_C(1) << GR_MOST_SHIFT / 2) - 1;
    if (!gr_count_fits(n, "n", most, args->site, "eye")) return NULL;
    made.shape = (gr_shape){2, {n, n}};
    gr_tensor *x = make_full("eye", &made, gr_resolve_dtype(args->dtype), gr_value_integer(0));
    if (!x) return NULL;
    gr_tensor diagonal = gr_alias(x);
    diagonal.dim = 1;
    diagonal.numel = n;
    diagonal.axis[0] = (gr_axis){n, n + 1};
    diagonal.contiguous = n == 1;
    gr_kernels_of(x)->fill(&diagonal, gr_value_integer(1));
    return x;
}

gr_tensor *gr_from_at(const void *array, gr_dtype dtype, gr_shape shape, gr_site site)
{
    if (!array) return gr_fail(GR_ERROR_ARGUMENT, site, "from", "array is NULL; must hold the elements");
    const gr_make_args made = {.shape = shape, .site = site, .device = {-1, 0}};
    gr_tensor *x = gr_make("from", &made, dtype);
    if (!x || gr_devices[x->device]->upload(x->device, x->data, array, (size_t)x->numel * gr_dtype_size[dtype])) return x;
    return NULL;
}
