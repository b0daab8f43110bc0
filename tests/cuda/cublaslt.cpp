/* cublaslt.cpp - the stand-in for cuBLASLt: descriptors, and every argument of a matmul checked before it is queued.
 * What the real library leaves undefined (operands that overlap, freed memory) is refused here too. */
#include "cublaslt.h"
#include "machine.h"
#include "matmul.h"
#include <limits.h>

using namespace emulator;

enum : uint64_t { ALIVE = 0x67726164757365ull, DEAD = 0 };
struct cublasLtContext {
    uint64_t state = ALIVE;
};
struct cublasLtMatrixLayoutOpaque {
    uint64_t state = ALIVE;
    matrix m;
};
struct cublasLtMatmulDescOpaque {
    uint64_t state = ALIVE;
    matmul_problem p;
};
struct cublasLtMatmulPreferenceOpaque {
    uint64_t state = ALIVE;
    uint32_t search_mode = 0, reduction_mask = 7;
    uint64_t workspace = 0;
    uint32_t alignment[4] = {256, 256, 256, 256}; /* of a, b, c, d */
};
/* What cublasLtMatmulAlgo_t's words mean here. */
struct algorithm {
    uint64_t state, kind; /* kind: types and operations it was found for */
    uint64_t workspace, alignment[4], unused;
};
static_assert(sizeof(algorithm) == sizeof(cublasLtMatmulAlgo_t), "one algorithm");

