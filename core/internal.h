/* internal.h - the hot path from inside: errors, memory, headers, and what belongs to a thread. */
#ifndef GR_INTERNAL_H
#define GR_INTERNAL_H
#include <stdatomic.h>
#include <string.h>

#include "core/kernels.h"
#include "core/layout.h"
#include "core/tensor.h"

#define GR_TLS _Thread_local __attribute__((tls_model("initial-exec")))
#define GR_HOT __attribute__((hot))
#define GR_COLD __attribute__((cold, noinline))
/* Unsigned arithmetic that wraps around on purpose, for clang's -fsanitize=integer. */
#ifdef __clang__
#define GR_WRAPS __attribute__((no_sanitize("integer")))
#else
#define GR_WRAPS
#endif
#define gr_likely(x) __builtin_expect(!!(x), 1)
#define gr_unlikely(x) __builtin_expect(!!(x), 0)

/* What the hot path relies on; looked at in a debug build, and told to analyzers. */
#if defined(GR_DEBUG) || defined(GR_ASSERTIONS)
#include <assert.h>
#define gr_assert(condition) assert(condition)
#else
#define gr_assert(condition) ((void)0)
#endif

enum { GR_DEVICES = 9 };    /* the CPU and up to eight others */
enum { GR_RING = 1024 };    /* headers that die wait until so many more have died */
enum { GR_CLASSES = 240 };  /* sizes of blocks, see pool.c */

/* What the stack of owned objects holds: the low two bits of the pointer tell which. */
enum { GR_OWNS_TENSOR, GR_OWNS_OBJECT, GR_OWNS_STORAGE, GR_OWNS_NOTHING };
/* First member of modules and optimizers: anything with a destructor that a scope can own. destroy ends what it holds and
 * hands it to gr_object_retire. */
typedef struct gr_object {
    void (*destroy)(struct gr_object *);
    uint32_t owned_at;
    uint8_t alive; /* GR_LIVE or GR_DEAD */
    bool freed;    /* died by gr_free, not with its scope */
    gr_site died;
} gr_object;
enum { GR_OBJECT_RING = 256 }; /* those that die wait until so many more have died: a stale pointer is told from a live one */

typedef struct gr_scope_state {
    uint64_t serial;
    uint32_t owned;
    bool was_recording; /* before it */
    struct gr_tape_mark {
        char *next, *end;
        struct gr_call *last;
        uint32_t values;
        uint32_t chunk;
    } tape;
} gr_scope_state;

/* A public call that is on no tape: for errors that have no site of their own. */
typedef struct {
    const char *op;
    gr_site site;
} gr_outside;

typedef struct gr_thread {
    /* the tape's end */
    struct gr_tape_mark tape;
    bool recording;
    bool failed; /* an error stands */
    uint16_t id;
    bool anomaly; /* results and gradients are looked at: see anomaly.h */
    bool watches; /* a pass has more to do than its rules: hooks, norms, anomaly */
    /* headers */
    gr_tensor **ready; /* to use, last in first out */
    uint32_t ready_count, ready_capacity;
    uint32_t oldest_dead, headers;
    /* owned objects, in the order of making */
    uintptr_t *owned;
    uint32_t owned_count, owned_capacity;
    /* open scopes; [0] is the root */
    gr_scope_state *scope;
    uint32_t depth, scope_capacity;
    uint64_t serial;
    struct gr_task *task; /* the backward pass that runs */
    struct gr_call *ran;  /* the latest call */
    gr_site forward_site; /* of the gr_forward that runs */
    struct gr_call *running; /* the call whose kernels run */
    gr_outside outside;      /* the latest call that ran kernels outside of calls */
    struct gr_hook_entry *hook;
    uint32_t hooks, hook_capacity;
    struct gr_norm_list *norms; /* of gradients, when they are to be noted */
    gr_tensor **history; /* leaves' gradients that have one: it is cut when its scope ends */
    uint32_t histories, history_capacity;
    gr_tensor *limbo;  /* gradients that were given up: see end_gradient */
    uint32_t limbos, limbo_room; /* more than that, and they are looked through */
    uint32_t wholes;   /* calls made of others that run, and */
    const char *whole; /* the public call made of others that runs: errors bear its name */
    uint32_t changed_from; /* the first place of an owned object whose history or owner has changed: see gr_compound_end */
    struct gr_refreshed *refreshed; /* views taken again, as they were before */
    uint32_t refreshes, refreshed_capacity;
    gr_object *dead_object[GR_OBJECT_RING];
    uint32_t oldest_object;
    gr_storage *pool[GR_CLASSES];
    size_t pool_bytes;
    struct gr_device_pool *device_pool[GR_DEVICES];
    char **chunk; /* of the tape */
    uint32_t chunks, chunk_capacity;
    gr_error_code error_kind;
    bool warned_root, warned_depth;
    char error_text[512];
    gr_tensor *dead[GR_RING];
} gr_thread;

