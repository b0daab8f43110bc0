/* allocate.c - the only malloc and free. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* madvise */
#endif
#include <stdlib.h>
#include <sys/mman.h>

#include "core/internal.h"

enum { LINE = 64, HUGE_PAGE = 2 << 20 };
#define DEBUG_MOST ((size_t)1 << 33) /* bytes: of far more than there is, sanitizers make the program's end */

#ifndef GR_DEBUG

void *gr_allocate(size_t bytes)
{
    if (bytes > PTRDIFF_MAX - HUGE_PAGE) return NULL;
    const size_t unit = bytes < 2 * HUGE_PAGE ? LINE : HUGE_PAGE;
    void *memory = aligned_alloc(unit, bytes ? (bytes + unit - 1) / unit * unit : unit);
#ifdef MADV_HUGEPAGE
    if (memory && unit == HUGE_PAGE) madvise(memory, bytes, MADV_HUGEPAGE); /* large loops wait less; refusal is no loss */
#endif
    return memory;
}

void gr_deallocate(void *memory)
{
    free(memory);
}

#else /* a debug build */

#include <malloc.h>

#ifdef __has_include
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define MARK_UNDEFINED(memory, bytes) __msan_allocated_memory(memory, bytes)
#endif
#endif
#if !defined(MARK_UNDEFINED) && defined(VALGRIND_MAKE_MEM_UNDEFINED)
#define MARK_UNDEFINED(memory, bytes) (void)VALGRIND_MAKE_MEM_UNDEFINED(memory, bytes)
#endif
#ifndef MARK_UNDEFINED
#define MARK_UNDEFINED(memory, bytes) (void)0
#endif

/* What nobody has written reads as NaN, or -1. Valgrind and MemorySanitizer know it as undefined. */
static void poison(void *memory, size_t bytes)
{
    memset(memory, 0xFF, bytes);
    __asm__ volatile("" : : "r"(memory) : "memory"); /* seen by nobody, it would be left out */
    MARK_UNDEFINED(memory, bytes);
}

/* No byte more than asked for: the first one beyond is a finding. */
void *gr_allocate(size_t bytes)
{
    void *memory = NULL;
    if (bytes >= DEBUG_MOST || posix_memalign(&memory, LINE, bytes ? bytes : 1)) return NULL;
    poison(memory, bytes);
    return memory;
}

void gr_deallocate(void *memory)
{
    if (memory) poison(memory, malloc_usable_size(memory));
    free(memory);
}

#endif
