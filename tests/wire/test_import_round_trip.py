"""Importing a server's configuration and rendering it for the same product changes no answer.

The real daemon runs on the original file and on the rendered one, and clients of every
architecture, vendor class and user class, with the MAC of every host the file names and with a
stranger's, ask both. What the original sends must come again; besides, the rendered file may repeat
siaddr and file as options 66 and 67, as coexist always does.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from coexist.errors import InputError
from coexist.importers import Imported, import_files
from coexist.importers.written import clients_csv, site_yaml
from coexist.inventory import Inventory, load_inventory
from coexist.render import render_site
from coexist.wire.bootp import BOOTREPLY, BOOTREQUEST, BROADCAST_FLAG, Packet, decode, encode
from coexist.wire.mac import format_mac, mac_bytes, parse_mac
from coexist.wire.options import MessageType, Option
from tests.harness.namespaces import HarnessError
from tests.harness.network import Host, Network
from tests.harness.processes import Process
from tests.harness.servers import start_dhcpd, start_dnsmasq, start_kea

pytestmark = pytest.mark.untimed

SHARED = Path(os.environ.get("COEXIST_SHARED", Path(__file__).parents[3] / "shared"))
OWN = Path(__file__).parents[1] / "unit" / "importers" / "dhcpd_conf"
PATIENCE = 1.6
"""Seconds of silence after which no answer comes any more: dhcpd pings an address for one."""
DNSMASQ_PATIENCE = 5.0
"""dnsmasq pings for up to three, and hears nothing meanwhile."""

STRANGER = "02:00:5e:10:00:01"
# The daemon's own times and identity, and a client's name, which an inventory keeps but does not tell.
NOT_COMPARED = frozenset({12, 51, 54, 58, 59})
REQUESTED = bytes([1, 3, 6, 12, 13, 15, 17, 28, 42, 43, 54, 60, 66, 67, 128, 129, 150, 160, 175, 203, 210])


def _pxe(code: int, kind: str = "PXEClient") -> dict[int, bytes]:
    return {
        Option.VENDOR_CLASS_IDENTIFIER: f"{kind}:Arch:{code:05d}:UNDI:003016".encode(),
        Option.CLIENT_SYSTEM_ARCHITECTURE: code.to_bytes(2, "big"),
    }


KINDS: dict[str, dict[int, bytes]] = {
    "no PXE": {},
    **{f"architecture {code}": _pxe(code) for code in (0, 2, 6, 7, 8, 9, 10, 11)},
    **{f"HTTP {code}": _pxe(code, "HTTPClient") for code in (15, 16, 19)},
    "no option 93": {Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient"},
    "no vendor class": {Option.CLIENT_SYSTEM_ARCHITECTURE: b"\0\7"},
    "iPXE on BIOS": _pxe(0)
    | {Option.USER_CLASS: b"iPXE", Option.IPXE_ENCAPSULATED: bytes.fromhex("130101170101180101270101")},
    "iPXE on UEFI": _pxe(7)
    | {Option.USER_CLASS: b"iPXE", Option.IPXE_ENCAPSULATED: bytes.fromhex("130101240101270101")},
    "iPXE without HTTP": _pxe(7) | {Option.USER_CLASS: b"iPXE", Option.IPXE_ENCAPSULATED: b"\x17\1\1"},
    "iPXE, counted": _pxe(7) | {Option.USER_CLASS: b"\4iPXE"},
    "gPXE": _pxe(0) | {Option.USER_CLASS: b"gPXE"},
    "snom": {Option.VENDOR_CLASS_IDENTIFIER: b"phone snom"},
    "Cisco": {Option.VENDOR_CLASS_IDENTIFIER: b"Cisco Systems, Inc. IP Phone CP-8841"},
    "Juniper": {Option.VENDOR_CLASS_IDENTIFIER: b"Juniper-srx320-x"},
    "Apple": {Option.VENDOR_CLASS_IDENTIFIER: b"AAPLBSDPC/i386/x"},
}

Case = tuple[str, str, str]
"""MAC, kind, VLAN."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What of an offer a client acts on."""

    leased: str
    siaddr: IPv4Address
    file: bytes
    options: tuple[tuple[int, bytes], ...]


def _packet(case: Case, xid: int, giaddr: IPv4Address) -> Packet:
    mac, kind, _ = case
    return Packet(
        op=BOOTREQUEST,
        xid=xid,
        secs=40,
        flags=BROADCAST_FLAG,
        giaddr=giaddr,
        chaddr=mac_bytes(parse_mac(mac)),
        options={
            Option.DHCP_MESSAGE_TYPE: bytes((MessageType.DISCOVER,)),
            **KINDS[kind],
            Option.PARAMETER_REQUEST_LIST: REQUESTED,
        },
    )


