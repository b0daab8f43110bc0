/* base.h - what every public header stands on: types, call sites, numbers or tensors as operands, shapes, errors. */
#ifndef GR_BASE_H
#define GR_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define GR_API __attribute__((visibility("default")))
#else
#define GR_API
#endif

/* In C++ an options struct gets its defaults here; in C the call macros set them. */
#ifdef __cplusplus
#define GR_BEGIN_C extern "C" {
#define GR_END_C }
#define GR_DEFAULT(value) = value
#else
#define GR_BEGIN_C
#define GR_END_C
#define GR_DEFAULT(value)
#endif

GR_BEGIN_C

enum { GR_MAX_DIMS = 8 };

/* GR_DTYPE_DEFAULT asks for the dtype of gr_set_default_dtype. */
typedef enum {
    GR_DTYPE_DEFAULT = -1,
    GR_FLOAT32,
    GR_FLOAT64,
    GR_BFLOAT16,
    GR_INT64,
    GR_INT32,
    GR_UINT8,
    GR_BOOL,
    GR_DTYPES
} gr_dtype;

typedef enum { GR_MEAN, GR_SUM, GR_NONE } gr_reduction;

typedef struct gr_tensor gr_tensor;
typedef struct gr_module gr_module;
typedef struct gr_optim gr_optim;

/* kind 0: the CPU, 1: CUDA, -1: the default device. */
typedef struct {
    int8_t kind, index;
} gr_device;

#define GR_DEVICE_DEFAULT (gr_device){-1, 0}

/* Where the user's call stands; every public macro passes it. */
typedef struct {
    const char *file;
    int line;
} gr_site;

/* count < 0: more sizes than GR_MAX_DIMS were given. */
typedef struct {
    int count;
    int64_t size[GR_MAX_DIMS];
} gr_shape;

/* A list of tensors; the array belongs to the scope that was open when it was made. */
typedef struct {
    int64_t count;
    gr_tensor **item;
} gr_tensors;

/* A tensor or a number: what an operand may be. The kind of a number decides the result's dtype as PyTorch's rules
 * say: an int64 tensor plus 3 stays int64, plus 3.0 becomes the default float. */
typedef enum { GR_VALUE_BOOL, GR_VALUE_INTEGER, GR_VALUE_REAL, GR_VALUE_TENSOR } gr_value_kind;
typedef struct {
    union {
        gr_tensor *tensor;
        int64_t integer;
        double real;
    };
    gr_value_kind kind;
} gr_value;

/* The optional tensor that is not there. NULL never means that: it is the result of a failed call. */
GR_API extern gr_tensor *const gr_absent;
#define GR_ABSENT gr_absent

static inline gr_value gr_value_tensor(const gr_tensor *t)
{
    gr_value v;
    v.tensor = (gr_tensor *)t;
    v.kind = GR_VALUE_TENSOR;
    return v;
}
static inline gr_value gr_value_null(const void *t)
{
    return gr_value_tensor((const gr_tensor *)t);
}
static inline gr_value gr_value_bool(bool number)
{
    gr_value v;
    v.integer = number;
    v.kind = GR_VALUE_BOOL;
    return v;
}
static inline gr_value gr_value_integer(int64_t number)
{
    gr_value v;
    v.integer = number;
    v.kind = GR_VALUE_INTEGER;
    return v;
}
static inline gr_value gr_value_real(double number)
{
    gr_value v;
    v.real = number;
    v.kind = GR_VALUE_REAL;
    return v;
}
/* What no integer dtype holds is a real. */
static inline gr_value gr_value_unsigned(uint64_t number)
{
    return number <= INT64_MAX ? gr_value_integer((int64_t)number) : gr_value_real((double)number);
}

/* ---- shapes ---- */

GR_API gr_shape gr_shape_from(const int64_t *size, int64_t count);

/* ---- errors: the first failure of a thread is kept until it is cleared ---- */

