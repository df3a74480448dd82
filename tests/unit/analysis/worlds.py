"""Small worlds for property tests: every section an inventory has, over a handful of addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

from coexist.inventory import Inventory, inventory_from_tree
from coexist.wire.mac import MAC_SPACE, format_mac

T = TypeVar("T")

FIRST = 0x00_80_64_00_00_00
UNIVERSE = (0, 1, *range(FIRST - 1, FIRST + 18), 0x02_00_00_00_00_01, MAC_SPACE - 1)
"""The addresses that groups speak of, their neighbours, and some far away."""

GROUPS = ("a", "b", "c", "d")
VLANS = ("office", "workshop")
PROFILES = (("bios", "ipxe"), ("uefi-x64", "edk2"))

_MOST = 17
"""How many addresses groups choose from."""

names = st.lists(st.sampled_from(GROUPS), min_size=1, max_size=2, unique=True)


class Dice:
    """Several choices out of one number: each draw of Hypothesis costs more than what is made of it."""

    def __init__(self, number: int) -> None:
        self.number = number

    def below(self, sides: int) -> int:
        """A number below ``sides``."""
        self.number, rolled = divmod(self.number, sides)
        return rolled

    def one_in(self, sides: int) -> bool:
        """True once in ``sides`` cases."""
        return self.below(sides) == sides - 1

    def choice(self, values: Sequence[T]) -> T:
        """One of some values."""
        return values[self.below(len(values))]

    def names(self) -> list[str]:
        """One or two groups."""
        two, first, second = self.one_in(2), self.below(4), self.below(3)
        others = [name for name in GROUPS if name != GROUPS[first]]
        return [GROUPS[first], *([others[second]] if two else [])]

    def mac(self) -> str:
        """An address groups choose from."""
        return format_mac(FIRST + self.below(_MOST))


def dice(sides: int) -> st.SearchStrategy[Dice]:
    """Dice for choices with so many possibilities together."""
    # Hypothesis prefers small numbers where there are more than 2**24, and choices would not be even.
    assert sides <= 1 << 24
    return st.integers(0, sides - 1).map(Dice)


_GROUP = dice(2 * 2 * 6 * 2 * 2 * 4 * 5 * 2 * 5 * 2)
_MEMBERS = dice(4 * _MOST**3 * _MOST**2)
_ROW = st.lists(st.integers(0, _MOST * 3 * 4 * 3 - 1), unique_by=lambda n: n % _MOST, max_size=8)
_DELAYS: tuple[Any, ...] = (
    0, 0, 0, 1.2, 2, 3.5, {"secs_at_least": 4}, {"secs_at_least": 8}, {"since_first": 3},
)  # fmt: skip
_SERVER = dice(6 * 24 * len(_DELAYS) * 7 * 7)
_RULE = dice(2 * 24 * 3 * 4 * 2 * 24 * 2 * 2 * 3)
_SITE = dice(3 * 2 * 4 * 3 * 2 * 24 * 4 * 8)
_PROFILE = ("bios", "uefi-x64")


def _groups(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for number, name in enumerate(GROUPS):
        group: dict[str, Any] = {}
        roll, members = draw(_GROUP), draw(_MEMBERS)
        count = members.below(4)
        macs = [members.mac() for _ in range(3)][:count]
        low, high = sorted((members.mac(), members.mac()))
        if roll.one_in(2):
            group["macs"] = macs
        if roll.one_in(2):
            group["range"] = [f"{low} to {high}"]
        if roll.one_in(6):
            group["oui"] = ["00:80:64"]
        if roll.one_in(2):
            group["where"] = {"hardware": roll.choice(["x", "y"])}
        if number and roll.one_in(4):
            group["except"] = [GROUPS[number - 1]]
        if roll.one_in(5):
            group["vlan"] = [roll.choice(VLANS)]
        if roll.one_in(5):
            group["architecture"] = [roll.choice(_PROFILE)]
        made[name] = group
    return made


def _clients(draw: st.DrawFn) -> list[dict[str, Any]]:
    rows = []
    for number in draw(_ROW):
        roll = Dice(number)
        offset = roll.below(_MOST)
        row = {"mac": format_mac(FIRST + offset), "name": f"pc-{offset}"}
        row["hardware"] = roll.choice("xyz")
        said = {"architecture": roll.choice(["", "", *_PROFILE]), "vlan": roll.choice(["", *VLANS])}
        rows.append(row | {key: value for key, value in said.items() if value})
    return rows


def _boot_server(roll: Dice, address: str) -> dict[str, Any]:
    who, groups = roll.choice(["everyone", "known", "unknown", "only", "except", "intended"]), roll.names()
    programs = {"bios": "a.0", "uefi-x64": "a.efi"}
    return {
        "software": "coexist",
        "address": address,
        "vlan": "office",
        "answers": {who: groups} if who in ("only", "except") else who,
        "delay": roll.choice(_DELAYS),
        "programs": {k: v for k, v in programs.items() if not roll.one_in(7)} or programs,
    }


def _intended(roll: Dice, boots: list[str]) -> dict[str, Any]:
    groups = roll.names()
    anyone = groups if roll.one_in(2) else roll.choice(["everyone", "known", "unknown"])
    rule: dict[str, Any] = {"clients": anyone, "boot_from": roll.choice([*boots, "nobody"])}
    unless = roll.names()
    if roll.one_in(2):
        rule["unless"] = unless
    vlan = roll.choice(VLANS)
    if roll.one_in(2):
        rule["vlan"] = [vlan]
    if roll.one_in(3) and rule["boot_from"] != "nobody":
        rule["fallback"] = [name for name in boots if name != rule["boot_from"]][:1]
    return rule


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    """The tree of an inventory with two VLANs, a DHCP server and up to three boot services."""
    roll = draw(_SITE)
    boots = [f"boot{n}" for n in range(1 + roll.below(3))]
    servers: dict[str, Any] = {
        "dhcp": {
            "software": "isc-dhcpd",
            "address": "10.10.0.5",
            "vlan": "office",
            "ping_check": roll.one_in(2),
        }
    }
    for number, name in enumerate(boots):
        servers[name] = _boot_server(draw(_SERVER), f"10.10.0.{10 + number}")
    scope: dict[str, Any] = {
        "server": "dhcp",
        "vlan": "office",
        "pools": ["10.10.1.0-10.10.1.99"],
        "options": {"3": "10.10.0.1"},
    }
    if roll.one_in(4):
        scope |= {"next_server": roll.choice(boots), "filename": "scope.0"}
    if roll.one_in(2):
        scope["rules"] = [{"clients": roll.names(), "next_server": boots[0], "filename": "rule.0"}]
    workshop = {"server": "dhcp", "vlan": "workshop", "pools": ["10.20.1.0-10.20.1.99"]}
    intent = [_intended(draw(_RULE), boots) for _ in range(roll.below(4))]
    relayed = [name for name in boots if roll.one_in(2)]
    return {
        "site": "small",
        "vlans": {
            "office": {"id": 10, "subnet": "10.10.0.0/16", "gateway": "10.10.0.1"},
            "workshop": {
                "id": 20,
                "subnet": "10.20.0.0/16",
                "gateway": "10.20.0.1",
                "relay_to": ["dhcp", *relayed],
            },
        },
        "servers": servers,
        "scopes": {"office": scope, "workshop": workshop},
        "clients": {"listed": _clients(draw)},
        "groups": _groups(draw),
        "architectures": {"bios": ["ipxe"], "uefi-x64": ["edk2"]},
        "intent": intent,
    }


def readable(tree: dict[str, Any]) -> Inventory | None:
    """The inventory of a tree; None where the reader refuses it (an empty whitelist)."""
    from coexist.errors import InputError

    try:
        return inventory_from_tree(tree)
    except InputError:
        return None
