"""Why a machine did not boot: what is declared, what should happen, what was seen, and where they part first.

Each question is asked in the order in which a boot depends on it; the first that is answered badly is the
verdict, with the next thing to do.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from coexist.analysis.intent import NOBODY_BOOTS
from coexist.app.current import analyse_now
from coexist.app.explain import cases_of
from coexist.app.machines import differing_digits, find_machines, named, near
from coexist.planning.effective import as_people_say
from coexist.records import dataclass
from coexist.wire.mac import format_mac

if TYPE_CHECKING:
    from coexist.analysis import Analysis
    from coexist.analysis.intent import Intended
    from coexist.analysis.race import ClientCase, Outcome, RaceResult
    from coexist.analysis.site import AnalysedSite
    from coexist.app.probe import Probed
    from coexist.inventory import Inventory

State = Literal["good", "bad", "unknown"]
Topic = Literal["declared", "expected", "seen", "asked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A machine that a boot server or a capture saw.

    ``server``: whom it asked for its file, or who noted it; ``answered``: whether that server answered;
    ``why`` it did not. ``file``: what it asked for, ``failed`` how its transfer ended badly, both empty if
    not known.
    """

    at: datetime
    mac: int
    server: str
    how: str
    answered: bool
    why: str = ""
    file: str = ""
    failed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question and what was found. ``remedy``: the next thing to do, where it is bad or unknown."""

    topic: Topic
    state: State
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The answers about one machine, in the order in which a boot depends on them."""

    mac: int
    machine: str
    answers: tuple[Answer, ...]

    @property
    def verdict(self) -> Answer | None:
        """The first bad answer; None if there is none."""
        return next((answer for answer in self.answers if answer.state == "bad"), None)


Ask = Callable[["Inventory", int], "Probed"]
"""Asks the wire as a machine would: the inventory it is held to, and the machine's MAC."""


def diagnose(
    path: Path,
    machine: str,
    today: date,
    sights: Iterable[Sight] | None = None,
    ask: Ask | None = None,
) -> Diagnosis:
    """Examine a machine (MAC, name or reserved address) of the site at ``path``.

    ``sights``: what registries and captures saw; None if nothing was given to look at; ``ask``: how the wire
    is asked, if that is wanted. Raises `CoexistError` for a machine that nobody knows, `InputError` for an
    inventory that cannot be read.
    """
    return diagnose_in(analyse_now(path, today), path, machine, sights, ask)


def diagnose_in(
    analysis: Analysis,
    path: Path,
    machine: str,
    sights: Iterable[Sight] | None = None,
    ask: Ask | None = None,
) -> Diagnosis:
    """Examine a machine of the site at ``path``, which was analysed; see `diagnose`."""
    place = shlex.quote(str(path))
    inventory = analysis.site.inventory
    found = find_machines(inventory, machine)
    seen = None if sights is None else sorted(sights, key=lambda sight: sight.at)
    macs = [each.mac for each in found]
    mac = next((m for m in macs if seen and any(s.mac == m for s in seen)), macs[0])
    answers = [*_declared(inventory, mac)]
    cases = list(cases_of(inventory, mac))
    expected = list(_expected(analysis, place, cases))
    answers += [answer for answer, _ in expected]
    wanted = {server for _, servers in expected for server in servers}
    if ask is not None:
        answers += _asked(ask(inventory, mac))
    answers += _seen(inventory, place, mac, wanted, seen)
    return Diagnosis(mac=mac, machine=named(inventory, mac), answers=tuple(answers))


