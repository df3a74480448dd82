"""What is on the wire, as it comes: tcpdump's octets, decoded with ``coexist.wire``."""

from __future__ import annotations

import fcntl
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT
from coexist.wire import bootp, tftp
from tests.harness.frames import Datagram, Endpoint, parse_frames
from tests.harness.namespaces import HarnessError, Namespace
from tests.harness.processes import PATIENCE

TFTP_PORT = 69
HTTP_PORT = 80
_FILTER = f"udp or tcp port {HTTP_PORT}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """The first line of a request over HTTP."""

    method: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """The status of a response over HTTP."""

    status: int


Message: TypeAlias = bootp.Packet | tftp.Message | HttpRequest | HttpResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One understood message. ``time``: seconds since the epoch, by the kernel's clock."""

    time: float
    source_mac: int
    destination_mac: int
    source: Endpoint
    destination: Endpoint
    message: Message

    @property
    def kind(self) -> str:
        """``DISCOVER``, ``OFFER``, ``RRQ``, ``GET``, ...; with `` 4011`` to or from that port."""
        match self.message:
            case bootp.Packet():
                name = self.message.message_type.name if self.message.message_type else "BOOTP"
                on_4011 = BOOT_SERVER_PORT in (self.source[1], self.destination[1])
                return f"{name} {BOOT_SERVER_PORT}" if on_4011 else name
            case HttpRequest():
                return self.message.method
            case HttpResponse():
                return f"HTTP {self.message.status}"
            case tftp.ReadRequest():
                return "RRQ"
            case tftp.WriteRequest():
                return "WRQ"
            case tftp.OptionAck():
                return "OACK"
            case tftp.Data():
                return "DATA"
            case tftp.Ack():
                return "TFTP ACK"
            case tftp.Error():
                return "TFTP ERROR"

    @property
    def packet(self) -> bootp.Packet:
        """The DHCP message; ``TypeError`` if it is something else."""
        if not isinstance(self.message, bootp.Packet):
            raise TypeError(f"{self.kind} is not DHCP")
        return self.message

    @property
    def file(self) -> str | None:
        """The file that is asked for over TFTP, or the URL over HTTP; None for other messages."""
        match self.message:
            case tftp.ReadRequest() | tftp.WriteRequest():
                return self.message.filename
            case HttpRequest():
                return f"http://{self.destination[0]}{self.message.target}"
            case _:
                return None


