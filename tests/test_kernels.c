/* test_kernels.c - the kernel table is whole; every instruction set gives the same bits; sums have PyTorch's order. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/elementwise.h"
#include "core/cpu/isa.h"
#include "core/cpu/loops.h"
#include "core/scalar.h"
#include "gradus.h"
#include "tests/draw.h"
#include "tests/look.h"
#include "tests/suites.h"

/* ---- the table ---- */

START_TEST(no_required_kernel_is_missing)
{
    const int places[] = {0, gr_default_place()};
    for (int i = 0; i < 2 * GR_DTYPES; i++) {
        const int dtype = i / 2;
        const gr_kernels *k = gr_devices[places[i % 2]]->kernels[dtype];
        ck_assert_ptr_nonnull(k);
        ck_assert(k->fill && k->copy && k->accumulate && k->elementwise && k->where && k->reduce && k->arg_reduce &&
                  k->matmul && k->index_select && k->index_add);
        if (gr_is_float(dtype))
            ck_assert(k->elementwise_back && k->extremum_back && k->linear && k->mse && k->mse_back && k->update);
    }
}
END_TEST

/* Straight from the device, not from the pool. */
START_TEST(a_devices_memory_holds_what_is_sent)
{
    const int places[] = {0, gr_default_place()};
    const char text[] = "each device", other[sizeof text] = "";
    for (int i = 0; i < 2; i++) {
        const gr_device_table *d = gr_devices[places[i]];
        char back[sizeof text] = "", *memory = d->allocate(places[i], 1 << 20);
        ck_assert_ptr_nonnull(memory);
        ck_assert(d->upload(places[i], memory + 256, text, sizeof text) && d->upload(places[i], memory, other, sizeof other));
        ck_assert(d->download(places[i], back, memory + 256, sizeof back) && d->synchronise(places[i]));
        ck_assert_str_eq(back, text);
        d->release(places[i], memory);
    }
}
END_TEST

/* ---- the same bits on every instruction set ---- */

enum { COUNT = 1 << 16 };
/* By dtype, of which there are two: floats and doubles. */
static union {
    float f32[COUNT];
    double f64[COUNT];
} input[2], upstream, value[3];

/* All exponents, both signs, zeros, infinities, NaN; the second array is of moderate size. */
static void make_inputs(gr_dtype dtype)
{
    const double edges[] = {0, -0.0, (double)INFINITY, -(double)INFINITY, (double)NAN, 1, -1, 20, 0x1p20, 0x1p21};
    uint64_t state = 1;
    for (int i = 0; i < COUNT; i++) {
        const uint64_t bits = draw(&state);
        const uint32_t half = (uint32_t)bits;
        double any = 0, moderate = draw_between(&state, -4, 4), dy = draw_between(&state, -2, 2);
        memcpy(&any, &bits, sizeof bits);
        if (i % 2) any = draw_between(&state, -8, 8);
        if (i < (int)(sizeof edges / sizeof *edges)) any = edges[i];
        if (dtype == GR_FLOAT64) {
            input[0].f64[i] = any, input[1].f64[i] = moderate, upstream.f64[i] = dy;
        } else {
            input[1].f32[i] = (float)moderate, upstream.f32[i] = (float)dy;
            if (i % 2 || i < (int)(sizeof edges / sizeof *edges)) input[0].f32[i] = (float)any;
            else memcpy(&input[0].f32[i], &half, sizeof half);
        }
    }
}

static double element(gr_dtype dtype, const void *array, int i)
{
    return dtype == GR_FLOAT64 ? ((const double *)array)[i] : (double)((const float *)array)[i];
}

static const gr_elementwise_loops *loops_of(int isa, int dtype)
{
    const gr_elementwise_loops *const *of[] = {gr_elementwise_loops_base, gr_elementwise_loops_avx2,
                                               gr_elementwise_loops_avx512};
    return of[isa][dtype];
}

