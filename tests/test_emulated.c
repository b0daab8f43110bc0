/* test_emulated.c - what only an emulated GPU can show: when somebody waits, how many kernels run, what is read. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/internal.h"
#include "gradus.h"
#include "tests/emulated.h"
#include "tests/look.h"
#include "tests/suites.h"

/* ---- a training loop ---- */

typedef struct {
    gr_module *m;
    gr_optim *o;
    gr_tensor *x, *y;
} training;

static training begin_training(void)
{
    gr_manual_seed(2);
    training t = {.m = gr_nn_sequential(gr_nn_linear(6, 9), gr_nn_relu(), gr_nn_linear(9, 3))};
    t.o = gr_optim_sgd(gr_parameters(t.m), .lr = 0.05, .momentum = 0.9);
    t.x = gr_randn(12, 6);
    t.y = gr_randn(12, 3);
    return t;
}

static bool step(training *t, double *loss)
{
    const gr_scope scope = gr_scope_begin();
    gr_tensor *now = NULL;
    bool ok = gr_zero_grad(t->o);
    ok = ok && (now = gr_mse_loss(gr_forward(t->m, t->x), t->y)) && gr_backward(now) && gr_step(t->o);
    if (ok && loss) *loss = gr_item(now);
    gr_scope_end(scope);
    return ok && !gr_error();
}

#ifndef GR_DEBUG
static int64_t waits(void)
{
    gr_emulator_counts c;
    emulator.count(&c);
    return c.synchronisations;
}

START_TEST(a_step_does_not_wait)
{
    training t = begin_training();
    for (int i = 0; i < 3; i++) ck_assert_msg(step(&t, NULL), "%s", gr_error());
    const int64_t before = waits();
    for (int i = 0; i < 10; i++) ck_assert(step(&t, NULL));
    ck_assert_msg(waits() == before, "%s waited", emulator.last_synchronisation());
    double loss;
    ck_assert(step(&t, &loss));
    ck_assert_int_eq(waits(), before + 1); /* gr_item does */
}
END_TEST

START_TEST(backward_of_a_maximum_does_not_wait)
{
    for (int k = 0; k < 2; k++) { /* of numbers, and of NaNs */
        gr_tensor *x = gr_mul(gr_arange(0, 6, 1.0), k ? (double)NAN : 1);
        x = gr_requires_grad_(gr_detach(x), true);
        gr_tensor *most = gr_max(x), *least = gr_min(x);
        const int64_t before = waits();
        ck_assert_msg(gr_backward(most) && gr_backward(least), "%s", gr_error());
        ck_assert_msg(waits() == before, "%s waited", emulator.last_synchronisation());
        for (int i = 0; i < 6; i++)
            ck_assert(fabs(gr_at(gr_grad(x), i) - (k ? 2 / 6.0 : i == 0 || i == 5)) < 1e-6);
    }
}
END_TEST
#endif

START_TEST(an_optimizer_has_one_launch_for_all_parameters)
{
    training t = begin_training();
    ck_assert(step(&t, NULL));
    gr_emulator_counts before, after;
    ck_assert(gr_backward(gr_mse_loss(gr_forward(t.m, t.x), t.y)) && gr_synchronize(gr_cuda(0)));
    emulator.count(&before);
    ck_assert(gr_step(t.o));
    emulator.count(&after);
    ck_assert_int_eq(after.launches - before.launches, 1);
}
END_TEST

/* ---- what is shown and compared ---- */

static bool print_it(const gr_tensor *x)
{
    return gr_print(x);
}
static bool text_of(const gr_tensor *x)
{
    char text[200];
    return gr_tensor_text(x, text, sizeof text) >= 0;
}
static bool compare_it(const gr_tensor *x)
{
    return gr_equal(x, x);
}
static bool draw_by(const gr_tensor *x)
{
    return gr_bernoulli(x) != NULL;
}

