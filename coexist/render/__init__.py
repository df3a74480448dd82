"""From the inventory to each server's own configuration: one renderer a target."""

from coexist.render.rendered import RenderedFile, RenderedSite
from coexist.render.site import render_site, renderers
from coexist.render.target import Capabilities, Job, Renderer

__all__ = [
    "Capabilities",
    "Job",
    "RenderedFile",
    "RenderedSite",
    "Renderer",
    "render_site",
    "renderers",
]
