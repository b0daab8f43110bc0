/* generator.h - the mt19937 generator equal to PyTorch's CPU generator, and what is drawn from it.
 *
 * Same seed, same numbers, in every bit. A fill draws in element order, so the order of the calls
 * and of the elements is part of the result. Nothing here locks: one thread at a time. */
#ifndef GR_GENERATOR_H
#define GR_GENERATOR_H
#include <stdbool.h>
#include <stdint.h>

enum { GR_GENERATOR_WORDS = 624 };

/* Copying the struct copies the stream; it holds no pointers. */
typedef struct gr_generator {
    uint32_t state[GR_GENERATOR_WORDS];
    uint32_t next;   /* the word of state to hand out next; GR_GENERATOR_WORDS: regenerate first */
    bool has_normal; /* the scalar normals come in pairs: the second one waits here, as N(0, 1) */
    double normal;
} gr_generator;

/* A copy of the process's generator (random.c), for the tests. */
gr_generator gr_generator_now(void);
/* Starts the stream of seed, whose low 32 bits count, and forgets a waiting normal. */
void gr_generator_seed(gr_generator *g, uint64_t seed);
uint32_t gr_generator_u32(gr_generator *g);
/* Two words, the high half first. */
uint64_t gr_generator_u64(gr_generator *g);

/* Uniform in [from, to), from <= to: one word per float, two per double. */
void gr_fill_uniform_f32(gr_generator *g, float *out, int64_t n, double from, double to);
void gr_fill_uniform_f64(gr_generator *g, double *out, int64_t n, double from, double to);

/* PyTorch makes normals in two ways, which give different numbers: in blocks of 16 for a contiguous
 * tensor of at least 16 elements, one by one for any other. The caller chooses. n >= 16 here. */
enum { GR_NORMAL_BLOCK = 16 };
void gr_fill_normal_f32(gr_generator *g, float *out, int64_t n, double mean, double std);
void gr_fill_normal_f64(gr_generator *g, double *out, int64_t n, double mean, double std);
/* Four words per pair of values; an odd one out waits for the next scalar fill of either type. */
void gr_fill_normal_scalar_f32(gr_generator *g, float *out, int64_t n, double mean, double std);
void gr_fill_normal_scalar_f64(gr_generator *g, double *out, int64_t n, double mean, double std);

/* Uniform in [low, high), low < high: a word each, two where high - low >= 2^28. */
void gr_fill_integers(gr_generator *g, int64_t *out, int64_t n, int64_t low, int64_t high);
/* Uniform over all int64 from 0 on. */
void gr_fill_random_int64(gr_generator *g, int64_t *out, int64_t n);

/* True with probability p; the other two with p[i]. Words per element: 2, 1, 2. */
void gr_fill_bernoulli(gr_generator *g, bool *out, int64_t n, double p);
void gr_fill_bernoulli_f32(gr_generator *g, bool *out, int64_t n, const float *p);
void gr_fill_bernoulli_f64(gr_generator *g, bool *out, int64_t n, const double *p);

/* Density lambda exp(-lambda x): two words each. */
void gr_fill_exponential_f32(gr_generator *g, float *out, int64_t n, double lambda);
void gr_fill_exponential_f64(gr_generator *g, double *out, int64_t n, double lambda);

/* The numbers 0 .. n-1 in random order. */
void gr_fill_permutation(gr_generator *g, int64_t *out, int64_t n);
/* Draws what gr_fill_permutation would, for nobody. */
void gr_skip_permutation(gr_generator *g, int64_t n);

#endif
