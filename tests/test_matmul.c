/* test_matmul.c - matmul of all ranks, numeric and layouts against a triple loop over places; whole numbers, so that every
 * order of adding gives the same. */
#include <stdio.h>
#include <string.h>

#include "gradus.h"
#include "tests/half.h"
#include "tests/look.h"
#include "tests/suites.h"

enum { MOST = 9000 };
#define S(...) {GR_COUNT_INT64(__VA_ARGS__), {__VA_ARGS__}}
static const gr_dtype numeric[] = {GR_FLOAT32, GR_FLOAT64, GR_BFLOAT16, GR_INT64, GR_INT32, GR_UINT8};

static int64_t count_of(gr_shape s)
{
    int64_t n = 1;
    for (int d = 0; d < s.count; d++) n *= s.size[d];
    return n;
}

/* ---- operands ---- */

enum { PLAIN, TRANSPOSED, SPREAD, REPEATED, ROTATED, LAYOUTS };

static gr_tensor *operand(gr_shape s, gr_dtype dtype, int layout, int salt)
{
    static double value[MOST];
    const int last = s.count - 1;
    gr_shape inner = s, order = {s.count, {last}};
    if (layout == TRANSPOSED && last > 0) inner.size[last] = s.size[last - 1], inner.size[last - 1] = s.size[last];
    if (layout == SPREAD) inner.size[last] = 3 * s.size[last] + 2;
    if (layout == REPEATED) inner.size[0] = s.size[0] ? 1 : 0;
    for (int d = 0; layout == ROTATED && d < last; d++) inner.size[d] = s.size[d + 1], order.size[d + 1] = d;
    if (layout == ROTATED) inner.size[last] = s.size[0];
    ck_assert_int_le(count_of(inner), MOST);
    for (int64_t i = 0; i < count_of(inner); i++) value[i] = (double)((i * 7 + salt * 3) % 11) - (dtype == GR_UINT8 ? 0 : 4);
    gr_tensor *x = gr_to(gr_from_at(value, GR_FLOAT64, inner, GR_HERE), .dtype = dtype);
    switch (layout) {
    case TRANSPOSED: return last > 0 ? gr_transpose(x, -1, -2) : x;
    case SPREAD: return gr_slice(x, .dim = -1, .start = 2, .step = 3);
    case REPEATED: return gr_expand_at(x, s, GR_HERE);
    case ROTATED: return gr_permute_at(x, order, GR_HERE);
    default: return x;
    }
}

/* ---- the product by loops ---- */

/* A vector is a row on the left, a column on the right. */
typedef struct {
    gr_shape a, b, y; /* with the dimension added, and kept */
    bool row, column;
} product;

static product product_of(gr_shape a, gr_shape b)
{
    product p = {a, b, {0, {0}}, a.count == 1, b.count == 1};
    if (p.row) p.a = (gr_shape){2, {1, a.size[0]}};
    if (p.column) p.b = (gr_shape){2, {b.size[0], 1}};
    p.y.count = p.a.count > p.b.count ? p.a.count : p.b.count;
    for (int d = 1; d <= p.y.count; d++) { /* from the last */
        const int64_t left = d <= p.a.count ? p.a.size[p.a.count - d] : 1,
                      right = d <= p.b.count ? p.b.size[p.b.count - d] : 1;
        p.y.size[p.y.count - d] = d == 1 ? right : d == 2 ? left : left == 1 ? right : left;
    }
    return p;
}

/* The flat place in an operand of shape s of [batch of y..., i, j] */
static int64_t flat_in(gr_shape s, gr_shape y, const int64_t *index, int64_t i, int64_t j)
{
    int64_t flat = 0;
    for (int d = 0; d < s.count - 2; d++) flat = flat * s.size[d] + (s.size[d] == 1 ? 0 : index[d + y.count - s.count]);
    return (flat * s.size[s.count - 2] + i) * s.size[s.count - 1] + j;
}

static double wrapped(double sum, gr_dtype dtype)
{
    return dtype == GR_UINT8 ? (double)(uint8_t)(int64_t)sum : dtype == GR_BFLOAT16 ? half_rounded(sum) : sum;
}

