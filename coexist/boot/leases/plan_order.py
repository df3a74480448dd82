"""Where the options 66 and 67 stand that follow from a next server and a file.

They stand below all that is declared, and hold for nobody to whom a setting above says that there is no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from coexist.boot.leases.plan import Condition, Setting


def derived_below(settings: Iterable[Setting]) -> tuple[Setting, ...]:
    """The settings of a scope in their order of authority, with what is derived where it belongs."""
    return tuple(_declared_first(_beside_their_file(settings)))


def _declared_first(settings: Iterable[Setting]) -> Iterator[Setting]:
    """The settings; a derived option that a setting of less authority declares stands below that one."""
    listed = list(settings)
    last: dict[int, int] = {}
    for number, setting in enumerate(listed):
        last.update((code, number) for code in setting.options if code not in setting.derived)
    below: list[Setting] = []
    for number, setting in enumerate(listed):
        moved = frozenset(code for code in setting.derived if number < last.get(code, -1))
        if not moved:
            yield setting
            continue
        kept, apart = _parted(setting, moved)
        yield kept
        below.append(apart)
    yield from below


def _beside_their_file(settings: Iterable[Setting]) -> Iterator[Setting]:
    """The settings; where one above says that there is no file, what follows from a file does not hold."""
    empty: list[Condition] = []
    for setting in settings:
        if setting.file == "":
            empty.append(setting.condition)
        if not setting.file or not empty or not setting.derived:
            yield setting
            continue
        kept, apart = _parted(setting, setting.derived)
        yield kept
        if not any(condition.always for condition in empty):
            yield replace(apart, condition=replace(apart.condition, unless=tuple(empty)))


def _parted(setting: Setting, codes: frozenset[int]) -> tuple[Setting, Setting]:
    """A setting without some of its derived options, and one of these alone."""
    kept = {code: octets for code, octets in setting.options.items() if code not in codes}
    return replace(setting, options=kept, derived=setting.derived - codes), replace(
        setting,
        name=f"{setting.name}, as options",
        next_server=None,
        file=None,
        file_server=False,
        options={code: setting.options[code] for code in sorted(codes)},
        derived=codes,
    )
