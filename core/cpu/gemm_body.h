/* gemm_body.h - the loops of gemm_loops.c, once per `real`: float, double. No include guard. */

enum {
    R(LANES) = VECTOR_BYTES / (int)sizeof(real),
    R(BLOCK_K) = GR_GEMM_BLOCK_K_BYTES / (int)sizeof(real)
};

typedef real R(vector) __attribute__((vector_size(VECTOR_BYTES)));
/* the same anywhere in memory */
typedef real R(lanes) __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));

typedef struct {
    const real *data;
    int64_t row, column;
} R(matrix);

static inline R(matrix) R(typed)(gr_matrix x)
{
    return (R(matrix)){x.data, x.row, x.column};
}

/* ---- small products ----
 * Each element is round(round(a0 b0) + round(a1 b1)) + ... in this order; lanes and tiles only
 * choose which elements are computed at the same time. c has a stride between its columns too, so
 * that a transposed product is one as well. */

typedef struct {
    real *data;
    int64_t row, column;
    bool accumulate;
} R(result);

/* One row of c, n results from j = 0. */
static inline void R(put_row)(int64_t n, const real *from, R(result) c)
{
    if (c.accumulate)
        for (int64_t j = 0; j < n; j++) c.data[j * c.column] += from[j];
    else
        for (int64_t j = 0; j < n; j++) c.data[j * c.column] = from[j];
}

static inline void R(put_vector)(R(result) c, R(vector) sum)
{
    R(lanes) *at = (R(lanes) *)c.data;
    if (c.accumulate) sum += *at;
    *at = sum;
}

/* y = factor x, or += */
static inline void R(scale)(int64_t n, real factor, const real *x, int64_t x_step, real *y,
                            int64_t y_step, bool add)
{
    if (add)
        for (int64_t j = 0; j < n; j++) y[j * y_step] += factor * x[j * x_step];
    else if (x_step == 1 && y_step == 1)
        for (int64_t j = 0; j < n; j++) y[j] = factor * x[j];
    else
        for (int64_t j = 0; j < n; j++) y[j * y_step] = factor * x[j * x_step];
}

/* k = 1 */
static inline void R(outer)(const gr_product *x)
{
    const real *a = x->a.data, *b = x->b.data;
    real *c = x->c;
    if (x->n == 1)
        R(scale)(x->m, *b, a, x->a.row, c, x->ldc, x->accumulate);
    else
        for (int64_t i = 0; i < x->m; i++)
            R(scale)(x->n, a[i * x->a.row], b, x->b.column, c + i * x->ldc, 1, x->accumulate);
}

/* m = n = 1 */
static inline void R(dot)(const gr_product *x)
{
    const real *a = x->a.data, *b = x->b.data;
    const int64_t k = x->k, a_step = x->a.column, b_step = x->b.row;
    real *c = x->c, sum = a[0] * b[0];
    if (a_step == 1 && b_step == 1)
        for (int64_t p = 1; p < k; p++) sum += a[p] * b[p];
    else
        for (int64_t p = 1; p < k; p++) sum += a[p * a_step] * b[p * b_step];
    *c = x->accumulate ? *c + sum : sum;
}

/* `count` (a constant) columns of one row side by side, as each sum alone waits for its last
 * addition. */
__attribute__((always_inline)) static inline void R(dots)(int count, int64_t k, const real *a,
                                                          int64_t step, const real *b, int64_t row,
                                                          int64_t column, real *sum)
{
    for (int j = 0; j < count; j++) sum[j] = a[0] * b[j * column];
    for (int64_t p = 1; p < k; p++)
        for (int j = 0; j < count; j++) sum[j] += a[p * step] * b[p * row + j * column];
}

static void R(rows_of_dots)(int64_t m, int64_t n, int64_t k, R(matrix) a, R(matrix) b, R(result) c)
{
    real sum[8];
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0, count; j < n; j += count) {
            const real *row = a.data + i * a.row, *at = b.data + j * b.column;
            count = n - j >= 8 ? 8 : n - j >= 2 ? 2 : 1;
            if (count == 8)
                R(dots)(8, k, row, a.column, at, b.row, b.column, sum);
            else if (count == 2)
                R(dots)(2, k, row, a.column, at, b.row, b.column, sum);
            else
                R(dots)(1, k, row, a.column, at, b.row, b.column, sum);
            const R(result) to = {c.data + i * c.row + j * c.column, 0, c.column, c.accumulate};
            R(put_row)(count, sum, to);
        }
}

