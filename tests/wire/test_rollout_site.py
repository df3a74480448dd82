"""A whole site over SSH: dhcpd, dnsmasq as the old generation, coexist's server as the new one.

Two thin clients move from the old manager to the new one, in three steps, each looked at on the wire.
"""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.network import Host, Network
from tests.harness.processes import udp_ports
from tests.harness.sshd import Sshd, client_config, client_key, start_sshd

pytestmark = [pytest.mark.needs("sshd", "sudo", "dhcpd", "dnsmasq"), pytest.mark.timeout(600)]

CLIENTS = """\
mac,name,hardware,architecture,vlan,tags
00:80:64:10:00:01,tc-1,igel-ud3,bios,office,{bios}
00:80:64:10:00:02,tc-2,igel-ud3,bios,office,
00:80:64:10:00:03,tc-3,igel-ud3,bios,office,
00:80:64:10:00:04,tc-4,igel-ud3,bios,office,
6c:2b:59:20:00:01,tc-5,dell-wyse-5070,uefi-x64,office,{uefi}
6c:2b:59:20:00:02,tc-6,dell-wyse-5070,uefi-x64,office,
6c:2b:59:20:00:03,tc-7,dell-wyse-5070,uefi-x64,office,
6c:2b:59:20:00:04,tc-8,dell-wyse-5070,uefi-x64,office,
00:80:64:99:00:01,pilot-1,igel-ud3,bios,office,moved
00:80:64:99:00:02,pilot-2,igel-ud3,bios,office,moved
00:80:64:99:00:03,pilot-3,igel-ud3,bios,office,moved
00:80:64:99:00:04,pilot-4,igel-ud3,bios,office,moved
00:80:64:99:00:05,pilot-5,igel-ud3,bios,office,moved
00:80:64:99:00:06,pilot-6,igel-ud3,bios,office,moved
"""

SITE = """\
site: two-generations
jitter: 0.02
vlans:
  office: {{id: 10, subnet: 10.77.0.0/24}}
servers:
  core:
    software: isc-dhcpd 4.4
    address: 10.77.0.5
    vlan: office
    ping_check: false
    deploy:
      {{host: 10.77.0.5, sudo: true, paths: {{dhcpd.conf: {core}/etc/dhcpd.conf}},
       reload: {core}/reload, status: {core}/status}}
  old:
    software: dnsmasq 2.90
    address: 10.77.0.6
    vlan: office
    roles: [proxydhcp, tftp]
    answers: {{only: not-yet-moved}}
    programs: {{bios: old.0, uefi-x64: old.efi}}
    settings: {{tftp-root: {old}/tftp}}
    deploy:
      {{host: 10.77.0.6, sudo: true, paths: {{"*": {old}/etc}}, reload: {old}/reload, status: {old}/status}}
  new:
    software: coexist
    address: 10.77.0.8
    vlan: office
    answers: {{only: moved}}
    programs: {{bios: new.0, uefi-x64: new.efi}}
    settings: {{tftp: {{root: {new}/tftp, unknown_addresses: serve, whitelist: false}}}}
    deploy:
      {{host: 10.77.0.8, sudo: true, paths: {{"*": {new}/etc}}, reload: {new}/reload, status: {new}/status,
       check: "{python} -m coexist serve {{path}} --check"}}
scopes:
  office: {{server: core, vlan: office, pools: [10.77.0.100-10.77.0.150]}}
clients: clients.csv
groups:
  thin-clients: {{where: {{hardware: [igel-ud3, dell-wyse-5070]}}}}
  moved: {{where: {{tags: moved}}}}
  not-yet-moved: {{groups: thin-clients, except: moved}}
architectures: {{bios: ipxe, uefi-x64: edk2}}
intent:
  - {{clients: moved, boot_from: new}}
  - {{clients: not-yet-moved, boot_from: old}}
  - {{clients: everyone, boot_from: nobody}}
"""

