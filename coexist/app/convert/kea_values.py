"""The values of a dhcpd.conf in Kea's words: fields, option data with its definitions, and lease times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Any

from coexist.app.convert.blocks import FLAGS, LEASE_TIMES, VENDOR, Key, Value
from coexist.app.convert.kea_places import Places
from coexist.boot.leases.lease_times import dhcpd_times
from coexist.importers.account import Account
from coexist.languages.dhcpd.levels import Outline
from coexist.records import dataclass
from coexist.wire.option_codes import Option

_VENDOR_OPTIONS = int(Option.VENDOR_SPECIFIC_INFORMATION)


@dataclass(slots=True)
class Values:
    """Writes values. ``spaces``: the option that holds each space of options."""

    outline: Outline
    places: Places
    account: Account
    spaces: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.spaces = self._spaces()

    def entry(self, values: dict[Key, Value]) -> dict[str, Any]:
        """Values as members of a level; flags and lease times are the level's own affair."""
        entry: dict[str, Any] = {}
        options: list[dict[str, Any]] = []
        for key, value in values.items():
            if isinstance(key, int):
                assert isinstance(value.content, bytes)
                if value.content:
                    # dhcpd sends no option without octets.
                    options.append(_option(key, value.content))
            elif isinstance(key, tuple):
                options += self._space(key[1], value)
            elif key not in FLAGS and key not in LEASE_TIMES:
                entry[key] = value.content
        if options:
            entry["option-data"] = options
        return entry

    def _space(self, space: str, value: Value) -> Iterator[dict[str, Any]]:
        code = self.spaces.get(space)
        if code is None:
            self.account.left_out(value.at, value.text, f"nothing sends the option space {space}")
            return
        assert isinstance(value.content, tuple)
        yield {"code": code, "csv-format": True, "data": ""}
        for inner, octets in value.content:
            yield {"space": space, "code": inner, "csv-format": False, "data": octets.hex()}

    def _spaces(self) -> dict[str, int]:
        """The option that holds each space."""
        found: dict[str, int] = {}
        for definition in self.outline.definitions:
            option = definition.option
            if option.space == "dhcp" and option.format[:1] in ("E", "e"):
                found[option.format[1:].rstrip(".").lower()] = option.code
        for place in self.places.all:
            for block in place.blocks:
                chosen = block.values.get(VENDOR)
                if chosen is None or str(chosen.content) in found:
                    continue
                if _VENDOR_OPTIONS in found.values():
                    why = "Kea's option 43 holds the options of one space"
                    self.account.left_out(chosen.at, chosen.text, why)
                    continue
                found[str(chosen.content)] = _VENDOR_OPTIONS
        return found

    def definitions(self) -> dict[str, Any]:
        """The options that hold others, and option 43 where it is sent as it is."""
        made: list[dict[str, Any]] = [
            {"name": f"holds-{space}", "code": code, "type": "empty", "encapsulate": space}
            for space, code in self.spaces.items()
        ]
        if _VENDOR_OPTIONS not in self.spaces.values() and self._uses_vendor_options():
            # As they are: by itself Kea takes the option apart and leaves out its end mark.
            made.append({"name": "vendor-options", "code": _VENDOR_OPTIONS, "type": "binary"})
        return {"option-def": made} if made else {}

    def _uses_vendor_options(self) -> bool:
        blocks = [block for place in self.places.all for block in place.blocks]
        for host in self.outline.hosts:
            blocks += self.places.reader.blocks([host.level])
        return any(_VENDOR_OPTIONS in block.values for block in blocks)

    def times(self, own: dict[Key, Value], *around: dict[Key, Value]) -> dict[str, int]:
        """The lease times of a level that says one of them, with what those around it say."""
        if not any(name in own for name in LEASE_TIMES):
            return {}
        whole: dict[Key, Value] = {}
        for values in (own, *around, self.places.root.values):
            for key, value in values.items():
                whole.setdefault(key, value)
        return lifetimes(whole)


def lifetimes(values: dict[Key, Value]) -> dict[str, int]:
    """lease_time_of: what a client gets that asks for no time, and within what it may ask for one."""
    default, longest, shortest = (_number(values.get(name)) for name in LEASE_TIMES)
    times = dhcpd_times(default, shortest, longest)
    return {
        "valid-lifetime": times.default,
        "min-valid-lifetime": times.shortest,
        "max-valid-lifetime": times.longest,
    }


def _number(value: Value | None) -> int | None:
    return None if value is None or not isinstance(value.content, int) else value.content


def _option(code: int, octets: bytes) -> dict[str, Any]:
    return {"code": code, "csv-format": False, "data": octets.hex()}
