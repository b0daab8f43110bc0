/* test_show.c - the tape as a table and as a graph: each line, the norms of gradients, hostile names, files. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "autograd/tape.h"
#include "gradus.h"
#include "tests/allocation.h"
#include "tests/look.h"
#include "tests/suites.h"

enum { ROOM = 1 << 19 };
static char text[ROOM];

static const char *tape_text(void)
{
    const int length = gr_tape_text(text, sizeof text);
    ck_assert_msg(length >= 0 && length < ROOM, "%s", gr_error() ? gr_error() : "too long");
    ck_assert_uint_eq(strlen(text), (size_t)length);
    return text;
}

/* The tape's lines are these, with the header's. */
#define EXPECT(...) \
    do { \
        static const char *const lines_[] = {__VA_ARGS__}; \
        char whole_[4096] = ""; \
        for (size_t i_ = 0; i_ < sizeof lines_ / sizeof lines_[0]; i_++) strcat(strcat(whole_, lines_[i_]), "\n"); \
        ck_assert_str_eq(tape_text(), whole_); \
    } while (0)

static gr_site at(int line)
{
    return (gr_site){"somewhere/train.c", line};
}
static gr_tensor *vector(float a, float b)
{
    return gr_from(((const float[]){a, b}), 2);
}
static gr_tensor *leaf(double value)
{
    return gr_requires_grad_(gr_full(value, 1), true);
}
#define V gr_value_tensor

/* ---- the table ---- */

START_TEST(an_empty_tape_says_so)
{
    gr_tensor *x = vector(1, 2);
    gr_add(x, x); /* nobody wants its gradient */
    EXPECT("the tape is empty");
}
END_TEST

/* docs/autograd.md's numbers: the residuals are -1.5 and -2.5, so dq = (q - y) dy has the norm sqrt(8.5) = 2.9155; the
 * gradients of w and b are -6.5 and -4. */
typedef struct {
    gr_tensor *x, *w, *b, *loss;
} small_step;

static small_step record(void)
{
    small_step s = {vector(1, 2), leaf(2), leaf(0.5), NULL};
    gr_tensor *p = gr_mul_at(V(s.x), V(s.w), at(7)), *q = gr_add_at(V(p), V(s.b), at(8));
    s.loss = gr_mse_loss_at(&(gr_loss_args){.x = q, .target = vector(4, 7), .site = at(12345)});
    return s;
}

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

/* ---- a user's op, with names that somebody made up ---- */

enum { MANY = 12 };
static bool sum_shape(gr_call *c)
{
    return gr_call_output_shape(c, 0, gr_shape_of(gr_call_input(c, 0)), GR_FLOAT32);
}
static bool sum_forward(gr_call *c)
{
    gr_tensor *y = gr_call_output(c, 0);
    gr_zero_(y);
    for (int i = 0; i < gr_call_inputs(c); i++)
        if (gr_call_input(c, i)) gr_add_(y, gr_call_input(c, i));
    return true;
}
static bool sum_backward(gr_call *c)
{
    bool ok = true;
    for (int i = 0; i < gr_call_inputs(c); i++)
        if (gr_call_needs(c, i)) ok = ok && gr_grad_add(c, i, gr_call_gradient(c, 0));
    return ok;
}
static gr_op sum_of(const char *name, const char *rule, const char *const *input_names)
{
    return (gr_op){.name = name, .shape = sum_shape, .forward = sum_forward, .backward = sum_backward, .rule = rule,
                   .input_names = input_names, .optional_inputs = 2};
}

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

/* ---- the graph: a parser of the part of the dot language that is written ---- */

static const char *rest;
static int edges, nodes;

static void blanks(void)
{
    while (*rest == ' ' || *rest == '\n') rest++;
}
static bool take(const char *token)
{
    blanks();
    if (strncmp(rest, token, strlen(token)) != 0) return false;
    rest += strlen(token);
    return true;
}
/* A name, or a quoted string without line breaks in which every quote and backslash is escaped. */
static bool word(void)
{
    blanks();
    const char *begin = rest;
    if (*rest != '"') {
        while (*rest == '_' || (*rest >= '0' && *rest <= '9') || (*rest >= 'a' && *rest <= 'z')) rest++;
        return rest > begin && !(*begin >= '0' && *begin <= '9');
    }
    for (rest++; *rest != '"'; rest++) {
        if ((unsigned char)*rest < ' ') return false;
        if (*rest == '\\' && *++rest != '"' && *rest != '\\' && *rest != 'n') return false;
    }
    rest++;
    return true;
}
static bool attributes(void)
{
    if (!take("[")) return true;
    do
        if (!word() || !take("=") || !word()) return false;
    while (take(","));
    return take("]");
}
static bool graph_is_well_formed(const char *dot)
{
    rest = dot;
    edges = nodes = 0;
    if (!take("digraph") || !word() || !take("{")) return false;
    while (!take("}")) {
        if (!word()) return false;
        if (take("->")) {
            if (!word()) return false;
            edges++;
        } else
            nodes++;
        if (!attributes() || !take(";")) return false;
    }
    blanks();
    return *rest == '\0';
}

