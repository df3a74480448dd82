"""Random inventories of one DHCP server, and the packets of every kind of client that asks it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from coexist.wire.mac import parse_mac
from coexist.wire.options import MessageType, Option
from tests.harness.leases import Ask
from tests.harness.matrix import PXE_LIST

SERVER = "10.10.0.5"
ARCHITECTURES = ("bios", "uefi-ia32", "uefi-x64", "uefi-arm64", "http-x64")
FILES = ("undionly.kpxe", "boot/loader.efi", "pxelinux.0", "http://198.18.0.9/x.efi", "shim.efi")
SERVERS = ("files", "10.10.0.77")
GROUPS = ("thin", "pilots", "phones", "lab", "known", "unknown", "everyone")

CLIENTS = [
    {"mac": "00:80:64:10:00:01", "name": "tc-1", "hardware": "igel"},
    {"mac": "00:80:64:10:00:02", "name": "tc-2", "hardware": "igel", "address": "10.10.7.7"},
    {"mac": "00:80:64:10:00:03", "name": "pilot", "hardware": "igel", "tags": "pilot"},
    {"mac": "3c:52:82:30:00:01", "name": "pc", "hardware": "hp", "address": "10.30.7.8"},
    {"mac": "80:5e:c0:40:00:07", "name": "odd", "hardware": "yealink", "address": "10.21.7.7"},
]
MACS = {
    "thin": "00:80:64:10:00:01",
    "thin with an address": "00:80:64:10:00:02",
    "pilot": "00:80:64:10:00:03",
    "PC": "3c:52:82:30:00:01",
    "odd phone": "80:5e:c0:40:00:07",
    "phone": "80:5e:c0:40:00:01",
    "in the lab": "02:00:00:00:11:23",
    "stranger": "3c:52:82:30:00:99",
}

LISTS = {
    "none": None,
    "PXE": PXE_LIST,
    "all": bytes(code for code in range(1, 255) if code not in (52, 53, 55, 82)),
}


def pxe(code: int | None, kind: str = "PXEClient", **more: bytes) -> dict[int, bytes]:
    """The options that firmware of an architecture sends beside its list."""
    options = {
        Option.VENDOR_CLASS_IDENTIFIER: f"{kind}:Arch:{code or 0:05d}:UNDI:003016".encode(),
        Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER: b"\1\3\x10",
        Option.CLIENT_MACHINE_IDENTIFIER: b"\0" + bytes(range(16)),
    }
    if code is not None:
        options[Option.CLIENT_SYSTEM_ARCHITECTURE] = code.to_bytes(2, "big")
    return {int(code): octets for code, octets in options.items()}


KINDS: dict[str, dict[int, bytes]] = {
    "no PXE": {},
    "other class": {Option.VENDOR_CLASS_IDENTIFIER: b"MSFT 5.0"},
    "BIOS": pxe(0),
    "BIOS without 93": pxe(None),
    "UEFI IA32": pxe(6),
    "UEFI x64": pxe(7),
    "EBC": pxe(9),
    "UEFI ARM64": pxe(11),
    "HTTP x64": pxe(16, "HTTPClient"),
    "iPXE on BIOS": pxe(0) | {Option.USER_CLASS: b"iPXE", Option.IPXE_ENCAPSULATED: b"\x13\1\1"},
    "iPXE on UEFI": pxe(7) | {Option.USER_CLASS: b"\4iPXE"},
    "iPXE without PXE": {Option.USER_CLASS: b"iPXE"},
    "kiosk": {Option.USER_CLASS: b"kiosk", Option.CLIENT_IDENTIFIER: b"\0kiosk-1"},
    "short lease": {Option.IP_ADDRESS_LEASE_TIME: b"\0\0\0\x2d"},
    "some lease": {Option.IP_ADDRESS_LEASE_TIME: b"\0\0\x1c\x20"},
    "lease for ever": {Option.IP_ADDRESS_LEASE_TIME: b"\xff\xff\xff\xff"},
    "kiosks": {Option.USER_CLASS: b"kiosks"},
}


# -- inventories -------------------------------------------------------------------------------

OPTION_VALUES: dict[int, st.SearchStrategy[Any]] = {
    3: st.sampled_from(("10.10.0.1", ["10.10.0.1", "10.10.0.2"])),
    6: st.sampled_from(("10.10.0.53", ["10.10.0.53", "10.10.0.54"])),
    12: st.just("node"),
    15: st.just("campus.example"),
    17: st.sampled_from(("/export/root", 'a "root", with\\ $(things)')),
    26: st.just(1400),
    28: st.just("10.10.255.255"),
    42: st.just("10.10.0.42"),
    43: st.sampled_from(("hex:06:01:08:ff", "hex:06:01:08", "hex:0a:04:00:50:58:45:ff")),
    60: st.sampled_from(("PXEClient", "HTTPClient")),
    66: st.sampled_from(("10.10.0.66", "boot.campus.example", "https://voip.example/p")),
    67: st.sampled_from(("option.efi", "hex:6f:70:74:2e:30")),
    128: st.just("hex:01:02:03:04"),
    150: st.just("10.10.0.150"),
    210: st.just("/thin/"),
    252: st.just("http://198.18.0.1/wpad.dat"),
}


@st.composite
def options(draw: st.DrawFn, most: int = 4) -> dict[int, Any]:
    """Some DHCP options."""
    codes = draw(st.lists(st.sampled_from(sorted(OPTION_VALUES)), unique=True, max_size=most))
    return {code: draw(OPTION_VALUES[code]) for code in codes}


@st.composite
def programs(draw: st.DrawFn) -> dict[str, Any]:
    """Some boot programs by architecture."""
    keys = draw(st.lists(st.sampled_from((*ARCHITECTURES, "ipxe")), unique=True, max_size=3))
    result: dict[str, Any] = {}
    for key in keys:
        file = draw(st.sampled_from(FILES))
        result[key] = (
            {"file": file, "server": draw(st.sampled_from(SERVERS))} if draw(st.booleans()) else file
        )
    return result


TESTS = (
    {"option": 60, "starts_with": "PXEClient"},
    {"option": 60, "equals": "MSFT 5.0"},
    {"option": 61, "exists": True},
    {"option": 77, "exists": False},
    {"option": 60, "starts_with": "PXEClient", "not": True},
    {"option": 93, "equals": "hex:00:09"},
)


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """A rule of a scope."""
    rule: dict[str, Any] = {}
    if draw(st.booleans()):
        rule["clients"] = draw(st.lists(st.sampled_from(GROUPS), min_size=1, max_size=2, unique=True))
    condition = draw(st.integers(0, 5))
    if condition == 1:
        rule["architectures"] = draw(
            st.lists(st.sampled_from(ARCHITECTURES), min_size=1, max_size=2, unique=True)
        )
    elif condition == 2:
        rule["vendor_class"] = draw(
            st.sampled_from(("PXEClient", "PXEClient:Arch:00007", "HTTPClient", "MSFT"))
        )
    elif condition == 3:
        rule["user_class"] = draw(st.sampled_from(("iPXE", "kiosk")))
    elif condition == 4:
        rule["when"] = draw(st.lists(st.sampled_from(TESTS), min_size=1, max_size=2))
    if draw(st.integers(0, 7)) == 0:
        return {**rule, "ignore": True}
    return {**rule, **draw(values())}


@st.composite
def values(draw: st.DrawFn) -> dict[str, Any]:
    """What a scope or a rule says: next server, file or programs, options."""
    said: dict[str, Any] = {"options": draw(options())}
    if draw(st.booleans()):
        said["next_server"] = draw(st.sampled_from(SERVERS))
    way = draw(st.integers(0, 2))
    if way == 1:
        said["filename"] = draw(st.sampled_from((*FILES, "")))
    elif way == 2:
        said["programs"] = draw(programs())
    return said


@st.composite
def lease_times(draw: st.DrawFn) -> dict[str, Any]:
    """The lease time of a scope, and what clients may ask for."""
    said = {"lease_time": draw(st.sampled_from((600, 43200)))}
    if draw(st.integers(0, 3)) == 0:
        said["min_lease_time"] = draw(st.sampled_from((0, 120, 600)))
    if draw(st.integers(0, 3)) == 0:
        said["max_lease_time"] = draw(st.sampled_from((43200, 100_000, 9_000_000)))
    return said


@st.composite
def scopes(draw: st.DrawFn, vlan: str, net: str, subnet: str | None = None) -> dict[str, Any]:
    """A scope with a pool for everyone, or two for some."""
    pools: list[Any] = [f"{net}.1.0-{net}.4.255"]
    if draw(st.integers(0, 3)) == 0:
        group = draw(st.sampled_from(("thin", "phones", "known", "lab")))
        said: dict[str, Any] = draw(
            st.sampled_from(({}, {}, {"vendor_class": "PXEClient"}, {"architectures": ["uefi-x64"]}))
        )
        pools = [
            {"range": f"{net}.1.0-{net}.2.255", "allow": [group, "pilots"]}
            if not said
            else {"range": f"{net}.1.0-{net}.2.255", **said},
            {"range": f"{net}.3.0-{net}.4.255", "deny": [group, "pilots"]},
        ][: draw(st.integers(1, 2))]
    return {
        "server": "dhcp",
        "vlan": vlan,
        **({"subnet": subnet} if subnet else {}),
        "pools": pools,
        **draw(lease_times()),
        "reservations": draw(st.sampled_from((True, True, False))),
        "host_names": draw(st.booleans()),
        "always_send": draw(st.lists(st.sampled_from((17, 66, 67, 128, 150)), unique=True, max_size=2)),
        "rules": draw(st.lists(rules(), max_size=4)),
        **draw(values()),
    }


@st.composite
def sites(draw: st.DrawFn) -> dict[str, Any]:
    """The tree of an inventory; its server ``dhcp`` has no software yet."""
    server: dict[str, Any] = {
        "address": SERVER,
        "vlan": "office",
        "roles": draw(st.sampled_from((["dhcp"], ["dhcp"], ["dhcp", "tftp"]))),
        "ping_check": False,
        "authoritative": draw(st.booleans()),
        "options": draw(options(2)),
        "answers": draw(
            st.sampled_from(
                (
                    "everyone",
                    "everyone",
                    "everyone",
                    "known",
                    {"except": "lab"},
                    {"only": ["thin", "phones"]},
                )
            )
        ),
    }
    if draw(st.integers(0, 3)) == 0:
        server["programs"] = draw(programs())
    if draw(st.integers(0, 3)) == 0:
        server["boot_server"] = draw(st.sampled_from(SERVERS))
    return {
        "site": "lease-plans",
        "vlans": {
            "office": {"id": 10, "subnet": "10.10.0.0/16", "gateway": "10.10.0.1"},
            "workshop": {
                "id": 20,
                "subnet": ["10.20.0.0/16", "10.21.0.0/16"],
                "gateway": "10.20.0.1",
                "relay_to": ["dhcp"],
            },
            "voice": {
                "id": 30,
                "subnet": "10.30.0.0/16",
                "gateway": "10.30.0.1",
                "relay_to": ["dhcp"],
            },
        },
        "servers": {
            "dhcp": server,
            "files": {"software": "tftpd", "address": "10.10.0.6", "vlan": "office"},
        },
        "scopes": {
            "office": draw(scopes("office", "10.10")),
            "workshop": draw(scopes("workshop", "10.21", "10.21.0.0/16")),
            "voice": draw(scopes("voice", "10.30")),
        },
        "clients": CLIENTS,
        "groups": {
            "thin": {"where": {"hardware": "igel"}},
            "pilots": {"where": {"tags": "pilot"}},
            "phones": {"oui": "80:5e:c0"},
            "lab": {"range": "02:00:00:00:10:00 to 02:00:00:00:12:ff"},
        },
    }


# -- packets -----------------------------------------------------------------------------------


def asks(vlans: tuple[str, ...], macs: dict[str, str] = MACS) -> Iterator[Ask]:
    """The whole matrix: who, as what, on which VLAN, with which list, by which message."""
    for who in macs.values():
        for kind, said in KINDS.items():
            for vlan in vlans:
                for wanted in LISTS.values():
                    for message in (MessageType.DISCOVER, MessageType.REQUEST, MessageType.INFORM):
                        sent = dict(said)
                        if wanted is not None:
                            sent[Option.PARAMETER_REQUEST_LIST] = wanted
                        yield Ask(mac=parse_mac(who), vlan=vlan, kind=kind, options=sent, message=message)
