"""Render a whole site: every server that is ours to change, each by the renderer of its product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from coexist.analysis.findings import Finding
from coexist.errors import CoexistError
from coexist.inventory import Inventory
from coexist.inventory.product import Product, System
from coexist.inventory.products import GENERIC, part
from coexist.render.dropins import beside
from coexist.render.limits import report_all
from coexist.render.rendered import MANIFEST, RenderedFile, RenderedSite, manifest
from coexist.render.target import Job, Renderer
from coexist.render.targets.switches import relay_lines
from coexist.render.templates import Templates
from coexist.text.secret_references import hides_a_token


def render_site(inventory: Inventory, *, templates: Path | None = None) -> RenderedSite:
    """Every server's files. Pure: the same inventory gives the same bytes.

    ``templates`` is a directory whose files take the place of coexist's own. Raises ``CoexistError`` if a
    template or a foreign renderer is wrong.
    """
    source = Templates(templates)
    files: dict[str, tuple[RenderedFile, ...]] = {}
    findings: list[Finding] = []
    left_out: dict[str, str] = {}
    systems: dict[str, System] = {}
    for name, server in inventory.site.servers.items():
        if server.fixed:
            left_out[name] = "declared as fixed: it is not ours to change"
            continue
        if server.config and server.dropin is None and not server.whole:
            left_out[name] = "it runs on its own files, which coexist does not write"
            continue
        job = Job(inventory=inventory, name=name, templates=source)
        report_all(job)
        rendered = tuple(_deployed(file, job) for file in written(job))
        _check_paths(name, rendered)
        _check_secrets(name, rendered)
        files[name] = (*rendered, manifest(name, str(server.software), rendered))
        systems[name] = server.product.system
        findings += job.findings
    return RenderedSite(
        files=files,
        site_files=relay_lines(inventory, source),
        findings=tuple(sorted(findings, key=lambda f: (f.position, f.code.code, f.message))),
        left_out=left_out,
        systems=systems,
    )


def written(job: Job) -> tuple[RenderedFile, ...]:
    """The files of a server whose limits were reported.

    Raises ``CoexistError`` if its renderer reports what they do not have: ``check`` would not tell it.
    """
    write = beside if job.server.config else _renderer_of(job.server.product)
    writing = replace(job, findings=[])
    files = write(writing)
    for finding in writing.findings:
        if finding not in job.findings:
            raise CoexistError(
                f"the renderer of {job.name} reports {finding.code.code} ({finding.message}), and the limits"
                f" of {job.server.product.name} do not; report it in its `limits`, which `check` asks too"
            )
    return files


def _renderer_of(product: Product) -> Renderer:
    """The renderer of a product; plain lists for one that has none."""
    renderer: Renderer = part(product, "renderer") or part(GENERIC, "renderer")
    return renderer


def _deployed(file: RenderedFile, job: Job) -> RenderedFile:
    """The file with what the inventory says about its place and commands."""
    deploy = job.server.deploy
    if deploy is None:
        return file
    return replace(
        file,
        target=_target(file, deploy.paths),
        check=deploy.check if deploy.check is not None and file.check is not None else file.check,
        reload=deploy.reload if deploy.reload is not None and file.reload is not None else file.reload,
    )


def _target(file: RenderedFile, paths: Mapping[str, str]) -> str | None:
    if file.path in paths:
        return paths[file.path]
    folder = paths.get("*")
    return file.target if folder is None or file.target is None else f"{folder.rstrip('/')}/{file.path}"


def _check_secrets(server: str, files: tuple[RenderedFile, ...]) -> None:
    """A secret takes the place of its name, which must stand in a file as it is."""
    for file in files:
        if hides_a_token(file.content):
            raise CoexistError(
                f"{file.path} of {server} would have a secret where its value cannot be put in;"
                " use a reference in options that are text, such as 66 or 67"
            )


def _check_paths(server: str, files: tuple[RenderedFile, ...]) -> None:
    """A renderer, which may be foreign, must stay in its folder."""
    seen: set[str] = {MANIFEST}
    for file in files:
        path = Path(file.path)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise CoexistError(f"the renderer of {server} names a file outside its folder: {file.path!r}")
        if file.path in seen:
            raise CoexistError(f"the renderer of {server} writes {file.path!r} twice")
        seen.add(file.path)
