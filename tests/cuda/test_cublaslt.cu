/* test_cublaslt.cu - the stand-in for cuBLASLt: results against a plain sum in double, and every wrong argument refused with
 * cuBLASLt's status. Compiles with nvcc too. */
#include "cuda/compat.h"
#include "tests/cuda/check.h"
#include <math.h>
#include <string.h>
#ifndef __CUDACC__
#include "tests/cuda/emulator.h"
#endif

#define GOOD(call) CHECK((call) == CUBLAS_STATUS_SUCCESS)

/* One matmul with all that can be chosen; the defaults are right. */
struct matmul_case {
    int m = 5, n = 7, k = 11, batch = 1;
    bool a_transposed = false, b_transposed = false, row_order = false, on_device = false;
    cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
    cudaDataType type = CUDA_R_32F, result = CUDA_R_32F, scale = CUDA_R_32F;
    double alpha = 1, beta = 0;
    int64_t bias_stride = 0; /* elements between the biases of two batches */
    int pad = 0;        /* added to each leading dimension */
    uint64_t workspace = 0;
};

template <class T>
struct operand {
    int rows, cols, ld, stride;
    bool row_order;
    buffer<T> data;
    operand(int r, int c, const matmul_case &x)
        : rows(r), cols(c), ld((x.row_order ? c : r) + x.pad), stride(ld * (x.row_order ? r : c) + 3),
          row_order(x.row_order), data((size_t)(stride * x.batch))
    {
    }
    const T &at(int batch, int row, int col) const
    {
        return data.host[(size_t)(batch * stride + (row_order ? row * ld + col : col * ld + row))];
    }
    void fill(unsigned seed)
    {
        for (T &v : data.host) {
            seed = seed * 1664525u + 1013904223u;
            v = (T)((float)(int)(seed >> 8) / 8388608.0f - 1.0f);
        }
        data.up();
    }
};

static cublasLtHandle_t handle;

static cublasLtMatrixLayout_t make_layout(cudaDataType type, int rows, int cols, int64_t ld, int batch, int64_t stride, bool row_order)
{
    cublasLtMatrixLayout_t layout;
    int32_t order = row_order ? CUBLASLT_ORDER_ROW : CUBLASLT_ORDER_COL, count = batch;
    GOOD(cublasLtMatrixLayoutCreate(&layout, type, (uint64_t)rows, (uint64_t)cols, ld));
    GOOD(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_ORDER, &order, sizeof order));
    GOOD(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count));
    GOOD(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride));
    return layout;
}
static cublasLtMatmulDesc_t make_desc(const matmul_case &x, const void *bias)
{
    cublasLtMatmulDesc_t desc;
    int32_t ta = x.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N, tb = x.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    int32_t mode = x.on_device ? CUBLASLT_POINTER_MODE_DEVICE : CUBLASLT_POINTER_MODE_HOST;
    uint32_t epilogue = x.epilogue;
    GOOD(cublasLtMatmulDescCreate(&desc, x.compute, x.scale));
    GOOD(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_TRANSA, &ta, sizeof ta));
    GOOD(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_TRANSB, &tb, sizeof tb));
    GOOD(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_POINTER_MODE, &mode, sizeof mode));
    GOOD(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
    GOOD(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias));
    GOOD(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, &x.bias_stride, sizeof x.bias_stride));
    return desc;
}

static double activated(const matmul_case &x, double y)
{
    if (x.epilogue & CUBLASLT_EPILOGUE_RELU) {
        return y > 0 ? y : 0;
    }
    if (x.epilogue & CUBLASLT_EPILOGUE_GELU) {
        return 0.5 * y * (1 + tanh(sqrt(2 / M_PI) * (y + 0.044715 * y * y * y)));
    }
    return y;
}

