"""The lines of a dnsmasq.conf, read as the daemon reads them (``src/option.c`` of dnsmasq 2.90).

Only what decides how DHCP and PXE clients are answered is kept. Everything else is listed with its line:
``Unmodelled`` for what might matter, nothing at all for what cannot (DNS, logging, files).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address
from typing import NamedTuple

from coexist.boot.servers.dnsmasq_options import NAMES, SERVICE_ARCHITECTURES, option_octets

Tags = tuple[str, ...]
"""Tags a line asks for; one that begins with ``!`` must be absent."""


class Unmodelled(NamedTuple):
    """A line that was understood by its name only."""

    line: int
    text: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """``dhcp-range``: ``mode`` is dynamic, static or proxy; ``tag`` is set for its clients."""

    start: IPv4Address
    end: IPv4Address | None = None
    netmask: IPv4Address | None = None
    broadcast: IPv4Address | None = None
    mode: str = "dynamic"
    tag: str | None = None
    filter: Tags = ()
    lease_time: int = 3600
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BootLine:
    """``dhcp-boot``."""

    tags: Tags = ()
    file: str = ""
    sname: str = ""
    address: IPv4Address | None = None
    host: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """``pxe-service``. ``type`` 0 is local boot; a named file counts types up from 32768."""

    architecture: int
    menu: str
    type: int = 0
    basename: str = ""
    server: IPv4Address | None = None
    host: str = ""
    tags: Tags = ()
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """``pxe-prompt``; 255 seconds wait for ever."""

    text: str
    timeout: int = 255
    tags: Tags = ()
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionLine:
    """``dhcp-option``. ``vendor``: a sub-option of 43 for clients whose option 60 holds that text;
    ``encapsulated``: a sub-option of that option."""

    code: int
    value: bytes
    tags: Tags = ()
    force: bool = False
    vendor: str | None = None
    encapsulated: int | None = None
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLine:
    """``dhcp-host``: MAC patterns (``*`` for an octet), what is set or asked, and what the host gets.

    ``lease_time`` in seconds; None is that of its range.
    """

    macs: tuple[str, ...] = ()
    client_ids: tuple[bytes, ...] = ()
    sets: Tags = ()
    tags: Tags = ()
    address: IPv4Address | None = None
    name: str = ""
    lease_time: int | None = None
    ignore: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchLine:
    """A line that sets a tag. ``kind``: match, vendorclass, userclass, mac."""

    kind: str
    tag: str
    code: int = 0
    value: bytes = b""
    pattern: str = ""
    text: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TagIf:
    """``tag-if``."""

    sets: Tags
    tags: Tags
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayLine:
    """``dhcp-reply-delay`` in whole seconds."""

    seconds: int
    tags: Tags = ()
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsmasqConfig:
    """What a dnsmasq.conf makes of DHCP and PXE. Lists are in the order of the file."""

    ranges: tuple[Range, ...] = ()
    boots: tuple[BootLine, ...] = ()
    services: tuple[Service, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    options: tuple[OptionLine, ...] = ()
    hosts: tuple[HostLine, ...] = ()
    matches: tuple[MatchLine, ...] = ()
    tag_ifs: tuple[TagIf, ...] = ()
    ignores: tuple[Tags, ...] = ()
    broadcasts: tuple[Tags, ...] = ()
    delays: tuple[DelayLine, ...] = ()
    pxe_vendors: tuple[str, ...] = ("PXEClient",)
    authoritative: bool = False
    ping: bool = True
    override: bool = True
    dns: bool = True
    tftp: bool = False
    tftp_root: str = ""
    unmodelled: tuple[Unmodelled, ...] = field(default=())

    @property
    def pxe(self) -> bool:
        """Whether PXE clients are treated as such: a service or a prompt turns it on (``enable_pxe``)."""
        return bool(self.services or self.prompts)

    @property
    def is_proxy(self) -> bool:
        """Whether it is a ProxyDHCP for any subnet."""
        return any(r.mode == "proxy" for r in self.ranges)


_WITHOUT_EFFECT = frozenset(
    word
    for words in (
        "dhcp-sequential-ip dhcp-ignore-clid dhcp-ignore-names dhcp-generate-names dhcp-client-update",
        "dhcp-rapid-commit bootp-dynamic log-debug dns-loop-detect no-ident",
        "interface except-interface bind-interfaces bind-dynamic listen-address no-dhcp-interface",
        "user group log-dhcp log-facility log-queries log-async quiet-dhcp pid-file dhcp-leasefile",
        "dhcp-lease-max no-resolv no-hosts no-poll addn-hosts hostsdir resolv-file strict-order",
        "all-servers server address local domain expand-hosts domain-needed bogus-priv filterwin2k",
        "cache-size neg-ttl local-ttl cname host-record ptr-record txt-record srv-host mx-host",
        "localise-queries tftp-secure tftp-no-fail tftp-unique-root tftp-max tftp-mtu tftp-no-",
        "blocksize tftp-lowercase tftp-port-range tftp-single-port keep-in-foreground no-daemon",
        "enable-ra ra-param dhcp-script dhcp-scriptuser dhcp-luascript script-arp leasefile-ro",
        "conf-dir read-ethers stop-dns-rebind rebind-localhost-ok dnssec trust-anchor auth-server",
        "auth-zone dhcp-fqdn dhcp-ttl no-negcache clear-on-reload dns-forward-max",
    )
    for word in words.split()
)


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
        self.unmodelled: list[Unmodelled] = []
        self.next_type = 32768
        self.number = 0

    def finish(self) -> DnsmasqConfig:
        lists = {name: tuple(items) for name, items in self.lists.items()}
        return DnsmasqConfig(**lists, **self.flags, unmodelled=tuple(self.unmodelled))  # type: ignore[arg-type]

    def add(self, name: str, item: object) -> None:
        self.lists.setdefault(name, []).append(item)

    def line(self, number: int, line: str) -> None:
        self.number = number
        keyword, value = split_keyword(line)
        if not keyword:
            return
        handler = _HANDLERS.get(keyword)
        if handler is None:
            if keyword not in _WITHOUT_EFFECT:
                self.unmodelled.append(Unmodelled(number, line.strip(), f"{keyword} is not modelled"))
            return
        try:
            handler(self, value)
        except (ValueError, IndexError, AddressValueError) as error:
            self.unmodelled.append(Unmodelled(number, line.strip(), f"not understood: {error}"))

    # -- the keywords ----------------------------------------------------------------------------

    def flag(self, name: str, value: object) -> None:
        self.flags[name] = value

    def dhcp_range(self, value: str) -> None:
        parts, sets, tags = _tagged(_comma_list(value))
        start = IPv4Address(parts.pop(0))
        end, mode = None, "dynamic"
        if parts and parts[0] in ("static", "proxy"):
            mode = parts.pop(0)
        elif parts and _is_address(parts[0]):
            end = IPv4Address(parts.pop(0))
        elif parts and not _is_lease_time(parts[0]):
            raise ValueError(f"{parts[0]} is no end of a range")
        addresses: list[IPv4Address] = []
        while parts and _is_address(parts[0]) and len(addresses) < 2:
            addresses.append(IPv4Address(parts.pop(0)))
        self.add(
            "ranges",
            Range(
                start=start,
                end=end,
                netmask=addresses[0] if addresses else None,
                broadcast=addresses[1] if len(addresses) > 1 else None,
                mode=mode,
                tag=sets[0] if sets else None,
                filter=tags,
                lease_time=_lease_time(parts[0]) if parts else 3600,
                line=self.number,
            ),
        )

    def dhcp_boot(self, value: str) -> None:
        parts, _, tags = _tagged(_comma_list(value))
        parts += [""] * (3 - len(parts))
        address = IPv4Address(parts[2]) if _is_address(parts[2]) else None
        host = "" if address else parts[2]
        self.add(
            "boots",
            BootLine(tags=tags, file=parts[0], sname=parts[1], address=address, host=host, line=self.number),
        )

    def pxe_service(self, value: str) -> None:
        parts, _, tags = _tagged(_comma_list(value))
        name = parts[0]
        known = {key.lower(): code for key, code in SERVICE_ARCHITECTURES.items()}
        if name.lower() not in known and not name.isdigit():
            raise ValueError(f"{name} is no client system architecture")
        architecture = known[name.lower()] if name.lower() in known else int(name)
        kind, basename, server, host = 0, "", None, ""
        if len(parts) > 2 and parts[2]:
            if parts[2].isdigit():
                kind = int(parts[2])
            else:
                kind, basename = self.next_type, parts[2]
                self.next_type += 1
        if len(parts) > 3 and parts[3]:
            server = IPv4Address(parts[3]) if _is_address(parts[3]) else None
            host = "" if server else parts[3]
        self.add(
            "services",
            Service(
                architecture=architecture,
                menu=parts[1],
                type=kind,
                basename=basename,
                server=server,
                host=host,
                tags=tags,
                line=self.number,
            ),
        )

    def pxe_prompt(self, value: str) -> None:
        parts, _, tags = _tagged(_comma_list(value))
        timeout = int(parts[1]) if len(parts) > 1 and parts[1] else 255
        self.add("prompts", Prompt(text=parts[0], timeout=timeout, tags=tags, line=self.number))

    def dhcp_option(self, value: str, force: bool = False) -> None:
        parts, _, tags = _tagged(_comma_list(value))
        vendor: str | None = None
        encapsulated: int | None = None
        while parts:
            if parts[0].startswith("vendor:"):
                vendor = parts.pop(0)[7:]
            elif parts[0].startswith("encap:"):
                encapsulated = int(parts.pop(0)[6:])
            elif parts[0].startswith("vi-encap:"):
                raise ValueError("vi-encap")
            else:
                break
        inside = vendor is not None or encapsulated is not None
        code = _option_code(parts.pop(0))
        octets = option_octets(None if inside else code, parts)
        self.add(
            "options",
            OptionLine(
                code=code,
                value=octets,
                tags=tags,
                force=force,
                vendor=vendor,
                encapsulated=encapsulated,
                line=self.number,
            ),
        )

    def dhcp_match(self, value: str) -> None:
        parts, sets, _ = _tagged(_comma_list(value), bare=True)
        if parts[0].startswith(("vi-encap:", "name:")):
            raise ValueError(parts[0])
        code = _option_code(parts.pop(0))
        octets = option_octets(code, parts) if parts else b""
        text = bool(parts) and octets == ",".join(parts).encode()
        self.add(
            "matches",
            MatchLine(kind="match", tag=sets[0], code=code, value=octets, text=text, line=self.number),
        )

    def dhcp_class(self, kind: str, value: str) -> None:
        parts, sets, _ = _tagged(_comma_list(value), bare=True)
        text = ",".join(parts).encode()
        self.add("matches", MatchLine(kind=kind, tag=sets[0], value=text, line=self.number))

    def dhcp_mac(self, value: str) -> None:
        parts, sets, _ = _tagged(_comma_list(value), bare=True)
        self.add("matches", MatchLine(kind="mac", tag=sets[0], pattern=parts[0].lower(), line=self.number))

    def dhcp_host(self, value: str) -> None:
        parts, sets, tags = _tagged(_comma_list(value))
        macs: list[str] = []
        client_ids: list[bytes] = []
        address, name, ignore, lease_time = None, "", False, None
        for part in parts:
            if part == "ignore":
                ignore = True
            elif _is_mac_pattern(part):
                macs.append(part.lower())
            elif part.startswith("id:"):
                client_ids.append(_client_id(part[3:]))
            elif _is_address(part):
                address = IPv4Address(part)
            elif part.startswith("net:"):
                sets = (*sets, part[4:])
            elif _is_lease_time(part):
                lease_time = 0 if part == "deprecated" else _lease_time(part)
            elif not part.startswith("["):
                name = part
        self.add(
            "hosts",
            HostLine(
                macs=tuple(macs),
                client_ids=tuple(client_ids),
                sets=sets,
                tags=tags,
                address=address,
                name=name,
                lease_time=lease_time,
                ignore=ignore,
                line=self.number,
            ),
        )

    def tag_if(self, value: str) -> None:
        _, sets, tags = _tagged(_comma_list(value))
        self.add("tag_ifs", TagIf(sets=sets, tags=tags, line=self.number))

    def dhcp_ignore(self, value: str) -> None:
        self.add("ignores", _tagged(_comma_list(value), bare_tags=True)[2])

    def dhcp_broadcast(self, value: str) -> None:
        self.add("broadcasts", _tagged(_comma_list(value), bare_tags=True)[2])

    def dhcp_reply_delay(self, value: str) -> None:
        parts, _, tags = _tagged(_comma_list(value))
        self.add("delays", DelayLine(seconds=int(parts[0]), tags=tags, line=self.number))

    def dhcp_pxe_vendor(self, value: str) -> None:
        self.flag("pxe_vendors", tuple(_comma_list(value)))


_HANDLERS: dict[str, Callable[[_Reader, str], None]] = {
    "dhcp-range": _Reader.dhcp_range,
    "dhcp-boot": _Reader.dhcp_boot,
    "pxe-service": _Reader.pxe_service,
    "pxe-prompt": _Reader.pxe_prompt,
    "dhcp-option": _Reader.dhcp_option,
    "dhcp-option-force": lambda reader, value: reader.dhcp_option(value, force=True),
    "dhcp-match": _Reader.dhcp_match,
    "dhcp-vendorclass": lambda reader, value: reader.dhcp_class("vendorclass", value),
    "dhcp-userclass": lambda reader, value: reader.dhcp_class("userclass", value),
    "dhcp-mac": _Reader.dhcp_mac,
    "dhcp-host": _Reader.dhcp_host,
    "tag-if": _Reader.tag_if,
    "dhcp-ignore": _Reader.dhcp_ignore,
    "dhcp-broadcast": _Reader.dhcp_broadcast,
    "dhcp-reply-delay": _Reader.dhcp_reply_delay,
    "dhcp-pxe-vendor": _Reader.dhcp_pxe_vendor,
    "dhcp-authoritative": lambda reader, value: reader.flag("authoritative", True),  # noqa: ARG005
    "no-ping": lambda reader, value: reader.flag("ping", False),  # noqa: ARG005
    "dhcp-no-override": lambda reader, value: reader.flag("override", False),  # noqa: ARG005
    "port": lambda reader, value: reader.flag("dns", value.strip() != "0"),
    "enable-tftp": lambda reader, value: reader.flag("tftp", True),  # noqa: ARG005
    "tftp-root": lambda reader, value: reader.flag("tftp_root", value.strip()),
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


_PROGRAM_KEYWORDS = frozenset({"pxe-service", "pxe-prompt", "dhcp-boot"})


def split_keyword(line: str) -> tuple[str, str]:
    """read_file: comments begin with ``#`` outside quotes, at the start or behind white space."""
    quoted, clean = False, []
    for at, char in enumerate(line):
        if char == '"':
            quoted = not quoted
        if char == "#" and not quoted and (at == 0 or line[at - 1].isspace()):
            break
        clean.append(char)
    keyword, _, value = "".join(clean).strip().partition("=")
    return keyword.strip(), value.strip()


