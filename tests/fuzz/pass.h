/* pass.h - backward passes over the reference's expressions, and whether they must be refused. */
#ifndef PASS_H
#define PASS_H
#include "tests/fuzz/model.h"

enum { PASS_TENSORS = 2 };

typedef struct {
    twin *loss[PASS_TENSORS], *given[PASS_TENSORS]; /* given NULL: 1 */
    int losses;
    twin *target[PASS_TENSORS]; /* none: gradients go to all leaves */
    int targets;
    bool retain, create, allow_unused;
    /* what came of it */
    const char *why; /* it must fail */
    bool in_doubt; /* something changed that a recorded gradient may read or not: the library decides */
    twin *result[PASS_TENSORS]; /* of each target; NULL: unused */
} pass;

/* False: it must fail, and nothing has changed. Nothing has changed either until pass_commit. */
bool pass_run(pass *p);
void pass_commit(pass *p);

#endif
