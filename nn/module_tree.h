/* module_tree.h - modules from inside. */
#ifndef GR_MODULE_TREE_H
#define GR_MODULE_TREE_H
#include "core/internal.h"
#include "nn/module.h"

enum { GR_FORWARD_MOST = 8 };  /* tensors that a forward takes, and hands back */
enum { GR_NAME_BYTES = 48 };   /* of a member or child, its end included */

typedef struct {
    char name[GR_NAME_BYTES];
    gr_tensor *tensor;
    bool parameter, persistent;
    bool owns; /* else another module does */
} gr_member;
typedef struct {
    char name[GR_NAME_BYTES];
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
    void *data; /* behind this struct */
};

/* For forward functions: whether `in` holds as many tensors as m takes; reports it if not. */
GR_COLD bool gr_module_refuse(const gr_module *m, const gr_tensors *in, int64_t count);
static inline bool gr_module_takes(const gr_module *m, const gr_tensors *in, int64_t count)
{
    return gr_likely(in->count == count) || gr_module_refuse(m, in, count);
}
/* Its forward function, unchecked, for modules that run others. */
bool gr_module_run(gr_module *m, const gr_tensors *in, gr_tensors *out);
/* Whether m, the argument `name`, is alive. */
bool gr_module_usable(const gr_module *m, gr_site site, const char *op, const char *name);
/* Whether child, the argument `name`, may become one of m's (NULL: of a new module); room for so many more; and the act. */
bool gr_module_may_adopt(const gr_module *m, const gr_module *child, gr_site site, const char *op, const char *name);
bool gr_module_reserve(gr_module *m, uint32_t children, gr_site site, const char *op);
void gr_module_adopt(gr_module *m, const char *name, gr_module *child);
/* A module of the open scope, and a leaf that it takes (kind: what it is, without name, tensor and `owns`), both for the public
 * call `op`. */
gr_module *gr_module_new(const gr_module_type *type, gr_site site, const char *op);
gr_tensor *gr_module_adopt_tensor(gr_module *m, const char *name, gr_tensor *x, gr_member kind, gr_site site, const char *op);

#endif
