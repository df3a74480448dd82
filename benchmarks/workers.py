"""What a second process is worth: processor time an offer and a block, with one worker and with two.

On two processors that the client needs as well, a rate would show the client. What two workers can do on two
processors of their own is twice what their processor time allows; the ratio is that, against one worker.
"""

from __future__ import annotations

import argparse
import os
from functools import partial

from proxydhcp import FLOOD, asked
from stage import SERVER, Wire, alternate, boot_server, by_round, cpu_seconds, median, report, running, wire
from tftp import FILE, SIZE, rate

CLIENTS, WINDOWSIZE = 64, 1
WORKERS = (1, 2)


def config(workers: int, root: str) -> dict[str, object]:
    """A server that answers everybody who calls itself a PXE client."""
    return {
        "name": "bench",
        "listen": [{"address": SERVER}],
        "rules": [{"name": "all", "clients": {"everyone": True}, "programs": {"bios": FILE}}],
        "tftp": {"root": root, "whitelist": False},
        "registry": "registry.sqlite",
        "workers": workers,
    }


def measured(stage: Wire, workers: int, seconds: int, offers: list[float], spread: list[float]) -> float:
    """Microseconds of processor time a block; those an offer go to ``offers``."""
    with running(
        boot_server(stage, f"workers{workers}", config(workers, str(stage.folder / "tftp")))
    ) as server:
        asked(stage, FLOOD, seconds)
        before = cpu_seconds(server)
        _, received = asked(stage, FLOOD, seconds)
        offers.append((cpu_seconds(server) - before) / max(received, 1) * 1e6)
        spread.append(received / seconds)
        blocks: list[float] = []
        rate(stage, 69, server, CLIENTS, WINDOWSIZE, blocks)
        return blocks[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    given = parser.parse_args()
    offers: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    answered: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    with wire() as stage:
        root = stage.folder / "tftp"
        root.mkdir()
        (root / FILE).write_bytes(os.urandom(SIZE))
        blocks = alternate(
            given.runs,
            {
                str(workers): partial(
                    measured, stage, workers, given.seconds, offers[workers], answered[workers]
                )
                for workers in WORKERS
            },
        )
    report(
        "workers: offers, two against one",
        one_us=median(offers[1]),
        two_us=median(offers[2]),
        one_answered=round(median(answered[1])),
        two_answered=round(median(answered[2])),
        ratio=round(2 * by_round(offers[1], offers[2]), 2),
        wanted=1.7,
    )
    report(
        "workers: blocks, two against one",
        one_us=median(blocks["1"]),
        two_us=median(blocks["2"]),
        ratio=round(2 * by_round(blocks["1"], blocks["2"]), 2),
        wanted=1.7,
    )


if __name__ == "__main__":
    main()
