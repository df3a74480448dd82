"""The JSON Schema of the inventory as it may be written, short forms included."""

from __future__ import annotations

from typing import Any

from coexist.inventory.models import Site


def inventory_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12. Every part of the inventory may also stand in a file of its own, so
    no section is required there."""
    schema = Site.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "coexist inventory"
    schema.pop("required", None)
    # The short forms of `clients`, which the loader brings into the long one: a file, or a list.
    item = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Client"}]}
    clients = schema["properties"]["clients"]
    short = [{"type": "string"}, {"type": "array", "items": item}]
    schema["properties"]["clients"] = {"anyOf": [*short, clients]}
    return schema
