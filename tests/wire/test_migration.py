"""A fleet is migrated between two live servers, while its machines boot, the tool is killed, and goes back.

The machines are the firmware models of ``coexist.boot`` on a real wire (see ``tests.harness.fleet``): they
send what that firmware sends, take the offer it would take, and load the file they decided for.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coexist.planning.progress import read_state
from coexist.wire.mac import parse_mac
from tests.harness.client import hardware_address
from tests.harness.fleet import Booted, Fleet, Kind
from tests.harness.generations import NEW, OLD, PROGRAMS, Generations
from tests.harness.network import Network
from tests.harness.processes import wait_until

CLIENTS = 500
AT_ONCE = 32
REST = 62.0
"""Seconds from one boot of a machine to its next: within a minute of its last packet a server takes it for
one that asks again."""
SETTLE = 16.0
"""Seconds: the slowest boot there is here, a UEFI machine's that asked twice, and its file."""
KINDS = (
    Kind(architecture="bios", firmware="ipxe"),
    Kind(architecture="uefi-x64", firmware="edk2"),
    Kind(architecture="bios", firmware="pxe21"),
)
WAVES: list[dict[str, Any]] = [{"name": "rest"}]
CHANGES = 4
"""Of a hand-over, which is what these two servers can do."""


def fleet_rows() -> list[dict[str, Any]]:
    rows = []
    for number in range(CLIENTS):
        kind = KINDS[number % len(KINDS)]
        rows.append(
            {
                "mac": f"00:15:5d:00:{number >> 8:02x}:{number & 255:02x}",
                "name": f"tc{number:03}",
                "hardware": "wyse" if kind.firmware == "edk2" else "ud3",
                "location": ("library", "office", "store", "lab")[number % 4],
                "architecture": kind.architecture,
                "firmware": kind.firmware,
                "tags": "pilot" if number < 100 else "",
            }
        )
    return rows


