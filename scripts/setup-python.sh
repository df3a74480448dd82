#!/usr/bin/env bash
# Make .venv with coexist (editable) and the developer's tools in it; do nothing when it is up to date.
# PYTHON names the interpreter to use; any from 3.11 on will do.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

STAMP=.venv/.coexist-installed

usable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

has_venv() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

# A virtual environment does not survive a move of the checkout, hence the folder in its mark.
wanted=$(pwd; sha256sum pyproject.toml)
if [ "$(cat "$STAMP" 2>/dev/null)" = "$wanted" ] && .venv/bin/python -I -c 'import coexist' 2>/dev/null; then
    exit 0
fi

python=${PYTHON:-python3}
if ! usable "$python" || ! has_venv "$python"; then
    scripts/install-packages.sh python3 python3-venv || true
    usable "$python" && has_venv "$python" || python=/usr/bin/python3
fi
if ! usable "$python" || ! has_venv "$python"; then
    echo "setup: needs Python 3.11 or later with its venv module (Debian: apt-get install python3-venv)" >&2
    exit 1
fi

if [ "$(head -n 1 "$STAMP" 2>/dev/null)" != "$(pwd)" ] || ! usable .venv/bin/python; then
    echo "setup: making .venv with $("$python" --version)" >&2
    "$python" -m venv --clear .venv
fi
echo "setup: installing coexist and its tools into .venv" >&2
.venv/bin/pip install --quiet --quiet --disable-pip-version-check --editable '.[dev]'
# As pip does for a package that is not editable: the first command need not compile what it imports.
.venv/bin/python -m compileall -q coexist
printf '%s\n' "$wanted" >"$STAMP"
