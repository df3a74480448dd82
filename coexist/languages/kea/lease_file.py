"""The lease file of Kea's DHCPv4 server (``csv_lease_file4.cc``; ARM, "Memfile - Basic Storage for Leases").

Times are seconds since 1970; ``expire`` is the end of the lease, so that the last transaction is ``expire``
less ``valid_lifetime``. Kea 2.2 has no column ``pool_id`` (2.5.0 brought it).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from coexist.records import dataclass

ASSIGNED, DECLINED = 0, 1
_COLUMNS = ("address", "hwaddr", "client_id", "valid_lifetime", "expire", "subnet_id", "fqdn_fwd", "fqdn_rev",
            "hostname", "state", "user_context", "pool_id")  # fmt: skip
_POOL_ID_SINCE = (2, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeaLease:
    """One lease."""

    address: IPv4Address
    mac: bytes
    client_id: bytes
    valid_lifetime: int
    expire: int
    subnet_id: int
    host_name: str = ""
    state: int = ASSIGNED


def lease_csv(leases: Iterable[KeaLease], version: tuple[int, ...]) -> str:
    """A whole file for a server of a version."""
    columns = _COLUMNS if version >= _POOL_ID_SINCE else _COLUMNS[:-1]
    lines = [",".join(columns)]
    for lease in leases:
        values = [
            str(lease.address),
            lease.mac.hex(":"),
            lease.client_id.hex(":"),
            str(lease.valid_lifetime),
            str(lease.expire),
            str(lease.subnet_id),
            "0",
            "0",
            _escaped(lease.host_name),
            str(lease.state),
            "",
            "0",
        ]
        lines.append(",".join(values[: len(columns)]))
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """CSVRow::escapeCharacters: a comma as ``&#x2c``. What is no name at all is left out."""
    kept = "".join(sign for sign in text if sign.isprintable() and sign != '"')
    return kept.replace("&#x", "&#x26#x").replace(",", "&#x2c").lower()
