"""A migration from one server generation to the next, as it is declared."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from coexist.inventory.documents import written
from coexist.inventory.values import (
    Declared,
    Name,
    Names,
    Seconds,
    Texts,
)


def _share(value: Any) -> Any:
    text = written(value)
    if text is not None and text.endswith("%"):
        try:
            return float(text[:-1]) / 100
        except ValueError:
            raise ValueError(f"{text!r} is not a share; write 10% or 0.1") from None
    return value


Share = Annotated[
    float,
    BeforeValidator(_share),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": "^[0-9.]+%$"},
            ]
        }
    ),
]


class Gate(Declared):
    """What must hold before the next wave begins.

    ``checklist``: every item passed on every pilot machine. ``quiet_days``: days since the wave and since
    the last complaint. ``seen_share``: the share of moved machines that were seen booting from the new
    server (0 to 1, or written 90%).
    """

    checklist: bool = True
    quiet_days: Annotated[int, Field(ge=0)] = 0
    seen_share: Annotated[Share, Field(ge=0, le=1)] = 0.0


class Wave(Declared):
    """One step of a migration: which clients move, when, and what must hold before the next.

    ``machines`` are single ones, by name or MAC. ``clients`` (groups) and ``location`` narrow what is
    left; neither means all of it. ``share`` takes so much of each hardware type (or location, or of
    all together: ``by``), counted on everything the wave selects, moved or not. ``size`` is the most
    that move. A wave that names nothing takes the rest. ``gate`` replaces the migration's own.
    """

    name: Name
    machines: Texts = ()
    clients: Names = ()
    location: Texts = ()
    share: Annotated[Share, Field(gt=0, le=1)] | None = None
    by: Literal["hardware", "location", "all"] = "hardware"
    size: Annotated[int, Field(ge=1)] | None = None
    not_before: date | None = None
    gate: Gate | None = None


class Migration(Declared):
    """From one server generation to the next, in waves.

    ``pilots`` (groups) are a first wave of that name. ``stays`` may be left behind on the old server.
    ``parking``: how a client stays registered on the server that must not serve it; ``first-digit``
    changes the first hexadecimal digit of its MAC, ``local`` makes it a locally administered address.
    ``settle``: seconds a boot that began may take before its server is taken away.
    """

    source: Annotated[Name, Field(alias="from")]
    target: Annotated[Name, Field(alias="to")]
    clients: Names = ("known",)
    pilots: Names = ()
    waves: tuple[Wave, ...] = ()
    gate: Gate = Gate()
    checklist: Texts = ()
    stays: Names = ()
    parking: Literal["first-digit", "local", "none"] = "first-digit"
    settle: Seconds = 90.0

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if self.source == self.target:
            raise ValueError(f"it goes from {self.source} to itself; name the new server in `to`")
        names = [wave.name for wave in self.all_waves]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two waves are called {twice!r}; give each a name of its own")
        return self

    @property
    def all_waves(self) -> tuple[Wave, ...]:
        """The waves in their order; ``pilots``, if declared, is the first."""
        return ((Wave(name="pilots", clients=self.pilots),) if self.pilots else ()) + self.waves
