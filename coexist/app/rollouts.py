"""Rolling a site out: what a plan would change, its gates, doing it, and taking it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple

from coexist.analysis import Severity
from coexist.analysis.findings import Finding
from coexist.app.current import analyse_now, load_current, today
from coexist.app.wire_checks import verifier, with_checks
from coexist.errors import CoexistError, Decision, HostError, UndecidedError
from coexist.inventory import Inventory
from coexist.records import dataclass
from coexist.render import render_site
from coexist.rollout import drift
from coexist.rollout.apply import Failure, Rollout, Watch, contents_of
from coexist.rollout.beside import changed_copies
from coexist.rollout.converge import standing
from coexist.rollout.document import Plan, read_plan, write_plan
from coexist.rollout.drift import Losses
from coexist.rollout.history import FOLDER, History, Journal, Record
from coexist.rollout.impact import read_manifest
from coexist.rollout.leftovers import left_behind, leftovers, removals
from coexist.rollout.planning import Job, jobs_of, make_plan
from coexist.rollout.present import Present, read_present
from coexist.rollout.seal import KEY_FILE, make_key, require_seal, sealed_with
from coexist.rollout.secret_values import references_of, references_of_plan, with_secrets
from coexist.rollout.transport import Address, Connect
from coexist.text.closest import closest

__all__ = ["Failure", "Plan", "Record", "read_plan"]

LARGEST_SHARE = 0.3
"""The share of a server's clients that may change without another word."""
PARALLEL, SECONDS = 16, 60


