/* test_scalar.c - scalar.h against the C library in long double. */
#include <math.h>
#include <stdint.h>

#include "core/scalar.h"
#include "tests/draw.h"
#include "tests/exact.h"
#include "tests/suites.h"

enum { INPUTS = 1 << 20 };

static uint64_t random_state;

/* ---- Functions of one float ---- */

static long double exact_softplus(long double x)
{
    return log1pl(expl(x));
}

static long double exact_sign(long double x)
{
    return (x > 0) - (x < 0);
}

/* bound is what scalar.h promises, in ULP. low, high: half the inputs are uniform there; the others
 * are spread over all bit patterns, but for those beyond `limit`. slack: an absolute error allowed
 * beside, for slopes that cross 0. */
static const struct {
    const char *name;
    float (*value)(float);
    long double (*exact)(long double);
    double bound, low, high, limit, slack;
} functions[] = {
    {"abs", gr_abs_f32, fabsl, 0, -4, 4, HUGE_VAL, 0},
    {"sign", gr_sign_f32, exact_sign, 0, -4, 4, HUGE_VAL, 0},
    {"sqrt", gr_sqrt_f32, sqrtl, 0.5, 0, 4, HUGE_VAL, 0},
    {"exp", gr_exp_f32, expl, 0.92, -104, 89, HUGE_VAL, 0},
    {"expm1", gr_expm1_f32, expm1l, 1.4, -3, 3, HUGE_VAL, 0},
    {"log", gr_log_f32, logl, 0.89, 0, 4, HUGE_VAL, 0},
    {"log1p", gr_log1p_f32, log1pl, 1.02, -1, 4, HUGE_VAL, 0},
    {"sin", gr_sin_f32, sinl, 1.22, -10, 10, 0x1p20, 0},
    {"cos", gr_cos_f32, cosl, 1.22, -10, 10, 0x1p20, 0},
    {"sin of all", gr_sin_exact_f32, sinl, 1.22, -1e7, 1e7, HUGE_VAL, 0},
    {"cos of all", gr_cos_exact_f32, cosl, 1.22, -1e7, 1e7, HUGE_VAL, 0},
    {"tanh", gr_tanh_f32, tanhl, 1.4, -10, 10, HUGE_VAL, 0},
    {"sigmoid", gr_sigmoid_f32, exact_sigmoid, 2.41, -104, 20, HUGE_VAL, 0},
    {"erf", gr_erf_f32, erfl, 1.12, -4, 4, HUGE_VAL, 0},
    {"log1p exp", gr_log1p_exp_f32, exact_softplus, 1.9, -104, 20, 1e4, 0},
    {"gelu", gr_gelu_f32, exact_gelu, 3.6, -15, 6, 1e30, 0},
    {"gelu's slope", gr_gelu_slope_f32, exact_gelu_slope, 2.5, -15, 6, 1e30, 0x1p-23},
    {"tanh gelu", gr_gelu_tanh_f32, exact_gelu_tanh, 3.5, -11, 6, 1e30, 0},
    {"tanh gelu's slope", gr_gelu_tanh_slope_f32, exact_gelu_tanh_slope, 2.5, -11, 6, 1e30, 0x1p-23},
};

START_TEST(a_float_function_is_within_its_bound)
{
    random_state = (uint64_t)_i;
    double worst = 0;
    float worst_x = 0;
    for (int i = 0; i < INPUTS; i++) {
        float x = (float)draw_between(&random_state, functions[_i].low, functions[_i].high);
        /* 2^19 equal steps through the bit patterns, at a random place in each */
        if (i % 2 == 0) x = gr_f32_of_bits(((uint32_t)i << 12) + (uint32_t)(draw(&random_state) >> 51));
        if (fabs((double)x) > functions[_i].limit) continue;
        long double exact = functions[_i].exact((long double)x);
        float y = functions[_i].value(x);
        double error = ulps(&formats[NARROW], (double)y, exact);
        if (fabsl((long double)y - exact) <= (long double)functions[_i].slack) error = 0;
        if (error > worst) worst = error, worst_x = x;
    }
    ck_assert_msg(worst <= functions[_i].bound, "%s(%a): %.4f ULP, bound %g", functions[_i].name,
                  (double)worst_x, worst, functions[_i].bound);
}
END_TEST

