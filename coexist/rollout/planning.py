"""From what stands on the servers and what was rendered to a plan. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from coexist.boot.servers import model_for
from coexist.inventory.loader import Inventory
from coexist.inventory.macset import NOBODY, MacSet
from coexist.inventory.products import COEXIST
from coexist.planning.effective import answering_only
from coexist.planning.together import (
    VERSIONS,
    Answering,
    Key,
    Move,
    Ordering,
    ProvenOrdering,
    Stage,
    Verdict,
    Version,
    proven_order,
)
from coexist.planning.together import Change as Shift
from coexist.planning.together_proof import Running, TogetherProver
from coexist.records import dataclass
from coexist.render import RenderedFile, RenderedSite
from coexist.render.cells import mac_lines
from coexist.rollout.beside import answering_of, foreign_paths, included_by
from coexist.rollout.bridge import BootService, read_service, staged_config
from coexist.rollout.document import (
    Change,
    Impact,
    Plan,
    PlannedFile,
    ServerPlan,
    Step,
    encode_contents,
    sha256,
)
from coexist.rollout.facts import PresentFile
from coexist.rollout.impact import Manifest, count, impact, manifest_of, written_manifest
from coexist.rollout.present import Target
from coexist.rollout.shell import directory_of
from coexist.rollout.transport import Address

(BOOT_CONFIG,) = COEXIST.files


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A server that is rolled out: its files that have a place on it, by that place.

    ``leftovers``: paths where earlier rollouts wrote files that are no longer rendered.
    """

    target: Target
    files: Mapping[str, RenderedFile]
    leftovers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """The servers of a rollout, and why others have no part in it."""

    jobs: Mapping[str, Job]
    left_out: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class Planned:
    """A plan, what was proven of each move, and what the wire checks need: the boot services of each
    version."""

    plan: Plan
    ordering: Ordering
    verdicts: Mapping[Key, Verdict]
    services: dict[tuple[str, Version | None], BootService]
    before: Manifest
    after: Manifest


def jobs_of(
    inventory: Inventory, rendered: RenderedSite, leftovers: Mapping[str, tuple[str, ...]] | None = None
) -> Jobs:
    """Which servers can be rolled out to, which files go where, and which ``leftovers`` go."""
    jobs: dict[str, Job] = {}
    left_out = dict(rendered.left_out)
    for name, files in rendered.files.items():
        server = inventory.site.servers[name]
        placed = {file.target: file for file in files if file.target is not None}
        if server.deploy is None:
            left_out[name] = "the inventory does not say how it is reached (deploy: {host: ...})"
        elif rendered.systems.get(name, "linux") != "linux":
            left_out[name] = "its files are brought there by hand: it is no POSIX system"
        elif not placed:
            left_out[name] = "nothing that is rendered for it has a place on it"
        else:
            is_ours = server.product.is_ours
            boot = next((p for p, f in placed.items() if is_ours and f.path == BOOT_CONFIG), None)
            gone = (leftovers or {}).get(name, ())
            deploy = server.deploy
            address = Address(name=name, host=deploy.host, user=deploy.user, port=deploy.port)
            target = Target(
                address=address,
                paths=tuple(dict.fromkeys((*placed, *gone, *foreign_paths(server)))),
                sudo=deploy.sudo,
                boot_config=boot,
                boot_files=_boot_files(files) if is_ours else {},
            )
            jobs[name] = Job(target=target, files=placed, leftovers=gone)
    return Jobs(jobs=jobs, left_out=left_out)


def _boot_files(files: Sequence[RenderedFile]) -> dict[str, str]:
    """Where the boot programs of coexist's own server lie, by the names clients are given."""
    by_name = {file.path: file.content for file in files}
    service = read_service(by_name.get(BOOT_CONFIG, b""), by_name.get)
    if service is None:
        return {}
    root = PurePosixPath(service.config.tftp.root)
    return {
        program.file: str(root / program.file.lstrip("/"))
        for rule in service.config.rules
        for program in rule.programs.values()
        if program.server is None and "://" not in program.file
    }


def make_plan(
    inventory: Inventory,
    jobs: Mapping[str, Job],
    present: Mapping[str, Mapping[str, PresentFile]],
    recorded: Manifest,
    *,
    root: str,
    reason: str | None = None,
    findings: Sequence[str] = (),
) -> Planned:
    """The plan that brings every server whose files differ to what was rendered.

    ``recorded``: whom the servers boot by the last rollouts, for those whose own files do not tell.
    """
    builder = _Builder(inventory, jobs, present, recorded)
    changed = [name for name in jobs if builder.differs(name)]
    prover = TogetherProver(inventory, builder.running)
    proven = proven_order([builder.shift(name) for name in changed], prover.verdict)
    ordering = proven.ordering
    for step in ordering.steps:
        for stage in step:
            builder.add(stage)
    for name in changed:
        builder.finish(name)
    plan = Plan(
        site=inventory.site.site,
        root=root,
        inventory=_digest_of(jobs),
        reason=reason,
        findings=tuple(findings),
        exposed=tuple(_exposed(proven, move, inventory.known) for move in proven.exposed),
        servers={name: builder.server(name) for name in changed},
        steps=builder.steps(ordering),
        manifest=written_manifest(builder.after),
        contents=encode_contents(builder.contents),
    )
    return Planned(
        plan=plan,
        ordering=ordering,
        verdicts=proven.verdicts,
        services=builder.services,
        before=builder.before,
        after=builder.after,
    )


