"""From one server to its successor by every way that the plan offers: to the end, with one machine back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from coexist.cli import run

FILES = {"bios": "lpxelinux.0", "uefi-x64": "syslinux64.efi"}
MANAGER = {"roles": ["proxydhcp", "tftp"], "programs": FILES}
PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "openthinclient to openthinclient": (
        {"software": "openthinclient 2021", **MANAGER},
        {"software": "openthinclient 2025", **MANAGER, "answers": "nobody"},
        {},
    ),
    "openthinclient to coexist": (
        {"software": "openthinclient 2021", **MANAGER},
        {"software": "coexist", **MANAGER, "answers": "nobody"},
        {},
    ),
    "coexist to openthinclient": (
        {"software": "coexist", **MANAGER},
        {"software": "openthinclient 2025", **MANAGER, "answers": "nobody"},
        {"software": "kea 2.2"},
    ),
    "dnsmasq to dnsmasq": (
        {"software": "dnsmasq 2.90", **MANAGER},
        {"software": "dnsmasq 2.90", **MANAGER, "answers": "nobody"},
        {},
    ),
    "WDS to Configuration Manager": (
        {"software": "wds"},
        {"software": "configmgr", "answers": {"except": ["thin", "others"]}},
        {"software": "windows-dhcp"},
    ),
    "FOG to coexist": (
        {"software": "generic", **MANAGER},
        {"software": "coexist", **MANAGER, "answers": "nobody"},
        {"software": "dnsmasq 2.90", "roles": ["dhcp"]},
    ),
}


def site(folder: Path, pair: str, **migration: Any) -> Path:
    """The inventory of a pair; nothing of it is reached, so people make every change."""
    old, new, dhcp = PAIRS[pair]
    front = {"software": "coexist", "roles": ["proxydhcp"], "answers": "nobody"}
    servers = {
        "dhcp": {"software": "isc-dhcpd 4.4", **dhcp},
        "old": {"answers": {"only": "thin"}, **old},
        "new": new,
        "front": front,
    }
    for number, server in enumerate(servers.values(), start=5):
        server |= {"address": f"10.10.0.{number}", "vlan": "office"}
    tree = {
        "site": "pair",
        "vlans": {"office": {"id": 10, "subnet": "10.10.0.0/16", "gateway": "10.10.0.1"}},
        "servers": servers,
        "scopes": {"office": {"server": "dhcp", "vlan": "office", "pools": ["10.10.1.0-10.10.9.255"]}},
        "clients": [
            {
                "mac": f"00:15:5d:00:00:{number:02x}",
                "name": f"tc-{number}",
                "location": "hall",
                "hardware": "wyse",
                "architecture": ("uefi-x64", "bios")[number % 2],
            }
            for number in range(4)
        ],
        "groups": {"thin": {"where": {"hardware": "wyse"}}, "others": {"macs": ["00:15:5d:00:01:00"]}},
        "architectures": {"bios": ["ipxe", "pxe21"], "uefi-x64": ["edk2"]},
        "intent": [{"clients": "thin", "boot_from": "old"}],
        "migrations": {
            "up": {
                "from": "old",
                "to": "new",
                "clients": "thin",
                "settle": 0,
                "waves": [{"name": "one", "size": 1}, {"name": "rest"}],
                **migration,
            }
        },
    }
    (folder / "site.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    return folder


def offered(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str | None, str]:
    """The ways that the plan offers for all of its steps with what each costs; None where it needs none."""
    capsys.readouterr()
    run(["migrate", "plan", str(folder), "--format", "json"])
    steps = [step["forward"] for step in json.loads(capsys.readouterr().out)["steps"]]
    offers = [{o["during"]: o["costs"] for o in step["offers"]} for step in steps if "refused" in step]
    if not offers:
        return {None: ""}
    return {way: costs for way, costs in offers[0].items() if all(way in each for each in offers)}


def moved_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every step that is left, by hand."""
    where = str(folder)
    for _ in range(40):
        capsys.readouterr()
        run(["migrate", "plan", where, "--format", "json"])
        to_come = json.loads(capsys.readouterr().out)["steps"]
        state = folder / "migrations" / "up.yaml"
        if not to_come and "step" not in yaml.safe_load(state.read_text(encoding="utf-8")):
            return
        code = run(["migrate", "next", where, "--yes", "--despite-gate", "a test"])
        said = "".join(capsys.readouterr())
        if code == 3:
            code = run(["migrate", "next", where, "--done-by-hand", "--yes"])
        assert code in (0, 3), said + "".join(capsys.readouterr())
    pytest.fail("it comes to no end")


def by_hand(folder: Path, *words: str) -> None:
    """Begin with a command, and make what it lists."""
    code = run(["migrate", words[0], str(folder), *words[1:], "--yes"])
    for _ in range(8):
        if code != 3:
            break
        code = run(["migrate", "next", str(folder), "--done-by-hand", "--yes"])
    assert code == 0


@pytest.mark.parametrize("pair", PAIRS)
def test_every_way_that_is_offered_comes_to_its_end(
    pair: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ways = offered(site(tmp_path, pair), capsys)
    assert ways
    for during, costs in ways.items():
        folder = tmp_path / str(during)
        folder.mkdir()
        chosen: dict[str, Any] = {} if during is None else {"during": during, "window": "00:00-23:59"}
        if during in ("front", "scope"):
            chosen["through"] = {"front": "front", "scope": "dhcp"}[during]
            if "programs" not in PAIRS[pair][0]:
                # The offer says so: their programs are named first.
                assert "programs" in costs
                continue
        site(folder, pair, **chosen)
        assert run(["check", str(folder), "--fail-on", "error"]) == 0, capsys.readouterr().out
        assert run(["migrate", "plan", str(folder)]) == 0, (during, capsys.readouterr().out)
        moved_on(folder, capsys)
        if during in ("front", "scope"):
            # Without what stands between, one machine alone has no way back; it is put in place again.
            assert run(["migrate", "back", str(folder), "--machine", "tc-3", "--yes"]) == 2
            by_hand(folder, "back")
        by_hand(folder, "back", "--machine", "tc-3")
        assert run(["migrate", "retire", str(folder), "--yes", "--done-by-hand"]) == 2
        moved_on(folder, capsys)
        capsys.readouterr()
        assert run(["migrate", "retire", str(folder), "--yes", "--done-by-hand"]) == 0, (
            during,
            capsys.readouterr().err,
        )
        written = yaml.safe_load((folder / "site.yaml").read_text())
        assert "migrations" not in written
        assert written["intent"][0]["boot_from"] == "new"
        assert written["servers"]["old"]["answers"] == "nobody"
        assert run(["check", str(folder), "--fail-on", "error"]) == 0, capsys.readouterr().out
