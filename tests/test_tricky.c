/* test_tricky.c - the rows of tests/golden/tricky.tsv: edge cases of values and gradients, as PyTorch has them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradus.h"
#include "tests/golden.h"
#include "tests/look.h"
#include "tests/rows.h"
#include "tests/suites.h"

/* ---- the rows that run: an expression over the row's named inputs ---- */

typedef struct {
    gr_tensor *x, *y, *w, *i, *j, *lo, *hi, *m, *p, *q;
} named;

enum { OUTPUTS = 2 };
typedef void row_function(const named *in, gr_tensor *out[OUTPUTS]);

#define ROWS(ONE, PAIR) \
    ONE(abs_zero, gr_abs(in->x)) \
    ONE(sign_gradient, gr_sign(in->x)) \
    ONE(sqrt_zero, gr_sqrt(in->x)) \
    ONE(rsqrt_zero, gr_rsqrt(in->x)) \
    ONE(log_zero, gr_log(in->x)) \
    ONE(log1p_edge, gr_log1p(in->x)) \
    ONE(reciprocal_zero, gr_reciprocal(in->x)) \
    ONE(exp_extremes, gr_exp(in->x)) \
    ONE(expm1_tiny, gr_expm1(in->x)) \
    ONE(sin_inf, gr_sin(in->x)) \
    ONE(tanh_saturated, gr_tanh(in->x)) \
    ONE(sigmoid_saturated, gr_sigmoid(in->x)) \
    ONE(erf_ends, gr_erf(in->x)) \
    ONE(clamp_at_bounds, gr_clamp(in->x, -1, 1)) \
    ONE(clamp_min_at_bound, gr_clamp(in->x, 0, GR_ABSENT)) \
    ONE(clamp_min_above_max, gr_clamp(in->x, 2, 1)) \
    ONE(clamp_tensor_ties, gr_clamp(in->x, in->lo, in->hi)) \
    ONE(clamp_tensor_crossed, gr_clamp(in->x, in->lo, in->hi)) \
    ONE(clamp_no_bound, gr_clamp(in->x, GR_ABSENT, GR_ABSENT)) \
    ONE(isfinite, gr_isfinite(in->x)) \
    ONE(relu_zero_nan, gr_relu(in->x)) \
    ONE(leaky_relu_zero_nan, gr_leaky_relu(in->x)) \
    ONE(gelu_extremes, gr_gelu(in->x)) \
    ONE(gelu_tanh_extremes, gr_gelu(in->x, .approximate = GR_GELU_TANH)) \
    ONE(hardtanh_kinks, gr_hardtanh(in->x)) \
    ONE(softplus_threshold, gr_softplus(in->x)) \
    ONE(softplus_beta, gr_softplus(in->x, .beta = 2, .threshold = 3)) \
    ONE(maximum_tie, gr_maximum(in->x, in->y)) \
    ONE(minimum_tie, gr_minimum(in->x, in->y)) \
    ONE(pow_zero_zero, gr_pow(in->x, in->y)) \
    ONE(pow_zero_base, gr_pow(in->x, in->y)) \
    ONE(pow_negative_base, gr_pow(in->x, in->y)) \
    ONE(pow_nan, gr_pow(in->x, in->y)) \
    ONE(pow_exponent_zero, gr_pow(in->x, 0)) \
    ONE(pow_scalar_half, gr_pow(in->x, .5)) \
    ONE(pow_scalar_minus_one, gr_pow(in->x, -1)) \
    ONE(pow_scalar_base_zero, gr_pow(0, in->x)) \
    ONE(pow_int_negative, gr_pow(in->i, -1)) \
    ONE(pow_int_tensor_negative, gr_pow(in->i, in->j)) \
    ONE(div_zero, gr_div(in->x, in->y)) \
    ONE(int_div_is_float, gr_div(in->i, in->j)) \
    ONE(lerp_ends, gr_lerp(in->x, in->y, in->w)) \
    ONE(lerp_zero_weight_inf, gr_lerp(in->x, in->y, 0.)) \
    ONE(where_blocks_value_not_gradient, gr_where(gr_gt(in->x, 0), gr_sqrt(in->x), gr_mul(0, in->x))) \
    ONE(where_select, gr_where(in->m, in->x, in->y)) \
    ONE(compare_nan, gr_eq(in->x, in->y)) \
    ONE(broadcast_gradients, gr_add(in->x, in->y)) \
    ONE(broadcast_empty, gr_mul(in->x, in->y)) \
    ONE(broadcast_error, gr_add(in->x, in->y)) \
    ONE(bool_plus_bool, gr_add(in->p, in->q)) \
    ONE(bool_minus_bool, gr_sub(in->p, in->q)) \
    ONE(uint8_wraps, gr_add(in->i, in->j)) \
    ONE(sum_bool, gr_sum(in->p)) \
    ONE(sum_uint8, gr_sum(in->i)) \
    ONE(mean_int_error, gr_mean(in->i)) \
    ONE(sum_empty, gr_sum(in->x)) \
    ONE(mean_empty, gr_mean(in->x)) \
    ONE(prod_empty, gr_prod(in->x)) \
    ONE(max_empty_error, gr_max(in->x)) \
    ONE(sum_empty_dim, gr_sum(in->x, .dim = 0)) \
    ONE(amax_empty_other_dim, gr_amax(in->x, .dim = 1)) \
    ONE(amax_empty_dim_error, gr_amax(in->x, .dim = 0)) \
    ONE(sum_zero_d_dim, gr_sum(in->x, .dim = -1)) \
    ONE(max_all_tie, gr_max(in->x)) \
    PAIR(max_dim_tie, gr_max_dim(in->x, 0)) \
    ONE(amax_tie, gr_amax(in->x, .dim = 0)) \
    PAIR(min_dim_tie, gr_min_dim(in->x, 0)) \
    ONE(max_nan, gr_max(in->x)) \
    PAIR(max_dim_nan, gr_max_dim(in->x, 0)) \
    ONE(amax_nan, gr_amax(in->x, .dim = 0)) \
    ONE(argmax_nan, gr_argmax(in->x)) \
    ONE(argmax_tie, gr_argmax(in->x)) \
    ONE(argmin_tie, gr_argmin(in->x)) \
    ONE(prod_one_zero, gr_prod(in->x)) \
    ONE(prod_two_zeros, gr_prod(in->x)) \
    ONE(matmul_inner_zero, gr_matmul(in->x, in->y)) \
    ONE(matmul_vector_matrix, gr_matmul(in->x, in->y)) \
    ONE(matmul_batch_broadcast, gr_matmul(in->x, in->y)) \
    ONE(matmul_scalar_error, gr_matmul(in->x, in->y)) \
    ONE(index_select_duplicates, gr_index_select(in->x, 0, in->i)) \
    ONE(index_select_negative_error, gr_index_select(in->x, 0, in->i)) \
    ONE(arange_float_end, gr_arange(0., 1., .25)) \
    ONE(nan_to_bool, gr_to(in->x, .dtype = GR_BOOL)) \
    ONE(mse_empty, gr_mse_loss(in->x, in->y))