# A daemon that is restarted by hand, as a service manager would: the old one ends before the new one begins.
RESTART = """#!/bin/sh
exec >{here}/restart.log 2>&1
[ ! -e {here}/reload-fails ] || exit 1
if [ -s {here}/pid ]; then
    pid=$(cat {here}/pid)
    kill $pid 2>/dev/null
    while kill -0 $pid 2>/dev/null; do sleep 0.02; done
fi
rm -f {here}/pid
while grep -q ':0043 ' /proc/net/udp; do sleep 0.02; done
{start}
# It is there when it listens on port 67.
for i in $(seq 500); do [ -s {here}/pid ] && grep -q ':0043 ' /proc/net/udp && exit 0; sleep 0.02; done
exit 1
"""
STATUS = "#!/bin/sh\nkill -0 $(cat {here}/pid)\n"
START = {
    "core": "dhcpd -4 -q -cf {here}/etc/dhcpd.conf -lf {here}/leases -pf {here}/pid eth0",
    "old": (
        "dnsmasq --conf-file={here}/etc/dnsmasq.conf --pid-file={here}/pid --user=root --port=0 --no-ping"
        " --dhcp-leasefile={here}/leases --log-facility={here}/log --interface=eth0 --bind-interfaces"
    ),
    "new": "setsid {python} -m coexist serve {here}/etc/coexist.yaml >{here}/log 2>&1 & echo $! >{here}/pid",
}
ADDRESSES = {"core": "10.77.0.5", "old": "10.77.0.6", "new": "10.77.0.8"}


@dataclass
class Site:
    """Three servers, a desk to administer them from, and its inventory."""

    desk: Host
    hosts: dict[str, Host]
    sshds: dict[str, Sshd]
    config: Path
    folder: Path

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory"

    @property
    def plan(self) -> Path:
        return self.folder / "plan.json"

    def declare(self, *, moved: bool) -> None:
        """Write the inventory: with two clients on the new server, or with all on the old one."""
        self.inventory.mkdir(exist_ok=True)
        places = {name: host.directory for name, host in self.hosts.items()}
        (self.inventory / "site.yaml").write_text(SITE.format(python=sys.executable, **places))
        tag = "moved" if moved else ""
        (self.inventory / "clients.csv").write_text(CLIENTS.format(bios=tag, uefi=tag))

    def run(self, *arguments):
        """One command of coexist at the desk: its exit code and output."""
        process = self.desk.start([sys.executable, "-m", "coexist", *arguments])
        return process.wait(timeout=240), process.output

    def make_plan(self, *arguments):
        return self.run("plan", self.inventory, "-o", self.plan, "--ssh-config", self.config, *arguments)

    def apply(self, *arguments):
        return self.run("apply", self.plan, "--ssh-config", self.config, "--timeout", "20", *arguments)

    def history(self):
        code, output = self.run("history", self.inventory, "--format", "json")
        assert code == 0, output
        return json.loads(output)

    def winners(self, *macs):
        """The files each of some clients is given, by the servers that answer it at once."""
        arguments = [word for mac in macs for word in ("--mac", mac)]
        code, output = self.run(
            "probe",
            "-i",
            "eth0",
            "--wait",
            "1.2",
            "-a",
            "bios",
            "-a",
            "uefi-x64",
            *arguments,
            "--format",
            "json",
        )
        assert code == 0, output
        found: dict[tuple[str, str], set[str]] = {}
        for answer in json.loads(output)["answers"]:
            if answer["role"] == "ProxyDHCP" and answer["at"] < 0.8:
                found.setdefault((answer["mac"], answer["architecture"]), set()).add(answer["server"])
        return found


TC_1, TC_2, TC_5, TC_6 = (
    "00:80:64:10:00:01", "00:80:64:10:00:02", "6c:2b:59:20:00:01", "6c:2b:59:20:00:02",
)  # fmt: skip


def served_by(server, *macs):
    return {(mac, architecture): {server} for mac in macs for architecture in ("bios", "uefi-x64")}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("desk")
    key = client_key(folder)
    with Network() as network:
        network.vlan("office", "10.77.0.0/24")
        hosts = {name: network.host(name, {"office": address}) for name, address in ADDRESSES.items()}
        desk = network.host("desk", {"office": "10.77.0.9"})
        for name, host in hosts.items():
            _prepare(name, host)
        sshds = {name: start_sshd(host, key, sudo=["ALL"]) for name, host in hosts.items()}
        config = client_config(folder, key, list(sshds.values()))
        made = Site(desk, hosts, sshds, config, folder)
        made.declare(moved=False)
        code, output = made.make_plan("--detailed-exitcode")
        assert code == 3, output
        code, output = made.apply()
        assert code == 0, output
        yield made


