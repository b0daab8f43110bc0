/* tensor.h - tensors: making, looking, converting, keeping. */
#ifndef GR_TENSOR_H
#define GR_TENSOR_H
#include "core/base.h"

GR_BEGIN_C

/* ---- scopes: what you make belongs to the scope that is open, and lives until it ends ---- */

/* A scope is known by its thread, its depth and a serial number: ending one twice is an error that changes nothing. */
typedef struct {
    uint32_t thread, depth;
    uint64_t serial;
} gr_scope;

/* Opens a scope. A root scope is always open; it ends at gr_shutdown or exit. */
GR_API gr_scope gr_scope_begin_at(gr_site site);
/* The same, and nothing is recorded (or again recorded) until it ends. */
GR_API gr_scope gr_no_grad_begin_at(gr_site site);
GR_API gr_scope gr_enable_grad_begin_at(gr_site site);
/* Ends the scope, and those opened inside it: what they own is freed, the history they recorded forgotten. */
GR_API bool gr_scope_end_at(gr_scope scope, gr_site site);
GR_API void gr_scope_end_quietly(const gr_scope *scope);
/* Whether calls are recorded now. */
GR_API bool gr_grad_enabled(void);

/* Hands an object to the enclosing scope. A tensor with history is refused: the history ends with its scope. */
GR_API gr_tensor *gr_keep_tensor_at(gr_tensor *t, gr_site site);
GR_API gr_module *gr_keep_module_at(gr_module *m, gr_site site);
GR_API gr_optim *gr_keep_optim_at(gr_optim *optimizer, gr_site site);
/* Frees early. */
GR_API bool gr_free_tensor_at(gr_tensor *t, gr_site site);
GR_API bool gr_free_module_at(gr_module *m, gr_site site);
GR_API bool gr_free_optim_at(gr_optim *optimizer, gr_site site);
/* Hands a tensor without history to another thread: released here, adopted there. */
GR_API gr_tensor *gr_release_at(gr_tensor *t, gr_site site);
GR_API gr_tensor *gr_adopt_at(gr_tensor *t, gr_site site);
/* Ends this thread's root scope and frees what the library holds; the next call starts it anew. */
GR_API void gr_shutdown(void);

/* ---- settings of the process ---- */

GR_API gr_device gr_cpu(void);
GR_API bool gr_set_default_dtype_at(gr_dtype dtype, gr_site site); /* a float dtype */
GR_API gr_dtype gr_default_dtype(void);
/* Where new tensors are made; tensors made from others are where those are. */
GR_API bool gr_set_default_device_at(gr_device device, gr_site site);
GR_API gr_device gr_default_device(void);
/* Threads that large loops use, 1 to 256; 0: one per CPU. Results do not depend on it. */
GR_API bool gr_set_num_threads_at(int count, gr_site site);
GR_API int gr_num_threads(void);

/* ---- CUDA ----
 * The first use of a CUDA device opens the plug-in libgradus_cuda.so. Kernels run while the program goes on, in a stream of
 * the thread's own. These calls wait for them: gr_item, gr_at, gr_to_array, gr_print, gr_equal, gr_to and gr_copy_ to the
 * CPU, gr_bernoulli of a tensor, gr_synchronize, gr_release, and making a tensor when the pool has to grow. */

GR_API gr_device gr_cuda(int index);
GR_API bool gr_cuda_is_available(void);
GR_API int gr_cuda_device_count(void); /* 0: no plug-in, no driver, or no device */
/* Waits until all that this thread asked of the device is done, and reports what went wrong in it. */
GR_API bool gr_synchronize_at(gr_device device, gr_site site);
/* Bytes of the device's memory that tensors use, and that the pool holds for them; -1 on failure. */
GR_API int64_t gr_cuda_memory_allocated_at(int index, gr_site site);
GR_API int64_t gr_cuda_memory_reserved_at(int index, gr_site site);
/* Gives unused blocks of this thread back to the devices. */
GR_API bool gr_cuda_empty_cache(void);
/* GR_HIGHEST (the default): products of float32 matrices are computed in float32; GR_HIGH: in TF32, with 10 bits of
 * mantissa, where the device has it. */
typedef enum { GR_HIGHEST, GR_HIGH } gr_precision;
GR_API bool gr_set_float32_matmul_precision_at(gr_precision precision, gr_site site);

/* ---- making ---- */

