/* csv_reference.c - the rules of core/csv.h as a plain program: the text is cut into fields, then each is looked at. */
#include "tests/fuzz/csv_reference.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct {
    char *text; /* ends with a zero */
    long line, column, row_line;
    bool quoted, ends_row;
} field;

typedef struct {
    const char *text;
    size_t length, at;
    long line, column;
    char delimiter;
    field *field;
    size_t count, room;
    csv_table *result;
} parser;

static void *more(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes ? bytes : 1);
    if (!memory) abort();
    return memory;
}

/* The first offence counts. */
static bool wrong(parser *p, long line, long column)
{
    p->result->verdict = CSV_WRONG;
    p->result->line = line;
    p->result->column = column;
    return false;
}

/* ---- bytes: -1 at the end ---- */

static int next(const parser *p)
{
    return p->at < p->length ? (unsigned char)p->text[p->at] : -1;
}

static void pass(parser *p)
{
    const bool line_feed = p->text[p->at++] == '\n';
    p->line += line_feed;
    p->column = line_feed ? 1 : p->column + 1;
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t';
}

static void pass_blanks(parser *p)
{
    while (is_blank(next(p)) && next(p) != p->delimiter) pass(p);
}

/* ---- fields ---- */

/* Up to the closing quote, which is passed; "" inside stands for one quote. */
static bool quoted_text(parser *p, char *to)
{
    const long line = p->line, column = p->column;
    for (pass(p);; pass(p)) {
        const int c = next(p);
        if (c < 0) return wrong(p, line, column);
        if (c == 0) return wrong(p, p->line, p->column);
        if (c == '"') {
            pass(p);
            if (next(p) != '"') return true;
        }
        *to++ = (char)c;
    }
}

static bool plain_text(parser *p, char *to)
{
    for (int c; (c = next(p)) >= 0 && c != p->delimiter && c != '\n' && c != '\r'; pass(p)) {
        if (c == 0) return wrong(p, p->line, p->column);
        *to++ = (char)c;
    }
    return true;
}

/* What stands between two fields: a delimiter, or the end of the row. */
static bool field_end(parser *p, bool *ends_row)
{
    const long line = p->line, column = p->column;
    const int c = next(p);
    *ends_row = c != p->delimiter;
    if (c < 0) return true;
    if (c != p->delimiter && c != '\n' && c != '\r') return wrong(p, line, column);
    pass(p);
    if (c != '\r') return true;
    if (next(p) == 0) return wrong(p, p->line, p->column);
    if (next(p) != '\n') return wrong(p, line, column);
    pass(p);
    return true;
}

static bool read_field(parser *p, long row_line)
{
    if (p->count == p->room) p->field = more(p->field, (p->room = 2 * p->room + 16) * sizeof *p->field);
    field *f = &p->field[p->count++];
    *f = (field){.line = p->line, .column = p->column, .row_line = row_line};
    pass_blanks(p);
    f->text = more(NULL, p->length - p->at + 1);
    memset(f->text, 0, p->length - p->at + 1);
    f->quoted = next(p) == '"';
    if (f->quoted ? !quoted_text(p, f->text) : !plain_text(p, f->text)) return false;
    if (f->quoted) pass_blanks(p);
    return field_end(p, &f->ends_row);
}

static void trim(char *text)
{
    size_t skip = 0, length = strlen(text);
    while (is_blank(text[skip])) skip++;
    memmove(text, text + skip, length - skip + 1);
    for (length -= skip; length && is_blank(text[length - 1]);) text[--length] = '\0';
}

/* Cuts all of the text; rows that hold one empty field and no quote are blank lines, and forgotten. */
static bool read_fields(parser *p)
{
    while (p->at < p->length) {
        const size_t first = p->count;
        const long row_line = p->line;
        do
            if (!read_field(p, row_line)) return false;
        while (!p->field[p->count - 1].ends_row);
        for (size_t i = first; i < p->count; i++) trim(p->field[i].text);
        const long fields = (long)(p->count - first);
        if (fields == 1 && !p->field[first].quoted && !*p->field[first].text)
            free(p->field[--p->count].text);
        else if (p->result->columns && fields != p->result->columns)
            return wrong(p, row_line, 0);
        else
            p->result->columns = fields, p->result->rows++;
    }
    return true;
}

/* ---- numbers ---- */

typedef enum { NO_NUMBER, FINITE, NONFINITE } number_kind;

