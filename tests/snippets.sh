#!/usr/bin/env bash
# Compiles every ```c block of README.md and docs/*.md. One with a main is a program: it runs, and prints what a ```text
# block right after it says. One whose first line begins with #include, static or typedef stands at file scope and only
# compiles. Any other runs as the inside of a function that has the variables below.  Usage: tests/snippets.sh BUILD CC CPPFLAGS LDLIBS
set -eu
cd "$(dirname "$0")/.."
build=$1 cc=$2 cppflags=$3 ldlibs=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk -v work="$work" '
    FNR == 1 { inside = 0 }
    /^```c$/ { inside = 1; name = sprintf("%s/%03d.body", work, ++count); print FILENAME ":" FNR > (name ".from"); next }
    /^```/   { inside = 0; next }
    inside   { print > name }' README.md docs/*.md

head='#include <gradus.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
'
variables='gr_tensor *x = gr_randn(4, 3), *y = gr_randn(4, 1), *w = gr_requires_grad_(gr_randn(1, 3), true);
gr_tensor *a = gr_randn(2, 3), *b = gr_randn(2, 3), *t = gr_randn(2, 3);
gr_module *model = gr_nn_linear(3, 1);
gr_optim *optimizer = gr_optim_sgd(gr_parameters(model), .lr = 0.1);
gr_tensor *prediction = gr_forward(model, x), *loss = gr_mse_loss(prediction, y);
'
count=0 ran=0
for body in "$work"/*.body; do
    from=$(cat "$body.from")
    source="$work/$(basename "$body" .body).c"
    program="${source%.c}"
    line="#line $((${from#*:} + 1)) \"${from%:*}\""
    if grep -q 'int main' "$body"; then
        { echo "$line"; cat "$body"; } >"$source"
    elif head -n 1 "$body" | grep -qE '^(#include|static|typedef)'; then
        { echo "$head$line"; cat "$body"; } >"$source"
    else
        { echo "${head}int main(void)
{
$variables
{
$line"; cat "$body"; echo '}
return gr_error() ? 1 : 0;
}'; } >"$source"
    fi
    # shellcheck disable=SC2086 # several words on purpose
    if grep -q 'int main' "$source"; then
        $cc $cppflags -std=c11 -Wall -Wextra -Werror -Wno-unused "$source" "$build/libgradus.a" $ldlibs -o "$program"
        "$program" >"$program.out" || { echo "$from: the program fails" >&2; exit 1; }
        expected=$(awk -v n="${from#*:}" 'NR <= n {next} on && /^```/ {exit} on {print; next} closed && /^```text$/ {on = 1; next}
            closed && NF {exit} /^```/ {closed = 1}' "${from%:*}")
        if [ -n "$expected" ] && [ "$expected" != "$(cat "$program.out")" ]; then
            echo "$from: the program prints something else than the text below it:" >&2
            cat "$program.out" >&2
            exit 1
        fi
        ran=$((ran + 1))
    else
        $cc $cppflags -std=c11 -Wall -Wextra -Werror -Wno-unused -c "$source" -o "$program.o"
    fi
    count=$((count + 1))
done
[ "$count" -gt 0 ] || { echo "tests/snippets.sh: no snippets" >&2; exit 1; }
echo "$count snippets compile, $ran of them run"
