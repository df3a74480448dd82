"""The lines of a dnsmasq.conf, read as the daemon reads them (``one_opt`` of ``src/option.c``, 2.90).

Only what decides how DHCP and PXE clients are answered is kept. A line the daemon would not start with is
``refused``; what may matter and is not understood is ``unmodelled``; DNS, logging and files are neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address

from coexist.languages.dnsmasq.boots import FIRST_TYPE, read_boot, read_prompt, read_service
from coexist.languages.dnsmasq.config import (
    DelayLine,
    DnsmasqConfig,
    DomainLine,
    MatchLine,
    SharedNetwork,
    TagIf,
    Unmodelled,
)
from coexist.languages.dnsmasq.hosts import LONGEST_HARDWARE, read_host
from coexist.languages.dnsmasq.keywords import KEYWORDS
from coexist.languages.dnsmasq.lexer import assignment, octets_of, parts_of, plain_line, reveal, split
from coexist.languages.dnsmasq.options import (
    Kind,
    NotForIPv4Error,
    RefusedError,
    domain_name,
    leading_number,
    read_hex,
    read_option,
)
from coexist.languages.dnsmasq.ranges import domain_range, read_range
from coexist.languages.dnsmasq.values import address_of, leading_tags, negated, set_tag

_DNS_PORT = 53

# What may change an answer and is not understood. ``bootp-dynamic`` changes none to a packet of DHCP: no
# firmware here sends one without a message type.
_MAY_MATTER = frozenset({"bridge-interface", "dhcp-alternate-port", "dhcp-relay", "read-ethers"})


def read_dnsmasq(text: str | Iterable[str]) -> DnsmasqConfig:
    """Read the lines of a file; a trailing backslash joins nothing there, ``#`` begins a comment."""
    lines = text.splitlines() if isinstance(text, str) else list(text)
    reader = _Reader()
    for number, line in enumerate(lines, 1):
        reader.line(number, line)
    return reader.finish()


