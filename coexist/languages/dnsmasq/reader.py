"""The lines of a dnsmasq.conf, read as the daemon reads them (``one_opt`` of ``src/option.c``, 2.90).

Only what decides how DHCP and PXE clients are answered is kept. A line the daemon would not start with is
``refused``; what may matter and is not understood is ``unmodelled``; DNS, logging and files are neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from coexist.languages.dnsmasq.config import (
    BootLine,
    DelayLine,
    DnsmasqConfig,
    DomainLine,
    HostLine,
    MatchLine,
    Prompt,
    Range,
    Service,
    SharedNetwork,
    TagIf,
    Tags,
    Unmodelled,
)
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

SERVICE_ARCHITECTURES: dict[str, int] = {
    "x86PC": 0,
    "PC98": 1,
    "IA64_EFI": 2,
    "Alpha": 3,
    "Arc_x86": 4,
    "Intel_Lean_Client": 5,
    "IA32_EFI": 6,
    "x86-64_EFI": 7,
    "Xscale_EFI": 8,
    "BC_EFI": 9,
    "ARM32_EFI": 10,
    "ARM64_EFI": 11,
}
"""The architecture words of ``pxe-service``; before 2.76 BC_EFI was 7 and X86-64_EFI 9."""

_ARCHITECTURES = {name.lower(): code for name, code in SERVICE_ARCHITECTURES.items()}
_FIRST_TYPE = 32768
_SHORTEST_LEASE = 120
_FOREVER = 0xFFFFFFFF
_LONGEST_HARDWARE = 16
_DNS_PORT = 53
_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}

# What may change an answer and is not understood.
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
        self.next_type = _FIRST_TYPE
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
        tag, tags, rest = _range_tags(value)
        parts = parts_of(rest)
        if len(parts) < 2:
            raise RefusedError("bad dhcp-range")
        start = _address(parts[0])
        if start is None:
            if ":" in parts[0]:
                raise NotForIPv4Error
            raise RefusedError("bad dhcp-range")
        mode = parts[1] if parts[1] in ("static", "proxy") else "dynamic"
        end = _address(parts[1]) if mode == "dynamic" else None
        if mode == "dynamic" and end is None:
            raise RefusedError("bad dhcp-range")
        rest_of = parts[2:]
        netmask = _address(rest_of[0]) if rest_of and "." in rest_of[0] else None
        broadcast = None
        if netmask is not None:
            rest_of = rest_of[1:]
            if end is not None and not _same_net(start, end, netmask):
                raise RefusedError("inconsistent DHCP range")
            broadcast = _address(rest_of[0]) if rest_of and "." in rest_of[0] else None
            rest_of = rest_of[1:] if broadcast is not None else rest_of
        if end is not None and end < start:
            start, end = end, start
        self.add(
            "ranges",
            Range(
                start=start,
                end=end,
                netmask=netmask,
                broadcast=broadcast,
                mode=mode,
                tag=tag,
                filter=tags,
                lease_time=_range_lease(rest_of),
                line=self.number,
            ),
        )

    def dhcp_host(self, value: str) -> None:
        host = _HostReader()
        for part in parts_of(value):
            host.read(part)
        if host.address is not None:
            if host.address in self.addresses:
                raise RefusedError(f"duplicate dhcp-host IP address {host.address}")
            self.addresses.add(host.address)
        self.add(
            "hosts",
            HostLine(
                macs=tuple(host.macs),
                client_ids=tuple(host.client_ids),
                sets=tuple(host.sets),
                tags=tuple(host.tags),
                address=host.address,
                name=host.name,
                lease_time=host.lease_time,
                ignore=host.ignore,
                line=self.number,
            ),
        )

    # -- what is told ----------------------------------------------------------------------------

    def dhcp_boot(self, value: str) -> None:
        tags, rest = _leading_tags(value)
        file, rest2 = split(rest)
        sname, third = split(rest2) if rest2 is not None else ("", None)
        named = reveal(third) if third is not None else ""
        address = _address(named)
        self.add(
            "boots",
            BootLine(
                tags=tags,
                file=reveal(file),
                sname=reveal(sname),
                address=address,
                host="" if address else named,
                line=self.number,
            ),
        )

    def pxe_service(self, value: str) -> None:
        tags, rest = _leading_tags(value)
        word, behind = split(rest)
        architecture = _ARCHITECTURES.get(word.lower())
        if architecture is None and re.fullmatch("[0-9]+", reveal(word)):
            architecture = int(reveal(word))
        if behind is None or architecture is None:
            raise RefusedError("bad pxe-service: no client system architecture, or no menu entry")
        menu, behind = split(behind)
        kind, basename, server, host = 0, "", None, ""
        if behind is not None:
            word, behind = split(behind)
            if re.fullmatch("[0-9]*", reveal(word)):
                kind = int(reveal(word) or 0)
            else:
                kind, basename = self.next_type, reveal(word)
                self.next_type += 1
        if behind is not None:
            server = _address(behind)
            host = "" if server else reveal(behind)
        self.add(
            "services",
            Service(
                architecture=architecture,
                menu=reveal(menu),
                type=kind,
                basename=basename,
                server=server,
                host=host,
                tags=tags,
                line=self.number,
            ),
        )

    def pxe_prompt(self, value: str) -> None:
        tags, rest = _leading_tags(value)
        text, timeout = split(rest)
        seconds = 255
        if timeout is not None and re.fullmatch("[0-9]*", reveal(timeout)):
            seconds = int(reveal(timeout) or 0)
        self.add("prompts", Prompt(text=reveal(text), timeout=seconds, tags=tags, line=self.number))

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
        found = _domain_range(reveal(rest))
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
        tag, text = _set_tag(value)
        before, behind = split(text)
        if behind is not None:
            if kind != "vendorclass" or not before.startswith("enterprise:"):
                raise RefusedError(f"bad dhcp-{kind}")
            raise NotForIPv4Error
        self.add("matches", MatchLine(kind=kind, tag=tag, value=octets_of(text), text=True, line=self.number))

    def agent_id(self, kind: str, value: str) -> None:
        tag, text = _set_tag(value)
        digits = re.fullmatch("[0-9a-fA-F:]+", text) and ":" in text and re.search("[0-9a-fA-F]", text)
        octets = read_hex(text, len(text))[0] if digits else octets_of(text)
        self.add("matches", MatchLine(kind=kind, tag=tag, value=octets, line=self.number))

    def dhcp_mac(self, value: str) -> None:
        tag, text = _set_tag(value)
        pattern = reveal(text)
        read_hex(pattern, _LONGEST_HARDWARE, typed=True)
        self.add("matches", MatchLine(kind="mac", tag=tag, pattern=pattern.lower(), line=self.number))

    def dhcp_name_match(self, value: str) -> None:
        tag, text = _set_tag(value)
        if not text:
            raise RefusedError("bad dhcp-name-match")
        self.add("matches", MatchLine(kind="name", tag=tag, pattern=reveal(text), line=self.number))

    def tag_if(self, value: str) -> None:
        sets: list[str] = []
        tags: list[str] = []
        for part in parts_of(value):
            if len(part) < 5 or not part.startswith(("set:", "tag:")):
                raise RefusedError("bad tag-if")
            (sets if part.startswith("set:") else tags).append(_negated(reveal(part[4:])))
        if not sets:
            raise RefusedError("bad tag-if")
        self.add("tag_ifs", TagIf(sets=tuple(sets), tags=tuple(tags), line=self.number))

    def tag_list(self, name: str, value: str) -> None:
        parts = parts_of(value) if value else []
        tags = tuple(_negated(reveal(p[4:] if p.startswith(("tag:", "net:")) else p)) for p in parts)
        self.add(name, tags)
        if name == "ignores":
            self.add("ignore_lines", self.number)

    # -- how it answers --------------------------------------------------------------------------

    def dhcp_reply_delay(self, value: str) -> None:
        tags, rest = _leading_tags(value)
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
        addresses = [_address(part) for part in parts_of(value)] if value else []
        if None in addresses:
            raise RefusedError("bad dhcp-proxy address")
        known = self.flags.get("relays_named") or ()
        self.flag("relays_named", (*known, *addresses))  # type: ignore[misc]

    def shared_network(self, value: str) -> None:
        match, address = split(value)
        shared = _address(address or "")
        if shared is None:
            if address is not None and ":" in address:
                raise NotForIPv4Error
            raise RefusedError("bad shared-network")
        where = _address(match)
        self.add(
            "shares",
            SharedNetwork(
                match=where, address=shared, interface="" if where else reveal(match), line=self.number
            ),
        )

    def interface(self, value: str) -> None:
        for part in parts_of(value):
            self.add("interfaces", reveal(part))

    def conf_script(self, value: str) -> None:
        self.unmodelled.append(Unmodelled(self.number, f"conf-script={reveal(value)}", "a program says more"))


class _HostReader:
    """The parts of one dhcp-host line."""

    def __init__(self) -> None:
        self.macs: list[str] = []
        self.client_ids: list[bytes] = []
        self.sets: list[str] = []
        self.tags: list[str] = []
        self.address: IPv4Address | None = None
        self.name = ""
        self.lease_time: int | None = None
        self.ignore = False

    def read(self, part: str) -> None:
        if ":" in part:
            self._with_colon(part)
        elif "." in part and _address(part) is not None:
            self.address = _address(part)
        else:
            self._word(part)

    def _with_colon(self, part: str) -> None:
        if part[:3].lower() == "id:":
            if part[3:4] != "*":
                text = part[3:]
                is_hex = ":" in text
                self.client_ids = [read_hex(text, len(text))[0] if is_hex else octets_of(text)]
        elif part.startswith(("net:", "set:")):
            self.sets.append(reveal(part[4:]))
        elif part.startswith("tag:"):
            self.tags.append(_negated(reveal(part[4:])))
        elif not (part.startswith("[") and part.endswith("]")):
            read_hex(part, _LONGEST_HARDWARE, typed=True)
            self.macs.append(part.lower())

    def _word(self, part: str) -> None:
        digits = part[:-1] if len(part) > 1 and part[-1].lower() in _UNITS else part
        if re.fullmatch("[0-9 ]*", digits):
            if re.search("[0-9]", digits):
                seconds = leading_number(digits) * (_UNITS[part[-1].lower()] if digits != part else 1)
                self.lease_time = max(seconds, _SHORTEST_LEASE)
        elif part == "infinite":
            self.lease_time = _FOREVER
        elif part == "ignore":
            self.ignore = True
        else:
            name = reveal(part).removesuffix(".").partition(".")[0]
            if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,62}", name):
                raise RefusedError("bad DHCP host name")
            self.name = domain_name(part).partition(".")[0]


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
    "bootp-dynamic": _tags_of("bootp"),
    "dhcp-reply-delay": _Reader.dhcp_reply_delay,
    "dhcp-pxe-vendor": _Reader.dhcp_pxe_vendor,
    "dhcp-proxy": _Reader.dhcp_proxy,
    "shared-network": _Reader.shared_network,
    "domain": _Reader.domain,
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
    "tftp-root": lambda reader, value: reader.flag("tftp_root", reveal(split(value)[0])),
    "interface": _Reader.interface,
}


def setting_lines(settings: Mapping[str, object]) -> list[str]:
    """The lines an inventory's ``settings`` of a dnsmasq stand for: ``true`` is a keyword alone."""
    return [
        keyword if item is True else f"{keyword}={item}"
        for keyword, value in settings.items()
        for item in (value if isinstance(value, (list, tuple)) else [value])
    ]


