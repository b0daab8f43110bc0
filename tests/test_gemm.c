/* test_gemm.c - matrix products against sums in a wider type, and the promises about their bits. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cpu/gemm.h"
#include "core/cpu/gemm_loops.h"
#include "core/cpu/isa.h"
#include "core/parallel.h"
#include "tests/draw.h"
#include "tests/suites.h"

/* How a matrix lies in memory. SPREAD leaves gaps both ways, BACKWARD has negative strides,
 * REPEATED shows one row. */
enum { ROWS, COLUMNS, PADDED_ROWS, PADDED_COLUMNS, SPREAD, BACKWARD, REPEATED, LAYOUTS };

enum { GUARD = 7 }; /* elements beyond each row of c that must stay */

typedef struct {
    int64_t m, n, k;
    int layout_a, layout_b;
    bool accumulate, single; /* float */
} product_case;

typedef struct {
    gr_matrix view;
    int64_t row, column;
    void *memory;
} operand;

static uint64_t random_state;

/* -1 to 1, on a grid that float holds exactly */
static double random_number(void)
{
    return ((double)(draw(&random_state) >> 40) - 0x1p23) / 0x1p23;
}

static double element(const void *memory, int64_t i, bool single)
{
    return single ? (double)((const float *)memory)[i] : ((const double *)memory)[i];
}

static void set_element(void *memory, int64_t i, double value, bool single)
{
    if (single)
        ((float *)memory)[i] = (float)value;
    else
        ((double *)memory)[i] = value;
}

static int64_t offset_and_strides(operand *x, int64_t rows, int64_t columns, int layout)
{
    static const int64_t pads[LAYOUTS] = {[PADDED_ROWS] = 3, [PADDED_COLUMNS] = 5};
    const bool turned = layout == COLUMNS || layout == PADDED_COLUMNS;
    x->row = turned ? 1 : columns + pads[layout];
    x->column = turned ? rows + pads[layout] : 1;
    if (layout == SPREAD) x->row = 2 * columns + 1, x->column = 2;
    if (layout == REPEATED) x->row = 0;
    if (layout != BACKWARD) return 0;
    x->row = -columns, x->column = -1;
    return rows * columns - 1;
}

static operand make_operand(int64_t rows, int64_t columns, int layout, bool single)
{
    operand x = {0};
    const int64_t count = 3 * (rows + 6) * (columns + 6),
                  first = offset_and_strides(&x, rows, columns, layout);
    const size_t size = single ? sizeof(float) : sizeof(double);
    x.memory = malloc((size_t)count * size);
    for (int64_t i = 0; i < count; i++)
        set_element(x.memory, i, (double)NAN, single); /* poison between the elements */
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            set_element(x.memory, first + i * x.row + j * x.column, random_number(), single);
    x.view = (gr_matrix){(char *)x.memory + (size_t)first * size, x.row, x.column};
    return x;
}

/* The operands of a case, and c, whose rows are longer than a product's; before: what stands in c. */
typedef struct {
    operand a, b;
    int64_t ldc, count;
    double *before;
    void *c;
} prepared;

static prepared prepare(const product_case *p)
{
    prepared x = {.a = make_operand(p->m, p->k, p->layout_a, p->single), .ldc = p->n + GUARD};
    x.b = make_operand(p->k, p->n, p->layout_b, p->single);
    x.count = p->m * x.ldc;
    x.before = malloc((size_t)x.count * sizeof *x.before);
    x.c = malloc((size_t)x.count * sizeof(double));
    for (int64_t i = 0; i < x.count; i++) x.before[i] = random_number(), set_element(x.c, i, x.before[i], p->single);
    return x;
}

static void discard(prepared *x)
{
    free(x->a.memory), free(x->b.memory), free(x->before), free(x->c);
}

static gr_product product_of(const product_case *p, const prepared *x)
{
    return (gr_product){p->m, p->n, p->k, x->a.view, x->b.view, x->c, x->ldc, p->accumulate};
}

static bool multiply(const product_case *p, const prepared *x)
{
    const gr_product product = product_of(p, x);
    return p->single ? gr_multiply_f32(&product) : gr_multiply_f64(&product);
}

