/* fibers.h - the state of one worker: a thread of the system that runs blocks, each CUDA thread a fiber. */
#ifndef GR_EMULATOR_FIBERS_H
#define GR_EMULATOR_FIBERS_H
#include "context.h"
#include "machine.h"

namespace emulator {

enum class fiber_state { ended, ready, at_barrier, in_warp };
struct fiber {
    context saved;
    char *stack;
    int thread; /* linear index within the block */
    fiber_state state;
    const char *file; /* where it waits */
    int line;
    void *sanitizer; /* ASan: fake stack, TSan: fiber */
};

struct warp {
    unsigned alive, arrived; /* a bit per lane */
    unsigned mask[WARP];
    collective kind[WARP];
    int source[WARP];
    uint64_t value[WARP], result[WARP];
    fiber *lane[WARP];
    char token; /* what __syncwarp orders, for TSan */
};

/* Which thread runs next: the tables are made once per shape and order. */
struct block_shape {
    dim3 size = dim3(0, 0, 0);
    int threads = 0;
    thread_order kind = thread_order::forward;
    uint64_t seed = 0;
    uint3 index[MAX_THREADS]; /* threadIdx by linear index */
    short order[MAX_THREADS]; /* linear index by turn */
};

struct worker {
    int id = 0;
    launch *call = nullptr;
    int device = 0;
    block_shape shape;
    uint64_t random = 0;

    fiber *fibers[MAX_THREADS];
    int made = 0, used = 0; /* fibers: ever, in this block */
    fiber *current = nullptr;
    fiber *queue[MAX_THREADS]; /* a ring of those that can go on */
    unsigned head = 0, tail = 0;
    warp warps[MAX_THREADS / WARP];
    int next = 0, live = 0; /* turn of the next thread to start; threads that have not ended */

    int waiting = 0, phase = 0, votes[2] = {}; /* at the barrier */
    const char *barrier_file = nullptr;
    int barrier_line = 0;

    context scheduler = nullptr;
    bool left = false; /* the kernel was left because of a fault */
    void *sanitizer = nullptr;
    const void *stack_bottom = nullptr; /* of the scheduler's stack, for ASan */
    size_t stack_bytes = 0;
    char barrier_token[2], begin_token, end_token; /* for TSan */
};
extern GR_EMULATOR_PER_WORKER worker *self;

/* For TSan: what was done before a release is seen after an acquire of the same token. */
void release_token(void *token);
void acquire_token(void *token);
/* Runs the block that `running` names. False when the kernel was left. */
bool run_block(worker *w);
void shape_block(block_shape *shape, dim3 size);
/* The i-th of n in the order that is set. */
uint64_t turn(uint64_t i, uint64_t n);

} // namespace emulator

#endif
