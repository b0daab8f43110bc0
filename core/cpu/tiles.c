/* tiles.c - elementwise rows on operands that do not lie flat: tiles of them are gathered, the loop runs on the tiles, and its
 * result is scattered. A tile has elements one after the other; where an operand lies across, as a transposed one does, it
 * has some columns of some rows. */
#include "core/cpu/elementwise.h"

enum {
    TILE_ROWS = 16, /* of a tile of rows and columns: a line of floats */
    TILE_COLUMNS = 64,
    TILE_MOST = TILE_ROWS * TILE_COLUMNS
};

/* ---- elements one after the other ---- */

typedef struct {
    const gr_job *job;
    gr_walk gather[GR_SOURCES], scatter, before;
    bool direct; /* the result is written where it belongs */
    bool add;    /* else, to each tile what the result held before is added, which `before` gathers */
} tiles;

void gr_round_floats(char *x, int64_t count)
{
    uint16_t rounded[TILE_MOST];
    gr_converts[GR_BFLOAT16][GR_FLOAT32](rounded, 1, x, 1, count);
    gr_converts[GR_FLOAT32][GR_BFLOAT16](x, 1, rounded, 1, count);
}

/* bfloat16: a tile's result added to elements [at, at + count), which is another op. */
static void add_tile(const tiles *t, char *tile, int64_t at, int64_t count)
{
    _Alignas(64) char before[GR_TILE * GR_MAX_BYTES];
    const void *in[2] = {before, tile};
    gr_round_floats(tile, count);
    gr_walk_run(&t->before, before, t->job->result->data, at, at + count);
    gr_elementwise_loops_now[t->job->to_dtype]->forward[GR_E_add](tile, in, 3, count, NULL);
}

typedef char tile_memory[GR_SOURCES + 1][TILE_MOST * GR_MAX_BYTES];

/* Numbers fill their tiles; what is not read is another one's. */
static void prepare_tiles(const gr_job *j, tile_memory tile, int64_t count, const void **in)
{
    for (int k = 0; k < GR_SOURCES; k++) {
        if (!j->tensor[k] && j->in[k]) gr_converts[j->dtype[k]][j->dtype[k]](tile[k], 1, j->in[k], 0, count);
        in[k] = tile[j->in[k] ? k : GR_DY];
    }
}

static void tile_piece(void *context, int64_t begin, int64_t end)
{
    const tiles *t = context;
    const gr_job *j = t->job;
    _Alignas(64) tile_memory tile;
    const void *in[GR_SOURCES];
    prepare_tiles(j, tile, end - begin < GR_TILE ? end - begin : GR_TILE, in);
    for (int64_t at = begin; at < end; at += GR_TILE) {
        const int64_t count = end - at < GR_TILE ? end - at : GR_TILE;
        for (int k = 0; k < GR_SOURCES; k++) {
            if (!j->tensor[k]) continue;
            if (gr_walk_is_direct(&t->gather[k]) && j->tensor[k]->dtype == j->dtype[k] && !j->rounds)
                in[k] = j->in[k] + at * j->bytes[k];
            else
                gr_walk_run(&t->gather[k], tile[k], j->in[k], at, at + count);
            if (j->rounds && j->tensor[k]->dtype != GR_BFLOAT16) gr_round_floats(tile[k], count);
        }
        void *to = t->direct ? j->result->data + at * j->to_bytes : tile[GR_SOURCES];
        gr_call_loop(j, to, in, j->by_number ? 1 : 7, count);
        if (t->add) add_tile(t, to, at, count);
        if (!t->direct) gr_walk_run(&t->scatter, j->result->data, to, at, at + count);
    }
}

/* ---- tiles of rows and columns ---- */

typedef struct {
    const gr_job *job;
    int rows; /* the dimension */
    int64_t strips; /* of TILE_ROWS rows, with all columns */
    gr_block gather[GR_SOURCES], scatter;
} crossing;

static void crossing_tile(const crossing *t, tile_memory tile, const void *const *in, char *to, const int64_t *take, int64_t rows,
                          int64_t columns)
{
    const gr_job *j = t->job;
    for (int k = 0; k < GR_SOURCES; k++) {
        if (!j->tensor[k]) continue;
        gr_block gather = t->gather[k];
        gather.to_row = columns;
        gr_block_run(&gather, tile[k], j->in[k] + take[k] * gather.from_bytes, rows, columns);
        if (j->rounds && j->tensor[k]->dtype != GR_BFLOAT16) gr_round_floats(tile[k], rows * columns);
    }
    gr_call_loop(j, tile[GR_SOURCES], in, j->by_number ? 1 : 7, rows * columns);
    gr_block scatter = t->scatter;
    scatter.from_row = columns;
    gr_block_run(&scatter, to, tile[GR_SOURCES], rows, columns);
}

