"""What a server's ``settings`` say of the parts of a kea-dhcp4.conf that are made of scopes and clients.

``subnets`` has keywords by subnet, and ``pools`` in it by range; ``networks`` has those of shared networks by
VLAN. ``client-classes``, ``reservations`` and the
options of flex_option stand beside those that are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from coexist.boot.leases.kea_flex import HOOK as FLEX
from coexist.errors import InputError, Problem
from coexist.render.target import Job

SUBNETS, NETWORKS = "subnets", "networks"
MADE_TOO = frozenset({SUBNETS, NETWORKS, "client-classes", "reservations"})
"""Keys of settings that are written into what is made, not over it."""
_DROP = "DROP"


class KeptParts:
    """The parts of one server's settings. Raises InputError for those of no subnet."""

    def __init__(self, job: Job, subnets: Iterable[str], vlans: Iterable[str]) -> None:
        self._job = job
        settings = job.server.settings
        self._subnets: Mapping[str, Any] = settings.get(SUBNETS, {})
        self._networks: Mapping[str, Any] = settings.get(NETWORKS, {})
        self._classes: list[Any] = list(settings.get("client-classes", []))
        self._reservations: list[Any] = list(settings.get("reservations", []))
        for key, spoken, known in ((SUBNETS, self._subnets, subnets), (NETWORKS, self._networks, vlans)):
            strange = sorted(set(spoken) - set(known))
            if strange:
                where = job.inventory.where("servers", job.name, "settings", key, strange[0])
                what = f"{job.name} has no scope in {strange[0]}, of which its settings speak"
                remedy = f"write the scope, or take {strange[0]} out of the settings"
                raise InputError([Problem(where, what, remedy)])

    def network(self, vlan: str, entry: dict[str, Any]) -> dict[str, Any]:
        """An entry of a shared network with what is kept for it."""
        return {**entry, **self._networks.get(vlan, {})}

    def subnet(self, network: str, entry: dict[str, Any]) -> dict[str, Any]:
        """An entry of a subnet with what is kept for it."""
        kept = dict(self._subnets.get(network, {}))
        pools: Mapping[str, Any] = kept.pop("pools", {})
        reservations = kept.pop("reservations", [])
        result = {**entry, **kept}
        made = {_range(pool["pool"]) for pool in entry.get("pools", [])}
        if strange := sorted(set(pools) - made):
            where = self._job.inventory.where(
                "servers", self._job.name, "settings", SUBNETS, network, "pools", strange[0]
            )
            what = f"{network} has no pool {strange[0]}, of which the settings speak"
            raise InputError([Problem(where, what, "write the range as the scope has it, or take it out")])
        if pools:
            result["pools"] = [pool | pools.get(_range(pool["pool"]), {}) for pool in entry.get("pools", [])]
        if reservations:
            result["reservations"] = _merged(entry.get("reservations", []), reservations)
        return result

    def classes(self, made: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """All classes, the kept ones first; two that drop are one. A test must be there."""
        kept = {part["name"]: part for part in self._classes}
        for part in made:
            other = kept.get(part["name"])
            if other is not None and part["name"] == _DROP:
                kept[_DROP] = {**part, "test": f"({other['test']}) or ({part['test']})"}
            elif other is not None:
                kept[part["name"]] = {**other, "name": f"{part['name']}/settings"}
        return [
            *(part for name, part in kept.items() if name != _DROP),
            *(part for part in made if part["name"] != _DROP),
            *([kept[_DROP]] if _DROP in kept else [part for part in made if part["name"] == _DROP]),
        ]

    def reservations(self, made: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """All global reservations."""
        return _merged(made, self._reservations)


def with_flex_options(hooks: list[Any], library: str, options: list[Any]) -> list[Any]:
    """The hooks with these options of flex_option, in the library that is there or in one more."""
    for number, hook in enumerate(hooks):
        if str(hook.get("library", "")).endswith(FLEX):
            parameters = hook.get("parameters", {})
            told = {**parameters, "options": [*parameters.get("options", []), *options]}
            return [*hooks[:number], {**hook, "parameters": told}, *hooks[number + 1 :]]
    return [*hooks, {"library": library, "parameters": {"options": options}}]


def _merged(made: Iterable[dict[str, Any]], kept: Iterable[Any]) -> list[dict[str, Any]]:
    """Reservations; what is kept of a machine stands in the entry that is made for it."""
    more: dict[str, dict[str, Any]] = {}
    others: list[dict[str, Any]] = []
    for entry in kept:
        if "hw-address" in entry:
            more[entry["hw-address"]] = entry
        else:
            others.append(entry)
    result = [{**entry, **more.pop(entry["hw-address"], {})} for entry in made]
    return [*result, *more.values(), *others]


def _range(text: str) -> str:
    return "".join(text.split())
