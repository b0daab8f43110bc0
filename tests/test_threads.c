/* test_threads.c - the same bits for any number of threads; what threads may share. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/internal.h"
#include "core/parallel.h"
#include "gradus.h"
#include "tests/look.h"
#include "tests/suites.h"

/* ---- the same bits ---- */

enum { WEIGHTS = 40 * 64 + 64 + 64 * 33 + 33 };

/* Ten steps of an MLP large enough to use the pool; its parameters into `out`. */
static void train(float *out)
{
    gr_manual_seed(5);
    gr_module *model = gr_nn_sequential(gr_nn_linear(40, 64), gr_nn_relu(), gr_nn_linear(64, 33), gr_nn_tanh());
    gr_optim *o = gr_optim_sgd(gr_parameters(model), .lr = 0.1, .momentum = 0.9);
    gr_tensor *x = gr_randn(700, 40), *y = gr_rand(700, 33);
    for (int i = 0; i < 10; i++) {
        gr_scope scope = gr_scope_begin();
        gr_zero_grad(o);
        ck_assert(gr_backward(gr_mse_loss(gr_forward(model, x), y)));
        ck_assert(gr_step(o));
        gr_scope_end(scope);
    }
    gr_tensors p = gr_parameters(model);
    for (int64_t i = 0, at = 0; i < p.count; at += gr_numel(p.item[i++]))
        ck_assert(gr_to_array(p.item[i], out + at, gr_numel(p.item[i])));
}

START_TEST(training_gives_the_same_bits_for_any_number_of_threads)
{
    static float one[WEIGHTS], other[WEIGHTS];
    gr_set_num_threads(1);
    train(one);
    gr_parallel_test_grain = 1;
    for (int threads = 2; threads <= 3; threads++) {
        gr_set_num_threads(threads);
        train(other);
        ck_assert_msg(!memcmp(one, other, sizeof one), "%d threads differ from one", threads);
    }
    gr_parallel_test_grain = 0;
}
END_TEST

START_TEST(large_loops_run_on_two_threads)
{
    if (!on_cpu("large_loops_run_on_two_threads: the CPU's loops")) return;
    gr_set_num_threads(2);
    bool both = false;
    for (int i = 0; i < 200 && !both; i++) { /* a busy machine may let one thread finish alone */
        gr_scope scope = gr_scope_begin();
        gr_exp(gr_zeros(1 << 20));
        both = gr_parallel_ran_on() >= 2;
        gr_scope_end(scope);
    }
    ck_assert(both);
}
END_TEST

START_TEST(reductions_do_not_depend_on_threads)
{
    gr_tensor *x = gr_randn(3, 100007), *t = gr_t(gr_randn(3000, 50));
    double sums[3][6];
    gr_parallel_test_grain = 1;
    for (int threads = 1; threads <= 3; threads++) {
        gr_set_num_threads(threads);
        double *s = sums[threads - 1];
        s[0] = gr_item(gr_sum(x));
        s[1] = gr_at(gr_sum(x, .dim = 1), 1);
        s[2] = gr_at(gr_sum(x, .dim = 0), 77);
        s[3] = gr_item(gr_mean(t));
        s[4] = gr_at(gr_sum(t, .dim = 0), 2999);
        s[5] = gr_item(gr_max(t));
    }
    gr_parallel_test_grain = 0;
    ck_assert(!memcmp(sums[0], sums[1], sizeof sums[0]) && !memcmp(sums[0], sums[2], sizeof sums[0]));
}
END_TEST

/* ---- sharing ---- */

static void run_threads(int count, void *(*f)(void *), void *argument)
{
    pthread_t thread[8];
    for (int i = 0; i < count; i++) ck_assert_int_eq(pthread_create(&thread[i], NULL, f, argument), 0);
    for (int i = 0; i < count; i++) {
        void *result;
        pthread_join(thread[i], &result);
        ck_assert_msg(result == NULL, "%s", (const char *)result);
    }
}

