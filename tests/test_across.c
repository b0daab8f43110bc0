/* test_across.c - operands that lie across, as transposed ones do, are read in blocks: the same bits as of their row-major
 * copies, for every dtype, in every order of the dimensions, and whatever is left over at the edges. */
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "tests/look.h"
#include "tests/suites.h"

static const gr_shape shapes[] = {{2, {16, 64}},    {2, {17, 65}},    {2, {65, 17}},      {2, {130, 143}}, {2, {300, 5}},
                                  {2, {5, 300}},    {3, {3, 20, 70}}, {3, {70, 3, 20}},   {3, {33, 34, 9}}, {4, {2, 18, 3, 70}},
                                  {4, {18, 2, 70, 3}}};
enum { SHAPES = sizeof shapes / sizeof *shapes };
static const int64_t orders[][4] = {{1, 0, 2, 3}, {2, 1, 0, 3}, {0, 2, 1, 3}, {1, 2, 0, 3}, {3, 1, 2, 0}, {0, 3, 2, 1}, {2, 3, 1, 0}};
enum { ORDERS = sizeof orders / sizeof *orders };

/* Small integers, other ones with each salt, in memory's order. */
static gr_tensor *counted(gr_shape shape, gr_dtype dtype, int salt)
{
    int64_t n = 1;
    for (int d = 0; d < shape.count; d++) n *= shape.size[d];
    int32_t *number = calloc((size_t)n, sizeof *number);
    for (int64_t i = 0; i < n; i++) number[i] = (int32_t)((i * 37 + salt * 11) % 101) + 1;
    gr_tensor *x = gr_to(gr_from_at(number, GR_INT32, shape, GR_HERE), .dtype = dtype);
    free(number);
    return x;
}

/* Runs f on each shape in each order: x, whose dimensions are permuted, and y, which lies as it is shown. */
static void for_each_layout(gr_dtype dtype, void (*f)(gr_tensor *x, gr_tensor *y))
{
    for (int s = 0; s < SHAPES; s++)
        for (int o = 0; o < ORDERS; o++) {
            gr_parallel_test_grain = o % 2; /* pieces as small as can be, or one */
            int64_t order[4];
            int count = 0;
            for (int d = 0; d < 4; d++)
                if (orders[o][d] < shapes[s].count) order[count++] = orders[o][d];
            const gr_scope scope = gr_scope_begin();
            gr_tensor *x = gr_permute_at(counted(shapes[s], dtype, 1), gr_shape_from(order, count), GR_HERE);
            f(x, counted(gr_shape_of(x), dtype, 2));
            ck_assert_msg(!gr_error(), "%s", gr_error());
            gr_scope_end(scope);
        }
    gr_parallel_test_grain = 0;
}

/* The copy, element by element: the sizes and strides say which one belongs where. */
static void check_copy(gr_tensor *x, gr_tensor *y)
{
    (void)y;
    gr_tensor *copy = gr_contiguous(x);
    const gr_shape shape = gr_shape_of(x);
    const void *base = gr_data(x), *have = elements(copy);
    for (int64_t i = 0; i < gr_numel(x); i++) {
        int64_t rest = i, offset = 0;
        for (int d = shape.count; d-- > 0; rest /= shape.size[d]) offset += rest % shape.size[d] * gr_stride(x, d);
        ck_assert_msg(stored(have, gr_dtype_of(x), i) == stored(base, gr_dtype_of(x), offset), "element %lld", (long long)i);
    }
}

static void expect_same(const char *what, gr_tensor *across, gr_tensor *flat)
{
    ck_assert_msg(across && flat && gr_equal(across, flat), "%s: %s", what, gr_error() ? gr_error() : "other elements");
}

