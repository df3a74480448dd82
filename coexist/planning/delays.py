"""Which delays are worth trying: one between each two times at which a firmware's behaviour changes."""

from __future__ import annotations

from collections.abc import Iterator

from coexist.analysis.chain import CHAINED_FIRMWARE
from coexist.analysis.site import AnalysedSite
from coexist.inventory.values import Delay, in_steps

MARGIN = 0.5
"""Seconds a delay keeps from the moment it must come after: room for a busy DHCP server."""

# dhcpd waits a second for the answer to its ping before it offers an address (dhcpd.conf: ping-timeout).
_PING_CHECK = 1.0


def candidates(site: AnalysedSite, server: str, kinds: frozenset[str]) -> Iterator[Delay]:
    """Delays of a server in its product's own kinds, smallest first; none is the first.

    The moments that matter: when the DHCP server and the other boot services have answered, and when a
    firmware sends again or closes a window. Between two of them every delay has the same effect.
    """
    yield Delay()
    if "after" in kinds:
        yield from _clocks(site, server)
    if "after_offer" in kinds:
        yield Delay(after_offer=True)
    if "since_first" in kinds:
        for moment in _moments(site, server):
            yield Delay(since_first=round(moment + MARGIN, 1))
    if "secs_at_least" in kinds:
        for value in sorted({secs + 1 for name in _firmwares(site) for secs in _secs(site, name)}):
            yield Delay(secs_at_least=value)


def _clocks(site: AnalysedSite, name: str) -> Iterator[Delay]:
    """Delays on the server's own clock, in steps its configuration can say."""
    server = site.site.servers[name]
    keyword, step = server.product.delay_keyword, server.can.delay_step
    if keyword and keyword in server.settings:
        return  # it takes one such line, and has it
    waits = {in_steps(delay.after, step) for delay in server.delay_for.values() if delay.after}
    if keyword and waits:
        # The one line it takes names one delay: that of the groups that wait already.
        if len(waits) == 1:
            yield Delay(after=waits.pop())
        return
    for moment in _moments(site, name):
        seconds = moment + MARGIN
        yield Delay(after=in_steps(seconds, step) if step >= 1 else round(seconds, 1))


def _firmwares(site: AnalysedSite) -> list[str]:
    """Those of the clients, and that of the second stage where one is loaded."""
    found = {client.firmware for client in site.space.classes}
    if any(site.races.second(client) for client in site.space.classes):
        found.add(CHAINED_FIRMWARE)
    return sorted(found)


def _secs(site: AnalysedSite, firmware: str) -> tuple[int, ...]:
    schedule = site.schedule(firmware)
    return schedule.secs if schedule else ()


def _moments(site: AnalysedSite, server: str) -> list[float]:
    """Seconds after a packet at which something changes, ascending."""
    moments = {0.0}
    for name, declared in site.site.servers.items():
        if "dhcp" in declared.effective_roles and declared.pings:
            moments.add(_PING_CHECK)
        if name != server and declared.delay.after:
            moments.add(declared.delay.after)
    for name in _firmwares(site):
        schedule = site.schedule(name)
        if schedule:
            moments.update((*schedule.discover_at, schedule.first_window[1]))
    return sorted(moments)
