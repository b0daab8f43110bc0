/* gemm.c - matrix products: small ones by plain loops, large ones by the BLAS or our own blocked
 * loops, in parallel. */
#include "core/cpu/gemm.h"

#include "core/cpu/gemm_loops.h"
#include "core/cpu/isa.h"
#include "core/internal.h"
#include "core/parallel.h"

#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#ifdef GR_HAVE_CBLAS
#include <cblas.h>
#include <pthread.h>
#include <stdlib.h>
#endif

enum {
    OUTER_GRAIN = 65536,        /* elements of a product with k = 1 that one task computes */
    FORK_FROM = 1 << 21,        /* multiplications from which a product is worth a second thread, */
    VECTOR_FORK_FROM = 1 << 18, /* with a vector, which waits for memory */
    PACK_FROM = 1 << 17,        /* multiplications from which packing pays */
    PANELS = 4,                 /* that one task packs */
    VECTOR = 16                 /* elements: a tile's sides are multiples */
};

/* What differs between float and double. */
typedef struct {
    int64_t size;
    const gr_gemm_loops *loops[GR_ISAS];
#ifdef GR_HAVE_CBLAS
    void (*blas)(const gr_product *), (*blas_vector)(const gr_product *);
#endif
} kind;

static int64_t parts(int64_t count, int64_t size)
{
    return count / size + (count % size != 0);
}

static const gr_gemm_loops *loops_of(const kind *type)
{
    return type->loops[gr_cpu_isa()];
}

static const void *element(const kind *type, gr_matrix x, int64_t i, int64_t j)
{
    return (const char *)x.data + (i * x.row + j * x.column) * type->size;
}

/* The product of rows i.. of a and columns j.. of b, at most m x n of them. */
static gr_product part(const kind *type, const gr_product *whole, int64_t i, int64_t j, int64_t m,
                       int64_t n)
{
    gr_product x = *whole;
    x.m = whole->m - i < m ? whole->m - i : m;
    x.n = whole->n - j < n ? whole->n - j : n;
    x.a.data = element(type, whole->a, i, 0);
    x.b.data = element(type, whole->b, 0, j);
    x.c = (char *)whole->c + (i * whole->ldc + j) * type->size;
    return x;
}

/* A product in tiles of m x n, numbered row by row. */
typedef struct {
    const kind *type;
    const gr_product *whole;
    int64_t m, n, across;
    void (*run)(const gr_product *);
} tiling;

static void run_tiles(void *context, int64_t begin, int64_t end)
{
    const tiling *t = context;
    for (int64_t i = begin; i < end; i++) {
        const gr_product x =
            part(t->type, t->whole, i / t->across * t->m, i % t->across * t->n, t->m, t->n);
        t->run(&x);
    }
}

static double work_of(const gr_product *x)
{
    return (double)x->m * (double)x->n * (double)x->k;
}

static void in_tiles(const kind *type, const gr_product *x, int64_t m, int64_t n,
                     void (*run)(const gr_product *))
{
    tiling t = {type, x, m, n, parts(x->n, n), run};
    const int64_t tiles = parts(x->m, m) * t.across;
    const int64_t usual = x->m == 1 || x->n == 1 || x->k == 1 ? VECTOR_FORK_FROM : FORK_FROM;
    const bool worth = work_of(x) >= (double)gr_parallel_from(usual);
    gr_parallel(tiles, worth ? 1 : tiles, run_tiles, &t);
}

static void clear(const kind *type, const gr_product *x)
{
    for (int64_t i = 0; i < x->m; i++)
        memset((char *)x->c + i * x->ldc * type->size, 0, (size_t)(x->n * type->size));
}

static void outer_product(const kind *type, const gr_product *x)
{
    const int64_t n = x->n < OUTER_GRAIN ? x->n : OUTER_GRAIN;
    in_tiles(type, x, (OUTER_GRAIN - 1) / n + 1, n, loops_of(type)->small);
}

/* ---- our own blocked product ---- */

typedef struct {
    const kind *type;
    gr_matrix b; /* the slab */
    int64_t k, n;
    char *panels;
} packing;

static void pack_panels(void *context, int64_t begin, int64_t end)
{
    const packing *p = context;
    const gr_gemm_loops *loops = loops_of(p->type);
    gr_matrix b = p->b;
    b.data = element(p->type, b, 0, begin * loops->panel);
    end = end * loops->panel < p->n ? end * loops->panel : p->n;
    begin *= loops->panel;
    loops->pack(p->k, end - begin, b, p->panels + begin * p->k * p->type->size);
}

/* One slab of b, of x->k rows: packs it, then adds its share to all of c. */
static void multiply_slab(const kind *type, gr_product *x, char *panels)
{
    const int64_t panel = loops_of(type)->panel;
    packing p = {type, x->b, x->k, x->n, panels};
    gr_parallel(parts(x->n, panel), PANELS, pack_panels, &p);
    /* In the packed slab columns are x->k elements apart, as far as whole panels are concerned. */
    x->b = (gr_matrix){panels, 1, x->k};
    in_tiles(type, x, GR_GEMM_BLOCK_M, GR_GEMM_BLOCK_N, loops_of(type)->block);
}

