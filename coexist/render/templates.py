"""Jinja2 for the targets' texts: strict about undefined names, overridable by file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, TemplateError

from coexist.errors import CoexistError

_OWN = Path(__file__).resolve().parent.parent / "_templates"


@cache
def _environment(directory: Path | None) -> Environment:
    loaders = [FileSystemLoader(folder) for folder in (directory, _OWN) if folder is not None]
    return Environment(
        loader=ChoiceLoader(loaders),
        undefined=StrictUndefined,
        # These are not HTML: each target has a quoting filter of its own.
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


class Templates:
    """The templates of a run; a file of the same name in ``directory`` takes the place of coexist's own."""

    def __init__(self, directory: Path | None = None) -> None:
        self._environment = _environment(directory)

    def render(
        self, name: str, values: Mapping[str, Any], filters: Mapping[str, Callable[..., Any]] | None = None
    ) -> str:
        """Fill a template. Raises ``CoexistError`` with the template's name and line if it is wrong."""
        environment = self._environment.overlay()
        environment.filters = {**environment.filters, **(filters or {})}
        try:
            return environment.get_template(name).render(values)
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            place = f"{name}:{line}" if line else name
            raise CoexistError(f"the template {place} cannot be used: {error}") from None
