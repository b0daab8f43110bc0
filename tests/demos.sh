#!/usr/bin/env bash
# Runs the demos and compares what can be compared.  Usage: tests/demos.sh BUILD
set -eu
cd "$(dirname "$0")/.."
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "tests/demos.sh: $1" >&2
    exit 1
}

count=0
for source in demos/*.c; do
    name=$(basename "$source" .c)
    "$build/demos/$name" >"$work/$name" 2>"$work/$name.err" || fail "$name failed: $(cat "$work/$name.err")"
    [ -s "$work/$name" ] || fail "$name printed nothing"
    [ ! -s "$work/$name.err" ] || fail "$name wrote to stderr: $(cat "$work/$name.err")"
    count=$((count + 1))
done

# The tutorial prints what PyTorch prints: the losses byte for byte, then the parameters.
grep '^Epoch \[[0-9]*/1000\]' "$work/linear_regression" >"$work/losses" || fail "linear_regression printed no losses"
grep '^Epoch' tests/golden/tutorial_output.txt | diff - "$work/losses" >&2 || fail "linear_regression: other losses than PyTorch's"
grep -qxF 'weight: tensor([[2.9762]], requires_grad=True)' "$work/linear_regression" || fail "linear_regression: another weight"
grep -qxF 'bias: tensor([1.0319], requires_grad=True)' "$work/linear_regression" || fail "linear_regression: another bias"
"$build/demos/linear_regression" 7 >"$work/other" || fail "linear_regression 7 failed"
cmp -s "$work/other" "$work/linear_regression" && fail "linear_regression 7 printed what seed 0 does"
[ "$(wc -l <"$work/other")" -eq "$(wc -l <"$work/linear_regression")" ] || fail "linear_regression 7: another number of lines"

# refused NAME TEXT ARGUMENTS: the demo must fail and say TEXT.
refused() {
    if "$build/demos/$1" "${@:3}" >"$work/out" 2>"$work/err"; then fail "$1 ${*:3} did not fail"; fi
    grep -qF -- "$2" "$work/err" || fail "$1 ${*:3} did not say '$2' but '$(cat "$work/err")'"
}
refused linear_regression_csv "$work/missing.csv" "$work/missing.csv"
printf 'a,b\n1,2\n3,oops\n' >"$work/bad.csv"
refused linear_regression_csv "oops" "$work/bad.csv"
printf 'a,b\n1,2\n3\n' >"$work/ragged.csv"
refused linear_regression_csv "ragged.csv" "$work/ragged.csv"

grep -qx 'gradcheck passed' "$work/custom_op" || fail "custom_op: gradcheck failed"
grep -qx 'gradgradcheck passed' "$work/custom_op" || fail "custom_op: gradgradcheck failed"
grep -q 'less than a twentieth' "$work/custom_module" || fail "custom_module did not learn"
echo "$count demos are right"