def _asked(probed: Probed) -> Iterator[Answer]:
    """Who answers the machine now, and where that differs from the inventory."""
    for finding in probed.findings:
        yield Answer(
            topic="asked",
            state="bad",
            text=f"asked on the wire: {finding.message} ({finding.code.code})",
            remedy=finding.repair,
        )
    for responder in probed.responders:
        files = ", ".join(dict.fromkeys(file for _, file in responder.files)) or "no file"
        name = probed.names.get(responder.address, str(responder.address))
        text = f"asked on the wire: {name} answers as {', '.join(responder.roles)}, with {files}"
        yield Answer(topic="asked", state="good", text=text)
    if not probed.responders:
        yield Answer(
            topic="asked",
            state="bad" if not probed.asked.interrupted else "unknown",
            text=f"asked on the wire: nobody answered in {probed.asked.seconds:.0f} s",
            remedy="see that the DHCP server runs, and that a relay agent carries this VLAN to it",
        )
    for sentence in probed.asked.skipped:
        yield Answer(topic="asked", state="unknown", text=f"asked on the wire: {sentence}")


# -- what is declared ---------------------------------------------------------------------------------


def _declared(inventory: Inventory, mac: int) -> Iterator[Answer]:
    record = inventory.clients.find(mac)
    if record is None:
        close = near(inventory, mac)
        if close:
            yield Answer(
                topic="declared",
                # Machines bought together differ in two digits; one digit is a typing mistake.
                state="bad" if differing_digits(mac, close[0]) == 1 else "unknown",
                text=f"it is not registered; {_nearly(inventory, mac, close[0])}",
                remedy="correct the MAC in the inventory if it is this machine, else register this one",
            )
            return
        yield Answer(
            topic="declared",
            state="unknown",
            text="it is not registered: it gets what every unknown machine gets",
            remedy="register it in the inventory's list of clients if it needs more",
        )
        return
    where = inventory.clients.position(inventory.clients.index[mac])
    groups = [name for name in inventory.site.groups if mac in inventory.group(name)]
    told = f"it is registered at {where}"
    told += f", and in {as_people_say(groups)}" if groups else ", and in no group"
    yield Answer(topic="declared", state="good", text=told)


def _nearly(inventory: Inventory, mac: int, other: int) -> str:
    return f"{named(inventory, other)} is, and differs in {_digits(differing_digits(mac, other))}"


def _digits(number: int) -> str:
    return "one digit" if number == 1 else f"{number} digits"


# -- what should happen -------------------------------------------------------------------------------


def _expected(
    analysis: Analysis, place: str, cases: list[ClientCase]
) -> Iterator[tuple[Answer, frozenset[str]]]:
    """For each case what the race says, against the intent; and the servers it may boot from."""
    from coexist.analysis.race import race

    site = analysis.site
    for case in cases:
        result = race(site.races.world, case)
        intended = _intended(site, case)
        judged = _judged(result, intended, case, _command(analysis, place, case))
        yield judged, frozenset(filter(None, result.winners))


def _intended(site: AnalysedSite, case: ClientCase) -> Intended:
    from coexist.analysis.space import ClientClass

    macs = site.space.class_of(case.mac)
    client = ClientClass(macs=macs, vlan=case.vlan, architecture=case.architecture, firmware=case.firmware)
    return site.intent_of(client)


def _judged(result: RaceResult, intended: Intended, case: ClientCase, next_command: str) -> Answer:
    what = " ".join(part for part in (case.architecture, case.firmware) if part)
    where = f"on VLAN {case.vlan} as {what}"
    winners = " or ".join(winner or "nobody" for winner in result.winners)
    file = next((outcome.file for outcome in result.outcomes if outcome.file), None)
    boots = f"{where} it boots from {winners}" + (f" ({file})" if file else "")
    if not result.deterministic:
        boots += ", whichever packet is first"
        return Answer(topic="expected", state="bad", text=boots, remedy=next_command)
    wanted = intended.server
    if wanted is None:
        return Answer(topic="expected", state="good", text=f"{boots}; no server is intended for it")
    if all(_is(outcome, wanted) for outcome in result.outcomes):
        return Answer(topic="expected", state="good", text=f"{boots}, as intended")
    boots += f", and {wanted} is intended: {result.outcomes[0].why}"
    return Answer(topic="expected", state="bad", text=boots, remedy=next_command)


