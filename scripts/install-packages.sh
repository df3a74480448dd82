#!/usr/bin/env bash
# Install those of the named Debian packages that are missing, and leave no service of theirs
# running or enabled: this may be a machine on a live network, and one of them is a DHCP server.
# usage: install-packages.sh PACKAGE...
# exit: 0 all installed; 1 some could not be; 3 not allowed to, or not a Debian system
set -eu

POLICY=/usr/sbin/policy-rc.d
SAVED=$POLICY.before-coexist
MARK="# written by coexist while it installs packages"

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_of() {
    local package
    for package in "$@"; do
        installed "$package" || echo "$package"
    done
}

# What policy-rc.d answers decides whether a package's scripts may start its service; 101 forbids it:
# https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt
forbid_services() {
    # Our own file is there already when an earlier run was killed before it could restore.
    if [ -e "$POLICY" ] && ! grep -q "$MARK" "$POLICY"; then
        "${root[@]}" mv "$POLICY" "$SAVED"
    fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$MARK" | "${root[@]}" tee "$POLICY" >/dev/null
    "${root[@]}" chmod 755 "$POLICY"
}

restore_policy() {
    "${root[@]}" rm -f "$POLICY"
    if [ -e "$SAVED" ]; then
        "${root[@]}" mv "$SAVED" "$POLICY"
    fi
}

# Say only what went wrong: packages talk about every service they were not allowed to start.
apt_get() {
    local said
    if ! said=$("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y "$@" 2>&1 </dev/null); then
        printf '%s\n' "$said" >&2
        return 1
    fi
}

# Packages also enable their services for the next boot, which policy-rc.d does not prevent.
disable_services() {
    local file
    while read -r file; do
        case $file in
            */lib/systemd/system/*@.service) ;;
            */lib/systemd/system/*.service | */lib/systemd/system/*.socket)
                if command -v systemctl >/dev/null; then
                    "${root[@]}" systemctl disable "$(basename "$file")" >/dev/null 2>&1 || true
                fi ;;
            /etc/init.d/*)
                "${root[@]}" update-rc.d "$(basename "$file")" disable >/dev/null 2>&1 || true ;;
        esac
    done < <(dpkg -L "$1")
}

mapfile -t missing < <(missing_of "$@")
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "not a Debian system: install these by hand: ${missing[*]}" >&2
    exit 3
elif [ "$(id -u)" -eq 0 ]; then
    root=(env)
elif sudo -n true 2>/dev/null; then
    root=(sudo -n)
else
    echo "not root and no password-free sudo: left out ${missing[*]}" >&2
    exit 3
fi

echo "installing ${missing[*]}" >&2
trap restore_policy EXIT
forbid_services
apt_get update || echo "apt-get update failed: going on with the package lists that are here" >&2
if ! apt_get install --no-install-recommends "${missing[@]}"; then
    # One unknown name makes apt-get refuse all of them.
    for package in "${missing[@]}"; do
        apt_get install --no-install-recommends "$package" || true
    done
fi

mapfile -t failed < <(missing_of "${missing[@]}")
for package in "${missing[@]}"; do
    if installed "$package"; then
        disable_services "$package"
    fi
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "could not install ${failed[*]}" >&2
    exit 1
fi
