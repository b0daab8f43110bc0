/* update.cu - one step of an optimizer's rule on a list of parameters: each thread changes some elements of one of them.
 * One launch takes up to ITEMS parameters; a block belongs to one. */
#include <math.h>

#include "cuda/offence.h"

#include "core/update_text.h"

#define READ_STATES(...) EACH_STATE(READ, __VA_ARGS__)
#define READ(name, s) WHERE_NAMED(name, real name = state[s] ? (real)state[s][at] : (real)0;)
#define WRITE_STATES(...) EACH_STATE(WRITE, __VA_ARGS__)
#define WRITE(name, s) WHERE_NAMED(name, if (state[s]) state[s][at] = (stored)name;)

enum { ITEMS = 48, BLOCK_ELEMENTS = 4096 }; /* the list is an argument, which has room for 4 KB */

template <class stored> struct item {
    stored *p;
    const stored *g;
    stored *state[GR_UPDATE_STATES];
    int64_t n;
    unsigned end; /* of its blocks */
    bool first;
};
template <class stored> struct items {
    item<stored> at[ITEMS];
    int count;
};

/* The item that a block belongs to, and the block's number in it. */
template <class stored> static __device__ int find(const items<stored> &list, unsigned block, unsigned *begin)
{
    int k = 0;
    while (list.at[k].end <= block) k++;
    *begin = k ? list.at[k - 1].end : 0;
    return k;
}

#define UPDATE(name, numbers, kept, ...) \
    template <class stored, class real> \
    __global__ void name##_kernel(items<stored> list, const double *number, const gr_offence *error) \
    { \
        unsigned begin; \
        const item<stored> &it = list.at[find(list, blockIdx.x, &begin)]; \
        stored *const *state = it.state; \
        const bool first = it.first; \
        (void)state, (void)first; \
        numbers if (error->call) return; /* an index was out of range: nothing changes */ \
        const int64_t from = (int64_t)(blockIdx.x - begin) * BLOCK_ELEMENTS; \
        const int64_t to = it.n - from < BLOCK_ELEMENTS ? it.n : from + BLOCK_ELEMENTS; \
        for (int64_t at = from + threadIdx.x; at < to; at += blockDim.x) { \
            real p = (real)it.p[at], g = (real)it.g[at]; \
            READ_##kept __VA_ARGS__ WRITE_##kept it.p[at] = (stored)p; \
        } \
    }
#include "core/update.def"
#undef UPDATE

template <class stored, class real>
static void launch(int code, gr_stream *at, const items<stored> &list, unsigned blocks, const double *number)
{
    switch (code) {
#define UPDATE(name, ...) \
    case GR_U_##name: \
        GR_LAUNCH((name##_kernel<stored, real>), blocks, GR_THREADS, 0, at->stream, list, number, at->error); \
        break;
#include "core/update.def"
#undef UPDATE
    }
    gr_launched("update");
}

template <class stored, class real>
static void update(int code, int device, const gr_update_item *from, int64_t count, const double *number)
{
    gr_stream *at = gr_stream_of(device);
    items<stored> list = {};
    unsigned blocks = 0;
    for (int64_t k = 0; at && k < count; k++) {
        if (from[k].n == 0) continue;
        item<stored> *to = &list.at[list.count++];
        to->p = (stored *)from[k].p;
        to->g = (const stored *)from[k].g;
        for (int s = 0; s < GR_UPDATE_STATES; s++) to->state[s] = (stored *)from[k].state[s];
        to->n = from[k].n;
        to->first = from[k].first;
        to->end = blocks += (unsigned)((from[k].n + BLOCK_ELEMENTS - 1) / BLOCK_ELEMENTS);
        if (list.count < ITEMS) continue;
        launch<stored, real>(code, at, list, blocks, number);
        list = {};
        blocks = 0;
    }
    if (at && list.count) launch<stored, real>(code, at, list, blocks, number);
}

void gr_cuda_update_f32(int code, int device, const gr_update_item *item, int64_t count, const double *number)
{
    update<float, float>(code, device, item, count, number);
}

void gr_cuda_update_f64(int code, int device, const gr_update_item *item, int64_t count, const double *number)
{
    update<double, double>(code, device, item, count, number);
}

void gr_cuda_update_bf16(int code, int device, const gr_update_item *item, int64_t count, const double *number)
{
    update<__nv_bfloat16, float>(code, device, item, count, number);
}
