"""Every exit code that a command is documented to have is had by it, and each command is documented."""

from __future__ import annotations

import shutil
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import yaml

from coexist.cli import cli, run
from coexist.cli.exit_codes import COMMAND_CODES
from coexist.planning.checklist import DEFAULT_ITEMS
from coexist.registry.opening import connect
from tests.conftest import ROOT
from tests.unit.planning.sites import tree

ELSEWHERE = {
    # An interface that answers needs the wire: these are driven there.
    ("probe", 0): "tests/wire/test_probe.py",
    ("probe", 1): "tests/wire/test_probe.py",
    # A wire check that fails after an apply.
    ("apply", 1): "tests/wire/test_rollout_site.py",
    # It serves until it is stopped.
    ("console", 0): "tests/wire/server/test_console.py",
    ("observe", 1): "tests/unit/cli/test_run.py",
}


class World:
    """A folder with an inventory that is in order, servers on this machine, and whatever a command needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site"
        self.site.mkdir()
        self.plain = tree(
            pilots="pilot-machines", waves=[{"name": "rest"}], gate={"checklist": False}, settle=0
        )
        for name, server in self.plain["servers"].items():
            place = folder / "servers" / name
            place.mkdir(parents=True)
            commands = dict.fromkeys(("check", "reload", "status"), "/bin/true")
            server["deploy"] = {"host": "localhost", "paths": {"*": str(place)}, **commands}
        self.write()

    def write(self) -> None:
        (self.site / "site.yaml").write_text(yaml.safe_dump(self.plain, sort_keys=False))

    def broken(self) -> str:
        (self.site / "site.yaml").write_text("site: [\n")
        return str(self.site)

    def wrong(self) -> str:
        """Two servers answer everyone."""
        self.plain["servers"]["new"]["answers"] = self.plain["servers"]["old"]["answers"]
        del self.plain["migrations"]
        self.write()
        return str(self.site)

    def inexpressible(self) -> str:
        """A delay that the product has not."""
        self.plain["servers"]["old"] |= {"software": "openthinclient", "delay": 1, "programs": {}}
        self.plain["servers"]["new"]["answers"] = "nobody"
        del self.plain["migrations"]
        self.write()
        return str(self.site)

    def unreachable(self) -> str:
        """A server behind a port that nobody listens on; where `ssh -F` looks for the port."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        for server in self.plain["servers"].values():
            server["deploy"] |= {"host": "127.0.0.1", "port": port, "user": "nobody"}
        self.write()
        return str(self.site)

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def planned(self) -> str:
        path = self.folder / "plan.json"
        assert run(["plan", str(self.site), "-o", str(path)]) == 0
        return str(path)

    def applied(self) -> str:
        assert run(["apply", self.planned()]) == 0
        return str(self.site)

    def began(self) -> str:
        """The pilots have moved."""
        assert run(["migrate", "next", str(self.site), "--yes"]) == 0
        return str(self.site)

    def everyone_moved(self) -> str:
        self.began()
        return self.began()

    def locked(self, path: str) -> str:
        """The servers' folders are gone meanwhile: a file stands in the place of each."""
        for place in (self.folder / "servers").iterdir():
            shutil.rmtree(place)
            place.write_text("no folder")
        return path

    def complained(self) -> str:
        assert run(["checklist", "complain", str(self.site), "--note", "no sound"]) == 0
        return str(self.site)

    def all_passed(self) -> str:
        for machine in ("tc01", "tc04"):
            for number in range(1, len(DEFAULT_ITEMS) + 1):
                words = ["checklist", "record", str(self.site), machine, str(number), "passed"]
                assert run(words) == 0
        return str(self.site)

    def capture(self) -> str:
        """A capture of nothing."""
        path = self.folder / "x.pcap"
        path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        return str(path)

    def registry(self) -> str:
        path = self.folder / "clients.sqlite"
        connect(path).close()
        assert run(["clients", "register", str(path), "52:54:00:00:00:01"]) == 0
        return str(path)

    def no_console(self) -> list[str]:
        """A console that does not run."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        token = self.file("token", "secret")
        Path(token).chmod(0o600)
        return ["--console", f"http://127.0.0.1:{port}", "--token-file", token]

    def users(self) -> str:
        path = self.folder / "users.json"
        assert run(["users", "add", str(path), "kim", "--password", "a long enough password"]) == 0
        return str(path)

    def served(self) -> str:
        assert run(["render", str(self.site), "-o", str(self.folder / "out")]) == 0
        return str(self.folder / "out" / "old" / "coexist.yaml")


def _dhcpd(world: World, text: str = "") -> str:
    subnet = "subnet 10.1.0.0 netmask 255.255.255.0 { range 10.1.0.10 10.1.0.99; }\n"
    return world.file("dhcpd.conf", subnet + text)


def _own_file(world: World, statement: str = "") -> str:
    """A server that runs on its own file."""
    world.plain["servers"]["dhcp"] = {
        "software": "isc-dhcpd 4.4", "address": "10.10.0.5", "vlan": "office",
        "config": {"/etc/dhcp/dhcpd.conf": "dhcpd.conf"},
    }  # fmt: skip
    del world.plain["scopes"], world.plain["migrations"]
    world.write()
    (world.site / "dhcpd.conf").write_text(
        "authoritative;\n"
        f"subnet 10.10.0.0 netmask 255.255.0.0 {{ range 10.10.1.0 10.10.9.255; {statement} }}\n"
    )
    return str(world.site)


def _impossible(world: World) -> str:
    """An intent that no mechanism keeps: a server shall boot clients that it never hears."""
    world.plain["servers"]["old"] |= {"fixed": True, "answers": "nobody"}
    del world.plain["migrations"]
    world.write()
    return str(world.site)


def _refused(world: World) -> str:
    """Servers without delays that nobody can change, and no word about a gap."""
    for name in ("old", "new"):
        world.plain["servers"][name]["software"] = "openthinclient"
        world.plain["servers"][name]["programs"] = {"bios": "lpxelinux.0"}
        del world.plain["servers"][name]["deploy"]
    world.write()
    return str(world.site)


EXECUTES = 'on commit { execute("/usr/local/bin/tell"); }'
Line = Callable[[World], list[str]]
MACHINE = "00:15:5d:00:00:01"
LINES: dict[tuple[str, int], Line] = {
    ("init", 0): lambda w: [str(w.folder / "new")],
    ("import", 0): lambda w: ["dhcpd", _dhcpd(w), "-o", str(w.folder / "o")],
    ("import", 1): lambda w: [
        "macs", w.file("list.csv", "mac,name\nno MAC\n52:54:00:00:00:01,a\n"), "-o", str(w.folder / "o"),
    ],
    ("import", 2): lambda w: ["dhcpd", _dhcpd(w, "subnet {"), "-o", str(w.folder / "o")],
    ("adopt", 0): lambda w: [
        str(w.folder / "adopted"), "dhcp1", "--from", _dhcpd(w), "--software", "isc-dhcpd",
        "--address", "10.1.0.5",
    ],
    ("adopt", 4): lambda w: [
        str(w.folder / "adopted"), "dhcp1", "--from", "nobody@127.0.0.1:/etc/dhcp/dhcpd.conf", "--software",
        "isc-dhcpd", "--ssh-config", w.file("ssh", "Host *\n  Port 1\n"),
    ],
    ("convert", 0): lambda w: [_own_file(w), "dhcp", "--to", "kea 3.0"],
    ("convert", 1): lambda w: [_own_file(w, EXECUTES), "dhcp", "--to", "kea 3.0"],
    ("check", 0): lambda w: [str(w.site)],
    ("check", 1): lambda w: [w.wrong()],
    ("explain", 0): lambda w: [str(w.site), MACHINE],
    ("doctor", 0): lambda w: [str(w.site), MACHINE],
    ("doctor", 1): lambda w: [str(w.site), "--registry", f"old={w.registry()}", MACHINE],
    ("console", 4): lambda w: [str(w.site), "--probe", "office=nosuch0"],
    ("doctor", 4): lambda w: [str(w.site), "--probe", "nosuch0", MACHINE],
    ("matrix", 0): lambda w: [str(w.site)],
    ("diff", 0): lambda w: [str(w.site), str(w.site)],
    ("diff", 3): lambda w: [str(ROOT / "inventories" / "campus"), str(w.site)],
    ("report", 0): lambda w: [str(w.site), "-o", str(w.folder / "report.html")],
    ("solve", 0): lambda w: [str(w.site)],
    ("solve", 1): lambda w: [_impossible(w)],
    ("probe", 4): lambda w: ["-i", "nosuch0"],
    ("observe", 0): lambda w: [w.capture()],
    ("observe", 4): lambda w: ["-i", "nosuch0"],
    ("render", 0): lambda w: [str(w.site), "-o", str(w.folder / "out")],
    ("render", 1): lambda w: [w.inexpressible(), "-o", str(w.folder / "out")],
    ("plan", 0): lambda w: [str(w.site), "-o", str(w.folder / "plan.json")],
    ("plan", 1): lambda w: [w.wrong(), "-o", str(w.folder / "plan.json")],
    ("plan", 3): lambda w: [str(w.site), "-o", str(w.folder / "plan.json"), "--detailed-exitcode"],
    ("plan", 4): lambda w: [w.unreachable(), "-o", str(w.folder / "plan.json")],
    ("apply", 0): lambda w: [w.planned()],
    ("apply", 4): lambda w: [w.locked(w.planned())],
    ("rollback", 0): lambda w: [w.applied()],
    ("rollback", 4): lambda w: [w.locked(w.applied())],
    ("history", 0): lambda w: [w.applied()],
    ("migrate back", 0): lambda w: [w.began(), "--yes"],
    ("migrate back", 3): lambda w: [w.began()],
    ("migrate back", 4): lambda w: [w.locked(w.began()), "--yes"],
    ("migrate checklist", 0): lambda w: [str(w.site), "-o", str(w.folder / "pages")],
    ("migrate next", 0): lambda w: [str(w.site), "--yes"],
    ("migrate next", 3): lambda w: [str(w.site)],
    ("migrate next", 4): lambda w: [w.unreachable(), "--yes"],
    ("migrate parked", 0): lambda w: [str(w.site)],
    ("migrate plan", 0): lambda w: [str(w.site)],
    ("migrate plan", 1): lambda w: [_refused(w)],
    ("migrate retire", 0): lambda w: [w.everyone_moved(), "--yes"],
    ("migrate retire", 3): lambda w: [w.everyone_moved()],
    ("migrate retire", 4): lambda w: [w.locked(w.everyone_moved()), "--yes"],
    ("migrate status", 0): lambda w: [str(w.site)],
    ("checklist complain", 0): lambda w: [str(w.site), "--note", "no sound"],
    ("checklist record", 0): lambda w: [str(w.site), "tc01", "1", "passed"],
    ("checklist settle", 0): lambda w: [w.complained(), "1"],
    ("checklist show", 0): lambda w: [w.all_passed()],
    ("checklist show", 1): lambda w: [str(w.site)],
    ("schema", 0): lambda w: [],
    ("users add", 0): lambda w: [str(w.folder / "u.json"), "kim", "--password", "a long enough password"],
    ("users list", 0): lambda w: [w.users()],
    ("users remove", 0): lambda w: [w.users(), "kim"],
    ("users token", 0): lambda w: [w.users(), "kim", "ticket"],
    ("serve", 0): lambda w: [w.served(), "--check"],
    ("serve", 4): lambda w: [w.served(), "--interface", "nosuch0"],
    ("clients export", 0): lambda w: [w.registry()],
    ("clients forget", 0): lambda w: [w.registry(), "52:54:00:00:00:01"],
    ("clients history", 0): lambda w: [w.registry()],
    ("clients ignore", 0): lambda w: [w.registry(), "52:54:00:00:00:01"],
    ("clients ignore", 4): lambda w: [*w.no_console(), "--why", "x", "52:54:00:00:00:01"],
    ("clients list", 0): lambda w: [w.registry()],
    ("clients list", 4): lambda w: w.no_console(),
    ("clients register", 4): lambda w: [*w.no_console(), "52:54:00:00:00:01"],
    ("clients register", 0): lambda w: [w.registry(), "52:54:00:00:00:02"],
    ("registry copy", 0): lambda w: [w.registry(), str(w.folder / "copy.sqlite"), "--server", "old"],
    ("registry show", 0): lambda w: [w.registry()],
}  # fmt: skip


def commands(command: click.Command, words: tuple[str, ...] = ()) -> list[str]:
    if not isinstance(command, click.Group):
        return [" ".join(words)]
    context = click.Context(command)
    names = command.list_commands(context)
    inner = [(name, command.get_command(context, name)) for name in names]
    return [found for name, one in inner if one is not None for found in commands(one, (*words, name))]


def test_every_command_is_in_the_table() -> None:
    assert sorted(commands(cli)) == sorted(COMMAND_CODES)


def test_every_code_of_the_table_is_driven() -> None:
    driven = {*LINES, *ELSEWHERE, *((command, 2) for command in COMMAND_CODES)}
    assert driven == {(command, code) for command, codes in COMMAND_CODES.items() for code in codes}
    assert all((ROOT / path).exists() for path in ELSEWHERE.values())


@pytest.mark.parametrize(("command", "code"), LINES)
def test_the_code(command: str, code: int, tmp_path: Path) -> None:
    words = LINES[command, code](World(tmp_path))
    assert run([*command.split(), *words]) == code


@pytest.mark.parametrize("command", COMMAND_CODES)
def test_wrong_usage(command: str) -> None:
    assert run([*command.split(), "--no-such-option"]) == 2


def arguments(words: str) -> set[str]:
    """What a command's arguments are called."""
    command: click.Command = cli
    for word in words.split():
        assert isinstance(command, click.Group)
        inner = command.get_command(click.Context(command), word)
        assert inner is not None
        command = inner
    return {parameter.name or "" for parameter in command.params if isinstance(parameter, click.Argument)}


# What was recorded is all that they read.
OF_RECORDS = {"rollback", "history"}


@pytest.mark.parametrize(
    "command", [c for c in COMMAND_CODES if "inventory" in arguments(c) and c not in OF_RECORDS]
)
def test_an_inventory_that_cannot_be_read(command: str, tmp_path: Path) -> None:
    world = World(tmp_path)
    words = LINES.get((command, 0), lambda w: [str(w.site)])(world)
    world.broken()
    assert run([*command.split(), *words]) == 2
