/* test_anomaly.c - the call that made the first NaN or inf is named, nothing has changed by it, and nothing else changes. */
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "autograd/tape.h"
#include "tests/leaves.h"

#define INF ((double)INFINITY)
#define NONE ((double)NAN)

static void begin(void)
{
    catch_errors();
    gr_set_detect_anomaly(true);
}
static void end(void)
{
    gr_error_clear();
    gr_set_detect_anomaly(false);
}

static gr_site at(int line)
{
    return (gr_site){"train.c", line};
}
#define V gr_value_tensor

static gr_tensor *numbers(const double *values, int64_t n)
{
    float narrow[8];
    for (int64_t i = 0; i < n; i++) narrow[i] = (float)values[i];
    return gr_from(narrow, n);
}
#define T(...) numbers((const double[]){__VA_ARGS__}, (int64_t)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)))
#define NARROW_LEAF(...) gr_requires_grad_(T(__VA_ARGS__), true)

/* The error that stands has this text; it is cleared. */
static void expect(const char *whole)
{
    ck_assert_ptr_nonnull(gr_error());
    ck_assert_str_eq(gr_error(), whole);
    ck_assert_int_eq(gr_error_kind(), GR_ERROR_NONFINITE);
    gr_error_clear();
}

/* What a failed call must not change. */
typedef struct {
    struct gr_tape_mark tape;
    uint32_t owned, depth;
    bool recording;
} picture;

static picture look(void)
{
    const gr_thread *t = gr_self();
    return (picture){t->tape, t->owned_count, t->depth, t->recording};
}
static void expect_unchanged(const picture *a)
{
    const picture b = look();
    ck_assert_ptr_eq(a->tape.last, b.tape.last);
    ck_assert_uint_eq(a->tape.values, b.tape.values);
    ck_assert_uint_eq(a->owned, b.owned);
    ck_assert_uint_eq(a->depth, b.depth);
    ck_assert(a->recording == b.recording);
}

/* ---- forward ---- */

START_TEST(it_is_off_at_first)
{
    ck_assert(!gr_is_anomaly_enabled());
    ck_assert_ptr_nonnull(gr_sqrt(T(-1)));
}
END_TEST

START_TEST(the_call_that_makes_a_nan_is_named)
{
    gr_tensor *x = T(4, 1, 0, -1, -2);
    const picture before = look();
    ck_assert_ptr_null(gr_sqrt_at(x, at(12)));
    expect("train.c:12: sqrt: made a nan in element 3 of its result [5]; must be finite");
    expect_unchanged(&before);
    ck_assert_ptr_nonnull(gr_abs_at(x, at(13)));
}
END_TEST

START_TEST(the_call_that_makes_an_inf_is_named)
{
    ck_assert_ptr_null(gr_exp_at(T(0, 100), at(1)));
    expect("train.c:1: exp: made an inf in element 1 of its result [2]; must be finite");
    ck_assert_ptr_null(gr_log_at(T(0, -1), at(2)));
    expect("train.c:2: log: made a -inf in element 0 of its result [2]; must be finite");
    ck_assert_ptr_null(gr_log_at(T(1, -1, 0), at(3)));
    expect("train.c:3: log: made a nan in element 1 of its result [3]; must be finite");
    ck_assert_ptr_null(gr_div_at(V(gr_ones()), gr_value_integer(0), at(4)));
    expect("train.c:4: div: made an inf in its result []; must be finite");
    ck_assert_ptr_null(gr_to_at(&(gr_to_args){.x = gr_full_with(1e300, GR_SHAPE(1), .dtype = GR_FLOAT64), .site = at(5),
                                              .dtype = GR_FLOAT32, .device = {-1, 0}}));
    expect("train.c:5: to: made an inf in element 0 of its result [1]; must be finite");
    ck_assert_ptr_null(gr_mean_at(&(gr_reduce_args){.x = gr_zeros(0), .site = at(6), .dim = GR_ALL, .dtype = GR_DTYPE_DEFAULT}));
    expect("train.c:6: mean: made a nan in its result []; must be finite");
    ck_assert_ptr_null(gr_matmul_at(gr_full(1e30, 2, 2), gr_full(1e30, 2, 2), at(7)));
    expect("train.c:7: matmul: made an inf in element [0, 0] of its result [2, 2]; must be finite");
}
END_TEST

