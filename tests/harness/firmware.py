"""Real firmware in QEMU: power a machine on and see what it boots.

``ipxe``: SeaBIOS with Debian's iPXE ROM. ``edk2``: OVMF with EDK2's own network driver and PXE client,
``edk2-http`` the same with HTTP boot first. Emulation only (TCG): what a host calls KVM need not run
firmware.
"""

from __future__ import annotations

import re
import shutil
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from coexist.wire.mac import format_mac, parse_mac
from tests.harness.capture import Capture, Frame
from tests.harness.frames import ETH_P_ALL, ETHERTYPE_IPV6, ethernet, internet_checksum
from tests.harness.namespaces import HarnessError, Namespace
from tests.harness.network import Network
from tests.harness.processes import Process
from tests.harness.programs import SAYS

Firmware: TypeAlias = Literal["ipxe", "edk2", "edk2-http"]

OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
OVMF_SECURE = (Path("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.ms.fd"))
"""OVMF with Secure Boot on: code, and variables that hold Microsoft's keys."""
IPXE_ROM = Path("/usr/lib/ipxe/qemu/efi-virtio.rom")
"""What QEMU plugs into its virtio card: iPXE for BIOS and for UEFI."""

NEEDS: dict[Firmware, tuple[str, ...]] = {
    "ipxe": ("qemu-system-x86_64", "tcpdump", str(IPXE_ROM)),
    "edk2": ("qemu-system-x86_64", "tcpdump", str(OVMF_CODE), str(OVMF_VARIABLES)),
    "edk2-http": ("qemu-system-x86_64", "tcpdump", str(OVMF_CODE), str(OVMF_VARIABLES)),
}
"""What each firmware needs of the machine, for ``pytest.mark.needs``."""

_LONGEST: dict[Firmware, float] = {"ipxe": 90.0, "edk2": 180.0, "edk2-http": 240.0}
"""Seconds after which a boot is given up, on a machine that is busy."""

