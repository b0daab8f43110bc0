/* program.c - runs a program on the library and on the reference, and compares. */
#include "tests/fuzz/program.h"

#include <math.h>
#include <setjmp.h>
#include <string.h>

#include "core/internal.h"

static twin *variable[VARIABLES];
static int line;
static jmp_buf end_of_program;
static bool traced;

twin nothing = {.lost = false}, skipped;

_Noreturn void graph_full(void)
{
    longjmp(end_of_program, 1);
}

gr_site here(void)
{
    return (gr_site){"p", line};
}

/* ---- variables ---- */

static bool suitable(const twin *x, suits what, bool wild)
{
    if (!x || x->lost || (x->alive && x->memory->undefined)) return false;
    if (wild) return true;
    return x->alive && (what == ANY || x->dtype == (what == FLOAT ? GR_FLOAT64 : what == BOOL ? GR_BOOL : GR_INT64));
}

twin *pick(uint8_t byte, suits what, const uint8_t *a)
{
    for (int i = 0; i < VARIABLES; i++) {
        twin *x = variable[(byte + i) % VARIABLES];
        if (!suitable(x, what, is(a[FLAGS], WILD))) continue;
        if (traced && x->alive)
            fprintf(stderr, "    operand: of line %d%s%s%s, base of line %d\n", x->line, x->wants ? ", wants grad" : "",
                    x->node ? ", has history" : "", x->untracked ? ", untracked" : "", x->base ? x->base->line : 0);
        return x;
    }
    return NULL;
}

static void put(uint8_t byte, twin *x)
{
    variable[byte % VARIABLES] = x;
}

/* ---- comparing ---- */

bool is_tame(const term *e)
{
    for (int i = 0; i < e->a.f.count; i++)
        if (!(fabs(e->a.v[i]) <= 1e4)) return false;
    return e->a.f.count <= MOST_ELEMENTS && e->a.f.dim < FORM_DIMS - 1;
}

static void compare_form(const twin *x)
{
    demand(gr_dim(x->real) == x->f.dim && gr_dtype_of(x->real) == x->dtype, "line %d: the tensor of line %d has rank %d, must have %d",
           line, x->line, gr_dim(x->real), x->f.dim);
    for (int d = 0; d < x->f.dim; d++)
        demand(gr_size(x->real, d) == x->f.size[d], "line %d: size %d of line %d's is %d, must be %d", line, d,
               x->line, (int)gr_size(x->real, d), x->f.size[d]);
}

/* Exactly, but where the library may round otherwise; its numbers are then taken over. */
void check(twin *x)
{
    double is[MOST_ELEMENTS];
    compare_form(x);
    demand(x->f.count <= MOST_ELEMENTS && gr_to_array(x->real, is, x->f.count), "line %d: no array", line);
    for (int i = 0; i < x->f.count; i++) {
        double *must = &x->memory->cell[x->cell[i]];
        const double off = fabs(is[i] - *must), allowed = x->rounded && x->magnitude ? 1e-12 * x->magnitude[i] : 0;
        demand(is[i] == *must || off <= allowed || (isnan(is[i]) && isnan(*must)), "line %d: element %d of line %d's is %.17g, must be %.17g",
               line, i, x->line, is[i], *must);
        *must = is[i];
    }
    x->rounded = false;
    x->magnitude = NULL;
    demand(gr_requires_grad(x->real) == wants_grad(x), "line %d: requires_grad of line %d's is %d",
           line, x->line, gr_requires_grad(x->real));
}

