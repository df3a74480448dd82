"""What is wrong with a boot server's configuration beyond its shape, and what is only strange.

A mistake refuses the configuration. A caution does not: the directory may be mounted later, a group may get
its first member by ``coexist clients register``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel

from coexist.boot.configuration import BootServerConfig, ClientSelector, MenuSettings, PolicyRule
from coexist.errors import Problem
from coexist.inventory.documents import SourceMap
from coexist.inventory.models import Role
from coexist.text.closest import closest
from coexist.wire.options import Option, option_title

Place = tuple[str | int, ...]

_OWN = {
    Option.OPTION_OVERLOAD: "all options are in the options field",
    Option.DHCP_MESSAGE_TYPE: "it says what a reply is",
    Option.SERVER_IDENTIFIER: "each reply has the address of its VLAN",
    Option.RELAY_AGENT_INFORMATION: "the relay's own is repeated to it",
    Option.CLIENT_MACHINE_IDENTIFIER: "the client's own is repeated to it",
}


def selectors(config: BootServerConfig) -> dict[Place, ClientSelector]:
    """Every selector of a configuration by its place, those behind ``except`` too."""
    found: dict[Place, ClientSelector] = {
        ("rules", number, "clients"): rule.clients for number, rule in enumerate(config.rules)
    }
    found |= {("groups", name): selector for name, selector in config.groups.items()}
    for key in ("deny", "known"):
        selector = getattr(config, key)
        if selector is not None:
            found[(key,)] = selector
    for path, selector in list(found.items()):
        inner, at = selector.excluded, (*path, "except")
        while inner is not None:
            found[at] = inner
            inner, at = inner.excluded, (*at, "except")
    return found


def mistakes(config: BootServerConfig, sources: SourceMap) -> list[Problem]:
    """What cannot be served by."""
    services = sources.at(("services",), value=True)
    problems = []
    if "dhcp" in config.services:
        remedy = "take `dhcp` out; a DHCP server stands beside it"
        problems.append(Problem(services, "the boot server leases no addresses", remedy))
    if "http" in config.services and config.http is None:
        problems.append(Problem(services, "`http` has no settings", "write `http: {port: 80}`"))
    problems += [
        Problem(
            sources.at(("options", str(code))),
            f"option {option_title(code)} must not be set: {why}",
            "leave it out",
        )
        for code, why in _OWN.items()
        if code in config.options
    ]
    problems += _twice(
        ((rule.name, ("rules", number, "name")) for number, rule in enumerate(config.rules)),
        sources,
        "the rule {!r}",
        "give each rule a name of its own: logs and metrics tell them apart by it",
    )
    problems += _twice(
        ((str(listen.address), ("listen", number, "address")) for number, listen in enumerate(config.listen)),
        sources,
        "the address {}",
        "list each address once",
    )
    for number, rule in enumerate(config.rules):
        if rule.menu is not None:
            problems += _menu_mistakes(rule.menu, ("rules", number, "menu", "items"), sources)
    return problems


def cautions(config: BootServerConfig, sources: SourceMap, directory: Path) -> list[Problem]:
    """What is served by all the same; ``directory`` is where relative names begin."""
    found = []
    for path, selector in selectors(config).items():
        for number, name in enumerate(selector.groups):
            if name not in config.groups:
                found.append(
                    Problem(
                        sources.at((*path, "groups", number), value=True),
                        f"no group {name!r} is declared in this file: it has only the machines registered"
                        " into it",
                        closest(name, config.groups) if config.groups else f"write `groups: {{{name}: ...}}`",
                    )
                )
    if Option.VENDOR_CLASS_IDENTIFIER in config.options:
        message = (
            "option 60 (VENDOR_CLASS_IDENTIFIER) for all: PXEClient and HTTPClient each hear only their own"
        )
        remedy = "leave it out: each client is told its own"
        found.append(Problem(sources.at(("options", "60")), message, remedy))
    if config.services & {"proxydhcp", "boot-server"}:
        found += _idle_rules(config.rules, sources)
    found += _idle_settings(config, sources)
    found += _nobody(config, sources)
    served = {("tftp", "root"): config.tftp.root} if config.services & {"tftp", "http"} else {}
    if config.http is not None and config.http.root is not None:
        served["http", "root"] = config.http.root
    for path, root in served.items():
        if not _is_folder(directory / root):
            message = f"there is no directory {directory / root}: no file is served until it is there"
            found.append(Problem(sources.at(path, value=True), message, "create it, or name another"))
    return found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # its name is too long, or a folder of it is closed to us
        return False


# Settings that only some services look at, by the services.
_LOOKED_AT: dict[tuple[Role, ...], tuple[Place, ...]] = {
    ("proxydhcp",): (("offers_file",), ("follow_offers",)),
    ("proxydhcp", "boot-server"): (("discovery_control",), ("answers_4011",), ("options",), ("boot_server",)),
    ("tftp",): tuple(
        ("tftp", key)
        for key in (
            "whitelist",
            "port",
            "port_range",
            "largest_blksize",
            "largest_windowsize",
            "unknown_addresses",
            "advise",
        )
    ),
    ("tftp", "http"): (("tftp", "root"), ("tftp", "templates")),
}


def _idle_settings(config: BootServerConfig, sources: SourceMap) -> Iterator[Problem]:
    """What is written and has no effect, or another than it looks."""
    served = config.services | ({"http"} if config.http is not None else frozenset())
    if served != config.services:
        message = "`http` is not among the services, and is served all the same: it has settings"
        remedy = "add `http` to `services`, or take the settings out"
        yield Problem(sources.at(("http",)), message, remedy)
    for services, places in _LOOKED_AT.items():
        if served.isdisjoint(services):
            for path in places:
                if _is_written(config, path):
                    needed = " or ".join(f"`{service}`" for service in services)
                    message = f"`{path[-1]}` has no effect: no {needed} among the services"
                    remedy = "take it out, or add the service"
                    yield Problem(sources.at(path), message, remedy)
    for number, rule in enumerate(config.rules):
        yield from _idle_in_rule(rule, ("rules", number), sources)


def _is_written(config: BootServerConfig, path: Place) -> bool:
    here: BaseModel = config
    for step in path[:-1]:
        here = getattr(here, str(step))
    return path[0] in config.model_fields_set and path[-1] in here.model_fields_set


def _idle_in_rule(rule: PolicyRule, path: Place, sources: SourceMap) -> Iterator[Problem]:
    if rule.action == "ignore":
        for key in ("programs", "menu", "delay"):
            if key in rule.model_fields_set:
                message = f"`{key}` has no effect: the rule {rule.name!r} ignores its clients"
                remedy = "take it out, or write `action: serve`"
                yield Problem(sources.at((*path, key)), message, remedy)
    for number, item in enumerate(rule.menu.items if rule.menu is not None else ()):
        for key in ("type", "programs"):
            if item.local and key in item.model_fields_set:
                message = f"`{key}` has no effect: {item.text!r} boots from the disk"
                place = sources.at((*path, "menu", "items", number, key))
                yield Problem(place, message, "take it out, or take `local` out")


def _nobody(config: BootServerConfig, sources: SourceMap) -> Iterator[Problem]:
    """Selectors that only take clients away: from nobody."""
    for path, selector in selectors(config).items():
        if selector.model_fields_set == {"excluded"}:
            message = "`except` has no effect: this rule selects no clients"
            yield Problem(sources.at((*path, "except")), message, "write `everyone: true` beside it")


def _idle_rules(rules: tuple[PolicyRule, ...], sources: SourceMap) -> list[Problem]:
    if not rules:
        remedy = "write `rules:`, or `services: [tftp]` for files only"
        return [Problem(sources.at(("rules",)), "there is no rule: nobody is answered", remedy)]
    found = []
    takes_all: PolicyRule | None = None
    for number, rule in enumerate(rules):
        if takes_all is not None:
            message = f"no client reaches the rule {rule.name!r}: {takes_all.name!r} before it takes everyone"
            remedy = f"put {takes_all.name!r} last"
            found.append(Problem(sources.at(("rules", number)), message, remedy))
        elif rule.action == "serve" and not rule.programs and rule.menu is None:
            message = f"the rule {rule.name!r} has no program: its clients are not answered"
            remedy = "write `programs: {bios: ...}`, or `action: ignore`"
            found.append(Problem(sources.at(("rules", number)), message, remedy))
        if rule.clients.everyone and rule.clients.excluded is None and rule.architectures is None:
            takes_all = takes_all or rule
    return found


def _menu_mistakes(menu: MenuSettings, path: Place, sources: SourceMap) -> list[Problem]:
    """The client says which line it chose by the line's type alone."""
    types = (
        (str(item.type or number), (*path, number - 1))
        for number, item in enumerate(menu.items, start=1)
        if not item.local
    )
    remedy = "give each item a `type` of its own; one without has the number of its place"
    return _twice(types, sources, "the boot server type {}", remedy)


def _twice(named: Iterable[tuple[str, Place]], sources: SourceMap, what: str, remedy: str) -> list[Problem]:
    first: dict[str, Place] = {}
    found = []
    for name, path in named:
        if first.setdefault(name, path) != path:
            line = sources.at(first[name], value=True).line
            message = f"{what.format(name)} is written twice, first in line {line}"
            found.append(Problem(sources.at(path, value=True), message, remedy))
    return found
