/* elementwise_body.h - the loops of elementwise_loops.c, once per `real`. No include guard. */

typedef real NAME(row)(enum mode mode, int *rare, const real *p, real dy, real a, real b, real c, real y);
typedef bool NAME(test)(real a, real b);

/* Operands of a loop; what a row does not have or read points to anything as long. */
typedef struct {
    const real *dy, *a, *b, *c, *y, *p;
} NAME(operands);

#ifdef FLOATING
GR_INLINE int NAME(is_nan)(real x)
{
    return x != x;
}
GR_INLINE real NAME(sin_in)(enum mode mode, int *rare, real x)
{
    if (mode == SCAN) *rare |= NAME(gr_is_rare)(x);
    return mode == FAST ? NAME(gr_sin)(x) : mode == EXACT ? NAME(gr_sin_exact)(x) : 0;
}
GR_INLINE real NAME(cos_in)(enum mode mode, int *rare, real x)
{
    if (mode == SCAN) *rare |= NAME(gr_is_rare)(x);
    return mode == FAST ? NAME(gr_cos)(x) : mode == EXACT ? NAME(gr_cos_exact)(x) : 0;
}
GR_INLINE real NAME(pow_in)(enum mode mode, real a, real b)
{
    return mode == NUMBER ? NAME(gr_pow_number)(a, b) : NAME(gr_pow)(a, b);
}
/* In what is handed back, which only floats have. */
GR_INLINE real NAME(square_of)(real x)
{
    return x * x;
}
#else
GR_INLINE int NAME(is_nan)(real x)
{
    return (void)x, 0;
}
#ifdef IS_BOOL
GR_INLINE bool NAME(gr_sign)(bool x)
{
    return x;
}
#else
GR_INLINE real NAME(gr_abs)(real x)
{
    return (real)(x < 0 ? -x : x);
}
GR_INLINE real NAME(gr_sign)(real x)
{
    return (real)((x > 0) - (x < 0));
}
/* By squaring; a negative exponent leaves 1 and -1 what they are and makes 0 of the rest, as 1 / a^-b does. */
GR_INLINE real NAME(pow_in)(enum mode mode, real a, real b)
{
    real y = 1;
    (void)mode;
    if (b < 0) return a == 1 || (b % 2 == 0 && a == (real)-1) ? 1 : a == (real)-1 ? a : 0;
    for (; b; b = (real)(b / 2), a = (real)(a * a))
        if (b % 2) y = (real)(y * a);
    return y;
}
#endif
#endif

/* ---- loops over a row's text; `steps` and `mode` are constants where these are called ---- */

GR_INLINE void NAME(write)(NAME(row) *row, enum mode mode, unsigned steps, real *to, NAME(operands) o, int64_t n)
{
    const real a = *o.a, b = *o.b, c = *o.c;
    GR_EACH
    for (int64_t i = 0; i < n; i++)
        to[i] = row(mode, NULL, o.p, o.dy[i], steps & 1 ? o.a[i] : a, steps & 2 ? o.b[i] : b, steps & 4 ? o.c[i] : c, o.y[i]);
}

GR_INLINE void NAME(write_past)(NAME(row) *row, enum mode mode, unsigned steps, real *to, NAME(operands) o, int64_t n)
{
    WRITE_PAST(real, to, o.a, o.b, o.c, steps, n, if (o.dy != o.a && o.dy != o.b) FETCH(o.dy, at); if (o.y != o.dy) FETCH(o.y, at);,
               row(mode, NULL, o.p, o.dy[i], p, mode == NUMBER ? *o.b : q, r, o.y[i]))
}

GR_INLINE void NAME(test_past)(NAME(test) *test, unsigned steps, bool *to, const real *a, const real *b, int64_t n)
{
    WRITE_PAST(bool, to, a, b, a, steps, n, , test(p, q))
}

GR_INLINE void NAME(write_test)(NAME(test) *test, unsigned steps, bool *to, const real *as, const real *bs, int64_t n)
{
    const real a = *as, b = *bs;
    GR_EACH
    for (int64_t i = 0; i < n; i++) to[i] = test(steps & 1 ? as[i] : a, steps & 2 ? bs[i] : b);
}

GR_INLINE void NAME(forward_test)(NAME(test) *test, void *y, const void *const *in, bool two, unsigned steps, int64_t n)
{
    const real *a = in[0], *b = two ? in[1] : a;
    if (steps & GR_PAST_CACHES)
        NAME(test_past)(test, steps, y, a, b, n);
    else if (two && (steps & 3) == 1)
        NAME(write_test)(test, 1, y, a, b, n);
    else if (two && (steps & 3) == 2)
        NAME(write_test)(test, 2, y, a, b, n);
    else
        NAME(write_test)(test, 3, y, a, b, n);
}

