#!/usr/bin/env bash
# Bugs planted in the plug-in: each planted/*.patch is applied to a copy of the tree, the plug-in is built again, and the suite
# that the patch names must fail on it.  Usage: tests/cuda/planted.sh BUILD   (which has tests/run and the emulated plug-in)
# A patch begins with a sentence that says what the bug is, then "Caught: order suite", the order of the threads.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_CEILING_DIRECTORIES=$work
clean=$work/clean copy=$work/planted

# Variables of the make that runs this script are taken on, its -j and B are not.
unset MAKEFLAGS MFLAGS MAKELEVEL
settings=(B=build EMULATION=plain)
for name in CC CXX; do
    if [ -n "${!name:-}" ]; then settings+=("$name=${!name}"); fi
done
mkdir -p "$clean/build/emulator"
for entry in Makefile gradus.h core cuda autograd nn optim tests bench; do cp -a "$entry" "$clean/"; done
cp -a "$build/emulator/plain" "$clean/build/emulator/"

caught=0 failed=0
for patch in tests/cuda/planted/*.patch; do
    name=$(basename "$patch" .patch)
    read -r order suite < <(sed -n 's/^Caught: //p' "$patch")
    rm -rf "$copy"
    cp -a "$clean" "$copy"
    git -C "$copy" apply "$root/$patch"
    if ! make -C "$copy" -s -j"$(nproc)" "${settings[@]}" emulated >"$work/log" 2>&1; then
        echo "$name: ERROR, it does not compile: $(grep -m1 error "$work/log")"
        failed=1
    elif GRADUS_EMULATOR_ORDER=$order tests/device.sh "$build" "$copy/build/emulator/plain/libgradus_cuda.so" "$suite" >"$work/log" 2>&1; then
        echo "$name: ERROR, suite $suite passes: $(head -1 "$patch")"
        failed=1
    elif ! grep -a -m1 'test_[a-z_]*\.c:[0-9]*:\|cuda emulator' "$work/log" >"$work/first"; then
        echo "$name: ERROR, no test of suite $suite fails: $(tail -1 "$work/log")"
        failed=1
    else
        echo "$name: $(cat "$work/first")"
        caught=$((caught + 1))
    fi
done
echo "$caught planted bugs of the plug-in are caught"
exit $failed
