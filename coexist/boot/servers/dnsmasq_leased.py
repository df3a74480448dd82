"""The reply of a dnsmasq whose file was rendered from a lease plan: ``do_options`` of ``src/rfc2131.c``.

Tags and ``dhcp-no-override`` say exactly what is leased; what dnsmasq 2.90 adds by itself is here (looked at
in packets of Debian's).
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

from coexist.boot.leases.evaluate import OF_A_MACHINE
from coexist.boot.leases.lease import Lease
from coexist.boot.responder import Arrival
from coexist.boot.servers.dnsmasq_area import Area
from coexist.boot.servers.dnsmasq_replies import make_reply
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option

INFINITE = 0xFFFFFFFF
_TERMINATED = (Option.TFTP_SERVER_NAME, Option.BOOTFILE_NAME)


def rendered_lease(lease: Lease, arrival: Arrival) -> Lease:
    """A compiled lease as the rendered file makes it: a dhcp-boot without a next server means this server,
    and the options 66 and 67 end with a NUL that dnsmasq puts there."""
    options = dict(lease.options)
    for code in _TERMINATED:
        if code in options:
            options[code] = options[code].removesuffix(b"\0") + b"\0"
    has_boot_line = "file" in lease.origins
    siaddr = arrival.address if has_boot_line and lease.siaddr == UNSPECIFIED else lease.siaddr
    return replace(lease, options=options, siaddr=siaddr)


def leased_packet(arrival: Arrival, lease: Lease) -> Packet:
    """The OFFER or ACK for a lease."""
    asked = arrival.packet
    wanted = asked.options.get(Option.PARAMETER_REQUEST_LIST)

    def is_asked_for(code: int) -> bool:
        return wanted is None or code in wanted

    sname, file, done = _fields(lease, wanted or b"")
    area = Area(asked)
    area.set_fields(file, sname, overload=False)
    for code, octets in _own_options(arrival, lease).items():
        area.put(code, octets)
    if lease.origins.get(Option.HOST_NAME) == OF_A_MACHINE:
        # The name of a dhcp-host precedes all options of lines.
        if is_asked_for(Option.HOST_NAME):
            area.put(Option.HOST_NAME, lease.options[Option.HOST_NAME])
        done |= {Option.HOST_NAME}
    # The last line of the file comes first, and the codes ascend in it.
    for code in sorted(lease.options, reverse=True):
        if code not in done and (is_asked_for(code) or code in lease.forced):
            area.put(code, lease.options[code])
    is_inform = asked.message_type is MessageType.INFORM
    return make_reply(
        asked,
        flags=asked.flags,
        ciaddr=asked.ciaddr if is_inform else UNSPECIFIED,
        yiaddr=UNSPECIFIED if is_inform else lease.yiaddr,
        siaddr=lease.siaddr,
        file=area.file,
        sname=area.sname,
        options=area.options(),
    )


def _fields(lease: Lease, wanted: bytes) -> tuple[bytes, bytes, frozenset[int]]:
    """The fields sname and file, and the options that stand there.

    Where no dhcp-boot is for the client, the options 66 and 67 that it does not name fill the fields, unless
    they are forced.
    """
    if "file" in lease.origins:
        return b"", lease.file, frozenset()
    moved = {
        code: lease.options[code]
        for code in _TERMINATED
        if code in lease.options and code not in (*wanted, *lease.forced)
    }
    sname = moved.get(Option.TFTP_SERVER_NAME, b"").removesuffix(b"\0")
    return sname, moved.get(Option.BOOTFILE_NAME, b"").removesuffix(b"\0"), frozenset(moved)


def _own_options(arrival: Arrival, lease: Lease) -> dict[int, bytes]:
    """What precedes the declared options; the mask and the broadcast address unless they are declared."""
    kind = MessageType.OFFER if arrival.packet.message_type is MessageType.DISCOVER else MessageType.ACK
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((kind,)),
        Option.SERVER_IDENTIFIER: arrival.address.packed,
    }
    if arrival.packet.message_type is not MessageType.INFORM:
        options[Option.IP_ADDRESS_LEASE_TIME] = lease.lease_time.to_bytes(4, "big")
        if lease.lease_time != INFINITE:
            options[Option.RENEWAL_TIME] = (lease.lease_time // 2).to_bytes(4, "big")
            options[Option.REBINDING_TIME] = (lease.lease_time * 7 // 8).to_bytes(4, "big")
    address = lease.yiaddr if lease.yiaddr != UNSPECIFIED else arrival.packet.ciaddr
    network = IPv4Network((int(address), str(lease.netmask)), strict=False)
    own = {Option.SUBNET_MASK: network.netmask, Option.BROADCAST_ADDRESS: network.broadcast_address}
    options.update({code: address.packed for code, address in own.items() if code not in lease.options})
    return options
