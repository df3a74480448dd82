"""``coexist import`` writes all that it makes, or leaves the folder as it found it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coexist.cli import run
from coexist.cli.written_files import all_or_none
from coexist.errors import InputError
from coexist.importers import import_files, kinds
from coexist.importers.loading import loaded
from coexist.importers.written import site_yaml

LEASES = {
    "dhcpd": "subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.10 10.0.0.20; }\n",
    "dnsmasq": "dhcp-range=10.0.0.10,10.0.0.20,255.255.255.0\n",
    "kea": json.dumps(
        {"Dhcp4": {"subnet4": [{"subnet": "10.0.0.0/24", "pools": [{"pool": "10.0.0.10-10.0.0.20"}]}]}}
    ),
}


def there(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("kind", LEASES)
def test_a_second_source_that_cannot_be_read_takes_the_first_one_back(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "good"
    source.write_text(LEASES[kind])
    out = tmp_path / "new" / "site"
    assert run(["import", f"{kind}:{source}", f"{kind}:{tmp_path / 'none'}", "-o", str(out)]) == 2
    assert f"{tmp_path / 'none'}:1:1: " in capsys.readouterr().err
    assert not out.parent.exists()


@pytest.mark.parametrize("kind", LEASES)
def test_an_inventory_that_is_there_stays_as_it_is(kind: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(LEASES["dhcpd"])
    second.write_text(LEASES[kind])
    out = tmp_path / "site"
    assert run(["import", "dhcpd", str(first), "-o", str(out), "--server", "one"]) == 0
    (out / "notes.md").write_text("ours")
    before = there(out)
    assert run(["import", f"{kind}:{second}", f"{kind}:{tmp_path / 'none'}", "-o", str(out)]) == 2
    assert there(out) == before


@pytest.mark.parametrize("kind", sorted(set(kinds()) & set(LEASES)))
def test_what_cannot_stand_in_an_inventory_is_told_at_its_source(kind: str, tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "site"
    source.write_text(LEASES[kind])
    imported = import_files(kind, [source])
    imported.tree["vlans"] = {"no name": next(iter(imported.tree["vlans"].values()))}
    out.mkdir()
    (out / "site.yaml").write_text(site_yaml(imported))
    with pytest.raises(InputError) as refused:
        loaded(out, imported)
    assert {problem.position.file for problem in refused.value.problems} == {str(source)}
    assert any(
        "site.yaml:" in problem.message and "no name" in problem.message for problem in refused.value.problems
    )
    assert all(problem.remedy for problem in refused.value.problems)


def test_a_name_that_is_none_is_refused_where_it_was_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    source.write_text(LEASES["kea"])
    assert run(["import", "kea", str(source), "-o", str(tmp_path / "site"), "--server", "a b"]) == 2
    assert "--server" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_what_was_written_is_taken_back_whatever_ends_it(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text("old")
    old.chmod(0o640)
    before = there(tmp_path)

    def interrupted() -> None:
        with all_or_none(tmp_path) as written:
            written.put(old, b"new", private=True)
            written.put(old, b"newer", private=True)
            written.put(tmp_path / "a" / "b" / "c", b"{}", private=False)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert there(tmp_path) == before