extern GR_TLS gr_thread *gr_self_pointer;
GR_COLD gr_thread *gr_thread_start(void);
static inline gr_thread *gr_self(void)
{
    gr_thread *t = gr_self_pointer;
    return gr_likely(t != NULL) ? t : gr_thread_start();
}

/* ---- errors (error.c) ---- */
/* Reports "file:line: op: text" unless an error stands already. Returns NULL. */
GR_COLD __attribute__((format(printf, 4, 5))) void *gr_fail(gr_error_code kind, gr_site site, const char *op,
                                                           const char *text, ...);
/* A file's name without its folders; "?" for NULL. */
const char *gr_file_name(const char *path);
/* What errors of kernels and devices, which know no site, belong to (autograd/tape.c). */
void gr_running(const gr_thread *t, gr_site *site, const char **op);
GR_COLD void *gr_fail_memory(gr_site site, const char *op, const char *purpose, size_t bytes);
GR_COLD void *gr_fail_result(gr_site site, const char *op, const gr_tensor *y); /* of y's sizes and dtype */
/* Checks that t can be used: not NULL, alive. `name` is the argument's. */
GR_COLD bool gr_refuse_tensor(const gr_tensor *t, gr_site site, const char *op, const char *name);
static inline bool gr_usable(const gr_tensor *t, gr_site site, const char *op, const char *name)
{
    return gr_likely(t && t->state == GR_LIVE) ? true : gr_refuse_tensor(t, site, op, name);
}
/* The same of a module or optimizer: `kind` is "a module". */
GR_COLD bool gr_refuse_object(const gr_object *o, gr_site site, const char *op, const char *name, const char *kind);
static inline bool gr_object_usable(const gr_object *o, gr_site site, const char *op, const char *name, const char *kind)
{
    return gr_likely(o && o->alive == GR_LIVE) ? true : gr_refuse_object(o, site, op, name, kind);
}
/* While an error stands, calls that change what lasts do nothing. */
static inline bool gr_error_stands(void)
{
    return gr_unlikely(gr_self()->failed);
}
/* Whether elements of this dtype can be made. */
bool gr_dtype_fits(gr_dtype dtype, gr_site site, const char *op);
bool gr_float_fits(gr_dtype dtype, gr_site site, const char *op);
/* The shape of t or s as "[2, 3]" in text. */
enum { GR_SHAPE_TEXT = 128 };
char *gr_shape_text(const gr_tensor *t, char text[GR_SHAPE_TEXT]);
char *gr_sizes_text(const gr_shape *s, char text[GR_SHAPE_TEXT]);
extern const char *const gr_dtype_name[GR_DTYPES];
const char *gr_dtype_text(gr_dtype dtype); /* its name, or "unknown" */
/* What a file says, and a path, as an error text repeats them: printable, cut at 60 characters. */
enum { GR_SHOWN = 60, GR_SHOWN_TEXT = GR_SHOWN + 8 };
char *gr_escape(const char *bytes, size_t length, char text[GR_SHOWN_TEXT]);
char *gr_path_text(const char *path, char text[GR_SHOWN_TEXT]);

