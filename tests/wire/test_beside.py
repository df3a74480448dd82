"""Three servers that others keep: our part is rolled out beside their files, over SSH, and taken back.

The inventory is the one that is shipped. Every answer of the three daemons is held to what the files and the
drop-ins together say: before, at each wave of the rollout, after it and after the rollback.
"""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.namespaces import HarnessError
from tests.harness.network import Host, Network
from tests.harness.servers import install
from tests.harness.sshd import client_config, client_key, start_sshd

pytestmark = [
    pytest.mark.needs("sshd", "sudo", "dhcpd", "kea-dhcp4", "dnsmasq", "unshare"),
    pytest.mark.timeout(300),
]

SHIPPED = Path(__file__).parents[2] / "inventories" / "adopted"
PLACES = {
    "dhcp1": {"office": "10.20.0.5"},
    "kea1": {"labs": "10.21.0.5"},
    "dns1": {"office": "10.20.0.7", "labs": "10.21.0.7"},
}
OURS = {
    "dhcp1": "/etc/dhcp/coexist.conf",
    "kea1": "/etc/kea/coexist.json",
    "dns1": "/etc/dhcp/dnsmasq.d/coexist.conf",
}
START = {
    "dhcp1": "dhcpd -4 -q -cf /etc/dhcp/dhcpd.conf -lf {here}/leases -pf {here}/pid eth0",
    "kea1": (
        "export KEA_PIDFILE_DIR={here} KEA_LOCKFILE_DIR={here}\n"
        "setsid kea-dhcp4 -c /etc/kea/kea-dhcp4.conf >{here}/log 2>&1 & echo $! >{here}/pid"
    ),
    "dns1": (
        "dnsmasq --conf-file=/etc/dhcp/dnsmasq.conf --pid-file={here}/pid --user=root"
        " --dhcp-leasefile={here}/leases --log-facility={here}/log"
    ),
}
RESTART = """#!/bin/sh
exec >{here}/restart.log 2>&1
if [ -s {here}/pid ]; then
    pid=$(cat {here}/pid)
    kill $pid 2>/dev/null
    while kill -0 $pid 2>/dev/null; do sleep 0.02; done
fi
rm -f {here}/pid
{start}
for i in $(seq 1000); do [ -s {here}/pid ] && {ready} && exit 0; sleep 0.02; done
exit 1
"""
# Kea takes its partner for dead after some seconds and serves nobody before; dhcpd serves those with an
# address of their own at once.
READY = {
    "dhcp1": "grep -q ':0043 ' /proc/net/udp",
    "kea1": "grep -q 'HA_LOCAL_DHCP_ENABLE\\|PARTNER-DOWN state' {here}/log",
    "dns1": "grep -q ':0043 ' /proc/net/udp",
}


@dataclass
class Site:
    """The three servers, and a desk with an interface on each VLAN."""

    desk: Host
    hosts: dict[str, Host]
    config: Path
    folder: Path

    def run(self, *arguments: str | Path) -> tuple[int, str]:
        """One command of coexist at the desk: its exit code and output."""
        process = self.desk.start([sys.executable, "-m", "coexist", *arguments])
        return process.wait(timeout=120), process.output

    def foreign(self) -> dict[str, bytes]:
        """Every file on the servers that is not ours, by server and path."""
        return {
            f"{name}:{file.relative_to(host.directory)}": file.read_bytes()
            for name, host in self.hosts.items()
            for file in sorted((host.directory / "own").rglob("*"))
            if file.is_file()
            and "etc" in file.parts
            and "coexist" not in str(file.relative_to(host.directory))
        }

    def ours(self) -> list[bytes]:
        """The three files that are."""
        return [
            (self.hosts[name].own_path(Path(path).parent) / Path(path).name).read_bytes()
            for name, path in OURS.items()
        ]

    def as_predicted(self, inventory: Path) -> None:
        """Ask as some machines on both VLANs, and hold every answer and every silence to the inventory."""
        asked = {
            "office": ("02:00:5e:20:00:01", "02:00:5e:20:01:01"),
            "labs": ("02:00:5e:21:00:02", "02:00:5e:77:00:01"),
        }
        for vlan, (thin, other) in asked.items():
            code, output = self.run(
                "probe", "-i", self.desk.interfaces[vlan], "--expect", inventory, "--vlan", vlan,
                "--wait", "2", "--mac", thin, "--mac", other, "-a", "bios", "-a", "uefi-x64",
            )  # fmt: skip
            assert code == 0, output


