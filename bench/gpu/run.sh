#!/bin/sh
# run.sh - runs the GPU's benchmark and PyTorch beside it, and prints the table of both, with goals and ratios.
# Usage: bench/gpu/run.sh PROGRAM [part of a case's name]; GRADUS_PYTHON names a Python with torch, GRADUS_CUDA_PLUGIN the plug-in.
set -eu
cd "$(dirname "$0")/../.."
program=$1
filter=${2:-}
python=${GRADUS_PYTHON:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM

"$program" ${filter:+"$filter"} >"$scratch/gradus"
"$python" bench/gpu/peers.py ${filter:+"$filter"} >"$scratch/peers"
grep '^# ' "$scratch/gradus" | sed 's/^# /- /'
grep '^# ' "$scratch/peers" | sed 's/^# /- /'

# Speeds as parts of the floor's and of PyTorch's: above 1 Gradus is faster.
awk -F '\t' '
    FILENAME == ARGV[1] { if ($0 !~ /^#/) peer[$1] = $3; next }
    /^#/ { next }
    !rows++ {
        print "\n| case | unit | Gradus | floor | PyTorch | speed / floor | speed / PyTorch | goal |"
        print "|---|---|--:|--:|--:|--:|--:|---|"
    }
    {
        p = $1 in peer ? peer[$1] : "-"
        split($5, goal, " ")
        to_floor = speed($3, $4, $2)
        to_peer = speed($3, p, $2)
        print "| " $1 " | " $2 " | " $3 " | " $4 " | " p " | " shown(to_floor) " | " shown(to_peer) " | " verdict() " |"
    }
    function speed(a, b, unit) { return b == "-" ? "-" : unit == "GB/s" ? a / b : b / a }
    function shown(x) { return x == "-" ? x : sprintf("%.3g", x) }
    function verdict(   has) {
        if (goal[1] != "floor" && goal[1] != "peer") return "-"
        has = goal[1] == "floor" ? to_floor : to_peer
        wanted++
        if (has != "-" && has >= goal[2]) { reached++; return "reached: " goal[2] " of " (goal[1] == "floor" ? "the floor" : "PyTorch") }
        return "**missed**: " goal[2] " of " (goal[1] == "floor" ? "the floor" : "PyTorch")
    }
    END { printf "\n%d cases, %d with a goal, %d goals reached\n", rows, wanted, reached; exit rows == 0 }
' "$scratch/peers" "$scratch/gradus"
