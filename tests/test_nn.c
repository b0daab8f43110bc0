/* test_nn.c - modules: PyTorch's initial values, the tree, printing, conversion, users' modules. */
#include <stdio.h>
#include <string.h>

#include "gradus.h"
#include "tests/golden.h"
#include "tests/look.h"
#include "tests/suites.h"

enum { MOST = 4096 };
static void compare(golden_file *f, const char *name, const gr_tensor *t)
{
    const golden_array *a = golden_take(f, name);
    static double value[MOST];
    ck_assert_int_eq(gr_numel(t), a->count);
    ck_assert_int_le(a->count, MOST);
    ck_assert(gr_to_array(t, value, a->count));
    for (int64_t i = 0; i < a->count; i++)
        ck_assert_msg(value[i] == a->real[i], "%s[%d] is %.9g, not %.9g", name, (int)i, value[i], a->real[i]);
}

START_TEST(linear_draws_what_pytorch_draws)
{
    golden_file *f = golden_open("init.txt");
    int linears = 0;
    for (int64_t i = 0; i < f->count; i++) { /* arrays named Linear_in_out.weight, .bias */
        int in, out;
        char name[128];
        if (!strstr(f->array[i].name, ".weight") || sscanf(f->array[i].name, "Linear_%d_%d", &in, &out) != 2) continue;
        gr_manual_seed(0);
        gr_module *m = gr_nn_linear(in, out);
        compare(f, f->array[i].name, gr_module_tensor(m, "weight"));
        snprintf(name, sizeof name, "Linear_%d_%d.bias", in, out);
        compare(f, name, gr_module_tensor(m, "bias"));
        linears++;
    }
    ck_assert_int_gt(linears, 0);
    const golden_array *first = golden_take(f, "Sequential_mlp.0.weight"), *last = golden_take(f, "Sequential_mlp.2.weight");
    gr_manual_seed(0);
    gr_module *mlp = gr_nn_sequential(gr_nn_linear(first->size[1], first->size[0]), gr_nn_relu(),
                                      gr_nn_linear(last->size[1], last->size[0]));
    const char *const names[] = {"0.weight", "0.bias", "2.weight", "2.bias"};
    for (int i = 0; i < 4; i++) {
        char name[128];
        snprintf(name, sizeof name, "Sequential_mlp.%s", names[i]);
        compare(f, name, gr_module_tensor(mlp, names[i]));
    }
    /* layers and initialisations that are not there yet */
    const char *const later[] = {"Conv",   "LSTM",    "Embedding",  "Multihead",    "Bilinear", "GRU",
                                 "xavier", "kaiming", "orthogonal", "trunc_normal", "sparse"};
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
        golden_leave(f, later[i]);
    golden_end(f);
}
END_TEST

START_TEST(models_print_as_in_pytorch)
{
    char text[512];
    gr_module *model = gr_nn_sequential(gr_nn_flatten(), gr_nn_linear(4, 3), gr_nn_relu(),
                                        gr_nn_sequential(gr_nn_linear(3, 1, .bias = false), gr_nn_tanh()), gr_nn_sigmoid(),
                                        gr_nn_mse_loss());
    gr_module_text(model, text, sizeof text);
    ck_assert_str_eq(text, "Sequential(\n"
                           "  (0): Flatten(start_dim=1, end_dim=-1)\n"
                           "  (1): Linear(in_features=4, out_features=3, bias=True)\n"
                           "  (2): ReLU()\n"
                           "  (3): Sequential(\n"
                           "    (0): Linear(in_features=3, out_features=1, bias=False)\n"
                           "    (1): Tanh()\n"
                           "  )\n"
                           "  (4): Sigmoid()\n"
                           "  (5): MSELoss()\n"
                           ")");
    ck_assert_int_eq(gr_parameters(model).count, 3);
    ck_assert_ptr_nonnull(gr_module_tensor(model, "3.0.weight"));
    ck_assert_ptr_null(gr_module_tensor(model, "3.0.bias"));
    ck_assert_ptr_null(gr_module_tensor(model, "9.weight"));
}
END_TEST

