/* rows.c - see rows.h. */
#include "tests/rows.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[GR_DTYPES] = {
    [GR_FLOAT32] = "float32", [GR_FLOAT64] = "float64", [GR_BFLOAT16] = "bfloat16", [GR_INT64] = "int64",
    [GR_INT32] = "int32",     [GR_UINT8] = "uint8",     [GR_BOOL] = "bool",
};

gr_dtype dtype_named(const char *text, size_t length)
{
    for (int d = 0; d < GR_DTYPES; d++)
        if (strlen(names[d]) == length && !strncmp(names[d], text, length)) return (gr_dtype)d;
    ck_abort_msg("unknown dtype: %s", text);
}

const char *name_of_dtype(gr_dtype dtype)
{
    return names[dtype];
}

static double read_value(char **p)
{
    if (**p != 't' && **p != 'f') return strtod(*p, p);
    const bool yes = **p == 't';
    *p += strlen(yes ? "true" : "false");
    return yes;
}

row_array read_array(const char *s)
{
    char *p = strchr(s, '(');
    ck_assert_msg(p != NULL, "the shape is missing: %s", s);
    row_array a = {.dtype = dtype_named(s, (size_t)(p - s))};
    for (p++; *p != ')'; p += *p == ',') {
        ck_assert_int_lt(a.shape.count, GR_MAX_DIMS);
        a.shape.size[a.shape.count++] = strtoll(p, &p, 10);
    }
    ck_assert_msg(p[1] == ':', "a colon is missing: %s", s);
    for (p += 2; *p && *p != ' ' && *p != '\n'; p += *p == ',') {
        ck_assert_int_lt(a.count, ROW_VALUES);
        a.value[a.count++] = read_value(&p);
    }
    return a;
}

const char *next_array(const char *s)
{
    s = strstr(s, " ; ");
    return s ? s + 3 : NULL;
}

gr_tensor *tensor_of(const row_array *a)
{
    gr_tensor *flat = gr_from_at(a->value, GR_FLOAT64, (gr_shape){1, {a->count}}, GR_HERE);
    return gr_to(gr_reshape_at(flat, a->shape, GR_HERE), .dtype = a->dtype);
}
