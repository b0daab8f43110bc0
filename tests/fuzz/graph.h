/* graph.h - the reference's arithmetic: whole arrays, and the expressions that made them. There are no strides, no shared
 * memory and no tape: every array is a copy, a view is a list of the elements it picks, and the gradient of an expression
 * is built from further expressions, of any order. */
#ifndef GRAPH_H
#define GRAPH_H
#include <stdbool.h>

enum { FORM_DIMS = 8, MOST_ELEMENTS = 64 };

typedef struct {
    int dim, size[FORM_DIMS], count;
} form;

/* Row-major. Beside each number stands the sum of the magnitudes that went into it, by which its rounding is judged. */
typedef struct {
    form f;
    double *v, *m;
} array;

typedef struct node node;
typedef struct twin twin;     /* of a tensor: model.h */
typedef struct memory memory;

/* An array, what it hangs on, and where the program can change it. */
typedef struct {
    array a;
    node *node;      /* that made it, as its output `out`; NULL: */
    int out;
    twin *leaf;      /* it is the leaf itself, or, NULL too, a constant */
    memory *memory;  /* it was read from here; NULL: the program cannot see it */
    int version;     /* of the memory, then */
    twin *header;    /* the tensor it was read through; NULL: one that the program does not have */
    bool rounded;    /* the library may have added or rounded in another order */
} term;

typedef enum {
    ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM,          /* two operands, broadcast */
    NEG, ABS, SIGN, EXP, LOG, SQRT, RECIPROCAL, SQUARE, SIN, COS, TANH, SIGMOID, RELU,
    LEAKY,     /* slope p */
    CLAMP,     /* p to q */
    WHERE,     /* condition, a, b, broadcast */
    GATHER,    /* element i is p times the operand's element index[i] */
    SCATTER,   /* the operand's element i, times p, is added to element index[i] */
    PUT,       /* the first, with element index[i] replaced by the second's element i */
    LARGEST,   /* of the elements i with one index[i]; a tie shares the gradient */
    SMALLEST,
    PRODUCT,   /* of the elements i with one index[i] */
    FILL,      /* p everywhere; what was there gets a gradient of zeros */
    COPY,      /* the second, broadcast; the first gets a gradient of zeros */
    PAIR,      /* 2 x, and 5 x + bias: the op of the program's own, see program.c */
    KINDS
} formula;

typedef struct {
    formula kind;
    form f;            /* of the result; elementwise kinds find it out */
    const int *index;
    double p, q;
} rule;

/* A call that wants a gradient. */
struct node {
    rule rule;
    int serial, inputs, outputs;
    term in[3], out[2];
    unsigned reads;    /* what its gradient reads: bit i input i, bit 4 + k output k */
    bool derived;      /* made by a backward pass */
    bool used;
    term gradient[2];  /* during a pass */
    bool has_gradient[2], is_target[2], leads;
};

enum { MOST_NODES = 6000 };
extern struct graph {
    node *node[MOST_NODES];
    int count;
    bool recording, derived;
} graph;

/* Memory for one program, all given back by graph_begin. When it runs out graph_full ends the program (program.c). */
void graph_begin(void);
void *graph_memory(int bytes);
_Noreturn void graph_full(void);
void tell_why(const char *why); /* why a call must be refused, in a trace; NULL: it must not (program.c) */

form form_of(int dim, const int *size);
bool same_form(const form *a, const form *b);
/* Whether they broadcast, and to what. */
bool broadcast(const form *a, const form *b, form *result);
/* The element of a tensor of form `from` that stands at element i of one it broadcasts to. */
int broadcast_element(const form *from, const form *to, int i);
const int *identity_index(int count);

bool is_linked(const term *x);
term constant(const form *f, double number);
term apply(const rule *r, const term *in, int inputs);
term apply1(formula k, term x);
term apply2(formula k, term a, term b);
term gather(term x, form f, const int *index, double factor);
term scatter(term x, form f, const int *index, double factor);
/* x summed to f, which broadcasts to it. */
term summed(term x, const form *f);
/* matmul of ranks 1 and 2, put together from the others. */
bool matmul_form(const form *a, const form *b, form *result);
term matmul(term a, term b);
/* The gradient that n hands to input i. */
term derive(node *n, int i);

#endif