static char dot_path[] = "/tmp/gradus-tape-XXXXXX";
static const char *dot_text(void)
{
    ck_assert_msg(gr_tape_dot(dot_path), "%s", gr_error());
    FILE *file = fopen(dot_path, "r");
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void make_path(void)
{
    memcpy(dot_path + strlen(dot_path) - 6, "XXXXXX", 6);
    const int file = mkstemp(dot_path);
    ck_assert_int_ge(file, 0);
    close(file);
}
static void remove_path(void)
{
    remove(dot_path);
}

START_TEST(the_graph_has_the_calls_and_what_goes_into_them)
{
    ck_assert_msg(graph_is_well_formed(dot_text()), "%s", text);
    ck_assert_int_eq(nodes, 1); /* what all nodes look like */
    small_step s = record();
    gr_tensor *three = gr_mul(gr_mul(s.w, 3), s.w); /* one leaf with three uses is one node */
    ck_assert_ptr_nonnull(three);
    ck_assert_msg(graph_is_well_formed(dot_text()), "%s at: %s", text, rest);
    ck_assert_int_eq(edges, 6 + 4);
    ck_assert_ptr_nonnull(strstr(text, "\"2  add\\n[2]\\ntrain.c:8\\nda = dy, db = dy\""));
    ck_assert_ptr_nonnull(strstr(text, "v1 -> v2 [label=\"a\"];"));
    ck_assert_ptr_nonnull(strstr(text, "v2 -> v3 [label=\"x\"];"));
    ck_assert_ptr_nonnull(strstr(text, "[shape=plaintext, label=\"3\"];"));
    char use[64];
    int uses = 0;
    snprintf(use, sizeof use, "t%" PRIxPTR " -> ", (uintptr_t)s.w);
    for (const char *p = text; (p = strstr(p, use)); p++) uses++;
    ck_assert_int_eq(uses, 3);
}
END_TEST

START_TEST(other_results_of_a_call_have_their_nodes)
{
    gr_tensor *x = gr_requires_grad_(gr_ones(2, 3), true);
    gr_sum(gr_max_dim(x, 1).values);
    ck_assert_msg(graph_is_well_formed(dot_text()), "%s at: %s", text, rest);
    ck_assert_ptr_nonnull(strstr(text, "v1 -> v2;"));
    ck_assert_ptr_nonnull(strstr(text, "v1 -> v3 [label=\"x\"];"));
}
END_TEST

START_TEST(any_names_leave_table_and_graph_well_formed)
{
    static const char *const names[] = {"plain",       "\"",       "\\",           "end\\",         "a\nb\r\tc", "\"]; evil -> [",
                                        "{}<>|;,=->", "\xff\x80", "\xc3\xbc\xe2\x88\x82", "\x7f\x01\x1b[31m", "%s%n%d",   ""};
    enum { NAMES = sizeof names / sizeof names[0] };
    static char long_name[5000];
    memset(long_name, '\\', sizeof long_name - 1);
    for (int k = 0; k <= NAMES; k++) {
        const gr_scope scope = gr_scope_begin();
        const char *const name = k < NAMES ? names[k] : long_name, *const inputs[] = {name, name};
        const gr_op op = sum_of(name, name, inputs);
        gr_tensor *in[] = {leaf(1), vector(1, 2)};
        in[1] = in[0];
        gr_tensor *y = gr_apply_at(&op, in, 2, NULL, NULL, (gr_site){name, 7});
        ck_assert_ptr_nonnull(y);
        gr_add(y, 1);
        int lines = 0;
        for (const char *p = tape_text(); *p; p++) {
            lines += *p == '\n';
            ck_assert_msg(*p == '\n' || ((unsigned char)*p >= ' ' && *p != 127), "name %d: byte %d", k, *p);
        }
        ck_assert_int_eq(lines, 3);
        ck_assert_msg(graph_is_well_formed(dot_text()), "name %d: %s at: %s", k, text, rest);
        ck_assert_int_eq(edges, 4);
        gr_scope_end(scope);
    }
    const gr_op op = sum_of("unknown", NULL, NULL);
    gr_tensor *x = leaf(1);
    ck_assert_ptr_nonnull(gr_apply_at(&op, &x, 1, NULL, NULL, (gr_site){NULL, 0}));
    ck_assert_ptr_nonnull(strstr(tape_text(), "?:0"));
}
END_TEST

START_TEST(a_file_that_cannot_be_written_is_an_error)
{
    catch_errors();
    record();
    ck_assert(!gr_tape_dot(NULL));
    ck_assert_int_eq(gr_error_kind(), GR_ERROR_ARGUMENT);
    expect_one_error("tape_dot: path is NULL; must name a file");
    ck_assert(!gr_tape_dot("/tmp"));
    ck_assert_int_eq(gr_error_kind(), GR_ERROR_FILE);
    expect_one_error("tape_dot: path is \"/tmp\": Is a directory; must be a file that can be written");
    ck_assert(!gr_tape_dot("there/is no\nsuch \"folder\"/a.dot"));
    expect_one_error("path is \"there/is no\\nsuch \\\"folder\\\"/a.dot\": No such file or directory; must be");
    ck_assert(!gr_tape_dot(""));
    expect_one_error("path is \"\": No such file or directory; must be");
    ck_assert(!gr_tape_dot("/dev/full"));
    expect_one_error("path is \"/dev/full\": No space left on device; must be");
    char deep[200];
    memset(deep, 'd', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    memcpy(deep, "missing/", 8);
    ck_assert(!gr_tape_dot(deep));
    expect_one_error("path is \"...ddd");
}
END_TEST

/* ---- looking changes nothing ---- */

START_TEST(looking_goes_on_while_an_error_stands_and_changes_nothing)
{
    catch_errors();
    small_step s = record();
    char before[4096];
    snprintf(before, sizeof before, "%s", tape_text());
    gr_matmul(s.x, s.w);
    ck_assert_ptr_nonnull(gr_error());
    ck_assert_str_eq(tape_text(), before);
    ck_assert(gr_tape_dot(dot_path));
    gr_error_clear();
    ck_assert(gr_backward(s.loss));
    ck_assert(gr_at(gr_grad(s.w), 0) == -6.5);
}
END_TEST

START_TEST(without_memory_looking_is_an_error_that_changes_nothing)
{
    catch_errors();
    gr_tensor *x = leaf(1), *y = x;
    for (int i = 0; i < 3000; i++) y = gr_mul(y, 1); /* a list that no warm pool has room for */
    FILE *file = fopen(dot_path, "w");
    fputs("as it was", file);
    fclose(file);
    bool failed[4] = {false};
    allocation_fail(1, ALWAYS);
    failed[0] = gr_tape_text(NULL, 0) == -1;
    failed[1] = gr_error_kind() == GR_ERROR_MEMORY;
    gr_error_clear();
    failed[2] = !gr_tape_dot(dot_path);
    gr_error_clear();
    catch_errors(); /* counts anew */
    failed[3] = !gr_set_tape_norms(true);
    allocation_fail(0, 0);
    for (int i = 0; i < 4; i++) ck_assert_msg(failed[i], "call %d", i);
    expect_one_error("set_tape_norms: no memory for the norms");
    file = fopen(dot_path, "r");
    ck_assert_ptr_nonnull(fgets(text, sizeof text, file));
    fclose(file);
    ck_assert_str_eq(text, "as it was");
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
    TCase *table = tcase_create("table"), *graph = tcase_create("graph");
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
    tcase_add_checked_fixture(table, NULL, gr_shutdown);
    suite_add_tcase(s, table);
    tcase_add_checked_fixture(graph, make_path, remove_path);
    tcase_add_checked_fixture(graph, NULL, gr_shutdown);
    tcase_add_test(graph, the_graph_has_the_calls_and_what_goes_into_them);
    tcase_add_test(graph, other_results_of_a_call_have_their_nodes);
    tcase_add_test(graph, any_names_leave_table_and_graph_well_formed);
    tcase_add_test(graph, a_file_that_cannot_be_written_is_an_error);
    tcase_add_test(graph, looking_goes_on_while_an_error_stands_and_changes_nothing);
    tcase_add_test(graph, without_memory_looking_is_an_error_that_changes_nothing);
    suite_add_tcase(s, graph);
    return s;
}
