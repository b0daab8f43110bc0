/* test_reduce.c - reductions over any dimensions against loops over places; first places of ties and NaN; index_select.
 * Values are small whole numbers, so that every order of adding gives the same. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gradus.h"
#include "tests/half.h"
#include "tests/look.h"
#include "tests/suites.h"

enum { MOST = 250000 };
#define S(...) {GR_COUNT_INT64(__VA_ARGS__), {__VA_ARGS__}}
static const char *const names[] = {"sum", "mean", "prod", "amax", "amin"};
enum { SUM, MEAN, PROD, AMAX, AMIN, KINDS };

/* ---- inputs: the same numbers in every layout ---- */

enum { PLAIN, ROTATED, SPREAD, REPEATED, LAYOUTS };

/* Many ties, few that are not 1 (so that products stay exact), no two neighbours alike for long. */
static double number(int64_t i, gr_dtype dtype)
{
    const double value = i % 9973 == 5 ? 2 : i % 1511 == 3 ? -1 : i % 7 == 6 && i < 40 ? 3 : 1;
    return dtype == GR_UINT8 && value < 0 ? 0 : dtype == GR_BOOL ? value > 1 : value;
}

static gr_tensor *filled(gr_shape s, gr_dtype dtype)
{
    static double value[MOST];
    int64_t n = 1;
    for (int d = 0; d < s.count; d++) n *= s.size[d];
    ck_assert_int_le(n, MOST);
    for (int64_t i = 0; i < n; i++) value[i] = number(i, dtype);
    return gr_to(gr_from_at(value, GR_FLOAT64, s, GR_HERE), .dtype = dtype);
}

/* A tensor of this shape whose memory is laid out otherwise. */
static gr_tensor *laid_out(gr_shape s, gr_dtype dtype, int layout)
{
    const int last = s.count - 1;
    gr_shape inner = s, order = {s.count, {last}};
    if (layout == ROTATED && last > 0) {
        inner.size[last] = s.size[0];
        for (int d = 0; d < last; d++) inner.size[d] = s.size[d + 1], order.size[d + 1] = d;
        return gr_permute_at(filled(inner, dtype), order, GR_HERE);
    }
    if (layout == SPREAD && last >= 0) {
        inner.size[last] = 2 * s.size[last] + 1;
        return gr_slice(filled(inner, dtype), .dim = -1, .start = 1, .step = 2);
    }
    if (layout == REPEATED && last >= 0 && s.size[0]) {
        inner.size[0] = 1;
        return gr_expand_at(filled(inner, dtype), s, GR_HERE);
    }
    return filled(s, dtype);
}

/* ---- reductions by loops ---- */

static double value[MOST], expected[MOST];
static int64_t place[MOST], result[MOST]; /* where among its result's elements, which result */

/* The result that element i of x belongs to: its flat place without the reduced dimensions. */
static int64_t result_of(gr_shape s, unsigned dims, int64_t i)
{
    int64_t index[GR_MAX_DIMS], r = 0;
    for (int d = s.count; d-- > 0; i /= s.size[d]) index[d] = i % s.size[d];
    for (int d = 0; d < s.count; d++)
        if (!(dims >> d & 1)) r = r * s.size[d] + index[d];
    return r;
}

static bool beats(bool largest, double a, double b)
{
    if (isnan(b)) return false;
    return isnan(a) || (largest ? a > b : a < b);
}

static void find_results(gr_shape s, unsigned dims, int64_t n)
{
    for (int64_t i = 0; i < n; i++) result[i] = result_of(s, dims, i);
}

/* expected[result]; of extrema also place[result], the first one's number among the elements of its result */
static void reduce_by_loops(int kind, int64_t n, int64_t results)
{
    static int64_t seen[MOST];
    for (int64_t r = 0; r < results; r++) expected[r] = kind == PROD ? 1 : 0, seen[r] = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t r = result[i];
        if (kind == SUM || kind == MEAN) expected[r] += value[i];
        if (kind == PROD) expected[r] *= value[i];
        if (kind >= AMAX && (seen[r] == 0 || beats(kind == AMAX, value[i], expected[r])))
            expected[r] = value[i], place[r] = seen[r];
        seen[r]++;
    }
    for (int64_t r = 0; kind == MEAN && r < results; r++) expected[r] /= (double)seen[r];
}

