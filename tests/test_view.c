/* test_view.c - views against an oracle: for each element of a view, its place in the memory that it should show, moved about
 * by loops over places. Strides and offsets follow from these places; so does which reshapes need no copy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/internal.h"
#include "tests/draw.h"
#include "tests/look.h"
#include "tests/suites.h"

enum { MOST = 4096 };

/* A view of `root`, whose memory holds its own places: at[row-major place] is where the element lies, in elements. */
typedef struct {
    gr_shape shape;
    int64_t count, at[MOST];
} oracle;

static uint64_t random_state;
static int64_t below(int64_t n)
{
    return (int64_t)(draw(&random_state) >> 1) % n;
}

/* ---- places ---- */

typedef struct {
    int64_t i[GR_MAX_DIMS];
} place;

static place place_of(gr_shape s, int64_t flat)
{
    place p = {{0}};
    for (int d = s.count; d-- > 0; flat /= s.size[d]) p.i[d] = flat % s.size[d];
    return p;
}

static int64_t flat_of(gr_shape s, place p)
{
    int64_t flat = 0;
    for (int d = 0; d < s.count; d++) flat = flat * s.size[d] + p.i[d];
    return flat;
}

static int64_t count_of(gr_shape s)
{
    int64_t n = 1;
    for (int d = 0; d < s.count; d++) n *= s.size[d];
    return n;
}

static gr_shape without(gr_shape s, int dim)
{
    for (int d = dim; d + 1 < s.count; d++) s.size[d] = s.size[d + 1];
    s.count--;
    return s;
}

static gr_shape with(gr_shape s, int dim, int64_t size)
{
    for (int d = s.count; d > dim; d--) s.size[d] = s.size[d - 1];
    s.size[dim] = size;
    s.count++;
    return s;
}

/* o becomes `shape`; the element at p was before at source(p, given) */
typedef place source(place p, const int64_t *given);

static void remap(oracle *o, gr_shape shape, source *from, const int64_t *given)
{
    static oracle old;
    old = *o;
    o->shape = shape;
    o->count = count_of(shape);
    ck_assert_int_le(o->count, MOST);
    for (int64_t k = 0; k < o->count; k++) o->at[k] = old.at[flat_of(old.shape, from(place_of(shape, k), given))];
}

static place swapped(place p, const int64_t *dims)
{
    const int64_t first = p.i[dims[0]];
    p.i[dims[0]] = p.i[dims[1]];
    p.i[dims[1]] = first;
    return p;
}
static place permuted(place p, const int64_t *order) /* order[GR_MAX_DIMS] is the number of dims */
{
    place q = p;
    for (int d = 0; d < order[GR_MAX_DIMS]; d++) q.i[order[d]] = p.i[d];
    return q;
}
static place strided(place p, const int64_t *dim_start_step)
{
    p.i[dim_start_step[0]] = dim_start_step[1] + p.i[dim_start_step[0]] * dim_start_step[2];
    return p;
}
static place inserted(place p, const int64_t *dim_index)
{
    for (int d = GR_MAX_DIMS - 1; d > dim_index[0]; d--) p.i[d] = p.i[d - 1];
    p.i[dim_index[0]] = dim_index[1];
    return p;
}
static place removed(place p, const int64_t *dim)
{
    for (int d = (int)*dim; d + 1 < GR_MAX_DIMS; d++) p.i[d] = p.i[d + 1];
    return p;
}
static place shrunk(place p, const int64_t *old) /* old[GR_MAX_DIMS]: dims added in front, old[d]: whether dim d was 1 */
{
    place q = {{0}};
    for (int d = 0; d + old[GR_MAX_DIMS] < GR_MAX_DIMS; d++) q.i[d] = old[d] ? 0 : p.i[d + old[GR_MAX_DIMS]];
    return q;
}

/* ---- what is compared ---- */

/* Whether the places of o, seen as `shape`, are first + sum of index times a stride: only then a view can show them. */
static bool is_strided(const oracle *o, gr_shape shape)
{
    int64_t stride[GR_MAX_DIMS] = {0};
    for (int d = 0; d < shape.count; d++) {
        place p = {{0}};
        p.i[d] = 1;
        if (shape.size[d] > 1) stride[d] = o->at[flat_of(shape, p)] - o->at[0];
    }
    for (int64_t k = 0; k < o->count; k++) {
        const place p = place_of(shape, k);
        int64_t at = o->at[0];
        for (int d = 0; d < shape.count; d++) at += p.i[d] * stride[d];
        if (at != o->at[k]) return false;
    }
    return true;
}

