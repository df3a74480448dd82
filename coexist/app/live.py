"""The machines that ask to boot, by the boot servers' registries, beside what the inventory says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from coexist.records import dataclass
from coexist.registry.opening import Where, rows_of, state_of
from coexist.registry.records import ClientRow
from coexist.wire.architecture import architecture_name
from coexist.wire.mac import format_mac

if TYPE_CHECKING:
    from coexist.inventory import Inventory

Registries = Mapping[str, Where]
"""By server, where its registry is."""
Which = Literal["all", "unregistered", "registered", "ignored"]
PAGE = 200
"""Machines on a page."""
SORTS = (
    "last_seen", "first_seen", "mac", "uuid", "name", "vendor", "vlan", "address", "architecture", "firmware",
    "decision", "answered_by", "requests",
)  # fmt: skip
"""What the list may be sorted by: fields of `Asking`."""


_ONE_DIGIT = tuple(other << place for place in range(0, 48, 4) for other in range(1, 16))
_TWO_DIGITS = tuple(
    one ^ other << place
    for place in range(4, 48, 4)
    for other in range(1, 16)
    for one in _ONE_DIGIT
    if one < 1 << place
)
"""What a MAC is combined with (exclusive or) to become each one that differs in so many digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What one server decided on a machine when it saw it last (seconds since the epoch), by which rule."""

    server: str
    decision: str
    rule: str
    last_seen: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A machine that asked to boot. Times are seconds since the epoch.

    ``uuid``: of option 97, empty where no server was told it. ``registered``: by the inventory or on a
    server. ``decided``: what each server that saw it decided, the one that saw it last first; ``servers`` are
    their names, and ``decision`` and ``rule`` are the first one's. ``answered_by``: the DHCP server whose
    offer it was heard to take, by its name in the inventory, or else its address.
    """

    mac: int
    uuid: str
    vendor: str
    name: str
    registered: bool
    ignored: bool
    wants_registration: bool
    address: str
    vlan: str
    architecture: str
    firmware: str
    decision: str
    rule: str
    answered_by: str
    servers: tuple[str, ...]
    decided: tuple[Decided, ...]
    first_seen: float
    last_seen: float
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """A registry: its machines, and when it saw one last, in seconds since the epoch (0: never)."""

    clients: int
    last_seen: float


class Live:
    """The registries of some boot servers, read again when they changed."""

    def __init__(self, registries: Registries) -> None:
        self.registries = dict(registries)
        self._read: tuple[tuple[object, ...], dict[str, list[ClientRow]]] = ((), {})

    @property
    def version(self) -> tuple[object, ...]:
        """Equal as long as no registry was written to."""
        return tuple((name, *state_of(where)) for name, where in self.registries.items())

    def machines(self, inventory: Inventory) -> list[Asking]:
        """Every machine that was seen, the last first. Raises `CoexistError` for a registry that is gone."""
        found: dict[int, list[tuple[str, ClientRow]]] = {}
        for server, rows in self._rows().items():
            for row in rows:
                if row.last_seen is not None:
                    found.setdefault(row.mac, []).append((server, row))
        names = {str(server.address): name for name, server in inventory.site.servers.items()}
        machines = [_asking(inventory, names, mac, rows) for mac, rows in found.items()]
        return sorted(machines, key=lambda machine: -machine.last_seen)

    def freshness(self) -> dict[str, Freshness]:
        """Of each watched server, how many machines its registry has and when it saw one last."""
        return {
            server: Freshness(
                clients=len(rows), last_seen=max((row.last_seen or 0.0 for row in rows), default=0.0)
            )
            for server, rows in self._rows().items()
        }

    def _rows(self) -> dict[str, list[ClientRow]]:
        version = self.version
        if self._read[0] != version or not version:
            rows = {}
            for server, where in self.registries.items():
                rows[server] = rows_of(where, server)
            self._read = version, rows
        return self._read[1]


def _asking(
    inventory: Inventory, names: Mapping[str, str], mac: int, rows: Sequence[tuple[str, ClientRow]]
) -> Asking:
    rows = sorted(rows, key=lambda each: -(each[1].last_seen or 0.0))
    last = rows[0][1]
    took = next((row.answered_by for _, row in rows if row.answered_by), "")
    record = inventory.clients.find(mac)
    states = {row.state for _, row in rows}
    return Asking(
        mac=mac,
        uuid=next((row.uuid for _, row in rows if row.uuid), ""),
        vendor=vendor_of(mac),
        name=(record.name if record else "") or next((row.name for _, row in rows if row.name), ""),
        registered=record is not None or "registered" in states,
        ignored="ignored" in states,
        wants_registration="asking" in states,
        address=last.address,
        vlan=last.vlan,
        architecture="" if last.architecture is None else architecture_name(last.architecture),
        firmware=firmware_guess(last),
        decision=last.decision,
        rule=last.rule,
        answered_by=names.get(took, took),
        servers=tuple(name for name, _ in rows),
        decided=tuple(
            Decided(server=name, decision=row.decision, rule=row.rule, last_seen=row.last_seen or 0.0)
            for name, row in rows
        ),
        first_seen=min(row.first_seen or row.last_seen or 0.0 for _, row in rows),
        last_seen=last.last_seen or 0.0,
        requests=sum(row.requests for _, row in rows),
    )


def mistyped(inventory: Inventory, mac: int) -> tuple[int, int] | None:
    """A registered MAC that differs from this one in one digit or two, and in how many; None without one."""
    known = inventory.clients.index
    for digits, changes in ((1, _ONE_DIGIT), (2, _TWO_DIGITS)):
        found = next((mac ^ change for change in changes if mac ^ change in known), None)
        if found is not None:
            return found, digits
    return None


def firmware_guess(row: ClientRow) -> str:
    """The firmware a machine runs, by what it says in option 60; a guess."""
    text = row.vendor_class
    if text.startswith("HTTPClient"):
        return "UEFI HTTP boot"
    if not text.startswith("PXEClient"):
        return text[:32]
    return "BIOS PXE ROM or iPXE" if (row.architecture or 0) == 0 else "UEFI PXE"


@lru_cache(maxsize=4096)
def _vendor(oui: int) -> str:
    import netaddr

    try:
        found: Any = netaddr.OUI(oui).registration()
    except netaddr.NotRegisteredError:
        return ""
    return str(found.org)


def vendor_of(mac: int) -> str:
    """Who made the card, by the IEEE's list of OUIs; empty where nobody did or the address is made up."""
    if mac >> 41 & 1:
        return "locally administered"
    return _vendor(mac >> 24)


def chosen(
    machines: Sequence[Asking], *, which: Which = "all", text: str = "", sort: str = "last_seen"
) -> list[Asking]:
    """The machines of one kind that ``text`` is found in, sorted."""
    words = text.lower().split()
    found = [m for m in machines if _is(m, which) and all(word in _haystack(m) for word in words)]
    if sort in SORTS and sort != "last_seen":
        found.sort(key=lambda machine: getattr(machine, sort), reverse=sort in ("first_seen", "requests"))
    return found


def _is(machine: Asking, which: Which) -> bool:
    match which:
        case "unregistered":
            return not machine.registered and not machine.ignored
        case "registered":
            return machine.registered
        case "ignored":
            return machine.ignored
        case "all":
            return True


def _haystack(machine: Asking) -> str:
    parts = (
        format_mac(machine.mac), machine.uuid, machine.vendor, machine.name, machine.address, machine.vlan,
        machine.architecture, machine.firmware, machine.answered_by,
        *(text for each in machine.decided for text in (each.server, each.decision, each.rule)),
    )  # fmt: skip
    return " ".join(parts).lower()
