/* misuse_ops.c - ops that break their word, and what the functions of an op may not ask. */
#include "tests/misuse.h"

/* ---- ops that break their word ---- */

static enum { FAILS, FORGETS, NO_TEXT } shape_kind;
static bool bad_shape(gr_call *c)
{
    if (shape_kind == NO_TEXT) {
        const char *text = NULL;
        return gr_call_fail(c, text, 0);
    }
    return shape_kind == FORGETS;
}
static bool good_shape(gr_call *c)
{
    return gr_call_output_shape(c, 0, gr_shape_of(gr_call_input(c, 0)), GR_FLOAT32);
}
static bool fail_silently(gr_call *c)
{
    (void)c;
    return false;
}
static bool do_nothing(gr_call *c)
{
    (void)c;
    return true;
}

static void refuse_broken_ops(void)
{
    const gr_op incomplete = {.name = "incomplete"}, bad = {.name = "bad", .shape = bad_shape, .forward = fail_silently};
    const gr_op fails = {.name = "fails", .shape = good_shape, .forward = fail_silently};
    const gr_op no_rule = {.name = "no_rule", .shape = good_shape, .forward = do_nothing, .backward = fail_silently};
    const gr_op many = {.name = "many", .shape = good_shape, .forward = fail_silently, .outputs = 9};
    const gr_op changes = {.name = "changes", .shape = good_shape, .forward = fail_silently, .in_place = true};
    const gr_op two = {.name = "two", .shape = good_shape, .forward = do_nothing, .in_place = true, .outputs = 2};
    const gr_op perhaps = {.name = "perhaps", .shape = good_shape, .forward = do_nothing, .in_place = true, .optional_inputs = 1};
    const gr_op later = {.name = "later", .shape = good_shape, .forward = do_nothing, .optional_inputs = 1};
    const gr_op reshapes = {.name = "reshapes", .shape = do_nothing, .forward = good_shape, .in_place = true};
    gr_tensor *in[] = {g.n, NULL}, *absent = GR_ABSENT, *long_list[33];
    for (int k = 0; k < 33; k++) long_list[k] = k < 32 ? g.n : GR_ABSENT; /* only the first 32 may be absent */
    REFUSED("apply", "op", !gr_apply(&incomplete, &g.n, 1, NULL, NULL));
    REFUSED("apply", "op", !gr_apply(&many, &g.n, 1, NULL, NULL));
    REFUSED("apply", "op", !gr_apply(&two, &g.n, 1, NULL, NULL));
    REFUSED("apply", "op", !gr_apply(&perhaps, &absent, 1, NULL, NULL));
    REFUSED("apply", "n", !gr_apply(&changes, NULL, 0, NULL, NULL));
    REFUSED("later", "an input", !gr_apply(&later, long_list, 33, NULL, NULL));
    REFUSED("fails", "b", !gr_apply(&fails, in, 2, NULL, NULL));
    REFUSED("fails", "forward", !gr_apply(&fails, &g.n, 1, NULL, NULL));
    REFUSED("changes", "forward", !gr_apply(&changes, &g.n, 1, NULL, NULL));
    REFUSED("call_output_shape", "shape", !gr_apply(&reshapes, &g.n, 1, NULL, NULL));
    for (shape_kind = FAILS; shape_kind <= NO_TEXT; shape_kind++) REFUSED("bad", NULL, !gr_apply(&bad, &g.n, 1, NULL, NULL));
    misuse_case_begin();
    const gr_scope scope = gr_scope_begin();
    MISUSE_HERE; const bool refused = !gr_backward(gr_apply(&no_rule, &g.leaf, 1, NULL, NULL), .gradient = g.n);
    gr_scope_end(scope);
    misuse_case_end(&(misuse_case){NULL, "no_rule", "backward", "other"}, "a rule that fails silently", refused);
}

/* ---- what the functions of an op may not ask ---- */

/* An op that asks for place i, or hands over what is wrong, in one of its functions. */
enum phase { IN_SHAPE_FUNCTION, IN_FORWARD, IN_BACKWARD };
static struct {
    void (*ask)(gr_call *c, int i);
    enum phase phase;
    int i;
    gr_shape shape;
    gr_dtype dtype;
    gr_tensor *g;
} probe;

static bool ask_now(gr_call *c, enum phase phase)
{
    if (probe.phase == phase) probe.ask(c, probe.i);
    return !gr_error();
}
static bool probe_shape(gr_call *c)
{
    return ask_now(c, IN_SHAPE_FUNCTION) && good_shape(c);
}
static bool probe_forward(gr_call *c)
{
    return ask_now(c, IN_FORWARD);
}
static bool probe_backward(gr_call *c)
{
    return ask_now(c, IN_BACKWARD);
}
static const gr_op probe_op = {.name = "probe", .shape = probe_shape, .forward = probe_forward, .backward = probe_backward};