START_TEST(a_model_learns)
{
    gr_manual_seed(3);
    gr_module *model = gr_nn_sequential(gr_nn_linear(2, 16), gr_nn_tanh(), gr_nn_linear(16, 1), gr_nn_sigmoid());
    gr_optim *o = gr_optim_sgd(gr_parameters(model), .lr = 1, .momentum = 0.9);
    gr_tensor *x = gr_from(((const float[]){0, 0, 0, 1, 1, 0, 1, 1}), 4, 2),
              *y = gr_from(((const float[]){0, 1, 1, 0}), 4, 1);
    double loss = 1;
    for (int i = 0; i < 500; i++) {
        gr_scope step = gr_scope_begin();
        gr_tensor *l = gr_mse_loss(gr_forward(model, x), y);
        gr_zero_grad(o);
        gr_backward(l);
        gr_step(o);
        loss = gr_item(l);
        gr_scope_end(step);
    }
    ck_assert_msg(loss < 0.01, "xor is not learnt: %g", loss);
    gr_scope off = gr_no_grad_begin();
    gr_tensor *prediction = gr_forward(model, x);
    ck_assert(!gr_requires_grad(prediction));
    ck_assert(gr_at(prediction, 1, 0) > 0.8 && gr_at(prediction, 3, 0) < 0.2);
    gr_scope_end(off);
}
END_TEST

/* Errors of a whole model's float32 gradients: at most 8 roundings of the largest number in each. */
START_TEST(a_models_gradients_agree_in_both_precisions)
{
    gr_tensors parameters[2];
    gr_tensor *x = NULL, *y = NULL;
    for (int wide = 0; wide < 2; wide++) {
        gr_manual_seed(4);
        gr_module *model = gr_nn_sequential(gr_nn_linear(40, 64), gr_nn_relu(), gr_nn_linear(64, 33), gr_nn_tanh(),
                                            gr_nn_linear(33, 10), gr_nn_sigmoid());
        if (!wide) x = gr_randn(100, 40), y = gr_rand(100, 10);
        if (wide)
            model = gr_module_to(model, .dtype = GR_FLOAT64), x = gr_to(x, .dtype = GR_FLOAT64),
            y = gr_to(y, .dtype = GR_FLOAT64);
        ck_assert(gr_backward(gr_mse_loss(gr_forward(model, x), y)));
        parameters[wide] = gr_parameters(model);
    }
    for (int64_t i = 0; i < parameters[0].count; i++) {
        gr_tensor *exact = gr_grad(parameters[1].item[i]),
                  *narrow = gr_to(gr_grad(parameters[0].item[i]), .dtype = GR_FLOAT64);
        const double largest = gr_item(gr_max(gr_abs(exact))), worst = gr_item(gr_max(gr_abs(gr_sub(narrow, exact))));
        ck_assert_msg(largest > 0 && worst <= 8 * 0x1p-24 * largest, "parameter %d: off by %g u", (int)i,
                      worst / largest * 0x1p24);
    }
}
END_TEST

static bool shared_forward(gr_module *m, const gr_tensors *in, gr_tensors *out)
{
    gr_tensor *w = gr_module_tensor(m, "first");
    out->count = 2;
    out->item[0] = gr_mul(in->item[0], w);
    out->item[1] = gr_mul(in->count > 1 ? in->item[1] : in->item[0], gr_module_tensor(m, "scale"));
    return out->item[0] && out->item[1];
}
static const gr_module_type shared_type = {.name = "Shared", .forward = shared_forward};

START_TEST(users_modules_are_first_class)
{
    catch_errors();
    gr_module *m = gr_module_make(&shared_type);
    gr_tensor *w = gr_module_parameter(m, "first", gr_full(2.0));
    ck_assert_ptr_eq(gr_module_parameter(m, "again", w), w);
    gr_module_buffer(m, "scale", gr_full(10.0), .persistent = false);
    ck_assert_int_eq(gr_parameters(m).count, 1);
    gr_tensors both = gr_forward_all(m, gr_full(3.0), gr_full(4.0));
    ck_assert_int_eq(both.count, 2);
    ck_assert(gr_item(both.item[0]) == 6 && gr_item(both.item[1]) == 40);
    ck_assert(gr_backward(gr_forward(m, gr_full(3.0))));
    ck_assert(gr_item(gr_grad(w)) == 3);
    ck_assert_ptr_null(gr_module_parameter(m, "first", gr_ones(1)));
    expect_one_error("must be unique");
    ck_assert_ptr_null(gr_module_parameter(m, "a.b", gr_ones(1)));
    expect_one_error("without a dot");
    ck_assert_ptr_null(gr_module_parameter(m, "h", gr_mul(w, 2)));
    expect_one_error("has history");
    gr_train(m);
    ck_assert(gr_is_training(m) && !gr_is_training(gr_eval(m)));
    gr_free(m);
    ck_assert_ptr_null(gr_forward(m, gr_full(3.0)));
    expect_one_error("dead");
    ck_assert_ptr_null(gr_mul(w, 2));
    expect_one_error("dead");
}
END_TEST

