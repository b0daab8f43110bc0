/* test_print.c - printed tensors against PyTorch's text (golden/print.txt, whose head describes
 * it). */
#include <check.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gradus.h"
#include "tests/golden.h"
#include "tests/look.h"
#include "tests/rows.h"
#include "tests/suites.h"

enum { ELEMENTS = 4096, TEXT = 1 << 16, TOKEN = 32 };

typedef struct {
    gr_dtype dtype;
    gr_shape shape;
    char dtype_name[TOKEN], sizes[TOKEN], view[TOKEN];
    int64_t count;
    union {
        float f[ELEMENTS];
        double d[ELEMENTS];
        uint16_t half[ELEMENTS];
        int64_t i64[ELEMENTS];
        int32_t i32[ELEMENTS];
        uint8_t u8[ELEMENTS];
        bool b[ELEMENTS];
    } element;
    char expected[TEXT];
} golden_case;

/* ---- reading the file ---- */

/* A bfloat16: the numbers of the file are exactly that. */
static uint16_t upper_half(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    ck_assert(isnan(x) || (bits & 0xffff) == 0);
    return (uint16_t)(bits >> 16);
}

static void set_element(golden_case *c, int64_t i, const char *token)
{
    switch (c->dtype) {
    case GR_FLOAT32: c->element.f[i] = strtof(token, NULL); break;
    case GR_FLOAT64: c->element.d[i] = strtod(token, NULL); break;
    case GR_BFLOAT16: c->element.half[i] = upper_half(strtof(token, NULL)); break;
    case GR_INT64: c->element.i64[i] = strtoll(token, NULL, 10); break;
    case GR_INT32: c->element.i32[i] = (int32_t)strtol(token, NULL, 10); break;
    case GR_UINT8: c->element.u8[i] = (uint8_t)strtol(token, NULL, 10); break;
    default: c->element.b[i] = strtol(token, NULL, 10) != 0;
    }
}

static void set_ramp(golden_case *c, double start, double step)
{
    for (int64_t i = 0; i < c->count; i++) {
        const double value = start + (double)i * step;
        switch (c->dtype) {
        case GR_FLOAT32: c->element.f[i] = (float)value; break;
        case GR_FLOAT64: c->element.d[i] = value; break;
        case GR_BFLOAT16: c->element.half[i] = upper_half((float)value); break;
        case GR_INT64: c->element.i64[i] = (int64_t)value; break;
        case GR_INT32: c->element.i32[i] = (int32_t)value; break;
        case GR_UINT8: c->element.u8[i] = (uint8_t)value; break;
        default: c->element.b[i] = value != 0;
        }
    }
}

static void read_elements(FILE *file, golden_case *c)
{
    char token[TOKEN], start[TOKEN], step[TOKEN];
    for (int64_t i = 0; i < c->count; i++) {
        ck_assert_int_eq(fscanf(file, "%31s", token), 1);
        if (!strcmp(token, "ramp")) {
            ck_assert_int_eq(fscanf(file, "%31s %31s", start, step), 2);
            set_ramp(c, strtod(start, NULL), strtod(step, NULL));
            return;
        }
        set_element(c, i, token);
    }
    if (c->count == 0 && fscanf(file, " ramp %31s %31s", start, step) == EOF)
        ck_abort_msg("print.txt ends early");
}

static void read_sizes(golden_case *c)
{
    c->shape = GR_SHAPE();
    c->count = 1;
    const char *at = c->sizes;
    while (*at >= '0' && *at <= '9') {
        char *end;
        const int64_t size = strtoll(at, &end, 10);
        ck_assert_int_lt(c->shape.count, GR_MAX_DIMS);
        c->shape.size[c->shape.count++] = size;
        c->count *= size;
        at = *end == 'x' ? end + 1 : end;
    }
    ck_assert_int_le(c->count, ELEMENTS);
}

