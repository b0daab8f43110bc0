/* golden.c - see golden.h. */
#include "tests/golden.h"

#include <check.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DIMS = 8 };
#define MOST_VALUES INT64_C(100000000)

static char path[256]; /* of the file that is read */

static void expect(bool good, const char *name, const char *reason)
{
    ck_assert_msg(good, "%s: %s: %s", path, name, reason);
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

static golden_array read_array(FILE *stream)
{
    golden_array a = {.name = ""};
    char dtype[16], dims[32], token[64];
    expect(fscanf(stream, "%127s %15s %31s", a.name, dtype, dims) == 3, a.name, "the header is cut short");
    expect(read_type(&a, dtype), a.name, "unknown dtype");
    expect(read_dims(&a, dims), a.name, "dims must be like 2x3, or scalar");
    expect(allocate(&a), a.name, "no memory");
    for (int64_t i = 0; i < a.count; i++) {
        const bool good = fscanf(stream, "%63s", token) == 1 && read_value(&a, i, token);
        if (!good) expect(false, a.name, "values are missing, or no numbers"); /* expect takes longer than the rest */
    }
    return a;
}

/* ---- files ---- */

static golden_array *find(const golden_file *file, const char *name)
{
    for (int64_t i = 0; i < file->count; i++)
        if (!strcmp(file->array[i].name, name)) return &file->array[i];
    return NULL;
}

FILE *golden_stream(const char *name)
{
    snprintf(path, sizeof path, "tests/golden/%s", name);
    FILE *stream = fopen(path, "r");
    expect(stream != NULL, name, "cannot be read: the tests run in the root of the tree");
    return stream;
}

golden_file *golden_open(const char *name)
{
    FILE *stream = golden_stream(name);
    golden_file *file = calloc(1, sizeof *file);
    expect(file != NULL, name, "no memory");
    while (more(stream)) {
        const golden_array a = read_array(stream);
        expect(!find(file, a.name), a.name, "stands twice");
        file->array = realloc(file->array, (size_t)(file->count + 1) * sizeof a);
        expect(file->array != NULL, a.name, "no memory");
        file->array[file->count++] = a;
    }
    expect(file->count > 0, name, "holds no array");
    fclose(stream);
    return file;
}

void golden_close(golden_file *file)
{
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

void golden_end(golden_file *file)
{
    int64_t left = 0;
    const char *first = NULL;
    for (int64_t i = 0; i < file->count; i++) {
        if (file->array[i].consumed) continue;
        if (left++ == 0) first = file->array[i].name;
    }
    ck_assert_msg(left == 0, "%" PRId64 " arrays are not compared, the first is %s", left, first);
    golden_close(file);
}

bool golden_has(const golden_file *file, const char *name)
{
    return find(file, name) != NULL;
}

const golden_array *golden_take(golden_file *file, const char *name)
{
    golden_array *a = find(file, name);
    ck_assert_msg(a != NULL, "there is no array %s", name);
    a->consumed = true;
    return a;
}

void golden_leave(golden_file *file, const char *prefix)
{
    int64_t count = 0;
    for (int64_t i = 0; i < file->count; i++) {
        golden_array *a = &file->array[i];
        if (strncmp(a->name, prefix, strlen(prefix)) != 0 || a->consumed) continue;
        a->consumed = true;
        count++;
    }
    ck_assert_msg(count > 0, "there is no array whose name begins with %s", prefix);
}

uint32_t golden_crc32(const void *data, int64_t bytes)
{
    static uint32_t table[256];
    const unsigned char *p = data;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++) table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
    }
    uint32_t crc = ~0u;
    for (int64_t i = 0; i < bytes; i++) crc = crc >> 8 ^ table[(crc ^ p[i]) & 255];
    return ~crc;
}
