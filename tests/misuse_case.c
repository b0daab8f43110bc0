/* misuse_case.c - what is looked at when a call has been refused, and the texts of all that were. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/internal.h"
#include "tests/misuse.h"

/* ---- complaints ---- */

static int cases, complaints;
static char complaint_text[2 << 10]; /* the rest goes to stderr */

static void complain(int line, const char *call, const char *reason)
{
    const size_t used = strlen(complaint_text);
    const char *text = gr_error() ? gr_error() : "";
    snprintf(complaint_text + used, sizeof complaint_text - used, "\n  line %d, %s: %s. %s", line, call, reason, text);
    if (used + 1 == sizeof complaint_text) fprintf(stderr, "  line %d, %s: %s. %s\n", line, call, reason, text);
    complaints++;
}

const char *misuse_complaints(void)
{
    static char text[sizeof complaint_text + 64];
    snprintf(text, sizeof text, "%d of %d cases:%s", complaints, cases, complaint_text);
    return complaints ? text : NULL;
}

int misuse_cases(void)
{
    return cases;
}

/* ---- texts ---- */

const char *misuse_file;
int misuse_line;

/* Whether the word stands in the text, and not as a part of another. */
static bool has_word(const char *text, const char *word)
{
    const size_t length = strlen(word);
    const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    for (const char *p = text; (p = strstr(p, word)); p++)
        if ((p == text || !strchr(letters, p[-1])) && (!p[length] || !strchr(letters, p[length]))) return true;
    return false;
}

/* "file:line: op: what is; what must be": the reason why it is not. */
static const char *wrong_form(const char *text, const char *op, const char *argument)
{
    char begin[256];
    snprintf(begin, sizeof begin, "%s:%d: ", gr_file_name(misuse_file), misuse_line);
    if (strncmp(text, begin, strlen(begin)) != 0) return "does not begin with the call's file and line";
    const char *p = text + strlen(begin);
    const size_t length = strlen(op);
    if (strncmp(p, op, length) != 0 || strncmp(p + length, ": ", 2) != 0) return "has not the call's name";
    p += length + 2;
    const char *must = strstr(p, "; ");
    if (!must || must == p || !has_word(must, "must")) return "does not say what is and what must be";
    if (argument && !has_word(p, argument)) return "does not name the argument";
    if (strpbrk(text, "\n!") || strlen(text) > 500) return "is no short line";
    return NULL;
}

enum { MOST = 8000 };
typedef struct {
    char *key, *value;
} pair;
typedef struct {
    pair item[MOST];
    int count;
} pairs;
static pairs texts, covered; /* text and call; "symbol argument" and what was wrong */

static void add_pair(pairs *list, const char *key, const char *value)
{
    for (int i = 0; i < list->count; i++)
        if (!strcmp(list->item[i].key, key) && !strcmp(list->item[i].value, value)) return;
    ck_assert_int_lt(list->count, MOST);
    pair *p = &list->item[list->count++];
    ck_assert(((p->key = strdup(key)) != NULL) && ((p->value = strdup(value)) != NULL));
}

static int by_key(const void *a, const void *b)
{
    const pair *p = a, *q = b;
    const int order = strcmp(p->key, q->key);
    return order ? order : strcmp(p->value, q->value);
}

/* Rows of elementwise.def say the same, each by its own name: they are one entry, that of their kind. */
static const char *kind_of(const char *op)
{
    static const char *const rows[][2] = {
#define UNARY(name, ...) {#name, "UNARY"}, {#name "_", "UNARY_"},
#define PREDICATE(name, ...) {#name, "PREDICATE"},
#define BINARY(name, ...) {#name, "BINARY"}, {#name "_", "BINARY_"},
#define COMPARE(name, ...) {#name, "COMPARE"},
#define TERNARY(name, ...) {#name, "TERNARY"},
#include "core/elementwise.def"
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!strcmp(rows[i][0], op)) return rows[i][1];
    return op;
}

/* Keeps the text without file, line and call; places inside become "file:line". */
static void keep_text(const char *text, const char *op)
{
    char line[1024];
    size_t used = 0;
    const char *p = strchr(strchr(text, ' '), ':') + 2; /* behind the call's name */
    while (*p && used + 16 < sizeof line) {
        size_t word = strcspn(p, " ():;,");
        if (word > 2 && !strncmp(p + word - 2, ".c", 2) && p[word] == ':') {
            memcpy(line + used, "file:line", 9);
            used += 9;
            p += word + 1;
            p += strspn(p, "0123456789");
        } else
            line[used++] = *p++;
    }
    line[used] = '\0';
    add_pair(&texts, line, kind_of(op));
}

