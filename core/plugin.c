/* plugin.c - finds and opens the CUDA plug-in when a CUDA device is first asked for. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr */
#endif
#include "core/plugin.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/internal.h"

#ifndef GR_LIBRARY_FOLDER
#define GR_LIBRARY_FOLDER "/usr/local/lib"
#endif
#define PLUGIN "libgradus_cuda.so"
enum { FIRST = 1, PATH = 4096 };
_Static_assert(FIRST + GR_PLUGIN_DEVICES <= GR_DEVICES, "each device has a place");

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const gr_device_api *api;
static char why[512]; /* there is no device */

/* ---- what the plug-in may call ---- */

static void fail(gr_error_code kind, const char *text)
{
    gr_fail(kind, (gr_site){NULL, 0}, "cuda", "%s", text);
}

static void fail_at(gr_site site, const char *op, const char *text)
{
    gr_fail(GR_ERROR_ARGUMENT, site, op, "%s", text);
}

static gr_site running(const char **op)
{
    gr_site site = {NULL, 0};
    *op = "cuda";
    gr_running(gr_self(), &site, op);
    return site;
}

static gr_storage *borrow(int device, size_t bytes)
{
    gr_storage *s = gr_device_storage_take(gr_self(), device, bytes);
    return s ? s : gr_fail_memory((gr_site){NULL, 0}, "cuda", "a temporary", bytes);
}

static void give_back(gr_storage *s)
{
    gr_storage_drop(gr_self(), s);
}

/* ---- where it may be ---- */

static void *open_at(const char *folder, size_t length)
{
    char path[PATH];
    if (length + sizeof PLUGIN + 1 > sizeof path) return NULL;
    memcpy(path, folder, length);
    memcpy(path + length, "/" PLUGIN, sizeof "/" PLUGIN);
    return access(path, R_OK) == 0 ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

static void *open_beside(const char *file)
{
    const char *slash = file ? strrchr(file, '/') : NULL;
    return slash ? open_at(file, (size_t)(slash - file)) : NULL;
}

/* GRADUS_CUDA_PLUGIN, beside the library, beside the program, where `make install` puts it. */
static void *open_plugin(void)
{
    char program[PATH];
    Dl_info self;
    const char *given = getenv("GRADUS_CUDA_PLUGIN");
    if (given && *given) return dlopen(given, RTLD_NOW | RTLD_LOCAL);
    void *plugin = dladdr((const void *)(uintptr_t)&gr_cuda, &self) ? open_beside(self.dli_fname) : NULL;
    const ssize_t length = plugin ? -1 : readlink("/proc/self/exe", program, sizeof program - 1);
    if (length > 0) {
        program[length] = '\0';
        plugin = open_beside(program);
    }
    return plugin ? plugin : open_at(GR_LIBRARY_FOLDER, strlen(GR_LIBRARY_FOLDER));
}

static void open_once(void)
{
    static const gr_host_api host = {GR_PLUGIN_ABI, sizeof host, sizeof(gr_tensor), sizeof(gr_kernels), GR_ELEMENTWISE_COUNT,
                                     fail, fail_at, running, borrow, give_back};
    dlerror(); /* forgets what failed before */
    void *plugin = open_plugin();
    const char *error = plugin ? NULL : dlerror();
    void *found = plugin ? dlsym(plugin, "gr_cuda_open") : NULL;
    gr_plugin_open *open;
    memcpy(&open, &found, sizeof open);
    if (plugin && !found) {
        snprintf(why, sizeof why, "the plug-in has no gr_cuda_open; must be this library's: make cuda, with nvcc");
        return;
    }
    if (!plugin) {
        snprintf(why, sizeof why, "the plug-in " PLUGIN " was not found%s%s; must be built (make cuda, with nvcc) beside the library, or named by GRADUS_CUDA_PLUGIN",
                 error ? ": " : "", error ? error : "");
        return;
    }
    const gr_device_api *given = open(&host, FIRST);
    if (given->abi != GR_PLUGIN_ABI || given->size != sizeof *given)
        snprintf(why, sizeof why, "the plug-in has interface %u of %u bytes, the library %d of %zu; must be of one build: make, make cuda",
                 given->abi, given->size, GR_PLUGIN_ABI, sizeof *given);
    else if (given->count == 0)
        snprintf(why, sizeof why, "%s", given->why);
    else {
        api = given;
        gr_devices_thread_end = given->thread_end;
        for (int i = 0; i < given->count; i++) gr_devices[FIRST + i] = given->table[i];
    }
}

/* ---- devices by name ---- */

gr_device gr_cuda(int index)
{
    return (gr_device){1, (int8_t)(index < INT8_MIN ? INT8_MIN : index > INT8_MAX ? INT8_MAX : index)};
}

int gr_cuda_device_count(void)
{
    pthread_once(&once, open_once);
    return api ? api->count : 0;
}

bool gr_cuda_is_available(void)
{
    return gr_cuda_device_count() > 0;
}

int gr_device_place(gr_device device, int otherwise, gr_site site, const char *op)
{
    if (device.kind == -1) return otherwise;
    if (device.kind == 0 && device.index == 0) return 0;
    if (device.kind != 1)
        gr_fail(GR_ERROR_ARGUMENT, site, op, "device is kind %d, index %d; must be gr_cpu() or gr_cuda(i)", device.kind, device.index);
    else if (!gr_cuda_is_available())
        gr_fail(GR_ERROR_DEVICE, site, op, "device is cuda:%d: %s", device.index, why);
    else if (device.index >= 0 && device.index < api->count)
        return FIRST + device.index;
    else
        gr_fail(GR_ERROR_ARGUMENT, site, op, "device is cuda:%d; must be cuda:0 to cuda:%d", device.index, api->count - 1);
    return -1;
}

/* ---- what only CUDA has ---- */

static int cuda_place(int index, gr_site site, const char *op)
{
    return gr_device_place((gr_device){1, gr_cuda(index).index}, 0, site, op);
}

int64_t gr_cuda_memory_allocated_at(int index, gr_site site)
{
    const int place = cuda_place(index, site, "cuda_memory_allocated");
    return place < 0 ? -1 : gr_device_bytes(place, false);
}

int64_t gr_cuda_memory_reserved_at(int index, gr_site site)
{
    const int place = cuda_place(index, site, "cuda_memory_reserved");
    return place < 0 ? -1 : gr_device_bytes(place, true);
}

bool gr_cuda_empty_cache(void)
{
    for (int i = 0; i < gr_cuda_device_count(); i++) gr_device_pool_release(gr_self(), FIRST + i);
    return !gr_self()->failed;
}

bool gr_synchronize_at(gr_device device, gr_site site)
{
    gr_thread *t = gr_self();
    const int place = gr_device_place(device, gr_default_place(), site, "synchronize");
    t->outside = (gr_outside){"synchronize", site};
    return place >= 0 && gr_devices[place]->synchronise(place);
}

bool gr_set_float32_matmul_precision_at(gr_precision precision, gr_site site)
{
    if (gr_error_stands()) return false;
    if (precision != GR_HIGHEST && precision != GR_HIGH) {
        gr_fail(GR_ERROR_ARGUMENT, site, "set_float32_matmul_precision", "precision is %d; must be GR_HIGHEST or GR_HIGH",
                (int)precision);
        return false;
    }
    if (gr_cuda_is_available()) api->matmul_precision(precision == GR_HIGH);
    return true;
}
