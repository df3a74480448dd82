"""Offers per second at under 1% drops: the boot server beside dnsmasq, asked by ``dhcpload``.

The boot server has a whitelist of 100,000 MACs and its registry on. ``--perfdhcp`` asks by Kea's perfdhcp: it
needs more of the machine than either server, and on two processors it is what ends first.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from functools import partial

from stage import (
    FIRST_MAC,
    SERVER,
    WHITELISTED,
    Process,
    Wire,
    alternate,
    boot_server,
    by_round,
    compiled,
    cpu_seconds,
    dnsmasq,
    median,
    report,
    run_tool,
    running,
    wire,
)

DROPS = 0.01
_RATIO = re.compile(
    r"\*\*\*Statistics for: DISCOVER-OFFER\*\*\*\nsent packets: (\d+)\nreceived packets: (\d+)"
)
VENDOR = b"PXEClient:Arch:00000:UNDI:002001".hex()
MACHINES = 10_000

FLOOD = 40_000
"""DISCOVERs a second at which processor time an offer is measured: a storm for either server. perfdhcp sends
fewer."""

Asks = Callable[[Wire, int, int], tuple[int, int]]
"""By a rate and for some seconds; the DISCOVERs that were sent and the OFFERs that came."""


def asked(stage: Wire, rate: int, seconds: int) -> tuple[int, int]:
    """DISCOVERs sent and OFFERs received, as ``dhcpload`` counts."""
    first = FIRST_MAC.to_bytes(6, "big").hex(":")
    done = run_tool(
        stage,
        [compiled(stage, "dhcpload"), "--rate", str(rate), "--seconds", str(seconds), "--machines",
         str(MACHINES), "--first", first, "eth0"],
        timeout=seconds + 30,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"dhcpload said: {done.stdout}{done.stderr}")
    found = json.loads(done.stdout)
    return found["sent"], found["answered"]


def asked_by_perfdhcp(stage: Wire, rate: int, seconds: int) -> tuple[int, int]:
    """DISCOVERs sent and OFFERs received, as perfdhcp counts."""
    done = run_tool(
        stage,
        ["perfdhcp", "-4", "-i", "-B", "-l", "eth0", "-R", str(MACHINES), "-r", str(rate), "-p", str(seconds),
         "-W", "500000", "-o", f"60,{VENDOR}", "-o", "93,0000", "255.255.255.255"],
        timeout=seconds + 30,
    )  # fmt: skip
    found = _RATIO.search(done.stdout)
    if found is None:
        raise SystemExit(f"perfdhcp said: {done.stdout}{done.stderr}")
    return int(found[1]), int(found[2])


def drops(asks: Asks, stage: Wire, rate: int, seconds: int) -> float:
    """The share of DISCOVERs without an OFFER at a rate."""
    sent, received = asks(stage, rate, seconds)
    # Who cannot send at the rate does not show what the server can do at it.
    return 1.0 if sent < 0.9 * rate * seconds else 1 - received / max(sent, 1)


def most_offers(asks: Asks, stage: Wire, seconds: int, low: float = 6_000, high: float = 128_000) -> float:
    """The highest rate with drops under 1%, to five per cent.

    A rate counts as too high when it is so three times in a row: who else uses the machine takes it away
    for some milliseconds now and then, which no rate is the cause of.
    """
    while high / low > 1.05:
        rate = (low * high) ** 0.5
        if any(drops(asks, stage, int(rate), seconds) < DROPS for _ in range(3)):
            low = rate
        else:
            high = rate
    return low


def measured(asks: Asks, stage: Wire, server: Process, seconds: int, cpu: list[float]) -> float:
    """The highest rate; microseconds of processor time an offer go to ``cpu``."""
    asks(stage, FLOOD, seconds)  # both servers know their clients by now
    before = cpu_seconds(server)
    _, received = asks(stage, FLOOD, seconds)
    cpu.append((cpu_seconds(server) - before) / received * 1e6)
    return most_offers(asks, stage, seconds)


def own(asks: Asks, stage: Wire, seconds: int, cpu: list[float]) -> float:
    whitelist = stage.folder / "whitelist.txt"
    if not whitelist.exists():
        whitelist.write_text(
            "".join(f"{(FIRST_MAC + n).to_bytes(6, 'big').hex(':')}\n" for n in range(WHITELISTED))
        )
    config = {
        "name": "bench",
        "listen": [{"address": SERVER}],
        "services": ["proxydhcp"],
        "rules": [
            {"name": "listed", "clients": {"files": [str(whitelist)]}, "programs": {"bios": "pxelinux.0"}}
        ],
        "registry": "registry.sqlite",
    }
    with running(boot_server(stage, "own", config)) as server:
        return measured(asks, stage, server, seconds, cpu)


def peer(asks: Asks, stage: Wire, seconds: int, cpu: list[float]) -> float:
    options = (
        f"--dhcp-range={SERVER},proxy,255.255.255.0",
        "--pxe-service=x86PC,boot,pxelinux",
        "--quiet-dhcp",
    )
    with running(dnsmasq(stage, *options)) as server:
        return measured(asks, stage, server, seconds, cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="at most; another one begins if it ends in time")
    parser.add_argument("--seconds", type=int, default=2, help="at each rate")
    parser.add_argument("--perfdhcp", action="store_true", help="ask by perfdhcp")
    arguments = parser.parse_args()
    asks = asked_by_perfdhcp if arguments.perfdhcp else asked
    cpu: dict[str, list[float]] = {"coexist": [], "dnsmasq": []}
    with wire() as stage:
        figures = alternate(
            arguments.runs,
            {
                "coexist": partial(own, asks, stage, arguments.seconds, cpu["coexist"]),
                "dnsmasq": partial(peer, asks, stage, arguments.seconds, cpu["dnsmasq"]),
            },
        )
    mine, theirs = median(figures["coexist"]), median(figures["dnsmasq"])
    report(
        "proxydhcp offers/s under 1% drops" + (", by perfdhcp" if arguments.perfdhcp else ""),
        coexist=round(mine),
        dnsmasq=round(theirs),
        ratio=round(mine / theirs, 2),
        ratio_by_round=round(by_round(figures["coexist"], figures["dnsmasq"]), 2),
        wanted=1.2,
        cpu_us_an_offer={name: median(values) for name, values in cpu.items()},
        cpu_ratio=round(median(cpu["dnsmasq"]) / median(cpu["coexist"]), 2),
        runs={name: [round(value) for value in values] for name, values in figures.items()},
    )


if __name__ == "__main__":
    main()
