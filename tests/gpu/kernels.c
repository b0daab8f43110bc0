/* kernels.c - calls every kernel of the CUDA table, on each dtype that it takes: side by side and strided, sums of one stage
 * and of two. For compute-sanitizer, which looks at each launch; what comes out is the suites' business.
 * Under the emulator it fails when a kernel of the plug-in was not launched.  Usage: kernels, with GRADUS_CUDA_PLUGIN. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "autograd/elementwise.h"
#include "core/internal.h"
#include "gradus.h"

enum { ROWS = 67, COLUMNS = 41 };

/* What is called now: the table of a dtype. */
static const gr_kernels *kernels;
static gr_dtype dtype;
static int calls;

static void ended(const char *what, bool ok)
{
    calls++;
    if (ok && !gr_error()) return;
    fprintf(stderr, "kernels: %s of dtype %d failed\n", what, (int)dtype);
    exit(EXIT_FAILURE);
}

/* Ones of this dtype, [rows, columns]; strided: seen through a transposition. */
static gr_tensor *ones_of(gr_dtype of, int64_t rows, int64_t columns, bool strided)
{
    if (strided) return gr_t(gr_full_with(1, GR_SHAPE(columns, rows), .dtype = of));
    return gr_full_with(1, GR_SHAPE(rows, columns), .dtype = of);
}

static gr_tensor *ones(bool strided)
{
    return ones_of(dtype, ROWS, COLUMNS, strided);
}

static bool takes(const gr_row *row)
{
    if (row->types == GR_TYPES_FLOAT) return gr_is_float(dtype);
    return row->types != GR_TYPES_SAME_NOBOOL || dtype != GR_BOOL;
}

static void call_row(int code, bool strided)
{
    static const double param[2] = {1, 20};
    const gr_row *row = &gr_rows[code];
    gr_operands o = {.param = param, .dtype = dtype};
    if (!takes(row)) return;
    for (int i = 0; i < 3; i++) o.in[i] = i < row->operands ? gr_value_tensor(ones(strided)) : gr_value_integer(1);
    gr_tensor *y = ones_of(row->gives_bool ? GR_BOOL : dtype, ROWS, COLUMNS, false);
    kernels->elementwise(code, y, &o);
    ended(gr_row_op[code].name, true);
    if (row->gives_bool || !gr_is_float(dtype)) return;
    for (int i = 0; i < row->operands; i++)
        for (int add = 0; add < 2; add++) {
            kernels->elementwise_back(code, i, ones(false), add, ones(strided), &o, y);
            ended(gr_row_op[code].name, true);
        }
}

static void call_moves(bool strided)
{
    gr_tensor *x = ones(strided), *condition = ones_of(GR_BOOL, ROWS, COLUMNS, strided);
    for (int to = 0; to < GR_DTYPES; to++) {
        kernels->copy(ones_of((gr_dtype)to, ROWS, COLUMNS, strided), x);
        ended("copy", true);
    }
    kernels->fill(x, gr_value_integer(1));
    ended("fill", true);
    kernels->accumulate(ones(false), x);
    ended("accumulate", true);
    kernels->where(ones(strided), condition, gr_value_tensor(x), gr_value_integer(1));
    ended("where", true);
}

/* Along dim: shapes that choose each way a reduction may go. */
static void call_reductions(int64_t rows, int64_t columns, int dim, bool strided)
{
    const int64_t kept = dim ? rows : columns;
    gr_tensor *x = ones_of(dtype, rows, columns, strided);
    for (int kind = 0; kind < GR_REDUCES; kind++) {
        const gr_dtype wide = gr_is_float(dtype) || kind >= GR_REDUCE_MAX ? dtype : GR_INT64;
        gr_tensor *y = gr_full_with(1, GR_SHAPE(kept), .dtype = wide);
        if (kind == GR_REDUCE_MEAN && !gr_is_float(dtype)) continue;
        ended("reduce", kernels->reduce((gr_reduce)kind, y, x, 1u << dim, gr_is_float(dtype) && kind == GR_REDUCE_SUM));
    }
    gr_tensor *values = gr_full_with(1, GR_SHAPE(kept), .dtype = dtype);
    ended("arg_reduce", kernels->arg_reduce(true, values, gr_zeros_with(GR_SHAPE(kept), .dtype = GR_INT64), x, dim));
    if (!gr_is_float(dtype)) return;
    gr_tensor *dx = ones_of(dtype, rows, columns, false), *dy = gr_full_with(1, GR_SHAPE(kept), .dtype = dtype);
    ended("extremum_back", kernels->extremum_back(dx, true, dy, x, values, 1u << dim));
}

/* So long that the places of the segments' extrema are themselves reduced by a warp, and by a block, for each row. */
static void call_long_searches(void)
{
    static const int64_t lengths[] = {600000, 34000000};
    for (int i = 0; i < 2 && dtype != GR_BFLOAT16; i++) {
        gr_tensor *x = gr_full_with(1, GR_SHAPE(lengths[i]), .dtype = dtype), *place = gr_zeros_with(GR_SHAPE(), .dtype = GR_INT64);
        ended("arg_reduce", kernels->arg_reduce(true, NULL, place, x, -1));
        gr_free(x);
    }
}

