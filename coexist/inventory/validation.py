"""From a document tree to a ``Site``: every mistake at its place, in the administrator's words.

A declaration that is wrong in itself is taken out and remembered, so that the others are read and
checked too and one run names every mistake.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, get_args

from pydantic import BaseModel, ValidationError

from coexist.errors import Position, Problem
from coexist.inventory.broken import EVERY_NAME, Broken
from coexist.inventory.documents import Path, SourceMap, written
from coexist.inventory.models import Site
from coexist.text.closest import closest

# Each round of validation takes out what was wrong in the one before.
_MOST_ROUNDS = 5
# Of a long value, the beginning is shown.
_MOST_SHOWN = 40

# What pydantic calls it, and what to write instead; {} are the limits it tells.
_REMEDIES = {
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "date_from_datetime_parsing": "write a date that exists, as 2026-12-31",
    "date_parsing": "write a date, as 2026-12-31",
    "date_type": "write a date, as 2026-12-31",
    "dict_type": "write names with values below it, as in `name: value`",
    "finite_number": "write a number",
    "float_parsing": "write a number, as 1.5",
    "float_type": "write a number, as 1.5",
    "greater_than_equal": "write {ge:g} or more",
    "int_from_float": "write a whole number",
    "int_parsing": "write a whole number",
    "int_parsing_size": "write a smaller number",
    "int_type": "write a whole number",
    "less_than_equal": "write {le:g} or less",
    "literal_error": "write {expected}",
    "mapping_type": "write names with values below it, as in `name: value`",
    "model_attributes_type": "write names with values below it, as in `name: value`",
    "model_type": "write names with values below it, as in `name: value`",
    "string_too_short": "write {min_length} characters or more",
    "string_type": "write a text; put it in quotes",
    "too_short": "write {min_length} or more",
    "tuple_type": "write a list, as in `[one, two]`",
}


def validate(tree: dict[str, Any], sources: SourceMap, problems: list[Problem]) -> tuple[Site | None, Broken]:
    """The site, without the declarations that are wrong in themselves; those are reported and remembered."""
    broken: Broken = {}
    for _ in range(_MOST_ROUNDS):
        try:
            return Site.model_validate(tree), broken
        except ValidationError as error:
            items = error.errors(include_url=False)
            seen: set[Position] = set()
            for item in items:
                problem = problem_of(item, tree, sources, Site)
                # A union reports once for each of its branches; the first one speaks.
                if problem.position not in seen:
                    seen.add(problem.position)
                    problems.append(problem)
            # Several mistakes may stand in one declaration; it is taken out once.
            if not _prune(tree, list(dict.fromkeys(item["loc"][:3] for item in items)), broken):
                break
    return None, broken


def _prune(tree: dict[str, Any], places: list[tuple[str | int, ...]], broken: Broken) -> bool:
    """Take the declarations at these places out of the tree; False if there is nothing left to take."""
    pruned = False
    for place in places:
        section = str(place[0])
        part, name = tree.get(section), place[1] if len(place) > 1 else None
        if section == "site":
            tree["site"] = "unnamed"
            pruned |= part != "unnamed"
        elif isinstance(part, dict) and section == "clients" and len(place) > 2 and isinstance(place[2], int):
            pruned |= _blank(part.get(str(name)), place[2], section)
        elif isinstance(part, dict) and name in part:
            broken.setdefault(section, set()).add(str(name))
            del part[str(name)]
            pruned = True
        elif isinstance(part, dict) and str(name) in broken.get(section, ()):
            continue  # another mistake of a declaration that is out already
        elif isinstance(part, list) and isinstance(name, int):
            pruned |= _blank(part, name, section)
        elif section in tree:
            # Not even the shape of the section is right: nothing in it can be known.
            broken.setdefault(section, set()).add(EVERY_NAME)
            del tree[section]
            pruned = True
    return pruned


def _blank(items: Any, number: int, section: str) -> bool:
    """Put a declaration without effect in the place of a wrong one, so that the others keep their places."""
    blanks: dict[str, Any] = {
        "intent": {"clients": "nobody", "boot_from": "nobody"},
        "suppress": {"code": "CX101", "reason": "left out while reading"},
        # Locally administered addresses that no CSV would hold.
        "clients": {"mac": f"0e:00:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"},
    }
    blank = blanks.get(section)
    if not isinstance(items, list) or number >= len(items) or blank is None or items[number] == blank:
        return False
    items[number] = blank
    return True


class Places(Protocol):
    """What knows where the parts of a tree were written."""

    def at(self, path: Path, *, value: bool = False) -> Position:
        """The place of a path, or of its nearest ancestor that was written down."""


def problem_of(item: Any, tree: Any, sources: Places, model: type[BaseModel] | None = None) -> Problem:
    """A ``ValidationError.errors()`` item as a problem at its place.

    With the ``model`` that was validated, an unknown key is held against those the model has there.
    """
    path, names = _tree_path(item["loc"], tree)
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known_keys(model, item["loc"][:-1]) if model else ()
        remedy = closest(str(path[-1]), known) if known else "check its spelling; see `coexist schema`"
        return Problem(sources.at(path), f"the key {path[-1]!r} is not known here", remedy)
    if kind == "missing":
        missing = item["loc"][-1]
        return Problem(sources.at(path), f"{missing!r} is missing", f"write `{missing}: ...`")
    place = sources.at(path, value=names)
    if kind == "value_error":
        message, _, remedy = str(context["error"]).partition("; ")
        return Problem(place, message, remedy)
    if kind == "string_pattern_mismatch":
        remedy = f"it must look like {context['pattern']}"
    elif kind == "too_short" and isinstance(item.get("input"), str):
        remedy = _REMEDIES["string_too_short"].format(**context)
    elif kind in _REMEDIES:
        remedy = _REMEDIES[kind].format(**context)
    else:
        remedy = str(item["msg"])[0].lower() + str(item["msg"])[1:]
    return Problem(place, _misfit(item.get("input")), remedy)


def _misfit(value: Any) -> str:
    if value is None:
        return "nothing is written here"
    if isinstance(value, bool):
        return f"{str(value).lower()!r} does not fit here"
    text = written(value)
    if text is not None:
        text = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
        return f"{text!r} does not fit here"
    return f"{value!r} does not fit here" if isinstance(value, (int, float)) else "this does not fit here"


def _known_keys(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand at a location; none where the location cannot be followed."""
    here = [model]
    for step in loc:
        fields = [found for one in here if (found := _field(one, step)) is not None]
        # A name, an index or the branch of a union leads nowhere further.
        if fields:
            here = [inner for annotation in fields for inner in _models_in(annotation)]
    return sorted({field.alias or name for one in here for name, field in one.model_fields.items()})


def _field(model: type[BaseModel], key: str | int) -> Any:
    return next((f.annotation for name, f in model.model_fields.items() if key in (name, f.alias)), None)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _tree_path(loc: tuple[str | int, ...], tree: Any) -> tuple[Path, bool]:
    """The part of a pydantic location that exists in the tree (the rest names union branches and
    the fields of short forms), and whether it ends in a value rather than a key's name."""
    path: list[str | int] = []
    here = tree
    is_value = True
    for step in loc:
        if isinstance(here, dict) and step in here:
            here = here[str(step)]
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
        elif step == "[key]":
            is_value = False
            continue
        else:
            continue
        path.append(step)
    return tuple(path), is_value
