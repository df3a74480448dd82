"""``make demo``: what a newcomer runs first."""

from __future__ import annotations

import subprocess

import pytest

from tests.conftest import ROOT
from tests.harness.firmware import NEEDS

DEMO = ROOT / "scripts" / "demo.sh"


@pytest.mark.needs("dhcpd", *NEEDS["ipxe"], *NEEDS["edk2"])
def test_it_boots_what_it_predicts():
    shown = subprocess.run([DEMO], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout[-3000:] + shown.stderr
    assert shown.stdout.count("\n  as predicted\n") == 3
    assert [line for line in shown.stdout.splitlines() if len(line) > 80] == []


@pytest.mark.needs("unshare")
def test_without_root_it_says_what_it_left_out():
    # In a user namespace without a mapping nobody is root, and no sudo helps.
    shown = subprocess.run(["unshare", "--user", DEMO], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout[-3000:] + shown.stderr
    assert "Left out: " in shown.stdout
    assert "OUT/otc/coexist.yaml" in shown.stdout
