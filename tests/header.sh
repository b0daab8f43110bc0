#!/usr/bin/env bash
# The public headers: every kind of macro without a warning in C, what must be refused is, the plain functions in C++ with
# the same defaults, and what `make install` leaves.  Usage: tests/header.sh BUILD CC CPPFLAGS
# shellcheck disable=SC2086 # flags are several words on purpose
set -eu
cd "$(dirname "$0")/.."
build=$1 cc=$2 cppflags=$3
strict="-std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"
strict_cpp="-std=c++17 -Wall -Wextra -Wpedantic -Werror"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
libraries=$(sed -n 's/^Libs.private: //p' "$build/gradus.pc")

fail() {
    echo "tests/header.sh: $1" >&2
    exit 1
}
has() {
    command -v "$1" >/dev/null
}

# ---- C: every kind of macro, and the sizes that programs were compiled with ----

cat >"$work/all.c" <<'END'
#include <gradus.h>
#include <stdio.h>
#include <string.h>
#define SIZE(type, bytes) _Static_assert(sizeof(void *) != 8 || sizeof(type) == (bytes), "size of " #type);
SIZES

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

static int made(void)
{
    const float numbers[] = {1, 2, 3, 4, 5, 6};
    const unsigned wide = 3;
    gr_tensor *a = gr_from(numbers, 2, 3);
    gr_tensor *t[] = {gr_zeros(2, wide), gr_ones(), gr_empty(0), gr_rand(2), gr_full(3, 2, 2), gr_full(1.5), gr_full(true, 2),
                      gr_eye(3), gr_eye_with(2, .dtype = GR_INT32), gr_arange(0, 5, 1), gr_arange_with(0, 1, 0.5, .dtype = GR_FLOAT64),
                      gr_randint(0, 9, 4), gr_randint_with(0, 2, GR_SHAPE(3), .dtype = GR_UINT8), gr_randperm(4),
                      gr_zeros_like(a), gr_full_like(a, 2), gr_full_like(a, 2, .dtype = GR_INT64), gr_empty_like(a),
                      gr_ones_like(a, .dtype = GR_FLOAT64), gr_zeros_with(GR_SHAPE(2), .dtype = GR_INT64),
                      gr_full_with(7, GR_SHAPE(), .device = gr_cpu()), gr_rand_with(GR_SHAPE(1), .requires_grad = true),
                      gr_bernoulli(gr_rand(3)), gr_multinomial(gr_rand(3), 2, .replacement = true), gr_sample_order(5, true), gr_to(a, .dtype = GR_FLOAT64)};
    double read[6];
    char text[64];
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        if (!t[i]) return 1;
    gr_exponential_(gr_uniform_(gr_normal_(gr_bernoulli_(t[0], 0.5), 0, 1), 0, 1), 2);
    gr_fill_(gr_zero_(gr_copy_(t[0], a)), 2);
    gr_add_(gr_relu_(gr_mul_(t[0], 2)), a);
    gr_keep(gr_clone(a));
    gr_free(t[1]);
    if (!gr_adopt(gr_release(t[2]))) return 1;
    if (gr_dim(a) != 2 || gr_size(a, -1) != 3 || gr_stride(a, 0) != 3 || gr_numel(a) != 6 || !gr_is_contiguous(a) ||
        gr_dtype_of(a) != GR_FLOAT32 || gr_device_of(a).kind != 0 || gr_shape_of(a).count != 2 || gr_requires_grad(a) ||
        gr_at(a, 1, 2) != 6 || gr_item(gr_sum(a)) != 21 || !gr_equal(a, a) || ((float *)gr_data(a))[1] < 2)
        return 2;
    if (!gr_to_array(a, read, 6) || read[5] < 6) return 3;
    gr_tensor *scalar = gr_reshape(gr_view(gr_permute(gr_expand(gr_from(numbers)))), 1); /* none of the sizes is fine */
    if (gr_at(gr_reshape(scalar)) != 1 || gr_dim(gr_randint(0, 9)) != 0) return 12;
    if (gr_tensor_text(a, text, sizeof text) < 10 || strcmp(gr_repr(0.5, text), "0.5") != 0) return 4;
    return !gr_print(a);
}

