#!/usr/bin/env bash
# Installs what the tests need, where it is missing: Check and what it links to, pkg-config, OpenBLAS, g++ (the header as
# C++, CUDA's emulator), and the programs named, each in the package of its name.
# Usage: tests/install.sh [program]...
set -eu

packages=
if ! pkg-config --exists check 2>/dev/null; then packages="check libsubunit-dev pkg-config libopenblas-dev"; fi
for program in g++ "$@"; do
    command -v "$program" >/dev/null || packages="$packages $program"
done
if [ -z "$packages" ]; then exit 0; fi
fail() {
    echo "tests/install.sh: $1; install these by hand: $packages" >&2
    exit 1
}
command -v apt-get >/dev/null || fail "there is no apt-get"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "this user is not root and there is no sudo"
    as_root=sudo
fi
echo "installing $packages"
# shellcheck disable=SC2086 # several words on purpose
{
    $as_root apt-get update -q || echo "tests/install.sh: the package lists are not up to date" >&2
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages || fail "apt-get failed"
}
pkg-config --exists check || fail "pkg-config still cannot find check"
