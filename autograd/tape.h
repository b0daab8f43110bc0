/* tape.h - the tape, from inside: calls, their slots, and the backward pass that walks them. */
#ifndef GR_TAPE_H
#define GR_TAPE_H
#include <string.h>

#include "autograd/op.h"
#include "core/internal.h"
#include "core/tensor.h"

#define GR_LEAF UINT32_MAX /* a slot's value: a leaf that wants a gradient */

/* An operand of a call. A number stands in the slot itself, its kind in `version`. */
typedef struct gr_slot {
    union {
        gr_tensor *tensor;
        int64_t integer;
        double real;
    };
    uint32_t value;   /* the tensor's value when the call was made; 0: wants no gradient */
    uint32_t version; /* the storage's, when the call was made */
} gr_slot;

/* A call is built at the tape's end and kept by moving the end. Inputs, outputs, then attributes follow it. */
struct gr_call {
    const gr_op *op;
    const char *file;
    int32_t line;
    uint32_t first_value; /* of output 0; the others follow */
    gr_call *previous;
    const char *used_file; /* by which backward; NULL: not yet */
    int32_t used_line;
    uint32_t used_by;
    uint16_t inputs;
    uint8_t outputs;
    uint8_t numbers;    /* bit i: input i is a number */
    bool reserve;       /* forward may call gr_ functions, or its results are looked at */
    uint8_t dtype;      /* elementwise: that it computes in */
    uint8_t flat;       /* elementwise: the steps of gr_flat_forward, where all operands lie as the result does; else 0 */
    uint8_t reads_outputs;
    uint32_t reads;     /* inputs whose elements backward reads; bit 31: and those after the 31st */
    uint32_t bytes;     /* of all this, to where the next call begins */
    gr_slot slot[];
};

static inline gr_slot *gr_out(gr_call *c, int i)
{
    return &c->slot[c->inputs + i];
}
static inline void *gr_attributes(gr_call *c)
{
    return &c->slot[c->inputs + c->outputs];
}
static inline gr_site gr_site_of(const gr_call *c)
{
    return (gr_site){c->file, c->line};
}
static inline bool gr_is_number(const gr_call *c, int i)
{
    return i < 8 && c->numbers >> i & 1;
}
static inline gr_value gr_slot_value(const gr_call *c, int i)
{
    gr_value v;
    v.integer = c->slot[i].integer;
    v.kind = gr_is_number(c, i) ? (gr_value_kind)c->slot[i].version : GR_VALUE_TENSOR;
    return v;
}

/* One backward pass. Gradients of intermediate values are indexed by value - low. */
enum { GR_FEW_LEAVES = 8 };
typedef struct {
    gr_tensor *leaf, *gradient;
    bool waited; /* gradient's memory waited with the leaf */
} gr_pending;
typedef struct gr_task {
    struct gr_task *outer;
    uint32_t low, high, serial, depth;
    uint32_t rule_owned; /* the open scope's results below this one are not the running rule's */
    bool create_graph, retain_graph;
    bool accumulates; /* into leaves: gr_backward; else the leaves asked for by gr_autograd_grads */
    gr_site site;
    const char *op, *of; /* the public call, and its argument that the pass starts from */
    gr_tensor **gradient;
    const uint8_t *needed; /* by value - low; NULL: all are */
    gr_pending *pending;   /* in the order of their first contributions */
    uint32_t *pending_index; /* finds them by address, when there are many; else NULL */
    uint32_t pending_count, pending_capacity;
    gr_storage *pending_block, *gradient_block;
    gr_pending first[GR_FEW_LEAVES];
} gr_task;