/* Bits are equal, or both are NaN (whose sign and payload no instruction set promises). */
static void compare(const char *name, int isa, gr_dtype dtype)
{
    for (int i = 0; i < COUNT; i++) {
        const double base = element(dtype, &value[0], i), other = element(dtype, &value[isa], i);
        if (memcmp(&base, &other, sizeof base) && !(isnan(base) && isnan(other)))
            ck_abort_msg("%s(%a, %a) of %s: instruction set %d gives %a, the base %a", name, element(dtype, &input[0], i),
                         element(dtype, &input[1], i), gr_dtype_name[dtype], isa, other, base);
    }
}

START_TEST(rows_of_floats_give_the_same_bits_on_every_instruction_set)
{
    static const double param[2] = {1, 20};
    const void *in[3] = {&input[0], &input[1], &upstream};
    const gr_dtype dtype = _i ? GR_FLOAT64 : GR_FLOAT32;
    int compared = 0;
    make_inputs(dtype);
    for (int row = 0; row < GR_ELEMENTWISE_COUNT; row++) {
        if (gr_rows[row].gives_bool) continue;
        static double y[COUNT];
        for (int isa = 0; isa <= gr_cpu_isa(); isa++) {
            loops_of(isa, dtype)->forward[row](&value[isa], in, 7, COUNT, param);
            compare(gr_row_op[row].name, isa, dtype);
        }
        memcpy(y, &value[0], sizeof y);
        for (int operand = 0; operand < gr_rows[row].operands; operand++)
            for (int isa = 0; isa <= gr_cpu_isa(); isa++) {
                loops_of(isa, dtype)->back[row][operand](&value[isa], false, &upstream, in, 7, y, COUNT, param);
                compare(gr_row_op[row].name, isa, dtype);
                compared++;
            }
    }
    ck_assert_int_gt(compared, 30);
    if (gr_cpu_isa() < 2) printf("note: this machine runs instruction sets 0 to %d of 2\n", gr_cpu_isa());
}
END_TEST

/* Blocks that hold arguments beyond what the fast formulas are made for, and blocks that do not. */
START_TEST(loops_take_the_sin_and_cos_of_any_size)
{
    for (int k = 0; k < 4; k++) {
        const gr_dtype dtype = k % 2 ? GR_FLOAT64 : GR_FLOAT32;
        make_inputs(dtype);
        const void *in[1] = {&input[0]};
        loops_of(gr_cpu_isa(), dtype)->forward[k / 2 ? GR_E_cos : GR_E_sin](&value[0], in, 1, COUNT, NULL);
        for (int i = 0; i < COUNT; i++) {
            const double x = element(dtype, &input[0], i), y = element(dtype, &value[0], i);
            const float f = (float)x;
            const double exact = dtype == GR_FLOAT64 ? (k / 2 ? gr_cos_exact_f64(x) : gr_sin_exact_f64(x))
                                                     : (double)(k / 2 ? gr_cos_exact_f32(f) : gr_sin_exact_f32(f));
            ck_assert_msg(y == exact || (isnan(y) && isnan(exact)), "%s of %s %a is %a, not %a", k / 2 ? "cos" : "sin",
                          gr_dtype_name[dtype], x, y, exact);
        }
    }
}
END_TEST

/* Inputs of any dtype: numbers of all sizes, for floats also NaN and infinities; the last of three is harmless. */
enum { ROOM = 40000 };
static _Alignas(64) unsigned char any_input[3][ROOM * 8], any_output[3][ROOM * 8];

