"""GRUB 2: it configures its network from the DHCPACK of the lease alone.

Sources: GRUB 2.06 grub-core/net/bootp.c (grub_net_configure_by_dhcp_ack: siaddr, else sname),
grub-core/net/drivers/efi/efinet.c and i386/pc/pxe.c (both hand it the DHCPACK), grub-core/normal/main.c;
recorded boots of Debian 12's grubnetx64.efi.signed on OVMF, and of grub-mknetdir's core.0 and core.efi.
Red Hat's GRUB: rhboot/grub2, patch "efinet: Add DHCP proxy support" of June 2021.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from urllib.parse import urlsplit

from coexist.boot.firmware.machine import text_of
from coexist.boot.loaders.loader import Ending, Fetch, Loaded, Role, Stage, named_server
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import format_mac

_PLATFORMS = {0: "i386-pc", 6: "i386-efi", 10: "arm-efi", 11: "arm64-efi", 15: "i386-efi", 19: "arm64-efi"}
_NORMAL = ("normal", "extcmd", "crypto", "gettext", "terminal", "gzio", "gcry_crc")
_NORMAL_ON_BIOS = ("normal", "extcmd", "verifiers", "crypto", "gettext", "terminal", "gzio", "gcry_crc")
"""The module of its command line and what that needs, in the order of recorded boots (Debian 12's 2.06)."""
_LISTS = ("command.lst", "fs.lst", "crypto.lst", "terminal.lst")

REMEDY = "give the lease a next server without a boot file: `next_server:` of the server that booted it"
BY_HTTP = "load it by TFTP or from iPXE, or say `then: grub-redhat` if this build reads the URL it came from"
NO_PACKETS = "UEFI HTTP boot leaves GRUB no DHCP packet: it has no server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grub:
    """One build. ``prefix``: the directory built into it; ``modules``: whether it loads its modules.

    ``reads_proxy``: Red Hat's builds take a ProxyDHCP offer before the lease, and the directory of the
    boot file before the one that is built in.
    """

    name: str
    title: str
    prefix: str
    modules: bool = False
    reads_proxy: bool = False
    source: str = "GRUB 2.06 net/bootp.c, efinet.c, i386/pc/pxe.c; recorded boots"
    assumptions: tuple[str, ...] = ()

    def follow(self, loaded: Loaded) -> Stage:
        """Its lists and its configuration, from the server of the lease."""
        if loaded.by_http:
            if self.reads_proxy:
                host = urlsplit(loaded.file).hostname
                return self._stage(loaded, host, "the URL it was loaded from")
            return self._prompt(NO_PACKETS, BY_HTTP)
        packet = loaded.ack
        kind = "the lease"
        if self.reads_proxy and (loaded.proxy or loaded.reply):
            packet, kind = loaded.boot_packet, "the proxy's offer"
        server = _server(packet)
        if server is None:
            if self.reads_proxy:
                return self._prompt(f"{kind} has no siaddr", "let it name its next server")
            why = "the lease has no siaddr, and GRUB reads no other packet"
            return self._prompt(why, REMEDY)
        return self._stage(loaded, server, f"siaddr of {kind}")

    def _prompt(self, why: str, remedy: str) -> Stage:
        return Stage(
            loader=self.name,
            title=self.title,
            server=None,
            ending=Ending.PROMPT,
            why=why,
            reads_lease=remedy == REMEDY,
            certain=remedy != BY_HTTP,
            remedy=remedy,
            assumptions=self.assumptions,
        )

    def _stage(self, loaded: Loaded, server: IPv4Address | str | None, why: str) -> Stage:
        platform = _PLATFORMS.get(loaded.machine.architecture, "x86_64-efi")
        path = urlsplit(loaded.directory).path if loaded.by_http else loaded.directory
        prefix = (self.prefix or "/" + path.strip("/")).rstrip("/")
        files = []
        if self.modules:
            names = _NORMAL_ON_BIOS if platform == "i386-pc" else _NORMAL
            files += [Fetch(file=f"{prefix}/{platform}/{name}.mod") for name in names]
            files += [Fetch(file=f"{prefix}/grub.cfg-{name}", role=Role.OPTIONAL) for name in _own(loaded)]
        files += [Fetch(file=f"{prefix}/{platform}/{name}", role=Role.OPTIONAL) for name in _LISTS]
        files.append(Fetch(file=f"{prefix}/grub.cfg", role=Role.FIRST))
        return Stage(
            loader=self.name,
            title=self.title,
            server=server,
            fetches=tuple(files),
            why=why,
            reads_lease=not self.reads_proxy,
            remedy=None if self.reads_proxy else REMEDY,
            assumptions=self.assumptions,
        )


def _own(loaded: Loaded) -> list[str]:
    """Whose configuration it looks for before everybody's (grub_net_search_config_file): card, address."""
    digits = f"{int(loaded.ack.yiaddr if loaded.ack is not None else UNSPECIFIED):08X}"
    card = format_mac(loaded.machine.mac).replace(":", "-")
    return [f"01-{card}", *(digits[:length] for length in range(8, 0, -1))]


def _server(packet: Packet | None) -> IPv4Address | str | None:
    """siaddr, else the server's name of the header, which GRUB resolves."""
    own = named_server(packet)
    if own is not None or packet is None:
        return own
    return text_of(packet.sname) or None


GRUB = Grub(name="grub", title="GRUB", prefix="/grub")
CORE = Grub(name="grub-core", title="GRUB (core image)", prefix="/boot/grub", modules=True)
RED_HAT = Grub(
    name="grub-redhat",
    title="GRUB (Red Hat)",
    prefix="",
    reads_proxy=True,
    source="rhboot/grub2, efinet: Add DHCP proxy support (2021)",
    assumptions=("Red Hat's GRUB was not recorded; it is followed as its patch says",),
)
