/* thread.c - what belongs to a thread: its state from the first call to its end. */
#include <pthread.h>
#include <string.h>

#include "core/internal.h"

GR_TLS gr_thread *gr_self_pointer;

static pthread_key_t key;
static bool has_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic uint32_t started;

/* ---- what stands in for the state of a thread that there is no memory for ---- */

/* Nothing can be made with it, for it has no scope; it keeps the error. One for each thread; if that are more, they share the
 * last. */
enum { STAND_INS = 16, SHARED = STAND_INS - 1 };
static gr_thread stand_in[STAND_INS];
static _Atomic bool in_use[SHARED];

/* This thread's, or the one to be shared. */
static gr_thread *own_stand_in(void)
{
    gr_thread *t = has_key ? pthread_getspecific(key) : NULL;
    return t ? t : &stand_in[SHARED];
}

static gr_thread *take_stand_in(void)
{
    gr_thread *t = own_stand_in();
    for (int i = 0; has_key && t == &stand_in[SHARED] && i < SHARED; i++) {
        if (atomic_exchange(&in_use[i], true)) continue;
        if (pthread_setspecific(key, &stand_in[i]) == 0) t = &stand_in[i];
        else atomic_store(&in_use[i], false);
    }
    t->id = UINT16_MAX;
    t->recording = true;
    return t;
}

static void end_stand_in(gr_thread *t)
{
    memset(t, 0, sizeof *t);
    if (t != &stand_in[SHARED]) atomic_store(&in_use[t - stand_in], false);
}

/* What was set or went wrong meanwhile holds on. */
static void take_over(gr_thread *t, gr_thread *from)
{
    if (!from->id) return; /* nobody had to use it */
    t->failed = from->failed;
    t->error_kind = from->error_kind;
    memcpy(t->error_text, from->error_text, sizeof t->error_text);
    t->anomaly = from->anomaly;
    t->watches = from->watches;
    end_stand_in(from);
}

/* ---- beginning and end ---- */

static void end(void *memory)
{
    gr_thread *t = memory;
    if (!t->scope) {
        end_stand_in(t);
        return;
    }
    gr_self_pointer = t;
    gr_thread_close(t);
    gr_device_pools_end(t);
    gr_self_pointer = NULL;
    gr_pool_close(t);
    gr_deallocate(t->scope);
    gr_deallocate(t);
}

static void make_key(void)
{
    has_key = !pthread_key_create(&key, end);
}

/* 0 stands for no thread, the largest for one without state. */
static uint16_t next_id(void)
{
    return (uint16_t)(atomic_fetch_add(&started, 1) % (UINT16_MAX - 1) + 1);
}

gr_thread *gr_thread_start(void)
{
    pthread_once(&once, make_key);
    gr_thread *t = gr_allocate(sizeof *t), *before = own_stand_in();
    if (!t) return take_stand_in();
    memset(t, 0, sizeof *t);
    if (!gr_grow(&t->scope, &t->scope_capacity, 0, sizeof *t->scope) || (has_key && pthread_setspecific(key, t))) {
        gr_deallocate(t->scope);
        gr_deallocate(t);
        return take_stand_in();
    }
    memset(t->scope, 0, sizeof *t->scope);
    t->id = next_id();
    t->recording = true;
    take_over(t, before);
    gr_self_pointer = t;
    return t;
}

void gr_thread_shutdown(void)
{
    gr_thread *t = gr_self_pointer;
    if (!t) return;
    if (has_key) pthread_setspecific(key, NULL);
    end(t);
}

/* The last word of the process: what no thread holds any more. */
__attribute__((destructor)) void gr_memory_end(void)
{
    gr_process_ends = true;
    gr_thread_shutdown();
    gr_library_end();
    gr_pool_end();
}
