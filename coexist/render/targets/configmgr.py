r"""Configuration Manager distribution point: a PowerShell script and the list of MACs it ignores.

Sources: Set-CMDistributionPoint; Microsoft's "ignore a list of MAC addresses" (registry value
MACIgnoreListFile below SMS\\DP). Not run on Windows; the syntax is checked.
"""

from __future__ import annotations

from collections.abc import Iterator

from coexist.boot.answered import answered
from coexist.inventory import MacSet
from coexist.inventory.deployment import place_of
from coexist.render.cells import mac_lines
from coexist.render.limits import report_limits
from coexist.render.rendered import RenderedFile
from coexist.render.target import Job
from coexist.render.targets.powershell import command, literal, script

IGNORE_LIST = "mac-ignore-list.txt"
IGNORE_TARGET = f"C:\\ProgramData\\coexist\\{IGNORE_LIST}"


def limits(job: Job) -> None:
    """Report what it cannot keep."""
    report_limits(job)
    for key in job.server.programs:
        job.report(
            "CX515",
            ("servers", job.name, "programs", key),
            f"a distribution point chooses its boot program by itself; {key} has no effect",
            "leave it out; the task sequence's boot image decides",
        )


def render(job: Job) -> tuple[RenderedFile, ...]:
    """The script, and the ignore list it points to."""
    purpose = "sets whether and when the distribution point answers"
    files = [
        script(job, "configmgr/distribution-point.ps1.j2", "distribution-point.ps1", purpose, _sections(job))
    ]
    if _ignores(job):
        denied = ~answered(job.inventory, job.name)
        points = tuple(sorted((denied - MacSet(denied.bounds)).points))
        files.append(
            RenderedFile(
                path=IGNORE_LIST,
                content=mac_lines(points, after="\r\n").encode(),
                purpose="MAC addresses the distribution point does not answer, one a line",
                target=IGNORE_TARGET,
            )
        )
    return tuple(files)


def _ignores(job: Job) -> bool:
    return job.server.answers.who in ("all_except", "unknown")


def _sections(job: Job) -> Iterator[tuple[str, list[str]]]:
    settings, server = job.server.settings, job.server
    name = str(
        settings.get("server_name")
        or (server.deploy.host if server.deploy else next(iter(server.stands_on.values())))
    )
    place = {"SiteSystemServerName": name} | (
        {"SiteCode": str(settings["site_code"])} if "site_code" in settings else {}
    )
    answers = server.answers.who != "nobody"
    yield (
        "Whom it answers, and when",
        [
            command("Set-CMDistributionPoint", **place, AllowPxeResponse=answers),
            command(
                "Set-CMDistributionPoint",
                **place,
                EnableUnknownComputerSupport=server.answers.who not in ("known", "nobody"),
            ),
            command("Set-CMDistributionPoint", **place, PxeServerResponseDelaySec=server.delay.secs_at_least),
        ],
    )
    key = literal("HKLM:\\SOFTWARE\\Microsoft\\SMS\\DP")
    if _ignores(job):
        list_path = place_of(server, IGNORE_LIST, IGNORE_TARGET) or IGNORE_TARGET
        ignore = [
            f"Set-ItemProperty -LiteralPath {key} -Name 'MACIgnoreListFile' -Value {literal(list_path)}"
        ]
    else:
        ignore = [
            f"Remove-ItemProperty -LiteralPath {key} -Name 'MACIgnoreListFile' -ErrorAction SilentlyContinue"
        ]
    yield "Whom it ignores", ignore
    # One of the two is the PXE service, depending on the distribution point's settings.
    yield (
        "Put to use",
        ["Get-Service -Name 'SccmPxe','WDSServer' -ErrorAction SilentlyContinue | Restart-Service"],
    )
