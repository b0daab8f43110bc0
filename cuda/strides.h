/* strides.h - from an element's number to where it lies in up to N tensors of any strides. Dimensions that lie one after the
 * other in all of them are one; division by their sizes is a multiplication. */
#ifndef GR_CUDA_STRIDES_H
#define GR_CUDA_STRIDES_H
#include "cuda/device.h"

/* n / size for 0 <= n < 2^31 by a multiplication.  Granlund, Montgomery 1994: with 2^shift >= size and
 * factor = floor(2^32 (2^shift - size) / size) + 1, n / size = (n factor / 2^32 + n) / 2^shift. */
struct gr_divisor {
    uint32_t size, factor, shift;
    gr_divisor() = default;
    explicit gr_divisor(uint32_t n) : size(n)
    {
        for (shift = 0; shift < 32 && ((uint64_t)1 << shift) < n; shift++) {}
        factor = (uint32_t)((((uint64_t)1 << 32) * (((uint64_t)1 << shift) - n)) / n + 1);
    }
    __device__ uint32_t divide(uint32_t n) const { return (__umulhi(n, factor) + n) >> shift; }
};

/* Elements of a launch, so that their numbers fit the division. device-cut makes it small: then all is cut. */
#ifndef GR_AT_ONCE
#define GR_AT_ONCE ((int64_t)1 << 30)
#endif

template <int N> struct gr_layout;

template <int N> struct gr_strides {
    int dim;
    gr_divisor size[GR_MAX_DIMS - 1]; /* of all dimensions but the first. With these numbers no byte is padding. */
    int64_t stride[GR_MAX_DIMS][N];

    /* Where element i lies in each tensor, in elements. */
    __device__ void at(uint32_t i, int64_t *offset) const
    {
        for (int k = 0; k < N; k++) offset[k] = 0;
        for (int d = dim - 1; d > 0; d--) {
            const uint32_t rest = size[d - 1].divide(i), place = i - rest * size[d - 1].size;
            for (int k = 0; k < N; k++) offset[k] += place * stride[d][k];
            i = rest;
        }
        for (int k = 0; k < N; k++) offset[k] += i * stride[0][k];
    }
    void set(const gr_layout<N> &from);
};

/* The same for any number of elements: beyond what a launch may count, the divisions are those of 64 bits. */
template <int N> struct gr_wide_strides {
    void set(const gr_layout<N> &from);
    __device__ void at(int64_t i, int64_t *offset) const
    {
        if (!wide) {
            strides.at((uint32_t)i, offset);
            return;
        }
        int64_t found[N]; /* so that `offset` stays in registers */
        at_wide(i, found);
        for (int k = 0; k < N; k++) offset[k] = found[k];
    }

private:
    __attribute__((noinline)) __device__ void at_wide(int64_t i, int64_t *offset) const
    {
        for (int k = 0; k < N; k++) offset[k] = 0;
        for (int d = strides.dim - 1; d >= 0; d--) {
            const int64_t rest = d ? i / size[d] : 0, place = i - rest * size[d];
            for (int k = 0; k < N; k++) offset[k] += place * strides.stride[d][k];
            i = rest;
        }
    }

    gr_strides<N> strides;
    int64_t size[GR_MAX_DIMS];
    int64_t wide; /* a bool; arguments of kernels have no padding */
};

/* The same on the host, before it is cut into launches. */
template <int N> struct gr_layout {
    int dim = 0;
    int64_t size[GR_MAX_DIMS], stride[GR_MAX_DIMS][N];

    void add(int64_t n, const int64_t *by)
    {
        if (n == 1) return;
        bool follows = dim > 0;
        for (int k = 0; k < N && follows; k++) follows = stride[dim - 1][k] == by[k] * n;
        const int at = follows ? dim - 1 : dim++;
        size[at] = follows ? size[at] * n : n;
        for (int k = 0; k < N; k++) stride[at][k] = by[k];
    }
    int64_t count() const
    {
        int64_t n = 1;
        for (int d = 0; d < dim; d++) n *= size[d];
        return n;
    }
    /* Every tensor's elements lie side by side, or it is one element everywhere (bit k of `single`). */
    bool flat(unsigned *single) const
    {
        *single = 0;
        if (dim > 1) return false;
        for (int k = 0; k < N && dim == 1; k++) {
            if (stride[0][k] == 0) *single |= 1u << k;
            else if (stride[0][k] != 1) return false;
        }
        return true;
    }
    /* Calls launch(strides, offsets of the first element, count) for parts of at most `most` elements, in their order. */
    template <class F> void parts(F launch, int64_t most = GR_AT_ONCE) const
    {
        int64_t first[N] = {0};
        part(first, launch, most > 1 ? most : 1);
    }

private:
    template <class F> void part(const int64_t *first, F &launch, int64_t most) const
    {
        const int64_t n = count();
        if (n <= most) {
            gr_strides<N> s;
            s.set(*this);
            launch(s, first, n);
            return;
        }
        /* the first dimension is halved, and halved again; it is never of size 1 */
        gr_layout<N> low = *this, high = *this;
        low.size[0] = size[0] / 2;
        high.size[0] = size[0] - low.size[0];
        int64_t second[N];
        for (int k = 0; k < N; k++) second[k] = first[k] + low.size[0] * stride[0][k];
        low.drop_ones();
        high.drop_ones();
        low.part(first, launch, most);
        high.part(second, launch, most);
    }
    void drop_ones()
    {
        if (dim == 0 || size[0] != 1) return;
        for (int d = 1; d < dim; d++) {
            size[d - 1] = size[d];
            for (int k = 0; k < N; k++) stride[d - 1][k] = stride[d][k];
        }
        dim--;
    }
};

/* Without dimensions it is one of size 1. Nothing is divided by the first. What is not used is 0. */
template <int N> void gr_strides<N>::set(const gr_layout<N> &from)
{
    *this = gr_strides<N>();
    dim = from.dim ? from.dim : 1;
    for (int d = 0; d < from.dim; d++) {
        if (d && from.size[d] > 0 && from.size[d] <= GR_AT_ONCE) size[d - 1] = gr_divisor((uint32_t)from.size[d]);
        for (int k = 0; k < N; k++) stride[d][k] = from.stride[d][k];
    }
}

template <int N> void gr_wide_strides<N>::set(const gr_layout<N> &from)
{
    *this = gr_wide_strides<N>();
    wide = from.count() > GR_AT_ONCE;
    strides.set(from);
    for (int d = 0; d < from.dim; d++) size[d] = from.size[d];
}

/* Stride of x along dimension d of `shape`, to which x is broadcast; of NULL it is 0. */
static inline int64_t gr_stride_in(const gr_tensor *x, const gr_tensor *shape, int d)
{
    const int own = x ? d - (shape->dim - x->dim) : -1;
    return own < 0 || x->axis[own].size == 1 ? 0 : x->axis[own].stride;
}

/* The layout of `shape`'s elements in N tensors that broadcast to it. */
template <int N> gr_layout<N> gr_layout_of(const gr_tensor *shape, const gr_tensor *const *x)
{
    gr_layout<N> l;
    for (int d = 0; d < shape->dim; d++) {
        int64_t by[N];
        for (int k = 0; k < N; k++) by[k] = gr_stride_in(x[k], shape, d);
        l.add(shape->axis[d].size, by);
    }
    return l;
}

#endif
