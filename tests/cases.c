/* cases.c - the ops that are no rows of elementwise.def, and the values and layouts that all cases draw from. */
#include "tests/cases.h"

#include <math.h>

#define S(...) {GR_COUNT_INT64(__VA_ARGS__), {__VA_ARGS__}}
#define SCALAR {0, {0}}
#define NO_EDGE ((double)NAN)

/* ---- values ---- */

static int64_t product(gr_shape s)
{
    int64_t n = 1;
    for (int d = 0; d < s.count; d++) n *= s.size[d];
    return n;
}

gr_tensor *case_values(gr_shape shape, gr_dtype dtype, double lo, double hi, double edge, int salt)
{
    gr_tensor *wide = gr_empty_with(shape, .dtype = GR_FLOAT64, .device = gr_cpu());
    double *value = gr_data(wide);
    const int64_t n = product(shape), steps = (int64_t)((hi - lo) * 64);
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = (i * 37 + salt * 11 + 5) % (steps | 1); /* 37 is prime: distinct until it wraps */
        double v = lo + (double)k / 64 + (salt % 2) / 128.0;
        if (fabs(v - edge) < 0.0101) v += 1 / 32.0;
        value[i] = v;
    }
    return gr_to(wide, .dtype = dtype, .device = gr_default_device());
}

/* ---- layouts ---- */

gr_shape layout_shape(gr_shape s, layout l)
{
    const int last = s.count - 1;
    if (l == TRANSPOSED && s.count >= 2) {
        const int64_t swap = s.size[last];
        s.size[last] = s.size[last - 1];
        s.size[last - 1] = swap;
    }
    if (l == SLICED && s.count) s.size[last] = 2 * s.size[last] + 1;
    if (l == EXPANDED && s.count) s.size[0] = s.size[0] ? 1 : 0;
    if (l == PERMUTED && s.count >= 3) { /* rotated by one */
        const int64_t first = s.size[0];
        for (int d = 0; d < last; d++) s.size[d] = s.size[d + 1];
        s.size[last] = first;
    }
    return s;
}

gr_tensor *apply_layout(gr_tensor *x, gr_shape s, layout l)
{
    const int last = s.count - 1;
    if (l == TRANSPOSED && s.count >= 2) return gr_transpose(x, last, last - 1);
    if (l == SLICED && s.count) return gr_slice(x, .dim = -1, .start = 1, .step = 2);
    if (l == EXPANDED && s.count) return gr_expand_at(x, s, GR_HERE);
    if (l == PERMUTED && s.count >= 3) {
        gr_shape order = {s.count, {last}};
        for (int d = 1; d < s.count; d++) order.size[d] = d - 1;
        return gr_permute_at(x, order, GR_HERE);
    }
    return x;
}

/* ---- the ops ---- */

#define OP1(name, call) \
    static gr_tensor *name(gr_tensor *const *in) \
    { \
        gr_tensor *x = in[0]; \
        return call; \
    }
#define OP2(name, call) \
    static gr_tensor *name(gr_tensor *const *in) \
    { \
        gr_tensor *a = in[0], *b = in[1]; \
        return call; \
    }
