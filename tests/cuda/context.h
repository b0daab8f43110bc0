/* context.h - switching stacks. */
#ifndef GR_EMULATOR_CONTEXT_H
#define GR_EMULATOR_CONTEXT_H
#include <stddef.h>

namespace emulator {

typedef void **context; /* a stack pointer; the registers that a call keeps lie above it */

/* Saves the running context in *save and goes on where `to` was saved, or at its entry. */
extern "C" void gr_emulator_switch(context *save, context to);
/* A context that begins with entry(), which must not return. */
context first_context(char *stack, size_t bytes, void (*entry)());

} // namespace emulator

#endif
