"""What of a Kea configuration goes into the new file word for word: what an inventory has no words for.

How the daemon runs, and what a subnet says beside its options and addresses. The keywords stand in a server's
``settings``, those of a subnet below ``subnets``; its renderer writes them as they are. A secret is kept by a
reference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import field
from ipaddress import IPv4Network
from typing import Any

from coexist.boot.leases.kea_config import COMMAND_HOOKS
from coexist.boot.leases.kea_flex import HOOK as FLEX
from coexist.boot.leases.kea_pairs import HOOK as HIGH_AVAILABILITY
from coexist.importers.account import Harmless, NotModelled
from coexist.importers.kea.left_out import LATER_NAMES, LIMITS, NAMES, RENEWAL, shown
from coexist.languages.kea.json_nodes import Node
from coexist.records import dataclass
from coexist.text.redaction import names_secret, redacted

_KEYWORDS = (
    "interfaces-config", "control-socket", "control-sockets", "lease-database", "hosts-database",
    "hosts-databases", "loggers", "expired-leases-processing", "dhcp-ddns", *NAMES, "sanity-checks",
    "multi-threading", "decline-probation-period", *RENEWAL, *LIMITS, "store-extended-info", "dhcp4o6-port",
    "server-tag", "parked-packet-limit", "statistic-default-sample-age", "statistic-default-sample-count",
    "cache-threshold", "cache-max-age", "echo-client-id", "match-client-id", "server-hostname",
    "reservations-out-of-pool", "reservations-lookup-first", "dhcp-queue-control", "compatibility",
    "allocator", "offer-lifetime", "adaptive-lease-time-threshold", "stash-agent-options", *LATER_NAMES,
)  # fmt: skip
_OF_A_SUBNET = (
    "id", "interface", "relay", "authoritative", "match-client-id", "server-hostname", *RENEWAL, *LIMITS,
    *NAMES, "store-extended-info", "cache-threshold", "cache-max-age", "reservations-out-of-pool",
    "4o6-interface", "4o6-interface-id", "4o6-subnet", "allocator", "offer-lifetime", *LATER_NAMES,
    "user-context", "comment",
)  # fmt: skip
_OF_A_POOL = ("pool-id", "user-context", "comment")
_OF_A_CLASS = ("server-hostname", "valid-lifetime", *LIMITS)
"""What a class says that a rule does not."""
_SECRET = "what it holds is secret; write it in `settings`, with a reference in its place"
_LEASE_COMMANDS = "libdhcp_lease_cmds.so"
_NO_RELAY = ("", "0.0.0.0")
_EFFECTS = {
    "libdhcp_bootp.so": "it answers BOOTP clients",
    "libdhcp_ddns_tuning.so": "it makes the names clients are told",
    "libdhcp_flex_id.so": "it decides which reservation a client has",
    "libdhcp_limits.so": "it leaves clients without an answer",
    "libdhcp_ping_check.so": "it decides which address a client is offered, and when",
    "libdhcp_radius.so": "it asks another server what a client gets",
    "libdhcp_user_chk.so": "it decides what a client gets",
    FLEX: "its expressions ask for classes, which are written anew",
}


@dataclass(slots=True)
class Kept:
    """What is kept of one file. ``secrets``: where each reference stands for one. ``paired``: its high
    availability is declared; ``named_by_definitions``: options are kept that may be named by definitions."""

    paired: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, Node] = field(default_factory=dict)
    named_by_definitions: bool = False
    statements: list[NotModelled] = field(default_factory=list)

    # -- the top level ---------------------------------------------------------------------------

    def top(self, dhcp4: Node) -> None:
        """Keep what the file's top level says."""
        members = dict(dhcp4.members())
        for key in _KEYWORDS:
            node = members.get(key)
            if node is not None and (not node.taken or key in _SEEN) and self._can_be_kept(node):
                self.settings[key] = self._told(key, node, (key,))
        # Kea's default; a file that is written from an inventory tells leases apart by MAC.
        self.settings.setdefault("match-client-id", True)
        if self.named_by_definitions and (definitions := _listed(dhcp4, "option-def")):
            self.settings["option-def"] = [node.tree() for node in definitions]
        hooks = members.get("hooks-libraries")
        if hooks is not None:
            hooks.taken = True
            libraries = [
                self._told("hooks-libraries", hook, ("hook", str(number)))
                for number, hook in enumerate(hooks.elements(), start=1)
                if self._is_kept(hook)
            ]
            if libraries:
                self.settings["hooks-libraries"] = libraries

    def _is_kept(self, hook: Node) -> bool:
        library = dict(hook.members()).get("library")
        name = str(library.value).rsplit("/", 1)[-1] if library is not None else ""
        if self.paired and name in (HIGH_AVAILABILITY, _LEASE_COMMANDS):
            # The pair is declared: its renderer loads both.
            if self._can_be_kept(hook):
                self._take(hook, ())
            return False
        text = json.dumps(hook.tree())
        if name in COMMAND_HOOKS or (name == FLEX and "member(" not in text and '"client-class"' not in text):
            return self._can_be_kept(hook)
        hook.leave(f"the hook {name}: {_EFFECTS.get(name, 'what it does to answers is not known')}")
        return False

    # -- subnets, pools and classes ----------------------------------------------------------------

    def network(self, name: str, node: Node) -> None:
        """Keep what a shared network says. ``name``: of the VLAN that it becomes."""
        said = self._said(node, name)
        if said:
            self.settings.setdefault("networks", {})[name] = said

    def _said(self, holder: Node, name: str) -> dict[str, Any]:
        said: dict[str, Any] = {}
        for key, member in holder.members():
            no_relay = key == "relay" and all(text in _NO_RELAY for text in _relays(member))
            if no_relay or (key == "id" and not member.value):
                self._take(member, ())
            elif key in _OF_A_SUBNET and self._can_be_kept(member):
                said[key] = self._told(key, member, ("subnet", name, key))
        return said

    def subnet(self, network: str, node: Node, shared: Node | None, number: int) -> None:
        """Keep what a subnet says, and what it inherits of its shared network. ``number``: the id that Kea
        gives a subnet without one."""
        said: dict[str, Any] = {"id": number}
        for holder in (*([shared] if shared is not None else []), node):
            said |= self._said(holder, str(number))
        self._subnets().setdefault(network, {}).update(said)
        for pool in _listed(node, "pools"):
            members = {key: item for key, item in pool.members() if key in _OF_A_POOL}
            if members and not self.paired:
                self._pool(network, pool).update(
                    {key: self._told(key, item, ()) for key, item in members.items()}
                )

    def pool_options(self, network: str, node: Node) -> None:
        """Keep the options of one of several pools, and the definitions by which they may be named."""
        members = dict(node.members())
        self._pool(network, node)["option-data"] = self._take(members["option-data"], ())
        self.named_by_definitions = True

    def _pool(self, network: str, node: Node) -> dict[str, Any]:
        pools: dict[str, Any] = self._subnets()[network].setdefault("pools", {})
        text = "".join(str(dict(node.members())["pool"].value).split())
        if "/" in text:
            span = IPv4Network(text)
            text = f"{span.network_address}-{span.broadcast_address}"
        found: dict[str, Any] = pools.setdefault(text, {})
        return found

    def shortest(self, network: str, seconds: int) -> None:
        """Keep a lease time that is too short for an inventory."""
        self._subnets().setdefault(network, {})["valid-lifetime"] = seconds

    def _subnets(self) -> dict[str, Any]:
        found: dict[str, Any] = self.settings.setdefault("subnets", {})
        return found

    def reservation(self, node: Node, network: str | None) -> None:
        """Keep a whole reservation, of a subnet or of none, that no row of a list can hold."""
        holder = self.settings if network is None else self._subnets().setdefault(network, {})
        holder.setdefault("reservations", []).append(self._take(node, ()))

    def host(self, mac: str, node: Node, keys: tuple[str, ...], network: str | None) -> None:
        """Keep what a reservation of a machine says beside its row."""
        members = {key: item for key, item in node.members() if key in keys and item.value}
        if members:
            said = {"hw-address": mac} | {key: self._told(key, item, ()) for key, item in members.items()}
            holder = self.settings if network is None else self._subnets().setdefault(network, {})
            holder.setdefault("reservations", []).append(said)

    def part_of_class(self, node: Node, *, given: bool) -> None:
        """Keep what a class says that a rule does not, where its test asks for no class of the file.

        ``given``: reservations put machines into it.
        """
        members = dict(node.members())
        said = {
            key: item for key, item in members.items() if key in _OF_A_CLASS and item.value not in ("", None)
        }
        empty = [item for key, item in members.items() if key in _OF_A_CLASS and item.value in ("", None)]
        for item in empty:
            item.taken = True
        test = members.get("test")
        listed = any(members[key].value for key in _LISTED if key in members)
        if not said:
            return
        if test is None or "member(" in str(test.value) or listed or given:
            for item in said.values():
                item.leave(
                    "what a class says of names and times is kept only for a class with a test of its own"
                )
            return
        kept = {"name": members["name"].value, "test": test.value}
        kept |= {key: self._told(key, item, ()) for key, item in said.items()}
        self.settings.setdefault("client-classes", []).append(kept)

    def drop(self, node: Node) -> None:
        """Keep a class DROP that is about messages no inventory speaks of."""
        self.settings.setdefault("client-classes", []).append(self._told("client-classes", node, ()))

    def addresses(self) -> Iterator[str]:
        """The addresses of the reservations that are kept."""
        for holder in (self.settings, *self.settings.get("subnets", {}).values()):
            yield from (
                entry["ip-address"] for entry in holder.get("reservations", []) if "ip-address" in entry
            )

    def _told(self, key: str, node: Node, path: tuple[str, ...]) -> Any:
        """What is taken of a member, and told to those who write another product's file."""
        statement = redacted(shown(key, node))
        self.statements.append(
            NotModelled(node.at, statement, "no other product's file says it", harmless=True)
        )
        return self._take(node, path)

    # -- values ------------------------------------------------------------------------------------

    def _can_be_kept(self, node: Node) -> bool:
        """Whether no secret is in it but those a reference may stand for."""
        text = json.dumps(_without_secrets(node.tree()))
        if redacted(text) == text:
            return True
        node.leave(_SECRET)
        return False

    def _take(self, node: Node, path: tuple[str, ...]) -> Any:
        """The value of a node, understood from now on, with references in the place of its secrets."""
        node.taken = True
        if isinstance(node.value, dict):
            return {key: self._take_member(key, member, (*path, key)) for key, member in node.members()}
        if isinstance(node.value, list):
            return [
                self._take(element, (*path, str(number)))
                for number, element in enumerate(node.elements(), start=1)
            ]
        return node.value

    def _take_member(self, key: str, member: Node, path: tuple[str, ...]) -> Any:
        if not _is_secret(key, member.value):
            return self._take(member, path)
        member.taken = True
        reference = _reference(path)
        self.secrets[reference] = member
        return {"secret": reference}


