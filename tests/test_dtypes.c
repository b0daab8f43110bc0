/* test_dtypes.c - every dtype against PyTorch: conversions (golden/casts.txt), and what each operation gives or refuses
 * (golden/dtypes.tsv). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/internal.h"
#include "tests/golden.h"
#include "tests/look.h"
#include "tests/rows.h"
#include "tests/suites.h"

/* ---- conversions: all bits of bfloat16, and as many of the others; casts.txt tells which, and the results' checksums ---- */

static void put_bits(void *data, int bytes, int64_t i, uint64_t bits)
{
    memcpy((char *)data + i * bytes, &bits, (size_t)bytes); /* little-endian */
}

enum { HALVES = 1 << 16 }; /* so many bfloat16 numbers there are */

/* The inputs of this dtype; returns how many. */
static int64_t write_inputs(gr_dtype dtype, void *data)
{
    const uint64_t mixed = UINT64_C(0x0001000300050007);
    for (int64_t k = 0; k < HALVES; k++) {
        const uint64_t u = (uint64_t)k, wide[4] = {65537 * u, 65536 * u + 0x7fff, 65536 * u + 0x8000, 65536 * u + 0x8001};
        for (int part = 0; part < 4 && (dtype == GR_FLOAT32 || dtype == GR_FLOAT64); part++) {
            float x;
            const uint32_t bits = (uint32_t)wide[part];
            memcpy(&x, &bits, sizeof x);
            if (dtype == GR_FLOAT32) put_bits(data, 4, part * HALVES + k, bits);
            else ((double *)data)[part * HALVES + k] = (double)x;
        }
        if (dtype == GR_FLOAT64) put_bits(data, 8, 4 * HALVES + k, mixed * u);
        if (dtype == GR_BFLOAT16) put_bits(data, 2, k, u);
        if (dtype == GR_INT64) put_bits(data, 8, k, u - 32768), put_bits(data, 8, HALVES + k, mixed * u);
        if (dtype == GR_INT32) put_bits(data, 4, k, u - 32768), put_bits(data, 4, HALVES + k, 65539 * u);
        if ((dtype == GR_UINT8 && k < 256) || (dtype == GR_BOOL && k < 2)) put_bits(data, 1, k, u);
    }
    static const int64_t counts[GR_DTYPES] = {4 * HALVES, 5 * HALVES, HALVES, 2 * HALVES, 2 * HALVES, 256, 2};
    return counts[dtype];
}

/* Every NaN becomes the positive quiet one. */
static void make_nan_one(void *data, gr_dtype dtype, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint16_t *half = dtype == GR_BFLOAT16 ? (uint16_t *)data + i : NULL;
        if (dtype == GR_FLOAT32 && isnan(((float *)data)[i])) put_bits(data, 4, i, 0x7fc00000);
        if (dtype == GR_FLOAT64 && isnan(((double *)data)[i])) put_bits(data, 8, i, UINT64_C(0x7ff8000000000000));
        if (half && (*half & 0x7fff) > 0x7f80) *half = 0x7fc0;
    }
}

enum { CONTIGUOUS, STRIDED, WAYS };

static gr_tensor *converted(gr_tensor *x, gr_dtype to, int way)
{
    if (way == CONTIGUOUS) return gr_clone(gr_to(x, .dtype = to));
    gr_tensor *y = gr_empty_with(GR_SHAPE(gr_numel(x), 3), .dtype = to);
    return gr_contiguous(gr_copy_(gr_select(y, 1, 1), x));
}

