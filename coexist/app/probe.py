"""Ask the wire as booting clients would, and hold the answers to an inventory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from coexist.analysis.world import build_world
from coexist.boot.request import BOOT_SERVER_PORT
from coexist.errors import CoexistError
from coexist.inventory import Inventory
from coexist.probe.answer import Answer, Responder, responders
from coexist.probe.asking import Asked, Progress, ask
from coexist.probe.expectation import representatives, server_names, strangers, unfetched, vlan_of
from coexist.probe.fetch import Fetched, NotFetched, fetch
from coexist.probe.fetch_http import fetch_http
from coexist.probe.guise import fetch_as
from coexist.probe.prediction import Prediction, compare, predict
from coexist.probe.question import PROBE_MACS, Asker, stranger
from coexist.probe.segment import Port, RelayPort, Segment
from coexist.records import dataclass
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.bootp import UNSPECIFIED, Packet

if TYPE_CHECKING:
    from coexist.analysis.findings import Finding

USUAL = ("plain", "bios", "uefi-x64", "uefi-arm64", "http-x64")
"""The clients asked as where none is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What is asked, and how. ``macs``: for whom, strangers if nobody; ``boot_servers`` are asked on port
    4011 in any case; ``wait``: seconds each client waits; ``rate``: packets a second. ``guised``: the card on
    which the clients' own places are taken to fetch; None fetches as this machine."""

    architectures: tuple[str, ...] = ()
    macs: tuple[int, ...] = ()
    vlan: str | None = None
    boot_servers: tuple[IPv4Address, ...] = ()
    subnet: IPv4Address | None = None
    wait: float = 60.0
    rate: float = 20.0
    fetch: bool = False
    guised: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What was heard, and where it differs from the inventory. ``fetched``: by server and file what it is, or
    why it cannot be had."""

    asked: Asked
    responders: tuple[Responder, ...]
    findings: tuple[Finding, ...]
    names: Mapping[IPv4Address, str]
    fetched: Mapping[tuple[str, str], str]
    expected: bool


def open_port(interface: str | None, relay_to: Sequence[IPv4Address], giaddr: IPv4Address | None) -> Port:
    """The way to the wire: a network card, or as a relay agent. Raises `HostError`."""
    if relay_to and giaddr is not None:
        return RelayPort(giaddr, tuple(relay_to))
    if interface is None:
        raise CoexistError("nothing says how the wire is asked: name a network card")
    return Segment(interface)


def probe(
    port: Port, inventory: Inventory | None, questions: Questions, progress: Progress | None = None
) -> Probed:
    """Ask, wait, compare. An interruption ends the asking or the fetching, and what was had till then counts.

    Raises `CoexistError` where the VLAN of the inventory is not known.
    """
    vlan = _vlan(inventory, questions.vlan, port.giaddr if int(port.giaddr) else port.address)
    askers = _askers(questions, inventory, vlan)
    predicted = _predicted(inventory, vlan, askers, port, questions.wait)
    known = [p.address for p in predicted if p.port == BOOT_SERVER_PORT and p.answer is not None]
    asked = ask(
        port,
        askers,
        patience=questions.wait,
        rate=questions.rate,
        boot_servers=dict.fromkeys([*questions.boot_servers, *known]),
        subnet=questions.subnet,
        progress=progress,
        keep_on_interrupt=True,
    )
    # Who was not waited for is not missed.
    waited = 0.0 if asked.interrupted else questions.wait
    findings: tuple[Finding, ...] = ()
    if inventory is not None:
        different = compare(predicted, asked.answers, patience=waited)
        findings = (*strangers(inventory, asked.answers), *different)
    fetched: dict[tuple[str, str], str] = {}
    missing: list[Finding] = []
    if questions.fetch:
        try:
            _fetch(asked.answers, inventory, questions.guised, fetched, missing)
        except KeyboardInterrupt:
            said = f"interrupted: {len(fetched)} of the boot files were fetched, the rest was not"
            asked = replace(asked, interrupted=True, skipped=(*asked.skipped, said))
    return Probed(
        asked=asked,
        responders=tuple(responders(asked.answers, asked.askers)),
        findings=(*findings, *missing),
        names=server_names(inventory) if inventory is not None else {},
        fetched=fetched,
        expected=inventory is not None,
    )


def asking(interface: str, vlan: str | None, wait: float) -> Callable[[Inventory, int], Probed]:
    """A function that asks as one machine, in every architecture the inventory has, through a network card.

    Raises `HostError` at once for a card that cannot be used.
    """
    open_port(interface, (), None).close()

    def ask_as(inventory: Inventory, mac: int) -> Probed:
        architectures = tuple(name for name in inventory.site.architectures if name in ARCHITECTURE_NAMES)
        questions = Questions(macs=(mac,), architectures=architectures, vlan=vlan, wait=wait)
        port = open_port(interface, (), None)
        try:
            return probe(port, inventory, questions)
        finally:
            port.close()

    return ask_as


def _vlan(inventory: Inventory | None, name: str | None, address: IPv4Address | None) -> str:
    if inventory is None:
        return name or ""
    found = name or (vlan_of(inventory, address) if address else None)
    if found is None or found not in inventory.site.vlans:
        known = ", ".join(inventory.site.vlans)
        raise CoexistError(f"nothing says which VLAN of the inventory this is; name one of {known}")
    return found


def _askers(questions: Questions, inventory: Inventory | None, vlan: str) -> list[Asker]:
    architectures = questions.architectures or USUAL
    if questions.macs:
        return [Asker(mac=mac, architecture=a, vlan=vlan) for mac in questions.macs for a in architectures]
    askers = [stranger(architecture, vlan) for architecture in architectures]
    if inventory is not None:
        askers += representatives(inventory, vlan)
    return askers


def _predicted(
    inventory: Inventory | None, vlan: str, askers: Sequence[Asker], port: Port, patience: float
) -> tuple[Prediction, ...]:
    """What the inventory's servers must answer here; as a relay agent, those that are asked."""
    if inventory is None:
        return ()
    world = build_world(inventory)
    return tuple(
        prediction
        for asker in askers
        for prediction in predict(
            world,
            replace(asker, vlan=vlan),
            patience=patience,
            relay=None if port.giaddr == UNSPECIFIED else port.giaddr,
            targets=getattr(port, "targets", None),
            own=port.address or UNSPECIFIED,
        )
    )


