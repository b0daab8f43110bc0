/* loops.h - the inner loops: contiguous memory, one dtype, one thread. Compiled once for each instruction set; kernels
 * call those that this processor runs best. */
#ifndef GR_LOOPS_H
#define GR_LOOPS_H
#include "core/kernels.h"

/* y[i] = row(in[0][i], ...). Bit k of `steps`: operand k advances, else it is one value. At least one advances, of three
 * operands the first two do. y may be an operand that advances. n > 0. */
typedef gr_flat_forward gr_forward_loop;
/* GR_BY_NUMBER may stand in `steps`, too. With this bit in it the result is written past the caches, if it is not added to: y lies at a multiple of 64 bytes,
 * n is one of GR_PAST. Others see it after `streamed`. */
enum { GR_PAST_CACHES = 8, GR_PAST = 4096 };
/* dx[i] = what the row hands back, or += it. What the row does not read may point anywhere but NULL. */
typedef gr_flat_back gr_back_loop;

typedef struct {
    gr_forward_loop *forward[GR_ELEMENTWISE_COUNT]; /* NULL: the row does not take this dtype */
    gr_back_loop *back[GR_ELEMENTWISE_COUNT][3];    /* floats only */
    void (*fill)(void *y, const void *value, int64_t n);
    void (*streamed)(void); /* after it others see what was written past the caches */
    /* y = condition ? a : b; bit 0 of `steps`: a advances, bit 1: b does; GR_PAST_CACHES as above */
    void (*select)(void *y, const bool *condition, const void *a, const void *b, unsigned steps, int64_t n);
    /* y = round(x * w) + b, w and b single values; floats only */
    void (*affine)(void *y, const void *x, const void *w, const void *b, int64_t n);
    /* dx = scale * (x - t), or += it; floats only */
    void (*mse_back)(void *dx, bool add, const void *x, const void *t, const void *scale, int64_t n);
} gr_elementwise_loops;

enum {
    GR_BLOCK = 32768, /* the longest reduction in one loop; sums above are trees, see sum_loops.h */
    GR_COLUMNS = 32   /* columns may be cut at multiples: that changes no bit of a sum, while a piece has as many */
};

typedef struct {
    /* y[r] = the reduction of row r of x [rows, n], or += it; n <= GR_BLOCK */
    void (*rows)(gr_reduce kind, void *y, const void *x, int64_t rows, int64_t n, bool add);
    /* y[c] = the reduction of column c of x [rows, columns], whose rows are `stride` apart, or += it; no means;
     * rows <= GR_BLOCK, columns > 1 */
    void (*columns)(gr_reduce kind, void *y, const void *x, int64_t rows, int64_t columns, int64_t stride, bool add);
    /* y[w] = parts[0][w], parts[1][w] ... combined in the fixed order; changes parts [count, width] (results' dtype).
     * n: elements reduced to one, for the mean */
    void (*combine)(gr_reduce kind, void *y, void *parts, int64_t count, int64_t width, int64_t n, bool add);
    /* the first place of the extremum, the first NaN */
    int64_t (*place)(bool largest, const void *x, int64_t n);
    /* how many of x equal *value; dx = x equals *value ? *share : *share * 0, or += it */
    int64_t (*count_equal)(const void *x, const void *value, int64_t n);
    void (*spread_equal)(void *dx, bool add, const void *x, const void *value, const void *share, int64_t n);
    /* *y = sum of (x - t)^2, or the mean; n <= GR_BLOCK; floats only */
    void (*squares)(void *y, const void *x, const void *t, int64_t n, bool mean);
} gr_reduce_loops;

typedef void gr_update_loop(void *p, const void *g, void *const *state, int64_t n, const double *number, bool first);
typedef struct {
    gr_update_loop *rule[GR_UPDATE_COUNT]; /* a NULL state is not read, nor written */
} gr_update_loops;

#define GR_LOOPS(isa) \
    extern const gr_elementwise_loops *const gr_elementwise_loops_##isa[GR_DTYPES]; \
    extern const gr_reduce_loops *const gr_reduce_loops_##isa[GR_DTYPES]; \
    extern const gr_update_loops *const gr_update_loops_##isa[GR_DTYPES];
GR_LOOPS(base)
GR_LOOPS(avx2)
GR_LOOPS(avx512)
#undef GR_LOOPS

/* Those that run here, by dtype; set before main. */
extern const gr_elementwise_loops *const *gr_elementwise_loops_now;
extern const gr_reduce_loops *const *gr_reduce_loops_now;
extern const gr_update_loops *const *gr_update_loops_now;

/* For the files compiled once for each instruction set. */
#define GR_OF_ISA(name) GR_OF_ISA_(name, GR_ISA)
#define GR_OF_ISA_(name, isa) GR_OF_ISA__(name, isa)
#define GR_OF_ISA__(name, isa) name##_##isa
#define GR_INLINE static inline __attribute__((always_inline, unused))
/* The loop that follows reads and writes element i only in turn i, also where it works in place. */
#if defined(__clang__)
#define GR_EACH _Pragma("clang loop vectorize(assume_safety)")
#else
#define GR_EACH _Pragma("GCC ivdep")
#endif

#endif
