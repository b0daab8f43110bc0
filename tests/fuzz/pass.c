/* pass.c - backward passes: from the last expression to the first, each hands its gradient to what it was made from. */
#include "tests/fuzz/pass.h"

#include <math.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

enum { MOST_LEAVES = 64 };

/* What a pass has found, until it is committed. */
static struct {
    term loss[PASS_TENSORS];
    struct {
        twin *leaf;
        term gradient;
        bool has_gradient;
    } leaf[MOST_LEAVES];
    int leaves;
    node *done[MOST_NODES];
    int dones;
    struct {
        hook *hook;
        array value;
    } retained[MOST_HOOKS];
    int retaineds;
} found;

/* ---- where gradients collect ---- */

static bool is_target(const pass *p, const twin *leaf)
{
    for (int i = 0; i < p->targets; i++)
        if (p->target[i] == leaf && !leaf->node) return true;
    return false;
}

/* A leaf that is freed, or no longer one that wants a gradient, gets none. */
static bool wants(const pass *p, const term *x)
{
    if (x->node) return !p->targets || x->node->is_target[x->out] || x->node->leads;
    if (!x->leaf) return false;
    return p->targets ? is_target(p, x->leaf) : x->leaf->alive && x->leaf->wants && !x->leaf->node;
}

static int leaf_place(twin *leaf)
{
    for (int i = 0; i < found.leaves; i++)
        if (found.leaf[i].leaf == leaf) return i;
    if (found.leaves == MOST_LEAVES) graph_full();
    found.leaf[found.leaves].leaf = leaf;
    found.leaf[found.leaves].has_gradient = false;
    return found.leaves++;
}

static void hand_over(const pass *p, const term *to, term gradient)
{
    if (!wants(p, to)) return;
    term *place;
    bool *has;
    if (to->node) {
        place = &to->node->gradient[to->out];
        has = &to->node->has_gradient[to->out];
    } else {
        const int i = leaf_place(to->leaf);
        place = &found.leaf[i].gradient;
        has = &found.leaf[i].has_gradient;
    }
    *place = *has ? apply2(ADD, *place, gradient) : gradient;
    *has = true;
}

/* ---- the walk ---- */

/* Which expressions lead to a target. */
static void mark(const pass *p)
{
    for (int s = 0; s < graph.count; s++) {
        node *n = graph.node[s];
        n->has_gradient[0] = n->has_gradient[1] = n->is_target[0] = n->is_target[1] = n->leads = false;
    }
    for (int i = 0; i < p->targets; i++) {
        const term x = use_history(p->target[i]);
        if (x.node) x.node->is_target[x.out] = true;
    }
    for (int s = 0; s < graph.count && p->targets; s++) {
        node *n = graph.node[s];
        for (int i = 0; i < n->inputs; i++) n->leads |= is_linked(&n->in[i]) && wants(p, &n->in[i]);
    }
}

static bool is_unchanged(const term *x)
{
    return (!x->header || x->header->alive) && (!x->memory || x->memory->version == x->version);
}

/* A recorded gradient reads what its formula says, which the reference does not follow to the letter. */
static bool may_read_changed(const node *n)
{
    for (int i = 0; i < n->inputs; i++) {
        const term *x = &n->in[i];
        if (!is_unchanged(x) || (x->node && !is_unchanged(&x->node->out[x->out]))) return true;
    }
    return false;
}

/* What n's gradient reads and has changed, for a trace; NULL: nothing. */
static const char *changed(const node *n)
{
    static char text[80];
    for (int i = 0; i < 5; i++) {
        const term *x = i < 3 ? &n->in[i] : &n->out[i - 3];
        if (!(n->reads >> (i < 3 ? i : i + 1) & 1) || is_unchanged(x)) continue;
        snprintf(text, sizeof text, "kind %d reads %s %d, of line %d, which %s", (int)n->rule.kind,
                 i < 3 ? "operand" : "result", i % 3, x->header ? x->header->line : 0,
                 x->header && !x->header->alive ? "was freed" : "has changed");
        return text;
    }
    return NULL;
}

static void retain(hook *h, const term *gradient)
{
    found.retained[found.retaineds].hook = h;
    found.retained[found.retaineds++].value = gradient->a;
}

static bool refuse(pass *p, const char *why)
{
    p->why = why;
    return false;
}

