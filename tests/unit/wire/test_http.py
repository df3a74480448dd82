from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.wire.http import BadRequest, Request, byte_range, decode_request, is_current, is_wanted

MODIFIED = 784111777
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"  # RFC 9110 section 5.6.7
TAG = '"1-2"'


def asked(**fields: str) -> Request:
    return Request(
        method="GET", path="/", fields={name.replace("_", "-"): text for name, text in fields.items()}
    )


@pytest.mark.parametrize(
    ("octets", "path"),
    [
        (b"GET /a.efi HTTP/1.1\r\nHost: x\r\n\r\n", "/a.efi"),
        (b"GET /a%2e%2e/b?x#y HTTP/1.1\r\n\r\n", "/a../b"),
        (b"HEAD http://10.0.0.1:80/a.efi HTTP/1.0\r\n\r\n", "/a.efi"),
        (b"GET /%ff HTTP/1.1\r\n\r\n", "/\udcff"),
    ],
)
def test_a_request_names_a_path(octets, path):
    request = decode_request(octets)
    assert isinstance(request, Request)
    assert request.path == path


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"", 400),
        (b"GET /\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno field\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\na: \x00\r\n\r\n", 400),
        (b"GET http://[ HTTP/1.1\r\n\r\n", 400),
        (b"GET a HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n", 431),
    ],
)
def test_what_is_no_request_has_its_status(octets, status):
    found = decode_request(octets)
    assert isinstance(found, BadRequest)
    assert found.status == status


@given(st.binary())
def test_any_octets_are_a_request_or_none(octets):
    assert isinstance(decode_request(octets + b"\r\n\r\n"), Request | BadRequest)
    assert isinstance(decode_request(b"GET / HTTP/1.1\r\n" + octets), Request | BadRequest)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"range": "bytes=0-0"}, (0, 1)),
        ({"range": "bytes=90-"}, (90, 100)),
        ({"range": "bytes=-10"}, (90, 100)),
        ({"range": "bytes=-200"}, (0, 100)),
        ({"range": "bytes=90-900"}, (90, 100)),
        ({"range": "bytes=9-2"}, None),
        ({"range": "bytes=-"}, None),
        ({"range": "bytes=0-1,3-4"}, None),
        ({"range": "lines=0-1"}, None),
        ({"range": "bytes=0-1", "if_range": TAG}, (0, 2)),
        ({"range": "bytes=0-1", "if_range": '"other"'}, None),
        ({"range": "bytes=0-1", "if_range": DATE}, (0, 2)),
    ],
)
def test_ranges(fields, expected):
    assert byte_range(asked(**fields), 100, TAG, MODIFIED) == expected


@pytest.mark.parametrize("text", ["bytes=100-", "bytes=-0", "bytes=500-600"])
def test_a_range_behind_the_end(text):
    found = byte_range(asked(range=text), 100, TAG, MODIFIED)
    assert isinstance(found, BadRequest)
    assert found.status == 416


def test_conditions():
    assert is_current(asked(if_none_match=f'W/{TAG}, "x"'), TAG, MODIFIED)
    assert not is_current(asked(if_none_match='"x"', if_modified_since=DATE), TAG, MODIFIED)
    assert is_current(asked(if_modified_since=DATE), TAG, MODIFIED)
    assert not is_current(asked(if_modified_since=DATE), TAG, MODIFIED + 1)
    assert not is_current(asked(if_modified_since="yesterday"), TAG, MODIFIED)
    assert is_wanted(asked(if_match="*"), TAG, MODIFIED)
    assert not is_wanted(asked(if_match='"x"'), TAG, MODIFIED)
    assert not is_wanted(asked(if_unmodified_since=DATE), TAG, MODIFIED + 1)


@given(st.text(alphabet="bytes=-0123456789, "), st.integers(0, 50))
def test_a_range_lies_inside_the_file(text, size):
    found = byte_range(asked(range=text), size, TAG, MODIFIED)
    if isinstance(found, tuple):
        assert 0 <= found[0] < found[1] <= size


def test_whether_a_connection_stays():
    assert asked().stays
    assert not asked(connection="Close").stays
    assert not Request(method="GET", path="/", minor=0).stays
    assert asked(content_length="00").has_body is False
    assert asked(content_length="5").has_body
    assert asked(transfer_encoding="chunked").has_body
