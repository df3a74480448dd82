"""Files that clients ask for in a capture, by TFTP and HTTP, and what became of each. Pure."""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address

from coexist.probe.frame import Datagram
from coexist.records import dataclass
from coexist.wire.tftp import (
    DEFAULT_BLKSIZE,
    TFTP_PORT,
    Ack,
    Data,
    Error,
    ErrorCode,
    OptionAck,
    ReadRequest,
    decode,
)

MOST_AT_ONCE = 20_000
QUIET = 5.0
"""Seconds of silence after which a transfer is not going on: every client has asked again by then."""


class Transfer(Enum):
    """What became of a request for a file."""

    LOADED = "loaded"
    LOADING = "on its way when the capture ends"
    ASKED = "asked for; the capture ends before its content"
    SIZED = "asked for its size"
    MISSING = "file not found"
    DENIED = "access violation"
    REFUSED = "refused by the server"
    ABORTED = "broken off by the client"
    SILENT = "no answer in the capture"
    STUCK = "agreed to, and its first block never arrives: too large for the way between them"


FAILURES = frozenset(Transfer) - {Transfer.LOADED, Transfer.LOADING, Transfer.ASKED, Transfer.SIZED}
REPEATS = 3
"""How often the same packet comes until its answer counts as lost and not as late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest:
    """A client's request for a file: ``at`` seconds after its first DISCOVER.

    ``end``: what became of it, and ``why`` in the server's or the client's own words. ``tries``: how often
    it asked before an answer came.
    """

    at: float
    server: IPv4Address
    file: str
    protocol: str = "tftp"
    end: Transfer = Transfer.ASKED
    why: str = ""
    tries: int = 1


@dataclass(slots=True, kw_only=True)
class OpenTransfer:
    """A request that is being read. ``last``: when its client or server was last heard of it."""

    client: IPv4Address
    port: int
    server: IPv4Address
    file: str
    began: float
    last: float
    protocol: str = "tftp"
    blksize: int = DEFAULT_BLKSIZE
    tries: int = 1
    options: bool = False
    data: bool = False
    begun: int = 0
    sent_first: int = 0
    end: Transfer | None = None
    why: str = ""

    def hear(self, at: float, datagram: Datagram) -> None:
        """One TFTP packet of this transfer."""
        self.last = at
        from_client = datagram.source == self.client
        match decode(datagram.payload):
            case OptionAck(options=options):
                self.options = True
                said = options.get("blksize", "")
                self.blksize = (
                    int(said) if said.isascii() and said.isdigit() and len(said) < 6 else self.blksize
                )
            case Data(block=block, payload=payload):
                self.data = True
                self.sent_first += block == 1
                if len(payload) < self.blksize:
                    self.end = Transfer.LOADED
            case Error(code=code, message=message) if self.end is None:
                self.why = f"error {code}: {message}"
                self.end = _of_error(code, from_client=from_client, data=self.data)
            case Ack(block=0):
                self.begun += 1
            case Ack():
                self.sent_first = self.begun = 0

    def told(self, began: float, until: float) -> FileRequest:
        """The request as it ended, ``until`` being the end of the capture."""
        end = self.end
        waited = until - self.last >= QUIET
        # Seen beside the client it repeats that it is ready, beside the server the first block.
        if end is None and self.options and self.blksize > DEFAULT_BLKSIZE and self._repeats():
            end = Transfer.STUCK
        elif end is None and self.data:
            end = Transfer.LOADING
        elif end is None:
            # A server that agreed to options and sent nothing may have been cut off by the capture's end.
            end = Transfer.ASKED if self.options and not waited else Transfer.SILENT
        elif end is Transfer.SIZED and waited and self.protocol == "tftp":
            end = Transfer.ABORTED
        return FileRequest(
            at=self.began - began,
            server=self.server,
            file=self.file,
            protocol=self.protocol,
            end=end,
            why=self.why or (f"blocks of {self.blksize} octets" if end is Transfer.STUCK else ""),
            tries=self.tries,
        )

    def _repeats(self) -> bool:
        return max(self.begun if not self.data else 0, self.sent_first) >= REPEATS


def _of_error(code: int, *, from_client: bool, data: bool) -> Transfer:
    if from_client:
        # Firmware asks for the size first and breaks off (EDK2 and PXE ROMs: error 8, or 0 of older ones).
        sizing = not data and code in (ErrorCode.NOT_DEFINED, ErrorCode.OPTION_NEGOTIATION_FAILED)
        return Transfer.SIZED if sizing else Transfer.ABORTED
    if code == ErrorCode.FILE_NOT_FOUND:
        return Transfer.MISSING
    return Transfer.DENIED if code == ErrorCode.ACCESS_VIOLATION else Transfer.REFUSED


class Transfers:
    """The transfers of one capture, fed packet by packet."""

    def __init__(self) -> None:
        self._of_port: dict[tuple[IPv4Address, int], OpenTransfer] = {}

    def _begin(self, begun: OpenTransfer) -> OpenTransfer:
        """Follow one more; the oldest of too many is followed no further."""
        key = (begun.client, begun.port)
        self._of_port.pop(key, None)
        if len(self._of_port) >= MOST_AT_ONCE:
            del self._of_port[next(iter(self._of_port))]
        self._of_port[key] = begun
        return begun

    def tftp(self, at: float, datagram: Datagram) -> OpenTransfer | None:
        """A new transfer if the datagram begins one; packets of a running one are taken into it."""
        if datagram.destination_port == TFTP_PORT:
            return self._request(at, datagram)
        for end in (
            (datagram.source, datagram.source_port),
            (datagram.destination, datagram.destination_port),
        ):
            running = self._of_port.get(end)
            other = datagram.destination if end[0] == datagram.source else datagram.source
            if running is not None and other == running.server:
                running.hear(at, datagram)
                return None
        return None

    def _request(self, at: float, datagram: Datagram) -> OpenTransfer | None:
        message = decode(datagram.payload)
        if not isinstance(message, ReadRequest):
            return None
        key = (datagram.source, datagram.source_port)
        running = self._of_port.get(key)
        same = running is not None and (running.server, running.file) == (
            datagram.destination,
            message.filename,
        )
        if running is not None and same and running.end is None and not running.data:
            running.tries += 1
            running.last = at
            return None
        found = OpenTransfer(
            client=datagram.source,
            port=datagram.source_port,
            server=datagram.destination,
            file=message.filename,
            began=at,
            last=at,
        )
        return self._begin(found)

    def http(self, at: float, datagram: Datagram) -> OpenTransfer | None:
        """A new transfer if the segment begins with a request; a response's status is taken into its own."""
        line = datagram.payload.split(b"\r\n", 1)[0].split(b" ", 2)
        if len(line) == 3 and line[0] in (b"GET", b"HEAD") and line[2].startswith(b"HTTP/"):
            found = OpenTransfer(
                client=datagram.source,
                port=datagram.source_port,
                server=datagram.destination,
                file=_url(datagram, line[1]),
                began=at,
                last=at,
                protocol="http",
                end=Transfer.SIZED if line[0] == b"HEAD" else None,
            )
            return self._begin(found)
        running = self._of_port.get((datagram.destination, datagram.destination_port))
        if running is not None and running.server == datagram.source and line[0].startswith(b"HTTP/"):
            _answered(running, line)
        return None


def _url(datagram: Datagram, target: bytes) -> str:
    port = "" if datagram.destination_port == 80 else f":{datagram.destination_port}"
    return f"http://{datagram.destination}{port}{target.decode('utf-8', 'backslashreplace')}"


def _answered(running: OpenTransfer, line: list[bytes]) -> None:
    """The status line of a response; that a body was complete is not followed."""
    status = line[1].decode("ascii", "replace") if len(line) > 1 else ""
    running.data = True
    if not status.startswith("2"):
        running.why = b" ".join(line[1:]).decode("utf-8", "replace")
        running.end = {"404": Transfer.MISSING, "403": Transfer.DENIED}.get(status, Transfer.REFUSED)
    elif running.end is None:
        running.end = Transfer.LOADED
