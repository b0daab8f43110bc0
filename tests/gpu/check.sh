#!/usr/bin/env bash
# Everything that needs a GPU, in under eight minutes: builds, runs the suites on the device, compute-sanitizer and the benchmark,
# and writes docs/gpu/report.md. Each step has a limit; one that fails is recorded, and the others still run. The exit status
# is 0 when all passed.  Usage: tests/gpu/check.sh FOLDER (for builds and logs)
#   NVCC, CC             the compilers
#   CHECK_DIR            where Debian's packages check and libsubunit-dev were unpacked (dpkg -x), if they are not installed
#   GRADUS_PYTHON        a Python with PyTorch, for its columns
#   GPU_CHECK_REPORT     another file than docs/gpu/report.md
# Needs no network. GRADUS_CUDA_PLUGIN must not be set: what is tested is what this builds.
set -u
cd "$(dirname "$0")/../.." || exit 1
folder=$1
build=$folder/gpu exact=$folder/gpu-exact
plugin=$build/libgradus_cuda.so
logs=$folder/gpu-logs
report=${GPU_CHECK_REPORT:-docs/gpu/report.md}
python=${GRADUS_PYTHON:-python3}
cc=${CC:-cc}
unset GRADUS_CUDA_PLUGIN BENCH_TINY BENCH_QUICK GRADUS_TEST_DEVICE

missing() {
    echo "gpu-check: $1" >&2
    exit 1
}
nvcc=${NVCC:-$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)}
command -v "${nvcc:-nvcc}" >/dev/null || missing "nvcc is missing; it comes with the CUDA toolkit, and must be on the path or named by NVCC="
command -v nvidia-smi >/dev/null || missing "there is no NVIDIA driver: nvidia-smi is missing"
device=$(nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader -i 0 2>/dev/null) || device=
[ -n "$device" ] || missing "there is no CUDA device: nvidia-smi shows none"
arch=$(echo "${device##*, }" | tr -d '. ')
cuda=$(cd "$(dirname "$(command -v "$nvcc")")/.." && pwd)
ldconfig -p 2>/dev/null | grep -q libcublasLt || export LD_LIBRARY_PATH="$cuda/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
PATH=$PATH:$cuda/bin

rm -rf "$logs"
mkdir -p "$logs" "$(dirname "$report")"

# ---- steps ----

# step NAME LIMIT COMMAND...: at most LIMIT seconds; leaves its output, and a line of the report.
step() {
    local name=$1 limit=$2 rc=0 began=$SECONDS result=passed
    local log=$logs/$name.log
    shift 2
    timeout -k 5 "$limit" "$@" >"$log" 2>&1 </dev/null || rc=$?
    [ $rc -eq 0 ] || result="**failed** (exit status $rc)"
    [ $rc -ne 124 ] && [ $rc -ne 137 ] || result="**failed** (stopped after $limit s)"
    echo "| ${name//_/ } | $result | $((SECONDS - began)) |" >"$logs/$name.step"
    echo "gpu-check: $((SECONDS)) s: ${name//_/ }: ${result//\**/FAILED, see $log}"
}
# The same beside the other steps, as many at a time as there are processors.
beside() {
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
    step "$@" &
}
build() {
    env -u MAKEFLAGS -u MAKELEVEL make -j"$(nproc)" CC="$cc" NVCC="$nvcc" CUDA_ARCHS="$arch" BLAS=no \
        ${CHECK_DIR:+CHECK_DIR="$CHECK_DIR"} "$@"
}
export -f build
export cc nvcc arch CHECK_DIR

# ---- builds: the library and its tests; without the pool, so that memory has exact bounds; the plug-in; the benchmark ----

[ -n "${CHECK_DIR:-}" ] || unset CHECK_DIR
beside 01_library_and_tests 150 bash -c "build B=$build all $build/tests/run"
beside 02_plug-in 150 bash -c "build B=$build cuda"
wait
beside 03_debug_build 100 bash -c "build B=$exact DEBUG=1 SAN= $exact/tests/run $exact/tests/gpu/kernels"
beside 04_benchmark_program 100 bash -c "build B=$build $build/bench/gpu/gpu"
wait

# ---- tests ----

# Each test opens the device, beside many others: what limits a test's time is the step.
export GRADUS_CUDA_PLUGIN=$plugin CUDA_MODULE_LOADING=LAZY CK_DEFAULT_TIMEOUT=0
sanitizer() { # tool, then what
    local tool=$1
    shift
    compute-sanitizer --tool "$tool" --error-exitcode 9 --report-api-errors no --print-limit 20 "$@"
}
export -f sanitizer

