/* show.c - the tape as a table, and as a graph for Graphviz. */
#include "autograd/show.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "autograd/elementwise.h"
#include "autograd/watch.h"
#include "core/decimal.h"
#include "core/print.h"

enum { CELL = 1024, SHOWN = 8 /* inputs or results in a cell */, PADDED = 64 /* cells up to this width are aligned */ };

/* Where the text goes: to a stream, else to memory, as snprintf does. */
typedef struct {
    FILE *stream;
    char *text;
    size_t room, used;
} sink;

static void put_char(sink *s, char c)
{
    if (s->stream)
        putc(c, s->stream);
    else if (s->used < s->room)
        s->text[s->used] = c;
    s->used++;
}

static void put(sink *s, const char *text)
{
    while (*text) put_char(s, *text++);
}

/* ---- cells ---- */

static __attribute__((format(printf, 2, 3))) void add(char cell[CELL], const char *format, ...)
{
    const size_t used = strlen(cell);
    va_list args;
    va_start(args, format);
    vsnprintf(cell + used, CELL - used, format, args);
    va_end(args);
}

static void add_tensor(char cell[CELL], const gr_tensor *x)
{
    char shape[GR_SHAPE_TEXT];
    if ((gr_dtype)x->dtype != gr_default_dtype()) add(cell, "%s ", gr_dtype_name[x->dtype]);
    add(cell, "%s", gr_shape_text(x, shape));
}

static void add_number(char cell[CELL], gr_value v)
{
    char text[32];
    if (v.kind == GR_VALUE_REAL)
        add(cell, "%s", gr_repr(v.real, text));
    else if (v.kind == GR_VALUE_INTEGER)
        add(cell, "%" PRId64, v.integer);
    else
        add(cell, "%s", v.integer ? "true" : "false");
}

static void add_leaf(char cell[CELL], const gr_tensor *x)
{
    add(cell, "leaf ");
    add_tensor(cell, x);
    if (x->state == GR_LIVE && !x->value && x->has_grad) add(cell, " (|grad| = %.4g)", gr_norm(x->grad));
}

static void add_input(char cell[CELL], const gr_call *c, int i)
{
    const gr_slot *slot = &c->slot[i];
    if (gr_is_number(c, i))
        add_number(cell, gr_slot_value(c, i));
    else if (!slot->tensor)
        add(cell, "absent");
    else if (slot->value == GR_LEAF)
        add_leaf(cell, slot->tensor);
    else {
        if (slot->value) add(cell, "#%" PRIu32 " ", slot->value);
        add_tensor(cell, slot->tensor);
    }
}

static void add_result(char cell[CELL], const gr_thread *t, const gr_call *c, int k)
{
    double norm;
    if (k) add(cell, "#%" PRIu32 " ", c->first_value + (uint32_t)k);
    add_tensor(cell, gr_call_output(c, k));
    if (gr_norm_noted(t, c, k, &norm)) add(cell, " (|dy| = %.4g)", norm);
}

static void add_site(char cell[CELL], const gr_call *c)
{
    add(cell, "%s:%" PRId32, gr_file_name(c->file), c->line);
}

/* ---- the tape, the oldest call first ---- */

/* NULL after an error; else the array lies in *memory. */
static gr_call **calls_of(gr_thread *t, size_t *count, gr_storage **memory, gr_site site, const char *op)
{
    *count = 0;
    for (gr_call *c = t->tape.last; c; c = c->previous) ++*count;
    if (!(*memory = gr_storage_take(t, (*count + 1) * sizeof(gr_call *))))
        return gr_fail_memory(site, op, "the list of calls", (*count + 1) * sizeof(gr_call *));
    gr_call **call = (gr_call **)(void *)(*memory)->data;
    size_t i = *count;
    for (gr_call *c = t->tape.last; c; c = c->previous) call[--i] = c;
    return call;
}

/* ---- as a table ---- */

enum { NUMBER, CALL, INPUTS, RESULT, LINE, COLUMNS }; /* and the rule, which is not cut */

