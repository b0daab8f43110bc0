/* tensor.c - headers, sizes and dtypes of tensors; looking at them. */
#include <math.h>
#include <string.h>

#include "core/bfloat16.h"
#include "core/internal.h"
#include "core/tensor.h"

const uint8_t gr_dtype_size[GR_DTYPES] = {4, 8, 2, 8, 4, 1, 1}, gr_dtype_shift[GR_DTYPES] = {2, 3, 1, 3, 2, 0, 0};
/* The sentinel of absent optional arguments: a dead header, so using it as a tensor is caught like any dead one. */
static gr_tensor absent;
gr_tensor *const gr_absent = &absent;

gr_shape gr_shape_from(const int64_t *size, int64_t count)
{
    gr_shape s = {count < 0 || count > GR_MAX_DIMS || (count && !size) ? -1 : (int)count, {0}};
    for (int d = 0; d < s.count; d++) s.size[d] = size[d];
    return s;
}

bool gr_set_sizes(gr_tensor *x, int dim, const int64_t *size)
{
    int64_t stride = 1, bytes;
    bool empty = false;
    for (int d = 0; d < dim; d++) empty |= size[d] == 0;
    x->dim = (uint8_t)dim;
    x->contiguous = true;
    for (int d = dim; d-- > 0;) {
        x->axis[d].size = size[d];
        x->axis[d].stride = stride;
        const int64_t times = size[d] ? size[d] : 1;
        if (__builtin_mul_overflow(stride, times, &stride)) {
            if (!empty) return false;
            stride = 1;
        }
    }
    x->numel = empty ? 0 : stride;
    return empty || !__builtin_mul_overflow(stride, (int64_t)gr_dtype_size[x->dtype], &bytes);
}

bool gr_is_row_major(const gr_tensor *t)
{
    int64_t stride = 1;
    for (int d = t->dim; d-- > 0;) {
        if (t->axis[d].size != 1 && t->axis[d].stride != stride) return t->numel == 0;
        stride = gr_times(stride, t->axis[d].size);
    }
    return true;
}

gr_tensor *gr_tensor_like(gr_thread *t, const gr_tensor *x, gr_dtype dtype)
{
    gr_tensor *y = gr_header_take(t);
    if (!y) return NULL;
    gr_header_init(y, x->device);
    y->dtype = (uint8_t)dtype;
    gr_copy_sizes(y, x);
    if (gr_attach_memory(t, y)) return y;
    y->state = GR_DEAD;
    gr_header_drop(t, y);
    return NULL;
}

gr_tensor *gr_tensor_sized(gr_thread *t, gr_dtype dtype, uint8_t device, int dim, const int64_t *size)
{
    gr_tensor shape;
    shape.dtype = (uint8_t)dtype;
    shape.device = device;
    return gr_set_sizes(&shape, dim, size) ? gr_tensor_like(t, &shape, dtype) : NULL;
}

void gr_tensor_discard(gr_thread *t, gr_tensor *x)
{
    if (x->value == 0 && x->grad) gr_tensor_discard(t, x->grad);
    x->grad = NULL;
    gr_storage_drop(t, x->storage);
    x->state = GR_DEAD;
    x->died_line = 0;
    gr_header_drop(t, x);
}

void gr_take_back(gr_thread *t, gr_tensor *x)
{
    gr_disown(t, x);
    gr_tensor_discard(t, x);
}

int gr_check_dim(int64_t dim, const char *name, const gr_tensor *x, const char *x_name, gr_site site, const char *op)
{
    const int dims = x->dim ? x->dim : 1;
    if (dim >= -dims && dim < dims) return (int)(dim < 0 ? dim + dims : dim);
    char text[GR_SHAPE_TEXT];
    gr_fail(GR_ERROR_ARGUMENT, site, op, "%s is %lld, %s is %s; must be %d to %d", name, (long long)dim, x_name,
            gr_shape_text(x, text), -dims, dims - 1);
    return -1;
}

/* ---- dtypes ---- */

bool gr_dtype_fits(gr_dtype dtype, gr_site site, const char *op)
{
    if (dtype >= 0 && dtype < GR_DTYPES) return true;
    gr_fail(GR_ERROR_ARGUMENT, site, op, "dtype is %s; must be float32, float64, bfloat16, int64, int32, uint8 or bool",
            gr_dtype_text(dtype));
    return false;
}