static void check_product(gr_shape sa, gr_shape sb, gr_dtype dtype, int layouts)
{
    static double left[MOST], right[MOST], got[MOST];
    const gr_scope scope = gr_scope_begin();
    gr_tensor *a = operand(sa, dtype, layouts % LAYOUTS, 1), *b = operand(sb, dtype, layouts / LAYOUTS, 2),
              *y = gr_matmul(a, b);
    const product p = product_of(sa, sb);
    gr_shape kept = p.y; /* without what was added to vectors */
    if (p.column) kept.count--;
    if (p.row) kept.size[kept.count - (p.column ? 1 : 2)] = kept.size[kept.count - 1], kept.count--;
    char what[64];
    snprintf(what, sizeof what, "%d-d by %d-d, dtype %d, layouts %d", sa.count, sb.count, (int)dtype, layouts);
    ck_assert_msg(y != NULL, "%s: %s", what, gr_error() ? gr_error() : "NULL");
    bool same = gr_dim(y) == kept.count && gr_dtype_of(y) == dtype && gr_is_contiguous(y);
    for (int d = 0; same && d < kept.count; d++) same = gr_size(y, d) == kept.size[d];
    ck_assert_msg(same, "%s: another shape or dtype", what);
    ck_assert(gr_to_array(a, left, gr_numel(a)) && gr_to_array(b, right, gr_numel(b)) && gr_to_array(y, got, gr_numel(y)));
    for (int64_t k = 0; k < count_of(p.y); k++) {
        int64_t index[GR_MAX_DIMS], rest = k;
        double sum = 0;
        for (int d = p.y.count; d-- > 0; rest /= p.y.size[d]) index[d] = rest % p.y.size[d];
        for (int64_t t = 0; t < p.a.size[p.a.count - 1]; t++)
            sum += left[flat_in(p.a, p.y, index, index[p.y.count - 2], t)] *
                   right[flat_in(p.b, p.y, index, t, index[p.y.count - 1])];
        if (got[k] != wrapped(sum, dtype))
            ck_abort_msg("%s: element %d is %g, not %g", what, (int)k, got[k], wrapped(sum, dtype));
    }
    gr_scope_end(scope);
}

static const gr_shape pairs[][2] = {
    {S(4), S(4)},
    {S(0), S(0)},
    {S(4), S(4, 3)},
    {S(3, 4), S(4)},
    {S(2, 3, 4), S(4)},
    {S(4), S(2, 4, 3)},
    {S(3, 4), S(4, 2)},
    {S(1, 1), S(1, 1)},
    {S(0, 3), S(3, 2)},
    {S(2, 0), S(0, 3)},
    {S(3, 2), S(2, 0)},
    {S(2, 3, 4), S(4, 2)},
    {S(3, 4), S(2, 4, 2)},
    {S(2, 3, 4), S(2, 4, 2)},
    {S(5, 1, 2, 3), S(2, 3, 4)},
    {S(1, 2, 3), S(4, 3, 2)},
    {S(4, 2, 3), S(1, 3, 2)},
    {S(0, 2, 3), S(3, 4)},
    {S(2, 1, 2, 3), S(1, 4, 3, 2)},
    {S(0, 2, 3), S(1, 3, 2)},
    {S(2, 1, 2, 1, 2, 1, 2, 3), S(1, 2, 1, 2, 1, 2, 3, 2)},
    {S(2, 1, 1, 3), S(3)},
    {S(17, 33), S(33, 19)},
    {S(33), S(33, 7)},
    {S(40, 65), S(65)},
};

START_TEST(products_of_all_ranks_are_those_of_loops)
{
    for (size_t k = 0; k < sizeof pairs / sizeof pairs[0]; k++)
        for (int layouts = 0; layouts < LAYOUTS * LAYOUTS; layouts++)
            check_product(pairs[k][0], pairs[k][1], numeric[_i], layouts);
    ck_assert_ptr_null(gr_error());
}
END_TEST