static void fill_row(char cell[COLUMNS][CELL], const gr_thread *t, const gr_call *c)
{
    for (int i = 0; i < COLUMNS; i++) cell[i][0] = '\0';
    add(cell[NUMBER], "%" PRIu32, c->first_value);
    add(cell[CALL], "%s", c->op->name);
    for (int i = 0; i < c->inputs && i < SHOWN; i++) {
        if (i) add(cell[INPUTS], ", ");
        add_input(cell[INPUTS], c, i);
    }
    if (c->inputs > SHOWN) add(cell[INPUTS], ", and %d more", c->inputs - SHOWN);
    for (int k = 0; k < c->outputs; k++) {
        if (k) add(cell[RESULT], ", ");
        add_result(cell[RESULT], t, c, k);
    }
    add_site(cell[LINE], c);
}

/* A line must stay one. */
static void put_plain(sink *s, const char *text)
{
    for (; *text; text++) put_char(s, (unsigned char)*text < ' ' || *text == 127 ? '?' : *text);
}

static void put_row(sink *s, const char *const cell[COLUMNS], const char *rule, const size_t width[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++) {
        const size_t length = strlen(cell[i]);
        put_plain(s, cell[i]);
        if (i + 1 == COLUMNS && !rule) break;
        for (size_t gap = length < width[i] ? width[i] - length + 2 : 2; gap > 0; gap--) put_char(s, ' ');
    }
    if (rule) put_plain(s, rule);
    put_char(s, '\n');
}

static bool put_table(sink *s, gr_site site, const char *op)
{
    gr_thread *t = gr_self();
    size_t count, width[COLUMNS];
    gr_storage *memory;
    gr_call **call = calls_of(t, &count, &memory, site, op);
    if (!call) return false;
    const gr_plain_numbers numbers = gr_plain_numbers_begin();
    static const char *const head[COLUMNS] = {"#", "call", "inputs", "result", "line"};
    char cell[COLUMNS][CELL];
    const char *const row[COLUMNS] = {cell[0], cell[1], cell[2], cell[3], cell[4]};
    for (int i = 0; i < COLUMNS; i++) width[i] = strlen(head[i]);
    for (size_t k = 0; k < count; k++) {
        fill_row(cell, t, call[k]);
        for (int i = 0; i < COLUMNS; i++) {
            const size_t length = strlen(cell[i]);
            if (length > width[i]) width[i] = length < PADDED ? length : PADDED;
        }
    }
    if (count)
        put_row(s, head, "rule", width);
    else
        put_plain(s, "the tape is empty"), put_char(s, '\n');
    for (size_t k = 0; k < count; k++) {
        fill_row(cell, t, call[k]);
        put_row(s, row, gr_rule_text(call[k]->op), width);
    }
    gr_plain_numbers_end(numbers);
    gr_storage_drop(t, memory);
    return true;
}

bool gr_print_tape_at(gr_site site)
{
    sink s = {.stream = stdout};
    return put_table(&s, site, "print_tape") && gr_stdout_works(site, "print_tape");
}

static int too_long(size_t bytes, gr_site site)
{
    gr_fail(GR_ERROR_STATE, site, "tape_text", "the text has %zu bytes; must have fewer than 2^31: gr_print_tape", bytes);
    return -1;
}

int gr_tape_text_at(char *text, size_t bytes, gr_site site)
{
    sink s = {.text = text, .room = bytes};
    if (!text && bytes > 0) {
        gr_fail(GR_ERROR_ARGUMENT, site, "tape_text", "text is NULL, bytes is %zu; must have room for them", bytes);
        return -1;
    }
    if (!put_table(&s, site, "tape_text")) return -1;
    if (bytes > 0) text[s.used < bytes ? s.used : bytes - 1] = '\0';
    return s.used <= INT_MAX ? (int)s.used : too_long(s.used, site);
}

/* ---- as a graph ---- */

/* Inside a quoted string of the dot language, where a backslash begins an escape. */
static void put_quoted(sink *s, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') put_char(s, '\\');
        put_char(s, (unsigned char)*text < ' ' || *text == 127 ? '?' : *text);
    }
}

