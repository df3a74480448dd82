"""What a product cannot keep of a declaration is weighed by races: by whether any client boots differently.

A finding that a product cannot keep something is an error where that changes who boots from where or by which
file. So two versions of the site are raced: as it is declared, by a product that could do all of it, and as
it is written for the product that is there. The finding has the clients whose races end differently; one of
them is its witness. Where no client is concerned, the finding is as grave as its code is.

What no race shows is left as it was found: names, versions, failover, and lists with ranges of addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from coexist.analysis.findings import ERROR, Finding
from coexist.analysis.races import RaceMemory
from coexist.analysis.rules import witness_of
from coexist.analysis.site import AnalysedSite, touched
from coexist.analysis.space import ClientClass
from coexist.inventory import Inventory
from coexist.inventory.boot_programs import Programs
from coexist.inventory.documents import Path
from coexist.inventory.models import Answers, Server
from coexist.inventory.products import GENERIC
from coexist.inventory.software import Software
from coexist.inventory.values import Delay


class _AsDeclared(Server):
    """A server whose product could do everything that is declared of it."""

    def kept(self, delay: Delay) -> Delay:
        return delay

    @property
    def named_programs(self) -> Programs:
        return {**super().named_programs, **self.programs}


class _Versions(NamedTuple):
    """A site as it is declared and as it is written; None is the site as the analysis has it."""

    declared: Inventory | None
    written: Inventory | None


def weighed(site: AnalysedSite, findings: Iterable[Finding]) -> list[Finding]:
    """The findings; those about what a product cannot keep with the clients that boot differently for it."""
    sites = _Sites(site)
    return [_weighed(site, finding, sites) for finding in findings]


class _Sites:
    """Versions of a site that are raced; one that differs by the same server is the same site."""

    def __init__(self, site: AnalysedSite) -> None:
        self.site = site
        self._memory = RaceMemory()
        self._last: dict[str, AnalysedSite] = {}

    def of(self, inventory: Inventory | None, path: Path) -> AnalysedSite:
        """The site of a version; ``path``: the declaration that is changed in it."""
        if inventory is None:
            return self.site
        name = str(path[1]) if path[0] == "servers" else ""
        last = self._last.get(name)
        if name and last is not None and _are_alike(last.site.servers[name], inventory.site.servers[name]):
            return last
        made = self._last[name] = AnalysedSite(
            inventory, self.site.today, self._memory, brief=self.site.brief
        )
        return made


def _are_alike(one: Server, other: Server) -> bool:
    return type(one) is type(other) and one == other


def _weighed(site: AnalysedSite, finding: Finding, sites: _Sites) -> Finding:
    versions = _VERSIONS.get(finding.code.code)
    made = versions(site.inventory, finding.path) if versions and not finding.classes else None
    if made is None:
        return finding
    one, other = (sites.of(inventory, finding.path) for inventory in made)
    vlans = _vlans(site, finding.path)
    classes = [
        client
        for client in site.space.classes
        if client.vlan in vlans
        and _is_about(finding.path, client)
        and _ends(one, client) != _ends(other, client)
    ]
    if not classes:
        return finding
    return replace(
        finding,
        severity=ERROR,
        message=f"{finding.message}; {_change(one, other, classes)}",
        classes=tuple(classes),
        clients=touched(classes),
        witness=witness_of(classes, other.timeline),
    )


def _vlans(site: AnalysedSite, path: Path) -> frozenset[str]:
    """The VLANs whose clients a declaration can concern."""
    if path[0] == "scopes":
        return frozenset((site.site.scopes[str(path[1])].vlan,))
    return frozenset(vlan for vlan, hearing in site.topology.hearing.items() if path[1] in hearing)


def _is_about(path: Path, client: ClientClass) -> bool:
    """Whether a client asks for the program that a declaration is about; other declarations are about all."""
    return path[2:3] != ("programs",) or len(path) < 4 or path[3] in (client.architecture, "ipxe")


_Ends: TypeAlias = tuple[frozenset[tuple[str | None, str]], ...]


def _ends(site: AnalysedSite, client: ClientClass) -> _Ends:
    """From whom a class may boot, and by which file: at first, and the iPXE that it may load."""
    stages = site.races.of(client), site.races.second(client)
    return tuple(
        frozenset((site.named(finish), _same_file(finish.file or "")) for finish in finishes)
        for finishes in stages
    )


def _same_file(file: str) -> str:
    """A file's name, equal for all spellings of one file: a TFTP server of Windows tells none apart."""
    return file.replace("\\", "/").lstrip("/").casefold()


