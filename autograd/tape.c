/* tape.c - the door: checks a call, runs it, and keeps it on the tape if somebody wants its gradient. */
#include <string.h>

#include "autograd/tape.h"
#include "autograd/watch.h"

/* ---- the tape's memory: chunks that never move, so a call may be read while others are appended ---- */

enum { CHUNK = 256 << 10, HEAD = 8 };

/* The next chunk with room for so many bytes, made if there is none; NULL without memory. Each begins with its size. */
static char *next_chunk(gr_thread *t, size_t bytes, uint32_t *number)
{
    size_t room;
    for (*number = t->tape.end ? t->tape.chunk + 1 : 0; *number < t->chunks; ++*number) {
        memcpy(&room, t->chunk[*number], sizeof room);
        if (room >= bytes) return t->chunk[*number];
    }
    room = bytes > CHUNK ? bytes : CHUNK;
    const bool listed = t->scope && gr_grow(&t->chunk, &t->chunk_capacity, t->chunks, sizeof *t->chunk);
    char *chunk = listed ? gr_allocate(HEAD + room) : NULL;
    if (!chunk) return NULL;
    memcpy(chunk, &room, sizeof room);
    return t->chunk[t->chunks++] = chunk;
}

gr_call *gr_call_begin_slow(gr_thread *t, size_t bytes, gr_site site, const char *op)
{
    uint32_t number;
    size_t room;
    char *chunk = next_chunk(t, bytes, &number);
    if (!chunk) return gr_fail_memory(site, op, "the tape", bytes > CHUNK ? bytes : CHUNK);
    memcpy(&room, chunk, sizeof room);
    t->tape.chunk = number;
    t->tape.next = chunk + HEAD;
    t->tape.end = t->tape.next + room;
    return (gr_call *)(void *)t->tape.next;
}

bool gr_tape_reserve(gr_thread *t, const gr_call *c, size_t bytes)
{
    uint32_t number;
    return (size_t)(t->tape.end - (const char *)c) >= c->bytes + bytes || next_chunk(t, bytes, &number);
}

/* ---- errors ---- */

const char *gr_input_name(const gr_op *op, int inputs, int i)
{
    static const char *const letters[] = {"a", "b", "c", "d"};
    if (op->input_names) return op->input_names[i];
    return inputs == 1 ? "x" : i < 4 ? letters[i] : "an input";
}

static GR_COLD gr_tensor *refuse_input(gr_call *c, int i)
{
    const gr_tensor *x = c->slot[i].tensor;
    const char *name = gr_input_name(c->op, c->inputs, i);
    if (!x || x->state != GR_LIVE)
        gr_refuse_tensor(x, gr_site_of(c), c->op->name, name);
    else
        gr_fail(GR_ERROR_STATE, gr_site_of(c), c->op->name,
                "%s has history of another thread; must be used on the thread that recorded it: gr_detach", name);
    return NULL;
}

void gr_running(const gr_thread *t, gr_site *site, const char **op)
{
    if (t->running) {
        *site = gr_site_of(t->running);
        *op = t->running->op->name;
    } else if (t->task) {
        *site = t->task->site;
        *op = t->task->op;
    } else if (t->outside.op) {
        *site = t->outside.site;
        *op = t->outside.op;
    }
}

/* ---- running ---- */

static inline bool may_be_absent(const gr_op *op, ptrdiff_t i)
{
    return i < 32 && op->optional_inputs >> i & 1;
}

typedef struct {
    bool needs, stale;
    uint8_t device;  /* of an input */
    uint32_t oldest; /* call that the inputs' histories reach */
    uint32_t reads;  /* by the gradients that are wanted: see gr_op.reads_each */
} histories;