OP1(sum_all, gr_sum(x))
OP1(sum_first, gr_sum(x, .dim = 0))
OP1(sum_last, gr_sum(x, .dim = -1, .keepdim = true))
OP1(sum_middle, gr_sum(x, .dim = 1))
OP1(sum_outer, gr_sum(x, .dims = GR_DIMS(0, 2)))
OP1(mean_all, gr_mean(x))
OP1(mean_outer, gr_mean(x, .dims = GR_DIMS(0, -1)))
OP1(mean_first, gr_mean(x, .dim = 0))
OP1(mean_one, gr_mean(x, .dim = 1, .keepdim = true))
OP1(prod_all, gr_prod(x))
OP1(prod_last, gr_prod(x, .dim = -1))
OP1(prod_first, gr_prod(x, .dim = 0, .keepdim = true))
OP1(amax_all, gr_amax(x))
OP1(amax_outer, gr_amax(x, .dims = GR_DIMS(0, 2)))
OP1(amin_last, gr_amin(x, .dim = -1, .keepdim = true))
OP1(max_all, gr_max(x))
OP1(min_all, gr_min(x))
OP1(max_last, gr_max_dim(x, -1).values)
OP1(min_first, gr_min_dim(x, 0, .keepdim = true).values)
OP1(reshape, gr_reshape(x, 3, -1))
OP1(view, gr_view(gr_contiguous(x), -1, 6))
OP1(reshape_transposed, gr_reshape(gr_t(x), -1))
OP1(transpose, gr_transpose(x, 0, -1))
OP1(permute, gr_permute(x, 2, 0, 1))
OP1(t, gr_t(x))
OP1(expand, gr_expand(x, 5, 3, -1))
OP1(narrow, gr_narrow(x, 1, 1, 2))
OP1(select_row, gr_select(x, -1, -1))
OP1(slice_steps, gr_slice(x, .dim = 1, .start = 1, .end = -1, .step = 2))
OP1(squeeze, gr_squeeze(x))
OP1(unsqueeze, gr_unsqueeze(x, 1))
OP1(flatten, gr_flatten(x, .start_dim = 1))
OP1(contiguous, gr_contiguous(gr_t(x)))
OP1(clone_of_view, gr_clone(gr_transpose(x, 0, 1)))
OP1(to_and_back, gr_to(gr_to(x, .dtype = GR_FLOAT64), .dtype = gr_dtype_of(x)))
OP1(clamp_both, gr_clamp(x, -0.5, 0.75))
OP1(clamp_above, gr_clamp(x, GR_ABSENT, 0.75))
OP1(gelu, gr_gelu(x))
OP1(gelu_tanh, gr_gelu(x, .approximate = GR_GELU_TANH))
OP1(add_number, gr_add(x, 2.5))
OP1(sub_from_number, gr_sub(2.5, x))
OP1(mul_number, gr_mul(3, x))
OP1(div_by_number, gr_div(x, 0.7))
OP1(number_over, gr_div(1.5, x))
OP1(pow_number, gr_pow(x, 2.5))
OP1(number_pow, gr_pow(1.7, x))
OP1(maximum_number, gr_maximum(x, 0.25))
OP1(square_by_mul, gr_mul(x, x))
OP1(gram, gr_matmul(x, gr_t(x)))
OP1(filled, gr_add(gr_fill_(gr_mul(x, 3), 2), x))
OP1(zeroed, gr_add(gr_zero_(gr_mul(x, 2)), x))
OP1(in_place, gr_mul_(gr_add(x, 1), 3))
OP1(in_place_exp, gr_exp_(gr_mul(x, 0.5)))
OP1(in_place_log, gr_log_(gr_mul(x, 2)))
OP2(matmul, gr_matmul(a, b))
OP2(linear_without_bias, gr_linear(a, b))
OP2(mse_mean, gr_mse_loss(a, b))
OP2(mse_sum, gr_mse_loss(a, b, .reduction = GR_SUM))
OP2(mse_none, gr_mse_loss(a, b, .reduction = GR_NONE))
OP2(where, gr_where(gr_gt(gr_detach(a), 0), a, b))
OP2(where_number, gr_add(gr_where(gr_gt(gr_detach(a), 0), a, 0.5), b))
OP2(clamp_tensor, gr_clamp(a, b, GR_ABSENT))
OP2(copy_into, gr_copy_(gr_mul(a, 1), b))

static gr_tensor *linear(gr_tensor *const *in)
{
    return gr_linear(in[0], in[1], .bias = in[2]);
}
static gr_tensor *region_in_place(gr_tensor *const *in)
{
    gr_tensor *y = gr_mul(in[0], 1);
    gr_mul_(gr_select(y, 0, 0), 3);
    gr_mul_(gr_narrow(y, 1, 1, 1), in[1]);
    return y;
}
static gr_tensor *index_select_rows(gr_tensor *const *in)
{
    return gr_index_select(in[0], 0, gr_from(((const int64_t[]){2, 0, 2, 1}), 4));
}
static gr_tensor *index_select_columns(gr_tensor *const *in)
{
    return gr_index_select(in[0], -1, gr_from(((const int64_t[]){1, 1, 0}), 3));
}

