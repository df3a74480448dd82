"""One roll-out at a time, in a thread of its own, for who looks at it from a browser.

It plans, applies and takes back with the functions of `coexist.app.rollouts`, so with the same gates, the
same lock and the same records as the commands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from coexist.app.changes import Who
from coexist.app.migrations import local_now
from coexist.app.reach import connector
from coexist.app.rollouts import (
    Done,
    Plan,
    Record,
    SitePlan,
    Way,
    apply_plan,
    plan_of,
    plan_site,
    records_of,
    sealed,
    take_back,
    unfinished,
)
from coexist.app.sightings import from_metrics
from coexist.errors import CoexistError
from coexist.inventory import load_inventory
from coexist.records import dataclass
from coexist.rollout.metrics import Counted

What = Literal["plan", "apply", "undo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is being done, or was done last. ``servers``: by name what each is doing; ``ended`` None while
    it goes on; ``error``: why it could not be done."""

    what: What
    who: str
    began: datetime
    servers: Mapping[str, str] = field(default_factory=dict)
    ended: datetime | None = None
    done: Done | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What the servers were found to run: the plan, and what coexist's own servers counted or why that is
    missing."""

    at: datetime
    made: SitePlan
    counted: Mapping[str, Counted | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRollout:
    """The last roll-out that touched a server, and what the server runs since."""

    record: Record
    state: str
    error: str


class RolloutDesk:
    """Roll-outs of the inventory at ``path``. ``way`` is asked for how servers are reached at each job."""

    def __init__(self, path: Path, way: Callable[[], Way]) -> None:
        self.path = path
        self.root = path if path.is_dir() else path.parent
        self._way = way
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self.version = 0
        self.job: Job | None = None
        self.looked: Looked | None = None

    @property
    def busy(self) -> bool:
        """Whether a job goes on."""
        return self.job is not None and self.job.ended is None

    def plan(self, who: Who, *, overwrite: bool = False) -> None:
        """Begin to read the servers and to plan. ``who.why``: a reason to plan although `check` finds errors.

        Raises `CoexistError` while another job goes on.
        """

        def work() -> None:
            way = self._way()
            reason = who.why or None
            made = plan_site(self.path, way, reason=reason, overwrite=overwrite, reading=self._begin_servers)
            made = replace(made, plan=sealed(made.plan, way, self.root))
            self.looked = Looked(at=local_now(), made=made, counted=self._counted(way))

        self._start("plan", who, work)

    def apply(self, who: Who, digest: str, *, force: bool) -> None:
        """Begin to apply the plan that was looked at. Raises `CoexistError` if it is another, or refused."""
        looked = self.looked
        if looked is None or looked.made.plan.digest != digest:
            raise CoexistError("this is not the last plan; read the new one, then apply it")
        refused = looked.made.refused()
        if refused is not None:
            raise CoexistError(f"this plan is not applied: {refused.why}")
        self._apply(looked.made.plan, who, force=force)

    def go_on(self, who: Who) -> None:
        """Go on with an apply or a rollback that was cut off. Raises `CoexistError` if there is none."""
        left = unfinished(self.root)
        if left is None:
            raise CoexistError("no roll-out was cut off")
        if left.of is not None:
            self.undo(who, left.of)
        else:
            self._apply(plan_of(self.root, left), who, force=True)

    def _apply(self, plan: Plan, who: Who, *, force: bool) -> None:
        def work() -> Done:
            way = self._way()
            self._begin_servers(list(plan.servers))
            # The seal is of when it was planned: one that was changed since, in the history too, is refused.
            done = apply_plan(plan, way, self._watch, force=force, who=f"{who.name} ({who.via})")
            self.looked = None
            return done

        self._start("apply", who, work)

    def undo(self, who: Who, record: str) -> None:
        """Begin to take an apply back, byte for byte. Raises `CoexistError` while another job goes on."""
        records_of(self.root, record=record)

        def work() -> Done:
            name = f"{who.name} ({who.via})"
            reason = who.why or None
            done = take_back(
                self.root, self._way(), self._begin_servers, record=record, reason=reason, who=name
            )
            self.looked = None
            return done

        self._start("undo", who, work)

    def wait(self) -> None:
        """Wait for the end of the job."""
        if self._thread is not None:
            self._thread.join()

    def last_rollouts(self) -> dict[str, LastRollout]:
        """By server, the last roll-out that touched it."""
        found: dict[str, LastRollout] = {}
        for record in records_of(self.root):
            for name, server in record.servers.items():
                if server.state != "untouched" or server.error:
                    found[name] = LastRollout(record=record, state=server.state, error=server.error or "")
        return found

    def _start(self, what: What, who: Who, work: Callable[[], Done | None]) -> None:
        with self._guard:
            if self.busy:
                raise CoexistError("a roll-out is under way; wait for its end")
            self.job = Job(what=what, who=who.name, began=local_now())
            self.version += 1
        # Not a daemon: who began on a server is let finish when the console is stopped.
        self._thread = threading.Thread(target=self._run, args=(work,), name=f"roll-out: {what}")
        self._thread.start()

    def _run(self, work: Callable[[], Done | None]) -> None:
        done, error = None, "it ended without a word; see the console's own messages"
        try:
            done, error = work(), ""
        except CoexistError as refused:
            error = str(refused)
        finally:
            self._change(lambda job: replace(job, ended=local_now(), done=done, error=error))

    def _begin_servers(self, servers: list[str]) -> Callable[[str, str], None]:
        self._change(lambda job: replace(job, servers=dict.fromkeys(servers, "waiting")))
        return self._watch

    def _watch(self, server: str, what: str) -> None:
        self._change(lambda job: replace(job, servers={**job.servers, server: what}))

    def _change(self, change: Callable[[Job], Job]) -> None:
        with self._guard:
            assert self.job is not None
            self.job = change(self.job)
            self.version += 1

    def _counted(self, way: Way) -> Mapping[str, Counted | str]:
        """What coexist's own servers with metrics counted."""
        inventory = load_inventory(self.path)
        asked = tuple(
            name
            for name, server in inventory.site.servers.items()
            if server.product.is_ours and server.deploy is not None and server.settings.get("metrics_port")
        )
        return from_metrics(inventory, asked, way.connect)


def way_by_ssh(ssh_config: Path | None, connect_timeout: float, tell: Callable[[str], None]) -> Way:
    """Servers reached over SSH, and this machine without."""
    return Way(connect=connector(ssh_config, connect_timeout, tell))