static void ask_inputs(gr_call *c, int i)
{
    (void)i;
    gr_call_inputs(c);
}
static void ask_input(gr_call *c, int i)
{
    gr_call_input(c, i);
}
static void ask_output(gr_call *c, int i)
{
    gr_call_output(c, i);
}
static void ask_attributes(gr_call *c, int i)
{
    (void)i;
    gr_call_attributes(c);
}
static void ask_site(gr_call *c, int i)
{
    (void)i;
    gr_call_site(c);
}
static void ask_fail(gr_call *c, int i)
{
    gr_call_fail(c, "%d is wrong; must be right", i);
}
static void ask_output_shape(gr_call *c, int i)
{
    gr_call_output_shape(c, i, probe.shape, probe.dtype);
}
static void ask_needs(gr_call *c, int i)
{
    gr_call_needs(c, i);
}
static void ask_gradient(gr_call *c, int i)
{
    gr_call_gradient(c, i);
}
static void ask_gradient_is_zero(gr_call *c, int i)
{
    gr_call_gradient_is_zero(c, i);
}
static void ask_grad_add(gr_call *c, int i)
{
    gr_grad_add(c, i, probe.g);
}

static const struct {
    const char *symbol;
    void (*ask)(gr_call *c, int i);
    enum phase phase;
    bool takes_place;
} asks[] = {{"gr_call_inputs", ask_inputs, IN_FORWARD, false},
            {"gr_call_input", ask_input, IN_FORWARD, true},
            {"gr_call_output", ask_output, IN_FORWARD, true},
            {"gr_call_attributes", ask_attributes, IN_FORWARD, false},
            {"gr_call_site", ask_site, IN_FORWARD, false},
            {"gr_call_fail", ask_fail, IN_FORWARD, false},
            {"gr_call_output_shape", ask_output_shape, IN_SHAPE_FUNCTION, true},
            {"gr_call_needs", ask_needs, IN_BACKWARD, true},
            {"gr_call_gradient", ask_gradient, IN_BACKWARD, true},
            {"gr_call_gradient_is_zero", ask_gradient_is_zero, IN_BACKWARD, true},
            {"gr_grad_add", ask_grad_add, IN_BACKWARD, true}};
enum { ASKS = sizeof asks / sizeof asks[0] };

static void expect_probe_refused(const char *symbol, const char *op, const char *argument, const char *wrong)
{
    misuse_case_begin();
    const gr_scope scope = gr_scope_begin(); /* what is recorded before backward fails goes with it */
    MISUSE_HERE; const bool refused = !gr_backward(gr_apply(&probe_op, &g.leaf, 1, NULL, NULL), .gradient = g.n);
    gr_scope_end(scope);
    misuse_case_end(&(misuse_case){symbol, op, argument, wrong}, "a probe", refused);
}

static void refuse_questions(void)
{
    for (int k = 0; k < ASKS; k++) {
        const char *op = asks[k].symbol + 3;
        misuse_file = "?", misuse_line = 0; /* without a call there is no place to tell */
        misuse_case_begin();
        asks[k].ask(NULL, 0);
        misuse_case_end(&(misuse_case){asks[k].symbol, op, "call", "NULL"}, op, gr_error() != NULL);
        probe.ask = asks[k].ask;
        probe.phase = asks[k].phase;
        for (probe.i = -1; asks[k].takes_place && probe.i < 2; probe.i += 2)
            expect_probe_refused(asks[k].symbol, op, "i", probe.i < 0 ? "low" : "high");
        probe.i = 0;
        probe.phase = IN_FORWARD;
        if (asks[k].phase == IN_BACKWARD) expect_probe_refused(asks[k].symbol, op, "pass", "other");
    }
}

static void refuse_answers(void)
{
    const int64_t big = INT64_C(1) << 32;
    const gr_shape shapes[] = {GR_SHAPE(-1), GR_SHAPE(big, big), GR_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1), {99, {0}}};
    static const char *const wrong[] = {"negative", "overflow", "rank", "rank"};
    probe.ask = ask_output_shape;
    probe.phase = IN_SHAPE_FUNCTION;
    for (int k = 0; k < 4; k++) {
        probe.shape = shapes[k];
        expect_probe_refused("gr_call_output_shape", "probe", "shape", wrong[k]);
    }
    probe.shape = GR_SHAPE(2);
    probe.dtype = (gr_dtype)99;
    expect_probe_refused("gr_call_output_shape", "probe", "dtype", "unknown");
    probe.dtype = GR_FLOAT64;
    for (probe.phase = IN_FORWARD; probe.phase <= IN_BACKWARD; probe.phase++)
        expect_probe_refused("gr_call_output_shape", "call_output_shape", "shape", "other");
    probe.ask = ask_grad_add;
    probe.phase = IN_BACKWARD;
    gr_tensor *const gradients[] = {NULL, g.dead_free, GR_ABSENT, g.t, g.bias, g.s};
    for (int k = 0; k < 6; k++) {
        probe.g = gradients[k];
        expect_probe_refused("gr_grad_add", "grad_add", "g", k == 0 ? "NULL" : k == 1 ? "dead" : "operand");
    }
}

void refuse_ops(void)
{
    refuse_broken_ops();
    refuse_questions();
    refuse_answers();
}
