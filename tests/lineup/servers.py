"""The servers of a line-up whose configuration is written from a few fields: their text, and its model.

Lines of a daemon's own configuration are read by the readers the importers use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Any

from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.leases.dnsmasq_file import DnsmasqFile
from coexist.boot.leases.dnsmasq_ranges import Ranges
from coexist.boot.leases.lease import Lease
from coexist.boot.servers.dhcpd import DhcpdModel
from coexist.boot.servers.dnsmasq import DnsmasqModel
from coexist.boot.servers.dnsmasq_answers import DnsmasqAnswers
from coexist.boot.servers.generic import GenericModel, Where
from coexist.boot.servers.kea import KeaModel, option_data
from coexist.inventory.macset import EVERYONE, MacSet
from coexist.inventory.values import Delay
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.wire.bootp import UNSPECIFIED
from coexist.wire.mac import parse_mac
from coexist.wire.option_codes import OptionKind, option_kind
from coexist.wire.options import OptionInput, encode_option_value
from tests.lineup.inexpressible import InexpressibleError

NET = "10.77.0"
MASK = "255.255.255.0"


def dnsmasq(server: Mapping[str, Any], file: str, extension: str) -> DnsmasqModel:
    """A dnsmasq by a few fields and lines of its own."""
    config = read_dnsmasq(dnsmasq_lines(server, file, extension))
    if config.unmodelled:
        raise InexpressibleError(f"{server['name']}: {config.unmodelled[0].text}: {config.unmodelled[0].why}")
    return DnsmasqModel(
        name=server["name"], answers=DnsmasqAnswers(file=DnsmasqFile(ranges=Ranges(config=config)))
    )


def dnsmasq_lines(server: Mapping[str, Any], file: str, extension: str) -> list[str]:
    """The dnsmasq.conf of a server of a line-up."""
    name = server["name"].lower()
    lines = ["port=0"]
    if not server.get("ping"):
        lines.append("no-ping")
    if server["type"] == "dnsmasq-dhcp":
        first = server.get("pool", 100)
        lines += [f"dhcp-range={NET}.{first},{NET}.{first + 50},{MASK},1h", "dhcp-authoritative"]
        if server.get("boot"):
            lines.append(f"dhcp-boot={file}" + (f",,{server['next']}" if server.get("next") else ""))
    else:
        lines.append(f"dhcp-range={NET}.0,proxy,{MASK}")
        lines += _proxy_lines(server, name, file)
    if server.get("delay"):
        lines.append(f"dhcp-reply-delay={server['delay']}")
    if server.get("macs") is not None:
        lines += [f"dhcp-host={mac},set:known" for mac in server["macs"]] + ["dhcp-ignore=tag:!known"]
    own = [line.replace("{ext}", extension).replace("{ip}", server["ip"]) for line in server.get("conf", [])]
    return lines + own


def _proxy_lines(server: Mapping[str, Any], name: str, file: str) -> list[str]:
    mode = server.get("mode", "service")
    if mode == "boot":
        return [f"dhcp-boot={file}"]
    if mode != "service":
        return []
    lines = [
        f'pxe-service=x86PC,"{name}",{name}',
        f'pxe-service=BC_EFI,"{name}",{name}.efi',
        f'pxe-service=X86-64_EFI,"{name}",{name}.efi',
    ]
    return [*lines, f"pxe-prompt={server['prompt']}"] if server.get("prompt") else lines


def dhcpd(server: Mapping[str, Any], client: Mapping[str, Any], file: str, extension: str) -> DhcpdModel:
    """An ISC dhcpd by a few fields and statements of its own."""
    text = dhcpd_text(server, client, file, extension)
    configuration = parse_dhcpd(text, f"{server['name']}/dhcpd.conf")
    return DhcpdModel(name=server["name"], leases=DhcpdLeases(configuration))


def dhcpd_text(server: Mapping[str, Any], client: Mapping[str, Any], file: str, extension: str) -> str:
    """The dhcpd.conf of a server of a line-up."""
    own = server["ip"]

    def filled(lines: Iterable[str]) -> list[str]:
        return [
            line.replace("{file}", file).replace("{ip}", own).replace("{ext}", extension) for line in lines
        ]

    first = server.get("pool", 150)
    lines = [
        "default-lease-time 600;",
        "max-lease-time 3600;",
        "authoritative;",
        "ddns-update-style none;",
        f"ping-check {'true' if server.get('ping') else 'false'};",
        "option arch code 93 = unsigned integer 16;",
        *filled(server.get("global", [])),
    ]
    if server.get("min_secs") is not None:
        lines.append(f"min-secs {server['min_secs']};")
    inner = _dhcpd_boot(server, file)
    inner += filled(server.get("body", []))
    in_host = bool(server.get("in_host"))
    pool = [f"range {NET}.{first} {NET}.{first + 40};"] if first else []
    lines += [f"subnet {NET}.0 netmask {MASK} {{", *pool, *([] if in_host else inner), "}"]
    if in_host:
        lines += [f"host c {{ hardware ethernet {client['mac']};", *inner, "}"]
    return "\n".join(lines) + "\n"


def _dhcpd_boot(server: Mapping[str, Any], file: str) -> list[str]:
    following = server.get("next", server["ip"])
    header = [f"next-server {following};", f'filename "{file}";']
    options = [f'option tftp-server-name "{following}";', f'option bootfile-name "{file}";']
    by_name = {"header": header, "options": options, "both": header + options}
    return by_name.get(server.get("boot") or "", [])


def kea(server: Mapping[str, Any], file: str) -> KeaModel:
    """A Kea by a few fields."""
    options, forced = kea_options(server["name"], server.get("option_data") or [])
    boots = bool(server.get("boot"))
    lease = Lease(
        yiaddr=IPv4Address(f"{NET}.{server.get('pool', 200)}"),
        netmask=IPv4Address(MASK),
        siaddr=IPv4Address(server.get("next", server["ip"])) if boots else UNSPECIFIED,
        file=file.encode() if boots else b"",
        options=options,
        forced=forced,
        lease_time=600,
    )
    return KeaModel(name=server["name"], leases=lambda _: lease)


def kea_options(name: str, entries: Iterable[Mapping[str, Any]]) -> tuple[dict[int, bytes], frozenset[int]]:
    """The octets of option data by code, and which of them are always sent."""
    options: dict[int, bytes] = {}
    forced: set[int] = set()
    for entry in entries:
        code = entry.get("code") or _KEA_NAMES.get(entry.get("name", ""))
        if code is None:
            raise InexpressibleError(f"{name}: option data {entry}")
        data: OptionInput = entry.get("data", "")
        if entry.get("csv-format") is False:
            options[code] = bytes.fromhex(str(data).replace(":", "").replace(" ", "").removeprefix("0x"))
        elif option_kind(code) is OptionKind.TEXT or code in (66, 67, 60):
            options[code] = str(data).encode()
        else:
            options[code] = encode_option_value(code, data)
        options[code] = option_data(code, options[code])
        if entry.get("always-send"):
            forced.add(code)
    return options, frozenset(forced)


_KEA_NAMES = {
    "routers": 3,
    "domain-name-servers": 6,
    "host-name": 12,
    "domain-name": 15,
    "root-path": 17,
    "broadcast-address": 28,
    "ntp-servers": 42,
    "vendor-encapsulated-options": 43,
    "vendor-class-identifier": 60,
    "tftp-server-name": 66,
    "boot-file-name": 67,
    "user-class": 77,
    "domain-search": 119,
}


def _spelled(macs: list[str]) -> MacSet:
    """Its lists are compared as texts: only lower case with colons is ever equal to a client's."""
    return MacSet.of(parse_mac(mac) for mac in macs if re.fullmatch("[0-9a-f]{2}(:[0-9a-f]{2}){5}", mac))


