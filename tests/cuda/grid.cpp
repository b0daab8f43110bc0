/* grid.cpp - runs a launch: its blocks in the order that is set, shared memory filled with NaN before each.
 *
 * One worker, the calling thread; under TSan two threads that share the blocks, so that races between blocks of different
 * parity are seen. Compiled without -fsanitize. */
#include "fibers.h"
#include <condition_variable>
#include <signal.h>
#include <stdlib.h>
#include <thread>
#ifdef GR_EMULATOR_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulator {

enum { FENCE = 64 }; /* bytes behind dynamic shared memory that must keep their value */

/* ---- shared memory ---- */

/* The end is where the launch said, to the byte: ASan watches what lies behind, or a pattern does. */
struct dynamic_shared {
    size_t bytes, whole;
    unsigned char *memory;

    explicit dynamic_shared(size_t n) : bytes(n), whole((n + 15) / 16 * 16 + FENCE)
    {
        memory = (unsigned char *)aligned_alloc(128, (whole + 127) / 128 * 128);
        set_fence(memory + bytes, whole - bytes);
#ifdef GR_EMULATOR_ASAN
        __asan_poison_memory_region(memory + bytes, whole - bytes);
#endif
    }
    dynamic_shared(const dynamic_shared &) = delete;
    ~dynamic_shared()
    {
#ifdef GR_EMULATOR_ASAN
        __asan_unpoison_memory_region(memory, whole);
#endif
        free(memory);
    }
    bool is_overrun() const
    {
#ifdef GR_EMULATOR_ASAN
        return false;
#else
        return broken_fence(memory + bytes, whole - bytes) != nullptr;
#endif
    }
};

#ifndef GR_EMULATOR_TSAN
static bool is_unset(const shared_variable &v)
{
    size_t i = 0;
    while (i < v.bytes && v.start[i] == UNSET) {
        i++;
    }
    return i == v.bytes;
}

/* Filling every shared variable of the program before every block would cost more than the block. So a kernel's own are
 * learned: after its 1st, 2nd, 4th, 8th ... block all are looked at. */
static void learn_shared(kernel_record &kernel)
{
    kernel.blocks++;
    if (kernel.blocks & (kernel.blocks - 1)) {
        return;
    }
    for (const shared_variable &v : shared_variables()) {
        bool known = false;
        for (const shared_variable &mine : kernel.shared) {
            known |= mine.start == v.start;
        }
        if (!known && !is_unset(v)) {
            kernel.shared.push_back(v);
        }
    }
}
static void unset_shared(const kernel_record &kernel)
{
    for (const shared_variable &v : kernel.shared) {
        memset(v.start, UNSET, v.bytes);
    }
}

#endif

/* ---- blocks ---- */

static void run_blocks(worker *w, int workers)
{
    self = w;
    launch *call = w->call;
    acquire_token(call);
    dim3 grid = call->grid, size = call->block;
    const dim3 &had = w->shape.size;
    if (had.x != size.x || had.y != size.y || had.z != size.z || w->shape.kind != setting.order ||
        w->shape.seed != setting.seed) {
        shape_block(&w->shape, size);
    }
    w->random = setting.seed;
    running.block_size = size;
    running.grid_size = grid;
    dynamic_shared dynamic(call->shared);
    running.shared = dynamic.memory;
    uint64_t blocks = (uint64_t)grid.x * grid.y * grid.z;
    bool ok = true;
    for (uint64_t k = (uint64_t)w->id; k < blocks && ok; k += (uint64_t)workers) {
        uint64_t i = turn(k, blocks);
        running.block = {(unsigned)(i % grid.x), (unsigned)(i / grid.x % grid.y), (unsigned)(i / grid.x / grid.y)};
        memset(dynamic.memory, UNSET, dynamic.bytes);
        ok = run_block(w);
        if (ok && dynamic.is_overrun()) {
            fault(w->device, cudaErrorIllegalAddress, "wrote behind its %zu bytes of dynamic shared memory", call->shared);
            ok = false;
        }
#ifndef GR_EMULATOR_TSAN
        learn_shared(*call->kernel);
        unset_shared(*call->kernel);
#endif
    }
    running.shared = nullptr;
    self = nullptr;
}

