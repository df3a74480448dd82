"""Each boot of a capture, or of a network card that is listened to: who answered, who won, and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from coexist.analysis.race import ClientCase, race
from coexist.analysis.world import World, build_world
from coexist.inventory import Inventory
from coexist.probe.capture_file import damage, read_capture
from coexist.probe.expectation import failed_boot, finding, server_names, strangers, told, vlan_of
from coexist.probe.frame import Datagram
from coexist.probe.observation import Boot, End, observe
from coexist.probe.replay import Reason, Replays
from coexist.probe.segment import Segment
from coexist.records import dataclass
from coexist.wire.architecture import CANONICAL_CODE
from coexist.wire.mac import format_mac

if TYPE_CHECKING:
    from coexist.analysis.findings import Finding

Packet = tuple[float, Datagram]
Packets = Iterable[Packet]
__all__ = ["Packet", "Packets", "Seen", "boots", "damage", "listened", "read_capture"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A boot. ``replayed``: who won and why, by the model of the client's firmware, where there is one.

    ``predicted``: who could win by the inventory; ``findings``: what failed or differs.
    """

    boot: Boot
    replayed: tuple[Reason, ...] | None
    predicted: tuple[str | None, ...] | None
    findings: tuple[Finding, ...]


def listened(interface: str, seconds: float, tick: Callable[[float], None]) -> Iterator[Packet]:
    """What a network card sees for some seconds; ``tick`` hears the share of them now and then.

    An interruption ends it, and what was heard till then counts. Raises `HostError`.
    """
    began = time.monotonic()
    try:
        with Segment(interface, everything=True) as segment:
            while (passed := time.monotonic() - began) < seconds:
                tick(passed / seconds)
                yield from segment.heard(min(began + seconds, time.monotonic() + 1.0))
    except KeyboardInterrupt:
        return


def boots(packets: Packets, inventory: Inventory | None = None, vlan: str | None = None) -> Iterator[Seen]:
    """Each boot as it is read, held to the inventory: a capture may be larger than this machine's memory."""
    world = build_world(inventory) if inventory is not None else None
    replays = Replays()
    for boot in observe(packets):
        placed = _placed(boot, inventory, vlan)
        predicted, findings = _judged(placed, inventory, world)
        yield Seen(boot=placed, replayed=_replayed(placed, replays), predicted=predicted, findings=findings)


def _placed(boot: Boot, inventory: Inventory | None, vlan: str | None) -> Boot:
    """The boot with its VLAN: given, or that of an address it was offered or relayed from."""
    if inventory is None:
        return boot
    addresses = [a for answer in boot.offers for a in (answer.packet.giaddr, answer.packet.yiaddr) if int(a)]
    found = vlan or next((name for a in addresses if (name := vlan_of(inventory, a))), "")
    return replace(boot, asker=replace(boot.asker, vlan=found))


def _replayed(boot: Boot, replays: Replays) -> tuple[Reason, ...] | None:
    """Why, by the model of the client's firmware; None where it has none for this architecture.

    Nor where the capture does not show how the boot ended, or lacks the lease of one that asked for a file:
    what it does not hold was not silent.
    """
    leased = any(answer.offers_address for answer in boot.offers)
    decided = (boot.file_request is not None and leased) or boot.end is End.GAVE_UP
    known = boot.asker.architecture in CANONICAL_CODE and boot.discovers
    return replays.reasons(boot) if decided and known else None


def _judged(
    boot: Boot, inventory: Inventory | None, world: World | None
) -> tuple[tuple[str | None, ...] | None, tuple[Finding, ...]]:
    """Who the inventory says can win, and what differs (CX701, CX707); a boot that failed (CX708)."""
    failed = failed_boot(boot, server_names(inventory) if inventory is not None else {})
    if inventory is None or world is None:
        return None, failed
    answers = (*boot.offers, *boot.acks, *boot.boot_server_replies)
    found = (*strangers(inventory, answers), *failed)
    if boot.asker.vlan not in world.segments:
        return None, found
    case = ClientCase(
        mac=boot.asker.mac,
        vlan=boot.asker.vlan,
        architecture=boot.asker.architecture,
        firmware=boot.firmware,
    )
    predicted = race(world, case)
    request = boot.file_request
    if request is None:
        return predicted.winners, found
    winner = server_names(inventory).get(request.server, str(request.server))
    if winner in predicted.winners:
        return predicted.winners, found
    wanted = " or ".join(str(name or "nobody") for name in predicted.winners)
    difference = finding(
        "CX707",
        f"{format_mac(boot.asker.mac)} booted {request.file} from {winner}, predicted was {wanted}",
        "compare the servers' configurations with the inventory: coexist plan",
        asker=boot.asker,
        timeline=tuple(told(answer) for answer in answers),
    )
    return predicted.winners, (*found, difference)
