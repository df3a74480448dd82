"""Import a server's configuration: into the inventory's words, or by its own file where these say less.

Words are taken only if the file that is rendered from them answers as the source did: both are evaluated as
the daemon would, and compared octet for octet. Otherwise the server is declared by a copy of its file
(``config:`` with ``whole: true``), which is evaluated and rolled out as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from coexist.importers import Imported, import_files, kinds

MOST_CLIENTS = 2_000
"""Of more, the comparison takes longer than the import: words are taken, unless some statement has none."""


def import_source(
    kind: str,
    paths: Sequence[Path | str],
    *,
    server: str = "",
    address: IPv4Address | None = None,
    network: IPv4Network | None = None,
    include_roots: Sequence[Path] = (),
    in_words: bool = False,
) -> Imported:
    """`import_files`, with the server's own file where words would change an answer.

    ``network``: the subnet of the network card that has ``address``.
    ``in_words``: the inventory's words all the same. Raises InputError for what cannot be read.
    """
    imported = import_files(
        kind, paths, server=server, address=address, network=network, include_roots=include_roots
    )
    product = kinds()[kind].product
    if in_words or product is None:
        return imported
    name = next(iter(imported.tree["servers"]))
    if not product.is_adoptable:
        note = (
            f"That {name} answers as before is not proven: nothing evaluates a copy of {product.name}'s file."
        )
        return _noted(imported, [note])
    lost = tuple(imported.tree["servers"][name].get("left_out", ()))
    if not lost and len(imported.clients) > MOST_CLIENTS:
        note = (
            f"That {name} answers as before is not proven: more than {MOST_CLIENTS} clients are not compared."
        )
        return _noted(imported, [note])
    # What compares needs models and renderers: of a large server in words it is not loaded.
    from coexist.app.import_proof import by_its_file, compared, lacking

    own = by_its_file(imported, product, name, Path(paths[0]), tuple(include_roots))
    if own is None:
        return imported
    kept = own.imported
    change, notes = (lacking(lost), []) if lost else compared(imported, kept, name)
    if not change:
        return _noted(imported, notes) if notes else imported
    if own.has_secret:
        return _refused(imported, name, (*lost, *(() if lost else change)))
    title = f"{name} runs on its own file, because these words would change what it answers:"
    # What is noted of the words says nothing of the file.
    return replace(kept, comments={**imported.comments, "servers": [title, *change]})


def _refused(imported: Imported, name: str, left_out: Sequence[str]) -> Imported:
    """In words that change an answer, since no copy of the file may be made: they are not rolled out."""
    servers = imported.tree["servers"]
    tree = {**imported.tree, "servers": {**servers, name: {**servers[name], "left_out": list(left_out)}}}
    note = (
        f"These words change what {name} answers, and its file holds a secret, so it is not copied."
        f" `coexist adopt` lets {name} run on it."
    )
    return _noted(replace(imported, tree=tree), [note])


def _noted(imported: Imported, notes: list[str]) -> Imported:
    said = imported.comments.get("servers", ())
    return replace(imported, comments={**imported.comments, "servers": [*said, *notes]})
