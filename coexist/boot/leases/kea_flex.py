"""The hook flex_option of Kea: options added, replaced or taken out when a reply is sent.

Source: the Kea ARM, "libdhcp_flex_option.so": ``add`` where the reply has no such option, ``supersede`` in
any case, both only with a value that is not empty; ``remove`` where an expression holds.
"""

from __future__ import annotations

from coexist.errors import Position
from coexist.languages.kea.expressions import (
    BadExpressionError,
    Truth,
    Value,
    parse_expression,
    parse_value,
)
from coexist.languages.kea.json_nodes import Node
from coexist.languages.kea.option_data import DHCP4, OptionTypes
from coexist.records import dataclass

HOOK = "libdhcp_flex_option.so"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexOption:
    """One of its entries: ``value`` for add and supersede, ``test`` for remove."""

    code: int
    action: str
    value: Value | None
    test: Truth | None
    at: Position


def read_flex_options(node: Node, types: OptionTypes) -> tuple[FlexOption, ...] | None:
    """What a library is told; None where something of it is not understood."""
    parameters = node.get("parameters")
    found: list[FlexOption] = []
    for entry in () if parameters is None else parameters.items("options"):
        option = _entry(entry, types)
        if option is None:
            return None
        found.append(option)
    return tuple(found)


def _entry(entry: Node, types: OptionTypes) -> FlexOption | None:
    code, name = entry.plain("code", int), entry.plain("name")
    if code is None and name:
        known = types.find(DHCP4, name)
        code = None if known is None else known.code
    actions = [word for word in ("add", "supersede", "remove") if entry.plain(word)]
    understood = {"code", "name", "space", "comment", "add", "supersede", "remove"}
    more = {key for key, _ in entry.members()} - understood
    if code is None or len(actions) != 1 or more or entry.plain("space") not in (None, DHCP4):
        return None
    action = actions[0]
    text = entry.plain(action) or ""
    try:
        if action == "remove":
            return FlexOption(code=code, action=action, value=None, test=parse_expression(text), at=entry.at)
        return FlexOption(code=code, action=action, value=parse_value(text), test=None, at=entry.at)
    except BadExpressionError:
        return None
