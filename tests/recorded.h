/* recorded.h - a small tape, and its text, for the suites that look at it as a table and as a graph. */
#ifndef RECORDED_H
#define RECORDED_H
#include <string.h>

#include "gradus.h"
#include "tests/look.h"
#include "tests/suites.h"

enum { TEXT_ROOM = 1 << 19 };
static char text[TEXT_ROOM];

static inline const char *tape_text(void)
{
    const int length = gr_tape_text(text, sizeof text);
    ck_assert_msg(length >= 0 && length < TEXT_ROOM, "%s", gr_error() ? gr_error() : "too long");
    ck_assert_uint_eq(strlen(text), (size_t)length);
    return text;
}

static inline gr_site at(int line)
{
    return (gr_site){"somewhere/train.c", line};
}
static inline gr_tensor *vector(float a, float b)
{
    return gr_from(((const float[]){a, b}), 2);
}
static inline gr_tensor *leaf(double value)
{
    return gr_requires_grad_(gr_full(value, 1), true);
}
#define V gr_value_tensor

/* docs/autograd.md's numbers: the residuals are -1.5 and -2.5, so dq = (q - y) dy has the norm sqrt(8.5) = 2.9155; the
 * gradients of w and b are -6.5 and -4. */
typedef struct {
    gr_tensor *x, *w, *b, *loss;
} small_step;

static inline small_step record(void)
{
    small_step s = {vector(1, 2), leaf(2), leaf(0.5), NULL};
    gr_tensor *p = gr_mul_at(V(s.x), V(s.w), at(7)), *q = gr_add_at(V(p), V(s.b), at(8));
    s.loss = gr_mse_loss_at(&(gr_loss_args){.x = q, .target = vector(4, 7), .site = at(12345)});
    return s;
}

/* A user's op, with names that somebody made up: the sum of its inputs, of which the second may be absent. */
static inline bool sum_shape(gr_call *c)
{
    return gr_call_output_shape(c, 0, gr_shape_of(gr_call_input(c, 0)), GR_FLOAT32);
}
static inline bool sum_forward(gr_call *c)
{
    gr_tensor *y = gr_call_output(c, 0);
    gr_zero_(y);
    for (int i = 0; i < gr_call_inputs(c); i++)
        if (gr_call_input(c, i)) gr_add_(y, gr_call_input(c, i));
    return true;
}
static inline bool sum_backward(gr_call *c)
{
    bool ok = true;
    for (int i = 0; i < gr_call_inputs(c); i++)
        if (gr_call_needs(c, i)) ok = ok && gr_grad_add(c, i, gr_call_gradient(c, 0));
    return ok;
}
static inline gr_op sum_of(const char *name, const char *rule, const char *const *input_names)
{
    return (gr_op){.name = name, .shape = sum_shape, .forward = sum_forward, .backward = sum_backward, .rule = rule,
                   .input_names = input_names, .optional_inputs = 2};
}

#endif