# Whole lines, so that what is read is the sentence and not its beginning.
_GAVE_UP: dict[Firmware, str] = {
    "ipxe": r"(?:Nothing to boot|No bootable device|Could not boot)[^\r\n]*(?=[\r\n])",
    "edk2": r"PXE-E\d+[^\r\n]*(?=[\r\n])|Start HTTP Boot|No bootable option",
    "edk2-http": r"Error: [^\r\n]*(?=[\r\n])|Start HTTP Boot over IPv6|No bootable option",
}
_SAID = re.compile(rf"{SAYS} (\S+)[\r\n]")
_REQUESTS = ("RRQ", "GET", "HEAD")


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What one machine did. ``frames`` are its VLAN port's, in order; ``ended`` says what ended it.

    ``word`` is what the boot program said on the console; None if none ran.
    """

    frames: tuple[Frame, ...] = field(repr=False)
    console: str = field(repr=False)
    word: str | None
    ended: str

    @property
    def request(self) -> Frame | None:
        """The first request for a file."""
        return next((frame for frame in self.frames if frame.kind in _REQUESTS), None)

    @property
    def file(self) -> str | None:
        """The file it asked for first."""
        return self.request.file if self.request else None

    @property
    def boot_server(self) -> str | None:
        """The address it asked first for a file."""
        return str(self.request.destination[0]) if self.request else None

    @property
    def seconds(self) -> float | None:
        """From its first DISCOVER to its first request for a file."""
        first = next((frame for frame in self.frames if frame.kind == "DISCOVER"), None)
        return self.request.time - first.time if self.request and first else None

    def of_kind(self, *kinds: str) -> tuple[Frame, ...]:
        """Its frames of some kinds: see ``Frame.kind``."""
        return tuple(frame for frame in self.frames if frame.kind in kinds)


def start_firmware(
    network: Network,
    vlan: str,
    *,
    firmware: Firmware,
    mac: str,
    uefi: bool = False,
    until: Callable[[Capture, str], bool] | None = None,
    timeout: float | None = None,
    quiet: float | None = None,
    memory: int | None = None,
    uuid: str | None = None,
    secure_boot: bool = False,
) -> Boot:
    """Power a machine on in a VLAN, wait until a boot program speaks or it gives up, power it off.

    ``uefi``: iPXE as the option ROM of a UEFI machine, not of a BIOS; EDK2 is UEFI anyway.
    ``until`` ends the boot earlier: it is asked at each frame and each piece of console output.
    ``timeout`` in seconds; ``quiet``: seconds without a sign of life after which it is over, once it has
    asked for a file. ``memory`` in MiB, ``uuid`` as SMBIOS has it. ``secure_boot``: UEFI runs only what
    Microsoft's keys vouch for. Boot one machine at a time: they would share the processor.
    """
    timeout = _LONGEST[firmware] if timeout is None else timeout
    changed = threading.Condition()
    directory = network.directory / f"machine-{format_mac(parse_mac(mac), '-')}"
    with ExitStack() as stack:
        directory.mkdir()
        stack.callback(shutil.rmtree, directory)
        tap = network.tap(vlan)
        stack.callback(network.unplug, tap)
        capture = Capture(network.switch, tap, changed=changed)
        stack.callback(capture.stop)
        router = RouterAdvertiser(network.switch, tap)
        stack.callback(router.stop)
        command = _command(firmware, uefi, mac, tap, directory, memory, uuid, secure_boot)
        machine = Process(command, namespace=network.switch, changed=changed)
        stack.callback(machine.stop)

        def over() -> bool:
            said = _ending(firmware, machine.output) is not None
            return said or machine.ended or (until is not None and until(capture, machine.output))

        with changed:
            finished = _wait(changed, over, timeout, quiet, capture, machine)
        if machine.ended:
            raise HarnessError(f"QEMU ended by itself: {machine.output[-2000:]}")
        # Ended first, tcpdump hands over all it has seen, and the console says the rest of its sentence.
        machine.stop()
        capture.stop()
    console = plain(machine.output)
    word = _SAID.search(console)
    return Boot(
        frames=capture.frames(),
        console=console,
        word=word[1] if word else None,
        ended=_ending(firmware, console) or ("seen enough" if finished else f"silent after {timeout:g} s"),
    )


def _wait(
    changed: threading.Condition,
    over: Callable[[], bool],
    timeout: float,
    quiet: float | None,
    capture: Capture,
    machine: Process,
) -> bool:
    """Wait until it is over, or nothing more comes from a machine that has asked for a file."""
    if quiet is None:
        return changed.wait_for(over, timeout)
    now = heard = time.monotonic()
    until = now + timeout
    seen = (0, 0)
    while now < until and not over():
        signs = (len(capture.frames()), len(machine.output))
        if signs != seen:
            heard, seen = now, signs
        elif now - heard >= quiet and capture.frames(*_REQUESTS):
            return True
        changed.wait(min(1.0, until - now))
        now = time.monotonic()
    return over()


def _ending(firmware: Firmware, console: str) -> str | None:
    if found := _SAID.search(console):
        return f"booted {found[1]}"
    found = re.search(_GAVE_UP[firmware], console)
    return f"gave up: {found[0]}" if found else None


def _command(
    firmware: Firmware,
    uefi: bool,
    mac: str,
    tap: str,
    directory: Path,
    memory: int | None,
    uuid: str | None,
    secure_boot: bool,
) -> list[str]:
    device = f"virtio-net-pci,netdev=n0,mac={mac},bootindex=1"
    # fmt: off
    common = [
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-smp", "1",
        "-accel", "tcg,thread=single,tb-size=256", "-cpu", "qemu64", "-serial", "stdio",
        "-uuid", uuid or f"c0e81570-0000-4000-8000-{format_mac(parse_mac(mac), '')}",
        "-netdev", f"tap,id=n0,ifname={tap},script=no,downscript=no",
        "-boot", "menu=off,strict=on",
    ]
    if firmware == "ipxe" and not uefi:
        # graphics=off brings the console to the serial port. The ROM is not named: QEMU writes the card's
        # identity only into its default ROM, and SeaBIOS passes over any other.
        return [*common, "-machine", "pc,graphics=off", "-m", str(memory or 128), "-device", device]
    variables = directory / "variables.fd"
    code, of_vendor = OVMF_SECURE if secure_boot else (OVMF_CODE, OVMF_VARIABLES)
    shutil.copy(of_vendor, variables)
    # OVMF tries PXE before HTTP and each for a minute: what is not asked for is taken out of its list.
    pxe = "no" if firmware == "edk2-http" else "yes"
    return [
        *common, "-fw_cfg", f"name=opt/org.tianocore/IPv4PXESupport,string={pxe}",
        "-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=no",
        # Debian's build for Secure Boot keeps its variables behind system management mode.
        "-machine", "q35,smm=on" if secure_boot else "q35,smm=off",
        "-global", f"driver=cfi.pflash01,property=secure,value={'on' if secure_boot else 'off'}",
        "-m", str(memory or 256),
        "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}",
        "-drive", f"if=pflash,unit=1,format=raw,file={variables}",
        # Without an option ROM, OVMF drives the card itself: iPXE's UEFI ROM would take its place.
        "-device", device if firmware == "ipxe" else f"{device},romfile=",
    ]
    # fmt: on


def plain(console: str) -> str:
    """The console without its terminal sequences."""
    return re.sub(r"\x1b\[[0-9;?=]*[a-zA-Z]", "", console)


class RouterAdvertiser:
    """Answers router solicitations with "no router here" (RFC 4861 section 4.2: lifetime 0).

    iPXE 1.0 with IPv6 waits 16 s for a router before it loads its file; what it loads is the same.
    """

    def __init__(self, namespace: Namespace, device: str) -> None:
        # A bridge takes frames from its port before sockets for one protocol see them.
        self._socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.bind((device, ETH_P_ALL))
        self._socket.settimeout(0.2)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"router {device}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop answering."""
        self._stopping.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        advertisement = _router_advertisement()
        while not self._stopping.is_set():
            try:
                frame, origin = self._socket.recvfrom(2048)
            except TimeoutError:
                continue
            except OSError:
                # The tap went down: the machine is gone.
                return
            ipv6 = int.from_bytes(frame[12:14], "big") == ETHERTYPE_IPV6
            solicits = ipv6 and frame[20:21] == b"\x3a" and frame[54:55] == b"\x85"  # ICMPv6, type 133
            if solicits and origin[2] != socket.PACKET_OUTGOING:
                self._socket.send(advertisement)


def _router_advertisement() -> bytes:
    router_mac, all_nodes_mac = 0x02000000FEFE, 0x333300000001
    router = bytes.fromhex("fe80000000000000000000000000fefe")
    all_nodes = bytes.fromhex("ff020000000000000000000000000001")
    message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 0, 0, 0)
    pseudo = router + all_nodes + struct.pack("!II", len(message), 58)
    checksum = internet_checksum(pseudo + message)
    header = struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + router + all_nodes
    return (
        ethernet(all_nodes_mac, router_mac, ETHERTYPE_IPV6)
        + header
        + message[:2]
        + checksum.to_bytes(2, "big")
        + message[4:]
    )