static void *own_model(void *unused)
{
    (void)unused;
    gr_module *m = gr_nn_sequential(gr_nn_linear(3, 8), gr_nn_relu(), gr_nn_linear(8, 1));
    gr_optim *o = gr_optim_sgd(gr_parameters(m), .lr = 0.05, .momentum = 0.9);
    gr_tensor *x = gr_randn(16, 3), *y = gr_sum(x, .dim = 1, .keepdim = true);
    double first = 0, last = 0;
    for (int i = 0; i < 200; i++) {
        gr_scope scope = gr_scope_begin();
        gr_tensor *loss = gr_mse_loss(gr_forward(m, x), y);
        gr_zero_grad(o);
        if (!gr_backward(loss) || !gr_step(o)) return "a step failed";
        last = gr_item(loss);
        if (i == 0) first = last;
        gr_scope_end(scope);
    }
    return last < first / 5 ? NULL : "the model did not learn";
}

START_TEST(eight_threads_train_models_of_their_own)
{
    run_threads(8, own_model, NULL);
}
END_TEST

static void *reads_model(void *shared)
{
    gr_module *m = shared;
    catch_errors();
    gr_tensor *x = gr_ones(4, 3), *w = gr_module_tensor(m, "weight");
    for (int i = 0; i < 100; i++) {
        gr_scope scope = gr_scope_begin();
        gr_tensor *loss = gr_sum(gr_forward(m, x));
        gr_tensor *g = gr_autograd_grad(loss, w);
        if (!g || gr_at(g, 0, 0) != 4) return "the gradient is wrong";
        if (gr_backward(gr_sum(gr_forward(m, x)))) return "another thread's leaf took a gradient";
        if (!strstr(gr_error(), "of another thread")) return "the error does not name the thread";
        gr_error_clear();
        gr_scope_end(scope);
    }
    return NULL;
}

START_TEST(eight_threads_read_one_model)
{
    gr_module *m = gr_nn_linear(3, 2);
    run_threads(8, reads_model, m);
    ck_assert(!gr_has_grad(gr_module_tensor(m, "weight")));
}
END_TEST

enum { DRAWERS = 4, DRAWS = 20000 };

