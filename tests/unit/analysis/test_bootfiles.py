"""What boot programs are, by their names."""

from __future__ import annotations

import pytest

from coexist.analysis.bootfiles import chained_architecture, follows_lease, is_ipxe_program, runs_on_bios


@pytest.mark.parametrize(
    "file",
    ["undionly.kpxe", "/boot/ipxe.efi", "ipxe\\SNPONLY.EFI", "ipxe-arm64.efi", "undionly.0",
     "ipxe.efi.signed", "http://10.0.0.1/ipxe.efi", "http://10.0.0.1/snponly.efi?mac=1", "undionly"],
)  # fmt: skip
def test_builds_of_ipxe_are_known(file: str) -> None:
    assert is_ipxe_program(file)


@pytest.mark.parametrize(
    "file",
    ["boot.ipxe", "ipxe.php", "http://10.0.0.1/ipxe.cfg", "ipxe/pxelinux.0", "snapshot.img", "bootx64.efi"],
)
def test_scripts_and_other_programs_are_not_ipxe(file: str) -> None:
    assert not is_ipxe_program(file)


@pytest.mark.parametrize(
    ("file", "bios"),
    [("pxelinux.0", True), ("x/undionly.kpxe", True), ("snponly.efi", False), ("menu", None)],
)
def test_what_a_program_runs_on(file: str, bios: bool | None) -> None:
    assert runs_on_bios(file) is bios


def test_shim_and_grub_follow_the_lease() -> None:
    assert follows_lease("EFI/shimx64.efi")
    assert not follows_lease("snponly.efi")


@pytest.mark.parametrize(
    ("architecture", "file", "again"),
    [
        ("uefi-x64", "snponly.efi", "uefi-x64"),
        ("http-x64", "http://10.0.0.1/ipxe.efi", "uefi-x64"),
        ("bios", "undionly.kpxe", "bios"),
        ("bios", "snponly.efi", None),
        ("uefi-x64", "undionly.kpxe", None),
        ("uefi-x64", "bootx64.efi", None),
    ],
)
def test_the_architecture_ipxe_asks_under(architecture: str, file: str, again: str | None) -> None:
    assert chained_architecture(architecture, file) == again
