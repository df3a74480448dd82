"""What happened in a race, for people and programs: the trace of a course of events, read out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Any, NamedTuple

from coexist.boot.firmware.machine import Boot, GiveUp, Send
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.boot.responder import Reply
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option


class Link(NamedTuple):
    """One thing that happened, and what came before it; texts are made only when they are read."""

    before: Link | None
    kind: str
    at: float
    server: str
    detail: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the time line.

    ``kind``: send, silent, lost, reply, heard, ignored, timer, boot, gave up. ``at``: seconds after the
    first DISCOVER, at the earliest. ``server``: whom it is about, empty for the client itself.
    """

    at: float
    kind: str
    server: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:7.3f}  {self.text}"


def read_trace(trace: Link, owners: Mapping[IPv4Address, str]) -> tuple[Event, ...]:
    """The events of a trace in the order of their times, up to the client's end."""
    links: list[Link] = []
    link: Link | None = trace
    while link is not None:
        links.append(link)
        link = link.before
    links.reverse()
    found = [
        Event(at=x.at, kind=x.kind, server=x.server, text=_text(x, owners))
        for x in links
        if x.kind != "begin" and not (x.kind == "timer" and not x.detail) and x.at <= trace.at
    ]
    return tuple(sorted(found, key=lambda event: event.at))


_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?!:)")


def with_names(text: str, owners: Mapping[IPv4Address, str]) -> str:
    """A sentence with servers' names instead of their addresses."""

    def name(found: re.Match[str]) -> str:
        try:
            return owners.get(IPv4Address(found.group()), found.group())
        except AddressValueError:
            return found.group()

    return _ADDRESS.sub(name, text)


def _text(link: Link, owners: Mapping[IPv4Address, str]) -> str:
    detail = link.detail
    match link.kind:
        case "send":
            return _sent(detail, owners)
        case "silent":
            return f"{link.server} is silent: {detail}"
        case "lost":
            return f"lost on the way{' to or from ' + link.server if link.server else ''}: {detail}"
        case "reply":
            return _replied(link.server, detail)
        case "heard":
            packet, note = detail
            taken = with_names(note, owners) or "as expected"
            return f"client takes {message(packet)} of {link.server}: {taken}"
        case "ignored":
            return f"client ignores {message(detail)} of {link.server}"
        case "timer":
            return f"client: {with_names(detail, owners)}"
        case "boot":
            return _booted(link.server, detail)
        case _:
            return (
                f"client gives up: {detail.error} ({detail.why})" if isinstance(detail, GiveUp) else link.kind
            )


def message(packet: Packet) -> str:
    """A packet by its name, with what decides."""
    kind = packet.message_type
    if kind is not MessageType.OFFER:
        return f"DHCP{kind.name}" if kind else "a BOOTP reply"
    return "the proxy's OFFER" if packet.yiaddr == UNSPECIFIED else "the DHCPOFFER"


def contents(packet: Packet) -> str:
    """The fields of a reply by which clients choose."""
    options = packet.options
    parts = []
    if packet.yiaddr != UNSPECIFIED:
        parts.append(f"address {packet.yiaddr}")
    if packet.siaddr != UNSPECIFIED:
        parts.append(f"siaddr {packet.siaddr}")
    if packet.file:
        parts.append(f"file {packet.file.decode('utf-8', 'replace')}")
    if Option.BOOTFILE_NAME in options:
        parts.append(f"67 {options[Option.BOOTFILE_NAME].rstrip(bytes(1)).decode('utf-8', 'replace')}")
    if Option.VENDOR_CLASS_IDENTIFIER in options:
        parts.append(f"60 {options[Option.VENDOR_CLASS_IDENTIFIER].decode('utf-8', 'replace')}")
    if Option.VENDOR_SPECIFIC_INFORMATION in options:
        parts.append(f"43 {options[Option.VENDOR_SPECIFIC_INFORMATION].hex()}")
    return ", ".join(parts) or "nothing to boot from"


def _sent(send: Send, owners: Mapping[IPv4Address, str]) -> str:
    packet = send.packet
    kind = packet.message_type
    name = f"DHCP{kind.name}" if kind else "a request"
    if send.address == LIMITED_BROADCAST:
        return f"client broadcasts {name}, secs {packet.secs}"
    return f"client sends {name} to {owners.get(send.address, send.address)} port {send.port}"


def _replied(server: str, reply: Reply) -> str:
    why = f" ({reply.why})" if reply.why else ""
    return f"{server} sends {message(reply.packet)}: {contents(reply.packet)}{why}"


def _booted(server: str, boot: Boot) -> str:
    return f"client asks {server} for {boot.file or 'its configuration'}: {boot.why}"