#ifdef GR_EMULATOR_TSAN

/* Two threads of the system that wait for launches; fibers never change between them. */
class crew {
    enum { SIZE = 2 };
    worker member[SIZE];
    bool started = false;
    std::mutex mutex;
    std::condition_variable changed;
    int serial = 0, busy = 0;

    void serve(int id)
    {
        int seen = 0;
        for (;;) {
            {
                std::unique_lock<std::mutex> lock(mutex);
                changed.wait(lock, [&] { return serial != seen; });
                seen = serial;
            }
            run_blocks(&member[id], SIZE);
            std::lock_guard<std::mutex> lock(mutex);
            busy--;
            changed.notify_all();
        }
    }

  public:
    void run(int device, launch *call)
    {
        std::unique_lock<std::mutex> lock(mutex);
        for (int i = 0; i < SIZE; i++) {
            member[i].id = i;
            member[i].call = call;
            member[i].device = device;
            if (!started) {
                std::thread(&crew::serve, this, i).detach(); /* to the end of the process */
            }
        }
        started = true;
        serial++;
        busy = SIZE;
        changed.notify_all();
        changed.wait(lock, [&] { return busy == 0; });
    }
};

static void run_grid(int device, launch *call)
{
    static crew &all = lasting<crew>();
    all.run(device, call);
}

#else

static void run_grid(int device, launch *call)
{
    static worker only;
    only.call = call;
    only.device = device;
    run_blocks(&only, 1);
}

#endif

void hand_over(launch *call)
{
    release_token(call);
}

void run_launch(int device, launch *call)
{
    const kernel_record &kernel = *call->kernel;
    counts.kernels_run++;
    if (int error = requested_failure("kernel")) {
        fault(device, (cudaError_t)error, "kernel %s fails, as the test asked", kernel.full_name.c_str());
        return;
    }
    run_grid(device, call);
    for (const argument_word &word : call->words) {
        check_fences(device, word.value, kernel.full_name.c_str());
    }
}

bool in_kernel()
{
    return self && self->current;
}

std::string where()
{
    if (!self) {
        return "";
    }
    char text[64];
    const uint3 &b = running.block, &t = running.thread;
    snprintf(text, sizeof text, " block (%u,%u,%u)", b.x, b.y, b.z);
    std::string place = "kernel " + self->call->kernel->full_name + text;
    if (self->current) {
        snprintf(text, sizeof text, " thread (%u,%u,%u)", t.x, t.y, t.z);
        place += text;
    }
    return place + ": ";
}

/* ---- bad addresses ---- */

#if defined(GR_EMULATOR_ASAN)

/* Behind ASan's or UBSan's own report. */
static void explain_report()
{
    if (__asan_report_present()) {
        void *p = __asan_get_report_address();
        fprintf(stderr, "cuda emulator: %saddress %p: %s\n", where().c_str(), p, describe(p).c_str());
    } else if (in_kernel()) {
        fprintf(stderr, "cuda emulator: %sundefined behaviour\n", where().c_str());
    }
}
__attribute__((constructor)) static void watch_addresses()
{
    __sanitizer_set_death_callback(explain_report);
}

#elif !defined(GR_EMULATOR_TSAN) /* whose report of a bad address is better than what a handler may do there */

static struct sigaction before;

static void on_bad_address(int signal, siginfo_t *info, void *)
{
    if (in_kernel()) {
        fault(self->device, cudaErrorIllegalAddress, "address %p: %s", info->si_addr, describe(info->si_addr).c_str());
        leave_kernel();
    }
    place p = find_place(info->si_addr);
    if (p.kind == place::device_memory || p.kind == place::freed_memory) {
        fprintf(stderr, "cuda emulator: host code touches device memory: address %p: %s\n", info->si_addr,
                describe(info->si_addr).c_str());
    }
    sigaction(signal, &before, nullptr); /* the same access faults again, under the handler that was there before */
}

__attribute__((constructor)) static void watch_addresses()
{
    struct sigaction action = {};
    action.sa_sigaction = on_bad_address;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK; /* a kernel that faulted is never resumed */
    sigaction(SIGSEGV, &action, &before);
    sigaction(SIGBUS, &action, nullptr);
}
#endif

} // namespace emulator
