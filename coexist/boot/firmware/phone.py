"""IP phones that find their provisioning server in option 66 or 150 of their lease.

Vendors' manuals (Yealink T5: 66; Cisco: 150, then 66); they are no PXE clients and take the first offer.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from coexist.boot.firmware.first_offer import FirstOffer
from coexist.boot.firmware.machine import Boot, GiveUp, Heard, text_of
from coexist.wire.options import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone(FirstOffer):
    """``reads``: the options that may name the server, the first that is there counts. Times in seconds."""

    name: str = "phone-66"
    discover_at: tuple[float, ...] = (0.0, 4.0, 12.0, 28.0)
    gives_up_at: float = 60.0
    requested: tuple[int, ...] = (1, 3, 6, 15, 42, 43, 66, 67, 150, 160)
    vendor_class: str = ""
    reads: tuple[int, ...] = (66,)
    assumptions: tuple[str, ...] = ("the phone takes the first address offer (vendors' manuals do not say)",)

    def read(self, ack: Heard) -> Boot | GiveUp:
        """The first of its options, as an address, a name or a URL."""
        options = ack.packet.options
        for code in self.reads:
            value = options.get(code, b"")
            if code == Option.TFTP_SERVER_ADDRESS and len(value) >= 4:
                return self._found(ack, IPv4Address(value[:4]), code)
            if value and code != Option.TFTP_SERVER_ADDRESS:
                return self._found(ack, _address(text_of(value)), code)
        wanted = " or ".join(map(str, self.reads))
        return GiveUp(error="no provisioning server", why=f"the lease of {ack.source} has no option {wanted}")

    @staticmethod
    def _found(ack: Heard, server: IPv4Address | str, code: int) -> Boot:
        return Boot(
            server=server,
            file=None,
            by=ack.source,
            why=f"option {code} of the lease of {ack.source} names it",
        )


def _address(text: str) -> IPv4Address | str:
    try:
        return IPv4Address(text)
    except AddressValueError:
        return text
