"""The site a console shows: its inventory, analysed again when one of its files changed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from coexist.app.current import analyse_now, today
from coexist.app.doctor import Diagnosis, diagnose_in
from coexist.app.explain import Explained, explain
from coexist.app.live import Asking, Live, Registries, mistyped
from coexist.app.machines import named
from coexist.app.migrations import Overview, overviews
from coexist.app.pilot_links import Pilots
from coexist.app.probe import asking
from coexist.app.registrations import Registrations
from coexist.app.rollout_desk import RolloutDesk, way_by_ssh
from coexist.app.servers_now import ServerNow, servers_now
from coexist.app.sights import sights_of_registries
from coexist.app.site_report import SiteReport, report_of_site
from coexist.errors import CoexistError
from coexist.records import dataclass

if TYPE_CHECKING:
    from coexist.inventory import Inventory


ASK_SECONDS = 8.0
"""How long the wire is listened to: past the second DISCOVER of UEFI and of old ROMs."""
_DIGITS = {1: "one digit", 2: "two digits"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """What a console is told. ``registries``: by server, where its registry is.

    ``link``: the secret of a link that lets in whoever started the console, where it has no users;
    ``behind_proxy``: whether a proxy in front says who asks and by which scheme; ``hosts``: the names the
    console may be asked by, empty for any. ``ssh_config`` and ``connect_timeout``: how servers are reached.
    ``probes``: by VLAN the network card through which the wire is asked on request.
    """

    path: Path
    registries: Registries
    users: Path
    commit: bool = False
    link: str = ""
    behind_proxy: bool = False
    tls: bool = False
    hosts: frozenset[str] = frozenset()
    ssh_config: Path | None = None
    connect_timeout: float = 15.0
    probes: Mapping[str, str] = field(default_factory=dict)


class ConsoleSite:
    """One inventory with everything the pages show of it. Its methods run in worker threads."""

    def __init__(self, settings: ConsoleSettings, today: date | None = None) -> None:
        self.path = settings.path
        self.live = Live(settings.registries)
        self.registrations = Registrations(
            settings.path, registries=settings.registries, commit=settings.commit
        )
        self.pilots = Pilots(settings.path)
        self.desk = RolloutDesk(
            settings.path,
            lambda: way_by_ssh(settings.ssh_config, settings.connect_timeout, lambda _text: None),
        )
        self.probes = settings.probes
        self._today = today
        self._lock = threading.Lock()
        self._report: tuple[object, SiteReport] | None = None
        self._machines: tuple[object, list[Asking]] | None = None
        self._near: tuple[Inventory | None, dict[int, str]] = (None, {})

    @property
    def today(self) -> date:
        """The date dates of the inventory are held against."""
        return self._today or today()

    def report(self) -> SiteReport:
        """The analysis of the inventory as it is now. Raises `InputError` if it cannot be read."""
        with self._lock:
            version = (self.today, _version(self.path))
            if self._report is None or self._report[0] != version:
                self._report = version, report_of_site(analyse_now(self.path, self.today))
            return self._report[1]

    def explained(self, machine: str, narrowed: Mapping[str, str]) -> Explained:
        """The races of a machine; ``narrowed``: by the vlan, architecture or firmware of a query. Raises
        `CoexistError` for what is not known."""
        return explain(
            self.path,
            machine,
            vlan=narrowed.get("vlan") or None,
            architecture=narrowed.get("architecture") or None,
            firmware=narrowed.get("firmware") or None,
        )

    def diagnose(self, machine: str, ask_on: str = "") -> Diagnosis:
        """Where a machine's boot parts from what is declared, by the inventory and the watched registries.

        ``ask_on``: the VLAN on which the wire is asked as that machine. Raises `CoexistError` for a machine
        that nobody knows, and for a VLAN that has no card here.
        """
        ask = None
        if ask_on:
            if ask_on not in self.probes:
                remedy = "start the console with --probe VLAN=INTERFACE"
                raise CoexistError(f"no card of this machine is on VLAN {ask_on!r}; {remedy}")
            ask = asking(self.probes[ask_on], ask_on, ASK_SECONDS)
        report = self.report()
        watched = self.live.registries
        sights = list(sights_of_registries(watched)) if watched else None
        return diagnose_in(report.analysis, self.path, machine, sights, ask)

    def migrations(self) -> list[Overview]:
        """Every migration at a glance, with what the watched registries show of it."""
        return overviews(self.path, self.live.registries)

    def servers(self) -> list[ServerNow]:
        """Each server: what it answers, its drift, its last roll-out, its health."""
        return servers_now(self.report(), self.live, self.desk)

    @property
    def inventory(self) -> Inventory:
        """The inventory as it is now."""
        return self.report().inventory

    def near(self, mac: int) -> str:
        """In how many digits a machine differs from which registered one, in words; empty without one."""
        inventory = self.inventory
        with self._lock:
            if self._near[0] is not inventory:
                self._near = inventory, {}
            known = self._near[1]
        if mac not in known:
            found = mistyped(inventory, mac)
            known[mac] = f"{_DIGITS[found[1]]} from {named(inventory, found[0])}" if found else ""
        return known[mac]

    def machines(self) -> list[Asking]:
        """The machines that asked to boot, the last first."""
        inventory = self.inventory
        with self._lock:
            version = (self.live.version, id(inventory))
            if self._machines is None or self._machines[0] != version:
                self._machines = version, self.live.machines(inventory)
            return self._machines[1]

    def version(self) -> str:
        """Equal as long as nothing changed that a page shows: machines and files, then roll-outs."""
        return f"{hash((self.live.version, _version(self.path))) & 0xFFFFFFFF:08x} {self.desk.version}"


def _version(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, times and sizes of an inventory's files."""
    root = path if path.is_dir() else path.parent
    files = [*root.glob("*"), *root.glob("inventory.d/*"), *root.glob("migrations/*")]
    found = []
    for file in sorted(files):
        try:
            stat = file.stat()
        except OSError:
            continue
        if file.is_file():
            found.append((str(file), stat.st_mtime_ns, stat.st_size))
    return tuple(found)