/* The hooks of a value, or of a leaf, in order; false when one of them fails the pass. */
static bool run_hooks(const node *n, int out, const twin *leaf, term *gradient)
{
    for (int i = 0; i < model.hooks; i++) {
        hook *h = &model.hook[i];
        if (!h->there || h->kind == HOOK_RETAIN || (n ? h->node != n || h->out != out : h->node || h->tensor != leaf)) continue;
        h->must_run++;
        if (h->kind == HOOK_NULL || h->kind == HOOK_SHAPE || h->kind == HOOK_ENDS_SCOPE) return false;
        if (h->kind == HOOK_DOUBLE) *gradient = apply2(MUL, *gradient, constant(&(form){.count = 1}, 2));
    }
    for (int i = 0; i < model.hooks && n; i++) {
        hook *h = &model.hook[i];
        if (h->there && h->kind == HOOK_RETAIN && h->node == n && h->out == out) retain(h, gradient);
    }
    return true;
}

/* n as its gradient reads it: a leaf that has begun or ceased to want a gradient since counts as what it is now. */
static node as_read(const node *n)
{
    node now = *n;
    for (int i = 0; i < n->inputs; i++) {
        term *x = &now.in[i];
        if (!x->node && x->header && x->header->alive && !x->header->node) x->leaf = x->header->wants ? x->header : NULL;
    }
    return now;
}

static bool visit(pass *p, node *n)
{
    if (n->used) return refuse(p, "its history was used");
    if (n->derived) p->in_doubt |= may_read_changed(n) || model.handed_out_changed;
    else if (changed(n)) return refuse(p, changed(n));
    for (int k = 0; k < n->outputs; k++)
        if (n->has_gradient[k] && !run_hooks(n, k, NULL, &n->gradient[k])) return refuse(p, "a hook fails");
    node now = as_read(n);
    for (int i = 0; i < n->inputs; i++)
        if (is_linked(&n->in[i]) && wants(p, &n->in[i])) hand_over(p, &n->in[i], derive(&now, i));
    found.done[found.dones++] = n;
    return true;
}

static bool walk(pass *p)
{
    for (int s = graph.count - 1; s >= 0; s--) {
        node *n = graph.node[s];
        const bool reached = n->has_gradient[0] || n->has_gradient[1];
        if (!reached) continue;
        if (!p->targets || n->leads) {
            if (!visit(p, n)) return false;
        } else { /* a target whose own history is not asked for */
            for (int k = 0; k < n->outputs; k++)
                if (n->is_target[k] && n->has_gradient[k] && !run_hooks(n, k, NULL, &n->gradient[k]))
                    return refuse(p, "a hook of a target fails");
        }
    }
    for (int i = 0; i < found.leaves; i++)
        if (found.leaf[i].has_gradient && !run_hooks(NULL, 0, found.leaf[i].leaf, &found.leaf[i].gradient))
            return refuse(p, "a hook of a leaf fails");
    return true;
}

/* ---- results of autograd_grads ---- */

static bool collect(pass *p)
{
    for (int i = 0; i < p->targets; i++) {
        const term x = use_history(p->target[i]);
        const int place = x.node ? 0 : leaf_place(p->target[i]);
        const bool has = x.node ? x.node->has_gradient[x.out] : found.leaf[place].has_gradient;
        p->result[i] = NULL;
        if (!has && !p->allow_unused) {
            while (i-- > 0)
                if (p->result[i]) p->result[i]->alive = false;
            return refuse(p, "a target is unused");
        }
        if (!has) continue;
        for (int j = 0; j < i && !p->result[i]; j++)
            if (p->target[j] == p->target[i]) p->result[i] = p->result[j];
        if (p->result[i]) continue;
        const term g = x.node ? x.node->gradient[x.out] : found.leaf[place].gradient;
        p->result[i] = twin_of(gather(g, g.a.f, identity_index(g.a.f.count), 1), GR_FLOAT64);
        p->result[i]->handed_out = p->result[i]->memory->handed_out = p->create;
        p->result[i]->rounded = true;
    }
    return true;
}

/* ---- the pass ---- */

