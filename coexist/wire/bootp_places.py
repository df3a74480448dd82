"""Where the fields of a BOOTP message stand in its octets, for who needs a few of them and no ``Packet``.

RFC 951 section 3; the names are those of RFC 2131 section 2. Octets that are copied together have one place.
"""

from __future__ import annotations

from coexist.wire.bootp import CHADDR_OCTETS, HEADER_OCTETS, MAGIC_COOKIE, SNAME_OCTETS

OP_HTYPE_HLEN = slice(0, 3)
OP_TO_HOPS = slice(0, 4)
XID = slice(4, 8)
SECS = slice(8, 10)
FLAGS = 10
"""The first of two octets: its highest bit asks for broadcast answers (RFC 2131 section 2, figure 2)."""
FLAGS_AND_CIADDR = slice(FLAGS, 16)
CIADDR = slice(12, 16)
SIADDR = slice(20, 24)
GIADDR = slice(24, 28)
MAC = slice(28, 34)
"""Of ``chaddr``, with Ethernet's ``hlen`` of 6."""
GIADDR_AND_CHADDR = slice(24, 28 + CHADDR_OCTETS)
SNAME_AND_FILE = slice(28 + CHADDR_OCTETS, HEADER_OCTETS)
FILE_BEHIND_SNAME = slice(SNAME_OCTETS, HEADER_OCTETS - 28 - CHADDR_OCTETS)
"""``file``, in octets that begin with ``sname``."""
COOKIE = slice(HEADER_OCTETS, HEADER_OCTETS + len(MAGIC_COOKIE))
OPTIONS = slice(HEADER_OCTETS + len(MAGIC_COOKIE), None)