_SEEN = ("reservations-out-of-pool",)
"""Keys that others look at too."""
_LISTED = ("only-if-required", "only-in-additional-list")


def never_asked(test: str) -> bool:
    """Whether a test is about a message that no inventory speaks of: DECLINE, RELEASE and the like."""
    found = [part.strip() for part in test.replace("(", " ").replace(")", " ").split(" or ")]
    return all(part in _OTHER_MESSAGES for part in found)


_OTHER_MESSAGES = frozenset(f"pkt4.msgtype == {number}" for number in (4, 7, *range(9, 19)))


def leave_switch(holder: Node, *, top: bool) -> None:
    """Say whether a level's own switch for global reservations changes anything."""
    for key, member in holder.members():
        if key == "reservations-global" and not member.taken:
            same = member.value is top or member.value is False
            why = "global reservations of some subnets alone are not in the inventory"
            member.leave(Harmless("as everywhere in this file") if same else why)


def _is_secret(key: str, value: object) -> bool:
    """Whether a value is a secret; a file that holds one is none."""
    return names_secret(key) and not key.endswith("-file") and isinstance(value, str) and value != ""


def _reference(path: tuple[str, ...]) -> str:
    words = "_".join(part for part in ("kea", *path)).upper()
    return "env:" + "".join(sign if sign.isalnum() else "_" for sign in words)


def _relays(node: Node) -> Iterator[str]:
    for key, member in node.members():
        if key in ("ip-address", "ip-addresses"):
            yield from (
                str(item.value)
                for item in (member.elements() or [member])
                if not isinstance(item.value, list)
            )


def _listed(node: Node, key: str) -> list[Node]:
    found = dict(node.members()).get(key)
    return found.elements() if found is not None else []


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_secrets(item)
            for key, item in value.items()
            if not (names_secret(key) and isinstance(item, str))
        }
    return [_without_secrets(item) for item in value] if isinstance(value, list) else value
