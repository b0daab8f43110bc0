#!/bin/sh
# device.sh - suites that hold for any device, on CUDA tensors: PLUGIN is the plug-in to open (the emulated one, or none of
# it for that beside the library). Usage: tests/device.sh BUILD [PLUGIN]
# The test program does not fork: neither CUDA nor the emulator's threads survive that.
set -eu
build=$1
if [ $# -gt 1 ]; then export GRADUS_CUDA_PLUGIN="$2"; fi
for suite in autograd view nn optim tricky; do
    echo "on cuda:0, suite $suite"
    CK_FORK=no CK_RUN_SUITE=$suite GRADUS_TEST_DEVICE=cuda "$build/tests/run"
done
