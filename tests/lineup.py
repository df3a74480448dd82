"""Line-ups of recorded boots as worlds: what a scenario says, without the row's packets.

The fields are those of the recordings: name, type and address of each server, and what its type knows.
Lines of a daemon's own configuration are read by the readers the importers use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

from coexist.analysis.race import ClientCase
from coexist.analysis.world import Listener, Segment, World
from coexist.boot.firmware.edk2 import Edk2
from coexist.boot.firmware.ipxe import Ipxe
from coexist.boot.firmware.machine import Firmware
from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.responder import Arrival, ServerModel
from coexist.boot.servers.dhcpd import DhcpdModel
from coexist.boot.servers.dnsmasq import DnsmasqModel
from coexist.boot.servers.dnsmasq_conf import read_dnsmasq
from coexist.boot.servers.generic import GenericModel, Where
from coexist.boot.servers.kea import KeaModel
from coexist.boot.servers.tftpd import FileServerModel
from coexist.boot.servers.together import TogetherModel
from coexist.importers.dhcpd.answers import DhcpdAnswers
from coexist.inventory.macset import EVERYONE, MacSet
from coexist.inventory.values import Delay
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.wire.bootp import UNSPECIFIED
from coexist.wire.mac import parse_mac
from coexist.wire.options import OptionInput, encode_option_value

NET = "10.77.0"
MASK = "255.255.255.0"
DEFAULT_MAC = "52:54:00:12:34:56"
UUID = bytes.fromhex("443322116655778899aabbccddeeff00")

# How the emulated machines keep time (docs/concepts/the-race.md, "On emulated machines").
# OVMF: its first window lasted 3.26 to 3.93 s, on a quiet machine from 3.57 s on; stalls add up to 0.9 s.
OVMF = Edk2(first_window=(3.1, 4.9), late=0.01)
# SeaBIOS and iPXE's ROM count BIOS ticks (1.6 % slow, granularity 55 ms); iPXE on OVMF a TSC (0.8 % fast).
IPXE_BIOS = Ipxe(pace=(0.97, 1.03), late=0.25)
IPXE_EFI = Ipxe(pace=(0.985, 1.02), late=0.25)
# QEMU's e1000 hands over nothing for a second after its receiver was turned on (e1000.c flush_queue_timer).
E1000_HOLDS = 0.97
JITTER = 0.02
"""Seconds: how far apart servers of equal delay were seen to arrive in either order (0.018 at most)."""
NO_ROUTER_WAIT = 15.9
"""Seconds iPXE waits for a router's advertisement that never comes (LAB: 15.7 to 16.1)."""


POWER_ON = {"ipxe": (2.2, 4.2), "uefi": (3.3, 8.0), "uefi-ipxe": (3.3, 8.0)}
"""Seconds from power on to the first DISCOVER, shortest and longest (LAB)."""
RECORDED_FOR = 70.0
"""Seconds after power on at which a recording ends unless its scenario says otherwise."""


class InexpressibleError(Exception):
    """A scenario says something that no model knows."""


@dataclass(frozen=True, slots=True)
class LineUp:
    """A world and the client in it.

    ``has_driver`` is False where its firmware has no driver for its card. ``recorded``: seconds after the
    first DISCOVER at which the recording ends, earliest and latest.
    """

    world: World
    case: ClientCase
    has_driver: bool
    recorded: tuple[float, float]


def line_up(scenario: Mapping[str, Any]) -> LineUp:
    """The world of one scenario. Raises InexpressibleError."""
    client = {"fw": "ipxe", "nic": "virtio-net-pci", "mac": DEFAULT_MAC, **scenario.get("client", {})}
    bios = client["fw"] in ("ipxe", "bios")
    extension = "0" if bios else "efi"
    models: dict[str, ServerModel] = {}
    owners: dict[IPv4Address, str] = {}
    listeners = []
    for server in scenario["servers"]:
        address = IPv4Address(server["ip"])
        model = model_of(server, client, extension)
        models[server["name"]] = model
        owners[address] = server["name"]
        listeners.append(Listener(model=model, address=address))
    segment = Segment(name="lab", listeners=tuple(listeners), jitter=JITTER, routed=False)
    world = World(
        segments={"lab": segment},
        models=models,
        firmwares={client["fw"]: _firmware(client, ra=scenario.get("ra", True))},
        owners=owners,
        uuid=UUID,
    )
    case = ClientCase(
        mac=parse_mac(client["mac"]),
        vlan="lab",
        architecture="bios" if bios else "uefi-x64",
        firmware=client["fw"],
    )
    power_on = POWER_ON.get(client["fw"], (2.2, 8.0))
    until = scenario.get("timeout", RECORDED_FOR)
    # OVMF as Debian builds it drives virtio only; without an option ROM other cards stay silent (LAB).
    has_driver = client["fw"] != "uefi" or client["nic"].startswith("virtio")
    return LineUp(world, case, has_driver, (until - power_on[1], until - power_on[0]))


