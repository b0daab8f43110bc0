/* test_device.c - a device against the CPU: the same bits from rows, copies, indices and optimizers, sums and products within
 * n eps; what only devices do: errors that come later, tensors of two devices. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/elementwise.h"
#include "gradus.h"
#include "tests/draw.h"
#include "tests/look.h"
#include "tests/suites.h"
#include "tests/trials.h"

enum { SIDE = 40, COUNT = SIDE * SIDE };

/* ---- numbers ---- */

/* Of a dtype: the first are the edges of floats, by their pairs; then every other one is of moderate size, the others any bits
 * there are; of uint8 and bool all. */
static gr_tensor *numbers(gr_dtype dtype, int salt)
{
    static char memory[COUNT * sizeof(double)];
    const size_t size = gr_dtype_size[dtype];
    static const double edge[] = {0.0, -0.0, (double)INFINITY, -(double)INFINITY, (double)NAN, 1, -1, 20, 0x1p20};
    enum { EDGES = sizeof edge / sizeof edge[0] };
    uint64_t state = (uint64_t)salt;
    for (int i = 0; i < COUNT; i++) {
        const bool is_edge = i < EDGES * EDGES;
        const uint64_t bits = draw(&state);
        const double moderate = is_edge ? edge[salt % 2 ? i / EDGES : i % EDGES] : (double)(int32_t)(bits >> 13) / 0x1p28;
        const float narrow = (float)moderate;
        uint32_t narrow_bits;
        memcpy(&narrow_bits, &narrow, sizeof narrow);
        const uint16_t half = (uint16_t)(is_edge ? narrow_bits >> 16 : i % 2 ? bits >> 9 : 0x3f00 | (bits & 0x80ff));
        if (dtype == GR_BOOL) memory[i] = bits >> 9 & 1;
        else if (dtype == GR_BFLOAT16) memcpy(memory + (size_t)i * size, &half, size);
        else if (dtype == GR_FLOAT32 && (i % 2 == 0 || is_edge)) memcpy(memory + (size_t)i * size, &narrow, size);
        else if (dtype == GR_FLOAT64 && (i % 2 == 0 || is_edge)) memcpy(memory + (size_t)i * size, &moderate, size);
        else memcpy(memory + (size_t)i * size, &bits, size);
    }
    return gr_to(gr_from_at(memory, dtype, (gr_shape){2, {SIDE, SIDE}}, GR_HERE), .device = gr_cpu());
}

static gr_tensor *on_device(gr_tensor *x)
{
    return gr_to(x, .device = gr_default_device());
}

/* ---- comparing ---- */

/* Units in the last place between two floats of one sign; huge across zero, infinite between its two signs. */
static double distance(double a, double b)
{
    int exponent;
    if (same_number(a, b)) return 0;
    if (a == b || !isfinite(a) || !isfinite(b)) return (double)INFINITY;
    frexp(fmax(fabs(a), fabs(b)), &exponent);
    return fabs(a - b) / ldexp(1, exponent - 53);
}

/* The same bits, any NaN for a NaN; float64 may be so many units in the last place off. */
static void expect_same(const char *what, gr_tensor *device, gr_tensor *cpu, double units)
{
    ck_assert_msg(device && cpu, "%s: %s", what, gr_error() ? gr_error() : "NULL");
    const gr_dtype dtype = gr_dtype_of(cpu);
    const int64_t n = gr_numel(cpu);
    const char *got = elements(device), *want = elements(gr_contiguous(cpu));
    ck_assert_msg(gr_dtype_of(device) == dtype && gr_numel(device) == n, "%s: another shape or dtype", what);
    for (int64_t i = 0; i < n; i++) {
        const size_t size = gr_dtype_size[dtype];
        const double a = stored(got, dtype, i), b = stored(want, dtype, i);
        const bool same = !memcmp(got + (size_t)i * size, want + (size_t)i * size, size) || (isnan(a) && isnan(b));
        if (!same && !(dtype == GR_FLOAT64 && distance(a, b) <= units))
            ck_abort_msg("%s: element %d is %a, on the CPU %a", what, (int)i, a, b);
    }
}

