/* allocation.h - the tests' view of malloc and its kin, and of the library's own allocations: the linker routes both through
 * here. */
#ifndef ALLOCATION_H
#define ALLOCATION_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Calls of malloc and its kin since the program began. */
int64_t allocation_count(void);
int64_t allocation_frees(void);
/* Allocations of the library that are not freed. */
int64_t allocation_live(void);
/* The library's allocation number `at` from now on fails, and those after it, `times` in all; at 0 ends that. */
enum { ALWAYS = INT32_MAX };
void allocation_fail(int64_t at, int64_t times);
/* Whether one has failed since allocation_fail. */
bool allocation_failed(void);
/* From now on no thread can be started, or keep a value of its own; or, off, all can. */
void allocation_refuse_threads(bool on);
void allocation_refuse_values(bool on);

/* Where memory was asked for when it was refused: "address passing lasting" a line, the address a return address relative to
 * the program's start, the others 0 or 1: whether it was refused a few times, or always. Returns the number of lines. */
int allocation_write_sites(FILE *out);

#endif