/* The sizes, the dtype and the numbers. */
static void compare(const char *what, gr_tensor *y, gr_shape s, unsigned dims, bool keepdim, gr_dtype dtype,
                    const double *numbers)
{
    static double got[MOST];
    ck_assert_msg(y != NULL, "%s: %s", what, gr_error() ? gr_error() : "NULL");
    int at = 0;
    for (int d = 0; d < s.count; d++) {
        if (dims >> d & 1 && !keepdim) continue;
        ck_assert_msg(gr_dim(y) > at && gr_size(y, at) == (dims >> d & 1 ? 1 : s.size[d]), "%s: another shape", what);
        at++;
    }
    ck_assert_msg(gr_dim(y) == at && gr_dtype_of(y) == dtype && gr_is_contiguous(y), "%s: %d-d, dtype %d", what, gr_dim(y),
                  (int)gr_dtype_of(y));
    ck_assert(gr_to_array(y, got, gr_numel(y)));
    for (int64_t r = 0; r < gr_numel(y); r++) {
        const double narrow = (double)(float)numbers[r];
        const double want = dtype == GR_FLOAT32 ? narrow : dtype == GR_BFLOAT16 ? half_rounded(narrow) : numbers[r];
        if (isnan(want) ? !isnan(got[r]) : got[r] != want) /* an assertion for each would take longer than the rest */
            ck_abort_msg("%s: result %d is %.17g, not %.17g", what, (int)r, got[r], want);
    }
}

/* The dims of a mask, last first, every second counted from the end. */
static gr_shape dims_of(unsigned mask, int count)
{
    gr_shape dims = {0, {0}};
    for (int d = count; d-- > 0;) {
        if (!(mask >> d & 1)) continue;
        dims.size[dims.count] = (d + dims.count) % 2 ? d : d - count;
        dims.count++;
    }
    return dims;
}

static void check_reduction(gr_tensor *x, gr_shape s, unsigned mask, bool keepdim)
{
    static gr_tensor *(*const calls[])(const gr_reduce_args *) = {gr_sum_at, gr_mean_at, gr_prod_at, gr_amax_at, gr_amin_at};
    const gr_dtype dtype = gr_dtype_of(x);
    const bool real = dtype <= GR_BFLOAT16, whole = mask == (1u << s.count) - 1;
    gr_reduce_args args = {.x = x, .site = GR_HERE, .dim = GR_ALL, .keepdim = keepdim, .dtype = GR_DTYPE_DEFAULT};
    args.dims = dims_of(mask, s.count);
    if (args.dims.count == 1) args.dim = (int)args.dims.size[0], args.dims.count = 0;
    int64_t results = 1, n = gr_numel(x);
    for (int d = 0; d < s.count; d++) results *= mask >> d & 1 ? 1 : s.size[d];
    find_results(s, mask, n);
    for (int kind = 0; kind < KINDS; kind++) {
        char what[96];
        if ((kind == MEAN && !real) || (kind == PROD && !whole && mask & (mask - 1)) || (kind >= AMAX && n == 0)) continue;
        snprintf(what, sizeof what, "%s of %d-d dtype %d, dims %x, keepdim %d", names[kind], s.count, (int)dtype, mask,
                 keepdim);
        reduce_by_loops(kind, n, results);
        double largest = 0;
        for (int64_t r = 0; r < results; r++) largest = fmax(largest, fabs(expected[r]));
        if (largest > 0x1p24) continue; /* the product of a repeated 2 */
        const gr_scope scope = gr_scope_begin();
        compare(what, calls[kind](&args), s, mask, keepdim, real || kind >= AMAX ? dtype : GR_INT64, expected);
        gr_scope_end(scope);
    }
}

static const gr_shape small[] = {{0, {0}},   S(7),          S(1),       S(3, 4),
                                 S(2, 3, 4), S(2, 1, 3, 2), S(3, 0, 2), S(2, 2, 1, 2, 1, 3, 1, 2)};
static const gr_shape large[] = {S(5, 300), S(300, 5), S(70, 130), S(2, 33000), S(33000, 2), S(100000), S(4, 9, 7, 40)};

