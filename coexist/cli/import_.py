"""``coexist import``: existing configuration becomes an inventory."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import click

from coexist.cli.written_files import WrittenFiles, all_or_none
from coexist.importers import Imported, kinds
from coexist.importers.loading import loaded
from coexist.importers.merge import Conflict, conflicts_md, merge
from coexist.importers.written import (
    CLIENTS_FILE,
    CONFLICTS_FILE,
    NOT_MODELLED_FILE,
    clients_csv,
    not_modelled_md,
    site_yaml,
)
from coexist.inventory import Inventory, load_inventory
from coexist.inventory.files import MAIN_FILE
from coexist.inventory.values import is_name
from coexist.text.amounts import amount
from coexist.text.redaction import holds_secret

PARKED_FILE = "PARKED.md"
_KINDS_HELP = "\n".join(f"  {name:15} {kind.describe}" for name, kind in kinds().items())


@click.command(
    name="import",
    help=f"""Read the configuration of a server that exists and write an inventory that says the same.

KIND is one of:

\b
{_KINDS_HELP}

Several sources become one site: name them as KIND:FILE, or import into a directory that has an
inventory. What is not taken over stands in {NOT_MODELLED_FILE}, what two sources both speak of in
{CONFLICTS_FILE}. Exit code 1: a row of a list yielded nothing.
""",
)
@click.argument("sources", nargs=-1, required=True, metavar="KIND FILE... | KIND:FILE...")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of the inventory.",
)
@click.option("--server", default="", metavar="NAME", help="Name the server gets in the inventory.")
@click.option(
    "--address",
    metavar="ADDRESS[/LENGTH]",
    help="The server's own address, if the files do not say it, and the length of its network card's prefix.",
)
@click.option(
    "--include-root",
    "include_roots",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder whose files the source may include, beside its own; / is this machine. Repeatable.",
)
@click.option(
    "--in-words",
    is_flag=True,
    help="Say a server in the inventory's words even where these change an answer; else it keeps its file.",
)
def command(
    sources: tuple[str, ...],
    output: Path,
    server: str,
    address: str | None,
    include_roots: tuple[Path, ...],
    in_words: bool,
) -> int:
    """Import each source in turn."""
    from coexist.app.imports import import_source

    if server and not is_name(server):
        raise click.BadParameter(
            f"{server!r} is not a name; use letters, digits, '-', '_' and '.', a letter or digit first",
            param_hint="--server",
        )
    own, network = _address(address)
    barren = 0
    inventory: Inventory
    with all_or_none(output) as written:
        for kind, files in _requests(sources):
            imported = import_source(
                kind,
                files,
                server=server,
                address=own,
                network=network,
                include_roots=include_roots,
                in_words=in_words,
            )
            conflicts, inventory = _write(imported, written)
            entries = len(imported.not_modelled)
            barren += imported.barren
            click.echo(
                f"{', '.join(imported.sources)}: {amount(len(imported.tree.get('scopes', {})), 'scope')},"
                f" {amount(len(imported.clients), 'client')}; {amount(entries, 'statement')} not modelled,"
                f" {amount(len(conflicts), 'conflict')}",
                err=True,
            )
            if imported.own_files:
                for line in imported.comments["servers"]:
                    click.echo(line, err=True)
        _tell_parked(inventory, written)
    click.echo(f"{output / MAIN_FILE}")
    if barren:
        click.echo(f"{amount(barren, 'row')} yielded nothing: see {output / NOT_MODELLED_FILE}", err=True)
    return 1 if barren else 0


def _tell_parked(inventory: Inventory, written: WrittenFiles) -> None:
    """Two servers' registrations that differ in one digit are one machine: see docs/concepts/parking.md."""
    from coexist.app.parked import parked_in

    number, text = parked_in(inventory)
    if number:
        place = written.folder / PARKED_FILE
        _put(written, place, "# Parked registrations\n\n" + text)
        click.echo(f"{amount(number, 'registration is', 'registrations are')} parked: {place}", err=True)


