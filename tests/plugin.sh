#!/usr/bin/env bash
# Without a plug-in, a driver or a device, an error says which of them is missing and what to do, and the CPU goes on.
# Usage: tests/plugin.sh BUILD CC CPPFLAGS LDLIBS EMULATED_PLUGIN
# shellcheck disable=SC2086 # flags are several words on purpose
set -eu
build=$1 cc=$2 cppflags=$3 ldlibs=$4 plugin=$PWD/$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/first.c" <<'END'
#include <gradus.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    gr_tensor *x = gr_ones_with(GR_SHAPE(2), .device = gr_cuda(argc > 1 ? atoi(argv[1]) : 0));
    if (!x && !gr_error()) return 2;
    gr_error_clear();
    return gr_item(gr_sum(gr_ones(3))) == 3 && gr_cuda_is_available() == (argc > 1) ? x != NULL : 3;
}
END
$cc $cppflags "$work/first.c" "$build/libgradus.a" $ldlibs -o "$work/first"

# expect TEXT [ARGUMENT]: the call is refused with the text; the variables are the caller's.
expect() {
    local rc=0
    "$work/first" ${2-} 2>"$work/said" || rc=$?
    if [ $rc -ne 0 ] || ! grep -q "first.c:6: ones: $1" "$work/said"; then
        echo "tests/plugin.sh: status $rc, must say: $1" >&2
        cat "$work/said" >&2
        exit 1
    fi
}
GRADUS_CUDA_PLUGIN=$work/none.so expect "device is cuda:0: the plug-in libgradus_cuda.so was not found: .*none.so.*; must be built (make cuda, with nvcc) beside the library"
echo "int something;" | $cc -x c -shared -fPIC - -o "$work/other.so"
GRADUS_CUDA_PLUGIN=$work/other.so expect "device is cuda:0: the plug-in has no gr_cuda_open; must be this library's"
echo "const unsigned *gr_cuda_open(const void *host, int first) { static const unsigned api[64] = {99, 8}; return host && first ? api : 0; }" |
    $cc -x c -shared -fPIC - -o "$work/older.so"
GRADUS_CUDA_PLUGIN=$work/older.so expect "device is cuda:0: the plug-in has interface 99 of 8 bytes, the library 1 of [0-9]*; must be of one build"
export GRADUS_CUDA_PLUGIN=$plugin
GRADUS_EMULATOR_DRIVER=absent expect "device is cuda:0: the NVIDIA driver is missing or too old; must be one for this CUDA"
GRADUS_EMULATOR_DRIVER=old expect "device is cuda:0: the NVIDIA driver is missing or too old"
GRADUS_EMULATOR_DRIVER=none expect "device is cuda:0: no CUDA device is present or visible; must be one: see CUDA_VISIBLE_DEVICES"
expect "device is cuda:3; must be cuda:0 to cuda:0" 3
GRADUS_EMULATOR_DEVICES=2 expect "device is cuda:3; must be cuda:0 to cuda:1" 3
echo "plug-in, driver and device: each is told when it is missing"