static void check_element(const product_case *p, gr_matrix a, gr_matrix b, int64_t i, int64_t j,
                          double before, double got)
{
    long double sum = 0, magnitude = 0;
    for (int64_t t = 0; t < p->k; t++) {
        const long double x = (long double)element(a.data, i * a.row + t * a.column, p->single);
        const long double product =
            x * (long double)element(b.data, t * b.row + j * b.column, p->single);
        sum += product;
        magnitude += fabsl(product);
    }
    if (p->accumulate) {
        sum += (long double)before;
        magnitude += fabsl((long double)before);
    }
    /* u for each term; but roundings of random data cancel: the worst of these is off by 5 u */
    const double u = p->single ? 0x1p-24 : 0x1p-53, terms = (double)p->k + p->accumulate;
    const double error = (double)fabsl(sum - (long double)got), bound = fmin(terms, 8) * u * (double)magnitude;
    if (!(error <= bound)) /* ck_assert for each element would take longer than the products */
        ck_abort_msg("%dx%dx%d layouts %d %d add %d: c[%d, %d] is %.17g, not %.17Lg", (int)p->m,
                     (int)p->k, (int)p->n, p->layout_a, p->layout_b, p->accumulate, (int)i, (int)j,
                     got, sum);
}

static void check_product(const product_case *p)
{
    prepared x = prepare(p);
    ck_assert(multiply(p, &x));
    const int64_t step = p->m * p->n * p->k > 2000000 ? 61 : 1; /* of a large product look at some */
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < x.ldc; j++) {
            const int64_t at = i * x.ldc + j;
            const double got = element(x.c, at, p->single);
            if (j >= p->n && memcmp(&got, &x.before[at], sizeof got)) ck_abort_msg("wrote beyond row %d", (int)i);
            if (j < p->n && (i * p->n + j) % step == 0)
                check_element(p, x.a.view, x.b.view, i, j, x.before[at], got);
        }
    discard(&x);
}

static const int64_t sides[][3] = {
    {1, 1, 1},     {100, 1, 1},   {1, 1, 100},  {1, 100, 1},   {3, 1, 100},   {1, 3, 100},
    {100, 1, 13},  {2, 2, 2},     {5, 7, 9},    {8, 8, 8},     {16, 16, 16},  {17, 33, 15},
    {10, 31, 7},   {33, 5, 40},   {2, 40, 50},  {40, 2, 50},   {1, 7, 5000},  {3, 2, 5000},
    {9, 9, 700},   {31, 33, 29},  {48, 64, 50}, {64, 10, 128}, {50, 257, 65}, {1, 300, 400},
    {300, 1, 400}, {200, 300, 1}, {1, 1, 9000}, {49, 300, 513}};

START_TEST(products_of_all_layouts_agree_with_wider_sums)
{
    random_state = 1;
    for (int kind = 0; kind < 2 * 2 * LAYOUTS * LAYOUTS; kind++) {
        const int64_t *side = sides[_i];
        const product_case p = {
            side[0],  side[1],     side[2], kind / 4 % LAYOUTS, kind / 4 / LAYOUTS,
            kind % 2, kind / 2 % 2};
        check_product(&p);
    }
}
END_TEST

START_TEST(large_products_agree_with_wider_sums)
{
    static const int64_t large[][3] = {{64, 128, 784},   {128, 784, 64},  {128, 1024, 300},
                                       {520, 1100, 130}, {300, 300, 600}, {3000, 10, 200},
                                       {10, 3000, 200},  {1, 3000, 1000}};
    static const int layouts[][2] = {
        {ROWS, ROWS}, {ROWS, COLUMNS}, {COLUMNS, ROWS}, {SPREAD, BACKWARD}};
    random_state = 2;
    gr_parallel_threads(2);
    for (int kind = 0; kind < 2 * 2 * 4; kind++) {
        const int64_t *side = large[_i];
        const product_case p = {
            side[0],  side[1],     side[2], layouts[kind / 4][0], layouts[kind / 4][1],
            kind % 2, kind / 2 % 2};
        check_product(&p);
    }
}
END_TEST

static void make_positive(operand *x, int64_t count, bool single)
{
    for (int64_t i = 0; i < count; i++) set_element(x->memory, i, fabs(element(x->memory, i, single)), single);
}

