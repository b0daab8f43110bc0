/* test_random.c - the random functions a program calls, against PyTorch's numbers (golden/random.txt, loader.txt) in every
 * bit; test_generator.c tests the streams beneath them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradus.h"
#include "tests/look.h"
#include "tests/golden.h"
#include "tests/suites.h"

static golden_file *file;
static uint64_t seed;

/* The array named after the seed, and t's elements, which must be the same. */
static void same(const gr_tensor *t, const char *name)
{
    char whole[128];
    snprintf(whole, sizeof whole, "seed%llu.%s", (unsigned long long)seed, name);
    const golden_array *a = golden_take(file, whole);
    ck_assert_msg(t != NULL, "%s: %s", whole, gr_error() ? gr_error() : "NULL");
    double value[1000];
    ck_assert_int_le(gr_numel(t), 1000);
    ck_assert(gr_to_array(t, value, gr_numel(t)));
    ck_assert(a->count <= gr_numel(t)); /* of randperm(1000) the first 20 are stored */
    for (int64_t i = 0; i < a->count; i++) {
        const double want = a->type == GOLDEN_INT64 ? (double)a->integer[i] : a->real[i];
        ck_assert_msg(value[i] == want, "%s[%d] is %.17g, not %.17g", whole, (int)i, value[i], want);
    }
}

static void same_n(const gr_tensor *t, const char *name, int n)
{
    char whole[96];
    snprintf(whole, sizeof whole, "%s.n%d", name, n);
    same(t, whole);
}

static void leave(const char *name)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "seed%llu.%s", (unsigned long long)seed, name);
    golden_leave(file, prefix);
}

/* What follows draws from the seed's beginning. */
static void again(void)
{
    gr_manual_seed(seed);
}

/* Of the sampler in loader.txt and of multinomial in random.txt, which do not hold them; with these PyTorch gives those. */
static gr_tensor *six_weights(void)
{
    return gr_from(((const double[]){.4, 2, 9, 1, 0, 5}), 6);
}

static void check_reals(int n)
{
    static const struct {
        const char *rand, *uniform, *randn, *normal;
        gr_dtype dtype;
    } of[] = {{"rand.f32", "uniform_-1_2.f32", "randn.f32", "normal_2_3.f32", GR_FLOAT32},
              {"rand.f64", "uniform_-1_2.f64", "randn.f64", "normal_2_3.f64", GR_FLOAT64}};
    for (int k = 0; k < 2; k++) {
        const gr_dtype dtype = of[k].dtype;
        again(), same_n(gr_rand_with(GR_SHAPE(n), .dtype = dtype), of[k].rand, n);
        again(), same_n(gr_uniform_(gr_empty_with(GR_SHAPE(n), .dtype = dtype), -1, 2), of[k].uniform, n);
        again(), same_n(gr_randn_with(GR_SHAPE(n), .dtype = dtype), of[k].randn, n);
        again(), same_n(gr_normal_(gr_empty_with(GR_SHAPE(n), .dtype = dtype), 2, 3), of[k].normal, n);
    }
}

static void check_integers(int n)
{
    again(), same_n(gr_randint(0, 10, n), "randint_0_10", n);
    again(), same_n(gr_randint(-5, INT64_C(1) << 40, n), "randint_-5_2p40", n);
    for (int d = GR_INT64; d <= GR_UINT8; d++) /* other dtypes take the same draws */
        again(), same_n(gr_randint_with(0, 10, GR_SHAPE(n), .dtype = (gr_dtype)d), "randint_0_10", n);
    again(), same_n(gr_randint_with(0, 10, GR_SHAPE(n), .dtype = GR_FLOAT32), "randint_0_10", n);
}

