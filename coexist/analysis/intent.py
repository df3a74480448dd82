"""The intent, resolved for each class of clients: who must answer, who takes over, or nobody."""

from __future__ import annotations

from coexist.analysis.space import ClientClass, Space
from coexist.inventory.models import IntentRule
from coexist.records import dataclass

NOBODY_BOOTS = "nobody"


@dataclass(frozen=True, slots=True)
class Intended:
    """What the first fitting rule says. ``rule`` is its number in the inventory, None if none fits.

    ``server`` is None where clients only find ``options`` in their lease, and ``nobody`` where none
    must boot them.
    """

    rule: int | None = None
    server: str | None = None
    fallback: tuple[str, ...] = ()

    @property
    def boots(self) -> bool:
        """Whether a server is named."""
        return self.server is not None and self.server != NOBODY_BOOTS

    @property
    def servers(self) -> tuple[str, ...]:
        """The intended server and its fallbacks, in their order."""
        return (self.server, *self.fallback) if self.server is not None and self.boots else ()


_UNSAID = Intended()


class IntentReader:
    """Answers for one site what is intended for any class."""

    def __init__(self, space: Space) -> None:
        self.space = space
        site = space.inventory.site
        self.by_vlan: dict[str, list[tuple[int, IntentRule, Intended]]] = {vlan: [] for vlan in site.vlans}
        for number, rule in enumerate(site.intent):
            intended = Intended(number, rule.boot_from, rule.fallback)
            for vlan in rule.vlan if rule.vlan is not None else site.vlans:
                self.by_vlan[vlan].append((number, rule, intended))

    def of(self, client: ClientClass) -> Intended:
        """The intent of a class."""
        signature = client.macs.signature
        for _, rule, intended in self.by_vlan[client.vlan]:
            if rule.architectures is not None and client.architecture not in rule.architectures:
                continue
            if self.space.has(rule.clients, signature) and not self.space.has(rule.unless, signature):
                return intended
        return _UNSAID
