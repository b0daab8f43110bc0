/* module.c - the tree of modules: registration, forward, parameters. */
#include <stdio.h>
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/tape.h"
#include "nn/module_tree.h"

bool gr_module_usable(const gr_module *m, gr_site site, const char *op, const char *name)
{
    return gr_object_usable((const gr_object *)m, site, op, name, "a module");
}

static inline bool usable(const gr_module *m, gr_site site, const char *op)
{
    return gr_module_usable(m, site, op, "m");
}

/* ---- life ---- */

/* Data ends now; headers wait until the module's scope does, because the tape may point to them. */
static void kill_module(gr_module *m, gr_site site, bool freed)
{
    gr_thread *t = gr_self();
    if (m->object.alive != GR_LIVE) return;
    for (uint32_t i = 0; i < m->members; i++) {
        gr_tensor *x = m->member[i].tensor;
        if (!m->member[i].owns || x->state != GR_LIVE) continue;
        gr_tensor_kill(t, x, site);
        if (freed) x->flags |= GR_FREED;
    }
    for (uint32_t i = 0; i < m->children; i++) kill_module(m->child[i].module, site, freed);
    if (m->type->free_data) m->type->free_data(m);
    m->object.alive = GR_DEAD;
    m->object.died = site;
    m->object.freed = freed;
}

static void destroy(gr_object *object)
{
    gr_module *m = (gr_module *)object;
    gr_thread *t = gr_self();
    kill_module(m, object->died, false);
    for (uint32_t i = 0; i < m->members; i++)
        if (m->member[i].owns) gr_header_drop(t, m->member[i].tensor);
    for (uint32_t i = 0; i < m->children; i++) destroy(&m->child[i].module->object);
    gr_deallocate(m->member);
    gr_deallocate(m->child);
    gr_object_retire(t, object);
}

enum { DATA_ALIGNMENT = 16 }; /* of a module's data: any C type's */

gr_module *gr_module_new(const gr_module_type *type, gr_site site, const char *op)
{
    const size_t data_at = (sizeof(gr_module) + DATA_ALIGNMENT - 1) / DATA_ALIGNMENT * DATA_ALIGNMENT;
    size_t bytes;
    if (__builtin_add_overflow(data_at, type->data_bytes, &bytes)) bytes = SIZE_MAX; /* more than there is */
    gr_module *m = gr_allocate(bytes);
    if (!m) return gr_fail_memory(site, op, "the module", bytes);
    memset(m, 0, bytes);
    m->object.destroy = destroy;
    m->type = type;
    m->training = true;
    m->data = (char *)m + data_at;
    if (gr_own_object(gr_self(), &m->object)) return m;
    gr_deallocate(m);
    return gr_fail_memory(site, op, "the owner's list", sizeof m);
}

gr_module *gr_module_make_at(const gr_module_type *type, gr_site site)
{
    if (type && type->name && type->forward) return gr_module_new(type, site, "module_make");
    return gr_fail(GR_ERROR_ARGUMENT, site, "module_make", "type is %s; must have a name and a forward function",
                   type ? "incomplete" : "NULL");
}

bool gr_free_module_at(gr_module *m, gr_site site)
{
    if (!usable(m, site, "free")) return false;
    if (m->owned_by_module) {
        gr_fail(GR_ERROR_STATE, site, "free", "m belongs to another module; must be freed with it");
        return false;
    }
    kill_module(m, site, true);
    return true;
}

void *gr_module_data_at(gr_module *m, gr_site site)
{
    return usable(m, site, "module_data") ? m->data : NULL;
}

const void *gr_module_data_const_at(const gr_module *m, gr_site site)
{
    return usable(m, site, "module_data_const") ? m->data : NULL;
}

/* ---- registration ---- */

static bool name_fits(const gr_module *m, const char *name, gr_site site, const char *op)
{
    const char *wrong = NULL;
    if (!name || !*name || strchr(name, '.') || strlen(name) >= GR_NAME_BYTES)
        wrong = "must be 1 to 47 characters without a dot"; /* GR_NAME_BYTES */
    for (uint32_t i = 0; !wrong && i < m->members; i++)
        if (!strcmp(m->member[i].name, name)) wrong = "must be unique within the module";
    for (uint32_t i = 0; !wrong && i < m->children; i++)
        if (!strcmp(m->child[i].name, name)) wrong = "must be unique within the module";
    const char *quote = name ? "\"" : "";
    if (wrong) gr_fail(GR_ERROR_ARGUMENT, site, op, "name is %s%.60s%s; %s", quote, name ? name : "NULL", quote, wrong);
    return !wrong;
}

