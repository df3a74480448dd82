"""Random Kea configurations with what the words of an inventory cannot say.

Tests of classes, guards and lists of classes, options and parameters at every level, reservations
of every kind, networks, relay agents, options of its own, and the library flex_option.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from hypothesis import strategies as st

HEAD = "// stands on 10.93.0.2/16, relay 10.94.0.1, relay 10.97.0.1\n"
MACS = ("02:00:5e:93:00:01", "02:00:5e:93:00:02", "02:00:5e:93:00:03", "02:00:5e:93:00:04")
CIRCUIT = "000a0b0c"
"""What the relay agents of the packet matrix say as their circuit."""
_FLEX = "/usr/lib/x86_64-linux-gnu/kea/hooks/libdhcp_flex_option.so"
_CLASSES = ("one", "two", "three", "late")

Tree: TypeAlias = dict[str, Any]

# -- expressions -------------------------------------------------------------------------------

_VALUES = st.sampled_from((
    "'PXEClient'", "'iPXE'", "'a'", "''", "0x0007", "0x00", "7", "10.94.0.1",
    "option[60].hex", "option[60].text", "option[77].hex", "option[user-class].hex", "option[12].text",
    "option[93].hex", "option[client-system].hex", "option[97].hex", "option[175].option[19].hex",
    "option[82].option[1].hex", "relay4[1].hex", "relay4[2].hex", "option[boards].hex", "option[200].hex",
    "option[vendor-class-identifier].hex", "option[55].hex", "option[57].hex",
    "pkt4.mac", "pkt4.hlen", "pkt4.htype", "pkt4.giaddr", "pkt4.ciaddr", "pkt4.yiaddr", "pkt4.siaddr",
    "pkt4.msgtype", "pkt.iface", "pkt.src", "pkt.dst", "pkt.len", "substring(option[60].hex, 0, 3)",
    "substring(option[60].hex, 0, 9)", "substring(pkt4.mac, 3, 3)",
))  # fmt: skip


def _values_of(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    small = st.integers(-4, 9)
    return st.one_of(
        st.tuples(inner, small, st.one_of(small, st.just("all"))).map(
            lambda p: f"substring({p[0]}, {p[1]}, {p[2]})"
        ),
        st.tuples(inner, inner).map(lambda p: f"concat({p[0]}, {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"{p[0]} + {p[1]}"),
        st.tuples(inner, st.sampled_from(("':'", "''", "'-'"))).map(lambda p: f"hexstring({p[0]}, {p[1]})"),
        st.tuples(inner, st.sampled_from(("':'", "'P.'", "''")), st.integers(0, 4)).map(
            lambda p: f"split({p[0]}, {p[1]}, {p[2]})"
        ),
        st.tuples(st.sampled_from(("option[93].exists", "member('one')")), inner, inner).map(
            lambda p: f"ifelse({p[0]}, {p[1]}, {p[2]})"
        ),
        st.tuples(
            st.sampled_from(("addrtotext", "int8totext", "int16totext", "uint8totext", "uint16totext",
                             "uint32totext", "int32totext")), inner,
        ).map(lambda p: f"{p[0]}({p[1]})"),
    )  # fmt: skip


values = st.recursive(_VALUES, _values_of, max_leaves=3)


def truths(defined: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Tests that ask for built-in classes and for those that are defined before."""
    members = ("ALL", "KNOWN", "UNKNOWN", "VENDOR_CLASS_MSFT 5.0", *defined)
    single = st.one_of(
        st.tuples(values, values).map(lambda p: f"{p[0]} == {p[1]}"),
        st.sampled_from(members).map(lambda name: f"member('{name}')"),
        st.sampled_from((
            "option[60].exists", "option[93].exists", "option[175].option[19].exists", "relay4[1].exists",
            "option[93].hex == 0x0007", "substring(option[60].hex, 0, 9) == 'PXEClient'",
            "option[77].hex == 'iPXE'", "option[82].option[2].exists", "pkt4.giaddr == 10.94.0.1",
            "pkt4.mac == 0x02005e930001", "substring(pkt4.mac, 0, 5) == 0x02005e9300",
        )),
    )  # fmt: skip
    return st.recursive(
        single,
        lambda inner: st.one_of(
            inner.map(lambda truth: f"not ({truth})"),
            st.tuples(inner, st.sampled_from(("and", "or")), inner).map(
                lambda p: f"({p[0]}) {p[1]} ({p[2]})"
            ),
        ),
        max_leaves=3,
    )


# -- what a level says -------------------------------------------------------------------------

