"""dhcpd's names of options, their values, and its boolean expressions."""

from __future__ import annotations

from coexist.inventory.models import OptionTest
from coexist.languages.dhcpd.options import WRITTEN_BY_NAME
from coexist.render.cells import Cell, octet_prefixes
from coexist.render.quoting import dhcpd_octets, dhcpd_string
from coexist.wire.architecture import Architecture
from coexist.wire.option_codes import Option, OptionKind, option_kind

OPTION_NAMES = {code: option.name for code, option in WRITTEN_BY_NAME.items()}
"""The names of the options that are written in their own form here."""


def option_name(code: int) -> str:
    """Dhcpd's name of an option, or the one it is given here."""
    return OPTION_NAMES.get(code, f"coexist-{code}")


# dhcpd reads their addresses two by two (common/tables.c, "IIA"), a list of single ones is an error to it.
_PAIRS = frozenset({21, 33})


def option_value(code: int, octets: bytes) -> str:
    """What stands behind ``option NAME``: its own spelling, or an expression of octets."""
    kind = option_kind(code)
    if code in OPTION_NAMES and kind is OptionKind.TEXT and octets:
        return dhcpd_string(octets)
    if (
        code in OPTION_NAMES
        and code not in _PAIRS
        and kind in (OptionKind.ADDRESS, OptionKind.ADDRESSES)
        and octets
        and len(octets) % 4 == 0
    ):
        return ", ".join(".".join(map(str, octets[i : i + 4])) for i in range(0, len(octets), 4))
    return f"= {dhcpd_octets(octets)}"


def range_class(cell: Cell) -> str:
    """The class of the machines a cell has by range."""
    return f"{cell.name} by range"


def interval_test(cell: Cell) -> str:
    """Whether a MAC is in the ranges of a cell."""
    prefixes = [prefix for first, last in cell.intervals for prefix in octet_prefixes(first, last)]
    inside = any_of([_hardware(prefix) for prefix in prefixes])
    if not cell.excluded:
        return inside
    others = any_of([_hardware(mac.to_bytes(6, "big")) for mac in cell.excluded], always=True)
    return f"{inside} and not {others}"


def _hardware(prefix: bytes) -> str:
    # The first octet of `hardware` is the type: 1 is Ethernet.
    whole = b"\1" + prefix
    return (
        f"hardware = {whole.hex(':')}"
        if len(prefix) == 6
        else f"substring(hardware, 0, {len(whole)}) = {whole.hex(':')}"
    )


def any_of(terms: list[str], *, always: bool = False) -> str:
    """The disjunction, in parentheses where one is needed; halves nest, so that dhcpd's recursion stays
    shallow."""
    if len(terms) == 1:
        return f"({terms[0]})" if always else terms[0]
    if len(terms) <= 8:
        return f"({' or '.join(terms)})"
    half = len(terms) // 2
    return f"({any_of(terms[:half])} or {any_of(terms[half:])})"


def none_of(term: str) -> str:
    """The negation of a term."""
    # `and` with a false left side, and a pattern on an option that is not there, are neither true nor false
    # to dhcpd, and so is their negation (evaluate_boolean_expression, common/tree.c); `or` with a falsehood
    # is false.
    return f"not (({term}) or 0 = 1)"


def group_test(name: str) -> str:
    """Whether a packet is of a cell."""
    return f"config-option coexist.group = {dhcpd_string(name)}"


def equals(option: str, octets: bytes) -> str:
    """Whether an option is some octets."""
    return f"option {option} = {dhcpd_octets(octets)}"


def starts_with(option: str, octets: bytes) -> str:
    """Whether an option begins with some octets."""
    return f"substring(option {option}, 0, {len(octets)}) = {dhcpd_octets(octets)}"


def architecture_test(code: int) -> str:
    """Whether a client is of an architecture."""
    named = f"substring(option pxe-system-type, 0, 2) = {code.to_bytes(2, 'big').hex(':')}"
    if code != Architecture.X86_BIOS:
        return named
    # ROMs older than RFC 4578 send no option 93.
    silent = f"not exists pxe-system-type and {starts_with('vendor-class-identifier', b'PXEClient')}"
    return f"({named} or ({silent}))"


def option_test(test: OptionTest) -> str:
    """A declared test on an option."""
    term = _comparison(test, tested_name(test))
    return none_of(term) if test.negated else term


def _comparison(test: OptionTest, name: str) -> str:
    if test.exists is not None:
        return f"exists {name}" if test.exists else f"not exists {name}"
    octets = test.octets
    if test.equals is not None:
        return equals(name, octets)
    if test.starts_with is not None:
        return f"substring(option {name}, {test.at}, {len(octets)}) = {dhcpd_octets(octets)}"
    if test.ends_with is not None:
        return f"suffix(option {name}, {len(octets)}) = {dhcpd_octets(octets)}"
    return f"option {name} ~= {dhcpd_string(_regex(octets))}"


def tested_name(test: OptionTest) -> str:
    """Dhcpd's name of the option a test looks at; the relay agent's are known to it as `agent`."""
    if test.suboption is None:
        return option_name(test.option)
    space = "agent" if test.option == Option.RELAY_AGENT_INFORMATION else f"coexist-in-{test.option}"
    return f"{space}.unknown-{test.suboption}"


def _regex(octets: bytes) -> bytes:
    """A POSIX extended regular expression that finds exactly these octets."""
    special = frozenset(b".[]{}()*+?^$|\\")
    return b"".join(b"\\" + bytes((o,)) if o in special else bytes((o,)) for o in octets)
