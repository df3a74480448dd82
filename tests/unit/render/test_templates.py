"""Templates of an administrator's own: a file that no target would read is an error at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.errors import InputError
from coexist.render.templates import Templates


@pytest.mark.parametrize("name", ["other/dhcpd.conf.j2", "isc-dhcpd/dhcpd.conf", "isc-dhcpd/kea.j2"])
def test_a_template_that_no_target_looks_for_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text("x")
    with pytest.raises(InputError) as refused:
        Templates(tmp_path)
    assert [problem.position.file for problem in refused.value.problems] == [str(path)]


def test_a_folder_in_the_place_of_a_template_is_refused(tmp_path: Path) -> None:
    (tmp_path / "isc-dhcpd" / "dhcpd.conf.j2").mkdir(parents=True)
    with pytest.raises(InputError):
        Templates(tmp_path)


def test_notes_beside_templates_are_nobodys_business(tmp_path: Path) -> None:
    (tmp_path / "isc-dhcpd").mkdir()
    (tmp_path / "isc-dhcpd" / "dhcpd.conf.j2").write_text("ours")
    (tmp_path / "README.md").write_text("why")
    assert Templates(tmp_path).render("isc-dhcpd/dhcpd.conf.j2", {}) == "ours"