#define DEFINE_ONE(name, expression) \
    static void row_##name(const named *in, gr_tensor *out[OUTPUTS]) \
    { \
        (void)in; \
        out[0] = expression; \
    }
#define DEFINE_PAIR(name, expression) \
    static void row_##name(const named *in, gr_tensor *out[OUTPUTS]) \
    { \
        const gr_values_indices pair = expression; \
        out[0] = pair.values; \
        out[1] = pair.indices; \
    }
ROWS(DEFINE_ONE, DEFINE_PAIR)

static const struct {
    const char *name;
    row_function *f;
} runs[] = {
#define ENTRY(name, expression) {#name, row_##name},
    ROWS(ENTRY, ENTRY)
};

/* ---- the rows that do not run ---- */

typedef struct {
    const char *name, *reason;
} listed;

/* The operation that is missing. */
static const listed absent[] = {
    {"asin_edge", "asin"}, {"acos_edge", "acos"}, {"atanh_edge", "atanh"}, {"acosh_edge", "acosh"},
    {"round_half_even", "round"}, {"round_decimals", "round"}, {"trunc_negative", "trunc"},
    {"frac_negative", "frac"}, {"floor_ceil", "floor, ceil"}, {"nan_to_num", "nan_to_num"},
    {"relu6_kinks", "relu6"}, {"elu_alpha_kink", "elu"}, {"selu_kink", "selu"},
    {"celu_kink", "celu"}, {"silu_extremes", "silu"}, {"mish_extremes", "mish"},
    {"logsigmoid_extremes", "logsigmoid"}, {"softsign_zero", "softsign"},
    {"hardsigmoid_kinks", "hardsigmoid"},
    {"hardswish_kinks", "hardswish"}, {"softshrink_kinks", "softshrink"},
    {"hardshrink_kinks", "hardshrink"}, {"threshold_at", "threshold"},
    {"tanhshrink_zero", "tanhshrink"}, {"prelu_zero", "prelu"}, {"glu_pair", "glu"},
    {"fmax_nan", "fmax"}, {"div_floor", "div with rounding"}, {"div_trunc", "div with rounding"},
    {"remainder_signs", "remainder"}, {"fmod_signs", "fmod"}, {"int_floor_divide", "floor_divide"},
    {"int_remainder", "remainder"}, {"int_fmod", "fmod"}, {"int_divide_by_zero", "floor_divide"},
    {"int_remainder_by_zero", "remainder"}, {"atan2_origin", "atan2"}, {"hypot_origin", "hypot"},
    {"logaddexp_minus_inf", "logaddexp"}, {"xlogy_zero", "xlogy"},
    {"all_any_empty", "all, any, stack"}, {"any_nan", "any"}, {"cumsum_empty", "cumsum"},
    {"logsumexp_empty", "logsumexp"}, {"median_empty", "median"}, {"aminmax_tie", "aminmax"},
    {"median_even", "median"}, {"median_tie", "median"}, {"median_nan", "median"},
    {"mode_tie", "mode"}, {"cummax_ties", "cummax"}, {"cumprod_zero", "cumprod"},
    {"cumprod_two_zeros", "cumprod"}, {"var_one_element", "var"}, {"std_one_element", "std"},
    {"std_constant", "std"}, {"var_correction_too_big", "var"}, {"var_plain", "var"},
    {"norm2_zero", "norm"}, {"norm1", "norm"}, {"norm0", "norm"}, {"norm_inf_tie", "norm"},
    {"norm_minus_inf", "norm"}, {"norm_half", "norm"}, {"norm3_zero", "norm"},
    {"norm_no_rescaling", "norm"}, {"norm_inf_empty_error", "norm"},
    {"logsumexp_minus_inf", "logsumexp"}, {"logsumexp_inf", "logsumexp"},
    {"logsumexp_one_minus_inf", "logsumexp"}, {"count_nonzero_nan", "count_nonzero"},
    {"addmm_beta_zero_ignores_nan", "addmm"}, {"tril_drops_nan", "tril"},
    {"gather_duplicates", "gather"}, {"scatter_overwrites", "scatter"},
    {"scatter_duplicates", "scatter"}, {"scatter_add_duplicates", "scatter_add"},
    {"take_negative", "take"}, {"embedding_padding", "embedding"},
    {"masked_fill_widens", "masked_fill"}, {"nonzero_scalar", "nonzero"}, {"sort_nan", "sort"},
    {"sort_descending_nan", "sort"}, {"topk_nan", "topk"}, {"chunk_uneven", "chunk"},
    {"reflect_pad", "pad"}, {"replicate_pad", "pad"}, {"circular_pad", "pad"},
    {"negative_pad", "pad"}, {"unfold_overlap", "unfold"}, {"linspace_one", "linspace"},
    {"linspace_int", "linspace"}, {"roll_flat", "roll"}, {"repeat_gradient", "repeat"},
    {"softmax_all_minus_inf", "softmax"}, {"softmax_inf", "softmax"},
    {"softmax_one_minus_inf", "softmax"}, {"log_softmax_minus_inf", "log_softmax"},
    {"log_softmax_inf", "log_softmax"}, {"log_softmax_large", "log_softmax"},
    {"softmax_scalar", "softmax"}, {"layer_norm_constant", "layer_norm"},
    {"layer_norm_one", "layer_norm"}, {"batch_norm_eval", "batch_norm"},
    {"rms_norm_default_eps", "rms_norm"}, {"group_norm_single_value_error", "group_norm"},
    {"normalize_zero", "normalize"}, {"max_pool_tie", "max_pool1d"},
    {"max_pool_padding", "max_pool1d"}, {"max_pool_nan", "max_pool1d"},
    {"max_pool_minus_inf", "max_pool2d"}, {"max_pool_ceil_drops_window", "max_pool1d"},
    {"avg_pool_include_pad", "avg_pool1d"}, {"avg_pool_exclude_pad", "avg_pool1d"},
    {"avg_pool_ceil", "avg_pool1d"}, {"adaptive_avg_5_to_3", "adaptive_avg_pool1d"},
    {"nearest_3_to_5", "interpolate"}, {"linear_2_to_4", "interpolate"},
    {"linear_to_1", "interpolate"}, {"linear_scale_1_5", "interpolate"},
    {"conv_same_even", "conv1d"}, {"conv_transpose_stride", "conv_transpose1d"},
    {"dropout_p1", "dropout"}, {"attention_all_masked", "scaled_dot_product_attention"},
    {"l1_tie", "l1_loss"}, {"smooth_l1_at_beta", "smooth_l1_loss"},
    {"smooth_l1_beta_zero", "smooth_l1_loss"}, {"huber_delta_2", "huber_loss"},
    {"cross_entropy_all_ignored", "cross_entropy"},
    {"cross_entropy_all_ignored_sum", "cross_entropy"},
    {"cross_entropy_smoothing_weight", "cross_entropy"}, {"cross_entropy_weight", "cross_entropy"},
    {"cross_entropy_zero_weight", "cross_entropy"},
    {"cross_entropy_probabilities", "cross_entropy"}, {"cross_entropy_empty", "cross_entropy"},
    {"cross_entropy_minus_inf_logit", "cross_entropy"},
    {"cross_entropy_zero_times_inf", "cross_entropy"},
    {"cross_entropy_out_of_range", "cross_entropy"}, {"cross_entropy_one_row", "cross_entropy"},
    {"bce_saturated", "binary_cross_entropy"}, {"bce_out_of_range", "binary_cross_entropy"},
    {"bce_logits_large", "binary_cross_entropy_with_logits"},
    {"bce_logits_inf", "binary_cross_entropy_with_logits"},
    {"bce_logits_pos_weight", "binary_cross_entropy_with_logits"}, {"kl_div_zero_target", "kl_div"},
    {"kl_div_batchmean_log", "kl_div"}, {"poisson_full", "poisson_nll_loss"},
    {"gaussian_var_floor", "gaussian_nll_loss"}, {"hinge_embedding_kink", "hinge_embedding_loss"},
    {"margin_ranking_kink", "margin_ranking_loss"}, {"multi_margin", "multi_margin_loss"},
    {"soft_margin", "soft_margin_loss"}, {"triplet_equal", "triplet_margin_loss"},
    {"cosine_zero_vector", "cosine_similarity"}, {"cosine_below_eps", "cosine_similarity"},
    {"cosine_embedding_zero", "cosine_embedding_loss"},
    {"pairwise_distance_equal", "pairwise_distance"},
    {"triplet_margin_zero_error", "triplet_margin_loss"}, {"nll_all_ignored", "nll_loss"},
};