class Observed:
    """Every boot of the fleet, and a thread that keeps machines booting.

    ``moving`` are those of the step under way: every fourth machine that is switched on is one of them.
    """

    def __init__(self, generations: Generations) -> None:
        inventory = generations.inventory
        table = inventory.clients
        self.kinds = {
            mac: Kind(architecture=architecture, firmware=firmware)
            for mac, architecture, firmware in zip(
                table.macs, table.columns["architecture"], table.columns["firmware"], strict=True
            )
        }
        hosts = generations.site.hosts
        self.owner = {hosts[name].address: name for name in (OLD, NEW)}
        neighbours = {host.address: hardware_address(host) for host in hosts.values()}
        self.boots: list[Booted] = []
        self.changed = threading.Condition()
        self.moving: frozenset[int] = frozenset()
        self._last: dict[int, float] = {}
        self._stopping = threading.Event()
        network = generations.site.network
        self.fleet = Fleet(network.host("machines", {"office": None}), neighbours, self._ended)
        self._thread = threading.Thread(target=self._switch_on, name="users", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.fleet.close()

    def since(self, moment: float) -> list[Booted]:
        with self.changed:
            return [boot for boot in self.boots if boot.began >= moment]

    def wait_for_boots(self, macs: frozenset[int], count: int, moment: float, timeout: float = 180.0) -> None:
        """Until so many boots of these machines that began after a moment have ended."""

        def enough() -> bool:
            found = sum(boot.mac in macs and boot.began >= moment for boot in self.boots)
            return found >= count

        with self.changed:
            done = self.changed.wait_for(enough, timeout)
        self.fleet.check()
        assert done, f"{len(self.since(moment))} boots, of which {count} should be of these {len(macs)}"

    def _ended(self, boot: Booted) -> None:
        with self.changed:
            self.boots.append(boot)
            self._last[boot.mac] = boot.ended
            self.changed.notify_all()

    def _switch_on(self) -> None:
        everyone = itertools.cycle(sorted(self.kinds, reverse=True))
        turn = 0
        while not self._stopping.wait(0.03):
            if self.fleet.busy >= AT_ONCE:
                continue
            turn += 1
            now = time.monotonic()
            candidates = sorted(self.moving) if turn % 4 == 0 and self.moving else [next(everyone)]
            with self.changed:
                rested = [mac for mac in candidates if now - self._last.get(mac, 0.0) > REST]
                if not rested:
                    continue
                mac = min(rested, key=lambda mac: self._last.get(mac, 0.0))
                self._last[mac] = math.inf  # until it has ended
            self.fleet.switch_on(mac, self.kinds[mac])


@pytest.fixture
def generations(tmp_path: Path) -> Iterator[Generations]:
    with Network() as network:
        yield Generations(
            network,
            tmp_path,
            fleet_rows(),
            {"pilots": "pilot-machines", "waves": WAVES, "gate": {"checklist": False}, "settle": SETTLE},
        )


@pytest.fixture
def observed(generations: Generations) -> Iterator[Observed]:
    made = Observed(generations)
    yield made
    made.close()


class Course:
    """What was done to whom and when, and whether every boot fits it."""

    def __init__(self, generations: Generations, observed: Observed) -> None:
        self.generations = generations
        self.observed = observed
        self.settled: dict[int, str] = dict.fromkeys(observed.kinds, OLD)
        self.judged = 0
        self.kills: Counter[str] = Counter()

    def state(self) -> Any:
        path = self.generations.folder / "migrations" / "upgrade.yaml"
        return read_state(path.read_text(), str(path)) if path.exists() else None

    def kill_while(self, word: str, changes: int) -> None:
        """Begin (or go on), and kill the tool once so many of the step's changes were made."""
        process = self.generations.start_migrate(word, "--yes")
        try:

            def reached() -> bool:
                state = self.state()
                step = state.step if state is not None else None
                return process.ended or (step is not None and step.done >= changes)

            wait_until(reached, f"{changes} changes of {word}", timeout=120.0)
            assert not process.ended, process.output
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.stop()
        self.kills[word] += 1

    def step(self, word: str, wave: str, clients: frozenset[int], kill_after: int) -> None:
        """One wave there or back, killed on its way and resumed, with boots at every moment of it."""
        goes_to = NEW if word == "next" else OLD
        self.observed.moving = clients
        self.kill_while(word, kill_after)
        state = self.state()
        assert state.step.wave == wave
        assert (frozenset(state.step.clients), state.step.way) == (clients, "hand-over")
        # The tool is dead: this moment may last for ever, and machines boot in it.
        self.observed.wait_for_boots(clients, 6 if len(clients) > 6 else 1, time.monotonic())
        # Going on is `next` whichever way the step goes; `back` would take it back.
        done = self.generations.migrate("next", "--yes")
        assert done.returncode == 0, done.stderr
        after = time.monotonic()
        self.settled |= dict.fromkeys(clients, goes_to)
        self.observed.wait_for_boots(clients, 6 if len(clients) > 6 else 1, after)
        self.judge(clients, after)

    def judge(self, moving: frozenset[int], after: float) -> None:
        """Each boot that ended since the last time: its file, from one server, and the right one."""
        with self.observed.changed:
            boots, self.judged = self.observed.boots[self.judged :], len(self.observed.boots)
        for boot in boots:
            assert boot.content is not None, f"nobody served {boot}"
            assert boot.server is not None
            server = self.observed.owner[boot.server]
            assert boot.file == f"{server}/{PROGRAMS[boot.kind.architecture]}", str(boot)
            if boot.mac not in moving or boot.began >= after:
                assert server == self.settled[boot.mac], str(boot)
            assert boot.offers, str(boot)
            for after_discover in {offer.after for offer in boot.offers}:
                named = {
                    (offer.boot_server, offer.file) for offer in boot.offers if offer.after == after_discover
                }
                assert len(named) == 1, f"two servers at once: {boot}"
            if boot.discovers == 1:
                assert len({offer.by for offer in boot.offers}) == 1, f"two answers: {boot}"


@pytest.mark.timeout(1500)
@pytest.mark.needs("dhcpd")
def test_waves_killed_and_resumed_and_back(generations: Generations, observed: Observed) -> None:
    course = Course(generations, observed)
    observed.wait_for_boots(frozenset(observed.kinds), 40, 0.0)
    planned = generations.migrate("plan", "--format", "json")
    assert planned.returncode == 0, planned.stderr
    steps = {step["forward"]["wave"]: step["forward"] for step in json.loads(planned.stdout)["steps"]}
    waves = {name: frozenset(map(parse_mac, step["clients"])) for name, step in steps.items()}
    assert list(waves) == ["pilots", *(wave["name"] for wave in WAVES)]
    assert sum(map(len, waves.values())) == CLIENTS
    course.step("next", "pilots", waves["pilots"], 0)
    # There, back and there again, each killed after another of its changes.
    course.step("next", "rest", waves["rest"], 1)
    course.step("back", "rest", waves["rest"], 2)
    course.step("next", "rest", waves["rest"], 3)
    assert set(course.settled.values()) == {NEW}
    assert course.kills == {"next": 3, "back": 1}
    observed.moving = frozenset()
    state = course.state()
    assert [wave.name for wave in state.waves] == list(waves)
    assert state.step is None
    # Everybody moved: the old server can go, and nobody misses it.
    retired = generations.migrate("retire", "--yes")
    assert retired.returncode == 0, retired.stderr
    observed.wait_for_boots(frozenset(observed.kinds), 20, time.monotonic())
    course.judge(frozenset(), time.monotonic())
    by_firmware = Counter(boot.kind.firmware for boot in observed.boots)
    assert min(by_firmware.values()) > 50