#ifdef FLOATING
GR_INLINE void NAME(accumulate)(NAME(row) *row, enum mode mode, unsigned steps, real *to, NAME(operands) o, int64_t n)
{
    const real a = *o.a, b = *o.b, c = *o.c;
    GR_EACH
    for (int64_t i = 0; i < n; i++)
        to[i] += row(mode, NULL, o.p, o.dy[i], steps & 1 ? o.a[i] : a, steps & 2 ? o.b[i] : b, steps & 4 ? o.c[i] : c, o.y[i]);
}

GR_INLINE int NAME(scan)(NAME(row) *row, NAME(operands) o, int64_t n)
{
    int rare = 0;
    for (int64_t i = 0; i < n; i++) row(SCAN, &rare, o.p, o.dy[i], o.a[i], o.a[i], o.a[i], o.y[i]);
    return rare;
}

GR_INLINE void NAME(run)(NAME(row) *row, enum mode mode, unsigned steps, real *to, bool sums, NAME(operands) o, int64_t n)
{
    if (sums)
        NAME(accumulate)(row, mode, steps, to, o, n);
    else if (steps & GR_PAST_CACHES)
        NAME(write_past)(row, mode, steps, to, o, n);
    else
        NAME(write)(row, mode, steps, to, o, n);
}

/* In blocks where sin or cos take part, of rows with one operand. */
GR_INLINE void NAME(blocks)(NAME(row) *row, enum need need, unsigned steps, real *to, bool sums, NAME(operands) o, int64_t n)
{
    if (need != SCANNED) {
        NAME(run)(row, FAST, steps, to, sums, o, n);
        return;
    }
    const int64_t block = steps & GR_PAST_CACHES ? GR_PAST : BLOCK;
    for (int64_t rest = n; rest > 0; rest -= block) {
        const int64_t count = rest < block ? rest : block;
        if (NAME(scan)(row, o, count))
            NAME(run)(row, EXACT, steps, to, sums, o, count);
        else
            NAME(run)(row, FAST, steps, to, sums, o, count);
        to += count, o.dy += count, o.y += count;
        o.a += count, o.b += count, o.c += count;
    }
}

/* A loop for each number that gr_pow_number has a formula for; the text asks for that to the power b - less. */
GR_INLINE bool NAME(by_number)(NAME(row) *row, int less, unsigned steps, real *to, bool sums, NAME(operands) o, int64_t n)
{
#define BY(exponent, value) \
    { \
        const real b = (real)(exponent) + (real)less; \
        if (*o.b == b) { \
            o.b = &b; \
            NAME(run)(row, NUMBER, 1 | (steps & GR_PAST_CACHES), to, sums, o, n); \
            return true; \
        } \
    }
    GR_POWERS(BY, )
#undef BY
    return false;
}
#else
GR_INLINE void NAME(blocks)(NAME(row) *row, enum need need, unsigned steps, real *to, bool sums, NAME(operands) o, int64_t n)
{
    (void)need, (void)sums;
    if (steps & GR_PAST_CACHES)
        NAME(write_past)(row, FAST, steps, to, o, n);
    else
        NAME(write)(row, FAST, steps, to, o, n);
}
GR_INLINE bool NAME(by_number)(NAME(row) *row, int less, unsigned steps, real *to, bool sums, NAME(operands) o, int64_t n)
{
    return (void)row, (void)less, (void)steps, (void)to, (void)sums, (void)o, (void)n, false;
}
#endif

GR_INLINE void NAME(choose)(NAME(row) *row, enum need need, int operands, unsigned steps, real *to, bool sums,
                            NAME(operands) o, int64_t n)
{
    if (!sums && steps & GR_PAST_CACHES)
        NAME(blocks)(row, need, steps, to, false, o, n);
    else if (operands == 2 && (steps & 3) == 1)
        NAME(blocks)(row, need, 1, to, sums, o, n);
    else if (operands == 2 && (steps & 3) == 2)
        NAME(blocks)(row, need, 2, to, sums, o, n);
    else if (operands == 3 && steps & 4)
        NAME(blocks)(row, need, 7, to, sums, o, n);
    else
        NAME(blocks)(row, need, 3, to, sums, o, n);
}

