"""The lines of a dnsmasq.conf that an inventory's ``settings`` stand for."""

from __future__ import annotations

from collections.abc import Mapping


def setting_lines(settings: Mapping[str, object]) -> list[str]:
    """The lines an inventory's ``settings`` of a dnsmasq stand for: ``true`` is a keyword alone."""
    return [
        keyword if item is True else f"{keyword}={item}"
        for keyword, value in settings.items()
        for item in (value if isinstance(value, (list, tuple)) else [value])
    ]
