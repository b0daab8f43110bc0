/* fault_tensors.c - programs of tensors alone: making, computing, reducing, multiplying, reading, printing. */
#include "tests/faults.h"

static bool creation(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    static const double array[] = {1, 2, 3, 4, 5, 6};
    MAKE(t[0], gr_zeros(3, 4))
    MAKE(t[1], gr_ones_with(GR_SHAPE(5), .dtype = GR_FLOAT64, .requires_grad = true))
    MAKE(t[2], gr_full(2.5, 2, 2))
    MAKE(t[3], gr_arange(0, 600, 1))
    MAKE(t[4], gr_arange(0, 1, 0.001))
    MAKE(t[5], gr_eye(6))
    MAKE(t[6], gr_from(array, 2, 3))
    MAKE(t[7], gr_zeros_like(t[6]))
    MAKE(t[8], gr_ones_like(t[6], .dtype = GR_INT64))
    MAKE(t[9], gr_full_like(t[6], 7))
    MAKE(t[10], gr_to(t[6], .dtype = GR_FLOAT32))
    MAKE(t[11], gr_clone(t[10]))
    MAKE(t[12], gr_t(t[11]))
    MAKE(t[13], gr_contiguous(t[12]))
    DO(gr_equal(t[10], t[11]))
    LIST(GR_TENSORS(t[1], t[2], t[3]))
    MAKE(t[14], gr_detach(t[1]))
    MAKE(t[15], gr_zeros(30000))
    DO(gr_fill_(t[15], 3) != NULL)
    DO(gr_copy_(t[15], t[15]) != NULL)
    END
}

static bool arithmetic(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn(40, 30))
    MAKE(t[1], gr_randn(30))
    MAKE(t[2], gr_add(t[0], t[1]))
    MAKE(t[3], gr_t(t[0]))
    MAKE(t[4], gr_mul(t[3], 2))
    MAKE(t[5], gr_exp(t[2]))
    MAKE(t[6], gr_pow(t[5], 1.5))
    MAKE(t[7], gr_gt(t[0], 0))
    MAKE(t[8], gr_where(t[7], t[0], 0))
    MAKE(t[9], gr_clamp(t[0], -1, 1))
    MAKE(t[10], gr_neg(t[5]))
    MAKE(t[11], gr_clamp(t[0], t[10], t[5]))
    MAKE(t[12], gr_isnan(t[0]))
    MAKE(t[13], gr_gelu(t[0]))
    MAKE(t[14], gr_softplus(t[0], .beta = 2))
    MAKE(t[15], gr_maximum(t[0], t[1]))
    DO(gr_mul_(t[15], t[1]) != NULL)
    MAKE(t[16], gr_narrow(t[15], 0, 3, 5))
    DO(gr_add_(t[16], 1) != NULL)
    MAKE(t[17], gr_arange(0, 1000, 1))
    MAKE(t[18], gr_div(t[17], 7))
    MAKE(t[19], gr_leaky_relu(t[0], .negative_slope = .1))
    END
}

static bool views(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn(6, 5, 4))
    MAKE(t[1], gr_permute(t[0], 2, 0, 1))
    MAKE(t[2], gr_reshape(t[1], 4, 30))
    MAKE(t[3], gr_flatten(t[1]))
    MAKE(t[4], gr_view(t[0], 30, 4))
    MAKE(t[5], gr_slice(t[0], .dim = 1, .start = 1, .step = 2))
    MAKE(t[6], gr_select(t[0], 0, -1))
    MAKE(t[7], gr_unsqueeze(t[6], 0))
    MAKE(t[8], gr_expand(t[7], 9, 5, 4))
    MAKE(t[9], gr_squeeze(t[7]))
    MAKE(t[10], gr_contiguous(t[8]))
    DO(gr_zero_(t[5]) != NULL)
    MAKE(t[11], gr_randn(4, 5))
    MAKE(t[12], gr_transpose(t[11], 0, 1))
    DO(gr_copy_(t[6], t[12]) != NULL)
    DO(gr_fill_(t[4], 2) != NULL)
    MAKE(t[13], gr_randint(0, 5, 9))
    MAKE(t[14], gr_index_select(t[0], 1, t[13]))
    END
}

