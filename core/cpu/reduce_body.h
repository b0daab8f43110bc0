/* reduce_body.h - the loops of reduce_loops.c, once per `real`; sums and products are `total`. No include guard. */

/* ---- two to one ---- */

typedef total NAME(join_totals)(total, total);
typedef real NAME(join)(real, real);

GR_INLINE bool NAME(is_nan)(real x)
{
#ifdef FLOATING
    return x != x;
#else
    return (void)x, false;
#endif
}
GR_INLINE total NAME(plus)(total a, total b)
{
    return a + b;
}
GR_INLINE total NAME(times)(total a, total b)
{
    return a * b;
}
/* NaN wins. */
GR_INLINE real NAME(larger)(real a, real b)
{
    return ((a > b) | NAME(is_nan)(a)) ? a : b;
}
GR_INLINE real NAME(smaller)(real a, real b)
{
    return ((a < b) | NAME(is_nan)(a)) ? a : b;
}

/* ---- one row. Products and extrema run in LANES lanes, so that their bits are those of every instruction set ---- */

enum { NAME(LANES) = 128 / sizeof(real) };

static total NAME(product)(const real *x, int64_t n)
{
    total lane[NAME(LANES)], y = 1;
    int64_t i = 0;
    for (int k = 0; k < NAME(LANES); k++) lane[k] = 1;
    for (; i + NAME(LANES) <= n; i += NAME(LANES))
        for (int k = 0; k < NAME(LANES); k++) lane[k] *= x[i + k];
    for (; i < n; i++) y *= x[i];
    for (int k = 0; k < NAME(LANES); k++) y *= lane[k];
    return y;
}

GR_INLINE real NAME(extremum)(NAME(join) *join, const real *x, int64_t n)
{
    real lane[NAME(LANES)], y = x[0];
    int64_t i = 0;
    for (int k = 0; k < NAME(LANES); k++) lane[k] = y;
    for (; i + NAME(LANES) <= n; i += NAME(LANES))
        for (int k = 0; k < NAME(LANES); k++) lane[k] = join(lane[k], x[i + k]);
    if (n >= NAME(LANES))
        for (int k = 0; k < NAME(LANES); k++) y = join(y, lane[k]);
    for (; i < n; i++) y = join(y, x[i]);
    return y;
}

static real NAME(largest)(const real *x, int64_t n)
{
    return NAME(extremum)(NAME(larger), x, n);
}
static real NAME(smallest)(const real *x, int64_t n)
{
    return NAME(extremum)(NAME(smaller), x, n);
}

#ifndef FLOATING
static total NAME(sum_row)(const real *x, int64_t n)
{
    total y = 0;
    for (int64_t i = 0; i < n; i++) y += x[i];
    return y;
}
#endif

static void NAME(rows)(gr_reduce kind, void *to, const void *from, int64_t rows, int64_t n, bool add)
{
    const real *x = from;
    total *y = to;
    if (kind == GR_REDUCE_MAX || kind == GR_REDUCE_MIN) {
        real *extrema = to;
        for (int64_t r = 0; r < rows; r++) {
            const real value = kind == GR_REDUCE_MAX ? NAME(largest)(x + r * n, n) : NAME(smallest)(x + r * n, n);
            extrema[r] = add ? (real)(extrema[r] + value) : value;
        }
        return;
    }
    for (int64_t r = 0; r < rows; r++) {
        total value = kind == GR_REDUCE_PROD ? NAME(product)(x + r * n, n) : NAME(sum_row)(x + r * n, n);
        if (kind == GR_REDUCE_MEAN) value /= (total)n;
        y[r] = add ? y[r] + value : value;
    }
}

/* ---- columns, but for float sums: row after row ---- */

enum { NAME(STRIP) = 256 };

GR_INLINE void NAME(join_columns)(NAME(join_totals) *join, total first, total *y, const real *x, int64_t rows,
                                  int64_t columns, int64_t stride, bool add)
{
    for (int64_t c = 0; c < columns; c += NAME(STRIP)) {
        const int64_t width = columns - c < NAME(STRIP) ? columns - c : NAME(STRIP);
        total strip[NAME(STRIP)];
        for (int64_t i = 0; i < width; i++) strip[i] = first;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < width; i++) strip[i] = join(strip[i], x[r * stride + c + i]);
        for (int64_t i = 0; i < width; i++) y[c + i] = add ? y[c + i] + strip[i] : strip[i];
    }
}