/* Inputs: alive, of this thread; what they bring along. Versions are noted, whether or not they will be compared. */
static inline __attribute__((always_inline)) bool check_inputs(gr_call *c, const gr_thread *t, histories *h)
{
    const uint32_t *reads = c->op->reads_each;
    unsigned numbers = c->numbers;
    *h = (histories){false, false, 0, UINT32_MAX, 0};
    for (gr_slot *slot = c->slot, *end = slot + c->inputs; slot < end; slot++, numbers >>= 1) {
        slot->value = 0;
        if (numbers & 1) continue;
        const gr_tensor *x = slot->tensor;
        if (gr_unlikely(!x || x->state != GR_LIVE)) {
            if (x != gr_absent || !may_be_absent(c->op, slot - c->slot)) return refuse_input(c, (int)(slot - c->slot));
            slot->tensor = NULL;
            continue;
        }
        h->device = x->device;
        slot->version = x->storage->version;
        if (gr_unlikely(x->base != NULL)) h->stale |= x->base->value != x->base_value;
        if (!x->requires_grad) continue;
        h->needs = true;
        slot->value = GR_LEAF;
        if (reads) h->reads |= reads[slot - c->slot];
        if (!x->value) continue;
        if (gr_unlikely(x->thread != t->id)) return refuse_input(c, (int)(slot - c->slot));
        slot->value = x->value;
        if (x->oldest < h->oldest) h->oldest = x->oldest;
    }
    return true;
}

static GR_COLD gr_tensor *abandon(gr_thread *t, gr_call *c, int outputs)
{
    t->running = NULL;
    for (int k = 0; k < outputs; k++) {
        gr_tensor *y = gr_out(c, k)->tensor;
        if (y->storage) gr_storage_drop(t, y->storage);
        y->state = GR_DEAD;
        y->died_line = 0;
        gr_header_drop(t, y);
    }
    return NULL;
}

static GR_COLD bool no_header(gr_thread *t, gr_call *c, int outputs)
{
    gr_fail_memory(gr_site_of(c), c->op->name, "the header of the result", sizeof(gr_tensor));
    return abandon(t, c, outputs);
}

static GR_COLD gr_tensor *no_memory(gr_thread *t, gr_call *c, const gr_tensor *y)
{
    gr_fail_result(gr_site_of(c), c->op->name, y);
    return abandon(t, c, 1);
}

static inline bool own_memory(gr_thread *t, gr_tensor *y)
{
    return gr_can_own(t) && (y->storage || gr_attach_memory(t, y));
}

static bool make_outputs(gr_call *c, gr_thread *t, uint8_t device)
{
    gr_slot *out = gr_out(c, 0);
    for (int k = 0; k < c->outputs; k++) {
        gr_tensor *y = gr_header_take(t);
        if (!y) return no_header(t, c, k);
        gr_header_init(y, device);
        y->numel = -1; /* not described yet */
        out[k].tensor = y;
    }
    bool ok = c->op->shape(c) || gr_call_unexplained(c, "shape");
    for (int k = 0; ok && k < c->outputs; k++)
        ok = out[k].tensor->numel >= 0 || gr_call_fail(c, "output %d has no shape; must be described: gr_call_output_shape", k);
    for (int k = 0; ok && k < c->outputs; k++) {
        ok = out[k].tensor->storage || gr_attach_memory(t, out[k].tensor);
        if (!ok) gr_fail_result(gr_site_of(c), c->op->name, out[k].tensor);
    }
    return ok || abandon(t, c, c->outputs);
}

/* The outputs go to the open scope, after whatever forward has made. */
static bool own_outputs(gr_call *c, gr_thread *t)
{
    if (!gr_can_own_all(t, c->outputs)) {
        gr_fail_memory(gr_site_of(c), c->op->name, "the owner's list", (t->owned_count + c->outputs) * sizeof *t->owned);
        return abandon(t, c, c->outputs);
    }
    for (int k = 0; k < c->outputs; k++) gr_own(t, gr_out(c, k)->tensor);
    return true;
}

/* Only the gradients that are wanted decide what must stay as it is. */
static inline void what_is_read(gr_call *c, uint32_t reads)
{
    const bool each = c->op->reads_each != NULL;
    c->reads = each ? reads & INT32_MAX : c->op->reads_inputs;
    c->reads_outputs = each ? (uint8_t)(reads >> 31) : c->op->reads_outputs;
}

/* The header of an output gets its value. */
static inline void give_value(gr_call *c, const gr_thread *t, gr_slot *out, uint32_t value, uint32_t oldest)
{
    gr_tensor *y = out->tensor;
    if (gr_unlikely(!gr_is_float(y->dtype))) return;
    y->value = value;
    y->oldest = oldest < c->first_value ? oldest : c->first_value;
    y->thread = t->id;
    y->requires_grad = true;
    y->call = c;
}

