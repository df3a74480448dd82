"""From one product to another by way of an inventory: what an importer reads, a renderer writes."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from coexist.app.convert.written import Written
from coexist.boot.leases.lease_times import LeaseTimes, TimesOf, one_time
from coexist.errors import CoexistError
from coexist.importers.account import NotModelled
from coexist.importers.kind import Kind, Request
from coexist.importers.written import CLIENTS_FILE, clients_csv, site_yaml
from coexist.inventory import Inventory, load_inventory
from coexist.inventory.files import MAIN_FILE
from coexist.inventory.models import Scope, Server
from coexist.inventory.products import part
from coexist.languages.source_files import Surroundings
from coexist.render.limits import report_all
from coexist.render.site import written
from coexist.render.target import Job


def write(inventory: Inventory, name: str, target: Server) -> Written:
    """Write the file. What a server's own file says is read into an inventory of its own first."""
    server = inventory.site.servers[name]
    if not server.config:
        return _rendered(inventory, name, target, ())
    kind: Kind | None = part(server.product, "importer")
    if kind is None:
        raise CoexistError(f"nothing reads a file of {server.product.name} into an inventory")
    main = inventory.root / next(iter(server.config.values()))
    imported = kind.run(
        Request(
            paths=(main,),
            server=name,
            address=next(iter(server.stands_on.values())),
            around=Surroundings(main.parent, (inventory.root,)),
        )
    )
    # What a product's own file leaves to its defaults is literal there; another product has other defaults.
    scopes = {
        key: {word: value for word, value in scope.items() if word != "literal"}
        for key, scope in imported.tree.get("scopes", {}).items()
    }
    imported = replace(imported, tree={**imported.tree, "scopes": scopes})
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / MAIN_FILE).write_text(site_yaml(imported), encoding="utf-8", errors="surrogateescape")
        (place / CLIENTS_FILE).write_text(
            clients_csv(imported.clients), encoding="utf-8", errors="surrogateescape"
        )
        read = load_inventory(place)
    own = read.site.servers[name]
    as_target = own.model_copy(
        update={"software": target.software, "settings": target.settings, "roles": target.roles}
    )
    return _rendered(read, name, as_target, (*imported.not_modelled, *imported.kept), of_source=False)


def _rendered(
    inventory: Inventory,
    name: str,
    target: Server,
    lost: tuple[NotModelled, ...],
    *,
    of_source: bool = True,
) -> Written:
    source = inventory.site.servers[name]
    servers = {**inventory.site.servers, name: target}
    scopes = {
        key: _with_limits(scope, source, target) if name in scope.servers else scope
        for key, scope in inventory.site.scopes.items()
    }
    site = inventory.site.model_copy(update={"servers": servers, "scopes": scopes})
    inventory = replace(inventory, site=site, read={})
    job = Job(inventory=inventory, name=name, literal=not of_source)
    report_all(job)
    files = written(job)
    # Of a source that was imported the places are those of an inventory that nobody has seen.
    findings = tuple(NotModelled(f.position, f.message, f.repair) for f in job.findings) if of_source else ()
    main = next((file for file in files if file.check), files[0])
    return Written(path=main.path, text=main.content.decode(), lost=(*lost, *findings))


def _with_limits(scope: Scope, source: Server, target: Server) -> Scope:
    """The scope with the limits for lease times that its product has by itself, where the other's differ."""
    ours, theirs = (_times(scope, server) for server in (source, target))
    said: dict[str, int] = {}
    if ours.shortest != theirs.shortest:
        said["min_lease_time"] = ours.shortest
    if ours.longest != theirs.longest:
        said["max_lease_time"] = ours.longest
    return scope.model_copy(update=said)


def _times(scope: Scope, server: Server) -> LeaseTimes:
    times: TimesOf = part(server.product, "lease_times") or one_time
    return times(scope.lease_time, scope.min_lease_time, scope.max_lease_time)
