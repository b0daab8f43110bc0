/* fibers.cpp - CUDA threads as fibers: switching, starting and ending them, barriers, warp collectives.
 *
 * A thread runs until it waits. One that ends without waiting leaves its stack to the next, so kernels without barriers
 * switch twice per block. Compiled without -fsanitize: the sanitizers are told of each switch. Under TSan a switch orders
 * nothing; what CUDA orders (barrier, __syncwarp, fence, start and end of a block) is said by tokens. A barrier has two,
 * used in turn: with one, a thread that is still to leave barrier n would be ordered behind writes before n + 1. */
#include "fibers.h"
#include <numeric>
#include <sys/mman.h>
#ifdef GR_EMULATOR_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef GR_EMULATOR_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace emulator {

GR_EMULATOR_PER_WORKER running_thread running;
GR_EMULATOR_PER_WORKER worker *self;

enum { STACK = 256 << 10, PAGE = 4096 };

/* ---- switching ---- */

static void to_scheduler(fiber *f)
{
#ifdef GR_EMULATOR_ASAN
    __sanitizer_start_switch_fiber(self->left ? nullptr : &f->sanitizer, self->stack_bottom, self->stack_bytes);
#endif
#ifdef GR_EMULATOR_TSAN
    __tsan_switch_to_fiber(self->sanitizer, __tsan_switch_to_fiber_no_sync);
#endif
    gr_emulator_switch(&f->saved, self->scheduler);
#ifdef GR_EMULATOR_ASAN
    __sanitizer_finish_switch_fiber(f->sanitizer, &self->stack_bottom, &self->stack_bytes);
#endif
}

static void to_fiber(fiber *f)
{
    self->current = f;
    running.thread = self->shape.index[f->thread];
#ifdef GR_EMULATOR_ASAN
    __sanitizer_start_switch_fiber(&self->sanitizer, f->stack, STACK);
#endif
#ifdef GR_EMULATOR_TSAN
    __tsan_switch_to_fiber(f->sanitizer, __tsan_switch_to_fiber_no_sync);
#endif
    gr_emulator_switch(&self->scheduler, f->saved);
#ifdef GR_EMULATOR_ASAN
    __sanitizer_finish_switch_fiber(self->sanitizer, nullptr, nullptr);
#endif
    self->current = nullptr;
}

void release_token(void *token)
{
#ifdef GR_EMULATOR_TSAN
    __tsan_release(token);
#else
    (void)token;
#endif
}
void acquire_token(void *token)
{
#ifdef GR_EMULATOR_TSAN
    __tsan_acquire(token);
#else
    (void)token;
#endif
}

/* A fence orders its thread with all others that fence: more than CUDA promises, so a race may go unseen. */
void fence()
{
    static char token;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    acquire_token(&token);
    release_token(&token);
}

/* ---- waiting ---- */

static void wait(fiber *f, fiber_state state, const char *file, int line)
{
    f->state = state;
    f->file = file;
    f->line = line;
    to_scheduler(f);
}
static void wake(fiber *f)
{
    f->state = fiber_state::ready;
    if (f != self->current) {
        self->queue[self->tail++ % MAX_THREADS] = f;
    }
}

static void open_barrier()
{
    for (int i = 0; i < self->used; i++) {
        if (self->fibers[i]->state == fiber_state::at_barrier) {
            wake(self->fibers[i]);
        }
    }
    self->waiting = 0;
    self->phase ^= 1;
    self->votes[self->phase] = 0;
}

int barrier(bool predicate, const char *file, int line)
{
    fiber *f = self->current;
    int phase = self->phase;
    if (self->waiting && (self->barrier_line != line || strcmp(self->barrier_file, file) != 0)) {
        kernel_bug("divergent barrier: other threads of the block wait at another one", file, line);
    }
    self->barrier_file = file;
    self->barrier_line = line;
    self->votes[phase] += predicate;
    release_token(&self->barrier_token[phase]);
    if (++self->waiting == self->live) {
        open_barrier();
    } else {
        wait(f, fiber_state::at_barrier, file, line);
    }
    acquire_token(&self->barrier_token[phase]);
    return self->votes[phase];
}

/* ---- warp collectives ---- */

int lane()
{
    return self->current->thread % WARP;
}
unsigned active_lanes()
{
    return self->warps[self->current->thread / WARP].alive;
}

