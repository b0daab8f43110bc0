/* csv.c - tables of numbers in text files.
 *
 * The file is read twice by the same parser: first its structure is checked and its rows counted,
 * then the numbers go straight into the tensor, which no scope owns before it is whole. */
#include "core/csv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bfloat16.h"
#include "core/decimal.h"
#include "core/internal.h"
#include "core/tensor.h"

enum {
    LINE_LIMIT = 1 << 20,
    FIELD_LIMIT = 4096, /* of a number; names in the header may be longer */
    CHUNK = 32 << 10
};
enum { END = -1, BROKEN = -2 }; /* in place of a byte: the file has ended; an error was reported */

typedef struct {
    const gr_read_csv_args *args;
    gr_dtype dtype;
    int file;
    int64_t bytes, offset; /* of the file, and read of it */
    size_t at, filled;     /* in chunk */
    int64_t line, column;  /* of the next byte, from 1 */
    /* the row being read; quotes may stretch it over several lines */
    int64_t row_line, row_bytes;
    /* its last field, without blanks before it and quotes around it */
    int64_t field_line, field_column;
    size_t length;
    bool quoted, field_is_long;
    /* what was found */
    int64_t records, columns, columns_line; /* records: rows with the header */
    int64_t rows;                           /* counted by the first pass */
    gr_tensor *x;                           /* NULL in the first pass */
    char name[GR_SHOWN_TEXT];               /* the path as errors show it */
    char field[FIELD_LIMIT + 1];
    char chunk[CHUNK];
} csv;

/* ---- errors ---- */

static int refuse_at(const csv *c, int64_t line, int64_t column, const char *text)
{
    gr_fail(GR_ERROR_FILE, c->args->site, "read_csv", "\"%s\":%" PRId64 ":%" PRId64 ": %s", c->name,
            line, column, text);
    return BROKEN;
}

static int refuse_file(const csv *c, const char *text)
{
    gr_fail(GR_ERROR_FILE, c->args->site, "read_csv", "\"%s\": %s", c->name, text);
    return BROKEN;
}

static bool refuse_field(const csv *c, const char *must)
{
    char shown[GR_SHOWN_TEXT];
    gr_escape(c->field, c->length, shown);
    gr_fail(GR_ERROR_FILE, c->args->site, "read_csv",
            "\"%s\":%" PRId64 ":%" PRId64 ": field is \"%s\"; must be %s", c->name, c->field_line,
            c->field_column, shown, must);
    return false;
}

/* ---- bytes ---- */

