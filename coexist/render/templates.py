"""Jinja2 for the targets' texts: strict about undefined names, overridable by file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from coexist.errors import CoexistError, InputError, Position, Problem
from coexist.inventory.products import products
from coexist.text.closest import closest

if TYPE_CHECKING:
    # Imported when the first template is filled: what only asks what a product can keep fills none.
    from jinja2 import Environment, TemplateError

_OWN = Path(__file__).resolve().parent.parent / "_templates"


@cache
def _folders() -> tuple[Path, ...]:
    """Where templates are: coexist's own, and those in the packages of installed renderers."""
    packages = dict.fromkeys(product.package for product in products().values())
    specs = [find_spec(name) for name in packages if name and name != _OWN.parent.name]
    places = [place for spec in specs if spec is not None for place in spec.submodule_search_locations or ()]
    return (_OWN, *(Path(place, "templates") for place in places))


@cache
def _environment(directory: Path | None) -> Environment:
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

    folders = [*([] if directory is None else [directory]), *_folders()]
    loaders = [FileSystemLoader(folder) for folder in folders]
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
    """The templates of a run; a file of the same name in ``directory`` takes the place of the product's."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        if directory is not None:
            _refuse_unread(directory)

    def render(
        self, name: str, values: Mapping[str, Any], filters: Mapping[str, Callable[..., Any]] | None = None
    ) -> str:
        """Fill a template. Raises ``CoexistError`` with the template's name and line if it is wrong."""
        from jinja2 import TemplateError

        environment = _environment(self._directory).overlay()
        environment.filters = {**environment.filters, **(filters or {})}
        try:
            return environment.get_template(name).render(values)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "this is not UTF-8 text"
            place = Position(str((self._directory or _OWN) / name))
            raise InputError([Problem(place, f"the template cannot be read: {why}")]) from None
        except TemplateError as error:
            raise CoexistError(f"the template {_place(error, name)} cannot be used: {error}") from None


def _refuse_unread(directory: Path) -> None:
    """A template that no target would look for is a mistake of its place or its name."""
    known = {path.relative_to(folder).as_posix() for folder in _folders() for path in folder.rglob("*.j2")}
    files = {name.rpartition("/")[2] for name in known}
    problems = []
    for path in sorted(directory.rglob("*")):
        name, place = path.relative_to(directory).as_posix(), Position(str(path))
        if name in known:
            if not path.is_file():
                problems.append(Problem(place, "this is no file", f"write the template as the file {name}"))
        elif path.is_file() and (path.suffix == ".j2" or f"{path.name}.j2" in files):
            problems.append(Problem(place, f"no target looks for {name}", closest(name, known)))
    if problems:
        raise InputError(problems)


def _place(error: TemplateError, name: str) -> str:
    """The file and line of a mistake, as far as they are known."""
    from jinja2 import TemplateSyntaxError

    if isinstance(error, TemplateSyntaxError):
        return f"{error.filename or name}:{error.lineno}"
    # One that shows only when the template is filled has its place in the traceback, where jinja2 puts
    # the template's own lines (https://jinja.palletsprojects.com/en/stable/api/#exceptions).
    places = [
        f"{frame.f_code.co_filename}:{line}"
        for frame, line in walk_tb(error.__traceback__)
        if frame.f_code.co_filename.endswith(name)
    ]
    return places[-1] if places else name
