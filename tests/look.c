/* look.c - see look.h. */
#include "tests/look.h"

#include <check.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/half.h"

const gr_dtype dtypes[DTYPES] = {GR_FLOAT32, GR_FLOAT64, GR_BFLOAT16, GR_INT64, GR_INT32, GR_UINT8, GR_BOOL};

const void *elements(const gr_tensor *t)
{
    return gr_data(gr_to((gr_tensor *)t, .device = gr_cpu()));
}

int times(int count)
{
    return gr_default_device().kind == gr_cpu().kind ? count : count / 100;
}

bool on_cpu(const char *why)
{
    const bool yes = gr_default_device().kind == gr_cpu().kind;
    if (!yes) printf("left out on this device: %s\n", why), fflush(stdout);
    return yes;
}

/* With LC_NUMERIC alone; localedef warns of the others, fails for that, and writes it all the same. */
static bool make_comma_locale(void)
{
    char folder[] = "/tmp/gradus-locale-XXXXXX", command[512];
    if (!mkdtemp(folder)) return false;
    snprintf(command, sizeof command,
             "{ printf 'LC_NUMERIC\\ndecimal_point \",\"\\nthousands_sep \"\"\\ngrouping -1\\nEND LC_NUMERIC\\n' >%s/source;"
             " localedef -c -i %s/source %s/comma; } >/dev/null 2>&1",
             folder, folder, folder);
    const int written = system(command);
    (void)written;
    setenv("LOCPATH", folder, 1);
    const bool made = setlocale(LC_ALL, "comma") != NULL;
    unsetenv("LOCPATH");
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 && made;
}

bool use_comma(const char *test)
{
    static const char *const installed[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "ru_RU.UTF-8"};
    for (size_t i = 0; i < sizeof installed / sizeof installed[0]; i++)
        if (setlocale(LC_ALL, installed[i])) return true;
    const bool made = make_comma_locale();
    if (!made) printf("left out: %s: there is no locale with a comma, and localedef makes none\n", test), fflush(stdout);
    return made;
}

bool in_own_process(const char *test)
{
    const char *forks = getenv("CK_FORK");
    const bool no = forks && !strcmp(forks, "no");
    if (no) printf("left out with CK_FORK=no: %s\n", test), fflush(stdout);
    return !no;
}

double stored(const void *data, gr_dtype dtype, int64_t i)
{
    switch (dtype) {
    case GR_FLOAT32: return (double)((const float *)data)[i];
    case GR_FLOAT64: return ((const double *)data)[i];
    case GR_BFLOAT16: return half_value(((const uint16_t *)data)[i]);
    case GR_INT64: return (double)((const int64_t *)data)[i];
    case GR_INT32: return ((const int32_t *)data)[i];
    case GR_UINT8: return ((const uint8_t *)data)[i];
    default: return ((const unsigned char *)data)[i]; /* a bool that is neither 0 nor 1 shows */
    }
}

bool same_number(double a, double b)
{
    return isnan(a) || isnan(b) ? isnan(a) && isnan(b) : a == b && !signbit(a) == !signbit(b);
}

static _Atomic int errors_seen;
static void count_error(const char *text, void *data)
{
    (void)text, (void)data;
    errors_seen++;
}

void catch_errors(void)
{
    gr_set_error_handler(count_error, NULL);
    errors_seen = 0;
}

void release_errors(void)
{
    gr_error_clear();
    gr_set_error_handler(NULL, NULL);
    gr_set_default_dtype(GR_FLOAT32);
}

void expect_one_error(const char *part)
{
    ck_assert_msg(gr_error() && strstr(gr_error(), part), "error is %s, must hold %s", gr_error() ? gr_error() : "none", part);
    ck_assert_int_eq(errors_seen, 1);
    errors_seen = 0;
    gr_error_clear();
}

const char *printed_by(void (*f)(void), FILE *stream)
{
    static char text[PRINTED + 1];
    const int descriptor = fileno(stream);
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    fflush(stream);
    const int terminal = dup(descriptor);
    dup2(fileno(file), descriptor);
    f();
    fflush(stream);
    dup2(terminal, descriptor);
    close(terminal);
    rewind(file);
    text[fread(text, 1, PRINTED, file)] = '\0';
    fclose(file);
    return text;
}
