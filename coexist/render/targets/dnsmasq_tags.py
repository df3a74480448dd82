"""Tags of a dnsmasq.conf: what sets them, for the DHCP and the ProxyDHCP side alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from functools import cache
from ipaddress import IPv4Address

from coexist.boot.leases.plan import Condition, Reservation, spellings
from coexist.inventory.models import OptionTest
from coexist.languages.dnsmasq.options import Kind
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.records import dataclass
from coexist.render.cells import Cell, Cells, octet_prefixes, spelled
from coexist.render.quoting import comment, dnsmasq_string
from coexist.wire.architecture import Architecture, architecture_name
from coexist.wire.option_codes import Option

NEVER = "never"
"""A tag that nothing sets."""
NAMED = "named"
"""The tag of the machines that are told their own name."""


def has(tag: str) -> str:
    """The literal for a tag that is set."""
    return f"tag:{tag}"


def lacks(tag: str) -> str:
    """The literal for a tag that is not set."""
    return f"tag:!{tag}"


@dataclass(slots=True)
class Tags:
    """Lines that set tags, each written once. ``prefix``: what every name begins with."""

    prefix: str = ""
    matches: list[str] = field(default_factory=list)
    derived: list[str] = field(default_factory=list)
    _made: dict[object, str] = field(default_factory=dict)

    def match(self, key: object, name: str, tests: Iterable[str]) -> str:
        """A tag that any of some tests on options sets; ``name`` is for people."""
        name = self._named(name)
        if key not in self._made:
            self._made[key] = name
            self.matches += [f"dhcp-match=set:{name},{test}" for test in tests]
        return self._made[key]

    def any_of(self, key: object, name: str, literals: Iterable[Iterable[str]]) -> str:
        """A tag that is set when all literals of any of some lists hold."""
        name = self._named(name)
        if key not in self._made:
            lines = [f"tag-if=set:{name},{','.join(terms)}" for terms in literals]
            self._made[key] = name
            self.derived += lines
        return self._made[key]

    def _named(self, name: str) -> str:
        return name if name.startswith(self.prefix) else self.prefix + name

    def number(self) -> int:
        """A number no other tag has."""
        return len(self._made) + 1

    # -- what a packet says --------------------------------------------------------------------

    def begins(self, code: int, octets: bytes, at: int = 0) -> str:
        """The literal for an option that begins with some octets, after ``at`` others."""
        pattern = _octets(octets, at)
        return has(
            self.match(
                ("begins", int(code), pattern), f"o{int(code)}-{self.number()}", [f"{int(code)},{pattern}"]
            )
        )

    def equals(self, code: int, octets: bytes) -> list[str]:
        """The literals for an option that is some octets: dnsmasq compares beginnings, so none may follow."""
        pattern = f"{octets.hex(':')}:*"
        longer = self.match(
            ("begins", int(code), pattern), f"o{int(code)}-{self.number()}", [f"{int(code)},{pattern}"]
        )
        return [self.begins(code, octets), lacks(longer)]

    def architectures(self, codes: frozenset[int]) -> str:
        """The tag of the clients of some architectures."""
        names = sorted({architecture_name(code) for code in codes})
        name = "arch-" + ("+".join(names) if len(names) <= 4 else str(self.number()))
        tag = self.match(
            ("arch", codes), name, [f"93,{code.to_bytes(2, 'big').hex(':')}" for code in sorted(codes)]
        )
        if Architecture.X86_BIOS in codes:
            # ROMs older than RFC 4578 send no option 93.
            known = self.match(("exists", 93), "o93", ["93"])
            pxe = self.begins(Option.VENDOR_CLASS_IDENTIFIER, b"PXEClient")
            self.any_of(("bios", codes), tag, [[pxe, lacks(known)]])
        return tag

    def ipxe(self) -> str:
        """The tag of the clients that already run iPXE."""
        code = int(Option.IPXE_ENCAPSULATED)
        told = has(self.match(("exists", code), f"o{code}", [str(code)]))
        classes = [self.equals(Option.USER_CLASS, text) for text in spellings(b"iPXE")]
        return self.any_of("ipxe", "ipxe", [[told], *classes])


@dataclass(slots=True, kw_only=True)
class Groups:
    """The machines a configuration tells apart, as tags."""

    cells: Cells
    tags: Tags

    def cell_tag(self, name: str) -> str:
        """The tag of a cell."""
        return f"in-{name}"

    def machines(self, reservations: Iterable[Reservation] = ()) -> Iterator[str]:
        """A line for each machine that a list or a reservation names."""
        tags = {mac: self.cell_tag(cell.name) for cell in self.cells.named for mac in cell.points}
        rest = self.cell_tag(self.cells.rest.name)
        for cell in self.cells.named:
            # A machine that a range takes in and no other list names must be kept out of it.
            tags.update((mac, rest) for mac in cell.excluded if mac not in tags)
        addresses = {r.mac: r for r in reservations}
        # Several interfaces of a machine may have one address; a second line for it is refused (option.c).
        sharing: dict[IPv4Address, list[int]] = {}
        for mac in sorted(addresses):
            sharing.setdefault(addresses[mac].address, []).append(mac)
        for mac in sorted({*tags, *addresses}):
            if mac not in addresses:
                yield f"dhcp-host={spelled(mac)},set:{tags[mac]}"
                continue
            if mac in tags:
                # A dhcp-host with an address is not seen on another subnet, and its tag neither.
                yield f"dhcp-mac=set:{tags[mac]},{spelled(mac)}"
            address = addresses[mac].address
            macs = sharing[address]
            if mac == macs[0]:
                note = f" # {comment(addresses[mac].name)}" if addresses[mac].name else ""
                name = addresses[mac].host_name
                told = f",set:{NAMED},{name}" if name else ""
                yield f"dhcp-host={','.join(map(spelled, macs))},{address}{told}{note}"

    def ranges(self) -> Iterator[str]:
        """Lines that put addresses into cells by how they begin."""
        for cell in self.cells.named:
            if not cell.intervals:
                continue
            by_range = f"range-{cell.name}"
            for first, last in cell.intervals:
                for prefix in octet_prefixes(first, last):
                    yield f"dhcp-mac=set:{by_range},{prefix.hex(':')}{':*' * (6 - len(prefix))}"
            terms = [has(by_range), *(lacks(tag) for tag in self._excluding(cell))]
            yield f"tag-if=set:{self.cell_tag(cell.name)},{','.join(terms)}"

    def _excluding(self, cell: Cell) -> list[str]:
        excluded = frozenset(cell.excluded)
        others = [c.name for c in self.cells.named if c is not cell and not excluded.isdisjoint(c.points)]
        if excluded.difference(*(c.points for c in self.cells.named)):
            others.append(self.cells.rest.name)
        return [self.cell_tag(name) for name in others]

    def membership(self, cells: frozenset[str]) -> list[str]:
        """The literals that say a machine is in one of the cells."""
        named = [cell.name for cell in self.cells.named]
        if self.cells.rest.name in cells:
            return [lacks(self.cell_tag(name)) for name in named if name not in cells] or [lacks(NEVER)]
        wanted = [name for name in named if name in cells]
        if len(wanted) == 1:
            return [has(self.cell_tag(wanted[0]))]
        name = f"any-{self.tags.number()}"
        return [has(self.tags.any_of(("cells", cells), name, [[has(self.cell_tag(n))] for n in wanted]))]

    def literals(self, condition: Condition) -> list[str]:
        """The literals of a condition; all must hold."""
        tags = self.tags
        terms: list[str] = []
        if condition.clients is not None:
            terms += self.membership(self.cells.within(condition.clients))
        if condition.architectures is not None:
            terms.append(has(tags.architectures(condition.architectures)))
        if condition.ipxe:
            terms.append(has(tags.ipxe()))
        if condition.vendor_class is not None:
            terms.append(tags.begins(Option.VENDOR_CLASS_IDENTIFIER, condition.vendor_class))
        if condition.user_class is not None:
            text = condition.user_class
            ways = [tags.equals(Option.USER_CLASS, value) for value in spellings(text)]
            terms.append(has(tags.any_of(("user-class", text), f"user-{tags.number()}", ways)))
        for test in condition.tests:
            terms += _tested(tags, test)
        for other in condition.unless:
            terms.append(lacks(tags.any_of(("whole", other), f"but-{tags.number()}", [self.literals(other)])))
        return terms


def cannot_test(test: OptionTest) -> bool:
    """Whether dnsmasq has no way to make this test.

    A pattern of one octet would be read as a number. Of an option of addresses, of text, a time or names,
    what a ``dhcp-match`` compares with is read as one (parse_dhcp_opt).
    """
    if test.exists is not None:
        return test.suboption is not None
    if test.suboption is not None or test.ends_with is not None or not test.octets:
        return True
    if test.contains is None:
        alone = len(test.octets) + test.at < 2
        return alone or not _is_read_as(test.option, _octets(test.octets, test.at), test.octets, Kind.HEX)
    if len(test.octets) == 1:
        # A number is looked for among all octets of an option (match_bytes).
        return not _is_read_as(test.option, str(test.octets[0]), test.octets, Kind.OCTETS)
    if not test.contains.isprintable() or test.contains.lower().startswith("hex:"):
        return True
    return not _is_read_as(test.option, dnsmasq_string(test.contains), test.octets, Kind.TEXT)


def _octets(octets: bytes, at: int) -> str:
    """The pattern of an option's beginning, after ``at`` octets that may be any."""
    return "*:" * at + octets.hex(":")