static bool reductions(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn(3, 40000))
    MAKE(t[1], gr_sum(t[0])) /* blocks, joined */
    MAKE(t[2], gr_sum(t[0], .dim = 1))
    MAKE(t[3], gr_mean(t[0], .dim = 0))
    MAKE(t[4], gr_t(t[0]))
    MAKE(t[5], gr_sum(t[4], .dim = 0)) /* blocks of rows that are gathered */
    MAKE(t[6], gr_sum(t[4], .dim = 1))
    MAKE(t[7], gr_randn(20, 300, 5))
    MAKE(t[8], gr_sum(t[7], .dim = 1))
    MAKE(t[9], gr_permute(t[7], 1, 2, 0))
    MAKE(t[10], gr_sum(t[9], .dim = 0)) /* columns, gathered: more than the stack takes */
    MAKE(t[11], gr_narrow(t[0], 1, 1, 9000))
    MAKE(t[12], gr_sum(t[11], .dims = GR_DIMS(0)))
    MAKE(t[13], gr_max(t[7]))
    MAKE(t[14], gr_prod(t[7], .dim = 2))
    DO((w->pair = gr_max_dim(t[0], 1)).values != NULL)
    MAKE(t[17], gr_argmax(t[4])) /* gathered, in blocks */
    MAKE(t[18], gr_argmin(t[11], .dim = 1))
    MAKE(t[19], gr_sum(t[0], .dtype = GR_FLOAT64))
    MAKE(t[20], gr_mean(t[7], .dim = 0))
    MAKE(t[21], gr_zeros(40000, 3))
    MAKE(t[22], gr_mse_loss(t[4], t[21], .reduction = GR_SUM)) /* one of them gathered */
    MAKE(t[23], gr_mse_loss(t[0], t[0]))
    MAKE(t[24], gr_mse_loss(t[7], t[7], .reduction = GR_NONE))
    MAKE(t[25], gr_select(t[7], 2, 1))
    MAKE(t[26], gr_amax(t[25], .dim = 0))
    MAKE(t[27], gr_argmax(t[25], .dim = 0))
    MAKE(t[28], gr_randn(20000, 2, 2))
    MAKE(t[29], gr_select(t[28], 2, 1))
    MAKE(t[30], gr_sum(t[29], .dim = 0))
    MAKE(t[31], gr_argmax(t[29], .dim = 0)) /* rows longer than the stack takes */
    MAKE(t[32], gr_expand(t[2], 9000, 3))
    MAKE(t[33], gr_sum(t[32], .dim = 0))
    MAKE(t[34], gr_randn(2, 40000, 2))
    MAKE(t[35], gr_select(t[34], 2, 1))
    MAKE(t[36], gr_sum(t[35], .dim = 1)) /* rows in blocks, each gathered */
    MAKE(t[37], gr_narrow(t[35], 1, 3, 20000))
    MAKE(t[38], gr_sum(t[37], .dim = 1)) /* whole rows, gathered */
    END
}

static bool products(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn(70, 80))
    MAKE(t[1], gr_randn(80, 90))
    MAKE(t[2], gr_matmul(t[0], t[1]))
    MAKE(t[3], gr_randn(128, 256))
    MAKE(t[4], gr_slice(t[3], .dim = 1, .step = 2)) /* BLAS takes no such strides: blocks of our own, packed */
    MAKE(t[5], gr_matmul(t[4], t[4]))
    MAKE(t[6], gr_linear(t[4], t[4]))
    MAKE(t[7], gr_expand(t[4], 2, 128, 128))
    MAKE(t[8], gr_matmul(t[7], t[4]))
    MAKE(t[9], gr_to(t[4], .dtype = GR_FLOAT64))
    MAKE(t[10], gr_matmul(t[9], t[9]))
    MAKE(t[11], gr_randn(6))
    MAKE(t[12], gr_randn(6, 3))
    MAKE(t[13], gr_matmul(t[11], t[12]))
    MAKE(t[14], gr_t(t[12]))
    MAKE(t[15], gr_matmul(t[14], t[11]))
    MAKE(t[16], gr_matmul(t[11], t[11]))
    MAKE(t[17], gr_arange(0, 6, 1))
    MAKE(t[18], gr_matmul(t[17], t[17]))
    MAKE(t[19], gr_randn(80, 2, 7))
    MAKE(t[20], gr_permute(t[19], 1, 2, 0))
    MAKE(t[21], gr_t(t[1]))
    MAKE(t[22], gr_linear(t[20], t[21])) /* no even rows: copied first */
    MAKE(t[23], gr_randn(90))
    MAKE(t[24], gr_linear(t[0], t[21], .bias = t[23]))
    END
}

