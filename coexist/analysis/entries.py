"""The boot entries that are left to a machine when what one of them named cannot be loaded."""

from __future__ import annotations

from dataclasses import replace

from coexist.analysis.chain import Stages, stages
from coexist.analysis.race import ClientCase
from coexist.analysis.world import World
from coexist.boot.firmware.boot_order import BootOrder


def after_failure(world: World, case: ClientCase, file: str) -> Stages | None:
    """What follows a file that could not be loaded; None where no entry is left or there is no order.

    The servers are asked as if for the first time: an entry over IPv6 alone takes a minute.
    """
    firmware = world.firmwares[case.firmware]
    rest = firmware.after(file) if isinstance(firmware, BootOrder) else None
    if rest is None:
        return None
    forwarding = {name: replace(segment, forwarding_delay=0.0) for name, segment in world.segments.items()}
    left = replace(world, segments=forwarding, firmwares={**world.firmwares, case.firmware: rest})
    return stages(left, case)
