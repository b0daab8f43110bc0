/* csv.h - tables of numbers in text files. */
#ifndef GR_CSV_H
#define GR_CSV_H
#include "core/base.h"

GR_BEGIN_C

typedef struct gr_read_csv_args {
    const char *path;
    gr_site site;
    bool skip_header GR_DEFAULT(false);     /* the first row holds names */
    char delimiter GR_DEFAULT(',');         /* tab, blank or punctuation, but + - . " */
    bool allow_nonfinite GR_DEFAULT(false); /* nan, inf, infinity in any case, with a sign */
    gr_dtype dtype GR_DEFAULT(GR_DTYPE_DEFAULT); /* default: the default float */
} gr_read_csv_args;

/* Reads a table of numbers: gr_read_csv("iris.csv", .skip_header = true).
 *   returns [rows, columns]  on the default device, at least one row, correctly rounded to the dtype (bfloat16: from float32)
 *
 * Numbers are decimal, with a point whatever the locale; blanks around them are skipped, and a
 * field may stand in quotes. For integer dtypes each must be an integer in range (3, 3.0 and 3e2
 * are), for bool 0 or 1. Lines end with LF or CRLF, the last one may end with the file. Empty
 * lines, lines of blanks and UTF-8's byte order mark are skipped.
 *
 * Fails, having changed nothing, when path is no regular file that can be read; when rows, header
 * included, differ in their number of fields; at a field that is empty or no such number; at a line
 * above 1 MiB, a quote that is not closed, a carriage return without line feed, a zero byte. The
 * text names the file, the line and the column (in bytes, from 1).
 *
 * The file is read twice, in pieces of 32 KiB, and must stay as it is meanwhile. */
GR_API gr_tensor *gr_read_csv_at(const gr_read_csv_args *args);

GR_END_C

#ifndef __cplusplus
#define gr_read_csv(...) \
    GR_CALL(gr_read_csv_at, gr_read_csv_args, .delimiter = ',', .dtype = GR_DTYPE_DEFAULT, \
            .site = GR_HERE, .path = __VA_ARGS__)
#endif
#endif
