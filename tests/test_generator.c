/* test_generator.c - random numbers, sample orders and printed numbers against PyTorch's and
 * Python's (tests/golden), in every bit. */
#include <check.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/generator.h"
#include "core/sampler.h"
#include "tests/golden.h"
#include "tests/look.h"
#include "tests/suites.h"

enum { MOST = 1000 };

__attribute__((format(printf, 2, 3))) static const golden_array *take(golden_file *file,
                                                                      const char *format, ...)
{
    char name[128];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return golden_take(file, name);
}

/* Compares bits, so that -0 is not 0. */
static void same_f64(const golden_array *a, const double *made)
{
    ck_assert_msg(a->type == GOLDEN_FLOAT64, "%s is no float64", a->name);
    for (int64_t i = 0; i < a->count; i++)
        ck_assert_msg(!memcmp(&made[i], &a->real[i], sizeof *made),
                      "%s[%" PRId64 "]: %.17g is not %.17g", a->name, i, made[i], a->real[i]);
}

static void same_f32(const golden_array *a, const float *made)
{
    ck_assert_msg(a->type == GOLDEN_FLOAT32, "%s is no float32", a->name);
    for (int64_t i = 0; i < a->count; i++) {
        const float expected = (float)a->real[i];
        ck_assert_msg(!memcmp(&made[i], &expected, sizeof expected),
                      "%s[%" PRId64 "]: %.9g is not %.9g", a->name, i, (double)made[i], a->real[i]);
    }
}

static void same_i64(const golden_array *a, const int64_t *made)
{
    ck_assert_msg(a->type == GOLDEN_INT64, "%s is no int64", a->name);
    for (int64_t i = 0; i < a->count; i++)
        ck_assert_msg(made[i] == a->integer[i], "%s[%" PRId64 "]: %" PRId64 " is not %" PRId64,
                      a->name, i, made[i], a->integer[i]);
}

static void same_bool(const golden_array *a, const bool *made)
{
    int64_t integer[MOST];
    ck_assert_int_le(a->count, MOST);
    for (int64_t i = 0; i < a->count; i++) integer[i] = made[i];
    same_i64(a, integer);
}

static gr_generator seeded(uint64_t seed)
{
    gr_generator g;
    gr_generator_seed(&g, seed);
    return g;
}

/* ---- random.txt ---- */

/* PyTorch's choice between the two forms, for a contiguous tensor. */
static void normals_f32(gr_generator *g, float *out, int64_t n, double mean, double std)
{
    (n < GR_NORMAL_BLOCK ? gr_fill_normal_scalar_f32 : gr_fill_normal_f32)(g, out, n, mean, std);
}

static void normals_f64(gr_generator *g, double *out, int64_t n, double mean, double std)
{
    (n < GR_NORMAL_BLOCK ? gr_fill_normal_scalar_f64 : gr_fill_normal_f64)(g, out, n, mean, std);
}

typedef void fill_f32(gr_generator *g, float *out, int64_t n, double a, double b);
typedef void fill_f64(gr_generator *g, double *out, int64_t n, double a, double b);

static void check_reals(golden_file *file, uint64_t seed, int n)
{
    static const struct {
        const char *name;
        fill_f32 *f32;
        fill_f64 *f64;
        double a, b;
    } cases[] = {{"rand", gr_fill_uniform_f32, gr_fill_uniform_f64, 0, 1},
                 {"uniform_-1_2", gr_fill_uniform_f32, gr_fill_uniform_f64, -1, 2},
                 {"randn", normals_f32, normals_f64, 0, 1},
                 {"normal_2_3", normals_f32, normals_f64, 2, 3}};
    float f32[MOST];
    double f64[MOST];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gr_generator g = seeded(seed);
        cases[i].f32(&g, f32, n, cases[i].a, cases[i].b);
        same_f32(take(file, "seed%" PRIu64 ".%s.f32.n%d", seed, cases[i].name, n), f32);
        gr_generator_seed(&g, seed);
        cases[i].f64(&g, f64, n, cases[i].a, cases[i].b);
        same_f64(take(file, "seed%" PRIu64 ".%s.f64.n%d", seed, cases[i].name, n), f64);
    }
}

static void check_integers(golden_file *file, uint64_t seed, int n)
{
    int64_t made[MOST];
    gr_generator g = seeded(seed);
    gr_fill_integers(&g, made, n, 0, 10);
    same_i64(take(file, "seed%" PRIu64 ".randint_0_10.n%d", seed, n), made);
    gr_generator_seed(&g, seed);
    gr_fill_integers(&g, made, n, -5, INT64_C(1) << 40);
    same_i64(take(file, "seed%" PRIu64 ".randint_-5_2p40.n%d", seed, n), made);
}