static void reduce_all(const gr_shape *shapes, int count, gr_dtype dtype, bool both)
{
    for (int k = 0; k < count; k++)
        for (int layout = 0; layout < LAYOUTS; layout++) {
            const gr_scope scope = gr_scope_begin();
            gr_tensor *x = laid_out(shapes[k], dtype, layout);
            ck_assert(gr_to_array(x, value, gr_numel(x)));
            /* no dims at all means every one */
            for (unsigned mask = shapes[k].count ? 1 : 0; mask < 1u << shapes[k].count; mask += mask > 20 ? 14 : 1)
                for (int keepdim = 0; keepdim <= both; keepdim++) check_reduction(x, shapes[k], mask, keepdim);
            if (shapes[k].count == 8) check_reduction(x, shapes[k], 255, false);
            gr_scope_end(scope);
        }
}

START_TEST(reductions_are_those_of_loops)
{
    reduce_all(small, sizeof small / sizeof small[0], dtypes[_i], true);
    reduce_all(large, sizeof large / sizeof large[0], dtypes[_i], false);
}
END_TEST

START_TEST(nothing_and_a_scalar_are_reduced)
{
    gr_tensor *none = gr_zeros(3, 0, 2), *scalar = gr_full(5.0);
    ck_assert(gr_item(gr_sum(none)) == 0 && gr_item(gr_prod(none)) == 1 && isnan(gr_item(gr_mean(none))));
    ck_assert(gr_numel(gr_sum(none, .dim = 1)) == 6 && gr_at(gr_sum(none, .dim = 1), 2, 1) == 0);
    ck_assert(isnan(gr_at(gr_mean(none, .dim = 1), 0, 0)) && gr_at(gr_prod(none, .dim = -2), 1, 1) == 1);
    ck_assert(gr_item(gr_prod(gr_zeros_with(GR_SHAPE(0), .dtype = GR_UINT8))) == 1);
    for (int d = 0; d < 3; d++) { /* the floats; sizes whose product is no int64 */
        gr_tensor *huge = gr_zeros_with(GR_SHAPE(3, INT64_C(1) << 40, INT64_C(1) << 40, 0), .dtype = dtypes[d]);
        gr_tensor *sums = gr_sum(huge, .dims = GR_DIMS(1, 2, 3)), *means = gr_mean(huge, .dims = GR_DIMS(1, 2, 3));
        ck_assert(gr_numel(sums) == 3 && gr_at(sums, 2) == 0 && isnan(gr_at(means, 2)));
        ck_assert(gr_item(gr_mse_loss(huge, huge, .reduction = GR_SUM)) == 0);
    }
    gr_tensor *columns = gr_amax(none, .dim = 0), *first = gr_argmax(none, .dim = 0, .keepdim = true);
    ck_assert(gr_dim(columns) == 2 && gr_numel(columns) == 0 && gr_dim(first) == 3 && gr_size(first, 0) == 1);
    ck_assert_ptr_null(gr_amax(none));
    expect_one_error("amax: x is [3, 0, 2]; must have an element in the reduced dimensions");
    ck_assert_ptr_null(gr_max(none));
    expect_one_error("max: x is [3, 0, 2]");
    ck_assert_ptr_null(gr_argmin(none));
    expect_one_error("argmin: x is [3, 0, 2]");
    ck_assert_ptr_null(gr_argmax(none, .dim = 1));
    expect_one_error("argmax: ");
    gr_values_indices pair = gr_min_dim(none, 1);
    ck_assert(!pair.values && !pair.indices);
    expect_one_error("min_dim: ");
    for (int dim = -1; dim <= 0; dim++) {
        ck_assert(gr_item(gr_sum(scalar, .dim = dim)) == 5 && gr_item(gr_mean(scalar, .dim = dim, .keepdim = true)) == 5);
        ck_assert(gr_dim(gr_amin(scalar, .dim = dim, .keepdim = true)) == 0 && gr_item(gr_argmax(scalar, .dim = dim)) == 0);
        pair = gr_max_dim(scalar, dim);
        ck_assert(gr_item(pair.values) == 5 && gr_item(pair.indices) == 0);
    }
}
END_TEST

