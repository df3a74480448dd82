"""``coexist plan``: what a product cannot keep is said, and an error of it ends the plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.cli import run

SITE = """\
site: small
vlans: {lab: {id: 1, subnet: 10.0.0.0/24, gateway: 10.0.0.1}}
servers:
  dhcp: {software: kea 2.2, address: 10.0.0.2, vlan: lab}
  boot:
    software: dnsmasq
    roles: [proxydhcp, tftp]
    address: 10.0.0.3
    vlan: lab
    delay: DELAY
    programs: {bios: a.0}
scopes: {lab: {server: dhcp, vlan: lab, pools: [10.0.0.100-10.0.0.200], options: {3: 10.0.0.1}}}
architectures: {bios: ipxe}
intent: [{clients: everyone, boot_from: boot}]
EXTRA
"""


@pytest.mark.parametrize(
    ("delay", "extra", "code", "said"),
    [
        ("1.5", "", 0, ["CX505"]),
        ("{secs_at_least: 4}", "", 1, ["CX502"]),
        ("1", "", 0, []),
        ("{secs_at_least: 4}", "suppress: [{code: CX502, reason: a test of it}]", 0, []),
    ],
)
def test_what_a_product_cannot_keep_belongs_to_the_plan(
    delay: str, extra: str, code: int, said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.yaml").write_text(SITE.replace("DELAY", delay).replace("EXTRA", extra))
    assert run(["plan", str(tmp_path)]) == code
    text = capsys.readouterr().err
    assert [word for word in ("CX502", "CX505") if word in text] == said
    assert run(["check", str(tmp_path), "--fail-on", "error"]) == code
    text = capsys.readouterr().out
    assert [word for word in ("CX502", "CX505") if word in text] == said