def _cases(inventory: Inventory) -> list[Case]:
    macs = [*map(format_mac, inventory.clients.macs[:5]), STRANGER]
    for group in inventory.site.groups.values():
        macs += [format_mac(mac) for mac in group.macs[:2]]
        macs += [f"{prefix}:00:00:01"[:17] for prefix in (*group.oui, *group.prefix) if len(prefix) == 8]
    return [
        (mac, kind, vlan) for vlan in inventory.site.vlans for mac in dict.fromkeys(macs) for kind in KINDS
    ]


def _giaddr(inventory: Inventory, vlan: str, server: IPv4Address) -> IPv4Address:
    """An address of the VLAN that nobody has, near the end of its first subnet."""
    subnet = inventory.site.vlans[vlan].subnet[0]
    taken = {record for s in inventory.site.servers.values() for record in s.stands_on.values()} | {server}
    address = subnet.broadcast_address - 1
    while address in taken:
        address -= 1
    return address


def ask(
    directory: Path,
    inventory: Inventory,
    server: IPv4Address,
    start: Callable[[Host], Process],
    patience: float = PATIENCE,
) -> dict[Case, Answer | None]:
    """The offer each case gets from a daemon, asked by a relay in each VLAN; None is silence."""
    home = next(v for v in inventory.site.vlans.values() if any(server in net for net in v.subnet))
    net = next(net for net in home.subnet if server in net)
    relays = {vlan: _giaddr(inventory, vlan, server) for vlan in inventory.site.vlans}
    local = net.broadcast_address - 2 if net.prefixlen < 31 else net.network_address
    directory.mkdir()
    with Network(directory=directory) as network:
        network.vlan(
            "lan", net if net.prefixlen < 31 else IPv4Network((int(net.network_address) & ~0xFF, 24))
        )
        host = network.host("server", {"lan": server}, gateway=str(local))
        clients = network.host("clients", {"lan": local})
        for address in relays.values():
            clients.namespace.ip(f"addr add {address}/32 dev eth0")
        start(host)
        cases = _cases(inventory)
        packets = {n: _packet(case, n, relays[case[2]]) for n, case in enumerate(cases, start=1)}
        replies = _exchange(clients, packets, server, patience)
    table = inventory.clients
    owned = {
        (format_mac(mac), str(address))
        for mac, address in zip(table.macs, table.columns["address"], strict=True)
        if address
    }
    return {
        case: _answer(replies[n], case[0], owned) if n in replies else None
        for n, case in enumerate(cases, start=1)
    }


def _exchange(
    host: Host, packets: dict[int, Packet], server: IPv4Address, patience: float
) -> dict[int, Packet]:
    answers: dict[int, Packet] = {}
    asker = host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        asker.bind(("", 67))
        for batch in _batches(list(packets.values()), 16):
            for packet in batch:
                asker.sendto(encode(packet), (str(server), 67))
            _collect(asker, answers, 0.05, len(packets))
        _collect(asker, answers, patience, len(packets))
    finally:
        asker.close()
    return answers


def _collect(asker: socket.socket, answers: dict[int, Packet], patience: float, wanted: int) -> None:
    while len(answers) < wanted and select.select([asker], [], [], patience)[0]:
        reply = decode(asker.recv(2048))
        if isinstance(reply, Packet) and reply.op == BOOTREPLY:
            answers.setdefault(reply.xid, reply)


