"""What a program sends to the console, and what it is answered: JSON objects."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from coexist.errors import CoexistError

VERSION = 1
"""Of the interface; every answer names it."""


class Body(BaseModel):
    """A JSON object that is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)


async def read(request: web.Request, model: type[Any]) -> Any:
    """The body as a model. Raises `CoexistError` with every field that is wrong."""
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, each['loc'])) or 'the body'}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)[:20]
        ]
        raise CoexistError("\n".join(wrong)) from None


def answer(document: dict[str, Any], status: int = 200) -> web.Response:
    """A JSON object."""
    return web.json_response({"version": VERSION, **document}, status=status)