/* What lies at c is alpha a b + beta c + bias, activated; c's own numbers are those before. */
template <class T, class R>
static void expect_products(const matmul_case &x, const operand<T> &a, const operand<T> &b, const operand<R> &c,
                            const std::vector<R> &bias, double tolerance)
{
    for (int g = 0; g < x.batch; g++) {
        operand<R> d(x.m, x.n, x);
        OK(cudaMemcpy(d.data.host.data(), c.data.device, d.data.host.size() * sizeof(R), cudaMemcpyDeviceToHost));
        for (int i = 0; i < x.m; i++) {
            for (int j = 0; j < x.n; j++) {
                double sum = 0;
                for (int l = 0; l < x.k; l++) {
                    sum += (double)(x.a_transposed ? a.at(g, l, i) : a.at(g, i, l)) *
                           (double)(x.b_transposed ? b.at(g, j, l) : b.at(g, l, j));
                }
                double y = x.alpha * sum + (x.beta != 0 ? x.beta * (double)c.at(g, i, j) : 0);
                y = activated(x, y + (x.epilogue & CUBLASLT_EPILOGUE_BIAS ? (double)bias[(size_t)i] : 0));
                CHECK(fabs((double)d.at(g, i, j) - y) <= tolerance * (1 + fabs(y)));
            }
        }
    }
}

/* Runs the case with operands T and results R; returns cublasLtMatmul's status, and compares when it is good. */
template <class T, class R, class S>
static cublasStatus_t run_case(const matmul_case &x, double tolerance)
{
    operand<T> a(x.a_transposed ? x.k : x.m, x.a_transposed ? x.m : x.k, x);
    operand<T> b(x.b_transposed ? x.n : x.k, x.b_transposed ? x.k : x.n, x);
    operand<R> c(x.m, x.n, x);
    buffer<R> bias((size_t)x.m);
    buffer<S> scalars(2);
    buffer<char> workspace(x.workspace ? x.workspace : 256);
    a.fill(1);
    b.fill(2);
    c.fill(3);
    for (size_t i = 0; i < bias.host.size(); i++) {
        bias.host[i] = (R)((float)i * 0.25f - 0.5f);
    }
    bias.up();
    scalars.host = {(S)x.alpha, (S)x.beta};
    scalars.up();

    cublasLtMatrixLayout_t la = make_layout(x.type, a.rows, a.cols, a.ld, x.batch, a.stride, x.row_order);
    cublasLtMatrixLayout_t lb = make_layout(x.type, b.rows, b.cols, b.ld, x.batch, b.stride, x.row_order);
    cublasLtMatrixLayout_t lc = make_layout(x.result, x.m, x.n, c.ld, x.batch, c.stride, x.row_order);
    cublasLtMatmulDesc_t desc = make_desc(x, bias.device);
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t found[2];
    uint32_t alignment = sizeof(T);
    int count = 0;
    GOOD(cublasLtMatmulPreferenceCreate(&preference));
    GOOD(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &x.workspace, 8));
    for (int i = 0; i < 4; i++) {
        auto attribute = (cublasLtMatmulPreferenceAttributes_t)(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES + i);
        GOOD(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &alignment, sizeof alignment));
    }
    cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle, desc, la, lb, lc, lc, preference, 2, found, &count);
    if (status == CUBLAS_STATUS_SUCCESS) {
        CHECK(count >= 1 && found[0].workspaceSize <= x.workspace);
        const S *alpha = x.on_device ? scalars.device : scalars.host.data();
        status = cublasLtMatmul(handle, desc, alpha, a.data.device, la, b.data.device, lb, alpha + 1, c.data.device, lc,
                                c.data.device, lc, &found[0].algo, workspace.device, x.workspace, nullptr);
    }
    if (status == CUBLAS_STATUS_SUCCESS) {
        expect_products(x, a, b, c, bias.host, tolerance);
    }
    GOOD(cublasLtMatmulPreferenceDestroy(preference));
    GOOD(cublasLtMatmulDescDestroy(desc));
    for (cublasLtMatrixLayout_t layout : {la, lb, lc}) {
        GOOD(cublasLtMatrixLayoutDestroy(layout));
    }
    return status;
}
static cublasStatus_t run_float(const matmul_case &x, double tolerance = 1e-5)
{
    return run_case<float, float, float>(x, tolerance);
}

