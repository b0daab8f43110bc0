/* machine.h - what the emulator's own files share: settings, faults, memory, streams. Not for kernels.
 *
 * context.cpp   switching stacks
 * fibers.cpp    CUDA threads as fibers; barriers, warps
 * grid.cpp      blocks of a launch, their order, shared memory
 * symbols.cpp   the program's kernels and shared variables
 * memory.cpp    device memory, pinned memory, whose an address is; memory_calls.cpp the runtime's calls for it
 * streams.cpp   lazy streams, events
 * copies.cpp    copies and fills
 * launch.cpp    launches: their limits, their arguments
 * runtime.cpp   what all calls share: the lock, errors, faults; devices
 * control.cpp   settings, counts, failures on request: emulator.h
 * cublaslt.cpp  the stand-in for cuBLASLt; matmul_checks.cpp what it refuses,
 *               matmul.cpp what it computes */
#ifndef GR_EMULATOR_MACHINE_H
#define GR_EMULATOR_MACHINE_H
#include "emulator.h"
#include "host.h"
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace emulator {

enum { MAX_DEVICES = 8, MAX_THREADS = 1024, WARP = 32 };
enum : size_t { STATIC_SHARED = 48 << 10 }; /* bytes that a kernel may have without asking */

/* State that outlives the destructors at exit: a library may free its device memory in one. */
template <class T>
T &lasting()
{
    return *new T();
}

/* ---- control.cpp ---- */

enum class thread_order { forward, reverse, seeded };
enum class driver_state { ok, absent, old, none };
enum class stream_mode { late, early, seeded };
struct settings {
    thread_order order = thread_order::forward;
    uint64_t seed = 0;
    driver_state driver = driver_state::ok;
    int devices = 1;
    size_t memory = (size_t)8 << 30;
    int arch = 80, multiprocessors = 4;
    stream_mode streams = stream_mode::late;
    uint64_t stream_seed = 0;
    bool protect = false;
    bool abort_on_fault = true;
    bool check_structs = true;
    bool cublaslt = true;
    bool quiet = false;
};
extern settings setting;
extern gr_emulator_counts counts;

/* The error that a test asked for at this use of `what`, else 0. */
int requested_failure(const char *what);
/* A wait of the host for the device, by a call of that name. */
void count_synchronisation(const char *call);

/* ---- runtime.cpp ---- */

/* One lock for all: a call of the runtime holds it to its end. */
struct machine_lock {
    machine_lock();
    ~machine_lock();
    machine_lock(const machine_lock &) = delete;
};
/* Every call of the runtime: the lock, refusals (no driver, a lost device, a failure on request), the last error. */
cudaError_t begin_call(const char *name);
cudaError_t end_call(cudaError_t error);
template <class F>
cudaError_t runtime_call(const char *name, F body)
{
    machine_lock lock;
    cudaError_t error = begin_call(name);
    return end_call(error ? error : body());
}
/* A launch has failed: the thread must ask for the error before its next call. */
void expect_question(const char *kernel);
int current_device();
size_t max_shared(); /* bytes of dynamic shared memory that a kernel may ask for */
/* A mistake that CUDA too would return as an error; explained on stderr, returned for the caller's convenience. */
[[gnu::format(printf, 2, 3)]] cudaError_t refuse(cudaError_t error, const char *format, ...);
/* A bug that CUDA would show later or never: ends the process, or loses the device. From a kernel it does not return. */
[[gnu::format(printf, 3, 4)]] void fault(int device, cudaError_t error, const char *format, ...);
cudaError_t lost(int device); /* why the device is lost; cudaSuccess while it is not */
void recover_devices();

/* ---- memory.cpp ---- */

/* New and freed memory: NaN in every format, -1 as an integer. */
enum : unsigned char { UNSET = 0xff };
/* What must stay around blocks of memory: NaN in every format too, but another one. */
inline unsigned char fence_byte(const void *at)
{
    return (uintptr_t)at % 2 ? 0xff : 0xf5;
}
void set_fence(void *start, size_t bytes);
/* The first byte that was changed, or NULL. */
const void *broken_fence(const void *start, size_t bytes);

struct place {
    enum { unknown, device_memory, freed_memory, pinned_memory } kind;
    int device;
    const char *start; /* of the block */
    size_t bytes;
    /* From p, which lies in the block or at its end, to the end. */
    size_t bytes_from(const void *p) const
    {
        return (size_t)(start + bytes - (const char *)p);
    }
};
place find_place(const void *p);
std::string describe(const void *p);
/* Whether the bytes lie inside one live block of the device. */
bool inside_device_memory(int device, const void *p, size_t bytes);
cudaError_t allocate(int device, void **memory, size_t bytes);
cudaError_t release(int device, void *memory);
size_t used_memory(int device);
void set_protection(bool on);
void *allocate_pinned(size_t bytes);
bool release_pinned(void *memory);
void register_host(void *memory, size_t bytes);
bool unregister_host(void *memory);
/* Whether someone wrote just outside the block that holds p; says so. */
void check_fences(int device, const void *p, const char *who);
/* While one lives, device memory can be reached. */
struct memory_access {
    memory_access();
    ~memory_access();
    memory_access(const memory_access &) = delete;
};

/* ---- streams.cpp ---- */

/* Something a stream does. `run` is called once, with device memory open. */
struct work {
    virtual ~work() = default;
    virtual void run(int device) = 0;
};
void enqueue_work(cudaStream_t stream, std::unique_ptr<work> item);
/* The stream behind a handle (0, the special ones, or made by cudaStreamCreate), or NULL. */
CUstream_st *stream_of(cudaStream_t handle);
int device_of(CUstream_st *stream);
void finish_stream(CUstream_st *stream);
void finish_device(int device);
bool inside_host_function();
void drop_work(int device); /* of a lost device */

/* ---- symbols.cpp ---- */

struct shared_variable {
    unsigned char *start;
    size_t bytes;
};
struct kernel_record {
    std::string name;      /* without template arguments */
    std::string full_name; /* with them */
    int64_t launches = 0, blocks = 0;
    int max_dynamic_shared = STATIC_SHARED;
    std::vector<shared_variable> shared; /* that it was seen to write */
};
kernel_record *kernel_at(const void *address); /* NULL: no GR_LAUNCH names it */
std::vector<kernel_record *> all_kernels();
const std::vector<shared_variable> &shared_variables();

/* ---- grid.cpp ---- */

/* The first on the thread that launches, the second when the launch runs, on any. */
void hand_over(launch *call);
void run_launch(int device, launch *call);
/* The kernel that is running on this thread, as "kernel k block (0,0,0) thread 3"; "" if none is. */
std::string where();
bool in_kernel();
/* Leaves the running kernel for good. */
[[noreturn]] void leave_kernel();

} // namespace emulator

#endif
