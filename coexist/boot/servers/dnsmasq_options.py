"""Names and value shapes of DHCP options in a dnsmasq.conf (``src/dhcp-common.c``, ``src/option.c``)."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

# dnsmasq --help dhcp, 2.90.
NAMES: dict[str, int] = {
    "netmask": 1,
    "time-offset": 2,
    "router": 3,
    "dns-server": 6,
    "log-server": 7,
    "lpr-server": 9,
    "hostname": 12,
    "boot-file-size": 13,
    "domain-name": 15,
    "swap-server": 16,
    "root-path": 17,
    "extension-path": 18,
    "ip-forward-enable": 19,
    "non-local-source-routing": 20,
    "policy-filter": 21,
    "max-datagram-reassembly": 22,
    "default-ttl": 23,
    "mtu": 26,
    "all-subnets-local": 27,
    "broadcast": 28,
    "router-discovery": 31,
    "router-solicitation": 32,
    "static-route": 33,
    "trailer-encapsulation": 34,
    "arp-timeout": 35,
    "ethernet-encap": 36,
    "tcp-ttl": 37,
    "tcp-keepalive": 38,
    "nis-domain": 40,
    "nis-server": 41,
    "ntp-server": 42,
    "vendor-encap": 43,
    "netbios-ns": 44,
    "netbios-dd": 45,
    "netbios-nodetype": 46,
    "netbios-scope": 47,
    "x-windows-fs": 48,
    "x-windows-dm": 49,
    "requested-address": 50,
    "lease-time": 51,
    "option-overload": 52,
    "message-type": 53,
    "server-identifier": 54,
    "parameter-request": 55,
    "message": 56,
    "max-message-size": 57,
    "T1": 58,
    "T2": 59,
    "vendor-class": 60,
    "client-id": 61,
    "nis+-domain": 64,
    "nis+-server": 65,
    "tftp-server": 66,
    "bootfile-name": 67,
    "mobile-ip-home": 68,
    "smtp-server": 69,
    "pop3-server": 70,
    "nntp-server": 71,
    "irc-server": 74,
    "user-class": 77,
    "rapid-commit": 80,
    "FQDN": 81,
    "agent-id": 82,
    "client-arch": 93,
    "client-interface-id": 94,
    "client-machine-id": 97,
    "posix-timezone": 100,
    "tzdb-timezone": 101,
    "ipv6-only": 108,
    "subnet-select": 118,
    "domain-search": 119,
    "sip-server": 120,
    "classless-static-route": 121,
    "vendor-id-encap": 125,
    "tftp-server-address": 150,
    "server-ip-address": 255,
}

SERVICE_ARCHITECTURES: dict[str, int] = {
    "x86PC": 0,
    "PC98": 1,
    "IA64_EFI": 2,
    "Alpha": 3,
    "Arc_x86": 4,
    "Intel_Lean_Client": 5,
    "IA32_EFI": 6,
    "x86-64_EFI": 7,
    "Xscale_EFI": 8,
    "BC_EFI": 9,
    "ARM32_EFI": 10,
    "ARM64_EFI": 11,
}
"""The architecture words of ``pxe-service``; before 2.76 BC_EFI was 7 and X86-64_EFI 9."""

# Sizes of numeric options (OT_DEC with a size, opttab of dhcp-common.c).
_NUMBER_SIZES = {
    **dict.fromkeys((19, 20, 23, 27, 31, 34, 36, 37, 46), 1),
    **dict.fromkeys((13, 22, 26, 57, 93), 2),
    **dict.fromkeys((2, 35, 38, 108), 4),
}
_TEXTS = frozenset({12, 14, 15, 17, 18, 40, 47, 56, 60, 64, 66, 67, 77, 100, 101})


def option_octets(code: int | None, parts: list[str]) -> bytes:
    """The octets of a value, its type guessed as parse_dhcp_opt guesses; ``code`` None inside others."""
    if not parts:
        return b""
    joined = ",".join(parts)
    if code in _TEXTS:
        return joined.encode()
    if all(re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}(/\d+)?", part) for part in parts):
        return b"".join(IPv4Address(part.partition("/")[0]).packed for part in parts)
    if all(re.fullmatch(r"-?\d+[bsi]?", part) for part in parts):
        return b"".join(_number(part, _NUMBER_SIZES.get(code or 0)) for part in parts)
    if len(parts) == 1 and re.fullmatch(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2})+", parts[0]):
        return bytes(int(octet, 16) for octet in parts[0].split(":"))
    if len(parts) == 1 and re.fullmatch(r"0x[0-9a-fA-F]+", parts[0]):
        digits = parts[0][2:]
        return bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits)
    return joined.encode()


def _number(text: str, size: int | None) -> bytes:
    suffix = text[-1] if text[-1] in "bsi" else ""
    value = int(text.rstrip("bsi"))
    if suffix:
        size = {"b": 1, "s": 2, "i": 4}[suffix]
    elif size is None:
        size = 1 if 0 <= value <= 0xFF else 2 if 0 <= value <= 0xFFFF else 4
    return (value & (1 << 8 * size) - 1).to_bytes(size, "big")
