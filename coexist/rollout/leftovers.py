"""Files that an earlier rollout wrote and the inventory no longer renders. Pure.

A daemon may still read them: dnsmasq reads every file of its ``conf-dir``, and a list stays in force as long
as a configuration names it. So a plan removes them, as carefully as it replaces others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from coexist.analysis.catalogue import CATALOGUE
from coexist.analysis.findings import Finding
from coexist.inventory.loader import Inventory
from coexist.render import RenderedSite
from coexist.rollout.facts import PresentFile
from coexist.rollout.planning import Job

Written = Mapping[str, Mapping[str, frozenset[str]]]
"""By server and path the digests that rollouts wrote there (``History.written``)."""


def leftovers(inventory: Inventory, rendered: RenderedSite, written: Written) -> dict[str, tuple[str, ...]]:
    """The paths of each server that nothing is rendered for any more, also of servers that are gone.

    A path that is rendered for another server of the same machine has only changed its owner.
    """
    hosts = {name: server.deploy.host for name, server in inventory.site.servers.items() if server.deploy}
    taken = {
        (hosts.get(name, name), file.target)
        for name, files in rendered.files.items()
        for file in files
        if file.target is not None
    }
    found = {
        name: tuple(path for path in paths if (hosts.get(name, name), path) not in taken)
        for name, paths in written.items()
    }
    return {name: paths for name, paths in found.items() if paths}


def removals(
    inventory: Inventory, jobs: Mapping[str, Job], present: Mapping[str, Mapping[str, PresentFile]]
) -> tuple[Finding, ...]:
    """A finding for each file that a plan removes (CX604), with who still reads it."""
    return tuple(
        Finding(
            code=CATALOGUE["CX604"],
            severity=CATALOGUE["CX604"].severity,
            position=inventory.where("servers", name),
            message=f"{path} on {name} was written by an earlier rollout and is no longer rendered; "
            + _meaning(path, job, present[name]),
            repair="an apply removes it and keeps its bytes for `coexist rollback`",
            path=("servers", name, "deploy"),
        )
        for name, job in sorted(jobs.items())
        for path in job.leftovers
        if present[name][path].content is not None
    )


def _meaning(path: str, job: Job, there: Mapping[str, PresentFile]) -> str:
    """Who reads the file, as far as the other files tell: by its whole path or by its name."""
    name = path.rpartition("/")[2].encode()
    after = [place for place, file in job.files.items() if name in file.content]
    if after:
        return f"{after[0]} still names it in its new form: look at that before you apply"
    before = [place for place in job.files if name in (there[place].content or b"")]
    if before:
        return f"{before[0]} reads it today, and no longer does in its new form"
    folder = path.rpartition("/")[0] or "/"
    return f"no other file here names it, but a daemon that reads all of {folder} still obeys it"


def left_behind(
    inventory: Inventory, jobs: Mapping[str, Job], found: Mapping[str, tuple[str, ...]]
) -> Iterator[Finding]:
    """A finding for each server that has files of earlier rollouts and is rolled out to no more (CX605)."""
    for name, paths in sorted(found.items()):
        if name in jobs:
            continue
        declared = name in inventory.site.servers
        why = "is no longer rolled out to" if declared else "is no longer in the inventory"
        yield Finding(
            code=CATALOGUE["CX605"],
            severity=CATALOGUE["CX605"].severity,
            position=inventory.where("servers", name) if declared else inventory.where("servers"),
            message=f"{name} {why}, and the last rollout left there {', '.join(paths)}: "
            "what reads them answers clients as before",
            repair="stop its service there and remove them; or `coexist rollback` that rollout",
            path=("servers", name) if declared else ("servers",),
        )
