/* calls.c - instructions that compute: leaves, elementwise calls, in place and not. */
#include <math.h>
#include <string.h>

#include "tests/fuzz/program.h"

/* ---- the reference's word ---- */

/* The operands with their history, a number behind them; false where one cannot be used or they do not fit together. */
static bool operands_of(const rule *r, twin *const *operand, int operands, const term *number, term *in, form *f)
{
    for (int i = 0; i < operands; i++)
        if (!operand[i]->alive) return false;
    for (int i = 0; i < operands; i++) in[i] = use(operand[i]);
    if (number) in[operands] = *number;
    *f = in[0].a.f;
    for (int i = 1; i < operands + (number != NULL); i++)
        if (!broadcast(f, &in[i].a.f, f)) return false;
    for (int i = 1; i < operands; i++)
        if (operand[i]->dtype != operand[r->kind == WHERE]->dtype) return false;
    return r->kind != WHERE || operand[0]->dtype == GR_BOOL;
}

twin *result_of(const rule *r, twin *const *operand, int operands, const term *number)
{
    term in[3];
    form f;
    if (!operands_of(r, operand, operands, number, in, &f)) return REFUSED;
    if (f.count > MOST_ELEMENTS) return &skipped;
    const term e = apply(r, in, operands + (number != NULL));
    return is_tame(&e) ? twin_of(e, operand[operands - 1]->dtype) : &skipped;
}

twin *changed_by(const rule *r, twin *const *operand, int operands, const term *number)
{
    term in[3];
    form f;
    twin *x = operand[0];
    if (!operands_of(r, operand, operands, number, in, &f)) return REFUSED;
    bool needs = false;
    for (int i = 0; i < operands; i++) needs |= is_linked(&in[i]);
    if (f.count > MOST_ELEMENTS) return &skipped;
    in[0].memory = NULL, in[0].header = NULL; /* backward reads a copy of what was there */
    const term e = apply(r, in, operands + (number != NULL));
    if (!is_tame(&e)) return &skipped;
    if (!may_change(x, needs, operand + 1, operands - 1) || !same_form(&f, &x->f)) return REFUSED;
    change(x, e);
    return x;
}

/* ---- leaves ---- */

static const struct {
    int dim, size[3];
} forms[] = {{0, {0}},       {1, {1}},       {1, {2}},    {1, {3}},    {1, {4}},    {2, {2, 3}}, {2, {3, 2}},    {2, {2, 2}},
             {2, {1, 3}},    {2, {3, 1}},    {1, {0}},    {2, {3, 0}}, {2, {3, 3}}, {2, {4, 2}}, {3, {2, 1, 2}}, {3, {2, 2, 3}}};
enum { FORMS = sizeof forms / sizeof *forms };

void run_leaf(const uint8_t *a)
{
    double value[MOST_ELEMENTS];
    const int which = a[ARGUMENT] % FORMS;
    const form f = form_of(forms[which].dim, forms[which].size);
    gr_shape shape = {f.dim, {0}};
    for (int d = 0; d < f.dim; d++) shape.size[d] = f.size[d];
    for (int i = 0; i < f.count; i++) value[i] = ((a[ARGUMENT_2] * 7 + i * 5) % 17 - 8) * 0.25;
    twin *x = twin_new(&f, GR_FLOAT64, value);
    gr_tensor *real = gr_from_at(value, GR_FLOAT64, shape, here());
    if (real && is(a[ARGUMENT_3], 1) && !model.standing) {
        x->wants = true;
        real = gr_requires_grad__at(real, true, here());
    }
    settle(a, real, x);
}

/* An index for index_select: three places, not all different. */
void run_index(const uint8_t *a)
{
    double value[3];
    int64_t index[3];
    const int count = 3;
    for (int i = 0; i < 3; i++) value[i] = (double)(index[i] = a[ARGUMENT + i] % (is(a[FLAGS], OTHER) ? 5 : 2));
    const form f = form_of(1, &count);
    settle(a, gr_from_at(index, GR_INT64, (gr_shape){1, {3}}, here()), twin_new(&f, GR_INT64, value));
}

/* ---- one operand ---- */