static bool read_case(FILE *file, golden_case *c)
{
    int lines;
    if (fscanf(file, " case %31s %31s %31s", c->dtype_name, c->sizes, c->view) != 3) return false;
    c->dtype = dtype_named(c->dtype_name, strlen(c->dtype_name));
    read_sizes(c);
    read_elements(file, c);
    ck_assert_int_eq(fscanf(file, " text %d", &lines), 1);
    ck_assert_int_eq(fgetc(file), '\n');
    size_t used = 0;
    for (int i = 0; i < lines; i++) {
        ck_assert_ptr_nonnull(fgets(c->expected + used, (int)(TEXT - used), file));
        used += strlen(c->expected + used);
    }
    ck_assert(used > 0 && c->expected[used - 1] == '\n');
    c->expected[used - 1] = '\0';
    return true;
}

static FILE *open_golden(void)
{
    FILE *file = golden_stream("print.txt");
    int c;
    while ((c = fgetc(file)) == '#')
        while ((c = fgetc(file)) != '\n' && c != EOF) continue;
    ungetc(c, file);
    return file;
}

/* ---- the cases ---- */

static gr_tensor *make(const golden_case *c)
{
    gr_tensor *x = gr_from_at(&c->element, c->dtype, c->shape, GR_HERE);
    if (!strcmp(c->view, "transposed")) return gr_transpose(x, 0, 1);
    if (!strcmp(c->view, "plain")) return x;
    gr_requires_grad_(x, true);
    return !strcmp(c->view, "mul") ? gr_mul(x, 1) : x;
}

START_TEST(text_is_that_of_pytorch)
{
    if (!on_cpu("text_is_that_of_pytorch: the text tells the device")) return;
    static golden_case c;
    static char text[TEXT];
    FILE *file = open_golden();
    int cases = 0;
    while (read_case(file, &c)) {
        gr_scope scope = gr_scope_begin();
        const int length = gr_tensor_text(make(&c), text, sizeof text);
        ck_assert_msg(!strcmp(text, c.expected), "case %d, %s %s %s\n%s\nmust be\n%s", cases,
                      c.dtype_name, c.sizes, c.view, text, c.expected);
        ck_assert_int_eq(length, (int)strlen(text));
        gr_scope_end(scope);
        cases++;
    }
    ck_assert(feof(file));
    fclose(file);
    ck_assert_int_ge(cases, 340);
    ck_assert_ptr_null(gr_error());
}
END_TEST

START_TEST(text_that_does_not_fit_is_cut_and_its_length_returned)
{
    if (!on_cpu("text_that_does_not_fit_is_cut_and_its_length_returned: the text tells the device")) return;
    char text[64];
    gr_tensor *x = gr_from(((float[]){1, 2, 3}), 3);
    const char *whole = "tensor([1., 2., 3.])";
    for (size_t room = 1; room < 40; room++) {
        memset(text, '#', sizeof text);
        ck_assert_int_eq(gr_tensor_text(x, text, room), (int)strlen(whole));
        const size_t kept = room > strlen(whole) ? strlen(whole) : room - 1;
        ck_assert_int_eq(strncmp(text, whole, kept), 0);
        ck_assert_int_eq(text[kept], '\0');
        for (size_t i = kept + 1; i < sizeof text; i++) ck_assert_int_eq(text[i], '#');
    }
    ck_assert_int_eq(gr_tensor_text(x, NULL, 0), (int)strlen(whole));
}
END_TEST

