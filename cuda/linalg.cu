/* linalg.cu - matrix products over batches, and the affine layer: by cuBLASLt; of integers by a kernel of our own.
 *
 * cuBLASLt counts columns first, so a row-major y = a b is asked for as y' = b' a': the operands change places, and what
 * lies row by row is to it a matrix whose columns lie side by side. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <atomic>
#include <mutex>

#include "cuda/strides.h"

static std::atomic<bool> tf32(false);

void gr_matmul_precision(bool on)
{
    tf32 = on;
}

/* ---- the library, opened at first use ---- */

#define FUNCTIONS(F) \
    F(cublasLtCreate) \
    F(cublasLtMatmulDescCreate) \
    F(cublasLtMatmulDescDestroy) \
    F(cublasLtMatmulDescSetAttribute) \
    F(cublasLtMatrixLayoutCreate) \
    F(cublasLtMatrixLayoutDestroy) \
    F(cublasLtMatrixLayoutSetAttribute) \
    F(cublasLtMatmulPreferenceCreate) \
    F(cublasLtMatmulPreferenceDestroy) \
    F(cublasLtMatmulPreferenceSetAttribute) \
    F(cublasLtMatmulAlgoGetHeuristic) \
    F(cublasLtMatmul) \
    F(cublasLtGetStatusName)

#define LIBRARY_OF(major) "libcublasLt.so." #major
#define LIBRARY_NAMED(major) LIBRARY_OF(major)
#ifdef CUBLAS_VER_MAJOR
#define LIBRARY LIBRARY_NAMED(CUBLAS_VER_MAJOR)
#else
#define LIBRARY "libcublasLt.so"
#endif

static struct {
    std::once_flag once;
    bool there;
#define POINTER(name) decltype(&::name) name;
    FUNCTIONS(POINTER)
#undef POINTER
    cublasLtHandle_t handle[GR_PLUGIN_DEVICES + 1];
    std::mutex lock;
} lt;

