/* device.c - the devices of the process, and its settings. */
#include "core/cpu/cpu.h"
#include "core/internal.h"

const gr_device_table *gr_devices[GR_DEVICES] = {&gr_cpu_device};

gr_device gr_cpu(void)
{
    return (gr_device){0, 0};
}

bool gr_cuda_is_available(void)
{
    return gr_devices[1] != NULL;
}

bool gr_set_default_device_at(gr_device device, gr_site site)
{
    return gr_device_fits(device, site, "set_default_device");
}

bool gr_set_num_threads_at(int count, gr_site site)
{
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
