#!/usr/bin/env bash
# What nvcc made of the kernels: their registers, that none spills, and that no product and sum became one operation (FMA)
# where the source has none, so that the bits are those of the CPU.  Usage: tests/gpu/kernels.sh BUILD CUOBJDUMP CC
# BUILD/cuda holds the objects and, beside each, what the assembler said (-Xptxas -v). A line per kernel goes to
# BUILD/cuda/kernels.txt.
set -eu
cd "$(dirname "$0")/../.."
build=$1 cuobjdump=$2 cc=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "gpu-report: $1" >&2
    exit 1
}
command -v "$cuobjdump" >/dev/null || fail "cuobjdump is missing (CUOBJDUMP=path names it); it comes with the CUDA toolkit"
objects=$(ls "$build"/cuda/*.o)
for object in $objects; do [ -e "$object.log" ] || fail "$object.log is missing; make clean, make cuda"; done

# ---- registers and spills: kernel, architecture, registers, stack, bytes spilled ----

cat "$build"/cuda/*.o.log | awk '
    /Compiling entry function/ { split($0, part, "\047"); entry = part[2]; arch = part[4] }
    /Function properties for/ { name = $NF }
    /bytes spill stores/ { stack[name, arch] = $1; spilled[name, arch] = $5 + $9 }
    /Used [0-9]+ registers/ { match($0, /Used [0-9]+/); registers[entry, arch] = substr($0, RSTART + 5, RLENGTH - 5) }
    END { # a function that kernels call has no registers of its own
        for (key in stack) { split(key, of, SUBSEP); print of[1], of[2], key in registers ? registers[key] : 0, stack[key], spilled[key] }
    }
' | sort >"$work/usage"
[ -s "$work/usage" ] || fail "the assembler named no kernel"
{
    echo "# kernel | architecture, registers, bytes of stack, bytes spilled"
    awk '{ print $1 " | " $2, $3, $4, $5 }' "$work/usage" | c++filt
} >"$build/cuda/kernels.txt"
awk '{ n += $3 > 0; if ($3 > most) most = $3; if ($5 > 0) spill++; if ($4 > 0) stack++ }
    END { printf "%d kernels: at most %d registers, %d with a stack, %d spill\n", n, most, stack, spill + 0 }' "$work/usage"
grep -v '^#' "$build/cuda/kernels.txt" | awk -F ' \\| ' '{ split($NF, v, " "); if (v[4] > 0) print "spills:", $0 }' >"$work/spills"

# ---- operations: object, kernel, how many of the kind ----

# Texts of the rows, expanded: "name_row text" and for gradients "name_a_row text".
cat >"$work/rows.c" <<'ROWS'
#define is_nan(x) ((x) != (x))
#define UNARY(name, params, types, value, back, lo, hi, edges) ROW name##_row value ROW name##_a_row back
#define BINARY(name, params, types, value, back_a, back_b, lo, hi, edges) \
    ROW name##_row value ROW name##_a_row back_a ROW name##_b_row back_b
#define TERNARY(name, params, types, value, back_a, back_b, back_c, lo, hi, edges) \
    ROW name##_row value ROW name##_a_row back_a ROW name##_b_row back_b ROW name##_c_row back_c
#define PREDICATE(name, params, types, value, lo, hi, edges) ROW name##_row value
#define COMPARE(name, params, types, value, lo, hi, edges) ROW name##_row value
#include "core/elementwise.def"
ROWS
$cc -E -P -I. "$work/rows.c" | tr '\n' ' ' | sed 's/ROW /\n/g' | sed '/^ *$/d' >"$work/rows"

# PTX: what is fused already there (fma), what the assembler might fuse (no rounding said), and what it writes with fused
# operations itself: divisions and roots.
# SASS: fused operations on float32 and float64. (HFMA2 is how constants are loaded; there is no 16-bit arithmetic.)
look() {
    local object=$1 tag
    tag=$(basename "$object" .o)
    "$cuobjdump" -ptx "$object" | awk -v tag="$tag" '
        /^(\.visible |\.weak )*\.(entry|func)/ { match($0, /_[A-Za-z0-9_$]+\(?$/); name = substr($0, RSTART); sub(/\($/, "", name) }
        /fma\.[a-z.]*f(32|64)/ { fma[name]++ }
        /__internal_/ && !/^\./ { fma[name]++ } # calls a function of CUDA'"'"'s library
        /(add|sub|mul|mad)\.(ftz\.|sat\.)*f(32|64)/ { loose[name]++ }
        /(div|sqrt|rsqrt|rcp)\.[a-z.]*f(32|64)/ { divides[name]++ }
        /^[a-z@%].*;/ { seen[name] }
        END { for (name in seen) print "ptx", tag, name, fma[name] + 0, loose[name] + 0, divides[name] + 0 }'
    "$cuobjdump" -sass "$object" | awk -v tag="$tag" '
        /Function :/ { name = $3; seen[name] }
        / (FFMA|DFMA)[. ]/ { fused[name]++ }
        END { for (name in seen) print "sass", tag, name, fused[name] + 0 }'
}
for object in $objects; do look "$object" >"$work/$(basename "$object").operations" & done
wait
cat "$work"/*.operations >"$work/operations"

# The float32 functions of core/scalar_f32.h are written with fma, and so are the float64 ones of CUDA's library: rows that call
# one may hold it. update.def says fma where PyTorch fuses.
awk '
    FILENAME ~ /rows$/ {
        calls[$1] = $0 ~ /[^a-z_](exp|log|log1p|log1p_exp|expm1|sin|cos|tanh|sigmoid|erf|pow|gelu_[a-z_]+) *\(/
        rows++
        next
    }
    # The row in a mangled name: ...7exp_rowE...
    function row_of(name) { return match(name, /[0-9][a-z][a-z0-9_]*_row[A-Z]/) ? substr(name, RSTART + 1, RLENGTH - 2) : "" }
    function may_fuse(tag, name,   row) {
        if (name ~ /^(_internal|__internal)/ || tag == "update") return 1
        row = row_of(name)
        return row != "" && calls[row]
    }
    $1 == "ptx" {
        kernels++
        if ($5) bad("the assembler may join a product and a sum", $2, $3)
        if ($4 && !may_fuse($2, $3)) bad("a fused operation that the source does not have", $2, $3)
        if ($4) fused++
        if ($4 || $6) allowed[$2, $3]
        if (row_of($3) != "" && !(row_of($3) in calls)) bad("its row is not in elementwise.def", $2, $3)
    }
    $1 == "sass" {
        code++
        if ($4 && !(($2, $3) in allowed)) bad("the assembler joined a product and a sum", $2, $3)
        if ($4) holds++
    }
    function bad(what, tag, name) { print what ": " tag ": " name; failures++ }
    END {
        if (!rows || !kernels || !code) bad("nothing to look at:", rows " rows, " kernels " kernels in PTX, " code " in SASS")
        printf "%d functions in PTX, %d with an explicit fma; %d in SASS, %d with one, from there or from a division or root\n",
            kernels, fused, code, holds
        exit failures > 0
    }' "$work/rows" "$work/operations" >"$work/verdict" || touch "$work/failed"
c++filt <"$work/verdict"
cat "$work/spills"
[ ! -s "$work/spills" ] || fail "kernels spill"
[ ! -e "$work/failed" ] || fail "fused operations"