/* The place is counted as the result is seen, not as it lies in memory. */
START_TEST(the_place_is_found_in_every_shape)
{
    gr_tensor *x = gr_ones(3, 1100); /* more than is read at once */
    gr_fill_(gr_select(gr_select(x, 0, 2), 0, 1030), -1);
    ck_assert_ptr_null(gr_sqrt_at(x, at(1)));
    expect("train.c:1: sqrt: made a nan in element [2, 1030] of its result [3, 1100]; must be finite");
    ck_assert_ptr_null(gr_log1p_at(gr_sub(gr_t(x), 1), at(2)));
    expect("train.c:2: log1p: made a nan in element [1030, 2] of its result [1100, 3]; must be finite");
    gr_tensor *y = gr_full(0.5, 2, 3, 4), *view = gr_transpose(y, 0, 2); /* [4, 3, 2] */
    gr_fill_(gr_select(gr_select(gr_select(view, 0, 3), 0, 1), 0, 0), 0);
    ck_assert_ptr_null(gr_log__at(view, at(3)));
    expect("train.c:3: log_: made a -inf in element [3, 1, 0] of its result [4, 3, 2]; must be finite");
    gr_tensor *wide = gr_expand(T(-1), 5, 1);
    ck_assert_ptr_null(gr_rsqrt_at(gr_t(wide), at(4)));
    expect("train.c:4: rsqrt: made a nan in element [0, 0] of its result [1, 5]; must be finite");
}
END_TEST

START_TEST(a_nan_that_was_given_is_told_from_one_that_was_made)
{
    gr_tensor *x = T(1, 2, NONE), *y = T(1, 2, 3);
    ck_assert_ptr_null(gr_add_at(V(y), V(x), at(1)));
    expect("train.c:1: add: there is a nan in element 2 of b [3]; must be finite");
    ck_assert_ptr_null(gr_add_at(V(x), V(T(NONE, 2, 3)), at(1)));
    expect("train.c:1: add: there is a nan in element 2 of a [3]; must be finite");
    ck_assert_ptr_null(gr_mul_at(V(y), gr_value_real(NONE), at(2)));
    expect("train.c:2: mul: b is nan; must be finite");
    ck_assert_ptr_null(gr_sum_at(&(gr_reduce_args){.x = x, .site = at(3), .dim = GR_ALL, .dtype = GR_DTYPE_DEFAULT}));
    expect("train.c:3: sum: there is a nan in element 2 of x [3]; must be finite");
    ck_assert_ptr_null(gr_reshape_at(x, (gr_shape){2, {3, 1}}, at(4)));
    expect("train.c:4: reshape: there is a nan in element 2 of x [3]; must be finite");
    gr_tensor *clean = gr_where(gr_isnan(x), 0, x); /* what does not come through is no fault */
    EXPECT(clean, 1, 2, 0);
}
END_TEST

START_TEST(an_inf_that_was_given_is_passed_on)
{
    gr_tensor *scores = T(1, 2, 3), *mask = gr_gt(scores, 2);
    gr_tensor *masked = gr_where(mask, scores, -INF);
    EXPECT(masked, -INF, -INF, 3);
    EXPECT(gr_exp(masked), 0, 0, (double)expf(3));
    EXPECT(gr_sub(masked, scores), -INF, -INF, 0);
    EXPECT(gr_amax(gr_neg(masked)), INF);
    ck_assert_ptr_null(gr_sub_at(V(masked), V(masked), at(9))); /* inf - inf is a NaN, and new */
    expect("train.c:9: sub: made a nan in element 0 of its result [3]; must be finite");
}
END_TEST

START_TEST(a_change_in_place_is_taken_back)
{
    gr_tensor *x = T(4, 1, -1), *whole = T(9, 8, 7, 6), *part = gr_slice(whole, .start = 1, .step = 2);
    const uint32_t version = x->storage->version;
    picture before = look();
    ck_assert_ptr_null(gr_sqrt__at(x, at(1)));
    expect("train.c:1: sqrt_: made a nan in element 2 of its result [3]; must be finite");
    EXPECT(x, 4, 1, -1);
    ck_assert_uint_eq(x->storage->version, version);
    ck_assert_ptr_null(gr_div__at(part, V(gr_zeros(2)), at(2)));
    expect("train.c:2: div_: made an inf in element 0 of its result [2]; must be finite");
    EXPECT(whole, 9, 8, 7, 6);
    ck_assert_ptr_null(gr_div__at(x, V(gr_sub(x, x)), at(3)));
    expect("train.c:3: div_: made an inf in element 0 of its result [3]; must be finite");
    ck_assert_ptr_null(gr_fill__at(x, gr_value_real(NONE), at(4)));
    gr_error_clear();
    EXPECT(x, 4, 1, -1);
    gr_tensor *self = T(0, 2);
    ck_assert_ptr_null(gr_div__at(self, V(self), at(5)));
    EXPECT(self, 0, 2);
    expect("train.c:5: div_: made a nan in element 0 of its result [2]; must be finite");
    gr_tensor *w = NARROW_LEAF(1, 4), *y = gr_mul(w, 0.5), *kept = gr_mul(y, 2);
    before = look();
    ck_assert_ptr_null(gr_log__at(gr_sub_(y, 0.5), at(6))); /* recorded; log_ reads what it overwrites */
    gr_error_clear();
    EXPECT(y, 0, 1.5);
    ck_assert_ptr_nonnull(kept);
    ck_assert_uint_eq(look().tape.values, before.tape.values + 1);
    ck_assert_uint_eq(look().owned, before.owned);
    ck_assert(gr_backward(gr_sum(gr_mul(y, y)))); /* dw = y */
    EXPECT(gr_grad(w), 0, 1.5);
}
END_TEST