def says_its_programs(settings: Mapping[str, object]) -> bool:
    """Whether ``settings`` hold dnsmasq's own lines about boot programs, which count then instead of what
    ``programs`` would make of it."""
    return not settings.keys().isdisjoint(_PROGRAM_KEYWORDS)


def without_programs(settings: Mapping[str, object]) -> dict[str, object]:
    """``settings`` without those lines."""
    return {keyword: value for keyword, value in settings.items() if keyword not in _PROGRAM_KEYWORDS}


_PROGRAM_KEYWORDS = frozenset({"pxe-service", "pxe-prompt", "dhcp-boot"})


def _negated(tag: str) -> str:
    """A tag with the old sign for "not" as the new one."""
    return "!" + tag[1:] if tag.startswith("#") else tag


def _leading_tags(value: str) -> tuple[Tags, str]:
    """The tags before a value (dhcp_tags), and the value. Raises RefusedError without one."""
    tags: list[str] = []
    rest: str | None = value
    while rest is not None and rest.startswith(("tag:", "net:")):
        word, rest = split(rest)
        tags.append(_negated(reveal(word[4:])))
    if rest is None:
        raise RefusedError("nothing follows its tags")
    return tuple(tags), rest


def _set_tag(value: str) -> tuple[str, str]:
    """A tag that is set, with or without ``set:``, and what follows. Raises RefusedError without that."""
    word, rest = split(value)
    if rest is None:
        raise RefusedError("nothing follows its tag")
    return reveal(word.removeprefix("set:")), rest


