#!/usr/bin/env bash
# The loops of processors without AVX-512 or AVX2: with each, the suites whose numbers are PyTorch's bit for bit.
# Usage: tests/isa.sh BUILD
set -eu
build=$1
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for isa in base avx2; do
    for suite in random optim tutorial; do
        GRADUS_ISA=$isa CK_RUN_SUITE=$suite "$build/tests/run" >"$log" 2>&1 || {
            cat "$log"
            echo "tests/isa.sh: suite $suite fails with GRADUS_ISA=$isa" >&2
            exit 1
        }
        grep -a -q 'Checks: [1-9]' "$log" || { echo "tests/isa.sh: suite $suite has no test" >&2; exit 1; }
    done
    echo "GRADUS_ISA=$isa: PyTorch's numbers"
done
