/* update.c - one step of an optimizer's rule. */
#include "core/cpu/cpu.h"

typedef struct {
    gr_update_loop *rule;
    char *p;
    const char *g;
    char *state[GR_UPDATE_STATES];
    const double *number;
    int64_t bytes;
} job;

static void piece(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    const int64_t offset = begin * j->bytes;
    void *state[GR_UPDATE_STATES];
    for (int s = 0; s < GR_UPDATE_STATES; s++) state[s] = j->state[s] ? j->state[s] + offset : NULL;
    j->rule(j->p + offset, j->g + offset, state, end - begin, j->number);
}

static inline void update(int dtype, int code, void *p, const void *g, void *const *state, int64_t n, const double *number)
{
    gr_update_loop *rule = gr_update_loops_now[dtype]->rule[code];
    if (gr_likely(n <= gr_grain())) {
        rule(p, g, state, n, number);
        return;
    }
    job j = {rule, p, g, {NULL}, number, gr_dtype_size[dtype]};
    for (int s = 0; s < GR_UPDATE_STATES; s++) j.state[s] = state[s];
    gr_parallel(n, gr_grain(), piece, &j);
}

GR_HOT void gr_cpu_update_f32(int code, void *p, const void *g, void *const *state, int64_t n, const double *number)
{
    update(GR_FLOAT32, code, p, g, state, n, number);
}

GR_HOT void gr_cpu_update_f64(int code, void *p, const void *g, void *const *state, int64_t n, const double *number)
{
    update(GR_FLOAT64, code, p, g, state, n, number);
}
