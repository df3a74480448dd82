"""What the settings of a scope give to one packet, each value with where it is declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address

from coexist.boot.leases.lease import FieldName, NoLease
from coexist.boot.leases.plan import Member, Setting
from coexist.inventory.documents import Path
from coexist.records import dataclass
from coexist.wire.bootp import Packet
from coexist.wire.options import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class Handout:
    """What the settings of a scope give to one packet. ``siaddr`` and ``file`` None: nothing says them.

    ``options`` stand in the order in which who reads from the least authority to the most comes to them.
    ``ignored``: the setting that refuses the client. ``rule``: the settings that gave the boot file.
    """

    siaddr: IPv4Address | None = None
    file: bytes | None = None
    options: Mapping[int, bytes]
    origins: Mapping[int | FieldName, Path]
    rule: str = ""
    ignored: Setting | None = None


def fitting(settings: Iterable[Setting], packet: Packet, member: Member) -> tuple[Setting, ...]:
    """The settings that are about a packet, in their order."""
    return tuple(setting for setting in settings if setting.condition.fits(packet, member))


def hand_out(settings: Iterable[Setting]) -> Handout:
    """Each value from the first of some settings, which all fit a packet, that sets it."""
    siaddr: IPv4Address | None = None
    file: bytes | None = None
    options: dict[int, bytes] = {}
    origins: dict[int | FieldName, Path] = {}
    ranks: dict[int, tuple[int, int, int]] = {}
    rule = ""
    for number, setting in enumerate(settings):
        if setting.ignore:
            return Handout(options={}, origins={}, ignored=setting)
        # The server of a file, and the option that names it, go with that very file.
        beside = setting.file_server and file is not None
        if setting.file is not None and file is None:
            file, rule = setting.file.encode(), setting.name
            origins["file"] = setting.origins.get("file", setting.path)
        if setting.next_server is not None and siaddr is None and not beside:
            siaddr = setting.next_server
            origins["siaddr"] = setting.origins.get("siaddr", setting.path)
        for code, octets in setting.options.items():
            if beside and code == Option.TFTP_SERVER_NAME:
                continue
            # What holds for every packet comes first; what stands below that says nothing.
            if ranks.get(code) != (0, 0, code):
                ranks[code] = (0, 0, code) if setting.condition.always else (1, -number, code)
            if code not in options:
                options[code] = octets
                origins[code] = setting.origins.get(code, setting.path)
    ordered = {code: options[code] for code in sorted(options, key=ranks.__getitem__)}
    return Handout(siaddr=siaddr, file=file, options=ordered, origins=origins, rule=rule)


def refused(setting: Setting) -> NoLease:
    """The silence that a setting asks for."""
    return NoLease(why=f"it is not to be answered ({setting.name})", origin=setting.path)
