/* device_memory.c - blocks on devices other than the CPU: by size and per thread, like the CPU's.
 *
 * A thread works on a device in one stream, so what it frees it may use again at once. Blocks change threads only through
 * the common lists, after the stream has been waited for. Headers lie in host memory. */
#include <pthread.h>
#include <string.h>

#include "core/internal.h"

struct gr_device_pool {
    gr_storage *list[GR_CLASSES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static gr_storage *common[GR_DEVICES][GR_CLASSES];
static _Atomic int64_t reserved[GR_DEVICES], in_use[GR_DEVICES];

_Atomic bool gr_process_ends;
void (*_Atomic gr_devices_thread_end)(void);

/* In a debug build every block is the device's own, exact, and ends when it is freed: then tools see each byte too far. */
#ifdef GR_DEBUG
enum { EXACT = true };
#else
enum { EXACT = false };
#endif
/* Asking the device takes microseconds: small blocks are cut from slabs, which stay until the process ends.
 * They are aligned as the device aligns its own: vector loads and copies want it. */
enum { SLAB = 2 << 20, SMALL = 128 << 10, ALIGNED = 256 };
typedef struct slab {
    struct slab *next;
    void *memory;
} slab;
static slab *slabs;

int64_t gr_device_bytes(int device, bool of_the_pool)
{
    return atomic_load(of_the_pool ? &reserved[device] : &in_use[device]);
}

static gr_storage *new_header(int device, int size_class, size_t bytes, void *memory)
{
    gr_storage *s = gr_allocate(sizeof *s);
    if (!s) return NULL;
    memset(s, 0, sizeof *s);
    s->data = memory;
    s->size_class = (uint8_t)size_class;
    s->device = (uint8_t)device;
    s->bytes = bytes;
    atomic_init(&s->refs, 1);
    return s;
}

static void push(gr_storage **list, gr_storage *s)
{
    s->next = *list;
    *list = s;
}

static gr_storage *pop(gr_storage **list)
{
    gr_storage *s = *list;
    if (s) *list = s->next;
    return s;
}

static struct gr_device_pool *pool_of(gr_thread *t, int device)
{
    if (!t->device_pool[device] && (t->device_pool[device] = gr_allocate(sizeof *t->device_pool[device])))
        memset(t->device_pool[device], 0, sizeof *t->device_pool[device]);
    return t->device_pool[device];
}

static gr_storage *take_common(int device, int size_class)
{
    pthread_mutex_lock(&lock);
    gr_storage *s = pop(&common[device][size_class]);
    pthread_mutex_unlock(&lock);
    return s;
}

static void put_common(gr_storage *s)
{
    pthread_mutex_lock(&lock);
    push(&common[s->device][s->size_class], s);
    pthread_mutex_unlock(&lock);
}

static void *ask_device(int device, size_t bytes)
{
    void *memory = gr_devices[device]->allocate(device, bytes);
    if (memory) atomic_fetch_add(&reserved[device], (int64_t)bytes);
    return memory;
}

/* Cuts a slab into blocks, which wait in the thread's list. */
static bool cut_slab(struct gr_device_pool *pool, int device, int size_class, size_t bytes)
{
    slab *new = gr_allocate(sizeof *new);
    void *memory = new ? ask_device(device, SLAB) : NULL;
    if (!memory) {
        gr_deallocate(new);
        return false;
    }
    pthread_mutex_lock(&lock);
    *new = (slab){slabs, memory};
    slabs = new;
    pthread_mutex_unlock(&lock);
    const size_t step = (bytes + ALIGNED - 1) / ALIGNED * ALIGNED;
    for (size_t at = 0; at + step <= SLAB; at += step) {
        gr_storage *s = new_header(device, size_class, bytes, (char *)memory + at);
        if (s) push(&pool->list[size_class], s);
    }
    return pool->list[size_class] != NULL;
}

static void release(gr_storage *s)
{
    gr_devices[s->device]->release(s->device, s->data);
    atomic_fetch_sub(&reserved[s->device], (int64_t)s->bytes);
    gr_deallocate(s);
}

static gr_storage *grow(struct gr_device_pool *pool, int device, int size_class, size_t asked)
{
    const size_t bytes = EXACT ? asked + !asked : gr_class_bytes(size_class);
    if (bytes <= SMALL && !EXACT) return cut_slab(pool, device, size_class, bytes) ? pop(&pool->list[size_class]) : NULL;
    void *memory = ask_device(device, bytes);
    gr_storage *s = memory ? new_header(device, size_class, bytes, memory) : NULL;
    if (memory && !s) {
        gr_devices[device]->release(device, memory);
        atomic_fetch_sub(&reserved[device], (int64_t)bytes);
    }
    return s;
}

gr_storage *gr_device_storage_take(gr_thread *t, int device, size_t bytes)
{
    const int size_class = gr_class_of(bytes);
    struct gr_device_pool *pool = t->scope ? pool_of(t, device) : NULL;
    if (!pool) return NULL;
    gr_storage *s = EXACT ? NULL : pop(&pool->list[size_class]); /* exact: a block of the class may be too small */
    if (!s && !EXACT) s = take_common(device, size_class);
    if (!s) s = grow(pool, device, size_class, bytes);
    if (!s && gr_device_pool_release(t, device)) s = grow(pool, device, size_class, bytes);
    if (!s) return NULL;
    s->changed_by = NULL;
    atomic_fetch_add_explicit(&in_use[device], (int64_t)s->bytes, memory_order_relaxed);
    return s;
}

/* The thread may have no pool yet: another one made what it has adopted, or has shown last. */
void gr_device_storage_return(gr_thread *t, gr_storage *s)
{
    atomic_fetch_sub_explicit(&in_use[s->device], (int64_t)s->bytes, memory_order_relaxed);
    struct gr_device_pool *pool = EXACT && !gr_process_ends ? NULL : pool_of(t, s->device);
    if (pool) {
        push(&pool->list[s->size_class], s);
        return;
    }
    if (!gr_process_ends) gr_devices[s->device]->synchronise(s->device); /* others may take it now */
    if (EXACT && !gr_process_ends) release(s);
    else put_common(s);
}

static int64_t release_list(gr_storage **list)
{
    int64_t released = 0;
    for (gr_storage *s; (s = pop(list));) {
        released += (int64_t)s->bytes;
        release(s);
    }
    return released;
}

bool gr_device_pool_release(gr_thread *t, int device)
{
    struct gr_device_pool *pool = t->device_pool[device];
    int64_t released = 0;
    if (!gr_devices[device] || !gr_devices[device]->synchronise(device)) return false;
    for (int c = 0; c < GR_CLASSES; c++)
        if (gr_class_bytes(c) > SMALL) {
            if (pool) released += release_list(&pool->list[c]);
            pthread_mutex_lock(&lock);
            released += release_list(&common[device][c]);
            pthread_mutex_unlock(&lock);
        }
    return released > 0;
}

void gr_device_pools_end(gr_thread *t)
{
    if (gr_devices_thread_end && !gr_process_ends) gr_devices_thread_end(); /* waits: others may take the blocks now */
    for (int device = 1; device < GR_DEVICES; device++) {
        struct gr_device_pool *pool = t->device_pool[device];
        if (!pool) continue;
        pthread_mutex_lock(&lock);
        for (int c = 0; c < GR_CLASSES; c++)
            for (gr_storage *s; (s = pop(&pool->list[c]));) push(&common[device][c], s);
        pthread_mutex_unlock(&lock);
        gr_deallocate(pool);
        t->device_pool[device] = NULL;
    }
}

/* The last word of the process: headers go. The devices' memory goes with the process; at this point they may be gone. */
void gr_device_memory_end(void)
{
    pthread_mutex_lock(&lock);
    for (int device = 1; device < GR_DEVICES; device++)
        for (int c = 0; c < GR_CLASSES; c++)
            for (gr_storage *s; (s = pop(&common[device][c]));) gr_deallocate(s);
    while (slabs) {
        slab *next = slabs->next;
        gr_deallocate(slabs);
        slabs = next;
    }
    pthread_mutex_unlock(&lock);
}
