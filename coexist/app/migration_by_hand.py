"""What somebody changes by hand: the list of it, and whether it was done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from coexist.errors import CoexistError, UndecidedError
from coexist.inventory.product import Product
from coexist.inventory.products import part, products
from coexist.planning.by_hand import HandChange, as_csv, as_page, hand_changes, is_by_hand
from coexist.planning.parking import park_all
from coexist.planning.progress import MigrationState
from coexist.planning.waves import migrating
from coexist.records import dataclass
from coexist.text.closest import closest
from coexist.wire.mac import format_mac, parse_mac

if TYPE_CHECKING:
    from coexist.app.migrations import Loaded
    from coexist.planning.steps import Change, Step

MOST_ASKED = 12
"""Clients the wire is asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """A change that somebody makes in a server's own manager, and the registrations it is made of."""

    server: str
    product: Product
    owner: str
    what: str
    changes: tuple[HandChange, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """What is to be done, a line each."""
        return tuple(line for line in as_page(self.changes, "") if line)

    def as_file(self, suffix: str) -> str:
        """CSV, or by its suffix what the manager of the product imports.

        Raises CoexistError for the suffix of another product's.
        """
        others = {p.mac_changes_suffix: p for p in products().values() if p.mac_changes}
        if suffix not in others:
            return as_csv(self.changes)
        if suffix != self.product.mac_changes_suffix:
            raise CoexistError(
                f"{suffix} is what {others[suffix].describe} imports, and {self.server} is "
                f"{self.product.describe}; name the list with .csv at its end"
            )
        written: str = part(self.product, "mac_changes")(
            (each.name, each.before, each.after)
            for each in self.changes
            if each.before is not None and each.after is not None
        )
        return written


def next_by_hand(loaded: Loaded, state: MigrationState) -> ByHand | None:
    """What is to be changed by hand next; None if the next change is nobody's, or coexist's own."""
    step, change = _next_change(state)
    if step is None or change is None or not is_by_hand(loaded.inventory, change.server):
        return None
    return ByHand(
        server=change.server,
        product=loaded.inventory.site.servers[change.server].product,
        owner=loaded.inventory.site.servers[change.server].owner or "",
        what=change.what,
        changes=_listed(loaded, state, step, change),
    )


def _next_change(state: MigrationState) -> tuple[Step | None, Change | None]:
    step = state.under_way()
    if step is None or state.step is None or state.step.done >= len(step.changes):
        return None, None
    return step, step.changes[state.step.done]


def _listed(loaded: Loaded, state: MigrationState, step: Step, change: Change) -> tuple[HandChange, ...]:
    scope = migrating(loaded.inventory, loaded.migration)
    parked, _ = park_all(loaded.inventory, scope, loaded.migration.parking)
    before = step.moments[state.step.done if state.step else 0]
    return hand_changes(loaded.inventory, loaded.name, change.server, before, change.placement, parked)


def check_made(
    loaded: Loaded,
    state: MigrationState,
    interfaces: tuple[str, ...],
    registries: tuple[str, ...],
    captures: tuple[Path, ...],
) -> bool:
    """Check what can be checked of a change made by hand; whether anything could be.

    Raises ``CoexistError`` where it was not made.
    """
    step, change = _next_change(state)
    if step is None or change is None:
        raise CoexistError("nothing of the step is left to do")
    if not is_by_hand(loaded.inventory, change.server):
        raise UndecidedError(f"the next change is {change.server}'s, which coexist makes itself", "go-on")
    wrong = [
        *_on_the_wire(loaded, step, change, interfaces),
        *_seen(loaded, state, change, registries, captures),
    ]
    if wrong:
        raise CoexistError("\n".join((*wrong, "it is not done yet; nothing was written down")))
    return bool(interfaces or registries or captures)


def _on_the_wire(loaded: Loaded, step: Step, change: Change, interfaces: tuple[str, ...]) -> Iterator[str]:
    """Where the changed server answers otherwise than it would after the change."""
    from coexist.analysis.world import build_world
    from coexist.planning.effective import inventory_at
    from coexist.probe.asking import ask
    from coexist.probe.prediction import SLACK, compare, predict
    from coexist.probe.question import Asker
    from coexist.probe.segment import Segment

    if not interfaces:
        return
    inventory = inventory_at(loaded.inventory, loaded.name, change.placement)
    world = build_world(inventory)
    for text in interfaces:
        vlan, _, interface = text.partition("=")
        if vlan not in inventory.site.vlans:
            raise CoexistError(f"{text}: there is no VLAN {vlan!r}; {closest(vlan, inventory.site.vlans)}")
        askers = [
            Asker(mac=mac, architecture=architecture, vlan=vlan)
            for mac in sorted(step.clients)[:MOST_ASKED]
            for architecture in inventory.site.architectures
        ]
        # Whom it answers at all shows on port 67; managers know a request on 4011 by its conversation.
        predictions = [
            prediction
            for asker in askers
            for prediction in predict(world, asker)
            if prediction.server == change.server
        ]
        latest = max((p.latest for p in predictions if p.answer is not None), default=0.0)
        patience = max(5.0, latest + 2 * SLACK)
        with Segment(interface) as port:
            asked = ask(port, askers, patience=patience)
        for finding in compare(predictions, asked.answers, patience=patience):
            yield f"{finding.code.code} {finding.message}"


def _seen(
    loaded: Loaded,
    state: MigrationState,
    change: Change,
    registries: tuple[str, ...],
    captures: tuple[Path, ...],
) -> Iterator[str]:
    """Machines of the step that were seen, after it began, on the server that should not have them."""
    from coexist.app.sightings import from_captures, from_registries

    if state.step is None or not (registries or captures):
        return
    moving, lets_go = frozenset(state.step.clients), _gone_from(state, change)
    found = [
        *from_registries(loaded.inventory, registries),
        *from_captures(loaded.inventory, captures),
    ]
    for sighting in found:
        if sighting.mac in moving and sighting.at >= state.step.since and sighting.server == lets_go:
            yield f"{format_mac(sighting.mac)} booted from {lets_go} after the step began ({sighting.how})"


def _gone_from(state: MigrationState, change: Change) -> str | None:
    """The server that must not boot the clients of the step after the change; None while both may."""
    clients = frozenset(state.step.clients) if state.step else frozenset()
    if change.server == state.source and clients <= change.placement.left:
        return state.source
    if change.server == state.target and not clients & change.placement.arrived:
        return state.target
    return None


def machines_named(loaded: Loaded, names: tuple[str, ...]) -> frozenset[int]:
    """The MACs of some machines, by name or MAC: all cards of each. Raises ``CoexistError``."""
    table = loaded.inventory.clients
    labels = dict(zip(table.macs, table.columns["name"], strict=True))
    found: set[int] = set()
    for name in names:
        cards = {mac for mac, label in labels.items() if label == name}
        if not cards:
            try:
                mac = parse_mac(name)
            except ValueError:
                known = sorted({label for label in labels.values() if label})
                raise CoexistError(f"there is no machine {name!r}; {closest(name, known)}") from None
            cards = {other for other, label in labels.items() if label and label == labels.get(mac)} | {mac}
        found |= cards
    return frozenset(found)