/* Of each element the gradient is the product of the others: exact powers of two, but for a zero and its neighbours. */
START_TEST(slopes_of_products_are_products_of_the_others)
{
    static const int64_t lengths[] = {1, 2, 3, 5, 8, 100, 1023};
    for (int k = 0; k < 7; k++)
        for (int64_t zeros = 0; zeros < 3; zeros++) {
            const gr_scope scope = gr_scope_begin();
            const int64_t n = lengths[k], all = zeros < n ? zeros : n;
            gr_tensor *x = gr_full_with(2.0, {3, {2, n, 3}}, .dtype = GR_FLOAT64);
            gr_copy_(gr_slice(x, .dim = 1, .step = 2), gr_slice(gr_mul(x, 0.25), .dim = 1, .step = 2));
            for (int64_t i = 0; i < all; i++) gr_zero_(gr_narrow(x, 1, n - 1 - i, 1));
            gr_requires_grad_(x, true);
            ck_assert(gr_backward(gr_sum(gr_prod(x, .dim = 1))));
            gr_tensor *dx = gr_grad(x);
            for (int64_t i = 0; i < n; i++) {
                double others = i >= n - all ? 1 : all ? 0 : 1;
                if (all > 1) others = 0;
                for (int64_t o = 0; o < n - all && others != 0; o++) others *= o == i ? 1 : o % 2 ? 2 : 0.5;
                ck_assert_msg(gr_at(dx, 1, i, 2) == others && gr_at(dx, 0, i, 0) == others, "%d zeros, element %d of %d", (int)all, (int)i, (int)n);
            }
            gr_scope_end(scope);
        }
    static const float far[] = {1e30f, 1e-30f, 1e30f, 1e-30f}, zero[] = {1e30f, 0, 1e30f, 2};
    static const float far_others[] = {1e-30f, 1e30f, 1e-30f, 1e30f}, zero_others[] = {0, HUGE_VALF, 0, 0};
    for (int k = 0; k < 2; k++) { /* neighbours stay in range */
        gr_tensor *leaf = gr_requires_grad_(gr_from(k ? zero : far, 4), true), *want = gr_from(k ? zero_others : far_others, 4);
        ck_assert(gr_backward(gr_prod(leaf)));
        for (int i = 0; i < 4; i++) {
            const double have = gr_at(gr_grad(leaf), i), must = gr_at(want, i);
            ck_assert_msg(have == must || fabs(have / must - 1) < 1e-6, "%d: %g, must be %g", i, have, must);
        }
    }
    gr_tensor *half = gr_requires_grad_(gr_full_with(1.0078125, {1, {1024}}, .dtype = GR_BFLOAT16), true);
    ck_assert(gr_backward(gr_prod(half)) && fabs(gr_at(gr_grad(half), 700) / pow(1.0078125, 1023) - 1) < 0.004);
    gr_tensor *x = gr_requires_grad_(gr_add(gr_zeros(100000), 1), true); /* in a moment, not in n^2 turns */
    ck_assert(gr_backward(gr_prod(x)) && gr_equal(gr_grad(x), gr_ones_like(x)));
}
END_TEST

/* Numbers of PyTorch 2.15: torch.sum and torch.prod with dtype. */
START_TEST(sums_and_products_have_the_dtype_asked_for)
{
    static const struct {
        double a, b;
        gr_dtype from, dtype;
        double sum, product;
    } of[] = {{1.7, 2.9, GR_FLOAT32, GR_INT32, 3, 2},          {200, 100, GR_INT64, GR_UINT8, 44, 32},
              {200, 100, GR_UINT8, GR_UINT8, 44, 32},          {2, 3, GR_INT64, GR_BOOL, 1, 1},
              {0.5, 3, GR_FLOAT64, GR_BOOL, 1, 1},             {0, 3, GR_INT32, GR_BOOL, 1, 0},
              {2147483647, 2, GR_INT64, GR_INT32, -2147483647, -2}, {5, 6, GR_INT32, GR_INT32, 11, 30},
              {5, 6, GR_BFLOAT16, GR_INT64, 11, 30}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        gr_tensor *x = gr_to(gr_from(((double[]){of[i].a, of[i].b}), 2), .dtype = of[i].from),
                  *sum = gr_sum(x, .dtype = of[i].dtype), *product = gr_prod(x, .dim = 0, .dtype = of[i].dtype);
        ck_assert(gr_dtype_of(sum) == of[i].dtype && gr_item(sum) == of[i].sum);
        ck_assert(gr_dtype_of(product) == of[i].dtype && gr_item(product) == of[i].product);
    }
}
END_TEST