/* ---- memory (pool.c) ---- */
void *gr_allocate(size_t bytes); /* the only malloc, 64-byte aligned: NULL when there is none */
void gr_deallocate(void *memory);
GR_COLD gr_storage *gr_storage_grow(gr_thread *t, int size_class);
GR_COLD void gr_storage_surplus(gr_thread *t, gr_storage *s);
GR_COLD bool gr_headers_grow(gr_thread *t);
/* Room among those that wait for so many more headers, so that a drop never allocates. */
GR_COLD bool gr_headers_room(gr_thread *t, uint32_t count);
GR_COLD bool gr_owned_grow(gr_thread *t, uint32_t count);
bool gr_grow(void *array, uint32_t *capacity, uint32_t count, size_t size); /* *array, doubled to hold count + 1 */

/* 64, 128, ... 512 bytes, then four classes to each doubling. */
static inline int gr_class_of(size_t bytes)
{
    const size_t units = bytes ? (bytes - 1) >> 6 : 0;
    if (units < 8) return (int)units;
    const int log2 = 63 - __builtin_clzll(units);
    return 8 + (log2 - 3) * 4 + (int)(units >> (log2 - 2) & 3);
}
size_t gr_class_bytes(int size_class);
void gr_pool_release(gr_thread *t);
void *gr_scope_memory(gr_thread *t, size_t bytes);
/* A thread's blocks and headers go to the others; the end of all memory, when no thread has state any more. */
void gr_pool_close(gr_thread *t);
void gr_pool_end(void);
/* For the tests: blocks and headers in use, if t is the only thread, and the slabs they are cut from. */
typedef struct {
    int64_t blocks, headers, slabs;
} gr_pool_use;
gr_pool_use gr_pool_look(const gr_thread *t);
void gr_thread_shutdown(void);
void gr_memory_end(void); /* the same for the whole process, which may begin anew */
/* Where this thread's latest call stands; file NULL: there was none (autograd/tape.c). */
gr_site gr_latest_site(const gr_thread *t);
/* What the upper layers do when a thread ends (autograd/scope.c), and when the process does (core/device.c). */
void gr_thread_close(gr_thread *t);
void gr_library_end(void);

enum { GR_CACHE_BYTES = 512 << 20 }; /* what one thread keeps for itself; the rest goes to a common list */

/* ---- memory of other devices (device_memory.c) ---- */
gr_storage *gr_device_storage_take(gr_thread *t, int device, size_t bytes);
void gr_device_storage_return(gr_thread *t, gr_storage *s);
/* Gives the device back what waits in the thread's lists and in the common ones; false when there was nothing. */
bool gr_device_pool_release(gr_thread *t, int device);
/* What waits in the thread's lists goes to the common ones; and at the end of the process to the device. */
void gr_device_pools_end(gr_thread *t);
void gr_device_memory_end(void);
extern _Atomic bool gr_process_ends;                 /* devices may be gone: they are not called any more */
extern void (*_Atomic gr_devices_thread_end)(void);  /* the plug-in's part in the end of a thread; NULL without one */
/* Bytes that the pool holds of a device's memory, or those of them that are in use. */
int64_t gr_device_bytes(int device, bool of_the_pool);

