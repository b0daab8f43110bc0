/* test_sums.c - the order of sums: PyTorch's bits (golden/sums.txt, whose head says what stands in it) on every instruction
 * set, in every layout, at any number of threads; long sums as trees of blocks; how exact they are. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpu/isa.h"
#include "core/cpu/loops.h"
#include "core/parallel.h"
#include "gradus.h"
#include "tests/golden.h"
#include "tests/look.h"
#include "tests/suites.h"

enum { NUMBERS = 1 << 17 };
static float narrow[NUMBERS];
static double wide[NUMBERS];

/* The sequence that the file's head describes. */
static void make_numbers(void)
{
    uint32_t s = 1;
    for (int i = 0; i < NUMBERS; i++) {
        s = s * 1664525u + 1013904223u;
        narrow[i] = (float)((double)((int32_t)(s >> 8) - 8388608) * 0x1p-20);
        wide[i] = (double)narrow[i] / 3.0;
    }
}

static gr_tensor *numbers(gr_dtype dtype, int64_t from, gr_shape shape)
{
    return gr_from_at(dtype == GR_FLOAT32 ? (const void *)(narrow + from) : wide + from, dtype, shape, GR_HERE);
}

static void same(const char *name, int64_t i, double got, double want)
{
    if (got != want) ck_abort_msg("%s[%d] is %.17g, not %.17g", name, (int)i, got, want);
}

/* x with gaps between its elements */
static gr_tensor *spread(gr_tensor *x)
{
    gr_shape s = gr_shape_of(x);
    s.size[s.count - 1] = s.size[s.count - 1] * 2 + 1;
    gr_tensor *view = gr_slice(gr_full_with((double)NAN, s, .dtype = gr_dtype_of(x)), .dim = -1, .start = 1, .step = 2);
    return gr_copy_(view, x);
}

static const gr_reduce_loops *loops_of(int isa, gr_dtype dtype)
{
    const gr_reduce_loops *const *const all[] = {gr_reduce_loops_base, gr_reduce_loops_avx2, gr_reduce_loops_avx512};
    return all[isa][dtype];
}

static double first_of(const void *result, gr_dtype dtype, int64_t i)
{
    return dtype == GR_FLOAT32 ? (double)((const float *)result)[i] : ((const double *)result)[i];
}

/* ---- up to 32768 terms: PyTorch's bits ---- */

static void check_rows(golden_file *f, gr_dtype dtype)
{
    const golden_array *sizes = golden_take(f, "rows.sizes");
    const golden_array *rows = golden_take(f, dtype == GR_FLOAT32 ? "rows.f32" : "rows.f64");
    const golden_array *squares = golden_take(f, dtype == GR_FLOAT32 ? "squares.f32" : "squares.f64");
    ck_assert(rows->count == sizes->count && squares->count == sizes->count);
    for (int64_t i = 0; i < sizes->count; i++) {
        const gr_scope scope = gr_scope_begin();
        const int64_t n = sizes->integer[i];
        gr_tensor *x = numbers(dtype, 0, (gr_shape){1, {n}}), *t = numbers(dtype, n, (gr_shape){1, {n}});
        double result[1];
        same(rows->name, i, gr_item(gr_sum(x)), rows->real[i]);
        same(rows->name, i, gr_item(gr_sum(spread(x))), rows->real[i]);
        same(rows->name, i, gr_at(gr_sum(gr_expand(x, 3, n), .dim = 1), 2), rows->real[i]);
        same(squares->name, i, gr_item(gr_mse_loss(x, t, .reduction = GR_SUM)), squares->real[i]);
        same(squares->name, i, gr_item(gr_mse_loss(spread(x), t, .reduction = GR_SUM)), squares->real[i]);
        for (int isa = 0; isa <= gr_cpu_isa(); isa++) {
            loops_of(isa, dtype)->rows(GR_REDUCE_SUM, result, gr_data(x), 1, n, false);
            same(rows->name, i, first_of(result, dtype, 0), rows->real[i]);
            loops_of(isa, dtype)->squares(result, gr_data(x), gr_data(t), n, false);
            same(squares->name, i, first_of(result, dtype, 0), squares->real[i]);
        }
        gr_scope_end(scope);
    }
}

static int check_columns(golden_file *f, gr_dtype dtype)
{
    int found = 0;
    for (int64_t k = 0; k < f->count; k++) {
        int rows, columns, bits;
        if (sscanf(f->array[k].name, "columns.%dx%d.f%d", &rows, &columns, &bits) != 3 ||
            bits != (dtype == GR_FLOAT32 ? 32 : 64))
            continue;
        const gr_scope scope = gr_scope_begin();
        const golden_array *a = golden_take(f, f->array[k].name);
        gr_tensor *x = numbers(dtype, 0, (gr_shape){2, {rows, columns}});
        gr_tensor *views[] = {x, spread(x), gr_t(gr_contiguous(gr_t(x)))};
        double result[64];
        for (int v = 0; v < 3; v++) {
            gr_tensor *y = gr_sum(views[v], .dim = 0);
            for (int c = 0; c < columns; c++) same(a->name, c, gr_at(y, c), a->real[c]);
        }
        for (int isa = 0; isa <= gr_cpu_isa() && columns > 1; isa++) {
            loops_of(isa, dtype)->columns(GR_REDUCE_SUM, result, gr_data(x), rows, columns, columns, false);
            for (int c = 0; c < columns; c++) same(a->name, c, first_of(result, dtype, c), a->real[c]);
        }
        gr_scope_end(scope);
        found++;
    }
    return found;
}

