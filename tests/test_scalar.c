/* test_scalar.c - scalar_f32.h and scalar_f64.h against the C library in long double. */
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

/* bound is what scalar_f32.h promises, in ULP. low, high: half the inputs are uniform there; the others
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

/* EDGE(function, x, its value) for floats and doubles. LEAST: the smallest denormal; LARGE: nearly the largest number; e^x is
 * infinite at ABOVE, LEAST at -BELOW, 0 at -FAR_BELOW. */
/* clang-format off */
#define EDGES \
    EDGE(abs, -0., 0.)                   EDGE(abs, -INFINITY, INFINITY)       EDGE(abs, NAN, NAN)                   \
    EDGE(sign, NAN, 0.)                  EDGE(sign, -0., 0.)                  EDGE(sign, -LEAST, -1)                \
    EDGE(sign, INFINITY, 1)              EDGE(sqrt, -0., -0.)                 EDGE(sqrt, -1, NAN)                   \
    EDGE(sqrt, INFINITY, INFINITY)       EDGE(exp, 0., 1)                     EDGE(exp, -0., 1)                     \
    EDGE(exp, LEAST, 1)                  EDGE(exp, INFINITY, INFINITY)        EDGE(exp, -INFINITY, 0.)              \
    EDGE(exp, NAN, NAN)                  EDGE(exp, ABOVE, INFINITY)           EDGE(exp, -BELOW, LEAST)              \
    EDGE(exp, -FAR_BELOW, 0.)            EDGE(exp, LARGE, INFINITY)           EDGE(exp, -LARGE, 0.)                 \
    EDGE(expm1, 0., 0.)                  EDGE(expm1, -0., -0.)                EDGE(expm1, LEAST, LEAST)             \
    EDGE(expm1, -LEAST, -LEAST)          EDGE(expm1, -INFINITY, -1)           EDGE(expm1, INFINITY, INFINITY)       \
    EDGE(expm1, NAN, NAN)                EDGE(expm1, ABOVE, INFINITY)         EDGE(expm1, -LARGE, -1)               \
    EDGE(log, 0., -INFINITY)             EDGE(log, -0., -INFINITY)            EDGE(log, -LEAST, NAN)                \
    EDGE(log, -INFINITY, NAN)            EDGE(log, INFINITY, INFINITY)        EDGE(log, NAN, NAN)                   \
    EDGE(log, 1, 0.)                     EDGE(log1p, 0., 0.)                  EDGE(log1p, -0., -0.)                 \
    EDGE(log1p, LEAST, LEAST)            EDGE(log1p, -LEAST, -LEAST)          EDGE(log1p, -1, -INFINITY)            \
    EDGE(log1p, -2, NAN)                 EDGE(log1p, -INFINITY, NAN)          EDGE(log1p, INFINITY, INFINITY)       \
    EDGE(log1p, NAN, NAN)                EDGE(sin, 0., 0.)                    EDGE(sin, -0., -0.)                   \
    EDGE(sin, LEAST, LEAST)              EDGE(sin_exact, -0., -0.)            EDGE(sin_exact, INFINITY, NAN)        \
    EDGE(sin_exact, -INFINITY, NAN)      EDGE(sin_exact, NAN, NAN)            EDGE(cos, 0., 1)                      \
    EDGE(cos, -LEAST, 1)                 EDGE(cos_exact, INFINITY, NAN)       EDGE(cos_exact, -INFINITY, NAN)       \
    EDGE(cos_exact, NAN, NAN)            EDGE(tanh, 0., 0.)                   EDGE(tanh, -0., -0.)                  \
    EDGE(tanh, -LEAST, -LEAST)           EDGE(tanh, INFINITY, 1)              EDGE(tanh, -INFINITY, -1)             \
    EDGE(tanh, LARGE, 1)                 EDGE(tanh, NAN, NAN)                 EDGE(sigmoid, 0., 0.5)                \
    EDGE(sigmoid, -800, 0.)              EDGE(sigmoid, -INFINITY, 0.)         EDGE(sigmoid, INFINITY, 1)            \
    EDGE(sigmoid, NAN, NAN)              EDGE(erf, 0., 0.)                    EDGE(erf, -0., -0.)                   \
    EDGE(erf, LEAST, LEAST)              EDGE(erf, INFINITY, 1)               EDGE(erf, -INFINITY, -1)              \
    EDGE(erf, -6, -1)                    EDGE(erf, NAN, NAN)                  EDGE(log1p_exp, LARGE, LARGE)         \
    EDGE(log1p_exp, INFINITY, INFINITY)  EDGE(log1p_exp, -INFINITY, 0.)       EDGE(log1p_exp, -BELOW, LEAST)        \
    EDGE(log1p_exp, NAN, NAN)            EDGE(gelu, 0., 0.)                   EDGE(gelu, -0., -0.)                  \
    EDGE(gelu, 10, 10)                   EDGE(gelu, -40, -0.)                 EDGE(gelu, LARGE, LARGE)              \
    EDGE(gelu, -LARGE, -0.)              EDGE(gelu, INFINITY, INFINITY)       EDGE(gelu, -INFINITY, NAN)            \
    EDGE(gelu, NAN, NAN)                 EDGE(gelu_slope, 0., 0.5)            EDGE(gelu_slope, 10, 1)               \
    EDGE(gelu_slope, -40, 0.)            EDGE(gelu_slope, INFINITY, NAN)      EDGE(gelu_slope, -INFINITY, NAN)      \
    EDGE(gelu_slope, LARGE, 1)           EDGE(gelu_slope, -LARGE, 0.)         EDGE(gelu_tanh, 0., 0.)               \
    EDGE(gelu_tanh, -0., -0.)            EDGE(gelu_tanh, 10, 10)              EDGE(gelu_tanh, -40, -0.)             \
    EDGE(gelu_tanh, LARGE, LARGE)        EDGE(gelu_tanh, -LARGE, -0.)         EDGE(gelu_tanh, INFINITY, INFINITY)   \
    EDGE(gelu_tanh, -INFINITY, NAN)      EDGE(gelu_tanh_slope, 0., 0.5)       EDGE(gelu_tanh_slope, 10, 1)          \
    EDGE(gelu_tanh_slope, -40, 0.)       EDGE(gelu_tanh_slope, INFINITY, NAN) EDGE(gelu_tanh_slope, -INFINITY, NAN) \
    EDGE(gelu_tanh_slope, LARGE, 1)      EDGE(gelu_tanh_slope, -LARGE, 0.)

