/* elementwise.h - a call of an elementwise row, or of where, on tensors of any strides. */
#ifndef GR_CPU_ELEMENTWISE_H
#define GR_CPU_ELEMENTWISE_H
#include "core/cpu/cpu.h"

/* What a loop reads: operands, the upstream gradient, the row's result. */
enum { GR_DY = 3, GR_Y = 4, GR_SOURCES = 5 };

typedef struct {
    gr_forward_loop *forward; /* one of these three, the others are NULL */
    gr_back_loop *back;
    void (*select)(void *, const bool *, const void *, const void *, unsigned, int64_t);
    const double *param;
    bool add;
    bool rounds; /* bfloat16: operands of another dtype are rounded to it first */
    unsigned steps, by_number; /* GR_BY_NUMBER or 0 */
    uint8_t operands;
    uint8_t bytes[GR_SOURCES], to_bytes;
    gr_dtype dtype[GR_SOURCES], to_dtype;
    const gr_tensor *tensor[GR_SOURCES]; /* NULL: a number, or not read */
    const char *in[GR_SOURCES];
    int64_t number[GR_SOURCES];
    gr_tensor *result;
    int64_t inner, parts; /* of rows: their length, and the pieces each is cut into */
    int dim;
    int64_t size[GR_MAX_DIMS], to[GR_MAX_DIMS], stride[GR_SOURCES][GR_MAX_DIMS];
} gr_job;

static inline void gr_call_loop(const gr_job *j, void *to, const void *const *in, unsigned steps, int64_t n)
{
    if (j->forward)
        j->forward(to, in, steps | j->by_number, n, j->param);
    else if (j->back)
        j->back(to, j->add, in[GR_DY], in, steps | j->by_number, in[GR_Y], n, j->param);
    else
        j->select(to, in[0], in[1], in[2], (steps >> 1 & 3) | (steps & GR_PAST_CACHES), n);
}

/* Floats, count <= 2 GR_TILE, in bfloat16's precision: a number that another op would have rounded. */
void gr_round_floats(char *x, int64_t count);
/* The job's dimensions are made, whatever its operands are. */
void gr_run_tiles(gr_job *j);

#endif