def _batches(items: list[Packet], size: int) -> Iterator[list[Packet]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _answer(packet: Packet, mac: str, owned: set[tuple[str, str]]) -> Answer:
    """An answer; which address a pool gives does not count, an address of the client's own does.

    dhcpd leases a reserved address that lies in a range to anyone; what coexist writes cuts it out.
    """
    address = str(packet.yiaddr)
    options = {code: value for code, value in packet.options.items() if code not in NOT_COMPARED}
    return Answer(
        address if (mac, address) in owned else "from a pool",
        packet.siaddr,
        packet.file.rstrip(b"\0"),
        tuple(sorted((int(code), bytes(value)) for code, value in options.items())),
    )


def differences(
    before: dict[Case, Answer | None],
    after: dict[Case, Answer | None],
    left_out: frozenset[int],
    elsewhere: Callable[[str, str], bool] = lambda vlan, address: False,
) -> list[str]:
    """The cases whose answer is another one. ``left_out``: options the import says it did not take;
    ``elsewhere``: whether it says that an address is not given out on a VLAN any more."""
    result = []
    for case, old in before.items():
        new = after[case]
        if old is not None and new is None and elsewhere(case[2], old.leased):
            continue
        if (old is None) != (new is None):
            result.append(f"{case}: {old} became {new}")
            continue
        if old is None or new is None:
            continue
        extra = dict(new.options)
        wrong = [
            f"option {code} {value!r} became {extra.get(code)!r}"
            for code, value in old.options
            if extra.get(code) != value and code not in left_out
        ]
        for code, repeated in ((66, str(new.siaddr).encode()), (67, new.file)):
            # dnsmasq ends option 66 with a NUL and cannot be told not to.
            if code in extra and code not in dict(old.options) and extra[code].rstrip(b"\0") != repeated:
                wrong.append(f"option {code} {extra[code]!r} is new")
        known = {code for code, _ in old.options} | {66, 67}
        wrong += [f"option {code} {value!r} is new" for code, value in extra.items() if code not in known]
        for name in ("leased", "siaddr", "file"):
            if name == "leased" and elsewhere(case[2], old.leased):
                continue
            if name == "file" and not old.file and dict(old.options).get(67, b"").rstrip(b"\0") == new.file:
                # dnsmasq gives the name as option 67 to whoever asks for that; the header repeats it.
                continue
            if getattr(old, name) != getattr(new, name):
                wrong.append(f"{name} {getattr(old, name)} became {getattr(new, name)}")
        if wrong:
            result.append(f"{case}: {'; '.join(wrong)}")
    return result


def stored(imported: Imported, directory: Path) -> Inventory:
    """The import as an administrator would find it on disk."""
    directory.mkdir()
    (directory / "site.yaml").write_text(site_yaml(imported))
    (directory / "clients.csv").write_text(clients_csv(imported.clients))
    return load_inventory(directory)


def rendered(inventory: Inventory, server: str, name: str) -> bytes:
    """The file that coexist writes for a server."""
    return next(file.content for file in render_site(inventory).files[server] if file.path == name)


# --- dhcpd --------------------------------------------------------------------------------------

DHCPD = [
    *sorted(path for path in OWN.glob("*.conf") if path.name != "foreman-hosts.conf"),
    *sorted(path for path in SHARED.glob("corpus/dhcpd*.conf") if "rejected" not in path.name),
]
# foreman-hosts.conf is no configuration of its own: foreman.conf includes it.
REJECTED = sorted(SHARED.glob("corpus/dhcpd*rejected*.conf"))


# What only the machine has that the file was written on: its partner, and its second network card.
_DHCPD_LOCAL = re.compile(r'failover peer "[^"]*" \{[^}]*\}|failover peer "[^"]*";|\binterface \w+;')


def dhcpd_here(text: str) -> str:
    """A dhcpd.conf without what belongs to its machine."""
    return _DHCPD_LOCAL.sub("", text)


@pytest.mark.needs("dhcpd")
@pytest.mark.parametrize("path", DHCPD, ids=lambda path: path.stem)
def test_dhcpd_answers_as_before(path: Path, tmp_path: Path) -> None:
    imported = import_files("dhcpd", [path])
    inventory = stored(imported, tmp_path / "site")
    address = inventory.site.servers["dhcp"].address
    assert address is not None
    text = dhcpd_here(path.read_text())
    for name in path.parent.glob("*-hosts.conf"):
        text = text.replace(f'"{name.name}"', f'"{name}"')
    before = ask(tmp_path / "before", inventory, address, lambda host: start_dhcpd(host, text))
    new = dhcpd_here(rendered(inventory, "dhcp", "dhcpd.conf").decode())
    after = ask(tmp_path / "after", inventory, address, lambda host: start_dhcpd(host, new))
    assert any(before.values()), "nobody was answered: nothing is shown"
    wrong = differences(before, after, left_out_options(imported))
    assert not wrong, f"{len(wrong)} of {len(before)} differ:\n" + "\n".join(wrong[:12])


@pytest.mark.needs("dhcpd")
@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.stem)
def test_what_dhcpd_refuses_is_refused_at_its_line(path: Path, tmp_path: Path) -> None:
    here = shutil.copy(path, tmp_path / "dhcpd.conf")
    (tmp_path / "network").mkdir()
    with Network(directory=tmp_path / "network") as network:
        network.vlan("lan", "192.0.2.0/24")
        host = network.host("server", {"lan": "192.0.2.1"})
        with pytest.raises(HarnessError) as refused:
            host.run(["dhcpd", "-t", "-cf", here, "-lf", "/dev/null"])
    found = re.search(r"dhcpd\.conf line (\d+):", str(refused.value))
    assert found is not None, refused.value
    with pytest.raises(InputError) as error:
        import_files("dhcpd", [Path(here)])
    assert error.value.problems[0].position.line == int(found[1])


def left_out_options(imported: Imported) -> frozenset[int]:
    """The options of which a statement was left out, as the import itself reports."""
    names = {"domain-name-servers": 6, "ntp-servers": 42, "root-path": 17, "log-servers": 7}
    names["use-lease-addr-for-default-route"] = 3
    return frozenset(
        code
        for entry in imported.not_modelled
        for name, code in names.items()
        if name in entry.statement.replace(";", " ").split()
    )


