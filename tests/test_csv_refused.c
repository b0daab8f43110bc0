/* test_csv_refused.c - files that gr_read_csv must refuse, or may: broken, hostile, changing; and what the refusal says. */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/allocation.h"
#include "tests/csv_file.h"

/* ---- texts that are no table ---- */

START_TEST(empty_files_are_refused)
{
    ASSERT_TEXT_REFUSED("", ": number of rows is 0; must be 1 or more");
    ASSERT_TEXT_REFUSED("\n\r\n  \n", ": number of rows is 0; must be 1 or more");
    ASSERT_TEXT_REFUSED("\xef\xbb\xbf", ": number of rows is 0; must be 1 or more");
    write_text("a,b\n");
    ASSERT_REFUSED(": number of rows is 0; must be 1 or more", .skip_header = true);
    write_text("");
    ASSERT_REFUSED(": number of rows is 0; must be 1 or more", .skip_header = true);
}
END_TEST

START_TEST(number_of_fields_must_be_constant)
{
    ASSERT_TEXT_REFUSED("1,2,3,4,5\n1,2,3,4\n", ":2: 4 fields; must be 5 as in line 1");
    ASSERT_TEXT_REFUSED("\n1,2\n\n1,2,3\n", ":4: 3 fields; must be 2 as in line 2");
    ASSERT_TEXT_REFUSED("1,2\n1\n", ":2: 1 field; must be 2 as in line 1");
    write_text("\"a\nb\",c\n1,2\n3\n");
    ASSERT_REFUSED(":4: 1 field; must be 2 as in line 1", .skip_header = true);
    write_text("a\n1,2\n");
    ASSERT_REFUSED(":2: 2 fields; must be 1 as in line 1", .skip_header = true);
}
END_TEST

START_TEST(what_is_no_number_is_shown_with_its_place)
{
    static const char *const words[] = {"x",     "5.1x",   "0x10", "1e",  "1e+",     "e5",
                                        ".",     "-",      "+-1",  "1 2", "1.2.3",   "1_000",
                                        "1f",    "nan(1)", "nans", "in",  "infinit", "--1",
                                        "1e1.5", "0x1p3",  "#1",   "NA",  "-."};
    char text[64], after[96];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        snprintf(text, sizeof text, "1.5,2\n3, %s \n", words[i]);
        snprintf(after, sizeof after, ":2:3: field is \"%s\"; must be a number", words[i]);
        write_text(text);
        ASSERT_REFUSED(after, .allow_nonfinite = true);
    }
    write_text("5.1;3.5;5,1x\n");
    ASSERT_REFUSED(":1:9: field is \"5,1x\"; must be a number", .delimiter = ';');
    ASSERT_TEXT_REFUSED("1,,2\n", ":1:3: field is \"\"; must be a number");
    ASSERT_TEXT_REFUSED("1,2,\n", ":1:5: field is \"\"; must be a number");
    ASSERT_TEXT_REFUSED("1,", ":1:3: field is \"\"; must be a number");
    ASSERT_TEXT_REFUSED("1\n\"\"\n", ":2:1: field is \"\"; must be a number");
    ASSERT_TEXT_REFUSED("\xef\xbb\xbfx\n", ":1:1: field is \"x\"; must be a number");
    ASSERT_TEXT_REFUSED("a\xc3\xa4\x01\t\\b\"\n",
                        ":1:1: field is \"a\\xc3\\xa4\\x01\\t\\\\b\\\"\"; must be a number");
    ASSERT_TEXT_REFUSED("\xff\xfe"
                        "1\n",
                        ":1:1: field is \"\\xff\\xfe1\"; must be a number");
    ASSERT_TEXT_REFUSED(
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\n",
        ":1:1: field is \"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefgh...\"; must "
        "be a number");
}
END_TEST

