"""The DHCP options that dnsmasq knows by name, and what each holds.

``opttab`` of ``src/dhcp-common.c`` (2.90).
"""

from __future__ import annotations

from typing import NamedTuple


class OptionType(NamedTuple):
    """What an option is known to hold. ``size``: the octets of a number, 0 for none. ``internal``: the daemon
    sets it by itself, and only a match may name it."""

    size: int = 0
    addresses: bool = False
    text: bool = False
    names: bool = False
    time: bool = False
    internal: bool = False


_ADDRESSES = OptionType(addresses=True)
_TEXT = OptionType(text=True)
UNTYPED = OptionType()
"""Of an option whose type is guessed from its value."""
_INTERNAL = OptionType(internal=True)

# By name (``dnsmasq --help dhcp``, and those a match may name besides): the code, and what it holds.
_OPTIONS: dict[str, tuple[int, OptionType]] = {
    "netmask": (1, _ADDRESSES),
    "time-offset": (2, OptionType(size=4)),
    "router": (3, _ADDRESSES),
    "dns-server": (6, _ADDRESSES),
    "log-server": (7, _ADDRESSES),
    "lpr-server": (9, _ADDRESSES),
    "hostname": (12, OptionType(text=True, internal=True)),
    "boot-file-size": (13, OptionType(size=2)),
    "domain-name": (15, _TEXT),
    "swap-server": (16, _ADDRESSES),
    "root-path": (17, _TEXT),
    "extension-path": (18, _TEXT),
    "ip-forward-enable": (19, OptionType(size=1)),
    "non-local-source-routing": (20, OptionType(size=1)),
    "policy-filter": (21, _ADDRESSES),
    "max-datagram-reassembly": (22, OptionType(size=2)),
    "default-ttl": (23, OptionType(size=1)),
    "mtu": (26, OptionType(size=2)),
    "all-subnets-local": (27, OptionType(size=1)),
    "broadcast": (28, OptionType(addresses=True, internal=True)),
    "router-discovery": (31, OptionType(size=1)),
    "router-solicitation": (32, _ADDRESSES),
    "static-route": (33, _ADDRESSES),
    "trailer-encapsulation": (34, OptionType(size=1)),
    "arp-timeout": (35, OptionType(size=4)),
    "ethernet-encap": (36, OptionType(size=1)),
    "tcp-ttl": (37, OptionType(size=1)),
    "tcp-keepalive": (38, OptionType(size=4)),
    "nis-domain": (40, _TEXT),
    "nis-server": (41, _ADDRESSES),
    "ntp-server": (42, _ADDRESSES),
    "vendor-encap": (43, _INTERNAL),
    "netbios-ns": (44, _ADDRESSES),
    "netbios-dd": (45, _ADDRESSES),
    "netbios-nodetype": (46, OptionType(size=1)),
    "netbios-scope": (47, UNTYPED),
    "x-windows-fs": (48, _ADDRESSES),
    "x-windows-dm": (49, _ADDRESSES),
    "requested-address": (50, OptionType(addresses=True, internal=True)),
    "lease-time": (51, OptionType(time=True, internal=True)),
    "option-overload": (52, _INTERNAL),
    "message-type": (53, _INTERNAL),
    "server-identifier": (54, OptionType(addresses=True, internal=True)),
    "parameter-request": (55, _INTERNAL),
    "message": (56, _INTERNAL),
    "max-message-size": (57, _INTERNAL),
    "T1": (58, OptionType(time=True)),
    "T2": (59, OptionType(time=True)),
    "vendor-class": (60, UNTYPED),
    "client-id": (61, _INTERNAL),
    "nis+-domain": (64, _TEXT),
    "nis+-server": (65, _ADDRESSES),
    "tftp-server": (66, _TEXT),
    "bootfile-name": (67, _TEXT),
    "mobile-ip-home": (68, _ADDRESSES),
    "smtp-server": (69, _ADDRESSES),
    "pop3-server": (70, _ADDRESSES),
    "nntp-server": (71, _ADDRESSES),
    "irc-server": (74, _ADDRESSES),
    "user-class": (77, UNTYPED),
    "rapid-commit": (80, UNTYPED),
    "FQDN": (81, _INTERNAL),
    "agent-id": (82, _INTERNAL),
    "client-arch": (93, OptionType(size=2)),
    "client-interface-id": (94, UNTYPED),
    "client-machine-id": (97, UNTYPED),
    "posix-timezone": (100, _TEXT),
    "tzdb-timezone": (101, _TEXT),
    "ipv6-only": (108, OptionType(size=4)),
    "subnet-select": (118, _INTERNAL),
    "domain-search": (119, OptionType(names=True)),
    "sip-server": (120, UNTYPED),
    "classless-static-route": (121, UNTYPED),
    "vendor-id-encap": (125, UNTYPED),
    "tftp-server-address": (150, _ADDRESSES),
    "server-ip-address": (255, _ADDRESSES),
}

_BY_FOLDED_NAME = {name.lower(): entry for name, entry in _OPTIONS.items()}
TYPES = dict(_OPTIONS.values())
"""What each of them holds, by its code."""


def by_name(name: str) -> tuple[int, OptionType] | None:
    """An option's code and what it holds, however its name is capitalised; None for an unknown one."""
    return _BY_FOLDED_NAME.get(name.lower())
