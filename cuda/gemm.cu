/* gemm.cu - products of floats by cuBLASLt, which is opened at first use: plans are made once and kept.
 *
 * cuBLASLt counts columns first, so a row-major y = a b is asked for as y' = b' a': the operands change places, and what
 * lies row by row is to it a matrix whose columns lie side by side. */
#include "cuda/gemm.h"

#include <stdio.h>
#include <string.h>

#include <atomic>
#include <mutex>

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

/* ---- how matrices lie ---- */

bool gr_looks(gr_aspect *as, const gr_operand &x, int64_t rows, int64_t columns)
{
    as->turned = false;
    as->step = rows == 1 ? columns : x.row;
    if ((x.column == 1 || columns == 1) && as->step >= columns) return true;
    as->turned = true;
    as->step = columns == 1 ? rows : x.column;
    return (x.row == 1 || rows == 1) && as->step >= rows;
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
    int64_t m, n, k, batch, y_batch, a_batch, b_batch;
    gr_aspect a, b, y;
    int32_t device, dtype, compute;
    uint32_t a_align, b_align, y_align;
    bool add, bias;
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

enum { PLANS = 256, PROBES = 8 };
struct plan_cache {
    plan at[PLANS] = {};
    unsigned turn = 0; /* whose place the next one takes */
    ~plan_cache()
    {
        for (plan &p : at) p.end();
    }
};
static thread_local plan_cache plans;

/* The largest power of two that divides it, up to 256. */
static uint32_t alignment(const void *p)
{
    const uintptr_t bits = (uintptr_t)p | 256;
    return (uint32_t)(bits & (~bits + 1));
}

/* Of an operand that was looked at before. */
static void put_aspect(gr_aspect *to, const gr_operand &x, int64_t rows, int64_t columns)
{
    gr_aspect as;
    gr_looks(&as, x, rows, columns);
    to->step = as.step, to->turned = as.turned;
}

static plan_key key_of(const gr_product &x)
{
    plan_key key;
    memset(&key, 0, sizeof key);
    key.m = x.m, key.n = x.n, key.k = x.k, key.batch = x.batch;
    key.a_batch = x.a.batch, key.b_batch = x.b.batch, key.y_batch = x.y.batch;
    put_aspect(&key.a, x.a, x.m, x.k);
    put_aspect(&key.b, x.b, x.k, x.n);
    key.y.step = x.y.row;
    key.device = x.device, key.dtype = x.dtype, key.compute = (int32_t)compute_type(x.dtype);
    key.a_align = alignment(x.a.data), key.b_align = alignment(x.b.data);
    key.y_align = alignment(x.y.data) < alignment(x.bias) ? alignment(x.y.data) : alignment(x.bias); /* the bias is read like y */
    key.add = x.add, key.bias = x.bias != nullptr;
    return key;
}

/* The kept plan of this key, or the place where a new one goes. FNV, by words. */
static plan *place_of(const plan_key &key)
{
    static_assert(sizeof key % sizeof(uint64_t) == 0, "whole words");
    uint64_t h = 14695981039346656037u, word;
    for (size_t i = 0; i < sizeof key; i += sizeof word) {
        memcpy(&word, (const char *)&key + i, sizeof word);
        h = (h ^ word) * 1099511628211u;
        h ^= h >> 32;
    }
    plan *unused = nullptr;
    for (unsigned i = 0; i < PROBES; i++) {
        plan *p = &plans.at[(h + i) % PLANS];
        if (p->ready && !memcmp(&p->key, &key, sizeof key)) return p;
        if (!p->ready && !unused) unused = p;
    }
    return unused ? unused : &plans.at[(h + plans.turn++ % PROBES) % PLANS];
}

/* A matrix of rows x columns, row by row: to cuBLASLt columns x rows; turned ones lie the other way. */
static bool describe(cublasLtMatrixLayout_t *layout, const gr_product &x, int64_t rows, int64_t columns, const gr_aspect &as, int64_t batch_step)
{
    const int32_t count = (int32_t)x.batch;
    return CHECK(cublasLtMatrixLayoutCreate(layout, data_type(x.dtype), (uint64_t)(as.turned ? rows : columns),
                                            (uint64_t)(as.turned ? columns : rows), as.step)) &&
           CHECK(cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count)) &&
           CHECK(cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &batch_step,
                                                  sizeof batch_step));
}