static void make_any_inputs(gr_dtype dtype)
{
    uint64_t state = (uint64_t)dtype;
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < ROOM; i++) {
            const uint64_t bits = draw(&state);
            const double moderate = draw_between(&state, -4, 4);
            if (dtype == GR_FLOAT32) ((float *)(void *)any_input[k])[i] = (float)moderate;
            if (dtype == GR_FLOAT64) ((double *)(void *)any_input[k])[i] = moderate;
            if (dtype == GR_INT64) ((int64_t *)(void *)any_input[k])[i] = (int64_t)bits;
            if (dtype == GR_INT32) ((int32_t *)(void *)any_input[k])[i] = (int32_t)bits;
            if (dtype == GR_UINT8) any_input[k][i] = (unsigned char)bits;
            if (dtype == GR_BOOL) any_input[k][i] = bits & 1;
        }
    const double odd[] = {0, -0.0, (double)NAN, (double)INFINITY, -(double)INFINITY, 1e300, -1e-310};
    for (int i = 0; i < 7; i++) { /* from 20000 on: short loops see finite numbers alone */
        if (dtype == GR_FLOAT32) ((float *)(void *)any_input[0])[20000 + 97 * i] = (float)odd[i];
        if (dtype == GR_FLOAT64) ((double *)(void *)any_input[0])[20000 + 97 * i] = odd[i];
    }
}

static const int64_t bytes_of[GR_DTYPES] = {4, 8, 2, 8, 4, 1, 1};

/* The first `bytes` of what instruction set isa has written are those of the base; a NaN may differ. */
static void compare_bytes(const char *what, gr_dtype dtype, int64_t n, int isa, int64_t bytes)
{
    if (!memcmp(any_output[0], any_output[isa], (size_t)bytes)) return;
    const int64_t each = bytes_of[dtype];
    for (int64_t i = 0; i < bytes / each; i++) {
        const unsigned char *base = any_output[0] + i * each, *other = any_output[isa] + i * each;
        const bool both_nan = gr_is_float(dtype) && isnan(stored(base, dtype, 0)) && isnan(stored(other, dtype, 0));
        if (!both_nan && memcmp(base, other, (size_t)each))
            ck_abort_msg("%s of dtype %d, n = %d: instruction set %d gives another result %d", what, (int)dtype, (int)n,
                         isa, (int)i);
    }
}

static const int64_t lengths[] = {1, 2, 3, 7, 8, 16, 31, 33, 64, 65, 255, 1000, 4097, 32768};
enum { LENGTHS = sizeof lengths / sizeof lengths[0] };

static const gr_reduce_loops *reduce_loops_of(int isa, gr_dtype dtype)
{
    const gr_reduce_loops *const *const of[] = {gr_reduce_loops_base, gr_reduce_loops_avx2, gr_reduce_loops_avx512};
    return of[isa][dtype];
}

static void check_reductions(gr_dtype dtype, int64_t n, int isa)
{
    const gr_reduce_loops *base = reduce_loops_of(0, dtype), *other = reduce_loops_of(isa, dtype);
    const bool real = dtype <= GR_FLOAT64;
    const int64_t each = real ? bytes_of[dtype] : 8, rows = 1 + 5000 / n % 5, columns = 2 + n % 37,
                  height = n * columns > ROOM ? ROOM / columns : n;
    for (int kind = GR_REDUCE_SUM; kind < GR_REDUCES; kind++)
        for (int add = 0; add < 2; add++) {
            const int64_t size = kind >= GR_REDUCE_MAX ? bytes_of[dtype] : each;
            if (kind == GR_REDUCE_MEAN && !real) continue;
            for (int k = 0; k <= isa; k += isa) {
                memcpy(any_output[k], any_input[2], 64 * 8);
                (k ? other : base)->rows((gr_reduce)kind, any_output[k], any_input[0], rows, n, add);
            }
            compare_bytes("rows", dtype, n, isa, rows * size);
            for (int k = 0; k <= isa && kind != GR_REDUCE_MEAN; k += isa) {
                memcpy(any_output[k], any_input[2], 64 * 8);
                (k ? other : base)->columns((gr_reduce)kind, any_output[k], any_input[0], height, columns, columns, add);
            }
            compare_bytes("columns", dtype, n, isa, columns * size);
        }
    for (int k = 0; k <= isa; k += isa) {
        const gr_reduce_loops *loops = k ? other : base;
        int64_t *found = (int64_t *)(void *)any_output[k];
        found[0] = loops->place(true, any_input[0], n);
        found[1] = loops->place(false, any_input[0], n);
        found[2] = loops->count_equal(any_input[0], any_input[0] + (n - 1) * bytes_of[dtype], n);
    }
    compare_bytes("place", GR_INT64, n, isa, 24);
    for (int k = 0; k <= isa && real; k += isa)
        (k ? other : base)->spread_equal(any_output[k], false, any_input[0], any_input[0], any_input[1], n);
    if (real) compare_bytes("spread_equal", dtype, n, isa, n * each);
}

