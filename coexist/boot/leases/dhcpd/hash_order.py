"""The order in which ISC dhcpd 4.4.3 keeps options: by hash (``common/options.c``, ``omapip/hash.c``)."""

from __future__ import annotations

from collections.abc import Mapping

_HASH_SIZE = 17


def hash_order(codes: Mapping[int, object]) -> list[int]:
    """The codes as dhcpd's table of options has them: by bucket, the newest first (save_hashed_option)."""
    buckets: list[list[int]] = [[] for _ in range(_HASH_SIZE)]
    for code in codes:
        buckets[((code & 31) + (code >> 5 & 31)) % _HASH_SIZE].insert(0, code)
    return [code for bucket in buckets for code in bucket]
