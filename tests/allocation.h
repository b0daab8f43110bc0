/* allocation.h - the tests' view of malloc and its kin, which the linker routes through here. */
#ifndef ALLOCATION_H
#define ALLOCATION_H
#include <stdbool.h>
#include <stdint.h>

/* Calls since the program began. */
int64_t allocation_count(void);
int64_t allocation_frees(void);
/* The call number `at` from now on fails, and if persistent all after it; at 0 ends that. */
void allocation_fail(int64_t at, bool persistent);
/* Whether one has failed since allocation_fail. */
bool allocation_failed(void);

#endif
