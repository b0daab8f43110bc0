/* test_optim.c - optimizers against PyTorch's parameters after 1, 2, 10 and 100 steps, in every bit; groups, options, refusals.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gradus.h"
#include "tests/golden.h"
#include "tests/look.h"
#include "tests/suites.h"

/* ---- golden sets ---- */

typedef struct {
    gr_tensor *p, *target, *scale;
} problem;

static gr_tensor *as_tensor(golden_file *f, const char *name, const char *letter, gr_dtype dtype)
{
    char whole[128];
    snprintf(whole, sizeof whole, "%s_%s", name, letter);
    const golden_array *a = golden_take(f, whole);
    gr_tensor *t = gr_from_at(a->real, GR_FLOAT64, gr_shape_from(a->size, a->dims), GR_HERE);
    return gr_clone(gr_to(t, .dtype = dtype));
}

/* loss = sum scale (p - target)^2 + sum p^4 / 10, whose gradient is, in the order PyTorch computed it,
 * ((2 scale) (p - target)) + ((0.4 p) p) p: it is made by those very operations. */
static void set_gradient(const problem *q)
{
    gr_zero_grad(q->p);
    gr_scope scope = gr_scope_begin();
    gr_tensor *p = gr_detach(q->p);
    gr_tensor *g = gr_add(gr_mul(gr_mul(q->scale, 2), gr_sub(p, q->target)), gr_mul(gr_mul(gr_mul(p, 0.4), p), p));
    ck_assert(gr_backward(q->p, .gradient = g));
    gr_scope_end(scope);
}

static void compare(golden_file *f, const char *set, const char *letter, int step, const gr_tensor *p)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s.step%d", set, letter, step);
    const golden_array *a = golden_take(f, name);
    double value[16];
    ck_assert_int_le(a->count, 16);
    ck_assert(gr_to_array(p, value, a->count));
    for (int64_t i = 0; i < a->count; i++)
        ck_assert_msg(value[i] == a->real[i], "%s[%d] is %.17g, not %.17g", name, (int)i, value[i], a->real[i]);
}

typedef gr_optim *maker(gr_tensors params);
static gr_optim *sgd0(gr_tensors p)
{
    return gr_optim_sgd(p, .lr = 0.01);
}
static gr_optim *sgd1(gr_tensors p)
{
    return gr_optim_sgd(p, .lr = 0.01, .momentum = 0.9);
}
static gr_optim *sgd2(gr_tensors p)
{
    return gr_optim_sgd(p, .lr = 0.02, .momentum = 0.8, .dampening = 0.1, .weight_decay = 0.05);
}
static gr_optim *sgd3(gr_tensors p)
{
    return gr_optim_sgd(p, .lr = 0.01, .momentum = 0.9, .nesterov = true, .weight_decay = 0.01);
}
static gr_optim *sgd4(gr_tensors p)
{
    return gr_optim_sgd(p, .lr = 0.0001, .momentum = 0.5, .maximize = true);
}
static gr_optim *gd(gr_tensors p)
{
    return gr_optim_gd(p, .lr = 0.01);
}

static void run_set(golden_file *f, const char *set, maker *make, gr_dtype dtype)
{
    const char *const letter[2] = {"a", "b"};
    problem q[2];
    for (int i = 0; i < 2; i++) {
        q[i].p = gr_requires_grad_(as_tensor(f, "start", letter[i], dtype), true);
        q[i].target = as_tensor(f, "target", letter[i], dtype);
        q[i].scale = as_tensor(f, "scale", letter[i], dtype);
    }
    gr_optim *o = make(GR_TENSORS(q[0].p, q[1].p));
    for (int step = 1; step <= 100; step++) {
        for (int i = 0; i < 2; i++) set_gradient(&q[i]);
        ck_assert(gr_step(o));
        if (step == 1 || step == 2 || step == 10 || step == 100)
            for (int i = 0; i < 2; i++) compare(f, set, letter[i], step, q[i].p);
    }
}

/* Each name stands for arrays that wait for what is not there yet. */
static void leave(golden_file *f, const char *const *prefix)
{
    for (; *prefix; prefix++) golden_leave(f, *prefix);
}

START_TEST(sgd_follows_pytorch)
{
    golden_file *f = golden_open("optim.txt");
    maker *const sets[] = {sgd0, sgd1, sgd2, sgd3, sgd4};
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "SGD.%d", i);
        run_set(f, name, sets[i], GR_FLOAT64);
        snprintf(name, sizeof name, "f32.SGD.%d", i);
        run_set(f, name, sets[i], GR_FLOAT32);
    }
    run_set(f, "SGD.0", gd, GR_FLOAT64);
    leave(f, (const char *const[]){"Adam.", "AdamW.", "Adamax.", "NAdam.", "RAdam.", "Adagrad.", "Adadelta.", "RMSprop.",
                                   "Rprop.", "ASGD.", "Adafactor.", "LBFGS.", "Muon.", "f32.Adam.", NULL});
    golden_end(f);
}
END_TEST

START_TEST(schedules_are_not_there_yet)
{
    golden_file *f = golden_open("schedulers.txt");
    leave(f, (const char *const[]){"LambdaLR.", "MultiplicativeLR.", "StepLR.", "MultiStepLR.", "ConstantLR.", "LinearLR.",
                                   "ExponentialLR.", "PolynomialLR.", "CosineAnnealingLR.", "CosineAnnealingWarmRestarts.",
                                   "CyclicLR.", "OneCycleLR.", "ReduceLROnPlateau.", "SequentialLR.", "ChainedScheduler.",
                                   "metric_", NULL});
    golden_end(f);
}
END_TEST

/* ---- groups and options ---- */

