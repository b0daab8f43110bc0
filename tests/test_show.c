/* test_show.c - the tape as a table: each line, the norms of gradients. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/internal.h"
#include "tests/allocation.h"
#include "tests/recorded.h"

/* The tape's lines are these, with the header's. */
#define EXPECT(...) \
    do { \
        static const char *const lines_[] = {__VA_ARGS__}; \
        char whole_[4096] = ""; \
        for (size_t i_ = 0; i_ < sizeof lines_ / sizeof lines_[0]; i_++) strcat(strcat(whole_, lines_[i_]), "\n"); \
        ck_assert_str_eq(tape_text(), whole_); \
    } while (0)

/* ---- the table ---- */

START_TEST(an_empty_tape_says_so)
{
    gr_tensor *x = vector(1, 2);
    gr_add(x, x); /* nobody wants its gradient */
    EXPECT("the tape is empty");
}
END_TEST

START_TEST(each_recorded_call_has_its_line)
{
    record();
    EXPECT("#  call      inputs            result  line           rule",
           "1  mul       [2], leaf [1]     [2]     train.c:7      da = mul(dy, b), db = mul(dy, a)",
           "2  add       #1 [2], leaf [1]  [2]     train.c:8      da = dy, db = dy",
           "3  mse_loss  #2 [2], [2]       []      train.c:12345  dx = 2 (x - target) dy / n, dtarget = -dx");
}
END_TEST

START_TEST(gradients_show_their_norms)
{
    ck_assert(gr_set_tape_norms(true));
    small_step s = record();
    ck_assert(gr_backward(s.loss));
    EXPECT("#  call      inputs                         result              line           rule",
           "1  mul       [2], leaf [1] (|grad| = 6.5)   [2] (|dy| = 2.915)  train.c:7      da = mul(dy, b), db = mul(dy, a)",
           "2  add       #1 [2], leaf [1] (|grad| = 4)  [2] (|dy| = 2.915)  train.c:8      da = dy, db = dy",
           "3  mse_loss  #2 [2], [2]                    [] (|dy| = 1)       train.c:12345  "
           "dx = 2 (x - target) dy / n, dtarget = -dx");
}
END_TEST

START_TEST(without_being_asked_only_leaves_have_norms)
{
    small_step s = record();
    ck_assert(gr_backward(s.loss));
    ck_assert_ptr_nonnull(strstr(tape_text(), "leaf [1] (|grad| = 6.5)"));
    ck_assert_ptr_null(strstr(text, "|dy|"));
    gr_zero_grad(s.w);
    gr_free(s.b);
    ck_assert_ptr_null(strstr(tape_text(), "|grad|"));
}
END_TEST

START_TEST(numbers_dtypes_and_several_results_are_told)
{
    gr_tensor *x = gr_requires_grad_(gr_ones_with(GR_SHAPE(2, 3), .dtype = GR_FLOAT64), true);
    gr_tensor *y = gr_mul_at(gr_value_integer(3), V(x), at(1));
    y = gr_sub_at(V(y), gr_value_real(0.1), at(2));
    gr_values_indices m = gr_max_dim_at(&(gr_arg_args){.x = y, .site = at(3), .dim = 1});
    gr_where_at(gr_gt(m.values, 0), V(m.values), gr_value_bool(true), at(4));
    gr_fill__at(m.values, gr_value_real(-(double)INFINITY), at(5));
    EXPECT("#  call     inputs                          result                     line       rule",
           "1  mul      3, leaf float64 [2, 3]          float64 [2, 3]             train.c:1  da = mul(dy, b), db = mul(dy, a)",
           "2  sub      #1 float64 [2, 3], 0.1          float64 [2, 3]             train.c:2  da = dy, db = neg(dy)",
           "3  max_dim  #2 float64 [2, 3]               float64 [2], #4 int64 [2]  train.c:3  dx = dy at the index",
           "5  where    bool [2], #3 float64 [2], true  float64 [2]                train.c:4  "
           "da = dy where condition, db = dy elsewhere",
           "6  fill_    #3 float64 [2], -inf            float64 [2]                train.c:5  dx = 0");
}
END_TEST

START_TEST(results_that_carry_no_gradient_show_none)
{
    gr_set_tape_norms(true);
    gr_tensor *x = gr_requires_grad_(gr_ones(2, 2), true);
    ck_assert(gr_backward(gr_sum(gr_max_dim(x, 1).values)));
    ck_assert_ptr_nonnull(strstr(tape_text(), "[2] (|dy| = 1.414), #2 int64 [2]  "));
}
END_TEST

enum { MANY = 12 };

