#!/usr/bin/env bash
# Install the servers, clients and firmware that the demo and the tests in tests/golden, tests/wire
# and tests/lab start. Without them the rest still works, so this never fails: it says what is left out.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")"

packages=(
    iproute2 tcpdump
    isc-dhcp-server kea-dhcp4-server kea-admin dnsmasq-base
    tftpd-hpa tftp-hpa atftp
    qemu-system-x86 seabios ovmf ipxe-qemu ipxe
    pxelinux syslinux-efi syslinux-common grub-efi-amd64-signed shim-signed
    openssh-server sudo curl
    postgresql nginx-light
    gcc libc6-dev
    chromium chromium-driver
)

if ! ./install-packages.sh "${packages[@]}"; then
    echo "setup: going on; what needs those packages is left out and says so" >&2
fi
