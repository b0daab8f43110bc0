/* sampler.h - the order in which PyTorch's DataLoader, samplers and random_split take samples.
 *
 * All orders are arrays of indices, made at once. global is the program's generator; own is the one
 * that the user handed to the loader or sampler, NULL for none. */
#ifndef GR_SAMPLER_H
#define GR_SAMPLER_H
#include <stdbool.h>
#include <stdint.h>

#include "core/generator.h"

/* One epoch of a loader over n samples: order [n], cut into batches by the caller (the short last
 * one dropped or not, the draws are the same). Draws from global, or from own where it is given:
 * two words for the loader's base seed, also without shuffle, then what gr_sampler_random draws.
 *
 * An iterator that shuffles with own draws once more when it is asked for sample n + 1 and has
 * none: a whole permutation, which it throws away. A plain function cannot see that moment, so the
 * caller says it with gr_loader_dry: while it fills a short last batch (also one that is then
 * dropped), or, where the batches come out even, when the batch after the last is asked for. An
 * epoch that is left before never comes there. Without shuffle or own there is nothing to say. */
void gr_loader_order(gr_generator *global, gr_generator *own, int64_t n, bool shuffle,
                     int64_t *order);
void gr_loader_dry(gr_generator *own, int64_t n);

/* The base seed alone, for an epoch whose order comes from another sampler (drawn before it). */
int64_t gr_loader_base_seed(gr_generator *g);

/* RandomSampler: a permutation from own, or from a private generator seeded with two words of
 * global. order [n]. */
void gr_sampler_random(gr_generator *global, gr_generator *own, int64_t n, int64_t *order);

/* RandomSampler(replacement=True): order [samples], each 0 .. n-1, from own or a private generator
 * as above. n > 0. */
void gr_sampler_replacement(gr_generator *global, gr_generator *own, int64_t n, int64_t samples,
                            int64_t *order);

/* SubsetRandomSampler: the n indices in random order, straight from g (own, or else global). */
void gr_sampler_subset(gr_generator *g, const int64_t *indices, int64_t n, int64_t *order);

/* random_split: order [n] is a permutation from g; part i is the length[i] indices after those of
 * the parts before it. False, with nothing drawn, unless the lengths add up to n. */
bool gr_random_split(gr_generator *g, int64_t n, const int64_t *length, int64_t parts,
                     int64_t *order);

/* The lengths that random_split gives to fractions of n: rounded down, and what remains dealt one
 * each from the first part on. False unless every fraction is in [0, 1] and they add up to 1. */
bool gr_split_lengths(int64_t n, const double *fraction, int64_t parts, int64_t *length);

#endif
