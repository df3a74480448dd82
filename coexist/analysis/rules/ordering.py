"""CX3xx, the part that the declarations alone show: lists that overlap and delays that cannot do what they look like."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from coexist.analysis.findings import ERROR, INFO, WARNING, Finding, Severity
from coexist.analysis.rules import report, rule, unwell
from coexist.analysis.schedule import Schedule
from coexist.analysis.site import AnalysedSite, Case, Standing
from coexist.analysis.space import ClientClass
from coexist.inventory.documents import Path
from coexist.inventory.models import Server
from coexist.inventory.values import Delay


def delays(server: Server, name: str) -> list[tuple[Delay, Path, tuple[str, ...]]]:
    """Every delay of a server with its place and the groups it is for (none: all others)."""
    found: list[tuple[Delay, Path, tuple[str, ...]]] = [(server.delay, ("servers", name, "delay"), ())]
    found += [(d, ("servers", name, "delay_for", g), (g,)) for g, d in server.delay_for.items()]
    return [item for item in found if item[0].kind != "none"]


def delay_of(site: AnalysedSite, name: str, client: ClientClass) -> tuple[Delay, Path]:
    """The delay a server keeps for a class: that of the first group it is in, else its own."""
    server = site.site.servers[name]
    for group, delay in server.delay_for.items():
        if site.space.has((group,), client.macs.signature):
            return server.kept(delay), ("servers", name, "delay_for", group)
    return server.kept(server.delay), ("servers", name, "delay")


def _delayed(site: AnalysedSite) -> Iterable[tuple[str, Delay, Path, Case, Schedule]]:
    """Each delayed answer of each boot service: server, delay, its place, the class, its schedule."""
    slow = {name for name, server in site.boot_services.items() if delays(server, name)}
    if not slow:
        return
    for case in site.cases:
        schedule = site.schedule(case.client.firmware)
        if schedule is None:
            continue
        for name in case.responders:
            if name in slow:
                delay, path = delay_of(site, name, case.client)
                if delay.kind != "none":
                    yield name, delay, path, case, schedule


@rule("CX307", "whitelists-overlap", WARNING, "Two servers' whitelists hold the same clients")
def whitelists_overlap(site: AnalysedSite) -> Iterable[Finding]:
    """Whitelists of two services that hold the same clients on one VLAN, unless the intent orders them so."""
    lists = {
        name: server.answers.groups
        for name, server in site.boot_services.items()
        if server.answers.who == "only"
    }
    found: dict[tuple[str, str], list[ClientClass]] = defaultdict(list)
    for case in site.cases:
        both = [name for name in case.responders if name in lists]
        for number, second in enumerate(both):
            for first in both[:number]:
                if not {first, second} <= set(case.intended.servers):
                    found[first, second].append(case.client)
    for (first, second), clients in found.items():
        yield report(site, "CX307", ("servers", second, "answers"), f"the whitelists of {first} and {second} both hold these clients",
                     f"take them off one list: `except` on a group of {second}, or the group that {first} has",
                     clients=clients)  # fmt: skip


@rule("CX309", "delay-without-effect", WARNING, "A threshold on secs does not delay this firmware at all")
def delay_without_effect(site: AnalysedSite) -> Iterable[Finding]:
    """Thresholds that a firmware's first packet already reaches."""
    found: dict[tuple[str, Path], list[ClientClass]] = defaultdict(list)
    values: dict[Path, tuple[Delay, int]] = {}
    for name, delay, path, case, schedule in _delayed(site):
        if delay.secs_at_least and schedule.secs[0] >= delay.secs_at_least:
            found[name, path].append(case.client)
            values[path] = (delay, schedule.secs[0])
    for (name, path), clients in found.items():
        delay, first = values[path]
        firmwares = ", ".join(sorted({c.firmware for c in clients}))
        yield report(site, "CX309", path, f"{name} waits for secs >= {delay.secs_at_least}, and {firmwares} sends {first} in its first packet: it is not delayed at all",
                     "use a wall clock (`delay: 1.2`) where the product has one, or disjoint whitelists", clients=clients)  # fmt: skip


@rule(
    "CX310",
    "delay-outlasts-client",
    ERROR,
    "The firmware has given up before the delay is over",
    explains=True,
)
def delay_outlasts_client(site: AnalysedSite) -> Iterable[Finding]:
    """Delays after which the firmware listens no more."""
    found: dict[tuple[str, Path], list[ClientClass]] = defaultdict(list)
    wanted: set[tuple[str, Path]] = set()
    kinds: dict[Path, Delay] = {}
    for name, delay, path, case, schedule in _delayed(site):
        if not schedule.reachable(delay):
            found[name, path].append(case.client)
            kinds[path] = delay
            if name in case.intended.servers:
                wanted.add((name, path))
    for (name, path), clients in found.items():
        firmwares = ", ".join(sorted({c.firmware for c in clients}))
        is_wanted = (name, path) in wanted
        yield report(site, "CX310", path, f"{name} answers {kinds[path]}; {firmwares} has given up by then and never sees it",
                     "shorten the delay to 1.0-1.5 s on a wall clock" if is_wanted else f"if {name} must not have them, use a whitelist instead of a delay",
                     clients=clients, severity=None if is_wanted else Severity.WARNING)  # fmt: skip


@rule("CX311", "delay-at-window-edge", WARNING, "A delay ends just when UEFI closes its first window")
def delay_at_window_edge(site: AnalysedSite) -> Iterable[Finding]:
    """Wall-clock delays between the shortest and the longest first window of UEFI."""
    found: dict[tuple[str, Path], list[ClientClass]] = defaultdict(list)
    values: dict[Path, float] = {}
    for name, delay, path, case, schedule in _delayed(site):
        low, high = schedule.first_window
        if low < high and low <= delay.after <= high:
            found[name, path].append(case.client)
            values[path] = delay.after
    for (name, path), clients in found.items():
        yield report(site, "CX311", path, f"{name} answers after {values[path]:g} s, just when UEFI closes its first window (3.0 to 4.0 s)",
                     "choose a delay below 3 s; 1.0-1.5 s suits every firmware", clients=clients)  # fmt: skip