_FILE_IN: dict[str, Where] = {"header": "header", "opt67": "option", "both": "both"}


def pyproxy(server: Mapping[str, Any], file: str) -> GenericModel:
    """The plain responder written for the recordings."""
    delay = server.get("delay") or 0
    elapsed = server.get("delay_mode", "timer") == "elapsed"
    macs = server.get("macs")
    clients = EVERYONE if macs is None else _spelled(macs)
    denied = _spelled(server.get("deny_macs") or [])
    architectures = server.get("archs")
    vendor_class = server.get("opt60", "PXEClient")
    siaddr = server.get("siaddr")
    vendor_options = server.get("opt43")
    return GenericModel(
        name=server["name"],
        clients=clients - denied,
        architectures=None if architectures is None else frozenset(architectures),
        delay=Delay(since_first=delay) if elapsed else Delay(after=delay),
        min_secs=server.get("min_secs") or 0,
        delay_4011=server.get("delay_4011") or 0,
        default_file=file,
        file_in=_FILE_IN[server.get("file_in") or "header"],
        offers_file=server.get("offer_file", True),
        vendor_class=None if vendor_class is None else vendor_class.encode(),
        vendor_options=None if vendor_options is None else bytes.fromhex(vendor_options),
        siaddr=None if siaddr is None else IPv4Address(siaddr),
        answers_4011=server.get("reply_4011", True),
        answers_request=bool(server.get("reply_request_67")),
    )
