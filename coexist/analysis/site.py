"""A site with everything the rules ask about it, computed once and only when asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from coexist.analysis.bootfiles import asks_again
from coexist.analysis.facts import Facts, Programs
from coexist.analysis.intent import Intended
from coexist.analysis.leases import Handed
from coexist.analysis.own_scopes import with_own_scopes
from coexist.analysis.profiles import firmware_kind
from coexist.analysis.races import Finish, RaceMemory, Races
from coexist.analysis.space import ClientClass
from coexist.boot.loaders.names import url_host
from coexist.inventory import Inventory
from coexist.inventory.documents import Path
from coexist.inventory.models import Server
from coexist.inventory.population import KNOW_NO_PROXYDHCP
from coexist.inventory.values import is_address, option_bytes
from coexist.records import dataclass

if TYPE_CHECKING:
    from coexist.analysis.schedule import Schedule


class Standing(Enum):
    """What a boot service does about a client, as far as its declaration says."""

    ANSWERS = "answers"
    DEAF = "hears nothing from the client's VLAN"
    SNOOPED = "its offers are dropped by DHCP snooping"
    REFUSES = "does not answer this client"
    NO_PROGRAM = "has no boot program for the client's architecture"
    WAITS = "waits for another server's offer and hears none"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A class of clients with what is intended for it and what each boot service does about it."""

    client: ClientClass
    intended: Intended
    standing: dict[str, Standing]

    @cached_property
    def responders(self) -> tuple[str, ...]:
        """The boot services whose answers reach the client."""
        return tuple(name for name, standing in self.standing.items() if standing is Standing.ANSWERS)


class Used(NamedTuple):
    """A boot program that a class can be given: its server if one is named, its place, and who gives it, a
    boot service or a scope."""

    file: str
    server: str | None
    path: Path
    case: Case
    service: str | None = None
    scope: str | None = None


