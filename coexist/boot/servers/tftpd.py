"""A server that answers no boot request at all: TFTP or HTTP only."""

from __future__ import annotations

from coexist.boot.responder import Arrival, Reaction, Stateless, Unanswered
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FileServerModel(Stateless):
    """It only has files."""

    name: str
    assumptions: tuple[str, ...] = ()

    def initial(self, phase: float = 0.0) -> None:
        """It keeps nothing."""

    def receive(self, state: None, arrival: Arrival) -> Reaction:
        """Nothing."""
        return Reaction(state=state, unanswered=Unanswered(why="it only has files"))