GR_INLINE void NAME(forward)(NAME(row) *row, enum need need, int operands, int params, void *y, const void *const *in,
                             unsigned steps, int64_t n, const double *param)
{
    real p[2] = {0, 0};
    for (int k = 0; k < params; k++) p[k] = (real)param[k];
    const real *a = in[0], *b = operands > 1 ? in[1] : a, *unread = steps & 1 ? a : b, *c = operands > 2 ? in[2] : unread;
    const NAME(operands) o = {unread, a, b, c, unread, p};
    if (need == POWERS && steps & GR_BY_NUMBER && NAME(by_number)(row, 0, steps, y, false, o, n)) return;
    NAME(choose)(row, need, operands, steps, y, false, o, n);
}

GR_INLINE void NAME(back)(NAME(row) *row, enum need need, int operands, int params, void *dx, bool sums, const void *dy,
                          const void *const *in, unsigned steps, const void *y, int64_t n, const double *param)
{
    real p[2] = {0, 0};
    for (int k = 0; k < params; k++) p[k] = (real)param[k];
    const real *a = in[0], *b = operands > 1 ? in[1] : a, *c = operands > 2 ? in[2] : dy;
    const NAME(operands) o = {dy, a, b, c, y, p};
    const bool by_number = need == POWERS && steps & GR_BY_NUMBER;
    if (sums) {
        if (!by_number || !NAME(by_number)(row, 1, steps, dx, true, o, n))
            NAME(choose)(row, need, operands, steps, dx, true, o, n);
    } else if (!by_number || !NAME(by_number)(row, 1, steps, dx, false, o, n))
        NAME(choose)(row, need, operands, steps, dx, false, o, n);
}

/* ---- the rows, each only for the dtypes that its TYPES allow ---- */

#ifdef FLOATING
#define FOR_FLOAT(...) __VA_ARGS__
#define BACK(...) __VA_ARGS__
#else
#define FOR_FLOAT(...)
#define BACK(...)
#endif
#ifdef IS_BOOL
#define FOR_SAME_NOBOOL(...)
#else
#define FOR_SAME_NOBOOL(...) __VA_ARGS__
#endif
#define FOR_SAME(...) __VA_ARGS__
#define FOR_ANY(...) __VA_ARGS__

/* One text as a function of scalars, and the loops over it. */
#define ROW(function, params, text) \
    GR_INLINE real NAME(function)(enum mode mode, int *rare, const real *p, real dy, real a, real b, real c, real y) \
    { \
        const real x = a; \
        (void)mode, (void)rare, (void)p, (void)dy, (void)x, (void)b, (void)c, (void)y; \
        NAMED_##params return (real)(text); \
    }
