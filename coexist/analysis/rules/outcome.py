"""What only the race shows: who really wins, for every class and both stages, against the intent.

A class that an error of the declarations already explains is not reported again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from coexist.analysis.findings import ERROR, WARNING, Finding, Severity
from coexist.analysis.rules import RULES, Explained, choose, judge, kind, raced, report
from coexist.analysis.rules.ordering import delay_of
from coexist.analysis.site import AnalysedSite, Case, Standing, identity
from coexist.analysis.space import ClientClass
from coexist.inventory.documents import Path
from coexist.records import dataclass

# A boot that takes longer than UEFI's first window and the files of a slow network is worth a word.
_PATIENCE = 10.0

kind("CX301", "two-responders", ERROR, "Two boot services answer the same client and nothing orders them")
kind("CX302", "nobody-answers", ERROR, "No boot service answers a client that must boot")
kind("CX303", "wrong-server-wins", ERROR, "A client boots from another server than intended")
kind("CX304", "winner-by-chance", ERROR, "Which server a client boots from is decided by milliseconds")
kind(
    "CX305", "fallback-never-wins", ERROR, "A fallback never gets the client, even when the others are silent"
)
kind(
    "CX306", "fallback-wins-first", ERROR, "The fallback gets the client although the intended server answers"
)
kind("CX308", "client-waits", WARNING, "A client boots only at its second, third or last attempt")
kind("CX312", "delays-too-close", ERROR, "Two servers answer the same clients within the network's jitter")
kind("CX313", "delay-shorter-than-lease", ERROR, "The delayed server answers before the DHCP server does")
kind("CX316", "offer-class-beats-order", ERROR, "A later offer wins because the firmware prefers its kind")
kind("CX320", "intended-server-refuses", ERROR, "The intended server does not answer the client")
kind("CX321", "boots-against-intent", ERROR, "A client boots that must boot from nobody")
kind(
    "CX425", "ipxe-boots-elsewhere", ERROR, "Chain-loaded iPXE boots from another server than its first stage"
)
kind("CX322", "winner-by-firmware", ERROR, "Which server a client boots from depends on its make of firmware")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One class that does not boot as intended, and the declaration to blame; ``silent`` are the servers
    that are thought away, ``second_stage`` says that the iPXE it loads goes astray."""

    code: str
    path: Path
    message: str
    repair: str
    client: ClientClass
    severity: Severity | None = None
    silent: frozenset[str] = frozenset()
    second_stage: bool = False

    @property
    def place(self) -> tuple[object, ...]:
        """What verdicts have in common that are one finding."""
        return (
            self.code,
            self.path,
            self.message,
            self.repair,
            self.severity,
            self.silent,
            self.second_stage,
        )


@raced("CX321")
def boots_against_intent(site: AnalysedSite) -> Iterator[Finding]:
    """A finding for each declaration that has classes boot that must boot from nobody."""
    nobody = (case for case in _intended(site) if not case.intended.boots)
    return _reported(site, (verdict for case in nobody for verdict in _judge_nobody(site, case)))


@judge
def findings(site: AnalysedSite, explained: Explained) -> Iterator[Finding]:
    """A finding for each declaration to blame, with the classes that do not boot as intended."""
    boots = (case for case in _intended(site) if case.intended.boots)
    errors = ((case, explained.get(identity(case.client), frozenset())) for case in boots)
    return _reported(site, (verdict for case, codes in errors for verdict in _judge(site, case, codes)))


def _intended(site: AnalysedSite) -> Iterator[Case]:
    """The classes whose boot server an intent names, or that must have none."""
    for case in site.cases:
        intended = case.intended
        if intended.rule is not None and intended.server is not None and not site.is_phone(case.client):
            yield case


