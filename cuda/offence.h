/* offence.h - an index out of range in a kernel: the element is skipped, and the first one of a stream is remembered until
 * a call that waits reports it. */
#ifndef GR_CUDA_OFFENCE_H
#define GR_CUDA_OFFENCE_H
#include "cuda/device.h"

struct gr_offence {
    int call;         /* which call, see gr_offence_call; 0: all is well */
    int unused;
    int64_t place, index;
};

/* Registers the running call, whose index into `size` slices a kernel will check; returns its number. */
int gr_offence_call(const char *argument, int64_t size);

__device__ inline bool gr_index_ok(gr_offence *error, int64_t call, int64_t place, int64_t index, int64_t size)
{
    if (index >= 0 && index < size) return true;
    if (atomicCAS(&error->call, 0, (int)call) == 0) {
        error->place = place;
        error->index = index;
    }
    return false;
}

#endif