static int computed(gr_tensor *a, gr_tensor *b)
{
    const unsigned char byte = 2;
    gr_tensor *c = gr_add(gr_mul(a, 2), gr_div(1.5f, gr_add(a, byte)));
    c = gr_sub(gr_maximum(c, true), gr_pow(gr_add(gr_abs(b), 1u), 2L));
    c = gr_where(gr_gt(c, 0), gr_leaky_relu(c, .negative_slope = 0.1), gr_softplus(c, .beta = 2));
    c = gr_clamp(gr_lerp(c, a, 0.5), GR_ABSENT, 9);
    c = gr_add(c, gr_gelu(gr_sigmoid(gr_tanh(c)), .approximate = GR_GELU_TANH));
    gr_tensor *v = gr_transpose(gr_reshape(gr_narrow(c, 1, 0, 2), -1, 2), 0, 1);
    v = gr_flatten(gr_unsqueeze(gr_permute(v, 1, 0), 0), .start_dim = 0);
    v = gr_add(v, gr_select(gr_slice(gr_expand(gr_unsqueeze(v, 0), 3, -1), .start = 1, .step = 2), 0, 0));
    v = gr_contiguous(gr_squeeze(gr_view(v, 1, -1), .dim = 0));
    gr_tensor *total = gr_sum(gr_mean(gr_matmul(c, gr_t(a)), .dim = 1, .keepdim = true), .dims = GR_DIMS(0, 1));
    total = gr_add(total, gr_add(gr_sum(v), gr_prod(gr_amax(c, .dim = 0))));
    total = gr_add(total, gr_add(gr_max(c), gr_sum(gr_max_dim(c, 0, .keepdim = true).values)));
    total = gr_add(total, gr_sum(gr_index_select(c, 1, gr_argmin(c, .dim = 1))));
    gr_hook hook = gr_register_hook(b, same, NULL);
    gr_retain_grad(c);
    gr_tensor *asked = gr_autograd_grad(total, b, .retain_graph = true);
    gr_tensors list = gr_autograd_grads(GR_TENSORS(total), GR_TENSORS(b, c), .retain_graph = true, .allow_unused = true);
    gr_backward(total, .gradient = gr_ones());
    gr_hook_remove(hook);
    if (!gr_has_grad(b) || !gr_equal(gr_grad(b), asked) || list.count != 2 || !gr_has_grad(c)) return 5;
    char tape[64];
    if (!gr_set_tape_norms(true) || !gr_print_tape() || gr_tape_text(tape, sizeof tape) <= 0 || !gr_tape_dot("/dev/null")) return 6;
    gr_set_detect_anomaly(!gr_is_anomaly_enabled());
    gr_tensor *x = gr_requires_grad_(gr_arange_with(1, 3, 0.5, .dtype = GR_FLOAT64), true);
    return !gr_gradcheck(cube, GR_TENSORS(x)) || !gr_gradgradcheck(cube, GR_TENSORS(x), .tolerance = 1e-7);
}

static int trained(void)
{
    gr_module *model = gr_nn_sequential(gr_nn_linear(3, 4, .bias = false), gr_nn_relu(), gr_nn_tanh(), gr_nn_flatten(),
                                        gr_nn_linear(4, 1), gr_nn_sigmoid());
    gr_module *loss_of = gr_nn_mse_loss(.reduction = GR_SUM), *other = gr_nn_mse_loss();
    gr_optim *sgd = gr_optim_sgd(gr_parameters(model), .lr = 0.1, .momentum = 0.9, .nesterov = true);
    gr_optim *gd = gr_optim_gd(gr_parameters(model));
    gr_module_buffer(model, "seen", gr_zeros(), .persistent = false);
    gr_tensor *extra = gr_module_parameter(model, "extra", gr_rand_with(GR_SHAPE(2), .requires_grad = true));
    gr_optim_group(sgd, GR_TENSORS(extra), .lr = 0.5);
    gr_optim_set(sgd, 1, GR_LR, 2 * gr_optim_get(sgd, 1, GR_LR));
    gr_train(gr_eval(gr_module_to(model, .dtype = GR_FLOAT32)));
    gr_tensor *x = gr_randn(5, 3), *y = gr_zeros(5, 1);
    for (int i = 0; i < 2; i++) {
        GR_SCOPED gr_scope scope = gr_scope_begin();
        gr_scope inner = gr_no_grad_begin();
        gr_linear(x, gr_randn(2, 3), .bias = gr_randn(2));
        gr_scope_end(inner);
        gr_zero_grad(sgd);
        gr_zero_grad(model);
        gr_zero_grad(extra);
        gr_tensor *prediction = gr_forward_all(model, x).item[0];
        gr_backward(gr_add(gr_forward(loss_of, prediction, y), gr_forward(other, prediction, y)));
        gr_backward(gr_mse_loss(gr_forward(model, x), y, .reduction = GR_MEAN));
        gr_step(i ? sgd : gd);
    }
    return !gr_print(model);
}

