/* cases.h - one row per op: how it is called, on what shapes and values. The rows of elementwise.def are cases of their
 * own, made from the table. */
#ifndef CASES_H
#define CASES_H
#include "gradus.h"

enum { CASE_INPUTS = 3 };

/* How an input is laid out in memory: the op sees a view of a leaf. */
typedef enum { PLAIN, TRANSPOSED, SLICED, EXPANDED, PERMUTED, LAYOUTS } layout;

typedef struct op_case {
    const char *name;
    gr_tensor *(*f)(gr_tensor *const *in);
    int inputs;
    gr_shape shape[CASE_INPUTS];
    double lo, hi;
    double edge; /* stay away from it; NAN: none */
} op_case;

extern const op_case op_cases[];
extern const int op_case_count;

/* A tensor of this shape: distinct multiples of 1/64 (as far as lo..hi has them), permuted by salt, never within 1/100 of
 * the edge; odd salts are shifted by 1/128, so that two tensors never tie. */
gr_tensor *case_values(gr_shape shape, gr_dtype dtype, double lo, double hi, double edge, int salt);
/* A tensor whose view by apply_layout has this shape. */
gr_shape layout_shape(gr_shape wanted, layout l);
gr_tensor *apply_layout(gr_tensor *x, gr_shape wanted, layout l);

#endif
