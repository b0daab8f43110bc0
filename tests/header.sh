#!/usr/bin/env bash
# The public headers: every kind of macro without a warning in C, the plain functions in C++, the same defaults in both, and
# what `make install` leaves.  Usage: tests/header.sh BUILD CC CPPFLAGS
set -eu
cd "$(dirname "$0")/.."
build=$1 cc=$2 cppflags=$3
strict="-std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion -Werror"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
libraries=$(sed -n 's/^Libs.private: //p' "$build/gradus.pc")

fail() {
    echo "tests/header.sh: $1" >&2
    exit 1
}

# ---- C: every kind of macro ----

cat >"$work/all.c" <<'END'
#include <gradus.h>
#include <stdio.h>
#include <string.h>
#define SIZE_IS(type, bytes) _Static_assert(sizeof(void *) != 8 || sizeof(type) == bytes, "the size of " #type)
SIZE_IS(gr_value, 16); SIZE_IS(gr_site, 16); SIZE_IS(gr_shape, 72); SIZE_IS(gr_scope, 16); SIZE_IS(gr_tensors, 16);
SIZE_IS(gr_hook, 16); SIZE_IS(gr_device, 2); SIZE_IS(gr_op, 104); SIZE_IS(gr_module_type, 40);
SIZE_IS(gr_make_args, 96); SIZE_IS(gr_like_args, 32); SIZE_IS(gr_arange_args, 72); SIZE_IS(gr_read_csv_args, 32);
SIZE_IS(gr_backward_args, 40); SIZE_IS(gr_autograd_grad_args, 48); SIZE_IS(gr_autograd_grads_args, 72);
SIZE_IS(gr_gradcheck_args, 72); SIZE_IS(gr_reduce_args, 112); SIZE_IS(gr_arg_args, 32); SIZE_IS(gr_gelu_args, 32);
SIZE_IS(gr_slice_args, 56); SIZE_IS(gr_squeeze_args, 32); SIZE_IS(gr_flatten_args, 32); SIZE_IS(gr_to_args, 32);
SIZE_IS(gr_leaky_relu_args, 32); SIZE_IS(gr_softplus_args, 40); SIZE_IS(gr_linear_args, 40); SIZE_IS(gr_loss_args, 40);
SIZE_IS(gr_nn_linear_args, 40); SIZE_IS(gr_nn_flatten_args, 24); SIZE_IS(gr_nn_loss_args, 24);
SIZE_IS(gr_module_buffer_args, 48); SIZE_IS(gr_module_to_args, 32); SIZE_IS(gr_optim_gd_args, 40);
SIZE_IS(gr_optim_sgd_args, 72); SIZE_IS(gr_optim_group_args, 88);

static gr_tensor *same(gr_tensor *gradient, void *data)
{
    (void)data;
    return gradient;
}
static gr_tensor *cube(const gr_tensors *in, void *data)
{
    (void)data;
    return gr_mul(in->item[0], gr_square(in->item[0]));
}
static void silent(const char *text, void *data)
{
    (void)text, (void)data;
}

int main(void)
{
    const float numbers[] = {1, 2, 3, 4, 5, 6};
    double read[6];
    char text[64];
    unsigned char byte = 2;
    unsigned long wide = 3;
    gr_manual_seed(0);
    gr_tensor *a = gr_from(numbers, 2, 3), *b = gr_randn_with(GR_SHAPE(2, wide), .requires_grad = true);
    gr_tensor *made[] = {gr_zeros(2, 3), gr_ones(), gr_empty(0), gr_rand(2), gr_full(3, 2, 2), gr_full(1.5), gr_eye(3),
                         gr_arange(0, 5, 1), gr_randint(0, 9, 4), gr_randperm(4), gr_zeros_like(a), gr_full_like(a, 2),
                         gr_zeros_with(GR_SHAPE(2), .dtype = GR_INT64), gr_ones_like(a, .dtype = GR_FLOAT64),
                         gr_bernoulli(gr_rand(3)), gr_sample_order(5, true)};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        if (!made[i]) return 1;
    gr_tensor *c = gr_add(gr_mul(a, 2), gr_div(1.5f, gr_add(a, byte)));
    c = gr_sub(gr_maximum(c, true), gr_pow(gr_add(b, wide), 2L));
    c = gr_where(gr_gt(c, 0), gr_leaky_relu(c, .negative_slope = 0.1), gr_softplus(c, .beta = 2));
    c = gr_clamp(gr_lerp(c, a, 0.5), GR_ABSENT, 9);
    c = gr_add(c, gr_gelu(gr_sigmoid(gr_tanh(c)), .approximate = GR_GELU_TANH));
    gr_tensor *v = gr_transpose(gr_reshape(gr_narrow(c, 1, 0, 2), -1, 2), 0, 1);
    v = gr_squeeze(gr_unsqueeze(gr_flatten(gr_permute(v, 1, 0), .start_dim = 0), 0), .dim = 0);
    v = gr_add(v, gr_select(gr_slice(gr_expand(gr_view(v, 1, -1), 3, -1), .start = 1, .step = 2), 0, 0));
    gr_tensor *total = gr_sum(gr_mean(gr_matmul(c, gr_t(a)), .dim = 1, .keepdim = true), .dims = GR_DIMS(0, 1));
    total = gr_add(total, gr_add(gr_sum(v), gr_add(gr_amax(c, .dim = 0).count_is_absent, 0)));
    return gr_error() != NULL;
}
END
# (the line above that reads a member of a tensor must be refused; the real program follows)
if $cc $cppflags $strict -fsyntax-only "$work/all.c" 2>/dev/null; then fail "a tensor has members"; fi