START_TEST(conversions_are_those_of_pytorch)
{
    FILE *file = golden_stream("casts.txt");
    static char line[256], from[16], to[16];
    int pairs = 0;
    while (fgets(line, sizeof line, file)) {
        int64_t count;
        uint32_t expected;
        if (*line == '#') continue;
        ck_assert_int_eq(sscanf(line, "%15s %15s %" SCNd64 " %" SCNx32, from, to, &count, &expected), 4);
        const gr_scope scope = gr_scope_begin();
        const gr_dtype f = dtype_named(from, strlen(from)), t = dtype_named(to, strlen(to));
        gr_tensor *host = gr_empty_with(GR_SHAPE(count), .dtype = f, .device = gr_cpu());
        ck_assert_int_eq(write_inputs(f, gr_data(host)), count);
        gr_tensor *x = gr_to(host, .device = gr_default_device());
        for (int way = 0; way < WAYS; way++) {
            gr_tensor *y = converted(x, t, way);
            ck_assert_msg(y != NULL, "%s to %s: %s", from, to, gr_error());
            y = gr_to(y, .device = gr_cpu());
            make_nan_one(gr_data(y), t, count);
            const uint32_t crc = golden_crc32(gr_data(y), count * gr_dtype_size[t]);
            ck_assert_msg(crc == expected, "%s to %s, way %d: the checksum is %08x, must be %08x", from, to, way, crc, expected);
        }
        gr_scope_end(scope);
        pairs++;
    }
    ck_assert_int_eq(pairs, DTYPES * DTYPES);
    fclose(file);
}
END_TEST

/* ---- operations ---- */

enum { OUTPUTS = 2, OPERANDS = 3 };
typedef void run_function(const gr_value *in, gr_tensor *out[OUTPUTS]);

#define X in[0].tensor
#define UNARY(name) ONE(name, gr_##name(X))
#define REDUCTION(name) ONE(name, gr_##name(X))
#define BINARY(name) ONE(name, gr_##name##_at(in[0], in[1], GR_HERE))
#define IN_PLACE(name) ONE(name##_, gr_##name##__at(X, in[1], GR_HERE))
#define ROWS \
    UNARY(neg) UNARY(abs) UNARY(sign) UNARY(exp) UNARY(log) UNARY(log1p) UNARY(expm1) UNARY(sqrt) UNARY(rsqrt) \
    UNARY(reciprocal) UNARY(square) UNARY(sin) UNARY(cos) UNARY(tanh) UNARY(sigmoid) UNARY(relu) UNARY(erf) UNARY(isnan) \
    UNARY(isinf) UNARY(isfinite) UNARY(leaky_relu) UNARY(hardtanh) UNARY(softplus) UNARY(gelu) \
    ONE(gelu_tanh, gr_gelu(X, .approximate = GR_GELU_TANH)) \
    REDUCTION(sum) REDUCTION(mean) REDUCTION(prod) REDUCTION(amax) REDUCTION(amin) REDUCTION(max) REDUCTION(min) \
    REDUCTION(argmax) REDUCTION(argmin) \
    BINARY(add) BINARY(sub) BINARY(mul) BINARY(div) BINARY(pow) BINARY(maximum) BINARY(minimum) \
    BINARY(eq) BINARY(ne) BINARY(lt) BINARY(le) BINARY(gt) BINARY(ge) \
    IN_PLACE(add) IN_PLACE(mul) IN_PLACE(div) IN_PLACE(pow) \
    ONE(sqrt_, gr_sqrt_(X)) ONE(neg_, gr_neg_(X)) ONE(square_, gr_square_(X)) \
    ONE(lerp, gr_lerp_at(in[0], in[1], in[2], GR_HERE)) \
    ONE(clamp, gr_clamp_at(X, in[1], in[2], GR_HERE)) \
    ONE(where, gr_where_at(X, in[1], in[2], GR_HERE)) \
    ONE(fill_, gr_fill__at(X, in[1], GR_HERE)) \
    ONE(full_like, gr_full_like(X, 2.7)) \
    ONE(dot, gr_matmul(X, in[1].tensor)) ONE(matmul, gr_matmul(X, in[1].tensor)) \
    ONE(linear, gr_linear(X, in[1].tensor, .bias = in[2].tensor)) \
    ONE(sum_rows, gr_sum(X, .dim = 1)) ONE(sum_columns, gr_sum(X, .dim = 0)) \
    PAIR(max_dim, gr_max_dim(X, 1)) PAIR(min_dim, gr_min_dim(X, 1)) \
    ONE(index_select, gr_index_select(X, 1, in[1].tensor)) \
    ONE(mse_mean, gr_mse_loss(X, in[1].tensor)) ONE(mse_sum, gr_mse_loss(X, in[1].tensor, .reduction = GR_SUM)) \
    ONE(mse_none, gr_mse_loss(X, in[1].tensor, .reduction = GR_NONE)) \
    ONE(eye, gr_eye_with(2, .dtype = gr_dtype_of(X))) \
    ONE(arange, gr_arange_with(1, 9, 2, .dtype = gr_dtype_of(X)))