def _fetch(
    answers: Sequence[Answer],
    inventory: Inventory | None,
    guised: str | None,
    digests: dict[tuple[str, str], str],
    findings: list[Finding],
) -> None:
    """Write into ``digests`` what each named file is, and into ``findings`` which of them cannot be had."""
    for answer in sorted(answers, key=lambda answer: guised is None or _offer_to(answers, answer) is None):
        place = (str(answer.boot_server), answer.file)
        over_http = answer.file.lower().startswith("http://")
        if answer.boot_server is None or place in digests or ("://" in answer.file and not over_http):
            continue
        offer = _offer_to(answers, answer) if guised else None
        result: Fetched | NotFetched
        if offer is not None:
            result = fetch_as(guised or "", answer.asker.mac, offer, answer.boot_server, answer.file)
        else:
            result = fetch_http(answer.file) if over_http else fetch(answer.boot_server, answer.file)
        if isinstance(result, Fetched):
            digests[place] = f"{result.size} octets, sha256 {result.sha256}"
            continue
        found = unfetched(answer, result, inventory, as_client=offer is not None)
        digests[place] = result.why if found else f"{result.why} (it serves its own clients only)"
        findings += [found] if found else []


def _offer_to(answers: Sequence[Answer], wanted: Answer) -> Packet | None:
    """The offer of an address to the client that an answer is for; None for a stranger of the probe's own."""
    if wanted.asker.mac & ~0xFFFF == PROBE_MACS:
        return None
    return next((a.packet for a in answers if a.asker.mac == wanted.asker.mac and a.offers_address), None)
