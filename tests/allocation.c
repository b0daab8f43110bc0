/* allocation.c - counts allocations and lets those of the library fail. */
#include "tests/allocation.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unwind.h>

static _Atomic int64_t count, frees, asked, live, fail_at, fail_times;
static _Atomic bool failed, no_threads, no_values;

int64_t allocation_count(void)
{
    return atomic_load(&count);
}

int64_t allocation_frees(void)
{
    return atomic_load(&frees);
}

int64_t allocation_live(void)
{
    return atomic_load(&live);
}

void allocation_fail(int64_t at, int64_t times)
{
    atomic_store(&failed, false);
    atomic_store(&fail_times, times);
    atomic_store(&fail_at, at ? atomic_load(&asked) + at : 0);
}

bool allocation_failed(void)
{
    return atomic_load(&failed);
}

void allocation_refuse_threads(bool on)
{
    atomic_store(&no_threads, on);
}

void allocation_refuse_values(bool on)
{
    atomic_store(&no_values, on);
}

/* ---- sites: the return addresses on the stack of a call that is refused ---- */

enum { SITES = 4096, FRAMES = 12 };
static struct {
    uintptr_t address;
    bool passing, lasting;
} site[SITES]; /* open addressing */
static int sites;
static pthread_mutex_t sites_lock = PTHREAD_MUTEX_INITIALIZER;

static void note(uintptr_t address)
{
    unsigned i = (unsigned)(address * 2654435761u >> 8) % SITES;
    while (site[i].address && site[i].address != address) i = (i + 1) % SITES;
    if (!site[i].address && sites++ > SITES / 2) return; /* it would take ever longer: the count tells */
    site[i].address = address;
    *(atomic_load(&fail_times) == ALWAYS ? &site[i].lasting : &site[i].passing) = true;
}

static _Unwind_Reason_Code frame(struct _Unwind_Context *context, void *data)
{
    int *frames = data;
    note((uintptr_t)_Unwind_GetIP(context));
    return ++*frames < FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

extern const char __executable_start[];

int allocation_write_sites(FILE *out)
{
    for (int i = 0; out && i < SITES; i++)
        if (site[i].address)
            fprintf(out, "%jx %d %d\n", (uintmax_t)(site[i].address - (uintptr_t)__executable_start), site[i].passing,
                    site[i].lasting);
    return sites;
}

/* ---- the library's two functions; whatever else asks malloc is counted ---- */

static bool refuses(void)
{
    const int64_t now = atomic_fetch_add(&asked, 1) + 1, at = atomic_load(&fail_at);
    if (!at || now < at || now >= at + atomic_load(&fail_times)) return false;
    int frames = 0;
    atomic_store(&failed, true);
    pthread_mutex_lock(&sites_lock);
    _Unwind_Backtrace(frame, &frames);
    pthread_mutex_unlock(&sites_lock);
    return true;
}

void *__real_gr_allocate(size_t bytes);
void __real_gr_deallocate(void *memory);
void *__wrap_gr_allocate(size_t bytes);
void __wrap_gr_deallocate(void *memory);

void *__wrap_gr_allocate(size_t bytes)
{
    void *memory = refuses() ? NULL : __real_gr_allocate(bytes);
    if (memory) atomic_fetch_add(&live, 1);
    return memory;
}
void __wrap_gr_deallocate(void *memory)
{
    if (memory) atomic_fetch_sub(&live, 1);
    __real_gr_deallocate(memory);
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count_of, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
int __real_posix_memalign(void **memory, size_t alignment, size_t bytes);
void __real_free(void *memory);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count_of, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes);
void __wrap_free(void *memory);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);

/* MemorySanitizer does not see what Check and libsubunit write, who do not know of it: their memory counts as written. That of
 * the library is marked by gr_allocate. */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define WRITTEN(memory, bytes) __msan_unpoison(memory, bytes)
#endif
#endif
#ifndef WRITTEN
#define WRITTEN(memory, bytes) (void)0
#endif

void *__wrap_malloc(size_t bytes)
{
    atomic_fetch_add(&count, 1);
    void *memory = __real_malloc(bytes);
    if (memory) WRITTEN(memory, bytes);
    return memory;
}
void *__wrap_calloc(size_t count_of, size_t bytes)
{
    atomic_fetch_add(&count, 1);
    return __real_calloc(count_of, bytes);
}
void *__wrap_realloc(void *memory, size_t bytes)
{
    atomic_fetch_add(&count, 1);
    memory = __real_realloc(memory, bytes);
    if (memory) WRITTEN(memory, bytes);
    return memory;
}
void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    atomic_fetch_add(&count, 1);
    return __real_aligned_alloc(alignment, bytes);
}
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    atomic_fetch_add(&count, 1);
    return __real_posix_memalign(memory, alignment, bytes);
}
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    return atomic_load(&no_threads) ? EAGAIN : __real_pthread_create(thread, attributes, run, argument);
}
int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    return atomic_load(&no_values) ? ENOMEM : __real_pthread_setspecific(key, value);
}
void __wrap_free(void *memory)
{
    atomic_fetch_add(&frees, 1);
    __real_free(memory);
}