class _Reader:
    def __init__(self) -> None:
        self.lists: dict[str, list[object]] = {}
        self.flags: dict[str, object] = {}
        self.refused: list[Unmodelled] = []
        self.unmodelled: list[Unmodelled] = []
        self.addresses: set[IPv4Address] = set()
        self.next_type = FIRST_TYPE
        self.number = 0

    def finish(self) -> DnsmasqConfig:
        lists = {name: tuple(items) for name, items in self.lists.items()}
        return DnsmasqConfig(
            **lists,  # type: ignore[arg-type]
            **self.flags,  # type: ignore[arg-type]
            refused=tuple(self.refused),
            unmodelled=tuple(self.unmodelled),
        )

    def add(self, name: str, item: object) -> None:
        self.lists.setdefault(name, []).append(item)

    def flag(self, name: str, value: object) -> None:
        self.flags[name] = value

    def line(self, number: int, line: str) -> None:
        self.number = number
        plain = plain_line(line)
        if not plain:
            if plain is None:
                self.refused.append(Unmodelled(number, line.strip(), 'missing "'))
            return
        keyword, value = assignment(plain)
        handler = _HANDLERS.get(keyword)
        if handler is None:
            if keyword in _MAY_MATTER or keyword not in KEYWORDS:
                self.unmodelled.append(Unmodelled(number, line.strip(), f"{keyword} is not modelled"))
            return
        try:
            handler(self, value or "")
        except RefusedError as error:
            self.refused.append(Unmodelled(number, line.strip(), str(error)))
        except NotForIPv4Error:
            pass

    # -- ranges and hosts ------------------------------------------------------------------------

    def dhcp_range(self, value: str) -> None:
        self.add("ranges", read_range(value, self.number))

    def dhcp_host(self, value: str) -> None:
        host = read_host(value, self.number)
        if host.address is not None:
            if host.address in self.addresses:
                raise RefusedError(f"duplicate dhcp-host IP address {host.address}")
            self.addresses.add(host.address)
        self.add("hosts", host)

    # -- what is told ----------------------------------------------------------------------------

    def dhcp_boot(self, value: str) -> None:
        self.add("boots", read_boot(value, self.number))

    def pxe_service(self, value: str) -> None:
        service = read_service(value, self.number, self.next_type)
        self.next_type += 1 if service.basename else 0
        self.add("services", service)

    def pxe_prompt(self, value: str) -> None:
        self.add("prompts", read_prompt(value, self.number))

    def dhcp_option(self, value: str, force: bool = False) -> None:
        option = read_option(value, line=self.number, force=force)
        self.add("options", option)

    def domain(self, value: str) -> None:
        name, rest = split(value)
        if name == "#":
            self.unmodelled.append(Unmodelled(self.number, "domain=#", "the domain is read from resolv.conf"))
            return
        if rest is None:
            self.add("domains", DomainLine(name=domain_name(name), line=self.number))
            return
        found = domain_range(reveal(rest))
        if found is None:
            why = "the domain is that of a network card's addresses"
            self.unmodelled.append(Unmodelled(self.number, f"domain={reveal(value)}", why))
            return
        first, last = found
        self.add("domains", DomainLine(name=domain_name(name), first=first, last=last, line=self.number))

    # -- tags ------------------------------------------------------------------------------------

    def dhcp_match(self, value: str) -> None:
        option = read_option(value, line=self.number, match=True)
        self.add(
            "matches",
            MatchLine(
                kind="match",
                tag=option.tags[0],
                code=option.code,
                value=option.value,
                text=option.kind is Kind.TEXT,
                option=option,
                line=self.number,
            ),
        )

    def dhcp_class(self, kind: str, value: str) -> None:
        tag, text = set_tag(value)
        before, behind = split(text)
        if behind is not None:
            if kind != "vendorclass" or not before.startswith("enterprise:"):
                raise RefusedError(f"bad dhcp-{kind}")
            raise NotForIPv4Error
        self.add("matches", MatchLine(kind=kind, tag=tag, value=octets_of(text), text=True, line=self.number))

    def agent_id(self, kind: str, value: str) -> None:
        tag, text = set_tag(value)
        digits = re.fullmatch("[0-9a-fA-F:]+", text) and ":" in text and re.search("[0-9a-fA-F]", text)
        octets = read_hex(text, len(text))[0] if digits else octets_of(text)
        self.add("matches", MatchLine(kind=kind, tag=tag, value=octets, line=self.number))

    def dhcp_mac(self, value: str) -> None:
        tag, text = set_tag(value)
        pattern = reveal(text)
        read_hex(pattern, LONGEST_HARDWARE, typed=True)
        self.add("matches", MatchLine(kind="mac", tag=tag, pattern=pattern.lower(), line=self.number))

    def dhcp_name_match(self, value: str) -> None:
        tag, text = set_tag(value)
        if not text:
            raise RefusedError("bad dhcp-name-match")
        self.add("matches", MatchLine(kind="name", tag=tag, pattern=reveal(text), line=self.number))

    def tag_if(self, value: str) -> None:
        sets: list[str] = []
        tags: list[str] = []
        for part in parts_of(value):
            if len(part) < 5 or not part.startswith(("set:", "tag:")):
                raise RefusedError("bad tag-if")
            (sets if part.startswith("set:") else tags).append(negated(reveal(part[4:])))
        if not sets:
            raise RefusedError("bad tag-if")
        self.add("tag_ifs", TagIf(sets=tuple(sets), tags=tuple(tags), line=self.number))

    def tag_list(self, name: str, value: str) -> None:
        parts = parts_of(value) if value else []
        tags = tuple(negated(reveal(p[4:] if p.startswith(("tag:", "net:")) else p)) for p in parts)
        self.add(name, tags)
        if name == "ignores":
            self.add("ignore_lines", self.number)

    # -- how it answers --------------------------------------------------------------------------

    def dhcp_reply_delay(self, value: str) -> None:
        tags, rest = leading_tags(value)
        seconds = reveal(rest)
        if not re.fullmatch("[0-9]+", seconds):
            raise RefusedError("bad dhcp-reply-delay")
        self.add("delays", DelayLine(seconds=int(seconds), tags=tags, line=self.number))

    def dhcp_pxe_vendor(self, value: str) -> None:
        own = self.flags.get("pxe_vendors", ())
        # The last one named is looked at first.
        named = tuple(reveal(part) for part in reversed(parts_of(value)))
        self.flag("pxe_vendors", (*named, *own))  # type: ignore[misc]

    def dhcp_proxy(self, value: str) -> None:
        addresses = [address_of(part) for part in parts_of(value)] if value else []
        if None in addresses:
            raise RefusedError("bad dhcp-proxy address")
        known = self.flags.get("relays_named") or ()
        self.flag("relays_named", (*known, *addresses))  # type: ignore[misc]

    def shared_network(self, value: str) -> None:
        match, address = split(value)
        shared = address_of(address or "")
        if shared is None:
            if address is not None and ":" in address:
                raise NotForIPv4Error
            raise RefusedError("bad shared-network")
        where = address_of(match)
        self.add(
            "shares",
            SharedNetwork(
                match=where, address=shared, interface="" if where else reveal(match), line=self.number
            ),
        )

    def tftp_root(self, value: str) -> None:
        root, card = split(value)
        if card:
            self.tftp_limit(f"whether a file is asked for by {reveal(card)}, whose TFTP root is another")
        else:
            self.flag("tftp_root", reveal(root))

    def tftp_limit(self, what: str) -> None:
        self.add("tftp_limits", Unmodelled(self.number, "", what))

    def interface(self, value: str) -> None:
        for part in parts_of(value):
            self.add("interfaces", reveal(part))

    def conf_script(self, value: str) -> None:
        self.unmodelled.append(Unmodelled(self.number, f"conf-script={reveal(value)}", "a program says more"))