/* All terms positive: an error may grow with the root of their number, as u (2 + 1.25 sqrt k) does. */
START_TEST(products_of_positive_numbers_are_exact_enough)
{
    static const int64_t lengths[] = {3, 16, 100, 256, 1000, 4096};
    random_state = 5;
    for (int single = 0; single < 2; single++) {
        const product_case p = {33, 40, lengths[_i], ROWS, COLUMNS, false, single};
        const double u = single ? 0x1p-24 : 0x1p-53, bound = (2 + 1.25 * sqrt((double)p.k)) * u;
        prepared x = prepare(&p);
        make_positive(&x.a, p.m * p.k, single);
        make_positive(&x.b, p.k * p.n, single);
        ck_assert(multiply(&p, &x));
        for (int64_t i = 0; i < p.m; i++)
            for (int64_t j = 0; j < p.n; j++) {
                long double sum = 0;
                for (int64_t t = 0; t < p.k; t++)
                    sum += (long double)element(x.a.view.data, i * x.a.row + t * x.a.column, single) *
                           (long double)element(x.b.view.data, t * x.b.row + j * x.b.column, single);
                const long double error = fabsl((long double)element(x.c, i * x.ldc + j, single) - sum);
                if (!((double)(error / sum) <= bound)) ck_abort_msg("k = %d: off by %g u", (int)p.k, (double)(error / sum) / u);
            }
        discard(&x);
    }
}
END_TEST

START_TEST(empty_sums_are_zero_and_empty_results_are_left_alone)
{
    float a[4] = {1, 2, 3, 4}, c[6] = {1, 2, 3, 4, 5, 6};
    double d[4] = {1, 2, 3, 4};
    const gr_matrix x = {a, 2, 1}, none = {NULL, 0, 0};
    ck_assert(gr_gemm_f32(2, 2, 0, none, none, c, 3, true));
    ck_assert(gr_gemm_f32(0, 2, 2, none, x, c, 3, false));
    ck_assert(gr_gemm_f32(2, 0, 2, x, none, c, 3, false));
    ck_assert(gr_gemm_f32(2, 0, 0, x, none, NULL, 3, false));
    for (int i = 0; i < 6; i++) ck_assert(c[i] == (float)(i + 1));
    ck_assert(gr_gemm_f32(2, 2, 0, none, none, c, 3, false));
    const float cleared[6] = {0, 0, 3, 0, 0, 6};
    ck_assert_int_eq(memcmp(c, cleared, sizeof c), 0);
    ck_assert(gr_gemm_f64(1, 3, 0, none, none, d, 3, false));
    ck_assert(d[0] == 0 && d[2] == 0 && d[3] == 4);
}
END_TEST

/* c[i, j] as the header promises it for small products. */
static double sum_in_order(const product_case *p, gr_matrix a, gr_matrix b, int64_t i, int64_t j,
                           double before)
{
    double sum = 0;
    for (int64_t t = 0; t < p->k; t++) {
        const double x = element(a.data, i * a.row + t * a.column, p->single);
        const double y = element(b.data, t * b.row + j * b.column, p->single);
        volatile double product = p->single ? (double)((float)x * (float)y) : x * y;
        sum = t == 0 ? product : p->single ? (double)((float)sum + (float)product) : sum + product;
    }
    if (!p->accumulate) return sum;
    return p->single ? (double)((float)before + (float)sum) : before + sum;
}

static void check_order(const product_case *p, const gr_gemm_loops *loops)
{
    prepared x = prepare(p);
    const gr_product product = product_of(p, &x);
    if (loops) loops->small(&product);
    else ck_assert(multiply(p, &x));
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            const int64_t at = i * x.ldc + j;
            if (element(x.c, at, p->single) != sum_in_order(p, x.a.view, x.b.view, i, j, x.before[at]))
                ck_abort_msg("%dx%dx%d layouts %d %d: another order at %d, %d", (int)p->m, (int)p->k, (int)p->n, p->layout_a,
                             p->layout_b, (int)i, (int)j);
        }
    discard(&x);
}

START_TEST(small_products_add_in_order_with_every_instruction_set)
{
    const gr_gemm_loops *const loops[2][GR_ISAS + 1] = {
#if defined(__x86_64__) || defined(__i386__)
        {&gr_gemm_loops_f64_base, &gr_gemm_loops_f64_avx2, &gr_gemm_loops_f64_avx512, NULL},
        {&gr_gemm_loops_f32_base, &gr_gemm_loops_f32_avx2, &gr_gemm_loops_f32_avx512, NULL}
    };
#else
        {&gr_gemm_loops_f64_base, NULL, NULL, NULL},
        {&gr_gemm_loops_f32_base, NULL, NULL, NULL}
    };