static void *draws(void *to)
{
    float *out = to;
    for (int i = 0; i < DRAWS; i++) {
        gr_scope scope = gr_scope_begin();
        out[i] = (float)gr_item(gr_rand(1));
        gr_scope_end(scope);
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

START_TEST(each_random_number_is_drawn_by_one_thread)
{
    static float alone[DRAWERS][DRAWS], together[DRAWERS][DRAWS];
    pthread_t thread[DRAWERS];
    gr_manual_seed(7);
    for (int i = 0; i < DRAWERS; i++) draws(alone[i]);
    gr_manual_seed(7);
    for (int i = 0; i < DRAWERS; i++) ck_assert_int_eq(pthread_create(&thread[i], NULL, draws, together[i]), 0);
    for (int i = 0; i < DRAWERS; i++) pthread_join(thread[i], NULL);
    qsort(alone, DRAWERS * DRAWS, sizeof(float), by_size);
    qsort(together, DRAWERS * DRAWS, sizeof(float), by_size);
    ck_assert(!memcmp(alone, together, sizeof alone));
}
END_TEST

static void *takes_views(void *shared)
{
    for (int i = 0; i < 50000; i++) {
        gr_scope scope = gr_scope_begin();
        if (!gr_t((gr_tensor *)shared)) return "there is no view";
        gr_scope_end(scope);
    }
    return NULL;
}

START_TEST(views_on_all_threads_are_counted)
{
    gr_tensor *x = gr_ones(2, 3);
    run_threads(4, takes_views, x);
    ck_assert_int_eq(atomic_load(&x->storage->refs), 1);
}
END_TEST

static void *uses_history(void *y)
{
    catch_errors();
    if (gr_mul((gr_tensor *)y, 2)) return "history was used on another thread";
    if (!strstr(gr_error(), "history of another thread")) return "the error does not say why";
    gr_error_clear();
    if (gr_backward((gr_tensor *)y)) return "another thread's history was walked";
    return strstr(gr_error(), "backward: loss has history of another thread; must be used there") ? NULL : "backward does not say why";
}

START_TEST(history_stays_on_its_thread)
{
    gr_tensor *x = gr_requires_grad_(gr_ones(3), true);
    gr_tensor *loss = gr_sum(gr_mul(x, 2));
    run_threads(1, uses_history, loss);
    ck_assert(!gr_has_grad(x) && gr_backward(loss) && gr_at(gr_grad(x), 2) == 2);
}
END_TEST

/* Two handlers with data of their own: neither gets the other's. */
static char first_data, second_data;
static atomic_bool handlers_are_mixed, handlers_end;
static void first_handler(const char *text, void *data)
{
    (void)text;
    if (data != &first_data) atomic_store(&handlers_are_mixed, true);
}
static void second_handler(const char *text, void *data)
{
    (void)text;
    if (data != &second_data) atomic_store(&handlers_are_mixed, true);
}

static void *fails_all_the_time(void *unused)
{
    (void)unused;
    while (!atomic_load(&handlers_end)) {
        gr_numel(gr_absent);
        gr_error_clear();
    }
    return NULL;
}

START_TEST(a_handler_gets_the_data_that_was_set_with_it)
{
    pthread_t thread;
    gr_set_error_handler(first_handler, &first_data);
    ck_assert_int_eq(pthread_create(&thread, NULL, fails_all_the_time, NULL), 0);
    for (int i = 0; i < 200000; i++) {
        gr_set_error_handler(first_handler, &first_data);
        gr_set_error_handler(second_handler, &second_data);
    }
    atomic_store(&handlers_end, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    gr_set_error_handler(NULL, NULL);
    ck_assert(!atomic_load(&handlers_are_mixed));
}
END_TEST

static void *adopts(void *t)
{
    gr_scope scope = gr_scope_begin();
    gr_tensor *mine = gr_adopt((gr_tensor *)t);
    if (!mine || gr_item(gr_sum(mine)) != 3) return "the tensor did not arrive";
    gr_scope_end(scope);
    return NULL;
}

START_TEST(a_tensor_is_handed_to_another_thread)
{
    gr_tensor *t = gr_ones(3), *given = gr_release(t);
    ck_assert_ptr_nonnull(given);
    run_threads(1, adopts, given);
    catch_errors();
    ck_assert_ptr_null(gr_add(t, 1));
    gr_error_clear();
}
END_TEST

START_TEST(a_child_process_computes)
{
    if (!on_cpu("a_child_process_computes: CUDA ends with fork")) return;
    gr_set_num_threads(2);
    gr_exp(gr_zeros(1 << 20));
    const pid_t child = fork();
    if (child == 0) {
        gr_tensor *y = gr_sum(gr_exp(gr_zeros(1 << 20)));
        _exit(gr_item(y) == 1 << 20 ? 0 : 1);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

Suite *threads_suite(void)
{
    Suite *s = suite_create("threads");
    TCase *c = tcase_create("threads");
    tcase_add_test(c, training_gives_the_same_bits_for_any_number_of_threads);
    tcase_add_test(c, large_loops_run_on_two_threads);
    tcase_add_test(c, reductions_do_not_depend_on_threads);
    tcase_add_test(c, eight_threads_train_models_of_their_own);
    tcase_add_test(c, eight_threads_read_one_model);
    tcase_add_test(c, each_random_number_is_drawn_by_one_thread);
    tcase_add_test(c, views_on_all_threads_are_counted);
    tcase_add_test(c, history_stays_on_its_thread);
    tcase_add_test(c, a_handler_gets_the_data_that_was_set_with_it);
    tcase_add_test(c, a_tensor_is_handed_to_another_thread);
    tcase_add_test(c, a_child_process_computes);
    suite_add_tcase(s, c);
    return s;
}
