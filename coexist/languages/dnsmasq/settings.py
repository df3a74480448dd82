"""The lines of a dnsmasq.conf that an inventory's ``settings`` stand for."""

from __future__ import annotations

from collections.abc import Mapping

_PROGRAM_KEYWORDS = frozenset({"pxe-service", "pxe-prompt", "dhcp-boot"})


def setting_lines(settings: Mapping[str, object]) -> list[str]:
    """The lines an inventory's ``settings`` of a dnsmasq stand for: ``true`` is a keyword alone."""
    return [
        keyword if item is True else f"{keyword}={item}"
        for keyword, value in settings.items()
        for item in (value if isinstance(value, (list, tuple)) else [value])
    ]


def says_its_programs(settings: Mapping[str, object]) -> bool:
    """Whether ``settings`` hold dnsmasq's own lines about boot programs, which count then instead of what
    ``programs`` would make of it."""
    return not settings.keys().isdisjoint(_PROGRAM_KEYWORDS)


def without_programs(settings: Mapping[str, object]) -> dict[str, object]:
    """``settings`` without those lines."""
    return {keyword: value for keyword, value in settings.items() if keyword not in _PROGRAM_KEYWORDS}
