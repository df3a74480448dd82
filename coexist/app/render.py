"""Every server's own configuration, written into a folder for each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from coexist.analysis.findings import Finding
from coexist.app.current import load_current
from coexist.errors import CoexistError
from coexist.inventory.values import closest
from coexist.render import RenderedFile, RenderedSite, render_site
from coexist.render.rendered import MANIFEST

SITE_FOLDER = "_site"
"""Where files stand that belong to no server; no server can be called so."""


def rendered(path: Path, *, templates: Path | None = None, only: Sequence[str] = ()) -> RenderedSite:
    """The files of an inventory as far as its migrations have come. Raises `CoexistError`."""
    loaded = load_current(path, parked=True)
    for name in only:
        if name not in loaded.site.servers:
            raise CoexistError(f"there is no server {name!r}; {closest(name, loaded.site.servers)}")
    return render_site(loaded, templates=templates)


def findings_of(site: RenderedSite, only: Sequence[str] = ()) -> list[Finding]:
    """What products cannot express, of all servers or of some."""
    return [f for f in site.findings if not only or (len(f.path) > 1 and f.path[1] in only)]


def write_site(site: RenderedSite, output: Path, only: tuple[str, ...] = ()) -> list[Path]:
    """Write the files below ``output`` and return their paths.

    What an earlier run wrote for a server and this one does not is removed; other files are left alone.
    """
    written: list[Path] = []
    for name, files in site.files.items():
        if not only or name in only:
            written += _write_folder(output / name, files)
    if site.site_files and not only:
        written += _write_folder(output / SITE_FOLDER, site.site_files)
    return written


def _write_folder(folder: Path, files: tuple[RenderedFile, ...]) -> list[Path]:
    before = _listed(folder / MANIFEST)
    for stale in sorted(before - {file.path for file in files}):
        (folder / stale).unlink(missing_ok=True)
    paths = []
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_bytes() != file.content:
            path.write_bytes(file.content)
        path.chmod(file.mode)
        paths.append(path)
    return paths


def _listed(path: Path) -> set[str]:
    """The files an earlier manifest names; none if it cannot be read. Only plain relative paths count."""
    try:
        names = [item["path"] for item in json.loads(path.read_text())["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {
        name
        for name in names
        if isinstance(name, str) and not Path(name).is_absolute() and ".." not in Path(name).parts
    }
