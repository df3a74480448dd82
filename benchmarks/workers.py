"""What a second process is worth: processor time an offer and a block, with one worker and with two.

On two processors that the client needs as well, a rate would show the client. What two workers can do on two
processors of their own is twice what their processor time allows; the ratio is that, against one worker, for
as many DISCOVERs a second to both together as to the one. A worker that has less to do gathers fewer packets
at a time, and an offer costs more: ``ratio_at_twice_the_load`` is with as many to each as to the one.
"""

from __future__ import annotations

import argparse
import os
from functools import partial

from proxydhcp import asked
from stage import (
    SERVER,
    Process,
    Wire,
    alternate,
    boot_server,
    by_round,
    cpu_seconds,
    median,
    report,
    running,
    wire,
)
from tftp import FILE, SIZE, rate

CLIENTS, WINDOWSIZE = 64, 1


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


def offer_us(stage: Wire, server: Process, rate: int, seconds: int) -> float:
    """Microseconds of processor time an offer at so many DISCOVERs a second."""
    asked(stage, rate, 1)
    before = cpu_seconds(server)
    _, received = asked(stage, rate, seconds)
    return (cpu_seconds(server) - before) / max(received, 1) * 1e6


def measured(stage: Wire, workers: int, given: argparse.Namespace, offers: dict[int, list[float]]) -> float:
    """Microseconds of processor time a block; those an offer go to ``offers``, by DISCOVERs a second."""
    with running(
        boot_server(stage, f"workers{workers}", config(workers, str(stage.folder / "tftp")))
    ) as server:
        for discovers, figures in offers.items():
            figures.append(offer_us(stage, server, discovers, given.seconds))
        blocks: list[float] = []
        rate(stage, 69, server, CLIENTS, WINDOWSIZE, blocks)
        return blocks[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=20_000, help="DISCOVERs a second")
    given = parser.parse_args()
    one: dict[int, list[float]] = {given.rate: []}
    two: dict[int, list[float]] = {given.rate: [], 2 * given.rate: []}
    with wire() as stage:
        root = stage.folder / "tftp"
        root.mkdir()
        (root / FILE).write_bytes(os.urandom(SIZE))
        blocks = alternate(
            given.runs,
            {
                "1": partial(measured, stage, 1, given, one),
                "2": partial(measured, stage, 2, given, two),
            },
        )
    report(
        "workers: offers, two against one",
        one_us=median(one[given.rate]),
        two_us=median(two[given.rate]),
        two_us_at_twice_the_load=median(two[2 * given.rate]),
        ratio=round(2 * by_round(one[given.rate], two[given.rate]), 2),
        ratio_at_twice_the_load=round(2 * by_round(one[given.rate], two[2 * given.rate]), 2),
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
