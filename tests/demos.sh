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
# Then the same in mini-batches, against the words of golden/tutorial.txt's array of texts.
words=$(awk '/^seed0.lr0.01.mini.loss_text / {on = 1; next} on && NF == 3 {exit} on' tests/golden/tutorial.txt | tr ' ' '\n' | head -20)
sed -n "s/^Epoch \[[0-9]*\/20\], last batch's loss: //p" "$work/linear_regression" | diff <(echo "$words") - >&2 ||
    fail "linear_regression: other losses of mini-batches than PyTorch's"
sed -n '/^weight/p; /^bias/p' "$work/linear_regression" | diff - <(cat <<'END'
weight: tensor([[2.9762]], requires_grad=True)
bias: tensor([1.0319], requires_grad=True)
weight: tensor([[2.9359]], requires_grad=True)
bias: tensor([1.0364], requires_grad=True)
END
) >&2 || fail "linear_regression: other parameters"
"$build/demos/linear_regression" 7 >"$work/other" || fail "linear_regression 7 failed"
cmp -s "$work/other" "$work/linear_regression" && fail "linear_regression 7 printed what seed 0 does"
[ "$(wc -l <"$work/other")" -eq "$(wc -l <"$work/linear_regression")" ] || fail "linear_regression 7: another number of lines"

# The table's least squares, computed with NumPy for the same split; gradient descent must come near in training.
grep -qE '^least squares +2897\.86  0\.4990 +2751\.40  0\.5771$' "$work/linear_regression_csv" || fail "linear_regression_csv: other least squares"
awk '/^gradient/ {gd = $3} /^mini/ {mini = $3} END {exit !(gd >= 2897.86 && gd < 2898.5 && mini >= 2897.86 && mini < 2960)}' \
    "$work/linear_regression_csv" || fail "linear_regression_csv does not come near least squares"

# Demos are short.
long=$(wc -l demos/*.c | awk '$1 >= 80 && $2 != "total"')
[ -z "$long" ] || fail "80 lines or more: $long"

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