START_TEST(a_child_is_found_by_its_path)
{
    gr_module *inner = gr_nn_sequential(gr_nn_relu(), gr_nn_linear(1, 1)), *m = gr_nn_sequential(gr_nn_tanh(), inner);
    ck_assert_ptr_eq(gr_module_module(m, "1"), inner);
    ck_assert_ptr_eq(gr_module_module(m, "1.1"), gr_module_module(inner, "1"));
    const char *const none[] = {"2", "1.2", "0.0", "1.", "", "1.1.weight", "5.1"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) ck_assert_ptr_null(gr_module_module(m, none[i]));
    ck_assert_ptr_null(gr_error());
}
END_TEST

START_TEST(a_module_is_kept_among_others_of_its_scope)
{
    catch_errors();
    const gr_scope outer = gr_scope_begin(), scope = gr_scope_begin();
    gr_module *first = gr_nn_linear(1, 1), *second = gr_nn_linear(2, 2), *third = gr_nn_linear(3, 3);
    ck_assert_ptr_eq(gr_keep(second), second); /* it changes places with the first, */
    ck_assert_ptr_eq(gr_keep(first), first);   /* which is found there */
    gr_scope_end(scope);
    ck_assert_int_eq(gr_numel(gr_forward(second, gr_ones(1, 2))) + gr_numel(gr_forward(first, gr_ones(1, 1))), 3);
    ck_assert_ptr_null(gr_forward(third, gr_ones(1, 3)));
    expect_one_error("dead");
    gr_scope_end(outer);
    ck_assert_ptr_null(gr_forward(first, gr_ones(1, 1)));
    expect_one_error("dead");
}
END_TEST

START_TEST(a_converted_model_keeps_its_tensors)
{
    catch_errors();
    gr_module *m = gr_nn_linear(3, 2);
    gr_tensor *w = gr_module_tensor(m, "weight"), *x = gr_ones_with(GR_SHAPE(1, 3), .dtype = GR_FLOAT64);
    const double before = gr_at(w, 1, 2);
    gr_tensor *y = gr_sum(gr_forward(m, gr_requires_grad_(gr_ones(1, 3), true)));
    ck_assert_ptr_null(gr_module_to(m, .dtype = GR_FLOAT64));
    expect_one_error("needed by a backward that has not run");
    ck_assert(gr_backward(y));
    ck_assert_ptr_eq(gr_module_to(m, .dtype = GR_FLOAT64), m);
    ck_assert_ptr_eq(gr_module_tensor(m, "weight"), w);
    ck_assert(gr_dtype_of(w) == GR_FLOAT64 && gr_dtype_of(gr_grad(w)) == GR_FLOAT64 && gr_at(w, 1, 2) == before);
    ck_assert(gr_backward(gr_sum(gr_forward(m, x))));
    ck_assert(gr_at(gr_grad(w), 0, 0) == 2);
}
END_TEST

START_TEST(more_data_than_there_can_be_is_refused)
{
    static const gr_module_type type = {.name = "Huge", .forward = shared_forward, .data_bytes = SIZE_MAX - 64};
    catch_errors();
    ck_assert_ptr_null(gr_module_make(&type));
    ck_assert_int_eq(gr_error_kind(), GR_ERROR_MEMORY);
    expect_one_error("module_make: no memory for the module (18446744073709551615 bytes)");
}
END_TEST

/* What only hands a gradient on does not read the parameter; the gradient that it brings would be of the old dtype. */
START_TEST(a_parameter_that_a_gradient_will_reach_is_not_converted)
{
    catch_errors();
    gr_module *m = gr_nn_linear(3, 2);
    gr_tensor *w = gr_module_tensor(m, "weight");
    gr_tensor *const direct[] = {gr_sum(gr_add(w, 1)), gr_sum(gr_add(gr_t(w), 1))};
    for (int i = 0; i < 2; i++) {
        ck_assert_ptr_null(gr_module_to(m, .dtype = GR_FLOAT64));
        expect_one_error("\"weight\" is needed by a backward that has not run; must not change before");
        ck_assert(gr_backward(direct[i]) && gr_at(gr_grad(w), 1, 2) == i + 1);
    }
    ck_assert_ptr_eq(gr_module_to(m, .dtype = GR_FLOAT64), m);
    ck_assert(gr_at(gr_grad(w), 1, 2) == 2);
}
END_TEST

