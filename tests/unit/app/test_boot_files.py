"""``check --files``: boot files that are missing, of another machine, unsigned, or misnamed."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from coexist.analysis.findings import Severity
from coexist.app.check import check
from coexist.cli import run
from tests.unit.boot.loaders.programs import ARM64, efi_program

SBAT = b"sbat,1,SBAT Version,sbat,1,url\n"
SHIM = (b".sbat", SBAT + b"shim,4,UEFI shim,shim,1,url\n")
GRUB = (b".sbat", SBAT + b"grub,4,Free Software Foundation,grub,2.06,url\n")
BOTH = ("Microsoft Corporation UEFI CA 2011", "Microsoft UEFI CA 2023")


def site(folder: Path, programs: str, more: str = "") -> Path:
    place = folder / "site"
    place.mkdir()
    (place / "site.yaml").write_text(
        "site: s\n"
        "vlans: {a: {id: 1, subnet: 192.0.2.0/24, gateway: 192.0.2.1}}\n"
        "servers:\n"
        "  dhcp: {software: isc-dhcpd, address: 192.0.2.2, vlan: a, ping_check: false}\n"
        f"  boot: {{software: coexist, address: 192.0.2.3, vlan: a, programs: {programs}}}\n"
        "scopes: {a: {server: dhcp, vlan: a, next_server: boot, pools: [192.0.2.100-192.0.2.200],"
        " options: {3: 192.0.2.1, 6: 192.0.2.2}}}\n"
        "architectures: {uefi-x64: edk2}\n"
        "intent: [{clients: everyone, boot_from: boot}]\n" + more
    )
    return place


def root(folder: Path, **files: bytes) -> Path:
    place = folder / "tftp"
    for name, content in files.items():
        path = place / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    place.mkdir(exist_ok=True)
    return place


def found(place: Path, *files: Path | str) -> list[tuple[str, str]]:
    report = check(place, date(2026, 1, 1), files=[str(file) for file in files])
    return [(f.code.code, f.message) for f in report.findings]


def codes(place: Path, *files: Path | str) -> list[str]:
    return [code for code, _ in found(place, *files)]


def test_a_whole_chain_has_no_finding(tmp_path: Path) -> None:
    place = site(tmp_path, "{uefi-x64: shimx64.efi}")
    files = root(
        tmp_path,
        shimx64_efi=efi_program(section=SHIM, signers=BOTH),
        grubx64_efi=efi_program(section=GRUB, signers=("Example CA",)),
        grub__grub_cfg=b"echo hello\n",
    )
    assert codes(place) == []
    assert codes(place, files) == []
    assert codes(place, f"boot={files}") == []


def test_what_a_loader_needs_is_looked_for_too(tmp_path: Path) -> None:
    place = site(tmp_path, "{uefi-x64: shimx64.efi}")
    files = root(tmp_path, shimx64_efi=efi_program(section=SHIM, signers=BOTH))
    messages = [message for code, message in found(place, files) if code == "CX429"]
    assert len(messages) == 2
    assert any("grubx64.efi" in message for message in messages)
    assert any("/grub/grub.cfg" in message for message in messages)


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (None, ["CX429"]),
        (efi_program(ARM64, signers=BOTH), ["CX430"]),
        (b"no program", ["CX430"]),
        (efi_program(), ["CX431"]),
        (efi_program(signers=("Example CA",)), ["CX431"]),
        (efi_program(signers=BOTH[:1]), ["CX431"]),
        (efi_program(signers=BOTH), []),
        (efi_program(section=SHIM, signers=BOTH), ["CX432"]),
    ],
)
def test_the_file_itself(tmp_path: Path, content: bytes | None, wrong: list[str]) -> None:
    place = site(tmp_path, "{uefi-x64: menu.efi}")
    files = root(tmp_path, **({} if content is None else {"menu_efi": content}))
    assert codes(place, files) == wrong


def test_then_says_what_a_name_does_not(tmp_path: Path) -> None:
    place = site(tmp_path, "{uefi-x64: {file: menu.efi, then: grub}}")
    files = root(tmp_path, menu_efi=efi_program(section=GRUB, signers=BOTH), grub__grub_cfg=b"x")
    assert codes(place, files) == []


def test_a_file_is_never_looked_for_outside_of_its_directory(tmp_path: Path) -> None:
    place = site(tmp_path, "{uefi-x64: ../secret.efi}")
    (tmp_path / "secret.efi").write_bytes(efi_program(signers=BOTH))
    files = root(tmp_path)
    assert codes(place, files) == ["CX429"]
    (files / "link.efi").symlink_to(tmp_path / "secret.efi")
    other = site(tmp_path / "tftp", "{uefi-x64: link.efi}")
    assert codes(other, files) == ["CX429"]


def test_a_rendered_tree_has_a_directory_for_each_server(tmp_path: Path) -> None:
    place = site(tmp_path, "{uefi-x64: menu.efi}")
    tree = tmp_path / "out"
    (tree / "boot").mkdir(parents=True)
    (tree / "boot" / "menu.efi").write_bytes(efi_program(signers=BOTH))
    assert codes(place, tree) == []


def test_a_suppression_of_a_file_is_known_with_and_without_them(tmp_path: Path) -> None:
    accepted = "suppress: [{code: CX431, reason: no Secure Boot here}]\n"
    place = site(tmp_path, "{uefi-x64: menu.efi}", accepted)
    files = root(tmp_path, menu_efi=efi_program())
    assert codes(place) == []
    assert codes(place, files) == []


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = site(tmp_path, "{uefi-x64: menu.efi}")
    files = root(tmp_path)
    assert run(["check", str(place), "--files", str(files), "--format", "json"]) == 1
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [finding["code"] for finding in document["findings"]] == ["CX429"]
    assert run(["check", str(place), "--files", str(tmp_path / "nowhere")]) == 2


@pytest.mark.parametrize(
    ("files", "missing"),
    [
        ({}, "shimx64.efi"),
        ({"shimx64_efi": b"x"}, "grubx64.efi"),
        ({"shimx64_efi": b"x", "grubx64_efi": b"x"}, "grub.cfg"),
        ({"shimx64_efi": b"x", "grubx64_efi": b"x", "grub__grub_cfg": b"x"}, None),
    ],
)
def test_explain_says_where_a_boot_ends_for_want_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: dict[str, bytes], missing: str | None
) -> None:
    place, there = site(tmp_path, "{uefi-x64: shimx64.efi}"), root(tmp_path, **files)
    arguments = ["explain", str(place), "52:54:00:00:00:01", "--files", str(there)]
    assert run([*arguments, "--format", "json"]) == 0
    (chain,) = json.loads(capsys.readouterr().out)["chain"]
    assert (missing or "nothing") in (chain["missing"] or "nothing")
    assert run(arguments) == 0
    assert ("ENDS: " in capsys.readouterr().out) == (missing is not None)


ORDER = ("uefi-x64: edk2", "uefi-x64: uefi-boot-order")


def by_entries(folder: Path, programs: str) -> Path:
    place = site(folder, programs)
    text = (place / "site.yaml").read_text()
    (place / "site.yaml").write_text(text.replace(*ORDER))
    return place


def test_a_machine_that_goes_on_to_its_next_boot_entry_is_warned_about(tmp_path: Path) -> None:
    programs = '{uefi-x64: lost.efi, http-x64: "http://192.0.2.3/thin.efi"}'
    place = by_entries(tmp_path, programs)
    files = root(tmp_path, thin_efi=efi_program(signers=BOTH))
    report = check(place, date(2026, 1, 1), files=[str(files)])
    (missing,) = [finding for finding in report.findings if finding.code.code == "CX429"]
    assert missing.severity is Severity.WARNING
    assert "http://192.0.2.3/thin.efi of boot" in missing.message


def test_without_another_entry_that_is_answered_it_is_an_error(tmp_path: Path) -> None:
    place = by_entries(tmp_path, "{uefi-x64: lost.efi}")
    report = check(place, date(2026, 1, 1), files=[str(root(tmp_path))])
    (missing,) = [finding for finding in report.findings if finding.code.code == "CX429"]
    assert missing.severity is Severity.ERROR


def test_explain_follows_the_next_boot_entry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = by_entries(tmp_path, '{uefi-x64: lost.efi, http-x64: "http://192.0.2.3/thin.efi"}')
    files = root(tmp_path, thin_efi=b"")
    asked = ["explain", str(place), "02:00:5e:00:00:01", "--arch", "uefi-x64", "--format", "json"]
    assert run([*asked, "--files", str(files)]) == 0
    lost = json.loads(capsys.readouterr().out)["chain"][0]
    assert lost["file"] == "lost.efi"
    assert lost["next_entry"]["file"] == "http://192.0.2.3/thin.efi"
    assert run([*asked, "--files", str(root(tmp_path, lost_efi=b""))]) == 0
    assert json.loads(capsys.readouterr().out)["chain"][0]["next_entry"] is None


OWN = """
site: s
vlans: {a: {id: 1, subnet: 192.0.2.0/24, gateway: 192.0.2.1}}
servers:
  dhcp: {software: dnsmasq, address: 192.0.2.2, vlan: a, roles: [dhcp, tftp], config: own.conf}
architectures: {bios: ipxe}
intent: [{clients: everyone, boot_from: dhcp}]
"""


@pytest.mark.parametrize(("name", "is_there"), [("/srv/tftp/a.0", True), ("a.0", True), ("/srv/a.0", False)])
def test_a_whole_path_is_looked_for_below_the_tftp_root_of_the_servers_own_file(
    tmp_path: Path, name: str, is_there: bool
) -> None:
    files = root(tmp_path, a_0=b"a program of a BIOS")
    (tmp_path / "site.yaml").write_text(OWN)
    lines = ["no-ping", "dhcp-range=192.0.2.100,192.0.2.200", "enable-tftp", "tftp-root=/srv/tftp"]
    (tmp_path / "own.conf").write_text("\n".join([*lines, f"dhcp-boot={name}", ""]))
    assert ("CX429" not in codes(tmp_path, f"dhcp={files}")) == is_there