def _prepare(name, host):
    here = host.directory
    (here / "etc").mkdir()
    (here / "leases").write_text("")
    for generation, content in (("0", b"bios "), ("efi", b"uefi ")):
        host.write(f"tftp/{name}.{generation}", content * 2000 + name.encode())
    start = START[name].format(here=here, python=sys.executable)
    if name == "old":
        start += " --enable-tftp"
    for script, body in (
        ("reload", RESTART.format(here=here, start=start)),
        ("status", STATUS.format(here=here)),
    ):
        host.write(script, body).chmod(0o755)


@pytest.fixture
def before(site):
    """Every server with all clients on the old one, and nothing else remembered."""
    for host in site.hosts.values():
        (host.directory / "reload-fails").unlink(missing_ok=True)
    for sshd in site.sshds.values():
        sshd.fault()
    site.declare(moved=False)
    code, output = site.make_plan("--overwrite")
    assert code == 0, output
    code, output = site.apply("--force")
    assert code == 0, output
    assert site.winners(TC_1, TC_5) == served_by("10.77.0.6", TC_1, TC_5)
    site.declare(moved=True)
    return site


def files_of(site):
    """What was rolled out; the boot server's registry beside it is its own."""
    return {
        path: path.read_bytes()
        for host in site.hosts.values()
        for path in (host.directory / "etc").iterdir()
        if path.suffix in (".conf", ".yaml", ".macs")
    }


def test_the_first_rollout_brought_every_daemon_up(site):
    (record, *_) = site.history()
    assert record["outcome"] == "done"
    assert {server["state"] for server in record["servers"].values()} == {"new"}
    assert 67 in udp_ports(site.hosts["core"].namespace)


def test_two_clients_move_seen_on_the_wire_at_every_step_and_back(before):
    site = before
    old_files = files_of(site)
    code, output = site.make_plan("--detailed-exitcode")
    assert code == 3, output
    assert "-dhcp-host=00:80:64:10:00:01,set:in-not-yet-moved" in output
    told = " ".join(output.split())
    assert re.search(r"new will answer 2 [^;]*, 2 [^;]* old; first: 00:80:64:10:00:01", told)
    assert re.search(r"old will [^;]*\b2 clients, 2 [^;]* new; first: 00:80:64:10:00:01", told)
    steps = re.findall(r"step (\d): (\w+) \((\w+)\)", told)
    assert steps == [("1", "new", "opening"), ("2", "old", "final"), ("3", "new", "final")]
    code, output = site.apply("--probe", "office=eth0")
    assert code == 0, output
    moved, left = served_by("10.77.0.8", TC_1), served_by("10.77.0.6", TC_2)
    assert site.winners(TC_1, TC_2) == {**moved, **left}
    assert site.make_plan("--detailed-exitcode")[0] == 0
    code, output = site.apply()
    assert (code, output) == (0, "nothing to change\n")

    code, output = site.run("rollback", site.inventory, "--ssh-config", site.config)
    assert code == 0, output
    assert files_of(site) == old_files
    assert site.winners(TC_1) == served_by("10.77.0.6", TC_1)


def test_a_server_that_fails_stops_the_rollout_with_every_client_on_one_server(before):
    site = before
    assert site.make_plan()[0] == 0
    (site.hosts["old"].directory / "reload-fails").touch()
    code, output = site.apply()
    assert code == 4, output
    states = {name: server["state"] for name, server in site.history()[-1]["servers"].items()}
    assert states == {"new": "staged", "old": "old"}
    # The new server answers too by now, but later: the old one still has every client to itself.
    (site.hosts["old"].directory / "reload-fails").unlink()
    subprocess.run(site.hosts["old"].namespace.command([site.hosts["old"].directory / "reload"]), check=True)
    assert site.winners(TC_1, TC_5) == served_by("10.77.0.6", TC_1, TC_5)
    code, output = site.apply()
    assert code == 0, output
    assert "continuing" in output
    assert site.winners(TC_5) == served_by("10.77.0.8", TC_5)


def test_connections_cut_anywhere_on_the_way_change_nothing_about_the_end(before):
    site = before
    assert site.make_plan()[0] == 0
    site.sshds["new"].fault("cut-during", 9)
    site.sshds["old"].fault("cut-after", 12)
    code, output = site.apply()
    assert code == 0, output
    assert {server["state"] for server in site.history()[-1]["servers"].values()} == {"new"}
    assert site.winners(TC_1) == served_by("10.77.0.8", TC_1)


