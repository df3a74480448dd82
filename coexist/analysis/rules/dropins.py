"""Our part beside what runs: whether a server's own files include it, and let it have the last word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field

from coexist.analysis.findings import ERROR, Finding
from coexist.analysis.rules import report, rule
from coexist.analysis.site import AnalysedSite
from coexist.analysis.space import ClientClass
from coexist.boot.leases.compile import OWN_RULES, compile_rules
from coexist.boot.leases.handout import Handout, fitting, hand_out
from coexist.boot.leases.lease import FieldName, Lease, NoLease, Origin
from coexist.boot.leases.plan import LeasePlan, Member
from coexist.boot.own_files import own_config
from coexist.errors import Position
from coexist.inventory.documents import Path
from coexist.records import dataclass
from coexist.wire.options import Option


@rule(
    "CX121",
    "dropin-not-included",
    ERROR,
    "A server's own files do not include our drop-in: nothing of it holds",
    explains=True,
)
def dropin_not_included(site: AnalysedSite) -> Iterable[Finding]:
    """Drop-ins that no line of the server's own files includes."""
    for name, server in site.site.servers.items():
        config = own_config(site.inventory, name)
        for path in () if config is None or server.dropin is None else config.missing:
            assert server.dropin is not None
            lines = (server.product.dropin_line, server.product.dropin_lists)
            line = lines[server.dropin.paths.index(path)].format(path=path, folder=path.rpartition("/")[0])
            yield report(site, "CX121", ("servers", name, "dropin"),
                     f"no line of the files of {name} includes {path}: none of its rules holds",
                     f"make an empty {path} on the server, write {line} in {server.main_file}, there and in the copy here",
                     count=0)  # fmt: skip


@dataclass(slots=True)
class _Overridden:
    """Clients that a line of the server's own files tells otherwise than a rule of ours."""

    says: str
    ours: str
    clients: list[ClientClass] = field(default_factory=list)


@rule(
    "CX122",
    "dropin-overridden",
    ERROR,
    "A line of the server's own files overrides a rule of our drop-in",
)
def dropin_overridden(site: AnalysedSite) -> Iterable[Finding]:
    """Rules of drop-ins that clients are told otherwise than, with the line that does it."""
    for name, server in site.site.servers.items():
        config = own_config(site.inventory, name)
        if config is None or server.dropin is None or config.missing:
            continue
        plan = compile_rules(site.inventory, name)
        found: dict[tuple[Path, Origin | None], _Overridden] = {}
        for scope, client in _leased(site, name):
            for chained in (False, True):
                told = site.scopes.told_by(scope, name, client, chained=chained)
                if told is None:
                    continue
                packet, lease = told
                wanted = hand_out(fitting(plan.scopes[OWN_RULES].settings, packet, _member(plan, client)))
                for rule_path, origin, says, ours in _differences(wanted, lease):
                    entry = found.setdefault((rule_path, origin), _Overridden(says, ours))
                    if client not in entry.clients:
                        entry.clients.append(client)
        for (path, origin), entry in found.items():
            where = f"{origin} says" if isinstance(origin, Position) else "the server's own files say"
            yield report(site, "CX122", path, f"a rule of ours on {name} says {entry.ours}, and {where} {entry.says}",
                         "take that line away, move the line that includes the drop-in, or leave these clients out of the rule",
                         clients=entry.clients, timeline=(),
                         position=origin if isinstance(origin, Position) else None)  # fmt: skip


def _leased(site: AnalysedSite, name: str) -> Iterator[tuple[str, ClientClass]]:
    """The scopes of a server with the classes that hear them."""
    scopes = [scope for scope, declared in site.site.scopes.items() if name in declared.servers]
    for client in site.space.classes:
        heard = site.heard_scopes(client.vlan)
        yield from ((scope, client) for scope in scopes if scope in heard)


def _member(plan: LeasePlan, client: ClientClass) -> Member:
    return lambda group: client.macs.witness in plan.groups[group]


def _differences(wanted: Handout, lease: Lease | NoLease) -> Iterator[tuple[Path, Origin | None, str, str]]:
    """Each value that a rule of ours gives and the reply has otherwise: the rule, what says the other value,
    that value and ours."""
    if wanted.ignored is not None:
        if isinstance(lease, Lease):
            yield wanted.ignored.path, lease.origins.get("yiaddr"), "to lease an address", "not to answer"
        return
    if isinstance(lease, NoLease):
        return

    def origin(value: int | FieldName) -> Origin | None:
        return lease.origins.get(value)

    if wanted.siaddr is not None and lease.siaddr != wanted.siaddr:
        yield wanted.origins["siaddr"], origin("siaddr"), f"next-server {lease.siaddr}", f"{wanted.siaddr}"
    if wanted.file is not None and lease.file != wanted.file:
        yield (
            wanted.origins["file"],
            origin("file"),
            f"the file {_text(lease.file)}",
            f"the file {_text(wanted.file)}",
        )
    own = {code: (wanted.origins[code], octets) for code, octets in wanted.options.items()}
    if wanted.file is not None:
        # Firmware takes option 67 for the file, whoever says it.
        own.setdefault(Option.BOOTFILE_NAME, (wanted.origins["file"], wanted.file))
    for code, (path, octets) in own.items():
        told = lease.options.get(code)
        # A daemon may end a text with a NUL of its own; one that says nothing says nothing else.
        if told is not None and told.rstrip(b"\0") not in (b"", octets.rstrip(b"\0")):
            yield path, origin(code), f"option {code} {_text(told)}", _text(octets)


def _text(octets: bytes) -> str:
    """Octets as a person reads them: text, or two digits each."""
    plain = octets.rstrip(b"\0")
    return (
        repr(plain.decode("ascii"))
        if plain.isascii() and plain.decode("ascii").isprintable()
        else octets.hex(":")
    )
