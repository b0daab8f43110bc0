/* csv_reference.h - what gr_read_csv must make of a file, by a parser that has the whole of it in memory. */
#ifndef CSV_REFERENCE_H
#define CSV_REFERENCE_H
#include <stddef.h>

#include "gradus.h"

typedef enum { CSV_ACCEPTED, CSV_WRONG, CSV_WITHOUT_ROWS } csv_verdict;

typedef struct {
    csv_verdict verdict;
    long line, column; /* CSV_WRONG: of the first thing that is; column 0: the line as a whole */
    long rows, columns;
    double *real;      /* CSV_ACCEPTED: the numbers, of a float dtype */
    int64_t *integer;  /* or of an integer dtype; malloc'd, for csv_forget */
} csv_table;

csv_table csv_expect(const char *text, size_t length, const gr_read_csv_args *args);
void csv_forget(csv_table *table);

#endif
