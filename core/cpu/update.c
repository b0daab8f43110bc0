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

/* bfloat16: the float32 rule on tiles. */
static void bfloat16_piece(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    const gr_update_item *item = j->item;
    gr_convert *widen = gr_converts[GR_FLOAT32][GR_BFLOAT16], *narrow = gr_converts[GR_BFLOAT16][GR_FLOAT32];
    float p[GR_TILE], g[GR_TILE], tile[GR_UPDATE_STATES][GR_TILE];
    void *state[GR_UPDATE_STATES];
    for (int64_t at = begin; at < end; at += GR_TILE) {
        const int64_t count = end - at < GR_TILE ? end - at : GR_TILE;
        widen(p, 1, (uint16_t *)item->p + at, 1, count);
        widen(g, 1, (const uint16_t *)item->g + at, 1, count);
        for (int s = 0; s < GR_UPDATE_STATES; s++) {
            state[s] = item->state[s] ? tile[s] : NULL;
            if (state[s]) widen(tile[s], 1, (uint16_t *)item->state[s] + at, 1, count);
        }
        j->rule(p, g, state, count, j->number, item->first);
        narrow((uint16_t *)item->p + at, 1, p, 1, count);
        for (int s = 0; s < GR_UPDATE_STATES; s++)
            if (state[s]) narrow((uint16_t *)item->state[s] + at, 1, tile[s], 1, count);
    }
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

void gr_cpu_update_b16(int code, int device, const gr_update_item *item, int64_t count, const double *number)
{
    (void)device;
    for (; count > 0; count--, item++) {
        job j = {gr_update_loops_now[GR_FLOAT32]->rule[code], item, number, sizeof(uint16_t)};
        gr_parallel(item->n, gr_grain(), bfloat16_piece, &j);
    }
}