static bool describe_operation(plan *p, const gr_product &x)
{
    const plan_key &key = p->key;
    const cublasOperation_t first = key.b.turned ? CUBLAS_OP_T : CUBLAS_OP_N, second = key.a.turned ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasLtEpilogue_t epilogue = x.bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    const cudaDataType_t scale = x.dtype == GR_FLOAT64 ? CUDA_R_64F : CUDA_R_32F;
    return CHECK(cublasLtMatmulDescCreate(&p->operation, (cublasComputeType_t)key.compute, scale)) &&
           CHECK(cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first)) &&
           CHECK(cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second)) &&
           CHECK(cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue)) &&
           describe(&p->b, x, x.k, x.n, key.b, x.b.batch) && describe(&p->a, x, x.m, x.k, key.a, x.a.batch) &&
           describe(&p->y, x, x.m, x.n, key.y, x.y.batch);
}

static bool set_bias(const plan *p, const gr_product &x)
{
    return !x.bias || CHECK(cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &x.bias, sizeof x.bias));
}

static bool state_preference(cublasLtMatmulPreference_t preference, const plan_key &key, size_t workspace)
{
    const uint32_t in_compute_type = 2; /* CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE: bfloat16 is rounded once, at the end */
#define PREFER(name, value) CHECK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_##name, &(value), sizeof(value)))
    return PREFER(MAX_WORKSPACE_BYTES, workspace) && PREFER(MIN_ALIGNMENT_A_BYTES, key.b_align) &&
           PREFER(MIN_ALIGNMENT_B_BYTES, key.a_align) && PREFER(MIN_ALIGNMENT_C_BYTES, key.y_align) &&
           PREFER(MIN_ALIGNMENT_D_BYTES, key.y_align) &&
           (key.dtype != GR_BFLOAT16 || PREFER(REDUCTION_SCHEME_MASK, in_compute_type));
#undef PREFER
}

static bool choose(plan *p, cublasLtHandle_t handle, size_t workspace)
{
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t result;
    int found = 0;
    if (!CHECK(cublasLtMatmulPreferenceCreate(&preference))) return false;
    const bool asked =
        state_preference(preference, p->key, workspace) &&
        CHECK(cublasLtMatmulAlgoGetHeuristic(handle, p->operation, p->b, p->a, p->y, p->y, preference, 1, &result, &found));
    lt.cublasLtMatmulPreferenceDestroy(preference);
    if (!asked) return false;
    if (!found) return ok(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulAlgoGetHeuristic");
    p->algorithm = result.algo;
    p->workspace = result.workspaceSize;
    return true;
}

/* The plan for this product: kept from an earlier one that could do with this workspace, or made. */
static plan *plan_of(cublasLtHandle_t handle, const gr_product &x, size_t workspace)
{
    const plan_key key = key_of(x);
    plan *p = place_of(key);
    if (p->ready && p->workspace <= workspace && !memcmp(&p->key, &key, sizeof key)) return p;
    p->end();
    memcpy(&p->key, &key, sizeof key);
    p->ready = describe_operation(p, x) && set_bias(p, x) && choose(p, handle, workspace);
    if (p->ready) return p;
    p->end();
    return nullptr;
}

bool gr_multiply_real(gr_stream *at, const gr_product &x)
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
    char *y = (char *)x.y.data;
    return p && set_bias(p, x) &&
           CHECK(cublasLtMatmul(handle, p->operation, wide ? (const void *)&one_wide : &one, x.b.data, p->b, x.a.data, p->a,
                                wide ? (const void *)&beta_wide : &beta, y, p->y, y, p->y, &p->algorithm, at->workspace, p->workspace,
                                at->stream));
}