START_TEST(quotes_must_be_closed_and_end_the_field)
{
    ASSERT_TEXT_REFUSED("1,\"2\n3,4\n", ":1:3: quote is open to the end; must be closed");
    ASSERT_TEXT_REFUSED("\"", ":1:1: quote is open to the end; must be closed");
    ASSERT_TEXT_REFUSED("\"1\"\"", ":1:1: quote is open to the end; must be closed");
    ASSERT_TEXT_REFUSED("\"1\"2,3\n",
                        ":1:4: text follows the quote; must be a delimiter or the line's end");
    ASSERT_TEXT_REFUSED("1\"2\n", ":1:1: field is \"1\\\"2\"; must be a number");
}
END_TEST

START_TEST(stray_bytes_are_refused)
{
    ASSERT_TEXT_REFUSED("1\r2\r",
                        ":1:2: carriage return is alone; must be followed by a line feed");
    ASSERT_TEXT_REFUSED("1,2\r", ":1:4: carriage return is alone; must be followed by a line feed");
    write_bytes("1,2\n3,\0\n", 8);
    ASSERT_REFUSED(":2:3: byte is zero; must be text", .skip_header = false);
    write_bytes("a\0b\n1\n", 6);
    ASSERT_REFUSED(":1:2: byte is zero; must be text", .skip_header = true);
    write_bytes("\"a\0", 3);
    ASSERT_REFUSED(":1:3: byte is zero; must be text", .skip_header = true);
    write_bytes("\0", 1);
    ASSERT_REFUSED(":1:1: byte is zero; must be text", .skip_header = false);
    write_bytes("1\0", 2); /* UTF-16 */
    ASSERT_REFUSED(":1:2: byte is zero; must be text", .skip_header = false);
}
END_TEST

START_TEST(lines_and_numbers_have_a_limit)
{
    enum { LIMIT = 1 << 20 };
    char *text = malloc(LIMIT + 8);
    ck_assert_ptr_nonnull(text);
    memset(text, 'h', LIMIT + 8);
    memcpy(text + LIMIT - 1, "\n2\n", 3); /* with its end just as long as a line may be */
    write_bytes(text, LIMIT + 2);
    assert_table(gr_read_csv(path, .skip_header = true), 1, 1, (double[]){2});
    text[LIMIT - 1] = 'h';
    text[LIMIT] = '\n';
    write_bytes(text, LIMIT + 1);
    ASSERT_REFUSED(":1: line is longer; must be at most 1048576 bytes", .skip_header = true);
    memset(text, '\n', LIMIT);
    text[0] = '"';
    write_bytes(text, LIMIT);
    ASSERT_REFUSED(":1:1: quote is open to the end; must be closed", .skip_header = true);
    memset(text + LIMIT, '\n', 2);
    write_bytes(text, LIMIT + 2);
    ASSERT_REFUSED(":1: line is longer; must be at most 1048576 bytes", .skip_header = true);
    memset(text, '1', 4097);
    text[1] = '.';
    text[4096] = '\n';
    write_bytes(text, 4097);
    assert_table(gr_read_csv(path, .dtype = GR_FLOAT64), 1, 1, (double[]){10. / 9});
    text[4096] = '1';
    text[4097] = '\n';
    write_bytes(text, 4098);
    ASSERT_REFUSED(
        ":1:1: field is \"1.1111111111111111111111111111111111111111111111111111111111...\"; "
        "must be a number of at most 4096 characters",
        .skip_header = false);
    free(text);
}
END_TEST

static void assert_path_refused(const char *name, const char *must)
{
    char text[512];
    ck_assert_ptr_null(gr_read_csv(name));
    const int line = __LINE__ - 1;
    snprintf(text, sizeof text, "%s:%d: read_csv: path is %s", gr_file_name(__FILE__), line, must);
    ck_assert_str_eq(gr_error(), text);
    gr_error_clear();
}

