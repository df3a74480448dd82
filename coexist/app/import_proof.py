"""What an import in the inventory's words changes of a server's answers: the file that is rendered from them,
compared with the server's own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from coexist.analysis.equal_replies import Side
from coexist.analysis.exact_replies import compare_exactly
from coexist.analysis.findings import ERROR
from coexist.app.adopt import Fetched, place_of
from coexist.app.adopt_sources import beside
from coexist.app.convert import sides
from coexist.app.convert.written import Written
from coexist.boot.own_files import OwnConfig
from coexist.boot.servers.declared import plan_leases
from coexist.importers import Imported
from coexist.importers.loading import loaded
from coexist.importers.site_builder import stand_on, stands_on
from coexist.importers.written import CLIENTS_FILE, clients_csv, site_yaml
from coexist.inventory import Inventory
from coexist.inventory.files import MAIN_FILE
from coexist.inventory.product import Product
from coexist.inventory.products import part
from coexist.render.limits import report_all
from coexist.render.site import written
from coexist.render.target import Job

_MOST_TOLD = 8


class Words(NamedTuple):
    """What the inventory's words change of a server's answers, and what is to be noted where they change
    nothing."""

    change: list[str]
    notes: list[str] = []


class ByItsFile(NamedTuple):
    """A server declared by its own files, and whether they hold a secret, which stands in no copy: without it
    they cannot be rolled out."""

    imported: Imported
    has_secret: bool


def by_its_file(
    imported: Imported, product: Product, name: str, source: Path, include_roots: tuple[Path, ...]
) -> ByItsFile | None:
    """The same server declared by its own files; None where they answer nobody."""
    path = product.own_main or product.target or ""
    fetch, listing = beside(source, include_roots)
    fetched = Fetched(path, fetch, part(product, "redactor"), listing, shown=str(source))
    config: OwnConfig = part(product, "own_file")(fetched)
    if not (product.usual_roles or config.roles):
        return None
    tree = imported.tree
    of_host = {n: s for n, s in tree["servers"].items() if n == name or _is_same(s, name, product)}
    stands: dict[str, str] = {}
    for declared in of_host.values():
        stands = {**stands_on(declared), **stands}
    # A daemon runs in the root directory: a name without one is looked for there.
    texts = {f"/{at.lstrip('/')}": text for at, text in fetched.texts.items()}
    own: dict[str, Any] = {"software": tree["servers"][name]["software"], "addresses": stands}
    if not product.usual_roles:
        own["roles"] = sorted(config.roles)
    own["config"] = {at: str(place_of(name, at)) for at in texts if not at.endswith("/.keep")}
    own["whole"] = True
    stand_on(own, stands)
    # The other server of a failover pair runs on its own file, which this one is not.
    others = {
        n: s for n, s in tree["servers"].items() if n not in of_host and s["software"] != own["software"]
    }
    sections = {key: value for key, value in tree.items() if key != "scopes"}
    declared_by_it = replace(
        imported,
        tree={**sections, "servers": {name: own, **others}},
        not_modelled=(),
        own_files={str(place_of(name, at)): text for at, text in texts.items()},
    )
    return ByItsFile(declared_by_it, bool(fetched.redacted))


def _is_same(declared: Mapping[str, Any], name: str, product: Product) -> bool:
    """Whether a server of an import stands for another part of the same process."""
    return declared.get("host") == name and declared["software"] == product.software


def lacking(lost: Sequence[str]) -> list[str]:
    """What the words lack: statements that have none."""
    more = [f"and {len(lost) - _MOST_TOLD} more"] if len(lost) > _MOST_TOLD else []
    return [*map(str, lost[:_MOST_TOLD]), *more]


def compared(imported: Imported, kept: Imported, name: str) -> Words:
    """The file that is rendered from the words, compared with the server's own."""
    if {"dhcp", "proxydhcp"} <= set(kept.tree["servers"][name].get("roles", ())):
        return Words(["it leases addresses and is a ProxyDHCP in one process: two servers in words"])
    with tempfile.TemporaryDirectory() as folder:
        words, own = (_loaded(Path(folder) / key, one) for key, one in (("words", imported), ("own", kept)))
        job = Job(inventory=words, name=name)
        report_all(job)
        wrong = [finding.message for finding in job.findings if finding.severity is ERROR]
        if wrong:
            return Words(wrong[:_MOST_TOLD])
        files = written(job)
        main = next((file for file in files if file.check), files[0])
        text = main.content.decode("utf-8", "surrogateescape")
        before, after, address, relays = sides(
            own, name, own.site.servers[name], Written(path=main.path, text=text)
        )
        if _leasing(after) < _leasing(before):
            return Words(["nobody is leased an address on one of its subnets, which would have no range"])
        if "dhcp" in words.site.servers[name].effective_roles:
            # By what the plan tells clients apart: its file says the same by words of its own.
            after = replace(after, leases=plan_leases(words, name))
        found = compare_exactly(before, after, address, relays)
    if found.first:
        return Words([found.first])
    if found.compared < found.packets:
        note = (
            f"{name} answers as before in the {found.compared} of {found.packets} packets that were compared."
        )
        return Words([], [note])
    return Words([])


def _leasing(side: Side) -> int:
    """How many of its subnets have addresses to lease."""
    return sum(1 for subnet in side.subnets if subnet.ranges)


def _loaded(folder: Path, imported: Imported) -> Inventory:
    folder.mkdir()
    for name, text in imported.own_files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    (folder / MAIN_FILE).write_text(site_yaml(imported), encoding="utf-8", errors="surrogateescape")
    rows = clients_csv(imported.clients)
    (folder / CLIENTS_FILE).write_text(rows, encoding="utf-8", errors="surrogateescape")
    return loaded(folder, imported)
