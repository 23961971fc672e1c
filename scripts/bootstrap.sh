#!/bin/sh
# Makes .venv (or $VENV) with everything in it, from nothing but Python 3.11 or newer: finds a Python, gets uv when there is none,
# installs what uv.lock names. Run by the Makefile; does nothing when .venv is up to date.
set -eu
cd "$(dirname "$0")/.."

fail() { printf '%s\n' "$@" >&2; exit 1; }
new_enough() { "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

venv=${VENV:-.venv}
python=
for name in "${PYTHON:-}" python3.13 python3.12 python3.11 python3.14 python3 python; do
    if [ -n "$name" ] && new_enough "$name"; then python=$(command -v "$name"); break; fi
done
[ -n "$python" ] || fail "Python 3.11 or newer is needed and was not found (set PYTHON=/path/to/python if it is elsewhere)."

if uv --version >/dev/null 2>&1; then
    uv=uv
else
    uv=.tools/bin/uv
    if ! $uv --version >/dev/null 2>&1; then
        echo "Getting uv (the installer) into .tools ..."
        rm -rf .tools
        "$python" -m venv .tools >/dev/null 2>&1 && .tools/bin/python -m pip install --quiet uv ||
            "$python" -m pip install --quiet --target .tools/lib uv 2>/dev/null ||
            fail "uv could not be installed with $python: its venv or pip module is missing" \
                "(on Debian and Ubuntu: apt-get install python3-venv), or the package index is out of reach."
        [ -x $uv ] || { mkdir -p .tools/bin && ln -sf ../lib/bin/uv .tools/bin/uv; }
    fi
fi

# Compiled once, here, and not at every start of every process where Python may not write its cache.
UV_PROJECT_ENVIRONMENT=$venv UV_PYTHON_DOWNLOADS=never $uv sync --frozen --quiet --compile-bytecode --python "$python" ||
    fail "The packages could not be installed; see above. Is the package index in reach?"
touch "$venv/.ready"