static void open_library()
{
    void *library = GR_DLOPEN(LIBRARY);
    lt.there = library != nullptr;
#define FIND(name) \
    lt.name = library ? (decltype(lt.name))GR_DLSYM(library, #name) : nullptr; \
    lt.there = lt.there && lt.name;
    FUNCTIONS(FIND)
#undef FIND
}

static bool ok(cublasStatus_t status, const char *what)
{
    char text[160];
    if (status == CUBLAS_STATUS_SUCCESS) return true;
    snprintf(text, sizeof text, "%.*s failed: %s; must succeed", (int)strcspn(what, "("), what, lt.cublasLtGetStatusName(status));
    gr_host->fail(status == CUBLAS_STATUS_ALLOC_FAILED ? GR_ERROR_MEMORY : GR_ERROR_DEVICE, text);
    return false;
}
#define CHECK(call) ok(lt.call, #call)

static cublasLtHandle_t handle_of(int device)
{
    std::call_once(lt.once, open_library);
    if (!lt.there) {
        gr_host->fail(GR_ERROR_DEVICE, LIBRARY " was not found; must be installed with the CUDA libraries, and on the loader's path");
        return nullptr;
    }
    const std::lock_guard<std::mutex> hold(lt.lock);
    cublasLtHandle_t *handle = &lt.handle[device];
    if (!*handle && !CHECK(cublasLtCreate(handle))) *handle = nullptr;
    return *handle;
}

/* ---- what is asked for ---- */

/* A matrix as cuBLASLt sees it: transposed when it lies column by column; `step` from one row, or column, to the next. */
struct operand {
    const void *data;
    int64_t step, batch_step;
    bool turned;
};

struct product {
    int device, dtype;
    int64_t m, n, k; /* y[m, n] = a[m, k] b[k, n] */
    operand a, b;
    void *y;
    const void *bias; /* [n] or NULL */
    int64_t batch;
    bool add;
};

/* How a [rows, columns] matrix with these strides looks; false when neither runs side by side. */
static bool look(operand *x, int64_t rows, int64_t columns, int64_t row, int64_t column)
{
    x->turned = false;
    x->step = rows == 1 ? columns : row;
    if ((column == 1 || columns == 1) && x->step >= columns) return true;
    x->turned = true;
    x->step = columns == 1 ? rows : column;
    return (row == 1 || rows == 1) && x->step >= rows;
}

static cudaDataType_t data_type(int dtype)
{
    return dtype == GR_FLOAT32 ? CUDA_R_32F : dtype == GR_FLOAT64 ? CUDA_R_64F : CUDA_R_16BF;
}

static cublasComputeType_t compute_type(int dtype)
{
    if (dtype == GR_FLOAT64) return CUBLAS_COMPUTE_64F;
    return dtype == GR_FLOAT32 && tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

/* ---- plans: descriptions and the algorithm that was chosen, kept for the next product of the same kind ---- */

static const size_t workspace_bytes = 32 << 20;

/* All that the choice depends on; bytes are compared, so it is zeroed first. */
struct plan_key {
    int64_t m, n, k, batch, a_step, b_step, a_batch, b_batch;
    int32_t device, dtype, compute;
    uint32_t a_align, b_align, y_align;
    bool a_turned, b_turned, add, bias;
};

struct plan {
    bool ready;
    plan_key key;
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t a, b, y;
    cublasLtMatmulAlgo_t algorithm;
    size_t workspace;

    void end()
    {
        if (operation) lt.cublasLtMatmulDescDestroy(operation);
        if (a) lt.cublasLtMatrixLayoutDestroy(a);
        if (b) lt.cublasLtMatrixLayoutDestroy(b);
        if (y) lt.cublasLtMatrixLayoutDestroy(y);
        *this = plan();
    }
};

enum { PLANS = 64 };
struct plan_cache {
    plan at[PLANS] = {};
    ~plan_cache()
    {
        for (plan &p : at) p.end();
    }
};
static thread_local plan_cache plans;

static uint32_t alignment(const void *p)
{
    const uintptr_t bits = (uintptr_t)p | 256;
    return (uint32_t)(bits & (~bits + 1));
}

static plan_key key_of(const product &p)
{
    plan_key key;
    memset(&key, 0, sizeof key);
    key.m = p.m, key.n = p.n, key.k = p.k, key.batch = p.batch;
    key.a_step = p.a.step, key.b_step = p.b.step, key.a_batch = p.a.batch_step, key.b_batch = p.b.batch_step;
    key.device = p.device, key.dtype = p.dtype, key.compute = (int32_t)compute_type(p.dtype);
    key.a_align = alignment(p.a.data), key.b_align = alignment(p.b.data), key.y_align = alignment(p.y);
    key.a_turned = p.a.turned, key.b_turned = p.b.turned, key.add = p.add, key.bias = p.bias != nullptr;
    return key;
}

static plan *place_of(const plan_key &key)
{
    uint64_t h = 14695981039346656037u;
    const unsigned char *bytes = (const unsigned char *)&key;
    for (size_t i = 0; i < sizeof key; i++) h = (h ^ bytes[i]) * 1099511628211u;
    return &plans.at[(h >> 32) % PLANS];
}

/* A matrix of rows x columns, row by row: to cuBLASLt columns x rows; `turned` ones lie the other way. */
static bool describe(cublasLtMatrixLayout_t *layout, int dtype, int64_t rows, int64_t columns, bool turned, int64_t step, int64_t batch,
                     int64_t batch_step)
{
    const int32_t count = (int32_t)batch;
    return CHECK(cublasLtMatrixLayoutCreate(layout, data_type(dtype), (uint64_t)(turned ? rows : columns),
                                            (uint64_t)(turned ? columns : rows), step)) &&
           CHECK(cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count)) &&
           CHECK(cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &batch_step,
                                                  sizeof batch_step));
}