def _reported(site: AnalysedSite, verdicts: Iterable[Verdict]) -> Iterator[Finding]:
    by_place: dict[tuple[object, ...], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_place[verdict.place].append(verdict)
    for alike in by_place.values():
        first, clients = alike[0], [verdict.client for verdict in alike]
        chosen = choose(clients)
        timeline = None
        if chosen and first.second_stage:
            timeline = site.second_timeline(chosen, first.silent)
        elif chosen and first.silent:
            timeline = site.timeline(chosen, first.silent)
        yield report(site, first.code, first.path, first.message, first.repair, clients=clients, severity=first.severity, timeline=timeline)  # fmt: skip


def _judge(site: AnalysedSite, case: Case, errors: frozenset[str]) -> Iterator[Verdict]:
    """What is to be said about the race of one class; ``errors`` are the codes that concern it."""
    if any(RULES[code].explains for code in errors):
        return
    if not site.as_intended(case):
        yield _why(site, case)
        return
    loops = "CX415" in errors
    yield from _judge_wait(site, case)
    if not loops:
        yield from _judge_second_stage(site, case, str(case.intended.server))
    yield from _judge_fallbacks(site, case, loops=loops)


def _judge_nobody(site: AnalysedSite, case: Case) -> Iterator[Verdict]:
    booted = site.winners(case.client) - {None}
    for name in sorted(str(winner) for winner in booted):
        path: Path = ("servers", name, "answers") if name in site.site.servers else ("scopes",)
        repair = f"add `except` or a whitelist to {name}, or remove it from the VLAN's `relay_to`"
        if name not in case.responders:
            path = _scope_entry(site, case.client) or path
            repair = "take the boot file out of the scope, or hand it out in a rule with `clients:`"
        yield Verdict(code="CX321", path=path, client=case.client, repair=repair,
                      message=f"{name} boots clients on VLAN {case.client.vlan} that must boot from nobody")  # fmt: skip


def _scope_entry(site: AnalysedSite, client: ClientClass) -> Path | None:
    """Where a scope gives a class its boot file; else the scope itself, None where there is none."""
    scopes = site.heard_scopes(client.vlan)
    handed = (site.scopes.handed(name, client).file for name in scopes)
    return next((file[1] for file in handed if file), ("scopes", scopes[0]) if scopes else None)


def _judge_wait(site: AnalysedSite, case: Case) -> Iterator[Verdict]:
    seconds = site.seconds(case.client)
    if seconds is None or seconds < _PATIENCE:
        return
    name = str(case.intended.server)
    threshold = _threshold(site, case.client.vlan)
    path: Path
    if name in site.boot_services and delay_of(site, name, case.client)[0].kind != "none":
        delay, path = delay_of(site, name, case.client)
        why, repair = (
            f"answers {delay}",
            "use a wall clock of 1.0-1.5 s instead, or disjoint whitelists without a delay",
        )
    elif threshold is not None:
        path, why = threshold, "is behind a relay with a threshold"
        repair = "set the relay's threshold to 0"
    elif site.kind(case.client) in ("edk2", "edk2-http"):
        path, why, repair = ("servers", name), "is not heard in the first window", "see the time line"
    else:
        return  # an old ROM waits by itself
    yield Verdict(code="CX308", path=path, client=case.client, repair=repair,
                  message=f"{name} {why}: {case.client.firmware} boots only after about {seconds:.0f} s")  # fmt: skip


def _threshold(site: AnalysedSite, vlan: str) -> Path | None:
    """Where a relay agent of the VLAN is given a threshold on secs; None where none is."""
    return next(((*path, "min_secs") for path, relay in site.topology.relays(vlan) if relay.min_secs), None)


def _judge_second_stage(
    site: AnalysedSite, case: Case, name: str, silent: frozenset[str] = frozenset()
) -> Iterator[Verdict]:
    """Where the server whose turn it is gives iPXE, the iPXE must come back to it."""
    client = case.client
    if site.stays_with(client, name, silent):
        return
    winners = site.second_winners(client, silent)
    before = " and ".join(server for server in case.intended.servers if server in silent)
    when = f"when {before} is silent, " if before else ""
    others = sorted(winner for winner in winners if winner not in (None, name))
    path: Path
    if not others:
        path = ("servers", name, "programs") if name in site.boot_services else ("servers", name)
        repair = "give it a script: `ipxe: <script or URL>` among the programs"
    elif others[0] in site.boot_services:
        path = delay_of(site, others[0], client)[1]
        repair = f"keep {others[0]} from answering these clients; its delay holds for the first stage only"
    else:
        path = ("servers", others[0]) if others[0] in site.site.servers else ("servers", name)
        repair = f"let {name} be the only one that names a file to iPXE (user class iPXE)"
    yield Verdict(code="CX425", path=path, client=client, repair=repair, second_stage=True, silent=silent,
                  message=f"{when}these clients load iPXE from {name}; it asks DHCP again, and then {_shown(winners)}")  # fmt: skip


def _judge_fallbacks(site: AnalysedSite, case: Case, *, loops: bool) -> Iterator[Verdict]:
    """With those before it silent, each fallback must get the client, and the iPXE it may give.

    ``loops``: whether the declarations show already that iPXE is given iPXE again.
    """
    order = case.intended.servers
    for number, name in enumerate(order[1:], start=1):
        silent = frozenset(order[:number])
        if site.falls_to(case.client, name, silent):
            yield from _judge_late_fallback(site, case, name, silent)
            if not loops:
                yield from _judge_second_stage(site, case, name, silent)
            continue
        winners = site.winners(case.client, silent)
        standing = case.standing.get(name)
        before = " and ".join(order[:number])
        path: Path = ("servers", name)
        if name in site.boot_services and standing is not Standing.ANSWERS:
            what = standing.value if standing else Standing.DEAF.value
            waits = standing is Standing.WAITS
            place = delay_of(site, name, case.client)[1] if waits else (*path, "answers")
            yield Verdict(code="CX305", path=place, client=case.client,
                          message=f"{name} must take over when {before} is silent, but it {what}",
                          repair=_repair_standing(name, standing, case), silent=silent)  # fmt: skip
        else:
            if name in site.boot_services:
                path = delay_of(site, name, case.client)[1]
            yield Verdict(code="CX305", path=path, client=case.client,
                          message=f"{name} must take over when {before} is silent, but then {_shown(winners)}",
                          repair=f"give {name} a delay of 1.0-1.5 s on a wall clock, and see the time line",
                          silent=silent)  # fmt: skip


def _judge_late_fallback(
    site: AnalysedSite, case: Case, name: str, silent: frozenset[str]
) -> Iterator[Verdict]:
    """A fallback whose delay makes the client wait for a later attempt."""
    seconds = site.seconds(case.client, silent)
    if seconds is None or seconds < _PATIENCE or name not in site.boot_services:
        return
    delay, path = delay_of(site, name, case.client)
    if delay.kind != "none":
        before = " and ".join(case.intended.servers[: len(silent)])
        yield Verdict(code="CX308", path=path, client=case.client, silent=silent,
                      message=f"when {before} is silent, {name} answers {delay}: {case.client.firmware} boots only after about {seconds:.0f} s",
                      repair="shorten the delay to 1.0-1.5 s on a wall clock")  # fmt: skip


def _repair_standing(name: str, standing: Standing | None, case: Case) -> str:
    match standing:
        case Standing.REFUSES:
            return f"let {name} answer these clients: add their group to its whitelist"
        case Standing.NO_PROGRAM:
            return f"add a program for {case.client.architecture} to {name}"
        case Standing.SNOOPED:
            return f"trust {name} on VLAN {case.client.vlan}"
        case Standing.WAITS:
            return f"give {name} a delay of 1.0-1.5 s on a wall clock"
    return f"add {name} to `relay_to` of VLAN {case.client.vlan}"


def _shown(winners: frozenset[str | None]) -> str:
    names = sorted(name for name in winners if name)
    if not names:
        return "nobody boots the client"
    return f"{' or '.join(names)} does" + (" or nobody" if None in winners else "")


def _why(site: AnalysedSite, case: Case) -> Verdict:
    """The declaration to blame for a class that does not boot as intended."""
    client, name = case.client, str(case.intended.server)
    standing = case.standing.get(name)
    if name in site.boot_services and standing in (Standing.REFUSES, Standing.NO_PROGRAM):
        return Verdict(code="CX320", path=("servers", name, "answers"), client=client,
                       message=f"{name} must boot these clients, but it {standing.value}",
                       repair=_repair_standing(name, standing, case))  # fmt: skip
    winners = site.winners(client)
    if len(winners) > 1:
        return _why_chance(site, case, winners)
    (winner,) = winners
    if winner is None:
        return Verdict(code="CX302", path=("servers", name), client=client,
                       message=f"{client.firmware} clients of {name} on VLAN {client.vlan} boot from nobody",
                       repair="follow the time line to the step that fails")  # fmt: skip
    if winner in case.responders and name in case.responders:
        return _why_order(site, case, winner)
    return Verdict(code="CX303", path=("servers", winner), client=client,
                   message=f"clients of {name} boot from {winner} instead",
                   repair=f"keep {winner} from answering them, by a whitelist or `except`")  # fmt: skip


def _why_chance(site: AnalysedSite, case: Case, winners: frozenset[str | None]) -> Verdict:
    client = case.client
    names = [name for name in case.responders if name in winners]
    shown = " or ".join(sorted(str(w) if w else "nobody" for w in winners))
    if all(finish.by_firmware for finish in site.races.of(client)):
        return _why_firmware(site, case, shown)
    if len(names) > 1:
        first, second = names[0], names[1]
        (one, _), (other, path) = delay_of(site, first, client), delay_of(site, second, client)
        if one.kind == other.kind == "none":
            return Verdict(code="CX301", path=("servers", second, "answers"), client=client,
                           message=f"{first} and {second} both answer these clients at once; the first packet to arrive wins: {shown}",
                           repair="let each client stand on one whitelist only; a delay orders them less surely")  # fmt: skip
        if one.kind == other.kind:
            return Verdict(code="CX312", path=path, client=client,
                           message=f"{first} answers {one} and {second} {other}: that is within the network's jitter, so {shown} wins",
                           repair="let the delays differ by 1 s or more, or use disjoint whitelists")  # fmt: skip
        later, sooner = (second, first) if one.kind == "none" else (first, second)
        if "none" in (one.kind, other.kind) and site.kind(client) == "ipxe" and _slow_lease(site, client):
            return _overtaken(site, client, later, sooner)
    return Verdict(code="CX304", path=("servers", names[0] if names else str(case.intended.server)), client=client,
                   message=f"chance decides who boots these clients: {shown}",
                   repair="see the time line; disjoint whitelists make it certain")  # fmt: skip


def _why_firmware(site: AnalysedSite, case: Case, shown: str) -> Verdict:
    """No chance is in it: machines of one make do this, of another that."""
    client, name = case.client, str(case.intended.server)
    what, repair = "the number that their firmware announces in option 93", "answer both numbers alike"
    if site.kind(client) == "pxe21":
        what = "how their firmware reads the PXE specification"
        repair = f"let {name} alone name a boot file to them; or declare how your machines behave (`firmwares:`, parameter `reading`)"
    return Verdict(code="CX322", path=("servers", name), client=client, repair=repair,
                   message=f"{client.firmware} machines boot from {shown}: it depends on {what}")  # fmt: skip


def _why_order(site: AnalysedSite, case: Case, winner: str) -> Verdict:
    client, name = case.client, str(case.intended.server)
    (mine, _), (its, path) = delay_of(site, name, client), delay_of(site, winner, client)
    later = its.kind != "none" and mine.kind == "none"
    if later and site.kind(client) in ("edk2", "edk2-http"):
        return Verdict(code="CX316", path=path, client=client,
                       message=f"{winner} answers later than {name} and wins: its offer names the file (option 43), {name}'s does not",
                       repair=f"keep {winner} from answering these clients, or let {name} send `discovery_control: 8`")  # fmt: skip
    if later:
        return _overtaken(site, client, winner, name)
    code, path = (
        ("CX306", path) if winner in case.intended.fallback else ("CX303", ("servers", winner, "answers"))
    )
    return Verdict(code=code, path=path, client=client,
                   message=f"{winner} answers {its} and {name} {mine}: these clients boot from {winner}",
                   repair=f"keep {winner} from answering them, or let it answer later than {name}")  # fmt: skip


def _slow_lease(site: AnalysedSite, client: ClientClass) -> bool:
    """Whether a DHCP server of the VLAN pings an address before it offers it."""
    servers = {s for name in site.heard_scopes(client.vlan) for s in site.site.scopes[name].servers}
    return any(site.site.servers[name].pings for name in servers)


def _overtaken(site: AnalysedSite, client: ClientClass, later: str, name: str) -> Verdict:
    """A proxy before the lease: iPXE takes the last of those that answer before it has an address."""
    delay, path = delay_of(site, later, client)
    return Verdict(code="CX313", path=path, client=client,
                   message=f"{later} answers {delay}, before the DHCP server's offer: {client.firmware} may then take {later} instead of {name}",
                   repair="make the delay longer than the DHCP server needs (switch its ping check off), or use a whitelist")  # fmt: skip
