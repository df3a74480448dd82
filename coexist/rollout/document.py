"""``plan.json``: what an apply will do, complete and checkable.

A plan is text that comes back into the program, so it is pydantic; its ``digest`` covers everything in
it, and every file content is named by its SHA-256. It holds no content of a server's present files
except for coexist's own configuration, which has no secrets, and no password or key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from coexist.errors import InputError, Position, Problem
from coexist.inventory.values import is_plain_path
from coexist.planning.together import VERSIONS, Version

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _plain_path(text: str) -> str:
    if not is_plain_path(text):
        raise ValueError(f"{text!r} is not the whole path of a file")
    return text


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlannedFile(_Written):
    """One file on a server. ``before`` is the digest of what stands there now, None if nothing does.

    ``after`` has the digest for each version that changes it, None where that version has no such file;
    ``mode`` is for a file that is new, or comes back.
    """

    name: str
    path: Annotated[str, AfterValidator(_plain_path)]
    mode: Annotated[int, Field(ge=0, le=0o7777)] = 0o644
    before: Sha256 | None
    after: dict[Version, Sha256 | None]

    def at(self, version: Version | None) -> str | None:
        """The digest of this file when a server runs ``version``; None as version is the present state."""
        digest = self.before
        for step in VERSIONS if version is not None else ():
            digest = self.after.get(step, digest)
            if step == version:
                break
        return digest


class Impact(_Written):
    """What a change means for clients: how many registered ones are gained and lost, of how many.

    ``sentences`` are for people; ``share`` (0 to 1) is the part of the server's clients that changes.
    """

    gained: int = 0
    lost: int = 0
    clients: int = 0
    share: float = 0.0
    sentences: tuple[str, ...] = ()


class ServerPlan(_Written):
    """One server: how to reach it, its files, and its commands as lists of words.

    ``checks`` by file: a word ``{path}`` stands for the uploaded copy of that file, ``{NAME}`` for that of
    the file NAME beside it. ``reload`` are several commands, run in this order; ``status`` succeeds while the
    service runs.
    """

    host: str
    user: str | None = None
    port: int | None = None
    sudo: bool = False
    software: str
    checks: dict[str, tuple[str, ...]] = {}
    reload: tuple[tuple[str, ...], ...] = ()
    status: tuple[str, ...] = ()
    files: tuple[PlannedFile, ...]
    impact: Impact = Impact()

    def changes(self, version: Version, since: Version | None) -> tuple[PlannedFile, ...]:
        """The files that differ between two versions."""
        return tuple(file for file in self.files if file.at(version) != file.at(since))


class Change(_Written):
    """A server goes from one version to the next; ``since`` None is what stands there now."""

    server: str
    version: Version
    since: Version | None = None


class Step(_Written):
    """What happens together, in waves; ``why`` says what holds for the clients afterwards."""

    why: str
    waves: tuple[tuple[Change, ...], ...]


class WireCheck(_Written):
    """What one client must see of one server that runs ``version``.

    ``reply`` is the predicted DHCP message in base64, None where the server must stay silent; ``file`` and
    ``boot_server`` are what it says, for readers. Times are seconds after the client's first packet.
    ``sha256`` is that of the boot file on its server, where it was read. ``by``: who must see it, a client on
    the VLAN (``interface``) or a relay agent; both, where nothing is written.
    """

    server: str
    version: Version
    vlan: str
    by: Literal["interface", "relay"] | None = None
    address: str
    mac: str
    architecture: str
    port: Literal[67, 4011]
    reply: str | None = None
    file: str | None = None
    boot_server: str | None = None
    earliest: float = 0.0
    latest: float = 0.0
    why: str = ""
    sha256: Sha256 | None = None


class Plan(_Written):
    """A whole rollout. ``root`` is the inventory's directory on the machine that made the plan,
    ``inventory`` the digest of all rendered files; ``reason`` says why findings were overridden.
    ``seal``: see ``coexist.rollout.seal``."""

    format: Literal[1] = 1
    site: str
    root: str = ""
    inventory: Sha256
    reason: str | None = None
    findings: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    servers: dict[str, ServerPlan] = {}
    steps: tuple[Step, ...] = ()
    checks: tuple[WireCheck, ...] = ()
    manifest: dict[str, dict[str, tuple[str, ...]]] = {}
    contents: dict[Sha256, str] = {}
    digest: str = ""
    seal: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for digest, text in self.contents.items():
            try:
                octets = base64.b64decode(text, validate=True)
            except binascii.Error:
                raise ValueError(f"the content {digest} is not base64") from None
            if hashlib.sha256(octets).hexdigest() != digest:
                raise ValueError(f"the content {digest} was changed")
        needed = {
            sha
            for server in self.servers.values()
            for file in server.files
            for sha in file.after.values()
            if sha is not None
        }
        if missing := sorted(needed - set(self.contents)):
            raise ValueError(f"the content {missing[0]} is missing")
        if self.digest and self.digest != self._computed():
            raise ValueError("the plan was changed after it was made")
        return self

    def sealed(self) -> Plan:
        """The same plan with its digest."""
        return self.model_copy(update={"digest": self._computed()})

    def content(self, digest: str) -> bytes:
        """A file's octets by their digest."""
        return base64.b64decode(self.contents[digest])

    def _computed(self) -> str:
        tree = self.model_dump(mode="json", exclude={"digest", "seal"})
        canonical = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps


def sha256(octets: bytes) -> str:
    """The digest every file is named by."""
    return hashlib.sha256(octets).hexdigest()


def encode_contents(contents: Mapping[str, bytes]) -> dict[str, str]:
    """File contents by digest, as they stand in a plan."""
    return {digest: base64.b64encode(contents[digest]).decode("ascii") for digest in sorted(contents)}


def write_plan(plan: Plan) -> str:
    """The text of ``plan.json``."""
    return json.dumps(plan.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"


NEW_PLAN = "make a new one with `coexist plan`"


def read_plan(path: Path, repair: str = NEW_PLAN) -> Plan:
    """Read a plan. Raises ``InputError`` if it is not one, or not the one that was written.

    ``repair``: what to do about it.
    """
    place = Position(str(path))
    try:
        plan = Plan.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError([Problem(place, f"cannot be read: {error.strerror}", repair)]) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            raise InputError([Problem(place, f"this is no plan: {where!r} is missing", repair)]) from None
        what = str(first["msg"]).removeprefix("Value error, ")
        raise InputError([Problem(place, f"{where}: {what}" if where else what, repair)]) from None
    if not plan.digest:
        raise InputError([Problem(place, "the plan has no digest", repair)])
    return plan
