"""Reload a boot server and return once it works by its new configuration; code 1 if it refused it.

Run inside its network namespace with its process id and the port of its metrics: what a service manager does
with ``Type=notify-reload``.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
import urllib.request

PATIENCE = 30.0


def reloads(port: int) -> dict[str, float]:
    """Reloads by result."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.findall(r'^coexist_reloads_total\{result="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {result: float(count) for result, count in found}


def main(pid: int, port: int) -> int:
    """Send SIGHUP and wait."""
    before = reloads(port)
    os.kill(pid, signal.SIGHUP)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        now = reloads(port)
        if now.get("refused", 0) > before.get("refused", 0):
            return 1
        if now.get("done", 0) > before.get("done", 0):
            return 0
        time.sleep(0.02)
    return 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
