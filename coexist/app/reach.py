"""How servers are reached: over SSH, and this machine without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from coexist.rollout.transport import Connect

__all__ = ["Connect", "connector"]


def connector(ssh_config: Path | None, connect_timeout: float, tell: Callable[[str], None]) -> Connect:
    """The function that opens connections. ``tell`` hears what of the SSH configuration needs another way."""
    from coexist.rollout import openssh
    from coexist.rollout.local import or_local
    from coexist.rollout.ssh import SshSettings

    settings = SshSettings(config=ssh_config, connect_seconds=connect_timeout)
    why = settings.needs_openssh()
    if why is not None and openssh.is_there():
        tell(f"servers are reached by OpenSSH's own client: {why}")
    elif why is not None:
        tell(f"warning: {why}, which is not followed without OpenSSH's own client: install openssh-client")
    return or_local(settings.connect)
