/* golden.h - reads the arrays of tests/golden (its README.md describes the format), and keeps count of which were compared, so
 * that a suite can show that none was left out. Whatever is not as it must be fails the test. */
#ifndef GOLDEN_H
#define GOLDEN_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The file of that name, to be read: for those that hold no arrays. */
FILE *golden_stream(const char *name);

typedef enum { GOLDEN_FLOAT32, GOLDEN_FLOAT64, GOLDEN_INT64, GOLDEN_TEXT } golden_type;

typedef struct {
    char name[128];
    golden_type type;
    int dims; /* 0: a scalar */
    int64_t size[8], count;
    /* The one that fits type; the others are NULL. A float32 stands in real exactly. */
    double *real;
    int64_t *integer;
    char **text;
    bool consumed;
} golden_array;

typedef struct {
    golden_array *array;
    int64_t count;
} golden_file;

/* The whole file of that name; it must be readable, well-formed, whole, and name nothing twice. */
golden_file *golden_open(const char *name);
/* Forgets it; golden_end also asks whether every array has been consumed. */
void golden_close(golden_file *file);
void golden_end(golden_file *file);

bool golden_has(const golden_file *file, const char *name);
/* The array of that name, which must be there and counts as consumed from now on. */
const golden_array *golden_take(golden_file *file, const char *name);
/* Consumes every array whose name begins with prefix, of which there must be some: what waits, or is compared elsewhere. */
void golden_leave(golden_file *file, const char *prefix);

/* CRC-32 (ISO 3309), the checksum of what is too long to be stored. */
uint32_t golden_crc32(const void *data, int64_t bytes);

#endif
