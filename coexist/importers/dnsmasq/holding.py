"""Options that hold others (``encap:``, ``vi-encap:``), as the one value that dnsmasq sends for them.

Source: ``do_encap_opts`` and ``do_options`` of ``src/rfc2131.c``, 2.90.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from coexist.languages.dnsmasq.options import Kind, OptionLine
from coexist.wire.option_codes import Option

_END = b"\xff"
_MOST = 250
"""Octets of one value; of more dnsmasq makes several."""


def outer_of(line: OptionLine) -> int | None:
    """The option that holds a line's, where it is not for the clients of a vendor."""
    if line.enterprise is not None:
        return int(Option.VENDOR_IDENTIFYING_VENDOR_SPECIFIC)
    return line.encapsulated


def holding(options: Sequence[OptionLine]) -> dict[int, tuple[list[OptionLine], bytes]]:
    """The lines and the value of each option that holds others and is the same for every client.

    In the order of a reply: the last line of the file first. Not those that depend on tags, that hold texts
    (which some clients are told with a NUL), or whose code another line gives too.
    """
    plain = {line.code for line in options if not line.is_inside}
    groups: dict[int, list[OptionLine]] = defaultdict(list)
    for line in reversed(options):
        outer = outer_of(line)
        if outer is not None:
            groups[outer].append(line)
    found = {}
    for outer, lines in groups.items():
        inner = b"".join(bytes((line.code & 255, len(line.value))) + line.value for line in lines)
        is_one = len({(line.enterprise, line.force) for line in lines}) == 1
        is_plain = not any(line.tags or line.kind is Kind.TEXT for line in lines)
        if outer in plain or outer == Option.VENDOR_SPECIFIC_INFORMATION or len(inner) > _MOST:
            continue
        if is_one and is_plain:
            enterprise = lines[0].enterprise
            head = b"" if enterprise is None else enterprise.to_bytes(4, "big") + bytes((len(inner),))
            found[outer] = (lines, head + inner + (_END if enterprise is None else b""))
    return found
