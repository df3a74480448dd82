#!/usr/bin/env bash
# The main job, for a person who watches: check, render, then boot machines and say who won.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The server that the boots run and the demo itself write no bytecode into the checkout, as root.
export PYTHONDONTWRITEBYTECODE=1 PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
exec .venv/bin/python scripts/demo.py "$@"
