"""What a boot file is, by its octets."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.boot.loaders.content import CA_2011, CA_2023, inspect
from tests.unit.boot.loaders.programs import ARM64, IA32, X64, efi_program


@pytest.mark.parametrize(("machine", "name"), [(X64, "x64"), (IA32, "ia32"), (ARM64, "arm64"), (7, "0x7")])
def test_the_machine_of_a_uefi_program(machine: int, name: str) -> None:
    assert inspect(efi_program(machine)).machine == name


def test_what_is_no_uefi_program_has_no_machine() -> None:
    assert inspect(efi_program(subsystem=3)).machine is None
    assert inspect(b"MZ but no program").machine is None
    assert inspect(b"").machine is None


@pytest.mark.parametrize(
    ("section", "loader"),
    [
        ((b".sbat", b"sbat,1,SBAT Version,sbat,1,url\nshim,4,UEFI shim,shim,1,url\n"), "shim"),
        ((b".sbat", b"sbat,1,SBAT Version\ngrub,4,Free Software Foundation,grub,2.06,url\n"), "grub"),
        ((b".sbat", b"sbat,1,x\ngrub,3,FSF,grub,2.06,u\ngrub.rh,2,Red Hat,grub2,2.06,u\n"), "grub-redhat"),
        ((b".text", b"see http://ipxe.org/04 for it"), "ipxe"),
        ((b".text", b"User-Agent: Syslinux/6.03"), "syslinux-efi"),
        ((b".text", "bootmgfw.efi".encode("utf-16-le")), "bootmgfw"),
        ((b".text", b"something else"), None),
    ],
)
def test_a_uefi_loader_is_known_by_its_marks(section: tuple[bytes, bytes], loader: str | None) -> None:
    assert inspect(efi_program(section=section)).loader == loader


@pytest.mark.parametrize(
    ("octets", "loader"),
    [
        (b"..PXELINUX 6.03 PXE 2014", "pxelinux"), (b"..PXELINUX 6.03 lwIP 2014", "lpxelinux"),
        (b"....PXE->EB:....", "ipxe"), (b"....GRUB ....", "grub-core"), (b"anything", None),
    ],
)  # fmt: skip
def test_a_bios_loader_is_known_by_its_marks(octets: bytes, loader: str | None) -> None:
    assert inspect(octets).loader == loader


def test_who_signed_is_read() -> None:
    old, new = CA_2011[0], CA_2023[0]
    both = inspect(efi_program(signers=(old, new)))
    assert both.signers == (old, new)
    assert both.authorities == {"2011", "2023"}
    assert inspect(efi_program(signers=(old,))).authorities == {"2011"}
    own = inspect(efi_program(signers=("Example Secure Boot CA",)))
    assert (own.signers, own.authorities) == (("Example Secure Boot CA",), frozenset())
    assert inspect(efi_program()).signers == ()


@given(st.integers(0, 1000), st.binary(max_size=40))
def test_damaged_files_never_raise(at: int, octets: bytes) -> None:
    whole = efi_program(signers=())
    inspect(whole[:at] + octets + whole[at + len(octets) :])
    inspect(whole[:at])


@pytest.mark.parametrize(
    ("file", "machine", "loader"),
    [
        pytest.param(file, machine, loader, marks=pytest.mark.needs(file))
        for file, machine, loader in (
            ("/usr/lib/ipxe/undionly.kpxe", None, "ipxe"),
            ("/usr/lib/ipxe/snponly.efi", "x64", "ipxe"),
            ("/usr/lib/PXELINUX/pxelinux.0", None, "pxelinux"),
            ("/usr/lib/PXELINUX/lpxelinux.0", None, "lpxelinux"),
            ("/usr/lib/SYSLINUX.EFI/efi64/syslinux.efi", "x64", "syslinux-efi"),
            ("/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed", "x64", "grub"),
            ("/usr/lib/shim/shimx64.efi.signed", "x64", "shim"),
        )
    ],
)
def test_the_loaders_of_debian(file: str, machine: str | None, loader: str) -> None:
    about = inspect(Path(file).read_bytes())
    assert (about.machine, about.loader) == (machine, loader)
