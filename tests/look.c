/* look.c - see look.h. */
#include "tests/look.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

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

static int errors_seen;
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