/* `rows` (a constant) rows of one vector: columns j to j + width. b: k vectors, `step` elements
 * apart. */
__attribute__((always_inline)) static inline void
R(rows)(int rows, int64_t k, R(matrix) a, const real *b, int64_t step, R(result) c, int64_t width)
{
    R(vector) sum[8];
    for (int r = 0; r < rows; r++) sum[r] = a.data[r * a.row] * *(const R(lanes) *)b;
    for (int64_t p = 1; p < k; p++) {
        const R(vector) x = *(const R(lanes) *)(b + p * step);
        for (int r = 0; r < rows; r++) sum[r] += a.data[r * a.row + p * a.column] * x;
    }
    for (int r = 0; r < rows; r++) {
        const R(result) to = {c.data + r * c.row, 0, c.column, c.accumulate};
        if (width == R(LANES) && c.column == 1)
            R(put_vector)(to, sum[r]);
        else
            R(put_row)(width, (const real *)&sum[r], to);
    }
}

static void R(column_of_tiles)(int64_t m, int64_t k, R(matrix) a, const real *b, int64_t step,
                               R(result) c, int64_t width)
{
    while (m > 0) {
        const int rows = m >= 8 ? 8 : m >= 4 ? 4 : m >= 2 ? 2 : 1;
        if (rows == 8)
            R(rows)(8, k, a, b, step, c, width);
        else if (rows == 4)
            R(rows)(4, k, a, b, step, c, width);
        else if (rows == 2)
            R(rows)(2, k, a, b, step, c, width);
        else
            R(rows)(1, k, a, b, step, c, width);
        a.data += rows * a.row;
        c.data += rows * c.row;
        m -= rows;
    }
}

/* Columns j to j + width of b as vectors, filled up with anything. */
static void R(copy_columns)(int64_t n, int64_t k, R(matrix) b, int64_t j, int64_t width,
                            R(vector) *to)
{
    int64_t p = 0;
    if (b.column == 1 && b.row == n) /* whole vectors reach into the next row: not past the last */
        for (; p * n + j + R(LANES) <= k * n; p++) to[p] = *(const R(lanes) *)(b.data + p * n + j);
    for (; p < k; p++) {
        to[p] = (R(vector)){0};
        for (int64_t i = 0; i < width; i++)
            ((real *)&to[p])[i] = b.data[p * b.row + (j + i) * b.column];
    }
}

enum { R(COPY_K) = 32768 / VECTOR_BYTES }; /* 32 KiB on the stack */

static void R(tiles)(int64_t m, int64_t n, int64_t k, R(matrix) a, R(matrix) b, R(result) c)
{
    R(vector) copy[R(COPY_K)];
    for (int64_t j = 0; j < n; j += R(LANES)) {
        const int64_t width = n - j < R(LANES) ? n - j : R(LANES);
        const R(matrix) columns = {b.data + j * b.column, b.row, b.column};
        const R(result) to = {c.data + j * c.column, c.row, c.column, c.accumulate};
        if (b.column == 1 && width == R(LANES))
            R(column_of_tiles)(m, k, a, columns.data, b.row, to, width);
        else if (m <= 2 || k > R(COPY_K))
            R(rows_of_dots)(m, width, k, a, columns, to);
        else {
            R(copy_columns)(n, k, b, j, width, copy);
            R(column_of_tiles)(m, k, a, (const real *)copy, R(LANES), to, width);
        }
    }
}

static void R(matrices)(const gr_product *x)
{
    int64_t m = x->m, n = x->n;
    R(matrix) a = R(typed)(x->a), b = R(typed)(x->b);
    R(result) c = {x->c, x->ldc, 1, x->accumulate};
    const bool b_in_rows = b.column == 1 && n >= R(LANES) / 2,
               a_in_columns = a.row == 1 && m >= R(LANES) / 2;
    if (!b_in_rows && (a_in_columns || m > n)) { /* c' = b' a' */
        const R(matrix) turned = {b.data, b.column, b.row};
        b = (R(matrix)){a.data, a.column, a.row};
        a = turned;
        c = (R(result)){c.data, 1, c.row, c.accumulate};
        n = m;
        m = x->n;
    }
    R(tiles)(m, n, x->k, a, b, c);
}