static size_t packed_bytes(const kind *type, const gr_product *x)
{
    const int64_t block_k = GR_GEMM_BLOCK_K_BYTES / type->size, panel = loops_of(type)->panel;
    const int64_t rows = x->k < block_k ? x->k : block_k,
                  slab = x->n < GR_GEMM_SLAB ? x->n : GR_GEMM_SLAB;
    return (size_t)(rows * parts(slab, panel) * panel * type->size);
}

static bool packed_product(const kind *type, const gr_product *x)
{
    const int64_t block_k = GR_GEMM_BLOCK_K_BYTES / type->size;
    char *panels = gr_allocate(packed_bytes(type, x));
    if (!panels) return false;
    for (int64_t j = 0; j < x->n; j += GR_GEMM_SLAB)
        for (int64_t p = 0; p < x->k; p += block_k) {
            gr_product y = part(type, x, 0, j, x->m, GR_GEMM_SLAB);
            y.a.data = element(type, x->a, 0, p);
            y.b.data = element(type, x->b, p, j);
            y.k = x->k - p < block_k ? x->k - p : block_k;
            y.accumulate = x->accumulate || p > 0;
            multiply_slab(type, &y, panels);
        }
    gr_deallocate(panels);
    return true;
}

static bool own_product(const kind *type, const gr_product *x)
{
    if (x->m > 2 && x->n > 2 && work_of(x) >= PACK_FROM) return packed_product(type, x);
    in_tiles(type, x, GR_GEMM_BLOCK_N, GR_GEMM_BLOCK_N, loops_of(type)->small);
    return true;
}

/* ---- BLAS ---- */

#ifdef GR_HAVE_CBLAS

/* How a matrix looks to the BLAS: rows lie `step` apart, or columns do where it is transposed. */
typedef struct {
    enum CBLAS_TRANSPOSE turn;
    int step; /* 0: it cannot be described */
} layout;

static int step_of(int64_t stride, int64_t least)
{
    return stride >= least && stride <= INT_MAX ? (int)stride : 0;
}

/* The stride of a single row or column says nothing. */
static layout layout_of(int64_t rows, int64_t columns, gr_matrix x)
{
    if (rows == 1 && x.column == 1) return (layout){CblasNoTrans, step_of(columns, 1)};
    if (columns == 1 && x.row == 1) return (layout){CblasTrans, step_of(rows, 1)};
    if (x.column == 1 || columns == 1) {
        const int step = step_of(x.row, columns);
        if (step) return (layout){CblasNoTrans, step};
    }
    if (x.row == 1 || rows == 1) return (layout){CblasTrans, step_of(x.column, rows)};
    return (layout){CblasNoTrans, 0};
}

static void blas_f32(const gr_product *x)
{
    const layout a = layout_of(x->m, x->k, x->a), b = layout_of(x->k, x->n, x->b);
    cblas_sgemm(CblasRowMajor, a.turn, b.turn, (int)x->m, (int)x->n, (int)x->k, 1, x->a.data,
                a.step, x->b.data, b.step, x->accumulate ? 1 : 0, x->c, (int)x->ldc);
}

static void blas_f64(const gr_product *x)
{
    const layout a = layout_of(x->m, x->k, x->a), b = layout_of(x->k, x->n, x->b);
    cblas_dgemm(CblasRowMajor, a.turn, b.turn, (int)x->m, (int)x->n, (int)x->k, 1, x->a.data,
                a.step, x->b.data, b.step, x->accumulate ? 1 : 0, x->c, (int)x->ldc);
}

/* n = 1: a matrix times a vector. The stored matrix is the transposed one when `turn` says so. */
static void blas_vector_f32(const gr_product *x)
{
    const layout a = layout_of(x->m, x->k, x->a);
    const bool turned = a.turn == CblasTrans;
    cblas_sgemv(CblasRowMajor, a.turn, (int)(turned ? x->k : x->m), (int)(turned ? x->m : x->k), 1,
                x->a.data, a.step, x->b.data, (int)x->b.row, x->accumulate ? 1 : 0, x->c,
                (int)x->ldc);
}

static void blas_vector_f64(const gr_product *x)
{
    const layout a = layout_of(x->m, x->k, x->a);
    const bool turned = a.turn == CblasTrans;
    cblas_dgemv(CblasRowMajor, a.turn, (int)(turned ? x->k : x->m), (int)(turned ? x->m : x->k), 1,
                x->a.data, a.step, x->b.data, (int)x->b.row, x->accumulate ? 1 : 0, x->c,
                (int)x->ldc);
}