/* Each of its calls to CUDA fails in turn: then so does the call, and its error has its name. */
START_TEST(what_is_not_read_is_not_told)
{
    static const struct {
        bool (*call)(const gr_tensor *x);
        const char *name;
    } calls[] = {{print_it, ": print: "}, {text_of, ": tensor_text: "}, {compare_it, ": equal: "}, {draw_by, ": bernoulli: "}};
    gr_tensor *x = gr_full(0.5, 3);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        for (int k = 1;; k++) {
            gr_item(gr_sum(x)); /* another call, which ran before */
            emulator.refuse("call", k, 0, false);
            const bool told = calls[i].call(x);
            const bool refused = emulator.failures() > 0;
            emulator.refuse(NULL, 0, 0, false);
            if (!refused) {
                ck_assert_int_gt(k, 1);
                ck_assert(told && !gr_error());
                break;
            }
            ck_assert_msg(!told && gr_error() && strstr(gr_error(), calls[i].name), "call %d of%s tells %d, %s", k, calls[i].name,
                          told, gr_error() ? gr_error() : "no error");
            gr_error_clear();
        }
}
END_TEST

START_TEST(a_tensor_is_printed_with_its_device)
{
    char text[200];
    ck_assert(gr_set_default_device(gr_cuda(1)));
    ck_assert_int_gt(gr_tensor_text(gr_ones(2), text, sizeof text), 0);
    ck_assert_str_eq(text, "tensor([1., 1.], device='cuda:1')");
}
END_TEST

START_TEST(a_table_leaves_the_hosts_memory)
{
    const gr_pool_use before = gr_pool_look(gr_self());
    gr_tensor *table = gr_read_csv("demos/diabetes.csv", .skip_header = true);
    ck_assert(table && gr_device_of(table).kind == gr_cuda(0).kind);
    ck_assert_int_eq(gr_pool_look(gr_self()).blocks, before.blocks);
}
END_TEST

/* ---- several threads ---- */

static void *free_what_is_given(void *data)
{
    gr_tensor *const *given = data;
    bool ok = gr_free(gr_adopt(given[0])); /* without memory for a pool, which the thread does not have */
    ok &= gr_adopt(given[1]) != NULL;      /* ends with the thread */
    return ok ? NULL : (void *)"refused";
}

START_TEST(a_block_may_end_on_a_thread_that_never_worked_on_the_device)
{
    const int64_t before = gr_cuda_memory_allocated(0);
    gr_tensor *given[] = {gr_release(gr_ones(3)), gr_release(gr_ones(5))};
    pthread_t thread;
    void *complaint;
    ck_assert(given[0] && given[1]);
    ck_assert_int_eq(pthread_create(&thread, NULL, free_what_is_given, given), 0);
    ck_assert_int_eq(pthread_join(thread, &complaint), 0);
    ck_assert_msg(!complaint, "%s", (char *)complaint);
    ck_assert_int_eq(gr_cuda_memory_allocated(0), before);
}
END_TEST

Suite *emulated_suite(void)
{
    Suite *s = suite_create("emulated");
    TCase *c = emulated_case(s, "emulated");
    if (!c) return s;
#ifdef GR_DEBUG
    static const char *const of_pools[] = {"a_step_does_not_wait", "backward_of_a_maximum_does_not_wait"};
    for (int i = 0; i < 2; i++) printf("left out in a debug build, which keeps no block: %s\n", of_pools[i]);
#else
    tcase_add_test(c, a_step_does_not_wait);
    tcase_add_test(c, backward_of_a_maximum_does_not_wait);
#endif
    tcase_add_test(c, an_optimizer_has_one_launch_for_all_parameters);
    tcase_add_test(c, what_is_not_read_is_not_told);
    tcase_add_test(c, a_tensor_is_printed_with_its_device);
    tcase_add_test(c, a_table_leaves_the_hosts_memory);
    tcase_add_test(c, a_block_may_end_on_a_thread_that_never_worked_on_the_device);
    return s;
}