static void R(small)(const gr_product *x)
{
    if (x->k == 1)
        R(outer)(x);
    else if (x->m == 1 && x->n == 1)
        R(dot)(x);
    else
        R(matrices)(x);
}

/* ---- blocks of large products ---- */

static void R(pack)(int64_t k, int64_t n, gr_matrix matrix, void *panels)
{
    const R(matrix) b = R(typed)(matrix);
    const int64_t panel = 2 * R(LANES);
    real *to = panels;
    for (int64_t j = 0; j < n; j += panel, to += k * panel) {
        const int64_t width = n - j < panel ? n - j : panel;
        const real *from = b.data + j * b.column;
        if (width == panel && b.column == 1)
            for (int64_t p = 0; p < k; p++)
                memcpy(to + p * panel, from + p * b.row, sizeof(real) * (size_t)panel);
        else
            for (int64_t i = 0; i < panel; i++)
                for (int64_t p = 0; p < k; p++)
                    to[p * panel + i] = i < width ? from[p * b.row + i * b.column] : 0;
    }
}

/* TILE_M rows of a, element p of all of them side by side; rows past m are zeros. */
static void R(pack_rows)(int64_t m, int64_t k, R(matrix) a, real *to)
{
    if (a.row == 1 && m >= TILE_M)
        for (int64_t p = 0; p < k; p++)
            memcpy(to + p * TILE_M, a.data + p * a.column, TILE_M * sizeof(real));
    else
        for (int64_t r = 0; r < TILE_M; r++)
            for (int64_t p = 0; p < k; p++)
                to[p * TILE_M + r] = r < m ? a.data[r * a.row + p * a.column] : 0;
}

/* tile = a b; a: TILE_M side by side, b: one panel */
FUSED static void R(tile)(int64_t k, const real *a, const real *b, R(vector) tile[TILE_M][2])
{
    FUSE
    R(vector) sum[TILE_M][2] = {{{0}}};
    for (int64_t p = 0; p < k; p++, a += TILE_M, b += 2 * R(LANES)) {
        const R(vector) left = *(const R(lanes) *)b, right = *(const R(lanes) *)(b + R(LANES));
        for (int r = 0; r < TILE_M; r++) {
            sum[r][0] += a[r] * left;
            sum[r][1] += a[r] * right;
        }
    }
    for (int r = 0; r < TILE_M; r++) tile[r][0] = sum[r][0], tile[r][1] = sum[r][1];
}

static void R(put_tile)(int64_t m, int64_t n, R(vector) tile[TILE_M][2], R(result) c)
{
    for (int64_t r = 0; r < m; r++) {
        const R(result) row = {c.data + r * c.row, 0, 1, c.accumulate};
        R(put_row)(n, (const real *)tile[r], row);
    }
}

static void R(block)(const gr_product *x)
{
    real rows[GR_GEMM_BLOCK_M * R(BLOCK_K)];
    R(vector) tile[TILE_M][2];
    const int64_t panel = 2 * R(LANES);
    const R(matrix) a = R(typed)(x->a);
    for (int64_t i = 0; i < x->m; i += TILE_M) {
        const R(matrix) from = {a.data + i * a.row, a.row, a.column};
        R(pack_rows)(x->m - i, x->k, from, rows + i * x->k);
    }
    for (int64_t j = 0; j < x->n; j += panel)
        for (int64_t i = 0; i < x->m; i += TILE_M) {
            const int64_t m = x->m - i < TILE_M ? x->m - i : TILE_M,
                          n = x->n - j < panel ? x->n - j : panel;
            R(tile)(x->k, rows + i * x->k, (const real *)x->b.data + j * x->k, tile);
            const R(result) to = {(real *)x->c + i * x->ldc + j, x->ldc, 1, x->accumulate};
            R(put_tile)(m, n, tile, to);
        }
}
