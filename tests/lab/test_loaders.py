"""Boot loaders of Debian's packages on real firmware: what each asks of whom is predicted."""

from __future__ import annotations

import pytest

from tests.recording.chains import LOADERS, chains
from tests.recording.recorder import record
from tests.truth import judge

SCENARIOS = {scenario["id"]: scenario for scenario in chains()}
QUICK = ("N-proxy-pxelinux.0@ipxe",)
SLOW = (
    "N-proxy-next-grubnetx64.efi@uefi",
    "N-coexist-shimx64.efi@uefi",
    "N-missing-ldlinux.e64-syslinux.efi@uefi",
)
FILES = sorted({
    content["from"] for scenario in chains() for server in scenario["servers"]
    for content in server.get("files", {}).values() if "from" in content
})  # fmt: skip


@pytest.mark.needs("dhcpd", "dnsmasq", "in.tftpd", *FILES)
@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_what_a_loader_asks_is_predicted(name: str) -> None:
    row = record(SCENARIOS[name])
    report = judge(row)
    assert report["agrees"], (report["why"], row["stages"], row["ended"])


def test_every_loader_has_scenarios() -> None:
    assert {scenario["loader"] for scenario in chains()} == {*LOADERS, "ipxe"}
