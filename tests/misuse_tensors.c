/* misuse_tensors.c - the calls of core/ as rows: making, looking, keeping, random numbers, files; and the views. */
#include <math.h>

#include "tests/misuse_rows.h"

static float numbers[64];
static char text[64];

enum { SIZE = 3 * 4 };
#define EYE_MOST ((1 << 30) - 1)
#define MADE .dtype = D(1), .device = DEV(2)
#define MADE_ARGUMENTS(codes) IN_SHAPE(shape, "", {2, {2, 3}}), IN_DTYPE(GR_DTYPE_DEFAULT, codes), IN_DEVICE

/* What was released has an owner again. */
static gr_tensor *taken_back(gr_tensor *x)
{
    return x ? gr_adopt(x) : NULL;
}

#define ROWS(ROW, PLAIN) \
    ROW(dim, "dim", READS, gr_dim(T(0)) == -1, IN_TENSOR(t, 'n', "")) \
    ROW(size, "size", READS, gr_size(T(0), I(1)) == -1, IN_TENSOR(t, 'n', "v"), IN_INT(axis, 1, -2, 1)) \
    ROW(stride, "stride", READS, gr_stride(T(0), I(1)) == -1, IN_TENSOR(t, 'n', "v"), IN_INT(axis, 1, -2, 1)) \
    ROW(numel, "numel", READS, gr_numel(T(0)) == -1, IN_TENSOR(t, 'n', "")) \
    ROW(dtype_of, "dtype_of", READS, gr_dtype_of(T(0)) == GR_DTYPE_DEFAULT, IN_TENSOR(t, 'n', "")) \
    ROW(device_of, "device_of", READS, gr_device_of(T(0)).kind == -1, IN_TENSOR(t, 'n', "")) \
    ROW(shape_of, "shape_of", READS, gr_shape_of(T(0)).count == -1, IN_TENSOR(t, 'n', "")) \
    ROW(is_contiguous, "is_contiguous", READS, !gr_is_contiguous(T(0)), IN_TENSOR(t, 'n', "")) \
    ROW(requires_grad_of, "requires_grad", READS, !gr_requires_grad(T(0)), IN_TENSOR(t, 'l', "")) \
    ROW(data, "data", READS, !gr_data(T(0)), IN_TENSOR(t, 'n', "")) \
    ROW(item, "item", READS, isnan(gr_item(T(0))), IN_TENSOR(t, 's', "nvebi8")) \
    ROW(at, "at", READS, isnan(gr_at_at(T(0), S(1), GR_HERE)), IN_TENSOR(t, 'n', "vs8e"), \
        IN_SHAPE(place, "", {2, {1, -1}})) \
    ROW(to_array, "to_array", READS, !gr_to_array_at(T(0), P(1), D(2), N(3), GR_HERE), IN_TENSOR(t, 'n', "vse8b"), \
        IN_POINTER(buffer, numbers), IN_DTYPE(GR_FLOAT32, ""), IN_INT64(count, SIZE, SIZE, SIZE)) \
    ROW(equal, "equal", READS, !gr_equal(T(0), T(1)), IN_TENSOR(a, 'n', ""), IN_TENSOR(b, 'n', "")) \
    ROW(print_tensor, "print", READS, !gr_print(T(0)), IN_TENSOR(t, 'n', "")) \
    ROW(tensor_text, "tensor_text", READS, gr_tensor_text(T(0), P(1), 5) == -1, IN_TENSOR(t, 'n', ""), \
        IN_POINTER(text, text)) \
    ROW(keep_tensor, "keep", READS, !gr_keep(T(0)), IN_TENSOR(t, 'n', "yf")) \
    ROW(free_tensor, "free", READS, !gr_free(T(0)), IN_TENSOR(t, 'n', "f")) \
    ROW(release, "release", LASTS, !taken_back(gr_release(T(0))), IN_TENSOR(t, 'n', "ylEf")) \
    ROW(adopt, "adopt", LASTS, !gr_adopt(T(0)), IN_TENSOR(t, 'f', "nly")) \
    ROW(tensors_from, "tensors_from", MAKES, gr_tensors_from(P(0), N(1)).count == 0, IN_POINTER(item, &g.n), \
        IN_INT64(count, 1, 0, MOST)) \
    ROW(empty, "empty", MAKES, !gr_empty_with(S(0), MADE), MADE_ARGUMENTS("")) \
    ROW(zeros, "zeros", MAKES, !gr_zeros_with(S(0), MADE), MADE_ARGUMENTS("")) \
    ROW(ones, "ones", MAKES, !gr_ones_with(S(0), MADE), MADE_ARGUMENTS("")) \
    ROW(rand, "rand", MAKES, !gr_rand_with(S(0), MADE), MADE_ARGUMENTS("I")) \
    ROW(randn, "randn", MAKES, !gr_randn_with(S(0), MADE), MADE_ARGUMENTS("I")) \
    ROW(full, "full", MAKES, !gr_full_at(V(3), &(gr_make_args){.shape = S(0), .site = GR_HERE, MADE}), \
        MADE_ARGUMENTS(""), IN_NUMBER(value, 7, "")) \
    ROW(empty_like, "empty_like", MAKES, !gr_empty_like(T(0), MADE), IN_TENSOR(x, 'n', ""), IN_DTYPE(GR_FLOAT64, ""), IN_DEVICE) \
    ROW(zeros_like, "zeros_like", MAKES, !gr_zeros_like(T(0), MADE), IN_TENSOR(x, 'n', ""), IN_DTYPE(GR_FLOAT64, ""), IN_DEVICE) \
    ROW(ones_like, "ones_like", MAKES, !gr_ones_like(T(0), MADE), IN_TENSOR(x, 'n', ""), IN_DTYPE(GR_FLOAT64, ""), IN_DEVICE) \
    ROW(full_like, "full_like", MAKES, !gr_full_like_at(V(3), &(gr_like_args){.x = T(0), .site = GR_HERE, MADE}), \
        IN_TENSOR(x, 'n', ""), IN_DTYPE(GR_FLOAT64, ""), IN_DEVICE, IN_NUMBER(value, 7, "")) \
    ROW(arange, "arange", MAKES, \
        !gr_arange_at(&(gr_arange_args){.start = V(0), .end = V(3), .step = V(4), .site = GR_HERE, MADE}), \
        IN_NUMBER(start, 0, "NIJ"), IN_DTYPE(GR_DTYPE_DEFAULT, ""), IN_DEVICE, IN_NUMBER(end, 3, "NIJM"), \
        IN_NUMBER(step, 1, "NIJM0")) \
    ROW(eye, "eye", MAKES, !gr_eye_with(N(0), MADE), IN_INT64(n, 2, 0, EYE_MOST), IN_DTYPE(GR_DTYPE_DEFAULT, ""), IN_DEVICE) \
    ROW(from, "from", MAKES, !gr_from_at(P(2), D(1), S(0), GR_HERE), IN_SHAPE(shape, "", {1, {3}}), IN_DTYPE(GR_FLOAT32, ""), \
        IN_POINTER(array, numbers)) \
    ROW(randint, "randint", MAKES, !gr_randint_with(N(3), N(4), S(0), MADE), IN_SHAPE(shape, "", {1, {3}}), \
        IN_DTYPE(GR_INT64, ""), IN_DEVICE, IN_INT64(low, 0, INT64_MIN, 2), IN_INT64(high, 3, 1, INT64_MAX)) \
    ROW(randperm, "randperm", MAKES, !gr_randperm(N(0)), IN_INT64(n, 3, 0, MOST)) \
    ROW(sample_order, "sample_order", MAKES, !gr_sample_order(N(0), true), IN_INT64(n, 3, 0, MOST)) \
    ROW(bernoulli, "bernoulli", MAKES, !gr_bernoulli(T(0)), IN_TENSOR(p, 's', "ijukn")) \
    ROW(uniform_, "uniform_", LASTS, !gr_uniform_(T(0), R(1), R(2)), IN_TENSOR(t, 'n', "ijuklE"), \
        IN_REAL(from, 0, "NIJB"), IN_REAL(to, 1, "NIJM")) \
    ROW(normal_, "normal_", LASTS, !gr_normal_(T(0), 0, R(1)), IN_TENSOR(t, 'n', "ijuklE"), IN_REAL(std, 1, "NJM")) \
    ROW(bernoulli_, "bernoulli_", LASTS, !gr_bernoulli_(T(0), R(1)), IN_TENSOR(t, 'n', "lE"), IN_REAL(p, 0.5, "NIJMB")) \
    ROW(exponential_, "exponential_", LASTS, !gr_exponential_(T(0), R(1)), IN_TENSOR(t, 'n', "ijuklE"), \
        IN_REAL(lambda, 1.5, "NJM0")) \
    ROW(multinomial, "multinomial", MAKES, !gr_multinomial(T(0), N(1)), IN_TENSOR(weights, 'n', "ijuks8"), \
        IN_INT64(count, 2, 1, 4)) \
    ROW(read_csv, "read_csv", MAKES, !gr_read_csv(TXT(0), .skip_header = true, .dtype = D(1)), IN_TEXT(path, "demos/diabetes.csv"), \
        IN_DTYPE(GR_FLOAT32, "")) \
    ROW(set_default_dtype, "set_default_dtype", LASTS, !gr_set_default_dtype(D(0)), IN_DTYPE(GR_FLOAT64, "I")) \
    ROW(set_default_device, "set_default_device", LASTS, !gr_set_default_device(DEV(0)), IN_DEVICE) \
    ROW(synchronize, "synchronize", READS, !gr_synchronize_at(DEV(0), GR_HERE), IN_DEVICE) \
    ROW(set_float32_matmul_precision, "set_float32_matmul_precision", LASTS, \
        !gr_set_float32_matmul_precision_at((gr_precision)I(0), GR_HERE), IN_INT(precision, GR_HIGHEST, 0, GR_HIGH)) \
    PLAIN(manual_seed, LASTS, (gr_manual_seed(9), gr_error() != NULL)) \
    PLAIN(default_dtype, READS, gr_default_dtype() == GR_DTYPE_DEFAULT) \
    PLAIN(default_device, READS, gr_default_device().index != 0) \
    PLAIN(num_threads, READS, gr_num_threads() < 1) \
    PLAIN(cpu, READS, gr_cpu().kind != 0) \
    PLAIN(cuda_is_available, READS, gr_cuda_is_available() != (gr_cuda_device_count() > 0)) \
    PLAIN(cuda_device_count, READS, gr_cuda_device_count() < 0) \
    PLAIN(cuda_empty_cache, READS, (gr_cuda_empty_cache(), false)) \
    ROW(set_num_threads, "set_num_threads", LASTS, !gr_set_num_threads(I(0)), IN_INT(count, 2, 0, 256)) \
    ROW(reshape, "reshape", MAKES, !gr_reshape_at(T(0), S(1), GR_HERE), IN_TENSOR(x, 'n', "vs8be"), IN_SHAPE(shape, "-", {1, {12}})) \
    ROW(view, "view", MAKES, !gr_view_at(T(0), S(1), GR_HERE), IN_TENSOR(x, 'n', "vs8beT"), IN_SHAPE(shape, "-", {1, {12}})) \
    ROW(transpose, "transpose", MAKES, !gr_transpose(T(0), I(1), I(2)), IN_TENSOR(x, 'n', "vs"), \
        IN_INT(first, 0, -2, 1), IN_INT(second, 1, -2, 1)) \
    ROW(permute, "permute", MAKES, !gr_permute_at(T(0), S(1), GR_HERE), IN_TENSOR(x, 'n', "vs8"), IN_SHAPE(order, "", {2, {1, 0}})) \
    ROW(t, "t", MAKES, !gr_t(T(0)), IN_TENSOR(x, 'n', "8")) \
    ROW(expand, "expand", MAKES, !gr_expand_at(T(0), S(1), GR_HERE), IN_TENSOR(x, 'v', "tb8e"), IN_SHAPE(shape, "-", {2, {3, 4}})) \
    ROW(narrow, "narrow", MAKES, !gr_narrow(T(0), I(1), N(2), N(3)), IN_TENSOR(x, 'n', "se"), IN_INT(dim, 0, -2, 1), \
        IN_INT64(start, 1, -3, 2), IN_INT64(length, 1, 0, 2)) \
    ROW(select, "select", MAKES, !gr_select(T(0), I(1), N(2)), IN_TENSOR(x, 'n', "se"), IN_INT(dim, 0, -2, 1), \
        IN_INT64(index, 1, -3, 2)) \
    ROW(slice, "slice", MAKES, !gr_slice(T(0), .dim = I(1), .step = N(2)), IN_TENSOR(x, 'n', "s"), IN_INT(dim, 0, -2, 1), \
        IN_INT64(step, 1, 1, INT64_MAX)) \
    ROW(squeeze, "squeeze", MAKES, !gr_squeeze(T(0), .dim = I(1)), IN_TENSOR(x, 'n', "v"), IN_INT(dim, 1, -2, 1)) \
    ROW(unsqueeze, "unsqueeze", MAKES, !gr_unsqueeze(T(0), I(1)), IN_TENSOR(x, 'n', "8"), IN_INT(dim, 0, -3, 2)) \
    ROW(flatten, "flatten", MAKES, !gr_flatten(T(0), .start_dim = I(1), .end_dim = I(2)), IN_TENSOR(x, 'n', "vs"), \
        IN_INT(start_dim, 0, -2, 1), IN_INT(end_dim, 1, -2, 1)) \
    ROW(contiguous, "contiguous", MAKES, !gr_contiguous(T(0)), IN_TENSOR(x, 'T', "")) \
    ROW(clone, "clone", MAKES, !gr_clone(T(0)), IN_TENSOR(x, 'n', "")) \
    ROW(detach, "detach", MAKES, !gr_detach(T(0)), IN_TENSOR(x, 'n', "")) \
    ROW(to, "to", MAKES, !gr_to(T(0), MADE), IN_TENSOR(x, 'n', ""), IN_DTYPE(GR_FLOAT64, ""), IN_DEVICE)

ROWS(ROW_FUNCTION, PLAIN_FUNCTION)
static const misuse_row rows[] = {ROWS(ROW_ENTRY, PLAIN_ENTRY)};
const misuse_table misuse_tensor_rows = {rows, sizeof rows / sizeof rows[0]};