int main(void)
{
    gr_manual_seed(0);
    gr_set_default_dtype(GR_FLOAT32);
    gr_set_default_device(gr_cpu());
    gr_set_num_threads(2);
    int failed = made();
    if (!failed) failed = computed(gr_rand(2, 3), gr_rand_with(GR_SHAPE(2, 3), .requires_grad = true));
    if (!failed) failed = trained();
    if (failed || gr_error()) return failed ? failed : 9;
    gr_set_error_handler(silent, NULL);
    if (gr_add(NULL, 1) || !gr_error() || gr_error_kind() != GR_ERROR_ARGUMENT || !strstr(gr_error(), "all.c:")) return 10;
    gr_error_clear();
    if (gr_read_csv("missing.csv", .skip_header = true) || gr_error_kind() != GR_ERROR_FILE) return 11;
    gr_shutdown();
    return 0;
}
END
# An args struct grows at its end only, and then the soname changes: the sizes are written down here.
sizes="gr_value:16 gr_site:16 gr_shape:72 gr_scope:16 gr_tensors:16 gr_hook:16 gr_device:2 gr_op:88 gr_module_type:40
gr_make_args:96 gr_like_args:32 gr_arange_args:72 gr_read_csv_args:32 gr_backward_args:40 gr_autograd_grad_args:48
gr_autograd_grads_args:72 gr_gradcheck_args:72 gr_reduce_args:112 gr_arg_args:32 gr_gelu_args:32 gr_slice_args:56
gr_squeeze_args:32 gr_flatten_args:32 gr_to_args:32 gr_leaky_relu_args:32 gr_softplus_args:40 gr_linear_args:40
gr_loss_args:40 gr_nn_linear_args:40 gr_nn_flatten_args:24 gr_nn_loss_args:24 gr_module_buffer_args:48
gr_module_to_args:32 gr_optim_gd_args:40 gr_optim_sgd_args:72 gr_optim_group_args:88"
lines=
for size in $sizes; do lines="$lines SIZE(${size%:*}, ${size#*:})"; done
sed -i "s/^SIZES\$/$lines/" "$work/all.c"

for compiler in "$cc" gcc clang; do
    if has "${compiler%% *}"; then
        $compiler $cppflags $strict -c "$work/all.c" -o "$work/all.o" || fail "$compiler: warnings or errors"
    fi
done
$cc $cppflags $strict "$work/all.c" "$build/libgradus.a" $libraries -o "$work/all"
"$work/all" >"$work/all.out" || fail "the program with every macro failed: $?"

# ---- what the compiler must refuse ----

refused() {
    printf '#include <gradus.h>\nvoid f(gr_module *m, gr_tensor *t);\nvoid f(gr_module *m, gr_tensor *t)\n{\n(void)m, (void)t;\n%s;\n}\n' \
        "$1" >"$work/refused.c"
    if $cc $cppflags $strict -fsyntax-only "$work/refused.c" 2>/dev/null; then fail "the compiler takes $1"; fi
}
refused 'gr_add(m, 1)'
refused 'gr_mul(t, "2")'
refused 'gr_sum(t, .axis = 1)'
refused 'gr_sum(t, 1)'
refused 'gr_optim_sgd(gr_parameters(m), .learning_rate = 1)'
refused 'gr_forward(t, t)'
refused 'gr_keep(1)'

# ---- C++: the plain functions, and the defaults of the macros ----