START_TEST(reductions_give_the_same_bits_on_every_instruction_set)
{
    for (int dtype = 0; dtype < GR_DTYPES; dtype++) {
        if (dtype == GR_BFLOAT16) continue;
        make_any_inputs((gr_dtype)dtype);
        for (int k = 0; k < LENGTHS; k++)
            for (int isa = 1; isa <= gr_cpu_isa(); isa++) check_reductions((gr_dtype)dtype, lengths[k], isa);
    }
}
END_TEST

/* Every row on every dtype that it takes. */
static void check_rows(gr_dtype dtype, int64_t n, int isa)
{
    static const double param[2] = {1, 20};
    const void *in[3] = {any_input[0], any_input[1], any_input[2]};
    for (int row = 0; row < GR_ELEMENTWISE_COUNT; row++) {
        const int64_t each = gr_rows[row].gives_bool ? 1 : bytes_of[dtype];
        const int operands = gr_rows[row].operands; /* one may stand still */
        const unsigned steps = operands == 2 && n % 2 ? 1 + (unsigned)(n % 3) : operands == 3 && n % 2 ? 3 : 7;
        if (!loops_of(0, dtype)->forward[row]) continue;
        for (int k = 0; k <= isa; k += isa) loops_of(k, dtype)->forward[row](any_output[k], in, steps, n, param);
        compare_bytes(gr_row_op[row].name, gr_rows[row].gives_bool ? GR_BOOL : dtype, n, isa, n * each);
        for (int operand = 0; operand < gr_rows[row].operands && dtype <= GR_FLOAT64 && !gr_rows[row].gives_bool; operand++) {
            for (int k = 0; k <= isa; k += isa) {
                memcpy(any_output[k], any_input[1], (size_t)(n * each));
                loops_of(k, dtype)->back[row][operand](any_output[k], n % 2, any_input[2], in, steps, any_input[1], n, param);
            }
            compare_bytes(gr_row_op[row].name, dtype, n, isa, n * each);
        }
    }
}

/* A power to each number that has a loop of its own, and to one that has none. */
static void check_powers(gr_dtype dtype, int64_t n, int isa)
{
    static const double numbers[] = {1, 2, 3, 0.5, -0.5, -1, -2, 4, 1.5, 0, 2.5};
    for (size_t e = 0; e < sizeof numbers / sizeof *numbers; e++) {
        const float narrow = (float)numbers[e];
        const void *in[2] = {any_input[0], dtype == GR_FLOAT32 ? (const void *)&narrow : &numbers[e]};
        for (int k = 0; k <= isa; k += isa) loops_of(k, dtype)->forward[GR_E_pow](any_output[k], in, 1 | GR_BY_NUMBER, n, NULL);
        compare_bytes("power to a number", dtype, n, isa, n * bytes_of[dtype]);
        for (int k = 0; k <= isa; k += isa)
            loops_of(k, dtype)->back[GR_E_pow][0](any_output[k], false, any_input[2], in, 1 | GR_BY_NUMBER, any_input[1], n, NULL);
        compare_bytes("slope of a power to a number", dtype, n, isa, n * bytes_of[dtype]);
    }
}