class AnalysedSite(Facts):
    """One inventory under analysis. ``today`` lets dates pass; without it none has passed.

    ``memory``: races of sites that are like it need not be run again. ``brief``: no time lines are told.
    """

    def __init__(
        self,
        inventory: Inventory,
        today: date | None = None,
        memory: RaceMemory | None = None,
        *,
        brief: bool = False,
    ) -> None:
        super().__init__(with_own_scopes(inventory))
        self.today = today
        self.brief = brief
        self._memory = memory
        self._schedules: dict[str, Schedule | None] = {}

    def with_inventory(self, inventory: Inventory) -> AnalysedSite:
        """The site as another inventory has it, without time lines; what is alike is not raced again."""
        return AnalysedSite(inventory, self.today, self._memory, brief=True)

    @property
    def reserved(self) -> list[int]:
        """The reserved addresses of all clients as numbers, ascending."""
        return list(self.inventory.clients.numbers)

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """Every class with its intent and responders."""
        cases = []
        heard = {
            vlan: [(name, server) for name, server in self.boot_services.items() if name in hearing]
            for vlan, hearing in self.topology.hearing.items()
        }
        for client in self.space.classes:
            intended = self.intent_of(client)
            standing = {
                name: self._standing(name, server, client, intended) for name, server in heard[client.vlan]
            }
            cases.append(Case(client=client, intended=intended, standing=standing))
        return tuple(cases)

    @cached_property
    def pxe_cases(self) -> tuple[Case, ...]:
        """The classes that are boot clients, not phones."""
        return tuple(case for case in self.cases if not self.is_phone(case.client))

    @cached_property
    def served_by(self) -> Mapping[str, Sequence[Case]]:
        """The classes that each boot service answers, or boots where a lease sends them to its port 4011."""
        found: dict[str, list[Case]] = {}
        for case in self.cases:
            deciding = [finish.decided_by for finish in self.races.of(case.client)]
            for name in dict.fromkeys((*case.responders, *deciding)):
                if name in self.boot_services:
                    found.setdefault(name, []).append(case)
        return found

    def handed_to(self, case: Case) -> Iterator[Handed]:
        """What each scope that the class hears hands to it."""
        for name in self.heard_scopes(case.client.vlan):
            handed = self.scopes.handed(name, case.client)
            if not handed.ignored:
                yield handed

    @cached_property
    def used_programs(self) -> tuple[Used, ...]:
        """Every boot program some class can be given."""
        return tuple(used for case in self.pxe_cases for used in self._used_by(case))

    def _used_by(self, case: Case) -> Iterator[Used]:
        for name in case.responders:
            programs, path = self.programs_of(name, case.client)
            ipxe = self.kind(case.client) == "ipxe" and "ipxe" in programs
            key = "ipxe" if ipxe else case.client.architecture
            if key in programs:
                program = programs[key]
                yield Used(program.file, program.server, (*path, key), case, service=name)
        for handed in self.handed_to(case):
            if handed.file:
                file, path = handed.file
                said = handed.next_server
                own = said[0] if said and "programs" in said[1] else None
                yield Used(file, own, path, case, scope=handed.scope)

    def _standing(self, name: str, server: Server, client: ClientClass, intended: Intended) -> Standing:
        if server.config:
            heard = self.topology.hearing[client.vlan][name].heard
            if not self._offers(name, client):
                return Standing.REFUSES
            return Standing.ANSWERS if heard else Standing.SNOOPED
        if not self.answers(name, server, client, intended):
            return Standing.REFUSES
        programs = self.programs_of(name, client)[0]
        if not _has_program(server, programs, client, firmware_kind(self.site, client.firmware)):
            return Standing.NO_PROGRAM
        if not self.topology.hearing[client.vlan][name].heard:
            return Standing.SNOOPED
        waits = name in self._listening and name in self.races.in_vain(client)
        return Standing.WAITS if waits else Standing.ANSWERS

    @cached_property
    def _listening(self) -> frozenset[str]:
        """The boot services that may be told to wait for another server's offer: others need no race."""
        return frozenset(
            name
            for name, server in self.boot_services.items()
            if "after_offer" in server.product.capabilities.delays
            and (server.settings or any(d.after_offer for d in (server.delay, *server.delay_for.values())))
            and self.races.world.models[name].overhears
        )

    def _offers(self, name: str, client: ClientClass) -> bool:
        """Whether a boot service that runs on its own files answers the first packet of a class."""
        model, arrival = self.races.world.models[name], self.scopes.first_packet(name, client)
        return arrival is not None and bool(model.receive(model.initial(), arrival).replies)

    def withheld(self, case: Case) -> Iterator[tuple[int, int, str]]:
        """Options that the intent promises a class and a scope it hears does not give it, or gives it
        otherwise: number of the rule of the intent, code, scope."""
        number = case.intended.rule
        if number is None:
            return
        for code, wanted in self.site.intent[number].options.items():
            for name in self.heard_scopes(case.client.vlan):
                given = self.scopes.handed(name, case.client).options.get(code)
                if given is None or given[0] != option_bytes(code, wanted):
                    yield number, code, name

    def finds_options(self, case: Case) -> bool:
        """Whether a class finds the options that the intent promises it, in every lease that it may take."""
        number = case.intended.rule
        if number is None or not self.site.intent[number].options:
            return True
        return bool(self.heard_scopes(case.client.vlan)) and next(self.withheld(case), None) is None

    def schedule(self, firmware: str) -> Schedule | None:
        """When a firmware asks; None for those that wait for no second answer."""
        if firmware not in self._schedules:
            from coexist.analysis.schedule import schedule_of
            from coexist.boot.firmware import firmwares_of

            waits = firmware_kind(self.site, firmware) not in KNOW_NO_PROXYDHCP
            self._schedules[firmware] = schedule_of(firmwares_of(self.inventory)[firmware]) if waits else None
        return self._schedules[firmware]

    # -- who wins --------------------------------------------------------------------------------

    @cached_property
    def races(self) -> Races:
        """The races of this site, each run once."""
        return Races(self, self._memory)

    def winners(self, client: ClientClass, silent: frozenset[str] = frozenset()) -> frozenset[str | None]:
        """The servers the class may boot from, None for nobody, when ``silent`` ones say nothing.

        A scope that sends a client to another server's files counts as that server.
        """
        return frozenset(self.named(finish) for finish in self.races.of(client, silent))

    def named(self, finish: Finish) -> str | None:
        """The server that a race ends with; None for nobody."""
        # A boot service may keep its files elsewhere and is still the one that boots the client.
        return finish.decided_by if finish.decided_by in self.boot_services else finish.winner

    def as_intended(self, case: Case) -> bool:
        """Whether every possible outcome is the intended one."""
        if case.intended.boots:
            return self.falls_to(case.client, str(case.intended.server))
        return case.intended.server is None or self.winners(case.client) == {None}

    def is_well(self, case: Case, name: str | None = None) -> bool:
        """Whether a class boots as intended in every race of both stages: from a server and, where it loads
        iPXE, from it again. ``name``: the server whose turn it is, with those before it silent; without
        it the first. Where none is intended, it boots in every race."""
        if not case.intended.boots:
            winners = self.winners(case.client)
            return None not in winners if case.intended.server is None else winners == {None}
        order = case.intended.servers
        server = name or order[0]
        silent = frozenset(order[: order.index(server)])
        return self.falls_to(case.client, server, silent) and self.stays_with(case.client, server, silent)

    def falls_to(self, client: ClientClass, server: str, silent: frozenset[str] = frozenset()) -> bool:
        """Whether the class boots from a server in every possible outcome: it decided, or has the file.

        Where a URL names a host that no server is, nothing shows that it does not.
        """
        return all(self.is_by(server, f) or self.is_unknown(f.winner) for f in self.races.of(client, silent))

    def is_by(self, server: str, finish: Finish) -> bool:
        """Whether a server decided a race or has the file, or its twin."""
        ends = (finish.winner, finish.decided_by)
        return server in ends or (server in self.twins and self.twins[server] in ends)

    @property
    def twins(self) -> Mapping[str, str]:
        """The twin of each boot server that has one."""
        return self.inventory.twins

    def is_unknown(self, winner: str | None) -> bool:
        """Whether who is asked for a file is only a host name, which no server of the inventory has."""
        return winner is not None and winner not in self.site.servers and not is_address(winner)

    def file_owner(self, handed: Handed) -> str | None:
        """Who is asked for the boot file of a lease: the host of a URL, as it stands where it is nobody's;
        else the next server."""
        host = url_host(handed.file[0]) if handed.file else None
        if host is not None:
            return self.topology.owner(host) or host
        return self.topology.owner(handed.next_server[0]) if handed.next_server else None

    def asks_again(self, file: str | None) -> bool:
        """Whether a file is an iPXE that asks DHCP what to boot."""
        return bool(file) and asks_again(str(file), self.races.world.programs.get(str(file)))

    def loops(self, client: ClientClass) -> bool:
        """Whether the iPXE that the class may load is given iPXE again."""
        return any(self.asks_again(finish.file) for finish in self.races.second(client))

    def stays_with(self, client: ClientClass, server: str, silent: frozenset[str] = frozenset()) -> bool:
        """Whether the iPXE that the class may load boots from a server in every possible outcome, and is
        not given iPXE again."""
        return all(
            (self.is_by(server, f) or self.is_unknown(f.winner)) and not self.asks_again(f.file)
            for f in self.races.second(client, silent)
        )

    def second_winners(
        self, client: ClientClass, silent: frozenset[str] = frozenset()
    ) -> frozenset[str | None]:
        """The servers that the iPXE may boot from which the class may load, None for nobody."""
        return frozenset(self.named(finish) for finish in self.races.second(client, silent))

    def seconds(self, client: ClientClass, silent: frozenset[str] = frozenset()) -> float | None:
        """When the class asks for its file at the latest, in seconds; None if it never does."""
        return max((f.seconds for f in self.races.of(client, silent) if f.seconds is not None), default=None)

    def timeline(self, client: ClientClass, silent: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """What happens to the witness of a class, line by line; nothing where time lines are not told."""
        return () if self.brief else self.races.timeline(client, silent)

    def second_timeline(self, client: ClientClass, silent: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """What happens in both stages of the witness of a class; nothing where time lines are not told."""
        return () if self.brief else self.races.second_timeline(client, silent)


def identity(client: ClientClass) -> tuple[int, str, str, str]:
    """What tells a class from all others of its site."""
    return client.macs.number, client.vlan, client.architecture, client.firmware


def _has_program(server: Server, programs: Programs, client: ClientClass, kind: str) -> bool:
    """Whether the server has something to boot for the class."""
    if not programs or server.product.fills_in:
        return server.product.own_programs
    return client.architecture in programs or (kind == "ipxe" and "ipxe" in programs)


def touched(clients: Iterable[ClientClass]) -> int:
    """How many (MAC, VLAN) pairs the classes hold; profiles of one pair count once."""
    pairs = {(client.macs.number, client.vlan): client.size for client in clients}
    return sum(pairs.values())
