/* transfer.c - elements from one device to another, and to and from the host. */
#include "core/internal.h"

gr_device gr_place_device(int place)
{
    return place == 0 ? (gr_device){0, 0} : (gr_device){1, (int8_t)(place - 1)};
}

/* Bytes side by side; between two devices by way of the host. */
static bool move(gr_thread *t, gr_tensor *y, const gr_tensor *x)
{
    const size_t bytes = (size_t)x->numel * gr_dtype_size[x->dtype];
    if (x->device == 0) return gr_devices[y->device]->upload(y->device, y->data, x->data, bytes);
    if (y->device == 0) return gr_devices[x->device]->download(x->device, y->data, x->data, bytes);
    gr_storage *host = gr_storage_take(t, bytes);
    if (!host) return gr_fail_memory((gr_site){NULL, 0}, "to", "the elements on their way", bytes) != NULL;
    const bool ok = gr_devices[x->device]->download(x->device, host->data, x->data, bytes) &&
                    gr_devices[y->device]->upload(y->device, y->data, host->data, bytes);
    gr_storage_drop(t, host);
    return ok;
}

gr_tensor *gr_host_like(gr_thread *t, const gr_tensor *x, gr_dtype dtype)
{
    const gr_shape sizes = gr_sizes_of(x);
    return gr_tensor_sized(t, dtype, 0, sizes.count, sizes.size);
}

static gr_tensor *temporary(gr_thread *t, const gr_tensor *x, gr_dtype dtype, uint8_t device)
{
    const gr_shape sizes = gr_sizes_of(x);
    gr_tensor *y = gr_tensor_sized(t, dtype, device, sizes.count, sizes.size);
    if (!y) gr_fail_memory((gr_site){NULL, 0}, "to", "the elements on their way", (size_t)x->numel * gr_dtype_size[dtype]);
    return y;
}

bool gr_transfer(gr_tensor *y, const gr_tensor *x)
{
    gr_thread *t = gr_self();
    if (y->device == x->device) {
        gr_kernels_of(y)->copy(y, x);
        return true;
    }
    if (y->numel == 0) return true;
    gr_tensor *from = NULL, *to = NULL; /* what has to be made: x row-major in y's dtype, and that on y's device */
    const bool as_it_is = x->contiguous && x->dtype == y->dtype, straight = y->contiguous && y->numel == x->numel;
    bool ok = as_it_is || (from = temporary(t, x, (gr_dtype)y->dtype, x->device)) != NULL;
    if (ok && from) gr_kernels_of(from)->copy(from, x);
    ok = ok && (straight || (to = temporary(t, x, (gr_dtype)y->dtype, y->device)) != NULL);
    ok = ok && move(t, to ? to : y, from ? from : x);
    if (ok && to) gr_kernels_of(y)->copy(y, to);
    if (from) gr_tensor_discard(t, from);
    if (to) gr_tensor_discard(t, to);
    return ok;
}
