"""What a dnsmasq that leases addresses tells the clients of a subnet: the scope of an inventory.

Of the dhcp-boot lines and of the dhcp-options of one number the last whose tags are all set counts, then
the last one without tags (src/rfc2131.c of 2.90).
"""

from __future__ import annotations

from functools import cached_property
from ipaddress import IPv4Address
from typing import Any

from coexist.errors import InputError, Position, Problem
from coexist.importers.account import Harmless
from coexist.importers.conditions import NEVER, POOL_FOR_NOBODY, Inexpressible, pool_conditions, spelled_value
from coexist.importers.dnsmasq.defaults import SENT_BY_ITSELF
from coexist.importers.dnsmasq.holding import holding, outer_of
from coexist.importers.dnsmasq.hosts import IGNORED
from coexist.importers.dnsmasq.source import Source
from coexist.importers.dnsmasq.tags import TagBook
from coexist.importers.groups import GroupBook
from coexist.importers.program import FILENAME, IGNORE, NEXT_SERVER, Step, effective, scope_fields
from coexist.importers.site_builder import SiteBuilder
from coexist.languages.dnsmasq.config import BootLine, Range, Tags, network_of
from coexist.languages.dnsmasq.options import Kind, OptionLine
from coexist.wire.bootp import fits_header_file
from coexist.wire.option_codes import Option

_SHORTEST_LEASE = 60


