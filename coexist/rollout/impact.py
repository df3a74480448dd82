"""What a change of configuration means for clients, by the algebra of their MACs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coexist.boot.answered import answers_of
from coexist.inventory.loader import Inventory
from coexist.inventory.macset import EVERYONE, NOBODY, MacSet
from coexist.inventory.models import Programs, Scope, mac_range
from coexist.planning.together import Answering
from coexist.rollout.document import Impact
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.mac import format_mac, parse_mac

Manifest = Mapping[str, Answering]
"""Whom each server boots, by its name and the architecture's."""


def manifest_of(inventory: Inventory) -> dict[str, Answering]:
    """Whom each server boots as the inventory declares it.

    A boot service by its ``answers`` and its programs, a DHCP server by the files its scopes name.
    """
    result: dict[str, Answering] = {}
    for name, server in inventory.site.servers.items():
        answering: dict[str, MacSet] = {}
        if server.effective_roles & {"proxydhcp", "boot-server"}:
            for macs, architectures in answers_of(inventory, name):
                for architecture in _programmed(server.programs, architectures):
                    answering[architecture] = answering.get(architecture, NOBODY) | macs
        for scope in inventory.site.scopes.values():
            if name in scope.servers:
                for architecture, macs in _scope(inventory, scope).items():
                    answering[architecture] = answering.get(architecture, NOBODY) | macs
        result[name] = {architecture: macs for architecture, macs in sorted(answering.items()) if macs}
    return result


def _scope(inventory: Inventory, scope: Scope) -> Answering:
    """The clients a scope gives a boot file: each value from the first rule that sets it."""
    result: dict[str, MacSet] = {}
    for architecture in inventory.site.architectures:
        left, found = EVERYONE, NOBODY
        for rule in scope.rules:
            if rule.architectures is not None and architecture not in rule.architectures:
                continue
            if rule.vendor_class or rule.user_class or rule.when:
                continue  # by what the client says, not by who it is: no MAC changes sides here
            macs = left if rule.clients is None else inventory.members(rule.clients) & left
            if rule.ignore:
                left = left - macs
            elif rule.filename or architecture in rule.programs:
                found |= macs
                left = left - macs
        if scope.filename or architecture in scope.programs:
            found |= left
        result[architecture] = found
    return result


def _programmed(programs: Programs, architectures: tuple[str, ...] | None) -> Iterable[str]:
    return (
        name
        for name in programs
        if name in ARCHITECTURE_NAMES and (architectures is None or name in architectures)
    )


def written_manifest(manifest: Manifest) -> dict[str, dict[str, tuple[str, ...]]]:
    """A manifest as it stands in a plan and in the history: ranges by the architectures that share them."""
    result: dict[str, dict[str, tuple[str, ...]]] = {}
    for server, answering in sorted(manifest.items()):
        shared: dict[tuple[str, ...], list[str]] = {}
        for architecture, macs in sorted(answering.items()):
            shared.setdefault(tuple(_ranges(macs)), []).append(architecture)
        result[server] = {" ".join(names): ranges for ranges, names in shared.items()}
    return result


def read_manifest(tree: Mapping[str, Mapping[str, Iterable[str]]]) -> dict[str, Answering]:
    """The reverse of ``written_manifest``."""
    return {
        server: {
            architecture: macs
            for names, ranges in answering.items()
            for macs in [_macs(ranges)]
            for architecture in names.split()
        }
        for server, answering in tree.items()
    }


def _ranges(macs: MacSet) -> Iterable[str]:
    for first, last in macs.intervals():
        yield format_mac(first) if first == last else f"{format_mac(first)}-{format_mac(last)}"


def _macs(ranges: Iterable[str]) -> MacSet:
    points: list[int] = []
    result = NOBODY
    for text in ranges:
        if "-" in text:
            result |= MacSet.interval(*mac_range(text))
        else:
            points.append(parse_mac(text))
    return result | MacSet.of(points)


