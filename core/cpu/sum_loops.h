/* sum_loops.h - sums in PyTorch's order, once per `real` (float or double). No include guard.
 *
 * The order, which depends on the logical shape only. L = 8 lanes of float, 4 of double; an item is
 * a number or a vector of L numbers side by side.
 *
 * multi(r0, r1, ...): level 0 adds in order. After each 16 items level 1 += level 0, level 0 = 0;
 * after each 256 level 2 += level 1, after each 4096 level 3 += level 2, likewise. At the end
 * level 0 + 1 + 2 + 3.
 *
 * four(r0, r1, ...): A_j = multi(r_j, r_4+j, ...) for j = 0 to 3; items beyond the last full four
 * are added to A_0; then ((A_0 + A_1) + A_2) + A_3.
 *
 * A row of n numbers: n < L: four(numbers). Else four(n / L vectors); 0 + the tail's numbers in
 * order + its lanes in order.
 *
 * The columns of [n, C]: W = C >= L ? 4 L : 4. Each of the first C / W * W columns: multi; each of
 * the others: four. C = 1: as a row.
 *
 * Above 32768 terms: blocks of 32768, the last one shorter, each by these rules. Then neighbours
 * are added, and neighbours of these sums, and so on: a tree cut at the largest power of two below
 * its count (sum_tree).
 *
 * Every instruction set gives the same bits. */

#ifndef GR_SUM_BLOCK
#define GR_SUM_BLOCK 32768 /* terms summed by PyTorch's rules alone */
#define GR_SUM_SLAB 128    /* columns that are summed at the same time */
#endif

enum { R(SUM_LANES) = 32 / (int)sizeof(real) };
typedef real R(sum_lanes) __attribute__((vector_size(32)));
/* the same anywhere in memory */
typedef real R(sum_memory) __attribute__((vector_size(32), aligned(sizeof(real)), may_alias));

#define SUM_INLINE __attribute__((always_inline)) static inline

/* What is summed: x, or (x - t)^2 where t is given. */
SUM_INLINE real R(sum_term)(const real *x, const real *t, int64_t i)
{
    const real d = t ? x[i] - t[i] : x[i];
    return t ? d * d : d;
}

SUM_INLINE void R(sum_add)(R(sum_lanes) *sum, const real *x, const real *t, int64_t i)
{
    R(sum_lanes) d = *(const R(sum_memory) *)(x + i);
    if (t) {
        d -= *(const R(sum_memory) *)(t + i);
        d *= d;
    }
    *sum += d;
}

/* ---- items that are numbers, `step` apart ---- */

SUM_INLINE real R(sum_multi)(const real *x, const real *t, int64_t step, int64_t count)
{
    real level[4] = {0};
    for (int64_t i = 0; i < count;) {
        level[0] += R(sum_term)(x, t, i * step);
        i++;
        for (int l = 1; l < 4 && i % (1 << 4 * l) == 0; l++)
            level[l] += level[l - 1], level[l - 1] = 0;
    }
    return level[0] + level[1] + level[2] + level[3];
}

SUM_INLINE real R(sum_four)(const real *x, const real *t, int64_t step, int64_t count)
{
    real a[4] = {0};
    for (int j = 0; j < 4; j++)
        a[j] = R(sum_multi)(x + j * step, t ? t + j * step : t, 4 * step, count / 4);
    for (int64_t i = count / 4 * 4; i < count; i++) a[0] += R(sum_term)(x, t, i * step);
    return a[0] + a[1] + a[2] + a[3];
}

/* ---- items that are vectors, `step` numbers apart ---- */

/* Sixteen turns, or the last few, of the four chains. */
SUM_INLINE void R(sum_turns)(R(sum_lanes) s[4], const real *x, const real *t, int64_t step,
                             int64_t turns)
{
    for (int j = 0; j < 4; j++) s[j] = (R(sum_lanes)){0};
    for (int64_t i = 0; i < turns; i++)
        for (int j = 0; j < 4; j++) R(sum_add)(&s[j], x, t, (4 * i + j) * step);
}

/* The chains' levels 1 to 3, added to what level 0 has left; apart, as short sums need none of it:
 * s + 0 is s. */
SUM_INLINE void R(sum_long_chains)(R(sum_lanes) s[4], const real *x, const real *t, int64_t step,
                                   int64_t turns)
{
    R(sum_lanes) level[3][4] = {{{0}}};
    for (int64_t i = 16; i <= turns; i += 16) {
        R(sum_turns)(s, x + 4 * (i - 16) * step, t ? t + 4 * (i - 16) * step : t, step, 16);
        for (int j = 0; j < 4; j++) level[0][j] += s[j];
        for (int l = 1; l < 3 && i % (16 << 4 * l) == 0; l++)
            for (int j = 0; j < 4; j++)
                level[l][j] += level[l - 1][j], level[l - 1][j] = (R(sum_lanes)){0};
    }
    const int64_t done = 4 * (turns / 16 * 16) * step;
    R(sum_turns)(s, x + done, t ? t + done : t, step, turns % 16);
    for (int j = 0; j < 4; j++) s[j] = s[j] + level[0][j] + level[1][j] + level[2][j];
}

SUM_INLINE void R(sum_four_lanes)(R(sum_lanes) *sum, const real *x, const real *t, int64_t step,
                                  int64_t count)
{
    R(sum_lanes) s[4];
    if (count < 64)
        R(sum_turns)(s, x, t, step, count / 4);
    else
        R(sum_long_chains)(s, x, t, step, count / 4);
    for (int64_t i = count / 4 * 4; i < count; i++) R(sum_add)(&s[0], x, t, i * step);
    *sum = s[0] + s[1] + s[2] + s[3];
}

