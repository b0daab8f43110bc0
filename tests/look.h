/* look.h - what tests see of tensors from outside: the elements in memory, and the errors that stand. */
#ifndef LOOK_H
#define LOOK_H
#include <stdio.h>

#include "gradus.h"

/* All dtypes there are. */
enum { DTYPES = 7 };
extern const gr_dtype dtypes[DTYPES];

/* Element i of memory. */
double stored(const void *data, gr_dtype dtype, int64_t i);
/* NaN is NaN; zeros have their signs. */
bool same_number(double a, double b);

/* The elements in the host's memory: where they are, or a row-major copy that the scope owns. */
const void *elements(const gr_tensor *t);
/* False on another default device than the CPU, and then a line says that the test is left out there, and why. */
bool on_cpu(const char *why);
/* False with CK_FORK=no, where the test would be one of many in this process, and then a line says that it is left out. */
bool in_own_process(const char *test);
/* So many times on the CPU; on other devices, where a call takes a hundred times as long, a hundredth. */
int times(int count);

/* Makes the program's locale one whose decimal point is a comma; false where there is none and none can be made, and then a
 * line says that the test is left out. setlocale(LC_ALL, "C") ends it. */
bool use_comma(const char *test);

/* From now on errors are counted and not printed; and until now: forgotten, and the default dtype is float32 again. Fixtures
 * of a test, or the first a call in it. */
void catch_errors(void);
void release_errors(void);
/* One error has been reported since catch_errors or the last one; it holds `part`, and is cleared. */
void expect_one_error(const char *part);

/* What f writes to stdout or stderr: at most PRINTED bytes, in memory that the next call takes. */
enum { PRINTED = 4096 };
const char *printed_by(void (*f)(void), FILE *stream);

#endif