START_TEST(reductions_convert_first_and_refuse_what_they_must)
{
    gr_tensor *x = gr_full(1.5, 2, 3), *n = gr_full(3, 2, 3), *truth = gr_full((bool)true, 2, 3),
              *y = gr_sum(x, .dtype = GR_INT64);
    ck_assert(gr_dtype_of(y) == GR_INT64 && gr_item(y) == 6);
    y = gr_mean(n, .dtype = GR_FLOAT64);
    ck_assert(gr_dtype_of(y) == GR_FLOAT64 && gr_item(y) == 3);
    y = gr_prod(n, .dim = 0, .dtype = GR_UINT8);
    ck_assert(gr_dtype_of(y) == GR_UINT8 && gr_at(y, 0) == 9);
    ck_assert(gr_item(gr_sum(gr_full_with(200, GR_SHAPE(3), .dtype = GR_UINT8))) == 600 && gr_item(gr_sum(truth)) == 6);
    ck_assert_ptr_null(gr_mean(n));
    expect_one_error("mean: x is int64; must be a float");
    ck_assert_ptr_null(gr_sum(x, .dim = 2));
    expect_one_error("sum: dim is 2, x is [2, 3]; must be -2 to 1");
    ck_assert_ptr_null(gr_sum(x, .dims = GR_DIMS(0, -2)));
    expect_one_error("sum: dim 0 stands twice in .dims; must be once");
    ck_assert_ptr_null(gr_sum(x, .dim = 0, .dims = GR_DIMS(1)));
    expect_one_error("sum: .dim and .dims are both given");
    ck_assert_ptr_null(gr_sum(x, .dims = GR_DIMS(INT64_C(1) << 32)));
    expect_one_error("sum: dims[0] is ");
    ck_assert_ptr_null(gr_prod(gr_ones(2, 2, 2), .dims = GR_DIMS(0, 1)));
    expect_one_error("prod: .dims names several dimensions; must be one, or all");
    ck_assert_ptr_null(gr_argmax(truth));
    expect_one_error("argmax: x is bool");
    ck_assert_ptr_null(gr_argmin(x, .dim = -3));
    expect_one_error("argmin: dim is -3");
    ck_assert(gr_item(gr_max(truth)) == 1 && gr_item(gr_amin(gr_eye_with(2, .dtype = GR_BOOL))) == 0);
}
END_TEST

/* ---- places of extrema ---- */

static void check_places(gr_tensor *x, gr_shape s, int dim, bool keepdim)
{
    char what[64];
    const unsigned mask = dim == GR_ALL ? (1u << s.count) - 1 : 1u << dim;
    const int64_t n = gr_numel(x), results = dim == GR_ALL ? 1 : n / s.size[dim];
    static double places[MOST];
    ck_assert(gr_to_array(x, value, n));
    find_results(s, mask, n);
    for (int kind = AMAX; kind <= AMIN; kind++) {
        snprintf(what, sizeof what, "%s of dtype %d, dim %d of %d", kind == AMAX ? "argmax" : "argmin", (int)gr_dtype_of(x),
                 dim, s.count);
        reduce_by_loops(kind, n, results);
        for (int64_t r = 0; r < results; r++) places[r] = (double)place[r];
        const gr_arg_args args = {x, GR_HERE, dim, keepdim};
        if (gr_dtype_of(x) != GR_BOOL)
            compare(what, (kind == AMAX ? gr_argmax_at : gr_argmin_at)(&args), s, mask, keepdim, GR_INT64, places);
        if (dim == GR_ALL) continue;
        const gr_values_indices pair = (kind == AMAX ? gr_max_dim_at : gr_min_dim_at)(&args);
        compare(what, pair.values, s, mask, keepdim, gr_dtype_of(x), expected);
        compare(what, pair.indices, s, mask, keepdim, GR_INT64, places);
    }
}

