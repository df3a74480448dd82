"""Write docs/reference/ (the inventory and its schema, the boot server's configuration and metrics, the
command line) from the models and the commands, and the list of findings.

Run it after a change to ``coexist.inventory.models``, ``coexist.boot.configuration``, the metrics, the
options of a command or the catalogue of codes; a test holds them up to date.
"""

from __future__ import annotations

import inspect
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from coexist.analysis.catalogue import CATALOGUE
from coexist.boot import configuration
from coexist.boot.respond import Reason
from coexist.cli import EXIT_CODES, cli
from coexist.cli.exit_codes import COMMAND_CODES
from coexist.inventory import models, software, values
from coexist.inventory.groups import BUILT_IN
from coexist.inventory.products import products
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

Option values: text, numbers, addresses or lists of them by the option's type (RFC 2132 and the later
documents of IANA's registry), or raw octets as `hex:06:01:08:ff`. An option whose type is a structure
(119, 121) takes octets only.

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
        for module in (models, software, values)
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
        products="\n".join(f"| `{p.name}` | {p.describe} |" for p in products().values()),
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
    schema = configuration.BootServerConfig.model_json_schema(by_alias=True)
    definitions = {**schema["$defs"], "BootServerConfig": schema}
    models_ = [
        value
        for value in vars(configuration).values()
        if inspect.isclass(value)
        and issubclass(value, values.Declared)
        and value.__module__ == configuration.__name__
    ]
    models_ = sorted(models_, key=lambda model: model is not configuration.BootServerConfig)
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


COMMANDS_HEAD = """\
# The command line

Made from the commands by `scripts/make-reference.py`; `coexist COMMAND --help` says the same.

stdout is data, stderr is for people. What people read is folded to 80 columns; messages on stderr only on a
terminal, so that a log has one line each. `NO_COLOR` is respected. An INVENTORY is a directory with
`site.yaml`, or the file itself.

| exit code | meaning |
|---|---|
{codes}

`probe --nagios` has those of a monitoring plug-in instead: 0 ok, 1 warning, 2 critical, 3 unknown.

For completion in bash: `eval "$(_COEXIST_COMPLETE=bash_source coexist)"`; `zsh_source` and `fish_source` do
it for theirs.
"""


def commands_reference() -> str:
    """docs/reference/command-line.md: every command with its arguments and options."""
    codes = "\n".join(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    parts = [COMMANDS_HEAD.format(codes=codes)]
    parts += [_command(words, command) for words, command in _commands(cli, ("coexist",))]
    return "\n".join(parts)


def _commands(
    command: click.Command, words: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield words, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from _commands(inner, (*words, name))


def _command(words: tuple[str, ...], command: click.Command) -> str:
    context = click.Context(command, info_name=" ".join(words))
    usage = " ".join(command.collect_usage_pieces(context))
    about = inspect.cleandoc(command.help or "").replace("\b\n", "")
    lines = [f"## {' '.join(words)}", "", f"`{' '.join(words)} {usage}`", "", _as_list(about), ""]
    codes = COMMAND_CODES[" ".join(words[1:])]
    lines += [f"Exit codes: {', '.join(map(str, codes))}.", ""]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    if options:
        lines += ["| option | |", "|---|---|"]
        lines += [f"| `{_spelling(option, context)}` | {_about(option)} |" for option in options]
        lines.append("")
    return "\n".join(lines)


def _as_list(text: str) -> str:
    """Aligned columns of a help text (``  name   what``) as a list."""
    return re.sub(r"^ {2}(\S+) {2,}(.*)$", r"- `\1`: \2", text, flags=re.MULTILINE)


def _spelling(option: click.Option, context: click.Context) -> str:
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    return ", ".join(option.opts) + value.replace("|", "\\|")


def _about(option: click.Option) -> str:
    text = (option.help or "").rstrip(".").replace("|", "\\|")
    if option.show_default and option.default is not None and not option.is_flag:
        text += f"; {option.default} if not given"
    return f"{text}{'; required' if option.required else ''}"


def outputs() -> dict[Path, str]:
    """The text of each generated file."""
    return {
        REFERENCE / "inventory.md": reference(),
        REFERENCE / "inventory.schema.json": json.dumps(inventory_schema(), indent=2, ensure_ascii=False)
        + "\n",
        REFERENCE / "boot-server-config.md": boot_server_reference(),
        REFERENCE / "boot-server-metrics.md": metrics_reference(),
        REFERENCE / "command-line.md": commands_reference(),
        FINDINGS / "README.md": findings_index(),
    }


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text)
        print(path, file=sys.stderr)