bool gr_float_fits(gr_dtype dtype, gr_site site, const char *op)
{
    if (dtype >= 0 && gr_is_float(dtype)) return true;
    gr_fail(GR_ERROR_ARGUMENT, site, op, "dtype is %s; must be float32, float64 or bfloat16", gr_dtype_text(dtype));
    return false;
}

/* ---- settings ---- */

static _Atomic int default_dtype = GR_FLOAT32;

gr_dtype gr_default_dtype(void)
{
    return (gr_dtype)atomic_load_explicit(&default_dtype, memory_order_relaxed);
}

gr_dtype gr_resolve_dtype(gr_dtype dtype)
{
    return dtype == GR_DTYPE_DEFAULT ? gr_default_dtype() : dtype;
}

bool gr_set_default_dtype_at(gr_dtype dtype, gr_site site)
{
    if (gr_error_stands() || !gr_float_fits(dtype, site, "set_default_dtype")) return false;
    atomic_store(&default_dtype, (int)dtype);
    return true;
}

/* ---- looking ---- */

int gr_dim_at(const gr_tensor *t, gr_site site)
{
    return gr_usable(t, site, "dim", "t") ? t->dim : -1;
}

int64_t gr_size_at(const gr_tensor *t, int axis, gr_site site)
{
    if (!gr_usable(t, site, "size", "t")) return -1;
    if ((axis = gr_check_dim(axis, "axis", t, "t", site, "size")) < 0) return -1;
    return t->dim ? t->axis[axis].size : 1;
}

int64_t gr_stride_at(const gr_tensor *t, int axis, gr_site site)
{
    if (!gr_usable(t, site, "stride", "t")) return -1;
    if ((axis = gr_check_dim(axis, "axis", t, "t", site, "stride")) < 0) return -1;
    return t->dim ? t->axis[axis].stride : 1;
}

int64_t gr_numel_at(const gr_tensor *t, gr_site site)
{
    return gr_usable(t, site, "numel", "t") ? t->numel : -1;
}

gr_dtype gr_dtype_of_at(const gr_tensor *t, gr_site site)
{
    return gr_usable(t, site, "dtype_of", "t") ? (gr_dtype)t->dtype : GR_DTYPE_DEFAULT;
}

gr_device gr_device_of_at(const gr_tensor *t, gr_site site)
{
    if (!gr_usable(t, site, "device_of", "t")) return GR_DEVICE_DEFAULT;
    return gr_place_device(t->device);
}

gr_shape gr_shape_of_at(const gr_tensor *t, gr_site site)
{
    return gr_usable(t, site, "shape_of", "t") ? gr_sizes_of(t) : (gr_shape){-1, {0}};
}

bool gr_is_contiguous_at(const gr_tensor *t, gr_site site)
{
    return gr_usable(t, site, "is_contiguous", "t") && t->contiguous;
}

bool gr_requires_grad_of_at(const gr_tensor *t, gr_site site)
{
    if (!gr_usable(t, site, "requires_grad", "t")) return false;
    return t->requires_grad || (gr_view_is_stale(t) && t->base->requires_grad);
}

void *gr_data_at(gr_tensor *t, gr_site site)
{
    return gr_usable(t, site, "data", "t") ? t->data : NULL;
}

bool gr_read_element(const gr_tensor *t, int64_t offset, gr_value *value)
{
    const size_t size = gr_dtype_size[t->dtype];
    union {
        float f;
        double d;
        uint16_t half;
        int64_t i64;
        int32_t i32;
        uint8_t u8;
    } e;
    if (!gr_devices[t->device]->download(t->device, &e, t->data + offset * (int64_t)size, size)) return false;
    switch (t->dtype) {
    case GR_FLOAT32: *value = gr_value_real((double)e.f); break;
    case GR_FLOAT64: *value = gr_value_real(e.d); break;
    case GR_BFLOAT16: *value = gr_value_real((double)gr_bfloat16_widen(e.half)); break;
    case GR_INT64: *value = gr_value_integer(e.i64); break;
    case GR_INT32: *value = gr_value_integer(e.i32); break;
    case GR_UINT8: *value = gr_value_integer(e.u8); break;
    default: *value = gr_value_bool(e.u8 != 0);
    }
    return true;
}

/* NaN after a failure of the device. */
static double number_at(const gr_tensor *t, int64_t offset)
{
    gr_value v;
    if (!gr_read_element(t, offset, &v)) return (double)NAN;
    return v.kind == GR_VALUE_REAL ? v.real : (double)v.integer;
}

