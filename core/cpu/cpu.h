/* cpu.h - what the CPU's kernel files share: walking over strided elements, and the kernels themselves. */
#ifndef GR_CPU_H
#define GR_CPU_H
#include "core/cpu/loops.h"
#include "core/internal.h"
#include "core/parallel.h"

enum {
    GR_TILE = 512,    /* elements of a buffer on the stack */
    GR_GRAIN = 32768, /* elements of a piece for one thread, where the cut does not matter */
    GR_MAX_BYTES = 8  /* of an element */
};

/* The dtype that loops compute in: bfloat16 has none of its own, its elements are widened, and results rounded, once. */
static inline gr_dtype gr_loop_dtype(int dtype)
{
    return dtype == GR_BFLOAT16 ? GR_FLOAT32 : (gr_dtype)dtype;
}

/* A grain of elements for gr_parallel. */
static inline int64_t gr_grain(void)
{
    return gr_parallel_from(GR_GRAIN);
}
/* A grain of slices of `each` elements. */
static inline int64_t gr_grain_of(int64_t each)
{
    const int64_t grain = gr_grain() / (each > 0 ? each : 1);
    return grain > 0 ? grain : 1;
}

/* ---- convert.c ---- */

/* to[i * to_step] = from[i * from_step], converted; steps in elements. Floats become integers as int64 does: cut towards
 * 0, INT64_MIN where that has no room. */
typedef void gr_convert(void *to, int64_t to_step, const void *from, int64_t from_step, int64_t n);
extern gr_convert *const gr_converts[GR_DTYPES][GR_DTYPES]; /* [to][from] */

/* A block of [rows, columns] elements: dtypes by gr_block_dtypes, and strides in elements. Of a source that lies across, its
 * columns dense, it is read column by column. */
typedef struct {
    gr_convert *convert;
    uint8_t to_bytes, from_bytes; /* of an element */
    bool is_word;                 /* no conversion, of 32 bits */
    int64_t to_row, to_column, from_row, from_column;
} gr_block;
void gr_block_dtypes(gr_block *b, gr_dtype to, gr_dtype from);
bool gr_block_lies_across(const gr_block *b);
void gr_block_run(const gr_block *b, void *to, const void *from, int64_t rows, int64_t columns);

/* *to = v in dtype */
void gr_number_as(void *to, gr_dtype dtype, gr_value v);

/* ---- copy.c ---- */

/* Elements of two tensors of one shape, or of a tensor and a buffer, in row-major order; dimensions that lie one after
 * the other in both are merged. */
typedef struct {
    int dim;
    bool to_buffer, from_buffer;
    gr_dtype to_dtype, from_dtype;
    uint8_t to_bytes, from_bytes; /* of an element */
    int64_t size[GR_MAX_DIMS], to[GR_MAX_DIMS], from[GR_MAX_DIMS]; /* strides in elements */
    gr_convert *convert;
} gr_walk;
/* Elements of x, broadcast to the sizes of `shape`, into a buffer of dtype. */
void gr_walk_gather(gr_walk *w, const gr_tensor *x, const gr_tensor *shape, gr_dtype dtype);
/* Elements of a buffer of dtype into y. */
void gr_walk_scatter(gr_walk *w, const gr_tensor *y, gr_dtype dtype);
/* Elements of one tensor into another of the same sizes. */
void gr_walk_between(gr_walk *w, const gr_tensor *y, const gr_tensor *x);
/* Copies elements [begin, end). A buffer's address is where element `begin` stands, a tensor's that of element 0. */
void gr_walk_run(const gr_walk *w, void *to, const void *from, int64_t begin, int64_t end);
/* Of a tensor [.., columns] a part as a buffer [rows, width]. */
void gr_walk_columns(const gr_walk *w, int64_t columns, void *to, const void *from, int64_t row, int64_t rows, int64_t column,
                     int64_t width);
/* Whether the tensor's elements lie one after the other. */
static inline bool gr_walk_is_direct(const gr_walk *w)
{
    return w->dim == 1 && w->to[0] == 1 && w->from[0] == 1;
}
void gr_cpu_copy(gr_tensor *y, const gr_tensor *x);
void gr_cpu_fill(gr_tensor *y, gr_value value);

/* ---- the other members of the table ---- */

void gr_cpu_elementwise(int code, gr_tensor *y, const gr_operands *o);
void gr_cpu_elementwise_back(int code, int i, gr_tensor *dx, bool add, const gr_tensor *dy, const gr_operands *o,
                             const gr_tensor *y);
/* The same for all that no single short loop does, y not empty. `steps`: of the loop where everything lies flat, else 0. */
GR_COLD void gr_cpu_elementwise_any(int code, gr_tensor *y, const gr_operands *o, unsigned steps);
GR_COLD void gr_cpu_elementwise_back_any(int code, int i, gr_tensor *dx, bool add, const gr_tensor *dy,
                                         const gr_operands *o, const gr_tensor *y, unsigned steps);
void gr_cpu_where(gr_tensor *y, const gr_tensor *condition, gr_value a, gr_value b);
void gr_cpu_accumulate(gr_tensor *y, const gr_tensor *x);

bool gr_cpu_reduce(gr_reduce kind, gr_tensor *y, const gr_tensor *x, unsigned dims, bool add);
/* The same for all that is not small and flat; y's dtype is that of the loops' results. */
GR_COLD bool gr_cpu_reduce_any(gr_reduce kind, gr_tensor *y, const gr_tensor *x, unsigned dims, bool add);
bool gr_cpu_arg_reduce(bool largest, gr_tensor *values, gr_tensor *indices, const gr_tensor *x, int dim);
bool gr_cpu_extremum_back(gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *y,
                          unsigned dims);

bool gr_cpu_matmul(gr_tensor *y, const gr_tensor *a, const gr_tensor *b, bool add);
bool gr_cpu_linear(gr_tensor *y, const gr_tensor *x, const gr_tensor *w, const gr_tensor *bias);

bool gr_cpu_mse(gr_tensor *y, const gr_tensor *x, const gr_tensor *t, bool mean);
void gr_cpu_mse_back(gr_tensor *dx, bool add, const gr_tensor *dy, const gr_tensor *x, const gr_tensor *t, bool mean,
                     bool negative);

void gr_cpu_index_select(gr_tensor *y, const gr_tensor *x, int dim, const gr_tensor *index);
void gr_cpu_index_add(gr_tensor *x, int dim, const gr_tensor *index, const gr_tensor *y);

#define GR_UPDATE_OF(tag) \
    void gr_cpu_update_##tag(int code, int device, const gr_update_item *item, int64_t count, const double *number);
GR_UPDATE_OF(f32)
GR_UPDATE_OF(f64)
GR_UPDATE_OF(b16)
#undef GR_UPDATE_OF

extern const gr_kernels gr_cpu_kernels_b16;

/* A temporary for `purpose`, or NULL after reporting. */
void *gr_cpu_temporary(const char *op, const char *purpose, int64_t count, size_t bytes);

extern const gr_device_table gr_cpu_device;

#endif
