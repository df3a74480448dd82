"""Windows' boot programs: wdsnbp.com, wdsmgfw.efi, pxeboot, bootmgr.exe and bootmgfw.efi.

Source: Microsoft, Windows Deployment Services, "Boot tab" (which program starts which); that they read the
packet that the firmware cached, not DHCP, is told of wimboot and iPXE (commit ce0a0cc). Nothing was recorded.

What is known of wdsnbp.com: it sends its server another DHCP request, with the architecture that it finds in
option 250, and the server's answer names the program that follows: pxeboot.com, pxeboot.n12 or abortpxe.com
(D. Heinz of Microsoft, "SCCM PXE Network Boot Process", 2011). A server may name another one there
(Microsoft, "Managing Network Boot Programs", Implementing Network Boot Referrals). What such a server decides
is no part of the model.
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
    named_server,
    server_identifier,
)
from coexist.records import dataclass

NOT_RECORDED = "Windows' boot programs were not recorded: they are followed as Microsoft describes them"
ITS_SERVER_DECIDES = (
    "the server that is asked by wdsnbp.com or wdsmgfw.efi lets the boot go on: it may name another program, "
    "end the boot (abortpxe.com) or name another server, and no source says by what rule"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """One program. ``next``: the file it loads beside its own; None for the boot manager, which reads BCD."""

    name: str
    title: str
    next: str | None
    asks_4011: bool = False
    source: str = "Microsoft, Windows Deployment Services, Boot tab"

    def follow(self, loaded: Loaded) -> Stage:
        """The next program, or the boot manager's configuration."""
        server, why = _server(loaded)
        notes = (f"{self.title} first asks {server or 'its server'} on port 4011",) if self.asks_4011 else ()
        if server is None:
            return Stage(
                loader=self.name,
                title=self.title,
                server=None,
                ending=Ending.NOBODY,
                why=why,
                certain=False,
                remedy="let the packet that names the boot file name its next server too",
                assumptions=(NOT_RECORDED,),
            )
        if self.next is None:
            fetches = (Fetch(file="\\Boot\\BCD"),)
            ending, loads = Ending.CONFIGURATION, None
        else:
            loads = loaded.directory + self.next
            fetches = (Fetch(file=loads, role=Role.NEEDED),)
            ending = Ending.PROGRAM
        return Stage(
            loader=self.name,
            title=self.title,
            server=server,
            fetches=fetches,
            ending=ending,
            loads=loads,
            why=why,
            notes=notes,
            assumptions=(NOT_RECORDED, ITS_SERVER_DECIDES) if self.asks_4011 else (NOT_RECORDED,),
        )


def _server(loaded: Loaded) -> tuple[IPv4Address | str | None, str]:
    if loaded.by_http:
        return urlsplit(loaded.file).hostname, "the URL it was loaded from"
    packet = loaded.boot_packet
    kind = "the lease" if packet is loaded.ack else "the proxy's answer"
    own = named_server(packet)
    if own is not None:
        return own, f"siaddr of {kind}, as the firmware cached it"
    return server_identifier(packet), f"option 54 of {kind}, which has no siaddr"


WDSNBP = Windows(name="wdsnbp", title="wdsnbp.com", next="pxeboot.n12", asks_4011=True)
WDSMGFW = Windows(name="wdsmgfw", title="wdsmgfw.efi", next="bootmgfw.efi", asks_4011=True)
PXEBOOT = Windows(name="pxeboot", title="pxeboot", next="bootmgr.exe")
BOOTMGR = Windows(name="bootmgr", title="bootmgr.exe", next=None)
BOOTMGFW = Windows(name="bootmgfw", title="bootmgfw.efi", next=None)