/* A block of at least `bytes`, with one reference, NULL without memory; and back. */
#ifdef GR_DEBUG
gr_storage *gr_storage_take(gr_thread *t, size_t bytes);
void gr_storage_return(gr_thread *t, gr_storage *s);
#else
static inline gr_storage *gr_storage_take(gr_thread *t, size_t bytes)
{
    const int size_class = gr_class_of(bytes);
    gr_storage *s = t->pool[size_class];
    if (gr_likely(s != NULL)) {
        t->pool[size_class] = s->next;
        t->pool_bytes -= s->bytes;
    } else if (!(s = gr_storage_grow(t, size_class)))
        return NULL;
    s->changed_by = NULL;
    return s;
}
static inline void gr_storage_return(gr_thread *t, gr_storage *s)
{
    if (gr_unlikely(s->device)) {
        gr_device_storage_return(t, s);
        return;
    }
    if (gr_unlikely(t->pool_bytes > GR_CACHE_BYTES)) {
        gr_storage_surplus(t, s);
        return;
    }
    s->next = t->pool[s->size_class];
    t->pool[s->size_class] = s;
    t->pool_bytes += s->bytes;
}
#endif
static inline void gr_storage_drop(gr_thread *t, gr_storage *s)
{
    gr_assert(atomic_load(&s->refs) > 0);
    if (atomic_load_explicit(&s->refs, memory_order_acquire) != 1) {
        if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
        atomic_store_explicit(&s->refs, 1, memory_order_relaxed);
    }
    gr_storage_return(t, s);
}
static inline gr_tensor *gr_header_take(gr_thread *t)
{
    if (gr_unlikely(t->ready_count == 0) && !gr_headers_grow(t)) return NULL;
    gr_assert(t->ready[t->ready_count - 1]->state == GR_DEAD);
    return t->ready[--t->ready_count];
}
#ifdef GR_DEBUG
extern _Atomic int64_t gr_headers_retired;
#endif
/* The header of a dead tensor waits in the ring, so that a stale pointer to it is told from a live one. */
static inline void gr_header_drop(gr_thread *t, gr_tensor *x)
{
    gr_assert(x->state == GR_DEAD);
#ifdef GR_DEBUG
    (void)t, (void)x; /* never used again: each pointer means one tensor for good */
    atomic_fetch_add_explicit(&gr_headers_retired, 1, memory_order_relaxed);
#else
    gr_tensor *old = t->dead[t->oldest_dead];
    t->dead[t->oldest_dead] = x;
    t->oldest_dead = (t->oldest_dead + 1) % GR_RING;
    if (gr_likely(old != NULL)) t->ready[t->ready_count++] = old;
#endif
}
/* Room for so many more objects among what the open scope owns. */
static inline bool gr_can_own_all(gr_thread *t, uint32_t count)
{
    return gr_likely(t->owned_capacity - t->owned_count >= count) ? true : gr_owned_grow(t, count);
}
static inline bool gr_can_own(gr_thread *t)
{
    return gr_can_own_all(t, 1);
}
/* Puts x among what the open scope owns. Call gr_can_own first where failure must be possible. */
static inline void gr_own(gr_thread *t, gr_tensor *x)
{
    gr_assert(t->owned_count < t->owned_capacity && x->state == GR_LIVE && x->owned_at == GR_NOT_OWNED);
    x->owned_at = t->owned_count;
    t->owned[t->owned_count++] = (uintptr_t)x;
}
bool gr_own_object(gr_thread *t, gr_object *object);
void gr_object_retire(gr_thread *t, gr_object *object);
/* Whether a scope of this thread owns the object at this place. */
static inline bool gr_is_owned(const gr_thread *t, uint32_t owned_at, const void *object, uintptr_t tag)
{
    return owned_at < t->owned_count && t->owned[owned_at] == ((uintptr_t)object | tag);
}
/* The end of x, which the open scope was given by a call that has failed since. */
void gr_take_back(gr_thread *t, gr_tensor *x);
/* Takes x from its scope, for another owner. */
static inline void gr_disown(gr_thread *t, gr_tensor *x)
{
    gr_assert(gr_is_owned(t, x->owned_at, x, GR_OWNS_TENSOR));
    t->owned[x->owned_at] = GR_OWNS_NOTHING;
    if (x->owned_at + 1 == t->owned_count) t->owned_count--;
    x->owned_at = GR_NOT_OWNED;
}

