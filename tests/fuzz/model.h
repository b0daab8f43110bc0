/* model.h - what the program holds, as the reference sees it: a twin for each tensor, the memory it shows as a list of cells,
 * scopes, hooks; and by which rules a call must be refused. */
#ifndef MODEL_H
#define MODEL_H
#include "gradus.h"
#include "tests/fuzz/graph.h"

struct memory {
    int version;
    double *cell;
    bool undefined;  /* a gradient that was zeroed waits here */
    bool handed_out; /* the result of a recorded pass, which further recorded gradients may read */
};

enum { OF_A_LEAF = -1 };

struct twin {
    gr_tensor *real;
    gr_dtype dtype; /* float64, int64 or bool */
    form f;
    memory *memory;
    const int *cell; /* element i stands in memory->cell[cell[i]] */
    bool alive, lost; /* lost: so long dead that the library may not know */
    bool wants;      /* a gradient */
    node *node;      /* its value's; NULL: a leaf */
    int out;
    twin *base;      /* a view follows its base's history */
    node *base_node; /* and knows it from here on */
    bool untracked;  /* made while nothing was recorded */
    int depth;       /* of the scope that owns it, or OF_A_LEAF */
    twin *gradient;  /* of a leaf; it may wait there, marked absent */
    bool has_gradient;
    bool handed_out; /* the result of a recorded pass */
    bool rounded;    /* and the magnitudes, until the library's numbers are taken over */
    const double *magnitude;
    int line;        /* of the program that made it */
};

typedef enum { HOOK_SAME, HOOK_DOUBLE, HOOK_NULL, HOOK_SHAPE, HOOK_NESTED, HOOK_ENDS_SCOPE, HOOK_RETAIN, HOOKS } hook_kind;
typedef struct {
    hook_kind kind;
    twin *tensor;
    node *node; /* NULL: of the leaf itself */
    int out;
    bool there;
    int must_run, has_run;
    gr_hook real;
    gr_scope scope; /* HOOK_ENDS_SCOPE: that it tries to end */
    bool has_value; /* HOOK_RETAIN: the gradient */
    array value;
} hook;

typedef struct {
    gr_scope real;
    bool open, was_recording;
    int nodes; /* recorded before it */
} scope;

enum { MOST_TWINS = 4000, MOST_HOOKS = 40, MOST_SCOPES = 40, MOST_RETAKEN = 64 };
extern struct model {
    twin *twin[MOST_TWINS];
    hook hook[MOST_HOOKS];
    scope scope[MOST_SCOPES]; /* all that were opened, [0] is the root */
    int open[MOST_SCOPES];    /* those that are, by depth */
    int twins, hooks, scopes, depth;
    bool standing;            /* an error */
    bool handed_out_changed;  /* or freed: see pass.in_doubt */
} model;

void model_begin(void);

/* Whether it does, looked at without taking it again. */
bool wants_grad(const twin *x);
/* x as an operand, with its history; a view whose base has moved on is taken from it again. */
term use(twin *x);
/* The same whether or not calls are recorded now: where histories are looked at. */
term use_history(twin *x);
bool has_history(const twin *x);
/* How the running call ended: the views that it has taken again remain so, or are what they were. */
void call_accepted(void);
void call_refused(void);
/* New tensors of the open scope: with memory of its own, or x's elements. */
twin *twin_of(term e, gr_dtype dtype);
twin *view_of(twin *x, form f, const int *element);
/* dtype and numbers without history. */
twin *twin_new(const form *f, gr_dtype dtype, const double *value);
void die(twin *x);
void gradient_dies(twin *leaf);

/* Whether x may be changed in place by a call with these operands. */
bool may_change(const twin *x, bool needs, twin *const *operand, int operands);
/* It is: x becomes e. */
void change(twin *x, term e);

void scope_open(gr_scope real, bool recording);
void scope_close(int depth);
bool keep(twin *x);

#endif