/* ---- the door (tape.c) ---- */
gr_call *gr_call_begin_slow(gr_thread *t, size_t bytes, gr_site site, const char *op);
/* Room for a call of so many bytes behind c: beginning it will not fail. */
bool gr_tape_reserve(gr_thread *t, const gr_call *c, size_t bytes);
static inline size_t gr_call_bytes(const gr_op *op, int inputs)
{
    const size_t slots = (size_t)inputs + (op->outputs ? op->outputs : 1);
    return sizeof(gr_call) + slots * sizeof(gr_slot) + ((op->attribute_bytes + 7) & ~(size_t)7);
}
static inline gr_call *gr_call_begin(const gr_op *op, int inputs, gr_site site)
{
    gr_thread *t = gr_self();
    const uint8_t outputs = op->outputs ? op->outputs : 1;
    const size_t bytes = gr_call_bytes(op, inputs);
    gr_call *c = (gr_call *)(void *)t->tape.next;
    if (gr_unlikely((size_t)(t->tape.end - t->tape.next) < bytes) && !(c = gr_call_begin_slow(t, bytes, site, op->name)))
        return NULL;
    c->op = op;
    c->file = site.file;
    c->line = site.line;
    c->bytes = (uint32_t)bytes;
    c->inputs = (uint16_t)inputs;
    c->outputs = outputs;
    c->numbers = 0;
    c->reserve = t->anomaly;
    return c;
}
/* Runs a call whose slots hold the inputs; returns output 0 or NULL. */
gr_tensor *gr_call_run(gr_call *c);
/* reads: what the wanted gradients read, for an op that has reads_each. */
void gr_call_record(gr_call *c, gr_thread *t, uint32_t oldest, uint32_t reads);
static inline gr_tensor *gr_run1(const gr_op *op, gr_tensor *x, gr_site site)
{
    gr_call *c = gr_call_begin(op, 1, site);
    if (!c) return NULL;
    c->slot[0].tensor = x;
    return gr_call_run(c);
}
/* With the op's attributes, which are copied. */
static inline gr_tensor *gr_run1_with(const gr_op *op, gr_tensor *x, const void *attributes, gr_site site)
{
    gr_call *c = gr_call_begin(op, 1, site);
    if (!c) return NULL;
    c->slot[0].tensor = x;
    memcpy(gr_attributes(c), attributes, op->attribute_bytes);
    return gr_call_run(c);
}
static inline gr_tensor *gr_run2(const gr_op *op, gr_tensor *a, gr_tensor *b, gr_site site)
{
    gr_call *c = gr_call_begin(op, 2, site);
    if (!c) return NULL;
    c->slot[0].tensor = a;
    c->slot[1].tensor = b;
    return gr_call_run(c);
}
const char *gr_input_name(const gr_op *op, int inputs, int i);
/* Whether x shows an element more than once, as expanded tensors do. */
static inline bool gr_repeats_elements(const gr_tensor *x)
{
    bool repeats = false;
    for (int d = 0; d < x->dim; d++) repeats |= x->axis[d].size > 1 && x->axis[d].stride == 0;
    return repeats && x->numel;
}
/* Whether c may change x in place: not expanded, no half-overlapping operand, and no history lost (in_place.c). */
bool gr_may_change(gr_call *c, gr_thread *t, gr_tensor *x, bool needs);

/* Whether a user's function asks for one of `count` inputs or outputs; reports it if not. */
bool gr_call_place_fits(const gr_call *c, int i, int count, const char *op);

/* In shape: output 0 shows input 0's storage, with geometry to be set (dim, axis, data). */
gr_tensor *gr_call_view(gr_call *c);
/* In shape: output i is new; its header with dtype set, sizes to be set by gr_set_sizes or gr_copy_sizes. */
static inline gr_tensor *gr_call_new(gr_call *c, int i, gr_dtype dtype)
{
    gr_tensor *y = gr_out(c, i)->tensor;
    y->dtype = (uint8_t)dtype;
    return y;
}
/* Whether inputs i and j have one dtype and device; reports it if not. */
bool gr_call_same_key(gr_call *c, int i, int j);

/* ---- what ops share (op.c) ---- */
/* A user's function that fails says why; if it does not, this does. Returns false. */
GR_COLD bool gr_call_unexplained(const gr_call *c, const char *function);
/* Shape of what only changes its input; or forward of what only shows it. */
bool gr_no_work(gr_call *c);
/* backward: dx = dy, summed where input 0 was broadcast; and dx = 0, of what was overwritten. */
bool gr_hand_dy(gr_call *c);
bool gr_hand_zeros(gr_call *c);

/* ---- calls made of others (scope.c) ---- */
/* Errors inside bear the name of the whole, and if it fails, what it made and recorded goes. */
typedef struct {
    const char *outer;
    uint32_t owned, depth, changed_from, refreshes;
    struct gr_tape_mark tape;
} gr_compound;
static inline gr_compound gr_compound_begin(const char *op)
{
    gr_thread *t = gr_self();
    const gr_compound whole = {t->whole, t->owned_count, t->depth, t->changed_from, t->refreshes, t->tape};
    t->changed_from = UINT32_MAX;
    t->wholes++;
    if (!t->whole) t->whole = op;
    return whole;
}
GR_COLD void gr_compound_undo(gr_thread *t, const gr_compound *whole);
/* Returns result; NULL: the whole has failed. */
static inline void *gr_compound_end(const gr_compound *whole, void *result)
{
    gr_thread *t = gr_self();
    if (gr_unlikely(!result) && t->scope) gr_compound_undo(t, whole);
    t->whole = whole->outer;
    if (whole->changed_from < t->changed_from) t->changed_from = whole->changed_from;
    if (t->wholes && --t->wholes == 0) t->refreshes = 0; /* a thread without memory may have got its state since */
    return result;
}

/* ---- backward (backward.c, pass.c) ---- */
/* Where input i's gradient is to be written (*add false) or added; row-major, of the input's shape. NULL when it is not
 * wanted, and without memory: a rule ends with gr_grads_given. Not when the pass is recorded. */