static void crossing_piece(void *context, int64_t begin, int64_t end)
{
    const crossing *t = context;
    const gr_job *j = t->job;
    const int last = j->dim - 1;
    _Alignas(64) tile_memory tile;
    const void *in[GR_SOURCES];
    prepare_tiles(j, tile, TILE_MOST, in);
    for (int64_t s = begin; s < end; s++) {
        const int64_t row = s % t->strips * TILE_ROWS, left = j->size[t->rows] - row, rows = left < TILE_ROWS ? left : TILE_ROWS;
        int64_t rest = s / t->strips, put = row * j->to[t->rows], take[GR_SOURCES];
        for (int k = 0; k < GR_SOURCES; k++) take[k] = row * j->stride[k][t->rows];
        for (int d = last - 1; d >= 0; d--) {
            if (d == t->rows) continue;
            put += rest % j->size[d] * j->to[d];
            for (int k = 0; k < GR_SOURCES; k++) take[k] += rest % j->size[d] * j->stride[k][d];
            rest /= j->size[d];
        }
        for (int64_t c = 0; c < j->size[last]; c += TILE_COLUMNS) {
            const int64_t columns = j->size[last] - c < TILE_COLUMNS ? j->size[last] - c : TILE_COLUMNS;
            crossing_tile(t, tile, in, j->result->data + put * t->scatter.to_bytes, take, rows, columns);
            put += columns * j->to[last];
            for (int k = 0; k < GR_SOURCES; k++) take[k] += columns * j->stride[k][last];
        }
    }
}

/* The dimension that a source lies along, beside the last one; false where there is none, or tiles pay as they are. */
static bool crosses(const gr_job *j, crossing *t)
{
    const int last = j->dim - 1;
    int64_t least = INT64_MAX;
    for (int d = 0; d < last && !j->add && j->size[last] >= TILE_ROWS; d++)
        for (int k = 0; k < GR_SOURCES; k++) {
            t->gather[k].from_row = j->stride[k][d];
            t->gather[k].from_column = j->stride[k][last];
            if (!j->tensor[k] || j->size[d] < TILE_ROWS || j->stride[k][d] >= least || !gr_block_lies_across(&t->gather[k]))
                continue;
            least = j->stride[k][d];
            t->rows = d;
        }
    return least < INT64_MAX;
}

static void run_crossing(gr_job *j, crossing *t)
{
    const int last = j->dim - 1;
    t->job = j;
    t->strips = (j->size[t->rows] + TILE_ROWS - 1) / TILE_ROWS;
    for (int k = 0; k < GR_SOURCES; k++) {
        if (!j->tensor[k]) continue;
        gr_block_dtypes(&t->gather[k], j->dtype[k], (gr_dtype)j->tensor[k]->dtype);
        t->gather[k].from_row = j->stride[k][t->rows];
        t->gather[k].from_column = j->stride[k][last];
        t->gather[k].to_column = 1;
    }
    gr_block_dtypes(&t->scatter, (gr_dtype)j->result->dtype, j->to_dtype);
    t->scatter.to_row = j->to[t->rows];
    t->scatter.to_column = j->to[last];
    t->scatter.from_column = 1;
    const int64_t others = j->result->numel / j->size[t->rows] / j->size[last];
    gr_parallel(others * t->strips, gr_grain_of(TILE_ROWS * j->size[last]), crossing_piece, t);
}

/* ---- the choice ---- */

void gr_run_tiles(gr_job *j)
{
    crossing across;
    if (crosses(j, &across)) {
        run_crossing(j, &across);
        return;
    }
    tiles t;
    t.job = j;
    for (int k = 0; k < GR_SOURCES; k++)
        if (j->tensor[k]) gr_walk_gather(&t.gather[k], j->tensor[k], j->result, j->dtype[k]);
    t.direct = j->result->contiguous && j->result->dtype == j->to_dtype;
    t.add = j->add && !t.direct;
    if (t.add) gr_walk_gather(&t.before, j->result, j->result, j->to_dtype);
    if (!t.direct) gr_walk_scatter(&t.scatter, j->result, j->to_dtype);
    j->add = j->add && t.direct;
    gr_parallel(j->result->numel, gr_grain(), tile_piece, &t);
}
