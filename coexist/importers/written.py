"""An import as the files of an inventory: site.yaml, clients.csv, not-modelled.md, conflicts.md."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import yaml

from coexist.importers.account import NotModelled
from coexist.importers.imported import COLUMNS, ClientColumns, ClientRow, Imported
from coexist.text.foreign import cell, markdown, markdown_code, one_line

CLIENTS_FILE = "clients.csv"
NOT_MODELLED_FILE = "not-modelled.md"
CONFLICTS_FILE = "conflicts.md"

_WIDTH = 110
# What `_cell` may change, beside a character that is not plain: blanks that stand together or at an end of a
# cell, how a formula begins, and what separates cells elsewhere. Each cell stands on a line.
_NOT_PLAIN = ("  ", " \n", "\n ", "\n=", "\n+", "\n-", "\n@", ";", "|")
# A cell with one of these stands in quotes (RFC 4180).
_QUOTED = ('"', ",", "\n", "\r")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


_Emitter: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Emitter):  # type: ignore[misc]
    """Every list that is short stands on one line; nothing is an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def site_yaml(imported: Imported) -> str:
    """The inventory's YAML with its comments."""
    sources = ", ".join(imported.sources)
    parts = [f"# Imported from {sources}. What is not in here stands in {NOT_MODELLED_FILE}.\n"]
    parts += [f"# {line}\n" for line in imported.comments.get("", ())]
    for section, content in imported.tree.items():
        parts.append("\n" if section != "site" else "")
        parts += [f"# {line}\n" for line in imported.comments.get(section, ())]
        parts.append(_dump({section: content}))
    return "".join(parts)


def _dump(tree: Mapping[str, Any]) -> str:
    """YAML that reads the same by the rules of 1.1 and of 1.2: PyYAML quotes every text it would misread."""
    scalars = not any(isinstance(value, (Mapping, list)) for value in tree.values())
    return yaml.dump(
        _plain(tree),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=_WIDTH,
        default_flow_style=False if scalars else None,
    )


def _plain(value: Any) -> Any:
    """The tree in the types YAML knows."""
    if isinstance(value, Mapping):
        return {(int(key) if isinstance(key, int) else str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def clients_csv(clients: Sequence[ClientRow]) -> str:
    """The clients' list with the columns that are used."""
    columns = clients.columns if isinstance(clients, ClientColumns) else _columns(clients)
    names = [name for name in COLUMNS if name in ("mac", "name") or any(columns.get(name, ()))]
    cells = [_cells(columns[name]) for name in names]
    if not any(sign in column for column in map("".join, cells) for sign in _QUOTED):
        return "\n".join([",".join(names), *map(",".join, zip(*cells, strict=True)), ""])
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*cells, strict=True))
    return buffer.getvalue()


def _columns(clients: Sequence[ClientRow]) -> Mapping[str, list[str]]:
    return {column: list(map(attrgetter(column), clients)) for column in COLUMNS}


def _cells(texts: list[str]) -> list[str]:
    """A column of values as cells. It is looked at as a whole: most have nothing that must be changed."""
    letters, lines = "".join(texts), "\n".join(["", *texts, ""])
    if letters.isascii() and letters.isprintable() and not any(sign in lines for sign in _NOT_PLAIN):
        return texts
    return list(map(_cell, texts))


def _cell(text: str) -> str:
    """A value on one line and no formula: control characters, which a list of clients does not take, become a
    blank."""
    return cell(_CONTROL.sub(" ", text).strip())


def not_modelled_md(entries: Iterable[NotModelled], sources: Sequence[str]) -> str:
    """The list of what was left out, one section a reason."""
    by_reason: dict[str, list[NotModelled]] = {}
    for entry in entries:
        by_reason.setdefault(entry.why, []).append(entry)
    lines = ["# Not modelled", ""]
    lines.append(f"What stands in {', '.join(sources)} and is not, or not entirely, in this inventory.")
    if not by_reason:
        lines += ["", "Nothing: every statement was taken over."]
    for why, group in by_reason.items():
        lines += ["", f"## {markdown(why)}", ""]
        lines += [f"- {one_line(str(entry.position))}: `{markdown_code(entry.statement)}`" for entry in group]
    return "\n".join(lines) + "\n"
