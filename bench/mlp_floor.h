/* mlp_floor.h - a training step of a multilayer perceptron without a framework: BLAS products,
 * plain loops, no allocation. One thread, or two that split every matrix; the threads meet after
 * each stage. */
#ifndef GR_MLP_FLOOR_H
#define GR_MLP_FLOOR_H
#include <cblas.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "bench.h"
#include "models.h"

enum {
    ALIGNED = 64, /* bytes of a cache line, */
    LINE = ALIGNED / sizeof(float),
    NARROW = 32 /* below so many columns threads share rows instead */
};

/* y[0] is the input; layer l turns y[l] [rows, size[l]] into y[l + 1]. dy[l] is the gradient of
 * y[l]. */
typedef struct {
    int layers, rows, size[MAX_LAYERS + 1];
    float rate;
    float *y[MAX_LAYERS + 1], *dy[MAX_LAYERS + 1], *w[MAX_LAYERS], *dw[MAX_LAYERS], *b[MAX_LAYERS],
        *db[MAX_LAYERS];
    float *target;
    float loss[2]; /* each thread's part of it */
} mlp_floor;

typedef struct {
    int begin, end;
} share;

/* Thread `self` of `threads` takes this part of n, in whole cache lines. */
static inline share share_of(int n, int self, int threads)
{
    const int lines = (n + LINE - 1) / LINE, first = lines * self / threads * LINE,
              last = lines * (self + 1) / threads * LINE;
    return (share){first < n ? first : n, last < n ? last : n};
}

/* ---- where threads meet ---- */

typedef struct {
    atomic_int arrived, turn;
} meeting;

static meeting floor_meeting;

static inline void meet(int threads)
{
    if (threads == 1) return;
    const int turn = atomic_load_explicit(&floor_meeting.turn, memory_order_relaxed);
    if (atomic_fetch_add(&floor_meeting.arrived, 1) == threads - 1) {
        atomic_store(&floor_meeting.arrived, 0);
        atomic_store(&floor_meeting.turn, turn + 1);
        return;
    }
    for (int turns = 0; atomic_load_explicit(&floor_meeting.turn, memory_order_acquire) == turn;
         turns++)
        if (turns > 10000) sched_yield();
}

/* ---- stages, each of which writes a thread's share ---- */

/* Columns of y[l + 1] = relu(y[l] w' + b); without relu in the last layer. Few columns: rows
 * instead. */
static inline void floor_forward(mlp_floor *m, int l, int self, int threads)
{
    const int in = m->size[l], out = m->size[l + 1];
    share row = {0, m->rows}, column = {0, out};
    if (out < NARROW)
        row = share_of(m->rows, self, threads);
    else
        column = share_of(out, self, threads);
    const int width = column.end - column.begin;
    float *y = m->y[l + 1] + (size_t)row.begin * (size_t)out + column.begin;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, row.end - row.begin, width, in, 1,
                m->y[l] + (size_t)row.begin * (size_t)in, in,
                m->w[l] + (size_t)column.begin * (size_t)in, in, 0, y, out);
    const float *b = m->b[l] + column.begin, least = l + 1 < m->layers ? 0 : -INFINITY;
    for (int i = 0; i < row.end - row.begin; i++, y += out)
        for (int j = 0; j < width; j++) y[j] = y[j] + b[j] > least ? y[j] + b[j] : least;
}

/* Rows of the loss's gradient, and their part of the loss. A thread's elements fill whole lines, as its rows do. */
static inline void floor_loss(mlp_floor *m, int self, int threads)
{
    const int out = m->size[m->layers], n = m->rows * out;
    const share row = share_of(m->rows, self, threads);
    const float *y = m->y[m->layers], *t = m->target;
    float *dy = m->dy[m->layers], lane[LINE] = {0};
    const float scale = 2 / (float)n;
    for (int i = row.begin * out; i < row.end * out; i++) dy[i] = scale * (y[i] - t[i]);
    for (int i = row.begin * out; i < row.end * out; i += LINE)
        for (int j = 0; j < LINE; j++) lane[j] += (y[i + j] - t[i + j]) * (y[i + j] - t[i + j]);
    float sum = 0;
    for (int j = 0; j < LINE; j++) sum += lane[j];
    m->loss[self] = sum / (float)n;
}

/* Columns of dy[l] = (dy[l + 1] w) where y[l] > 0 */
static inline void floor_back(mlp_floor *m, int l, int self, int threads)
{
    const int in = m->size[l], out = m->size[l + 1];
    const share column = share_of(in, self, threads);
    const int width = column.end - column.begin;
    float *dx = m->dy[l] + column.begin;
    const float *x = m->y[l] + column.begin;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m->rows, width, out, 1, m->dy[l + 1],
                out, m->w[l] + column.begin, in, 0, dx, in);
    for (int i = 0; i < m->rows; i++, x += in, dx += in)
        for (int j = 0; j < width; j++) dx[j] = x[j] > 0 ? dx[j] : 0;
}