START_TEST(sin_and_cos_have_the_same_bits_on_both_paths)
{
    int different = 0;
    for (int i = 0; i < INPUTS; i++) {
        float x = (float)draw_between(&random_state, -0x1p20, 0x1p20);
        different += gr_is_rare_f32(x);
        different += gr_sin_exact_f32(x) != gr_sin_f32(x);
        different += gr_cos_exact_f32(x) != gr_cos_f32(x);
    }
    ck_assert_int_eq(different, 0);
    ck_assert(!gr_is_rare_f32(0x1p20f) && !gr_is_rare_f32(-0x1p20f));
    ck_assert(gr_is_rare_f32(0x1.000002p20f) && gr_is_rare_f32(-INFINITY) && gr_is_rare_f32(NAN));
}
END_TEST

/* Without the instruction and with it: those of fma are the C library's. Products that nearly cancel c, halfway cases,
 * and any bits. */
START_TEST(fma_is_rounded_once)
{
    for (int i = 0; i < INPUTS; i++) {
        float a = gr_f32_of_bits((uint32_t)draw(&random_state)), b = gr_f32_of_bits((uint32_t)draw(&random_state));
        float c = gr_f32_of_bits((uint32_t)draw(&random_state));
        if (i % 4) a = (float)draw_between(&random_state, -2, 2), b = (float)draw_between(&random_state, -2, 2);
        if (i % 4 == 1) c = -a * b;
        if (i % 4 == 2) c = (float)draw_between(&random_state, -4, 4);
        if (i % 4 == 3) { /* the product is half of c's last bit, but for some 2^-46 of it */
            const float off = 0x1p-23f * (float)(i % 64);
            a = 0x1p-12f * (1 + off), b = 0x1p-12f * (1 - off), c = (float)draw_between(&random_state, 1, 2);
        }
        float got = gr_fma_f32(a, b, c), exact = fmaf(a, b, c);
        if (isnan(exact) ? !isnan(got) : gr_bits_of_f32(got) != gr_bits_of_f32(exact))
            ck_abort_msg("%a * %a + %a is %a, not %a", (double)a, (double)b, (double)c, (double)got, (double)exact);
    }
}
END_TEST

/* ---- Edges ---- */

#define LEAST 0x1p-149f /* the smallest denormal */