class Capture:
    """Frames at one interface, beginning now.

    ``changed`` is notified at each of them. ``pcap`` keeps the octets for another tool to read.
    """

    def __init__(
        self,
        namespace: Namespace,
        device: str,
        *,
        changed: threading.Condition | None = None,
        pcap: Path | None = None,
    ) -> None:
        self.changed = changed or threading.Condition()
        self._frames: list[Frame] = []
        self._transfers: set[Endpoint] = set()
        self._pcap = pcap
        # fmt: off
        self._process = subprocess.Popen(
            namespace.command([
                "tcpdump", "-i", device, "-n", "-U", "--immediate-mode", "-B", "16384",
                "-s", "0", "-w", "-", _FILTER,
            ]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )
        # fmt: on
        self._await_listening()
        self._threads = [
            threading.Thread(target=target, name=f"capture {device}", daemon=True)
            for target in (self._read, self._drain)
        ]
        for thread in self._threads:
            thread.start()

    def frames(self, *kinds: str) -> tuple[Frame, ...]:
        """All frames so far, or those of some kinds."""
        with self.changed:
            return tuple(frame for frame in self._frames if not kinds or frame.kind in kinds)

    def wait_for(self, wanted: Callable[[Frame], bool], what: str, *, timeout: float = PATIENCE) -> Frame:
        """The first frame that fits, once it is there; ``HarnessError`` when time (seconds) runs out."""

        def found() -> Frame | None:
            return next(filter(wanted, self._frames), None)

        with self.changed:
            self.changed.wait_for(lambda: found() is not None, timeout)
            frame = found()
        if frame is None:
            raise HarnessError(f"no {what} within {timeout:g} s; heard {[f.kind for f in self.frames()]}")
        return frame

    def stop(self) -> None:
        """End the capture once tcpdump has read what the kernel holds; its frames stay."""
        self._await_drained()
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _await_listening(self) -> None:
        stream = self._process.stderr
        assert stream is not None
        said = b""
        while line := stream.readline():
            said += line
            if b"listening on" in line:
                return
        raise HarnessError(f"tcpdump did not begin: {said.decode(errors='replace')}")

    def _await_drained(self) -> None:
        """Wait while tcpdump works: a signal would end it with packets still in its ring."""
        deadline = time.monotonic() + PATIENCE
        idle = 0
        while idle < 3 and time.monotonic() < deadline and self._process.poll() is None:
            idle = idle + 1 if _sleeps(self._process.pid) and self._all_read() else 0
            time.sleep(0.002)

    def _all_read(self) -> bool:
        """Whether tcpdump's pipe is empty: a full one puts it to sleep too."""
        assert self._process.stdout is not None
        held = fcntl.ioctl(self._process.stdout, termios.FIONREAD, bytes(4))
        return int.from_bytes(held, sys.byteorder) == 0

    def _drain(self) -> None:
        stream = self._process.stderr
        assert stream is not None
        while stream.readline():
            pass

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        octets = bytearray(stream.read(24))
        order = "<" if octets[:1] == b"\xd4" else ">"
        while record := _read_record(stream, order):
            time, header, data = record
            if self._pcap is not None:
                octets += header + data
            for frame in self._understand(time, data):
                with self.changed:
                    self._frames.append(frame)
                    self.changed.notify_all()
        if self._pcap is not None:
            self._pcap.write_bytes(octets)

    def _understand(self, time: float, data: bytes) -> Iterator[Frame]:
        for datagram in parse_frames(data):
            message = self._message(datagram) if isinstance(datagram, Datagram) else None
            if isinstance(datagram, Datagram) and message is not None:
                yield Frame(
                    time=time,
                    source_mac=datagram.source_mac,
                    destination_mac=datagram.destination_mac,
                    source=datagram.source,
                    destination=datagram.destination,
                    message=message,
                )

    def _message(self, datagram: Datagram) -> Message | None:
        ports = {datagram.source[1], datagram.destination[1]}
        if datagram.stream:
            return _http(datagram.payload)
        if ports & {DHCP_PORT, CLIENT_PORT, BOOT_SERVER_PORT}:
            packet = bootp.decode(datagram.payload)
            return packet if isinstance(packet, bootp.Packet) else None
        if datagram.destination[1] == TFTP_PORT:
            self._transfers.add(datagram.source)
        elif not {datagram.source, datagram.destination} & self._transfers:
            return None
        message = tftp.decode(datagram.payload)
        return None if isinstance(message, tftp.TftpMalformed) else message


def _sleeps(pid: int) -> bool:
    """Whether a process waits for something to do (proc(5), the third field of /proc/pid/stat)."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    return stat.rpartition(")")[2].split()[0] == "S"


def _read_record(stream: IO[bytes], order: str) -> tuple[float, bytes, bytes] | None:
    """One record of a pcap with microseconds: seconds since the epoch, its header, its octets."""
    header = stream.read(16)
    if len(header) < 16:
        return None
    seconds, microseconds, captured, _ = struct.unpack(f"{order}IIII", header)
    data = stream.read(captured)
    return (seconds + microseconds / 1e6, header, data) if len(data) == captured else None


def _http(payload: bytes) -> HttpRequest | HttpResponse | None:
    words = payload.partition(b"\r\n")[0].split(b" ", 2)
    if len(words) == 3 and words[2].startswith(b"HTTP/"):
        return HttpRequest(method=words[0].decode(errors="replace"), target=words[1].decode(errors="replace"))
    if len(words) >= 2 and words[0].startswith(b"HTTP/1.") and words[1].isdigit():
        return HttpResponse(status=int(words[1]))
    return None
