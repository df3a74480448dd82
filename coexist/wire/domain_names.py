"""Lists of domain names in options (RFC 1035 section 4.1.4; options 88, 119 and 141, RFC 3397)."""

from __future__ import annotations

from collections.abc import Iterable


def packed_names(names: Iterable[bytes], *, compressed: bool) -> bytes:
    """Domain names as RFC 1035 section 4.1.4 writes them; offsets count from the first."""
    result = bytearray()
    seen: dict[tuple[bytes, ...], int] = {}
    for name in names:
        labels = tuple(name.split(b"."))
        for number, label in enumerate(labels):
            rest = tuple(part.lower() for part in labels[number:])
            if compressed and rest in seen:
                result += (0xC000 | seen[rest]).to_bytes(2, "big")
                break
            seen.setdefault(rest, len(result))
            result += bytes((len(label),)) + label
        else:
            result.append(0)
    return bytes(result)


def unpacked_names(octets: bytes) -> list[bytes]:
    """The names of such a list; what stands behind a damaged one is left out.

    A pointer must lead to an earlier octet: a name whose pointer does not is left out too.
    """
    names: list[bytes] = []
    at = 0
    while at < len(octets):
        labels: list[bytes] = []
        place, end, earliest = at, -1, at
        while place < len(octets) and octets[place] and len(labels) < 128:
            if octets[place] & 0xC0:
                end = place + 2 if end < 0 else end
                place = int.from_bytes(octets[place : place + 2], "big") & 0x3FFF
                if place >= earliest:
                    return names
                earliest = place
                continue
            labels.append(octets[place + 1 : place + 1 + octets[place]])
            place += 1 + octets[place]
        if not labels:
            break
        names.append(b".".join(labels))
        at = place + 1 if end < 0 else end
    return names


def without_pointers(octets: bytes) -> bytes:
    """The same list with every name written out. Raises ValueError for a damaged one.

    A pointer must lead to an earlier octet.
    """
    result = bytearray()
    at = 0
    while at < len(octets):
        place, end, earliest = at, -1, at
        while True:
            if place >= len(octets):
                raise ValueError("a name has no end")
            length = octets[place]
            if length & 0xC0 == 0xC0:
                target = int.from_bytes(octets[place : place + 2], "big") & 0x3FFF
                if target >= earliest or place + 2 > len(octets):
                    raise ValueError(f"a pointer leads to {target}")
                end = place + 2 if end < 0 else end
                place = earliest = target
                continue
            if length > 63:
                raise ValueError("a label has more than 63 octets")
            result += octets[place : place + 1 + length]
            if not length:
                at = place + 1 if end < 0 else end
                break
            place += 1 + length
    return bytes(result)
