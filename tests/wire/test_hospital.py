"""The story of inventories/hospital on the wire: from what is wrong at first to the end of a migration.

dhcpd twice and dnsmasq run what was rolled out over SSH. The two managers and Configuration Manager are
`tests.harness.manager`; a person changes them exactly as the printed lists say. Every machine is asked for
after each change and all the time meanwhile; a few boot with the firmware models of `coexist.boot`.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml

from coexist.analysis import Severity, analyse
from coexist.cli import run
from coexist.inventory import load_inventory
from coexist.planning.by_hand import seconds_by_hand
from coexist.planning.yaml_edit import apply
from coexist.render.limits import limits
from coexist.wire.bootp import BOOTREPLY, BOOTREQUEST, UNSPECIFIED, Packet, decode, encode
from coexist.wire.mac import format_mac, mac_bytes, parse_mac
from coexist.wire.options import MessageType, Option
from tests.conftest import ROOT
from tests.harness.client import PxeClient, hardware_address
from tests.harness.fleet import Booted, Fleet, Kind
from tests.harness.frames import BROADCAST_MAC, ETH_P_ALL, Datagram, parse_frames, udp_frame
from tests.harness.network import Host, Network
from tests.harness.processes import Process
from tests.harness.servers import start_manager, start_tftpd
from tests.harness.site import TFTP_ROOT, SiteNetwork
from tests.harness.sshd import USER, client_config, client_key, start_sshd

OLD, NEW, WINDOWS = "otc-old", "otc-new", "sccm"
OURS = ("dhcp-a", "dhcp-b", "lab-dnsmasq")
NUMBERS = {"bios": "00000", "uefi-x64": "00007"}
PILOT, BIOS_PILOT, FIRST, BIOS, BACK, LAST = (
    "tc-surgery-1", "tc-xray-2", "tc-ward-1-1", "tc-ward-3-1", "tc-ward-1-2", "tc-pharmacy-1",
)  # fmt: skip
NIGHT = ("--despite-gate", "a test has no night")
UNDER_WAY = 5.0
"""Seconds in which a question of a machine that is asked for all the time may still be answered."""
SILENT = 1.0
"""Seconds after which a machine that nobody answered counts as silent: a manager answers at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One DISCOVER of a machine, and the boot servers that offered it something."""

    mac: int
    at: float
    servers: set[IPv4Address] = field(default_factory=set)


class RollCall:
    """Asks for machines with plain packets, on one VLAN: whom is each of them offered a boot by?"""

    def __init__(self, host: Host, architectures: Mapping[int, str]) -> None:
        self._architectures = architectures
        self._socket = host.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self._socket.bind((next(iter(host.interfaces.values())), ETH_P_ALL))
        self._questions: dict[int, Question] = {}
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._listen, name="roll call", daemon=True)]
        self._threads[0].start()

    def ask(self, *macs: int) -> dict[int, set[IPv4Address]]:
        """Who offers each machine a boot. Who is silent is asked again: a busy machine loses packets."""
        found: dict[int, set[IPv4Address]] = {mac: set() for mac in macs}
        for _ in range(2):
            asked = [self._discover(mac) for mac in macs if not found[mac]]
            with self._changed:
                self._changed.wait_for(lambda a=asked: all(each.servers for each in a), SILENT)  # type: ignore[misc]
            found |= {each.mac: each.servers for each in asked}
        return found

    def follow(self, macs: tuple[int, ...]) -> None:
        """Go on asking for some machines, one after the other, until `close`."""

        def going_on() -> None:
            while not self._stopping.is_set():
                for mac in macs:
                    self._discover(mac)
                    self._stopping.wait(0.1)

        self._threads.append(threading.Thread(target=going_on, name="follow", daemon=True))
        self._threads[-1].start()

    @property
    def questions(self) -> tuple[Question, ...]:
        """Every question so far, in the order of asking."""
        with self._changed:
            return tuple(self._questions.values())

    def close(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def _discover(self, mac: int) -> Question:
        with self._changed:
            xid = 0x48000000 + len(self._questions)
            asked = self._questions[xid] = Question(mac=mac, at=time.monotonic())
        number = NUMBERS[self._architectures[mac]]
        packet = Packet(
            op=BOOTREQUEST,
            xid=xid,
            chaddr=mac_bytes(mac),
            options={
                Option.DHCP_MESSAGE_TYPE: bytes((MessageType.DISCOVER,)),
                Option.VENDOR_CLASS_IDENTIFIER: f"PXEClient:Arch:{number}:UNDI:003000".encode(),
                Option.CLIENT_SYSTEM_ARCHITECTURE: int(number).to_bytes(2, "big"),
                Option.CLIENT_MACHINE_IDENTIFIER: b"\0" + mac_bytes(mac).rjust(16, b"\x11"),
            },
        )
        self._socket.send(
            udp_frame(
                Datagram(
                    source_mac=mac,
                    destination_mac=BROADCAST_MAC,
                    source=(UNSPECIFIED, 68),
                    destination=(IPv4Address("255.255.255.255"), 67),
                    payload=encode(packet),
                )
            )
        )
        return asked

    def _listen(self) -> None:
        self._socket.settimeout(0.2)
        while not self._stopping.is_set():
            try:
                frame, origin = self._socket.recvfrom(65535)
            except TimeoutError:
                continue
            if origin[2] == socket.PACKET_OUTGOING:
                continue
            for datagram in parse_frames(frame):
                if isinstance(datagram, Datagram) and datagram.destination[1] == 68:
                    self._hear(decode(datagram.payload))

    def _hear(self, packet: object) -> None:
        # An offer of a boot has no address of its own.
        if isinstance(packet, Packet) and packet.op == BOOTREPLY and packet.yiaddr == UNSPECIFIED:
            with self._changed:
                question = self._questions.get(packet.xid)
                if question is not None:
                    question.servers.add(IPv4Address(packet.options[Option.SERVER_IDENTIFIER]))
                    self._changed.notify_all()


class Hospital:
    """The inventory, its network, and the person who changes the managers."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.folder, self.network = folder, network
        key = client_key(folder.parent)
        inventory = load_inventory(folder)
        self.site = SiteNetwork(network, inventory)
        self.desk = network.host("desk", {"servers": "10.60.0.2"}, gateway="10.60.0.1")
        sshds = [start_sshd(self.site.hosts[name], key, sudo=["ALL"]) for name in OURS]
        self.ssh = ("--ssh-config", str(client_config(folder.parent, key, sshds)))
        table = inventory.clients
        self.macs = dict(zip(table.columns["name"], table.macs, strict=True))
        architectures = dict(zip(table.macs, table.columns["architecture"], strict=True))
        self.thin = tuple(mac for mac in table.macs if table.record(table.index[mac]).name.startswith("tc-"))
        self.pcs = tuple(mac for name, mac in self.macs.items() if name.startswith("pc-"))
        self.architectures = {mac: architectures[mac] for mac in (*self.thin, *self.pcs)}
        self.owner = {self.site.hosts[name].address: name for name in inventory.site.servers}
        self.roll = RollCall(network.host("roll", {"wards": None}), self.architectures)
        self.prober = network.host("prober", {"wards": "10.61.0.250"}, gateway="10.61.0.1")
        self.others = {vlan: network.host(f"in-{vlan}", {vlan: None}) for vlan in ("phones", "lab")}
        self.boots: list[Booted] = []
        self.followed: frozenset[int] = frozenset()
        self._ended = threading.Condition()
        router = network.hosts["router"]
        hop = hardware_address(router, "wards")
        self.fleet = Fleet(
            network.host("machines", {"wards": None}),
            {host.address: hop for host in self.site.hosts.values()},
            self._booted,
            gateway=router.addresses["wards"],
        )

    def close(self) -> None:
        self.roll.close()
        self.fleet.close()

    def follow(self, *names: str) -> None:
        """Ask for some machines all the time from now on."""
        self.followed = frozenset(self.macs[name] for name in names)
        self.roll.follow(tuple(self.followed))

    # -- the administrator -----------------------------------------------------------------------

    def coexist(self, expected: int, *words: str | Path, where: Host | None = None) -> str:
        argv = [sys.executable, "-m", "coexist", *map(str, words)]
        host = where or self.desk
        done = subprocess.run(host.namespace.command(argv), capture_output=True, text=True, check=False)
        assert done.returncode == expected, (words, done.stdout + done.stderr)
        return done.stdout

    def edit(self, *edits: tuple[Any, tuple[str | int, ...], Any]) -> None:
        path = self.folder / "site.yaml"
        path.write_text(apply(path.read_text(), edits))

    def obey(self) -> list[str]:
        """Make every edit that `check` asks for until no error is left; the codes of what was obeyed."""
        obeyed: list[str] = []
        while True:
            inventory = load_inventory(self.folder)
            found = analyse(inventory, date(2026, 1, 15), partial(limits, inventory)).findings
            wrong = next((each for each in found if each.severity is Severity.ERROR), None)
            if wrong is None:
                return obeyed
            assert wrong.edits, wrong
            assert len(obeyed) < 5
            self.edit(*((edit.kind, tuple(map(str, edit.path)), edit.value) for edit in wrong.edits))
            obeyed.append(wrong.code.code)

    def declare_ssh(self) -> None:
        for name in OURS:
            host = self.site.hosts[name]
            self.edit(
                (
                    "put",
                    ("servers", name, "deploy"),
                    {
                        "host": str(host.address),
                        "sudo": True,
                        "paths": {"*": str(host.directory)},
                        "reload": "/bin/true",
                        "status": "/bin/true",
                    },
                )
            )

    def roll_out(self) -> None:
        plan = self.folder.parent / "plan.json"
        self.coexist(3, "plan", self.folder, "-o", plan, "--detailed-exitcode", *self.ssh)
        self.coexist(0, "apply", plan, *self.ssh)

    def adopt(self) -> None:
        """Forget what was declared of the servers that run, and take them in over SSH by their own files.

        What only people know is said again: who is intended to boot from whom.
        """
        path = self.folder / "site.yaml"
        site = yaml.safe_load(path.read_text())
        intent = site["intent"]
        del site["scopes"]
        for name in OURS:
            del site["servers"][name]
        for vlan in site["vlans"].values():
            vlan["relay_to"] = [each for each in vlan.pop("relay_to", []) if each not in OURS]
        site["intent"] = [rule for rule in intent if rule.get("boot_from") not in OURS]
        path.write_text(yaml.safe_dump(site, sort_keys=False))
        for name in OURS:
            host = self.site.hosts[name]
            file, software = ("dnsmasq.conf", "dnsmasq") if name == OURS[2] else ("dhcpd.conf", "isc-dhcpd")
            source = f"{USER}@{host.address}:{host.directory / file}"
            what = ("--software", software, "--address", str(host.address), "--sudo")
            self.coexist(0, "adopt", self.folder, name, "--from", source, *what, *self.ssh)
        self.edit(("put", ("intent",), intent))

    def start(self) -> None:
        """Start what was rolled out, and what stands in for the others, with their lists as they are."""
        lists = {OLD: self.thin, NEW: (), WINDOWS: self.pcs}
        started = self.site.start(self.network.directory, leave_out=frozenset(lists))
        for name in ("dhcp-a", "dhcp-b"):
            started[name].wait_for(r"I move from \S+ to normal", timeout=60.0)
        self.managers: dict[str, Process] = {}
        for name, macs in lists.items():
            host, programs = self.site.hosts[name], self.site.inventory.site.servers[name].programs
            self.write_list(name, set(macs))
            self.site.add_programs(name)
            start_tftpd(host, TFTP_ROOT)
            files = {NUMBERS[architecture]: program.file for architecture, program in programs.items()}
            self.managers[name] = start_manager(host, files, uuid=name == WINDOWS)

    # -- the person at the managers ----------------------------------------------------------------

    def read_list(self, server: str) -> set[int]:
        path = self.site.hosts[server].directory / "registered"
        return {parse_mac(line) for line in path.read_text().split()}

    def write_list(self, server: str, macs: set[int]) -> None:
        path = self.site.hosts[server].directory / "registered"
        path.with_suffix(".new").write_text("\n".join(map(format_mac, sorted(macs))))
        path.with_suffix(".new").replace(path)

    def import_rendered(self, server: str) -> None:
        """Import the LDIF that was rendered for a manager: it adds machines and leaves those it has."""
        out = self.folder.parent / "rendered"
        self.coexist(0, "render", self.folder, "-o", out)
        text = (out / server / "clients.ldif").read_text()
        found = set(map(parse_mac, re.findall(r"^macAddress: (\S+)$", text, re.MULTILINE | re.IGNORECASE)))
        self.write_list(server, self.read_list(server) | found)

    def change(self, table: Path, server: str) -> tuple[float, float]:
        """Make the changes of a printed list, a machine at a time; when it began and when it had ended."""
        rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
        assert {row["server"] for row in rows} == {server}
        began = time.monotonic()
        for row in rows:
            registered = self.read_list(server)
            before, after = parse_mac(row["registered"]), parse_mac(row["change to"])
            assert before in registered, f"{server} has no {row['registered']} to change"
            self.write_list(server, registered - {before} | {after})
        return began, time.monotonic()

    # -- who boots from where --------------------------------------------------------------------

    def boots_from(self, moved: frozenset[int], gap: frozenset[int] = frozenset()) -> None:
        """Ask for every machine: those moved have the new server, those in the gap none, others the old."""
        found = self.roll.ask(*self.thin, *self.pcs)
        names = {mac: {self.owner[address] for address in servers} for mac, servers in found.items()}
        for mac in self.thin:
            expected = set() if mac in gap else {NEW} if mac in moved else {OLD}
            assert names[mac] == expected, format_mac(mac)
        assert all(names[mac] == {WINDOWS} for mac in self.pcs)

    def switch_on(self, *names: str, bios: str = "ipxe") -> int:
        """Boot some machines with the firmware of their architecture; how many boots came before."""
        count = len(self.boots)
        for name in names:
            architecture = self.architectures[self.macs[name]]
            firmware = bios if architecture == "bios" else "edk2"
            self.fleet.switch_on(self.macs[name], Kind(architecture=architecture, firmware=firmware))
        return count

    def booted(self, since: int, count: int) -> dict[str, str | None]:
        """Whose file each of the machines switched on has loaded; None where there was none."""
        with self._ended:
            assert self._ended.wait_for(lambda: len(self.boots) >= since + count, 120.0)
        self.fleet.check()
        named = {mac: name for name, mac in self.macs.items()}
        found = {}
        for boot in self.boots[since:]:
            assert len({offer.by for offer in boot.offers}) <= 1, f"two servers: {boot}"
            loaded = boot.content is not None and boot.server is not None
            found[named[boot.mac]] = self.owner[boot.server] if loaded and boot.server else None
        return found

    def _booted(self, boot: Booted) -> None:
        with self._ended:
            self.boots.append(boot)
            self._ended.notify_all()


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    folder = Path(shutil.copytree(ROOT / "inventories" / "hospital", tmp_path / "hospital"))
    with Network() as network:
        made = Hospital(network, folder)
        yield made
        made.close()


