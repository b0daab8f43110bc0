/* update.c - one step of an optimizer's rule on a list of parameters. */
#include "core/cpu/cpu.h"

typedef struct {
    gr_update_loop *rule;
    const gr_update_item *item;
    const double *number;
    int64_t bytes;
} job;

static void piece(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    const gr_update_item *at = j->item;
    const int64_t offset = begin * j->bytes;
    void *state[GR_UPDATE_STATES];
    for (int s = 0; s < GR_UPDATE_STATES; s++) state[s] = at->state[s] ? (char *)at->state[s] + offset : NULL;
    j->rule((char *)at->p + offset, (const char *)at->g + offset, state, end - begin, j->number, at->first);
}

static inline void update(int dtype, int code, const gr_update_item *item, int64_t count, const double *number)
{
    gr_update_loop *rule = gr_update_loops_now[dtype]->rule[code];
    for (; count > 0; count--, item++) {
        if (gr_likely(item->n <= gr_grain())) {
            rule(item->p, item->g, item->state, item->n, number, item->first);
            continue;
        }
        job j = {rule, item, number, gr_dtype_size[dtype]};
        gr_parallel(item->n, gr_grain(), piece, &j);
    }
}

GR_HOT void gr_cpu_update_f32(int code, int device, const gr_update_item *item, int64_t count, const double *number)
{
    (void)device;
    update(GR_FLOAT32, code, item, count, number);
}

GR_HOT void gr_cpu_update_f64(int code, int device, const gr_update_item *item, int64_t count, const double *number)
{
    (void)device;
    update(GR_FLOAT64, code, item, count, number);
}
