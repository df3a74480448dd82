"""RFC 3074: the hash by which a pair of servers shares its clients."""

from __future__ import annotations

from coexist.wire.load_balancing import bucket


def test_the_hash_is_the_one_of_the_rfc() -> None:
    # By hand from section 6: the length first, then the octets from the last to the first.
    assert bucket(b"") == 0
    assert bucket(b"\x00") == 175
    assert bucket(b"\x01") == 251
    assert bucket(b"\x00\x02") == 68


def test_every_bucket_has_clients() -> None:
    assert {bucket(number.to_bytes(6, "big")) for number in range(4096)} == set(range(256))
