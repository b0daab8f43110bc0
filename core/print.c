/* print.c - tensors as text, in PyTorch's layout.
 *
 * Elements are looked at twice: to find one style and width for all that are shown, then to write
 * them. Nothing is allocated. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/decimal.h"
#include "core/internal.h"
#include "core/print.h"
#include "core/tensor.h"

enum {
    SUMMARY_ABOVE = 1000, /* elements; then a long axis shows its ends only */
    EDGE = 3,             /* elements at each of them */
    LINE = 80,
    INDENT = 7, /* "tensor(" */
    ELEMENT_TEXT = 48
};

typedef enum { WHOLE, FIXED, SCIENTIFIC } number_style; /* 12.  12.0000  1.2000e+01 */

typedef struct {
    const gr_tensor *t;
    bool summary;
    /* what the shown elements need */
    number_style style;
    int width;
    /* magnitudes of the finite elements that are not 0; largest is 0 when there are none */
    double smallest, largest;
    bool all_whole;
    /* where the text goes: to a stream, else to memory, as snprintf does */
    FILE *stream;
    char *text;
    size_t room, used;
    int column;
    bool failed; /* to read an element */
} printing;

/* ---- elements ---- */

/* NaN where the device does not give it; then the printing has failed, and no more is read. */
static gr_value element_at(printing *p, int64_t offset)
{
    gr_value v = gr_value_real((double)NAN);
    if (!p->failed && !gr_read_element(p->t, offset, &v)) p->failed = true;
    return v;
}

static int element_text(gr_value v, number_style style, char text[ELEMENT_TEXT])
{
    if (v.kind == GR_VALUE_BOOL)
        return snprintf(text, ELEMENT_TEXT, "%s", v.integer ? "True" : "False");
    if (v.kind == GR_VALUE_INTEGER) return snprintf(text, ELEMENT_TEXT, "%" PRId64, v.integer);
    if (isnan(v.real)) return snprintf(text, ELEMENT_TEXT, "nan");
    if (isinf(v.real)) return snprintf(text, ELEMENT_TEXT, v.real > 0 ? "inf" : "-inf");
    if (style == SCIENTIFIC) return snprintf(text, ELEMENT_TEXT, "%.4e", v.real);
    return snprintf(text, ELEMENT_TEXT, style == WHOLE ? "%.0f." : "%.4f", v.real);
}

/* ---- which elements are shown ---- */

static bool is_cut(const printing *p, int axis)
{
    return p->summary && p->t->axis[axis].size > 2 * EDGE;
}

static int64_t shown_count(const printing *p, int axis)
{
    return is_cut(p, axis) ? 2 * EDGE : p->t->axis[axis].size;
}

/* The distance, in elements, from the axis's first element to the i-th that is shown. */
static int64_t shown_offset(const printing *p, int axis, int64_t i)
{
    const gr_axis *a = &p->t->axis[axis];
    return (is_cut(p, axis) && i >= EDGE ? a->size - 2 * EDGE + i : i) * a->stride;
}

static void visit(printing *p, int axis, int64_t offset, void (*see)(printing *, gr_value))
{
    if (axis == p->t->dim) {
        see(p, element_at(p, offset));
        return;
    }
    const int64_t count = shown_count(p, axis);
    for (int64_t i = 0; i < count; i++) visit(p, axis + 1, offset + shown_offset(p, axis, i), see);
}

/* ---- their style and width: zeros, infinities and NaN have no say ---- */

static bool has_no_say(gr_value v)
{
    return v.kind == GR_VALUE_REAL && (v.real == 0 || !isfinite(v.real));
}

static void see_magnitude(printing *p, gr_value v)
{
    if (v.kind != GR_VALUE_REAL || has_no_say(v)) return;
    p->smallest = fmin(p->smallest, fabs(v.real));
    p->largest = fmax(p->largest, fabs(v.real));
    p->all_whole &= v.real == ceil(v.real);
}

static void see_width(printing *p, gr_value v)
{
    char text[ELEMENT_TEXT];
    if (has_no_say(v)) return;
    const int width = element_text(v, p->style, text);
    if (width > p->width) p->width = width;
}

static void choose_style(printing *p)
{
    p->smallest = HUGE_VAL;
    p->largest = 0;
    p->all_whole = true;
    p->width = 1;
    visit(p, 0, 0, see_magnitude);
    if (p->largest > 0 &&
        (p->largest / p->smallest > 1000 || p->largest > 1e8 || p->smallest < 1e-4))
        p->style = SCIENTIFIC;
    else
        p->style = p->all_whole ? WHOLE : FIXED;
    visit(p, 0, 0, see_width);
}

/* ---- writing ---- */

static void put_char(printing *p, char c)
{
    if (p->stream)
        putc(c, p->stream);
    else if (p->used + 1 < p->room)
        p->text[p->used] = c;
    p->used++;
    p->column = c == '\n' ? 0 : p->column + 1;
}

static void put(printing *p, const char *text)
{
    while (*text) put_char(p, *text++);
}

static void put_lines(printing *p, int newlines, int blanks)
{
    while (newlines-- > 0) put_char(p, '\n');
    while (blanks-- > 0) put_char(p, ' ');
}

static void put_element(printing *p, int64_t offset)
{
    char text[ELEMENT_TEXT];
    const int length = element_text(element_at(p, offset), p->style, text);
    put_lines(p, 0, p->width - length);
    put(p, text);
}

