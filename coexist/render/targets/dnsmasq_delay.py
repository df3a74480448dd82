"""``dhcp-reply-delay``: dnsmasq takes one such line, so it knows one delay, for everyone or for one tag.

A second line is refused ("illegal repeated keyword": option.c of 2.90 marks the keyword ARG_ONE).
"""

from __future__ import annotations

from collections.abc import Iterator

from coexist.inventory.macset import EVERYONE
from coexist.inventory.values import Delay, in_steps
from coexist.render.target import Job
from coexist.render.targets.dnsmasq_tags import Groups


def report_delays(job: Job) -> None:
    """Report delays that one line cannot hold."""
    late = _waits(job) - {0}
    keyword = job.server.product.delay_keyword
    if not late:
        return
    if keyword in job.server.settings:
        _report(job, f"`settings` has a {keyword} already, and a second one is refused; that one counts")
    elif len(late) > 1:
        times = ", ".join(f"{seconds} s" for seconds in sorted(late))
        _report(job, f"{job.name} must wait {times}; whoever waits is answered after {max(late)} s")


def _waits(job: Job) -> set[int]:
    """Every delay that some client has, in seconds."""
    left, found = EVERYONE, set[int]()
    for group, delay in job.server.delay_for.items():
        clients = job.inventory.group(group)
        if left & clients:
            found.add(_whole(delay))
        left = left - clients
    return found | {_whole(job.server.delay)} if left else found


def delay_lines(job: Job, groups: Groups) -> Iterator[str]:
    """The server's delay in whole seconds, in one line or none.

    Where machines must wait for different times all that wait at all get the longest, and a finding says
    so: a delay that is too short loses its order.
    """
    late = {cell: seconds for cell, seconds in _seconds(job, groups).items() if seconds}
    keyword = job.server.product.delay_keyword
    if not late or keyword in job.server.settings:
        return
    cells = frozenset(late)
    terms = [] if cells == groups.cells.all else groups.membership(cells)
    yield f"{keyword}={','.join([*terms, str(max(late.values()))])}"


def _seconds(job: Job, groups: Groups) -> dict[str, int]:
    """Each cell's delay: that of the first group in ``delay_for`` it lies in, else the server's."""
    result = dict.fromkeys(sorted(groups.cells.all), _whole(job.server.delay))
    for group, delay in reversed(job.server.delay_for.items()):
        cells = groups.cells.all if group == "everyone" else groups.cells.of(frozenset({group}))
        result |= dict.fromkeys(sorted(cells), _whole(delay))
    return result


def _whole(delay: Delay) -> int:
    """Seconds; none for a delay of another kind, which is told as a finding of its own."""
    return round(in_steps(delay.after, 1.0)) if delay.kind == "after" else 0


def _report(job: Job, what: str) -> None:
    job.report(
        "CX506",
        ("servers", job.name, "delay_for" if job.server.delay_for else "delay"),
        f"dnsmasq has one delay, for everyone or for one group: {what}",
        "write one delay for all who wait, or let coexist be this boot server",
    )