_Handler = Callable[[_Reader, str], None]


def _set(name: str, value: object) -> _Handler:
    return lambda reader, _: reader.flag(name, value)


def _tags_of(name: str) -> _Handler:
    return lambda reader, value: reader.tag_list(name, value)


_HANDLERS: dict[str, _Handler] = {
    "dhcp-range": _Reader.dhcp_range,
    "dhcp-boot": _Reader.dhcp_boot,
    "pxe-service": _Reader.pxe_service,
    "pxe-prompt": _Reader.pxe_prompt,
    "dhcp-option": _Reader.dhcp_option,
    "dhcp-option-force": lambda reader, value: reader.dhcp_option(value, force=True),
    "dhcp-match": _Reader.dhcp_match,
    "dhcp-vendorclass": lambda reader, value: reader.dhcp_class("vendorclass", value),
    "dhcp-userclass": lambda reader, value: reader.dhcp_class("userclass", value),
    "dhcp-circuitid": lambda reader, value: reader.agent_id("circuit", value),
    "dhcp-remoteid": lambda reader, value: reader.agent_id("remote", value),
    "dhcp-subscrid": lambda reader, value: reader.agent_id("subscriber", value),
    "dhcp-mac": _Reader.dhcp_mac,
    "dhcp-name-match": _Reader.dhcp_name_match,
    "dhcp-host": _Reader.dhcp_host,
    "tag-if": _Reader.tag_if,
    "dhcp-ignore": _tags_of("ignores"),
    "dhcp-broadcast": _tags_of("broadcasts"),
    "dhcp-ignore-names": _tags_of("nameless"),
    "dhcp-generate-names": _tags_of("named"),
    "dhcp-reply-delay": _Reader.dhcp_reply_delay,
    "dhcp-pxe-vendor": _Reader.dhcp_pxe_vendor,
    "dhcp-proxy": _Reader.dhcp_proxy,
    "shared-network": _Reader.shared_network,
    "domain": _Reader.domain,
    "domain-suffix": _Reader.domain,
    "conf-script": _Reader.conf_script,
    "dhcp-authoritative": _set("authoritative", True),
    "no-ping": _set("ping", False),
    "dhcp-no-override": _set("override", False),
    "dhcp-sequential-ip": _set("sequential", True),
    "dhcp-ignore-clid": _set("client_ids", False),
    "dhcp-client-update": _set("updates_by_client", True),
    "dhcp-rapid-commit": _set("rapid_commit", True),
    "port": lambda reader, value: reader.flag("dns", leading_number(value) == _DNS_PORT),
    "enable-tftp": _set("tftp", True),
    "tftp-root": _Reader.tftp_root,
    "tftp-secure": lambda reader, _: reader.tftp_limit("whether the user it runs as owns a boot file"),
    "tftp-unique-root": lambda reader, _: reader.tftp_limit(
        "whether its TFTP root has a folder for a machine's address or MAC"
    ),
    "interface": _Reader.interface,
}
