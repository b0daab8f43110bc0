/* exact.h - functions in long double, and how far a result is from theirs. */
#ifndef EXACT_H
#define EXACT_H
#include <math.h>

typedef struct {
    int bits, lowest; /* digits, exponent of the least normal number */
    long double infinite;
} format;
enum { NARROW, WIDE };
static const format formats[] = {[NARROW] = {24, -126, 0x1p128L}, [WIDE] = {53, -1022, 0x1p1024L}};

/* The distance in units of the last place of the exact result, as if the range went on: an infinite result counts as the
 * number after the last, and so does what is beyond. */
static inline double ulps(const format *f, double got, long double exact)
{
    if (isnan(got) || isnan(exact)) return isnan(got) && isnan(exact) ? 0 : HUGE_VAL;
    if (fabsl(exact) >= f->infinite) exact = copysignl(f->infinite, exact);
    const long double value = isinf(got) ? copysignl(f->infinite, (long double)got) : (long double)got;
    if (value == exact) return 0;
    int exponent = exact == 0 ? f->lowest : ilogbl(exact);
    if (exponent < f->lowest) exponent = f->lowest;
    return (double)(fabsl(value - exact) / ldexpl(1, exponent - f->bits + 1));
}

#define PI 3.14159265358979323846264338L

static inline long double exact_sigmoid(long double x)
{
    return 1 / (1 + expl(-x));
}

/* x times the normal distribution's function, and the derivative */
static inline long double exact_gelu(long double x)
{
    return x * erfcl(-x / sqrtl(2)) / 2;
}
static inline long double exact_gelu_slope(long double x)
{
    return erfcl(-x / sqrtl(2)) / 2 + x * expl(-x * x / 2) / sqrtl(2 * PI);
}

/* Hendrycks and Gimpel's approximation by tanh, as x sigmoid(2 u), and its derivative */
static inline long double exact_gelu_tanh(long double x)
{
    return x / (1 + expl(-2 * sqrtl(2 / PI) * (x + 0.044715L * x * x * x)));
}
static inline long double exact_gelu_tanh_slope(long double x)
{
    const long double k = 2 * sqrtl(2 / PI), e = expl(-k * fabsl(x + 0.044715L * x * x * x));
    const long double inner = k * (1 + 3 * 0.044715L * x * x);
    return (x < 0 ? e : 1) / (1 + e) + x * (e / ((1 + e) * (1 + e))) * inner;
}

#endif
