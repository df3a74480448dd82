"""A step of a migration over SSH: recorded, refused where someone edited, resumed where the way broke."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from coexist.server.config import load_config
from tests.harness.network import Host, Network
from tests.harness.sshd import Sshd, client_config, client_key, start_sshd
from tests.unit.planning.sites import tree

pytestmark = [pytest.mark.needs("sshd", "sudo"), pytest.mark.timeout(300), pytest.mark.untimed]
MACS = range(0x00155D000000, 0x00155D00000C)
PILOTS = {0x00155D000001, 0x00155D000004}


@dataclass
class Site:
    """The desk an administrator sits at, and the two servers."""

    desk: Host
    sshds: dict[str, Sshd]
    folder: Path
    config: Path

    def migrate(self, word: str, *words: str) -> subprocess.CompletedProcess[str]:
        argv: list[str | Path] = [sys.executable, "-m", "coexist", "migrate", word, self.folder]
        argv += ["--ssh-config", self.config, *words]
        return subprocess.run(self.desk.namespace.command(argv), capture_output=True, text=True, check=False)

    def served(self, server: str) -> set[int]:
        """Whom the configuration on a server serves."""
        policy = load_config(self.sshds[server].host.directory / "etc" / "coexist.yaml").policy
        return {mac for mac in MACS if policy.rule_for(mac, 0) is not None}

    @property
    def state(self) -> Any:
        return yaml.safe_load((self.folder / "migrations" / "up.yaml").read_text())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Network() as network:
        network.vlan("office", "10.10.0.0/16")
        key = client_key(tmp_path)
        plain = tree(pilots="pilot-machines", waves=[{"name": "rest"}], gate={"checklist": False}, settle=0)
        sshds = {}
        for name, address in (("old", "10.10.0.6"), ("new", "10.10.0.7")):
            host = network.host(name, {"office": address})
            (host.directory / "etc").mkdir()
            sshds[name] = start_sshd(host, key, sudo=["ALL"])
            plain["servers"][name]["deploy"] = {
                "host": address,
                "sudo": True,
                "paths": {"*": str(host.directory / "etc")},
                "check": f"{sys.executable} -m coexist serve {{path}} --check",
                "reload": "/bin/true",
                "status": "/bin/true",
            }
        folder = tmp_path / "site"
        folder.mkdir()
        (folder / "site.yaml").write_text(yaml.safe_dump(plain))
        config = client_config(tmp_path, key, list(sshds.values()))
        yield Site(network.host("desk", {"office": "10.10.0.2"}), sshds, folder, config)


def test_a_wave_there_and_back(site: Site) -> None:
    done = site.migrate("next", "--yes")
    assert done.returncode == 0, done.stderr
    assert site.served("new") == PILOTS
    assert site.served("old") == set(MACS) - PILOTS
    records = sorted((site.folder / "history").glob("*/record.json"))
    assert len(records) == 4
    back = site.migrate("back", "--yes")
    assert back.returncode == 0, back.stderr
    assert (site.served("old"), site.served("new")) == (set(MACS), set())


def test_what_was_edited_on_a_server_is_not_overwritten(site: Site) -> None:
    assert site.migrate("next", "--yes").returncode == 0
    file = site.sshds["old"].host.directory / "etc" / "coexist.yaml"
    file.write_text(file.read_text() + "# a note of ours\n")
    refused = site.migrate("back", "--yes")
    assert refused.returncode == 4
    assert str(file) in refused.stderr
    assert "--overwrite" in refused.stderr
    assert "# a note of ours" in file.read_text()
    assert site.state["step"]["done"] == 0
    assert site.migrate("next", "--yes", "--overwrite").returncode == 0
    assert site.served("old") == set(MACS)


@pytest.mark.parametrize(("fault", "at"), [("cut-during", 4)])
def test_the_way_to_a_server_breaks(site: Site, fault: str, at: int) -> None:
    site.sshds["old"].fault(fault, at)
    runs = [site.migrate("next", "--yes")]
    site.sshds["old"].fault()
    while "step" in site.state and len(runs) < 4:
        runs.append(site.migrate("next", "--yes"))
    assert "step" not in site.state, runs[-1].stderr
    assert site.served("new") == PILOTS
    assert site.served("old") == set(MACS) - PILOTS
    assert [wave["name"] for wave in site.state["waves"]] == ["pilots"]
