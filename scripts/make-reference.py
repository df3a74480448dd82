"""Write docs/reference/ (the inventory and its schema, the boot server's configuration and metrics) from the
models, and the list of findings.

Run it after a change to ``coexist.inventory.models``, ``coexist.boot.policy``, the metrics or the catalogue
of codes; a test holds them up to date.
"""

from __future__ import annotations

import inspect
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from coexist.analysis.catalogue import CATALOGUE
from coexist.boot import policy
from coexist.boot.respond import Reason
from coexist.inventory import models, values
from coexist.inventory.groups import BUILT_IN
from coexist.inventory.schema import inventory_schema
from coexist.server.counters import Counters
from coexist.server.logs import Log
from coexist.server.metrics import ServerCollector
from coexist.server.seen import ClientsSeen
from coexist.wire.architecture import ARCHITECTURE_NAMES

DOCS = Path(__file__).resolve().parent.parent / "docs"
REFERENCE = DOCS / "reference"
FINDINGS = DOCS / "findings"

HEAD = """\
# The inventory

Made from the models by `scripts/make-reference.py`; the same as JSON Schema is
[inventory.schema.json](inventory.schema.json) (`coexist schema` prints it).

An inventory is a directory with `site.yaml`. Sections may stand in further files: every `*.yaml` beside
it and in `inventory.d/` is read too; sections that are mappings are joined, lists are appended. YAML 1.2
rules hold: `52:54:00:12:34:56` and `no` are text, a key that stands twice is an error. A section with
nothing in it is as good as not written.

Where a list of names may stand, one name may stand too. Groups that always exist: {groups}.

MAC addresses: `52:54:00:12:34:56`, `52-54-00-12-34-56`, `5254.0012.3456` or `525400123456`.

`clients` is a CSV file, a list of CSV files and machines, or both in the long form below. A CSV file has a
header; `mac` must be there, {columns} have a meaning, any other column can be used in a group's `where`.
Comma, semicolon or tab; with or without byte-order mark; any line end; a spreadsheet's `sep=;` line, its
empty columns and its empty rows are passed over. A `mac` cell with several addresses is a machine with
several cards. Format the column `mac` as text before a spreadsheet saves it: of an address it took for a
number, digits are lost.

Option values: text, numbers, addresses or lists of them by the option's type (RFC 2132), or raw octets as
`hex:06:01:08:ff`.

Architectures: {architectures}.

Firmware:

| name | what it is |
|---|---|
{firmwares}

Software:

| product | what it is |
|---|---|
{products}
"""


def parts() -> list[type[BaseModel]]:
    """Every model of the inventory, the site first, in the order of declaration."""
    found = [
        value
        for module in (models, values)
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, values.Declared) and value is not values.Declared
    ]
    unique = list(dict.fromkeys(found))
    return sorted(unique, key=lambda model: model is not models.Site)