/* |got - want| <= bound, element by element; equal where want is no number. */
static void expect_near(const char *what, gr_tensor *device, gr_tensor *cpu, gr_tensor *bound)
{
    ck_assert_msg(device && cpu && bound, "%s: %s", what, gr_error() ? gr_error() : "NULL");
    int64_t n, m, k;
    double *got = copied(device, &n), *want = copied(cpu, &m), *most = copied(bound, &k);
    ck_assert_msg(n == m && m == k, "%s: another shape", what);
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabs(got[i] - want[i]) <= most[i], "%s: element %d is %.17g, on the CPU %.17g; bound %g", what, (int)i, got[i],
                      want[i], most[i]);
    free(got);
    free(want);
    free(most);
}

/* ---- rows ---- */

enum { WHOLE, TURNED, GAPS, LAID };
static gr_tensor *laid(gr_tensor *x, int how)
{
    if (how == TURNED) return gr_t(x);
    return how == GAPS ? gr_slice(x, .dim = 1, .start = 1, .step = 3) : x;
}

/* float64's functions are the device's own in places: a few units in the last place, of PyTorch's own bounds. */
enum { UNITS = 4 };

/* The row forwards and backwards on both, or refused by both. */
static void compare_row(int row, gr_dtype dtype, int how, bool number)
{
    const gr_op *op = &gr_row_op[row];
    const int operands = gr_rows[row].operands;
    const gr_scope scope = gr_scope_begin();
    gr_tensor *in[2][3], *y[2];
    for (int k = 0; k < operands; k++) {
        gr_tensor *x = numbers(dtype, 7 * k + row);
        in[0][k] = gr_is_float(dtype) ? gr_requires_grad_(x, true) : x;
        in[1][k] = gr_is_float(dtype) ? gr_requires_grad_(gr_detach(on_device(x)), true) : on_device(x);
    }
    for (int d = 0; d < 2; d++) {
        gr_tensor *view[3];
        for (int k = 0; k < operands; k++) view[k] = laid(in[d][k], how);
        y[d] = number && operands == 2 ? gr_row_run2(op, gr_value_tensor(view[0]), gr_value_real(1.7), GR_HERE) : run_row(op, view, operands);
        if (!y[d]) gr_error_clear();
    }
    ck_assert_msg(!y[0] == !y[1], "%s: one device refuses it", op->name);
    if (y[0]) expect_same(op->name, y[1], y[0], UNITS);
    if (y[0] && gr_requires_grad(y[0])) {
        gr_tensor *dy = gr_to(gr_rand_with(gr_shape_of(y[0]), .device = gr_cpu()), .dtype = gr_dtype_of(y[0]));
        ck_assert_msg(gr_backward(y[0], .gradient = dy) && gr_backward(y[1], .gradient = on_device(dy)), "%s", gr_error());
        for (int k = 0; k < operands; k++)
            if (gr_has_grad(in[0][k])) expect_same(op->name, gr_grad(in[1][k]), gr_grad(in[0][k]), 4 * UNITS);
    }
    gr_scope_end(scope);
}

START_TEST(rows_have_the_cpus_bits)
{
    for (int row = 0; row < GR_ELEMENTWISE_COUNT; row++)
        for (int how = 0; how < LAID; how++) compare_row(row, dtypes[_i], how, false), compare_row(row, dtypes[_i], how, true);
}
END_TEST

START_TEST(copies_and_indices_have_the_cpus_bits)
{
    const int64_t places[] = {3, 0, 39, 3, 3, 17, 0};
    gr_tensor *index = gr_to(gr_from(places, 7), .device = gr_cpu());
    for (int from = 0; from < DTYPES; from++) {
        const gr_scope scope = gr_scope_begin();
        gr_tensor *x = numbers(dtypes[from], 1), *there = on_device(x);
        for (int to = 0; to < DTYPES; to++)
            for (int how = 0; how < LAID; how++)
                expect_same("to", gr_to(laid(there, how), .dtype = dtypes[to]), gr_to(laid(x, how), .dtype = dtypes[to]), 0);
        for (int dim = 0; dim < 2; dim++) {
            expect_same("index_select", gr_index_select(there, dim, on_device(index)), gr_index_select(x, dim, index), 0);
            if (!gr_is_float(dtypes[from])) continue;
            gr_tensor *a = gr_requires_grad_(gr_detach(x), true), *b = gr_requires_grad_(gr_detach(there), true);
            gr_tensor *y = gr_index_select(a, dim, index), *z = gr_index_select(b, dim, on_device(index));
            gr_tensor *dy = gr_detach(gr_index_select(numbers(dtypes[from], 2), dim, index));
            ck_assert(gr_backward(y, .gradient = dy) && gr_backward(z, .gradient = on_device(dy)));
            expect_same("index_select's gradient", gr_grad(b), gr_grad(a), 0);
        }
        gr_scope_end(scope);
    }
}
END_TEST

