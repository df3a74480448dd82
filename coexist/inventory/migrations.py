"""A migration from one server generation to the next, as it is declared."""

from __future__ import annotations

import re
from datetime import date, time
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from coexist.inventory.documents import written
from coexist.inventory.values import (
    WHOLE,
    Declared,
    Name,
    Names,
    Seconds,
    Texts,
)
from coexist.wire.options import spoken


def _share(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{spoken(value)} is not a share; write 10% or 0.1")
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
    quiet_days: Annotated[int, Field(ge=0), WHOLE] = 0
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
    size: Annotated[int, Field(ge=1), WHOLE] | None = None
    not_before: date | None = None
    gate: Gate | None = None


_WINDOW = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})\Z")
_HOURS, _MINUTES = 24, 60


def _window(value: Any) -> Any:
    text = written(value)
    found = _WINDOW.match(text or "")
    if found is None:
        raise ValueError(f"{value!r} is not a time of day; write 20:00-06:00")
    hours, minutes = found.group(1, 3), found.group(2, 4)
    if any(int(hour) >= _HOURS for hour in hours) or any(int(minute) >= _MINUTES for minute in minutes):
        raise ValueError(f"{text} has an hour or a minute that does not exist; write 20:00-06:00")
    return text


Window = Annotated[
    str,
    BeforeValidator(_window),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}$"}),
]
"""From one time of day to another, over midnight too."""


def within(window: str, at: time) -> bool:
    """Whether a time of day lies in a window."""
    begin, end = (time.fromisoformat(part.zfill(5)) for part in window.split("-"))
    return begin <= at < end if begin <= end else at >= begin or at < end


class Migration(Declared):
    """From one server generation to the next, in waves.

    ``pilots`` (groups) are a first wave of that name. ``stays`` may be left behind on the old server.
    ``parking``: how a client stays registered on the server that must not serve it; ``first-digit``
    changes the first hexadecimal digit of its MAC, ``local`` makes it a locally administered address.
    ``settle``: seconds a boot that began may take before its server is taken away.

    ``during``: what clients may have while they move, where no order of single changes leaves them with
    exactly one server. ``gap``: for a moment none (``window`` says when, as 20:00-06:00); ``either``: both,
    where both boot them; ``front`` and ``scope``: the server named in ``through`` tells them where to load, a
    coexist ProxyDHCP or a DHCP server, and the two answer nobody. ``coexist migrate plan`` shows what each
    of them costs.
    """

    source: Annotated[Name, Field(alias="from")]
    target: Annotated[Name, Field(alias="to")]
    clients: Names = ("known",)
    pilots: Names = ()
    waves: tuple[Wave, ...] = ()
    gate: Gate = Gate.model_construct()
    checklist: Texts = ()
    stays: Names = ()
    parking: Literal["first-digit", "local", "none"] = "first-digit"
    settle: Seconds = 90.0
    during: Literal["gap", "either", "front", "scope"] | None = None
    through: Name | None = None
    window: Window | None = None

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if self.source == self.target:
            raise ValueError(f"it goes from {self.source} to itself; name the new server in `to`")
        names = [wave.name for wave in self.all_waves]
        needs_through = self.during in ("front", "scope")
        if needs_through and self.through is None:
            raise ValueError(f"`during: {self.during}` needs a server; write `through: NAME`")
        if self.through is not None and not needs_through:
            raise ValueError("`through` is for `during: front` and `during: scope`; remove it")
        if self.through in (self.source, self.target):
            raise ValueError(f"{self.through} is one of the two servers; name a third one in `through`")
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two waves are called {twice!r}; give each a name of its own")
        return self

    @property
    def all_waves(self) -> tuple[Wave, ...]:
        """The waves in their order; ``pilots``, if declared, is the first."""
        return ((Wave(name="pilots", clients=self.pilots),) if self.pilots else ()) + self.waves