START_TEST(long_lists_are_cut_and_a_rule_may_be_missing)
{
    const gr_op op = sum_of("total", NULL, NULL);
    gr_tensor *in[MANY], *x = leaf(1);
    for (int i = 0; i < MANY; i++) in[i] = x;
    in[1] = GR_ABSENT;
    ck_assert_ptr_nonnull(gr_apply_at(&op, in, MANY, NULL, NULL, at(1)));
    EXPECT("#  call   inputs                                                            result  line       rule",
           "1  total  leaf [1], absent, leaf [1], leaf [1], leaf [1], leaf [1], leaf [1], leaf [1], and 4 more  [1]     train.c:1");
}
END_TEST

START_TEST(the_text_is_cut_as_by_snprintf)
{
    char whole[1024], part[64];
    record();
    const int length = gr_tape_text(whole, sizeof whole);
    ck_assert_int_eq(gr_tape_text(NULL, 0), length);
    for (int bytes = 1; bytes < 60; bytes++) {
        memset(part, '~', sizeof part);
        ck_assert_int_eq(gr_tape_text(part, (size_t)bytes), length);
        ck_assert_int_eq((int)strlen(part), bytes - 1);
        ck_assert(!strncmp(part, whole, (size_t)bytes - 1) && part[bytes] == '~');
    }
    catch_errors();
    ck_assert_int_eq(gr_tape_text(NULL, 5), -1);
    expect_one_error("tape_text: text is NULL, bytes is 5; must have room for them");
}
END_TEST

static bool printed;
static void print_tape(void)
{
    printed = gr_print_tape();
}

START_TEST(print_writes_the_same_text)
{
    record();
    ck_assert_str_eq(printed_by(print_tape, stdout), tape_text());
    ck_assert(printed);
}
END_TEST

/* ---- norms ---- */

static double norm_of(const gr_tensor *t)
{
    double sum = 0, v[64];
    const int64_t n = gr_numel(t);
    ck_assert(n <= 64 && gr_to_array(t, v, n));
    for (int64_t i = 0; i < n; i++) sum += v[i] * v[i];
    return sqrt(sum);
}

/* The line of the call that made value `number` shows this norm; NULL: none. */
static void expect_norm(int number, const gr_tensor *gradient)
{
    char begin[16], norm[40];
    snprintf(begin, sizeof begin, "\n%d ", number);
    const char *line = strstr(tape_text(), begin);
    ck_assert_ptr_nonnull(line);
    const size_t length = strcspn(line + 1, "\n") + 1;
    const char *shown = strstr(line, "(|dy| = ");
    if (shown >= line + length) shown = NULL;
    if (!gradient) {
        ck_assert_msg(!shown, "%.*s", (int)length, line);
        return;
    }
    snprintf(norm, sizeof norm, "(|dy| = %.4g)", norm_of(gradient));
    ck_assert_msg(shown && !strncmp(shown, norm, strlen(norm)), "expected %s in %.*s", norm, (int)length, line);
}

START_TEST(norms_are_those_of_the_gradients)
{
    gr_manual_seed(1);
    gr_set_tape_norms(true);
    gr_tensor *x = gr_requires_grad_(gr_randn(5, 7), true), *y[4];
    gr_scope scope;
    for (int recorded = 0; recorded < 2; recorded++) { /* gradients of a recorded pass may lie with any strides */
        if (recorded) gr_scope_end(scope);
        scope = gr_scope_begin();
        y[0] = gr_exp(gr_mul(x, 0.5));               /* 2 */
        y[1] = gr_mul(y[0], gr_sum(y[0], .dim = 0)); /* 4: y[0] is used twice */
        y[2] = gr_t(y[1]);                           /* 5 */
        y[3] = gr_sum(gr_square(y[2]));              /* 7 */
        for (int i = 0; i < 4; i++) gr_retain_grad(y[i]);
        ck_assert(gr_backward(y[3], .retain_graph = true, .create_graph = recorded));
        const int number[] = {2, 4, 5, 7};
        for (int i = 0; i < 4; i++) expect_norm(number[i], gr_grad(y[i]));
    }
    gr_set_tape_norms(false);
    for (int i = 1; i <= 7; i++) expect_norm(i, NULL);
}
END_TEST

START_TEST(norms_reach_as_far_as_doubles)
{
    gr_set_tape_norms(true);
    const double far[] = {3e200, 4e200}, undefined[] = {1, (double)NAN}, infinite[] = {-(double)INFINITY, 1};
    const double *const given[] = {far, undefined, infinite};
    const char *const shown[] = {"(|dy| = 5e+200)", "nan)", "(|dy| = inf)"};
    for (int k = 0; k < 3; k++) {
        const gr_scope scope = gr_scope_begin();
        gr_tensor *x = gr_requires_grad_(gr_ones_with(GR_SHAPE(2), .dtype = GR_FLOAT64), true);
        ck_assert(gr_backward(gr_neg(x), .gradient = gr_from(given[k], 2)));
        ck_assert_msg(strstr(tape_text(), shown[k]), "%s", text);
        gr_scope_end(scope);
    }
}
END_TEST

