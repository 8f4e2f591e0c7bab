#!/usr/bin/env bash
# Makes .venv at the top of the repository, or completes it: the project, editable, with the extras given
# as the first argument (default: dev), at the versions of constraints.txt.
# PYTHON names the interpreter; otherwise the first one found that is 3.11 or newer.
set -euo pipefail
cd "$(dirname "$0")/.."

extras="${1:-dev}"
venv=.venv

say() { printf 'env: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
can_make_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

find_python() {
    local candidate first=""
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        new_enough "$candidate" || continue
        if can_make_venv "$candidate"; then echo "$candidate"; return; fi
        first="${first:-$candidate}"
    done
    echo "$first"
}

if [ "$(id -u)" = 0 ]; then root=()
elif sudo -n true 2>/dev/null; then root=(sudo -n)
else root=(false)
fi

# Debian ships venv's half of the standard library apart from the interpreter.
install_venv_module() {
    local package apt
    package="$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    command -v apt-get >/dev/null || die "$1 has no venv module; install it for this interpreter and try again."
    [ "${root[*]-}" = false ] && die "$1 has no venv module. Please run: sudo apt-get install $package"
    say "$1 has no venv module; installing $package"
    apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    "${apt[@]}" update >/dev/null 2>&1 || true
    "${apt[@]}" install -y --no-install-recommends "$package" >/dev/null 2>&1 ||
        die "could not install it. Please run: sudo apt-get install $package"
}

if ! { new_enough "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; }; then
    python="$(find_python)"
    if [ -z "$python" ]; then
        die "no Python 3.11 or newer found${PYTHON:+ as PYTHON=$PYTHON}. Install one (Debian: python3 python3-venv)" \
            "or name one: make env PYTHON=/path/to/python3.11"
    fi
    can_make_venv "$python" || install_venv_module "$python"
    say "making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi

# Build tools are held to the same versions; the second name is for pip 25.3 and later.
export PIP_CONSTRAINT="$PWD/constraints.txt" PIP_BUILD_CONSTRAINT="$PWD/constraints.txt"
say "installing seawall[$extras] (less than a minute on a good line)"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --editable ".[$extras]"
"$venv/bin/python" -m pip check >/dev/null || die "the installed versions do not fit together: $venv/bin/python -m pip check"
