"""``coexist render``: each server's own configuration, one folder a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coexist.cli.prose import tell

if TYPE_CHECKING:
    from coexist.analysis.findings import Finding
    from coexist.render import RenderedFile, RenderedSite

SITE_FOLDER = "_site"
"""Where files stand that belong to no server; no server can be called so."""


@click.command("render")
@click.argument("inventory", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False),
              help="The directory to write to; each server gets a folder in it.")  # fmt: skip
@click.option("--templates", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="A directory whose templates take the place of coexist's own.")  # fmt: skip
@click.option(
    "--only", "only", multiple=True, metavar="SERVER", help="Write this server only; may be repeated."
)
@click.option("--fail-on", type=click.Choice(["error", "warning", "info", "never"]), default="error",
              show_default=True, help="Exit with 1 for findings this bad or worse.")  # fmt: skip
def command(
    inventory: Path, output: Path, templates: Path | None, only: tuple[str, ...], fail_on: str
) -> int:
    """Write every server's own configuration.

    What a product cannot express is told on stderr with its code, its place in the inventory and the
    alternative; the files are written all the same. Servers declared as fixed are named and left alone.
    """
    from coexist.app.current import load_current
    from coexist.inventory.values import closest
    from coexist.render import render_site

    loaded = load_current(inventory, parked=True)
    for name in only:
        if name not in loaded.site.servers:
            raise click.BadParameter(f"there is no server {name!r}; {closest(name, loaded.site.servers)}")
    site = render_site(loaded, templates=templates)
    for path in write_site(site, output, only):
        click.echo(str(path))
    for name, why in site.left_out.items():
        tell(f"{name}: {why}")
    shown = [f for f in site.findings if not only or (len(f.path) > 1 and f.path[1] in only)]
    for finding in shown:
        tell(_told(finding))
    return _exit_code(shown, fail_on)


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
    from coexist.render.rendered import MANIFEST

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


def _told(finding: Finding) -> str:
    return (
        f"{finding.position}: {finding.code.code} {finding.code.name} ({finding.severity}): "
        f"{finding.message}\n"
        f"    {finding.repair}"
    )


def _exit_code(findings: list[Finding], fail_on: str) -> int:
    from coexist.analysis.findings import Severity

    if fail_on == "never":
        return 0
    threshold = Severity[fail_on.upper()]
    return 1 if any(finding.severity >= threshold for finding in findings) else 0
