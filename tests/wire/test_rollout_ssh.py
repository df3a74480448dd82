"""The administrator's own ssh configuration is followed: jump hosts, keys, known hosts."""

from __future__ import annotations

import subprocess

import pytest

from coexist.errors import HostError
from coexist.rollout.ssh import SshSettings
from coexist.rollout.transport import Address, ConnectionLostError, Finished
from tests.harness.network import Network
from tests.harness.sshd import client_config, client_key, start_sshd

pytestmark = pytest.mark.needs("sshd", "unshare")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A desk that reaches a server only through two jump hosts, one behind the other."""
    folder = tmp_path_factory.mktemp("desk")
    key = client_key(folder)
    with Network() as network:
        for name, subnet in (
            ("office", "10.77.0.0/24"),
            ("middle", "10.78.0.0/24"),
            ("inner", "10.79.0.0/24"),
        ):
            network.vlan(name, subnet)
        desk = network.host("desk", {"office": "10.77.0.9"})
        first = network.host("first", {"office": "10.77.0.2", "middle": "10.78.0.2"})
        second = network.host("second", {"middle": "10.78.0.3", "inner": "10.79.0.3"})
        server = network.host("server", {"inner": "10.79.0.5"})
        servers = [start_sshd(host, key) for host in (first, second, server)]
        config = client_config(folder, key, servers)
        yield desk, config, servers


def with_lines(config, text):
    # The first value found counts, so stanzas of single hosts come first.
    path = config.with_name(f"config-{abs(hash(text))}")
    path.write_text(text + config.read_text())
    return path


def ask(desk, config, address, script="hostname -I 2>/dev/null; echo here"):
    def run():
        connection = SshSettings(config=config, connect_seconds=5).connect(address)
        try:
            return connection.run(script)
        finally:
            connection.close()

    return desk.namespace.call(run)


def test_through_two_jump_hosts_and_by_a_nickname(site):
    desk, config, servers = site
    config = with_lines(
        config, "Host deep\n  HostName 10.79.0.5\n  ProxyJump 10.77.0.2,deploy@10.78.0.3:22\n"
    )
    servers[2].fault()
    finished = ask(desk, config, Address(name="server", host="deep"))
    assert finished.code == 0
    assert finished.stdout.endswith(b"here\n")
    assert servers[2].commands == 1
    with pytest.raises(HostError, match="cannot be reached"):
        ask(desk, config, Address(name="server", host="10.79.0.5"))


def test_a_chain_of_single_jumps(site):
    desk, config, _ = site
    config = with_lines(
        config, "Host 10.79.0.5\n  ProxyJump 10.78.0.3\nHost 10.78.0.3\n  ProxyJump 10.77.0.2\n"
    )
    assert ask(desk, config, Address(name="server", host="10.79.0.5")).code == 0


def test_jump_hosts_in_a_circle_are_one_sentence(site):
    desk, config, _ = site
    config = with_lines(config, "Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    with pytest.raises(HostError, match=r"^server: .* [ab] .*\bProxyJump\b"):
        ask(desk, config, Address(name="server", host="a"))


def test_a_jump_host_that_cannot_reach_the_server_says_so(site):
    desk, config, _ = site
    config = with_lines(config, "Host nowhere\n  HostName 10.79.0.77\n  ProxyJump 10.77.0.2\n")
    with pytest.raises(HostError, match=r"the jump host 10\.77\.0\.2 cannot reach 10\.79\.0\.77"):
        ask(desk, config, Address(name="server", host="nowhere"))


def test_a_key_that_is_not_accepted(site, tmp_path):
    desk, config, _ = site
    other = client_key(tmp_path)
    path = tmp_path / "config"
    path.write_text(config.read_text().replace(str(config.parent / "id_ed25519"), str(other)))
    with pytest.raises(HostError, match=r"^first: 10\.77\.0\.2 .*\bkeys\b"):
        ask(desk, path, Address(name="first", host="10.77.0.2"))


def test_a_command_that_says_nothing_is_given_up(site):
    desk, config, _ = site

    def run():
        connection = SshSettings(config=config, connect_seconds=5).connect(
            Address(name="first", host="10.77.0.2")
        )
        try:
            connection.run("sleep 60", seconds=0.5)
        finally:
            connection.close()

    with pytest.raises(ConnectionLostError, match="it hangs"):
        desk.namespace.call(run)


def test_a_daemon_that_keeps_the_output_open_does_not_hold_the_command(site):
    desk, config, _ = site
    finished = ask(desk, config, Address(name="first", host="10.77.0.2"), "sleep 30 & echo started")
    assert (finished.code, finished.stdout) == (0, b"started\n")


def test_much_output_and_input_arrive_whole(site):
    desk, config, _ = site
    content = bytes(range(256)) * 8192

    def run():
        connection = SshSettings(config=config).connect(Address(name="first", host="10.77.0.2"))
        try:
            return connection.run("cat", stdin=content)
        finally:
            connection.close()

    assert desk.namespace.call(run).stdout == content


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """A server that is known by its certificate alone, and a configuration with Match and Include."""
    folder = tmp_path_factory.mktemp("certified")
    key = client_key(folder)
    authority = folder / "authority"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", authority], check=True)
    with Network() as network:
        network.vlan("office", "10.77.0.0/24")
        desk = network.host("desk", {"office": "10.77.0.9"})
        server = start_sshd(network.host("server", {"office": "10.77.0.2"}), key)
        sign = ["ssh-keygen", "-q", "-s", authority, "-I", "x", "-h", "-n", "10.77.0.2"]
        subprocess.run([*sign, server.folder / "host_key.pub"], check=True)
        with (server.folder / "sshd_config").open("a") as settings:
            settings.write(f"HostCertificate {server.folder}/host_key-cert.pub\n")
        server.restart()
        config = client_config(folder, key, [server])
        public = " ".join(authority.with_suffix(".pub").read_text().split()[:2])
        (folder / "known_hosts").write_text(f"@cert-authority 10.77.0.* {public}\nodd line\n")
        (folder / "more").write_text("Host server\n  HostName 10.77.0.2\n")
        config.write_text(f"Include {folder}/more\nMatch all\n{config.read_text()}")
        yield desk, config, server


def openly(desk, config, address, do):
    def run():
        connection = SshSettings(config=config, connect_seconds=5).connect(address)
        try:
            return do(connection)
        finally:
            connection.close()

    return desk.namespace.call(run)


def test_openssh_follows_certificates_match_and_include(certified):
    desk, config, _ = certified
    address = Address(name="server", host="server")

    def talk(connection):
        said = connection.run("cat; echo oops >&2; exit 7", stdin=b"x" * 300_000)
        # What a command leaves running with its output open is not waited for.
        left = connection.run("sleep 60 & echo begun")
        lock = connection.hold("exec cat")
        held = not isinstance(lock, Finished)
        if held:
            lock.release()
        refused = connection.hold("echo no >&2; exit 3")
        return type(connection).__name__, said, left, held, refused

    kind, said, left, held, refused = openly(desk, config, address, talk)
    assert kind == "OpenSshConnection"
    assert (said.code, said.stdout, said.stderr) == (7, b"x" * 300_000, b"oops\n")
    assert (left.code, left.stdout) == (0, b"begun\n")
    assert held
    assert (refused.code, refused.stderr) == (3, b"no\n")


def test_openssh_refuses_a_key_that_nobody_vouches_for(certified):
    desk, config, _ = certified
    known = config.with_name("known_hosts")
    before = known.read_text()
    known.write_text(before.replace("10.77.0.*", "10.99.0.*"))
    try:
        with pytest.raises(HostError, match="server: "):
            openly(
                desk, config, Address(name="server", host="server"), lambda connection: connection.run("true")
            )
    finally:
        known.write_text(before)


def test_a_connection_of_openssh_that_dies_is_lost(certified):
    desk, config, server = certified
    server.fault("cut-line", 1)
    with pytest.raises(ConnectionLostError):
        openly(
            desk, config, Address(name="server", host="server"), lambda connection: connection.run("sleep 1")
        )
    server.fault()