static int refill(csv *c)
{
    if (c->offset >= c->bytes) return END;
    const int64_t left = c->bytes - c->offset;
    ssize_t got;
    do {
        got = pread(c->file, c->chunk, left < CHUNK ? (size_t)left : CHUNK, (off_t)c->offset);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return refuse_file(c, "reading fails; must be a file that can be read");
    if (got == 0) return refuse_file(c, "is shorter than when it was opened; must stay as it is");
    c->offset += got;
    c->filled = (size_t)got;
    c->at = 0;
    return 0;
}

/* The next byte, which take() then passes. */
static int peek(csv *c)
{
    if (gr_unlikely(c->at == c->filled)) {
        const int state = refill(c);
        if (state < 0) return state;
    }
    const unsigned char byte = (unsigned char)c->chunk[c->at];
    if (gr_unlikely(byte == 0))
        return refuse_at(c, c->line, c->column, "byte is zero; must be text");
    if (gr_likely(c->row_bytes < LINE_LIMIT)) return byte;
    gr_fail(GR_ERROR_FILE, c->args->site, "read_csv",
            "\"%s\":%" PRId64 ": line is longer; must be at most %d bytes", c->name, c->row_line,
            LINE_LIMIT);
    return BROKEN;
}

static void take(csv *c)
{
    c->row_bytes++;
    c->column++;
    if (c->chunk[c->at++] != '\n') return;
    c->line++;
    c->column = 1;
}

static bool rewind_file(csv *c)
{
    c->offset = 0;
    c->at = c->filled = 0;
    c->line = c->column = 1;
    c->row_bytes = 0;
    c->records = 0;
    const int state = refill(c);
    if (state == 0 && c->filled >= 3 && !memcmp(c->chunk, "\xef\xbb\xbf", 3)) c->at = 3; /* UTF-8's byte order mark */
    return state != BROKEN;
}

/* ---- numbers ---- */

static bool store_float(csv *c, gr_number_kind kind, int64_t i)
{
    if (kind == GR_NUMBER_NONFINITE && !c->args->allow_nonfinite)
        return refuse_field(c, "finite: .allow_nonfinite = true");
    void *data = c->x->data;
    switch (c->dtype) { /* float32 not through a double: that would round twice */
    case GR_FLOAT32: ((float *)data)[i] = strtof(c->field, NULL); break;
    case GR_FLOAT64: ((double *)data)[i] = strtod(c->field, NULL); break;
    default: ((uint16_t *)data)[i] = gr_bfloat16_round(strtof(c->field, NULL));
    }
    gr_value stored;
    if (kind == GR_NUMBER_NONFINITE || (gr_read_element(c->x, i, &stored) && isfinite(stored.real))) return true;
    char must[64];
    snprintf(must, sizeof must, "within the range of %s", gr_dtype_name[c->dtype]);
    return refuse_field(c, must);
}

static bool store_integer(csv *c, gr_number_kind kind, const gr_decimal *d, int64_t i)
{
    static const struct {
        uint64_t below, above; /* the largest magnitudes on either side of 0 */
        const char *must;
    } range[GR_DTYPES] = {
        [GR_INT64] = {(uint64_t)1 << 63, INT64_MAX,
                      "an integer from -9223372036854775808 to 9223372036854775807"},
        [GR_INT32] = {(uint64_t)1 << 31, INT32_MAX, "an integer from -2147483648 to 2147483647"},
        [GR_UINT8] = {0, 255, "an integer from 0 to 255"},
        [GR_BOOL] = {0, 1, "0 or 1"}};
    uint64_t m;
    if (kind == GR_NUMBER_NONFINITE || !gr_decimal_magnitude(d, &m) ||
        m > (d->negative ? range[c->dtype].below : range[c->dtype].above))
        return refuse_field(c, range[c->dtype].must);
    const int64_t value = d->negative && m > 0 ? -(int64_t)(m - 1) - 1 : (int64_t)m;
    char *data = c->x->data;
    switch (c->dtype) {
    case GR_INT64: ((int64_t *)data)[i] = value; break;
    case GR_INT32: ((int32_t *)data)[i] = (int32_t)value; break;
    default: ((uint8_t *)data)[i] = (uint8_t)value;
    }
    return true;
}

static bool store_field(csv *c, int64_t column)
{
    const int64_t row = c->records - c->args->skip_header;
    if (row >= c->rows || column >= c->columns) {
        refuse_file(c, "has changed since it was opened; must stay as it is");
        return false;
    }
    while (c->length > 0 && (c->field[c->length - 1] == ' ' || c->field[c->length - 1] == '\t'))
        c->length--;
    c->field[c->length] = '\0';
    if (c->field_is_long) return refuse_field(c, "a number of at most 4096 characters");
    gr_decimal d;
    const gr_number_kind kind = gr_scan_number(c->field, &d);
    if (kind == GR_NO_NUMBER) return refuse_field(c, "a number");
    const int64_t i = row * c->columns + column;
    return gr_is_float((int)c->dtype) ? store_float(c, kind, i) : store_integer(c, kind, &d, i);
}

/* ---- fields and rows ---- */

static int skip_blanks(csv *c)
{
    int b;
    while (((b = peek(c)) == ' ' || b == '\t') && b != c->args->delimiter) take(c);
    return b;
}

/* Passes the next byte, as part of the field; blanks before it are no part. */
static void take_into_field(csv *c)
{
    const char b = c->chunk[c->at];
    take(c);
    if (c->length == 0 && (b == ' ' || b == '\t')) return;
    if (c->length < FIELD_LIMIT)
        c->field[c->length++] = b;
    else
        c->field_is_long = true;
}

/* From the opening quote to what follows the closing one and blanks. */
static int read_quoted(csv *c)
{
    const int64_t line = c->line, column = c->column;
    c->quoted = true;
    take(c);
    for (;;) {
        int b = peek(c);
        if (b == END) return refuse_at(c, line, column, "quote is open to the end; must be closed");
        if (b == BROKEN) return b;
        if (b == '"') {
            take(c);
            if (peek(c) != '"') return skip_blanks(c); /* else doubled: it stands for one */
        }
        take_into_field(c);
    }
}

static int read_line_end(csv *c)
{
    const bool carriage_return = peek(c) == '\r';
    const int64_t column = c->column;
    take(c);
    if (!carriage_return) return '\n';
    const int b = peek(c);
    if (b == BROKEN) return b;
    if (b != '\n')
        return refuse_at(c, c->line, column,
                         "carriage return is alone; must be followed by a line feed");
    take(c);
    return '\n';
}

/* Returns what ended the field: the delimiter, a line feed, END or BROKEN. */
static int read_field(csv *c)
{
    const int delimiter = c->args->delimiter;
    c->field_line = c->line;
    c->field_column = c->column;
    c->length = 0;
    c->quoted = c->field_is_long = false;
    int b = skip_blanks(c);
    if (b == '"')
        b = read_quoted(c);
    else
        for (; b >= 0 && b != delimiter && b != '\n' && b != '\r'; b = peek(c)) take_into_field(c);
    if (b == '\n' || b == '\r') return read_line_end(c);
    if (b == delimiter)
        take(c);
    else if (b >= 0)
        return refuse_at(c, c->line, c->column,
                         "text follows the quote; must be a delimiter or the line's end");
    return b;
}

static bool end_row(csv *c, int64_t fields)
{
    c->records++;
    if (c->columns == 0) {
        c->columns = fields;
        c->columns_line = c->row_line;
    }
    if (fields == c->columns) return true;
    gr_fail(GR_ERROR_FILE, c->args->site, "read_csv",
            "\"%s\":%" PRId64 ": %" PRId64 " field%s; must be %" PRId64 " as in line %" PRId64,
            c->name, c->row_line, fields, fields == 1 ? "" : "s", c->columns, c->columns_line);
    return false;
}

static bool read_row(csv *c)
{
    const bool header = c->args->skip_header && c->records == 0;
    int64_t fields = 0;
    int end;
    c->row_line = c->line;
    do {
        end = read_field(c);
        if (end == BROKEN) return false;
        if (fields == 0 && end != c->args->delimiter && c->length == 0 && !c->quoted)
            return true; /* a blank line */
        if (c->x && !header && !store_field(c, fields)) return false;
        fields++;
    } while (end == c->args->delimiter);
    return end_row(c, fields);
}

static bool read_rows(csv *c)
{
    if (!rewind_file(c)) return false;
    for (;;) {
        c->row_bytes = 0;
        c->row_line = c->line;
        const int b = peek(c);
        if (b == END) return true;
        if (b == BROKEN || !read_row(c)) return false;
    }
}

/* ---- the file ---- */

static bool open_file(csv *c)
{
    struct stat about;
    const gr_site site = c->args->site;
    /* A pipe without a writer must not stop us, nor a terminal become ours. */
    c->file = open(c->args->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (c->file < 0 || fstat(c->file, &about) != 0) {
        char reason[80] = "cannot be opened";
        strerror_r(errno, reason, sizeof reason);
        gr_fail(GR_ERROR_FILE, site, "read_csv",
                "path is \"%s\": %s; must be a file that can be read", c->name, reason);
        return false;
    }
    c->bytes = (int64_t)about.st_size;
    if (S_ISREG(about.st_mode)) return true;
    gr_fail(GR_ERROR_FILE, site, "read_csv", "path is \"%s\", a %s; must be a regular file",
            c->name,
            S_ISDIR(about.st_mode)    ? "directory"
            : S_ISFIFO(about.st_mode) ? "pipe"
                                      : "device");
    return false;
}

static gr_tensor *read_table(csv *c)
{
    gr_thread *t = gr_self();
    if (!open_file(c) || !read_rows(c)) return NULL;
    c->rows = c->records - c->args->skip_header;
    if (c->rows <= 0) {
        refuse_file(c, "number of rows is 0; must be 1 or more");
        return NULL;
    }
    const int64_t sizes[2] = {c->rows, c->columns};
    c->x = gr_can_own(t) ? gr_tensor_sized(t, c->dtype, 0, 2, sizes) : NULL;
    if (!c->x)
        return gr_fail_memory(c->args->site, "read_csv", "the table",
                              (size_t)(c->rows * c->columns) * gr_dtype_size[c->dtype]);
    const bool whole = read_rows(c);
    if (whole && c->records - c->args->skip_header == c->rows) {
        gr_own(t, c->x);
        return c->x;
    }
    if (whole) refuse_file(c, "has changed since it was opened; must stay as it is");
    gr_tensor_discard(t, c->x);
    return NULL;
}

static bool check_args(const gr_read_csv_args *args, gr_dtype dtype)
{
    char shown[GR_SHOWN_TEXT];
    const char d = args->delimiter;
    const bool letter_or_digit = (d >= '0' && d <= '9') || ((d | 32) >= 'a' && (d | 32) <= 'z');
    if (!args->path) {
        gr_fail(GR_ERROR_ARGUMENT, args->site, "read_csv", "path is NULL; must name a file");
        return false;
    }
    if (d != '\t' && (d < ' ' || d > '~' || letter_or_digit || strchr("+-.\"", d))) {
        gr_escape(&d, 1, shown);
        gr_fail(
            GR_ERROR_ARGUMENT, args->site, "read_csv",
            "delimiter is '%s'; must be a tab, a blank or a punctuation mark other than + - . \"",
            shown);
        return false;
    }
    return gr_dtype_fits(dtype, args->site, "read_csv");
}

/* The table was read into host memory, which it leaves. */
static gr_tensor *to_default_device(gr_tensor *host, gr_site site)
{
    gr_thread *t = gr_self();
    gr_tensor *x = gr_make("read_csv", &(gr_make_args){.shape = gr_sizes_of(host), .site = site, .device = {-1, 0}},
                           (gr_dtype)host->dtype);
    const bool there = x && gr_transfer(x, host);
    if (x && !there) gr_take_back(t, x);
    gr_take_back(t, host);
    return there ? x : NULL;
}

gr_tensor *gr_read_csv_at(const gr_read_csv_args *args)
{
    const gr_dtype dtype = gr_resolve_dtype(args->dtype);
    if (!check_args(args, dtype)) return NULL;
    csv *c = gr_allocate(sizeof *c);
    if (!c) return gr_fail_memory(args->site, "read_csv", "the reader", sizeof *c);
    memset(c, 0, offsetof(csv, field));
    c->args = args;
    c->dtype = dtype;
    c->file = -1;
    gr_path_text(args->path, c->name);
    const gr_plain_numbers numbers = gr_plain_numbers_begin();
    gr_tensor *x = read_table(c);
    gr_plain_numbers_end(numbers);
    if (c->file >= 0) close(c->file);
    gr_deallocate(c);
    return x && gr_default_place() ? to_default_device(x, args->site) : x;
}
