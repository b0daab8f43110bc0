/* test_scopes.c - scopes: who owns results and until when, and when there are too many. */
#include <stdio.h>
#include <string.h>

#include "tests/leaves.h"

/* ---- who owns what ---- */

START_TEST(scopes_own_and_free_and_stale_tensors_are_refused)
{
    catch_errors();
    gr_scope outer = gr_scope_begin(), inner = gr_scope_begin();
    gr_tensor *kept = gr_keep(gr_ones(3)), *lost = gr_ones(3);
    ck_assert(gr_scope_end(inner));
    ck_assert_ptr_nonnull(gr_add(kept, 1));
    ck_assert_ptr_null(gr_add(lost, 1));
    expect_one_error("is dead: the scope that owned it has ended");
    ck_assert(!gr_scope_end(inner));
    expect_one_error("has ended already");
    gr_scope abandoned = gr_scope_begin();
    ck_assert(gr_scope_end(outer));
    ck_assert(!gr_scope_end(abandoned));
    expect_one_error("has ended already");
    ck_assert_ptr_null(gr_add(kept, 1));
    expect_one_error("is dead");
}
END_TEST

START_TEST(keeping_needs_a_detached_tensor)
{
    catch_errors();
    gr_tensor *x = LEAF(1, 2);
    gr_scope step = gr_scope_begin();
    gr_tensor *y = gr_mul(x, 2);
    ck_assert_ptr_null(gr_keep(y));
    expect_one_error("must be detached");
    gr_tensor *kept = gr_keep(gr_detach(y));
    gr_scope_end(step);
    EXPECT(kept, 2, 4);
}
END_TEST

START_TEST(a_kept_view_keeps_its_memory)
{
    gr_scope step = gr_scope_begin();
    gr_tensor *row = gr_keep(gr_select(gr_arange(0, 6, 1), 0, 4));
    gr_scope_end(step);
    for (int i = 0; i < 50; i++) gr_zeros(6);
    EXPECT(row, 4);
}
END_TEST

static gr_tensor *made_in_block(void)
{
    GR_SCOPED gr_scope scope = gr_scope_begin();
    gr_tensor *lost = gr_ones(3);
    return gr_keep(gr_add(lost, 1)) ? lost : NULL;
}

START_TEST(a_scoped_block_ends_its_scope_however_it_is_left)
{
    catch_errors();
    gr_tensor *lost = made_in_block();
    ck_assert_ptr_null(gr_add(lost, 1));
    expect_one_error("add: a is dead");
}
END_TEST

/* ---- what is said of many ---- */

static int line_of_loop;

/* 150,000 results in the scope that is open */
static void fill_scope(void)
{
    gr_tensor *x = gr_ones(1);
    for (int i = 0; i < 150000; i++) line_of_loop = __LINE__, gr_neg(x);
}
static void fill_scopes(void)
{
    const gr_scope scope = gr_scope_begin();
    fill_scope();
    gr_scope_end(scope);
}

/* `text` is one line: the place, then `warning`, then anything, then `advice`. */
static void expect_warning(const char *text, int line, const char *warning, const char *advice)
{
    char expected[160];
    snprintf(expected, sizeof expected, "%s:%d: %s", __FILE__, line, warning);
    ck_assert_msg(!strncmp(text, expected, strlen(expected)) && strstr(text, advice), "%s", text);
    ck_assert_ptr_eq(strchr(text, '\n'), strrchr(text, '\n'));
}

START_TEST(of_another_full_scope_nothing_is_said)
{
    ck_assert_str_eq(printed_by(fill_scopes, stderr), "");
}
END_TEST

START_TEST(a_full_root_scope_is_told_once)
{
    const char *text = printed_by(fill_scope, stderr);
    expect_warning(text, line_of_loop, "warning: the root scope owns 100000 ", "; wrap the loop body in a scope: gr_scope_begin\n");
    ck_assert_str_eq(printed_by(fill_scope, stderr), "");
}
END_TEST

static void nest_scopes(void)
{
    const gr_scope outer = gr_scope_begin();
    for (int i = 0; i < 1500; i++) line_of_loop = __LINE__, gr_scope_begin();
    ck_assert(gr_scope_end(outer));
}

START_TEST(deep_scopes_are_told_once)
{
    const char *text = printed_by(nest_scopes, stderr);
    expect_warning(text, line_of_loop, "scope_begin: warning: 1000 scopes are open; ", "each must be ended\n");
    ck_assert_str_eq(printed_by(nest_scopes, stderr), "");
}
END_TEST

Suite *scopes_suite(void)
{
    const TTest *const tests[] = {scopes_own_and_free_and_stale_tensors_are_refused,
                                  keeping_needs_a_detached_tensor,
                                  a_kept_view_keeps_its_memory,
                                  a_scoped_block_ends_its_scope_however_it_is_left,
                                  of_another_full_scope_nothing_is_said,
                                  a_full_root_scope_is_told_once,
                                  deep_scopes_are_told_once};
    return suite_of("scopes", tests, sizeof tests / sizeof *tests);
}