/* ---- tensors (tensor.c) ---- */
extern const uint8_t gr_dtype_size[GR_DTYPES], gr_dtype_shift[GR_DTYPES]; /* bytes, and their logarithm */
static inline bool gr_is_float(int dtype)
{
    return dtype <= GR_BFLOAT16;
}
/* The place of a device in gr_devices; `otherwise` for the default; -1 after reporting that there is none. */
int gr_device_place(gr_device device, int otherwise, gr_site site, const char *op);
int gr_default_place(void);
gr_device gr_place_device(int place);
/* A tensor of x's sizes in host memory that nobody owns; NULL without memory, unreported. */
gr_tensor *gr_host_like(gr_thread *t, const gr_tensor *x, gr_dtype dtype);
/* y = x, broadcast, converted, from whatever device to whatever device (transfer.c). False after reporting. */
bool gr_transfer(gr_tensor *y, const gr_tensor *x);
extern const gr_device_table *gr_devices[GR_DEVICES]; /* [0] is the CPU; the others are NULL until they are opened */
static inline const gr_kernels *gr_kernels_of(const gr_tensor *t)
{
    return gr_devices[t->device]->kernels[t->dtype];
}
/* Sizes, row-major strides and numel of x; false when there are too many elements. Its dtype is set. */
bool gr_set_sizes(gr_tensor *x, int dim, const int64_t *size);
/* a b, of sizes and strides. It wraps around only where a tensor has no elements and huge sizes: nothing lies there. */
GR_WRAPS static inline int64_t gr_times(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}
static inline void gr_set_scalar(gr_tensor *x)
{
    x->dim = 0;
    x->contiguous = true;
    x->numel = 1;
}
/* The same of [rows, columns], neither of them huge or 0: false, and x is as it was. */
static inline bool gr_set_matrix(gr_tensor *x, int64_t rows, int64_t columns)
{
    if (gr_unlikely((uint64_t)(rows - 1) >= INT32_MAX || (uint64_t)(columns - 1) >= INT32_MAX / 8)) return false;
    x->dim = 2;
    x->contiguous = true;
    x->numel = rows * columns;
    x->axis[0] = (gr_axis){rows, columns};
    x->axis[1] = (gr_axis){columns, 1};
    return true;
}
/* Whole lines are copied: a loop of unknown length becomes a call. */
static inline void gr_copy_axes(gr_tensor *to, const gr_tensor *from)
{
    if (gr_likely(from->dim <= 2))
        memcpy(to->axis, from->axis, 2 * sizeof(gr_axis));
    else
        memcpy(to->axis, from->axis, sizeof to->axis);
}
static inline void gr_copy_sizes(gr_tensor *to, const gr_tensor *from)
{
    if (gr_likely(from->contiguous)) {
        to->dim = from->dim;
        to->numel = from->numel;
        gr_copy_axes(to, from);
        return;
    }
    to->dim = from->dim;
    to->numel = from->numel;
    int64_t stride = 1;
    for (int d = from->dim; d-- > 0;) {
        to->axis[d].size = from->axis[d].size;
        to->axis[d].stride = stride;
        stride = gr_times(stride, from->axis[d].size + (from->axis[d].size == 0));
    }
}
static inline bool gr_same_sizes(const gr_tensor *a, const gr_tensor *b)
{
    if (a->dim != b->dim) return false;
    for (int d = 0; d < a->dim; d++)
        if (a->axis[d].size != b->axis[d].size) return false;
    return true;
}
bool gr_is_row_major(const gr_tensor *t);
/* Sizes of a header, dead or alive. */
static inline gr_shape gr_sizes_of(const gr_tensor *t)
{
    gr_shape s = {t->dim, {0}};
    for (int d = 0; d < t->dim; d++) s.size[d] = t->axis[d].size;
    return s;
}
/* A header as a 0-d leaf of float32 on a device, without data: a few stores of whole words. */
static inline void gr_header_init(gr_tensor *x, uint8_t device)
{
    static const gr_tensor leaf = {.state = GR_LIVE, .contiguous = true};
    x->storage = NULL;
    x->key = leaf.key | (uint32_t)device << 16;
    x->looks = leaf.looks;
    x->history = 0;
    x->owned_at = GR_NOT_OWNED;
    x->flags = 0;
    x->grad = NULL;
    x->base = NULL;
}
/* For error texts: `by` has changed what s holds. */
static inline void gr_storage_changed(gr_storage *s, const char *by, const char *file, int32_t line)
{
    s->version++;
    s->changed_by = by;
    s->changed_file = file;
    s->changed_line = line;
}
/* x's gradient is marked absent. Without a history its memory will be used again, so what has read it must not be walked
 * back through. */