static void check_others(gr_dtype dtype, int64_t n, int isa)
{
    const gr_elementwise_loops *base = loops_of(0, dtype), *other = loops_of(isa, dtype);
    static bool condition[ROOM];
    for (int i = 0; i < ROOM; i++) condition[i] = i * 7 % 3 == 1;
    for (unsigned steps = 0; steps < 4; steps++) {
        for (int k = 0; k <= isa; k += isa)
            (k ? other : base)->select(any_output[k], condition, any_input[0], any_input[1], steps, n);
        compare_bytes("select", dtype, n, isa, n * bytes_of[dtype]);
    }
    for (int k = 0; k <= isa; k += isa) (k ? other : base)->fill(any_output[k], any_input[0], n);
    compare_bytes("fill", dtype, n, isa, n * bytes_of[dtype]);
    if (dtype > GR_FLOAT64) return;
    for (int k = 0; k <= isa; k += isa)
        (k ? other : base)->affine(any_output[k], any_input[0], any_input[1], any_input[2], n);
    compare_bytes("affine", dtype, n, isa, n * bytes_of[dtype]);
    for (int add = 0; add < 2; add++) {
        for (int k = 0; k <= isa; k += isa) {
            memcpy(any_output[k], any_input[2], (size_t)(n * bytes_of[dtype]));
            (k ? other : base)->mse_back(any_output[k], add, any_input[0], any_input[1], any_input[2], n);
        }
        compare_bytes("mse_back", dtype, n, isa, n * bytes_of[dtype]);
    }
}

/* Every rule of update.def, its states there or not, at its first step or later. */
static void check_updates(gr_dtype dtype, int64_t n, int isa)
{
    const gr_update_loops *const *const of[] = {gr_update_loops_base, gr_update_loops_avx2, gr_update_loops_avx512};
    static const double number[2][6] = {{0.01, 0.9, 0.1, 0.05, 1, 0}, {0.1, 0.5, 0, 0, 0, 1}};
    static _Alignas(64) unsigned char memory[GR_UPDATE_STATES][ROOM * 8];
    const size_t bytes = (size_t)(n * bytes_of[dtype]);
    for (int rule = 0; rule < GR_UPDATE_COUNT; rule++)
        for (int way = 0; way < 8; way++) {
            for (int k = 0; k <= isa; k += isa) {
                void *state[GR_UPDATE_STATES];
                for (int i = 0; i < GR_UPDATE_STATES; i++) {
                    state[i] = way & 4 ? memory[i] : NULL;
                    memcpy(memory[i], any_input[2], bytes);
                }
                memcpy(any_output[k], any_input[1], bytes);
                of[k][dtype]->rule[rule](any_output[k], any_input[0], state, n, number[way & 1], way & 2);
                for (int i = 0; i < GR_UPDATE_STATES; i++) memcpy(any_output[k] + (size_t)(1 + i) * bytes, memory[i], bytes);
            }
            compare_bytes("update", dtype, n, isa, (1 + GR_UPDATE_STATES) * (int64_t)bytes);
        }
}

START_TEST(all_loops_give_the_same_bits_on_every_instruction_set)
{
    for (int dtype = 0; dtype < GR_DTYPES; dtype++) {
        if (dtype == GR_BFLOAT16) continue;
        make_any_inputs((gr_dtype)dtype);
        for (int k = 0; k < LENGTHS; k++)
            for (int isa = 1; isa <= gr_cpu_isa() && lengths[k] <= 4097; isa++) {
                check_rows((gr_dtype)dtype, lengths[k], isa);
                check_others((gr_dtype)dtype, lengths[k], isa);
                if (dtype <= GR_FLOAT64) check_powers((gr_dtype)dtype, lengths[k], isa);
                if (dtype <= GR_FLOAT64) check_updates((gr_dtype)dtype, lengths[k], isa);
            }
    }
}
END_TEST

/* ---- past the caches ---- */

