"""The boot loaders that are followed, by name."""

from __future__ import annotations

from coexist.boot.loaders.grub import CORE, GRUB, RED_HAT
from coexist.boot.loaders.ipxe import NETBOOT_XYZ, PLAIN_IPXE
from coexist.boot.loaders.loader import Loader
from coexist.boot.loaders.shim import SHIM
from coexist.boot.loaders.syslinux import LPXELINUX, PXELINUX, SYSLINUX_EFI
from coexist.boot.loaders.windows import BOOTMGFW, BOOTMGR, PXEBOOT, WDSMGFW, WDSNBP

LOADERS: dict[str, Loader] = {
    model.name: model
    for model in (
        PXELINUX, LPXELINUX, SYSLINUX_EFI, GRUB, CORE, RED_HAT, SHIM, PLAIN_IPXE, NETBOOT_XYZ, WDSNBP,
        WDSMGFW, PXEBOOT, BOOTMGR, BOOTMGFW,
    )
}  # fmt: skip
"""The models by name."""

MOST_STAGES = 6
"""Programs followed one after the other; the longest chain there is (wdsnbp to bootmgr) has three."""
