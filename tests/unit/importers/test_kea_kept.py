"""What says how Kea runs stands in the rendered file too; secrets and unknown hooks keep the old one."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from coexist.importers import Imported, import_files
from coexist.importers.written import site_yaml
from coexist.inventory import load_inventory
from coexist.render import RenderedSite, render_site

SUBNET = {"subnet": "10.9.0.0/24", "id": 4, "pools": [{"pool": "10.9.0.10 - 10.9.0.90"}]}
RUNS = {
    "interfaces-config": {"interfaces": ["lan0"]},
    "control-socket": {"socket-type": "unix", "socket-name": "/run/kea/four.sock"},
    "lease-database": {"type": "memfile", "lfc-interval": 1800},
    "loggers": [{"name": "kea-dhcp4", "severity": "WARN"}],
    "ddns-update-on-renew": True,
    "renew-timer": 700,
    "rebind-timer": 1300,
}
LEGAL_LOG = {"library": "/usr/lib/kea/hooks/libdhcp_legal_log.so", "parameters": {"path": "/var/log/kea"}}
RADIUS = {"library": "/usr/lib/kea/hooks/libdhcp_radius.so"}


def imported(tmp_path: Path, **keywords: Any) -> Imported:
    path = tmp_path / "kea.json"
    path.write_text(json.dumps({"Dhcp4": {"subnet4": [SUBNET], **keywords}}))
    return import_files("kea", [path], address=IPv4Address("10.9.0.1"))


def rendered(found: Imported, tmp_path: Path) -> tuple[RenderedSite, dict[str, Any]]:
    (tmp_path / "site.yaml").write_text(site_yaml(found))
    site = render_site(load_inventory(tmp_path))
    return site, json.loads(site.files["dhcp"][0].content)["Dhcp4"]


def test_how_the_daemon_runs_is_carried_over(tmp_path: Path) -> None:
    site, dhcp4 = rendered(imported(tmp_path, **RUNS, **{"hooks-libraries": [LEGAL_LOG]}), tmp_path)
    assert {key: dhcp4[key] for key in RUNS} == RUNS
    assert dhcp4["hooks-libraries"] == [LEGAL_LOG]
    assert not site.findings


def test_a_hook_that_may_do_anything_keeps_the_file(tmp_path: Path) -> None:
    found = imported(tmp_path, **{"hooks-libraries": [LEGAL_LOG, RADIUS]})
    (lost,) = found.tree["servers"]["dhcp"]["left_out"]
    assert "libdhcp_radius.so" in lost
    site, _ = rendered(found, tmp_path)
    assert [finding.code.code for finding in site.findings] == ["CX524"]


def test_a_secret_is_not_carried_over(tmp_path: Path) -> None:
    database = {"type": "postgresql", "name": "kea", "user": "kea", "password": "Vogelhaus7"}
    found = imported(tmp_path, **{"lease-database": database})
    assert "lease-database" not in found.tree["servers"]["dhcp"].get("settings", {})
    assert "Vogelhaus7" not in site_yaml(found)
    site, _ = rendered(found, tmp_path)
    assert [finding.code.code for finding in site.findings] == ["CX524"]
