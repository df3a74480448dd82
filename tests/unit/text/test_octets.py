"""Whatever somebody names as a file: reading it comes to an end."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from coexist.cli import run
from coexist.text.octets import bounded_octets


def test_a_file_and_what_is_written_into_a_pipe_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"one")
    assert bounded_octets(tmp_path / "file") == b"one"
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, "wb") as pipe:

        def write() -> None:
            pipe.write(b"two" * 100_000)
            pipe.close()

        threading.Thread(target=write).start()
        assert bounded_octets(Path(f"/dev/fd/{reader}")) == b"two" * 100_000


def test_what_never_ends_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, number in (
        (Path("/dev/zero"), errno.EFBIG),
        (tmp_path / "pipe", errno.EPIPE),
        (tmp_path, errno.EISDIR),
    ):
        with pytest.raises(OSError, match=r"\S") as refused:
            bounded_octets(path)
        assert refused.value.errno == number


@pytest.mark.parametrize(
    "words",
    [
        ["import", "dhcpd", "{}", "-o", "{site}"],
        ["import", "macs", "{}", "-o", "{site}"],
        ["check", "{}"],
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("name", ["/dev/zero", "pipe"])
def test_a_command_ends_on_it_with_a_sentence(
    words: list[str], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    source = str(tmp_path / name)
    assert run([word.format(source, site=tmp_path / "site") for word in words]) == 2
    assert source in capsys.readouterr().err
    assert not (tmp_path / "site").exists()
