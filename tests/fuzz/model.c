/* model.c - twins and their memory, views that follow their base, scopes. */
#include "tests/fuzz/model.h"

#include <math.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

struct model model;

/* Views that the running call has taken again, as they were before: when it is refused, it has changed nothing. */
static struct {
    twin *view, before;
} retaken[MOST_RETAKEN];
static int retakes;

void model_begin(void)
{
    graph_begin();
    memset(&model, 0, sizeof model);
    model.scopes = 1;
    model.scope[0].open = true;
    retakes = 0;
}

/* ---- making ---- */

static twin *add_twin(const form *f, gr_dtype dtype)
{
    if (model.twins == MOST_TWINS) graph_full();
    twin *x = model.twin[model.twins++] = graph_memory(sizeof *x);
    x->f = *f;
    x->dtype = dtype;
    x->alive = true;
    x->depth = model.depth;
    return x;
}

twin *twin_new(const form *f, gr_dtype dtype, const double *value)
{
    twin *x = add_twin(f, dtype);
    x->memory = graph_memory(sizeof *x->memory);
    x->memory->cell = graph_memory(f->count * (int)sizeof(double));
    memcpy(x->memory->cell, value, sizeof(double) * (size_t)f->count);
    x->cell = identity_index(f->count);
    return x;
}

/* The node learns where its result can be seen and changed. */
static void take_history(twin *x, const term *e)
{
    x->node = e->node;
    x->out = e->out;
    x->wants = e->node != NULL;
    if (!e->node) return;
    term *out = &e->node->out[e->out];
    out->memory = x->memory;
    out->version = x->memory->version;
    out->header = x;
}

twin *twin_of(term e, gr_dtype dtype)
{
    twin *x = twin_new(&e.a.f, dtype, e.a.v);
    if (dtype == GR_FLOAT64) take_history(x, &e);
    x->magnitude = e.a.m;
    x->rounded = e.rounded;
    return x;
}

twin *view_of(twin *x, form f, const int *element)
{
    int *cell = graph_memory(f.count * (int)sizeof *cell);
    for (int i = 0; i < f.count; i++) cell[i] = x->cell[element[i]];
    const term e = gather(use(x), f, element, 1);
    twin *y = add_twin(&f, x->dtype);
    y->memory = x->memory;
    y->cell = cell;
    if (x->dtype == GR_FLOAT64) take_history(y, &e);
    y->base = x->base && x->base->alive ? x->base : x;
    y->base_node = y->base->node;
    y->untracked = !graph.recording || x->untracked;
    return y;
}

/* ---- reading ---- */

static term contents(twin *x)
{
    term e = {.a = constant(&x->f, 0).a, .memory = x->memory, .version = x->memory->version, .header = x};
    for (int i = 0; i < x->f.count; i++) {
        e.a.v[i] = x->memory->cell[x->cell[i]];
        e.a.m[i] = fabs(e.a.v[i]);
    }
    if (x->wants) {
        e.node = x->node;
        e.out = x->out;
        e.leaf = x->node ? NULL : x;
    }
    return e;
}

static bool is_stale(const twin *x)
{
    return x->base && !x->untracked && x->base->node != x->base_node;
}

bool wants_grad(const twin *x)
{
    return x->wants || (is_stale(x) && x->base->wants);
}

/* Which element of the base each element of x is. */
static const int *elements_in(const twin *x, const twin *base)
{
    int *element = graph_memory(x->f.count * (int)sizeof *element);
    for (int i = 0; i < x->f.count; i++)
        for (int j = 0; j < base->f.count; j++)
            if (base->cell[j] == x->cell[i]) element[i] = j;
    return element;
}

static void remember(twin *x)
{
    if (retakes == MOST_RETAKEN) graph_full();
    retaken[retakes].view = x;
    retaken[retakes++].before = *x;
}

void call_accepted(void)
{
    retakes = 0;
}

void call_refused(void)
{
    while (retakes) {
        const twin *before = &retaken[--retakes].before;
        twin *x = retaken[retakes].view;
        x->node = before->node;
        x->out = before->out;
        x->wants = before->wants;
        x->base_node = before->base_node;
    }
}

bool has_history(const twin *x)
{
    return is_stale(x) ? x->base->node : x->node;
}

term use(twin *x)
{
    if (!graph.recording || !is_stale(x)) return contents(x);
    const term again = gather(contents(x->base), x->f, elements_in(x, x->base), 1);
    if (x->depth == model.depth) { /* else its history would end before it does: the header stays as it is */
        remember(x);
        take_history(x, &again);
        x->base_node = x->base->node;
        return contents(x);
    }
    term e = contents(x);
    e.node = again.node;
    e.out = again.out;
    e.leaf = NULL;
    e.header = NULL;
    return e;
}

term use_history(twin *x)
{
    const bool was = graph.recording;
    graph.recording = true;
    const term e = use(x);
    graph.recording = was;
    return e;
}

