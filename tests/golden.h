/* golden.h - reads the arrays of tests/golden (its README.md describes the format), and keeps count
 * of which were compared, so that a suite can show that none was left out. */
#ifndef GOLDEN_H
#define GOLDEN_H
#include <stdbool.h>
#include <stdint.h>

#ifndef GOLDEN_DIR
#define GOLDEN_DIR "tests/golden"
#endif

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
    const char *later; /* why it is not compared yet */
} golden_array;

typedef struct {
    golden_array *array;
    int64_t count;
} golden_file;

/* The whole file, or NULL with the reason on stderr: unreadable, malformed, cut short, a name that
 * stands twice. */
golden_file *golden_open(const char *path);
void golden_close(golden_file *file);

/* The array of that name, which counts as consumed from now on; NULL when there is none. */
const golden_array *golden_take(golden_file *file, const char *name);

/* Consumes every array whose name begins with prefix, for reason; returns how many that were. Zero
 * means that the prefix is out of date. */
int64_t golden_later(golden_file *file, const char *prefix, const char *reason);

/* How many arrays nobody has consumed, and the first one's name (NULL when there is none). */
int64_t golden_unconsumed(const golden_file *file, const char **first);

#endif
