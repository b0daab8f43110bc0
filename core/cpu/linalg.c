/* linalg.c - matrix products over batches, and the affine layer: y = a b,  y = x w' + bias. */
#include <stdatomic.h>

#include "core/cpu/cpu.h"
#include "core/cpu/gemm.h"

/* ---- integers: wrap around ---- */

#define MULTIPLY(tag, type) \
    static void multiply_##tag(const gr_product *p) \
    { \
        const type *a = p->a.data, *b = p->b.data; \
        type *c = p->c; \
        for (int64_t i = 0; i < p->m; i++, c += p->n) { \
            for (int64_t j = 0; !p->accumulate && j < p->n; j++) c[j] = 0; \
            for (int64_t l = 0; l < p->k; l++) { \
                const uint64_t factor = (uint64_t)a[i * p->a.row + l * p->a.column]; \
                for (int64_t j = 0; j < p->n; j++) \
                    c[j] = (type)((uint64_t)c[j] + factor * (uint64_t)b[l * p->b.row + j * p->b.column]); \
            } \
        } \
    }
MULTIPLY(i64, int64_t)
MULTIPLY(i32, int32_t)
MULTIPLY(u8, uint8_t)

static inline bool multiply(int dtype, const gr_product *p)
{
    switch (dtype) {
    case GR_FLOAT32: return gr_multiply_f32(p);
    case GR_FLOAT64: return gr_multiply_f64(p);
    case GR_INT64: multiply_i64(p); return true;
    case GR_INT32: multiply_i32(p); return true;
    default: multiply_u8(p); return true;
    }
}

static gr_matrix matrix(const gr_tensor *x)
{
    return (gr_matrix){x->data, x->axis[x->dim - 2].stride, x->axis[x->dim - 1].stride};
}

static bool report(bool ok, const char *op, int dtype, const gr_product *p)
{
    if (gr_unlikely(!ok))
        gr_fail_memory((gr_site){NULL, 0}, op, "a packed matrix", gr_multiply_bytes(dtype == GR_FLOAT64, p));
    return ok;
}

/* ---- batches ---- */

typedef struct {
    const gr_tensor *y, *a, *b;
    gr_product first;
    _Atomic bool failed;
} batch;

/* Where matrix `at` of y's batch lies in x, in elements. */
static int64_t batch_offset(const gr_tensor *x, const gr_tensor *y, int64_t at)
{
    int64_t offset = 0;
    for (int d = y->dim - 3; d >= 0; d--) {
        const int own = d - (y->dim - x->dim);
        if (own >= 0 && x->axis[own].size != 1) offset += at % y->axis[d].size * x->axis[own].stride;
        at /= y->axis[d].size;
    }
    return offset;
}

static void batch_piece(void *context, int64_t begin, int64_t end)
{
    batch *j = context;
    const int64_t bytes = gr_dtype_size[j->y->dtype];
    for (int64_t at = begin; at < end; at++) {
        gr_product p = j->first;
        p.a.data = j->a->data + batch_offset(j->a, j->y, at) * bytes;
        p.b.data = j->b->data + batch_offset(j->b, j->y, at) * bytes;
        p.c = (char *)p.c + at * p.m * p.n * bytes;
        if (!multiply(j->y->dtype, &p)) atomic_store_explicit(&j->failed, true, memory_order_relaxed);
    }
}

enum { PRODUCT_GRAIN = 1 << 20 }; /* multiplications of a piece */

static GR_COLD bool matmul_batch(gr_tensor *y, const gr_tensor *a, const gr_tensor *b, const gr_product *first)
{
    batch j = {y, a, b, *first, false};
    int64_t count = y->numel / (first->m * first->n), work;
    if (__builtin_mul_overflow(first->m * first->n, first->k > 0 ? first->k : 1, &work) || work >= 4 * PRODUCT_GRAIN)
        batch_piece(&j, 0, count); /* each is shared among the threads by itself */
    else {
        const int64_t grain = gr_parallel_from(PRODUCT_GRAIN) / work;
        gr_parallel(count, grain > 0 ? grain : 1, batch_piece, &j);
    }
    return report(!atomic_load_explicit(&j.failed, memory_order_relaxed), "matmul", y->dtype, first);
}

GR_HOT bool gr_cpu_matmul(gr_tensor *y, const gr_tensor *a, const gr_tensor *b, bool add)
{
    const int64_t m = y->axis[y->dim - 2].size, n = y->axis[y->dim - 1].size, k = a->axis[a->dim - 1].size;
    const gr_product p = {m, n, k, matrix(a), matrix(b), y->data, n, add};
    if (gr_unlikely(y->numel == 0)) return true;
    if (gr_likely(y->numel == m * n)) return report(multiply(y->dtype, &p), "matmul", y->dtype, &p);
    return matmul_batch(y, a, b, &p);
}

/* ---- linear ---- */

/* y's rows = bias, or += it */
static void put_bias(gr_tensor *y, const gr_tensor *bias, bool add)
{
    if (add)
        gr_cpu_elementwise(GR_E_add, y,
                           &(gr_operands){{gr_value_tensor(y), gr_value_tensor(bias)}, NULL, (gr_dtype)y->dtype});
    else
        gr_cpu_copy(y, bias);
}

static bool is_small(const gr_product *p)
{
    return p->k == 1 || (p->k <= GR_GEMM_SMALL_SUM && p->m * p->n * p->k <= GR_GEMM_SMALL);
}

GR_HOT bool gr_cpu_linear(gr_tensor *y, const gr_tensor *x, const gr_tensor *w, const gr_tensor *bias)
{
    const gr_matrix weight = matrix(w);
    const int64_t in = x->axis[1].size;
    gr_product p = {x->axis[0].size, y->axis[1].size, in, matrix(x), {weight.data, weight.column, weight.row},
                    y->data, y->axis[1].size, false};
    if (gr_unlikely(y->numel == 0)) return true;
    if (in == 1 && p.n == 1 && bias && gr_is_float(y->dtype) && (p.a.row == 1 || p.m == 1) && p.m <= gr_grain()) {
        gr_elementwise_loops_now[y->dtype]->affine(y->data, x->data, w->data, bias->data, p.m);
        return true;
    }
    p.accumulate = bias && !is_small(&p);
    if (p.accumulate) put_bias(y, bias, false);
    if (!report(multiply(y->dtype, &p), "linear", y->dtype, &p)) return false;
    if (bias && !p.accumulate) put_bias(y, bias, true);
    return true;
}