gr_tensor *gr_module_adopt_tensor(gr_module *m, const char *name, gr_tensor *x, gr_member kind, gr_site site, const char *op)
{
    gr_thread *t = gr_self();
    if (!usable(m, site, op) || !gr_usable(x, site, op, "t") || !name_fits(m, name, site, op)) return NULL;
    if (x->value)
        return gr_fail(GR_ERROR_STATE, site, op, "t has history (%s, %s:%d); must be a leaf: gr_detach", x->call->op->name,
                       gr_file_name(x->call->file), x->call->line);
    if (kind.parameter && !gr_is_float(x->dtype))
        return gr_fail(GR_ERROR_ARGUMENT, site, op, "t is %s; must be a float", gr_dtype_name[x->dtype]);
    kind.owns = gr_is_owned(t, x->owned_at, x, GR_OWNS_TENSOR);
    if (!kind.owns && !(x->flags & GR_OF_MODULE)) /* a module's may be shared */
        return gr_fail(GR_ERROR_STATE, site, op, "t is owned by no scope of this thread and no module; must be");
    if (!gr_grow(&m->member, &m->member_capacity, m->members, sizeof *m->member))
        return gr_fail_memory(site, op, "the list of members", sizeof *m->member);
    if (kind.owns) gr_disown(t, x);
    x->flags |= GR_OF_MODULE;
    memcpy(kind.name, name, strlen(name) + 1);
    kind.tensor = x;
    m->member[m->members++] = kind;
    if (kind.parameter) x->requires_grad = true;
    x->base = NULL;
    return x;
}

gr_tensor *gr_module_parameter_at(gr_module *m, const char *name, gr_tensor *t, gr_site site)
{
    if (gr_error_stands()) return NULL;
    return gr_module_adopt_tensor(m, name, t, (gr_member){.parameter = true, .persistent = true}, site, "module_parameter");
}

gr_tensor *gr_module_buffer_at(const gr_module_buffer_args *a)
{
    if (gr_error_stands()) return NULL;
    return gr_module_adopt_tensor(a->m, a->name, a->t, (gr_member){.persistent = a->persistent}, a->site, "module_buffer");
}

static bool is_below(const gr_module *root, const gr_module *m)
{
    bool found = root == m;
    for (uint32_t i = 0; !found && i < root->children; i++) found = is_below(root->child[i].module, m);
    return found;
}

bool gr_module_may_adopt(const gr_module *m, const gr_module *child, gr_site site, const char *op, const char *name)
{
    if (!gr_module_usable(child, site, op, name)) return false;
    const char *wrong = NULL;
    if (!gr_is_owned(gr_self(), child->object.owned_at, child, GR_OWNS_OBJECT))
        wrong = "belongs to another module; must be owned by a scope";
    if (m && is_below(child, m)) wrong = "is or holds m itself; must be apart from it";
    if (wrong) gr_fail(GR_ERROR_STATE, site, op, "%s %s", name, wrong);
    return !wrong;
}

bool gr_module_reserve(gr_module *m, uint32_t children, gr_site site, const char *op)
{
    while (m->child_capacity < m->children + children)
        if (!gr_grow(&m->child, &m->child_capacity, m->child_capacity, sizeof *m->child))
            return gr_fail_memory(site, op, "the list of children", (m->children + children) * sizeof *m->child) != NULL;
    return true;
}

void gr_module_adopt(gr_module *m, const char *name, gr_module *child)
{
    gr_self()->owned[child->object.owned_at] = GR_OWNS_NOTHING;
    child->object.owned_at = GR_NOT_OWNED;
    child->owned_by_module = true;
    memcpy(m->child[m->children].name, name, strlen(name) + 1);
    m->child[m->children++].module = child;
}

