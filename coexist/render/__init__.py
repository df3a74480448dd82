"""From the inventory to each server's own configuration: one renderer a target."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coexist.render.rendered import RenderedFile, RenderedSite
    from coexist.render.site import render_site, written
    from coexist.render.target import Job, Renderer

__all__ = [
    "Job",
    "RenderedFile",
    "RenderedSite",
    "Renderer",
    "render_site",
    "written",
]

# What is asked for what products cannot keep need not import what writes files.
_HOMES = {
    **dict.fromkeys(("RenderedFile", "RenderedSite"), "rendered"),
    **dict.fromkeys(("render_site", "written"), "site"),
    **dict.fromkeys(("Job", "Renderer"), "target"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
