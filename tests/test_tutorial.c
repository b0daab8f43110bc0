/* test_tutorial.c - the linear-regression tutorial, in every bit that PyTorch computes. */
#include <string.h>

#include "gradus.h"
#include "tests/golden.h"
#include "tests/look.h"
#include "tests/suites.h"

typedef struct {
    gr_tensor *x, *y;
    gr_module *model;
    gr_optim *optimizer;
} tutorial;

static tutorial begin(uint64_t seed)
{
    tutorial t;
    gr_manual_seed(seed);
    t.x = gr_randn(100, 1);
    gr_tensor *noise = gr_randn(100, 1);
    t.y = gr_add(gr_add(gr_mul(t.x, 3), 1), gr_mul(noise, 0.2));
    t.model = gr_nn_linear(1, 1);
    t.optimizer = gr_optim_sgd(gr_parameters(t.model), .lr = 0.01);
    return t;
}

static double step(tutorial *t, gr_tensor *x, gr_tensor *y)
{
    gr_tensor *loss = gr_mse_loss(gr_forward(t->model, x), y);
    gr_zero_grad(t->optimizer);
    ck_assert(gr_backward(loss));
    ck_assert(gr_step(t->optimizer));
    return gr_item(loss);
}

static const golden_array *take(golden_file *f, const char *name)
{
    char whole[128];
    strcpy(whole, "seed0.lr0.01.");
    strcat(whole, name);
    return golden_take(f, whole);
}

static void expect_text(const golden_array *a, int64_t i, double loss)
{
    char text[32];
    ck_assert_str_eq(gr_repr(loss, text), a->text[i]);
}

static void full_batch(golden_file *f)
{
    tutorial t = begin(0);
    const golden_array *x = take(f, "x.first10"), *y = take(f, "y.first10");
    for (int64_t i = 0; i < 10; i++) {
        ck_assert(gr_at(t.x, i, 0) == x->real[i]);
        ck_assert(gr_at(t.y, i, 0) == y->real[i]);
    }
    ck_assert(gr_item(gr_module_tensor(t.model, "weight")) == take(f, "weight.initial")->real[0]);
    ck_assert(gr_item(gr_module_tensor(t.model, "bias")) == take(f, "bias.initial")->real[0]);
    const golden_array *losses = take(f, "full.loss"), *texts = take(f, "full.loss_text");
    for (int epoch = 1; epoch <= 1000; epoch++) {
        gr_scope scope = gr_scope_begin();
        const double loss = step(&t, t.x, t.y);
        if (epoch % 100 == 0) {
            ck_assert_msg(loss == losses->real[epoch / 100 - 1], "epoch %d: %.17g, not %.17g", epoch, loss,
                          losses->real[epoch / 100 - 1]);
            expect_text(texts, epoch / 100 - 1, loss);
        }
        gr_scope_end(scope);
    }
    ck_assert(gr_item(gr_module_tensor(t.model, "weight")) == take(f, "full.weight.final")->real[0]);
    ck_assert(gr_item(gr_module_tensor(t.model, "bias")) == take(f, "full.bias.final")->real[0]);
}

static void mini_batches(golden_file *f)
{
    tutorial t = begin(0);
    const golden_array *losses = take(f, "mini.loss"), *texts = take(f, "mini.loss_text");
    for (int epoch = 0; epoch < 20; epoch++) {
        gr_scope scope = gr_scope_begin();
        gr_tensor *order = gr_sample_order(100, true);
        double loss = 0;
        for (int at = 0; at < 100; at += 10) {
            gr_tensor *batch = gr_narrow(order, 0, at, 10);
            loss = step(&t, gr_index_select(t.x, 0, batch), gr_index_select(t.y, 0, batch));
        }
        ck_assert_msg(loss == losses->real[epoch], "epoch %d: %.17g, not %.17g", epoch, loss, losses->real[epoch]);
        expect_text(texts, epoch, loss);
        gr_scope_end(scope);
    }
    ck_assert(gr_item(gr_module_tensor(t.model, "weight")) == take(f, "mini.weight.final")->real[0]);
    ck_assert(gr_item(gr_module_tensor(t.model, "bias")) == take(f, "mini.bias.final")->real[0]);
}

START_TEST(every_loss_and_parameter_equals_pytorchs)
{
    if (!on_cpu("every_loss_and_parameter_equals_pytorchs: the digits are those of the CPU's order of sums")) return;
    golden_file *f = golden_open("tutorial.txt");
    full_batch(f);
    mini_batches(f);
    golden_leave(f, "seed0.lr0.01.full.loss_4f"); /* the 17 digits are compared */
    golden_leave(f, "seed0.lr0.01.mini.loss_4f");
    golden_end(f);
}
END_TEST

Suite *tutorial_suite(void)
{
    Suite *s = suite_create("tutorial");
    TCase *c = tcase_create("linear regression");
    tcase_add_test(c, every_loss_and_parameter_equals_pytorchs);
    suite_add_tcase(s, c);
    return s;
}
