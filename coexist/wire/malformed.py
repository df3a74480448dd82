"""Why octets from the network are not a packet.

Octets from the network are not exceptional: a decoder returns one of these
instead of raising, and its ``value`` is the sentence to show.
"""

from __future__ import annotations

from enum import Enum


class Malformed(Enum):
    """Why octets are not a DHCP message, an option area or a PXE option 43."""

    TOO_SHORT = "shorter than the BOOTP header and the magic cookie (240 octets, RFC 2131 section 2)"
    BAD_OP = "op is neither BOOTREQUEST (1) nor BOOTREPLY (2) (RFC 2131 section 2)"
    BAD_HLEN = "hlen is larger than the 16 octets of chaddr (RFC 2131 section 2)"
    NO_MAGIC_COOKIE = "no magic cookie 99.130.83.99 before the options: plain BOOTP (RFC 2131 section 3)"
    TRUNCATED_OPTION = "an option code ends its area without a length octet (RFC 2132 section 2)"
    OPTION_OVERRUN = "an option's length reaches past the end of its area (RFC 2132 section 2)"
    BAD_OVERLOAD = "option 52 is not one octet with the value 1, 2 or 3 (RFC 2132 section 9.3)"
    BAD_PXE_SUBOPTION = "a sub-option of option 43 does not have the shape PXE 2.1 gives it"
