#!/usr/bin/env bash
# The main job, on the campus inventory: check it, then render what each of its servers reads.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

step() {
    printf '\n$ %s\n' "$*"
    "$@"
}

# Exit code 1 means findings, which are what check is for.
step .venv/bin/coexist check inventories/campus || [ $? -eq 1 ]
step .venv/bin/coexist render inventories/campus -o "$out"
find "$out" -type f -printf '%P\n' | sort
