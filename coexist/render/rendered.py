"""What rendering yields: files, where they belong, how they are checked and put to use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import field

from coexist.analysis.findings import Finding
from coexist.inventory.product import System
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedFile:
    """One file of one server.

    ``path``: relative to the server's folder. ``mode``: permission bits. ``purpose``: one line for people.
    ``target``: the file's usual absolute path on the server; None for what is not copied there.
    ``check``: a command that accepts or refuses the file before it is put in place, with ``{path}`` where its
    path stands; ``test``: one that accepts or refuses the server's whole configuration once the file is in
    its place; ``reload``: a command that makes the service use it. Each is None where there is none.
    """

    path: str
    content: bytes
    mode: int = 0o644
    purpose: str = ""
    target: str | None = None
    check: str | None = None
    test: str | None = None
    reload: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedSite:
    """All files of a site by server, the findings about what a target cannot express, and who was left out.

    ``findings`` are as `limits` makes them: each is as grave as its code, whoever boots otherwise for it.
    ``site_files`` belong to no server (the relay lines for switches). ``left_out`` says why a server has
    no files. ``systems`` says what a server runs on.
    """

    files: Mapping[str, tuple[RenderedFile, ...]]
    findings: tuple[Finding, ...]
    site_files: tuple[RenderedFile, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    systems: Mapping[str, System] = field(default_factory=dict)


MANIFEST = "manifest.json"


def manifest(server: str, software: str, files: tuple[RenderedFile, ...]) -> RenderedFile:
    """The list of a server's files: what goes where, with which permissions and commands."""
    tree = {
        "server": server,
        "software": software,
        "files": [
            {
                "path": file.path,
                "purpose": file.purpose,
                "target": file.target,
                "mode": f"{file.mode:04o}",
                "sha256": file.digest,
                "check": file.check,
                **({"test": file.test} if file.test else {}),
                "reload": file.reload,
            }
            for file in files
        ],
    }
    text = json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
    return RenderedFile(path=MANIFEST, content=text.encode(), purpose="where each file of this folder goes")