#define LEAST 0x1p-149
#define LARGE 3e38
#define ABOVE 88.8
#define BELOW 103
#define FAR_BELOW 104
static const struct {
    const char *text;
    float (*value)(float);
    float x, y;
} narrow_edges[] = {
#define EDGE(function, x, y) {#function "(" #x ")", gr_##function##_f32, (float)(x), (float)(y)},
    EDGES
#undef EDGE
};
#undef LEAST
#undef LARGE
#undef ABOVE
#undef BELOW
#undef FAR_BELOW

#define LEAST 0x1p-1074
#define LARGE 1e308
#define ABOVE 709.8
#define BELOW 745
#define FAR_BELOW 746
static const struct {
    const char *text;
    double (*value)(double);
    double x, y;
} wide_edges[] = {
#define EDGE(function, x, y) {#function "(" #x ")", gr_##function##_f64, (double)(x), (double)(y)},
    EDGES
#undef EDGE
};
/* clang-format on */

START_TEST(edges_are_exact)
{
    for (size_t i = 0; i < sizeof narrow_edges / sizeof *narrow_edges; i++) {
        const float y = narrow_edges[i].y, got = narrow_edges[i].value(narrow_edges[i].x);
        ck_assert_msg(isnan(y) ? isnan(got) : gr_bits_of_f32(got) == gr_bits_of_f32(y), "float %s is %a, not %a",
                      narrow_edges[i].text, (double)got, (double)y);
    }
    for (size_t i = 0; i < sizeof wide_edges / sizeof *wide_edges; i++) {
        const double y = wide_edges[i].y, got = wide_edges[i].value(wide_edges[i].x);
        ck_assert_msg(isnan(y) ? isnan(got) : gr_bits_of_f64(got) == gr_bits_of_f64(y), "double %s is %a, not %a",
                      wide_edges[i].text, got, y);
    }
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
                                0x1p-149f,
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
    double bound, low, high, limit, slack;
} doubles[] = {
    {"exp", gr_exp_f64, expl, 1, -746, 710, HUGE_VAL, 0},
    {"expm1", gr_expm1_f64, expm1l, 1.4, -3, 3, HUGE_VAL, 0},
    {"log", gr_log_f64, logl, 0.9, 0, 4, HUGE_VAL, 0},
    {"log1p", gr_log1p_f64, log1pl, 0.9, -1, 4, HUGE_VAL, 0},
    {"sin", gr_sin_f64, sinl, 1.4, -10, 10, 0x1p20, 0},
    {"cos", gr_cos_f64, cosl, 1.4, -10, 10, 0x1p20, 0},
    {"sin of all", gr_sin_exact_f64, sinl, 1.4, -0x1p20, 0x1p20, HUGE_VAL, 0},
    {"cos of all", gr_cos_exact_f64, cosl, 1.4, -0x1p20, 0x1p20, HUGE_VAL, 0},
    {"tanh", gr_tanh_f64, tanhl, 2.6, -10, 10, HUGE_VAL, 0},
    {"sigmoid", gr_sigmoid_f64, exact_sigmoid, 2.6, -746, 40, 1e4, 0},
    {"log1p exp", gr_log1p_exp_f64, exact_softplus, 1.7, -746, 40, 1e4, 0},
    {"gelu", gr_gelu_f64, exact_gelu, 8, -6, 6, 6, 0},
    {"gelu's slope", gr_gelu_slope_f64, exact_gelu_slope, 8, -6, 6, 6, 0x1p-52},
    {"tanh gelu", gr_gelu_tanh_f64, exact_gelu_tanh, 8, -6, 6, 6, 0},
    {"tanh gelu's slope", gr_gelu_tanh_slope_f64, exact_gelu_tanh_slope, 8, -6, 6, 6, 0x1p-52},
};