START_TEST(only_regular_files_are_read)
{
    char must[256], fifo[64];
    const int free_before = lowest_free_descriptor();
    assert_path_refused(NULL, "NULL; must name a file");
    assert_path_refused("", "\"\": No such file or directory; must be a file that can be read");
    assert_path_refused("/tmp", "\"/tmp\", a directory; must be a regular file");
    assert_path_refused("/dev/zero", "\"/dev/zero\", a device; must be a regular file");
    assert_path_refused("/dev/null/x",
                        "\"/dev/null/x\": Not a directory; must be a file that can be read");
    assert_path_refused(
        "no\n\"such",
        "\"no\\n\\\"such\": No such file or directory; must be a file that can be read");
    assert_path_refused(
        "/a-path-of-more-than-60-characters/whose-end-tells-more-than-its-beginning/t.csv",
        "\"...-characters/whose-end-tells-more-than-its-beginning/t.csv\": No such file or "
        "directory; "
        "must be a file that can be read");
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    snprintf(must, sizeof must, "\"%s\", a pipe; must be a regular file", fifo);
    assert_path_refused(fifo, must);
    unlink(fifo);
    if (geteuid() != 0) { /* root reads everything */
        write_text("1\n");
        chmod(path, 0);
        snprintf(must, sizeof must, "\"%s\": Permission denied; must be a file that can be read",
                 path);
        assert_path_refused(path, must);
    }
    ck_assert_int_eq(lowest_free_descriptor(), free_before);
}
END_TEST

START_TEST(arguments_are_checked)
{
    static const char bad[] = {'1', 'e', 'Z', '+', '-', '.', '"', '\n', '\r', '\0', '\x7f', '\xe4'};
    write_text("1\n");
    for (size_t i = 0; i < sizeof bad; i++) {
        ck_assert_ptr_null(gr_read_csv(path, .delimiter = bad[i]));
        ck_assert_ptr_nonnull(strstr(gr_error(), ": read_csv: delimiter is '"));
        ck_assert_ptr_nonnull(strstr(
            gr_error(), "'; must be a tab, a blank or a punctuation mark other than + - . \""));
        gr_error_clear();
    }
    ck_assert_ptr_null(gr_read_csv(path, .dtype = GR_DTYPES));
    ck_assert_ptr_nonnull(strstr(
        gr_error(), "dtype is unknown; must be float32, float64, bfloat16, int64, int32, uint8 or bool"));
    gr_error_clear();
}
END_TEST

/* ---- files nobody vouches for ---- */

/* Whether the pending error has the form "file:line: read_csv: what is; must ...". */
static bool error_has_its_form(void)
{
    const char *error = gr_error();
    return error && !strncmp(error, "test_csv_refused.c:", 19) && strstr(error, ": read_csv: \"") && strstr(error, "; must ");
}

static const char iris[] =
    "sepal length,\"sepal \"\"width\"\"\",petal length,petal width,species\r\n"
    "5.1,3.5,1.4,0.2,0\r\n4.9,3.0,1.4,0.2,0\n4.7,3.2,1.3,.2,0\n\n4.6,3.1,1.5,2e-1,0\n"
    "\"5.0\",3.6,1.4,0.2,0\n5.4, 3.9 ,1.7,0.4,0\n4.6,3.4,1.4,0.3,0\n5.0,3.4,1.5,0.2,0\n"
    "7.0,3.2,4.7,1.4,1\n6.4,3.2,4.5,1.5,1\n6.9,3.1,4.9,1.5,1\n5.5,2.3,4.0,1.3,1\n"
    "6.5,2.8,4.6,1.5,1\n5.7,2.8,4.5,1.3,1\n6.3,3.3,4.7,1.6,1\n4.9,2.4,3.3,1.0,1\n"
    "6.3,3.3,6.0,2.5,2\n5.8,2.7,5.1,1.9,2\n7.1,3.0,5.9,2.1,2\n6.3,2.9,5.6,1.8,2\n"
    "6.5,3.0,5.8,2.2,2\n7.6,3.0,6.6,2.1,2\n4.9,2.5,4.5,1.7,2\n7.3,2.9,6.3,1.8,2\n"
    "-6.7,+2.5,5.8e0,18E-1,2\r\n7.2,3.6,6.1,2.5,\"2\"\n";

