/* test_faults.c - whichever allocation fails: the call says so, nothing has changed, nothing leaks, and the same call then gives
 * the bits it gives where nothing failed. The programs stand in tests/fault_*.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/tape.h"
#include "core/generator.h"
#include "nn/module_tree.h"
#include "tests/allocation.h"
#include "tests/faults.h"
#include "tests/suites.h"

/* ---- the state that a program can see ---- */

typedef uint64_t hash;

static hash mix(hash h, const void *data, size_t bytes)
{
    const char *p = data;
    for (uint64_t word; bytes >= 8; bytes -= 8, p += 8) {
        memcpy(&word, p, 8);
        h = (h ^ word) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    for (; bytes; bytes--) h = (h ^ (unsigned char)*p++) * 0x100000001B3u;
    return h;
}

static hash mix_number(hash h, uint64_t number)
{
    return mix(h, &number, sizeof number);
}

static hash mix_text(hash h, const char *text)
{
    return mix(h, text, strlen(text));
}

static bool versions_count; /* they go on from that of the block, which is another where one was refused */

static hash mix_tensor(hash h, gr_tensor *x)
{
    static char elements[8 << 20];
    if (!x || x == gr_absent || x->state != GR_LIVE) return mix_number(h, x ? x == gr_absent ? 1 : 2 : 0);
    const int64_t number[] = {x->dtype, x->dim, x->requires_grad, x->value, x->oldest, x->flags & GR_HOOKED,
                              versions_count ? x->storage->version : 0};
    h = mix(h, number, sizeof number);
    for (int d = 0; d < x->dim; d++) h = mix(h, &x->axis[d], sizeof x->axis[d]);
    const size_t bytes = (size_t)x->numel * gr_dtype_size[x->dtype];
    ck_assert(bytes <= sizeof elements && gr_to_array_at(x, elements, (gr_dtype)x->dtype, x->numel, GR_HERE));
    h = mix(h, elements, bytes);
    return x->value && !(x->flags & GR_HOOKED) ? h : mix_tensor(h, gr_grad(x));
}

static hash mix_module(hash h, const gr_module *m)
{
    if (!m) return mix_number(h, 0);
    h = mix_number(h, m->members + 100u * m->children + (m->training ? 7 : 0) + (m->object.alive == GR_LIVE ? 50 : 0));
    for (uint32_t i = 0; i < m->members; i++) h = mix_tensor(mix_text(h, m->member[i].name), m->member[i].tensor);
    for (uint32_t i = 0; i < m->children; i++) h = mix_module(mix_text(h, m->child[i].name), m->child[i].module);
    return h;
}

static hash mix_thread(hash h, const gr_thread *t)
{
    if (!t) return mix_number(h, 0);
    uint32_t calls = 0;
    for (const gr_call *c = t->tape.last; c; c = c->previous) calls += c->used_file ? 1001 : 1;
    const uint64_t number[] = {t->owned_count, t->depth, t->tape.values, calls, t->recording, t->hooks, t->histories,
                               t->task != NULL, t->whole != NULL, t->running != NULL, t->anomaly, t->norms != NULL};
    return mix(h, number, sizeof number);
}

/* The thread's own state begins with the first call; until then it is as good as empty. */
static hash state_of(world *w, bool with_versions)
{
    versions_count = with_versions;
    const gr_generator g = gr_generator_now();
    gr_self();
    hash h = mix_thread(1, gr_self_pointer);
    h = mix(h, g.state, sizeof g.state);
    h = mix_number(h, g.next + (g.has_normal ? 1000u : 0));
    for (size_t i = 0; i < sizeof w->t / sizeof w->t[0]; i++) h = mix_tensor(h, w->t[i]);
    h = mix_tensor(mix_tensor(h, w->pair.values), w->pair.indices);
    for (int64_t i = 0; i < w->list.count; i++) h = mix_tensor(h, w->list.item[i]);
    for (size_t i = 0; i < sizeof w->m / sizeof w->m[0]; i++) h = mix_module(h, w->m[i]);
    h = mix(h, w->number, sizeof w->number);
    return mix_text(h, w->text);
}

/* ---- what is allocated ---- */

typedef struct {
    int64_t other, blocks, headers;
} live;

/* Arrays and slabs that only ever grow, and what waits for its next use, are not what a call holds. */
static live live_now(void)
{
    gr_thread *t = gr_self();
    gr_pool_release(t);
    gr_limbo_sweep(t);
    const gr_pool_use use = gr_pool_look(t);
    const void *const arrays[] = {t, t->scope, t->owned, t->ready, t->chunk, t->hook, t->history, t->refreshed};
    live l = {allocation_live() - use.slabs - (int64_t)t->chunks, use.blocks, use.headers};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) l.other -= arrays[i] != NULL;
    for (int i = 0; i < GR_OBJECT_RING; i++) l.other -= t->dead_object[i] != NULL;
    return l;
}

