"""A UEFI machine that goes through its boot entries: PXE over IPv4, PXE over IPv6, HTTP over IPv4.

The boot manager starts the next entry when one fails (UEFI 2.10 section 3.1.1). Each is a session of its own:
another xid, ``secs`` from 0, and HTTP boot announces the architecture's number for HTTP.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, NamedTuple

from coexist.boot.firmware.edk2 import Edk2
from coexist.boot.firmware.edk2_http import Edk2Http
from coexist.boot.firmware.edk2_windows import Windows
from coexist.boot.firmware.machine import KEEP, Firmware, GiveUp, Heard, Machine, Span, Step
from coexist.records import dataclass
from coexist.wire.architecture import CANONICAL_CODE, architecture_name

Entry = Literal["pxe-ipv4", "pxe-ipv6", "http-ipv4", "http-ipv6"]


class State(NamedTuple):
    """Which entry it is at, since when (seconds), and the state of that entry's own firmware."""

    machine: Machine
    phase: float
    entry: int = 0
    since: Span = (0.0, 0.0)
    inner: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BootOrder(Windows):
    """The parameters of such a machine beside its windows.

    ``entries``: its boot entries that use the network, in their order. ``ipv6_seconds``: how long an entry
    over IPv6 takes where no DHCPv6 server answers: 60 s of SOLICITs (PxeBcDhcp6.c, HttpBootDhcp6.c: Mrd) and
    what comes before them (OVMF 2022.11: 63.1 s). ``plain_http`` and ``trusts_https`` as of edk2-http,
    ``blksize`` as of edk2.
    """

    name: str = "uefi-boot-order"
    entries: tuple[Entry, ...] = ("pxe-ipv4", "pxe-ipv6", "http-ipv4", "http-ipv6")
    ipv6_seconds: Span = (61.0, 66.0)
    plain_http: bool = True
    trusts_https: bool = False
    blksize: int = 1468
    assumptions: tuple[str, ...] = (
        "no DHCPv6 server answers the boot entries over IPv6",
        "the firmware allows http:// URLs (EDK2's own default allows only https://)",
    )

    def begin(self, machine: Machine, phase: float) -> Step:
        """The first entry."""
        return self._start(State(machine=machine, phase=phase), (0.0, 0.0), "")

    def after(self, file: str) -> BootOrder | None:
        """The machine as it goes on when a file cannot be loaded that one of its entries was given."""
        failed: Entry = "http-ipv4" if file.lower().startswith(("http:", "https:")) else "pxe-ipv4"
        rest = self.entries[self.entries.index(failed) + 1 :] if failed in self.entries else ()
        return replace(self, entries=rest) if rest else None

    def receive(self, state: State, heard: Heard, at: Span) -> tuple[Step, ...]:
        """What the entry makes of it."""
        firmware = self._firmware(state.entry)
        if firmware is None:
            return ()
        steps = firmware.receive(state.inner, heard, _since(at, state.since))
        return tuple(self._told(state, step, at) for step in steps)

    def expire(self, state: State, at: Span) -> Step:
        """The timer of the entry, or the end of one over IPv6."""
        firmware = self._firmware(state.entry)
        if firmware is None:
            return self._next(state, at, "no DHCPv6 server answered")
        return self._told(state, firmware.expire(state.inner, _since(at, state.since)), at)

    def _firmware(self, entry: int) -> Firmware | None:
        """How an entry behaves; None for those over IPv6."""
        windows: dict[str, Any] = {
            "first_window": self.first_window,
            "further_windows": self.further_windows,
            "secs": self.secs,
            "cache": self.cache,
            "late": self.late,
        }
        match self.entries[entry]:
            case "pxe-ipv4":
                return replace(Edk2(), **windows)
            case "http-ipv4":
                plain, trusted = self.plain_http, self.trusts_https
                return replace(Edk2Http(plain_http=plain, trusts_https=trusted), **windows)
            case _:
                return None

    def _start(self, state: State, at: Span, note: str) -> Step:
        state = state._replace(since=at, inner=None)
        firmware = self._firmware(state.entry)
        if firmware is None:
            ends = (at[0] + self.ipv6_seconds[0], at[1] + self.ipv6_seconds[1])
            return Step(state=state, timer=ends, note=note)
        machine = state.machine
        if isinstance(firmware, Edk2Http):
            machine = replace(machine, architecture=_over_http(machine.architecture))
        return replace(self._told(state, firmware.begin(machine, state.phase), at), note=note)

    def _told(self, state: State, step: Step, at: Span) -> Step:
        """A step of the entry's own firmware in this machine's time; its failure starts the next entry."""
        state = state._replace(inner=step.state)
        if isinstance(step.end, GiveUp) and state.entry + 1 < len(self.entries):
            return self._next(state, at, f"{step.end.error}: {step.end.why}")
        timer = step.timer
        if timer is not None and timer is not KEEP:
            timer = (timer[0] + state.since[0], timer[1] + state.since[1])
        return replace(step, state=state, timer=timer)

    def _next(self, state: State, at: Span, why: str) -> Step:
        if state.entry + 1 == len(self.entries):
            return Step(state=state, end=GiveUp(error="no boot entry is left", why=why))
        state = state._replace(entry=state.entry + 1)
        return self._start(state, at, f"{why}; the next boot entry is {self.entries[state.entry]}")


def _since(at: Span, begun: Span) -> Span:
    """A time in the entry's own seconds; what is uncertain about its beginning is not about its end."""
    return at[0] - begun[0], max(at[1] - begun[1], at[0] - begun[0])


def _over_http(architecture: int) -> int:
    """The number that HTTP boot of the same machine announces (IANA processor architecture types)."""
    name = architecture_name(architecture).replace("uefi-", "http-")
    return CANONICAL_CODE.get(name, architecture)