static bool describe_operation(plan *p, const product &x)
{
    const cublasOperation_t first = x.b.turned ? CUBLAS_OP_T : CUBLAS_OP_N, second = x.a.turned ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasLtEpilogue_t epilogue = x.bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    const cudaDataType_t scale = x.dtype == GR_FLOAT64 ? CUDA_R_64F : CUDA_R_32F;
    return CHECK(cublasLtMatmulDescCreate(&p->operation, compute_type(x.dtype), scale)) &&
           CHECK(cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first)) &&
           CHECK(cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second)) &&
           CHECK(cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue)) &&
           describe(&p->b, x.dtype, x.k, x.n, x.b.turned, x.b.step, x.batch, x.b.batch_step) &&
           describe(&p->a, x.dtype, x.m, x.k, x.a.turned, x.a.step, x.batch, x.a.batch_step) &&
           describe(&p->y, x.dtype, x.m, x.n, false, x.n, x.batch, x.m * x.n);
}

static bool set_bias(const plan *p, const product &x)
{
    return !x.bias || CHECK(cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &x.bias, sizeof x.bias));
}

static bool choose(plan *p, cublasLtHandle_t handle, const plan_key &key, size_t workspace)
{
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t result;
    int found = 0;
    if (!CHECK(cublasLtMatmulPreferenceCreate(&preference))) return false;
    const bool asked =
        CHECK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace)) &&
        CHECK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &key.b_align, 4)) &&
        CHECK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &key.a_align, 4)) &&
        CHECK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &key.y_align, 4)) &&
        CHECK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &key.y_align, 4)) &&
        CHECK(cublasLtMatmulAlgoGetHeuristic(handle, p->operation, p->b, p->a, p->y, p->y, preference, 1, &result, &found));
    lt.cublasLtMatmulPreferenceDestroy(preference);
    if (!asked) return false;
    if (!found) return ok(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulAlgoGetHeuristic");
    p->algorithm = result.algo;
    p->workspace = result.workspaceSize;
    return true;
}

/* The plan for this product: kept from an earlier one, or made in its place. */
static plan *plan_of(cublasLtHandle_t handle, const product &x, size_t workspace)
{
    const plan_key key = key_of(x);
    plan *p = place_of(key);
    if (p->ready && !memcmp(&p->key, &key, sizeof key)) return p;
    p->end();
    memcpy(&p->key, &key, sizeof key);
    p->ready = describe_operation(p, x) && set_bias(p, x) && choose(p, handle, key, workspace);
    if (p->ready) return p;
    p->end();
    return nullptr;
}

static bool multiply(gr_stream *at, const product &x)
{
    cublasLtHandle_t handle = handle_of(at->device);
    if (!handle) return false;
    if (!at->workspace && cudaMalloc(&at->workspace, workspace_bytes) != cudaSuccess) {
        cudaGetLastError(); /* it does without */
        at->workspace = nullptr;
    }
    plan *p = plan_of(handle, x, at->workspace ? workspace_bytes : 0);
    const float one = 1, beta = x.add;
    const double one_wide = 1, beta_wide = x.add;
    const bool wide = x.dtype == GR_FLOAT64;
    return p && set_bias(p, x) &&
           CHECK(cublasLtMatmul(handle, p->operation, wide ? (const void *)&one_wide : &one, x.b.data, p->b, x.a.data, p->a,
                                wide ? (const void *)&beta_wide : &beta, x.y, p->y, x.y, p->y, &p->algorithm, at->workspace,
                                p->workspace, at->stream));
}

/* ---- integers: a tile of results per block, operands through shared memory; they wrap around ---- */

enum { SIDE = 16 };