static void check_permutations(golden_file *file, uint64_t seed)
{
    int64_t made[MOST];
    gr_generator g = seeded(seed);
    gr_fill_permutation(&g, made, 10);
    same_i64(take(file, "seed%" PRIu64 ".randperm10", seed), made);
    gr_generator_seed(&g, seed);
    gr_fill_permutation(&g, made, 1000);
    same_i64(take(file, "seed%" PRIu64 ".randperm1000.first20", seed), made);
}

static void check_coins(golden_file *file, uint64_t seed)
{
    bool made[MOST];
    float p[21];
    for (int i = 0; i < 21; i++) p[i] = (float)i / 20;
    gr_generator g = seeded(seed);
    gr_fill_bernoulli(&g, made, 33, 0.3);
    same_bool(take(file, "seed%" PRIu64 ".bernoulli_0.3.n33", seed), made);
    gr_generator_seed(&g, seed);
    gr_fill_bernoulli_f32(&g, made, 21, p);
    same_bool(take(file, "seed%" PRIu64 ".bernoulli_tensor_f32.n21", seed), made);
}

static void check_others(golden_file *file, uint64_t seed)
{
    int64_t integer[MOST];
    double real[MOST];
    gr_generator g = seeded(seed);
    gr_fill_random_int64(&g, integer, 5);
    same_i64(take(file, "seed%" PRIu64 ".random_int64.n5", seed), integer);
    gr_generator_seed(&g, seed);
    gr_fill_exponential_f64(&g, real, 9, 1.5);
    same_f64(take(file, "seed%" PRIu64 ".exponential_f64.n9", seed), real);
}

/* One stream for all: the scalar normals pass their second value on, across everything between. */
static void check_sequence(golden_file *file, uint64_t seed)
{
    float f32[MOST];
    double f64[MOST];
    int64_t i64[MOST];
    char head[64];
    snprintf(head, sizeof head, "seed%" PRIu64 ".sequence", seed);
    gr_generator g = seeded(seed);
    gr_fill_normal_scalar_f32(&g, f32, 3, 0, 1);
    same_f32(take(file, "%s.0.randn3", head), f32);
    gr_fill_uniform_f32(&g, f32, 2, 0, 1);
    same_f32(take(file, "%s.1.rand2", head), f32);
    gr_fill_normal_scalar_f64(&g, f64, 2, 0, 1);
    same_f64(take(file, "%s.2.randn2_f64", head), f64);
    gr_fill_normal_f32(&g, f32, 20, 0, 1);
    same_f32(take(file, "%s.3.randn20", head), f32);
    gr_fill_normal_scalar_f32(&g, f32, 1, 0, 1);
    same_f32(take(file, "%s.4.randn1", head), f32);
    gr_fill_permutation(&g, i64, 4);
    same_i64(take(file, "%s.5.randperm4", head), i64);
    gr_fill_integers(&g, i64, 3, 0, 7);
    same_i64(take(file, "%s.6.randint7", head), i64);
    gr_fill_normal_scalar_f32(&g, f32, 24, 0, 1);
    same_f32(take(file, "%s.7.noncontiguous_normal_6x4_column0_of_2", head), f32);
    gr_fill_normal_scalar_f32(&g, f32, 1, 0, 1);
    same_f32(take(file, "%s.8.randn1_again", head), f32);
    gr_fill_uniform_f64(&g, f64, 2, 0, 1);
    same_f64(take(file, "%s.9.rand_f64_2", head), f64);
}

/* Of arrays that are not compared here. */
static void leave(golden_file *file, uint64_t seed, const char *name)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "seed%" PRIu64 ".%s", seed, name);
    golden_leave(file, prefix);
}

START_TEST(random_numbers_equal_pytorch)
{
    static const uint64_t seeds[] = {0, 42, UINT64_C(123456789012345)};
    static const int sizes[] = {1, 5, 16, 17, 33, 100};
    golden_file *file = golden_open("random.txt");
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 6; k++) {
            check_reals(file, seeds[i], sizes[k]);
            check_integers(file, seeds[i], sizes[k]);
        }
        check_permutations(file, seeds[i]);
        check_coins(file, seeds[i]);
        check_others(file, seeds[i]);
        check_sequence(file, seeds[i]);
        leave(file, seeds[i], "dropout");     /* there is none yet */
        leave(file, seeds[i], "multinomial"); /* drawn from weights: see test_random.c */
    }
    golden_end(file);
}
END_TEST

