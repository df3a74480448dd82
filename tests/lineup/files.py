"""What the servers of a line-up have to hand out, for what a boot asks for after its first file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files of one server. ``texts``: content by name, where the scenario says it; ``names``: all."""

    tftp: bool
    http: bool
    names: frozenset[str] = frozenset()
    texts: Mapping[str, str] = field(default_factory=dict)


def files_of(server: Mapping[str, Any]) -> Files:
    """What stands in the directory of a server: files of its own name, and what the scenario adds."""
    said: Mapping[str, Mapping[str, str]] = server.get("files", {})
    names = {*said, *server.get("extra_files", ())}
    if not server.get("nofiles"):
        own = server["name"].lower()
        names |= {f"{own}.0", f"{own}.efi"}
    config = str(server.get("conf", "")) if server["type"] == "coexist" else ""
    return Files(
        tftp=server.get("tftp", True) and server["type"] not in ("relay", "host"),
        http=bool(server.get("http")) or '"http"' in config,
        names=frozenset(names),
        texts={name: content["text"] for name, content in said.items() if "text" in content},
    )
