"""Options inside other options: which option of DHCP holds the space that an expression looks into."""

from __future__ import annotations

from collections.abc import Mapping

from coexist.languages.dhcpd.levels import Outline
from coexist.languages.dhcpd.syntax import OptionName

_AGENT, _RELAY_AGENT_INFORMATION = "agent", 82


def holders_of(outline: Outline) -> dict[str, int]:
    """The code of the option that holds each space; the relay agent's is known."""
    found = {_AGENT: _RELAY_AGENT_INFORMATION}
    for definition in outline.definitions:
        option = definition.option
        if option.space == "dhcp" and option.format[:1] == "E" and len(option.format) > 1:
            found[option.format[1:].rstrip(".").lower()] = option.code
    return found


def place_of(option: OptionName, holders: Mapping[str, int]) -> tuple[int, int | None] | None:
    """Where a client sends an option: its code, or its holder's and its own; None if that is not known."""
    if option.space == "dhcp":
        return (option.code, None) if 0 < option.code < 255 else None
    holder = holders.get(option.space.lower())
    return None if holder is None or not 0 < option.code < 255 else (holder, option.code)