/* The call joins the tape. */
static inline void append(gr_call *c, gr_thread *t, uint32_t reads)
{
    what_is_read(c, reads);
    c->first_value = t->tape.values + 1;
    t->tape.values += c->outputs;
    c->previous = t->tape.last;
    c->used_file = NULL;
    c->used_by = 0;
    t->tape.last = c;
    t->tape.next = (char *)c + c->bytes;
}

/* x gets another history in place. What no scope owns was there before whatever runs. */
static void note_change(gr_thread *t, gr_tensor *x)
{
    const uint32_t place = x->owned_at == GR_NOT_OWNED ? 0 : x->owned_at;
    if (place < t->changed_from) t->changed_from = place;
    if (x->value || !x->grad) return;
    gr_gradient_give_up(t, &x->grad);
    x->has_grad = false;
}

void gr_call_record(gr_call *c, gr_thread *t, uint32_t oldest, uint32_t reads)
{
    append(c, t, reads);
    for (int k = 0; k < c->outputs; k++) {
        gr_slot *out = gr_out(c, k);
        out->version = out->tensor->storage->version;
        if (c->op->in_place) note_change(t, out->tensor);
        if (!(c->op->no_gradient >> k & 1)) give_value(c, t, out, c->first_value + (uint32_t)k, oldest);
    }
}

/* A forward that calls gr_ functions finds the tape's end behind its own call, and nothing recorded. So do all forwards
 * when their results are looked at. */
static GR_COLD bool run_reserved(gr_call *c, gr_thread *t)
{
    const struct gr_tape_mark mark = t->tape;
    const bool was_recording = t->recording;
    t->tape.next = (char *)c + c->bytes;
    t->recording = false;
    const bool ok = t->anomaly ? gr_anomaly_forward(t, c) : c->op->forward(c);
    t->recording = was_recording;
    t->tape = mark;
    return ok;
}

static gr_tensor *run_in_place(gr_call *c, gr_thread *t, const histories *h);

/* On a device that is not the CPU many kernels tell of a failure by the error alone. */
static bool run_forward(gr_call *c, gr_thread *t, bool on_device)
{
    const bool had_failed = t->failed;
    struct gr_call *outer = t->running;
    t->running = c;
    bool ok = c->reserve ? run_reserved(c, t) : c->op->forward(c);
    if (gr_unlikely(on_device && t->failed && !had_failed)) ok = false;
    if (!ok) gr_call_unexplained(c, "forward");
    if (!ok && !c->op->in_place) abandon(t, c, c->outputs);
    t->running = outer;
    return ok;
}

gr_site gr_latest_site(const gr_thread *t)
{
    return t->ran ? gr_site_of(t->ran) : (gr_site){NULL, 0};
}

static gr_tensor *run_checked(gr_call *c, gr_thread *t, histories h);
static gr_tensor *run_any(gr_call *c, gr_thread *t);

static GR_COLD gr_tensor *run_refreshed(gr_call *c, gr_thread *t)
{
    const gr_compound whole = gr_compound_begin(NULL);
    c = gr_view_refresh(t, c);
    return gr_compound_end(&whole, c ? run_any(c, t) : NULL);
}

/* What is not an ordinary call with one result: stale views, changes in place, several outputs, users' ops. */
static __attribute__((noinline)) gr_tensor *run_checked(gr_call *c, gr_thread *t, histories h)
{
    if (h.stale && t->recording && c->op->backward && gr_call_is_stale(c)) return run_refreshed(c, t);
    if (c->op->in_place) return run_in_place(c, t, &h);
    const uint32_t owned = t->owned_count;
    struct gr_call *outer = t->running;
    t->running = c; /* a device that has no memory may fail for another reason, too */
    const bool made = make_outputs(c, t, h.device);
    t->running = outer;
    if (!made) return NULL;
    if (!run_forward(c, t, h.device) || !own_outputs(c, t)) return gr_owned_release(t, owned, gr_site_of(c)), NULL;
    t->ran = c;
    if (h.needs && t->recording && c->op->backward) gr_call_record(c, t, h.oldest, h.reads);
    return gr_out(c, 0)->tensor;
}

static __attribute__((noinline)) gr_tensor *run_any(gr_call *c, gr_thread *t)
{
    histories h;
    return check_inputs(c, t, &h) ? run_checked(c, t, h) : NULL;
}