static inline void floor_move(float *p, const float *gradient, size_t count, float rate)
{
    for (size_t i = 0; i < count; i++) p[i] -= rate * gradient[i];
}

/* dw = dy' x, db and the update: rows of w, or columns where rows are few. */
static inline void floor_update(mlp_floor *m, int l, int self, int threads)
{
    const int in = m->size[l], out = m->size[l + 1];
    share row = {0, out}, column = {0, in};
    if (out < NARROW)
        column = share_of(in, self, threads);
    else
        row = share_of(out, self, threads);
    const int height = row.end - row.begin, width = column.end - column.begin;
    const size_t first = (size_t)row.begin * (size_t)in + (size_t)column.begin;
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, height, width, m->rows, 1,
                m->dy[l + 1] + row.begin, out, m->y[l] + column.begin, in, 0, m->dw[l] + first, in);
    for (int i = 0; i < height; i++)
        floor_move(m->w[l] + first + (size_t)i * (size_t)in,
                   m->dw[l] + first + (size_t)i * (size_t)in, (size_t)width, m->rate);
    if (out < NARROW && self > 0) return;
    float *db = m->db[l];
    for (int j = row.begin; j < row.end; j++) db[j] = 0;
    for (int i = 0; i < m->rows; i++)
        for (int j = row.begin; j < row.end; j++)
            db[j] += m->dy[l + 1][(size_t)i * (size_t)out + (size_t)j];
    floor_move(m->b[l] + row.begin, db + row.begin, (size_t)height, m->rate);
}

static inline void floor_step(mlp_floor *m, int self, int threads)
{
    for (int l = 0; l < m->layers; l++) {
        floor_forward(m, l, self, threads);
        meet(threads);
    }
    floor_loss(m, self, threads);
    meet(threads);
    for (int l = m->layers - 1; l >= 0; l--) {
        if (l > 0) {
            floor_back(m, l, self, threads);
            meet(threads); /* dy[l] is complete, w[l] no longer read */
        }
        floor_update(m, l, self, threads);
    }
    meet(threads);
}

/* ---- a block of steps ---- */

static inline void floor_one(void *state, int64_t count)
{
    for (int64_t i = 0; i < count; i++) floor_step(state, 0, 1);
}

/* The second thread lives from floor_two_begin to floor_two_end. */
static pthread_t floor_helper_thread;
static atomic_bool floor_quit;

static inline void *floor_helper(void *state)
{
    for (;;) {
        meet(2);
        if (atomic_load(&floor_quit)) return NULL;
        floor_step(state, 1, 2);
    }
}

static inline void floor_two_begin(void *state)
{
    atomic_store(&floor_quit, false);
    const bool ok = pthread_create(&floor_helper_thread, NULL, floor_helper, state) == 0;
    bench_require(ok, "a second thread for the floor");
}

static inline void floor_two(void *state, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        meet(2);
        floor_step(state, 0, 2);
    }
}

static inline void floor_two_end(void *state)
{
    (void)state;
    atomic_store(&floor_quit, true);
    meet(2);
    pthread_join(floor_helper_thread, NULL);
}

/* ---- memory ---- */

static inline float *floor_array(size_t count)
{
    float *p = aligned_alloc(ALIGNED, (count * sizeof *p + ALIGNED - 1) / ALIGNED * ALIGNED);
    if (!p) bench_require(false, "memory of the floor");
    memset(p, 0, count * sizeof *p);
    return p;
}

static inline void floor_make(mlp_floor *m)
{
    for (int l = 0; l <= m->layers; l++) {
        m->y[l] = floor_array((size_t)m->rows * (size_t)m->size[l]);
        m->dy[l] = floor_array((size_t)m->rows * (size_t)m->size[l]);
    }
    m->target = floor_array((size_t)m->rows * (size_t)m->size[m->layers]);
    for (int l = 0; l < m->layers; l++) {
        m->w[l] = floor_array((size_t)m->size[l] * (size_t)m->size[l + 1]);
        m->dw[l] = floor_array((size_t)m->size[l] * (size_t)m->size[l + 1]);
        m->b[l] = floor_array((size_t)m->size[l + 1]);
        m->db[l] = floor_array((size_t)m->size[l + 1]);
    }
}

static inline void floor_free(mlp_floor *m)
{
    free(m->target);
    for (int l = 0; l <= m->layers; l++) {
        free(m->y[l]);
        free(m->dy[l]);
        if (l == m->layers) break;
        free(m->w[l]);
        free(m->dw[l]);
        free(m->b[l]);
        free(m->db[l]);
    }
}
#endif