def _range_tags(value: str) -> tuple[str | None, Tags, str]:
    """The tag a range sets, those it asks for, and the rest: what could begin an address ends them."""
    tag: str | None = None
    tags: list[str] = []
    rest = value
    while True:
        odd = re.match("[ .:a-fA-F0-9]*", rest)
        at = odd.end() if odd else 0
        word, behind = split(rest)
        if rest[at : at + 1] == "," or behind is None:
            return tag, tuple(tags), rest
        if word.startswith(("tag:", "net:")):
            if word[4:]:
                tags.append(_negated(reveal(word[4:])))
        elif tag is not None:
            raise RefusedError("only one tag allowed")
        else:
            tag = reveal(word.removeprefix("set:"))
        rest = behind


def _range_lease(parts: list[str]) -> int:
    if not parts:
        return 3600
    if len(parts) > 1:
        raise RefusedError("bad dhcp-range")
    text = parts[0]
    if text == "infinite":
        return _FOREVER
    if text == "deprecated":
        return 3600
    unit = _UNITS.get(text[-1:].lower())
    digits = text[:-1] if unit else text
    if not re.fullmatch("[0-9]*", digits):
        raise RefusedError("bad dhcp-range")
    return max(leading_number(digits) * (unit or 1), _SHORTEST_LEASE)


def _domain_range(text: str) -> tuple[IPv4Address, IPv4Address] | None:
    """The addresses a domain is for: a network, or a first and a last one; None: those of a network card."""
    first, rest = split(text)
    network, length = split(first, "/")
    if ":" in network:
        raise NotForIPv4Error
    start = _address(network)
    if length is not None:
        if start is None or not re.fullmatch("[0-9]+", length) or int(length) > 32:
            raise RefusedError("bad prefix length")
        whole = IPv4Network((int(start), int(length)), strict=False)
        return whole.network_address, whole.broadcast_address
    if start is None:
        return None
    end = start if rest is None else _address(split(rest)[0])
    if end is None:
        raise RefusedError("bad domain")
    return start, end


def _same_net(a: IPv4Address, b: IPv4Address, netmask: IPv4Address) -> bool:
    return int(a) & int(netmask) == int(b) & int(netmask)


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None
