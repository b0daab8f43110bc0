/* elementwise.cu - rows of elementwise.def on tensors of any strides: which kernel, and operands of other dtypes. */
#include "cuda/elementwise_loops.h"
#include "cuda/offence.h"

static const gr_rows *rows_of(int dtype)
{
    static const gr_rows *const rows[GR_DTYPES] = {&gr_rows_f32, &gr_rows_f64, &gr_rows_bf16, &gr_rows_i64,
                                                   &gr_rows_i32, &gr_rows_u8,  &gr_rows_b8};
    return rows[dtype];
}

static const unsigned char operands_of[GR_ELEMENTWISE_COUNT] = {
#define UNARY(name, ...) 1,
#define PREDICATE(name, ...) 1,
#define BINARY(name, ...) 2,
#define COMPARE(name, ...) 2,
#define TERNARY(name, ...) 3,
#include "core/elementwise.def"
#undef UNARY
#undef PREDICATE
#undef BINARY
#undef COMPARE
#undef TERNARY
};
static const unsigned char parameters_of[GR_ELEMENTWISE_COUNT] = {
#define NONE 0
#define P1(n, d) 1
#define P2(n, d, m, e) 2
#define UNARY(name, params, ...) params,
#define PREDICATE(name, params, ...) params,
#define BINARY(name, params, ...) params,
#define COMPARE(name, params, ...) params,
#define TERNARY(name, params, ...) params,
#include "core/elementwise.def"
#undef UNARY
#undef PREDICATE
#undef BINARY
#undef COMPARE
#undef TERNARY
#undef NONE
#undef P1
#undef P2
};

/* bfloat16: numbers are of its precision, but in products float32's, as on the CPU. */
static gr_value number_of(const gr_operands *o, int k, int code)
{
    const gr_value v = o->in[k];
    if (o->dtype != GR_BFLOAT16 || code == GR_E_mul || code == GR_E_div || code == GR_E_lerp) return v;
    return gr_value_real((double)(float)__nv_bfloat16(v.kind == GR_VALUE_REAL ? (float)v.real : (float)v.integer));
}

/* A call of a row: what it reads as tensors of the dtype that is computed in. */
struct job {
    gr_sources s = {};
    const gr_tensor *tensor[GR_SOURCES] = {};
    gr_converted converted[3];

    void put(int k, const gr_tensor *x)
    {
        tensor[k] = x && x->state == GR_LIVE ? x : nullptr;
        s.in[k] = tensor[k] ? tensor[k]->data : nullptr;
    }

    /* The operands; one of another dtype is copied to `dtype` first. */
    bool put_operands(const gr_operands *o, int code)
    {
        for (int k = 0; k < parameters_of[code]; k++) s.param[k] = o->param[k];
        for (int k = 0; k < operands_of[code]; k++) {
            if (o->in[k].kind != GR_VALUE_TENSOR) {
                s.number[k] = number_of(o, k, code);
                continue;
            }
            if (!o->in[k].tensor || o->in[k].tensor->state != GR_LIVE) continue;
            if (!converted[k].make(o->in[k].tensor, o->dtype)) return false;
            put(k, converted[k].tensor);
        }
        return true;
    }
};

static bool is_aligned(const void *p)
{
    return (uintptr_t)p % 16 == 0;
}

/* In parts that a launch can count; each source's address moves to its part. */
static void run(const gr_row_launch &row, gr_stream *at, gr_tensor *y, const job &j, gr_target target)
{
    const gr_tensor *all[GR_SOURCES + 1];
    for (int k = 0; k < GR_SOURCES; k++) all[k] = j.tensor[k];
    all[GR_SOURCES] = y;
    const gr_layout<GR_SOURCES + 1> layout = gr_layout_of<GR_SOURCES + 1>(y, all);
    unsigned single;
    bool flat = layout.flat(&single) && !(single >> GR_SOURCES & 1) && is_aligned(y->data);
    for (int k = 0; k < GR_SOURCES; k++) flat = flat && (!j.tensor[k] || single >> k & 1 || is_aligned(j.tensor[k]->data));
    gr_sources s = j.s;
    if (flat) {
        s.single = single;
        row.flat(at->stream, target, s, y->numel);
        return;
    }
    layout.parts([&](const gr_strides<GR_SOURCES + 1> &strides, const int64_t *first, int64_t n) {
        gr_target to = target;
        to.to = (char *)target.to + first[GR_SOURCES] * (int64_t)gr_bytes_of(y->dtype);
        for (int k = 0; k < GR_SOURCES; k++)
            if (j.tensor[k]) s.in[k] = j.tensor[k]->data + first[k] * (int64_t)gr_bytes_of(j.tensor[k]->dtype);
        row.strided(at->stream, to, s, strides, n);
    });
}

void gr_cuda_elementwise(int code, gr_tensor *y, const gr_operands *o)
{
    gr_stream *at = gr_stream_of(y);
    job j;
    if (!at || y->numel == 0 || !j.put_operands(o, code)) return;
    bool in_place = false;
    for (int k = 0; k < 3; k++) in_place |= j.tensor[k] && j.tensor[k]->data == y->data;
    run(rows_of(o->dtype)->forward[code], at, y, j, {y->data, false, in_place ? &at->error->call : nullptr});
    gr_launched("elementwise");
}

void gr_cuda_elementwise_back(int code, int i, gr_tensor *dx, bool add, const gr_tensor *dy, const gr_operands *o,
                              const gr_tensor *y)
{
    gr_stream *at = gr_stream_of(dx);
    job j;
    if (!at || dx->numel == 0 || !j.put_operands(o, code)) return;
    j.put(GR_DY, dy);
    j.put(GR_Y, y);
    run(rows_of(o->dtype)->back[code][i], at, dx, j, {dx->data, add, nullptr});
    gr_launched("elementwise_back");
}

void gr_cuda_accumulate(gr_tensor *y, const gr_tensor *x)
{
    const gr_operands o = {{gr_value_tensor(y), gr_value_tensor(x), gr_value_tensor(nullptr)}, nullptr, (gr_dtype)y->dtype};
    gr_cuda_elementwise(GR_E_add, y, &o);
}
