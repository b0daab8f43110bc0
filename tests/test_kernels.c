/* test_kernels.c - the kernel table is whole; every instruction set gives the same bits; sums have PyTorch's order. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/elementwise.h"
#include "core/cpu/isa.h"
#include "core/cpu/loops.h"
#include "gradus.h"
#include "tests/suites.h"

/* ---- the table ---- */

START_TEST(no_required_kernel_is_missing)
{
    for (int dtype = 0; dtype < GR_DTYPES; dtype++) {
        const gr_kernels *k = gr_devices[0]->kernels[dtype];
        ck_assert_ptr_nonnull(k);
        ck_assert(k->fill && k->copy && k->accumulate && k->elementwise && k->where && k->reduce && k->arg_reduce &&
                  k->matmul && k->index_select && k->index_add);
        if (gr_is_float(dtype))
            ck_assert(k->elementwise_back && k->extremum_back && k->linear && k->mse && k->mse_back && k->update);
    }
}
END_TEST

/* ---- the same bits on every instruction set ---- */

enum { COUNT = 1 << 16 };
static float input_f32[2][COUNT], upstream_f32[COUNT];

/* All exponents, both signs, zeros, infinities, NaN; the second array is of moderate size. */
static void make_inputs(void)
{
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < COUNT; i++) {
        uint32_t bits;
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        bits = (uint32_t)(state >> 16);
        memcpy(&input_f32[0][i], &bits, sizeof bits);
        if (i % 2) input_f32[0][i] = (float)((double)(int32_t)bits / 0x1p28);
        input_f32[1][i] = (float)((double)(int32_t)(state >> 7) / 0x1p29);
        upstream_f32[i] = (float)((double)(int32_t)(state >> 23) / 0x1p30);
    }
    const float edges[] = {0.0f, -0.0f, (float)INFINITY, -(float)INFINITY, (float)NAN, 1, -1, 20, 0x1p20f, 0x1p21f};
    memcpy(input_f32[0], edges, sizeof edges);
}

static const gr_elementwise_loops *loops_of(int isa, int dtype)
{
    const gr_elementwise_loops *const *of[] = {gr_elementwise_loops_base, gr_elementwise_loops_avx2,
                                               gr_elementwise_loops_avx512};
    return of[isa][dtype];
}

/* Bits are equal, or both are NaN (whose sign and payload no instruction set promises). */
static void compare(const char *name, int isa, const float *base, const float *other, const float *x)
{
    for (int i = 0; i < COUNT; i++)
        if (memcmp(&base[i], &other[i], sizeof base[i]) && !(isnan(base[i]) && isnan(other[i])))
            ck_abort_msg("%s(%a, %a): instruction set %d gives %a, the base %a", name, (double)x[i],
                         (double)input_f32[1][i], isa, (double)other[i], (double)base[i]);
}

START_TEST(float32_rows_give_the_same_bits_on_every_instruction_set)
{
    static float y[3][COUNT], dx[3][COUNT];
    static const double param[2] = {1, 20};
    make_inputs();
    const void *in[3] = {input_f32[0], input_f32[1], upstream_f32};
    int compared = 0;
    for (int row = 0; row < GR_ELEMENTWISE_COUNT; row++) {
        if (gr_rows[row].gives_bool) continue;
        for (int isa = 0; isa <= gr_cpu_isa(); isa++) {
            loops_of(isa, GR_FLOAT32)->forward[row](y[isa], in, 7, COUNT, param);
            compare(gr_row_op[row].name, isa, y[0], y[isa], input_f32[0]);
        }
        for (int operand = 0; operand < gr_rows[row].operands; operand++)
            for (int isa = 0; isa <= gr_cpu_isa(); isa++) {
                loops_of(isa, GR_FLOAT32)->back[row][operand](dx[isa], false, upstream_f32, in, 7, y[0], COUNT, param);
                compare(gr_row_op[row].name, isa, dx[0], dx[isa], input_f32[0]);
                compared++;
            }
    }
    ck_assert_int_gt(compared, 30);
    if (gr_cpu_isa() < 2) printf("note: this machine runs instruction sets 0 to %d of 2\n", gr_cpu_isa());
}
END_TEST

/* ---- tiles: what no vector loop covers ---- */

START_TEST(loops_write_what_they_should_and_no_more)
{
    static float guarded[400];
    static const double param[2] = {1, 20};
    make_inputs();
    for (int n = 1; n <= 257; n += n < 70 ? 1 : 11)
        for (int shift = 0; shift < 3; shift++) { /* misaligned by one or two elements */
            const void *in[3] = {input_f32[1] + shift, input_f32[1] + shift, input_f32[1] + shift};
            for (size_t i = 0; i < 400; i++) guarded[i] = -77;
            loops_of(gr_cpu_isa(), GR_FLOAT32)->forward[GR_E_exp](guarded + 8 + shift, in, 1, n, param);
            for (int i = 0; i < 400; i++) {
                const bool inside = i >= 8 + shift && i < 8 + shift + n;
                ck_assert_msg(inside == (guarded[i] != -77), "n = %d: element %d", n, i - 8 - shift);
            }
        }
}
END_TEST

/* ---- results too large for the caches ---- */

/* Elements [from, from + count) of y, a result on all of x and w, are those of the same call on this part alone. */
static void same_in_part(gr_tensor *y, gr_tensor *part, int64_t from, int64_t count)
{
    const size_t bytes = (size_t)count * gr_dtype_size[y->dtype];
    const char *at = y->data + from * gr_dtype_size[y->dtype];
    ck_assert_msg(part != NULL, "%s", gr_error());
    ck_assert_msg(!memcmp(at, part->data, bytes), "elements %lld and %lld more", (long long)from, (long long)count);
}

START_TEST(a_result_larger_than_the_caches_has_the_same_bits)
{
    enum { N = (5 << 20) + 37, PART = 1000 };
    const int64_t parts[] = {0, 32768 - 500, 5 << 19, N - PART};
    const gr_scope scope = gr_scope_begin();
    gr_manual_seed(1);
    gr_tensor *x = gr_rand(4 * N), *a = gr_narrow(x, 0, 0, N), *b = gr_narrow(x, 0, N, N);
    gr_tensor *sum = gr_add(a, b), *turned = gr_neg(a), *scaled = gr_mul(3, a), *less = gr_lt(x, 0.5), *copy = gr_clone(a);
    gr_add_(copy, b);
    for (int i = 0; i < 4; i++) {
        gr_tensor *u = gr_narrow(a, 0, parts[i], PART), *v = gr_narrow(b, 0, parts[i], PART);
        same_in_part(sum, gr_add(u, v), parts[i], PART);
        same_in_part(copy, gr_add(u, v), parts[i], PART);
        same_in_part(turned, gr_neg(u), parts[i], PART);
        same_in_part(scaled, gr_mul(3, u), parts[i], PART);
        same_in_part(less, gr_lt(gr_narrow(x, 0, 3 * N + parts[i], PART), 0.5), 3 * N + parts[i], PART);
    }
    gr_scope_end(scope);
}
END_TEST

Suite *kernels_suite(void)
{
    Suite *s = suite_create("kernels");
    TCase *c = tcase_create("kernels");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, no_required_kernel_is_missing);
    tcase_add_test(c, float32_rows_give_the_same_bits_on_every_instruction_set);
    tcase_add_test(c, a_result_larger_than_the_caches_has_the_same_bits);
    tcase_add_test(c, loops_write_what_they_should_and_no_more);
    suite_add_tcase(s, c);
    return s;
}