static bool is_row_major(const oracle *o)
{
    for (int64_t k = 0; k < o->count; k++)
        if (o->at[k] != o->at[0] + k) return false;
    return true;
}

static double number_at(gr_tensor *root, int64_t i)
{
    const gr_dtype dtype = gr_dtype_of(root);
    if (dtype == GR_BOOL) return i % 3 == 0;
    return (double)(dtype == GR_UINT8 || dtype == GR_BFLOAT16 ? i % 256 : i);
}

static int64_t bytes_of(gr_tensor *x)
{
    return gr_dtype_size[gr_dtype_of(x)];
}

/* v shows root's memory at o's places; or, if copied, has o's numbers in memory of its own, row-major. */
static void expect_places(gr_tensor *v, gr_tensor *root, const oracle *o, bool copied, const char *what)
{
    static double number[MOST];
    ck_assert_msg(v != NULL, "%s: %s", what, gr_error() ? gr_error() : "NULL");
    bool same = gr_dim(v) == o->shape.count && gr_numel(v) == o->count && gr_dtype_of(v) == gr_dtype_of(root);
    for (int d = 0; same && d < o->shape.count; d++) same = gr_size(v, d) == o->shape.size[d];
    ck_assert_msg(same, "%s: another shape or dtype", what);
    const char *const data = gr_data(v), *const memory = gr_data(root);
    ck_assert(gr_to_array(v, number, o->count));
    for (int64_t k = 0; k < o->count; k++) {
        const place p = place_of(o->shape, k);
        int64_t at = 0;
        for (int d = 0; d < o->shape.count; d++) at += p.i[d] * gr_stride(v, d);
        const int64_t lies = (data - memory) / bytes_of(v) + at;
        const bool there = copied ? at == k && (lies < 0 || lies >= gr_numel(root)) : lies == o->at[k];
        if (!there || number[k] != number_at(root, o->at[k])) /* an assertion for each would take longer than the rest */
            ck_abort_msg("%s: element %d is %g, at %d, not at %d", what, (int)k, number[k], (int)lies, (int)o->at[k]);
    }
    ck_assert_msg(gr_is_contiguous(v) == (copied || is_row_major(o)), "%s: is_contiguous is %d", what, gr_is_contiguous(v));
}

/* A change of the view changes those elements of root, no other. */
static void expect_shared(gr_tensor *v, gr_tensor *root, const oracle *o)
{
    bool hit[MOST] = {false};
    double now[MOST];
    gr_tensor *before = gr_clone(root), *zeros = gr_zeros_like(v);
    for (int64_t k = 0; k < o->count; k++) {
        if (hit[o->at[k]]) return; /* expanded: cannot be written */
        hit[o->at[k]] = true;
    }
    ck_assert_ptr_eq(gr_copy_(v, zeros), v);
    ck_assert(gr_to_array(root, now, gr_numel(root)));
    for (int64_t i = 0; i < gr_numel(root); i++)
        if (now[i] != (hit[i] ? 0 : number_at(root, i))) ck_abort_msg("element %d of the root is %g", (int)i, now[i]);
    gr_copy_(root, before);
}

/* ---- one view of x, chosen at random, with the oracle moved along ---- */

/* dim as the call gets it: negative half of the time; `dims` of them */
static int either_way(int64_t dim, int dims)
{
    return (int)(below(2) ? dim : dim - (dims > 0 ? dims : 1));
}

static gr_tensor *turned(gr_tensor *x, oracle *o)
{
    const int dims = o->shape.count;
    int64_t order[GR_MAX_DIMS + 1] = {0, 1, 2, 3, 4, 5, 6, 7, dims},
                                two[2] = {dims ? below(dims) : 0, dims ? below(dims) : 0};
    gr_shape shape = o->shape, asked = o->shape;
    if (dims == 2 && below(2)) two[0] = 0, two[1] = 1;
    if (dims < 2 || below(2)) {
        const int first = either_way(two[0], dims), second = either_way(two[1], dims);
        shape.size[two[0]] = o->shape.size[two[1]];
        shape.size[two[1]] = o->shape.size[two[0]];
        remap(o, shape, swapped, two);
        return dims == 2 && two[0] != two[1] && below(2) ? gr_t(x) : gr_transpose(x, first, second);
    }
    for (int d = dims - 1; d > 0; d--) { /* Fisher and Yates */
        const int64_t other = below(d + 1), last = order[d];
        order[d] = order[other];
        order[other] = last;
    }
    for (int d = 0; d < dims; d++) shape.size[d] = o->shape.size[order[d]], asked.size[d] = either_way(order[d], dims);
    remap(o, shape, permuted, order);
    return gr_permute_at(x, asked, GR_HERE);
}

