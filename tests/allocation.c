/* allocation.c - counts allocations and lets them fail. */
#include "tests/allocation.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

static _Atomic int64_t count, frees, fail_at;
static _Atomic bool persists, failed;

int64_t allocation_count(void)
{
    return atomic_load(&count);
}

int64_t allocation_frees(void)
{
    return atomic_load(&frees);
}

void allocation_fail(int64_t at, bool persistent)
{
    atomic_store(&failed, false);
    atomic_store(&persists, persistent);
    atomic_store(&fail_at, at ? atomic_load(&count) + at : 0);
}

bool allocation_failed(void)
{
    return atomic_load(&failed);
}

static bool refuses(void)
{
    const int64_t now = atomic_fetch_add(&count, 1) + 1, at = atomic_load(&fail_at);
    const bool fails = at && (now == at || (now > at && atomic_load(&persists)));
    if (fails) atomic_store(&failed, true);
    return fails;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count_of, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
int __real_posix_memalign(void **memory, size_t alignment, size_t bytes);
void __real_free(void *memory);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count_of, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t bytes)
{
    return refuses() ? NULL : __real_malloc(bytes);
}
void *__wrap_calloc(size_t count_of, size_t bytes)
{
    return refuses() ? NULL : __real_calloc(count_of, bytes);
}
void *__wrap_realloc(void *memory, size_t bytes)
{
    return refuses() ? NULL : __real_realloc(memory, bytes);
}
void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return refuses() ? NULL : __real_aligned_alloc(alignment, bytes);
}
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    return refuses() ? ENOMEM : __real_posix_memalign(memory, alignment, bytes);
}
void __wrap_free(void *memory)
{
    atomic_fetch_add(&frees, 1);
    __real_free(memory);
}