static void results_are_right()
{
    for (int bits = 0; bits < 32; bits++) {
        matmul_case x;
        x.a_transposed = bits & 1;
        x.b_transposed = bits & 2;
        x.row_order = bits & 4;
        x.batch = bits & 8 ? 3 : 1;
        x.on_device = bits & 16;
        x.pad = bits % 3;
        x.alpha = bits % 5 - 1.5;
        x.beta = bits % 4 * 0.5;
        GOOD(run_float(x));
    }
    matmul_case x;
    x.m = x.n = x.k = 1;
    GOOD(run_float(x));
    x.m = 33;
    x.k = 129;
    x.workspace = 1 << 16;
    GOOD(run_float(x));
}

static void epilogues_are_right()
{
    for (cublasLtEpilogue_t e : {CUBLASLT_EPILOGUE_RELU, CUBLASLT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_RELU_BIAS,
                                 CUBLASLT_EPILOGUE_GELU, CUBLASLT_EPILOGUE_GELU_BIAS}) {
        matmul_case x;
        x.epilogue = e;
        x.alpha = 2;
        x.beta = -1;
        GOOD(run_float(x));
        x.batch = 2;
        GOOD(run_float(x));
    }
}

static void types_are_right()
{
    matmul_case x;
    x.compute = CUBLAS_COMPUTE_64F;
    x.type = x.result = x.scale = CUDA_R_64F;
    x.beta = 1;
    GOOD((run_case<double, double, double>(x, 1e-14)));
    matmul_case h;
    h.type = h.result = CUDA_R_16BF;
    h.epilogue = CUBLASLT_EPILOGUE_BIAS;
    GOOD((run_case<__nv_bfloat16, __nv_bfloat16, float>(h, 0x1p-8)));
    matmul_case tf32;
    tf32.compute = CUBLAS_COMPUTE_32F_FAST_TF32;
    GOOD(run_float(tf32, 0x1p-9));
}

static void versions_and_texts()
{
    CHECK(cublasLtGetVersion() >= 110000);
    CHECK(strcmp(cublasLtGetStatusName(CUBLAS_STATUS_INVALID_VALUE), "CUBLAS_STATUS_INVALID_VALUE") == 0);
    CHECK(strlen(cublasLtGetStatusString(CUBLAS_STATUS_NOT_SUPPORTED)) > 0);
}

#ifndef __CUDACC__

static void tf32_has_ten_bits()
{
    buffer<float> x(3);
    cublasLtMatrixLayout_t one = make_layout(CUDA_R_32F, 1, 1, 1, 1, 0, false);
    matmul_case tf32;
    tf32.compute = CUBLAS_COMPUTE_32F_FAST_TF32;
    cublasLtMatmulDesc_t desc = make_desc(tf32, nullptr);
    const float alpha = 1, beta = 0, cases[][2] = {{1 + 0x1p-10f, 1 + 0x1p-10f}, {1 + 0x1p-12f, 1}, {1 + 0x1p-11f, 1 + 0x1p-10f}};
    for (const float *c : cases) {
        x.host = {c[0], 1, 0};
        x.up();
        GOOD(cublasLtMatmul(handle, desc, &alpha, x.device, one, x.device + 1, one, &beta, x.device + 2, one, x.device + 2, one,
                            nullptr, nullptr, 0, nullptr));
        x.down();
        CHECK(x.host[2] == c[1]);
    }
    GOOD(cublasLtMatmulDescDestroy(desc));
    GOOD(cublasLtMatrixLayoutDestroy(one));
}

