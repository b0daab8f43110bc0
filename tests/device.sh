#!/usr/bin/env bash
# device.sh - the test program on CUDA tensors: PLUGIN is the plug-in to open (the emulated one, or none of it for that beside
# the library). Usage: tests/device.sh BUILD [PLUGIN [SUITE ...]]
# With the emulator, and without suites: every kernel of the plug-in must have been launched.
# The suites that go through the table of cases go through as many on the CPU.
set -eu
build=$1
if [ $# -gt 1 ]; then export GRADUS_CUDA_PLUGIN="$2"; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
emulated=$(echo "${2-}" | grep emulator || true)
export GRADUS_TEST_DEVICE=cuda GRADUS_EMULATOR_DEVICES=2 TRIALS_OF='*'

fail() {
    echo "tests/device.sh: $1" >&2
    exit 1
}
# What a log says of the table's cases: how often each was tried; and how many checks there were.
tried() {
    grep -a -o '^tried [a-z0-9_]*' "$1" | sort | uniq -c || true
    grep -a -o 'Checks: [0-9]*' "$1"
}
same_cases() {
    GRADUS_TEST_DEVICE=cpu CK_RUN_SUITE=$1 "$build/tests/run" >"$work/log" 2>&1 || fail "suite $1 fails on the CPU"
    tried "$work/logs/$1.log" >"$work/cases"
    tried "$work/log" | diff - "$work/cases" >&2 || fail "suite $1 tries other cases on cuda:0 (>) than on the CPU (<)"
    grep -q tried "$work/cases" || fail "suite $1 does not say which cases it tries"
    echo "on both devices, suite $1: $(awk '/tried/ { n += $1; ops++ } END { print n " trials of " ops " ops" }' "$work/cases")"
}

# Not scalar, gemm, parallel, accuracy: loops of the CPU. Not faults, shortage: it is the host's memory that fails there, and
# emulated_failures has those of the device's own.
suites="kernels print csv csv_refused generator random tensor convert dtypes bfloat16 view view_rules reduce sums
        powers across corners matmul autograd in_place hooks scopes histories given_up gradients properties show graph anomaly tricky nn
        optim tutorial errors misuse memory threads device emulated emulated_failures"
if [ $# -gt 2 ]; then suites=${*:3}; fi
echo "on cuda:0:"
tests/suites.sh "$build" "$work/logs" $suites
for suite in $suites; do # those that go through the table of cases
    case $suite in bfloat16 | gradients | properties) same_cases "$suite" ;; esac
done
if [ $# -le 2 ]; then
    # The tutorial there: sums have another order, so the losses agree to five digits.
    "$build/demos/linear_regression" 0 cuda >"$work/demo" 2>&1 || { cat "$work/demo"; exit 1; }
    grep '^Epoch' tests/golden/tutorial_output.txt | paste - <(grep '^Epoch.*/1000' "$work/demo") |
        awk '{ a = $4; b = $8; d = a > b ? a - b : b - a; if (NF != 8 || d > 1e-5 * a) exit 1; n++ } END { if (n != 10) exit 1 }' ||
        { cat "$work/demo"; fail "the tutorial has other losses on cuda:0"; }
    grep -q "device='cuda:0'" "$work/demo" || fail "the tutorial does not say that it ran on cuda:0"
    echo "on cuda:0, demo linear_regression: PyTorch's losses to five digits"
fi
if [ $# -le 2 ] && [ -n "$emulated" ]; then
    # What the suites cannot afford: kernels for rows of millions of elements, in their shortest launch.
    GRADUS_EMULATOR_LAUNCHES=$work/logs/kernels_program.launches "$build/tests/gpu/kernels" >"$work/kernels" 2>&1 || { cat "$work/kernels"; exit 1; }
    awk '{ n = $1; $1 = ""; launched[$0] += n }
         END { for (k in launched) { count++; if (!launched[k]) { missing++; print "never launched:" k } }
               print count " kernels, " count - missing " of them launched"; exit missing > 0 || !count }' "$work"/logs/*.launches ||
        fail "the emulated plug-in does not say what it launched, or left out a kernel"
fi