def elsewhere(text: str) -> str:
    """dnsmasq's files where a host of the test can have a folder of its own: not every machine has theirs."""
    return re.sub(r"(?<![\w])/etc/dnsmasq", "/etc/dhcp/dnsmasq", text)


def prepare(name: str, host: Host) -> None:
    """A server with the files it runs on, an empty drop-in, and the scripts of its service."""
    folder = SHIPPED / "servers" / name
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        install(host, elsewhere("/" + str(file.relative_to(folder))), elsewhere(file.read_text()))
    install(host, OURS[name], "")
    if name == "dns1":
        place = host.own_path("/srv/tftp")
        (place / "thin").mkdir()
        for boot in ("lpxelinux.0", "syslinux64.efi"):
            (place / "thin" / boot).write_bytes(b"boot")
    for own in ("/run/kea", "/run/sshd", "/var/lib/kea") if name == "kea1" else ():
        host.own_path(own)
    here = host.directory
    host.write("leases", "")
    ready, start = (text[name].format(here=here) for text in (READY, START))
    host.write("restart", RESTART.format(here=here, start=start, ready=ready)).chmod(0o755)


def declare(folder: Path, hosts: dict[str, Host]) -> tuple[Path, Path]:
    """The shipped inventory with ways to the servers: as it was before the drop-ins, and with them."""
    after = folder / "after"
    shutil.copytree(SHIPPED, after)
    text = elsewhere((after / "site.yaml").read_text())
    main = after / "servers" / "dns1" / "etc" / "dnsmasq.conf"
    main.write_text(elsewhere(main.read_text()))
    for name, addresses in PLACES.items():
        here = hosts[name].directory
        check = {"kea1": f', check: "env KEA_LOCKFILE_DIR={here} kea-dhcp4 -t /etc/kea/kea-dhcp4.conf"'}
        deploy = (
            f"    deploy: {{host: {next(iter(addresses.values()))}, sudo: true, reload: {here}/restart,"
            f" status: sh -c 'kill -0 $(cat {here}/pid)'{check.get(name, '')}}}\n"
        )
        text = re.sub(rf"(  {name}:\n)", rf"\g<1>{deploy}", text)
    (after / "site.yaml").write_text(text)
    before = folder / "before"
    shutil.copytree(after, before)
    text = re.sub(r"    dropin:\n(?:      .*\n)+", "", text)
    text = text.replace("  not-dns1: {groups: everyone, except: thin-clients}\n", "")
    (before / "site.yaml").write_text(text)
    for name in ("dhcp1", "kea1"):
        (before / "servers" / name / OURS[name].lstrip("/")).write_text("")
    return before, after


def start(host: Host) -> None:
    """Start a server as its rollout will restart it."""
    try:
        host.run([host.directory / "restart"])
    except HarnessError:
        said = [f"{log.name}: {log.read_text()}" for log in sorted(host.directory.glob("*log"))]
        pytest.fail("\n".join(said))


@pytest.fixture
def site(tmp_path: Path):
    key = client_key(tmp_path)
    with Network() as network:
        network.vlan("office", "10.20.0.0/24")
        network.vlan("labs", "10.21.0.0/24")
        hosts = {name: network.host(name, places) for name, places in PLACES.items()}
        desk = network.host("desk", {"office": "10.20.0.250", "labs": "10.21.0.250"})
        for name, host in hosts.items():
            prepare(name, host)
        sshds = [start_sshd(host, key, sudo=["ALL"]) for host in hosts.values()]
        for host in hosts.values():
            start(host)
        yield Site(desk, hosts, client_config(tmp_path, key, sshds), tmp_path)


def test_our_part_is_rolled_out_beside_what_runs_and_taken_back(site: Site) -> None:
    before, after = declare(site.folder, site.hosts)
    foreign = site.foreign()
    assert len(foreign) == 5
    # The first day: the collision is found, and the daemons answer as their files are evaluated.
    code, output = site.run("check", before)
    assert code == 1
    assert "CX401" in output
    site.as_predicted(before)

    plan = site.folder / "plan.json"
    code, output = site.run("plan", after, "-o", plan, "--ssh-config", site.config)
    assert code == 0, output
    # One of its servers changes in the first wave and one in the second: in between is looked at too.
    probe = f"--probe=office={site.desk.interfaces['office']}"
    code, output = site.run("apply", plan, "--ssh-config", site.config, "--force", probe)
    assert code == 0, output
    assert all(site.ours())
    assert site.foreign() == foreign
    site.as_predicted(after)

    code, output = site.run("rollback", after, "--ssh-config", site.config)
    assert code == 0, output
    assert site.ours() == [b"", b"", b""]
    assert site.foreign() == foreign
    site.as_predicted(before)
