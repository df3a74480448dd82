"""Windows Deployment Services: a script of ``wdsutil`` calls.

Sources: Microsoft's reference of wdsutil set-server and add-device. Not run on Windows; the syntax is
checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from coexist.boot.answered import answered
from coexist.inventory import Inventory, MacSet
from coexist.inventory.values import in_steps
from coexist.render.cells import spelled
from coexist.render.limits import report_limits
from coexist.render.rendered import RenderedFile
from coexist.render.target import Job
from coexist.render.targets.powershell import native, script

_ARCHITECTURES = {
    "bios": ("x86", "x64"),
    "uefi-ia32": ("x86uefi",),
    "uefi-x64": ("x64uefi",),
    "itanium": ("ia64",),
}
# A computer name in Active Directory: 15 characters, no dots (Microsoft, naming conventions).
_COMPUTER_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,13}[A-Za-z0-9])?\Z")


def render(job: Job) -> tuple[RenderedFile, ...]:
    """The server's script."""
    sections = [
        ("Whom it answers, and when", list(_answers(job))),
        ("Boot programs", list(_programs(job))),
        ("Prestaged computers", list(_devices(job))),
    ]
    purpose = "sets whom WDS answers and when, and prestages its clients"
    return (script(job, "wds/wds.ps1.j2", "wds.ps1", purpose, sections),)


def _whitelisted(job: Job) -> bool:
    return job.server.answers.who in ("only", "known", "intended")


def limits(job: Job) -> None:
    """Report what it cannot keep."""
    report_limits(job)
    delay = job.server.delay
    if _whitelisted(job) and delay.kind == "after":
        job.report(
            "CX501",
            ("servers", job.name, "delay"),
            f"WDS does not delay its answer to prestaged computers, which are all that {job.name} answers",
            "leave the delay out, or let WDS answer everyone",
        )
    _report_names(job)
    others = sorted(set(job.server.programs) - set(_ARCHITECTURES))
    for key in others:
        job.report(
            "CX515",
            ("servers", job.name, "programs", key),
            f"WDS has no boot program of its own for {key}",
            "boot these clients from another server",
        )


def _answers(job: Job) -> Iterator[str]:
    who = "None" if job.server.answers.who == "nobody" else "Known" if _whitelisted(job) else "All"
    yield native("Invoke-Wdsutil", "/Set-Server", f"/AnswerClients:{who}")
    seconds = in_steps(job.server.delay.after, 1.0)
    yield native("Invoke-Wdsutil", "/Set-Server", f"/ResponseDelay:{seconds:.0f}")
    if "dhcp" in _roles_on_host(job):
        # Both would bind port 67 (Microsoft, WDS and DHCP on one host).
        yield native("Invoke-Wdsutil", "/Set-Server", "/UseDhcpPorts:No", "/DhcpOption60:Yes")


def _roles_on_host(job: Job) -> set[str]:
    host = job.server.host or job.name
    return {
        role
        for name, server in job.inventory.site.servers.items()
        if (server.host or name) == host
        for role in server.effective_roles
    }


def _programs(job: Job) -> Iterator[str]:
    for key, program in job.server.programs.items():
        for architecture in _ARCHITECTURES.get(key, ()):
            path = program.file.replace("/", "\\")
            yield native(
                "wdsutil.exe", "/Set-Server", f"/BootProgram:{path}", f"/Architecture:{architecture}"
            )


def _devices(job: Job) -> Iterator[str]:
    for mac, declared in _its_computers(job):
        name = declared if _COMPUTER_NAME.match(declared) else _own_name(mac)
        yield native("Add-Device", f"/Device:{name}", f"/ID:{spelled(mac, '-').upper()}")


def _its_computers(job: Job) -> Iterator[tuple[int, str]]:
    """The MACs it prestages, with the names of their clients."""
    return prestaged(job.inventory, answered(job.inventory, job.name)) if _whitelisted(job) else iter(())


def _report_names(job: Job) -> None:
    for mac, declared in _its_computers(job):
        if declared and not _COMPUTER_NAME.match(declared):
            job.report(
                "CX514",
                ("servers", job.name, "answers"),
                f"{declared!r} is no computer name; {spelled(mac)} is prestaged as {_own_name(mac)}",
                "use up to 15 letters, digits and hyphens in the client's name",
            )


def prestaged(inventory: Inventory, macs: MacSet) -> Iterator[tuple[int, str]]:
    """The exact addresses of a set with the names of the registered ones."""
    names = inventory.clients.columns["name"]
    index = inventory.clients.index
    inside = MacSet(macs.bounds)
    for mac in sorted(point for point in macs.points if point not in inside):
        row = index.get(mac)
        yield mac, "" if row is None else names[row]


def _own_name(mac: int) -> str:
    return f"pc-{spelled(mac, '')}"
