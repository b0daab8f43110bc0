#!/usr/bin/env bash
# What the shared library exports: gr_ names alone, no data but gr_absent, no memory that is writable and executable. And what
# the static one asks the C library for: memory in one file only.
# Usage: tests/symbols.sh BUILD
set -eu
library=$1/libgradus.so

fail() {
    echo "tests/symbols.sh: $1" >&2
    exit 1
}

symbols=$(nm -D --defined-only "$library" | awk '{print $(NF - 1), $NF}')
[ -n "$symbols" ] || fail "$library exports nothing"
strange=$(echo "$symbols" | awk '$2 !~ /^gr_/ {print $2}')
[ -z "$strange" ] || fail "exported without gr_: $(echo "$strange" | tr '\n' ' ')"
data=$(echo "$symbols" | awk '$1 != "T" && $2 != "gr_absent" {print $2}')
[ -z "$data" ] || fail "exported and no function: $(echo "$data" | tr '\n' ' ')"
# gr_absent is constant: it stands where the loader makes memory read-only.
section=$(readelf -SW "$library" | sed 's/\[ */[/' | awk '$2 ~ /^\.data\.rel\.ro/ {print $1}' | tr -d '[]')
readelf --dyn-syms -W "$library" | awk -v section="$section" '
    $8 == "gr_absent" { split(section, s, "\n"); for (i in s) if ($7 == s[i]) found = 1 }
    END { exit !found }' || fail "gr_absent can be written"
if readelf -lW "$library" | awk '($1 == "LOAD" || $1 == "GNU_STACK") && /RWE/ {found = 1} END {exit !found}'; then
    fail "memory that is writable and executable"
fi
# fopen is not among them: what it takes is given back by fclose.
asks=$(nm -A -u "$1/libgradus.a" | awk '
    $NF ~ /^(malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign|memalign|valloc|mmap|sbrk)$/ ||
    $NF ~ /^(strn?dup|v?asprintf|getline|getdelim|open_memstream|fmemopen|realpath|getcwd|scandir)$/ { split($1, at, ":"); print at[2], $NF }')
[ -n "$asks" ] || fail "nothing in $1/libgradus.a asks for memory"
strange=$(echo "$asks" | grep -v '^allocate\.o ' || true)
[ -z "$strange" ] || fail "memory is asked for beside core/allocate.c: $(echo "$strange" | tr '\n' ' ')"
echo "$(echo "$symbols" | wc -l) symbols are exported, all gr_"