class Refused(NamedTuple):
    """Why a plan must not be applied; ``decision``: with which it may."""

    kind: Literal["host", "findings", "edited"]
    why: str
    decision: Decision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How servers are reached, and where it is written down.

    ``folder``: the history, if it is not beside the inventory; ``key``: what plans are sealed with;
    ``parallel`` servers at a time; ``seconds`` for each check and reload.
    """

    connect: Connect
    folder: Path | None = None
    key: Path | None = None
    parallel: int = PARALLEL
    seconds: int = SECONDS

    def history(self, root: Path) -> History:
        """The records of the inventory in the directory ``root``."""
        return History(self.folder or root / FOLDER)

    def key_of(self, history: History) -> Path:
        """The file of the key."""
        return self.key or history.folder / KEY_FILE


@dataclass(frozen=True, kw_only=True)
class SitePlan:
    """A plan with everything that speaks for and against it.

    ``drift``: what was changed on servers behind the inventory's back; ``findings``: errors of `check` and
    what a product cannot keep; ``left_out``: by server why it is not rolled out. ``lost``: what files say
    that no rollout wrote and that would be replaced; ``replace``: the paths of those that may be.
    """

    plan: Plan
    drift: tuple[Finding, ...]
    findings: tuple[Finding, ...]
    left_out: Mapping[str, str]
    jobs: Mapping[str, Job]
    present: Present
    lost: Losses = field(default_factory=dict)
    overwrite: bool = False
    replace: tuple[str, ...] = ()

    @property
    def failed(self) -> Mapping[str, str]:
        """Why a server could not be read."""
        return self.present.failed

    @property
    def changed(self) -> tuple[str, ...]:
        """The servers that would be changed."""
        return tuple(name for name, server in self.plan.servers.items() if any(f.after for f in server.files))

    def refused(self) -> Refused | None:
        """Why it must not be applied; None if it may."""
        if self.failed:
            return Refused("host", "a server could not be read")
        if any(finding.severity is Severity.ERROR for finding in self.findings) and not self.plan.reason:
            said = "the inventory does not pass `coexist check`: repair it, or give a reason"
            return Refused("findings", said, "reason")
        edited = [finding for finding in self.drift if finding.code.code in ("CX601", "CX602")]
        if edited and not self.overwrite and not self.plan.is_empty:
            said = "a server was changed by hand: take the change over, or plan to overwrite it"
            return Refused("edited", said, "overwrite")
        kept = [path for _, path in self.lost if path not in self.replace]
        if kept:
            said = f"no rollout wrote {', '.join(kept)}: to replace it, name it"
            return Refused("edited", said, "overwrite-file")
        old = any(finding.code.code == "CX606" for finding in self.drift)
        if old and not self.plan.reason and not self.plan.is_empty:
            said = "the plan rests on old copies of files: fetch them again, or give a reason"
            return Refused("edited", said, "reason")
        return None

    def diff(self, server: str) -> list[str]:
        """The lines that change on a server, a unified diff for each file, with secrets hidden."""
        lines: list[str] = []
        for file in self.plan.servers[server].files:
            if file.after:
                before = self.present.files[server][file.path].content
                rendered = self.jobs[server].files.get(file.path)
                after = rendered.content if rendered is not None else None
                old, new = (file.path if content is not None else "/dev/null" for content in (before, after))
                lines += drift.diff(before, after, old, new).splitlines()
        return lines


def plan_site(
    path: Path,
    way: Way,
    *,
    reason: str | None = None,
    overwrite: bool = False,
    replace: Sequence[str] = (),
    only: Sequence[str] = (),
    reading: Callable[[list[str]], Watch] = lambda _servers: lambda _server, _how: None,
) -> SitePlan:
    """Read each server's files and compare them with what the inventory renders. Nothing is changed.

    ``reading`` is told the servers, and hears of each when it was read. Raises `CoexistError`.
    """
    inventory = load_current(path, parked=True)
    history = way.history(inventory.root)
    rendered = render_site(inventory)
    found = leftovers(inventory, rendered, history.written())
    jobs = jobs_of(inventory, rendered, found)
    for name in only:
        if name not in inventory.site.servers:
            raise CoexistError(f"there is no server {name!r}; {closest(name, inventory.site.servers)}")
    chosen = {name: job for name, job in jobs.jobs.items() if not only or name in only}
    targets = [job.target for job in chosen.values()]
    needed = references_of(file.content for job in chosen.values() for file in job.files.values())
    connect = with_secrets(way.connect, needed)
    present = read_present(targets, connect, parallel=way.parallel, watch=reading(list(chosen)))
    readable = {name: job for name, job in chosen.items() if name in present.files}
    findings = findings_of_plan(path, today())
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    planned = make_plan(
        inventory,
        readable,
        present.files,
        read_manifest(history.last_manifest()),
        root=str(inventory.root.resolve()),
        reason=reason,
        findings=tuple(f"{finding.code.code} {finding.message}" for finding in errors),
    )
    contents = {name: {path: f.content for path, f in job.files.items()} for name, job in readable.items()}
    return SitePlan(
        plan=with_checks(inventory, planned, present.boot_files).sealed(),
        drift=(
            *_drift(inventory, readable, present, history),
            *left_behind(inventory, jobs.jobs, found),
            *changed_copies(inventory, present.files),
        ),
        findings=findings,
        left_out=jobs.left_out,
        jobs=readable,
        present=present,
        lost=drift.losses(present.files, contents, history.written()),
        overwrite=overwrite,
        replace=tuple(replace),
    )


def sealed(plan: Plan, way: Way, root: Path) -> Plan:
    """What is written down, or applied later, carries a seal, by which ``apply`` knows it again."""
    return plan if plan.is_empty else sealed_with(plan, make_key(way.key_of(way.history(root))))


def plan_text(plan: Plan) -> str:
    """A plan as it is written down."""
    return write_plan(plan)


def findings_of_plan(path: Path, today: date) -> tuple[Finding, ...]:
    """Errors of the inventory, and whatever its severity what a product cannot keep: it would be left out."""
    found = analyse_now(path, today).findings
    return tuple(f for f in found if f.severity is Severity.ERROR or f.code.is_of_targets)


def _drift(
    inventory: Inventory, jobs: Mapping[str, Job], present: Present, history: History
) -> tuple[Finding, ...]:
    wanted = {name: {path: file.digest for path, file in job.files.items()} for name, job in jobs.items()}
    found = drift.drift(
        inventory, present.files, wanted, history.last_applied(), history.content, history.written()
    )
    return (*found, *removals(inventory, jobs, present.files))


# -- doing it -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """Through which cards, or from which addresses as a relay agent, the wire is asked, by VLAN."""

    interfaces: Mapping[str, str]
    relays: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How an apply or a rollback ended. ``record`` is None where there was nothing to change."""

    record: Record | None
    failure: Failure | None = None
    said: str = ""


def large(plan: Plan) -> tuple[str, ...]:
    """The servers of which more than `LARGEST_SHARE` of the clients change, with the share."""
    return tuple(
        f"{name} ({server.impact.share:.0%})"
        for name, server in plan.servers.items()
        if server.impact.share > LARGEST_SHARE
    )