class _Builder:
    """Collects the versions of each server."""

    def __init__(
        self,
        inventory: Inventory,
        jobs: Mapping[str, Job],
        present: Mapping[str, Mapping[str, PresentFile]],
        recorded: Manifest,
    ) -> None:
        self.inventory = inventory
        self.jobs = jobs
        self.present = present
        self.contents: dict[str, bytes] = {}
        self.services: dict[tuple[str, Version | None], BootService] = {}
        self.versions: dict[str, dict[Version, dict[str, str | None]]] = {name: {} for name in jobs}
        self.after: dict[str, Answering] = dict(manifest_of(inventory))
        self.before: dict[str, Answering] = {
            name: recorded.get(name, self.after[name] if name not in jobs else {}) for name in self.after
        }
        self.known_before = {name for name in self.after if name in recorded or name not in jobs}
        for name, job in jobs.items():
            self._read_services(name, job)

    def _read_services(self, name: str, job: Job) -> None:
        path = job.target.boot_config
        if self.inventory.site.servers[name].config:
            # What runs is known: its own files, and no drop-in yet or an empty one.
            self.after[name] = answering_of(self.inventory, name, ours=True)
            if not any(self.present[name][place].content for place in job.files):
                self.known_before.add(name)
                self.before[name] = answering_of(self.inventory, name, ours=False)
            return
        if path is None:
            if all(self.present[name][place].content is None for place in job.files):
                self.known_before.add(name)  # nothing stands there: it answers nobody
                self.before[name] = {}
            return
        by_name = {file.path: file.content for file in job.files.values()}
        after = read_service(by_name[BOOT_CONFIG], by_name.get)
        if after is not None:
            self.services[name, "final"] = after
            self.after[name] = after.answering
        there = self.present[name]
        folder = directory_of(path)

        def read(list_name: str) -> bytes | None:
            file = there.get(f"{folder}/{list_name}")
            return file.content if file is not None else None

        config = there[path].content
        before = None if config is None else read_service(config, read)
        if config is None:
            self.known_before.add(name)
            self.before[name] = {}
        elif before is not None:
            self.known_before.add(name)
            self.services[name, None] = before
            self.before[name] = before.answering

    def differs(self, name: str) -> bool:
        """Whether any file on the server is another than the rendered one, or is rendered no more."""
        there = self.present[name]
        return bool(self._going(name)) or any(
            there[path].digest != file.digest for path, file in self.jobs[name].files.items()
        )

    def _going(self, name: str) -> list[PresentFile]:
        """What earlier rollouts left there and nothing is rendered for."""
        there = self.present[name]
        return [there[path] for path in self.jobs[name].leftovers if there[path].content is not None]

    def shift(self, name: str) -> Shift:
        """The server's change as the ordering sees it."""
        before, after = self.services.get((name, None)), self.services.get((name, "final"))
        is_new = after is not None and all(
            self.present[name][path].content is None for path in self.jobs[name].files
        )
        return Shift(
            server=name,
            before=self.before[name],
            after=self.after[name],
            can_delay=after is not None and (before is not None or is_new),
            delay_before=before.longest_delay if before is not None else 0.0,
            delay_after=after.longest_delay if after is not None else 0.0,
        )

    def running(self, name: str, stage: Stage | None) -> Running:
        """How a server behaves at a stage; None is today."""
        if stage is not None and not stage.is_last:
            service = self._staged(stage)[1]
        else:
            service = self.services.get((name, None if stage is None else "final"))
        if service is not None:
            return service.model(name)
        if stage is not None:
            return model_for(self.inventory, name)
        if name not in self.known_before:
            return None
        return self._before(name)

    def _before(self, name: str) -> Running:
        """A server that is not ours, as it answers today: whom is recorded, and nothing else."""
        before = list(self.before[name].values())
        if not before:
            return "silent"
        roles = self.inventory.site.servers[name].effective_roles
        if "dhcp" in roles or any(macs != before[0] for macs in before):
            return None
        return model_for(answering_only(self.inventory, name, before[0]), name)

    def _staged(self, stage: Stage) -> tuple[bytes, BootService | None]:
        """The configuration of a stage that is not a server's last, and how the server reads it."""
        name = stage.server
        before, after = self.services.get((name, None)), self.services[name, "final"]
        config = staged_config(stage, before, after)
        lists = after.lists if _lists_of_after(stage, before) else (before or after).lists
        return config, read_service(config, lambda list_name: _list_octets(lists, list_name))

    def add(self, stage: Stage) -> None:
        """The files of a stage that is not a server's last; the last one is added by ``finish``."""
        if stage.is_last:
            return
        name, job = stage.server, self.jobs[stage.server]
        config, service = self._staged(stage)
        files: dict[str, str | None] = {}
        for path, file in job.files.items():
            if file.path == BOOT_CONFIG:
                files[path] = self._content(config)
            elif _lists_of_after(stage, self.services.get((name, None))):
                files[path] = self._content(file.content)
        self.versions[name][stage.version] = files
        if service is not None:
            self.services[name, stage.version] = service

    def finish(self, name: str) -> None:
        """The files of the last version."""
        self.versions[name]["final"] = {
            **{path: self._content(file.content) for path, file in self.jobs[name].files.items()},
            **{file.path: None for file in self._going(name)},
        }

    def _content(self, content: bytes) -> str:
        digest = sha256(content)
        self.contents[digest] = content
        return digest

    def server(self, name: str) -> ServerPlan:
        """One server's part of the plan."""
        job, there = self.jobs[name], self.present[name]
        deploy = self.inventory.site.servers[name].deploy
        versions = self.versions[name]
        # A file that goes is named by its path: another one may be rendered by its name elsewhere.
        named = [(file.path, path, file.mode) for path, file in job.files.items()]
        named += [(file.path, file.path, int(file.mode, 8)) for file in self._going(name)]
        files = []
        for label, path, mode in named:
            after: dict[Version, str | None] = {}
            now = there[path].digest
            for version in VERSIONS:
                digest = versions.get(version, {}).get(path, now)
                if digest != now:
                    after[version] = now = digest
            files.append(
                PlannedFile(name=label, path=path, mode=mode, before=there[path].digest, after=after)
            )
        # A whole configuration that does not hold together is found before its daemon is told of it.
        reloads = [file.test for file in job.files.values() if file.test]
        reloads += [file.reload for file in job.files.values() if file.reload]
        return ServerPlan(
            host=job.target.address.host,
            user=job.target.address.user,
            port=job.target.address.port,
            sudo=job.target.sudo,
            software=str(self.inventory.site.servers[name].software),
            checks={file.path: tuple(shlex.split(file.check)) for file in job.files.values() if file.check},
            reload=tuple(tuple(shlex.split(text)) for text in dict.fromkeys(reloads)),
            status=tuple(shlex.split(deploy.status)) if deploy is not None and deploy.status else (),
            files=tuple(files),
            impact=self._impact(name),
        )

    def _impact(self, name: str) -> Impact:
        found = impact(
            name, self.before, self.after, self.inventory.known, before_known=name in self.known_before
        )
        dropin, place = self.inventory.site.servers[name].dropin, included_by(self.inventory, name)
        if dropin is None or place is None:
            return found
        return found.model_copy(
            update={"sentences": (f"{dropin.path} is included by {place}", *found.sentences)}
        )

    def steps(self, ordering: Ordering) -> tuple[Step, ...]:
        """The steps in waves; the first server of a step goes alone."""
        since: dict[str, Version | None] = {}
        result = []
        for stages in ordering.steps:
            changes = []
            for stage in stages:
                # A version without anything delayed is the last one, whatever step it belongs to.
                version: Version = "final" if stage.is_last else stage.version
                changes.append(Change(server=stage.server, version=version, since=since.get(stage.server)))
                since[stage.server] = version
            changes.sort(key=lambda change: (self._impact(change.server).share, change.server))
            waves = (tuple(changes[:1]), tuple(changes[1:])) if len(changes) > 1 else (tuple(changes),)
            result.append(Step(why=_why(stages, ordering), waves=waves))
        return tuple(result)