START_TEST(the_first_of_ties_is_named)
{
    static const gr_shape shapes[] = {S(7),     S(3, 4),     S(2, 3, 4),  S(2, 1, 3, 2), S(6, 50),
                                      S(50, 6), S(2, 33000), S(33000, 2), S(70, 130)};
    for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++)
        for (int layout = 0; layout < LAYOUTS; layout++) {
            const gr_scope scope = gr_scope_begin();
            gr_tensor *x = laid_out(shapes[k], dtypes[_i], layout);
            check_places(x, shapes[k], GR_ALL, layout % 2);
            for (int dim = 0; dim < shapes[k].count; dim++) check_places(x, shapes[k], dim, (dim + layout) % 2);
            gr_scope_end(scope);
        }
}
END_TEST

/* At every place of rows of every length, alone and with NaN behind and before it. */
START_TEST(extrema_and_nan_are_found_at_every_place)
{
    const gr_dtype dtype = dtypes[_i];
    for (int64_t n = 1; n < 140; n += n < 70 ? 1 : 23)
        for (int64_t at = 0; at < n; at++) {
            const gr_scope scope = gr_scope_begin();
            gr_tensor *x = gr_ones_with(GR_SHAPE(n), .dtype = dtype);
            gr_fill_(gr_narrow(x, 0, at, 1), 3);
            if (dtype != GR_UINT8) gr_fill_(gr_narrow(x, 0, n - 1 - at, 1), at == n - 1 - at ? 3 : -3);
            check_places(x, (gr_shape){1, {n}}, GR_ALL, false);
            if (dtype <= GR_BFLOAT16) {
                gr_fill_(gr_narrow(x, 0, (at + 3) % n, 1), (double)NAN);
                check_places(x, (gr_shape){1, {n}}, 0, false);
                ck_assert(isnan(gr_item(gr_max(x))) && isnan(gr_item(gr_amin(x))));
                gr_fill_(gr_narrow(x, 0, at, n - at), (double)NAN);
                check_places(x, (gr_shape){1, {n}}, GR_ALL, false);
            }
            gr_scope_end(scope);
        }
}
END_TEST

START_TEST(ties_and_nan_are_found_across_blocks)
{
    for (int64_t gap = 1; gap < 100000; gap = gap * 3 + 1) {
        gr_tensor *x = gr_zeros(120000);
        gr_fill_(gr_narrow(x, 0, 5, 1), 2);
        gr_fill_(gr_narrow(x, 0, 5 + gap, 1), 2);
        ck_assert_int_eq((int64_t)gr_item(gr_argmax(x)), 5);
        gr_fill_(gr_narrow(x, 0, 5, 1), 1);
        ck_assert_int_eq((int64_t)gr_item(gr_argmax(x)), 5 + gap);
        gr_fill_(gr_narrow(x, 0, 119999, 1), (double)NAN);
        ck_assert(gr_item(gr_argmax(x)) == 119999 && gr_item(gr_argmin(x)) == 119999 && isnan(gr_item(gr_amax(x))));
        gr_fill_(gr_narrow(x, 0, 5 + gap, 1), (double)NAN);
        ck_assert_int_eq((int64_t)gr_item(gr_argmin(x)), 5 + gap);
    }
    const int64_t ends[] = {0, INT64_MAX - 1, INT64_MAX, INT64_MIN, INT64_MIN + 1, INT64_MAX};
    gr_tensor *x = gr_from(ends, 6);
    ck_assert(gr_item(gr_argmax(x)) == 2 && gr_item(gr_argmin(x)) == 3);
    ck_assert(((const int64_t *)elements(gr_amax(x)))[0] == INT64_MAX && ((const int64_t *)elements(gr_min(x)))[0] == INT64_MIN);
    const double infinite[] = {-(double)INFINITY, -(double)INFINITY};
    ck_assert(gr_item(gr_argmax(gr_from(infinite, 2))) == 0 && isinf(gr_item(gr_max(gr_from(infinite, 2)))));
}
END_TEST

/* ---- index_select ---- */

