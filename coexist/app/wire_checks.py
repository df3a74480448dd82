"""Between rollout and probe: what a plan predicts for the wire, and whether the wire answers so."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Literal

from coexist.analysis.world import World, build_world, with_models
from coexist.boot.request import BOOT_SERVER_PORT
from coexist.boot.responder import ServerModel
from coexist.errors import CoexistError, HostError
from coexist.inventory.loader import Inventory
from coexist.inventory.macset import NOBODY, MacSet
from coexist.planning.together import Version
from coexist.probe.answer import Answer
from coexist.probe.prediction import SLACK, Prediction, compare, predict
from coexist.probe.question import Asker
from coexist.rollout.document import Change, Plan, WireCheck
from coexist.wire.bootp import decode, encode
from coexist.wire.mac import format_mac, parse_mac
from coexist.wire.malformed import Malformed

if TYPE_CHECKING:
    from coexist.probe.segment import Port
    from coexist.rollout.planning import Planned

MOST_CLIENTS = 12
"""Clients asked for on each VLAN and server: some that it gains, loses and keeps, of each architecture."""

SILENCE_SECONDS = 5.0
"""How long the probe waits at least: past the second DISCOVER of UEFI and of old ROMs."""

_NOBODYS = IPv4Address("192.0.2.1")
"""Stands for the probe's own address, which a plan does not know (RFC 5737)."""


def with_checks(
    inventory: Inventory, planned: Planned, digests: Mapping[str, Mapping[str, str]] | None = None
) -> Plan:
    """The plan with a prediction for each affected server, version, VLAN and a few clients.

    ``digests``: the SHA-256 of boot files by server and by the name clients are given.
    """
    world = build_world(inventory)
    checks: list[WireCheck] = []
    for change in _changes(planned.plan):
        model = _model(planned, change.server, change.version, world.models)
        if model is None:
            continue
        changed = with_models(world, {change.server: model})
        for vlan, segment in changed.segments.items():
            if any(listener.model.name == change.server for listener in segment.listeners):
                giaddr = inventory.site.vlans[vlan].giaddrs[0]
                for asker in _clients(inventory, planned, change.server, vlan):
                    checks += _checks(changed, asker, change, giaddr)
    known = {
        (str(address), file): digest
        for server, files in (digests or {}).items()
        for address in inventory.site.servers[server].stands_on.values()
        for file, digest in files.items()
    }
    return planned.plan.model_copy(
        update={
            "checks": tuple(
                check.model_copy(update={"sha256": known.get((check.boot_server or "", check.file or ""))})
                for check in checks
            )
        }
    )


def _changes(plan: Plan) -> Iterator[Change]:
    for step in plan.steps:
        for wave in step.waves:
            yield from wave


def _model(
    planned: Planned, server: str, version: Version, models: Mapping[str, ServerModel]
) -> ServerModel | None:
    """How a server behaves at a version: coexist's by its very configuration, others only at the end."""
    service = planned.services.get((server, version))
    if service is not None:
        return service.model(server)
    return models.get(server) if version == "final" else None


def _clients(inventory: Inventory, planned: Planned, server: str, vlan: str) -> list[Asker]:
    """For each architecture a client the server gains, loses and keeps: a registered one of that
    architecture where there is one."""
    before, after = planned.before.get(server, {}), planned.after.get(server, {})
    chosen: dict[tuple[int, str], Asker] = {}
    for architecture in inventory.site.architectures:
        fitting = _registered_as(inventory, architecture)
        old, new = before.get(architecture, NOBODY), after.get(architecture, NOBODY)
        for macs in (new - old, old - new, new & old):
            mac = (macs & fitting).sample()
            if mac is None:
                mac = (macs - inventory.known).sample()
            if mac is not None:
                chosen[mac, architecture] = Asker(mac=mac, architecture=architecture, vlan=vlan)
    return list(chosen.values())[:MOST_CLIENTS]


def _registered_as(inventory: Inventory, architecture: str) -> MacSet:
    """Registered clients of an architecture, and those that do not say theirs."""
    table = inventory.clients
    names = table.columns["architecture"]
    return MacSet.of(mac for mac, name in zip(table.macs, names, strict=True) if name in ("", architecture))


def _checks(world: World, asker: Asker, change: Change, giaddr: IPv4Address) -> Iterator[WireCheck]:
    """What the changed server answers on the VLAN, and to a relay agent where that is something else.

    All servers of the VLAN are asked at once, as on the wire: some follow another's offer.
    """
    # Without a role on port 4011 the model stays silent there, which is a prediction too.
    here = [p for p in predict(world, asker, own=_NOBODYS) if p.server == change.server]
    relayed = [p for p in predict(world, asker, relay=giaddr, own=_NOBODYS) if p.server == change.server]
    alike = [_gist(prediction) for prediction in here] == [_gist(prediction) for prediction in relayed]
    yield from _written(here, change.version, None if alike else "interface")
    if not alike:
        yield from _written(relayed, change.version, "relay")


def _gist(prediction: Prediction) -> tuple[object, ...]:
    """What makes two predictions of one server the same to whoever asks."""
    answer = prediction.answer
    said = (answer.role, answer.file, answer.boot_server, answer.at) if answer else None
    return prediction.address, prediction.port, said