/* Where the library differs on purpose. */
static void mse_broadcasts(const named *in, gr_tensor *out[OUTPUTS])
{
    out[0] = gr_mse_loss(in->x, in->y);
}
static const struct {
    const char *name, *reason;
    row_function *f;
} refused[] = {
    {"mse_broadcasts", "unequal shapes are refused: they are nearly always a mistake", mse_broadcasts},
};

enum {
    RUNS = sizeof runs / sizeof runs[0],
    ABSENT = sizeof absent / sizeof absent[0],
    REFUSED = sizeof refused / sizeof refused[0]
};

/* ---- reading: name, expression, inputs, outputs, gradients; tabs between them ---- */

enum { COLUMNS = 5, MOST_ROWS = 300, LINE_ROOM = 4096 };
static char text[MOST_ROWS][LINE_ROOM];
static char *column[MOST_ROWS][COLUMNS];
static int rows;

static void read_rows(void)
{
    if (rows) return;
    FILE *stream = golden_stream("tricky.tsv");
    char header[LINE_ROOM];
    ck_assert_ptr_nonnull(fgets(header, sizeof header, stream));
    while (rows < MOST_ROWS && fgets(text[rows], LINE_ROOM, stream)) {
        char *p = text[rows];
        p[strcspn(p, "\n")] = '\0';
        for (int k = 0; k < COLUMNS; k++) {
            column[rows][k] = p;
            p = strchr(p, '\t');
            ck_assert_msg((p != NULL) == (k < COLUMNS - 1), "row %d must have five columns", rows + 1);
            if (p) *p++ = '\0';
        }
        rows++;
    }
    ck_assert(feof(stream));
    fclose(stream);
}

