#!/usr/bin/env bash
# The emulator's own tests: run.sh FOLDER-OF-BUILDS "TESTS" [NVCC]. Every test in every build under several orders; every planted
# bug; and, where nvcc is, the same sources through it.
set -eu
folder=$1
tests=$2
nvcc=${3-}
cd "$(dirname "$0")/../.."
export ASAN_OPTIONS="${ASAN_OPTIONS-} detect_leaks=1"
for build in plain asan tsan; do
    for test in $tests; do
        for order in fwd rev 3 12345; do
            GRADUS_EMULATOR_ORDER=$order "$folder/$build/$test"
        done
    done
    GRADUS_EMULATOR_DEVICES=2 GRADUS_EMULATOR_PROTECT=1 "$folder/$build/test_emulator"
done
for test in $tests; do
    GRADUS_EMULATOR_PROTECT=1 "$folder/plain/$test"
done
tests/cuda/bugs.sh "$folder"
if [ -n "$nvcc" ]; then
    for source in tests/cuda/*.cu; do
        "$nvcc" -std=c++17 -arch=sm_80 -I. --fmad=false -Werror all-warnings -Xcompiler -Wall,-Wextra -c "$source" \
            -o "$folder/$(basename "$source").nvcc.o"
    done
    echo "nvcc: tests/cuda/*.cu compile"
fi
