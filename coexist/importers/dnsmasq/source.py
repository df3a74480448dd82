"""The lines of a dnsmasq configuration as they are read, and the account of what became of each."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from coexist.errors import Position
from coexist.importers.account import Account, Harmless
from coexist.importers.program import Step
from coexist.languages.dnsmasq.config import DnsmasqConfig, Range, Tags
from coexist.languages.dnsmasq.files import INCLUDES, Lines
from coexist.languages.dnsmasq.lexer import split_keyword
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.text.redaction import redacted

# What stands in a flag of DnsmasqConfig and says all there is to say.
_FLAGS = {
    "dhcp-authoritative": "",
    "no-ping": "",
    "enable-tftp": "",
    "listen-address": "",
    "port": Harmless("DNS says nothing about booting"),
    "pxe-prompt": "the prompt of a DHCP server's boot menu is not in the inventory",
    "dhcp-pxe-vendor": "vendor classes that a DHCP server treats as PXE clients are not in the inventory",
}
# What the file that is written says by itself.
_WRITTEN = frozenset({"tftp-no-fail"})
_ELSEWHERE = Harmless("DNS, files and logging say nothing about who boots what")


class Source:
    """The lines, by their numbers from 1, what `read_dnsmasq` makes of them, and the account of them.

    ``network``: the subnet of the server's network card, if it is known.
    """

    def __init__(self, lines: Lines, network: IPv4Network | None = None) -> None:
        self.lines = lines
        self.network = network
        # An inventory is UTF-8: a line that is not is left out as a whole.
        self.texts = ["" if _is_broken(text) else text for text in lines.texts]
        self.config: DnsmasqConfig = read_dnsmasq(self.texts)
        self.account = Account()
        ranges = self.config.ranges
        self.kept: dict[str, list[Any]] = {}
        self.only_proxy = bool(ranges) and all(item.mode == "proxy" for item in ranges)

    def is_assumed(self, item: Range) -> bool:
        """Whether the netmask of a range is that of a network card nobody told."""
        own = self.network
        return item.netmask is None and not (own and (item.start in own or item.last in own))

    def network_of(self, item: Range) -> IPv4Network:
        """The subnet of a range; a /24 where its card is not known. Raises ValueError for an odd netmask."""
        if item.netmask is None and self.network is not None and not self.is_assumed(item):
            return self.network
        return IPv4Network(f"{item.start}/{item.netmask or 24}", strict=False)

    def place(self, line: int) -> Position:
        """Where a line stands."""
        return self.lines.places[line - 1]

    def text(self, line: int) -> str:
        """A line as it is written."""
        return self.lines.texts[line - 1].strip()

    def leave(self, line: int, why: str) -> None:
        """A line is not, or not all, in the inventory."""
        self.account.left_out(self.place(line), self.text(line), why)

    def leave_step(self, step: Step, why: str) -> None:
        """What a line says to some clients is not in the inventory."""
        self.account.left_out(step.at, step.text, why)

    def take(self, line: int) -> None:
        """A line is in the inventory."""
        self.account.modelled(self.place(line))

    def values(self, keyword: str) -> Iterator[tuple[int, str]]:
        """The lines of a keyword: their numbers and values."""
        for number, text in enumerate(self.texts, start=1):
            found, value = split_keyword(text)
            if found == keyword:
                yield number, value

    def ignore_lines(self) -> list[tuple[int, Tags]]:
        """The dhcp-ignore lines with their tags."""
        return list(zip(self.config.ignore_lines, self.config.ignores, strict=True))

    def settle(self) -> None:
        """Account for the lines that nobody spoke of."""
        for entry in self.config.refused:
            self.leave(entry.line, f"{entry.why}: the daemon skips this line")
        for entry in self.config.unmodelled:
            self.leave(entry.line, entry.why)
        for number, text in enumerate(self.lines.texts, start=1):
            plain = text.strip()
            if not plain or plain.startswith("#") or self.account.is_mentioned(self.place(number)):
                continue
            keyword, _ = split_keyword(plain)
            if _is_broken(plain):
                self.leave(number, "octets that are not UTF-8, which an inventory is")
                continue
            why = "" if keyword in INCLUDES else _FLAGS.get(keyword, _ELSEWHERE)
            if why is _ELSEWHERE and keyword not in _WRITTEN:
                self._keep(number, plain)
            elif why:
                self.leave(number, why)
            else:
                self.take(number)

    def _keep(self, number: int, text: str) -> None:
        """A line about other things than IPv4 leases and boots goes into the new file word for word."""
        if redacted(text) != text:
            why = "what it holds is secret; write it in `settings`, with a reference in its place"
            self.leave(number, why)
            return
        keyword, value = split_keyword(text)
        self.kept.setdefault(keyword, []).append(value or True)
        self.take(number)


def _is_broken(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in split_keyword(text)[1])