def apply_plan(
    plan: Plan,
    way: Way,
    watch: Watch,
    *,
    force: bool = False,
    on_failure: Literal["stop", "rollback"] = "stop",
    probes: Probes | None = None,
    who: str | None = None,
    begun: Callable[[Record, bool], None] = lambda _record, _continued: None,
    stop: Callable[[], bool] = lambda: False,
) -> Done:
    """Bring the servers to what was planned, or go on where an apply of this plan was interrupted.

    ``begun`` is told the record, and whether it is continued. ``stop``: whether no further server is begun;
    what is left then raises ``KeyboardInterrupt``. Raises `CoexistError` for a plan that is not genuine, or
    changes too much at once without ``force``.
    """
    if plan.is_empty:
        return Done(record=None, said="nothing to change")
    if way.folder is None and not Path(plan.root).is_dir():
        raise UndecidedError(
            f"the plan was made beside {plan.root}, which is not here; make one here, or say where this"
            " rollout is recorded",
            "history",
        )
    history = way.history(Path(plan.root))
    require_seal(plan, way.key_of(history))
    last = history.latest(plan)
    if last is not None and (last.plan, last.kind, last.outcome) == (plan.digest, "apply", "done"):
        _refuse_changed(plan, way)
        return Done(record=None, said="already applied; nothing to change")
    much = large(plan)
    if much and not force:
        raise UndecidedError(
            f"more than {LARGEST_SHARE:.0%} of the clients change on {', '.join(much)}; nothing was done; "
            "read the plan again, then say that this is meant",
            "force",
        )
    verify = None
    if probes is not None and (probes.interfaces or probes.relays):
        verify = verifier(plan, probes.interfaces, probes.relays)
    if stop():
        raise KeyboardInterrupt
    journal = history.resume(plan, "apply")
    continued = journal is not None
    if journal is None:
        journal = history.begin(plan, "apply", who=who)
    begun(journal.record, continued)
    doing = _rollout(plan, journal, history, way, watch, stop=stop)
    failure = doing.apply(verify=verify, on_failure=on_failure)
    return Done(record=journal.record, failure=failure)


def _refuse_changed(plan: Plan, way: Way) -> None:
    """An applied plan is not applied again; say whether it still stands."""
    wrong = []
    connect = with_secrets(way.connect, references_of_plan(plan))
    for name, server in plan.servers.items():
        try:
            connection = connect(Address(name=name, host=server.host, user=server.user, port=server.port))
            try:
                standing(connection, server, ("final",))
            finally:
                connection.close()
        except HostError as error:
            wrong.append(str(error))
    if wrong:
        raise HostError("this plan was applied, and since then: " + "; ".join(wrong) + "; make a new plan")


def take_back(
    root: Path,
    way: Way,
    watch: Callable[[list[str]], Watch],
    *,
    record: str | None = None,
    reason: str | None = None,
    overwrite: bool = False,
    who: str | None = None,
    passed_over: Callable[[Record], None] = lambda _record: None,
    begun: Callable[[Record], None] = lambda _record: None,
    stop: Callable[[], bool] = lambda: False,
) -> Done:
    """Take an apply back, in the reverse of its order; without ``record`` the last that changed anything.

    ``watch`` is told the servers; ``passed_over`` hears of later applies that changed nothing; ``begun`` and
    ``stop`` as in `apply_plan`. Raises `CoexistError`.
    """
    history = way.history(root)
    if record:
        undone = history.record(record)
    else:
        applies = [each for each in history.records() if each.kind == "apply"]
        if not applies:
            raise CoexistError(f"nothing was applied yet: {history.folder} has no record")
        undone = next((each for each in reversed(applies) if each.touched), applies[-1])
        for each in applies[applies.index(undone) + 1 :]:
            passed_over(each)
    if undone.kind != "apply":
        raise CoexistError(f"{undone.id} is a rollback; apply its plan again to undo it")
    plan = history.plan_of(undone)
    journal = history.resume(plan, "rollback", undone.id)
    if journal is None:
        journal = history.begin(plan, "rollback", of=undone.id, reason=reason, who=who)
    begun(journal.record)
    doing = _rollout(plan, journal, history, way, watch(list(plan.servers)), overwrite=overwrite, stop=stop)
    failure = doing.undo()
    return Done(record=journal.record, failure=failure)


def _rollout(
    plan: Plan,
    journal: Journal,
    history: History,
    way: Way,
    watch: Watch,
    *,
    overwrite: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Rollout:
    return Rollout(
        plan=plan,
        journal=journal,
        connect=with_secrets(way.connect, references_of_plan(plan)),
        provide=contents_of(plan, history.content),
        parallel=way.parallel,
        seconds=way.seconds,
        overwrite=overwrite,
        watch=watch,
        stop=stop,
    )


# -- what was done --------------------------------------------------------------------------------------


def records_of(root: Path, folder: Path | None = None, record: str | None = None) -> list[Record]:
    """Every apply and rollback, oldest first; or the one whose id begins so. Raises `CoexistError`."""
    history = History(folder or root / FOLDER)
    return [history.record(record)] if record else history.records()


def unfinished(root: Path, folder: Path | None = None) -> Record | None:
    """The last apply or rollback, if it was cut off; None for one that goes on in another process."""
    history = History(folder or root / FOLDER)
    records = history.records()
    return None if not records or records[-1].finished or history.is_busy() else records[-1]


def plan_of(root: Path, record: Record) -> Plan:
    """The plan of a record. Raises `InputError` if it is not there any more."""
    return History(root / FOLDER).plan_of(record)
