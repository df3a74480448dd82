"""Several services on one host: a DHCP server on port 67 and a boot server on 4011, or two on 67."""

from __future__ import annotations

from typing import Any

from coexist.boot.responder import Arrival, Reaction, ServerModel
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TogetherModel:
    """Every packet goes to all parts; each keeps its own state."""

    name: str
    parts: tuple[ServerModel, ...]

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Those of its parts."""
        return tuple(dict.fromkeys(text for part in self.parts for text in part.assumptions))

    @property
    def overhears(self) -> bool:
        """If one of its parts does."""
        return any(part.overhears for part in self.parts)

    @property
    def phases(self) -> tuple[float, ...]:
        """Those of the part that has some; two clocks on one host are one clock."""
        return max((part.phases for part in self.parts), key=len)

    def initial(self, phase: float = 0.0) -> tuple[Any, ...]:
        """Nothing seen by any."""
        return tuple(part.initial(phase) for part in self.parts)

    def depends_on_phase(self, state: tuple[Any, ...]) -> bool:
        """If one of its parts does."""
        return any(part.depends_on_phase(own) for part, own in zip(self.parts, state, strict=True))

    def receive(self, state: tuple[Any, ...], arrival: Arrival) -> Reaction:
        """What all parts make of a packet."""
        return self._join([part.receive(own, arrival) for part, own in zip(self.parts, state, strict=True)])

    def resume(self, state: tuple[Any, ...], at: float) -> Reaction:
        """Wake the parts that have a clock."""
        reactions = [
            part.resume(own, at) if len(part.phases) > 1 else Reaction(state=own)
            for part, own in zip(self.parts, state, strict=True)
        ]
        return self._join(reactions)

    @staticmethod
    def _join(reactions: list[Reaction]) -> Reaction:
        replies = tuple(reply for reaction in reactions for reply in reaction.replies)
        silences = [r.unanswered for r in reactions if r.unanswered is not None]
        waits = [r.wake for r in reactions if r.wake is not None]
        return Reaction(
            state=tuple(reaction.state for reaction in reactions),
            replies=replies,
            unanswered=silences[0] if silences and not replies and not waits else None,
            wake=min(waits) if waits else None,
        )