START_TEST(it_holds_with_recording_off_and_for_integers)
{
    const gr_scope scope = gr_no_grad_begin();
    ck_assert_ptr_null(gr_reciprocal_at(T(0), at(1)));
    expect("train.c:1: reciprocal: made an inf in element 0 of its result [1]; must be finite");
    gr_scope_end(scope);
    gr_tensor *i = gr_arange(0, 3, 1);
    gr_add_(i, 1);
    EXPECT(gr_mul(i, i), 1, 4, 9);
    ck_assert_ptr_null(gr_log_at(gr_sub(i, 1), at(2))); /* becomes float32 */
    expect("train.c:2: log: made a -inf in element 0 of its result [3]; must be finite");
}
END_TEST

static bool twice_shape(gr_call *c)
{
    gr_tensor *x = gr_call_input(c, 0);
    return gr_call_output_shape(c, 0, gr_shape_of(x), GR_INT64) && gr_call_output_shape(c, 1, gr_shape_of(x), GR_FLOAT32);
}
static bool own_division(gr_call *c)
{
    gr_fill_(gr_call_output(c, 0), 1);
    return gr_copy_(gr_call_output(c, 1), gr_from(((const float[]){0, INFINITY}), 2)) != NULL;
}
static bool calls_log(gr_call *c)
{
    return gr_log_at(gr_call_input(c, 0), at(77)) != NULL;
}

START_TEST(what_is_written_over_is_not_to_blame)
{
    gr_tensor *x = T(0, 1), *source = T(1, 2);
    gr_set_detect_anomaly(false);
    gr_copy_(x, gr_from(((const float[]){NAN, 1}), 2));
    gr_copy_(source, gr_from(((const float[]){1, NAN}), 2));
    gr_set_detect_anomaly(true);
    ck_assert_ptr_null(gr_copy__at(x, source, at(1)));
    expect("train.c:1: copy_: there is a nan in element 1 of source [2]; must be finite");
    ck_assert_ptr_nonnull(gr_fill__at(x, gr_value_real(2), at(2)));
    EXPECT(x, 2, 2);
}
END_TEST

START_TEST(the_ops_of_users_are_looked_at_too)
{
    const gr_op own = {.name = "own", .shape = twice_shape, .forward = own_division, .outputs = 2};
    const gr_op nested = {.name = "nested", .shape = twice_shape, .forward = calls_log, .outputs = 2};
    gr_tensor *x = T(0, 1), *outputs[2];
    picture before = look();
    ck_assert_ptr_null(gr_apply_at(&own, &x, 1, NULL, outputs, at(1)));
    expect("train.c:1: own: made an inf in element 1 of result 1 [2]; must be finite");
    ck_assert(!outputs[0] && !outputs[1]);
    expect_unchanged(&before);
    ck_assert_ptr_null(gr_apply_at(&nested, &x, 1, NULL, NULL, at(2))); /* the call inside made it */
    expect("train.c:77: log: made a -inf in element 0 of its result [2]; must be finite");
}
END_TEST

/* ---- backward ---- */

START_TEST(the_call_whose_rule_makes_an_inf_is_named)
{
    gr_tensor *x = NARROW_LEAF(4, 0, 1), *w = NARROW_LEAF(1, 2, 3);
    gr_tensor *y = gr_sqrt_at(x, at(12)); /* dx = dy / (2 y) */
    gr_tensor *loss = gr_sum(gr_mul(gr_mul(y, w), 2));
    const picture before = look();
    ck_assert(!gr_backward_at(&(gr_backward_args){.loss = loss, .gradient = GR_ABSENT, .site = at(20)}));
    expect("train.c:20: backward: sqrt (train.c:12) made an inf in element 1 of the gradient of x [3]; must be finite");
    expect_unchanged(&before);
    ck_assert(!gr_has_grad(x) && !gr_has_grad(w));
    gr_set_detect_anomaly(false); /* the history is there to be used */
    ck_assert(gr_backward(loss));
    EXPECT(gr_grad(w), 4, 0, 2);
    EXPECT(gr_grad(x), 0.5, INF, 3);
}
END_TEST