/* clang-format off */
static const struct {
    const char *text;
    float (*value)(float);
    float x, y;
} edges[] = {
#define EDGE(function, x, y) {#function "(" #x ")", gr_##function##_f32, x, y},
    EDGE(abs, -0.f, 0.f)               EDGE(abs, -INFINITY, INFINITY)
    EDGE(abs, NAN, NAN)                EDGE(sign, NAN, 0.f)
    EDGE(sign, -0.f, 0.f)              EDGE(sign, -LEAST, -1.f)
    EDGE(sign, INFINITY, 1.f)          EDGE(sqrt, -0.f, -0.f)
    EDGE(sqrt, -1.f, NAN)              EDGE(sqrt, INFINITY, INFINITY)
    EDGE(exp, 0.f, 1.f)                EDGE(exp, -0.f, 1.f)
    EDGE(exp, LEAST, 1.f)              EDGE(exp, INFINITY, INFINITY)
    EDGE(exp, -INFINITY, 0.f)          EDGE(exp, NAN, NAN)
    EDGE(exp, 88.8f, INFINITY)         EDGE(exp, -103.f, LEAST)
    EDGE(exp, -104.f, 0.f)             EDGE(exp, 3e38f, INFINITY)
    EDGE(exp, -3e38f, 0.f)             EDGE(expm1, 0.f, 0.f)
    EDGE(expm1, -0.f, -0.f)            EDGE(expm1, LEAST, LEAST)
    EDGE(expm1, -LEAST, -LEAST)        EDGE(expm1, -INFINITY, -1.f)
    EDGE(expm1, INFINITY, INFINITY)    EDGE(expm1, NAN, NAN)
    EDGE(expm1, 88.8f, INFINITY)       EDGE(expm1, -3e38f, -1.f)
    EDGE(log, 0.f, -INFINITY)          EDGE(log, -0.f, -INFINITY)
    EDGE(log, -LEAST, NAN)             EDGE(log, -INFINITY, NAN)
    EDGE(log, INFINITY, INFINITY)      EDGE(log, NAN, NAN)
    EDGE(log, 1.f, 0.f)                EDGE(log1p, 0.f, 0.f)
    EDGE(log1p, -0.f, -0.f)            EDGE(log1p, LEAST, LEAST)
    EDGE(log1p, -LEAST, -LEAST)        EDGE(log1p, -1.f, -INFINITY)
    EDGE(log1p, -2.f, NAN)             EDGE(log1p, -INFINITY, NAN)
    EDGE(log1p, INFINITY, INFINITY)    EDGE(log1p, NAN, NAN)
    EDGE(sin, 0.f, 0.f)                EDGE(sin, -0.f, -0.f)
    EDGE(sin, LEAST, LEAST)            EDGE(sin_exact, -0.f, -0.f)
    EDGE(sin_exact, INFINITY, NAN)     EDGE(sin_exact, -INFINITY, NAN)
    EDGE(sin_exact, NAN, NAN)          EDGE(cos, 0.f, 1.f)
    EDGE(cos, -LEAST, 1.f)             EDGE(cos_exact, INFINITY, NAN)
    EDGE(cos_exact, -INFINITY, NAN)    EDGE(cos_exact, NAN, NAN)
    EDGE(tanh, 0.f, 0.f)               EDGE(tanh, -0.f, -0.f)
    EDGE(tanh, -LEAST, -LEAST)         EDGE(tanh, INFINITY, 1.f)
    EDGE(tanh, -INFINITY, -1.f)        EDGE(tanh, 3e38f, 1.f)
    EDGE(tanh, NAN, NAN)               EDGE(sigmoid, 0.f, 0.5f)
    EDGE(sigmoid, -800.f, 0.f)         EDGE(sigmoid, -INFINITY, 0.f)
    EDGE(sigmoid, INFINITY, 1.f)       EDGE(sigmoid, NAN, NAN)
    EDGE(erf, 0.f, 0.f)                EDGE(erf, -0.f, -0.f)
    EDGE(erf, LEAST, LEAST)            EDGE(erf, INFINITY, 1.f)
    EDGE(erf, -INFINITY, -1.f)         EDGE(erf, -4.f, -1.f)
    EDGE(erf, NAN, NAN)                EDGE(log1p_exp, 3e38f, 3e38f)
    EDGE(log1p_exp, INFINITY, INFINITY) EDGE(log1p_exp, -INFINITY, 0.f)
    EDGE(log1p_exp, -103.f, LEAST)     EDGE(log1p_exp, NAN, NAN)
    EDGE(gelu, 0.f, 0.f)               EDGE(gelu, -0.f, -0.f)
    EDGE(gelu, 10.f, 10.f)             EDGE(gelu, -40.f, -0.f)
    EDGE(gelu, 3e38f, 3e38f)           EDGE(gelu, -3e38f, -0.f)
    EDGE(gelu, INFINITY, INFINITY)     EDGE(gelu, -INFINITY, NAN)
    EDGE(gelu, NAN, NAN)               EDGE(gelu_slope, 0.f, 0.5f)
    EDGE(gelu_slope, 10.f, 1.f)        EDGE(gelu_slope, -40.f, 0.f)
    EDGE(gelu_slope, INFINITY, NAN)    EDGE(gelu_slope, -INFINITY, NAN)
    EDGE(gelu_tanh, 0.f, 0.f)          EDGE(gelu_tanh, -0.f, -0.f)
    EDGE(gelu_tanh, 10.f, 10.f)        EDGE(gelu_tanh, -40.f, -0.f)
    EDGE(gelu_tanh, 3e38f, 3e38f)      EDGE(gelu_tanh, -3e38f, -0.f)
    EDGE(gelu_tanh, INFINITY, INFINITY) EDGE(gelu_tanh, -INFINITY, NAN)
    EDGE(gelu_tanh_slope, 0.f, 0.5f)   EDGE(gelu_tanh_slope, 10.f, 1.f)
    EDGE(gelu_tanh_slope, -40.f, 0.f)  EDGE(gelu_tanh_slope, INFINITY, NAN)
    EDGE(gelu_tanh_slope, -INFINITY, NAN)
#undef EDGE
};
/* clang-format on */