_DATA: tuple[Tree, ...] = (
    {"name": "domain-name", "data": "campus.example"},
    {"name": "routers", "data": "10.93.0.1"},
    {"name": "routers", "data": ""},
    {"name": "domain-name-servers", "data": "10.93.0.3, 10.93.0.4"},
    {"code": 6, "csv-format": False, "data": "0A5D0005"},
    {"name": "boot-file-name", "data": "o.0"},
    {"code": 67, "csv-format": False, "data": "782E656669"},
    {"name": "tftp-server-name", "data": "tftp.example"},
    {"name": "root-path", "data": "/r"},
    {"name": "log-servers", "data": "10.93.0.7"},
    {"name": "time-offset", "data": "-3600"},
    {"name": "host-name", "data": "told"},
    {"name": "domain-search", "data": "a.example, b.example"},
    {"name": "vendor-class-identifier", "data": "PXEClient"},
    {"name": "vendor-encapsulated-options"},
    {"name": "vendor-encapsulated-options", "csv-format": False, "data": "060108FF"},
    {"name": "discovery", "space": "vendor-encapsulated-options-space", "data": "8"},
    {"code": 9, "space": "vendor-encapsulated-options-space", "csv-format": False, "data": "0A0B"},
    {"name": "loader-path", "data": "http://x/"},
    {"code": 200, "csv-format": False, "data": "'text'"},
    {"name": "boards", "data": "1, 10.0.0.1"},
    {"name": "box"},
    {"name": "inner", "space": "boxes", "data": "7"},
    {"name": "subnet-mask", "data": "255.255.255.0"},
    {"name": "broadcast-address", "data": "10.93.255.255"},
    {"name": "dhcp-server-identifier", "data": "10.93.0.2"},
    {"name": "dhcp-renewal-time", "data": "70"},
    {"name": "interface-mtu", "data": "1400"},
    {"name": "classless-static-route", "code": 121, "csv-format": False, "data": "080A0A000001"},
    {"code": 150, "csv-format": False, "data": "0A5D0009"},
    {"name": "vivso-suboptions", "data": "4491"},
)
# Not with options of its space: Kea 2.2 puts those that it always sends into its own option 125, and from
# then on every client is told them (``appendRequestedVendorOptions``).
_DATUM = st.tuples(
    st.sampled_from(_DATA), st.sampled_from(({}, {}, {"always-send": True}, {"always-send": False}))
).map(lambda p: {**p[0], **p[1]})
_OPTIONS = st.lists(_DATUM, max_size=3)

_BOOT: tuple[Tree, ...] = (
    {"next-server": "10.93.0.9"},
    {"next-server": "10.93.0.8"},
    {"next-server": "0.0.0.0"},
    {"boot-file-name": "pxelinux.0"},
    {"boot-file-name": "x/y.efi"},
    {"boot-file-name": ""},
    {"server-hostname": "boots"},
    {"server-hostname": ""},
)
_TIMES: tuple[Tree, ...] = (
    {"valid-lifetime": 600},
    {"valid-lifetime": 900, "min-valid-lifetime": 300, "max-valid-lifetime": 1200},
)
_INHERITED: tuple[Tree, ...] = (
    {"match-client-id": False},
    {"match-client-id": True},
    {"renew-timer": 100},
    {"rebind-timer": 300},
    {"calculate-tee-times": True},
    {"calculate-tee-times": True, "t1-percent": 0.3, "t2-percent": 0.6},
    {"reservations-global": True},
    {"reservations-in-subnet": False},
    {"reservations-global": True, "reservations-in-subnet": True},
    {"reservations-out-of-pool": True, "reservations-in-subnet": True},
    {"ddns-replace-client-name": "always", "ddns-generated-prefix": "host"},
    {"ddns-replace-client-name": "when-not-present"},
    {"ddns-qualifying-suffix": "campus.example"},
    {"hostname-char-set": "[^A-Za-z0-9.]", "hostname-char-replacement": "x"},
)


@st.composite
def _level(draw: st.DrawFn, *said: tuple[Tree, ...]) -> Tree:
    """A level with options and some of the parameters that it can have."""
    choices = [each for group in said for each in group]
    found: Tree = {}
    for each in draw(st.lists(st.sampled_from(choices), max_size=3)) if choices else ():
        found |= each
    options = draw(_OPTIONS)
    return {**found, **({"option-data": options} if options else {})}


@st.composite
def _guards(draw: st.DrawFn, often: int) -> Tree:
    """For whom a level is, and the classes that it asks for."""
    found: Tree = {}
    if not draw(st.integers(0, often)):
        found["client-class"] = draw(st.sampled_from((*_CLASSES[:3], "KNOWN", "UNKNOWN", "HALL")))
    if not draw(st.integers(0, 2)):
        found["require-client-classes"] = draw(
            st.lists(st.sampled_from(_CLASSES), min_size=1, max_size=2, unique=True)
        )
    return found


# -- whole files -------------------------------------------------------------------------------

_DEFINITIONS: list[Tree] = [
    {"name": "loader-path", "code": 200, "type": "string"},
    {"name": "boards", "code": 201, "type": "record", "record-types": "uint8, ipv4-address"},
    {"name": "box", "code": 202, "type": "empty", "encapsulate": "boxes"},
    {"name": "inner", "code": 1, "space": "boxes", "type": "uint16"},
    {"name": "discovery", "code": 6, "space": "vendor-encapsulated-options-space", "type": "uint8"},
]