/* ISO/IEC 14882, [rand.predef]: the 10000th word of mt19937. */
START_TEST(engine_is_mt19937)
{
    gr_generator g = seeded(5489);
    for (int i = 1; i < 10000; i++) gr_generator_u32(&g);
    ck_assert_uint_eq(gr_generator_u32(&g), 4123659995u);
}
END_TEST

START_TEST(seeding_forgets_the_waiting_normal_and_the_high_half)
{
    double first[2], second[2];
    gr_generator g = seeded(7);
    gr_fill_normal_scalar_f64(&g, first, 1, 0, 1);
    gr_generator_seed(&g, (UINT64_C(1) << 40) + 7);
    gr_fill_normal_scalar_f64(&g, second, 1, 0, 1);
    ck_assert(first[0] == second[0]);
}
END_TEST

/* Between two neighbours there is only the lower one, though half of the values round up. */
START_TEST(uniform_excludes_its_upper_end)
{
    float f32[MOST];
    double f64[MOST];
    gr_generator g = seeded(3);
    gr_fill_uniform_f32(&g, f32, MOST, 1, 1 + 0x1p-23);
    gr_fill_uniform_f64(&g, f64, MOST, 1, 1 + 0x1p-52);
    for (int i = 0; i < MOST; i++) ck_assert(f32[i] == 1 && f64[i] == 1);
}
END_TEST

START_TEST(integers_use_two_words_from_2_to_28_on)
{
    int64_t made;
    gr_generator g = seeded(3);
    gr_fill_integers(&g, &made, 1, -1, (1 << 28) - 2);
    ck_assert_uint_eq(g.next, 1);
    gr_fill_integers(&g, &made, 1, -1, (1 << 28) - 1);
    ck_assert_uint_eq(g.next, 3);
    gr_fill_integers(&g, &made, 1, INT64_MIN, INT64_MAX);
    ck_assert_uint_eq(g.next, 5);
}
END_TEST

/* ---- loader.txt ---- */

enum { SAMPLES = 10, EPOCHS = 3 };

static void check_next(golden_file *file, const char *head, gr_generator *global)
{
    float next;
    gr_fill_uniform_f32(global, &next, 1, 0, 1);
    same_f32(take(file, "%s.next_rand", head), &next);
}

static void check_epochs(golden_file *file, const char *head, uint64_t seed)
{
    int64_t order[SAMPLES];
    gr_generator global = seeded(seed);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        gr_loader_order(&global, NULL, SAMPLES, true, order);
        same_i64(take(file, "%s.epoch%d", head, epoch), order);
    }
    check_next(file, head, &global);
}

static void check_own_generator(golden_file *file, const char *head, uint64_t seed)
{
    int64_t order[SAMPLES];
    gr_generator own = seeded(seed);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        gr_loader_order(NULL, &own, SAMPLES, true, order);
        gr_loader_dry(&own, SAMPLES);
        same_i64(take(file, "%s.generator.epoch%d", head, epoch), order);
    }
}

/* The stored number follows a single epoch. */
static void check_unshuffled(golden_file *file, const char *head, uint64_t seed)
{
    int64_t order[SAMPLES];
    char name[64];
    gr_generator global = seeded(seed);
    gr_loader_order(&global, NULL, SAMPLES, false, order);
    for (int i = 0; i < SAMPLES; i++) ck_assert_int_eq(order[i], i);
    snprintf(name, sizeof name, "%s.noshuffle", head);
    check_next(file, name, &global);
}

static void check_split(golden_file *file, const char *name, uint64_t seed, const int64_t *length,
                        int parts)
{
    int64_t order[SAMPLES];
    gr_generator g = seeded(seed);
    ck_assert(gr_random_split(&g, SAMPLES, length, parts, order));
    const int64_t *part = order;
    for (int i = 0; i < parts; i++) {
        const golden_array *a = take(file, "seed%" PRIu64 ".%s.%d", seed, name, i);
        ck_assert_int_eq(a->count, length[i]);
        same_i64(a, part);
        part += length[i];
    }
}

static void check_splits(golden_file *file, uint64_t seed)
{
    int64_t length[3] = {7, 3};
    check_split(file, "random_split_7_3", seed, length, 2);
    ck_assert(gr_split_lengths(SAMPLES, (double[]){0.5, 0.3, 0.2}, 3, length));
    check_split(file, "random_split_fractions_0.5_0.3_0.2", seed, length, 3);
}

static void check_samplers(golden_file *file, uint64_t seed)
{
    int64_t order[MOST];
    gr_generator g = seeded(seed);
    gr_sampler_subset(&g, (int64_t[]){5, 6, 9, 2}, 4, order);
    same_i64(take(file, "seed%" PRIu64 ".SubsetRandomSampler_5_6_9_2", seed), order);
    gr_generator_seed(&g, seed);
    gr_sampler_replacement(&g, NULL, SAMPLES, 70, order);
    same_i64(take(file, "seed%" PRIu64 ".RandomSampler_replacement_70", seed), order);
}