static char **find_row(const char *name)
{
    for (int r = 0; r < rows; r++)
        if (!strcmp(column[r][0], name)) return column[r];
    ck_abort_msg("tricky.tsv has no row %s", name);
    return NULL;
}

static gr_tensor **place_of(named *in, const char *s)
{
    const struct {
        const char *name;
        gr_tensor **place;
    } places[] = {{"x=", &in->x}, {"y=", &in->y},   {"w=", &in->w},   {"i=", &in->i}, {"j=", &in->j},
                  {"m=", &in->m}, {"lo=", &in->lo}, {"hi=", &in->hi}, {"p=", &in->p}, {"q=", &in->q}};
    for (size_t k = 0; k < sizeof places / sizeof places[0]; k++)
        if (!strncmp(s, places[k].name, strlen(places[k].name))) return places[k].place;
    ck_abort_msg("unknown input: %s", s);
    return NULL;
}

static bool has_gradients(char *const row[COLUMNS])
{
    return strcmp(row[4], "none") != 0;
}

/* Those whose gradients are listed require grad. */
static named read_inputs(char *const row[COLUMNS])
{
    named in = {.x = NULL};
    for (const char *s = *row[2] ? row[2] : NULL; s; s = next_array(s)) {
        const row_array a = read_array(strchr(s, '=') + 1);
        *place_of(&in, s) = tensor_of(&a);
    }
    for (const char *s = has_gradients(row) ? row[4] : NULL; s; s = next_array(s))
        gr_requires_grad_(*place_of(&in, s), true);
    ck_assert_msg(gr_error() == NULL, "%s", gr_error());
    return in;
}