for tool in memcheck racecheck initcheck synccheck; do
    beside "20_${tool}_of_every_kernel" 170 bash -c "sanitizer $tool $exact/tests/gpu/kernels"
done
# Suites that run all ops, in one process each. (Not gradients: 800,000 launches for finite differences.)
for suite in properties corners sums matmul view convert dtypes nn optim; do
    beside "21_memcheck_of_$suite" 170 env CK_FORK=no CK_RUN_SUITE=$suite GRADUS_TEST_DEVICE=cuda \
        bash -c "sanitizer memcheck $exact/tests/run"
done
# Those that tests/device.sh names; emulated and emulated_failures are for the emulator.
suites=$(sed -n '/^suites="/,/"$/p' tests/device.sh | sed 's/^suites=//' | tr -d '"\n')
[ -n "$suites" ] || missing "tests/device.sh names no suites"
for suite in $suites; do
    [ "${suite#emulated}" = "$suite" ] || continue
    beside "10_suite_$suite" 170 env CK_LOG_FILE_NAME="$logs/$suite.tests" tests/device.sh "$build" "$plugin" "$suite"
done
beside 30_registers_and_operations 170 tests/gpu/kernels.sh "$build" cuobjdump "$cc"
wait

# ---- the benchmark, alone ----

step 40_benchmark 130 env GRADUS_PYTHON="$python" bench/gpu/run.sh "$build/bench/gpu/gpu"

# ---- the report ----

if grep -qE 'emulator|tiny sizes' "$logs/40_benchmark.log"; then missing "what ran was no GPU; no report is written"; fi

torch=$("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null || echo "missing")
failed=$(cat "$logs"/*.step | grep -c '\*\*failed')
tests() { grep -ahE '^[^ ]+:[0-9]+:[PFE]:' "$logs"/*.tests 2>/dev/null; }
{
    cat <<TEXT
# On a GPU

\`make gpu-check\` wrote this page.

| | |
|---|---|
| device | ${device%%,*}, compute capability ${device##*, } |
| driver | $(echo "$device" | cut -d, -f2 | tr -d ' ') |
| CUDA | $("$nvcc" --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p') |
| PyTorch | $torch |
| commit | $(git rev-parse --short HEAD 2>/dev/null || echo unknown)$(git diff --quiet HEAD 2>/dev/null || echo ", with changes") |
| date | $(date -u +%Y-%m-%d) |
| result | $([ "$failed" -eq 0 ] && echo "every step passed" || echo "**$failed steps failed**") |

## Steps

"Every kernel" is a program that launches each one: $(grep -ahoE '^[0-9]+ calls' "$logs"/20_memcheck*.log || echo no calls).
Registers: $(grep -ah 'kernels: at most' "$logs"/30_*.log || echo not known).

| step | result | seconds |
|---|---|--:|
TEXT
    cat "$logs"/*.step
    printf '\n## Tests\n\n%s tests passed, %s failed.\n\n' "$(tests | grep -cE ':[0-9]+:P:')" "$(tests | grep -cE ':[0-9]+:[FE]:')"
    echo '<details><summary>each</summary>'
    printf '\n```text\n'
    tests | sed -E 's/^([^:]+):[0-9]+:([PFE]):([^:]*):([^:]*):([0-9]+):/\2 \1 \4 \5:/' | sort
    printf '```\n\n</details>\n\n## Measurements\n\n'
    cat <<'TEXT'
Medians of blocks that take turns with the floor; PyTorch, eager, right after. The floor of memory is a device-to-device copy,
counted as what it reads and writes; that of products is the bare call of cuBLASLt. Speeds: above 1 Gradus is faster. W1 to
W3 are those of [bench.md](../bench.md). `host` is what a call costs the program while the device works.

TEXT
    cat "$logs/40_benchmark.log"
    for log in "$logs"/*.step; do
        grep -q '\*\*failed' "$log" || continue
        printf '\n## Failed: %s\n\n```text\n' "$(basename "$log" .step | tr _ ' ')"
        tail -n 25 "${log%.step}.log"
        echo '```'
    done
} >"$logs/report"
mv "$logs/report" "$report"
echo "gpu-check: $report is written after $SECONDS s; $failed steps failed"
[ "$failed" -eq 0 ]