/* The lines that messages.txt must hold: each text, and below it the calls that say it. */
static void write_texts(FILE *out)
{
    qsort(texts.item, (size_t)texts.count, sizeof texts.item[0], by_key);
    for (int i = 0, column = 0; i < texts.count; i++) {
        const pair *p = &texts.item[i];
        if (i == 0 || strcmp(p[-1].key, p->key) != 0) {
            fprintf(out, "%s%s\n   ", i ? "\n" : "", p->key);
            column = 3;
        }
        const int length = (int)strlen(p->value) + 1;
        if (column + length > 120) column = 3, fputs("\n   ", out);
        column += length;
        fprintf(out, " %s", p->value);
    }
    fputs("\n", out);
}

void misuse_compare_texts(const char *path)
{
    char *lines = NULL, expected[1024];
    size_t bytes = 0;
    FILE *made = open_memstream(&lines, &bytes), *file = fopen(path, "r");
    write_texts(made);
    fclose(made);
    const char *where = getenv("MESSAGES_OUT");
    FILE *out = where ? fopen(where, "w") : NULL;
    if (out) fputs(lines, out), fclose(out);
    ck_assert_msg(file != NULL, "%s cannot be read (run the tests in the root of the tree)", path);
    int number = 0;
    char *line = lines;
    for (; fgets(expected, sizeof expected, file); line = strchr(line, '\n') + 1) {
        number++;
        const size_t length = strcspn(line, "\n");
        ck_assert_msg(*line && length == strcspn(expected, "\n") && !strncmp(line, expected, length),
                      "%s:%d: \"%.*s\" is said, not \"%.*s\"; if that is right: MESSAGES_OUT=%s CK_RUN_SUITE=misuse build/tests/run",
                      path, number, (int)length, line, (int)strcspn(expected, "\n"), expected, path);
    }
    ck_assert_msg(!*line, "%s ends before: %s", path, line);
    fclose(file);
    free(lines);
}

void misuse_note_row(const char *symbol)
{
    char key[128];
    snprintf(key, sizeof key, "%s -", symbol);
    add_pair(&covered, key, "row");
}

void misuse_write_covered(void)
{
    const char *where = getenv("REFUSED_OUT");
    FILE *out = where ? fopen(where, "w") : NULL;
    for (int i = 0; out && i < covered.count; i++) fprintf(out, "%s %s\n", covered.item[i].key, covered.item[i].value);
    if (out) fclose(out);
}

/* ---- one case ---- */

static int handler_calls;
static char handler_text[1024];
static misuse_picture before;

static void count_call(const char *text, void *data)
{
    (void)data;
    handler_calls++;
    snprintf(handler_text, sizeof handler_text, "%s", text);
}

void misuse_listen(void)
{
    gr_set_error_handler(count_call, NULL);
}

int misuse_handler_calls(void)
{
    return handler_calls;
}

void misuse_case_begin(void)
{
    handler_calls = 0;
    before = misuse_look();
    misuse_seed();
}

static const char *wrong_error(const misuse_case *what)
{
    const gr_error_code kind = gr_error_kind();
    if (!gr_error()) return "no error";
    if (handler_calls != 1) return "the handler was not called once";
    if (strcmp(handler_text, gr_error()) != 0) return "the handler was given another text";
    if (kind != GR_ERROR_ARGUMENT && kind != GR_ERROR_STATE && kind != GR_ERROR_FILE) return "another kind of error";
    return wrong_form(gr_error(), what->op, what->argument);
}

static void note_covered(const misuse_case *what)
{
    char key[128];
    if (!what->argument) return;
    if (what->symbol) snprintf(key, sizeof key, "%s %s", what->symbol, what->argument);
    else snprintf(key, sizeof key, "gr_%s_at %s", what->op, what->argument);
    add_pair(&covered, key, what->wrong);
}

void misuse_case_end(const misuse_case *what, const char *call, bool refused)
{
    cases++;
    const bool failed = gr_error() != NULL;
    const char *wrong = refused ? wrong_error(what) : "the result is none of a failed call";
    if (wrong) complain(misuse_line, call, wrong);
    if (failed && !wrong) keep_text(gr_error(), what->op);
    if (!wrong) note_covered(what);
    gr_error_clear();
    const misuse_picture after = misuse_look();
    const char *changed = misuse_difference(&before, &after);
    if (!changed && misuse_seed_is_spent()) changed = "a random number was drawn";
    if (changed && (refused || failed)) complain(misuse_line, call, changed);
    if (gr_error()) complain(misuse_line, call, "an operand is no longer alive");
    gr_error_clear();
}

/* ---- an error that stands ---- */

static char first_text[512];

void misuse_fail_first(void)
{
    ck_assert_ptr_null(gr_matmul(g.n, g.n));
    ck_assert_ptr_nonnull(gr_error());
    snprintf(first_text, sizeof first_text, "%s", gr_error());
    handler_calls = 0;
}

const char *misuse_first_is_gone(void)
{
    if (handler_calls) return "the handler was called again";
    return gr_error() && !strcmp(gr_error(), first_text) ? NULL : "the first error is gone";
}
