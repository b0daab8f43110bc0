#!/usr/bin/env bash
# device.sh - the test program on CUDA tensors: PLUGIN is the plug-in to open (the emulated one, or none of it for that beside
# the library). Usage: tests/device.sh BUILD [PLUGIN [SUITE ...]]
# With the emulator, and without suites: every kernel of the plug-in must have been launched.
# The suites that go through the table of cases go through as many on the CPU.
# A suite without a single test fails, such as one of no known name, unless it says why it is left out.
set -eu
build=$1
if [ $# -gt 1 ]; then export GRADUS_CUDA_PLUGIN="$2"; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
emulated=$(echo "${2-}" | grep emulator || true)
export GRADUS_TEST_DEVICE=cuda GRADUS_EMULATOR_LAUNCHES=$work/launches GRADUS_EMULATOR_DEVICES=2

fail() {
    echo "tests/device.sh: $1" >&2
    exit 1
}
# What a log says of the table's cases: how often each was tried.
tried() {
    grep -a -o '^tried [a-z0-9_]*' "$1" | sort | uniq -c || true
}
same_cases() {
    GRADUS_TEST_DEVICE=cpu CK_RUN_SUITE=$1 TRIALS_OF='*' "$build/tests/run" >"$work/cpu_log" 2>&1 || fail "suite $1 fails on the CPU"
    tried "$work/cpu_log" >"$work/cpu_cases"
    diff "$work/cpu_cases" "$work/cases" >&2 || fail "suite $1 tries other cases on cuda:0 (>) than on the CPU (<)"
    echo "on both devices, suite $1: $(awk '{ n += $1 } END { print n }' "$work/cases") trials of $(wc -l <"$work/cases") ops" | tee -a "$work/compared"
}
run() {
    CK_RUN_SUITE=$1 TRIALS_OF='*' "$build/tests/run" >"$work/log" 2>&1 || { cat "$work/log"; fail "suite $1 fails on cuda:0"; }
    grep -a -q 'Checks: [1-9]' "$work/log" || grep -a -q '^left out' "$work/log" || fail "suite $1 has no test; is there one of that name?"
    grep -a '^left out' "$work/log" >>"$work/left" || true
    echo "on cuda:0, suite $1: $(grep -a -o 'Checks: [0-9]*' "$work/log" | head -1)"
    tried "$work/log" >"$work/cases"
    if [ -s "$work/cases" ]; then same_cases "$1"; fi
}

# Not scalar, gemm, parallel, accuracy: loops of the CPU. Not faults, shortage: it is the host's memory that fails there, and
# emulated has failures of the device's own.
suites="kernels print csv csv_refused generator random tensor convert dtypes bfloat16 view view_rules reduce sums
        corners matmul autograd in_place hooks scopes histories gradients properties show graph anomaly tricky nn
        optim tutorial errors misuse memory threads device emulated"
touch "$work/left"
for suite in ${*:3}; do run "$suite"; done
if [ $# -le 2 ]; then
    for suite in $suites; do run "$suite"; done
    [ -s "$work/compared" ] || fail "no suite said which cases it tried"
    # The tutorial there: sums have another order, so the losses agree to five digits.
    "$build/demos/linear_regression" 0 cuda >"$work/demo" 2>&1 || { cat "$work/demo"; exit 1; }
    grep '^Epoch' tests/golden/tutorial_output.txt | paste - <(grep '^Epoch.*/1000' "$work/demo") |
        awk '{ a = $4; b = $8; d = a > b ? a - b : b - a; if (NF != 8 || d > 1e-5 * a) exit 1; n++ } END { if (n != 10) exit 1 }' ||
        { cat "$work/demo"; fail "the tutorial has other losses on cuda:0"; }
    grep -q "device='cuda:0'" "$work/demo" || fail "the tutorial does not say that it ran on cuda:0"
    # What the suites cannot afford: kernels for rows of millions of elements, in their shortest launch.
    if [ -n "$emulated" ]; then "$build/tests/gpu/kernels" >"$work/kernels" 2>&1 || { cat "$work/kernels"; exit 1; }; fi
    echo "on cuda:0, demo linear_regression: PyTorch's losses to five digits"
fi
sort -u "$work/left"
echo "left out on this device: $(sort -u "$work/left" | wc -l) tests"
if [ $# -le 2 ] && [ -n "$emulated" ]; then
    [ -s "$work/launches" ] || fail "the emulated plug-in does not say what it launched"
    awk '{ n = $1; $1 = ""; launched[$0] += n }
         END { for (k in launched) { count++; if (!launched[k]) { missing++; print "never launched:" k } }
               print count " kernels, " count - missing " of them launched"; exit missing > 0 }' "$work/launches"
fi
