"""What was changed on the servers behind the inventory's back. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping

from coexist.analysis.catalogue import CATALOGUE
from coexist.analysis.findings import Finding
from coexist.inventory.loader import Inventory
from coexist.rollout.facts import PresentFile
from coexist.text.amounts import amount
from coexist.text.foreign import harmless
from coexist.text.redaction import redacted

_MOST_LINES = 400
_WORD = re.compile(r"\w")
_COMMENTS = ("#", "//", ";")


def drift(
    inventory: Inventory,
    present: Mapping[str, Mapping[str, PresentFile]],
    wanted: Mapping[str, Mapping[str, str]],
    last: Mapping[tuple[str, str], str | None],
    kept: Callable[[str], bytes | None],
    written: Mapping[str, Mapping[str, frozenset[str]]] | None = None,
) -> tuple[Finding, ...]:
    """Findings about files that are not what the last rollout left (CX601 to CX603).

    ``wanted``: the digest to come, by server and path; ``last``: the digest left there, where recorded;
    ``kept``: a file's bytes by their digest, where they are kept; ``written``: every digest that rollouts
    wrote, for files that are no longer rendered.
    """
    ours = written or {}
    found: list[Finding] = []
    for server, files in sorted(present.items()):
        for path, file in sorted(files.items()):
            to_come = wanted.get(server, {}).get(path)
            digests = ours.get(server, {}).get(path, frozenset())
            if to_come is None and digests and (file.digest is None or file.digest in digests):
                continue  # no longer rendered: gone, or as a rollout wrote it
            found += _of_file(inventory, server, file, to_come, last, kept, recorded=bool(digests))
    return tuple(found)


def _of_file(
    inventory: Inventory,
    server: str,
    file: PresentFile,
    wanted: str | None,
    last: Mapping[tuple[str, str], str | None],
    kept: Callable[[str], bytes | None],
    *,
    recorded: bool,
) -> Iterator[Finding]:
    left = last.get((server, file.path))
    if file.digest == left or file.digest == wanted:
        return
    if (server, file.path) not in last and not (recorded and wanted is None):
        if file.digest is not None and wanted is not None:
            yield _finding(
                inventory, "CX603", server,
                f"{file.path} on {server} was not written by a recorded rollout and would be replaced",
                "read the diff; take over into the inventory what must stay",
            )  # fmt: skip
        return
    if file.digest is None:
        yield _finding(
            inventory, "CX602", server, f"{file.path} is no longer on {server}",
            "find out who removed it; an apply writes it again",
        )  # fmt: skip
        return
    before = kept(left) if left is not None else None
    told = f": {_first_change(before, file.content or b'')}" if before is not None else ""
    yield _finding(
        inventory, "CX601", server, f"{file.path} on {server} was edited after the last rollout{told}",
        "take the change over into the inventory, or overwrite it with `coexist plan --overwrite`",
    )  # fmt: skip


def _finding(inventory: Inventory, code: str, server: str, message: str, repair: str) -> Finding:
    return Finding(
        code=CATALOGUE[code],
        severity=CATALOGUE[code].severity,
        position=inventory.where("servers", server),
        message=message,
        repair=repair,
        path=("servers", server, "deploy"),
    )


def _first_change(before: bytes, after: bytes) -> str:
    lines = diff(before, after, "", "").splitlines()[2:]
    changed = [line for line in lines if line[:1] in "+-"]
    more = f" and {amount(len(changed) - 2, 'more line')}" if len(changed) > 2 else ""
    return " ".join(changed[:2]) + more


def lost_statements(before: bytes | None, after: bytes) -> tuple[tuple[int, str], ...]:
    """The lines of a file that say something and do not stand in what replaces it, by their numbers.

    Blank lines and comments say nothing; how a line is indented neither. Secrets are hidden.
    """
    if not before:
        return ()
    kept = {line.strip() for line in after.decode("utf-8", "backslashreplace").splitlines()}
    lines = before.decode("utf-8", "backslashreplace").split("\n")
    shown = harmless(redacted("\n".join(lines))).split("\n")
    return tuple(
        (number, told.strip())
        for number, (line, told) in enumerate(zip(lines, shown, strict=True), start=1)
        if _WORD.search(line) and not line.strip().startswith(_COMMENTS) and line.strip() not in kept
    )


Losses = Mapping[tuple[str, str], tuple[tuple[int, str], ...]]
"""By server and path the statements that would be gone, each with its line."""


def losses(
    present: Mapping[str, Mapping[str, PresentFile]],
    rendered: Mapping[str, Mapping[str, bytes]],
    written: Mapping[str, Mapping[str, frozenset[str]]],
) -> Losses:
    """What files say that no rollout wrote and that would be replaced; ``written``: the digests that rollouts
    wrote, by server and path."""
    found = {
        (server, path): lost_statements(present[server][path].content, content)
        for server, files in sorted(rendered.items())
        for path, content in files.items()
        if path not in written.get(server, {})
    }
    return {place: statements for place, statements in found.items() if statements}


def diff(before: bytes | None, after: bytes | None, old_name: str, new_name: str) -> str:
    """A unified diff for people: with secrets hidden, and cut where it is long."""
    if _is_binary(before) or _is_binary(after):
        return f"--- {old_name}\n+++ {new_name}\nbinary files differ\n"
    lines = list(difflib.unified_diff(_lines(before), _lines(after), old_name, new_name, lineterm="", n=2))
    shown = lines[:_MOST_LINES]
    if len(lines) > len(shown):
        shown.append(f"... {amount(len(lines) - len(shown), 'more line')}")
    return "\n".join(shown) + "\n" if shown else ""


def _lines(content: bytes | None) -> list[str]:
    if content is None:
        return []
    # Control characters of a foreign file must not reach the terminal.
    return harmless(redacted(content.decode("utf-8", "backslashreplace"))).split("\n")


def _is_binary(content: bytes | None) -> bool:
    return content is not None and b"\0" in content
