/* core.h - what core/ offers to programs: tensors, random numbers, files. */
#ifndef GR_CORE_H
#define GR_CORE_H
#include "core/base.h"
#include "core/csv.h"
#include "core/random.h"
#include "core/tensor.h"
#endif