static __attribute__((format(printf, 2, 3))) void put_format(sink *s, const char *format, ...)
{
    char text[128]; /* numbers and shapes of nodes */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put(s, text);
}

static void put_call(sink *s, const gr_thread *t, const gr_call *c)
{
    char cell[COLUMNS][CELL];
    fill_row(cell, t, c);
    put_format(s, "    v%" PRIu32 " [shape=box, label=\"", c->first_value);
    put_quoted(s, cell[NUMBER]);
    put(s, "  ");
    const char *const line[] = {cell[CALL], cell[RESULT], cell[LINE], gr_rule_text(c->op)};
    for (int i = 0; i < 4 && line[i]; i++) {
        if (i) put(s, "\\n");
        put_quoted(s, line[i]);
    }
    put(s, "\"];\n");
    for (uint32_t k = 1; k < c->outputs; k++) /* other results stand beside the box */
        put_format(s, "    v%" PRIu32 " [shape=point];\n    v%" PRIu32 " -> v%" PRIu32 ";\n", c->first_value + k,
                   c->first_value, c->first_value + k);
}

/* What comes from a call is its node; other tensors have one by their address, numbers one each. */
static void put_input(sink *s, const gr_call *c, int i)
{
    char name[64], cell[CELL] = "";
    const gr_slot *slot = &c->slot[i];
    if (!slot->tensor && !gr_is_number(c, i)) return;
    if (gr_is_number(c, i))
        snprintf(name, sizeof name, "n%" PRIu32 "_%d", c->first_value, i);
    else if (slot->value && slot->value != GR_LEAF)
        snprintf(name, sizeof name, "v%" PRIu32, slot->value);
    else
        snprintf(name, sizeof name, "t%" PRIxPTR, (uintptr_t)slot->tensor);
    if (name[0] != 'v') {
        add_input(cell, c, i);
        put_format(s, "    %s [shape=%s, label=\"", name, slot->value == GR_LEAF && name[0] == 't' ? "ellipse" : "plaintext");
        put_quoted(s, cell);
        put(s, "\"];\n");
    }
    put_format(s, "    %s -> v%" PRIu32 " [label=\"", name, c->first_value);
    put_quoted(s, gr_input_name(c->op, c->inputs, i));
    put(s, "\"];\n");
}

static void put_graph(sink *s, const gr_thread *t, gr_call **call, size_t count)
{
    const gr_plain_numbers numbers = gr_plain_numbers_begin();
    put(s, "digraph tape {\n    node [fontname=\"monospace\"];\n");
    for (size_t k = 0; k < count; k++) {
        put_call(s, t, call[k]);
        for (int i = 0; i < call[k]->inputs; i++) put_input(s, call[k], i);
    }
    put(s, "}\n");
    gr_plain_numbers_end(numbers);
}

static bool refuse_path(const char *path, int error, gr_site site)
{
    char shown[GR_SHOWN_TEXT], reason[80] = "cannot be written";
    strerror_r(error, reason, sizeof reason);
    gr_fail(GR_ERROR_FILE, site, "tape_dot", "path is \"%s\": %s; must be a file that can be written",
            gr_path_text(path, shown), reason);
    return false;
}

bool gr_tape_dot_at(const char *path, gr_site site)
{
    if (!path) {
        gr_fail(GR_ERROR_ARGUMENT, site, "tape_dot", "path is NULL; must name a file");
        return false;
    }
    gr_thread *t = gr_self();
    size_t count;
    gr_storage *memory;
    gr_call **call = calls_of(t, &count, &memory, site, "tape_dot");
    if (!call) return false;
    sink s = {.stream = fopen(path, "w")};
    int error = s.stream ? 0 : errno;
    if (s.stream) {
        put_graph(&s, t, call, count);
        const bool broken = ferror(s.stream);
        if (fclose(s.stream) != 0 || broken) error = errno ? errno : EIO;
    }
    gr_storage_drop(t, memory);
    return !error || refuse_path(path, error, site);
}