START_TEST(sample_orders_equal_pytorch)
{
    static const uint64_t seeds[] = {0, 7};
    golden_file *file = golden_open("loader.txt");
    for (int i = 0; i < 2; i++) {
        char head[64], dropping[80];
        snprintf(head, sizeof head, "seed%" PRIu64, seeds[i]);
        snprintf(dropping, sizeof dropping, "%s.drop_last", head);
        check_epochs(file, head, seeds[i]);
        check_epochs(file, dropping, seeds[i]);
        check_own_generator(file, head, seeds[i]);
        check_unshuffled(file, head, seeds[i]);
        check_splits(file, seeds[i]);
        check_samplers(file, seeds[i]);
        leave(file, seeds[i], "WeightedRandomSampler"); /* drawn from weights: see test_random.c */
    }
    golden_end(file);
}
END_TEST

START_TEST(split_deals_the_remainder_from_the_first_part_on)
{
    int64_t length[3];
    ck_assert(gr_split_lengths(11, (double[]){0.3, 0.3, 0.4}, 3, length));
    ck_assert(length[0] == 4 && length[1] == 3 && length[2] == 4); /* 3 3 4, one remains */
    ck_assert(!gr_split_lengths(10, (double[]){0.5, 0.4}, 2, length));
    ck_assert(!gr_split_lengths(10, (double[]){1.5, -0.5}, 2, length));
    ck_assert(!gr_split_lengths(10, (double[]){(double)NAN, 1}, 2, length));
}
END_TEST

START_TEST(split_that_does_not_add_up_draws_nothing)
{
    int64_t order[SAMPLES];
    gr_generator g = seeded(0);
    ck_assert(!gr_random_split(&g, SAMPLES, (int64_t[]){7, 2}, 2, order));
    ck_assert(!gr_random_split(&g, SAMPLES, (int64_t[]){7, 4}, 2, order));
    ck_assert(!gr_random_split(&g, SAMPLES, (int64_t[]){-1, 11}, 2, order));
    ck_assert_uint_eq(g.next, GR_GENERATOR_WORDS);
}
END_TEST

/* ---- repr.txt ---- */

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void compare_repr(void)
{
    char text[32];
    golden_file *file = golden_open("repr.txt");
    const golden_array *bits = take(file, "bits"), *texts = take(file, "text");
    ck_assert_int_eq(bits->count, texts->count);
    for (int64_t i = 0; i < bits->count; i++)
        ck_assert_str_eq(gr_repr(from_bits((uint64_t)bits->integer[i]), text), texts->text[i]);
    golden_end(file);
}

START_TEST(numbers_read_as_python_prints_them)
{
    compare_repr();
}
END_TEST

START_TEST(numbers_have_a_point_in_every_locale)
{
    if (!use_comma("numbers_have_a_point_in_every_locale")) return;
    compare_repr();
    setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(printed_numbers_read_back)
{
    char text[32];
    gr_generator g = seeded(1);
    for (int i = 0; i < 20000; i++) {
        const double value = from_bits(gr_generator_u64(&g));
        if (!isfinite(value)) continue;
        ck_assert_msg(strtod(gr_repr(value, text), NULL) == value, "%s is not %.17g", text, value);
        ck_assert_uint_le(strlen(text), 24);
    }
}
END_TEST

Suite *generator_suite(void)
{
    Suite *suite = suite_create("generator");
    TCase *random = tcase_create("random numbers"), *order = tcase_create("sample order"),
          *repr = tcase_create("printed numbers");
    tcase_add_test(random, random_numbers_equal_pytorch);
    tcase_add_test(random, engine_is_mt19937);
    tcase_add_test(random, seeding_forgets_the_waiting_normal_and_the_high_half);
    tcase_add_test(random, uniform_excludes_its_upper_end);
    tcase_add_test(random, integers_use_two_words_from_2_to_28_on);
    tcase_add_test(order, sample_orders_equal_pytorch);
    tcase_add_test(order, split_deals_the_remainder_from_the_first_part_on);
    tcase_add_test(order, split_that_does_not_add_up_draws_nothing);
    tcase_add_test(repr, numbers_read_as_python_prints_them);
    tcase_add_test(repr, numbers_have_a_point_in_every_locale);
    tcase_add_test(repr, printed_numbers_read_back);
    suite_add_tcase(suite, random);
    suite_add_tcase(suite, order);
    suite_add_tcase(suite, repr);
    return suite;
}
