/* test_misuse.c - every call with every argument wrong in every way: the rows of misuse_*.c, worked through. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/look.h"
#include "tests/misuse.h"
#include "tests/suites.h"

static const misuse_table *const tables[] = {&misuse_tensor_rows, &misuse_gradient_rows, &misuse_elementwise_rows,
                                             &misuse_model_rows};
enum { TABLES = sizeof tables / sizeof tables[0] };

static void (*const refusals[])(void) = {refuse_shapes,  refuse_weights, refuse_dims,   refuse_indices,  refuse_dtypes,
                                         refuse_numbers, refuse_sizes,   refuse_states, refuse_in_place, refuse_objects,
                                         refuse_modules, refuse_lists,   refuse_ops,    refuse_files};
enum { REFUSALS = sizeof refusals / sizeof refusals[0] };

/* ---- good arguments ---- */

static gr_value number(double real)
{
    return real == floor(real) ? gr_value_integer((int64_t)real) : gr_value_real(real);
}

static void good_value(const misuse_argument *arg, misuse_value *v)
{
    static gr_tensor *item[MISUSE_ARGUMENTS];
    static int next;
    switch (arg->kind) {
    case TENSOR: v->tensor = misuse_tensor(arg->letter); break;
    case LIST:
        next = (next + 1) % MISUSE_ARGUMENTS;
        item[next] = misuse_tensor(arg->letter);
        v->list = (gr_tensors){1, &item[next]};
        break;
    case MODULE: v->module = *(gr_module **)arg->object; break;
    case OPTIM: v->optim = *(gr_optim **)arg->object; break;
    case SHAPE: v->shape = arg->shape; break;
    case INTEGER: v->integer = arg->integer; break;
    case REAL: v->real = arg->real; break;
    case NUMBER: v->number = number(arg->real); break;
    case DTYPE: v->dtype = arg->dtype; break;
    case DEVICE: v->device = gr_cpu(); break;
    case TEXT: v->text = arg->object; break;
    case POINTER: v->pointer = arg->object; break;
    }
}

static void good_values(const misuse_row *row, misuse_value *a)
{
    for (int i = 0; i < MISUSE_ARGUMENTS && row->argument[i].kind; i++) good_value(&row->argument[i], &a[i]);
}

/* ---- bad ones: the k-th of an argument; NULL: there are no more. Returns what is wrong with it. ---- */

static const char *bad_tensor(const misuse_argument *arg, int k, gr_tensor **x)
{
    static const char *const wrong[] = {"NULL", "dead", "dead", "absent"};
    gr_tensor *const bad[] = {NULL, k == 1 ? misuse_dead() : NULL, g.dead_free, GR_ABSENT};
    const int common = arg->optional ? 3 : 4; /* GR_ABSENT is the last */
    if (k < common) return *x = bad[k], wrong[k];
    if (k >= common + (int)strlen(arg->refused)) return NULL;
    return *x = misuse_tensor(arg->refused[k - common]), "operand";
}

static const char *bad_list(const misuse_argument *arg, int k, gr_tensors *list)
{
    static gr_tensor *item[2];
    static const char *const wrong[] = {"empty", "NULL", "negative", "dead"};
    item[0] = misuse_tensor(arg->letter);
    item[1] = g.dead_free;
    const gr_tensors bad[] = {{0, NULL}, {1, NULL}, {-1, item}, {2, item}};
    k += arg->optional;
    if (k < 4) return *list = bad[k], wrong[k];
    *list = (gr_tensors){1, item};
    return bad_tensor(arg, k - 4, item);
}

static const char *bad_shape(const misuse_argument *arg, int k, gr_shape *shape)
{
    static const int64_t big = INT64_C(1) << 32;
    static const char *const wrong[] = {"rank",     "rank",     "negative", "negative", "overflow",
                                        "overflow", "overflow", "overflow", "negative"};
    const gr_shape bad[] = {GR_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1), {99, {0}}, GR_SHAPE(2, -9), GR_SHAPE(INT64_MIN), GR_SHAPE(big, big),
                            GR_SHAPE(INT64_C(1) << 62), GR_SHAPE(INT64_MAX), GR_SHAPE(big, big, big, big, big, big, big, big),
                            GR_SHAPE(-1)};
    if (k >= 9 - (strchr(arg->refused, '-') != NULL)) return NULL;
    return *shape = bad[k], wrong[k];
}

