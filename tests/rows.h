/* rows.h - dtypes by PyTorch's names, and arrays as the .tsv files of tests/golden have them: "float64(2,3):1,2,3,4,5,6",
 * several separated by " ; ". What is not so written fails the test. */
#ifndef ROWS_H
#define ROWS_H
#include "gradus.h"

gr_dtype dtype_named(const char *text, size_t length);
const char *name_of_dtype(gr_dtype dtype);

enum { ROW_VALUES = 16 };
typedef struct {
    gr_dtype dtype;
    gr_shape shape;
    int64_t count;
    double value[ROW_VALUES]; /* of bools 0 and 1, written so or as words */
} row_array;

/* The array at s, and what stands behind the " ; " after it, or NULL. */
row_array read_array(const char *s);
const char *next_array(const char *s);
gr_tensor *tensor_of(const row_array *a);

#endif
