"""The files that are written for a server, by name, and where each of them goes on it.

A renderer names its files as the product's record says (``Product.files``), whatever a migration does with
the server meanwhile. Lists of machines come and go with the steps of a migration; they lie beside the
configuration, which names them, and need no place of their own.
"""

from __future__ import annotations

from coexist.inventory.declarations import Declarations
from coexist.inventory.documents import Path
from coexist.inventory.groups import BUILT_IN
from coexist.inventory.product import Product
from coexist.inventory.products import GENERIC
from coexist.inventory.servers import Server

FOLDER = "*"
"""The key of ``paths`` that is the folder of all files without a place of their own."""


def writer(server: Server) -> Product:
    """The record of what writes a server's files: its product's, or that of plain lists."""
    return server.product if server.product.renderer else GENERIC


def place_of(server: Server, name: str, usual: str | None) -> str | None:
    """Where a file goes on its server: as ``deploy`` says, or at its ``usual`` place. None: nowhere."""
    paths = server.deploy.paths if server.deploy is not None else {}
    product = writer(server)
    if not server.config and product.is_list(name):
        main = product.main_place(paths)
        if main is not None:
            return f"{main.rpartition('/')[0]}/{name}"
    elif name in paths:
        return paths[name]
    folder = paths.get(FOLDER)
    if folder is None or usual is None:
        return usual
    between = "\\" if "\\" in folder else "/"
    return f"{folder.rstrip(between)}{between}{name}"


def check_paths(given: Declarations, path: Path, name: str, server: Server) -> None:
    """Complain of each key of a server's ``deploy.paths`` that no file is placed by."""
    paths = server.deploy.paths if server.deploy is not None else {}
    product = writer(server)
    taken: dict[str, str] = {}
    for key, place in paths.items():
        at = (*path, key)
        if key == FOLDER:
            continue
        other = taken.setdefault(place, key)
        if server.config:
            message = f"{name} runs on its own files, whose places stand in `config` and `dropin`"
            given.complain(at, message, "remove the line; correct the place there", key=True)
        elif product.is_list(key):
            own = place_of(server, key, f"{product.target}{key}")
            if place != own or not _is_of_a_group(given, product, key):
                message = f"the lists of {name} lie beside {product.files[0]}, which names them"
                given.complain(at, message, "remove the line", key=True)
        elif not product.writes(key):
            remedy = f"write {' or '.join(product.files)}; {FOLDER!r} is the folder of all files"
            given.complain(at, f"no file {key!r} is written for {name}", remedy, key=True)
        elif other != key:
            given.complain(at, f"{place} is the place of {other} too", "give each file a place of its own")


def _is_of_a_group(given: Declarations, product: Product, file: str) -> bool:
    """Whether a list is called after a group: a declared one, or one that a migration's step makes."""
    called = product.groups_of(file)
    made = tuple(f"{migration}." for migration in given.declared("migrations"))
    declared = {*BUILT_IN, *given.declared("groups")}
    return not declared.isdisjoint(called) or any(group.startswith(made) for group in called)