#define ROW1(name, lo, hi, edge, ...) {#name, name, 1, {__VA_ARGS__}, lo, hi, edge}
#define ROW2(name, lo, hi, edge, ...) {#name, name, 2, {__VA_ARGS__}, lo, hi, edge}
#define ROW3(name, lo, hi, edge, ...) {#name, name, 3, {__VA_ARGS__}, lo, hi, edge}
const op_case op_cases[] = {
    ROW1(sum_all, -2, 2, NO_EDGE, S(3, 4)), ROW1(sum_all, -2, 2, NO_EDGE, SCALAR), ROW1(sum_all, -2, 2, NO_EDGE, S(0)),
    ROW1(sum_first, -2, 2, NO_EDGE, S(5, 3)), ROW1(sum_first, -2, 2, NO_EDGE, S(1, 3)),
    ROW1(sum_last, -2, 2, NO_EDGE, S(2, 3, 4)), ROW1(sum_middle, -2, 2, NO_EDGE, S(2, 3, 4)),
    ROW1(sum_outer, -2, 2, NO_EDGE, S(2, 3, 4, 2)), ROW1(sum_outer, -2, 2, NO_EDGE, S(2, 1, 3, 1, 2)),
    ROW1(mean_all, -2, 2, NO_EDGE, S(17)), ROW1(mean_outer, -2, 2, NO_EDGE, S(2, 3, 4)),
    ROW1(mean_one, -2, 2, NO_EDGE, S(3, 4)), ROW1(mean_first, -2, 2, NO_EDGE, S(5, 3)),
    ROW1(prod_all, .5, 2, NO_EDGE, S(2, 3)), ROW1(prod_last, .5, 2, NO_EDGE, S(2, 4)),
    ROW1(prod_first, .5, 2, NO_EDGE, S(3, 2)), ROW1(prod_last, .5, 2, NO_EDGE, SCALAR),
    ROW1(sum_last, -2, 2, NO_EDGE, SCALAR), ROW1(mean_first, -2, 2, NO_EDGE, SCALAR), ROW1(max_last, -2, 2, NO_EDGE, SCALAR),
    ROW1(amax_all, -2, 2, NO_EDGE, S(3, 5)), ROW1(amax_outer, -2, 2, NO_EDGE, S(2, 3, 4)),
    ROW1(amin_last, -2, 2, NO_EDGE, S(3, 4)), ROW1(max_all, -2, 2, NO_EDGE, S(7)), ROW1(min_all, -2, 2, NO_EDGE, SCALAR),
    ROW1(max_last, -2, 2, NO_EDGE, S(3, 4)), ROW1(min_first, -2, 2, NO_EDGE, S(4, 2, 3)),
    ROW1(reshape, -2, 2, NO_EDGE, S(2, 3, 4)), ROW1(reshape_transposed, -2, 2, NO_EDGE, S(3, 4)),
    ROW1(view, -2, 2, NO_EDGE, S(2, 12)), ROW1(filled, -2, 2, NO_EDGE, S(3, 4)), ROW1(zeroed, -2, 2, NO_EDGE, S(3, 4)),
    ROW1(transpose, -2, 2, NO_EDGE, S(2, 3, 4)), ROW1(permute, -2, 2, NO_EDGE, S(2, 3, 4)), ROW1(t, -2, 2, NO_EDGE, S(3, 4)),
    ROW1(expand, -2, 2, NO_EDGE, S(3, 1)), ROW1(narrow, -2, 2, NO_EDGE, S(3, 4)),
    ROW1(select_row, -2, 2, NO_EDGE, S(3, 4)), ROW1(slice_steps, -2, 2, NO_EDGE, S(2, 8)),
    ROW1(squeeze, -2, 2, NO_EDGE, S(1, 3, 1, 2)), ROW1(unsqueeze, -2, 2, NO_EDGE, S(3, 4)),
    ROW1(flatten, -2, 2, NO_EDGE, S(2, 3, 4)), ROW1(contiguous, -2, 2, NO_EDGE, S(3, 4)),
    ROW1(clone_of_view, -2, 2, NO_EDGE, S(3, 4)), ROW1(to_and_back, -2, 2, NO_EDGE, S(3, 4)),
    ROW1(clamp_both, -2, 2, 0.75, S(3, 4)), ROW1(clamp_above, -2, 2, 0.75, S(7)),
    ROW1(gelu, -4, 4, NO_EDGE, S(33)), ROW1(gelu_tanh, -4, 4, NO_EDGE, S(33)),
    ROW1(add_number, -2, 2, NO_EDGE, S(7)), ROW1(sub_from_number, -2, 2, NO_EDGE, S(7)),
    ROW1(mul_number, -2, 2, NO_EDGE, S(3, 4)), ROW1(div_by_number, -2, 2, NO_EDGE, S(7)),
    ROW1(number_over, .5, 3, NO_EDGE, S(7)), ROW1(pow_number, .5, 2, NO_EDGE, S(7)),
    ROW1(number_pow, -2, 2, NO_EDGE, S(7)), ROW1(maximum_number, -2, 2, 0.25, S(17)),
    ROW1(square_by_mul, -2, 2, NO_EDGE, S(3, 4)), ROW1(gram, -2, 2, NO_EDGE, S(3, 4)),
    ROW1(in_place, -2, 2, NO_EDGE, S(3, 4)), ROW1(in_place_exp, -2, 2, NO_EDGE, S(7)),
    ROW1(in_place_log, .5, 2, NO_EDGE, S(7)),
    ROW1(index_select_rows, -2, 2, NO_EDGE, S(3, 4)), ROW1(index_select_columns, -2, 2, NO_EDGE, S(2, 3, 2)),
    ROW2(matmul, -2, 2, NO_EDGE, S(3, 4), S(4, 2)), ROW2(matmul, -2, 2, NO_EDGE, S(4), S(4)),
    ROW2(matmul, -2, 2, NO_EDGE, S(4), S(4, 3)), ROW2(matmul, -2, 2, NO_EDGE, S(3, 4), S(4)),
    ROW2(matmul, -2, 2, NO_EDGE, S(5, 1, 2, 3), S(2, 3, 2)), ROW2(matmul, -2, 2, NO_EDGE, S(2, 2, 3), S(3)),
    ROW2(matmul, -2, 2, NO_EDGE, S(2, 0), S(0, 3)), ROW2(matmul, -2, 2, NO_EDGE, S(1, 1), S(1, 1)),
    ROW2(matmul, -2, 2, NO_EDGE, S(3, 2, 2), S(3, 2, 2)),
    ROW2(linear_without_bias, -2, 2, NO_EDGE, S(2, 3, 4), S(5, 4)), ROW3(linear, -2, 2, NO_EDGE, S(6, 4), S(3, 4), S(3)),
    ROW3(linear, -2, 2, NO_EDGE, S(4), S(3, 4), S(3)), ROW3(linear, -2, 2, NO_EDGE, S(7, 1), S(1, 1), S(1)),
    ROW3(linear, -2, 2, NO_EDGE, S(0, 4), S(3, 4), S(3)),
    ROW2(mse_mean, -2, 2, NO_EDGE, S(3, 4), S(3, 4)), ROW2(mse_sum, -2, 2, NO_EDGE, S(17), S(17)),
    ROW2(mse_none, -2, 2, NO_EDGE, S(3, 4), S(3, 4)),
    ROW2(where, -2, 2, 0, S(3, 4), S(4)), ROW2(where_number, -2, 2, 0, S(3, 4), S(3, 4)),
    ROW2(clamp_tensor, -2, 2, NO_EDGE, S(3, 4), S(4)), ROW2(copy_into, -2, 2, NO_EDGE, S(3, 4), S(4)),
    ROW2(region_in_place, -2, 2, NO_EDGE, S(3, 4), S(1)),
};
const int op_case_count = sizeof op_cases / sizeof op_cases[0];