gr_tensor *gr_grad_into(gr_call *c, int i, bool *add);
/* What has collected for input i until now; NULL: nothing. */
gr_tensor *gr_grad_so_far(const gr_task *task, const gr_call *c, int i);
/* gr_call_gradient(c, 0), for rules that are short. */
static inline gr_tensor *gr_upstream(gr_call *c)
{
    const gr_task *task = gr_self()->task;
    gr_tensor *dy = task->gradient[c->first_value - task->low];
    return gr_likely(dy != NULL) ? dy : gr_call_gradient(c, 0);
}
static inline bool gr_grads_given(void)
{
    return gr_likely(!gr_self()->failed);
}
/* A leaf that was freed, or no longer is one that requires grad, gets nothing. */
static inline bool gr_takes_gradient(const gr_tensor *leaf)
{
    return leaf->state == GR_LIVE && leaf->requires_grad && !leaf->value;
}
/* Where the gradient of a slot's value collects; NULL: not wanted, or an error. And memory for what comes there first. */
gr_tensor **gr_task_collects(gr_thread *t, gr_task *task, const gr_slot *slot);
gr_tensor *gr_task_fresh(gr_thread *t, gr_task *task, const gr_slot *slot, gr_tensor **place);
/* The end of a gradient that the program may have looked at, while calls and views may point to it; *place becomes NULL. */
void gr_gradient_give_up(gr_thread *t, gr_tensor **place);
enum { GR_LIMBO_ROOM = 64 };
void gr_limbo_sweep(gr_thread *t);
/* Where no call is being made: a pass begins, a scope has ended. */
static inline void gr_limbo_look(gr_thread *t)
{
    if (gr_unlikely(t->limbos > t->limbo_room)) gr_limbo_sweep(t);
}
/* The end of a pass's gradient, which hooks may have looked at. */
static inline void gr_end_gradient(gr_thread *t, gr_tensor *g)
{
    if (gr_unlikely(t->hooks != 0)) gr_gradient_give_up(t, &g);
    else gr_tensor_discard(t, g);
}
/* The end of what has collected. */
static inline void gr_drop_gradient(gr_thread *t, const gr_task *task, gr_tensor **place)
{
    if (*place && !task->create_graph) gr_end_gradient(t, *place);
    *place = NULL;
}
/* A pass: begin (low, high and the options are set), seed the outputs, walk from the last call, end. */
bool gr_task_begin(gr_thread *t, gr_task *task);
/* given, the argument `name`, can be y's gradient; GR_ABSENT where y has one element. */
bool gr_seed_fits(const gr_tensor *y, const gr_tensor *given, gr_site site, const char *op, const char *y_name, const char *name);
bool gr_task_seed(gr_thread *t, gr_task *task, gr_tensor *y, gr_tensor *given);
bool gr_task_walk(gr_thread *t, gr_task *task, gr_call *last);
/* The hooks of the leaves. */
bool gr_task_leaf_hooks(gr_thread *t, gr_task *task);
void gr_task_end(gr_thread *t, gr_task *task, bool ok);
/* Leaves whose gradient is asked for, and where a value's or such a leaf's gradient collects. */
bool gr_task_want(gr_thread *t, gr_task *task, gr_tensor *leaf);
bool gr_task_wants(const gr_task *task, const gr_tensor *leaf);
gr_tensor **gr_task_place(gr_task *task, const gr_tensor *x);
/* Whether the pass that runs is itself recorded. */
static inline bool gr_is_recording_backward(void)
{
    return gr_self()->task->create_graph;
}

/* ---- views that follow their base (region.c) ---- */
/* An input is a view whose base has moved on: it is taken again, in front of the call, which moves. */
bool gr_call_is_stale(const gr_call *c);
GR_COLD gr_call *gr_view_refresh(gr_thread *t, gr_call *c);
/* The views that were taken again since then become what they were. */
void gr_views_restore(gr_thread *t, uint32_t from);
/* x with the history that it has now, whether or not calls are recorded: x, or, of an outer scope, what stands for it
 * here. NULL without memory. */
gr_tensor *gr_view_current(gr_thread *t, gr_tensor *x, gr_site site);
/* x, a view, is changed in place by c: room for what follows, before anything changes; and afterwards its base's history
 * becomes "the old one with x's region replaced". */
bool gr_view_may_replace_base(gr_thread *t, const gr_tensor *x, const gr_call *c);
void gr_view_replace_base(gr_thread *t, gr_tensor *x, gr_site site);

/* ---- hooks (hook.c) ---- */
/* The hooks of a leaf, or of a value (leaf NULL), see its finished gradient and may replace it. */
bool gr_run_hooks(gr_thread *t, gr_tensor *leaf, uint32_t value, gr_tensor **gradient);
/* The end of a pass: what arrived for retain_grad is added to what it retains, or forgotten. */
void gr_hooks_settle(gr_thread *t, uint32_t pass, bool ok);
void gr_hooks_forget_values(gr_thread *t, uint32_t from);
void gr_hooks_forget_tensor(gr_thread *t, const gr_tensor *x);
gr_tensor *gr_retained_gradient(const gr_tensor *x);
void gr_retained_forget(gr_thread *t, const gr_tensor *x);

/* ---- scopes (scope.c) ---- */
/* Ends what was made after the first `keep` owned objects. */
void gr_owned_release(gr_thread *t, uint32_t keep, gr_site site);
void gr_tensor_kill(gr_thread *t, gr_tensor *x, gr_site site);
/* The gradient of this leaf has history on the tape, which ends with its scope. */
bool gr_note_history(gr_thread *t, gr_tensor *gradient);

#endif