/* ---- comparing ---- */

static void compare(const char *name, const char *what, const gr_tensor *t, const row_array *expected)
{
    double value[ROW_VALUES];
    ck_assert_msg(t != NULL, "%s: %s is NULL (%s)", name, what, gr_error() ? gr_error() : "no error");
    const gr_shape shape = gr_shape_of(t);
    ck_assert_msg(gr_dtype_of(t) == expected->dtype, "%s: %s has dtype %d, must have %d", name, what,
                  (int)gr_dtype_of(t), (int)expected->dtype);
    bool same = shape.count == expected->shape.count;
    for (int d = 0; same && d < shape.count; d++) same = shape.size[d] == expected->shape.size[d];
    ck_assert_msg(same, "%s: %s has another shape", name, what);
    ck_assert(gr_to_array(t, value, expected->count));
    /* gelu's tanh form is PyTorch's to 9 roundings, all else to 2; a device has functions of its own */
    const double near = gr_default_device().kind == gr_cpu().kind ? 16 * 0x1p-53 : 1e-12;
    for (int64_t i = 0; i < expected->count; i++) {
        const double got = value[i], want = expected->value[i];
        bool equal = isnan(want) ? isnan(got) : fabs(got - want) <= near * fabs(want);
        if (isinf(want)) equal = got == want;
        if (want == 0) equal = got == 0 && (!signbit(got) == !signbit(want));
        ck_assert_msg(equal, "%s: %s[%d] is %.17g, must be %.17g", name, what, (int)i, got, want);
    }
}