def _change(one: AnalysedSite, other: AnalysedSite, classes: list[ClientClass]) -> str:
    """What changes for the first of some clients."""
    before, after = (_told(site, classes[0]) for site in (one, other))
    return f"a client that must boot from {before} boots from {after}"


def _told(site: AnalysedSite, client: ClientClass) -> str:
    finishes = (*site.races.of(client), *site.races.second(client))
    ends = sorted({(site.named(finish) or "nobody", (finish.file or "").rstrip(".")) for finish in finishes})
    return " or ".join(f"{server} ({file})" if file else server for server, file in ends)


# -- the two versions of a site, by code ---------------------------------------------------------------


def _with_server(inventory: Inventory, name: str, server: Server) -> Inventory:
    servers = {**inventory.site.servers, name: server}
    return replace(inventory, site=inventory.site.model_copy(update={"servers": servers}))


def _changed(inventory: Inventory, path: Path, **update: object) -> Inventory:
    name = str(path[1])
    return _with_server(inventory, name, inventory.site.servers[name].model_copy(update=update))


def _changed_scope(inventory: Inventory, path: Path, **update: object) -> Inventory:
    scopes, name = inventory.site.scopes, str(path[1])
    changed = {**scopes, name: scopes[name].model_copy(update=update)}
    return replace(inventory, site=inventory.site.model_copy(update={"scopes": changed}))


def _as_declared(inventory: Inventory, path: Path) -> _Versions:
    """The races are run as the product keeps it already."""
    name = str(path[1])
    server = inventory.site.servers[name]
    literal = _AsDeclared.model_construct(server.model_fields_set, **dict(server))
    return _Versions(_with_server(inventory, name, literal), None)


def _plain(server: Server, **update: object) -> Server:
    """A plain responder in the place of a server, which could do all that is declared of it.

    Its offers are as those of the product, as far as a declaration can say.
    """
    product = server.product
    usual = {
        "offers_file": not product.asked_on_4011 if server.offers_file is None else server.offers_file,
        "discovery_control": server.discovery_control or product.discovery_control,
        "roles": server.effective_roles,
    }
    declared = {"software": Software(product=GENERIC.name), "settings": {}, "programs": server.named_programs}
    return server.model_copy(update={**declared, **usual, **update})


def _plainly(
    inventory: Inventory, path: Path, declared: Mapping[str, object], kept: Mapping[str, object]
) -> _Versions:
    """A plain responder with what is ``declared`` beside the server, and one with what is ``kept`` of it."""
    name = str(path[1])
    server = inventory.site.servers[name]
    return _Versions(
        *(_with_server(inventory, name, _plain(server, **update)) for update in (declared, kept))
    )


def _without_delay(inventory: Inventory, path: Path) -> _Versions:
    """A delay is not written. Models of products leave it out already."""
    if path[0] == "scopes":
        return _Versions(None, _changed_scope(inventory, path, min_secs=0))
    if path[2] == "delay":
        return _plainly(inventory, path, {}, {"delay": Delay()})
    groups = inventory.site.servers[str(path[1])].delay_for
    return _plainly(inventory, path, {}, {"delay_for": {**groups, str(path[3]): Delay()}})


def _without_ping(inventory: Inventory, path: Path) -> _Versions:
    return _plainly(inventory, path, {"ping_check": True}, {"ping_check": False})