static bool seed(pass *p, int i)
{
    twin *y = p->loss[i], *given = p->given[i];
    const term loss = found.loss[i];
    if (!is_linked(&loss)) return refuse(p, "nothing requires grad");
    if (!given && y->f.count != 1) return refuse(p, "the loss has not one element");
    if (given && (!given->alive || given->dtype != y->dtype || !same_form(&given->f, &y->f)))
        return refuse(p, "the gradient given does not fit");
    term g = given ? use(given) : constant(&y->f, 1);
    if (!p->create) g.node = NULL, g.leaf = NULL;
    hand_over(p, &loss, g);
    return true;
}

static bool run(pass *p)
{
    for (int i = 0; i < p->losses; i++)
        if (!seed(p, i)) return false;
    return walk(p) && collect(p);
}

bool pass_run(pass *p)
{
    const bool was_recording = graph.recording;
    found.leaves = found.dones = found.retaineds = 0;
    p->in_doubt = false;
    if (model.standing) return refuse(p, "an error stands");
    for (int i = 0; i < p->losses; i++)
        if (!p->loss[i]->alive) return refuse(p, "a loss is dead");
    for (int i = 0; i < p->targets; i++) {
        if (!p->target[i]->alive) return refuse(p, "a target is dead");
        const term x = use_history(p->target[i]);
        if (!is_linked(&x)) return refuse(p, "a target requires no grad");
    }
    for (int i = 0; i < p->losses; i++) found.loss[i] = use_history(p->loss[i]);
    mark(p);
    graph.recording = p->create;
    graph.derived = true;
    const bool ok = run(p);
    graph.derived = false;
    graph.recording = was_recording;
    return ok;
}

/* Whether it is written where the gradient was that waits with the leaf, or added to the one there. */
static bool stays(const twin *leaf, bool recorded)
{
    const twin *before = leaf->gradient;
    if (!before || recorded || leaf->has_gradient) return before && !recorded;
    bool hooked = false;
    for (int i = 0; i < model.hooks; i++) hooked |= model.hook[i].tensor == before;
    return !before->node && !before->wants && !hooked;
}

/* A recorded gradient is a tensor of its own, with a history; one that is not is added into what is there. */
static void commit_leaf(const pass *p, twin *leaf, term g)
{
    const bool accumulates = leaf->has_gradient;
    twin *before = leaf->gradient;
    if (accumulates && !p->create) {
        array sum = constant(&g.a.f, 0).a; /* another leaf's gradient may be the same array */
        for (int i = 0; i < sum.f.count; i++) {
            sum.v[i] = g.a.v[i] + before->memory->cell[i];
            sum.m[i] = g.a.m[i] + fabs(before->memory->cell[i]);
        }
        g.a = sum;
    } else if (accumulates)
        g = apply2(ADD, use(before), g);
    else if (p->create)
        g = gather(g, g.a.f, identity_index(g.a.f.count), 1);
    if (stays(leaf, p->create)) {
        memcpy(before->memory->cell, g.a.v, sizeof(double) * (size_t)g.a.f.count);
        before->memory->version++;
        before->memory->undefined = false;
        before->magnitude = g.a.m;
    } else {
        if (before) gradient_dies(leaf);
        leaf->gradient = twin_of(g, GR_FLOAT64);
        leaf->gradient->depth = OF_A_LEAF;
    }
    leaf->has_gradient = true;
    leaf->gradient->rounded = true;
}

static void commit_retained(hook *h, const array *value)
{
    array sum = constant(&value->f, 0).a;
    for (int i = 0; i < value->f.count; i++) {
        sum.v[i] = value->v[i] + (h->has_value ? h->value.v[i] : 0);
        sum.m[i] = value->m[i] + (h->has_value ? h->value.m[i] : 0);
    }
    h->value = sum;
    h->has_value = true;
}

void pass_commit(pass *p)
{
    if (!p->retain && !p->create)
        for (int i = 0; i < found.dones; i++) found.done[i]->used = true;
    for (int i = 0; i < found.retaineds; i++) commit_retained(found.retained[i].hook, &found.retained[i].value);
    const bool was_recording = graph.recording;
    graph.recording = p->create;
    graph.derived = true;
    for (int i = 0; i < found.leaves && !p->targets; i++)
        if (found.leaf[i].has_gradient) commit_leaf(p, found.leaf[i].leaf, found.leaf[i].gradient);
    graph.derived = false;
    graph.recording = was_recording;
}
