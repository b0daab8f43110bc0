/* optim.c - parameter groups, their state, and the step that all optimizers share. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "autograd/tape.h"
#include "optim/rule.h"

typedef struct {
    gr_tensor *tensor;
    gr_tensor *state[GR_UPDATE_STATES + 1]; /* the last: where a parameter that is not row-major is updated */
    gr_tensor *next[GR_UPDATE_STATES + 1];  /* what a step that begins will put there, unless it fails */
    bool started;
} parameter;
enum { ROW_MAJOR = GR_UPDATE_STATES };
typedef struct {
    parameter *item;
    uint32_t count;
    double number[GR_NUMBERS];
    int states;            /* that the rule keeps for these numbers */
    gr_update_item *list;  /* room for all, filled by each step */
    gr_tensor *numbers;    /* the numbers on a device that is not the CPU, as they were sent */
    double sent[GR_NUMBERS];
} group;
struct gr_optim {
    gr_object object;
    const gr_rule *rule;
    group *group;
    uint32_t groups, capacity;
};

static bool usable(const gr_optim *o, gr_site site, const char *op)
{
    return gr_object_usable((const gr_object *)o, site, op, "optimizer", "an optimizer");
}

/* ---- life ---- */

static void drop_numbers(gr_thread *t, group *g)
{
    if (g->numbers) gr_tensor_discard(t, g->numbers);
    g->numbers = NULL;
}

static void kill_states(gr_optim *o)
{
    gr_thread *t = gr_self();
    for (uint32_t g = 0; g < o->groups; g++)
        for (uint32_t i = 0; i < o->group[g].count; i++) {
            parameter *p = &o->group[g].item[i];
            for (int s = 0; s <= ROW_MAJOR; s++) {
                if (p->state[s]) gr_tensor_discard(t, p->state[s]);
                p->state[s] = NULL;
            }
        }
    for (uint32_t g = 0; g < o->groups; g++) drop_numbers(t, &o->group[g]);
    o->object.alive = GR_DEAD;
}

static void destroy(gr_object *object)
{
    gr_optim *o = (gr_optim *)object;
    kill_states(o);
    for (uint32_t g = 0; g < o->groups; g++) {
        gr_deallocate(o->group[g].item);
        gr_deallocate(o->group[g].list);
    }
    gr_deallocate(o->group);
    gr_object_retire(gr_self(), object);
}

bool gr_free_optim_at(gr_optim *o, gr_site site)
{
    if (!usable(o, site, "free")) return false;
    kill_states(o);
    o->object.died = site;
    o->object.freed = true;
    return true;
}

/* ---- groups ---- */

static const char *const option_name[GR_OPTIONS] = {"lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize"};

/* Every option is finite and at least 0; the rule may ask for more. what: before the option's name in the text. */
static bool numbers_fit(const gr_rule *rule, const double *number, const char *what, gr_site site, const char *op)
{
    for (int i = 0; i < rule->numbers; i++)
        if (rule->option[i] >= 0 && !(isfinite(number[i]) && (number[i] >= 0 || rule->option[i] == GR_DAMPENING))) {
            gr_fail(GR_ERROR_ARGUMENT, site, op, "%s%s is %g; must be finite%s", what, option_name[rule->option[i]], number[i],
                    rule->option[i] == GR_DAMPENING ? "" : " and at least 0");
            return false;
        }
    const char *wrong = rule->refuse ? rule->refuse(number) : NULL;
    if (wrong) gr_fail(GR_ERROR_ARGUMENT, site, op, "%s", wrong);
    return !wrong;
}

/* "params[2]", as the list was given; of a later group: "params[2] of group 1". */
static const char *parameter_name(uint32_t at, int64_t i, char text[48])
{
    snprintf(text, 48, at ? "params[%lld] of group %u" : "params[%lld]", (long long)i, at);
    return text;
}

static bool is_listed(const gr_optim *o, const gr_tensor *x)
{
    for (uint32_t g = 0; g < o->groups; g++)
        for (uint32_t i = 0; i < o->group[g].count; i++)
            if (o->group[g].item[i].tensor == x) return true;
    return false;
}

