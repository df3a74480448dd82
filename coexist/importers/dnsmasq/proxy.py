"""The boot service of a dnsmasq that is a ProxyDHCP only.

What it sends depends on more than an inventory's programs say: the text of its menu, several entries for one
architecture, ``dhcp-boot`` as the file of whoever has no entry. So its own lines become ``settings`` of the
server, word for word, and ``programs`` says what follows from them, by the model of the daemon.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from coexist.boot.leases.dnsmasq_file import DnsmasqFile, tags_match
from coexist.boot.leases.dnsmasq_ranges import Ranges
from coexist.boot.servers.dnsmasq_answers import DnsmasqAnswers
from coexist.boot.servers.dnsmasq_replies import FIRST_EFI, service_file
from coexist.importers.conditions import Condition, Inexpressible, Member, negate
from coexist.importers.dnsmasq.source import Source
from coexist.importers.dnsmasq.tags import TagBook
from coexist.importers.site_builder import one_or_list
from coexist.languages.dnsmasq.config import DnsmasqConfig, Tags
from coexist.languages.dnsmasq.lexer import split_keyword
from coexist.records import dataclass
from coexist.wire.architecture import ARCHITECTURE_NAMES, is_http
from coexist.wire.bootp import BOOTREQUEST, Packet
from coexist.wire.options import MessageType, Option

_SETS_TAGS = frozenset({"dhcp-match", "dhcp-vendorclass", "dhcp-userclass", "dhcp-mac", "tag-if"})
_OPTIONS = frozenset({"dhcp-option", "dhcp-option-force"})

# The architectures of machines that boot from a network today; ``dhcp-boot`` alone gives all of them a file.
_USUAL = ("bios", "uefi-ia32", "uefi-x64", "uefi-arm32", "uefi-arm64")


def boot_service(
    source: Source, tags: TagBook, settings: dict[str, Any], late: Iterable[int]
) -> dict[str, Any]:
    """What an inventory's server says of it: its own lines, what follows from them, and whom it answers.

    The lines go into ``settings``. ``late``: the dhcp-reply-delay lines that `delay` cannot say.
    """
    config = source.config
    answers, others = _answers(source, tags)
    own = own_lines(config, source.texts, others, late)
    settings |= own.settings
    for number in own.taken:
        source.take(number)
    options = {option.line for option in config.options}
    for number, why in own.left:
        if source.only_proxy or number not in options:
            source.leave(number, why)
    for item in config.ranges:
        if item.filter:
            source.leave(item.line, "a subnet whose clients are answered by their tags")
    # Whom it answers is said by `answers`; here it is what a client is given that is answered.
    given = programs(replace(config, ignores=tuple(others.values())))
    result: dict[str, Any] = {"programs": given} if given else {}
    return result | ({"answers": answers} if answers else {})


def _answers(source: Source, tags: TagBook) -> tuple[dict[str, Any], dict[int, Tags]]:
    """Whom it answers by groups; and the dhcp-ignore lines that tell clients by something else."""
    answers: dict[str, Any] = {}
    others: dict[int, Tags] = {}
    for number, wanted in source.ignore_lines():
        try:
            ignored = tags.of(wanted)
        except Inexpressible:
            others[number] = wanted
            continue
        kept = negate(ignored)
        groups, left = _groups_of(kept), _groups_of(ignored)
        if groups and len(groups) == len(kept) and not answers:
            answers["only"] = one_or_list(groups)
        elif left and len(left) == len(ignored) and not answers:
            answers["except"] = one_or_list(left)
        else:
            others[number] = wanted
            continue
        source.take(number)
    for host in source.config.hosts:
        if host.ignore and source.only_proxy:
            source.leave(host.line, "a ProxyDHCP answers it all the same: ignore counts for leases only")
    return answers, others


def _groups_of(condition: Condition) -> list[str]:
    """The groups whose members fulfil a condition by that alone."""
    return [p[0].group for p in condition if len(p) == 1 and isinstance(p[0], Member) and not p[0].negated]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLines:
    """``settings`` by keyword, the numbers of the lines in it, and those that cannot be, with the reason."""

    settings: dict[str, Any]
    taken: tuple[int, ...]
    left: tuple[tuple[int, str], ...]


def own_lines(
    config: DnsmasqConfig, texts: Sequence[str], ignores: dict[int, Tags], late: Iterable[int]
) -> OwnLines:
    """The lines of a ProxyDHCP that decide what it sends.

    ``ignores``: the dhcp-ignore lines that say no more than `answers` can, by number, with their tags;
    ``late``: the dhcp-reply-delay lines that `delay` cannot say.
    """
    foreign = _foreign_tags(config, texts)
    tags = {service.line: service.tags for service in config.services}
    tags |= {boot.line: boot.tags for boot in config.boots}
    tags |= {prompt.line: prompt.tags for prompt in config.prompts}
    tags |= {option.line: option.tags for option in config.options}
    tags |= {rule.line: rule.tags for rule in config.tag_ifs}
    tags |= {delay.line: delay.tags for delay in config.delays if delay.line in set(late)}
    tags |= {match.line: () for match in config.matches} | ignores
    inside = {option.line for option in config.options if option.vendor is not None}
    kept: dict[str, list[Any]] = {}
    taken, left = [], []
    for number, text in enumerate(texts, start=1):
        keyword, value = split_keyword(text)
        if keyword in _OPTIONS and number in tags and number not in inside:
            left.append((number, "a ProxyDHCP sends no such option"))
            continue
        if number not in tags and keyword != "dhcp-pxe-vendor":
            continue
        strange = [tag for tag in tags.get(number, ()) if tag.removeprefix("!") in foreign]
        if strange:
            name = strange[0].removeprefix("!")
            left.append((number, f"depends on the tag {name}, set by {foreign[name]}"))
            continue
        kept.setdefault(keyword, []).append(value)
        taken.append(number)
    if kept.keys() <= _SETS_TAGS:
        # Tags alone do nothing.
        return OwnLines(settings={}, taken=tuple(taken), left=tuple(left))
    return OwnLines(
        settings={key: lines[0] if len(lines) == 1 else lines for key, lines in kept.items()},
        taken=tuple(taken),
        left=tuple(left),
    )


def _foreign_tags(config: DnsmasqConfig, texts: Sequence[str]) -> dict[str, str]:
    """Tags that are not set by lines of the settings, and by what they are."""
    foreign = {"known": "dhcp-host", "known-othernet": "dhcp-host"}
    foreign |= {tag: "dhcp-host" for host in config.hosts for tag in host.sets}
    foreign |= {item.tag: "its dhcp-range" for item in config.ranges if item.tag}
    for text in texts:
        keyword, value = split_keyword(text)
        if keyword == "interface":
            foreign |= {name.strip(): "the network card" for name in value.split(",")}
    for rule in config.tag_ifs:
        if any(tag.removeprefix("!") in foreign for tag in rule.tags):
            foreign |= dict.fromkeys(rule.sets, "a tag-if that depends on it")
    return foreign


def programs(config: DnsmasqConfig) -> dict[str, Any]:
    """What a client of each architecture is given, as an inventory's ``programs``; server None is itself."""
    if not config.pxe:
        return {}
    answers = DnsmasqAnswers(file=DnsmasqFile(ranges=Ranges(config=config)))
    names = {
        name
        for name, codes in ARCHITECTURE_NAMES.items()
        if name in _USUAL or any(service.architecture in codes for service in config.services)
    }
    result: dict[str, Any] = {}
    chained: dict[str, Any] = {}
    for name in (name for name in ARCHITECTURE_NAMES if name in names):
        codes = sorted(ARCHITECTURE_NAMES[name])
        found = next((p for c in codes if (p := _given(answers, c, is_ipxe=False))), None)
        if found is not None:
            result[name] = found
        again = next((p for c in codes if (p := _given(answers, c, is_ipxe=True))), None)
        if again is not None and again != found:
            chained.setdefault("ipxe", again)
    return result | chained