def test_a_boot_file_that_is_not_the_servers_own_takes_the_wave_back(before):
    site = before
    assert site.make_plan()[0] == 0
    file = site.hosts["new"].directory / "tftp" / "new.0"
    content = file.read_bytes()
    old_files = files_of(site)
    file.write_bytes(b"another program")
    try:
        code, output = site.apply("--probe", "office=eth0")
    finally:
        file.write_bytes(content)
    assert code == 1, output
    assert "CX706 new.0 from 10.77.0.8 " in " ".join(output.split())
    record = site.history()[-1]
    assert record["outcome"] == "rolled-back"
    assert files_of(site) == old_files


def test_an_edit_by_hand_is_shown_and_not_overwritten_by_accident(before):
    site = before
    path = site.hosts["core"].directory / "etc" / "dhcpd.conf"
    path.write_text(path.read_text() + "# a colleague was here\n")
    site.plan.unlink(missing_ok=True)
    code, output = site.make_plan()
    assert code == 1, output
    assert "CX601" in output
    assert "+# a colleague was here" in output
    assert not site.plan.exists()
    assert site.make_plan("--overwrite")[0] == 0


def test_a_list_that_is_no_longer_rendered_is_removed_and_rolled_back(before):
    site = before
    site.declare(moved=False)
    etc = site.hosts["new"].directory / "etc"
    (etc / "moved.macs").chmod(0o640)
    old_files = files_of(site)
    text = (site.inventory / "site.yaml").read_text()
    text = text.replace("answers: {only: moved}", "answers: {only: arrived}")
    text = text.replace("groups:\n", "groups:\n  arrived: {where: {tags: moved}}\n")
    (site.inventory / "site.yaml").write_text(text)
    code, output = site.make_plan("--detailed-exitcode")
    assert code == 3, output
    (told,) = (line for line in output.splitlines() if "CX604" in line)
    assert f"{etc}/moved.macs on new" in told
    assert f"{etc}/coexist.yaml" in told
    assert "+++ /dev/null" in output
    code, output = site.apply()
    assert code == 0, output
    names = {path.name for path in files_of(site) if path.parent == etc}
    assert names == {"arrived.macs", "coexist.yaml", "known.macs"}
    assert site.make_plan("--detailed-exitcode")[0] == 0
    code, output = site.run("rollback", site.inventory, "--ssh-config", site.config)
    assert code == 0, output
    assert files_of(site) == old_files
    assert stat.S_IMODE((etc / "moved.macs").stat().st_mode) == 0o640


def test_a_plan_that_does_not_pass_the_check_needs_a_reason(before):
    site = before
    text = (site.inventory / "site.yaml").read_text()
    (site.inventory / "site.yaml").write_text(text.replace("not-yet-moved}", "thin-clients}", 1))
    site.plan.unlink(missing_ok=True)
    code, output = site.make_plan()
    assert code == 1, output
    assert "--reason" in output
    assert not site.plan.exists()
    code, output = site.make_plan("--reason", "both for the fair")
    assert code == 0, output
    assert json.loads(site.plan.read_text())["reason"] == "both for the fair"


def test_the_probe_agrees_with_the_inventory_and_says_what_does_not(before):
    site = before
    assert site.make_plan()[0] == 0
    assert site.apply()[0] == 0
    code, output = site.run("probe", "-i", "eth0", "--wait", "5", "--expect", site.inventory)
    assert code == 0, output
    site.declare(moved=False)
    code, output = site.run("probe", "-i", "eth0", "--wait", "5", "--expect", site.inventory)
    assert code == 1, output
    assert "CX702" in output
    assert "CX703" in output


def test_more_than_a_third_of_the_clients_needs_force(before):
    site = before
    rows = (site.inventory / "clients.csv").read_text()
    for name in ("tc-3", "tc-4"):
        rows = rows.replace(f"{name},igel-ud3,bios,office,", f"{name},igel-ud3,bios,office,moved")
    (site.inventory / "clients.csv").write_text(rows)
    code, output = site.make_plan()
    assert code == 0, output
    code, output = site.apply()
    assert code == 2, output
    assert "new (40%), old (50%)" in output
