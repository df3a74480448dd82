"""Look into the boot files that can be reached: are they there, for these machines, and what are they."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from coexist.analysis.entries import after_failure
from coexist.analysis.findings import Finding, Severity
from coexist.analysis.races import case_of
from coexist.analysis.rules import report
from coexist.analysis.site import Used
from coexist.boot.loaders.content import LARGEST, BootFile, inspect
from coexist.boot.loaders.loader import Role
from coexist.boot.loaders.names import is_url, loader_by_name
from coexist.boot.own_files import own_config
from coexist.errors import CoexistError
from coexist.inventory import Inventory
from coexist.inventory.documents import Path as Place
from coexist.records import dataclass

if TYPE_CHECKING:
    from coexist.analysis.loading import Chain
    from coexist.analysis.site import AnalysedSite
    from coexist.analysis.space import ClientClass

_LOOKS_ALIKE = {"grub-core": "grub", "grub-redhat": "grub", "lpxelinux": "pxelinux"}
"""Loaders that are forms of another: their names do not tell them apart."""


@dataclass(frozen=True, slots=True)
class Root:
    """Where copies of a server's files lie. ``called``: the folder by its path on the server, of which its
    TFTP server takes whole paths too; empty where it is not known."""

    directories: tuple[Path, ...] = ()
    called: str = ""

    def __str__(self) -> str:
        return " or ".join(map(str, self.directories))

    def find(self, file: str) -> Path | None:
        """A file below one of the directories, never outside of it."""
        name = (unquote(urlsplit(file).path) if is_url(file) else file).replace("\\", "/")
        folder = f"{self.called.rstrip('/')}/"
        if name.startswith(folder):
            name = name.removeprefix(folder)
        parts = PurePosixPath(name.lstrip("/")).parts
        if ".." in parts:
            return None
        for place in self.directories:
            path = place.joinpath(*parts)
            if path.is_file() and path.resolve().is_relative_to(place.resolve()):
                return path
        return None


Roots = Mapping[str, Root]
"""Where the files of each server lie."""


def roots_of(inventory: Inventory, said: Sequence[str]) -> dict[str, Root]:
    """The directories with the files of each server, from ``SERVER=DIRECTORY`` or ``DIRECTORY`` for all.

    A directory that holds one named after a server, as a rendered tree does, has that server's files there.
    Raises `CoexistError` for what is no directory or no server.
    """
    site = inventory.site
    found: dict[str, list[Path]] = defaultdict(list)
    for text in said:
        name, equals, rest = text.partition("=")
        server, directory = (name, Path(rest)) if equals and name in site.servers else ("", Path(text))
        if not directory.is_dir():
            raise CoexistError(f"{text}: there is no such directory; write DIRECTORY or SERVER=DIRECTORY")
        found[server].append(directory)
        if not server:
            for each in site.servers:
                if (directory / each).is_dir():
                    found[each].append(directory / each)
    of_all = tuple(found.get("", ()))
    return {name: Root(tuple(found.get(name, of_all)), _called(inventory, name)) for name in site.servers}


def _called(inventory: Inventory, server: str) -> str:
    """The root of a TFTP server that runs on its own file."""
    own = own_config(inventory, server)
    return "" if own is None else own.tftp_root


@dataclass(slots=True)
class _Found:
    """What was found of one file: where it is used, for which classes, and what is wrong."""

    classes: dict[tuple[str, Place, str, str, Severity | None], list[ClientClass]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(
        self,
        code: str,
        place: Place,
        message: str,
        repair: str,
        client: ClientClass,
        severity: Severity | None = None,
    ) -> None:
        """One class that is concerned."""
        self.classes[code, place, message, repair, severity].append(client)


def file_findings(site: AnalysedSite, roots: Roots) -> list[Finding]:
    """What is wrong with the boot files that lie in these directories (CX429 to CX432)."""
    found = _Found()
    known: dict[Path, BootFile] = {}
    for used in site.used_programs:
        server = _server(site, used)
        root = _root(roots, server)
        if not root.directories:
            continue
        path = root.find(used.file)
        if path is None:
            message = f"{used.file} is not in {root}, where {server} has its files"
            follows = _next_entry(site, used)
            severity = None
            if follows is not None:
                message, severity = f"{message}; the next boot entry then boots {follows}", Severity.WARNING
            repair = "put the file there, or correct its name"
            found.add("CX429", used.path, message, repair, used.case.client, severity)
            continue
        if path.stat().st_size > LARGEST:
            continue
        if path not in known:
            known[path] = inspect(path.read_bytes())
        _look_into(site, used, known[path], found)
        _parts(site, used, roots, found)
    return [
        report(site, code, place, message, repair, clients=clients, severity=severity)
        for (code, place, message, repair, severity), clients in found.classes.items()
    ]


def _next_entry(site: AnalysedSite, used: Used) -> str | None:
    """What machines boot by their next boot entry where this file is lost; None unless it is as intended."""
    rest = after_failure(site.races.world, case_of(used.case.client), used.file)
    if rest is None or set(rest.first.winners) != {used.case.intended.server}:
        return None
    return " or ".join(dict.fromkeys(f"{o.file} of {o.winner}" for o in rest.first.outcomes))


def _server(site: AnalysedSite, used: Used) -> str | None:
    """The server that has the file."""
    if is_url(used.file):
        return site.topology.owner(urlsplit(used.file).hostname or "")
    if used.server is not None:
        return site.topology.owner(used.server)
    if used.service is not None:
        declared = site.site.servers[used.service].boot_server
        return site.topology.owner(declared) if declared else used.service
    handed = site.scopes.handed(used.scope or "", used.case.client)
    return site.file_owner(handed)


def _root(roots: Roots, server: str | None) -> Root:
    return roots.get(server or "", Root())


def _look_into(site: AnalysedSite, used: Used, about: BootFile, found: _Found) -> None:
    client = used.case.client
    _, _, processor = client.architecture.partition("-")
    bios = client.architecture in ("bios", "http-bios")
    has_script = site.kind(client) == "ipxe" and about.machine is None
    fits = (about.machine is None) if bios else (about.machine == processor or has_script)
    if not fits:
        what = f"is a UEFI program for {about.machine}" if about.machine else "is no UEFI program"
        message = f"{used.file} {what}, and these are {client.architecture} machines"
        found.add("CX430", used.path, message, "give the build for this kind of machine", client)
        return
    if about.machine is not None:
        _signature(used, about, found)
    program = site.races.world.programs.get(used.file)
    said = (program.then if program is not None and loader_by_name(used.file) != "shim" else None) or (
        loader_by_name(used.file)
    )
    if about.loader is not None and _plain(said) != _plain(about.loader):
        named = f"its name says {said}" if said else "its name does not tell"
        message = f"{used.file} is {about.loader}, and {named}: what it asks for next is followed by its name"
        repair = f"write `{{file: {used.file}, then: {about.loader}}}`, or give the file the name it has"
        found.add("CX432", used.path, message, repair, client)


def _plain(loader: str | None) -> str | None:
    return _LOOKS_ALIKE.get(loader or "", loader)


def _signature(used: Used, about: BootFile, found: _Found) -> None:
    client = used.case.client
    if not about.signers:
        message = f"{used.file} is not signed: machines with Secure Boot refuse it"
        found.add("CX431", used.path, message, "boot a signed shim first, or switch Secure Boot off", client)
    elif not about.authorities:
        issuers = ", ".join(about.signers)
        message = f"{used.file} is signed by {issuers}: firmware trusts it only behind a shim that does"
        found.add("CX431", used.path, message, "boot the shim of the same vendor first", client)
    elif about.authorities == {"2011"}:
        message = f"{used.file} is signed by Microsoft's authority of 2011 alone: new machines trust 2023's"
        found.add("CX431", used.path, message, "install the vendor's build that is signed by both", client)


def _parts(site: AnalysedSite, used: Used, roots: Roots, found: _Found) -> None:
    """The files without which a loader that this file leads to ends, where its server's can be reached."""
    for missing, owner, loader, root in _missing_parts(site, used, roots):
        message = f"{loader} needs {missing} of {owner}, which is not in {root}"
        found.add("CX429", used.path, message, "put the file there", used.case.client)


