"""coexist's own boot server: one YAML file and a list of MACs for each group it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import yaml

from coexist.boot.configuration import BootServerConfig, ClientSelector
from coexist.boot.servers.coexist import boot_server_config, list_members
from coexist.inventory.products import COEXIST
from coexist.render.cells import mac_lines
from coexist.render.limits import report_uuids
from coexist.render.rendered import RenderedFile
from coexist.render.target import Job
from coexist.wire.mac import format_mac

(CONFIG_FILE,) = COEXIST.files

_HEADER = """\
# {name}: written by coexist from the inventory of {site}; change it there.
"""


def limits(job: Job) -> None:
    """Report what it cannot keep."""
    if "dhcp" in job.server.effective_roles:
        job.report(
            "CX512",
            ("servers", job.name, "roles"),
            f"{job.name} must lease addresses, and coexist leases none",
            "give the role dhcp to a DHCP server of its own (isc-dhcpd, kea, dnsmasq) on this host",
        )
    groups = job.server.answers.groups
    if job.server.settings or any(map(job.inventory.group_uuids, groups)):
        config = boot_server_config(job.inventory, job.name)
        report_uuids(job, {UUID(text) for rule in config.rules for text in _uuids(rule.clients)})


def _uuids(selector: ClientSelector) -> tuple[str, ...]:
    return (*selector.uuids, *(_uuids(selector.excluded) if selector.excluded else ()))


def render(job: Job) -> tuple[RenderedFile, ...]:
    """The configuration and its lists."""
    config = boot_server_config(job.inventory, job.name)
    header = _HEADER.format(name=job.name, site=job.inventory.site.site)
    text = yaml.safe_dump(plain_config(config), sort_keys=False, allow_unicode=True, width=110)
    files = [
        RenderedFile(
            path=CONFIG_FILE,
            content=(header + text).encode(),
            purpose="what the boot server does, whole",
            target=f"{job.server.product.target}{CONFIG_FILE}",
            check=job.server.product.check,
            reload=job.server.product.reload,
        )
    ]
    files += [_list_file(job, name) for name in sorted(set(_list_files(config)))]
    return tuple(files)


def _list_file(job: Job, name: str) -> RenderedFile:
    return RenderedFile(
        path=name,
        content=mac_lines(tuple(sorted(list_members(job.inventory, name).points))).encode(),
        purpose="a list of MAC addresses, one a line",
        target=f"{job.server.product.target}{name}",
        reload=job.server.product.reload,
    )


def plain_config(config: BootServerConfig) -> dict[str, Any]:
    """A configuration as plain values, without what is at its default."""
    tree: dict[str, Any] = _plain(config.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    if "services" in tree:
        tree["services"] = sorted(tree["services"])
    return tree


def _plain(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _plain(item, name) for name, item in value.items()}
    if isinstance(value, list):
        # A MAC is a number inside the program only.
        return [format_mac(item) if key == "macs" else _plain(item) for item in value]
    return value


def _list_files(config: BootServerConfig) -> Iterator[str]:
    for rule in config.rules:
        yield from _selector_files(rule.clients)
    if config.known:
        yield from _selector_files(config.known)


def _selector_files(selector: ClientSelector) -> Iterator[str]:
    yield from selector.files
    if selector.excluded:
        yield from _selector_files(selector.excluded)
