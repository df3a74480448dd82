"""An ssh configuration that cannot be followed is one sentence, before any connection."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from coexist.errors import HostError
from coexist.rollout.known_hosts import load_lines
from coexist.rollout.openssh import why_needed
from coexist.rollout.present import Target, read_present
from coexist.rollout.ssh import SshSettings
from coexist.rollout.transport import Address

# RFC 6761: nobody has this name.
ADDRESS = Address(name="otc", host="nowhere.invalid")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"Host *\n Port abc\n", "otc: Port 'abc' in the ssh configuration is no number"),
        (
            b"Host *\n ConnectTimeout soon\n",
            "otc: ConnectTimeout 'soon' in the ssh configuration is no number",
        ),
        (b"Host *\n ProxyJump a:b\n", "otc: ProxyJump 'a:b' in the ssh configuration is not HOST"),
        (b'Host *\n ProxyCommand "unclosed\n', "cannot be"),
        (b"Host *\n ProxyCommand /none/x\n", "otc: nowhere.invalid cannot be reached"),
        (b"Host *\n ProxyJump\n", "cannot be read as an ssh configuration"),
        (b"\xff\xfe", "cannot be read as an ssh configuration"),
    ],
)
def test_a_setting_that_cannot_be_followed(tmp_path: Path, text: bytes, why: str) -> None:
    path = tmp_path / "config"
    path.write_bytes(text)
    with pytest.raises(HostError) as caught:
        SshSettings(config=path, connect_seconds=5).connect(ADDRESS)
    assert why in str(caught.value)


KEY = paramiko.ECDSAKey.generate()
OTHER = paramiko.ECDSAKey.generate()


def line(names: str, key: paramiko.PKey = KEY) -> str:
    return f"{names} {key.get_name()} {key.get_base64()}"


ODD = [
    b"\xff\xfe",
    b"host ssh-rsa AAAA(no-base64)",
    b"host ssh-rsa",
    b"host",
    b"host ssh-unheard-of AAAA",
    b"@cert-authority *.example " + line("x")[2:].encode(),
    b"@unheard-of x y z",
    b"|1|odd|odd ssh-rsa AAAA",
    b"\0",
    b"x" * 100_000,
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_line_of_known_hosts_is_only_a_line(tmp_path: Path, odd: bytes) -> None:
    path = tmp_path / "known"
    path.write_bytes(
        line("before.example,10.0.0.1").encode() + b"\n" + odd + b"\n" + line("after.example").encode()
    )
    client = paramiko.SSHClient()
    load_lines(client, path)
    known = client.get_host_keys()
    for name in ("before.example", "10.0.0.1", "after.example"):
        assert known.check(name, KEY)
    assert not known.check("after.example", OTHER)
    client.close()


def test_a_revoked_key_is_nobodys(tmp_path: Path) -> None:
    path = tmp_path / "known"
    hashed = paramiko.HostKeys.hash_host("secret.example")
    path.write_text("\n".join((line("a.example"), line(hashed, OTHER), "@revoked " + line("*"))))
    client = paramiko.SSHClient()
    load_lines(client, path)
    assert client.get_host_keys().lookup("a.example") is None
    assert client.get_host_keys().check("secret.example", OTHER)
    client.close()


@pytest.mark.parametrize(
    ("config", "known", "needed"),
    [
        ("Host *\n User x\n", line("a"), False),
        ("Host *\n User x\n # Match all\n", "# @revoked\n" + line("a"), False),
        ("Include other\n", "", True),
        ("Host *\n  match host x\n", "", True),
        ("Host *\n  CertificateFile x\n", "", True),
        ("", "@cert-authority * " + line("x"), True),
        ("", "@revoked " + line("*"), True),
        ("", "a sk-ssh-ed25519@openssh.com AAAA x\n", True),
        ("", "a ssh-ed25519-cert-v01@openssh.com AAAA x\n", True),
    ],
)
def test_what_only_openssh_follows(tmp_path: Path, config: str, known: str, needed: bool) -> None:
    (tmp_path / "known").write_text(known)
    (tmp_path / "config").write_text(config + f"Host *\n  UserKnownHostsFile {tmp_path}/known\n")
    assert (why_needed(tmp_path / "config", ()) is not None) == needed


def test_a_server_that_could_not_be_read_is_told_as_failed() -> None:
    heard: list[tuple[str, str]] = []

    def connect(address: Address) -> None:
        raise HostError(f"{address.name}: cannot be reached")

    present = read_present(
        [Target(address=ADDRESS, paths=("/etc/x",))],
        connect,  # type: ignore[arg-type]  # it never opens one
        parallel=1,
        watch=lambda server, how: heard.append((server, how)),
    )
    assert heard == [("otc", "failed")]
    assert present.failed == {"otc": "otc: cannot be reached"}
