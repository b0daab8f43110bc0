#!/usr/bin/env bash
# Which lines of the library no test reaches. Each stands in tests/unreached.txt with a reason; a line that is neither reached nor
# listed is an error; an entry that covers none is told, because machines differ.  Usage: tests/coverage.sh BUILD
set -eu
cd "$(dirname "$0")/.."
build=$1
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT

# "file|function|reached|text" of each line, for each object: a line that is compiled several times (headers, instruction sets)
# counts as reached if it is by any.
find "$build"/{core,autograd,nn,optim} -name '*.gcno' -exec gcov -t -b -r -s "$PWD" {} \; 2>/dev/null | awk '
    { count = $1; sub(/:.*/, "", count) }
    $1 == "function" { name = $2; next }
    match($0, /^ *[^ :]+: *[0-9]+:/) {
        head = substr($0, 1, RLENGTH)
        text = substr($0, RLENGTH + 1)
        split(head, part, ":")
        number = part[2] + 0
        if (number == 0 && text ~ /^Source:/) file = substr(text, 8)
        if (number == 0 || count == "-") next
        gsub(/^[ \t]+|[ \t]+$/, "", text)
        print file "|" number "|" name "|" (count !~ /^[#=]/) "|" text
    }' >"$lines"

awk -F'|' '
    FILENAME ~ /unreached.txt$/ {
        if ($0 ~ /^#/ || NF < 3) next
        entry = $0
        sub(/ *[|][^|]*$/, "", entry)
        listed[entry] = 0
        next
    }
    {
        place = $1 "|" $2
        text = $0
        sub(/^[^|]*[|][^|]*[|][^|]*[|][^|]*[|]/, "", text)
        if ($4) reached[place] = 1
        if (!(place in known)) order[n++] = place
        known[place] = $1 " | " text
        whole[place] = $1 " | " $3 "()"
    }
    END {
        for (i = 0; i < n; i++) {
            p = order[i]
            if (p in reached) { some++; continue }
            if (whole[p] in listed) { listed[whole[p]]++; excused++ }
            else if (known[p] in listed) { listed[known[p]]++; excused++ }
            else { print "not reached: " p ": " known[p] "   in " whole[p]; bad++ }
        }
        for (e in listed) if (!listed[e]) print "reached here, or not there any more: " e
        printf "%d of %d lines are reached (%.2f %%), %d are listed with a reason\n", some, n, 100 * some / n, excused
        exit n < 1000 || bad > 0
    }' tests/unreached.txt "$lines"