/* Two lengths of pages in turn, operands that advance or stand still, of every row, its gradients and select. */
static void check_past(gr_dtype dtype, int isa)
{
    enum { N = 2 * GR_PAST };
    static const double param[2] = {1, 20};
    static bool condition[N];
    const void *in[3] = {any_input[0], any_input[1], any_input[2]};
    const gr_elementwise_loops *loops = loops_of(isa, dtype);
    for (int row = 0; row < GR_ELEMENTWISE_COUNT; row++) {
        const int operands = gr_rows[row].operands;
        const bool tells = gr_rows[row].gives_bool;
        if (!loops->forward[row]) continue;
        for (unsigned steps = operands == 3 ? 3 : 1; steps < 1u << operands; steps += operands == 3 ? 4 : 1) {
            for (unsigned past = 0; past < 2; past++)
                loops->forward[row](any_output[past], in, steps | past * GR_PAST_CACHES, N, param);
            compare_bytes(gr_row_op[row].name, tells ? GR_BOOL : dtype, N, 1, N * (tells ? 1 : bytes_of[dtype]));
            for (int k = 0; k < operands && dtype <= GR_FLOAT64 && !tells; k++) {
                for (unsigned past = 0; past < 2; past++)
                    loops->back[row][k](any_output[past], false, any_input[2], in, steps | past * GR_PAST_CACHES,
                                        any_input[1], N, param);
                compare_bytes(gr_row_op[row].name, dtype, N, 1, N * bytes_of[dtype]);
            }
        }
    }
    for (int i = 0; i < N; i++) condition[i] = i * 7 % 3 == 1;
    for (unsigned steps = 0; steps < 4; steps++) {
        for (unsigned past = 0; past < 2; past++)
            loops->select(any_output[past], condition, in[0], in[1], steps | past * GR_PAST_CACHES, N);
        compare_bytes("select", dtype, N, 1, N * bytes_of[dtype]);
    }
    loops->streamed();
}

START_TEST(loops_past_the_caches_give_the_same_bits)
{
    for (int dtype = 0; dtype < GR_DTYPES; dtype++) {
        if (dtype == GR_BFLOAT16) continue;
        make_any_inputs((gr_dtype)dtype);
        for (int isa = 0; isa <= gr_cpu_isa(); isa++) check_past((gr_dtype)dtype, isa);
    }
}
END_TEST

/* ---- tiles: what no vector loop covers ---- */

START_TEST(loops_write_what_they_should_and_no_more)
{
    static float guarded[400];
    static const double param[2] = {1, 20};
    make_inputs(GR_FLOAT32);
    for (int n = 1; n <= 257; n += n < 70 ? 1 : 11)
        for (int shift = 0; shift < 3; shift++) { /* misaligned by one or two elements */
            const void *in[3] = {input[1].f32 + shift};
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

START_TEST(large_gradients_are_added)
{
    const gr_scope scope = gr_scope_begin();
    gr_tensor *x = gr_requires_grad_(gr_ones((5 << 20) + 37), true);
    gr_tensor *sum = gr_sum(gr_add(gr_mul(x, 3), gr_mul(x, 2)));
    ck_assert(gr_backward(sum));
    ck_assert(gr_item(gr_amin(gr_grad(x))) == 5 && gr_item(gr_amax(gr_grad(x))) == 5);
    gr_scope_end(scope);
}
END_TEST

Suite *kernels_suite(void)
{
    Suite *s = suite_create("kernels");
    TCase *c = tcase_create("kernels");
    tcase_add_test(c, no_required_kernel_is_missing);
    tcase_add_test(c, a_devices_memory_holds_what_is_sent);
    tcase_add_loop_test(c, rows_of_floats_give_the_same_bits_on_every_instruction_set, 0, 2);
    tcase_add_test(c, loops_take_the_sin_and_cos_of_any_size);
    tcase_add_test(c, loops_past_the_caches_give_the_same_bits);
    tcase_add_test(c, a_result_larger_than_the_caches_has_the_same_bits);
    tcase_add_test(c, large_gradients_are_added);
    tcase_add_test(c, reductions_give_the_same_bits_on_every_instruction_set);
    tcase_add_test(c, all_loops_give_the_same_bits_on_every_instruction_set);
    tcase_add_test(c, loops_write_what_they_should_and_no_more);
    suite_add_tcase(s, c);
    return s;
}