typedef enum {
    GR_OK,
    GR_ERROR_ARGUMENT,   /* an argument that cannot be right: NULL, dead, shape, dtype, range */
    GR_ERROR_MEMORY,     /* no memory */
    GR_ERROR_STATE,      /* the call is not possible now: history used up, tensor changed, scope ended */
    GR_ERROR_FILE,       /* a file cannot be read or written, or holds what it must not */
    GR_ERROR_NONFINITE,  /* a call made a NaN or an inf while gr_set_detect_anomaly was on */
    GR_ERROR_DEVICE      /* a device is missing, failed, or was lost */
} gr_error_code;

/* The text of this thread's first error, "file:line: call: what is; what must be", or NULL. */
GR_API const char *gr_error(void);
/* Its kind; GR_OK when there is none. */
GR_API gr_error_code gr_error_kind(void);
GR_API void gr_error_clear(void);
/* handler(text, data) is called once per error, in the failing thread; NULL restores the default, which prints one
 * line to stderr. With GRADUS_ABORT=1 in the environment an error aborts, for a debugger. */
typedef void gr_error_handler(const char *text, void *data);
GR_API void gr_set_error_handler(gr_error_handler *handler, void *data);

/* The shortest decimal that reads back as the same double, and the nearest of those, written as Python's repr: 0.1,
 * 100000.0, 1e-05, 1e+16, -0.0, inf, nan. Returns text. The point is a point in every locale. */
GR_API char *gr_repr(double value, char text[32]);

GR_END_C

#ifndef __cplusplus

#define GR_HERE ((gr_site){__FILE__, __LINE__})

/* Defaults stand before the user's text, so an option given overrides one: the single warning that this is worth. */
#define GR_QUIET_BEGIN \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wpragmas\"") \
    _Pragma("GCC diagnostic ignored \"-Wunknown-warning-option\"") \
    _Pragma("GCC diagnostic ignored \"-Woverride-init\"") \
    _Pragma("GCC diagnostic ignored \"-Winitializer-overrides\"")
#define GR_QUIET_END _Pragma("GCC diagnostic pop")

/* f(&options) with options written as designated initialisers. */
#define GR_CALL(f, args, ...) __extension__({ GR_QUIET_BEGIN f(&(args){__VA_ARGS__}); GR_QUIET_END })

/* There is no default branch: anything else than a tensor or a number is refused by the compiler. */
#define GR_VALUE(v) \
    _Generic((v), \
        gr_tensor *: gr_value_tensor, \
        const gr_tensor *: gr_value_tensor, \
        void *: gr_value_null, \
        bool: gr_value_bool, \
        char: gr_value_integer, \
        signed char: gr_value_integer, \
        unsigned char: gr_value_integer, \
        short: gr_value_integer, \
        unsigned short: gr_value_integer, \
        int: gr_value_integer, \
        unsigned: gr_value_integer, \
        long: gr_value_integer, \
        unsigned long: gr_value_unsigned, \
        long long: gr_value_integer, \
        unsigned long long: gr_value_unsigned, \
        float: gr_value_real, \
        double: gr_value_real)(v)

/* Sizes of any integer type; GR_SHAPE() is 0-d. */
#define GR_COUNT_INT64(...) ((int64_t)(sizeof((int64_t[]){0, __VA_ARGS__}) / sizeof(int64_t)) - 1)
#define GR_SHAPE(...) gr_shape_from((int64_t[]){0, __VA_ARGS__} + 1, GR_COUNT_INT64(__VA_ARGS__))
/* f(x, shape, site) of x and sizes, which may be none: what calls it ends the list with a comma. */
#define GR_CALL_SHAPE(f, x, ...) f(x, GR_SHAPE(__VA_ARGS__), GR_HERE)
/* Dimensions to work on, for .dims = GR_DIMS(0, 2). */
#define GR_DIMS(...) GR_SHAPE(__VA_ARGS__)

#endif /* !__cplusplus */
#endif
