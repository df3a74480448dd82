"""What a registry holds of a client, and what may go wrong with it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from coexist.errors import CoexistError

State = Literal["seen", "asking", "registered", "ignored"]
STATES: tuple[State, ...] = ("seen", "asking", "registered", "ignored")
"""``seen``: it asked to boot. ``asking``: it chose registration in a boot menu. The rest is decided."""

FORGOTTEN = "forgotten"
"""The state of a decision that was removed; it is kept, so that every server hears of it."""


class RegistryError(CoexistError):
    """A registry could not be used. ``reopen``: this connection or file is of no use any more."""

    def __init__(self, message: str, *, reopen: bool = True) -> None:
        super().__init__(message)
        self.reopen = reopen


class Note(NamedTuple):
    """What a server saw of a client since its last note. Times in seconds since the epoch.

    ``requests``: how many came since; ``asks``: it asks to be registered; ``uuid``: the machine's as its
    set-up shows it, empty where it said none.
    """

    mac: int
    address: str
    vlan: str
    architecture: int | None
    vendor_class: str
    decision: str
    rule: str
    answered_by: str
    first_seen: float
    last_seen: float
    requests: int
    asks: bool
    uuid: str = ""


class Decision(NamedTuple):
    """What was decided on a client. ``state`` may be `FORGOTTEN`; ``generation`` grows with each decision."""

    mac: int
    state: str
    name: str
    location: str
    hardware: str
    client_group: str
    decided_at: float
    generation: int


class Act(NamedTuple):
    """A line of the audit: who did what to which client, and by which program (``via``)."""

    id: str
    at: float
    who: str
    via: str
    mac: int
    action: str
    name: str


class Order(NamedTuple):
    """A decision on its way to a registry: who decided what of which client, when, and by which program.

    ``at`` is in seconds since the epoch. ``state`` may be `FORGOTTEN`. What is None stays as it was.
    A registry takes an ``id`` once.
    """

    id: str
    at: float
    who: str
    via: str
    mac: int
    state: str
    name: str | None = None
    location: str | None = None
    hardware: str | None = None
    client_group: str | None = None


INSTANT = 0.000_001
"""What parts two decisions that one time would have, in seconds; a float of today's times tells it apart."""


def new_order(
    mac: int,
    state: str,
    *,
    name: str | None = None,
    location: str | None = None,
    hardware: str | None = None,
    group: str | None = None,
    who: str = "",
    via: str = "",
) -> Order:
    """What is decided now."""
    return Order(uuid.uuid4().hex, time.time(), who, via, mac, state, name, location, hardware, group)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """How far somebody has read a registry: its time line, and the last decision of it."""

    timeline: int
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRow:
    """One client as the registry has it. Times in seconds since the epoch.

    ``server``: whose sight it is; of several servers' sights that of the last. Empty: no server saw it.
    """

    mac: int
    state: str
    name: str = ""
    location: str = ""
    hardware: str = ""
    client_group: str = ""
    address: str = ""
    vlan: str = ""
    architecture: int | None = None
    vendor_class: str = ""
    uuid: str = ""
    decision: str = ""
    rule: str = ""
    answered_by: str = ""
    first_seen: float | None = None
    last_seen: float | None = None
    requests: int = 0
    server: str = field(default="", compare=False)


def merged(rows: Iterable[ClientRow]) -> list[ClientRow]:
    """One row a client of the rows of several servers, those seen last first."""
    of: dict[int, ClientRow] = {}
    for row in rows:
        other = of.get(row.mac)
        of[row.mac] = row if other is None else _joined(row, other)
    return sorted(of.values(), key=lambda row: (-(row.last_seen or 0.0), row.mac))


def _joined(one: ClientRow, other: ClientRow) -> ClientRow:
    last = max(one, other, key=lambda row: (row.last_seen or 0.0, row.server))
    seen = [row.first_seen for row in (one, other) if row.first_seen is not None]
    return replace(
        last,
        state="asking" if "asking" in (one.state, other.state) else last.state,
        first_seen=min(seen, default=None),
        requests=one.requests + other.requests,
    )


def iso_time(seconds: float | None) -> str:
    """A time for people and CSV: UTC, to the second."""
    return "" if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