static inline void gr_gradient_absent(gr_tensor *x, gr_site site)
{
    x->has_grad = false;
    if (x->grad && !x->value && !x->grad->value) gr_storage_changed(x->grad->storage, "zero_grad", site.file, site.line);
}
_Static_assert(offsetof(gr_tensor, device) == offsetof(gr_tensor, state) + 2, "gr_header_init shifts it there");
static inline bool gr_attach_memory(gr_thread *t, gr_tensor *x)
{
    const size_t bytes = (size_t)x->numel << gr_dtype_shift[x->dtype];
    gr_storage *s = gr_likely(x->device == 0) ? gr_storage_take(t, bytes) : gr_device_storage_take(t, x->device, bytes);
    if (gr_unlikely(!s)) return false;
    x->storage = s;
    x->data = s->data;
    x->thread = t->id;
    return true;
}
/* A tensor nobody owns yet, elements undefined; NULL without memory, unreported. */
gr_tensor *gr_tensor_like(gr_thread *t, const gr_tensor *x, gr_dtype dtype);
gr_tensor *gr_tensor_sized(gr_thread *t, gr_dtype dtype, uint8_t device, int dim, const int64_t *size);
/* The end of a tensor that no scope owns. */
void gr_tensor_discard(gr_thread *t, gr_tensor *x);
/* A view of x as a header on the C stack, for kernels only: no reference is counted. */
static inline gr_tensor gr_alias(const gr_tensor *x)
{
    gr_tensor view = *x;
    view.contiguous = gr_is_row_major(&view);
    return view;
}
/* A view whose base has another value since: before its history counts it is to be taken from the base again. */
static inline bool gr_view_is_stale(const gr_tensor *x)
{
    return gr_unlikely(x->base != NULL) && x->base->value != x->base_value && !(x->flags & GR_UNTRACKED_VIEW);
}
gr_dtype gr_resolve_dtype(gr_dtype dtype);
/* The element at an offset, in elements, from t's first: a real, integer or bool. False after reporting a device's failure. */
bool gr_read_element(const gr_tensor *t, int64_t offset, gr_value *value);
/* Whether the dtype holds the number, a fraction aside; reports it if not. Negative integers may wrap into uint8. */
bool gr_check_number(gr_value number, gr_dtype dtype, gr_site site, const char *op);
/* A tensor of the open scope, elements undefined, for the public call `op`; args->dtype is not looked at. */
gr_tensor *gr_make(const char *op, const gr_make_args *args, gr_dtype dtype);
/* Whether the argument `name` is a number, not a tensor. */
bool gr_is_a_number(gr_value value, const char *name, gr_site site, const char *op);
/* Whether n, the argument `name`, is 0 to most. */
bool gr_count_fits(int64_t n, const char *name, int64_t most, gr_site site, const char *op);
enum { GR_MOST_SHIFT = 60 }; /* fewer elements than 2 to this: the bytes of any dtype can be counted */
#define GR_MOST_ELEMENTS ((INT64_C(1) << GR_MOST_SHIFT) - 1)

/* ---- random numbers (random.c) ---- */
/* Fill t, without a word to autograd; false without memory. t is float, for bernoulli of any dtype. */
bool gr_fill_uniform(gr_tensor *t, double from, double to);
bool gr_fill_normal(gr_tensor *t, double mean, double std);
bool gr_fill_exponential(gr_tensor *t, double lambda);
bool gr_fill_bernoulli_of(gr_tensor *t, double p);
/* t with its dimensions by falling stride: PyTorch draws in the order of memory, whatever that of the dimensions. */
gr_tensor gr_in_memory_order(const gr_tensor *t);
/* The default generator, for one fill. */
struct gr_generator *gr_generator_lock(void);
void gr_generator_unlock(void);
/* dim, the argument `name`, counted from the front, or -1 after reporting. */
int gr_check_dim(int64_t dim, const char *name, const gr_tensor *x, const char *x_name, gr_site site, const char *op);

#endif
