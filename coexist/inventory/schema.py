"""The JSON Schema of the inventory as it may be written, short forms included."""

from __future__ import annotations

from typing import Any

from coexist.inventory.models import Site
from coexist.wire.architecture import ARCHITECTURE_NAMES


def inventory_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12. Every part of the inventory may also stand in a file of its own, so
    no section is required there."""
    schema = Site.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "coexist inventory"
    schema.pop("required", None)
    schema["properties"]["architectures"]["propertyNames"] = {"enum": list(ARCHITECTURE_NAMES)}
    for name, section in schema["properties"].items():
        if name != "site":
            _may_be_empty(section)
    for definition in schema["$defs"].values():
        for name in ("programs", "programs_for"):
            declared = definition.get("properties", {}).get(name, {})
            programs = declared if name == "programs" else declared.get("additionalProperties")
            if programs:
                _may_be_empty(programs)
    # The short forms of `clients`, which the loader brings into the long one: a file, or a list.
    item = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Client"}]}
    clients = schema["properties"]["clients"]
    short = [{"type": "string"}, {"type": "array", "items": item}]
    schema["properties"]["clients"] = {"anyOf": [*short, clients]}
    return schema


def _may_be_empty(section: dict[str, Any]) -> None:
    """What has everything in it commented out is as good as not written."""
    said = {key: section.pop(key) for key in list(section) if key not in ("default", "description", "title")}
    section["anyOf"] = [said, {"type": "null"}]