def _one_delay(inventory: Inventory, path: Path) -> _Versions:
    """One delay is written: where one line holds it the longest, for all who wait; else that of everyone."""
    server = inventory.site.servers[str(path[1])]
    if not server.product.delay_keyword:
        # Some models leave the delays of groups out already.
        return _plainly(inventory, path, {}, {"delay_for": {}})
    if server.product.delay_keyword in server.settings:
        return _Versions(None, _changed(inventory, path, delay_for={}, delay=Delay()))
    longest = max((server.kept(d).after for d in (server.delay, *server.delay_for.values())), default=0.0)

    def one(delay: Delay) -> Delay:
        return Delay(after=longest) if delay.kind == "after" else Delay()

    groups = {group: one(delay) for group, delay in server.delay_for.items()}
    return _Versions(None, _changed(inventory, path, delay=one(server.delay), delay_for=groups))


def _to_everyone(inventory: Inventory, path: Path) -> _Versions:
    """It answers whoever asks."""
    answers = inventory.site.servers[str(path[1])].answers
    everyone = Answers(who="everyone", architectures=answers.architectures)
    return _Versions(None, _changed(inventory, path, answers=everyone))


def _on_every_architecture(inventory: Inventory, path: Path) -> _Versions:
    answers = inventory.site.servers[str(path[1])].answers
    return _Versions(
        None, _changed(inventory, path, answers=answers.model_copy(update={"architectures": None}))
    )


def _without_options(inventory: Inventory, path: Path) -> _Versions | None:
    """A boot service's options are not sent; what a scope sends instead is known to its renderer alone."""
    return _Versions(None, _changed(inventory, path, options={})) if path[0] == "servers" else None


def _without_rule(inventory: Inventory, path: Path) -> _Versions | None:
    """A rule applies to nobody."""
    if path[0] != "scopes" or path[2:3] != ("rules",):
        return None
    declared = inventory.site.scopes[str(path[1])].rules
    rules = tuple(rule for number, rule in enumerate(declared) if number != path[3])
    return _Versions(None, _changed_scope(inventory, path, rules=rules))


def _other_program(inventory: Inventory, path: Path) -> _Versions | None:
    """It names a program of its own, or none."""
    if len(path) < 4:
        return None
    server, key = inventory.site.servers[str(path[1])], str(path[3])
    if not server.product.takes_programs:
        return _as_declared(inventory, path)
    program = server.programs[key]
    if server.product.own_programs:
        rest = {name: other for name, other in server.programs.items() if name != key}
        return _Versions(None, _changed(inventory, path, programs=rest))
    # A name without a suffix: the model adds it, so what is declared is a name that has one.
    named = program.model_copy(update={"file": f"{program.file}."})
    return _Versions(_changed(inventory, path, programs={**server.programs, key: named}), None)


def _own_offers(inventory: Inventory, path: Path) -> _Versions:
    """Its offers are made by itself: what is declared is what a plain responder would do."""
    server = inventory.site.servers[str(path[1])]
    if path[2] == "programs":
        rest = {
            key: value for key, value in server.settings.items() if key not in server.product.program_settings
        }
        return _Versions(_changed(inventory, path, settings=rest), None)
    delays = {group: server.kept(delay) for group, delay in server.delay_for.items()}
    plain = _plain(server, delay=server.kept(server.delay), delay_for=delays)
    return _Versions(_with_server(inventory, str(path[1]), plain), None)


_VERSIONS: Mapping[str, Callable[[Inventory, Path], _Versions | None]] = {
    **dict.fromkeys(("CX501", "CX502", "CX503", "CX504"), _without_delay),
    "CX505": _as_declared,
    "CX506": _one_delay,
    "CX507": _to_everyone,
    "CX508": _to_everyone,
    "CX510": _on_every_architecture,
    "CX511": _without_rule,
    "CX515": _other_program,
    "CX516": _without_options,
    "CX519": _own_offers,
    "CX521": _without_ping,
}