static void check_bits(const char *text, float got, float expected)
{
    int same = isnan(expected) ? isnan(got) : gr_bits_of_f32(got) == gr_bits_of_f32(expected);
    ck_assert_msg(same, "%s is %a, not %a", text, (double)got, (double)expected);
}

START_TEST(edges_are_exact)
{
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        check_bits(edges[i].text, edges[i].value(edges[i].x), edges[i].y);
}
END_TEST

/* ---- pow ---- */

START_TEST(pow_is_within_its_bound)
{
    random_state = 1;
    double worst = 0;
    float worst_x = 0, worst_y = 0;
    for (int i = 0; i < INPUTS; i++) {
        /* any two bit patterns; a base near 1; powers of small size; integers to integers */
        float x = gr_f32_of_bits((uint32_t)draw(&random_state));
        float y = gr_f32_of_bits((uint32_t)draw(&random_state));
        if (i % 4 == 1) x = (float)draw_between(&random_state, 0.9, 1.1), y = (float)draw_between(&random_state, -1000, 1000);
        if (i % 4 == 2) x = fabsf(x), y = (float)draw_between(&random_state, -4, 4);
        if (i % 4 == 3) {
            x = (float)floor(draw_between(&random_state, -99, 99));
            y = (float)floor(draw_between(&random_state, -20, 20));
        }
        float got = gr_pow_f32(x, y);
        long double exact = powl((long double)x, (long double)y);
        double error = ulps(&formats[NARROW], (double)got, exact);
        if ((long double)(float)exact == exact && error != 0) ck_abort_msg("pow(%a, %a) is %a", (double)x, (double)y, (double)got);
        if (error > worst) worst = error, worst_x = x, worst_y = y;
    }
    ck_assert_msg(worst <= 0.9, "pow(%a, %a): %.4f ULP", (double)worst_x, (double)worst_y, worst);
}
END_TEST

/* All pairs of these meet every corner case of C's Annex F. */
static const float corners[] = {0,
                                LEAST,
                                0x1p-126f,
                                0.5f,
                                0x1.fffffep-1f,
                                1,
                                0x1.000002p0f,
                                1.5f,
                                2,
                                3,
                                4,
                                5,
                                100.5f,
                                101,
                                8388607.5f,
                                0x1p23f,
                                0x1.000002p23f,
                                0x1.fffffep23f,
                                0x1p24f,
                                0x1p25f,
                                0x1p26f,
                                1e30f,
                                0x1.fffffep127f,
                                INFINITY,
                                NAN};

START_TEST(pow_follows_C_at_its_corners)
{
    const size_t count = sizeof corners / sizeof *corners;
    for (size_t i = 0; i < 4 * count * count; i++) {
        float x = corners[i / 4 / count], y = corners[i / 4 % count];
        if (i & 1) x = -x;
        if (i & 2) y = -y;
        long double exact = powl((long double)x, (long double)y);
        float got = gr_pow_f32(x, y);
        int same_sign = isnan(got) || !signbit(got) == !signbit(exact);
        if (!same_sign || ulps(&formats[NARROW], (double)got, exact) > 0.9)
            ck_abort_msg("pow(%a, %a) is %a, not %La", (double)x, (double)y, (double)got, exact);
    }
}
END_TEST

