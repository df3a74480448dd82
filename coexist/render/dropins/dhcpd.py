"""A file for one ``include`` line of a dhcpd.conf: a class that has the last word, and those of its groups.

Of several classes that a packet is in dhcpd executes the first declared one last
(``execute_statements_in_scope`` in ``ack_lease``, server/dhcp.c of 4.4.3), so the line must stand before the
file's own classes. What a host declaration says comes after all classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coexist.boot.leases.compile import OWN_RULES
from coexist.boot.leases.plan import Setting
from coexist.inventory import Inventory
from coexist.render.dropins import OurPart, heading, our_part, rules_of, settings_of
from coexist.render.quoting import comment, dhcpd_string
from coexist.render.target import Job
from coexist.render.targets.dhcpd import Writer
from coexist.render.targets.dhcpd_expressions import option_name
from coexist.wire.option_codes import Option


def write(inventory: Inventory, name: str) -> OurPart:
    """The drop-in of a server."""
    return our_part(_text, inventory, name)


def _text(job: Job) -> str:
    """The statements of the file."""
    plan = rules_of(job, lambda _: False)
    writer = Writer(plan)
    settings = settings_of(plan)
    rules = [line for setting in reversed(settings) for line in _rule(writer, setting)]
    lines = [f"# {heading(job)}", "", *_options(writer, rules)]
    lines += ['class "coexist-rules" {', "  match if 1 = 1;", *rules, "}"]
    for entry in writer.classes():
        group = [f"  option coexist.group {dhcpd_string(entry['group'])};"] if entry["group"] else []
        lines += ["", f"class {dhcpd_string(entry['name'])} {{", f"  {entry['match']};", *group, "}"]
        lines += entry["members"].splitlines()
    return "\n".join(lines) + "\n"


def _options(writer: Writer, rules: Sequence[str]) -> Iterator[str]:
    if writer.cells.named:
        yield "# A private option, never sent: which group a packet belongs to."
        yield "option space coexist;"
        yield "option coexist.group code 2 = text;"
    # A name for iPXE's option where no rule asks for it could stand in the way of the file's own.
    ipxe = option_name(Option.IPXE_ENCAPSULATED)
    asks = any(ipxe in line for line in rules)
    yield from (line for line in writer.definitions() if asks or ipxe not in line)
    yield ""


def _rule(writer: Writer, setting: Setting) -> Iterator[str]:
    yield f"  # {comment(setting.name)}"
    yield f"  if ({writer.condition(setting.condition)}) {{"
    for statement in writer.statements(writer.scopes[OWN_RULES], setting):
        yield f"    {statement}"
    yield "  }"
