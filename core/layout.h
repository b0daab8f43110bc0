/* layout.h - tensors and storages as they lie in memory; for the library and for device plug-ins, which are C++. */
#ifndef GR_LAYOUT_H
#define GR_LAYOUT_H
#include "core/base.h"

/* A device plug-in reads no counter; to it they are plain words. */
#ifdef __cplusplus
#define GR_COUNTER(type) type
#else
#define GR_COUNTER(type) _Atomic type
#endif

/* A block of memory and its header, one object of the pool. On the CPU the data follows the header. */
typedef struct gr_storage {
    char *data;
    struct gr_storage *next;   /* in its free list */
    GR_COUNTER(uint32_t) refs;  /* headers that show it: views share it */
    uint32_t version;          /* grows with every change in place */
    uint8_t size_class, device;
    int32_t changed_line;      /* who changed it last, for error texts */
    const char *changed_by, *changed_file;
    size_t bytes;
} gr_storage;

typedef struct {
    int64_t size, stride; /* stride in elements */
} gr_axis;

enum { GR_DEAD = 0, GR_LIVE = 0xA5 };
#define GR_NOT_OWNED UINT32_MAX
/* flags of a header */
enum {
    GR_HOOKED = 1,        /* a hook or retain_grad waits for its gradient */
    GR_UNTRACKED_VIEW = 2, /* a view made while nothing was recorded */
    GR_FREED = 4,          /* dead: by gr_free, not with its scope */
    GR_RELEASED = 8,       /* dead: by gr_release */
    GR_OF_MODULE = 16,     /* a module owns it */
    GR_IN_LIMBO = 32       /* dead: a gradient that tape or views may still point to */
};

/* The header of a tensor, four cache lines. The first holds all that a call on equal shapes reads. A header goes back
 * to the pool only when its scope ends, so the tape may point to it even after gr_free. */
struct gr_tensor {
    char *data; /* of element 0 */
    gr_storage *storage;
    int64_t numel;
    union {
        struct {
            uint8_t state, dtype, device, unused;
        };
        uint32_t key; /* state, dtype and device at once: one compare per operand */
    };
    union {
        struct {
            uint8_t dim;
            bool requires_grad;
            bool contiguous; /* row-major without gaps */
            bool has_grad;   /* leaf: .grad is present (it may wait here, marked absent) */
        };
        uint32_t looks;
    };
    union {
        struct {
            uint32_t value;  /* its value's number on the tape of `thread`; 0: a leaf */
            uint32_t oldest; /* the number of the first value of the oldest call that its history reaches */
        };
        uint64_t history;
    };
    union {
        uint32_t owned_at; /* its place among its thread's owned objects */
        int32_t died_line;
    };
    uint16_t thread; /* that recorded its value, and that may put a gradient into it */
    uint16_t flags;
    union {
        struct gr_call *call; /* value != 0: that made the value */
        gr_tensor *grad;      /* leaf: the accumulated gradient, owned by it */
        gr_tensor *next_in_limbo; /* see GR_IN_LIMBO */
    };
    union {
        gr_tensor *base;       /* view of a tensor whose history it follows, even when that was freed; or NULL */
        const char *died_file; /* dead: where its scope ended */
    };
    gr_axis axis[GR_MAX_DIMS];
    union {
        uint32_t base_value; /* base's value when this view's history was recorded */
        bool is_pointed_to;  /* in limbo: see gr_limbo_sweep */
    };
};

#endif
