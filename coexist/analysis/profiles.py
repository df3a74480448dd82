"""What may stand behind a MAC address: the VLANs it may appear on, its architectures and firmwares.

What a client's own row says holds; then what its groups say; then what the site declares in
``architectures``; then what a machine of that architecture usually runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from coexist.inventory.models import Group, Site
from coexist.inventory.population import FAMILIES
from coexist.records import dataclass

NO_ARCHITECTURE = ""
"""The architecture of a client that is no PXE machine (an IP phone)."""

PHONES = frozenset({"phone"})


@dataclass(frozen=True, slots=True, order=True)
class Profile:
    """An architecture by name (``""`` for a phone) and a firmware by name."""

    architecture: str
    firmware: str


def firmware_kind(site: Site, name: str) -> str:
    """The family of a firmware: of itself, or of what the declared variant is like."""
    seen: set[str] = set()
    while name in site.firmwares and name not in seen:
        seen.add(name)
        name = site.firmwares[name].like
    return FAMILIES.get(name, name)


def usual_firmwares(architecture: str) -> tuple[str, ...]:
    """What a machine of this architecture runs if nothing else is declared."""
    if architecture.startswith("http-"):
        return ("edk2-http",)
    if architecture.startswith("uefi-"):
        return ("edk2",)
    return ("pxe21", "ipxe") if architecture == "bios" else ("first-offer",)


def _usual_architectures(kind: str) -> tuple[str, ...]:
    if kind in PHONES:
        return (NO_ARCHITECTURE,)
    return {
        "edk2": ("uefi-x64",),
        "edk2-http": ("http-x64",),
        "pxe21": ("bios",),
        "raspberry-pi": ("bios",),
        "ipxe": ("bios", "uefi-x64"),
    }.get(kind, ("uboot-arm64",))


def fits(architecture: str, kind: str) -> bool:
    """Whether such a machine exists: no UEFI runs a BIOS ROM, and HTTP boot is a UEFI's.

    ``kind`` is a family of firmware.
    """
    if kind in PHONES:
        return architecture == NO_ARCHITECTURE
    if architecture.startswith("http-") or kind == "edk2-http":
        return architecture.startswith("http-") and kind == "edk2-http"
    if kind == "edk2":
        return architecture.startswith("uefi-")
    if kind == "raspberry-pi":
        # It announces the number of a BIOS (raspberrypi/firmware issue 764).
        return architecture in ("bios", "rpiboot")
    return not (kind == "pxe21" and architecture.startswith(("uefi-", "uboot-")))


def agreed(statements: Sequence[Sequence[str]]) -> tuple[str, ...] | None:
    """What several groups say together: what all of them allow, or everything any of them says
    if they contradict each other. None if none says anything."""
    if not statements:
        return None
    common = [value for value in statements[0] if all(value in other for other in statements[1:])]
    return tuple(common or dict.fromkeys(value for statement in statements for value in statement))


def contradict(statements: Sequence[Sequence[str]]) -> bool:
    """Whether no value is allowed by all of them."""
    return bool(statements) and not set(statements[0]).intersection(*map(set, statements[1:]))


def vlans_of(site: Site, own: str, groups: Iterable[Group]) -> tuple[str, ...]:
    """The VLANs a client may appear on; every one if nothing is said."""
    if own:
        return (own,)
    said = agreed([group.vlan for group in groups if group.vlan])
    return said if said is not None else tuple(site.vlans)


def profiles_of(site: Site, architecture: str, firmware: str, groups: Sequence[Group]) -> tuple[Profile, ...]:
    """The architectures and firmwares a client may have; ``""`` where its row says nothing.

    Never empty: a combination that fits no known machine is kept as it was declared.
    """
    architectures = (
        (architecture,) if architecture else agreed([g.architecture for g in groups if g.architecture])
    )
    firmwares = (firmware,) if firmware else agreed([g.firmware for g in groups if g.firmware])
    if architectures is None and firmwares is None:
        return tuple(Profile(a, f) for a, names in site.architectures.items() for f in names)
    if firmwares is None:
        assert architectures is not None
        return tuple(
            Profile(a, f) for a in architectures for f in site.architectures.get(a) or usual_firmwares(a)
        )
    if architectures is None:
        return tuple(dict.fromkeys(p for f in firmwares for p in _by_firmware(site, f)))
    pairs = [Profile(a, f) for a in architectures for f in firmwares]
    return tuple(p for p in pairs if fits(p.architecture, firmware_kind(site, p.firmware))) or tuple(pairs)


def _by_firmware(site: Site, firmware: str) -> list[Profile]:
    kind = firmware_kind(site, firmware)
    declared = [a for a, names in site.architectures.items() if firmware in names]
    fitting = declared or [a for a in site.architectures if kind not in PHONES and fits(a, kind)]
    return [Profile(a, firmware) for a in fitting or _usual_architectures(kind)]