/* The last axis: as many elements to a line as fit. */
static void put_row(printing *p, int axis, int64_t offset)
{
    const int fit = (LINE - INDENT - axis) / (p->width + 2), per_line = fit > 1 ? fit : 1;
    const bool cut = is_cut(p, axis);
    const int64_t count = shown_count(p, axis) + cut; /* the dots take an element's place */
    for (int64_t i = 0; i < count; i++) {
        if (i > 0) put_char(p, ',');
        if (i > 0 && i % per_line == 0)
            put_lines(p, 1, INDENT + axis + 1);
        else if (i > 0)
            put_char(p, ' ');
        if (cut && i == EDGE)
            put(p, " ...");
        else
            put_element(p, offset + shown_offset(p, axis, cut && i > EDGE ? i - 1 : i));
    }
}

static void put_nested(printing *p, int axis, int64_t offset)
{
    const int below = p->t->dim - axis - 1;
    put_char(p, '[');
    if (below == 0) put_row(p, axis, offset);
    const int64_t count = below > 0 ? shown_count(p, axis) : 0;
    for (int64_t i = 0; i < count; i++) {
        if (i == EDGE && is_cut(p, axis)) {
            put(p, ",");
            put_lines(p, below, INDENT + axis + 1);
            put(p, "...");
        }
        if (i > 0) {
            put(p, ",");
            put_lines(p, below, INDENT + axis + 1);
        }
        put_nested(p, axis + 1, offset + shown_offset(p, axis, i));
    }
    put_char(p, ']');
}

/* ---- what follows the elements ---- */

/* PyTorch counts two characters more for the elements' last line than for later ones; *taken is its
 * count. */
static void put_suffix(printing *p, const char *suffix, int *taken)
{
    const int length = (int)strlen(suffix);
    if (*taken + length + 2 > LINE) {
        put(p, ",");
        put_lines(p, 1, INDENT);
        *taken = INDENT + length;
    } else {
        put(p, ", ");
        *taken += length + 2;
    }
    put(p, suffix);
}

static void put_sizes(printing *p, int *taken)
{
    char text[32 + GR_MAX_DIMS * 22] = "size=(";
    size_t used = strlen(text);
    for (int d = 0; d < p->t->dim; d++)
        used += (size_t)snprintf(text + used, sizeof text - used, d ? ", %" PRId64 : "%" PRId64,
                                 p->t->axis[d].size);
    memcpy(text + used, ")", 2);
    put_suffix(p, text, taken);
}

static bool dtype_is_plain(const gr_tensor *t)
{
    if (t->dtype == gr_default_dtype()) return true;
    return t->numel > 0 && (t->dtype == GR_INT64 || t->dtype == GR_BOOL);
}

static void put_suffixes(printing *p)
{
    const gr_tensor *t = p->t;
    char text[96], name[64];
    int taken = p->column + 2;
    if (t->device != 0) {
        snprintf(text, sizeof text, "device='cuda:%d'", gr_place_device(t->device).index);
        put_suffix(p, text, &taken);
    }
    if (t->numel == 0 && t->dim != 1) put_sizes(p, &taken);
    if (!dtype_is_plain(t)) {
        snprintf(text, sizeof text, "dtype=torch.%s", gr_dtype_name[t->dtype]);
        put_suffix(p, text, &taken);
    }
    const char *history = gr_history_name(t, name);
    if (history) {
        snprintf(text, sizeof text, "grad_fn=<%s>", history);
        put_suffix(p, text, &taken);
    } else if (t->requires_grad)
        put_suffix(p, "requires_grad=True", &taken);
}

static void put_tensor(printing *p)
{
    put(p, "tensor(");
    if (p->t->numel == 0)
        put(p, "[]");
    else if (p->t->dim == 0)
        put_element(p, 0);
    else
        put_nested(p, 0, 0);
    put_suffixes(p);
    put_char(p, ')');
}

/* False after reporting a device's failure. */
static bool print_tensor(printing *p, const char *op, gr_site site)
{
    const gr_plain_numbers numbers = gr_plain_numbers_begin();
    gr_self()->outside = (gr_outside){op, site};
    p->summary = p->t->numel > SUMMARY_ABOVE;
    if (p->t->numel > 0) choose_style(p);
    if (!p->failed) put_tensor(p);
    gr_plain_numbers_end(numbers);
    return !p->failed;
}

/* ---- public ---- */

bool gr_stdout_works(gr_site site, const char *op)
{
    if (!ferror(stdout)) return true;
    gr_fail(GR_ERROR_FILE, site, op, "stdout is closed, full or broken; must be writable");
    return false;
}

bool gr_print_tensor_at(const gr_tensor *t, gr_site site)
{
    if (!gr_usable(t, site, "print", "t")) return false;
    printing p = {.t = t, .stream = stdout};
    if (!print_tensor(&p, "print", site)) return false;
    put_char(&p, '\n');
    return gr_stdout_works(site, "print");
}

int gr_tensor_text_at(const gr_tensor *t, char *text, size_t bytes, gr_site site)
{
    if (!gr_usable(t, site, "tensor_text", "t")) return -1;
    if (!text && bytes > 0) {
        gr_fail(GR_ERROR_ARGUMENT, site, "tensor_text",
                "text is NULL, bytes is %zu; must have room for them", bytes);
        return -1;
    }
    printing p = {.t = t, .text = text, .room = bytes};
    const bool printed = print_tensor(&p, "tensor_text", site);
    if (bytes > 0) text[p.used < bytes ? p.used : bytes - 1] = '\0';
    return printed ? (int)p.used : -1;
}