gr_module *gr_module_child_at(gr_module *m, const char *name, gr_module *child, gr_site site)
{
    static const char op[] = "module_child";
    if (gr_error_stands() || !usable(m, site, op) || !gr_module_may_adopt(m, child, site, op, "child") ||
        !name_fits(m, name, site, op) || !gr_module_reserve(m, 1, site, op))
        return NULL;
    gr_module_adopt(m, name, child);
    return child;
}

static const gr_module *owner_of(const gr_module *m, const char **name)
{
    for (const char *dot; m && (dot = strchr(*name, '.')); *name = dot + 1) {
        const gr_module *next = NULL;
        for (uint32_t i = 0; i < m->children; i++)
            if (!strncmp(m->child[i].name, *name, (size_t)(dot - *name)) && !m->child[i].name[dot - *name])
                next = m->child[i].module;
        m = next;
    }
    return m;
}

static bool may_look(const gr_module *m, const char *name, gr_site site, const char *op)
{
    if (!usable(m, site, op)) return false;
    return name || gr_fail(GR_ERROR_ARGUMENT, site, op, "name is NULL; must be a name") != NULL;
}

gr_tensor *gr_module_tensor_at(const gr_module *m, const char *name, gr_site site)
{
    if (!may_look(m, name, site, "module_tensor")) return NULL;
    m = owner_of(m, &name);
    for (uint32_t i = 0; m && i < m->members; i++)
        if (!strcmp(m->member[i].name, name)) return m->member[i].tensor;
    return NULL;
}

gr_module *gr_module_module_at(const gr_module *m, const char *name, gr_site site)
{
    if (!may_look(m, name, site, "module_module")) return NULL;
    m = owner_of(m, &name);
    for (uint32_t i = 0; m && i < m->children; i++)
        if (!strcmp(m->child[i].name, name)) return m->child[i].module;
    return NULL;
}

/* ---- forward ---- */

bool gr_module_run(gr_module *m, const gr_tensors *in, gr_tensors *out)
{
    return m->type->forward(m, in, out);
}

/* What a user's forward gave back, and that it did. */
bool gr_module_refuse(const gr_module *m, const gr_tensors *in, int64_t count)
{
    gr_fail(GR_ERROR_ARGUMENT, gr_self()->forward_site, "forward", "in holds %lld tensors; must be %lld for %s", (long long)in->count,
            (long long)count, m->type->name);
    return false;
}

static GR_COLD bool check_results(const gr_module *m, bool ok, const gr_tensors *out, gr_site site)
{
    char name[80];
    if (!ok) {
        gr_fail(GR_ERROR_STATE, site, "forward", "forward of %s gives no reason; must report it", m->type->name);
        return false;
    }
    if (out->count < 1 || out->count > GR_FORWARD_MOST)
        return gr_fail(GR_ERROR_STATE, site, "forward", "%s has %lld results; must have 1 to %d", m->type->name,
                       (long long)out->count, (int)GR_FORWARD_MOST) != NULL;
    for (int64_t i = 0; i < out->count; i++) {
        if (gr_likely(out->item[i] && out->item[i]->state == GR_LIVE)) continue;
        snprintf(name, sizeof name, "result %lld of %.40s", (long long)i, m->type->name);
        return gr_refuse_tensor(out->item[i], site, "forward", name);
    }
    return true;
}

static inline bool results_fit(const gr_module *m, bool ok, const gr_tensors *out, gr_site site)
{
    const bool one = ok && out->count == 1 && out->item[0] && out->item[0]->state == GR_LIVE;
    return gr_likely(one) || check_results(m, ok, out, site);
}

/* What is made in between ends at once. */
static GR_COLD bool forward_unrecorded(gr_thread *t, gr_module *m, const gr_tensors *in, gr_tensors *out, gr_site site)
{
    const gr_scope scope = gr_scope_begin_at(site);
    const uint32_t first = t->owned_count;
    bool ok = scope.serial && results_fit(m, gr_module_run(m, in, out), out, site);
    for (int64_t i = 0; ok && i < out->count; i++)
        if (out->item[i]->owned_at >= first && gr_is_owned(t, out->item[i]->owned_at, out->item[i], GR_OWNS_TENSOR))
            ok = gr_keep_tensor_at(out->item[i], site) != NULL;
    if (scope.serial) gr_scope_end_at(scope, site);
    return ok;
}