@cache
def _is_read_as(code: int, value: str, octets: bytes, kind: Kind) -> bool:
    """Whether a ``dhcp-match`` compares an option with these octets, in this way."""
    found = read_dnsmasq(f"dhcp-match=set:x,{code},{value}")
    options = [match.option for match in found.matches]
    return any(o is not None and o.kind is kind and o.value.endswith(octets) for o in options)


def _tested(tags: Tags, test: OptionTest) -> list[str]:
    if cannot_test(test):
        # Told as a finding; nobody fits.
        return [has(NEVER)]
    if test.exists is not None:
        literal = has(tags.match(("exists", test.option), f"o{test.option}", [str(test.option)]))
        return [_negated(literal) if test.exists == test.negated else literal]
    if test.contains is not None:
        key = ("contains", test.option, test.contains)
        one = len(test.octets) == 1
        pattern = f"{test.option},{test.octets[0] if one else dnsmasq_string(test.contains)}"
        terms = [has(tags.match(key, f"o{test.option}-{tags.number()}", [pattern]))]
    elif test.equals is not None:
        terms = tags.equals(test.option, test.octets)
    else:
        terms = [tags.begins(test.option, test.octets, test.at)]
    if not test.negated:
        return terms
    if len(terms) == 1:
        return [_negated(terms[0])]
    whole = tags.any_of(("all", *terms), f"o{test.option}-{tags.number()}", [terms])
    return [lacks(whole)]


def _negated(literal: str) -> str:
    return (
        literal.replace("tag:", "tag:!")
        if not literal.startswith("tag:!")
        else literal.replace("tag:!", "tag:")
    )
