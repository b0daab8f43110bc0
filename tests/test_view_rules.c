/* test_view_rules.c - views as PyTorch has them: strides, refusals; gradients through views whose base has changed. */
#include <string.h>

#include "gradus.h"
#include "tests/look.h"
#include "tests/suites.h"

/* ---- strides where no element tells them, as PyTorch 2.15 prints them ---- */

typedef struct {
    gr_tensor *view;
    int dims;
    int64_t size[4], stride[4], offset;
} printed;

START_TEST(strides_and_offsets_are_pytorchs)
{
    gr_tensor *x = gr_zeros(4, 6), *m = gr_zeros(2, 3);
    const printed cases[] = {
        {gr_zeros(3, 0, 2), 3, {3, 0, 2}, {2, 2, 1}, 0},
        {gr_t(gr_zeros(1, 3)), 2, {3, 1}, {1, 3}, 0},
        {gr_unsqueeze(m, -1), 3, {2, 3, 1}, {3, 1, 1}, 0},
        {gr_unsqueeze(m, 0), 3, {1, 2, 3}, {6, 3, 1}, 0},
        {gr_unsqueeze(gr_t(m), 1), 3, {3, 1, 2}, {1, 6, 3}, 0},
        {gr_unsqueeze(gr_zeros(), 0), 1, {1}, {1}, 0},
        {gr_expand(m, 4, 2, 3), 3, {4, 2, 3}, {0, 3, 1}, 0},
        {gr_expand(gr_zeros(2, 1), 2, 3), 2, {2, 3}, {1, 0}, 0},
        {gr_expand(gr_zeros(2, 1), 2, 1), 2, {2, 1}, {1, 1}, 0},
        {gr_slice(x, .dim = 1, .start = 1, .step = 2), 2, {4, 3}, {6, 2}, 1},
        {gr_narrow(x, 1, -2, 2), 2, {4, 2}, {6, 1}, 4},
        {gr_select(x, -1, -1), 1, {4}, {6}, 5},
        {gr_permute(m, -1, 0), 2, {3, 2}, {1, 3}, 0},
        {gr_view(gr_permute(gr_zeros(2, 3, 4), 1, 0, 2), 3, 2, 2, 2), 4, {3, 2, 2, 2}, {4, 12, 2, 1}, 0},
        {gr_view(gr_narrow(gr_zeros(6, 4), 1, 0, 2), 2, 3, 2), 3, {2, 3, 2}, {12, 4, 1}, 0},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const printed *c = &cases[k];
        ck_assert_int_eq(gr_dim(c->view), c->dims);
        for (int d = 0; d < c->dims; d++) {
            const int64_t size = gr_size(c->view, d), stride = gr_stride(c->view, d - c->dims);
            ck_assert_msg(size == c->size[d] && stride == c->stride[d], "case %d, dim %d: size %d, stride %d", (int)k, d,
                          (int)size, (int)stride);
        }
        if (c->offset) ck_assert_int_eq((float *)gr_data(c->view) - (float *)gr_data(x), c->offset); /* those are x's */
    }
}
END_TEST

/* ---- refusals ---- */

START_TEST(views_that_cannot_be_are_refused)
{
    catch_errors();
    gr_tensor *x = gr_zeros(2, 3), *scalar = gr_zeros(), *full = gr_zeros(1, 1, 1, 1, 1, 1, 1, 1), *none = gr_zeros(0);
#define REFUSED(call, text) \
    do { \
        gr_tensor *refused_view = call; \
        ck_assert_msg(!refused_view && gr_error() && strstr(gr_error(), text), "%s: %s", #call, \
                      gr_error() ? gr_error() : "no error"); \
        gr_error_clear(); \
    } while (0)
    REFUSED(gr_transpose(x, 0, 2), "transpose: second is 2, x is [2, 3]; must be -2 to 1");
    REFUSED(gr_transpose(x, -3, 0), "transpose: first is -3");
    REFUSED(gr_permute(x, 0), "permute: order is [0]");
    REFUSED(gr_permute(x, 0, 0), "must name each dimension of x once");
    REFUSED(gr_permute(x, 0, 2), "permute: ");
    REFUSED(gr_permute(x, 0, INT64_MIN), "permute: ");
    REFUSED(gr_t(gr_zeros(1, 1, 1)), "t: x is [1, 1, 1]; must have at most 2 dimensions");
    REFUSED(gr_expand(x, 3), "expand: x is [2, 3], shape is [3]");
    REFUSED(gr_expand(x, 4, 3), "expand: ");
    REFUSED(gr_expand(x, -1, 2, 3), "expand: ");
    REFUSED(gr_expand(x, -2, 3), "expand: ");
    REFUSED(gr_expand(none, 3), "expand: ");
    REFUSED(gr_narrow(x, 0, 1, 2), "narrow: start is 1, length is 2, x is [2, 3]");
    REFUSED(gr_narrow(x, 0, -3, 1), "narrow: ");
    REFUSED(gr_narrow(x, 0, 0, -1), "narrow: ");
    REFUSED(gr_narrow(x, 0, 1, INT64_MAX), "narrow: ");
    REFUSED(gr_select(x, 1, 3), "select: index is 3, x is [2, 3]; must be -3 to 2");
    REFUSED(gr_select(x, 1, -4), "select: ");
    REFUSED(gr_select(none, 0, 0), "select: ");
    REFUSED(gr_select(scalar, 0, 0), "select: x is 0-d");
    REFUSED(gr_narrow(scalar, 0, 0, 1), "narrow: x is 0-d");
    REFUSED(gr_slice(scalar), "slice: x is 0-d");
    REFUSED(gr_slice(x, .step = 0), "slice: step is 0; must be 1 or more");
    REFUSED(gr_slice(x, .step = -1), "slice: step is -1");
    REFUSED(gr_slice(x, .dim = 2), "slice: dim is 2");
    REFUSED(gr_squeeze(x, .dim = 2), "squeeze: dim is 2");
    REFUSED(gr_unsqueeze(x, 3), "unsqueeze: dim is 3, x is [2, 3]; must be -3 to 2");
    REFUSED(gr_unsqueeze(x, -4), "unsqueeze: dim is -4");
    REFUSED(gr_unsqueeze(scalar, -2), "unsqueeze: dim is -2");
    REFUSED(gr_unsqueeze(full, 0), "unsqueeze: x has 8 dimensions");
    REFUSED(gr_expand(full, 1, 1, 1, 1, 1, 1, 1, 1, 1), "expand: ");
    REFUSED(gr_flatten(x, .start_dim = 1, .end_dim = 0), "flatten: start_dim is 1, end_dim is 0");
    REFUSED(gr_flatten(x, .start_dim = 2), "flatten: start_dim is 2");
    REFUSED(gr_reshape(x, 4, -1), "reshape: x is [2, 3] (6 elements), shape is [4, -1]");
    REFUSED(gr_reshape(x, -1, -1), "reshape: ");
    REFUSED(gr_reshape(x, 5), "reshape: ");
    REFUSED(gr_reshape(x, -2, -3), "reshape: ");
    REFUSED(gr_reshape(none, 0, -1), "reshape: "); /* -1 could be anything */
    REFUSED(gr_view(gr_t(x), 6), "view: x is [3, 2] with strides that do not allow it; must be copied: gr_reshape");
#undef REFUSED
}
END_TEST

