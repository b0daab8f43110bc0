/* print.c - modules as PyTorch prints them. */
#include <stdarg.h>
#include <stdio.h>

#include "core/print.h"
#include "nn/module_tree.h"

/* Appends as snprintf does; used counts what would have been written. */
typedef struct {
    char *text;
    size_t bytes, used;
} sink;

static __attribute__((format(printf, 2, 3))) void put(sink *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const size_t at = s->used < s->bytes ? s->used : s->bytes;
    const int length = vsnprintf(s->text ? s->text + at : NULL, s->bytes - at, format, args);
    va_end(args);
    if (length > 0) s->used += (size_t)length;
}

static void print_tree(sink *s, const gr_module *m, int indent)
{
    char description[256] = "";
    if (m->type->describe) m->type->describe(m, description, sizeof description);
    put(s, "%s(%s", m->type->name, description);
    for (uint32_t i = 0; i < m->children; i++) {
        put(s, "\n%*s(%s): ", indent + 2, "", m->child[i].name);
        print_tree(s, m->child[i].module, indent + 2);
    }
    if (m->children) put(s, "\n%*s", indent, "");
    put(s, ")");
}

static int write_module(const gr_module *m, char *text, size_t bytes)
{
    sink s = {text, text ? bytes : 0, 0};
    print_tree(&s, m, 0);
    return (int)s.used;
}

int gr_module_text_at(const gr_module *m, char *text, size_t bytes, gr_site site)
{
    if (!gr_module_usable(m, site, "module_text", "m")) return -1;
    if (text || bytes == 0) return write_module(m, text, bytes);
    gr_fail(GR_ERROR_ARGUMENT, site, "module_text", "text is NULL, bytes is %zu; must have room for them", bytes);
    return -1;
}

bool gr_print_module_at(const gr_module *m, gr_site site)
{
    char small[1024];
    if (!gr_module_usable(m, site, "print", "m")) return false;
    const size_t bytes = (size_t)write_module(m, small, sizeof small) + 1;
    char *text = bytes <= sizeof small ? small : gr_allocate(bytes);
    if (!text) return gr_fail_memory(site, "print", "the text", bytes) != NULL;
    if (text != small) write_module(m, text, bytes);
    puts(text);
    if (text != small) gr_deallocate(text);
    return gr_stdout_works(site, "print");
}