class Migration:
    """The steps of the migration, and when each of the managers was changed for whom."""

    def __init__(self, hospital: Hospital) -> None:
        self.hospital, self.folder = hospital, hospital.folder
        self.moved: frozenset[int] = frozenset()
        self.changes: list[tuple[frozenset[int], str, tuple[float, float]]] = []
        self.steps = self.planned()
        self.gaps: list[tuple[frozenset[int], str, str, float, float]] = []
        self.verify = ("--verify", f"wards={next(iter(hospital.prober.interfaces.values()))}")

    def planned(self) -> list[Any]:
        """The steps to come."""
        said = json.loads(self.hospital.coexist(0, "migrate", "plan", self.folder, "--format", "json"))
        return [step["forward"] for step in said["steps"]]

    def step(
        self,
        begin: tuple[str, ...],
        clients: frozenset[int],
        *,
        back: bool = False,
        switched_on: tuple[str, ...] = (),
    ) -> None:
        """One step by hand: whom it moves. ``switched_on``: machines that boot in the middle of it."""
        # Back it is for one machine as it is forward.
        gap = seconds_by_hand(len(clients)) if back else self.planned()[0]["gap"]
        assert gap == seconds_by_hand(len(clients))
        hospital, table = self.hospital, self.folder.parent / "to-do.csv"
        first, second = (NEW, OLD) if back else (OLD, NEW)
        done = ("migrate", "next", str(self.folder), "--done-by-hand", "--yes", "--list", str(table))
        hospital.coexist(3, "migrate", *begin, "--yes", "--list", table)
        if not self.changes:
            # Its registrations are parked there before anybody moves. What was not done is not believed.
            hospital.import_rendered(NEW)
            hospital.coexist(2, *done, *self.verify, where=hospital.prober)
        hospital.boots_from(self.moved)
        self.changes.append((clients, first, hospital.change(table, first)))
        hospital.boots_from(self.moved - clients, clients)
        if switched_on:
            since = hospital.switch_on(*switched_on)
            hospital.coexist(3, *done, *self.verify, where=hospital.prober)
            expected = {name: None if hospital.macs[name] in clients else OLD for name in switched_on}
            assert hospital.booted(since, len(switched_on)) == expected
        else:
            hospital.coexist(3, *done)
        self.changes.append((clients, second, hospital.change(table, second)))
        self.moved = self.moved - clients if back else self.moved | clients
        hospital.coexist(0, *done)
        hospital.boots_from(self.moved)
        state = yaml.safe_load((self.folder / "migrations" / "renewal.yaml").read_text())
        self.gaps.append((clients, first, second, gap, state["history"][-1]["gap"]))

    def measure(self) -> list[float]:
        """The gaps on the wire, of the machines that were asked for all the time, against plan and record.

        A gap lasts from the last offer of the one server to the first of the other. It holds the time between
        the two changes, is no longer than these took with the questions around them, and as long as planned
        and recorded at most.
        """
        found = []
        for number, (clients, first, second, planned, recorded) in enumerate(self.gaps):
            (_, _, (began, dropped)), (_, _, (taken, ended)) = self.changes[2 * number : 2 * number + 2]
            for mac in clients & self.hospital.followed:
                asked = [each for each in self.hospital.roll.questions if each.mac == mac]
                names = [{self.hospital.owner[address] for address in each.servers} for each in asked]
                told = list(zip(asked, names, strict=True))
                last = max(each.at for each, who in told if who == {first} and each.at < ended)
                start = min(each.at for each, who in told if who == {second} and each.at > began)
                silent = [each.at for each, who in told if last < each.at < start]
                assert silent, f"{format_mac(mac)} was never asked for in its gap"
                outside = [at for at in silent if not began - 1.0 < at < ended + 1.0]
                assert len(outside) <= 1, f"{format_mac(mac)}: nobody answered outside of the gap"
                assert taken - dropped <= start - last <= planned
                assert silent[-1] - silent[0] <= recorded + 1.0 <= planned + 1.0
                found.append(start - last)
        return found

    def judge(self) -> None:
        """Every question that was ever asked: one server, nobody exactly in the gap, and the right one."""
        thin = frozenset(self.hospital.thin)
        # What was asked just now has its time to be answered.
        over = time.monotonic()
        time.sleep(UNDER_WAY)
        asked: dict[int, list[Question]] = {mac: [] for mac in thin}
        for each in self.hospital.roll.questions:
            if each.mac in thin and each.at < over:
                asked[each.mac].append(each)
        for mac, questions in asked.items():
            silent, in_a_gap = 0, 0
            for each in questions:
                names = {self.hospital.owner[address] for address in each.servers}
                assert len(names) <= 1, f"{format_mac(mac)}: {names}"
                expected = self._expected(mac, each.at)
                if expected is None:
                    continue
                in_a_gap += expected == ""
                assert names <= {expected}, f"{format_mac(mac)}: {names}, not {expected or 'nobody'}"
                # A packet may be lost on a busy machine, but not two in a row.
                silent = silent + 1 if expected and not names else 0
                assert silent < 2, f"{format_mac(mac)} should boot from {expected}"
            assert (in_a_gap > 0) == any(mac in clients for clients, _, _ in self.changes)

    def _expected(self, mac: int, at: float) -> str | None:
        """Whom a machine is offered a boot by at a time: empty in its gap, None while that is changed."""
        server = OLD
        for number, (clients, changed, (began, ended)) in enumerate(self.changes):
            if mac in clients and at > ended:
                server = changed if number % 2 else ""
            elif mac in clients and at > began - 0.5:
                return None
        return server


