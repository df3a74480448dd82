"""TFTP packets: octets to frozen messages and back.

RFC 1350 (packets), RFC 2347 (options and OACK), RFC 2348 (blksize), RFC 2349 (timeout in seconds,
tsize in octets), RFC 7440 (windowsize in blocks).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import field
from enum import Enum, IntEnum
from typing import TypeAlias

from coexist.records import dataclass

TFTP_PORT = 69
"""RFC 1350 section 4: where requests go; a transfer goes on between other ports."""
DEFAULT_BLKSIZE = 512
MAX_BLKSIZE = 65464
"""RFC 2348: the largest UDP payload of IPv4 less TFTP's header."""


class Opcode(IntEnum):
    """RFC 1350 section 5, and OACK of RFC 2347."""

    RRQ = 1
    WRQ = 2
    DATA = 3
    ACK = 4
    ERROR = 5
    OACK = 6


class ErrorCode(IntEnum):
    """RFC 1350 section 5, and 8 of RFC 2347."""

    NOT_DEFINED = 0
    FILE_NOT_FOUND = 1
    ACCESS_VIOLATION = 2
    DISK_FULL = 3
    ILLEGAL_OPERATION = 4
    UNKNOWN_TRANSFER_ID = 5
    FILE_EXISTS = 6
    NO_SUCH_USER = 7
    OPTION_NEGOTIATION_FAILED = 8


class TftpMalformed(Enum):
    """Why octets are not a TFTP packet."""

    TOO_SHORT = "shorter than its kind of packet (RFC 1350 section 5)"
    UNKNOWN_OPCODE = "the opcode is none of 1 to 6 (RFC 1350 section 5, RFC 2347)"
    UNTERMINATED_STRING = "a file name, mode or option has no terminating NUL (RFC 1350 section 5)"
    EMPTY_FILENAME = "the file name is empty"
    EMPTY_OPTION_NAME = "an option has an empty name (RFC 2347)"
    MISSING_OPTION_VALUE = "an option's name has no value after it (RFC 2347)"
    DUPLICATE_OPTION = "an option is given twice (RFC 2347)"
    OVERSIZED_DATA = "a data block of more than 65464 octets (RFC 2348)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """RRQ. ``filename`` keeps octets that are not UTF-8 as surrogates; ``mode`` and the names of
    ``options`` are lower case, the options in wire order."""

    filename: str
    mode: str = "octet"
    options: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRequest:
    """WRQ, as ``ReadRequest``."""

    filename: str
    mode: str = "octet"
    options: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """One block; a payload shorter than blksize is the last."""

    block: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """Receipt of all blocks up to ``block``; 0 answers an OACK."""

    block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """The end of a transfer. ``code`` may be outside ``ErrorCode``."""

    code: int
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionAck:
    """OACK: the options the server accepts, names in lower case."""

    options: Mapping[str, str] = field(default_factory=dict, hash=False)


Message: TypeAlias = ReadRequest | WriteRequest | Data | Ack | Error | OptionAck

_TWO_WORDS = struct.Struct("!HH")


def decode(data: bytes) -> Message | TftpMalformed:
    """Read one UDP payload. Never raises: octets that are no packet give their reason."""
    if len(data) < 2:
        return TftpMalformed.TOO_SHORT
    opcode = int.from_bytes(data[:2], "big")
    if opcode in (Opcode.RRQ, Opcode.WRQ):
        return _decode_request(opcode, data[2:])
    if opcode == Opcode.OACK:
        options = _read_options(data[2:])
        return options if isinstance(options, TftpMalformed) else OptionAck(options=options)
    if opcode not in (Opcode.DATA, Opcode.ACK, Opcode.ERROR):
        return TftpMalformed.UNKNOWN_OPCODE
    if len(data) < _TWO_WORDS.size:
        return TftpMalformed.TOO_SHORT
    _, number = _TWO_WORDS.unpack_from(data)
    rest = data[_TWO_WORDS.size :]
    if opcode == Opcode.ACK:
        return Ack(block=number)
    if opcode == Opcode.ERROR:
        # Clients leave the NUL out: the text is whatever comes before one.
        return Error(code=number, message=_text(rest.partition(b"\0")[0]))
    return Data(block=number, payload=rest) if len(rest) <= MAX_BLKSIZE else TftpMalformed.OVERSIZED_DATA


def encode(message: Message) -> bytes:
    """Write one UDP payload. Raises ``ValueError`` when a field does not fit."""
    match message:
        case ReadRequest():
            return _encode_request(Opcode.RRQ, message)
        case WriteRequest():
            return _encode_request(Opcode.WRQ, message)
        case Data():
            if len(message.payload) > MAX_BLKSIZE:
                raise ValueError(f"a block has room for {MAX_BLKSIZE} octets, not {len(message.payload)}")
            return _words(Opcode.DATA, message.block) + message.payload
        case Ack():
            return _words(Opcode.ACK, message.block)
        case Error():
            return _words(Opcode.ERROR, message.code) + _string(message.message)
        case OptionAck():
            return bytes((0, Opcode.OACK)) + _encode_options(message.options)


def _decode_request(opcode: int, rest: bytes) -> ReadRequest | WriteRequest | TftpMalformed:
    filename, found_name, rest = rest.partition(b"\0")
    mode, found_mode, rest = rest.partition(b"\0")
    if not found_name or not found_mode:
        return TftpMalformed.UNTERMINATED_STRING
    if not filename:
        return TftpMalformed.EMPTY_FILENAME
    options = _read_options(rest)
    if isinstance(options, TftpMalformed):
        return options
    request = ReadRequest if opcode == Opcode.RRQ else WriteRequest
    return request(filename=_text(filename), mode=_text(mode.lower()), options=options)


def _read_options(rest: bytes) -> dict[str, str] | TftpMalformed:
    """Read name and value pairs; NULs that pad the packet's end are not options."""
    options: dict[str, str] = {}
    while rest.strip(b"\0"):
        name, found_name, rest = rest.partition(b"\0")
        if not found_name:
            return TftpMalformed.UNTERMINATED_STRING
        if not name:
            return TftpMalformed.EMPTY_OPTION_NAME
        if not rest:
            return TftpMalformed.MISSING_OPTION_VALUE
        value, found_value, rest = rest.partition(b"\0")
        if not found_value:
            return TftpMalformed.UNTERMINATED_STRING
        # bytes.lower() touches ASCII alone, as RFC 2347's case-insensitive names need.
        key = _text(name.lower())
        if key in options:
            return TftpMalformed.DUPLICATE_OPTION
        options[key] = _text(value)
    return options


def _encode_request(opcode: Opcode, request: ReadRequest | WriteRequest) -> bytes:
    if not request.filename:
        raise ValueError("a request needs a file name")
    return (
        bytes((0, opcode))
        + _string(request.filename)
        + _string(request.mode)
        + _encode_options(request.options)
    )


def _encode_options(options: Mapping[str, str]) -> bytes:
    if "" in options:
        raise ValueError("an option needs a name")
    return b"".join(_string(name) + _string(value) for name, value in options.items())


def _words(opcode: Opcode, number: int) -> bytes:
    try:
        return _TWO_WORDS.pack(opcode, number)
    except struct.error:
        raise ValueError(f"{number} does not fit into 16 bits") from None


def _string(text: str) -> bytes:
    if "\0" in text:
        raise ValueError(f"a string ends at its first NUL: {text!r} cannot be carried whole")
    return text.encode("utf-8", "surrogateescape") + b"\0"


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")