def union(answering: Answering) -> MacSet:
    """Whom a server boots, whatever the architecture."""
    result = NOBODY
    for macs in answering.values():
        result |= macs
    return result


def difference(minuend: Answering, subtrahend: Answering) -> dict[str, MacSet]:
    """What one boots and the other does not, by architecture, without empty sets."""
    rest = {name: macs - subtrahend.get(name, NOBODY) for name, macs in minuend.items()}
    return {name: macs for name, macs in rest.items() if macs}


def impact(
    server: str, before: Manifest, after: Manifest, known: MacSet, *, before_known: bool = True
) -> Impact:
    """What changes for the clients of one server.

    ``known`` are the registered clients, the only ones that can be counted. ``before_known``: False if
    nothing tells whom the server boots today.
    """
    if not before_known:
        return Impact(
            sentences=(f"no record says whom {server} boots today: only the files can be compared",)
        )
    old, new = before.get(server, {}), after.get(server, {})
    gained, lost = difference(new, old), difference(old, new)
    sentences = []
    if gained:
        sentences.append(_gain(server, gained, before, known))
    if lost:
        sentences.append(_loss(server, lost, after, known))
    if not sentences:
        sentences.append(f"{server} boots the same clients as before")
    return Impact(
        gained=(union(gained) & known).size,
        lost=(union(lost) & known).size,
        clients=(union(old) & known).size,
        share=_share(union(old), union(new), known),
        sentences=tuple(sentences),
    )


def _share(before: MacSet, after: MacSet, known: MacSet) -> float:
    """Of the clients it boots before or after, the part that changes: of the registered ones or of the
    strangers, whichever is larger. A server without clients has none to lose."""
    shares = [0.0]
    for old, new in ((before & known, after & known), (before - known, after - known)):
        if old:
            shares.append((old ^ new).size / (old | new).size)
    return round(max(shares), 4)


def _gain(server: str, gained: Answering, before: Manifest, known: MacSet) -> str:
    macs = union(gained)
    parts = [
        f"{count(common, known)} of them from {other}"
        for other, answering in before.items()
        if other != server and (common := union(_common(gained, answering)))
    ]
    whose = f", {', '.join(parts)}" if parts else ""
    return f"{server} will answer {count(macs, known, more=True)}{whose}; {_first(macs, known)}"


def _loss(server: str, lost: Answering, after: Manifest, known: MacSet) -> str:
    macs, left = union(lost), dict(lost)
    parts = []
    for other, answering in after.items():
        if other != server and (common := union(_common(lost, answering))):
            parts.append(f"{count(common, known)} of them go to {other}")
            left = difference(left, answering)
    if nobody := union(left):
        parts.append(f"{count(nobody, known)} of them to nobody")
    whom = count(macs, known, noun=True)
    return f"{server} will no longer answer {whom}, {', '.join(parts)}; {_first(macs, known)}"


def _common(some: Answering, others: Answering) -> dict[str, MacSet]:
    return {name: macs & others[name] for name, macs in some.items() if name in others}


def count(macs: MacSet, known: MacSet, *, more: bool = False, noun: bool = False) -> str:
    """How many clients a set means to an administrator: the registered ones, and whether strangers too.

    ``more`` and ``noun`` decide between ``37``, ``37 clients`` and ``37 more clients``.
    """
    registered = (macs & known).size
    strangers = (macs - known).size
    clients = ""
    if more or noun:
        clients = f"{' more' if more else ''} client{'' if registered == 1 else 's'}"
    if not strangers:
        return f"{registered}{clients}"
    unknown = f"{strangers} unregistered ones" if strangers < 1 << 20 else "machines that are not registered"
    return f"{registered}{clients} and {unknown}" if registered else unknown


def _first(macs: MacSet, known: MacSet) -> str:
    sample = (macs & known).sample()
    if sample is None:
        sample = macs.sample()
    return f"first: {format_mac(sample)}" if sample is not None else ""
