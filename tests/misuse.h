/* misuse.h - calls that must be refused: what they are made with, and the check of one such call.
 *
 * A refused call returns none, reports one error whose text is "file:line: call: what is; what must be" with the line of
 * the call and the name of the argument, and changes nothing. */
#ifndef MISUSE_H
#define MISUSE_H
#include "gradus.h"

/* ---- the world: all in it is good, but for what begins with dead ---- */

typedef struct {
    gr_tensor *n;      /* float32 [3, 4] */
    gr_tensor *t;      /* float32 [4, 3] */
    gr_tensor *v;      /* float32 [4] */
    gr_tensor *s;      /* float32 [], between 0 and 1 */
    gr_tensor *d;      /* float64 [3, 4] */
    gr_tensor *h;      /* bfloat16 [3, 4] */
    gr_tensor *i;      /* int64 [3, 4] */
    gr_tensor *j;      /* int32 [3, 4] */
    gr_tensor *u;      /* uint8 [3, 4] */
    gr_tensor *k;      /* bool [3, 4] */
    gr_tensor *index;  /* int64 [3]: 0, 1, 2 */
    gr_tensor *empty;  /* float32 [0, 4] */
    gr_tensor *eight;  /* float32, 8 dimensions */
    gr_tensor *leaf;   /* float32 [3, 4], requires grad and has one */
    gr_tensor *check;  /* float64 [2], requires grad */
    gr_tensor *weight; /* float32 [2, 4], of the optimizer, has a gradient */
    gr_tensor *bias;   /* float32 [2] */
    gr_tensor *y;      /* leaf * 2 */
    gr_tensor *used;   /* a loss whose history is used up */
    gr_tensor *loss;   /* float32 [], sum of y * y */
    gr_tensor *wide;   /* float32 [3, 4], expanded */
    gr_tensor *turned; /* float32 [4, 3], a transposed view */
    gr_tensor *free;   /* float32 [2], released: no scope owns it */
    gr_tensor *dead_free;
    gr_module *module, *owned, *spare, *mse, *stack, *dead_module, *gone_module;
    gr_optim *optim, *gd, *dead_optim, *gone_optim;
    gr_hook hook;      /* of leaf */
    gr_scope scope;    /* that all this belongs to */
} misuse_world;
extern misuse_world g;

void misuse_begin(void); /* makes the world, and listens */
void misuse_end(void);
/* A tensor of the world by its letter: n t v s d h i j u k, x index, e empty, 8, l leaf, c check, w weight, b bias, y,
 * U used, o loss, E wide, T turned, f free. */
gr_tensor *misuse_tensor(char letter);
gr_tensor *misuse_dead(void); /* its scope has ended */
gr_tensor *misuse_hook(gr_tensor *gradient, void *data);      /* returns gradient */
gr_tensor *misuse_square(const gr_tensors *in, void *data);   /* sum of in[0]^2 */

/* ---- what must not change ---- */

typedef struct {
    uint64_t hash;
    const void *tape;
    uint32_t owned, values, depth, hooks;
    gr_dtype dtype;
    int threads;
    bool recording, anomaly, norms;
} misuse_picture;
misuse_picture misuse_look(void);
/* What is not as it was, or NULL. The generator must have been seeded by misuse_seed before the picture was taken. */
const char *misuse_difference(const misuse_picture *before, const misuse_picture *after);
void misuse_seed(void);
bool misuse_seed_is_spent(void); /* something was drawn since */

/* ---- one case ---- */

/* Where the call stands: its text must begin so. */
extern const char *misuse_file;
extern int misuse_line;
#define MISUSE_HERE (misuse_file = __FILE__, misuse_line = __LINE__)

typedef struct {
    const char *symbol;   /* exported: "gr_add_at"; NULL: follows from op */
    const char *op;       /* as texts name it: "add" */
    const char *argument; /* as the header names it; NULL: the text names what it will */
    const char *wrong;    /* "NULL", "dead", "nan": what is wrong with it, for the list of what is covered */
} misuse_case;
void misuse_case_begin(void);
void misuse_case_end(const misuse_case *what, const char *call, bool refused);