/* One after the other, from a single seeding. */
static void check_sequence(void)
{
    again();
    same(gr_randn(3), "sequence.0.randn3");
    same(gr_rand(2), "sequence.1.rand2");
    same(gr_randn_with(GR_SHAPE(2), .dtype = GR_FLOAT64), "sequence.2.randn2_f64");
    same(gr_randn(20), "sequence.3.randn20");
    same(gr_randn(1), "sequence.4.randn1");
    same(gr_randperm(4), "sequence.5.randperm4");
    same(gr_randint(0, 7, 3), "sequence.6.randint7");
    same(gr_normal_(gr_select(gr_zeros(6, 4, 2), -1, 0), 0, 1), "sequence.7.noncontiguous_normal_6x4_column0_of_2");
    same(gr_randn(1), "sequence.8.randn1_again");
    same(gr_rand_with(GR_SHAPE(2), .dtype = GR_FLOAT64), "sequence.9.rand_f64_2");
}

START_TEST(calls_give_pytorchs_numbers)
{
    static const uint64_t seeds[] = {0, 42, UINT64_C(123456789012345)};
    static const int sizes[] = {1, 5, 16, 17, 33, 100};
    file = golden_open("random.txt");
    for (int s = 0; s < 3; s++) {
        seed = seeds[s];
        for (int k = 0; k < 6; k++) check_reals(sizes[k]), check_integers(sizes[k]);
        again(), same(gr_randperm(10), "randperm10");
        again(), same(gr_randperm(1000), "randperm1000.first20");
        again(), same(gr_bernoulli_(gr_zeros(33), 0.3), "bernoulli_0.3.n33");
        for (int d = GR_INT64; d <= GR_BOOL; d++)
            again(), same(gr_bernoulli_(gr_ones_with(GR_SHAPE(33), .dtype = (gr_dtype)d), 0.3), "bernoulli_0.3.n33");
        again(), same(gr_bernoulli(gr_div(gr_arange_with(0, 21, 1, .dtype = GR_FLOAT32), 20)), "bernoulli_tensor_f32.n21");
        check_sequence();
        again(), same(gr_exponential_(gr_empty_with(GR_SHAPE(9), .dtype = GR_FLOAT64), 1.5), "exponential_f64.n9");
        again(), same(gr_multinomial(six_weights(), 12, .replacement = true), "multinomial_replacement.n12");
        again(), same(gr_multinomial(six_weights(), 4), "multinomial_without.n4");
        leave("dropout"), leave("random_int64"); /* no call of ours makes them: see test_generator.c */
    }
    golden_end(file);
}
END_TEST

START_TEST(sample_orders_are_pytorchs)
{
    file = golden_open("loader.txt");
    for (int s = 0; s < 2; s++) {
        seed = s ? 7 : 0;
        again();
        same(gr_sample_order(10, true), "epoch0");
        same(gr_sample_order(10, true), "epoch1");
        same(gr_sample_order(10, true), "epoch2");
        same(gr_rand(1), "next_rand");
        again();
        gr_tensor *plain = gr_sample_order(10, false);
        ck_assert(gr_equal(plain, gr_arange(0, 10, 1)));
        same(gr_rand(1), "noshuffle.next_rand");
        again(), same(gr_multinomial(six_weights(), 20, .replacement = true), "WeightedRandomSampler_replacement_20");
        again(), same(gr_multinomial(six_weights(), 4), "WeightedRandomSampler_without_4");
    }
    golden_close(file);
}
END_TEST

/* ---- what draws.txt holds: bfloat16, exponential, multinomial ---- */

