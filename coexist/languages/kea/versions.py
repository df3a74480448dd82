"""What Kea's DHCPv4 configuration may say from which release on, and what it may not say any more.

Source: Kea's ChangeLog up to 2.5.8 (a keyword of a development release counts from the stable release that
followed) and the grammar of 3.0 (``dhcp4_parser.yy``). Kea 2.2.0 refuses all that came later: tried with
``kea-dhcp4 -t``. No release after 2.2 was run.
"""

from __future__ import annotations

from collections.abc import Iterator

from coexist.errors import Problem
from coexist.languages.kea.json_nodes import Node

SINCE: dict[str, tuple[int, int]] = {
    "adaptive-lease-time-threshold": (2, 4),
    "allocator": (2, 4),
    "ddns-ttl-percent": (2, 4),
    "never-send": (2, 4),
    "offer-lifetime": (2, 4),
    "pool-id": (2, 4),
    "stash-agent-options": (2, 4),
    "template-test": (2, 4),
    "ddns-conflict-resolution-mode": (2, 6),
    "output-options": (2, 6),
    "retry-on-startup": (2, 6),
    "control-sockets": (3, 0),
    "ddns-ttl": (3, 0),
    "ddns-ttl-max": (3, 0),
    "ddns-ttl-min": (3, 0),
}
"""Keywords by the first stable release that knows them."""
UNTIL: dict[str, tuple[tuple[int, int], str]] = {
    "reservation-mode": (
        (2, 7),
        "write reservations-global, reservations-in-subnet and reservations-out-of-pool",
    ),
}
"""Keywords by the first release that does not know them any more, and what is written in their place."""
_ALONE = (2, 2)
_FREE = frozenset({"user-context", "parameters", "comment"})
"""Members whose own members are nobody's keywords."""


def shown(version: tuple[int, int]) -> str:
    """A version as it is written."""
    return ".".join(map(str, version))


def beside(whole: Node, version: tuple[int, int]) -> Iterator[Problem]:
    """What stands beside ``Dhcp4`` in a file of its own, where a server takes that alone."""
    if version < _ALONE or "Dhcp4" not in dict(whole.members()):
        return
    for key, item in whole.members():
        if key != "Dhcp4":
            what = f"syntax error, unexpected {key!r} beside Dhcp4"
            yield Problem(
                item.at, what, "remove it: loggers stand in Dhcp4, other servers have files of their own"
            )


def unknown_keywords(tree: Node, version: tuple[int, int]) -> Iterator[Problem]:
    """The keywords that a server of a version refuses, each at its place."""
    for key, item in tree.members():
        if key in _FREE:
            continue
        first = SINCE.get(key)
        if first is not None and version < first and not (first == (3, 0) and version >= (2, 7)):
            release = shown(first)
            remedy = f"remove it, or declare the version that runs: `software: kea {release}`"
            yield Problem(item.at, f"Kea {shown(version)} does not know {key}, {release} does", remedy)
        elif key in UNTIL and version >= UNTIL[key][0]:
            yield Problem(item.at, f"Kea {shown(version)} does not know {key} any more", UNTIL[key][1])
        if isinstance(item.value, dict | list):
            yield from unknown_keywords(item, version)
    for item in tree.elements():
        yield from unknown_keywords(item, version)
