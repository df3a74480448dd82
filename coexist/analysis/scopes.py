"""What a DHCP server hands to a client by its scopes' rules, as far as the inventory alone decides it.

Rules are read from top to bottom; each value comes from the first rule that matches and sets it, then
from the scope, then from the server. The race asks the server models; the rules ask here, to name
the line that a value comes from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from coexist.analysis.profiles import PHONES, firmware_kind
from coexist.analysis.space import ClientClass, Space
from coexist.inventory.documents import Path
from coexist.inventory.models import OptionTest, Program, Scope, ScopeRule, Site
from coexist.inventory.values import OptionValue
from coexist.wire.architecture import CANONICAL_CODE
from coexist.wire.options import Option

# What every iPXE says of itself in option 175: http, dns, tftp, menu (src/net/udp/dhcp.c, features.h).
_IPXE_FEATURES = bytes.fromhex("130101170101150101270101")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What a client finds in its lease; each value with the path of the line that says it."""

    scope: str
    ignored: bool = False
    next_server: tuple[str, Path] | None = None
    filename: tuple[str, Path] | None = None
    program: tuple[Program, Path] | None = None
    options: dict[int, tuple[OptionValue, Path]] = field(default_factory=dict)

    @property
    def file(self) -> tuple[str, Path] | None:
        """The boot file as header or option 67 name it, and its place."""
        if self.program:
            return self.program[0].file, self.program[1]
        if self.filename:
            return self.filename
        value = self.options.get(Option.BOOTFILE_NAME)
        return (str(value[0]), value[1]) if value else None

    @property
    def vendor_class(self) -> tuple[str, Path] | None:
        """Option 60, if the server sends it."""
        value = self.options.get(Option.VENDOR_CLASS_IDENTIFIER)
        return (str(value[0]), value[1]) if value else None


def vendor_class_of(site: Site, client: ClientClass) -> str:
    """The option 60 a client of this class sends; empty for a phone, which sends its maker's."""
    if firmware_kind(site, client.firmware) in PHONES:
        return ""
    code = CANONICAL_CODE.get(client.architecture, 0)
    kind = "HTTPClient" if client.architecture.startswith("http-") else "PXEClient"
    return f"{kind}:Arch:{code:05d}:UNDI:003016"


class ScopeReader:
    """Answers for one site what any scope hands to any class."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.site = space.inventory.site
        self._handed: dict[tuple[str, int, str, str, bool], Handed] = {}

    def handed(self, name: str, client: ClientClass, *, chained: bool = False) -> Handed:
        """What the scope gives a client of the class; ``chained``: to its second stage, which runs iPXE."""
        key = (name, client.macs.signature, client.architecture, client.firmware, chained)
        found = self._handed.get(key)
        if found is None:
            found = self._handed[key] = self._read(name, client, chained)
        return found

    def _read(self, name: str, client: ClientClass, chained: bool) -> Handed:
        scope = self.site.scopes[name]
        path: Path = ("scopes", name)
        next_server: tuple[str, Path] | None = None
        filename: tuple[str, Path] | None = None
        program: tuple[Program, Path] | None = None
        options: dict[int, tuple[OptionValue, Path]] = {}
        for holder, place in self._holders(name, scope, path, client, chained):
            if isinstance(holder, ScopeRule) and holder.ignore:
                return Handed(scope=name, ignored=True)
            if next_server is None and holder.next_server is not None:
                next_server = (holder.next_server, (*place, "next_server"))
            if filename is None and program is None:
                key = "ipxe" if chained and "ipxe" in holder.programs else client.architecture
                if key in holder.programs:
                    program = (holder.programs[key], (*place, "programs", key))
                elif holder.filename is not None:
                    filename = (holder.filename, (*place, "filename"))
            for code, value in holder.options.items():
                options.setdefault(code, (value, (*place, "options", str(code))))
        for server in scope.servers:
            for code, value in self.site.servers[server].options.items():
                options.setdefault(code, (value, ("servers", server, "options", str(code))))
        return Handed(
            scope=name, next_server=next_server, filename=filename, program=program, options=options
        )

    def _holders(
        self, name: str, scope: Scope, path: Path, client: ClientClass, chained: bool
    ) -> Iterator[tuple[ScopeRule | Scope, Path]]:
        for number, rule in enumerate(scope.rules):
            if self._matches(rule, client, chained):
                yield rule, (*path, "rules", number)
        yield scope, path

    def _matches(self, rule: ScopeRule, client: ClientClass, chained: bool) -> bool:
        if rule.clients is not None and not self.space.has(rule.clients, client.macs.signature):
            return False
        if rule.architectures is not None and client.architecture not in rule.architectures:
            return False
        vendor = vendor_class_of(self.site, client)
        if rule.vendor_class is not None and not vendor.startswith(rule.vendor_class):
            return False
        is_ipxe = chained or firmware_kind(self.site, client.firmware) == "ipxe"
        if rule.user_class is not None and rule.user_class != ("iPXE" if is_ipxe else ""):
            return False
        return all(self._test(test, client, vendor, is_ipxe) for test in rule.when)

    def _test(self, test: OptionTest, client: ClientClass, vendor: str, is_ipxe: bool) -> bool:
        code = CANONICAL_CODE.get(client.architecture)
        sent = {int(Option.VENDOR_CLASS_IDENTIFIER): vendor.encode()} if vendor else {}
        if code is not None:
            sent[int(Option.CLIENT_SYSTEM_ARCHITECTURE)] = code.to_bytes(2, "big")
        if is_ipxe:
            sent |= {int(Option.USER_CLASS): b"iPXE", int(Option.IPXE_ENCAPSULATED): _IPXE_FEATURES}
        return test.holds(sent)

    def leases(self, scope: Scope, client: ClientClass) -> bool:
        """Whether the scope has an address for the class: a pool it may use, or its reservations."""
        macs = client.macs
        if scope.reservations and macs.signature & 2:
            return True
        return any(
            (not pool.allow or self.space.has(pool.allow, macs.signature))
            and not self.space.has(pool.deny, macs.signature)
            for pool in scope.pools
        )