class Scopes:
    """Makes the scopes, and tells ``build`` which addresses their pools give away."""

    def __init__(
        self,
        source: Source,
        groups: GroupBook,
        tags: TagBook,
        build: SiteBuilder,
        server: str,
        own: IPv4Address | None,
    ) -> None:
        self.own = own
        self.source, self.groups, self.tags = source, groups, tags
        self.build, self.server = build, server
        self._steps_of: dict[Position, str] = {}
        self._effective: set[Position] = set()

    def scope(self, vlan: str, ranges: list[Range]) -> dict[str, Any]:
        """The scope of one subnet with its ranges."""
        here = frozenset(r.tag for r in ranges if r.tag)
        scope: dict[str, Any] = {"server": self.server, "vlan": vlan}
        pools = [self._pool(item) for item in ranges if item.mode == "dynamic" and self._is_in_subnet(item)]
        if pools:
            scope["pools"] = pools
        lease = next((r.lease_time for r in ranges), 3600)
        scope["lease_time"] = max(lease, _SHORTEST_LEASE)
        steps = [*self._option_steps(here), *self._boot_steps(here), *self._ignore_steps(here)]
        config = self.source.config
        for line in (*(s.line for s in config.services), *(p.line for p in config.prompts)):
            self.source.leave(
                line,
                "a boot menu where addresses are leased is not in the inventory; of a ProxyDHCP it is",
            )
        self._effective |= {step.at for step in effective(steps)}
        said = scope_fields(steps, self.groups.combined, self.source.leave_step)
        holders = (said, *said.get("rules", ()))
        order = self._order({code for holder in holders for code in holder.get("options", {})})
        return scope | {"literal": True} | said | ({"option_order": order} if order else {})

    def _order(self, codes: set[int]) -> list[int]:
        """Options as they stand in a reply: the last line of the file comes first.

        Empty if they descend, and the daemon tells none of them by itself.
        """
        lines = [option.code for option in reversed(self.source.config.options) if not option.is_inside]
        # What holds others comes last (do_options).
        lines += self._holding
        order = [code for code in dict.fromkeys(lines) if code in codes]
        is_usual = order == sorted(order, reverse=True) and SENT_BY_ITSELF.isdisjoint(order)
        return [] if is_usual else order

    def leave_idle(self) -> None:
        """Lines that change no answer in any scope."""
        for place, text in self._steps_of.items():
            if place not in self._effective:
                why = Harmless("without effect: for all its clients another line counts")
                self.source.account.left_out(place, text, why)

    def _is_in_subnet(self, item: Range) -> bool:
        """Whether a range has an end, in its own subnet. Raises InputError for one that is not."""
        if item.end is None:
            return False
        network = self.source.network_of(item)
        if item.end in network:
            return True
        what = f"inconsistent DHCP range: {item.end} is not in {network}"
        remedy = "correct the range or its netmask"
        if self.source.is_assumed(item):
            whole = network_of(item)
            what = "the netmask is that of the server's network card, which is not in the file"
            remedy = f"write it behind the end, as in dhcp-range={item.start},{item.end},{whole.netmask}"
            if self.source.network is None:
                remedy += f", or give it with the server's address: --address {whole[1]}/{whole.prefixlen}"
        raise InputError([Problem(self.source.place(item.line), what, remedy)])

    def _pool(self, item: Range) -> Any:
        assert item.end is not None
        # The daemon turns a range round that ends before it begins (option.c).
        first, last = sorted((item.start, item.end))
        self.build.leased.append((int(first), int(last)))
        text = f"{first}-{last}"
        if not item.filter:
            return text
        try:
            condition = self.tags.of(item.filter)
        except Inexpressible as reason:
            self.source.leave(item.line, f"{reason}; its pool is for nobody")
            return {"range": text, "allow": "nobody"}
        entry = pool_conditions(condition, self.groups.combined)
        if entry is None:
            self.source.leave(item.line, POOL_FOR_NOBODY)
            return {"range": text, "allow": "nobody"}
        return {"range": text, **entry}

    # -- steps -----------------------------------------------------------------------------------

    def _steps(self, line: int, tags: Tags, here: frozenset[str], values: dict[Any, Any]) -> list[Step]:
        source = self.source
        try:
            condition = self.tags.of(tags, here)
        except Inexpressible as reason:
            source.leave(line, str(reason))
            return []
        source.take(line)
        place, text = source.place(line), source.text(line)
        self._steps_of[place] = text
        if condition == NEVER:
            return []
        return [
            Step(condition=condition, key=key, value=value, at=place, text=text)
            for key, value in values.items()
        ]

    def _option_steps(self, here: frozenset[str]) -> list[Step]:
        leave = self.source.leave
        result: list[Step] = []
        for option in sorted(self.source.config.options, key=lambda option: bool(option.tags)):
            code, value = option.code, self._with_own(option)
            if option.is_inside:
                if outer_of(option) not in self._holding:
                    leave(option.line, "an option inside another one, for the clients of a vendor")
            elif 0 < code < 255 and not value and not option.tags:
                # It switches off what dnsmasq sends by itself: what is not declared is not sent.
                if code in SENT_BY_ITSELF and (code != Option.DOMAIN_NAME_SERVER or self.source.config.dns):
                    self.source.take(option.line)
                else:
                    leave(option.line, Harmless("without effect: dnsmasq sends no such option by itself"))
            elif not 0 < code < 255 or not value:
                leave(option.line, "an option without a value switches off what dnsmasq sends by itself")
            elif option.kind is Kind.ADDRESSES and bytes(4) in (
                value[i : i + 4] for i in range(0, len(value), 4)
            ):
                leave(option.line, "0.0.0.0 stands for the server's own address")
            else:
                result += self._steps(option.line, option.tags, here, {code: _option_text(code, value)})
        for code, (lines, octets) in self._holding.items():
            for line in lines:
                self.source.take(line.line)
            result += self._steps(lines[0].line, (), here, {code: f"hex:{octets.hex(':')}"})
        return result

    @cached_property
    def _holding(self) -> dict[int, tuple[list[OptionLine], bytes]]:
        return holding(self.source.config.options)

    def _with_own(self, option: OptionLine) -> bytes:
        """The value with the server's own address in the place of 0.0.0.0, if that is known."""
        value = option.value
        if option.kind is not Kind.ADDRESSES or self.own is None or option.is_inside:
            return value
        parts = [value[at : at + 4] for at in range(0, len(value), 4)]
        return b"".join(self.own.packed if part == bytes(4) else part for part in parts)

    def _boot_steps(self, here: frozenset[str]) -> list[Step]:
        result: list[Step] = []
        for boot in sorted(self.source.config.boots, key=lambda boot: bool(boot.tags)):
            values = self._boot_values(boot)
            if values is not None:
                result += self._steps(boot.line, boot.tags, here, values)
        return result

    def _boot_values(self, boot: BootLine) -> dict[Any, str] | None:
        if boot.host:
            why = f"{boot.host} is looked up while the daemon runs; write its address"
            self.source.leave(boot.line, why)
            return None
        if not boot.file or not boot.file.isprintable() or not fits_header_file(boot.file):
            self.source.leave(boot.line, "the header field cannot hold this name")
            return None
        # Without an address dnsmasq names itself, whatever other lines say.
        values: dict[Any, str] = {
            FILENAME: boot.file,
            NEXT_SERVER: str(boot.address) if boot.address else self.server,
        }
        if boot.sname:
            # The server's name goes out as option 66 to whoever asks for it.
            values[int(Option.TFTP_SERVER_NAME)] = boot.sname
        return values

    def _ignore_steps(self, here: frozenset[str]) -> list[Step]:
        result: list[Step] = []
        for number, tags in self.source.ignore_lines():
            result += self._steps(number, tags, here, {IGNORE: True})
        if self.tags.conditions.get(IGNORED):
            line = next(host.line for host in self.source.config.hosts if host.ignore)
            result += self._steps(line, (IGNORED,), here, {IGNORE: True})
        return result


def _option_text(code: int, value: bytes) -> str:
    if code == Option.BOOTFILE_NAME and not value.endswith(b"\0"):
        return "hex:" + value.hex(":")
    return spelled_value(code, value.rstrip(b"\0") if code == Option.BOOTFILE_NAME else value)
