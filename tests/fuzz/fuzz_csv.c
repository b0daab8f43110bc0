/* fuzz_csv.c - gr_read_csv on any bytes: what it accepts, and every number in it, is what a plain parser says; what it
 * refuses is named with the line and column where that parser stops. The first two bytes choose the options. */
#define _GNU_SOURCE /* memfd_create */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/csv_reference.h"
#include "tests/fuzz/fuzz.h"

static char path[32];
static int file = -1;

static void quiet(const char *text, void *data)
{
    (void)text, (void)data;
}

static void write_file(const uint8_t *bytes, size_t count)
{
    if (file < 0) {
        file = memfd_create("csv", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
        gr_set_error_handler(quiet, NULL);
    }
    if (file < 0 || ftruncate(file, 0) != 0 || pwrite(file, bytes, count, 0) != (ssize_t)count) {
        perror("fuzz_csv: a file in memory");
        exit(2);
    }
}

static void compare(const gr_tensor *t, const csv_table *must, const gr_read_csv_args *args)
{
    const int64_t count = must->rows * must->columns;
    demand(t != NULL, "refused: %s", gr_error());
    demand(gr_dim(t) == 2 && gr_size(t, 0) == must->rows && gr_size(t, 1) == must->columns && gr_dtype_of(t) == args->dtype,
           "is %" PRId64 " rows of %" PRId64 ", must be %ld of %ld", gr_size(t, 0), gr_size(t, 1), must->rows, must->columns);
    const bool is_real = args->dtype <= GR_BFLOAT16;
    void *is = malloc((size_t)count * 8);
    demand(is && (is_real ? gr_to_array(t, (double *)is, count) : gr_to_array(t, (int64_t *)is, count)), "no array");
    for (int64_t i = 0; i < count; i++) {
        const double real = is_real ? ((double *)is)[i] : 0;
        const bool same = !is_real ? ((int64_t *)is)[i] == must->integer[i]
                          : isnan(real) ? isnan(must->real[i])
                                        : real == must->real[i] && signbit(real) == signbit(must->real[i]);
        demand(same, "element %" PRId64 " of %" PRId64 " differs", i, count);
    }
    free(is);
}

static void expect_error(const csv_table *must)
{
    char place[80];
    const char *error = gr_error();
    int used = snprintf(place, sizeof place, "f.c:1: read_csv: \"%s\":", path);
    if (must->verdict == CSV_WRONG) used += snprintf(place + used, sizeof place - (size_t)used, "%ld:", must->line);
    if (must->column) snprintf(place + used, sizeof place - (size_t)used, "%ld:", must->column);
    demand(error != NULL, "accepted, must be refused: %s", place);
    demand(gr_error_kind() == GR_ERROR_FILE && !strncmp(error, place, strlen(place)) && strstr(error, "; must "),
           "error is %s, must begin with %s", error, place);
    gr_error_clear();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static const char delimiters[] = ",;\t ";
    if (count < 2) return 0;
    gr_read_csv_args args = {.site = {"f.c", 1}, .skip_header = bytes[0] & 1, .allow_nonfinite = bytes[0] >> 1 & 1,
                             .delimiter = delimiters[bytes[0] >> 2 & 3], .dtype = (gr_dtype)(bytes[1] % GR_DTYPES)};
    write_file(bytes + 2, count - 2);
    args.path = path;
    csv_table must = csv_expect((const char *)bytes + 2, count - 2, &args);
    const gr_scope scope = gr_scope_begin();
    gr_tensor *t = gr_read_csv_at(&args);
    if (must.verdict == CSV_ACCEPTED) compare(t, &must, &args);
    else {
        demand(t == NULL, "accepted; line %ld, column %ld must be refused", must.line, must.column);
        expect_error(&must);
    }
    gr_scope_end(scope);
    csv_forget(&must);
    return 0;
}