/* condition: the result is that of a failed call. */
#define REFUSED_AS(symbol, op, argument, wrong, condition) \
    do { \
        MISUSE_HERE; \
        misuse_case_begin(); \
        const bool refused_ = (condition); \
        misuse_case_end(&(misuse_case){symbol, op, argument, wrong}, #condition, refused_); \
    } while (0)
#define REFUSED(op, argument, condition) REFUSED_AS(NULL, op, argument, "other", condition)

void misuse_listen(void); /* takes the error handler */
int misuse_cases(void);
int misuse_handler_calls(void); /* since a case began, or misuse_fail_first was called */
/* What complained until now, as a text; NULL: nothing. */
const char *misuse_complaints(void);
/* Fails a call, whose error then stands; and whether it still does, unheard of again. */
void misuse_fail_first(void);
const char *misuse_first_is_gone(void);

/* The texts of all cases until now, against those of the file; writes them to MESSAGES_OUT where that is set. */
void misuse_compare_texts(const char *path);
void misuse_note_row(const char *symbol); /* there is one, be it that none of its arguments can be wrong */
/* Writes "symbol argument wrong" for all cases until now to REFUSED_OUT, where that is set. */
void misuse_write_covered(void);

/* ---- refusals that no row can tell: several arguments together, states of things ---- */

void refuse_shapes(void);
void refuse_weights(void);
void refuse_dims(void);
void refuse_indices(void);
void refuse_dtypes(void);
void refuse_numbers(void);
void refuse_sizes(void);
void refuse_states(void);
void refuse_in_place(void);
void refuse_objects(void);
void refuse_modules(void);
void refuse_lists(void);
void refuse_ops(void);
void refuse_files(void);

/* ---- calls as rows: the good arguments, and for each what it must refuse ---- */

enum misuse_kind { TENSOR = 1, LIST, MODULE, OPTIM, SHAPE, INTEGER, REAL, NUMBER, DTYPE, DEVICE, TEXT, POINTER };
typedef union {
    gr_tensor *tensor;
    gr_tensors list;
    gr_module *module;
    gr_optim *optim;
    gr_shape shape;
    int64_t integer;
    double real;
    gr_value number;
    gr_dtype dtype;
    gr_device device;
    const char *text;
    void *pointer;
} misuse_value;
enum { MISUSE_ARGUMENTS = 6 };
typedef struct {
    enum misuse_kind kind;
    const char *name;
    char letter;                    /* TENSOR, LIST: what is good, of the world */
    const char *refused;            /* TENSOR, LIST: letters of what is not; REAL, NUMBER: N nan, I and J infinite, M -1, B 2,
                                     * 0; SHAPE: - for -1; DTYPE: I for integers */
    void *object;                   /* MODULE, OPTIM: where in the world what is good stands; TEXT, POINTER: that itself */
    gr_shape shape;                 /* SHAPE: what is good */
    int64_t integer, least, most;   /* INTEGER: what is good; the least and most that is, INT64_MIN and _MAX: no limit */
    double real;                    /* REAL, NUMBER: what is good */
    gr_dtype dtype;                 /* DTYPE: what is good */
    bool optional;                  /* TENSOR: may be GR_ABSENT; LIST: may be empty */
    bool narrow;                    /* INTEGER: an int */
} misuse_argument;
typedef struct {
    const char *symbol, *op;
    bool lasting; /* changes what lasts: does nothing while an error stands */
    bool (*refused)(const misuse_value *a);
    misuse_argument argument[MISUSE_ARGUMENTS];
} misuse_row;

typedef struct {
    const misuse_row *row;
    int count;
} misuse_table;
extern const misuse_table misuse_tensor_rows, misuse_gradient_rows, misuse_elementwise_rows, misuse_model_rows;

#endif