def _address(text: str | None) -> tuple[IPv4Address | None, IPv4Network | None]:
    """The address, and the subnet of its network card where the length of the prefix is given."""
    if text is None:
        return None, None
    try:
        card = IPv4Interface(text)
    except ValueError:
        raise click.BadParameter(
            f"{text} is not an IPv4 address; write 10.10.0.5, or 10.10.0.5/22", param_hint="--address"
        ) from None
    ip = card.ip
    if ip.is_unspecified or ip.is_loopback or ip.is_multicast or ip.is_reserved:
        raise click.BadParameter(
            f"{ip} is no address of a server on a network; write 10.10.0.5, or 10.10.0.5/22",
            param_hint="--address",
        )
    return card.ip, card.network if "/" in text else None


_QUOTES_SOURCES = (NOT_MODELLED_FILE, CONFLICTS_FILE)


def _requests(sources: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """Each kind with its files: ``KIND FILE...`` is one, each ``KIND:FILE`` another."""
    if sources[0] in kinds():
        if len(sources) == 1:
            raise click.UsageError(f"name the file to import: coexist import {sources[0]} FILE")
        return [(sources[0], list(sources[1:]))]
    requests = []
    for source in sources:
        kind, colon, file = source.partition(":")
        if kind not in kinds() or not colon or not file:
            raise click.UsageError(f"{source!r} is not KIND:FILE; known kinds: {', '.join(kinds())}")
        requests.append((kind, [file]))
    return requests


def _write(imported: Imported, written: WrittenFiles) -> tuple[tuple[Conflict, ...], Inventory]:
    """Write an import; returns what two sources both speak of, and the inventory as it is now."""
    output = written.folder
    if (output / MAIN_FILE).exists():
        return _write_beside(imported, written)
    _put(written, output / MAIN_FILE, site_yaml(imported))
    if imported.clients:
        _put(written, output / CLIENTS_FILE, clients_csv(imported.clients))
    _put(written, output / NOT_MODELLED_FILE, not_modelled_md(imported.not_modelled, imported.sources))
    _put_own_files(imported, written)
    return (), loaded(output, imported)


def _put_own_files(imported: Imported, written: WrittenFiles) -> None:
    """The files that a server is declared by."""
    for name, text in imported.own_files.items():
        content = text.encode("utf-8", "surrogateescape")
        written.put(written.folder / name, content, private=holds_secret(content))


def _write_beside(imported: Imported, written: WrittenFiles) -> tuple[tuple[Conflict, ...], Inventory]:
    """A further import: a file of its own in inventory.d, its clients in a list of their own."""
    output = written.folder
    merged, conflicts = merge(load_inventory(output), imported)
    number = 1 + len(list(output.glob("inventory.d/*.yaml")))
    stem = f"{number:02}-{next(iter(merged.tree.get('servers', {})), 'clients')}"
    if merged.clients:
        name = f"clients-{stem}.csv"
        merged.tree["clients"] = [name]
        _put(written, output / name, clients_csv(merged.clients))
    _put_own_files(merged, written)
    _put(written, output / "inventory.d" / f"{stem}.yaml", site_yaml(merged))
    title = ", ".join(merged.sources)
    _append(written, output / CONFLICTS_FILE, conflicts_md(conflicts, title), "# Conflicts\n\n")
    _append(written, output / NOT_MODELLED_FILE, not_modelled_md(merged.not_modelled, merged.sources), "")
    return conflicts, loaded(output, imported)


def _put(written: WrittenFiles, path: Path, text: str) -> None:
    content = text.encode("utf-8", "backslashreplace")
    written.put(path, content, private=path.name in _QUOTES_SOURCES or holds_secret(content))


def _append(written: WrittenFiles, path: Path, text: str, head: str) -> None:
    before = path.read_bytes() + b"\n" if path.exists() else head.encode()
    written.put(path, before + text.encode("utf-8", "backslashreplace"), private=True)
