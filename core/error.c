/* error.c - the first error of each thread, its text, and who hears of it. */
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/internal.h"

const char *const gr_dtype_name[GR_DTYPES] = {"float32", "float64", "bfloat16", "int64", "int32", "uint8", "bool"};

const char *gr_dtype_text(gr_dtype dtype)
{
    return dtype >= 0 && dtype < GR_DTYPES ? gr_dtype_name[dtype] : "unknown";
}

static void print_error(const char *text, void *data)
{
    (void)data;
    fprintf(stderr, "%s\n", text);
}

/* One of the process. A handler and its data belong together. */
typedef struct {
    gr_error_handler *call;
    void *data;
} listener;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static listener current = {print_error, NULL};

void gr_set_error_handler(gr_error_handler *handler, void *data)
{
    pthread_mutex_lock(&lock);
    current = (listener){handler ? handler : print_error, data};
    pthread_mutex_unlock(&lock);
}

static void tell(const char *text)
{
    pthread_mutex_lock(&lock);
    const listener now = current;
    pthread_mutex_unlock(&lock);
    now.call(text, now.data);
}

const char *gr_error(void)
{
    const gr_thread *t = gr_self();
    return t->failed ? t->error_text : NULL;
}

gr_error_code gr_error_kind(void)
{
    const gr_thread *t = gr_self();
    return t->failed ? t->error_kind : GR_OK;
}

void gr_error_clear(void)
{
    gr_self()->failed = false;
}

const char *gr_file_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path ? path : "?";
}

void *gr_fail(gr_error_code kind, gr_site site, const char *op, const char *text, ...)
{
    gr_thread *t = gr_self();
    if (t->failed) return NULL;
    if (!site.file) gr_running(t, &site, &op);
    if (t->whole) op = t->whole;
    const size_t room = sizeof t->error_text;
    size_t used = (size_t)snprintf(t->error_text, room, "%s:%d: %s: ", gr_file_name(site.file), site.line, op);
    if (used > room) used = room;
    va_list args;
    va_start(args, text);
    vsnprintf(t->error_text + used, room - used, text, args);
    va_end(args);
    t->error_kind = kind;
    t->failed = true;
    tell(t->error_text);
    const char *stop = getenv("GRADUS_ABORT");
    if (stop && !strcmp(stop, "1")) __builtin_trap();
    return NULL;
}

void *gr_fail_memory(gr_site site, const char *op, const char *purpose, size_t bytes)
{
    return gr_fail(GR_ERROR_MEMORY, site, op, "no memory for %s (%zu bytes); must be free", purpose, bytes);
}

/* An empty one has a block too. */
void *gr_fail_result(gr_site site, const char *op, const gr_tensor *y)
{
    char shape[GR_SHAPE_TEXT];
    const size_t bytes = (size_t)y->numel * gr_dtype_size[y->dtype];
    return gr_fail(GR_ERROR_MEMORY, site, op, "no memory for the result %s %s (%zu bytes); must be free",
                   gr_shape_text(y, shape), gr_dtype_name[y->dtype], bytes ? bytes : gr_class_bytes(0));
}

static void fail_dead(gr_site site, const char *op, const char *name, const char *end, gr_site died, bool could_be_kept)
{
    if (died.line)
        gr_fail(GR_ERROR_STATE, site, op, "%s is dead: %s (%s:%d); must be alive%s", name, end, gr_file_name(died.file), died.line,
                could_be_kept ? ": gr_keep it first" : "");
    else
        gr_fail(GR_ERROR_STATE, site, op, "%s is dead: its owner is gone; must be alive", name);
}

static const char scope_ended[] = "the scope that owned it has ended", was_freed[] = "it was freed";

bool gr_refuse_tensor(const gr_tensor *t, gr_site site, const char *op, const char *name)
{
    if (!t)
        gr_fail(GR_ERROR_ARGUMENT, site, op, "%s is NULL and no earlier call failed; must be a tensor", name);
    else if (t == gr_absent)
        gr_fail(GR_ERROR_ARGUMENT, site, op, "%s is GR_ABSENT; must be a tensor", name);
    else
        fail_dead(site, op, name, t->flags & GR_FREED ? was_freed : t->flags & GR_RELEASED ? "it was released" : scope_ended,
                  (gr_site){t->died_file, t->died_line}, !(t->flags & (GR_FREED | GR_RELEASED)));
    return false;
}

bool gr_refuse_object(const gr_object *o, gr_site site, const char *op, const char *name, const char *kind)
{
    if (!o)
        gr_fail(GR_ERROR_ARGUMENT, site, op, "%s is NULL and no earlier call failed; must be %s", name, kind);
    else
        fail_dead(site, op, name, o->freed ? was_freed : scope_ended, o->died, !o->freed);
    return false;
}

/* "[2, 3]"; what finds no room is left out: "[4294967296, ...]". */
static char *shape_text(int dim, const int64_t *size, char text[GR_SHAPE_TEXT])
{
    static const char dots[] = ", ...]";
    bool cut = false;
    size_t used = 1;
    text[0] = '[';
    for (int d = 0; d < dim && !cut; d++) {
        const size_t room = GR_SHAPE_TEXT - sizeof dots - used;
        const size_t length = (size_t)snprintf(text + used, room, d ? ", %" PRId64 : "%" PRId64, size[d]);
        cut = length >= room;
        if (!cut) used += length;
    }
    memcpy(text + used, cut ? dots : "]", cut ? sizeof dots : 2);
    return text;
}

char *gr_shape_text(const gr_tensor *t, char text[GR_SHAPE_TEXT])
{
    int64_t size[GR_MAX_DIMS];
    for (int d = 0; d < t->dim; d++) size[d] = t->axis[d].size;
    return shape_text(t->dim, size, text);
}

char *gr_sizes_text(const gr_shape *s, char text[GR_SHAPE_TEXT])
{
    const bool fits = s->count >= 0 && s->count <= GR_MAX_DIMS;
    return fits ? shape_text(s->count, s->size, text) : strcpy(text, "of more than 8 dimensions");
}

/* Dots stand for what is cut off its end. */
char *gr_escape(const char *s, size_t length, char text[GR_SHOWN_TEXT])
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)s[i];
        char piece[5] = {(char)c};
        if (c == '"' || c == '\\')
            snprintf(piece, sizeof piece, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t')
            snprintf(piece, sizeof piece, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (c < 0x20 || c > 0x7e)
            snprintf(piece, sizeof piece, "\\x%02x", c);
        const size_t more = strlen(piece);
        if (used + more > GR_SHOWN) {
            memcpy(text + used, "...", 4);
            return text;
        }
        memcpy(text + used, piece, more);
        used += more;
    }
    text[used] = '\0';
    return text;
}

/* A path's end tells more than its beginning. */
char *gr_path_text(const char *path, char text[GR_SHOWN_TEXT])
{
    const size_t length = strlen(path), room = GR_SHOWN - 3;
    if (length <= GR_SHOWN) return gr_escape(path, length, text);
    char end[GR_SHOWN_TEXT];
    snprintf(text, GR_SHOWN_TEXT, "...%.*s", GR_SHOWN, gr_escape(path + length - room, room, end));
    return text;
}