/* Where one size is 0 there are no elements, however large the others: their product is not asked for. */
START_TEST(empty_views_may_have_huge_sizes)
{
    const int64_t huge = INT64_C(1) << 40;
    gr_tensor *x = gr_requires_grad_(gr_zeros(huge, huge, 0), true);
    gr_tensor *const views[] = {gr_unsqueeze(x, 1), gr_reshape(x, 0, huge, huge), gr_view(x, huge, huge, 0, 3),
                                gr_flatten(x), gr_flatten(x, .start_dim = 1),
                                gr_expand(x, huge, huge, huge, 0), gr_select(x, 1, 7),
                                gr_transpose(x, 0, 2), gr_narrow(x, 0, 5, huge - 5), gr_squeeze(gr_unsqueeze(x, 0))};
    for (size_t k = 0; k < sizeof views / sizeof views[0]; k++) {
        ck_assert_msg(views[k] && gr_numel(views[k]) == 0, "view %d: %s", (int)k, gr_error());
        ck_assert_msg(gr_backward(views[k], .gradient = gr_zeros_like(views[k])), "view %d: %s", (int)k, gr_error());
    }
    ck_assert(gr_size(views[3], 0) == 0 && gr_size(views[4], 0) == huge && gr_size(views[4], 1) == 0);
}
END_TEST

/* ---- gradients through views that are taken again after their base has changed ---- */

/* Views of a base that is expanded, or whose elements do not lie row-major, see what is written through others. */
static gr_tensor *written_through(const gr_tensors *in, void *data)
{
    const int kind = *(int *)data;
    gr_tensor *w = in->item[0], *v = in->item[1], *zeros = gr_zeros_with(GR_SHAPE(4, 3, 2), .dtype = GR_FLOAT64);
    gr_tensor *base = kind == 0   ? gr_mul(zeros, 1)
                      : kind == 1 ? gr_detach(gr_permute(zeros, 2, 0, 1))
                      : kind == 2 ? gr_detach(gr_slice(gr_transpose(zeros, 0, 1), .dim = 1, .start = 1, .step = 2))
                                  : gr_detach(gr_narrow(zeros, 1, 1, 2));
    gr_tensor *row = gr_select(base, 0, -1), *line = gr_select(row, 0, 1), *wide = gr_expand(gr_unsqueeze(line, 1), -1, 4);
    gr_copy_(gr_select(base, 0, 1), gr_sum(w));
    gr_copy_(gr_select(row, 1, 0), gr_narrow(w, 0, 0, gr_size(row, 0)));
    gr_mul_(gr_narrow(base, 1, 1, 1), gr_mul(v, v));
    gr_mul_(line, gr_select(w, 0, 3));
    return gr_add(gr_mul(gr_sum(gr_mul(wide, wide)), v), gr_sum(gr_mul(gr_flatten(base), gr_flatten(gr_exp(base)))));
}

START_TEST(views_taken_again_have_right_gradients)
{
    gr_tensor *w = gr_requires_grad_(gr_from(((const double[]){.5, -.25, 1.5, .75}), 4), true);
    gr_tensor *v = gr_requires_grad_(gr_from(((const double[]){1.25}), 1), true);
    int kind = _i;
    ck_assert_msg(gr_gradcheck(written_through, GR_TENSORS(w, v), .data = &kind), "%s", gr_error());
    ck_assert_msg(gr_gradgradcheck(written_through, GR_TENSORS(w, v), .data = &kind), "%s", gr_error());
}
END_TEST

Suite *view_rules_suite(void)
{
    Suite *s = suite_create("view_rules");
    TCase *c = tcase_create("view rules");
    tcase_add_test(c, strides_and_offsets_are_pytorchs);
    tcase_add_test(c, views_that_cannot_be_are_refused);
    tcase_add_test(c, empty_views_may_have_huge_sizes);
    tcase_add_loop_test(c, views_taken_again_have_right_gradients, 0, 4);
    suite_add_tcase(s, c);
    return s;
}
