"""What of a Kea configuration an inventory does not hold, and why."""

from __future__ import annotations

from coexist.importers.account import Account, Harmless
from coexist.languages.kea.json_nodes import Node

RENEWAL = ("renew-timer", "rebind-timer", "calculate-tee-times", "t1-percent", "t2-percent")
"""Keys of times at which a client renews."""
LIMITS = ("min-valid-lifetime", "max-valid-lifetime")
NAMES = (
    "ddns-generated-prefix",
    "ddns-override-client-update",
    "ddns-override-no-update",
    "ddns-qualifying-suffix",
    "ddns-replace-client-name",
    "ddns-send-updates",
    "ddns-update-on-renew",
    "ddns-use-conflict-resolution",
    "hostname-char-replacement",
    "hostname-char-set",
)
"""Keys of dynamic DNS, and of the names it is told."""
LATER_NAMES = (
    "ddns-ttl", "ddns-ttl-max", "ddns-ttl-min", "ddns-ttl-percent", "ddns-conflict-resolution-mode",
)  # fmt: skip
"""Such keys of releases later than 2.2."""
_OVER_V6 = ("4o6-interface", "4o6-interface-id", "4o6-subnet")
_NOTES = ("user-context", "comment")
_WHY: dict[str, str] = {
    "ip-reservations-unique": Harmless(
        "whether reservations may share an address follows from the reservations"
    ),
    "server-hostname": "the header field sname is not in the inventory",
    "relay": "the inventory knows a VLAN's relay by its gateway",
    **dict.fromkeys(_OVER_V6, Harmless("DHCPv4 over DHCPv6, which no boot firmware speaks")),
    **dict.fromkeys(_NOTES, Harmless("a note for people")),
}


def leave(holder: Node, key: str, why: str) -> None:
    """Say why a member of ``holder`` is left out, where it is there."""
    found = holder.get(key)
    if found is not None:
        found.leave(why)


def shown(name: str, node: Node) -> str:
    """A member as the file has it."""
    return f'"{name}": {node.text}' if name else node.text


def tell_what_is_left(tree: Node, account: Account) -> None:
    """Each part of the file that nothing took, with the reason that was given or that its name has."""
    for node, name in tree.left():
        if not node.why and node.value in ({}, [], ""):
            node.why = Harmless("it is empty")
        account.left_out(node.at, shown(name, node), node.why or _WHY.get(name, "not understood"))