static bool params_fit(const gr_optim *o, gr_tensors params, gr_site site, const char *op)
{
    bool wanted = false;
    char name[48];
    if (params.count > 0 && !params.item)
        return gr_fail(GR_ERROR_ARGUMENT, site, op, "params has no items; must hold %lld", (long long)params.count) != NULL;
    for (int64_t i = 0; i < params.count; i++) {
        const gr_tensor *x = params.item[i];
        const char *wrong = NULL;
        if (!gr_usable(x, site, op, parameter_name(0, i, name))) return false;
        if (x->value) wrong = "has history; must be a leaf: gr_detach";
        if (!gr_is_float(x->dtype)) wrong = "is of integers or bools; must be a float";
        if (is_listed(o, x)) wrong = "stands in another group; must be in one";
        for (int64_t k = 0; k < i; k++)
            if (params.item[k] == x) wrong = "stands twice in params; must be once";
        if (wrong) return gr_fail(GR_ERROR_ARGUMENT, site, op, "%s %s", name, wrong) != NULL;
        wanted |= x->requires_grad;
    }
    if (wanted) return true;
    return gr_fail(GR_ERROR_ARGUMENT, site, op, "params %s; must hold a tensor that requires grad",
                   params.count > 0 ? "has none that requires grad" : "is empty") != NULL;
}

static bool add_group(gr_optim *o, gr_tensors params, const double *number, gr_site site, const char *op)
{
    if (!numbers_fit(o->rule, number, "", site, op) || !params_fit(o, params, site, op)) return false;
    const size_t count = (size_t)params.count;
    parameter *item = NULL;
    gr_update_item *list = NULL;
    if (gr_grow(&o->group, &o->capacity, o->groups, sizeof *o->group) && (item = gr_allocate(count * sizeof *item)))
        list = gr_allocate(count * sizeof *list);
    if (!list) {
        gr_deallocate(item);
        return gr_fail_memory(site, op, "the parameters' state", count * (sizeof *item + sizeof *list)) != NULL;
    }
    memset(item, 0, count * sizeof *item);
    for (size_t i = 0; i < count; i++) item[i].tensor = params.item[i];
    group *g = &o->group[o->groups++];
    *g = (group){.item = item, .count = (uint32_t)count, .list = list};
    memcpy(g->number, number, (size_t)o->rule->numbers * sizeof *number);
    g->states = o->rule->states(number);
    return true;
}

gr_optim *gr_optim_make(const gr_rule *rule, gr_tensors params, const double *number, gr_site site)
{
    gr_thread *t = gr_self();
    if (t->failed && params.count == 0) return NULL; /* the list is an earlier call's failure */
    gr_optim *o = gr_allocate(sizeof *o);
    if (!o) return gr_fail_memory(site, rule->name, "the optimizer", sizeof *o);
    memset(o, 0, sizeof *o);
    o->object.destroy = destroy;
    o->rule = rule;
    if (add_group(o, params, number, site, rule->name)) {
        if (gr_own_object(t, &o->object)) return o;
        gr_fail_memory(site, rule->name, "the owner's list", sizeof o);
    }
    destroy(&o->object);
    return NULL;
}

int gr_optim_group_at(const gr_optim_group_args *a)
{
    gr_optim *o = a->optimizer;
    if (!usable(o, a->site, "optim_group") || gr_error_stands()) return -1;
    const double given[GR_OPTIONS] = {a->lr, a->momentum, a->dampening, a->weight_decay, a->nesterov, a->maximize};
    double number[GR_NUMBERS];
    memcpy(number, o->group[0].number, sizeof number);
    for (int i = 0; i < o->rule->numbers; i++)
        if (o->rule->option[i] >= 0 && !isnan(given[o->rule->option[i]])) number[i] = given[o->rule->option[i]];
    for (int k = 0; k < GR_OPTIONS; k++) {
        bool known = isnan(given[k]);
        for (int i = 0; i < o->rule->numbers; i++) known |= o->rule->option[i] == k;
        if (!known) {
            gr_fail(GR_ERROR_ARGUMENT, a->site, "optim_group", "%s is no option of %s; must be left out", option_name[k], o->rule->name);
            return -1;
        }
    }
    return add_group(o, a->params, number, a->site, "optim_group") ? (int)o->groups - 1 : -1;
}

