/* convert.c - elements of one dtype as those of another: runs of them, and blocks of rows and columns. */
#include "core/bfloat16.h"
#include "core/cpu/cpu.h"

/* ---- conversion of one run ---- */

/* A number that has no place becomes the lowest integer, as the processor's own conversion has it, and PyTorch. */
static inline int64_t i64_of_real(double x)
{
    return x >= (double)INT64_MIN && x < -(double)INT64_MIN ? (int64_t)x : INT64_MIN;
}
static inline int32_t i32_of_real(double x)
{
    return x >= (double)INT32_MIN && x < -(double)INT32_MIN ? (int32_t)x : INT32_MIN;
}
static inline int64_t i64_of_single(float x)
{
    return i64_of_real((double)x);
}
static inline int32_t i32_of_single(float x)
{
    return i32_of_real((double)x);
}
static inline int64_t i64_of_integer(int64_t x)
{
    return x;
}
static inline int32_t i32_of_integer(int64_t x)
{
    return (int32_t)x;
}
#define WHOLE(as, x) _Generic((x), float: as##_of_single, double: as##_of_real, default: as##_of_integer)(x)

#define AS_f32(x) ((float)(x))
#define AS_f64(x) ((double)(x))
#define AS_i64(x) WHOLE(i64, x)
#define AS_i32(x) WHOLE(i32, x)
#define AS_u8(x) ((uint8_t)WHOLE(i64, x))
#define AS_b8(x) ((x) != 0)
#define AS_b16(x) gr_bfloat16_round((float)(x)) /* a double is rounded twice, as PyTorch does */
#define AS_bits(x) (x)

/* What an element reads as; of bfloat16 by itself only bits are moved. */
#define OF_f32(x) (x)
#define OF_f64(x) (x)
#define OF_i64(x) (x)
#define OF_i32(x) (x)
#define OF_u8(x) (x)
#define OF_b8(x) (x)
#define OF_b16(x) gr_bfloat16_widen(x)
#define OF_bits(x) (x)

#define CONVERT(to_tag, to_type, from_tag, from_type) \
    static void from_tag##_to_##to_tag(void *to, int64_t to_step, const void *from, int64_t from_step, int64_t n) \
    { \
        to_type *y = to; \
        const from_type *x = from; \
        if (to_step == 1 && from_step == 1) { \
            GR_EACH \
            for (int64_t i = 0; i < n; i++) y[i] = AS_##to_tag(OF_##from_tag(x[i])); \
        } else if (from_step == 0) { \
            const to_type value = AS_##to_tag(OF_##from_tag(*x)); \
            for (int64_t i = 0; i < n; i++) y[i * to_step] = value; \
        } else \
            for (int64_t i = 0; i < n; i++) y[i * to_step] = AS_##to_tag(OF_##from_tag(x[i * from_step])); \
    }
#define CONVERT_FROM(from_tag, from_type) \
    CONVERT(f32, float, from_tag, from_type) \
    CONVERT(f64, double, from_tag, from_type) \
    CONVERT(i64, int64_t, from_tag, from_type) \
    CONVERT(i32, int32_t, from_tag, from_type) \
    CONVERT(u8, uint8_t, from_tag, from_type) \
    CONVERT(b8, bool, from_tag, from_type) \
    CONVERT(b16, uint16_t, from_tag, from_type)
CONVERT_FROM(f32, float)
CONVERT_FROM(f64, double)
CONVERT_FROM(i64, int64_t)
CONVERT_FROM(i32, int32_t)
CONVERT_FROM(u8, uint8_t)
CONVERT_FROM(b8, bool)
CONVERT(f32, float, b16, uint16_t)
CONVERT(f64, double, b16, uint16_t)
CONVERT(i64, int64_t, b16, uint16_t)
CONVERT(i32, int32_t, b16, uint16_t)
CONVERT(u8, uint8_t, b16, uint16_t)
CONVERT(b8, bool, b16, uint16_t)
CONVERT(bits, uint16_t, bits, uint16_t)

#define CONVERTS_TO(tag, of_bfloat16) \
    { \
        [GR_FLOAT32] = f32_to_##tag, [GR_FLOAT64] = f64_to_##tag, [GR_INT64] = i64_to_##tag, \
        [GR_INT32] = i32_to_##tag, [GR_UINT8] = u8_to_##tag, [GR_BOOL] = b8_to_##tag, [GR_BFLOAT16] = of_bfloat16 \
    }