static void call_all_reductions(void)
{
    call_reductions(ROWS, 7, 1, false);     /* short rows */
    call_reductions(ROWS, COLUMNS, 1, false);
    call_reductions(ROWS, COLUMNS, 0, false);
    call_reductions(ROWS, COLUMNS, 1, true);
    call_reductions(3, 5000, 1, false);     /* a block for each row */
    call_reductions(3, 40000, 1, false);    /* several */
    call_reductions(40000, 5, 0, false);
    call_reductions(3, 40000, 1, true);
    if (gr_is_float(dtype) || dtype == GR_UINT8) call_long_searches(); /* integers are compared as int64 */
}

static void call_products(void)
{
    if (dtype == GR_BOOL) return; /* gr_matmul refuses it */
    gr_tensor *a = gr_full_with(1, GR_SHAPE(3, 17, 33), .dtype = dtype), *b = ones_of(dtype, 33, 20, true);
    for (int add = 0; add < 2; add++)
        ended("matmul", kernels->matmul(gr_full_with(1, GR_SHAPE(3, 17, 20), .dtype = dtype), a, b, add));
    if (!gr_is_float(dtype)) return;
    gr_tensor *x = ones_of(dtype, 19, 33, false), *w = ones_of(dtype, 20, 33, false);
    ended("linear", kernels->linear(ones_of(dtype, 19, 20, false), x, w, gr_full_with(1, GR_SHAPE(20), .dtype = dtype)));
}

static void call_mse(int64_t rows, int64_t columns, bool strided)
{
    gr_tensor *x = ones_of(dtype, rows, columns, false), *t = ones_of(dtype, rows, columns, strided);
    ended("mse", kernels->mse(gr_full_with(1, GR_SHAPE(), .dtype = dtype), x, t, true));
    kernels->mse_back(ones_of(dtype, rows, columns, false), true, gr_full_with(1, GR_SHAPE(), .dtype = dtype), x, t, true, true);
    ended("mse_back", true);
}

static void call_indexing(bool strided)
{
    static const int64_t place[] = {5, 0, 5, 40, 12};
    gr_tensor *index = gr_to(gr_from(place, 5), .device = gr_default_device());
    kernels->index_select(ones_of(dtype, ROWS, 5, false), ones(strided), 1, index);
    ended("index_select", true);
    kernels->index_add(ones(false), 1, index, ones_of(dtype, ROWS, 5, strided));
    ended("index_add", true);
}

static void call_updates(void)
{
    gr_tensor *number = gr_full_with(0.5, GR_SHAPE(8), .dtype = GR_FLOAT64);
    for (int code = 0; code < GR_UPDATE_COUNT; code++) {
        gr_update_item item[2];
        for (int i = 0; i < 2; i++) {
            item[i] = (gr_update_item){.p = ones(false)->data, .g = ones(false)->data, .n = ROWS * COLUMNS, .first = i == 0};
            for (int s = 0; s < GR_UPDATE_STATES; s++) item[i].state[s] = ones(false)->data;
        }
        kernels->update(code, number->device, item, 2, (const double *)(const void *)number->data);
        ended("update", true);
    }
}

static void call_dtype(int device)
{
    const gr_scope scope = gr_scope_begin();
    kernels = gr_devices[device]->kernels[dtype];
    for (int strided = 0; strided < 2; strided++) {
        for (int code = 0; code < GR_ELEMENTWISE_COUNT; code++) call_row(code, strided);
        call_moves(strided);
        call_indexing(strided);
        if (!gr_is_float(dtype)) continue;
        call_mse(3, 7, strided);
        call_mse(3, COLUMNS, strided);
        call_mse(ROWS, COLUMNS, strided);
        call_mse(600, COLUMNS, strided); /* in two stages */
    }
    call_all_reductions();
    call_products();
    if (gr_is_float(dtype)) call_updates();
    ended("synchronize", gr_synchronize(gr_default_device()));
    gr_scope_end(scope);
}

/* ---- under the emulator: what was not launched ---- */

static void look(void *missing, const char *name, int64_t launches)
{
    if (launches) return;
    fprintf(stderr, "kernels: never launched: %s\n", name);
    ++*(int *)missing;
}

static bool all_were_launched(void)
{
    typedef int visit_all(void (*visit)(void *, const char *, int64_t), void *);
    const char *path = getenv("GRADUS_CUDA_PLUGIN");
    void *plugin = path ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : NULL;
    void *found = plugin ? dlsym(plugin, "gr_emulator_kernels") : NULL;
    visit_all *visit;
    int missing = 0;
    if (!found) return true;
    memcpy(&visit, &found, sizeof visit);
    printf("the emulated plug-in holds %d kernels\n", visit(look, &missing));
    return missing == 0;
}

int main(void)
{
    if (!gr_set_default_device(gr_cuda(0))) return EXIT_FAILURE;
    const int device = gr_zeros(1)->device;
    for (int d = 0; d < GR_DTYPES; d++) {
        dtype = (gr_dtype)d;
        call_dtype(device);
    }
    printf("%d calls\n", calls);
    const bool ok = all_were_launched();
    gr_shutdown();
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