static gr_tensor *parameter(double value)
{
    return gr_requires_grad_(gr_full_with(value, GR_SHAPE(2), .dtype = GR_FLOAT64), true);
}

static void give_gradient(gr_tensor *p, double g)
{
    gr_backward(p, .gradient = gr_full_with(g, GR_SHAPE(2), .dtype = GR_FLOAT64));
}

START_TEST(groups_have_options_of_their_own)
{
    gr_tensor *p = parameter(1), *q = parameter(1);
    gr_optim *o = gr_optim_sgd(GR_TENSORS(p), .lr = 0.5);
    ck_assert_int_eq(gr_optim_group(o, GR_TENSORS(q), .lr = 0.25), 1);
    give_gradient(p, 1);
    give_gradient(q, 1);
    ck_assert(gr_step(o));
    ck_assert(gr_at(p, 0) == 0.5 && gr_at(q, 1) == 0.75);
    ck_assert(gr_optim_set(o, 1, GR_LR, 0));
    ck_assert(gr_optim_get(o, 1, GR_LR) == 0 && gr_optim_get(o, 0, GR_LR) == 0.5);
    ck_assert(gr_step(o));
    ck_assert(gr_at(p, 0) == 0 && gr_at(q, 1) == 0.75);
    ck_assert(gr_zero_grad(o) && !gr_has_grad(p) && !gr_has_grad(q));
}
END_TEST

/* PyTorch turns the gradient's sign first: -0.5 + 0.25 * 1. */
START_TEST(maximize_turns_the_gradient_but_not_the_decay)
{
    gr_tensor *p = parameter(1);
    gr_optim *o = gr_optim_sgd(GR_TENSORS(p), .lr = 0.5, .weight_decay = 0.25, .maximize = true);
    give_gradient(p, 0.5);
    ck_assert(gr_step(o));
    ck_assert(gr_at(p, 0) == 1.125);
}
END_TEST

START_TEST(a_parameter_without_gradient_is_left_alone)
{
    gr_tensor *p = parameter(1), *q = parameter(1);
    gr_optim *o = gr_optim_sgd(GR_TENSORS(p, q), .lr = 0.5, .weight_decay = 0.1, .momentum = 0.9);
    give_gradient(p, 0);
    ck_assert(gr_step(o));
    ck_assert(gr_at(p, 0) == 0.95 && gr_at(q, 0) == 1); /* a zero gradient is not none */
}
END_TEST

START_TEST(parameters_with_any_strides_are_updated)
{
    gr_tensor *p = gr_requires_grad_(gr_detach(gr_t(gr_arange_with(0, 6, 1, .dtype = GR_FLOAT64))), true);
    gr_tensor *m = gr_requires_grad_(gr_detach(gr_t(gr_reshape(gr_arange_with(0, 6, 1, .dtype = GR_FLOAT64), 2, 3))), true);
    gr_optim *o = gr_optim_sgd(GR_TENSORS(p, m), .lr = 1, .momentum = 0.5);
    for (int i = 0; i < 2; i++) {
        gr_zero_grad(o);
        ck_assert(gr_backward(gr_sum(gr_mul(m, m))));
        ck_assert(gr_step(o));
    }
    ck_assert(gr_at(m, 2, 1) == 5 - 10 - (0.5 * 10 + 2 * -5)); /* b = 10; then b = 5 - 10 */
}
END_TEST

/* ---- refusals ---- */

START_TEST(wrong_options_are_refused)
{
    catch_errors();
    gr_tensor *p = parameter(1);
    ck_assert_ptr_null(gr_optim_sgd(GR_TENSORS(p), .lr = -1));
    expect_one_error("optim_sgd: lr is -1; must be finite and at least 0");
    ck_assert_ptr_null(gr_optim_sgd(GR_TENSORS(p), .lr = (double)NAN));
    expect_one_error("lr is");
    ck_assert_ptr_null(gr_optim_sgd(GR_TENSORS(p), .nesterov = true));
    expect_one_error("nesterov");
    ck_assert_ptr_null(gr_optim_sgd(GR_TENSORS(p, p)));
    expect_one_error("stands twice");
    ck_assert_ptr_null(gr_optim_sgd(GR_TENSORS(gr_mul(p, 2))));
    expect_one_error("has history");
    ck_assert_ptr_null(gr_optim_gd(GR_TENSORS(gr_ones(2))));
    expect_one_error("requires grad");
    gr_optim *o = gr_optim_gd(GR_TENSORS(p));
    ck_assert_int_eq(gr_optim_group(o, GR_TENSORS(p)), -1);
    expect_one_error("another group");
    ck_assert_int_eq(gr_optim_group(o, GR_TENSORS(parameter(1)), .momentum = 0.9), -1);
    expect_one_error("no option of optim_gd");
    ck_assert(!gr_optim_set(o, 0, GR_LR, -1));
    expect_one_error("lr is -1");
    ck_assert(gr_optim_get(o, 0, GR_LR) == 1e-3);
    ck_assert(!gr_optim_set(o, 3, GR_LR, 1));
    expect_one_error("group is 3");
    gr_free(o);
    ck_assert(!gr_step(o));
    expect_one_error("dead");
}
END_TEST

Suite *optim_suite(void)
{
    Suite *s = suite_create("optim");
    TCase *c = tcase_create("optim");
    tcase_add_test(c, sgd_follows_pytorch);
    tcase_add_test(c, schedules_are_not_there_yet);
    tcase_add_test(c, groups_have_options_of_their_own);
    tcase_add_test(c, maximize_turns_the_gradient_but_not_the_decay);
    tcase_add_test(c, a_parameter_without_gradient_is_left_alone);
    tcase_add_test(c, parameters_with_any_strides_are_updated);
    tcase_add_test(c, wrong_options_are_refused);
    suite_add_tcase(s, c);
    return s;
}