/* OpenBLAS's, where it is OpenBLAS */
extern void openblas_set_num_threads(int) __attribute__((weak));

static void calm_blas(void)
{
    const char *keep = getenv("GRADUS_BLAS_THREADS");
    if (openblas_set_num_threads && !(keep && !strcmp(keep, "keep"))) openblas_set_num_threads(1);
}

/* `count` in a power of two of shares, each of `least` or more, so that two, four, eight threads
 * get the same amount. */
static int64_t share_of(int64_t count, int64_t least)
{
    int64_t shares = 1;
    while (count / (2 * shares) >= least) shares *= 2;
    const int64_t vectors = parts(count, VECTOR * shares);
    return shares == 1 ? count : VECTOR * vectors;
}

static pthread_once_t calmed = PTHREAD_ONCE_INIT;

static bool blas_vector_product(const kind *type, const gr_product *x)
{
    const int64_t rows = VECTOR_FORK_FROM / 2 / x->k + VECTOR;
    if (!layout_of(x->m, x->k, x->a).step || !step_of(x->b.row, 1)) return false;
    pthread_once(&calmed, calm_blas);
    in_tiles(type, x, share_of(x->m, rows), 1, type->blas_vector);
    return true;
}

/* The BLAS packs a tile's part of a and b anew: smaller tiles than these cost more than 5 %. */
enum { TILE = 256, WIDE_TILE = 1024, WIDE_FROM_ROWS = 512 };

static bool blas_matrix_product(const kind *type, const gr_product *x)
{
    int64_t m = share_of(x->m, TILE), n = share_of(x->n, x->m >= WIDE_FROM_ROWS ? WIDE_TILE : TILE);
    if (!layout_of(x->m, x->k, x->a).step || !layout_of(x->k, x->n, x->b).step) return false;
    if (m == x->m && n == x->n && work_of(x) >= 2 * FORK_FROM) {
        if (n >= m)
            n = share_of(n, n / 2);
        else
            m = share_of(m, m / 2);
    }
    pthread_once(&calmed, calm_blas);
    in_tiles(type, x, m, n, type->blas);
    return true;
}

/* false: the BLAS cannot take these strides or sizes. */
static bool blas_product(const kind *type, const gr_product *x)
{
    if (x->k > INT_MAX || x->ldc > INT_MAX) return false;
    if (x->n == 1) return blas_vector_product(type, x);
    if (x->m > 1) return blas_matrix_product(type, x);
    const gr_matrix a = {x->b.data, x->b.column, x->b.row}, b = {x->a.data, x->a.column, x->a.row};
    return blas_vector_product(type, &(gr_product){x->n, 1, x->k, a, b, x->c, 1, x->accumulate});
}

#endif

/* ---- the door ---- */

__attribute__((noinline)) static bool large_product(const kind *type, const gr_product *x)
{
    if (x->m <= 0 || x->n <= 0) return true;
    if (x->k <= 0) {
        if (!x->accumulate) clear(type, x);
        return true;
    }
    if (x->k == 1) {
        outer_product(type, x);
        return true;
    }
#ifdef GR_HAVE_CBLAS
    if (blas_product(type, x)) return true;
#endif
    return own_product(type, x);
}

static inline bool is_small(const gr_product *x)
{
    /* 0 becomes huge: it is not small */
    const uint64_t m = (uint64_t)x->m - 1, n = (uint64_t)x->n - 1, k = (uint64_t)x->k - 1;
    return m < GR_GEMM_SMALL && n < GR_GEMM_SMALL && k < GR_GEMM_SMALL_SUM &&
           x->m * x->n * x->k <= GR_GEMM_SMALL;
}

static inline bool product(const kind *type, const gr_product *x)
{
    if (!is_small(x)) return large_product(type, x);
    loops_of(type)->small(x);
    return true;
}

#ifdef GR_ONLY_BASE
#define LOOPS(t) &gr_gemm_loops_##t##_base
#else
#define LOOPS(t) &gr_gemm_loops_##t##_base, &gr_gemm_loops_##t##_avx2, &gr_gemm_loops_##t##_avx512
#endif

static const kind f32 = {
    .size = sizeof(float),
    .loops = {LOOPS(f32)},
#ifdef GR_HAVE_CBLAS
    .blas = blas_f32,
    .blas_vector = blas_vector_f32,
#endif
};

static const kind f64 = {
    .size = sizeof(double),
    .loops = {LOOPS(f64)},
#ifdef GR_HAVE_CBLAS
    .blas = blas_f64,
    .blas_vector = blas_vector_f64,
#endif
};

bool gr_multiply_f32(const gr_product *x)
{
    return product(&f32, x);
}

bool gr_multiply_f64(const gr_product *x)
{
    return product(&f64, x);
}

size_t gr_multiply_bytes(bool wide, const gr_product *x)
{
    return packed_bytes(wide ? &f64 : &f32, x);
}