# args, function, its call in C, fields of the struct
defaults='gr_make_args zeros zeros(2) dtype device.kind device.index requires_grad
gr_make_args randn randn_with(GR_SHAPE(2)) dtype device.kind requires_grad
gr_like_args ones_like ones_like(t) dtype device.kind requires_grad
gr_arange_args arange arange(0,3,1) dtype device.kind
gr_reduce_args sum sum(t) dim dims.count keepdim dtype
gr_reduce_args amax amax(t) dim dims.count keepdim dtype
gr_arg_args argmax argmax(t) dim keepdim
gr_gelu_args gelu gelu(t) approximate
gr_leaky_relu_args leaky_relu leaky_relu(t) negative_slope
gr_softplus_args softplus softplus(t) beta threshold
gr_slice_args slice slice(t) dim start end step
gr_squeeze_args squeeze squeeze(t) dim
gr_flatten_args flatten flatten(t) start_dim end_dim
gr_to_args to to(t) dtype device.kind
gr_backward_args backward backward(t) gradient==GR_ABSENT retain_graph create_graph
gr_autograd_grad_args autograd_grad autograd_grad(t,t) gradient==GR_ABSENT retain_graph create_graph allow_unused
gr_autograd_grads_args autograd_grads autograd_grads(l,l) gradients.count retain_graph create_graph allow_unused
gr_gradcheck_args gradcheck gradcheck(0,l) data==0 h tolerance error==0
gr_linear_args linear linear(t,t) bias==GR_ABSENT
gr_loss_args mse_loss mse_loss(t,t) reduction
gr_nn_linear_args nn_linear nn_linear(1,1) bias dtype
gr_nn_flatten_args nn_flatten nn_flatten() start_dim end_dim
gr_nn_loss_args nn_mse_loss nn_mse_loss() reduction
gr_module_buffer_args module_buffer module_buffer(0,0,t) persistent
gr_module_to_args module_to module_to(0) dtype device.kind
gr_optim_gd_args optim_gd optim_gd(l) lr
gr_optim_sgd_args optim_sgd optim_sgd(l) lr momentum dampening weight_decay nesterov maximize
gr_optim_group_args optim_group optim_group(0,l) lr momentum dampening weight_decay nesterov maximize
gr_read_csv_args read_csv read_csv("") skip_header delimiter allow_nonfinite dtype'
prints() { # what both programs print of `got`
    for field in "${@:3}"; do printf 'printf("%s.%s %%g\\n", (double)(got.%s));\n' "$2" "$field" "$field"; done
}
{
    printf '#include <gradus.h>\n#include <stdio.h>\nint main(void)\n{\ngr_tensor *t = 0;\ngr_tensors l = {0, 0};\n(void)t, (void)l;\n'
    while read -r args function call fields; do
        printf '{\n%s got;\n#define gr_%s_at(...) (got = *(__VA_ARGS__))\ngr_%s;\n' "$args" "$function" "$call"
        prints "$args" "$function" $fields
        printf '}\n'
    done <<<"$defaults"
    printf 'return 0;\n}\n'
} >"$work/defaults.c"
{
    printf '#include <gradus.h>\n#include <cstdio>\nint main()\n{\n'
    while read -r args function _ fields; do
        printf '{\n%s got{};\n' "$args"
        prints "$args" "$function" $fields
        printf '}\n'
    done <<<"$defaults"
    printf 'return 0;\n}\n'
} >"$work/defaults.cpp"
cat >"$work/plain.cpp" <<'END'
#include <gradus.h>
#include <cstdio>
#if defined(gr_add) || defined(gr_zeros) || defined(gr_backward) || defined(GR_CALL)
#error "macros in C++"
#endif
#define HERE gr_site{__FILE__, __LINE__}

int main()
{
    gr_manual_seed(0);
    gr_make_args size{};
    const int64_t sizes[] = {4, 2};
    size.shape = gr_shape_from(sizes, 2);
    gr_nn_linear_args of{};
    of.in_features = 2;
    of.out_features = 1;
    gr_module *model = gr_nn_linear_at(&of);
    gr_tensor *x = gr_randn_at(&size);
    const gr_tensors in{1, &x};
    gr_tensor *y = gr_add_at(gr_value_tensor(gr_forward_at(model, &in, HERE)), gr_value_real(1), HERE);
    gr_reduce_args all{};
    all.x = gr_square_at(y, HERE);
    gr_backward_args from{};
    from.loss = gr_sum_at(&all);
    gr_optim_sgd_args options{};
    options.params = gr_parameters_at(model, HERE);
    gr_optim *optimizer = gr_optim_sgd_at(&options);
    const bool ok = gr_backward_at(&from) && gr_step_at(optimizer, HERE);
    std::printf("%d %d\n", ok, gr_has_grad_at(options.params.item[0], HERE));
    return ok && !gr_error() ? 0 : 1;
}
END
$cc $cppflags -std=c11 "$work/defaults.c" "$build/libgradus.a" $libraries -o "$work/defaults_c"
"$work/defaults_c" >"$work/c.txt"
for compiler in g++ clang++; do
    has $compiler || continue
    $compiler $cppflags $strict_cpp "$work/plain.cpp" "$build/libgradus.a" $libraries -o "$work/plain" || fail "$compiler: warnings or errors"
    [ "$("$work/plain")" = "1 1" ] || fail "the C++ program failed"
    $compiler $cppflags $strict_cpp "$work/defaults.cpp" "$build/libgradus.a" $libraries -o "$work/defaults_cpp"
    "$work/defaults_cpp" >"$work/cpp.txt"
    diff "$work/c.txt" "$work/cpp.txt" >&2 || fail "defaults differ between C (<) and C++ (>)"
done

# ---- make install ----

${MAKE:-make} -s B="$build" PREFIX="$work/prefix" install || fail "make install failed"
cp demos/linear_regression.c "$work/train.c"
flags=$(PKG_CONFIG_PATH="$work/prefix/lib/pkgconfig" pkg-config --cflags --libs gradus)
[[ $flags == *"$work/prefix/lib"* ]] || fail "gradus.pc names another prefix: $flags"
(cd "$work" && $cc train.c $flags -o train && LD_LIBRARY_PATH="$work/prefix/lib" ./train >train.out) || fail "the installed library fails"
grep -qF 'tensor([[2.9762]], requires_grad=True)' "$work/train.out" || fail "the installed library prints something else"
echo "the headers are right: $(wc -l <"$work/c.txt") defaults, $(echo "$sizes" | wc -w) sizes"