START_TEST(sums_have_pytorchs_bits)
{
    if (!on_cpu("sums_have_pytorchs_bits: the bits are those of the CPU's order")) return;
    golden_file *f = golden_open("sums.txt");
    for (int d = 0; d < 2; d++) {
        check_rows(f, d ? GR_FLOAT64 : GR_FLOAT32);
        ck_assert_int_eq(check_columns(f, d ? GR_FLOAT64 : GR_FLOAT32), 19);
    }
    golden_end(f);
}
END_TEST

/* ---- longer ones: blocks of 32768, their sums added pairwise ---- */

static gr_tensor *tree_of_blocks(gr_tensor *x)
{
    gr_tensor *part[NUMBERS / 32768];
    int parts = 0;
    for (int64_t at = 0; at < gr_size(x, 0); at += 32768, parts++)
        part[parts] = gr_sum(gr_slice(x, .start = at, .end = at + 32768), .dim = 0);
    for (; parts > 1; parts = (parts + 1) / 2) {
        for (int i = 0; i < parts / 2; i++) part[i] = gr_add(part[2 * i], part[2 * i + 1]);
        if (parts % 2) part[parts / 2] = part[parts - 1];
    }
    return part[0];
}

START_TEST(long_sums_are_trees_of_blocks)
{
    if (!on_cpu("long_sums_are_trees_of_blocks: the CPU's order")) return;
    static const int64_t lengths[] = {32769, 40000, 65536, 65537, 98304, 100001, 131072};
    for (int d = 0; d < 2; d++)
        for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++) {
            const int64_t n = lengths[k];
            const gr_dtype dtype = d ? GR_FLOAT64 : GR_FLOAT32;
            gr_tensor *x = numbers(dtype, 0, (gr_shape){1, {n}}), *expected = tree_of_blocks(x);
            ck_assert(gr_equal(gr_sum(x), expected) && gr_equal(gr_sum(spread(x)), expected));
            ck_assert(gr_equal(gr_select(gr_sum(gr_expand(x, 2, n), .dim = 1), 0, 1), expected));
            ck_assert(gr_item(gr_mean(x)) ==
                      (d ? gr_item(expected) / (double)n : (double)((float)gr_item(expected) / (float)n)));
            gr_tensor *zeros = gr_zeros_like(x), *squares = gr_mse_loss(x, zeros, .reduction = GR_SUM);
            ck_assert(gr_equal(squares, tree_of_blocks(gr_mul(x, x))));
            gr_tensor *m = numbers(dtype, 0, (gr_shape){2, {n / 3, 3}});
            ck_assert(gr_equal(gr_sum(m, .dim = 0), tree_of_blocks(m)));
        }
}
END_TEST

/* Where kept dimensions follow all reduced ones: columns, for each place of the dimensions before. Else rows, as if the
 * reduced dimensions had been moved to the end. */
static gr_tensor *as_columns_or_rows(gr_tensor *x, gr_shape kept, gr_shape dims)
{
    int before = 0;
    while (before < kept.count && kept.size[before] < dims.size[0]) before++;
    if (before < kept.count && kept.size[before] > dims.size[dims.count - 1]) {
        const int64_t outer = before ? gr_numel(x) / gr_stride(x, before - 1) : 1, inner = gr_stride(x, (int)dims.size[dims.count - 1]);
        gr_tensor *batches = gr_reshape(x, outer, -1, inner), *y = gr_empty_with({2, {outer, inner}}, .dtype = gr_dtype_of(x));
        for (int64_t b = 0; b < outer; b++) gr_copy_(gr_select(y, 0, b), gr_sum(gr_select(batches, 0, b), .dim = 0));
        return y;
    }
    for (int a = 0; a < dims.count; a++) kept.size[kept.count++] = dims.size[a];
    return gr_sum(gr_flatten(gr_contiguous(gr_permute_at(x, kept, GR_HERE)), .start_dim = kept.count - dims.count), .dim = -1);
}

/* Whatever the strides. */
START_TEST(sums_over_any_dimensions_are_those_of_columns_or_rows)
{
    static const int64_t orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}};
    for (int d = 0; d < 2; d++)
        for (int o = 0; o < 3; o++)
            for (unsigned mask = 1; mask < 15; mask++) {
                const gr_scope scope = gr_scope_begin();
                gr_tensor *x = gr_permute_at(numbers(d ? GR_FLOAT64 : GR_FLOAT32, 7, (gr_shape){4, {9, 7, 11, 13}}),
                                             gr_shape_from(orders[o], 4), GR_HERE);
                gr_shape kept = {0, {0}}, dims = {0, {0}};
                for (int a = 0; a < 4; a++) *(mask >> a & 1 ? &dims.size[dims.count++] : &kept.size[kept.count++]) = a;
                gr_tensor *expected = as_columns_or_rows(gr_contiguous(x), kept, dims),
                          *y = gr_sum_at(&(gr_reduce_args){x, GR_HERE, GR_ALL, dims, false, GR_DTYPE_DEFAULT});
                ck_assert_msg(gr_equal(y, gr_reshape_at(expected, gr_shape_of(y), GR_HERE)), "order %d, dims %x", o, mask);
                gr_scope_end(scope);
            }
}
END_TEST