/* 0 to 8 sizes of 0 or more, fewer than 2^63 bytes together; a float dtype where .requires_grad. Else, and without memory,
 * what makes a tensor fails. */
typedef struct gr_make_args {
    gr_shape shape;
    gr_site site;
    gr_dtype dtype GR_DEFAULT(GR_DTYPE_DEFAULT);
    gr_device device GR_DEFAULT((gr_device{-1, 0}));
    bool requires_grad GR_DEFAULT(false);
} gr_make_args;

GR_API gr_tensor *gr_empty_at(const gr_make_args *args); /* elements undefined */
GR_API gr_tensor *gr_zeros_at(const gr_make_args *args);
GR_API gr_tensor *gr_ones_at(const gr_make_args *args);
/* Without a dtype: int64 for an integer (C11's true is one: write (bool)true), bool for a bool, else the default float.
 * Fails when the dtype does not hold value, a fraction aside; negative integers wrap into uint8. */
GR_API gr_tensor *gr_full_at(gr_value value, const gr_make_args *args);

typedef struct gr_like_args {
    gr_tensor *x;
    gr_site site;
    gr_dtype dtype GR_DEFAULT(GR_DTYPE_DEFAULT);       /* default: x's */
    gr_device device GR_DEFAULT((gr_device{-1, 0})); /* default: x's */
    bool requires_grad GR_DEFAULT(false);
} gr_like_args;

GR_API gr_tensor *gr_empty_like_at(const gr_like_args *args);
GR_API gr_tensor *gr_zeros_like_at(const gr_like_args *args);
GR_API gr_tensor *gr_ones_like_at(const gr_like_args *args);
GR_API gr_tensor *gr_full_like_at(gr_value value, const gr_like_args *args);

/* [ceil((end - start) / step)]: start, start + step, ... below end. int64 if all three are integers. */
typedef struct gr_arange_args {
    gr_value start, end, step;
    gr_site site;
    gr_dtype dtype GR_DEFAULT(GR_DTYPE_DEFAULT);
    gr_device device GR_DEFAULT((gr_device{-1, 0}));
} gr_arange_args;
GR_API gr_tensor *gr_arange_at(const gr_arange_args *args);
/* [n, n], ones on the diagonal. */
GR_API gr_tensor *gr_eye_at(int64_t n, const gr_make_args *args);

/* A copy of a C array, row-major, its dtype that of the pointer. */
GR_API gr_tensor *gr_from_at(const void *array, gr_dtype dtype, gr_shape shape, gr_site site);

/* ---- looking ---- */

GR_API int gr_dim_at(const gr_tensor *t, gr_site site);                     /* -1 on failure */
GR_API int64_t gr_size_at(const gr_tensor *t, int axis, gr_site site);      /* -1 on failure; axis may be negative */
GR_API int64_t gr_stride_at(const gr_tensor *t, int axis, gr_site site);    /* in elements; -1 on failure */
GR_API int64_t gr_numel_at(const gr_tensor *t, gr_site site);               /* -1 on failure */
GR_API gr_dtype gr_dtype_of_at(const gr_tensor *t, gr_site site);
GR_API gr_device gr_device_of_at(const gr_tensor *t, gr_site site);
GR_API gr_shape gr_shape_of_at(const gr_tensor *t, gr_site site);           /* count -1 on failure */
GR_API bool gr_is_contiguous_at(const gr_tensor *t, gr_site site);
GR_API bool gr_requires_grad_of_at(const gr_tensor *t, gr_site site);
/* The address of element 0, in the device's memory. Valid while t lives; strides by gr_stride. */
GR_API void *gr_data_at(gr_tensor *t, gr_site site);
/* The only element, or the one at the given place (negative counts from the end), as a double; NAN on failure. */
GR_API double gr_item_at(const gr_tensor *t, gr_site site);
GR_API double gr_at_at(const gr_tensor *t, gr_shape place, gr_site site);
/* All elements, row-major, converted to the buffer's type; count must be gr_numel(t). */
GR_API bool gr_to_array_at(const gr_tensor *t, void *buffer, gr_dtype dtype, int64_t count, gr_site site);
/* Same shape, dtype and elements (NaN equals nothing). */
GR_API bool gr_equal_at(const gr_tensor *a, const gr_tensor *b, gr_site site);
/* To stdout, in PyTorch's layout. */
GR_API bool gr_print_tensor_at(const gr_tensor *t, gr_site site);
GR_API bool gr_print_module_at(const gr_module *m, gr_site site);
/* The same text into memory: as snprintf, returns the length it would have; -1 on failure. */
GR_API int gr_tensor_text_at(const gr_tensor *t, char *text, size_t bytes, gr_site site);
GR_API int gr_module_text_at(const gr_module *m, char *text, size_t bytes, gr_site site);