/* ---- float64 ---- */

static const struct {
    const char *name;
    double (*value)(double);
    long double (*exact)(long double);
    double bound, slack;
} doubles[] = {
    {"sigmoid", gr_sigmoid_f64, exact_sigmoid, 5, 0},
    {"gelu", gr_gelu_f64, exact_gelu, 8, 0},
    {"gelu's slope", gr_gelu_slope_f64, exact_gelu_slope, 8, 0x1p-52},
    {"tanh gelu", gr_gelu_tanh_f64, exact_gelu_tanh, 8, 0},
    {"tanh gelu's slope", gr_gelu_tanh_slope_f64, exact_gelu_tanh_slope, 8, 0x1p-52},
};

START_TEST(a_double_function_is_within_its_bound)
{
    random_state = (uint64_t)_i;
    double worst = 0, worst_x = 0;
    for (int i = 0; i < INPUTS / 4; i++) {
        double x = i % 2 ? draw_between(&random_state, -6, 6) : draw_between(&random_state, -1, 1) * 0x1p-20;
        long double exact = doubles[_i].exact((long double)x);
        double y = doubles[_i].value(x), error = ulps(&formats[WIDE], y, exact);
        if (fabsl((long double)y - exact) <= (long double)doubles[_i].slack) error = 0;
        if (error > worst) worst = error, worst_x = x;
    }
    ck_assert_msg(worst <= doubles[_i].bound, "%s(%a): %.3f ULP, bound %g", doubles[_i].name,
                  worst_x, worst, doubles[_i].bound);
}
END_TEST

START_TEST(gelu_of_doubles_has_the_edges_of_floats)
{
    double (*const values[])(double) = {gr_gelu_f64, gr_gelu_tanh_f64};
    double (*const slopes[])(double) = {gr_gelu_slope_f64, gr_gelu_tanh_slope_f64};
    for (int i = 0; i < 2; i++) {
        ck_assert(values[i](-40) == 0 && signbit(values[i](-40)));
        ck_assert(values[i](-1e300) == 0 && values[i](1e300) == 1e300);
        ck_assert(values[i](-0.0) == 0 && signbit(values[i](-0.0)));
        ck_assert(isnan(values[i](-HUGE_VAL)) && isnan(values[i]((double)NAN)));
        ck_assert(values[i](HUGE_VAL) >= HUGE_VAL);
        ck_assert(slopes[i](-40) == 0 && slopes[i](0) == 0.5 && slopes[i](40) == 1);
        ck_assert(slopes[i](-1e300) == 0 && slopes[i](1e300) == 1);
        ck_assert(isnan(slopes[i](-HUGE_VAL)) && isnan(slopes[i](HUGE_VAL)));
    }
}
END_TEST

Suite *scalar_suite(void)
{
    Suite *suite = suite_create("scalar");
    TCase *tests = tcase_create("scalar");
    tcase_add_loop_test(tests, a_float_function_is_within_its_bound, 0,
                        (int)(sizeof functions / sizeof *functions));
    tcase_add_test(tests, sin_and_cos_have_the_same_bits_on_both_paths);
    tcase_add_test(tests, fma_is_rounded_once);
    tcase_add_test(tests, edges_are_exact);
    tcase_add_test(tests, pow_is_within_its_bound);
    tcase_add_test(tests, pow_follows_C_at_its_corners);
    tcase_add_loop_test(tests, a_double_function_is_within_its_bound, 0,
                        (int)(sizeof doubles / sizeof *doubles));
    tcase_add_test(tests, gelu_of_doubles_has_the_edges_of_floats);
    suite_add_tcase(suite, tests);
    return suite;
}
