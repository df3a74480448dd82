"""``dhcp-reply-delay``: dnsmasq takes one such line, so it knows one delay, for everyone or for one tag.

A second line is refused ("illegal repeated keyword": option.c of 2.90 marks the keyword ARG_ONE).
"""

from __future__ import annotations

from collections.abc import Iterator

from coexist.inventory.values import Delay, in_steps
from coexist.render.target import Job
from coexist.render.targets.dnsmasq_tags import Groups


def delay_lines(job: Job, groups: Groups) -> Iterator[str]:
    """The server's delay in whole seconds, in one line or none.

    Where machines shall wait for different times all that wait at all get the longest, and a finding says
    so: a delay that is too short loses its order.
    """
    late = {cell: seconds for cell, seconds in _seconds(job, groups).items() if seconds}
    if not late:
        return
    longest = max(late.values())
    keyword = job.server.product.delay_keyword
    if keyword in job.server.settings:
        _report(job, f"`settings` has a {keyword} already, and a second one is refused; that one counts")
        return
    if len(set(late.values())) > 1:
        times = ", ".join(f"{seconds} s" for seconds in sorted(set(late.values())))
        _report(job, f"{job.name} must wait {times}; whoever waits is answered after {longest} s")
    cells = frozenset(late)
    terms = [] if cells == groups.cells.all else groups.membership(cells)
    yield f"{keyword}={','.join([*terms, str(longest)])}"


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