gr_convert *const gr_converts[GR_DTYPES][GR_DTYPES] = {
    [GR_FLOAT32] = CONVERTS_TO(f32, b16_to_f32), [GR_FLOAT64] = CONVERTS_TO(f64, b16_to_f64),
    [GR_INT64] = CONVERTS_TO(i64, b16_to_i64),   [GR_INT32] = CONVERTS_TO(i32, b16_to_i32),
    [GR_UINT8] = CONVERTS_TO(u8, b16_to_u8),     [GR_BOOL] = CONVERTS_TO(b8, b16_to_b8),
    [GR_BFLOAT16] = CONVERTS_TO(b16, bits_to_bits)};

void gr_number_as(void *to, gr_dtype dtype, gr_value v)
{
    if (v.kind == GR_VALUE_REAL)
        gr_converts[dtype][GR_FLOAT64](to, 1, &v.real, 1, 1);
    else
        gr_converts[dtype][GR_INT64](to, 1, &v.integer, 1, 1);
}

/* ---- conversion of a block ---- */

typedef uint32_t words __attribute__((vector_size(16)));
typedef uint32_t words_anywhere __attribute__((vector_size(16), aligned(4), may_alias));
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE __builtin_shufflevector
#else
#define SHUFFLE(p, q, ...) __builtin_shuffle(p, q, (words){__VA_ARGS__})
#endif

/* Four rows of four words, each of which is a column in x, whose columns are x_column apart. */
static inline void transpose_words(uint32_t *y, int64_t y_row, const uint32_t *x, int64_t x_column)
{
    const words a = *(const words_anywhere *)x, b = *(const words_anywhere *)(x + x_column),
                c = *(const words_anywhere *)(x + 2 * x_column), d = *(const words_anywhere *)(x + 3 * x_column);
    const words ab = SHUFFLE(a, b, 0, 4, 1, 5), ab_high = SHUFFLE(a, b, 2, 6, 3, 7), cd = SHUFFLE(c, d, 0, 4, 1, 5),
                cd_high = SHUFFLE(c, d, 2, 6, 3, 7);
    *(words_anywhere *)y = SHUFFLE(ab, cd, 0, 1, 4, 5);
    *(words_anywhere *)(y + y_row) = SHUFFLE(ab, cd, 2, 3, 6, 7);
    *(words_anywhere *)(y + 2 * y_row) = SHUFFLE(ab_high, cd_high, 0, 1, 4, 5);
    *(words_anywhere *)(y + 3 * y_row) = SHUFFLE(ab_high, cd_high, 2, 3, 6, 7);
}

enum {
    STRIP = 128, /* rows whose lines stay in the cache */
    ACROSS_FROM = 8, /* times denser across the rows than along them, from which columns pay, */
    FEWEST_ROWS = 4  /* and rows */
};

/* Column by column. */
static void copy_columns(const gr_block *b, char *to, const char *from, int64_t rows, int64_t columns)
{
    int64_t c = 0;
    if (b->is_word && b->from_row == 1 && b->to_column == 1)
        for (; c + 4 <= columns; c += 4) {
            int64_t r = 0;
            for (; r + 4 <= rows; r += 4)
                transpose_words((uint32_t *)(void *)to + r * b->to_row + c, b->to_row,
                                (const uint32_t *)(const void *)from + r + c * b->from_column, b->from_column);
            for (; r < rows; r++)
                b->convert(to + (r * b->to_row + c) * b->to_bytes, 1, from + (r + c * b->from_column) * b->from_bytes,
                           b->from_column, 4);
        }
    for (; c < columns; c++)
        b->convert(to + c * b->to_column * b->to_bytes, b->to_row, from + c * b->from_column * b->from_bytes, b->from_row, rows);
}

bool gr_block_lies_across(const gr_block *b)
{
    return b->from_row != 0 && b->from_column / ACROSS_FROM >= b->from_row;
}

void gr_block_run(const gr_block *b, void *to, const void *from, int64_t rows, int64_t columns)
{
    char *y = to;
    const char *x = from;
    if (rows >= FEWEST_ROWS && gr_block_lies_across(b))
        for (int64_t r = 0; r < rows; r += STRIP)
            copy_columns(b, y + r * b->to_row * b->to_bytes, x + r * b->from_row * b->from_bytes,
                         rows - r < STRIP ? rows - r : STRIP, columns);
    else
        for (int64_t r = 0; r < rows; r++)
            b->convert(y + r * b->to_row * b->to_bytes, b->to_column, x + r * b->from_row * b->from_bytes, b->from_column,
                       columns);
}

void gr_block_dtypes(gr_block *b, gr_dtype to, gr_dtype from)
{
    b->convert = gr_converts[to][from];
    b->to_bytes = gr_dtype_size[to];
    b->from_bytes = gr_dtype_size[from];
    b->is_word = to == from && b->to_bytes == sizeof(uint32_t);
}