/* ---- changing in place ---- */

static bool repeats_elements(const twin *x)
{
    for (int i = 0; i < x->f.count; i++)
        for (int j = 0; j < i; j++)
            if (x->cell[i] == x->cell[j]) return true;
    return false;
}

/* Whether the spans of memory that they lie in meet, and they are not the same elements. */
static bool overlap(const twin *x, const twin *y)
{
    if (x->memory != y->memory || !x->f.count || !y->f.count) return false;
    if (same_form(&x->f, &y->f) && !memcmp(x->cell, y->cell, sizeof(int) * (size_t)x->f.count)) return false;
    int first[2], last[2];
    for (int k = 0; k < 2; k++) {
        const twin *t = k ? y : x;
        first[k] = last[k] = t->cell[0];
        for (int i = 0; i < t->f.count; i++) {
            if (t->cell[i] < first[k]) first[k] = t->cell[i];
            if (t->cell[i] > last[k]) last[k] = t->cell[i];
        }
    }
    return first[0] <= last[1] && first[1] <= last[0];
}

static const char *refusal(const twin *x, bool needs, twin *const *operand, int operands)
{
    if (model.standing) return "an error stands";
    if (repeats_elements(x)) return "it is expanded";
    for (int i = 0; i < operands; i++)
        if (overlap(x, operand[i])) return "operands overlap";
    const twin *root = x->base && x->base->alive ? x->base : x;
    if (!graph.recording || !(needs || root->wants)) return NULL;
    if ((root->wants && !root->node) || (x->wants && !x->node)) return "a leaf's change has no place in its history";
    if (x->untracked) return "it is an untracked view";
    if (root->base) return "what it showed was freed";
    if (x->depth != model.depth || root->depth != model.depth) return "it is of an outer scope";
    return NULL;
}

bool may_change(const twin *x, bool needs, twin *const *operand, int operands)
{
    const char *why = refusal(x, needs, operand, operands);
    tell_why(why);
    return !why;
}

/* A leaf that gets a history loses its gradient. */
static void no_more_leaf(twin *x)
{
    if (!x->node && x->gradient) gradient_dies(x);
}

void change(twin *x, term e)
{
    for (int i = 0; i < x->f.count; i++) x->memory->cell[x->cell[i]] = e.a.v[i];
    x->memory->version++;
    model.handed_out_changed |= x->memory->handed_out;
    x->magnitude = e.a.m;
    x->rounded = e.rounded;
    if (!e.node) return;
    no_more_leaf(x);
    take_history(x, &e);
    twin *base = x->base && x->base->alive ? x->base : NULL;
    if (!base) return;
    const rule r = {.kind = PUT, .f = base->f, .index = elements_in(x, base)};
    const term whole = apply(&r, (term[]){contents(base), e}, 2);
    no_more_leaf(base);
    take_history(base, &whole);
    x->base_node = base->node;
}

/* ---- the end of tensors ---- */

void gradient_dies(twin *leaf)
{
    leaf->gradient->alive = false;
    leaf->gradient = NULL;
    leaf->has_gradient = false;
}

void die(twin *x)
{
    x->alive = false;
    for (int i = 0; i < model.hooks; i++) {
        hook *h = &model.hook[i];
        if (h->tensor == x && (!h->node || h->kind == HOOK_RETAIN)) h->there = false;
    }
    if (!x->node && x->gradient) gradient_dies(x);
}

/* ---- scopes ---- */

void scope_open(gr_scope real, bool recording)
{
    if (model.scopes == MOST_SCOPES) graph_full();
    model.scope[model.scopes] = (scope){real, true, graph.recording, graph.count};
    model.open[++model.depth] = model.scopes++;
    graph.recording = recording;
}

void scope_close(int depth)
{
    const scope *s = &model.scope[model.open[depth]];
    for (int i = 0; i < model.twins; i++)
        if (model.twin[i]->alive && model.twin[i]->depth >= depth) die(model.twin[i]);
    for (int i = 0; i < model.hooks; i++)
        if (model.hook[i].node && model.hook[i].node->serial >= s->nodes) model.hook[i].there = false;
    for (int i = 0; i < model.twins; i++) { /* gradients of leaves are all that can hang on what is forgotten */
        twin *x = model.twin[i];
        if (!x->alive || !x->node || x->node->serial < s->nodes) continue;
        demand(x->depth == OF_A_LEAF, "the reference: a tensor outlives its history");
        x->node = NULL;
        x->wants = false;
    }
    graph.recording = s->was_recording;
    for (int d = depth; d <= model.depth; d++) model.scope[model.open[d]].open = false;
    model.depth = depth - 1;
}

bool keep(twin *x)
{
    if (has_history(x) || x->depth == OF_A_LEAF) return false;
    if (x->depth == 0) return true;
    x->depth--;
    if (x->base && (x->base->depth > x->depth || x->base->depth == OF_A_LEAF)) x->base = NULL;
    return true;
}