/* A dimension of size 1 may have any stride; rows lie by the others'. */
START_TEST(rows_lie_by_the_dimensions_that_are_longer_than_1)
{
    gr_tensor *w = gr_requires_grad_(gr_randn(2, 3), true), *bias = gr_randn(2);
    gr_tensor *wide = gr_randn(4, 4, 2, 3), *const views[] = {
        gr_transpose(gr_randn(1, 4, 3), 0, 1),                                 /* [4, 1, 3], strides 3, 12, 1 */
        gr_permute_at(gr_randn(1, 2, 1, 4, 3), (gr_shape){5, {3, 1, 0, 2, 4}}, GR_HERE), /* rows are not even */
        gr_narrow(gr_narrow(wide, 2, 1, 1), 1, 2, 1),                          /* [4, 1, 1, 3], strides 24, 6, 3, 1 */
        gr_narrow(wide, 1, 0, 1),                                              /* [4, 1, 2, 3] */
        gr_select(gr_select(gr_select(wide, 0, 1), 0, 1), 0, 1),               /* [3] */
        gr_expand(gr_randn(1, 1, 3), 5, 1, 3),                                 /* strides 0, 3, 1 */
        gr_reshape(gr_empty(0), 5, 0, 1, 3)};
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        gr_tensor *x = gr_requires_grad_(gr_detach(views[i]), true), *rows = gr_reshape(x, -1, 3);
        gr_tensor *y = gr_linear(x, w, .bias = bias), *want = gr_linear(rows, w, .bias = bias), *factor = gr_randn_with(gr_shape_of(y));
        ck_assert_msg(gr_equal(gr_reshape(y, -1, 2), want), "view %d", (int)i);
        ck_assert(gr_zero_grad(w) && gr_backward(gr_sum(gr_mul(y, factor))));
        gr_tensor *dw = gr_clone(gr_grad(w)), *dx = gr_clone(gr_grad(x));
        ck_assert(gr_zero_grad(w) && gr_zero_grad(x) && gr_backward(gr_sum(gr_mul(want, gr_reshape(factor, -1, 2)))));
        ck_assert_msg(gr_equal(dw, gr_grad(w)) && gr_equal(dx, gr_grad(x)), "gradients of view %d", (int)i);
    }
}
END_TEST

START_TEST(wrong_shapes_are_named)
{
    catch_errors();
    gr_module *m = gr_nn_linear(3, 2);
    ck_assert_ptr_null(gr_forward(m, gr_ones(4, 5)));
    expect_one_error("linear: x is [4, 5], weight is [2, 3]; x's last dimension must be weight's second (3)");
    ck_assert_ptr_null(gr_mse_loss(gr_ones(4, 1), gr_ones(4)));
    expect_one_error("shapes must be equal");
    ck_assert_ptr_null(gr_nn_linear(-1, 2));
    expect_one_error("in_features is -1; must be 0 to");
    ck_assert_ptr_null(gr_nn_sequential(m, m));
    expect_one_error("module[1] is module[0] again; must be given once");
    gr_module *none = gr_nn_linear(0, 2);
    ck_assert_int_eq(gr_numel(gr_forward(none, gr_ones(4, 0))), 8);
}
END_TEST

START_TEST(a_module_refuses_what_it_would_not_look_at)
{
    catch_errors();
    gr_module *const m[] = {gr_nn_linear(3, 2), gr_nn_relu(), gr_nn_tanh(), gr_nn_sigmoid(), gr_nn_flatten(), gr_nn_sequential(gr_nn_relu())};
    gr_tensor *x = gr_ones(4, 3);
    for (size_t i = 0; i < sizeof m / sizeof *m; i++) {
        ck_assert_ptr_null(gr_forward(m[i], x, x));
        expect_one_error("forward: in holds 2 tensors; must be 1 for ");
        ck_assert_ptr_nonnull(gr_forward(m[i], x));
    }
    ck_assert_ptr_null(gr_forward(gr_nn_mse_loss(), x));
    expect_one_error("forward: in holds 1 tensors; must be 2 for MSELoss");
    ck_assert_ptr_null(gr_forward(gr_nn_sequential(m[1], gr_nn_mse_loss()), x));
    expect_one_error("forward: in holds 1 tensors; must be 2 for MSELoss");
}
END_TEST

Suite *nn_suite(void)
{
    Suite *s = suite_create("nn");
    TCase *c = tcase_create("modules");
    tcase_add_test(c, linear_draws_what_pytorch_draws);
    tcase_add_test(c, models_print_as_in_pytorch);
    tcase_add_test(c, a_model_learns);
    tcase_add_test(c, a_models_gradients_agree_in_both_precisions);
    tcase_add_test(c, users_modules_are_first_class);
    tcase_add_test(c, a_child_is_found_by_its_path);
    tcase_add_test(c, a_module_is_kept_among_others_of_its_scope);
    tcase_add_test(c, a_converted_model_keeps_its_tensors);
    tcase_add_test(c, more_data_than_there_can_be_is_refused);
    tcase_add_test(c, a_parameter_that_a_gradient_will_reach_is_not_converted);
    tcase_add_test(c, rows_lie_by_the_dimensions_that_are_longer_than_1);
    tcase_add_test(c, wrong_shapes_are_named);
    tcase_add_test(c, a_module_refuses_what_it_would_not_look_at);
    suite_add_tcase(s, c);
    return s;
}