START_TEST(index_select_takes_slices)
{
    static const int64_t index[] = {2, 0, 2, 1, 1};
    for (int d = 0; d < DTYPES; d++)
        for (int layout = 0; layout < LAYOUTS; layout++)
            for (int dim = -3; dim < 3; dim++)
                for (int64_t n = 0; n <= 5; n++) {
                    const gr_scope scope = gr_scope_begin();
                    gr_tensor *x = laid_out((gr_shape)S(3, 4, 3), dtypes[d], layout), *i = gr_from(index, n);
                    gr_tensor *sparse = gr_zeros_with(GR_SHAPE(5, 3), .dtype = GR_INT64);
                    if (layout % 2)
                        i = gr_narrow(gr_copy_(gr_select(sparse, 1, 1), gr_from(index, 5)), 0, 0, n); /* strided */
                    gr_tensor *y = gr_index_select(x, dim, i);
                    const int along = dim < 0 ? dim + 3 : dim;
                    ck_assert(y && gr_dim(y) == 3 && gr_size(y, along) == n && gr_dtype_of(y) == dtypes[d] &&
                              gr_is_contiguous(y));
                    int64_t p[3];
                    for (p[0] = 0; p[0] < gr_size(y, 0); p[0]++)
                        for (p[1] = 0; p[1] < gr_size(y, 1); p[1]++)
                            for (p[2] = 0; p[2] < gr_size(y, 2); p[2]++) {
                                int64_t q[3] = {p[0], p[1], p[2]};
                                q[along] = index[p[along]];
                                if (gr_at(y, p[0], p[1], p[2]) != gr_at(x, q[0], q[1], q[2]))
                                    ck_abort_msg("dim %d, layout %d: [%d, %d, %d]", dim, layout, (int)p[0], (int)p[1],
                                                 (int)p[2]);
                            }
                    gr_scope_end(scope);
                }
}
END_TEST

/* The CPU refuses at once; a device finds out in its kernel, and tells at the next call that waits. */
static void expect_index_error(const gr_tensor *y, const char *text)
{
    const gr_device device = gr_default_device();
    if (device.kind == gr_cpu().kind) ck_assert_ptr_null(y);
    else ck_assert(y != NULL && !gr_synchronize(device));
    expect_one_error(text);
}

START_TEST(indices_that_are_not_there_are_refused)
{
    gr_tensor *x = gr_zeros(2, 3);
    expect_index_error(gr_index_select(x, 0, gr_from(((const int64_t[]){0, 2}), 2)), "index_select: index[1] is 2");
    expect_index_error(gr_index_select(x, 1, gr_from(((const int64_t[]){-1}), 1)), "index_select: index[0] is -1");
    ck_assert_ptr_null(gr_index_select(gr_zeros(0, 3), 0, gr_from(((const int64_t[]){0}), 1)));
    expect_one_error("index_select: x is [0, 3]; must have an element");
    ck_assert_ptr_null(gr_index_select(x, 0, gr_ones(1)));
    expect_one_error("index_select: index is float32 [1]; must be int64, 1-d");
    ck_assert_ptr_null(gr_index_select(x, 0, gr_zeros_with(GR_SHAPE(1, 1), .dtype = GR_INT64)));
    expect_one_error("index_select: index is int64 [1, 1]; must be int64, 1-d");
    ck_assert_ptr_null(gr_index_select(x, 2, gr_from(((const int64_t[]){0}), 1)));
    expect_one_error("index_select: dim is 2");
    ck_assert_int_eq(gr_numel(gr_index_select(gr_zeros(0, 3), 1, gr_from(((const int64_t[]){2, 0}), 2))), 0);
}
END_TEST

Suite *reduce_suite(void)
{
    Suite *s = suite_create("reduce");
    TCase *c = tcase_create("reduce");
    tcase_add_checked_fixture(c, catch_errors, release_errors);
    tcase_add_loop_test(c, reductions_are_those_of_loops, 0, DTYPES);
    tcase_add_test(c, nothing_and_a_scalar_are_reduced);
    tcase_add_test(c, slopes_of_products_are_products_of_the_others);
    tcase_add_test(c, sums_and_products_have_the_dtype_asked_for);
    tcase_add_test(c, reductions_convert_first_and_refuse_what_they_must);
    tcase_add_loop_test(c, the_first_of_ties_is_named, 0, DTYPES);
    tcase_add_loop_test(c, extrema_and_nan_are_found_at_every_place, 0, DTYPES);
    tcase_add_test(c, ties_and_nan_are_found_across_blocks);
    tcase_add_test(c, index_select_takes_slices);
    tcase_add_test(c, indices_that_are_not_there_are_refused);
    suite_add_tcase(s, c);
    return s;
}
