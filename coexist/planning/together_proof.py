"""The proof of a rollout: at every moment the clients that move have the boot of before, or of afterwards.

The moments are those of `coexist.planning.together`: what the two servers run, whichever changes first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Literal

from coexist.analysis.race import ClientCase, RaceResult, race
from coexist.analysis.space import ClientClass, Space, cut
from coexist.analysis.world import World, build_world, with_models
from coexist.boot.responder import ServerModel
from coexist.inventory import Inventory
from coexist.planning.judging import Failure, boots_as, failure, the_boot
from coexist.planning.together import Move, Ordering, Stage, Verdict

Running = ServerModel | Literal["silent"] | None
"""How a server behaves; None if nothing tells."""


class TogetherProver:
    """Proves the moves of a rollout. ``running``: how a server behaves at a stage, None is today."""

    def __init__(self, inventory: Inventory, running: Callable[[str, Stage | None], Running]) -> None:
        self.inventory = inventory
        self.running = running

    @cached_property
    def _space(self) -> Space:
        return cut(self.inventory)

    @cached_property
    def _world(self) -> World:
        return build_world(self.inventory)

    def verdict(self, ordering: Ordering, move: Move) -> Verdict:
        """What the races of the clients of a move say, one for each class of them."""
        moments = []
        for moment in ordering.moments(move):
            models = {server: self.running(server, stage) for server, stage in moment.items()}
            known = {server: model for server, model in models.items() if model is not None}
            if len(known) < len(models):
                return Verdict()
            moments.append(known)
        judged = 0
        failures = []
        for client, mac in self._moving(move):
            case = ClientCase(
                mac=mac, vlan=client.vlan, architecture=client.architecture, firmware=client.firmware
            )
            results = [self._race(models, case) for models in moments]
            if the_boot(results[0]) is None or the_boot(results[-1]) is None:
                continue  # It is no matter of the order: `check` tells what is wrong with it.
            judged += 1
            found = self._failure(move, client, mac, results)
            if found is not None:
                failures.append(found)
        failures.sort(key=lambda each: (-each.clients, each.witness.mac))
        return Verdict(judged=judged, failure=failures[0] if failures else None)

    def _moving(self, move: Move) -> Iterator[tuple[ClientClass, int]]:
        """The classes that have clients of a move, each with one that is shown."""
        for client in self._space.classes:
            if client.architecture == move.architecture:
                macs = client.macs.members & move.macs
                mac = client.macs.witness if client.macs.witness in macs else macs.sample()
                if mac is not None:
                    yield client, mac

    def _race(self, models: Mapping[str, ServerModel | Literal["silent"]], case: ClientCase) -> RaceResult:
        silent = frozenset(server for server, model in models.items() if isinstance(model, str))
        told = {server: model for server, model in models.items() if not isinstance(model, str)}
        return race(with_models(self._world, told), case, silent)

    def _failure(
        self, move: Move, client: ClientClass, mac: int, results: list[RaceResult]
    ) -> Failure | None:
        """The first moment at which a client has neither the boot of before nor the one of afterwards."""
        first, *between, last = results
        for result in between:
            if the_boot(result) in (the_boot(first), the_boot(last)):
                continue
            wrong = boots_as(result, last, "afterwards")
            if wrong is not None:
                count = (client.macs.members & move.macs & self.inventory.known).size
                return failure(self.inventory, client, mac, result, wrong, clients=count)
        return None