/* A third of the inputs is spread over all bit patterns, a third is near 0. */
START_TEST(a_double_function_is_within_its_bound)
{
    random_state = (uint64_t)_i;
    double worst = 0, worst_x = 0;
    for (int i = 0; i < INPUTS; i++) {
        double x = draw_between(&random_state, doubles[_i].low, doubles[_i].high);
        if (i % 3 == 0) x = gr_f64_of_bits(draw(&random_state));
        if (i % 3 == 1) x = ldexp(draw_between(&random_state, -1, 1), i / 3 % 60 - 59);
        if (!(fabs(x) <= doubles[_i].limit)) continue;
        long double exact = doubles[_i].exact((long double)x);
        double y = doubles[_i].value(x), error = ulps(&formats[WIDE], y, exact);
        if (fabsl((long double)y - exact) <= (long double)doubles[_i].slack) error = 0;
        if (error > worst) worst = error, worst_x = x;
    }
    ck_assert_msg(worst <= doubles[_i].bound, "%s(%a): %.3f ULP, bound %g", doubles[_i].name,
                  worst_x, worst, doubles[_i].bound);
}
END_TEST

/* Doubles nearest to multiples of pi / 2: what is left is as small as can be. */
START_TEST(sin_and_cos_are_right_beside_their_zeros)
{
    for (int n = 1; n < 660000; n += n < 2000 ? 1 : 97) {
        const double x = (double)(n * (PI / 2));
        const double y = n % 2 ? gr_cos_f64(x) : gr_sin_f64(x);
        const long double exact = n % 2 ? cosl((long double)x) : sinl((long double)x);
        ck_assert_msg(ulps(&formats[WIDE], y, exact) <= 1, "beside %d pi / 2: %a, not %La", n, y, exact);
        ck_assert(!gr_is_rare_f64(x));
    }
    ck_assert(!gr_is_rare_f64(-0x1p20) && gr_is_rare_f64(0x1.0000000000001p20));
    ck_assert(gr_is_rare_f64(-HUGE_VAL) && gr_is_rare_f64((double)NAN));
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
    tcase_add_test(tests, sin_and_cos_are_right_beside_their_zeros);
    suite_add_tcase(suite, tests);
    return suite;
}
