"""Servers that run on their own files: what of them a plan looks at and never writes. Pure.

What was proved was proved of the copies in the inventory. So a plan reads the files that run, and says where
they are not the copies any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from coexist.analysis.catalogue import CATALOGUE
from coexist.analysis.findings import Finding
from coexist.analysis.site import AnalysedSite
from coexist.boot.own_files import config_without
from coexist.boot.servers import model_for
from coexist.errors import Position
from coexist.inventory.files import shown
from coexist.inventory.loader import Inventory
from coexist.inventory.macset import NOBODY, MacSet
from coexist.inventory.models import Server
from coexist.inventory.products import part
from coexist.languages.source_files import read_text
from coexist.planning.together import Answering
from coexist.rollout.facts import PresentFile
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import Option


def foreign_paths(server: Server) -> tuple[str, ...]:
    """The paths on a server of the files it runs on, as far as they are declared."""
    return tuple(path for path in server.config if path.startswith("/"))


def changed_copies(
    inventory: Inventory, present: Mapping[str, Mapping[str, PresentFile]]
) -> Iterator[Finding]:
    """A finding for each file that runs and is not the copy that the inventory has (CX606)."""
    for name, files in sorted(present.items()):
        server = inventory.site.servers[name]
        if server.whole:
            continue  # what differs is what the plan changes
        redact = part(server.product, "redactor") if server.config else None
        for path in foreign_paths(server):
            there = files.get(path)
            if there is None or (server.dropin is not None and path in server.dropin.paths):
                continue
            place = inventory.root / server.config[path]
            copy = place.read_bytes()
            what = _difference(copy, there.content, redact)
            if what is not None:
                line, told = what
                yield Finding(
                    code=CATALOGUE["CX606"],
                    severity=CATALOGUE["CX606"].severity,
                    position=Position(shown(place), line),
                    message=f"{path} on {name} is not the copy that was looked at: {told}",
                    repair=f"take it again: `coexist adopt --again`; or copy it to {server.config[path]}",
                    path=("servers", name, "config"),
                )


def _difference(copy: bytes, there: bytes | None, redact: object) -> tuple[int, str] | None:
    """The first line of a copy that differs, and how; None where it is what runs but for its secrets."""
    if there is None:
        return 1, "it is not there"
    texts = [octets.decode("utf-8", "surrogateescape") for octets in (copy, there)]
    if callable(redact):
        texts = [redact(text) for text in texts]
    if texts[0] == texts[1]:
        return None
    ours, theirs = (text.split("\n") for text in texts)
    line = next((n for n, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]),
                min(len(ours), len(theirs)))  # fmt: skip
    return line + 1, f"they differ from line {line + 1} on"


def included_by(inventory: Inventory, name: str) -> str | None:
    """Where the files of a server include its drop-in, as far as a line names it or its folder."""
    server = inventory.site.servers[name]
    if server.dropin is None:
        return None
    path = server.dropin.path
    for wanted in (path, path.rpartition("/")[0]):
        for there, copy in server.config.items():
            lines = read_text(inventory.root / copy).split("\n")
            found = next((n for n, line in enumerate(lines, start=1) if wanted in line and _says(line)), None)
            if found is not None and there != path:
                return f"{there}:{found}"
    return None


def _says(line: str) -> bool:
    return not line.lstrip().startswith(("#", "//"))


# -- whom such a server boots ------------------------------------------------------------------------


def answering_of(inventory: Inventory, name: str, *, ours: bool) -> Answering:
    """Whom a server boots by its own files, with our drop-in or while that is empty.

    A DHCP server boots whom its reply names a file to, a boot service whom it offers anything.
    """
    site = AnalysedSite(inventory)
    known = site.inventory
    if not ours:
        known = replace(known, read={**known.read, name: config_without(known, name)})
    model = model_for(known, name)
    found: dict[str, MacSet] = {}
    for client in site.space.classes:
        if not client.architecture or name not in site.topology.hearing[client.vlan]:
            continue
        arrival = site.scopes.first_packet(name, client)
        replies = () if arrival is None else model.receive(model.initial(), arrival).replies
        if any(_boots(reply.packet) for reply in replies):
            found[client.architecture] = found.get(client.architecture, NOBODY) | client.macs.members
    return dict(sorted(found.items()))


def _boots(packet: Packet) -> bool:
    return (
        packet.yiaddr == UNSPECIFIED
        or bool(packet.file.rstrip(b"\0"))
        or Option.BOOTFILE_NAME in packet.options
    )
