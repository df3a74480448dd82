"""An intent made of today's behaviour: who boots from whom now, so that `check` starts from what is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from coexist.analysis.site import AnalysedSite
from coexist.analysis.space import ClientClass
from coexist.errors import CoexistError
from coexist.inventory import load_inventory
from coexist.inventory.files import MAIN_FILE
from coexist.inventory.products import TFTPD
from coexist.planning.yaml_edit import section_with
from coexist.records import dataclass
from coexist.text.amounts import amount
from coexist.wire.mac import format_mac

_MOST_LISTED = 256
"""Machines that a proposed group lists; more are a matter of a list of clients."""
_NOBODY = "nobody"

Today: TypeAlias = dict[str, str | None]
"""By architecture the server that machines boot from; None where that is not decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """What was found and written. ``undecided``: clients that no rule was made for, and why."""

    site: Path
    rules: tuple[dict[str, Any], ...]
    groups: dict[str, dict[str, Any]]
    servers: dict[str, dict[str, Any]]
    undecided: tuple[str, ...]


def has_intent(site: Path) -> bool:
    """Whether the inventory says who must boot from whom."""
    return bool(load_inventory(site).site.intent)


def propose(site: Path) -> Proposed:
    """Write an intent that says what is so today. Raises ``CoexistError`` where there is one."""
    main = site / MAIN_FILE
    inventory = load_inventory(site)
    if inventory.site.intent:
        raise CoexistError(f"{main} has an intent already; remove it, or change it by hand")
    maker = _Maker(AnalysedSite(inventory))
    maker.make()
    text = main.read_text(encoding="utf-8")
    for section, values in (("servers", maker.servers), ("groups", maker.groups)):
        for name, value in values.items():
            text = section_with(text, section, name, value)
    if maker.rules:
        written = yaml.safe_dump({"intent": maker.rules}, sort_keys=False, default_flow_style=None, width=110)
        text = f"{text.rstrip()}\n\n# Made of what is so today: change it to what you want.\n{written}"
    main.write_text(text, encoding="utf-8")
    return Proposed(
        site=main,
        rules=tuple(maker.rules),
        groups=maker.groups,
        servers=maker.servers,
        undecided=tuple(maker.undecided),
    )


class _Maker:
    """Goes through the classes of a site, the few before the many."""

    def __init__(self, site: AnalysedSite) -> None:
        self.site = site
        self.rules: list[dict[str, Any]] = []
        self.groups: dict[str, dict[str, Any]] = {}
        self.servers: dict[str, dict[str, Any]] = {}
        self.undecided: list[str] = []
        self.apart: dict[str, list[str]] = defaultdict(list)
        """By VLAN the groups of which the rule for everyone must not speak either."""

    def make(self) -> None:
        """The exceptions of each VLAN, then what holds for everyone there."""
        by_vlan: dict[str, dict[int, list[ClientClass]]] = defaultdict(lambda: defaultdict(list))
        for client in self.site.space.classes:
            if client.architecture:
                by_vlan[client.vlan][client.macs.number].append(client)
        usual: dict[str, Today] = {}
        for vlan, sets in by_vlan.items():
            most = max(sets, key=lambda number: sets[number][0].size)
            usual[vlan] = self._today(sets[most], f"everyone on {vlan}")
            for number, clients in sets.items():
                if number != most:
                    self._exception(vlan, clients, usual[vlan])
        same = {tuple(today.items()) for today in usual.values()}
        if len(same) == 1 and not self.apart:
            self._say({"clients": "everyone"}, dict(same.pop()))
            return
        for vlan, today in usual.items():
            apart = {"unless": self.apart[vlan]} if vlan in self.apart else {}
            self._say({"clients": "everyone", **apart, "vlan": vlan}, today)

    def _exception(self, vlan: str, clients: list[ClientClass], usual: Today) -> None:
        macs = clients[0].macs
        what = macs.name or format_mac(macs.witness)
        listed = not macs.bounds and len(macs.points) <= _MOST_LISTED
        today = self._today(clients, f"{what} on {vlan}" if listed else "")
        if today == usual:
            return
        if not listed:
            self.undecided.append(
                f"{amount(macs.size, 'machine')} like {what} on {vlan}: name them in a group"
            )
            return
        members = [format_mac(mac) for mac in sorted(macs.points)]
        name = next((n for n, group in self.groups.items() if group["macs"] == members), "")
        if not name:
            name = f"today-{len(self.groups) + 1}"
            self.groups[name] = {"macs": members}
        self._say({"clients": name, "vlan": vlan}, today)
        if None in today.values():
            self.apart[vlan].append(name)

    def _say(self, whom: dict[str, Any], today: Today) -> None:
        """A rule for machines of every architecture, or one for each where they boot from several."""
        known = {architecture: winner for architecture, winner in today.items() if winner is not None}
        if len(known) == len(today) and len(set(known.values())) == 1:
            self.rules.append({**whom, "boot_from": next(iter(known.values()))})
            return
        self.rules += [{**whom, "architectures": a, "boot_from": winner} for a, winner in known.items()]

    def _today(self, clients: list[ClientClass], what: str) -> Today:
        """The one server that machines of each architecture boot from today; None where it is not one."""
        found: dict[str, set[str | None]] = defaultdict(set)
        for client in clients:
            found[client.architecture] |= self.site.winners(client)
        today: Today = {}
        for architecture, winners in found.items():
            one = len(winners) == 1
            today[architecture] = self._named(next(iter(winners)), what) if one else None
            if not one and what:
                told = " or ".join(sorted(winner or _NOBODY for winner in winners))
                self.undecided.append(f"{what} ({architecture}): {told}")
        return today

    def _named(self, winner: str | None, what: str) -> str | None:
        """A winner as the intent names it; who is only an address is declared as a server of files."""
        if winner is None or winner in self.site.site.servers:
            return winner or _NOBODY
        try:
            address = IPv4Address(winner)
        except AddressValueError:
            if what:
                self.undecided.append(
                    f"{what}: boots from {winner}, which is no server's name; add it to the `names` of one"
                )
            return None
        name = f"files-{winner.replace('.', '-')}"
        vlan = next(iter(self._vlans(address)), None)
        if vlan is None:
            if what:
                self.undecided.append(f"{what}: boots from {winner}, which is on no declared VLAN")
            return None
        self.servers[name] = {"software": TFTPD.name, "address": winner, "vlan": vlan}
        return name

    def _vlans(self, address: IPv4Address) -> Iterator[str]:
        for name, vlan in self.site.site.vlans.items():
            if any(address in network for network in vlan.subnet):
                yield name


def summary(proposed: Proposed) -> Iterator[str]:
    """Who answers whom today, in a few lines."""
    for rule in proposed.rules:
        where = f" on {rule['vlan']}" if "vlan" in rule else ""
        what = f" ({rule['architectures']})" if "architectures" in rule else ""
        yield f"one server today: {rule['clients']}{where}{what}: {rule['boot_from']}"
    for name, server in proposed.servers.items():
        yield f"{name} has boot files at {server['address']}; declared as a server of files"
    for text in proposed.undecided:
        yield f"more than one server today: {text}"
