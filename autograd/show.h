/* show.h - the tape made visible: as a table, and as a graph. */
#ifndef GR_SHOW_H
#define GR_SHOW_H
#include "core/base.h"

GR_BEGIN_C

/* Prints this thread's tape to stdout, a line for each recorded call, the oldest first:
 *
 *   #  call  inputs                result   line        rule
 *   1  mul   [2], leaf [1]         [2]      train.c:11  da = mul(dy, b), db = mul(dy, a)
 *   2  add   #1 [2], leaf [1]      [2]      train.c:12  da = dy, db = dy
 *
 *   #       the value that the call made, its first one if it made several
 *   inputs  shapes, after the dtype where it is not the default, and numbers. #1: value 1. leaf: collects a gradient,
 *           whose norm follows as |grad| when there is one
 *   result  its shape; after gr_set_tape_norms(true) and backward also |dy|, the norm of its gradient
 *   rule    what backward hands back to each input, in dy, as core/elementwise.def or the op tell it */
GR_API bool gr_print_tape_at(gr_site site);
/* The same text into memory: as snprintf, returns the length it would have; -1 on failure, such as a text of 2^31 bytes. */
GR_API int gr_tape_text_at(char *text, size_t bytes, gr_site site);
/* The same as a graph for Graphviz (`dot -Tsvg`), into the file at path, which is replaced: a box for each call, an oval
 * for each leaf, plain text for what wants no gradient. Fails when the file cannot be written; it may then be cut. */
GR_API bool gr_tape_dot_at(const char *path, gr_site site);
/* Whether the passes of this thread note the norm (the root of the sum of squares) of the gradient of each value. Off at
 * first, since backward frees these gradients as it goes, and the norm of each costs a reading of it. */
GR_API bool gr_set_tape_norms_at(bool on, gr_site site);

GR_END_C

#ifndef __cplusplus
#define gr_print_tape() gr_print_tape_at(GR_HERE)
#define gr_tape_text(text, bytes) gr_tape_text_at(text, bytes, GR_HERE)
#define gr_tape_dot(path) gr_tape_dot_at(path, GR_HERE)
#define gr_set_tape_norms(on) gr_set_tape_norms_at(on, GR_HERE)
#endif
#endif