START_TEST(sums_do_not_depend_on_threads)
{
    if (!on_cpu("sums_do_not_depend_on_threads: the CPU's threads")) return;
    gr_tensor *x = numbers(GR_FLOAT32, 0, (gr_shape){1, {NUMBERS}}), *m = numbers(GR_FLOAT32, 0, (gr_shape){2, {512, 256}}),
              *batches = gr_reshape(m, 16, 32, 256), *one[6];
    gr_parallel_test_grain = 1;
    for (int threads = 1; threads <= 4; threads++) {
        gr_set_num_threads(threads);
        gr_tensor *now[] = {gr_sum(x), gr_sum(m, .dim = 0), gr_sum(gr_t(m), .dim = 0),
                            gr_mse_loss(x, gr_neg(x), .reduction = GR_SUM), gr_sum(batches, .dim = 1), gr_mean(batches, .dim = 1)};
        for (int k = 0; k < 6; k++) {
            if (threads == 1) one[k] = now[k];
            ck_assert(gr_equal(one[k], now[k]));
        }
    }
    gr_parallel_test_grain = 0;
    gr_set_num_threads(0);
}
END_TEST

/* ---- how exact they are ---- */

enum { NORMAL, POSITIVE, CONSTANT, ALTERNATING, FALLING, KINDS };

static void fill_by(double *value, int64_t n, int kind)
{
    double spare[1 << 16];
    for (int64_t at = 0; kind == NORMAL && at < n; at += 1 << 16)
        ck_assert(gr_to_array(gr_randn_with(GR_SHAPE(1 << 16), .dtype = GR_FLOAT64), spare, 1 << 16)),
            memcpy(value + at, spare, sizeof spare);
    for (int64_t i = 0; kind != NORMAL && i < n; i++)
        value[i] = kind == POSITIVE      ? 1 + fabs(wide[i % NUMBERS])
                   : kind == CONSTANT    ? 0.1
                   : kind == ALTERNATING ? (i % 2 ? -1e6 : 1e6 + 0.1)
                                         : 1e3 / (double)(i + 1);
}

/* Errors relative to the sum of magnitudes, in units of roundoff; quality: 4 for random data, 300 + log2 n for any. */
START_TEST(sums_are_exact_enough)
{
    const int64_t n = 1 << 20;
    double *value = malloc((size_t)n * sizeof *value);
    gr_manual_seed(1);
    for (int kind = 0; kind < KINDS; kind++)
        for (int d = 0; d < 2; d++) {
            const gr_scope scope = gr_scope_begin();
            fill_by(value, n, kind);
            gr_tensor *x =
                gr_to(gr_from_at(value, GR_FLOAT64, (gr_shape){1, {n}}, GR_HERE), .dtype = d ? GR_FLOAT64 : GR_FLOAT32);
            ck_assert(gr_to_array(x, value, n));
            long double sum = 0, magnitude = 0;
            for (int64_t i = 0; i < n; i++) sum += (long double)value[i], magnitude += fabsl((long double)value[i]);
            const double u = d ? 0x1p-53 : 0x1p-24, bound = kind == NORMAL || kind == POSITIVE ? 4 : 300 + 20;
            const double error = (double)(fabsl((long double)gr_item(gr_sum(x)) - sum) / magnitude) / u;
            const double mean_error = (double)(fabsl((long double)gr_item(gr_mean(x)) * n - sum) / magnitude) / u;
            gr_tensor *columns = gr_sum(gr_reshape(x, -1, 4), .dim = 0);
            ck_assert_msg(error <= bound && mean_error <= bound + 1, "kind %d, dtype %d: %g u, mean %g u", kind, d, error,
                          mean_error);
            ck_assert((double)fabsl((long double)gr_item(gr_sum(columns)) - sum) <= bound * u * (double)magnitude);
            gr_scope_end(scope);
        }
    free(value);
}
END_TEST

Suite *sums_suite(void)
{
    Suite *s = suite_create("sums");
    TCase *c = tcase_create("sums");
    tcase_add_checked_fixture(c, make_numbers, NULL);
    tcase_add_test(c, sums_have_pytorchs_bits);
    tcase_add_test(c, long_sums_are_trees_of_blocks);
    tcase_add_test(c, sums_over_any_dimensions_are_those_of_columns_or_rows);
    tcase_add_test(c, sums_do_not_depend_on_threads);
    tcase_add_test(c, sums_are_exact_enough);
    suite_add_tcase(s, c);
    return s;
}