/* A correct call of which one argument is made wrong. */
struct call {
    matmul_case x;
    buffer<float> a{55}, b{77}, c{35}, d{35}, bias{5};
    const void *pa = a.device, *pb = b.device, *pc = c.device, *pbias = bias.device;
    void *pd = d.device, *workspace = nullptr;
    size_t workspace_bytes = 0;
    float alpha_number = 1, beta_number = 1;
    const void *alpha = &alpha_number, *beta = &beta_number;
    int a_rows = 5, b_ld = 11, c_ld = 5, d_cols = 7, d_batch = 1;
    int64_t a_ld = 5, d_ld = 5;
    cudaDataType b_type = CUDA_R_32F, d_type = CUDA_R_32F;
    const cublasLtMatmulAlgo_t *algo = nullptr;
    cudaStream_t stream = nullptr;

    cublasStatus_t run()
    {
        cublasLtMatrixLayout_t la = make_layout(CUDA_R_32F, a_rows, 11, a_ld, 1, 0, x.row_order);
        cublasLtMatrixLayout_t lb = make_layout(b_type, 11, 7, b_ld, 1, 0, x.row_order);
        cublasLtMatrixLayout_t lc = make_layout(d_type, 5, 7, c_ld, d_batch, 0, x.row_order);
        cublasLtMatrixLayout_t ld = make_layout(d_type, 5, d_cols, d_ld, d_batch, 0, x.row_order);
        cublasLtMatmulDesc_t desc = make_desc(x, pbias);
        cublasStatus_t status = cublasLtMatmul(handle, desc, alpha, pa, la, pb, lb, beta, pc, lc, pd, ld, algo, workspace,
                                               workspace_bytes, stream);
        GOOD(cublasLtMatmulDescDestroy(desc));
        for (cublasLtMatrixLayout_t l : {la, lb, lc, ld}) {
            GOOD(cublasLtMatrixLayoutDestroy(l));
        }
        OK(cudaDeviceSynchronize());
        return status;
    }
};

#define REFUSED(status, change)                                                                    \
    do {                                                                                           \
        call right;                                                                                \
        right.change;                                                                              \
        CHECK(right.run() == status);                                                              \
    } while (0)

static void wrong_arguments_are_refused()
{
    call right;
    GOOD(right.run());
    cublasLtMatmulAlgo_t wrong_algo = {};
    char on_host[1];
    const cublasStatus_t invalid = CUBLAS_STATUS_INVALID_VALUE, unsupported = CUBLAS_STATUS_NOT_SUPPORTED;
    REFUSED(invalid, a_rows = 6);
    REFUSED(invalid, a_ld = 4);
    REFUSED(invalid, b_ld = 10);
    REFUSED(invalid, c_ld = 4);
    REFUSED(invalid, d_ld = 4);
    REFUSED(invalid, d_ld = 6); /* 5 + 6 * 6 elements do not fit in 35 */
    REFUSED(invalid, a_ld = (int64_t)1 << 62); /* times columns and bytes: 0 in 64 bits */
    REFUSED(invalid, d_ld = (int64_t)1 << 62);
    REFUSED(invalid, d_cols = 8);
    REFUSED(invalid, d_batch = 2);
    REFUSED(unsupported, b_type = CUDA_R_16BF);
    REFUSED(unsupported, d_type = CUDA_R_64F);
    REFUSED(unsupported, x.scale = CUDA_R_64F);
    REFUSED(unsupported, x.compute = CUBLAS_COMPUTE_64F);
    REFUSED(unsupported, x.epilogue = (cublasLtEpilogue_t)63);
    REFUSED(invalid, pa = nullptr);
    REFUSED(invalid, pa = on_host);
    REFUSED(invalid, pa = right.a.device + 1);
    REFUSED(invalid, pa = (const char *)right.a.device + 2);
    REFUSED(invalid, pb = right.b.device - 1);
    REFUSED(invalid, pd = right.a.device); /* overlaps a */
    REFUSED(invalid, alpha = nullptr);
    REFUSED(invalid, beta = right.bias.device);
    REFUSED(invalid, x.on_device = true);
    REFUSED(invalid, algo = &wrong_algo);
    REFUSED(invalid, workspace_bytes = 64);
    REFUSED(invalid, stream = (cudaStream_t)on_host);
}

