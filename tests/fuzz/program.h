/* program.h - a program of tensor calls, decoded from bytes: each eight are an instruction, any bytes are a valid program.
 * Every call is made twice, to the library and to the reference, which says before what must come of it. */
#ifndef PROGRAM_H
#define PROGRAM_H
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/pass.h"

enum { VARIABLES = 12, INSTRUCTION = 8, MOST_INSTRUCTIONS = 60 };

/* The bytes of an instruction. */
enum { OPCODE, FIRST, SECOND, ARGUMENT, ARGUMENT_2, ARGUMENT_3, RESULT, FLAGS };
enum {
    WILD = 7,          /* all these bits: operands may be dead, NULL, or of any dtype */
    IN_PLACE = 8,
    LEAVE_ERROR = 16,  /* an error stands until the next instruction without this flag */
    RETAIN = 32, CREATE = 64, OTHER = 128
};

typedef void instruction(const uint8_t *a);
instruction run_leaf, run_index, run_unary, run_binary, run_number, run_compare, run_where, run_overwrite; /* calls.c */
instruction run_reduce, run_extremum, run_matmul, run_index_select, run_pair;                           /* reductions.c */
instruction run_slice, run_turn, run_reshape, run_stretch, run_copy, run_plain_view;                    /* views.c */
instruction run_scope, run_keep, run_free, run_churn, run_requires_grad, run_gradient, run_zero_grad;   /* lives.c */
instruction run_backward, run_grads, run_hook, run_unhook;                                              /* passes.c */

gr_site here(void);

/* A variable of this dtype, the byte's or the next one that suits; NULL: there is none. It may be dead, or `nothing`. */
typedef enum { ANY, FLOAT, BOOL, INDEX } suits;
extern twin nothing; /* of a call that has failed: NULL */
twin *pick(uint8_t byte, suits what, const uint8_t *a);
static inline bool is(uint8_t flags, unsigned flag)
{
    return (flags & flag) == flag;
}

/* The reference's word on a call: refused, not to be made (its numbers would grow too large), or what results. */
extern twin skipped;
#define REFUSED NULL
/* Numbers that the other calls can go on with. */
bool is_tame(const term *e);

/* The library's answer to a call, and what it must be. The result becomes a variable. */
void settle(const uint8_t *a, gr_tensor *real, twin *must);
void settle_more(uint8_t variable, gr_tensor *real, twin *must); /* further results of a call that was settled */
/* The same of a call without a result. */
void settle_answer(const uint8_t *a, bool real, bool must);
/* All that the program holds is as the reference has it. */
void check_all(void);
void check(twin *x);

/* A change in place of x by r, or the result of r. operand[0] is x. */
twin *result_of(const rule *r, twin *const *operand, int operands, const term *number);
twin *changed_by(const rule *r, twin *const *operand, int operands, const term *number);

#endif