def _given(answers: DnsmasqAnswers, code: int, *, is_ipxe: bool) -> Any:
    kind = "HTTPClient" if is_http(code) else "PXEClient"
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((MessageType.DISCOVER,)),
        Option.VENDOR_CLASS_IDENTIFIER: f"{kind}:Arch:{code:05d}:UNDI:003016".encode(),
        Option.CLIENT_SYSTEM_ARCHITECTURE: code.to_bytes(2, "big"),
    }
    if is_ipxe:
        options |= {Option.USER_CLASS: b"iPXE", Option.IPXE_ENCAPSULATED: b"\x17\1\1"}
    packet = Packet(op=BOOTREQUEST, xid=1, chaddr=bytes(6), options=options)
    tags = answers.tags_of(packet)
    if any(tags_match(wanted, tags, empty=False) for wanted in answers.config.ignores):
        return None
    replies = answers.replies
    entries = [service for service in replies.services(code, tags) if service.basename]
    boot = replies.boot(tags)
    # A UEFI client with an offer that names a file loads that, unless it has one entry alone.
    if entries and (code < FIRST_EFI or len(entries) == 1 or boot is None):
        return _program(service_file(entries[0]).decode(), entries[0].server, bool(entries[0].host))
    if boot is None or not boot.file:
        return None
    return _program(boot.file, boot.address, bool(boot.host))


def _program(file: str, server: IPv4Address | None, named: bool) -> Any:
    return file if server is None or named else {"file": file, "server": str(server)}