def others_are_untouched(hospital: Hospital) -> None:
    """Phones read their address from DHCP and no manager; the laboratory has a server of its own."""
    for vlan, expected in (("phones", {"dhcp-a", "dhcp-b"}), ("lab", {"lab-dnsmasq"})):
        with PxeClient(hospital.others[vlan], "00:50:c2:70:00:01") as client:
            client.discover()
            offer = client.reply().packet
            server = hospital.owner[IPv4Address(offer.options[Option.SERVER_IDENTIFIER])]
            assert server in expected
            told = offer.options.get(Option.TFTP_SERVER_NAME, b"") if vlan == "phones" else offer.file
            assert told.rstrip(b"\0") in (b"https://voice.hospital.example/provision", b"pxelinux.0")


@pytest.mark.timeout(900)
@pytest.mark.needs("dhcpd", "dnsmasq", "in.tftpd", "sshd", "sudo", "unshare")
def test_the_whole_way_of_a_hospital(hospital: Hospital) -> None:
    folder = hospital.folder
    # What somebody forgot at first, and what he did too early.
    relayed = load_inventory(folder).site.vlans["wards"].targets
    hospital.edit(
        ("put", ("vlans", "wards", "relay_to"), [name for name in map(str, relayed) if name != WINDOWS]),
        ("put", ("servers", NEW, "answers"), {"only": "thin-clients"}),
    )
    hospital.coexist(1, "check", folder)
    assert sorted(hospital.obey()) == ["CX202", "CX301"]
    hospital.coexist(0, "check", folder)

    hospital.declare_ssh()
    hospital.roll_out()
    hospital.start()
    hospital.boots_from(frozenset())
    others_are_untouched(hospital)
    machines = (PILOT, FIRST, BIOS, LAST, "pc-01")
    since = hospital.switch_on(*machines, bios="pxe21")
    migration = Migration(hospital)
    waves = [frozenset(map(parse_mac, step["clients"])) for step in migration.steps]
    assert [len(wave) for wave in waves] == [4, 36, 80]
    assert frozenset().union(*waves) == set(hospital.thin)
    everyone = dict.fromkeys(machines, OLD) | {"pc-01": WINDOWS}
    assert hospital.booted(since, len(machines)) == everyone

    hospital.follow(PILOT, BACK, LAST)
    pilots, wards, rest = waves
    migration.step(("next", str(folder), *NIGHT), pilots)

    # The gate waits for what the pilots' pages ask.
    since = hospital.switch_on(PILOT, BIOS_PILOT)
    hospital.coexist(2, "migrate", "next", folder, "--yes")
    hospital.coexist(0, "migrate", "checklist", folder, "-o", folder.parent / "pages")
    pages = sorted((folder.parent / "pages").iterdir())
    assert len(pages) == len(waves[0])
    for page in pages:
        for item in range(1, page.read_text().count('class="open"') + 1):
            words = ["checklist", "record", str(folder), page.stem, str(item), "passed", "--who", "kim"]
            assert run(words) == 0
    assert hospital.booted(since, 2) == {PILOT: NEW, BIOS_PILOT: NEW}
    migration.step(("next", str(folder), *NIGHT), wards, switched_on=(BIOS, LAST))

    # One machine goes back on its own, and moves again with everyone else.
    single = frozenset((hospital.macs[BACK],))
    migration.step(("back", str(folder), "--machine", BACK), single, back=True)
    migration.step(("next", str(folder), *NIGHT), rest | single)
    assert migration.moved == set(hospital.thin)
    migration.judge()
    # PILOT's gap, BACK's three, LAST's.
    assert len(migration.measure()) == 5

    # The end: a complaint keeps the old manager, then it is switched off, and the inventory says what is.
    hospital.coexist(0, "checklist", "complain", folder, "--note", "no sound", "--who", "sam")
    hospital.coexist(2, "migrate", "retire", folder, "--yes")
    hospital.coexist(0, "checklist", "settle", folder, "1")
    assert "-  renewal:" in hospital.coexist(3, "migrate", "retire", folder, "--yes")
    hospital.managers[OLD].stop()
    hospital.coexist(0, "migrate", "retire", folder, "--yes", "--done-by-hand")
    written = load_inventory(folder).site
    assert not written.migrations
    assert (written.servers[OLD].answers.who, written.intent[0].boot_from) == ("nobody", NEW)
    since = hospital.switch_on(*machines)
    hospital.coexist(0, "check", folder)
    hospital.coexist(
        0, "plan", folder, "-o", folder.parent / "after.json", "--detailed-exitcode", *hospital.ssh
    )
    hospital.boots_from(migration.moved)
    others_are_untouched(hospital)
    assert hospital.booted(since, len(machines)) == dict.fromkeys(machines, NEW) | {"pc-01": WINDOWS}