static const char *bad_integer(const misuse_argument *arg, int k, int64_t *n)
{
    const int64_t least = arg->narrow ? INT_MIN : INT64_MIN, most = arg->narrow ? INT_MAX - 1 : INT64_MAX; /* GR_ALL is INT_MAX */
    int64_t bad[4];
    int count = 0, low = 0;
    if (arg->least > least) bad[count++] = arg->least - 1, bad[count++] = least, low = 2;
    if (arg->most < most) bad[count++] = arg->most + 1, bad[count++] = most;
    if (k >= count) return NULL;
    return *n = bad[k], k < low ? "low" : "high";
}

static const char *bad_real(const misuse_argument *arg, int k, double *x)
{
    static const struct {
        char letter;
        double value;
        const char *wrong;
    } bad[] = {{'N', (double)NAN, "nan"}, {'I', (double)INFINITY, "infinite"}, {'J', -(double)INFINITY, "infinite"},
               {'M', -1, "negative"},     {'B', 2, "high"},                    {'0', 0, "zero"}};
    if (k >= (int)strlen(arg->refused)) return NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (bad[i].letter == arg->refused[k]) return *x = bad[i].value, bad[i].wrong;
    ck_abort_msg("%c is no number", arg->refused[k]);
}

static const char *bad_number(const misuse_argument *arg, int k, gr_value *v)
{
    double x = 0;
    if (k == 0) return *v = gr_value_tensor(g.s), "operand";
    if (k == 1) return *v = gr_value_null(NULL), "NULL";
    const char *wrong = bad_real(arg, k - 2, &x);
    if (wrong) *v = isfinite(x) ? number(x) : gr_value_real(x);
    return wrong;
}

static const char *bad_dtype(const misuse_argument *arg, int k, gr_dtype *dtype)
{
    const gr_dtype bad[] = {GR_DTYPES, (gr_dtype)99, (gr_dtype)-2, (gr_dtype)INT_MIN, GR_INT64, GR_INT32, GR_UINT8, GR_BOOL};
    if (k >= (*arg->refused ? 8 : 4)) return NULL;
    return *dtype = bad[k], k < 4 ? "unknown" : "operand";
}

static const char *bad_value(const misuse_argument *arg, int k, misuse_value *v)
{
    const gr_device devices[] = {{2, 0}, {0, 1}, {-3, 0}}; /* CUDA: see test_errors.c */
    gr_module *const modules[] = {NULL, g.dead_module, g.gone_module};
    gr_optim *const optims[] = {NULL, g.dead_optim, g.gone_optim};
    switch (arg->kind) {
    case TENSOR: return bad_tensor(arg, k, &v->tensor);
    case LIST: return bad_list(arg, k, &v->list);
    case MODULE: return k < 3 ? v->module = modules[k], k ? "dead" : "NULL" : NULL;
    case OPTIM: return k < 3 ? v->optim = optims[k], k ? "dead" : "NULL" : NULL;
    case SHAPE: return bad_shape(arg, k, &v->shape);
    case INTEGER: return bad_integer(arg, k, &v->integer);
    case REAL: return bad_real(arg, k, &v->real);
    case NUMBER: return bad_number(arg, k, &v->number);
    case DTYPE: return bad_dtype(arg, k, &v->dtype);
    case DEVICE: return k < 3 ? v->device = devices[k], "device" : NULL;
    case TEXT: return k < 1 ? v->text = NULL, "NULL" : NULL;
    case POINTER: return k < 1 ? v->pointer = NULL, "NULL" : NULL;
    }
    return NULL;
}

/* ---- the tests ---- */

/* Calls see(row, values, what is wrong with the argument) for each bad value of each argument. */
static void each_bad_call(const misuse_table *table, void (*see)(const misuse_row *, const misuse_value *, const misuse_case *))
{
    for (const misuse_row *row = table->row; row < table->row + table->count; row++)
        for (int i = 0; i < MISUSE_ARGUMENTS && row->argument[i].kind; i++) {
            misuse_value a[MISUSE_ARGUMENTS];
            misuse_case what = {row->symbol, row->op, row->argument[i].name, NULL};
            good_values(row, a);
            for (int k = 0; (what.wrong = bad_value(&row->argument[i], k, &a[i])); k++) see(row, a, &what);
        }
}

static void expect_refused(const misuse_row *row, const misuse_value *a, const misuse_case *what)
{
    char call[128];
    snprintf(call, sizeof call, "%s, %s is wrong: %s", row->op, what->argument, what->wrong);
    misuse_case_begin();
    const bool refused = row->refused(a);
    misuse_case_end(what, call, refused);
}

START_TEST(a_wrong_argument_is_refused_by_name_and_changes_nothing)
{
    each_bad_call(tables[_i], expect_refused);
    ck_assert_msg(!misuse_complaints(), "%s", misuse_complaints());
}
END_TEST

