"""A file is replaced whole, with the permission it is given."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from coexist.text.whole_files import write_whole


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_has_its_mode_from_the_moment_it_is_there(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    path.chmod(0o644)
    write_whole(path, b"new", mode)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    (tmp_path / ".a.json.new").mkdir()
    with pytest.raises(OSError, match=r"\S"):
        write_whole(path, b"new")
    assert path.read_text() == "old"
