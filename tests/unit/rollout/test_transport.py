"""An ssh configuration that cannot be followed is one sentence, before any connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.errors import HostError
from coexist.rollout.present import Target, read_present
from coexist.rollout.transport import Address, SshSettings

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


def test_known_hosts_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "known").write_bytes(b"\xff\xfe")
    (tmp_path / "config").write_text(f"Host *\n UserKnownHostsFile {tmp_path}/known\n")
    with pytest.raises(HostError, match=r"the ssh configuration for nowhere\.invalid cannot be followed"):
        SshSettings(config=tmp_path / "config").connect(ADDRESS)


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