@st.composite
def _classes(draw: st.DrawFn) -> list[Tree]:
    found: list[Tree] = []
    for number, name in enumerate(_CLASSES):
        said: Tree = {"name": name, **draw(_level(_BOOT, _TIMES))}
        if draw(st.integers(0, 4)):
            said["test"] = draw(truths(_CLASSES[:number]))
        if name == "late" or not draw(st.integers(0, 5)):
            said["only-if-required"] = True
        found.append(said)
    if not draw(st.integers(0, 2)):
        at = draw(st.integers(0, len(found)))
        test = {"test": draw(truths(("one",)))} if at else {}
        found.insert(at, {"name": "DROP", **draw(_level(_BOOT)), **test})
    return found


@st.composite
def _reservations(draw: st.DrawFn, net: str | None) -> list[Tree]:
    """Those of a subnet, some with an address in or outside its pools; or those of all subnets."""
    found: list[Tree] = []
    named: list[Tree] = [{"hw-address": mac} for mac in MACS]
    named += [{"circuit-id": CIRCUIT}, {"client-id": "01" + MACS[0].replace(":", "")}]
    for number, identifier in enumerate(named):
        if draw(st.integers(0, 2)) != 1:
            continue
        said: Tree = {**identifier, **draw(_level(_BOOT))}
        pool = draw(st.sampled_from((0, 0, 2, 3, 4)))
        if pool:
            said["ip-address"] = f"{net or '10.93'}.{pool}.{number + 1}"
        if draw(st.booleans()):
            said["hostname"] = draw(st.sampled_from((f"m{number}", f"m{number}.example.org")))
        elif not pool:
            # One without anything is refused.
            said["next-server"] = "10.93.0.7"
        if not draw(st.integers(0, 2)):
            said["client-classes"] = draw(
                st.lists(st.sampled_from((*_CLASSES, "HALL", "DROP")), min_size=1, max_size=2, unique=True)
            )
        found.append(said)
    return found


@st.composite
def _subnet(draw: st.DrawFn, net: str, number: int) -> Tree:
    pools = [
        {"pool": f"{net}.{third}.0/24", **draw(_level()), **draw(_guards(3))}
        for third in range(3, 3 + draw(st.integers(1, 2)))
    ]
    found = {"id": number, "subnet": f"{net}.0.0/16", **draw(_level(_BOOT, _TIMES, _INHERITED))}
    found |= {"pools": pools, "reservations": draw(_reservations(net)), **draw(_guards(5))}
    if not draw(st.integers(0, 5)):
        found["relay"] = {"ip-addresses": ["10.97.0.1"]}
    return found


def _flex(draw: st.DrawFn) -> Tree:
    entries = []
    for code in draw(st.lists(st.sampled_from((12, 43, 66, 67, 200)), max_size=2, unique=True)):
        action = draw(st.sampled_from(("add", "supersede", "remove")))
        text = draw(truths(_CLASSES) if action == "remove" else values)
        entries.append({"code": code, action: text})
    return {"library": _FLEX, "parameters": {"options": entries}}


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A file for a server on 10.93.0.0/16, with subnets for two relay agents, some of them in networks."""
    ids = draw(st.permutations((1, 2, 3, 4)))
    nets = ("10.93", "10.94", "10.95", "10.97")
    subnets = [draw(_subnet(net, number)) for net, number in zip(nets, ids, strict=True)]
    networks: list[Tree] = []
    for beside in draw(st.sampled_from(((), ((1, 2),), ((0, 2),), ((0, 3), (1, 2)), ((1, 2, 3),)))):
        inside = [subnets[number] for number in beside]
        said = {**draw(_level(_BOOT, _TIMES, _INHERITED)), **draw(_guards(5))}
        networks.append({"name": f"hall-{len(networks)}", **said, "subnet4": inside})
    loose = [s for s in subnets if not any(s is inside for n in networks for inside in n["subnet4"])]
    whole: Tree = {
        "interfaces-config": {"interfaces": ["eth0"]},
        "lease-database": {"type": "memfile", "persist": False},
        "option-def": _DEFINITIONS,
        **draw(_level(_BOOT, _TIMES, _INHERITED)),
        "client-classes": [*draw(_classes()), {"name": "HALL"}],
        "reservations": draw(_reservations(None)),
        "shared-networks": networks,
        "subnet4": loose,
    }
    if draw(st.booleans()):
        # A network and all of its subnets have one setting.
        whole["authoritative"] = True
    if draw(st.booleans()):
        named = draw(st.permutations(("hw-address", "client-id", "circuit-id")))
        whole["host-reservation-identifiers"] = list(named)
    if not draw(st.integers(0, 3)):
        whole["echo-client-id"] = draw(st.booleans())
    if not draw(st.integers(0, 3)):
        whole["hooks-libraries"] = [_flex(draw)]
    return HEAD + json.dumps({"Dhcp4": whole}, indent=1) + "\n"