/* ---- hunger: nothing waits for its next use, so that each call has to ask the system ---- */

static struct {
    gr_storage *pool[GR_CLASSES];
    gr_tensor **ready;
    uint32_t ready_count;
    size_t pool_bytes;
} aside;

static void starve(uint32_t slack)
{
    gr_thread *t = gr_self_pointer;
    memset(&aside, 0, sizeof aside);
    if (!t) return;
    gr_pool_release(t);
    memcpy(aside.pool, t->pool, sizeof aside.pool);
    memset(t->pool, 0, sizeof t->pool);
    aside.pool_bytes = t->pool_bytes;
    t->pool_bytes = 0;
    if (t->ready_count > slack) {
        aside.ready_count = t->ready_count - slack;
        aside.ready = malloc(aside.ready_count * sizeof *aside.ready);
        memcpy(aside.ready, t->ready + slack, aside.ready_count * sizeof *aside.ready);
        t->ready_count = slack;
    }
    if (t->owned_capacity > t->owned_count + slack) t->owned_capacity = t->owned_count + slack;
    if (t->scope_capacity > t->depth + 1) t->scope_capacity = t->depth + 1;
    if (t->hook_capacity > t->hooks) t->hook_capacity = t->hooks;
    if (t->history_capacity > t->histories) t->history_capacity = t->histories;
    if (t->chunk_capacity > t->chunks) t->chunk_capacity = t->chunks;
    if (t->ready_capacity > t->headers) t->ready_capacity = t->headers;
    const uint32_t room = slack == 0 ? 0 : slack == 1 ? 200 : 4000; /* of the tape: none; one call; some */
    if (t->tape.end - t->tape.next > room) t->tape.end = t->tape.next + room;
}

static void feed(void)
{
    gr_thread *t = gr_self_pointer;
    if (!t) return;
    for (int c = 0; c < GR_CLASSES; c++) {
        gr_storage **end = &t->pool[c];
        while (*end) end = &(*end)->next;
        *end = aside.pool[c];
    }
    t->pool_bytes += aside.pool_bytes;
    if (aside.ready_count) memcpy(t->ready + t->ready_count, aside.ready, aside.ready_count * sizeof *aside.ready);
    t->ready_count += aside.ready_count;
    free(aside.ready);
}

/* ---- running ---- */

static int errors_heard;
static void hear(const char *text, void *data)
{
    (void)text, (void)data;
    errors_heard++;
}

enum { STEPS = 120 };
typedef struct {
    const named_program *p;
    int steps;
    hash after[STEPS]; /* each step, where nothing fails */
    int64_t base;      /* blocks that are live before the program begins */
    int failures;
} trial;
static world w;

static void begin(const trial *r)
{
    gr_manual_seed(3); /* which needs the thread's state: it shall begin in the program */
    gr_shutdown();
    gr_memory_end();
    const int64_t left = allocation_live() - r->base;
    ck_assert_msg(left == 0, "%s: %jd allocations are left at the end", r->p->name, (intmax_t)left);
    memset(&w, 0, sizeof w);
}

static void run_steps(const trial *r, int from, int to)
{
    bool ended = false;
    for (int i = from; i < to; i++)
        ck_assert_msg(r->p->run(&w, i, &ended), "%s, step %d: %s", r->p->name, i, gr_error());
}

/* Where nothing fails. */
static void run_reference(trial *r)
{
    bool ended = false;
    begin(r);
    for (int i = 0; !ended; i++) {
        ck_assert_int_lt(i, STEPS);
        ck_assert_msg(r->p->run(&w, i, &ended) && !gr_error(), "%s, step %d: %s", r->p->name, i, gr_error());
        r->after[i] = state_of(&w, false);
        r->steps = i; /* the last one only ends */
    }
}

typedef struct {
    int step, at, times; /* refused from this allocation of the step on, so many times */
    uint32_t slack;
} fault;

static void complain(const trial *r, const fault *f, const char *what)
{
    ck_abort_msg("%s, step %d, %d allocations refused from the %dth on (slack %u): %s%s%s", r->p->name, f->step, f->times,
                 f->at, f->slack, what, gr_error() ? ": " : "", gr_error() ? gr_error() : "");
}

