"""Render a whole site: every server that is ours to change, each by the renderer of its product."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from coexist.analysis.findings import Finding
from coexist.errors import CoexistError
from coexist.inventory import Inventory
from coexist.inventory.deployment import place_of, writer
from coexist.inventory.models import Server
from coexist.inventory.product import System
from coexist.inventory.products import part
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
    write: Renderer = beside if job.server.config else part(writer(job.server), "renderer")
    writing = replace(job, findings=[])
    files = write(writing)
    for finding in writing.findings:
        if finding not in job.findings:
            raise CoexistError(
                f"the renderer of {job.name} reports {finding.code.code} ({finding.message}), and the limits"
                f" of {job.server.product.name} do not; report it in its `limits`, which `check` asks too"
            )
    _check_names(job.server, files)
    return files


def _check_names(server: Server, files: tuple[RenderedFile, ...]) -> None:
    """The record must name what is written: `deploy.paths` is read by it."""
    product = writer(server)
    for file in files:
        if not server.config and not product.writes(file.path):
            raise CoexistError(
                f"the renderer of {product.name} writes {file.path!r}; name it in `files` of its record"
            )


def _deployed(file: RenderedFile, job: Job) -> RenderedFile:
    """The file with what the inventory says about its place and commands."""
    deploy = job.server.deploy
    if deploy is None:
        return file
    target, reload = place_of(job.server, file.path, file.target), file.reload
    if reload is not None and deploy.reload is not None:
        reload = deploy.reload
    elif reload is not None and file.target is not None and target is not None:
        # A script's command names the script.
        reload = reload.replace(file.target, target)
    check = deploy.check if deploy.check is not None and file.check is not None else file.check
    return replace(file, target=target, check=check, reload=reload)


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
