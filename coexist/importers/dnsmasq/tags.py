"""Tags of a dnsmasq configuration: whom each is set for, by what the client sends or by a rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from coexist.importers.account import Harmless
from coexist.importers.conditions import (
    ALWAYS,
    Condition,
    Inexpressible,
    Member,
    Test,
    all_of,
    any_of,
    negate,
    test,
)
from coexist.importers.dnsmasq.source import Source
from coexist.importers.groups import GroupBook
from coexist.languages.dnsmasq.config import MatchLine, Tags
from coexist.languages.dnsmasq.options import Kind, OptionLine
from coexist.records import dataclass


@dataclass(slots=True)
class TagBook:
    """When each tag is set; those of the ranges depend on the scope."""

    conditions: dict[str, list[Condition]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    def set(self, tag: str, condition: Condition) -> None:
        """The tag is set for these clients too."""
        self.conditions.setdefault(tag, []).append(condition)

    def of(self, tags: Iterable[str], here: frozenset[str] = frozenset()) -> Condition:
        """The clients with all these tags (``!tag``: without it). Raises Inexpressible."""
        parts = []
        for tag in tags:
            name = tag.removeprefix("!")
            if name in self.broken:
                raise Inexpressible(f"the tag {name} is set by something else: {self.broken[name]}")
            condition = ALWAYS if name in here else any_of(self.conditions.get(name, ()))
            parts.append(negate(condition) if tag.startswith("!") else condition)
        return all_of(parts)


def read_matches(source: Source, groups: GroupBook, tags: TagBook) -> None:
    """Set the tags of dhcp-match, dhcp-vendorclass, dhcp-userclass, dhcp-mac and the only network card."""
    cards = set(source.config.interfaces) - {"lo"}
    if len(cards) == 1:
        tags.set(cards.pop(), ALWAYS)
    for match in source.config.matches:
        try:
            tags.set(match.tag, _matched(match, groups))
            source.take(match.line)
        except Inexpressible as reason:
            tags.broken[match.tag] = str(reason)
            if not source.only_proxy:
                source.leave(match.line, str(reason))


def read_rules(source: Source, tags: TagBook) -> None:
    """Set the tags of tag-if, which sees the tags of all other lines."""
    for rule in source.config.tag_ifs:
        try:
            condition = tags.of(rule.tags)
            for tag in rule.sets:
                tags.set(tag, condition)
            source.take(rule.line)
        except Inexpressible as reason:
            for tag in rule.sets:
                tags.broken[tag] = str(reason)
            if not source.only_proxy:
                source.leave(rule.line, str(reason))


def _matched(match: MatchLine, groups: GroupBook) -> Condition:
    """When a line sets its tag (match_bytes, src/dhcp-common.c): a text is looked for anywhere."""
    if match.kind == "mac":
        return test(Member(mac_group(match.pattern, groups)))
    code = {"vendorclass": 60, "userclass": 77}.get(match.kind, match.code)
    if not match.value:
        return test(Test(code, "exists"))
    if match.kind == "vendorclass" and match.value.startswith((b"PXEClient", b"HTTPClient")):
        # A vendor class begins with these words or does not have them.
        return test(Test(code, "starts_with", match.value))
    if match.option is not None and not match.text:
        return _element(match.option)
    if match.kind in _NOT_OPTIONS:
        raise Inexpressible(_NOT_OPTIONS[match.kind])
    return test(Test(code, "contains", match.value))


_NOT_OPTIONS = {
    "name": "the name a client says",
    "circuit": "what a relay agent says of its port",
    "remote": "what a relay agent says of the client",
    "subscriber": "what a relay agent says of the subscriber",
}
_ARCHITECTURES = 93


def _element(option: OptionLine) -> Condition:
    """A match that is no text (match_bytes): octets with colons are the beginning, a number any element."""
    code = option.code
    if option.enterprise is not None:
        raise Inexpressible("the vendor class of an enterprise")
    if option.mask:
        raise Inexpressible("a pattern of octets with stars")
    if option.kind is Kind.HEX:
        return test(Test(code, "starts_with", option.value))
    if len(option.value) > 1:
        # A client announces one architecture; of other options an element may stand anywhere.
        if code != _ARCHITECTURES:
            raise Inexpressible("a number of several octets anywhere in an option")
        return test(Test(code, "equals", option.value))
    return test(Test(code, "contains", option.value))


def mac_group(pattern: str, groups: GroupBook) -> str:
    """The group of the MAC addresses that begin as a pattern says. Raises Inexpressible."""
    parts = pattern.lower().split("-")[-1].split(":")
    fixed = [part for part in parts if part != "*"]
    if len(parts) != 6 or parts[: len(fixed)] != fixed or not fixed:
        raise Inexpressible("a pattern of MAC addresses that is not their beginning")
    try:
        return groups.of_prefix(bytes(int(part, 16) for part in fixed))
    except ValueError:
        raise Inexpressible("a pattern of MAC addresses with masks") from None


def leave_unasked(source: Source) -> None:
    """Lines that set a tag nobody asks for change no answer."""
    config = source.config
    asked = _asked_tags(source)
    setting: list[tuple[int, Tags]] = [(match.line, (match.tag,)) for match in config.matches]
    setting += [(rule.line, rule.sets) for rule in config.tag_ifs]
    setting += [(host.line, host.sets) for host in config.hosts]
    for line, tags in setting:
        for tag in tags:
            if tag not in asked:
                source.leave(line, Harmless(f"sets the tag {tag}, which nothing here asks for"))


def _asked_tags(source: Source) -> set[str]:
    """The tags that lines about DHCP ask for."""
    config = source.config
    holders: list[Tags] = [*config.ignores, *config.broadcasts]
    holders += [item.filter for item in config.ranges]
    for lines in (
        config.boots,
        config.options,
        config.services,
        config.prompts,
        config.delays,
        config.tag_ifs,
        config.hosts,
    ):
        holders += [line.tags for line in lines]
    return {tag.removeprefix("!") for tags in holders for tag in tags}