static void check_retained(const twin *x)
{
    const hook *retains = NULL;
    for (int i = 0; i < model.hooks && !retains; i++) {
        const hook *h = &model.hook[i];
        if (h->there && h->kind == HOOK_RETAIN && h->tensor == x && h->node == x->node && h->out == x->out) retains = h;
    }
    const gr_tensor *gradient = gr_grad(x->real);
    demand((gradient != NULL) == (retains && retains->has_value), "line %d: a retained gradient is %s", line,
           gradient ? "there" : "not there");
    double is[MOST_ELEMENTS];
    if (!gradient) return;
    demand(gr_numel(gradient) == x->f.count && gr_to_array(gradient, is, x->f.count), "line %d: no array", line);
    for (int i = 0; i < x->f.count; i++)
        demand(fabs(is[i] - retains->value.v[i]) <= 1e-12 * retains->value.m[i],
               "line %d: retained gradient's element %d is %.17g, must be %.17g", line, i, is[i], retains->value.v[i]);
}

static void check_gradient(twin *x)
{
    if (x->node) {
        check_retained(x);
        return;
    }
    gr_tensor *gradient = gr_grad(x->real);
    demand((gradient != NULL) == x->has_gradient && gr_has_grad(x->real) == x->has_gradient,
           "line %d: a gradient is %s", line, gradient ? "there" : "not there");
    if (!gradient) return;
    if (!x->gradient->real) x->gradient->real = gradient;
    demand(gradient == x->gradient->real, "line %d: a gradient has become another tensor", line);
    demand(gr_is_contiguous(gradient), "line %d: a gradient is not row-major", line);
    check(x->gradient);
}

void check_all(void)
{
    for (int i = 0; i < model.twins; i++) {
        twin *x = model.twin[i];
        if (!x->alive || !x->real || x->memory->undefined || x->depth == OF_A_LEAF) continue;
        check(x);
        check_gradient(x);
    }
    for (int i = 0; i < model.hooks; i++)
        demand(model.hook[i].has_run == model.hook[i].must_run, "line %d: hook %d has run %d times, must have %d", line, i,
               model.hook[i].has_run, model.hook[i].must_run);
}

/* ---- outcomes ---- */

void settle_answer(const uint8_t *a, bool real, bool must)
{
    static char standing[512];
    char place[24];
    const char *error = gr_error();
    if (traced) fprintf(stderr, "    %s, %s\n", real ? "accepted" : "refused", error ? error : "no error");
    demand(real == must, "line %d: %s%s, must be %s", line, real ? "accepted" : "refused: ", real ? "" : error ? error : "no error",
           must ? "accepted" : "refused");
    if (must) call_accepted();
    else call_refused();
    if (model.standing) {
        demand(error && !strcmp(error, standing), "line %d: another error stands: %s", line, error ? error : "none");
    } else if (must) {
        demand(!error, "line %d: accepted with an error: %s", line, error);
    } else {
        snprintf(place, sizeof place, "p:%d: ", line);
        demand(error && !strncmp(error, place, strlen(place)) && strstr(error, " must"), "line %d: the error is %s", line,
               error ? error : "none");
        snprintf(standing, sizeof standing, "%s", error);
        model.standing = true;
        check_all();
    }
    if (model.standing && !is(a[FLAGS], LEAVE_ERROR)) {
        gr_error_clear();
        model.standing = false;
    }
}

void settle_more(uint8_t where, gr_tensor *real, twin *must)
{
    if (must->real) demand(real == must->real, "line %d: the result is another tensor", line);
    if (!must->real) must->line = line;
    must->real = real;
    check(must);
    put(where, must);
}

void settle(const uint8_t *a, gr_tensor *real, twin *must)
{
    settle_answer(a, real != NULL, must != REFUSED);
    if (must) settle_more(a[RESULT], real, must);
    else if (is(a[FLAGS], OTHER)) put(a[RESULT], &nothing);
}

/* ---- running ---- */

#define CALL(name) {run_##name, #name}
static const struct {
    instruction *run;
    const char *name;
} opcode[] = {CALL(leaf), CALL(leaf), CALL(index), CALL(unary), CALL(unary), CALL(binary), CALL(binary), CALL(binary), CALL(number),
              CALL(where), CALL(compare), CALL(reduce), CALL(extremum), CALL(matmul), CALL(index_select), CALL(pair), CALL(copy),
              CALL(overwrite), CALL(slice), CALL(slice), CALL(turn), CALL(reshape), CALL(stretch), CALL(plain_view), CALL(scope),
              CALL(keep), CALL(free), CALL(requires_grad), CALL(gradient), CALL(churn), CALL(backward), CALL(backward),
              CALL(backward), CALL(grads), CALL(grads), CALL(hook), CALL(unhook), CALL(zero_grad)};