/* The call has failed: it said so, once, and left everything as it was. */
static void check_failure(const trial *r, const fault *f, hash before, live held)
{
    const char *text = gr_error();
    if (!text || gr_error_kind() != GR_ERROR_MEMORY) complain(r, f, "the call failed without the error");
    if (!strstr(text, ": no memory for ") || !strstr(text, " bytes)") || strstr(text, "(0 bytes)") || strstr(text, "?:0"))
        complain(r, f, "the text must have place, purpose and bytes");
    if (errors_heard != 1) complain(r, f, "the handler must hear of it once");
    gr_error_clear();
    const hash after = state_of(&w, true);
    const live now = live_now();
    char left[96];
    snprintf(left, sizeof left, "%jd blocks, %jd headers, %jd other allocations are left", (intmax_t)(now.blocks - held.blocks),
             (intmax_t)(now.headers - held.headers), (intmax_t)(now.other - held.other));
    if (now.other != held.other || now.blocks != held.blocks || now.headers != held.headers) complain(r, f, left);
    if (after != before) complain(r, f, "something has changed");
}

/* Runs the program with this fault; false when no allocation was refused. */
static bool survives(trial *r, const fault *f)
{
    bool ended = false;
    live held = {0, 0, 0};
    begin(r);
    run_steps(r, 0, f->step);
    const bool started = gr_self_pointer != NULL;
    hash before = 0;
    if (started) {
        before = state_of(&w, true);
        held = live_now();
    }
    errors_heard = 0;
    starve(f->slack);
    allocation_fail(f->at, f->times);
    const bool ok = r->p->run(&w, f->step, &ended), refused = allocation_failed();
    allocation_fail(0, 0);
    feed();
    if (!ok && !refused) complain(r, f, "nothing, and it failed");
    if (ok && gr_error()) complain(r, f, "an error stands though the call succeeded");
    if (!ok) {
        r->failures++;
        check_failure(r, f, started ? before : state_of(&w, true), started ? held : live_now());
        if (!r->p->run(&w, f->step, &ended)) complain(r, f, "the call fails again with memory");
    }
    if (state_of(&w, false) != r->after[f->step]) complain(r, f, "the result is not that of a run without a failure");
    run_steps(r, f->step + 1, r->steps);
    if (r->steps && state_of(&w, false) != r->after[r->steps - 1]) complain(r, f, "the program's end is another");
    return refused;
}

static const named_program *const all_programs[] = {tensor_programs, autograd_programs, module_programs};

static const named_program *program_of(int i)
{
    for (size_t k = 0; k < sizeof all_programs / sizeof all_programs[0]; k++)
        for (const named_program *p = all_programs[k]; p->name; p++)
            if (i-- == 0) return p;
    return NULL;
}

static void write_sites(int number)
{
    const char *path = getenv("GRADUS_SITES"); /* read by tests/allocation_sites.sh */
    char name[512];
    if (!path) return;
    snprintf(name, sizeof name, "%s.%d", path, number);
    FILE *out = fopen(name, "w");
    ck_assert_msg(out != NULL, "%s cannot be written", name);
    ck_assert_int_lt(allocation_write_sites(out), 2000);
    fclose(out);
}

enum { MOST_SLACK = 2 };

START_TEST(a_program_survives_each_refused_allocation)
{
    trial r = {.p = program_of(_i)};
    gr_set_error_handler(hear, NULL);
    gr_shutdown();
    gr_memory_end();
    r.base = allocation_live();
    run_reference(&r);
    static const int times[] = {1, 2, ALWAYS}; /* 2: the pool asks again when it has emptied itself */
    for (fault f = {0, 1, 1, 0}; f.step < r.steps; f.step++)
        for (f.slack = 0; f.slack <= MOST_SLACK; f.slack++)
            for (int mode = 0; mode < 3; mode++) {
                f.times = times[mode];
                for (f.at = 1; survives(&r, &f); f.at++) {}
            }
    begin(&r);
    ck_assert_msg(r.failures > 3, "%s: only %d calls failed", r.p->name, r.failures);
    write_sites(_i);
}
END_TEST

Suite *faults_suite(void)
{
    Suite *s = suite_create("faults");
    TCase *c = tcase_create("faults");
    int programs = 0;
    while (program_of(programs)) programs++;
    tcase_add_loop_test(c, a_program_survives_each_refused_allocation, 0, programs);
    suite_add_tcase(s, c);
    return s;
}