def _missing_parts(site: AnalysedSite, used: Used, roots: Roots) -> Iterator[tuple[str, str, str, Root]]:
    for chain in site.races.stages(used.case.client).last_chains:
        if chain.outcome.file == used.file:
            yield from _lost_parts(chain, roots)


def _lost_parts(chain: Chain, roots: Roots) -> Iterator[tuple[str, str, str, Root]]:
    """The files a chain's loaders lack: each with its server, the loader, and where it was looked for."""
    for step in chain.steps:
        root = _root(roots, step.asks)
        if not root.directories:
            continue
        fetches = [f for f in step.stage.fetches if f.server is None]
        needed = [f.file for f in fetches if f.role is Role.NEEDED and not root.find(f.file)]
        for group in dict.fromkeys(f.group for f in fetches if f.role is Role.FIRST):
            choices = [f.file for f in fetches if f.role is Role.FIRST and f.group == group]
            if not any(root.find(file) for file in choices):
                needed.append(_usual(choices))
        for file in needed:
            yield file, str(step.asks), step.stage.title, root


def first_is_lost(chain: Chain, roots: Roots) -> bool:
    """Whether a boot asks in vain for its first file."""
    root = _root(roots, chain.outcome.boot_server)
    return bool(root.directories) and not root.find(str(chain.outcome.file))


def lost(chain: Chain, roots: Roots) -> str | None:
    """The first file that a boot asks for in vain, as a sentence; None where nothing shows that it does."""
    if first_is_lost(chain, roots):
        server = chain.outcome.boot_server
        return f"file not found: {chain.outcome.file} of {server} is not in {_root(roots, server)}"
    for missing, owner, loader, where in _lost_parts(chain, roots):
        return f"file not found: {loader} needs {missing} of {owner}, which is not in {where}"
    return None


def _usual(choices: Sequence[str]) -> str:
    """Of several places for a file the one to put it in: for everyone, else the first."""
    return next((file for file in choices if file.endswith("/default")), choices[0])
