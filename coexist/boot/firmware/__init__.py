"""How the firmware of booting clients behaves: one module a family.

Names are those of ``inventory.models.FIRMWARES``; an administrator's own ones are variants with other
parameters (docs/reference/firmware.md).
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import Field, fields, replace
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from coexist.boot.firmware.boot_order import BootOrder
from coexist.boot.firmware.edk2 import Edk2
from coexist.boot.firmware.edk2_http import Edk2Http
from coexist.boot.firmware.first_offer import FirstOffer
from coexist.boot.firmware.ipxe import Ipxe
from coexist.boot.firmware.machine import Firmware
from coexist.boot.firmware.phone import Phone
from coexist.boot.firmware.pxe21 import Pxe21
from coexist.boot.firmware.raspberry_pi import RaspberryPi
from coexist.errors import InputError, Position, Problem
from coexist.inventory import Inventory
from coexist.inventory.models import FirmwareVariant
from coexist.text.closest import closest
from coexist.wire.options import spoken

_MODELS: tuple[Any, ...] = (
    Edk2(),
    Edk2(
        name="uefi-needs-43",
        needs_43=True,
        assumptions=("as a public report describes one HP laptop (garybowers/bootimus issue 77)",),
    ),
    Edk2(
        name="uefi-no-proxy",
        proxies=False,
        assumptions=("as builds from before April 2017 that cache no ProxyDHCP offer (edk2 issue 6944)",),
    ),
    Edk2Http(),
    BootOrder(),
    Ipxe(),
    Ipxe(name="ipxe-2.0", version="2.0"),
    Pxe21(),
    Pxe21(
        name="intel-boot-agent",
        assumptions=(
            "Intel Boot Agent: its guide says it follows PXE 2.1; timing and order are the specification's",
        ),
    ),
    Pxe21(
        name="realtek-pxe",
        windows=(2.0, 4.0, 8.0, 16.0),
        assumptions=(
            "Realtek's ROM: DISCOVERs at 0, 2, 6 and 14 s as in a public log (gpxe list, October 2011, 1755)",
            "everything else of Realtek's ROM is the specification's",
        ),
    ),
    Pxe21(
        name="broadcom-pxe",
        assumptions=(
            "Broadcom's ROM: its guide says it follows PXE 2.1; timing and order are the specification's",
        ),
    ),
    RaspberryPi(
        name="raspberry-pi-3",
        discover_at=(0.0, 6.0, 12.0, 18.0, 24.0),
        gives_up_at=30.0,
        requests=False,
        reads_siaddr=False,
        first_file="bootcode.bin",
        requested=(43, 60, 67, 128, 129, 130, 131, 132, 133, 134, 135, 66),
        assumptions=(
            "the ROM of a Pi 3 sends five DISCOVERs (openSUSE/netboot-rpi3b); how far apart is assumed",
            *RaspberryPi().assumptions,
        ),
    ),
    RaspberryPi(),
    Phone(),
    Phone(name="phone-150", reads=(150, 66), checks_address=True),
    Phone(
        name="phone-avaya",
        collects=1.0,
        takes="longest-lease",
        checks_address=True,
        reads=(242, 66),
        reads_siaddr=True,
        requested=(1, 3, 6, 7, 15, 42, 43, 66, 242),
        assumptions=(),
    ),
    Phone(name="phone-polycom", reads=(160, 66), informs=True),
    Phone(name="phone-yealink", reads=(66, 43), informs=True),
    Phone(name="phone-snom", tunnelled=True),
    FirstOffer(),
)
BUILT_IN: dict[str, Any] = {model.name: model for model in _MODELS}
"""The firmware models by name."""

Where: TypeAlias = Callable[..., Position]
"""The place of a declaration, by the names on the way to it."""


def _by_path(*path: str | int) -> Position:
    return Position(".".join(map(str, path)))


_NOT_PARAMETERS = ("name", "assumptions")


def firmware_models(
    variants: Mapping[str, FirmwareVariant], where: Where | None = None
) -> dict[str, Firmware]:
    """All models of a site, built-in and declared. ``where``: the place of a declaration.

    Raises InputError for a variant with a wrong parameter.
    """
    declared = {name: variant(name, one, variants, where) for name, one in variants.items()}
    return {**BUILT_IN, **declared}


def firmwares_of(inventory: Inventory) -> Mapping[str, Firmware]:
    """All models of an inventory's site by their names, made once. Raises what `firmware_models` does."""
    site = inventory.site
    return inventory.made_once("firmwares", "", lambda: firmware_models(site.firmwares, inventory.where))


def parameters(model: Firmware) -> dict[str, Any]:
    """The parameters of a model with their values."""
    return {field.name: getattr(model, field.name) for field in _parameter_fields(model)}