enum { OPCODES = sizeof opcode / sizeof *opcode };

static void quiet(const char *text, void *data)
{
    (void)text, (void)data;
}

/* With FUZZ_TRACE in the environment each instruction is told, and what came of it. */
static void tell(const uint8_t *a)
{
    if (traced)
        fprintf(stderr, "%d %s %d %d, %d %d %d -> %d, flags %02x\n", line, opcode[a[OPCODE] % OPCODES].name, a[FIRST] % VARIABLES,
                a[SECOND] % VARIABLES, a[ARGUMENT], a[ARGUMENT_2], a[ARGUMENT_3], a[RESULT] % VARIABLES, a[FLAGS]);
}

void tell_why(const char *why)
{
    if (traced && why) fprintf(stderr, "    must be refused: %s\n", why);
}

static void run_program(const uint8_t *bytes, size_t count)
{
    traced = getenv("FUZZ_TRACE") != NULL;
    for (line = 1; count >= INSTRUCTION && line <= MOST_INSTRUCTIONS; line++, bytes += INSTRUCTION, count -= INSTRUCTION) {
        tell(bytes);
        opcode[bytes[OPCODE] % OPCODES].run(bytes);
        call_refused(); /* or not made */
    }
    check_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    gr_set_error_handler(quiet, NULL);
    memset(variable, 0, sizeof variable);
    model_begin();
    if (!setjmp(end_of_program)) run_program(bytes, count);
    gr_error_clear();
    gr_shutdown();
    const gr_pool_use use = gr_pool_look(NULL);
    demand(use.blocks == 0 && use.headers == 0, "%lld blocks and %lld headers are left over", (long long)use.blocks, (long long)use.headers);
    return 0;
}

/* ---- how libFuzzer changes a program: by whole instructions, or in one of their bytes ---- */

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t room) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t room, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t room, unsigned seed)
{
    const size_t lines = count / INSTRUCTION, at = lines ? seed / 8 % lines * INSTRUCTION : 0, end = lines * INSTRUCTION;
    const size_t other = lines ? seed / 512 % lines * INSTRUCTION : 0;
    uint8_t copy[INSTRUCTION];
    switch (seed % 8) {
    case 0: /* out */
        if (lines < 2) break;
        memmove(bytes + at, bytes + at + INSTRUCTION, end - at - INSTRUCTION);
        return end - INSTRUCTION;
    case 1: /* in: random, or a copy of another */
    case 2:
        if (end + INSTRUCTION > room) break;
        if (end) memcpy(copy, bytes + other, INSTRUCTION);
        memmove(bytes + at + INSTRUCTION, bytes + at, end - at);
        for (int i = 0; i < INSTRUCTION; i++) bytes[at + (size_t)i] = (uint8_t)((seed = seed * 1103515245u + 12345u) >> 16);
        if (end && seed >> 30 == 0) memcpy(bytes + at, copy, INSTRUCTION);
        return end + INSTRUCTION;
    case 3: /* two change places */
        if (lines < 2) break;
        memcpy(copy, bytes + at, INSTRUCTION);
        memcpy(bytes + at, bytes + other, INSTRUCTION);
        memcpy(bytes + other, copy, INSTRUCTION);
        return end;
    case 4: /* one byte */
    case 5:
        if (!lines) break;
        bytes[at + seed / 4096 % INSTRUCTION] = (uint8_t)(seed >> 24);
        return end;
    default: break;
    }
    return LLVMFuzzerMutate(bytes, count, room) / INSTRUCTION * INSTRUCTION;
}