static void run_row(char *const row[COLUMNS], row_function *f)
{
    named in = read_inputs(row);
    gr_tensor *out[OUTPUTS] = {NULL};
    f(&in, out);
    int k = 0;
    for (const char *s = row[3]; s; s = next_array(s), k++) {
        const row_array expected = read_array(s);
        ck_assert_int_lt(k, OUTPUTS);
        compare(row[0], k ? "second output" : "output", out[k], &expected);
    }
    ck_assert_msg(k == OUTPUTS || !out[k], "%s: has another output", row[0]);
    if (!has_gradients(row)) {
        ck_assert(!gr_requires_grad(out[0]));
        return;
    }
    ck_assert_msg(gr_backward(out[0], .gradient = gr_ones_like(out[0])), "%s: %s", row[0], gr_error());
    for (const char *s = row[4]; s; s = next_array(s)) {
        const row_array expected = read_array(strchr(s, '=') + 1);
        char what[24];
        snprintf(what, sizeof what, "gradient of %.*s", (int)strcspn(s, "="), s);
        compare(row[0], what, gr_grad(*place_of(&in, s)), &expected);
    }
}

/* "file:line: op: what is; what must be" */
static void fail_row(char *const row[COLUMNS], row_function *f)
{
    const named in = read_inputs(row);
    gr_tensor *out[OUTPUTS] = {NULL};
    catch_errors();
    f(&in, out);
    /* on another device than the CPU an index is seen by the kernel, and told by the next call that waits */
    if (out[0] && gr_device_of(out[0]).kind == gr_cuda(0).kind && !gr_synchronize(gr_device_of(out[0]))) out[0] = NULL;
    ck_assert_msg(!out[0] && !out[1], "%s: must fail", row[0]);
    ck_assert_ptr_nonnull(gr_error());
    char op[32];
    snprintf(op, sizeof op, ": %.*s: ", (int)strcspn(row[1], "("), row[1]);
    ck_assert_msg(!strncmp(gr_error(), "test_tricky.c:", 14) && strstr(gr_error(), "must"), "%s: the error text is %s", row[0],
                  gr_error());
    expect_one_error(op);
}

/* ---- tests ---- */

static void setup(void)
{
    read_rows();
    gr_set_default_dtype(GR_FLOAT64);
}

START_TEST(row_gives_what_pytorch_gives)
{
    char **row = find_row(runs[_i].name);
    const gr_scope scope = gr_scope_begin();
    if (!strcmp(row[3], "error"))
        fail_row(row, runs[_i].f);
    else
        run_row(row, runs[_i].f);
    ck_assert_msg(gr_error() == NULL, "%s", gr_error());
    gr_scope_end(scope);
}
END_TEST

START_TEST(row_that_differs_on_purpose_is_refused)
{
    fail_row(find_row(refused[_i].name), refused[_i].f);
}
END_TEST

static int times_listed(const char *name)
{
    int times = 0;
    for (int k = 0; k < RUNS; k++) times += !strcmp(runs[k].name, name);
    for (int k = 0; k < ABSENT; k++) times += !strcmp(absent[k].name, name);
    for (int k = 0; k < REFUSED; k++) times += !strcmp(refused[k].name, name);
    return times;
}

START_TEST(every_row_is_run_or_listed_once)
{
    for (int r = 0; r < rows; r++) {
        ck_assert_msg(times_listed(column[r][0]) == 1, "%s is listed %d times, must be once", column[r][0],
                      times_listed(column[r][0]));
        for (int k = 0; k < r; k++) ck_assert_str_ne(column[r][0], column[k][0]);
    }
    ck_assert_int_eq(RUNS + ABSENT + REFUSED, rows);
    for (int k = 0; k < ABSENT; k++) {
        find_row(absent[k].name);
        ck_assert_msg(*absent[k].reason, "%s has no reason", absent[k].name);
    }
    for (int k = 0; k < REFUSED; k++) ck_assert(*refused[k].reason);
}
END_TEST

Suite *tricky_suite(void)
{
    Suite *suite = suite_create("tricky");
    TCase *tests = tcase_create("rows");
    tcase_add_checked_fixture(tests, setup, release_errors);
    tcase_add_loop_test(tests, row_gives_what_pytorch_gives, 0, RUNS);
    tcase_add_loop_test(tests, row_that_differs_on_purpose_is_refused, 0, REFUSED);
    tcase_add_test(tests, every_row_is_run_or_listed_once);
    suite_add_tcase(suite, tests);
    return suite;
}
