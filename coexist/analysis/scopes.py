"""What a DHCP server hands to a client by its scopes' rules, as far as the inventory alone decides it.

Rules are read from top to bottom; each value comes from the first rule that matches and sets it, then
from the scope, then from the server. The race asks the server models; the rules ask here, to name
the line that a value comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from coexist.analysis.space import RESERVED, ClientClass, Space
from coexist.inventory.documents import Path
from coexist.inventory.models import Program, Scope, ScopeRule
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


class ScopeReader:
    """Answers for one site what any scope hands to any class."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.site = space.inventory.site
        self._sent: dict[tuple[str, str], Mapping[int, bytes]] = {}
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
        if rule.vendor_class is None and rule.user_class is None and not rule.when:
            return True
        sent = self._discover("ipxe" if chained else client.firmware, client.architecture)
        vendor, user = sent.get(Option.VENDOR_CLASS_IDENTIFIER, b""), sent.get(Option.USER_CLASS, b"")
        return (
            (rule.vendor_class is None or vendor.startswith(rule.vendor_class.encode()))
            and (rule.user_class is None or rule.user_class.encode() in user)
            and all(test.holds(sent) for test in rule.when)
        )

    def _discover(self, firmware: str, architecture: str) -> Mapping[int, bytes]:
        """The options of the first packet of a firmware, from its model."""
        from coexist.boot.firmware import firmware_models
        from coexist.boot.firmware.machine import Machine

        key = (firmware, architecture)
        found = self._sent.get(key)
        if found is None:
            machine = Machine(mac=0, architecture=CANONICAL_CODE.get(architecture, 0))
            model = firmware_models(self.site.firmwares)[firmware]
            found = self._sent[key] = model.begin(machine, model.phases[0]).sends[0].packet.options
        return found

    def leases(self, scope: Scope, client: ClientClass) -> bool:
        """Whether the scope has an address for the class: a pool it may use, or its reservations."""
        macs = client.macs
        if scope.reservations and macs.signature & RESERVED:
            return True
        return any(
            (not pool.allow or self.space.has(pool.allow, macs.signature))
            and not self.space.has(pool.deny, macs.signature)
            for pool in scope.pools
        )
