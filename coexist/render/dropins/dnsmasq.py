"""A file for dnsmasq's ``conf-dir``: tags of our own, and the lines that go by them.

Of several ``dhcp-boot`` and ``dhcp-option`` lines whose tags hold, the one that is read last counts (option.c
puts each new line first; 2.90), so the file must be read after those it stands above. ``dhcp-boot`` gives
file and server in one line.
"""

from __future__ import annotations

from collections.abc import Iterator

from coexist.boot.leases.plan import Setting
from coexist.inventory import Inventory
from coexist.render.cells import spelled
from coexist.render.dropins import OurPart, heading, our_part, rules_of, settings_of
from coexist.render.quoting import comment, dnsmasq_string
from coexist.render.settled import SettledPlan
from coexist.render.target import Job
from coexist.render.targets.dnsmasq import choices, opposite, option_value
from coexist.render.targets.dnsmasq_tags import NEVER, Groups, Tags, cannot_test, has, lacks
from coexist.wire.option_codes import option_title


def write(inventory: Inventory, name: str) -> OurPart:
    """The drop-in of a server."""
    return our_part(_text, inventory, name)


def _text(job: Job) -> str:
    """The lines of the file."""
    plan = rules_of(job, cannot_test)
    tags = Tags(prefix="coexist-")
    groups = Groups(cells=plan.cells, tags=tags)
    settings = settings_of(plan)
    rules = [(_tag(groups, number, setting), setting) for number, setting in enumerate(settings, start=1)]
    told = [f"# {tag}: {comment(setting.name)}" for tag, setting in rules]
    values = [*_refusals(rules), *_boot_lines(rules), *_option_lines(job, plan, rules)]
    members = [*groups.ranges(), *_machines(groups)]
    lines = [f"# {heading(job)}", "", *told, "", *tags.matches, *members, *tags.derived, "", *values]
    return "\n".join(lines) + "\n"


def _tag(groups: Groups, number: int, setting: Setting) -> str:
    """The tag of a setting's packets."""
    literals = groups.literals(setting.condition) or [lacks(NEVER)]
    return groups.tags.any_of(("rule", number), f"coexist-rule-{number}", [literals])


def _machines(groups: Groups) -> Iterator[str]:
    """By ``dhcp-mac``: of several ``dhcp-host`` for a machine only one counts."""
    named = groups.cells.named
    cells = {mac: cell.name for cell in named for mac in cell.points}
    for cell in named:
        cells.update((mac, groups.cells.rest.name) for mac in cell.excluded if mac not in cells)
    for mac in sorted(cells):
        yield f"dhcp-mac=set:{groups.cell_tag(cells[mac])},{spelled(mac)}"


def _refusals(rules: list[tuple[str, Setting]]) -> Iterator[str]:
    for tag, setting in rules:
        if setting.ignore:
            yield f"dhcp-ignore={has(tag)}"


def _boot_lines(rules: list[tuple[str, Setting]]) -> Iterator[str]:
    servers = choices([(tag, setting.next_server) for tag, setting in rules])
    for terms, address in servers:
        # Heeded where no dhcp-boot holds.
        yield f"dhcp-option={','.join(terms)},option:server-ip-address,{address}"
    # The last line that holds counts, and the one that names a server too goes last.
    for terms, file in choices([(tag, setting.file) for tag, setting in rules]):
        yield f"dhcp-boot={','.join(terms)},{dnsmasq_string(file)}"
        for more, address in servers:
            joined = list(dict.fromkeys([*terms, *more]))
            if not any(opposite(term) in joined for term in joined):
                yield f"dhcp-boot={','.join(joined)},{dnsmasq_string(file)},,{address}"


def _option_lines(job: Job, plan: SettledPlan, rules: list[tuple[str, Setting]]) -> Iterator[str]:
    (scope,) = plan.scopes
    for code in sorted({code for _, setting in rules for code in setting.options}):
        word = "dhcp-option-force" if code in scope.forced else "dhcp-option"
        for terms, setting in choices([(tag, s if code in s.options else None) for tag, s in rules]):
            try:
                yield f"{word}={','.join(terms)},{code}{option_value(code, setting.options[code])}"
            except ValueError as error:
                job.report(
                    "CX516",
                    setting.path,
                    f"{job.name} cannot send option {option_title(code)} of {setting.name}: {error}",
                    "leave the option out, or have it in the server's own file",
                )
