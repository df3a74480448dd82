"""Import a server's configuration: into the inventory's words, or by its own file where these say less.

Words are taken only if the file that is rendered from them answers as the source did: both are evaluated as
the daemon would, and compared octet for octet. Otherwise the server is declared by a copy of its file
(``config:`` with ``whole: true``), which is evaluated and rolled out as it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from coexist.analysis.exact_replies import difference
from coexist.analysis.findings import ERROR
from coexist.app.adopt import Fetched, place_of
from coexist.app.adopt_sources import beside
from coexist.app.convert import sides
from coexist.app.convert.written import Written
from coexist.boot.own_files import OwnConfig
from coexist.importers import Imported, import_files, kinds
from coexist.importers.site_builder import stand_on, stands_on
from coexist.importers.written import CLIENTS_FILE, SITE_FILE, clients_csv, site_yaml
from coexist.inventory import Inventory, load_inventory
from coexist.inventory.products import Product, part
from coexist.render.limits import report_all
from coexist.render.site import written
from coexist.render.target import Job

_MOST_TOLD = 8


def import_source(
    kind: str,
    paths: Sequence[Path | str],
    *,
    server: str = "",
    address: IPv4Address | None = None,
    include_roots: Sequence[Path] = (),
    in_words: bool = False,
) -> Imported:
    """`import_files`, with the server's own file where words would change an answer.

    ``in_words``: the inventory's words all the same. Raises InputError for what cannot be read.
    """
    imported = import_files(kind, paths, server=server, address=address, include_roots=include_roots)
    product = kinds()[kind].product
    if in_words or product is None:
        return imported
    name = next(iter(imported.tree["servers"]))
    kept = _by_its_file(imported, product, name, beside(Path(paths[0]), tuple(include_roots)))
    if kept is None:
        return imported
    why = _why_not_in_words(imported, kept, name)
    if not why:
        return imported
    notes = [f"{name} runs on its own file, because these words would change what it answers:", *why]
    return replace(kept, comments={**imported.comments, "servers": notes})


def _by_its_file(imported: Imported, product: Product, name: str, source: Any) -> Imported | None:
    """The same server declared by its own files.

    None where they answer nobody, or hold a secret: without it they could not be rolled out."""
    path = product.own_main or product.target or ""
    fetched = Fetched(path, source[0], part(product, "redactor"), source[1])
    config: OwnConfig = part(product, "own_file")(fetched)
    if fetched.redacted or not (product.usual_roles or config.roles):
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
    others = {n: s for n, s in tree["servers"].items() if n not in of_host}
    sections = {key: value for key, value in tree.items() if key != "scopes"}
    return replace(
        imported,
        tree={**sections, "servers": {name: own, **others}},
        not_modelled=(),
        own_files={str(place_of(name, at)): text for at, text in texts.items()},
    )


def _is_same(declared: Mapping[str, Any], name: str, product: Product) -> bool:
    """Whether a server of an import stands for another part of the same process."""
    return declared.get("host") == name and declared["software"] == product.software


def _why_not_in_words(imported: Imported, kept: Imported, name: str) -> list[str]:
    """Why the words do not say the same; empty if they do."""
    tree = imported.tree
    lost = [str(text) for text in tree["servers"][name].get("left_out", ())]
    if lost:
        more = [f"and {len(lost) - _MOST_TOLD} more"] if len(lost) > _MOST_TOLD else []
        return [*lost[:_MOST_TOLD], *more]
    if {"dhcp", "proxydhcp"} <= set(kept.tree["servers"][name].get("roles", ())):
        return ["it leases addresses and is a ProxyDHCP in one process, which are two servers in words"]
    with tempfile.TemporaryDirectory() as folder:
        words, own = (_loaded(Path(folder) / key, one) for key, one in (("words", imported), ("own", kept)))
        job = Job(inventory=words, name=name)
        report_all(job)
        wrong = [finding.message for finding in job.findings if finding.severity is ERROR]
        if wrong:
            return wrong[:_MOST_TOLD]
        files = written(job)
        main = next((file for file in files if file.check), files[0])
        text = main.content.decode("utf-8", "surrogateescape")
        before, after, address, relays = sides(
            own, name, own.site.servers[name], Written(path=main.path, text=text)
        )
        found = difference(before, after, address, relays)
    return [found] if found else []


def _loaded(folder: Path, imported: Imported) -> Inventory:
    folder.mkdir()
    for name, text in imported.own_files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    (folder / SITE_FILE).write_text(site_yaml(imported), encoding="utf-8", errors="surrogateescape")
    rows = clients_csv(imported.clients)
    (folder / CLIENTS_FILE).write_text(rows, encoding="utf-8", errors="surrogateescape")
    return load_inventory(folder)
