"""What of a Kea configuration an inventory does not hold, and why."""

from __future__ import annotations

from coexist.importers.account import Account, Harmless
from coexist.languages.kea.json_nodes import Node

_WHY: dict[str, str] = {
    "interfaces-config": Harmless("the inventory knows VLANs, not the server's network cards"),
    "control-socket": Harmless("how the daemon is controlled says nothing about booting"),
    "control-sockets": Harmless("how the daemon is controlled says nothing about booting"),
    "lease-database": Harmless("where leases are kept says nothing about booting"),
    "hosts-database": "reservations in a database are not read",
    "hosts-databases": "reservations in a database are not read",
    "expired-leases-processing": Harmless("how leases are kept says nothing about booting"),
    "dhcp-ddns": Harmless("dynamic DNS says nothing about booting"),
    "ip-reservations-unique": Harmless(
        "whether reservations may share an address follows from the reservations"
    ),
    "hooks-libraries": "hooks may do anything; they are not followed",
    "loggers": Harmless("logging says nothing about booting"),
    "renew-timer": Harmless("times a client renews at are not in the inventory"),
    "rebind-timer": Harmless("times a client renews at are not in the inventory"),
    "min-valid-lifetime": Harmless("the inventory has one lease time; this limits what clients may ask for"),
    "max-valid-lifetime": Harmless("the inventory has one lease time; this limits what clients may ask for"),
    "server-hostname": Harmless("the header field sname, which no boot firmware reads"),
    "interface": Harmless("the inventory knows VLANs, not the server's network cards"),
    "id": Harmless("Kea's own number of a subnet"),
    "sanity-checks": Harmless("how leases are kept says nothing about booting"),
    "multi-threading": Harmless("how the daemon runs says nothing about booting"),
    "relay": "the inventory knows a VLAN's relay by its gateway",
    "user-context": Harmless("a note for people"),
    "comment": Harmless("a note for people"),
    "match-client-id": Harmless("how leases are told apart is not in the inventory"),
    "echo-client-id": Harmless("whether option 61 comes back is not in the inventory"),
}


_TIMES = Harmless("times a client renews at are not in the inventory")
_NAMES = Harmless("dynamic DNS says nothing about booting")
_V6 = Harmless("DHCPv4 over DHCPv6, which no boot firmware speaks")
_WHY |= {
    **dict.fromkeys(("calculate-tee-times", "t1-percent", "t2-percent"), _TIMES),
    **dict.fromkeys(
        (
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
        ),
        _NAMES,
    ),
    **dict.fromkeys(("4o6-interface", "4o6-interface-id", "4o6-subnet", "dhcp4o6-port"), _V6),
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