/* ---- sums and products: n eps times the sum of magnitudes ---- */

static double eps_of(gr_dtype dtype)
{
    return dtype == GR_FLOAT64 ? 0x1p-53 : dtype == GR_FLOAT32 ? 0x1p-24 : 0x1p-8;
}

START_TEST(sums_are_near_the_cpus)
{
    static const int64_t shapes[][3] = {{1, 1, 1}, {7, 1, 31}, {2, 33, 64}, {3, 1000, 5}, {1, 1, 40001}, {2, 5000, 9}, {300, 2, 150}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (int d = 0; d < 3; d++) {
            const gr_scope scope = gr_scope_begin();
            const gr_dtype dtype = dtypes[d];
            gr_tensor *x = gr_to(gr_randn_with(GR_SHAPE(shapes[s][0], shapes[s][1], shapes[s][2]), .device = gr_cpu()), .dtype = dtype);
            gr_tensor *there = on_device(x), *size = gr_abs(gr_to(x, .dtype = GR_FLOAT64));
            for (int dim = -1; dim < 3; dim++) {
                const double n = (double)(dim < 0 ? gr_numel(x) : shapes[s][dim]);
#define SUM(x, mean) (dim < 0 ? (mean ? gr_mean(x) : gr_sum(x)) : mean ? gr_mean(x, .dim = dim) : gr_sum(x, .dim = dim))
                gr_tensor *bound = gr_mul(SUM(size, false), (n + 1) * eps_of(dtype));
                expect_near("sum", SUM(there, false), SUM(x, false), bound);
                expect_near("mean", SUM(there, true), SUM(x, true), gr_div(bound, n));
#undef SUM
            }
            gr_tensor *t = gr_mul(x, 0.5), *difference = gr_sub(size, gr_mul(size, 0.5));
            expect_near("mse_loss", gr_mse_loss(there, gr_mul(there, 0.5), .reduction = GR_SUM), gr_mse_loss(x, t, .reduction = GR_SUM),
                        gr_mul(gr_sum(gr_square(difference)), (double)(gr_numel(x) + 3) * eps_of(dtype)));
            gr_scope_end(scope);
        }
}
END_TEST

START_TEST(products_are_near_the_cpus)
{
    static const int64_t sizes[][4] = {{1, 1, 1, 1}, {1, 3, 5, 7}, {2, 16, 64, 8}, {1, 65, 130, 33}, {3, 1, 300, 1}, {1, 128, 784, 10}};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (int d = 0; d < 3; d++) {
            const gr_scope scope = gr_scope_begin();
            const gr_dtype dtype = dtypes[d];
            const int64_t b = sizes[s][0], m = sizes[s][1], k = sizes[s][2], n = sizes[s][3];
            gr_tensor *x = gr_to(gr_randn_with(GR_SHAPE(b, m, k), .device = gr_cpu()), .dtype = dtype);
            gr_tensor *w = gr_to(gr_randn_with(GR_SHAPE(b, k, n), .device = gr_cpu()), .dtype = dtype);
            gr_tensor *size = gr_matmul(gr_abs(gr_to(x, .dtype = GR_FLOAT64)), gr_abs(gr_to(w, .dtype = GR_FLOAT64)));
            gr_tensor *bound = gr_mul(size, (double)(k + 1) * eps_of(dtype));
            expect_near("matmul", gr_matmul(on_device(x), on_device(w)), gr_matmul(x, w), bound);
            gr_tensor *turned = gr_transpose(gr_contiguous(gr_transpose(w, 1, 2)), 1, 2);
            expect_near("matmul of a transposed", gr_matmul(on_device(x), on_device(turned)), gr_matmul(x, w), bound);
            gr_tensor *weight = gr_t(gr_select(w, 0, 0)), *bias = gr_to(gr_ones_with(GR_SHAPE(n), .device = gr_cpu()), .dtype = dtype);
            /* a rounding more, of the sum and the bias, which is 1: twice the bound is more than that */
            gr_tensor *rows = gr_select(x, 0, 0), *more = gr_add(gr_select(bound, 0, 0), 2 * eps_of(dtype));
            expect_near("linear", gr_linear(on_device(rows), on_device(weight), .bias = on_device(bias)),
                        gr_linear(rows, weight, .bias = bias), gr_mul(more, 2));
            gr_scope_end(scope);
        }
}
END_TEST

/* ---- a model on both ---- */

START_TEST(a_model_trains_as_on_the_cpu)
{
    double loss[2] = {0, 0};
    for (int d = 0; d < 2; d++) {
        gr_manual_seed(4);
        gr_set_default_device(d ? gr_cuda(0) : gr_cpu()); /* the draws are the host's: the same on both */
        gr_module *m = gr_nn_sequential(gr_nn_linear(5, 16), gr_nn_tanh(), gr_nn_linear(16, 2));
        gr_tensor *x = gr_randn(24, 5), *y = gr_randn(24, 2);
        gr_optim *o = gr_optim_sgd(gr_parameters(m), .lr = 0.05, .momentum = 0.9);
        for (int i = 0; i < 50; i++) {
            const gr_scope scope = gr_scope_begin();
            gr_zero_grad(o);
            gr_tensor *now = gr_mse_loss(gr_forward(m, x), y);
            ck_assert_msg(gr_backward(now) && gr_step(o), "%s", gr_error());
            loss[d] = gr_item(now);
            gr_scope_end(scope);
        }
    }
    ck_assert_msg(fabs(loss[0] - loss[1]) <= 1e-5 * loss[0], "%.9g on the CPU, %.9g on the device", loss[0], loss[1]);
}
END_TEST

/* ---- what only devices do ---- */

START_TEST(an_index_out_of_range_is_told_with_its_own_line)
{
    const int64_t places[] = {0, 7};
    gr_tensor *x = gr_ones(3, 2), *index = gr_from(places, 2);
    ck_assert_ptr_null(gr_error());
    const int line = __LINE__ + 1;
    gr_tensor *y = gr_index_select(x, 0, index);
    gr_tensor *z = gr_add(y, 1);
    ck_assert(y && z);
    char expected[96];
    snprintf(expected, sizeof expected, "test_device.c:%d: index_select: index[1] is 7; must be 0 to 2", line);
    ck_assert(isnan(gr_at(z, 0, 0)));
    expect_one_error(expected);
    ck_assert(gr_at(gr_add(x, 1), 2, 1) == 2); /* said once; the device goes on */
}
END_TEST

/* y = x, whose rule hands over what data points to. */
static gr_tensor *handed_over;
static bool alike_shape(gr_call *c)
{
    return gr_call_output_shape(c, 0, gr_shape_of(gr_call_input(c, 0)), GR_FLOAT32);
}
static bool alike_forward(gr_call *c)
{
    return gr_copy_(gr_call_output(c, 0), gr_call_input(c, 0)) != NULL;
}
static bool hands_over(gr_call *c)
{
    return gr_grad_add(c, 0, handed_over);
}

START_TEST(a_gradient_on_another_device_than_its_input_is_refused)
{
    const gr_op alike = {.name = "alike", .shape = alike_shape, .forward = alike_forward, .backward = hands_over};
    for (int k = 0; k < 2; k++) {
        gr_tensor *x = gr_ones_with(GR_SHAPE(2), .requires_grad = true, .device = k ? gr_cpu() : gr_cuda(0));
        handed_over = gr_ones_with(GR_SHAPE(2), .device = k ? gr_cuda(0) : gr_cpu());
        ck_assert(!gr_backward(gr_apply(&alike, &x, 1, NULL, NULL), .gradient = gr_ones_like(x)));
        expect_one_error(k ? "grad_add: g is on cuda:0, input 0 of alike is on cpu; both must be on one device"
                           : "grad_add: g is on cpu, input 0 of alike is on cuda:0; both must be on one device");
        ck_assert(!gr_has_grad(x));
    }
}
END_TEST

START_TEST(tensors_of_two_devices_are_refused)
{
    gr_tensor *here = gr_ones_with(GR_SHAPE(2), .device = gr_cpu()), *there = gr_ones(2);
    ck_assert_ptr_null(gr_add(here, there));
    expect_one_error("add: a is on cpu, b is on cuda:0");
    ck_assert_ptr_null(gr_mse_loss(there, here));
    expect_one_error("is on cuda:0, target is on cpu");
    gr_tensor *operand[2] = {here, there};
    for (int k = 0; k < 2; k++) { /* a condition is read as operands are */
        ck_assert_ptr_null(gr_where(gr_gt(operand[k], 0), operand[!k], 0));
        expect_one_error(k ? "where: condition is on cuda:0, a is on cpu; both" : "where: condition is on cpu, a is on cuda:0; both");
        ck_assert_ptr_null(gr_where(gr_gt(operand[k], 0), 0, operand[!k]));
        expect_one_error(k ? "where: condition is on cuda:0, b is on cpu; both" : "where: condition is on cpu, b is on cuda:0; both");
    }
    ck_assert_ptr_null(gr_zeros_with(GR_SHAPE(2), .device = gr_cuda(100)));
    expect_one_error("zeros: device is cuda:100; must be cuda:0 to cuda:");
}
END_TEST

/* dx = dy at the index: of ones, 0 0 1 in each row. */
START_TEST(gradients_do_not_depend_on_the_default_device)
{
    for (int k = 0; k < 2; k++) {
        gr_set_default_device(k ? gr_cpu() : gr_cuda(0));
        gr_tensor *x = gr_to(gr_reshape(gr_arange(0.0, 6, 1), 2, 3), .device = k ? gr_cuda(0) : gr_cpu());
        ck_assert_msg(gr_requires_grad_(x, true) && gr_backward(gr_sum(gr_max_dim(x, 1).values)), "%s", gr_error());
        for (int i = 0; i < 6; i++) ck_assert(gr_at(gr_grad(x), i / 3, i % 3) == (i % 3 == 2));
    }
}
END_TEST

/* The source is broadcast: each of its elements stands in two rows, and gets twice what they get. */
START_TEST(the_gradient_of_copy_goes_back_to_the_sources_device)
{
    for (int k = 0; k < 2; k++)
        for (int d = 0; d < 2; d++) {
            gr_tensor *source = gr_ones_with(GR_SHAPE(3), .dtype = d ? GR_FLOAT64 : GR_FLOAT32, .requires_grad = true,
                                             .device = k ? gr_cuda(0) : gr_cpu());
            gr_tensor *x = gr_zeros_with(GR_SHAPE(2, 3), .device = k ? gr_cpu() : gr_cuda(0));
            ck_assert_msg(gr_copy_(x, source) && gr_backward(gr_sum(gr_mul(x, 5))), "%s", gr_error());
            ck_assert(gr_device_of(gr_grad(source)).kind == gr_device_of(source).kind);
            for (int i = 0; i < 3; i++) ck_assert(gr_at(gr_grad(source), i) == 10);
        }
}
END_TEST

START_TEST(a_module_moves_whole_with_its_optimizer)
{
    gr_set_default_device(gr_cpu());
    gr_module *m = gr_nn_linear(3, 2);
    gr_optim *o = gr_optim_sgd(gr_parameters(m), .lr = 0.1, .momentum = 0.9);
    gr_tensor *w = gr_module_tensor(m, "weight"), *before = gr_clone(gr_detach(w));
    ck_assert_ptr_eq(gr_module_to(m, .device = gr_cuda(0)), m);
    ck_assert(gr_module_tensor(m, "weight") == w && gr_device_of(w).kind == gr_cuda(0).kind);
    expect_same("weight", gr_detach(w), before, 0);
    gr_tensor *x = gr_ones_with(GR_SHAPE(4, 3), .device = gr_cuda(0));
    for (int i = 0; i < 2; i++) {
        gr_zero_grad(o);
        ck_assert_msg(gr_backward(gr_sum(gr_forward(m, x))) && gr_step(o), "%s", gr_error());
    }
    ck_assert(fabs(gr_at(w, 1, 2) - (gr_at(before, 1, 2) - 0.1 * 4 - 0.1 * (0.9 * 4 + 4))) < 1e-5);
}
END_TEST

static bool has_two_devices(const char *test)
{
    const bool yes = gr_cuda_device_count() > 1;
    if (!yes) printf("left out on this device: %s: there is one\n", test), fflush(stdout);
    return yes;
}

START_TEST(elements_go_from_one_cuda_device_to_another)
{
    if (!has_two_devices("elements_go_from_one_cuda_device_to_another")) return;
    for (int d = 0; d < DTYPES; d++) {
        gr_tensor *x = numbers(dtypes[d], 3), *first = gr_to(x, .device = gr_cuda(0)), *second = gr_to(first, .device = gr_cuda(1));
        ck_assert_int_eq(gr_device_of(second).index, 1);
        expect_same("straight", second, x, 0);
        expect_same("turned", gr_to(gr_t(second), .device = gr_cuda(0)), gr_t(x), 0);
    }
    gr_tensor *x = gr_arange_with(0, 6, 1, .device = gr_cuda(0)), *y = gr_to(x, .dtype = GR_FLOAT64, .device = gr_cuda(1));
    ck_assert(gr_dtype_of(y) == GR_FLOAT64 && gr_item(gr_sum(gr_mul(y, 2))) == 30);
    ck_assert_ptr_null(gr_add(x, y));
    expect_one_error("add: a is on cuda:0, b is on cuda:1");
}
END_TEST

/* The parameters after three steps, before the last of which the module goes elsewhere, and its optimizer's momentum after it. */
static gr_tensor *moved_after_two_steps(gr_device from, gr_device to)
{
    gr_set_default_device(from);
    gr_manual_seed(8);
    gr_module *m = gr_nn_linear(3, 2);
    gr_optim *o = gr_optim_sgd(gr_parameters(m), .lr = 0.1, .momentum = 0.9);
    for (int i = 0; i < 3; i++) {
        if (i == 2) ck_assert_ptr_eq(gr_module_to(m, .device = to), m);
        gr_tensor *x = gr_to(gr_arange_with(0, 12, 1, .device = gr_cpu(), .dtype = GR_FLOAT32), .device = i < 2 ? from : to);
        gr_zero_grad(o);
        ck_assert_msg(gr_backward(gr_mean(gr_tanh(gr_forward(m, gr_reshape(x, 4, 3))))) && gr_step(o), "%s", gr_error());
    }
    gr_tensor *w = gr_module_tensor(m, "weight");
    ck_assert(gr_device_of(w).kind == to.kind && gr_device_of(w).index == to.index);
    return gr_to(gr_detach(w), .device = gr_cpu());
}

START_TEST(an_optimizer_follows_its_parameters_to_another_cuda_device)
{
    if (!has_two_devices("an_optimizer_follows_its_parameters_to_another_cuda_device")) return;
    gr_tensor *want = moved_after_two_steps(gr_cpu(), gr_cpu()), *got = moved_after_two_steps(gr_cuda(0), gr_cuda(1));
    gr_set_default_device(gr_cpu());
    expect_near("weight", got, want, gr_full_like(want, 1e-5));
}
END_TEST

Suite *device_suite(void)
{
    Suite *s = suite_create("device");
    TCase *c = tcase_create("device");
    suite_add_tcase(s, c);
    if (!getenv("GRADUS_TEST_DEVICE")) {
        puts("left out on the CPU: suite device compares another device with it; tests/device.sh");
        return s;
    }
    tcase_add_checked_fixture(c, catch_errors, release_errors);
    tcase_add_loop_test(c, rows_have_the_cpus_bits, 0, DTYPES);
    tcase_add_test(c, copies_and_indices_have_the_cpus_bits);
    tcase_add_test(c, sums_are_near_the_cpus);
    tcase_add_test(c, products_are_near_the_cpus);
    tcase_add_test(c, an_index_out_of_range_is_told_with_its_own_line);
    tcase_add_test(c, tensors_of_two_devices_are_refused);
    tcase_add_test(c, a_gradient_on_another_device_than_its_input_is_refused);
    tcase_add_test(c, gradients_do_not_depend_on_the_default_device);
    tcase_add_test(c, the_gradient_of_copy_goes_back_to_the_sources_device);
    tcase_add_test(c, a_model_trains_as_on_the_cpu);
    tcase_add_test(c, a_module_moves_whole_with_its_optimizer);
    tcase_add_test(c, elements_go_from_one_cuda_device_to_another);
    tcase_add_test(c, an_optimizer_follows_its_parameters_to_another_cuda_device);
    return s;
}