/* narrow, slice, select */
static gr_tensor *cut(gr_tensor *x, oracle *o)
{
    const int dims = o->shape.count;
    const int64_t dim = below(dims), n = o->shape.size[dim], start = below(n + 1), length = below(n - start + 1);
    const int given = either_way(dim, dims);
    gr_shape shape = o->shape;
    shape.size[dim] = length;
    if (n && below(3) == 0) {
        const int64_t index = below(n);
        remap(o, without(o->shape, (int)dim), inserted, (const int64_t[]){dim, index});
        return gr_select(x, given, below(2) ? index : index - n);
    }
    if (below(2)) {
        remap(o, shape, strided, (const int64_t[]){dim, start, 1});
        return gr_narrow(x, given, start < n && below(2) ? start - n : start, length);
    }
    const int64_t step = 1 + below(3), end = start + length;
    shape.size[dim] = 0;
    for (int64_t i = start; i < end; i += step) shape.size[dim]++;
    remap(o, shape, strided, (const int64_t[]){dim, start, step});
    const bool to_end = end == n && below(2), from_end = start < n && below(2), end_from_end = end < n && below(2);
    return gr_slice(x, .dim = given, .start = from_end ? start - n : start,
                    .end = to_end         ? n + below(9)
                           : end_from_end ? end - n
                                          : end,
                    .step = step);
}

/* unsqueeze, squeeze, expand */
static gr_tensor *stretched(gr_tensor *x, oracle *o)
{
    const int dims = o->shape.count;
    const int64_t dim = below(dims + 1), kind = below(4);
    if (kind == 0 && dims < GR_MAX_DIMS) {
        remap(o, with(o->shape, (int)dim, 1), removed, &dim);
        return gr_unsqueeze(x, either_way(dim, dims + 1));
    }
    if (kind == 1) {
        for (int d = 0; d < o->shape.count;)
            if (o->shape.size[d] == 1)
                o->shape = without(o->shape, d);
            else
                d++;
        return gr_squeeze(x);
    }
    if (kind == 2 && dims) {
        const int64_t only = dim % dims;
        if (o->shape.size[only] == 1) o->shape = without(o->shape, (int)only);
        return gr_squeeze(x, .dim = either_way(only, dims));
    }
    gr_shape shape = o->shape, asked = {0, {0}};
    int64_t old[GR_MAX_DIMS + 1] = {0};
    for (old[GR_MAX_DIMS] = 0; shape.count < GR_MAX_DIMS && below(3) == 0; old[GR_MAX_DIMS]++)
        shape = with(shape, 0, 1 + below(2));
    for (int d = 0; d < dims; d++)
        if ((old[d] = o->shape.size[d] == 1)) shape.size[d + old[GR_MAX_DIMS]] = count_of(shape) > 400 ? 1 : below(4);
    asked = shape;
    for (int d = 0; d < dims; d++)
        if (shape.size[d + old[GR_MAX_DIMS]] == o->shape.size[d] && below(2)) asked.size[d + old[GR_MAX_DIMS]] = -1;
    remap(o, shape, shrunk, old);
    return gr_expand_at(x, asked, GR_HERE);
}

/* As many elements in other sizes; some are the old ones, split or merged. */
static gr_shape other_sizes(gr_shape s)
{
    for (int round = 0; round < 4; round++) {
        const int d = s.count ? (int)below(s.count) : 0;
        if (d + 1 < s.count && below(2)) {
            s.size[d] *= s.size[d + 1];
            s = without(s, d + 1);
        } else if (s.count < GR_MAX_DIMS) {
            const int64_t n = s.count ? s.size[d] : 1, factor = 1 + below(4);
            if (n % factor) continue;
            if (s.count) s.size[d] = n / factor;
            if (s.count || factor == 1) s = with(s, below(2) && s.count ? d + 1 : d, factor);
        }
    }
    return s;
}