@rule("CX314", "delay-blocks-server", INFO, "The server is deaf to other clients while it delays one")
def delay_blocks_server(site: AnalysedSite) -> Iterable[Finding]:
    """Delays during which the server hears nothing."""
    for name, server in site.boot_services.items():
        for delay, path, _ in delays(server, name):
            if server.product.deaf_while_delaying and delay.after:
                yield report(site, "CX314", path, f"{name} ({server.software}) hears no other DHCP packet while it delays one by {delay.after:g} s: many clients at once queue up",
                             "keep the delay at 1-2 s, or use a server that delays each client by itself", count=0)  # fmt: skip


@rule("CX315", "delay-misses-retry", WARNING, "A wall-clock delay ends just after the client's second packet")
def delay_misses_retry(site: AnalysedSite) -> Iterable[Finding]:
    """Wall clocks since the first packet that end just after UEFI's second one."""
    found: dict[tuple[str, Path], list[ClientClass]] = defaultdict(list)
    values: dict[Path, float] = {}
    for name, delay, path, case, schedule in _delayed(site):
        low, _ = schedule.first_window
        if site.kind(case.client) in ("edk2", "edk2-http") and low < delay.since_first <= low + 2:
            found[name, path].append(case.client)
            values[path] = delay.since_first
    for (name, path), clients in found.items():
        yield report(site, "CX315", path, f"{name} answers {values[path]:g} s after a client's first packet; UEFI's second one comes at 3.1-3.9 s and is missed, the next at 12 s may be too",
                     "use 3 s or less, or a delay from each packet (`delay: 1.2`)", clients=clients)  # fmt: skip


@rule(
    "CX325",
    "waits-in-vain",
    ERROR,
    "A server waits for another server's offer and hears none",
    explains=True,
)
def waits_in_vain(site: AnalysedSite) -> Iterable[Finding]:
    """Boot services that answer after an offer only, and that no offer to some clients reaches."""
    found: dict[tuple[str, Path], list[Case]] = defaultdict(list)
    for case in site.pxe_cases:
        for name, standing in case.standing.items():
            if standing is Standing.WAITS:
                delay, path = delay_of(site, name, case.client)
                # What makes it wait is a delay, or what its product is told.
                found[name, path if delay.after_offer else ("servers", name, "settings")].append(case)
    for (name, path), cases in found.items():
        clients, severity = unwell(cases, lambda c: c.intended.server != name or site.as_intended(c))  # noqa: B023
        yield report(site, "CX325", path, f"{name} answers after another server's offer only, and hears none to these clients: it never answers them",
                     f"give {name} another delay: it hears only offers that are broadcast on a VLAN where it stands",
                     clients=clients, severity=severity)  # fmt: skip


@rule("CX317", "delay-not-supported", ERROR, "The product cannot delay in the declared way")
def delay_not_supported(site: AnalysedSite) -> Iterable[Finding]:
    """Delays that are said of a server of others, and that its product cannot have.

    What one of our own servers must do and cannot is found where its files are written (CX501 to CX506).
    """
    for name, server in site.site.servers.items():
        if not server.fixed:
            continue
        supported = server.can.delays
        for delay, path, _ in delays(server, name):
            if delay.kind not in supported:
                has = ", ".join(sorted(supported)) or "no delay at all"
                yield report(site, "CX317", path, f"{server.software.product} cannot answer {delay}; it has {has}",
                             "delay the other server, or use disjoint whitelists", count=0)  # fmt: skip
        for group, delay in {} if server.can.delay_for_groups else server.delay_for.items():
            if delay != server.delay and (delay.kind == "none" or delay.kind in supported):
                path = ("servers", name, "delay_for", group)
                yield report(site, "CX317", path, f"{server.software.product} has one delay for all: it cannot answer {group} {delay}",
                             "delay the other server, or use disjoint whitelists", count=0)  # fmt: skip


@rule("CX318", "delay-for-nobody", WARNING, "A delay is declared for clients the server never answers")
def delay_for_nobody(site: AnalysedSite) -> Iterable[Finding]:
    """``delay_for`` groups that the server never answers."""
    for name, server in site.boot_services.items():
        for group in server.delay_for:
            answered = any(
                case.standing.get(name) in (Standing.ANSWERS, Standing.WAITS)
                and site.space.has((group,), case.client.macs.signature)
                for case in site.cases
            )
            if not answered:
                yield report(site, "CX318", ("servers", name, "delay_for", group), f"{name} never answers members of {group}, so it cannot delay them",
                             "remove the delay, or let the server answer them", count=0)  # fmt: skip


@rule("CX319", "delay-skips-known-clients", WARNING, "The product does not delay clients it knows")
def delay_skips_known_clients(site: AnalysedSite) -> Iterable[Finding]:
    """Delays that do not hold for machines which are registered with the server (prestaged, with WDS)."""
    for name, server in site.boot_services.items():
        if server.product.delays_registered or server.delay.kind == "none":
            continue
        clients = [c.client for c in site.cases if c.client.macs.known and name in c.responders]
        if clients:
            yield report(site, "CX319", ("servers", name, "delay"), f"{name} ({server.software}) does not delay clients that are registered (prestaged) there",
                         "do not register clients of another server there, or keep them off by a whitelist", clients=clients)  # fmt: skip