template <class T>
__global__ void multiply_kernel(T *y, const T *a, const T *b, int64_t m, int64_t n, int64_t k, int64_t a_row, int64_t a_column,
                                int64_t b_row, int64_t b_column, int64_t tiles_across, bool sums)
{
    __shared__ T as[SIDE][SIDE], bs[SIDE][SIDE + 1];
    const int64_t row = (int64_t)(blockIdx.x / tiles_across) * SIDE + threadIdx.y;
    const int64_t column = (int64_t)(blockIdx.x % tiles_across) * SIDE + threadIdx.x;
    uint64_t sum = 0;
    for (int64_t l = 0; l < k; l += SIDE) {
        const int64_t a_l = l + threadIdx.x, b_l = l + threadIdx.y;
        as[threadIdx.y][threadIdx.x] = row < m && a_l < k ? a[row * a_row + a_l * a_column] : (T)0;
        bs[threadIdx.y][threadIdx.x] = column < n && b_l < k ? b[b_l * b_row + column * b_column] : (T)0;
        __syncthreads();
        for (int j = 0; j < SIDE; j++) sum += (uint64_t)as[threadIdx.y][j] * (uint64_t)bs[j][threadIdx.x];
        __syncthreads();
    }
    if (row >= m || column >= n) return;
    T *to = y + row * n + column;
    *to = (T)(sums ? (uint64_t)*to + sum : sum);
}

template <class T> static bool multiply_whole(gr_stream *at, const product &x, int64_t a_row, int64_t a_column, int64_t b_row, int64_t b_column)
{
    const int64_t across = (x.n + SIDE - 1) / SIDE, down = (x.m + SIDE - 1) / SIDE;
    GR_LAUNCH((multiply_kernel<T>), (unsigned)(across * down), dim3(SIDE, SIDE), 0, at->stream, (T *)x.y, (const T *)x.a.data,
              (const T *)x.b.data, x.m, x.n, x.k, a_row, a_column, b_row, b_column, across, x.add);
    return gr_launched("matmul");
}

/* ---- operands ---- */

/* A tensor of matrices: as it lies, or a row-major copy where cuBLASLt cannot take that. */
struct matrices {
    const gr_tensor *tensor;
    operand as;

    matrices() = default;
    matrices(const matrices &) = delete;
    matrices &operator=(const matrices &) = delete;
    ~matrices()
    {
        if (block) gr_host->give_back(block);
    }
    bool make(const gr_tensor *x, bool transposed)
    {
        tensor = x;
        if (!look_at(x, transposed)) {
            int64_t count = 1;
            for (int d = 0; d < x->dim; d++) count *= x->axis[d].size;
            block = gr_host->borrow(x->device, (size_t)count * gr_bytes_of(x->dtype));
            if (!block) return false;
            copy = gr_describe(x, x->dtype, block->data);
            gr_cuda_copy(&copy, x);
            tensor = &copy;
            look_at(&copy, transposed);
        }
        as.data = tensor->data;
        return true;
    }

private:
    gr_tensor copy;
    gr_storage *block = nullptr;

    bool look_at(const gr_tensor *x, bool transposed)
    {
        gr_axis row = x->axis[x->dim - 2], column = x->axis[x->dim - 1];
        if (transposed) {
            const gr_axis other = row;
            row = column;
            column = other;
        }
        return look(&as, row.size, column.size, row.stride, column.stride);
    }
};

/* y's batch in runs with even steps in a and b: f(offset in y, in a, in b, count, step in a, in b), in matrices and elements. */
template <class F> static bool each_batch(const gr_tensor *y, const gr_tensor *a, const gr_tensor *b, F f)
{
    gr_layout<2> batch;
    gr_tensor outer = *y;
    outer.dim = y->dim - 2;
    gr_tensor a_outer = *a, b_outer = *b;
    a_outer.dim = a->dim - 2;
    b_outer.dim = b->dim - 2;
    const gr_tensor *const both[] = {&a_outer, &b_outer};
    batch = gr_layout_of<2>(&outer, both);
    const int last = batch.dim - 1;
    const int64_t run = batch.dim ? batch.size[last] : 1, count = batch.count();
    const int64_t a_step = batch.dim ? batch.stride[last][0] : 0, b_step = batch.dim ? batch.stride[last][1] : 0;
    for (int64_t at = 0; at < count; at += run) {
        int64_t offset[2] = {0, 0}, rest = at / run;
        for (int d = last - 1; d >= 0; rest /= batch.size[d--])
            for (int k = 0; k < 2; k++) offset[k] += rest % batch.size[d] * batch.stride[d][k];
        for (int64_t done = 0; done < run; done += INT_MAX) { /* cuBLASLt counts a batch in 31 bits */
            const int64_t part = run - done < INT_MAX ? run - done : INT_MAX;
            if (!f(at + done, offset[0] + done * a_step, offset[1] + done * b_step, part, a_step, b_step)) return false;
        }
    }
    return true;
}