/* The place of an option's number, or NULL after reporting. */
static double *find_option(const gr_optim *o, int g, gr_option option, gr_site site, const char *op)
{
    if (!usable(o, site, op)) return NULL;
    if (g < 0 || (uint32_t)g >= o->groups)
        return gr_fail(GR_ERROR_ARGUMENT, site, op, "group is %d; must be 0 to %u", g, o->groups - 1);
    for (int i = 0; (unsigned)option < GR_OPTIONS && i < o->rule->numbers; i++)
        if (o->rule->option[i] == (int)option) return &o->group[g].number[i];
    return gr_fail(GR_ERROR_ARGUMENT, site, op, "option %s is none of %s; must be one of its own",
                   (unsigned)option < GR_OPTIONS ? option_name[option] : "unknown", o->rule->name);
}

bool gr_optim_set_at(gr_optim *o, int g, gr_option option, double value, gr_site site)
{
    double *place = find_option(o, g, option, site, "optim_set");
    if (!place || gr_error_stands()) return false;
    const double before = *place;
    *place = value;
    if (numbers_fit(o->rule, o->group[g].number, "value of ", site, "optim_set")) {
        o->group[g].states = o->rule->states(o->group[g].number);
        return true;
    }
    *place = before;
    return false;
}

double gr_optim_get_at(const gr_optim *o, int g, gr_option option, gr_site site)
{
    const double *place = find_option(o, g, option, site, "optim_get");
    return place ? *place : (double)NAN;
}

/* ---- the step ---- */

/* Memory for a state of the parameter's dtype, where there is none. */
static inline bool make_state(gr_thread *t, parameter *p, int s, bool *made, gr_site site)
{
    const gr_tensor *x = p->tensor, *state = p->state[s];
    if (gr_likely(state && state->key == x->key)) return true;
    *made = true;
    if ((p->next[s] = gr_tensor_like(t, x, (gr_dtype)x->dtype))) return true;
    return gr_fail_memory(site, "step", "a parameter's state", (size_t)x->numel * gr_dtype_size[x->dtype]) != NULL;
}

/* The states that were made take their places, or end. They are zeros until the rule writes them; or what they were, where the
 * parameter has been converted or moved. */
static GR_COLD bool place_states(gr_thread *t, parameter *p, bool ok)
{
    for (int s = 0; s <= ROW_MAJOR; s++) {
        gr_tensor *next = p->next[s], *state = p->state[s];
        if (!next) continue;
        p->next[s] = NULL;
        if (ok && state) ok = gr_transfer(next, state);
        else if (ok) gr_kernels_of(next)->fill(next, gr_value_integer(0));
        if (ok) p->state[s] = next;
        if (!ok || state) gr_tensor_discard(t, ok ? state : next);
    }
    return ok;
}

/* The rule's numbers in the memory of x's device: sent when they have changed, or have not arrived. */
static GR_COLD bool numbers_sent(gr_thread *t, group *g, const gr_tensor *x)
{
    const int64_t size = GR_NUMBERS;
    const bool there = g->numbers && g->numbers->device == x->device;
    if (there && !memcmp(g->sent, g->number, sizeof g->sent)) return true;
    if (g->numbers && !there) drop_numbers(t, g);
    if (!g->numbers && !(g->numbers = gr_tensor_sized(t, GR_FLOAT64, x->device, 1, &size))) return false;
    memcpy(g->sent, g->number, sizeof g->sent);
    if (gr_devices[x->device]->upload(x->device, g->numbers->data, g->sent, sizeof g->sent)) return true;
    drop_numbers(t, g);
    return false;
}

static GR_COLD bool send_numbers(gr_thread *t, group *g, const gr_tensor *x, gr_site site)
{
    return x->device == 0 || numbers_sent(t, g, x) || gr_fail_memory(site, "step", "the rule's numbers", sizeof g->sent);
}

/* What a parameter needs that does not lie row-major, or not in the CPU's memory. */
static GR_COLD bool prepare_elsewhere(gr_thread *t, group *g, parameter *p, bool *made, gr_site site)
{
    return send_numbers(t, g, p->tensor, site) && (p->tensor->contiguous || make_state(t, p, ROW_MAJOR, made, site));
}

static GR_COLD bool refuse_parameter(const group *first, const group *g, uint32_t i, gr_site site, const char *op)
{
    char name[48];
    return gr_refuse_tensor(g->item[i].tensor, site, op, parameter_name((uint32_t)(g - first), i, name));
}

