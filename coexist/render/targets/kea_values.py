"""What Kea sends, and which entry says it: a subnet's option data, or a class for each setting.

A subnet's own option comes before a class's, so that a subnet has only what no rule overrides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from coexist.boot.leases.plan import Condition, Setting
from coexist.boot.servers.kea import is_exact
from coexist.render.quoting import kea_name, kea_octets
from coexist.render.settled import SettledScope

NO_CODES: frozenset[int] = frozenset()


def class_settings(scope: SettledScope) -> list[Setting]:
    """The settings that become classes: the special ones, and last the defaults that one of them may
    override."""
    special = [s for s in scope.special if not s.ignore]
    quiet = undisputed(scope)
    left = Setting(
        name=scope.defaults.name,
        path=scope.defaults.path,
        next_server=scope.defaults.next_server,
        file=scope.defaults.file,
        options={code: octets for code, octets in scope.defaults.options.items() if code not in quiet},
    )
    has_values = left.next_server is not None or left.file is not None or left.options
    return list(_with_empty_files([*special, left] if has_values else special))


def _with_empty_files(settings: Iterable[Setting]) -> Iterator[Setting]:
    """The settings where an empty file of one keeps the files of those below away.

    To Kea a class with an empty boot-file-name says none.
    """
    empty: list[Condition] = []
    for setting in settings:
        if setting.file == "":
            empty.append(setting.condition)
        if not setting.file or not empty:
            yield setting
            continue
        yield replace(setting, file=None)
        condition = replace(setting.condition, unless=(*setting.condition.unless, *empty))
        yield Setting(name=setting.name, path=setting.path, condition=condition, file=setting.file)


def undisputed(scope: SettledScope) -> dict[int, bytes]:
    """The default options that no rule overrides and that Kea sends as they are."""
    disputed = {code for setting in scope.special for code in setting.options}
    return {
        code: octets
        for code, octets in scope.defaults.options.items()
        if code not in disputed and is_exact(code, octets)
    }


def first_of(choices: list[tuple[str, bytes]]) -> str:
    """An expression for the value of the first class the packet is in; nothing where that has none."""
    while not choices[-1][1]:
        choices = choices[:-1]
    expression = "''"
    for name, octets in reversed(choices):
        expression = f"ifelse(member({kea_name(name)}), {kea_octets(octets)}, {expression})"
    return expression


def option_data(code: int, octets: bytes, forced: frozenset[int]) -> dict[str, Any]:
    """One option as octets; ``forced`` ones are sent unasked."""
    if not octets:
        # Of no data Kea makes an option only by its type, which is empty.
        entry: dict[str, Any] = {"code": code}
    else:
        entry = {"code": code, "csv-format": False, "data": octets.hex()}
    return {**entry, "always-send": True} if code in forced else entry