/* Loads path; true when a table of at least one row came of it, false after an error in the right
 * form. */
static bool loads(gr_dtype dtype, bool allow_nonfinite)
{
    gr_scope scope = gr_scope_begin();
    gr_tensor *t =
        gr_read_csv(path, .skip_header = true, .dtype = dtype, .allow_nonfinite = allow_nonfinite);
    const bool loaded = t != NULL;
    if (t) {
        ck_assert_ptr_null(gr_error());
        ck_assert_int_ge(gr_size(t, 0), 1);
        for (int64_t i = 0; i < gr_size(t, 0) && !allow_nonfinite; i++)
            for (int64_t j = 0; j < gr_size(t, 1); j++) ck_assert(isfinite(gr_at(t, i, j)));
    } else
        ck_assert_msg(error_has_its_form(), "%s", gr_error());
    gr_error_clear();
    gr_scope_end(scope);
    return loaded;
}

START_TEST(every_truncation_loads_or_is_refused)
{
    const int free_before = lowest_free_descriptor();
    for (size_t length = 0; length < sizeof iris; length++) {
        write_bytes(iris, length);
        const char *head_end = strchr(iris, '\n') + 1;
        const bool loaded = loads(GR_FLOAT32, false);
        if ((size_t)(head_end - iris) >= length) ck_assert(!loaded);
        if (length >= sizeof iris - 2) ck_assert(loaded);
    }
    ck_assert_int_eq(lowest_free_descriptor(), free_before);
}
END_TEST

START_TEST(every_flipped_bit_loads_or_is_refused)
{
    const int free_before = lowest_free_descriptor();
    char text[sizeof iris];
    int loaded = 0, refused = 0;
    for (size_t i = 0; i < sizeof iris - 1; i++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(text, iris, sizeof iris);
            text[i] = (char)(text[i] ^ 1 << bit);
            write_bytes(text, sizeof iris - 1);
            if (loads(bit % 2 ? GR_FLOAT64 : GR_FLOAT32, bit % 3 == 0))
                loaded++;
            else
                refused++;
        }
    ck_assert_int_gt(loaded, 100);
    ck_assert_int_gt(refused, 1000);
    ck_assert_int_eq(lowest_free_descriptor(), free_before);
}
END_TEST

START_TEST(a_file_refused_after_half_the_rows_leaves_nothing)
{
    gr_scope scope = gr_scope_begin();
    int64_t live = 0; /* allocations */
    const uint32_t owned = gr_self()->owned_count;
    write_text("1,2\n3,4\n5,x\n");
    for (int i = 0; i < 1000; i++) {
        ck_assert_ptr_null(gr_read_csv(path));
        ck_assert(error_has_its_form());
        gr_error_clear();
        if (i == 0) live = allocation_live(); /* the pool is warm */
    }
    ck_assert_int_gt(live, 0);
#ifndef GR_DEBUG /* where each header is a new one */
    ck_assert_int_eq(allocation_live(), live);
#endif
    ck_assert_uint_eq(gr_self()->owned_count, owned);
    write_text("1,2\n3,4\n5,6\n");
    assert_table(gr_read_csv(path), 3, 2, (double[]){1, 2, 3, 4, 5, 6});
    gr_scope_end(scope);
}
END_TEST

/* A second process cuts, rewrites and restores the file while it is read: any outcome but a crash,
 * a hang or a table of the wrong width will do. */
