"""The boot files that a dnsmasq.conf tells: those that are for some machines alone, and all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from functools import cached_property

from coexist.boot.leases.told_files import ToldFile
from coexist.inventory.macset import MacSet
from coexist.languages.dnsmasq.config import BootLine, DnsmasqConfig, HostLine
from coexist.records import dataclass
from coexist.wire.options import Option, octets_text

_BUILT_IN = ("known", "known-othernet", "bootp")
"""Tags that dnsmasq sets by itself (man page)."""


@dataclass(frozen=True, kw_only=True)
class DnsmasqFiles:
    """The boot files of one configuration. ``several``: the files of machines that are told others too."""

    config: DnsmasqConfig
    several: set[str] = field(default_factory=set)

    def of_hosts(self, number: int, macs: MacSet, hosts: Iterable[HostLine]) -> Iterator[ToldFile]:
        """The boot file of dhcp-host lines that say the same."""
        host, *_ = lines = [*hosts]
        alone = [tag for tag in dict.fromkeys(host.sets) if tag in self._alone]
        if len(alone) != 1 or any(line.client_ids for line in lines):
            self.several.update(self._alone[tag][0].file for tag in alone)
            return
        others = frozenset(host.sets) - {*alone}
        said = (others, host.tags, host.ignore, host.lease_time, host.address is not None)
        yield self._told(number, macs, ("dhcp-host", said), alone[0])

    def of_mark(self, number: int, macs: MacSet, tag: str) -> Iterator[ToldFile]:
        """The boot file of machines that dhcp-mac lines give a tag."""
        if tag in self._alone:
            yield self._told(number, macs, ("dhcp-mac",), tag)

    def _told(self, number: int, macs: MacSet, beside: tuple[object, ...], tag: str) -> ToldFile:
        boot, before = self._alone[tag]
        beside = (*beside, before, boot.address, boot.host, boot.sname)
        return ToldFile(number=number, macs=macs, beside=beside, file=boot.file)

    @cached_property
    def _alone(self) -> Mapping[str, tuple[BootLine, int]]:
        """The tags that one kind of line sets, and one dhcp-boot and nothing else asks for.

        Each with that line and how many others come before it: the first one that fits counts.
        """
        found: dict[str, tuple[BootLine, int]] = {}
        before = 0
        # find_boot reads the last line first.
        for boot in reversed(self.config.boots):
            tag = boot.tags[0] if len(boot.tags) == 1 else ""
            if tag and boot.file and self._asked[tag] == 1 and self._is_set_once(tag):
                found[tag] = boot, before
            else:
                before += 1
        return found

    @cached_property
    def _asked(self) -> Counter[str]:
        """How often each tag is asked for, whether it must be there or not."""
        config = self.config
        asked = [
            *(item.filter for item in config.ranges),
            *(line.tags for line in config.boots),
            *(line.tags for line in config.services),
            *(line.tags for line in config.prompts),
            *(line.tags for line in config.options),
            *(line.tags for line in config.hosts),
            *(line.tags for line in config.tag_ifs),
            *(line.tags for line in config.delays),
            *config.ignores,
            *config.broadcasts,
            *config.nameless,
            *config.named,
        ]
        return Counter(tag.removeprefix("!") for tags in asked for tag in tags)

    @cached_property
    def _set(self) -> Mapping[str, frozenset[str]]:
        """By what kinds of lines each tag is set."""
        config = self.config
        found: dict[str, set[str]] = {}
        set_by = [
            *(("dhcp-host", tag) for host in config.hosts for tag in host.sets),
            *((match.kind, match.tag) for match in config.matches),
            *(("tag-if", tag) for line in config.tag_ifs for tag in line.sets),
            *(("dhcp-range", item.tag) for item in config.ranges if item.tag),
            *(("its card", card) for card in config.interfaces),
            *(("dnsmasq", tag) for tag in _BUILT_IN),
        ]
        for kind, tag in set_by:
            found.setdefault(tag, set()).add(kind)
        return {tag: frozenset(kinds) for tag, kinds in found.items()}

    def _is_set_once(self, tag: str) -> bool:
        """Whether one kind of line that names machines sets a tag; a tag-if may ask for it by a star."""
        stars = [asked[:-1] for asked in self._asked if asked.endswith("*")]
        by_machine = self._set.get(tag) in (frozenset({"dhcp-host"}), frozenset({"mac"}))
        return by_machine and not any(map(tag.startswith, stars))

    def others(self) -> frozenset[str]:
        """The names in all lines but those of machines that are told one file alone."""
        config = self.config
        found = {*self.several}
        for host in config.hosts:
            if host.client_ids or not host.macs:
                # It may be of no set: of a machine that is known otherwise.
                found.update(self._alone[tag][0].file for tag in host.sets if tag in self._alone)
        alone = {id(boot) for boot, _ in self._alone.values()}
        found.update(boot.file for boot in config.boots if id(boot) not in alone)
        found.update(service.basename for service in config.services)
        options = (line.value for line in config.options if line.code == Option.BOOTFILE_NAME)
        found.update(map(octets_text, options))
        return frozenset(found)
