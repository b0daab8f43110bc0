/* sampler.c - the order in which PyTorch's DataLoader, samplers and random_split take samples. */
#include "core/sampler.h"

#include <math.h>

int64_t gr_loader_base_seed(gr_generator *g)
{
    int64_t seed;
    gr_fill_random_int64(g, &seed, 1);
    return seed;
}

/* own, or a private generator seeded from global. */
static gr_generator *stream(gr_generator *global, gr_generator *own, gr_generator *private)
{
    if (own) return own;
    int64_t seed;
    gr_fill_random_int64(global, &seed, 1);
    gr_generator_seed(private, (uint64_t)seed);
    return private;
}

void gr_sampler_random(gr_generator *global, gr_generator *own, int64_t n, int64_t *order)
{
    gr_generator private;
    gr_fill_permutation(stream(global, own, &private), order, n);
}

void gr_sampler_replacement(gr_generator *global, gr_generator *own, int64_t n, int64_t samples,
                            int64_t *order)
{
    gr_generator private;
    gr_fill_integers(stream(global, own, &private), order, samples, 0, n);
}

void gr_sampler_subset(gr_generator *g, const int64_t *indices, int64_t n, int64_t *order)
{
    gr_fill_permutation(g, order, n);
    for (int64_t i = 0; i < n; i++) order[i] = indices[order[i]];
}

void gr_loader_order(gr_generator *global, gr_generator *own, int64_t n, bool shuffle,
                     int64_t *order)
{
    gr_loader_base_seed(own ? own : global);
    if (shuffle) {
        gr_sampler_random(global, own, n, order);
        return;
    }
    for (int64_t i = 0; i < n; i++) order[i] = i;
}

void gr_loader_dry(gr_generator *own, int64_t n)
{
    gr_skip_permutation(own, n);
}

bool gr_random_split(gr_generator *g, int64_t n, const int64_t *length, int64_t parts,
                     int64_t *order)
{
    int64_t left = n;
    for (int64_t i = 0; i < parts; i++) {
        if (length[i] < 0 || length[i] > left) return false;
        left -= length[i];
    }
    if (left) return false;
    gr_fill_permutation(g, order, n);
    return true;
}

bool gr_split_lengths(int64_t n, const double *fraction, int64_t parts, int64_t *length)
{
    double sum = 0;
    int64_t left = n;
    for (int64_t i = 0; i < parts; i++) {
        if (!(fraction[i] >= 0 && fraction[i] <= 1)) return false;
        sum += fraction[i];
        length[i] = (int64_t)floor((double)n * fraction[i]);
        left -= length[i];
    }
    /* decimal fractions rarely add up to 1 in binary */
    if (!(fabs(sum - 1) <= 1e-9) || left < 0) return false;
    for (int64_t i = 0; left > 0; i = (i + 1) % parts, left--) length[i]++;
    return true;
}
