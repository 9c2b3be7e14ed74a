# Sourced by the scripts beside it: the environment of every check, and the installation of what a script needs.
#
# A script calls `need PROGRAM PACKAGE...` for each program of Debian's that it uses, `need_packages`, and the functions
# `need_cargo_*` for the programs that cargo builds. Nothing is installed that is there already.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0 CARGO_NET_RETRY=5
export DEBIAN_FRONTEND=noninteractive
# A test that is skipped elsewhere because a program is missing fails here.
export TESTS_SKIP_NOTHING=1
DENY_VERSION=0.20.2
DEB_VERSION=3.8.0
CYCLONEDX_VERSION=0.5.9

# Prints a command and runs it.
step() {
    printf '\n==> %s\n' "$*"
    "$@"
}

missing=()

# The packages of a program, where the program is missing. Debian keeps some programs out of the path of users.
need() {
    local program=$1
    shift
    PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || missing+=("$@")
}

# Installs the packages of all programs that `need` found missing.
need_packages() {
    if [ ${#missing[@]} = 0 ]; then return; fi
    # Some of these packages start a service, which takes a port. Debian asks policy-rc.d before it starts a service, so
    # one that refuses all of them stands there during the installation, unless the machine has its own.
    local policy=
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        policy=/usr/sbin/policy-rc.d
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        install -m 755 /dev/stdin "$policy" <<<$'#!/bin/sh\nexit 101'
    fi
    step apt-get update --quiet
    step apt-get install --quiet --yes --no-install-recommends "${missing[@]}"
    if [ -n "$policy" ]; then
        rm -f "$policy"
        trap - EXIT
    fi
    missing=()
}

# What every script needs: Rust, a C compiler, Python with virtual environments, git.
need_basics() {
    need cc gcc libc6-dev
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
    need git git
}

need_cargo_component() {
    cargo "$1" --version >/dev/null || { echo "cargo $1 is missing: rustup component add it." >&2; exit 1; }
}

need_cargo_deny() {
    if [ "$(cargo deny --version 2>/dev/null)" != "cargo-deny $DENY_VERSION" ]; then
        step cargo install --locked cargo-deny --version "$DENY_VERSION"
    fi
}

# The programs that build the packages. A debug build is enough: each is used once.
need_cargo_packagers() {
    if [ "$(cargo deb --version 2>/dev/null)" != "$DEB_VERSION" ]; then
        CARGO_PROFILE_DEV_DEBUG=0 step cargo install --debug --locked cargo-deb --version "$DEB_VERSION"
    fi
    if [ "$(cargo cyclonedx --version 2>/dev/null)" != "cargo-cyclonedx-cyclonedx $CYCLONEDX_VERSION" ]; then
        CARGO_PROFILE_DEV_DEBUG=0 step cargo install --debug --locked cargo-cyclonedx --version "$CYCLONEDX_VERSION"
    fi
}