static bool nothing_to_add(gr_tensor *y, const gr_tensor *bias, bool add)
{
    if (bias) gr_cuda_copy(y, bias);
    else if (!add) gr_cuda_fill(y, gr_value_integer(0));
    return true;
}

static bool whole_product(gr_stream *at, int dtype, const product &x, const gr_tensor *a, const gr_tensor *b)
{
    const gr_axis *p = &a->axis[a->dim - 2], *q = &b->axis[b->dim - 2];
    switch (dtype) {
    case GR_INT64: return multiply_whole<int64_t>(at, x, p[0].stride, p[1].stride, q[0].stride, q[1].stride);
    case GR_INT32: return multiply_whole<int32_t>(at, x, p[0].stride, p[1].stride, q[0].stride, q[1].stride);
    default: return multiply_whole<uint8_t>(at, x, p[0].stride, p[1].stride, q[0].stride, q[1].stride);
    }
}

/* y = a b, or += it; b is taken transposed for a layer's weight. */
static bool run(gr_tensor *y, const gr_tensor *a, const gr_tensor *b, bool b_transposed, const gr_tensor *bias, bool add)
{
    gr_stream *at = gr_stream_of(y);
    if (!at) return false;
    if (y->numel == 0) return true;
    product x = {};
    x.device = at->device;
    x.dtype = y->dtype;
    x.m = y->axis[y->dim - 2].size;
    x.n = y->axis[y->dim - 1].size;
    x.k = a->axis[a->dim - 1].size;
    x.add = add;
    if (x.k == 0) return nothing_to_add(y, bias, add);
    const bool whole = y->dtype > GR_BFLOAT16;
    matrices first, second;
    if (!whole && (!first.make(a, false) || !second.make(b, b_transposed))) return false;
    const gr_tensor *p = whole ? a : first.tensor, *q = whole ? b : second.tensor;
    const int64_t bytes = (int64_t)gr_bytes_of(y->dtype);
    x.a = first.as;
    x.b = second.as;
    x.bias = bias ? bias->data : nullptr;
    return each_batch(y, p, q, [&](int64_t matrix, int64_t in_a, int64_t in_b, int64_t count, int64_t a_step, int64_t b_step) {
        product part = x;
        for (int64_t i = 0; i < (whole ? count : 1); i++) {
            part.y = y->data + (matrix + i) * x.m * x.n * bytes;
            part.a.data = p->data + (in_a + i * a_step) * bytes;
            part.b.data = q->data + (in_b + i * b_step) * bytes;
            part.batch = count;
            part.a.batch_step = a_step;
            part.b.batch_step = b_step;
            if (!(whole ? whole_product(at, y->dtype, part, p, q) : multiply(at, part))) return false;
        }
        return true;
    });
}

bool gr_cuda_matmul(gr_tensor *y, const gr_tensor *a, const gr_tensor *b, bool add)
{
    return run(y, a, b, false, nullptr, add);
}

bool gr_cuda_linear(gr_tensor *y, const gr_tensor *x, const gr_tensor *w, const gr_tensor *bias)
{
    gr_tensor copy;
    if (!bias || bias->contiguous) return run(y, x, w, true, bias, false);
    gr_temporary memory(y->device, (size_t)bias->axis[0].size * gr_bytes_of(bias->dtype) + 1);
    if (!memory) return false;
    copy = gr_describe(bias, bias->dtype, memory.as<char>());
    gr_cuda_copy(&copy, bias);
    return run(y, x, w, true, &copy, false);
}
