"""iPXE: plain, and with a script built in: netboot.xyz, and scripts that the inventory describes.

It asks DHCP again. A script of its own then decides what it boots, not DHCP.
Sources: iPXE interface/efi/efi_autoexec.c; recorded boots of builds of 2019, 2.0 and 2.2; netboot.xyz
roles/netbootxyz/templates/disks/netboot.xyz.j2 (2.0.8x).
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address
from urllib.parse import urlsplit

from coexist.boot.loaders.loader import (
    Ending,
    Fetch,
    Loaded,
    Protocol_,
    Role,
    Stage,
    header_file,
    named_server,
)
from coexist.boot.loaders.names import IPXE, file_name
from coexist.records import dataclass
from coexist.wire.architecture import is_bios
from coexist.wire.mac import format_mac
from coexist.wire.options import Option

_SCHEMES: dict[str, Protocol_] = {"http": "http", "https": "https"}
_HOST_NAME = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainIpxe:
    """iPXE that asks DHCP what to boot. Builds for UEFI may look for autoexec.ipxe beside their own file."""

    name: str = IPXE
    title: str = "iPXE"
    source: str = "iPXE interface/efi/efi_autoexec.c; recorded boots"

    def follow(self, loaded: Loaded) -> Stage:
        """At most one file before its own DHCP."""
        on_efi = not is_bios(loaded.machine.architecture)
        autoexec = Fetch(file=loaded.directory + "autoexec.ipxe", role=Role.MAYBE)
        return Stage(
            loader=self.name,
            title=self.title,
            server=loaded.server or None,
            fetches=(autoexec,) if on_efi else (),
            ending=Ending.DHCP,
            why="where it was loaded from",
        )


PLAIN_IPXE = PlainIpxe()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetbootXyz:
    """netboot.xyz: its own menu by TFTP where the next server is its own, else from the internet."""

    name: str = "netboot.xyz"
    title: str = "netboot.xyz"
    source: str = "netboot.xyz, netboot.xyz.j2"

    def follow(self, loaded: Loaded) -> Stage:
        """The files of its script, by the packets of iPXE's own DHCP."""
        lease, proxy = named_server(loaded.ack), named_server(loaded.reply or loaded.proxy)
        files = []
        notes: tuple[str, ...] = ()
        if lease and proxy:
            files.append(Fetch(file="local-vars.ipxe", role=Role.OPTIONAL))
            notes = (f"a key within 4 s, or local-vars.ipxe, makes it take the proxy's server {proxy}",)
        named = file_name(header_file(loaded.boot_packet) or loaded.file)
        if lease and named.startswith("netboot.xyz"):
            mac = format_mac(loaded.machine.mac).replace(":", "")
            files.append(Fetch(file="local-vars.ipxe", role=Role.OPTIONAL))
            host = loaded.ack.options.get(_HOST_NAME, b"").decode("utf-8", "replace") if loaded.ack else ""
            if host:
                files.append(Fetch(file=f"HOSTNAME-{host}.ipxe", role=Role.FIRST))
            files.append(Fetch(file=f"MAC-{mac}.ipxe", role=Role.FIRST))
            files.append(Fetch(file="menu.ipxe", role=Role.FIRST))
        for scheme in ("https", "http"):
            url = f"{scheme}://boot.netboot.xyz/menu.ipxe"
            files.append(
                Fetch(file=url, role=Role.FIRST, protocol=_SCHEMES[scheme], server="boot.netboot.xyz")
            )
        return Stage(
            loader=self.name,
            title=self.title,
            server=lease or "boot.netboot.xyz",
            fetches=tuple(files),
            why="siaddr of iPXE's own lease"
            if lease
            else "its lease names no server: it goes to the internet",
            notes=notes,
        )


NETBOOT_XYZ = NetbootXyz()

_SETTING = re.compile(r"\$\{([^}]*)\}")


def embedded_stage(loaded: Loaded) -> Stage:
    """What an iPXE with a script of its own reads, as the inventory says it (``embedded:``).

    ``${next-server}``, ``${proxydhcp/next-server}``, ``${filename}``, ``${mac}``, ``${uuid}`` and
    ``${hostname}`` are filled in from the packets of iPXE's own DHCP, as iPXE's settings are
    (core/settings.c).
    """
    values = _settings(loaded)
    files: list[Fetch] = []
    empty: list[str] = []
    for url in loaded.embedded:
        wanted = _SETTING.findall(url)
        empty += [name for name in wanted if not values.get(name.partition(":")[0], "")]
        files.append(_fetch(_SETTING.sub(lambda m: values.get(m[1].partition(":")[0], ""), url), values))
    ending = Ending.CONFIGURATION
    why, remedy = "the script that is built in", None
    if empty:
        ending, why = (
            Ending.PROMPT,
            f"the script that is built in reads ${{{empty[0]}}}, which no packet names",
        )
        remedy = "let the lease name its next server, or write the address into the script"
    server = files[0].server if files else None
    return Stage(
        loader="ipxe",
        title="iPXE with a built-in script",
        server=None if empty else server,
        fetches=() if empty else tuple(files),
        ending=ending,
        why=why,
        remedy=remedy,
    )


def _settings(loaded: Loaded) -> dict[str, str]:
    ack, offered = loaded.ack, loaded.reply or loaded.proxy
    boot = loaded.boot_packet
    own = named_server(ack)
    option = boot.options.get(Option.BOOTFILE_NAME, b"").decode("utf-8", "replace") if boot else ""
    return {
        "next-server": str(own or named_server(offered) or ""),
        "proxydhcp/next-server": str(named_server(offered) or ""),
        "filename": header_file(boot) or option.rstrip("\0"),
        "mac": format_mac(loaded.machine.mac),
        "net0/mac": format_mac(loaded.machine.mac),
        "uuid": loaded.machine.uuid.hex(),
        "hostname": ack.options.get(_HOST_NAME, b"").decode("utf-8", "replace") if ack else "",
    }


def _fetch(url: str, values: dict[str, str]) -> Fetch:
    parts = urlsplit(url)
    if parts.scheme and parts.hostname:
        file = parts.path.lstrip("/") if parts.scheme == "tftp" else url
        return Fetch(file=file, protocol=_SCHEMES.get(parts.scheme, "tftp"), server=_server(parts.hostname))
    # iPXE reads a name without a scheme from its next server (net/udp/tftp.c, tftp_apply_settings).
    return Fetch(
        file=url.lstrip("/"), server=_server(values["next-server"]) if values["next-server"] else None
    )


def _server(host: str) -> IPv4Address | str:
    try:
        return IPv4Address(host)
    except AddressValueError:
        return host