/* Into out, which has room for GR_FORWARD_MOST. The site of the user's call is what the ops inside report. */
static bool forward(gr_module *m, const gr_tensors *in, gr_tensors *out, gr_site site)
{
    gr_thread *t = gr_self();
    if (!usable(m, site, "forward")) return false;
    if (gr_unlikely(!in || !in->item || in->count < 1 || in->count > GR_FORWARD_MOST)) {
        gr_fail(GR_ERROR_ARGUMENT, site, "forward", "in holds %lld tensors; must be 1 to %d",
                in && in->item ? (long long)in->count : 0, (int)GR_FORWARD_MOST);
        return false;
    }
    const gr_compound whole = gr_compound_begin(NULL);
    const gr_site outer = t->forward_site;
    t->forward_site = site;
    const bool ok = gr_likely(t->recording) ? results_fit(m, gr_module_run(m, in, out), out, site)
                                            : forward_unrecorded(t, m, in, out, site);
    t->forward_site = outer;
    return gr_compound_end(&whole, ok ? m : NULL) != NULL;
}

gr_tensor *gr_forward_at(gr_module *m, const gr_tensors *in, gr_site site)
{
    gr_tensor *item[GR_FORWARD_MOST] = {NULL};
    gr_tensors out = {0, item};
    return forward(m, in, &out, site) ? item[0] : NULL;
}

gr_tensors gr_forward_all_at(gr_module *m, const gr_tensors *in, gr_site site)
{
    gr_tensor *item[GR_FORWARD_MOST] = {NULL};
    gr_tensors out = {0, item};
    const gr_compound whole = gr_compound_begin(NULL);
    gr_tensors list = {0, NULL};
    if (forward(m, in, &out, site)) list = gr_tensors_from_at(item, out.count, site);
    gr_compound_end(&whole, list.item);
    return list;
}

/* ---- the tree ---- */

static int64_t visit_parameters(const gr_module *m, gr_tensor **item, int64_t count)
{
    for (uint32_t i = 0; i < m->members; i++) {
        if (!m->member[i].parameter) continue;
        bool listed = false;
        for (int64_t k = 0; item && k < count && !m->member[i].owns; k++) listed |= item[k] == m->member[i].tensor;
        if (listed) continue;
        if (item) item[count] = m->member[i].tensor;
        count++;
    }
    for (uint32_t i = 0; i < m->children; i++) count = visit_parameters(m->child[i].module, item, count);
    return count;
}

gr_tensors gr_parameters_at(const gr_module *m, gr_site site)
{
    gr_tensors list = {0, NULL};
    if (!usable(m, site, "parameters")) return list;
    const int64_t room = visit_parameters(m, NULL, 0);
    list.item = gr_scope_memory(gr_self(), (size_t)room * sizeof *list.item);
    if (!list.item)
        gr_fail_memory(site, "parameters", "the list", (size_t)room * sizeof *list.item);
    else
        list.count = visit_parameters(m, list.item, 0);
    return list;
}

static void set_training(gr_module *m, bool on)
{
    m->training = on;
    for (uint32_t i = 0; i < m->children; i++) set_training(m->child[i].module, on);
}

gr_module *gr_train_at(gr_module *m, gr_site site)
{
    if (!usable(m, site, "train") || gr_error_stands()) return NULL;
    set_training(m, true);
    return m;
}

gr_module *gr_eval_at(gr_module *m, gr_site site)
{
    if (!usable(m, site, "eval") || gr_error_stands()) return NULL;
    set_training(m, false);
    return m;
}

bool gr_is_training_at(const gr_module *m, gr_site site)
{
    return usable(m, site, "is_training") && m->training;
}

static void zero_grad(gr_module *m, gr_site site)
{
    for (uint32_t i = 0; i < m->members; i++) gr_gradient_absent(m->member[i].tensor, site);
    for (uint32_t i = 0; i < m->children; i++) zero_grad(m->child[i].module, site);
}

bool gr_zero_grad_module_at(gr_module *m, gr_site site)
{
    if (!usable(m, site, "zero_grad") || gr_error_stands()) return false;
    zero_grad(m, site);
    return true;
}