static void check_bfloat16(void)
{
    static const int sizes[] = {1, 5, 15, 16, 17, 33, 100};
    for (int k = 0; k < 7; k++) {
        const gr_shape n = {1, {sizes[k]}};
        again(), same_n(gr_rand_with(n, .dtype = GR_BFLOAT16), "rand.b16", sizes[k]);
        again(), same_n(gr_randn_with(n, .dtype = GR_BFLOAT16), "randn.b16", sizes[k]);
    }
    const gr_make_args b16 = {.site = GR_HERE, .dtype = GR_BFLOAT16, .device = {-1, 0}, .shape = {1, {700}}};
    again(), same(gr_uniform_(gr_empty_at(&b16), -1, 2), "uniform_-1_2.b16.n700");
    again(), same(gr_uniform_(gr_empty_at(&b16), .1, .3), "uniform_.1_.3.b16.n700");
    again(), same(gr_normal_(gr_narrow(gr_empty_at(&b16), 0, 0, 600), 2, 3), "normal_2_3.b16.n600");
    again(), same(gr_normal_(gr_t(gr_empty_with(GR_SHAPE(10, 7), .dtype = GR_BFLOAT16)), 2, 3), "normal_2_3.b16.t10x7");
    gr_tensor *p = gr_to(gr_div(gr_arange_with(0, 64, 1, .dtype = GR_FLOAT32), 64), .dtype = GR_BFLOAT16);
    again(), same(gr_bernoulli(p), "bernoulli.b16.n64");
    again(), same(gr_bernoulli_(gr_empty_with(GR_SHAPE(33), .dtype = GR_BFLOAT16), .3), "bernoulli_.3.b16.n33");
    again();
    gr_module *linear = gr_nn_linear(5, 3, .dtype = GR_BFLOAT16);
    same(gr_module_tensor(linear, "weight"), "linear5x3.b16.weight");
    same(gr_module_tensor(linear, "bias"), "linear5x3.b16.bias");
}

static const struct {
    const char *name;
    gr_dtype dtype;
} reals[] = {{"b16", GR_BFLOAT16}, {"f32", GR_FLOAT32}, {"f64", GR_FLOAT64}};

static const char *named(const char *form, const char *dtype)
{
    static char text[64];
    snprintf(text, sizeof text, form, dtype);
    return text;
}

static void check_exponential(void)
{
    for (int d = 0; d < 3; d++) {
        const gr_dtype dtype = reals[d].dtype;
        again(), same(gr_exponential_(gr_empty_with(GR_SHAPE(40), .dtype = dtype), 1.5),
                      named("exponential_1.5.%s.n40", reals[d].name));
        gr_tensor *turned = gr_t(gr_empty_with(GR_SHAPE(4, 5), .dtype = dtype));
        again(), same(gr_exponential_(turned, .2), named("exponential_.2.%s.t4x5", reals[d].name));
    }
}

/* [rows, 40], as draws.py makes them */
static gr_tensor *many_weights(int rows, gr_dtype dtype)
{
    double w[300 * 40];
    for (int i = 0; i < rows * 40; i++) w[i] = (37 * i % 64 + 1) / 64.0;
    return gr_to(gr_from(w, rows, 40), .dtype = dtype);
}

static void check_multinomial(int d, int count, bool replacement)
{
    char form[64];
    gr_tensor *w = many_weights(3, reals[d].dtype), *of[] = {w, gr_select(w, 0, 1), gr_t(gr_contiguous(gr_t(w)))};
    for (int k = 0; k < 3; k++) {
        snprintf(form, sizeof form, "multinomial.%s.k%d%s%s", reals[d].name, count, replacement ? ".again" : "",
                 k == 0 ? "" : k == 1 ? ".row" : ".turned");
        again(), same(gr_multinomial(of[k], count, .replacement = replacement), form);
    }
}

START_TEST(draws_of_every_dtype_are_pytorchs)
{
    static const uint64_t seeds[] = {0, 42, UINT64_C(123456789012345)};
    file = golden_open("draws.txt");
    for (int s = 0; s < 3; s++) {
        seed = seeds[s];
        check_bfloat16();
        check_exponential();
        for (int d = 0; d < 3; d++) {
            check_multinomial(d, 1, false), check_multinomial(d, 1, true), check_multinomial(d, 25, true);
            if (d) check_multinomial(d, 7, false), check_multinomial(d, 40, false);
        }
        again(), same(gr_multinomial(many_weights(300, GR_BFLOAT16), 1), "multinomial.b16.k1.many");
    }
    golden_leave(file, "randperm.long"); /* the longest test */
    golden_end(file);
}
END_TEST

