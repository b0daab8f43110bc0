/* cpu.c - the CPU as a device: its memory, its kernels, and the loops that suit this processor. */
#include "core/cpu/cpu.h"

#include <string.h>

#include "core/cpu/isa.h"

/* ---- loops ---- */

#ifdef GR_ONLY_BASE
#define CHOOSE(loops, isa) loops##_base
#else
#define CHOOSE(loops, isa) \
    ((isa) == GR_ISA_AVX512 ? loops##_avx512 : (isa) == GR_ISA_AVX2 ? loops##_avx2 : loops##_base)
#endif

const gr_elementwise_loops *const *gr_elementwise_loops_now;
const gr_reduce_loops *const *gr_reduce_loops_now;
const gr_update_loops *const *gr_update_loops_now;

/* ---- memory ---- */

static void *allocate(int device, size_t bytes)
{
    (void)device;
    return gr_allocate(bytes);
}

static void release(int device, void *memory)
{
    (void)device;
    gr_deallocate(memory);
}

static bool copy_memory(int device, void *to, const void *from, size_t bytes)
{
    (void)device;
    if (bytes) memcpy(to, from, bytes);
    return true;
}

static bool nothing_to_wait_for(int device)
{
    (void)device;
    return true;
}

void *gr_cpu_temporary(const char *op, const char *purpose, int64_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow((size_t)count, bytes, &total)) total = SIZE_MAX; /* which no memory has */
    void *memory = gr_allocate(total);
    return memory ? memory : gr_fail_memory((gr_site){NULL, 0}, op, purpose, total);
}

/* ---- the table ---- */

#define KERNELS(tag, update_function) \
    static gr_kernels kernels_##tag = {.fill = gr_cpu_fill, \
                                       .copy = gr_cpu_copy, \
                                       .accumulate = gr_cpu_accumulate, \
                                       .elementwise = gr_cpu_elementwise, \
                                       .elementwise_back = gr_cpu_elementwise_back, \
                                       .where = gr_cpu_where, \
                                       .reduce = gr_cpu_reduce, \
                                       .arg_reduce = gr_cpu_arg_reduce, \
                                       .extremum_back = gr_cpu_extremum_back, \
                                       .matmul = gr_cpu_matmul, \
                                       .linear = gr_cpu_linear, \
                                       .mse = gr_cpu_mse, \
                                       .mse_back = gr_cpu_mse_back, \
                                       .index_select = gr_cpu_index_select, \
                                       .index_add = gr_cpu_index_add, \
                                       .update = update_function};
KERNELS(f32, gr_cpu_update_f32)
KERNELS(f64, gr_cpu_update_f64)
/* Gradients, and so rules, are for floats: these members are never called for other dtypes. */
KERNELS(whole, gr_cpu_update_f64)

const gr_device_table gr_cpu_device = {
    .name = "cpu",
    .allocate = allocate,
    .release = release,
    .upload = copy_memory,
    .download = copy_memory,
    .synchronise = nothing_to_wait_for,
    .kernels = {[GR_FLOAT32] = &kernels_f32,
                [GR_FLOAT64] = &kernels_f64,
                [GR_BFLOAT16] = &gr_cpu_kernels_b16,
                [GR_INT64] = &kernels_whole,
                [GR_INT32] = &kernels_whole,
                [GR_UINT8] = &kernels_whole,
                [GR_BOOL] = &kernels_whole},
};

/* ---- what this processor runs best, chosen before main ---- */

static void add_flat_loops(gr_kernels *k, const gr_elementwise_loops *loops)
{
    k->flat_forward = loops->forward;
    k->flat_back = loops->back;
}

__attribute__((constructor)) static void choose_loops(void)
{
    const int isa = gr_cpu_isa();
    (void)isa;
    gr_elementwise_loops_now = CHOOSE(gr_elementwise_loops, isa);
    gr_reduce_loops_now = CHOOSE(gr_reduce_loops, isa);
    gr_update_loops_now = CHOOSE(gr_update_loops, isa);
    add_flat_loops(&kernels_f32, gr_elementwise_loops_now[GR_FLOAT32]);
    add_flat_loops(&kernels_f64, gr_elementwise_loops_now[GR_FLOAT64]);
}