/* Computed in float32, on copies. */
static bool bfloat16(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn(40, 50))
    MAKE(t[1], gr_to(t[0], .dtype = GR_BFLOAT16))
    DO(gr_requires_grad_(t[1], true) != NULL)
    MAKE(t[2], gr_t(t[1]))
    MAKE(t[3], gr_matmul(t[1], t[2]))
    MAKE(t[4], gr_select(t[3], 0, 1))
    MAKE(t[5], gr_linear(t[3], t[3], .bias = t[4]))
    MAKE(t[6], gr_sum(t[5], .dim = 1))
    MAKE(t[7], gr_argmax(t[5], .dim = 1))
    MAKE(t[8], gr_amax(t[6]))
    MAKE(t[9], gr_mse_loss(t[5], t[3]))
    MAKE(t[10], gr_mul(t[8], t[9]))
    DO(gr_backward(t[10]))
    DO((w->pair = gr_max_dim(t[1], 1)).values != NULL)
    END
}

static bool random_numbers(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_rand(20, 20))
    MAKE(t[1], gr_randn(7))
    MAKE(t[2], gr_randint(-3, 9, 500))
    MAKE(t[3], gr_randperm(300))
    MAKE(t[4], gr_bernoulli(t[0]))
    DO(gr_uniform_(t[0], -1, 1) != NULL)
    MAKE(t[5], gr_t(t[0]))
    DO(gr_normal_(t[5], 0, 2) != NULL)
    MAKE(t[6], gr_slice(t[0], .dim = 1, .step = 2))
    DO(gr_uniform_(t[6], 3, 4) != NULL)
    DO(gr_normal_(t[6], 3, 4) != NULL)
    DO(gr_bernoulli_(t[6], .5) != NULL)
    MAKE(t[7], gr_sample_order(77, true))
    MAKE(t[8], gr_sample_order(77, false))
    MAKE(t[9], gr_randint_with(0, 5, GR_SHAPE(40), .dtype = GR_FLOAT64))
    MAKE(t[10], gr_randn_with(GR_SHAPE(33), .dtype = GR_FLOAT64))
    MAKE(t[11], gr_rand(9, 70))
    MAKE(t[12], gr_multinomial(t[11], 5))
    MAKE(t[13], gr_multinomial(t[11], 50, .replacement = true))
    DO(gr_exponential_(t[6], 2) != NULL)
    END
}

static bool csv(world *w, int step, bool *ended)
{
    static const char *const path = "demos/diabetes.csv";
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_read_csv(path, .skip_header = true))
    MAKE(t[1], gr_mul(t[0], 2))
    MAKE(t[2], gr_read_csv(path, .skip_header = true, .dtype = GR_FLOAT64))
    END
}

static bool reading(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    int n = 0;
    MAKE(t[0], gr_randn(40, 50))
    DO(gr_tensor_text(t[0], w->text, sizeof w->text) > 0)
    MAKE(t[1], gr_sum(t[0]))
    DO((w->number[0] = gr_item(t[1]), !gr_error()))
    DO((w->number[1] = gr_at(t[0], 3, 4), !gr_error()))
    DO(gr_to_array(t[1], w->number, 1))
    MAKE(t[2], gr_t(t[0]))
    MAKE(t[3], gr_contiguous(t[2]))
    DO(gr_equal(t[2], t[3]))
    END
}

/* The list of what a scope owns, and of headers, grow. */
static bool many(world *w, int step, bool *ended)
{
    gr_tensor **t = w->t;
    if (step == 0) return (t[0] = gr_zeros(3)) != NULL;
    if (step < 100) {
        gr_tensor *next = gr_add(t[step % 2 ? 0 : 1], 1);
        if (next) t[step % 2] = next;
        return next != NULL;
    }
    *ended = true;
    return true;
}

const named_program tensor_programs[] = {{"creation", creation},     {"arithmetic", arithmetic},
                                         {"views", views},           {"reductions", reductions},
                                         {"products", products},     {"bfloat16", bfloat16},
                                         {"random numbers", random_numbers},
                                         {"csv", csv},               {"reading", reading},
                                         {"many results", many},     {NULL, NULL}};