#define ONE(name, expression) \
    static void run_##name(const gr_value *in, gr_tensor *out[OUTPUTS]) \
    { \
        out[0] = expression; \
    }
#define PAIR(name, expression) \
    static void run_##name(const gr_value *in, gr_tensor *out[OUTPUTS]) \
    { \
        const gr_values_indices pair = expression; \
        out[0] = pair.values; \
        out[1] = pair.indices; \
    }
ROWS
#undef ONE
#undef PAIR
#define ONE(name, expression) {#name, run_##name},
#define PAIR ONE
static const struct {
    const char *name;
    run_function *f;
} runs[] = {ROWS};
enum { RUNS = sizeof runs / sizeof runs[0] };

static run_function *run_named(const char *name)
{
    for (int k = 0; k < RUNS; k++)
        if (!strcmp(runs[k].name, name)) return runs[k].f;
    ck_abort_msg("dtypes.tsv has an unknown operation: %s", name);
    return NULL;
}

/* ---- reading: an array of the row, or a number ---- */

static gr_value read_operand(const char *s)
{
    if (!strncmp(s, "True", 4)) return gr_value_bool(true);
    if (s[strspn(s, "-.0123456789")] != '(' && (*s == '-' || (*s >= '0' && *s <= '9')))
        return s[strspn(s, "-0123456789")] == '.' ? gr_value_real(strtod(s, NULL)) : gr_value_integer(strtoll(s, NULL, 10));
    const row_array a = read_array(s);
    return gr_value_tensor(tensor_of(&a));
}

/* ---- comparing ---- */

/* Where the library differs on purpose: of this operation, when the operands begin and end like this. */
enum { REFUSES, MAKES_FLOAT32, MAKES_BFLOAT16, KEEPS };
static const struct {
    const char *op, *first, *last;
    int what;
    const char *reason;
} differences[] = {
    {"leaky_relu", "", "", MAKES_FLOAT32, "of integers, as every function with real values does"},
    {"hardtanh", "", "", MAKES_FLOAT32, "likewise"},
    {"softplus", "", "", MAKES_FLOAT32, "likewise"},
    {"gelu", "", "", MAKES_FLOAT32, "likewise"},
    {"gelu_tanh", "", "", MAKES_FLOAT32, "likewise"},
    {"lerp", "", "", MAKES_FLOAT32, "likewise"},
    {"sub", "", "True", KEEPS, "a bool number is 0 or 1"},
    {"square", "bool", "", REFUSES, "would have to become an integer: say which"},
    {"pow", "bool", "True", REFUSES, "a power of bools is no bool"},
    {"div", "3", "", MAKES_BFLOAT16, "divides, where PyTorch multiplies by the rounded reciprocal"},
    {"div", "2.5", "", MAKES_BFLOAT16, "likewise"},
};
enum { DIFFERENCES = sizeof differences / sizeof differences[0] };
static bool met[DIFFERENCES];