def _firmware(client: Mapping[str, Any], *, ra: bool) -> Firmware:
    if client["fw"] == "uefi":
        return OVMF
    if client["fw"] not in ("ipxe", "uefi-ipxe"):
        raise InexpressibleError(f"firmware {client['fw']}")
    model = IPXE_BIOS if client["fw"] == "ipxe" else IPXE_EFI
    return replace(
        model,
        reads_from=E1000_HOLDS if client["nic"].startswith("e1000") else 0.0,
        ipv6_wait=0.0 if ra else NO_ROUTER_WAIT,
    )


def model_of(server: Mapping[str, Any], client: Mapping[str, Any], extension: str) -> ServerModel:
    kind, name = server["type"], server["name"]
    file = server.get("file", name.lower() + ".{ext}").replace("{ext}", extension)
    match kind:
        case "dnsmasq-dhcp" | "dnsmasq-proxy":
            return _dnsmasq(server, file, extension)
        case "dhcpd":
            return _dhcpd(server, client, file, extension)
        case "dhcpd+4011":
            boot = replace(_pyproxy({"type": "pyproxy", "name": name}, file), answers_67=False)
            return TogetherModel(name=name, parts=(_dhcpd(server, client, file, extension), boot))
        case "kea":
            return _kea(server, file)
        case "pyproxy":
            return _pyproxy(server, file)
        case "tftp":
            return FileServerModel(name=name)
    raise InexpressibleError(f"server type {kind}")


def _dnsmasq(server: Mapping[str, Any], file: str, extension: str) -> DnsmasqModel:
    config = read_dnsmasq(dnsmasq_lines(server, file, extension))
    if config.unmodelled:
        raise InexpressibleError(f"{server['name']}: {config.unmodelled[0].text}: {config.unmodelled[0].why}")
    return DnsmasqModel(name=server["name"], config=config)


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


def _dhcpd(server: Mapping[str, Any], client: Mapping[str, Any], file: str, extension: str) -> DhcpdModel:
    text = dhcpd_text(server, client, file, extension)
    configuration = parse_dhcpd(text, f"{server['name']}/dhcpd.conf")
    return DhcpdModel(name=server["name"], leases=DhcpdAnswers(configuration))


def dhcpd_text(server: Mapping[str, Any], client: Mapping[str, Any], file: str, extension: str) -> str:
    """The dhcpd.conf of a server of a line-up."""
    own = server["ip"]
    first = server.get("pool", 150)
    lines = [
        "default-lease-time 600;",
        "max-lease-time 3600;",
        "authoritative;",
        "ddns-update-style none;",
        f"ping-check {'true' if server.get('ping') else 'false'};",
        "option arch code 93 = unsigned integer 16;",
        *server.get("global", []),
    ]
    if server.get("min_secs") is not None:
        lines.append(f"min-secs {server['min_secs']};")
    inner = _dhcpd_boot(server, file)
    inner += [
        line.replace("{file}", file).replace("{ip}", own).replace("{ext}", extension)
        for line in server.get("body", [])
    ]
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


def _kea(server: Mapping[str, Any], file: str) -> KeaModel:
    from coexist.wire.option_codes import OptionKind, option_kind

    options: dict[int, bytes] = {}
    forced: set[int] = set()
    for entry in server.get("option_data") or []:
        code = entry.get("code") or _KEA_NAMES.get(entry.get("name", ""))
        if code is None:
            raise InexpressibleError(f"{server['name']}: option data {entry}")
        data: OptionInput = entry.get("data", "")
        if entry.get("csv-format") is False:
            options[code] = bytes.fromhex(str(data).replace(":", "").replace(" ", "").removeprefix("0x"))
        elif option_kind(code) is OptionKind.TEXT or code in (66, 67, 60):
            options[code] = str(data).encode()
        else:
            options[code] = encode_option_value(code, data)
        if entry.get("always-send"):
            forced.add(code)
    boots = bool(server.get("boot"))
    lease = Lease(
        yiaddr=IPv4Address(f"{NET}.{server.get('pool', 200)}"),
        netmask=IPv4Address(MASK),
        siaddr=IPv4Address(server.get("next", server["ip"])) if boots else UNSPECIFIED,
        file=file.encode() if boots else b"",
        options=options,
        forced=frozenset(forced),
        lease_time=600,
    )

    def leases(arrival: Arrival) -> Lease | NoLease:
        return lease

    return KeaModel(name=server["name"], leases=leases)


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


def _pyproxy(server: Mapping[str, Any], file: str) -> GenericModel:
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