static void check_arithmetic(gr_tensor *x, gr_tensor *y)
{
    gr_tensor *flat = gr_contiguous(x), *few = gr_lt(y, 50);
    const gr_dtype dtype = gr_dtype_of(x);
    expect_same("x + y", gr_add(x, y), gr_add(flat, y));
    expect_same("y + x", gr_add(y, x), gr_add(y, flat));
    expect_same("x * x", gr_mul(x, x), gr_mul(flat, flat));
    expect_same("x < y", gr_lt(x, y), gr_lt(flat, y));
    expect_same("x == 5", gr_eq(x, 5), gr_eq(flat, 5));
    expect_same("x or y", gr_where(few, x, y), gr_where(few, flat, y));
    expect_same("y or 0", gr_where(gr_lt(x, 50), y, 0), gr_where(gr_lt(flat, 50), y, 0));
    expect_same("to float64", gr_to(x, .dtype = GR_FLOAT64), gr_to(flat, .dtype = GR_FLOAT64));
    expect_same("sum", gr_sum(x), gr_sum(flat));
    expect_same("sum 0", gr_sum(x, .dim = 0), gr_sum(flat, .dim = 0));
    expect_same("amax -1", gr_amax(x, .dim = -1), gr_amax(flat, .dim = -1));
    const int64_t length = gr_size(x, -1), places[] = {length - 1, 0, length / 2};
    gr_tensor *index = gr_from(places, 3);
    expect_same("index -1", gr_index_select(x, -1, index), gr_index_select(flat, -1, index));
    if (dtype != GR_BOOL) expect_same("argmax 0", gr_argmax(x, .dim = 0), gr_argmax(flat, .dim = 0));
    if (dtype != GR_FLOAT32 && dtype != GR_FLOAT64 && dtype != GR_BFLOAT16) return;
    expect_same("x^3", gr_pow(x, 3), gr_pow(flat, 3));
    expect_same("e^x", gr_exp(x), gr_exp(flat));
    expect_same("lerp", gr_lerp(y, x, .3), gr_lerp(y, flat, .3));
}

/* Results that lie across: changes in place. */
static void check_in_place(gr_tensor *x, gr_tensor *y)
{
    gr_tensor *sum = gr_add(gr_contiguous(x), y);
    gr_add_(x, y);
    expect_same("x += y", x, sum);
    gr_tensor *product = gr_mul(sum, y);
    gr_mul_(x, y);
    expect_same("x *= y", x, product);
    gr_copy_(x, y);
    expect_same("x = y", x, y);
}

/* Gradients that lie across: y's arrives through x's permutation. */
static void check_gradients(gr_tensor *x, gr_tensor *y)
{
    gr_tensor *const given[] = {x, gr_contiguous(x)};
    gr_tensor *gradient[2];
    for (int k = 0; k < 2; k++) {
        gr_tensor *leaf = gr_requires_grad_(gr_detach(y), true), *z = gr_mul(gr_square(leaf), leaf);
        ck_assert(gr_backward(z, .gradient = given[k]));
        ck_assert(gr_backward(gr_mul(leaf, 2), .gradient = given[k])); /* added */
        gradient[k] = gr_grad(leaf);
    }
    expect_same("gradient", gradient[0], gradient[1]);
}

START_TEST(copies_of_what_lies_across_are_exact)
{
    if (!on_cpu("copies_of_what_lies_across_are_exact: reads the memory; arithmetic_across_has_the_bits_of_copies does not")) return;
    for (int d = 0; d < DTYPES; d++) for_each_layout(dtypes[d], check_copy);
}
END_TEST

START_TEST(arithmetic_across_has_the_bits_of_copies)
{
    for (int d = 0; d < DTYPES; d++) for_each_layout(dtypes[d], check_arithmetic);
}
END_TEST

START_TEST(changes_across_have_the_bits_of_copies)
{
    for (int d = 0; d < DTYPES; d++) for_each_layout(dtypes[d], check_in_place);
}
END_TEST

START_TEST(gradients_across_have_the_bits_of_copies)
{
    static const gr_dtype floats[] = {GR_FLOAT32, GR_FLOAT64, GR_BFLOAT16};
    for (int d = 0; d < 3; d++) for_each_layout(floats[d], check_gradients);
}
END_TEST

Suite *across_suite(void)
{
    Suite *suite = suite_create("across");
    TCase *tests = tcase_create("across");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, copies_of_what_lies_across_are_exact);
    tcase_add_test(tests, arithmetic_across_has_the_bits_of_copies);
    tcase_add_test(tests, changes_across_have_the_bits_of_copies);
    tcase_add_test(tests, gradients_across_have_the_bits_of_copies);
    suite_add_tcase(suite, tests);
    return suite;
}
