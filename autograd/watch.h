/* watch.h - what a pass does besides its rules, when somebody asked for it: norms, and the search for NaN and inf. */
#ifndef GR_WATCH_H
#define GR_WATCH_H
#include "autograd/tape.h"

enum { GR_READ_AT_ONCE = 512 };
/* Reads a tensor's elements in row-major order, as doubles. Begins with {.x = tensor}. */
typedef struct {
    const gr_tensor *x;
    int64_t done;
    double value[GR_READ_AT_ONCE];
} gr_reader;
/* How many elements now stand in value; 0 at the end, or after reporting that the device did not give them. */
int64_t gr_read_next(gr_reader *r);

/* The root of the sum of squares. */
double gr_norm(const gr_tensor *x);
/* Notes the norms of the gradients that have arrived at c's outputs, for this pass; false without memory. */
bool gr_norms_note(gr_thread *t, const gr_call *c);
/* The norm noted by the pass that last used c, of the gradient of output k; false when there is none. */
bool gr_norm_noted(const gr_thread *t, const gr_call *c, int k, double *norm);
void gr_norms_forget(gr_thread *t);
/* After hooks, norms or the search were switched. */
void gr_watch_changed(gr_thread *t);

/* Runs forward and looks at the results; false after reporting, and then nothing has changed. */
bool gr_anomaly_forward(gr_thread *t, gr_call *c);
/* Looks at what c's rule has handed over. */
bool gr_anomaly_backward(gr_thread *t, gr_call *c);
/* Looks at a gradient from outside: "there is" a nan in "gradient". */
bool gr_anomaly_given(const gr_tensor *gradient, gr_site site, const char *op, const char *verb, const char *name);

#endif
