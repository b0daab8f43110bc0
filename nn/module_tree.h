/* module_tree.h - modules from inside. */
#ifndef GR_MODULE_TREE_H
#define GR_MODULE_TREE_H
#include "core/internal.h"
#include "nn/module.h"

typedef struct {
    char name[48];
    gr_tensor *tensor;
    bool parameter, persistent, owns;
} gr_member;
typedef struct {
    char name[48];
    gr_module *module;
} gr_child;

struct gr_module {
    gr_object object;
    const gr_module_type *type;
    gr_member *member;
    gr_child *child;
    uint32_t members, member_capacity, children, child_capacity;
    bool training;
    bool owned_by_module;
    void *data;
};

bool gr_module_run(gr_module *m, const gr_tensors *in, gr_tensors *out);

#endif
