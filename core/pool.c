/* pool.c - memory: blocks by size, headers, and the list of what a thread owns. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/internal.h"

enum { FIRST_CAPACITY = 64, FIRST_HEADERS = 4096 };

bool gr_grow(void *array, uint32_t *capacity, uint32_t count, size_t size)
{
    if (count < *capacity) return true;
    const uint32_t wanted = *capacity ? 2 * *capacity : FIRST_CAPACITY;
    if (wanted <= *capacity) return false;
    void *old, *grown = gr_allocate(wanted * size);
    if (!grown) return false;
    memcpy(&old, array, sizeof old);
    if (old) memcpy(grown, old, *capacity * size);
    gr_deallocate(old);
    memcpy(array, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}

/* ---- blocks ---- */

/* Blocks that threads gave up, by size class. */
static pthread_mutex_t common_lock = PTHREAD_MUTEX_INITIALIZER;
static gr_storage *common[GR_CLASSES];
static _Atomic int64_t common_count;
/* Small blocks are cut from slabs, which stay until the process ends and begin with a line that links them. */
enum { SLAB = 64 << 10, SMALL = 1024, HEADER = 64, LINK = 64 };
_Static_assert(sizeof(gr_storage) <= HEADER, "a storage's header is one cache line");
static void *slabs;
static _Atomic int64_t blocks_made, slab_count; /* that the system has given and not got back */

size_t gr_class_bytes(int size_class)
{
    if (size_class < 8) return (size_t)(size_class + 1) * 64;
    const int log2 = (size_class - 8) / 4 + 3, quarter = (size_class - 8) % 4;
    return ((size_t)(4 + quarter + 1) << (log2 - 2)) * 64;
}