/* All checks and all memory, before anything changes. */
static bool prepare(gr_thread *t, gr_optim *o, gr_site site)
{
    bool ok = true, made = false;
    for (uint32_t g = 0; g < o->groups; g++)
        for (uint32_t i = 0; ok && i < o->group[g].count; i++) {
            parameter *p = &o->group[g].item[i];
            const gr_tensor *x = p->tensor;
            if (gr_unlikely(x->state != GR_LIVE)) ok = refuse_parameter(o->group, &o->group[g], i, site, "step");
            if (!ok || !x->has_grad) continue;
            for (int s = 0; ok && s < o->group[g].states; s++) ok = make_state(t, p, s, &made, site);
            if (gr_unlikely(!x->contiguous | (x->device != 0))) ok = ok && prepare_elsewhere(t, &o->group[g], p, &made, site);
        }
    for (uint32_t g = 0; made && g < o->groups; g++)
        for (uint32_t i = 0; i < o->group[g].count; i++) ok = place_states(t, &o->group[g].item[i], ok);
    return ok;
}

/* What the kernel changes: where x lies row-major, its gradient, its states. */
static inline void describe(gr_update_item *item, const group *g, parameter *p)
{
    const gr_tensor *x = p->tensor;
    if (gr_unlikely(!x->contiguous)) gr_kernels_of(x)->copy(p->state[ROW_MAJOR], x);
    item->p = (gr_likely(x->contiguous) ? x : p->state[ROW_MAJOR])->data;
    item->g = x->grad->data;
    for (int s = 0; s < GR_UPDATE_STATES; s++) item->state[s] = s < g->states ? p->state[s]->data : NULL;
    item->n = x->numel;
    item->first = !p->started;
    p->started |= g->states > 0;
}

static inline void finish(parameter *p, gr_site site)
{
    gr_tensor *x = p->tensor;
    if (gr_unlikely(!x->contiguous)) gr_kernels_of(x)->copy(x, p->state[ROW_MAJOR]);
    gr_storage_changed(x->storage, "step", site.file, site.line);
}

/* Parameters [from, to) of one dtype and device, those that have a gradient, in one call of the kernel. */
static inline bool update(gr_thread *t, const gr_optim *o, group *g, uint32_t from, uint32_t to, gr_site site)
{
    const gr_tensor *x = g->item[from].tensor;
    int64_t count = 0;
    /* They are there, unless the group lies on several devices. */
    if (gr_unlikely(x->device != 0) && !send_numbers(t, g, x, site)) return false;
    for (uint32_t i = from; i < to; i++)
        if (g->item[i].tensor->has_grad) describe(&g->list[count++], g, &g->item[i]);
    if (count == 0) return true;
    gr_kernels_of(x)->update(o->rule->code, x->device, g->list, count,
                             gr_likely(x->device == 0) ? g->number : (double *)(void *)g->numbers->data);
    for (uint32_t i = from; i < to; i++)
        if (g->item[i].tensor->has_grad) finish(&g->item[i], site);
    return true;
}

GR_HOT bool gr_step_at(gr_optim *o, gr_site site)
{
    gr_thread *t = gr_self();
    if (gr_unlikely(t->failed) || !usable(o, site, "step")) return false;
    t->outside = (gr_outside){"step", site};
    if (!prepare(t, o, site)) return false;
    for (group *g = o->group, *groups_end = g + o->groups; g < groups_end; g++)
        for (uint32_t from = 0, to; from < g->count; from = to) {
            for (to = from + 1; to < g->count && g->item[to].tensor->key == g->item[from].tensor->key;) to++;
            if (!update(t, o, g, from, to, site)) return false;
        }
    return gr_likely(!t->failed);
}

bool gr_zero_grad_optim_at(gr_optim *o, gr_site site)
{
    if (!usable(o, site, "zero_grad") || gr_error_stands()) return false;
    const group *end = o->group + o->groups;
    for (const group *g = o->group; g < end; g++)
        for (const parameter *p = g->item, *last = p + g->count; p < last; p++)
            if (gr_unlikely(p->tensor->state != GR_LIVE))
                return refuse_parameter(o->group, g, (uint32_t)(p - g->item), site, "zero_grad");
    for (const group *g = o->group; g < end; g++)
        for (const parameter *p = g->item, *last = p + g->count; p < last; p++) gr_gradient_absent(p->tensor, site);
    return true;
}
