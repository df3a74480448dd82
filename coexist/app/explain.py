"""Explain the boot of one machine: every case that the inventory leaves open, followed packet by packet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from coexist.app.current import load_current
from coexist.app.machines import find_machines
from coexist.errors import CoexistError
from coexist.records import dataclass

if TYPE_CHECKING:
    from coexist.analysis.chain import Stages
    from coexist.analysis.loading import Chain
    from coexist.analysis.race import ClientCase, RaceResult
    from coexist.analysis.world import World
    from coexist.app.boot_files import Root
    from coexist.inventory import Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The boots of one machine: one for each VLAN, architecture and firmware it may have.

    ``world``: the site as models. ``roots``: where boot files lie, for `lost` and `next_entry`.
    """

    inventory: Inventory
    world: World
    boots: tuple[Stages, ...]
    roots: Mapping[str, Root] = field(default_factory=dict)

    def lost(self, chain: Chain) -> str | None:
        """The first file that a boot asks for in vain; None where nothing shows that it does."""
        from coexist.app.boot_files import lost

        return lost(chain, self.roots) if self.roots else None

    def next_entry(self, boot: Stages, chain: Chain) -> Stages | None:
        """What follows a first file that is not there, or that the firmware does not run.

        None where it is had, and for firmware that has no further boot entry.
        """
        from coexist.analysis.entries import after_failure
        from coexist.app.boot_files import first_is_lost

        if not chain.ends and not first_is_lost(chain, self.roots):
            return None
        return after_failure(self.world, boot.first.case, str(chain.outcome.file))

    @property
    def races(self) -> tuple[RaceResult, ...]:
        """The race of the firmware in each of them."""
        return tuple(boot.first for boot in self.boots)


def explain(
    path: Path,
    machine: str,
    *,
    vlan: str | None = None,
    architecture: str | None = None,
    firmware: str | None = None,
    files: Sequence[str] = (),
    uuid: str | None = None,
    down: Sequence[str] = (),
    notices: bool = True,
) -> Explained:
    """Follow the machine (a MAC, a UUID, a name or a reserved address) on the site at ``path``.

    What is None is what its record and its groups say, or each possibility the site declares. ``files``:
    where boot files lie (``DIRECTORY`` or ``SERVER=DIRECTORY``). ``uuid``: what it says of itself, by
    whatever card. ``down``: servers that are switched off; the partner of a failover pair then answers
    everyone, if it ``notices``. Raises `CoexistError` for a machine, VLAN, architecture, firmware or server
    that is not known.
    """
    from coexist.analysis.chain import stages
    from coexist.analysis.pairs import unnoticed, without
    from coexist.analysis.world import build_world
    from coexist.app.boot_files import roots_of

    inventory = load_current(path)
    roots = roots_of(inventory, files) if files else {}
    macs = [found.mac for found in find_machines(inventory, machine)]
    cases = [
        case
        for mac in macs
        for case in cases_of(inventory, mac, vlan=vlan, architecture=architecture, firmware=firmware)
    ]
    # SMBIOS 2.6 section 7.2.1: the first three fields of a UUID travel with their octets swapped.
    uuids = {mac: known.bytes_le for mac, known in inventory.clients.uuids.items()}
    if uuid is not None:
        uuids |= dict.fromkeys(macs, _uuid(uuid).bytes_le)
    for server in down:
        _known("server", server, inventory.site.servers)
    known = without if notices else unnoticed
    world = known(replace(build_world(inventory), uuids=uuids), inventory, down)
    silent = frozenset(down)
    boots = tuple(stages(world, case, silent) for case in cases)
    return Explained(inventory=inventory, world=world, boots=boots, roots=roots)


def cases_of(
    inventory: Inventory,
    mac: int,
    *,
    vlan: str | None = None,
    architecture: str | None = None,
    firmware: str | None = None,
) -> Iterator[ClientCase]:
    """Every case the declarations leave open."""
    from coexist.analysis.profiles import profiles_of, vlans_of
    from coexist.analysis.race import ClientCase
    from coexist.boot.firmware import BUILT_IN
    from coexist.wire.architecture import ARCHITECTURE_NAMES

    site = inventory.site
    _known("VLAN", vlan, site.vlans)
    _known("architecture", architecture, ARCHITECTURE_NAMES)
    _known("firmware", firmware, {**BUILT_IN, **site.firmwares})
    record = inventory.clients.find(mac)
    groups = [
        group
        for name, group in site.groups.items()
        if (group.architecture or group.firmware or group.vlan) and mac in inventory.group(name)
    ]
    own = record.vlan if record else ""
    vlans = (vlan,) if vlan else vlans_of(site, own, groups)
    said = (record.architecture if record else "", record.firmware if record else "")
    profiles = profiles_of(site, architecture or said[0], firmware or said[1], groups)
    for name in vlans:
        for profile in profiles:
            yield ClientCase(mac=mac, vlan=name, architecture=profile.architecture, firmware=profile.firmware)


def _uuid(text: str) -> UUID:
    from coexist.inventory.values import machine_uuid

    try:
        return machine_uuid(text)
    except ValueError as error:
        raise CoexistError(str(error)) from None


def _known(what: str, value: str | None, names: Mapping[str, object]) -> None:
    from coexist.text.closest import closest

    if value is not None and value not in names:
        raise CoexistError(f"there is no {what} {value!r}; {closest(value, names)}")
