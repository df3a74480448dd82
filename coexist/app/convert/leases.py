"""The leases of the old server for the new one: dhcpd.leases as Kea's lease file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from coexist.errors import Problem
from coexist.languages.dhcpd.lease_file import NEVER, LeaseEntry, read_lease_file
from coexist.languages.kea.lease_file import DECLINED, KeaLease, lease_csv
from coexist.records import dataclass
from coexist.wire.option_codes import INFINITE_LEASE

_PROBATION = 86400
"""Seconds that an address stays out of use after a conflict: decline-probation-period of Kea, and
abandon-lease-time of dhcpd."""
_HELD = frozenset({"active", "bootp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedLeases:
    """The new lease file. ``carried``: leases in it; ``ended``: those that nobody holds any more;
    ``problems``: entries that are not in it, each with its line."""

    text: str
    carried: int
    ended: int
    problems: tuple[Problem, ...]


def carry_leases(text: str, file: str, config: str, version: tuple[int, ...]) -> CarriedLeases:
    """From the text of a dhcpd.leases, for a Kea of a version with a written ``config``."""
    read = read_lease_file(text, file)
    dhcp4 = json.loads(config)["Dhcp4"]
    networks = dict(_subnets(dhcp4))
    owners = dict(_owners(dhcp4))
    problems = list(read.problems)
    carried: list[KeaLease] = []
    ended = 0
    for entry in read.leases:
        if entry.state not in _HELD and entry.state != "abandoned":
            ended += 1
            continue
        number = next((n for network, n in networks.items() if entry.address in network), None)
        if number is None:
            why = f"no subnet of the new configuration holds {entry.address}: the lease is left out"
            problems.append(Problem(entry.at, why))
            continue
        owner = owners.get(str(entry.address))
        if owner is not None and entry.state in _HELD and not _is_of(entry, owner):
            why = f"the lease of {entry.address} is left out: the address is reserved for another machine"
            problems.append(Problem(entry.at, why, "its holder is given another address"))
            continue
        lease = _lease(entry, number)
        if isinstance(lease, Problem):
            problems.append(lease)
        else:
            carried.append(lease)
    return CarriedLeases(
        text=lease_csv(carried, version), carried=len(carried), ended=ended, problems=tuple(sorted(problems))
    )


def _lease(entry: LeaseEntry, subnet: int) -> KeaLease | Problem:
    begun = entry.last_seen if entry.last_seen is not None else entry.starts
    if begun is None:
        return Problem(entry.at, f"the lease of {entry.address} does not say when it starts", "mend the line")
    if entry.state == "abandoned":
        # Nobody holds it, and nobody may be given it for a while.
        return KeaLease(
            address=entry.address,
            mac=b"",
            client_id=b"",
            valid_lifetime=_PROBATION,
            expire=begun + _PROBATION,
            subnet_id=subnet,
            state=DECLINED,
        )
    if not entry.mac and not entry.client_id:
        return Problem(entry.at, f"the lease of {entry.address} does not say who holds it", "mend the line")
    if entry.ends is None:
        return Problem(entry.at, f"the lease of {entry.address} does not say when it ends", "mend the line")
    lifetime = INFINITE_LEASE if entry.ends == NEVER else max(entry.ends - begun, 1)
    return KeaLease(
        address=entry.address,
        mac=entry.mac,
        client_id=entry.client_id,
        valid_lifetime=lifetime,
        expire=begun + lifetime,
        subnet_id=subnet,
        host_name=entry.host_name,
    )


def _owners(dhcp4: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The reservation of each reserved address."""
    for holder in (dhcp4, *dhcp4.get("shared-networks", ())):
        for subnet in holder.get("subnet4", ()):
            for host in subnet.get("reservations", ()):
                if "ip-address" in host:
                    yield host["ip-address"], host


def _is_of(entry: LeaseEntry, host: Mapping[str, str]) -> bool:
    """Whether the reservation is of who holds the lease; by a relay agent's circuit it cannot be told."""
    known = {"hw-address": entry.mac.hex(":"), "client-id": entry.client_id.hex()}
    return all(known[kind] == host[kind] for kind in known if kind in host)


def _subnets(dhcp4: Mapping[str, object]) -> Iterator[tuple[IPv4Network, int]]:
    shared = dhcp4.get("shared-networks", [])
    lists = [dhcp4, *(shared if isinstance(shared, list) else [])]
    for holder in lists:
        for subnet in holder.get("subnet4", []):
            yield IPv4Network(subnet["subnet"]), subnet["id"]