/* reshape, view, flatten: *copied tells whether it had to copy. */
static gr_tensor *reshaped(gr_tensor *x, oracle *o, bool *copied)
{
    gr_shape shape = other_sizes(o->shape), asked = shape;
    const int dims = o->shape.count;
    const int start = dims ? (int)below(dims) : 0, end = dims ? start + (int)below(dims - start) : 0;
    const int64_t kind = below(3);
    if (kind == 0) { /* flatten; a 0-d tensor becomes 1-d */
        shape = o->shape;
        for (int d = start; d < end; d++) shape.size[start] *= o->shape.size[d + 1];
        for (int d = start; d < end; d++) shape = without(shape, start + 1);
        if (dims == 0) shape = (gr_shape){1, {1}};
    }
    *copied = !is_strided(o, shape);
    o->shape = shape;
    if (kind == 0) return gr_flatten(x, .start_dim = either_way(start, dims), .end_dim = either_way(end, dims));
    if (shape.count && o->count && below(2)) asked.size[below(shape.count)] = -1;
    if (kind == 1) return gr_reshape_at(x, asked, GR_HERE);
    gr_tensor *v = gr_view_at(x, asked, GR_HERE);
    ck_assert_msg((v == NULL) == *copied, "view of a %d-d tensor: %s", dims, v ? "not refused" : gr_error());
    if (v) return v;
    ck_assert_ptr_nonnull(strstr(gr_error(), "must be copied: gr_reshape"));
    gr_error_clear();
    return gr_reshape_at(x, asked, GR_HERE);
}

static gr_tensor *root_of(gr_dtype dtype, gr_shape s, oracle *o)
{
    gr_tensor *root = gr_empty_with(s, .dtype = dtype);
    o->shape = s;
    o->count = count_of(s);
    double number[MOST];
    for (int64_t i = 0; i < o->count; i++) number[i] = number_at(root, i), o->at[i] = i;
    return gr_copy_(root, gr_from_at(number, GR_FLOAT64, s, GR_HERE));
}

/* Chains of views of random shapes: after each link all is compared. */
static void run_chain(int number, gr_dtype dtype, bool recorded)
{
    static oracle o;
    char what[64];
    gr_shape shape = {(int)below(6), {0}};
    for (int d = 0; d < shape.count; d++) shape.size[d] = below(12) ? 1 + below(4) : 0;
    if (number % 50 == 0) shape = (gr_shape){8, {2, 1, 2, 1, 3, 1, 2, 2}};
    gr_tensor *root = root_of(dtype, shape, &o), *x = root, *before;
    if (recorded) gr_requires_grad_(root, true);
    for (int link = 0; link < 8 && x; link++) {
        const int64_t kind = below(8);
        bool copied = false;
        before = x;
        snprintf(what, sizeof what, "chain %d, link %d, kind %d", number, link, (int)kind);
        if (kind < 2) x = turned(x, &o);
        if (kind >= 2 && kind < 4) x = o.shape.count ? cut(x, &o) : gr_view(x);
        if (kind == 4) x = stretched(x, &o);
        if (kind == 5) x = reshaped(x, &o, &copied);
        if (kind == 6) x = gr_detach(x);
        if (kind == 7) {
            copied = !is_row_major(&o);
            x = gr_contiguous(x);
            if (!copied) ck_assert_ptr_eq(x, before);
        }
        expect_places(x, root, &o, copied, what);
        expect_places(gr_clone(x), root, &o, true, what);
        if (copied) return;
        if (!recorded && link % 3 == 0) expect_shared(x, root, &o);
    }
}

START_TEST(chains_of_views_show_the_right_elements)
{
    catch_errors();
    random_state = (uint64_t)_i;
    for (int number = 0; number < 500; number++) {
        const gr_scope scope = gr_scope_begin();
        run_chain(number, dtypes[_i], _i < 2 && number % 2);
        ck_assert_msg(!gr_error(), "%s", gr_error());
        gr_scope_end(scope);
    }
}
END_TEST

Suite *view_suite(void)
{
    Suite *s = suite_create("view");
    TCase *c = tcase_create("view");
    tcase_add_loop_test(c, chains_of_views_show_the_right_elements, 0, DTYPES);
    suite_add_tcase(s, c);
    return s;
}