typedef enum { EVERYWHERE, POSITIVE, NOT_ZERO, SMALL } domain;
typedef gr_tensor *call1(gr_tensor *, gr_site);
#define CALL1(k, name, where) {k, where, gr_##name##_at, gr_##name##__at}
static const struct {
    formula kind;
    domain domain;
    call1 *call, *in_place;
} unary[] = {CALL1(NEG, neg, EVERYWHERE), CALL1(ABS, abs, EVERYWHERE), CALL1(EXP, exp, SMALL), CALL1(LOG, log, POSITIVE),
             CALL1(SQRT, sqrt, POSITIVE), CALL1(RECIPROCAL, reciprocal, NOT_ZERO), CALL1(SQUARE, square, EVERYWHERE),
             CALL1(SIN, sin, EVERYWHERE), CALL1(COS, cos, EVERYWHERE), CALL1(TANH, tanh, SMALL),
             CALL1(SIGMOID, sigmoid, SMALL), CALL1(RELU, relu, EVERYWHERE), CALL1(SIGN, sign, EVERYWHERE)};
enum { UNARIES = sizeof unary / sizeof *unary };

static bool lies_in(domain d, twin *x)
{
    for (int i = 0; i < x->f.count && x->alive; i++) {
        const double v = x->memory->cell[x->cell[i]];
        if (d == POSITIVE && v < 0.1) return false;
        if (d == NOT_ZERO && fabs(v) < 0.1) return false;
        if (d == SMALL && fabs(v) > 4) return false;
    }
    return true;
}

/* Those with parameters. */
static gr_tensor *with_parameters(twin *x, formula k, bool in_place)
{
    if (k == CLAMP && !in_place) return gr_clamp_at(x->real, gr_value_real(-0.75), gr_value_real(1), here());
    const gr_leaky_relu_args args = {.x = x->real, .site = here(), .negative_slope = 0.25};
    return in_place ? gr_leaky_relu__at(&args) : gr_leaky_relu_at(&args);
}

void run_unary(const uint8_t *a)
{
    twin *x = pick(a[FIRST], FLOAT, a);
    if (!x || (x->alive && x->dtype != GR_FLOAT64)) return;
    const bool in_place = is(a[FLAGS], IN_PLACE);
    const int which = a[ARGUMENT] % (UNARIES + 2);
    rule r = {.kind = which == UNARIES ? LEAKY : CLAMP, .p = 0.25};
    if (which < UNARIES) r.kind = unary[which].kind;
    if (r.kind == CLAMP && in_place) r.kind = LEAKY; /* there is no clamp_ */
    if (r.kind == CLAMP) r.p = -0.75, r.q = 1;
    if (which < UNARIES && !lies_in(unary[which].domain, x)) return;
    twin *must = in_place ? changed_by(&r, &x, 1, NULL) : result_of(&r, &x, 1, NULL);
    if (must == &skipped) return;
    settle(a, which >= UNARIES ? with_parameters(x, r.kind, in_place)
              : in_place       ? unary[which].in_place(x->real, here())
                               : unary[which].call(x->real, here()),
           must);
}

/* ---- two operands, or one and a number ---- */

typedef gr_tensor *call2(gr_value, gr_value, gr_site);
typedef gr_tensor *change2(gr_tensor *, gr_value, gr_site);
#define CALL2(k, name) {k, gr_##name##_at, gr_##name##__at}
static const struct {
    formula kind;
    call2 *call;
    change2 *in_place;
} binary[] = {CALL2(ADD, add), CALL2(SUB, sub), CALL2(MUL, mul), CALL2(MUL, mul), CALL2(DIV, div), CALL2(MAXIMUM, maximum),
              CALL2(MINIMUM, minimum)};
enum { BINARIES = sizeof binary / sizeof *binary };

