"""Inputs that are almost right: seeds, changed as fuzzers change them, from a seeded random source.

Without instrumentation, so that it needs nothing installed and costs nothing but the reader;
``scripts/fuzz.py`` lets Atheris steer the same targets where that is there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

INTERESTING = (
    b"", b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"\x7f\xff\xff\xff", b"-1", b"0", b"9" * 40,
    b"1e999",
    b"\n", b"\r\n", b"\t", b"'", b'"', b"\\", b"{", b"}", b"[", b"]", b"(", b")", b"<", b">", b"&", b";",
    b":",
    b"=",
    b"#", b"/*", b"*/", b"//", b"../", b"/dev/zero", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x1b[2J", "\u202e".encode(), "\u0662".encode(), b"[" * 200, b"(" * 200, b" " * 500, b"a" * 2000,
)  # fmt: skip


def inputs(seeds: Sequence[bytes], source: random.Random) -> Iterator[bytes]:
    """The seeds themselves, then changed ones without end."""
    yield from seeds
    while True:
        data = bytearray(source.choice(seeds))
        for _ in range(source.choice((1, 1, 2, 4, 8))):
            _change(data, seeds, source)
        yield bytes(data[: 1 << 18])


def _change(data: bytearray, seeds: Sequence[bytes], source: random.Random) -> None:
    at = source.randrange(len(data) + 1)
    length = source.choice((1, 1, 2, 4, 16, 64))
    match source.randrange(8):
        case 0 if at < len(data):
            data[at] ^= 1 << source.randrange(8)
        case 1 if at < len(data):
            data[at] = source.randrange(256)
        case 2:
            data[at : at + length] = b""
        case 3:
            data[at:at] = data[at : at + length] * source.choice((1, 2, 50))
        case 4:
            data[at:at] = source.choice(INTERESTING)
        case 5:
            data[at : at + length] = source.choice(INTERESTING)
        case 6:
            other = source.choice(seeds)
            cut = source.randrange(len(other) + 1)
            data[at:] = other[cut:]
        case _:
            del data[at:]
