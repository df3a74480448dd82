"""What of a Kea configuration goes into the new file word for word: how the daemon runs, not whom it answers.

The keywords stand in a server's ``settings``; its renderer writes them as they are.
"""

from __future__ import annotations

import json
from typing import Any

from coexist.boot.leases.kea_config import COMMAND_HOOKS
from coexist.boot.leases.kea_pairs import HOOK as HIGH_AVAILABILITY
from coexist.importers.kea.left_out import LIMITS, NAMES, RENEWAL
from coexist.languages.kea.json_nodes import Node
from coexist.text.redaction import redacted

_KEYWORDS = (
    "interfaces-config", "control-socket", "control-sockets", "lease-database", "loggers",
    "expired-leases-processing", "dhcp-ddns", *NAMES, "sanity-checks", "multi-threading",
    "decline-probation-period", *RENEWAL, *LIMITS, "store-extended-info", "dhcp4o6-port", "server-tag",
    "parked-packet-limit", "statistic-default-sample-age", "statistic-default-sample-count",
)  # fmt: skip
_SECRET = "what it holds is secret; write it in `settings`, with a reference in its place"
_LEASE_COMMANDS = "libdhcp_lease_cmds.so"


def keep(dhcp4: Node, *, paired: bool) -> dict[str, Any]:
    """The ``settings`` that the file's top level makes. ``paired``: its high availability is declared."""
    members = dict(dhcp4.members())
    kept = {}
    for key in _KEYWORDS:
        node = members.get(key)
        if node is not None and not node.taken and _can_be_kept(node):
            kept[key] = _take(node)
    hooks = members.get("hooks-libraries")
    if hooks is not None:
        hooks.taken = True
        libraries = [_take(hook) for hook in hooks.elements() if _is_kept(hook, paired=paired)]
        if libraries:
            kept["hooks-libraries"] = libraries
    return kept


def _is_kept(hook: Node, *, paired: bool) -> bool:
    library = dict(hook.members()).get("library")
    name = str(library.value).rsplit("/", 1)[-1] if library is not None else ""
    if paired and name in (HIGH_AVAILABILITY, _LEASE_COMMANDS):
        # The pair is declared: its renderer loads both.
        if _can_be_kept(hook):
            _take(hook)
        return False
    if name in COMMAND_HOOKS:
        return _can_be_kept(hook)
    hook.leave("hooks may do anything; they are not followed")
    return False


def _can_be_kept(node: Node) -> bool:
    """Whether no secret is in it: an inventory names secrets and holds none."""
    text = json.dumps(_plain(node))
    if redacted(text) == text:
        return True
    node.leave(_SECRET)
    return False


def _take(node: Node) -> Any:
    node.taken = True
    for _, member in node.members():
        _take(member)
    for element in node.elements():
        _take(element)
    return _plain(node)


def _plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: _plain(member) for key, member in node.members()}
    return [_plain(element) for element in node.elements()] if isinstance(node.value, list) else node.value