void run_binary(const uint8_t *a)
{
    twin *x[2] = {pick(a[FIRST], FLOAT, a), pick(a[SECOND], FLOAT, a)};
    const int which = a[ARGUMENT] % BINARIES;
    const bool in_place = is(a[FLAGS], IN_PLACE);
    if (!x[0] || !x[1] || (x[0]->alive && x[0]->dtype != GR_FLOAT64)) return;
    const rule r = {.kind = binary[which].kind};
    if (r.kind == DIV && !lies_in(NOT_ZERO, x[1])) return;
    twin *must = in_place ? changed_by(&r, x, 2, NULL) : result_of(&r, x, 2, NULL);
    if (must == &skipped) return;
    settle(a, in_place ? binary[which].in_place(x[0]->real, gr_value_tensor(x[1]->real), here())
                       : binary[which].call(gr_value_tensor(x[0]->real), gr_value_tensor(x[1]->real), here()),
           must);
}

void run_number(const uint8_t *a)
{
    twin *x = pick(a[FIRST], FLOAT, a);
    const int which = a[ARGUMENT] % BINARIES;
    const double number = (a[ARGUMENT_2] % 7 - 3) * 0.5;
    if (!x || (x->alive && x->dtype != GR_FLOAT64) || (binary[which].kind == DIV && number == 0)) return;
    const rule r = {.kind = binary[which].kind};
    const term n = constant(&(form){.count = 1}, number);
    const bool in_place = is(a[FLAGS], IN_PLACE);
    twin *must = in_place ? changed_by(&r, &x, 1, &n) : result_of(&r, &x, 1, &n);
    if (must == &skipped) return;
    settle(a, in_place ? binary[which].in_place(x->real, gr_value_real(number), here())
                       : binary[which].call(gr_value_tensor(x->real), gr_value_real(number), here()),
           must);
}

void run_compare(const uint8_t *a)
{
    twin *x = pick(a[FIRST], FLOAT, a), *y = pick(a[SECOND], FLOAT, a), *must = REFUSED;
    if (!x || !y) return;
    form f;
    if (x->alive && y->alive && x->dtype == y->dtype && broadcast(&x->f, &y->f, &f)) {
        if (f.count > MOST_ELEMENTS) return;
        double value[MOST_ELEMENTS];
        for (int i = 0; i < f.count; i++)
            value[i] = x->memory->cell[x->cell[broadcast_element(&x->f, &f, i)]] <
                       y->memory->cell[y->cell[broadcast_element(&y->f, &f, i)]];
        must = twin_new(&f, GR_BOOL, value);
    }
    settle(a, gr_lt_at(gr_value_tensor(x->real), gr_value_tensor(y->real), here()), must);
}

void run_where(const uint8_t *a)
{
    twin *x[3] = {pick(a[ARGUMENT], BOOL, a), pick(a[FIRST], FLOAT, a), pick(a[SECOND], FLOAT, a)};
    if (!x[0] || !x[1] || !x[2]) return;
    twin *must = result_of(&(rule){.kind = WHERE}, x, 3, NULL);
    if (must == &skipped) return;
    settle(a, gr_where_at(x[0]->real, gr_value_tensor(x[1]->real), gr_value_tensor(x[2]->real), here()), must);
}

/* ---- written over ---- */

static twin *overwritten(twin *x, twin *source)
{
    twin *operand[2] = {x, source};
    if (!x->alive || !source->alive) return REFUSED;
    if (source->dtype != x->dtype) return &skipped; /* it would be converted */
    return changed_by(&(rule){.kind = COPY}, operand, 2, NULL);
}

void run_overwrite(const uint8_t *a)
{
    twin *x = pick(a[FIRST], is(a[FLAGS], OTHER) ? ANY : FLOAT, a), *source = pick(a[SECOND], FLOAT, a);
    if (!x || !source) return;
    const int which = a[ARGUMENT] % 3;
    const double number = which == 1 && x->alive && x->dtype == GR_FLOAT64 ? (a[ARGUMENT_2] % 9 - 4) * 0.5 : 0;
    twin *must = which == 2 ? overwritten(x, source) : changed_by(&(rule){.kind = FILL, .p = number}, &x, 1, NULL);
    if (must == &skipped) return;
    settle(a, which == 2   ? gr_copy__at(x->real, source->real, here())
              : which == 1 ? gr_fill__at(x->real, gr_value_real(number), here())
                           : gr_zero__at(x->real, here()),
           must);
}
