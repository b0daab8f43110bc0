/* row_text.h - the words of elementwise.def's rows as C over scalars of `real`; for the files that make loops or kernels of
 * them. What computes exp, log and the like, and `square`, is theirs. No include guard. */

#define C(number) ((real)(number))
#define ZERO 0
#define neg(a) ((real)(-(a)))
#define reciprocal(a) ((real)(1 / (a)))
#define add(a, b) ((real)((a) + (b)))
#define sub(a, b) ((real)((a) - (b)))
#define mul(a, b) ((real)((a) * (b)))
#define div(a, b) ((real)((a) / (b)))
#define lt(a, b) ((a) < (b))
#define le(a, b) ((a) <= (b))
#define gt(a, b) ((a) > (b))
#define ge(a, b) ((a) >= (b))
#define eq(a, b) ((a) == (b))
#define either(p, q) ((p) | (q))
#define both(p, q) ((p) & (q))
#define pick(c, p, q) ((c) ? (p) : (q))

/* Parameters stand in p[]. */
#define NAMED_NONE
#define NAMED_P1(n, d) \
    const real n = p[0]; \
    (void)n;
#define NAMED_P2(n, d, m, e) \
    const real n = p[0], m = p[1]; \
    (void)n, (void)m;
