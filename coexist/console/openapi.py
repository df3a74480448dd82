"""The interface for programs, described by itself (OpenAPI 3.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from coexist import __version__
from coexist.console import api, api_site
from coexist.console.api_body import Body

routes = web.RouteTableDef()


@routes.get("/api/v1/openapi.json")
async def openapi(_: web.Request) -> web.Response:
    """This interface, described (OpenAPI 3.1)."""
    return web.json_response(description())


def served() -> Iterator[web.RouteDef]:
    """Every route of the interface."""
    for route in (*api.routes, *api_site.routes, *routes):
        if isinstance(route, web.RouteDef):
            yield route


def description() -> dict[str, Any]:
    """The OpenAPI document: made of the routes and the models above."""
    paths: dict[str, Any] = {}
    bodies: dict[str, type[Body]] = {**api.BODIES, **api_site.BODIES}
    queries = {**api.QUERIES, **api_site.QUERIES}
    schemas: dict[str, Any] = {}
    for route in served():
        said: dict[str, Any] = {
            "summary": (route.handler.__doc__ or "").strip().splitlines()[0],
            "operationId": route.handler.__name__,
            "responses": {
                _status(route): {
                    "description": "done, or begun where the status is 202",
                    "content": {"application/json": {"schema": {"type": "object"}}},
                },
                "401": {"description": "no token, or an unknown one"},
                "403": {"description": "the token's user has not the role"},
                "422": {"description": "it could not be done; `error` says why"},
            },
        }
        body = bodies.get(route.path) if route.method == "POST" else None
        if body is not None:
            model = body.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(model.pop("$defs", {}))
            schemas[body.__name__] = model
            reference = {"$ref": f"#/components/schemas/{body.__name__}"}
            said["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
        query = queries.get(route.path, ()) if route.method == "GET" else ()
        said["parameters"] = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in query]
        paths.setdefault(route.path, {})[route.method.lower()] = said
    return {
        "openapi": "3.1.0",
        "info": {"title": "coexist console", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _status(route: web.RouteDef) -> str:
    if route.method == "GET" or route.path in api_site.QUESTIONS:
        return "200"
    return "202" if "/rollout/" in route.path else "201"