START_TEST(each_operands_gradient_is_looked_at)
{
    gr_tensor *a = NARROW_LEAF(1), *b = NARROW_LEAF(1e-30); /* a / b and da = 1 / b are finite, db = -a / b / b is not */
    gr_tensor *loss = gr_div_at(V(a), V(b), at(1));
    ck_assert(!gr_backward_at(&(gr_backward_args){.loss = loss, .gradient = GR_ABSENT, .site = at(2)}));
    expect("train.c:2: backward: div (train.c:1) made a -inf in element 0 of the gradient of b [1]; must be finite");
}
END_TEST

START_TEST(the_first_of_several_is_named)
{
    gr_tensor *x = NARROW_LEAF(0, 1);
    gr_tensor *y = gr_sqrt_at(gr_mul_at(V(gr_sqrt_at(x, at(1))), gr_value_integer(1), at(2)), at(3));
    ck_assert(!gr_backward_at(&(gr_backward_args){.loss = gr_sum(y), .gradient = GR_ABSENT, .site = at(4)}));
    expect("train.c:4: backward: sqrt (train.c:3) made an inf in element 0 of the gradient of x [2]; must be finite");
}
END_TEST

START_TEST(sums_of_gradients_are_looked_at)
{
    gr_tensor *x = NARROW_LEAF(1);
    gr_tensor *first = gr_mul_at(V(x), gr_value_real(3e38), at(1)), *second = gr_mul_at(V(x), gr_value_real(3e38), at(2));
    gr_tensor *loss = gr_add(gr_sub(first, 3e38), second); /* 0 + 3e38, but the slope is 6e38 */
    ck_assert(!gr_backward_at(&(gr_backward_args){.loss = loss, .gradient = GR_ABSENT, .site = at(3)}));
    expect("train.c:3: backward: mul (train.c:1) made an inf in element 0 of the gradient of a [1]; must be finite");
}
END_TEST

START_TEST(a_gradient_as_a_result_is_looked_at)
{
    gr_tensor *x = NARROW_LEAF(0, 1), *y = gr_sqrt_at(x, at(1)), *ones = T(1, 1);
    ck_assert_ptr_null(gr_autograd_grad_at(&(gr_autograd_grad_args){.y = y, .x = x, .site = at(2), .gradient = ones}));
    expect("train.c:2: autograd_grad: sqrt (train.c:1) made an inf in element 0 of the gradient of x [2]; must be finite");
    gr_set_detect_anomaly(false);
    EXPECT(gr_autograd_grad(y, x, .gradient = ones), INF, 0.5);
}
END_TEST

static gr_tensor *spoil(gr_tensor *gradient, void *data)
{
    return gr_full_like(gradient, *(const double *)data);
}

START_TEST(gradients_from_outside_are_looked_at)
{
    double nan = NONE, one = 1;
    gr_tensor *x = NARROW_LEAF(1, 2), *y = gr_mul(x, 2), *loss = gr_sum(y);
    ck_assert(!gr_backward_at(&(gr_backward_args){.loss = y, .gradient = T(1, INF), .site = at(1)}));
    expect("train.c:1: backward: there is an inf in element 1 of gradient [2]; must be finite");
    for (int k = 0; k < 2; k++) { /* of a value, of a leaf */
        const gr_hook bad = gr_register_hook(k ? x : y, spoil, &nan);
        ck_assert(!gr_backward_at(&(gr_backward_args){.loss = loss, .gradient = GR_ABSENT, .site = at(2)}));
        expect("train.c:2: backward: a hook returned a nan in element 0 of the gradient [2]; must be finite");
        gr_hook_remove(bad);
        ck_assert(!gr_has_grad(x));
    }
    gr_register_hook(y, spoil, &one);
    ck_assert(gr_backward(loss));
    EXPECT(gr_grad(x), 2, 2);
}
END_TEST

