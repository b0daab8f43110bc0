/* host.h - included where <cuda_runtime.h> and <cuda_bf16.h> would be, when g++ compiles CUDA sources for the tests. */
#ifndef GR_EMULATOR_HOST_H
#define GR_EMULATOR_HOST_H
#include "intrinsics.h"
#include "kernel.h"
#include "launch.h"
#include "runtime.h"
#include "types.h"
#endif
