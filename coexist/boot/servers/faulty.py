"""A server whose version does something wrong: its model without what never reaches a client."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from coexist.boot.request import BOOT_SERVER_PORT
from coexist.boot.responder import Arrival, Reaction, ServerModel, Unanswered
from coexist.inventory.product import Fault
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultyModel:
    """A model of which a fault takes the answers on port 4011 away."""

    inner: ServerModel
    fault: Fault

    @property
    def name(self) -> str:
        """The server of the inventory."""
        return self.inner.name

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Those of its model."""
        return self.inner.assumptions

    @property
    def overhears(self) -> bool:
        """As its model."""
        return self.inner.overhears

    @property
    def phases(self) -> tuple[float, ...]:
        """Those of its model."""
        return self.inner.phases

    def initial(self, phase: float = 0.0) -> Any:
        """As its model."""
        return self.inner.initial(phase)

    def receive(self, state: Any, arrival: Arrival) -> Reaction:
        """What its model says, without what goes elsewhere."""
        return self._without_lost(self.inner.receive(state, arrival))

    def resume(self, state: Any, at: float) -> Reaction:
        """What its model says, without what goes elsewhere."""
        return self._without_lost(self.inner.resume(state, at))

    def depends_on_phase(self, state: Any) -> bool:
        """As its model."""
        return self.inner.depends_on_phase(state)

    def _without_lost(self, reaction: Reaction) -> Reaction:
        kept = tuple(reply for reply in reaction.replies if reply.source_port != BOOT_SERVER_PORT)
        if len(kept) == len(reaction.replies):
            return reaction
        return replace(reaction, replies=kept, unanswered=Unanswered(why=self.fault.what))
