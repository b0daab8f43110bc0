#!/usr/bin/env bash
# What gcc's analyzer and cppcheck say of the library: nothing. No file, line or check is left out.
# Usage: tests/analyze.sh BUILD "CPPFLAGS"
set -eu
build=$1 flags="$2 -I. -I$1 -DGR_ASSERTIONS -DGR_ISA=base"
found=$(printf '%s\n' core/*.c core/cpu/*.c autograd/*.c nn/*.c optim/*.c |
    xargs -P "$(nproc)" -I{} gcc $flags -std=c11 -O1 -fwrapv -fanalyzer -c {} -o /dev/null 2>&1 || true)
found="$found$(cppcheck -q -j "$(nproc)" --std=c11 --enable=warning,performance,portability -I. -I"$build" \
    -D_POSIX_C_SOURCE=200809L core autograd nn optim 2>&1 || true)"
if [ -n "$found" ]; then echo "$found" >&2; exit 1; fi
echo "gcc -fanalyzer and cppcheck find nothing in $(ls core/*.c core/cpu/*.c autograd/*.c nn/*.c optim/*.c | wc -l) files"
