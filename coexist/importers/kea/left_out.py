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
_OVER_V6 = ("4o6-interface", "4o6-interface-id", "4o6-subnet")
_NOTES = ("user-context", "comment")
_WHY: dict[str, str] = {
    "hosts-database": "reservations in a database are not read",
    "hosts-databases": "reservations in a database are not read",
    "ip-reservations-unique": Harmless(
        "whether reservations may share an address follows from the reservations"
    ),
    "server-hostname": Harmless("the header field sname, which no boot firmware reads"),
    "interface": Harmless("the inventory knows VLANs, not the server's network cards"),
    "id": Harmless("Kea's own number of a subnet"),
    "relay": "the inventory knows a VLAN's relay by its gateway",
    "match-client-id": Harmless("how leases are told apart is not in the inventory"),
    "echo-client-id": Harmless("whether option 61 comes back is not in the inventory"),
    **dict.fromkeys(RENEWAL, Harmless("times a client renews at are not in the inventory")),
    **dict.fromkeys(
        LIMITS, Harmless("the inventory has one lease time; this limits what clients may ask for")
    ),
    **dict.fromkeys(NAMES, Harmless("dynamic DNS says nothing about booting")),
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
        account.left_out(node.at, shown(name, node), node.why or _WHY.get(name, "not understood"))