def _written(
    predictions: Sequence[Prediction], version: Version, by: Literal["interface", "relay"] | None
) -> Iterator[WireCheck]:
    for prediction in predictions:
        answer, asker = prediction.answer, prediction.asker
        yield WireCheck(
            server=prediction.server,
            version=version,
            vlan=asker.vlan,
            by=by,
            address=str(prediction.address),
            mac=format_mac(asker.mac),
            architecture=asker.architecture,
            port=4011 if prediction.port == BOOT_SERVER_PORT else 67,
            reply=base64.b64encode(encode(answer.packet)).decode() if answer else None,
            file=(answer.file or None) if answer else None,
            boot_server=str(answer.boot_server) if answer and answer.boot_server else None,
            earliest=answer.at if answer else 0.0,
            latest=prediction.latest,
            why=prediction.why,
        )


# -- at the time of the apply ---------------------------------------------------------------------


def verifier(
    plan: Plan, interfaces: Mapping[str, str], relays: Mapping[str, str]
) -> Callable[[Sequence[Change]], list[str]]:
    """A function that asks the wire after a wave and returns a sentence for each difference.

    ``interfaces``: the network card on each VLAN; ``relays``: this machine's address to relay from.
    Raises ``CoexistError`` for a VLAN nothing is predicted for and for what is no address, ``HostError`` for
    an interface or address that cannot be used: before anything is changed.
    """
    from coexist.probe.segment import RelayPort, Segment

    known = {check.vlan for check in plan.checks}
    for vlan in (*interfaces, *relays):
        if vlan not in known:
            knows = ", ".join(sorted(known)) or "none: nothing can be verified by it"
            raise CoexistError(f"the plan predicts nothing for a VLAN {vlan!r}; it knows {knows}")
    for interface in interfaces.values():
        Segment(interface).close()
    for vlan, text in relays.items():
        RelayPort(_own_address(vlan, text), ()).close()

    def verify(wave: Sequence[Change]) -> list[str]:
        wrong: list[str] = []
        running = {(change.server, change.version) for change in wave}
        for vlan in (*interfaces, *relays):
            how = "interface" if vlan in interfaces else "relay"
            checks = [
                check
                for check in plan.checks
                if check.vlan == vlan and (check.server, check.version) in running and check.by in (None, how)
            ]
            if checks:
                wrong += _ask(checks, interfaces.get(vlan), relays.get(vlan))
        return wrong

    return verify


def _own_address(vlan: str, text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise CoexistError(
            f"{vlan}={text}: write an IPv4 address of this machine, for example {vlan}=10.0.0.9"
        ) from None


def _ask(checks: Sequence[WireCheck], interface: str | None, giaddr: str | None) -> list[str]:
    from coexist.probe.asking import ask
    from coexist.probe.segment import RelayPort, Segment

    addresses = tuple(dict.fromkeys(IPv4Address(check.address) for check in checks))
    port: Port = Segment(interface) if interface else RelayPort(IPv4Address(giaddr or "0.0.0.0"), addresses)
    predictions = [_prediction(check) for check in checks]
    patience = max(SILENCE_SECONDS, *(p.latest + 2 * SLACK for p in predictions if p.answer is not None))
    on_4011 = [p.address for p in predictions if p.port == BOOT_SERVER_PORT]
    try:
        asked = ask(
            port,
            list(dict.fromkeys(prediction.asker for prediction in predictions)),
            patience=patience,
            boot_servers=dict.fromkeys(on_4011),
        )
    finally:
        port.close()
    found = compare(predictions, asked.answers, patience=patience)
    sentences = [f"{finding.code.code} {finding.message}" for finding in found]
    return sentences + _files(checks, asked.answers)


def _prediction(check: WireCheck) -> Prediction:
    asker = Asker(mac=parse_mac(check.mac), architecture=check.architecture, vlan=check.vlan)
    address = IPv4Address(check.address)
    answer = None
    if check.reply is not None:
        packet = decode(base64.b64decode(check.reply))
        if isinstance(packet, Malformed):
            raise HostError(f"the plan's prediction for {check.server} cannot be read: {packet.value}")
        answer = Answer(
            asker=asker,
            port=check.port,
            at=check.earliest,
            after=check.earliest,
            secs=0,
            source=address,
            packet=packet,
        )
    return Prediction(
        server=check.server,
        address=address,
        asker=asker,
        port=check.port,
        answer=answer,
        latest=check.latest,
        why=check.why,
    )


def _files(checks: Sequence[WireCheck], answers: Sequence[Answer]) -> list[str]:
    """Fetch each boot file that was named and whose digest the plan has (CX706)."""
    from coexist.probe.fetch import NotFetched, fetch

    digests = {(check.boot_server, check.file): check.sha256 for check in checks if check.sha256 is not None}
    wrong = []
    for server, file in dict.fromkeys((str(a.boot_server), a.file) for a in answers if a.file):
        wanted = digests.get((server, file))
        if wanted is None:
            continue
        result = fetch(IPv4Address(server), file)
        if isinstance(result, NotFetched):
            wrong.append(f"CX706 {file} cannot be fetched from {server}: {result.why}")
        elif result.sha256 != wanted:
            wrong.append(f"CX706 {file} from {server} is not the file that lies there: {result.sha256}")
    return wrong
