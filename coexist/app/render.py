"""Every server's own configuration, written into a folder for each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from coexist.analysis.findings import Finding
from coexist.app.current import analyse_now, load_current
from coexist.errors import CoexistError
from coexist.records import dataclass
from coexist.render import RenderedFile, RenderedSite, render_site
from coexist.render.limits import limits
from coexist.render.rendered import MANIFEST
from coexist.text.closest import closest

SITE_FOLDER = "_site"
"""Where files stand that belong to no server; no server can be called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """The files of a site, what products cannot express of it as `check` tells it, and how many of these
    findings the inventory accepts."""

    site: RenderedSite
    findings: tuple[Finding, ...]
    accepted: int


def rendered(
    path: Path, today: date, *, templates: Path | None = None, only: Sequence[str] = ()
) -> Rendering:
    """The files of an inventory as far as its migrations have come. Raises `CoexistError`.

    ``only``: what is found is that of these servers. Where products can express all, nothing is analysed.
    """
    loaded = load_current(path, parked=True)
    for name in only:
        if name not in loaded.site.servers:
            raise CoexistError(f"there is no server {name!r}; {closest(name, loaded.site.servers)}")
    site = render_site(loaded, templates=templates)
    told = {(f.code, f.path) for f in (limits(loaded, only) if only else site.findings)}
    if not told:
        return Rendering(site=site, findings=(), accepted=0)
    analysis = analyse_now(path, today)
    return Rendering(
        site=site,
        findings=tuple(f for f in analysis.findings if (f.code, f.path) in told),
        accepted=sum(1 for each in analysis.suppressed if (each.finding.code, each.finding.path) in told),
    )


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