#endif
    const int64_t *side = sides[_i];
    random_state = 3;
    if (side[0] * side[1] * side[2] > GR_GEMM_SMALL || side[2] > GR_GEMM_SMALL_SUM) return;
    for (int kind = 0; kind < 2 * 2 * LAYOUTS * LAYOUTS; kind++) {
        const product_case p = {
            side[0],  side[1],     side[2], kind / 4 % LAYOUTS, kind / 4 / LAYOUTS,
            kind % 2, kind / 2 % 2};
        for (int isa = 0; isa <= gr_cpu_isa(); isa++) check_order(&p, loops[p.single][isa]);
        check_order(&p, NULL);
    }
}
END_TEST

START_TEST(long_products_of_two_numbers_each_are_in_order_too)
{
    const product_case p = {70000, 3, 1, ROWS, ROWS, _i % 2, _i / 2 % 2};
    gr_parallel_threads(2);
    check_order(&p, NULL);
}
END_TEST

START_TEST(bits_do_not_depend_on_the_number_of_threads)
{
    static const int64_t shapes[][3] = {{128, 784, 256}, {300, 400, 500}, {600, 1500, 70},
                                        {1, 5000, 300},  {5000, 1, 64},   {65, 70, 300},
                                        {400, 300, 1},   {33, 2000, 40}};
    static const int layouts[][2] = {
        {ROWS, ROWS}, {ROWS, COLUMNS}, {COLUMNS, ROWS}, {SPREAD, SPREAD}};
    random_state = 4;
    gr_parallel_test_grain = 1;
    for (int kind = 0; kind < 8; kind++) {
        const int64_t *side = shapes[_i];
        const product_case p = {
            side[0], side[1], side[2], layouts[kind / 2][0], layouts[kind / 2][1], false, kind % 2};
        prepared x = prepare(&p);
        const size_t bytes = (size_t)x.count * (p.single ? sizeof(float) : sizeof(double));
        void *one = malloc(bytes);
        for (int threads = 1; threads <= 4; threads++) {
            gr_parallel_threads(threads);
            ck_assert(multiply(&p, &x));
            if (threads == 1) memcpy(one, x.c, bytes);
            ck_assert_int_eq(memcmp(one, x.c, bytes), 0);
            for (int64_t i = 0; i < x.count; i++) set_element(x.c, i, x.before[i], p.single);
        }
        free(one);
        discard(&x);
    }
}
END_TEST

/* OpenBLAS's threads would meet the pool's; whoever uses it beside the library may keep them. */
extern int openblas_get_num_threads(void) __attribute__((weak));

START_TEST(blas_is_left_one_thread_unless_told)
{
    if (!openblas_get_num_threads) return; /* there is none */
    const product_case p = {300, 300, 300, ROWS, ROWS, false, true};
    const int before = openblas_get_num_threads();
    for (int keep = 1; keep >= 0; keep--) {
        const pid_t child = fork();
        if (child == 0) {
            setenv("GRADUS_BLAS_THREADS", keep ? "keep" : "", 1);
            check_product(&p);
            _exit(openblas_get_num_threads() == (keep ? before : 1) ? 0 : 1);
        }
        int status = -1;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
    }
}
END_TEST

static void tear_down(void)
{
    gr_parallel_test_grain = 0;
    gr_parallel_shutdown();
    gr_parallel_threads(0);
}

Suite *gemm_suite(void)
{
    const int shapes = (int)(sizeof sides / sizeof *sides);
    Suite *suite = suite_create("gemm");
    TCase *group = tcase_create("gemm");
    tcase_add_checked_fixture(group, NULL, tear_down);
    tcase_add_loop_test(group, products_of_all_layouts_agree_with_wider_sums, 0, shapes);
    tcase_add_loop_test(group, large_products_agree_with_wider_sums, 0, 8);
    tcase_add_loop_test(group, products_of_positive_numbers_are_exact_enough, 0, 6);
    tcase_add_test(group, empty_sums_are_zero_and_empty_results_are_left_alone);
    tcase_add_loop_test(group, small_products_add_in_order_with_every_instruction_set, 0, shapes);
    tcase_add_loop_test(group, long_products_of_two_numbers_each_are_in_order_too, 0, 4);
    tcase_add_loop_test(group, bits_do_not_depend_on_the_number_of_threads, 0, 8);
    tcase_add_test(group, blas_is_left_one_thread_unless_told);
    suite_add_tcase(suite, group);
    return suite;
}
