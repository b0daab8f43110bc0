/* test_graph.c - the tape as a graph: its calls and edges, hostile names, files that cannot be written. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/allocation.h"
#include "tests/recorded.h"

/* ---- a parser of the part of the dot language that is written ---- */

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
    ck_assert_uint_lt(strlen(tape_text()), sizeof before);
    strcpy(before, tape_text());
    gr_matmul(s.x, s.w);
    ck_assert_ptr_nonnull(gr_error());
    ck_assert_str_eq(tape_text(), before);
    ck_assert(gr_tape_dot(dot_path));
    gr_error_clear();
    ck_assert(gr_backward(s.loss));
    ck_assert(gr_at(gr_grad(s.w), 0) == -6.5);
}
END_TEST

START_TEST(without_memory_the_file_stays_as_it_was)
{
    catch_errors();
    gr_tensor *y = leaf(1);
    for (int i = 0; i < 3000; i++) y = gr_mul(y, 1); /* a list that no warm pool has room for */
    FILE *file = fopen(dot_path, "w");
    ck_assert_ptr_nonnull(file);
    fputs("as it was", file);
    fclose(file);
    allocation_fail(1, ALWAYS);
    const bool written = gr_tape_dot(dot_path);
    allocation_fail(0, 0);
    ck_assert(!written && gr_error_kind() == GR_ERROR_MEMORY);
    gr_error_clear();
    file = fopen(dot_path, "r");
    ck_assert_ptr_nonnull(fgets(text, sizeof text, file));
    fclose(file);
    ck_assert_str_eq(text, "as it was");
}
END_TEST

Suite *graph_suite(void)
{
    const TTest *const tests[] = {the_graph_has_the_calls_and_what_goes_into_them,
                                  other_results_of_a_call_have_their_nodes,
                                  any_names_leave_table_and_graph_well_formed,
                                  a_file_that_cannot_be_written_is_an_error,
                                  looking_goes_on_while_an_error_stands_and_changes_nothing,
                                  without_memory_the_file_stays_as_it_was};
    Suite *s = suite_create("graph");
    TCase *c = tcase_create("graph");
    tcase_add_checked_fixture(c, make_path, remove_path);
    tcase_add_checked_fixture(c, NULL, gr_shutdown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(c, tests[i]);
    suite_add_tcase(s, c);
    return s;
}
