"""Applying rendered files to servers on this very machine: ``deploy: {host: localhost}``.

The files are checked beside their places before any is replaced, then replaced one by one (lists first,
the file that names them last), then the service is told. Where a check or the reload fails, what stood
there stands there again.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from coexist.analysis.findings import Severity
from coexist.errors import CoexistError, HostError
from coexist.inventory import Inventory
from coexist.render import RenderedFile, render_site

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1"})
COMMAND_SECONDS = 60.0


def is_local(inventory: Inventory, server: str) -> bool:
    """Whether a server's files lie on this machine."""
    deploy = inventory.site.servers[server].deploy
    return deploy is not None and deploy.host in LOCAL_HOSTS


def apply_locally(inventory: Inventory, server: str) -> str:
    """Bring one server of this machine to what the inventory says of it.

    Raises ``HostError`` if a check or the reload fails, ``CoexistError`` for what cannot be rendered.
    """
    files = deployed_files(inventory, server)
    changed = [file for file in files if _present(_target(file)) != file.content]
    if not changed:
        return "nothing to change"
    before = {file.path: _present(_target(file)) for file in changed}
    candidates = {file.path: _beside(file) for file in files}
    try:
        for file in files:
            _write(candidates[file.path], file)
        _check(files, server)
        for file in _lists_first(changed):
            candidates[file.path].replace(_target(file))
    finally:
        for path in candidates.values():
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in candidates.values()}:
            with contextlib.suppress(OSError):
                folder.rmdir()
    try:
        _reload(changed, server)
    except HostError:
        for file in reversed(_lists_first(changed)):
            _restore(_target(file), before[file.path])
        with contextlib.suppress(HostError):
            _reload(changed, server)
        raise
    return f"{len(changed)} file{'' if len(changed) == 1 else 's'} changed"


def deployed_files(inventory: Inventory, server: str) -> tuple[RenderedFile, ...]:
    """The files of a server that are copied to it. Raises ``CoexistError`` for what cannot be expressed."""
    site = render_site(inventory)
    for finding in site.findings:
        if finding.severity is Severity.ERROR and finding.path[:2] == ("servers", server):
            raise CoexistError(
                f"{finding.position}: {finding.code.code}: {finding.message}; {finding.repair}"
            )
    if server not in site.files:
        raise CoexistError(f"{server} is not rendered: {site.left_out.get(server, 'no renderer')}")
    return tuple(file for file in site.files[server] if file.target is not None)


def _target(file: RenderedFile) -> Path:
    return Path(file.target or file.path)


def _beside(file: RenderedFile) -> Path:
    # The check reads the candidate, which finds its lists by their real names beside it: see _check.
    return _target(file).parent / ".coexist-candidate" / _target(file).name


def _present(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, file: RenderedFile) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.content)
    path.chmod(file.mode)


def _restore(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
        return
    new = path.with_name(f".{path.name}.before")
    new.write_bytes(content)
    new.chmod(path.stat().st_mode)
    new.replace(path)


def _lists_first(files: Sequence[RenderedFile]) -> list[RenderedFile]:
    return sorted(files, key=lambda file: file.check is not None)


def _check(files: Sequence[RenderedFile], server: str) -> None:
    for file in files:
        if file.check:
            _run(
                file.check.replace("{path}", shlex.quote(str(_beside(file)))), f"{server} refuses {file.path}"
            )


def _reload(files: Sequence[RenderedFile], server: str) -> None:
    for command in dict.fromkeys(file.reload for file in files if file.reload):
        _run(command, f"{server} was not reloaded")


def _run(command: str, complaint: str) -> None:
    words = shlex.split(command)
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"{complaint}: {error}") from None
    if done.returncode:
        said = " ".join((done.stderr.strip() or done.stdout.strip()).split())[:500]
        raise HostError(f"{complaint}: {said or f'exit code {done.returncode}'}")
