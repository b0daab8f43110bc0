/* memory.cpp - device memory, pinned memory, and whose an address is.
 *
 * Each device has an arena, a range of addresses of its own. Blocks are taken from it in a circle, so a freed address comes
 * again as late as possible. Around each block lie fences: poisoned for ASan, else a pattern that is looked at after each
 * kernel that was given the block. New and freed memory is NaN (all bits set). In protect mode the arenas can be touched
 * only while the device works. */
#include "machine.h"
#include <array>
#include <deque>
#include <map>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef GR_EMULATOR_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace emulator {

enum : size_t {
    GRAIN = 512, /* of addresses and sizes; the fence before a block */
    MIB = 1 << 20,
    STEP = 16 * MIB, /* by which an arena is opened */
    KEPT = 256 * MIB /* freed memory that keeps its pattern; the rest goes back to the system */
};

struct arena {
    char *base = nullptr;
    size_t reserved = 0, opened = 0;
    size_t cursor = 0; /* where the next block is looked for */
    size_t used = 0;   /* bytes of live blocks, rounded up */
    std::map<const char *, size_t> live, dead;
};
typedef std::map<const char *, size_t> blocks;
typedef std::array<arena, MAX_DEVICES> arena_list;
static arena_list &arenas = lasting<arena_list>();
static blocks &pinned = lasting<blocks>(), &registered = lasting<blocks>();
static int openers; /* memory_access objects alive */
typedef std::deque<std::pair<char *, size_t>> freed_list;
static freed_list &recent = lasting<freed_list>(); /* still with its pattern */
static size_t recent_bytes;

/* Eight bytes at a time where they are aligned. */
static const uint64_t FENCE_WORD = 0xfff5fff5fff5fff5;
static bool is_aligned(const unsigned char *p)
{
    return (uintptr_t)p % sizeof FENCE_WORD == 0;
}
void set_fence(void *start, size_t bytes)
{
    auto p = (unsigned char *)start, end = p + bytes;
    for (; p < end && !(is_aligned(p) && end - p >= 8); p++) {
        *p = fence_byte(p);
    }
    for (; end - p >= 8; p += 8) {
        memcpy(p, &FENCE_WORD, 8);
    }
    for (; p < end; p++) {
        *p = fence_byte(p);
    }
}
const void *broken_fence(const void *start, size_t bytes)
{
    auto p = (const unsigned char *)start, end = p + bytes;
    while (p < end) {
        if (is_aligned(p) && end - p >= 8 && memcmp(p, &FENCE_WORD, 8) == 0) {
            p += 8;
        } else if (*p == fence_byte(p)) {
            p++;
        } else {
            return p;
        }
    }
    return nullptr;
}

static size_t rounded(size_t bytes)
{
    return (bytes + GRAIN - 1) / GRAIN * GRAIN;
}

static void allow_all(bool access)
{
    for (arena &a : arenas) {
        if (a.opened) {
            mprotect(a.base, a.opened, access ? PROT_READ | PROT_WRITE : PROT_NONE);
        }
    }
}
memory_access::memory_access()
{
    if (openers++ == 0 && setting.protect) {
        allow_all(true);
    }
}
memory_access::~memory_access()
{
    if (--openers == 0 && setting.protect) {
        allow_all(false);
    }
}
void set_protection(bool on)
{
    setting.protect = on;
    if (openers == 0) {
        allow_all(!on);
    }
}

/* ---- blocks ---- */

static void mark(char *start, size_t bytes, bool reachable)
{
#ifdef GR_EMULATOR_ASAN
    if (reachable) {
        __asan_unpoison_memory_region(start, bytes);
    } else {
        __asan_poison_memory_region(start, bytes);
    }
#else
    (void)start, (void)bytes, (void)reachable;
#endif
}

#ifdef GR_EMULATOR_ASAN
static void set_fences(char *, size_t) {}
void check_fences(int, const void *, const char *) {}
#else
/* What lies before and behind a block, up to the neighbours' fences. */
static void fence_ranges(const char *start, size_t bytes, const char **range, size_t *size)
{
    range[0] = start - GRAIN;
    size[0] = GRAIN;
    range[1] = start + bytes;
    size[1] = rounded(bytes) - bytes + GRAIN;
}
static void set_fences(char *start, size_t bytes)
{
    const char *range[2];
    size_t size[2];
    fence_ranges(start, bytes, range, size);
    set_fence((char *)range[0], size[0]);
    set_fence((char *)range[1], size[1]);
}