static void wrong_biases_are_refused()
{
    const cublasStatus_t invalid = CUBLAS_STATUS_INVALID_VALUE, unsupported = CUBLAS_STATUS_NOT_SUPPORTED;
    call bias;
    bias.x.epilogue = CUBLASLT_EPILOGUE_BIAS;
    GOOD(bias.run());
    bias.pbias = nullptr;
    CHECK(bias.run() == invalid);
    bias.pbias = bias.bias.device + 1;
    CHECK(bias.run() == invalid);
    matmul_case rows;
    rows.row_order = true;
    rows.epilogue = CUBLASLT_EPILOGUE_BIAS;
    CHECK(run_float(rows) == unsupported);
    rows.epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    rows.m = 0;
    CHECK(run_float(rows) == invalid);
    matmul_case strided;
    strided.epilogue = CUBLASLT_EPILOGUE_BIAS;
    strided.batch = 2;
    for (int64_t stride : {(int64_t)-1, (int64_t)1, (int64_t)1 << 62}) { /* before the bias's block, and behind it */
        strided.bias_stride = stride;
        CHECK(run_float(strided) == invalid);
    }
}

static void wrong_handles_and_attributes_are_refused()
{
    const cublasStatus_t invalid = CUBLAS_STATUS_INVALID_VALUE;
    CHECK(cublasLtMatmul(nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
                         nullptr, nullptr, nullptr, 0, nullptr) == CUBLAS_STATUS_NOT_INITIALIZED);
    cublasLtMatmulDesc_t desc;
    GOOD(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    int64_t wide = 1;
    CHECK(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_TRANSA, &wide, sizeof wide) == invalid);
    CHECK(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_TRANSA, nullptr, 4) == invalid);
    GOOD(cublasLtMatmulDescDestroy(desc));
}

static void work_is_queued_and_can_fail()
{
    call c;
    c.beta_number = 0;
    c.a.up(); /* zeros */
    c.b.up();
    gr_emulator_count_again();
    GOOD(c.run());
    gr_emulator_counts counts;
    gr_emulator_count(&counts);
    CHECK(counts.matmuls == 1);
    c.d.down();
    CHECK(c.d.host[0] == 0); /* beta 0: the NaN in c is not read */
    gr_emulator_fail("cublasLtMatmul", 1, 0, false);
    CHECK(c.run() == CUBLAS_STATUS_EXECUTION_FAILED);
    gr_emulator_fail("cublasLtCreate", 1, 0, false);
    cublasLtHandle_t other;
    CHECK(cublasLtCreate(&other) == CUBLAS_STATUS_EXECUTION_FAILED);
    gr_emulator_fail(nullptr, 0, 0, false);
}

static void library_is_opened_by_name()
{
    void *library = GR_DLOPEN("libcublasLt.so.13");
    CHECK(library && GR_DLSYM(library, "cublasLtMatmul") == (void *)cublasLtMatmul);
    CHECK(!GR_DLSYM(library, "cublasLtNothing") && !GR_DLOPEN("libcudnn.so.9"));
    CHECK(gr_emulator_set("CUBLASLT", "absent") && !GR_DLOPEN("libcublasLt.so.13"));
    CHECK(gr_emulator_set("CUBLASLT", "present"));
}

static void emulator_alone()
{
    tf32_has_ten_bits();
    wrong_arguments_are_refused();
    wrong_biases_are_refused();
    wrong_handles_and_attributes_are_refused();
    work_is_queued_and_can_fail();
    library_is_opened_by_name();
}
#else
static void emulator_alone() {}
#endif

int main()
{
#ifndef __CUDACC__
    gr_emulator_set("QUIET", "1"); /* refusals are meant */
#endif
    GOOD(cublasLtCreate(&handle));
    results_are_right();
    epilogues_are_right();
    types_are_right();
    versions_and_texts();
    emulator_alone();
    GOOD(cublasLtDestroy(handle));
    return check_result("cublaslt");
}