START_TEST(a_call_that_is_not_possible_is_refused_and_changes_nothing)
{
    refusals[_i]();
    ck_assert_msg(!misuse_complaints(), "%s", misuse_complaints());
}
END_TEST

START_TEST(texts_are_those_of_messages_txt)
{
    if (!on_cpu("texts_are_those_of_messages_txt: a device is in some of them")) return;
    for (int i = 0; i < TABLES; i++) each_bad_call(tables[i], expect_refused);
    for (int i = 0; i < REFUSALS; i++) refusals[i]();
    for (int i = 0; i < TABLES; i++)
        for (int k = 0; k < tables[i]->count; k++) misuse_note_row(tables[i]->row[k].symbol);
    ck_assert_int_ge(misuse_cases(), 2500);
    misuse_write_covered();
    misuse_compare_texts("tests/messages.txt");
}
END_TEST

START_TEST(good_arguments_are_accepted)
{
    for (const misuse_row *row = tables[_i]->row; row < tables[_i]->row + tables[_i]->count; row++) {
        misuse_value a[MISUSE_ARGUMENTS];
        misuse_begin();
        good_values(row, a);
        const bool refused = row->refused(a);
        ck_assert_msg(!refused && !gr_error(), "%s: %s", row->symbol, gr_error() ? gr_error() : "is refused without an error");
        misuse_end();
    }
}
END_TEST

/* ---- while an error stands ---- */

static void expect_silence(const misuse_row *row, const misuse_value *a, const misuse_case *what)
{
    const misuse_picture before = misuse_look();
    ck_assert_msg(row->refused(a), "%s, %s is wrong: %s: must fail", row->op, what->argument, what->wrong);
    ck_assert_msg(!misuse_first_is_gone(), "%s, %s is wrong: %s: %s", row->op, what->argument, what->wrong, misuse_first_is_gone());
    const misuse_picture after = misuse_look();
    const char *changed = misuse_difference(&before, &after);
    ck_assert_msg(!changed, "%s, %s is wrong: %s: %s", row->op, what->argument, what->wrong, changed);
}

START_TEST(what_follows_a_failed_call_is_silent)
{
    misuse_begin();
    misuse_fail_first();
    each_bad_call(tables[_i], expect_silence);
    misuse_end();
}
END_TEST

/* What changes what lasts does nothing; what makes or looks goes on. */
START_TEST(a_standing_error_stops_what_lasts_and_nothing_else)
{
    for (const misuse_row *row = tables[_i]->row; row < tables[_i]->row + tables[_i]->count; row++) {
        misuse_value a[MISUSE_ARGUMENTS];
        misuse_begin();
        good_values(row, a);
        misuse_seed();
        misuse_fail_first();
        const misuse_picture before = misuse_look();
        const bool refused = row->refused(a);
        ck_assert_msg(refused == row->lasting, "%s must %s while an error stands", row->op, row->lasting ? "fail" : "go on");
        ck_assert_msg(!misuse_first_is_gone(), "%s: %s", row->op, misuse_first_is_gone());
        gr_error_clear();
        if (row->lasting) {
            const misuse_picture after = misuse_look();
            const char *changed = misuse_difference(&before, &after);
            if (!changed && misuse_seed_is_spent()) changed = "a random number was drawn";
            ck_assert_msg(!changed, "%s: %s", row->op, changed);
        }
        misuse_end();
    }
}
END_TEST

Suite *misuse_suite(void)
{
    Suite *suite = suite_create("misuse");
    TCase *one_world = tcase_create("misuse"), *standing = tcase_create("standing");
    tcase_add_checked_fixture(one_world, misuse_begin, misuse_end);
    tcase_add_loop_test(one_world, a_wrong_argument_is_refused_by_name_and_changes_nothing, 0, TABLES);
    tcase_add_loop_test(one_world, a_call_that_is_not_possible_is_refused_and_changes_nothing, 0, REFUSALS);
    tcase_add_test(one_world, texts_are_those_of_messages_txt);
    tcase_add_loop_test(standing, good_arguments_are_accepted, 0, TABLES);
    tcase_add_loop_test(standing, what_follows_a_failed_call_is_silent, 0, TABLES);
    tcase_add_loop_test(standing, a_standing_error_stops_what_lasts_and_nothing_else, 0, TABLES);
    TCase *const all[] = {one_world, standing};
    for (int i = 0; i < 2; i++) suite_add_tcase(suite, all[i]);
    return suite;
}
