"""From the inventory to each server's own configuration: one renderer a target."""

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
