#!/usr/bin/env bash
# suites.sh - the suites of the test program, as many at once as there are CPUs, each in a process of its own.
# Usage: tests/suites.sh BUILD LOGS [SUITE ...]     without names: all, the longest first
# LOGS is a folder: SUITE.log is what a suite says, SUITE.launches what the emulator counts meanwhile.
# A suite without a single test fails, unless it says why it is left out.
set -eu
build=$1 logs=$2
shift 2
if [ $# = 0 ]; then
    all=$(sed -n 's/^ *SUITE(\([a-z0-9_]*\)).*/\1/p' "$(dirname "$0")/suites.h")
    set -- faults $(echo "$all" | grep -vx faults)
fi
mkdir -p "$logs"
rm -f "$logs"/*.log "$logs"/*.launches
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

run() {
    local log=$logs/$1.log
    CK_RUN_SUITE=$1 GRADUS_EMULATOR_LAUNCHES=$logs/$1.launches "$build/tests/run" >"$log" 2>&1 ||
        { cat "$log"; echo "tests/suites.sh: suite $1 fails"; exit 1; } >&2
    grep -a -q 'Checks: [1-9]' "$log" || grep -a -q "^left out.* suite $1\\b" "$log" || { echo "tests/suites.sh: suite $1 has no test" >&2; exit 1; }
    echo "suite $1: $(grep -a -o 'Checks: [0-9]*' "$log" | head -1)"
}
running=0
for suite; do
    if [ "$running" -lt "$(nproc)" ]; then running=$((running + 1)); else wait -n; fi
    run "$suite" &
done
for ((; running > 0; running--)); do wait -n; done
left=$(grep -a -h '^left out\|^skipped' "$logs"/*.log | sort -u || true)
checks=$(grep -a -h -o 'Checks: [0-9]*' "$logs"/*.log | awk '{ n += $2 } END { print n }')
echo "$left"
echo "$# suites: $checks checks pass; $(echo "$left" | grep -c . || true) left out"
