/* device.c - the devices of the process, and its settings. */
#include "core/cpu/cpu.h"
#include "core/internal.h"

const gr_device_table *gr_devices[GR_DEVICES] = {&gr_cpu_device};

gr_device gr_cpu(void)
{
    return (gr_device){0, 0};
}

static _Atomic int default_place;

int gr_default_place(void)
{
    return atomic_load_explicit(&default_place, memory_order_relaxed);
}

bool gr_set_default_device_at(gr_device device, gr_site site)
{
    if (gr_error_stands()) return false;
    const int place = gr_device_place(device, 0, site, "set_default_device");
    if (place >= 0) atomic_store(&default_place, place);
    return place >= 0;
}

gr_device gr_default_device(void)
{
    return gr_place_device(gr_default_place());
}

bool gr_set_num_threads_at(int count, gr_site site)
{
    if (gr_error_stands()) return false;
    if (count >= 0 && count <= GR_PARALLEL_MAX) {
        gr_parallel_threads(count);
        return true;
    }
    gr_fail(GR_ERROR_ARGUMENT, site, "set_num_threads", "count is %d; must be 0 to %d", count, (int)GR_PARALLEL_MAX);
    return false;
}

int gr_num_threads(void)
{
    return gr_parallel_threads_now();
}

void gr_library_end(void)
{
    gr_parallel_shutdown();
    gr_device_memory_end();
}
