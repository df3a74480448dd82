"""An inventory as it is in a directory, or as it was at a revision of the git checkout it lies in."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coexist.errors import CoexistError

_SECONDS = 60


@contextmanager
def inventory_at_revision(text: str, path: Path = Path()) -> Iterator[Path]:
    """The path of an inventory: ``text`` is a directory or file, a revision, or ``REVISION:PATH``.

    A revision's files are unpacked into a directory that goes with the context; ``path`` is where the
    inventory lies when only a revision is named. Raises `CoexistError` with what to write instead.
    """
    if Path(text).exists():
        yield Path(text)
        return
    revision, separator, inside = text.partition(":")
    with at_revision(revision, Path(inside) if separator else path) as found:
        yield found


@contextmanager
def at_revision(revision: str, where: Path) -> Iterator[Path]:
    """The path of the inventory that lies at ``where``, as it was at a revision. Raises `CoexistError`."""
    with tempfile.TemporaryDirectory(prefix="coexist-revision-") as folder:
        _unpack(revision, where, Path(folder))
        yield Path(folder) / "inventory"


def _unpack(revision: str, where: Path, into: Path) -> None:
    """Write the files below ``where`` as they were at ``revision`` to ``into``/inventory."""
    start = where if where.is_dir() else where.parent
    while not start.is_dir():
        start = start.parent
    root = Path(_line(start, "rev-parse", "--show-toplevel", failed=f"{where} is in no git checkout"))
    inside = Path(where).resolve()
    inside = inside.relative_to(root) if inside.is_relative_to(root) else where
    no_revision = f"{revision!r} is neither a directory nor a revision of {root}"
    commit = _line(
        root,
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        f"{revision}^{{commit}}",
        failed=f"{no_revision}; write a directory, a revision, or REVISION:PATH",
    )
    what = f"{commit}:{inside}" if str(inside) != "." else f"{commit}:"
    no_path = f"{revision} has no {inside}; name the path of the inventory as it was there"
    kind = _line(root, "cat-file", "-t", what, failed=no_path)
    target = into / "inventory"
    if kind == "blob":
        target.write_bytes(_git(root, "cat-file", "blob", what, failed=f"{inside} cannot be read"))
        return
    archive = _git(root, "archive", "--format=tar", what, failed=f"{inside} cannot be read at {revision}")
    target.mkdir()
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(target, filter="data")


def _line(folder: Path, *arguments: str, failed: str) -> str:
    return _git(folder, *arguments, failed=failed).decode().strip()


def _git(folder: Path, *arguments: str, failed: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise CoexistError("git is not installed; name two directories, or install git") from None
    except subprocess.TimeoutExpired:
        raise CoexistError(f"git did not answer within {_SECONDS} s; name two directories") from None
    if done.returncode != 0:
        raise CoexistError(failed)
    return done.stdout