START_TEST(norms_are_of_the_latest_pass_and_of_this_tape)
{
    catch_errors();
    gr_set_tape_norms(true);
    gr_tensor *x = leaf(1);
    for (int round = 0; round < 3; round++) { /* the same values and addresses each time */
        const gr_scope scope = gr_scope_begin();
        gr_tensor *y = gr_mul(x, 3), *z = gr_mul(y, 5), *side = gr_mul(y, 7);
        for (int i = 1; i <= 3; i++) expect_norm(i, NULL);
        ck_assert(gr_backward(z, .retain_graph = true));
        expect_norm(1, gr_full(5.0));
        expect_norm(2, gr_full(1.0));
        expect_norm(3, NULL);
        ck_assert(gr_backward(side));
        expect_norm(1, gr_full(7.0));
        expect_norm(3, gr_full(1.0));
        ck_assert(!gr_backward(z)); /* y's history is spent: the pass fails after it went through z */
        expect_one_error("already used");
        expect_norm(2, NULL);
        gr_scope_end(scope);
    }
    gr_set_tape_norms(false); /* a pass that noted none, then one that does */
    gr_tensor *before = gr_mul(x, 3);
    ck_assert(gr_backward(before));
    gr_set_tape_norms(true);
    ck_assert(gr_backward(gr_mul(x, 5)));
    expect_norm(1, NULL);
    expect_norm(2, gr_full(1.0));
}
END_TEST

START_TEST(norms_of_long_tapes_are_given_back_at_the_end)
{
    gr_shutdown();
    gr_memory_end();
    const int64_t before = allocation_live();
    gr_set_tape_norms(true);
    for (int round = 0; round < 3; round++) {
        const gr_scope scope = gr_scope_begin();
        gr_tensor *x = leaf(1), *y = x;
        for (int i = 0; i < 300; i++) y = gr_mul(y, 1);
        ck_assert(gr_backward(y));
        expect_norm(1, gr_full(1.0));
        expect_norm(300, gr_full(1.0));
        gr_scope_end(scope);
    }
    gr_shutdown();
    gr_memory_end();
    ck_assert_int_eq(allocation_live(), before);
}
END_TEST

START_TEST(without_memory_there_are_no_norms_and_nothing_has_changed)
{
    catch_errors();
    gr_tensor *x = leaf(1), *y = x;
    for (int i = 0; i < 3000; i++) y = gr_mul(y, 1); /* a list that no warm pool has room for */
    allocation_fail(1, ALWAYS);
    const bool shown = gr_tape_text(NULL, 0) != -1;
    const gr_error_code kind = gr_error_kind();
    gr_error_clear();
    catch_errors(); /* counts anew */
    const bool set = gr_set_tape_norms(true);
    allocation_fail(0, 0);
    ck_assert(!shown && kind == GR_ERROR_MEMORY && !set);
    expect_one_error("set_tape_norms: no memory for the norms");
    ck_assert(gr_set_tape_norms(true));
    allocation_fail(1, ALWAYS); /* the list of norms grows in the pass, which then fails */
    const bool passed = gr_backward(y);
    allocation_fail(0, 0);
    ck_assert(!passed);
    ck_assert_int_eq(gr_error_kind(), GR_ERROR_MEMORY);
    gr_error_clear();
    ck_assert(!gr_has_grad(x));
    ck_assert(gr_backward(y));
    expect_norm(1, gr_full(1.0));
}
END_TEST

Suite *show_suite(void)
{
    Suite *s = suite_create("show");
    TCase *table = tcase_create("table");
    tcase_add_test(table, an_empty_tape_says_so);
    tcase_add_test(table, each_recorded_call_has_its_line);
    tcase_add_test(table, gradients_show_their_norms);
    tcase_add_test(table, without_being_asked_only_leaves_have_norms);
    tcase_add_test(table, numbers_dtypes_and_several_results_are_told);
    tcase_add_test(table, results_that_carry_no_gradient_show_none);
    tcase_add_test(table, long_lists_are_cut_and_a_rule_may_be_missing);
    tcase_add_test(table, the_text_is_cut_as_by_snprintf);
    tcase_add_test(table, print_writes_the_same_text);
    tcase_add_test(table, norms_are_those_of_the_gradients);
    tcase_add_test(table, norms_reach_as_far_as_doubles);
    tcase_add_test(table, norms_are_of_the_latest_pass_and_of_this_tape);
    tcase_add_test(table, norms_of_long_tapes_are_given_back_at_the_end);
    tcase_add_test(table, without_memory_there_are_no_norms_and_nothing_has_changed);
    tcase_add_checked_fixture(table, NULL, gr_shutdown);
    suite_add_tcase(s, table);
    return s;
}
