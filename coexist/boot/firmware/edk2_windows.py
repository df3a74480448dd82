"""The listening windows that UEFI PXE and UEFI HTTP boot share: ``NetworkPkg/Dhcp4Dxe``."""

from __future__ import annotations

from coexist.boot.firmware.machine import Span
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """When DISCOVERs are sent and offers collected, in seconds.

    ``first_window``: shortest and longest first listening window; a free-running one-second tick counts
    it down from 4, so that it lasts 3 to 4 s (Dhcp4Io.c DhcpOnTimerTick). ``further_windows``: the
    windows of the following DISCOVERs (mPxeDhcpTimeout, PxeBcDhcp4.c; the same in HttpBootDhcp4.c).
    ``secs``: what each DISCOVER carries (SetElapsedTime counts ticks). ``cache``: offers kept in a session
    (PXEBC_OFFER_MAX_NUM, HTTP_BOOT_OFFER_MAX_NUM). ``late``: how much later than nominal its own steps may
    come. ``secure_boot``: it runs only programs that Microsoft's keys vouch for.
    """

    first_window: Span = (3.0, 4.0)
    further_windows: tuple[float, ...] = (8.0, 16.0, 32.0)
    secs: tuple[int, ...] = (0, 4, 12, 28)
    cache: int = 16
    late: float = 0.05
    secure_boot: bool = False

    @property
    def phases(self) -> tuple[float, ...]:
        """The shortest and the longest first window."""
        return self.first_window if self.first_window[0] != self.first_window[1] else self.first_window[:1]

    @property
    def continuous(self) -> bool:
        """The tick may stand anywhere."""
        return True

    def ends(self, first: float) -> tuple[float, ...]:
        """When the windows end if the first lasts so long."""
        found = [first]
        for window in self.further_windows:
            found.append(found[-1] + window)
        return tuple(found)

    def end_of(self, ends: tuple[float, ...], window: int) -> Span:
        """When a window ends, as the timer of a step."""
        return ends[window], ends[window] + self.late

    def secs_of(self, window: int) -> int:
        """``secs`` of the packets of a window."""
        return self.secs[min(window, len(self.secs) - 1)]