def _is(outcome: Outcome, wanted: str) -> bool:
    """Whether a boot ends as intended: at that server, by its word, or nowhere."""
    if wanted == NOBODY_BOOTS:
        return outcome.winner is None
    return wanted in (outcome.winner, outcome.decided_by)


def _command(analysis: Analysis, place: str, case: ClientCase) -> str:
    """What to run next: the findings about this machine's VLAN and architecture, or its race."""
    codes = dict.fromkeys(
        finding.code.code
        for finding in analysis.findings
        if finding.witness is not None
        and finding.witness.vlan == case.vlan
        and finding.witness.architecture == case.architecture
    )
    if codes:
        return f"coexist check {place} {' '.join(list(codes)[:3])}"
    return f"coexist explain {place} {format_mac(case.mac)}"


# -- what was seen --------------------------------------------------------------------------------------


def _seen(
    inventory: Inventory, place: str, mac: int, wanted: set[str], sights: list[Sight] | None
) -> Iterator[Answer]:
    if sights is None:
        yield Answer(
            topic="seen",
            state="unknown",
            text="nothing was given that could have seen it",
            remedy="have a boot server's registry read, or a capture of its switch port",
        )
        return
    own = [sight for sight in sights if sight.mac == mac]
    if not own:
        yield _unseen(inventory, mac, sights)
        return
    last = own[-1]
    when = last.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if not last.answered:
        yield Answer(
            topic="seen",
            state="bad",
            text=f"{last.server} saw it at {when} and did not answer: {last.why}",
            remedy=_unanswered_remedy(place, last),
        )
        return
    what = f" for {last.file}" if last.file else ""
    if last.failed:
        yield Answer(
            topic="seen",
            state="bad",
            text=f"at {when} it asked {last.server}{what}, and failed: {last.failed}",
            remedy=f"look at the boot files of {last.server}: coexist probe --fetch asks for them",
        )
        return
    if wanted and last.server not in wanted:
        yield Answer(
            topic="seen",
            state="bad",
            text=f"at {when} it booted from {last.server}{what}; {' or '.join(sorted(wanted))} is predicted",
            remedy=f"compare what the servers run with the inventory: coexist plan {place}",
        )
        return
    yield Answer(
        topic="seen", state="good", text=f"at {when} it booted from {last.server}{what}, as predicted"
    )


def _unseen(inventory: Inventory, mac: int, sights: list[Sight]) -> Answer:
    close = sorted(
        {
            (digits, sight.mac)
            for sight in sights
            if (digits := differing_digits(mac, sight.mac)) <= 2 and inventory.clients.find(sight.mac) is None
        }
    )
    if close:
        digits, other = close[0]
        differs = f"is not registered and differs in {_digits(digits)}"
        return Answer(
            topic="seen",
            state="bad",
            text=f"nobody saw it; {format_mac(other)} was seen, {differs}",
            remedy=f"correct the MAC in the inventory to {format_mac(other)} if that is this machine",
        )
    return Answer(
        topic="seen",
        state="bad",
        text="nobody saw it ask: no DISCOVER of it reached a boot server or is in a capture",
        remedy="check its cable, its VLAN and its boot order; then take a capture at its switch port",
    )


def _unanswered_remedy(place: str, sight: Sight) -> str:
    from coexist.boot.respond import Reason

    return {
        Reason.NO_RULE.value: "add it to a group that the server answers, then roll out",
        Reason.DENIED.value: f"take it off the deny list of {sight.server}",
        Reason.IGNORED.value: f"take it out of the rule of {sight.server} that ignores it",
        Reason.NO_PROGRAM.value: f"declare a boot program of {sight.server} for its architecture",
        Reason.NO_OFFER.value: "see that a DHCP server leases it an address",
    }.get(sight.why, f"coexist explain {place} {format_mac(sight.mac)}")
