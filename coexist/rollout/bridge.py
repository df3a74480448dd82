"""The configurations coexist's own server runs in between: some clients answered late for a while. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from coexist.boot.configuration import BootServerConfig, ClientSelector, PolicyRule
from coexist.boot.policy import Selecting, compile_policy
from coexist.boot.responder import ServerModel
from coexist.boot.servers.coexist import CoexistModel
from coexist.errors import Position
from coexist.inventory.documents import SourceMap, read_yaml
from coexist.inventory.macset import EVERYONE, NOBODY, MacSet
from coexist.inventory.values import Delay
from coexist.planning.together import Answering, Delayed, Stage
from coexist.records import dataclass
from coexist.render.targets.coexist import plain_config
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.mac import format_mac, parse_mac

_HEADER = "# Written by coexist for one step of a rollout; the next step replaces it.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class BootService:
    """A configuration of coexist's server with the MACs of its list files."""

    config: BootServerConfig
    lists: Mapping[str, MacSet]

    def members(self, selector: ClientSelector) -> MacSet:
        """The clients of a selector; those registered at the server itself are not known here."""
        return Selecting(self.config.groups, self.lists.__getitem__).select(selector)

    @property
    def answering(self) -> Answering:
        """Whom it boots, by architecture name."""
        denied = self.members(self.config.deny) if self.config.deny is not None else NOBODY
        result: dict[str, MacSet] = {}
        for architecture in sorted(ARCHITECTURE_NAMES):
            served = NOBODY
            for rule, macs in self._fitting(architecture, EVERYONE - denied):
                if boots(rule, architecture):
                    served |= macs
            if served:
                result[architecture] = served
        return result

    @property
    def longest_delay(self) -> float:
        """The longest delay of a rule that serves (seconds); thresholds on the client's clock count as 28."""
        return max(
            (_seconds(rule.delay) for rule in self.config.rules if rule.action == "serve"), default=0.0
        )

    def model(self, name: str) -> ServerModel:
        """How a server with this configuration behaves."""
        return CoexistModel(name=name, policy=compile_policy(self.config, self.lists.__getitem__))

    def narrowed(self, delayed: Delayed, prefix: str) -> Iterator[PolicyRule]:
        """The rules that serve some clients of one architecture, for them alone and with their delay."""
        for rule, macs in self._fitting(delayed.architecture, delayed.macs):
            if boots(rule, delayed.architecture):
                changes: dict[str, Any] = {
                    "name": f"{prefix}-{delayed.architecture}-{rule.name}",
                    "clients": written(macs),
                    "architectures": (delayed.architecture,),
                    "delay": Delay(after=delayed.delay),
                }
                yield rule.model_copy(update=changes)

    def _fitting(self, architecture: str, left: MacSet) -> Iterator[tuple[PolicyRule, MacSet]]:
        """Each rule with the clients it decides about: of ``left``, those no earlier rule took."""
        for rule in self.config.rules:
            if rule.architectures is None or architecture in rule.architectures:
                macs = self.members(rule.clients) & left
                if macs:
                    left = left - macs
                    yield rule, macs


def boots(rule: PolicyRule, architecture: str) -> bool:
    """Whether a rule gives such a client something to boot."""
    return rule.action == "serve" and (rule.menu is not None or architecture in rule.programs)


def written(macs: MacSet) -> ClientSelector:
    """A selector for exactly these clients, without a list file."""
    pieces = [(format_mac(first), format_mac(last)) for first, last in macs.intervals()]
    return ClientSelector.model_validate(
        {
            "macs": [first for first, last in pieces if first == last],
            "ranges": [f"{first}-{last}" for first, last in pieces if first != last],
        }
    )


def read_service(content: bytes, read: Callable[[str], bytes | None]) -> BootService | None:
    """A boot server's configuration and its lists; None if it is not a valid one.

    ``read`` delivers the content of a list file by its name.
    """
    problems: list[Any] = []
    tree = read_yaml(content.decode("utf-8", "replace"), "present", SourceMap(Position("present")), problems)
    if problems or not isinstance(tree, dict):
        return None
    try:
        config = BootServerConfig.model_validate(tree)
    except ValidationError:
        return None
    lists: dict[str, MacSet] = {}
    for name in list_names(config):
        octets = read(name)
        macs = None if octets is None else _read_list(octets)
        if macs is None:
            return None
        lists[name] = macs
    return BootService(config=config, lists=lists)


def list_names(config: BootServerConfig) -> tuple[str, ...]:
    """The list files a configuration names, sorted."""
    selectors = [rule.clients for rule in config.rules]
    selectors += [s for s in (config.deny, config.known, *config.groups.values()) if s is not None]
    return tuple(sorted({name for selector in selectors for name in _files(selector)}))


def staged_config(stage: Stage, before: BootService | None, after: BootService) -> bytes:
    """The configuration file of a server in a stage that is not its last."""
    base = after if stage.base == "after" or before is None else before
    rules: list[PolicyRule] = []
    for delayed in stage.taken:
        rules += after.narrowed(delayed, "taken")
    for delayed in stage.held:
        if before is not None:
            rules += before.narrowed(delayed, "held")
    # A server that is new has no rules of its own yet: the others come with the next stage.
    own: Sequence[PolicyRule] = () if stage.base == "before" and before is None else base.config.rules
    # A deny list is asked before any rule; whom the stage serves must not stand on it.
    update: dict[str, Any] = {"rules": (*_numbered(rules), *own)}
    served = NOBODY
    for delayed in (*stage.taken, *stage.held):
        served |= delayed.macs
    if base.config.deny is not None and (denied := base.members(base.config.deny)) & served:
        update["deny"] = written(denied - served)
    tree = plain_config(base.config.model_copy(update=update))
    return (_HEADER + yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=110)).encode()


def _numbered(rules: Sequence[PolicyRule]) -> Iterator[PolicyRule]:
    """Rule names are unique in a file."""
    for number, rule in enumerate(rules):
        yield rule.model_copy(update={"name": f"{rule.name}-{number}"})


def _seconds(delay: Delay) -> float:
    if delay.kind in ("none", "after"):
        return delay.after
    return 28.0


def _files(selector: ClientSelector) -> Iterator[str]:
    yield from selector.files
    if selector.excluded is not None:
        yield from _files(selector.excluded)


def _read_list(octets: bytes) -> MacSet | None:
    macs: set[int] = set()
    for line in octets.decode("utf-8-sig", "replace").splitlines():
        words = line.partition("#")[0].split()
        if words:
            try:
                macs.add(parse_mac(words[0]))
            except ValueError:
                return None
    return MacSet.of(macs)
