/* print.h - what printing takes from the layers above. */
#ifndef GR_PRINT_H
#define GR_PRINT_H
#include "core/base.h"

/* The name that PyTorch gives the history of t, "MulBackward0", or NULL for a leaf. Defined with
 * the tape; text is room for a name that is made. */
const char *gr_history_name(const gr_tensor *t, char text[64]);

#endif
