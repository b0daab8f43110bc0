/* golden.c - reads the arrays of tests/golden. */
#include "tests/golden.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DIMS = 8 };
#define MOST_VALUES INT64_C(100000000)

static bool refuse(const char *path, const char *name, const char *reason)
{
    fprintf(stderr, "%s: %s: %s\n", path, name, reason);
    return false;
}

/* ---- header: name dtype dims ---- */

/* Goes past blanks and comment lines; false at the end of the file. */
static bool more(FILE *stream)
{
    int c;
    while ((c = fgetc(stream)) != EOF) {
        if (c == '#')
            while (c != '\n' && c != EOF) c = fgetc(stream);
        else if (!isspace(c)) {
            ungetc(c, stream);
            return true;
        }
    }
    return false;
}

static bool read_type(golden_array *a, const char *dtype)
{
    static const char *const names[] = {"float32", "float64", "int64", "text"};
    for (int i = 0; i < 4; i++)
        if (!strcmp(dtype, names[i])) {
            a->type = (golden_type)i;
            return true;
        }
    return false;
}

/* "scalar", "5", "2x3" */
static bool read_dims(golden_array *a, const char *text)
{
    a->dims = 0;
    a->count = 1;
    if (!strcmp(text, "scalar")) return true;
    for (;; text++) {
        char *end;
        const long long size = strtoll(text, &end, 10);
        if (end == text || size < 0 || size > MOST_VALUES || a->dims == MOST_DIMS) return false;
        a->size[a->dims++] = size;
        a->count *= size;
        if (a->count > MOST_VALUES) return false;
        text = end;
        if (*text != 'x') return *text == '\0';
    }
}

/* ---- values ---- */

static bool allocate(golden_array *a)
{
    const size_t count = a->count ? (size_t)a->count : 1;
    if (a->type == GOLDEN_TEXT) return (a->text = calloc(count, sizeof *a->text)) != NULL;
    if (a->type == GOLDEN_INT64) return (a->integer = calloc(count, sizeof *a->integer)) != NULL;
    return (a->real = calloc(count, sizeof *a->real)) != NULL;
}

/* The token must be used up. strtof, so that a float32 is not rounded twice. */
static bool read_value(golden_array *a, int64_t i, const char *token)
{
    char *end;
    switch (a->type) {
    case GOLDEN_TEXT: return (a->text[i] = strdup(token)) != NULL;
    case GOLDEN_INT64: a->integer[i] = strtoll(token, &end, 10); break;
    case GOLDEN_FLOAT32: a->real[i] = (double)strtof(token, &end); break;
    default: a->real[i] = strtod(token, &end);
    }
    return end != token && *end == '\0';
}

static bool read_array(FILE *stream, const char *path, golden_array *a)
{
    char dtype[16], dims[32], token[64];
    if (fscanf(stream, "%127s %15s %31s", a->name, dtype, dims) != 3)
        return refuse(path, a->name, "the header is cut short");
    if (!read_type(a, dtype)) return refuse(path, a->name, "unknown dtype");
    if (!read_dims(a, dims)) return refuse(path, a->name, "dims must be like 2x3, or scalar");
    if (!allocate(a)) return refuse(path, a->name, "no memory");
    for (int64_t i = 0; i < a->count; i++) {
        if (fscanf(stream, "%63s", token) != 1) return refuse(path, a->name, "values are missing");
        if (!read_value(a, i, token)) return refuse(path, a->name, token);
    }
    return true;
}

/* ---- files ---- */

static golden_array *find(const golden_file *file, const char *name)
{
    for (int64_t i = 0; i < file->count; i++)
        if (!strcmp(file->array[i].name, name)) return &file->array[i];
    return NULL;
}

/* A half-read array is kept too, for golden_close to free. */
static bool read_file(FILE *stream, const char *path, golden_file *file)
{
    while (more(stream)) {
        golden_array a = {.name = ""}, *grown;
        const bool good = read_array(stream, path, &a);
        const bool twice = good && find(file, a.name);
        grown = realloc(file->array, (size_t)(file->count + 1) * sizeof a);
        if (!grown) return refuse(path, a.name, "no memory");
        file->array = grown;
        file->array[file->count++] = a;
        if (twice) return refuse(path, a.name, "stands twice");
        if (!good) return false;
    }
    return file->count > 0 || refuse(path, "", "holds no array");
}

golden_file *golden_open(const char *path)
{
    FILE *stream = fopen(path, "r");
    if (!stream) {
        fprintf(stderr, "%s cannot be read (run the tests in the root of the tree)\n", path);
        return NULL;
    }
    golden_file *file = calloc(1, sizeof *file);
    if (file && !read_file(stream, path, file)) {
        golden_close(file);
        file = NULL;
    }
    fclose(stream);
    return file;
}

void golden_close(golden_file *file)
{
    if (!file) return;
    for (int64_t i = 0; i < file->count; i++) {
        golden_array *a = &file->array[i];
        for (int64_t k = 0; a->text && k < a->count; k++) free(a->text[k]);
        free(a->text);
        free(a->integer);
        free(a->real);
    }
    free(file->array);
    free(file);
}

const golden_array *golden_take(golden_file *file, const char *name)
{
    golden_array *a = find(file, name);
    if (a) a->consumed = true;
    return a;
}

int64_t golden_later(golden_file *file, const char *prefix, const char *reason)
{
    int64_t count = 0;
    for (int64_t i = 0; i < file->count; i++) {
        golden_array *a = &file->array[i];
        if (strncmp(a->name, prefix, strlen(prefix)) != 0 || a->consumed) continue;
        a->consumed = true;
        a->later = reason;
        count++;
    }
    return count;
}

int64_t golden_unconsumed(const golden_file *file, const char **first)
{
    int64_t count = 0;
    if (first) *first = NULL;
    for (int64_t i = file->count - 1; i >= 0; i--) {
        if (file->array[i].consumed) continue;
        if (first) *first = file->array[i].name;
        count++;
    }
    return count;
}