/* A rule may compute an inf that it masks: log(0) stands in pow's. */
START_TEST(what_a_rule_masks_is_no_fault)
{
    gr_tensor *a = NARROW_LEAF(0, 2), *b = NARROW_LEAF(2, 3);
    ck_assert_msg(gr_backward(gr_sum(gr_pow(a, b)), .create_graph = true), "%s", gr_error());
    EXPECT(gr_grad(a), 0, 12);
    ck_assert(gr_at(gr_grad(b), 0) == 0);
}
END_TEST

START_TEST(recorded_passes_are_looked_at)
{
    gr_tensor *x = NARROW_LEAF(1, 0), *y = gr_sum(gr_sqrt_at(gr_square(x), at(1)));
    ck_assert(!gr_backward_at(&(gr_backward_args){.loss = y, .gradient = GR_ABSENT, .site = at(2), .create_graph = true}));
    expect("train.c:2: backward: sqrt (train.c:1) made an inf in element 1 of the gradient of x [2]; must be finite");
    ck_assert(!gr_has_grad(x));
}
END_TEST

/* ---- what stays as it is ---- */

static void train(double *losses, double *weight, bool watched)
{
    gr_set_detect_anomaly(watched);
    ck_assert(gr_set_tape_norms(watched));
    gr_manual_seed(3);
    gr_tensor *x = gr_randn(20, 3), *y = gr_randn(20, 1);
    gr_module *model = gr_nn_sequential(gr_nn_linear(3, 8), gr_nn_tanh(), gr_nn_linear(8, 1));
    gr_optim *optimizer = gr_optim_sgd(gr_parameters(model), .lr = 0.05, .momentum = 0.9);
    for (int step = 0; step < 50; step++) {
        const gr_scope scope = gr_scope_begin();
        gr_tensor *loss = gr_mse_loss(gr_forward(model, x), y);
        gr_zero_grad(optimizer);
        ck_assert(gr_backward(loss));
        ck_assert(gr_step(optimizer));
        losses[step] = gr_item(loss);
        gr_scope_end(scope);
    }
    ck_assert(gr_to_array(gr_module_tensor(model, "0.weight"), weight, 24));
    ck_assert(gr_set_tape_norms(false));
}

START_TEST(training_gives_the_same_bits)
{
    double losses[2][50], weight[2][24];
    for (int k = 0; k < 2; k++) train(losses[k], weight[k], k);
    ck_assert(!memcmp(losses[0], losses[1], sizeof losses[0]));
    ck_assert(!memcmp(weight[0], weight[1], sizeof weight[0]));
    ck_assert(losses[0][49] < losses[0][0]);
}
END_TEST

static void *other_thread(void *data)
{
    bool *off = data;
    *off = !gr_is_anomaly_enabled() && gr_log(gr_zeros(1)) != NULL;
    return NULL;
}

START_TEST(it_belongs_to_the_thread)
{
    bool off = false;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, &off), 0);
    pthread_join(thread, NULL);
    ck_assert(off);
    ck_assert(gr_is_anomaly_enabled());
}
END_TEST

Suite *anomaly_suite(void)
{
    Suite *s = suite_create("anomaly");
    TCase *c = tcase_create("anomaly"), *untouched = tcase_create("untouched");
    tcase_add_test(untouched, it_is_off_at_first);
    suite_add_tcase(s, untouched);
    tcase_add_checked_fixture(c, begin, end);
    tcase_add_test(c, the_call_that_makes_a_nan_is_named);
    tcase_add_test(c, the_call_that_makes_an_inf_is_named);
    tcase_add_test(c, the_place_is_found_in_every_shape);
    tcase_add_test(c, a_nan_that_was_given_is_told_from_one_that_was_made);
    tcase_add_test(c, an_inf_that_was_given_is_passed_on);
    tcase_add_test(c, a_change_in_place_is_taken_back);
    tcase_add_test(c, it_holds_with_recording_off_and_for_integers);
    tcase_add_test(c, what_is_written_over_is_not_to_blame);
    tcase_add_test(c, the_ops_of_users_are_looked_at_too);
    tcase_add_test(c, the_call_whose_rule_makes_an_inf_is_named);
    tcase_add_test(c, each_operands_gradient_is_looked_at);
    tcase_add_test(c, the_first_of_several_is_named);
    tcase_add_test(c, sums_of_gradients_are_looked_at);
    tcase_add_test(c, a_gradient_as_a_result_is_looked_at);
    tcase_add_test(c, gradients_from_outside_are_looked_at);
    tcase_add_test(c, what_a_rule_masks_is_no_fault);
    tcase_add_test(c, recorded_passes_are_looked_at);
    tcase_add_test(c, training_gives_the_same_bits);
    tcase_add_test(c, it_belongs_to_the_thread);
    suite_add_tcase(s, c);
    return s;
}