#define FORWARD(name, operands, params, text, need) \
    ROW(name##_row, params, text) \
    static void NAME(name##_forward)(void *y, const void *const *in, unsigned steps, int64_t n, const double *param) \
    { \
        NAME(forward)(NAME(name##_row), need, operands, COUNT_##params, y, in, steps, n, param); \
    }
#define BACKWARD(name, operands, params, text, need) \
    ROW(name##_row, params, text) \
    static void NAME(name##_back)(void *dx, bool sums, const void *dy, const void *const *in, unsigned steps, \
                                  const void *y, int64_t n, const double *param) \
    { \
        NAME(back)(NAME(name##_row), need, operands, COUNT_##params, dx, sums, dy, in, steps, y, n, param); \
    }
#define TEST(name, operands, text) \
    GR_INLINE bool NAME(name##_test)(real a, real b) \
    { \
        const real x = a; \
        (void)x, (void)b; \
        return text; \
    } \
    static void NAME(name##_forward)(void *y, const void *const *in, unsigned steps, int64_t n, const double *param) \
    { \
        (void)param; \
        NAME(forward_test)(NAME(name##_test), y, in, operands == 2, steps, n); \
    }

#define UNARY(name, params, types, value, back, lo, hi, edges) \
    FOR_##types(FORWARD(name, 1, params, value, NEED(#value)) \
                BACK(BACKWARD(name##_a, 1, params, back, NEED(#back))))
#define BINARY(name, params, types, value, back_a, back_b, lo, hi, edges) \
    FOR_##types(FORWARD(name, 2, params, value, NEED(#value)) \
                BACK(BACKWARD(name##_a, 2, params, back_a, NEED(#back_a)) BACKWARD(name##_b, 2, params, back_b, NOTHING)))
#define TERNARY(name, params, types, value, back_a, back_b, back_c, lo, hi, edges) \
    FOR_##types(FORWARD(name, 3, params, value, NOTHING) \
                BACK(BACKWARD(name##_a, 3, params, back_a, NOTHING) BACKWARD(name##_b, 3, params, back_b, NOTHING) \
                     BACKWARD(name##_c, 3, params, back_c, NOTHING)))
#define PREDICATE(name, params, types, value, lo, hi, edges) FOR_##types(TEST(name, 1, value))
#define COMPARE(name, params, types, value, lo, hi, edges) FOR_##types(TEST(name, 2, value))
#include "core/elementwise.def"
#undef UNARY
#undef BINARY
#undef TERNARY
#undef PREDICATE
#undef COMPARE
#undef ROW
#undef FORWARD
#undef BACKWARD
#undef TEST

/* ---- loops that are no rows ---- */

static void NAME(fill)(void *to, const void *value, int64_t n)
{
    const real v = *(const real *)value;
    real *y = to;
    for (int64_t i = 0; i < n; i++) y[i] = v;
}

/* The condition is read as bytes: of bools GCC 12 would make branches. */
GR_INLINE void NAME(select_steps)(unsigned steps, real *y, const uint8_t *condition, const real *as, const real *bs, int64_t n)
{
    const real a = *as, b = *bs;
    GR_EACH
    for (int64_t i = 0; i < n; i++) {
        const real p = steps & 1 ? as[i] : a, q = steps & 2 ? bs[i] : b;
        y[i] = condition[i] ? p : q;
    }
}

GR_INLINE void NAME(select_past)(unsigned steps, real *to, const uint8_t *condition, const real *a, const real *b, int64_t n)
{
    WRITE_PAST(real, to, a, b, a, steps, n, FETCH(condition, at);, condition[i] ? p : q)
}

static void NAME(select)(void *y, const bool *bools, const void *a, const void *b, unsigned steps, int64_t n)
{
    const uint8_t *condition = (const uint8_t *)bools;
    if (steps & GR_PAST_CACHES)
        NAME(select_past)(steps, y, condition, a, b, n);
    else if (steps == 3)
        NAME(select_steps)(3, y, condition, a, b, n);
    else if (steps == 2)
        NAME(select_steps)(2, y, condition, a, b, n);
    else if (steps == 1)
        NAME(select_steps)(1, y, condition, a, b, n);
    else
        NAME(select_steps)(0, y, condition, a, b, n);
}

#ifdef FLOATING
static void NAME(affine)(void *to, const void *from, const void *weight, const void *bias, int64_t n)
{
    const real w = *(const real *)weight, b = *(const real *)bias, *x = from;
    real *y = to;
    GR_EACH
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * w + b;
}

static void NAME(mse_back)(void *to, bool sums, const void *from, const void *target, const void *scale, int64_t n)
{
    const real s = *(const real *)scale, *x = from, *t = target;
    real *dx = to;
    if (sums)
        GR_EACH
        for (int64_t i = 0; i < n; i++) dx[i] += s * (x[i] - t[i]);
    else
        GR_EACH
        for (int64_t i = 0; i < n; i++) dx[i] = s * (x[i] - t[i]);
}
#endif

static const gr_elementwise_loops NAME(loops) = {
    .forward = {
#define ROW(name, types) FOR_##types([GR_E_##name] = NAME(name##_forward), )
#define UNARY(name, params, types, ...) ROW(name, types)
#define BINARY(name, params, types, ...) ROW(name, types)
#define TERNARY(name, params, types, ...) ROW(name, types)
#define PREDICATE(name, params, types, ...) ROW(name, types)
#define COMPARE(name, params, types, ...) ROW(name, types)
#include "core/elementwise.def"
#undef ROW
#undef UNARY
#undef BINARY
#undef TERNARY
#undef PREDICATE
#undef COMPARE
    },
#ifdef FLOATING
    .back = {
#define UNARY(name, ...) [GR_E_##name] = {NAME(name##_a_back)},
#define BINARY(name, ...) [GR_E_##name] = {NAME(name##_a_back), NAME(name##_b_back)},
#define TERNARY(name, ...) [GR_E_##name] = {NAME(name##_a_back), NAME(name##_b_back), NAME(name##_c_back)},
#define PREDICATE(name, ...)
#define COMPARE(name, ...)
#include "core/elementwise.def"
#undef UNARY
#undef BINARY
#undef TERNARY
#undef PREDICATE
#undef COMPARE
    },
    .affine = NAME(affine),
    .mse_back = NAME(mse_back),
#endif
    .fill = NAME(fill),
    .streamed = streamed,
    .select = NAME(select),
};
#undef FOR_FLOAT
#undef FOR_SAME
#undef FOR_SAME_NOBOOL
#undef FOR_ANY
#undef BACK
