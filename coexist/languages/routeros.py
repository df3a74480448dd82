"""MikroTik RouterOS: the commands of an ``/export``, and how it writes octets and times.

A menu on a line of its own (``/ip dhcp-server network``) holds for the commands that follow; a backslash at
the end of a line joins the next one. Source: RouterOS' documentation, "Configuration Management" and "DHCP".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address

from coexist.errors import Position
from coexist.languages.source_files import text_lines
from coexist.records import dataclass

_WORD = re.compile(r'(?P<key>[A-Za-z0-9_.-]+)=(?P<value>"(?:[^"\\]|\\.)*"|[^\s"]*)|(?P<word>\S+)')
_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?\Z")
_PIECE = re.compile(r"0x(?P<hex>[0-9A-Fa-f]*)|(?P<kind>s?)'(?P<text>[^']*)'|[. ]")
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: its menu, its word (``add``, ``set``), its keys, and where it stands."""

    menu: str
    word: str
    keys: dict[str, str]
    at: Position
    text: str

    @property
    def is_off(self) -> bool:
        """Whether it is there, but switched off."""
        return self.keys.get("disabled") == "yes"


def commands(text: str, file: str) -> Iterator[Command]:
    """The commands of an export."""
    menu = ""
    for number, whole in _joined(text):
        line = whole
        if whole.startswith("/"):
            menu, line = _parted(whole)
            if not line:
                continue
        keys: dict[str, str] = {}
        word = ""
        for found in _WORD.finditer(line):
            if found["key"]:
                keys[found["key"]] = _unquoted(found["value"])
            elif not word:
                word = found["word"]
        yield Command(menu=menu, word=word, keys=keys, at=Position(file, number), text=line)


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Whole commands with the number of their first line; comments left out."""
    whole, first = "", 0
    for number, line in enumerate(text_lines(text), start=1):
        first = first or number
        if line.endswith("\\"):
            whole += line[:-1] if not whole else line.lstrip()[:-1]
            continue
        whole = (whole + (line.lstrip() if whole else line)).strip()
        if whole and not whole.startswith("#"):
            yield first, whole
        whole, first = "", 0
    if whole.strip():
        yield first, whole.strip()


_VERB = re.compile(r"[ /](add|set|remove|print)(?: |\Z)")


def _parted(line: str) -> tuple[str, str]:
    """The menu of a line, and the command behind it: ``/ip pool add name=x``, or ``/ip/pool/add`` of 7."""
    found = _VERB.search(line)
    path, rest = (line, "") if found is None else (line[: found.start()], line[found.start() + 1 :])
    return " ".join(path.replace("/", " ").split()), rest


def _unquoted(value: str) -> str:
    if value.startswith('"') and value.endswith('"') and len(value) > 1:
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def option_octets(value: str) -> bytes | None:
    """An option's value as octets; None for a variable, or what has no documented form.

    Source: MikroTik's manual, DHCP Options: ``0x0104`` are octets, ``'10.0.0.1'`` is an address,
    ``'10'`` a number, ``'text'`` a text; ``s'10.0.0.1'`` is always a text. Several may stand in a row.
    """
    octets = b""
    place = 0
    while place < len(value):
        found = _PIECE.match(value, place)
        if found is None:
            return None
        place = found.end()
        if found["hex"] is not None:
            if len(found["hex"]) % 2:
                return None
            octets += bytes.fromhex(found["hex"])
        elif found["kind"] is not None:
            piece = _quoted(found["kind"], found["text"])
            if piece is None:
                return None
            octets += piece
    return octets


def _quoted(kind: str, text: str) -> bytes | None:
    if not kind:
        try:
            return IPv4Address(text).packed
        except AddressValueError:
            pass
        if text.isdigit():
            # How wide a greater number is does not stand in the manual.
            return bytes([int(text)]) if int(text) < 256 else None
    return text.encode("utf-8", "surrogateescape")


def seconds_of(text: str) -> int | None:
    """A time in seconds: ``1d2h``, ``10m`` or ``00:10:00``; None for anything else."""
    clock = _CLOCK.match(text)
    if clock is not None:
        hours, minutes, seconds = map(int, clock.groups())
        return (hours * 60 + minutes) * 60 + seconds
    found = _DURATION.match(text)
    if not text or found is None:
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return (((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds
