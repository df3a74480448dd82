"""What the migration commands stand on when they change servers: connections, the clock and the terminal."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path

from coexist.app.migrations import local_now
from coexist.cli.prose import tell
from coexist.rollout.migration import Surroundings


def surroundings(ssh_config: Path | None, connect_timeout: float, *, overwrite: bool) -> Surroundings:
    """The real servers, the real clock, and the terminal."""
    from coexist.cli.remote import connector
    from coexist.rollout.remote import RemoteApply

    remote = RemoteApply(
        connect=connector(ssh_config, connect_timeout), reason="migration", overwrite=overwrite
    )

    return Surroundings(
        apply=remote,
        now=local_now,
        wait_until=wait_until,
        tell=tell,
    )


def wait_until(end: datetime) -> None:
    """Sleep until a time, on a clock that may be set meanwhile."""
    while (left := end - local_now()) > timedelta(0):
        time.sleep(min(left.total_seconds(), 1.0))