namespace emulator {

template <class... A>
static cublasStatus_t refuse_matmul(cublasStatus_t status, const char *format, A... arguments)
{
    refuse(cudaErrorInvalidValue, format, arguments...);
    return status;
}
#define GR_INVALID(...) refuse_matmul(CUBLAS_STATUS_INVALID_VALUE, "cublasLtMatmul: " __VA_ARGS__)

template <class T>
static cublasStatus_t create(const char *name, T **object)
{
    machine_lock lock;
    int failure = requested_failure(name);
    if (failure || !object) {
        return failure ? (cublasStatus_t)failure : CUBLAS_STATUS_INVALID_VALUE;
    }
    *object = new T();
    return CUBLAS_STATUS_SUCCESS;
}
template <class T>
static cublasStatus_t destroy(T *object)
{
    if (object) {
        object->state = DEAD;
        delete object;
    }
    return CUBLAS_STATUS_SUCCESS;
}
template <class T>
static cublasStatus_t set(T *to, const void *value, size_t bytes)
{
    if (!value || bytes != sizeof(T)) {
        return refuse_matmul(CUBLAS_STATUS_INVALID_VALUE, "cuBLASLt: an attribute of %zu bytes was given %zu", sizeof(T),
                             bytes);
    }
    memcpy(to, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- what is asked for ---- */

static bool is_known_type(int type)
{
    return type == CUDA_R_32F || type == CUDA_R_64F || type == CUDA_R_16BF;
}
static bool is_double(const matmul_problem &p)
{
    return p.compute == CUBLAS_COMPUTE_64F || p.compute == CUBLAS_COMPUTE_64F_PEDANTIC;
}

static cublasStatus_t check_types(const matmul_problem &p)
{
    int a = p.a.type, b = p.b.type, c = p.c.type, d = p.d.type;
    int scale = is_double(p) ? CUDA_R_64F : CUDA_R_32F;
    bool same = a == scale && b == scale && c == scale && d == scale;
    bool bf16 = p.compute == CUBLAS_COMPUTE_32F && a == CUDA_R_16BF && b == CUDA_R_16BF && c == d &&
                (d == CUDA_R_16BF || d == CUDA_R_32F);
    if (p.scale_type != scale || !(same || bf16)) {
        return refuse_matmul(CUBLAS_STATUS_NOT_SUPPORTED,
                             "cublasLtMatmul: types a %d, b %d, c %d, d %d with compute %d, scale %d", a, b, c, d, p.compute,
                             p.scale_type);
    }
    int bias = p.bias_type < 0 ? d : p.bias_type;
    bool bias_fits = bias == d || (bf16 && bias == CUDA_R_16BF);
    if ((p.epilogue & CUBLASLT_EPILOGUE_BIAS) && !bias_fits) {
        return refuse_matmul(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmul: bias of type %d with d of type %d", bias, d);
    }
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t check_layout(const char *name, const matrix &m, uint64_t rows, uint64_t cols)
{
    if (m.rows != rows || m.cols != cols || !rows || !cols || rows > INT_MAX || cols > INT_MAX) {
        return GR_INVALID("%s is %llu x %llu, must be %llu x %llu", name, (unsigned long long)m.rows,
                          (unsigned long long)m.cols, (unsigned long long)rows, (unsigned long long)cols);
    }
    if (m.order != CUBLASLT_ORDER_COL && m.order != CUBLASLT_ORDER_ROW) {
        return refuse_matmul(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmul: order %d of %s", m.order, name);
    }
    auto least = (int64_t)(m.order == CUBLASLT_ORDER_COL ? m.rows : m.cols);
    if (m.ld < least) {
        return GR_INVALID("the leading dimension of %s is %lld, must be at least %lld", name, (long long)m.ld,
                          (long long)least);
    }
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t check_batches(const matmul_problem &p)
{
    int32_t batch = p.d.batch;
    if (batch < 1 || p.a.batch != batch || p.b.batch != batch || p.c.batch != batch) {
        return GR_INVALID("batch counts %d, %d, %d, %d of a, b, c, d must be equal", p.a.batch, p.b.batch, p.c.batch, batch);
    }
    const matrix &d = p.d;
    int64_t one = d.ld * (int64_t)((d.order == CUBLASLT_ORDER_COL ? d.cols : d.rows) - 1) +
                  (int64_t)(d.order == CUBLASLT_ORDER_COL ? d.rows : d.cols);
    if (batch > 1 && (d.batch_stride < one || p.a.batch_stride < 0 || p.b.batch_stride < 0 || p.c.batch_stride < 0)) {
        return GR_INVALID("batches of d overlap, or a stride is negative");
    }
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t check_epilogue(const matmul_problem &p)
{
    static const uint32_t known[] = {CUBLASLT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_RELU, CUBLASLT_EPILOGUE_BIAS,
                                     CUBLASLT_EPILOGUE_RELU_BIAS, CUBLASLT_EPILOGUE_GELU, CUBLASLT_EPILOGUE_GELU_BIAS};
    bool is_known = false;
    for (uint32_t e : known) {
        is_known |= e == p.epilogue;
    }
    if (!is_known || p.transposed[2] != CUBLAS_OP_N) {
        return refuse_matmul(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmul: epilogue %u, operation %d on c", p.epilogue,
                             p.transposed[2]);
    }
    /* The bias goes along d's rows; the real library offers it for column order only. */
    if ((p.epilogue & CUBLASLT_EPILOGUE_BIAS) && p.d.order != CUBLASLT_ORDER_COL) {
        return refuse_matmul(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmul: a bias needs d in column order");
    }
    return CUBLAS_STATUS_SUCCESS;
}

/* Puts the problem together; no address is looked at. */
static cublasStatus_t pose(matmul_problem *p, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                           cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d)
{
    if (!desc || !a || !b || !c || !d) {
        return GR_INVALID("a descriptor is NULL");
    }
    if (desc->state != ALIVE || a->state != ALIVE || b->state != ALIVE || c->state != ALIVE || d->state != ALIVE) {
        return GR_INVALID("a descriptor was destroyed");
    }
    *p = desc->p;
    p->a = a->m;
    p->b = b->m;
    p->c = c->m;
    p->d = d->m;
    p->m = d->m.rows;
    p->n = d->m.cols;
    p->k = p->transposed[0] == CUBLAS_OP_N ? a->m.cols : a->m.rows;
    bool at = p->transposed[0] != CUBLAS_OP_N, bt = p->transposed[1] != CUBLAS_OP_N;
    cublasStatus_t status = check_types(*p);
    status = status ? status : check_layout("a", p->a, at ? p->k : p->m, at ? p->m : p->k);
    status = status ? status : check_layout("b", p->b, bt ? p->n : p->k, bt ? p->k : p->n);
    status = status ? status : check_layout("c", p->c, p->m, p->n);
    status = status ? status : check_layout("d", p->d, p->m, p->n);
    status = status ? status : check_batches(*p);
    return status ? status : check_epilogue(*p);
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

/* ---- addresses ---- */

static cublasStatus_t check_operand(const char *name, int device, const void *p, size_t bytes, size_t alignment)
{
    if (!p || (uintptr_t)p % alignment != 0) {
        return GR_INVALID("%s is %p, must be aligned to %zu bytes", name, p, alignment);
    }
    if (!inside_device_memory(device, p, bytes)) {
        return GR_INVALID("%s takes %zu bytes at %p, not all inside a live block of device %d: %s", name, bytes, p, device,
                          describe(p).c_str());
    }
    return CUBLAS_STATUS_SUCCESS;
}
static bool overlap(const matrix &x, const matrix &y)
{
    auto *a = (const char *)x.data, *b = (const char *)y.data;
    return a < b + matrix_extent(y) && b < a + matrix_extent(x);
}

static cublasStatus_t check_addresses(const matmul_problem &p, int device, const algorithm *algo)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    const matrix *operand[] = {&p.a, &p.b, &p.c, &p.d};
    for (int i = 0; i < 4; i++) {
        size_t promised = algo ? algo->alignment[i] : 1, own = type_bytes(operand[i]->type);
        cublasStatus_t status = check_operand(names[i], device, operand[i]->data, matrix_extent(*operand[i]),
                                              promised > own ? promised : own);
        if (status) {
            return status;
        }
    }
    bool in_place = p.c.data == p.d.data && p.c.ld == p.d.ld && p.c.order == p.d.order && p.c.batch_stride == p.d.batch_stride;
    if (overlap(p.a, p.d) || overlap(p.b, p.d) || (!in_place && overlap(p.c, p.d))) {
        return GR_INVALID("d overlaps an operand");
    }
    if (p.epilogue & CUBLASLT_EPILOGUE_BIAS) {
        size_t bytes = type_bytes(p.bias_type < 0 ? p.d.type : p.bias_type);
        size_t elements = p.m + (size_t)(p.d.batch - 1) * (size_t)p.bias_stride;
        return check_operand("bias", device, p.bias, elements * bytes, bytes);
    }
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t read_scalars(matmul_problem *p, int device, const void *alpha, const void *beta)
{
    size_t bytes = type_bytes(p->scale_type);
    if (p->pointer_mode != CUBLASLT_POINTER_MODE_HOST && p->pointer_mode != CUBLASLT_POINTER_MODE_DEVICE) {
        return refuse_matmul(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmul: pointer mode %d", p->pointer_mode);
    }
    bool on_device = p->pointer_mode == CUBLASLT_POINTER_MODE_DEVICE;
    for (const void *scalar : {alpha, beta}) {
        if (!scalar || on_device != inside_device_memory(device, scalar, bytes)) {
            return GR_INVALID("alpha or beta is %p: %s; the pointer mode says %s memory", scalar, describe(scalar).c_str(),
                              on_device ? "device" : "host");
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
            memset(workspace, 0xff, bytes); /* who keeps something there loses it */
        }
    }
};

static cublasStatus_t matmul(const matmul_problem &p, const cublasLtMatmulAlgo_t *algo, void *workspace, size_t bytes,
                             cudaStream_t stream)
{
    CUstream_st *s = stream_of(stream);
    if (!s || device_of(s) != current_device()) {
        return GR_INVALID("the stream is not one of the current device");
    }
    algorithm found = {};
    if (algo) {
        memcpy(&found, algo, sizeof found);
    }
    if (algo && (found.state != ALIVE || found.kind != kind_of(p) || found.workspace > bytes)) {
        return GR_INVALID("the algorithm is for other types or operations, or needs more than %zu bytes of workspace", bytes);
    }
    cublasStatus_t status = check_addresses(p, device_of(s), algo ? &found : nullptr);
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
            algorithm algo = {ALIVE, kind_of(p), workspace, {}, 0};
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
    if (!handle || handle->state != ALIVE || setting.driver != driver_state::ok) {
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
    if (!is_known_type(type)) {
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
    if (!layout) {
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
    if (!desc) {
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
    if (!preference) {
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
    if (!status && (wanted < 1 || !results || !found || !preference)) {
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
