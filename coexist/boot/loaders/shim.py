"""shim: it loads GRUB from the server that its netboot.c reads out of the firmware's packets.

Source: shim 15.8 and 16.1 netboot.c (parseDhcp4), shim.c; recorded boots of Debian's shimx64.efi.signed
16.1 on OVMF.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from urllib.parse import urlsplit

from coexist.boot.loaders.loader import (
    Ending,
    Fetch,
    Loaded,
    Role,
    Stage,
    directory_of,
    header_file,
    named_server,
)
from coexist.records import dataclass
from coexist.wire.bootp import Packet

_SUFFIX = {6: "ia32", 15: "ia32", 11: "aa64", 19: "aa64"}
_REVOCATIONS = ("revocations_sku.efi", "revocations_sbat.efi", "shim_certificate_0.efi")
OLDER = "shim before 16 asks for fewer files before GRUB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shim:
    """The one form of it."""

    name: str = "shim"
    title: str = "shim"
    source: str = "shim 16.1 netboot.c; recorded boots"

    def follow(self, loaded: Loaded) -> Stage:
        """Its revocations, then grubx64.efi beside the boot file of the packet it reads."""
        loader = f"grub{_SUFFIX.get(loaded.machine.architecture, 'x64')}.efi"
        if loaded.by_http:
            host = urlsplit(loaded.file).hostname
            return self._stage(host, directory_of(loaded.file), loader, "the URL it was loaded from")
        packet, kind = _packet(loaded)
        server = named_server(packet)
        if server is None:
            return Stage(
                loader=self.name,
                title=self.title,
                server=None,
                ending=Ending.NOBODY,
                why=f"{kind} has no siaddr, and shim reads nothing else of it",
                remedy="let the packet that names the boot file name its next server too",
            )
        return self._stage(server, directory_of(header_file(packet)), loader, f"siaddr of {kind}")

    def _stage(self, server: IPv4Address | str | None, directory: str, loader: str, why: str) -> Stage:
        files = [Fetch(file=directory + name, role=Role.OPTIONAL) for name in _REVOCATIONS]
        files.append(Fetch(file=directory + loader))
        return Stage(
            loader=self.name,
            title=self.title,
            server=server,
            fetches=tuple(files),
            ending=Ending.PROGRAM,
            loads=directory + loader,
            why=why,
            assumptions=(OLDER,),
        )


def _packet(loaded: Loaded) -> tuple[Packet | None, str]:
    """The ACK if its header names a file; else the proxy's offer, or the answer from port 4011."""
    packet, kind = loaded.ack, "the lease"
    offered = loaded.proxy or loaded.reply
    if offered is not None and not header_file(packet):
        # EDK2 puts the answer from port 4011 in the place of the offer it belongs to.
        packet, kind = loaded.boot_packet, "the proxy's answer"
    return packet, kind


SHIM = Shim()