/* A list of tensors that belongs to the open scope; count 0 on failure. */
GR_API gr_tensors gr_tensors_from_at(gr_tensor *const *item, int64_t count, gr_site site);

GR_END_C

#ifndef __cplusplus

#define gr_scope_begin() gr_scope_begin_at(GR_HERE)
#define gr_no_grad_begin() gr_no_grad_begin_at(GR_HERE)
#define gr_enable_grad_begin() gr_enable_grad_begin_at(GR_HERE)
#define gr_scope_end(scope) gr_scope_end_at(scope, GR_HERE)
/* GR_SCOPED gr_scope s = gr_scope_begin(); ends itself where s goes out of sight. */
#define GR_SCOPED __attribute__((cleanup(gr_scope_end_quietly), unused))

#define gr_keep(object) \
    _Generic((object), \
        gr_tensor *: gr_keep_tensor_at, \
        gr_module *: gr_keep_module_at, \
        gr_optim *: gr_keep_optim_at)(object, GR_HERE)
#define gr_free(object) \
    _Generic((object), \
        gr_tensor *: gr_free_tensor_at, \
        gr_module *: gr_free_module_at, \
        gr_optim *: gr_free_optim_at)(object, GR_HERE)
#define gr_release(t) gr_release_at(t, GR_HERE)
#define gr_adopt(t) gr_adopt_at(t, GR_HERE)

#define gr_set_default_dtype(dtype) gr_set_default_dtype_at(dtype, GR_HERE)
#define gr_cuda_memory_allocated(index) gr_cuda_memory_allocated_at(index, GR_HERE)
#define gr_cuda_memory_reserved(index) gr_cuda_memory_reserved_at(index, GR_HERE)
#define gr_synchronize(device) gr_synchronize_at(device, GR_HERE)
#define gr_set_float32_matmul_precision(precision) gr_set_float32_matmul_precision_at(precision, GR_HERE)
#define gr_set_default_device(device) gr_set_default_device_at(device, GR_HERE)
#define gr_set_num_threads(count) gr_set_num_threads_at(count, GR_HERE)

#define GR_MAKE_DEFAULTS .dtype = GR_DTYPE_DEFAULT, .device = {-1, 0}
#define GR_MAKE(...) (&(gr_make_args){GR_MAKE_DEFAULTS, .site = GR_HERE, .shape = GR_SHAPE(__VA_ARGS__)})
#define gr_empty(...) gr_empty_at(GR_MAKE(__VA_ARGS__))
#define gr_zeros(...) gr_zeros_at(GR_MAKE(__VA_ARGS__))
#define gr_ones(...) gr_ones_at(GR_MAKE(__VA_ARGS__))
#define gr_full(...) GR_FULL(__VA_ARGS__, ) /* the comma ends the list of sizes, which may be empty */
#define GR_FULL(value, ...) gr_full_at(GR_VALUE(value), GR_MAKE(__VA_ARGS__))
#define gr_empty_with(...) \
    GR_CALL(gr_empty_at, gr_make_args, GR_MAKE_DEFAULTS, .site = GR_HERE, .shape = __VA_ARGS__)
#define gr_zeros_with(...) \
    GR_CALL(gr_zeros_at, gr_make_args, GR_MAKE_DEFAULTS, .site = GR_HERE, .shape = __VA_ARGS__)
#define gr_ones_with(...) GR_CALL(gr_ones_at, gr_make_args, GR_MAKE_DEFAULTS, .site = GR_HERE, .shape = __VA_ARGS__)
/* f(number, &options) */
#define GR_CALL_AFTER(f, first, args, ...) \
    __extension__({ GR_QUIET_BEGIN f(first, &(args){__VA_ARGS__}); GR_QUIET_END })
#define gr_full_with(value, ...) \
    GR_CALL_AFTER(gr_full_at, GR_VALUE(value), gr_make_args, GR_MAKE_DEFAULTS, .site = GR_HERE, \
                  .shape = __VA_ARGS__)
#define gr_empty_like(...) \
    GR_CALL(gr_empty_like_at, gr_like_args, GR_MAKE_DEFAULTS, .site = GR_HERE, .x = __VA_ARGS__)