def shown_type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(dict.fromkeys(shown_type(part) for part in schema[union]))
    if "enum" in schema:
        values_ = schema["enum"]
        return "architecture" if len(values_) > 20 else ", ".join(f"`{v}`" for v in values_)
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {shown_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"name: {shown_type(schema['additionalProperties'])}"
    if kind == "object":
        return "options" if "patternProperties" in schema else "mapping"
    return {"string": "text", "null": "nothing", "boolean": "true/false", "integer": "whole number"}.get(
        kind, kind
    )


def section(model: type[BaseModel], definition: dict[str, Any]) -> str:
    lines = [f"## {model.__name__}", "", re.sub(r"``", "`", inspect.getdoc(model) or ""), ""]
    if "anyOf" in definition:
        short = [part for part in definition["anyOf"] if "properties" not in part or "title" not in part]
        lines += [f"Short form: {' or '.join(shown_type(part) for part in short)}.", ""]
        definition = next(part for part in definition["anyOf"] if "title" in part)
    required = definition.get("required", [])
    lines += ["| key | value | default |", "|---|---|---|"]
    for key, schema in definition.get("properties", {}).items():
        default = "required" if key in required else json.dumps(schema.get("default", None), default=str)
        lines.append(
            f"| `{key}` | {shown_type(schema)} | {default if len(default) < 60 else 'see the text'} |"
        )
    return "\n".join(lines) + "\n"


def reference() -> str:
    schema = inventory_schema()
    definitions = {**schema["$defs"], "Site": {**schema, "required": ["site"], "title": "Site"}}
    definitions["Site"].pop("anyOf", None)
    head = HEAD.format(
        groups=", ".join(f"`{name}`" for name in BUILT_IN),
        columns=", ".join(
            f"`{name}`"
            for name in (
                "name",
                "location",
                "hardware",
                "architecture",
                "firmware",
                "vlan",
                "address",
                "tags",
            )
        ),
        architectures=", ".join(
            f"`{name}` ({', '.join(map(str, sorted(codes)))})" for name, codes in ARCHITECTURE_NAMES.items()
        ),
        firmwares="\n".join(f"| `{name}` | {text} |" for name, text in models.FIRMWARES.items()),
        products="\n".join(f"| `{name}` | {text} |" for name, text in values.PRODUCTS.items()),
    )
    return "\n".join(
        [head, *(section(m, definitions[m.__name__]) for m in parts() if m.__name__ in definitions)]
    )


BOOT_SERVER_HEAD = """\
# The boot server's configuration

Made from the models by `scripts/make-reference.py`. How to use it: [the guide](../guides/boot-server.md).

The file is YAML by the rules of [the inventory](inventory.md#the-inventory). Names of files in it are
relative to its own directory. `coexist render` writes it from an inventory; `coexist serve FILE --check`
checks one.

A list file has one MAC address a line, in any of the four spellings; whatever stands behind the address or
a `#` is a comment.

## Why a packet is not answered

The reasons in the log, in the registry and (in lower case) in the metric `coexist_decisions_total`:

| decision | why |
|---|---|
{reasons}
"""


def boot_server_reference() -> str:
    """The keys of the boot server's configuration."""
    schema = policy.BootServerConfig.model_json_schema(by_alias=True)
    definitions = {**schema["$defs"], "BootServerConfig": schema}
    models_ = [
        value
        for value in vars(policy).values()
        if inspect.isclass(value)
        and issubclass(value, values.Declared)
        and value.__module__ == policy.__name__
    ]
    models_ = sorted(models_, key=lambda model: model is not policy.BootServerConfig)
    shared = [values.Delay, models.Program]
    head = BOOT_SERVER_HEAD.format(
        reasons="\n".join(f"| `{reason.name.lower()}` | {reason.value} |" for reason in Reason)
    )
    return "\n".join([head, *(section(m, definitions[m.__name__]) for m in (*models_, *shared))])


METRICS_HEAD = """\
# The boot server's metrics

Made from the code by `scripts/make-reference.py`. With `metrics_port` set they are on
`http://127.0.0.1:PORT/metrics`, in Prometheus' exposition format.

| metric | kind | what it counts |
|---|---|---|
"""


def metrics_reference() -> str:
    """All metrics of a boot server."""
    collector = ServerCollector(Counters(), ClientsSeen(), Log(stream=io.StringIO()))
    rows = []
    for metric in collector.collect():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        rows.append(f"| `{name}` | {metric.type} | {metric.documentation} |\n")
    return METRICS_HEAD + "".join(rows)


ROOMS = {
    "1": "Inventory",
    "2": "Addressing",
    "3": "Ordering and delay",
    "4": "Boot path",
    "5": "Not expressible on that target",
    "6": "Drift",
    "7": "Seen on the wire",
}


def findings_index() -> str:
    """The list of all codes."""
    count = f"{len(CATALOGUE)} codes. Each page has a failing and a repaired inventory; a test runs both."
    lines = ["# Findings", "", count]
    for room, title in ROOMS.items():
        lines += ["", f"## CX{room}xx {title}", "", "| code | name | severity | |", "|---|---|---|---|"]
        lines += [
            f"| [{code.code}]({code.code}.md) | {code.name} | {code.severity} | {code.title} |"
            for code in sorted(CATALOGUE.values(), key=lambda c: c.code)
            if code.code[2] == room
        ]
    return "\n".join(lines) + "\n"


def outputs() -> dict[Path, str]:
    """The text of each generated file."""
    return {
        REFERENCE / "inventory.md": reference(),
        REFERENCE / "inventory.schema.json": json.dumps(inventory_schema(), indent=2, ensure_ascii=False)
        + "\n",
        REFERENCE / "boot-server-config.md": boot_server_reference(),
        REFERENCE / "boot-server-metrics.md": metrics_reference(),
        FINDINGS / "README.md": findings_index(),
    }


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text)
        print(path, file=sys.stderr)
