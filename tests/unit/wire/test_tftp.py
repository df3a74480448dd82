from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.tftp import TFTP

from coexist.wire.tftp import (
    MAX_BLKSIZE,
    Ack,
    Data,
    Error,
    ErrorCode,
    Message,
    OptionAck,
    ReadRequest,
    TftpMalformed,
    WriteRequest,
    decode,
    encode,
)

WORDS = st.integers(0, 0xFFFF)
OCTETS = st.binary(max_size=40).map(lambda octets: octets.replace(b"\0", b"x"))
TEXTS = OCTETS.map(lambda octets: octets.decode("utf-8", "surrogateescape"))
LOWER = OCTETS.map(lambda octets: octets.lower().decode("utf-8", "surrogateescape"))
OPTIONS = st.dictionaries(LOWER.filter(bool), TEXTS, max_size=4)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(ReadRequest, filename=TEXTS.filter(bool), mode=LOWER, options=OPTIONS),
    st.builds(WriteRequest, filename=TEXTS.filter(bool), mode=LOWER, options=OPTIONS),
    st.builds(Data, block=WORDS, payload=st.binary(max_size=1500)),
    st.builds(Ack, block=WORDS),
    st.builds(Error, code=WORDS, message=TEXTS),
    st.builds(OptionAck, options=OPTIONS),
)


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"\0\1ipxe.efi\0octet\0", ReadRequest(filename="ipxe.efi")),
        (b"\0\2up\0netascii\0", WriteRequest(filename="up", mode="netascii")),
        (b"\0\3\0\1payload", Data(block=1, payload=b"payload")),
        (b"\0\3\xff\xff", Data(block=65535, payload=b"")),
        (b"\0\4\0\0", Ack(block=0)),
        (b"\0\5\0\1not here\0", Error(code=ErrorCode.FILE_NOT_FOUND, message="not here")),
        (b"\0\6", OptionAck()),
        # RFC 2348's, RFC 2349's and RFC 7440's options together, as UEFI asks
        (
            b"\0\1a.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0",
            ReadRequest(filename="a.efi", options={"tsize": "0", "blksize": "1468", "windowsize": "4"}),
        ),
        (b"\0\6blksize\x001432\0", OptionAck(options={"blksize": "1432"})),
        # not UTF-8, and a value that is empty
        (b"\0\1\xff\xfe\0octet\0x\0\0", ReadRequest(filename="\udcff\udcfe", options={"x": ""})),
    ],
)
def test_messages(octets: bytes, message: Message) -> None:
    assert decode(octets) == message
    assert encode(message) == octets


def test_names_and_modes_are_case_insensitive_but_file_names_are_not() -> None:
    assert decode(b"\0\1Boot\\X.EFI\0OcTeT\0BLKSIZE\x00512\0") == ReadRequest(
        filename="Boot\\X.EFI", mode="octet", options={"blksize": "512"}
    )


def test_padding_behind_a_request_and_an_unterminated_error_text_are_tolerated() -> None:
    assert decode(b"\0\1a\0octet\0" + bytes(20)) == ReadRequest(filename="a")
    assert decode(b"\0\5\0\0gone") == Error(code=0, message="gone")
    assert decode(b"\0\5\0\0") == Error(code=0)
    assert decode(b"\0\4\0\7trailing") == Ack(block=7)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", TftpMalformed.TOO_SHORT),
        (b"\0", TftpMalformed.TOO_SHORT),
        (b"\0\3\0", TftpMalformed.TOO_SHORT),
        (b"\0\4", TftpMalformed.TOO_SHORT),
        (b"\0\0", TftpMalformed.UNKNOWN_OPCODE),
        (b"\0\7\0\0", TftpMalformed.UNKNOWN_OPCODE),
        (b"\1\1a\0octet\0", TftpMalformed.UNKNOWN_OPCODE),
        (b"\0\1", TftpMalformed.UNTERMINATED_STRING),
        (b"\0\1a", TftpMalformed.UNTERMINATED_STRING),
        (b"\0\1a\0octet", TftpMalformed.UNTERMINATED_STRING),
        (b"\0\1\0octet\0", TftpMalformed.EMPTY_FILENAME),
        (b"\0\1a\0octet\0blksize", TftpMalformed.UNTERMINATED_STRING),
        (b"\0\1a\0octet\0blksize\0", TftpMalformed.MISSING_OPTION_VALUE),
        (b"\0\1a\0octet\0blksize\x00512", TftpMalformed.UNTERMINATED_STRING),
        (b"\0\1a\0octet\0\x00512\0", TftpMalformed.EMPTY_OPTION_NAME),
        (b"\0\1a\0octet\0tsize\x000\0TSIZE\x001\0", TftpMalformed.DUPLICATE_OPTION),
        (b"\0\6tsize", TftpMalformed.UNTERMINATED_STRING),
        (b"\0\3\0\1" + bytes(MAX_BLKSIZE + 1), TftpMalformed.OVERSIZED_DATA),
    ],
)
def test_octets_that_are_no_packet_give_their_reason(octets: bytes, reason: TftpMalformed) -> None:
    assert decode(octets) is reason


@pytest.mark.parametrize(
    "message",
    [
        ReadRequest(filename=""),
        ReadRequest(filename="a\0b"),
        ReadRequest(filename="a", options={"": "1"}),
        Data(block=65536, payload=b""),
        Data(block=1, payload=bytes(MAX_BLKSIZE + 1)),
        Ack(block=-1),
        Error(code=65536),
    ],
)
def test_what_does_not_fit_is_refused(message: Message) -> None:
    with pytest.raises(ValueError, match=r"need|NUL|16 bits|has room"):
        encode(message)


@given(MESSAGES)
def test_messages_survive_the_journey(message: Message) -> None:
    assert decode(encode(message)) == message


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda rest: b"\0\1" + rest))
def test_any_octets_decode_or_give_a_reason_and_what_decodes_encodes(octets: bytes) -> None:
    message = decode(octets)
    if not isinstance(message, TftpMalformed):
        assert decode(encode(message)) == message


@given(
    TEXTS.filter(bool),
    st.dictionaries(st.sampled_from(["blksize", "tsize", "windowsize"]), WORDS.map(str), max_size=3),
)
def test_scapy_reads_the_same_request(filename: str, options: dict[str, str]) -> None:
    theirs = TFTP(encode(ReadRequest(filename=filename, options=options)))
    assert theirs.op == 1
    assert theirs.filename == filename.encode("utf-8", "surrogateescape")
    assert theirs.mode == b"octet"
    found = {o.oname.decode(): o.value.decode() for o in theirs.options} if options else {}
    assert found == options
