"""Random inventories of one DHCP server; who asks it stands in `tests.harness.lease_clients`."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

SERVER = "10.10.0.5"
ARCHITECTURES = ("bios", "uefi-ia32", "uefi-x64", "uefi-arm64", "http-x64")
FILES = (
    "undionly.kpxe",
    "boot/loader.efi",
    "pxelinux.0",
    "http://198.18.0.9/x.efi",
    "shim.efi",
    "boot\\x64\\wdsmgfw.efi",
    'a "b", c;#d.0',
    "http://198.18.0.9/a?x=1&y=%20${z}",
    # As long as the header field holds.
    f"http://198.18.0.9/{'d' * 103}/x.efi",
)
SERVERS = ("files", "10.10.0.77", "dhcp")
GROUPS = ("thin", "pilots", "phones", "lab", "known", "unknown", "everyone")

CLIENTS = [
    {"mac": "00:80:64:10:00:01", "name": "tc-1", "hardware": "igel"},
    {"mac": "00:80:64:10:00:02", "name": "tc-2", "hardware": "igel", "address": "10.10.7.7"},
    {"mac": "00:80:64:10:00:03", "name": "pilot", "hardware": "igel", "tags": "pilot"},
    {"mac": "3c:52:82:30:00:01", "name": "pc", "hardware": "hp", "address": "10.30.7.8"},
    {"mac": "80:5e:c0:40:00:07", "name": "odd", "hardware": "yealink", "address": "10.21.7.7"},
    # In a pool, some of them at its ends.
    {"mac": "00:80:64:10:00:04", "name": "first", "hardware": "igel", "address": "10.10.1.0"},
    {"mac": "00:80:64:10:00:05", "name": "second", "hardware": "igel", "address": "10.10.1.1"},
    {"mac": "3c:52:82:30:00:02", "name": "Desk 2", "hardware": "hp", "address": "10.21.2.9"},
    {"mac": "3c:52:82:30:00:03", "name": "last", "hardware": "hp", "address": "10.30.4.255"},
]

OPTION_VALUES: dict[int, tuple[Any, ...]] = {
    2: (-3600, 3600),
    3: ("10.10.0.1", ["10.10.0.1", "10.10.0.2"]),
    4: (["10.10.0.4", "10.10.0.5"],),
    6: ("10.10.0.53", ["10.10.0.53", "10.10.0.54"]),
    7: ("10.10.0.7",),
    12: ("node",),
    13: (48,),
    15: ("campus.example",),
    17: ("/export/root", 'a "root", with\\ $(things)'),
    19: (True, False),
    21: (["10.10.0.0", "255.255.0.0"],),
    23: (64,),
    25: ([576, 1400],),
    26: (1400,),
    28: ("10.10.255.255",),
    33: (["10.77.0.0", "10.10.0.3"],),
    35: (60,),
    40: ("nis.example",),
    42: ("10.10.0.42",),
    43: ("hex:06:01:08:ff", "hex:06:01:08", "hex:0a:04:00:50:58:45:ff"),
    44: (["10.10.0.44", "10.10.0.45"],),
    46: (8,),
    47: ("scope.example",),
    58: (1111,),
    59: (2222,),
    60: ("PXEClient", "HTTPClient"),
    66: ("10.10.0.66", "boot.campus.example", "https://voip.example/p"),
    67: ("option.efi", "hex:6f:70:74:2e:30"),
    69: ("10.10.0.69",),
    78: ("hex:01:0a:0a:00:4e",),
    85: ("hex:0a:0a:00:55",),
    86: ("tree",),
    88: ("hex:03:62:63:73:02:65:78:00",),
    95: ("ldap://x/",),
    100: ("CET-1CEST,M3.5.0,M10.5.0/3",),
    101: ("Europe/Vienna",),
    108: (1800,),
    112: ("hex:0a:0a:00:01",),
    114: ("https://portal.example/api?a=1,2",),
    119: ("hex:06:63:61:6d:70:75:73:07:65:78:61:6d:70:6c:65:00",),
    120: ("hex:01:0a:0a:00:78",),
    121: ("hex:10:0a:4d:0a:0a:00:03",),
    125: ("hex:00:00:00:09:05:01:03:61:62:63",),
    128: ("hex:01:02:03:04",),
    132: ("hex:00:64", "100"),
    138: ("10.10.0.138",),
    141: ("hex:01:78:00", "sip"),
    145: ("hex:01",),
    146: ("hex:00:0a:0a:00:01:0a:0a:00:02:00", "hex:00:0a"),
    150: ("10.10.0.150",),
    160: ("http://10.10.0.9/prov;a=b",),
    161: ("10.10.0.161",),
    175: ("hex:b0:01:01",),
    176: ("MCIPADD=10.10.0.9,MCPORT=1719",),
    209: ("conf/thin.cfg",),
    210: ("/thin/",),
    211: (3600,),
    212: ("hex:00:00",),
    224: ("plain", "hex:01:02", "10.10.0.1", "7"),
    241: (" led by a blank ",),
    249: ("hex:10:0a:4d:0a:0a:00:03",),
    252: ("http://198.18.0.1/wpad.dat", "\n"),
    254: ("x" * 200,),
}
"""Values of options of every shape, as words or as octets, which a daemon knows or does not."""
BOOT_OPTIONS = (12, 17, 43, 60, 66, 67, 128, 150)


@st.composite
def options(draw: st.DrawFn, most: int = 4) -> dict[int, Any]:
    """Some DHCP options."""
    code = st.one_of(st.sampled_from(sorted(OPTION_VALUES)), st.sampled_from(BOOT_OPTIONS))
    codes = draw(st.lists(code, unique=True, max_size=most))
    return {code: draw(st.sampled_from(OPTION_VALUES[code])) for code in codes}


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
    {"option": 60, "starts_with": "Arch:00007", "at": 10},
    {"option": 60, "starts_with": "00000", "at": 15, "not": True},
    {"option": 60, "contains": "UNDI:003"},
    {"option": 77, "contains": "kiosk"},
    {"option": 60, "ends_with": "016"},
    {"option": 12, "equals": "desk-7"},
    {"option": 12, "starts_with": "desk-"},
    {"option": 97, "starts_with": "hex:00:00:01"},
    {"option": 175, "suboption": 39, "exists": True},
    {"option": 175, "suboption": 19, "equals": "hex:01"},
    {"option": 82, "suboption": 1, "equals": "port-7"},
    {"option": 82, "suboption": 2, "starts_with": "hex:aa:bb"},
    {"option": 82, "exists": True},
    {"option": 82, "suboption": 1, "exists": False},
    {"option": 55, "contains": "hex:42"},
    {"option": 57, "equals": "1500"},
    {"option": 93, "exists": True, "not": True},
)


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    """What a client sends: of a rule, or of a pool."""
    ways = {
        "architectures": st.lists(st.sampled_from(ARCHITECTURES), min_size=1, max_size=2, unique=True),
        "vendor_class": st.sampled_from(("PXEClient", "PXEClient:Arch:00007", "HTTPClient", "MSFT")),
        "user_class": st.sampled_from(("iPXE", "kiosk")),
        "when": st.lists(st.sampled_from(TESTS), min_size=1, max_size=2),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(ways)), unique=True, max_size=3))
    return {key: draw(ways[key]) for key in chosen}


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """A rule of a scope."""
    rule: dict[str, Any] = {}
    if draw(st.booleans()):
        rule["clients"] = draw(st.lists(st.sampled_from(GROUPS), min_size=1, max_size=2, unique=True))
    rule.update(draw(conditions()))
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
def pools(draw: st.DrawFn, net: str) -> list[Any]:
    """A pool for everyone, some for those who are of a group or send something, or none."""
    way = draw(st.integers(0, 19))
    if way == 0:
        return []
    if way > 5:
        return [f"{net}.1.0-{net}.4.255"]
    some = [draw(st.sampled_from(("thin", "phones", "known", "lab"))), "pilots"]
    first: dict[str, Any] = draw(st.one_of(st.just({"allow": some}), conditions()))
    return [
        {"range": f"{net}.1.0-{net}.2.255", **first},
        {"range": f"{net}.3.0-{net}.4.255", "deny": some},
        f"{net}.5.0-{net}.5.255",
    ][: draw(st.integers(1, 3))]


@st.composite
def scopes(draw: st.DrawFn, vlan: str, net: str) -> dict[str, Any]:
    """A scope of the /16 that begins with ``net``."""
    scope: dict[str, Any] = {
        "server": "dhcp",
        "vlan": vlan,
        "subnet": f"{net}.0.0/16",
        "pools": draw(pools(net)),
        **draw(lease_times()),
        "reservations": draw(st.sampled_from((True, True, False))),
        "host_names": draw(st.booleans()),
        "literal": draw(st.integers(0, 4)) == 0,
        "always_send": draw(st.lists(st.sampled_from((3, 6, 254, *BOOT_OPTIONS)), unique=True, max_size=3)),
        "rules": draw(st.lists(rules(), max_size=4)),
        **draw(values()),
    }
    if order := draw(st.lists(st.sampled_from((3, 6, 15, 43, 60, 66, 67, 150)), unique=True, max_size=4)):
        scope["option_order"] = order
    return scope


ANSWERS = (
    "everyone",
    "known",
    "unknown",
    "nobody",
    {"except": "lab"},
    {"only": ["thin", "phones"]},
    {"except": "phones", "architectures": ["uefi-x64", "bios"]},
)


@st.composite
def servers(draw: st.DrawFn) -> dict[str, Any]:
    """A DHCP server that has no software yet: on one VLAN or with a card in each of three."""
    server: dict[str, Any] = {
        "roles": draw(st.sampled_from((["dhcp"], ["dhcp"], ["dhcp", "tftp"]))),
        "ping_check": False,
        "authoritative": draw(st.booleans()),
        "options": draw(options(2)),
        "answers": draw(st.one_of(st.just("everyone"), st.sampled_from(ANSWERS))),
    }
    if draw(st.integers(0, 3)) == 0:
        server["addresses"] = {"office": SERVER, "workshop": "10.20.0.5", "annex": "10.40.0.5"}
    else:
        server |= {"address": SERVER, "vlan": "office"}
    if draw(st.integers(0, 3)) == 0:
        server["programs"] = draw(programs())
    if draw(st.integers(0, 5)) == 0:
        server["echoes_option_82"] = False
    if draw(st.integers(0, 3)) == 0:
        server["boot_server"] = draw(st.sampled_from(SERVERS))
    return server


AGENTS = (["10.20.0.1"], ["10.21.0.1"], ["10.20.0.1", "10.21.0.2"], ["10.21.0.1", "10.20.0.2"])
"""The relay agents of a VLAN with two subnets."""


@st.composite
def sites(draw: st.DrawFn) -> dict[str, Any]:
    """The tree of an inventory; its server ``dhcp`` has no software yet."""
    own = {
        "office": draw(scopes("office", "10.10")),
        "workshop": draw(scopes("workshop", "10.21")),
        "voice": draw(scopes("voice", "10.30")),
    }
    if draw(st.integers(0, 2)) == 0:
        # The other subnet of the workshop is served too.
        own["bench"] = draw(scopes("workshop", "10.20"))
        if draw(st.booleans()):
            refusal = {"clients": [draw(st.sampled_from(GROUPS))], "ignore": True}
            own[draw(st.sampled_from(("bench", "workshop")))]["rules"].insert(0, refusal)
    return {
        "site": "lease-plans",
        "vlans": {
            "office": {"id": 10, "subnet": "10.10.0.0/16", "gateway": "10.10.0.1"},
            "workshop": {
                "id": 20,
                "subnet": ["10.20.0.0/16", "10.21.0.0/16"],
                "gateway": "10.20.0.1",
                "relay_to": ["dhcp"],
                "relay": [{"address": agent} for agent in draw(st.sampled_from(AGENTS))],
            },
            "voice": {
                "id": 30,
                "subnet": "10.30.0.0/16",
                "gateway": "10.30.0.1",
                "relay_to": ["dhcp"],
            },
            "annex": {"id": 40, "subnet": "10.40.0.0/16"},
        },
        "servers": {
            "dhcp": draw(servers()),
            "files": {"software": "tftpd", "address": "10.10.0.6", "vlan": "office"},
        },
        "scopes": own,
        "clients": CLIENTS,
        "groups": {
            "thin": {"where": {"hardware": "igel"}},
            "pilots": {"where": {"tags": "pilot"}},
            "phones": {"oui": "80:5e:c0"},
            "lab": {"range": "02:00:00:00:10:00 to 02:00:00:00:12:ff"},
        },
    }