def _comma_list(value: str) -> list[str]:
    """Parts between commas; quotes keep a comma and vanish."""
    parts: list[str] = []
    current: list[str] = []
    quoted = False
    for char in value:
        if char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            parts.append("".join(current).strip())
            current = []
        else:
            current.append(char)
    parts.append("".join(current).strip())
    return parts


def _tagged(parts: list[str], *, bare: bool = False, bare_tags: bool = False) -> tuple[list[str], Tags, Tags]:
    """The parts without ``set:``, ``tag:`` and ``net:`` ones; with ``bare`` the first may lack its prefix."""
    rest: list[str] = []
    sets: list[str] = []
    tags: list[str] = []
    for number, part in enumerate(parts):
        if part.startswith("set:"):
            sets.append(part[4:])
        elif part.startswith("tag:") or (part.startswith("net:") and not bare):
            tags.append(part[4:])
        elif bare_tags:
            tags.append(part.removeprefix("net:").replace("#", "!"))
        elif bare and number == 0:
            sets.append(part.removeprefix("net:"))
        else:
            rest.append(part)
    return rest, tuple(sets), tuple(tag.replace("#", "!") for tag in tags if tag)


def _option_code(text: str) -> int:
    if text.startswith("option:"):
        name = text[7:]
        if name not in NAMES:
            raise ValueError(f"no option is called {name}")
        return NAMES[name]
    return int(text)


def _is_address(text: str) -> bool:
    return re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", text) is not None


def _is_mac_pattern(text: str) -> bool:
    plain = text.partition("-")[2] if re.match(r"^[0-9a-fA-F]{1,2}-", text) and ":" in text else text
    return re.fullmatch(r"([0-9a-fA-F]{1,2}|\*)(:([0-9a-fA-F]{1,2}|\*)){5}", plain) is not None


def _is_lease_time(text: str) -> bool:
    return text in ("infinite", "deprecated") or re.fullmatch(r"\d+[smhdwSMHDW]?", text) is not None


def _lease_time(text: str) -> int:
    if text == "infinite":
        return 0xFFFFFFFF
    found = re.fullmatch(r"(\d+)([smhdwSMHDW]?)", text)
    if found is None:
        raise ValueError(f"{text} is no lease time")
    factor = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[found.group(2).lower()]
    return max(int(found.group(1)) * factor, 120)


def _client_id(text: str) -> bytes:
    if re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2})*", text):
        return bytes.fromhex(text.replace(":", ""))
    return text.encode()
