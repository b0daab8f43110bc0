/* elementwise_rules.c - the elementwise table once more: what each row hands back, as recorded ops, so that gradients have
 * gradients. Where two numbers meet they stay a number. */
#include <math.h>

#include "autograd/elementwise.h"
#include "autograd/autograd.h"
#include "core/scalar.h"

static gr_value failed(void)
{
    return gr_value_tensor(NULL);
}
static double real_of(gr_value v)
{
    return v.kind == GR_VALUE_REAL ? v.real : (double)v.integer;
}
static bool both_numbers(gr_value p, gr_value q)
{
    return p.kind != GR_VALUE_TENSOR && q.kind != GR_VALUE_TENSOR;
}

/* The whole vocabulary stands here, whether or not a row uses the word. */
#define WORD static inline __attribute__((unused))
#define RULE1(name, number) \
    WORD gr_value rule_##name(gr_value v, gr_site site) \
    { \
        const double p = v.kind == GR_VALUE_TENSOR ? 0 : real_of(v); \
        if (v.kind != GR_VALUE_TENSOR) return gr_value_real(number); \
        return gr_value_tensor(gr_##name##_at(v.tensor, site)); \
    }
#define RULE2(name, number) \
    WORD gr_value rule_##name(gr_value v, gr_value w, gr_site site) \
    { \
        if (!both_numbers(v, w)) return gr_value_tensor(gr_##name##_at(v, w, site)); \
        const double p = real_of(v), q = real_of(w); \
        return gr_value_real(number); \
    }
RULE1(neg, -p)
RULE1(reciprocal, 1 / p)
RULE1(square, p * p)
RULE1(exp, exp(p))
RULE1(log, log(p))
RULE1(sqrt, sqrt(p))
RULE1(sin, sin(p))
RULE1(cos, cos(p))
RULE1(tanh, tanh(p))
RULE1(sigmoid, 1 / (1 + exp(-p)))
RULE1(abs, fabs(p))
RULE1(sign, (p > 0) - (p < 0))
RULE1(gelu_erf_slope, gr_gelu_slope_f64(p))
RULE1(gelu_tanh_slope, gr_gelu_tanh_slope_f64(p))
RULE2(add, p + q)
RULE2(sub, p - q)
RULE2(mul, p *q)
RULE2(div, p / q)
RULE2(pow, pow(p, q))
RULE2(lt, p < q)
RULE2(le, p <= q)
RULE2(gt, p > q)
RULE2(ge, p >= q)
RULE2(eq, p == q)

/* Conditions are bool tensors or numbers. */
WORD gr_value rule_both(gr_value p, gr_value q, gr_site site)
{
    if (both_numbers(p, q)) return gr_value_bool(real_of(p) != 0 && real_of(q) != 0);
    if (p.kind != GR_VALUE_TENSOR) return real_of(p) != 0 ? q : gr_value_bool(false);
    if (q.kind != GR_VALUE_TENSOR) return real_of(q) != 0 ? p : gr_value_bool(false);
    return gr_value_tensor(gr_mul_at(p, q, site));
}
WORD gr_value rule_either(gr_value p, gr_value q, gr_site site)
{
    if (both_numbers(p, q)) return gr_value_bool(real_of(p) != 0 || real_of(q) != 0);
    if (p.kind != GR_VALUE_TENSOR) return real_of(p) != 0 ? gr_value_bool(true) : q;
    if (q.kind != GR_VALUE_TENSOR) return real_of(q) != 0 ? gr_value_bool(true) : p;
    return gr_value_tensor(gr_add_at(p, q, site));
}
/* `like` gives the dtype where both branches are numbers. */
WORD gr_value rule_pick(gr_value condition, gr_value p, gr_value q, gr_tensor *like, gr_site site)
{
    if (condition.kind != GR_VALUE_TENSOR) return real_of(condition) != 0 ? p : q;
    if (both_numbers(p, q)) {
        const gr_like_args args = {.x = like, .site = site, .dtype = GR_DTYPE_DEFAULT, .device = {-1, 0}};
        p = gr_value_tensor(gr_full_like_at(p, &args));
    }
    return gr_value_tensor(gr_where_at(condition.tensor, p, q, site));
}

#define C(number) gr_value_real(number)
#define ZERO gr_value_real(0)
#define neg(p) rule_neg(p, site)
#define reciprocal(p) rule_reciprocal(p, site)
#define square(p) rule_square(p, site)
#define exp(p) rule_exp(p, site)
#define log(p) rule_log(p, site)
#define sqrt(p) rule_sqrt(p, site)
#define sin(p) rule_sin(p, site)
#define cos(p) rule_cos(p, site)
#define tanh(p) rule_tanh(p, site)
#define sigmoid(p) rule_sigmoid(p, site)
#define abs(p) rule_abs(p, site)
#define sign(p) rule_sign(p, site)
#define gelu_erf_slope(p) rule_gelu_erf_slope(p, site)
#define gelu_tanh_slope(p) rule_gelu_tanh_slope(p, site)
#define add(p, q) rule_add(p, q, site)
#define sub(p, q) rule_sub(p, q, site)
#define mul(p, q) rule_mul(p, q, site)
#define div(p, q) rule_div(p, q, site)
#define pow(p, q) rule_pow(p, q, site)
#define lt(p, q) rule_lt(p, q, site)
#define le(p, q) rule_le(p, q, site)
#define gt(p, q) rule_gt(p, q, site)
#define ge(p, q) rule_ge(p, q, site)
#define eq(p, q) rule_eq(p, q, site)
#define both(p, q) rule_both(p, q, site)
#define either(p, q) rule_either(p, q, site)
#define pick(condition, p, q) rule_pick(condition, p, q, upstream, site)

/* Parameters become numbers. */
#define NONE
#define P1(n, d) const gr_value n = gr_value_real(param[0]);
#define P2(n, d, m, e) P1(n, d) const gr_value m = gr_value_real(param[1]);

#define RULE(name, params, back) \
    static gr_value name(const gr_value *in, gr_value y, gr_tensor *upstream, const double *param, gr_site site) \
    { \
        const gr_value x = in[0], a = in[0], b = in[1], c = in[2], dy = gr_value_tensor(upstream); \
        params (void)x, (void)a, (void)b, (void)c, (void)y, (void)dy, (void)param, (void)site; \
        return back; \
    }
#define UNARY(name, params, types, value, back, lo, hi, edges) RULE(name##_back_x, params, back)
#define BINARY(name, params, types, value, back_a, back_b, lo, hi, edges) \
    RULE(name##_back_a, params, back_a) RULE(name##_back_b, params, back_b)
#define TERNARY(name, params, types, value, back_a, back_b, back_c, lo, hi, edges) \
    RULE(name##_back_a, params, back_a) RULE(name##_back_b, params, back_b) RULE(name##_back_c, params, back_c)
#define PREDICATE(...)
#define COMPARE(...)
#include "core/elementwise.def"
#undef UNARY
#undef BINARY
#undef TERNARY

typedef gr_value rule(const gr_value *in, gr_value y, gr_tensor *upstream, const double *param, gr_site site);
#define UNARY(name, ...) [GR_E_##name] = {name##_back_x},
#define BINARY(name, ...) [GR_E_##name] = {name##_back_a, name##_back_b},
#define TERNARY(name, ...) [GR_E_##name] = {name##_back_a, name##_back_b, name##_back_c},
static rule *const rules[GR_ELEMENTWISE_COUNT][3] = {
#include "core/elementwise.def"
};

gr_tensor *gr_row_rule(gr_call *call, int i, gr_tensor *dy)
{
    gr_value in[3] = {failed(), failed(), failed()};
    for (int k = 0; k < call->inputs; k++) in[k] = gr_slot_value(call, k);
    const gr_value result = rules[call->op->code][i](in, gr_value_tensor(gr_out(call, 0)->tensor), dy,
                                                     gr_attributes(call), gr_site_of(call));
    if (result.kind == GR_VALUE_TENSOR) return result.tensor;
    return gr_full_like_at(result, &(gr_like_args){.x = dy, .site = gr_site_of(call), .dtype = GR_DTYPE_DEFAULT,
                                                   .device = {-1, 0}});
}
