"""How a boot can end, and one course of events that ended so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from ipaddress import IPv4Address
from typing import Any

from coexist.analysis.timeline import Link
from coexist.records import dataclass


class Failure(Enum):
    """What ends a boot before it asks for a file, where more is known than that nothing could be booted."""

    REFUSED = "the DHCP server refuses the address (NAK)"
    DECLINED = "another machine has the address (DECLINE)"
    NO_ROUTE = "there is no way to the boot server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One way a boot can end.

    ``winner``: the server that is asked for the file, None for nobody. ``boot_server``: that server, or its
    address if the inventory knows none there. ``decided_by``: the server whose packet decided. ``seconds``
    and ``latest``: first and last moment of the first request for the file; ``ended``: of that or of
    giving up (``error``). ``discovers``: how many DISCOVERs it sent. ``by_firmware``: it can end differently
    only because firmware of this kind reads the specification in more than one way. ``asks_dns``: the name
    servers it has to ask for the host of its URL. ``failure``: why it gave up, where that is of a known kind.
    """

    winner: str | None
    boot_server: str | None
    file: str | None
    seconds: float | None
    why: str
    decided_by: str | None = None
    latest: float | None = None
    error: str | None = None
    ended: float | None = None
    discovers: int = 0
    by_firmware: bool = False
    asks_dns: tuple[IPv4Address, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """The end of one course (`coexist.analysis.course`, which says what ``calm`` is).

    ``clocked``: whether a server's clock mattered; ``servers``: the state each server is left in.
    """

    outcome: Outcome
    trace: Link
    signature: tuple[Any, ...]
    clocked: bool
    calm: float
    servers: Mapping[str, Any]

    def earlier(self, seconds: float) -> Leaf:
        """The same course with a first window that is so much shorter."""
        found = self.outcome
        if found.ended is None:
            return self
        shifted = replace(
            found,
            seconds=None if found.seconds is None else found.seconds - seconds,
            latest=None if found.latest is None else found.latest - seconds,
            ended=found.ended - seconds,
        )
        return Leaf(shifted, self.trace, self.signature, self.clocked, self.calm, self.servers)