static unsigned ballot(const warp *w, unsigned lanes)
{
    unsigned bits = 0;
    for (int i = 0; i < WARP; i++) {
        bits |= (lanes >> i & 1 ? (unsigned)(w->value[i] & 1) : 0) << i;
    }
    return bits;
}

/* Lets the lanes of mask go on if all that are alive have come. A lane that has ended gives NaN. */
static bool try_meeting(warp *w, unsigned mask, const char *file, int line)
{
    unsigned needed = mask & w->alive;
    if (!needed || (w->arrived & needed) != needed) {
        return false;
    }
    int first = __builtin_ctz(needed);
    for (int i = 0; i < WARP; i++) {
        if ((needed >> i & 1) && (w->mask[i] != mask || w->kind[i] != w->kind[first])) {
            kernel_bug("lanes of one warp meet in different collectives or with different masks", file, line);
        }
    }
    unsigned bits = w->kind[first] == collective::ballot ? ballot(w, needed) : 0;
    for (int i = 0; i < WARP; i++) {
        if (!(needed >> i & 1)) {
            continue;
        }
        bool given = needed >> w->source[i] & 1;
        w->result[i] = w->kind[i] == collective::ballot ? bits : given ? w->value[w->source[i]] : ~(uint64_t)0;
        wake(w->lane[i]);
    }
    w->arrived &= ~needed;
    return true;
}

uint64_t meet(collective kind, unsigned mask, uint64_t value, int source, const char *file, int line)
{
    fiber *f = self->current;
    warp *w = &self->warps[f->thread / WARP];
    int i = f->thread % WARP;
    if (!(mask >> i & 1)) {
        kernel_bug("the mask of a warp collective lacks the calling lane", file, line);
    }
    w->arrived |= 1u << i;
    w->mask[i] = mask;
    w->kind[i] = kind;
    w->value[i] = value;
    w->source[i] = source;
    w->lane[i] = f;
    if (kind == collective::sync) {
        release_token(&w->token); /* only __syncwarp orders memory */
    }
    if (!try_meeting(w, mask, file, line)) {
        wait(f, fiber_state::in_warp, file, line);
    }
    if (kind == collective::sync) {
        acquire_token(&w->token);
    }
    return w->result[i];
}

/* ---- threads ---- */

static bool start_next(fiber *f)
{
    if (self->next == self->shape.threads) {
        return false;
    }
    f->thread = self->shape.order[self->next++];
    f->state = fiber_state::ready;
    running.thread = self->shape.index[f->thread];
    return true;
}

/* Those who wait need not wait for this one any more. */
static void end_thread(fiber *f)
{
    warp *w = &self->warps[f->thread / WARP];
    f->state = fiber_state::ended;
    self->live--;
    w->alive &= ~(1u << f->thread % WARP);
    if (w->arrived) {
        int first = __builtin_ctz(w->arrived);
        try_meeting(w, w->mask[first], w->lane[first]->file, w->lane[first]->line);
    }
    if (self->waiting && self->waiting == self->live) {
        open_barrier();
    }
}

static void fiber_main()
{
#ifdef GR_EMULATOR_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &self->stack_bottom, &self->stack_bytes);
#endif
    for (;;) {
        fiber *f = self->current;
        do {
            acquire_token(&self->begin_token);
            self->call->run_thread(self->call);
            release_token(&self->end_token);
            end_thread(f);
#ifdef GR_EMULATOR_TSAN
        } while (false); /* a fiber is a thread to TSan: two on one would be ordered */
#else
        } while (start_next(f));
#endif
        to_scheduler(f);
    }
}

static void prepare(fiber *f, int index)
{
    /* Stacks begin at different lines of the cache. */
    f->saved = first_context(f->stack, (size_t)STACK - (size_t)(index % 128) * 320, fiber_main);
#ifdef GR_EMULATOR_TSAN
    f->sanitizer = __tsan_create_fiber(0);
#endif
}

static fiber *next_fiber()
{
    worker *w = self;
    if (w->used == w->made) {
        fiber *f = w->fibers[w->made++] = new fiber();
        void *stack = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stack == MAP_FAILED) {
            fprintf(stderr, "cuda emulator: no memory for the stack of a thread\n");
            abort();
        }
        mprotect(stack, PAGE, PROT_NONE);
        f->stack = (char *)stack;
        prepare(f, w->used);
    }
    return w->fibers[w->used++];
}