GR_INLINE void NAME(extreme_columns)(NAME(join) *join, real *y, const real *x, int64_t rows, int64_t columns,
                                     int64_t stride, bool add)
{
    for (int64_t c = 0; c < columns; c += NAME(STRIP)) {
        const int64_t width = columns - c < NAME(STRIP) ? columns - c : NAME(STRIP);
        real strip[NAME(STRIP)];
        for (int64_t i = 0; i < width; i++) strip[i] = x[c + i];
        for (int64_t r = 1; r < rows; r++)
            for (int64_t i = 0; i < width; i++) strip[i] = join(strip[i], x[r * stride + c + i]);
        for (int64_t i = 0; i < width; i++) y[c + i] = add ? (real)(y[c + i] + strip[i]) : strip[i];
    }
}

static void NAME(columns)(gr_reduce kind, void *to, const void *x, int64_t rows, int64_t columns, int64_t stride, bool add)
{
    if (kind == GR_REDUCE_MAX)
        NAME(extreme_columns)(NAME(larger), to, x, rows, columns, stride, add);
    else if (kind == GR_REDUCE_MIN)
        NAME(extreme_columns)(NAME(smaller), to, x, rows, columns, stride, add);
    else if (kind == GR_REDUCE_PROD)
        NAME(join_columns)(NAME(times), 1, to, x, rows, columns, stride, add);
#ifdef FLOATING
    else
        NAME(sum_columns)(to, x, rows, columns, stride, add);
#else
    else
        NAME(join_columns)(NAME(plus), 0, to, x, rows, columns, stride, add);
#endif
}

/* ---- the tree above blocks: neighbours are joined until one is left ---- */

GR_INLINE void NAME(tree_of_totals)(NAME(join_totals) *join, total *parts, int64_t count, int64_t width)
{
    for (; count > 1; count = (count + 1) / 2) {
        for (int64_t i = 0; i < count / 2; i++)
            for (int64_t w = 0; w < width; w++)
                parts[i * width + w] = join(parts[2 * i * width + w], parts[(2 * i + 1) * width + w]);
        if (count % 2)
            for (int64_t w = 0; w < width; w++) parts[count / 2 * width + w] = parts[(count - 1) * width + w];
    }
}

static void NAME(combine)(gr_reduce kind, void *to, void *parts, int64_t count, int64_t width, int64_t n, bool add)
{
    total *y = to, *sums = parts;
    if (kind == GR_REDUCE_MAX || kind == GR_REDUCE_MIN) {
        NAME(columns)(kind, to, parts, count, width, width, add);
        return;
    }
    if (kind == GR_REDUCE_PROD)
        NAME(tree_of_totals)(NAME(times), sums, count, width);
    else
        NAME(tree_of_totals)(NAME(plus), sums, count, width);
    for (int64_t w = 0; w < width; w++) {
        const total value = kind == GR_REDUCE_MEAN ? sums[w] / (total)n : sums[w];
        y[w] = add ? y[w] + value : value;
    }
}

/* ---- places of extrema ---- */

static int64_t NAME(place)(bool largest, const void *from, int64_t n)
{
    const real *x = from, value = largest ? NAME(largest)(x, n) : NAME(smallest)(x, n);
    int64_t i = 0;
    if (NAME(is_nan)(value))
        while (!NAME(is_nan)(x[i])) i++;
    else
        while (x[i] != value) i++;
    return i;
}

static int64_t NAME(count_equal)(const void *from, const void *value, int64_t n)
{
    const real *x = from, v = *(const real *)value;
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) count += x[i] == v;
    return count;
}

#ifdef FLOATING
static void NAME(spread_equal)(void *to, bool add, const void *from, const void *value, const void *share, int64_t n)
{
    const real *x = from, v = *(const real *)value, s = *(const real *)share;
    real *dx = to;
    if (add)
        GR_EACH
        for (int64_t i = 0; i < n; i++) dx[i] += s * (real)(x[i] == v);
    else
        GR_EACH
        for (int64_t i = 0; i < n; i++) dx[i] = s * (real)(x[i] == v);
}

static void NAME(squares)(void *y, const void *x, const void *t, int64_t n, bool mean)
{
    const real value = NAME(sum_squares_of_differences)(x, t, n);
    *(real *)y = mean ? value / (real)n : value;
}
#endif

static const gr_reduce_loops NAME(loops) = {
    .rows = NAME(rows),
    .columns = NAME(columns),
    .combine = NAME(combine),
    .place = NAME(place),
    .count_equal = NAME(count_equal),
#ifdef FLOATING
    .spread_equal = NAME(spread_equal),
    .squares = NAME(squares),
#endif
};