/* ---- rows ---- */

SUM_INLINE real R(sum_terms)(const real *x, const real *t, int64_t n)
{
    if (n < R(SUM_LANES)) return R(sum_four)(x, t, 1, n);
    R(sum_lanes) lanes;
    R(sum_four_lanes)(&lanes, x, t, R(SUM_LANES), n / R(SUM_LANES));
    real sum = 0;
    for (int64_t i = n / R(SUM_LANES) * R(SUM_LANES); i < n; i++) sum += R(sum_term)(x, t, i);
    for (int l = 0; l < R(SUM_LANES); l++) sum += lanes[l];
    return sum;
}

/* One block: n <= GR_SUM_BLOCK numbers side by side. */
static inline real R(sum_row)(const real *x, int64_t n)
{
    return R(sum_terms)(x, NULL, n);
}

/* The same of (x - t)^2. */
static inline real R(sum_squares_of_differences)(const real *x, const real *t, int64_t n)
{
    return R(sum_terms)(x, t, n);
}

/* The sum of the blocks' sums, which are overwritten; count > 0. */
static inline real R(sum_tree)(real *blocks, int64_t count)
{
    for (int64_t apart = 1; apart < count; apart *= 2)
        for (int64_t i = 0; i + apart < count; i += 2 * apart) blocks[i] += blocks[i + apart];
    return blocks[0];
}

/* ---- columns: x [rows, columns], rows `stride` apart ---- */

/* multi for `width` columns, a multiple of 4 L up to GR_SUM_SLAB. Sixteen rows of all of them at a
 * time, for the cache. */
static inline void R(sum_wide)(real *y, const real *x, int64_t rows, int64_t stride, int64_t width)
{
    R(sum_lanes) level[3][GR_SUM_SLAB / R(SUM_LANES)] = {{{0}}};
    const int64_t vectors = width / R(SUM_LANES);
    /* The last turn has less than 16 rows, perhaps none, and ends level 0. */
    for (int64_t r = 0; r <= rows; r += 16) {
        const int64_t more = rows - r < 16 ? rows - r : 16;
        for (int64_t v = 0; v < vectors; v += 4) {
            R(sum_lanes) s[4] = {{0}};
            for (int64_t i = 0; i < more; i++)
                for (int j = 0; j < 4; j++)
                    R(sum_add)(&s[j], x, NULL, (r + i) * stride + (v + j) * R(SUM_LANES));
            for (int j = 0; j < 4; j++)
                if (more == 16)
                    level[0][v + j] += s[j];
                else
                    *(R(sum_memory) *)(y + (v + j) * R(SUM_LANES)) =
                        s[j] + level[0][v + j] + level[1][v + j] + level[2][v + j];
        }
        for (int l = 1; l < 3 && more == 16 && (r + 16) % (16 << 4 * l) == 0; l++)
            for (int64_t v = 0; v < vectors; v++)
                level[l][v] += level[l - 1][v], level[l - 1][v] = (R(sum_lanes)){0};
    }
}

/* four for columns `begin` to `end` of `columns` >= L: vectors, the last one moved back so that it
 * ends with the row. */
static inline void R(sum_narrow)(real *y, const real *x, int64_t rows, int64_t columns,
                                 int64_t stride, int64_t begin, int64_t end)
{
    for (int64_t c = begin; c < end; c += R(SUM_LANES)) {
        const int64_t from = c + R(SUM_LANES) <= columns ? c : columns - R(SUM_LANES);
        R(sum_lanes) sum;
        R(sum_four_lanes)(&sum, x + from, NULL, stride, rows);
        for (int64_t i = c - from; i < R(SUM_LANES) && from + i < end; i++)
            y[from + i - begin] = sum[i];
    }
}

/* One block of at most GR_SUM_BLOCK rows: y[0] is the sum of column `begin`, a multiple of
 * GR_SUM_SLAB, and so on up to `end`, at most GR_SUM_SLAB columns. */
static inline void R(sum_columns_block)(real *y, const real *x, int64_t rows, int64_t columns,
                                        int64_t stride, int64_t begin, int64_t end)
{
    const int64_t group = columns >= R(SUM_LANES) ? 4 * R(SUM_LANES) : 4;
    const int64_t wide = columns / group * group < end ? columns / group * group : end;
    if (columns >= R(SUM_LANES)) {
        if (wide > begin) R(sum_wide)(y, x + begin, rows, stride, wide - begin);
        const int64_t rest = wide > begin ? wide : begin;
        R(sum_narrow)(y + (rest - begin), x, rows, columns, stride, rest, end);
        return;
    }
    for (int64_t c = begin; c < end; c++)
        y[c - begin] = c < wide ? R(sum_multi)(x + c, NULL, stride, rows)
                                : R(sum_four)(x + c, NULL, stride, rows);
}

/* y[c] = the sum of column c of at most GR_SUM_BLOCK rows, or +=; columns > 1. */
static inline void R(sum_columns)(real *y, const real *x, int64_t rows, int64_t columns,
                                  int64_t stride, bool accumulate)
{
    real sum[GR_SUM_SLAB];
    for (int64_t c = 0; c < columns; c += GR_SUM_SLAB) {
        const int64_t width = columns - c < GR_SUM_SLAB ? columns - c : GR_SUM_SLAB;
        R(sum_columns_block)(sum, x, rows, columns, stride, c, c + width);
        for (int64_t i = 0; i < width; i++) y[c + i] = accumulate ? y[c + i] + sum[i] : sum[i];
    }
}

#undef SUM_INLINE
