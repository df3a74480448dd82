"""How exactly delayed answers leave: a thousand clients wait at once, each answer is timed at the client.

The error is the time between DISCOVER and OFFER, as the client measured it, less the delay. The boot
server has a whitelist of 100,000 MACs and its registry on.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import time
from ipaddress import IPv4Address

from stage import CLIENT, FIRST_MAC, SERVER, WHITELISTED, Wire, boot_server, report, running, wire

from coexist.wire.bootp import Packet, encode
from coexist.wire.options import Option

WAITING = 1000
DELAY = 1.2


def discover(number: int) -> bytes:
    return encode(
        Packet(
            op=1,
            xid=number,
            chaddr=(FIRST_MAC + number).to_bytes(6, "big"),
            giaddr=IPv4Address(CLIENT),
            options={
                Option.DHCP_MESSAGE_TYPE: b"\x01",
                Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient:Arch:00007:UNDI:003016",
                Option.CLIENT_SYSTEM_ARCHITECTURE: b"\0\x07",
                Option.CLIENT_MACHINE_IDENTIFIER: b"\0" + number.to_bytes(16, "big"),
            },
        )
    )


def errors(stage: Wire) -> list[float]:
    """Seconds each of the answers came too late."""
    relay = stage.client.socket(socket.AF_INET, socket.SOCK_DGRAM)
    relay.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    relay.bind((CLIENT, 67))
    relay.settimeout(DELAY * 3)
    sent: dict[int, float] = {}
    found: list[float] = []
    packets = [discover(number) for number in range(WAITING)]
    # Spread over less than the delay, so that all of them wait at once before the first leaves.
    begun = time.monotonic()
    for number, packet in enumerate(packets):
        due = begun + number * (DELAY * 0.8 / WAITING)
        while time.monotonic() < due:
            pass
        sent[number] = time.monotonic()
        relay.sendto(packet, (SERVER, 67))
    while len(found) < WAITING:
        data = relay.recv(2048)
        now = time.monotonic()
        found.append(now - sent[int.from_bytes(data[4:8], "big")] - DELAY)
    relay.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with wire() as stage:
        whitelist = stage.folder / "whitelist.txt"
        whitelist.write_text(
            "".join(f"{(FIRST_MAC + n).to_bytes(6, 'big').hex(':')}\n" for n in range(WHITELISTED))
        )
        config = {
            "name": "bench",
            "listen": [{"address": SERVER}],
            "services": ["proxydhcp"],
            "rules": [
                {
                    "name": "late",
                    "clients": {"files": [str(whitelist)]},
                    "delay": DELAY,
                    "programs": {"uefi-x64": "late.efi"},
                }
            ],
            "registry": "registry.sqlite",
        }
        with running(boot_server(stage, "own", config)):
            all_errors = [error for _ in range(arguments.runs) for error in errors(stage)]
    quantiles = statistics.quantiles([abs(error) for error in all_errors], n=100)
    report(
        f"delay error in ms, {WAITING} answers waiting",
        median=round(quantiles[49] * 1000, 2),
        p99=round(quantiles[98] * 1000, 2),
        earliest=round(min(all_errors) * 1000, 2),
        latest=round(max(all_errors) * 1000, 2),
        wanted={"median": 5, "p99": 50},
    )


if __name__ == "__main__":
    main()
