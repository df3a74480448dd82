"""From one registry into another, whatever engines keep them."""

from __future__ import annotations

from coexist.records import dataclass
from coexist.registry.records import RegistryError
from coexist.registry.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """How much was copied. ``servers``: whose sights."""

    servers: tuple[str, ...]
    sights: int
    decisions: int
    acts: int


def copy_registry(source: Registry, target: Registry, server: str | None = None) -> Copied:
    """Copy everything; what is newer in the target stays, and a second copy changes nothing.

    ``server``: whose sights those of an older registry are, which kept them without a name. Raises
    `RegistryError` if that is not known.
    """
    sights = source.sights()
    if server is None and any(not name for name, _ in sights):
        raise RegistryError(
            f"{source.where}: an older coexist kept these sights without the server's name; give it with"
            " --server NAME"
        )
    named = [(name or server or "", note) for name, note in sights]
    decisions = source.decisions()
    acts = source.acts()
    target.take(named, decisions, acts)
    return Copied(
        servers=tuple(sorted({name for name, _ in named})),
        sights=len(named),
        decisions=sum(each.state in ("registered", "ignored") for each in decisions),
        acts=len(acts),
    )