GR_HOT __attribute__((noinline)) gr_tensor *gr_call_run(gr_call *c)
{
    gr_thread *t = gr_self();
    const gr_op *op = c->op;
    histories h;
    /* the op's own count: reading c's fields together, just after each was written, would wait for the stores */
    if (gr_unlikely(op->in_place || op->outputs > 1 || c->reserve)) return run_any(c, t);
    if (!check_inputs(c, t, &h)) return NULL;
    if (gr_unlikely(h.stale | (h.device != 0))) return run_checked(c, t, h);
    gr_tensor *y = gr_header_take(t);
    if (gr_unlikely(!y)) return no_header(t, c, 0), NULL;
    gr_header_init(y, h.device);
    gr_out(c, 0)->tensor = y;
    if (gr_unlikely(!op->shape(c))) return abandon(t, c, 1);
    if (gr_unlikely(!own_memory(t, y))) return no_memory(t, c, y);
    t->running = c;
    if (gr_unlikely(!op->forward(c))) return abandon(t, c, 1);
    t->running = NULL;
    gr_own(t, y);
    t->ran = c;
    if (h.needs && t->recording && gr_likely(op->backward != NULL)) {
        append(c, t, h.reads);
        gr_out(c, 0)->version = y->storage->version;
        give_value(c, t, gr_out(c, 0), c->first_value, h.oldest);
    }
    return y;
}

/* ---- in place ---- */

/* shape describes the result of a change in place in a header of its own; it must come out as x is. */
static bool keeps_looks(gr_call *c, const gr_tensor *x)
{
    const gr_op *op = c->op;
    gr_tensor expected = *x;
    gr_out(c, 0)->tensor = &expected;
    if (!op->shape(c)) return gr_call_unexplained(c, "shape");
    if (!gr_same_sizes(&expected, x) || expected.dtype != x->dtype) {
        char have[GR_SHAPE_TEXT], want[GR_SHAPE_TEXT];
        gr_call_fail(c, "%s is %s %s, the result is %s %s; must be the same", gr_input_name(op, c->inputs, 0),
                     gr_shape_text(x, have), gr_dtype_name[x->dtype], gr_shape_text(&expected, want),
                     gr_dtype_name[expected.dtype]);
        return false;
    }
    return true;
}

/* x is about to be overwritten, but backward reads it: a copy that the scope owns stands in c for what it was. It is the
 * old value too, so that a recorded backward goes on from it. */
static bool keep_old_elements(gr_call *c, gr_thread *t, const gr_tensor *x)
{
    gr_tensor *before = gr_can_own(t) ? gr_tensor_like(t, x, (gr_dtype)x->dtype) : NULL;
    if (!before)
        return gr_fail_memory(gr_site_of(c), c->op->name, "the value before the change",
                              (size_t)x->numel * gr_dtype_size[x->dtype]) != NULL;
    gr_kernels_of(x)->copy(before, x);
    gr_own(t, before);
    if (x->value) {
        before->value = x->value;
        before->oldest = x->oldest;
        before->call = x->call;
        before->requires_grad = true;
    }
    c->slot[0].tensor = before;
    c->slot[0].version = before->storage->version;
    return true;
}

static gr_tensor *run_in_place(gr_call *c, gr_thread *t, const histories *h)
{
    const gr_op *op = c->op;
    if (t->failed) return NULL;
    gr_tensor *x = c->slot[0].tensor;
    if (!gr_may_change(c, t, x, h->needs) || !keeps_looks(c, x)) return NULL;
    gr_out(c, 0)->tensor = x;
    const bool records = t->recording && op->backward && h->needs; /* a view of what requires grad does, too: gr_may_change */
    const uint32_t owned = t->owned_count;
    what_is_read(c, h->reads);
    if (records && !gr_view_may_replace_base(t, x, c)) return NULL;
    if (records && c->reads & 1 && !keep_old_elements(c, t, x)) return NULL;
    if (!run_forward(c, t, x->device)) return gr_owned_release(t, owned, gr_site_of(c)), NULL;
    t->ran = c;
    gr_storage_changed(x->storage, op->name, c->file, c->line);
    if (!records) return x;
    gr_call_record(c, t, h->oldest, h->reads);
    gr_view_replace_base(t, x, gr_site_of(c));
    return x;
}
