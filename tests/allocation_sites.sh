#!/usr/bin/env bash
# Every place of the library that asks for memory has been refused it by the programs of tests/fault_*.c, once and for good.
# The suite has noted where (BUILD/tests/sites.*); here that is compared with the calls in the program.
# Usage: tests/allocation_sites.sh BUILD
set -eu
build=$1
program=$build/tests/run

# What hands memory out, or fails for want of it.
memory='gr_grow|gr_storage_grow|gr_headers_grow|gr_headers_room|gr_owned_grow|gr_own_object|gr_scope_memory|gr_tensor_like'
memory="$memory|gr_tensor_sized|gr_host_like|gr_cpu_temporary|gr_tape_reserve|__wrap_gr_allocate"
# These run for devices alone, of which there is none here.
for_devices='device_memory plugin transfer'
device_functions='numbers_sent'

functions_of() {
    nm "$@" | awk '$2 ~ /^[Tt]$/ {print $3}' | sort -u
}
start=$(nm "$program" | awk '$3 == "__executable_start" {print $1}')
calls=$(mktemp) noted=$(mktemp)
trap 'rm -f "$calls" "$noted"' EXIT
cat "$build"/tests/sites.* | awk '{once[$1] += $2; kept[$1] += $3} END {for (a in once) print a, (once[a] > 0), (kept[a] > 0)}' >"$noted"

# "return-address function" of each call of these from a function of the library
objdump -d --no-show-raw-insn "$program" | awk -v memory="^($memory)([.][a-z.0-9]*)?\$" -v start="$start" '
    FILENAME == "-" && /^[0-9a-f]+ <.*>:$/ { f = $2; gsub(/[<>:]/, "", f); name = f; sub(/[.].*/, "", name) }
    FILENAME != "-" { ours[$1]; next }
    site != "" { sub(/:/, "", $1); print $1, f; site = "" }
    /call/ && $NF ~ /^<.*>$/ { to = substr($NF, 2, length($NF) - 2); if (to ~ memory && name in ours) site = to }
' <(functions_of "$build/libgradus.a") - >"$calls"

skipped=" $device_functions $(for o in $for_devices; do functions_of "$build/core/$o.o"; done | tr '\n' ' ')"
count=0 missing=0 devices=0
while read -r address function; do
    case "$skipped" in *" ${function%%.*} "*) devices=$((devices + 1)); continue ;; esac
    count=$((count + 1))
    relative=$(printf '%x' $((0x$address - 0x$start)))
    if grep -q "^$relative 1 1\$" "$noted"; then continue; fi
    modes=$(sed -n "s/^$relative //p" "$noted")
    place=$(addr2line -i -e "$program" "$(printf '%x' $((0x$address - 1)))" | sed 's|.*/||; s/ (disc.*//' | tr '\n' ' ')
    echo "tests/allocation_sites.sh: $function ($place) was not refused memory (once, persistently: ${modes:-0 0})" >&2
    missing=$((missing + 1))
done <"$calls"
[ "$count" -ge 50 ] || { echo "tests/allocation_sites.sh: only $count places ask for memory; that cannot be" >&2; exit 1; }
[ "$missing" -eq 0 ] || exit 1
echo "$count places ask for memory, and each was refused it, once and for good ($devices more are for devices)"
