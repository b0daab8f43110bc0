#!/bin/sh
# run.sh - runs the programs of bench/ and PyTorch beside them, and writes docs/bench.md.
# Usage: bench/run.sh [build directory] [part of a case's name]; with the latter the tables go to stdout only.
# GRADUS_PYTHON names a Python with torch; BENCH_QUICK=1 measures shorter blocks.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
filter=${2:-}
python=${GRADUS_PYTHON:-python3}
# These choose other kernels, or other blocks, than OpenBLAS would for this CPU.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
load=$(cut -d ' ' -f 1 /proc/loadavg)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM

for program in bench mlp elementwise; do
    echo "bench: $program" >&2
    "$build/bench/$program" ${filter:+"$filter"} >"$scratch/$program"
done
torch=no
: >"$scratch/peers"
if "$python" -c 'import torch' 2>/dev/null; then
    echo "bench: PyTorch" >&2
    "$python" bench/peers.py ${filter:+"$filter"} >"$scratch/peers"
    torch=$(sed -n 's/^# PyTorch //p' "$scratch/peers")
fi

# Joins a program's lines with PyTorch's, by the case's name; lines that begin with # follow the table.
table() {
    awk -F '\t' -v OFS=' | ' '
        FILENAME == ARGV[1] { if ($0 !~ /^#/) peer[$1] = $3; next }
        /^#/ { note[++notes] = substr($0, 3); next }
        !rows++ {
            print "| case | unit | Gradus | floor | time / floor | PyTorch | PyTorch'"'"'s time / Gradus |"
            print "|---|---|--:|--:|--:|--:|--:|"
        }
        {
            p = $1 in peer ? peer[$1] : "-"
            times = p == "-" ? "-" : sprintf("%.3g", $2 == "GB/s" ? $3 / p : p / $3)
            print "| " $1, $2, plain($3), plain($4), $5, plain(p), times " |"
        }
        function plain(x) { return x == "-" ? x : x + 0 >= 1000 ? sprintf("%.0f", x) : x + 0 }
        END {
            if (notes) print ""
            for (i = 1; i <= notes; i++) print "- " note[i]
        }' "$scratch/peers" "$scratch/$1"
}

machine() {
    LC_ALL=C lscpu 2>/dev/null | awk -F ': *' '
        /^(Model name|CPU\(s\)|Thread\(s\) per core|L1d cache|L2 cache|L3 cache|Hypervisor vendor):/ {
            printf "| %s | %s |\n", $1, $2
        }'
    echo "| system | $(uname -sr) |"
    echo "| compiler | $(${CC:-cc} --version | head -n 1) |"
    echo "| OpenBLAS | $(pkg-config --modversion openblas 2>/dev/null || echo no) |"
    echo "| PyTorch | $torch |"
    echo "| load before and after | $load; $(cut -d ' ' -f 1 /proc/loadavg) |"
    echo "| date | $(date -u +%Y-%m-%d) |"
}

page() {
    blocks='21 blocks of about 5 ms or one repetition'
    case ${BENCH_QUICK:-0} in 0) ;; *) blocks='15 blocks of about 1 ms or one repetition (`BENCH_QUICK=1`)' ;; esac
    cat <<TEXT
# Measurements

\`make bench\` writes this page. \`GRADUS_PYTHON\` names a Python that has torch, for the columns of PyTorch.

Every figure is the median of $blocks,
after one repetition that is not timed. The blocks of Gradus and of its floor take turns in one process; PyTorch runs
right after, from Python, as its users do. The clock is CLOCK_MONOTONIC. With two threads each block first runs for
80 ms: until then the system may leave a thread that has just woken up on the CPU of the one that woke it.

A floor is the same work without a framework. Each one, but those that copy, is checked to compute what Gradus
computes.

TEXT
    echo '| machine | |'
    echo '|---|---|'
    machine
    cat <<'TEXT'

## Calls

W1 is the epoch of the linear-regression tutorial: x and y are [100, 1], Linear(1, 1), mse_loss, backward, a step of
SGD. Its floor is the same arithmetic in C loops, its sums in the same order; dw is one chain of 100 additions.
`add 1x1` is `gr_add(a, b)`, a requires grad, 1000 results to a scope; the spike is 100,000 tensors made and freed
before. A chain is 1000 ops, `(y + a) * b` again and again, forward and backward: time per op, both ways. A loop
without scopes keeps all of its results.

TEXT
    table bench
    cat <<'TEXT'

## Training steps

ReLU between the layers, mean squared error against one-hot, SGD with lr = 0.01. The floor: OpenBLAS's sgemm and plain
loops for bias, ReLU, loss and update, all memory allocated before, no gradient of the input. With two threads: the
faster one of OpenBLAS's own threads and two that split every matrix.

TEXT
    table mlp
    cat <<'TEXT'

## Elementwise

Float32, nothing recorded. Bytes are those of the operands and the result. The floor copies half as many bytes, which
moves as many: memcpy or a plain loop, whichever is faster; at two threads each copies half. Each result is
freed before the next, so that the pool hands out the same block; PyTorch writes into an existing tensor where it has
a form that does.

TEXT
    table elementwise
}

if [ -n "$filter" ]; then
    for program in bench mlp elementwise; do table "$program"; done
else
    page >"$scratch/page"
    mv "$scratch/page" docs/bench.md
    echo "bench: docs/bench.md is written" >&2
fi
