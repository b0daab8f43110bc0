/* emulator.h - what a test may ask of the emulated GPU. Plain C: found by dlsym in the emulated plug-in.
 *
 * Settings are read from the environment, GRADUS_EMULATOR_<NAME>, and may be changed by gr_emulator_set:
 *   ORDER     fwd | rev | <seed>    order of blocks, threads and wake-ups
 *   STREAMS   late | early | <seed> work runs only when somebody waits for it (default), or at once, or some runs ahead
 *   DEVICES   <n>                   number of devices, 1 to 8; read once, at the first call
 *   DRIVER    ok | absent | old | none   absent, old: cudaErrorInsufficientDriver; none: cudaErrorNoDevice
 *   MEMORY    <bytes>               of each device; the environment's is also the most that may be set later
 *   ARCH      <nn>                  compute capability, 80
 *   SMS       <n>                   multiprocessors, 4
 *   PROTECT   0 | 1                 device memory is unreachable for host code
 *   FAULT     abort | error         what a bug in a kernel does: end the process, or lose the device (a sticky error)
 *   STRUCTS   1 | 0                 words of structs given to kernels are checked, too: for addresses of the host and of freed
 *                                   memory. So what is not used of such a struct must be zero
 *   CUBLASLT  present | absent      whether the library is found
 *   FAIL      <what>:<k>[:again]    see gr_emulator_fail
 *   QUIET     0 | 1                 no explanation on stderr beside an error that CUDA would return too
 *   LAUNCHES  <path>                at the end of the process each kernel's launches are appended there: "3 unary<exp, float>" */
#ifndef GR_EMULATOR_H
#define GR_EMULATOR_H
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#define GR_EMULATOR_API __attribute__((visibility("default")))

typedef struct {
    int64_t calls;            /* of the runtime */
    int64_t launches;         /* accepted, run or not yet */
    int64_t kernels_run;      /* executed */
    int64_t synchronisations; /* calls that waited for the device, or may */
    int64_t matmuls;          /* of cuBLASLt */
    int64_t to_device, to_host, on_device; /* bytes copied */
    int64_t allocations, frees;            /* of device memory */
    int64_t live_allocations, live_bytes;  /* of device memory, now */
    int64_t live_pinned, live_streams, live_events;
    int64_t live_descriptors; /* of cuBLASLt: handles, layouts, descriptions, preferences */
} gr_emulator_counts;

GR_EMULATOR_API void gr_emulator_count(gr_emulator_counts *counts);
/* Sets all counts to 0 but the live ones; those of kernels too. */
GR_EMULATOR_API void gr_emulator_count_again(void);

/* Launches of the kernels whose name is `name`, without template arguments ("unary") or with them ("unary<exp, float>"). */
GR_EMULATOR_API int64_t gr_emulator_launches(const char *name);
/* Calls visit for every kernel that the plug-in holds, launched or not. Returns their number. */
GR_EMULATOR_API int gr_emulator_kernels(void (*visit)(void *data, const char *name, int64_t launches), void *data);
/* The call that synchronised last, "" if none did. */
GR_EMULATOR_API const char *gr_emulator_last_synchronisation(void);

/* False if there is no such setting or value. */
GR_EMULATOR_API bool gr_emulator_set(const char *name, const char *value);

/* The k-th use of `what` from now on (k = 1: the next) fails; with `again` every later one fails too. what: a function's name
 * ("cudaMalloc", "cublasLtMatmul"), "call" for any of the runtime's, "launch", or "kernel": the k-th kernel that runs
 * touches a bad address, and the device is lost. error: 0 for the likely one. NULL: nothing fails any more. */
GR_EMULATOR_API void gr_emulator_fail(const char *what, int64_t k, int error, bool again);
/* How many failures were made by gr_emulator_fail since its last call. */
GR_EMULATOR_API int64_t gr_emulator_failures(void);
/* Devices that were lost are as new: all work is dropped; memory, streams and events stay. */
GR_EMULATOR_API void gr_emulator_recover(void);

#ifdef __cplusplus
}
#endif
#endif
