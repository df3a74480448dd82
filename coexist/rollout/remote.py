"""One server brought to what an inventory says of it over SSH: planned and applied in one go, recorded.

This is what a step of a migration does to a server; many servers at once are ``coexist plan`` and
``coexist apply``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from coexist.errors import CoexistError, HostError
from coexist.inventory import Inventory
from coexist.records import dataclass
from coexist.render import render_site
from coexist.render.limits import first_error
from coexist.rollout.apply import Rollout, contents_of
from coexist.rollout.document import Plan
from coexist.rollout.drift import drift, losses
from coexist.rollout.facts import PresentFile
from coexist.rollout.history import FOLDER, History
from coexist.rollout.impact import read_manifest
from coexist.rollout.leftovers import leftovers
from coexist.rollout.planning import Job, jobs_of, make_plan
from coexist.rollout.present import read_present
from coexist.rollout.secret_values import references_of, references_of_plan, with_secrets
from coexist.rollout.transport import Connect
from coexist.text.amounts import amount

EDITED = frozenset({"CX601", "CX602"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteApply:
    """Applies one server at a time. ``history`` None: the folder beside the inventory.

    ``reason`` goes into the record of each rollout; ``overwrite``: also what was edited by hand.
    """

    connect: Connect
    history: Path | None = None
    reason: str | None = None
    overwrite: bool = False

    def __call__(self, inventory: Inventory, server: str) -> str:
        """Bring ``server`` to the inventory; tells the record. Raises ``HostError`` or ``CoexistError``."""
        history = History(self.history or inventory.root / FOLDER)
        job = job_of(inventory, server, history)
        connect = with_secrets(self.connect, references_of(file.content for file in job.files.values()))
        present = read_present([job.target], connect, parallel=1)
        if server in present.failed:
            raise HostError(present.failed[server])
        self._refuse_drift(inventory, server, job, present.files[server], history)
        plan = make_plan(
            inventory,
            {server: job},
            present.files,
            read_manifest(history.last_manifest()),
            root=str(inventory.root.resolve()),
            reason=self.reason,
        ).plan.sealed()
        if plan.is_empty:
            return "nothing to change"
        return self._apply(plan, history)

    def _apply(self, plan: Plan, history: History) -> str:
        journal = history.resume(plan, "apply") or history.begin(plan, "apply")
        rollout = Rollout(
            plan=plan,
            journal=journal,
            connect=with_secrets(self.connect, references_of_plan(plan)),
            provide=contents_of(plan, history.content),
        )
        failure = rollout.apply(on_failure="rollback")
        if failure is not None:
            raise HostError(f"{failure.message}; record {journal.record.id}")
        return f"record {journal.record.id}"

    def _refuse_drift(
        self,
        inventory: Inventory,
        server: str,
        job: Job,
        files: Mapping[str, PresentFile],
        history: History,
    ) -> None:
        """Raise ``HostError`` if someone edited the server since the last rollout that came to its end, or if
        a file would be replaced that no rollout wrote."""
        records = [record for record in history.records() if server in record.servers]
        if self.overwrite or (records and not records[-1].finished):
            return
        contents = {path: file.content for path, file in job.files.items()}
        for (_, path), statements in losses({server: files}, {server: contents}, history.written()).items():
            line, text = statements[0]
            lost = amount(len(statements), "statement")
            raise HostError(
                f"no rollout wrote {path} on {server}, and {lost} of it would be gone, the first in line "
                f"{line}: {text}; `coexist plan` lists them all; or overwrite it",
                "overwrite",
            )
        if not records:
            return
        wanted = {server: {path: file.digest for path, file in job.files.items()}}
        found = drift(
            inventory, {server: files}, wanted, history.last_applied(), history.content, history.written()
        )
        edited = [finding for finding in found if finding.code.code in EDITED]
        if edited:
            what = f"{edited[0].message}; take it over into the inventory first, or overwrite it"
            raise HostError(what, "overwrite")


def job_of(inventory: Inventory, server: str, history: History) -> Job:
    """What goes to a server. Raises ``CoexistError`` if it cannot be expressed or brought there."""
    found = None if inventory.site.servers[server].fixed else first_error(inventory, server)
    if found is not None:
        raise CoexistError(f"{found.position}: {found.code.code}: {found.message}; {found.repair}")
    rendered = render_site(inventory)
    jobs = jobs_of(inventory, rendered, leftovers(inventory, rendered, history.written()))
    if server not in jobs.jobs:
        raise CoexistError(f"{server}: {jobs.left_out.get(server, 'it is not rendered')}")
    return jobs.jobs[server]