void check_fences(int device, const void *p, const char *who)
{
    place at = find_place(p);
    if (at.kind != place::device_memory || at.device != device) {
        return;
    }
    memory_access access;
    const char *range[2];
    size_t size[2];
    fence_ranges(at.start, at.bytes, range, size);
    for (int side = 0; side < 2; side++) {
        if (const void *broken = broken_fence(range[side], size[side])) {
            std::string text = describe(broken);
            set_fences((char *)at.start, at.bytes);
            fault(device, cudaErrorIllegalAddress, "%s wrote out of bounds: %s", who, text.c_str());
            return;
        }
    }
}

#endif

static bool reserve(arena *a)
{
    if (!a->base) {
        size_t bytes = std::max(4 * setting.memory, (size_t)16 << 30);
        void *base = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (base == MAP_FAILED) {
            return false;
        }
        const uintptr_t huge = 2 * MIB;
        a->base = (char *)(((uintptr_t)base + huge - 1) & ~(huge - 1));
        a->reserved = bytes - huge;
    }
    return true;
}
static bool open_up_to(arena *a, size_t end)
{
    if (end > a->opened) {
        size_t opened = std::min((end + STEP - 1) / STEP * STEP, a->reserved);
        if (mprotect(a->base, opened, PROT_READ | PROT_WRITE) != 0) {
            return false;
        }
        madvise(a->base + a->opened, opened - a->opened, MADV_HUGEPAGE); /* protection changes for fewer pages */
        mark(a->base + a->opened, opened - a->opened, false);
        a->opened = opened;
    }
    return true;
}

/* The next gap in the circle that holds `whole` bytes, or NULL. */
static char *find_gap(arena *a, size_t whole)
{
    for (int round = 0; round < 2; round++) {
        while (a->cursor + whole <= a->reserved) {
            char *at = a->base + a->cursor;
            auto next = a->live.lower_bound(at);
            if (next == a->live.end() || next->first >= at + whole) {
                return at;
            }
            a->cursor = (size_t)(next->first - a->base) + rounded(next->second);
        }
        a->cursor = 0;
    }
    return nullptr;
}

cudaError_t allocate(int device, void **memory, size_t bytes)
{
    arena *a = &arenas[device];
    *memory = nullptr;
    if (bytes == 0) {
        return cudaSuccess;
    }
    if (bytes > setting.memory || a->used + rounded(bytes) > setting.memory || !reserve(a)) {
        return cudaErrorMemoryAllocation;
    }
    memory_access access;
    size_t whole = rounded(bytes) + 2 * GRAIN;
    char *gap = find_gap(a, whole);
    if (!gap || !open_up_to(a, (size_t)(gap - a->base) + whole)) {
        return cudaErrorMemoryAllocation;
    }
    char *start = gap + GRAIN;
    a->cursor = (size_t)(gap - a->base) + whole - GRAIN; /* neighbours share a fence */
    a->dead.erase(a->dead.lower_bound(gap), a->dead.lower_bound(gap + whole));
    a->live[start] = bytes;
    a->used += rounded(bytes);
    mark(start, bytes, true);
    memset(start, UNSET, bytes);
    set_fences(start, bytes);
    counts.allocations++;
    counts.live_allocations++;
    counts.live_bytes += (int64_t)bytes;
    *memory = start;
    return cudaSuccess;
}

/* Whole pages of what was freed long ago go back to the system. */
static void forget_old()
{
    while (recent_bytes > KEPT) {
        auto [start, bytes] = recent.front();
        recent.pop_front();
        recent_bytes -= bytes;
        bool taken = false;
        for (const arena &a : arenas) {
            /* behind the last block that begins, or whose fence does, before the end */
            auto last = a.live.lower_bound(start + bytes + GRAIN);
            taken |= last != a.live.begin() && (--last)->first + rounded(last->second) + GRAIN > start;
        }
        auto page = (uintptr_t)sysconf(_SC_PAGESIZE);
        auto first = ((uintptr_t)start + page - 1) & ~(page - 1), last = ((uintptr_t)start + bytes) & ~(page - 1);
        if (!taken && last > first) {
            madvise((void *)first, last - first, MADV_DONTNEED);
        }
    }
}

