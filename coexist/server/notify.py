"""Word to systemd: sd_notify(3), the protocol itself (a datagram of NAME=value lines)."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress


class Notifier:
    """Says READY, RELOADING, STATUS and WATCHDOG to the service manager; to nobody where there is none."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            )

    @property
    def watchdog_seconds(self) -> float | None:
        """How often WATCHDOG=1 is wanted at least; None without a watchdog."""
        microseconds = os.environ.get("WATCHDOG_USEC", "")
        pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
        if not microseconds.isdigit() or pid != str(os.getpid()):
            return None
        return int(microseconds) / 1e6

    def say(self, *lines: str) -> None:
        """Send some assignments, as ``READY=1``."""
        if self._socket is None:
            return
        # A leading @ names Linux's abstract socket space.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError):  # a service manager that does not listen is not our concern
            self._socket.sendto("\n".join(lines).encode(), address)

    def reloading(self) -> None:
        """A reload begins; ``READY=1`` ends it (Type=notify-reload wants the time)."""
        self.say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