START_TEST(a_file_that_changes_while_it_is_read_is_refused_or_read)
{
    enum { ROWS = 20000 };
    const pid_t parent = getpid();
    write_text("1,2\n");
    const pid_t child = fork();
    ck_assert_int_ge(child, 0); /* kill(-1) would reach all processes there are */
    if (child == 0) {
        char rows[ROWS * 4];
        for (size_t i = 0; i < sizeof rows; i++) rows[i] = "1,2\n"[i % 4];
        const int file = open(path, O_RDWR);
        while (getppid() == parent) {
            if (pwrite(file, rows, sizeof rows, 0) < 0 || ftruncate(file, 4 * 997) ||
                pwrite(file, "\n3,4", 4, 400) < 0 || ftruncate(file, 12))
                _exit(1);
        }
        _exit(0);
    }
    for (int i = 0; i < 500; i++) {
        gr_scope scope = gr_scope_begin();
        gr_tensor *t = gr_read_csv(path);
        if (t)
            ck_assert_int_eq(gr_size(t, 1), 2);
        else
            ck_assert_msg(error_has_its_form(), "%s", gr_error());
        gr_error_clear();
        gr_scope_end(scope);
    }
    int status = 0;
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status)); /* it was at work until then */
}
END_TEST

/* What the file holds when the second pass begins; and whether one read fails then, or at the first pass. */
static const char *later;
static int reads, failing_read;
ssize_t __real_pread(int file, void *bytes, size_t count, off_t at);
ssize_t __wrap_pread(int file, void *bytes, size_t count, off_t at);
ssize_t __wrap_pread(int file, void *bytes, size_t count, off_t at)
{
    reads++;
    if (later && reads == 2) write_text(later);
    if (reads == failing_read) {
        errno = EIO;
        return -1;
    }
    return __real_pread(file, bytes, count, at);
}

START_TEST(a_file_that_changes_between_the_passes_is_refused)
{
    static const struct {
        const char *text, *after;
    } changed[] = {{"1\n2\n3\n", ": has changed since it was opened; must stay as it is"}, /* more rows */
                   {"11222\n", ": has changed since it was opened; must stay as it is"},   /* fewer */
                   {"1,1\n2\n", ": has changed since it was opened; must stay as it is"}, /* more columns */
                   {"11\nx2\n", ":2:1: field is \"x2\"; must be a number"},
                   {"", ": is shorter than when it was opened; must stay as it is"}};
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) {
        write_text("11\n22\n");
        later = changed[i].text;
        reads = 0;
        ck_assert_ptr_null(gr_read_csv(path));
        assert_error(changed[i].after, __FILE__, __LINE__ - 1);
        ck_assert_int_ge(reads, 2);
    }
    later = NULL;
}
END_TEST

START_TEST(a_read_that_fails_once_fails_the_call)
{
    write_text("11\n22\n");
    for (failing_read = 1; failing_read <= 2; failing_read++) {
        reads = 0;
        ck_assert_ptr_null(gr_read_csv(path));
        assert_error(": reading fails; must be a file that can be read", __FILE__, __LINE__ - 1);
    }
    failing_read = 0;
}
END_TEST

Suite *csv_refused_suite(void)
{
    const TTest *const tests[] = {empty_files_are_refused,
                                  number_of_fields_must_be_constant,
                                  what_is_no_number_is_shown_with_its_place,
                                  quotes_must_be_closed_and_end_the_field,
                                  stray_bytes_are_refused,
                                  lines_and_numbers_have_a_limit,
                                  only_regular_files_are_read,
                                  arguments_are_checked,
                                  every_truncation_loads_or_is_refused,
                                  every_flipped_bit_loads_or_is_refused,
                                  a_file_refused_after_half_the_rows_leaves_nothing,
                                  a_file_that_changes_while_it_is_read_is_refused_or_read,
                                  a_file_that_changes_between_the_passes_is_refused,
                                  a_read_that_fails_once_fails_the_call};
    Suite *suite = suite_create("csv_refused");
    TCase *group = tcase_create("csv_refused");
    tcase_add_checked_fixture(group, set_up, tear_down);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tcase_add_test(group, tests[i]);
    suite_add_tcase(suite, group);
    return suite;
}
