/* random.h - random tensors, the same numbers as PyTorch's CPU generator gives for the same seed. */
#ifndef GR_RANDOM_H
#define GR_RANDOM_H
#include "core/tensor.h"

GR_BEGIN_C

/* Seeds the default generator, from which all functions here draw, in the order of the calls. Never seeded, it starts from
 * the system's entropy. Matsumoto, Nishimura 1998 (mt19937). */
GR_API void gr_manual_seed(uint64_t seed);

GR_API gr_tensor *gr_rand_at(const gr_make_args *args);  /* uniform in [0, 1) */
GR_API gr_tensor *gr_randn_at(const gr_make_args *args); /* normal, mean 0, deviation 1 */
/* Integers low <= n < high; int64 unless a dtype is given. */
GR_API gr_tensor *gr_randint_at(int64_t low, int64_t high, const gr_make_args *args);
/* The numbers 0 to n - 1 in random order, int64 [n]. */
GR_API gr_tensor *gr_randperm_at(int64_t n, gr_site site);
/* 1 with the probability in p (0 to 1), else 0; p's shape and dtype. */
GR_API gr_tensor *gr_bernoulli_at(const gr_tensor *p, gr_site site);
/* Draws `count` places of each row, with probabilities in proportion to its weights; without .replacement no place twice.
 *   weights  [rows, n] or [n]          float, finite, at least 0, each row with one above 0
 *   returns  [rows, count] or [count]  int64; count >= 1, without replacement at most n: then places of weight 0 come
 *                                      last, in order */
typedef struct gr_multinomial_args {
    const gr_tensor *weights;
    int64_t count;
    gr_site site;
    bool replacement GR_DEFAULT(false);
} gr_multinomial_args;
GR_API gr_tensor *gr_multinomial_at(const gr_multinomial_args *args);
/* The order in which PyTorch's DataLoader visits n samples in its next epoch, int64 [n]; draws what it draws. */
GR_API gr_tensor *gr_sample_order_at(int64_t n, bool shuffle, gr_site site);

/* t, a float tensor, filled with numbers of U[from, to) or N(mean, std); its old value gets a gradient of zeros.
 * from, to and to - from must be numbers that t's dtype holds, from <= to. */
GR_API gr_tensor *gr_uniform__at(gr_tensor *t, double from, double to, gr_site site);
GR_API gr_tensor *gr_normal__at(gr_tensor *t, double mean, double std, gr_site site);
/* t, a float tensor, filled with waiting times: density lambda e^(-lambda x), lambda > 0. */
GR_API gr_tensor *gr_exponential__at(gr_tensor *t, double lambda, gr_site site);
/* t filled with ones, each with probability p, and zeros. */
GR_API gr_tensor *gr_bernoulli__at(gr_tensor *t, double p, gr_site site);

GR_END_C

#ifndef __cplusplus
#define gr_rand(...) gr_rand_at(GR_MAKE(__VA_ARGS__))
#define gr_randn(...) gr_randn_at(GR_MAKE(__VA_ARGS__))
#define gr_rand_with(...) GR_CALL(gr_rand_at, gr_make_args, GR_MAKE_DEFAULTS, .site = GR_HERE, .shape = __VA_ARGS__)
#define gr_randn_with(...) GR_CALL(gr_randn_at, gr_make_args, GR_MAKE_DEFAULTS, .site = GR_HERE, .shape = __VA_ARGS__)
#define gr_randint(low, ...) GR_RANDINT(low, __VA_ARGS__, )
#define GR_RANDINT(low, high, ...) gr_randint_at(low, high, GR_MAKE(__VA_ARGS__))
#define gr_randint_with(low, high, ...) \
    __extension__({ \
        GR_QUIET_BEGIN gr_randint_at(low, high, \
                                     &(gr_make_args){GR_MAKE_DEFAULTS, .site = GR_HERE, .shape = __VA_ARGS__}); \
        GR_QUIET_END \
    })
#define gr_randperm(n) gr_randperm_at(n, GR_HERE)
#define gr_bernoulli(p) gr_bernoulli_at(p, GR_HERE)
#define gr_uniform_(t, from, to) gr_uniform__at(t, from, to, GR_HERE)
#define gr_normal_(t, mean, std) gr_normal__at(t, mean, std, GR_HERE)
#define gr_exponential_(t, lambda) gr_exponential__at(t, lambda, GR_HERE)
#define gr_multinomial(of, ...) \
    GR_CALL(gr_multinomial_at, gr_multinomial_args, .site = GR_HERE, .weights = of, .count = __VA_ARGS__)
#define gr_bernoulli_(t, p) gr_bernoulli__at(t, p, GR_HERE)
#define gr_sample_order(n, shuffle) gr_sample_order_at(n, shuffle, GR_HERE)
#endif
#endif
