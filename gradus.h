/* gradus.h - tensors, gradients, modules and optimizers: all of Gradus. */
#ifndef GRADUS_H
#define GRADUS_H
#include "autograd/autograd.h"
#include "core/core.h"
#include "nn/nn.h"
#include "optim/optim.h"
#endif
