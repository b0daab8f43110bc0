#!/usr/bin/env bash
# Runs libFuzzer on each target for some seconds, beginning with the kept inputs. What it finds on the way stays in
# BUILD/corpus; an input that shows a fault goes to BUILD/findings, is named, and the status is not 0.
# Usage: tests/fuzz/run.sh BUILD SECONDS [FLAGS of libFuzzer]
set -eu
cd "$(dirname "$0")/../.."
build=$1 seconds=$2
shift 2

fuzz() {
    local target=$1 status=0
    shift
    mkdir -p "$build/corpus/$target" "$build/findings"
    "$build/tests/fuzz/${target}_fuzzer" -max_total_time="$seconds" -timeout=20 -entropic=0 -print_final_stats=1 \
        -artifact_prefix="$build/findings/$target-" "$@" "$build/corpus/$target" "tests/fuzz/corpus/$target" \
        >"$build/$target.log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        tail -60 "$build/$target.log"
        local input
        input=$(sed -n 's/.*Test unit written to //p' "$build/$target.log")
        {
            grep -aE '^tests/fuzz/.*:[0-9]+: |^SUMMARY' "$build/$target.log" || true
            echo "tests/fuzz/run.sh: $target has a finding; to see it again: base64 -d >FILE, $build/tests/fuzz/${target}_fuzzer FILE"
            if [ -f "$input" ]; then base64 -w 110 "$input"; fi
        } >&2
        exit 1
    fi
    sed -nE "s/^stat::number_of_executed_units: *([0-9]+)/$target: \1 inputs, no finding/p" "$build/$target.log"
}
fuzz csv -max_len=512 -malloc_limit_mb=64 -rss_limit_mb=512 "$@"
# A debug build never uses the header of a dead tensor again: memory grows with the number of programs, and each would be
# searched for leaks. The target itself asks the library after each whether all was given back.
fuzz program -max_len=480 -detect_leaks=0 -rss_limit_mb=6000 "$@"