#ifndef GR_DEBUG
static gr_storage *common_take(int size_class)
{
    if (atomic_load_explicit(&common_count, memory_order_relaxed) == 0) return NULL;
    pthread_mutex_lock(&common_lock);
    gr_storage *s = common[size_class];
    if (s) {
        common[size_class] = s->next;
        atomic_fetch_sub_explicit(&common_count, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&common_lock);
    return s;
}
#endif

static void common_put(gr_storage *s)
{
    pthread_mutex_lock(&common_lock);
    s->next = common[s->size_class];
    common[s->size_class] = s;
    atomic_fetch_add_explicit(&common_count, 1, memory_order_relaxed);
    pthread_mutex_unlock(&common_lock);
}

void gr_storage_surplus(gr_thread *t, gr_storage *s)
{
    (void)t;
    common_put(s);
}

static void storage_init(gr_storage *s, int size_class, size_t bytes)
{
    memset(s, 0, sizeof *s);
    s->data = (char *)s + HEADER;
    s->size_class = (uint8_t)size_class;
    s->bytes = bytes;
    atomic_init(&s->refs, 1);
    blocks_made++;
}

static void storage_end(gr_storage *s)
{
    blocks_made--;
    gr_deallocate(s);
}

#ifndef GR_DEBUG

/* Cuts a slab into blocks; the first is returned, the rest wait in the thread's list. */
static gr_storage *slab_cut(gr_thread *t, int size_class, size_t bytes)
{
    char *slab = gr_allocate(SLAB);
    if (!slab) return NULL;
    pthread_mutex_lock(&common_lock);
    memcpy(slab, &slabs, sizeof slabs);
    slabs = slab;
    slab_count++;
    pthread_mutex_unlock(&common_lock);
    const size_t step = HEADER + bytes;
    for (size_t at = LINK + step; at + step <= SLAB; at += step) {
        gr_storage *s = (gr_storage *)(slab + at);
        storage_init(s, size_class, bytes);
        s->next = t->pool[size_class];
        t->pool[size_class] = s;
        t->pool_bytes += bytes;
    }
    gr_storage *first = (gr_storage *)(slab + LINK);
    storage_init(first, size_class, bytes);
    return first;
}

gr_storage *gr_storage_grow(gr_thread *t, int size_class)
{
    if (!t->scope) return NULL;
    gr_storage *s = common_take(size_class);
    if (s) return s;
    const size_t bytes = gr_class_bytes(size_class);
    if (bytes <= SMALL) return slab_cut(t, size_class, bytes);
    s = gr_allocate(HEADER + bytes);
    if (!s) {
        gr_pool_release(t);
        s = gr_allocate(HEADER + bytes);
    }
    if (s) storage_init(s, size_class, bytes);
    return s;
}

#else

gr_storage *gr_storage_take(gr_thread *t, size_t bytes)
{
    gr_storage *s = t->scope ? gr_allocate(HEADER + bytes) : NULL;
    if (s) storage_init(s, gr_class_of(bytes), bytes);
    return s;
}

void gr_storage_return(gr_thread *t, gr_storage *s)
{
    if (s->device) gr_device_storage_return(t, s);
    else storage_end(s);
}

#endif

static void list_release(gr_storage **list, int size_class)
{
    if (gr_class_bytes(size_class) <= SMALL) return; /* parts of slabs */
    while (*list) {
        gr_storage *s = *list;
        *list = s->next;
        storage_end(s);
    }
}

/* Gives back to the system what waits in the thread's lists and in the common ones. */
void gr_pool_release(gr_thread *t)
{
    for (int c = 0; c < GR_CLASSES; c++) {
        for (const gr_storage *s = t->pool[c]; s && s->bytes > SMALL; s = s->next) t->pool_bytes -= s->bytes;
        list_release(&t->pool[c], c);
    }
    pthread_mutex_lock(&common_lock);
    for (int c = 0; c < GR_CLASSES; c++) {
        for (const gr_storage *s = common[c]; s && s->bytes > SMALL; s = s->next) atomic_fetch_sub(&common_count, 1);
        list_release(&common[c], c);
    }
    pthread_mutex_unlock(&common_lock);
}

/* ---- headers ---- */

/* Headers that ended threads left, linked through `base`, and the slabs they were cut from: a header may have moved to
 * another thread, so slabs stay until the process ends. Under common_lock. */
static gr_tensor *spare_headers;
static void *header_slabs;
static _Atomic int64_t headers_made;
#ifdef GR_DEBUG
_Atomic int64_t gr_headers_retired;
#endif
enum { HEADERS = 64, HEADER_BYTES = 256 };
_Static_assert(sizeof(gr_tensor) <= HEADER_BYTES, "four cache lines");

bool gr_headers_room(gr_thread *t, uint32_t count)
{
    if (!t->scope) return false;
    if (t->headers + count > t->ready_capacity) {
        const uint32_t capacity = t->ready_capacity ? 2 * t->ready_capacity : FIRST_HEADERS;
        gr_tensor **ready = gr_allocate(capacity * sizeof *ready);
        if (!ready) return false;
        if (t->ready_count) memcpy(ready, t->ready, t->ready_count * sizeof *ready);
        gr_deallocate(t->ready);
        t->ready = ready;
        t->ready_capacity = capacity;
    }
    t->headers += count;
    return true;
}

/* Up to count headers that others left, chained through `base`. */
static gr_tensor *take_spare(uint32_t count)
{
    pthread_mutex_lock(&common_lock);
    gr_tensor *first = spare_headers, *last = first;
    for (uint32_t i = 1; last && last->base && i < count; i++) last = last->base;
    if (last) {
        spare_headers = last->base;
        last->base = NULL;
    }
    pthread_mutex_unlock(&common_lock);
    return first;
}

static gr_tensor *cut_headers(uint32_t count)
{
    char *slab = gr_allocate(LINK + count * HEADER_BYTES);
    if (!slab) return NULL;
    memset(slab, 0, LINK + count * HEADER_BYTES);
    pthread_mutex_lock(&common_lock);
    memcpy(slab, &header_slabs, sizeof header_slabs);
    header_slabs = slab;
    slab_count++;
    headers_made += count;
    pthread_mutex_unlock(&common_lock);
    gr_tensor *chain = NULL;
    for (uint32_t i = count; i-- > 0;) {
        gr_tensor *header = (gr_tensor *)(void *)(slab + LINK + i * HEADER_BYTES);
        header->base = chain;
        chain = header;
    }
    return chain;
}

/* The first headers fill the ring, so that from then on each that dies frees another: a loop needs as many as live at
 * once, from its second round on none that is new. */
bool gr_headers_grow(gr_thread *t)
{
    const uint32_t ring = t->headers ? 0 : GR_RING;
    uint32_t wanted = ring + HEADERS, taken = 0;
    if (!gr_headers_room(t, wanted)) return false;
    while (taken < wanted) {
        gr_tensor *chain = take_spare(wanted - taken);
        if (!chain) chain = cut_headers(wanted - taken);
        if (!chain) break;
        for (; chain; taken++) {
            gr_tensor *next = chain->base;
            if (taken < ring) t->dead[taken] = chain;
            else t->ready[t->ready_count++] = chain;
            chain = next;
        }
    }
    if (taken < wanted) t->headers -= wanted - taken;
    return t->ready_count > 0;
}

static void spare(gr_tensor *header)
{
    if (!header) return;
    header->base = spare_headers;
    spare_headers = header;
}

static void headers_end(gr_thread *t)
{
    pthread_mutex_lock(&common_lock);
    for (uint32_t i = 0; i < t->ready_count; i++) spare(t->ready[i]);
    for (uint32_t i = 0; i < GR_RING; i++) spare(t->dead[i]);
    pthread_mutex_unlock(&common_lock);
    gr_deallocate(t->ready);
}

/* ---- what the scopes own ---- */

enum { ROOT_RESULTS = 100000 };

/* A loop without scopes fills the root scope: it is told once. */
static void warn_of_root(gr_thread *t)
{
    if (t->depth || t->warned_root || t->owned_count < ROOT_RESULTS) return;
    t->warned_root = true;
    const gr_site site = gr_latest_site(t);
    if (site.file) fprintf(stderr, "%s:%d: ", site.file, site.line);
    fprintf(stderr, "warning: the root scope owns %u results; wrap the loop body in a scope: gr_scope_begin\n", t->owned_count);
}

bool gr_owned_grow(gr_thread *t, uint32_t count)
{
    if (!t->scope) return false;
    warn_of_root(t);
    while (t->owned_capacity - t->owned_count < count)
        if (!gr_grow(&t->owned, &t->owned_capacity, t->owned_capacity, sizeof *t->owned)) return false;
    if (t->owned_count + count <= ROOT_RESULTS && t->owned_capacity > ROOT_RESULTS)
        t->owned_capacity = ROOT_RESULTS; /* to come back then */
    return true;
}

bool gr_own_object(gr_thread *t, gr_object *object)
{
    if (!gr_can_own(t)) return false;
    object->owned_at = t->owned_count;
    object->alive = GR_LIVE;
    t->owned[t->owned_count++] = (uintptr_t)object | GR_OWNS_OBJECT;
    return true;
}

/* The memory of a dead object, which holds nothing any more, is freed when GR_OBJECT_RING others have died. */
void gr_object_retire(gr_thread *t, gr_object *object)
{
    gr_object **place = &t->dead_object[t->oldest_object];
    gr_deallocate(*place);
    *place = object;
    t->oldest_object = (t->oldest_object + 1) % GR_OBJECT_RING;
}

/* An array that the open scope owns. */
void *gr_scope_memory(gr_thread *t, size_t bytes)
{
    if (!gr_can_own(t)) return NULL;
    gr_storage *s = gr_storage_take(t, bytes);
    if (!s) return NULL;
    t->owned[t->owned_count++] = (uintptr_t)s | GR_OWNS_STORAGE;
    return s->data;
}

/* ---- the ends ---- */

void gr_pool_close(gr_thread *t)
{
    for (int c = 0; c < GR_CLASSES; c++)
        while (t->pool[c]) {
            gr_storage *s = t->pool[c];
            t->pool[c] = s->next;
            common_put(s);
        }
    for (int i = 0; i < GR_OBJECT_RING; i++) gr_deallocate(t->dead_object[i]);
    headers_end(t);
    gr_deallocate(t->owned);
}

static void slabs_end(void **list)
{
    while (*list) {
        void *slab = *list, *next;
        memcpy(&next, slab, sizeof next);
        gr_deallocate(slab);
        *list = next;
    }
}

void gr_pool_end(void)
{
    pthread_mutex_lock(&common_lock);
    for (int c = 0; c < GR_CLASSES; c++) {
        if (gr_class_bytes(c) > SMALL) list_release(&common[c], c);
        common[c] = NULL;
    }
    atomic_store(&common_count, 0);
    slabs_end(&slabs);
    slabs_end(&header_slabs);
    spare_headers = NULL;
    slab_count = blocks_made = headers_made = 0;
    pthread_mutex_unlock(&common_lock);
}

/* ---- for the tests ---- */

static int64_t count_blocks(gr_storage *const *list)
{
    int64_t count = 0;
    for (int c = 0; c < GR_CLASSES; c++)
        for (const gr_storage *s = list[c]; s; s = s->next) count++;
    return count;
}

gr_pool_use gr_pool_look(const gr_thread *t)
{
    pthread_mutex_lock(&common_lock);
    gr_pool_use use = {blocks_made - count_blocks(common), headers_made, slab_count};
    for (const gr_tensor *header = spare_headers; header; header = header->base) use.headers--;
#ifdef GR_DEBUG
    use.headers -= gr_headers_retired;
#endif
    pthread_mutex_unlock(&common_lock);
    if (!t) return use;
    use.blocks -= count_blocks(t->pool);
    use.headers -= t->ready_count;
    for (int i = 0; i < GR_RING; i++) use.headers -= t->dead[i] != NULL;
    return use;
}