double gr_item_at(const gr_tensor *t, gr_site site)
{
    if (!gr_usable(t, site, "item", "t")) return (double)NAN;
    gr_self()->outside = (gr_outside){"item", site};
    if (gr_likely(t->numel == 1)) return number_at(t, 0);
    char text[GR_SHAPE_TEXT];
    gr_fail(GR_ERROR_ARGUMENT, site, "item", "t is %s; must have one element", gr_shape_text(t, text));
    return (double)NAN;
}

double gr_at_at(const gr_tensor *t, gr_shape place, gr_site site)
{
    char shape[GR_SHAPE_TEXT], given[GR_SHAPE_TEXT];
    if (!gr_usable(t, site, "at", "t")) return (double)NAN;
    int64_t offset = 0;
    bool inside = place.count == t->dim;
    for (int d = 0; inside && d < t->dim; d++) {
        const int64_t size = t->axis[d].size, i = place.size[d] < 0 ? place.size[d] + size : place.size[d];
        inside = i >= 0 && i < size;
        if (inside) offset += gr_times(i, t->axis[d].stride);
    }
    gr_self()->outside = (gr_outside){"at", site};
    if (inside) return number_at(t, offset);
    gr_fail(GR_ERROR_ARGUMENT, site, "at", "place is %s, t is %s; must have one index, within range, for each dimension",
            gr_sizes_text(&place, given), gr_shape_text(t, shape));
    return (double)NAN;
}

bool gr_to_array_at(const gr_tensor *t, void *buffer, gr_dtype dtype, int64_t count, gr_site site)
{
    if (!gr_usable(t, site, "to_array", "t") || !gr_dtype_fits(dtype, site, "to_array")) return false;
    char text[GR_SHAPE_TEXT];
    if (count != t->numel)
        return gr_fail(GR_ERROR_ARGUMENT, site, "to_array", "count is %lld, t is %s; must be %lld", (long long)count,
                       gr_shape_text(t, text), (long long)t->numel) != NULL;
    if (!buffer)
        return gr_fail(GR_ERROR_ARGUMENT, site, "to_array", "buffer is NULL; must have room for %lld elements",
                       (long long)count) != NULL;
    gr_tensor array; /* the user's memory, seen as a tensor */
    gr_header_init(&array, 0);
    array.dtype = (uint8_t)dtype;
    gr_copy_sizes(&array, t);
    array.data = buffer;
    gr_self()->outside = (gr_outside){"to_array", site};
    return gr_transfer(&array, t);
}

bool gr_equal_at(const gr_tensor *a, const gr_tensor *b, gr_site site)
{
    if (!gr_usable(a, site, "equal", "a") || !gr_usable(b, site, "equal", "b")) return false;
    if (a->key != b->key || !gr_same_sizes(a, b)) return false;
    if (a->numel == 0) return true;
    gr_thread *t = gr_self();
    const bool failed_before = t->failed;
    t->outside = (gr_outside){"equal", site};
    gr_tensor *same = gr_tensor_like(t, a, GR_BOOL), *all = gr_tensor_sized(t, GR_BOOL, a->device, 0, NULL);
    bool equal = false;
    if (same && all) {
        const gr_operands o = {{gr_value_tensor(a), gr_value_tensor(b)}, NULL, (gr_dtype)a->dtype};
        gr_kernels_of(a)->elementwise(GR_E_eq, same, &o);
        if (gr_kernels_of(same)->reduce(GR_REDUCE_MIN, all, same, (1u << same->dim) - 1, false))
            equal = number_at(all, 0) == 1;
    } else
        gr_fail_memory(site, "equal", "the comparison", (size_t)a->numel + 1);
    if (same) gr_tensor_discard(t, same);
    if (all) gr_tensor_discard(t, all);
    return equal && t->failed == failed_before; /* a device may fail meanwhile */
}

gr_tensors gr_tensors_from_at(gr_tensor *const *item, int64_t count, gr_site site)
{
    gr_tensors list = {0, NULL};
    if (!gr_count_fits(count, "count", GR_MOST_ELEMENTS, site, "tensors_from")) return list;
    if (count && !item) {
        gr_fail(GR_ERROR_ARGUMENT, site, "tensors_from", "item is NULL, count is %lld; must hold so many", (long long)count);
        return list;
    }
    list.item = gr_scope_memory(gr_self(), (size_t)count * sizeof *item);
    if (!list.item) {
        gr_fail_memory(site, "tensors_from", "the list", (size_t)count * sizeof *item);
        return list;
    }
    for (int64_t i = 0; i < count; i++) list.item[i] = item[i];
    list.count = count;
    return list;
}