@pytest.mark.timeout(600)
@pytest.mark.needs("dhcpd", "dnsmasq", "in.tftpd", "sshd", "sudo", "unshare")
def test_a_hospital_that_runs_is_adopted_over_ssh_and_its_pilots_move(hospital: Hospital) -> None:
    """The servers run on files that somebody else keeps. Nothing on them changes, and the migration is as of
    the declared ones: its gap too."""
    folder = hospital.folder
    hospital.coexist(0, "render", folder, "--output", hospital.network.directory)
    own = {name: sorted(hospital.site.hosts[name].directory.glob("d*.conf")) for name in OURS}
    before = {file: file.read_bytes() for files in own.values() for file in files}
    hospital.start()
    declared = Migration(hospital).steps
    hospital.adopt()
    # By whom the relay agents' packets are leased is in no file of theirs.
    assert hospital.obey() == ["CX207", "CX207"]
    hospital.coexist(0, "check", folder)
    adopted = load_inventory(folder).site.servers
    assert all(adopted[name].config and adopted[name].deploy for name in OURS)
    migration = Migration(hospital)
    assert migration.steps == declared
    hospital.boots_from(frozenset())
    others_are_untouched(hospital)
    hospital.follow(PILOT)
    pilots = frozenset(map(parse_mac, migration.steps[0]["clients"]))
    migration.step(("next", str(folder), *NIGHT), pilots)
    since = hospital.switch_on(PILOT, LAST)
    migration.judge()
    assert len(migration.measure()) == 1
    assert hospital.booted(since, 2) == {PILOT: NEW, LAST: OLD}
    hospital.coexist(0, "check", folder)
    assert {file: file.read_bytes() for file in before} == before