START_TEST(integers_wrap)
{
    gr_tensor *wide = gr_full(INT64_MAX, 1, 2), *narrow = gr_full_with(INT32_MAX, GR_SHAPE(2), .dtype = GR_INT32);
    gr_tensor *two = gr_full_with(2, GR_SHAPE(2), .dtype = GR_INT32);
    ck_assert(((const int64_t *)elements(gr_matmul(wide, gr_full(2, 2, 1))))[0] == -4);
    ck_assert(gr_item(gr_matmul(narrow, two)) == -4);
}
END_TEST

/* Each is so large that the threads share it: the bits of the products one by one. */
START_TEST(a_batch_of_large_products_has_the_bits_of_each)
{
    enum { M = 160, K = 192, N = 144 }; /* more than 4 2^20 multiplications */
    gr_tensor *a = gr_randn(3, M, K), *b = gr_randn(3, K, N);
    gr_set_num_threads(2);
    gr_tensor *y = gr_matmul(a, b);
    for (int i = 0; i < 3; i++) ck_assert(gr_equal(gr_select(y, 0, i), gr_matmul(gr_select(a, 0, i), gr_select(b, 0, i))));
}
END_TEST

START_TEST(a_product_with_itself_transposed_shares_memory)
{
    gr_tensor *x = operand((gr_shape)S(6, 9), GR_FLOAT32, PLAIN, 0), *y = gr_matmul(x, gr_t(x));
    for (int64_t i = 0; i < 6; i++)
        for (int64_t j = 0; j < 6; j++) {
            double sum = 0;
            for (int64_t t = 0; t < 9; t++) sum += gr_at(x, i, t) * gr_at(x, j, t);
            ck_assert(gr_at(y, i, j) == sum);
        }
}
END_TEST

START_TEST(operands_that_do_not_meet_are_refused)
{
    catch_errors();
    static const struct {
        gr_shape a, b;
        const char *text;
    } wrong[] = {
        {S(32, 784), S(100, 10),
         "matmul: a is [32, 784], b is [100, 10]; a's last dimension (784) must equal b's first (100)"},
        {S(3), S(4), "a's last dimension (3) must equal b's first (4)"},
        {S(3), S(2, 4, 5), "a's last dimension (3) must equal b's last but one (4)"},
        {S(2, 3), S(2), "a's last dimension (3) must equal b's first (2)"},
        {S(2, 2, 3), S(2, 4, 5), "a's last dimension (3) must equal b's last but one (4)"},
        {S(2, 2, 3), S(3, 3, 2), "batch dimension 0 is 2 and 3, must be equal or one of them 1"},
        {S(0, 2, 3), S(2, 3, 4), "batch dimension 0 is 0 and 2"},
        {S(2, 1, 2, 3), S(3, 4, 3, 2), "batch dimension 0 is 2 and 3"},
        {{0, {0}}, S(3), "matmul: a is [], b is [3]; must have at least 1 dimension each: gr_mul"},
        {S(1, 1), {0, {0}}, "must have at least 1 dimension each"},
    };
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        ck_assert_ptr_null(gr_matmul(gr_zeros_with(wrong[k].a), gr_zeros_with(wrong[k].b)));
        expect_one_error(wrong[k].text);
    }
    ck_assert_ptr_null(gr_matmul(gr_zeros(2, 2), gr_zeros_with(GR_SHAPE(2, 2), .dtype = GR_FLOAT64)));
    expect_one_error("matmul: a is float32, b is float64; both must have one dtype");
    ck_assert_ptr_null(gr_matmul(gr_eye_with(2, .dtype = GR_BOOL), gr_eye_with(2, .dtype = GR_BOOL)));
    expect_one_error("matmul: a and b are bool");
}
END_TEST

Suite *matmul_suite(void)
{
    Suite *s = suite_create("matmul");
    TCase *c = tcase_create("matmul");
    tcase_add_loop_test(c, products_of_all_ranks_are_those_of_loops, 0, 6);
    tcase_add_test(c, integers_wrap);
    tcase_add_test(c, a_batch_of_large_products_has_the_bits_of_each);
    tcase_add_test(c, a_product_with_itself_transposed_shares_memory);
    tcase_add_test(c, operands_that_do_not_meet_are_refused);
    suite_add_tcase(s, c);
    return s;
}