START_TEST(text_has_decimal_points_in_every_locale)
{
    if (!on_cpu("text_has_decimal_points_in_every_locale: the text tells the device")) return;
    if (!use_comma("text_has_decimal_points_in_every_locale")) return;
    char text[64];
    gr_tensor *x = gr_from(((double[]){0.5, 1e-9}), 2);
    gr_tensor_text(x, text, sizeof text);
    ck_assert_str_eq(text, "tensor([5.0000e-01, 1.0000e-09], dtype=torch.float64)");
    snprintf(text, sizeof text, "%.1f", 0.5);
    ck_assert_str_eq(text, "0,5"); /* the program's own locale is untouched */
    setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(default_dtype_goes_without_saying)
{
    if (!on_cpu("default_dtype_goes_without_saying: the text tells the device")) return;
    char text[64];
    gr_tensor *narrow = gr_from(((float[]){1}), 1), *wide = gr_from(((double[]){1}), 1);
    gr_set_default_dtype(GR_FLOAT64);
    gr_tensor_text(wide, text, sizeof text);
    ck_assert_str_eq(text, "tensor([1.])");
    gr_tensor_text(narrow, text, sizeof text);
    ck_assert_str_eq(text, "tensor([1.], dtype=torch.float32)");
    gr_set_default_dtype(GR_FLOAT32);
}
END_TEST

static bool printed;
static void print_integers(void)
{
    printed = gr_print(gr_from(((int64_t[]){1, -2}), 2));
}

START_TEST(print_writes_the_text_and_a_newline_to_stdout)
{
    if (!on_cpu("print_writes_the_text_and_a_newline_to_stdout: the text tells the device")) return;
    ck_assert_str_eq(printed_by(print_integers, stdout), "tensor([ 1, -2])\n");
    ck_assert(printed);
}
END_TEST

/* Whether print fails, once, when stdout is full. */
static bool fails_when_full(bool (*print)(void))
{
    fflush(stdout);
    const int terminal = dup(STDOUT_FILENO), full = open("/dev/full", O_WRONLY);
    dup2(full, STDOUT_FILENO);
    bool ok = true;
    for (int i = 0; i < 10000 && ok; i++) ok = print(); /* until the buffer is full too */
    fflush(stdout);
    dup2(terminal, STDOUT_FILENO);
    close(terminal);
    close(full);
    clearerr(stdout);
    return !ok;
}

static bool print_tensor(void)
{
    return gr_print(gr_ones(30));
}

static bool print_module(void)
{
    return gr_print(gr_nn_sequential(gr_nn_relu(), gr_nn_tanh()));
}

static bool print_tape(void)
{
    return gr_print_tape();
}

START_TEST(a_stdout_that_takes_no_more_is_an_error)
{
    catch_errors();
    ck_assert(fails_when_full(print_tensor));
    ck_assert_msg(strstr(gr_error(), ": print: stdout is closed, full or broken; must be writable"), "%s", gr_error());
    ck_assert_int_eq(gr_error_kind(), GR_ERROR_FILE);
    gr_error_clear();
    ck_assert(fails_when_full(print_module));
    ck_assert_msg(strstr(gr_error(), ": print: stdout is closed, full or broken; must be writable"), "%s", gr_error());
    gr_error_clear();
    gr_exp(gr_requires_grad_(gr_ones(1), true));
    ck_assert(fails_when_full(print_tape));
    ck_assert_msg(strstr(gr_error(), ": print_tape: stdout is closed, full or broken; must be writable"), "%s", gr_error());
    gr_error_clear();
    ck_assert(print_tensor());
}
END_TEST

START_TEST(what_is_no_tensor_is_refused)
{
    char text[8] = "before";
    catch_errors();
    ck_assert(!gr_print((gr_tensor *)NULL));
    ck_assert_ptr_nonnull(
        strstr(gr_error(), ": print: t is NULL and no earlier call failed; must be a tensor"));
    gr_error_clear();
    ck_assert_int_eq(gr_tensor_text(gr_absent, text, sizeof text), -1);
    ck_assert_ptr_nonnull(strstr(gr_error(), ": tensor_text: t is GR_ABSENT; must be a tensor"));
    ck_assert_str_eq(text, "before");
    gr_error_clear();
    ck_assert_int_eq(gr_tensor_text(gr_from(((float[]){1}), 1), NULL, 5), -1);
    ck_assert_ptr_nonnull(
        strstr(gr_error(), ": tensor_text: text is NULL, bytes is 5; must have room for them"));
    gr_error_clear();
}
END_TEST

Suite *print_suite(void)
{
    Suite *suite = suite_create("print");
    TCase *tests = tcase_create("tensors");
    tcase_add_test(tests, text_is_that_of_pytorch);
    tcase_add_test(tests, text_that_does_not_fit_is_cut_and_its_length_returned);
    tcase_add_test(tests, text_has_decimal_points_in_every_locale);
    tcase_add_test(tests, default_dtype_goes_without_saying);
    tcase_add_test(tests, print_writes_the_text_and_a_newline_to_stdout);
    tcase_add_test(tests, a_stdout_that_takes_no_more_is_an_error);
    tcase_add_test(tests, what_is_no_tensor_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
