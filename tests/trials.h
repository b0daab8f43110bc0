/* trials.h - calls under test: each row of elementwise.def and each case of cases.h, on inputs of many shapes and layouts.
 * A property is a function that is run on every one of them. */
#ifndef TRIALS_H
#define TRIALS_H
#include <stdint.h>

#include "tests/cases.h"

typedef struct {
    const char *name;
    const op_case *ops; /* or, if NULL, */
    int row;            /* a row of the table */
    int inputs;
    gr_shape shape[CASE_INPUTS]; /* as the op sees them */
    double lo, hi, edge;
    layout layout;
    bool alias; /* every input is the first one */
} trial;

typedef void property(trial *t);
/* On plain inputs, or on those of every layout. Returns how many trials that were. */
int rows_with(property *p, bool every_layout);
int ops_with(property *p, bool every_layout);

/* What the inputs are made of: one leaf for each, or a single one; all require grad. */
gr_tensors leaves_of(const trial *t, gr_dtype dtype);
/* The inputs in their layout, or as contiguous copies. */
void inputs_of(const trial *t, const gr_tensors *leaves, bool contiguous, gr_tensor *in[CASE_INPUTS]);
/* The call. */
gr_tensor *run_trial(const trial *t, gr_tensor *const *in);
/* A row's op, with the parameters that trials have. */
gr_tensor *run_row(const gr_op *op, gr_tensor *const *in, int n);
/* An upstream gradient for the result, all its numbers different. */
gr_tensor *upstream_of(const gr_tensor *y);

/* Element by element, as float64: the result and the gradients of a trial. */
typedef struct {
    int64_t count[CASE_INPUTS + 1];
    double *value[CASE_INPUTS + 1];
} outcome;
outcome evaluate(trial *t, gr_dtype dtype, bool contiguous);
/* Copies numbers out of x. */
double *copied(gr_tensor *x, int64_t *count);
void forget(outcome *o);

/* For messages: the trial, and the error that stands. */
const char *describe(const trial *t);

#endif