/* Each place is drawn as often as its weight says: 40,000 draws, within five deviations. */
START_TEST(places_come_as_often_as_their_weights)
{
    const double w[] = {0, 1, 4, .5, 0, 2};
    gr_tensor *rows = gr_contiguous(gr_expand(gr_from(w, 6), 40000, 6));
    gr_manual_seed(1);
    for (int again = 0; again < 2; again++) {
        int64_t drawn[40000], seen[6] = {0};
        gr_tensor *places = again ? gr_multinomial(gr_from(w, 6), 40000, .replacement = true) : gr_multinomial(rows, 1);
        ck_assert(gr_to_array(places, drawn, 40000));
        for (int i = 0; i < 40000; i++) seen[drawn[i]]++;
        for (int i = 0; i < 6; i++) {
            const double p = w[i] / 7.5;
            ck_assert(fabs((double)seen[i] - 40000 * p) <= 5 * sqrt(40000 * p * (1 - p)));
        }
    }
    int64_t all[6];
    ck_assert(gr_to_array(gr_multinomial(gr_from(w, 6), 6), all, 6));
    ck_assert(all[4] == 0 && all[5] == 4); /* weight 0 comes last, in order */
    int64_t once = 0;
    for (int i = 0; i < 6; i++) once |= INT64_C(1) << all[i];
    ck_assert_int_eq(once, 63);
    ck_assert(gr_dim(gr_multinomial(gr_zeros(0, 3), 2)) == 2 && gr_size(gr_multinomial(gr_zeros(0, 3), 2), 0) == 0);
}
END_TEST

/* Needs 2 GB and some ten seconds: run where GRADUS_LONG_TESTS is set, as make check-all does. */
START_TEST(a_permutation_of_the_other_form_is_pytorchs)
{
    const int64_t n = 214748364;
    file = golden_open("draws.txt");
    gr_manual_seed(0);
    const gr_tensor *order = gr_randperm(n);
    const golden_array *crc = golden_take(file, "randperm.long.crc32"), *first = golden_take(file, "randperm.long.first");
    const golden_array *next = golden_take(file, "randperm.long.next");
    const int64_t *place = elements(order);
    for (int i = 0; i < 16; i++) ck_assert_int_eq(place[i], first->integer[i]);
    ck_assert_uint_eq(golden_crc32(place, n * 8), (uint32_t)crc->integer[0]);
    gr_tensor *after = gr_rand(3);
    for (int i = 0; i < 3; i++) ck_assert(gr_at(after, i) == next->real[i]);
    golden_close(file);
}
END_TEST

/* ---- the order of memory ---- */

static gr_tensor *fill_by(gr_tensor *t, int kind)
{
    return kind == 0 ? gr_normal_(t, 2, 3) : kind == 1 ? gr_uniform_(t, -1, 2) : gr_bernoulli_(t, 0.4);
}

/* PyTorch 2.15, seed 5: r[:, :3, ::2].permute(1, 2, 0).normal_(2, 3) of r = zeros(2, 4, 6) */
static const float printed[] = {0.539657772f, 0.188535243f, 0.32571131f, 4.00257301f, 1.40775478f, 7.82835054f,
                                -2.20510602f, -0.287671417f, 3.89364028f, -0.697405517f, 0.326619655f, 4.07215643f,
                                2.6673758f, 0.00132419588f, 4.05392647f, 3.72200465f, 0.251351923f, 4.30382442f};

START_TEST(views_are_filled_in_the_order_of_memory)
{
    static const int64_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int kind = 0; kind < 3; kind++)
        for (int k = 0; k < 6; k++)
            for (int dense = 0; dense < 2; dense++) {
                if (kind == 0 && dense) continue; /* contiguous normals have a form of their own */
                gr_tensor *root = gr_zeros(2, 4, 6), *other = gr_zeros(2, 4, 6);
                gr_tensor *part = dense ? root : gr_slice(gr_narrow(root, 1, 0, 3), .dim = 2, .step = 2);
                gr_manual_seed(5);
                fill_by(gr_permute(part, orders[k][0], orders[k][1], orders[k][2]), kind);
                gr_manual_seed(5);
                fill_by(dense ? other : gr_slice(gr_narrow(other, 1, 0, 3), .dim = 2, .step = 2), kind);
                ck_assert_msg(gr_equal(root, other), "kind %d, order %d, dense %d", kind, k, dense);
                for (int64_t i = 0; kind == 0 && i < 18; i++)
                    ck_assert(gr_at(part, i / 9, i / 3 % 3, i % 3) == (double)printed[i]);
            }
}
END_TEST