def _lists_of_after(stage: Stage, before: BootService | None) -> bool:
    """Whether a stage reads the new list files."""
    return stage.base == "after" or before is None


def _exposed(proven: ProvenOrdering, move: Move, known: MacSet) -> str:
    """What a move risks, for people."""
    who = f"{count(move.macs, known, noun=True)} ({move.architecture}) from {move.giver} to {move.taker}"
    failure = proven.verdicts[move.key].failure
    if move.way == "overlap":
        return f"{who} are answered by both in between: neither server can delay them"
    assert failure is not None
    return f"{who} may boot differently in between: {failure.message}"


def _list_octets(lists: Mapping[str, MacSet], name: str) -> bytes:
    return mac_lines(tuple(sorted(lists.get(name, NOBODY).points))).encode()


def _why(stages: Sequence[Stage], ordering: Ordering) -> str:
    if not ordering.moves:
        return "no client changes its server"
    if stages is ordering.steps[-1]:
        return "every server has its new configuration"
    if any(stage.version == "opening" for stage in stages):
        return "clients that move are answered by both servers, one of them later: they boot from the old one"
    return "clients that move boot from the new server"


def _digest_of(jobs: Mapping[str, Job]) -> str:
    """One digest for all that is rendered for the servers of the rollout."""
    lines = sorted(
        f"{name}\0{path}\0{file.digest}" for name, job in jobs.items() for path, file in job.files.items()
    )
    return sha256("\n".join(lines).encode())