/* [+-] digits [. digits] [e [+-] digits], with a digit before or after the point; or a word. */
static number_kind kind_of(const char *s)
{
    static const char *const word[] = {"nan", "inf", "infinity"};
    if (*s == '+' || *s == '-') s++;
    for (int i = 0; i < 3; i++)
        if (!strcasecmp(s, word[i])) return NONFINITE;
    int digits = 0;
    for (; isdigit((unsigned char)*s); s++) digits++;
    if (*s == '.')
        for (s++; isdigit((unsigned char)*s); s++) digits++;
    if (!digits) return NO_NUMBER;
    if (*s == 'e' || *s == 'E') {
        s++;
        if (*s == '+' || *s == '-') s++;
        if (!isdigit((unsigned char)*s)) return NO_NUMBER;
        while (isdigit((unsigned char)*s)) s++;
    }
    return *s ? NO_NUMBER : FINITE;
}

/* The nearest bfloat16, of two equally near ones the even: it is a float whose lower 16 bits are zero. */
static double to_bfloat16(float x)
{
    uint32_t bits;
    if (!isfinite(x)) return (double)x;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t below = bits & 0xffff0000u, above = below + 0x10000u, low = bits & 0xffffu;
    const uint32_t chosen = low > 0x8000u || (low == 0x8000u && (below >> 16 & 1)) ? above : below;
    memcpy(&x, &chosen, sizeof x);
    return (double)x;
}

static bool real_of(const char *s, number_kind kind, const gr_read_csv_args *args, double *value)
{
    *value = args->dtype == GR_FLOAT64    ? strtod(s, NULL)
             : args->dtype == GR_FLOAT32 ? (double)strtof(s, NULL)
                                         : to_bfloat16(strtof(s, NULL));
    return kind == NONFINITE ? args->allow_nonfinite : isfinite(*value);
}

/* The digits before the point, when the exponent has moved it, without leading zeros; false when any stand behind it, or
 * more than 19 before it. */
static bool whole_digits(const char *s, char digits[20])
{
    const char *e = strpbrk(s, "eE"), *end = e ? e : s + strlen(s), *point = memchr(s, '.', (size_t)(end - s));
    double before = (double)((point ? point : end) - s) + (e ? strtod(e + 1, NULL) : 0);
    size_t count = 0;
    for (; s < end || (before > 0 && count); s += s < end) {
        if (s < end && *s == '.') continue;
        const char digit = s < end ? *s : '0';
        if (before-- <= 0 && digit != '0') return false;
        if (before < 0 || (digit == '0' && count == 0)) continue;
        if (count == 19) return false;
        digits[count++] = digit;
    }
    digits[count] = '\0';
    return true;
}

/* Compared with the dtype's last number on either side of 0 as text. */
static bool integer_of(const char *s, gr_dtype dtype, int64_t *value)
{
    static const char *const last[2][GR_DTYPES] = {
        {[GR_INT64] = "9223372036854775807", [GR_INT32] = "2147483647", [GR_UINT8] = "255", [GR_BOOL] = "1"},
        {[GR_INT64] = "9223372036854775808", [GR_INT32] = "2147483648", [GR_UINT8] = "", [GR_BOOL] = ""}};
    const bool negative = *s == '-';
    const char *most = last[negative][dtype];
    char digits[20];
    if (!whole_digits(s + (*s == '+' || *s == '-'), digits)) return false;
    const size_t length = strlen(digits);
    if (length > strlen(most) || (length == strlen(most) && strcmp(digits, most) > 0)) return false;
    const uint64_t magnitude = strtoull(digits, NULL, 10);
    *value = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

static bool read_numbers(parser *p, const gr_read_csv_args *args)
{
    csv_table *t = p->result;
    const bool is_real = args->dtype == GR_FLOAT32 || args->dtype == GR_FLOAT64 || args->dtype == GR_BFLOAT16;
    const size_t header = args->skip_header ? (size_t)t->columns : 0, count = p->count - header;
    t->rows -= args->skip_header;
    t->real = more(NULL, count * sizeof *t->real);
    t->integer = more(NULL, count * sizeof *t->integer);
    for (size_t i = 0; i < count; i++) {
        const field *f = &p->field[header + i];
        const number_kind kind = kind_of(f->text);
        if (kind == NO_NUMBER || (is_real ? !real_of(f->text, kind, args, &t->real[i])
                                          : kind == NONFINITE || !integer_of(f->text, args->dtype, &t->integer[i])))
            return wrong(p, f->line, f->column);
    }
    return true;
}

csv_table csv_expect(const char *text, size_t length, const gr_read_csv_args *args)
{
    csv_table table = {.verdict = CSV_ACCEPTED};
    const bool mark = length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3);
    parser p = {.text = text + 3 * mark, .length = length - 3 * mark, .line = 1, .column = 1,
                .delimiter = args->delimiter, .result = &table};
    if (read_fields(&p)) {
        if (table.rows <= args->skip_header) table.verdict = CSV_WITHOUT_ROWS;
        else read_numbers(&p, args);
    }
    for (size_t i = 0; i < p.count; i++) free(p.field[i].text);
    free(p.field);
    return table;
}

void csv_forget(csv_table *table)
{
    free(table->real);
    free(table->integer);
}
