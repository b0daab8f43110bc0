#!/usr/bin/env bash
# Every exported function has a row or cases of its own, and has had each of its arguments refused, in each way that the
# argument's type can be wrong, or tests/not_refused.txt says why not.  Usage: tests/refused.sh BUILD CC CPPFLAGS
# shellcheck disable=SC2086 # flags are several words on purpose
set -eu
cd "$(dirname "$0")/.."
build=$1 cc=$2 cppflags=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

REFUSED_OUT=$work/covered CK_RUN_SUITE=misuse CK_RUN_CASE=misuse "$build/tests/run" >"$work/log" || {
    cat "$work/log"
    exit 1
}
echo '#include "gradus.h"' | $cc $cppflags -E -P -x c - | awk -f tests/arguments.awk >"$work/arguments"
nm -D --defined-only "$build/libgradus.so" | awk '$(NF - 1) == "T" {print $NF}' | sort >"$work/symbols"
cut -d' ' -f1 "$work/arguments" | sort -u >"$work/declared"
cmp -s "$work/symbols" "$work/declared" || {
    echo "tests/refused.sh: exported and declared functions differ:" >&2
    diff "$work/symbols" "$work/declared" >&2
    exit 1
}
awk '
    BEGIN {
        ways["gr_tensor*"] = ways["gr_module*"] = ways["gr_optim*"] = ways["gr_tensors"] = "NULL dead"
        ways["gr_shape"] = "negative overflow rank"
        ways["int"] = ways["int64_t"] = "low high"
        ways["double"] = "nan negative"
        ways["gr_dtype"] = "unknown"
        ways["gr_device"] = "device"
        ways["gr_value"] = "NULL"
        ways["gr_option"] = ways["gr_reduction"] = ways["gr_gelu_form"] = ways["gr_precision"] = "high"
        ways["gr_hook"] = ways["gr_scope"] = ways["char"] = ways["uint64_t"] = "other"
        ways["_Bool"] = ways["gr_site"] = ways["size_t"] = ways["none"] = "" # none is wrong
    }
    FILENAME == ARGV[1] { had[$1, $2, $3] = tried[$1] = 1; next }
    FILENAME == ARGV[2] {
        if ($0 ~ /^#/ || $0 == "") next
        line = $0; sub(/:.*/, "", line)
        n = split(line, word, " ")
        named[word[1]] = 1
        for (i = 3; i <= n; i++) excused[word[1], word[2], word[i]] = FNR
        if (n < 3) excused[word[1], n < 2 ? "*" : word[2], "*"] = FNR
        next
    }
    function excuse(way,    k) {
        k = (($1, $2, way) in excused) ? excused[$1, $2, way] : (($1, $2, "*") in excused) ? excused[$1, $2, "*"] : \
            (($1, "*", "*") in excused) ? excused[$1, "*", "*"] : (("*", $2, "*") in excused) ? excused["*", $2, "*"] : 0
        used[k] = 1
        return k
    }
    {
        if (!($1 in tried)) {
            if (($1, "*", "*") in excused) used[excused[$1, "*", "*"]] = 1
            else if (!($1 in named) && ++missing) print "tests/refused.sh: " $1 " has no row in tests/misuse_*.c"
        }
        n = split(($3 in ways) ? ways[$3] : "NULL", way, " ")
        for (i = 1; i <= n; i++) {
            wanted++
            if (!(($1, $2, way[i]) in had) && !excuse(way[i]) && ++missing)
                print "tests/refused.sh: " $1 ": " $2 " (" $3 ") was never refused as: " way[i]
        }
    }
    END {
        for (k in excused) if (!(excused[k] in used) && !told[excused[k]]++ && ++missing)
            print "tests/refused.sh: tests/not_refused.txt:" excused[k] ": is refused, or is not there"
        if (!missing) print wanted " ways to be wrong: all are refused, or it is said why not"
        exit missing > 0
    }' "$work/covered" tests/not_refused.txt "$work/arguments"
