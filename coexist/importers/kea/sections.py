"""What a Kea configuration lists, looked at without taking it: nobody has understood it by that."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from coexist.languages.kea.json_nodes import Node


def networks_of(dhcp4: Node) -> Iterator[IPv4Network]:
    """Every subnet of a configuration."""
    for holder in (dhcp4, *dhcp4.items("shared-networks")):
        for node in holder.items("subnet4"):
            try:
                yield IPv4Network(node.plain("subnet") or "", strict=False)
            except ValueError:
                continue


def given_classes(dhcp4: Node) -> frozenset[str]:
    """The classes that reservations list."""
    return frozenset(
        str(item.value)
        for holder in (dhcp4, *subnets(dhcp4))
        for node in peeked(holder, "reservations")
        for item in peeked(node, "client-classes")
    )


def gate_classes(dhcp4: Node) -> frozenset[str]:
    """The classes that pools are for."""
    return frozenset(
        str(item.value)
        for subnet in subnets(dhcp4)
        for pool in peeked(subnet, "pools")
        for key, member in pool.members()
        if key in ("client-class", "client-classes")
        for item in (member.elements() or [member])
        if isinstance(item.value, str)
    )


def tests_of(dhcp4: Node) -> list[str]:
    """The tests of the classes."""
    members = (dict(node.members()) for node in peeked(dhcp4, "client-classes"))
    return [str(found["test"].value) for found in members if "test" in found]


def subnets(dhcp4: Node) -> Iterator[Node]:
    """The subnets, those of shared networks too."""
    for holder in (dhcp4, *peeked(dhcp4, "shared-networks")):
        yield from peeked(holder, "subnet4")


def peeked(node: Node, key: str) -> list[Node]:
    """The elements of a list member."""
    found = dict(node.members()).get(key)
    return found.elements() if found is not None else []


def asked(subnet: Node) -> list[str]:
    """The classes a subnet asks for, in its order."""
    return [
        item.value
        for key in ("require-client-classes", "evaluate-additional-classes")
        for item in subnet.items(key)
    ]
