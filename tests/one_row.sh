#!/usr/bin/env bash
# One row in core/elementwise.def is an op: in a copy of the tree a row is added and nothing else; then its gradients are
# tested with all others, and a program calls it, on the CPU and on an emulated GPU.  Usage: [B=build] tests/one_row.sh
set -eu
cd "$(dirname "$0")/.."
build=${B:-build}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

fail() {
    echo "tests/one_row.sh: $1" >&2
    exit 1
}

for entry in Makefile gradus.h core cuda autograd nn optim tests; do cp -a "$entry" "$copy/"; done
mkdir "$copy/build"
for entry in core autograd nn optim tests emulator; do
    if [ -d "$build/$entry" ]; then cp -a "$build/$entry" "$copy/build/"; fi
done
cd "$copy"
echo 'UNARY(cube, NONE, SAME, x * x * x, mul(dy, mul(C(3), square(x))), -2, 2, NO_EDGE)' >>core/elementwise.def

cat >cube.c <<'END'
#include <gradus.h>
#include <string.h>

static const char *heard = "";
static void hear(const char *text, void *data)
{
    (void)data;
    heard = text;
}

int main(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "cuda") || !gr_set_default_device(gr_cuda(0)))) return 6;
    gr_tensor *x = gr_requires_grad_(gr_arange(-1.0, 3.0, 1.0), true); /* -1 0 1 2 */
    gr_tensor *y = gr_cube(x);
    gr_backward(gr_sum(y));
    char tape[512];
    if (gr_tape_text(tape, sizeof tape) < 0 || !strstr(tape, "dx = mul(dy, mul(C(3), square(x)))")) return 5;
    if (gr_at(y, 3) != 8 || gr_at(y, 0) != -1 || gr_at(gr_grad(x), 3) != 12) return 1;
    gr_tensor *z = gr_arange(0, 4, 1); /* int64 stays int64 */
    if (gr_cube_(z) != z || gr_at(z, 3) != 27 || gr_dtype_of(z) != GR_INT64) return 2;
    if (gr_error()) return 3;
    gr_set_error_handler(hear, NULL);
    gr_tensor *none = NULL;
#line 77
    if (gr_cube(none) || strncmp(heard, "cube.c:77: cube: ", 17) != 0) return 4;
    return 0;
}
END

# Variables of the make that runs this script are taken on, its -j and B are not.
unset MAKEFLAGS MFLAGS MAKELEVEL
settings=(B=build)
for name in CC CXX BLAS OPT WERROR; do
    if [ -n "${!name:-}" ]; then settings+=("$name=${!name}"); fi
done
make -s -j"$(nproc)" "${settings[@]}" build/libgradus.a build/gradus.pc build/tests/run emulated >make.log 2>&1 || fail "it does not build: $(tail -20 make.log)"
# tried SUITE TIMES: the suite passes, and its trials of cube are at least so many.
tried() {
    CK_RUN_SUITE=$1 TRIALS_OF=cube build/tests/run >trials.log || fail "the $1 suite fails with the new row: $(grep -v '^tried' trials.log)"
    [ "$(grep -c '^tried cube$' trials.log)" -ge "$2" ] || fail "the $1 suite tries cube only $(grep -c '^tried cube$' trials.log) times"
}
# Gradients on every layout, their gradients, two precisions, views against copies; dtypes, in place, alone, twice, again.
tried gradients 160
tried properties 150
CK_RUN_SUITE=accuracy build/tests/run | grep -q 'note: cube has no promise' || fail "the accuracy suite does not see the new row"
# shellcheck disable=SC2046,SC2086 # several words on purpose
${CC:-cc} -std=c11 -Wall -Wextra -Werror -I. -Ibuild cube.c build/libgradus.a $(sed -n 's/^Libs.private: //p' build/gradus.pc) -o cube
./cube || fail "gr_cube: check $? failed"
plugin=$PWD/build/emulator/plain/libgradus_cuda.so
GRADUS_CUDA_PLUGIN=$plugin GRADUS_EMULATOR_LAUNCHES=launches ./cube cuda || fail "gr_cube on CUDA: check $? failed"
for dtype in f32 f64 bf16 i64 i32 u8; do
    grep -q "rows_of_$dtype::.*<cube_row" launches || fail "the plug-in has no kernel of cube for $dtype"
done
grep -q '^[1-9].*rows_of_f32::.*<cube_row' launches || fail "no kernel of cube was launched"
echo "one row is an op: gr_cube, gr_cube_, their gradients and their errors, and its CUDA kernels"