def variant(
    name: str,
    declaration: FirmwareVariant,
    variants: Mapping[str, FirmwareVariant] | None = None,
    where: Where | None = None,
) -> Firmware:
    """A known firmware with other parameters.

    Raises InputError, with every parameter that is unknown or of the wrong shape.
    """
    path = ("firmwares", name)
    at = where or _by_path
    base = _base(declaration, variants or {}, at, at(*path))
    known = {field.name for field in _parameter_fields(base)}
    hints = get_type_hints(type(base))
    problems: list[Problem] = []
    changes: dict[str, Any] = {}
    given, wrong = _times(declaration.parameters)
    problems += [
        Problem(at(*path, "parameters", key), f"the parameter {key} cannot be {spoken(value)}", remedy)
        for key, value, remedy in wrong
    ]
    for key, value in _aliases(base, given).items():
        # A time may be given in other terms than the model's.
        place = at(*path, "parameters", *((key,) if key in declaration.parameters else ()))
        if key not in known:
            problems.append(
                Problem(place, f"{declaration.like} has no parameter {key!r}", closest(key, known))
            )
            continue
        try:
            changes[key] = _shaped(value, hints[key])
        except (TypeError, ValueError):
            example = getattr(base, key)
            problems.append(
                Problem(
                    place,
                    f"the parameter {key} cannot be {spoken(value)}",
                    f"write it like {_example(example)}",
                )
            )
    if problems:
        raise InputError(problems)
    changed: Firmware = replace(base, name=name, **changes)
    return changed


def _base(
    declaration: FirmwareVariant, variants: Mapping[str, FirmwareVariant], where: Where, place: Position
) -> Any:
    """What it is like; ``variants`` without those that led here, so that a circle ends."""
    like = declaration.like
    if like in BUILT_IN:
        return BUILT_IN[like]
    if like not in variants:
        remedy = closest(like, BUILT_IN)
        raise InputError([Problem(place, f"there is no firmware {like!r} to be like", remedy)])
    others = {name: other for name, other in variants.items() if name != like}
    return variant(like, variants[like], others, where)


def _parameter_fields(model: Any) -> list[Field[Any]]:
    return [field for field in fields(model) if field.name not in _NOT_PARAMETERS]


_TIMES = {"discover_at": (tuple[float, ...], "[0, 4, 12]"), "gives_up_at": (float, "60")}
"""What any firmware may be given, with an example."""


def _times(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, Any, str]]]:
    """The parameters without the times that are none, and those with a remedy."""
    kept, wrong = dict(given), []
    for key, (hint, example) in _TIMES.items():
        if key in kept:
            try:
                if _shaped(kept[key], hint) == ():
                    raise ValueError("no time at all")
            except (TypeError, ValueError):
                wrong.append((key, kept.pop(key), f"write seconds, as {example}"))
    return kept, wrong


def _aliases(base: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """``discover_at`` and ``gives_up_at`` in the terms of the model, where it counts windows."""
    result = dict(given)
    at = result.pop("discover_at", None) if not hasattr(base, "discover_at") else None
    until = result.pop("gives_up_at", None) if not hasattr(base, "gives_up_at") else None
    if at is None and until is None:
        return result
    if not hasattr(base, "further_windows"):
        kept = {"discover_at": at, "gives_up_at": until}
        return {**result, **{key: value for key, value in kept.items() if value is not None}}
    own = [0.0, base.first_window[1]]
    for window in base.further_windows:
        own.append(own[-1] + window)
    times = [float(t) for t in at] if isinstance(at, (list, tuple)) else own[:-1]
    ends = [*times[1:], float(until) if until is not None else times[-1] + base.further_windows[-1]]
    if at is not None and len(times) > 1:
        width = base.first_window[1] - base.first_window[0]
        result.setdefault("first_window", [max(0.0, times[1] - width), times[1]])
    windows = [ends[n] - ends[n - 1] for n in range(1, len(ends))]
    result.setdefault("further_windows", windows)
    return result


def _shaped(value: Any, hint: Any) -> Any:
    """The value as its field wants it; raises TypeError or ValueError."""
    origin = get_origin(hint)
    if origin is types.UnionType:
        return (
            None if value is None else _shaped(value, next(a for a in get_args(hint) if a is not type(None)))
        )
    if origin is Literal:
        if value not in get_args(hint):
            raise ValueError("not one of its words")
        return value
    if origin is tuple:
        items = value if isinstance(value, (list, tuple)) else [value]
        kinds = get_args(hint)
        if len(kinds) == 2 and kinds[1] is Ellipsis:
            return tuple(_shaped(item, kinds[0]) for item in items)
        if len(items) == 1 and len(kinds) == 2:
            items = [items[0], items[0]]
        if len(items) != len(kinds):
            raise ValueError("wrong number of values")
        return tuple(_shaped(item, kind) for item, kind in zip(items, kinds, strict=True))
    if hint is bool:
        if not isinstance(value, bool):
            raise TypeError("not true or false")
        return value
    if isinstance(value, bool) or value is None:
        raise TypeError("not a number")
    number = hint(value)
    if hint in (int, float) and number < 0:
        raise ValueError("negative")
    return number


def _example(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)


__all__ = ["BUILT_IN", "Firmware", "firmware_models", "parameters", "variant"]
