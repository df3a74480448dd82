"""``dhcp-parameter-request-list`` in a dhcpd.conf: a list of the file takes the place of the client's.

A reply has the options of the list and no others (``cons_options`` in common/options.c), whatever the client
asks for. ``concat`` with the client's own list adds to it.
"""

from __future__ import annotations

from collections.abc import Callable

from coexist.boot.leases.dhcpd.options import DHCP, MANDATORY
from coexist.importers.conditions import ALWAYS
from coexist.importers.program import Step, effective
from coexist.languages.dhcpd.syntax import Assign, Call, Data, OptionOf
from coexist.records import dataclass
from coexist.wire.option_codes import Option

_WHATEVER_IS_LISTED = frozenset({*MANDATORY, int(Option.SUBNET_MASK)})


REQUEST_LIST = "request-list"
"""The key of the steps whose value is a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestList:
    """Option codes that a file lists. ``adds``: to the client's list, which otherwise does not count."""

    codes: frozenset[int]
    adds: bool


def request_list(statement: Assign, value: bytes | None) -> RequestList | None:
    """The list that a statement sets; None for other statements. ``value``: its octets, if it is constant."""
    option = statement.option
    if option.space != DHCP or option.code != Option.PARAMETER_REQUEST_LIST:
        return None
    if value:
        return RequestList(codes=frozenset(value), adds=False)
    call = statement.value
    if not isinstance(call, Call) or call.function != "concat":
        return None
    first, *rest = call.arguments or (None,)
    added = [part.octets for part in rest if isinstance(part, Data)]
    if not isinstance(first, OptionOf) or first.option != option or len(added) != len(rest):
        return None
    return RequestList(codes=frozenset(b"".join(added)), adds=True)


def apply_request_lists(
    steps: list[Step], complain: Callable[[Step, str], None]
) -> tuple[list[Step], frozenset[int]]:
    """The steps of a scope without those for its lists, and the codes that are sent unasked.

    One list for all clients takes away the options that it does not have. One for some clients cannot: an
    inventory's scope sends its options to whoever asks.
    """
    kept = [step for step in steps if step.key != REQUEST_LIST]
    lists = effective([step for step in steps if step.key == REQUEST_LIST])
    sent = frozenset[int]().union(*(step.value.codes for step in lists))
    constant = [step for step in lists if not step.value.adds]
    if constant and len(lists) == 1 and lists[0].condition == ALWAYS:
        listed = sent | _WHATEVER_IS_LISTED
        unlisted = [step for step in kept if isinstance(step.key, int) and step.key not in listed]
        for step in unlisted:
            complain(step, "no client is sent this option: dhcp-parameter-request-list does not name it")
        return [step for step in kept if step not in unlisted], sent
    for step in constant:
        complain(step, "only some clients are sent these options alone; here every client is sent them too")
    return kept, sent
