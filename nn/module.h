/* module.h - modules: trees of parameters with a forward function. */
#ifndef GR_MODULE_H
#define GR_MODULE_H
#include "core/base.h"
#include "core/tensor.h"

GR_BEGIN_C

/* A kind of module: the library's own and users' are the same.
 *   forward    in: 1 to 8 tensors; out->item has room for 8, out->count is set. Returns false after an error.
 *   describe   writes what stands in the parentheses when the module is printed; may be NULL
 *   free_data  ends what data holds beside its bytes; may be NULL */
typedef struct gr_module_type {
    const char *name; /* as printed: "Linear" */
    bool (*forward)(gr_module *m, const gr_tensors *in, gr_tensors *out);
    void (*describe)(const gr_module *m, char *text, size_t bytes);
    void (*free_data)(gr_module *m);
    size_t data_bytes;
} gr_module_type;

/* A module of this type, its data zeroed, owned by the open scope; and that data. */
GR_API gr_module *gr_module_make_at(const gr_module_type *type, gr_site site);
GR_API void *gr_module_data_at(gr_module *m, gr_site site);
GR_API const void *gr_module_data_const_at(const gr_module *m, gr_site site);
/* Registers a leaf that is trained, a tensor that is only kept, or a module, under a name without dots, and takes
 * ownership. Returns what it was given. A parameter keeps its gr_tensor for life. Fails when the name is taken or longer than
 * 47 characters, when t has history, when a parameter is no float, when no scope of this thread owns what is given. */
GR_API gr_tensor *gr_module_parameter_at(gr_module *m, const char *name, gr_tensor *t, gr_site site);
typedef struct gr_module_buffer_args {
    gr_module *m;
    const char *name;
    gr_tensor *t;
    gr_site site;
    bool persistent GR_DEFAULT(true); /* belongs to the saved state */
} gr_module_buffer_args;
GR_API gr_tensor *gr_module_buffer_at(const gr_module_buffer_args *args);
GR_API gr_module *gr_module_child_at(gr_module *m, const char *name, gr_module *child, gr_site site);
/* The tensor, or the module, registered under "weight", "fc1.weight"; NULL, without error, if there is none. */
GR_API gr_tensor *gr_module_tensor_at(const gr_module *m, const char *name, gr_site site);
GR_API gr_module *gr_module_module_at(const gr_module *m, const char *name, gr_site site);

/* The first output, or all (count 0 on failure), of 1 to 8 inputs. When nothing is recorded, what forward makes in between is
 * freed at once. */
GR_API gr_tensor *gr_forward_at(gr_module *m, const gr_tensors *in, gr_site site);
GR_API gr_tensors gr_forward_all_at(gr_module *m, const gr_tensors *in, gr_site site);

/* All parameters: a module's own, then its children's, depth first, in order of registration, each once. The list belongs to
 * the open scope; count 0 on failure. */
GR_API gr_tensors gr_parameters_at(const gr_module *m, gr_site site);
/* Training or evaluation, for m and all below it; new modules train. */
GR_API gr_module *gr_train_at(gr_module *m, gr_site site);
GR_API gr_module *gr_eval_at(gr_module *m, gr_site site);
GR_API bool gr_is_training_at(const gr_module *m, gr_site site);
/* Forgets the gradients of all parameters. */
GR_API bool gr_zero_grad_module_at(gr_module *m, gr_site site);

/* Float parameters and buffers converted to a float dtype, gradients too; all of them moved to a device. Their gr_tensor
 * pointers stay. Returns m; fails, having changed nothing, while a backward that has not run needs a parameter or will bring
 * it a gradient. */
typedef struct gr_module_to_args {
    gr_module *m;
    gr_site site;
    gr_dtype dtype GR_DEFAULT(GR_DTYPE_DEFAULT);
    gr_device device GR_DEFAULT((gr_device{-1, 0}));
} gr_module_to_args;
GR_API gr_module *gr_module_to_at(const gr_module_to_args *args);

GR_END_C

#ifndef __cplusplus
#define gr_module_make(type) gr_module_make_at(type, GR_HERE)
#define gr_module_data(m) gr_module_data_at(m, GR_HERE)
#define gr_module_data_const(m) gr_module_data_const_at(m, GR_HERE)
#define gr_module_tensor(m, name) gr_module_tensor_at(m, name, GR_HERE)
#define gr_module_module(m, name) gr_module_module_at(m, name, GR_HERE)
#define gr_is_training(m) gr_is_training_at(m, GR_HERE)
#define gr_module_parameter(m, name, t) gr_module_parameter_at(m, name, t, GR_HERE)
#define gr_module_buffer(module, key, ...) \
    GR_CALL(gr_module_buffer_at, gr_module_buffer_args, .persistent = true, .site = GR_HERE, .m = module, .name = key, \
            .t = __VA_ARGS__)
#define gr_module_child(m, name, child) gr_module_child_at(m, name, child, GR_HERE)
#define GR_TENSOR_LIST(...) \
    (&(gr_tensors){(int64_t)(sizeof((gr_tensor *[]){__VA_ARGS__}) / sizeof(gr_tensor *)), (gr_tensor *[]){__VA_ARGS__}})
#define gr_forward(m, ...) gr_forward_at(m, GR_TENSOR_LIST(__VA_ARGS__), GR_HERE)
#define gr_forward_all(m, ...) gr_forward_all_at(m, GR_TENSOR_LIST(__VA_ARGS__), GR_HERE)
#define gr_parameters(m) gr_parameters_at(m, GR_HERE)
#define gr_train(m) gr_train_at(m, GR_HERE)
#define gr_eval(m) gr_eval_at(m, GR_HERE)
#define gr_module_to(...) \
    GR_CALL(gr_module_to_at, gr_module_to_args, .dtype = GR_DTYPE_DEFAULT, .device = {-1, 0}, .site = GR_HERE, \
            .m = __VA_ARGS__)
#endif
#endif
