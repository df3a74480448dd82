"""The names Kea tells a client: options 12 and 81 (``dhcp4_srv.cc``, ``d2_client_mgr.cc``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address

from coexist.boot.leases.kea_config import SubnetDef
from coexist.records import dataclass
from coexist.wire.bootp import Packet
from coexist.wire.options import Option

_SERVER_UPDATES, _OVERRIDDEN, _ENCODED, _NO_UPDATES = 1, 2, 4, 8
_ALWAYS, _PRESENT, _ABSENT = "always", "when-present", "when-not-present"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRules:
    """What a subnet says of names. ``updates``: whether DNS is updated at all."""

    updates: bool
    override_client: bool
    override_none: bool
    replace: str
    prefix: str
    suffix: str
    unwanted: str
    instead: str

    @classmethod
    def of(cls, subnet: SubnetDef) -> NameRules:
        """As they are inherited."""
        ddns = subnet.levels[-1].values.get("dhcp-ddns")
        on = isinstance(ddns, dict) and "enable-updates" in ddns and ddns["enable-updates"].value is True
        return cls._said(lambda key: subnet.value(key, object), on=on)

    @classmethod
    def of_settings(cls, settings: Mapping[str, object]) -> NameRules:
        """As the keywords of a whole server say."""
        ddns = settings.get("dhcp-ddns")
        on = isinstance(ddns, Mapping) and ddns.get("enable-updates") is True
        return cls._said(settings.get, on=on)

    @classmethod
    def _said(cls, value: Callable[[str], object], *, on: bool) -> NameRules:
        replace = value("ddns-replace-client-name")
        return cls(
            updates=on and value("ddns-send-updates") is not False,
            override_client=value("ddns-override-client-update") is True,
            override_none=value("ddns-override-no-update") is True,
            replace=_ALWAYS if replace is True else str(replace or "never"),
            prefix=str(value("ddns-generated-prefix") or "myhost"),
            suffix=str(value("ddns-qualifying-suffix") or "").removesuffix("."),
            unwanted=str(value("hostname-char-set") or ""),
            instead=str(value("hostname-char-replacement") or ""),
        )

    def qualified(self, name: str, *, dotted: bool) -> str:
        """qualifyName: with the suffix, unless it has it, and with or without a dot at its end."""
        if self.suffix and name != self.suffix and not name.endswith(f".{self.suffix}"):
            name = f"{name.removesuffix('.')}.{self.suffix}"
        return name.removesuffix(".") + ("." if dotted else "")

    def generated(self, address: IPv4Address, *, dotted: bool) -> str:
        """generateFqdn: the address with dashes behind the prefix."""
        return self.qualified(f"{self.prefix}-{str(address).replace('.', '-')}", dotted=dotted)

    def cleaned(self, name: str) -> str:
        """Without the characters that are not wanted, label by label."""
        if not self.unwanted:
            return name
        return ".".join(re.sub(self.unwanted, self.instead, label) for label in name.split("."))


def told_names(
    packet: Packet, reserved: str, rules: NameRules, address: IPv4Address
) -> Iterator[tuple[int, bytes]]:
    """processClientName: option 81 for a client that sent it, else option 12."""
    sent = packet.options.get(Option.CLIENT_FQDN)
    if sent is not None and len(sent) >= 3:
        yield Option.CLIENT_FQDN, fqdn_of(sent, reserved, rules, address)
        return
    name = hostname_of(packet.options.get(Option.HOST_NAME), reserved, rules, address)
    if name:
        yield int(Option.HOST_NAME), name.encode("utf-8", "surrogateescape")


def hostname_of(sent: bytes | None, reserved: str, rules: NameRules, address: IPv4Address) -> str:
    """processHostnameOption; empty for none."""
    if reserved:
        return rules.qualified(reserved, dotted=False).lower()
    if sent is None:
        if rules.replace in (_ALWAYS, _ABSENT):
            return rules.generated(address, dotted=False)
        return ""
    name = sent.rstrip(b"\0").decode("utf-8", "surrogateescape").strip(" \t")
    if not name or ".." in name:
        return ""
    if rules.replace in (_ALWAYS, _PRESENT) or name == ".":
        return rules.generated(address, dotted=False)
    name = rules.cleaned(name).lower()
    return name if "." in name.removesuffix(".") else rules.qualified(name, dotted=False)


def fqdn_of(sent: bytes, reserved: str, rules: NameRules, address: IPv4Address) -> bytes:
    """processClientFqdnOption: flags as updates are wanted, and the name that is registered."""
    flags = sent[0]
    wants, refuses = bool(flags & _SERVER_UPDATES), bool(flags & _NO_UPDATES)
    if refuses:
        server = rules.updates and rules.override_none
        none = not server
    elif wants:
        server, none = rules.updates, not rules.updates
    else:
        server, none = rules.updates and rules.override_client, not rules.updates
    result = (_SERVER_UPDATES if server else 0) | (_OVERRIDDEN if server != wants else 0)
    result |= (_NO_UPDATES if none else 0) | (flags & _ENCODED)
    name, is_full = _name_of(sent[3:], encoded=bool(flags & _ENCODED))
    if reserved:
        name, is_full = rules.qualified(reserved, dotted=True), True
    elif not name or rules.replace in (_ALWAYS, _PRESENT):
        name, is_full = rules.generated(address, dotted=True), True
    else:
        name = rules.cleaned(name.removesuffix(".")) + ("." if is_full else "")
        if not is_full:
            name, is_full = rules.qualified(name, dotted=True), True
    return bytes((result,)) + sent[1:3] + _name_octets(name, encoded=bool(flags & _ENCODED))


def _name_of(octets: bytes, *, encoded: bool) -> tuple[str, bool]:
    """A name, and whether it is complete: it ends with the root, or is a text with a dot inside."""
    if not encoded:
        text = octets.rstrip(b"\0").decode("utf-8", "surrogateescape")
        return text, text.endswith(".")
    labels, at = [], 0
    while at < len(octets) and octets[at]:
        labels.append(octets[at + 1 : at + 1 + octets[at]].decode("utf-8", "surrogateescape"))
        at += octets[at] + 1
    is_full = at < len(octets)
    return ".".join(labels) + ("." if is_full and labels else ""), is_full


def _name_octets(name: str, *, encoded: bool) -> bytes:
    lower = name.lower()
    if not encoded:
        return lower.encode("utf-8", "surrogateescape")
    labels = [label.encode("utf-8", "surrogateescape") for label in lower.removesuffix(".").split(".")]
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
