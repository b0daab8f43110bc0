/* faults.h - programs in which each call may find no memory, as tests/test_faults.c runs them. */
#ifndef FAULTS_H
#define FAULTS_H
#include "gradus.h"

/* What a program holds: all of it is compared before and after a call that fails, but what an optimizer knows, which its next
 * step shows. */
typedef struct {
    gr_tensor *t[48];
    gr_tensors list;
    gr_values_indices pair;
    gr_module *m[8];
    gr_optim *o[2];
    gr_scope scope[80];
    gr_hook hook;
    double number[4];
    char text[2048];
} world;

/* Makes call number `step` of the program, one public call that may need memory, and keeps what it makes in w. Returns
 * whether it succeeded; at the end it sets *ended. Whatever a call needs in the program's own memory stands in w. */
typedef bool program(world *w, int step, bool *ended);
/* A program is a list of these, after `int n = 0;`, and ends with END. */
#define DO(...) \
    if (step == n++) return (__VA_ARGS__);
#define MAKE(place, ...) \
    if (step == n++) return ((place) = (__VA_ARGS__)) != NULL;
#define LIST(...) \
    if (step == n++) { \
        const gr_tensors list = (__VA_ARGS__); \
        if (list.count) w->list = list; \
        return list.count > 0; \
    }
#define END \
    *ended = true; \
    return true;

typedef struct {
    const char *name;
    program *run;
} named_program;
/* Ends with a NULL name. */
extern const named_program tensor_programs[], autograd_programs[], module_programs[];

#endif
