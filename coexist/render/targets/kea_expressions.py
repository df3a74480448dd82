"""Kea's classification expressions. An option that is not there is an empty string to them."""

from __future__ import annotations

from collections.abc import Iterable

from coexist.inventory.models import OptionTest
from coexist.render.cells import Cell, octet_prefixes
from coexist.render.quoting import kea_octets
from coexist.wire.architecture import Architecture
from coexist.wire.option_codes import Option

# Kea gives these names to classes of its own (ARM 2.2, section 14.2).
_BUILT_IN = frozenset({"ALL", "BOOTP", "DROP", "KNOWN", "SKIP_DDNS", "UNKNOWN"})


def listed_class(cell: Cell) -> str:
    """The class of the machines a cell lists."""
    return f"{cell.name} by list" if cell.name in _BUILT_IN else cell.name


def range_class(cell: Cell) -> str:
    """The class of the machines a cell has by range."""
    return f"{cell.name} by range"


def interval_test(cell: Cell) -> str:
    """Whether a MAC is in the ranges of a cell."""
    prefixes = [prefix for first, last in cell.intervals for prefix in octet_prefixes(first, last)]
    inside = any_of(_mac_begins(prefix) for prefix in prefixes)
    if not cell.excluded:
        return inside
    return f"({inside}) and not ({any_of(_mac_begins(mac.to_bytes(6, 'big')) for mac in cell.excluded)})"


def _mac_begins(prefix: bytes) -> str:
    return f"substring(pkt4.mac, 0, {len(prefix)}) == {kea_octets(prefix)}"


def any_of(terms: Iterable[str]) -> str:
    """The disjunction; halves nest in parentheses, so that Kea's parser never goes deep."""
    listed = list(terms)
    if len(listed) <= 8:
        return " or ".join(listed)
    half = len(listed) // 2
    return f"({any_of(listed[:half])}) or ({any_of(listed[half:])})"


def equals(code: int, octets: bytes) -> str:
    """Whether an option is some octets."""
    return f"option[{int(code)}].hex == {kea_octets(octets)}"


def starts_with(code: int, octets: bytes) -> str:
    """Whether an option begins with some octets."""
    return f"substring(option[{int(code)}].hex, 0, {len(octets)}) == {kea_octets(octets)}"


def architecture_test(code: int) -> str:
    """Whether a client is of an architecture."""
    named = starts_with(Option.CLIENT_SYSTEM_ARCHITECTURE, code.to_bytes(2, "big"))
    if code != Architecture.X86_BIOS:
        return named
    # ROMs older than RFC 4578 send no option 93.
    silent = f"not option[93].exists and {starts_with(Option.VENDOR_CLASS_IDENTIFIER, b'PXEClient')}"
    return f"({named} or ({silent}))"


def option_test(test: OptionTest) -> str:
    """A declared test on an option."""
    term = _comparison(test)
    return f"not ({term})" if test.negated else term


def _comparison(test: OptionTest) -> str:
    option = f"option[{test.option}]"
    if test.suboption is not None:
        relayed = test.option == Option.RELAY_AGENT_INFORMATION
        option = f"relay4[{test.suboption}]" if relayed else f"{option}.option[{test.suboption}]"
    if test.exists is not None:
        return f"{option}.exists" if test.exists else f"not {option}.exists"
    octets = kea_octets(test.octets)
    length = len(test.octets)
    if test.equals is not None:
        return f"{option}.hex == {octets}"
    if test.starts_with is not None:
        return f"substring({option}.hex, {test.at}, {length}) == {octets}"
    if test.ends_with is not None:
        return f"substring({option}.hex, -{length}, all) == {octets}"
    # Kea has no search inside a value; report_dhcp_limits has told so. Nobody fits.
    return "not member('ALL')"
