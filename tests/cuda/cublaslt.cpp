/* cublaslt.cpp - the stand-in for cuBLASLt: handles, descriptors, algorithms, and the calls. */
#include "cublaslt.h"
#include "machine.h"
#include "matmul.h"
#include <set>

using namespace emulator;

struct cublasLtContext {
    char unused;
};
struct cublasLtMatrixLayoutOpaque {
    matrix m;
};
struct cublasLtMatmulDescOpaque {
    matmul_problem p;
};
struct cublasLtMatmulPreferenceOpaque {
    uint32_t search_mode = 0, reduction_mask = 7;
    uint64_t workspace = 0;
    uint32_t alignment[4] = {256, 256, 256, 256}; /* of a, b, c, d */
};
/* What cublasLtMatmulAlgo_t's words mean here. */
struct algorithm {
    uint64_t mark, kind; /* kind: types and operations it was found for */
    uint64_t workspace, alignment[4], unused;
};
static_assert(sizeof(algorithm) == sizeof(cublasLtMatmulAlgo_t), "one algorithm");
static const uint64_t ALGORITHM = 0x67726164757365;

namespace emulator {

/* Handles and descriptors that were made and not destroyed. */
static std::set<const void *> &live = lasting<std::set<const void *>>();
static bool is_live(const void *object)
{
    machine_lock lock;
    return live.count(object) == 1;
}

static cublasStatus_t invalid(const char *text)
{
    refuse(cudaErrorInvalidValue, "cuBLASLt: %s", text);
    return CUBLAS_STATUS_INVALID_VALUE;
}

template <class T>
static cublasStatus_t create(const char *name, T **object)
{
    machine_lock lock;
    int failure = requested_failure(name);
    if (failure || !object) {
        return failure ? (cublasStatus_t)failure : CUBLAS_STATUS_INVALID_VALUE;
    }
    *object = new T();
    live.insert(*object);
    counts.live_descriptors++;
    return CUBLAS_STATUS_SUCCESS;
}
template <class T>
static cublasStatus_t destroy(T *object)
{
    machine_lock lock;
    if (object && live.erase(object) == 0) {
        return invalid("what is destroyed does not exist");
    }
    counts.live_descriptors -= object != nullptr;
    delete object;
    return CUBLAS_STATUS_SUCCESS;
}
template <class T>
static cublasStatus_t set(T *to, const void *value, size_t bytes)
{
    if (!value || bytes != sizeof(T)) {
        return invalid("the value of an attribute is NULL or has another size");
    }
    memcpy(to, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

/* Puts the problem together. */
static cublasStatus_t pose(matmul_problem *p, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                           cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d)
{
    if (!is_live(desc) || !is_live(a) || !is_live(b) || !is_live(c) || !is_live(d)) {
        return invalid("a descriptor is NULL or was destroyed");
    }
    *p = desc->p;
    p->a = a->m;
    p->b = b->m;
    p->c = c->m;
    p->d = d->m;
    p->m = d->m.rows;
    p->n = d->m.cols;
    p->k = p->transposed[0] == CUBLAS_OP_N ? a->m.cols : a->m.rows;
    return check_problem(*p);
}

static uint64_t kind_of(const matmul_problem &p)
{
    uint64_t kind = 0;
    for (int part : {p.compute, (int)p.a.type, (int)p.d.type, p.transposed[0], p.transposed[1], (int)p.epilogue, p.a.order,
                     p.b.order, p.d.order}) {
        kind = kind * 101 + (uint64_t)part;
    }
    return kind;
}

static cublasStatus_t read_scalars(matmul_problem *p, int device, const void *alpha, const void *beta)
{
    size_t bytes = type_bytes(p->scale_type);
    if (p->pointer_mode != CUBLASLT_POINTER_MODE_HOST && p->pointer_mode != CUBLASLT_POINTER_MODE_DEVICE) {
        return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    bool on_device = p->pointer_mode == CUBLASLT_POINTER_MODE_DEVICE;
    for (const void *scalar : {alpha, beta}) {
        if (!scalar || on_device != inside_device_memory(device, scalar, bytes)) {
            return invalid(on_device ? "alpha or beta is no device memory" : "alpha or beta is no host memory");
        }
    }
    p->alpha = on_device ? alpha : nullptr;
    p->beta = on_device ? beta : nullptr;
    p->alpha_number = on_device ? 0 : load_number(alpha, p->scale_type);
    p->beta_number = on_device ? 0 : load_number(beta, p->scale_type);
    return CUBLAS_STATUS_SUCCESS;
}

struct matmul_work : work {
    matmul_problem p;
    void *workspace;
    size_t bytes;
    matmul_work(const matmul_problem &problem, void *w, size_t n) : p(problem), workspace(w), bytes(n) {}
    void run(int device) override
    {
        if (check_addresses(p, device, nullptr)) {
            fault(device, cudaErrorIllegalAddress, "cublasLtMatmul: memory was freed before it ran");
            return;
        }
        compute_matmul(p);
        if (bytes) {
            memset(workspace, UNSET, bytes); /* who keeps something there loses it */
        }
    }
};

static cublasStatus_t matmul(const matmul_problem &p, const cublasLtMatmulAlgo_t *algo, void *workspace, size_t bytes,
                             cudaStream_t stream)
{
    CUstream_st *s = stream_of(stream);
    if (!s || device_of(s) != current_device()) {
        return invalid("the stream is not one of the current device");
    }
    algorithm found = {};
    if (algo) {
        memcpy(&found, algo, sizeof found);
    }
    if (algo && (found.mark != ALGORITHM || found.kind != kind_of(p) || found.workspace > bytes)) {
        return invalid("the algorithm is for other types or operations, or needs more workspace");
    }
    cublasStatus_t status = check_addresses(p, device_of(s), algo ? found.alignment : nullptr);
    status = status || !bytes ? status : check_operand("workspace", device_of(s), workspace, bytes, 256);
    if (!status) {
        counts.matmuls++;
        enqueue_work(stream, std::make_unique<matmul_work>(p, workspace, (size_t)found.workspace));
    }
    return status;
}

/* Two ways to do it: one that uses workspace, if as much as a copy of d is allowed, and one that does not. */
static int find_algorithms(const matmul_problem &p, const cublasLtMatmulPreferenceOpaque &wish, int wanted,
                           cublasLtMatmulHeuristicResult_t *results)
{
    int found = 0;
    uint64_t need = p.m * p.n * (uint64_t)p.d.batch * 4;
    for (uint64_t workspace : {need, (uint64_t)0}) {
        if (found < wanted && workspace <= wish.workspace) {
            algorithm algo = {ALGORITHM, kind_of(p), workspace, {}, 0};
            for (int i = 0; i < 4; i++) {
                algo.alignment[i] = wish.alignment[i] < 16 ? wish.alignment[i] : 16;
            }
            cublasLtMatmulHeuristicResult_t *r = &results[found++];
            *r = {};
            memcpy(&r->algo, &algo, sizeof algo);
            r->workspaceSize = workspace;
            r->wavesCount = 1;
        }
    }
    return found;
}

static cublasStatus_t begin(const char *name, cublasLtHandle_t handle)
{
    if (!is_live(handle) || setting.driver != driver_state::ok) {
        return CUBLAS_STATUS_NOT_INITIALIZED;
    }
    if (lost(current_device())) {
        return CUBLAS_STATUS_EXECUTION_FAILED;
    }
    return (cublasStatus_t)requested_failure(name);
}

void *cublaslt_symbol(const char *name)
{
    static const struct {
        const char *name;
        void *function;
    } all[] = {
#define GR_SYMBOL(f) {#f, (void *)f},
        GR_SYMBOL(cublasLtGetVersion) GR_SYMBOL(cublasLtGetStatusName) GR_SYMBOL(cublasLtGetStatusString)
        GR_SYMBOL(cublasLtCreate) GR_SYMBOL(cublasLtDestroy)
        GR_SYMBOL(cublasLtMatrixLayoutCreate) GR_SYMBOL(cublasLtMatrixLayoutDestroy)
        GR_SYMBOL(cublasLtMatrixLayoutSetAttribute)
        GR_SYMBOL(cublasLtMatmulDescCreate) GR_SYMBOL(cublasLtMatmulDescDestroy)
        GR_SYMBOL(cublasLtMatmulDescSetAttribute)
        GR_SYMBOL(cublasLtMatmulPreferenceCreate) GR_SYMBOL(cublasLtMatmulPreferenceDestroy)
        GR_SYMBOL(cublasLtMatmulPreferenceSetAttribute)
        GR_SYMBOL(cublasLtMatmulAlgoGetHeuristic) GR_SYMBOL(cublasLtMatmul)
#undef GR_SYMBOL
    };
    for (const auto &symbol : all) {
        if (strcmp(symbol.name, name) == 0) {
            return symbol.function;
        }
    }
    return nullptr;
}

} // namespace emulator

/* ---- the calls ---- */

extern "C" {

size_t cublasLtGetVersion(void)
{
    return 130000;
}

const char *cublasLtGetStatusName(cublasStatus_t status)
{
    switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH: return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR: return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    }
    return "CUBLAS_STATUS_UNKNOWN";
}
const char *cublasLtGetStatusString(cublasStatus_t status)
{
    return cublasLtGetStatusName(status);
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    return setting.driver == driver_state::ok ? create("cublasLtCreate", handle) : CUBLAS_STATUS_NOT_INITIALIZED;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    return destroy(handle);
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType type, uint64_t rows, uint64_t cols,
                                          int64_t ld)
{
    if (type != CUDA_R_32F && type != CUDA_R_64F && type != CUDA_R_16BF) {
        return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    cublasStatus_t status = create("cublasLtMatrixLayoutCreate", layout);
    if (!status) {
        (*layout)->m = {type, CUBLASLT_ORDER_COL, rows, cols, ld, 1, 0, nullptr};
    }
    return status;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    return destroy(layout);
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t attribute,
                                                const void *value, size_t bytes)
{
    if (!is_live(layout)) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    matrix &m = layout->m;
    switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_TYPE: return set(&m.type, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_ORDER: return set(&m.order, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_ROWS: return set(&m.rows, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_COLS: return set(&m.cols, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_LD: return set(&m.ld, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return set(&m.batch, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return set(&m.batch_stride, value, bytes);
    }
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *desc, cublasComputeType_t compute, cudaDataType_t scale)
{
    cublasStatus_t status = create("cublasLtMatmulDescCreate", desc);
    if (!status) {
        matmul_problem p = {};
        p.compute = compute;
        p.scale_type = scale;
        p.epilogue = CUBLASLT_EPILOGUE_DEFAULT;
        p.bias_type = -1;
        (*desc)->p = p;
    }
    return status;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc)
{
    return destroy(desc);
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute,
                                              const void *value, size_t bytes)
{
    if (!is_live(desc)) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    matmul_problem &p = desc->p;
    switch (attribute) {
    case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE: return set(&p.compute, value, bytes);
    case CUBLASLT_MATMUL_DESC_SCALE_TYPE: return set(&p.scale_type, value, bytes);
    case CUBLASLT_MATMUL_DESC_POINTER_MODE: return set(&p.pointer_mode, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSA: return set(&p.transposed[0], value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB: return set(&p.transposed[1], value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSC: return set(&p.transposed[2], value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return set(&p.epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return set(&p.bias, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE: return set(&p.bias_stride, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return set(&p.bias_type, value, bytes);
    }
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference)
{
    return create("cublasLtMatmulPreferenceCreate", preference);
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    return destroy(preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void *value,
                                                    size_t bytes)
{
    if (!is_live(preference)) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    switch (attribute) {
    case CUBLASLT_MATMUL_PREF_SEARCH_MODE: return set(&preference->search_mode, value, bytes);
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return set(&preference->workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return set(&preference->reduction_mask, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: return set(&preference->alignment[0], value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: return set(&preference->alignment[1], value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: return set(&preference->alignment[2], value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: return set(&preference->alignment[3], value, bytes);
    }
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int *found)
{
    machine_lock lock;
    matmul_problem p;
    cublasStatus_t status = begin("cublasLtMatmulAlgoGetHeuristic", handle);
    if (!status && (wanted < 1 || !results || !found || !is_live(preference))) {
        status = CUBLAS_STATUS_INVALID_VALUE;
    }
    status = status ? status : pose(&p, desc, a, b, c, d);
    if (!status) {
        *found = find_algorithms(p, *preference, wanted, results);
    }
    return status;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *a,
                              cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout,
                              const void *beta, const void *c, cublasLtMatrixLayout_t c_layout, void *d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algo, void *workspace,
                              size_t workspace_bytes, cudaStream_t stream)
{
    machine_lock lock;
    matmul_problem p;
    cublasStatus_t status = begin("cublasLtMatmul", handle);
    status = status ? status : pose(&p, desc, a_layout, b_layout, c_layout, d_layout);
    if (!status) {
        p.a.data = (void *)a;
        p.b.data = (void *)b;
        p.c.data = (void *)c;
        p.d.data = d;
        status = read_scalars(&p, current_device(), alpha, beta);
    }
    return status ? status : matmul(p, algo, workspace, workspace_bytes, stream);
}
}
