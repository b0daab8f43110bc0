/* compat.h - CUDA's headers, and the few things that nvcc and the emulator (tests/cuda) spell differently.
 * The only header of cuda/ that knows of both; g++ without nvcc compiles the same sources for the emulator.
 *
 *   GR_LAUNCH(kernel, grid, block, shared_bytes, stream, arguments...)   a template with a comma goes in brackets
 *   GR_SHARED(T, name);                                                  dynamic shared memory as T *name
 *   GR_UNROLL                                                            before a loop of fixed length
 *   GR_DLOPEN(name), GR_DLSYM(library, name)                             libraries that may be absent */
#ifndef GR_CUDA_COMPAT_H
#define GR_CUDA_COMPAT_H

#ifdef __CUDACC__
#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <dlfcn.h>

#define GR_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                  \
    (kernel)<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__)
/* One name and type for all kernels of a file: CUDA demands that. */
#define GR_SHARED(T, name)                                                                         \
    extern __shared__ __align__(16) unsigned char gr_shared_bytes[];                               \
    T *const name = reinterpret_cast<T *>(gr_shared_bytes)
#define GR_UNROLL _Pragma("unroll")
#define GR_DLOPEN(name) dlopen(name, RTLD_NOW | RTLD_LOCAL)
#define GR_DLSYM(library, name) dlsym(library, name)
#else
#include "tests/cuda/cublaslt.h"
#include "tests/cuda/host.h"
#define GR_UNROLL
#endif

#endif