static bool begins(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

static bool differs_on_purpose(const char *op, const char *operands, const gr_tensor *y)
{
    for (int k = 0; k < DIFFERENCES; k++) {
        const char *last = differences[k].last;
        const size_t length = strlen(operands), end = strlen(last);
        if (strcmp(op, differences[k].op) || !begins(operands, differences[k].first)) continue;
        if (end > length || strcmp(operands + length - end, last)) continue;
        const int what = differences[k].what, dtype = y ? (int)gr_dtype_of(y) : -1;
        met[k] = true;
        return what == REFUSES         ? y == NULL
               : what == MAKES_FLOAT32 ? dtype == GR_FLOAT32
               : what == MAKES_BFLOAT16 ? dtype == GR_BFLOAT16
                                       : y && begins(operands, name_of_dtype((gr_dtype)dtype));
    }
    return false;
}

/* Functions of float32 and float64 are within four roundings of PyTorch's, which does not round all of them right; its gelu
 * is right to that share of 1. */
static bool close_to(double got, double want, gr_dtype dtype, bool gelu)
{
    const double unit = dtype == GR_FLOAT32 ? 0x1p-24 : dtype == GR_FLOAT64 ? 0x1p-53 : 0;
    if (isnan(want) || isinf(want)) return isnan(want) ? isnan(got) : got == want;
    return fabs(got - want) <= 4 * unit * (gelu ? fmax(1, fabs(want)) : fabs(want));
}

static const char *difference(const gr_tensor *y, const char *expected, bool gelu)
{
    static char text[160];
    double value[ROW_VALUES];
    const row_array want = read_array(expected);
    const gr_dtype dtype = want.dtype;
    if (!y) return gr_error();
    if (gr_dtype_of(y) != dtype) return snprintf(text, sizeof text, "has dtype %d", (int)gr_dtype_of(y)), text;
    if (gr_numel(y) != want.count || gr_dim(y) != want.shape.count) return "has another shape";
    ck_assert(gr_to_array(y, value, want.count));
    for (int64_t i = 0; i < want.count; i++)
        if (!close_to(value[i], want.value[i], dtype, gelu))
            return snprintf(text, sizeof text, "[%d] is %.17g, must be %.17g", (int)i, value[i], want.value[i]), text;
    return NULL;
}

START_TEST(operations_give_or_refuse_what_pytorch_does)
{
    static char line[1024], copy[1024];
    FILE *file = golden_stream("dtypes.tsv");
    int rows = 0, wrong = 0;
    catch_errors();
    while (fgets(line, sizeof line, file)) {
        if (*line == '#') continue;
        strcpy(copy, line);
        char *operands = strchr(line, '\t'), *expected = strrchr(line, '\t') + 1;
        *operands++ = '\0';
        expected[-1] = '\0';
        expected[strcspn(expected, "\n")] = '\0';
        const gr_scope scope = gr_scope_begin();
        gr_value in[OPERANDS];
        gr_tensor *out[OUTPUTS] = {NULL};
        int n = 0;
        for (const char *s = operands; s; s = next_array(s)) in[n++] = read_operand(s);
        run_named(line)(in, out);
        const char *bad = NULL;
        if (!strcmp(expected, "error")) bad = out[0] ? "is not refused" : NULL;
        else bad = difference(out[0], expected, begins(line, "gelu"));
        if (!bad && next_array(expected)) bad = difference(out[1], next_array(expected), false);
        if (bad && !differs_on_purpose(line, operands, out[0])) printf("%s   %s\n", copy, bad), wrong++;
        gr_error_clear();
        gr_scope_end(scope);
        rows++;
    }
    ck_assert_int_eq(wrong, 0);
    for (int k = 0; k < DIFFERENCES; k++) ck_assert_msg(met[k], "%s of %s does not differ", differences[k].op, differences[k].first);
    ck_assert_int_gt(rows, 1000);
    fclose(file);
}
END_TEST

Suite *dtypes_suite(void)
{
    Suite *s = suite_create("dtypes");
    TCase *c = tcase_create("dtypes");
    tcase_add_test(c, conversions_are_those_of_pytorch);
    tcase_add_test(c, operations_give_or_refuse_what_pytorch_does);
    suite_add_tcase(s, c);
    return s;
}