# --- Kea ----------------------------------------------------------------------------------------

KEA = sorted(SHARED.glob("corpus/kea*.json"))
# What only the machine has that the file was written on: its database, its hooks, its sockets.
_KEA_LOCAL = ("control-socket", "loggers", "lease-database", "interfaces-config")


def kea_here(text: str) -> str:
    """A Kea configuration with what belongs to its machine exchanged for what works on this one."""
    plain = json.loads(_without_comments(text))
    dhcp4 = {key: value for key, value in plain["Dhcp4"].items() if key not in _KEA_LOCAL}
    hooks = [hook for hook in dhcp4.get("hooks-libraries", ()) if Path(hook["library"]).is_file()]
    dhcp4["hooks-libraries"] = hooks
    dhcp4["interfaces-config"] = {"interfaces": ["eth0"]}
    dhcp4["lease-database"] = {"type": "memfile", "persist": False}
    return json.dumps({"Dhcp4": dhcp4})


def _without_comments(text: str) -> str:
    kept = re.sub(
        r'("(?:[^"\\]|\\.)*")|#[^\n]*|//[^\n]*|/\*.*?\*/', lambda m: m[1] or "", text, flags=re.DOTALL
    )
    return re.sub(r'("(?:[^"\\]|\\.)*")|,(?=\s*[\]}])', lambda m: m[1] or "", kept)


@pytest.mark.needs("kea-dhcp4")
@pytest.mark.parametrize("path", KEA, ids=lambda path: path.stem)
def test_kea_answers_as_before(path: Path, tmp_path: Path) -> None:
    imported = import_files("kea", [path])
    inventory = stored(imported, tmp_path / "site")
    address = inventory.site.servers["dhcp"].address
    assert address is not None
    text = kea_here(path.read_text())
    before = ask(tmp_path / "before", inventory, address, lambda host: start_kea(host, text))
    new = kea_here(rendered(inventory, "dhcp", "kea-dhcp4.conf").decode())
    after = ask(tmp_path / "after", inventory, address, lambda host: start_kea(host, new))
    assert any(before.values()), "nobody was answered: nothing is shown"
    said = {entry.statement for entry in imported.not_modelled if "in every subnet" in entry.why}

    def elsewhere(vlan: str, leased: str) -> bool:
        stated = any(f'"{leased}"' in statement for statement in said)
        return stated and not any(IPv4Address(leased) in net for net in inventory.site.vlans[vlan].subnet)

    wrong = differences(before, after, frozenset(), elsewhere)
    assert not wrong, f"{len(wrong)} of {len(before)} differ:\n" + "\n".join(wrong[:12])


# --- dnsmasq ------------------------------------------------------------------------------------

DNSMASQ = sorted(path for path in SHARED.glob("corpus/dnsmasq*.conf") if "proxy" not in path.name)
DNSMASQ += sorted((OWN.parent / "dnsmasq_conf").glob("*.conf"))
_DNSMASQ_LOCAL = re.compile(
    r"(interface|except-interface|no-dhcp-interface|listen-address|tftp-root|enable-tftp|bind-.*|log-.*|user|group"
    r"|keep-in-foreground|no-daemon|dhcp-leasefile|dhcp-script|resolv-file|addn-hosts|hostsdir|pid-file)\b"
)


def start_dnsmasq_on(host: Host, text: str) -> Process:
    """dnsmasq on the host's only card, without the files of another machine."""
    lines = [line for line in text.splitlines() if not _DNSMASQ_LOCAL.match(line.strip())]
    path = host.write("dnsmasq.conf", "\n".join([*lines, ""]))
    return start_dnsmasq(host, path, "--interface=eth0", "--bind-interfaces")


@pytest.mark.needs("dnsmasq")
@pytest.mark.parametrize("path", DNSMASQ, ids=lambda path: path.stem)
def test_dnsmasq_answers_as_before(path: Path, tmp_path: Path) -> None:
    imported = import_files("dnsmasq", [path])
    inventory = stored(imported, tmp_path / "site")
    address = inventory.site.servers["dnsmasq"].address
    assert address is not None
    text = path.read_text()
    before = ask(
        tmp_path / "before", inventory, address, lambda host: start_dnsmasq_on(host, text), DNSMASQ_PATIENCE
    )
    new = rendered(inventory, "dnsmasq", "dnsmasq.conf").decode()
    after = ask(
        tmp_path / "after", inventory, address, lambda host: start_dnsmasq_on(host, new), DNSMASQ_PATIENCE
    )
    assert any(before.values()), "nobody was answered: nothing is shown"
    wrong = differences(before, after, frozenset())
    assert not wrong, f"{len(wrong)} of {len(before)} differ:\n" + "\n".join(wrong[:12])
