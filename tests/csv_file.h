/* csv_file.h - a file that a test writes and gr_read_csv reads: the table that must come of it, or the refusal. */
#ifndef CSV_FILE_H
#define CSV_FILE_H
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/internal.h"
#include "tests/look.h"
#include "tests/suites.h"

static char folder[] = "/tmp/gradus-csv-XXXXXX";
static char path[64];

static inline void set_up(void)
{
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/t.csv", folder);
    catch_errors();
}

static inline void tear_down(void)
{
    unlink(path);
    rmdir(folder);
}

static inline void write_bytes(const char *text, size_t length)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
}

static inline void write_text(const char *text)
{
    write_bytes(text, strlen(text));
}

static inline int lowest_free_descriptor(void)
{
    const int file = open("/dev/null", O_RDONLY);
    close(file);
    return file;
}

/* The error must be of this line, name path, and go on with `after`. */
static inline void assert_error(const char *after, const char *file, int line)
{
    char must[512];
    const char *error = gr_error();
    ck_assert_msg(error != NULL, "line %d: no error, must be %s", line, after);
    snprintf(must, sizeof must, "%s:%d: read_csv: \"%s\"%s", gr_file_name(file), line, path, after);
    ck_assert_str_eq(error, must);
    ck_assert_int_eq(gr_error_kind(), GR_ERROR_FILE);
    gr_error_clear();
}

/* Reads path, which must fail with this text after the path; no descriptor stays open. */
#define ASSERT_REFUSED(after, ...) \
    do { \
        const int free_before = lowest_free_descriptor(); \
        ck_assert_ptr_null(gr_read_csv(path, __VA_ARGS__)); \
        assert_error(after, __FILE__, __LINE__); \
        ck_assert_int_eq(lowest_free_descriptor(), free_before); \
    } while (0)

#define ASSERT_TEXT_REFUSED(text, after) \
    do { \
        write_text(text); \
        ASSERT_REFUSED(after, .skip_header = false); \
    } while (0)

/* t must be [rows, columns] with these elements, bit for bit but for NaN's. */
static inline void assert_table(gr_tensor *t, int64_t rows, int64_t columns, const double *element)
{
    ck_assert_msg(t != NULL, "%s", gr_error());
    ck_assert_int_eq(gr_dim(t), 2);
    ck_assert_int_eq(gr_size(t, 0), rows);
    ck_assert_int_eq(gr_size(t, 1), columns);
    for (int64_t i = 0; i < rows * columns; i++) {
        const double is = gr_at(t, i / columns, i % columns);
        ck_assert_msg(same_number(is, element[i]), "[%" PRId64 "] is %.17g", i, is);
    }
}

#define ASSERT_READS(text, rows, columns, ...) \
    do { \
        write_text(text); \
        assert_table(gr_read_csv(path, .dtype = GR_FLOAT64), rows, columns, (double[]){__VA_ARGS__}); \
    } while (0)

#endif
