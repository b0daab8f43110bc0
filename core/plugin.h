/* plugin.h - what the library and a device plug-in tell each other. Plug-ins are C++ and link against nothing of the
 * library: they are opened at run time by core/plugin.c and take what they need as arguments. */
#ifndef GR_PLUGIN_H
#define GR_PLUGIN_H
#include "core/kernels.h"
#include "core/layout.h"

GR_BEGIN_C

enum { GR_PLUGIN_ABI = 1, GR_PLUGIN_DEVICES = 8 };

/* What the library offers. */
typedef struct {
    uint32_t abi, size;
    uint32_t tensor_bytes, kernels_bytes, rows; /* sizes of gr_tensor and gr_kernels, GR_ELEMENTWISE_COUNT: the same build */
    /* Reports an error of the call that runs, in this thread: the library adds the user's line and the call's name. */
    void (*fail)(gr_error_code kind, const char *text);
    /* The same of an earlier call: an index out of range, seen only now. */
    void (*fail_at)(gr_site site, const char *op, const char *text);
    /* The user's line and the name of the call that runs. */
    gr_site (*running)(const char **op);
    /* A temporary of the pool, given back when what uses it has been launched; NULL after reporting. */
    gr_storage *(*borrow)(int device, size_t bytes);
    void (*give_back)(gr_storage *block);
} gr_host_api;

/* What the plug-in is. */
typedef struct {
    uint32_t abi, size;
    int count;       /* devices */
    const char *why; /* there is none: what is missing, and what to do */
    const gr_device_table *table[GR_PLUGIN_DEVICES];
    void (*matmul_precision)(bool tf32); /* of float32 products */
    void (*thread_end)(void);            /* waits for this thread's streams, and ends them */
    bool (*memory)(int device, int64_t *unused, int64_t *total);
} gr_device_api;

/* The one function that a plug-in exports, "gr_cuda_open". first: the place of its first device in gr_devices. */
typedef const gr_device_api *gr_plugin_open(const gr_host_api *host, int first);

GR_END_C
#endif
