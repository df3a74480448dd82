"""PXELINUX, lpxelinux and syslinux.efi.

Sources: syslinux 6.03 and 6.04 core/fs/pxe/dhcp_option.c (parse_dhcp), core/fs/pxe/bios.c and efi/pxe.c
(net_parse_dhcp: ACK, then the cached reply), core/fs/pxe/pxe.c (pxe_load_config); recorded boots of
Debian 12's pxelinux.0 on iPXE and syslinux.efi on OVMF.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from urllib.parse import urlsplit

from coexist.boot.firmware.machine import Machine, text_of
from coexist.boot.loaders.loader import (
    Ending,
    Fetch,
    Loaded,
    Protocol_,
    Role,
    Stage,
    directory_of,
    named_server,
    server_identifier,
)
from coexist.boot.loaders.names import is_url
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import format_mac
from coexist.wire.options import Option

_CONFIGURATION_FILE = 209
_PATH_PREFIX = 210
"""RFC 5071."""

ASKS_AGAIN = (
    "syslinux.efi makes UEFI ask DHCP again for its address: the server that leases must answer a second time"
)
_CORE = {0: "ldlinux.c32", 6: "ldlinux.e32", 15: "ldlinux.e32"}
_CORE_X64 = "ldlinux.e64"
_FOLDERS = ("/boot/isolinux/", "/isolinux/", "/boot/syslinux/", "/syslinux/", "/")
"""Where it looks for its core module after its own folder, on EFI the root first (recorded boots)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Syslinux:
    """One of the three forms. ``urls``: whether it loads by HTTP itself; ``on_efi``: see `ASKS_AGAIN`."""

    name: str
    title: str
    urls: bool
    on_efi: bool
    source: str = "syslinux 6.03 core/fs/pxe/dhcp_option.c, bios.c, efi/pxe.c; recorded boots"

    def follow(self, loaded: Loaded) -> Stage:
        """The core module, then the first configuration that exists."""
        server: IPv4Address | str | None
        server, why = _server(loaded)
        prefix = _prefix(loaded)
        protocol: Protocol_ = "http" if is_url(prefix) else "tftp"
        notes = (ASKS_AGAIN,) if self.on_efi else ()
        if protocol == "http" and not self.urls:
            notes = (*notes, f"{self.title} itself knows TFTP only; under iPXE it loads URLs by iPXE")
        if protocol == "http":
            server, why = urlsplit(prefix).hostname or "", f"its path begins with {prefix}"
        core = "ldlinux.c32" if not self.on_efi else _CORE.get(loaded.machine.architecture, _CORE_X64)
        ending, remedy = Ending.CONFIGURATION, None
        if server is None:
            ending, remedy = Ending.NOBODY, "name the server in the packet that names the file"
        files = [
            Fetch(file=folder + core, role=Role.FIRST, protocol=protocol)
            for folder in (prefix, *(("/",) if self.on_efi else ()), *_FOLDERS)
        ]
        files += [
            Fetch(file=prefix + name, role=Role.FIRST, group=1, protocol=protocol)
            for name in _configurations(loaded)
        ]
        return Stage(
            loader=self.name,
            title=self.title,
            server=server,
            fetches=tuple(files) if server is not None else (),
            ending=ending,
            why=why,
            remedy=remedy,
            notes=notes,
        )


def _read(loaded: Loaded) -> tuple[Packet, ...]:
    """The packets it reads, later ones over earlier ones."""
    found = [loaded.ack]
    if loaded.boot_packet is not loaded.ack:
        found.append(loaded.boot_packet)
    return tuple(packet for packet in found if packet is not None)


def _server(loaded: Loaded) -> tuple[IPv4Address | None, str]:
    """The siaddr of each packet, the last that has one; option 54 only while there is none."""
    server: IPv4Address | None = None
    why = "no packet names a server"
    for packet in _read(loaded):
        kind = "the lease" if packet is loaded.ack else "the proxy's answer"
        if (own := named_server(packet)) is not None:
            server, why = own, f"siaddr of {kind}"
        elif server is None and (own := server_identifier(packet)) is not None:
            server, why = own, f"option 54 of {kind}, which has no siaddr"
    return server, why


def _option(loaded: Loaded, code: int) -> str | None:
    value = None
    for packet in _read(loaded):
        value = packet.options.get(code, value)
    return None if value is None else text_of(value)


def _prefix(loaded: Loaded) -> str:
    """Option 210, else the directory of the file as the packets name it."""
    prefix = _option(loaded, _PATH_PREFIX)
    if prefix is not None:
        return prefix
    file = ""
    for packet in _read(loaded):
        file = text_of(packet.options.get(Option.BOOTFILE_NAME, file.encode()))
        file = text_of(packet.file) or file
    return directory_of(file or loaded.file)


def _configurations(loaded: Loaded) -> list[str]:
    """The names it tries (pxe_load_config), first to last."""
    names = []
    declared = _option(loaded, _CONFIGURATION_FILE)
    if declared:
        names.append(declared)
    names.append("pxelinux.cfg/" + (uuid_text(loaded.machine) if any(loaded.machine.uuid) else "<its UUID>"))
    names.append("pxelinux.cfg/01-" + format_mac(loaded.machine.mac).replace(":", "-"))
    address = loaded.ack.yiaddr if loaded.ack is not None else UNSPECIFIED
    digits = f"{int(address):08X}"
    names += ["pxelinux.cfg/" + digits[:length] for length in range(8, 0, -1)]
    return [*names, "pxelinux.cfg/default"]


def uuid_text(machine: Machine) -> str:
    """The UUID with its octets in the order of option 97, as the configuration is named."""
    text = machine.uuid.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


PXELINUX = Syslinux(name="pxelinux", title="PXELINUX", urls=False, on_efi=False)
LPXELINUX = Syslinux(name="lpxelinux", title="lpxelinux", urls=True, on_efi=False)
SYSLINUX_EFI = Syslinux(name="syslinux-efi", title="syslinux.efi", urls=True, on_efi=True)