cudaError_t release(int device, void *memory)
{
    if (!memory) {
        return cudaSuccess;
    }
    arena *a = &arenas[device];
    auto found = a->live.find((const char *)memory);
    if (found == a->live.end()) {
        return refuse(cudaErrorInvalidValue, "cudaFree: %p: %s", memory, describe(memory).c_str());
    }
    check_fences(device, memory, "cudaFree finds that someone");
    size_t bytes = found->second;
    memory_access access;
    memset(memory, UNSET, bytes);
    mark((char *)memory, bytes, false);
    a->dead[found->first] = bytes;
    a->live.erase(found);
    a->used -= rounded(bytes);
    counts.frees++;
    counts.live_allocations--;
    counts.live_bytes -= (int64_t)bytes;
    recent.emplace_back((char *)memory, bytes);
    recent_bytes += bytes;
    forget_old();
    return cudaSuccess;
}

size_t used_memory(int device)
{
    return arenas[device].used;
}

/* ---- pinned memory ---- */

void *allocate_pinned(size_t bytes)
{
    void *start = nullptr;
    if (posix_memalign(&start, GRAIN, bytes) != 0) {
        return nullptr;
    }
    memset(start, UNSET, bytes);
    pinned[(const char *)start] = bytes;
    return start;
}
bool release_pinned(void *memory)
{
    bool known = pinned.erase((const char *)memory) == 1;
    if (known) {
        free(memory);
    }
    return known;
}
void register_host(void *memory, size_t bytes)
{
    registered[(const char *)memory] = bytes;
}
bool unregister_host(void *memory)
{
    return registered.erase((const char *)memory) == 1;
}

/* ---- whose an address is ---- */

/* The block that holds p, or ends there, or begins before it. */
static blocks::const_iterator before(const blocks &all, const void *p)
{
    auto next = all.upper_bound((const char *)p);
    return next == all.begin() ? all.end() : --next;
}

place find_place(const void *p)
{
    auto at = (const char *)p;
    for (int d = 0; d < MAX_DEVICES; d++) {
        const arena &a = arenas[d];
        if (!a.base || at < a.base || at >= a.base + a.reserved) {
            continue;
        }
        auto live = before(a.live, p);
        if (live != a.live.end() && at <= live->first + live->second) {
            return {place::device_memory, d, live->first, live->second};
        }
        auto dead = before(a.dead, p);
        bool known = dead != a.dead.end() && at < dead->first + dead->second;
        return {place::freed_memory, d, known ? dead->first : nullptr, known ? dead->second : 0};
    }
    for (const blocks *all : {&pinned, &registered}) {
        auto found = before(*all, p);
        if (found != all->end() && at <= found->first + found->second) {
            return {place::pinned_memory, 0, found->first, found->second};
        }
    }
    return {place::unknown, 0, nullptr, 0};
}

bool inside_device_memory(int device, const void *p, size_t bytes)
{
    place at = find_place(p);
    return at.kind == place::device_memory && at.device == device && bytes <= at.bytes_from(p);
}

static std::string near_block(const arena &a, int device, const char *p)
{
    char text[160];
    auto found = before(a.live, p);
    auto next = a.live.upper_bound(p);
    if (found != a.live.end() && (next == a.live.end() || p - found->first - (int64_t)found->second <= next->first - p)) {
        snprintf(text, sizeof text, "%lld bytes behind the end of a block of %zu bytes on device %d",
                 (long long)(p - found->first) - (long long)found->second, found->second, device);
    } else if (next != a.live.end()) {
        snprintf(text, sizeof text, "%lld bytes before a block of %zu bytes on device %d", (long long)(next->first - p),
                 next->second, device);
    } else {
        snprintf(text, sizeof text, "no block of device %d", device);
    }
    return text;
}

std::string describe(const void *p)
{
    char text[160];
    place at = find_place(p);
    if (at.kind == place::freed_memory && !at.start) {
        return near_block(arenas[at.device], at.device, (const char *)p);
    }
    if (at.kind == place::device_memory && (const char *)p == at.start + at.bytes) {
        return near_block(arenas[at.device], at.device, (const char *)p);
    }
    const char *kind = at.kind == place::device_memory ? "a live block"
                       : at.kind == place::freed_memory ? "a freed block"
                                                        : "pinned host memory";
    if (at.kind == place::unknown) {
        return p ? "no device memory" : "NULL";
    }
    snprintf(text, sizeof text, "byte %zu of %s of %zu bytes", (size_t)((const char *)p - at.start), kind, at.bytes);
    std::string result = text;
    return at.kind == place::pinned_memory ? result : result + " on device " + std::to_string(at.device);
}

} // namespace emulator
