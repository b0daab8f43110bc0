/* test_in_place.c - changes in place: who sees them, which history they leave, which are refused. */
#include "tests/leaves.h"

START_TEST(a_region_changed_in_place_is_seen_by_base_and_siblings)
{
    gr_tensor *x = LEAF(1, 2), *y = gr_mul(x, 1), *sibling = gr_narrow(y, 0, 0, 2);
    gr_mul_(gr_select(y, 0, 0), 3);
    EXPECT(y, 3, 2);
    ck_assert(gr_backward(gr_sum(y), .retain_graph = true));
    EXPECT(gr_grad(x), 3, 1);
    gr_zero_grad(x);
    ck_assert(gr_backward(gr_sum(sibling)));
    EXPECT(gr_grad(x), 3, 1);
}
END_TEST

START_TEST(a_base_changed_in_place_is_seen_by_its_views)
{
    gr_tensor *x = LEAF(1, 2, 3), *y = gr_mul(x, 1), *view = gr_narrow(y, 0, 1, 2);
    gr_mul_(y, 5);
    EXPECT(view, 10, 15);
    ck_assert(gr_backward(gr_sum(view)));
    EXPECT(gr_grad(x), 0, 5, 5);
}
END_TEST

START_TEST(a_view_of_an_outer_scope_is_taken_again_in_an_inner_one)
{
    gr_tensor *x = LEAF(1, 2), *y = gr_mul(x, 1), *view = gr_narrow(y, 0, 0, 1);
    gr_mul_(y, 5);
    for (int round = 0; round < 2; round++) {
        gr_scope inner = gr_scope_begin();
        ck_assert(gr_backward(gr_sum(gr_mul(view, 1)), .retain_graph = true));
        gr_scope_end(inner);
    }
    EXPECT(gr_grad(x), 10, 0);
}
END_TEST

START_TEST(what_is_written_over_cuts_the_old_value)
{
    gr_tensor *x = LEAF(1, 2), *w = LEAF(3), *y = gr_mul(x, 2);
    gr_copy_(gr_select(y, 0, 0), gr_select(w, 0, 0));
    ck_assert(gr_backward(gr_sum(y)));
    EXPECT(gr_grad(x), 0, 2);
    EXPECT(gr_grad(w), 1);
    gr_tensor *z = gr_mul(x, 2);
    gr_zero_grad(x);
    gr_zero_(z);
    ck_assert(gr_backward(gr_sum(z)));
    EXPECT(gr_grad(x), 0, 0);
}
END_TEST

START_TEST(a_plain_tensor_gets_history_from_what_is_written_into_it)
{
    gr_tensor *w = LEAF(3, 4), *buffer = gr_zeros_with(GR_SHAPE(3), .dtype = GR_FLOAT64);
    gr_copy_(gr_narrow(buffer, 0, 1, 2), w);
    ck_assert(gr_requires_grad(buffer));
    ck_assert(gr_backward(gr_sum(gr_mul(buffer, 2))));
    EXPECT(gr_grad(w), 2, 2);
}
END_TEST

START_TEST(changes_in_place_that_would_lose_history_are_refused)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2);
    ck_assert_ptr_null(gr_add_(x, 1));
    expect_one_error("leaf that requires grad");
    ck_assert_ptr_null(gr_add_(gr_select(x, 0, 0), 1));
    expect_one_error("view of a leaf that requires grad");
    gr_tensor *y = gr_mul(x, 2);
    gr_scope inner = gr_scope_begin();
    ck_assert_ptr_null(gr_add_(y, 1));
    expect_one_error("outer scope");
    gr_scope_end(inner);
    gr_scope off = gr_no_grad_begin();
    ck_assert_ptr_nonnull(gr_add_(x, 1));
    gr_scope_end(off);
    EXPECT(x, 2, 3);
    gr_tensor *wide = gr_expand(gr_zeros_with(GR_SHAPE(1), .dtype = GR_FLOAT64), 3);
    ck_assert_ptr_null(gr_add_(wide, 1));
    expect_one_error("stride 0");
    gr_tensor *line = gr_arange_with(0, 4, 1, .dtype = GR_FLOAT64);
    ck_assert_ptr_null(gr_add_(gr_narrow(line, 0, 0, 3), gr_narrow(line, 0, 1, 3)));
    expect_one_error("overlap");
    ck_assert_ptr_null(gr_add_(gr_arange(0, 3, 1), 1.5));
    expect_one_error("must be the same");
    ck_assert_ptr_null(gr_add_(gr_zeros(1), gr_zeros(2)));
    expect_one_error("must be the same");
}
END_TEST

START_TEST(views_of_the_same_elements_may_be_combined_in_place)
{
    gr_tensor *x = PLAIN(1, 2), *column = gr_reshape(x, 1, 2, 1);
    ck_assert_ptr_nonnull(gr_mul_(gr_permute(column, 2, 1, 0), column)); /* strides differ where the size is 1 */
    EXPECT(x, 1, 4);
}
END_TEST

START_TEST(neighbours_may_be_combined_in_place)
{
    gr_tensor *line = PLAIN(0, 1, 2, 3), *left = gr_narrow(line, 0, 0, 2), *right = gr_narrow(line, 0, 2, 2);
    ck_assert_ptr_nonnull(gr_add_(left, right));
    EXPECT(line, 2, 4, 2, 3);
    ck_assert_ptr_nonnull(gr_add_(right, left));
    EXPECT(line, 2, 4, 4, 7);
}
END_TEST

Suite *in_place_suite(void)
{
    const TTest *const tests[] = {a_region_changed_in_place_is_seen_by_base_and_siblings,
                                  a_base_changed_in_place_is_seen_by_its_views,
                                  a_view_of_an_outer_scope_is_taken_again_in_an_inner_one,
                                  what_is_written_over_cuts_the_old_value,
                                  a_plain_tensor_gets_history_from_what_is_written_into_it,
                                  changes_in_place_that_would_lose_history_are_refused,
                                  views_of_the_same_elements_may_be_combined_in_place,
                                  neighbours_may_be_combined_in_place};
    return suite_of("in_place", tests, sizeof tests / sizeof *tests);
}