/* After a fault: threads that stand in the middle of the kernel are forgotten. */
static void forget_fibers()
{
    for (int i = 0; i < self->used; i++) {
        fiber *f = self->fibers[i];
#ifdef GR_EMULATOR_ASAN
        __asan_unpoison_memory_region(f->stack + PAGE, STACK - PAGE);
        f->sanitizer = nullptr;
#endif
#ifdef GR_EMULATOR_TSAN
        __tsan_switch_to_fiber(f->sanitizer, __tsan_switch_to_fiber_no_sync); /* in its name: what it did is over */
        release_token(&self->end_token);
        __tsan_switch_to_fiber(self->sanitizer, __tsan_switch_to_fiber_no_sync);
        __tsan_destroy_fiber(f->sanitizer);
#endif
        prepare(f, i);
    }
}

void leave_kernel()
{
    self->left = true;
    to_scheduler(self->current);
    abort(); /* nothing comes back here */
}

void kernel_bug(const char *text, const char *file, int line)
{
    fault(self->device, cudaErrorLaunchFailure, "%s (%s:%d)", text, file, line);
    leave_kernel();
}

/* ---- blocks ---- */

__extension__ typedef unsigned __int128 uint128;
uint64_t turn(uint64_t i, uint64_t n)
{
    if (setting.order == thread_order::forward) {
        return i;
    }
    if (setting.order == thread_order::reverse) {
        return n - 1 - i;
    }
    static GR_EMULATOR_PER_WORKER uint64_t step, of, seed; /* step and n have no common factor */
    if (of != n || seed != setting.seed) {
        of = n;
        seed = setting.seed;
        for (step = 0x9e3779b1 + 2 * (seed % 1000); std::gcd(step, n) != 1;) {
            step += 2;
        }
    }
    return (uint64_t)(((uint128)i * step + seed) % n);
}

void shape_block(block_shape *shape, dim3 size)
{
    shape->size = size;
    shape->threads = (int)(size.x * size.y * size.z);
    shape->kind = setting.order;
    shape->seed = setting.seed;
    for (int i = 0; i < shape->threads; i++) {
        unsigned t = (unsigned)i;
        shape->index[i] = {t % size.x, t / size.x % size.y, t / (size.x * size.y)};
        shape->order[i] = (short)turn(t, (unsigned)shape->threads);
    }
}

static void begin_block(worker *w)
{
    w->live = w->shape.threads;
    w->next = w->used = w->waiting = w->phase = w->votes[0] = w->votes[1] = 0;
    w->head = w->tail = 0;
    w->left = false;
    for (int i = 0, rest = w->live; rest > 0; i++, rest -= WARP) {
        w->warps[i].arrived = 0;
        w->warps[i].alive = rest >= WARP ? ~0u : (1u << rest) - 1;
    }
}

static fiber *next_ready()
{
    worker *w = self;
    if (setting.order == thread_order::reverse) {
        return w->queue[--w->tail % MAX_THREADS];
    }
    if (setting.order == thread_order::seeded) {
        w->random = w->random * 6364136223846793005u + 1442695040888963407u;
        unsigned pick = w->head + (unsigned)((w->random >> 33) % (w->tail - w->head));
        std::swap(w->queue[w->head % MAX_THREADS], w->queue[pick % MAX_THREADS]);
    }
    return w->queue[w->head++ % MAX_THREADS];
}

static void report_deadlock()
{
    for (int i = 0; i < self->used; i++) {
        fiber *f = self->fibers[i];
        if (f->state == fiber_state::at_barrier || f->state == fiber_state::in_warp) {
            running.thread = self->shape.index[f->thread];
            fault(self->device, cudaErrorLaunchFailure,
                  "deadlock: thread %d waits for threads that never come (%s:%d)", f->thread, f->file, f->line);
            break;
        }
    }
    self->left = true;
}

bool run_block(worker *w)
{
#ifdef GR_EMULATOR_TSAN
    w->sanitizer = __tsan_get_current_fiber();
#endif
    begin_block(w);
    release_token(&w->begin_token);
    while (w->next < w->shape.threads && !w->left) {
        fiber *f = next_fiber();
        start_next(f);
        to_fiber(f);
    }
    while (w->live && !w->left) {
        if (w->head == w->tail) {
            report_deadlock();
        } else {
            to_fiber(next_ready());
        }
    }
    if (w->left) {
        forget_fibers();
    }
    acquire_token(&w->end_token);
    return !w->left;
}

} // namespace emulator
