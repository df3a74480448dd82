#!/usr/bin/env bash
# Run a command as root where that needs no password, otherwise as whoever is here.
# usage: as-root.sh COMMAND [ARGUMENT...]
set -eu

if [ "$(id -u)" -ne 0 ] && sudo -n true 2>/dev/null; then
    # No bytecode and no pytest cache: they would lie in the checkout, owned by root.
    exec sudo -n env CI="${CI:-}" COEXIST_SHARED="${COEXIST_SHARED:-}" \
        PYTHONDONTWRITEBYTECODE=1 PYTEST_ADDOPTS="-p no:cacheprovider ${PYTEST_ADDOPTS:-}" "$@"
fi
exec "$@"