START_TEST(probabilities_of_any_layout_are_taken_in_logical_order)
{
    gr_tensor *p = gr_t(gr_div(gr_arange_with(0, 12, 1, .dtype = GR_FLOAT64), 12));
    gr_manual_seed(3);
    gr_tensor *expected = gr_bernoulli(gr_contiguous(gr_t(gr_reshape(p, 3, 4))));
    gr_manual_seed(3);
    ck_assert(gr_equal(gr_bernoulli(gr_t(gr_reshape(p, 3, 4))), expected));
}
END_TEST

/* Each dtype's largest number bounds both ends and what lies between them; what PyTorch 2.15 takes and refuses. */
START_TEST(uniform_takes_the_bounds_that_pytorch_takes)
{
    const struct {
        double from, to;
        bool float32, float64, bfloat16;
    } cases[] = {{0, 3.4e38, true, true, false},     {0, 3.38e38, true, true, true},   {0, 3.5e38, false, true, false},
                 {-1e39, 0, false, true, false},     {1e39, 1e39, false, true, false}, {-3e38, 3e38, false, true, false},
                 {-2e38, 1.5e38, false, true, false}, {-2e38, 1e38, true, true, true}, {-1e308, 1e308, false, false, false}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const bool taken[] = {[GR_FLOAT32] = cases[k].float32, [GR_FLOAT64] = cases[k].float64, [GR_BFLOAT16] = cases[k].bfloat16};
        for (int d = 0; d < 3; d++) {
            gr_tensor *x = gr_zeros_with(GR_SHAPE(3), .dtype = (gr_dtype)d);
            const bool ok = gr_uniform_(x, cases[k].from, cases[k].to) != NULL;
            ck_assert_msg(ok == taken[d], "%g to %g, dtype %d", cases[k].from, cases[k].to, d);
            for (int64_t i = 0; ok && i < 3; i++) ck_assert(gr_at(x, i) >= cases[k].from && gr_at(x, i) <= cases[k].to);
            if (!ok) expect_one_error("uniform_: from is ");
        }
    }
}
END_TEST

START_TEST(what_is_drawn_over_gets_a_gradient_of_zeros)
{
    gr_tensor *x = gr_requires_grad_(gr_ones(20), true), *h = gr_mul(x, 3), *first = gr_narrow(h, 0, 0, 5);
    gr_normal_(first, 0, 1);
    gr_uniform_(gr_narrow(h, 0, 5, 5), 0, 1);
    gr_bernoulli_(gr_narrow(h, 0, 10, 5), .5);
    gr_exponential_(gr_narrow(h, 0, 15, 3), 2);
    ck_assert(gr_backward(gr_sum(h)));
    for (int64_t i = 0; i < 20; i++) ck_assert(gr_at(gr_grad(x), i) == (i < 18 ? 0 : 3));
}
END_TEST

Suite *random_suite(void)
{
    Suite *s = suite_create("random");
    TCase *c = tcase_create("random");
    tcase_add_checked_fixture(c, catch_errors, release_errors);
    tcase_add_test(c, calls_give_pytorchs_numbers);
    tcase_add_test(c, sample_orders_are_pytorchs);
    tcase_add_test(c, draws_of_every_dtype_are_pytorchs);
    tcase_add_test(c, places_come_as_often_as_their_weights);
    if (getenv("GRADUS_LONG_TESTS")) {
        TCase *longest = tcase_create("longest");
        tcase_add_test(longest, a_permutation_of_the_other_form_is_pytorchs);
        suite_add_tcase(s, longest);
    }
    tcase_add_test(c, views_are_filled_in_the_order_of_memory);
    tcase_add_test(c, probabilities_of_any_layout_are_taken_in_logical_order);
    tcase_add_test(c, uniform_takes_the_bounds_that_pytorch_takes);
    tcase_add_test(c, what_is_drawn_over_gets_a_gradient_of_zeros);
    suite_add_tcase(s, c);
    return s;
}
