/* print.h - what printing shares with the layers above. */
#ifndef GR_PRINT_H
#define GR_PRINT_H
#include "core/base.h"

/* The name that PyTorch gives the history of t, "MulBackward0", or NULL for a leaf. Defined with
 * the tape; text is room for a name that is made. */
const char *gr_history_name(const gr_tensor *t, char text[64]);
/* Whether what the public call `op` wrote has been taken; reports it if not. */
bool gr_stdout_works(gr_site site, const char *op);

#endif