#define gr_zeros_like(...) \
    GR_CALL(gr_zeros_like_at, gr_like_args, GR_MAKE_DEFAULTS, .site = GR_HERE, .x = __VA_ARGS__)
#define gr_ones_like(...) \
    GR_CALL(gr_ones_like_at, gr_like_args, GR_MAKE_DEFAULTS, .site = GR_HERE, .x = __VA_ARGS__)
#define gr_full_like(like, ...) GR_FULL_LIKE(like, __VA_ARGS__, )
#define GR_FULL_LIKE(like, number, ...) \
    GR_CALL_AFTER(gr_full_like_at, GR_VALUE(number), gr_like_args, GR_MAKE_DEFAULTS, .site = GR_HERE, .x = like, \
                  __VA_ARGS__)
#define gr_arange(first, last, by) gr_arange_with(first, last, by, .dtype = GR_DTYPE_DEFAULT)
#define gr_arange_with(first, last, by, ...) \
    GR_CALL(gr_arange_at, gr_arange_args, GR_MAKE_DEFAULTS, .site = GR_HERE, .start = GR_VALUE(first), \
            .end = GR_VALUE(last), .step = GR_VALUE(by), __VA_ARGS__)
#define gr_eye(n) gr_eye_at(n, GR_MAKE())
#define gr_eye_with(n, ...) \
    GR_CALL_AFTER(gr_eye_at, n, gr_make_args, GR_MAKE_DEFAULTS, .site = GR_HERE, __VA_ARGS__)

#define GR_DTYPE_OF_ARRAY(array) \
    _Generic((array), \
        float *: GR_FLOAT32, const float *: GR_FLOAT32, double *: GR_FLOAT64, const double *: GR_FLOAT64, \
        int64_t *: GR_INT64, const int64_t *: GR_INT64, int32_t *: GR_INT32, const int32_t *: GR_INT32, \
        uint8_t *: GR_UINT8, const uint8_t *: GR_UINT8, bool *: GR_BOOL, const bool *: GR_BOOL)
#define gr_from(...) GR_FROM(__VA_ARGS__, )
#define GR_FROM(array, ...) gr_from_at(array, GR_DTYPE_OF_ARRAY(array), GR_SHAPE(__VA_ARGS__), GR_HERE)

#define gr_dim(t) gr_dim_at(t, GR_HERE)
#define gr_size(t, axis) gr_size_at(t, axis, GR_HERE)
#define gr_stride(t, axis) gr_stride_at(t, axis, GR_HERE)
#define gr_numel(t) gr_numel_at(t, GR_HERE)
#define gr_dtype_of(t) gr_dtype_of_at(t, GR_HERE)
#define gr_device_of(t) gr_device_of_at(t, GR_HERE)
#define gr_shape_of(t) gr_shape_of_at(t, GR_HERE)
#define gr_is_contiguous(t) gr_is_contiguous_at(t, GR_HERE)
#define gr_requires_grad(t) gr_requires_grad_of_at(t, GR_HERE)
#define gr_data(t) gr_data_at(t, GR_HERE)
#define gr_item(t) gr_item_at(t, GR_HERE)
#define gr_at(...) GR_CALL_SHAPE(gr_at_at, __VA_ARGS__, )
#define gr_to_array(t, buffer, count) gr_to_array_at(t, buffer, GR_DTYPE_OF_ARRAY(buffer), count, GR_HERE)
#define gr_equal(a, b) gr_equal_at(a, b, GR_HERE)
#define gr_print(object) \
    _Generic((object), \
        gr_tensor *: gr_print_tensor_at, \
        const gr_tensor *: gr_print_tensor_at, \
        gr_module *: gr_print_module_at, \
        const gr_module *: gr_print_module_at)(object, GR_HERE)
#define gr_tensor_text(t, text, bytes) gr_tensor_text_at(t, text, bytes, GR_HERE)
#define gr_module_text(m, text, bytes) gr_module_text_at(m, text, bytes, GR_HERE)
#define GR_TENSORS(...) \
    gr_tensors_from_at((gr_tensor *[]){__VA_ARGS__}, \
                       (int64_t)(sizeof((gr_tensor *[]){__VA_ARGS__}) / sizeof(gr_tensor *)), GR_HERE)
#define gr_tensors_from(item, count) gr_tensors_from_at(item, count, GR_HERE)

#endif /* !__cplusplus */
#endif
