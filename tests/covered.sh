#!/usr/bin/env bash
# Every public function that computes a tensor from tensors is a row of elementwise.def, or called in tests/cases.c, so that
# its gradients are tested. Those that have none are listed here.  Usage: tests/covered.sh BUILD
set -eu
cd "$(dirname "$0")/.."
build=$1

# They make, own, look at or train tensors:
no_gradient="adopt arange autograd_grad empty empty_like eye from full full_like grad keep_tensor module_buffer module_parameter module_tensor
ones ones_like rand randint randn randperm read_csv release requires_grad_ sample_order zeros zeros_like"
# They cut history, give indices or bools, or are what all cases run through:
no_gradient="$no_gradient detach argmax argmin eq ne lt le gt ge isnan isinf isfinite apply forward"
# They draw random numbers, which no difference can be taken of; tests/test_random.c looks at their gradients:
no_gradient="$no_gradient bernoulli bernoulli_ exponential_ multinomial normal_ uniform_"

names=$(cat core/*.h autograd/*.h nn/*.h "$build/elementwise_api.h" |
    sed -nE 's/^GR_API gr_(tensor \*|values_indices )gr_([a-z0-9_]+)_at\(.*/\2/p' | sort -u)
rows=$(sed -nE 's/^(UNARY|BINARY|TERNARY) *\(([a-z0-9_]+),.*/\2/p' core/elementwise.def)
count=0 missing=
for name in $names; do
    case " $(echo "$no_gradient $rows" | tr '\n' ' ') " in *" $name "* | *" ${name%_} "*) continue ;; esac
    grep -q "gr_$name(" tests/cases.c || missing="$missing $name"
    count=$((count + 1))
done
[ -z "$missing" ] || { echo "tests/covered.sh: no case of tests/cases.c calls:$missing" >&2; exit 1; }
for name in $no_gradient; do
    echo "$names" | grep -qx "$name" || { echo "tests/covered.sh: there is no gr_$name any more" >&2; exit 1; }
done
echo "$(echo "$rows" | wc -l) rows and $count other functions have gradients that are tested"

# What PyTorch made is compared with: every file of golden is read by a test.
for file in tests/golden/*.txt tests/golden/*.tsv; do
    grep -qF "$(basename "$file")" tests/*.c tests/*.sh || { echo "tests/covered.sh: no test reads $file" >&2; exit 1; }
done
