"""IP phones that find their provisioning server in an option of their lease, by their vendors' manuals.

They are no PXE clients. Where a manual is silent about several offers, the phone takes the first.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address

from coexist.boot.firmware.first_offer import FirstOffer
from coexist.boot.firmware.machine import Boot, GiveUp, Heard, text_of
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED
from coexist.wire.options import Option
from coexist.wire.pxe import decode_suboptions

FIRST_TAKEN = "the phone takes the first address offer (vendors' manuals do not say)"
SITE_SPECIFIC = 242
"""Avaya's SSON: ``HTTPSRVR=...,TLSSRVR=...`` (9600 Series administrator guide, option 242)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone(FirstOffer):
    """``reads``: the options that may name the server, the first that is there counts. Times in seconds.

    ``reads_siaddr``: the header's next server counts where none is there. ``tunnelled``: the same options
    inside option 43 come first.
    """

    name: str = "phone-66"
    discover_at: tuple[float, ...] = (0.0, 4.0, 12.0, 28.0)
    gives_up_at: float = 60.0
    requested: tuple[int, ...] = (1, 3, 6, 15, 42, 43, 66, 67, 150, 160)
    vendor_class: str = ""
    reads: tuple[int, ...] = (66,)
    reads_siaddr: bool = False
    tunnelled: bool = False
    assumptions: tuple[str, ...] = (FIRST_TAKEN,)

    def read(self, ack: Heard) -> Boot | GiveUp:
        """The first of its options, as an address, a name or a URL."""
        options = ack.packet.options
        inner = decode_suboptions(options.get(Option.VENDOR_SPECIFIC_INFORMATION, b""))
        for code in self.reads if self.tunnelled else ():
            if inner.get(code):
                return self._found(ack, _address(text_of(inner[code])), f"option 43.{code}")
        for code in self.reads:
            server = _server_in(code, options.get(code, b""))
            if server is not None:
                return self._found(ack, server, f"option {code}")
        if self.reads_siaddr and ack.packet.siaddr != UNSPECIFIED:
            return self._found(ack, ack.packet.siaddr, "siaddr")
        wanted = " or ".join(map(str, self.reads))
        return GiveUp(error="no provisioning server", why=f"the lease of {ack.source} has no option {wanted}")

    @staticmethod
    def _found(ack: Heard, server: IPv4Address | str, where: str) -> Boot:
        return Boot(
            server=server,
            file=None,
            by=ack.source,
            why=f"{where} of the lease of {ack.source} names it",
        )


def _server_in(code: int, value: bytes) -> IPv4Address | str | None:
    """The server an option names; None where it names none."""
    if code == Option.TFTP_SERVER_ADDRESS:
        return IPv4Address(value[:4]) if len(value) >= 4 else None
    text = text_of(value)
    if code == SITE_SPECIFIC:
        named = re.search(r"(?:HTTP|TLS|TFTP)SRVR=([^,]+)", text)
        text = named[1] if named else ""
    return _address(text) if text else None


def _address(text: str) -> IPv4Address | str:
    try:
        return IPv4Address(text)
    except AddressValueError:
        return text
