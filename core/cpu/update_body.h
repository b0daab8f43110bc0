/* update_body.h - the loops of update_loops.c, once per `real`. No include guard. */

/* A rule where only some states are there: the others are scratch, zero at first. */
static void NAME(in_tiles)(gr_update_loop *rule, real *p, const real *g, void *const *state, int states, int64_t n,
                           const double *number, bool first)
{
    enum { TILE = 256 };
    real scratch[TILE];
    for (int64_t at = 0; at < n; at += TILE) {
        const int64_t count = n - at < TILE ? n - at : TILE;
        void *here[GR_UPDATE_STATES] = {NULL};
        for (int64_t i = 0; i < count; i++) scratch[i] = 0;
        for (int s = 0; s < states; s++) here[s] = state[s] ? (real *)state[s] + at : scratch;
        rule(p + at, g + at, here, count, number, first);
    }
}

#define UPDATE(name, numbers, kept, ...) \
    static void NAME(name##_rule)(void *vp, const void *vg, void *const *state, int64_t n, const double *number, \
                                  bool first) \
    { \
        int states = 0, missing = 0; \
        real *p_at = vp; \
        const real *g_at = vg; \
        (void)state, (void)first; \
        numbers \
        FIND_##kept \
        if (missing == 0) { \
            GR_EACH \
            for (int64_t at = 0; at < n; at++) { \
                real p = p_at[at], g = g_at[at]; \
                READ_##kept \
                __VA_ARGS__ \
                WRITE_##kept \
                p_at[at] = p; \
            } \
        } else if (missing == states) { \
            GR_EACH \
            for (int64_t at = 0; at < n; at++) { \
                real p = p_at[at], g = g_at[at]; \
                FORGET_##kept \
                __VA_ARGS__ \
                p_at[at] = p; \
            } \
        } else \
            NAME(in_tiles)(NAME(name##_rule), p_at, g_at, state, states, n, number, first); \
    }
#include "core/update.def"
#undef UPDATE

static const gr_update_loops NAME(loops) = {{
#define UPDATE(name, ...) [GR_U_##name] = NAME(name##_rule),
#include "core/update.def"
#undef UPDATE
}};
